"""Order flow of the demo market: shapes of a real capture, clock and units of an invented stock.

Taken from the fitted flow as it is: rates by distance relative to each other, the life of an order in units of the
flow's own clock, sizes relative to their mean, sign memory, dependence on the queues, leaning towards the efficient
price, activity from second to second. Chosen, and stated here and in sim/demo_config.py: the pace, the mean size, the
increment, the share of market orders, the efficient price, the planned activity, the size of impact.

Here: scaling the parameters, running one instrument-day, crash included. Not here: the flow itself
(sim/flow_kernel.py), files (sim/demo_lobster.py).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from feeds.errors import InsufficientDataError
from feeds.schema import ACTION_CODE
from sim.book import add
from sim.book_state import ASK, BID, RESTING, Book, new_book
from sim.demo_config import NS_PER_S, CrashPlant, DemoConfig, DemoInstrument
from sim.demo_paths import CRASH, DayPlan
from sim.flow_kernel import run, start
from sim.flow_params import FlowParams
from sim.flow_record import record
from sim.flow_state import NOW_NS, ROWS, FlowState, new_state, opening_spread, tables_of

#: LOBSTER's price unit, dollars, and the increment of quotes in it.
TICK_USD = 1e-4
CENT_TICKS = 100
#: Seconds the flow runs before the open, unseen.
WARM_UP_S = 900
_ADD = ACTION_CODE["A"]
_ROUND_LOT = 100
_FULL_SESSION_S = 23_400.0
#: Streams of random numbers of an instrument-day, after those of sim/demo_paths.py.
_FLOW, _ACTIVITY = 10, 11


@dataclass(frozen=True)
class FlowScale:
    """How the fitted flow becomes the demo's.

    Attributes:
        market_share: Market orders as a share of limit orders; the capture's venue sees hardly any.
        depth_share: Resting orders against the capture's: at so much slower a pace its queues would take minutes to
            follow a price that moves by several increments a minute.
        largest: Largest size over the mean of limit orders; the capture's tails empty a book of stocks.
        impact_bps: Lasting move of the efficient price after a market order of mean size that surprises fully.
        mean_activity: Planned activity averaged over a session, by which the pace is divided.
    """

    market_share: float = 0.08
    depth_share: float = 0.55
    largest: float = 4.0
    impact_bps: float = 0.1
    mean_activity: float = 1.35


@dataclass(frozen=True, eq=False)
class DemoTape:
    """One instrument-day, n events, L levels a side.

    Attributes:
        rows: (n, 12) int64 in the layout of sim/flow_state.py; the opening book comes first, as additions at the open.
        levels: (n, 4 L) int64: ask price, ask lots, bid price, bid lots of each level after the event, 0 where empty.
    """

    rows: npt.NDArray[np.int64]
    levels: npt.NDArray[np.int64]


def scale_flow(fitted: FlowParams, instrument: DemoInstrument, scale: FlowScale) -> FlowParams:
    """The fitted flow in the clock and the units of an instrument."""
    limit = np.asarray(fitted.limit_rate)
    # An order is added once and ends once, so that a limit order stands for two events, on either side.
    pace = instrument.events_per_day / _FULL_SESSION_S / scale.mean_activity / (4.0 * float(limit.sum()))
    unit = float(np.mean(fitted.limit_lots))
    limit_lots, market_lots = (
        _round_sizes(np.minimum(np.asarray(lots) / unit, scale.largest) * instrument.mean_lots)
        for lots in (fitted.limit_lots, fitted.market_lots)
    )
    return dataclasses.replace(
        fitted,
        increment_ticks=CENT_TICKS,
        limit_rate=tuple((limit * pace).tolist()),
        cancel_rate=tuple(rate * pace / scale.depth_share for rate in fitted.cancel_rate),
        market_rate=2.0 * float(limit.sum()) * pace * scale.market_share,
        limit_lots=limit_lots,
        market_lots=market_lots,
        profile_orders=tuple(orders * scale.depth_share for orders in fitted.profile_orders),
        spread_ticks=fitted.spread_ticks / fitted.increment_ticks * CENT_TICKS,
        sigma=0.0,
        impact_per_lot=scale.impact_bps * 1e-4 / float(np.mean(market_lots)),
        source={"all": "sim.demo_flow.scale_flow of the embedded capture's flow"},
    )


def _round_sizes(shares: npt.NDArray[np.float64]) -> tuple[int, ...]:
    """Odd lots stay whole shares, larger sizes become round lots."""
    rounded = np.where(shares < _ROUND_LOT, np.maximum(np.rint(shares), 1), np.rint(shares / _ROUND_LOT) * _ROUND_LOT)
    return tuple(int(size) for size in rounded)


def simulate_day(config: DemoConfig, plan: DayPlan, place: int, params: FlowParams) -> DemoTape:
    """Run one instrument-day.

    Args:
        config: The market.
        plan: The day.
        place: Which instrument.
        params: Of `scale_flow`.
    """
    room = 4 * config.instruments[place].events_per_day * plan.seconds // int(_FULL_SESSION_S) + 20_000
    while (tape := _attempt(config, plan, place, params, room)) is None:
        room *= 2
    return tape


def _attempt(config: DemoConfig, plan: DayPlan, place: int, params: FlowParams, room: int) -> DemoTape | None:
    """The day with so much room for events; None where that is too little."""
    number = config.dates.index(plan.date)
    seed = np.random.SeedSequence(config.seed, spawn_key=(number, _FLOW, place)).generate_state(1, np.uint64)[0]
    activity = _with_clusters(plan.activity[place], params, config.seed, (number, _ACTIVITY, place))
    tables = tables_of(params)
    mid = round(float(plan.open_price_usd[place]) / TICK_USD)
    options = {"efficient": plan.efficient[place], "activity": activity}
    warm = new_state(params, int(seed >> np.uint64(1)), **options)
    start(warm, tables, plan.open_ns, WARM_UP_S, float(mid), opening_spread(params))
    run(warm, tables, plan.open_ns - 1)
    state = warm._replace(rows=np.zeros((room, 12), np.int64), level_rows=np.zeros((room, 4 * config.levels), np.int64))
    _record_opening(state, _resting(warm.book), plan.open_ns)
    thin = tables_of(_thinned(params, config.crash)) if config.crash else tables
    for until_ns, thinned in _phases(config, plan, place):
        if not run(state, thin if thinned else tables, until_ns - 1):
            return None
    n = int(state.counts[ROWS])
    return DemoTape(state.rows[:n], state.level_rows[:n])


def _with_clusters(
    planned: npt.NDArray[np.float64], params: FlowParams, seed: int, key: tuple[int, ...]
) -> npt.NDArray[np.float64]:
    """Planned activity times the flow's own: a log-AR(1) by the second with mean 1."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
    shocks = rng.standard_normal(planned.size) * params.activity_sd
    return planned * np.exp(_autoregression(shocks, params.activity_persistence) - 0.5 * params.activity_sd**2)


@njit(cache=True)
def _autoregression(shocks: np.ndarray, persistence: float) -> np.ndarray:
    """Stationary AR(1) with the variance of ``shocks``."""
    out = shocks.copy()
    share = np.sqrt(1.0 - persistence * persistence)
    for i in range(1, out.size):
        out[i] = persistence * out[i - 1] + share * shocks[i]
    return out


def _phases(config: DemoConfig, plan: DayPlan, place: int) -> list[tuple[int, bool]]:
    """Ends of the stretches of the day, ns UTC, and whether liquidity is withdrawn in them."""
    crash = config.crash
    struck = any(piece.cause == CRASH and piece.instrument == place for piece in plan.drifts)
    if crash is None or not struck:
        return [(plan.end_ns, False)]
    bounds = [plan.open_ns + second * NS_PER_S for second in (crash.start_s, crash.end_s)]
    return [(min(bounds[0], plan.end_ns), False), (min(bounds[1], plan.end_ns), True), (plan.end_ns, False)]


def _thinned(params: FlowParams, crash: CrashPlant) -> FlowParams:
    """The flow of the crash: see `sim.demo_config.CrashPlant`."""
    return dataclasses.replace(
        params,
        limit_rate=tuple(rate * crash.liquidity_share for rate in params.limit_rate),
        market_rate=params.market_rate * crash.market_factor,
        lean=params.lean * crash.lean_share,
    )


def _resting(book: Book) -> npt.NDArray[np.int64]:
    """(m, 4) id, side, price, lots of all displayed orders: bid and ask in turn, best first, then by age."""
    ranked = []
    for side in (BID, ASK):
        slots = np.flatnonzero((book.order_state == RESTING) & (book.order_side == side))
        if slots.size == 0:
            raise InsufficientDataError("opening book", received="an empty side", expected="two sides")
        sign = -1 if side == BID else 1
        # Ids count arrivals, and an order never moves: the smaller one is the older.
        order = np.lexsort((book.order_id[slots], sign * book.order_price[slots]))
        ranked += [(rank, side, int(slot)) for rank, slot in enumerate(slots[order])]
    slots = np.array([slot for _, _, slot in sorted(ranked)])
    return np.stack(
        [book.order_id[slots], book.order_side[slots], book.order_price[slots], book.order_size[slots]], axis=1
    )


def _record_opening(state: FlowState, resting: npt.NDArray[np.int64], open_ns: int) -> None:
    """Write the book that stands at the open as additions, best first, with the book as they build it up."""
    scratch = state._replace(book=new_book(state.book.order_id.size), counts=state.counts.copy())
    _replay_opening(scratch, resting, open_ns)
    state.counts[ROWS] = resting.shape[0]
    state.counts[NOW_NS] = open_ns


@njit(cache=True)
def _replay_opening(state: FlowState, resting: np.ndarray, open_ns: int) -> None:
    state.counts[ROWS] = 0
    for i in range(resting.shape[0]):
        add(state.book, resting[i, 0], resting[i, 1], resting[i, 2], resting[i, 3], open_ns)
        record(state, open_ns, _ADD, resting[i, 1], resting[i, 0], resting[i, 2], resting[i, 3])
