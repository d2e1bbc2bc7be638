"""From a table of order events to the displayed book after each of them.

Here: `with_book`. Not here: the book (sim/book.py), which rows are replayed (feeds/cleaning).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numba import njit

from feeds.errors import InsufficientDataError
from feeds.schema import ACTION_CODE, SIDE_CODE, conform
from sim.book import (
    WITNESSES,
    add,
    best_price,
    best_size,
    cancel,
    clear,
    depth,
    evict_contradicted,
    fill,
    modify,
    trade_through,
)
from sim.book_state import (
    BID,
    DUPLICATE_IDS,
    EVER_PENDING,
    EVICTED_ORDERS,
    FREE_SLOTS,
    PENDING_ORDERS,
    REFUSED_ORDERS,
    UNKNOWN_IDS,
    Book,
    new_book,
)

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


def with_book(kept: pl.DataFrame, levels: int = 10) -> tuple[pl.DataFrame, BookStats]:
    """Replay order events in the order of the rows.

    Args:
        kept: RAW_TICKS rows in source order, opening snapshot included.
        levels: Occupied levels a side that ``bid_depth`` and ``ask_depth`` sum over.

    Returns:
        The same rows with the book columns as they stand *after* each row (0: empty side), and statistics.

    Raises:
        InsufficientDataError: ``levels`` is not positive.
    """
    if levels < 1:
        raise InsufficientDataError("book depth", received=f"{levels} levels", expected="at least 1")
    adds = int((kept["action"] == "A").sum())
    book = new_book(max_orders=adds)
    out = np.zeros((len(BOOK_COLUMNS), kept.height), np.int64)
    action, side = (kept[name].to_physical().cast(pl.Int64).to_numpy() for name in ("action", "side"))
    order_id, price, size, ts_ns = (kept[name].to_numpy() for name in ("order_id", "price", "size", "ts_event"))
    longest_pending_ns, most_orders = replay(book, action, side, order_id, price, size, ts_ns, levels, out)
    stats = BookStats(
        rows=kept.height,
        unknown_ids=int(book.counters[UNKNOWN_IDS]),
        duplicate_ids=int(book.counters[DUPLICATE_IDS]),
        pending_orders=int(book.counters[EVER_PENDING]),
        pending_at_end=int(book.counters[PENDING_ORDERS]),
        longest_pending_ns=int(longest_pending_ns),
        evicted_orders=int(book.counters[EVICTED_ORDERS]),
        crossed_rows=int(((out[0] >= out[2]) & (out[0] > 0) & (out[2] > 0)).sum()),
        one_sided_rows=int(((out[0] == 0) | (out[2] == 0)).sum()),
        most_orders=int(most_orders),
    )
    assert book.counters[REFUSED_ORDERS] == 0, "the book has a slot for every addition"
    filled = kept.with_columns(pl.Series(name, out[i]) for i, name in enumerate(BOOK_COLUMNS))
    return conform(filled, "raw_ticks"), stats


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
    if book.counters[PENDING_ORDERS] >= WITNESSES:
        evict_contradicted(book, ts_ns)


@njit(cache=True)
def replay(
    book: Book,
    action: np.ndarray,
    side: np.ndarray,
    order_id: np.ndarray,
    price: np.ndarray,
    size: np.ndarray,
    ts_ns: np.ndarray,
    levels: int,
    out: np.ndarray,
) -> tuple[int, int]:
    """Apply events (n,) to ``book`` and write the book columns (6, n) after each.

    Returns:
        Longest time with a pending order in ns, and the most orders live at once.
    """
    longest, most, pending_since = 0, 0, -1
    for i in range(action.size):
        apply(book, action[i], side[i], order_id[i], price[i], size[i], ts_ns[i])
        for s in range(2):
            out[2 * s, i] = best_price(book, BID + s)
            out[2 * s + 1, i] = best_size(book, BID + s)
            out[4 + s, i] = depth(book, BID + s, levels)
        most = max(most, book.free.size - book.counters[FREE_SLOTS])
        if book.counters[PENDING_ORDERS] == 0:
            pending_since = -1
        elif pending_since < 0:
            pending_since = ts_ns[i]
        else:
            longest = max(longest, ts_ns[i] - pending_since)
    return longest, most
