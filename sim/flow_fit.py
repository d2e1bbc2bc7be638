"""Estimating the order flow of sim/flow_params.py from a tape.

In two steps. Rates, sizes and activity are counted directly. What no count gives is found by indirect inference
(Gouriéroux, Monfort and Renault, "Indirect inference", Journal of Applied Econometrics 8, 1993): simulate with fixed
seeds, measure the simulated tape as the real one was measured, move the parameters against the differences.

Here: both steps. Not here: measuring (sim/flow_measure.py, sim/flow_moments.py), judging the result (sim/realism.py).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import polars as pl

from feeds.errors import InsufficientDataError
from feeds.instruments import InstrumentSpec
from sim.flow import simulate_flow
from sim.flow_measure import NS, FlowCounts, TapeArrays, arrays_of, count_flow
from sim.flow_moments import MarketOrders, Moments, autocorrelation, market_orders, moments_of
from sim.flow_params import FlowParams

#: A median spread is this share of the K distances: the touch moves inside them, and depth behind it is seen.
_SPREAD_SHARE = 0.25
#: Fewer market orders than this say nothing about signs and sizes.
_LEAST_ORDERS = 30
#: Equally likely sizes kept of a distribution.
_SIZES = 200
#: Distances up to this share of all arrivals have cancellation rates of their own: a file of few levels stops
#: reporting orders behind them.
_WELL_SEEN = 0.9
#: Bounds of the search.
_MOST_SPLIT, _STEEPEST, _LEANS, _SCALES = 0.7, 6.0, (0.5, 6.0), (0.25, 1.6)
_ROUNDS, _SIM_SECONDS, _SEED, _START_NS = 8, 14_400, 20_130_607, 1_700_000_000 * NS
_MOST_EVENTS = 250_000

_SOURCE = {
    "increment_ticks": "quoting increment, coarsened until the median spread is a quarter of the distances",
    "limit_rate": "arrivals over time by distance, both sides pooled; at and inside the spread scaled to its mean",
    "cancel_rate": "cancellations over order-seconds by distance, both sides pooled; scaled to the depth at the touch",
    "market_rate": "executions of one stamp and side are one order; orders over time",
    "limit_lots": "equally likely quantiles",
    "market_lots": "equally likely quantiles",
    "profile_orders": "order-seconds over time in the simulated flow itself: its stationary book",
    "spread_ticks": "mean over time",
    "split_share": "least squares on the sign autocorrelation, lags 1 to 30",
    "split_exponent": "least squares on the sign autocorrelation, lags 1 to 30",
    "imbalance_slope": "indirect inference: slope of the taker's sign on the imbalance",
    "lean": "indirect inference: variance of the mid over 10 s to that over a minute",
    "sigma": "indirect inference: variance of the mid over a minute",
    "activity_sd": "overdispersion of arrivals per second at lags 1 to 5",
    "activity_persistence": "its decay to lags 40 to 60",
    "impact_per_lot": "indirect inference: signed mid change 30 s after market orders; at most half of the variance",
}


def fit_flow(tape: pl.DataFrame, spec: InstrumentSpec, *, levels: int = 10, until_ns: int | None = None) -> FlowParams:
    """Fit the order flow to a tape.

    Args:
        tape: RAW_TICKS rows in source order with book columns.
        spec: Units of the instrument.
        levels: Distances K.
        until_ns: Only rows known before this moment (running maximum of ts_recv) are used.

    Raises:
        InsufficientDataError: The tape has too few orders, market orders, or no price change.
    """
    if levels < 2:
        raise InsufficientDataError("order-flow fit", received=f"{levels} distances", expected="at least 2")
    arrays = arrays_of(tape, until_ns)
    increment = increment_of(arrays, spec.quote_increment_ticks, levels)
    counts = count_flow(arrays, levels, increment, spec.quote_increment_ticks)
    orders = market_orders(arrays)
    target = moments_of(arrays, orders)
    if orders.signs.size < _LEAST_ORDERS or counts.limits.sum() < _LEAST_ORDERS or target.variance_60s == 0.0:
        raise InsufficientDataError(
            f"order-flow fit of {spec.id}",
            received=f"{orders.signs.size} market orders, {int(counts.limits.sum())} limit orders near the touch, "
            f"variance over a minute {target.variance_60s}",
            expected=f"at least {_LEAST_ORDERS} of each and a mid that moves",
            remedy="Fit on a longer tape.",
        )
    params = _counted(arrays, counts, orders, target, increment)
    return _matched(params, target, float(np.median(arrays.mid)))


def increment_of(tape: TapeArrays, quote: int, levels: int) -> int:
    """The step of the simulated quotes in ticks, a multiple of ``quote``.

    The median spread becomes `_SPREAD_SHARE` of the distances, but never less than one step; where it is narrower
    already, the venue's own increment stays. A stock whose spread is thirteen cents wide is quoted in steps of five, or
    ten distances would all lie inside the spread.
    """
    spread = float(np.median((tape.ask_px - tape.bid_px)[tape.live > 0]))
    return quote * max(1, round(spread / quote / (_SPREAD_SHARE * levels)))


def _counted(tape: TapeArrays, counts: FlowCounts, orders: MarketOrders, target: Moments, increment: int) -> FlowParams:
    """Everything that can be counted, and where the search for the rest begins."""
    seconds = tape.seconds
    sd, persistence = activity_of(np.concatenate([counts.arrival_ns, orders.ts_ns]))
    market_lots = sizes_of(orders.lots)
    share, exponent = splitting_of(orders.signs)
    return FlowParams(
        increment_ticks=increment,
        limit_rate=tuple((counts.limits / seconds / 2).tolist()),
        cancel_rate=tuple(cancel_rates(counts).tolist()),
        market_rate=target.trade_rate,
        limit_lots=sizes_of(counts.limit_lots),
        market_lots=market_lots,
        profile_orders=tuple((counts.exposure / seconds / 2).tolist()),
        spread_ticks=target.spread_ticks,
        split_share=share,
        split_exponent=exponent,
        imbalance_slope=float(np.clip(2.0 * target.imbalance / (1.0 - share), -_STEEPEST, _STEEPEST)),
        lean=2.0,
        sigma=float(np.sqrt(target.variance_60s / 60.0)),
        activity_sd=sd,
        activity_persistence=persistence,
        impact_per_lot=max(0.0, 0.5 * target.settled / float(np.mean(market_lots))),
        source=dict(_SOURCE),
    )


def cancel_rates(counts: FlowCounts) -> np.ndarray:
    """(K,) cancellations per order-second; distances behind `_WELL_SEEN` of the arrivals take the last one before."""
    share = np.cumsum(counts.limits) / counts.limits.sum()
    last = int(np.searchsorted(share, _WELL_SEEN))
    pooled = counts.cancels.sum() / max(counts.exposure.sum(), 1e-9)
    seen = (counts.cancels > 0) & (counts.exposure > 0)
    rates = np.where(seen, counts.cancels / np.maximum(counts.exposure, 1e-9), pooled)
    rates[last + 1 :] = rates[last]
    return np.maximum(rates, 1e-4)


def sizes_of(lots: np.ndarray) -> tuple[int, ...]:
    """Equally likely sizes: the middles of `_SIZES` slices of the distribution."""
    at = (np.arange(_SIZES) + 0.5) / _SIZES
    return tuple(int(x) for x in np.maximum(1, np.quantile(lots, at, method="nearest")))


def splitting_of(signs: np.ndarray) -> tuple[float, float]:
    """Share of split orders and tail exponent whose sign autocorrelation is nearest to the measured one, lags 1 to 30.

    Children of hidden orders of length L, sent one hidden order after the other, agree at lag k with probability
    sum over L > k of (L - k) p(L) / mean L beyond chance; a share q of children makes it q^2 at a lag of q k children.
    Nearest in squared error.
    """
    lags, length = np.arange(1, 31), np.arange(1, 1002)
    measured = autocorrelation(signs.astype(float), lags)
    shares, best, found = np.arange(0.0, _MOST_SPLIT + 0.01, 0.02), np.inf, (0.0, 1.5)
    for exponent in np.arange(1.1, 2.51, 0.05):
        tail = length**-exponent
        behind = np.concatenate([np.cumsum(tail[::-1])[::-1], [0.0]])
        for share in shares:
            curve = share**2 * np.interp(share * lags, np.arange(behind.size), behind) / behind[0]
            error = float(((curve - measured) ** 2).sum())
            if error < best:
                best, found = error, (float(share), float(exponent))
    return found


def activity_of(arrival_ns: np.ndarray) -> tuple[float, float]:
    """Standard deviation of log activity and its persistence from one second to the next.

    Of a log-normal multiplier with mean 1, the relative autocovariance of counts at lag k is exp(sd^2 phi^k) - 1.
    """
    first, last = int(arrival_ns.min()), int(arrival_ns.max())
    counts = np.bincount((arrival_ns - first) // NS, minlength=(last - first) // NS + 1).astype(float)
    if counts.size < 300:
        return 0.0, 0.0
    centred = counts / counts.mean() - 1.0

    def logarithm(lags: range) -> float:
        covariance = float(np.mean([float(np.mean(centred[k:] * centred[:-k])) for k in lags]))
        return math.log1p(max(covariance, 0.0))

    short, long = logarithm(range(1, 6)), logarithm(range(40, 61))
    if short < 1e-3:
        return 0.0, 0.0
    decay = float(np.clip(long / short, 1e-3, 0.999)) ** (1.0 / 47.0)
    variance = float(short / decay**3)
    return min(variance, 1.5) ** 0.5, float(min(decay, 0.9995))


def _matched(counted: FlowParams, target: Moments, mid: float) -> FlowParams:
    """Move the uncounted parameters until a simulated tape has the moments of the real one."""
    params = counted
    for step in range(_ROUNDS):
        moments, _ = simulated_moments(params, mid)
        params = _moved(params, counted, target, moments, 1.0 if step < _ROUNDS // 2 else 0.5)
    _, profile = simulated_moments(params, mid)
    return dataclasses.replace(params, profile_orders=tuple(profile.tolist()))


def simulated_moments(params: FlowParams, mid: float) -> tuple[Moments, np.ndarray]:
    """Moments of a simulated tape, and its mean orders by distance."""
    rate = 2.2 * (2.0 * sum(params.limit_rate) + params.market_rate)
    seconds = int(min(_SIM_SECONDS, max(1_800.0, _MOST_EVENTS / rate)))
    tape = arrays_of(simulate_flow(params, _START_NS, _START_NS + seconds * NS, _SEED, mid))
    counts = count_flow(tape, params.levels, params.increment_ticks, params.increment_ticks)
    return moments_of(tape, market_orders(tape)), counts.exposure / tape.seconds / 2


def _moved(params: FlowParams, counted: FlowParams, target: Moments, now: Moments, pace: float) -> FlowParams:
    """One step of the search; a ratio never moves a parameter by more than a factor of two."""

    def ratio(wanted: float, found: float, power: float = 1.0) -> float:
        if wanted <= 0.0 or found <= 0.0:
            return 0.7**pace if wanted <= 0.0 else 1.4**pace
        return float(np.clip((wanted / found) ** (power * pace), 0.5, 2.0))

    spread = ratio(now.spread_ticks, target.spread_ticks)
    inside = np.arange(1, params.levels + 1) <= max(1.0, target.spread_ticks / params.increment_ticks)
    scale = np.asarray(params.limit_rate) / np.maximum(np.asarray(counted.limit_rate), 1e-12)
    scale = np.where(inside, np.clip(scale * spread, *_SCALES), 1.0)
    cancels = ratio(now.touch_lots, target.touch_lots, 0.5)
    slope = params.imbalance_slope + pace * 2.0 * (target.imbalance - now.imbalance) / (1.0 - params.split_share)
    per_minute = 60.0 * params.market_rate * float(np.mean(np.square(params.market_lots, dtype=float)))
    largest = float(np.sqrt(0.5 * target.variance_60s / per_minute))
    return dataclasses.replace(
        params,
        limit_rate=tuple((scale * np.asarray(counted.limit_rate)).tolist()),
        cancel_rate=tuple((cancels * np.asarray(params.cancel_rate)).tolist()),
        imbalance_slope=float(np.clip(slope, -_STEEPEST, _STEEPEST)),
        lean=float(np.clip(params.lean * ratio(target.variance_ratio, now.variance_ratio), *_LEANS)),
        sigma=max(1e-7, params.sigma * ratio(target.variance_60s, now.variance_60s, 0.5)),
        impact_per_lot=min(largest, params.impact_per_lot * ratio(target.settled, now.settled, 0.5)),
    )
