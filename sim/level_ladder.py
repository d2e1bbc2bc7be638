"""The book of feeds/kernels/level_book.py on a ladder of prices, made for replaying level feeds fast.

The same rows give the same best prices: what a stated best (``Q``) removes and which later levels it overrules, how
long a cross stands and which side then gives way are as told there. Here a price is a place in an array and a row of
bits tells which places are occupied, so that no level is searched or moved.

Here: the arrays, and what rows do to them. Not here: numbering prices (sim/price_places.py), tables of rows and reading
(sim/fast_replay_l2.py), own orders.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from feeds.kernels.level_book import STALE_CROSS_NS, STALE_QUOTE_NS
from feeds.schema import ACTION_CODE
from sim.bit_words import (
    NONE_ABOVE,
    NONE_BELOW,
    SHIFT,
    WORD,
    clear_bit,
    next_above,
    next_below,
    set_bit,
    words_for,
)
from sim.book_state import ASK, BID
from sim.compile_options import ENTRY, INNER

#: A row of a level tape, 32 bytes: venue and receiver's clock, lots, place of the price, action + 16 side + 64 partial.
LEVEL_ROW = np.dtype(
    [("ts_ns", np.int64), ("recv_ns", np.int64), ("lots", np.int64), ("place", np.int32), ("code", np.int32)]
)
ACTION_BITS, SIDE_UNIT, SIDE_BITS, PARTIAL = 15, 16, 48, 64
QUOTE, LEVEL, CLEAR, TRADE = (ACTION_CODE[action] for action in "QLRT")

#: Places of `LevelLadder.state`, int64; the first four kinds are pairs, + side.
BEST = 0  # place of the best price, `NONE_BELOW` or `NONE_ABOVE` where empty
IMPROVED_NS = 2
STATED = 4  # place of the stated best
STATED_NS = 6  # receiver's clock; `NOT_STATED` where no best stands
CROSSED_SINCE = 8  # venue clock, -1: not crossed
CROSSED_ROWS = 9
IGNORED = 10
OVERRULED = 11
WITHDRAWN = 12
N_STATE = 13
#: Older than any stamp by more than any patience.
NOT_STATED = -(1 << 62)


class LevelLadder(NamedTuple):
    """The whole state.

    Attributes:
        lots: (2, places) int64, by side; 0: none.
        words: (2, pages) uint64, the occupied places.
        summary: (2, .) uint64, the occupied words.
        state: (`N_STATE`,) int64.
    """

    lots: np.ndarray
    words: np.ndarray
    summary: np.ndarray
    state: np.ndarray


def new_level_ladder(places: int) -> LevelLadder:
    """An empty book over ``places`` prices."""
    words, summary = words_for(places)
    state = np.zeros(N_STATE, np.int64)
    state[BEST + BID], state[BEST + ASK], state[CROSSED_SINCE] = NONE_BELOW, NONE_ABOVE, -1
    state[STATED_NS : STATED_NS + 2] = NOT_STATED
    return LevelLadder(np.zeros((2, max(1, places)), np.int64), np.stack([words] * 2), np.stack([summary] * 2), state)


@njit(**ENTRY)
def replay_levels(ladder: LevelLadder, rows: np.ndarray, first: int, after: int, tops: np.ndarray) -> None:
    """Apply rows ``first`` up to ``after``.

    Args:
        ladder: The book.
        rows: (n,) `LEVEL_ROW`.
        first: Row.
        after: Row.
        tops: (n, 4) int64, written: place and lots of the best bid, of the best ask, after each row (-1, 0: empty);
            (0, 4) where they are not wanted.
    """
    told = tops.shape[0] > 0
    for i in range(first, after):
        apply_level_row(ladder, rows, i)
        if told:
            for side in range(2):
                best = ladder.state[BEST + side]
                there = 0 <= best < NONE_ABOVE
                tops[i, 2 * side] = best if there else -1
                tops[i, 2 * side + 1] = ladder.lots[side, best] if there else 0


@njit(**ENTRY)
def replay_levels_until(
    lots: np.ndarray,
    words: np.ndarray,
    summary: np.ndarray,
    state: np.ndarray,
    rows: np.ndarray,
    pages: np.ndarray,
    view: np.ndarray,
    until_ns: int,
) -> bool:
    """Apply the rows received by ``until_ns``, and show the book.

    The arrays one by one: taking a tuple of them apart at every call from Python takes longer than what is done here.

    Args:
        lots: Of `LevelLadder`, as the next three.
        words: See there.
        summary: See there.
        state: See there.
        rows: (n,) `LEVEL_ROW`.
        pages: (pages,) int64, of `PricePlaces`.
        view: (5,) int64: bid price and lots, ask price and lots (zeros: empty), prices in units of the places; next
            row. Read and written.
        until_ns: Receiver's clock.

    Returns:
        Whether there are more rows.
    """
    ladder = LevelLadder(lots, words, summary, state)
    i = view[4]
    while i < rows.size and rows[i]["recv_ns"] <= until_ns:
        apply_level_row(ladder, rows, i)
        i += 1
    view[4] = i
    for side in range(2):
        best = state[BEST + side]
        there = 0 <= best < NONE_ABOVE
        view[2 * side] = (pages[best >> SHIFT] << SHIFT) + (best & (WORD - 1)) if there else 0
        view[2 * side + 1] = lots[side, best] if there else 0
    return i < rows.size


@njit(**INNER)
def apply_level_row(ladder: LevelLadder, rows: np.ndarray, i: int) -> None:
    """Apply row ``i``."""
    state = ladder.state
    code = np.int64(rows[i]["code"])
    withdraw_if_stale(ladder, rows[i]["ts_ns"])
    action = code & ACTION_BITS
    side = (code & SIDE_BITS) // SIDE_UNIT
    if action == LEVEL and side <= ASK:
        _apply_level(ladder, side, rows[i]["place"], rows[i]["lots"], rows[i]["ts_ns"], rows[i]["recv_ns"])
    elif action == QUOTE and side <= ASK:
        _apply_quote(ladder, side, rows[i]["place"], rows[i]["lots"], rows[i]["ts_ns"], rows[i]["recv_ns"])
    elif action == CLEAR:
        for s in range(2):
            _empty(ladder, s)
            state[STATED_NS + s] = NOT_STATED
    if code & PARTIAL == 0:
        if state[BEST + BID] <= state[BEST + ASK]:
            state[CROSSED_SINCE] = -1
        else:
            state[CROSSED_ROWS] += 1
            if state[CROSSED_SINCE] < 0:
                state[CROSSED_SINCE] = rows[i]["ts_ns"]


@njit(**INNER)
def withdraw_if_stale(ladder: LevelLadder, ts_ns: int) -> bool:
    """Uncross a cross that stands too long at ``ts_ns`` of the venue's clock; whether one did."""
    state = ladder.state
    if state[CROSSED_SINCE] < 0 or ts_ns - state[CROSSED_SINCE] < STALE_CROSS_NS:
        return False
    _withdraw_stale(ladder)
    return True


@njit(**INNER)
def _not_worse(side: int, place: int, than: int) -> bool:
    return place >= than if side == BID else place <= than


@njit(**INNER)
def _apply_level(ladder: LevelLadder, side: int, place: int, lots: int, ts_ns: int, recv_ns: int) -> None:
    state = ladder.state
    stands = recv_ns - state[STATED_NS + side] < STALE_QUOTE_NS
    if stands and _not_worse(side, place, state[STATED + side]):
        state[IGNORED] += 1
        return
    if lots <= 0:
        _remove(ladder, side, place)
        return
    other = 1 - side
    if recv_ns - state[STATED_NS + other] < STALE_QUOTE_NS and _not_worse(side, place, state[STATED + other]):
        state[IGNORED] += 1
        return
    if not _not_worse(side, state[BEST + side], place):
        state[IMPROVED_NS + side] = ts_ns
    _set(ladder, side, place, lots)


@njit(**INNER)
def _set(ladder: LevelLadder, side: int, place: int, lots: int) -> None:
    if ladder.lots[side, place] == 0:
        set_bit(ladder.words[side], ladder.summary[side], place)
        if not _not_worse(side, ladder.state[BEST + side], place):
            ladder.state[BEST + side] = place
    ladder.lots[side, place] = lots


@njit(**INNER)
def _remove(ladder: LevelLadder, side: int, place: int) -> None:
    if ladder.lots[side, place] == 0:
        return
    ladder.lots[side, place] = 0
    clear_bit(ladder.words[side], ladder.summary[side], place)
    if place == ladder.state[BEST + side]:
        if side == BID:
            ladder.state[BEST + BID] = next_below(ladder.words[BID], ladder.summary[BID], place)
        else:
            ladder.state[BEST + ASK] = next_above(ladder.words[ASK], ladder.summary[ASK], place)


@njit(**ENTRY)
def _apply_quote(ladder: LevelLadder, side: int, place: int, lots: int, ts_ns: int, recv_ns: int) -> None:
    """A stated best; ``place`` is negative where the price is not positive."""
    state = ladder.state
    if place < 0 or lots <= 0:
        state[STATED_NS + side] = NOT_STATED
        _empty(ladder, side)
        return
    state[STATED + side], state[STATED_NS + side], state[IMPROVED_NS + side] = place, recv_ns, ts_ns
    # Of the other side goes what the stated best reaches, of its own what is better than it.
    other = 1 - side
    state[OVERRULED] += _cut(ladder, other, place) + _cut(ladder, side, place + (1 if side == BID else -1))
    _set(ladder, side, place, lots)


@njit(**INNER)
def _cut(ladder: LevelLadder, side: int, place: int) -> int:
    """Remove the levels of ``side`` at ``place`` and better; how many."""
    cut = 0
    while 0 <= ladder.state[BEST + side] < NONE_ABOVE and _not_worse(side, ladder.state[BEST + side], place):
        _remove(ladder, side, ladder.state[BEST + side])
        cut += 1
    return cut


@njit(**INNER)
def _empty(ladder: LevelLadder, side: int) -> None:
    while 0 <= ladder.state[BEST + side] < NONE_ABOVE:
        _remove(ladder, side, ladder.state[BEST + side])


@njit(**ENTRY)
def _withdraw_stale(ladder: LevelLadder) -> None:
    """Uncross: the side whose best is older loses what lies beyond the other's best, both where equally old."""
    state = ladder.state
    bid, ask = state[BEST + BID], state[BEST + ASK]
    state[CROSSED_SINCE] = -1
    if bid <= ask:
        return
    bid_ns, ask_ns = state[IMPROVED_NS + BID], state[IMPROVED_NS + ASK]
    if bid_ns <= ask_ns:
        state[WITHDRAWN] += _cut(ladder, BID, ask + 1)
    if ask_ns <= bid_ns:
        state[WITHDRAWN] += _cut(ladder, ASK, bid - 1)
