"""Judging an alpha model out of sample: every row with an interval, and a verdict in words.

Here: the evaluation frames. Not here: the statistics themselves (models/metrics), what trading would earn
(models/backtest.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from feeds.errors import InsufficientDataError, SchemaError
from models.alpha.estimators import Shuffled
from models.alpha.model import AlphaModel
from models.metrics.bootstrap import (
    Bootstrap,
    circular_block_weights,
    correlation_draws,
    mean_draws,
    percentile_interval,
    time_cells,
)
from models.metrics.forecast import (
    Floats,
    calibration_table,
    hit_rate,
    ic_series,
    icir,
    information_coefficient,
    quantile_buckets,
    r2_oos,
    rank_ic,
)

#: Forecast groups of the quantile returns.
QUANTILES = 5
_HORIZON = re.compile(r"_(\d+)ms_")
_TABLE = {
    "row": pl.String,
    "n": pl.Int64,
    "ic": pl.Float64,
    "ic_low": pl.Float64,
    "ic_high": pl.Float64,
    "rank_ic": pl.Float64,
    "icir": pl.Float64,
    "r2": pl.Float64,
    "hit_rate": pl.Float64,
}


@dataclass(frozen=True)
class AlphaEvaluation:
    """Out-of-sample figures; nothing in it is annualised.

    Attributes:
        table: One line a row: ``row, n, ic, ic_low, ic_high`` (95 % block bootstrap), ``rank_ic, icir`` (per
            block), ``r2`` (against the training mean), ``hit_rate``; null where undefined.
        ic_series: ``ts`` (start of the block), ``n, ic, rank_ic`` of the lead row.
        calibration: Deciles of the lead row: ``decile, n, forecast_bps, realised_bps, realised_se``.
        quantile_returns: ``quantile`` (1 the lowest forecasts), ``n, realised_bps`` (mean), ``realised_low``,
            ``realised_high`` (95 % block bootstrap, bps) of the lead row.
        verdict: What the table says, in words.
        block_ms: Length of the blocks of the IC series.
        bootstrap_block_ms: Length of the stretches the bootstrap draws.
    """

    table: pl.DataFrame
    ic_series: pl.DataFrame
    calibration: pl.DataFrame
    quantile_returns: pl.DataFrame
    verdict: str
    block_ms: int
    bootstrap_block_ms: int


def evaluate_alpha(
    model: AlphaModel, test: pl.DataFrame, block_ms: int, bootstrap: Bootstrap | None = None
) -> AlphaEvaluation:
    """Judge every row of ``model`` on ``test``.

    Args:
        model: Fitted on rows whose labels were known before ``test`` begins.
        test: Columns ``ts``, the features and the label; rows without a label are left out.
        block_ms: Block length of the IC series, ms.
        bootstrap: Settings of the intervals; None for blocks of a third of ``block_ms``, at least three label
            horizons.

    Raises:
        SchemaError: A column is missing.
        InsufficientDataError: No row of ``test`` has a label.
    """
    if model.label not in test.columns:
        raise SchemaError("test set", received=f"no column {model.label}", expected="the label the model learned")
    realised_all = test[model.label].cast(pl.Float64)
    test = test.filter(realised_all.is_not_null() & realised_all.is_finite()).sort("ts", maintain_order=True)
    if test.is_empty():
        raise InsufficientDataError("test set", received="no labelled row", remedy="Move the study's split earlier.")
    settings = bootstrap or Bootstrap(max(block_ms // 3, 3 * _horizon_ms(model.label), 1))
    judge = _Judge(model, test, block_ms, settings)
    table = pl.DataFrame([judge.line(row) for row in model.rows], schema=_TABLE)
    lead = model.predict(test)
    return AlphaEvaluation(
        table=table,
        ic_series=judge.series(lead),
        calibration=calibration_table(lead, judge.realised),
        quantile_returns=judge.quantile_returns(lead),
        verdict=verdict(table, model.lead),
        block_ms=block_ms,
        bootstrap_block_ms=settings.block_ms,
    )


def _horizon_ms(label: str) -> int:
    found = _HORIZON.search(label)
    return int(found.group(1)) if found else 0


class _Judge:
    """One test set, with its bootstrap draws made once so that all rows are judged on the same ones."""

    def __init__(self, model: AlphaModel, test: pl.DataFrame, block_ms: int, settings: Bootstrap) -> None:
        self.model, self.test, self.block_ms, self.settings = model, test, block_ms, settings
        self.realised = test[model.label].cast(pl.Float64).to_numpy()
        self.cell = time_cells(test["ts"].to_numpy(), settings.block_ms)
        self.weights = circular_block_weights(int(self.cell.max()) + 1, settings)

    def line(self, row: str) -> dict[str, Any]:
        """The table's line of one row; a shuffled row is averaged over its permutations."""
        estimator = self.model.rows[row]
        if isinstance(estimator, Shuffled):
            members = estimator.predict_members(self.model.matrix(self.test))
        else:
            members = [self.model.predict(self.test, row)]
        interval = self.interval(members)
        naive = self.model.train_stats.label_mean
        return {
            "row": row,
            "n": self.test.height,
            "ic": _mean([information_coefficient(f, self.realised) for f in members]),
            "ic_low": interval[0] if interval else None,
            "ic_high": interval[1] if interval else None,
            "rank_ic": _mean([rank_ic(f, self.realised) for f in members]),
            "icir": _mean([icir(self.series(f)["ic"].drop_nulls().to_numpy()) for f in members]),
            "r2": _mean([r2_oos(f, self.realised, naive) for f in members]),
            "hit_rate": _mean([hit_rate(f, self.realised) for f in members]),
        }

    def interval(self, members: list[Floats]) -> tuple[float, float] | None:
        """Interval of the IC; members share the draws, so that their scatter counts."""
        if self.weights is None or any(np.ptp(f) == 0.0 for f in members) or np.ptp(self.realised) == 0.0:
            return None
        share = np.array_split(np.arange(self.weights.shape[0]), len(members))
        draws = [
            correlation_draws(self.cell, f, self.realised, self.weights[rows])
            for f, rows in zip(members, share, strict=True)
        ]
        return percentile_interval(np.concatenate(draws), self.settings.level)

    def series(self, forecast: Floats) -> pl.DataFrame:
        """IC by block."""
        columns = {"ts": self.test["ts"], "forecast": forecast, "realised": self.realised}
        return ic_series(pl.DataFrame(columns), self.block_ms)

    def quantile_returns(self, forecast: Floats) -> pl.DataFrame:
        """Mean realised return by forecast quantile, with bootstrap intervals."""
        schema = dict.fromkeys(("realised_bps", "realised_low", "realised_high"), pl.Float64)
        full = {"quantile": pl.Int64, "n": pl.Int64, **schema}
        if forecast.size < QUANTILES or np.ptp(forecast) == 0.0:
            return pl.DataFrame(schema=full)
        bucket = quantile_buckets(forecast, QUANTILES)
        records = []
        for number in np.unique(bucket):
            inside = bucket == number
            interval = None
            if self.weights is not None:
                draws = mean_draws(self.cell[inside], self.realised[inside], self.weights)
                interval = percentile_interval(draws, self.settings.level)
            records.append(
                {
                    "quantile": int(number) + 1,
                    "n": int(inside.sum()),
                    "realised_bps": float(self.realised[inside].mean()),
                    "realised_low": interval[0] if interval else None,
                    "realised_high": interval[1] if interval else None,
                }
            )
        return pl.DataFrame(records, schema=full)


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def verdict(table: pl.DataFrame, lead: str) -> str:
    """What the comparison says of ``lead``, losing cases included.

    Args:
        table: As in `AlphaEvaluation`.
        lead: The row the verdict is about.
    """
    lines = {line["row"]: line for line in table.to_dicts()}
    judged = lines[lead]
    if judged["ic"] is None:
        return f"{lead}: constant forecast or label over {judged['n']:,} test rows: no information coefficient."
    if judged["ic_low"] is None:
        return (
            f"{lead}: IC {judged['ic']:+.3f} over {judged['n']:,} test rows, "
            "too short a test for an interval: no conclusion."
        )
    interval = f"IC {judged['ic']:+.3f} [{judged['ic_low']:+.3f}, {judged['ic_high']:+.3f}]"
    if judged["ic_low"] > 0:
        finding = "information found: the 95 % interval excludes zero"
    elif judged["ic_high"] < 0:
        finding = "wrong on average: the 95 % interval lies below zero"
    else:
        finding = "no information shown: the 95 % interval holds zero"
    parts = [f"{lead}: {interval} over {judged['n']:,} test rows; {finding}."]
    linear = lines.get("linear")
    if linear and lead != "linear" and linear["ic"] is not None and linear["ic"] >= judged["ic"]:
        parts.append(f"The linear control does as well or better (IC {linear['ic']:+.3f}).")
    if judged["r2"] is not None and judged["r2"] < 0:
        parts.append(f"Its squared error is worse than the training mean's (R2 {judged['r2']:+.4f}).")
    shuffled = lines.get("shuffled")
    if shuffled and shuffled["ic_low"] is not None and not shuffled["ic_low"] <= 0 <= shuffled["ic_high"]:
        parts.append("WARNING: the shuffled control also differs from zero; look for leakage.")
    return " ".join(parts)
