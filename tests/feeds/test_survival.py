"""What a lake is after kill -9, a full disk, missing permissions and two writers at once: whole, with its lineage."""

import errno
import os
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from feeds import atomic, storage, table_file
from feeds.atomic import STALE_AFTER_S, write_atomically
from feeds.errors import LakeError
from feeds.lake import Lake
from feeds.lake_care import compact, verify
from feeds.manifest import Manifest, ManifestStore
from feeds.partitions import Partition
from tests.support.lake_writers import DATE, PROJECT, ROWS, SYMBOL, Nursery, kill_at_random, wait_for
from tests.support.market_files import write_bitstamp_capture

FRAME = pl.DataFrame({"a": [1, 2, 3]})


@pytest.fixture(scope="module")
def nursery():
    with Nursery() as started:
        yield started


def files_of(root):
    return sorted(path for path in root.rglob("*") if path.is_file())


def is_whole(lake):
    """Every row of one writer's round, and the manifest of that very round."""
    if not lake.exists("t", DATE, SYMBOL):
        return False
    frame, manifest = lake.read("t", DATE, SYMBOL), lake.manifest("t", DATE, SYMBOL)
    assert frame["value"].unique().to_list() == [manifest.params["value"]]
    assert (frame.height, frame["row"].n_unique()) == (manifest.rows, manifest.rows)
    assert verify(lake) == []
    return True


@pytest.mark.parametrize(("kind", "times"), [("write", 40), ("stream", 30), ("small", 15)])
def test_a_writer_killed_at_any_moment_leaves_a_whole_partition_with_its_lineage(tmp_path, nursery, kind, times):
    lake, seen = Lake(tmp_path), Counter()

    def look():
        seen[is_whole(lake)] += 1
        seen["left over"] += bool(list(tmp_path.rglob("*.tmp")))

    kill_at_random(nursery, lake, kind, times, look)
    assert seen[True] > times / 2 and (kind == "small" or seen["left over"])


def test_what_killed_writers_left_is_removed_once_it_is_old(tmp_path, nursery):
    lake = Lake(tmp_path)
    kill_at_random(nursery, lake, "stream", 8, lambda: None)
    lake.write("t", FRAME, DATE, SYMBOL)
    left = list(tmp_path.rglob("*.tmp"))
    assert left and compact(lake).removed_files == 0
    for path in left:
        os.utime(path, (time.time() - STALE_AFTER_S - 60,) * 2)
    assert compact(lake).removed_files == len(left)
    assert not list(tmp_path.rglob("*.tmp")) and lake.read("t", DATE, SYMBOL).equals(FRAME)


def test_the_same_kills_break_a_writer_that_does_not_replace(tmp_path, nursery):
    lake, broken = Lake(tmp_path), Counter()

    def look():
        try:
            broken[lake.exists("t", DATE, SYMBOL) and lake.read("t", DATE, SYMBOL).height != ROWS] += 1
        except LakeError:
            broken[True] += 1

    kill_at_random(nursery, lake, "careless", 25, look)
    assert broken[True]


def test_killed_while_reading_in_raw_ticks_the_day_is_the_old_capture_or_the_new_one(tmp_path, nursery):
    captures = [tmp_path / name for name in ("one", "two")]
    for seed, folder in enumerate(captures):
        write_bitstamp_capture(folder, seed=seed)
    expected, lake, seen = {}, Lake(tmp_path / "root"), Counter()

    def look():
        if not lake.exists("raw_ticks", DATE, SYMBOL):
            return
        raw, manifest = lake.read("raw_ticks", DATE, SYMBOL), lake.manifest("raw_ticks", DATE, SYMBOL)
        which = manifest.params["value"]
        assert raw.equals(expected.setdefault(which, raw)) and raw.height <= manifest.params["rows_in"]
        assert verify(lake) == []
        seen[which] += 1

    order = {"captures": [str(folder) for folder in captures]}
    kill_at_random(nursery, lake, "ingest", 20, look, table="raw_ticks", **order)
    assert set(seen) == {0, 1} and not expected[0].equals(expected[1])


def test_two_writers_of_one_partition_at_a_time_leave_the_round_of_one_of_them(tmp_path, nursery):
    lake = Lake(tmp_path)
    pids = [nursery.start("stream", tmp_path, first=first, step=2) for first in (0, 1)]
    wait_for(lambda: lake.exists("t", DATE, SYMBOL))
    parities = Counter()
    for _ in range(40):
        with lake.opened(Partition("t", DATE, SYMBOL)) as file:
            frame, manifest = file.read(), file.manifest
        assert frame["value"].unique().to_list() == [manifest.params["value"]] and frame.height == ROWS
        parities[manifest.params["value"] % 2] += 1
        time.sleep(0.02)
    for pid in pids:
        nursery.kill(pid)
    assert set(parities) == {0, 1} and is_whole(lake)


def test_two_threads_writing_one_partition_leave_one_of_their_frames(tmp_path):
    lake = Lake(tmp_path)
    frames = [pl.DataFrame({"a": [k] * 50_000}) for k in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda frame: lake.write("t", frame, DATE), frames * 3))
    found = lake.read("t", DATE)
    assert any(found.equals(frame) for frame in frames) and verify(lake) == []
    assert [path.name for path in files_of(tmp_path / "lake")] == ["part.parquet"]


# --- disks that refuse ---


def refusing(error_number):
    def refuse(*_, **__):
        raise OSError(error_number, os.strerror(error_number))

    return refuse


class RefusingWriter(pq.ParquetWriter):
    """A Parquet writer for a disk that is full when the footer is written."""

    def close(self):
        super().close()
        refusing(errno.ENOSPC)()


STAGES = {
    "making the folder": (Path, "mkdir", None),
    "opening the file": (table_file.pa, "OSFile", None),
    "writing rows": (pq.ParquetWriter, "write_table", None),
    "writing the footer": (table_file.pq, "ParquetWriter", RefusingWriter),
    "flushing": (storage, "flush", None),
    "renaming": (Path, "replace", None),
}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES], ids=["full", "forbidden"])
@pytest.mark.parametrize("stage", STAGES)
def test_a_refusal_at_any_stage_says_what_and_where_and_leaves_the_old_partition(tmp_path, monkeypatch, stage, number):
    lake = Lake(tmp_path)
    old = lake.write("t", FRAME, DATE, SYMBOL)
    before = {path: path.read_bytes() for path in files_of(tmp_path / "lake")}
    owner, name, substitute = STAGES[stage]
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, substitute or refusing(number))
        with pytest.raises(LakeError, match=r"MiB free\)") as caught:
            lake.write("t", pl.DataFrame({"a": range(300_000)}), DATE, SYMBOL)
    text = str(caught.value)
    assert str(tmp_path) in text and caught.value.remedy
    wanted = errno.ENOSPC if substitute else number
    assert os.strerror(wanted) in text and atomic._REMEDIES[wanted] in text
    assert {path: path.read_bytes() for path in files_of(tmp_path / "lake")} == before
    assert not list(tmp_path.rglob("*.tmp"))
    assert lake.read("t", DATE, SYMBOL).equals(FRAME) and lake.manifest("t", DATE, SYMBOL) == old


@pytest.mark.parametrize("stage", ["open", "fsync", "replace"])
def test_a_manifest_that_cannot_be_stored_leaves_the_old_partition(tmp_path, monkeypatch, stage):
    lake = Lake(tmp_path)
    lake.write("t", FRAME, DATE, SYMBOL)
    owner = atomic.os if stage == "fsync" else Path
    with monkeypatch.context() as patch:
        patch.setattr(owner, stage, refusing(errno.ENOSPC))
        with pytest.raises(LakeError, match=r"writing t-[0-9a-f]{12}.json at .*No space left.*Free space"):
            lake.write("t", FRAME.reverse(), DATE, SYMBOL)
    assert lake.read("t", DATE, SYMBOL).equals(FRAME) and not list(tmp_path.rglob("*.tmp"))


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of one megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if done.returncode:
        pytest.skip(f"a file system of one megabyte cannot be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_is_really_full_loses_nothing(tiny_disk):
    lake = Lake(tiny_disk)
    lake.write("t", FRAME, DATE, SYMBOL)
    noise = pl.DataFrame({"a": np.random.default_rng(1).random(400_000)})
    with pytest.raises(LakeError, match=rf"writing table t date={DATE}.*No space left.*MiB free.*Free space"):
        lake.write("t", noise, DATE, SYMBOL)
    with pytest.raises(LakeError, match=r"writing x at .*No space left"):
        write_atomically(tiny_disk / "x", bytes(3_000_000))
    assert [path.suffix for path in files_of(tiny_disk)] == [".parquet", ".json"]
    assert lake.read("t", DATE, SYMBOL).equals(FRAME)
    lake.write("t", FRAME.reverse(), DATE, SYMBOL)


LIMITED = """
import resource, sys, polars as pl
from feeds.errors import LakeError
from feeds.lake import Lake
lake = Lake(sys.argv[1])
lake.write("t", pl.DataFrame({"a": [1, 2, 3]}), "2024-01-02")
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    lake.write("t", pl.DataFrame({"a": pl.int_range(200_000, eager=True).hash(3)}), "2024-01-02")
except LakeError as error:
    print(error)
"""


def test_a_file_over_the_process_s_limit_is_a_lake_error(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, cwd=PROJECT, check=True
    )
    assert "writing table t date=2024-01-02" in done.stdout and "ulimit -f" in done.stdout
    assert not list(tmp_path.rglob("*.tmp")) and Lake(tmp_path).read("t", "2024-01-02").equals(FRAME)


def test_a_folder_one_may_not_write_is_a_lake_error(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("permissions do not bind the superuser; the refusal is injected above")
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(LakeError, match=r"Permission denied.*Give this user write access"):
            Lake(tmp_path).write("t", FRAME, DATE)
    finally:
        tmp_path.chmod(0o700)


def test_the_store_survives_a_manifest_a_power_cut_left_empty(tmp_path):
    store = ManifestStore(tmp_path)
    manifest = Manifest("table", "t", {"date": DATE}, "p", "00")
    (tmp_path / f"{manifest.id}.json").touch()
    store.put(manifest)
    assert store.get(manifest.id) == manifest
