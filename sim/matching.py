"""Executing aggressive orders on the book of sim/book.py: price first, then time.

Here: what an order that takes does to the displayed book. Not here: orders that rest, replayed events that report
executions of a venue (both sim/book.py), who sends orders (sim/flow.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from sim.book import best_price, fill
from sim.book_levels import key_of, reaches_opposite
from sim.book_state import LEVELS, Book
from sim.compile_options import ENTRY
from sim.order_index import EMPTY, find

#: A limit price of this or less takes at any price.
ANY_PRICE = 0

#: Columns of the fills that `execute` writes.
FILLED_ID, FILLED_PRICE, FILLED_SIZE = 0, 1, 2
FILLED_COLUMNS = 3


@njit(**ENTRY)
def first_in_line(book: Book, side: int, limit_price: int) -> int:
    """The slot an aggressive order of ``side`` trades with next, `EMPTY` where none is within ``limit_price``."""
    opposite = 1 - side
    count = book.counters[LEVELS + opposite]
    if count == 0 or (limit_price > ANY_PRICE and not reaches_opposite(book, side, limit_price)):
        return EMPTY
    return book.level_head[opposite, count - 1]


@njit(**ENTRY)
def execute(book: Book, side: int, size: int, limit_price: int, fills: np.ndarray) -> int:
    """Execute an aggressive order against the displayed opposite side, best price first, first come first served.

    What is left of it neither rests nor waits. A price improvement goes to the taker: fills carry resting prices.

    Args:
        book: Changed in place.
        side: Side of the taker: `BID` takes asks.
        size: Lots wanted; nothing happens where not positive.
        limit_price: Worst price in ticks; `ANY_PRICE` for none.
        fills: (m, 3) int64, written from row 0: id of the resting order, its price in ticks, lots. The order stops
            after ``m`` fills.

    Returns:
        Number of fills.
    """
    n = 0
    while size > 0 and n < fills.shape[0]:
        slot = first_in_line(book, side, limit_price)
        if slot == EMPTY:
            break
        lots = min(size, book.order_size[slot])
        fills[n, FILLED_ID] = book.order_id[slot]
        fills[n, FILLED_PRICE] = book.order_price[slot]
        fills[n, FILLED_SIZE] = lots
        fill(book, book.order_id[slot], lots)
        size -= lots
        n += 1
    return n


@njit(**ENTRY)
def lots_ahead(book: Book, order_id: int) -> int:
    """Lots in front of an order at its own price; 0 where the id is unknown."""
    slot = find(book.index_keys, book.index_slots, order_id)
    if slot == EMPTY:
        return 0
    total = 0
    slot = book.order_previous[slot]
    while slot != EMPTY:
        total += book.order_size[slot]
        slot = book.order_previous[slot]
    return total


@njit(**ENTRY)
def reachable(book: Book, side: int, limit_price: int) -> int:
    """Displayed lots that an aggressive order of ``side`` finds within ``limit_price``."""
    opposite, total = 1 - side, 0
    for at in range(book.counters[LEVELS + opposite] - 1, -1, -1):
        if limit_price > ANY_PRICE and key_of(side, limit_price) + book.level_key[opposite, at] < 0:
            break
        total += book.level_size[opposite, at]
    return total


@njit(**ENTRY)
def is_crossed(book: Book) -> bool:
    """Whether the displayed book is locked or crossed; never so, promised by sim/book.py."""
    bid, ask = best_price(book, 0), best_price(book, 1)
    return bid > 0 and ask > 0 and bid >= ask
