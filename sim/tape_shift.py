"""How our takes move the price of a tape, beyond the depth they consume.

The shift is that of sim/impact_models.py: a permanent part and decays, pushed by takes. A resting order of ours that
fills pushes nothing: its aggressor is one of the tape's, and what it did to the price is in the tape.

Prices stand at whole quote increments, so that every price of the tape is seen floor(shift / increment + u) increments
higher, with u uniform in [0, 1), drawn once an episode: in the mean over u exactly the shift, and within an episode
without a coin thrown at every look. It is asked for right after a take and every `EVERY_NS` of the clock, whatever the
steps time is run in.

Own orders stay at their price, and so come to another price of the tape when the shift changes: there they stand behind
all that is displayed, and trade at once where it reaches the other side.

Here: kernels. Not here: which model (sim/tape_impact.py).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from sim.compile_options import ENTRY, INNER, MERGED
from sim.market import OWN_PRICE, OWN_SIDE
from sim.queue_models import queue_at_placement
from sim.tape_book import lots_at
from sim.tape_kernel import fill_by_quote
from sim.tape_state import (
    IMPACT_RATE,
    IMPACT_TICKS,
    IMPACT_WEIGHT,
    INCREMENT,
    NOW_NS,
    OWN_LEVEL,
    OWN_LIVE,
    OWN_PLACED,
    OWN_TAPE_PRICE,
    OWN_TRADED,
    PUSHED_NS,
    ROUNDING,
    ROW,
    SHIFT,
    TOP_ASK,
    TOP_BID,
    EventTape,
    TapeState,
)

#: How often a decaying shift is asked for.
EVERY_NS = 100_000_000
_S = 1e-9


@njit(**INNER)
def shifted(state: TapeState) -> int:
    """Ticks every price of the tape is seen higher now."""
    return state.counts[SHIFT] * state.counts[INCREMENT]


@njit(**INNER)
def _steps(state: TapeState, at_ns: int) -> int:
    """Increments of the shift at a moment not before the last push."""
    impact, ticks = state.impact, 0.0
    age_s = (at_ns - state.counts[PUSHED_NS]) * _S
    for part in range(impact.shape[0]):
        ticks += impact[part, IMPACT_TICKS] * math.exp(-impact[part, IMPACT_RATE] * age_s)
    return np.int64(math.floor(ticks / state.counts[INCREMENT] + state.numbers[ROUNDING]))  # type: ignore[return-value]


@njit(**ENTRY)
def push(tape: EventTape, state: TapeState, lots: int) -> None:
    """Move the price by a take of this moment, bought positive."""
    impact, counts = state.impact, state.counts
    if impact.shape[0] == 0 or lots == 0:
        return
    age_s = (counts[NOW_NS] - counts[PUSHED_NS]) * _S
    for part in range(impact.shape[0]):
        left = impact[part, IMPACT_TICKS] * math.exp(-impact[part, IMPACT_RATE] * age_s)
        impact[part, IMPACT_TICKS] = left + impact[part, IMPACT_WEIGHT] * lots
    _keep_prices_positive(tape, state)
    counts[PUSHED_NS] = counts[NOW_NS]
    reprice(tape, state, counts[NOW_NS])


@njit(**MERGED)
def _keep_prices_positive(tape: EventTape, state: TapeState) -> None:
    """Sales push the price down by no more than half of it, whatever is sold."""
    impact, down = state.impact, 0.0
    for part in range(impact.shape[0]):
        down -= min(0.0, impact[part, IMPACT_TICKS])
    most = 0.5 * max(tape.top[state.counts[ROW], TOP_BID], tape.top[state.counts[ROW], TOP_ASK])
    if down > most:
        for part in range(impact.shape[0]):
            if impact[part, IMPACT_TICKS] < 0.0:
                impact[part, IMPACT_TICKS] *= most / down


@njit(**INNER)
def asked_ns(state: TapeState, at_ns: int) -> int:
    """When the shift of a moment was last asked for."""
    return max(state.counts[PUSHED_NS], at_ns // EVERY_NS * EVERY_NS)


@njit(**ENTRY)
def is_steady(state: TapeState, until_ns: int) -> bool:
    """Whether the shift stays the same until then: parts of one sign fall to 0 without turning."""
    above = below = False
    for part in range(state.impact.shape[0]):
        if state.impact[part, IMPACT_RATE] > 0.0:
            above |= state.impact[part, IMPACT_TICKS] > 0.0
            below |= state.impact[part, IMPACT_TICKS] < 0.0
    return not (above and below) and _steps(state, asked_ns(state, until_ns)) == state.counts[SHIFT]


@njit(**ENTRY)
def reprice(tape: EventTape, state: TapeState, at_ns: int) -> None:
    """Set the shift to that of a moment, and bring own orders to their new price of the tape."""
    counts, own = state.counts, state.own
    steps = _steps(state, asked_ns(state, at_ns))
    if steps == counts[SHIFT]:
        return
    counts[SHIFT] = steps
    for k in range(counts[OWN_LIVE]):
        queue_order(tape, state, k)
    if counts[OWN_LIVE] and _reaches(tape, state, own):
        fill_by_quote(tape, state)


@njit(**INNER)
def queue_order(tape: EventTape, state: TapeState, k: int) -> None:
    """Put own order ``k`` behind all that the tape displays at its price."""
    own, row = state.own, state.counts[ROW]
    price = own[k, OWN_PRICE] - shifted(state)
    own[k, OWN_TAPE_PRICE], own[k, OWN_PLACED], own[k, OWN_TRADED] = price, row, 0
    own[k, OWN_LEVEL] = lots_at(tape, row, own[k, OWN_SIDE], price)
    state.ahead[k] = queue_at_placement(state.queue, own[k, OWN_LEVEL])


@njit(**MERGED)
def _reaches(tape: EventTape, state: TapeState, own: np.ndarray) -> bool:
    """Whether an own order reaches the other side of the tape."""
    bid, ask = tape.top[state.counts[ROW], 0], tape.top[state.counts[ROW], 2]
    for k in range(state.counts[OWN_LIVE]):
        price = own[k, OWN_TAPE_PRICE]
        if (price >= ask and ask > 0) if own[k, OWN_SIDE] == 0 else price <= bid:
            return True
    return False
