"""Keeping the content of a book and filling another one with it, without touching the room neither of them uses.

A kept book holds its orders from slot 0 on, those at the worst price first and each price's in their queue, and has no
index; pending orders are not kept.

Here: kernels. Not here: the rest of a simulated flow (sim/flow_starts.py).
"""

from __future__ import annotations

from numba import njit

from sim.book_state import FREE, FREE_SLOTS, LEVELS, N_COUNTERS, PENDING_ORDERS, RESTING, Book
from sim.compile_options import CALLED, INNER, MERGED
from sim.order_index import EMPTY, home_of, insert


@njit(**CALLED)
def keep_book(book: Book, kept: Book) -> None:
    """Write the displayed orders of ``book`` to ``kept``, which has room for them."""
    n = 0
    for side in range(2):
        levels = book.counters[LEVELS + side]
        for at in range(levels):
            kept.level_key[side, at] = book.level_key[side, at]
            kept.level_size[side, at] = book.level_size[side, at]
            kept.level_orders[side, at] = book.level_orders[side, at]
            kept.level_head[side, at], slot = n, book.level_head[side, at]
            while slot != EMPTY:
                behind = book.order_next[slot]
                _copy_order(book, slot, kept, n)
                kept.order_previous[n] = EMPTY if slot == book.level_head[side, at] else n - 1
                kept.order_next[n] = EMPTY if behind == EMPTY else n + 1
                n, slot = n + 1, behind
            kept.level_tail[side, at] = n - 1
    for i in range(N_COUNTERS):
        kept.counters[i] = book.counters[i]
    kept.counters[PENDING_ORDERS] = 0
    kept.counters[FREE_SLOTS] = book.free.size - n


@njit(**CALLED)
def fill_book(kept: Book, book: Book) -> None:
    """Give ``book`` the orders of ``kept`` instead of its own; it has as much room as the book that was kept."""
    _forget_orders(book)
    n = book.free.size - kept.counters[FREE_SLOTS]
    for slot in range(n):
        _copy_order(kept, slot, book, slot)
        book.order_next[slot], book.order_previous[slot] = kept.order_next[slot], kept.order_previous[slot]
        book.order_state[slot] = RESTING
        insert(book.index_keys, book.index_slots, book.order_id[slot], slot)
    for i in range(kept.counters[FREE_SLOTS]):
        book.free[i] = book.free.size - 1 - i
    for side in range(2):
        for at in range(kept.counters[LEVELS + side]):
            book.level_key[side, at] = kept.level_key[side, at]
            book.level_size[side, at] = kept.level_size[side, at]
            book.level_orders[side, at] = kept.level_orders[side, at]
            book.level_head[side, at], book.level_tail[side, at] = kept.level_head[side, at], kept.level_tail[side, at]
    for i in range(N_COUNTERS):
        book.counters[i] = kept.counters[i]


@njit(**INNER)
def _copy_order(source: Book, slot: int, target: Book, at: int) -> None:
    target.order_id[at] = source.order_id[slot]
    target.order_side[at] = source.order_side[slot]
    target.order_price[at] = source.order_price[slot]
    target.order_size[at] = source.order_size[slot]
    target.order_time_ns[at] = source.order_time_ns[slot]


@njit(**MERGED)
def _forget_orders(book: Book) -> None:
    """Free all slots and the index; the rest of the book is left as it is."""
    for side in range(2):
        for at in range(book.counters[LEVELS + side]):
            slot = book.level_head[side, at]
            while slot != EMPTY:
                _forget(book, slot)
                slot = book.order_next[slot]
    for i in range(book.counters[PENDING_ORDERS]):
        _forget(book, book.pending[i])


@njit(**INNER)
def _forget(book: Book, slot: int) -> None:
    book.order_state[slot] = FREE
    # All ids go: whatever follows without a gap in the table goes too, and no entry has to move up.
    at, mask = home_of(book.order_id[slot], book.index_slots.size), book.index_slots.size - 1
    while book.index_slots[at] != EMPTY:
        book.index_slots[at] = EMPTY
        at = (at + 1) & mask
