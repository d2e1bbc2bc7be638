"""Rules about orders: those without a price, and those added twice.

Here: order events. Not here: events of any kind that are sent again (feeds/cleaning/repeats.py).
"""

from __future__ import annotations

import polars as pl

from feeds.instruments import InstrumentSpec

#: Amounts of currency from which a price is the "any price" of a market order, not a price.
ANY_PRICE = 999_999_999.0


def is_of_unpriced_order(spec: InstrumentSpec) -> pl.Expr:
    """An order added without a price (0, or `ANY_PRICE`), and whatever happens to its id afterwards but trades."""
    is_order = pl.col("order_id") != 0
    without = (pl.col("price") <= 0) | (pl.col("price") * spec.tick_size >= ANY_PRICE)
    added_without = (pl.col("action") == "A") & without
    since_then = added_without.cast(pl.Int8).cum_max().over("order_id").cast(pl.Boolean)
    return added_without | (is_order & since_then & (pl.col("action") != "T"))


def is_repeated_addition() -> pl.Expr:
    """An order id added again with the same side, price and size, nothing having been taken off it since.

    What was filled or cancelled may come back under its id: an iceberg order shows its next part so.
    """
    key = ["action", "order_id", "side", "price", "size"]
    again = (pl.col("action") == "A") & (pl.col("order_id") != 0) & ~pl.struct(key).is_first_distinct()
    added = pl.when(pl.col("action").is_in(["A", "C", "F"])).then(pl.col("action") == "A")
    stands = added.shift(1).forward_fill().over("order_id").fill_null(value=False)
    return again & stands
