"""Trades, aggregate trades and book tickers of the exchange's public archive (binance_csv.py says which files).

Columns: trades ``id, price, qty, quote qty (COIN-M: base qty), time, is buyer maker[, is best match]``; aggTrades
``id, price, qty, first trade id, last trade id, time, is buyer maker[, is best match]``; bookTicker ``update id, bid
price, bid qty, ask price, ask qty, transaction time, event time``.

Where a ``.CHECKSUM`` file lies beside a file, the file must be what it says.

Here: this format. Not here: recognising files (binance_csv.py), bars (binance_klines.py), depths
(binance_book_depth.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from feeds.adapters.base import FileInfo, ParsedTicks, SourceProblem, joined, split_rejected
from feeds.adapters.binance_blocks import verify_checksum
from feeds.adapters.binance_csv import column_blocks, flags_of, recognise, stamps_ns
from feeds.adapters.binance_merge import Rows, merged
from feeds.adapters.binance_rows import frame_of
from feeds.adapters.binance_units import binance_spec, day_bounds_ns, reading_units
from feeds.errors import UnreadableFileError
from feeds.instruments import InstrumentSpec
from feeds.schema import ACTION_CODE, FLAG_GAP, FLAG_PARTIAL, SIDE_CODE

if TYPE_CHECKING:
    from feeds.adapters.csv_blocks import Cell

ROLES = ("trades", "aggTrades", "bookTicker")
REASONS = ("duplicate_trade", "time_outside_day")
_DUPLICATE, _OUTSIDE = 1, 2


class BinanceArchive:
    """Adapter of the format; see the module docstring."""

    name = "binance_archive"
    #: Any of the roles makes a day: spot publishes no book tickers, futures have none for some years.
    required_roles: frozenset[str] = frozenset()
    whole_roles: frozenset[str] = frozenset()
    awaited_roles: frozenset[str] = frozenset()

    def sniff(self, path: Path) -> FileInfo | None:
        """Name (the zip's or its csv's) and number of columns tell what it is; a month's file has many dates."""
        file = recognise(path, ROLES)
        return None if file is None else FileInfo(path, self.name, file.kind, file.instrument, file.dates)

    def parse(self, files: Mapping[str, Path], spec: InstrumentSpec, date: str) -> ParsedTicks:
        """See `chunks`."""
        return joined(self.chunks(files, spec, date))

    def chunks(self, files: Mapping[str, Path], spec: InstrumentSpec, date: str) -> Iterator[ParsedTicks]:
        """Quotes and trades of one date merged by time, each file in its own order, quotes first at equal stamps.

        A trade is a ``T`` row with the aggressor's side, a book ticker two ``Q`` rows (bid first, FLAG_PARTIAL on it).
        ``ts_event`` is the trade's time or the ticker's transaction time; one clock: ``ts_recv`` is the same. Where
        trades are there, aggregate trades are left unread. Of a month's file the rows of ``date`` are taken; rows of
        another date in a day's file are rejected as ``time_outside_day``, a trade whose id was there before as
        ``duplicate_trade``. Missing ids of spot trades and of aggregate trades are a ``sequence_gap``.

        Raises:
            UnreadableFileError: A file is damaged, not what its checksum says, or a line is not as the format says.
            StudyError: A price or size is no whole number of the instrument's units.
        """
        prints = next((role for role in ("trades", "aggTrades") if role in files), None)
        readers = [_Reader(files[role], role, spec, date) for role in ("bookTicker", prints) if role and role in files]
        if not readers:
            raise UnreadableFileError(", ".join(map(str, files.values())), "its role", f"one of {ROLES}", sorted(files))
        quotes = next((reader for reader in readers if reader.role == "bookTicker"), None)
        trades = next((reader for reader in readers if reader.role != "bookTicker"), None)
        sequence, empty = 0, True
        for rows in merged(*(reader.rows() if reader else iter(()) for reader in (quotes, trades))):
            problems = [problem for reader in readers for problem in reader.taken_problems()]
            part = split_rejected(_frame(rows), sequence, problems=problems)
            sequence, empty = sequence + part.rows_in, False
            yield part
        rest = [problem for reader in readers for problem in reader.taken_problems()]
        if empty or rest:
            yield split_rejected(_frame(Rows.none()), sequence, problems=rest)

    def default_spec(self, instrument: str) -> InstrumentSpec:
        """See `binance_spec`."""
        return binance_spec(instrument)


def _frame(rows: Rows) -> pl.DataFrame:
    columns = (rows.action, rows.side, rows.price, rows.size, rows.flags, rows.reason)
    return frame_of(rows.time, rows.time, *columns, names=REASONS)


class _Reader:
    """One file of an instrument-day, in rows."""

    def __init__(self, path: Path, role: str, spec: InstrumentSpec, date: str) -> None:
        file = recognise(path, ROLES)
        if file is None or file.kind != role:
            raise UnreadableFileError(path, "name", f"a file of {role}", path.name)
        verify_checksum(path)
        self.file, self.role, self.spec = file, role, spec
        self.places, self.multiples = reading_units(spec)
        self.day = day_bounds_ns(date)
        self._problems: list[SourceProblem] = []
        self._last_id: int | None = None

    def taken_problems(self) -> list[SourceProblem]:
        """Problems found since the last call."""
        found, self._problems = self._problems, []
        return found

    def rows(self) -> Iterator[Rows]:
        """Rows of the date, block by block."""
        read = self._quotes if self.role == "bookTicker" else self._trades
        latest = 0
        for first, columns in column_blocks(self.file, self._cells(), self.spec):
            rows = read(first, columns)
            if rows.time.size:
                # The running maximum keeps the file's own order where its stamps run backwards.
                rows.placed[:] = np.maximum(np.maximum.accumulate(rows.time), latest)
                latest = int(rows.placed[-1])
                yield rows

    def _cells(self) -> list[Cell]:
        from feeds.adapters.csv_blocks import Cell

        whole, skip, code = Cell("whole"), Cell("skip"), Cell("code")
        price, size = Cell("decimal", self.places.price), Cell("decimal", self.places.size)
        if self.role == "bookTicker":
            return [whole, price, size, price, size, whole, whole]
        ids = [skip] if self.role == "trades" else [whole, whole]
        cells = [whole, price, size, *ids, whole, code]
        return [*cells, *[code] * (self.file.columns - len(cells))]

    def _chosen(self, first: int, columns: np.ndarray, stamps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Stamps in ns, columns and line numbers of what is of this instrument-day: all of a day's file."""
        time = stamps_ns(self.file.path, first, columns[stamps])
        numbers = np.arange(first, first + time.size)
        if not self.file.monthly:
            return time, columns, numbers
        inside = (time >= self.day[0]) & (time < self.day[1])
        return time[inside], columns[:, inside], numbers[inside]

    def _outside(self, time: np.ndarray) -> np.ndarray:
        return np.where((time < self.day[0]) | (time >= self.day[1]), _OUTSIDE, 0).astype(np.uint8)

    def _trades(self, first: int, columns: np.ndarray) -> Rows:
        stamps = 4 if self.role == "trades" else 5
        columns[stamps + 1] = flags_of(self.file.path, first, columns[stamps + 1])
        time, columns, lines = self._chosen(first, columns, stamps)
        ids, price, size, maker = *columns[:3], columns[stamps + 1]
        reason, flags = self._outside(time), np.zeros(lines.size, np.uint8)
        if lines.size:
            known = np.maximum.accumulate(
                np.concatenate([[ids[0] - 1 if self._last_id is None else self._last_id], ids])
            )
            reason[ids <= known[:-1]] = _DUPLICATE
            if self.role == "aggTrades" or self.spec.id.endswith(".BINANCE"):
                for k in np.flatnonzero(ids > known[:-1] + 1).tolist():
                    flags[k] = FLAG_GAP
                    self._problem("sequence_gap", int(lines[k]), f"{self.role}: id {ids[k]} follows {known[k]}")
            self._last_id = int(known[-1])
        return Rows(
            time=time,
            placed=time.copy(),
            action=np.full(lines.size, ACTION_CODE["T"], np.uint8),
            # The buyer's order rested: the seller is the aggressor.
            side=np.where(maker, SIDE_CODE["A"], SIDE_CODE["B"]).astype(np.uint8),
            price=price * self.multiples.ticks,
            size=size * self.multiples.lots,
            flags=flags,
            reason=reason,
        )

    def _quotes(self, first: int, columns: np.ndarray) -> Rows:
        time, columns, lines = self._chosen(first, columns, 5)
        ids = columns[0]
        back = ids[1:] < ids[:-1]
        if back.any():
            # Some of the archive's files list the updates of one millisecond backwards.
            place = int(back.argmax())
            text = f"update id {ids[place + 1]} follows {ids[place]}; updates of one time are put in order"
            self._problem("out_of_order", int(lines[place + 1]), text)
            order = np.lexsort((ids, np.maximum.accumulate(time)))
            time, columns = time[order], columns[:, order]
        bid_ask = np.tile(np.array([SIDE_CODE["B"], SIDE_CODE["A"]], np.uint8), time.size)
        flags = np.tile(np.array([FLAG_PARTIAL, 0], np.uint8), time.size)
        stamps = np.repeat(time, 2)
        return Rows(
            time=stamps,
            placed=stamps.copy(),
            action=np.full(stamps.size, ACTION_CODE["Q"], np.uint8),
            side=bid_ask,
            price=np.stack([columns[1], columns[3]], axis=1).reshape(-1) * self.multiples.ticks,
            size=np.stack([columns[2], columns[4]], axis=1).reshape(-1) * self.multiples.lots,
            flags=flags,
            reason=self._outside(stamps),
        )

    def _problem(self, kind: str, line: int, text: str) -> None:
        self._problems.append(SourceProblem(kind, f"{self.file.path.name} line {line}", text))
