"""The shape of variance over the session, estimated on whole training days only.

Here: the profile. Not here: what is done with it (models/volatility/model.py).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from models.metrics.forecast import Floats
from models.volatility.blocks import complete_dates

#: Fewer whole days than this and the shape of one day would be taken for the shape of all.
MIN_DAYS = 2


def diurnal_profile(prepared: pl.DataFrame) -> Floats | None:
    """Mean variance of each slot relative to its day's mean (Andersen & Bollerslev 1997).

    Smoothed over three slots.

    Args:
        prepared: Training blocks as from `models.volatility.blocks.prepare`.

    Returns:
        Shape (slots,), mean 1, positive; None with fewer than `MIN_DAYS` whole days.
    """
    dates = complete_dates(prepared)
    if len(dates) < MIN_DAYS:
        return None
    days = prepared.filter(pl.col("date").is_in(dates))
    mean = pl.col("rv").mean().over("symbol", "date")
    relative = days.with_columns(mean.alias("day_mean")).filter(pl.col("day_mean") > 0)
    by_slot = relative.group_by("slot", maintain_order=True).agg(
        (pl.col("rv") / pl.col("day_mean")).mean().alias("factor")
    )
    if by_slot.is_empty():
        return None
    raw = np.ones(int(by_slot["slot"].max()) + 1)  # type: ignore[arg-type]
    raw[by_slot["slot"].to_numpy()] = by_slot["factor"].to_numpy()
    padded = np.pad(raw, 1, mode="edge")
    smooth = (padded[:-2] + padded[1:-1] + padded[2:]) / 3.0
    smooth = np.maximum(smooth, 0.05 * smooth.mean())
    return smooth / smooth.mean()


def factor(profile: Floats | None, slot: np.ndarray) -> Floats:
    """Factor of each slot; slots outside the profile (a longer day) take its nearest end, no profile is 1."""
    if profile is None:
        return np.ones(len(slot))
    return profile[np.clip(slot, 0, len(profile) - 1)]
