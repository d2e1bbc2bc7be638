"""`t2t lake ls`, `verify` and `compact` on a real lake in a folder and in a store."""

import json

import polars as pl
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from feeds.lake import Lake
from feeds.warehouse import connect, publish
from pipelines.lake import lake_app

DATE, STUDY = "2026-05-02", "bitstamp_demo"
FRAME = pl.DataFrame({"a": [1, 2, 3]})


@pytest.fixture
def lake(tmp_path, monkeypatch):
    monkeypatch.setenv("T2T_DATA", str(tmp_path))
    monkeypatch.delenv("T2T_LAKE", raising=False)
    monkeypatch.setenv("T2T_STUDY", STUDY)
    monkeypatch.setenv("COLUMNS", "200")
    lake = Lake(tmp_path / STUDY)
    lake.write("prices", FRAME, DATE, "B.X")
    lake.write("prices", FRAME, "2026-05-03", "A.X")
    lake.write("backtest", FRAME, DATE)
    return lake


def t2t_lake(*arguments):
    done = CliRunner().invoke(lake_app, list(arguments), catch_exceptions=False)
    return done.exit_code, done.stdout


def rows_of(text):
    lines = [line for line in text.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


def test_tables_are_listed_with_partitions_rows_and_newest_date(lake):
    code, text = t2t_lake("ls")
    assert code == 0 and str(lake.root / "lake").replace("/", "") in "".join(text.split()).replace("/", "")
    first, second = (row[:3] + row[4:] for row in rows_of(text))
    assert (first, second) == (["backtest", "1", "3", DATE], ["prices", "2", "6", "2026-05-03"])


def test_the_partitions_of_a_table_are_listed_with_their_manifests(lake):
    code, text = t2t_lake("ls", "prices")
    newest = lake.manifest("prices", "2026-05-03", "A.X").id
    assert code == 0 and rows_of(text)[1] == ["2026-05-03", "A.X", "3", "0.00", newest]
    records = json.loads(t2t_lake("ls", "prices", "--json")[1])
    assert [record["symbol"] for record in records] == ["B.X", "A.X"] and records[0]["mb"] > 0


def test_a_table_whose_input_was_counted_shows_its_faults(lake):
    faults = {"out_of_order": 2, "unknown_orders": 5}
    lake.write("clean_ticks", FRAME, DATE, "A.X", params={"figures": {"faults": faults}})
    lake.write("clean_ticks", FRAME, DATE, "B.X")
    assert [row[4] for row in rows_of(t2t_lake("ls", "clean_ticks")[1])] == ["7", "not counted"]
    assert "faults" not in t2t_lake("ls", "prices")[1]


def test_an_empty_lake_says_how_to_fill_it(lake):
    assert "nothing of missing in" in t2t_lake("ls", "missing")[1]
    assert json.loads(t2t_lake("ls", "missing", "--json")[1]) == []


def test_a_sound_lake_is_verified_with_exit_code_zero(lake):
    code, text = t2t_lake("verify")
    assert code == 0 and text.startswith("3 partitions of ") and "are what was written" in text
    code, text = t2t_lake("verify", "prices", "--json")
    assert (code, json.loads(text)) == (0, {"partitions": 2, "findings": []})


def test_what_is_wrong_is_told_with_exit_code_one(lake):
    lake.path("prices", DATE, "B.X").write_bytes(lake.path("prices", "2026-05-03", "A.X").read_bytes())
    manifest = lake.manifest("backtest", DATE).id
    (lake.root / "manifests" / f"{manifest}.json").unlink()
    code, text = t2t_lake("verify")
    assert code == 1 and "2 findings in 3 partitions" in text
    code, text = t2t_lake("verify", "--json")
    findings = {item["partition"]: item["problem"] for item in json.loads(text)["findings"]}
    assert code == 1 and set(findings) == {f"backtest date={DATE}", f"prices date={DATE} symbol=B.X"}
    assert manifest in findings[f"backtest date={DATE}"]


def test_compacting_says_bytes_before_and_after(lake):
    path = lake.path("backtest", DATE)
    footer = pq.read_metadata(path).metadata
    with pq.ParquetWriter(path, FRAME.to_arrow().schema) as writer:
        writer.write_table(FRAME.to_arrow(), row_group_size=1)
        writer.add_key_value_metadata({key: value for key, value in footer.items() if key.startswith(b"t2t")})
    size = path.stat().st_size
    code, text = t2t_lake("compact", "--json")
    record = json.loads(text)
    assert (code, record["rewritten"], record["left_alone"]) == (0, [f"backtest date={DATE}"], [])
    assert record["bytes_before"] - record["bytes_after"] == size - path.stat().st_size > 0
    assert "0 files rewritten, 0 left-over files removed" in t2t_lake("compact")[1]


def test_what_cannot_be_compacted_is_told_with_exit_code_one(lake):
    lake.path("backtest", DATE).write_bytes(b"broken")
    code, text = t2t_lake("compact")
    assert code == 1 and "left alone" in text and f"backtest date={DATE}" in text


def test_a_lake_in_a_store_is_found_through_the_environment_and_its_views_follow(lake, tmp_path, monkeypatch):
    monkeypatch.setenv("T2T_LAKE", f"memory://commands/{tmp_path.name}")
    url = f"memory://commands/{tmp_path.name}/{STUDY}"
    stored = Lake(lake.root, url)
    for frame in (FRAME, FRAME.head(1)):
        stored.write("prices", frame, DATE, "B.X")
    publish(lake.root, url)
    assert [row[:3] for row in rows_of(t2t_lake("ls")[1])] == [["prices", "1", "1"]]
    assert t2t_lake("verify")[0] == 0
    assert json.loads(t2t_lake("compact", "--json")[1])["removed_files"] == 0
    assert json.loads(t2t_lake("compact", "--json", "--grace-hours", "0")[1])["removed_files"] == 1
    with connect(lake.root, url) as connection:
        assert connection.sql("SELECT count(*) FROM prices").fetchall() == [(1,)]
