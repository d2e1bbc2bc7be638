"""Averages of state features over the recent past, so that a regime is a state of minutes and not of one quote.

Here: the causal average and its span. Not here: which features (models/regimes/state_features.py).
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from models.metrics.forecast import Floats

NS_PER_S = 1_000_000_000
#: Training rows of an instrument cover at least this many spans; a shorter capture has a shorter span.
LEAST_SPANS = 20
#: Time constants in a span: 98 % of the weight lies within one.
CONSTANTS = 4


def span_rows(smooth_s: float, step_ns: int, rows: int) -> float:
    """Span of the average in rows: ``smooth_s``, or a twentieth of the training rows where that is shorter.

    Args:
        smooth_s: Wanted span, seconds; 0 for none.
        step_ns: Time between rows.
        rows: Training rows of the instrument that has most.
    """
    return min(smooth_s * NS_PER_S / step_ns, rows / LEAST_SPANS)


def smoothed(values: Floats, follows: npt.NDArray[np.bool_], span: float) -> Floats:
    """Exponentially weighted mean of each row and the rows before it, started afresh after a gap.

    Weights fall by a factor e every ``span / 4`` rows and are those of known values only; a recursion row by row, so
    that later rows change no bit of an earlier one. What is missing in a row stays missing in its mean.

    Args:
        values: Shape (rows, features); NaN is missing.
        follows: Whether each row follows the one before it, shape (rows,).
        span: From `span_rows`; up to one row there is nothing to average.
    """
    if span <= 1.0:
        return values
    keep = [1.0, -math.exp(-CONSTANTS / span)]
    known = np.isfinite(values)
    filled, weight = np.where(known, values, 0.0), known.astype(np.float64)
    result = np.full(values.shape, math.nan)
    edges = [*np.flatnonzero(~follows), len(values)]
    for first, end in itertools.pairwise(edges):
        here = slice(first, end)
        total, mass = (lfilter([1.0], keep, part[here], axis=0) for part in (filled, weight))
        np.divide(total, mass, out=result[here], where=known[here])
    return result


def fitting_stride(span: float) -> int:
    """Rows from one a fit uses to the next: a time constant, before which the mean has hardly moved."""
    return max(1, round(span / CONSTANTS))


def independent_rows(rows: int, span: float) -> float:
    """How many independent rows tell as much about a level as ``rows`` averaged ones: one in two time constants.

    The autocorrelations of the average of noise add up to two time constants.
    """
    return rows / max(1.0, 2.0 * span / CONSTANTS)
