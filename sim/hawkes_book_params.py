"""Parameters of a book driven by a queue-reactive Hawkes process.

Events of the sixteen kinds of sim/book_events.py arrive with intensities

    lambda_i(t) = f_i(book) * (mu_i + sum over earlier events l of sum_j n[i, k_l, j] b_j exp(-b_j (t - t_l))),

so what happens depends on what just happened and on the book it happens to. Wu, Rambaldi, Muzy and Bacry, "Queue-
reactive Hawkes models for the order flow", arXiv 1901.08938, 2019. f_i is the product of three tables: by spread, by
imbalance of the touch seen from the actor's side, and by orders at his own touch (of takers: by lots at the quote they
take). Orders have sizes and places drawn from those of the tape; cancellations behind the touch go with the number of
orders there.

What likelihood does not give, moments of simulated tapes held against the tape's do. Signs get a memory beyond what
excitation gives them: a market order repeats the side of the one before more often the sooner it follows, and a share
of the others are children of hidden orders (sim/flow_params.py); both choose the side but not the moment. And the mid
is held to an efficient price, which moves with every event, and so the more the busier the market is, and with the
surprise in market orders: left to itself excitation makes prices that trend.

Components of impact: a take consumes depth, and limit orders and cancellations answer it as they answer any other;
takers do not, because what follows a market order on the tape is mostly the rest of the same hidden order. What stays
is `impact_per_lot` alone. Nothing counts twice.

Here: the dataclass. Not here: estimation (sim/hawkes_book_fit.py), simulation (sim/hawkes_book.py).
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from feeds.errors import InsufficientDataError
from sim.book_events import IMPROVE, KINDS, SWEEP, VERBS
from sim.hawkes_params import HawkesParams

#: Buckets of the imbalance: equal parts of [-1, 1].
IMBALANCES = 5
#: Upper edges of the numbers of orders at the touch, inclusive; more is the last bucket.
ORDER_EDGES = (1, 2, 3, 5, 8)
#: Upper edges of the time between market orders, seconds.
GAP_EDGES_S = (1e-3, 1e-2, 0.1, 1.0, 10.0)
#: Tables of factors: by spread, by imbalance, by orders or lots.
BY_SPREAD, BY_IMBALANCE, BY_QUEUE = 0, 1, 2
#: Buckets a table may have.
MOST_BUCKETS = 8
#: What moments of simulated tapes decide, where it is not left out.
TUNED = ("rate", "repeat", "split_share", "sigma", "impact_per_lot", "behind_orders")
_ARRAYS = (
    "rates", "repeat", "spread_edges", "lots_edges", "factors", "limit_lots",
    "take_lots", "sweep_lots", "improve_by", "behind_by",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class HawkesBookParams:
    """One instrument's flow.

    Attributes:
        increment_ticks: Quoting increment, ticks.
        window: Increments from the opposite best within which orders arrive and are cancelled.
        arrivals: mu, n and b of the sixteen kinds. The spectral radius of n alone says nothing: f holds it back.
        rates: (16,) events per second on the tape.
        spread_edges: (S - 1,) upper edges of the buckets of the spread, increments, inclusive.
        lots_edges: (L - 1,) upper edges of the buckets of the touch, lots, inclusive.
        factors: (3, 8, 8) table, verb, bucket: f; the mean over the tape's compensator is 1.
        limit_lots: (3, Q) equally likely sizes of limit orders better than the touch, at it, behind it.
        take_lots: (L, Q) of market orders that leave some of the best quote, by its lots.
        sweep_lots: (Q,) what a market order takes beyond the best quote.
        improve_by: (S, Q) increments by which a limit order is better than the touch, by spread.
        behind_by: (Q,) increments by which it is behind.
        behind_orders: Mean orders a side behind the touch within ``reach``.
        reach: Increments behind the touch where nearly all of those limit orders arrive.
        spread_ticks: Mean spread: of the opening book.
        repeat: (6,) probability that a market order has the side of the one before, by time since, see `GAP_EDGES_S`.
        split_share: Probability that any other one is the child of a hidden order.
        split_exponent: Tail exponent of the number of children, see sim/flow_params.py.
        lean: Log odds that what moves the mid moves it up per spread of efficient price above it.
        sigma: Standard deviation of the efficient log price at an event.
        impact_per_lot: Change of the efficient log price per unexpected signed lot traded.
        resolution_ns: Step of the venue's clock: stamps are multiples of it.
        touch_only: The source tells no more than the best quotes: orders elsewhere are not written down.
        source: Field -> how it was estimated, in words.
    """

    increment_ticks: int
    window: int
    arrivals: HawkesParams
    rates: np.ndarray
    spread_edges: np.ndarray
    lots_edges: np.ndarray
    factors: np.ndarray
    limit_lots: np.ndarray
    take_lots: np.ndarray
    sweep_lots: np.ndarray
    improve_by: np.ndarray
    behind_by: np.ndarray
    behind_orders: float
    reach: int
    spread_ticks: float
    repeat: np.ndarray = field(default_factory=lambda: np.zeros(len(GAP_EDGES_S) + 1))
    split_share: float = 0.0
    split_exponent: float = 1.5
    lean: float = 0.0
    sigma: float = 0.0
    impact_per_lot: float = 0.0
    resolution_ns: int = 1
    touch_only: bool = False
    source: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in _ARRAYS:
            whole = name not in ("factors", "rates", "repeat")
            value = np.array(getattr(self, name), np.int64 if whole else np.float64)
            value.setflags(write=False)
            object.__setattr__(self, name, value)
        for name, fine, expected in self._conditions():
            if not fine:
                value = getattr(self, name)
                raise InsufficientDataError(
                    f"parameter {name} of a Hawkes book",
                    received=f"{value.kinds if isinstance(value, HawkesParams) else np.asarray(value).tolist()}",
                    expected=expected,
                    remedy="Fit on a longer tape or set the value by hand.",
                )

    def _conditions(self) -> list[tuple[str, bool, str]]:
        spreads, lots = self.spread_edges.size + 1, self.lots_edges.size + 1
        return [
            ("increment_ticks", self.increment_ticks >= 1, "at least 1"),
            ("window", self.window >= 2, "at least 2 increments"),
            ("arrivals", self.arrivals.kinds == KINDS, "the kinds of sim/book_events.py"),
            ("spread_edges", spreads <= MOST_BUCKETS, f"at most {MOST_BUCKETS} buckets"),
            ("lots_edges", lots <= MOST_BUCKETS, f"at most {MOST_BUCKETS} buckets"),
            (
                "factors",
                self.factors.shape == (3, len(VERBS), MOST_BUCKETS) and bool((self.factors >= 0).all()),
                f"(3, {len(VERBS)}, {MOST_BUCKETS}) numbers that are not negative",
            ),
            ("limit_lots", self.limit_lots.ndim == 2 and self.limit_lots.min() >= 1, "(3, Q) sizes"),
            ("take_lots", self.take_lots.shape[0] == lots and self.take_lots.min() >= 1, f"({lots}, Q) sizes"),
            ("sweep_lots", self.sweep_lots.min() >= 0, "sizes that are not negative"),
            ("improve_by", self.improve_by.shape[0] == spreads and self.improve_by.min() >= 1, "whole increments"),
            ("behind_by", self.behind_by.min() >= 1, "whole increments"),
            ("reach", self.reach >= 1, "at least 1"),
            ("rates", self.rates.shape == (len(KINDS),) and self.rates.sum() > 0, f"({len(KINDS)},) rates"),
            ("behind_orders", self.behind_orders > 0, "a positive number"),
            ("sigma", self.sigma >= 0, "not negative"),
            ("resolution_ns", self.resolution_ns >= 1, "at least 1"),
            ("repeat", bool(((self.repeat >= 0) & (self.repeat <= 1)).all()), "shares in [0, 1]"),
            ("split_share", 0 <= self.split_share <= 1, "a share in [0, 1]"),
            ("split_exponent", self.split_exponent > 1, "more than 1: shorter tails have no mean"),
        ]

    @property
    def tuned(self) -> tuple[str, ...]:
        """Parameters that sim/hawkes_book_tune.py moves until simulated moments match."""
        return tuple(name for name in TUNED if name in self.source)

    @property
    def counted(self) -> int:
        """Numbers estimated directly; both sides share theirs."""
        free = (np.count_nonzero(self.arrivals.baseline) + np.count_nonzero(self.arrivals.branching)) // 2
        tables = sum(getattr(self, name).size for name in _ARRAYS)
        return int(free + tables + 4)

    def to_json(self) -> str:
        """One JSON object."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        plain = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in values.items()}
        return json.dumps(plain | {"arrivals": json.loads(self.arrivals.to_json())})

    @classmethod
    def from_json(cls, text: str) -> HawkesBookParams:
        """The inverse of `to_json`."""
        values: dict[str, Any] = json.loads(text)
        return cls(**values | {"arrivals": HawkesParams.from_json(json.dumps(values["arrivals"]))})

    @classmethod
    def example(cls) -> HawkesBookParams:
        """A stock at 100 dollars in ticks of 1e-4: everything answers itself a little, limit orders answer takers."""
        rates = np.repeat([0.1, 0.1, 0.5, 0.6, 1.5, 0.4, 0.3, 1.6], 2) / 2
        branching = np.zeros((len(KINDS), len(KINDS), 2))
        branching[np.arange(len(KINDS)), np.arange(len(KINDS)), 0] = 0.3
        for side in range(2):
            branching[2 * IMPROVE + side, 2 * SWEEP + side, 1] = 0.5
        baseline = np.maximum(rates - branching.sum(axis=2) @ rates, 0.01)
        return cls(
            increment_ticks=100,
            window=40,
            arrivals=HawkesParams(baseline, branching, np.array([0.5, 50.0]), KINDS),
            rates=rates,
            spread_edges=np.array([1, 2, 4]),
            lots_edges=np.array([100]),
            factors=np.ones((3, len(VERBS), MOST_BUCKETS)),
            limit_lots=np.full((3, 4), 100),
            take_lots=np.full((2, 4), 30),
            sweep_lots=np.array([0, 0, 0, 50]),
            improve_by=np.ones((4, 2)),
            behind_by=np.array([1, 1, 2, 3, 5, 8]),
            behind_orders=8.0,
            reach=8,
            spread_ticks=200.0,
            lean=0.5,
            sigma=2e-5,
            impact_per_lot=1e-7,
            source={"all": "chosen by hand"},
        )


def bucket_of(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Bucket of each value; upper edges are inclusive."""
    return np.searchsorted(edges, values, "left")


def imbalance_bucket(imbalance: np.ndarray) -> np.ndarray:
    """Bucket of values in [-1, 1]."""
    return np.minimum((0.5 * (imbalance + 1.0) * IMBALANCES).astype(np.int64), IMBALANCES - 1)
