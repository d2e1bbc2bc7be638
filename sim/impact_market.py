"""A market that answers only through linear impact: the world in which the closed forms hold.

The price without us is a Brownian motion that moves at whole steps from the start; own takes shift it and pay for their
walk (sim/impact_models.py says which component is which, and that none is counted twice). Behind the protocol of
sim/market.py an environment therefore has to reduce to Almgren & Chriss, or Obizhaeva & Wang, by its own arithmetic.

It is a market for takers. Of the rules in sim/market.py two are met in their own way: nothing rests (`place` always
says -1), since a passive fill would be worth more than any schedule; and a take is told as one average price, split
over two neighbouring ticks so that the sum is right to half a tick, since a walk through a block of depth may cross
thousands of them. The asks have no end; the bids end at 1 tick.

Here: `LinearImpactMarket`. Not here: impact (sim/impact_models.py, sim/impact_state.py), many paths at once
(sim/impact_schedules.py).
"""

from __future__ import annotations

import math

import numpy as np

from feeds.errors import InsufficientDataError, StudyError
from sim.impact_compiled import FILLS, MOST_FILLS, NOW_NS, UNLIMITED, LinearOwn, LinearShared
from sim.impact_models import Propagator
from sim.impact_state import ImpactState, parts
from sim.market import (
    ASK_DEPTH_5,
    ASK_PX,
    ASK_SZ,
    BID_DEPTH_5,
    BID_PX,
    BID_SZ,
    BUY,
    DEPTHS,
    FILL_COLUMNS,
    OWN_COLUMNS,
    REALISED_VAR_60S,
    VIEW,
    VIEW_LEVELS,
    VIEW_SAMPLE_NS,
    VIEW_WINDOW_NS,
)
from sim.market_kernels import CompiledMarket

_NS = 1_000_000_000
#: A whole second of UTC: 2026-03-02 15:00.
_START_NS = 1_772_463_600 * _NS


class LinearImpactMarket:
    """Implements `sim.market.Market` for takers; see the module docstring.

    Args:
        model: Impact of our takes. Its spread must be at least an increment a side.
        start_mid_ticks: Mid at a reset, ticks.
        volatility_ticks: Of the price without us, ticks a root of a second.
        horizon_s: Seconds it can be advanced after a reset.
        step_s: Seconds between two moves of the price without us. Decisions at whole steps meet the variance of the
            closed forms exactly.
        increment_ticks: Step between displayed quotes. Displayed prices are rounded towards the mid, fills are not.

    Raises:
        StudyError: A number makes no sense.
    """

    def __init__(
        self,
        model: Propagator,
        *,
        start_mid_ticks: float,
        volatility_ticks: float,
        horizon_s: float,
        step_s: float = 1.0,
        increment_ticks: int = 1,
    ) -> None:
        if start_mid_ticks <= 0 or volatility_ticks < 0 or not 0 < step_s <= horizon_s or increment_ticks < 1:
            raise StudyError(
                "linear impact market",
                received=f"mid {start_mid_ticks}, volatility {volatility_ticks}, horizon {horizon_s}, step {step_s}, "
                f"increment {increment_ticks}",
                expected="a positive mid, no negative volatility, a step within the horizon, an increment of 1 or more",
            )
        if model.half_spread_ticks < increment_ticks:
            raise StudyError(
                "linear impact market",
                received=f"a half spread of {model.half_spread_ticks} ticks",
                expected=f"at least the increment of {increment_ticks}, or quotes would touch",
            )
        self.model, self.increment_ticks = model, increment_ticks
        self._mid, self._horizon_ns, self._step_ns = start_mid_ticks, round(horizon_s * _NS), round(step_s * _NS)
        self._scale = volatility_ticks * math.sqrt(step_s)
        walked = model.walked_ticks_per_lot
        self._level_lots = max(1, round(increment_ticks / walked)) if walked > 0 else UNLIMITED
        self._impact = ImpactState(model)
        self._own = self._new_own()
        self.reset(0)

    @property
    def now_ns(self) -> int:
        """The present moment, ns UTC."""
        return int(self._own.counts[NOW_NS])

    def end_ns(self) -> int:
        """The end of the horizon after the present reset."""
        return _START_NS + self._horizon_ns

    def reset(self, seed: int) -> None:
        """A new path of the price without us, and nothing done; takes never change the path."""
        self._own.path[:] = self._new_path(seed)
        self._own.counts[:] = _START_NS, 0
        self._impact.clear()

    def advance(self, until_ns: int) -> None:
        """Let time pass up to and including ``until_ns``; see `Market`.

        Raises:
            InsufficientDataError: ``until_ns`` lies after `end_ns`.
        """
        if until_ns > self.end_ns():
            raise InsufficientDataError(
                "linear impact market",
                received=f"advance to {until_ns} ns",
                expected=f"at most {self.end_ns()} ns, the end of its horizon",
                remedy="Make the market with a longer horizon_s.",
            )
        self._own.counts[NOW_NS] = max(self.now_ns, until_ns)

    def mid_ticks(self) -> float:
        """The mid, not rounded."""
        return self.price_without_us() + self._impact.shift_ticks(self.now_ns)

    def price_without_us(self) -> float:
        """Where the mid would be had we not traded."""
        return float(self._own.path[(self.now_ns - _START_NS) // self._step_ns])

    def take(self, side: int, lots: int) -> int:
        """Trade ``lots`` at once; lots filled: fewer where the bids end, none while 2,048 takes were not told yet."""
        sign, mid = (1 if side == BUY else -1), self.mid_ticks()
        if side != BUY:
            lots = min(lots, self._lots_to_sell(mid))
        if lots <= 0 or self._own.counts[FILLS] + 2 > MOST_FILLS:
            return 0
        price = mid + self._impact.premium_ticks(sign * lots)
        base, dearer = divmod(round(price * lots), lots)
        rows = [(base, lots - dearer), (base + 1, dearer)]
        for ticks, size in rows[::sign]:
            if size:
                self._own.fills[self._own.counts[FILLS]] = self.now_ns, ticks, size, 0
                self._own.counts[FILLS] += 1
        self._impact.trade(self.now_ns, sign * lots)
        return lots

    def place(self, side: int, price_ticks: int, lots: int) -> int:
        """Nothing rests here: always -1."""
        return -1

    def cancel(self, number: int, lots: int = 0) -> int:
        """Nothing rests here: always 0."""
        return 0

    def own_orders(self) -> np.ndarray:
        """(0, 5) int64."""
        return np.zeros((0, OWN_COLUMNS), np.int64)

    def fills(self) -> np.ndarray:
        """(m, 4) int64 in the layout of sim/market.py: own fills since the last call."""
        told = self._own.fills[: self._own.counts[FILLS]].copy()
        self._own.counts[FILLS] = 0
        return told

    def view(self) -> np.ndarray:
        """(`VIEW`,) float64 in the layout of sim/market.py; nobody else trades, and the variance is that without us."""
        view, step, mid = np.zeros(VIEW), self.increment_ticks, self.mid_ticks()
        bid = math.ceil((mid - self.model.half_spread_ticks) / step) * step
        ask = math.floor((mid + self.model.half_spread_ticks) / step) * step
        if bid > 0:
            levels = min(VIEW_LEVELS, (bid - 1) // step + 1)
            view[BID_PX], view[BID_SZ], view[BID_DEPTH_5] = bid, self._level_lots, levels * self._level_lots
        if ask > 0:
            view[ASK_PX], view[ASK_SZ], view[ASK_DEPTH_5] = ask, self._level_lots, VIEW_LEVELS * self._level_lots
        view[REALISED_VAR_60S] = self._realised_variance()
        return view

    def _lots_to_sell(self, mid: float) -> int:
        room = mid - self.model.half_spread_ticks - 1.0
        walked = self.model.walked_ticks_per_lot
        if room < 0:
            return 0
        return math.floor(room / walked) if walked > 0 else UNLIMITED

    def _realised_variance(self) -> float:
        first = -((VIEW_WINDOW_NS - self.now_ns) // VIEW_SAMPLE_NS)
        seconds = np.arange(max(first, _START_NS // VIEW_SAMPLE_NS), self.now_ns // VIEW_SAMPLE_NS + 1)
        prices = self._own.path[(seconds * VIEW_SAMPLE_NS - _START_NS) // self._step_ns]
        return float(np.square(np.diff(np.log(np.maximum(prices, 1.0)))).sum())

    def depths(self) -> np.ndarray:
        """(2, `DEPTHS`) float64, see `DeepMarket`."""
        view, levels = self.view(), np.arange(1, DEPTHS + 1)
        bids = np.minimum(levels, (view[BID_PX] - 1) // self.increment_ticks + 1)
        return np.stack([view[BID_SZ] * bids, view[ASK_SZ] * levels])

    def compiled(self) -> CompiledMarket:
        """This market for kernels, see sim/market_kernels.py."""
        whole = (_START_NS, self._step_ns, self.increment_ticks, self._level_lots)
        real = (self.model.half_spread_ticks, self.model.walked_ticks_per_lot)
        shared = LinearShared(np.array(whole, np.int64), np.array(real), *parts(self.model))
        fresh, opening = self._new_own, self._opening
        return CompiledMarket(shared, self._own, fresh, opening, self.end_ns())

    def _new_own(self) -> LinearOwn:
        path, levels = self._new_path(0), self._impact.levels
        fills = np.zeros((MOST_FILLS, FILL_COLUMNS), np.int64)
        return LinearOwn(path, levels, self._impact.last_ns, np.zeros(2, np.int64), fills)

    def _new_path(self, seed: int) -> np.ndarray:
        moves = np.random.default_rng(seed).standard_normal(self._horizon_ns // self._step_ns)
        return self._mid + self._scale * np.concatenate([[0.0], np.cumsum(moves)])

    def _opening(self, seed: int) -> np.ndarray:
        """The path, bit by bit."""
        return self._new_path(seed).view(np.int64)
