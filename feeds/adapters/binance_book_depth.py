"""Depths ("bookDepth") of the exchange's public archive: what rests within some percent of the price, as signals.

Columns: ``timestamp, percentage, depth, notional`` with a header; the timestamp is ``YYYY-MM-DD hh:mm:ss`` UTC, the
percentage negative below the price and positive above it (written ``-5`` in older files, ``-5.00`` in newer ones). Per
band two signals: ``book_depth_<percent>pct`` in coins or contracts, ``book_notional_<percent>pct`` in the currency.

The archive publishes a day during the following one: nothing is known before that one has ended.

Here: this format. Not here: recognising files (binance_csv.py).
"""

from __future__ import annotations

import io
from pathlib import Path

import polars as pl

from feeds.adapters.base import FileInfo
from feeds.adapters.binance_blocks import line_blocks, verify_checksum
from feeds.adapters.binance_csv import ArchiveFile, recognise
from feeds.errors import UnreadableFileError
from feeds.schema import conform

#: From the timestamp's UTC midnight until the file is surely published.
KNOWN_AFTER_DAYS = 2
_HEADER = "timestamp,percentage,depth,notional"
_NUMBERS = ("percentage", "depth", "notional")
_TIME = "%Y-%m-%d %H:%M:%S"


class BinanceBookDepth:
    """Adapter of the format; see the module docstring."""

    name = "binance_book_depth"

    def sniff(self, path: Path) -> FileInfo | None:
        """``dates`` are those on which rows become known."""
        if recognise(path, ("bookDepth",)) is None:
            return None
        known = self.read(path)["available_at"].cast(pl.Datetime("ns")).dt.date().unique().sort()
        return FileInfo(path, self.name, self.name, None, tuple(date.isoformat() for date in known.to_list()))

    def read(self, path: Path) -> pl.DataFrame:
        """All rows, in EXTERNAL_SIGNALS; ``symbol`` is the instrument id.

        Raises:
            UnreadableFileError: The file is damaged, not what its checksum says, or a line is not as the format says.
        """
        file = recognise(path, ("bookDepth",))
        if file is None:
            raise UnreadableFileError(path, "name", "a file of depths", path.name)
        verify_checksum(path)
        lines = _lines(file)
        time = pl.col("timestamp").str.to_datetime(_TIME, time_unit="ns", strict=False)
        percent = pl.col("percentage").cast(pl.Float64).round(2).cast(pl.String).str.strip_suffix(".0")
        known = time.dt.truncate("1d").dt.offset_by(f"{KNOWN_AFTER_DAYS}d").dt.cast_time_unit("ns")
        parts = [
            lines.select(
                known.cast(pl.Int64).alias("available_at"),
                time.cast(pl.Int64).alias("effective_at"),
                pl.lit(file.instrument).alias("symbol"),
                pl.format("book_{}_{}pct", pl.lit(what), percent).alias("name"),
                pl.col(what).cast(pl.Float64).alias("value"),
                pl.lit(self.name).alias("source"),
            )
            for what in ("depth", "notional")
        ]
        # Line by line: both values of a line stand together.
        both = pl.concat([part.with_row_index("line") for part in parts]).sort("line", maintain_order=True)
        return conform(both, "external_signals")


def _lines(file: ArchiveFile) -> pl.DataFrame:
    """All lines as text, each value checked."""
    content = b"".join(line_blocks(file.path, file.member))
    head, _, body = content.partition(b"\n")
    if not file.header or head.decode("utf-8-sig", errors="replace").strip().lower() != _HEADER:
        raise UnreadableFileError(file.path, "line 1", _HEADER, repr(head[:80]))
    schema = dict.fromkeys(_HEADER.split(","), pl.String)
    try:
        lines = pl.read_csv(
            io.BytesIO(body), has_header=False, schema=schema, quote_char=None, truncate_ragged_lines=False
        )
    except pl.exceptions.NoDataError:
        lines = pl.DataFrame(schema=schema)
    except pl.exceptions.PolarsError as error:
        raise UnreadableFileError(file.path, "some line", "4 columns of UTF-8 text", str(error)[:200]) from error
    if lines.height != body.count(b"\n"):
        expected, found = f"{body.count(10)} lines of 4 columns", f"{lines.height}"
        raise UnreadableFileError(file.path, "some line", expected, found)
    numbers = [pl.col(name).cast(pl.Float64, strict=False).is_finite().fill_null(False) for name in _NUMBERS]
    time = pl.col("timestamp").str.to_datetime(_TIME, strict=False).is_not_null().fill_null(False)
    fine = lines.select(pl.all_horizontal(time, *numbers).alias("fine"))["fine"]
    if not fine.all():
        row = int((~fine).arg_max() or 0)
        expected = f"a time YYYY-MM-DD hh:mm:ss and three numbers, {_HEADER}"
        raise UnreadableFileError(file.path, f"line {row + 2}", expected, lines.row(row))
    return lines
