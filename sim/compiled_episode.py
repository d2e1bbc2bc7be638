"""One parent order in a market that has a compiled form: a step is one call.

Here: the compiled counterpart of sim/plain_episode.py. Not here: kernels (sim/env_kernel.py), many at once
(sim/vector_env.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from feeds.errors import InsufficientDataError, StudyError, T2TError
from sim.env_kernel import BEGIN, STEP, play
from sim.env_state import (
    ARRIVAL_MID,
    ARRIVAL_NS,
    CLOCK_NS,
    DECISION,
    ENDED,
    FEES_BPS,
    FILLS,
    FILLS_LOST,
    IMPACT_TERM,
    LEFT,
    MAKER_LOTS,
    MET_MID,
    MET_SPREAD,
    MID,
    NEGATIVE,
    NO_ROOM,
    ONE_SIDED,
    OVER,
    REWARD,
    RISK_TERM,
    SHORTFALL_TERM,
    SIDE,
    SPREAD_BPS,
    STATUS,
    TIMING_BPS,
    TOO_SHORT,
    WALK_BPS,
    new_episodes,
    settings_of,
)
from sim.execution_task import ExecutionTask
from sim.forecast_series import Forecasts
from sim.market import ASK_PX, ASK_SZ, BID_PX, BID_SZ, VOLUME_60S
from sim.market_kernels import CompiledMarket
from sim.observation import ObservationSet
from sim.stacked import as_stack, bound

Step = tuple[np.ndarray, float, bool, bool, dict[str, Any]]


class CompiledEpisode:
    """Parent orders in one market, one after the other; the market itself stays in step.

    Args:
        market: The market's compiled form.
        increment_ticks: Its step between quotes.
        task: The parent order.
        wanted: The terms of the observation.
        forecasts: What is known of the future.
        symbol: Told in ``info``.
    """

    def __init__(
        self,
        market: CompiledMarket,
        increment_ticks: int,
        task: ExecutionTask,
        wanted: ObservationSet,
        forecasts: Forecasts,
        symbol: str,
    ) -> None:
        self.task, self.symbol = task, symbol
        self._market, self._increment = market, increment_ticks
        self._episodes = episodes = new_episodes(1, task, wanted)
        opening = market.opening(0)
        self._opening, self._side = np.zeros((1, opening.size), np.int64), np.zeros(1, np.int64)
        self._wanted = np.zeros((1, 3), np.int64)
        settings = settings_of(task, wanted, forecasts, increment_ticks, market.end_ns)
        self._counts, self._sums, self._view = episodes.counts[0], episodes.sums[0], episodes.seen[0]
        self._observed = episodes.observed[0]
        self._arguments = (
            market.shared, as_stack(market.own), settings, episodes, self._opening, self._side, self._wanted,
        )  # fmt: skip
        self._play = bound(play, (*self._arguments, BEGIN))
        self._counts[ENDED] = 1

    def left(self) -> tuple[int, int]:
        """Lots and decisions left."""
        counts = self._counts
        return int(counts[LEFT]), self.task.decisions - int(counts[DECISION])

    def begin(self, market_seed: int, side: int) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode; see `sim.plain_episode.PlainEpisode.begin`."""
        self._opening[0], self._side[0] = self._market.opening(market_seed), side
        if self._play(*self._arguments, BEGIN):
            raise episode_error(self._counts, self._market.end_ns, self.task)
        return self._observed.copy(), self._info(self._counts.tolist(), self._sums.tolist())

    def execute(self, instruction: tuple[int, int, int]) -> Step:
        """Act and run to the next decision; see `sim.plain_episode.PlainEpisode.execute`."""
        self._wanted[0] = instruction
        if self._play(*self._arguments, STEP):
            error = episode_error(self._counts, self._market.end_ns, self.task, instruction)
            if self._counts[STATUS] == NEGATIVE:
                self._counts[STATUS] = 0
            raise error
        counts, sums = self._counts.tolist(), self._sums.tolist()
        info = self._info(counts, sums)
        info["reward_shortfall_bps"], info["reward_risk"], info["reward_impact"] = (
            sums[SHORTFALL_TERM],
            sums[RISK_TERM],
            sums[IMPACT_TERM],
        )
        ended = counts[ENDED] > 0
        if ended:
            info |= self.result()
        return self._observed.copy(), sums[REWARD], ended, False, info

    def result(self) -> dict[str, Any]:
        """What ``info`` holds at the end of an episode."""
        counts, sums = self._counts.tolist(), self._sums.tolist()
        done = self.task.parent_lots - counts[LEFT]
        return {
            "is_bps": sums[SPREAD_BPS] + sums[TIMING_BPS] + sums[FEES_BPS],
            "spread_bps": sums[SPREAD_BPS],
            "timing_bps": sums[TIMING_BPS],
            "fees_bps": sums[FEES_BPS],
            "walk_bps": sums[WALK_BPS],
            "completion": done / self.task.parent_lots,
            "maker_share": counts[MAKER_LOTS] / done if done else 0.0,
            "fills": self._episodes.fills[0, : counts[FILLS]].copy(),
            "inventory_path": self._episodes.path[0].copy(),
            "arrival_ns": counts[ARRIVAL_NS],
        }

    def _info(self, counts: list[int], sums: list[float]) -> dict[str, Any]:
        bid, ask = float(self._view[BID_PX]), float(self._view[ASK_PX])
        return {
            "side": counts[SIDE],
            "parent_lots": self.task.parent_lots,
            "remaining_lots": counts[LEFT],
            "decisions_left": self.task.decisions - counts[DECISION],
            "elapsed_share": min(1.0, (counts[CLOCK_NS] - counts[ARRIVAL_NS]) / self.task.horizon_ns),
            "arrival_mid_ticks": sums[ARRIVAL_MID],
            "mid_ticks": sums[MID],
            "spread_ticks": ask - bid if bid and ask else 0.0,
            "increment_ticks": self._increment,
            "bid_px": int(bid),
            "ask_px": int(ask),
            "now_ns": counts[CLOCK_NS],
            "symbol": self.symbol,
            "bid_lots": int(self._view[BID_SZ]),
            "ask_lots": int(self._view[ASK_SZ]),
            "traded_lots_60s": int(self._view[VOLUME_60S]),
            "met_mid_ticks": sums[MET_MID],
            "met_spread_ticks": sums[MET_SPREAD],
        }


def episode_error(counts: np.ndarray, end_ns: int, task: ExecutionTask, instruction: object = "") -> T2TError:
    """What went wrong with an episode, by its status."""
    status = int(counts[STATUS])
    if status == OVER:
        return StudyError("execution episode", "a step after its end", "a reset first")
    if status == NEGATIVE:
        return StudyError("instruction", received=instruction, expected="lots of 0 or more")
    told = {
        TOO_SHORT: (
            f"{end_ns - int(counts[ARRIVAL_NS])} ns of market",
            f"{task.episode_ns} ns",
            "Shorten the horizon, or let the market start earlier.",
        ),
        ONE_SIDED: ("a one-sided book", "a two-sided one at arrival", ""),
        FILLS_LOST: ("more own fills at once than the market keeps", "fewer", "Decide more often, or trade less."),
        NO_ROOM: (f"more than {int(counts[FILLS])} own fills", "fewer in an episode", "Trade larger lots."),
    }
    return InsufficientDataError("execution episode", *told[status])
