"""Moments of a tape that a simulated one is held against.

Here: market orders of a tape, and moments of spread, depth, prices, signs. Not here: counts by distance
(sim/flow_measure.py), what is done with a difference (sim/flow_fit.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feeds.schema import ACTION_CODE, SIDE_CODE
from sim.flow_measure import NS, TapeArrays

#: Lags of the sign memory, orders.
SIGN_LAGS = np.arange(1, 11)
#: When a trade's impact counts as permanent.
SETTLED_NS = 30 * NS


@dataclass(frozen=True)
class MarketOrders:
    """Executions of one stamp and side are one market order.

    Attributes:
        before: (m,) row whose book it met: the last one of an earlier venue stamp.
        signs: (m,) +1 buyer took, -1 seller took.
        lots: (m,) lots.
        ts_ns: (m,) venue time.
    """

    before: np.ndarray
    signs: np.ndarray
    lots: np.ndarray
    ts_ns: np.ndarray


def market_orders(tape: TapeArrays) -> MarketOrders:
    """Market orders of a tape: from its fills, or from its prints where it reports no fills."""
    fills = tape.action == ACTION_CODE["F"]
    is_fill = bool(fills.any())
    wanted = (fills if is_fill else tape.action == ACTION_CODE["T"]) & (tape.live > 0)
    at = np.flatnonzero(wanted & (tape.side != SIDE_CODE["N"]))
    buys = tape.side[at] == (SIDE_CODE["A"] if is_fill else SIDE_CODE["B"])
    signs, ts_ns = np.where(buys, 1, -1), tape.ts_event[at]
    starts = np.ones(at.size, bool)
    starts[1:] = (ts_ns[1:] != ts_ns[:-1]) | (signs[1:] != signs[:-1])
    first = np.flatnonzero(starts)
    lots = np.add.reduceat(tape.size[at], first) if at.size else np.zeros(0, np.int64)
    before = np.searchsorted(tape.venue, ts_ns[first], "left") - 1
    kept = before >= 0
    return MarketOrders(before[kept], signs[first][kept], lots[kept], ts_ns[first][kept])


@dataclass(frozen=True)
class Moments:
    """What the fit matches.

    Attributes:
        spread_ticks: Mean over time.
        touch_lots: Mean over time, both sides.
        trade_rate: Market orders per second.
        variance_60s: Mean squared log mid change over a minute.
        variance_ratio: Variance over ten seconds, times six, to that over a minute.
        sign_memory: Mean autocorrelation of market-order signs at `SIGN_LAGS`.
        imbalance: Slope of the taker's sign on the imbalance at the touch.
        settled: Mean signed log mid change from before a market order to `SETTLED_NS` later.
    """

    spread_ticks: float
    touch_lots: float
    trade_rate: float
    variance_60s: float
    variance_ratio: float
    sign_memory: float
    imbalance: float
    settled: float


def moments_of(tape: TapeArrays, orders: MarketOrders) -> Moments:
    """All moments of a tape and its market orders."""
    spread = time_mean(tape, (tape.ask_px - tape.bid_px).astype(float))
    imbalance = (tape.bid_sz - tape.ask_sz) / np.maximum(1, tape.bid_sz + tape.ask_sz)
    minute, short = (mean_square(log_returns(tape, seconds)) for seconds in (60, 10))
    settled = mid_change(tape, orders.before, SETTLED_NS) * orders.signs
    return Moments(
        spread_ticks=spread,
        touch_lots=time_mean(tape, 0.5 * (tape.bid_sz + tape.ask_sz)),
        trade_rate=orders.signs.size / tape.seconds,
        variance_60s=minute,
        variance_ratio=6.0 * short / minute if minute > 0 else 0.0,
        sign_memory=sign_memory(orders.signs),
        imbalance=slope(imbalance[orders.before], orders.signs),
        settled=float(np.nanmean(settled)) if np.isfinite(settled).any() else 0.0,
    )


def time_mean(tape: TapeArrays, values: np.ndarray) -> float:
    """Mean of (n,) values over the time each of them stood, live rows only."""
    first = int(np.argmax(tape.live))
    return float(np.average(values[first:-1], weights=np.diff(tape.clock[first:]) + 1e-9))


def mids_on_grid(tape: TapeArrays, seconds: float) -> np.ndarray:
    """Mid every ``seconds``, from the first live row."""
    first = int(np.argmax(tape.live))
    grid = np.arange(tape.clock[first], tape.clock[-1] + 1, int(seconds * NS))
    return tape.mid[np.searchsorted(tape.clock, grid, "right") - 1]


def log_returns(tape: TapeArrays, seconds: float) -> np.ndarray:
    """Log mid changes over ``seconds``, one after the other."""
    return np.diff(np.log(mids_on_grid(tape, seconds)))


def mean_square(values: np.ndarray) -> float:
    """0 where there are no values."""
    return float(np.mean(values**2)) if values.size else 0.0


def mid_change(tape: TapeArrays, rows: np.ndarray, ahead_ns: int) -> np.ndarray:
    """Log mid change from after each of ``rows`` to ``ahead_ns`` later; nan where the tape ends before."""
    rows = np.maximum(rows, 0)
    until = tape.clock[rows] + ahead_ns
    later = np.searchsorted(tape.clock, until, "right") - 1
    change = np.log(tape.mid[later] / tape.mid[rows])
    return np.where(until <= tape.clock[-1], change, np.nan)


def autocorrelation(values: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """Autocorrelation at ``lags``; 0 where there are too few values or they do not vary."""
    centred = values - values.mean() if values.size else values
    power = float((centred**2).sum())
    if power == 0.0:
        return np.zeros(lags.size)
    return np.array([float((centred[k:] * centred[:-k]).sum()) / power if k < values.size else 0.0 for k in lags])


def sign_memory(signs: np.ndarray) -> float:
    """Mean autocorrelation of signs over `SIGN_LAGS`."""
    return float(autocorrelation(signs.astype(float), SIGN_LAGS).mean())


def slope(x: np.ndarray, y: np.ndarray) -> float:
    """Least-squares slope through the means; 0 where x does not vary."""
    fine = np.isfinite(x)
    x, y = x[fine], y[fine]
    if x.size < 3 or x.std() == 0.0:
        return 0.0
    return float(np.mean((x - x.mean()) * (y - y.mean())) / x.var())
