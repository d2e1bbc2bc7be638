"""Is a challenger better than the champion: losses of both on the same observations, with an interval.

The interval is a percentile interval of whole blocks drawn with replacement, expanded for few blocks (Hesterberg
2015, The American Statistician 69(4), "expanded percentile interval"): plain percentiles are too narrow by
``sqrt((b - 1) / b)`` and take normal for Student quantiles, which with a dozen blocks promotes by luck twice as
often as stated.

Here: the paired comparison. Not here: the losses (models/metrics/forecast.py), what follows from the outcome
(feeds/registry.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import norm
from scipy.stats import t as student

from feeds.errors import SchemaError
from models.metrics.bootstrap import (
    CELLS_PER_BLOCK,
    MIN_BLOCKS,
    Bootstrap,
    circular_block_weights,
    mean_draws,
    percentile_interval,
    time_cells,
)
from models.metrics.forecast import Floats, finite_pairs

DRAWS = 2000
LEVEL = 0.95
SEED = 20150401


@dataclass(frozen=True)
class PairedComparison:
    """Outcome of a comparison; losses, so lower is better.

    Attributes:
        n: Observations on which both have a finite loss.
        difference: Mean of challenger minus champion, in the unit of the losses; None without observations.
        low: Lower end of its interval; None where the test is too short for one.
        high: Upper end.
        better: Whether the whole interval lies below 0.
        reason: Why, in words.
    """

    n: int
    difference: float | None
    low: float | None
    high: float | None
    better: bool
    reason: str

    def record(self, metric: str) -> dict[str, Any]:
        """The figures with the name of the loss, ready for JSON and for `feeds.registry.Registry.decide`."""
        return {"metric": metric, **asdict(self)}


def paired_comparison(
    challenger_loss: npt.ArrayLike,
    champion_loss: npt.ArrayLike,
    ts: npt.ArrayLike,
    block_ms: int,
    *,
    level: float = LEVEL,
    draws: int = DRAWS,
    seed: int = SEED,
) -> PairedComparison:
    """Mean loss difference over time, with a circular block-bootstrap interval (Politis & Romano 1992).

    Args:
        challenger_loss: Losses, shape (n,).
        champion_loss: Losses of the champion on the same observations, same unit.
        ts: Time of each observation, int64 ns; any order, several instruments may share a time.
        block_ms: Length of a drawn stretch, ms; longer than the dependence of the losses.
        level: Probability inside the interval.
        draws: Resamples.
        seed: Seed of the draws.

    Raises:
        SchemaError: The inputs differ in length.
    """
    difference, stamps = _differences(challenger_loss, champion_loss, ts)
    cell = time_cells(stamps.astype(np.int64), block_ms)
    cells = int(cell.max()) + 1 if cell.size else 0
    weights = circular_block_weights(cells, Bootstrap(block_ms, draws, level, seed))
    return _judge(difference, cell, weights, cells // CELLS_PER_BLOCK, level, f"blocks of {block_ms / 1000:g} s")


def paired_episodes(
    challenger_loss: npt.ArrayLike,
    champion_loss: npt.ArrayLike,
    block: Sequence[Any] | npt.NDArray[Any],
    *,
    level: float = LEVEL,
    draws: int = DRAWS,
    seed: int = SEED,
) -> PairedComparison:
    """Mean loss difference over paired episodes, whole blocks of episodes drawn with replacement.

    Args:
        challenger_loss: Loss of each episode, shape (n,), e.g. implementation shortfall in bps.
        champion_loss: Loss of the champion in the same episode (same start, side, size and random numbers).
        block: Label of each episode; episodes that share market conditions share a label (a stretch of time).
        level: Probability inside the interval.
        draws: Resamples.
        seed: Seed of the draws.

    Raises:
        SchemaError: The inputs differ in length.
    """
    difference, labels = _differences(challenger_loss, champion_loss, np.asarray(block))
    cell = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    blocks = int(cell.max()) + 1 if cell.size else 0
    weights = None
    if blocks >= MIN_BLOCKS:
        drawn = np.random.default_rng(seed).multinomial(blocks, np.full(blocks, 1.0 / blocks), size=draws)
        weights = drawn.astype(np.float64)
    return _judge(difference, cell, weights, blocks, level, "blocks of episodes")


def _differences(
    challenger: npt.ArrayLike, champion: npt.ArrayLike, label: npt.ArrayLike
) -> tuple[Floats, npt.NDArray[Any]]:
    left, right = (np.asarray(side, dtype=np.float64).ravel() for side in (challenger, champion))
    labels = np.asarray(label).ravel()
    if not left.size == right.size == labels.size:
        raise SchemaError(
            "paired comparison",
            received=f"{left.size} and {right.size} losses with {labels.size} times or labels",
            expected="equal lengths",
        )
    keep = np.isfinite(left) & np.isfinite(right)
    kept = finite_pairs(left, right)
    return kept[0] - kept[1], labels[keep]


def _judge(
    difference: Floats, cell: npt.NDArray[np.int64], weights: Floats | None, blocks: int, level: float, unit: str
) -> PairedComparison:
    n = difference.size
    if n == 0:
        return PairedComparison(0, None, None, None, False, "not tested: no observation on which both have a loss")
    mean = float(difference.mean())
    if weights is None:
        reason = f"not tested: the test is too short, {blocks} {unit} < {MIN_BLOCKS}"
        return PairedComparison(n, mean, None, None, False, reason)
    interval = percentile_interval(mean_draws(cell, difference, weights), _expanded(level, blocks))
    if interval is None:
        return PairedComparison(n, mean, None, None, False, f"not tested: too few {unit} hold an observation")
    low, high = interval
    return PairedComparison(n, mean, low, high, high < 0.0, _reason(low, high, level, blocks, unit))


def _expanded(level: float, blocks: int) -> float:
    """Level at which plain percentiles of ``blocks`` blocks have about the coverage ``level``."""
    quantile = float(student.ppf((1.0 + level) / 2.0, blocks - 1)) * math.sqrt(blocks / (blocks - 1))
    return float(1.0 - 2.0 * norm.sf(quantile))


def _reason(low: float, high: float, level: float, blocks: int, unit: str) -> str:
    where = f"the {level:.0%} interval over {blocks} {unit}"
    if high < 0.0:
        return f"the challenger loses less: {where} lies below 0"
    if low > 0.0:
        return f"the challenger loses more: {where} lies above 0"
    return f"no difference shown: {where} holds 0"
