"""The arrays a limit order book consists of, and their meaning.

Here: the structure and an empty one. Not here: operations (sim/book.py), keeping levels (sim/book_levels.py).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sim.order_index import EMPTY

BID, ASK = 0, 1
FREE, RESTING, PENDING = 0, 1, 2

#: Outcome of an operation; everything but `OK` is also counted.
OK, UNKNOWN_ID, DUPLICATE_ID, BOOK_FULL = 0, 1, 2, 3

#: Indices into `Book.counters`.
LEVELS = 0  # LEVELS + side: occupied levels of that side
FREE_SLOTS = 2
PENDING_ORDERS = 3
UNKNOWN_IDS = 4
DUPLICATE_IDS = 5
EVER_PENDING = 6
REFUSED_ORDERS = 7
EVICTED_ORDERS = 8
LOG_LINES = 9  # lines of the log written
TRADED_NS = 10  # see `sim.book.note_trade`
TRADED_BEFORE_NS = 11
N_COUNTERS = 12

#: Columns of `Book.log`: side, price, signed lots, order id, 1 where the order comes to its place in the queue.
LOG_SIDE, LOG_PRICE, LOG_LOTS, LOG_ORDER, LOG_ENTERS = 0, 1, 2, 3, 4
LOG_COLUMNS = 5


class Book(NamedTuple):
    """The whole state: ``n`` orders and ``m`` levels a side at most, all arrays int64.

    Attributes:
        order_id: (n,) id by slot.
        order_side: (n,) `BID` or `ASK`.
        order_price: (n,) limit price, ticks.
        order_size: (n,) remaining size, lots.
        order_state: (n,) `FREE`, `RESTING` or `PENDING`.
        order_time_ns: (n,) when the order entered, venue time.
        order_next: (n,) slot behind this one in its level, `EMPTY` at the tail.
        order_previous: (n,) slot in front, `EMPTY` at the head.
        free: (n,) stack of free slots.
        pending: (n,) slots of pending orders in order of arrival.
        index_keys: (power of two,) hash table: ids.
        index_slots: (power of two,) hash table: slots.
        level_key: (2, m) price of bids, minus price of asks, ascending: the last one is the best.
        level_size: (2, m) displayed lots.
        level_orders: (2, m) number of orders.
        level_head: (2, m) slot that trades first.
        level_tail: (2, m) slot that trades last.
        log: (lines, `LOG_COLUMNS`) changes of the displayed queues, where there are lines; whoever wants them sees to
            it that there is room.
        counters: (`N_COUNTERS`,) see the index constants of this module.
    """

    order_id: np.ndarray
    order_side: np.ndarray
    order_price: np.ndarray
    order_size: np.ndarray
    order_state: np.ndarray
    order_time_ns: np.ndarray
    order_next: np.ndarray
    order_previous: np.ndarray
    free: np.ndarray
    pending: np.ndarray
    index_keys: np.ndarray
    index_slots: np.ndarray
    level_key: np.ndarray
    level_size: np.ndarray
    level_orders: np.ndarray
    level_head: np.ndarray
    level_tail: np.ndarray
    log: np.ndarray
    counters: np.ndarray


def new_book(max_orders: int, max_levels: int | None = None, log_lines: int = 0) -> Book:
    """An empty book.

    Args:
        max_orders: Orders that can be live at once.
        max_levels: Price levels a side; default: as many as orders, which is always enough.
        log_lines: Changes that can be noted before somebody empties the log; 0: none are.
    """
    n, m = max(1, max_orders), max(1, max_levels or max_orders)
    hash_size = 1 << (2 * n).bit_length()
    counters = np.zeros(N_COUNTERS, np.int64)
    counters[FREE_SLOTS] = n
    per_order = [np.zeros(n, np.int64) for _ in range(8)]
    index = np.zeros(hash_size, np.int64), np.full(hash_size, EMPTY, np.int64)
    levels = [np.zeros((2, m), np.int64) for _ in range(5)]
    free = np.arange(n - 1, -1, -1, dtype=np.int64)
    log = np.zeros((log_lines, LOG_COLUMNS), np.int64)
    arrays = [*per_order, free, np.zeros(n, np.int64), *index, *levels, log, counters]
    return Book(*arrays)
