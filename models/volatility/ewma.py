"""Exponentially weighted mean of past variances: the benchmark every model has to beat.

Here: the recursion. Not here: anything fitted.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.metrics.forecast import Floats


def ewma(values: npt.ArrayLike, decay: float) -> Floats:
    """Forecast after each value: sum decay^k v[t-k] / sum decay^k (RiskMetrics 1996).

    The start is weighted rather than seeded, so that the first forecast is the first value and no later value
    is used.

    Args:
        values: Variances in time order, shape (n,).
        decay: Lambda in (0, 1).

    Returns:
        Shape (n,), float64; entry t uses values up to t.
    """
    series = np.asarray(values, dtype=np.float64)
    forecast = np.empty_like(series)
    total = weight = 0.0
    for t, value in enumerate(series):
        total = decay * total + value
        weight = decay * weight + 1.0
        forecast[t] = total / weight
    return forecast
