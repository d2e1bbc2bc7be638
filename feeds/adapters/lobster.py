"""LOBSTER: NASDAQ messages with the matching order-book rows, as one zip or as a pair of csv files (gz allowed).

Message: ``seconds after midnight New York, type, order id, size, price x 10^4, direction``; book row k is the book after
message k: ``ask price, ask size, bid price, bid size`` per level.

Here: this format. Not here: building a book from the messages (sim/replay.py).
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from feeds.adapters.base import FileInfo, ParsedTicks, midnight_ns, read_member, rejected_frame, zip_names
from feeds.errors import UnreadableFileError
from feeds.instruments import InstrumentSpec
from feeds.schema import conform

_NAME = re.compile(r"([A-Z0-9.-]+)_(\d{4}-\d{2}-\d{2})_\d+_\d+_(message|orderbook)_(\d+)\.csv(\.gz)?$")
_PRICE_UNIT = 1e-4
#: LOBSTER's price of an empty level.
_EMPTY = 9_999_999_999
_MAX_LEVELS = 10
_MESSAGE = ["time", "type", "order_id", "size", "price", "direction"]
#: Message type -> action. An execution of a visible order prints and reduces it, a hidden one only prints.
_ACTIONS = {1: "A", 2: "C", 3: "C", 4: "F", 5: "T", 7: "H"}


class Lobster:
    """Adapter of the format; see the module docstring."""

    name = "lobster"
    required_roles = frozenset({"message", "orderbook"})
    whole_roles = frozenset({"zip"})

    def sniff(self, path: Path) -> FileInfo | None:
        """Recognise a zip by its members' names, a csv by its name and first line."""
        with path.open("rb") as handle:
            magic = handle.read(4)
        if magic.startswith(b"PK"):
            return self._sniff_zip(path)
        match = _NAME.search(path.name)
        if match is None:
            return None
        ticker, date, role = match.group(1), match.group(2), match.group(3)
        first = _read_text(path).split(b"\n", 1)[0]
        columns = first.count(b",") + 1
        wanted = 6 if role == "message" else 4 * int(match.group(4))
        if columns != wanted:
            raise UnreadableFileError(path, "line 1", f"{wanted} columns", f"{columns} columns")
        return FileInfo(path, self.name, role, f"{ticker}.NASDAQ", (date,))

    def _sniff_zip(self, path: Path) -> FileInfo | None:
        found = {m.group(3): m for name in zip_names(path) if (m := _NAME.search(name))}
        if not found:
            return None
        if set(found) != {"message", "orderbook"}:
            raise UnreadableFileError(path, "the archive's directory", "a message and an orderbook csv", sorted(found))
        match = found["message"]
        return FileInfo(path, self.name, "zip", f"{match.group(1)}.NASDAQ", (match.group(2),))

    def parse(self, files: Mapping[str, Path], spec: InstrumentSpec, date: str) -> ParsedTicks:
        """One event a message; the book columns hold the book row after it, depth over at most 10 levels."""
        message_path, message = _content(files, "message")
        book_path, book = _content(files, "orderbook")
        messages = _messages(message_path, message)
        books = _books(book_path, book)
        if messages.height != books.height:
            raise UnreadableFileError(
                book_path, f"line {books.height}", f"{messages.height} book rows, one a message", f"{books.height}"
            )
        scale = _PRICE_UNIT / spec.tick_size
        events = pl.concat([messages, books], how="horizontal").with_row_index("sequence")
        known = pl.col("type").is_in(list(_ACTIONS))
        rejected = events.filter(~known).with_columns(action=pl.lit("H"), side=pl.lit("N"))
        rejected = rejected.with_columns(ts_event=pl.col("since_midnight_ns") + midnight_ns(date))
        return ParsedTicks(
            _canonical(events.filter(known), date, scale, spec.lot_size),
            events.height,
            rejected_frame(rejected, "unknown_message_type"),
        )

    def default_spec(self, instrument: str) -> InstrumentSpec:
        """Prices kept at 1e-4 dollars, quotes on the cent."""
        return InstrumentSpec(id=instrument, tick_size=_PRICE_UNIT, lot_size=1, quote_increment_ticks=100)


def _canonical(events: pl.DataFrame, date: str, scale: float, lot_size: float) -> pl.DataFrame:
    resting = pl.when(pl.col("direction") == 1).then(pl.lit("B")).otherwise(pl.lit("A"))
    aggressor = pl.when(pl.col("direction") == 1).then(pl.lit("A")).otherwise(pl.lit("B"))
    kind = pl.col("type")
    stamp = pl.col("since_midnight_ns") + midnight_ns(date)
    prices = ["price", "bid_px", "ask_px"]
    sizes = ["size", "bid_sz", "ask_sz", "bid_depth", "ask_depth"]
    halt = kind == 7
    return conform(
        events.with_columns(
            ts_event=stamp,
            ts_recv=stamp,
            action=kind.replace_strict(_ACTIONS, return_dtype=pl.String),
            side=pl.when(halt).then(pl.lit("N")).when(kind == 5).then(aggressor).otherwise(resting),
            price=pl.when(halt).then(0).otherwise(pl.col("price")),
            exchange=pl.lit(""),
            condition=pl.when(halt).then(pl.col("price")).otherwise(0),
            flags=pl.lit(0, pl.UInt8),
        ).with_columns(
            *[(pl.col(name) * scale).round().cast(pl.Int64) for name in prices if scale != 1],
            *[(pl.col(name) / lot_size).round().cast(pl.Int64) for name in sizes if lot_size != 1],
        ),
        "raw_ticks",
    )


def _content(files: Mapping[str, Path], role: str) -> tuple[Path, bytes]:
    if "zip" not in files:
        return files[role], _read_text(files[role])
    path = files["zip"]
    names = [name for name in zip_names(path) if (m := _NAME.search(name)) and m.group(3) == role]
    return path, read_member(path, names[0])


def _read_text(path: Path) -> bytes:
    content = path.read_bytes()
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableFileError(path, f"byte {len(content)}", "a whole gzip file", str(error)) from error


def _csv(path: Path, content: bytes, schema: dict[str, type[pl.DataType]]) -> pl.DataFrame:
    if not content.strip():
        raise UnreadableFileError(path, "line 1", f"{len(schema)} columns", "an empty file")
    if not content.endswith(b"\n"):
        last = content.rsplit(b"\n", 1)[-1]
        line = content.count(b"\n") + 1
        raise UnreadableFileError(path, f"line {line}", "a line end", f"the file stops after {last[-40:]!r}")
    try:
        return pl.read_csv(io.BytesIO(content), has_header=False, schema=schema)
    except pl.exceptions.PolarsError as error:
        for number, line in enumerate(content.splitlines(), start=1):
            if line.count(b",") != len(schema) - 1:
                raise UnreadableFileError(path, f"line {number}", f"{len(schema)} columns", line[:80]) from error
        raise UnreadableFileError(path, "some line", "whole numbers", str(error).splitlines()[0][:200]) from error


def _messages(path: Path, content: bytes) -> pl.DataFrame:
    """Messages with the stamp as exact ns: a float of seconds loses the last digits."""
    schema: dict[str, type[pl.DataType]] = dict.fromkeys(_MESSAGE, pl.Int64) | {"time": pl.String}  # type: ignore[assignment]
    frame = _csv(path, content, schema)
    parts = pl.col("time").str.split_exact(".", 1)
    whole = parts.struct.field("field_0").cast(pl.Int64, strict=False)
    fraction = (
        parts.struct.field("field_1").fill_null("0").str.slice(0, 9).str.pad_end(9, "0").cast(pl.Int64, strict=False)
    )
    frame = frame.with_columns(since_midnight_ns=whole * 1_000_000_000 + fraction)
    bad = frame.with_row_index("n").filter(
        pl.col("since_midnight_ns").is_null() | pl.any_horizontal(pl.all().is_null())
    )
    if bad.height:
        raise UnreadableFileError(path, f"line {bad['n'][0] + 1}", "six numbers", str(bad.row(0)[1:7]))
    return frame


def _books(path: Path, content: bytes) -> pl.DataFrame:
    first = content.split(b"\n", 1)[0]
    levels = (first.count(b",") + 1) // 4
    names = [f"{what}{level}" for level in range(levels) for what in ("ap", "as", "bp", "bs")]
    frame = _csv(path, content, dict.fromkeys(names, pl.Int64))

    def price(what: str, size: str) -> pl.Expr:
        empty = (pl.col(f"{what}0").abs() >= _EMPTY) | (pl.col(f"{size}0") == 0)
        return pl.when(empty).then(0).otherwise(pl.col(f"{what}0"))

    def depth(what: str) -> pl.Expr:
        return pl.sum_horizontal(pl.col(f"{what}{level}") for level in range(min(levels, _MAX_LEVELS)))

    return frame.select(
        bid_px=price("bp", "bs"),
        bid_sz=pl.col("bs0"),
        ask_px=price("ap", "as"),
        ask_sz=pl.col("as0"),
        bid_depth=depth("bs"),
        ask_depth=depth("as"),
    )
