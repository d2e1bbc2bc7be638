"""Running the simulated order flow of sim/flow_params.py, one event after the other.

Random numbers belong to the arrival, order, second, or hidden order they decide on, so that an own order changes what
the flow does only as far as the book it meets is another one. The last order of a side that is cancelled or filled by
the flow steps back by an increment: the displayed book stays two-sided unless an own order empties a side.

Here: the opening book, arrivals, cancellations, the run to a moment. Not here: what a new second changes
(sim/flow_clock.py), own orders (sim/flow_own.py), the twin in plain Python (sim/flow_python.py).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from feeds.schema import ACTION_CODE
from sim.book import add, best_price, best_size, cancel, clear, fill
from sim.book_state import ASK, BID, FREE, FREE_SLOTS, LEVELS, OK, Book
from sim.compile_options import CALLED, ENTRY, INNER
from sim.flow_clock import NS, OF_ACTIVITY, next_second, set_activity
from sim.flow_heap import has_room, pop, push, replace_first
from sim.flow_own import forget, id_of, note_fill
from sim.flow_record import record
from sim.flow_state import (
    ACTIVITY,
    ACTIVITY_SD,
    ARRIVAL_RATE,
    DEADLINES,
    DROPPED,
    EFFICIENT,
    EVENT,
    EVENTS,
    IMBALANCE,
    IMPACT,
    INCREMENT,
    LAST_BID,
    LEAN,
    LIFETIMES,
    LOG_ACTIVITY,
    MAX_ROWS_A_STEP,
    MEAN_LOTS,
    NEXT_ARRIVAL,
    NOW_NS,
    ODDS,
    OPENING,
    ROWS,
    SECOND,
    SECOND_NS,
    SECOND_START,
    SECONDS,
    SPLIT_LEFT,
    SPLIT_NUMBER,
    SPLIT_POWER,
    SPLIT_SHARE,
    SPLIT_SIGN,
    SPLITS,
    SPREAD,
    TRADE_LOTS,
    TRADE_TS,
    TRADES,
    UPWARD,
    FlowState,
    FlowTables,
)
from sim.matching import first_in_line
from sim.order_index import EMPTY, find
from sim.random_stream import exponential, normal, uniform

_ADD, _CANCEL, _FILL = ACTION_CODE["A"], ACTION_CODE["C"], ACTION_CODE["F"]
#: Draws of an arrival: waiting time, kind, side, size, whether a hidden order sent it.
_WAIT, _KIND, _SIDE, _SIZE, _SPLIT = 0, 1, 2, 3, 4
#: Draws of an order each time it is asked: waiting time until then, the answer.
_UNTIL, _ANSWER = 0, 1
_ASKS = 1 << 12
#: Draws of a hidden order: length, side.
_LENGTH, _WHICH = 0, 1
MAX_SPLIT = 1000.0
#: Probability of the less likely side at least: where nobody joined a side, its last order would pin the mid for good.
DOUBT = 0.05
#: Added to the id of a side's last order when it steps back.
STEPPED_BACK = 1 << 40


@njit(**ENTRY)
def start(state: FlowState, tables: FlowTables, start_ns: int, warm_up_s: int, mid: float, spread: int) -> None:
    """The opening book around ``mid`` ticks, ``spread`` increments wide, ``warm_up_s`` seconds before ``start_ns``."""
    clear(state.book)
    state.counts[:] = 0
    state.clock[:] = 0.0
    state.counts[NOW_NS] = state.counts[SECOND_NS] = start_ns - warm_up_s * NS
    state.counts[SECOND] = -warm_up_s
    state.clock[EFFICIENT] = mid
    state.clock[LOG_ACTIVITY] = tables.scalars[ACTIVITY_SD] * normal(state.keys[SECONDS], 0, OF_ACTIVITY)
    set_activity(state, tables)
    step = int(tables.scalars[INCREMENT])
    bid = int(mid / step - 0.5 * spread) * step
    ask = bid + spread * step
    for i in range(tables.profile.size):
        for _ in range(tables.profile[i]):
            _rest(state, tables, BID, ask - (i + 1) * step, 0.0, OPENING)
            _rest(state, tables, ASK, bid + (i + 1) * step, 0.0, OPENING)
    state.clock[NEXT_ARRIVAL] = _waiting(state, tables)


@njit(**CALLED)
def draw_anew(state: FlowState, tables: FlowTables, kept: FlowState) -> None:
    """Draw, at the beginning of a second, the next arrival and when each order, those of ``kept``, is asked again."""
    now, book = state.clock[SECOND_START], state.book
    state.clock[NEXT_ARRIVAL] = now + _waiting(state, tables)
    for slot in range(book.free.size - book.counters[FREE_SLOTS]):
        state.asked[slot], state.bound[slot] = kept.asked[slot], kept.bound[slot]
        order_id = book.order_id[slot]
        wait = exponential(state.keys[LIFETIMES], order_id * _ASKS + state.asked[slot], _UNTIL)
        push(state, now + wait / state.bound[slot], order_id, slot)


@njit(**ENTRY)
def record_opening(state: FlowState, ids: np.ndarray, target: FlowState) -> None:
    """Add the resting orders ``ids`` of one flow, in that order, to the empty book of another, which records it."""
    for order_id in ids:
        slot = find(state.book.index_keys, state.book.index_slots, order_id)
        side, price, lots = state.book.order_side[slot], state.book.order_price[slot], state.book.order_size[slot]
        add(target.book, order_id, side, price, lots, state.counts[NOW_NS])
        record(target, state.counts[NOW_NS], _ADD, side, order_id, price, lots)


@njit(**ENTRY)
def run(state: FlowState, tables: FlowTables, until_ns: int) -> bool:
    """Run up to and including ``until_ns``; False where the record of events is full before."""
    while True:
        second_end = state.clock[SECOND_START] + state.clock[ACTIVITY]
        while True:
            if 0 < state.rows.shape[0] < state.counts[ROWS] + MAX_ROWS_A_STEP:
                return False
            cancels = state.counts[DEADLINES] > 0 and state.heap_time[0] < state.clock[NEXT_ARRIVAL]
            when = state.heap_time[0] if cancels else state.clock[NEXT_ARRIVAL]
            ts_ns = _to_ns(state, when)
            if when >= second_end or ts_ns > until_ns:
                break
            state.counts[NOW_NS] = ts_ns
            if cancels:
                _ask_order(state, tables, ts_ns)
            else:
                _arrive(state, tables, ts_ns)
        if until_ns < state.counts[SECOND_NS] + NS:
            break
        next_second(state, tables)
    state.counts[NOW_NS] = max(state.counts[NOW_NS], until_ns)
    return True


@njit(**INNER)
def _to_ns(state: FlowState, when: float) -> int:
    inside = (when - state.clock[SECOND_START]) / state.clock[ACTIVITY]
    return state.counts[SECOND_NS] + int(min(max(inside, 0.0), 1.0) * NS)


@njit(**INNER)
def _waiting(state: FlowState, tables: FlowTables) -> float:
    return exponential(state.keys[EVENTS], state.counts[EVENT], _WAIT) / tables.scalars[ARRIVAL_RATE]


@njit(**INNER)
def touch(state: FlowState, side: int) -> int:
    """Best price of a side, own orders included; the last one seen where the side is empty."""
    price = best_price(state.book, side)
    if price > 0:
        state.counts[LAST_BID + side] = price
    return state.counts[LAST_BID + side]


@njit(**INNER)
def _distance(state: FlowState, tables: FlowTables, side: int, price: int) -> int:
    """Increments from the opposite best, rounded up, from 1 to K + 1."""
    away = touch(state, ASK) - price if side == BID else price - touch(state, BID)
    step = int(tables.scalars[INCREMENT])
    return min(max((away + step - 1) // step, 1), tables.hazards.size)


@njit(**INNER)
def _upward(state: FlowState, tables: FlowTables, more: float) -> float:
    """Probability that an undecided side is a buy, given further log odds."""
    mid = 0.5 * (touch(state, BID) + touch(state, ASK))
    odds = tables.scalars[LEAN] * (state.clock[EFFICIENT] - mid) / tables.scalars[SPREAD] + more
    # Mostly neither price has moved since the last time.
    if odds != state.clock[ODDS] or state.clock[UPWARD] == 0.0:
        state.clock[ODDS] = odds
        state.clock[UPWARD] = DOUBT + (1.0 - 2.0 * DOUBT) / (1.0 + math.exp(min(-odds, 700.0)))
    return state.clock[UPWARD]


@njit(**INNER)
def _arrive(state: FlowState, tables: FlowTables, ts_ns: int) -> None:
    key, number = state.keys[EVENTS], state.counts[EVENT]
    when = state.clock[NEXT_ARRIVAL]
    kind = uniform(key, number, _KIND)
    distance = 0
    while distance < tables.arrivals.size and kind >= tables.arrivals[distance]:
        distance += 1
    if distance < tables.arrivals.size:
        side = BID if uniform(key, number, _SIDE) < _upward(state, tables, 0.0) else ASK
        away = (distance + 1) * int(tables.scalars[INCREMENT])
        price = touch(state, ASK) - away if side == BID else touch(state, BID) + away
        _rest(state, tables, side, price, when, EVENTS)
    else:
        _market_order(state, tables, ts_ns)
        state.counts[EVENT] += 1
    state.clock[NEXT_ARRIVAL] = when + _waiting(state, tables)


@njit(**INNER)
def _rest(state: FlowState, tables: FlowTables, side: int, price: int, when: float, stream: int) -> None:
    """A limit order of the flow, whose size belongs to ``stream``; its id is the number of its arrival, from 1."""
    number = state.counts[EVENT]
    state.counts[EVENT] = number + 1
    u = uniform(state.keys[stream], number, _SIZE)
    lots = tables.limit_lots[int(u * tables.limit_lots.size)]
    _enter(state, tables, side, price, lots, when, number + 1)


@njit(**INNER)
def _enter(state: FlowState, tables: FlowTables, side: int, price: int, lots: int, when: float, order_id: int) -> None:
    """An order of the flow joins the book, and is asked for the first time some while after ``when``."""
    book = state.book
    slot = book.free[max(0, book.counters[FREE_SLOTS] - 1)]  # the one that `add` gives it
    if price <= 0 or not has_room(state) or add(book, order_id, side, price, lots, state.counts[NOW_NS]) != OK:
        state.counts[DROPPED] += 1
        return
    bound = tables.bounds[_distance(state, tables, side, price) - 1]
    wait = exponential(state.keys[LIFETIMES], order_id * _ASKS, _UNTIL)
    state.asked[slot], state.bound[slot] = 0, bound
    push(state, when + wait / bound, order_id, slot)
    record(state, state.counts[NOW_NS], _ADD, side, order_id, price, lots)


@njit(**INNER)
def _ask_order(state: FlowState, tables: FlowTables, ts_ns: int) -> None:
    """The first order of the heap: cancel it with the share that its hazard has of the largest one."""
    order_id, slot = state.heap_id[0], state.heap_slot[0]
    if state.book.order_id[slot] != order_id or state.book.order_state[slot] == FREE:
        pop(state)
        return
    side, price, lots = state.book.order_side[slot], state.book.order_price[slot], state.book.order_size[slot]
    upward = _upward(state, tables, 0.0)
    distance = _distance(state, tables, side, price)
    hazard = tables.hazards[distance - 1] * 2.0 * (1.0 - upward if side == BID else upward)
    draw = order_id * _ASKS + state.asked[slot]
    if uniform(state.keys[LIFETIMES], draw, _ANSWER) * state.bound[slot] < hazard:
        when = state.heap_time[0]
        pop(state)
        if _is_last(state.book, side):
            _step_back(state, tables, order_id, when)
        cancel(state.book, order_id, 0)
        record(state, ts_ns, _CANCEL, side, order_id, price, lots)
    else:
        bound = tables.bounds[distance - 1]
        wait = exponential(state.keys[LIFETIMES], draw + 1, _UNTIL) / bound
        state.asked[slot], state.bound[slot] = state.asked[slot] + 1, bound
        replace_first(state, state.heap_time[0] + wait, order_id, slot)


@njit(**INNER)
def _is_last(book: Book, side: int) -> bool:
    return book.counters[LEVELS + side] == 1 and book.level_orders[side, 0] == 1


@njit(**INNER)
def _step_back(state: FlowState, tables: FlowTables, order_id: int, when: float) -> None:
    """The last order of a side, about to go, comes back one increment behind: somebody quotes at some price."""
    slot = find(state.book.index_keys, state.book.index_slots, order_id)
    side, lots = state.book.order_side[slot], state.book.order_size[slot]
    step = int(tables.scalars[INCREMENT])
    price = state.book.order_price[slot] + (-step if side == BID else step)
    if price > 0:
        _enter(state, tables, side, price, lots, when, order_id + STEPPED_BACK)


@njit(**INNER)
def _market_order(state: FlowState, tables: FlowTables, ts_ns: int) -> None:
    key, number = state.keys[EVENTS], state.counts[EVENT]
    bid, ask = best_size(state.book, BID), best_size(state.book, ASK)
    imbalance = (bid - ask) / max(1.0, float(bid + ask))
    buys = _upward(state, tables, tables.scalars[IMBALANCE] * imbalance)
    share = tables.scalars[SPLIT_SHARE]
    known = state.counts[SPLIT_SIGN] if state.counts[SPLIT_LEFT] > 0 else 0
    expected = share * known + (1.0 - share) * (2.0 * buys - 1.0)
    if uniform(key, number, _SPLIT) < share:
        side = _next_child(state, tables)
    else:
        side = BID if uniform(key, number, _SIDE) < buys else ASK
    lots = tables.market_lots[int(uniform(key, number, _SIZE) * tables.market_lots.size)]
    traded = _take(state, tables, side, lots, ts_ns)
    surprise = (traded if side == BID else -traded) - expected * tables.scalars[MEAN_LOTS]
    state.clock[EFFICIENT] *= math.exp(tables.scalars[IMPACT] * surprise)


@njit(**INNER)
def _next_child(state: FlowState, tables: FlowTables) -> int:
    """Side of the next child; a new hidden order of Pareto length where the last one is done."""
    if state.counts[SPLIT_LEFT] == 0:
        number = state.counts[SPLIT_NUMBER]
        state.counts[SPLIT_NUMBER] = number + 1
        length = uniform(state.keys[SPLITS], number, _LENGTH) ** tables.scalars[SPLIT_POWER]
        state.counts[SPLIT_LEFT] = int(min(length, MAX_SPLIT))
        state.counts[SPLIT_SIGN] = 1 if uniform(state.keys[SPLITS], number, _WHICH) < 0.5 else -1
    state.counts[SPLIT_LEFT] -= 1
    return BID if state.counts[SPLIT_SIGN] > 0 else ASK


@njit(**INNER)
def _take(state: FlowState, tables: FlowTables, side: int, lots: int, ts_ns: int) -> int:
    """A market order of the flow; every execution is one row. Lots traded."""
    book, traded = state.book, 0
    opposite = 1 - side
    for _ in range(MAX_ROWS_A_STEP):
        slot = first_in_line(book, side, 0)
        if lots <= traded or slot == EMPTY:
            break
        order_id, price = book.order_id[slot], book.order_price[slot]
        filled = min(lots - traded, book.order_size[slot])
        gone = filled == book.order_size[slot]
        last = gone and _is_last(book, opposite)
        if last:
            _step_back(state, tables, order_id, state.clock[NEXT_ARRIVAL])
        fill(book, order_id, filled)
        traded += filled
        if order_id < 0:
            note_fill(state, ts_ns, price, filled, 1)
            if gone:
                forget(state, id_of(order_id))
        at = state.counts[TRADES] % state.trades.shape[0]
        state.trades[at, TRADE_TS] = ts_ns
        state.trades[at, TRADE_LOTS] = filled if side == BID else -filled
        state.counts[TRADES] += 1
        record(state, ts_ns, _FILL, opposite, order_id, price, filled)
        if last:
            break
    return traded
