"""Point-in-time windows of headlines and signals: what was known by the end of a date.

Here: selecting and mapping rows. Not here: file formats (feeds/adapters/daily_csv.py), joins (models/feature_table.py).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import polars as pl

from feeds.adapters import DAILY_ADAPTERS
from feeds.adapters.base import FileInfo
from feeds.schema import empty

_NS_PER_DAY = 86_400_000_000_000
_EPOCH = dt.date(1970, 1, 1)


def day_bounds_ns(date: str) -> tuple[int, int]:
    """Start and end of a UTC date, ns UTC."""
    start = (dt.date.fromisoformat(date) - _EPOCH).days * _NS_PER_DAY
    return start, start + _NS_PER_DAY


def headlines_for(
    files: Sequence[FileInfo], date: str, ticker_to_ids: Mapping[str, Sequence[str]], lookback_days: int = 7
) -> pl.DataFrame:
    """Headlines known by the end of ``date`` and at most ``lookback_days`` before its start.

    Args:
        files: Files of headlines.
        date: ISO date, UTC.
        ticker_to_ids: Instruments a ticker stands for; headlines of other tickers are left out. ``*`` stays ``*``.
        lookback_days: Length of the window before the date.

    Returns:
        HEADLINES, one row per headline and instrument, by (available_at, symbol, text_id), without repeats.
    """
    start, end = day_bounds_ns(date)
    mapping = {ticker: list(ids) for ticker, ids in ticker_to_ids.items()} | {"*": ["*"]}
    inside = pl.col("available_at").is_between(start - lookback_days * _NS_PER_DAY, end, closed="left")
    frames = [DAILY_ADAPTERS[info.format].read(info.path).filter(inside) for info in files]
    frame = pl.concat([empty("headlines"), *frames]).filter(pl.col("symbol").is_in(list(mapping)))
    named = pl.Series([mapping[ticker] for ticker in frame["symbol"].to_list()], dtype=pl.List(pl.String))
    return (
        frame.with_columns(named.alias("symbol"))
        .explode("symbol")
        .unique(["text_id", "symbol", "published_at"], keep="first", maintain_order=True)
        .sort("available_at", "symbol", "text_id")
    )


def signals_for(files: Sequence[FileInfo], date: str) -> pl.DataFrame:
    """Values that became known on ``date``, and per (symbol, name) the latest one before it.

    Where two rows state one value of one time that became known at once, the one of the later file counts.

    Args:
        files: Files of signals, a correction after what it corrects.
        date: ISO date, UTC.

    Returns:
        EXTERNAL_SIGNALS by (available_at, symbol, name).
    """
    start, end = day_bounds_ns(date)
    frames = [DAILY_ADAPTERS[info.format].read(info.path) for info in files]
    frame = pl.concat([empty("external_signals"), *frames]).filter(pl.col("available_at") < end)
    key = ["available_at", "effective_at", "symbol", "name"]
    frame = frame.unique(key, keep="last", maintain_order=True).sort(key)
    before = frame.filter(pl.col("available_at") < start).unique(["symbol", "name"], keep="last", maintain_order=True)
    return pl.concat([before, frame.filter(pl.col("available_at") >= start)]).sort(
        "available_at", "symbol", "name", maintain_order=True
    )
