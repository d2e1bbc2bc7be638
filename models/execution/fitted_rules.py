"""Rules that are fitted in a market before they are judged in another: each has few numbers, all from training orders.

Here: fitting all of them. Not here: what they are (calibrated_schedule.py, submit_and_leave.py, tabular_q.py,
hendricks_wilcox.py), rules without fitting (baselines.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from models.execution.calibrated_schedule import MeasuredImpact, measure_impact
from models.execution.evaluation import both_sides
from models.execution.hendricks_wilcox import VARIABLES, HendricksWilcox, train_hendricks_wilcox
from models.execution.protocol import MakeEnv, Policy
from models.execution.submit_and_leave import OptimisedLevel, optimise_level
from models.execution.tabular_q import QConfig, TabularQ, train_tabular_q


@dataclass(frozen=True)
class FitConfig:
    """How much is played to fit the rules.

    Attributes:
        orders: Orders behind every level and schedule that is tried, half of them on either side.
        learned_orders: Orders behind each learned table.
        seed: Of the training orders, apart from those that are judged.
    """

    orders: int = 60
    learned_orders: int = 400
    seed: int = 20060701


@dataclass(frozen=True)
class FittedRules:
    """The rules with what they were fitted to.

    Attributes:
        impact: Behind the calibrated schedule.
        level: Behind submit and leave.
        tabular: Nevmyvaka, Feng & Kearns.
        tilt: Hendricks & Wilcox.
    """

    impact: MeasuredImpact
    level: OptimisedLevel
    tabular: TabularQ
    tilt: HendricksWilcox

    def policies(self) -> list[Policy]:
        """All of them."""
        return [self.impact.policy(), self.level.policy(), self.tabular, self.tilt]

    @property
    def curve(self) -> pl.DataFrame:
        """Cost by level of submit and leave, as `OptimisedLevel.curve`."""
        return self.level.curve


def fit_rules(make_env: MakeEnv, names: Sequence[str], config: FitConfig | None = None) -> FittedRules:
    """Fit all rules in one market; the same arguments give the same rules.

    Args:
        make_env: Called once for each rule, with 0; a market of before the orders that are judged.
        names: The observations, in order; variables of the learned rules that are none of them are left out.
        config: How much is played.
    """
    config = config or FitConfig()
    orders = both_sides(config.orders, config.seed)
    impact = measure_impact(make_env, orders)
    base = QConfig(episodes=config.learned_orders, seed=config.seed)
    base, tilts = (
        replace(base, variables=tuple(name for name in wanted if name in names))
        for wanted in (base.variables, VARIABLES)
    )
    return FittedRules(
        impact,
        optimise_level(make_env, orders),
        train_tabular_q(make_env, names, base),
        train_hendricks_wilcox(make_env, names, impact.kappa_t(), impact.decisions, tilts),
    )
