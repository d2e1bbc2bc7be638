"""Rows of a tape applied to its book, which is kept in line with the best prices they state; what changed is noted.

A tape of orders complete from its opening snapshot needs no correction. Files that start without one, or that report
the few best levels only (LOBSTER), hold orders the file never introduces and orders whose end it never tells:

- Lots the stated best price has and the book has not are given to an anonymous order at the front of the queue: what
  the file does not introduce is older than the file. Executions and cancellations of unknown orders come off it.
- Levels better than the stated best are removed; lots it has too many are taken off the oldest orders: those of a
  level that came back into sight.

Here: kernels on the tape's own book. Not here: the book (sim/book.py), tables (sim/tape_orders.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from feeds.schema import ACTION_CODE
from sim.book import add, best_price, best_size, cancel
from sim.book_levels import key_of, position_of, resize
from sim.book_state import ASK, FREE_SLOTS, LEVELS, LOG_ENTERS, LOG_LINES, LOG_ORDER, RESTING, Book
from sim.compile_options import ENTRY, INNER
from sim.order_index import EMPTY, find
from sim.replay import apply

#: Columns of the rows of a tape, int64. Clock; venue stamp; codes of the schema; number of the order id from 0.
ROW_TS, ROW_EVENT, ROW_ACTION, ROW_SIDE, ROW_ORDER, ROW_PRICE, ROW_SIZE = 0, 1, 2, 3, 4, 5, 6
#: Stated best bid and ask with their lots, 0: empty side; `NOT_STATED`.
ROW_BID_PX, ROW_BID_SZ, ROW_ASK_PX, ROW_ASK_SZ = 7, 8, 9, 10  # bid column + 2 side
#: Of F and T: the row that put the executed order at its place, `UNKNOWN` where the tape does not tell.
ROW_HIT = 11
ROW_COLUMNS = 12
NOT_STATED, UNKNOWN = -1, -1
#: Changes a row makes of its own: an order moves, an anonymous one gives or takes, on both sides.
MOST_OWN_LINES = 16

#: Places of the counts kept beside a book, int64.
ANONYMOUS = 0  # anonymous orders so far: the next one's id is -1 - this
CORRECTED = 1  # rows that needed a correction
N_COUNTS = 2

CANCEL, FILL, TRADE = ACTION_CODE["C"], ACTION_CODE["F"], ACTION_CODE["T"]


@njit(**ENTRY)
def log_rows(
    book: Book,
    entered: np.ndarray,
    counts: np.ndarray,
    rows: np.ndarray,
    first: int,
    log_first: np.ndarray,
    log_entered: np.ndarray,
) -> int:
    """Apply rows from ``first`` on, as long as the log has room for all that a row may change.

    Args:
        book: The tape's book; order ids are numbers from 0, negative where anonymous.
        entered: (ids,) row that put the order of each id at its place in the queue, which a smaller size keeps and a
            new price or a larger size renews.
        counts: (`N_COUNTS`,).
        rows: (n, `ROW_COLUMNS`); `ROW_HIT` of each is set to what the tape tells by then.
        first: Row.
        log_first: (n + 1,) int64, written: lines of the log before the row behind each.
        log_entered: (lines,) int64, written: row that put the order of each line of the log at its place.

    Returns:
        The row reached.
    """
    for i in range(first, rows.shape[0]):
        # Everything may go and, after a correction, come: twice the orders, and the row's own.
        orders, line = book.free.size - book.counters[FREE_SLOTS], book.counters[LOG_LINES]
        if book.log.shape[0] - line < 2 * orders + MOST_OWN_LINES:
            return i
        executes = rows[i, ROW_ACTION] == FILL or rows[i, ROW_ACTION] == TRADE
        rows[i, ROW_HIT] = entered[rows[i, ROW_ORDER]] if executes else UNKNOWN
        _apply_row(book, counts, rows, i)
        for at in range(line, book.counters[LOG_LINES]):
            order = book.log[at, LOG_ORDER]
            if book.log[at, LOG_ENTERS] and order >= 0:
                entered[order] = i
            log_entered[at] = entered[order] if order >= 0 else UNKNOWN
        log_first[i + 1] = book.counters[LOG_LINES]
    return rows.shape[0]


@njit(**INNER)
def _apply_row(book: Book, counts: np.ndarray, rows: np.ndarray, i: int) -> None:
    action, side, order = rows[i, ROW_ACTION], rows[i, ROW_SIDE], rows[i, ROW_ORDER]
    price, size = rows[i, ROW_PRICE], rows[i, ROW_SIZE]
    if action in (CANCEL, FILL) and find(book.index_keys, book.index_slots, order) == EMPTY:
        _take_off_anonymous(book, side, price, size)
    apply(book, action, side, order, price, size, rows[i, ROW_EVENT])
    _correct(book, counts, rows, i)


@njit(**INNER)
def _take_off_anonymous(book: Book, side: int, price: int, size: int) -> None:
    if side > ASK:
        return
    at = position_of(book, side, key_of(side, price))
    if at < book.counters[LEVELS + side] and book.level_key[side, at] == key_of(side, price):
        first = book.order_id[book.level_head[side, at]]
        if first < 0:
            cancel(book, first, size)


@njit(**INNER)
def _correct(book: Book, counts: np.ndarray, rows: np.ndarray, i: int) -> None:
    bid_px, ask_px, agrees = rows[i, ROW_BID_PX], rows[i, ROW_ASK_PX], True
    if bid_px == NOT_STATED or 0 < ask_px <= bid_px:
        return
    for side in range(2):
        agrees &= best_price(book, side) == rows[i, ROW_BID_PX + 2 * side]
        agrees &= best_size(book, side) == rows[i, ROW_BID_SZ + 2 * side]
    if agrees:
        return
    counts[CORRECTED] += 1
    # Twice: what was pending may show when the other side gives way.
    for turn in range(4):
        _drop_better(book, turn & 1, rows[i, ROW_BID_PX + 2 * (turn & 1)])
    for side in range(2):
        _match(book, counts, side, rows[i, ROW_BID_PX + 2 * side], rows[i, ROW_BID_SZ + 2 * side])


@njit(**ENTRY)
def _drop_better(book: Book, side: int, price: int) -> None:
    while True:
        last = book.counters[LEVELS + side] - 1
        if last < 0 or (price > 0 and book.level_key[side, last] <= key_of(side, price)):
            return
        cancel(book, book.order_id[book.level_head[side, last]], 0)


@njit(**ENTRY)
def _match(book: Book, counts: np.ndarray, side: int, price: int, size: int) -> None:
    """Make ``size`` lots stand at ``price``, the best of its side."""
    if price == 0:
        return
    held = best_size(book, side) if best_price(book, side) == price else 0
    while held > size:
        head = book.level_head[side, book.counters[LEVELS + side] - 1]
        off = min(held - size, book.order_size[head])
        cancel(book, book.order_id[head], off)
        held -= off
    if held == size:
        return
    if held > 0:
        head = book.level_head[side, book.counters[LEVELS + side] - 1]
        if book.order_id[head] < 0:
            resize(book, head, book.order_size[head] + size - held)
            return
    counts[ANONYMOUS] += 1
    add(book, -counts[ANONYMOUS], side, price, size - held, 0)
    slot = find(book.index_keys, book.index_slots, -counts[ANONYMOUS])
    if slot != EMPTY and book.order_state[slot] == RESTING:
        _to_front(book, slot)


@njit(**INNER)
def _to_front(book: Book, slot: int) -> None:
    """Move the last order of the best level of its side to the front."""
    side = book.order_side[slot]
    at = book.counters[LEVELS + side] - 1
    head, before = book.level_head[side, at], book.order_previous[slot]
    if head == slot:
        return
    book.order_next[before] = EMPTY
    book.level_tail[side, at] = before
    book.order_previous[head] = slot
    book.order_previous[slot] = EMPTY
    book.order_next[slot] = head
    book.level_head[side, at] = slot
