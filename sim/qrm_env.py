"""Environments of the queue-reactive execution task: many at once in one compiled call, and one in Gymnasium's form.

An episode is a seed and a number: what happens in it, up to the agent's own purchases, depends on neither how many run
beside it nor in what order, so two policies, or two batch sizes, are compared on the same episodes.

Here: `QrmBatch`, `QrmEnv`. Not here: the task (sim/qrm_task.py), fixed schedules (sim/qrm_policies.py).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import gymnasium
import numpy as np
import numpy.typing as npt
from numba import njit

from feeds.errors import StudyError
from sim.compile_options import ENTRY
from sim.qrm_params import QrmParams
from sim.qrm_state import EPISODE, QrmState, QrmTables, new_state, tables_of
from sim.qrm_task import (
    BOUGHT,
    DONE,
    LEFT,
    N_RESULT,
    OBSERVED,
    REWARD,
    SHORTFALL,
    QrmTask,
    TaskTables,
    decide,
    observe,
    open_episode,
    share_of_ask,
)

Observations = npt.NDArray[np.float32]


class BatchStep(NamedTuple):
    """What a step of `QrmBatch` returns. The arrays are overwritten by the next step.

    Attributes:
        seen: (n, 5) float32 in the order of `OBSERVED`; of the next episode where one has just begun.
        rewards: (n,) float64, price units: (arrival price - price) x units, less the penalty at the end.
        done: (n,) bool: the episode ended with this decision.
        bought: (n,) units bought.
        shortfall: (n,) cost against arrival so far, price units; at the end with what was left.
        left: (n,) units left.
    """

    seen: Observations
    rewards: npt.NDArray[np.float64]
    done: npt.NDArray[np.bool_]
    bought: npt.NDArray[np.float64]
    shortfall: npt.NDArray[np.float64]
    left: npt.NDArray[np.float64]


@njit(**ENTRY)
def _reset(tables: QrmTables, task: TaskTables, state: QrmState, seed: int, first: int, seen: np.ndarray) -> None:
    for row in range(state.queues.shape[0]):
        open_episode(tables, task, state, row, seed, first + row)
        observe(task, state, row, seen, row)


@njit(**ENTRY)
def _step(
    tables: QrmTables,
    task: TaskTables,
    state: QrmState,
    seed: int,
    restart: bool,
    actions: np.ndarray,
    seen: np.ndarray,
    results: np.ndarray,
) -> None:
    books = state.queues.shape[0]
    for row in range(books):
        units = share_of_ask(state, row, task.fractions[actions[row]])
        decide(tables, task, state, row, units, results, row)
        if restart and results[row, DONE] > 0:
            open_episode(tables, task, state, row, seed, state.counts[row, EPISODE] + books)
        observe(task, state, row, seen, row)


class QrmBatch:
    """n books, each with its own parent order, stepped together.

    Row i plays episodes i, i + n, i + 2n, ... of the seed.

    Args:
        params: The market.
        books: How many, n.
        task: The parent order.
        autoreset: Begin the row's next episode when one ends. Without it a finished row must not be stepped on.
    """

    def __init__(self, params: QrmParams, books: int, task: QrmTask | None = None, *, autoreset: bool = True) -> None:
        if books < 1:
            raise StudyError("number of books", received=books, expected="at least 1")
        self.params, self.task, self.autoreset = params, task or QrmTask(), autoreset
        self.state = new_state(params, books)
        self._tables, self._task = tables_of(params), self.task.tables(params.tick)
        self._seen = np.zeros((books, len(OBSERVED)), np.float32)
        self._results = np.zeros((books, N_RESULT))
        self._seed = 0
        self._running = False

    @property
    def books(self) -> int:
        """Number of books, n."""
        return int(self._results.shape[0])

    def reset(self, seed: int, first_episode: int = 0) -> Observations:
        """Begin episodes ``first_episode`` .. of ``seed``; the observation is (n, 5) float32."""
        self._seed = seed
        self._results[:] = 0.0
        _reset(self._tables, self._task, self.state, seed, first_episode, self._seen)
        self._running = True
        return self._seen

    def step(self, actions: npt.ArrayLike) -> BatchStep:
        """One decision of every book: (n,) places in ``task.fractions``.

        Raises:
            StudyError: There is no such action, no episode has begun, or one is over and does not begin again.
        """
        chosen = np.asarray(actions, dtype=np.int64)
        if chosen.shape != (self.books,) or chosen.min() < 0 or chosen.max() >= len(self.task.fractions):
            raise StudyError(
                "actions", received=actions, expected=f"{self.books} whole numbers below {len(self.task.fractions)}"
            )
        self._run(chosen)
        columns = self._results.T
        return BatchStep(
            self._seen, columns[REWARD], columns[DONE] > 0, columns[BOUGHT], columns[SHORTFALL], columns[LEFT]
        )

    def _run(self, chosen: npt.NDArray[np.int64]) -> None:
        """Step with actions known to exist; see `step`."""
        if not self._running or (not self.autoreset and self._results[:, DONE].any()):
            raise StudyError("step", received="an episode not begun or over", expected="a running one", remedy="Reset.")
        _step(self._tables, self._task, self.state, self._seed, self.autoreset, chosen, self._seen, self._results)


class QrmEnv(gymnasium.Env[Observations, int]):
    """One book in Gymnasium's form; an episode is its seed, drawn where `reset` gets none.

    Args:
        params: The market.
        task: The parent order.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012  (Gymnasium's interface)

    def __init__(self, params: QrmParams, task: QrmTask | None = None) -> None:
        self.batch = QrmBatch(params, 1, task, autoreset=False)
        self.action_space = gymnasium.spaces.Discrete(len(self.batch.task.fractions))  # type: ignore[assignment]
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (len(OBSERVED),), np.float32)
        self._episode = 0
        self._action = np.zeros(1, np.int64)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Begin episode ``options["episode"]`` (else 0) of ``seed``; without a seed, the next of the last one's."""
        super().reset(seed=seed)
        self._episode = 0 if seed is not None else self._episode + 1
        if options and "episode" in options:
            self._episode = int(options["episode"])
        started = self.batch.reset(self.batch._seed if seed is None else seed, self._episode)
        return started[0].copy(), {"episode": self._episode}

    def step(self, action: int) -> tuple[Observations, float, bool, bool, dict[str, Any]]:
        """One decision; ``info`` holds ``bought``, ``inventory``, and at the end ``shortfall`` and ``left``."""
        if not 0 <= action < len(self.batch.task.fractions):
            raise StudyError("action", received=action, expected=f"0 to {len(self.batch.task.fractions) - 1}")
        self._action[0] = action
        self.batch._run(self._action)
        reward, bought, shortfall, left, done = self.batch._results[0].tolist()
        info: dict[str, Any] = {"bought": int(bought), "inventory": int(left)}
        if done:
            info |= {"shortfall": shortfall, "left": int(left)}
        return self.batch._seen[0].copy(), reward, done > 0, False, info
