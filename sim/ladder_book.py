"""The book of sim/book.py on a ladder of prices, made for replaying tapes as fast as they can be read.

The same events give the same book: displayed and pending orders, phantoms and what proves them gone are as told there.
What differs is where things lie. Orders are numbered beforehand (no table is searched), a price is a place in an array
(no level is searched or moved), and one row of bits tells which places are occupied: all bids lie below all asks, so
the next best price of a side is the next set bit. An order is half a cache line, a level a quarter.

Here: what events do to the book. Not here: its arrays (sim/ladder_state.py), depths (sim/ladder_depth.py), what proves
orders gone (sim/ladder_witnesses.py), numbers of orders and prices (sim/ladder_rows.py, sim/price_places.py), tables of
events (sim/fast_replay_l3.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from feeds.schema import ACTION_CODE
from sim.bit_words import NONE_ABOVE, NONE_BELOW, clear_bit, next_above, next_below, set_bit
from sim.book import WITNESSES
from sim.book_state import ASK, BID, FREE, PENDING, RESTING
from sim.compile_options import ENTRY, INNER
from sim.ladder_depth import note_depth
from sim.ladder_state import (
    BEST,
    DUPLICATE_IDS,
    EVER_PENDING,
    EVICTED_ORDERS,
    LIVE_ORDERS,
    MOST_ORDERS,
    PENDING_ORDERS,
    SIDE_UNIT,
    SWEEPS,
    TRADED_BEFORE_NS,
    TRADED_NS,
    UNKNOWN_IDS,
    Ladder,
)
from sim.ladder_witnesses import note_trade, traded_since, witnesses
from sim.order_index import EMPTY

_ADD, _MODIFY, _CANCEL = ACTION_CODE["A"], ACTION_CODE["M"], ACTION_CODE["C"]
_FILL, _TRADE, _CLEAR = ACTION_CODE["F"], ACTION_CODE["T"], ACTION_CODE["R"]
_ACTION_BITS = SIDE_UNIT - 1


@njit(**ENTRY)
def replay_rows(
    ladder: Ladder,
    code: np.ndarray,
    slot: np.ndarray,
    place: np.ndarray,
    lots: np.ndarray,
    ts_ns: np.ndarray,
    first: int,
    after: int,
    tops: np.ndarray,
    depths: np.ndarray,
    levels: int,
) -> None:
    """Apply rows ``first`` up to ``after``.

    Args:
        ladder: The book.
        code: (n,) uint8, action plus `SIDE_UNIT` times side, codes of the schema.
        slot: (n,) int32, slot of the row's order, -1 where no live order has the row's id.
        place: (n,) int32, place of the row's price.
        lots: (n,) int64.
        ts_ns: (n,) int64, venue clock.
        first: Row.
        after: Row.
        tops: (n, 4) int64, written: place and lots of the best bid, of the best ask, after each row (-1, 0: empty);
            (0, 4) where they are not wanted.
        depths: (n, 2) int64, written: lots on the best ``levels`` prices of the bids, of the asks; or (0, 2).
        levels: Prices a side, the same at every call for a book.
    """
    told, deep = tops.shape[0] > 0, depths.shape[0] > 0
    for i in range(first, after):
        action, side = code[i] & _ACTION_BITS, code[i] // SIDE_UNIT
        pending, sweeps, was = ladder.state[PENDING_ORDERS], ladder.state[SWEEPS], 0
        if deep and slot[i] >= 0:
            was = ladder.orders[slot[i]]["place"]
        if action == _ADD:
            _add(ladder, slot[i], side, place[i], lots[i], ts_ns[i])
        elif action in (_CANCEL, _FILL):
            _cancel(ladder, slot[i], lots[i])
        elif action == _MODIFY:
            _modify(ladder, slot[i], place[i], lots[i], ts_ns[i])
        elif action == _TRADE:
            if side <= ASK:
                _trade_through(ladder, side, place[i], ts_ns[i])
        elif action == _CLEAR:
            _clear(ladder)
        if action in (_FILL, _TRADE):
            note_trade(ladder, ts_ns[i])
        if ladder.state[PENDING_ORDERS] >= WITNESSES:
            _evict_contradicted(ladder, ts_ns[i])
        ladder.state[MOST_ORDERS] = max(ladder.state[MOST_ORDERS], ladder.state[LIVE_ORDERS])
        if deep:
            undisturbed = pending + ladder.state[PENDING_ORDERS] == 0 and sweeps == ladder.state[SWEEPS]
            note_depth(ladder, slot[i], was, undisturbed, levels, ts_ns[i], depths[i])
        if told:
            bid, ask = ladder.state[BEST + BID], ladder.state[BEST + ASK]
            tops[i, 0], tops[i, 1], tops[i, 2], tops[i, 3] = -1, 0, -1, 0
            if bid != NONE_BELOW:
                tops[i, 0], tops[i, 1] = bid, ladder.levels[bid]["lots"]
            if ask != NONE_ABOVE:
                tops[i, 2], tops[i, 3] = ask, ladder.levels[ask]["lots"]


@njit(**INNER)
def _reaches_opposite(ladder: Ladder, side: int, place: int) -> bool:
    if side == BID:
        return place >= ladder.state[BEST + ASK]
    return place <= ladder.state[BEST + BID]


@njit(**INNER)
def _add(ladder: Ladder, slot: int, side: int, place: int, lots: int, ts_ns: int) -> None:
    order = ladder.orders[slot]
    if order["state"] != FREE:
        ladder.state[DUPLICATE_IDS] += 1
        return
    order["side"] = side
    order["place"] = place
    order["lots"] = lots
    order["time_ns"] = ts_ns
    ladder.state[LIVE_ORDERS] += 1
    _stand(ladder, slot)


@njit(**INNER)
def _cancel(ladder: Ladder, slot: int, lots: int) -> None:
    if slot < 0 or ladder.orders[slot]["state"] == FREE:
        ladder.state[UNKNOWN_IDS] += 1
        return
    order = ladder.orders[slot]
    if lots <= 0 or lots >= order["lots"]:
        _delete(ladder, slot)
        if ladder.state[PENDING_ORDERS]:
            _display_pending(ladder)
    else:
        _resize(ladder, slot, order["lots"] - lots)


@njit(**INNER)
def _modify(ladder: Ladder, slot: int, place: int, lots: int, ts_ns: int) -> None:
    if slot < 0 or ladder.orders[slot]["state"] == FREE:
        ladder.state[UNKNOWN_IDS] += 1
        return
    order = ladder.orders[slot]
    if lots <= 0:
        _delete(ladder, slot)
    elif order["state"] == PENDING:
        order["lots"] = lots
    elif place == order["place"] and lots <= order["lots"]:
        _resize(ladder, slot, lots)
    else:
        _unlink(ladder, slot)
        order["place"] = place
        order["lots"] = lots
        order["time_ns"] = ts_ns
        _stand(ladder, slot)
    if ladder.state[PENDING_ORDERS]:
        _display_pending(ladder)


@njit(**INNER)
def _stand(ladder: Ladder, slot: int) -> None:
    order = ladder.orders[slot]
    if _reaches_opposite(ladder, order["side"], order["place"]):
        order["state"] = PENDING
        ladder.pending[ladder.state[PENDING_ORDERS]] = slot
        ladder.state[PENDING_ORDERS] += 1
        ladder.state[EVER_PENDING] += 1
    else:
        _link(ladder, slot)


@njit(**INNER)
def _link(ladder: Ladder, slot: int) -> None:
    order = ladder.orders[slot]
    place = order["place"]
    level = ladder.levels[place]
    tail = level["tail"]
    order["before"] = tail
    order["behind"] = EMPTY
    order["state"] = RESTING
    level["tail"] = slot
    if tail != EMPTY:
        ladder.orders[tail]["behind"] = slot
        level["lots"] += order["lots"]
        return
    level["head"] = slot
    level["lots"] = order["lots"]
    set_bit(ladder.words, ladder.summary, place)
    if order["side"] == BID:
        ladder.state[BEST + BID] = max(ladder.state[BEST + BID], place)
    else:
        ladder.state[BEST + ASK] = min(ladder.state[BEST + ASK], place)


@njit(**INNER)
def _unlink(ladder: Ladder, slot: int) -> None:
    order = ladder.orders[slot]
    place, before, behind = order["place"], order["before"], order["behind"]
    level = ladder.levels[place]
    level["lots"] -= order["lots"]
    if before != EMPTY:
        ladder.orders[before]["behind"] = behind
    else:
        level["head"] = behind
    if behind != EMPTY:
        ladder.orders[behind]["before"] = before
    else:
        level["tail"] = before
        if before == EMPTY:
            _empty_place(ladder, place)


@njit(**INNER)
def _empty_place(ladder: Ladder, place: int) -> None:
    clear_bit(ladder.words, ladder.summary, place)
    if place == ladder.state[BEST + BID]:
        ladder.state[BEST + BID] = next_below(ladder.words, ladder.summary, place)
    elif place == ladder.state[BEST + ASK]:
        ladder.state[BEST + ASK] = next_above(ladder.words, ladder.summary, place)


@njit(**INNER)
def _resize(ladder: Ladder, slot: int, lots: int) -> None:
    order = ladder.orders[slot]
    if order["state"] == RESTING:
        ladder.levels[order["place"]]["lots"] += lots - order["lots"]
    order["lots"] = lots


@njit(**INNER)
def _delete(ladder: Ladder, slot: int) -> None:
    if ladder.orders[slot]["state"] == RESTING:
        _unlink(ladder, slot)
    else:
        _forget_pending(ladder, slot)
    ladder.orders[slot]["state"] = FREE
    ladder.state[LIVE_ORDERS] -= 1


@njit(**ENTRY)
def _forget_pending(ladder: Ladder, slot: int) -> None:
    kept = 0
    for k in range(ladder.state[PENDING_ORDERS]):
        if ladder.pending[k] != slot:
            ladder.pending[kept] = ladder.pending[k]
            kept += 1
    ladder.state[PENDING_ORDERS] = kept


@njit(**ENTRY)
def _display_pending(ladder: Ladder) -> None:
    kept = 0
    for k in range(ladder.state[PENDING_ORDERS]):
        slot = ladder.pending[k]
        order = ladder.orders[slot]
        if _reaches_opposite(ladder, order["side"], order["place"]):
            ladder.pending[kept] = slot
            kept += 1
        else:
            _link(ladder, slot)
    ladder.state[PENDING_ORDERS] = kept


@njit(**ENTRY)
def _trade_through(ladder: Ladder, aggressor: int, place: int, ts_ns: int) -> None:
    evicted = 0
    if aggressor == BID:
        at = ladder.state[BEST + ASK]
        while at < place:
            evicted += _delete_older(ladder, at, ts_ns)
            at = next_above(ladder.words, ladder.summary, at)
    else:
        at = ladder.state[BEST + BID]
        while at > place:
            evicted += _delete_older(ladder, at, ts_ns)
            at = next_below(ladder.words, ladder.summary, at)
    _count_evicted(ladder, evicted)


@njit(**ENTRY)
def _delete_older(ladder: Ladder, place: int, ts_ns: int) -> int:
    deleted, slot = 0, ladder.levels[place]["head"]
    while slot != EMPTY:
        behind = ladder.orders[slot]["behind"]
        if ladder.orders[slot]["time_ns"] < ts_ns:
            _delete(ladder, slot)
            deleted += 1
        slot = behind
    return deleted


@njit(**ENTRY)
def _evict_contradicted(ladder: Ladder, ts_ns: int) -> None:
    traded_ns, evicted = traded_since(ladder, ts_ns), 0
    for side in range(2):
        while ladder.state[PENDING_ORDERS] >= WITNESSES and 0 <= ladder.state[BEST + side] < NONE_ABOVE:
            removed = 0
            slot = ladder.levels[ladder.state[BEST + side]]["head"]
            while slot != EMPTY:
                behind = ladder.orders[slot]["behind"]
                if witnesses(ladder, slot, traded_ns) >= WITNESSES:
                    _delete(ladder, slot)
                    removed += 1
                slot = behind
            evicted += removed
            if removed == 0:
                break
            _display_pending(ladder)
    _count_evicted(ladder, evicted)


@njit(**ENTRY)
def _count_evicted(ladder: Ladder, evicted: int) -> None:
    if evicted:
        ladder.state[EVICTED_ORDERS] += evicted
        ladder.state[SWEEPS] += 1
        if ladder.state[PENDING_ORDERS]:
            _display_pending(ladder)


@njit(**ENTRY)
def _clear(ladder: Ladder) -> None:
    for slot in range(ladder.orders.size):
        if ladder.orders[slot]["state"] == RESTING or ladder.orders[slot]["state"] == PENDING:
            ladder.orders[slot]["state"] = FREE
    for place in range(ladder.levels.size):
        ladder.levels[place]["head"] = EMPTY
        ladder.levels[place]["tail"] = EMPTY
        ladder.levels[place]["lots"] = 0
    ladder.words[:] = 0
    ladder.summary[:] = 0
    ladder.state[BEST + BID] = NONE_BELOW
    ladder.state[BEST + ASK] = NONE_ABOVE
    ladder.state[PENDING_ORDERS] = 0
    ladder.state[LIVE_ORDERS] = 0
    ladder.state[TRADED_NS] = ladder.state[TRADED_BEFORE_NS] = 0
    ladder.state[SWEEPS] += 1
