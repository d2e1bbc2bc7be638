"""Intervals for statistics of dependent data: the circular block bootstrap over time cells.

Rows of overlapping labels are dependent, and so are instruments at one time. Whole stretches of time are
therefore drawn, with every row in them. A draw is a vector of cell weights, so that any statistic of sums
costs one matrix product.

Here: draws and percentile intervals. Not here: which statistic is judged (models/alpha/evaluate.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.metrics.forecast import NS_PER_MS, Floats

#: Time cells a block; blocks may start at any cell, which smooths where they cut.
CELLS_PER_BLOCK = 4
#: With fewer whole blocks than this an interval says nothing and is not given.
MIN_BLOCKS = 5


@dataclass(frozen=True)
class Bootstrap:
    """Settings of a block bootstrap.

    Attributes:
        block_ms: Length of a drawn stretch, ms; longer than the dependence (label horizon, forecast memory).
        draws: Number of resamples.
        level: Probability inside the percentile interval.
        seed: Seed of the draws.
    """

    block_ms: int
    draws: int = 1000
    level: float = 0.95
    seed: int = 20140501


def time_cells(ts: npt.NDArray[np.int64], block_ms: int) -> npt.NDArray[np.int64]:
    """Dense index of the non-empty time cell of each row; cells are a quarter of a block long."""
    if ts.size == 0:
        return np.zeros(0, dtype=np.int64)
    width = max(1, block_ms * NS_PER_MS // CELLS_PER_BLOCK)
    return np.unique((ts - ts.min()) // width, return_inverse=True)[1].astype(np.int64)


def circular_block_weights(cells: int, config: Bootstrap) -> Floats | None:
    """How often each cell occurs in each draw (Politis & Romano 1992).

    Args:
        cells: Number of cells in time order.
        config: The bootstrap.

    Returns:
        Shape (draws, cells), float64, each row summing to ``cells``; None where there are fewer than
        `MIN_BLOCKS` blocks.
    """
    if cells < MIN_BLOCKS * CELLS_PER_BLOCK:
        return None
    random = np.random.default_rng(config.seed)
    blocks = -(-cells // CELLS_PER_BLOCK)
    starts = random.integers(0, cells, size=(config.draws, blocks))
    drawn = (starts[:, :, None] + np.arange(CELLS_PER_BLOCK)) % cells
    drawn = drawn.reshape(config.draws, -1)[:, :cells]
    weights = np.zeros((config.draws, cells))
    np.add.at(weights, (np.arange(config.draws)[:, None], drawn), 1.0)
    return weights


def correlation_draws(cell: npt.NDArray[np.int64], left: Floats, right: Floats, weights: Floats) -> Floats:
    """Pearson correlation in every draw, shape (draws,); NaN in a draw in which a side is constant.

    Args:
        cell: Cell of each row, as from `time_cells`.
        left: Finite values, shape (rows,).
        right: The same.
        weights: As from `circular_block_weights`.
    """
    x, y = left - left.mean(), right - right.mean()
    cells = weights.shape[1]
    parts = [np.bincount(cell, weights=part, minlength=cells) for part in (np.ones_like(x), x, y, x * x, y * y, x * y)]
    n, sx, sy, sxx, syy, sxy = (weights @ np.stack(parts, axis=1)).T
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = (sxx - sx * sx / n) * (syy - sy * sy / n)
        return np.where(variance > 0.0, (sxy - sx * sy / n) / np.sqrt(variance), np.nan)


def mean_draws(cell: npt.NDArray[np.int64], values: Floats, weights: Floats) -> Floats:
    """Mean in every draw, shape (draws,); NaN in a draw that holds no row."""
    cells = weights.shape[1]
    total = weights @ np.bincount(cell, weights=values, minlength=cells)
    count = weights @ np.bincount(cell, minlength=cells).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(count > 0.0, total / count, np.nan)


def percentile_interval(draws: Floats, level: float) -> tuple[float, float] | None:
    """Percentile interval of the finite draws; None where more than half are not finite."""
    finite = draws[np.isfinite(draws)]
    if finite.size <= draws.size // 2:
        return None
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
