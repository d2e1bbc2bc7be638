"""Bringing features of several instruments to one scale with statistics of the training window.

Here: the matrix of some columns, its centre and width per instrument. Not here: which columns (models/regimes,
models/anomaly).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from models.metrics.forecast import Floats

Measure = Callable[[Floats, float, float], tuple[float, float]]

#: Shares of the training values beyond which a value counts as that quantile.
TAILS = (0.005, 0.995)
#: Interquartile range, and range of `TAILS`, of a standard normal variable.
_QUARTILES, _TAIL_RANGE = 1.349, 5.152
# numpy's own log may take another path, and round another way, for another length of array
_log = np.frompyfunc(math.log, 1, 1)


@dataclass(frozen=True)
class Scale:
    """Where the values of one instrument lie; each entry shape (features,).

    Attributes:
        centre: Taken off.
        width: Divided by; 1 where a feature does not vary.
        low: Values below count as it where they are winsorised.
        high: Likewise above.
        varies: Whether a feature varies at all.
    """

    centre: Floats
    width: Floats
    low: Floats
    high: Floats
    varies: npt.NDArray[np.bool_]

    def apply(self, values: Floats, winsorise: bool) -> Floats:
        """Scaled values, shape (rows, features); features that did not vary in training are 0, NaN stays."""
        inside = np.clip(values, self.low, self.high) if winsorise else values
        scaled = (inside - self.centre) / self.width
        return np.where(self.varies | np.isnan(values), scaled, 0.0)


def matrix(rows: pl.DataFrame, columns: Sequence[str]) -> Floats:
    """Columns as float64, shape (rows, columns), row by row in memory; null and infinite values are NaN."""
    values = rows.select(
        pl.col(name).cast(pl.Float64).fill_null(math.nan).alias(str(place)) for place, name in enumerate(columns)
    ).to_numpy()
    return np.ascontiguousarray(np.where(np.isfinite(values), values, math.nan))


def logarithm(values: Floats) -> Floats:
    """Natural logarithm, the same bits for a value whatever stands beside it; NaN where there is none."""
    positive = values > 0.0
    result = np.full(values.shape, math.nan)
    result[positive] = np.asarray(_log(values[positive]), dtype=np.float64)
    return result


def moment_scale(values: Floats) -> Scale:
    """Mean and standard deviation of the winsorised values.

    Args:
        values: Training values, shape (rows, features); NaN are left out.
    """
    return _scale(values, _mean_and_deviation)


def robust_scale(values: Floats) -> Scale:
    """Median, and the larger of two quantile ranges, each 1 for a standard normal variable.

    The interquartile range alone is nearly 0 for a feature that rests at one value most of the time, and every
    move of it would count as extreme.
    """
    return _scale(values, _median_and_range)


def _scale(values: Floats, measure: Measure) -> Scale:
    columns = [_one(column[np.isfinite(column)], measure) for column in values.T]
    centre, width, low, high = (np.array([column[k] for column in columns]) for k in range(4))
    varies = width > 1e-9 * np.maximum(1.0, np.abs(centre))
    return Scale(centre, np.where(varies, width, 1.0), low, high, varies)


def _one(known: Floats, measure: Measure) -> tuple[float, float, float, float]:
    if known.size == 0:
        return 0.0, 0.0, 0.0, 0.0
    low, high = (float(edge) for edge in np.quantile(known, TAILS))
    centre, width = measure(known, low, high)
    return centre, width, low, high


def _mean_and_deviation(known: Floats, low: float, high: float) -> tuple[float, float]:
    inside = np.clip(known, low, high)
    return float(inside.mean()), float(inside.std())


def _median_and_range(known: Floats, low: float, high: float) -> tuple[float, float]:
    first, median, third = (float(edge) for edge in np.quantile(known, (0.25, 0.5, 0.75)))
    width = max((third - first) / _QUARTILES, (high - low) / _TAIL_RANGE)
    return median, width if width > 0.0 else float(known.std())
