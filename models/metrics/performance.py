"""Statistics of a series of returns. Each takes and carries its annualisation; a factor is never guessed.

Returns are simple returns of a fixed notional (they add up), as fractions or bps: the unit goes through.
Undefined statistics (too few returns, no variation) have the value None.

Here: pure statistics. Not here: how returns come about (models/backtest.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import kurtosis as _kurtosis
from scipy.stats import norm
from scipy.stats import skew as _skew

from models.metrics.forecast import Floats

EULER_GAMMA = 0.5772156649015329


@dataclass(frozen=True)
class Annualised:
    """A statistic with its annualisation.

    Attributes:
        value: The annualised figure; None where undefined.
        per_period: The same statistic per period, not annualised; None where undefined.
        periods_per_year: The factor used (square root for ratios and deviations).
        observations: Returns it was computed from.
    """

    value: float | None
    per_period: float | None
    periods_per_year: float
    observations: int


def sharpe(returns: npt.ArrayLike, periods_per_year: float) -> Annualised:
    """Sharpe ratio: mean over standard deviation (n - 1), times sqrt(periods_per_year) (Sharpe 1994).

    Args:
        returns: Excess returns of equal periods, shape (n,).
        periods_per_year: 252 for US trading days, 365 for daily returns of a 24/7 market.
    """
    values = _finite(returns)
    ratio = None
    if values.size >= 2 and np.ptp(values) > 0.0:
        ratio = float(values.mean() / values.std(ddof=1))
    return _annualised(ratio, math.sqrt(periods_per_year), periods_per_year, values.size)


def annualised_return(returns: npt.ArrayLike, periods_per_year: float) -> Annualised:
    """Mean return times periods_per_year, in the unit of ``returns``; nothing compounds."""
    values = _finite(returns)
    mean = float(values.mean()) if values.size else None
    return _annualised(mean, periods_per_year, periods_per_year, values.size)


def annualised_volatility(returns: npt.ArrayLike, periods_per_year: float) -> Annualised:
    """Standard deviation (n - 1) times sqrt(periods_per_year), in the unit of ``returns``."""
    values = _finite(returns)
    deviation = float(values.std(ddof=1)) if values.size >= 2 else None
    return _annualised(deviation, math.sqrt(periods_per_year), periods_per_year, values.size)


def max_drawdown(returns: npt.ArrayLike) -> float:
    """Largest fall of the summed returns below their earlier peak, >= 0, in the unit of ``returns``.

    The peak starts at 0.
    """
    curve = np.concatenate([[0.0], np.cumsum(_finite(returns))])
    return float(np.max(np.maximum.accumulate(curve) - curve))


def turnover(positions: npt.ArrayLike) -> float:
    """Sum of absolute position changes from flat, in multiples of the notional; a round trip of 1 is 2."""
    path = np.concatenate([[0.0], np.asarray(positions, dtype=np.float64)])
    return float(np.abs(np.diff(path)).sum())


def moments(returns: npt.ArrayLike) -> tuple[float, float]:
    """Skewness and kurtosis (3 for a normal), with divisor n; (0, 3) for returns that do not vary."""
    values = _finite(returns)
    if values.size < 2 or np.ptp(values) == 0.0:
        return 0.0, 3.0
    return float(_skew(values)), float(_kurtosis(values, fisher=False))


def probabilistic_sharpe(
    sr: float, benchmark_sr: float, observations: int, skewness: float = 0.0, kurtosis: float = 3.0
) -> float | None:
    """Probability that the true Sharpe ratio exceeds a benchmark (Bailey & Lopez de Prado 2012, eq. 11).

    Args:
        sr: Estimated Sharpe ratio per period, NOT annualised.
        benchmark_sr: Benchmark per period.
        observations: Number of returns behind ``sr``.
        skewness: Of the returns.
        kurtosis: Of the returns, 3 for a normal.

    Returns:
        A probability, or None below two observations or where the moments make the variance negative.
    """
    spread = 1.0 - skewness * sr + (kurtosis - 1.0) / 4.0 * sr * sr
    if observations < 2 or spread <= 0.0:
        return None
    return float(norm.cdf((sr - benchmark_sr) * math.sqrt(observations - 1) / math.sqrt(spread)))


def expected_max_sharpe(n_trials: int, trial_variance: float) -> float:
    """Sharpe ratio that the best of ``n_trials`` trials without skill is expected to show.

    Bailey & Lopez de Prado 2014, eq. 1.

    Args:
        n_trials: Independent trials; 1 gives 0.
        trial_variance: Variance of the trials' Sharpe ratios, in the square of the unit wanted.
    """
    if n_trials <= 1:
        return 0.0
    high = norm.ppf(1.0 - 1.0 / n_trials)
    higher = norm.ppf(1.0 - 1.0 / (n_trials * math.e))
    return float(math.sqrt(trial_variance) * ((1.0 - EULER_GAMMA) * high + EULER_GAMMA * higher))


def deflated_sharpe(
    sr: float,
    n_trials: int,
    observations: int,
    skewness: float = 0.0,
    kurtosis: float = 3.0,
    trial_variance: float | None = None,
) -> float | None:
    """Probability that a Sharpe ratio is real, given how many were tried.

    Bailey & Lopez de Prado 2014, eq. 2.

    Args:
        sr: Estimated Sharpe ratio per period, NOT annualised.
        n_trials: Trials made, counted, including this one.
        observations: Number of returns behind ``sr``.
        skewness: Of the returns.
        kurtosis: Of the returns, 3 for a normal.
        trial_variance: Variance of the per-period Sharpe ratios over the trials; None for 1 / (observations -
            1), the sampling variance of a ratio without skill.
    """
    if observations < 2:
        return None
    variance = 1.0 / (observations - 1) if trial_variance is None else trial_variance
    return probabilistic_sharpe(sr, expected_max_sharpe(n_trials, variance), observations, skewness, kurtosis)


def _finite(returns: npt.ArrayLike) -> Floats:
    values = np.asarray(returns, dtype=np.float64).ravel()
    return values[np.isfinite(values)]


def _annualised(statistic: float | None, factor: float, periods_per_year: float, observations: int) -> Annualised:
    value = None if statistic is None else statistic * factor
    return Annualised(value, statistic, periods_per_year, observations)
