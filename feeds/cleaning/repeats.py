"""Rules about rows that came before or come too late.

Here: packets sent again, equal neighbours, late prints. Not here: orders added twice (feeds/cleaning/orders.py),
prints that a sale condition calls out of sequence (feeds/cleaning/sale_conditions.py).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl

#: What makes two rows the same event; the receiver's clock differs when a packet is sent again.
EVENT = ("ts_event", "action", "side", "order_id", "price", "size", "exchange", "condition")


def repeated_events(raw: pl.DataFrame, which: Literal["orders", "all"]) -> pl.Series:
    """Rows that repeat an earlier one from before the newest stamp.

    Equal events of one moment may be two events, and where several clocks or streams are merged, stamps run back all
    the time: two equal trades of one millisecond are common. An order is added, cancelled or filled by the same size
    once at a stamp: an equal event of it *after the clock moved on* is a packet sent again.

    Args:
        raw: RAW_TICKS in source order.
        which: ``"orders"``: additions, cancellations and fills of orders with an id. ``"all"``: rows of every kind, for
            feeds known to repeat packets and to have one stream.

    Returns:
        Boolean, a value a row.
    """
    behind = raw["ts_event"] < raw["ts_event"].cum_max()
    if which == "orders" and behind.any():
        named = (pl.col("order_id") != 0) & pl.col("action").is_in(["A", "C", "F"])
        behind &= raw.select(named).to_series()
    if not behind.any():
        return behind
    stamps = raw.filter(behind).select(pl.col("ts_event").unique())
    suspects = raw.select(*EVENT).with_row_index("row").join(stamps, on="ts_event", how="semi", maintain_order="left")
    again = np.zeros(raw.height, np.bool_)
    again[suspects.filter(~pl.struct(EVENT).is_first_distinct())["row"].to_numpy()] = True
    return behind & pl.Series(again)


def is_equal_neighbour() -> pl.Expr:
    """Equals the row before it in every column of the event, the receiver's stamp included."""
    same = [pl.col(name) == pl.col(name).shift(1) for name in (*EVENT, "ts_recv", "flags")]
    return pl.all_horizontal(*same).fill_null(value=False)


def is_late_print(late_ns: int) -> pl.Expr:
    """Trades stamped more than ``late_ns`` behind the newest stamp so far."""
    return (pl.col("action") == "T") & (pl.col("ts_event") < pl.col("ts_event").cum_max() - late_ns)
