"""Estimators of the zero-intelligence order book of Cont, Stoikov and Talreja.

"A stochastic model for order book dynamics", Operations Research 58, 2010, section 4.1: orders of one size S_l arrive
at distance i from the opposite best with rate lambda(i), are cancelled with rate theta(i) each, and market orders of
that size come with rate mu on each side. Estimated by

    lambda(i) = N_l(i) / T,    mu = N_m / T * S_m / S_l,    theta(i) = N_c(i) / (T Q_i),

with N counts in T seconds, S mean sizes and Q_i the mean number of orders at distance i. Cancellations are counted in
whole orders and Q_i in orders, so the paper's S_c / S_l is 1. Beyond the distances that are measured lambda(i) is
continued by the paper's power law k / i^alpha.

The rates by distance are those of sim/flow_measure.py, which counts orders whose arrival was seen and while they stay
within the distances, exposure likewise; unlike the flow fitted in sim/flow_fit.py this model has no sizes, memory or
news.

Here: the estimators, and the moments they imply. Not here: counting (sim/flow_measure.py), the queue-reactive model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from feeds.errors import InsufficientDataError
from feeds.instruments import InstrumentSpec
from sim.flow_measure import arrays_of, count_flow
from sim.flow_moments import market_orders

_LEAST = 30


@dataclass(frozen=True, eq=False)
class ZeroIntelligence:
    """Parameters; rates per second and on one side of the book, sizes in lots.

    Attributes:
        increment_ticks: Width of a distance.
        limit_rate: (K,) lambda(i), orders per second at distance i = 1..K from the opposite best.
        cancel_rate: (K,) theta(i), per order and second; 0 where no order was ever exposed.
        market_rate: mu, unit orders per second.
        limit_lots: S_l, mean size of limit orders: the unit.
        market_lots: S_m, mean size of market orders.
        power_scale: k of lambda(i) = k / i^alpha.
        power_exponent: alpha.
        depth: (K,) Q_i, mean orders at distance i.
    """

    increment_ticks: int
    limit_rate: np.ndarray
    cancel_rate: np.ndarray
    market_rate: float
    limit_lots: float
    market_lots: float
    power_scale: float
    power_exponent: float
    depth: np.ndarray

    def continued_rate(self, distances: np.ndarray) -> np.ndarray:
        """(m,) lambda at any distances of at least 1: as counted up to K, the power law beyond."""
        within = np.minimum(distances, self.limit_rate.size) - 1
        law = self.power_scale * np.asarray(distances, float) ** -self.power_exponent
        return np.where(distances <= self.limit_rate.size, self.limit_rate[within], law)


def fit_zero_intelligence(
    tape: pl.DataFrame, spec: InstrumentSpec, *, levels: int = 10, increment_ticks: int | None = None
) -> ZeroIntelligence:
    """Estimate the model from a tape.

    Args:
        tape: RAW_TICKS rows in source order with book columns.
        spec: Units of the instrument.
        levels: K.
        increment_ticks: Width of a distance, a multiple of the quoting increment, which is the default.

    Raises:
        InsufficientDataError: Fewer than 30 limit or market orders, or the book columns are missing.
    """
    increment = increment_ticks or spec.quote_increment_ticks
    if levels < 2 or increment % spec.quote_increment_ticks:
        raise InsufficientDataError(
            "zero-intelligence fit",
            received=f"{levels} distances of {increment} ticks",
            expected=f"at least 2, of a multiple of {spec.quote_increment_ticks} ticks",
        )
    arrays = arrays_of(tape)
    counts = count_flow(arrays, levels, increment, spec.quote_increment_ticks)
    lots = market_orders(arrays).lots
    if counts.limits.sum() < _LEAST or lots.size < _LEAST:
        raise InsufficientDataError(
            f"zero-intelligence fit of {spec.id}",
            received=f"{int(counts.limits.sum())} limit orders within {levels} distances, {lots.size} market orders",
            expected=f"at least {_LEAST} of each",
            remedy="Use a longer tape or a wider increment.",
        )
    sides = 2.0 * arrays.seconds
    limit_rate = counts.limits / sides
    unit, taken = float(counts.limit_lots.mean()), float(lots.mean())
    scale, exponent = power_law_through(limit_rate)
    exposed = counts.exposure > 0
    return ZeroIntelligence(
        increment_ticks=increment,
        limit_rate=limit_rate,
        cancel_rate=np.where(exposed, counts.cancels / np.where(exposed, counts.exposure, 1.0), 0.0),
        market_rate=lots.size / sides * taken / unit,
        limit_lots=unit,
        market_lots=taken,
        power_scale=scale,
        power_exponent=exponent,
        depth=counts.exposure / sides,
    )


def power_law_through(rates: np.ndarray) -> tuple[float, float]:
    """Least-squares k and alpha of k / i^alpha through (K,) rates at i = 1..K, as the paper determines them.

    For any alpha the best k is known, so only alpha in [0, 5] is searched.
    """
    from scipy.optimize import minimize_scalar

    distance = np.arange(1, rates.size + 1, dtype=float)

    def scale(alpha: float) -> float:
        shape = distance**-alpha
        return float((rates * shape).sum() / (shape**2).sum())

    def error(alpha: float) -> float:
        return float(((rates - scale(alpha) * distance**-alpha) ** 2).sum())

    found = float(minimize_scalar(error, bounds=(0.0, 5.0), method="bounded", options={"xatol": 1e-6}).x)
    return scale(found), found
