"""US consolidated trades and one-sided per-exchange quotes: ``YYYYMMDD_trade.zip`` and ``YYYYMMDD_quote.zip``.

One csv a zip, without header. Trade: ``ms since midnight New York, price x 10^4, size, exchange, sale condition (hex),
suspicious``. Quote: ``ms, bid price, bid size, ask price, ask size, exchange, condition, suspicious``; a side that is 0 x 0 is
absent, so that a line speaks of one side of one exchange.

Here: this format. Not here: the national best bid and offer (feeds/nbbo.py), sale-condition rules (feeds/clean.py).
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from feeds.adapters.base import FileInfo, ParsedTicks, midnight_ns, only_member, read_member, rejected_frame
from feeds.errors import UnreadableFileError
from feeds.instruments import InstrumentSpec
from feeds.schema import FLAG_SUSPICIOUS, RAW_TICKS, conform

_MEMBER = re.compile(r"^(\d{4})(\d{2})(\d{2})_([a-z0-9.-]+)_(trade|quote)_tick\.csv$")
_PRICE_UNIT = 1e-4
_NS_PER_MS = 1_000_000
_TRADE = {
    "ms": pl.Int64,
    "price": pl.Int64,
    "size": pl.Int64,
    "exchange": pl.String,
    "condition": pl.String,
    "suspicious": pl.Int64,
}
_QUOTE = {
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

    def sniff(self, path: Path) -> FileInfo | None:
        """Recognise a zip by the name of its csv; see `Adapter.sniff`."""
        if not path.read_bytes()[:4].startswith(b"PK"):
            return None
        member = only_member(path, "_tick.csv")
        match = _MEMBER.match(member.lower()) if member else None
        if match is None:
            return None
        year, month, day, ticker, role = match.groups()
        return FileInfo(path, self.name, role, f"{ticker.upper().replace('.', '-')}.US", (f"{year}-{month}-{day}",))

    def parse(self, files: Mapping[str, Path], spec: InstrumentSpec, date: str) -> ParsedTicks:
        """Merge trades and quotes by time; at equal milliseconds quotes stand first (a trade is against them).

        ``rows_in`` counts sides: a quote line with both sides is two records.
        """
        scale = _PRICE_UNIT / spec.tick_size
        quotes = _quote_events(_read(files["quote"], _QUOTE))
        trades = _trade_events(_read(files["trade"], _TRADE))
        merged = pl.concat([quotes, trades]).sort("ms", maintain_order=True)
        stamp = midnight_ns(date) + pl.col("ms") * _NS_PER_MS
        events = merged.with_columns(
            ts_event=stamp,
            ts_recv=stamp,
            sequence=pl.int_range(pl.len(), dtype=pl.Int64),
            order_id=pl.lit(0, pl.Int64),
            price=(pl.col("price") * scale).round().cast(pl.Int64) if scale != 1 else pl.col("price"),
            size=(pl.col("size") / spec.lot_size).round().cast(pl.Int64) if spec.lot_size != 1 else pl.col("size"),
            flags=pl.when(pl.col("suspicious") != 0).then(FLAG_SUSPICIOUS).otherwise(0).cast(pl.UInt8),
            **{name: pl.lit(None, pl.Int64) for name in list(RAW_TICKS)[-6:]},
        )
        empty = pl.col("empty")
        rejected = rejected_frame(events.filter(empty), "empty_quote")
        return ParsedTicks(conform(events.filter(~empty), "raw_ticks"), events.height, rejected)

    def default_spec(self, instrument: str) -> InstrumentSpec:
        """Prices kept at 1e-4 dollars, quotes on the cent."""
        return InstrumentSpec(id=instrument, tick_size=_PRICE_UNIT, lot_size=1, quote_increment_ticks=100)


def _read(path: Path, schema: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
    member = only_member(path, "_tick.csv")
    if member is None:
        raise UnreadableFileError(path, "the archive's directory", "one *_Tick.csv", "none or several")
    content = read_member(path, member)
    if not content.strip():
        raise UnreadableFileError(path, "line 1", f"{len(schema)} columns", "an empty file")
    try:
        return pl.read_csv(io.BytesIO(content), has_header=False, schema=dict(schema))
    except pl.exceptions.PolarsError as error:
        raise UnreadableFileError(path, *_first_bad_line(content, len(schema), str(error))) from error


def _first_bad_line(content: bytes, columns: int, problem: str) -> tuple[str, str, str]:
    for number, line in enumerate(content.splitlines(), start=1):
        if line.count(b",") != columns - 1:
            return f"line {number}", f"{columns} columns", line[:80].decode(errors="replace")
    return "some line", f"{columns} columns of whole numbers", problem.splitlines()[0][:200]


def _hex(name: str) -> pl.Expr:
    return pl.col(name).str.to_integer(base=16, strict=False).fill_null(0).cast(pl.Int64)


def _trade_events(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(
        "ms",
        pl.lit("T").alias("action"),
        pl.lit("N").alias("side"),
        "price",
        "size",
        pl.col("exchange").fill_null(""),
        _hex("condition"),
        "suspicious",
        pl.lit(False).alias("empty"),
    )


def _quote_events(frame: pl.DataFrame) -> pl.DataFrame:
    """One row per side present; a line without any side stays as one empty row."""
    frame = frame.with_row_index("line")
    has_bid = (pl.col("bid") != 0) | (pl.col("bid_size") != 0)
    has_ask = (pl.col("ask") != 0) | (pl.col("ask_size") != 0)
    bids = _side(frame.filter(has_bid | ~has_ask), "B", "bid", ~has_bid)
    asks = _side(frame.filter(has_ask), "A", "ask", pl.lit(False))
    return pl.concat([bids, asks]).sort("line", maintain_order=True).drop("line")


def _side(frame: pl.DataFrame, side: str, name: str, empty: pl.Expr) -> pl.DataFrame:
    return frame.select(
        "line",
        "ms",
        pl.lit("Q").alias("action"),
        pl.lit(side).alias("side"),
        pl.col(name).alias("price"),
        pl.col(f"{name}_size").alias("size"),
        pl.col("exchange").fill_null(""),
        _hex("condition"),
        "suspicious",
        empty.alias("empty"),
    )
