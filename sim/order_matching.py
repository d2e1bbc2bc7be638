"""How an order meets the two books of a venue, for numba.

Here: taking, what keeps an account from trading with itself, whether an order could be filled whole, and the change
of resting orders. Not here: which message does what (sim/order_kernel.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from sim.book import cancel
from sim.book_levels import key_of, link, resize, unlink
from sim.book_state import BID, FREE_SLOTS, LEVELS, Book
from sim.compile_options import ENTRY, INNER
from sim.matching import ANY_PRICE
from sim.order_index import EMPTY, find
from sim.order_types import (
    CANCELLED,
    DISPLAYED,
    FILLED,
    HIDDEN,
    NOWHERE,
    PUBLIC,
    R_CAUSE,
    R_LOTS,
    R_ORDER,
    R_OTHER,
    R_PRICE,
    R_SIDE,
    R_TS,
    R_WHAT,
    REDUCED,
    REFRESHED,
    RULE_REFRESH,
    RULE_SELF_TRADE,
    SELF_TRADE,
    SelfTrade,
    Venue,
)

_ALLOW = int(SelfTrade.ALLOW)
_NEWEST = int(SelfTrade.CANCEL_NEWEST)
_OLDEST = int(SelfTrade.CANCEL_OLDEST)
#: Reports of one part of a resting order that is met: the fill and the next part, or two sides of a decrement.
_PER_PART = 2
#: Reports besides: the old order's end in a replace, and what becomes of the rest.
_BESIDES = 2


@njit(**INNER)
def write(
    reports: np.ndarray,
    used: int,
    what: int,
    order_id: int,
    other: int,
    side: int,
    price: int,
    lots: int,
    cause: int,
    ts_ns: int,
) -> int:
    """Write a report into row ``used``; the number of rows used now."""
    reports[used, R_WHAT] = what
    reports[used, R_ORDER] = order_id
    reports[used, R_OTHER] = other
    reports[used, R_SIDE] = side
    reports[used, R_PRICE] = price
    reports[used, R_LOTS] = lots
    reports[used, R_CAUSE] = cause
    reports[used, R_TS] = ts_ns
    return used + 1


@njit(**INNER)
def slot_of(venue: Venue, where: int, order_id: int) -> int:
    """The slot of an order in one of the books, `EMPTY` where it is not there."""
    if where == DISPLAYED:
        return find(venue.displayed.index_keys, venue.displayed.index_slots, order_id)
    if venue.hidden.counters[FREE_SLOTS] == venue.hidden.free.size:
        return EMPTY
    return find(venue.hidden.index_keys, venue.hidden.index_slots, order_id)


@njit(**INNER)
def forget(venue: Venue, where: int, slot: int) -> None:
    """Remove a resting order."""
    venue.icebergs[0] -= venue.peak[where, slot] > 0
    venue.peak[where, slot] = 0
    venue.reserve[where, slot] = 0
    if where == DISPLAYED:
        cancel(venue.displayed, venue.displayed.order_id[slot], 0)
    else:
        cancel(venue.hidden, venue.hidden.order_id[slot], 0)


@njit(**ENTRY)
def shrink(venue: Venue, where: int, slot: int, lots: int) -> None:
    """Take ``lots`` off a resting order, fewer than it has; what is not shown goes first. It keeps its place."""
    unseen = min(lots, venue.reserve[where, slot])
    venue.reserve[where, slot] -= unseen
    if where == DISPLAYED:
        resize(venue.displayed, slot, venue.displayed.order_size[slot] - (lots - unseen))
    else:
        resize(venue.hidden, slot, venue.hidden.order_size[slot] - (lots - unseen))


@njit(**INNER)
def match(
    venue: Venue,
    order_id: int,
    account: int,
    side: int,
    limit_price: int,
    size: int,
    ts_ns: int,
    reports: np.ndarray,
    used: int,
) -> tuple[int, int]:
    """Trade an arriving order with what it reaches.

    Returns:
        Lots left to rest or to cancel, and the number of report rows used now.
    """
    left = size
    while left > 0:
        where = _book_in_line(venue, side, limit_price)
        if where == NOWHERE:
            break
        # A branch for each book: choosing one of two books copies eighteen arrays.
        if where == DISPLAYED:
            left, used = _meet(
                venue, venue.displayed, DISPLAYED, order_id, account, side, limit_price, left, ts_ns, reports, used
            )
        else:
            left, used = _meet(
                venue, venue.hidden, HIDDEN, order_id, account, side, limit_price, left, ts_ns, reports, used
            )
    return left, used


@njit(**INNER)
def _meet(
    venue: Venue,
    book: Book,
    where: int,
    order_id: int,
    account: int,
    side: int,
    limit_price: int,
    left: int,
    ts_ns: int,
    reports: np.ndarray,
    used: int,
) -> tuple[int, int]:
    """Trade ``left`` lots with the first order in line in ``book``; lots left, rows used."""
    slot = book.level_head[1 - side, book.counters[LEVELS + 1 - side] - 1]
    maker = venue.account[where, slot]
    if maker == account and _prevents(venue, account):
        return _prevent(venue, where, slot, order_id, side, limit_price, left, ts_ns, reports, used)
    price, lots = book.order_price[slot], min(left, book.order_size[slot])
    used = write(reports, used, FILLED, book.order_id[slot], order_id, side, price, lots, where, ts_ns)
    _settle(venue, account, maker, lots if side == BID else -lots, price)
    if lots < book.order_size[slot]:
        resize(book, slot, book.order_size[slot] - lots)
    elif venue.reserve[where, slot] > 0:
        used = _refresh(venue, slot, ts_ns, reports, used)
    else:
        forget(venue, where, slot)
    return left - lots, used


@njit(**INNER)
def order_in(venue: Venue, where: int, slot: int) -> tuple[int, int, int]:
    """Side, price, and open lots of a resting order."""
    unseen = venue.reserve[where, slot]
    if where == DISPLAYED:
        book = venue.displayed
        return book.order_side[slot], book.order_price[slot], book.order_size[slot] + unseen
    book = venue.hidden
    return book.order_side[slot], book.order_price[slot], book.order_size[slot] + unseen


@njit(**INNER)
def _book_in_line(venue: Venue, side: int, limit_price: int) -> int:
    """The book whose first order an order of ``side`` trades with next, `NOWHERE` where none is within its price."""
    opposite = 1 - side
    shown, unseen = venue.displayed.counters[LEVELS + opposite], venue.hidden.counters[LEVELS + opposite]
    if shown == 0 and unseen == 0:
        return NOWHERE
    where = DISPLAYED if unseen == 0 else HIDDEN
    if shown > 0 and unseen > 0:
        better = venue.hidden.level_key[opposite, unseen - 1] > venue.displayed.level_key[opposite, shown - 1]
        where = HIDDEN if better else DISPLAYED
    if limit_price > ANY_PRICE:
        if where == DISPLAYED:
            best = venue.displayed.level_key[opposite, shown - 1]
        else:
            best = venue.hidden.level_key[opposite, unseen - 1]
        if key_of(side, limit_price) + best < 0:
            return NOWHERE
    return where


@njit(**INNER)
def _prevents(venue: Venue, account: int) -> bool:
    return account != PUBLIC and venue.rules[RULE_SELF_TRADE] != _ALLOW


@njit(**INNER)
def _settle(venue: Venue, taker: int, maker: int, bought: int, price: int) -> None:
    venue.position[taker] += bought
    venue.position[maker] -= bought
    venue.cash[taker] -= bought * price
    venue.cash[maker] += bought * price


@njit(**ENTRY)
def _refresh(venue: Venue, slot: int, ts_ns: int, reports: np.ndarray, used: int) -> int:
    """Show the next part of an iceberg whose displayed part has traded."""
    book = venue.displayed
    lots = min(venue.peak[DISPLAYED, slot], venue.reserve[DISPLAYED, slot])
    venue.reserve[DISPLAYED, slot] -= lots
    if venue.rules[RULE_REFRESH]:
        unlink(book, slot)
        book.order_size[slot] = lots
        book.order_time_ns[slot] = ts_ns
        link(book, slot)
    else:
        resize(book, slot, lots)
    side, price = book.order_side[slot], book.order_price[slot]
    return write(reports, used, REFRESHED, book.order_id[slot], 0, side, price, lots, 0, ts_ns)


@njit(**ENTRY)
def _prevent(
    venue: Venue,
    where: int,
    slot: int,
    taker_id: int,
    side: int,
    limit_price: int,
    left: int,
    ts_ns: int,
    reports: np.ndarray,
    used: int,
) -> tuple[int, int]:
    """What the rules say where an order of ``left`` lots would trade with its own account's; lots left, rows used."""
    rule = venue.rules[RULE_SELF_TRADE]
    if rule == _NEWEST:
        return 0, write(reports, used, CANCELLED, taker_id, 0, side, limit_price, left, SELF_TRADE, ts_ns)
    maker_id = venue.displayed.order_id[slot] if where == DISPLAYED else venue.hidden.order_id[slot]
    _, price, total = order_in(venue, where, slot)
    lots = total if rule == _OLDEST else min(left, total)
    if lots < total:
        shrink(venue, where, slot, lots)
        used = write(reports, used, REDUCED, maker_id, taker_id, 1 - side, price, lots, SELF_TRADE, ts_ns)
    else:
        forget(venue, where, slot)
        used = write(reports, used, CANCELLED, maker_id, taker_id, 1 - side, price, lots, SELF_TRADE, ts_ns)
    if rule == _OLDEST:
        return left, used
    what = CANCELLED if lots == left else REDUCED
    return left - lots, write(reports, used, what, taker_id, maker_id, side, limit_price, lots, SELF_TRADE, ts_ns)


@njit(**ENTRY)
def can_fill(venue: Venue, account: int, side: int, limit_price: int, size: int) -> bool:
    """Whether `match` would fill ``size`` lots whole, self-trade prevention included."""
    opposite, total = 1 - side, 0
    shown = venue.displayed.counters[LEVELS + opposite] - 1
    unseen = venue.hidden.counters[LEVELS + opposite] - 1
    while total < size and (shown >= 0 or unseen >= 0):
        where = DISPLAYED if shown >= 0 else HIDDEN
        if shown >= 0 and unseen >= 0:
            better = venue.hidden.level_key[opposite, unseen] > venue.displayed.level_key[opposite, shown]
            where = HIDDEN if better else DISPLAYED
        book, at = (venue.displayed, shown) if where == DISPLAYED else (venue.hidden, unseen)
        if limit_price > ANY_PRICE and key_of(side, limit_price) + book.level_key[opposite, at] < 0:
            break
        lots, blocked = _level_lots(venue, book, where, book.level_head[opposite, at], account)
        total += lots
        if blocked:
            break
        if where == DISPLAYED:
            shown -= 1
        else:
            unseen -= 1
    return total >= size


@njit(**ENTRY)
def _level_lots(venue: Venue, book: Book, where: int, head: int, account: int) -> tuple[int, bool]:
    """Lots an order of ``account`` can take at a level, and whether an own order there stops it."""
    prevents, drops_own = _prevents(venue, account), venue.rules[RULE_SELF_TRADE] == _OLDEST
    first_parts, whole, slot = 0, 0, head
    while slot != EMPTY:
        own = prevents and venue.account[where, slot] == account
        if own and not drops_own:
            # Parts shown later queue behind the own order, unless they keep their place.
            return (first_parts if venue.rules[RULE_REFRESH] else whole), True
        if not own:
            first_parts += book.order_size[slot]
            whole += book.order_size[slot] + venue.reserve[where, slot]
        slot = book.order_next[slot]
    return whole, False


@njit(**INNER)
def has_room(venue: Venue, side: int, limit_price: int, size: int, room: int) -> bool:
    """Whether ``room`` reports are enough for all an order can cause; counted out only where a cheap bound is not."""
    # A part that trades takes a lot off the order at least; one cancelled as the older takes nothing off it.
    if venue.rules[RULE_SELF_TRADE] != _OLDEST and _PER_PART * size + _BESIDES <= room:
        return True
    live = venue.displayed.free.size - venue.displayed.counters[FREE_SLOTS]
    live += venue.hidden.free.size - venue.hidden.counters[FREE_SLOTS]
    if venue.icebergs[0] == 0 and _PER_PART * live + _BESIDES <= room:
        return True
    return _PER_PART * _reachable_parts(venue, side, limit_price) + _BESIDES <= room


@njit(**ENTRY)
def _reachable_parts(venue: Venue, side: int, limit_price: int) -> int:
    shown = _parts(venue, venue.displayed, DISPLAYED, side, limit_price)
    return shown + _parts(venue, venue.hidden, HIDDEN, side, limit_price)


@njit(**INNER)
def _parts(venue: Venue, book: Book, where: int, side: int, limit_price: int) -> int:
    """Parts in which the orders of a book trade that an order of ``side`` reaches."""
    opposite, parts = 1 - side, 0
    for at in range(book.counters[LEVELS + opposite] - 1, -1, -1):
        if limit_price > ANY_PRICE and key_of(side, limit_price) + book.level_key[opposite, at] < 0:
            break
        slot = book.level_head[opposite, at]
        while slot != EMPTY:
            peak = max(1, venue.peak[where, slot])
            parts += 1 + (venue.reserve[where, slot] + peak - 1) // peak
            slot = book.order_next[slot]
    return parts
