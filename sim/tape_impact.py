"""Impact for a replay, measured on the tape itself: how depth comes back, and how much further takes move the price.

**Refill.** After a market order took lots at the best price, what is displayed at that price is looked up for a minute.
The mean of what came back, over the mean of what was taken, crosses one half at the half life.

**Kernel.** The mean response of the mid to market orders, freed of the runs of their signs
(`kernel_from_response`), divided by their mean size, its age counted in their mean distance, as a permanent part and
decays. What a replay charges already, the slope of the displayed book, comes off it
(`Propagator.beyond_consumed_depth`).

**No round trip earns.** Takes q_i in a book of slope s pay s q_i^2 / 2 by their walk, and G(t_j - t_i) q_i q_j by the
shift. G is a mixture of decays, so this is never negative where G(0) <= s: more than that is taken off in proportion,
and `ReplayImpact.kept_share` says how much was kept. The response of single market orders is an upper bound of what is
information: they are sent when the price is about to move.

Here: `fit_impact`. Not here: the model (sim/impact_models.py), the kernels that apply it (sim/tape_shift.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from feeds.errors import InsufficientDataError
from feeds.instruments import InstrumentSpec
from sim.impact_kernels import kernel_from_response, measure_response
from sim.impact_models import Decay, Floats, Propagator
from sim.market import VIEW_LEVELS
from sim.tape_book import lots_at
from sim.tape_build import FlatTape
from sim.tape_state import TOP_ASK, TOP_BID, EventTape

#: Fewer market orders than this say nothing.
LEAST_ORDERS = 200
#: Market orders whose depth is followed, and the ages it is looked up at, seconds.
_FOLLOWED = 1_500
_AGES_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0)
#: Largest lag of the response, in market orders, and the share of all it may be.
_LAGS, _LAG_SHARE = 256, 0.05
_RATES = 40
_S = 1e-9
#: Half lives outside are not told apart from none and for ever.
_SHORTEST_S, _LONGEST_S = 0.01, 3_600.0


class MarketOrders(NamedTuple):
    """Aggressive orders of a tape, k of them: executions of one stamp against one side.

    Attributes:
        row: (k,) of the first execution.
        after: (k,) rows applied once it is done.
        sign: (k,) 1 bought, -1 sold.
        lots: (k,) all of them.
        best_lots: (k,) those at its first price.
        price: (k,) of the first execution.
    """

    row: np.ndarray
    after: np.ndarray
    sign: np.ndarray
    lots: np.ndarray
    best_lots: np.ndarray
    price: np.ndarray


@dataclass(frozen=True)
class ReplayImpact:
    """Impact measured on a tape; ``refill_half_life_s`` and ``propagator`` are what `ReplayMarket` takes.

    Attributes:
        refill_half_life_s: Until half of what was taken is displayed again.
        propagator: What takes do beyond the depth they consume.
        measured: What market orders of the tape do altogether, before depth comes off and anything is limited.
        slope_ticks_per_lot: Of the displayed book: mean distance of the fifth level over mean lots down to it.
        kept_share: Of the shift beyond consumed depth that was kept so that no round trip earns.
        market_orders: How many it was measured on.
        mean_lots: Their mean size.
        mean_gap_s: Mean time between two.
    """

    refill_half_life_s: float
    propagator: Propagator
    measured: Propagator
    slope_ticks_per_lot: float
    kept_share: float
    market_orders: int
    mean_lots: float
    mean_gap_s: float


def fit_impact(tape: FlatTape, spec: InstrumentSpec) -> ReplayImpact:
    """Measure impact on a tape.

    Args:
        tape: The tape; only the past of an evaluation may be in it.
        spec: Instrument, for the message.

    Raises:
        InsufficientDataError: Fewer than `LEAST_ORDERS` market orders between two-sided quotes.
        StudyError: Their signs determine no kernel: all are on one side.
    """
    events = tape.events
    orders = market_orders(events)
    if orders.row.size < LEAST_ORDERS:
        raise InsufficientDataError(
            f"impact of {spec.id}",
            received=f"{orders.row.size} market orders",
            expected=f"at least {LEAST_ORDERS}",
            remedy="Fit on a longer tape.",
        )
    mean_lots = float(orders.lots.mean())
    stamps = events.ts_ns[orders.row]
    gap_s = max(1e-6, float(stamps[-1] - stamps[0]) * _S / (orders.row.size - 1))
    measured = _propagator(_kernel(events, orders) / mean_lots, gap_s)
    slope = _slope(events)
    transient = math.fsum(decay.ticks_per_lot for decay in measured.decays)
    beyond = measured.beyond_consumed_depth(min(slope, transient))
    at_once = beyond.at_once_ticks_per_lot
    kept = min(1.0, slope / at_once) if at_once > 0 else 1.0
    decays = tuple(replace(decay, ticks_per_lot=decay.ticks_per_lot * kept) for decay in beyond.decays)
    return ReplayImpact(
        refill_half_life_s=_refill_half_life_s(events, orders),
        propagator=Propagator(0.0, 0.0, beyond.permanent_ticks_per_lot * kept, decays),
        measured=measured,
        slope_ticks_per_lot=slope,
        kept_share=kept,
        market_orders=int(orders.row.size),
        mean_lots=mean_lots,
        mean_gap_s=gap_s,
    )


def market_orders(events: EventTape) -> MarketOrders:
    """Executions put together to market orders; those without a two-sided book before are left out."""
    row = np.repeat(np.arange(events.ts_ns.size), np.diff(events.exec_first))
    stamp, side = events.ts_ns[row], events.exec_side.astype(np.int64)
    begins = np.ones(row.size, bool)
    begins[1:] = (stamp[1:] != stamp[:-1]) | (side[1:] != side[:-1])
    first = np.flatnonzero(begins)
    if not first.size:
        nothing = np.zeros(0, np.int64)
        return MarketOrders(*[nothing] * 6)
    last = np.append(first[1:], row.size) - 1
    at_best = events.exec_price == np.repeat(events.exec_price[first], last - first + 1)
    orders = MarketOrders(
        row=row[first],
        after=row[last] + 1,
        sign=2 * side[first] - 1,
        lots=np.add.reduceat(events.exec_lots, first).astype(np.int64),
        best_lots=np.add.reduceat(np.where(at_best, events.exec_lots, 0), first).astype(np.int64),
        price=events.exec_price[first],
    )
    before = events.top[orders.row]
    quoted = (before[:, TOP_BID] > 0) & (before[:, TOP_ASK] > 0)
    return MarketOrders(*(column[quoted] for column in orders))


def _kernel(events: EventTape, orders: MarketOrders) -> Floats:
    """(lags,) G(1) .. in ticks per market order: falling, never negative."""
    top = events.top[orders.row]
    mids = (top[:, TOP_BID] + top[:, TOP_ASK]) / 2.0
    lags = max(2, min(_LAGS, int(_LAG_SHARE * mids.size)))
    kernel = kernel_from_response(*measure_response(orders.sign.astype(np.float64), mids, lags))
    return _falling(np.maximum(kernel, 0.0))


def _falling(values: Floats) -> Floats:
    """The falling sequence next to ``values`` in squares (pool adjacent violators): what rises is averaged."""
    means, sizes = list[float](), list[int]()
    for value in values:
        means.append(float(value))
        sizes.append(1)
        while len(means) > 1 and means[-2] < means[-1]:
            joined = sizes[-2] + sizes[-1]
            means[-2] = (means[-2] * sizes[-2] + means[-1] * sizes[-1]) / joined
            sizes[-2] = joined
            del means[-1], sizes[-1]
    return np.repeat(means, sizes)


def _propagator(kernel: Floats, gap_s: float) -> Propagator:
    """Permanent part and decays next to ``kernel`` (lags,), ticks per lot, at ages of whole gaps."""
    from scipy.optimize import nnls

    lags = np.unique(np.geomspace(1, kernel.size, 40).astype(np.int64))
    ages, rates = lags * gap_s, np.geomspace(0.1 / (kernel.size * gap_s), 2.0 / gap_s, _RATES)
    design = np.concatenate([np.ones((ages.size, 1)), np.exp(-rates * ages[:, None])], axis=1)
    weights, _ = nnls(design, kernel[lags - 1])
    decays = tuple(Decay(float(w), float(r)) for w, r in zip(weights[1:], rates, strict=True) if w > 0)
    return Propagator(permanent_ticks_per_lot=float(weights[0]), decays=decays)


def _slope(events: EventTape) -> float:
    """Ticks per lot of the displayed book: mean distance of the fifth level over mean lots down to it."""
    first, after = events.near_first[:-1], events.near_first[1:]
    whole = after - first >= VIEW_LEVELS
    if not whole.any():
        return 0.0
    begin = first[whole]
    span = np.abs(events.near_price[begin + VIEW_LEVELS - 1] - events.near_price[begin])
    lots = sum(events.near_lots[begin + level] for level in range(VIEW_LEVELS))
    return float(span.mean() / np.mean(lots))


def _refill_half_life_s(events: EventTape, orders: MarketOrders) -> float:
    """When half of what market orders took is displayed again, seconds."""
    picked = np.unique(np.linspace(0, orders.row.size - 1, min(_FOLLOWED, orders.row.size)).astype(np.int64))
    came = np.zeros(len(_AGES_S))
    for k in picked.tolist():
        side, price, after = int(orders.sign[k] > 0), int(orders.price[k]), int(orders.after[k])
        left = lots_at(events, after, side, price)
        then = events.ts_ns[after - 1] + np.array([int(age * 1e9) for age in _AGES_S])
        rows = np.searchsorted(events.ts_ns, then, side="right")
        came += [lots_at(events, int(row), side, price) - left for row in rows]
    share = came / max(1.0, float(orders.best_lots[picked].sum()))
    return _half_life_s(share)


def _half_life_s(share: Floats) -> float:
    """The age at which the share that came back crosses one half; beyond the last age, of the decay it suggests."""
    back = np.flatnonzero(share >= 0.5)
    if back.size:
        k = int(back[0])
        low = (0.0, 0.0) if k == 0 else (_AGES_S[k - 1], float(share[k - 1]))
        found = low[0] + (_AGES_S[k] - low[0]) * (0.5 - low[1]) / (float(share[k]) - low[1])
    else:
        most = float(share.max())
        found = _AGES_S[int(share.argmax())] * math.log(0.5) / math.log1p(-most) if most > 0 else _LONGEST_S
    return min(max(found, _SHORTEST_S), _LONGEST_S)
