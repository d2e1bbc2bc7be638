"""Our own orders in a simulated flow: placing, cancelling, taking, and the market as the others leave it.

Own orders lie in the flow's book, where the flow meets them as any other; their ids are -1 - number.

Here: kernels on own orders. Not here: the flow (sim/flow_kernel.py), the protocol they serve (sim/flow_market.py).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from sim.book import add, cancel
from sim.book_levels import key_of, reaches_opposite
from sim.book_state import ASK, BID, LEVELS, OK
from sim.compile_options import CALLED, ENTRY, INNER
from sim.flow_state import (
    EFFICIENT,
    IMPACT,
    MAX_OWN,
    MAX_OWN_FILLS,
    MID_RING,
    MIDS,
    NOW_NS,
    OWN_FILLS,
    OWN_LIVE,
    OWN_PLACED,
    TRADE_LOTS,
    TRADE_TS,
    TRADES,
    FlowState,
    FlowTables,
)
from sim.market import (
    ASK_DEPTH_5,
    ASK_PX,
    ASK_SZ,
    BID_DEPTH_5,
    BID_PX,
    BID_SZ,
    FILL_LOTS,
    FILL_MAKER,
    FILL_PRICE,
    FILL_TS,
    OWN_AHEAD,
    OWN_LOTS,
    OWN_NUMBER,
    OWN_PRICE,
    OWN_SIDE,
    REALISED_VAR_60S,
    SIGNED_VOLUME_60S,
    TRADES_60S,
    VIEW_LEVELS,
    VIEW_WINDOW_NS,
    VOLUME_60S,
)
from sim.matching import FILLED_PRICE, FILLED_SIZE, execute, lots_ahead
from sim.order_index import EMPTY, find

#: Samples of the mid inside the window of the view.
_SAMPLES = VIEW_WINDOW_NS // 1_000_000_000


@njit(**ENTRY)
def id_of(number: int) -> int:
    """The id of an own order in the book; also its own inverse."""
    return -1 - number


@njit(**INNER)
def forget(state: FlowState, number: int) -> None:
    """Take an own order off the list of live ones."""
    kept = 0
    for i in range(state.counts[OWN_LIVE]):
        if state.own[i] != number:
            state.own[kept] = state.own[i]
            kept += 1
    state.counts[OWN_LIVE] = kept


@njit(**INNER)
def note_fill(state: FlowState, ts_ns: int, price: int, lots: int, maker: int) -> None:
    """Write down an own fill."""
    n = state.counts[OWN_FILLS]
    if n < MAX_OWN_FILLS:
        state.own_fills[n, FILL_TS] = ts_ns
        state.own_fills[n, FILL_PRICE] = price
        state.own_fills[n, FILL_LOTS] = lots
        state.own_fills[n, FILL_MAKER] = maker
    state.counts[OWN_FILLS] = n + 1


@njit(**ENTRY)
def place_own(state: FlowState, side: int, price: int, lots: int) -> int:
    """Rest an own order; its number, or -1 where it would trade, is not positive, or there is no room."""
    if lots <= 0 or price <= 0 or state.counts[OWN_LIVE] == MAX_OWN or reaches_opposite(state.book, side, price):
        return -1
    number = state.counts[OWN_PLACED]
    if add(state.book, id_of(number), side, price, lots, state.counts[NOW_NS]) != OK:
        return -1
    state.counts[OWN_PLACED] = number + 1
    state.own[state.counts[OWN_LIVE]] = number
    state.counts[OWN_LIVE] += 1
    return number


@njit(**ENTRY)
def cancel_own(state: FlowState, number: int, lots: int) -> int:
    """Take ``lots`` (0: all) off an own order; lots cancelled."""
    slot = find(state.book.index_keys, state.book.index_slots, id_of(number))
    if number < 0 or lots < 0 or slot == EMPTY:
        return 0
    left = state.book.order_size[slot]
    cancel(state.book, id_of(number), lots)
    if lots == 0 or lots >= left:
        forget(state, number)
        return left
    return lots


@njit(**ENTRY)
def take_into(state: FlowState, tables: FlowTables, fills: np.ndarray, side: int, lots: int) -> int:
    """Take against the displayed depth of the others; own orders opposite are cancelled first. Lots filled.

    Args:
        state: Changed in place.
        tables: Of the parameters.
        fills: (m, 3) int64, scratch.
        side: Ours.
        lots: Wanted.
    """
    for i in range(state.counts[OWN_LIVE] - 1, -1, -1):
        if side_of(state, state.own[i]) == 1 - side:
            cancel_own(state, state.own[i], 0)
    filled = 0
    while lots > filled:
        n = execute(state.book, side, lots - filled, 0, fills)
        for i in range(n):
            note_fill(state, state.counts[NOW_NS], fills[i, FILLED_PRICE], fills[i, FILLED_SIZE], 0)
            filled += fills[i, FILLED_SIZE]
        if n < fills.shape[0]:
            break
    signed = filled if side == BID else -filled
    state.clock[EFFICIENT] *= math.exp(tables.scalars[IMPACT] * signed)
    return filled


@njit(**CALLED)
def fills_into(state: FlowState, out: np.ndarray) -> int:
    """Move the oldest own fills to ``out`` (m, 4) int64; their number, -1 where some were lost."""
    counts, fills = state.counts, state.own_fills
    held = counts[OWN_FILLS]
    if held > MAX_OWN_FILLS:
        return -1
    told = min(held, out.shape[0])
    for i in range(held):
        for column in range(fills.shape[1]):
            if i < told:
                out[i, column] = fills[i, column]
            else:
                fills[i - told, column] = fills[i, column]
    counts[OWN_FILLS] = held - told
    return told


@njit(**INNER)
def side_of(state: FlowState, number: int) -> int:
    """Side of a live own order."""
    return state.book.order_side[find(state.book.index_keys, state.book.index_slots, id_of(number))]


@njit(**ENTRY)
def own_into(state: FlowState, table: np.ndarray) -> int:
    """Write own orders to ``table`` (m, 5) int64 in the layout of sim/market.py; their number.

    Others' lots only count as ahead.
    """
    for i in range(state.counts[OWN_LIVE]):
        number = state.own[i]
        slot = find(state.book.index_keys, state.book.index_slots, id_of(number))
        table[i, OWN_NUMBER] = number
        table[i, OWN_SIDE] = state.book.order_side[slot]
        table[i, OWN_PRICE] = state.book.order_price[slot]
        table[i, OWN_LOTS] = state.book.order_size[slot]
        table[i, OWN_AHEAD] = lots_ahead(state.book, id_of(number))
        for j in range(i):
            if table[j, OWN_SIDE] == table[i, OWN_SIDE] and table[j, OWN_PRICE] == table[i, OWN_PRICE]:
                table[i, OWN_AHEAD] -= table[j, OWN_LOTS]
    return state.counts[OWN_LIVE]


@njit(**INNER)
def own_lots(state: FlowState, side: int, key: int) -> int:
    """Own lots on a level."""
    total = 0
    for i in range(state.counts[OWN_LIVE]):
        slot = find(state.book.index_keys, state.book.index_slots, id_of(state.own[i]))
        if state.book.order_side[slot] == side and key_of(side, state.book.order_price[slot]) == key:
            total += state.book.order_size[slot]
    return total


@njit(**INNER)
def best_of_others(state: FlowState, side: int) -> int:
    """Best price somebody else shows, 0 where nobody does."""
    for at in range(state.book.counters[LEVELS + side] - 1, -1, -1):
        key = state.book.level_key[side, at]
        if state.book.level_size[side, at] > own_lots(state, side, key):
            return key if side == BID else -key
    return 0


@njit(**ENTRY)
def write_quotes(state: FlowState, view: np.ndarray) -> None:
    """Fill the places of ``view`` that are the book's: everybody else's."""
    view[:SIGNED_VOLUME_60S] = 0.0
    _write_side(state, BID, view, BID_PX, BID_SZ, BID_DEPTH_5)
    _write_side(state, ASK, view, ASK_PX, ASK_SZ, ASK_DEPTH_5)


@njit(**ENTRY)
def write_view(state: FlowState, view: np.ndarray) -> None:
    """Fill ``view`` in the layout of sim/market.py: everybody else's book, the flow's trades."""
    view[:] = 0.0
    write_quotes(state, view)
    oldest = state.counts[NOW_NS] - VIEW_WINDOW_NS
    ring = state.trades.shape[0]
    for i in range(state.counts[TRADES] - 1, max(-1, state.counts[TRADES] - 1 - ring), -1):
        if state.trades[i % ring, TRADE_TS] <= oldest:
            break
        lots = state.trades[i % ring, TRADE_LOTS]
        view[SIGNED_VOLUME_60S] += lots
        view[VOLUME_60S] += abs(lots)
        view[TRADES_60S] += 1
    sampled = state.counts[MIDS]
    for i in range(sampled - 1, max(0, sampled - 1 - _SAMPLES), -1):
        step = math.log(state.mids[i % MID_RING] / state.mids[(i - 1) % MID_RING])
        view[REALISED_VAR_60S] += step * step


@njit(**INNER)
def _write_side(state: FlowState, side: int, view: np.ndarray, price: int, size: int, depth: int) -> None:
    seen = 0
    for at in range(state.book.counters[LEVELS + side] - 1, -1, -1):
        key = state.book.level_key[side, at]
        lots = state.book.level_size[side, at] - own_lots(state, side, key)
        if lots > 0:
            if seen == 0:
                view[price] = key if side == BID else -key
                view[size] = lots
            view[depth] += lots
            seen += 1
            if seen == VIEW_LEVELS:
                break


@njit(**ENTRY)
def write_depths(state: FlowState, out: np.ndarray) -> None:
    """Fill ``out`` (2, levels) float64 with everybody else's lots on the 1, 2, .. best occupied levels."""
    for side in range(2):
        seen, total = 0, 0
        at = state.book.counters[LEVELS + side] - 1
        while seen < out.shape[1] and at >= 0:
            lots = state.book.level_size[side, at] - own_lots(state, side, state.book.level_key[side, at])
            if lots > 0:
                total += lots
                out[side, seen] = total
                seen += 1
            at -= 1
        for level in range(seen, out.shape[1]):
            out[side, level] = total
