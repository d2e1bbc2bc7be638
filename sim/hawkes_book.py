"""Tables of simulated order events: the Hawkes book of sim/hawkes_book_params.py over a period.

Here: `simulate_hawkes_book`. Not here: the events (sim/hawkes_book_kernel.py), a market to act in
(sim/hawkes_book_market.py).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from feeds.errors import InsufficientDataError
from sim.flow import frame_of, opening_rows
from sim.flow_state import N_ROW, ROWS
from sim.hawkes_book_kernel import run, start
from sim.hawkes_book_params import HawkesBookParams
from sim.hawkes_book_state import new_state, tables_of

_CHUNK = 1 << 17
#: Excitation begins at its mean, but the book needs a while to look as if it had been there for long.
WARM_UP_S = 300


def simulate_hawkes_book(
    params: HawkesBookParams, start_ns: int, until_ns: int, seed: int, mid: float, *, warm_up_s: int = WARM_UP_S
) -> pl.DataFrame:
    """Simulate one instrument's order events.

    Args:
        params: The market.
        start_ns: First moment, ns UTC.
        until_ns: Last moment, inclusive.
        seed: The same seed gives the same table.
        mid: Mid when the warm-up begins, ticks.
        warm_up_s: Seconds simulated before ``start_ns`` that are not in the table.

    Returns:
        RAW_TICKS rows as of `sim.flow.simulate_flow`; where `HawkesBookParams.touch_only`, of orders at the best quotes
        alone, as such a source would write them.

    Raises:
        InsufficientDataError: The period is empty or the price is not positive.
    """
    if until_ns <= start_ns or mid <= 0:
        raise InsufficientDataError(
            "simulated Hawkes book",
            received=f"{start_ns} to {until_ns} ns around a mid of {mid} ticks",
            expected="an end after the start and a positive price",
        )
    tables, state = tables_of(params), new_state(params, seed, max_rows=_CHUNK)
    silent = state._replace(flow=state.flow._replace(rows=np.zeros((0, N_ROW), np.int64)))
    start(silent, tables, start_ns, warm_up_s, float(mid), opening_spread(params))
    run(silent, tables, start_ns)
    pieces, done = [opening_rows(state.flow, 0)[0]], False
    opening = pieces[0].shape[0]
    while not done:
        state.flow.counts[ROWS] = 0
        done = run(state, tables, until_ns)
        pieces.append(state.flow.rows[: int(state.flow.counts[ROWS])].copy())
    rows = np.concatenate(pieces)
    frame = frame_of(rows, np.zeros((rows.shape[0], 0), np.int64), opening)
    return at_touch(frame) if params.touch_only else frame


def opening_spread(params: HawkesBookParams) -> int:
    """The opening spread in increments."""
    return max(1, round(params.spread_ticks / params.increment_ticks))


def at_touch(tape: pl.DataFrame) -> pl.DataFrame:
    """Rows of a tape at the best quotes before or after them: what a source of one level writes."""
    bid, price = pl.col("side") == "B", pl.col("price")
    after = pl.when(bid).then(pl.col("bid_px")).otherwise(pl.col("ask_px"))
    before = pl.when(bid).then(pl.col("bid_px").shift(1)).otherwise(pl.col("ask_px").shift(1))
    return tape.filter((pl.col("flags") > 0) | (price == after) | (price == before) | (pl.col("action") == "F"))
