"""The arrays a running order flow consists of: state, tables of the parameters, record of events.

Time runs on an operational clock, seconds times activity, on which arrivals are a Poisson process of constant rate and
cancellations have bounded hazards. Activity is constant within a second, so the clock is a line there.

Here: structures and empty ones. Not here: what moves them (sim/flow_kernel.py).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sim.book_state import Book, new_book
from sim.flow_params import FlowParams
from sim.market import FILL_COLUMNS
from sim.random_stream import stream_key

#: Streams of random numbers, see sim/random_stream.py.
EVENTS, LIFETIMES, SECONDS, SPLITS, OPENING = 0, 1, 2, 3, 4
N_STREAMS = 5

#: Places of `FlowState.clock`, float64: operational time of the next arrival and of the second's start, activity and
#: its log deviation, efficient price in ticks; log odds of a buy last asked for, and their probability (0: none yet).
NEXT_ARRIVAL, SECOND_START, ACTIVITY, LOG_ACTIVITY, EFFICIENT, ODDS, UPWARD = range(7)
N_CLOCK = 7

#: Places of `FlowState.counts`, int64.
NOW_NS = 0
SECOND_NS = 1  # start of the present second
SECOND = 2  # its number; negative while warming up
EVENT = 3  # number of the next arrival
DEADLINES = 4  # entries of the heap
SPLIT_NUMBER = 5
SPLIT_SIGN = 6
SPLIT_LEFT = 7
LAST_BID = 8  # last prices seen where a side is emptied by a large own order
LAST_ASK = 9
TRADES = 10  # market orders since the start
OWN_PLACED = 11
OWN_LIVE = 12
OWN_FILLS = 13
ROWS = 14
MIDS = 15  # mids sampled since the start
DROPPED = 16  # arrivals for which there was no room
FILLS_LOST = 17  # executions that no longer fit the ring of the last minute
N_COUNTS = 18

#: Columns of `FlowState.rows`: event, then the displayed book after it.
ROW_TS, ROW_ACTION, ROW_SIDE, ROW_ID, ROW_PRICE, ROW_SIZE, ROW_BOOK = 0, 1, 2, 3, 4, 5, 6
N_ROW = 12
#: Columns of `FlowState.trades`: time, lots (negative: sellers took).
TRADE_TS, TRADE_LOTS = 0, 1

_RING = 1 << 13
MID_RING = 64
MAX_OWN = 64
MAX_OWN_FILLS = 4096
#: Rows an arrival may need: it stops after as many executions.
MAX_ROWS_A_STEP = 256


class FlowState(NamedTuple):
    """Everything that changes.

    Attributes:
        book: The order book; flow has positive ids, own orders have -1 - number.
        heap_time: (h,) binary heap: operational time at which an order is asked whether it is cancelled.
        heap_id: (h,) its id.
        heap_slot: (h,) its slot in the book when it came.
        asked: (n,) by slot, how often the order has been asked.
        bound: (n,) by slot, hazard at which it is asked.
        keys: (5,) uint64 keys of the streams.
        clock: (7,) float64, see the constants.
        counts: (18,) int64, see the constants.
        trades: (r, 2) ring of market orders' executions.
        mids: (64,) float64 ring of mids at whole seconds.
        own: (64,) numbers of live own orders, oldest first.
        own_fills: (4096, 4) in the layout of sim/market.py.
        rows: (n, 12) recorded events; n = 0: nothing is recorded.
        level_rows: (n, 4 L) ask price, ask lots, bid price, bid lots of the best L levels after each event.
        efficient: (s,) log deviation of the efficient price by the second, empty: random walk.
        activity: (s,) activity by the second, empty: log-AR(1).
    """

    book: Book
    heap_time: np.ndarray
    heap_id: np.ndarray
    heap_slot: np.ndarray
    asked: np.ndarray
    bound: np.ndarray
    keys: np.ndarray
    clock: np.ndarray
    counts: np.ndarray
    trades: np.ndarray
    mids: np.ndarray
    own: np.ndarray
    own_fills: np.ndarray
    rows: np.ndarray
    level_rows: np.ndarray
    efficient: np.ndarray
    activity: np.ndarray


#: Places of `FlowTables.scalars`, float64.
ARRIVAL_RATE, INCREMENT, LEAN, SPREAD, IMBALANCE, SPLIT_SHARE, SPLIT_POWER = 0, 1, 2, 3, 4, 5, 6
SIGMA, ACTIVITY_SD, PERSISTENCE, IMPACT, MEAN_LOTS = 7, 8, 9, 10, 11
N_SCALARS = 12


class FlowTables(NamedTuple):
    """Everything that does not change.

    Attributes:
        arrivals: (K,) cumulative probability that an arrival is a limit order at distance 1..K; else a market order.
        hazards: (K + 1,) cancellation rate at distance 1..K and beyond, place 0 is distance 1 or less.
        bounds: (K + 1,) how often an order at that distance is asked, see `_bounds`.
        limit_lots: (Q,) int64.
        market_lots: (Q,) int64.
        profile: (K,) orders of the opening book by distance, int64.
        scalars: (12,) float64, see the constants.
    """

    arrivals: np.ndarray
    hazards: np.ndarray
    bounds: np.ndarray
    limit_lots: np.ndarray
    market_lots: np.ndarray
    profile: np.ndarray
    scalars: np.ndarray


def tables_of(params: FlowParams) -> FlowTables:
    """The parameters as the kernel reads them."""
    limit = np.asarray(params.limit_rate, np.float64)
    hazards = np.asarray([*params.cancel_rate, params.cancel_rate[-1]], np.float64)
    total = 2.0 * float(limit.sum()) + params.market_rate
    scalars = np.zeros(N_SCALARS)
    scalars[ARRIVAL_RATE], scalars[INCREMENT] = total, params.increment_ticks
    scalars[LEAN], scalars[SPREAD], scalars[IMBALANCE] = params.lean, params.spread_ticks, params.imbalance_slope
    scalars[SPLIT_SHARE], scalars[SPLIT_POWER] = params.split_share, -1.0 / params.split_exponent
    scalars[SIGMA], scalars[ACTIVITY_SD] = params.sigma, params.activity_sd
    scalars[PERSISTENCE], scalars[IMPACT] = params.activity_persistence, params.impact_per_lot
    scalars[MEAN_LOTS] = params.mean_market_lots
    return FlowTables(
        arrivals=np.cumsum(2.0 * limit / total),
        hazards=hazards,
        bounds=_bounds(hazards),
        limit_lots=np.asarray(params.limit_lots, np.int64),
        market_lots=np.asarray(params.market_lots, np.int64),
        profile=_opening(params),
        scalars=scalars,
    )


def _bounds(hazards: np.ndarray) -> np.ndarray:
    """Twice (a side may lean that much) the largest hazard within three distances, at least a quarter of the largest.

    An order that comes further than that before it is asked again answers with the bound: too late by a fraction of
    the time between two questions, and far orders are not asked as often as those at the touch.
    """
    near = [hazards[max(0, i - 3) : i + 4].max() for i in range(hazards.size)]
    return 2.0 * np.maximum(near, 0.25 * hazards.max())


def _opening(params: FlowParams) -> np.ndarray:
    """Rounded mean profile, nothing inside the mean spread, at least one order just outside it."""
    orders = np.rint(np.asarray(params.profile_orders)).astype(np.int64)
    first = opening_spread(params) - 1
    orders[:first] = 0
    orders[first] = max(1, orders[first])
    return orders


def opening_spread(params: FlowParams) -> int:
    """The opening spread in increments: the mean one, rounded, at most K."""
    return min(max(1, round(params.spread_ticks / params.increment_ticks)), params.levels)


def new_state(
    params: FlowParams,
    seed: int,
    *,
    max_rows: int = 0,
    levels: int = 0,
    efficient: np.ndarray | None = None,
    activity: np.ndarray | None = None,
) -> FlowState:
    """An empty flow; `sim.flow_kernel.start` makes it run."""
    live = sum(params.limit_rate) * 2.0 / params.cancel_rate[-1]
    orders = 2048 + int(min(20_000.0, 3.0 * (live + 2.0 * sum(params.profile_orders))))
    heap = 4 * orders
    nothing = np.zeros(0)
    return FlowState(
        book=new_book(orders),
        heap_time=np.zeros(heap),
        heap_id=np.zeros(heap, np.int64),
        heap_slot=np.zeros(heap, np.int64),
        asked=np.zeros(orders, np.int64),
        bound=np.zeros(orders),
        keys=stream_keys(seed),
        clock=np.zeros(N_CLOCK),
        counts=np.zeros(N_COUNTS, np.int64),
        trades=np.zeros((_RING, 2), np.int64),
        mids=np.zeros(MID_RING),
        own=np.zeros(MAX_OWN, np.int64),
        own_fills=np.zeros((MAX_OWN_FILLS, FILL_COLUMNS), np.int64),
        rows=np.zeros((max_rows, N_ROW), np.int64),
        level_rows=np.zeros((max_rows if levels else 0, 4 * levels), np.int64),
        efficient=nothing if efficient is None else np.ascontiguousarray(efficient, np.float64),
        activity=nothing if activity is None else np.ascontiguousarray(activity, np.float64),
    )


def stream_keys(seed: int) -> np.ndarray:
    """(5,) uint64: the keys of all streams of a seed."""
    return np.array([stream_key(seed & 0x7FFFFFFFFFFFFFFF, stream) for stream in range(N_STREAMS)], np.uint64)
