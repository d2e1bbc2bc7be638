"""Bitstamp order-by-order captures: ``orders.csv[.gz]``, ``trades.csv`` and ``meta.json`` in one folder.

Orders: ``id,timestamp,exchange_timestamp,price,volume,action,direction``; ``timestamp`` is the capturing machine's
clock, ``exchange_timestamp`` the venue's, both in ms; ``volume`` is what rests after a ``created`` or ``changed`` and
what rested until a ``deleted``. Trades: one row a match, with the ids of both orders. Meta: the pair, and how many rows
are the opening snapshot, live, and the deletes that close the capture.

Here: this format. Not here: what an order through the opposite best means for the displayed book (sim/book.py), orders
without a price (feeds/cleaning).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from feeds.adapters.base import FileInfo, ParsedTicks, instrument_id, iso_date, split_rejected
from feeds.adapters.containers import file_head, first_line, is_zip, read_whole
from feeds.adapters.strict_csv import CsvSchema, read_strict
from feeds.errors import IncompleteDropError, UnreadableFileError
from feeds.instruments import InstrumentSpec
from feeds.schema import FLAG_CLOSING, FLAG_SNAPSHOT

META_NAME = "meta.json"
ORDERS_HEADER = "id,timestamp,exchange_timestamp,price,volume,action,direction"
TRADES_HEADER = "trade_id,timestamp,exchange_timestamp,price,amount,buy_order_id,sell_order_id,side"
_NS_PER_MS = 1_000_000
_ACTIONS = {"created": "A", "changed": "M", "deleted": "C"}
_MEANS_BITSTAMP = re.compile(rb'"pair"\s*:.*bitstamp|bitstamp.*"pair"\s*:', re.DOTALL)
#: A price within this share of a tick of a whole tick is that tick: decimals are read as floats.
_TICK_TOLERANCE = 1e-6
#: Largest whole number up to which every whole number is a float.
_EXACT_FLOAT = 2.0**53
_ORDERS: CsvSchema = {
    "id": pl.Int64,
    "timestamp": pl.Int64,
    "exchange_timestamp": pl.Int64,
    "price": pl.Float64,
    "volume": pl.Float64,
    "action": pl.String,
    "direction": pl.String,
}
_TRADES: CsvSchema = {
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
    awaited_roles: frozenset[str] = frozenset()

    def sniff(self, path: Path) -> FileInfo | None:
        """Header or keys tell the role; pair and date come from the capture's meta.json in the same folder.

        The date is the UTC date on which the capture started: one capture is one instrument-day.
        """
        role = None if is_zip(path) else _role(path)
        if role is None:
            return None
        meta_path = path if role == "meta" else path.with_name(META_NAME)
        if not meta_path.is_file():
            raise IncompleteDropError(path, "folder", f"{META_NAME} of the capture beside it", "none")
        meta = _meta(meta_path)
        pair = re.sub(r"[^A-Za-z0-9]", "", meta["pair"])
        instrument = instrument_id(meta_path, pair, "BITSTAMP")
        return FileInfo(path, self.name, role, instrument, (iso_date(meta_path, meta["started_at"][:10]),))

    def parse(self, files: Mapping[str, Path], spec: InstrumentSpec, date: str) -> ParsedTicks:
        """Order events in file order, trades merged in by receive time, orders first at equal stamps.

        The file order of orders is the truth where stamps run backwards (the snapshot is stamped when it was complete,
        after the first live messages): trades are placed by the running maximum of the receive times. A trade print
        comes over another channel some 40 ms after the order events of its match; both are rows, and ``order_id`` of
        the print is the resting order. Rejected: ``unknown_action``, ``off_tick_price`` and ``not_a_size`` where the
        instrument's integers cannot hold the number.
        """
        meta = _meta(files["meta"])
        orders = _orders(files["orders"], meta)
        trades = _trades(files["trades"], meta)
        merged = pl.concat([_order_events(orders, meta), _trade_events(trades)])
        price, size = pl.col("price") / spec.tick_size, pl.col("volume") / spec.lot_size
        on_tick = ((price - price.round()).abs() <= _TICK_TOLERANCE * price.abs().clip(1.0)) & _is_exact(price)
        is_size = _is_exact(size)
        known = pl.col("action").is_not_null() & pl.col("side").is_not_null()
        reason = (
            pl.when(~known)
            .then(pl.lit("unknown_action"))
            .when(~on_tick)
            .then(pl.lit("off_tick_price"))
            .when(~is_size)
            .then(pl.lit("not_a_size"))
        )
        events = merged.sort("placed", maintain_order=True).with_columns(
            ts_event=pl.col("exchange_timestamp") * _NS_PER_MS,
            ts_recv=pl.col("timestamp") * _NS_PER_MS,
            price=pl.when(on_tick).then(price.round()).cast(pl.Int64),
            size=pl.when(is_size).then(size.round()).cast(pl.Int64),
            exchange=pl.lit(""),
            condition=pl.lit(0, pl.Int64),
            reason=reason,
        )
        return split_rejected(events)

    def default_spec(self, instrument: str) -> InstrumentSpec:
        """1e-8 coins; whole dollars for BTC/USD, as it trades, and a unit finer than any other pair's tick else."""
        tick = 1.0 if instrument == "BTCUSD.BITSTAMP" else 1e-8
        return InstrumentSpec(id=instrument, tick_size=tick, lot_size=1e-8)


def _is_exact(value: pl.Expr) -> pl.Expr:
    return value.is_finite() & (value.abs() <= _EXACT_FLOAT)


def _role(path: Path) -> str | None:
    head = file_head(path)
    role = {ORDERS_HEADER: "orders", TRADES_HEADER: "trades"}.get(first_line(head))
    if role is None and head.lstrip().startswith(b"{") and _MEANS_BITSTAMP.search(head):
        return "meta"
    return role


def _meta(path: Path) -> dict[str, Any]:
    try:
        meta = json.loads(path.read_bytes())
    except json.JSONDecodeError as error:
        raise UnreadableFileError(path, f"byte {error.pos}", "JSON", error.msg) from error
    except UnicodeDecodeError as error:
        raise UnreadableFileError(path, f"byte {error.start}", "UTF-8 text", error.reason) from error
    for key in ("pair", "started_at"):
        if not isinstance(meta.get(key), str):
            raise UnreadableFileError(path, f"key {key}", "a text", repr(meta.get(key)))
    for key in ("synthetic_created", "synthetic_deleted"):
        if not isinstance(meta.get(key, 0), int) or meta.get(key, 0) < 0:
            raise UnreadableFileError(path, f"key {key}", "a count of rows", repr(meta[key]))
    return meta


def _orders(path: Path, meta: Mapping[str, Any]) -> pl.DataFrame:
    frame = read_strict(path, read_whole(path), _ORDERS, ORDERS_HEADER)
    synthetic = meta.get("synthetic_created", 0) + meta.get("synthetic_deleted", 0)
    _check_rows(path, frame, meta.get("total_order_rows"))
    if synthetic > frame.height:
        expected = f"at least {synthetic} rows: the opening and closing ones alone"
        raise UnreadableFileError(path, f"line {frame.height + 1}", expected, f"{frame.height} rows")
    return frame


def _trades(path: Path, meta: Mapping[str, Any]) -> pl.DataFrame:
    frame = read_strict(path, read_whole(path), _TRADES, TRADES_HEADER)
    _check_rows(path, frame, meta.get("trades"))
    return frame


def _check_rows(path: Path, frame: pl.DataFrame, stated: object) -> None:
    if stated is not None and stated != frame.height:
        raise UnreadableFileError(
            path, f"line {frame.height + 1}", f"{stated} rows, as {META_NAME} says", f"{frame.height} rows"
        )


def _order_events(orders: pl.DataFrame, meta: Mapping[str, Any]) -> pl.DataFrame:
    first_closing = orders.height - meta.get("synthetic_deleted", 0)
    row = pl.int_range(pl.len())
    flags = (
        pl.when(row < meta.get("synthetic_created", 0))
        .then(FLAG_SNAPSHOT)
        .when(row >= first_closing)
        .then(FLAG_CLOSING)
        .otherwise(0)
    )
    return orders.select(
        pl.col("timestamp").cum_max().alias("placed"),
        "timestamp",
        "exchange_timestamp",
        pl.col("action").replace_strict(_ACTIONS, default=None, return_dtype=pl.String),
        _mapped("direction", {"bid": "B", "ask": "A"}),
        pl.col("id").alias("order_id"),
        "price",
        "volume",
        flags.cast(pl.UInt8).alias("flags"),
    )


def _trade_events(trades: pl.DataFrame) -> pl.DataFrame:
    buyer_took = pl.col("side") == "buy"
    return trades.select(
        pl.col("timestamp").cum_max().alias("placed"),
        "timestamp",
        "exchange_timestamp",
        pl.lit("T").alias("action"),
        _mapped("side", {"buy": "B", "sell": "A"}),
        pl.when(buyer_took).then("sell_order_id").otherwise("buy_order_id").alias("order_id"),
        "price",
        pl.col("amount").alias("volume"),
        pl.lit(0, pl.UInt8).alias("flags"),
    )


def _mapped(column: str, sides: Mapping[str, str]) -> pl.Expr:
    return pl.col(column).replace_strict(sides, default=None, return_dtype=pl.String).alias("side")
