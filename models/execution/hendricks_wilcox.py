"""A learned tilt of Almgren-Chriss.

Hendricks & Wilcox (2014), "A reinforcement learning extension to the Almgren-Chriss framework for optimal trade
execution", IEEE CIFEr. The schedule says what to trade at a decision; the state of the market says to trade a multiple
of that, from nothing to twice as much (their beta). Time, inventory and two market variables, spread and displayed
volume, are the state; the multiple is learned by averaging costs backwards in time. The last decision takes all that is
left.

Here: the actions and the policy. Not here: tables and their learning (tabular_q.py), the schedule (almgren_chriss.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from models.execution.almgren_chriss import almgren_chriss_fractions
from models.execution.protocol import Info, Instruction, MakeEnv, Observation
from models.execution.tabular_q import Meaning, QConfig, QTable, columns_of, inventory_level, learn_table

#: Multiples of the schedule's slice.
TILTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)
#: Their market variables: the spread, and the volume displayed on the side that is taken from.
VARIABLES = ("spread_increments", "opposite_slices")


def tilted(kappa_t: float, decisions: int, tilts: Sequence[float] = TILTS) -> Meaning:
    """The actions: a multiple of the slice that Almgren-Chriss trades of what is left.

    Args:
        kappa_t: Urgency, kappa times the horizon.
        decisions: Of an order.
        tilts: As `TILTS`.
    """
    fractions = almgren_chriss_fractions(decisions, kappa_t)
    of_left = fractions / np.cumsum(fractions[::-1])[::-1]

    def meaning(action: int, info: Info) -> Instruction:
        left, to_come = int(info["remaining_lots"]), int(info["decisions_left"])
        if to_come <= 1:
            return left, 0, 0
        slice_lots = left * of_left[max(0, decisions - to_come)]
        return min(left, round(tilts[action] * slice_lots)), 0, 0

    return meaning


@dataclass
class HendricksWilcox:
    """Acts by a table of tilts.

    Attributes:
        table: Learned.
        config: It was learned with.
        columns: Places of the market variables among the observations.
        kappa_t: Urgency of the schedule.
        tilts: As `TILTS`.
        name: In tables and plots.
    """

    table: QTable
    config: QConfig
    columns: Sequence[int]
    kappa_t: float
    tilts: tuple[float, ...] = TILTS
    name: str = "hendricks_wilcox"
    training_seed: None = None
    meaning: Meaning = field(default=lambda action, info: (0, 0, 0), repr=False)

    def begin(self, info: Info, seed: int) -> None:
        """Lay the schedule."""
        self.meaning = tilted(self.kappa_t, int(info["decisions_left"]), self.tilts)

    def instruction(self, observation: Observation, info: Info) -> Instruction:
        """The tilted slice."""
        time = max(0, self.table.costs.shape[0] - int(info["decisions_left"]))
        variables = observation[list(self.columns)].astype(np.float64)
        return self.meaning(self.table.act(time, inventory_level(info, self.config.inventories), variables), info)


def train_hendricks_wilcox(
    make_env: MakeEnv,
    names: Sequence[str],
    kappa_t: float,
    decisions: int,
    config: QConfig | None = None,
    tilts: tuple[float, ...] = TILTS,
) -> HendricksWilcox:
    """Learn the tilts.

    Args:
        make_env: Called once, with 0; a market of before the orders that are judged.
        names: The observations, in order.
        kappa_t: Urgency of the schedule.
        decisions: Of an order.
        config: As `QConfig`; its variables default to `VARIABLES`.
        tilts: As `TILTS`.
    """
    config = config or replace(QConfig(), variables=VARIABLES)
    table = learn_table(make_env, tilted(kappa_t, decisions, tilts), len(tilts), names, config)
    return HendricksWilcox(table, config, columns_of(names, config.variables), kappa_t, tilts)
