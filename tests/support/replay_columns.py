"""The book columns of a table of order events, by the general book of sim/book.py.

`sim.replay.with_book` tells the same from a book made for replaying; this one is searched order by order and level by
level, shares no code with it, and is what it is held against.

Here: `book_columns`. Not here: the book (sim/book.py), one event (`sim.replay.apply`).
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numba import njit

from sim.book import best_price, best_size, depth
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
from sim.replay import BOOK_COLUMNS, BookStats, apply


def book_columns(kept: pl.DataFrame, levels: int = 10) -> tuple[np.ndarray, BookStats]:
    """Replay order events in the order of the rows.

    Args:
        kept: RAW_TICKS rows in source order, additions on a side.
        levels: Occupied levels a side that depths sum over.

    Returns:
        (6, n) int64, `BOOK_COLUMNS` after each row, and statistics.
    """
    book = new_book(max_orders=int((kept["action"] == "A").sum()))
    out = np.zeros((len(BOOK_COLUMNS), kept.height), np.int64)
    action, side = (kept[name].to_physical().cast(pl.Int64).to_numpy() for name in ("action", "side"))
    order_id, price, size, ts_ns = (kept[name].to_numpy() for name in ("order_id", "price", "size", "ts_event"))
    longest_pending_ns, most_orders = replay(book, action, side, order_id, price, size, ts_ns, levels, out)
    assert book.counters[REFUSED_ORDERS] == 0, "the book has a slot for every addition"
    return out, BookStats(
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


@njit
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
