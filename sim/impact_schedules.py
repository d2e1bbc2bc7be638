"""Schedules run through linear impact and a price that moves by chance: many paths, compiled.

Here: the shortfall of a fixed schedule path by path. Not here: its mean and variance in closed form
(`Propagator.expected_cost`, `sim.closed_forms.price_covariance`), a market to act in (sim/impact_market.py).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from feeds.errors import StudyError
from sim.compile_options import ENTRY
from sim.impact_models import Floats, Propagator
from sim.impact_state import parts, push, relaxed
from sim.random_stream import normal, stream_key


@njit(**ENTRY)
def _run(
    times: np.ndarray,
    lots: np.ndarray,
    kernel: tuple[np.ndarray, np.ndarray, np.ndarray],
    half_spread: float,
    walked: float,
    volatility: float,
    key: np.uint64,
    costs: np.ndarray,
) -> None:
    weights, rates, levels = kernel
    for path in range(costs.size):
        price, cost, last = 0.0, 0.0, 0.0
        for k in range(levels.size):
            levels[k] = 0.0
        for k in range(times.size):
            passed, traded = times[k] - last, lots[k]
            price += volatility * math.sqrt(passed) * normal(key, path * times.size + k, 0)
            paid = price + relaxed(levels, rates, passed) + 0.5 * walked * traded
            cost += paid * traded + half_spread * abs(traded)
            push(levels, weights, rates, passed, traded)
            last = times[k]
        costs[path] = cost


def simulate_shortfall(
    model: Propagator, times_s: Floats, lots: Floats, *, volatility: float, paths: int, seed: int
) -> Floats:
    """Shortfall of one schedule on many price paths.

    Args:
        model: Impact.
        times_s: (n,) of the trades since arrival, rising, none negative.
        lots: (n,) traded, bought positive.
        volatility: Of the price, ticks a root of a second.
        paths: Their number.
        seed: The same seed gives schedules with as many trades the same prices: compare them path by path.

    Returns:
        (paths,) ticks times lots against the arrival price; positive is a cost.

    Raises:
        StudyError: Times fall, start before arrival, or are not as many as the trades.
    """
    times, traded = np.ascontiguousarray(times_s, np.float64), np.ascontiguousarray(lots, np.float64)
    if times.shape != traded.shape or times.ndim != 1 or (np.diff(times, prepend=0.0) < 0).any():
        raise StudyError("schedule", received=f"times {times}, trades {traded}", expected="as many, in rising order")
    weights, rates = parts(model)
    costs = np.empty(paths)
    kernel = weights, rates, np.empty_like(weights)
    key = np.uint64(stream_key(seed, 0))
    _run(times, traded, kernel, model.half_spread_ticks, model.walked_ticks_per_lot, volatility, key, costs)
    return costs
