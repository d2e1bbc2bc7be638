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

import numpy as np
import polars as pl

from feeds.adapters.base import BOOK_COLUMNS, FileInfo, ParsedTicks, instrument_id, iso_date, units_per
from feeds.adapters.containers import file_head, first_line, is_zip, member_head, read_member, read_whole, zip_names
from feeds.adapters.csv_blocks import Cell, columns_of, count_lines, line_runs, on_threads, starts_of
from feeds.adapters.raw_columns import NO_ACTION, RawColumns, parsed_ticks
from feeds.adapters.strict_csv import CsvSchema, read_strict
from feeds.calendar import split_ns
from feeds.errors import UnreadableFileError
from feeds.instruments import InstrumentSpec
from feeds.schema import ACTION_CODE, SIDE_CODE

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
_CELLS = (Cell("seconds"), *(Cell("whole"),) * 5)
_ORDER = list(_MESSAGE).index("order_id")
#: An execution of a visible order prints and reduces it (F), one of a hidden order (5) or a cross (6) only prints (T).
_ACTIONS = {1: "A", 2: "C", 3: "C", 4: "F", 5: "T", 6: "T", 7: "H"}


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
        roles = ("message", "orderbook")
        contents = on_threads(lambda role: _content(files, role), roles)
        return self.decode(dict(zip(roles, contents, strict=True)), spec, date)

    def decode(self, contents: Mapping[str, tuple[Path, bytes]], spec: InstrumentSpec, date: str) -> ParsedTicks:
        """The same from the csv text of the roles ``message`` and ``orderbook``, each with its file for errors."""
        ticks = units_per(_PRICE_UNIT, spec.tick_size, "tick_size", spec)
        lots = units_per(1.0, spec.lot_size, "lot_size", spec)
        units = np.array([split_ns("XNYS", date, dt.time()), ticks, lots], np.int64)
        messages = _messages(*contents["message"])
        numbers, codes = _events(contents["message"][0], messages, units)
        books = _books(*contents["orderbook"], ticks, lots)
        rows, book_rows = messages.shape[1], books.shape[1]
        if rows != book_rows:
            expected, found = f"{rows} book rows, one a message", f"{book_rows} rows"
            raise UnreadableFileError(contents["orderbook"][0], f"line {min(rows, book_rows) + 1}", expected, found)
        stamps, prices, sizes, conditions = numbers
        actions, sides, reasons = codes
        return parsed_ticks(
            RawColumns(
                ts_event=stamps,
                action=actions,
                side=sides,
                price=prices,
                size=sizes,
                # A copy: a view would keep the other columns in memory.
                order_id=messages[_ORDER].copy(),
                condition=conditions,
                book=list(books),
                reason=reasons,
                reasons=("unknown_message_type",),
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


def _content(files: Mapping[str, Path], role: str) -> tuple[Path, bytes]:
    if "zip" not in files:
        return files[role], read_whole(files[role])
    path = files["zip"]
    found = _members(path)
    if role not in found:
        raise UnreadableFileError(path, "the archive's directory", f"a csv of role {role}", sorted(found))
    return path, read_member(path, found[role].string)


def _messages(path: Path, content: bytes) -> np.ndarray:
    """(6, n) int64: ns since midnight, then the columns of a message.

    Stamps are exact: a float of seconds loses the last digits. Real files do hold stamps that went through a float
    (43002.632812672004): what lies below 1 ns is rounded away.
    """
    columns = columns_of(content, _CELLS)
    if columns is not None:
        return columns
    frame = read_strict(path, content, _MESSAGE)
    whole = pl.col("time").str.extract(_TIME, 1).cast(pl.Int64)
    decimals = pl.col("time").str.extract(_TIME, 2).fill_null("").str.pad_end(10, "0")
    tenths_of_ns = decimals.str.head(10).cast(pl.Int64)
    stamps = frame.select(time=whole * _NS_PER_S + (tenths_of_ns + 5) // 10).to_series()
    wrong = stamps.is_null() | ~frame["direction"].is_in([-1, 1])
    if wrong.any():
        raise _broken_message(path, int(wrong.arg_max() or 0), frame.row(int(wrong.arg_max() or 0)))
    return np.ascontiguousarray(frame.with_columns(stamps).to_numpy().T)


def _broken_message(path: Path, row: int, found: object) -> UnreadableFileError:
    return UnreadableFileError(path, f"line {row + 1}", "seconds after midnight and a direction of 1 or -1", found)


def _events(path: Path, messages: np.ndarray, units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers and codes of the events, see `feeds.kernels.lobster_rows.message_events`."""
    from feeds.kernels import lobster_rows as kernel

    rows = messages.shape[1]
    actions = np.array([NO_ACTION, *(ACTION_CODE[_ACTIONS[kind]] for kind in sorted(_ACTIONS))], np.uint8)
    sides = np.array([SIDE_CODE[side] for side in "BAN"], np.uint8)
    numbers, codes = np.empty((4, rows), np.int64), np.empty((3, rows), np.uint8)
    wrong = kernel.message_events(messages, 0, rows, actions, sides, units, numbers, codes)
    if wrong >= 0:
        raise _broken_message(path, wrong, messages[:, wrong].tolist())
    return numbers, codes


def _books(path: Path, content: bytes, ticks: int, lots: int) -> np.ndarray:
    """(6, n) int64: best bid, best ask, depths, in ticks and lots; the order of `BOOK_COLUMNS`."""
    from feeds.kernels import lobster_rows as kernel

    columns = content.partition(b"\n")[0].count(b",") + 1
    if columns % 4:
        raise UnreadableFileError(path, "line 1", "4 columns a level", f"{columns} columns")
    levels = columns // 4
    runs = line_runs(content)
    starts = starts_of(on_threads(count_lines, runs))
    books = np.empty((len(BOOK_COLUMNS), starts[-1]), np.int64)
    jobs = zip(runs, starts, strict=False)
    parsed = on_threads(lambda job: kernel.parse_books(job[0], levels, ticks, lots, books, job[1]), jobs)
    return books if runs and min(parsed) >= 0 else _books_strictly(path, content, levels, ticks, lots)


def _books_strictly(path: Path, content: bytes, levels: int, ticks: int, lots: int) -> np.ndarray:
    """The same of rows in unusual spelling, or the error that names the row that is wrong."""
    names = [f"{what}{level}" for level in range(levels) for what in ("ask_px", "ask_sz", "bid_px", "bid_sz")]
    frame = read_strict(path, content, dict.fromkeys(names, pl.Int64))

    def best(side: str) -> list[pl.Expr]:
        empty = (pl.col(f"{side}_px0").abs() >= _NO_PRICE) | (pl.col(f"{side}_sz0") == 0)
        units = {"px": ticks, "sz": lots}
        return [
            pl.when(empty).then(0).otherwise(pl.col(f"{side}_{what}0") * unit).alias(f"{side}_{what}")
            for what, unit in units.items()
        ]

    def depth(side: str) -> pl.Expr:
        shown = [f"{side}_sz{level}" for level in range(min(levels, _MAX_LEVELS))]
        return pl.sum_horizontal(shown).alias(f"{side}_depth") * lots

    books = frame.select(*best("bid"), *best("ask"), depth("bid"), depth("ask"))
    return np.ascontiguousarray(books.to_numpy().T)
