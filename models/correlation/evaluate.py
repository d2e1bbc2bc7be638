"""Judging correlation matrices by the Gaussian loss of returns they were not estimated on.

The loss of one return vector is ``ln det R + z' R^-1 z``, minus twice the Gaussian log density without its constant,
which no matrix but the true one makes smaller on average (a proper score; Dawid & Sebastiani 1999). ``z`` are returns
over their own root mean square in the judged window: volatility is taken as known, in hindsight and the same for every
matrix, so that correlation alone is judged.

Here: losses and their comparison. Not here: the test itself (models/metrics/comparison.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from models.correlation.model import ESTIMATORS, LEAD, CorrelationModel
from models.correlation.returns import symbols_in
from models.metrics.comparison import diebold_mariano
from models.metrics.forecast import Floats
from models.scaling import matrix

BENCHMARK = "identity"
MODELS = (BENCHMARK, *ESTIMATORS)
#: Fewer judged returns than this and the verdict draws no conclusion.
MIN_RETURNS = 10
_TABLE = {"model": pl.String, "n": pl.Int64, "loss": pl.Float64, "dm_stat": pl.Float64, "dm_p": pl.Float64}


@dataclass(frozen=True)
class CorrelationEvaluation:
    """Out-of-sample comparison.

    Attributes:
        table: ``model, n, loss`` (mean Gaussian loss, lower is better), ``dm_stat`` and ``dm_p``
            (Diebold-Mariano against the identity; negative: better than independence); null where not judged.
        verdict: What it says, in words.
    """

    table: pl.DataFrame
    verdict: str


def gaussian_losses(model: CorrelationModel, returns: pl.DataFrame, estimator: str = LEAD) -> Floats:
    """Loss of each row of ``returns``, shape (rows,); NaN where an instrument has no return.

    The matrix is that of the end of training and stays. Instruments the model does not know count as independent, so
    that losses of two models compare on the same returns.

    Args:
        model: Fitted model.
        returns: As from `models.correlation.returns.log_returns`.
        estimator: One of `ESTIMATORS`, or "identity".
    """
    symbols = symbols_in(returns)
    values = matrix(returns, symbols) if symbols else np.zeros((returns.height, 0))
    known = np.isfinite(values).all(axis=1)
    losses = np.full(returns.height, np.nan)
    if not known.any() or not symbols:
        return losses
    scale = np.sqrt((values[known] ** 2).mean(axis=0))
    z = values[known] / np.where(scale > 0.0, scale, 1.0)
    lower = np.linalg.cholesky(_matrix_for(model, symbols, estimator))
    whitened = np.linalg.solve(lower, z.T)
    losses[known] = 2.0 * np.log(np.diag(lower)).sum() + (whitened * whitened).sum(axis=0)
    return losses


def _matrix_for(model: CorrelationModel, symbols: tuple[str, ...], estimator: str) -> Floats:
    result = np.eye(len(symbols))
    if estimator == BENCHMARK:
        return result
    places = {name: place for place, name in enumerate(model.symbols)}
    shared = [place for place, name in enumerate(symbols) if name in places]
    own = [places[symbols[place]] for place in shared]
    result[np.ix_(shared, shared)] = model.matrix(estimator)[np.ix_(own, own)]
    return result


def evaluate_correlation(model: CorrelationModel, returns_test: pl.DataFrame) -> CorrelationEvaluation:
    """Compare independence, sample, EWMA and Ledoit-Wolf on returns after the training window.

    Args:
        model: Fitted model.
        returns_test: As from `models.correlation.returns.log_returns`.
    """
    ordered = returns_test.sort("ts")
    losses = {name: gaussian_losses(model, ordered, name) for name in MODELS}
    losses = {name: values[np.isfinite(values)] for name, values in losses.items()}
    table = pl.DataFrame([_line(name, losses) for name in MODELS], schema=_TABLE)
    return CorrelationEvaluation(table, _verdict(table, len(symbols_in(returns_test))))


def _line(name: str, losses: dict[str, Floats]) -> dict[str, Any]:
    own, benchmark = losses[name], losses[BENCHMARK]
    test = diebold_mariano(own, benchmark) if own.size and name != BENCHMARK else None
    return {
        "model": name,
        "n": own.size,
        "loss": float(own.mean()) if own.size else None,
        "dm_stat": test.statistic if test else None,
        "dm_p": test.p_value if test else None,
    }


def _verdict(table: pl.DataFrame, instruments: int) -> str:
    lines = {line["model"]: line for line in table.to_dicts()}
    lead, benchmark = lines[LEAD], lines[BENCHMARK]
    if instruments < 2:
        return "One instrument: there is no correlation to judge."
    if not lead["n"]:
        return "No return to judge: none that all instruments have lies in the test."
    figures = f"loss {lead['loss']:.4f} against {benchmark['loss']:.4f} over {lead['n']} returns"
    if lead["n"] < MIN_RETURNS:
        return f"{lead['n']} judged returns: too few for a conclusion ({figures})."
    best = min(ESTIMATORS, key=lambda name: lines[name]["loss"])
    lowest = f" The lowest loss of the three has {best.replace('_', '-')}." if best != LEAD else ""
    if lead["dm_p"] is None or lead["dm_p"] > 0.05:
        return f"Ledoit-Wolf and independence cannot be told apart: {figures}.{lowest}"
    outcome = "beats" if lead["loss"] < benchmark["loss"] else "LOSES to"
    return f"Ledoit-Wolf {outcome} independence: {figures} (Diebold-Mariano p = {lead['dm_p']:.3f}).{lowest}"
