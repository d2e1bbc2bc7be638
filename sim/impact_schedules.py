"""Schedules run through linear impact and a price that moves by chance: many paths, compiled.

Impact of a schedule fixed beforehand is the same on every path, so it is followed once, trade by trade.

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
def _follow(
    times: np.ndarray, lots: np.ndarray, weights: np.ndarray, rates: np.ndarray, levels: np.ndarray, shifts: np.ndarray
) -> None:
    """Write where earlier trades have moved the price when each trade comes; ``levels`` are 0 at first."""
    last = 0.0
    for k in range(times.size):
        shifts[k] = relaxed(levels, rates, times[k] - last)
        push(levels, weights, rates, times[k] - last, lots[k])
        last = times[k]


@njit(**ENTRY)
def _scatter(times: np.ndarray, lots: np.ndarray, volatility: float, key: np.uint64, costs: np.ndarray) -> None:
    """Add to ``costs``, path by path, what the price by chance makes of the trades."""
    for path in range(costs.size):
        price, last = 0.0, 0.0
        for k in range(times.size):
            price += volatility * math.sqrt(times[k] - last) * normal(key, path * times.size + k, 0)
            costs[path] += price * lots[k]
            last = times[k]


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
    shifts = np.empty_like(times)
    _follow(times, traded, weights, rates, np.zeros_like(weights), shifts)
    paid = (shifts + 0.5 * model.walked_ticks_per_lot * traded) @ traded
    costs = np.full(paths, paid + model.half_spread_ticks * np.abs(traded).sum())
    _scatter(times, traded, volatility, np.uint64(stream_key(seed, 0)), costs)
    return costs
