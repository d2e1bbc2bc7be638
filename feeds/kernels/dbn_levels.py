"""Compiled mapping of Databento's records of ten price levels to a feed of levels.

Every record states the ten best levels of both sides after it (of a trade: those it met). What differs from the record
before becomes ``L`` rows, those with size 0 first, so that the sides do not cross on the way; a trade is a ``T``
before them. The rows of a record state the book as it stands after the last of them.

The view is the book: a price that leaves the ten levels gets size 0, whether it was cancelled or pushed out by better
ones, and its size again when it comes back. The first record of an instrument is written as an ``R`` and all its
levels, all FLAG_SNAPSHOT.

Here: the kernels. Not here: records (dbn_walk.py), the best level alone (dbn_quotes.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from feeds.kernels.dbn_quotes import level_of, price_of, put_trade, state_book
from feeds.kernels.dbn_rows import (
    ASK,
    BID,
    CLEAR,
    FLAGS,
    IN_ACTION,
    IN_CODE,
    IN_FLAGS,
    IN_SIDE,
    LAST,
    LEVEL,
    MAYBE_BAD_BOOK,
    NO_SIDE,
    SNAPSHOT,
    TRADE,
    UNDEFINED_PRICE,
    mark_end,
    mark_gap,
    put,
    put_rejected,
    unplaceable,
)
from feeds.kernels.options import ENTRY, INNER

LEVELS = 10
#: Most rows a record may become: a trade or clear, and every level of both sides gone and another one come.
MOST_ROWS = 1 + 4 * LEVELS
_PRICE, _SIZE = 0, 1


def new_view(instruments: int) -> tuple[np.ndarray, np.ndarray]:
    """``(view, seen)``: levels shown, int64 of shape ``(instruments, 2, 10, 2)``, and whether there was a record."""
    view = np.zeros((instruments, 2, LEVELS, 2), np.int64)
    view[:, :, :, _PRICE] = UNDEFINED_PRICE
    return view, np.zeros(instruments, np.uint8)


@njit(**ENTRY)
def fold_levels(
    records: np.ndarray,
    levels: np.ndarray,
    unit: int,
    view: np.ndarray,
    seen: np.ndarray,
    last_row: np.ndarray,
    bad: np.ndarray,
    rows: np.ndarray,
) -> tuple[int, int]:
    """Turn records into rows.

    Args:
        records: Fields of the records, ``(RECORD_FIELDS, n)``.
        levels: Their levels, see `state_book`.
        unit: Units of 1e-9 in one unit of the rows' prices.
        view: See `new_view`; kept.
        seen: See `new_view`; kept.
        last_row: See `mark_end`.
        bad: See `mark_gap`.
        rows: Receives the rows, ``(BOOK_FIELDS, n * MOST_ROWS)``.

    Returns:
        ``(rows, records that make none)``.
    """
    at, silent = 0, 0
    last_row[:] = -1
    for i in range(records.shape[1]):
        code = records[IN_CODE, i]
        action = records[IN_ACTION, i]
        first = at
        reason = unplaceable(records, i, CLEAR if action >= 0 else action, records[IN_SIDE, i])
        if reason:
            at = put_rejected(rows, at, records, i, code, unit, reason)
        else:
            if action == TRADE:
                at = put_trade(records, i, code, unit, rows, at)
            at = _changes(records, levels, i, code, action == CLEAR, unit, view, seen, rows, at)
        if at == first:
            silent += 1
        state_book(levels, i, unit, LEVELS, rows, first, at)
        mark_gap(rows, bad, code, first, at, records[IN_FLAGS, i] & MAYBE_BAD_BOOK != 0)
        mark_end(rows, last_row, code, first, at, records[IN_FLAGS, i] & LAST != 0)
    return at, silent


@njit(**INNER)
def _changes(
    records: np.ndarray,
    levels: np.ndarray,
    i: int,
    code: int,
    clear: bool,
    unit: int,
    view: np.ndarray,
    seen: np.ndarray,
    rows: np.ndarray,
    at: int,
) -> int:
    """Rows that take the levels shown to those of a record."""
    first = at
    opening = not seen[code]
    seen[code] = 1
    if opening or clear:
        at = put(rows, at, records, i, code, CLEAR, NO_SIDE, np.int64(0), np.int64(0), np.int64(0))
        view[code, :, :, _PRICE] = UNDEFINED_PRICE
    for side in range(2):
        at = _gone(records, levels, i, code, side, unit, view[code, side], rows, at)
    for side in range(2):
        at = _come(records, levels, i, code, side, unit, view[code, side], rows, at)
    if opening:
        for row in range(first, at):
            rows[FLAGS, row] |= SNAPSHOT
    return at


@njit(**INNER)
def _gone(
    records: np.ndarray,
    levels: np.ndarray,
    i: int,
    code: int,
    side: int,
    unit: int,
    shown: np.ndarray,
    rows: np.ndarray,
    at: int,
) -> int:
    """Rows of levels that are shown (price, size; shape ``(10, 2)``) and not in the record."""
    for k in range(LEVELS):
        price = shown[k, _PRICE]
        if price == UNDEFINED_PRICE:
            continue
        found = False
        for j in range(LEVELS):
            if level_of(levels, i, side, (k + j) % LEVELS)[0] == price:
                found = True
                break
        if not found:
            at = put(rows, at, records, i, code, LEVEL, side, np.int64(0), price_of(price, unit), np.int64(0))
    return at


@njit(**INNER)
def _come(
    records: np.ndarray,
    levels: np.ndarray,
    i: int,
    code: int,
    side: int,
    unit: int,
    shown: np.ndarray,
    rows: np.ndarray,
    at: int,
) -> int:
    """Rows of levels of the record that are not shown so, and show them."""
    for k in range(LEVELS):
        price, size = level_of(levels, i, side, k)
        if price == UNDEFINED_PRICE:
            continue
        same = False
        for j in range(LEVELS):
            at_level = (k + j) % LEVELS
            if shown[at_level, _PRICE] == price:
                same = shown[at_level, _SIZE] == size
                break
        if not same:
            at = put(rows, at, records, i, code, LEVEL, side, np.int64(0), price_of(price, unit), size)
    for k in range(LEVELS):
        shown[k, _PRICE], shown[k, _SIZE] = level_of(levels, i, side, k)
    return at


assert (BID, ASK) == (0, 1), "the kernel indexes sides by their code"
