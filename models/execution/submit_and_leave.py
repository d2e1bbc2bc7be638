"""Submit and leave, optimised: one limit order for the whole parent at the level that was cheapest in training.

The order is priced once, at arrival, and stays at its price; what has not filled at the horizon is taken by the
environment. The level is the only choice, and the curve of mean cost by level is U-shaped: far from the best quote
little fills and the rest is crossed late, near it everything fills at once with the spread paid back at most once
(Nevmyvaka, Feng & Kearns 2006, "Reinforcement learning for optimized trade execution", ICML 23, section 4).

Single orders scatter by far more than levels differ. Of the levels that cannot be told from the cheapest, paired order
by order, by one standard error (Breiman, Friedman, Olshen & Stone 1984, section 3.4.3), the one with the least scatter
is taken.

Here: the rule and the choice of its level. Not here: the rule that moves with the best quote
(baselines.py, `SubmitAndLeave`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from feeds.errors import InsufficientDataError
from models.execution.evaluation import Episode, play
from models.execution.protocol import Info, Instruction, MakeEnv, Observation

#: Levels tried, increments from the best price of the own side: positive is nearer the opposite side.
LEVELS = (-16, -8, -5, -3, -2, -1, 0, 1, 2, 4)


@dataclass
class LimitAndLeave:
    """Rests the whole order at one price, ``level`` increments from the best of the own side at arrival.

    Attributes:
        level: Positive is towards the opposite side; a price that would trade stands an increment short of it.
        name: In tables and plots.
    """

    level: int
    name: str = "submit_and_leave_optimised"
    training_seed: None = None
    price_ticks: int = 0

    def begin(self, info: Info, seed: int) -> None:
        """Price the order; one that would trade stands an increment short of the opposite best."""
        inside = _inside(info)
        room = (_opposite(info) - _own(info)) // inside - 1
        self.price_ticks = _own(info) + inside * min(self.level, max(0, room))

    def instruction(self, observation: Observation, info: Info) -> Instruction:
        """Leave it there, wherever the best quote has gone."""
        return 0, int(info["remaining_lots"]), (self.price_ticks - _own(info)) // _inside(info)


@dataclass(frozen=True)
class OptimisedLevel:
    """The level chosen, and why.

    Attributes:
        level: As `LimitAndLeave.level`.
        curve: One row a level tried: ``level, is_bps`` (mean shortfall), ``se_bps`` (its standard error), ``sd_bps``,
            ``maker_share``, ``n``, ``told_apart`` (dearer than the cheapest by more than a paired standard error).
    """

    level: int
    curve: pl.DataFrame

    def policy(self) -> LimitAndLeave:
        """The rule with this level."""
        return LimitAndLeave(self.level)


def optimise_level(make_env: MakeEnv, episodes: Sequence[Episode], levels: Sequence[int] = LEVELS) -> OptimisedLevel:
    """Play every level on the same training orders and choose one; see the module docstring.

    Args:
        make_env: Called once, with 0; a market of before the orders that are judged.
        episodes: Training orders.
        levels: Candidates.

    Raises:
        InsufficientDataError: There is no order or no level.
    """
    if not episodes or not levels:
        raise InsufficientDataError(
            "submit and leave",
            received=f"{len(episodes)} orders, {len(levels)} levels",
            expected="at least one of both",
        )
    env = make_env(0)
    ends = [[play(env, LimitAndLeave(level), episode)[0] for episode in episodes] for level in levels]
    costs = np.array([[float(end["is_bps"]) for end in row] for row in ends])
    means, errors = costs.mean(axis=1), _standard_errors(costs)
    best = int(means.argmin())
    apart = means - means[best] > _standard_errors(costs - costs[best])
    curve = pl.DataFrame(
        {
            "level": list(levels),
            "is_bps": means,
            "se_bps": errors,
            "sd_bps": errors * len(episodes) ** 0.5,
            "maker_share": [float(np.mean([float(end["maker_share"]) for end in row])) for row in ends],
            "n": [len(episodes)] * len(levels),
            "told_apart": apart,
        }
    )
    chosen = curve.filter(~pl.col("told_apart")).sort("sd_bps", "is_bps", pl.col("level").abs()).row(0, named=True)
    return OptimisedLevel(int(chosen["level"]), curve)


def _standard_errors(costs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Of the mean of every row of (levels, orders); 0 of a single order."""
    orders = costs.shape[1]
    return np.asarray(costs.std(axis=1, ddof=1 if orders > 1 else 0) / orders**0.5)


def _inside(info: Info) -> int:
    """One increment towards the opposite side, ticks."""
    return int(info["increment_ticks"]) * (1 if info["side"] == 0 else -1)


def _own(info: Info) -> int:
    # where nobody stands on the own side it is counted from an increment short of the opposite one
    own, opposite = (info["bid_px"], info["ask_px"]) if info["side"] == 0 else (info["ask_px"], info["bid_px"])
    return int(own) or int(opposite) - _inside(info)


def _opposite(info: Info) -> int:
    return int(info["ask_px"] if info["side"] == 0 else info["bid_px"]) or _own(info)
