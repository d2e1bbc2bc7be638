"""Keeping the price levels of a book: sorted arrays, best level last, a FIFO list of orders in each.

Here: how orders enter and leave levels. Not here: what events do (sim/book.py).
"""

from __future__ import annotations

from numba import njit

from sim.book_state import (
    BID,
    LEVELS,
    LOG_ENTERS,
    LOG_LINES,
    LOG_LOTS,
    LOG_ORDER,
    LOG_PRICE,
    LOG_SIDE,
    RESTING,
    Book,
)
from sim.compile_options import ENTRY, INNER
from sim.order_index import EMPTY


@njit(**ENTRY)
def key_of(side: int, price: int) -> int:
    """Sort key of a price: the larger the better, on both sides."""
    return price if side == BID else -price


@njit(**ENTRY)
def reaches_opposite(book: Book, side: int, price: int) -> bool:
    """Whether an order of ``side`` at ``price`` would trade with the opposite best."""
    opposite = 1 - side
    count = book.counters[LEVELS + opposite]
    # Opposite keys have the opposite sign: bid >= ask is key_bid + key_ask >= 0.
    return count > 0 and key_of(side, price) + book.level_key[opposite, count - 1] >= 0


@njit(**ENTRY)
def position_of(book: Book, side: int, key: int) -> int:
    """First level whose key is not less than ``key``; searched from the touch, where nearly all orders are."""
    low, high = 0, book.counters[LEVELS + side]
    step = 1
    while high - step >= 0 and book.level_key[side, high - step] >= key:
        high -= step
        step *= 2
    low = max(0, high - step)
    while low < high:
        middle = (low + high) // 2
        if book.level_key[side, middle] < key:
            low = middle + 1
        else:
            high = middle
    return low


@njit(**INNER)
def note_change(book: Book, slot: int, lots: int, enters: int) -> None:
    """Write down that the displayed order of ``slot`` changes by ``lots``, where somebody wants to know."""
    if book.log.shape[0] == 0:
        return
    line, log = book.counters[LOG_LINES], book.log
    log[line, LOG_SIDE], log[line, LOG_PRICE] = book.order_side[slot], book.order_price[slot]
    log[line, LOG_LOTS], log[line, LOG_ORDER], log[line, LOG_ENTERS] = lots, book.order_id[slot], enters
    book.counters[LOG_LINES] = line + 1


@njit(**ENTRY)
def link(book: Book, slot: int) -> None:
    """Put the order of ``slot`` behind all others at its price, on a new level where there is none."""
    note_change(book, slot, book.order_size[slot], 1)
    side = book.order_side[slot]
    key = key_of(side, book.order_price[slot])
    at = position_of(book, side, key)
    count = book.counters[LEVELS + side]
    if at == count or book.level_key[side, at] != key:
        for i in range(count, at, -1):
            _move_level(book, side, i - 1, i)
        book.counters[LEVELS + side] = count + 1
        book.level_key[side, at] = key
        book.level_size[side, at] = 0
        book.level_orders[side, at] = 0
        book.level_head[side, at] = slot
        book.level_tail[side, at] = EMPTY
    tail = book.level_tail[side, at]
    if tail != EMPTY:
        book.order_next[tail] = slot
    book.order_previous[slot] = tail
    book.order_next[slot] = EMPTY
    book.level_tail[side, at] = slot
    book.level_size[side, at] += book.order_size[slot]
    book.level_orders[side, at] += 1
    book.order_state[slot] = RESTING


@njit(**ENTRY)
def unlink(book: Book, slot: int) -> None:
    """Take the order of ``slot`` out of its level, and the level away with its last order."""
    note_change(book, slot, -book.order_size[slot], 0)
    side = book.order_side[slot]
    at = position_of(book, side, key_of(side, book.order_price[slot]))
    before, behind = book.order_previous[slot], book.order_next[slot]
    if before == EMPTY:
        book.level_head[side, at] = behind
    else:
        book.order_next[before] = behind
    if behind == EMPTY:
        book.level_tail[side, at] = before
    else:
        book.order_previous[behind] = before
    book.level_size[side, at] -= book.order_size[slot]
    book.level_orders[side, at] -= 1
    if book.level_orders[side, at] == 0:
        count = book.counters[LEVELS + side] - 1
        for i in range(at, count):
            _move_level(book, side, i + 1, i)
        book.counters[LEVELS + side] = count


@njit(**ENTRY)
def _move_level(book: Book, side: int, source: int, target: int) -> None:
    book.level_key[side, target] = book.level_key[side, source]
    book.level_size[side, target] = book.level_size[side, source]
    book.level_orders[side, target] = book.level_orders[side, source]
    book.level_head[side, target] = book.level_head[side, source]
    book.level_tail[side, target] = book.level_tail[side, source]


@njit(**ENTRY)
def resize(book: Book, slot: int, size: int) -> None:
    """Give an order, resting or pending, a new size at its place in the queue."""
    if book.order_state[slot] == RESTING:
        note_change(book, slot, size - book.order_size[slot], 0)
        side = book.order_side[slot]
        at = position_of(book, side, key_of(side, book.order_price[slot]))
        book.level_size[side, at] += size - book.order_size[slot]
    book.order_size[slot] = size
