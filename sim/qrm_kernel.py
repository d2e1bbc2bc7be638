"""What moves a queue-reactive book: arrivals, the reference price, purchases.

The next arrival of a book comes after an exponential time of its total rate and is one of its queues' by their rates,
which is the law of the first of one exponential clock for each queue and kind (minimum of independent exponentials).
An arrival is turned away, its time spent, when its queue is full, when there is nothing to take, or when it would empty
a side of the book.

The reference price may follow (probability theta) a change of the mid, unless an order inside the spread caused it
while the queue opposite, next to the reference price, is not empty: a price between two orders cannot follow.

Here: kernels on one row of `QrmState`. Not here: a task and its decisions (sim/qrm_task.py), the plain twin
(sim/qrm_python.py).
"""

from __future__ import annotations

from numba import njit

from sim.compile_options import INNER
from sim.qrm_params import CANCEL, LIMIT
from sim.qrm_state import (
    ARRIVAL,
    ARRIVALS,
    EVENTS,
    GUIDE,
    INTERVAL_BITS,
    MOVES,
    OPENING,
    REFERENCE,
    REJECTED,
    QrmState,
    QrmTables,
    episode_key,
)
from sim.random_stream import exponential, uniform

#: Rare and large: called, not inlined, or every kernel would be compiled with several copies of it.
_RARE = {name: value for name, value in INNER.items() if name != "forceinline"}

#: What `next_arrival` returns besides ``3 * queue + kind``.
NONE, TURNED_AWAY = -1, -2
#: Draws at an arrival's address.
CLOCK, PICK = 0, 1
#: Draws at a move's address: whether the reference price follows, whether the book is drawn afresh, its queues.
FOLLOW, AFRESH, QUEUES = 0, 1, 2
#: How often a side is drawn before its deepest queue is given a unit, a move tried before the reference price stays.
SIDE_TRIES, MOVE_TRIES = 4, 8


@njit(**INNER)
def best_level(state: QrmState, row: int, first: int, levels: int) -> int:
    """Level of the best occupied queue of the side whose queues begin at ``first``; ``levels``: it is empty."""
    for level in range(levels):
        if state.queues[row, first + level] > 0:
            return level
    return levels


@njit(**INNER)
def mid_half_ticks(state: QrmState, row: int) -> int:
    """Mid price, half ticks above the arrival price."""
    levels = state.queues.shape[1] // 2
    bid, ask = best_level(state, row, 0, levels), best_level(state, row, levels, levels)
    return 2 * state.counts[row, REFERENCE] + ask - bid


@njit(**INNER)
def draw_size(tables: QrmTables, queue: int, chance: float) -> int:
    """Size of a queue at the place ``chance`` of its cumulative law."""
    size = tables.guide[queue, int(chance * GUIDE)]
    while chance >= tables.law[queue, size]:
        size += 1
    return size


@njit(**INNER)
def refresh_rates(tables: QrmTables, state: QrmState, row: int) -> None:
    """Total rates after a change of all queues."""
    for queue in range(state.queues.shape[1]):
        state.rates[row, queue] = tables.totals[queue, state.queues[row, queue]]


@njit(**INNER)
def draw_book(tables: QrmTables, state: QrmState, row: int, stream: int, number: int) -> None:
    """All queues from their laws, given that no side is empty."""
    levels = state.queues.shape[1] // 2
    key = state.keys[row, stream]
    for side in range(2):
        first, units, tried = side * levels, 0, 0
        while units == 0 and tried < SIDE_TRIES:
            draw = QUEUES + (2 * tried + side) * levels
            for level in range(levels):
                size = draw_size(tables, first + level, uniform(key, number, draw + level))
                state.queues[row, first + level] = size
                units += size
            tried += 1
        if units == 0:
            state.queues[row, first + levels - 1] = 1


@njit(**INNER)
def shift_book(tables: QrmTables, state: QrmState, row: int, move: int, chance: float) -> None:
    """Orders keep their prices while the reference price goes a tick up (1) or down (-1); the new deep queue is drawn.

    Args:
        tables: Of the parameters.
        state: The books.
        row: Which.
        move: 1 or -1.
        chance: Uniform draw for the queue that comes into sight.
    """
    levels = state.queues.shape[1] // 2
    behind = 0 if move > 0 else levels  # side from which the reference price goes away
    before = levels - behind
    for level in range(levels - 1, 0, -1):
        state.queues[row, behind + level] = tables.deeper[level - 1, state.queues[row, behind + level - 1]]
    state.queues[row, behind] = 0
    for level in range(levels - 1):
        state.queues[row, before + level] = tables.nearer[level + 1, state.queues[row, before + level + 1]]
    state.queues[row, before + levels - 1] = draw_size(tables, before + levels - 1, chance)


@njit(**INNER)
def move_reference(tables: QrmTables, state: QrmState, row: int, stream: int, number: int, move: int) -> bool:
    """After the mid went up (1) or down (-1): the reference price may follow, the book may be drawn afresh.

    A shift that leaves a side empty is undone and all drawn again; after `MOVE_TRIES` the reference price stays.

    Returns:
        Whether the book was drawn afresh.
    """
    queues = state.queues.shape[1]
    levels = queues // 2
    key = state.keys[row, stream]
    for queue in range(queues):
        state.saved[row, queue] = state.queues[row, queue]
    for tried in range(MOVE_TRIES):
        address = number * MOVE_TRIES + tried
        if uniform(key, address, FOLLOW) >= tables.thetas[0]:
            return False
        afresh = uniform(key, address, AFRESH) < tables.thetas[1]
        if afresh:
            draw_book(tables, state, row, stream, address)
        else:
            shift_book(tables, state, row, move, uniform(key, address, QUEUES))
        if best_level(state, row, 0, levels) < levels and best_level(state, row, levels, levels) < levels:
            state.counts[row, REFERENCE] += move
            refresh_rates(tables, state, row)
            return afresh
        for queue in range(queues):
            state.queues[row, queue] = state.saved[row, queue]
    return False


@njit(**_RARE)
def open_book(tables: QrmTables, state: QrmState, row: int, seed: int, episode: int) -> None:
    """Draw the opening book of an episode; its reference price is the arrival price."""
    for stream in range(state.keys.shape[1]):
        state.keys[row, stream] = episode_key(seed, episode, stream)
    for place in range(state.counts.shape[1]):
        state.counts[row, place] = 0
    state.clock[row] = 0.0
    draw_book(tables, state, row, OPENING, 0)
    refresh_rates(tables, state, row)


@njit(**INNER)
def start_interval(state: QrmState, row: int, interval: int) -> None:
    """Give the arrivals from here on the addresses of ``interval``: what happened before moves none of them."""
    state.counts[row, ARRIVAL] = interval << INTERVAL_BITS


@njit(**INNER)
def next_arrival(tables: QrmTables, state: QrmState, row: int, until_s: float) -> int:
    """Move to the next arrival and apply it, or to ``until_s`` where none comes before.

    Returns:
        ``3 * queue + kind``; `NONE`: none came; `TURNED_AWAY`: one came and changed nothing.
    """
    queues = state.queues.shape[1]
    levels = queues // 2
    number, key = state.counts[row, ARRIVAL], state.keys[row, ARRIVALS]
    state.counts[row, ARRIVAL] = number + 1
    total = 0.0
    for queue in range(queues):
        total += state.rates[row, queue]
    at_s = state.clock[row] + exponential(key, number, CLOCK) / total
    if at_s > until_s:
        state.clock[row] = until_s
        return NONE
    state.clock[row] = at_s
    place = uniform(key, number, PICK) * total
    # Counted without a branch: which queue it is cannot be predicted, and a wrong guess costs more than the sums.
    queue, passed, reached = 0, 0.0, 0.0
    for other in range(queues - 1):
        reached += state.rates[row, other]
        beyond = place >= reached
        queue += 1 if beyond else 0
        passed = reached if beyond else passed
    place -= passed
    size = state.queues[row, queue]
    limit = tables.rates[queue, size, LIMIT]
    kind = (1 if place >= limit else 0) + (1 if place >= limit + tables.rates[queue, size, CANCEL] else 0)
    changed = size + 1 if kind == LIMIT else size - 1
    if changed < 0 or changed >= tables.totals.shape[1]:
        state.counts[row, REJECTED] += 1
        return TURNED_AWAY
    if size > 0 and changed > 0:  # neither best price can change
        state.queues[row, queue] = changed
        state.rates[row, queue] = tables.totals[queue, changed]
        state.counts[row, EVENTS] += 1
        return 3 * queue + kind
    return _touch_arrival(tables, state, row, queue, kind, number, levels)


@njit(**INNER)
def _touch_arrival(
    tables: QrmTables, state: QrmState, row: int, queue: int, kind: int, number: int, levels: int
) -> int:
    """Apply an arrival that fills an empty queue or empties one."""
    first = 0 if queue < levels else levels
    before = best_level(state, row, first, levels)
    opposite = best_level(state, row, levels - first, levels)
    changed = 1 if kind == LIMIT else 0
    state.queues[row, queue] = changed
    after = best_level(state, row, first, levels)
    if after == levels:
        state.queues[row, queue] = 1
        state.counts[row, REJECTED] += 1
        return TURNED_AWAY
    state.rates[row, queue] = tables.totals[queue, changed]
    state.counts[row, EVENTS] += 1
    if after != before and not (kind == LIMIT and opposite == 0):
        away = after > before
        up = away if first > 0 else not away
        move_reference(tables, state, row, MOVES, number, 1 if up else -1)
    return 3 * queue + kind


@njit(**INNER)
def advance(tables: QrmTables, state: QrmState, row: int, until_s: float) -> None:
    """All arrivals up to ``until_s``."""
    while next_arrival(tables, state, row, until_s) != NONE:
        pass
