"""Numbers of a tape that are functions of sums over blocks of time, so that a bootstrap only weighs the blocks anew.

Here: `Statistic`, `Blocks`, the usual sums. Not here: which numbers (sim/realism_stats.py and its neighbours), bands
and verdicts (sim/realism.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.flow_measure import NS, TapeArrays

Floats = npt.NDArray[np.float64]
#: Lags of the autocorrelations whose decay is measured.
DECAY_LAGS = np.arange(1, 31)
#: Fewer observations than this say nothing.
LEAST = 20
_LEAST_POSITIVE = 8


@dataclass(frozen=True)
class Statistic:
    """One number of a tape.

    Attributes:
        family: What it belongs to: book, flow, returns, volatility, signs, impact.
        metric: Name.
        unit: Unit.
        sums: (blocks, s) float64: what has to be summed over the blocks.
        value: From (..., s) sums to (...) numbers; nan where they do not say.
    """

    family: str
    metric: str
    unit: str
    sums: Floats
    value: Callable[[Floats], Floats]

    def of(self) -> float:
        """The number of the whole tape."""
        with np.errstate(all="ignore"):
            return float(self.value(self.sums.sum(axis=0)))

    def resampled(self, weights: Floats) -> Floats:
        """(r,) numbers of r bootstrap samples: ``weights`` (r, blocks) says how often each holds each block."""
        with np.errstate(all="ignore"):
            return np.asarray(self.value(weights @ self.sums), float)


class Blocks:
    """Where ``n`` blocks of equal time lie, from the first live row of a tape to its last row.

    Attributes:
        first_ns: Beginning of the first block.
        width: Length of a block, ns.
        n: Blocks.
    """

    def __init__(self, tape: TapeArrays, n: int) -> None:
        self.first_ns = int(tape.clock[int(np.argmax(tape.live))])
        self.width = max(1, -(-(int(tape.clock[-1]) - self.first_ns + 1) // n))
        self.n = n

    def of(self, ts_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """(k,) block of each time; times outside belong to the nearest."""
        return np.clip((ts_ns - self.first_ns) // self.width, 0, self.n - 1)

    def sums(self, ts_ns: npt.NDArray[np.int64], *columns: npt.NDArray) -> Floats:
        """(blocks, columns): sums of values that belong to times."""
        block = self.of(ts_ns)
        return np.column_stack([np.bincount(block, np.asarray(c, float), minlength=self.n) for c in columns])

    @property
    def span_s(self) -> float:
        """Seconds from the first block's beginning to the last one's end."""
        return self.n * self.width / NS


def ratio(sums: Floats) -> Floats:
    """First sum over second."""
    return sums[..., 0] / sums[..., 1]


def mean_ratio(sums: Floats) -> Floats:
    """First sum over second, a count; nan for fewer than `LEAST`."""
    return np.where(sums[..., 1] >= LEAST, sums[..., 0] / sums[..., 1], np.nan)


def mean_of(
    family: str, metric: str, unit: str, cut: Blocks, ts_ns: npt.NDArray[np.int64], values: npt.NDArray
) -> Statistic:
    """The mean of the finite ones of (k,) values that belong to times."""
    fine = np.isfinite(values)
    return Statistic(family, metric, unit, cut.sums(ts_ns[fine], values[fine], np.ones(int(fine.sum()))), mean_ratio)


def autocorrelations(
    family: str, metrics: Mapping[str, Callable[[Floats], Floats]], cut: Blocks, ts_ns: npt.NDArray[np.int64],
    values: npt.NDArray, lags: npt.NDArray[np.int64],
) -> list[Statistic]:  # fmt: skip
    """Functions of the autocorrelations at some lags; values are centred by the tape's mean.

    Args:
        family: Family of all of them.
        metrics: Name -> function of (..., lags) autocorrelations.
        cut: Blocks.
        ts_ns: (k,) times.
        values: (k,) values, evenly spaced in whatever the lags count.
        lags: (l,) lags.
    """
    centred = values - values.mean() if values.size else np.asarray(values, float)
    products = [np.concatenate([centred[k:] * centred[:-k], np.zeros(min(k, centred.size))]) for k in lags]
    sums = cut.sums(ts_ns, np.ones(centred.size), centred**2, *products)

    def correlation(of: Callable[[Floats], Floats]) -> Callable[[Floats], Floats]:
        return lambda s: np.where(s[..., 0] >= LEAST + lags[0], of(s[..., 2:] / s[..., 1:2]), np.nan)

    return [Statistic(family, name, "1", sums, correlation(of)) for name, of in metrics.items()]


def at_place(place: int) -> Callable[[Floats], Floats]:
    """The value at one place of the last axis."""
    return lambda values: values[..., place]


def mean_over_lags(values: Floats) -> Floats:
    """Mean over the last axis."""
    return np.asarray(values.mean(axis=-1))


def decay(values: Floats, lags: npt.NDArray[np.int64] = DECAY_LAGS) -> Floats:
    """Minus the slope of log autocorrelation on log lag over the last axis, positive ones only; nan below 8."""
    fine = np.asarray(values) > 0
    weights = fine.astype(float)
    x, y = np.log(lags), np.log(np.where(fine, values, 1.0))
    n, sx, sy = weights.sum(-1), (weights * x).sum(-1), y.sum(-1)
    sxx, sxy = (weights * x * x).sum(-1), (x * y).sum(-1)
    with np.errstate(all="ignore"):
        return np.where(n >= _LEAST_POSITIVE, -(n * sxy - sx * sy) / (n * sxx - sx * sx), np.nan)
