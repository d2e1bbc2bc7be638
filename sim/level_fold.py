"""A level feed folded into the arrays of a flat tape: what each row changed, and what is displayed after it.

A stated size is one change, the difference to what was displayed. A stated best, a clear, or the end of a lasting cross
changes many levels at once: those in its reach are noted before it and compared after it.

Here: kernels, on the ladder of sim/level_ladder.py. Not here: frames and whole tapes (sim/tape_levels.py), executions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from sim.bit_words import NONE_ABOVE, NONE_BELOW, SHIFT, WORD, next_above, next_below
from sim.book_state import ASK, BID
from sim.compile_options import ENTRY, INNER
from sim.level_ladder import (
    ACTION_BITS,
    BEST,
    CLEAR,
    LEVEL,
    QUOTE,
    SIDE_BITS,
    SIDE_UNIT,
    LevelLadder,
    apply_level_row,
    withdraw_if_stale,
)
from sim.market import VIEW_LEVELS
from sim.tape_state import DEEP_EVERY, NEAR_EVERY, NEAR_LEVELS

#: Places of `LevelFold.cursor`: changes so far; near and deep levels so far; levels noted; place of the worst level
#: that counts in the depth of either side; levels of either side; most levels of a side so far.
CHANGES, NEAR, DEEP, NOTED, WORST, LEVELS, MOST = 0, 1, 2, 3, 4, 6, 8
N_CURSOR = 9


class Prices(NamedTuple):
    """Which price a place is.

    Attributes:
        pages: (pages,) int64, of `sim.price_places.PricePlaces`.
        unit: (1,) int64, ticks of a step between neighbouring places.
    """

    pages: np.ndarray
    unit: np.ndarray


class LevelFold(NamedTuple):
    """What is written, and scratch; layouts as in `sim.tape_state.EventTape`.

    Attributes:
        top: (n + 1, 4) int64.
        depth: (n + 1, 2) int64.
        change_first: (n + 1,) int64.
        change_side: (room,) uint8.
        change_price: (room,) int64.
        change_lots: (room,) int64.
        near_first: (2 s + 1,) int64, starts with 0, as ``deep_first``.
        near_price: (2 s `NEAR_LEVELS`,) int64.
        near_lots: (2 s `NEAR_LEVELS`,) int64.
        deep_first: (2 s + 1,) int64.
        deep_price: (room,) int64.
        deep_lots: (room,) int64.
        noted: (2 places, 3) int64: side, place, lots before.
        cursor: (`N_CURSOR`,) int64.
    """

    top: np.ndarray
    depth: np.ndarray
    change_first: np.ndarray
    change_side: np.ndarray
    change_price: np.ndarray
    change_lots: np.ndarray
    near_first: np.ndarray
    near_price: np.ndarray
    near_lots: np.ndarray
    deep_first: np.ndarray
    deep_price: np.ndarray
    deep_lots: np.ndarray
    noted: np.ndarray
    cursor: np.ndarray


@njit(**ENTRY)
def fold_rows(ladder: LevelLadder, prices: Prices, rows: np.ndarray, fold: LevelFold, first: int) -> int:
    """Apply rows from ``first`` on.

    Args:
        ladder: The book.
        prices: Of the places.
        rows: (n,) `LEVEL_ROW`.
        fold: Read and written.
        first: Row.

    Returns:
        The first row not applied: there is no room for the deep snapshot before it; n at the end.
    """
    for i in range(first, rows.size):
        if i % DEEP_EVERY == 0:
            if fold.cursor[DEEP] + fold.noted.shape[0] > fold.deep_price.size:
                return i
            fold.cursor[DEEP] = _snapshot(
                ladder, prices, fold.deep_first, fold.deep_price, fold.deep_lots, i // DEEP_EVERY, NONE_ABOVE
            )
        if i % NEAR_EVERY == 0:
            fold.cursor[NEAR] = _snapshot(
                ladder, prices, fold.near_first, fold.near_price, fold.near_lots, i // NEAR_EVERY, NEAR_LEVELS
            )
        _fold_row(ladder, prices, rows, fold, i)
    return rows.size


@njit(**INNER)
def _fold_row(ladder: LevelLadder, prices: Prices, rows: np.ndarray, fold: LevelFold, i: int) -> None:
    bid, ask = ladder.state[BEST + BID], ladder.state[BEST + ASK]
    fold.cursor[NOTED] = 0
    if bid > ask:
        _note_better(ladder, fold, BID, ask + 1)
        _note_better(ladder, fold, ASK, bid - 1)
        if withdraw_if_stale(ladder, rows[i]["ts_ns"]):
            _compare_noted(ladder, prices, fold)
        fold.cursor[NOTED] = 0
    code = np.int64(rows[i]["code"])
    action, side, place = code & ACTION_BITS, (code & SIDE_BITS) // SIDE_UNIT, rows[i]["place"]
    if action == LEVEL and side <= ASK:
        _note(ladder, fold, side, place)
        apply_level_row(ladder, rows, i)
        _compare_noted(ladder, prices, fold)
    elif action == QUOTE and side <= ASK:
        if place < 0 or rows[i]["lots"] <= 0:
            _note_all(ladder, fold, side)
        else:
            _note_better(ladder, fold, side, place + 1 if side == BID else place - 1)
            _note_better(ladder, fold, 1 - side, place)
            _note(ladder, fold, side, place)
        apply_level_row(ladder, rows, i)
        _compare_noted(ladder, prices, fold)
    else:
        if action == CLEAR:
            _note_all(ladder, fold, BID)
            _note_all(ladder, fold, ASK)
        apply_level_row(ladder, rows, i)
        if action == CLEAR:
            _compare_noted(ladder, prices, fold)
    fold.change_first[i + 1] = fold.cursor[CHANGES]
    _show(ladder, prices, fold, i)


@njit(**INNER)
def _price_of(prices: Prices, place: int) -> int:
    return prices.unit[0] * ((prices.pages[place >> SHIFT] << SHIFT) + (place & (WORD - 1)))


@njit(**INNER)
def _next_worse(ladder: LevelLadder, side: int, place: int) -> int:
    if side == BID:
        return next_below(ladder.words[BID], ladder.summary[BID], place)
    return next_above(ladder.words[ASK], ladder.summary[ASK], place)


@njit(**INNER)
def _note(ladder: LevelLadder, fold: LevelFold, side: int, place: int) -> None:
    k = fold.cursor[NOTED]
    fold.noted[k, 0], fold.noted[k, 1], fold.noted[k, 2] = side, place, ladder.lots[side, place]
    fold.cursor[NOTED] = k + 1


@njit(**ENTRY)
def _note_better(ladder: LevelLadder, fold: LevelFold, side: int, bound: int) -> None:
    """Note the levels at ``bound`` and better."""
    place = ladder.state[BEST + side]
    while 0 <= place < NONE_ABOVE and (place >= bound if side == BID else place <= bound):
        _note(ladder, fold, side, place)
        place = _next_worse(ladder, side, place)


@njit(**INNER)
def _note_all(ladder: LevelLadder, fold: LevelFold, side: int) -> None:
    _note_better(ladder, fold, side, 0 if side == BID else NONE_ABOVE)


@njit(**ENTRY)
def _compare_noted(ladder: LevelLadder, prices: Prices, fold: LevelFold) -> None:
    """Write the changes of the levels noted, in the order they were noted."""
    n = fold.cursor[CHANGES]
    for k in range(fold.cursor[NOTED]):
        side, place = fold.noted[k, 0], fold.noted[k, 1]
        change = ladder.lots[side, place] - fold.noted[k, 2]
        if change != 0:
            fold.change_side[n], fold.change_lots[n] = side, change
            fold.change_price[n] = _price_of(prices, place)
            n += 1
            came = np.int64(fold.noted[k, 2] == 0) - np.int64(ladder.lots[side, place] == 0)
            fold.cursor[LEVELS + side] += came
            fold.cursor[MOST] = max(fold.cursor[MOST], fold.cursor[LEVELS + side])
            worst = fold.cursor[WORST + side]
            if place >= worst if side == BID else place <= worst:
                # The depth is not known any more: `_show` counts it again.
                fold.cursor[WORST + side] = NONE_BELOW - 1 if side == BID else NONE_ABOVE + 1
    fold.cursor[CHANGES] = n


@njit(**INNER)
def _show(ladder: LevelLadder, prices: Prices, fold: LevelFold, i: int) -> None:
    """Write what is displayed after row ``i``."""
    for side in range(2):
        unknown = NONE_BELOW - 1 if side == BID else NONE_ABOVE + 1
        if fold.cursor[WORST + side] != unknown:
            fold.top[i + 1, 2 * side] = fold.top[i, 2 * side]
            fold.top[i + 1, 2 * side + 1] = fold.top[i, 2 * side + 1]
            fold.depth[i + 1, side] = fold.depth[i, side]
            continue
        place, levels, depth = ladder.state[BEST + side], 0, 0
        there = 0 <= place < NONE_ABOVE
        fold.top[i + 1, 2 * side] = _price_of(prices, place) if there else 0
        fold.top[i + 1, 2 * side + 1] = ladder.lots[side, place] if there else 0
        worst = place
        while 0 <= place < NONE_ABOVE and levels < VIEW_LEVELS:
            depth += ladder.lots[side, place]
            worst = place
            levels += 1
            if levels < VIEW_LEVELS:
                place = _next_worse(ladder, side, place)
        fold.depth[i + 1, side] = depth
        # With fewer levels than count any other one counts too.
        fold.cursor[WORST + side] = worst if levels == VIEW_LEVELS else (NONE_BELOW if side == BID else NONE_ABOVE)


@njit(**ENTRY)
def _snapshot(
    ladder: LevelLadder, prices: Prices, first: np.ndarray, price: np.ndarray, lots: np.ndarray, k: int, most: int
) -> int:
    """Write the ``most`` best levels of both sides as snapshot ``k``; where the next one begins."""
    n = first[2 * k]
    for side in range(2):
        place, levels = ladder.state[BEST + side], 0
        while 0 <= place < NONE_ABOVE and levels < most:
            price[n], lots[n] = _price_of(prices, place), ladder.lots[side, place]
            n += 1
            levels += 1
            place = _next_worse(ladder, side, place)
        first[2 * k + side + 1] = n
    return n
