"""Impact for a replay, measured on the tape itself: how depth comes back, and how much further takes move the price.

**Refill.** Of the market orders that empty their level and so widen the spread, the mean spread is followed for a
minute; when half of the way to where it ends is gone is the half life: resilience as spread reversion. Quotes of the
other side that follow the price close it too, so that depth itself may take longer. Where no order widens the spread,
or it does not narrow again, the tape does not tell.

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
from sim.tape_build import FlatTape
from sim.tape_state import TOP_ASK, TOP_BID, EventTape

#: Fewer market orders than this say nothing.
LEAST_ORDERS = 200
#: Half life where the tape does not tell.
UNTOLD_HALF_LIFE_S = 10.0
#: Ages the spread is looked up at, seconds.
_AGES_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0)
#: Largest lag of the response, in market orders, and the share of all it may be.
_LAGS, _LAG_SHARE = 256, 0.05
_RATES = 40
_S = 1e-9
#: Shorter half lives are not told apart.
_SHORTEST_S = 0.01


class MarketOrders(NamedTuple):
    """Aggressive orders of a tape, k of them: executions of one stamp against one side.

    Attributes:
        row: (k,) of the first execution.
        after: (k,) rows applied once it is done.
        sign: (k,) 1 bought, -1 sold.
        lots: (k,) all of them.
    """

    row: np.ndarray
    after: np.ndarray
    sign: np.ndarray
    lots: np.ndarray


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
        return MarketOrders(*[nothing] * 4)
    last = np.append(first[1:], row.size) - 1
    orders = MarketOrders(
        row=row[first],
        after=row[last] + 1,
        sign=2 * side[first] - 1,
        lots=np.add.reduceat(events.exec_lots, first).astype(np.int64),
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
    """When half of the gap that market orders tore into the quotes is closed, seconds."""
    spread = (events.top[:, TOP_ASK] - events.top[:, TOP_BID]).astype(np.float64)
    spread[(events.top[:, TOP_BID] == 0) | (events.top[:, TOP_ASK] == 0)] = np.nan
    after = orders.after[spread[orders.after] > spread[orders.row]]
    if not after.size:
        return UNTOLD_HALF_LIFE_S
    done, torn = events.ts_ns[after - 1], float(np.mean(spread[after]))
    rows = [np.searchsorted(events.ts_ns, done + int(age * 1e9), side="right") for age in _AGES_S]
    closed = torn - np.array([float(np.nanmean(spread[row])) for row in rows])
    # Where it stands in the end is where it was going: orders are sent when the spread is narrow, and it widens anyway.
    return _half_life_s(closed / closed[-1]) if closed[-1] > 0.0 else UNTOLD_HALF_LIFE_S


def _half_life_s(share: Floats) -> float:
    """The age at which the closed share, 1 at the last age, crosses one half."""
    k = int(np.flatnonzero(share >= 0.5)[0])
    age, before = (0.0, 0.0) if k == 0 else (_AGES_S[k - 1], float(share[k - 1]))
    found = age + (_AGES_S[k] - age) * (0.5 - before) / (float(share[k]) - before)
    return max(found, _SHORTEST_S)
