"""Fixed schedules for the queue-reactive execution task, and running them over many episodes.

A schedule buys, at each decision, so many units plus such a share of the best ask: the benchmarks of arXiv 2511.15262,
section 5.1, are all of this kind.

Here: `Schedule`, `twap`, `popv`, `run_schedule`. Not here: the task (sim/qrm_task.py), agents.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from feeds.errors import StudyError
from sim.compile_options import ENTRY
from sim.qrm_params import QrmParams
from sim.qrm_state import DECISION, EVENTS, REJECTED, QrmState, QrmTables, new_state, tables_of
from sim.qrm_task import (
    BOUGHT,
    DONE,
    LEFT,
    N_RESULT,
    REWARD,
    SHORTFALL,
    QrmTask,
    TaskTables,
    decide,
    open_episode,
    share_of_ask,
)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Schedule:
    """What to buy at each decision.

    Attributes:
        units: (D,) whole units.
        fractions: (D,) share of the best ask on top, rounded half to even.
    """

    units: tuple[int, ...]
    fractions: tuple[float, ...]


def twap(task: QrmTask) -> Schedule:
    """The parent order spread evenly over the decisions; what does not divide goes to evenly spaced ones."""
    edges = np.arange(task.decisions + 1) * task.parent // task.decisions
    return Schedule(tuple(int(n) for n in np.diff(edges)), (0.0,) * task.decisions)


def popv(task: QrmTask, every: int, fraction: float) -> Schedule:
    """Buy a fixed share of the volume posted at the best ask at every so many decisions, from the first on."""
    if every < 1:
        raise StudyError("popv every", received=every, expected="at least 1")
    shares = tuple(fraction if decision % every == 0 else 0.0 for decision in range(task.decisions))
    return Schedule((0,) * task.decisions, shares)


def published_schedules(task: QrmTask) -> dict[str, Schedule]:
    """The benchmarks of the published table: half of the best ask in POPV 1 and 2, all of it in 3 and 4."""
    return {
        "twap": twap(task),
        **{f"popv{every}": popv(task, every, 0.5 if every < 3 else 1.0) for every in (1, 2, 3, 4)},
    }


@dataclass(frozen=True)
class Episodes:
    """Outcomes of N episodes.

    Attributes:
        shortfall: (N,) cost against arrival, price units, what was left bought at the end; the published reward is its
            negative.
        reward: (N,) sum of rewards: as a rule minus the shortfall, with the penalty for what was left instead.
        left: (N,) units left after the last decision.
        decisions: (N,) decisions made.
        events: Arrivals that changed a book, all episodes.
        rejected: Arrivals turned away, all episodes.
    """

    shortfall: Floats
    reward: Floats
    left: Floats
    decisions: Floats
    events: int
    rejected: int


@njit(**ENTRY)
def _run(
    tables: QrmTables,
    task: TaskTables,
    state: QrmState,
    seed: int,
    first: int,
    units: np.ndarray,
    fractions: np.ndarray,
    step: np.ndarray,
    outcomes: np.ndarray,
    arrivals: np.ndarray,
) -> None:
    for episode in range(outcomes.shape[0]):
        open_episode(tables, task, state, 0, seed, first + episode)
        total = 0.0
        step[0, DONE] = 0.0
        while step[0, DONE] == 0.0:
            decision = state.counts[0, DECISION]
            wanted = units[decision] + share_of_ask(state, 0, fractions[decision])
            decide(tables, task, state, 0, wanted, step, 0)
            total += step[0, REWARD]
        for column in range(outcomes.shape[1]):
            outcomes[episode, column] = step[0, column]
        outcomes[episode, REWARD] = total
        outcomes[episode, BOUGHT] = state.counts[0, DECISION]
        arrivals[0] += state.counts[0, EVENTS]
        arrivals[1] += state.counts[0, REJECTED]


def run_schedule(
    params: QrmParams, task: QrmTask, schedule: Schedule, episodes: int, seed: int, first_episode: int = 0
) -> Episodes:
    """Play ``episodes`` episodes of ``seed`` with a schedule, in one compiled call.

    Raises:
        StudyError: The schedule does not have the task's number of decisions.
    """
    if not len(schedule.units) == len(schedule.fractions) == task.decisions:
        raise StudyError("schedule", received=f"{len(schedule.units)} decisions", expected=f"{task.decisions}")
    outcomes, arrivals = np.zeros((episodes, N_RESULT)), np.zeros(2, np.int64)
    units, fractions = np.array(schedule.units, np.int64), np.array(schedule.fractions, np.float64)
    step = np.zeros((1, N_RESULT))
    state = new_state(params, 1)
    _run(
        tables_of(params),
        task.tables(params.tick),
        state,
        seed,
        first_episode,
        units,
        fractions,
        step,
        outcomes,
        arrivals,
    )
    columns = outcomes.T
    return Episodes(
        columns[SHORTFALL], columns[REWARD], columns[LEFT], columns[BOUGHT], int(arrivals[0]), int(arrivals[1])
    )
