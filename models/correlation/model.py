"""Correlation of returns: sample, exponentially weighted, and shrunk after Ledoit and Wolf.

Here: fitting and saving. Not here: returns (models/correlation/returns.py), judging
(models/correlation/evaluate.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from sklearn.covariance import LedoitWolf
from threadpoolctl import threadpool_limits

from feeds.errors import InsufficientDataError
from models.correlation.config import CorrelationConfig
from models.correlation.returns import symbols_in
from models.metrics.forecast import Floats
from models.saved import loaded, saved
from models.scaling import matrix

ESTIMATORS = ("sample", "ewma", "ledoit_wolf")
#: The estimate limits and comparisons of models rest on.
LEAD = "ledoit_wolf"
#: Least eigenvalue of every matrix: below it the Gaussian loss is noise.
LEAST_EIGENVALUE = 1e-3


@dataclass(frozen=True)
class CorrelationModel:
    """What was learned from the training returns.

    Attributes:
        config: Settings.
        symbols: Instruments, in the order of the matrices.
        volatility: Root mean square return of each, shape (symbols,); not annualised.
        sample: Correlation matrix, shape (symbols, symbols), unit diagonal, positive definite.
        ewma: The same, exponentially weighted.
        ledoit_wolf: The same, shrunk.
        shrinkage: Weight of the target in ``ledoit_wolf``, in [0, 1].
        observations: Training returns on which all instruments have one.
        notes: What was repaired.
    """

    config: CorrelationConfig
    symbols: tuple[str, ...]
    volatility: Floats
    sample: Floats
    ewma: Floats
    ledoit_wolf: Floats
    shrinkage: float
    observations: int
    notes: tuple[str, ...] = ()

    def matrix(self, estimator: str = LEAD) -> Floats:
        """The matrix of one of `ESTIMATORS`."""
        return {"sample": self.sample, "ewma": self.ewma, "ledoit_wolf": self.ledoit_wolf}[estimator]

    def to_bytes(self) -> bytes:
        """The model as joblib bytes."""
        return saved(self)

    @classmethod
    def from_bytes(cls, content: bytes) -> CorrelationModel:
        """Load what `to_bytes` wrote; see `models.saved.loaded`."""
        return loaded(content, cls, "correlation model")


def fit_correlation(returns_train: pl.DataFrame, config: CorrelationConfig) -> CorrelationModel:
    """Estimate correlation three ways on the returns all instruments share.

    Means are taken as zero: over minutes they are nothing beside the deviation. Ledoit-Wolf shrinks the
    covariance of standardised returns to a multiple of the identity (Ledoit & Wolf 2004, J. Multivariate
    Analysis 88). A matrix that is not safely positive definite is mixed with the identity as little as makes it so.

    Args:
        returns_train: As from `models.correlation.returns.log_returns`.
        config: Settings.

    Raises:
        InsufficientDataError: There are too few returns.
    """
    symbols = symbols_in(returns_train)
    aligned = aligned_returns(returns_train.sort("ts"), symbols)
    if len(aligned) < config.min_returns or not symbols:
        raise InsufficientDataError(
            "correlation model",
            received=f"{len(aligned)} returns of {config.return_s} s that all of {len(symbols)} instruments have",
            expected=f"at least {config.min_returns}",
            remedy="Train on a longer window or shorten return_s.",
        )
    volatility = np.sqrt((aligned * aligned).mean(axis=0))
    still = volatility <= 0.0
    standardised = aligned / np.where(still, 1.0, volatility)
    notes = [
        f"{name} did not move: taken as uncorrelated" for name, stands in zip(symbols, still, strict=True) if stands
    ]
    shrunk, shrinkage = _ledoit_wolf(standardised)
    raw = {
        "sample": standardised.T @ standardised / len(standardised),
        "ewma": _ewma(standardised, config.ewma_lambda),
        "ledoit_wolf": shrunk,
    }
    matrices = {}
    for name, covariance in raw.items():
        matrices[name], mixed = positive_definite(_as_correlation(covariance))
        notes += [f"{name}: mixed with {mixed:.1%} of the identity to be positive definite"] if mixed else []
    return CorrelationModel(
        config, symbols, volatility, **matrices, shrinkage=shrinkage, observations=len(aligned), notes=tuple(notes)
    )


def aligned_returns(returns: pl.DataFrame, symbols: tuple[str, ...]) -> Floats:
    """Rows in which every instrument has a finite return, shape (rows, symbols)."""
    values = matrix(returns, symbols) if symbols else np.zeros((0, 0))
    return values[np.isfinite(values).all(axis=1)]


def _ledoit_wolf(standardised: Floats) -> tuple[Floats, float]:
    if standardised.shape[1] == 1:
        return np.ones((1, 1)), 0.0
    with threadpool_limits(limits=1):
        fitted = LedoitWolf(assume_centered=True).fit(standardised)
    return fitted.covariance_, float(fitted.shrinkage_)


def _ewma(standardised: Floats, decay: float) -> Floats:
    weight = decay ** np.arange(len(standardised) - 1, -1, -1.0)
    return (standardised * (weight / weight.sum())[:, None]).T @ standardised


def _as_correlation(covariance: Floats) -> Floats:
    deviation = np.sqrt(np.diag(covariance))
    inverse = np.where(deviation > 0.0, 1.0 / np.where(deviation > 0.0, deviation, 1.0), 0.0)
    correlation = np.clip(covariance * np.outer(inverse, inverse), -1.0, 1.0)
    correlation = (correlation + correlation.T) / 2.0
    np.fill_diagonal(correlation, 1.0)
    return correlation


def positive_definite(correlation: Floats, least: float = LEAST_EIGENVALUE) -> tuple[Floats, float]:
    """``correlation`` mixed with the identity as little as brings its least eigenvalue to ``least``.

    Returns:
        The matrix, its diagonal still 1, and the identity's weight (0 where nothing was mixed in).
    """
    lowest = float(np.linalg.eigvalsh(correlation)[0])
    if lowest >= least:
        return correlation, 0.0
    share = (least - lowest) / (1.0 - lowest)
    return (1.0 - share) * correlation + share * np.eye(len(correlation)), share


def correlation_frame(model: CorrelationModel) -> pl.DataFrame:
    """``symbol_a, symbol_b, sample, ewma, ledoit_wolf``: one row an ordered pair, the diagonal included."""
    pairs = [(i, j) for i in range(len(model.symbols)) for j in range(len(model.symbols))]
    records = [
        {"symbol_a": model.symbols[i], "symbol_b": model.symbols[j]}
        | {name: float(model.matrix(name)[i, j]) for name in ESTIMATORS}
        for i, j in pairs
    ]
    schema = {"symbol_a": pl.String, "symbol_b": pl.String, **dict.fromkeys(ESTIMATORS, pl.Float64)}
    return pl.DataFrame(records, schema=schema)
