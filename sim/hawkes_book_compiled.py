"""The Hawkes book in compiled form, for environments that run many at once.

An episode goes on from a kept start (sim/flow_starts.py): the next candidate is drawn anew; excitation, hidden order
and efficient price go on.

Here: the kernels of sim/market_kernels.py for it. Not here: the flow (sim/hawkes_book_kernel.py), own orders in it
(sim/flow_own.py), the market in Python (sim/hawkes_book_market.py).
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from sim.book import best_size
from sim.book_events import SWEEP, TAKE
from sim.compile_options import ENTRY, INNER
from sim.flow_compiled import new_scratch
from sim.flow_own import cancel_own, fills_into, own_into, place_own, take_into, write_depths, write_quotes, write_view
from sim.flow_starts import Starts, copy_values, keep_flow, take_up_flow
from sim.flow_state import NOW_NS, OWN_LIVE, FlowTables
from sim.hawkes_book import opening_spread
from sim.hawkes_book_kernel import answer, run, start
from sim.hawkes_book_params import HawkesBookParams
from sim.hawkes_book_state import DIRTY, HawkesBookState, HawkesBookTables, new_state, seed_key, tables_of
from sim.market_kernels import CompiledMarket, register
from sim.stacked import row_of


class HawkesBookShared(NamedTuple):
    """What markets of one kind share.

    Attributes:
        tables: The parameters.
        of_takes: Those of own takes.
        starts: Stack of kept states, see sim/flow_starts.py.
    """

    tables: HawkesBookTables
    of_takes: FlowTables
    starts: HawkesBookState


class HawkesBookOwn(NamedTuple):
    """One market.

    Attributes:
        state: Its state.
        scratch: (m, 3) int64, executions of a take.
    """

    state: HawkesBookState
    scratch: np.ndarray


@functools.lru_cache(maxsize=8)
def starts_of(params: HawkesBookParams, mid: float, start_ns: int, warm_up_s: int, number: int) -> Starts:
    """Starts of a book, which markets of the same arguments share; see `sim.hawkes_book_market.HawkesBookMarket`."""
    tables, spread = tables_of(params), opening_spread(params)

    def make(seed: int, kept: HawkesBookState, k: int) -> None:
        state = new_state(params, seed)
        start(state, tables, start_ns, warm_up_s, mid, spread)
        run(state, tables, start_ns)
        _keep(state, kept, k)

    return Starts(new_state(params, 0), number, make)


def compiled_book(
    params: HawkesBookParams, shared: HawkesBookShared, own: HawkesBookOwn, starts: Starts, end_ns: int
) -> CompiledMarket:
    """A Hawkes book for kernels.

    Args:
        params: The market.
        shared: Of the market.
        own: The state to share.
        starts: Those of ``shared``.
        end_ns: The last moment of the horizon.
    """

    def fresh() -> HawkesBookOwn:
        return HawkesBookOwn(new_state(params, 0), new_scratch())

    return CompiledMarket(shared, own, fresh, lambda seed: opening_of(starts, seed), end_ns)


def opening_of(starts: Starts, seed: int) -> npt.NDArray[np.int64]:
    """(2,) int64: the start of a seed and its key, for `begin`."""
    return np.concatenate([[starts.of(seed)], seed_key(seed).view(np.int64)])


@njit(**INNER)
def _copy_numbers(source: HawkesBookState, target: HawkesBookState) -> None:
    for term in range(source.excess.shape[0]):
        copy_values(source.excess[term], target.excess[term])
    copy_values(source.clock, target.clock)
    copy_values(source.marks, target.marks)


@njit(**ENTRY)
def _keep(m: HawkesBookState, starts: HawkesBookState, k: int) -> None:
    kept = row_of(starts, k)
    keep_flow(m.flow, kept.flow)
    _copy_numbers(m, kept)


@njit(**ENTRY)
def begin(shared: HawkesBookShared, own: HawkesBookOwn, opening: np.ndarray) -> None:
    """Go on from a kept start, see `opening_of`."""
    m, kept = own.state, row_of(shared.starts, opening[0])
    take_up_flow(kept.flow, m.flow)
    _copy_numbers(kept, m)
    m.key[0] = np.uint64(opening[1])
    m.marks[DIRTY] = 1


@njit(**ENTRY)
def take(shared: HawkesBookShared, own: HawkesBookOwn, side: int, lots: int) -> int:
    """Trade at once against what others display, and let limit orders and cancellations answer. Lots filled."""
    m = own.state
    shown = best_size(m.flow.book, 1 - side)
    filled = take_into(m.flow, shared.of_takes, own.scratch, side, lots)
    if filled > 0:
        answer(m, shared.tables, 2 * (SWEEP if filled >= shown else TAKE) + side)
    return filled


@njit(**INNER)
def _advance(shared: HawkesBookShared, own: HawkesBookOwn, until_ns: int) -> bool:
    if until_ns > own.state.flow.counts[NOW_NS]:
        run(own.state, shared.tables, until_ns)
    return True


@njit(**INNER)
def _place(shared: HawkesBookShared, own: HawkesBookOwn, side: int, price: int, lots: int) -> int:
    own.state.marks[DIRTY] = 1
    return place_own(own.state.flow, side, price, lots)


@njit(**INNER)
def _cancel(shared: HawkesBookShared, own: HawkesBookOwn, number: int, lots: int) -> int:
    own.state.marks[DIRTY] = 1
    return cancel_own(own.state.flow, number, lots)


@njit(**INNER)
def _own_into(shared: HawkesBookShared, own: HawkesBookOwn, out: np.ndarray) -> int:
    return own_into(own.state.flow, out) if own.state.flow.counts[OWN_LIVE] > 0 else 0


@njit(**INNER)
def _fills_into(shared: HawkesBookShared, own: HawkesBookOwn, out: np.ndarray) -> int:
    return fills_into(own.state.flow, out)


@njit(**INNER)
def _quotes_into(shared: HawkesBookShared, own: HawkesBookOwn, view: np.ndarray) -> None:
    write_quotes(own.state.flow, view)


@njit(**INNER)
def _view_into(shared: HawkesBookShared, own: HawkesBookOwn, view: np.ndarray) -> None:
    write_view(own.state.flow, view)


@njit(**INNER)
def _depths_into(shared: HawkesBookShared, own: HawkesBookOwn, out: np.ndarray) -> None:
    write_depths(own.state.flow, out)


@njit(**INNER)
def _now_ns(shared: HawkesBookShared, own: HawkesBookOwn) -> int:
    return own.state.flow.counts[NOW_NS]


register(
    HawkesBookOwn,
    start=begin,
    advance=_advance,
    take=take,
    place=_place,
    cancel=_cancel,
    own_into=_own_into,
    fills_into=_fills_into,
    quotes_into=_quotes_into,
    view_into=_view_into,
    depths_into=_depths_into,
    now_ns=_now_ns,
)
