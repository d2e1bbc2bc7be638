"""Which book a source's rows make, and how it is shown.

Here: `book_kind`, building a book of any kind, showing it at whole events. Not here: the books themselves
(feeds/nbbo.py, feeds/cleaning/level_books.py, sim/ handed in).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import polars as pl

from feeds.adapters.base import BOOK_COLUMNS
from feeds.schema import FLAG_PARTIAL

BookKind = Literal["stated", "levels", "quotes", "orders", "none"]

#: RAW_TICKS to the same with book columns, and statistics: an object with a number in each attribute.
OrderBook = Callable[[pl.DataFrame], tuple[pl.DataFrame, Any]]


def book_kind(raw: pl.DataFrame) -> BookKind:
    """How the book of RAW_TICKS rows comes about.

    ``"stated"`` by the source; from price ``"levels"`` (and the same venue's quotes); from exchanges' ``"quotes"``;
    from ``"orders"``; ``"none"``: trades only.
    """
    if raw["bid_px"].null_count() < raw.height:
        return "stated"
    found = set(raw["action"].unique().to_list())
    if "L" in found:
        return "levels"
    if "Q" in found:
        return "quotes"
    return "orders" if found & {"A", "M", "C", "F"} else "none"


def build_book(
    kept: pl.DataFrame, kind: BookKind, levels: int, order_book: OrderBook
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Fill the book columns with the book after each row.

    Args:
        kept: RAW_TICKS in source order.
        kind: See `book_kind`.
        levels: Levels a side that the depths of a level book sum over.
        order_book: Builds the book of order events, `sim.replay.with_book`.

    Returns:
        RAW_TICKS with book columns, and figures about the building.
    """
    if kind == "levels":
        from feeds.cleaning.level_books import with_levels

        booked, stats = with_levels(kept, levels)
        return booked, {f"levels_{name}": value for name, value in vars(stats).items()}
    if kind == "quotes":
        from feeds.nbbo import with_nbbo

        return with_nbbo(kept), {}
    if kind == "orders":
        booked, found = order_book(kept)
        return booked, {f"orders_{name}": value for name, value in vars(found).items()}
    return kept, {}


def at_whole_events(booked: pl.DataFrame) -> pl.DataFrame:
    """Show the book at whole events only: a row inside an event (FLAG_PARTIAL) carries the book from before the event.

    An order that is replaced is two rows, a change of both sides' quotes too: in between the book never stood so at
    the venue, and no one may act on it. Null (a source states no book at that row) and 0 (an empty side) both show
    as 0.
    """
    filled = booked.with_columns(pl.col(BOOK_COLUMNS).fill_null(0))
    inside = pl.col("flags") & FLAG_PARTIAL > 0
    if not filled.select(inside.any()).item():
        return filled
    before = [pl.when(~inside).then(pl.col(name)).forward_fill().fill_null(0).alias(name) for name in BOOK_COLUMNS]
    return filled.with_columns(before)
