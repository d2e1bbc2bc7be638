"""What an execution agent sees: a few bounded numbers, the same for buying and for selling.

Sides are seen from the parent order: *own* is the side it rests on (bids for a buyer), *opposite* the side it takes.
Signs are set so that what moves the price away from us is positive: waiting costs where imbalances, ``signed_flow``,
``drift_bps``, ``last_move_bps`` and ``alpha_bps`` are positive.

Here: names, bounds, sets of terms, and their computation in plain Python. Not here: the same in compiled form
(sim/env_observation.py), the view of a market (sim/market.py), rewards (sim/execution_env.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log1p, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from feeds.errors import StudyError
from sim.execution_task import ExecutionTask
from sim.forecast_series import Forecasts
from sim.market import (
    ASK_DEPTH_5,
    ASK_PX,
    ASK_SZ,
    BID_DEPTH_5,
    BID_PX,
    BID_SZ,
    BUY,
    REALISED_VAR_60S,
    SELL,
    SIGNED_VOLUME_60S,
    TRADES_60S,
    VIEW_WINDOW_NS,
    VOLUME_60S,
)

#: Name, lower and upper bound of each number of the default set, in order.
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
#: Further terms; those with ``depth`` in their name but for five levels need the depths of the market.
_MORE = (
    ("depth_imbalance_3", -1.0, 1.0),
    ("depth_imbalance_10", -1.0, 1.0),
    ("own_depth_1", 0.0, 10.0),
    ("own_depth_3", 0.0, 10.0),
    ("own_depth_5", 0.0, 10.0),
    ("own_depth_10", 0.0, 10.0),
    ("opposite_depth_3", 0.0, 10.0),
    ("opposite_depth_5", 0.0, 10.0),
    ("opposite_depth_10", 0.0, 10.0),
    ("lots_ahead", 0.0, 10.0),
    ("trade_count", 0.0, 10.0),
    ("last_move_bps", -100.0, 100.0),
    ("alpha_bps", -100.0, 100.0),
    ("forecast_volatility_bps", 0.0, 1000.0),
    ("interval_s", 0.0, 12.0),
)
OBSERVATION = tuple(name for name, _, _ in _BOUNDS)
LOW: npt.NDArray[np.float32] = np.array([low for _, low, _ in _BOUNDS], np.float32)
HIGH: npt.NDArray[np.float32] = np.array([high for _, _, high in _BOUNDS], np.float32)
#: Every term there is, in the order in which they are computed.
TERMS = tuple(name for name, _, _ in (*_BOUNDS, *_MORE))
ALL_LOW: npt.NDArray[np.float32] = np.array([low for _, low, _ in (*_BOUNDS, *_MORE)], np.float32)
ALL_HIGH: npt.NDArray[np.float32] = np.array([high for _, _, high in (*_BOUNDS, *_MORE)], np.float32)
#: Number of levels a side behind the terms that look deeper than the view.
_DEEP = (3, 10)
_BPS = 1e4
_NS_PER_S = 1e9


@dataclass(frozen=True)
class ObservationSet:
    """Which terms are seen, in which order; by default the thirteen of `OBSERVATION`.

    | name | meaning | range |
    |---|---|---|
    | depth_imbalance_3, _10 | (own - opposite) / (own + opposite) lots on so many levels | -1, 1 |
    | own_depth_1, _3, _5, _10 | ln(1 + own side's lots on so many levels / even slice) | 0, 10 |
    | opposite_depth_3, _5, _10 | the same of the opposite side; one level is ``opposite_slices`` | 0, 10 |
    | lots_ahead | ln(1 + lots ahead of the own order at its price / even slice); 0: none rests | 0, 10 |
    | trade_count | ln(1 + executions of the last 60 s) | 0, 10 |
    | last_move_bps | mid against that of the decision before, positive: away from us | -100, 100 |
    | alpha_bps | the last published forecast of the return, positive: away from us; 0: none yet | -100, 100 |
    | forecast_volatility_bps | the last published forecast of volatility; 0: none yet | 0, 1000 |
    | interval_s | ln(1 + seconds between decisions): orders of several horizons are told apart by it | 0, 12 |

    Attributes:
        terms: Of `TERMS`, each at most once.

    Raises:
        StudyError: A term is unknown or named twice, or there is none.
    """

    terms: tuple[str, ...] = OBSERVATION

    def __post_init__(self) -> None:
        if not self.terms or set(self.terms) - set(TERMS) or len(set(self.terms)) != len(self.terms):
            raise StudyError("observation", received=self.terms, expected=f"some of {TERMS}, each once")

    @property
    def places(self) -> npt.NDArray[np.int64]:
        """(d,) int64: each term's place in `TERMS`."""
        return np.array([TERMS.index(name) for name in self.terms], np.int64)

    @property
    def low(self) -> npt.NDArray[np.float32]:
        """(d,) float32: lower bounds."""
        return ALL_LOW[self.places]

    @property
    def high(self) -> npt.NDArray[np.float32]:
        """(d,) float32: upper bounds."""
        return ALL_HIGH[self.places]

    @property
    def needs_depths(self) -> bool:
        """Whether a term looks at other levels than the view does."""
        return any(name.rsplit("_", 1)[-1] in map(str, _DEEP) for name in self.terms)


#: Everything there is to see.
FULL = ObservationSet(TERMS)


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
        previous_mid_ticks: Mid at the decision before; at the first the present one.
        now_ns: The present moment, ns UTC.
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
    previous_mid_ticks: float
    now_ns: int


def observe(
    view: list[float],
    now: Situation,
    task: ExecutionTask,
    wanted: ObservationSet | None = None,
    depths: npt.NDArray[np.float64] | None = None,
    forecasts: Forecasts | None = None,
) -> npt.NDArray[np.float32]:
    """The observation of a moment.

    Args:
        view: `Market.view` as a list: plain floats are several times faster than elements of an array.
        now: Where the parent order stands.
        task: The parent order.
        wanted: The terms; by default those of `OBSERVATION`.
        depths: (2, 10) lots on the 1, 2, .. best levels a side, where a term needs them.
        forecasts: What is known of the future; without them their terms are 0.

    Returns:
        (d,) float32, clipped to the bounds; see the tables of `sim.execution_env.ExecutionEnv` and `ObservationSet`.
    """
    values = _default_terms(view, now, task)
    if wanted is None:
        clipped = np.minimum(np.maximum(np.array(values, np.float32), LOW), HIGH)
        return clipped.astype(np.float32, copy=False)
    more = _further_terms(view, now, task, depths, forecasts or Forecasts())
    every = np.minimum(np.maximum(np.array((*values, *more), np.float32), ALL_LOW), ALL_HIGH)
    return every[wanted.places]


def _default_terms(view: list[float], now: Situation, task: ExecutionTask) -> tuple[float, ...]:
    buying = now.side == BUY
    sign = 1.0 if buying else -1.0
    own_px, own_sz = (view[BID_PX], view[BID_SZ]) if buying else (view[ASK_PX], view[ASK_SZ])
    opposite_sz = view[ASK_SZ] if buying else view[BID_SZ]
    left = now.remaining_lots / task.parent_lots
    quoted = view[BID_PX] > 0 and view[ASK_PX] > 0
    return (
        now.elapsed_share,
        left,
        left - (1.0 - now.elapsed_share),
        (view[ASK_PX] - view[BID_PX]) / now.increment_ticks if quoted else float(HIGH[3]),
        sign * _balance(view[BID_SZ], view[ASK_SZ]),
        sign * _balance(view[BID_DEPTH_5], view[ASK_DEPTH_5]),
        _queue_ahead(own_px, own_sz, sign, now),
        now.resting_lots / now.remaining_lots if now.remaining_lots else 0.0,
        log1p(opposite_sz * task.decisions / task.parent_lots),
        sign * (now.mid_ticks / now.arrival_mid_ticks - 1.0) * _BPS,
        sign * view[SIGNED_VOLUME_60S] / view[VOLUME_60S] if view[VOLUME_60S] else 0.0,
        sqrt(view[REALISED_VAR_60S]) * _BPS,
        log1p(view[VOLUME_60S] / task.parent_lots * (task.horizon_ns / VIEW_WINDOW_NS)),
    )


def _further_terms(
    view: list[float],
    now: Situation,
    task: ExecutionTask,
    depths: npt.NDArray[np.float64] | None,
    forecasts: Forecasts,
) -> tuple[float, ...]:
    sign, own, opposite = (1.0, BUY, SELL) if now.side == BUY else (-1.0, SELL, BUY)
    sizes, five = (view[BID_SZ], view[ASK_SZ]), (view[BID_DEPTH_5], view[ASK_DEPTH_5])
    deep = [[0.0, 0.0] if depths is None else depths[:, levels - 1].tolist() for levels in _DEEP]

    def slices(lots: float) -> float:
        return log1p(lots * task.decisions / task.parent_lots)

    return (
        *(sign * _balance(*lots) for lots in deep),
        *(slices(lots[own]) for lots in (sizes, deep[0], five, deep[1])),
        *(slices(lots[opposite]) for lots in (deep[0], five, deep[1])),
        slices(now.ahead_lots) if now.resting_lots else 0.0,
        log1p(view[TRADES_60S]),
        sign * (now.mid_ticks / now.previous_mid_ticks - 1.0) * _BPS,
        sign * forecasts.alpha_bps.at(now.now_ns),
        forecasts.volatility_bps.at(now.now_ns),
        log1p(task.horizon_ns / task.decisions / _NS_PER_S),
    )


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
