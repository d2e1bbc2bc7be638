"""Queue-reactive execution episodes as a Gymnasium vector environment, with the state an agent sees chosen by name.

Rewards are in bps of the parent order at the arrival price, so that rewards, shortfall and the drift of the mid share
one unit. Row i plays episodes i, i + n, i + 2n, ... of a seed, as `QrmBatch` does.

Here: `QrmVectorEnv`, the states. Not here: the task (sim/qrm_task.py), the compiled step (sim/qrm_env.py).
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from feeds.errors import StudyError
from sim.qrm_env import QrmBatch
from sim.qrm_params import QrmParams
from sim.qrm_state import REFERENCE
from sim.qrm_task import OBSERVED, QrmTask

Observations = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

#: What is seen: the published state without the two volumes, the published state, or all queues of the book with what
#: follows from them.
STATES = ("no_depth", "published", "book")
#: Ticks a move of the mid is divided by.
_MOVE_TICKS = 2.0


class QrmVectorEnv(gymnasium.vector.VectorEnv[Observations, Any, npt.NDArray[Any]]):
    """n parent orders of one task, each in a book of its own; actions are places in ``task.fractions``.

    Where an episode ends, the next one begins in the same step (same-step autoreset). ``info`` of a step holds arrays
    of one value an environment and masks of their names after an underscore: ``remaining_share`` and, with
    ``tell_drift``, ``drift_bps`` of all; ``is_bps`` (what was left bought at the end), ``left`` (units) and
    ``final_obs`` of the episodes that ended. An episode ends with its last decision, before time goes on: its last
    drift and ``final_obs`` are those of the decision, the inventory apart.

    Args:
        params: The market.
        num_envs: How many, n.
        task: The parent order.
        state: Of `STATES`. ``book`` adds to the published terms the 2K queues from the best bid level outwards, then
            the best ask level outwards, around the reference price; the spread; the imbalance of the volumes at the
            best prices and of all; and the last move of the mid.
        tell_drift: Tell the move of the mid, which lets a learner shape rewards and take news out of them.

    Raises:
        StudyError: There is no such state or no environment.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012  (Gymnasium's interface)
        "render_modes": [],
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        params: QrmParams,
        num_envs: int,
        task: QrmTask | None = None,
        *,
        state: str = "published",
        tell_drift: bool = True,
    ) -> None:
        if state not in STATES:
            raise StudyError("state of the queue-reactive task", received=state, expected=f"one of {STATES}")
        self.num_envs, self.state, self.tell_drift = num_envs, state, tell_drift
        self.batch = QrmBatch(params, num_envs, task)
        self.task, self._levels = self.batch.task, params.levels
        self._bps = 1e4 / params.arrival_price
        self._half_tick_bps = 0.5 * params.tick * self._bps
        self.single_action_space = gymnasium.spaces.Discrete(len(self.task.fractions))
        self.single_observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (self._width(),), np.float32)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self._seed = 0
        self._arrival_mids, self._mids, self._drifts = np.zeros((3, num_envs))
        self._seen = np.zeros((num_envs, self._width()), np.float32)
        self._everyone, self._never = np.ones(num_envs, np.bool_), np.zeros(num_envs, np.bool_)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Begin episodes 0 .. n - 1 of ``seed``; without one, of the seed after the last."""
        self._seed = self._seed + 1 if seed is None else int(seed)
        seen = self.batch.reset(self._seed)
        self._arrival_mids = self._mid_half_ticks()
        self._mids, self._drifts = self._arrival_mids.copy(), np.zeros(self.num_envs)
        self._seen = self._observed(seen, np.zeros(self.num_envs))
        return self._seen.copy(), self._told(np.ones(self.num_envs), self._drifts)

    def step(
        self, actions: Any
    ) -> tuple[Observations, Floats, npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, Any]]:
        """One decision in each: (n,) places in ``task.fractions``; see `QrmBatch.step`."""
        done = self.batch.step(actions)
        ended, parent = done.done, self.task.parent
        mids = self._mid_half_ticks()
        drifts = np.where(ended, self._drifts, (mids - self._arrival_mids) * self._half_tick_bps)
        info = self._told(done.left / parent, drifts)
        if ended.any():
            # an episode that is over costs what it did, whatever a learner is charged for what was left
            last = self._seen.copy()
            last[:, OBSERVED.index("inventory")] = 2.0 * done.left / parent - 1.0
            results = {"is_bps": done.shortfall * self._bps / parent, "left": done.left.copy(), "final_obs": last}
            info |= results | {f"_{name}": ended for name in results}
        moves = np.where(ended, 0.0, 0.5 * (mids - self._mids))
        self._arrival_mids = np.where(ended, mids, self._arrival_mids)
        self._mids, self._drifts = mids, np.where(ended, 0.0, drifts)
        self._seen = self._observed(done.seen, moves)
        return self._seen.copy(), done.rewards * (self._bps / parent), ended.copy(), self._never.copy(), info

    def _width(self) -> int:
        return {"no_depth": 3, "published": len(OBSERVED), "book": len(OBSERVED) + 2 * self._levels + 4}[self.state]

    def _observed(self, seen: Observations, moves: Floats) -> Observations:
        """The state (n, k) from the published one and the moves of the mid since the decision before, ticks."""
        if self.state != "book":
            return seen[:, : self._width()].copy()
        queues, k = self.batch.state.queues, self._levels
        bid, ask = self._best(0), self._best(k)
        rows = np.arange(self.num_envs)
        best = _imbalance(queues[rows, bid], queues[rows, k + ask])
        whole = _imbalance(queues[:, :k].sum(axis=1), queues[:, k:].sum(axis=1))
        scaled = (queues - self.task.volume_offset) / self.task.volume_scale
        columns: list[npt.NDArray[Any]] = [
            seen,
            scaled,
            np.stack([bid + ask, best, whole, moves / _MOVE_TICKS], axis=1),
        ]
        return np.concatenate(columns, axis=1, dtype=np.float32)

    def _best(self, first: int) -> npt.NDArray[np.int64]:
        """Level (n,) of the best occupied queue of the side that begins at ``first``."""
        return np.asarray((self.batch.state.queues[:, first : first + self._levels] > 0).argmax(axis=1))

    def _mid_half_ticks(self) -> Floats:
        ask, bid = self._best(self._levels), self._best(0)
        return np.asarray(2.0 * self.batch.state.counts[:, REFERENCE] + ask - bid)

    def _told(self, shares: Floats, drifts: Floats) -> dict[str, Any]:
        told = {"remaining_share": shares} | ({"drift_bps": drifts} if self.tell_drift else {})
        return told | {f"_{name}": self._everyone for name in told}


def _imbalance(bids: npt.NDArray[np.int64], asks: npt.NDArray[np.int64]) -> Floats:
    """From -1, only asks, to 1; no side of a book is ever empty."""
    return np.asarray((bids - asks) / (bids + asks))
