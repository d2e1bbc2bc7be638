"""A recorded day as a market, by tape: making it ready, memory, resets and steps from Python; and its measured impact.

Preparation is what a market costs once: the book of the rows, where they do not state it, and the flat tape. A step
moves one resting order to the best bid, runs on for a hundred rows of the tape on average, and reads the view and the
fills, all through `ReplayMarket`; compiled steps are measured by benchmarks/execution_env.py. Processor time, the best
of several runs after one that compiles. Impact is measured on the whole tape, so it describes the day; an evaluation
takes that of the past.

Here: `run`, the tables. Not here: tapes (benchmarks/replay_sources.py), what replay must reproduce
(benchmarks/replay_facts.py).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from benchmarks.replay_sources import Source, binance, bitstamp, es, lobster
from feeds.errors import InsufficientDataError
from feeds.instruments import InstrumentSpec
from sim.market import BID_PX, BUY
from sim.replay import with_book
from sim.replay_market import ReplayMarket
from sim.tape_build import FlatTape
from sim.tape_impact import fit_impact
from sim.tape_kinds import prepare_any, tells_orders
from sim.tape_state import TOP_ASK, TOP_BID

ROWS_A_STEP = 100
#: Rows that build the book before the first start.
_OPENING_ROWS = 1_000
_STEPS, _RESETS, _REPEATS = 2_000, 500, 3
_TAPES: dict[str, Callable[[], Source | None]] = {
    "amzn": lambda: lobster("AMZN_2012-06-21_5"),
    "aapl": lambda: lobster("AAPL_2012-06-21_1"),
    "es": es,
    "bitstamp": bitstamp,
    "binance_usdm_btc": lambda: binance("usdm/btcusdt"),
}


def run(tapes: tuple[str, ...] = tuple(_TAPES)) -> dict[str, Any]:
    """Figures of every tape that is here.

    Args:
        tapes: Names of those that are measured.

    Returns:
        Tape -> as `measure`, and ``impact`` as `impact_of`.
    """
    found: dict[str, Any] = {}
    for name in tapes:
        source = _TAPES[name]()
        if source is not None:
            found[name] = figures(source.rows, source.spec)
    return found


def figures(rows: pl.DataFrame, spec: InstrumentSpec) -> dict[str, Any]:
    """All figures of one tape.

    Args:
        rows: RAW_TICKS in source order.
        spec: Units of the instrument.
    """
    stated = rows["bid_px"].null_count() < rows.height
    orders = bool(rows["action"].is_in(["A", "M", "C", "F"]).any())
    book_s = 0.0
    if orders and not stated:
        book_s = _best_s(lambda: with_book(rows))
        rows = with_book(rows)[0]
    prepare_s, tape = _best_s(lambda: prepare_any(rows)), prepare_any(rows)
    return {
        "rows": tape.rows,
        "orders_told": tells_orders(tape),
        "book_ns_per_row": round(1e9 * book_s / tape.rows, 1),
        "prepare_ns_per_row": round(1e9 * prepare_s / tape.rows, 1),
        "bytes_per_row": round(tape.nbytes / tape.rows, 1),
        "corrected_rows": tape.corrected_rows,
        **measure(tape, spec),
        "impact": impact_of(tape, spec),
    }


def measure(tape: FlatTape, spec: InstrumentSpec) -> dict[str, float]:
    """Times of a market on a prepared tape.

    Returns:
        ``reset_us``: a reset by seed; ``step_us``: see the module docstring; ``rows_per_step``: rows it ran on.
    """
    stamps = tape.events.ts_ns
    first, last = int(stamps[min(_OPENING_ROWS, stamps.size // 10)]), int(stamps[-1])
    step_ns = max(1, int((last - first) / tape.rows * ROWS_A_STEP))
    market = ReplayMarket(tape, spec, (first, last), min(100 * step_ns, (last - first) // 2))
    steps = min(_STEPS, (last - first) // step_ns - 1)

    def resets() -> None:
        for seed in range(_RESETS):
            market.reset(seed)

    def walk() -> None:
        market.reset_at(first)
        number = -1
        for _ in range(steps):
            market.cancel(number)
            number = market.place(BUY, int(market.view()[BID_PX]), 1)
            market.advance(market.now_ns + step_ns)
            market.fills()

    walked = np.searchsorted(stamps, first + steps * step_ns, "right") - np.searchsorted(stamps, first, "right")
    return {
        "reset_us": round(1e6 * _best_s(resets) / _RESETS, 2),
        "step_us": round(1e6 * _best_s(walk) / steps, 2),
        "rows_per_step": round(float(walked) / steps, 1),
    }


def impact_of(tape: FlatTape, spec: InstrumentSpec) -> dict[str, float] | None:
    """What `sim.tape_impact.fit_impact` measures; None where the tape has too few market orders.

    Returns:
        ``market_orders, mean_lots, mean_gap_s, refill_half_life_s``; ``walk_bps``: half the slope of the displayed book
        times a mean market order, what its walk costs beyond the best price; ``response_bps``: what the same order does
        to the mid altogether, ``shift_bps``: what of that a replay lays over its book, ``lasting_bps``: the part of it
        that stays; ``kept_share``.
    """
    try:
        found = fit_impact(tape, spec)
    except InsufficientDataError:
        return None
    top = tape.events.top
    quoted = (top[:, TOP_BID] > 0) & (top[:, TOP_ASK] > 0)
    bps = 1e4 * found.mean_lots / float((top[quoted, TOP_BID] + top[quoted, TOP_ASK]).mean() / 2.0)
    return {
        "market_orders": found.market_orders,
        "mean_lots": round(found.mean_lots, 2),
        "mean_gap_s": round(found.mean_gap_s, 3),
        "refill_half_life_s": round(found.refill_half_life_s, 3),
        "walk_bps": round(bps * found.slope_ticks_per_lot / 2.0, 3),
        "response_bps": round(bps * found.measured.at_once_ticks_per_lot, 3),
        "shift_bps": round(bps * found.propagator.at_once_ticks_per_lot, 3),
        "lasting_bps": round(bps * found.propagator.permanent_ticks_per_lot, 3),
        "kept_share": round(found.kept_share, 3),
    }


def _best_s(work: Callable[[], object]) -> float:
    work()
    taken = []
    for _ in range(_REPEATS):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return min(taken)


if __name__ == "__main__":
    for tape_name, told in run().items():
        print(tape_name, json.dumps(told, indent=1))
