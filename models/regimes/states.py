"""The regime of each row, known at that row, and how likely the row was.

Here: the forward filter and log-likelihoods. Not here: fitting (models/regimes/model.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.special import logsumexp

from models.metrics.forecast import Floats
from models.regimes.gaussians import background_density, component_densities
from models.regimes.model import RegimeModel, following
from models.regimes.smoothing import fitting_stride, smoothed
from models.regimes.state_features import state_matrix

#: Weight of the broad background in a likelihood: no single row may decide a comparison.
BACKGROUND = 0.01


def regime_states(model: RegimeModel, rows: pl.DataFrame, model_id: str = "") -> pl.DataFrame:
    """Filtered state probabilities: P(state at t | rows up to t) of a hidden Markov chain (Hamilton 1989, eq. 5).

    A row's state depends on it and on earlier rows of its instrument only. After a gap (a night, a halt) the
    chain and the averages of the features start afresh. Averages overlap in time: each row counts as one
    part in `fitting_stride` of an observation, or probabilities would be far too certain; they still are somewhat.

    Args:
        model: Fitted model.
        rows: Feature rows: ``ts``, ``symbol``, the model's features; ``available_at`` optional (else ``ts``).
        model_id: Written beside each row.

    Returns:
        ``ts, available_at, symbol, regime, p_0 .. p_{k-1}, model_id`` sorted by time and instrument. Null where
        less than half of the features are known, or the instrument was not trained.

    Raises:
        SchemaError: A column is missing.
    """
    ordered = rows.sort("symbol", "ts")
    values = scaled_rows(model, ordered, winsorise=True)
    densities = component_densities(values, model.means, model.covariances) / fitting_stride(model.span)
    known = 2 * np.isfinite(values).sum(axis=1) >= max(1, values.shape[1])
    filtered = _filter(model, densities, known, following(ordered, model.step_ns))
    shown = np.where(known[:, None], filtered, np.nan)
    regime = pl.Series("regime", filtered.argmax(axis=1) if ordered.height else [], dtype=pl.Int64)
    available = "available_at" if "available_at" in ordered.columns else "ts"
    return (
        ordered.select("ts", pl.col(available).alias("available_at"), "symbol")
        .with_columns(
            pl.when(pl.Series(known)).then(regime).alias("regime"),
            *(pl.Series(f"p_{k}", shown[:, k], dtype=pl.Float64).fill_nan(None) for k in range(model.states)),
            pl.lit(model_id).alias("model_id"),
        )
        .sort("ts", "symbol")
    )


def _filter(
    model: RegimeModel, densities: Floats, known: npt.NDArray[np.bool_], follows: npt.NDArray[np.bool_]
) -> Floats:
    weights, moves = model.weights.tolist(), model.transition.T.tolist()
    filtered = np.empty(densities.shape)
    belief = weights
    # plain floats in a fixed order: the same bits wherever the rows were cut
    for t, (row, seen, chained) in enumerate(zip(densities.tolist(), known.tolist(), follows.tolist(), strict=True)):
        ahead = [sum(b * m for b, m in zip(belief, into, strict=True)) for into in moves] if chained else weights
        if seen:
            top = max(row)
            ahead = [prior * math.exp(density - top) for prior, density in zip(ahead, row, strict=True)]
        total = sum(ahead)
        belief = [value / total for value in ahead] if total > 0.0 else weights
        filtered[t] = belief
    return filtered


def log_likelihood(model: RegimeModel, rows: pl.DataFrame, features: Sequence[str] | None = None) -> Floats:
    """Log density of each row under the mixture, shape (rows,) in the order of ``rows``; NaN where not scored.

    The density is that of the averaged state features in logs, before any scaling, so that models of two training
    windows compare; 1 % of its weight is a broad background, so that one extreme row does not decide.

    Args:
        model: Fitted model.
        rows: As for `regime_states`.
        features: Those of the model's features the density is of; None: all. Two models compare on the features
            they share only.
    """
    return _log_density(model, rows, (model.means, model.covariances, model.weights), features)


def single_log_likelihood(model: RegimeModel, rows: pl.DataFrame) -> Floats:
    """The same under one Gaussian of the training rows: what a market without regimes would look like."""
    return _log_density(model, rows, (model.single_mean[None], model.single_covariance[None], np.ones(1)), None)


def scaled_rows(model: RegimeModel, rows: pl.DataFrame, winsorise: bool) -> Floats:
    """Averaged features in the scale of each instrument, shape (rows, features); NaN where it was not trained.

    Rows may come in any order; the averages are over rows in time.
    """
    order = rows.select(pl.arg_sort_by("symbol", "ts").alias("place"))["place"].to_numpy()
    ordered = rows[order]
    raw = np.empty((rows.height, len(model.features)))
    raw[order] = smoothed(state_matrix(ordered, model.features), following(ordered, model.step_ns), model.span)
    symbols = rows["symbol"].to_numpy()
    values = np.full(raw.shape, np.nan)
    for symbol, scale in model.scales.items():
        places = np.flatnonzero(symbols == symbol)
        values[places] = scale.apply(raw[places], winsorise)
    return values


def _log_density(
    model: RegimeModel, rows: pl.DataFrame, components: tuple[Floats, Floats, Floats], features: Sequence[str] | None
) -> Floats:
    means, covariances, weights = components
    values = scaled_rows(model, rows, winsorise=False)
    judged = [features is None or name in features for name in model.features]
    values[:, ~np.array(judged)] = np.nan
    mixture = logsumexp(component_densities(values, means, covariances) + np.log(weights), axis=1)
    with_background = np.logaddexp(
        math.log(1.0 - BACKGROUND) + mixture, math.log(BACKGROUND) + background_density(values)
    )
    symbols = rows["symbol"].to_numpy()
    for symbol, scale in model.scales.items():
        places = np.flatnonzero(symbols == symbol)
        known = np.isfinite(values[places])
        with_background[places] -= np.where(known, np.log(scale.width), 0.0).sum(axis=1)
    enough = 2 * np.isfinite(values).sum(axis=1) >= max(1, sum(judged))
    return np.where(enough, with_background, np.nan)
