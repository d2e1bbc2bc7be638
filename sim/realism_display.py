"""Making a simulated tape say no more than the real one: the levels that a source shows, and nothing behind them.

A file of N levels holds the messages that touch the best N prices of a side, and depths summed over them. A simulated
tape holds every message; beside such a file it is first cut to what the file would have held.

Here: `displayed_levels`, `as_displayed`. Not here: statistics of either tape (sim/realism_stats.py).
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numba import njit

from feeds.schema import ACTION_CODE
from sim.book_levels import key_of, position_of
from sim.book_state import ASK, LEVELS, Book, new_book
from sim.compile_options import ENTRY
from sim.replay import BOOK_COLUMNS, apply

#: Levels that depth is summed over where a source shows all orders.
MOST_LEVELS = 10
_FILL = ACTION_CODE["F"]
#: Rows looked at to tell how many levels a source shows, and the share whose depth must agree.
_LOOKED_AT, _AGREEING = 40_000, 0.02


def displayed_levels(tape: pl.DataFrame) -> int:
    """How many levels of a side a tape shows, 1 to `MOST_LEVELS`.

    Its messages are replayed, and the number of levels is that whose summed depth agrees with the stated one most often
    in the second half of the rows; where hardly any does, all levels count as shown.

    Args:
        tape: RAW_TICKS rows in source order with book columns.
    """
    rows = tape.head(_LOOKED_AT)
    if not rows.height or rows.select((pl.col("bid_depth") == pl.col("bid_sz")).all()).item():
        return 1
    _, depths = _replayed(rows)
    half = rows.height // 2
    stated = rows["bid_depth"].fill_null(0).to_numpy()[half:]
    agreed = (depths[half:, 0, :] == stated[:, None]).mean(axis=0)
    return int(np.argmax(agreed)) + 1 if agreed.max() >= _AGREEING else MOST_LEVELS


def as_displayed(simulated: pl.DataFrame, levels: int) -> pl.DataFrame:
    """The rows of a complete tape that a source of ``levels`` levels would hold, with its depths.

    Args:
        simulated: RAW_TICKS rows from an opening snapshot on, every order in them.
        levels: 1 to `MOST_LEVELS`; at `MOST_LEVELS` nothing is cut.
    """
    if levels >= MOST_LEVELS:
        return simulated
    ranks, depths = _replayed(simulated)
    summed = (pl.Series(name, depths[:, side, levels - 1]) for side, name in enumerate(BOOK_COLUMNS[4:]))
    return simulated.with_columns(summed).filter(pl.Series(ranks < levels))


def _replayed(rows: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """(n,) levels better than the order's price before each row; (n, 2, `MOST_LEVELS`) depth after it."""
    adds = int((rows["action"] == "A").sum())
    action, side = (rows[name].to_physical().cast(pl.Int64).to_numpy() for name in ("action", "side"))
    order_id, price, size, ts_ns = (rows[name].to_numpy() for name in ("order_id", "price", "size", "ts_event"))
    ranks = np.zeros(rows.height, np.int64)
    depths = np.zeros((rows.height, 2, MOST_LEVELS), np.int64)
    _replay_ranks(new_book(max_orders=adds), action, side, order_id, price, size, ts_ns, ranks, depths)
    return ranks, depths


@njit(**ENTRY)
def _replay_ranks(
    book: Book,
    action: np.ndarray,
    side: np.ndarray,
    order_id: np.ndarray,
    price: np.ndarray,
    size: np.ndarray,
    ts_ns: np.ndarray,
    ranks: np.ndarray,
    depths: np.ndarray,
) -> None:
    for i in range(action.size):
        if side[i] <= ASK and action[i] <= _FILL:
            ranks[i] = _rank(book, side[i], price[i])
        apply(book, action[i], side[i], order_id[i], price[i], size[i], ts_ns[i])
        for s in range(2):
            total, count = 0, book.counters[LEVELS + s]
            for level in range(depths.shape[2]):
                if level < count:
                    total += book.level_size[s, count - 1 - level]
                depths[i, s, level] = total


@njit(**ENTRY)
def _rank(book: Book, side: int, price: int) -> int:
    """Levels of a side that are better than ``price``."""
    key = key_of(side, price)
    at = position_of(book, side, key)
    held = at < book.counters[LEVELS + side] and book.level_key[side, at] == key
    return book.counters[LEVELS + side] - at - (1 if held else 0)
