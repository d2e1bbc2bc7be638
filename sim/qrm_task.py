"""Buying a parent order in a queue-reactive book: the execution task of arXiv 2511.15262, sections 4 and 5.

At evenly spaced decisions, the first at arrival and the last at the horizon, a share of the best ask is bought at once;
the book reacts at each purchase that empties a queue as it does to any other change of the mid. A purchase never
empties the asks. What is left after the last decision is bought at once through the book, at the first price beyond it
where the book ends; the reward of that decision charges a penalty for each unit instead. All costs are against the
arrival price, so that the rewards of an episode that finishes in time sum to its negative shortfall.

Here: the task, its kernels on one row of `QrmState`. Not here: environments (sim/qrm_env.py), schedules
(sim/qrm_policies.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from feeds.errors import StudyError
from sim.compile_options import INNER
from sim.qrm_kernel import advance, best_level, move_reference, open_book, start_interval
from sim.qrm_state import DECISION, EPISODE, INVENTORY, OWN, PAID, REFERENCE, QrmState, QrmTables

#: Places of an observation.
OBSERVED = ("inventory", "time", "ask_price", "ask_volume", "bid_volume")
#: Places of `TaskTables.numbers`.
STEP_S, HORIZON_S, TICK, PENALTY, PRICE_OFFSET, PRICE_SCALE, VOLUME_OFFSET, VOLUME_SCALE = range(8)
#: Places of `TaskTables.counts`.
PARENT, DECISIONS = 0, 1
#: Columns of what a decision or an episode is told by: reward, units bought, shortfall against arrival (what was left
#: at the end included, once the episode is over), units left when it ended, 1 when it is over.
REWARD, BOUGHT, SHORTFALL, LEFT, DONE = range(5)
N_RESULT = 5


class TaskTables(NamedTuple):
    """The task in the form the kernels read: see the constants.

    Attributes:
        numbers: (8,) float64.
        counts: (2,) int64.
        fractions: (A,) share of the best ask an action buys.
    """

    numbers: np.ndarray
    counts: np.ndarray
    fractions: np.ndarray


@dataclass(frozen=True)
class QrmTask:
    """A parent order to buy; the defaults are those of the published table.

    Attributes:
        parent: Units to buy, in average event sizes.
        horizon_s: From the first decision to the last, s.
        decisions: Their number, at least 2.
        fractions: Share of the best ask that each action buys, rounded half to even.
        penalty: Price units charged per unit left after the last decision.
        price_offset: Subtracted from the observed ask price less arrival price.
        price_scale: It is divided by.
        volume_offset: Subtracted from the observed volumes.
        volume_scale: They are divided by.

    Raises:
        StudyError: A value is out of range.
    """

    parent: int = 25
    horizon_s: float = 600.0
    decisions: int = 25
    fractions: tuple[float, ...] = (0.0, 0.5, 1.0)
    penalty: float = 1.0
    price_offset: float = 0.0177
    price_scale: float = 0.0217
    volume_offset: float = 8.356
    volume_scale: float = 6.446

    def __post_init__(self) -> None:
        fractions = self.fractions
        for name, fine, expected in (
            ("parent", self.parent >= 1, "at least 1"),
            ("horizon_s", self.horizon_s > 0, "more than 0"),
            ("decisions", self.decisions >= 2, "at least 2"),
            ("fractions", bool(fractions) and min(fractions) >= 0 and max(fractions) <= 1, "shares in [0, 1]"),
            ("price_scale", self.price_scale > 0, "more than 0"),
            ("volume_scale", self.volume_scale > 0, "more than 0"),
        ):
            if not fine:
                raise StudyError(f"queue-reactive task {name}", received=getattr(self, name), expected=expected)

    @property
    def step_s(self) -> float:
        """Time between decisions, s."""
        return self.horizon_s / (self.decisions - 1)

    def tables(self, tick: float) -> TaskTables:
        """What the kernels read, in a market of this tick."""
        scales = (self.price_offset, self.price_scale, self.volume_offset, self.volume_scale)
        return TaskTables(
            np.array([self.step_s, self.horizon_s, tick, self.penalty, *scales], dtype=np.float64),
            np.array([self.parent, self.decisions], dtype=np.int64),
            np.array(self.fractions, dtype=np.float64),
        )


@njit(**INNER)
def open_episode(tables: QrmTables, task: TaskTables, state: QrmState, row: int, seed: int, episode: int) -> None:
    """Open a book and put the parent order before it."""
    open_book(tables, state, row, seed, episode)
    state.counts[row, INVENTORY] = task.counts[PARENT]
    state.counts[row, EPISODE] = episode


@njit(**INNER)
def share_of_ask(state: QrmState, row: int, fraction: float) -> int:
    """A share of the best ask, rounded half to even."""
    levels = state.queues.shape[1] // 2
    level = best_level(state, row, levels, levels)
    return int(np.rint(fraction * state.queues[row, levels + level]))


@njit(**INNER)
def buy(tables: QrmTables, state: QrmState, row: int, units: int, number: int) -> int:
    """Buy from the best ask upwards, one unit less than the asks hold at most; the reference price may follow.

    Args:
        tables: Of the parameters.
        state: The books.
        row: Which.
        units: Wanted.
        number: Of the purchase: its address in the stream of own moves.

    Returns:
        Units bought; what they cost is added to `PAID`.
    """
    levels = state.queues.shape[1] // 2
    held = 0
    for level in range(levels):
        held += state.queues[row, levels + level]
    bought = max(0, min(units, held - 1))
    rest, emptied, level = bought, False, 0
    while rest > 0:
        size = state.queues[row, levels + level]
        taken = min(rest, size)
        if taken > 0:
            emptied = emptied or taken == size
            state.queues[row, levels + level] = size - taken
            state.rates[row, levels + level] = tables.totals[levels + level, size - taken]
            state.counts[row, PAID] += taken * (2 * (state.counts[row, REFERENCE] + level) + 1)
            rest -= taken
        level += 1
    if emptied:
        move_reference(tables, state, row, OWN, number, 1)
    return bought


@njit(**INNER)
def price_of_rest(state: QrmState, row: int, units: int) -> int:
    """Half ticks above arrival that ``units`` cost at once: through the asks, then at the first price beyond them."""
    levels = state.queues.shape[1] // 2
    paid, rest = 0, units
    for level in range(levels):
        taken = min(rest, state.queues[row, levels + level])
        paid += taken * (2 * (state.counts[row, REFERENCE] + level) + 1)
        rest -= taken
    return paid + rest * (2 * (state.counts[row, REFERENCE] + levels) + 1)


@njit(**INNER)
def decide(
    tables: QrmTables, task: TaskTables, state: QrmState, row: int, units: int, results: np.ndarray, place: int
) -> None:
    """Carry out one decision and run to the next, unless the episode is over.

    Args:
        tables: Of the parameters.
        task: Of the task.
        state: The books.
        row: Which.
        units: To buy now; never more than are left.
        results: (m, 5) float64, written at ``place``.
        place: Row of ``results``.
    """
    decision, paid = state.counts[row, DECISION], state.counts[row, PAID]
    bought = buy(tables, state, row, min(units, state.counts[row, INVENTORY]), decision)
    left = state.counts[row, INVENTORY] - bought
    state.counts[row, INVENTORY] = left
    state.counts[row, DECISION] = decision + 1
    half_tick = 0.5 * task.numbers[TICK]
    reward = -half_tick * (state.counts[row, PAID] - paid)
    over = left == 0 or decision + 1 >= task.counts[DECISIONS]
    shortfall = half_tick * state.counts[row, PAID]
    if over:
        reward -= task.numbers[PENALTY] * left
        shortfall += half_tick * price_of_rest(state, row, left)
    else:
        start_interval(state, row, decision + 1)
        advance(tables, state, row, (decision + 1) * task.numbers[STEP_S])
    results[place, REWARD] = reward
    results[place, BOUGHT] = bought
    results[place, SHORTFALL] = shortfall
    results[place, LEFT] = left
    results[place, DONE] = 1.0 if over else 0.0


@njit(**INNER)
def observe(task: TaskTables, state: QrmState, row: int, seen: np.ndarray, place: int) -> None:
    """Write what is seen at a decision, scaled: inventory and time to [-1, 1], ask price, ask and bid volume.

    Args:
        task: Of the task.
        state: The books.
        row: Which.
        seen: (m, 5) float32.
        place: Row of ``seen``.
    """
    numbers, levels = task.numbers, state.queues.shape[1] // 2
    bid, ask = best_level(state, row, 0, levels), best_level(state, row, levels, levels)
    price = (state.counts[row, REFERENCE] + ask + 0.5) * numbers[TICK]
    time_s = state.counts[row, DECISION] * numbers[STEP_S]
    seen[place, 0] = 2.0 * state.counts[row, INVENTORY] / task.counts[PARENT] - 1.0
    seen[place, 1] = 2.0 * time_s / numbers[HORIZON_S] - 1.0
    seen[place, 2] = (price - numbers[PRICE_OFFSET]) / numbers[PRICE_SCALE]
    seen[place, 3] = (state.queues[row, levels + ask] - numbers[VOLUME_OFFSET]) / numbers[VOLUME_SCALE]
    seen[place, 4] = (state.queues[row, bid] - numbers[VOLUME_OFFSET]) / numbers[VOLUME_SCALE]
