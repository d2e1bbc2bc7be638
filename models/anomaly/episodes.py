"""Alarms as episodes with what drove them, and how their number compares with the stated rate.

Here: tables and words about scores. Not here: the scores (models/anomaly/model.py).
"""

from __future__ import annotations

import math

import numpy as np
import polars as pl

from models.anomaly.model import AnomalyModel, scaled_marks

NS_PER_S = 1_000_000_000
_EPISODES = {
    "start_ts": pl.Int64,
    "end_ts": pl.Int64,
    "symbol": pl.String,
    "highest_score": pl.Float64,
    "driver": pl.String,
    "deviation": pl.Float64,
}


def anomaly_episodes(model: AnomalyModel, rows: pl.DataFrame, scores: pl.DataFrame) -> pl.DataFrame:
    """Flagged rows of one instrument at most ``merge_s`` apart, as one episode each.

    Args:
        model: The model that scored.
        rows: The feature rows that were scored.
        scores: As from `models.anomaly.model.anomaly_scores`.

    Returns:
        ``start_ts, end_ts`` (first and last flagged row, ns UTC), ``symbol, highest_score, driver`` (feature
        farthest from its median at the highest score), ``deviation`` (of it, in robust standard deviations,
        signed), by time.
    """
    ordered = rows.sort("symbol", "ts")
    values = scaled_marks(model, ordered)
    places = {key: place for place, key in enumerate(ordered.select("symbol", "ts").iter_rows())}
    records = []
    for _, part in _numbered(model, scores).group_by("symbol", "episode", maintain_order=True):
        peak = part.row(int(part["score"].arg_max() or 0), named=True)
        z = np.nan_to_num(values[places[peak["symbol"], peak["ts"]]])
        driver = int(np.abs(z).argmax())
        records.append(
            {
                "start_ts": part["ts"][0],
                "end_ts": part["ts"][-1],
                "symbol": peak["symbol"],
                "highest_score": peak["score"],
                "driver": model.features[driver],
                "deviation": float(z[driver]),
            }
        )
    return pl.DataFrame(records, schema=_EPISODES).sort("start_ts", "symbol")


def _numbered(model: AnomalyModel, scores: pl.DataFrame) -> pl.DataFrame:
    """Flagged rows by instrument and time, with the number of their episode."""
    flagged = scores.filter(pl.col("is_anomaly").fill_null(False)).sort("symbol", "ts")
    far = (pl.col("ts").diff() > int(model.config.merge_s * NS_PER_S)).fill_null(True)
    return flagged.with_columns(far.cum_sum().over("symbol").alias("episode"))


def anomaly_table(model: AnomalyModel, scores: pl.DataFrame) -> pl.DataFrame:
    """Alarms of each instrument beside the rate that was promised.

    Returns:
        ``symbol, rows`` (scored), ``flagged, flagged_share, expected_share, episodes, highest_score,
        highest_at`` (ns UTC), by instrument.
    """
    episodes = _numbered(model, scores).group_by("symbol").agg(pl.col("episode").n_unique().alias("episodes"))
    by_symbol = (
        scores.filter(pl.col("score").is_not_null())
        .group_by("symbol", maintain_order=True)
        .agg(
            pl.len().cast(pl.Int64).alias("rows"),
            pl.col("is_anomaly").sum().cast(pl.Int64).alias("flagged"),
            pl.col("is_anomaly").cast(pl.Float64).mean().alias("flagged_share"),
            pl.lit(model.config.alarm_share).alias("expected_share"),
            pl.col("score").max().alias("highest_score"),
            pl.col("ts").get(pl.col("score").arg_max()).alias("highest_at"),
        )
    )
    joined = by_symbol.join(episodes, on="symbol", how="left").with_columns(
        pl.col("episodes").fill_null(0).cast(pl.Int64)
    )
    names = ["symbol", "rows", "flagged", "flagged_share", "expected_share", "episodes", "highest_score", "highest_at"]
    return joined.select(names).sort("symbol")


def anomaly_verdict(table: pl.DataFrame) -> str:
    """What the alarms say, with the spread a binomial count would have and why it is too narrow."""
    rows, flagged, episodes = (int(table[name].sum()) for name in ("rows", "flagged", "episodes"))
    if not rows:
        return "No decision time was scored."
    share = float(table["expected_share"][0])
    expected, spread = share * rows, math.sqrt(share * (1.0 - share) * rows)
    found = (
        f"{flagged} of {rows:,} decision times flagged ({flagged / rows:.2%}) in {episodes} "
        f"episode{'' if episodes == 1 else 's'}; at the stated rate of {share:.2%} "
        f"{expected:.1f} ± {spread:.1f} would be, were they independent"
    )
    if flagged <= expected + 2.0 * spread:
        return f"{found}. No more alarms than ordinary times raise."
    return (
        f"{found}. Alarms cluster, so that the spread of the count is larger than that: a few episodes, not the "
        "single rows, are what is unusual. A market unlike its training window raises alarms, too."
    )


def recent_alarms(scores: pl.DataFrame, now_ns: int, window_s: float) -> pl.DataFrame:
    """``symbol, alarms``: flagged rows of each instrument known in the last ``window_s`` seconds up to ``now_ns``."""
    recent = pl.col("available_at").is_between(now_ns - int(window_s * NS_PER_S), now_ns)
    alarm = (pl.col("is_anomaly").fill_null(False) & recent).sum().cast(pl.Int64).alias("alarms")
    return scores.group_by("symbol", maintain_order=True).agg(alarm).sort("symbol")
