"""Which differences between execution policies survive that there are many of them.

Every policy of a market is held against one other on the same orders; whole blocks of orders are drawn together, all
policies on the same draws, and p-values are adjusted for the family (models/metrics/multiple.py). Agents of one name
are averaged over their training seeds, order by order: one policy, one comparison.

Here: the table of tests, the power behind a difference that was not shown, blocks of other lengths. Not here: means and
risks (comparison.py).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.stats import norm, t

from models.execution.baselines import REFERENCE
from models.execution.comparison import block_weights
from models.metrics.bootstrap import MIN_BLOCKS, mean_draws
from models.metrics.multiple import bootstrap_p_values, holm, romano_wolf

Floats = npt.NDArray[np.float64]
LEVEL = 0.05
#: Chance with which a difference of the stated size is shown.
POWER = 0.8
HOUR_NS, DAY_NS = 3_600 * 10**9, 86_400 * 10**9
_ORDER = ("symbol", "episode")
_TESTS = {
    "market": pl.String,
    "policy": pl.String,
    "against": pl.String,
    "orders": pl.Int64,
    "blocks": pl.Int64,
    "difference_bps": pl.Float64,
    "p_value": pl.Float64,
    "p_holm": pl.Float64,
    "p_romano_wolf": pl.Float64,
    "detectable_bps": pl.Float64,
}


def blocks_of(rows: pl.DataFrame, length_ns: int = HOUR_NS) -> pl.DataFrame:
    """The rows with ``block`` set to the stretch of ``length_ns`` an order arrives in: an hour, or `DAY_NS`, in UTC."""
    return rows.with_columns((pl.col("arrival_ns") // length_ns).cast(pl.String).alias("block"))


def significance(rows: pl.DataFrame, against: str | None = REFERENCE, seed: int = 0) -> pl.DataFrame:
    """Tests of every policy against one, adjusted for their number.

    Args:
        rows: As from `models.execution.evaluation.evaluate`.
        against: The other policy; None: the cheapest that was not trained, by market. It was chosen on these orders,
            which favours it.
        seed: Of the bootstrap.

    Returns:
        ``market, policy, against, orders`` (paired), ``blocks, difference_bps`` (policy less other, negative is
        cheaper), ``p_value`` (two-sided, of this comparison alone), ``p_holm``, ``p_romano_wolf`` (of the family of one
        market), ``detectable_bps``: the true difference shown with 80 % chance at 5 %, without adjustment. P-values are
        null below `MIN_BLOCKS` blocks. Sorted by market as it came, then by difference.
    """
    lines = [
        line
        for market in rows["market"].unique(maintain_order=True)
        for line in _of_market(rows.filter(pl.col("market") == market), against, seed)
    ]
    return pl.DataFrame(lines, schema=_TESTS)


def _of_market(rows: pl.DataFrame, against: str | None, seed: int) -> list[dict[str, Any]]:
    other = against or _cheapest(rows)
    costs = rows.group_by("policy", *_ORDER, "block", maintain_order=True).agg(pl.col("is_bps").mean())
    wide = costs.pivot("policy", index=[*_ORDER, "block"], values="is_bps").drop_nulls()
    policies = [name for name in costs["policy"].unique(maintain_order=True) if name != other]
    if other not in wide.columns or wide.is_empty() or not policies:
        return []
    cell = (wide["block"].rank("dense").cast(pl.Int64) - 1).to_numpy()
    differences = [(wide[name] - wide[other]).round(9).to_numpy() for name in policies]
    means, blocks = np.array([values.mean() for values in differences]), int(cell.max()) + 1
    lines: list[dict[str, Any]] = [
        {"policy": name, "difference_bps": float(mean), "detectable_bps": detectable_bps(values, cell)}
        for name, mean, values in zip(policies, means, differences, strict=True)
    ]
    tests = _p_values(means, differences, cell, block_weights(blocks, seed))
    for line, p in zip(lines, tests, strict=True):
        line |= {"market": rows["market"][0], "against": other, "orders": wide.height, "blocks": blocks, **p}
    return sorted(lines, key=lambda line: (line["difference_bps"], line["policy"]))


def _p_values(
    means: Floats, differences: list[Floats], cell: npt.NDArray[np.int64], weights: Floats | None
) -> list[dict[str, float | None]]:
    names = ("p_value", "p_holm", "p_romano_wolf")
    if weights is None:
        return [dict.fromkeys(names) for _ in differences]
    draws = np.column_stack([mean_draws(cell, values, weights) for values in differences])
    draws = means + (draws[np.isfinite(draws).all(axis=1)] - means)
    # whole blocks are few: draws scatter too little, and too rarely far out, by the same ratio as an interval
    alone = _student(bootstrap_p_values(means, draws), weights.shape[1])
    family = np.maximum(alone, _student(romano_wolf(means, draws), weights.shape[1]))
    columns = (alone, holm(alone), family)
    return [dict(zip(names, (float(value) for value in line), strict=True)) for line in zip(*columns, strict=True)]


def _student(p: Floats, blocks: int) -> Floats:
    """P-values of normal draws as those of Student's t with ``blocks`` - 1 degrees and the variance's divisor."""
    distance = np.abs(norm.ppf(np.clip(p, 1e-12, 1.0) / 2.0)) * math.sqrt((blocks - 1) / blocks)
    return np.asarray(2.0 * t.sf(distance, blocks - 1), dtype=np.float64)


def detectable_bps(
    values: Floats, cell: npt.NDArray[np.int64], level: float = LEVEL, power: float = POWER
) -> float | None:
    """The true mean that a two-sided test at ``level`` shows with chance ``power``; None with too few blocks.

    Args:
        values: (n,) paired differences, bps.
        cell: (n,) int64, block of each.
        level: Of the test.
        power: See `POWER`.
    """
    present, places = np.unique(cell, return_inverse=True)
    if present.size < MIN_BLOCKS:
        return None
    counts = np.bincount(places)
    sums = np.bincount(places, weights=values - values.mean())
    error = math.sqrt(float(np.square(sums).sum()) / counts.sum() ** 2 * present.size / (present.size - 1))
    freedom = present.size - 1
    return float((t.ppf(1.0 - level / 2.0, freedom) + t.ppf(power, freedom)) * error)


def _cheapest(rows: pl.DataFrame) -> str:
    rules = rows.filter(pl.col("training_seed").is_null())
    means = rules.group_by("policy", maintain_order=True).agg(pl.col("is_bps").mean()).sort("is_bps", "policy")
    return str(means["policy"][0]) if means.height else ""
