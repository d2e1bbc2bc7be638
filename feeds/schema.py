"""The canonical tables: column names, types and units. One module, one place.

Events follow Databento's MBO vocabulary with two documented deviations: ``F`` both prints a trade and
reduces the resting order (venues that report a fill once stay one row), and ``Q`` carries the one-sided
quote of one exchange. Each execution appears exactly once among ``F`` and ``T``.

Here: schemas and their validation. Not here: parsing (feeds/adapters), cleaning rules (feeds/cleaning).
"""

from __future__ import annotations

import polars as pl

from feeds.errors import SchemaError

#: Version of the tables, ``major.minor``: a reader refuses a newer major version.
SCHEMA_VERSION = "1.0"

#: A add, M modify (size/price after the change), C cancel (size = quantity removed), F fill of a resting order
#: (prints a trade, reduces ``order_id`` by ``size``), T trade print (never changes the book), R clear the book,
#: Q one exchange's best quote on ``side`` is now price x size (0 x 0: withdrawn), H trading status (``condition``: -1
#: halted, 0 quoting only, 1 trading), L the total displayed size at ``price`` on ``side`` is now ``size`` (0: none).
ACTIONS = ("A", "M", "C", "F", "T", "R", "Q", "H", "L")
#: B bid, A ask, N none. For A/M/C/F/Q the side of the resting order; for T the side of the aggressor.
SIDES = ("B", "A", "N")
ACTION_ENUM = pl.Enum(ACTIONS)
SIDE_ENUM = pl.Enum(SIDES)
ACTION_CODE = {name: code for code, name in enumerate(ACTIONS)}
SIDE_CODE = {name: code for code, name in enumerate(SIDES)}

FLAG_SNAPSHOT = 1  #: part of an opening snapshot, not live flow
FLAG_CLOSING = 2  #: written at the end of the capture to close what rests; carries no information
FLAG_SUSPICIOUS = 4  #: the source itself marks the row as suspicious
FLAG_PARTIAL = 8  #: more rows of the same event follow: the book is not consistent before the last of them
FLAG_AUCTION = 16  #: the print of an opening, closing or halt auction
FLAG_GAP = 32  #: the source lost messages before this row

Schema = dict[str, pl.DataType | type[pl.DataType]]

#: Book state a source states itself (LOBSTER book rows); null where it states none. Prices in ticks, sizes in lots;
#: depth is the sum over the levels the source shows (at most 10).
_BOOK: Schema = {
    "bid_px": pl.Int64,
    "bid_sz": pl.Int64,
    "ask_px": pl.Int64,
    "ask_sz": pl.Int64,
    "bid_depth": pl.Int64,
    "ask_depth": pl.Int64,
}

RAW_TICKS: Schema = {
    "ts_event": pl.Int64,  # venue clock, ns UTC
    "ts_recv": pl.Int64,  # our clock, ns UTC; equal to ts_event where the source has one clock
    "sequence": pl.Int64,  # 0..n-1, order of the rows in the source
    "action": ACTION_ENUM,
    "side": SIDE_ENUM,
    "order_id": pl.Int64,  # 0: none
    "price": pl.Int64,  # ticks of the instrument
    "size": pl.Int64,  # lots of the instrument
    "exchange": pl.String,  # "" where there is one venue only
    "condition": pl.Int64,  # the source's condition bits, 0 where it has none
    "flags": pl.UInt8,  # FLAG_* bits
    **_BOOK,
}

#: One row per kept event with the best bid and offer *after* it; 0 means that side is empty.
CLEAN_TICKS: Schema = {
    "ts_event": pl.Int64,
    "available_at": pl.Int64,  # when our system could first have known the row, ns UTC; never decreases
    "sequence": pl.Int64,  # of raw_ticks
    "action": ACTION_ENUM,
    "side": SIDE_ENUM,
    "order_id": pl.Int64,
    "price": pl.Int64,
    "size": pl.Int64,
    "exchange": pl.String,
    "trade_sign": pl.Int8,  # F/T rows: +1 buyer-initiated, -1 seller-initiated, 0 unknown; other rows 0
    **_BOOK,
}

#: Rows that cleaning did not keep, with the reason: rows in = clean + rejected.
REJECTED_TICKS: Schema = {
    "sequence": pl.Int64,
    "ts_event": pl.Int64,
    "action": ACTION_ENUM,
    "side": SIDE_ENUM,
    "price": pl.Int64,
    "size": pl.Int64,
    "reason": pl.String,
}

#: Bars a vendor or venue publishes: the truth our own bars are held against.
VENDOR_BARS: Schema = {
    "ts_open": pl.Int64,  # left edge, ns UTC
    "ts": pl.Int64,  # right edge, ns UTC
    "open": pl.Int64,  # ticks
    "high": pl.Int64,
    "low": pl.Int64,
    "close": pl.Int64,
    "volume_lots": pl.Int64,
    "source": pl.String,  # name of the adapter
}

BARS: Schema = {
    "ts_open": pl.Int64,  # left edge, ns UTC
    "ts": pl.Int64,  # right edge, ns UTC; also when the bar is known
    "available_at": pl.Int64,
    "open": pl.Int64,  # trade prices in ticks; null in a bar without trades
    "high": pl.Int64,
    "low": pl.Int64,
    "close": pl.Int64,
    "volume_lots": pl.Int64,
    "trades": pl.Int64,
    "vwap_ticks": pl.Float64,
    "mid_open_ticks": pl.Float64,
    "mid_close_ticks": pl.Float64,
    "spread_mean_ticks": pl.Float64,  # mean of the spread sampled on the rv grid
    "realised_variance": pl.Float64,  # sum of squared log mid returns on the rv grid inside the bar
    "signed_volume_lots": pl.Int64,
}

HEADLINES: Schema = {
    "published_at": pl.Int64,  # ns UTC
    "available_at": pl.Int64,  # ns UTC
    "symbol": pl.String,  # instrument id, one row per (headline, instrument)
    "headline": pl.String,
    "source": pl.String,  # "simulated" where nobody published it
    "text_id": pl.String,  # sha256 of the text, first 16 hex digits
}

#: Point in time, long format: the value ``name`` had for ``symbol`` ("*": every instrument) from ``available_at`` on.
EXTERNAL_SIGNALS: Schema = {
    "available_at": pl.Int64,
    "effective_at": pl.Int64,  # the time the value speaks of
    "symbol": pl.String,
    "name": pl.String,
    "value": pl.Float64,
    "source": pl.String,
}

SENTIMENT: Schema = {
    **HEADLINES,
    "p_negative": pl.Float64,
    "p_neutral": pl.Float64,
    "p_positive": pl.Float64,
    "score": pl.Float64,  # p_positive - p_negative, in [-1, 1]
}

TABLES: dict[str, Schema] = {
    "raw_ticks": RAW_TICKS,
    "clean_ticks": CLEAN_TICKS,
    "rejected_ticks": REJECTED_TICKS,
    "bars": BARS,
    "vendor_bars": VENDOR_BARS,
    "headlines": HEADLINES,
    "external_signals": EXTERNAL_SIGNALS,
    "sentiment": SENTIMENT,
}


def conform(frame: pl.DataFrame, table: str) -> pl.DataFrame:
    """Return ``frame`` with exactly the columns and types of ``table``, in order.

    Args:
        frame: Any frame holding at least the table's columns.
        table: A key of `TABLES`.

    Raises:
        SchemaError: A column is missing or cannot be cast without loss.
    """
    schema = TABLES[table]
    missing = [name for name in schema if name not in frame.columns]
    if missing:
        raise SchemaError(
            f"table {table}",
            received=f"columns {frame.columns}",
            expected=f"also {missing}",
            remedy="Add the missing columns in the producer.",
        )
    try:
        return frame.select(pl.col(name).cast(kind) for name, kind in schema.items())
    except pl.exceptions.PolarsError as error:
        raise SchemaError(
            f"table {table}",
            received=str(error),
            expected=f"types {schema}",
            remedy="Fix the producer's types.",
        ) from error


def empty(table: str) -> pl.DataFrame:
    """Return a frame of ``table`` with no rows."""
    return pl.DataFrame(schema=TABLES[table])
