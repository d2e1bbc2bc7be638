"""Bars of the training window and of the date itself, for models that read several days of them.

Here: reading and naming parents. Not here: what is made of the bars (assets/volatility.py, assets/risk.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assets.partitions import StudyPartitions
from assets.store import StudyStore
from assets.universe import universe_of
from feeds.errors import InsufficientDataError

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class BarsWindow:
    """Bars by instrument-day.

    Attributes:
        days: One frame of BARS with ``symbol`` and ``date`` an instrument-day, by date and instrument.
        parents: Manifest ids of the bars.
        dates: Dates found, ascending.
    """

    days: tuple[pl.DataFrame, ...]
    parents: tuple[str, ...]
    dates: list[str]


def bars_window(store: StudyStore, date: str) -> BarsWindow:
    """Bars of the dates a model of ``date`` is trained on, and of ``date``, of each date's universe.

    Raises:
        InsufficientDataError: There are none.
    """
    import polars as pl

    lake = store.lake
    dates = sorted({*StudyPartitions(store.config).training_dates(date), date} & set(lake.dates("bars")))
    keys = [
        (day, symbol)
        for day in dates
        for symbol in universe_of(lake, store.config, day).included
        if lake.exists("bars", day, symbol)
    ]
    if not keys:
        raise InsufficientDataError(
            f"window of bars of {date}", received="no bars", remedy="Materialise bars for the date first."
        )
    days = tuple(
        lake.read("bars", day, symbol).with_columns(pl.lit(symbol).alias("symbol"), pl.lit(day).alias("date"))
        for day, symbol in keys
    )
    return BarsWindow(days, tuple(lake.manifest("bars", day, symbol).id for day, symbol in keys), dates)
