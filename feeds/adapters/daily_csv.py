"""Files without market data: headlines, point-in-time signals, daily realised variance.

Here: three small csv formats told apart by their header. Not here: point-in-time windows (feeds/signals.py).
"""

from __future__ import annotations

import hashlib
import io
import math
from pathlib import Path

import polars as pl

from feeds.adapters.base import FileInfo
from feeds.errors import UnreadableFileError
from feeds.schema import conform

NEWS_HEADER = "published_at,symbols,headline,source"
SIGNALS_HEADER = "available_at,effective_at,symbol,name,value,source"
RV_HEADER = "date,rv5"
#: The US close of a date, and the day's last revision of its variance, lie before this time after its UTC midnight.
RV_KNOWN_AFTER = pl.duration(days=1, hours=1)
TRADING_DAYS_PER_YEAR = 252


def _sniff(path: Path, name: str, header: str, column: str) -> FileInfo | None:
    with path.open("rb") as handle:
        first = handle.readline(4096).decode("utf-8", errors="replace").lstrip("\ufeff").strip()
    if first != header:
        return None
    stamps = _read(path, header)[column].cast(pl.String).str.slice(0, 10).unique().sort()
    return FileInfo(path, name, name, None, tuple(stamps.to_list()))


def _read(path: Path, header: str) -> pl.DataFrame:
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableFileError(
            path, f"byte {error.start}", "UTF-8 text", content[error.start : error.start + 8]
        ) from error
    columns = header.split(",")
    try:
        frame = pl.read_csv(io.StringIO(text), schema=dict.fromkeys(columns, pl.String))
    except pl.exceptions.PolarsError as error:
        raise UnreadableFileError(path, "some line", f"{len(columns)} columns {header}", str(error)[:200]) from error
    if text.strip() and not text.endswith("\n"):
        raise UnreadableFileError(path, f"line {frame.height + 1}", "a line end after the last row", "none: cut short?")
    return frame


def _stamp(path: Path, frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """Parse an ISO column to ns UTC; a stamp that is none is an error with its line."""
    parsed = pl.col(column).str.to_datetime(time_unit="ns", time_zone="UTC", strict=False)
    made = frame.with_columns(parsed.alias("_t"))
    bad = made.with_row_index("_n").filter(pl.col("_t").is_null())
    if bad.height:
        found = bad[column][0]
        raise UnreadableFileError(path, f"line {bad['_n'][0] + 2}", f"an ISO time with zone as {column}", repr(found))
    return made.with_columns(pl.col("_t").dt.epoch("ns").alias(column)).drop("_t")


class NewsCsv:
    """Headlines; ``symbols`` holds tickers separated by ``|``."""

    name = "news_csv"

    def sniff(self, path: Path) -> FileInfo | None:
        """Recognise the header."""
        return _sniff(path, self.name, NEWS_HEADER, "published_at")

    def read(self, path: Path) -> pl.DataFrame:
        """HEADLINES with one row per (headline, ticker); ``symbol`` is the ticker. Known when published."""
        frame = _stamp(path, _read(path, NEWS_HEADER), "published_at")
        exploded = frame.with_columns(pl.col("symbols").str.split("|")).explode("symbols")
        texts = exploded["headline"].to_list()
        ids = [hashlib.sha256((text or "").encode()).hexdigest()[:16] for text in texts]
        return conform(
            exploded.with_columns(
                available_at=pl.col("published_at"), symbol=pl.col("symbols"), text_id=pl.Series(ids, dtype=pl.String)
            ),
            "headlines",
        )


class SignalsCsv:
    """Point-in-time values of any kind."""

    name = "signals_csv"

    def sniff(self, path: Path) -> FileInfo | None:
        """Recognise the header."""
        return _sniff(path, self.name, SIGNALS_HEADER, "available_at")

    def read(self, path: Path) -> pl.DataFrame:
        """EXTERNAL_SIGNALS."""
        frame = _read(path, SIGNALS_HEADER)
        for column in ("available_at", "effective_at"):
            frame = _stamp(path, frame, column)
        return conform(frame.with_columns(_number(path, frame, "value")), "external_signals")


class RvDailyCsv:
    """Daily 5-minute realised variance of the S&P 500."""

    name = "rv_daily_csv"

    def sniff(self, path: Path) -> FileInfo | None:
        """Recognise the header."""
        return _sniff(path, self.name, RV_HEADER, "date")

    def read(self, path: Path) -> pl.DataFrame:
        """EXTERNAL_SIGNALS ``sp500_rv5_annvol``: annualised volatility in per cent, sqrt(252 rv5) x 100."""
        frame = _read(path, RV_HEADER)
        frame = frame.with_columns(_number(path, frame, "rv5"))
        day = pl.col("date").str.to_datetime("%Y-%m-%d", time_unit="ns", time_zone="UTC", strict=False)
        bad = frame.with_row_index("n").filter(day.is_null())
        if bad.height:
            raise UnreadableFileError(path, f"line {bad['n'][0] + 2}", "an ISO date", repr(bad["date"][0]))
        return conform(
            frame.select(
                available_at=(day + RV_KNOWN_AFTER).dt.epoch("ns"),
                effective_at=day.dt.epoch("ns"),
                symbol=pl.lit("*"),
                name=pl.lit("sp500_rv5_annvol"),
                value=(TRADING_DAYS_PER_YEAR * pl.col("rv5")).sqrt() * 100,
                source=pl.lit(path.name),
            ),
            "external_signals",
        )


def _number(path: Path, frame: pl.DataFrame, column: str) -> pl.Series:
    values = frame[column].cast(pl.Float64, strict=False)
    bad = [n for n, value in enumerate(values.to_list()) if value is None or not math.isfinite(value)]
    if bad:
        raise UnreadableFileError(
            path, f"line {bad[0] + 2}", f"a finite number as {column}", repr(frame[column][bad[0]])
        )
    return values
