"""The arrays a running replay consists of: the tape's book at a moment, own orders, own fills, lots we took.

Here: the structure and an empty one. Not here: what moves it (sim/replay_kernel.py, sim/replay_own.py).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sim.book_state import Book, new_book
from sim.market import FILL_COLUMNS, OWN_COLUMNS
from sim.replay_rows import N_COUNTS, UNKNOWN
from sim.replay_tape import ReplayTape

#: Own orders at once, fills told at once, prices at which lots are still missing.
MAX_OWN, MAX_FILLS, MAX_TAKEN = 64, 2_048, 1_024
#: Column of `Replay.own` behind those of sim/market.py: rows applied when the order was placed.
OWN_PLACED = OWN_COLUMNS
#: Columns of `Replay.taken`: side of the orders taken from, price, time.
TAKEN_SIDE, TAKEN_PRICE, TAKEN_NS = 0, 1, 2

#: Places of `Replay.state`, int64.
NEXT_ROW = 0
NOW_NS = 1
OWN_LIVE = 2
OWN_NUMBERS = 3  # own orders so far
FILLS = 4
TAKEN = 5
N_STATE = 6


class Replay(NamedTuple):
    """The whole state.

    Attributes:
        rows: (n, `ROW_COLUMNS`) int64, the tape's; not written.
        book: The tape's book.
        entered: (orders,) int64, row that put each order at its place in the queue.
        counts: (`N_COUNTS`,) int64 of sim/replay_rows.py.
        waiting: (book size,) int64, scratch.
        own: (`MAX_OWN`, 6) int64, own orders in order of number: columns of sim/market.py, `OWN_PLACED`.
        fills: (`MAX_FILLS`, 4) int64.
        taken: (`MAX_TAKEN`, 3) int64.
        taken_lots: (`MAX_TAKEN`,) float64, lots missing at that time.
        half_life_ns: (1,) float64, until half of the missing lots are back.
        state: (`N_STATE`,) int64.
    """

    rows: np.ndarray
    book: Book
    entered: np.ndarray
    counts: np.ndarray
    waiting: np.ndarray
    own: np.ndarray
    fills: np.ndarray
    taken: np.ndarray
    taken_lots: np.ndarray
    half_life_ns: np.ndarray
    state: np.ndarray


def new_replay(tape: ReplayTape, half_life_ns: float) -> Replay:
    """An empty state for ``tape``."""
    # Slots to spare: within a row an order may come before another goes. As many levels as orders: pending orders that
    # a correction displays for a moment are not in the tape's count of levels, and levels have no guard.
    book = new_book(tape.most_orders + 2)
    return Replay(
        rows=tape.rows,
        book=book,
        entered=np.full(tape.orders, UNKNOWN, np.int64),
        counts=np.zeros(N_COUNTS, np.int64),
        waiting=np.zeros(book.free.size, np.int64),
        own=np.zeros((MAX_OWN, OWN_PLACED + 1), np.int64),
        fills=np.zeros((MAX_FILLS, FILL_COLUMNS), np.int64),
        taken=np.zeros((MAX_TAKEN, 3), np.int64),
        taken_lots=np.zeros(MAX_TAKEN),
        half_life_ns=np.array([half_life_ns]),
        state=np.zeros(N_STATE, np.int64),
    )
