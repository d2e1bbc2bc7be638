from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feeds import tape_reader
from feeds.adapters.base import BOOK_COLUMNS, SourceProblem, joined
from feeds.errors import LakeError, SchemaError, StudyError
from feeds.instruments import InstrumentSpec
from feeds.schema import ACTION_CODE, ACTIONS, RAW_TICKS, REJECTED_TICKS, SIDE_CODE, SIDES
from feeds.tape import TapeIndex, TapeWriter, load_index, read_tape
from feeds.tape_part import read_part, write_part

DAY_NS = 86_400_000_000_000
DAY = "2020-01-01"
START_NS = 1_577_836_800_000_000_000
REASONS = ("bad", "worse")
SPECS = [InstrumentSpec(id=f"S{k}.X", tick_size=0.01, lot_size=1) for k in range(4)]
_folders = iter(range(10**9))


def batch(rows: int, seed: int, codes: int = 4, days: int = 1, **more: np.ndarray) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "instrument": rng.integers(0, codes, rows).astype(np.uint32),
        "ts_event": START_NS + rng.integers(0, days * DAY_NS, rows),
        "action": rng.integers(0, len(ACTIONS), rows).astype(np.uint8),
        "side": rng.integers(0, len(SIDES), rows).astype(np.uint8),
        "order_id": rng.integers(-(2**62), 2**62, rows),
        "price": rng.integers(-5, 2**33, rows),
        "size": rng.integers(0, 300, rows),
        **more,
    }


def every_column(rows: int, seed: int, days: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed + 1)
    columns = batch(rows, seed, days=days)
    columns |= {"ts_recv": columns["ts_event"] + rng.integers(0, 10**9, rows), "condition": rng.integers(-9, 9, rows)}
    columns |= {name: rng.integers(0, 10**6, rows) for name in BOOK_COLUMNS}
    columns |= {"flags": rng.integers(0, 256, rows).astype(np.uint8)}
    return columns | {"reason": rng.integers(0, 3, rows).astype(np.uint8)}


def store(folder: Path, *batches: dict[str, np.ndarray], day: str | None = DAY, **close: object) -> TapeIndex:
    settings_of_close = {"ignored": {}, "problems": ()} | close
    with TapeWriter(folder, format="toy", day=day, reasons=REASONS) as writer:
        for columns in batches:
            writer.append(columns)
        return writer.close(SPECS, **settings_of_close)


def expected_rows(batches: list[dict[str, np.ndarray]], code: int, day: int | None) -> pl.DataFrame:
    """All rows of an instrument-day by plain selection, with its reason."""
    frames = []
    for columns in batches:
        stamps = columns.get("ts_recv", columns["ts_event"])
        mine = columns["instrument"] == code
        mine &= True if day is None else (stamps - START_NS) // DAY_NS == day
        frames.append(pl.DataFrame({name: values[mine].astype(np.int64) for name, values in columns.items()}))
    rows = pl.concat(frames).with_row_index("sequence")
    return rows.with_columns(
        pl.col("action").replace_strict({code: name for name, code in ACTION_CODE.items()}),
        pl.col("side").replace_strict({code: name for name, code in SIDE_CODE.items()}),
    )


def assert_holds(folder: Path, batches: list[dict[str, np.ndarray]], code: int, date: str, day: int | None) -> None:
    got = joined(read_tape(folder, date, SPECS[code].id, SPECS[code]))
    assert dict(got.frame.schema) == RAW_TICKS and dict(got.rejected.schema) == REJECTED_TICKS
    rows = expected_rows(batches, code, day)
    placed = rows.filter(pl.col("reason") == 0) if "reason" in rows.columns else rows
    for name in set(rows.columns) - {"instrument", "reason"}:
        assert got.frame[name].to_list() == placed[name].to_list(), name
    if "reason" in rows.columns:
        refused = rows.filter(pl.col("reason") > 0)
        assert got.rejected["sequence"].to_list() == refused["sequence"].to_list()
        assert got.rejected["reason"].to_list() == [REASONS[k - 1] for k in refused["reason"].to_list()]


def test_every_row_comes_back_in_the_order_of_its_source(tmp_path):
    batches = [every_column(5000, seed) for seed in (1, 2)]
    index = store(tmp_path / "tape", *batches)
    for code in range(4):
        assert_holds(tmp_path / "tape", batches, code, DAY, None)
    assert index.rows == 10_000 == sum(content.rows for content in index.contents)


def test_columns_that_are_left_out_are_filled_in(tmp_path):
    batches = [batch(1000, 3)]
    store(tmp_path / "tape", *batches)
    frame = joined(read_tape(tmp_path / "tape", DAY, "S1.X", SPECS[1])).frame
    assert_holds(tmp_path / "tape", batches, 1, DAY, None)
    assert frame["ts_recv"].equals(frame["ts_event"].alias("ts_recv"))
    assert frame.select("condition", "flags").unique().rows() == [(0, 0)]
    assert frame.select(BOOK_COLUMNS).null_count().row(0) == (frame.height,) * 6


@given(sizes=st.lists(st.integers(0, 60), max_size=4), seed=st.integers(0, 999), days=st.integers(1, 3))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_of_a_tape_without_a_day_belong_to_the_utc_day_of_their_receipt(sizes, seed, days, tmp_path):
    folder = tmp_path / str(next(_folders))
    batches = [every_column(rows, seed + k, days) for k, rows in enumerate(sizes)]
    index = store(folder, *batches, day=None)
    assert sum(content.rows for content in index.contents) == sum(sizes) == index.rows
    for content in index.contents:
        day = (np.datetime64(content.date) - np.datetime64(DAY)).astype(int)
        rows = expected_rows(batches, int(content.instrument[1]), day)
        placed = rows.filter(pl.col("reason") == 0)
        bounds = (placed["ts_event"].min(), placed["ts_event"].max()) if placed.height else (0, 0)
        facts = (content.rows, content.rejected, content.first_ns, content.last_ns)
        assert facts == (rows.height, rows.height - placed.height, *bounds)
        assert_holds(folder, batches, int(content.instrument[1]), content.date, day)


@pytest.mark.parametrize("far", [10**5, 2**31])
def test_codes_and_days_far_apart_take_no_room(far, tmp_path):
    codes = np.array([0, far, 3, far, 2**32 - 1], np.uint32)
    columns = batch(5, 1) | {"instrument": codes, "ts_event": START_NS + np.arange(5) * 9000 * DAY_NS}
    by_day, fixed = store(tmp_path / "a", columns, day=None), store(tmp_path / "b", columns)
    names = ["S0.X", "S3.X", "UNKNOWN4294967295.X", f"UNKNOWN{far}.X"]
    assert {content.instrument for content in by_day.contents} == set(names)
    assert {content.instrument: content.rows for content in fixed.contents} == dict(
        zip(names, (1, 1, 1, 2), strict=True)
    )
    spec = SPECS[0]
    assert (
        joined(read_tape(tmp_path / "b", DAY, names[3], spec)).frame["price"].to_list()
        == columns["price"][[1, 3]].tolist()
    )
    assert joined(read_tape(tmp_path / "a", by_day.contents[-1].date, names[2], spec)).rows_in == 1


def test_chunks_number_their_rows_on_and_make_up_the_whole(tmp_path, monkeypatch):
    store(tmp_path / "tape", *[every_column(700, seed) for seed in range(5)])
    whole = joined(read_tape(tmp_path / "tape", DAY, "S2.X", SPECS[2]))
    monkeypatch.setattr(tape_reader, "CHUNK_ROWS", 100)
    chunks = list(read_tape(tmp_path / "tape", DAY, "S2.X", SPECS[2]))
    assert len(chunks) > 4 and max(chunk.rows_in for chunk in chunks) < 300
    assert joined(chunks).frame.equals(whole.frame) and joined(chunks).rejected.equals(whole.rejected)


def test_rows_are_found_across_row_groups(tmp_path):
    codes = np.repeat(np.arange(3), [100_000, 200_000, 50_000]).astype(np.uint16)
    batches = [batch(350_000, 1) | {"instrument": codes}]
    store(tmp_path / "tape", *batches)
    for code in range(3):
        got = joined(read_tape(tmp_path / "tape", DAY, SPECS[code].id, SPECS[code])).frame
        assert (got["order_id"].to_numpy() == batches[0]["order_id"][codes == code]).all()


def test_prices_and_sizes_come_in_the_units_asked_for(tmp_path):
    store(tmp_path / "tape", every_column(200, 1))
    fine = SPECS[0].model_copy(update={"tick_size": 0.001, "lot_size": 0.5})
    plain, scaled = (joined(read_tape(tmp_path / "tape", DAY, "S0.X", spec)).frame for spec in (SPECS[0], fine))
    for name, times in {
        "price": 10,
        "bid_px": 10,
        "ask_px": 10,
        "size": 2,
        "bid_sz": 2,
        "ask_depth": 2,
        "order_id": 1,
    }.items():
        assert scaled[name].to_list() == (plain[name] * times).to_list()
    with pytest.raises(StudyError, match="tick_size"):
        next(read_tape(tmp_path / "tape", DAY, "S0.X", SPECS[0].model_copy(update={"tick_size": 0.03})))


def test_the_index_comes_back_as_it_was_closed(tmp_path):
    problems = (SourceProblem("gap", "byte 7", "three messages are missing"),)
    index = store(
        tmp_path / "tape", every_column(50, 1), ignored={"beat": 3}, problems=problems, params={"a": [1, "b"]}
    )
    assert load_index(tmp_path / "tape") == index
    assert (index.format, index.ignored, index.problems, index.reasons) == ("toy", {"beat": 3}, problems, REASONS)
    assert index.params == {"a": [1, "b"]} and index.specs["S3.X"] == SPECS[3]


def test_a_tape_without_rows_is_a_tape(tmp_path):
    assert store(tmp_path / "tape").contents == ()
    assert list(read_tape(tmp_path / "tape", DAY, "S0.X", SPECS[0])) == []
    assert list(read_tape(tmp_path / "tape", DAY, "NONE.X", SPECS[0])) == []


def test_an_instrument_nobody_names_is_unknown_and_an_id_of_two_codes_is_refused(tmp_path):
    with TapeWriter(tmp_path / "a", format="toy", day=DAY) as writer:
        writer.append(batch(100, 1, codes=3))
        index = writer.close([SPECS[0], None], ignored={}, problems=())
    assert [content.instrument for content in index.contents] == ["S0.X", "UNKNOWN1.X", "UNKNOWN2.X"]
    with TapeWriter(tmp_path / "b", format="toy", day=DAY) as writer:
        writer.append(batch(100, 1, codes=2))
        with pytest.raises(SchemaError, match=r"S0\.X.* twice"):
            writer.close([SPECS[0], SPECS[0]], ignored={}, problems=())
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_an_id_whose_other_code_has_no_rows_is_read_by_the_one_that_has(tmp_path):
    columns = batch(10, 1) | {"instrument": np.zeros(10, np.uint16)}
    with TapeWriter(tmp_path / "tape", format="toy", day=DAY) as writer:
        writer.append(columns)
        writer.close([SPECS[0], SPECS[0]], ignored={}, problems=())
    assert joined(read_tape(tmp_path / "tape", DAY, "S0.X", SPECS[0])).rows_in == 10


def test_arrays_may_be_used_again_after_appending(tmp_path):
    columns = batch(50_000, 1)
    kept = {name: values.copy() for name, values in columns.items()}
    with TapeWriter(tmp_path / "tape", format="toy", day=DAY) as writer:
        writer.append(columns)
        for values in columns.values():
            values[:] = 1
        writer.close(SPECS, ignored={}, problems=())
    assert_holds(tmp_path / "tape", [kept], 2, DAY, None)


@pytest.mark.parametrize("change", ["missing", "unknown", "half a book", "lengths", "floats", "others than before"])
def test_a_batch_of_wrong_columns_is_refused(change, tmp_path):
    columns = batch(10, 1)
    zeros = np.zeros(10, np.int64)
    wrong = {
        "missing": {name: values for name, values in columns.items() if name != "price"},
        "unknown": columns | {"mood": zeros},
        "half a book": columns | {"bid_px": zeros},
        "lengths": columns | {"price": zeros[:9]},
        "floats": columns | {"price": zeros + 0.5},
        "others than before": columns | {"condition": zeros},
    }[change]
    with TapeWriter(tmp_path / "tape", format="toy", day=DAY) as writer:
        writer.append(columns)
        with pytest.raises(SchemaError, match="batch of a tape"):
            writer.append(wrong)


def test_what_is_not_closed_leaves_nothing(tmp_path):
    writer = TapeWriter(tmp_path / "tape", format="toy", day=DAY)
    writer.append(batch(10, 1))
    assert not (tmp_path / "tape").exists()
    writer.abort()
    with pytest.raises(ZeroDivisionError), TapeWriter(tmp_path / "tape", format="toy", day=DAY) as writer:
        writer.append(batch(10, 1) | {"price": np.full(10, 1 // 0)})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_not_written_over(tmp_path):
    store(tmp_path / "tape", batch(10, 1))
    with pytest.raises(LakeError, match="exists"):
        TapeWriter(tmp_path / "tape", format="toy", day=DAY)
    first, second = (TapeWriter(tmp_path / "late", format="toy", day=DAY) for _ in range(2))
    second.close(SPECS, ignored={}, problems=())
    first._temporary.mkdir(exist_ok=True)
    with pytest.raises(LakeError, match="exists"):
        first.close(SPECS, ignored={}, problems=())
    first.abort()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["late", "tape"]


KILLED = """
import os, signal, sys
import numpy as np
from pathlib import Path
from feeds.tape import TapeWriter
from tests.feeds.test_tape import SPECS, batch
writer = TapeWriter(Path(sys.argv[1]), format="toy", day="2020-01-01")
for seed in range(3):
    writer.append(batch(20_000, seed))
writer._wait()
if sys.argv[2] == "before the name":
    Path.rename = lambda *a: os.kill(os.getpid(), signal.SIGKILL)
    writer.close(SPECS, ignored={}, problems=())
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("when", ["between batches", "before the name"])
def test_a_killed_writer_leaves_no_tape_and_the_next_one_clears_up(when, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", KILLED, str(tmp_path / "tape"), when]
    done = subprocess.run(command, env=environment, check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".tape.") and len(list(left.iterdir())) >= 3
    with pytest.raises(LakeError):
        load_index(tmp_path / "tape")
    store(tmp_path / "tape", batch(10, 1))
    assert [path.name for path in tmp_path.iterdir()] == ["tape"]


def test_a_writer_that_cannot_write_says_so_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("feeds.tape.write_part", full)
    with pytest.raises(OSError, match="No space left"):
        store(tmp_path / "tape", batch(10, 1))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["index.json", "ranges.npy", "part-00000.parquet"])
@pytest.mark.parametrize("damage", ["gone", "cut", "flipped"])
def test_a_damaged_tape_is_refused(name, damage, tmp_path):
    store(tmp_path / "tape", every_column(3000, 1))
    path = tmp_path / "tape" / name
    content = bytearray(path.read_bytes())
    path.unlink()
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        content[len(content) // 3] ^= 0xFF
        path.write_bytes(content)
    with pytest.raises(LakeError, match="tape"):
        joined(read_tape(tmp_path / "tape", DAY, "S0.X", SPECS[0]))


VALUES = st.sampled_from([0, 1, -1, 127, 128, -129, 2**15, 2**31 - 1, 2**31, -(2**31) - 1, 2**63 - 1, -(2**63)])


@given(
    wide=st.lists(VALUES, min_size=1, max_size=20),
    unsigned=st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=20),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_part_keeps_every_value_however_narrow_it_is_stored(wide, unsigned, tmp_path):
    path = tmp_path / f"{next(_folders)}.parquet"
    rows = min(len(wide), len(unsigned))
    columns = {"wide": np.array(wide[:rows], np.int64), "unsigned": np.array(unsigned[:rows], np.uint32)}
    write_part(path, columns)
    first = rows // 3
    got = read_part(path, first, rows - first)
    assert got["wide"].to_list() == wide[first:rows] and got["unsigned"].to_list() == unsigned[first:rows]


def test_constant_columns_take_no_room(tmp_path):
    rows = 100_000
    write_part(tmp_path / "a", {"x": np.arange(rows), "y": np.full(rows, 7)})
    write_part(tmp_path / "b", {"x": np.arange(rows)})
    assert (tmp_path / "a").stat().st_size - (tmp_path / "b").stat().st_size < 100
    assert read_part(tmp_path / "a", 5, 2).rows() == [(5, 7), (6, 7)]


def test_the_index_is_json_others_can_read(tmp_path):
    store(tmp_path / "tape", batch(10, 1))
    tree = json.loads((tmp_path / "tape" / "index.json").read_text())
    assert tree["rows"] == 10 and tree["contents"][0]["date"] == DAY
