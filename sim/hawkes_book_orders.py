"""What an event of the Hawkes book does: who takes how much, where a limit order rests, which one is cancelled.

The last order of a side stays: the displayed book is two-sided unless an own order empties a side. Own orders are never
cancelled by the flow, and traded with like any other's.

Here: one kernel an event. Not here: when events come (sim/hawkes_book_kernel.py).
"""

from __future__ import annotations

from numba import njit

from feeds.schema import ACTION_CODE
from sim.book import add, best_price, best_size, cancel, fill
from sim.book_events import IMPROVE, JOIN
from sim.book_levels import reaches_opposite
from sim.book_state import ASK, BID, LEVELS, OK
from sim.compile_options import CALLED, INNER
from sim.flow_own import forget, id_of, note_fill
from sim.flow_record import record
from sim.flow_state import (
    DROPPED,
    LAST_BID,
    MAX_ROWS_A_STEP,
    NOW_NS,
    TRADE_LOTS,
    TRADE_TS,
    TRADES,
)
from sim.hawkes_book_state import (
    CANDIDATE,
    INCREMENT,
    ORDER,
    REACH,
    SPLIT_LEFT,
    SPLIT_NUMBER,
    SPLIT_POWER,
    SPLIT_SHARE,
    SPLIT_SIGN,
    HawkesBookState,
    HawkesBookTables,
)
from sim.matching import first_in_line
from sim.order_index import EMPTY
from sim.random_stream import uniform

_ADD, _CANCEL, _FILL = ACTION_CODE["A"], ACTION_CODE["C"], ACTION_CODE["F"]
#: Draws of a candidate beside those of sim/hawkes_book_kernel.py.
_SIZE, _PLACE, _CHOICE, _SPLIT = 3, 4, 5, 6
#: Draws of an opening order and of a hidden order stand behind all candidates'.
_OPENING, _HIDDEN = 1 << 40, 1 << 41
MAX_SPLIT = 1_000.0
#: Hazard of an order out of reach of those behind the touch against theirs: no tape of few levels tells it.
FAR = 0.005


@njit(**INNER)
def touch(m: HawkesBookState, side: int) -> int:
    """Best price of a side, own orders included; the last one seen where the side is empty."""
    price = best_price(m.flow.book, side)
    if price > 0:
        m.flow.counts[LAST_BID + side] = price
    return m.flow.counts[LAST_BID + side]


@njit(**CALLED)
def opening_order(m: HawkesBookState, tables: HawkesBookTables, side: int, price: int) -> None:
    """An order of the opening book, of a size as behind the touch."""
    sizes = tables.limit_lots.shape[1]
    u = uniform(m.key[0], _OPENING + m.marks[ORDER], _SIZE)
    _enter(m, side, price, tables.limit_lots[2, int(u * sizes)])


@njit(**CALLED)
def _enter(m: HawkesBookState, side: int, price: int, lots: int) -> None:
    m.marks[ORDER] += 1
    flow, order_id = m.flow, m.marks[ORDER]
    crosses = reaches_opposite(flow.book, side, price)
    if price <= 0 or crosses or add(flow.book, order_id, side, price, lots, flow.counts[NOW_NS]) != OK:
        flow.counts[DROPPED] += 1
        return
    record(flow, flow.counts[NOW_NS], _ADD, side, order_id, price, lots)


@njit(**CALLED)
def limit_order(m: HawkesBookState, tables: HawkesBookTables, side: int, verb: int) -> None:
    """A limit order better than the touch, at it, or behind it."""
    number, step = m.marks[CANDIDATE], int(tables.scalars[INCREMENT])
    own, other = touch(m, side), touch(m, 1 - side)
    spread = (other - own if side == BID else own - other) // step
    u, away = uniform(m.key[0], number, _PLACE), 0
    if verb == IMPROVE:
        if spread <= 1:
            return
        row = 0
        while row < tables.spread_edges.size and spread > tables.spread_edges[row]:
            row += 1
        away = min(tables.improve_by[row, int(u * tables.improve_by.shape[1])], spread - 1)
    elif verb != JOIN:
        away = -tables.behind_by[int(u * tables.behind_by.size)]
    price = own + (away if side == BID else -away) * step
    at = int(uniform(m.key[0], number, _SIZE) * tables.limit_lots.shape[1])
    _enter(m, side, price, tables.limit_lots[verb - IMPROVE, at])


@njit(**CALLED)
def behind_orders(m: HawkesBookState, tables: HawkesBookTables, side: int) -> float:
    """Orders behind the touch, those out of reach counted as `FAR` each."""
    book = m.flow.book
    best = book.counters[LEVELS + side] - 1
    last = _last_in_reach(m, tables, side)
    near, every, at = 0, 0, best - 1
    while at >= 0 and book.level_key[side, at] >= last:
        near += book.level_orders[side, at]
        at -= 1
    every = at + 1  # levels of about one order each: counting them all would take too long
    return near + FAR * every


@njit(**INNER)
def _last_in_reach(m: HawkesBookState, tables: HawkesBookTables, side: int) -> int:
    """Key of the last price in reach of limit orders behind the touch."""
    best = m.flow.book.counters[LEVELS + side] - 1
    reach = int(tables.scalars[REACH]) * int(tables.scalars[INCREMENT])
    return m.flow.book.level_key[side, max(best, 0)] - reach


@njit(**CALLED)
def pull_behind(m: HawkesBookState, tables: HawkesBookTables, side: int) -> None:
    """Cancel one of the orders behind the touch; one out of reach has the share `FAR` of the hazard."""
    book = m.flow.book
    point = uniform(m.key[0], m.marks[CANDIDATE], _CHOICE) * behind_orders(m, tables, side)
    last, at = _last_in_reach(m, tables, side), book.counters[LEVELS + side] - 2
    while at >= 0 and book.level_key[side, at] >= last and point >= book.level_orders[side, at]:
        point -= book.level_orders[side, at]
        at -= 1
    if at >= 0 and book.level_key[side, at] >= last:
        _cancel_at(m, side, at, int(point), False)
    elif at >= 0:
        _cancel_at(m, side, max(0, at - int(point / FAR)), 0, False)


@njit(**CALLED)
def pull(m: HawkesBookState, side: int, whole: bool) -> None:
    """Cancel one of the orders at the touch; of a single one a half, unless it shall go whole."""
    book = m.flow.book
    best = book.counters[LEVELS + side] - 1
    if best < 1:
        return
    rank = int(uniform(m.key[0], m.marks[CANDIDATE], _CHOICE) * book.level_orders[side, best])
    _cancel_at(m, side, best, rank, not whole and book.level_orders[side, best] == 1)


@njit(**CALLED)
def _cancel_at(m: HawkesBookState, side: int, at: int, rank: int, half: bool) -> None:
    """Cancel the order of ``rank`` in the queue of a level; nothing where it is an own one."""
    book = m.flow.book
    slot = book.level_head[side, at]
    for _ in range(rank):
        slot = book.order_next[slot]
    order_id, price, lots = book.order_id[slot], book.order_price[slot], book.order_size[slot]
    if half:
        lots //= 2
    if order_id < 0 or lots == 0:
        return
    cancel(book, order_id, lots)
    record(m.flow, m.flow.counts[NOW_NS], _CANCEL, side, order_id, price, lots)


@njit(**INNER)
def split_sign(m: HawkesBookState) -> int:
    """1 where the hidden order at work buys, -1 where it sells, 0 where the next one is unknown."""
    if m.marks[SPLIT_LEFT] == 0:
        return 0
    return 1 if m.marks[SPLIT_SIGN] == BID else -1


@njit(**INNER)
def split_side(m: HawkesBookState, tables: HawkesBookTables, side: int) -> int:
    """The side of a market order: a hidden order's where it is a child, else ``side``."""
    if uniform(m.key[0], m.marks[CANDIDATE], _SPLIT) >= tables.scalars[SPLIT_SHARE]:
        return side
    if m.marks[SPLIT_LEFT] == 0:
        number = m.marks[SPLIT_NUMBER]
        m.marks[SPLIT_NUMBER] = number + 1
        length = uniform(m.key[0], _HIDDEN + number, 0) ** tables.scalars[SPLIT_POWER]
        m.marks[SPLIT_LEFT] = int(min(length, MAX_SPLIT))
        m.marks[SPLIT_SIGN] = BID if uniform(m.key[0], _HIDDEN + number, 1) < 0.5 else ASK
    m.marks[SPLIT_LEFT] -= 1
    return m.marks[SPLIT_SIGN]


@njit(**INNER)
def take(m: HawkesBookState, tables: HawkesBookTables, side: int, whole: bool) -> int:
    """A market order that takes the best quote ``whole``, and perhaps more, or leaves some of it; lots traded."""
    u, shown = uniform(m.key[0], m.marks[CANDIDATE], _SIZE), best_size(m.flow.book, 1 - side)
    if whole:
        lots = shown + tables.sweep_lots[int(u * tables.sweep_lots.size)]
    else:
        row = 0
        while row < tables.lots_edges.size and shown > tables.lots_edges[row]:
            row += 1
        lots = min(tables.take_lots[row, int(u * tables.take_lots.shape[1])], shown - 1)
    return _execute(m, side, lots)


@njit(**CALLED)
def _execute(m: HawkesBookState, side: int, lots: int) -> int:
    """Trade up to so many lots; every execution is one row. Lots traded."""
    flow, book, traded, opposite = m.flow, m.flow.book, 0, 1 - side
    now_ns = flow.counts[NOW_NS]
    for _ in range(MAX_ROWS_A_STEP):
        slot = first_in_line(book, side, 0)
        if lots <= traded or slot == EMPTY:
            break
        order_id, price, size = book.order_id[slot], book.order_price[slot], book.order_size[slot]
        filled = min(lots - traded, size)
        if filled == size and book.counters[LEVELS + opposite] == 1 and book.level_orders[opposite, 0] == 1:
            break
        fill(book, order_id, filled)
        traded += filled
        if order_id < 0:
            note_fill(flow, now_ns, price, filled, 1)
            if filled == size:
                forget(flow, id_of(order_id))
        at = flow.counts[TRADES] % flow.trades.shape[0]
        flow.trades[at, TRADE_TS] = now_ns
        flow.trades[at, TRADE_LOTS] = filled if side == BID else -filled
        flow.counts[TRADES] += 1
        record(flow, now_ns, _FILL, opposite, order_id, price, filled)
    return traded
