"""LOBSTER: NASDAQ messages with the matching order-book rows, as one zip or as a pair of csv files (gz allowed).

Message: ``seconds after midnight New York, type, order id, size, price x 10^4, direction``; book row k is the book
after message k: ``ask price, ask size, bid price, bid size`` per level. Sources: "LOBSTER sample files read-me", 2013;
type 6 (cross trades): the output page of lobsterdata.com.

Files are named ``TICKER_YYYY-MM-DD_begin_end_role_levels.csv``; a venue may follow the ticker behind an ``@``
(``OAK@SIM_...``), else it is NASDAQ.

Here: this format. Not here: building a book from the messages (sim/replay.py).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from feeds.adapters.base import FileInfo, ParsedTicks, instrument_id, iso_date, split_rejected, units_per
from feeds.adapters.containers import file_head, first_line, is_zip, member_head, read_member, read_whole, zip_names
from feeds.adapters.strict_csv import CsvSchema, read_strict
from feeds.calendar import split_ns
from feeds.errors import UnreadableFileError
from feeds.instruments import InstrumentSpec

_NAME = re.compile(
    r"(?<![A-Z0-9.@-])(?P<ticker>[A-Z0-9.-]+)(?:@(?P<venue>[A-Z0-9]+))?_(?P<date>\d{4}-\d{2}-\d{2})_\d+_\d+"
    r"_(?P<role>message|orderbook)_\d+\.csv(?:\.gz)?$"
)
_DEFAULT_VENUE = "NASDAQ"
_LINES = {
    "message": re.compile(r"\d+(\.\d+)?,\d+,-?\d+,-?\d+,-?\d+,-?1"),
    "orderbook": re.compile(r"-?\d+,\d+,-?\d+,\d+(,-?\d+,\d+,-?\d+,\d+)*"),
}
_TIME = r"^(\d{1,5})(?:\.(\d{1,18}))?$"
_PRICE_UNIT = 1e-4
#: LOBSTER's price of an empty level; negative for bids.
_NO_PRICE = 9_999_999_999
_MAX_LEVELS = 10
_NS_PER_S = 1_000_000_000
_MESSAGE: CsvSchema = {
    "time": pl.String,
    "type": pl.Int64,
    "order_id": pl.Int64,
    "size": pl.Int64,
    "price": pl.Int64,
    "direction": pl.Int64,
}
_HIDDEN, _CROSS, _HALT = 5, 6, 7
#: An execution of a visible order prints and reduces it (F), one of a hidden order or a cross only prints (T).
_ACTIONS = {1: "A", 2: "C", 3: "C", 4: "F", _HIDDEN: "T", _CROSS: "T", _HALT: "H"}


class Lobster:
    """Adapter of the format; see the module docstring."""

    name = "lobster"
    required_roles = frozenset({"message", "orderbook"})
    whole_roles = frozenset({"zip"})
    awaited_roles: frozenset[str] = frozenset()

    def sniff(self, path: Path) -> FileInfo | None:
        """The first line tells the role; symbol and date stand in the names only."""
        if is_zip(path):
            return self._sniff_zip(path)
        match = _NAME.search(path.name)
        if match is None:
            return None
        _check_line(path, first_line(file_head(path)), match["role"])
        return self._info(path, match["role"], match)

    def _sniff_zip(self, path: Path) -> FileInfo | None:
        found = _members(path)
        if not found:
            return None
        if set(found) != {"message", "orderbook"}:
            expected = "a message and an orderbook csv"
            raise UnreadableFileError(path, "the archive's directory", expected, f"only {sorted(found)}")
        for role, match in found.items():
            _check_line(path, first_line(member_head(path, match.string)), role)
        return self._info(path, "zip", found["message"])

    def _info(self, path: Path, role: str, match: re.Match[str]) -> FileInfo:
        instrument = instrument_id(path, match["ticker"], match["venue"] or _DEFAULT_VENUE)
        return FileInfo(path, self.name, role, instrument, (iso_date(path, match["date"]),))

    def parse(self, files: Mapping[str, Path], spec: InstrumentSpec, date: str) -> ParsedTicks:
        """One event a message, in file order; the book columns hold the book row after it.

        One clock: ``ts_recv`` is ``ts_event``. Depth sums over at most 10 levels. A halt message (type 7) is an ``H``
        row with price 0, its code (-1 halt, 0 quoting, 1 trading) in ``condition``. A message of an unknown type is
        rejected as ``unknown_message_type``.
        """
        ticks = units_per(_PRICE_UNIT, spec.tick_size, "tick_size", spec)
        lots = units_per(1.0, spec.lot_size, "lot_size", spec)
        message_path, message = _content(files, "message")
        book_path, book = _content(files, "orderbook")
        messages, books = _messages(message_path, message), _books(book_path, book)
        if messages.height != books.height:
            expected, found = f"{messages.height} book rows, one a message", f"{books.height} rows"
            raise UnreadableFileError(book_path, f"line {min(messages.height, books.height) + 1}", expected, found)
        stamp = split_ns("XNYS", date, dt.time()) + pl.col("since_midnight_ns")
        halt = pl.col("type") == _HALT
        action = pl.col("type").replace_strict(_ACTIONS, default=None, return_dtype=pl.String)
        events = pl.concat([messages, books], how="horizontal").with_columns(
            ts_event=stamp,
            ts_recv=stamp,
            action=action,
            side=_side(),
            price=pl.when(halt).then(0).otherwise(pl.col("price")),
            exchange=pl.lit(""),
            condition=pl.when(halt).then(pl.col("price")).otherwise(0),
            flags=pl.lit(0, pl.UInt8),
            reason=pl.when(action.is_null()).then(pl.lit("unknown_message_type")),
        )
        return split_rejected(
            events.with_columns(
                *[pl.col(name) * ticks for name in ("price", "bid_px", "ask_px")],
                *[pl.col(name) * lots for name in ("size", "bid_sz", "ask_sz", "bid_depth", "ask_depth")],
            )
        )

    def default_spec(self, instrument: str) -> InstrumentSpec:
        """Prices kept at 1e-4 dollars, quotes on the cent."""
        return InstrumentSpec(id=instrument, tick_size=_PRICE_UNIT, lot_size=1, quote_increment_ticks=100)


def _members(path: Path) -> dict[str, re.Match[str]]:
    matches = [match for name in zip_names(path) if (match := _NAME.search(name))]
    return {match["role"]: match for match in matches}


def _check_line(path: Path, line: str, role: str) -> None:
    if not _LINES[role].fullmatch(line):
        expected = "6 message columns" if role == "message" else "4 whole numbers a level"
        raise UnreadableFileError(path, "line 1", expected, repr(line[:80]) if line else "an empty file")


def _side() -> pl.Expr:
    """Of the resting order; of a hidden execution the aggressor's, which is the other one; N where nobody is."""
    buy = pl.col("direction") == 1
    aggressor_buys = pl.when(buy).then(pl.lit("A")).otherwise(pl.lit("B"))
    resting = pl.when(buy).then(pl.lit("B")).otherwise(pl.lit("A"))
    nobody = pl.col("type").is_in([_CROSS, _HALT])
    return pl.when(nobody).then(pl.lit("N")).when(pl.col("type") == _HIDDEN).then(aggressor_buys).otherwise(resting)


def _content(files: Mapping[str, Path], role: str) -> tuple[Path, bytes]:
    if "zip" not in files:
        return files[role], read_whole(files[role])
    path = files["zip"]
    found = _members(path)
    if role not in found:
        raise UnreadableFileError(path, "the archive's directory", f"a csv of role {role}", sorted(found))
    return path, read_member(path, found[role].string)


def _messages(path: Path, content: bytes) -> pl.DataFrame:
    """Messages with the stamp as exact ns: a float of seconds loses the last digits.

    Real files do hold stamps that went through a float (43002.632812672004): what lies below 1 ns is rounded away.
    """
    frame = read_strict(path, content, _MESSAGE)
    whole = pl.col("time").str.extract(_TIME, 1).cast(pl.Int64)
    decimals = pl.col("time").str.extract(_TIME, 2).fill_null("").str.pad_end(10, "0")
    tenths_of_ns = decimals.str.head(10).cast(pl.Int64)
    frame = frame.with_columns(since_midnight_ns=whole * _NS_PER_S + (tenths_of_ns + 5) // 10)
    wrong = frame["since_midnight_ns"].is_null() | ~frame["direction"].is_in([-1, 1])
    if wrong.any():
        row = int(wrong.arg_max() or 0)
        expected = "seconds after midnight and a direction of 1 or -1"
        raise UnreadableFileError(path, f"line {row + 1}", expected, frame.row(row)[:6])
    return frame


def _books(path: Path, content: bytes) -> pl.DataFrame:
    columns = content.partition(b"\n")[0].count(b",") + 1
    if columns % 4:
        raise UnreadableFileError(path, "line 1", "4 columns a level", f"{columns} columns")
    levels = columns // 4
    names = [f"{what}{level}" for level in range(levels) for what in ("ask_px", "ask_sz", "bid_px", "bid_sz")]
    frame = read_strict(path, content, dict.fromkeys(names, pl.Int64))

    def best(side: str) -> list[pl.Expr]:
        empty = (pl.col(f"{side}_px0").abs() >= _NO_PRICE) | (pl.col(f"{side}_sz0") == 0)
        return [pl.when(empty).then(0).otherwise(f"{side}_{what}0").alias(f"{side}_{what}") for what in ("px", "sz")]

    def depth(side: str) -> pl.Expr:
        shown = [f"{side}_sz{level}" for level in range(min(levels, _MAX_LEVELS))]
        return pl.sum_horizontal(shown).alias(f"{side}_depth")

    return frame.select(*best("bid"), *best("ask"), depth("bid"), depth("ask"))
