"""Almgren-Chriss with its numbers measured: volatility from the market left alone, impact from schedules played in it.

In shares of the order and bps, a schedule x_1 .. x_D with h_k left after trade k costs, in the mean,
``fixed + concession * sum x_k^2`` and varies by ``volatility^2 * sum h_k^2``. Both numbers are measured on training
orders, and mean + risk_aversion * variance is least for the urgency (Almgren & Chriss 2000, equation 21)

    cosh(kappa tau) = 1 + risk_aversion * volatility^2 / (2 * concession).

Only what trades pay against the mid of their moment counts as concession; what they leave for later ones is hidden in
the mid's noise at any affordable number of orders, and would only flatten the schedule.

Here: measuring, the schedule. Not here: the closed form for shares and ticks (almgren_chriss.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from feeds.errors import InsufficientDataError
from models.execution.baselines import Schedule, almgren_chriss
from models.execution.evaluation import Episode, play
from models.execution.no_order import no_order_run
from models.execution.protocol import Info, MakeEnv

#: Weight of the variance of a shortfall in bps beside its mean in bps: a standard deviation of 10 bps weighs as 1 bps.
RISK_AVERSION = 0.01
#: Slices of the schedules that are played; as far as there are decisions.
SLICES = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class MeasuredImpact:
    """What a schedule costs in a market, by two numbers.

    Attributes:
        decisions: Of an order.
        volatility_bps: Standard deviation of the mid's move between decisions.
        concession_bps: Paid by an order that is taken at once beyond what small slices pay.
        fixed_bps: Paid by any schedule: half the spread.
        orders: Training orders a schedule.
    """

    decisions: int
    volatility_bps: float
    concession_bps: float
    fixed_bps: float
    orders: int

    def kappa_t(self, risk_aversion: float = RISK_AVERSION) -> float:
        """Urgency, kappa times the horizon; 0 is TWAP.

        Args:
            risk_aversion: See `RISK_AVERSION`; not negative.
        """
        # a market in which size costs nothing would be left at once: its schedule ends where cosh still is a number
        concession = max(self.concession_bps, 1e-9)
        return self.decisions * math.acosh(1.0 + min(1e12, 0.5 * risk_aversion * self.volatility_bps**2 / concession))

    def policy(self, risk_aversion: float = RISK_AVERSION) -> Schedule:
        """The schedule, taken slice by slice."""
        return Schedule("almgren_chriss_calibrated", almgren_chriss(self.kappa_t(risk_aversion)))


def measure_impact(make_env: MakeEnv, episodes: Sequence[Episode]) -> MeasuredImpact:
    """Leave the market alone, then trade in it by evenly spaced slices, few and many.

    Args:
        make_env: Called once, with 0; a market of before the orders that are judged.
        episodes: Training orders.

    Raises:
        InsufficientDataError: There are fewer than 2 orders, or an order has a single decision.
    """
    if len(episodes) < 2:
        raise InsufficientDataError("measured impact", received=f"{len(episodes)} orders", expected="at least 2")
    env = make_env(0)
    runs = [no_order_run(env, episode.seed, episode.side) for episode in episodes]
    decisions = len(runs[0].now_ns)
    if decisions < 2:
        raise InsufficientDataError("measured impact", received="orders of one decision", expected="at least 2")
    moves = np.concatenate([np.diff(run.mid) / run.arrival_mid for run in runs]) * 1e4
    counts = [count for count in SLICES if count <= decisions]
    spreads = np.array(
        [
            np.mean([float(play(env, _slices(count), episode)[0]["spread_bps"]) for episode in episodes])
            for count in counts
        ]
    )
    concession, fixed = np.polyfit(1.0 / np.array(counts, dtype=np.float64), spreads, 1)
    return MeasuredImpact(
        decisions, float(np.sqrt(np.mean(moves**2))), max(0.0, float(concession)), float(fixed), len(episodes)
    )


def _slices(count: int) -> Schedule:
    def profile(decisions: int, info: Info) -> np.ndarray:
        shares = np.zeros(decisions)
        shares[np.arange(count) * decisions // count] = 1.0 / count
        return shares

    return Schedule(f"slices_{count}", profile)
