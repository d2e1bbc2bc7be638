"""Judging variance forecasts on common blocks, and whether a difference to EWMA is more than luck.

Here: the comparison. Not here: the losses (models/metrics/forecast.py) and the test
(models/metrics/comparison.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from models.metrics.comparison import diebold_mariano
from models.metrics.forecast import mse, qlike_losses
from models.volatility.model import FLOOR, VolatilityModel, forecast_volatility

MODELS = ("naive", "ewma", "ewma_diurnal", "har")
BENCHMARK = "ewma"
#: Fewer judged blocks than this and the verdict draws no conclusion.
MIN_BLOCKS = 10
_TABLE = {
    "model": pl.String,
    "n": pl.Int64,
    "qlike": pl.Float64,
    "mse": pl.Float64,
    "dm_stat": pl.Float64,
    "dm_p": pl.Float64,
}


@dataclass(frozen=True)
class VolatilityEvaluation:
    """Out-of-sample comparison; variances are per block, nothing is annualised.

    Attributes:
        table: One line a model: ``n`` (blocks judged, the same for all offered models), ``qlike`` (lower is
            better), ``mse`` (variance squared), ``dm_stat`` and ``dm_p`` (Diebold-Mariano of QLIKE against
            EWMA; negative: better than EWMA); null where a model was not offered or a test cannot be made.
        verdict: What it says, in words.
    """

    table: pl.DataFrame
    verdict: str


def evaluate_volatility(judged: pl.DataFrame) -> VolatilityEvaluation:
    """Compare the models on the blocks for which every offered one has a forecast.

    A realised variance below 1 % of its instrument's mean counts as that: QLIKE has no value at zero. The
    floor is the same for every model.

    Args:
        judged: As from `models.volatility.model.forecast_volatility`; rows without a realised variance are
            left out.
    """
    known = judged.filter(pl.col("rv").is_not_null())
    offered = [name for name in MODELS if name in known.columns and known[name].is_not_null().any()]
    common = known.filter(pl.all_horizontal(pl.col(offered).is_not_null())) if offered else known.clear()
    floor = FLOOR * pl.col("rv").mean().over("symbol")
    common = common.with_columns(pl.max_horizontal(pl.col("rv"), floor).alias("rv")).filter(pl.col("rv") > 0)
    losses = common.select("ts", *(_loss(common, name) for name in offered))
    # instruments at one time are not independent: the test sees one mean difference a time
    by_time = losses.group_by("ts", maintain_order=True).agg(pl.col(offered).mean()).sort("ts")
    table = pl.DataFrame([_line(name, common, losses, by_time) for name in MODELS], schema=_TABLE)
    return VolatilityEvaluation(table, verdict(table))


def lead_losses(model: VolatilityModel, blocks: pl.DataFrame) -> pl.DataFrame:
    """QLIKE of each forecast of ``model`` in use: HAR where it is offered, else EWMA.

    Args:
        model: Fitted model.
        blocks: As for `models.volatility.model.forecast_volatility`.

    Returns:
        ``ts, symbol, qlike``, one row a block that was realised; variances below 1 % of their instrument's mean count
        as that.
    """
    lead = pl.coalesce("har", "ewma").alias("lead")
    known = forecast_volatility(model, blocks).with_columns(lead)
    known = known.filter(pl.col("rv").is_not_null() & pl.col("lead").is_not_null())
    floor = FLOOR * pl.col("rv").mean().over("symbol")
    known = known.with_columns(pl.max_horizontal(pl.col("rv"), floor).alias("rv")).filter(pl.col("rv") > 0)
    losses = qlike_losses(known["rv"].to_numpy(), known["lead"].to_numpy())
    return known.select("ts", "symbol").with_columns(pl.Series("qlike", losses, dtype=pl.Float64))


def _loss(common: pl.DataFrame, name: str) -> pl.Series:
    return pl.Series(name, qlike_losses(common["rv"].to_numpy(), common[name].to_numpy()), dtype=pl.Float64)


def _line(name: str, common: pl.DataFrame, losses: pl.DataFrame, by_time: pl.DataFrame) -> dict[str, Any]:
    if name not in losses.columns or common.is_empty():
        return {"model": name, "n": 0, "qlike": None, "mse": None, "dm_stat": None, "dm_p": None}
    test = None
    if name != BENCHMARK and BENCHMARK in losses.columns:
        test = diebold_mariano(by_time[name].to_numpy(), by_time[BENCHMARK].to_numpy())
    return {
        "model": name,
        "n": common.height,
        "qlike": float(losses[name].to_numpy().mean()),
        "mse": mse(common["rv"].to_numpy(), common[name].to_numpy()),
        "dm_stat": test.statistic if test else None,
        "dm_p": test.p_value if test else None,
    }


def verdict(table: pl.DataFrame) -> str:
    """What the comparison says of HAR against EWMA."""
    lines = {line["model"]: line for line in table.to_dicts()}
    har, benchmark = lines["har"], lines[BENCHMARK]
    if benchmark["qlike"] is None:
        return "No block to judge: no realised variance follows a forecast."
    if benchmark["n"] < MIN_BLOCKS:
        return f"{benchmark['n']} judged blocks: too few for a conclusion."
    if har["qlike"] is None:
        return f"Only EWMA is offered: QLIKE {benchmark['qlike']:.4f} over {benchmark['n']} blocks."
    figures = f"QLIKE {har['qlike']:.4f} against EWMA's {benchmark['qlike']:.4f} over {har['n']} blocks"
    if har["dm_p"] is None or har["dm_p"] > 0.05:
        return f"HAR and EWMA cannot be told apart: {figures}."
    outcome = "HAR beats EWMA" if har["qlike"] < benchmark["qlike"] else "HAR loses to EWMA"
    return f"{outcome}: {figures} (Diebold-Mariano p = {har['dm_p']:.3f})."
