"""The parameters of the simulated order flow, and nothing but them.

The flow is the zero-intelligence limit order book of Cont, Stoikov and Talreja, "A stochastic model for order book
dynamics", Operations Research 58 (2010): limit orders arrive at a rate by distance from the opposite best, every
resting order is cancelled at a rate by its distance, market orders arrive at a constant rate. Five things are added,
each of which that model is known to lack:

- order splitting: a share of the market orders are the children of hidden orders of Pareto length, so that signs have
  a long memory (Lillo, Mike and Farmer, "Theory for long memory in supply and demand", Physical Review E 71, 2005);
- a taker's side depends on the queues at the touch;
- an efficient price that walks at random; sides of arrivals and cancellations lean towards it, so that the mid follows
  it and its variance over a minute is that of a real tape;
- common activity, a log-AR(1) by the second, that speeds up everything: volume and volatility cluster together;
- permanent impact: the efficient price moves by the *unexpected* signed lots that trade, linearly, so that no round
  trip of trades earns from it (Huberman and Stanzl, "Price manipulation and quasi-arbitrage", Econometrica 72, 2004).

Components of impact: depth that an order consumes and that comes back is mechanical, through the book; what stays is
`impact_per_lot` alone. Nothing counts twice.

Here: the dataclass. Not here: estimating it (sim/flow_fit.py), running it (sim/flow.py).
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from feeds.errors import InsufficientDataError


@dataclass(frozen=True)
class FlowParams:
    """One instrument's order flow; K distances, distance i (from 1) at place i - 1.

    Attributes:
        increment_ticks: Step between quotes of the simulated market, ticks.
        limit_rate: (K,) limit orders per second and side at i increments from the opposite best.
        cancel_rate: (K,) cancellations per resting order and second at that distance; the last holds beyond K, too.
        market_rate: Market orders per second, both sides together.
        limit_lots: (Q,) equally likely sizes of limit orders.
        market_lots: (Q,) equally likely sizes of market orders.
        profile_orders: (K,) mean number of orders at that distance: the opening book.
        spread_ticks: Mean spread; also the unit in which the distance of the mid from the efficient price counts.
        split_share: Probability that a market order is the child of a hidden order.
        split_exponent: Tail exponent of the number of children (> 1); signs then decay with exponent minus 1.
        imbalance_slope: Log odds that a taker buys per unit of (bid - ask) / (bid + ask) lots at the touch.
        lean: Log odds that an arrival is a buy (a cancellation a sell) per spread of efficient price above the mid.
        sigma: Standard deviation of the efficient log price per square-root second at activity 1.
        activity_sd: Standard deviation of log activity.
        activity_persistence: Its autocorrelation from one second to the next, in [0, 1).
        impact_per_lot: Change of the efficient log price per unexpected signed lot traded.
        source: Field -> how it was estimated, in words.
    """

    increment_ticks: int
    limit_rate: tuple[float, ...]
    cancel_rate: tuple[float, ...]
    market_rate: float
    limit_lots: tuple[int, ...]
    market_lots: tuple[int, ...]
    profile_orders: tuple[float, ...]
    spread_ticks: float
    split_share: float
    split_exponent: float
    imbalance_slope: float
    lean: float
    sigma: float
    activity_sd: float
    activity_persistence: float
    impact_per_lot: float
    source: dict[str, str] = field(default_factory=dict, hash=False, compare=False)

    def __post_init__(self) -> None:
        for name, fine, expected in self._conditions():
            if not fine:
                raise InsufficientDataError(
                    f"flow parameter {name}",
                    received=f"{getattr(self, name)}",
                    expected=expected,
                    remedy="Fit on a longer tape or set the value by hand.",
                )

    def _conditions(self) -> list[tuple[str, bool, str]]:
        k = len(self.limit_rate)
        return [
            ("increment_ticks", self.increment_ticks >= 1, "at least 1"),
            ("limit_rate", k >= 1 and min(self.limit_rate) >= 0 < sum(self.limit_rate), "rates, not all 0"),
            ("cancel_rate", len(self.cancel_rate) == k and min(self.cancel_rate) > 0, f"{k} positive rates"),
            ("profile_orders", len(self.profile_orders) == k and min(self.profile_orders) >= 0, f"{k} counts"),
            ("market_rate", self.market_rate > 0, "a positive rate"),
            ("limit_lots", bool(self.limit_lots) and min(self.limit_lots) >= 1, "sizes of at least 1 lot"),
            ("market_lots", bool(self.market_lots) and min(self.market_lots) >= 1, "sizes of at least 1 lot"),
            ("spread_ticks", self.spread_ticks > 0, "a positive number"),
            ("split_share", 0 <= self.split_share <= 1, "a share in [0, 1]"),
            ("split_exponent", self.split_exponent > 1, "more than 1: shorter tails have no mean"),
            ("sigma", self.sigma >= 0, "not negative"),
            ("activity_sd", self.activity_sd >= 0, "not negative"),
            ("activity_persistence", 0 <= self.activity_persistence < 1, "a number in [0, 1)"),
        ]

    @property
    def levels(self) -> int:
        """K, the distances with a rate of their own."""
        return len(self.limit_rate)

    @property
    def mean_market_lots(self) -> float:
        """Mean size of a market order."""
        return sum(self.market_lots) / len(self.market_lots)

    @property
    def tuned(self) -> tuple[str, ...]:
        """Parameters that sim/flow_fit.py moves until simulated moments match: no count gives them."""
        return ("limit_rate inside the spread", "cancel_rate", "imbalance_slope", "lean", "sigma", "impact_per_lot")

    @property
    def counted(self) -> int:
        """Numbers estimated directly: rates and profile by distance, sizes, spread, signs, activity."""
        return 3 * self.levels + len(self.limit_lots) + len(self.market_lots) + 7

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, for JSON."""
        values = dataclasses.asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> FlowParams:
        """The inverse of `to_dict`."""
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**plain)

    def to_json(self) -> str:
        """One JSON object."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> FlowParams:
        """The inverse of `to_json`."""
        return cls.from_dict(json.loads(text))

    @classmethod
    def example(cls) -> FlowParams:
        """A stock at 100 dollars in ticks of 1e-4, quotes on the cent: spread about a cent and a half."""
        return cls(
            increment_ticks=100,
            limit_rate=(0.45, 0.42, 0.36, 0.28, 0.2, 0.14, 0.1, 0.07, 0.05, 0.04),
            cancel_rate=(0.18, 0.15, 0.11, 0.08, 0.06, 0.05, 0.04, 0.03, 0.03, 0.03),
            market_rate=0.4,
            limit_lots=(10, 25, 50, 75, 100, 100, 100, 100, 150, 200, 300),
            market_lots=(5, 20, 50, 75, 100, 100, 100, 100, 150, 200, 400),
            profile_orders=(0.8, 2.0, 2.8, 3.0, 2.9, 2.5, 2.2, 2.0, 1.6, 1.3),
            spread_ticks=200.0,
            split_share=0.45,
            split_exponent=1.5,
            imbalance_slope=1.0,
            lean=1.5,
            sigma=1.1e-4,
            activity_sd=0.5,
            activity_persistence=0.98,
            impact_per_lot=1.5e-7,
            source={"all": "chosen by hand"},
        )
