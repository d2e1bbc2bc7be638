"""The published DuckDB file: its views, its keys, and that publishing never disturbs a reader."""

import polars as pl
import pytest

from feeds.errors import LakeError
from feeds.lake import Lake
from feeds.warehouse import open_readonly, publish


def rows(connection, query):
    return connection.sql(query).fetchall()


def test_views_show_every_partition_with_its_keys(tmp_path):
    lake = Lake(tmp_path)
    for date in ("2024-01-02", "2024-01-03"):
        for symbol in ("A.X", "B.X"):
            lake.write("bars", pl.DataFrame({"ts": [1, 2]}), date, symbol)
    publish(tmp_path)
    with open_readonly(tmp_path) as connection:
        found = rows(connection, "SELECT date, symbol, count(*) FROM features.bars GROUP BY ALL ORDER BY ALL")
    keys = [(date, symbol) for date in ("2024-01-02", "2024-01-03") for symbol in ("A.X", "B.X")]
    assert found == [(date, symbol, 2) for date, symbol in keys]


def test_a_key_that_is_also_a_column_of_the_table_appears_once(tmp_path):
    frame = pl.DataFrame({"ts": [1, 1], "symbol": ["A.X", "B.X"], "date": ["2024-01-02"] * 2})
    Lake(tmp_path).write("feature_table", frame, "2024-01-02")
    publish(tmp_path)
    with open_readonly(tmp_path) as connection:
        assert rows(connection, "SELECT * FROM feature_table ORDER BY symbol") == [
            (1, "A.X", "2024-01-02"),
            (1, "B.X", "2024-01-02"),
        ]


def test_a_column_that_only_some_dates_have_is_null_on_the_others(tmp_path):
    lake = Lake(tmp_path)
    lake.write("feature_table", pl.DataFrame({"ts": [1]}), "2024-01-02")
    lake.write("feature_table", pl.DataFrame({"ts": [2], "ext_new": [0.5]}), "2024-01-03")
    publish(tmp_path)
    with open_readonly(tmp_path) as connection:
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
    with open_readonly(tmp_path) as connection:
        assert rows(connection, "SELECT net_bps FROM evaluation.backtest") == [(1.5,)]
        assert rows(connection, "SELECT price FROM ticks.clean_ticks") == [(1,)]
        united = rows(connection, 'SELECT "table", symbol, passed FROM evaluation.quality_results ORDER BY ALL')
    assert united == [("headlines", "*", False), ("raw_ticks", "A.X", True)]


def test_publishing_while_a_reader_is_open_leaves_it_what_it_opened(tmp_path):
    lake = Lake(tmp_path)
    lake.write("bars", pl.DataFrame({"ts": [1]}), "2024-01-02", "A.X")
    publish(tmp_path)
    reader = open_readonly(tmp_path)
    lake.write("backtest", pl.DataFrame({"ts": [1]}), "2024-01-02")
    publish(tmp_path)
    views = "SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY 1"
    with open_readonly(tmp_path) as later:
        assert rows(later, views) == [("backtest",), ("bars",)]
    assert rows(reader, views) == [("bars",)]
    reader.close()


def test_new_partitions_show_without_publishing_again(tmp_path):
    lake = Lake(tmp_path)
    lake.write("bars", pl.DataFrame({"ts": [1]}), "2024-01-02", "A.X")
    publish(tmp_path)
    lake.write("bars", pl.DataFrame({"ts": [2]}), "2024-01-03", "A.X")
    with open_readonly(tmp_path) as connection:
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
    with open_readonly(root) as connection:
        assert rows(connection, "SELECT ts FROM bars") == [(1,)]


def test_an_empty_lake_publishes_a_warehouse_without_views(tmp_path):
    publish(tmp_path)
    with open_readonly(tmp_path) as connection:
        assert rows(connection, "SELECT count(*) FROM duckdb_views() WHERE NOT internal") == [(0,)]


def test_opening_what_was_never_published_says_so(tmp_path):
    with pytest.raises(LakeError, match="no warehouse"):
        open_readonly(tmp_path)


def test_the_opened_warehouse_cannot_be_written(tmp_path):
    publish(tmp_path)
    import duckdb

    with open_readonly(tmp_path) as connection, pytest.raises(duckdb.Error, match="read-only"):
        connection.execute("CREATE TABLE features.x (a INTEGER)")
