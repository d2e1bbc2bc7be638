"""How far own trades have moved the price by now.

Every part of the kernel is carried on by itself, so that a trade costs as much after a thousand others as at first.

Here: the kernels and the state of one trader. Not here: the model (sim/impact_models.py).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from sim.compile_options import ENTRY
from sim.impact_models import Floats, Propagator

_NS = 1e-9


@njit(**ENTRY)
def relaxed(levels: np.ndarray, rates: np.ndarray, seconds: float) -> float:
    """The shift ``seconds`` after ``levels`` held, which stay as they are."""
    shift = 0.0
    for k in range(levels.size):
        shift += levels[k] * math.exp(-rates[k] * seconds)
    return shift


@njit(**ENTRY)
def push(levels: np.ndarray, weights: np.ndarray, rates: np.ndarray, seconds: float, lots: float) -> None:
    """Carry ``levels`` on by ``seconds`` and add a trade of ``lots``."""
    for k in range(levels.size):
        levels[k] = levels[k] * math.exp(-rates[k] * seconds) + weights[k] * lots


def parts(model: Propagator) -> tuple[Floats, Floats]:
    """Weights in ticks per lot and rates per second of the kernel's parts; the permanent one first, at rate 0."""
    weights = [model.permanent_ticks_per_lot, *(decay.ticks_per_lot for decay in model.decays)]
    return np.array(weights), np.array([0.0, *(decay.rate_per_s for decay in model.decays)])


class ImpactState:
    """Own trades so far under one model.

    What it says at a time depends on the trades alone, not on how often it was asked.
    """

    def __init__(self, model: Propagator) -> None:
        self.model = model
        self._weights, self._rates = parts(model)
        #: Shift of each part right after the last trade, ticks; and its moment, ns.
        self.levels, self.last_ns = np.zeros_like(self._weights), np.zeros(1, np.int64)

    def clear(self) -> None:
        """Forget all trades."""
        self.levels[:], self.last_ns[0] = 0.0, 0

    def shift_ticks(self, now_ns: int) -> float:
        """How far the price stands from where it would without us; ``now_ns`` not before the last trade."""
        return float(relaxed(self.levels, self._rates, (now_ns - int(self.last_ns[0])) * _NS))

    def premium_ticks(self, lots: float) -> float:
        """What a trade of ``lots`` (bought positive) pays on average over the mid before it, spread included.

        Only for a market without a book of its own; one that is walked charges this by its fills.
        """
        walk = 0.5 * self.model.walked_ticks_per_lot * lots
        return walk + math.copysign(self.model.half_spread_ticks, lots)

    def trade(self, now_ns: int, lots: float) -> None:
        """Note a trade of ``lots``, bought positive."""
        push(self.levels, self._weights, self._rates, (now_ns - int(self.last_ns[0])) * _NS, lots)
        self.last_ns[0] = now_ns
