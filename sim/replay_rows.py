"""One row of a tape applied to the book, and the book brought in line with the best prices the row states.

A tape of orders complete from its opening snapshot needs no correction. Files that start without one, or that report
the few best levels only (LOBSTER), hold orders the file never introduces and orders whose end it never tells:

- Lots the stated best price has and the book has not are given to an anonymous order at the front of the queue: what
  the file does not introduce is older than the file. Executions and cancellations of unknown orders come off it.
- Levels better than the stated best are removed; lots it has too many are taken off the oldest orders: those of a
  level that came back into sight.

`entered` remembers for each order the row that put it at its place in the queue, which a smaller size keeps and a new
price or a larger size renews: an order is ahead of another where it entered earlier.

Here: kernels on the tape's own book. Not here: own orders (sim/replay_kernel.py), tables (sim/replay_tape.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from feeds.schema import ACTION_CODE
from sim.book import add, best_price, best_size, cancel, clear
from sim.book_levels import key_of, link, position_of, resize
from sim.book_state import ASK, BID, FREE_SLOTS, LEVELS, PENDING, PENDING_ORDERS, RESTING, Book
from sim.compile_options import ENTRY, INNER
from sim.order_index import EMPTY, find, insert
from sim.replay import apply

#: Columns of the rows of a tape, int64. Clock; venue stamp; codes of the schema; number of the order id from 0.
ROW_TS, ROW_EVENT, ROW_ACTION, ROW_SIDE, ROW_ORDER, ROW_PRICE, ROW_SIZE = 0, 1, 2, 3, 4, 5, 6
#: Stated best bid and ask with their lots, 0: empty side; `NOT_STATED`.
ROW_BID_PX, ROW_BID_SZ, ROW_ASK_PX, ROW_ASK_SZ = 7, 8, 9, 10
#: Of F and T: the row that put the executed order at its place, `UNKNOWN` where the tape does not tell.
ROW_HIT = 11
ROW_COLUMNS = 12
NOT_STATED, UNKNOWN = -1, -1

#: Columns of a saved book, int64, in the order of the queues.
SAVED_ORDER, SAVED_SIDE, SAVED_PRICE, SAVED_SIZE, SAVED_TIME, SAVED_ENTERED, SAVED_STATE = 0, 1, 2, 3, 4, 5, 6
SAVED_COLUMNS = 7

#: Places of the counts kept beside a book, int64.
ANONYMOUS = 0  # anonymous orders so far: the next one's id is -1 - this
CORRECTED = 1  # rows that needed a correction
MOST_ORDERS = 2
N_COUNTS = 3

ADD, MODIFY, CANCEL = ACTION_CODE["A"], ACTION_CODE["M"], ACTION_CODE["C"]
FILL, TRADE = ACTION_CODE["F"], ACTION_CODE["T"]


@njit(**ENTRY)
def apply_row(
    book: Book, entered: np.ndarray, counts: np.ndarray, rows: np.ndarray, i: int, waiting: np.ndarray
) -> None:
    """Apply row ``i`` of the tape.

    Args:
        book: The tape's book; order ids are numbers from 0, negative where anonymous.
        entered: (orders,) row that put each order at its place.
        counts: (`N_COUNTS`,).
        rows: (n, `ROW_COLUMNS`).
        i: Row.
        waiting: (book size,) scratch.
    """
    action, side, order = rows[i, ROW_ACTION], rows[i, ROW_SIDE], rows[i, ROW_ORDER]
    price, size = rows[i, ROW_PRICE], rows[i, ROW_SIZE]
    pending = book.counters[PENDING_ORDERS]
    for k in range(pending):
        waiting[k] = book.pending[k]
    slot = find(book.index_keys, book.index_slots, order)
    moves = (action == ADD and slot == EMPTY) or (
        action == MODIFY and slot != EMPTY and _loses_place(book, slot, price, size)
    )
    if slot == EMPTY and action in (CANCEL, FILL):
        _take_off_anonymous(book, side, price, size)
    apply(book, action, side, order, price, size, rows[i, ROW_EVENT])
    _correct(book, counts, rows, i)
    if moves:
        slot = find(book.index_keys, book.index_slots, order)
        if slot != EMPTY and book.order_state[slot] == RESTING:
            entered[order] = i
    for k in range(pending):
        if book.order_state[waiting[k]] == RESTING and book.order_id[waiting[k]] >= 0:
            entered[book.order_id[waiting[k]]] = i


@njit(**INNER)
def _loses_place(book: Book, slot: int, price: int, size: int) -> bool:
    kept = price == book.order_price[slot] and size <= book.order_size[slot]
    return book.order_state[slot] != PENDING and not kept


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
    bid_px, bid_sz, ask_px, ask_sz = rows[i, ROW_BID_PX], rows[i, ROW_BID_SZ], rows[i, ROW_ASK_PX], rows[i, ROW_ASK_SZ]
    if bid_px == NOT_STATED or (
        best_price(book, BID) == bid_px
        and best_size(book, BID) == bid_sz
        and best_price(book, ASK) == ask_px
        and best_size(book, ASK) == ask_sz
    ):
        return
    if 0 < ask_px <= bid_px:
        return
    counts[CORRECTED] += 1
    # Twice: what was pending may show when the other side gives way.
    for _ in range(2):
        _drop_better(book, BID, bid_px)
        _drop_better(book, ASK, ask_px)
    _match(book, counts, BID, bid_px, bid_sz)
    _match(book, counts, ASK, ask_px, ask_sz)


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


@njit(**ENTRY)
def record(
    book: Book, entered: np.ndarray, counts: np.ndarray, rows: np.ndarray, first: int, after: int, waiting: np.ndarray
) -> None:
    """Apply rows ``first`` up to ``after``, and write into `ROW_HIT` of each what the tape tells by then."""
    for i in range(first, after):
        executes = rows[i, ROW_ACTION] == FILL or rows[i, ROW_ACTION] == TRADE
        rows[i, ROW_HIT] = entered[rows[i, ROW_ORDER]] if executes else UNKNOWN
        apply_row(book, entered, counts, rows, i, waiting)
        counts[MOST_ORDERS] = max(counts[MOST_ORDERS], book.free.size - book.counters[FREE_SLOTS])


@njit(**ENTRY)
def save(book: Book, entered: np.ndarray, out: np.ndarray) -> None:
    """Write a book to ``out`` (orders, `SAVED_COLUMNS`): levels from the worst, queues from the front, the pending."""
    n = 0
    for side in range(2):
        for at in range(book.counters[LEVELS + side]):
            slot = book.level_head[side, at]
            while slot != EMPTY:
                _save_order(book, entered, slot, out, n)
                n += 1
                slot = book.order_next[slot]
    for k in range(book.counters[PENDING_ORDERS]):
        _save_order(book, entered, book.pending[k], out, n)
        n += 1


@njit(**ENTRY)
def _save_order(book: Book, entered: np.ndarray, slot: int, out: np.ndarray, n: int) -> None:
    order = book.order_id[slot]
    out[n, SAVED_ORDER], out[n, SAVED_SIDE] = order, book.order_side[slot]
    out[n, SAVED_PRICE], out[n, SAVED_SIZE] = book.order_price[slot], book.order_size[slot]
    out[n, SAVED_TIME], out[n, SAVED_STATE] = book.order_time_ns[slot], book.order_state[slot]
    out[n, SAVED_ENTERED] = entered[order] if order >= 0 else UNKNOWN


@njit(**ENTRY)
def restore(book: Book, entered: np.ndarray, saved: np.ndarray) -> None:
    """Put a saved book into ``book``."""
    clear(book)
    for n in range(saved.shape[0]):
        top = book.counters[FREE_SLOTS] - 1
        slot, order = book.free[top], saved[n, SAVED_ORDER]
        book.counters[FREE_SLOTS] = top
        book.order_id[slot], book.order_side[slot] = order, saved[n, SAVED_SIDE]
        book.order_price[slot], book.order_size[slot] = saved[n, SAVED_PRICE], saved[n, SAVED_SIZE]
        book.order_time_ns[slot] = saved[n, SAVED_TIME]
        insert(book.index_keys, book.index_slots, order, slot)
        if order >= 0:
            entered[order] = saved[n, SAVED_ENTERED]
        if saved[n, SAVED_STATE] == RESTING:
            link(book, slot)
        else:
            book.order_state[slot] = PENDING
            book.pending[book.counters[PENDING_ORDERS]] = slot
            book.counters[PENDING_ORDERS] += 1
