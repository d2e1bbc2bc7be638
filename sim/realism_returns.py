"""What a tape says about returns and volatility, in numbers that can be bootstrapped by blocks of time.

The stylised facts of Cont, "Empirical properties of asset returns", Quantitative Finance 1 (2001): tails by kurtosis
at several horizons and by the tail index of Hill (Annals of Statistics 3, 1975), returns that do not and sizes of
returns that do remember, leverage; the signature plot as ratios of variances per time.

Here: these statistics. Not here: the sums (sim/realism_blocks.py), verdicts (sim/realism.py).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.flow_measure import NS, TapeArrays
from sim.flow_moments import mids_on_grid
from sim.realism_blocks import (
    DECAY_LAGS,
    LEAST,
    Blocks,
    Floats,
    Statistic,
    at_place,
    autocorrelations,
    decay,
    mean_over_lags,
    ratio,
)

_SIZE_LAGS = np.array([1, 10, 30, 60])
_LEVERAGE_LAGS = np.arange(1, 11)
#: Share of the returns that Hill's estimator takes for the tail.
_TAIL = 0.05


def return_statistics(tape: TapeArrays, cut: Blocks) -> list[Statistic]:
    """All statistics of returns and volatility."""
    steps = {seconds: _steps(tape, cut, seconds) for seconds in (1, 10, 60, 300)}
    power = {seconds: cut.sums(when, r**2, np.ones(r.size)) for seconds, (when, r) in steps.items()}
    return [
        *_tails(steps, power, cut),
        *(_signature(power, seconds) for seconds in (1, 10, 300)),
        *autocorrelations("returns", {"return autocorrelation at 1 s": at_place(0)}, cut, *steps[1], np.array([1])),
        *autocorrelations("returns", {"return autocorrelation at 10 s": at_place(0)}, cut, *steps[10], np.array([1])),
        _leverage(steps[10], cut),
        *_clustering(steps, power, cut),
    ]


def _steps(tape: TapeArrays, cut: Blocks, seconds: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """Beginnings of steps of ``seconds`` and log mid changes over them, bps."""
    steps = np.diff(np.log(mids_on_grid(tape, seconds))) * 1e4
    return cut.first_ns + np.arange(steps.size) * seconds * NS, steps


def _tails(
    steps: dict[int, tuple[npt.NDArray[np.int64], Floats]], power: dict[int, Floats], cut: Blocks
) -> list[Statistic]:
    def kurtosis(s: Floats) -> Floats:
        return np.where(s[..., 1] >= LEAST, s[..., 2] * s[..., 1] / s[..., 0] ** 2, np.nan)

    found = [
        Statistic("returns", f"kurtosis over {k} s", "1", np.column_stack([power[k], cut.sums(when, r**4)]), kurtosis)
        for k, (when, r) in steps.items()
    ]
    when, r = steps[10]
    size = np.abs(r)
    threshold = float(np.quantile(size, 1.0 - _TAIL)) if size.size else 0.0
    beyond = (size > threshold) & (threshold > 0)
    sums = cut.sums(when[beyond], np.ones(int(beyond.sum())), np.log(size[beyond] / max(threshold, 1e-300)))
    hill = Statistic(
        "returns", "tail index over 10 s", "1", sums, lambda s: np.where(s[..., 0] >= LEAST, ratio(s), np.nan)
    )
    return [*found, hill]


def _signature(power: dict[int, Floats], seconds: int) -> Statistic:
    """Variance per time over ``seconds`` to that over a minute: a point of the signature plot."""

    def value(s: Floats) -> Floats:
        enough = (s[..., 1] >= LEAST) & (s[..., 3] >= LEAST)
        return np.where(enough, 60.0 / seconds * (s[..., 0] / s[..., 1]) / (s[..., 2] / s[..., 3]), np.nan)

    name = f"signature ratio {seconds} s to 60 s"
    return Statistic("returns", name, "1", np.column_stack([power[seconds], power[60]]), value)


def _leverage(step: tuple[npt.NDArray[np.int64], Floats], cut: Blocks) -> Statistic:
    """Mean correlation of a return with the sizes of the next ones."""
    when, r = step
    centred, size = r - r.mean() if r.size else r, np.abs(r) - np.abs(r).mean() if r.size else r
    products = [np.concatenate([centred[:-k] * size[k:], np.zeros(min(int(k), r.size))]) for k in _LEVERAGE_LAGS]
    sums = cut.sums(when, centred**2, size**2, np.ones(r.size), np.mean(products, axis=0) if r.size else r)

    def value(s: Floats) -> Floats:
        return np.where(s[..., 2] >= 2 * LEAST, s[..., 3] / np.sqrt(s[..., 0] * s[..., 1]), np.nan)

    return Statistic("returns", "leverage, 10 to 100 s", "1", sums, value)


def _clustering(
    steps: dict[int, tuple[npt.NDArray[np.int64], Floats]], power: dict[int, Floats], cut: Blocks
) -> list[Statistic]:
    when, r = steps[1]
    of_lag = {f"autocorrelation of |r| at {k} s": at_place(i) for i, k in enumerate(_SIZE_LAGS)}
    over = {"mean autocorrelation of |r|, 1 to 30 s": mean_over_lags, "decay of the autocorrelation of |r|": decay}
    slow = {"mean autocorrelation of |r| over 10 s, 10 to 300 s": mean_over_lags}
    volatility = Statistic(
        "volatility", "volatility over 60 s", "bps", power[60], lambda s: np.sqrt(s[..., 0] / s[..., 1])
    )
    return [
        volatility,
        *autocorrelations("volatility", of_lag, cut, when, np.abs(r), _SIZE_LAGS),
        *autocorrelations("volatility", over, cut, when, np.abs(r), DECAY_LAGS),
        *autocorrelations("volatility", slow, cut, steps[10][0], np.abs(steps[10][1]), DECAY_LAGS),
    ]
