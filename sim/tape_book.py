"""The displayed levels of a flat tape at a row: the nearest snapshot before it, and the changes since.

A window of levels holds the best ones down to some price, exactly; where a reader comes to its end and the tape has
more, it is made again from a snapshot of all levels. Levels lie from the worst to the best, because nearly everything
happens at the best.

Here: kernels that keep a window and read a level. Not here: the arrays (sim/tape_state.py), depth we took
(sim/tape_depth.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from sim.book_levels import key_of
from sim.compile_options import ENTRY, INNER
from sim.tape_state import (
    DEEP_EVERY,
    NEAR_EVERY,
    NEAR_LEVELS,
    ROW,
    WINDOW_LEVELS,
    WINDOW_ROW,
    WINDOW_WHOLE,
    WINDOW_WORST,
    EventTape,
    TapeState,
)


@njit(**INNER)
def place_of_key(keys: np.ndarray, side: int, levels: int, key: int) -> int:
    """First level whose key is not less than ``key``; searched from the best."""
    high, step = levels, 1
    while high - step >= 0 and keys[side, high - step] >= key:
        high -= step
        step *= 2
    low = max(0, high - step)
    while low < high:
        middle = (low + high) // 2
        if keys[side, middle] < key:
            low = middle + 1
        else:
            high = middle
    return low


@njit(**INNER)
def change_level(keys: np.ndarray, lots: np.ndarray, side: int, levels: int, key: int, by: int) -> int:
    """Change the lots at ``key``; levels of the side after it."""
    at = place_of_key(keys, side, levels, key)
    if at < levels and keys[side, at] == key:
        lots[side, at] += by
        if lots[side, at] != 0:
            return levels
        for i in range(at, levels - 1):
            keys[side, i], lots[side, i] = keys[side, i + 1], lots[side, i + 1]
        return levels - 1
    if by == 0:
        return levels
    for i in range(levels, at, -1):
        keys[side, i], lots[side, i] = keys[side, i - 1], lots[side, i - 1]
    keys[side, at], lots[side, at] = key, by
    return levels + 1


@njit(**ENTRY)
def show_row(tape: EventTape, state: TapeState) -> None:
    """Bring the window to `ROW`."""
    row, shown = state.counts[ROW], state.counts[WINDOW_ROW]
    if shown == row:
        return
    k = min(row // NEAR_EVERY, tape.near_first.size // 2 - 1)
    if shown < k * NEAR_EVERY or shown > row:
        _load_near(tape, state, k)
        shown = k * NEAR_EVERY
    _follow(tape, state, shown, row)


@njit(**ENTRY)
def _load_near(tape: EventTape, state: TapeState, k: int) -> None:
    """Load snapshot ``k`` of the best levels."""
    _load(state, tape.near_first, tape.near_price, tape.near_lots, k)
    for side in range(2):
        levels = state.counts[WINDOW_LEVELS + side]
        state.counts[WINDOW_WHOLE + side] = levels < NEAR_LEVELS
        if levels:
            state.counts[WINDOW_WORST + side] = state.window_key[side, 0]


@njit(**ENTRY)
def deepen(tape: EventTape, state: TapeState) -> None:
    """Make the window hold all levels at `ROW`."""
    row = state.counts[ROW]
    k = min(row // DEEP_EVERY, tape.deep_first.size // 2 - 1)
    _load(state, tape.deep_first, tape.deep_price, tape.deep_lots, k)
    state.counts[WINDOW_WHOLE] = state.counts[WINDOW_WHOLE + 1] = 1
    _follow(tape, state, k * DEEP_EVERY, row)


@njit(**INNER)
def _load(state: TapeState, first: np.ndarray, price: np.ndarray, lots: np.ndarray, k: int) -> None:
    for side in range(2):
        after = first[2 * k + side + 1]
        levels = after - first[2 * k + side]
        for at in range(levels):
            state.window_key[side, at] = key_of(side, price[after - 1 - at])
            state.window_lots[side, at] = lots[after - 1 - at]
        state.counts[WINDOW_LEVELS + side] = levels


@njit(**ENTRY)
def _follow(tape: EventTape, state: TapeState, first_row: int, row: int) -> None:
    """Apply to the window the changes of rows ``first_row`` up to ``row``."""
    counts = state.counts
    for c in range(tape.change_first[first_row], tape.change_first[row]):
        side = np.int64(tape.change_side[c])
        key = key_of(side, tape.change_price[c])
        if counts[WINDOW_WHOLE + side] or key >= counts[WINDOW_WORST + side]:
            counts[WINDOW_LEVELS + side] = change_level(
                state.window_key, state.window_lots, side, counts[WINDOW_LEVELS + side], key, tape.change_lots[c]
            )
    counts[WINDOW_ROW] = row


@njit(**ENTRY)
def lots_at(tape: EventTape, row: int, side: int, price: int) -> int:
    """Lots the tape displays at a price after ``row`` rows."""
    k = min(row // NEAR_EVERY, tape.near_first.size // 2 - 1)
    first, after = tape.near_first[2 * k + side], tape.near_first[2 * k + side + 1]
    key, since = key_of(side, price), k * NEAR_EVERY
    if after - first == NEAR_LEVELS and key < key_of(side, tape.near_price[after - 1]):
        k = min(row // DEEP_EVERY, tape.deep_first.size // 2 - 1)
        first, after, since = tape.deep_first[2 * k + side], tape.deep_first[2 * k + side + 1], k * DEEP_EVERY
        lots = _find(tape.deep_price, tape.deep_lots, first, after, side, key)
    else:
        lots = _find(tape.near_price, tape.near_lots, first, after, side, key)
    for c in range(tape.change_first[since], tape.change_first[row]):
        if tape.change_price[c] == price and tape.change_side[c] == side:
            lots += tape.change_lots[c]
    return lots


@njit(**INNER)
def _find(prices: np.ndarray, lots: np.ndarray, low: int, high: int, side: int, key: int) -> int:
    """Lots at ``key`` in a snapshot, which lies best first; 0 where it is not there."""
    last = high
    while low < high:
        middle = (low + high) // 2
        if key_of(side, prices[middle]) > key:
            low = middle + 1
        else:
            high = middle
    return lots[low] if low < last and key_of(side, prices[low]) == key else 0
