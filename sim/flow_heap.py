"""When resting orders of the simulated flow are asked whether they are cancelled: a binary heap on arrays.

An order's entry outlives it where it was filled; whoever pops it finds another id in its slot, or none. Entries are
ordered by time, then id, so that the order of equal times does not depend on history.

Here: push and pop. Not here: what being asked means (sim/flow_kernel.py).
"""

from __future__ import annotations

from numba import njit

from sim.compile_options import INNER
from sim.flow_state import DEADLINES, FlowState


@njit(**INNER)
def has_room(state: FlowState) -> bool:
    """Whether another entry fits."""
    return state.counts[DEADLINES] < state.heap_time.size


@njit(**INNER)
def push(state: FlowState, time: float, order_id: int, slot: int) -> None:
    """Add an entry; the caller made sure of `has_room`."""
    at = state.counts[DEADLINES]
    state.counts[DEADLINES] = at + 1
    while at > 0:
        parent = (at - 1) // 2
        if not _before(time, order_id, state, parent):
            break
        _copy(state, parent, at)
        at = parent
    _store(state, at, time, order_id, slot)


@njit(**INNER)
def replace_first(state: FlowState, time: float, order_id: int, slot: int) -> None:
    """Put an entry in the place of the first one."""
    _sink(state, time, order_id, slot)


@njit(**INNER)
def pop(state: FlowState) -> None:
    """Remove the first entry; there must be one."""
    last = state.counts[DEADLINES] - 1
    state.counts[DEADLINES] = last
    if last > 0:
        _sink(state, state.heap_time[last], state.heap_id[last], state.heap_slot[last])


@njit(**INNER)
def _sink(state: FlowState, time: float, order_id: int, slot: int) -> None:
    """Let an entry fall from the top to its place."""
    n, at = state.counts[DEADLINES], 0
    while True:
        child = 2 * at + 1
        if child >= n:
            break
        if child + 1 < n and _before(state.heap_time[child + 1], state.heap_id[child + 1], state, child):
            child += 1
        if _before(time, order_id, state, child):
            break
        _copy(state, child, at)
        at = child
    _store(state, at, time, order_id, slot)


@njit(**INNER)
def _before(time: float, order_id: int, state: FlowState, at: int) -> bool:
    return time < state.heap_time[at] or (time == state.heap_time[at] and order_id < state.heap_id[at])


@njit(**INNER)
def _copy(state: FlowState, source: int, target: int) -> None:
    _store(state, target, state.heap_time[source], state.heap_id[source], state.heap_slot[source])


@njit(**INNER)
def _store(state: FlowState, at: int, time: float, order_id: int, slot: int) -> None:
    state.heap_time[at] = time
    state.heap_id[at] = order_id
    state.heap_slot[at] = slot
