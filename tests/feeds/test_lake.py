"""Partitions of a lake in a folder, their manifests, and the artefacts beside them."""

import weakref

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from feeds import table_file
from feeds.artefacts import ArtefactStore
from feeds.content_hash import BLOCK_ROWS
from feeds.errors import LakeError, SchemaError
from feeds.lake import Lake
from feeds.manifest import Manifest, ManifestStore
from feeds.schema import TABLES, conform, empty

FRAME = pl.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"]})


def one_row(table):
    """A row of a canonical table: nulls in every other column."""

    def value(position, kind):
        if position % 2:
            return None
        return kind.categories[0] if isinstance(kind, pl.Enum) else {pl.String: "x", pl.Float64: 0.5}.get(kind, 1)

    return pl.DataFrame({name: [value(k, kind)] for k, (name, kind) in enumerate(TABLES[table].items())}, TABLES[table])


def test_a_partition_comes_back_as_it_was_written(tmp_path):
    lake = Lake(tmp_path)
    manifest = lake.write("t", FRAME, "2020-01-02", "A.B", parents=["p-1"], params={"k": 1}, seed=3)
    assert lake.read("t", "2020-01-02", "A.B").equals(FRAME)
    assert lake.manifest("t", "2020-01-02", "A.B") == manifest
    assert (manifest.rows, manifest.parents, manifest.seed) == (3, ("p-1",), 3)
    assert lake.dates("t") == ["2020-01-02"] and lake.symbols("t", "2020-01-02") == ["A.B"]


def test_the_same_content_gives_the_same_bytes_and_id(tmp_path):
    first, second = Lake(tmp_path / "1"), Lake(tmp_path / "2")
    ids = [lake.write("t", FRAME, "2020-01-02").id for lake in (first, second)]
    assert ids[0] == ids[1]
    assert first.path("t", "2020-01-02").read_bytes() == second.path("t", "2020-01-02").read_bytes()


@pytest.mark.parametrize(
    "change",
    [{"parents": ["q"]}, {"params": {"k": 2}}, {"frame": FRAME.with_columns(a=pl.lit(9))}, {"symbol": "C.D"}],
)
def test_other_content_parents_parameters_or_key_give_another_id(tmp_path, change):
    lake = Lake(tmp_path)
    base = {
        "table": "t",
        "frame": FRAME,
        "date": "2020-01-02",
        "symbol": "A.B",
        "parents": ["p"],
        "params": {"k": 1},
    }
    assert lake.write(**base).id != lake.write(**{**base, **change}).id


def test_a_missing_partition_says_which_and_what_to_do(tmp_path):
    with pytest.raises(
        LakeError, match=r"table bars; received no partition date=2020-01-02 symbol=A.B. Materialise bars"
    ):
        Lake(tmp_path).read("bars", "2020-01-02", "A.B")


def test_a_truncated_partition_is_a_lake_error(tmp_path):
    lake = Lake(tmp_path)
    lake.write("t", FRAME, "2020-01-02")
    path = lake.path("t", "2020-01-02")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(LakeError):
        lake.read("t", "2020-01-02")


def test_a_table_streamed_in_any_chunks_has_the_same_bytes_and_id(tmp_path):
    rows = BLOCK_ROWS + 1000
    frame = pl.DataFrame({"a": range(rows), "b": [str(k % 7) for k in range(rows)], "c": [k / 3 for k in range(rows)]})
    whole, cut = Lake(tmp_path / "1"), Lake(tmp_path / "2")
    chunks = (frame.slice(start, 50_000) for start in range(0, rows, 50_000))
    first = whole.write("t", frame, "2020-01-02")
    second = cut.write_stream("t", chunks, "2020-01-02")
    assert (first, first.rows) == (second, rows)
    assert whole.path("t", "2020-01-02").read_bytes() == cut.path("t", "2020-01-02").read_bytes()
    assert cut.read("t", "2020-01-02").equals(frame)
    groups = pq.read_metadata(cut.path("t", "2020-01-02"))
    assert [groups.row_group(k).num_rows for k in range(groups.num_row_groups)] == [BLOCK_ROWS, 1000]
    assert groups.row_group(1).column(0).statistics.min == BLOCK_ROWS


def test_streaming_holds_a_chunk_and_a_row_group_but_not_the_table(tmp_path):
    alive = []

    def chunks():
        for _ in range(20):
            frame = pl.DataFrame({"a": np.zeros(BLOCK_ROWS // 2, np.int64)})
            alive.append(weakref.ref(frame))
            yield frame
            del frame
            assert sum(ref() is not None for ref in alive) <= 3

    assert Lake(tmp_path).write_stream("t", chunks(), "2020-01-02").rows == 10 * BLOCK_ROWS


def test_parameters_known_only_at_the_end_are_asked_for_then(tmp_path):
    seen = []

    def chunks():
        for value in (1, 2, 3):
            seen.append(value)
            yield pl.DataFrame({"a": [value]})

    lake = Lake(tmp_path)
    manifest = lake.write_stream("t", chunks(), "2020-01-02", params=lambda: {"rejected": sum(seen)})
    assert manifest.params == {"rejected": 6} == lake.manifest("t", "2020-01-02").params


def test_a_source_that_breaks_off_leaves_the_old_partition_and_nothing_else(tmp_path):
    def chunks():
        yield FRAME
        yield pl.concat([FRAME] * 60_000)
        raise RuntimeError("the source broke off")

    lake = Lake(tmp_path)
    lake.write("t", FRAME, "2020-01-02")
    before = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    with pytest.raises(RuntimeError, match="broke off"):
        lake.write_stream("t", chunks(), "2020-01-02")
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == before
    assert lake.read("t", "2020-01-02").equals(FRAME)


def test_chunks_of_other_columns_are_refused_and_none_at_all_too(tmp_path):
    lake = Lake(tmp_path)
    with pytest.raises(SchemaError, match="chunks of one table"):
        lake.write_stream("t", [FRAME, FRAME.select("a")], "2020-01-02")
    with pytest.raises(LakeError, match="writing table t date=2020-01-02; received no frame"):
        lake.write_stream("t", [], "2020-01-02")
    assert not list(tmp_path.rglob("*.parquet")) and not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize("table", sorted(TABLES))
def test_every_canonical_table_comes_back_empty_or_full(tmp_path, table):
    lake = Lake(tmp_path)
    for frame in (empty(table), one_row(table), pl.concat([one_row(table)] * 3)):
        lake.write(table, frame, "2020-01-02")
        found = lake.read(table, "2020-01-02")
        assert found.equals(frame) and found.schema == frame.schema


def test_raw_ticks_are_packed_by_differences_and_dictionaries(tmp_path):
    rows = 20_000
    frame = conform(pl.concat([one_row("raw_ticks")] * rows).with_columns(sequence=pl.int_range(rows)), "raw_ticks")
    lake = Lake(tmp_path)
    lake.write("raw_ticks", frame, "2020-01-02", "A.B")
    group = pq.read_metadata(lake.path("raw_ticks", "2020-01-02", "A.B")).row_group(0)
    encodings = {group.column(k).path_in_schema: group.column(k).encodings for k in range(group.num_columns)}
    assert "DELTA_BINARY_PACKED" in encodings["sequence"]
    assert all("RLE_DICTIONARY" in encodings[name] for name in ("price", "side", "exchange"))
    assert {group.column(k).compression for k in range(group.num_columns)} == {"ZSTD"}


def test_a_file_of_a_newer_version_is_refused_and_an_older_one_read(tmp_path, monkeypatch):
    lake = Lake(tmp_path)
    monkeypatch.setattr(table_file, "SCHEMA_VERSION", "99.0")
    lake.write("t", FRAME, "2020-01-02")
    monkeypatch.undo()
    for question in (lake.read, lake.manifest):
        with pytest.raises(LakeError, match=r"received schema version 99.0; expected .*update the project"):
            question("t", "2020-01-02")
    lake.write("t", FRAME, "2020-01-02")
    monkeypatch.setattr(table_file, "SCHEMA_VERSION", "99.0")
    assert lake.read("t", "2020-01-02").equals(FRAME)


def test_a_file_without_a_version_is_read(tmp_path):
    lake = Lake(tmp_path)
    path = lake.path("t", "2020-01-02")
    path.parent.mkdir(parents=True)
    FRAME.write_parquet(path)
    assert lake.read("t", "2020-01-02").equals(FRAME)
    with pytest.raises(LakeError, match="no manifest"):
        lake.manifest("t", "2020-01-02")


@pytest.mark.parametrize(
    "where",
    [
        {"table": "../t"},
        {"table": "a/b"},
        {"date": ".."},
        {"date": "2020-01-02/x"},
        {"date": ""},
        {"symbol": "../../x"},
        {"symbol": "A/B"},
        {"symbol": "A=B"},
        {"symbol": ""},
        {"symbol": "A\0"},
        {"symbol": "A\n"},
    ],
)
def test_names_that_mean_another_folder_are_refused(tmp_path, where):
    lake = Lake(tmp_path)
    address = {"table": "t", "date": "2020-01-02", "symbol": "A.B", **where}
    for question in (lake.exists, lake.read, lake.manifest, lake.delete):
        with pytest.raises(LakeError, match="of a partition"):
            question(**address)
    with pytest.raises(LakeError, match="of a partition"):
        lake.write(frame=FRAME, **address)
    assert not list(tmp_path.iterdir())


def test_tables_dates_and_symbols_are_those_with_a_file(tmp_path):
    lake = Lake(tmp_path)
    assert (lake.tables(), lake.dates("t"), lake.symbols("t", "2020-01-02")) == ([], [], [])
    for date, symbol in (("2020-01-03", "B.X"), ("2020-01-03", "A.X"), ("2020-01-02", "A.X")):
        lake.write("t", FRAME, date, symbol)
    lake.write("by_date", FRAME, "2020-01-02")
    (tmp_path / "lake" / "hollow" / "date=2020-01-02").mkdir(parents=True)
    (tmp_path / "lake" / "t" / "date=2020-01-04" / "symbol=A.X").mkdir(parents=True)
    assert lake.tables() == ["by_date", "t"]
    assert lake.dates("t") == ["2020-01-02", "2020-01-03"]
    assert lake.symbols("t", "2020-01-03") == ["A.X", "B.X"]
    assert lake.delete("t", "2020-01-02", "A.X") and not lake.delete("t", "2020-01-02", "A.X")
    assert lake.dates("t") == ["2020-01-03"]


def test_the_manifest_is_in_the_store_before_the_partition_is_there(tmp_path, monkeypatch):
    lake = Lake(tmp_path)
    known = []
    put = lake.partitions.commit

    def commit(partition, staged, manifest, columns):
        known.append(lake.manifests.exists(manifest.id))
        put(partition, staged, manifest, columns)

    monkeypatch.setattr(lake.partitions, "commit", commit)
    lake.write("t", FRAME, "2020-01-02")
    assert known == [True]


def test_ancestors_walk_down_to_the_raw_file_and_mark_repeats(tmp_path):
    store = ManifestStore(tmp_path)
    raw = Manifest("raw_file", "x.csv", {}, "landing/x.csv", "00")
    store.put(raw)
    left, right = (Manifest("table", name, {"date": "d"}, "p", "11", parents=(raw.id,)) for name in ("l", "r"))
    top = Manifest("model", "m", {"date": "d"}, "p", "22", parents=(store.put(left), store.put(right)))
    store.put(top)
    walked = [(depth, manifest.name, seen) for depth, manifest, seen in store.ancestors(top.id)]
    assert walked == [
        (0, "m", False),
        (1, "l", False),
        (2, "x.csv", False),
        (1, "r", False),
        (2, "x.csv", True),
    ]


def test_a_prefix_finds_a_manifest_and_an_ambiguous_one_does_not(tmp_path):
    store = ManifestStore(tmp_path)
    ids = [store.put(Manifest("table", "t", {"date": str(k)}, "p", "0")) for k in range(20)]
    assert store.get(ids[3][:12]).id == ids[3]
    with pytest.raises(LakeError, match="fits 20"):
        store.get("t-")
    with pytest.raises(LakeError, match="fits 0"):
        store.get("*")


def test_an_artefact_becomes_current_only_when_whole(tmp_path):
    store = ArtefactStore(tmp_path)
    first = store.write("model", "m", "2020-01-02", {"a.bin": b"1"}, metrics={"ic": 0.1})
    second = store.write("model", "m", "2020-01-02", {"a.bin": b"2"})
    assert store.current("m", "2020-01-02") == second
    assert store.read(first, "a.bin") == b"1" and store.read(second, "a.bin") == b"2"
    with pytest.raises(LakeError, match="Materialise n first"):
        store.current("n", "2020-01-02")
