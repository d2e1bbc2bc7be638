"""From a table of level changes to the book after each of them.

Here: frames in, frames out. Not here: the fold (feeds/kernels/level_book.py), which rows count (pipeline.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from feeds.adapters.base import BOOK_COLUMNS
from feeds.errors import InsufficientDataError
from feeds.schema import conform


@dataclass(frozen=True)
class LevelStats:
    """What the fold met.

    Attributes:
        crossed_rows: Rows that end an event with the best bid above the best ask.
        ignored_levels: Levels the venue's own best quote contradicted.
        overruled_levels: Levels that such a quote removed.
        withdrawn_levels: Levels withdrawn because a cross lasted.
        most_levels: Most levels of a side at once.
    """

    crossed_rows: int
    ignored_levels: int
    overruled_levels: int
    withdrawn_levels: int
    most_levels: int


def with_levels(kept: pl.DataFrame, levels: int = 10) -> tuple[pl.DataFrame, LevelStats]:
    """Fold ``L`` and ``R`` rows, and the ``Q`` rows of the same venue where there are any.

    Args:
        kept: RAW_TICKS rows in source order, opening snapshot included.
        levels: Occupied levels a side that ``bid_depth`` and ``ask_depth`` sum over.

    Returns:
        The same rows with the book columns as they stand *after* each row (prices in ticks, sizes and depths in lots,
        0: empty side), and statistics.

    Raises:
        InsufficientDataError: ``levels`` is not positive.
    """
    from feeds.kernels.level_book import N_COUNTS, fold_levels

    if levels < 1:
        raise InsufficientDataError("book depth", received=f"{levels} levels", expected="at least 1")
    action, side = (kept[name].to_physical().cast(pl.UInt8).to_numpy() for name in ("action", "side"))
    price, size, flags, ts_ns, recv_ns = (
        kept[name].to_numpy() for name in ("price", "size", "flags", "ts_event", "ts_recv")
    )
    setting = kept.filter(pl.col("action").is_in(["L", "Q"]) & (pl.col("size") > 0))
    # Untouched pages of an empty array cost nothing: the bound may be generous.
    keys, sizes = np.empty((2, 2, setting.height + 1), np.int64)
    counts = np.zeros(N_COUNTS, np.int64)
    out = np.empty((len(BOOK_COLUMNS), kept.height), np.int64)
    fold_levels(action, side, price, size, flags, ts_ns, recv_ns, levels, keys, sizes, counts, out)
    filled = kept.with_columns(pl.Series(name, out[i]) for i, name in enumerate(BOOK_COLUMNS))
    return conform(filled, "raw_ticks"), LevelStats(*counts.tolist())
