"""An agent as a distribution over training seeds: interquartile mean with an interval, and every seed.

A mean over few seeds hangs on the worst of them, the best seed says nothing; the interquartile mean drops a quarter of
the seeds at either end (Agarwal, Schwarzer, Castro, Courville & Bellemare 2021, "Deep reinforcement learning at the
edge of the statistical precipice", NeurIPS 34).

Here: figures over seeds. Not here: single seeds with their intervals over orders (comparison.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from models.execution.baselines import REFERENCE

Floats = npt.NDArray[np.float64]
DRAWS = 2000
#: With fewer seeds an interval over them says nothing.
MIN_SEEDS = 3
_TABLE: dict[str, Any] = {"market": pl.String, "policy": pl.String, "seeds": pl.Int64}
_TABLE |= dict.fromkeys(
    ("iqm_bps", "iqm_low", "iqm_high", "cheapest_bps", "dearest_bps", "vs_twap_iqm_bps"), pl.Float64
)


def interquartile_mean(values: npt.ArrayLike) -> float:
    """Mean of the middle half, outer values counted by the part of them that lies inside.

    Args:
        values: (n,), n at least 1; with 1 or 2 it is their mean.
    """
    return float(_interquartile(np.sort(np.asarray(values, dtype=np.float64))[None, :])[0])


def _interquartile(ordered: Floats) -> Floats:
    """Of every sorted row of (m, n)."""
    n = ordered.shape[1]
    edges = np.arange(n + 1) / n
    inside = np.clip(np.minimum(edges[1:], 0.75) - np.maximum(edges[:-1], 0.25), 0.0, None)
    return np.asarray(ordered @ (inside / inside.sum()))


def over_seeds(rows: pl.DataFrame, reference: str = REFERENCE, seed: int = 0) -> pl.DataFrame:
    """Trained policies over their training seeds.

    Args:
        rows: As from `models.execution.evaluation.evaluate`.
        reference: Rule the last column is paired with.
        seed: Of the bootstrap over seeds.

    Returns:
        ``market, policy, seeds, iqm_bps`` (interquartile mean of the seeds' mean shortfalls), ``iqm_low, iqm_high``
        (95 % percentile interval over resampled seeds; null below `MIN_SEEDS`), ``cheapest_bps, dearest_bps`` (the best
        and the worst seed), ``vs_twap_iqm_bps`` (less the reference on the same orders).
    """
    key = ["market", "symbol", "episode"]
    other = (
        rows.filter(pl.col("policy") == reference).group_by(key, maintain_order=True).agg(other=pl.col("is_bps").mean())
    )
    trained = rows.filter(pl.col("training_seed").is_not_null()).join(other, on=key, how="left", maintain_order="left")
    means = trained.group_by("market", "policy", "training_seed", maintain_order=True).agg(
        pl.col("is_bps").mean(), versus=(pl.col("is_bps") - pl.col("other")).mean()
    )
    lines = []
    for (market, policy), part in means.group_by("market", "policy", maintain_order=True):
        costs = part["is_bps"].to_numpy()
        versus = part["versus"].drop_nulls().to_numpy()
        low, high = _interval(costs, seed)
        compared = interquartile_mean(versus) if versus.size else None
        ends = (float(costs.min()), float(costs.max()))
        lines.append((market, policy, costs.size, interquartile_mean(costs), low, high, *ends, compared))
    return pl.DataFrame(lines, schema=_TABLE, orient="row")


def _interval(costs: Floats, seed: int) -> tuple[float | None, float | None]:
    if costs.size < MIN_SEEDS:
        return None, None
    drawn = np.random.default_rng(seed).integers(costs.size, size=(DRAWS, costs.size))
    low, high = np.quantile(_interquartile(np.sort(costs[drawn], axis=1)), [0.025, 0.975])
    return float(low), float(high)
