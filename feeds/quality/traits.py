"""What a partition holds, read off its rows: which expectations and invariants can apply to it.

A tape of trades has no book to be crossed, a source with one clock no delay between two. A trait says what is there; an
expectation that needs a trait the partition lacks is left out, and said to be. A caller that knows what the source
promises passes the promised traits as ``expected``: one that is missing is a failure then, not a reason to look away.

Here: deriving traits. Not here: what needs them (feeds/quality/suites.py, invariants.py).
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

Traits = frozenset[str]

_ACTION = pl.col("action").cast(pl.String)
_IS_ORDER = _ACTION.is_in(["A", "M", "C", "F"])
_RAW = {
    "has_trades": _ACTION.is_in(["T", "F"]),
    "has_quotes": _ACTION == "Q",
    "has_orders": _IS_ORDER,
    "has_order_ids": _IS_ORDER & (pl.col("order_id") != 0),
    "has_levels": _ACTION == "L",
    "has_stated_book": pl.col("bid_px").is_not_null(),
    "two_clocks": pl.col("ts_recv") != pl.col("ts_event"),
}
_CLEAN = {
    "has_trades": _ACTION.is_in(["T", "F"]),
    "has_quotes": _ACTION == "Q",
    "has_orders": _IS_ORDER,
    "has_levels": _ACTION == "L",
    "has_book": (pl.col("bid_px") > 0) | (pl.col("ask_px") > 0),
    "two_clocks": pl.col("available_at") != pl.col("ts_event"),
}
_BY_TABLE: Mapping[str, Mapping[str, pl.Expr]] = {"raw_ticks": _RAW, "clean_ticks": _CLEAN}
#: Any of these makes a book.
_BOOK_MAKERS = frozenset({"has_quotes", "has_orders", "has_levels", "has_stated_book"})

#: Format -> what each of its instrument-days has. Formats that come in several kinds promise nothing here.
PROMISES: Mapping[str, Traits] = {
    "lobster": frozenset({"has_orders", "has_stated_book"}),
    "bitstamp": frozenset({"has_orders"}),
    "fx_tick": frozenset({"has_quotes"}),
    "itch": frozenset({"has_orders"}),
}

#: Trait -> what its absence means, in words.
ABSENT = {
    "has_trades": "the partition has no trades",
    "has_quotes": "the partition has no quotes",
    "has_orders": "the partition has no orders",
    "has_order_ids": "no order has an id",
    "has_levels": "the partition has no price levels",
    "has_stated_book": "the source states no book",
    "has_book": "nothing in the partition makes a book",
    "two_clocks": "the source has one clock",
}


def traits_of(table: str, frame: pl.DataFrame) -> Traits:
    """The traits of a partition; none for tables that look alike whatever the source.

    Args:
        table: Name of the table.
        frame: Its rows. A missing column (the suite reports it) gives no trait.
    """
    rules = _BY_TABLE.get(table, {})
    usable = {name: rule for name, rule in rules.items() if set(rule.meta.root_names()) <= set(frame.columns)}
    if not usable:
        return frozenset()
    seen = frame.select(rule.any().fill_null(False).alias(name) for name, rule in usable.items()).to_dicts()[0]
    found = {name for name, is_there in seen.items() if is_there}
    if table == "raw_ticks" and found & _BOOK_MAKERS:
        found.add("has_book")
    return frozenset(found)
