"""Estimating the queue-reactive Hawkes book of sim/hawkes_book_params.py from a tape.

All but a handful of parameters (sim/hawkes_book_tune.py) is likelihood and counting. In turns: expectation-
maximisation for baselines and branching given the factors (sim/hawkes_book_em.py), and factors as events over expected
events of their bucket given the intensities (the maximum-likelihood estimate of one table given the rest).

A source that tells the best quotes alone says nothing about orders behind them. There the gap to the next quote, seen
when a best one is emptied, gives their density, and they arrive evenly over half the window and leave at the pace of
orders at the touch.

Here: `fit_hawkes_book`. Not here: events of a tape (sim/book_events.py).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from feeds.errors import InsufficientDataError
from feeds.instruments import InstrumentSpec
from sim.book_events import (
    BEHIND,
    EMPTY_TOUCH,
    IMPROVE,
    JOIN,
    KINDS,
    MIRROR,
    PULL,
    PULL_BEHIND,
    SWEEP,
    TAKE,
    VERBS,
    BookEvents,
    book_events,
)
from sim.book_state import BID
from sim.flow_fit import increment_of, splitting_of
from sim.flow_measure import TapeArrays, arrays_of, count_flow
from sim.flow_moments import market_orders, time_mean
from sim.hawkes_book_em import em_pass
from sim.hawkes_book_params import (
    BY_IMBALANCE,
    BY_QUEUE,
    BY_SPREAD,
    MOST_BUCKETS,
    ORDER_EDGES,
    HawkesBookParams,
    bucket_of,
    imbalance_bucket,
)
from sim.hawkes_book_tune import target_of, tuned
from sim.hawkes_params import HawkesParams
from sim.hawkes_tape import spread_ties

#: Per second; the fastest is what machines react with.
DECAYS = (0.02, 0.3, 5.0, 100.0, 2_000.0)
_DISTANCES, _LEAST_ORDERS, _LEAST_PAIR = 10, 30, 10
_MOST_EVENTS = 50_000
_ROUNDS, _PASSES, _LAST_PASSES = 3, 5, 10
#: Events added to both sides of a ratio of counts: tables of few events stay near 1.
_PRIOR = 10.0
_LOW, _HIGH = 0.02, 8.0
_SIZES, _PLACES = 200, 50
#: Largest spectral radius of the branching.
_RADIUS = 0.95
#: Of the reach of limit orders behind the touch.
_REACH = 0.95

_SOURCE = {
    "arrivals": "maximum likelihood, expectation-maximisation with given decays, both sides alike",
    "factors": "events over expected events by bucket, both sides alike",
    "limit_lots": "equally likely quantiles by place",
    "take_lots": "equally likely quantiles by lots at the quote",
    "sweep_lots": "equally likely quantiles",
    "improve_by": "equally likely quantiles by spread",
    "behind_by": "equally likely quantiles",
    "spread_ticks": "mean over time",
    "split_exponent": "least squares on the sign autocorrelation, lags 1 to 30",
}


def fit_hawkes_book(tape: pl.DataFrame, spec: InstrumentSpec, *, until_ns: int | None = None) -> HawkesBookParams:
    """Fit to a tape.

    Args:
        tape: RAW_TICKS rows in source order with book columns.
        spec: Units of the instrument.
        until_ns: Only rows known before this moment (running maximum of ts_recv) are used.

    Raises:
        InsufficientDataError: The tape has too few orders or market orders.
    """
    arrays = arrays_of(tape, until_ns)
    quote = spec.quote_increment_ticks
    width = increment_of(arrays, quote, _DISTANCES)
    orders = market_orders(arrays)
    if orders.signs.size < _LEAST_ORDERS:
        raise InsufficientDataError(
            f"Hawkes book of {spec.id}",
            received=f"{orders.signs.size} market orders",
            expected=f"at least {_LEAST_ORDERS}",
            remedy="Fit on a longer tape.",
        )
    events = book_events(arrays, orders, quote, _DISTANCES * width)
    met = _met(arrays, events, quote)
    step = max(1, int(np.gcd.reduce(np.unique(events.ts_ns - events.ts_ns[0]))))
    arrivals, factors = _maximised(events, met, step)
    params = HawkesBookParams(
        increment_ticks=quote,
        window=_DISTANCES * width // quote,
        arrivals=arrivals,
        rates=np.bincount(events.kinds, minlength=len(KINDS)).reshape(-1, 2).mean(axis=1).repeat(2) / arrays.seconds,
        spread_edges=met.spread_edges,
        lots_edges=met.lots_edges,
        factors=factors,
        spread_ticks=time_mean(arrays, (arrays.ask_px - arrays.bid_px).astype(float)),
        resolution_ns=step,
        source=dict(_SOURCE),
        **_places(events, met),
        behind_orders=_behind_orders(tape, arrays, events, width),
    )
    if (events.kinds // 2 != BEHIND).all():
        params = _with_hidden_depth(params, arrays, events)
    _, exponent = splitting_of(orders.signs)
    return tuned(dataclasses.replace(params, split_exponent=exponent), target_of(arrays, quote, width), arrays.mid)


@dataclass(frozen=True, eq=False)
class _Met:
    """The book each event met: buckets (n, 2) by side of the actor, and what they come from."""

    spread: np.ndarray
    imbalance: np.ndarray
    orders: np.ndarray
    lots: np.ndarray
    spread_edges: np.ndarray
    lots_edges: np.ndarray
    taken: np.ndarray


def _met(tape: TapeArrays, events: BookEvents, quote: int) -> _Met:
    row = events.before
    spread = (tape.ask_px - tape.bid_px)[row] // quote
    bid, ask = tape.bid_sz[row], tape.ask_sz[row]
    imbalance = (bid - ask) / np.maximum(1, bid + ask)
    sizes = np.stack([bid, ask], axis=1)
    spread_edges, lots_edges = _edges(spread), _edges(sizes.ravel())
    opposite = sizes[:, ::-1]
    return _Met(
        spread=np.repeat(bucket_of(spread, spread_edges)[:, None], 2, axis=1),
        imbalance=np.stack([imbalance_bucket(imbalance), imbalance_bucket(-imbalance)], axis=1),
        orders=bucket_of(events.orders[row], np.asarray(ORDER_EDGES)),
        lots=bucket_of(opposite, lots_edges),
        spread_edges=spread_edges,
        lots_edges=lots_edges,
        taken=opposite,
    )


def _edges(values: np.ndarray) -> np.ndarray:
    """Upper edges of buckets of about equal numbers, the smallest value alone in the first."""
    at = np.linspace(0.0, 1.0, MOST_BUCKETS)[1:-1]
    edges = np.unique(np.concatenate([[values.min()], np.quantile(values, at, method="lower")]))
    return edges[edges < values.max()][: MOST_BUCKETS - 1].astype(np.int64)


def _maximised(events: BookEvents, met: _Met, resolution_ns: int) -> tuple[HawkesParams, np.ndarray]:
    """Intensities and factors in turns."""
    kept = slice(max(0, events.kinds.size - _MOST_EVENTS), None)
    ts_ns, kinds = events.ts_ns[kept], events.kinds[kept]
    times = spread_ties((ts_ns - ts_ns[0]).astype(np.int64), resolution_ns)
    chosen = [[getattr(met, name)[kept] for name in ("spread", "imbalance", name)] for name in ("orders", "lots")]
    tables = np.ones((3, len(VERBS), MOST_BUCKETS))
    counts = np.bincount(kinds, minlength=len(KINDS)).astype(float)
    counts = 0.5 * (counts + counts[list(MIRROR)])
    counts[counts < 0.5 * _LEAST_PAIR] = 0.0
    state = _Intensities.begin(counts, float(times[-1]))
    for turn in range(_ROUNDS):
        multipliers = _multipliers(tables, chosen)
        bare = np.empty(multipliers.shape)
        for _ in range(_PASSES if turn < _ROUNDS - 1 else _LAST_PASSES):
            state = state.improved(times, kinds, multipliers, bare)
        if turn < _ROUNDS - 1:
            _refine(tables, chosen, bare, kinds)
    params = HawkesParams(state.baseline, state.branching.transpose(2, 0, 1), state.decays, KINDS)
    return _stationary(params, counts / float(times[-1])), tables


def _stationary(params: HawkesParams, rates: np.ndarray) -> HawkesParams:
    """Branching scaled down where nothing but the book would hold it, baselines then such that rates stay."""
    if params.spectral_radius <= _RADIUS:
        return params
    branching = params.branching * (_RADIUS / params.spectral_radius)
    baseline = np.maximum(rates - branching.sum(axis=2) @ rates, 0.01 * rates)
    return HawkesParams(baseline, branching, params.decays, params.kinds)


@dataclass(frozen=True, eq=False)
class _Intensities:
    """Baseline (D,), branching (D, J, D) [cause, term, affected], decays (J,)."""

    baseline: np.ndarray
    branching: np.ndarray
    decays: np.ndarray

    @classmethod
    def begin(cls, counts: np.ndarray, seconds: float) -> _Intensities:
        """Half of every rate is baseline, the rest evenly spread."""
        d, terms = counts.size, len(DECAYS)
        share = 0.5 * counts / max(counts.sum(), 1.0) / terms
        branching = np.broadcast_to(share, (d, terms, d)) * (counts > 0)[:, None, None]
        return cls(0.5 * counts / seconds, np.ascontiguousarray(branching), np.array(DECAYS))

    def improved(self, times: np.ndarray, kinds: np.ndarray, factors: np.ndarray, bare: np.ndarray) -> _Intensities:
        d, terms = self.baseline.size, self.decays.size
        caused, exposure = np.zeros((d, terms, d)), np.zeros((d, terms, d))
        base, base_exposure = np.zeros(d), np.zeros(d)
        em_pass(
            times, kinds, factors, self.baseline + 1e-12, self.branching, self.decays, np.zeros((d, terms)),
            np.zeros((d, terms)), caused, base, exposure, base_exposure, bare,
        )  # fmt: skip
        mirror = list(MIRROR)
        caused, exposure = (x + x[mirror][:, :, mirror] for x in (caused, exposure))
        base, base_exposure = (x + x[mirror] for x in (base, base_exposure))
        return _Intensities(
            base / np.maximum(base_exposure, 1e-9),
            np.where(exposure > 1e-3, caused / np.maximum(exposure, 1e-3), 0.0) * (self.branching > 0),
            self.decays,
        )


def _multipliers(tables: np.ndarray, chosen: list[list[np.ndarray]]) -> np.ndarray:
    """(n, D) product of the tables at the buckets that each event met."""
    found = np.empty((chosen[0][0].shape[0], len(KINDS)))
    for kind in range(len(KINDS)):
        verb, side = divmod(kind, 2)
        buckets = chosen[verb in (TAKE, SWEEP)]
        found[:, kind] = np.prod([tables[t, verb, buckets[t][:, side]] for t in range(3)], axis=0)
    return found


def _refine(tables: np.ndarray, chosen: list[list[np.ndarray]], bare: np.ndarray, kinds: np.ndarray) -> None:
    """Events over expected events of each bucket, one table after the other."""
    for table in (BY_SPREAD, BY_QUEUE, BY_IMBALANCE):
        expected = _multipliers(tables, chosen) * bare
        for verb in range(len(VERBS)):
            seen, wanted = np.zeros(MOST_BUCKETS), np.zeros(MOST_BUCKETS)
            for side in (0, 1):
                bucket = chosen[verb in (TAKE, SWEEP)][table][:, side]
                seen += np.bincount(bucket[kinds == 2 * verb + side], minlength=MOST_BUCKETS)
                wanted += np.bincount(bucket, expected[:, 2 * verb + side], minlength=MOST_BUCKETS)
            if seen.sum() == 0:
                continue
            ratio = (seen + _PRIOR) / (wanted * seen.sum() / max(wanted.sum(), 1e-9) + _PRIOR)
            tables[table, verb] = np.clip(tables[table, verb] * ratio, _LOW, _HIGH)
            tables[table, verb, (wanted > 5.0) & (seen == 0)] = 0.0


def _places(events: BookEvents, met: _Met) -> dict[str, Any]:
    """Sizes and places of orders."""
    verb, side = np.divmod(events.kinds, 2)
    limits = [events.lots[verb == v] for v in (IMPROVE, JOIN, BEHIND)]
    some = np.concatenate(limits) if sum(x.size for x in limits) else np.ones(1, np.int64)
    number = np.arange(side.size)
    bucket = met.lots[number, side]
    taken, takes = events.lots[verb == TAKE], verb == TAKE
    spread = met.spread[number, side]
    better, worse = events.away[verb == IMPROVE], -events.away[verb == BEHIND]
    behind_by = np.maximum(1, _quantiles(_enough(worse, np.ones(1)), _SIZES))
    return {
        "reach": max(1, int(np.quantile(behind_by, _REACH))),
        "limit_lots": np.stack([_quantiles(x if x.size >= _PLACES else some, _SIZES) for x in limits]),
        "take_lots": np.stack(
            [
                _quantiles(_enough(events.lots[takes & (bucket == b)], taken), _PLACES)
                for b in range(met.lots_edges.size + 1)
            ]
        ),
        "sweep_lots": _quantiles(_enough(events.away[verb == SWEEP], np.zeros(1)), _SIZES),
        "improve_by": np.stack(
            [
                _quantiles(_enough(events.away[(verb == IMPROVE) & (spread == b)], better), _PLACES)
                for b in range(met.spread_edges.size + 1)
            ]
        ),
        "behind_by": behind_by,
    }


def _enough(values: np.ndarray, instead: np.ndarray) -> np.ndarray:
    """Values where there are some, else others, else 1."""
    return values if values.size >= _LEAST_PAIR else instead if instead.size else np.ones(1)


def _quantiles(values: np.ndarray, n: int) -> np.ndarray:
    at = (np.arange(n) + 0.5) / n
    return np.maximum(0, np.quantile(values, at, method="nearest")).astype(np.int64)


def _behind_orders(frame: pl.DataFrame, tape: TapeArrays, events: BookEvents, width: int) -> float:
    """Mean orders a side behind the touch, where limit orders arrive.

    By exposure, but no more than the depth that is told allows: a file of few levels does not report the end of orders
    it lost sight of.
    """
    touch = time_mean(tape, events.orders.sum(axis=1).astype(float)) / 2
    counted = float(count_flow(tape, _DISTANCES, width, width).exposure.sum()) / tape.seconds / 2 - touch
    shown = frame.filter((pl.col("bid_sz") > 0) & (pl.col("ask_sz") > 0))
    behind = (shown["bid_depth"] - shown["bid_sz"] + shown["ask_depth"] - shown["ask_sz"]).mean() or 0.0
    lots = events.lots[events.kinds // 2 == BEHIND]
    told = 0.5 * float(behind) / float(lots.mean()) if lots.size else counted  # type: ignore[arg-type]
    return max(1.0, min(counted, told))


def _gap(tape: TapeArrays, events: BookEvents, quote: int) -> float:
    """Mean increments to the next quote when a cancellation empties the best one."""
    emptied = np.flatnonzero(events.kinds // 2 == EMPTY_TOUCH)
    side, row = events.kinds[emptied] % 2, events.before[emptied]
    after = np.minimum(row + 1, tape.clock.size - 1)
    gap = np.where(side == BID, tape.bid_px[row] - tape.bid_px[after], tape.ask_px[after] - tape.ask_px[row])
    gap = gap[gap > 0] / quote
    return float(gap.mean()) if gap.size else 1.0


def _with_hidden_depth(params: HawkesBookParams, tape: TapeArrays, events: BookEvents) -> HawkesBookParams:
    """Orders behind the touch where the source does not tell of them, see the module docstring."""
    density = 1.0 / _gap(tape, events, params.increment_ticks)
    orders = density * (params.window // 2)
    at_touch = time_mean(tape, events.orders.sum(axis=1).astype(float))
    leaving = np.isin(events.kinds // 2, (PULL, EMPTY_TOUCH)).sum() / tape.seconds / at_touch
    baseline = np.array(params.arrivals.baseline)
    baseline[2 * BEHIND : 2 * BEHIND + 2] = baseline[2 * PULL_BEHIND : 2 * PULL_BEHIND + 2] = leaving * orders
    arrivals = HawkesParams(baseline, params.arrivals.branching, params.arrivals.decays, KINDS)
    return dataclasses.replace(
        params,
        arrivals=arrivals,
        behind_by=1 + np.arange(_SIZES) * (params.window // 2) // _SIZES,
        behind_orders=orders,
        reach=params.window // 2,
        touch_only=True,
    )
