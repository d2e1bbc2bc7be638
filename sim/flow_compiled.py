"""The simulated flow in compiled form, for environments that run many at once.

An episode goes on from a kept start (sim/flow_starts.py): the next arrival and the moments at which resting orders are
asked are drawn anew; hidden order, activity and efficient price go on.

Here: the kernels of sim/market_kernels.py for a flow. Not here: the flow (sim/flow_kernel.py), own orders in it
(sim/flow_own.py), the market in Python (sim/flow_market.py).
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from sim.compile_options import ENTRY, INNER
from sim.flow_kernel import draw_anew, run, start
from sim.flow_own import cancel_own, fills_into, own_into, place_own, take_into, write_depths, write_quotes, write_view
from sim.flow_params import FlowParams
from sim.flow_starts import Starts, keep_flow, take_up_flow
from sim.flow_state import (
    NOW_NS,
    OWN_LIVE,
    FlowState,
    FlowTables,
    new_state,
    opening_spread,
    stream_keys,
    tables_of,
)
from sim.market_kernels import CompiledMarket, register
from sim.matching import FILLED_COLUMNS
from sim.stacked import row_of

#: Rows of the scratch of a take.
TAKEN_AT_ONCE = 256


class FlowShared(NamedTuple):
    """What flows of one market share.

    Attributes:
        tables: The parameters.
        starts: Stack of kept flows, see sim/flow_starts.py.
    """

    tables: FlowTables
    starts: FlowState


class FlowOwn(NamedTuple):
    """One flow.

    Attributes:
        state: Its state.
        scratch: (m, 3) int64, executions of a take.
    """

    state: FlowState
    scratch: np.ndarray


@functools.lru_cache(maxsize=8)
def starts_of(params: FlowParams, mid: float, start_ns: int, warm_up_s: int, number: int) -> Starts:
    """Starts of a flow, which markets of the same arguments share; see `sim.flow_market.FlowMarket`."""
    tables, spread = tables_of(params), opening_spread(params)

    def make(seed: int, kept: FlowState, k: int) -> None:
        state = new_state(params, seed)
        start(state, tables, start_ns, warm_up_s, mid, spread)
        run(state, tables, start_ns)
        _keep(state, kept, k)

    return Starts(new_state(params, 0), number, make)


def compiled_flow(params: FlowParams, shared: FlowShared, own: FlowOwn, starts: Starts, end_ns: int) -> CompiledMarket:
    """A flow for kernels.

    Args:
        params: The flow.
        shared: Of the market.
        own: The state to share.
        starts: Those of ``shared``.
        end_ns: The last moment of the horizon.
    """

    def fresh() -> FlowOwn:
        return FlowOwn(new_state(params, 0), np.zeros_like(own.scratch))

    return CompiledMarket(shared, own, fresh, lambda seed: opening_of(starts, seed), end_ns)


def opening_of(starts: Starts, seed: int) -> npt.NDArray[np.int64]:
    """(6,) int64: the start of a seed and its keys, for `begin`."""
    return np.concatenate([[starts.of(seed)], stream_keys(seed).view(np.int64)])


def new_scratch() -> np.ndarray:
    """An array for `FlowOwn.scratch`."""
    return np.zeros((TAKEN_AT_ONCE, FILLED_COLUMNS), np.int64)


@njit(**ENTRY)
def _keep(state: FlowState, starts: FlowState, k: int) -> None:
    keep_flow(state, row_of(starts, k))


@njit(**ENTRY)
def begin(shared: FlowShared, own: FlowOwn, opening: np.ndarray) -> None:
    """Go on from a kept start, see `opening_of`."""
    kept = row_of(shared.starts, opening[0])
    take_up_flow(kept, own.state)
    for stream in range(own.state.keys.size):
        own.state.keys[stream] = np.uint64(opening[1 + stream])
    draw_anew(own.state, shared.tables, kept)


@njit(**INNER)
def _advance(shared: FlowShared, own: FlowOwn, until_ns: int) -> bool:
    if until_ns > own.state.counts[NOW_NS]:
        run(own.state, shared.tables, until_ns)
    return True


@njit(**INNER)
def _take(shared: FlowShared, own: FlowOwn, side: int, lots: int) -> int:
    return take_into(own.state, shared.tables, own.scratch, side, lots)


@njit(**INNER)
def _place(shared: FlowShared, own: FlowOwn, side: int, price: int, lots: int) -> int:
    return place_own(own.state, side, price, lots)


@njit(**INNER)
def _cancel(shared: FlowShared, own: FlowOwn, number: int, lots: int) -> int:
    return cancel_own(own.state, number, lots)


@njit(**INNER)
def _own_into(shared: FlowShared, own: FlowOwn, out: np.ndarray) -> int:
    return own_into(own.state, out) if own.state.counts[OWN_LIVE] > 0 else 0


@njit(**INNER)
def _fills_into(shared: FlowShared, own: FlowOwn, out: np.ndarray) -> int:
    return fills_into(own.state, out)


@njit(**INNER)
def _quotes_into(shared: FlowShared, own: FlowOwn, view: np.ndarray) -> None:
    write_quotes(own.state, view)


@njit(**INNER)
def _view_into(shared: FlowShared, own: FlowOwn, view: np.ndarray) -> None:
    write_view(own.state, view)


@njit(**INNER)
def _depths_into(shared: FlowShared, own: FlowOwn, out: np.ndarray) -> None:
    write_depths(own.state, out)


@njit(**INNER)
def _now_ns(shared: FlowShared, own: FlowOwn) -> int:
    return own.state.counts[NOW_NS]


register(
    FlowOwn,
    start=begin,
    advance=_advance,
    take=_take,
    place=_place,
    cancel=_cancel,
    own_into=_own_into,
    fills_into=_fills_into,
    quotes_into=_quotes_into,
    view_into=_view_into,
    depths_into=_depths_into,
    now_ns=_now_ns,
)
