"""The depth displayed to us: the tape's, without the lots we took that are not back yet.

The missing lots of a price decay with a half life, and are never more than what the tape displays there: lots that
others took or cancelled meanwhile do not come back. Fewer than half a lot are none.

Here: kernels on `TapeState.taken`, and levels seen through it. Not here: the tape's levels (sim/tape_book.py).
"""

from __future__ import annotations

from numba import njit

from sim.compile_options import ENTRY, INNER, MERGED
from sim.tape_book import deepen, place_of_key
from sim.tape_state import (
    HALF_LIFE_NS,
    MAX_TAKEN,
    NOW_NS,
    TAKEN,
    TAKEN_LEVEL,
    TAKEN_NS,
    TAKEN_PRICE,
    TAKEN_SIDE,
    WINDOW_LEVELS,
    WINDOW_WHOLE,
    WINDOW_WORST,
    EventTape,
    TapeState,
)

#: Fewer missing lots than this are none.
_NONE_MISSING = 0.5


@njit(**INNER)
def missing_at(state: TapeState, k: int) -> float:
    """Lots missing now at entry ``k``."""
    age = state.counts[NOW_NS] - state.taken[k, TAKEN_NS]
    lots = state.taken_lots[k] * 0.5 ** (age / state.numbers[HALF_LIFE_NS])
    return lots if lots >= _NONE_MISSING else 0.0


@njit(**MERGED)
def missing(state: TapeState, side: int, price: int) -> int:
    """Whole lots missing at a price of the tape."""
    for k in range(state.counts[TAKEN]):
        if state.taken[k, TAKEN_PRICE] == price and state.taken[k, TAKEN_SIDE] == side:
            return int(missing_at(state, k) + _NONE_MISSING)
    return 0


@njit(**INNER)
def any_missing(state: TapeState, side: int) -> bool:
    """Whether anything is missing on a side."""
    found = False
    for k in range(state.counts[TAKEN]):
        found |= state.taken[k, TAKEN_SIDE] == side and missing_at(state, k) > 0.0
    return found


@njit(**INNER)
def shown_lots(state: TapeState, side: int, at: int) -> int:
    """Lots displayed to us at level ``at`` of the window."""
    lots = state.window_lots[side, at]
    if state.counts[TAKEN] == 0:
        return lots
    key = state.window_key[side, at]
    return max(0, lots - missing(state, side, key if side == 0 else -key))


@njit(**ENTRY)
def next_shown(tape: EventTape, state: TapeState, side: int, at: int) -> int:
    """The next level worse than ``at`` with lots displayed to us, -1 where there is none.

    The best one follows after the number of levels. Earlier places are void afterwards: the window may be another.
    """
    counts = state.counts
    while True:
        at -= 1
        while at >= 0 and shown_lots(state, side, at) == 0:
            at -= 1
        if at >= 0 or counts[WINDOW_WHOLE + side]:
            return at
        deepen(tape, state)
        at = place_of_key(state.window_key, side, counts[WINDOW_LEVELS + side], counts[WINDOW_WORST + side])


@njit(**ENTRY)
def consume(state: TapeState, side: int, at: int, lots: int) -> None:
    """Let ``lots`` of level ``at`` of the window be missing from now on.

    Where all places are in use, the entry with the fewest lots makes room.
    """
    key, level = state.window_key[side, at], state.window_lots[side, at]
    price = key if side == 0 else -key
    n = state.counts[TAKEN]
    k, smallest = n, 0
    for other in range(n):
        if state.taken[other, TAKEN_SIDE] == side and state.taken[other, TAKEN_PRICE] == price:
            k = other
            break
        if n == MAX_TAKEN and missing_at(state, other) < missing_at(state, smallest):
            smallest = other
    before = missing_at(state, k) if k < n else 0.0
    if k == MAX_TAKEN:
        k = smallest
    elif k == n:
        state.counts[TAKEN] = n + 1
    state.taken[k, TAKEN_SIDE], state.taken[k, TAKEN_PRICE] = side, price
    state.taken[k, TAKEN_NS], state.taken[k, TAKEN_LEVEL] = state.counts[NOW_NS], level
    state.taken_lots[k] = min(before + lots, float(level))


@njit(**ENTRY)
def cap_missing(state: TapeState) -> None:
    """No more is missing at a price than the tape displays there; prices where nothing is missing are forgotten."""
    kept, taken = 0, state.taken
    for k in range(state.counts[TAKEN]):
        lots = missing_at(state, k)
        if lots > taken[k, TAKEN_LEVEL]:
            lots = float(taken[k, TAKEN_LEVEL])
            state.taken_lots[k], taken[k, TAKEN_NS] = lots, state.counts[NOW_NS]
        if lots >= _NONE_MISSING:
            for column in range(taken.shape[1]):
                taken[kept, column] = taken[k, column]
            state.taken_lots[kept] = state.taken_lots[k]
            kept += 1
    state.counts[TAKEN] = kept
