"""Files without market data: headlines, point-in-time signals, daily realised variance.

Here: three small csv formats told apart by their header. Not here: point-in-time windows (feeds/signals.py).
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from feeds.adapters.base import FileInfo
from feeds.adapters.containers import first_line, is_zip
from feeds.errors import UnreadableFileError
from feeds.schema import TABLES

NEWS_HEADER = "published_at,symbols,headline,source"
SIGNALS_HEADER = "available_at,effective_at,symbol,name,value,source"
RV_HEADER = "date,rv5"
RV_SIGNAL = "sp500_rv5_annvol"
TRADING_DAYS_PER_YEAR = 252
_NS_PER_HOUR = 3_600_000_000_000
#: A US date's variance is known this long after its UTC midnight: the next UTC midnight, past the close, and an hour.
RV_KNOWN_AFTER_NS = 25 * _NS_PER_HOUR
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)")
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TICKER = re.compile(r"\*|[A-Za-z0-9_.-]+")
#: Longest cell of a headline file; a quote that is never closed would swallow the rest.
_MAX_CELL = 10_000


@dataclass(frozen=True)
class _Line:
    """One record with its place, for errors."""

    path: Path
    number: int
    cells: dict[str, str]

    def broken(self, column: str, expected: str) -> UnreadableFileError:
        return UnreadableFileError(
            self.path, f"line {self.number}", f"{expected} as {column}", repr(self.cells[column][:80])
        )

    def text(self, column: str) -> str:
        value = self.cells[column].strip()
        if not value or len(value) > _MAX_CELL:
            raise self.broken(column, f"a text of 1 to {_MAX_CELL} characters")
        return value

    def number_of(self, column: str) -> float:
        try:
            value = float(self.cells[column])
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.broken(column, "a finite number")
        return value

    def moment_ns(self, column: str) -> int:
        """ISO time with a zone, as ns UTC."""
        return self._parsed(column, _ISO_TIME, "an ISO time with Z or an offset")

    def midnight_ns(self, column: str) -> int:
        """ISO date, as ns UTC of its UTC midnight."""
        return self._parsed(column, _ISO_DATE, "an ISO date")

    def _parsed(self, column: str, pattern: re.Pattern[str], expected: str) -> int:
        value = self.cells[column].strip()
        if not pattern.fullmatch(value):
            raise self.broken(column, expected)
        try:
            moment = dt.datetime.fromisoformat(value)
            aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
            return (aware - _EPOCH) // dt.timedelta(microseconds=1) * 1000
        except (ValueError, OverflowError) as error:
            raise self.broken(column, expected) from error


class _DailyCsv:
    """A header, and a rule how a line becomes rows of a table."""

    name: str
    header: str
    table: str

    def sniff(self, path: Path) -> FileInfo | None:
        """Recognise the header; ``dates`` are the UTC dates on which rows become known."""
        if is_zip(path):
            return None
        with path.open("rb") as handle:
            if first_line(handle.readline(4096)) != self.header:
                return None
        stamps = self.read(path)["available_at"]
        dates = stamps.cast(pl.Datetime("ns")).dt.date().unique().sort()
        return FileInfo(path, self.name, self.name, None, tuple(date.isoformat() for date in dates.to_list()))

    def read(self, path: Path) -> pl.DataFrame:
        """All rows, in the schema of the format's table.

        Raises:
            UnreadableFileError: A line has too few or too many cells, or a cell that is not what its column holds.
        """
        rows = [row for line in _lines(path, self.header) for row in self._rows(line)]
        return pl.DataFrame(rows, schema=TABLES[self.table], orient="row")

    def _rows(self, line: _Line) -> Iterable[tuple[Any, ...]]:
        raise NotImplementedError


class NewsCsv(_DailyCsv):
    """Headlines; ``symbols`` holds tickers separated by ``|``, or ``*`` for the whole market.

    `read` gives HEADLINES, one row per (headline, ticker) with the ticker as ``symbol``. Known when published.
    """

    name, header, table = "news_csv", NEWS_HEADER, "headlines"

    def _rows(self, line: _Line) -> Iterable[tuple[Any, ...]]:
        published_ns, headline, source = line.moment_ns("published_at"), line.text("headline"), line.text("source")
        tickers = [ticker.strip() for ticker in line.text("symbols").split("|")]
        if not all(_TICKER.fullmatch(ticker) for ticker in tickers):
            raise line.broken("symbols", "tickers separated by |")
        for ticker in dict.fromkeys(tickers):
            yield published_ns, published_ns, ticker, headline, source, text_id(headline)


class SignalsCsv(_DailyCsv):
    """Point-in-time values of any kind; `read` gives EXTERNAL_SIGNALS."""

    name, header, table = "signals_csv", SIGNALS_HEADER, "external_signals"

    def _rows(self, line: _Line) -> Iterable[tuple[Any, ...]]:
        times = line.moment_ns("available_at"), line.moment_ns("effective_at")
        yield *times, line.text("symbol"), line.text("name"), line.number_of("value"), line.text("source")


class RvDailyCsv(_DailyCsv):
    """Daily realised variance of the S&P 500 from 5-minute returns.

    `read` gives EXTERNAL_SIGNALS: `RV_SIGNAL`, the annualised volatility ``sqrt(252 rv5)`` as a fraction, for every
    instrument, `RV_KNOWN_AFTER_NS` after the date began.
    """

    name, header, table = "rv_daily_csv", RV_HEADER, "external_signals"

    def _rows(self, line: _Line) -> Iterable[tuple[Any, ...]]:
        midnight_ns, variance = line.midnight_ns("date"), line.number_of("rv5")
        if variance < 0:
            raise line.broken("rv5", "a variance")
        volatility = math.sqrt(TRADING_DAYS_PER_YEAR * variance)
        yield midnight_ns + RV_KNOWN_AFTER_NS, midnight_ns, "*", RV_SIGNAL, volatility, "rv5"


def text_id(text: str) -> str:
    """First 16 hex digits of the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _lines(path: Path, header: str) -> Iterable[_Line]:
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = content[error.start : error.start + 8]
        raise UnreadableFileError(path, f"byte {error.start}", "UTF-8 text", found) from error
    columns = header.split(",")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        if ",".join(cell.strip() for cell in next(reader, [])) != header:
            raise UnreadableFileError(path, "line 1", header, repr(text[:80]))
        for cells in reader:
            number = reader.line_num
            if len(cells) != len(columns) and cells:
                raise UnreadableFileError(path, f"line {number}", f"{len(columns)} columns {header}", cells)
            if cells:
                yield _Line(path, number, dict(zip(columns, cells, strict=True)))
    except csv.Error as error:
        raise UnreadableFileError(path, f"line {reader.line_num}", "csv with closed quotes", error) from error
