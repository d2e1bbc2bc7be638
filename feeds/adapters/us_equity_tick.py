"""US consolidated trades and quotes: ``YYYYMMDD_trade.zip`` and ``YYYYMMDD_quote.zip``, one csv a zip, no header.

Trade: ``ms since midnight New York, price x 10^4, size, exchange, sale condition (hex), suspicious``. Quote: ``ms, bid
price, bid size, ask price, ask size, exchange, condition (hex), suspicious``; a side that is 0 x 0 is absent.

Here: this format. Not here: what the quotes make up (feeds/nbbo.py), which sales count (feeds/clean.py).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from feeds.adapters.base import FileInfo, ParsedTicks, instrument_id, iso_date, split_rejected, units_per
from feeds.adapters.containers import first_line, is_zip, member_head, read_member, zip_names
from feeds.adapters.strict_csv import CsvSchema, read_strict
from feeds.calendar import split_ns
from feeds.errors import UnreadableFileError
from feeds.instruments import InstrumentSpec
from feeds.schema import FLAG_SUSPICIOUS

_MEMBER = re.compile(r"(\d{8})_([a-z0-9.-]+)_(trade|quote)_tick\.csv", re.IGNORECASE)
_LINES = {
    "trade": re.compile(r"\d+,-?\d+,-?\d+,[A-Za-z]*,[0-9a-fA-F]+,[01]"),
    "quote": re.compile(r"\d+(,-?\d+){4},[A-Za-z]*,[0-9a-fA-F]+,[01]"),
}
_PRICE_UNIT = 1e-4
_NS_PER_MS = 1_000_000
_MS_PER_DAY = 86_400_000
_TRADE: CsvSchema = {
    "ms": pl.Int64,
    "price": pl.Int64,
    "size": pl.Int64,
    "exchange": pl.String,
    "condition": pl.String,
    "suspicious": pl.Int64,
}
_QUOTE: CsvSchema = {
    "ms": pl.Int64,
    "bid": pl.Int64,
    "bid_size": pl.Int64,
    "ask": pl.Int64,
    "ask_size": pl.Int64,
    "exchange": pl.String,
    "condition": pl.String,
    "suspicious": pl.Int64,
}


class UsEquityTick:
    """Adapter of the format; see the module docstring."""

    name = "us_equity_tick"
    required_roles = frozenset({"trade", "quote"})
    whole_roles: frozenset[str] = frozenset()
    awaited_roles: frozenset[str] = frozenset()

    def sniff(self, path: Path) -> FileInfo | None:
        """The first line tells the role; symbol and date stand in the csv's name only."""
        if not is_zip(path) or (member := _only_csv(path)) is None:
            return None
        line = first_line(member_head(path, member))
        role = next((role for role, pattern in _LINES.items() if pattern.fullmatch(line)), None)
        match = _MEMBER.fullmatch(member)
        if match is None:
            return None
        if role is None or role != match.group(3).lower():
            expected = f"a line of a {match.group(3).lower()} file"
            raise UnreadableFileError(path, "line 1", expected, repr(line[:80]) if line else "an empty file")
        instrument = instrument_id(path, match.group(2), "US")
        return FileInfo(path, self.name, role, instrument, (iso_date(path, match.group(1)),))

    def parse(self, files: Mapping[str, Path], spec: InstrumentSpec, date: str) -> ParsedTicks:
        """Merge trades and quotes by time, each file in its own order.

        At equal milliseconds quotes stand first, so that a tape read up to a time has the book of that time. Nobody
        knows which came first there: signing trades must use earlier quotes (feeds/clean.py does). Both files have one
        clock: ``ts_recv`` is ``ts_event``. ``rows_in`` counts sides: a quote line with both sides is two records, one
        with neither is one, rejected as ``empty_quote``.
        """
        ticks = units_per(_PRICE_UNIT, spec.tick_size, "tick_size", spec)
        lots = units_per(1.0, spec.lot_size, "lot_size", spec)
        quotes = _quote_events(_read(files["quote"], _QUOTE))
        trades = _trade_events(_read(files["trade"], _TRADE))
        # The running maximum keeps each file's own order where its stamps run backwards.
        merged = pl.concat([frame.with_columns(placed=pl.col("ms").cum_max()) for frame in (quotes, trades)])
        stamp = split_ns("XNYS", date, dt.time()) + pl.col("ms") * _NS_PER_MS
        inside = pl.col("ms").is_between(0, _MS_PER_DAY - 1)
        events = merged.sort("placed", maintain_order=True).with_columns(
            ts_event=pl.when(inside).then(stamp),
            ts_recv=pl.when(inside).then(stamp),
            order_id=pl.lit(0, pl.Int64),
            price=pl.col("price") * ticks,
            size=pl.col("size") * lots,
            flags=pl.when(pl.col("suspicious") != 0).then(FLAG_SUSPICIOUS).otherwise(0).cast(pl.UInt8),
            reason=pl.when(~inside).then(pl.lit("time_outside_day")).otherwise(pl.col("reason")),
        )
        return split_rejected(events)

    def default_spec(self, instrument: str) -> InstrumentSpec:
        """Prices kept at 1e-4 dollars, quotes on the cent."""
        return InstrumentSpec(id=instrument, tick_size=_PRICE_UNIT, lot_size=1, quote_increment_ticks=100)


def _only_csv(path: Path) -> str | None:
    found = [name for name in zip_names(path) if name.lower().endswith(".csv")]
    return found[0] if len(found) == 1 else None


def _read(path: Path, schema: CsvSchema) -> pl.DataFrame:
    member = _only_csv(path)
    if member is None:
        raise UnreadableFileError(path, "the archive's directory", "one csv", "none or several")
    frame = read_strict(path, read_member(path, member), schema)
    bits = frame["condition"].str.to_integer(base=16, strict=False).cast(pl.Int64)
    if bits.null_count():
        row = int(bits.is_null().arg_max() or 0)
        raise UnreadableFileError(path, f"line {row + 1}", "a hexadecimal condition", repr(frame["condition"][row]))
    return frame.with_columns(bits.alias("condition"))


def _trade_events(frame: pl.DataFrame) -> pl.DataFrame:
    no_reason = pl.lit(None, pl.String).alias("reason")
    return _event_columns(frame, action="T", side="N", price="price", size="size", reason=no_reason)


def _quote_events(frame: pl.DataFrame) -> pl.DataFrame:
    """One row per side present; a line without any side stays as one row with a reason."""
    lines = frame.with_row_index("line")
    has_bid = (pl.col("bid") != 0) | (pl.col("bid_size") != 0)
    has_ask = (pl.col("ask") != 0) | (pl.col("ask_size") != 0)
    no_reason = pl.lit(None, pl.String).alias("reason")
    neither = pl.lit("empty_quote").alias("reason")
    parts = [
        _event_columns(lines.filter(has_bid), "Q", "B", "bid", "bid_size", no_reason, "line"),
        _event_columns(lines.filter(has_ask), "Q", "A", "ask", "ask_size", no_reason, "line"),
        _event_columns(lines.filter(~has_bid & ~has_ask), "Q", "N", "bid", "bid_size", neither, "line"),
    ]
    return pl.concat(parts).sort("line", maintain_order=True).drop("line")


def _event_columns(
    frame: pl.DataFrame, action: str, side: str, price: str, size: str, reason: pl.Expr, *more: str
) -> pl.DataFrame:
    return frame.select(
        *more,
        "ms",
        pl.lit(action).alias("action"),
        pl.lit(side).alias("side"),
        pl.col(price).alias("price"),
        pl.col(size).alias("size"),
        "exchange",
        "condition",
        "suspicious",
        reason,
    )
