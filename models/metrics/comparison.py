"""Is one forecast better than another: Diebold-Mariano on a series of loss differences.

Here: the test and its long-run variance. Not here: the losses (models/metrics/forecast.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

#: Fewer loss differences than this and the test is not made.
MIN_DIFFERENCES = 10


@dataclass(frozen=True)
class DieboldMariano:
    """Outcome of the test.

    Attributes:
        statistic: Negative: the first forecast loses less. Student t with n - 1 degrees of freedom under
            equality.
        p_value: Two-sided.
        n: Loss differences used.
    """

    statistic: float
    p_value: float
    n: int


def newey_west_variance(values: npt.ArrayLike, lags: int) -> float:
    """Long-run variance of a series with Bartlett weights (Newey & West 1987, eq. 5).

    Args:
        values: Series, shape (n,), n >= 1; its mean is taken out.
        lags: Autocovariances used; 0 gives the plain variance with divisor n.
    """
    centred = np.asarray(values, dtype=np.float64)
    centred = centred - centred.mean()
    n = centred.size
    total = float(centred @ centred) / n
    for lag in range(1, min(lags, n - 1) + 1):
        total += 2.0 * (1.0 - lag / (lags + 1.0)) * float(centred[lag:] @ centred[:-lag]) / n
    return total


def automatic_lags(n: int) -> int:
    """Lags floor(4 (n / 100)^(2/9)) (Newey & West 1994)."""
    return int(4.0 * (n / 100.0) ** (2.0 / 9.0))


def diebold_mariano(
    loss: npt.ArrayLike, benchmark_loss: npt.ArrayLike, lags: int | None = None
) -> DieboldMariano | None:
    """Test of equal expected loss of one-step forecasts (Diebold & Mariano 1995).

    With the small-sample factor of Harvey, Leybourne & Newbold 1997.

    Args:
        loss: Losses of the forecast in time order, shape (n,).
        benchmark_loss: Losses of the benchmark at the same times.
        lags: Lags of the long-run variance; None for `automatic_lags`.

    Returns:
        The test, or None below `MIN_DIFFERENCES` values or where the losses never differ.
    """
    difference = np.asarray(loss, dtype=np.float64) - np.asarray(benchmark_loss, dtype=np.float64)
    n = difference.size
    if n < MIN_DIFFERENCES or np.ptp(difference) == 0.0:
        return None
    variance = newey_west_variance(difference, automatic_lags(n) if lags is None else lags) / n
    if variance <= 0.0:
        return None
    statistic = float(difference.mean()) / math.sqrt(variance) * math.sqrt((n - 1) / n)
    return DieboldMariano(statistic, float(2.0 * student.sf(abs(statistic), n - 1)), n)
