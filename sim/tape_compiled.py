"""The replay of a flat tape in compiled form, for environments that run many at once.

Here: the kernels of sim/market_kernels.py for a tape. Not here: the kernels themselves (sim/tape_own.py), the market in
Python (sim/replay_market.py).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from numba import njit

from sim.compile_options import INNER
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
from sim.tape_state import TapeRun, TapeState


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


@njit(**INNER)
def _start(run: TapeRun, opening: np.ndarray) -> None:
    start(run, opening[0], np.uint64(opening[1]))


register(
    TapeState,
    together=TapeRun,
    start=_start,
    advance=advance,
    take=take,
    place=place,
    cancel=cancel,
    own_into=own_into,
    fills_into=fills_into,
    quotes_into=quotes_into,
    view_into=view_into,
    depths_into=depths_into,
    now_ns=now_ns,
)
