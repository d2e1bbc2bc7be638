"""Many parent orders at once, as a Gymnasium vector environment: one compiled call moves all of them.

The call holds no interpreter lock, so several environments can be stepped by threads. Environment i, reset with a seed,
does what `sim.execution_env.ExecutionEnv` does that is reset with the i-th seed and from then on without one: results
depend on neither how many run beside it nor in what order.

Here: `ExecutionVectorEnv`. Not here: kernels (sim/env_kernel.py), one environment (sim/execution_env.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from feeds.errors import StudyError
from sim.compiled_episode import episode_error
from sim.env_kernel import BEGIN, STEP_AND_BEGIN, play
from sim.env_state import (
    ARRIVAL_MID,
    ARRIVAL_NS,
    DECISION,
    ENDED,
    FEES_BPS,
    IMPACT_TERM,
    LEFT,
    MAKER_LOTS,
    MID,
    REWARD,
    RISK_TERM,
    SHORTFALL_TERM,
    SIDE,
    SPREAD_BPS,
    STATUS,
    TIMING_BPS,
    WALK_BPS,
    WELL,
    Last,
    new_episodes,
    part_of,
    settings_of,
)
from sim.execution_actions import SliceActions, grid_instructions, grid_table, slice_instructions, space_of
from sim.execution_task import ActionGrid, ExecutionTask
from sim.forecast_series import Forecasts
from sim.market import BUY, SELL
from sim.market_kernels import KernelMarket
from sim.observation import ObservationSet
from sim.stacked import bound, rows_of, stack

#: Seeds and sides of so many episodes are drawn at once: the same numbers as one by one, in a tenth of the time.
_DRAWN = np.tile([2**31, 2], 32)

Observations = npt.NDArray[np.float32]
VectorStep = tuple[Observations, npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, Any]]


class ExecutionVectorEnv(gymnasium.vector.VectorEnv[Observations, Any, npt.NDArray[Any]]):
    """n parent orders of one task in n markets of one kind; spaces and rewards are those of `ExecutionEnv`.

    Where an episode ends, the next one begins in the same step (same-step autoreset): the observation returned is its
    first. ``info`` of a step holds arrays of one value an environment:

    - of all, in the state this step led to: ``remaining_share``, ``drift_bps``, ``reward_shortfall_bps``,
      ``reward_risk``, ``reward_impact``;
    - of the episodes that ended, with a mask of the name after an underscore: ``final_obs`` (n, d), ``is_bps``,
      ``spread_bps``, ``timing_bps``, ``fees_bps``, ``walk_bps``, ``completion``, ``maker_share``, ``arrival_ns``,
      ``side``, ``inventory_path`` (n, decisions + 1).

    Args:
        market: One of the markets, which is left alone; the others are its like and share what it only reads.
        num_envs: How many, n.
        task: The parent order.
        grid: The discrete actions.
        actions: Continuous ones instead.
        observation: The terms that are seen.
        forecasts: Series the forecast terms read, point in time.
        threads: Of this process that step, each a like part of the environments; results are the same.

    Raises:
        StudyError: There is no environment, or no thread.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012  (Gymnasium's interface)
        "render_modes": [],
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        market: KernelMarket,
        num_envs: int,
        task: ExecutionTask,
        grid: ActionGrid | None = None,
        *,
        actions: SliceActions | None = None,
        observation: ObservationSet | None = None,
        forecasts: Forecasts | None = None,
        threads: int = 1,
    ) -> None:
        for name, number in (("environments", num_envs), ("threads", threads)):
            if number < 1:
                raise StudyError(f"number of {name}", received=number, expected="at least 1")
        self.num_envs, self.task, self.grid, self._actions = num_envs, task, grid or ActionGrid(), actions
        self.observation = wanted = observation or ObservationSet()
        self.single_action_space = space_of(actions or self.grid)
        self.single_observation_space = gymnasium.spaces.Box(wanted.low, wanted.high, dtype=np.float32)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self._form = form = market.compiled()
        self._episodes = new_episodes(num_envs, task, wanted)
        self._openings = np.zeros((num_envs, form.opening(0).size), np.int64)
        self._sides, self._wanted = np.zeros(num_envs, np.int64), np.zeros((num_envs, 3), np.int64)
        settings = settings_of(task, wanted, forecasts or Forecasts(), market.increment_ticks, form.end_ns)
        markets = stack([form.new_own() for _ in range(num_envs)])
        edges = np.linspace(0, num_envs, min(threads, num_envs) + 1).astype(int).tolist()
        self._parts = [
            (
                form.shared, rows_of(markets, rows), settings, part_of(self._episodes, rows), self._openings[rows],
                self._sides[rows], self._wanted[rows],
            )
            for rows in (slice(begin, end) for begin, end in pairwise(edges))
        ]  # fmt: skip
        self._threads = ThreadPoolExecutor(len(self._parts) - 1) if len(self._parts) > 1 else None
        self._play = bound(play, (*self._parts[0], BEGIN))
        self._bounds = self._action_table()
        self._random: list[np.random.Generator] = []
        self._drawn: list[list[int]] = [[] for _ in range(num_envs)]
        self._never, self._everyone = np.zeros(num_envs, dtype=np.bool_), np.ones(num_envs, dtype=np.bool_)
        self._everyone.flags.writeable = False
        self._episodes.counts[:, ENDED] = 1

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Begin an episode in each.

        Args:
            seed: Of the first, the others' follow it; or one each; None: the streams go on.
            options: ``{"side": 0 | 1}`` fixes the side of these episodes, not of the ones after them.

        Raises:
            InsufficientDataError: A market ends before an episode would, or has no two-sided book at its start.
            StudyError: ``options`` asks for another side, or there are not as many seeds as environments.
        """
        seeds = self._seeds(seed)
        goes_on = bool(self._random)
        for row, one in enumerate(seeds):
            if one is not None or not goes_on:
                self._random[row : row + 1] = [seeding.np_random(one)[0]]
                self._drawn[row].clear()
        for row in range(self.num_envs):
            self._draw(row)
        side = (options or {}).get("side")
        if side is not None:
            if int(side) not in (BUY, SELL):
                raise StudyError("option side", received=side, expected="0 to buy or 1 to sell")
            self._sides[:] = int(side)
        self._run(BEGIN)
        for row in range(self.num_envs):
            self._draw(row)
        counts, n = self._episodes.counts, self.num_envs
        info = {
            "remaining_share": np.ones(n), "_remaining_share": np.ones(n, np.bool_), "drift_bps": np.zeros(n),
            "_drift_bps": np.ones(n, np.bool_), "side": counts[:, SIDE].copy(), "_side": np.ones(n, np.bool_),
            "arrival_ns": counts[:, ARRIVAL_NS].copy(), "_arrival_ns": np.ones(n, np.bool_),
        }  # fmt: skip
        return self._episodes.observed.copy(), info

    def step(self, actions: Any) -> VectorStep:
        """Act in each by (n,) numbers of actions, or (n, 3) of `SliceActions`.

        Raises:
            StudyError: There is no such action, or not one an environment.
        """
        counts, wanted = self._episodes.counts, self._wanted
        left = self.task.decisions - counts[:, DECISION]
        if self._actions is None:
            chosen = np.ascontiguousarray(actions, np.int64)
            if chosen.shape != (self.num_envs,) or chosen.min() < 0 or chosen.max() >= self.grid.n:
                raise StudyError(
                    "actions", received=actions, expected=f"{self.num_envs} whole numbers below {self.grid.n}"
                )
            grid_instructions(self._bounds, chosen, counts[:, LEFT], left, wanted)
        else:
            moves = np.ascontiguousarray(actions, np.float32)
            if moves.shape != (self.num_envs, 3) or not np.isfinite(moves).all():
                raise StudyError("actions", received=actions, expected=f"({self.num_envs}, 3) finite numbers")
            slice_instructions(self._bounds, moves, counts[:, LEFT], left, wanted)
        return self._stepped()

    def execute(self, instructions: Any) -> VectorStep:
        """Act in each by (n, 3) whole numbers: take_lots, rest_lots, rest_offset.

        Raises:
            StudyError: Lots are negative, or the shape is another one.
        """
        wanted = np.asarray(instructions, np.int64)
        if wanted.shape != self._wanted.shape:
            raise StudyError("instructions", received=wanted.shape, expected=self._wanted.shape)
        self._wanted[:] = wanted
        return self._stepped()

    def _stepped(self) -> VectorStep:
        self._run(STEP_AND_BEGIN)
        last = self._episodes.last
        ended = last.counts[:, ENDED] > 0
        for row in np.flatnonzero(ended).tolist():
            self._draw(row)
        return self._episodes.observed.copy(), last.sums[:, REWARD].copy(), ended, self._never.copy(), self._info(ended)

    def _run(self, what: int) -> None:
        others = [self._threads.submit(self._run_part, part, what) for part in self._parts[1:]] if self._threads else []
        bad = self._run_part(self._parts[0], what) + sum(other.result() for other in others)
        if not bad:
            return
        counts = self._episodes.counts
        row = int(np.flatnonzero(counts[:, STATUS] != WELL)[0])
        raise episode_error(counts[row], self._form.end_ns, self.task, self._wanted[row].tolist())

    def _run_part(self, part: tuple[Any, ...], what: int) -> int:
        return int(self._play(*part, what))

    def close_extras(self, **kwargs: Any) -> None:
        """End the threads."""
        if self._threads is not None:
            self._threads.shutdown()

    def _draw(self, row: int) -> None:
        """Choose the next episode of a row, as `ExecutionEnv.reset` does."""
        drawn = self._drawn[row]
        if not drawn:
            drawn.extend(self._random[row].integers(_DRAWN)[::-1].tolist())
        self._openings[row] = self._form.opening(drawn.pop())
        self._sides[row] = drawn.pop()

    def _seeds(self, seed: int | Sequence[int | None] | None) -> list[int | None]:
        if seed is None or isinstance(seed, (int, np.integer)):
            return [None if seed is None else int(seed) + row for row in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise StudyError("seeds", received=len(seed), expected=f"{self.num_envs}, one an environment")
        return list(seed)

    def _action_table(self) -> npt.NDArray[np.float64]:
        if self._actions is None:
            return grid_table(self.grid)
        return np.array([self._actions.max_slices, *self._actions.offsets], np.float64)

    def _info(self, ended: npt.NDArray[np.bool_]) -> dict[str, Any]:
        last, everyone = self._episodes.last, self._everyone
        sums, counts = last.sums, last.counts
        sign = np.where(counts[:, SIDE] == BUY, 1e4, -1e4)
        of_all = {
            "remaining_share": counts[:, LEFT] / self.task.parent_lots,
            "drift_bps": sign * (sums[:, MID] / sums[:, ARRIVAL_MID] - 1.0),
            "reward_shortfall_bps": sums[:, SHORTFALL_TERM].copy(),
            "reward_risk": sums[:, RISK_TERM].copy(),
            "reward_impact": sums[:, IMPACT_TERM].copy(),
        }
        info: dict[str, Any] = of_all | {f"_{name}": everyone for name in of_all}
        if ended.any():
            results = final_results(last, self.task.parent_lots)
            info |= results | {f"_{name}": ended for name in results}
        return info


def final_results(last: Last, parent_lots: int) -> dict[str, npt.NDArray[Any]]:
    """What ``info`` holds of episodes that ended; rows of others mean nothing."""
    sums, counts = last.sums, last.counts
    done = parent_lots - counts[:, LEFT]
    parts = {"spread_bps": SPREAD_BPS, "timing_bps": TIMING_BPS, "fees_bps": FEES_BPS, "walk_bps": WALK_BPS}
    return {
        "final_obs": last.observed.copy(),
        "is_bps": sums[:, SPREAD_BPS] + sums[:, TIMING_BPS] + sums[:, FEES_BPS],
        **{name: sums[:, place].copy() for name, place in parts.items()},
        "completion": done / parent_lots,
        "maker_share": counts[:, MAKER_LOTS] / np.maximum(done, 1),
        "arrival_ns": counts[:, ARRIVAL_NS].copy(),
        "side": counts[:, SIDE].copy(),
        "inventory_path": last.path.copy(),
    }
