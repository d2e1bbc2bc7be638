"""Tapes for replay: order-by-order days with their book, their mirror images, and tapes from files of vendors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from feeds.adapters.lobster import Lobster
from feeds.instruments import InstrumentSpec
from sim.replay import with_book
from tests.support.market_files import write_lobster_day
from tests.support.raw_events import MS, START_NS, order, raw_frame

SPEC = InstrumentSpec(id="TEST.SIM", tick_size=0.01, lot_size=1)
_BOOK = ("px", "sz", "depth")


def book_tape(*events: dict) -> pl.DataFrame:
    """The tape of a few events, a millisecond apart unless they say otherwise."""
    return with_book(raw_frame(*events))[0]


def fifo_tape(seed: int, events: int = 3_000, gap_ms: int = 40) -> pl.DataFrame:
    """Limit orders around a price that moves, cancellations, and takers that execute the queue from its front.

    A venue's day: every order is introduced, executions hit the first order of the best level, the book is two-sided
    from the eleventh row on. A large taker goes through several levels.
    """
    rng = np.random.default_rng(seed)
    live: dict[int, list] = {}
    rows: list[dict] = []

    def log(action: str, key: int, size: int) -> None:
        side, price, _ = live[key]
        rows.append(order(action, key, "BA"[side], price, size, ts_event=START_NS + clock * MS))
        live[key][2] -= size if action in "CF" else 0
        if live[key][2] == 0:
            del live[key]

    def add(side: int, price: int) -> None:
        key = len(rows) + 1
        size = int(rng.integers(1, 9))
        live[key] = [side, price, size]
        log("A", key, size)

    def queue(side: int) -> list[int]:
        sign = -1 if side == 0 else 1
        return sorted((key for key in live if live[key][0] == side), key=lambda key: (sign * live[key][1], key))

    clock = 0
    for i in range(10):
        add(i % 2, 1000 - i // 2 if i % 2 == 0 else 1002 + i // 2)
    while len(rows) < events:
        clock += int(rng.exponential(gap_ms)) * (rng.random() < 0.8)
        side, draw = int(rng.integers(2)), rng.random()
        mine, theirs = queue(side), queue(1 - side)
        if draw < 0.12 and len(theirs) > 12:
            left = int(rng.integers(1, 25))
            while left and len(queue(1 - side)) > 6:
                first = queue(1 - side)[0]
                lots = min(left, live[first][2])
                log("F", first, lots)
                left -= lots
        elif draw < 0.5 and len(mine) > 12:
            key = mine[int(rng.integers(len(mine)))]
            log("C", key, live[key][2] if rng.random() < 0.7 else int(rng.integers(1, live[key][2] + 1)))
        else:
            inside = live[theirs[0]][1] + (-1 if side == 0 else 1)
            add(side, inside - int(rng.integers(6)) * (1 if side == 0 else -1))
    return book_tape(*rows)


def mirrored(tape: pl.DataFrame, around: int) -> pl.DataFrame:
    """Bids for asks at 2 ``around`` - price: what buying met in ``tape``, selling meets here."""
    flipped = {"B": "A", "A": "B", "N": "N"}
    swapped = []
    for one, other in (("bid", "ask"), ("ask", "bid")):
        price = pl.col(f"{other}_px")
        swapped.append(pl.when(price > 0).then(2 * around - price).otherwise(0).alias(f"{one}_px"))
        swapped += [pl.col(f"{other}_{what}").alias(f"{one}_{what}") for what in _BOOK[1:]]
    return tape.with_columns(
        pl.col("side").cast(pl.String).replace_strict(flipped).cast(tape.schema["side"]),
        (2 * around - pl.col("price")).alias("price"),
        *swapped,
    )


def lobster_tape(folder: Path, seed: int = 5, messages: int = 3_000) -> tuple[pl.DataFrame, InstrumentSpec]:
    """A file of the few best levels, without an opening snapshot, and the instrument's units."""
    date = "2012-06-21"
    (path,) = write_lobster_day(folder, "TEST", date, seed, messages=messages, levels=3)
    adapter = Lobster()
    spec = adapter.default_spec("TEST.NASDAQ")
    return adapter.parse({"zip": path}, spec, date).frame, spec


def span(tape: pl.DataFrame, skip_rows: int = 12) -> tuple[int, int]:
    """Clock of row ``skip_rows`` and of the last one."""
    clock = tape["ts_recv"].cum_max()
    return int(clock[skip_rows]), int(clock[-1])
