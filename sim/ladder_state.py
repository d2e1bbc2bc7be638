"""The arrays of the book on a ladder of prices, and their meaning.

Here: the structure and an empty one. Not here: what events do to it (sim/ladder_book.py).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sim.bit_words import NONE_ABOVE, NONE_BELOW, words_for
from sim.book_state import ASK, BID
from sim.order_index import EMPTY

ORDER = np.dtype(
    [
        ("lots", np.int64),
        ("time_ns", np.int64),
        ("place", np.int32),
        ("before", np.int32),
        ("behind", np.int32),
        ("side", np.int16),
        ("state", np.int16),
    ]
)
LEVEL = np.dtype([("lots", np.int64), ("head", np.int32), ("tail", np.int32)])

#: Places of `Ladder.state`, int64; `BEST` + side: place of the best price, `NONE_BELOW` or `NONE_ABOVE` where empty.
BEST = 0
PENDING_ORDERS = 2
UNKNOWN_IDS = 3
DUPLICATE_IDS = 4
EVER_PENDING = 5
EVICTED_ORDERS = 6
SWEEPS = 7  # rows that may have removed orders other than their own
LIVE_ORDERS = 8  # displayed and pending
MOST_ORDERS = 9
#: The next are kept where depths are wanted (sim/ladder_depth.py): venue time since which orders are pending (-1: none
#: is), and for how long at most they were.
PENDING_SINCE = 10
LONGEST_PENDING_NS = 11
#: + side: the last place a depth sums over (`NONE_BELOW`, `NONE_ABOVE`: all there are), and the depth.
DEEPEST = 12
DEPTH = 14
TRADED_NS = 16  # see `sim.book.note_trade`
TRADED_BEFORE_NS = 17
N_STATE = 18

#: A row's code is its action plus its side times this.
SIDE_UNIT = 16


class Ladder(NamedTuple):
    """The whole state.

    Attributes:
        orders: (n,) `ORDER`, by slot: lots left, when it entered, place of its price, the slots in front and behind.
        levels: (places,) `LEVEL`: displayed lots, first and last slot of the queue; `EMPTY` where there is none.
        words: (pages,) uint64, the occupied places.
        summary: uint64, the occupied words.
        pending: (n,) int32, slots of pending orders in order of arrival.
        state: (`N_STATE`,) int64.
    """

    orders: np.ndarray
    levels: np.ndarray
    words: np.ndarray
    summary: np.ndarray
    pending: np.ndarray
    state: np.ndarray


def new_ladder(slots: int, places: int) -> Ladder:
    """An empty book of at most ``slots`` orders at ``places`` prices."""
    levels = np.zeros(max(1, places), LEVEL)
    levels["head"] = levels["tail"] = EMPTY
    state = np.zeros(N_STATE, np.int64)
    state[BEST + BID], state[BEST + ASK] = NONE_BELOW, NONE_ABOVE
    state[DEEPEST + BID], state[DEEPEST + ASK], state[PENDING_SINCE] = NONE_BELOW, NONE_ABOVE, -1
    slots = max(1, slots)
    return Ladder(np.zeros(slots, ORDER), levels, *words_for(places), np.zeros(slots, np.int32), state)
