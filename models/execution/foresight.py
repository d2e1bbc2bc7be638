"""Perfect foresight: the order worked by one who has seen the whole market beforehand. No policy may do better.

The market's path without the order is recorded first. A dynamic programme over (decision, lots left) then finds the
cheapest way to take the lots at the quotes that will be displayed, with a walk through the book that costs the more the
fewer lots will be there. How far the book answers to us is not in that path, so the programme is solved for several
strengths of the walk; those plans and any rules given beside them are tried on the very episode, and the cheapest is
worked. It is a bound for judging, no rule: it looks ahead, and it is shown apart.

Here: the programme, the policy. Not here: the path without us (no_order.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from feeds.errors import StudyError
from models.execution.evaluation import Episode, play
from models.execution.no_order import NoOrderRun, no_order_run
from models.execution.protocol import ExecutionEnvLike, Info, Instruction, Observation, Policy

Floats = npt.NDArray[np.float64]

#: Parcels the order is cut into by the programme, at most.
PARCELS = 100
#: Strengths of the walk that are tried, in multiples of a book of equal levels one increment apart.
WALKS = (0.1, 0.5, 1.0, 4.0, 16.0)
#: The same in multiples of a measured concession: it is a mean, and some books are thinner.
SHARES = (0.5, 1.0, 2.0)


def cheapest_plan(prices: Floats, walks: Floats, lots: int, parcels: int = PARCELS) -> npt.NDArray[np.int64]:
    """Lots to buy at each decision so that sum(q p + walk q^2) is least: Bellman's recursion, exact up to parcels.

    Args:
        prices: (D,) price of the first lot at each decision, any sign.
        walks: (D,) not negative: price concession a lot, averaged over the lots of one decision.
        lots: To buy in all.
        parcels: Equal parcels the lots are cut into, at most ``lots``; the last decision with any takes the remainder.

    Returns:
        (D,) int64, none negative, adding up to ``lots``.

    Raises:
        StudyError: There is no decision, the arrays differ in length, or a walk is negative.
    """
    if prices.size == 0 or prices.shape != walks.shape or walks.min() < 0.0 or lots < 0:
        raise StudyError(
            "plan with foresight",
            received=f"{prices.size} prices, {walks.size} walks, {lots} lots",
            expected="as many of both, at least one, none of the walks negative",
        )
    units = max(1, min(parcels, lots))
    size = lots / units
    bought = size * np.arange(units + 1)
    # value[u]: cost of buying u parcels from decision k on; at the end nothing may be left
    value = np.full(units + 1, np.inf)
    value[0] = 0.0
    choices = np.zeros((prices.size, units + 1), dtype=np.int64)
    left, now = np.meshgrid(np.arange(units + 1), np.arange(units + 1), indexing="ij")
    allowed = now <= left
    for k in range(prices.size - 1, -1, -1):
        cost = bought * prices[k] + walks[k] * bought**2
        total = np.where(allowed, cost[now] + value[np.maximum(left - now, 0)], np.inf)
        choices[k] = total.argmin(axis=1)
        value = total[np.arange(units + 1), choices[k]]
    plan, parcels_left = np.zeros(prices.size, dtype=np.int64), units
    for k in range(prices.size):
        plan[k], parcels_left = choices[k, parcels_left], parcels_left - choices[k, parcels_left]
    return np.diff(np.floor(np.cumsum(plan) * size + 0.5).astype(np.int64), prepend=0)


def plan_of(run: NoOrderRun, walks: Floats) -> npt.NDArray[np.int64]:
    """The cheapest plan of taking on one path; ``walks`` (D,) in ticks a lot as for `cheapest_plan`."""
    sign = 1.0 if run.side == 0 else -1.0
    away = sign * (run.quote - run.arrival_mid)
    shown = run.quote > 0
    # a side that will be empty offers nothing: dearer than any price that will be seen
    dear = (np.abs(away[shown]).max() if shown.any() else 0.0) + run.arrival_mid
    return cheapest_plan(np.where(shown, away, dear), walks, run.parent_lots)


@dataclass
class Planned:
    """Takes given lots at each decision.

    Attributes:
        lots: (D,) int64.
        resting: Rest what is left at the best quote of the own side meanwhile.
    """

    lots: npt.NDArray[np.int64]
    resting: bool = False
    name: str = "planned"
    training_seed: None = None

    def begin(self, info: Info, seed: int) -> None:
        """The plan is made."""

    def instruction(self, observation: Observation, info: Info) -> Instruction:
        """What the plan has behind it at the end of this decision; lots that rested and filled count."""
        left, number = int(info["remaining_lots"]), len(self.lots) - int(info["decisions_left"])
        take = min(left, max(0, left - int(self.lots[number + 1 :].sum()))) if self.lots[number] else 0
        return take, left - take if self.resting else 0, 0


@dataclass
class Foresight:
    """See the module docstring.

    Args:
        env: An environment of its own over the same market; its reset must depend on seed and options only.
        rules: Tried besides the plans.
        walks: As `WALKS`.
        concession_bps: Measured cost of taking the whole order at once
            (`models.execution.calibrated_schedule.MeasuredImpact`); above 0 walks of that strength are tried too.
    """

    env: ExecutionEnvLike
    rules: Sequence[Policy] = ()
    walks: Sequence[float] = WALKS
    concession_bps: float = 0.0
    name: str = "foresight"
    training_seed: None = None
    chosen: Policy = field(default_factory=lambda: Planned(np.zeros(0, dtype=np.int64)), repr=False)

    def begin(self, info: Info, seed: int) -> None:
        """Look ahead, try everything, keep the cheapest."""
        side = int(info["side"])
        run = no_order_run(self.env, seed, side)
        level = run.increment_ticks / (2.0 * np.maximum(run.posted, 1.0))
        measured = np.full(level.size, self.concession_bps * run.arrival_mid / (1e4 * run.parent_lots))
        walks = [walk * level for walk in self.walks]
        walks += [share * measured for share in SHARES] if self.concession_bps > 0.0 else []
        plans = {tuple(plan_of(run, walk).tolist()) for walk in walks}
        arrays = [np.array(plan, dtype=np.int64) for plan in sorted(plans)]
        candidates: list[Policy] = [Planned(plan, rests) for plan in arrays for rests in (False, True)]
        candidates += self.rules
        costs = [float(play(self.env, one, Episode(seed, side))[0]["is_bps"]) for one in candidates]
        self.chosen = candidates[int(np.argmin(costs))]
        self.chosen.begin(info, seed)

    def instruction(self, observation: Observation, info: Info) -> Instruction | int | npt.NDArray[Any]:
        """What the cheapest does."""
        return self.chosen.instruction(observation, info)
