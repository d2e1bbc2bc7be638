"""A price-time limit order book on preallocated arrays, for numba: the operations.

Displayed and pending: an order whose price reaches the opposite best on arrival is *pending*. Order-by-order feeds
announce an aggressive order before the fills it causes; showing it at once would cross the book. Its later
modifications report fills (the price they carry is the fill's), so they change its size only. It is displayed at its
limit price, behind the orders there, as soon as the opposite best no longer reaches it; until then it is in no level.
The displayed book is therefore never locked or crossed.

Phantoms: where a feed loses the deletion of an order, that order would pin the touch for good. Two observations prove
that it is gone, because no venue trades through or past a resting order: a trade at a worse price than the
order's (`trade_through`), and several orders that would have traded with it yet live on (`evict_contradicted`).
Before an auction orders cross and nothing trades: an order that lives on proves something only where the venue has
traded since it came, and half a second has gone by in which an auction may have dealt with it (`note_trade`).

Here: what events do to a book, and reading it. Not here: the arrays (sim/book_state.py), replaying tables of events
(sim/replay.py), the twin in plain Python (sim/reference_book.py).
"""

from __future__ import annotations

from numba import njit

from sim.book_levels import key_of, link, note_change, reaches_opposite, resize, unlink
from sim.book_state import (
    ASK,
    BID,
    BOOK_FULL,
    DUPLICATE_ID,
    DUPLICATE_IDS,
    EVER_PENDING,
    EVICTED_ORDERS,
    FREE,
    FREE_SLOTS,
    LEVELS,
    OK,
    PENDING,
    PENDING_ORDERS,
    REFUSED_ORDERS,
    RESTING,
    TRADED_BEFORE_NS,
    TRADED_NS,
    UNKNOWN_ID,
    UNKNOWN_IDS,
    Book,
)
from sim.compile_options import ENTRY
from sim.order_index import EMPTY, find, insert, remove

#: An aggressive order's fills carry one venue stamp and reach us within milliseconds: what lives on after this rests.
PATIENCE_NS = 500_000_000
#: One order may itself be a phantom, so that many have to contradict a resting order before it is given up.
WITNESSES = 3


@njit(**ENTRY)
def clear(book: Book) -> None:
    """Forget every order; the counters of odd events stay."""
    n = book.free.size
    for slot in range(n):
        if book.order_state[slot] == RESTING:
            note_change(book, slot, -book.order_size[slot], 0)
        book.order_state[slot] = FREE
        book.free[slot] = n - 1 - slot
    book.index_slots[:] = EMPTY
    book.counters[LEVELS + BID] = 0
    book.counters[LEVELS + ASK] = 0
    book.counters[FREE_SLOTS] = n
    book.counters[PENDING_ORDERS] = 0
    book.counters[TRADED_NS] = book.counters[TRADED_BEFORE_NS] = 0


@njit(**ENTRY)
def best_price(book: Book, side: int) -> int:
    """Best displayed price of ``side`` in ticks, 0 where the side is empty."""
    count = book.counters[LEVELS + side]
    if count == 0:
        return 0
    key = book.level_key[side, count - 1]
    return key if side == BID else -key


@njit(**ENTRY)
def best_size(book: Book, side: int) -> int:
    """Displayed lots at the best price, 0 where the side is empty."""
    count = book.counters[LEVELS + side]
    return book.level_size[side, count - 1] if count else 0


@njit(**ENTRY)
def depth(book: Book, side: int, levels: int) -> int:
    """Displayed lots on the best ``levels`` occupied levels of ``side``."""
    total = 0
    last = book.counters[LEVELS + side] - 1
    for at in range(last, max(-1, last - levels), -1):
        total += book.level_size[side, at]
    return total


@njit(**ENTRY)
def add(book: Book, order_id: int, side: int, price: int, size: int, ts_ns: int) -> int:
    """A new limit order at ``ts_ns``; pending where it reaches the opposite best, else last at its price."""
    if find(book.index_keys, book.index_slots, order_id) != EMPTY:
        book.counters[DUPLICATE_IDS] += 1
        return DUPLICATE_ID
    top = book.counters[FREE_SLOTS] - 1
    if top < 0:
        book.counters[REFUSED_ORDERS] += 1
        return BOOK_FULL
    slot = book.free[top]
    book.counters[FREE_SLOTS] = top
    book.order_id[slot] = order_id
    book.order_side[slot] = side
    book.order_price[slot] = price
    book.order_size[slot] = size
    book.order_time_ns[slot] = ts_ns
    insert(book.index_keys, book.index_slots, order_id, slot)
    _place(book, slot)
    return OK


@njit(**ENTRY)
def cancel(book: Book, order_id: int, size: int) -> int:
    """Take ``size`` lots off an order; all of it where ``size`` is not positive or at least what rests."""
    slot = find(book.index_keys, book.index_slots, order_id)
    if slot == EMPTY:
        book.counters[UNKNOWN_IDS] += 1
        return UNKNOWN_ID
    if size <= 0 or size >= book.order_size[slot]:
        _delete(book, slot)
        _display_pending(book)
    else:
        resize(book, slot, book.order_size[slot] - size)
    return OK


@njit(**ENTRY)
def fill(book: Book, order_id: int, size: int) -> int:
    """An execution of ``size`` lots against an order: the same change as a cancel, named for its cause."""
    return cancel(book, order_id, size)


@njit(**ENTRY)
def modify(book: Book, order_id: int, price: int, size: int, ts_ns: int) -> int:
    """Set an order's price and size.

    A smaller size keeps the place in the queue; a new price or a larger size loses it. A pending order keeps its
    limit price (see the module docstring). A size of 0 or less removes the order.
    """
    slot = find(book.index_keys, book.index_slots, order_id)
    if slot == EMPTY:
        book.counters[UNKNOWN_IDS] += 1
        return UNKNOWN_ID
    if size <= 0:
        _delete(book, slot)
    elif book.order_state[slot] == PENDING:
        book.order_size[slot] = size
    elif price == book.order_price[slot] and size <= book.order_size[slot]:
        resize(book, slot, size)
    else:
        unlink(book, slot)
        book.order_price[slot] = price
        book.order_size[slot] = size
        book.order_time_ns[slot] = ts_ns
        _place(book, slot)
    _display_pending(book)
    return OK


@njit(**ENTRY)
def trade_through(book: Book, aggressor: int, price: int, ts_ns: int) -> int:
    """Remove displayed orders that a trade proves gone.

    A buyer paid ``price``: asks below it that stood before ``ts_ns`` would have traded first (and the mirror image).

    Returns:
        Number of orders removed.
    """
    side = 1 - aggressor
    evicted = 0
    at = book.counters[LEVELS + side] - 1
    while at >= 0 and book.level_key[side, at] > key_of(side, price):
        slot = book.level_head[side, at]
        while slot != EMPTY:
            behind = book.order_next[slot]
            if book.order_time_ns[slot] < ts_ns:
                _delete(book, slot)
                evicted += 1
            slot = behind
        at -= 1
    return _count_evicted(book, evicted)


@njit(**ENTRY)
def note_trade(book: Book, ts_ns: int) -> None:
    """Remember that the venue traded at ``ts_ns``.

    Two stamps are enough to tell whether something traded after a moment and at least `PATIENCE_NS` ago: one trade in
    every `PATIENCE_NS` is remembered, and the one before it.
    """
    last = book.counters[TRADED_NS]
    if last == 0 or ts_ns - last >= PATIENCE_NS:
        book.counters[TRADED_BEFORE_NS] = last
        book.counters[TRADED_NS] = ts_ns


@njit(**ENTRY)
def evict_contradicted(book: Book, ts_ns: int) -> int:
    """Remove orders at the touch that several pending orders contradict.

    An order is contradicted by a pending one that came after it and reaches its price, where the venue has traded since
    (`note_trade`) and at least `PATIENCE_NS` before ``ts_ns``: the two would have met. `WITNESSES` of them remove it.

    Returns:
        Number of orders removed.
    """
    evicted = 0
    traded = book.counters[TRADED_NS]
    traded_ns = traded if traded <= ts_ns - PATIENCE_NS else book.counters[TRADED_BEFORE_NS]
    for side in range(2):
        while book.counters[PENDING_ORDERS] >= WITNESSES and book.counters[LEVELS + side] > 0:
            removed = _evict_from_touch(book, side, traded_ns)
            evicted += removed
            if removed == 0:
                break
            _display_pending(book)
    return _count_evicted(book, evicted)


@njit(**ENTRY)
def _evict_from_touch(book: Book, side: int, traded_ns: int) -> int:
    removed = 0
    slot = book.level_head[side, book.counters[LEVELS + side] - 1]
    while slot != EMPTY:
        behind = book.order_next[slot]
        if _witnesses(book, slot, traded_ns) >= WITNESSES:
            _delete(book, slot)
            removed += 1
        slot = behind
    return removed


@njit(**ENTRY)
def _witnesses(book: Book, slot: int, traded_ns: int) -> int:
    side, time_ns = book.order_side[slot], book.order_time_ns[slot]
    key = key_of(side, book.order_price[slot])
    count = 0
    for i in range(book.counters[PENDING_ORDERS]):
        other = book.pending[i]
        if (
            book.order_side[other] != side
            and key + key_of(1 - side, book.order_price[other]) >= 0
            and time_ns < book.order_time_ns[other] < traded_ns
        ):
            count += 1
    return count


@njit(**ENTRY)
def _count_evicted(book: Book, evicted: int) -> int:
    if evicted:
        book.counters[EVICTED_ORDERS] += evicted
        _display_pending(book)
    return evicted


@njit(**ENTRY)
def _place(book: Book, slot: int) -> None:
    if reaches_opposite(book, book.order_side[slot], book.order_price[slot]):
        book.order_state[slot] = PENDING
        book.pending[book.counters[PENDING_ORDERS]] = slot
        book.counters[PENDING_ORDERS] += 1
        book.counters[EVER_PENDING] += 1
    else:
        link(book, slot)


@njit(**ENTRY)
def _display_pending(book: Book) -> None:
    count = book.counters[PENDING_ORDERS]
    if count == 0:
        return
    kept = 0
    for i in range(count):
        slot = book.pending[i]
        if reaches_opposite(book, book.order_side[slot], book.order_price[slot]):
            book.pending[kept] = slot
            kept += 1
        else:
            link(book, slot)
    book.counters[PENDING_ORDERS] = kept


@njit(**ENTRY)
def _delete(book: Book, slot: int) -> None:
    if book.order_state[slot] == RESTING:
        unlink(book, slot)
    else:
        count = book.counters[PENDING_ORDERS]
        kept = 0
        for i in range(count):
            if book.pending[i] != slot:
                book.pending[kept] = book.pending[i]
                kept += 1
        book.counters[PENDING_ORDERS] = kept
    remove(book.index_keys, book.index_slots, book.order_id[slot])
    book.order_state[slot] = FREE
    book.free[book.counters[FREE_SLOTS]] = slot
    book.counters[FREE_SLOTS] += 1
