"""The replay of a flat tape in compiled form, for environments that run many at once.

Here: the kernels of sim/market_kernels.py for a tape. Not here: the kernels themselves (sim/tape_own.py), the market in
Python (sim/replay_market.py).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from numba import njit

from sim.compile_options import MERGED
from sim.market_kernels import CompiledMarket, register
from sim.tape_own import (
    advance,
    cancel,
    depths_into,
    fills_into,
    now_ns,
    own_into,
    place,
    quotes_into,
    start,
    take,
    view_into,
)
from sim.tape_state import EventTape, TapeRun, TapeState


def compiled_tape(
    run: TapeRun, new_own: Callable[[], TapeState], opening: Callable[[int], tuple[int, int]], end_ns: int
) -> CompiledMarket:
    """A replay for kernels.

    Args:
        run: The tape and the state to share.
        new_own: Makes another state.
        opening: The first moment and the key of a seed.
        end_ns: The last moment of the bounds.
    """

    def row(seed: int) -> npt.NDArray[np.int64]:
        return np.array(opening(seed), np.uint64).view(np.int64)

    return CompiledMarket(run.tape, run.state, new_own, row, end_ns)


@njit(**MERGED)
def _start(shared: EventTape, own: TapeState, opening: np.ndarray) -> None:
    start(TapeRun(shared, own), opening[0], np.uint64(opening[1]))


@njit(**MERGED)
def _advance(shared: EventTape, own: TapeState, until_ns: int) -> bool:
    return advance(TapeRun(shared, own), until_ns)


@njit(**MERGED)
def _take(shared: EventTape, own: TapeState, side: int, lots: int) -> int:
    return take(TapeRun(shared, own), side, lots)


@njit(**MERGED)
def _place(shared: EventTape, own: TapeState, side: int, price: int, lots: int) -> int:
    return place(TapeRun(shared, own), side, price, lots)


@njit(**MERGED)
def _cancel(shared: EventTape, own: TapeState, number: int, lots: int) -> int:
    return cancel(TapeRun(shared, own), number, lots)


@njit(**MERGED)
def _own_into(shared: EventTape, own: TapeState, out: np.ndarray) -> int:
    return own_into(TapeRun(shared, own), out)


@njit(**MERGED)
def _fills_into(shared: EventTape, own: TapeState, out: np.ndarray) -> int:
    return fills_into(TapeRun(shared, own), out)


@njit(**MERGED)
def _quotes_into(shared: EventTape, own: TapeState, view: np.ndarray) -> None:
    quotes_into(TapeRun(shared, own), view)


@njit(**MERGED)
def _view_into(shared: EventTape, own: TapeState, view: np.ndarray) -> None:
    view_into(TapeRun(shared, own), view)


@njit(**MERGED)
def _depths_into(shared: EventTape, own: TapeState, out: np.ndarray) -> None:
    depths_into(TapeRun(shared, own), out)


@njit(**MERGED)
def _now_ns(shared: EventTape, own: TapeState) -> int:
    return now_ns(TapeRun(shared, own))


register(
    TapeState,
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
