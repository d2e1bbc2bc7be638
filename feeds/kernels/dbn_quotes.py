"""Compiled mapping of Databento's records of trades and of the best bid and offer.

A trade is a ``T``; any other change of the best bid and offer a ``Q`` of the side that changed, with what this side is
then (0 x 0: nothing), or one of each side where the record names none. Where records state the book it is that after
the record; of a trade that is the book it met, as the removal of what traded is a record of its own. ``tbbo`` keeps
the trades only: its books are those the trades met.

Here: the kernels. Not here: records (dbn_walk.py), ten levels (dbn_levels.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from feeds.kernels.dbn_rows import (
    ASK,
    ASK_DEPTH,
    ASK_PX,
    ASK_SZ,
    BID,
    BID_DEPTH,
    BID_PX,
    BID_SZ,
    CLEAR,
    IN_ACTION,
    IN_CODE,
    IN_FLAGS,
    IN_PRICE,
    IN_SIDE,
    IN_SIZE,
    LAST,
    MAYBE_BAD_BOOK,
    NO_ACTION,
    NO_SIDE,
    QUOTE,
    TRADE,
    UNDEFINED_PRICE,
    mark_end,
    mark_gap,
    put,
    put_rejected,
    unplaceable,
)
from feeds.kernels.options import ENTRY, INNER


@njit(**ENTRY)
def fold_trades(
    records: np.ndarray, unit: int, last_row: np.ndarray, bad: np.ndarray, rows: np.ndarray
) -> tuple[int, int]:
    """Turn records of trades into rows.

    Args:
        records: Fields of the records, ``(RECORD_FIELDS, n)``.
        unit: Units of 1e-9 in one unit of the rows' prices.
        last_row: See `mark_end`.
        bad: See `mark_gap`.
        rows: Receives the rows, ``(ROW_FIELDS, n)``.

    Returns:
        ``(rows, records that make none)``.
    """
    at, silent = 0, 0
    last_row[:] = -1
    for i in range(records.shape[1]):
        code = records[IN_CODE, i]
        first = at
        if records[IN_ACTION, i] == NO_ACTION:
            silent += 1
        else:
            at = put_trade(records, i, code, unit, rows, at)
        mark_gap(rows, bad, code, first, at, records[IN_FLAGS, i] & MAYBE_BAD_BOOK != 0)
        mark_end(rows, last_row, code, first, at, records[IN_FLAGS, i] & LAST != 0)
    return at, silent


@njit(**ENTRY)
def fold_quotes(
    records: np.ndarray,
    levels: np.ndarray,
    unit: int,
    last_row: np.ndarray,
    bad: np.ndarray,
    rows: np.ndarray,
) -> tuple[int, int]:
    """Turn records with the best bid and offer into rows, ``(BOOK_FIELDS, 3 n)``; see `fold_trades`, `state_book`."""
    at, silent = 0, 0
    last_row[:] = -1
    for i in range(records.shape[1]):
        code = records[IN_CODE, i]
        action, side = records[IN_ACTION, i], records[IN_SIDE, i]
        first = at
        if action == NO_ACTION:
            silent += 1
        elif action == TRADE or action < 0:
            at = put_trade(records, i, code, unit, rows, at)
        else:
            at = _quotes(records, levels, i, code, action, side, unit, rows, at)
        state_book(levels, i, unit, 1, rows, first, at)
        mark_gap(rows, bad, code, first, at, records[IN_FLAGS, i] & MAYBE_BAD_BOOK != 0)
        mark_end(rows, last_row, code, first, at, records[IN_FLAGS, i] & LAST != 0)
    return at, silent


@njit(**INNER)
def state_book(levels: np.ndarray, i: int, unit: int, depth: int, rows: np.ndarray, first: int, end: int) -> None:
    """Write the book a record states to the rows ``first`` to ``end``.

    Args:
        levels: Four numbers a level, the best first: price of the bid, of the ask, their sizes (the bid's in the lower
            half), counts; int64 of shape ``(n, 4 * depth)``.
        i: The record.
        unit: Units of 1e-9 in one unit of the rows' prices.
        depth: Levels.
        rows: Receives the book; ``(BOOK_FIELDS, n)``.
        first: First row.
        end: Behind the last row.
    """
    bid_depth, ask_depth = np.int64(0), np.int64(0)
    for k in range(depth):
        bid_depth += level_of(levels, i, BID, k)[1]
        ask_depth += level_of(levels, i, ASK, k)[1]
    bid, bid_size = level_of(levels, i, BID, 0)
    ask, ask_size = level_of(levels, i, ASK, 0)
    for at in range(first, end):
        rows[BID_PX, at] = price_of(bid, unit)
        rows[BID_SZ, at] = bid_size
        rows[ASK_PX, at] = price_of(ask, unit)
        rows[ASK_SZ, at] = ask_size
        rows[BID_DEPTH, at] = bid_depth
        rows[ASK_DEPTH, at] = ask_depth


@njit(**INNER)
def level_of(levels: np.ndarray, i: int, side: int, k: int) -> tuple[int, int]:
    """``(price, size)`` of a level of record ``i``; one without size or price is none: undefined price, size 0."""
    size = (levels[i, 4 * k + 2] >> (32 if side == ASK else 0)) & 0xFFFFFFFF
    price = levels[i, 4 * k + (1 if side == ASK else 0)]
    if size == 0 or price == UNDEFINED_PRICE:
        return UNDEFINED_PRICE, 0
    return price, size


@njit(**INNER)
def price_of(stated: int, unit: int) -> int:
    """A price in the rows' unit, 0 where none is defined."""
    return 0 if stated == UNDEFINED_PRICE else stated // unit


@njit(**INNER)
def put_trade(records: np.ndarray, i: int, code: int, unit: int, rows: np.ndarray, at: int) -> int:
    """Write the row of a trade, rejected where it cannot be placed."""
    side = records[IN_SIDE, i]
    action = TRADE if records[IN_ACTION, i] == TRADE else -1
    reason = unplaceable(records, i, action, side)
    if reason:
        return put_rejected(rows, at, records, i, code, unit, reason)
    return put(rows, at, records, i, code, TRADE, side, np.int64(0), records[IN_PRICE, i] // unit, records[IN_SIZE, i])


@njit(**INNER)
def _quotes(
    records: np.ndarray,
    levels: np.ndarray,
    i: int,
    code: int,
    action: int,
    side: int,
    unit: int,
    rows: np.ndarray,
    at: int,
) -> int:
    """Write the rows of a record that is no trade: a clear, and the sides it may have changed."""
    reason = unplaceable(records, i, CLEAR, side)
    if reason:
        return put_rejected(rows, at, records, i, code, unit, reason)
    if action == CLEAR:
        at = put(rows, at, records, i, code, CLEAR, NO_SIDE, np.int64(0), np.int64(0), np.int64(0))
    for quoted in range(2):
        if side in (quoted, NO_SIDE):
            price, size = level_of(levels, i, quoted, 0)
            at = put(rows, at, records, i, code, QUOTE, quoted, np.int64(0), price_of(price, unit), size)
    return at
