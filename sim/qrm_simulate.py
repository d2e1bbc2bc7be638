"""Queue-reactive books left to themselves: events, occupancy of the queues, and what buying the best ask does.

Here: `simulate_qrm`, `occupancy`, `jumps_after_buying_the_ask`. Not here: the kernels (sim/qrm_kernel.py), a trader
with a task (sim/qrm_env.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from feeds.errors import InsufficientDataError
from sim.compile_options import ENTRY
from sim.qrm_kernel import NONE, TURNED_AWAY, advance, best_level, mid_half_ticks, next_arrival, open_book
from sim.qrm_params import Floats, QrmParams
from sim.qrm_state import EVENTS, REFERENCE, REJECTED, QrmState, QrmTables, new_state, tables_of
from sim.qrm_task import buy

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class QrmEvents:
    """A recorded run of n events; row 0 is the opening.

    Attributes:
        seconds: (n + 1,) float64 since the opening.
        queue: (n + 1,) which queue the event belongs to: bid 0 .. K - 1, ask K .. 2K - 1; -1 at the opening.
        kind: (n + 1,) `LIMIT` | `CANCEL` | `MARKET`; -1 at the opening.
        reference: (n + 1,) reference price after it, ticks above the arrival price.
        mid: (n + 1,) mid after it, half ticks above the arrival price.
        queues: (n + 1, 2K) units after it.
    """

    seconds: Floats
    queue: Ints
    kind: Ints
    reference: Ints
    mid: Ints
    queues: Ints


@njit(**ENTRY)
def _record(
    tables: QrmTables, state: QrmState, seed: int, until_s: float, seconds: np.ndarray, rows: np.ndarray
) -> int:
    """Fill a row per event: code, reference, mid, queues. Returns rows used; -1: they were too few."""
    open_book(tables, state, 0, seed, 0)
    code, used = -1, 0
    while code != NONE or used == 0:
        if code != TURNED_AWAY:
            if used == rows.shape[0]:
                return -1
            seconds[used] = state.clock[0]
            rows[used, 0] = code
            rows[used, 1] = state.counts[0, REFERENCE]
            rows[used, 2] = mid_half_ticks(state, 0)
            for queue in range(state.queues.shape[1]):
                rows[used, 3 + queue] = state.queues[0, queue]
            used += 1
        code = next_arrival(tables, state, 0, until_s)
    return used


def simulate_qrm(params: QrmParams, seconds: float, seed: int, max_events: int = 0) -> QrmEvents:
    """Open a book and record every event of ``seconds``.

    Args:
        params: The market.
        seconds: How long, s.
        seed: The same, the same events.
        max_events: Room; 0: as much as the largest rates could ever need.

    Raises:
        InsufficientDataError: There were more than ``max_events``.
    """
    tables, state = tables_of(params), new_state(params, 1)
    mean = float(tables.totals.max(axis=1).sum()) * seconds
    room = (max_events or int(mean + 10.0 * np.sqrt(mean) + 100.0)) + 1
    times, rows = np.zeros(room), np.zeros((room, 3 + 2 * params.levels), np.int64)
    used = _record(tables, state, seed, seconds, times, rows)
    if used < 0:
        raise InsufficientDataError("room for events", received=f"{max_events}", expected="more, or 0")
    times, rows = times[:used], rows[:used]
    queue, kind = rows[:, 0] // 3, rows[:, 0] % 3
    queue[0] = kind[0] = -1
    return QrmEvents(times, queue, kind, rows[:, 1], rows[:, 2], rows[:, 3:])


@njit(**ENTRY)
def _occupy(
    tables: QrmTables, state: QrmState, seed: int, arrivals: int, spent: np.ndarray, spreads: np.ndarray
) -> None:
    open_book(tables, state, 0, seed, 0)
    levels = state.queues.shape[1] // 2
    since = np.float64(0.0)
    for _ in range(arrivals):
        bid, ask = best_level(state, 0, 0, levels), best_level(state, 0, levels, levels)
        before = since
        for queue in range(state.queues.shape[1]):
            state.saved[1, queue] = state.queues[0, queue]
        next_arrival(tables, state, 0, np.inf)
        since = state.clock[0]
        for queue in range(state.queues.shape[1]):
            spent[queue, state.saved[1, queue]] += since - before
        spreads[bid + ask] += since - before


def occupancy(params: QrmParams, arrivals: int, seed: int) -> dict[str, Any]:
    """How long each queue had each size, over so many arrivals.

    Returns:
        ``law``: (2, K, Q + 1) shares of time. ``spread_ticks``: mean spread over time. ``events_per_s``,
        ``rejected_share``: of all arrivals.
    """
    tables, state = tables_of(params), new_state(params, 2)
    spent = np.zeros((2 * params.levels, params.max_queue + 1))
    spreads = np.zeros(2 * params.levels)
    _occupy(tables, state, seed, arrivals, spent, spreads)
    law = (spent / spent.sum(axis=1, keepdims=True)).reshape(2, params.levels, -1)
    share = spreads / spreads.sum()
    return {
        "law": law,
        "spread_ticks": float(share @ (1.0 + np.arange(len(share)))),
        "events_per_s": float(state.counts[0, EVENTS] / state.clock[0]),
        "rejected_share": float(state.counts[0, REJECTED] / arrivals),
    }


@njit(**ENTRY)
def _buy_asks(tables: QrmTables, state: QrmState, seed: int, full: bool, jumps: np.ndarray) -> None:
    levels = state.queues.shape[1] // 2
    book, done = 0, 0
    while done < jumps.shape[0]:
        open_book(tables, state, 0, seed, book)
        book += 1
        empty = False
        for queue in range(state.queues.shape[1]):
            empty = empty or state.queues[0, queue] == 0
        ask = best_level(state, 0, levels, levels)
        held = 0
        for level in range(levels):
            held += state.queues[0, levels + level]
        size = state.queues[0, levels + ask]
        if (full and empty) or held == size:
            continue
        before = mid_half_ticks(state, 0)
        buy(tables, state, 0, size, 0)
        jumps[done] = 0.5 * (mid_half_ticks(state, 0) - before)
        done += 1


def jumps_after_buying_the_ask(params: QrmParams, books: int, seed: int, *, full: bool = True) -> Floats:
    """Change of the mid, ticks, when the whole best ask of a book drawn from its law is bought.

    Args:
        params: The market.
        books: How many.
        seed: Chooses them.
        full: Only books without an empty queue, for which the mean is `QrmParams.expected_jump_ticks`.

    Returns:
        (books,) jumps, ticks.
    """
    jumps = np.zeros(books)
    _buy_asks(tables_of(params), new_state(params, 1), seed, full, jumps)
    return jumps


@njit(**ENTRY)
def _advance_alone(tables: QrmTables, state: QrmState, seed: int, until_s: float) -> None:
    open_book(tables, state, 0, seed, 0)
    advance(tables, state, 0, until_s)


def run_alone(params: QrmParams, seconds: float, seed: int) -> tuple[int, int]:
    """Run a book without recording; events and arrivals turned away: what the engine costs is measured on this."""
    state = new_state(params, 1)
    _advance_alone(tables_of(params), state, seed, seconds)
    return int(state.counts[0, EVENTS]), int(state.counts[0, REJECTED])
