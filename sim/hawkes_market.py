"""A synthetic market of market orders: Hawkes times, signs with long memory, prices that cannot be foretold from them.

Three pieces, one for each stylised fact. When orders come is a Hawkes process, so activity, and with it volatility,
clusters. Whether they buy is order splitting (sim/sign_memory.py), so signs stay correlated over thousands of orders.
The mid moves with the surprise of each sign, not with the sign:

    change of log mid = impact * (sign - best linear forecast of it from the signs before) + own news,

because full impact of every sign would make returns as foreseeable as the signs are. Lillo and Farmer, "The long memory
of the efficient market", Studies in Nonlinear Dynamics and Econometrics 8, 2004; the surprise is the moving-average
form of the transient-impact model of Bouchaud, Gefen, Potters and Wyart, Quantitative Finance 4, 2004.

Here: `simulate_market_orders`. Not here: a book (sim/book.py), limit orders and cancellations other than as events of
the point process (sim/hawkes_tape.py names them).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feeds.errors import InsufficientDataError
from sim.hawkes import simulate_hawkes
from sim.hawkes_params import HawkesParams
from sim.sign_memory import SignMemory, simulate_signs

#: Numbers of this process's own generators beside the seed.
_NEWS_STREAM, _NS = 103, 1_000_000_000


@dataclass(frozen=True, eq=False)
class OrderMarket:
    """Parameters.

    Attributes:
        arrivals: When events come, of any kinds.
        memory: Signs of the market orders.
        market_kinds: Names of the kinds of ``arrivals`` that are market orders. Their sides are not used: the signs
            come from ``memory``.
        impact_bps: Move of the mid on a wholly unforeseen market order: information in the order flow.
        news_bps: Standard deviation of what moves the mid at a market order without being in the order flow.
        forecast_lags: Signs the forecast looks back on.
    """

    arrivals: HawkesParams
    memory: SignMemory
    market_kinds: tuple[str, ...] = ("market_buy", "market_sell")
    impact_bps: float = 0.2
    news_bps: float = 0.1
    forecast_lags: int = 256

    def __post_init__(self) -> None:
        fine = set(self.market_kinds) <= set(self.arrivals.kinds) and bool(self.market_kinds)
        if not (fine and self.impact_bps >= 0 and self.news_bps >= 0 and self.forecast_lags >= 1):
            raise InsufficientDataError(
                "market of market orders",
                received=f"{self.market_kinds}, impact {self.impact_bps} bps, news {self.news_bps} bps, "
                f"{self.forecast_lags} lags",
                expected=f"kinds among {self.arrivals.kinds}, moves that are not negative, at least one lag",
            )


@dataclass(frozen=True, eq=False)
class MarketOrderPath:
    """A simulated path of n market orders.

    Attributes:
        times_ns: (n,) int64 since the beginning.
        signs: (n,) int8, +1 buyer took, -1 seller took.
        log_mid: (n,) float64, log mid after each order; 0 before the first.
        event_times_ns: (m,) int64, all events of the point process.
        event_marks: (m,) their kinds.
    """

    times_ns: np.ndarray
    signs: np.ndarray
    log_mid: np.ndarray
    event_times_ns: np.ndarray
    event_marks: np.ndarray

    def log_returns(self, step_s: float, end_s: float) -> np.ndarray:
        """Log mid changes over steps of ``step_s`` from 0 to ``end_s``."""
        grid = np.arange(0, int(end_s * _NS) + 1, int(step_s * _NS))
        return np.diff(np.concatenate([[0.0], self.log_mid])[np.searchsorted(self.times_ns, grid, "right")])


def simulate_market_orders(market: OrderMarket, end_s: float, seed: int) -> MarketOrderPath:
    """One path of ``end_s`` seconds; the same seed gives the same path.

    Raises:
        InsufficientDataError: The arrivals are not stationary.
    """
    events = simulate_hawkes(market.arrivals, end_s, seed)
    kinds = [market.arrivals.kinds.index(name) for name in market.market_kinds]
    times = (events.times_s * _NS).astype(np.int64)
    order_times = times[np.isin(events.marks, kinds)]
    signs = simulate_signs(market.memory, order_times.size, seed)
    surprise = signs_less_forecast(signs, market.memory, market.forecast_lags)
    news = np.random.default_rng([seed, _NEWS_STREAM]).standard_normal(order_times.size)
    moves = 1e-4 * (market.impact_bps * surprise + market.news_bps * news)
    return MarketOrderPath(order_times, signs, np.cumsum(moves), times, events.marks)


def signs_less_forecast(signs: np.ndarray, memory: SignMemory, lags: int) -> np.ndarray:
    """(n,) signs less their best linear forecast from the ``lags`` signs before, those before the first taken as 0."""
    from scipy.signal import lfilter

    return np.asarray(lfilter(np.concatenate([[1.0], -forecast_weights(memory, lags)]), [1.0], signs.astype(float)))


def forecast_weights(memory: SignMemory, lags: int) -> np.ndarray:
    """(lags,) weights of the signs 1, 2, ... orders ago: the Yule-Walker equations of the exact autocorrelation."""
    from scipy.linalg import solve_toeplitz

    correlation = np.concatenate([[1.0], memory.autocorrelation(np.arange(1, lags + 1))])
    return np.asarray(solve_toeplitz(correlation[:-1], correlation[1:]))
