"""The rules of sim/market.py on a flat tape, one kernel each.

They take a `TapeRun` and allocate nothing, so that an environment can be compiled around them.

Here: time, instructions, reading. Not here: what happens meanwhile (sim/tape_kernel.py), seeds and bounds
(sim/tape_market.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from sim.book_levels import key_of
from sim.compile_options import ENTRY, HOT, INNER, MERGED
from sim.market import (
    BID_DEPTH_5,
    BID_PX,
    BID_SZ,
    FILL_COLUMNS,
    OWN_AHEAD,
    OWN_COLUMNS,
    OWN_LOTS,
    OWN_NUMBER,
    OWN_PRICE,
    OWN_SIDE,
    REALISED_VAR_60S,
    SIGNED_VOLUME_60S,
    TRADES_60S,
    VIEW_LEVELS,
    VIEW_SAMPLE_NS,
    VIEW_WINDOW_NS,
    VOLUME_60S,
)
from sim.random_stream import uniform
from sim.tape_book import show_row
from sim.tape_depth import any_missing, consume, next_shown, shown_lots
from sim.tape_kernel import drop_filled, note_fill, rows_by, run_rows
from sim.tape_shift import EVERY_NS, is_steady, push, queue_order, reprice, shifted
from sim.tape_state import (
    FILLS,
    IMPACT_TICKS,
    MAX_FILLS,
    MAX_OWN,
    MAX_TAKEN,
    NOW_NS,
    OWN_LIVE,
    OWN_NUMBERS,
    PUSHED_NS,
    ROUNDING,
    ROW,
    SHIFT,
    SUM_SIGNED,
    SUM_TRADES,
    SUM_VOLUME,
    TAKEN,
    WINDOW_LEVELS,
    EventTape,
    TapeRun,
    TapeState,
)


@njit(**ENTRY)
def start(run: TapeRun, start_ns: int, key: np.uint64) -> None:
    """Begin an episode at a moment, all rows up to and including it applied, without own orders, fills, and impact.

    Args:
        run: Tape and trader.
        start_ns: The moment.
        key: Of `sim.random_stream.stream_key`; decides how the shift of the price is rounded.
    """
    counts = run.state.counts
    for place in (OWN_LIVE, OWN_NUMBERS, FILLS, TAKEN, SHIFT, PUSHED_NS):
        counts[place] = 0
    counts[ROW], counts[NOW_NS] = np.searchsorted(run.tape.ts_ns, start_ns, side="right"), start_ns
    run.state.impact[:, IMPACT_TICKS] = 0.0
    run.state.numbers[ROUNDING] = uniform(key, 0, 0)


@njit(**INNER)
def now_ns(run: TapeRun) -> int:
    """The present moment."""
    return run.state.counts[NOW_NS]


@njit(**ENTRY)
def advance(run: TapeRun, until_ns: int) -> bool:
    """Run up to and including ``until_ns``; False where own fills have to be read before it can go on."""
    tape, state, counts = run.tape, run.state, run.state.counts
    if until_ns <= counts[NOW_NS]:
        return True
    if counts[PUSHED_NS] == 0:
        return run_rows(tape, state, until_ns)
    if counts[OWN_LIVE] and not is_steady(state, until_ns):
        # Where own orders stand depends on the shift all the time.
        asked = (counts[NOW_NS] // EVERY_NS + 1) * EVERY_NS
        while asked <= until_ns:
            if not run_rows(tape, state, asked):
                return False
            reprice(tape, state, asked)
            asked += EVERY_NS
    if not run_rows(tape, state, until_ns):
        return False
    reprice(tape, state, until_ns)
    return True


@njit(**ENTRY)
def take(run: TapeRun, side: int, lots: int) -> int:
    """Trade against what is displayed opposite ``side``, best price first; lots filled.

    Lots can be missing at `MAX_TAKEN` prices, and it ends there; read fills before it where fewer than as many fit.
    The price moves afterwards: a take pays its walk through the book, and only later ones pay the shift.
    """
    tape, state, counts = run.tape, run.state, run.state.counts
    opposite, filled = 1 - side, 0
    if lots <= 0:
        return 0
    show_row(tape, state)
    at = next_shown(tape, state, opposite, counts[WINDOW_LEVELS + opposite])
    while at >= 0 and filled < lots and counts[FILLS] < MAX_FILLS and counts[TAKEN] < MAX_TAKEN:
        got = min(lots - filled, shown_lots(state, opposite, at))
        note_fill(state, key_of(opposite, state.window_key[opposite, at]) + shifted(state), got, 0)
        consume(state, opposite, at, got)
        filled += got
        if filled < lots:
            at = next_shown(tape, state, opposite, at)
    push(tape, state, filled if side == 0 else -filled)
    return filled


@njit(**ENTRY)
def place(run: TapeRun, side: int, price: int, lots: int) -> int:
    """Rest an own order; its number, -1 where it would trade, is not positive, or there is no room."""
    state, counts = run.state, run.state.counts
    if lots <= 0 or price <= 0 or counts[OWN_LIVE] == MAX_OWN:
        return -1
    opposite = _best_shown(run.tape, state, 1 - side)
    on_tape = price - shifted(state)
    if opposite > 0 and (on_tape >= opposite if side == 0 else on_tape <= opposite):
        return -1
    own, k, number = state.own, counts[OWN_LIVE], counts[OWN_NUMBERS]
    own[k, OWN_NUMBER], own[k, OWN_SIDE], own[k, OWN_PRICE], own[k, OWN_LOTS] = number, side, price, lots
    queue_order(run.tape, state, k)
    counts[OWN_LIVE], counts[OWN_NUMBERS] = k + 1, number + 1
    return number


@njit(**INNER)
def _best_shown(tape: EventTape, state: TapeState, side: int) -> int:
    """Best price of the tape with lots displayed to us, 0 where there is none."""
    if not any_missing(state, side):
        return tape.top[state.counts[ROW], 2 * side]
    show_row(tape, state)
    at = next_shown(tape, state, side, state.counts[WINDOW_LEVELS + side])
    return key_of(side, state.window_key[side, at]) if at >= 0 else 0


@njit(**INNER)
def best_shown(run: TapeRun, side: int) -> int:
    """Best price displayed to us on a side, 0 where there is none: what `view_into` writes, alone."""
    best = _best_shown(run.tape, run.state, side)
    return best + shifted(run.state) if best else 0


@njit(**HOT)
def cancel(run: TapeRun, number: int, lots: int) -> int:
    """Take ``lots`` (0: all) off an own order; lots cancelled."""
    own = run.state.own
    for k in range(run.state.counts[OWN_LIVE]):
        if own[k, OWN_NUMBER] == number and lots >= 0:
            off = own[k, OWN_LOTS] if lots == 0 else min(lots, own[k, OWN_LOTS])
            own[k, OWN_LOTS] -= off
            drop_filled(run.state)
            return off
    return 0


@njit(**ENTRY)
def own_into(run: TapeRun, out: np.ndarray) -> int:
    """Write resting own orders to ``out``, (`MAX_OWN`, 5) int64, oldest first; how many."""
    state = run.state
    for k in range(state.counts[OWN_LIVE]):
        for column in range(OWN_COLUMNS):
            out[k, column] = state.own[k, column]
        out[k, OWN_AHEAD] = np.int64(state.ahead[k] + 0.5)
    return state.counts[OWN_LIVE]


@njit(**ENTRY)
def fills_into(run: TapeRun, out: np.ndarray) -> int:
    """Write own fills since the last call to ``out``, (`MAX_FILLS`, 4) int64, and forget them; how many."""
    state, n = run.state, run.state.counts[FILLS]
    for k in range(n):
        for column in range(FILL_COLUMNS):
            out[k, column] = state.fills[k, column]
    state.counts[FILLS] = 0
    return n


@njit(**ENTRY)
def quotes_into(run: TapeRun, view: np.ndarray) -> None:
    """Write the places of the view that are the book's."""
    for side in range(2):
        _side_into(run.tape, run.state, side, view)


@njit(**ENTRY)
def view_into(run: TapeRun, view: np.ndarray) -> None:
    """Write the view; volumes and mids are those of the tape, our own trades and our shift are not in them."""
    tape, state, counts = run.tape, run.state, run.state.counts
    for side in range(2):
        _side_into(tape, state, side, view)
    row, now = counts[ROW], counts[NOW_NS]
    before = _rows_before(tape, row, now - VIEW_WINDOW_NS)
    view[SIGNED_VOLUME_60S] = tape.sums[row, SUM_SIGNED] - tape.sums[before, SUM_SIGNED]
    view[VOLUME_60S] = tape.sums[row, SUM_VOLUME] - tape.sums[before, SUM_VOLUME]
    view[TRADES_60S] = tape.sums[row, SUM_TRADES] - tape.sums[before, SUM_TRADES]
    second = tape.first_second[0]
    last = now // VIEW_SAMPLE_NS - second
    first = -((VIEW_WINDOW_NS - now) // VIEW_SAMPLE_NS) - second
    top = tape.variance.size - 1
    view[REALISED_VAR_60S] = tape.variance[min(max(last, 0), top)] - tape.variance[min(max(first, 0), top)]


@njit(**ENTRY)
def _side_into(tape: EventTape, state: TapeState, side: int, view: np.ndarray) -> None:
    price, size, depth = BID_PX + 2 * side, BID_SZ + 2 * side, BID_DEPTH_5 + side
    row = state.counts[ROW]
    if not any_missing(state, side):
        best = tape.top[row, 2 * side]
        view[price] = best + shifted(state) if best else 0
        view[size], view[depth] = tape.top[row, 2 * side + 1], tape.depth[row, side]
        return
    view[price] = view[size] = view[depth] = 0.0
    show_row(tape, state)
    at, levels = next_shown(tape, state, side, state.counts[WINDOW_LEVELS + side]), 0
    if at >= 0:
        view[price] = key_of(side, state.window_key[side, at]) + shifted(state)
        view[size] = shown_lots(state, side, at)
    while at >= 0:
        view[depth] += shown_lots(state, side, at)
        levels += 1
        if levels == VIEW_LEVELS:
            return
        at = next_shown(tape, state, side, at)


@njit(**ENTRY)
def depths_into(run: TapeRun, out: np.ndarray) -> None:
    """Write to ``out``, (2, levels) float64, the lots displayed to us on the 1, 2, .. best occupied levels."""
    tape, state = run.tape, run.state
    show_row(tape, state)
    for side in range(2):
        seen, total = 0, 0.0
        at = next_shown(tape, state, side, state.counts[WINDOW_LEVELS + side])
        while at >= 0 and seen < out.shape[1]:
            total += shown_lots(state, side, at)
            out[side, seen] = total
            seen += 1
            if seen < out.shape[1]:
                at = next_shown(tape, state, side, at)
        for level in range(seen, out.shape[1]):
            out[side, level] = total


@njit(**MERGED)
def _rows_before(tape: EventTape, row: int, until_ns: int) -> int:
    """Rows up to and including ``until_ns``, at most ``row``; searched from there."""
    ts, step = tape.ts_ns, 64
    while row > 0 and ts[row - 1] > until_ns:
        if row <= step or ts[row - step - 1] <= until_ns:
            return rows_by(tape, max(0, row - step), until_ns)
        row -= step
        step *= 2
    return row
