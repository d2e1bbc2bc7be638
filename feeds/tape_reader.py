"""Reading tapes: one instrument-day, in chunks, without reading what lies around it.

Here: the reader. Not here: writing and what a tape is (feeds/tape.py).
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from feeds.errors import LakeError
from feeds.instruments import InstrumentSpec
from feeds.tape_index import INDEX_NAME, RANGES_NAME, TapeIndex, day_number, digest_of, from_tree, part_name
from feeds.tape_part import read_part, unpacked_kind

if TYPE_CHECKING:
    from feeds.adapters.base import ParsedTicks

#: Rows of one chunk of `read_tape`, about.
CHUNK_ROWS = 500_000


@dataclass(frozen=True)
class _Opened:
    """Index, code of each instrument and ranges of a tape."""

    index: TapeIndex
    codes: dict[str, int]
    ranges: np.ndarray


def load_index(folder: Path) -> TapeIndex:
    """What the tape in ``folder`` holds.

    Raises:
        LakeError: There is no whole tape.
    """
    return _opened(folder).index


def read_tape(folder: Path, date: str, instrument: str, spec: InstrumentSpec) -> Iterator[ParsedTicks]:
    """One instrument-day of a tape in chunks whose sequence numbers run on; nothing where the tape has none of it.

    Args:
        folder: The tape.
        date: ISO date.
        instrument: Id, as in the tape's index.
        spec: Units to return prices and sizes in.

    Raises:
        LakeError: The tape is missing or damaged.
        StudyError: ``spec`` cannot hold the tape's units.
    """
    from feeds.adapters.base import units_per

    tape = _opened(folder)
    index = tape.index
    if instrument not in index.specs:
        return
    own = index.specs[instrument]
    ticks = units_per(own.tick_size, spec.tick_size, "tick_size", spec)
    lots = units_per(own.lot_size, spec.lot_size, "lot_size", spec)
    waiting: list[pl.DataFrame] = []
    done = 0
    for part, first, rows in _places(tape, date, instrument):
        for start in range(first, first + rows, CHUNK_ROWS):
            waiting.append(read_part(folder / part_name(part), start, min(CHUNK_ROWS, first + rows - start)))
            if sum(frame.height for frame in waiting) >= CHUNK_ROWS:
                yield (chunk := _expanded(pl.concat(waiting, how="diagonal"), index, ticks, lots, done))
                done += chunk.rows_in
                waiting = []
    if waiting:
        yield _expanded(pl.concat(waiting, how="diagonal"), index, ticks, lots, done)


def _places(tape: _Opened, date: str, instrument: str) -> list[tuple[int, int, int]]:
    """(part, first row, rows) of an instrument-day, in source order."""
    ranges = tape.ranges
    found = ranges[(ranges[:, 0] == day_number(date)) & (ranges[:, 1] == tape.codes[instrument])]
    return [(int(part), int(first), int(rows)) for part, first, rows in found[np.argsort(found[:, 2])][:, 2:]]


def _expanded(rows: pl.DataFrame, index: TapeIndex, ticks: int, lots: int, first_sequence: int) -> ParsedTicks:
    from feeds.adapters.base import split_rejected

    reasons = pl.Series([None, *index.reasons], dtype=pl.String)
    absent = {"ts_recv": pl.col("ts_event"), "condition": pl.lit(0), "reason": pl.lit(0)}
    rows = rows.with_columns(**{name: value for name, value in absent.items() if name not in rows.columns})
    prices = [name for name in ("price", "bid_px", "ask_px") if name in rows.columns]
    sizes = [name for name in ("size", "bid_sz", "ask_sz", "bid_depth", "ask_depth") if name in rows.columns]
    events = rows.with_columns(
        *unpacked_kind(rows["kind"]),
        reasons.gather(rows["reason"]).alias("reason"),
        *[pl.col(name) * ticks for name in prices],
        *[pl.col(name) * lots for name in sizes],
        pl.lit("").alias("exchange"),
    )
    return split_rejected(events.drop("kind"), first_sequence)


def _opened(folder: Path) -> _Opened:
    try:
        state = (folder / INDEX_NAME).stat()
        return _read(folder, state.st_ino, state.st_mtime_ns)
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(folder, error) from error


@lru_cache(maxsize=4)
def _read(folder: Path, inode: int, changed_ns: int) -> _Opened:
    """Read once for all instrument-days; a tape never changes, and another one in its place has another index file."""
    tree = json.loads((folder / INDEX_NAME).read_text(encoding="utf-8"))
    if tree["sha256"] != digest_of(tree):
        raise ValueError("the index is not what its digest says")
    packed = (folder / RANGES_NAME).read_bytes()
    if tree["ranges_sha256"] != hashlib.sha256(packed).hexdigest():
        raise ValueError("the ranges are not what their digest says")
    return _Opened(from_tree(tree), tree["codes"], np.load(io.BytesIO(packed), allow_pickle=False))


def _damaged(folder: Path, error: Exception) -> LakeError:
    return LakeError(
        f"tape {folder}", received=str(error), expected="a whole tape", remedy="Decode the file into it again."
    )
