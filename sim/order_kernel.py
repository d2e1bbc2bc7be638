"""What messages do to a venue, for numba.

A message is processed whole or, for want of room, not at all: room for the order and for every report it can cause is
checked before anything changes. Nothing is allocated.

Here: entering, cancelling, replacing. Not here: how orders meet (sim/order_matching.py), the arrays
(sim/order_types.py), the interface for Python (sim/order_gateway.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from sim.book import add
from sim.book_levels import reaches_opposite
from sim.book_state import ASK, BID, FREE_SLOTS, LEVELS
from sim.compile_options import ENTRY, INNER
from sim.matching import ANY_PRICE
from sim.order_index import EMPTY
from sim.order_matching import can_fill, forget, has_room, match, order_in, shrink, slot_of, write
from sim.order_types import (
    BY_USER,
    CANCEL,
    CANCELLED,
    DISPLAYED,
    DUPLICATE_ORDER,
    FOK,
    HIDDEN,
    HIDE,
    INVALID,
    LIMIT,
    M_ACCOUNT,
    M_DISPLAY,
    M_ID,
    M_KIND,
    M_PRICE,
    M_SIDE,
    M_SIZE,
    M_TS,
    MARKET,
    MAX_LOTS,
    NO_ACCOUNT,
    NO_REPORT_ROOM,
    NO_SLOT,
    NOT_WHOLE,
    NOWHERE,
    POST_ONLY,
    REDUCED,
    REJECTED,
    REPLACE,
    REPLACED,
    RESTED,
    RULE_INCREMENT,
    RULE_POST_ONLY,
    RULE_SMALLER,
    UNFILLED,
    UNKNOWN_ORDER,
    WOULD_TAKE,
    PostOnly,
    Venue,
)

_SLIDE = int(PostOnly.SLIDE)
#: Instead of a price: the message has been answered, nothing enters.
_SETTLED = -1


@njit(**ENTRY)
def process(venue: Venue, messages: np.ndarray, first: int, reports: np.ndarray) -> tuple[int, int, int]:
    """Process messages in turn until they end or one finds no room.

    Args:
        venue: Changed in place.
        messages: (n, 8) int64, columns `M_KIND` to `M_TS` of sim/order_types.py.
        first: Row to begin with.
        reports: (m, 8) int64, written from row 0, columns `R_WHAT` to `R_TS`.

    Returns:
        Row of the first message that was not processed (n where all were), reports written, and 0 or why it stopped:
        `NO_SLOT`, `NO_REPORT_ROOM`, `NO_ACCOUNT`. The message it stopped at changed nothing.
    """
    used = 0
    for row in range(first, messages.shape[0]):
        after = _process_one(venue, messages, row, reports, used)
        if after < 0:
            return row, used, after
        used = after
    return messages.shape[0], used, 0


@njit(**INNER)
def _process_one(venue: Venue, messages: np.ndarray, row: int, reports: np.ndarray, used: int) -> int:
    kind, order_id, account = messages[row, M_KIND], messages[row, M_ID], messages[row, M_ACCOUNT]
    if account < 0 or account >= venue.position.size:
        return NO_ACCOUNT
    if used == reports.shape[0]:
        return NO_REPORT_ROOM
    price, size, ts_ns = messages[row, M_PRICE], messages[row, M_SIZE], messages[row, M_TS]
    if kind == CANCEL:
        return _cancel(venue, order_id, account, size, ts_ns, reports, used)
    side, display = messages[row, M_SIDE], messages[row, M_DISPLAY]
    if kind == REPLACE:
        kind, side, price, display, used = _withdraw(venue, order_id, account, price, size, ts_ns, reports, used)
    else:
        price, used = _admit(venue, kind, order_id, account, side, price, size, display, ts_ns, reports, used)
    if price == _SETTLED or used < 0:
        return used
    return _enter(venue, kind, order_id, account, side, price, size, display, ts_ns, reports, used)


@njit(**INNER)
def _admit(
    venue: Venue,
    kind: int,
    order_id: int,
    account: int,
    side: int,
    price: int,
    size: int,
    display: int,
    ts_ns: int,
    reports: np.ndarray,
    used: int,
) -> tuple[int, int]:
    """The price a new order enters at, `_SETTLED` where it does not; rows used, or why there is no room."""
    if not _is_valid(kind, side, price, size, display):
        return _SETTLED, write(reports, used, REJECTED, order_id, 0, side, price, size, INVALID, ts_ns)
    if slot_of(venue, DISPLAYED, order_id) != EMPTY or slot_of(venue, HIDDEN, order_id) != EMPTY:
        return _SETTLED, write(reports, used, REJECTED, order_id, 0, side, price, size, DUPLICATE_ORDER, ts_ns)
    allowed = _allowed_price(venue, kind, side, price)
    if allowed <= 0 and kind != MARKET:
        return _SETTLED, write(reports, used, REJECTED, order_id, 0, side, price, size, WOULD_TAKE, ts_ns)
    if kind in (LIMIT, POST_ONLY) and _free_slots(venue, display) == 0:
        return _SETTLED, NO_SLOT
    if not has_room(venue, side, allowed, size, reports.shape[0] - used):
        return _SETTLED, NO_REPORT_ROOM
    if kind == FOK and not can_fill(venue, account, side, allowed, size):
        return _SETTLED, write(reports, used, CANCELLED, order_id, 0, side, price, size, NOT_WHOLE, ts_ns)
    return allowed, used


@njit(**INNER)
def _is_valid(kind: int, side: int, price: int, size: int, display: int) -> bool:
    known = LIMIT <= kind <= POST_ONLY and side in (BID, ASK)
    return known and 0 < size <= MAX_LOTS and display >= HIDE and (price > 0 or kind == MARKET)


@njit(**INNER)
def _free_slots(venue: Venue, display: int) -> int:
    return venue.hidden.counters[FREE_SLOTS] if display == HIDE else venue.displayed.counters[FREE_SLOTS]


@njit(**INNER)
def _allowed_price(venue: Venue, kind: int, side: int, price: int) -> int:
    """The price an order may have; `ANY_PRICE` for market orders and for post-only ones that may not enter."""
    if kind == MARKET:
        return ANY_PRICE
    if kind != POST_ONLY:
        return price
    if not (reaches_opposite(venue.displayed, side, price) or reaches_opposite(venue.hidden, side, price)):
        return price
    if venue.rules[RULE_POST_ONLY] != _SLIDE:
        return ANY_PRICE
    step = venue.rules[RULE_INCREMENT]
    return max(ANY_PRICE, _best_opposite(venue, side) + (-step if side == BID else step))


@njit(**INNER)
def _best_opposite(venue: Venue, side: int) -> int:
    """Best price opposite ``side`` in either book, of which at least one must have one."""
    opposite = 1 - side
    shown, unseen = venue.displayed.counters[LEVELS + opposite], venue.hidden.counters[LEVELS + opposite]
    if unseen == 0 or (
        shown > 0 and venue.displayed.level_key[opposite, shown - 1] >= venue.hidden.level_key[opposite, unseen - 1]
    ):
        key = venue.displayed.level_key[opposite, shown - 1]
    else:
        key = venue.hidden.level_key[opposite, unseen - 1]
    return key if opposite == BID else -key


@njit(**INNER)
def _enter(
    venue: Venue,
    kind: int,
    order_id: int,
    account: int,
    side: int,
    price: int,
    size: int,
    display: int,
    ts_ns: int,
    reports: np.ndarray,
    used: int,
) -> int:
    left, used = match(venue, order_id, account, side, price, size, ts_ns, reports, used)
    if left == 0:
        return used
    if kind not in (LIMIT, POST_ONLY):
        return write(reports, used, CANCELLED, order_id, 0, side, price, left, UNFILLED, ts_ns)
    where = HIDDEN if display == HIDE else DISPLAYED
    peak = max(0, display)
    shown = min(left, peak) if peak > 0 else left
    if where == HIDDEN:
        add(venue.hidden, order_id, side, price, left, ts_ns)
    else:
        add(venue.displayed, order_id, side, price, shown, ts_ns)
    slot = slot_of(venue, where, order_id)
    venue.account[where, slot] = account
    venue.kind[where, slot] = kind
    venue.peak[where, slot] = peak
    venue.reserve[where, slot] = left - shown
    venue.icebergs[0] += peak > 0
    seen = shown if where == DISPLAYED else 0
    return write(reports, used, RESTED, order_id, 0, side, price, left, seen, ts_ns)


@njit(**INNER)
def _place_of(venue: Venue, order_id: int, account: int) -> tuple[int, int]:
    """The book and slot of an order of ``account``, `NOWHERE` where there is none."""
    for where in range(2):
        slot = slot_of(venue, where, order_id)
        if slot != EMPTY:
            return (where, slot) if venue.account[where, slot] == account else (NOWHERE, slot)
    return NOWHERE, EMPTY


@njit(**INNER)
def _cancel(venue: Venue, order_id: int, account: int, lots: int, ts_ns: int, reports: np.ndarray, used: int) -> int:
    where, slot = _place_of(venue, order_id, account)
    if where == NOWHERE:
        return write(reports, used, REJECTED, order_id, 0, 0, 0, lots, UNKNOWN_ORDER, ts_ns)
    side, price, total = order_in(venue, where, slot)
    if 0 < lots < total:
        shrink(venue, where, slot, lots)
        return write(reports, used, REDUCED, order_id, 0, side, price, lots, BY_USER, ts_ns)
    forget(venue, where, slot)
    return write(reports, used, CANCELLED, order_id, 0, side, price, total, BY_USER, ts_ns)


@njit(**INNER)
def _withdraw(
    venue: Venue, order_id: int, account: int, price: int, size: int, ts_ns: int, reports: np.ndarray, used: int
) -> tuple[int, int, int, int, int]:
    """The first half of a replace: take the old order out.

    Returns:
        Kind, side, price, and display that it enters anew with, price `_SETTLED` where it does not; rows used, or why
        there is no room.
    """
    where, slot = _place_of(venue, order_id, account)
    if where == NOWHERE:
        used = write(reports, used, REJECTED, order_id, 0, 0, price, size, UNKNOWN_ORDER, ts_ns)
        return LIMIT, BID, _SETTLED, 0, used
    side, old_price, total = order_in(venue, where, slot)
    kind = venue.kind[where, slot]
    if not 0 < size <= MAX_LOTS or price <= 0:
        used = write(reports, used, REJECTED, order_id, 0, side, price, size, INVALID, ts_ns)
        return kind, side, _SETTLED, 0, used
    if price == old_price and size <= total and venue.rules[RULE_SMALLER]:
        shrink(venue, where, slot, total - size)
        used = write(reports, used, REDUCED, order_id, 0, side, price, total - size, REPLACED, ts_ns)
        return kind, side, _SETTLED, 0, used
    allowed = _allowed_price(venue, kind, side, price)
    if allowed <= 0:
        used = write(reports, used, REJECTED, order_id, 0, side, price, size, WOULD_TAKE, ts_ns)
        return kind, side, _SETTLED, 0, used
    if not has_room(venue, side, allowed, size, reports.shape[0] - used):
        return kind, side, _SETTLED, 0, NO_REPORT_ROOM
    display = HIDE if where == HIDDEN else venue.peak[where, slot]
    forget(venue, where, slot)
    used = write(reports, used, CANCELLED, order_id, 0, side, old_price, total, REPLACED, ts_ns)
    return kind, side, allowed, display, used
