"""What is wrong with the input of a replay, counted by kind: bad input changes as little as it can, and never unseen.

What a replay does with each kind: rows are replayed in source order whatever their stamps say; a change of an order
that is not in the book, and an addition of one that is, change nothing; a size below zero removes (a level, the rest of
an order) and adds nothing; of a snapshot that crosses itself both sides are kept, the later order undisplayed, the
lasting cross withdrawn as any other.

Here: `ReplayFaults`, counting. Not here: which rows are dropped (pipeline.py), limits beyond which a day is refused
(feeds/quality/invariants.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from feeds.schema import FLAG_CLOSING, FLAG_SNAPSHOT


@dataclass(frozen=True)
class ReplayFaults:
    """Counts of one instrument-day, in rows unless stated.

    Attributes:
        out_of_order: Stamped by the venue before an earlier row; opening and closing snapshots aside.
        received_out_of_order: Received before an earlier row; the same.
        negative_sizes: With a size below zero.
        unknown_orders: That change an order which is not in the book.
        repeated_orders: That add an order which is in the book.
        evicted_orders: Orders given up because later events prove them gone.
        crossed_snapshot: Bids of an opening snapshot at or above its lowest ask.
        crossed_rows: After which the best bid lies above the best ask.
    """

    out_of_order: int = 0
    received_out_of_order: int = 0
    negative_sizes: int = 0
    unknown_orders: int = 0
    repeated_orders: int = 0
    evicted_orders: int = 0
    crossed_snapshot: int = 0
    crossed_rows: int = 0

    @property
    def total(self) -> int:
        """Faults of every kind."""
        return sum(vars(self).values())


def replay_faults(raw: pl.DataFrame, booked: pl.DataFrame, figures: dict[str, int]) -> ReplayFaults:
    """Count the faults of an instrument-day.

    Args:
        raw: RAW_TICKS as they came.
        booked: Those that may touch the book, with the book after each.
        figures: Of the building of the book: of orders ``orders_unknown_ids``, ``orders_duplicate_ids`` and
            ``orders_evicted_orders`` (`sim.replay.BookStats`). Without them, where a source states its book, unknown
            are the orders that no earlier row added.
    """
    live = raw.filter(pl.col("flags") & (FLAG_SNAPSHOT | FLAG_CLOSING) == 0)
    unknown = figures.get("orders_unknown_ids")
    bid, ask = booked["bid_px"].fill_null(0), booked["ask_px"].fill_null(0)
    return ReplayFaults(
        out_of_order=_steps_back(live["ts_event"]),
        received_out_of_order=_steps_back(live["ts_recv"]),
        negative_sizes=int((raw["size"] < 0).sum()),
        unknown_orders=_never_added(booked) if unknown is None else unknown,
        repeated_orders=figures.get("orders_duplicate_ids", 0),
        evicted_orders=figures.get("orders_evicted_orders", 0),
        crossed_snapshot=_crossed_snapshot(booked),
        crossed_rows=int(((bid > ask) & (ask > 0)).sum()),
    )


def _steps_back(stamps: pl.Series) -> int:
    values = stamps.to_numpy()
    return int((values < np.maximum.accumulate(values)).sum()) if values.size else 0


def _never_added(booked: pl.DataFrame) -> int:
    """Changes of orders that no earlier row added, since the last clear or before it."""
    orders = booked.filter(pl.col("action").is_in(["A", "M", "C", "F"]) & (pl.col("order_id") != 0))
    added = (pl.col("action") == "A").cum_sum().over("order_id")
    return int(orders.select((added == 0).sum()).item())


def _crossed_snapshot(booked: pl.DataFrame) -> int:
    opening = booked.with_columns(clear=(pl.col("action") == "R").cum_sum()).filter(
        (pl.col("flags") & FLAG_SNAPSHOT > 0) & pl.col("action").is_in(["A", "L", "Q"]) & (pl.col("size") > 0)
    )
    lowest_ask = pl.col("price").filter(pl.col("side") == "A").min().over("clear")
    return int(opening.select(((pl.col("side") == "B") & (pl.col("price") >= lowest_ask)).sum()).item())
