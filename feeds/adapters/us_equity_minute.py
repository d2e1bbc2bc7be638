"""Minute bars of the vendor of the US tapes: a zip with one csv ``YYYYMMDD_<ticker>_minute_trade.csv``.

A line is ``ms since midnight New York, open, high, low, close (x 10^4), volume``; a minute without a trade has no line.
The stamp is the *left* edge: summed over [stamp, stamp + 60 s) the vendor's own prints have the stated volume in 99 of
100 bars, summed over the minute before it in hardly any. The prices leave out prints that the volume counts
(intermarket sweeps and others).

Here: this format; its files of quote bars are not read. Not here: comparing them with our bars.
"""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import numpy as np
import polars as pl

from feeds.adapters.base import FileInfo, instrument_id, iso_date, units_per
from feeds.adapters.containers import first_line, is_zip, member_head, only_csv, read_member
from feeds.adapters.csv_blocks import Cell, exact_columns
from feeds.calendar import split_ns
from feeds.errors import UnreadableFileError
from feeds.instruments import InstrumentSpec
from feeds.schema import conform

_MEMBER = re.compile(r"(\d{8})_([a-z0-9.-]+)_minute_trade\.csv", re.IGNORECASE)
_LINE = re.compile(r"\d+(,\d+){5}")
_EXPECTED = "milliseconds, open, high, low, close and volume, whole numbers"
_PRICE_UNIT = 1e-4
_NS_PER_MS = 1_000_000
_BAR_MS = 60_000
_MS_PER_DAY = 86_400_000


class UsEquityMinute:
    """Adapter of the format; see the module docstring."""

    name = "us_equity_minute"

    def sniff(self, path: Path) -> FileInfo | None:
        """The csv's name tells the format, ticker and date; its first line must agree."""
        if not is_zip(path) or (member := only_csv(path)) is None or (match := _MEMBER.fullmatch(member)) is None:
            return None
        line = first_line(member_head(path, member))
        if not _LINE.fullmatch(line):
            raise UnreadableFileError(path, "line 1", _EXPECTED, repr(line[:80]) if line else "an empty file")
        return FileInfo(path, self.name, "bars", instrument_id(path, match[2], "US"), (iso_date(path, match[1]),))

    def read(self, path: Path, spec: InstrumentSpec, date: str) -> pl.DataFrame:
        """The bars of the file, in VENDOR_BARS.

        Raises:
            UnreadableFileError: A line is not of six whole numbers, or its stamp is no full minute of the day after
                the one before.
            StudyError: The instrument's units cannot hold the source's.
        """
        ticks = units_per(_PRICE_UNIT, spec.tick_size, "tick_size", spec)
        lots = units_per(1.0, spec.lot_size, "lot_size", spec)
        member = only_csv(path)
        if member is None:
            raise UnreadableFileError(path, "the archive's directory", "one csv", "none or several")
        content = read_member(path, member)
        ms, opened, high, low, closed, volume = exact_columns(path, content, (Cell("whole"),) * 6, _EXPECTED)
        _check_stamps(path, ms)
        left = split_ns("XNYS", date, dt.time()) + ms * _NS_PER_MS
        bars = pl.DataFrame(
            {
                "ts_open": left,
                "ts": left + _BAR_MS * _NS_PER_MS,
                "open": opened * ticks,
                "high": high * ticks,
                "low": low * ticks,
                "close": closed * ticks,
                "volume_lots": volume * lots,
            }
        )
        return conform(bars.with_columns(source=pl.lit(self.name)), "vendor_bars")

    def default_spec(self, instrument: str) -> InstrumentSpec:
        """As of the ticks of the same vendor: prices kept at 1e-4 dollars, quotes on the cent."""
        return InstrumentSpec(id=instrument, tick_size=_PRICE_UNIT, lot_size=1, quote_increment_ticks=100)


def _check_stamps(path: Path, ms: np.ndarray) -> None:
    wrong = (ms < 0) | (ms >= _MS_PER_DAY) | (ms % _BAR_MS != 0)
    wrong[1:] |= np.diff(ms) <= 0
    if wrong.any():
        line = int(np.argmax(wrong))
        expected = "a full minute of the day, later than the line before"
        raise UnreadableFileError(path, f"line {line + 1}", expected, int(ms[line]))
