"""The arrays of a running Hawkes book: the book and own orders of sim/flow_state.py, excitation, tables of parameters.

Here: structures and empty ones. Not here: what moves them (sim/hawkes_book_kernel.py).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sim.book_events import KINDS
from sim.book_state import new_book
from sim.flow_state import IMPACT as FLOW_IMPACT
from sim.flow_state import (
    MAX_OWN,
    MAX_OWN_FILLS,
    MID_RING,
    N_CLOCK,
    N_COUNTS,
    N_ROW,
    N_SCALARS,
    N_STREAMS,
    FlowState,
    FlowTables,
)
from sim.hawkes_book_params import ORDER_EDGES, HawkesBookParams
from sim.market import FILL_COLUMNS
from sim.random_stream import stream_key

#: Number of the stream of this process, see sim/random_stream.py.
STREAM = 104
#: Places of `HawkesBookState.clock`, float64 seconds since the start of the warm-up: up to when excitation has decayed,
#: next candidate; then the bound of the intensity it was drawn from.
DECAYED_S, CANDIDATE_S, BOUND = 0, 1, 2
#: Places of `HawkesBookState.marks`, int64: ns of second 0, number of the next candidate and of the next order, next
#: second at which the mid is sampled, hidden order's number, side and children left, 1 where own orders changed the
#: book since the candidate was drawn, side and ns of the last market order.
ORIGIN_NS, CANDIDATE, ORDER, SECOND, SPLIT_NUMBER, SPLIT_SIGN, SPLIT_LEFT, DIRTY, LAST_SIDE, LAST_NS = range(10)
#: Places of `HawkesBookTables.scalars`, float64.
INCREMENT, WINDOW, REACH, BEHIND_ORDERS, SPLIT_SHARE, SPLIT_POWER, RESOLUTION, LEAN, SIGMA, IMPACT, SPREAD = range(11)
_RING = 1 << 13


class HawkesBookState(NamedTuple):
    """Everything that changes; D kinds, J terms.

    Attributes:
        flow: Book, own orders, record of events, trades and mids of the last minute.
        excess: (J, D) what events so far add to the intensities, per second.
        factors: (D,) what multiplies them in the present book.
        rates: (D,) scratch.
        key: (1,) uint64 key of the stream.
        clock: (3,) float64, see the constants.
        marks: (10,) int64, see the constants.
    """

    flow: FlowState
    excess: np.ndarray
    factors: np.ndarray
    rates: np.ndarray
    key: np.ndarray
    clock: np.ndarray
    marks: np.ndarray


class HawkesBookTables(NamedTuple):
    """Everything that does not change; see `sim.hawkes_book_params.HawkesBookParams`.

    Attributes:
        baseline: (D,).
        jumps: (D, J, D) [cause, term, affected], per second.
        excess: (J, D) stationary mean of the excitation: with which a market begins.
        decays: (J,).
        spread_edges: (S - 1,) int64.
        lots_edges: (L - 1,) int64.
        order_edges: int64.
        factors: (3, 8, 8).
        limit_lots: (3, Q) int64.
        take_lots: (L, Q) int64.
        sweep_lots: (Q,) int64.
        improve_by: (S, Q) int64.
        behind_by: (Q,) int64.
        repeat: (6,).
        scalars: (11,) float64, see the constants.
    """

    baseline: np.ndarray
    jumps: np.ndarray
    excess: np.ndarray
    decays: np.ndarray
    spread_edges: np.ndarray
    lots_edges: np.ndarray
    order_edges: np.ndarray
    factors: np.ndarray
    limit_lots: np.ndarray
    take_lots: np.ndarray
    sweep_lots: np.ndarray
    improve_by: np.ndarray
    behind_by: np.ndarray
    repeat: np.ndarray
    scalars: np.ndarray


def tables_of(params: HawkesBookParams) -> HawkesBookTables:
    """The parameters as the kernel reads them."""
    arrivals = params.arrivals
    scalars = np.zeros(11)
    scalars[INCREMENT], scalars[WINDOW] = params.increment_ticks, params.window
    scalars[LEAN], scalars[SIGMA], scalars[IMPACT] = params.lean, params.sigma, params.impact_per_lot
    scalars[SPREAD] = params.spread_ticks
    scalars[RESOLUTION] = params.resolution_ns
    scalars[REACH], scalars[BEHIND_ORDERS] = params.reach, params.behind_orders
    scalars[SPLIT_SHARE], scalars[SPLIT_POWER] = params.split_share, -1.0 / params.split_exponent
    names = (
        "spread_edges",
        "lots_edges",
        "factors",
        "limit_lots",
        "take_lots",
        "sweep_lots",
        "improve_by",
        "behind_by",
        "repeat",
    )
    return HawkesBookTables(
        baseline=np.array(arrivals.baseline),
        jumps=np.ascontiguousarray((arrivals.branching * arrivals.decays).transpose(1, 2, 0)),
        excess=np.ascontiguousarray(np.einsum("ikj,k->ji", arrivals.branching, params.rates)),
        decays=np.array(arrivals.decays),
        order_edges=np.array(ORDER_EDGES, np.int64),
        scalars=scalars,
        **{name: np.array(getattr(params, name), order="C") for name in names},
    )


def new_state(params: HawkesBookParams, seed: int, *, max_rows: int = 0) -> HawkesBookState:
    """An empty market; `sim.hawkes_book_kernel.start` makes it run."""
    kinds, terms = len(KINDS), params.arrivals.decays.size
    orders = 4_096 + int(min(20_000.0, 40.0 * params.behind_orders))
    return HawkesBookState(
        flow=_flow_state(orders, max_rows),
        excess=np.zeros((terms, kinds)),
        factors=np.ones(kinds),
        rates=np.zeros(kinds),
        key=seed_key(seed),
        clock=np.zeros(3),
        marks=np.zeros(10, np.int64),
    )


def seed_key(seed: int) -> np.ndarray:
    """(1,) uint64: the key of the stream of a seed."""
    return np.array([stream_key(seed & 0x7FFFFFFFFFFFFFFF, STREAM)], np.uint64)


def _flow_state(orders: int, max_rows: int) -> FlowState:
    """The parts of a flow that this market uses; it has no deadlines."""
    nothing = np.zeros(0)
    return FlowState(
        book=new_book(orders),
        heap_time=nothing,
        heap_id=np.zeros(0, np.int64),
        heap_slot=np.zeros(0, np.int64),
        asked=np.zeros(0, np.int64),
        bound=nothing,
        keys=np.zeros(N_STREAMS, np.uint64),
        clock=np.zeros(N_CLOCK),
        counts=np.zeros(N_COUNTS, np.int64),
        trades=np.zeros((_RING, 2), np.int64),
        mids=np.zeros(MID_RING),
        own=np.zeros(MAX_OWN, np.int64),
        own_fills=np.zeros((MAX_OWN_FILLS, FILL_COLUMNS), np.int64),
        rows=np.zeros((max_rows, N_ROW), np.int64),
        level_rows=np.zeros((0, 0), np.int64),
        efficient=nothing,
        activity=nothing,
    )


def tables_of_takes(params: HawkesBookParams) -> FlowTables:
    """Tables for `sim.flow_own.take_into`, which moves the efficient price by what was taken."""
    nothing, none, scalars = np.zeros(0), np.zeros(0, np.int64), np.zeros(N_SCALARS)
    scalars[FLOW_IMPACT] = params.impact_per_lot
    return FlowTables(nothing, nothing, nothing, none, none, none, scalars)
