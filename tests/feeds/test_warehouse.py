"""The published DuckDB file: its views, its keys, and that publishing never disturbs a reader."""

import polars as pl
import pytest

from feeds.errors import LakeError
from feeds.lake import Lake
from feeds.warehouse import connect, publish


def rows(connection, query):
    return connection.sql(query).fetchall()


def test_views_show_every_partition_with_its_keys(tmp_path):
    lake = Lake(tmp_path)
    for date in ("2024-01-02", "2024-01-03"):
        for symbol in ("A.X", "B.X"):
            lake.write("bars", pl.DataFrame({"ts": [1, 2]}), date, symbol)
    publish(tmp_path)
    with connect(tmp_path) as connection:
        found = rows(connection, "SELECT date, symbol, count(*) FROM features.bars GROUP BY ALL ORDER BY ALL")
    keys = [(date, symbol) for date in ("2024-01-02", "2024-01-03") for symbol in ("A", "B")]
    assert found == [(date, symbol, 2) for date, symbol in keys]


def test_a_key_that_is_also_a_column_of_the_table_appears_once(tmp_path):
    frame = pl.DataFrame({"ts": [1, 1], "symbol": ["A.X", "B.X"], "date": ["2024-01-02"] * 2})
    Lake(tmp_path).write("feature_table", frame, "2024-01-02")
    publish(tmp_path)
    with connect(tmp_path) as connection:
        assert rows(connection, "SELECT * FROM feature_table ORDER BY symbol") == [
            (1, "A", "X", "A.X", "2024-01-02"),
            (1, "B", "X", "B.X", "2024-01-02"),
        ]


def test_a_column_that_only_some_dates_have_is_null_on_the_others(tmp_path):
    lake = Lake(tmp_path)
    lake.write("feature_table", pl.DataFrame({"ts": [1]}), "2024-01-02")
    lake.write("feature_table", pl.DataFrame({"ts": [2], "ext_new": [0.5]}), "2024-01-03")
    publish(tmp_path)
    with connect(tmp_path) as connection:
        assert rows(connection, "SELECT ts, ext_new FROM features.feature_table ORDER BY ts") == [
            (1, None),
            (2, 0.5),
        ]


def test_results_and_ticks_have_schemas_of_their_own_and_checks_are_united(tmp_path):
    lake = Lake(tmp_path)
    lake.write("clean_ticks", pl.DataFrame({"price": [1]}), "2024-01-02", "A.X")
    lake.write("backtest", pl.DataFrame({"net_bps": [1.5]}), "2024-01-02")
    check = {"table": ["raw_ticks"], "passed": [True], "date": ["2024-01-02"], "symbol": ["A.X"]}
    lake.write("quality_raw_ticks", pl.DataFrame(check), "2024-01-02", "A.X")
    by_date = {"table": ["headlines"], "passed": [False], "date": ["2024-01-02"], "symbol": ["*"]}
    lake.write("quality_headlines", pl.DataFrame(by_date), "2024-01-02")
    publish(tmp_path)
    with connect(tmp_path) as connection:
        assert rows(connection, "SELECT net_bps FROM evaluation.backtest") == [(1.5,)]
        assert rows(connection, "SELECT price FROM ticks.clean_ticks") == [(1,)]
        united = rows(connection, 'SELECT "table", symbol, passed FROM evaluation.quality_results ORDER BY ALL')
    assert united == [("headlines", "*", False), ("raw_ticks", "A", True)]


def test_ticker_venue_and_id_of_an_instrument_can_be_asked_for(tmp_path):
    lake = Lake(tmp_path)
    for symbol in ("AMZN.NASDAQ", "AMZN.US", "BRK-B.US"):
        lake.write("bars", pl.DataFrame({"ts": [len(symbol)]}), "2024-01-02", symbol)
    rate = {"symbol": ["*", "AMZN.US"], "value": [1.0, 2.0]}
    lake.write("external_signals", pl.DataFrame(rate), "2024-01-02")
    publish(tmp_path)
    with connect(tmp_path) as connection:
        amazon = "SELECT ts, symbol, venue, instrument, date FROM bars WHERE symbol = 'AMZN' ORDER BY ts"
        assert rows(connection, amazon) == [
            (7, "AMZN", "US", "AMZN.US", "2024-01-02"),
            (11, "AMZN", "NASDAQ", "AMZN.NASDAQ", "2024-01-02"),
        ]
        assert rows(connection, "SELECT ts FROM bars WHERE venue = 'US' AND symbol = 'BRK-B'") == [(8,)]
        assert rows(connection, "SELECT ts FROM bars WHERE instrument = 'AMZN.US'") == [(7,)]
        assert rows(connection, "SELECT symbol, venue, instrument FROM external_signals ORDER BY value") == [
            ("*", "", "*"),
            ("AMZN", "US", "AMZN.US"),
        ]


def test_columns_a_table_has_itself_are_not_replaced(tmp_path):
    frame = pl.DataFrame({"symbol": ["A.X"], "venue": ["lit"], "instrument": ["share"]})
    Lake(tmp_path).write("listing", frame, "2024-01-02")
    publish(tmp_path)
    with connect(tmp_path) as connection:
        assert rows(connection, "SELECT symbol, venue, instrument FROM listing") == [("A", "lit", "share")]


@pytest.mark.parametrize("condition", ["symbol = 'B'", "instrument = 'B.X'", "symbol = 'B' AND venue = 'X'"])
def test_conditions_on_keys_are_applied_before_a_file_is_opened(tmp_path, condition):
    lake = Lake(tmp_path)
    for date in ("2024-01-02", "2024-01-03"):
        for symbol in ("A.X", "B.X", "C.X"):
            lake.write("bars", pl.DataFrame({"ts": [1]}), date, symbol)
    publish(tmp_path)
    with connect(tmp_path) as connection:
        query = f"EXPLAIN ANALYZE SELECT sum(ts) FROM bars WHERE {condition} AND date = '2024-01-03'"
        plan = connection.sql(query).fetchall()[0][1]
    assert "Files Read: 1 " in plan


def test_the_file_can_be_opened_by_duckdb_itself_while_another_holds_it(tmp_path):
    import duckdb

    Lake(tmp_path).write("feature_table", pl.DataFrame({"symbol": ["AMZN.NASDAQ"]}), "2024-01-02")
    path = publish(tmp_path)
    first, second = (duckdb.connect(str(path), read_only=True) for _ in range(2))
    query = "SELECT instrument FROM features.feature_table WHERE symbol = 'AMZN'"
    assert rows(first, query) == rows(second, query) == [("AMZN.NASDAQ",)]
    publish(tmp_path)
    assert rows(first, query) == [("AMZN.NASDAQ",)]


def test_a_later_partition_with_another_column_is_seen_without_it_until_publishing_again(tmp_path):
    lake = Lake(tmp_path)
    lake.write("feature_table", pl.DataFrame({"ts": [1]}), "2024-01-02")
    publish(tmp_path)
    lake.write("feature_table", pl.DataFrame({"ts": [2], "ext_new": [0.5]}), "2024-01-03")
    with connect(tmp_path) as connection:
        assert rows(connection, "SELECT * FROM feature_table ORDER BY ts") == [(1, "2024-01-02"), (2, "2024-01-03")]
    publish(tmp_path)
    with connect(tmp_path) as connection:
        assert rows(connection, "SELECT ext_new FROM feature_table ORDER BY ts") == [(None,), (0.5,)]


def test_publishing_while_a_reader_is_open_leaves_it_what_it_opened(tmp_path):
    lake = Lake(tmp_path)
    lake.write("bars", pl.DataFrame({"ts": [1]}), "2024-01-02", "A.X")
    publish(tmp_path)
    reader = connect(tmp_path)
    lake.write("backtest", pl.DataFrame({"ts": [1]}), "2024-01-02")
    publish(tmp_path)
    views = "SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY 1"
    with connect(tmp_path) as later:
        assert rows(later, views) == [("backtest",), ("bars",)]
    assert rows(reader, views) == [("bars",)]
    reader.close()


def test_new_partitions_show_without_publishing_again(tmp_path):
    lake = Lake(tmp_path)
    lake.write("bars", pl.DataFrame({"ts": [1]}), "2024-01-02", "A.X")
    publish(tmp_path)
    lake.write("bars", pl.DataFrame({"ts": [2]}), "2024-01-03", "A.X")
    with connect(tmp_path) as connection:
        assert rows(connection, "SELECT count(*) FROM bars") == [(2,)]


def test_a_failed_publish_leaves_the_old_file_and_no_rubbish(tmp_path):
    lake = Lake(tmp_path)
    lake.write("bars", pl.DataFrame({"ts": [1]}), "2024-01-02", "A.X")
    before = publish(tmp_path).read_bytes()
    broken = tmp_path / "lake" / "broken" / "date=2024-01-02" / "part.parquet"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"no parquet")
    with pytest.raises(LakeError, match="broken"):
        publish(tmp_path)
    assert (tmp_path / "warehouse.duckdb").read_bytes() == before
    assert not list(tmp_path.glob(".warehouse*"))


def test_a_root_with_a_quote_in_its_name_can_be_published(tmp_path):
    root = tmp_path / "it's"
    Lake(root).write("bars", pl.DataFrame({"ts": [1]}), "2024-01-02", "A.X")
    publish(root)
    with connect(root) as connection:
        assert rows(connection, "SELECT ts FROM bars") == [(1,)]


def test_an_empty_lake_publishes_a_warehouse_without_views(tmp_path):
    publish(tmp_path)
    with connect(tmp_path) as connection:
        assert rows(connection, "SELECT count(*) FROM duckdb_views() WHERE NOT internal") == [(0,)]


def test_opening_what_was_never_published_says_so(tmp_path):
    with pytest.raises(LakeError, match="no warehouse"):
        connect(tmp_path)


def test_the_opened_warehouse_cannot_be_written(tmp_path):
    publish(tmp_path)
    import duckdb

    with connect(tmp_path) as connection, pytest.raises(duckdb.Error, match="read-only"):
        connection.execute("CREATE TABLE features.x (a INTEGER)")
