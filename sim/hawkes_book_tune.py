"""The few parameters of the Hawkes book that likelihood does not give, by indirect inference.

As in sim/flow_fit.py: simulate with fixed seeds, measure the simulated tape as the real one was measured, move the
parameters against the differences (Gouriéroux, Monfort and Renault, Journal of Applied Econometrics 8, 1993).

Here: `tuned`. Not here: likelihood and counts (sim/hawkes_book_fit.py).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from sim.book_events import BEHIND, PULL_BEHIND, VERBS, book_events
from sim.flow_measure import NS, TapeArrays, arrays_of
from sim.flow_moments import Moments, autocorrelation, log_returns, market_orders, moments_of
from sim.hawkes_book import simulate_hawkes_book
from sim.hawkes_book_params import GAP_EDGES_S, HawkesBookParams, bucket_of
from sim.hawkes_params import HawkesParams

_ROUNDS, _SEED, _START_NS = 12, 20_190_125, 1_700_000_000 * NS
_MOST_EVENTS, _LEAST_S, _MOST_S = 60_000, 1_800.0, 14_400.0
_BLOCKS, _BLOCK_S = 20, 300.0
_LEAN, _GAIN, _MOST_SPLIT, _MOST_REPEAT, _LEAST_PAIRS = 0.5, 2.0, 0.9, 0.98, 10

_SOURCE = {
    "rate": "baselines scaled, indirect inference: events near the touch per second",
    "repeat": "indirect inference: how often neighbouring signs agree, by the time between and at all",
    "split_share": "indirect inference: sign autocorrelation, lags 1 to 10",
    "sigma": "indirect inference: variance of the mid over a minute, median of blocks of time",
    "impact_per_lot": "indirect inference: signed mid change 30 s after market orders; at most half of the variance",
}
#: Where only the touch is told.
_DEPTH = {
    "behind_orders": "indirect inference: spread, variance over 10 s to over a minute; the source tells the touch alone"
}


@dataclass(frozen=True, eq=False)
class Target:
    """What simulated tapes are held against.

    Attributes:
        moments: Of prices, signs, spread; variance and spread are medians of blocks of time.
        agree: (6,) share of neighbouring market orders of one side, by the time between; nan where there are too few.
        neighbours: Autocorrelation of signs at lag 1.
        rate: Events near the touch per second.
        window: Quoting increment and window, ticks.
    """

    moments: Moments
    agree: np.ndarray
    neighbours: float
    rate: float
    window: tuple[int, int]


def target_of(tape: TapeArrays, quote: int, width: int) -> Target:
    """Measure a tape; ``width``: of a distance, ticks, of which ten are looked at."""
    orders = market_orders(tape)
    gaps = bucket_of(np.diff(orders.ts_ns) / NS, np.asarray(GAP_EDGES_S))
    same = (orders.signs[1:] == orders.signs[:-1]).astype(float)
    n, agreed = (np.bincount(gaps, weights, len(GAP_EDGES_S) + 1) for weights in (np.ones(gaps.size), same))
    agree = np.where(n >= _LEAST_PAIRS, agreed / np.maximum(n, 1.0), np.nan)
    events = book_events(tape, orders, quote, 10 * width).kinds.size
    spread, variance = _typical(tape)
    moments = dataclasses.replace(moments_of(tape, orders), spread_ticks=spread, variance_60s=variance)
    neighbours = float(autocorrelation(orders.signs.astype(float), np.array([1]))[0])
    return Target(moments, agree, neighbours, events / tape.seconds, (quote, width))


def _typical(tape: TapeArrays) -> tuple[float, float]:
    """Mean spread and variance over a minute of the median of up to twenty blocks of time: the open is not the day."""
    blocks = int(np.clip(tape.seconds / _BLOCK_S, 1, _BLOCKS))
    squares = np.array_split(log_returns(tape, 60) ** 2, blocks)
    first = int(np.argmax(tape.live))
    clock, spread = tape.clock[first:], (tape.ask_px - tape.bid_px)[first:-1]
    stood = np.diff(clock) + 1e-9
    block = np.minimum((clock[:-1] - clock[0]) * blocks // (clock[-1] - clock[0]), blocks - 1)
    means = np.bincount(block, spread * stood, blocks) / np.maximum(np.bincount(block, stood, blocks), 1e-9)
    return float(np.median(means)), float(np.median([x.mean() for x in squares if x.size] or [0.0]))


def tuned(params: HawkesBookParams, target: Target, mid: np.ndarray) -> HawkesBookParams:
    """Move the parameters until a simulated tape is like the real one, whose mids are ``mid``."""
    start, moments = float(np.median(mid)), target.moments
    seconds = float(np.clip(_MOST_EVENTS / target.rate, _LEAST_S, _MOST_S))
    params = dataclasses.replace(
        params,
        split_share=0.2,
        lean=_LEAN,
        sigma=0.5 * float(np.sqrt(moments.variance_60s / 60.0 / target.rate)),
        impact_per_lot=max(0.0, 0.2 * moments.settled / float(np.mean(params.take_lots))),
        source=params.source | _SOURCE | (_DEPTH if params.touch_only else {}),
    )
    for step in range(_ROUNDS):
        frame = simulate_hawkes_book(params, _START_NS, _START_NS + int(seconds) * NS, _SEED + step, start)
        now = target_of(arrays_of(frame), *target.window)
        params = _moved(params, target, now, 1.0 if step < _ROUNDS // 2 else 0.5)
    return params


def _moved(params: HawkesBookParams, target: Target, now: Target, pace: float) -> HawkesBookParams:
    """One step of the search; a ratio never moves a parameter by more than a factor of two."""

    def ratio(wanted: float, found: float, power: float = 1.0) -> float:
        if wanted <= 0.0 or found <= 0.0:
            return 0.7**pace if wanted <= 0.0 else 1.4**pace
        return float(np.clip((wanted / found) ** (power * pace), 0.5, 2.0))

    wanted, found = target.moments, now.moments
    split = params.split_share + pace * (wanted.sign_memory - found.sign_memory)
    apart = 0.5 * np.nan_to_num(target.agree - now.agree) + 0.5 * (target.neighbours - now.neighbours)
    per_minute = 60.0 * wanted.trade_rate * float(np.mean(np.square(params.take_lots, dtype=float)))
    largest = float(np.sqrt(0.5 * wanted.variance_60s / per_minute))
    moved = dataclasses.replace(
        params,
        repeat=np.clip(params.repeat + _GAIN * pace * apart, 0.0, _MOST_REPEAT),
        split_share=float(np.clip(split, 0.0, _MOST_SPLIT)),
        sigma=max(1e-9, params.sigma * ratio(wanted.variance_60s, found.variance_60s, 0.5)),
        impact_per_lot=min(largest, params.impact_per_lot * ratio(wanted.settled, found.settled, 0.5)),
    )
    moved = _scaled(moved, ratio(target.rate, now.rate, 0.7), tuple(range(len(VERBS))))
    if not params.touch_only:
        return moved
    bounce = ratio(found.variance_ratio, wanted.variance_ratio)
    denser = bounce * ratio(found.spread_ticks, wanted.spread_ticks, 0.5)
    return dataclasses.replace(
        _scaled(moved, denser, (BEHIND, PULL_BEHIND)), behind_orders=moved.behind_orders * denser
    )


def _scaled(params: HawkesBookParams, factor: float, verbs: tuple[int, ...]) -> HawkesBookParams:
    """Baselines of some verbs times a factor."""
    arrivals, baseline = params.arrivals, np.array(params.arrivals.baseline)
    for verb in verbs:
        baseline[2 * verb : 2 * verb + 2] *= factor
    return dataclasses.replace(
        params, arrivals=HawkesParams(baseline, arrivals.branching, arrivals.decays, arrivals.kinds)
    )
