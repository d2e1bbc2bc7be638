"""From a table of order events to the displayed book after each of them.

The table is replayed on the ladder of sim/ladder_book.py. The general book of sim/book.py gives the same columns and
the same statistics at twice the cost a row; tests hold the two against each other.

Here: `with_book`, and one event applied to a general book. Not here: the books, which rows are replayed
(feeds/cleaning).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numba import njit

from feeds.errors import InsufficientDataError
from feeds.schema import ACTION_CODE, SIDE_CODE, conform
from sim.book import WITNESSES, add, cancel, clear, evict_contradicted, fill, modify, note_trade, trade_through
from sim.book_state import PENDING_ORDERS as WAITING
from sim.book_state import Book
from sim.fast_replay_l3 import OrderReplay
from sim.ladder_state import (
    DUPLICATE_IDS,
    EVER_PENDING,
    EVICTED_ORDERS,
    LONGEST_PENDING_NS,
    MOST_ORDERS,
    PENDING_ORDERS,
    UNKNOWN_IDS,
)
from sim.tape_checks import TAPE

BOOK_COLUMNS = ("bid_px", "bid_sz", "ask_px", "ask_sz", "bid_depth", "ask_depth")
_ADD, _MODIFY, _CANCEL = ACTION_CODE["A"], ACTION_CODE["M"], ACTION_CODE["C"]
_FILL, _TRADE, _CLEAR = ACTION_CODE["F"], ACTION_CODE["T"], ACTION_CODE["R"]
_NO_SIDE = SIDE_CODE["N"]
assert (SIDE_CODE["B"], SIDE_CODE["A"]) == (0, 1), "sim.book numbers the sides as the schema does"


@dataclass(frozen=True)
class BookStats:
    """What the replay met.

    Attributes:
        rows: Events replayed.
        unknown_ids: Changes to orders the book never saw; they change nothing.
        duplicate_ids: Additions of an id that was live; the first one stands.
        pending_orders: Orders that reached the opposite best on arrival.
        pending_at_end: Of these, still undisplayed at the end.
        longest_pending_ns: Longest uninterrupted time with an undisplayed order, venue time.
        evicted_orders: Orders removed because later events prove them gone (see sim/book.py).
        crossed_rows: Rows after which best bid >= best ask; 0 by construction, counted because it is promised.
        one_sided_rows: Rows after which a side is empty.
        most_orders: Most orders live at once.
    """

    rows: int
    unknown_ids: int
    duplicate_ids: int
    pending_orders: int
    pending_at_end: int
    longest_pending_ns: int
    evicted_orders: int
    crossed_rows: int
    one_sided_rows: int
    most_orders: int


def with_book(kept: pl.DataFrame, levels: int = 10, source: object = TAPE) -> tuple[pl.DataFrame, BookStats]:
    """Replay order events in the order of the rows.

    Args:
        kept: RAW_TICKS rows in source order, opening snapshot included.
        levels: Occupied levels a side that ``bid_depth`` and ``ask_depth`` sum over.
        source: What errors call the rows: their file or partition.

    Returns:
        The same rows with the book columns as they stand *after* each row (0: empty side), and statistics.

    Raises:
        InsufficientDataError: ``levels`` is not positive, or an addition is on neither side.
        CorruptTapeError: The rows are what no source can have told.
    """
    if levels < 1:
        raise InsufficientDataError("book depth", received=f"{levels} levels", expected="at least 1")
    replay = OrderReplay(source)
    tops, depths = replay.book_columns(kept, levels)
    columns = [np.ascontiguousarray(column) for column in (*tops.T, *depths.T)]
    filled = kept.with_columns(pl.Series(name, column) for name, column in zip(BOOK_COLUMNS, columns, strict=True))
    return conform(filled, "raw_ticks"), _stats(replay.ladder.state, columns)


def _stats(state: np.ndarray, columns: list[np.ndarray]) -> BookStats:
    bid, ask = columns[0], columns[2]
    return BookStats(
        rows=bid.size,
        unknown_ids=int(state[UNKNOWN_IDS]),
        duplicate_ids=int(state[DUPLICATE_IDS]),
        pending_orders=int(state[EVER_PENDING]),
        pending_at_end=int(state[PENDING_ORDERS]),
        longest_pending_ns=int(state[LONGEST_PENDING_NS]),
        evicted_orders=int(state[EVICTED_ORDERS]),
        crossed_rows=int(((bid >= ask) & (bid > 0) & (ask > 0)).sum()),
        one_sided_rows=int(((bid == 0) | (ask == 0)).sum()),
        most_orders=int(state[MOST_ORDERS]),
    )


@njit(cache=True)
def apply(book: Book, action: int, side: int, order_id: int, price: int, size: int, ts_ns: int) -> None:
    """Apply one event in the schema's codes; a trade only removes what it proves gone, quotes and halts nothing."""
    if action == _ADD:
        add(book, order_id, side, price, size, ts_ns)
    elif action == _MODIFY:
        modify(book, order_id, price, size, ts_ns)
    elif action == _CANCEL:
        cancel(book, order_id, size)
    elif action == _FILL:
        fill(book, order_id, size)
    elif action == _TRADE and side != _NO_SIDE:
        trade_through(book, side, price, ts_ns)
    elif action == _CLEAR:
        clear(book)
    if action in (_FILL, _TRADE):
        note_trade(book, ts_ns)
    if book.counters[WAITING] >= WITNESSES:
        evict_contradicted(book, ts_ns)
