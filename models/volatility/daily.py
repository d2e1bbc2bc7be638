"""Daily realised variance: HAR over a day, a week and a month, where there are enough days.

Here: daily series, fitting, a walk-forward comparison. Not here: blocks inside the day
(models/volatility/model.py).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from feeds.errors import InsufficientDataError
from models.volatility.blocks import complete_dates
from models.volatility.ewma import ewma
from models.volatility.har import LogHar, fit_har

#: A day, a trading week, a trading month (Corsi 2009).
WINDOWS = (1, 5, 22)


def daily_variance(prepared: pl.DataFrame) -> pl.DataFrame:
    """Sum of the blocks of every whole date.

    Args:
        prepared: Blocks as from `models.volatility.blocks.prepare`.

    Returns:
        ``symbol, date, rv`` (per session, not annualised), sorted; overnight returns are not in it.
    """
    whole = prepared.filter(pl.col("date").is_in(complete_dates(prepared)))
    return whole.group_by("symbol", "date", maintain_order=True).agg(pl.col("rv").sum()).sort("symbol", "date")


def fit_daily_har(rv: npt.ArrayLike, min_days: int) -> LogHar:
    """Fit HAR(1, 5, 22) on a daily series.

    Args:
        rv: Positive daily variances in time order, shape (n,).
        min_days: Days needed.

    Raises:
        InsufficientDataError: There are fewer days; the text reads "12 days < 60".
    """
    series = np.asarray(rv, dtype=np.float64)
    if series.size < min_days:
        raise InsufficientDataError("daily HAR", received=f"{series.size} days < {min_days}")
    return fit_har([(series[:-1], series[1:])], WINDOWS, partial=False, min_observations=10, what="daily HAR")


def walk_forward_daily(
    rv: npt.ArrayLike,
    min_days: int,
    decay: float = 0.94,
    refit_every: int = 22,
    window_days: int | None = None,
) -> pl.DataFrame:
    """One-day-ahead forecasts of HAR and EWMA, each made of earlier days only.

    Args:
        rv: Positive daily variances in time order, shape (n,).
        min_days: Days before the first forecast.
        decay: Lambda of the EWMA.
        refit_every: Days between fits of the HAR.
        window_days: Days a fit looks back; None for all.

    Returns:
        ``day`` (index of the day forecast), ``naive`` (mean of all earlier days), ``ewma``, ``har``, ``rv``.

    Raises:
        InsufficientDataError: There is no day after ``min_days``.
    """
    series = np.asarray(rv, dtype=np.float64)
    if series.size <= min_days:
        raise InsufficientDataError("daily walk-forward", received=f"{series.size} days <= {min_days}")
    har = np.empty(series.size - min_days)
    for begin in range(min_days, series.size, refit_every):
        past = series[max(0, begin - window_days) if window_days else 0 : begin]
        end = min(begin + refit_every, series.size)
        recent = series[begin - WINDOWS[-1] : end - 1]
        har[begin - min_days : end - min_days] = fit_daily_har(past, min(min_days, past.size)).predict(recent)[
            WINDOWS[-1] - 1 :
        ]
    naive = np.cumsum(series)[:-1] / np.arange(1, series.size)
    return pl.DataFrame(
        {
            "day": np.arange(min_days, series.size),
            "naive": naive[min_days - 1 :],
            "ewma": ewma(series, decay)[min_days - 1 : -1],
            "har": har,
            "rv": series[min_days:],
        }
    )
