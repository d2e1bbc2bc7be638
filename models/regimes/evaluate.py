"""What the regimes are like, and whether they describe rows they were not fitted on.

Here: the table and the held-out comparison. Not here: fitting (models/regimes/model.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from models.metrics.comparison import DieboldMariano, diebold_mariano
from models.regimes.model import RegimeModel, following, median_step
from models.regimes.states import log_likelihood, regime_states, single_log_likelihood

NS_PER_S = 1_000_000_000
#: Longest window inside a feature: differences of rows closer than this and the span of the average are dependent by
#: construction.
WINDOW_S = 300
#: Fewer held-out decision times than this and the verdict draws no conclusion.
MIN_TIMES = 50


@dataclass(frozen=True)
class RegimeEvaluation:
    """Held-out comparison of the mixture with one Gaussian.

    Attributes:
        metrics: ``log_likelihood`` and ``log_likelihood_single`` (mean per row, nats), ``log_likelihood_gain``,
            ``rows``, ``states``; likelihoods are left out where nothing was judged.
        verdict: What it says, in words.
        test: Diebold-Mariano of minus log-likelihood; negative favours the mixture. None: not made.
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    verdict: str = ""
    test: DieboldMariano | None = None


def evaluate_regimes(model: RegimeModel, rows: pl.DataFrame) -> RegimeEvaluation:
    """Gain in mean log-likelihood over one Gaussian on rows the model was not fitted on.

    A gain says that market states are not one Gaussian cloud, not that they are useful for trading.

    Args:
        model: Fitted model.
        rows: Held-out feature rows.
    """
    ordered = rows.sort("symbol", "ts")
    frame = ordered.select("ts").with_columns(
        pl.Series("mixture", log_likelihood(model, ordered), dtype=pl.Float64),
        pl.Series("single", single_log_likelihood(model, ordered), dtype=pl.Float64),
    )
    frame = frame.filter(pl.col("mixture").is_finite() & pl.col("single").is_finite())
    metrics = {"rows": float(frame.height), "states": float(model.states)}
    # instruments at one time are not independent: the test sees one mean a time
    by_time = frame.group_by("ts", maintain_order=True).agg(pl.col("mixture", "single").mean()).sort("ts")
    if by_time.is_empty():
        return RegimeEvaluation(metrics, "No held-out row to judge the regimes on.")
    means = {name: float(frame[name].mean()) for name in ("mixture", "single")}  # type: ignore[arg-type]
    metrics |= {"log_likelihood": means["mixture"], "log_likelihood_single": means["single"]}
    metrics["log_likelihood_gain"] = means["mixture"] - means["single"]
    window = -(-WINDOW_S * NS_PER_S // median_step(ordered)) + math.ceil(model.span)
    lags = min(by_time.height // 4, window)
    test = diebold_mariano(-by_time["mixture"].to_numpy(), -by_time["single"].to_numpy(), lags)
    return RegimeEvaluation(metrics, _verdict(model, metrics, by_time.height, test), test)


def _verdict(model: RegimeModel, metrics: Mapping[str, float], times: int, test: DieboldMariano | None) -> str:
    tried = f"{model.states} regimes (BIC, at most {model.config.max_states} tried)"
    nats = f"{metrics['log_likelihood_gain']:+.3f}".replace("-", "−")
    gain = f"{nats} nats a row over one Gaussian on {metrics['rows']:,.0f} held-out rows"
    if times < MIN_TIMES:
        return f"{tried}: {gain}; {times} decision times are too few for a conclusion."
    if test is None or test.p_value > 0.05:
        p = "" if test is None else f" (Diebold-Mariano p = {test.p_value:.3f})"
        return f"{tried} and one Gaussian cannot be told apart: {gain}{p}."
    outcome = "describe unseen rows better" if metrics["log_likelihood_gain"] > 0 else "describe unseen rows WORSE"
    return f"{tried} {outcome}: {gain} (Diebold-Mariano p = {test.p_value:.3f})."


def regime_table(model: RegimeModel, rows: pl.DataFrame) -> pl.DataFrame:
    """What each regime is like on ``rows`` (the training window, in the report).

    Args:
        model: Fitted model.
        rows: Feature rows.

    Returns:
        ``regime, label, share`` (of the classified rows), ``mean_duration_s`` (of unbroken stretches in one
        regime; those cut by a gap or the end count as they are), and the mean of each feature in its own unit.
        One row a regime; null where a regime does not occur.
    """
    ordered = rows.sort("symbol", "ts")
    states = regime_states(model, ordered).select("ts", "symbol", "regime").sort("symbol", "ts")
    frame = states.with_columns(
        pl.Series("follows", following(ordered, model.step_ns)),
        *(ordered[name].cast(pl.Float64).fill_nan(None).alias(name) for name in model.features),
    )
    same = pl.col("follows") & (pl.col("regime") == pl.col("regime").shift(1)).fill_null(False)
    known = frame.with_columns((~same).alias("starts")).filter(pl.col("regime").is_not_null())
    duration = pl.len() * (model.step_ns / NS_PER_S) / pl.col("starts").sum()
    by_regime = known.group_by("regime", maintain_order=True).agg(
        (pl.len() / max(1, known.height)).alias("share"),
        duration.alias("mean_duration_s"),
        pl.col(model.features).mean(),
    )
    every = pl.DataFrame({"regime": np.arange(model.states), "label": list(model.labels)})
    table = every.join(by_regime, on="regime", how="left", maintain_order="left")
    return table.with_columns(pl.col("share").fill_null(0.0))
