"""The heterogeneous autoregression of realised variance, in logs.

ln v[t+1] = b0 + sum_w b_w ln mean(v[t-w+1..t]) (Corsi 2009, eq. 9; in logs as Andersen, Bollerslev & Diebold
2007). Back in levels the mean of exp(residual) replaces Jensen's half variance (Duan 1983): residuals are not
normal.

Here: one regression for any set of windows. Not here: which series goes in (models/volatility/model.py,
daily.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feeds.errors import InsufficientDataError
from models.metrics.forecast import Floats


@dataclass(frozen=True)
class LogHar:
    """A fitted HAR.

    Attributes:
        windows: Lengths of the averages, ascending.
        partial: Whether averages over less than a window count (intraday, at the start of a session).
        coefficients: Intercept and one per window, in logs.
        smearing: Mean of exp(residual) over the training observations.
        low: Least training target; a forecast outside [low, high] is pulled in (Swanson & White 1997).
        high: Largest training target.
        observations: Training observations.
    """

    windows: tuple[int, ...]
    partial: bool
    coefficients: tuple[float, ...]
    smearing: float
    low: float
    high: float
    observations: int

    def predict(self, series: npt.ArrayLike) -> Floats:
        """Forecast for the value after each one of ``series``; NaN where a window is not full.

        Args:
            series: Positive variances in time order, shape (n,).
        """
        design = har_design(series, self.windows, self.partial)
        total = np.zeros(design.shape[0])
        # column by column: a matrix product may round a row differently depending on how many rows there are
        for column, coefficient in zip(design.T, self.coefficients, strict=True):
            total += column * coefficient
        return np.clip(np.exp(total) * self.smearing, self.low, self.high)


def har_design(series: npt.ArrayLike, windows: Sequence[int], partial: bool) -> Floats:
    """Regressors known after each value: 1 and the log of each trailing mean.

    Args:
        series: Positive values in time order, shape (n,).
        windows: Lengths of the means.
        partial: Average what there is where a window is not full; else NaN.

    Returns:
        Shape (n, 1 + windows).
    """
    values = np.asarray(series, dtype=np.float64)
    design = np.ones((values.size, 1 + len(windows)))
    for column, window in enumerate(windows, start=1):
        # every window is summed afresh, newest first: running sums drift with where they began
        total = values.copy()
        for lag in range(1, min(window, values.size)):
            total[lag:] += values[:-lag]
        held = np.minimum(np.arange(1, values.size + 1), window)
        mean = total / held if partial else np.where(held == window, total / window, np.nan)
        design[:, column] = np.log(mean)
    return design


def fit_har(
    groups: Sequence[tuple[npt.ArrayLike, npt.ArrayLike]],
    windows: Sequence[int],
    partial: bool,
    min_observations: int,
    what: str = "HAR",
) -> LogHar:
    """Pooled least squares over several series.

    Args:
        groups: (series, target) of equal length each; target t is the value after t, NaN where there is none.
        windows: Lengths of the means.
        partial: See `har_design`.
        min_observations: Fewer usable pairs than this raise.
        what: Name of the model in the error.

    Raises:
        InsufficientDataError: There are too few pairs.
    """
    designs = [har_design(series, windows, partial) for series, _ in groups]
    x = np.concatenate(designs) if designs else np.zeros((0, 1 + len(windows)))
    y = np.concatenate([np.asarray(t, dtype=np.float64) for _, t in groups]) if groups else np.zeros(0)
    usable = np.isfinite(x).all(axis=1) & np.isfinite(y)
    x, y = x[usable], y[usable]
    least = max(min_observations, x.shape[1] + 2)
    if y.size < least:
        raise InsufficientDataError(what, received=f"{y.size} observations", expected=f"at least {least}")
    logs = np.log(y)
    coefficients = np.linalg.lstsq(x, logs, rcond=None)[0]
    residuals = logs - x @ coefficients
    return LogHar(
        windows=tuple(windows),
        partial=partial,
        coefficients=tuple(float(b) for b in coefficients),
        smearing=float(np.exp(residuals).mean()),
        low=float(y.min()),
        high=float(y.max()),
        observations=int(y.size),
    )
