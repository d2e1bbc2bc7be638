"""From changes of the displayed queues and executions to a flat tape: best prices, depth, snapshots, running sums.

Whatever tells of changes can be made a tape: orders (sim/tape_orders.py), levels, or quotes (sim/tape_levels.py). The
levels after every row are what its changes add up to, so that they and the snapshots agree by construction.

Here: `build_tape`. Not here: where changes come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
from numba import njit

from feeds.errors import SchemaError
from feeds.schema import ACTION_CODE, SIDE_CODE
from sim.book_levels import key_of
from sim.compile_options import ENTRY
from sim.market import VIEW_LEVELS
from sim.tape_book import change_level
from sim.tape_state import DEEP_EVERY, NEAR_EVERY, NEAR_LEVELS, EventTape
from sim.tape_sums import clock_of, next_true, quoted_rows, traded_sums, variance_sums

_FIRST_LEVELS = 256


class Changes(NamedTuple):
    """Changes of the displayed queues, as in `EventTape` without the prefix."""

    first: np.ndarray
    side: np.ndarray
    price: np.ndarray
    lots: np.ndarray
    entered: np.ndarray


class Executions(NamedTuple):
    """Executions, as in `EventTape` without the prefix."""

    first: np.ndarray
    side: np.ndarray
    price: np.ndarray
    lots: np.ndarray
    hit: np.ndarray
    kind: np.ndarray


@dataclass(frozen=True)
class FlatTape:
    """A tape ready for replay; any number of markets may share it.

    Attributes:
        events: The arrays.
        most_levels: Most levels a side displayed at once.
        corrected_rows: Rows at which the book had to be brought in line with what they state.
    """

    events: EventTape
    most_levels: int
    corrected_rows: int = 0

    @property
    def rows(self) -> int:
        """Rows of the tape."""
        return int(self.events.ts_ns.size)

    @property
    def nbytes(self) -> int:
        """Memory of all arrays."""
        return sum(array.nbytes for array in self.events)


def build_tape(tape: pl.DataFrame, changes: Changes, executions: Executions, corrected_rows: int = 0) -> FlatTape:
    """Put a tape together.

    Args:
        tape: RAW_TICKS rows with the best bid and ask after each (null where a row does not state them).
        changes: Of the displayed queues, by row.
        executions: By row.
        corrected_rows: See `FlatTape`.

    Raises:
        InsufficientDataError: No row states a two-sided book.
        SchemaError: Changes take more off a level than it has.
    """
    clock, quoted = clock_of(tape), quoted_rows(tape)
    first_second, variance = variance_sums(tape, clock, quoted)
    top, depth, near, deep, most = _levels(tape.height, changes)
    events = EventTape(
        clock, top, depth, traded_sums(tape), variance, np.array([first_second], np.int64), next_true(quoted),
        *changes, *executions, *near, *deep,
    )  # fmt: skip
    return FlatTape(events, most, corrected_rows)


def executions_of(tape: pl.DataFrame, hit: np.ndarray) -> Executions:
    """The executions that rows tell of, F and T with a side.

    Args:
        tape: RAW_TICKS rows.
        hit: (n,) row that put the executed order of each row at its place.
    """
    action, side = (tape[name].to_physical().to_numpy() for name in ("action", "side"))
    told = ((action == ACTION_CODE["T"]) | (action == ACTION_CODE["F"])) & (side != SIDE_CODE["N"])
    rows, first = np.flatnonzero(told), np.zeros(told.size + 1, np.int64)
    np.cumsum(told, out=first[1:])
    # The side of an F is that of the resting order, of a T that of the aggressor.
    resting = np.where(action[rows] == ACTION_CODE["T"], 1 - side[rows], side[rows])
    return Executions(
        first=first,
        side=resting.astype(np.uint8),
        price=np.ascontiguousarray(tape["price"].to_numpy()[rows], np.int64),
        lots=np.ascontiguousarray(tape["size"].to_numpy()[rows], np.int64),
        hit=hit[rows].astype(np.int32),
        kind=action[rows].astype(np.uint8),
    )


Snapshots = tuple[np.ndarray, np.ndarray, np.ndarray]


def _levels(rows: int, changes: Changes) -> tuple[np.ndarray, np.ndarray, Snapshots, Snapshots, int]:
    """Best prices and depth after each row, both kinds of snapshots, most levels a side."""
    top, depth = np.zeros((rows + 1, 4), np.int64), np.zeros((rows + 1, 2), np.int64)
    shots = -(-rows // NEAR_EVERY)
    near_first = np.zeros(2 * shots + 1, np.int64)
    near = np.zeros((2, 2 * shots * NEAR_LEVELS), np.int64)
    keys, lots = (np.zeros((2, _FIRST_LEVELS), np.int64) for _ in range(2))
    count, deep, row = np.zeros(3, np.int64), list[np.ndarray](), 0
    while row < rows:
        if row % DEEP_EVERY == 0 and len(deep) < 2 * (row // DEEP_EVERY + 1):
            deep += [_best_first(keys, lots, side, int(count[side])) for side in range(2)]
        after = min(rows, (row // DEEP_EVERY + 1) * DEEP_EVERY)
        row = _run(changes, keys, lots, count, row, after, top, depth, near_first, near)
        if row < 0:
            raise SchemaError(
                "flat tape",
                received=f"row {-1 - row} takes more off a level than is displayed there",
                expected="changes that leave every level with lots or without",
                remedy="Clean the rows first (feeds.cleaning.filter_rows).",
            )
        if row < after:
            keys, lots = (np.concatenate([array, np.zeros_like(array)], axis=1) for array in (keys, lots))
    end = int(near_first[-1])
    sizes = [shot.shape[1] for shot in deep]
    joined = np.concatenate(deep, axis=1)
    deep_first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return (
        top,
        depth,
        (near_first, near[0, :end].copy(), near[1, :end].copy()),
        (deep_first, joined[0].copy(), joined[1].copy()),
        int(count[2]),
    )


def _best_first(keys: np.ndarray, lots: np.ndarray, side: int, levels: int) -> np.ndarray:
    """(2, levels): prices and lots of a side, best first."""
    price = keys[side, :levels][::-1] * (1 if side == 0 else -1)
    return np.stack([price, lots[side, :levels][::-1]])


@njit(**ENTRY)
def _run(
    changes: Changes,
    keys: np.ndarray,
    lots: np.ndarray,
    count: np.ndarray,
    first: int,
    after: int,
    top: np.ndarray,
    depth: np.ndarray,
    near_first: np.ndarray,
    near: np.ndarray,
) -> int:
    """Follow rows ``first`` up to ``after``; the row reached before there is no more room, -1 - row at a bad one."""
    for row in range(first, after):
        begin, end = changes.first[row], changes.first[row + 1]
        if max(count[0], count[1]) + end - begin >= keys.shape[1]:
            return row
        if row % NEAR_EVERY == 0:
            _snapshot(keys, lots, count, row // NEAR_EVERY, near_first, near)
        for c in range(begin, end):
            side = np.int64(changes.side[c])
            key = key_of(side, changes.price[c])
            count[side] = change_level(keys, lots, side, count[side], key, changes.lots[c])
        count[2] = max(count[2], count[0], count[1])
        for s in range(2):
            best = count[s] - 1
            if best >= 0:
                top[row + 1, 2 * s], top[row + 1, 2 * s + 1] = key_of(s, keys[s, best]), lots[s, best]
            for at in range(best, max(-1, best - VIEW_LEVELS), -1):
                if lots[s, at] < 0:
                    return -1 - row
                depth[row + 1, s] += lots[s, at]
    return after


@njit(**ENTRY)
def _snapshot(
    keys: np.ndarray, lots: np.ndarray, count: np.ndarray, k: int, near_first: np.ndarray, near: np.ndarray
) -> None:
    """Write snapshot ``k`` of the best levels."""
    at = near_first[2 * k]
    for side in range(2):
        for level in range(count[side] - 1, max(-1, count[side] - 1 - NEAR_LEVELS), -1):
            near[0, at], near[1, at] = key_of(side, keys[side, level]), lots[side, level]
            at += 1
        near_first[2 * k + side + 1] = at
