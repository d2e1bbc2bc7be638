import os
import signal
import subprocess
import sys
import time

import polars as pl
import pytest

from feeds.artefacts import ArtefactStore
from feeds.errors import LakeError
from feeds.lake import Lake
from feeds.manifest import Manifest, ManifestStore

FRAME = pl.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"]})


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


def test_a_killed_writer_leaves_a_whole_partition(tmp_path):
    program = (
        "import sys, polars as pl\n"
        "from feeds.lake import Lake\n"
        "lake = Lake(sys.argv[1]); i = 0\n"
        "while True:\n"
        "    lake.write('t', pl.DataFrame({'a': [i] * 200_000}), '2020-01-02'); i += 1\n"
    )
    lake = Lake(tmp_path)
    for delay in (0.0, 0.013, 0.037):
        child = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)])
        while not lake.exists("t", "2020-01-02"):
            time.sleep(0.01)
        time.sleep(0.2 + delay)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        frame = lake.read("t", "2020-01-02")
        assert frame.height == 200_000 and frame["a"].n_unique() == 1
        assert lake.manifest("t", "2020-01-02").rows == 200_000


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
