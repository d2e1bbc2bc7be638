"""The expected volume of each decision interval, from earlier bars: the profile VWAP trades.

Here: the profile by time of day. Not here: the schedule that follows it (baselines.py).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from feeds.errors import InsufficientDataError
from models.execution.baselines import Profile
from models.execution.protocol import Info

NS_PER_S = 1_000_000_000
DAY_NS = 86_400 * NS_PER_S


def intraday_profile(bars: pl.DataFrame, horizon_s: int) -> Profile:
    """Shares of the volume usually traded in each decision interval, by time of day (UTC), averaged over days.

    Args:
        bars: Columns ``ts_open, ts`` (ns UTC), ``volume_lots``, of days before the orders; volume is taken as even
            within a bar.
        horizon_s: Time an order has.

    Returns:
        A profile; even where the bars tell of no volume in the horizon that starts at the order's arrival.

    Raises:
        InsufficientDataError: There is no bar.
    """
    if bars.is_empty():
        raise InsufficientDataError("volume profile", received="no bar", expected="bars of a day before the orders")
    days = bars.group_by(pl.col("ts_open") % DAY_NS, pl.col("ts") - pl.col("ts_open"), maintain_order=True)
    usual = days.agg(pl.col("volume_lots").cast(pl.Float64).sum()).sort("ts_open")
    opens, lengths = usual["ts_open"].to_numpy(), usual["ts"].to_numpy()
    volumes = usual["volume_lots"].to_numpy()

    def profile(decisions: int, info: Info) -> npt.NDArray[np.float64]:
        edges = int(info["now_ns"]) % DAY_NS + horizon_s * NS_PER_S * np.arange(decisions + 1) / decisions
        done = np.zeros(decisions + 1)
        # the next day's bars too: markets that never close have orders across midnight
        for shift in (0, DAY_NS):
            share = np.clip((edges[:, None] - opens - shift) / lengths, 0.0, 1.0)
            done += (share * volumes).sum(axis=1)
        traded = np.diff(done)
        return traded / traded.sum() if traded.sum() > 0.0 else np.full(decisions, 1.0 / decisions)

    return profile
