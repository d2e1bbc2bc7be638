"""Bars ("klines") of the exchange's public archive: the venue's own bars, truth for bars built from its trades.

Columns: ``open time, open, high, low, close, volume, close time, quote volume, trades, taker buy volume, taker buy
quote volume, ignore`` (COIN-M: volume in contracts). The close time is the last ms or us of the bar.

Here: this format. Not here: recognising files (binance_csv.py), comparing bars.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from feeds.adapters.base import FileInfo
from feeds.adapters.binance_blocks import verify_checksum
from feeds.adapters.binance_csv import ArchiveFile, column_blocks, recognise, stamps_ns
from feeds.adapters.binance_units import binance_spec, day_bounds_ns, reading_units
from feeds.errors import UnreadableFileError
from feeds.instruments import InstrumentSpec
from feeds.schema import conform, empty

_US = 10**15


class BinanceKlines:
    """Adapter of the format; see the module docstring."""

    name = "binance_klines"

    def sniff(self, path: Path) -> FileInfo | None:
        """Name (the zip's or its csv's) and number of columns tell what it is; a month's file has many dates."""
        file = recognise(path, ("bars",))
        return None if file is None else FileInfo(path, self.name, "bars", file.instrument, file.dates)

    def read(self, path: Path, spec: InstrumentSpec, date: str) -> pl.DataFrame:
        """Bars that open on ``date``, in VENDOR_BARS, in the file's order; ``source`` names the interval, too.

        Raises:
            UnreadableFileError: The file is damaged, not what its checksum says, or a line is not as the format says.
            StudyError: A price or volume is no whole number of the instrument's units.
        """
        file = recognise(path, ("bars",))
        if file is None:
            raise UnreadableFileError(path, "name", "a file of bars", path.name)
        verify_checksum(path)
        parts = [_bars(file, spec, date, first, columns) for first, columns in _blocks(file, spec)]
        bars = pl.concat([empty("vendor_bars").drop("source"), *parts])
        return conform(bars.with_columns(source=pl.lit(f"{self.name}_{file.interval}")), "vendor_bars")

    def default_spec(self, instrument: str) -> InstrumentSpec:
        """See `binance_spec`."""
        return binance_spec(instrument)


def _blocks(file: ArchiveFile, spec: InstrumentSpec) -> Iterator[tuple[int, np.ndarray]]:
    from feeds.adapters.csv_blocks import Cell

    places, _ = reading_units(spec)
    prices, volume = [Cell("decimal", places.price)] * 4, Cell("decimal", places.size)
    cells = [Cell("whole"), *prices, volume, Cell("whole"), *[Cell("skip")] * 5]
    return column_blocks(file, cells, spec)


def _bars(file: ArchiveFile, spec: InstrumentSpec, date: str, first: int, columns: np.ndarray) -> pl.DataFrame:
    _, multiples = reading_units(spec)
    opened = stamps_ns(file.path, first, columns[0])
    closed = stamps_ns(file.path, first, columns[6]) + np.where(columns[6] >= _US, 1_000, 1_000_000)
    wrong = closed <= opened
    if wrong.any():
        row = int(wrong.argmax())
        raise UnreadableFileError(file.path, f"line {first + row}", "a close after the open", int(columns[6][row]))
    start, end = day_bounds_ns(date)
    chosen = np.flatnonzero((opened >= start) & (opened < end))
    names = ("open", "high", "low", "close")
    prices = {name: columns[k][chosen] * multiples.ticks for k, name in enumerate(names, start=1)}
    volume = columns[5][chosen] * multiples.lots
    return pl.DataFrame({"ts_open": opened[chosen], "ts": closed[chosen], **prices, "volume_lots": volume})
