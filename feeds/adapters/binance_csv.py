"""Files of the exchange's public archive: what one is, by its name and first line, and its columns as integers.

Names: ``BTCUSDT-trades-2024-08-08.zip`` (a day) or ``-2024-08.zip`` (a month); bars have their interval as the kind,
``BTCUSDT-1m-2024-08-08.zip``. Zip (one csv inside), csv or csv.gz, with or without a header line, stamps in ms or us
(told by their size). Source: README of the repository "binance/binance-public-data" and the files' own headers.

No name tells the market. Trades of spot have 7 columns, of futures 6; aggregate trades 8 and 7. Only futures have
book tickers and depths. COIN-M symbols end in ``USD_PERP`` or ``USD_<yymmdd>``, USD-M symbols never do; a header with
``base_qty`` is COIN-M's too. Where that leaves it open (bars), these decide, in this order: a market behind an ``@``
in the name (``BTCUSDT@BINANCE_USDM-1m-...``); a folder ``spot``, ``um`` or ``cm`` above; a header (futures) or stamps
in us (spot).

Here: recognising files, columns. Not here: what the columns mean (binance_archive.py, binance_klines.py).
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from feeds.adapters.base import instrument_id
from feeds.adapters.binance_blocks import line_blocks, text_head
from feeds.adapters.containers import HEAD_BYTES, first_line, is_zip, member_head, zip_names
from feeds.errors import StudyError, UnreadableFileError
from feeds.instruments import InstrumentSpec

if TYPE_CHECKING:
    from feeds.adapters.csv_blocks import Cell

_NAME = re.compile(
    r"(?<![A-Z0-9_@])(?P<symbol>[A-Z0-9_]+)(?:@(?P<venue>BINANCE(?:_USDM|_CM)?))?"
    r"-(?P<kind>trades|aggTrades|bookTicker|bookDepth|\d{1,2}(?:s|m|h|d|w|mo))"
    r"-(?P<date>\d{4}-\d{2}(?:-\d{2})?)\.(?:csv|csv\.gz|zip)$"
)
#: Bars of prices that are no trades, under the same names in other folders.
_OTHER_BARS = ("markPriceKlines", "indexPriceKlines", "premiumIndexKlines")
_FOLDERS = {"spot": "BINANCE", "um": "BINANCE_USDM", "cm": "BINANCE_CM"}
_CM_SYMBOL = re.compile(r"[A-Z0-9]+USD_(PERP|\d{6})")
#: Numbers of columns; bars have 12 on every market.
COLUMNS = {"trades": (7, 6), "aggTrades": (8, 7), "bookTicker": (7,), "bookDepth": (4,), "bars": (12,)}
_MS, _US = (10**12, 10**13), (10**15, 10**16)
_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True)
class ArchiveFile:
    """What a file of the archive is.

    Attributes:
        path: Where it lies.
        member: Name of the zip's csv, None where it is no zip.
        kind: ``trades``, ``aggTrades``, ``bookTicker``, ``bookDepth`` or ``bars``.
        interval: Of bars, e.g. ``"1m"``; else empty.
        instrument: Id.
        dates: ISO dates; of a month's file all days of the month.
        columns: Cells a line.
        header: Whether the first line is one.
        monthly: Whether it is a month's file.
    """

    path: Path
    member: str | None
    kind: str
    interval: str
    instrument: str
    dates: tuple[str, ...]
    columns: int
    header: bool
    monthly: bool


def futures_venue(symbol: str) -> str:
    """Which of the futures markets lists a symbol."""
    return "BINANCE_CM" if _CM_SYMBOL.fullmatch(symbol) else "BINANCE_USDM"


def recognise(path: Path, kinds: Sequence[str]) -> ArchiveFile | None:
    """What ``path`` is, None where it is no file of the archive of one of the kinds.

    Raises:
        UnreadableFileError: Its first line is not one of its kind, or nothing tells its market.
    """
    member = None
    if is_zip(path):
        found = [name for name in zip_names(path) if name.lower().endswith(".csv")]
        if len(found) != 1:
            return None
        member = found[0]
    match = _NAME.search(path.name) or (_NAME.search(member) if member else None)
    if match is None or any(part in _OTHER_BARS for part in path.parts):
        return None
    kind = match["kind"] if match["kind"] in COLUMNS else "bars"
    if kind not in kinds:
        return None
    head = member_head(path, member) if member else text_head(path, HEAD_BYTES)
    line = first_line(head)
    columns, header = line.count(",") + 1, line[:1].isalpha()
    if columns not in COLUMNS[kind] or not (header or line[:1].isdigit()):
        expected = f"{' or '.join(map(str, COLUMNS[kind]))} columns of {match['kind']}"
        raise UnreadableFileError(path, "line 1", expected, repr(line[:80]) if line else "an empty file")
    data = first_line(head.partition(b"\n")[2]) if header else line
    venue = _venue(path, match, kind, columns, line if header else "", data)
    interval = match["kind"] if kind == "bars" else ""
    monthly = len(match["date"]) == 7
    dates = _dates(path, match["date"])
    instrument = instrument_id(path, match["symbol"], venue)
    return ArchiveFile(path, member, kind, interval, instrument, dates, columns, header, monthly)


def _venue(path: Path, match: re.Match[str], kind: str, columns: int, header: str, line: str) -> str:
    symbol, named = match["symbol"], match["venue"]
    told = None
    if kind in ("trades", "aggTrades"):
        told = "BINANCE" if columns == COLUMNS[kind][0] else futures_venue(symbol)
        if "base" in header.lower():
            told = "BINANCE_CM"
    if told and named and told != named:
        raise UnreadableFileError(path, "line 1", f"the columns of {named}, as the name says", f"those of {told}")
    if told or named:
        return told or named
    if kind in ("bookTicker", "bookDepth") or _CM_SYMBOL.fullmatch(symbol):
        return futures_venue(symbol)
    for part in reversed(path.parts[:-1]):
        if part in _FOLDERS:
            return _FOLDERS[part]
    if header:
        return "BINANCE_USDM"
    first = line.split(",", 1)[0]
    if first.isdigit() and _US[0] <= int(first) < _US[1]:
        return "BINANCE"
    expected = (
        "a folder spot, um or cm above it, or the market in its name, e.g. BTCUSDT@BINANCE_USDM-1m-2024-08-08.csv"
    )
    raise UnreadableFileError(path, "name", expected, path.name)


def _dates(path: Path, text: str) -> tuple[str, ...]:
    try:
        if len(text) == 10:
            return (dt.date.fromisoformat(text).isoformat(),)
        year, month = map(int, text.split("-"))
        days = calendar.monthrange(year, month)[1]
        return tuple(dt.date(year, month, day).isoformat() for day in range(1, days + 1))
    except ValueError as error:
        raise UnreadableFileError(path, "name", "a date YYYY-MM-DD or YYYY-MM", text) from error


def column_blocks(file: ArchiveFile, cells: Sequence[Cell], spec: InstrumentSpec) -> Iterator[tuple[int, np.ndarray]]:
    """Number of the first line and (columns, lines) int64 of one block of lines after the other.

    Args:
        file: The file.
        cells: Its columns; a ``decimal`` cell's prices and sizes are kept exactly, see `Cell`.
        spec: Units of the instrument, for errors.

    Raises:
        UnreadableFileError: A line is not as ``cells`` say, the file is damaged or has no lines.
        StudyError: A price or size is no whole number of its units.
    """
    from feeds.adapters.csv_blocks import columns_of

    line, skip = 1, file.header
    for block in line_blocks(file.path, file.member):
        if skip:
            _, _, block = block.partition(b"\n")
            line, skip = line + 1, False
        if not block:
            continue
        columns = columns_of(block, cells)
        # Empty lines at the end of a block are none for the fast reader: the slow one names them.
        if columns is None or block.endswith((b"\n\n", b"\n\r\n")):
            columns = _slowly(file.path, block, line, cells, spec)
        yield line, columns
        line += columns.shape[1]
    if line == 1:
        raise UnreadableFileError(file.path, "line 1", f"{file.columns} columns", "an empty file")


def _slowly(path: Path, block: bytes, first: int, cells: Sequence[Cell], spec: InstrumentSpec) -> np.ndarray:
    rows = []
    for number, line in enumerate(block.rstrip(b"\n").split(b"\n") if block.strip() else [block], start=first):
        texts = line.rstrip(b"\r").decode("utf-8", errors="replace").split(",")
        if len(texts) != len(cells):
            found = f"{len(texts)} in {line[:80]!r}"
            raise UnreadableFileError(path, f"line {number}", f"{len(cells)} columns", found)
        rows.append([_cell(path, number, text, cell, spec) for text, cell in zip(texts, cells, strict=True)])
    if block.endswith(b"\n\n"):
        raise UnreadableFileError(path, f"line {first + len(rows)}", f"{len(cells)} columns", "an empty line")
    return np.array(rows, np.int64).T


def _cell(path: Path, number: int, text: str, cell: Cell, spec: InstrumentSpec) -> int:
    """One cell as the fast reader would give it, or why it cannot."""
    if cell.kind == "skip":
        return 0
    if cell.kind == "code":
        if 0 < len(text) <= 8 and text.isascii() and text.isprintable() and " " not in text:
            return int.from_bytes(text.encode(), "little")
        raise UnreadableFileError(path, f"line {number}", "true or false", repr(text[:80]))
    try:
        value = Decimal(text.strip())
        exponent = value.adjusted() if value.is_finite() and value else 0
        if not value.is_finite() or abs(exponent) > 60 or (cell.kind == "whole" and value != int(value)):
            raise InvalidOperation
    except InvalidOperation as error:
        expected = "a whole number" if cell.kind == "whole" else "a number"
        raise UnreadableFileError(path, f"line {number}", expected, repr(text[:80])) from error
    numerator, denominator = value.as_integer_ratio()
    whole, rest = divmod(numerator * 10**cell.places, denominator)
    if rest or whole not in _INT64:
        if cell.kind == "whole":
            raise UnreadableFileError(path, f"line {number}", "a whole number of 64 bits", repr(text[:80]))
        raise StudyError(
            f"instrument {spec.id}: tick_size or lot_size",
            received=f"{spec.tick_size} and {spec.lot_size}",
            expected=f"units of which {text} ({path.name}, line {number}) is a whole number below 2^63",
            remedy="Set others in the study.",
        )
    return whole


def stamps_ns(path: Path, first: int, values: np.ndarray) -> np.ndarray:
    """(n,) ms or us, told by their size, as ns.

    Raises:
        UnreadableFileError: A stamp is neither.
    """
    if values.size and _MS[0] <= values.min() and values.max() < _MS[1]:
        return values * 1_000_000
    in_ms = (values >= _MS[0]) & (values < _MS[1])
    in_us = (values >= _US[0]) & (values < _US[1])
    wrong = ~(in_ms | in_us)
    if wrong.any():
        row = int(wrong.argmax())
        expected = "a time in ms or us since 1970, in 2001 to 2286"
        raise UnreadableFileError(path, f"line {first + row}", expected, int(values[row]))
    return values * np.where(in_ms, 1_000_000, 1_000)


def flags_of(path: Path, first: int, words: np.ndarray) -> np.ndarray:
    """(n,) bool of a ``code`` column of ``true`` and ``false``, in any case.

    Raises:
        UnreadableFileError: A cell is something else.
    """
    lower = words | int.from_bytes(b"\x20" * 5, "little") & np.where(words >> 32, (1 << 40) - 1, (1 << 32) - 1)
    true, false = (int.from_bytes(word, "little") for word in (b"true", b"false"))
    wrong = (lower != true) & (lower != false)
    if wrong.any():
        row = int(wrong.argmax())
        found = int(words[row]).to_bytes(8, "little").rstrip(b"\0")
        raise UnreadableFileError(path, f"line {first + row}", "true or false", repr(found))
    result: np.ndarray = lower == true
    return result
