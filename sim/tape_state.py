"""A tape as flat arrays, and the state of one trader on it.

History does not react to us: everything a replay shows is prepared once a tape, and an episode is a row number, own
orders, what we took, and how far we moved the price. Nothing has to be replayed to start somewhere, and a step reads
only what happened since the last one. Any number of states share a tape.

Times are ns UTC, prices ticks, sizes lots. "After i rows" is before row i.

Here: the structures, their meaning, empty states. Not here: making a tape (sim/tape_orders.py, sim/tape_levels.py), the
displayed levels at a row (sim/tape_book.py), what moves a state (sim/tape_kernel.py, sim/tape_own.py).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from sim.compile_options import INNER
from sim.market import FILL_COLUMNS, OWN_COLUMNS
from sim.queue_models import QueueModel

#: Columns of `EventTape.top`.
TOP_BID, TOP_BID_LOTS, TOP_ASK, TOP_ASK_LOTS = 0, 1, 2, 3
#: Columns of `EventTape.sums`: lots traded, lots bought minus sold by the aggressor, executions.
SUM_VOLUME, SUM_SIGNED, SUM_TRADES = 0, 1, 2
#: Of `change_entered` and `exec_hit`: the tape does not tell when the order came to its place.
UNKNOWN = -1
#: Best levels a side that near snapshots hold, rows between two of them, rows between two of all levels.
NEAR_LEVELS, NEAR_EVERY, DEEP_EVERY = 64, 128, 8_192


class EventTape(NamedTuple):
    """n rows of an instrument-day; C-contiguous arrays nobody writes to.

    Attributes:
        ts_ns: (n,) int64, clock: running maximum of ts_recv.
        top: (n + 1, 4) int64, best bid and lots, best ask and lots after i rows; 0: empty side.
        depth: (n + 1, 2) int64, lots on the `VIEW_LEVELS` best levels a side after i rows.
        sums: (n + 1, 3) int64, running sums after i rows, see the constants.
        variance: (seconds + 1,) running sum of squared log mid returns; mids sampled at whole seconds of UTC.
        first_second: (1,) int64, the second of its first element, after the epoch.
        quoted: (n,) int64, each row itself or the first one behind it with a two-sided book; n where there is none.
        change_first: (n + 1,) int64: changes of the displayed queues by row i are those from [i] up to [i + 1].
        change_side: (c,) uint8.
        change_price: (c,) int64.
        change_lots: (c,) int64, signed; the level at (side, price) changes by the sum.
        change_entered: (c,) int32, the row that put the changed order at its place; `UNKNOWN`: before all that is told.
            Lots ahead of an order placed after i rows change by those that entered before row i.
        exec_first: (n + 1,) int64: executions told by row i are those from [i] up to [i + 1].
        exec_side: (e,) uint8, of the resting order.
        exec_price: (e,) int64.
        exec_lots: (e,) int64.
        exec_hit: (e,) int32, the row that put the executed order at its place, or `UNKNOWN`.
        exec_kind: (e,) uint8, codes of the schema: F, an order of the tape; T, a print.
        near_first: (2 s + 1,) int64; snapshot k holds levels after k `NEAR_EVERY` rows, those of side d from
            [2 k + d] up to [2 k + d + 1], best first, at most `NEAR_LEVELS`.
        near_price: int64.
        near_lots: int64.
        deep_first: As ``near_first``, every `DEEP_EVERY` rows, all levels.
        deep_price: int64.
        deep_lots: int64.
    """

    ts_ns: np.ndarray
    top: np.ndarray
    depth: np.ndarray
    sums: np.ndarray
    variance: np.ndarray
    first_second: np.ndarray
    quoted: np.ndarray
    change_first: np.ndarray
    change_side: np.ndarray
    change_price: np.ndarray
    change_lots: np.ndarray
    change_entered: np.ndarray
    exec_first: np.ndarray
    exec_side: np.ndarray
    exec_price: np.ndarray
    exec_lots: np.ndarray
    exec_hit: np.ndarray
    exec_kind: np.ndarray
    near_first: np.ndarray
    near_price: np.ndarray
    near_lots: np.ndarray
    deep_first: np.ndarray
    deep_price: np.ndarray
    deep_lots: np.ndarray


#: Own orders at once, fills told at once, prices at which lots are still missing.
MAX_OWN, MAX_FILLS, MAX_TAKEN = 64, 2_048, 1_024

#: Columns of `TapeState.own` behind those of sim/market.py: rows applied when the order came to its place; its price on
#: the tape, which is the own price without our shift; lots the tape displays there; lots executed there since the last
#: decrease.
OWN_PLACED, OWN_TAPE_PRICE, OWN_LEVEL, OWN_TRADED = OWN_COLUMNS, OWN_COLUMNS + 1, OWN_COLUMNS + 2, OWN_COLUMNS + 3
OWN_WIDTH = OWN_COLUMNS + 4
#: Columns of `TapeState.taken`: side of the orders taken from, price on the tape, time, lots the tape displays there.
TAKEN_SIDE, TAKEN_PRICE, TAKEN_NS, TAKEN_LEVEL = 0, 1, 2, 3
TAKEN_WIDTH = 4
#: Columns of `TapeState.impact`: ticks per lot, rate per second (0: permanent), ticks at the last own take.
IMPACT_WEIGHT, IMPACT_RATE, IMPACT_TICKS = 0, 1, 2
IMPACT_WIDTH = 3

#: Places of `TapeState.counts`, int64.
ROW = 0  # rows applied
NOW_NS = 1
OWN_LIVE = 2
OWN_NUMBERS = 3  # own orders so far
FILLS = 4
TAKEN = 5
SHIFT = 6  # how far we moved the price, in quote increments
PUSHED_NS = 7  # the last own take, 0: none
INCREMENT = 8  # quote increment, ticks
WINDOW_ROW = 9  # rows applied to the window, -1: none
WINDOW_LEVELS = 10  # WINDOW_LEVELS + side
WINDOW_WHOLE = 12  # WINDOW_WHOLE + side: 1 where the window holds all levels of the side
WINDOW_WORST = 14  # WINDOW_WORST + side: key of the worst price it holds otherwise
N_COUNTS = 16

#: Places of `TapeState.numbers`, float64.
HALF_LIFE_NS = 0  # until half of the depth we took is displayed again
ROUNDING = 1  # of this episode, in [0, 1): the shift is rounded up where its fraction is above 1 - this
N_NUMBERS = 2


class TapeState(NamedTuple):
    """One trader on a tape.

    Attributes:
        counts: (`N_COUNTS`,) int64, see the constants.
        numbers: (`N_NUMBERS`,) float64.
        own: (`MAX_OWN`, `OWN_WIDTH`) int64, own orders in order of number.
        ahead: (`MAX_OWN`,) float64, lots of others ahead of each.
        fills: (`MAX_FILLS`, 4) int64, layout of sim/market.py.
        taken: (`MAX_TAKEN`, `TAKEN_WIDTH`) int64.
        taken_lots: (`MAX_TAKEN`,) float64, lots missing at that time.
        impact: (parts, `IMPACT_WIDTH`) float64; no parts: our takes move no price.
        queue: (2,) float64, queue model, see sim/queue_models.py.
        window_key: (2, w) int64, displayed levels at `WINDOW_ROW`: price of bids, minus price of asks, ascending: the
            last one is the best. What we took is in them.
        window_lots: (2, w) int64.
    """

    counts: np.ndarray
    numbers: np.ndarray
    own: np.ndarray
    ahead: np.ndarray
    fills: np.ndarray
    taken: np.ndarray
    taken_lots: np.ndarray
    impact: np.ndarray
    queue: np.ndarray
    window_key: np.ndarray
    window_lots: np.ndarray


class TapeRun(NamedTuple):
    """A tape and a trader on it: what every kernel takes."""

    tape: EventTape
    state: TapeState


def new_states(
    traders: int,
    levels: int,
    increment_ticks: int,
    half_life_ns: float,
    impact: np.ndarray | None = None,
    queue: np.ndarray | None = None,
) -> TapeState:
    """States of several traders, each array with a leading axis for the trader; see `state_of`.

    Args:
        traders: How many.
        levels: Most levels a side the tape displays at once (`most_levels`).
        increment_ticks: Quote increment.
        half_life_ns: Until half of the depth we took is displayed again.
        impact: (parts, 2) float64, ticks per lot and rate per second of what takes do to the price; none: nothing.
        queue: (2,) float64, `QueueModel.encoded`; none: the tape tells who was ahead.
    """
    parts = np.zeros((0, 2)) if impact is None else impact
    model = QueueModel().encoded() if queue is None else queue
    state = TapeState(
        counts=np.zeros((traders, N_COUNTS), np.int64),
        numbers=np.zeros((traders, N_NUMBERS)),
        own=np.zeros((traders, MAX_OWN, OWN_WIDTH), np.int64),
        ahead=np.zeros((traders, MAX_OWN)),
        fills=np.zeros((traders, MAX_FILLS, FILL_COLUMNS), np.int64),
        taken=np.zeros((traders, MAX_TAKEN, TAKEN_WIDTH), np.int64),
        taken_lots=np.zeros((traders, MAX_TAKEN)),
        impact=np.zeros((traders, len(parts), IMPACT_WIDTH)),
        queue=np.tile(model, (traders, 1)),
        # Room to spare: within a row a level may come before another goes.
        window_key=np.zeros((traders, 2, levels + 2), np.int64),
        window_lots=np.zeros((traders, 2, levels + 2), np.int64),
    )
    state.counts[:, INCREMENT] = increment_ticks
    state.counts[:, WINDOW_ROW] = -1
    state.numbers[:, HALF_LIFE_NS] = half_life_ns
    state.impact[:, :, :IMPACT_TICKS] = parts
    return state


@njit(**INNER)
def state_of(states: TapeState, trader: int) -> TapeState:
    """The state of one of several traders; its arrays are views."""
    return TapeState(
        states.counts[trader],
        states.numbers[trader],
        states.own[trader],
        states.ahead[trader],
        states.fills[trader],
        states.taken[trader],
        states.taken_lots[trader],
        states.impact[trader],
        states.queue[trader],
        states.window_key[trader],
        states.window_lots[trader],
    )
