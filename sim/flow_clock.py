"""What a new second changes in a simulated flow: activity, efficient price, the sample of the mid.

Here: kernels at whole seconds. Not here: events between them (sim/flow_kernel.py).
"""

from __future__ import annotations

import math

from numba import njit

from sim.book_state import ASK, BID
from sim.compile_options import INNER
from sim.flow_own import best_of_others
from sim.flow_state import (
    ACTIVITY,
    ACTIVITY_SD,
    EFFICIENT,
    LOG_ACTIVITY,
    MID_RING,
    MIDS,
    PERSISTENCE,
    SECOND,
    SECOND_NS,
    SECOND_START,
    SECONDS,
    SIGMA,
    FlowState,
    FlowTables,
)
from sim.random_stream import normal

NS = 1_000_000_000
#: Draws of a second: activity and efficient price, two each.
OF_ACTIVITY, _OF_PRICE = 0, 2
#: Added to the number of a second, which is negative while the flow warms up.
SECOND_OFFSET = 1_000_000


@njit(**INNER)
def next_second(state: FlowState, tables: FlowTables) -> None:
    """Sample the others' mid, move the efficient price by what the past second was worth, draw the new activity."""
    bid, ask = best_of_others(state, BID), best_of_others(state, ASK)
    if bid > 0 and ask > 0:
        state.mids[state.counts[MIDS] % MID_RING] = 0.5 * (bid + ask)
        state.counts[MIDS] += 1
    number = state.counts[SECOND] + 1
    at = number + SECOND_OFFSET
    if state.efficient.size > 0:
        last = state.efficient.size - 1
        now, before = min(max(number, 0), last), min(max(number - 1, 0), last)
        state.clock[EFFICIENT] *= math.exp(state.efficient[now] - state.efficient[before])
    else:
        step = math.sqrt(state.clock[ACTIVITY]) * normal(state.keys[SECONDS], at, _OF_PRICE)
        state.clock[EFFICIENT] *= math.exp(tables.scalars[SIGMA] * step)
    state.clock[SECOND_START] += state.clock[ACTIVITY]
    persistence = tables.scalars[PERSISTENCE]
    shock = tables.scalars[ACTIVITY_SD] * math.sqrt(1.0 - persistence * persistence)
    state.clock[LOG_ACTIVITY] *= persistence
    state.clock[LOG_ACTIVITY] += shock * normal(state.keys[SECONDS], at, OF_ACTIVITY)
    state.counts[SECOND] = number
    state.counts[SECOND_NS] += NS
    set_activity(state, tables)


@njit(**INNER)
def set_activity(state: FlowState, tables: FlowTables) -> None:
    """Activity of the present second, with mean 1 where it is our own."""
    sd = tables.scalars[ACTIVITY_SD]
    value = math.exp(state.clock[LOG_ACTIVITY] - 0.5 * sd * sd)
    if state.activity.size > 0:
        value = state.activity[min(max(state.counts[SECOND], 0), state.activity.size - 1)]
    state.clock[ACTIVITY] = max(value, 1e-6)
