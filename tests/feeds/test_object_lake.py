"""A lake in an object store: immutable objects, one pointer a partition, never half."""

import json
import os
import time

import fsspec
import polars as pl
import pytest

from feeds.content_hash import BLOCK_ROWS
from feeds.errors import LakeError
from feeds.lake import Lake
from feeds.lake_care import compact, summarise, verify
from feeds.manifest import Manifest
from feeds.partitions import Partition
from feeds.storage import FsspecStorage, LocalStorage
from feeds.warehouse import connect, publish
from tests.support import lake_writers as writers
from tests.support.s3_server import BUCKET, s3_server

FRAME = pl.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"]})
DATE = "2020-01-02"
PARTITION = Partition("t", DATE, "A.B")


@pytest.fixture(scope="module")
def s3():
    pytest.importorskip("moto", reason="the local S3 server is not installed")
    pytest.importorskip("s3fs", reason="the S3 file system is not installed")
    with pytest.MonkeyPatch.context() as patch, s3_server(patch):
        yield f"s3://{BUCKET}"


@pytest.fixture(params=["memory", "s3"])
def url(request, tmp_path):
    """A place of its own in each store."""
    base = request.getfixturevalue("s3") if request.param == "s3" else "memory://bucket"
    return f"{base}/{tmp_path.name}"


@pytest.fixture
def lake(tmp_path, url):
    return Lake(tmp_path / "root", url)


def objects(lake, table="t"):
    return [entry.key for entry in lake.partitions.storage.entries(f"lake/{table}") if entry.key.endswith(".parquet")]


def pointer(lake, partition=PARTITION):
    return lake.partitions.address(partition)


def test_partitions_come_back_as_they_were_written(lake):
    manifest = lake.write("t", FRAME, DATE, "A.B", parents=["p-1"], params={"k": 1}, seed=3)
    lake.write("u", FRAME.clear(), DATE)
    assert lake.read("t", DATE, "A.B").equals(FRAME)
    assert lake.read("t", DATE, "A.B", columns=["b"]).equals(FRAME.select("b"))
    assert lake.read("u", DATE).equals(FRAME.clear())
    assert lake.manifest("t", DATE, "A.B") == manifest == lake.manifests.get(manifest.id)
    assert (lake.tables(), lake.dates("t"), lake.symbols("t", DATE)) == (["t", "u"], [DATE], ["A.B"])
    assert lake.exists("t", DATE, "A.B") and not lake.exists("t", DATE)
    assert lake.read_dates("u", [DATE, "2020-01-03"]).height == 0


def test_the_same_rows_have_the_same_id_as_in_a_folder(lake, tmp_path):
    assert lake.write("t", FRAME, DATE).id == Lake(tmp_path / "folder").write("t", FRAME, DATE).id


def test_nothing_of_the_tables_lies_on_the_local_disk(lake):
    lake.write("t", FRAME, DATE)
    local = [path for path in lake.root.rglob("*") if path.is_file()]
    assert {path.parent.name for path in local} == {"manifests"}


def test_an_object_is_never_changed_and_the_pointer_names_the_newest(lake):
    lake.write("t", FRAME, DATE, "A.B")
    (first,) = objects(lake)
    before = lake.partitions.storage.read_bytes(first)
    lake.write("t", FRAME.reverse(), DATE, "A.B")
    second = next(key for key in objects(lake) if key != first)
    assert lake.partitions.storage.read_bytes(first) == before
    named = json.loads(lake.partitions.storage.read_bytes(pointer(lake)))["object"]
    assert second.endswith(f"/{named}") and lake.read("t", DATE, "A.B").equals(FRAME.reverse())


def test_the_same_write_again_changes_no_byte(lake):
    def everything():
        storage = lake.partitions.storage
        return {entry.key: storage.read_bytes(entry.key) for entry in storage.entries("")}

    lake.write("t", FRAME, DATE, "A.B", params={"k": 1})
    before = everything()
    lake.write("t", FRAME, DATE, "A.B", params={"k": 1})
    assert everything() == before and len(before) == 3


@pytest.mark.parametrize("fails", ["put_file", "put_bytes"])
def test_a_write_that_fails_halfway_leaves_the_old_partition(lake, monkeypatch, fails):
    old = lake.write("t", FRAME, DATE, "A.B")
    real = getattr(lake.partitions.storage, fails)

    def refused(key, *rest):
        if key.startswith("lake/"):
            raise LakeError(key, received="connection reset")
        return real(key, *rest)

    monkeypatch.setattr(lake.partitions.storage, fails, refused)
    with pytest.raises(LakeError, match="connection reset"):
        lake.write("t", FRAME.reverse(), DATE, "A.B")
    assert lake.read("t", DATE, "A.B").equals(FRAME) and lake.manifest("t", DATE, "A.B") == old
    assert not list((lake.root / ".staging").iterdir())


def test_objects_nobody_names_go_when_the_replacement_is_old_enough(lake):
    for frame in (FRAME, FRAME.reverse()):
        lake.write("t", frame, DATE, "A.B")
    lake.write("t", FRAME, "2020-01-03", "A.B")
    lake.delete("t", "2020-01-03", "A.B")
    assert not lake.exists("t", "2020-01-03", "A.B") and len(objects(lake)) == 3
    assert compact(lake, grace_s=3600).removed_files == 0
    done = compact(lake, grace_s=-3600)
    assert done.removed_files == 2 and done.bytes_after < done.bytes_before
    assert len(objects(lake)) == 1 and lake.read("t", DATE, "A.B").equals(FRAME.reverse())


def test_a_reader_whose_object_was_just_removed_asks_for_the_pointer_again(lake, monkeypatch):
    lake.write("t", FRAME, DATE, "A.B")
    stale = lake.partitions.find(PARTITION)
    lake.write("t", FRAME.reverse(), DATE, "A.B")
    compact(lake, grace_s=-3600)
    real, answers = lake.partitions.find, [stale]
    monkeypatch.setattr(lake.partitions, "find", lambda p: answers.pop() if answers else real(p))
    assert lake.read("t", DATE, "A.B").equals(FRAME.reverse())


def test_a_pointer_to_nothing_is_an_error_that_says_so(lake):
    lake.write("t", FRAME, DATE, "A.B")
    lake.partitions.storage.delete(objects(lake)[0])
    with pytest.raises(LakeError, match=r"expected the file of t date=2020-01-02 symbol=A\.B\. Materialise"):
        lake.read("t", DATE, "A.B")
    (finding,) = verify(lake)
    assert finding.partition == PARTITION and "received nothing" in finding.problem


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"object": "x"}'])
def test_a_damaged_pointer_is_an_error_and_no_missing_partition(lake, content):
    lake.write("t", FRAME, DATE, "A.B")
    lake.partitions.storage.put_bytes(pointer(lake), content)
    for question in (lake.read, lake.manifest):
        with pytest.raises(LakeError, match="expected a pointer as JSON"):
            question("t", DATE, "A.B")
    assert [finding.partition for finding in verify(lake)] == [PARTITION]


def test_a_sound_store_is_verified_and_a_swapped_object_found(lake):
    lake.write("t", FRAME, DATE, "A.B")
    lake.write("t", FRAME.reverse(), DATE, "C.D")
    assert verify(lake) == []
    storage = lake.partitions.storage
    mine, other = objects(lake)
    storage.put_bytes(mine, storage.read_bytes(other))
    problems = " / ".join(finding.problem for finding in verify(lake))
    assert "its pointer says" in problems and "its file belongs to t 2020-01-02 C.D" in problems


def test_rows_and_bytes_are_told_without_opening_a_file(lake, monkeypatch):
    manifest = lake.write("t", FRAME, DATE, "A.B")
    size = len(lake.partitions.storage.read_bytes(objects(lake)[0]))
    monkeypatch.setattr(lake, "opened", lambda *_: pytest.fail("a file was opened"))
    (found,) = summarise(lake)
    assert (found.partition, found.rows, found.size, found.manifest_id) == (PARTITION, 3, size, manifest.id)


def test_somebody_else_with_the_same_url_sees_tables_and_their_chain(lake, tmp_path, url):
    raw = Manifest("raw_file", "x.csv", {}, "landing/x.csv", "00")
    lake.manifests.put(raw)
    table = lake.write("t", FRAME, DATE, "A.B", parents=[raw.id])
    other = Lake(tmp_path / "elsewhere", url)
    assert other.read("t", DATE, "A.B").equals(FRAME)
    assert [manifest.name for _, manifest, _ in other.manifests.ancestors(table.id)] == ["t", "x.csv"]
    assert other.manifests.get(table.id[:8]).id == table.id and len(list(other.manifests)) == 2
    assert verify(other) == []
    with pytest.raises(LakeError, match="fits 0"):
        other.manifests.get("nothing-00")


def test_a_badly_grouped_object_is_rewritten_with_the_same_id(lake, monkeypatch):
    frame = pl.DataFrame({"a": range(BLOCK_ROWS + 5)})
    manifest = lake.write("t", frame, DATE, "A.B")
    (whole,) = objects(lake)
    staged = lake.partitions.staging(PARTITION)
    grouped_badly(lake, frame, manifest, staged)
    assert compact(lake, grace_s=-3600).rewritten == (PARTITION,)
    assert objects(lake) == [whole] and lake.manifest("t", DATE, "A.B") == manifest
    assert lake.read("t", DATE, "A.B").equals(frame) and verify(lake) == []


def grouped_badly(lake, frame, manifest, staged):
    """The partition as somebody with other row groups would have written it."""
    import pyarrow.parquet as pq

    footer = pq.read_metadata(fsspec.open(lake.partitions.storage.location(objects(lake)[0])).open()).metadata
    staged.parent.mkdir(exist_ok=True)
    with pq.ParquetWriter(staged, frame.to_arrow().schema) as writer:
        writer.write_table(frame.to_arrow(), row_group_size=1000)
        writer.add_key_value_metadata({key: value for key, value in footer.items() if key.startswith(b"t2t")})
    lake.partitions.commit(PARTITION, staged, manifest, lake.partitions.find(PARTITION).columns)


def test_the_warehouse_over_objects_shows_what_counts_and_nothing_twice(lake, url):
    for frame in (FRAME, FRAME.reverse()):
        lake.write("bars", frame, DATE, "AMZN.US")
    lake.write("bars", FRAME, "2020-01-03", "MSFT.US")
    lake.write("bars", FRAME.with_columns(new=pl.lit(1)), "2020-01-06", "MSFT.US")
    publish(lake.root, url)
    query = "SELECT symbol, venue, date, count(*), sum(new) FROM features.bars GROUP BY ALL ORDER BY date"
    with connect(lake.root, url) as connection:
        assert connection.sql(query).fetchall() == [
            ("AMZN", "US", DATE, 3, None),
            ("MSFT", "US", "2020-01-03", 3, None),
            ("MSFT", "US", "2020-01-06", 3, 3),
        ]
    lake.write("bars", FRAME, "2020-01-07", "MSFT.US")
    publish(lake.root, url)
    with connect(lake.root, url) as connection:
        assert connection.sql("SELECT count(*) FROM bars WHERE date > '2020-01-06'").fetchall() == [(3,)]


class Unreachable:
    """A file system none of whose calls gets through."""

    def __getattr__(self, name):
        def call(*_, **__):
            raise ConnectionResetError("reset by peer")

        return call


@pytest.mark.parametrize(
    "question",
    [
        lambda lake: lake.read("t", DATE, "A.B"),
        lambda lake: lake.write("t", FRAME.reverse(), DATE, "A.B"),
        lambda lake: lake.exists("t", DATE, "A.B"),
        lambda lake: lake.dates("t"),
        lambda lake: lake.delete("t", DATE, "A.B"),
        lambda lake: verify(lake),
    ],
    ids=["read", "write", "exists", "dates", "delete", "verify"],
)
def test_a_store_that_does_not_answer_is_an_error_that_says_what_to_check(tmp_path, monkeypatch, question):
    lake = Lake(tmp_path / "root", f"memory://bucket/{tmp_path.name}")
    lake.write("t", FRAME, DATE, "A.B")
    monkeypatch.setattr(lake.partitions.storage, "filesystem", Unreachable)
    with pytest.raises(LakeError, match=r"received ConnectionResetError: reset by peer.*T2T_LAKE"):
        question(lake)
    assert not list((lake.root / ".staging").iterdir())


def test_another_process_s_newer_pointer_is_seen_at_once(lake, tmp_path, url):
    reader = Lake(tmp_path / "reader", url)
    assert reader.dates("t") == [] and not reader.exists("t", DATE, "A.B")
    lake.write("t", FRAME, DATE, "A.B")
    assert reader.dates("t") == [DATE] and reader.read("t", DATE, "A.B").equals(FRAME)
    lake.write("t", FRAME.reverse(), DATE, "A.B")
    assert reader.read("t", DATE, "A.B").equals(FRAME.reverse())


def test_what_a_killed_writer_staged_long_ago_goes_with_the_next_write(lake):
    lake.write("t", FRAME, DATE)
    staging = lake.root / ".staging"
    old, fresh = staging / ".part.parquet.1-aa.tmp", staging / ".part.parquet.1-bb.tmp"
    for path in (old, fresh):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    lake.write("t", FRAME.reverse(), DATE)
    assert list(staging.iterdir()) == [fresh]


def test_a_writer_killed_during_an_upload_leaves_a_whole_partition(tmp_path, s3):
    lake, seen = Lake(tmp_path, f"{s3}/{tmp_path.name}"), set()

    def look():
        frame, manifest = (ask("t", writers.DATE, writers.SYMBOL) for ask in (lake.read, lake.manifest))
        assert frame["value"].unique().to_list() == [manifest.params["value"]]
        assert frame.height == writers.ROWS and verify(lake) == []
        seen.add(manifest.id)

    with writers.Nursery() as nursery:
        writers.kill_at_random(nursery, lake, "stream", 3, look)
    assert seen
    compact(lake, grace_s=-3600)
    assert len(objects(lake)) == 1 and verify(lake) == []


def test_a_lake_in_a_store_has_no_path(tmp_path):
    with pytest.raises(LakeError, match="expected a lake in a folder"):
        Lake(tmp_path, "memory://bucket/x").path("t", DATE)


def test_a_file_url_is_a_folder_replaced_by_renames(tmp_path):
    lake = Lake(tmp_path / "root", f"file://{tmp_path}/shared")
    manifest = lake.write("t", FRAME, DATE)
    assert isinstance(lake.partitions.storage, LocalStorage)
    assert lake.path("t", DATE) == tmp_path / "shared" / "lake" / "t" / f"date={DATE}" / "part.parquet"
    assert Lake(tmp_path / "other", f"file://{tmp_path}/shared").manifests.get(manifest.id) == manifest


def test_an_unknown_protocol_says_what_to_install(tmp_path):
    with pytest.raises(LakeError, match=r"lake at nope://x; received Protocol not known"):
        FsspecStorage("nope://x", tmp_path)
