"""Whole distributions of a tape, and how far two tapes lie apart in them.

The distances of LOB-Bench (Nagy et al., "LOB-Bench: benchmarking generative AI for finance", 2025): total variation
over Freedman-Diaconis bins and the first Wasserstein distance after pooled standardisation. Both are taken from
histograms by blocks of time, so that a bootstrap weighs blocks anew instead of sorting samples again.

Here: samples, histograms, distances. Not here: verdicts (sim/realism.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sim.flow_measure import TapeArrays
from sim.flow_moments import market_orders
from sim.realism_blocks import Blocks, Floats
from sim.realism_stats import (
    ADD,
    OFI_S,
    cancelled,
    distances,
    flow_imbalance,
    imbalance,
    intervals,
    lifetimes,
    log_depth,
    on_grid,
)

#: Most bins of total variation, bins where the quartiles coincide, cells of the Wasserstein distance.
_MOST_BINS, _USUAL_BINS, _CELLS = 300, 50, 900
#: Of the pooled real values; what lies outside counts at the edge.
_OUTER = (0.001, 0.999)
#: Fewer values than this have no distribution.
_LEAST_VALUES = 20
_MINUTE_S = 60


@dataclass(frozen=True)
class Sample:
    """Values of one quantity with the block of time each belongs to.

    Attributes:
        values: (k,) float64, finite.
        block: (k,) int64.
        blocks: Number of blocks.
    """

    values: Floats
    block: npt.NDArray[np.int64]
    blocks: int


def samples_of(tape: TapeArrays, increment: int, blocks: int) -> dict[str, Sample]:
    """The distributions of a tape by name, see `sim.realism_stats.statistics_of` for the arguments.

    Spread, imbalance and volumes are taken after every live row, sides pooled; depths of orders are distances from the
    mid before them, ticks.
    """
    cut = Blocks(tape, blocks)
    live = np.flatnonzero(tape.live > 0)
    near = np.isfinite(distances(tape, increment))
    orders = market_orders(tape)
    lots = np.zeros(tape.clock.size)
    np.add.at(lots, np.clip(np.searchsorted(tape.clock, orders.ts_ns, "right") - 1, 0, None), orders.lots)
    when, seconds = intervals(tape, near)
    died, lived = lifetimes(tape, near)
    before = np.maximum(np.arange(tape.clock.size) - 1, 0)
    from_mid = np.abs(tape.price - tape.mid[before])
    added, gone = np.flatnonzero((tape.action == ADD) & near), np.flatnonzero(cancelled(tape, near))
    both, touch = np.concatenate([live, live]), np.concatenate([tape.bid_sz[live], tape.ask_sz[live]])
    minutes, traded = on_grid(tape, lots, _MINUTE_S)
    steps, flow = on_grid(tape, flow_imbalance(tape), OFI_S)
    found = {
        "spread": (tape.clock[live], (tape.ask_px - tape.bid_px)[live]),
        "imbalance": (tape.clock[live], imbalance(tape)[live]),
        "touch volume": (tape.clock[both], np.log10(np.maximum(1, touch))),
        "displayed depth": (tape.clock[live], log_depth(tape)[live]),
        "interval": (when, np.log10(seconds)),
        "time to cancellation": (died, np.log10(lived)),
        "depth of limit orders": (tape.clock[added], from_mid[added]),
        "depth of cancellations": (tape.clock[gone], from_mid[gone]),
        "volume a minute": (minutes, np.log10(1.0 + traded)),
        f"order-flow imbalance over {OFI_S} s": (steps, flow),
    }
    return {name: Sample(np.asarray(v, float), cut.of(ts), blocks) for name, (ts, v) in found.items()}


class Counts(NamedTuple):
    """Numbers of values: (..., bins) and (..., cells) float64 of a `Grid`, the first axis blocks where there is one."""

    bins: Floats
    cells: Floats

    def weighed(self, weights: Floats) -> Counts:
        """Of samples that hold each block as often as ``weights`` (r, blocks) or (blocks,) say."""
        return Counts(weights @ self.bins, weights @ self.cells)

    def whole(self) -> Counts:
        """Of all blocks together."""
        return Counts(self.bins.sum(axis=0), self.cells.sum(axis=0))


@dataclass(frozen=True)
class Grid:
    """Bins that two real samples give.

    Attributes:
        bins: Edges of the bins of total variation; what lies outside counts in the first or last.
        cells: Edges of the cells of the Wasserstein distance, evenly spaced, three times as wide.
        scale: Pooled standard deviation; 0 where nothing varies.
    """

    bins: Floats
    cells: Floats
    scale: float

    @classmethod
    def of(cls, x: Floats, y: Floats) -> Grid:
        """Bins of the pooled values."""
        pooled = np.concatenate([x, y])
        low, high = np.quantile(pooled, _OUTER)
        spread = float(np.subtract(*np.quantile(pooled, [0.75, 0.25])))
        width = 2.0 * spread / pooled.size ** (1 / 3)
        n = int(np.clip((high - low) / width, 1, _MOST_BINS)) if width > 0 else _USUAL_BINS
        bins = np.linspace(low, high, n + 1) if high > low else np.array([low - 0.5, low + 0.5])
        span = float(high - low) or 1.0
        return cls(bins, np.linspace(low - span, high + span, _CELLS + 1), float(pooled.std()))

    def counts(self, sample: Sample) -> Counts:
        """Numbers of values by block."""
        return Counts(_counts(sample, self.bins), _counts(sample, self.cells))

    def distances(self, x: Counts, y: Counts) -> tuple[Floats, Floats]:
        """Total variation, and Wasserstein distance in pooled standard deviations, over the last axis."""
        (p, q), (f, g) = ((_shares(a), _shares(b)) for a, b in zip(x, y, strict=True))
        variation = 0.5 * np.abs(p - q).sum(axis=-1)
        step = float(self.cells[1] - self.cells[0])
        moved = np.abs(np.cumsum(f - g, axis=-1)).sum(axis=-1) * step
        return variation, moved / self.scale if self.scale > 0 else np.zeros_like(moved)


def _counts(sample: Sample, edges: Floats) -> Floats:
    n = edges.size - 1
    at = np.clip(np.searchsorted(edges, sample.values, "right") - 1, 0, n - 1)
    return np.bincount(sample.block * n + at, minlength=sample.blocks * n).reshape(sample.blocks, n).astype(float)


def _shares(counts: Floats) -> Floats:
    return np.asarray(counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1.0))


def enough(*samples: Sample) -> bool:
    """Whether each has enough values to speak of a distribution."""
    return all(sample.values.size >= _LEAST_VALUES for sample in samples)


def total_variation(x: Floats, y: Floats) -> float:
    """Half the summed absolute difference of two histograms over Freedman-Diaconis bins of the pooled values."""
    return float(_between(x, y)[0])


def wasserstein(x: Floats, y: Floats) -> float:
    """First Wasserstein distance in pooled standard deviations."""
    return float(_between(x, y)[1])


def _between(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    grid = Grid.of(x, y)
    of_x, of_y = (grid.counts(Sample(v, np.zeros(v.size, np.int64), 1)).whole() for v in (x, y))
    return grid.distances(of_x, of_y)
