"""A tape of single orders made flat: its book is replayed once, with every change of a queue written down.

The book is that of sim/book.py, pending orders, evictions and clears included, kept in line with the best prices the
rows state (sim/tape_rows.py).

Here: `prepare_tape`. Not here: tapes of levels (sim/tape_levels.py), what is built from changes (sim/tape_build.py).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from feeds.schema import RAW_TICKS
from sim.book_state import LOG_COLUMNS, LOG_LINES, LOG_LOTS, LOG_PRICE, LOG_SIDE, Book, new_book
from sim.order_numbers import number_ids
from sim.tape_build import Changes, FlatTape, build_tape, executions_of
from sim.tape_rows import (
    CORRECTED,
    N_COUNTS,
    NOT_STATED,
    ROW_ACTION,
    ROW_BID_PX,
    ROW_COLUMNS,
    ROW_EVENT,
    ROW_HIT,
    ROW_ORDER,
    ROW_PRICE,
    ROW_SIDE,
    ROW_SIZE,
    ROW_TS,
    UNKNOWN,
    log_rows,
)
from sim.tape_sums import clock_of, quoted_rows

#: Lines the log of the book is emptied at, at the latest.
_LINES = 1 << 17
_STATED = ("bid_px", "bid_sz", "ask_px", "ask_sz")


def prepare_tape(tape: pl.DataFrame) -> FlatTape:
    """Make a tape of single orders ready for replay.

    Args:
        tape: RAW_TICKS rows in source order, opening snapshot included, with the best bid and ask after each row
            (`sim.replay.with_book`, or as the source states them; null where it does not).

    Raises:
        InsufficientDataError: The tape is empty, or no row of it states a two-sided book.
    """
    quoted_rows(tape)
    rows, orders = _rows(tape)
    # One slot an addition and one a stated price: more cannot be in the book at once.
    prices = sum(tape[name].n_unique() for name in ("bid_px", "ask_px"))
    most = int((tape["action"] == "A").sum()) + prices
    book, counts = new_book(most, log_lines=min(_LINES, 4 * most + 64)), np.zeros(N_COUNTS, np.int64)
    changes = _changes(book, orders, counts, rows)
    executions = executions_of(tape, rows[:, ROW_HIT])
    return build_tape(tape, changes, executions, int(counts[CORRECTED]))


def _changes(book: Book, orders: int, counts: np.ndarray, rows: np.ndarray) -> Changes:
    """Replay all rows; the log is emptied, and grows where a single row would not fit."""
    n, entered = rows.shape[0], np.full(orders, UNKNOWN, np.int64)
    log_entered, pieces = np.zeros(len(book.log), np.int64), list[Changes]()
    first, row, told = np.zeros(n + 1, np.int64), 0, 0
    while row < n:
        reached = log_rows(book, entered, counts, rows, row, first, log_entered)
        if reached == row:
            log_entered = np.zeros(2 * len(book.log), np.int64)
            book = book._replace(log=np.zeros((log_entered.size, LOG_COLUMNS), np.int64))
            continue
        lines = int(book.counters[LOG_LINES])
        first[row + 1 : reached + 1] += told
        pieces.append(_piece(book.log[:lines], log_entered[:lines]))
        told, row, book.counters[LOG_LINES] = told + lines, reached, 0
    return Changes(first, *(np.concatenate(part) for part in zip(*(piece[1:] for piece in pieces), strict=True)))


def _piece(lines: np.ndarray, entered: np.ndarray) -> Changes:
    """Columns of a piece of the log, their own memory."""
    return Changes(
        first=np.zeros(0, np.int64),
        side=lines[:, LOG_SIDE].astype(np.uint8),
        price=lines[:, LOG_PRICE].copy(),
        lots=lines[:, LOG_LOTS].copy(),
        entered=entered.astype(np.int32),
    )


def _rows(tape: pl.DataFrame) -> tuple[np.ndarray, int]:
    """The table of rows, `ROW_HIT` still unknown, and the number of different order ids."""
    missing = sorted(set(RAW_TICKS) - set(tape.columns))
    assert not missing, f"a tape has the columns of RAW_TICKS; missing {missing}"
    # A column of the table is one of memory: each is copied once, and read from its beginning to its end.
    table = np.empty((ROW_COLUMNS, tape.height), np.int64)
    table[ROW_TS] = clock_of(tape)
    for at, name in ((ROW_EVENT, "ts_event"), (ROW_PRICE, "price"), (ROW_SIZE, "size")):
        table[at] = tape[name].to_numpy()
    for at, name in ((ROW_ACTION, "action"), (ROW_SIDE, "side")):
        table[at] = tape[name].to_physical().to_numpy()
    for at, name in enumerate(_STATED, ROW_BID_PX):
        table[at] = tape[name].fill_null(NOT_STATED).to_numpy()
    table[ROW_HIT] = UNKNOWN
    ids = np.ascontiguousarray(tape["order_id"].to_numpy(), np.int64)
    return table.T, number_ids(ids, table[ROW_ORDER])
