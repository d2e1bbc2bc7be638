"""Compiled decoding of TotalView-ITCH messages: rows of the tape, with what each order is and has left.

Executions, cancellations, deletions and replacements carry an order's number only; side, price and remaining size come
from the order table. A message that cannot be placed becomes one row with a reason and changes nothing.

Source: Nasdaq TotalView-ITCH 5.0, sections 4.2 to 4.8 (offsets of the fields). In every message: type 0, locate code 1,
tracking number 3, ns since midnight 5 (six bytes), from 11 on the order's number or the stock.

What a message usually runs through is inlined by name: left to the compiler it stays a call with a dozen arguments,
which takes a sixth of the time.

Here: the kernel. Not here: framing (itch_frames.py), the table (order_table.py), naming and storing (feeds/adapters).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from feeds.kernels.memory import put8, put16, put32, put64, u8, u16, u32, u64, word
from feeds.kernels.order_table import (
    OWNER,
    WIDTH,
    Table,
    find,
    home,
    insert,
    owner_of,
    price_of,
    reduce,
    remove,
    size_of,
)
from feeds.schema import ACTION_CODE, FLAG_AUCTION, FLAG_PARTIAL, SIDE_CODE

#: Reasons of rejected rows, by ``reason`` - 1.
REASONS = (
    "unknown_order",  # no such order rests
    "exceeds_order",  # more is executed or cancelled than is left
    "duplicate_order",  # an order of that number rests
    "other_instrument",  # the order rests in another instrument
    "unknown_side",  # neither B nor S
    "unknown_state",  # a trading state the specification does not name
    "time_outside_day",  # 24 hours or more after midnight
    "size_too_large",  # a cross of 2**32 shares or more
)
_UNKNOWN_ORDER, _EXCEEDS, _DUPLICATE, _OTHER, _NO_SIDE, _NO_STATE, _LATE, _TOO_LARGE = range(1, 9)

_ADD, _CANCEL, _FILL, _TRADE, _STATUS = (ACTION_CODE[name] for name in "ACFTH")
_BID, _ASK, _NONE = (SIDE_CODE[name] for name in "BAN")
_A, _B, _C, _D, _E, _F, _H, _P, _Q, _R, _S, _T, _U, _X, _Y = (ord(name) for name in "ABCDEFHPQRSTUXY")
_OPERATIONAL = ord("h")
#: Where the count of crosses without shares stands among the ignored messages: a letter that is no message type.
EMPTY_CROSS = ord("q")
_NS_PER_DAY = 86_400_000_000_000
_STAMP_BITS = (1 << 48) - 1
#: Messages whose orders are fetched at once.
_AHEAD = 64


#: Columns of the rows and their types, in the order of `Columns`: locate code, ns UTC, codes of feeds/schema.py, the
#: order's number, 1e-4 dollars, shares, `_state_of`, FLAG_* bits, number of a reason.
COLUMNS = {
    "instrument": "u2",
    "ts_event": "i8",
    "action": "u1",
    "side": "u1",
    "order_id": "i8",
    "price": "u4",
    "size": "u4",
    "condition": "i1",
    "flags": "u1",
    "reason": "u1",
}


class Columns(NamedTuple):
    """Addresses of the columns, see `COLUMNS`."""

    instrument: int
    ts_event: int
    action: int
    side: int
    order_id: int
    price: int
    size: int
    condition: int
    flags: int
    reason: int


def new_rows(messages: int) -> dict[str, np.ndarray]:
    """Room for the rows of ``messages`` messages: two each, as a replacement makes two."""
    return {name: np.empty(2 * messages, kind) for name, kind in COLUMNS.items()}


def columns_of(rows: dict[str, np.ndarray]) -> Columns:
    """What kernels need of `new_rows`."""
    return Columns(*(rows[name].ctypes.data for name in COLUMNS))


class Setting(NamedTuple):
    """Midnight of the day in New York, ns UTC, and the letter of the market in operational halts."""

    midnight_ns: int
    market: int


class State(NamedTuple):
    """Messages done, rows made, places noted, orders that rest."""

    messages: int
    rows: int
    noted: int
    live: int


class Head(NamedTuple):
    """What every message has: locate code, stamp in ns UTC, and the reason that rejects the message for its stamp."""

    locate: int
    stamp_ns: int
    late: int


@njit(cache=True, nogil=True, inline="always")
def _emit(
    rows: Columns,
    at: int,
    head: Head,
    action: int,
    side: int,
    order_id: int,
    price: int,
    size: int,
    flags: int,
    reason: int,
    condition: int,
) -> int:
    """Write a row; returns where the next one goes."""
    put16(rows.instrument + 2 * at, head.locate)
    put64(rows.ts_event + 8 * at, head.stamp_ns)
    put8(rows.action + at, action)
    put8(rows.side + at, side)
    put64(rows.order_id + 8 * at, order_id)
    put32(rows.price + 4 * at, price)
    put32(rows.size + 4 * at, size)
    put8(rows.condition + at, condition)
    put8(rows.flags + at, flags)
    put8(rows.reason + at, reason)
    return at + 1


@njit(cache=True, nogil=True, inline="always")
def _side_of(letter: int) -> int:
    if letter == _B:
        return _BID
    return _ASK if letter == _S else _NONE


@njit(cache=True, nogil=True)
def _state_of(letter: int) -> int:
    """Condition of a status row; 2 where the letter is no state."""
    if letter in (_H, _P):
        return -1
    if letter == _Q:
        return 0
    return 1 if letter == _T else 2


@njit(cache=True, nogil=True)
def _touch(base: int, places: np.ndarray, begin: int, end: int, table: Table) -> int:
    """Bring the entries of the coming messages into the cache; the result only keeps the loads from being removed."""
    seen = 0
    for index in range(begin, end):
        seen |= word(table.base + home(table, u64(base + np.int64(places[index]) + 11)) + OWNER)
    return seen


@njit(cache=True, nogil=True, inline="always")
def _add(message: int, head: Head, table: Table, rows: Columns, at: int) -> tuple[int, int]:
    """A and F: ``(next row, orders more)``."""
    side, number = _side_of(u8(message + 19)), u64(message + 11)
    size, price = u32(message + 20), u32(message + 32)
    reason = head.late
    if reason == 0 and side == _NONE:
        reason = _NO_SIDE
    elif reason == 0 and find(table, number):
        reason = _DUPLICATE
    if reason == 0:
        insert(table, number, price, size, head.locate << 1 | side)
    return _emit(rows, at, head, _ADD, side, number, price, size, 0, reason, 0), int(reason == 0)


@njit(cache=True, nogil=True, inline="always")
def _change(message: int, kind: int, head: Head, table: Table, rows: Columns, at: int) -> tuple[int, int]:
    """E, C, X, D and U: ``(next row, orders less)``."""
    number = u64(message + 11)
    size = 0 if kind in (_D, _U) else u32(message + 19)
    action = _FILL if kind in (_E, _C) else _CANCEL
    slot = find(table, number)
    if head.late or slot == 0:
        return _emit(rows, at, head, action, _NONE, number, 0, size, 0, head.late or _UNKNOWN_ORDER, 0), 0
    owner, price, left = owner_of(slot), price_of(slot), size_of(slot)
    side = owner & 1
    reason = 0
    if owner >> 1 != head.locate:
        reason = _OTHER
    elif size > left:
        reason = _EXCEEDS
    elif kind == _U and u64(message + 19) != number and find(table, u64(message + 19)):
        reason = _DUPLICATE
    if reason:
        return _emit(rows, at, head, action, side, number, price, size, 0, reason, 0), 0
    if kind == _D:
        remove(table, slot)
        return _emit(rows, at, head, _CANCEL, side, number, price, left, 0, 0, 0), 1
    if kind == _U:
        at = _emit(rows, at, head, _CANCEL, side, number, price, left, FLAG_PARTIAL, 0, 0)
        remove(table, slot)
        fresh, size, price = u64(message + 19), u32(message + 27), u32(message + 31)
        insert(table, fresh, price, size, owner)
        return _emit(rows, at, head, _ADD, side, fresh, price, size, 0, 0, 0), 0
    if kind == _C:
        printed, traded = u8(message + 31) == _Y, u32(message + 32)
        if printed and traded != price:
            at = _emit(rows, at, head, _TRADE, _ASK if side == _BID else _BID, 0, traded, size, FLAG_PARTIAL, 0, 0)
        if not printed or traded != price:
            action = _CANCEL
    if size == left:
        remove(table, slot)
    else:
        reduce(slot, size)
    return _emit(rows, at, head, action, side, number, price, size, 0, 0, 0), int(size == left)


@njit(cache=True, nogil=True)
def _cross(message: int, head: Head, rows: Columns, at: int) -> int:
    """Q with shares: the next row."""
    size, reason = u64(message + 11), head.late
    if size >> 32:
        size, reason = 0, reason or _TOO_LARGE
    return _emit(rows, at, head, _TRADE, _NONE, 0, u32(message + 27), size, FLAG_AUCTION, reason, 0)


@njit(cache=True, nogil=True)
def _status(letter: int, head: Head, rows: Columns, at: int) -> int:
    """H and h: the next row."""
    state = _state_of(letter)
    reason = head.late or (_NO_STATE if state == 2 else 0)
    return _emit(rows, at, head, _STATUS, _NONE, 0, 0, 0, 0, reason, 0 if state == 2 else state)


@njit(cache=True, nogil=True)
def decode(
    block: np.ndarray,
    places: np.ndarray,
    setting: Setting,
    table: Table,
    rows: Columns,
    ignored: np.ndarray,
    noted: np.ndarray,
    start: State,
) -> tuple[State, int]:
    """Decode messages of a block, until all are done or the order table has to grow.

    Args:
        block: uint8.
        places: Where the messages begin, uint32 of shape ``(messages,)``; see itch_frames.py.
        setting: The day and the market.
        table: What rests; changed.
        rows: Filled from ``start.rows`` on; see `new_rows`.
        ignored: Counts by letter, int64 of shape ``(256,)``, counted on.
        noted: Where the system events and the stock directory begin, uint32 of shape ``(messages,)``; filled from
            ``start.noted`` on.
        start: How far the messages are done.

    Returns:
        ``(how far they are now, any number)``.
    """
    base = block.ctypes.data
    live, at, n_noted, seen = start.live, start.rows, start.noted, 0
    for index in range(start.messages, places.size):
        if index % _AHEAD == 0:
            if (live + _AHEAD) * 2 * WIDTH > table.mask:
                return State(index, at, n_noted, live), seen
            seen |= _touch(base, places, index, min(index + _AHEAD, places.size), table)
        message: Any = base + np.int64(places[index])
        kind = u8(message)
        since = u64(message + 3) & _STAMP_BITS
        head = Head(u16(message + 1), setting.midnight_ns + since, 0 if since < _NS_PER_DAY else _LATE)
        if kind in (_A, _F):
            at, more = _add(message, head, table, rows, at)
            live += more
        elif kind in (_D, _E, _X, _C, _U):
            at, less = _change(message, kind, head, table, rows, at)
            live -= less
        elif kind == _P:
            # Since 2014 the field says B whatever rested.
            side = _BID if u8(message + 19) == _S else _NONE
            at = _emit(rows, at, head, _TRADE, side, 0, u32(message + 32), u32(message + 20), 0, head.late, 0)
        elif kind == _Q and u64(message + 11) != 0:
            at = _cross(message, head, rows, at)
        elif kind == _H:
            at = _status(u8(message + 19), head, rows, at)
        elif kind == _OPERATIONAL and u8(message + 19) == setting.market:
            at = _status(u8(message + 20), head, rows, at)
        else:
            ignored[EMPTY_CROSS if kind == _Q else kind] += 1
            if kind in (_R, _S):
                noted[n_noted] = places[index]
                n_noted += 1
    return State(places.size, at, n_noted, live), seen
