"""Tables of simulated order events: the order flow of sim/flow_params.py over a period.

Here: `simulate_flow`. Not here: the events (sim/flow_kernel.py), a market to act in (sim/flow_market.py).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from feeds.errors import InsufficientDataError
from feeds.schema import ACTIONS, FLAG_SNAPSHOT, SIDES, conform
from sim.book_state import RESTING, new_book
from sim.flow_kernel import record_opening, run, start
from sim.flow_params import FlowParams
from sim.flow_state import (
    N_COUNTS,
    N_ROW,
    NOW_NS,
    ROW_ACTION,
    ROW_BOOK,
    ROW_ID,
    ROW_PRICE,
    ROW_SIDE,
    ROW_SIZE,
    ROW_TS,
    ROWS,
    FlowState,
    FlowTables,
    new_state,
    opening_spread,
    tables_of,
)
from sim.replay import BOOK_COLUMNS

#: Rows of one piece of the record.
_CHUNK = 1 << 17


def simulate_flow(
    params: FlowParams,
    start_ns: int,
    end_ns: int,
    seed: int,
    start_mid_ticks: float,
    efficient: np.ndarray | None = None,
    activity: np.ndarray | None = None,
    levels: int = 5,
    *,
    with_levels: bool = False,
    warm_up_s: int = 60,
) -> pl.DataFrame:
    """Simulate one instrument's order events.

    Args:
        params: The flow.
        start_ns: First moment, ns UTC.
        end_ns: Last moment, inclusive.
        seed: The same seed gives the same table.
        start_mid_ticks: Efficient price at the start of the warm-up; the mid at ``start_ns`` is near it.
        efficient: (s,) log deviation of the efficient price from the start, by the second; replaces the random walk
            (permanent impact comes on top). The last value holds beyond its end.
        activity: (s,) activity by the second; replaces the log-AR(1).
        levels: Book levels of the extra columns.
        with_levels: Add ``ask_px_1, ask_sz_1, bid_px_1, bid_sz_1, ..`` after each row (0: no such level).
        warm_up_s: Seconds simulated before ``start_ns`` that are not in the table.

    Returns:
        RAW_TICKS rows in time order with the book after each: the opening book as ``A`` rows at ``start_ns``, flagged
        as a snapshot, then ``A``, ``C`` (whole orders) and ``F`` rows. Depth is summed over ten levels.

    Raises:
        InsufficientDataError: The period is empty or the price is not positive.
    """
    if end_ns <= start_ns or start_mid_ticks <= 0:
        raise InsufficientDataError(
            "simulated order flow",
            received=f"{start_ns} to {end_ns} ns around a mid of {start_mid_ticks} ticks",
            expected="an end after the start and a positive price",
        )
    tables, shown = tables_of(params), levels if with_levels else 0
    state = new_state(params, seed, max_rows=_CHUNK, levels=shown, efficient=efficient, activity=activity)
    quiet = state._replace(rows=np.zeros((0, N_ROW), np.int64), level_rows=np.zeros((0, 0), np.int64))
    start(quiet, tables, start_ns, warm_up_s, float(start_mid_ticks), opening_spread(params))
    run(quiet, tables, start_ns)
    opening = opening_rows(state, shown)
    pieces = [opening, *_recorded(state, tables, end_ns)]
    rows, level_rows = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    return frame_of(rows, level_rows, opening[0].shape[0])


def opening_rows(state: FlowState, levels: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows that add what rests, oldest first."""
    book = state.book
    ids = np.sort(book.order_id[book.order_state == RESTING])
    target = state._replace(
        book=new_book(ids.size),
        counts=np.zeros(N_COUNTS, np.int64),
        rows=np.zeros((ids.size, N_ROW), np.int64),
        level_rows=np.zeros((ids.size if levels else 0, 4 * levels), np.int64),
    )
    record_opening(state, ids, target)
    return target.rows, target.level_rows if levels else np.zeros((ids.size, 0), np.int64)


def _recorded(state: FlowState, tables: FlowTables, end_ns: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Run to the end and return the record in pieces."""
    pieces, done = [], False
    while not done:
        state.counts[ROWS] = 0
        done = run(state, tables, end_ns)
        n = int(state.counts[ROWS])
        levels = state.level_rows[:n] if state.level_rows.shape[0] else np.zeros((n, 0), np.int64)
        pieces.append((state.rows[:n].copy(), levels.copy()))
    assert state.counts[NOW_NS] == end_ns, "the flow runs to the end"
    return pieces


def frame_of(rows: np.ndarray, level_rows: np.ndarray, opening: int) -> pl.DataFrame:
    """RAW_TICKS rows of a record, the first ``opening`` of them flagged as a snapshot, with columns of levels."""
    n = rows.shape[0]
    flags = np.zeros(n, np.uint8)
    flags[:opening] = FLAG_SNAPSHOT
    book = {name: rows[:, ROW_BOOK + i] for i, name in enumerate(BOOK_COLUMNS)}
    frame = pl.DataFrame(
        {
            "ts_event": rows[:, ROW_TS],
            "ts_recv": rows[:, ROW_TS],
            "sequence": np.arange(n),
            "action": _names(rows[:, ROW_ACTION], ACTIONS),
            "side": _names(rows[:, ROW_SIDE], SIDES),
            "order_id": rows[:, ROW_ID],
            "price": rows[:, ROW_PRICE],
            "size": rows[:, ROW_SIZE],
            "exchange": pl.repeat("", n, eager=True),
            "condition": np.zeros(n, np.int64),
            "flags": flags,
            **book,
        }
    )
    names = ("ask_px", "ask_sz", "bid_px", "bid_sz")
    extra = [pl.Series(f"{names[i % 4]}_{i // 4 + 1}", level_rows[:, i]) for i in range(level_rows.shape[1])]
    return conform(frame, "raw_ticks").with_columns(extra)


def _names(codes: np.ndarray, names: tuple[str, ...]) -> pl.Series:
    """Codes as an Enum column, without a text per row."""
    return pl.Series(names, dtype=pl.Enum(names)).gather(codes)
