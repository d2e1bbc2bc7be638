"""Compiled mapping of Databento's market-by-order records to events in which every execution appears once.

Databento tells an execution up to three times: a trade (T, the aggressor's print), fills (F) of the orders that took
part, and what becomes of these orders in the book (C, M or a new A); neither T nor F changes its book. Here

- the fill of a resting order is an ``F`` that prints and reduces it by what it showed; what an iceberg filled beyond
  that, and the fill of an order that is not shown, are ``T`` rows of the aggressor's side;
- the C or M that only says what the ``F`` rows already did is left out; where it says more, the difference becomes a
  ``C`` or ``M``, or an ``A`` where the fills had used up all that was shown (a refreshed iceberg: it queues anew);
- the T is left out as far as fills account for it, the rest stays a ``T`` behind them;
- fills of the aggressor itself (an order that was changed so that it trades) print nothing;
- a trade without aggressor that has fills is an auction's: one ``T`` with FLAG_AUCTION. Its fills are left out, and
  what they did to the book stays as told, in C and M.

Records without F_LAST have FLAG_PARTIAL; where the last record of an event is left out, the row before it ends the
event.

Here: the kernels. Not here: records (dbn_walk.py), the table of orders (dbn_orders.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from feeds.kernels import dbn_orders as orders
from feeds.kernels.dbn_orders import MISSING, find, insert, remove
from feeds.kernels.dbn_rows import (
    ADD,
    ASK,
    AUCTION,
    BID,
    CANCEL,
    CLEAR,
    FILL,
    FLAGS,
    IN_ACTION,
    IN_CODE,
    IN_FLAGS,
    IN_ORDER,
    IN_PRICE,
    IN_SIDE,
    IN_SIZE,
    LAST,
    MAYBE_BAD_BOOK,
    MODIFY,
    NO_SIDE,
    TRADE,
    UNDEFINED_PRICE,
    mark_end,
    mark_gap,
    put,
    put_rejected,
    unplaceable,
)
from feeds.kernels.options import ENTRY, INNER

#: Counters, int64: orders in the table, then records left out, by kind.
LIVE, TOLD_BY_FILLS, FILL_EFFECT, OWN_FILL, AUCTION_FILL, NO_CHANGE = range(6)
COUNTERS = 6
IGNORED = {
    TOLD_BY_FILLS: "trade_told_by_fills",
    FILL_EFFECT: "book_change_told_by_fills",
    OWN_FILL: "fill_of_aggressor",
    AUCTION_FILL: "fill_of_auction",
    NO_CHANGE: "no_action",
}
_NONE = -1


#: What is under way, int64, shape ``(STATE_FIELDS, instruments)``: how often the book was cleared, the record of the
#: trade whose fills are awaited, what of it no fill accounts for yet, whether it is an auction's, the last row of the
#: event, whether the source doubts the book.
CLEARS, TRADE_AT, LEFT, IN_AUCTION, LAST_ROW, BAD = range(6)
STATE_FIELDS = 6


def new_state(instruments: int) -> np.ndarray:
    """Nothing under way."""
    state = np.zeros((STATE_FIELDS, instruments), np.int64)
    state[[TRADE_AT, LAST_ROW]] = _NONE
    return state


@njit(**ENTRY)
def fold(
    records: np.ndarray,
    start: int,
    at: int,
    unit: int,
    table: np.ndarray,
    state: np.ndarray,
    counters: np.ndarray,
    rows: np.ndarray,
) -> tuple[int, int]:
    """Turn records into rows, until all are done or the table of orders is half full; see the module docstring.

    Trades whose event does not end with the records are ended.

    Args:
        records: Fields of the records, ``(RECORD_FIELDS, n)``.
        start: First record: 0, or where the call before stopped.
        at: Row to go on with: 0, or where the call before stopped.
        unit: Units of 1e-9 in one unit of the rows' prices.
        table: Live orders.
        state: See above.
        counters: See above; added to.
        rows: Receives the rows; ``(ROW_FIELDS, 2 n)``.

    Returns:
        ``(records done, rows)``.
    """
    last_row, bad = state[LAST_ROW], state[BAD]
    if start == 0:
        last_row[:] = _NONE
    for i in range(start, records.shape[1]):
        if 2 * counters[LIVE] >= table.shape[0]:
            return i, at
        code = records[IN_CODE, i]
        action, side = records[IN_ACTION, i], records[IN_SIDE, i]
        first = at
        if action != FILL:
            at = _end_trade(records, unit, code, state, counters, rows, at)
        price = 0 if records[IN_PRICE, i] == UNDEFINED_PRICE else records[IN_PRICE, i] // unit
        reason = unplaceable(records, i, action, side)
        if reason:
            at = put_rejected(rows, at, records, i, code, unit, reason)
        elif action == TRADE:
            state[TRADE_AT, code], state[LEFT, code], state[IN_AUCTION, code] = i, records[IN_SIZE, i], 0
        elif action == FILL:
            at = _fill(records, i, code, side, price, table, state, counters, rows, at)
        elif action == ADD:
            at = _add(records, i, code, side, price, table, state, counters, rows, at)
        elif action == CANCEL:
            at = _cancel(records, i, code, side, price, table, state, counters, rows, at)
        elif action == MODIFY:
            at = _modify(records, i, code, side, price, table, state, counters, rows, at)
        elif action == CLEAR:
            state[CLEARS, code] += 1
            at = put(rows, at, records, i, code, CLEAR, side, np.int64(0), price, records[IN_SIZE, i])
        else:
            counters[NO_CHANGE] += 1
        last = records[IN_FLAGS, i] & LAST != 0
        if last:
            at = _end_trade(records, unit, code, state, counters, rows, at)
        mark_gap(rows, bad, code, first, at, records[IN_FLAGS, i] & MAYBE_BAD_BOOK != 0)
        mark_end(rows, last_row, code, first, at, last)
    for code in range(state.shape[1]):
        at = _end_trade(records, unit, code, state, counters, rows, at)
    return records.shape[1], at


@njit(**INNER)
def _end_trade(
    records: np.ndarray, unit: int, code: int, state: np.ndarray, counters: np.ndarray, rows: np.ndarray, at: int
) -> int:
    """Write what no fill accounts for of the trade whose fills were awaited, if there is one."""
    if state[TRADE_AT, code] == _NONE:
        return at
    i = state[TRADE_AT, code]
    state[TRADE_AT, code] = _NONE
    if state[LEFT, code] <= 0:
        counters[TOLD_BY_FILLS] += 1
        return at
    end = put(
        rows,
        at,
        records,
        i,
        code,
        TRADE,
        records[IN_SIDE, i],
        records[IN_ORDER, i],
        records[IN_PRICE, i] // unit,
        state[LEFT, code],
    )
    if state[IN_AUCTION, code]:
        rows[FLAGS, at] |= AUCTION
    return end


@njit(**INNER)
def _live(table: np.ndarray, order: int, code: int, state: np.ndarray, counters: np.ndarray) -> int:
    """Slot of a live order, `MISSING` where it is none; one whose book was cleared is dropped."""
    slot = find(table, order, code)
    if slot != MISSING and table[slot, orders.KIND] >> 2 != state[CLEARS, code]:
        remove(table, slot)
        counters[LIVE] -= 1
        return MISSING
    return slot


@njit(**INNER)
def _fill(
    records: np.ndarray,
    i: int,
    code: int,
    side: int,
    price: int,
    table: np.ndarray,
    state: np.ndarray,
    counters: np.ndarray,
    rows: np.ndarray,
    at: int,
) -> int:
    """A fill: ``F`` for what the order shows, ``T`` for what it does not."""
    order, size = records[IN_ORDER, i], records[IN_SIZE, i]
    aggressor = BID if side == ASK else ASK if side == BID else NO_SIDE
    if state[TRADE_AT, code] != _NONE:
        trade = state[TRADE_AT, code]
        aggressor = records[IN_SIDE, trade]
        if aggressor == NO_SIDE:
            state[IN_AUCTION, code] = 1
            counters[AUCTION_FILL] += 1
            return at
        if side == aggressor or (records[IN_ORDER, trade] == order and order != 0):
            counters[OWN_FILL] += 1
            return at
        state[LEFT, code] -= size
    slot = _live(table, order, code, state, counters)
    shown = min(size, table[slot, orders.SHOWN]) if slot != MISSING else 0
    if shown > 0:
        table[slot, orders.SHOWN] -= shown
        at = put(rows, at, records, i, code, FILL, table[slot, orders.KIND] & 3, order, price, shown)
    if size > shown:
        at = put(rows, at, records, i, code, TRADE, aggressor, order, price, size - shown)
    return at


@njit(**INNER)
def _add(
    records: np.ndarray,
    i: int,
    code: int,
    side: int,
    price: int,
    table: np.ndarray,
    state: np.ndarray,
    counters: np.ndarray,
    rows: np.ndarray,
    at: int,
) -> int:
    """A new order, or one whose shown part was used up: of an id that still shows something the first one stands."""
    order = records[IN_ORDER, i]
    slot = _live(table, order, code, state, counters)
    if slot == MISSING:
        slot = insert(table, order, code)
        counters[LIVE] += 1
    elif table[slot, orders.SHOWN] > 0:
        return put(rows, at, records, i, code, ADD, side, order, price, records[IN_SIZE, i])
    table[slot, orders.KIND], table[slot, orders.PRICE] = state[CLEARS, code] << 2 | side, price
    table[slot, orders.SHOWN] = table[slot, orders.STATED] = records[IN_SIZE, i]
    return put(rows, at, records, i, code, ADD, side, order, price, records[IN_SIZE, i])


@njit(**INNER)
def _cancel(
    records: np.ndarray,
    i: int,
    code: int,
    side: int,
    price: int,
    table: np.ndarray,
    state: np.ndarray,
    counters: np.ndarray,
    rows: np.ndarray,
    at: int,
) -> int:
    """A cancel; after fills only what they did not do already."""
    order, size = records[IN_ORDER, i], records[IN_SIZE, i]
    slot = _live(table, order, code, state, counters)
    if slot == MISSING:
        return put(rows, at, records, i, code, CANCEL, side, order, price, size)
    shown, left = table[slot, orders.SHOWN], max(table[slot, orders.STATED] - size, 0)
    filled = shown != table[slot, orders.STATED]
    resting = table[slot, orders.KIND] & 3
    table[slot, orders.SHOWN] = table[slot, orders.STATED] = left
    at_price = table[slot, orders.PRICE]
    if left == 0:
        remove(table, slot)
        counters[LIVE] -= 1
    if not filled:
        return put(rows, at, records, i, code, CANCEL, side, order, price, size)
    return _difference(records, i, code, resting, order, at_price, shown, left, counters, rows, at)


@njit(**INNER)
def _modify(
    records: np.ndarray,
    i: int,
    code: int,
    side: int,
    price: int,
    table: np.ndarray,
    state: np.ndarray,
    counters: np.ndarray,
    rows: np.ndarray,
    at: int,
) -> int:
    """A change of price or size; after fills only what they did not do already."""
    order, size = records[IN_ORDER, i], records[IN_SIZE, i]
    slot = _live(table, order, code, state, counters)
    if slot == MISSING:
        return put(rows, at, records, i, code, MODIFY, side, order, price, size)
    shown, same_price = table[slot, orders.SHOWN], table[slot, orders.PRICE] == price
    filled = shown != table[slot, orders.STATED]
    table[slot, orders.PRICE] = price
    table[slot, orders.SHOWN] = table[slot, orders.STATED] = size
    if size == 0:
        remove(table, slot)
        counters[LIVE] -= 1
    if not filled:
        return put(rows, at, records, i, code, MODIFY, side, order, price, size)
    if shown > 0 and not same_price:
        return put(rows, at, records, i, code, MODIFY, side, order, price, size)
    return _difference(records, i, code, side, order, price, shown, size, counters, rows, at)


@njit(**INNER)
def _difference(
    records: np.ndarray,
    i: int,
    code: int,
    side: int,
    order: int,
    price: int,
    shown: int,
    left: int,
    counters: np.ndarray,
    rows: np.ndarray,
    at: int,
) -> int:
    """The row that takes an order at ``price`` from ``shown`` to ``left``, none where they are the same."""
    if shown == left:
        counters[FILL_EFFECT] += 1
        return at
    if shown == 0:
        return put(rows, at, records, i, code, ADD, side, order, price, left)
    if left < shown:
        return put(rows, at, records, i, code, CANCEL, side, order, price, shown - left)
    return put(rows, at, records, i, code, MODIFY, side, order, price, left)
