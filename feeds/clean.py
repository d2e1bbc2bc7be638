"""Cleaning: which raw rows become clean ticks, and why the others do not.

In two steps, because the book is built between them from rows that are not kept themselves (the opening snapshot,
quotes before the open):

1. `filter_rows` drops what must not touch the book or the tape: see `FILTER_REASONS`.
2. the book is built (feeds/nbbo.py, sim/replay.py; nothing to do where the source states it).
3. `finish` drops what lies outside the session or has no usable book: see `FINISH_REASONS`.

Order of events: the source's own order (``sequence``) is the truth; stamps that run backwards stay as they are in
``ts_event``, and ``available_at`` is the running maximum of ``ts_recv``: a row cannot be known before one that was
delivered earlier. Every rule looks at the row and its past only, so that cleaning a growing day gives the same.

Here: the rules. Not here: parsing (feeds/adapters), whether a whole day is acceptable (feeds/quality).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl

from feeds.errors import RowAccountingError
from feeds.instruments import InstrumentSpec
from feeds.schema import FLAG_CLOSING, FLAG_SNAPSHOT, FLAG_SUSPICIOUS, REJECTED_TICKS, conform

BookKind = Literal["stated", "orders", "quotes"]

#: Sale-condition bits (AlgoSeek's, the vendor of the US tapes) of prints whose price is not the market's at that
#: moment, after the consolidated tape's last-sale eligibility: cash 0x2, next day 0x4, seller's option 0x8,
#: derivatively priced 0x200, sold 0x800, out of sequence 0x4000, acquisition 0x10000, stock option 0x40000,
#: distribution 0x80000, average price 0x100000, price variation 0x400000, prior reference price 0x2000000; and the
#: official open 0x4000000 and close 0x1000000, which repeat an auction print. Intermarket sweeps 0x20 are eligible:
#: they print at the market (the vendor's own minute bars count their volume but leave their prices out).
NOT_LAST_SALE = 0x075D4A0E
#: Amounts of currency from which a price is the "any price" of a market order, not a price.
ANY_PRICE = 999_999_999.0
#: A trade further from the mid than this share is a data error.
MAX_TRADE_DEVIATION = 0.5

FILTER_REASONS = {
    "suspicious": "the source marks the row as suspicious",
    "closing_snapshot": "written at the end of the capture, carries no information",
    "unpriced_order": "a market order (price 0 or the venue's largest price), and all that happens to it later",
    "non_positive_price": "a trade, fill, quote or modification without a price",
    "non_positive_size": "a trade, fill or new order without a size",
    "duplicate_event": "adds an order id a second time with the same side, price and size",
    "ineligible_sale_condition": "printed outside the normal market, see NOT_LAST_SALE",
}
FINISH_REASONS = {
    "snapshot": "opening snapshot: built the book, is no live flow",
    "outside_session": "before the open or from the close on; earlier rows did build the book",
    "one_sided_book": "no bid or no ask stands",
    "crossed_book": "best bid above best ask (locked markets are kept)",
    "absurd_price": "a trade more than 50 % away from the mid",
}


def book_kind(raw: pl.DataFrame) -> BookKind:
    """How the book of RAW_TICKS rows comes about: stated by the source, from orders, or from exchanges' quotes."""
    if raw["bid_px"].null_count() < raw.height:
        return "stated"
    return "quotes" if (raw["action"] == "Q").any() else "orders"


def filter_rows(raw: pl.DataFrame, spec: InstrumentSpec, bounds: tuple[int, int]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """First cleaning step.

    Args:
        raw: RAW_TICKS.
        spec: Units of the instrument.
        bounds: Open and close of the session, ns UTC. Rows from the close on cannot matter and go at once.

    Returns:
        ``(kept, rejected)``: RAW_TICKS in source order and REJECTED_TICKS; every raw row is in exactly one of them.

    Raises:
        RowAccountingError: Rows were lost.
    """
    raw = raw.sort("sequence", maintain_order=True)
    action, price, size = pl.col("action"), pl.col("price"), pl.col("size")
    priced = action.is_in(["T", "F", "M"]) | ((action == "Q") & (size > 0))
    sized = action.is_in(["T", "F", "A"])
    reason = (
        pl.when(pl.col("flags") & FLAG_CLOSING > 0)
        .then(pl.lit("closing_snapshot"))
        .when(pl.col("ts_event") >= bounds[1])
        .then(pl.lit("outside_session"))
        .when(pl.col("flags") & FLAG_SUSPICIOUS > 0)
        .then(pl.lit("suspicious"))
        .when(_of_unpriced_order(spec))
        .then(pl.lit("unpriced_order"))
        .when(priced & (price <= 0))
        .then(pl.lit("non_positive_price"))
        .when(sized & (size <= 0))
        .then(pl.lit("non_positive_size"))
        .when(_repeated_addition())
        .then(pl.lit("duplicate_event"))
        .when((action == "T") & (pl.col("condition") & NOT_LAST_SALE > 0))
        .then(pl.lit("ineligible_sale_condition"))
    )
    return _part(raw.with_columns(reason=reason))


def finish(booked: pl.DataFrame, bounds: tuple[int, int]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Last cleaning step.

    Args:
        booked: RAW_TICKS with the book columns after each row (0: empty side), in source order.
        bounds: Open (inclusive) and close (exclusive) of the session, ns UTC, on the venue clock.

    Returns:
        ``(clean, rejected)``: CLEAN_TICKS and REJECTED_TICKS; every row is in exactly one of them.

    Raises:
        RowAccountingError: Rows were lost.
    """
    bid, ask, price = pl.col("bid_px"), pl.col("ask_px"), pl.col("price")
    # In floats: a damaged price may be so large that doubling it would wrap around.
    deviation = (2.0 * price - bid - ask).abs()
    reason = (
        pl.when(pl.col("flags") & FLAG_SNAPSHOT > 0)
        .then(pl.lit("snapshot"))
        .when(~pl.col("ts_event").is_between(*bounds, closed="left"))
        .then(pl.lit("outside_session"))
        .when((bid <= 0) | (ask <= 0))
        .then(pl.lit("one_sided_book"))
        .when(bid > ask)
        .then(pl.lit("crossed_book"))
        .when(pl.col("action").is_in(["T", "F"]) & (deviation > MAX_TRADE_DEVIATION * (bid + ask)))
        .then(pl.lit("absurd_price"))
    )
    enriched = booked.with_columns(
        pl.col("^(bid|ask)_(px|sz|depth)$").fill_null(0),
        available_at=pl.col("ts_recv").cum_max(),
        trade_sign=pl.Series(trade_signs(booked), dtype=pl.Int8),
    )
    kept, rejected = _part(enriched.with_columns(reason=reason))
    return conform(kept, "clean_ticks"), rejected


def trade_signs(booked: pl.DataFrame) -> np.ndarray:
    """Who initiated each trade.

    Exact where the source says so: the side of the resting order (F), or the aggressor's side (T). Else after Lee and
    Ready, "Inferring trade direction from intraday data", Journal of Finance 46 (1991): above the mid +1, below it -1,
    at the mid the tick test (sign of the last price change). The mid is the last one with an *earlier* stamp than the
    trade: quotes of the trade's own stamp may be its consequence.

    Args:
        booked: RAW_TICKS with book columns.

    Returns:
        (n,) int8: +1 buyer-initiated, -1 seller-initiated, 0 unknown or no trade.
    """
    action, side = booked["action"].cast(pl.String).to_numpy(), booked["side"].cast(pl.String).to_numpy()
    signs = np.zeros(booked.height, np.int8)
    fill, trade = action == "F", action == "T"
    signs[(fill & (side == "A")) | (trade & (side == "B"))] = 1
    signs[(fill & (side == "B")) | (trade & (side == "A"))] = -1
    open_trades = np.flatnonzero(trade & (side == "N"))
    if open_trades.size:
        twice_mid = _twice_mid_before(booked)[open_trades]
        price = booked["price"].to_numpy()[open_trades]
        quote_rule = np.where(twice_mid > 0, np.sign(2 * price - twice_mid), 0)
        tick_test = _last_nonzero(np.sign(np.diff(price, prepend=price[0])))
        signs[open_trades] = np.where(quote_rule != 0, quote_rule, tick_test)
    return signs


def _twice_mid_before(booked: pl.DataFrame) -> np.ndarray:
    """(n,) bid + ask of the last uncrossed two-sided book with an earlier stamp than the row; 0 before the first."""
    bid, ask = (booked[name].fill_null(0).to_numpy() for name in ("bid_px", "ask_px"))
    usable = (bid > 0) & (ask > 0) & (bid <= ask)
    twice_mid = _last_nonzero(np.where(usable, bid + ask, 0))
    stamps = booked["ts_event"].to_numpy()
    starts = np.concatenate([[True], stamps[1:] != stamps[:-1]])
    start_of_run = np.maximum.accumulate(np.where(starts, np.arange(stamps.size), 0))
    return np.where(start_of_run > 0, twice_mid[start_of_run - 1], 0)


def _last_nonzero(values: np.ndarray) -> np.ndarray:
    """Each element, or the last non-zero one before it; 0 where there is none."""
    at = np.maximum.accumulate(np.where(values != 0, np.arange(values.size), 0))
    return values[at]


def _of_unpriced_order(spec: InstrumentSpec) -> pl.Expr:
    is_order = pl.col("order_id") != 0
    without = (pl.col("price") <= 0) | (pl.col("price") * spec.tick_size >= ANY_PRICE)
    added_without = (pl.col("action") == "A") & without
    since_then = added_without.cast(pl.Int8).cum_max().over("order_id").cast(pl.Boolean)
    return added_without | (is_order & since_then & (pl.col("action") != "T"))


def _repeated_addition() -> pl.Expr:
    key = ["action", "order_id", "side", "price", "size"]
    return (pl.col("action") == "A") & (pl.col("order_id") != 0) & ~pl.struct(key).is_first_distinct()


def _part(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    kept = frame.filter(pl.col("reason").is_null()).drop("reason")
    refused = frame.filter(pl.col("reason").is_not_null())
    rejected = refused.select(pl.col(name).cast(kind) for name, kind in REJECTED_TICKS.items())
    if kept.height + rejected.height != frame.height:
        raise RowAccountingError(
            "cleaning",
            received=f"{frame.height} rows",
            expected=f"{kept.height} kept + {rejected.height} rejected",
            remedy="A cleaning rule loses rows: this is a bug.",
        )
    return kept, rejected
