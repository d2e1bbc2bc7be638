"""Verifying finds what was damaged, lost or swapped; compacting keeps every row and id."""

import os
import shutil
import time

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feeds.atomic import STALE_AFTER_S
from feeds.content_hash import BLOCK_ROWS
from feeds.errors import LakeError
from feeds.lake import Lake
from feeds.lake_care import compact, summarise, verify
from feeds.manifest import Manifest
from feeds.partitions import Partition
from feeds.schema import empty

DATE = "2024-01-02"


@pytest.fixture
def lake(tmp_path):
    """Three partitions, one made from a raw file and one from that."""
    lake = Lake(tmp_path)
    raw = lake.manifests.put(Manifest("raw_file", "x.csv", {}, "landing/x.csv", "00"))
    rng = np.random.default_rng(1)
    frame = pl.DataFrame({"n": rng.integers(0, 9, 5000), "x": rng.normal(size=5000), "s": ["a", None] * 2500})
    first = lake.write("t", frame, DATE, "A.X", parents=[raw])
    lake.write("t", frame.reverse(), DATE, "B.X", parents=[raw])
    lake.write("u", frame.select("n"), DATE, parents=[first.id])
    return lake


def problems(lake):
    return {str(finding.partition): finding.problem for finding in verify(lake)}


def rewritten(path, change, **options):
    """Write a partition's file anew with its rows changed and its metadata kept."""
    table, footer = pq.read_table(path, partitioning=None), pq.read_metadata(path).metadata
    table = change(table)
    with pq.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table, **options)
        writer.add_key_value_metadata({key: value for key, value in footer.items() if key.startswith(b"t2t")})


def test_a_sound_lake_has_no_findings_and_progress_counts_to_the_end(lake):
    told = []
    assert verify(lake, listen=lambda *step: told.append(step)) == []
    addresses = [f"t date={DATE} symbol=A.X", f"t date={DATE} symbol=B.X", f"u date={DATE}"]
    assert told == [(0, 3, addresses[0]), (1, 3, addresses[1]), (2, 3, addresses[2])]
    assert [item.partition for item in summarise(lake, "u")] == [Partition("u", DATE)]
    assert [item.rows for item in summarise(lake)] == [5000] * 3


@pytest.mark.parametrize("share", np.linspace(0, 0.97, 12).round(3).tolist())
def test_a_flipped_byte_among_the_rows_is_found(lake, share):
    path = lake.path("t", DATE, "A.X")
    content = bytearray(path.read_bytes())
    first = pq.read_metadata(path).row_group(0)
    end = max(first.column(k).data_page_offset + first.column(k).total_compressed_size for k in range(3))
    content[4 + int(share * (end - 200))] ^= 0x55
    path.write_bytes(content)
    assert list(problems(lake)) == [f"t date={DATE} symbol=A.X"]


def test_statistics_that_would_hide_rows_are_found(lake):
    most, less = 0x1122334455667788, 0x1122334455667787
    lake.write("v", pl.DataFrame({"n": [1, most]}), DATE)
    path = lake.path("v", DATE)
    content = path.read_bytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    lied = content[footer:].replace(most.to_bytes(8, "little"), less.to_bytes(8, "little"))
    path.write_bytes(content[:footer] + lied)
    assert pq.read_metadata(path).row_group(0).column(0).statistics.max == less
    assert lake.read("v", DATE)["n"].to_list() == [1, most]
    assert problems(lake)[f"v date={DATE}"].count("stated") == 1


def test_a_file_cut_short_or_of_other_bytes_is_found(lake):
    cut, other = lake.path("t", DATE, "A.X"), lake.path("u", DATE)
    cut.write_bytes(cut.read_bytes()[:-20])
    other.write_bytes(b"no parquet at all")
    assert set(problems(lake)) == {f"t date={DATE} symbol=A.X", f"u date={DATE}"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda table: table.set_column(0, "n", pa.array([1] * table.num_rows, pa.int64())), "content hash"),
        (lambda table: table.slice(1), "4999 rows, its manifest says 5000"),
        (lambda table: table.rename_columns(["m", "x", "s"]), "content hash"),
        (lambda table: table.set_column(0, "n", table["n"].cast(pa.int32())), "content hash"),
    ],
    ids=["values", "rows", "names", "types"],
)
def test_a_file_with_other_rows_under_the_same_manifest_is_found(lake, change, says):
    rewritten(lake.path("t", DATE, "A.X"), change)
    assert says in " / ".join(finding.problem for finding in verify(lake))
    assert set(problems(lake)) == {f"t date={DATE} symbol=A.X"}


def test_two_swapped_files_are_both_found(lake):
    first, second = lake.path("t", DATE, "A.X"), lake.path("t", DATE, "B.X")
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)
    found = problems(lake)
    assert f"its file belongs to t {DATE} B.X" in found[f"t date={DATE} symbol=A.X"]
    assert f"its file belongs to t {DATE} A.X" in found[f"t date={DATE} symbol=B.X"]


def test_a_file_of_another_table_is_found(lake):
    shutil.copy(lake.path("t", DATE, "A.X"), lake.path("u", DATE))
    assert "its file belongs to t" in problems(lake)[f"u date={DATE}"]


def test_a_lost_manifest_is_found_where_it_is_missed(lake):
    manifest = lake.manifest("t", DATE, "A.X")
    (lake.root / "manifests" / f"{manifest.id}.json").unlink()
    found = problems(lake)
    assert f"its manifest {manifest.id} is not in the store" in found[f"t date={DATE} symbol=A.X"]
    assert f"the manifest of its parent {manifest.id} is gone" in found[f"u date={DATE}"]


@pytest.mark.parametrize("change", [lambda text, sha256: text.replace(sha256, "0" * 64), lambda text, _: text[:40]])
def test_a_changed_manifest_is_found(lake, change):
    manifest = lake.manifest("u", DATE)
    path = lake.root / "manifests" / f"{manifest.id}.json"
    path.write_text(change(path.read_text(), manifest.sha256))
    assert "was changed in the store" in problems(lake)[f"u date={DATE}"]


def test_a_canonical_table_with_other_columns_is_found(lake):
    lake.write("bars", empty("bars"), DATE, "A.X")
    assert verify(lake, "bars") == []
    lake.write("bars", empty("bars").drop("vwap_ticks"), DATE, "A.X")
    assert "its columns are not those of bars" in problems(lake)[f"bars date={DATE} symbol=A.X"]


def test_a_file_nobody_hashed_is_found(lake):
    pl.DataFrame({"a": [1]}).write_parquet(lake.path("u", DATE))
    assert "no manifest" in problems(lake)[f"u date={DATE}"]


def test_only_the_table_asked_for_is_read(lake):
    lake.path("u", DATE).write_bytes(b"broken")
    assert verify(lake, "t") == [] and len(verify(lake, "u")) == 1


def test_a_badly_grouped_file_is_rewritten_to_the_bytes_it_would_have_today(tmp_path):
    lake = Lake(tmp_path)
    frame = pl.DataFrame({"a": np.arange(BLOCK_ROWS + 10)})
    manifest = lake.write("t", frame, DATE)
    path = lake.path("t", DATE)
    today = path.read_bytes()
    rewritten(path, lambda table: table, row_group_size=500)
    assert path.read_bytes() != today and verify(lake) == []
    done = compact(lake)
    assert done.rewritten == (Partition("t", DATE),) and done.bytes_after < done.bytes_before
    assert path.read_bytes() == today and lake.manifest("t", DATE) == manifest
    again = compact(lake)
    assert (again.rewritten, again.removed_files, again.bytes_before) == ((), 0, again.bytes_after)


def test_a_damaged_file_is_left_alone_and_told(tmp_path):
    lake = Lake(tmp_path)
    lake.write("t", pl.DataFrame({"a": np.arange(1000)}), DATE)
    path = lake.path("t", DATE)
    rewritten(path, lambda table: table.slice(1), row_group_size=10)
    before = path.read_bytes()
    (left,) = compact(lake).left_alone
    assert "content hash is not that of the manifest" in left.problem and path.read_bytes() == before
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_partition_replaced_while_it_is_rewritten_keeps_the_replacement(tmp_path, monkeypatch):
    lake = Lake(tmp_path)
    lake.write("t", pl.DataFrame({"a": np.arange(1000)}), DATE)
    rewritten(lake.path("t", DATE), lambda table: table, row_group_size=10)
    newer = pl.DataFrame({"a": [7]})
    real = lake.partitions.staging

    def staging(partition):
        if lake.read("t", DATE).height == 1000:
            Lake(tmp_path).write("t", newer, DATE)
        return real(partition)

    monkeypatch.setattr(lake.partitions, "staging", staging)
    assert compact(lake).rewritten == ()
    assert lake.read("t", DATE).equals(newer) and verify(lake) == []


def test_left_overs_go_only_when_they_are_old(lake):
    folders = [lake.path("t", DATE, "A.X").parent, lake.root / "manifests", lake.root]
    old, fresh = ([folder / f".x.{name}.tmp" for folder in folders] for name in ("old", "fresh"))
    for path in (*old, *fresh):
        path.write_bytes(b"half")
    for path in old:
        os.utime(path, (time.time() - STALE_AFTER_S - 60,) * 2)
    assert compact(lake).removed_files == 3
    assert not any(path.exists() for path in old) and all(path.exists() for path in fresh)


def test_listing_a_lake_with_a_broken_file_says_which(lake):
    lake.path("u", DATE).write_bytes(b"broken")
    with pytest.raises(LakeError, match="/u/"):
        list(summarise(lake))
