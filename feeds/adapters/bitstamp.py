"""Bitstamp order-by-order captures: ``orders.csv[.gz]``, ``trades.csv`` and ``meta.json`` in one folder.

Orders: ``id,timestamp,exchange_timestamp,price,volume,action,direction`` (ms stamps; ``volume`` after a change is what rests).
Trades: one row a match with the ids of both orders. Meta: pair, counts of the opening snapshot and of the closing deletes.

Here: this format. Not here: what an order through the opposite best means for the displayed book (sim/book.py).
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from feeds.adapters.base import FileInfo, ParsedTicks, rejected_frame
from feeds.errors import UnreadableFileError
from feeds.instruments import InstrumentSpec
from feeds.schema import FLAG_CLOSING, FLAG_SNAPSHOT, RAW_TICKS, conform

ORDERS_HEADER = "id,timestamp,exchange_timestamp,price,volume,action,direction"
TRADES_HEADER = "trade_id,timestamp,exchange_timestamp,price,amount,buy_order_id,sell_order_id,side"
_NS_PER_MS = 1_000_000
_ACTIONS = {"created": "A", "changed": "M", "deleted": "C"}
_ORDERS: dict[str, Any] = {
    "id": pl.Int64,
    "timestamp": pl.Int64,
    "exchange_timestamp": pl.Int64,
    "price": pl.Float64,
    "volume": pl.Float64,
    "action": pl.String,
    "direction": pl.String,
}
_TRADES: dict[str, Any] = {
    "trade_id": pl.Int64,
    "timestamp": pl.Int64,
    "exchange_timestamp": pl.Int64,
    "price": pl.Float64,
    "amount": pl.Float64,
    "buy_order_id": pl.Int64,
    "sell_order_id": pl.Int64,
    "side": pl.String,
}


class Bitstamp:
    """Adapter of the format; see the module docstring."""

    name = "bitstamp"
    required_roles = frozenset({"orders", "trades", "meta"})
    whole_roles: frozenset[str] = frozenset()

    def sniff(self, path: Path) -> FileInfo | None:
        """Recognise header or keys; pair and date come from the capture's meta.json in the same folder."""
        role = _role(path)
        if role is None:
            return None
        meta = _meta(path if role == "meta" else path.with_name("meta.json"))
        return FileInfo(path, self.name, role, f"{meta['pair'].upper()}.BITSTAMP", (meta["started_at"][:10],))

    def parse(self, files: Mapping[str, Path], spec: InstrumentSpec, date: str) -> ParsedTicks:
        """Order events in file order, trades merged in by receive time.

        The file order of orders is the truth where stamps run backwards: trades are placed by the running maximum of the
        orders' receive times.
        """
        meta = _meta(files["meta"])
        orders = _order_events(_csv(files["orders"], ORDERS_HEADER, _ORDERS), meta)
        trades = _trade_events(_csv(files["trades"], TRADES_HEADER, _TRADES))
        merged = pl.concat([orders, trades]).sort("placed", "kind", maintain_order=True)
        events = merged.with_columns(
            sequence=pl.int_range(pl.len(), dtype=pl.Int64),
            ts_event=pl.col("exchange_timestamp") * _NS_PER_MS,
            ts_recv=pl.col("timestamp") * _NS_PER_MS,
            price=(pl.col("price") / spec.tick_size).round().cast(pl.Int64),
            size=(pl.col("volume") / spec.lot_size).round().cast(pl.Int64),
            exchange=pl.lit(""),
            condition=pl.lit(0, pl.Int64),
            **{name: pl.lit(None, pl.Int64) for name in list(RAW_TICKS)[-6:]},
        )
        known = pl.col("action").is_not_null() & pl.col("side").is_not_null()
        unknown = events.filter(~known).with_columns(action=pl.lit("H"), side=pl.lit("N"))
        frame = conform(events.filter(known), "raw_ticks")
        return ParsedTicks(frame, events.height, rejected_frame(unknown, "unknown_action"))

    def default_spec(self, instrument: str) -> InstrumentSpec:
        """Whole dollars and 1e-8 coins, as BTC/USD trades."""
        return InstrumentSpec(id=instrument, tick_size=1.0, lot_size=1e-8)


def _role(path: Path) -> str | None:
    with path.open("rb") as handle:
        head = handle.read(4096)
    if head.startswith(b"\x1f\x8b"):
        head = _gunzip_head(path)
    first = head.split(b"\n", 1)[0].decode("utf-8", errors="replace").strip()
    if first == ORDERS_HEADER:
        return "orders"
    if first == TRADES_HEADER:
        return "trades"
    return "meta" if head.lstrip().startswith(b"{") and b"started_at" in head and b"bitstamp" in head else None


def _gunzip_head(path: Path) -> bytes:
    try:
        with gzip.open(path) as handle:
            return handle.read(4096)
    except (OSError, EOFError, zlib.error):
        return b""


def _meta(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UnreadableFileError(path, "folder", "meta.json beside the capture's files", "none")
    try:
        meta = json.loads(path.read_text())
    except (ValueError, UnicodeDecodeError) as error:
        raise UnreadableFileError(path, "byte 0", "JSON", str(error)) from error
    missing = [key for key in ("pair", "started_at") if not isinstance(meta.get(key), str)]
    if missing:
        raise UnreadableFileError(path, "keys", f"texts {missing}", sorted(meta))
    return meta


def _csv(path: Path, header: str, schema: dict[str, Any]) -> pl.DataFrame:
    content = path.read_bytes()
    if content.startswith(b"\x1f\x8b"):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise UnreadableFileError(path, f"byte {path.stat().st_size}", "a whole gzip file", str(error)) from error
    if not content.endswith(b"\n"):
        line = content.count(b"\n") + 1
        raise UnreadableFileError(path, f"line {line}", "a line end", f"the file stops after {content[-40:]!r}")
    try:
        return pl.read_csv(io.BytesIO(content), schema=schema)
    except pl.exceptions.PolarsError as error:
        columns = header.count(",")
        for number, line in enumerate(content.splitlines(), start=1):
            if line.count(b",") != columns:
                raise UnreadableFileError(path, f"line {number}", f"{columns + 1} columns", line[:80]) from error
        raise UnreadableFileError(path, "some line", header, str(error).splitlines()[0][:200]) from error


def _order_events(frame: pl.DataFrame, meta: Mapping[str, Any]) -> pl.DataFrame:
    opening, closing = int(meta.get("synthetic_created", 0)), int(meta.get("synthetic_deleted", 0))
    row = pl.int_range(pl.len())
    flags = (
        pl.when(row < opening)
        .then(FLAG_SNAPSHOT)
        .when(row >= frame.height - closing)
        .then(FLAG_CLOSING)
        .otherwise(0)
        .cast(pl.UInt8)
    )
    return frame.select(
        pl.col("timestamp").cum_max().alias("placed"),
        pl.lit(0).alias("kind"),
        "timestamp",
        "exchange_timestamp",
        pl.col("action").replace_strict(_ACTIONS, default=None),
        pl.col("direction").replace_strict({"bid": "B", "ask": "A"}, default=None).alias("side"),
        pl.col("id").alias("order_id"),
        "price",
        "volume",
        flags.alias("flags"),
    )


def _trade_events(frame: pl.DataFrame) -> pl.DataFrame:
    buyer = pl.col("side") == "buy"
    return frame.select(
        pl.col("timestamp").alias("placed"),
        pl.lit(1).alias("kind"),
        "timestamp",
        "exchange_timestamp",
        pl.lit("T").alias("action"),
        pl.col("side").replace_strict({"buy": "B", "sell": "A"}, default=None),
        # the resting order: the one that did not take
        pl.when(buyer).then(pl.col("sell_order_id")).otherwise(pl.col("buy_order_id")).alias("order_id"),
        "price",
        pl.col("amount").alias("volume"),
        pl.lit(0, pl.UInt8).alias("flags"),
    )
