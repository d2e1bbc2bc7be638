"""Time on a flat tape, with own orders beside it.

History is not changed: own orders lie in no level of the tape, and what we trade takes no lots from others' trades.
What we took is missing from the displayed depth for us, for a while (sim/tape_depth.py). A resting own order fills at
its price, best price first, then oldest first,

- when the tape executes against an order behind it in the queue, or at a worse price: at most the lots of that
  execution, which the aggressor would have brought to us first. An execution nobody displayed is credited with (hidden,
  or of an order the tape does not tell) counts at our price once nobody is ahead of us;
- when lots of the opposite side are displayed at its price or better: an order that would have traded with ours.

A step reads the executions and changes since the last one, and of these looks at the prices where something of ours is;
where nothing is, it only finds its row.

Source of the two rules: Moallemi and Yuan, "A model for queue position valuation in a limit order book" (2016), for
what an execution tells about a place in the queue.

Here: `advance`. Not here: instructions and reading (sim/tape_own.py), how our takes move the price
(sim/tape_shift.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from feeds.schema import ACTION_CODE
from sim.book_levels import key_of
from sim.compile_options import ENTRY, HOT, INNER, MERGED
from sim.market import FILL_LOTS, FILL_MAKER, FILL_PRICE, FILL_TS, OWN_LOTS, OWN_PRICE, OWN_SIDE
from sim.queue_models import EXACT, QUEUE_KIND, fills_by_quote, lots_reaching, queue_after_change, queue_after_trade
from sim.tape_book import show_row
from sim.tape_depth import cap_missing, consume, next_shown, shown_lots
from sim.tape_state import (
    FILLS,
    MAX_FILLS,
    MAX_OWN,
    NOW_NS,
    OWN_LEVEL,
    OWN_LIVE,
    OWN_PLACED,
    OWN_TAPE_PRICE,
    OWN_TRADED,
    ROW,
    TAKEN,
    TAKEN_LEVEL,
    TAKEN_PRICE,
    TAKEN_SIDE,
    TOP_ASK,
    TOP_BID,
    UNKNOWN,
    WINDOW_LEVELS,
    EventTape,
    TapeState,
)

_PRINT = ACTION_CODE["T"]
_HIGHEST = 2**62


@njit(**INNER)
def rows_by(tape: EventTape, row: int, until_ns: int) -> int:
    """Rows up to and including ``until_ns``, of which ``row`` are known to be."""
    ts, step, n = tape.ts_ns, 1, tape.ts_ns.size
    while row + step <= n and ts[row + step - 1] <= until_ns:
        row += step
        step *= 2
    low, high = row, min(row + step - 1, n)
    while low < high:
        middle = (low + high) // 2
        if ts[middle] <= until_ns:
            low = middle + 1
        else:
            high = middle
    return low


@njit(**HOT)
def run_rows(tape: EventTape, state: TapeState, until_ns: int) -> bool:
    """Apply rows up to and including ``until_ns``; False where own fills have to be read before it can go on."""
    counts = state.counts
    last = rows_by(tape, counts[ROW], until_ns)
    if counts[OWN_LIVE]:
        if not _run_with_orders(tape, state, last):
            return False
    elif counts[TAKEN]:
        _follow_taken(tape, state, last)
    counts[ROW] = last
    counts[NOW_NS] = max(counts[NOW_NS], until_ns)
    return True


@njit(**ENTRY)
def _run_with_orders(tape: EventTape, state: TapeState, last: int) -> bool:
    counts = state.counts
    low, high = _watched(state)
    best_bid, best_ask = _best_own(state)
    for row in range(counts[ROW], last):
        if counts[FILLS] + 2 * MAX_OWN >= MAX_FILLS:
            return False
        counts[NOW_NS] = max(counts[NOW_NS], tape.ts_ns[row])
        fills = counts[FILLS]
        for e in range(tape.exec_first[row], tape.exec_first[row + 1]):
            if low <= tape.exec_price[e] <= high or _is_through(tape, e, best_bid, best_ask):
                _fill_by_execution(tape, state, e)
        _follow_row(tape, state, row, low, high)
        counts[ROW] = row + 1
        ask, bid = tape.top[row + 1, TOP_ASK], tape.top[row + 1, TOP_BID]
        if (best_bid >= ask and ask > 0) or best_ask <= bid:
            fill_by_quote(tape, state)
        if counts[FILLS] != fills:
            low, high = _watched(state)
            best_bid, best_ask = _best_own(state)
    return True


@njit(**ENTRY)
def _follow_taken(tape: EventTape, state: TapeState, last: int) -> None:
    """The same where we only lack depth: nothing happens but at its prices."""
    counts, first = state.counts, tape.change_first
    row = counts[ROW]
    low, high = _watched(state)
    c, after = first[row], first[last]
    while c < after:
        if not low <= tape.change_price[c] <= high:
            c += 1
            continue
        while first[row + 1] <= c:
            row += 1
        counts[NOW_NS] = max(counts[NOW_NS], tape.ts_ns[row])
        _follow_row(tape, state, row, low, high)
        if counts[TAKEN] == 0:
            return
        c = first[row + 1]


@njit(**INNER)
def _watched(state: TapeState) -> tuple[int, int]:
    """Lowest and highest price on the tape where an own order or missing depth is."""
    low, high = _HIGHEST, -_HIGHEST
    for k in range(state.counts[OWN_LIVE]):
        low, high = min(low, state.own[k, OWN_TAPE_PRICE]), max(high, state.own[k, OWN_TAPE_PRICE])
    for k in range(state.counts[TAKEN]):
        low, high = min(low, state.taken[k, TAKEN_PRICE]), max(high, state.taken[k, TAKEN_PRICE])
    return low, high


@njit(**INNER)
def _best_own(state: TapeState) -> tuple[int, int]:
    """Best own bid and ask on the tape."""
    bid, ask = -_HIGHEST, _HIGHEST
    for k in range(state.counts[OWN_LIVE]):
        if state.own[k, OWN_SIDE] == 0:
            bid = max(bid, state.own[k, OWN_TAPE_PRICE])
        else:
            ask = min(ask, state.own[k, OWN_TAPE_PRICE])
    return bid, ask


@njit(**INNER)
def _follow_row(tape: EventTape, state: TapeState, row: int, low: int, high: int) -> None:
    """Bring own places and missing depth up to date with the changes of a row."""
    lacks = False
    for c in range(tape.change_first[row], tape.change_first[row + 1]):
        price = tape.change_price[c]
        if low <= price <= high:
            side, lots = np.int64(tape.change_side[c]), tape.change_lots[c]
            _move_own(state, side, price, lots, np.int64(tape.change_entered[c]))
            for k in range(state.counts[TAKEN]):
                if state.taken[k, TAKEN_PRICE] == price and state.taken[k, TAKEN_SIDE] == side:
                    state.taken[k, TAKEN_LEVEL] += lots
                    lacks = True
    if lacks:
        cap_missing(state)


@njit(**MERGED)
def _move_own(state: TapeState, side: int, price: int, lots: int, entered: int) -> None:
    """What a change of a queue is for own orders in it."""
    own, queue = state.own, state.queue
    for k in range(state.counts[OWN_LIVE]):
        if own[k, OWN_TAPE_PRICE] != price or own[k, OWN_SIDE] != side:
            continue
        level, traded = own[k, OWN_LEVEL], own[k, OWN_TRADED]
        if queue[QUEUE_KIND] != EXACT or entered < own[k, OWN_PLACED]:
            state.ahead[k] = queue_after_change(queue, state.ahead[k], level, lots, traded)
        own[k, OWN_LEVEL] = level + lots
        own[k, OWN_TRADED] = max(0, traded + lots) if lots < 0 else 0


@njit(**MERGED)
def _is_through(tape: EventTape, e: int, best_bid: int, best_ask: int) -> bool:
    """Whether an execution is at a worse price than an own order of its side."""
    return best_bid > tape.exec_price[e] if tape.exec_side[e] == 0 else best_ask < tape.exec_price[e]


@njit(**ENTRY)
def _fill_by_execution(tape: EventTape, state: TapeState, e: int) -> None:
    """Fill own orders in the order they would have traded in, of the lots that reach each."""
    side, lots, used = np.int64(tape.exec_side[e]), tape.exec_lots[e], 0
    k = _next_own(state, side, -1)
    while k >= 0 and used < lots:
        off = min(state.own[k, OWN_LOTS], _reaching(tape, state, e, k) - used)
        if off > 0:
            _fill_own(state, k, off)
            used += off
        k = _next_own(state, side, k)
    for k in range(state.counts[OWN_LIVE]):
        if state.own[k, OWN_TAPE_PRICE] == tape.exec_price[e] and state.own[k, OWN_SIDE] == side:
            state.ahead[k] = queue_after_trade(state.queue, state.ahead[k], lots)
            state.own[k, OWN_TRADED] += lots
    drop_filled(state)


@njit(**INNER)
def _next_own(state: TapeState, side: int, after: int) -> int:
    """The own order of a side that trades next after one (-1: first), -1 where none; price, then number."""
    best, own, bound = -1, state.own, np.int64(0)
    if after >= 0:
        bound = key_of(side, own[after, OWN_PRICE])
    for k in range(state.counts[OWN_LIVE]):
        key = key_of(side, own[k, OWN_PRICE])
        if own[k, OWN_SIDE] != side or (after >= 0 and (key > bound or (key == bound and k <= after))):
            continue
        if best < 0 or key > key_of(side, own[best, OWN_PRICE]):
            best = k
    return best


@njit(**MERGED)
def _reaching(tape: EventTape, state: TapeState, e: int, k: int) -> int:
    """Lots of an execution that would have come as far as own order ``k``."""
    price, side, lots = state.own[k, OWN_TAPE_PRICE], state.own[k, OWN_SIDE], tape.exec_lots[e]
    if price != tape.exec_price[e]:
        return lots if key_of(side, price) > key_of(side, tape.exec_price[e]) else 0
    if state.queue[QUEUE_KIND] != EXACT:
        return lots_reaching(state.queue, state.ahead[k], lots)
    if tape.exec_hit[e] == UNKNOWN:
        return lots if tape.exec_kind[e] == _PRINT and state.ahead[k] <= 0.0 else 0
    return lots if tape.exec_hit[e] >= state.own[k, OWN_PLACED] else 0


@njit(**ENTRY)
def fill_by_quote(tape: EventTape, state: TapeState) -> None:
    """Let own orders trade with what is displayed opposite at their price or better; there must be room for fills."""
    if not fills_by_quote(state.queue):
        return
    show_row(tape, state)
    for side in range(2):
        while state.counts[FILLS] < MAX_FILLS:
            k = _next_own(state, side, -1)
            if k < 0:
                break
            at = next_shown(tape, state, 1 - side, state.counts[WINDOW_LEVELS + 1 - side])
            if at < 0 or state.window_key[1 - side, at] + key_of(side, state.own[k, OWN_TAPE_PRICE]) < 0:
                break
            lots = min(state.own[k, OWN_LOTS], shown_lots(state, 1 - side, at))
            _fill_own(state, k, lots)
            consume(state, 1 - side, at, lots)
            drop_filled(state)


@njit(**INNER)
def note_fill(state: TapeState, price: int, lots: int, maker: int) -> None:
    """Write down an own fill of this moment; there must be room."""
    fills, n = state.fills, state.counts[FILLS]
    fills[n, FILL_TS], fills[n, FILL_PRICE] = state.counts[NOW_NS], price
    fills[n, FILL_LOTS], fills[n, FILL_MAKER] = lots, maker
    state.counts[FILLS] = n + 1


@njit(**INNER)
def _fill_own(state: TapeState, k: int, lots: int) -> None:
    note_fill(state, state.own[k, OWN_PRICE], lots, 1)
    state.own[k, OWN_LOTS] -= lots


@njit(**HOT)
def drop_filled(state: TapeState) -> None:
    """Forget own orders without lots."""
    kept = 0
    for k in range(state.counts[OWN_LIVE]):
        if state.own[k, OWN_LOTS] > 0:
            for column in range(state.own.shape[1]):
                state.own[kept, column] = state.own[k, column]
            state.ahead[kept] = state.ahead[k]
            kept += 1
    state.counts[OWN_LIVE] = kept
