"""What a tape says about signs and impact, in numbers that can be bootstrapped by blocks of time.

Signs of market orders remember (Lillo and Farmer, "The long memory of the efficient market", Studies in Nonlinear
Dynamics and Econometrics 8, 2004). Response curves are those of Eisler, Bouchaud and Kockelkoren, "The price impact of
order book events", Quantitative Finance 12 (2012): six events at the touch, R(l) the mean signed move of the mid from
just before an event to just before the l-th event after it. Metaorders are built from public trades by giving market
orders to traders at random and joining each trader's runs of one sign (Maitrier, Loeper, Kanazawa and Bouchaud,
"Generating realistic metaorders from public data", 2025): their impact grows about as the root of their size.

Here: these statistics. Not here: market orders (sim/flow_moments.py), the sums (sim/realism_blocks.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.book_state import BID
from sim.flow_measure import NS, TapeArrays
from sim.flow_moments import MarketOrders, mid_change
from sim.realism_blocks import (
    DECAY_LAGS,
    LEAST,
    Blocks,
    Floats,
    Statistic,
    at_place,
    autocorrelations,
    decay,
    mean_of,
    mean_over_lags,
)
from sim.realism_stats import ADD, cancelled

#: Lags at which the memory of signs is judged one by one, market orders.
SIGN_LAGS = np.array([1, 2, 5, 10, 20, 50, 100])
#: Kinds of events at the touch: market, limit, cancellation; with 1 where the mid moves at once.
KINDS = ("MO0", "MO1", "LO0", "LO1", "CA0", "CA1")
_KIND_NAMES = {
    "MO0": "market orders that leave the mid",
    "MO1": "market orders that move it",
    "LO0": "limit orders that leave the mid",
    "LO1": "limit orders that move it",
    "CA0": "cancellations that leave the mid",
    "CA1": "cancellations that move it",
}
RESPONSE_LAGS = np.array([1, 10, 100])
_SECONDS = (1, 10, 30)
#: Traders that market orders are given to, and sizes of their metaorders in which impact is averaged.
_TRADERS, _TRADER_SEED, _SIZES, _LEAST_SIZES = 10, 20_250_318, 8, 4


def sign_statistics(orders: MarketOrders, cut: Blocks) -> list[Statistic]:
    """Memory of the signs of market orders."""
    signs = orders.signs.astype(float)
    of_lag = {f"sign autocorrelation at lag {k}": at_place(i) for i, k in enumerate(SIGN_LAGS)}
    over = {"mean sign autocorrelation, lags 1 to 30": mean_over_lags, "decay of the sign autocorrelation": decay}
    return [
        *autocorrelations("signs", of_lag, cut, orders.ts_ns, signs, SIGN_LAGS),
        *autocorrelations("signs", over, cut, orders.ts_ns, signs, DECAY_LAGS),
    ]


def impact_statistics(tape: TapeArrays, orders: MarketOrders, cut: Blocks) -> list[Statistic]:
    """Response to market orders in time, to six kinds of events in event time, and to metaorders."""
    found = []
    for seconds in _SECONDS:
        response = mid_change(tape, orders.before, seconds * NS) * orders.signs * 1e4
        found.append(mean_of("impact", f"response after {seconds} s", "bps", cut, orders.ts_ns, response))
    return [*found, *_responses(touch_events(tape, orders), cut), *_metaorders(tape, orders, cut)]


@dataclass(frozen=True)
class TouchEvents:
    """Events at the touch in order, (m,) each.

    Attributes:
        kind: Place in `KINDS`.
        sign: +1 where the event pushes the price up: a buy, or the cancellation of an offer.
        log_mid: Log mid just before.
        ts_ns: Time.
    """

    kind: npt.NDArray[np.int64]
    sign: npt.NDArray[np.int64]
    log_mid: Floats
    ts_ns: npt.NDArray[np.int64]


def touch_events(tape: TapeArrays, orders: MarketOrders) -> TouchEvents:
    """Market orders, and limit orders and cancellations at the best price of their side or better than it."""
    rows = np.flatnonzero(tape.live > 0)
    rows = rows[rows > 0]
    bid = tape.side[rows] == BID
    own = np.where(bid, tape.bid_px[rows - 1], tape.ask_px[rows - 1])
    other = np.where(bid, tape.ask_px[rows - 1], tape.bid_px[rows - 1])
    toward = np.where(bid, 1, -1)
    better = (tape.price[rows] - own) * toward
    passive = (other - tape.price[rows]) * toward > 0
    limit = (tape.action[rows] == ADD) & (better >= 0) & passive
    gone = cancelled(tape, np.ones(tape.clock.size, bool))[rows] & (better == 0)
    log_mid = np.log(tape.mid)
    at, after = np.maximum(0, orders.before), np.searchsorted(tape.venue, orders.ts_ns, "right") - 1
    kind = np.concatenate([
        (tape.mid[after] != tape.mid[at]).astype(np.int64),
        2 + (tape.mid[rows[limit]] != tape.mid[rows[limit] - 1]),
        4 + (tape.mid[rows[gone]] != tape.mid[rows[gone] - 1]),
    ])  # fmt: skip
    place = np.argsort(np.concatenate([at + 0.5, rows[limit], rows[gone]]), kind="stable")
    return TouchEvents(
        kind=kind[place],
        sign=np.concatenate([orders.signs, toward[limit], -toward[gone]])[place],
        log_mid=np.concatenate([log_mid[at], log_mid[rows[limit] - 1], log_mid[rows[gone] - 1]])[place],
        ts_ns=np.concatenate([orders.ts_ns, tape.clock[rows[limit]], tape.clock[rows[gone]]])[place],
    )


def response(events: TouchEvents, lag: int) -> Floats:
    """(m,) signed log mid change from before each event to before the ``lag``-th after it, bps; nan at the end."""
    moved = np.full(events.sign.size, np.nan)
    if lag < moved.size:
        moved[:-lag] = (events.log_mid[lag:] - events.log_mid[:-lag]) * events.sign[:-lag] * 1e4
    return moved


def _responses(events: TouchEvents, cut: Blocks) -> list[Statistic]:
    found = []
    everything = cut.sums(events.ts_ns, np.ones(events.kind.size))[:, 0]
    for place, kind in enumerate(KINDS):
        these = events.kind == place
        own = cut.sums(events.ts_ns[these], np.ones(int(these.sum())))[:, 0]
        name = f"share of {_KIND_NAMES[kind]}"
        found.append(Statistic("flow", name, "1", np.column_stack([own, everything]), lambda s: s[..., 0] / s[..., 1]))
    for lag in RESPONSE_LAGS:
        moved = response(events, int(lag))
        for place, kind in enumerate(KINDS):
            if lag == 1 and kind.endswith("0"):  # nothing, by definition
                continue
            these = events.kind == place
            name = f"response to {kind} after {lag} event{'s' if lag > 1 else ''}"
            found.append(mean_of("impact", name, "bps", cut, events.ts_ns[these], moved[these]))
    return found


def _metaorders(tape: TapeArrays, orders: MarketOrders, cut: Blocks) -> list[Statistic]:
    """Exponent of impact on size, and what share of it is left after as long again."""
    trader = np.random.default_rng(_TRADER_SEED).integers(0, _TRADERS, orders.signs.size)
    order = np.argsort(trader, kind="stable")
    signs = orders.signs[order]
    begins = np.ones(order.size, bool)
    begins[1:] = (trader[order][1:] != trader[order][:-1]) | (signs[1:] != signs[:-1])
    first = np.flatnonzero(begins)
    last = np.append(first[1:], order.size)[: first.size] - 1
    lots = np.add.reduceat(orders.lots[order], first) if first.size else np.zeros(0)
    several = last > first
    first, last, lots = order[first[several]], order[last[several]], lots[several].astype(float)
    log_mid = np.log(tape.mid)
    end = np.searchsorted(tape.venue, orders.ts_ns[last], "right") - 1
    until = tape.clock[end] + np.maximum(NS, orders.ts_ns[last] - orders.ts_ns[first])
    later = np.searchsorted(tape.clock, until, "right") - 1
    began = log_mid[np.maximum(0, orders.before[first])]
    impact, left = ((log_mid[row] - began) * orders.signs[first] * 1e4 for row in (end, later))
    seen = until <= tape.clock[-1]
    when = orders.ts_ns[first]
    decayed = cut.sums(when[seen], left[seen], impact[seen], np.ones(int(seen.sum())))

    def remaining(s: Floats) -> Floats:
        return np.where((s[..., 2] >= LEAST) & (s[..., 1] > 0), s[..., 0] / s[..., 1], np.nan)

    return [
        Statistic("impact", "exponent of the impact of metaorders", "1", _by_size(lots, impact, when, cut), _exponent),
        Statistic("impact", "impact of metaorders left after as long again", "1", decayed, remaining),
    ]


def _by_size(lots: Floats, impact: Floats, when: npt.NDArray[np.int64], cut: Blocks) -> Floats:
    """(blocks, 3 * sizes): number, summed log size and summed impact of the metaorders in each of `_SIZES` classes."""
    edges = np.quantile(lots, np.arange(1, _SIZES) / _SIZES) if lots.size else np.zeros(_SIZES - 1)
    place = np.searchsorted(edges, lots, "left")
    log_lots = np.log(np.maximum(lots, 1.0))
    columns = [np.where(place == i, x, 0.0) for x in (np.ones(lots.size), log_lots, impact) for i in range(_SIZES)]
    return cut.sums(when, *columns)


def _exponent(s: Floats) -> Floats:
    """Slope of log mean impact on log size over the classes, weighted by their numbers; nan for fewer than four."""
    n, size, impact = s[..., :_SIZES], s[..., _SIZES : 2 * _SIZES], s[..., 2 * _SIZES :]
    fine = (n >= 0.5 * LEAST) & (impact > 0)
    w = np.where(fine, n, 0.0)
    x, y = (np.where(fine, value / np.maximum(n, 1e-300), 1.0) for value in (size, impact))
    x, y = np.where(fine, x, 0.0), np.log(y)
    total = w.sum(-1)
    mx, my = (w * x).sum(-1) / total, (w * y).sum(-1) / total
    cov, var = (w * x * y).sum(-1) / total - mx * my, (w * x * x).sum(-1) / total - mx * mx
    return np.asarray(np.where((fine.sum(-1) >= _LEAST_SIZES) & (var > 0), cov / var, np.nan))
