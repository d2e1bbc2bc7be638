"""Estimating the queue-reactive model of sim/qrm_params.py from a tape.

Rates are counted: arrivals of a kind at a level whose queue had a size, over the time it had it (Huang, Lehalle and
Rosenbaum 2015, section 2.3.2; it is the maximum-likelihood estimate). The two probabilities of the reference price are
no counts, because that price is not seen; they are found by indirect inference on a grid (as in their section 3.3):
simulated mids shall continue rather than turn as often as the tape's, and vary as much over a minute.

Here: `fit_qrm`, counting a simulated run. Not here: reading a tape (sim/qrm_measure.py), simulation.
"""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass

import numpy as np
import polars as pl

from feeds.errors import InsufficientDataError
from feeds.instruments import InstrumentSpec
from sim.qrm_measure import TapeQueues, measure_queues, queue_arrays
from sim.qrm_params import CANCEL, LIMIT, MARKET, Floats, QrmParams
from sim.qrm_simulate import QrmEvents, run_alone, simulate_qrm

#: Counts a rate of one size needs; a size that was seen less takes the rate of the nearest that was seen enough.
_LEAST_COUNT = 20
#: And time: what was seen only between rows of one stamp has no rate.
_LEAST_S = 1.0
#: No queue may be stuck.
_LEAST_RATE = 1e-4
_THETAS = tuple(np.round(np.linspace(0.1, 1.0, 10), 2).tolist())
_REINITS = tuple(np.round(np.linspace(0.0, 1.0, 6), 2).tolist())
_WINDOW_S = 60.0
_SIM_EVENTS, _SEED = 300_000, 20_150_101


@dataclass(frozen=True)
class MidMoments:
    """What the mid does.

    Attributes:
        continuation: Changes in the direction of the last one over twice the changes against it: below 1/2 the price
            turns back more often than not.
        variance: Mean squared change over a minute, half ticks squared.
        changes: Number of changes.
    """

    continuation: float
    variance: float
    changes: int


def mid_moments(seconds: Floats, mid: np.ndarray) -> MidMoments:
    """Moments of a mid given at times (n,) s, in half ticks (n,)."""
    moved = np.flatnonzero(np.diff(mid))
    signs = np.sign(np.diff(mid)[moved])
    same = int((signs[1:] == signs[:-1]).sum())
    against = max(1, len(signs) - 1 - same)
    grid = np.arange(seconds[0], seconds[-1], _WINDOW_S)
    at = mid[np.maximum(np.searchsorted(seconds, grid, side="right") - 1, 0)].astype(np.float64)
    variance = float(np.mean(np.diff(at) ** 2)) if len(at) > 1 else 0.0
    return MidMoments(same / (2.0 * against), variance, len(moved))


def count_events(events: QrmEvents, levels: int, max_queue: int) -> tuple[Floats, Floats]:
    """Counts (K, Q + 1, 2, 3) and exposure in seconds (K, Q + 1, 2) of a simulated run."""
    counts, exposure = np.zeros((levels, max_queue + 1, 2, 3)), np.zeros((levels, max_queue + 1, 2))
    stay = np.diff(events.seconds)
    for queue in range(2 * levels):
        side, level = divmod(queue, levels)
        sizes = events.queues[:-1, queue]
        np.add.at(exposure[level, :, side], sizes, stay)
        mine = events.queue[1:] == queue
        np.add.at(counts[level, :, side], (sizes[mine], events.kind[1:][mine]), 1.0)
    return counts, exposure


def rates_of(counts: Floats, exposure: Floats) -> Floats:
    """Rates per second of one level from counts (Q + 1, 3) over exposure (Q + 1,), s; sizes seen too little borrow."""
    rates = counts / np.maximum(exposure, 1e-9)[:, None]
    enough = (counts.sum(axis=1) >= _LEAST_COUNT) & (exposure >= _LEAST_S)
    usable_empty = bool(enough[0])
    enough[0] = False  # an empty queue is nobody's neighbour
    known = np.flatnonzero(enough)
    if not known.size:
        pooled = counts[1:].sum(axis=0) / max(float(exposure[1:].sum()), 1e-9)
        rates[1:] = pooled
    else:
        for size in range(1, len(rates)):
            if not enough[size]:
                rates[size] = rates[known[np.abs(known - size).argmin()]]
    if not usable_empty:
        rates[0] = rates[1]
    rates[:, LIMIT] = np.maximum(rates[:, LIMIT], _LEAST_RATE)
    rates[1:, CANCEL] = np.maximum(rates[1:, CANCEL], _LEAST_RATE)
    rates[0, CANCEL] = rates[0, MARKET] = 0.0
    return rates


def fit_qrm(
    tape: pl.DataFrame,
    spec: InstrumentSpec,
    *,
    levels: int = 3,
    max_queue: int = 50,
    until_ns: int | None = None,
) -> QrmParams:
    """Fit the queue-reactive model to a tape; both sides are pooled.

    Where the spread is wider than a tick or two, the tape is looked at on a coarser grid of prices, so that it spans
    1.5 steps at its median; `QrmParams.tick` is that step.

    `QrmParams.source` tells how far the simulated mid's moments remain from the tape's: a stock of many small ticks
    moves far more often than the model lets it.

    Args:
        tape: RAW_TICKS rows in source order with book columns.
        spec: Units of the instrument.
        levels: Queues on a side, K.
        max_queue: Largest size, Q units.
        until_ns: Only rows known before this moment (running maximum of ts_recv) are used.

    Raises:
        InsufficientDataError: The tape has too few arrivals, a mid that does not move, or queues that never empty.
    """
    arrays = queue_arrays(tape, until_ns)
    quote = spec.quote_increment_ticks
    spread = float(np.median((arrays.ask_px - arrays.bid_px)[arrays.live > 0]))
    step = quote * max(1, round(spread / quote / 1.5))
    found = measure_queues(arrays, step, levels, max_queue)
    target = mid_moments(found.seconds, found.mid)
    if target.changes < _LEAST_COUNT or found.counts.sum() < 10 * _LEAST_COUNT * levels or target.variance == 0.0:
        raise InsufficientDataError(
            f"queue-reactive fit of {spec.id}",
            received=f"{int(found.counts.sum())} arrivals, {target.changes} changes of the mid",
            expected=f"at least {10 * _LEAST_COUNT * levels} and {_LEAST_COUNT}",
            remedy="Fit on a longer tape, or on one whose source reports more levels.",
        )
    return _matched(_counted(found, step * spec.tick_size, float(arrays.mid[0]) * spec.tick_size), target)


def _counted(found: TapeQueues, tick: float, price: float) -> QrmParams:
    pooled = np.stack([rates_of(*pair) for pair in zip(found.counts, found.exposure, strict=True)])
    rates = np.repeat(pooled[:, :, None, :], 2, axis=2)
    return QrmParams(
        rates,
        event_size=tuple(found.event_size.tolist()),
        tick=tick,
        arrival_price=(np.floor(price / tick) + 0.5) * tick,
        source="counts over exposure by level and size, sides pooled; thetas by indirect inference",
    )


def _matched(params: QrmParams, target: MidMoments) -> QrmParams:
    """The thetas whose simulated mids are nearest in the logs of continuation and variance."""
    short_s = 2_000.0 / float(params.rates.sum(axis=3).max(axis=1).sum())
    seconds = short_s * _SIM_EVENTS / max(1, run_alone(params, short_s, _SEED)[0])

    def distance(pair: tuple[float, float]) -> float:
        tried = dataclasses.replace(params, theta=pair[0], theta_reinit=pair[1])
        try:
            events = simulate_qrm(tried, seconds, _SEED, max_events=8 * _SIM_EVENTS)
        except InsufficientDataError:  # busier by far than the tape
            return float("inf")
        found = mid_moments(events.seconds, events.mid)
        if found.variance == 0.0:
            return float("inf")
        ratio = np.log((found.continuation + 0.01) / (target.continuation + 0.01))
        return float(ratio**2 + 0.25 * np.log(found.variance / target.variance) ** 2)

    apart = {pair: distance(pair) for pair in itertools.product(_THETAS, _REINITS)}
    theta, reinit = min(apart, key=apart.__getitem__)
    if not np.isfinite(apart[theta, reinit]):
        raise InsufficientDataError(
            "queue-reactive fit",
            received="queues so deep that the best of them never empties in simulation",
            expected="a large-tick instrument, whose best queue empties now and then",
            remedy="Fit the order flow of sim/flow_fit.py instead.",
        )
    told = f"{params.source}; log distance of the mid's moments from the tape's {apart[theta, reinit] ** 0.5:.2f}"
    return dataclasses.replace(params, theta=theta, theta_reinit=reinit, source=told)
