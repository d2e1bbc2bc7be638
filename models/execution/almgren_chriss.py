"""The schedule of Almgren & Chriss (2000), "Optimal execution of portfolio transactions": discrete closed form.

Here: holdings, mean and variance of the cost, the schedule as fractions for an order of few decisions, the urgency from
volatility and impact. Not here: the policy that trades the fractions (baselines.py), measuring volatility and impact
(calibrated_schedule.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feeds.errors import StudyError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ImpactModel:
    """A sale of ``shares`` in ``periods`` equal periods under linear impact, in the units of the paper.

    Attributes:
        shares: Size of the parent order.
        horizon: Time it has, in any unit of time; the others use the same.
        periods: Trades.
        volatility: Of the price, currency a share a square root of time.
        half_spread: Fixed cost, currency a share.
        permanent: Price move that stays, currency a share per share traded.
        temporary: Price move that is gone after the trade, currency a share per (share per time).

    Raises:
        StudyError: A size is not positive, or ``adjusted_temporary`` is not.
    """

    shares: float
    horizon: float
    periods: int
    volatility: float
    half_spread: float
    permanent: float
    temporary: float

    def __post_init__(self) -> None:
        if self.shares <= 0 or self.horizon <= 0 or self.periods < 1 or self.adjusted_temporary <= 0:
            raise StudyError(
                "Almgren-Chriss model",
                received=f"{self}",
                expected="positive sizes, temporary impact above permanent * period / 2",
            )

    @property
    def period(self) -> float:
        """Time between two trades."""
        return self.horizon / self.periods

    @property
    def adjusted_temporary(self) -> float:
        """Temporary impact less what the permanent impact of a trade already charges the trade itself."""
        return self.temporary - 0.5 * self.permanent * self.period

    def kappa(self, risk_aversion: float) -> float:
        """Urgency, per time: the holdings halve about every 0.7 / kappa.

        Args:
            risk_aversion: lambda of mean + lambda * variance, per currency; not negative.
        """
        squared = risk_aversion * self.volatility**2 / self.adjusted_temporary
        return math.acosh(0.5 * squared * self.period**2 + 1.0) / self.period

    def holdings(self, risk_aversion: float) -> Floats:
        """Shares left at the start and after every trade, shape (periods + 1,): the optimum for ``risk_aversion``."""
        sold = np.cumsum(almgren_chriss_fractions(self.periods, self.kappa(risk_aversion) * self.horizon))
        return self.shares * np.concatenate([[1.0], 1.0 - sold[:-1], [0.0]])

    def mean_cost(self, holdings: Floats) -> float:
        """Expected shortfall of any schedule of ``holdings``, currency."""
        trades = -np.diff(holdings)
        fixed = self.half_spread * np.abs(trades).sum() + 0.5 * self.permanent * self.shares**2
        return float(fixed + self.adjusted_temporary / self.period * np.square(trades).sum())

    def cost_variance(self, holdings: Floats) -> float:
        """Variance of the shortfall of any schedule of ``holdings``, currency squared."""
        return float(self.volatility**2 * self.period * np.square(holdings[1:]).sum())


def almgren_chriss_fractions(decisions: int, kappa_t: float) -> Floats:
    """Share of the parent order traded at each decision, shape (decisions,), positive, adding up to 1.

    Args:
        decisions: Trades, at least 1.
        kappa_t: Urgency kappa times the horizon, dimensionless; 0 is TWAP.

    Raises:
        StudyError: There is no decision, or the urgency is negative or not finite.
    """
    if decisions < 1 or not 0.0 <= kappa_t < math.inf:
        raise StudyError(
            "Almgren-Chriss schedule", received=f"{decisions} decisions, kappa T {kappa_t}", expected="at least 1 and 0"
        )
    elapsed = np.linspace(0.0, 1.0, decisions + 1)
    if kappa_t < 1e-6:
        return -np.diff(1.0 - elapsed)
    # sinh(kappa (T - t)) / sinh(kappa T) without its overflow
    left = np.exp(-kappa_t * elapsed) * np.expm1(-2.0 * kappa_t * (1.0 - elapsed)) / np.expm1(-2.0 * kappa_t)
    return -np.diff(left)


def kappa_from(volatility: float, risk_aversion: float, eta: float, horizon_s: float) -> float:
    """Urgency of a schedule, kappa times the horizon, dimensionless: sqrt(lambda sigma^2 / eta) * T.

    Args:
        volatility: Of the price, ticks a square root of a second.
        risk_aversion: lambda of mean + lambda * variance of the cost, per (tick times lot); not negative.
        eta: Temporary impact, ticks per (lot per second); positive.
        horizon_s: Time the order has, seconds; positive.

    Raises:
        StudyError: An argument is outside its range.
    """
    if volatility < 0 or risk_aversion < 0 or eta <= 0 or horizon_s <= 0:
        raise StudyError(
            "urgency of Almgren-Chriss",
            received=f"volatility {volatility}, risk aversion {risk_aversion}, eta {eta}, horizon {horizon_s}",
            expected="none negative, eta and horizon positive",
        )
    return math.sqrt(risk_aversion * volatility**2 / eta) * horizon_s
