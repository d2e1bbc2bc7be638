"""Writing down the events of a simulated flow and the book after each.

Here: one row. Not here: the table (sim/flow.py).
"""

from __future__ import annotations

from numba import njit

from sim.book import best_price, best_size, depth
from sim.book_state import BID, LEVELS
from sim.compile_options import INNER
from sim.flow_state import (
    ROW_ACTION,
    ROW_BOOK,
    ROW_ID,
    ROW_PRICE,
    ROW_SIDE,
    ROW_SIZE,
    ROW_TS,
    ROWS,
    FlowState,
)

#: Levels a side behind the depth columns, as in sim/replay.py.
DEPTH_LEVELS = 10


@njit(**INNER)
def record(state: FlowState, ts_ns: int, action: int, side: int, order_id: int, price: int, lots: int) -> None:
    """Write an event and the book after it, where events are recorded at all."""
    if state.rows.shape[0] == 0:
        return
    n, book = state.counts[ROWS], state.book
    state.counts[ROWS] = n + 1
    row = state.rows[n]
    row[ROW_TS], row[ROW_ACTION], row[ROW_SIDE] = ts_ns, action, side
    row[ROW_ID], row[ROW_PRICE], row[ROW_SIZE] = order_id, price, lots
    for s in range(2):
        row[ROW_BOOK + 2 * s] = best_price(book, s)
        row[ROW_BOOK + 2 * s + 1] = best_size(book, s)
        row[ROW_BOOK + 4 + s] = depth(book, s, DEPTH_LEVELS)
    if state.level_rows.shape[0] > 0:
        _record_levels(state, n)


@njit(**INNER)
def _record_levels(state: FlowState, n: int) -> None:
    """Ask price, ask lots, bid price, bid lots a level, best first; 0 where there is none."""
    levels = state.level_rows.shape[1] // 4
    for s in range(2):
        first = 2 if s == BID else 0
        best = state.book.counters[LEVELS + s] - 1
        for i in range(levels):
            there = best - i >= 0
            key = state.book.level_key[s, best - i] if there else 0
            state.level_rows[n, 4 * i + first] = key if s == BID else -key
            state.level_rows[n, 4 * i + first + 1] = state.book.level_size[s, best - i] if there else 0
