"""What an execution agent sees: a few bounded numbers, the same for buying and for selling.

Sides are seen from the parent order: *own* is the side it rests on (bids for a buyer), *opposite* the side it takes.
Signs are set so that what moves the price away from us is positive: waiting costs where ``imbalance``,
``depth_imbalance_5``, ``signed_flow`` and ``drift_bps`` are positive.

Here: names, bounds, and their computation. Not here: the view of a market (sim/market.py), rewards
(sim/execution_env.py).
"""

from __future__ import annotations

from math import log1p, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sim.execution_task import ExecutionTask
from sim.market import (
    ASK_DEPTH_5,
    ASK_PX,
    ASK_SZ,
    BID_DEPTH_5,
    BID_PX,
    BID_SZ,
    BUY,
    REALISED_VAR_60S,
    SIGNED_VOLUME_60S,
    VIEW_WINDOW_NS,
    VOLUME_60S,
)

#: Name, lower and upper bound of each number, in order.
_BOUNDS = (
    ("elapsed_share", 0.0, 1.0),
    ("inventory_share", 0.0, 1.0),
    ("schedule_gap", -1.0, 1.0),
    ("spread_increments", 0.0, 20.0),
    ("imbalance", -1.0, 1.0),
    ("depth_imbalance_5", -1.0, 1.0),
    ("queue_ahead", 0.0, 5.0),
    ("resting_share", 0.0, 1.0),
    ("opposite_slices", 0.0, 5.0),
    ("drift_bps", -100.0, 100.0),
    ("signed_flow", -1.0, 1.0),
    ("volatility_bps", 0.0, 100.0),
    ("volume_ratio", 0.0, 10.0),
)
OBSERVATION = tuple(name for name, _, _ in _BOUNDS)
LOW: npt.NDArray[np.float32] = np.array([low for _, low, _ in _BOUNDS], np.float32)
HIGH: npt.NDArray[np.float32] = np.array([high for _, _, high in _BOUNDS], np.float32)
_BPS = 1e4


class Situation(NamedTuple):
    """Where a parent order stands.

    Attributes:
        side: `BUY` or `SELL`.
        elapsed_share: Time gone by, 0 to 1.
        remaining_lots: Lots left.
        decisions_left: Decisions left, the present one included.
        mid_ticks: Present mid; the last one where a side is empty.
        arrival_mid_ticks: Mid at arrival.
        increment_ticks: Step between quotes.
        resting_lots: Own resting lots.
        resting_ticks: Price of the own order that trades first, 0: none rests.
        ahead_lots: Lots of others ahead of it at its price.
    """

    side: int
    elapsed_share: float
    remaining_lots: int
    decisions_left: int
    mid_ticks: float
    arrival_mid_ticks: float
    increment_ticks: int
    resting_lots: int
    resting_ticks: int
    ahead_lots: int


def observe(view: list[float], now: Situation, task: ExecutionTask) -> npt.NDArray[np.float32]:
    """The observation of a moment.

    Args:
        view: `Market.view` as a list: plain floats are several times faster than elements of an array.
        now: Where the parent order stands.
        task: The parent order.

    Returns:
        (n,) float32 in the order of `OBSERVATION`, clipped to `LOW` and `HIGH`; see the table of
        `sim.execution_env.ExecutionEnv`.
    """
    buying = now.side == BUY
    sign = 1.0 if buying else -1.0
    own_px, own_sz = (view[BID_PX], view[BID_SZ]) if buying else (view[ASK_PX], view[ASK_SZ])
    opposite_sz = view[ASK_SZ] if buying else view[BID_SZ]
    left = now.remaining_lots / task.parent_lots
    quoted = view[BID_PX] > 0 and view[ASK_PX] > 0
    parent_per_window = task.parent_lots * VIEW_WINDOW_NS / task.horizon_ns
    values = (
        now.elapsed_share,
        left,
        left - (1.0 - now.elapsed_share),
        (view[ASK_PX] - view[BID_PX]) / now.increment_ticks if quoted else HIGH[3],
        sign * _balance(view[BID_SZ], view[ASK_SZ]),
        sign * _balance(view[BID_DEPTH_5], view[ASK_DEPTH_5]),
        _queue_ahead(own_px, own_sz, sign, now),
        now.resting_lots / now.remaining_lots if now.remaining_lots else 0.0,
        log1p(opposite_sz * task.decisions / task.parent_lots),
        sign * (now.mid_ticks / now.arrival_mid_ticks - 1.0) * _BPS,
        sign * view[SIGNED_VOLUME_60S] / view[VOLUME_60S] if view[VOLUME_60S] else 0.0,
        sqrt(view[REALISED_VAR_60S]) * _BPS,
        log1p(view[VOLUME_60S] / parent_per_window),
    )
    clipped = np.minimum(np.maximum(np.array(values, np.float32), LOW), HIGH)
    return clipped.astype(np.float32, copy=False)


def _balance(bids: float, asks: float) -> float:
    return (bids - asks) / (bids + asks) if bids + asks else 0.0


def _queue_ahead(own_px: float, own_sz: float, sign: float, now: Situation) -> float:
    """Place of the own order: 0 first, 1 last at the best price, beyond: 1 and increments behind; 1: none rests."""
    if now.resting_lots == 0 or own_px == 0:
        return 1.0
    behind = sign * (own_px - now.resting_ticks) / now.increment_ticks
    if behind < 0:
        return 0.0
    if behind > 0:
        return 1.0 + behind
    return min(1.0, now.ahead_lots / own_sz) if own_sz else 0.0
