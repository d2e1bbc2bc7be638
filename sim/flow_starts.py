"""Starts of simulated markets: a few that have warmed up are kept, and an episode goes on from one of them.

A seed says which of them, and gives the random numbers from then on: what the kept market had drawn for the time after
is drawn anew, so that episodes from one start are as different as any two futures of one book. Waiting times have no
memory, so it does not matter to their law. A start is made when it is first asked for, from a seed that no episode has.

Here: `Starts`, kernels that keep and take up a flow. Not here: what is drawn anew (sim/flow_compiled.py,
sim/hawkes_book_compiled.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from sim.book_copy import fill_book, keep_book
from sim.book_state import LEVELS
from sim.compile_options import CALLED, INNER
from sim.flow_state import DEADLINES, NOW_NS, OWN_FILLS, OWN_LIVE, OWN_PLACED, TRADE_TS, TRADES, FlowState
from sim.market import VIEW_WINDOW_NS
from sim.order_index import EMPTY
from sim.random_stream import stream_key, uniform

#: Starts a market keeps: books an episode can begin with.
STARTS = 64
#: Number of the stream that chooses one, see sim/random_stream.py; seeds of their own random numbers come from here on.
_STREAM, _FIRST_SEED = 105, 1 << 62
_MASK = (1 << 63) - 1
#: Arrays that a kept flow does without.
_LEFT_OUT = {
    "free",
    "pending",
    "index_keys",
    "index_slots",
    "log",
    "order_state",
    "own",
    "own_fills",
    "heap_time",
    "heap_id",
    "heap_slot",
}


class Starts:
    """The kept markets of one kind.

    Attributes:
        kept: Their states, a stack (sim/stacked.py) without `_LEFT_OUT`.

    Args:
        state: A state of the kind.
        number: How many.
        make: ``make(seed, kept, k)`` warms a market up and writes it to place ``k`` of ``kept``.
    """

    def __init__(self, state: Any, number: int, make: Callable[[int, Any, int], None]) -> None:
        self.kept = _room_for(state, number)
        self._made, self._make, self._lock = np.zeros(number, np.bool_), make, threading.Lock()

    def of(self, seed: int) -> int:
        """The start of a seed, which is there afterwards."""
        k = int(uniform(np.uint64(stream_key(seed & _MASK, _STREAM)), 0, 0) * self._made.size)
        if not self._made[k]:
            with self._lock:
                if not self._made[k]:
                    self._make(_FIRST_SEED + k, self.kept, k)
                    self._made[k] = True
        return k


def _room_for(state: Any, number: int) -> Any:
    """Zeros for ``number`` states; memory that is never written is never taken."""
    parts = []
    for name, part in zip(state._fields, state, strict=True):
        if isinstance(part, tuple):
            parts.append(_room_for(part, number))
        else:
            shape = (0,) * part.ndim if name in _LEFT_OUT else part.shape
            parts.append(np.zeros((number, *shape), part.dtype))
    return type(state)(*parts)


@njit(**INNER)
def copy_values(source: np.ndarray, target: np.ndarray) -> None:
    """Copy an array of one axis."""
    for i in range(source.size):
        target[i] = source[i]


@njit(**INNER)
def _copy_numbers(source: FlowState, target: FlowState) -> None:
    copy_values(source.counts, target.counts)
    copy_values(source.clock, target.clock)
    copy_values(source.mids, target.mids)


@njit(**CALLED)
def keep_flow(flow: FlowState, kept: FlowState) -> None:
    """Write a flow without own orders to ``kept``: of its trades those a view looks at."""
    keep_book(flow.book, kept.book)
    _copy_numbers(flow, kept)
    n = 0
    if flow.counts[DEADLINES] > 0:
        # In the order in which `keep_book` numbers slots.
        for side in range(2):
            for at in range(flow.book.counters[LEVELS + side]):
                slot = flow.book.level_head[side, at]
                while slot != EMPTY:
                    kept.asked[n], kept.bound[n] = flow.asked[slot], flow.bound[slot]
                    n, slot = n + 1, flow.book.order_next[slot]
    n, ring = 0, flow.trades.shape[0]
    for i in range(max(0, flow.counts[TRADES] - ring), flow.counts[TRADES]):
        if flow.trades[i % ring, TRADE_TS] > flow.counts[NOW_NS] - VIEW_WINDOW_NS:
            copy_values(flow.trades[i % ring], kept.trades[n])
            n += 1
    kept.counts[TRADES] = n


@njit(**CALLED)
def take_up_flow(kept: FlowState, flow: FlowState) -> None:
    """Give ``flow`` the state of a kept one, but keys and deadlines."""
    fill_book(kept.book, flow.book)
    _copy_numbers(kept, flow)
    for i in range(kept.counts[TRADES]):
        copy_values(kept.trades[i], flow.trades[i])
    for place in (OWN_PLACED, OWN_LIVE, OWN_FILLS, DEADLINES):
        flow.counts[place] = 0
