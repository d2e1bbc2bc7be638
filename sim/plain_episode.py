"""One parent order in a market, in plain Python: what every instruction does, step by step.

It stands behind any market of sim/market.py, and is the twin that the compiled form (sim/env_kernel.py) is held
against.

Here: an episode. Not here: Gymnasium's form (sim/execution_env.py), what is seen (sim/observation.py), costs
(sim/execution_account.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from feeds.errors import InsufficientDataError, StudyError
from sim.execution_account import Account
from sim.execution_task import ExecutionTask, Instruction
from sim.forecast_series import Forecasts
from sim.market import (
    ASK_PX,
    ASK_SZ,
    BID_PX,
    BID_SZ,
    BUY,
    OWN_AHEAD,
    OWN_LOTS,
    OWN_NUMBER,
    OWN_PRICE,
    VOLUME_60S,
    DeepMarket,
    Market,
)
from sim.observation import ObservationSet, Situation, observe

_BPS = 1e4
Step = tuple[np.ndarray, float, bool, bool, dict[str, Any]]


class PlainEpisode:
    """Parent orders in one market, one after the other.

    Args:
        market: The market.
        task: The parent order.
        wanted: The terms of the observation.
        forecasts: What is known of the future.
        symbol: Told in ``info``.

    Raises:
        StudyError: A term needs depths that the market does not tell.
    """

    def __init__(
        self, market: Market, task: ExecutionTask, wanted: ObservationSet, forecasts: Forecasts, symbol: str
    ) -> None:
        if wanted.needs_depths and not isinstance(market, DeepMarket):
            raise StudyError("observation", received=wanted.terms, expected="terms that need no depths of this market")
        self.market, self.task, self.symbol = market, task, symbol
        self._wanted = None if wanted == ObservationSet() else wanted
        self._deep = market if isinstance(market, DeepMarket) and wanted.needs_depths else None
        self._forecasts = forecasts
        self._depths: np.ndarray | None = None
        self._running = False

    def left(self) -> tuple[int, int]:
        """Lots and decisions left."""
        return self._account.remaining_lots, self.task.decisions - self._decision

    def begin(self, market_seed: int, side: int) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode; observation and info.

        Raises:
            InsufficientDataError: The market ends before the episode would, or has no two-sided book at its start.
        """
        self._side = side
        self.market.reset(market_seed)
        self._arrival_ns = self.market.now_ns
        if self.market.end_ns() < self._arrival_ns + self.task.episode_ns:
            raise InsufficientDataError(
                "execution episode",
                received=f"{self.market.end_ns() - self._arrival_ns} ns of market",
                expected=f"{self.task.episode_ns} ns",
                remedy="Shorten the horizon, or let the market start earlier.",
            )
        self._mid = 0.0
        self._look()
        if self._mid == 0.0:
            raise InsufficientDataError("execution episode", "a one-sided book", "a two-sided one at arrival")
        self._arrival_mid = self._previous_mid = self._mid
        self._met = self._mid, self._spread()
        self._account = Account(self.task, self._side, self._mid)
        self._decision, self._placed, self._running = 0, False, True
        self._path = np.zeros(self.task.decisions + 1)
        self._path[0] = 1.0
        self._situation = self._where()
        return self._observed(), self._info()

    def execute(self, instruction: tuple[int, int, int]) -> Step:
        """Act by (take_lots, rest_lots, rest_offset) and run to the next decision.

        More lots than are left when it reaches the market are cut to what is left.

        Raises:
            StudyError: The episode is over, or lots are negative.
        """
        wanted = Instruction(*(int(value) for value in instruction))
        if not self._running:
            raise StudyError("execution episode", "a step after its end", "a reset first")
        if min(wanted.take_lots, wanted.rest_lots) < 0:
            raise StudyError("instruction", received=wanted, expected="lots of 0 or more")
        before_bps, before_walk = self._account.is_bps, self._account.walk_bps
        self._previous_mid = self._mid
        price = self._resting_price(wanted.rest_offset)
        began_ns = self._arrival_ns + self.task.decision_ns(self._decision)
        self._run_to(began_ns + self.task.latency_ns)
        self._met = self._mid, self._spread()
        self._apply(wanted, price)
        exposed = self._account.remaining_lots / self.task.parent_lots
        self._decision += 1
        if self._account.remaining_lots:
            self._run_to(self._arrival_ns + self.task.decision_ns(self._decision))
            if self._decision == self.task.decisions:
                self._liquidate()
        left = self._account.remaining_lots
        self._path[self._decision] = left / self.task.parent_lots
        ended = left == 0 or self._decision == self.task.decisions
        if ended and left:
            self._account.give_up(self._mid)
        self._running = not ended
        shortfall = self._account.is_bps - before_bps
        risk = self.task.risk_aversion * (exposed * (self._mid / self._previous_mid - 1.0) * _BPS) ** 2
        impact = self.task.impact_aversion * (self._account.walk_bps - before_walk)
        self._situation = self._where()
        info = self._info()
        info["reward_shortfall_bps"], info["reward_risk"], info["reward_impact"] = -shortfall, -risk, -impact
        if ended:
            info |= self.result()
        return self._observed(), -shortfall - risk - impact, ended, False, info

    def _observed(self) -> np.ndarray:
        return observe(self._view, self._situation, self.task, self._wanted, self._depths, self._forecasts)

    def _run_to(self, until_ns: int) -> None:
        """Advance, and book what filled on the way against the mid before."""
        if until_ns > self.market.now_ns:
            self.market.advance(until_ns)
            self._collect()
            self._look()

    def _apply(self, wanted: Instruction, price: int) -> None:
        take = min(wanted.take_lots, self._account.remaining_lots)
        rest = min(wanted.rest_lots, self._account.remaining_lots - take) if price > 0 else 0
        kept = self._keep(price, rest)
        if take:
            self.market.take(self._side, take)
            self._collect()
        if rest > kept:
            self._placed |= self.market.place(self._side, price, rest - kept) >= 0
        # Fees, spread and what follows are held against the mid before our own trade moved it.

    def _keep(self, price: int, lots: int) -> int:
        """Cancel own orders but ``lots`` at ``price``, the newest first; lots that stay."""
        kept = 0
        if not self._placed:
            return 0
        for order in self.market.own_orders().tolist():
            stays = min(order[OWN_LOTS], lots - kept) if order[OWN_PRICE] == price else 0
            if stays < order[OWN_LOTS]:
                self.market.cancel(order[OWN_NUMBER], 0 if stays == 0 else order[OWN_LOTS] - stays)
            kept += stays
        self._placed = kept > 0
        return kept

    def _liquidate(self) -> None:
        self._run_to(self._arrival_ns + self.task.episode_ns)
        self._keep(0, 0)
        if self._account.remaining_lots:
            self.market.take(self._side, self._account.remaining_lots)
            self._collect()

    def _collect(self) -> None:
        touch = self._view[ASK_PX] if self._side == BUY else self._view[BID_PX]
        self._account.book(self.market.fills(), self._mid, touch)

    def _look(self) -> None:
        self._view: list[float] = self.market.view().tolist()
        if self._deep is not None:
            self._depths = self._deep.depths()
        bid, ask = self._view[BID_PX], self._view[ASK_PX]
        if bid > 0 and ask > 0:
            self._mid = (bid + ask) / 2

    def _resting_price(self, offset: int) -> int:
        """Price in ticks ``offset`` increments inside the own best, at most one increment short of the opposite best.

        Where nobody stands on the own side it is counted from there; 0 where nobody stands at all.
        """
        step = self.market.increment_ticks
        bid, ask = int(self._view[BID_PX]), int(self._view[ASK_PX])
        own, opposite, inside = (bid, ask, step) if self._side == BUY else (ask, bid, -step)
        if not own:
            own = opposite - inside if opposite else 0
        room = (opposite - own) // inside - 1 if opposite else offset
        return own + inside * min(offset, max(0, room)) if own else 0

    def _where(self) -> Situation:
        resting, price, ahead = 0, 0, 0
        if self._placed and self._account.remaining_lots:
            orders = self.market.own_orders().tolist()
            if orders:
                first = min(orders, key=lambda order: order[OWN_NUMBER])
                resting, price = sum(order[OWN_LOTS] for order in orders), first[OWN_PRICE]
                ahead = first[OWN_AHEAD]
            self._placed = bool(orders)
        elapsed = (self.market.now_ns - self._arrival_ns) / self.task.horizon_ns
        return Situation(
            self._side,
            min(1.0, elapsed),
            self._account.remaining_lots,
            self.task.decisions - self._decision,
            self._mid,
            self._arrival_mid,
            self.market.increment_ticks,
            resting,
            price,
            ahead,
            self._previous_mid,
            self.market.now_ns,
        )

    def _info(self) -> dict[str, Any]:
        view, now = self._view, self._situation
        return {
            "side": self._side,
            "parent_lots": self.task.parent_lots,
            "remaining_lots": now.remaining_lots,
            "decisions_left": now.decisions_left,
            "elapsed_share": now.elapsed_share,
            "arrival_mid_ticks": self._arrival_mid,
            "mid_ticks": self._mid,
            "spread_ticks": self._spread(),
            "increment_ticks": now.increment_ticks,
            "bid_px": int(view[BID_PX]),
            "ask_px": int(view[ASK_PX]),
            "now_ns": self.market.now_ns,
            "symbol": self.symbol,
            "bid_lots": int(view[BID_SZ]),
            "ask_lots": int(view[ASK_SZ]),
            "traded_lots_60s": int(view[VOLUME_60S]),
            "met_mid_ticks": self._met[0],
            "met_spread_ticks": self._met[1],
        }

    def _spread(self) -> float:
        """Ask less bid, ticks; 0 where a side is empty."""
        bid, ask = self._view[BID_PX], self._view[ASK_PX]
        return ask - bid if bid and ask else 0.0

    def result(self) -> dict[str, Any]:
        """What ``info`` holds at the end of an episode."""
        account = self._account
        return {
            "is_bps": account.is_bps,
            "spread_bps": account.spread_bps,
            "timing_bps": account.timing_bps,
            "fees_bps": account.fees_bps,
            "walk_bps": account.walk_bps,
            "completion": account.filled_lots / self.task.parent_lots,
            "maker_share": account.maker_share,
            "fills": account.fills(),
            "inventory_path": self._path.copy(),
            "arrival_ns": self._arrival_ns,
        }
