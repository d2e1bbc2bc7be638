"""The simulated flow in compiled form, for environments that run many at once.

Here: the kernels of sim/market_kernels.py for a flow. Not here: the flow (sim/flow_kernel.py), own orders in it
(sim/flow_own.py), the market in Python (sim/flow_market.py).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from sim.compile_options import CALLED, MERGED
from sim.flow_kernel import run, start
from sim.flow_own import cancel_own, own_into, place_own, take_into, write_depths, write_quotes, write_view
from sim.flow_params import FlowParams
from sim.flow_state import MAX_OWN_FILLS, NOW_NS, OWN_FILLS, OWN_LIVE, FlowState, FlowTables, new_state, stream_keys
from sim.market_kernels import CompiledMarket, register
from sim.matching import FILLED_COLUMNS

#: Places of `FlowShared.numbers`: moment of a reset, ns; warm-up, s; opening spread, increments.
_START_NS, _WARM_UP_S, _SPREAD = 0, 1, 2
#: Rows of the scratch of a take.
TAKEN_AT_ONCE = 256


class FlowShared(NamedTuple):
    """What flows of one market share.

    Attributes:
        tables: The parameters.
        numbers: (3,) int64, see the constants.
        mid: (1,) float64, efficient price when the warm-up begins, ticks.
    """

    tables: FlowTables
    numbers: np.ndarray
    mid: np.ndarray


class FlowOwn(NamedTuple):
    """One flow.

    Attributes:
        state: Its state.
        scratch: (m, 3) int64, executions of a take.
    """

    state: FlowState
    scratch: np.ndarray


def compiled_flow(
    params: FlowParams, tables: FlowTables, own: FlowOwn, opening: tuple[int, int, int, float], end_ns: int
) -> CompiledMarket:
    """A flow for kernels.

    Args:
        params: The flow.
        tables: Of the parameters.
        own: The state to share.
        opening: Moment of a reset in ns, warm-up in s, spread in increments, efficient price in ticks.
        end_ns: The last moment of the horizon.
    """

    def keys(seed: int) -> npt.NDArray[np.int64]:
        return stream_keys(seed).view(np.int64)

    def fresh() -> FlowOwn:
        return FlowOwn(new_state(params, 0), np.zeros_like(own.scratch))

    shared = FlowShared(tables, np.array(opening[:3], np.int64), np.array(opening[3:]))
    return CompiledMarket(shared, own, fresh, keys, end_ns)


def new_scratch() -> np.ndarray:
    """An array for `FlowOwn.scratch`."""
    return np.zeros((TAKEN_AT_ONCE, FILLED_COLUMNS), np.int64)


@njit(**MERGED)
def _start(shared: FlowShared, own: FlowOwn, opening: np.ndarray) -> None:
    for stream in range(own.state.keys.size):
        own.state.keys[stream] = np.uint64(opening[stream])
    begin_ns = shared.numbers[_START_NS]
    start(own.state, shared.tables, begin_ns, shared.numbers[_WARM_UP_S], shared.mid[0], shared.numbers[_SPREAD])
    run(own.state, shared.tables, begin_ns)


@njit(**MERGED)
def _advance(shared: FlowShared, own: FlowOwn, until_ns: int) -> bool:
    if until_ns > own.state.counts[NOW_NS]:
        run(own.state, shared.tables, until_ns)
    return True


@njit(**MERGED)
def _take(shared: FlowShared, own: FlowOwn, side: int, lots: int) -> int:
    return take_into(own.state, shared.tables, own.scratch, side, lots)


@njit(**MERGED)
def _place(shared: FlowShared, own: FlowOwn, side: int, price: int, lots: int) -> int:
    return place_own(own.state, side, price, lots)


@njit(**MERGED)
def _cancel(shared: FlowShared, own: FlowOwn, number: int, lots: int) -> int:
    return cancel_own(own.state, number, lots)


@njit(**MERGED)
def _own_into(shared: FlowShared, own: FlowOwn, out: np.ndarray) -> int:
    return own_into(own.state, out) if own.state.counts[OWN_LIVE] > 0 else 0


@njit(**CALLED)
def _fills_into(shared: FlowShared, own: FlowOwn, out: np.ndarray) -> int:
    counts, fills = own.state.counts, own.state.own_fills
    held = counts[OWN_FILLS]
    if held > MAX_OWN_FILLS:
        return -1
    told = min(held, out.shape[0])
    for i in range(held):
        for column in range(fills.shape[1]):
            if i < told:
                out[i, column] = fills[i, column]
            else:
                fills[i - told, column] = fills[i, column]
    counts[OWN_FILLS] = held - told
    return told


@njit(**MERGED)
def _quotes_into(shared: FlowShared, own: FlowOwn, view: np.ndarray) -> None:
    write_quotes(own.state, view)


@njit(**MERGED)
def _view_into(shared: FlowShared, own: FlowOwn, view: np.ndarray) -> None:
    write_view(own.state, view)


@njit(**MERGED)
def _depths_into(shared: FlowShared, own: FlowOwn, out: np.ndarray) -> None:
    write_depths(own.state, out)


@njit(**MERGED)
def _now_ns(shared: FlowShared, own: FlowOwn) -> int:
    return own.state.counts[NOW_NS]


register(
    FlowOwn,
    start=_start,
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
