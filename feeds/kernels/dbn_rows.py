"""Rows that compiled code makes of Databento records: codes, flags, and the arrays they are written to.

Here: what all schemas share. Not here: their meaning (dbn_mbo.py, dbn_quotes.py, dbn_levels.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from feeds.kernels.options import INNER
from feeds.schema import ACTION_CODE, FLAG_AUCTION, FLAG_GAP, FLAG_PARTIAL, FLAG_SNAPSHOT, SIDE_CODE

ADD, MODIFY, CANCEL, FILL = (ACTION_CODE[name] for name in "AMCF")
TRADE, CLEAR, QUOTE, LEVEL = (ACTION_CODE[name] for name in "TRQL")
BID, ASK, NO_SIDE = (SIDE_CODE[name] for name in "BAN")
#: Fields of a block of records, int64, shape ``(RECORD_FIELDS, n)``; actions and sides are codes, -1 where unknown.
IN_EVENT, IN_RECV, IN_ORDER, IN_PRICE, IN_SIZE, IN_ACTION, IN_SIDE, IN_FLAGS, IN_CODE = range(9)
RECORD_FIELDS = 9
#: What Databento's "None" action is mapped to; it makes no row.
NO_ACTION = 100
PARTIAL, SNAPSHOT, GAP, AUCTION = FLAG_PARTIAL, FLAG_SNAPSHOT, FLAG_GAP, FLAG_AUCTION
#: Bits of Databento's flags: last record of an event, of a snapshot, an unrecoverable gap in the channel.
LAST, FROM_SNAPSHOT, MAYBE_BAD_BOOK = 128, 32, 4
UNDEFINED_PRICE = 2**63 - 1

REASONS = ("unknown_action", "unknown_side", "no_stamp", "undefined_price")
UNKNOWN_ACTION, UNKNOWN_SIDE, NO_STAMP, NO_PRICE = 1, 2, 3, 4

ACTION_OF_BYTE = np.full(256, -1, np.int64)
for _letter, _code in (("A", ADD), ("M", MODIFY), ("C", CANCEL), ("F", FILL), ("T", TRADE), ("R", CLEAR)):
    ACTION_OF_BYTE[ord(_letter)] = _code
ACTION_OF_BYTE[ord("N")] = NO_ACTION
SIDE_OF_BYTE = np.full(256, -1, np.int64)
for _letter, _code in (("B", BID), ("A", ASK), ("N", NO_SIDE)):
    SIDE_OF_BYTE[ord(_letter)] = _code


#: Rows of a block of rows, int64, shape ``(ROW_FIELDS, n)``. One array: passing many costs more than the work.
INSTRUMENT, TS_EVENT, TS_RECV, ACTION, SIDE, ORDER_ID, PRICE, SIZE, FLAGS, REASON = range(10)
ROW_FIELDS = 10
#: Further rows of it where the source states the book.
BID_PX, BID_SZ, ASK_PX, ASK_SZ, BID_DEPTH, ASK_DEPTH = range(10, 16)
BOOK_FIELDS = 16


@njit(**INNER)
def put(
    rows: np.ndarray,
    at: int,
    records: np.ndarray,
    i: int,
    code: int,
    action: int,
    side: int,
    order: int,
    price: int,
    size: int,
) -> int:
    """Write a row at ``at``, with the stamps and flags of record ``i``; returns ``at + 1``.

    A stamp that is not defined is taken from the other clock. Every row is partial at first; the last one of an event
    loses that later.
    """
    ts_event, ts_recv = records[IN_EVENT, i], records[IN_RECV, i]
    if ts_event < 0:
        ts_event = max(ts_recv, np.int64(0))
    if ts_recv < 0:
        ts_recv = ts_event
    rows[INSTRUMENT, at] = code
    rows[TS_EVENT, at] = ts_event
    rows[TS_RECV, at] = ts_recv
    rows[ACTION, at] = action
    rows[SIDE, at] = side
    rows[ORDER_ID, at] = order
    rows[PRICE, at] = price
    rows[SIZE, at] = size
    rows[FLAGS, at] = PARTIAL | (SNAPSHOT if records[IN_FLAGS, i] & FROM_SNAPSHOT else 0)
    rows[REASON, at] = 0
    return at + 1


@njit(**INNER)
def put_rejected(rows: np.ndarray, at: int, records: np.ndarray, i: int, code: int, unit: int, reason: int) -> int:
    """Write the row of a record that cannot be placed; see `put`."""
    action, side = records[IN_ACTION, i], records[IN_SIDE, i]
    known = action if 0 <= action < NO_ACTION else TRADE
    price = np.int64(0) if records[IN_PRICE, i] == UNDEFINED_PRICE else records[IN_PRICE, i] // unit
    end = put(
        rows, at, records, i, code, known, side if side >= 0 else NO_SIDE, np.int64(0), price, records[IN_SIZE, i]
    )
    rows[REASON, at] = reason
    return end


@njit(**INNER)
def mark_end(rows: np.ndarray, last_row: np.ndarray, code: int, first: int, at: int, last: bool) -> None:
    """Note the rows ``first`` to ``at`` of an instrument; where they end an event, its last row is no longer partial.

    Args:
        rows: The rows.
        last_row: Last row of each instrument's event under way, -1 where there is none; kept.
        code: The instrument.
        first: First new row.
        at: Behind the last new row.
        last: Whether the event ends here.
    """
    if at > first:
        last_row[code] = at - 1
    if last:
        if last_row[code] >= 0:
            rows[FLAGS, last_row[code]] &= ~PARTIAL
        last_row[code] = -1


@njit(**INNER)
def mark_gap(rows: np.ndarray, bad: np.ndarray, code: int, first: int, at: int, doubtful: bool) -> None:
    """Mark the first row since the source began to doubt an instrument's book; ``bad`` keeps whether it did."""
    if not doubtful:
        bad[code] = 0
    elif not bad[code] and at > first:
        bad[code] = 1
        rows[FLAGS, first] |= GAP


@njit(**INNER)
def unplaceable(records: np.ndarray, i: int, action: int, side: int) -> int:
    """Why a record cannot be placed, 0 where it can; cancels and clears need no price."""
    if action < 0:
        return UNKNOWN_ACTION
    if side < 0 or (action == ADD and side == NO_SIDE):
        return UNKNOWN_SIDE
    if records[IN_EVENT, i] < 0 and records[IN_RECV, i] < 0:
        return NO_STAMP
    priced = action in (ADD, MODIFY, TRADE, FILL)
    if priced and records[IN_PRICE, i] == UNDEFINED_PRICE:
        return NO_PRICE
    return 0
