"""Depths of the book on a ladder of prices, kept from row to row.

A depth is the sum over the best occupied prices of a side. Most rows change a price behind those, or nothing: the place
of the last price of each sum is kept, and a sum is made again only where a row may have changed a price up to it.

Here: depths, and how long an order has been pending. Not here: what events do to the book (sim/ladder_book.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from sim.bit_words import NONE_ABOVE, NONE_BELOW, next_above, next_below
from sim.book_state import ASK, BID
from sim.compile_options import ENTRY, INNER
from sim.ladder_state import BEST, DEEPEST, DEPTH, LONGEST_PENDING_NS, PENDING_ORDERS, PENDING_SINCE, Ladder


@njit(**INNER)
def note_depth(
    ladder: Ladder, slot: int, was: int, undisturbed: bool, levels: int, ts_ns: int, out: np.ndarray
) -> None:
    """Write the depths after a row.

    Args:
        ladder: The book after it.
        slot: Of the row's order, negative where it has none.
        was: Place of that order before the row, anything where it is new.
        undisturbed: Whether the row changed no order but its own, and none was or is pending.
        levels: Prices a side.
        ts_ns: Venue clock.
        out: (2,) int64, written: lots of the bids, of the asks.
    """
    if not undisturbed:
        _sum_depth(ladder, BID, levels)
        _sum_depth(ladder, ASK, levels)
        _time_pending(ladder, ts_ns)
    elif slot >= 0:
        _sum_where_it_matters(ladder, slot, was, levels)
    out[BID], out[ASK] = ladder.state[DEPTH + BID], ladder.state[DEPTH + ASK]


@njit(**INNER)
def _sum_where_it_matters(ladder: Ladder, slot: int, was: int, levels: int) -> None:
    """After a row that changed nothing but its own order, which was at ``was`` before (or anywhere where it is new)."""
    side, place = ladder.orders[slot]["side"], ladder.orders[slot]["place"]
    deepest = ladder.state[DEEPEST + side]
    if (max(place, was) >= deepest) if side == BID else (min(place, was) <= deepest):
        _sum_depth(ladder, side, levels)


@njit(**ENTRY)
def _sum_depth(ladder: Ladder, side: int, levels: int) -> None:
    at, total, count, deepest = ladder.state[BEST + side], 0, 0, NONE_BELOW
    while count < levels and 0 <= at < NONE_ABOVE:
        total += ladder.levels[at]["lots"]
        deepest = at
        count += 1
        if side == BID:
            at = next_below(ladder.words, ladder.summary, at)
        else:
            at = next_above(ladder.words, ladder.summary, at)
    if count < levels:
        deepest = NONE_BELOW if side == BID else NONE_ABOVE
    ladder.state[DEPTH + side] = total
    ladder.state[DEEPEST + side] = deepest


@njit(**INNER)
def _time_pending(ladder: Ladder, ts_ns: int) -> None:
    state = ladder.state
    if state[PENDING_ORDERS] == 0:
        state[PENDING_SINCE] = -1
    elif state[PENDING_SINCE] < 0:
        state[PENDING_SINCE] = ts_ns
    else:
        state[LONGEST_PENDING_NS] = max(state[LONGEST_PENDING_NS], ts_ns - state[PENDING_SINCE])
