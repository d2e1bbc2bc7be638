"""Binance websocket captures: a line a message, ``<receive ns> <JSON>``, plain or gzipped, one symbol and date a file.

The market is told by the messages: COIN-M futures name the pair (``ps``), USD-M futures number the predecessor of a
diff (``pu``), spot does neither; where neither is seen, spot trades have ``M``, and COIN-M symbols end in ``USD_PERP``
or ``USD_<yymmdd>``. The date is that of the first receive stamp.

``ts_recv`` is the receive stamp; ``ts_event`` the transaction time ``T``, where a message has none the event time
``E`` (spot diffs), where it has neither the receive stamp (spot book tickers and snapshots). Nothing is done about
clocks that differ.

Here: this format. Not here: bytes of a line (feeds/kernels/binance_json.py), the rules of the book (binance_join.py),
downloaded archives (binance_archive.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import polars as pl

from feeds.adapters.base import FileInfo, ParsedTicks, instrument_id, joined, split_rejected
from feeds.adapters.binance_blocks import line_blocks, text_head
from feeds.adapters.binance_csv import futures_venue
from feeds.adapters.binance_join import REASON_CODE, Batch, BookJoin, Piece
from feeds.adapters.binance_message import Message, NoMessageError, UnitError, read_message, split_line
from feeds.adapters.binance_rows import rows_of
from feeds.adapters.binance_units import binance_spec, date_of, day_bounds_ns, reading_units
from feeds.adapters.containers import is_zip
from feeds.errors import StudyError, UnreadableFileError
from feeds.instruments import InstrumentSpec

_HEAD_BYTES = 1 << 20
_FIRST = re.compile(rb'[1-8]\d{18} \{\s*"')
_EXPECTED = "a receive stamp of 19 digits, a blank and a JSON object"


class BinanceRaw:
    """Adapter of the format; see the module docstring."""

    name = "binance_raw"
    required_roles = frozenset({"capture"})
    whole_roles: frozenset[str] = frozenset()
    awaited_roles: frozenset[str] = frozenset()

    def sniff(self, path: Path) -> FileInfo | None:
        """The first messages tell the market and the symbol, the first stamp the date."""
        if is_zip(path):
            return None
        head = text_head(path, _HEAD_BYTES)
        if not _FIRST.match(head):
            return None
        lines = head.split(b"\n")
        if len(lines) == 1:
            raise UnreadableFileError(path, "line 1", "a whole line", repr(head[:80]))
        try:
            stamp_ns, _ = split_line(lines[0].rstrip(b"\r"))
        except NoMessageError as error:
            raise UnreadableFileError(path, "line 1", _EXPECTED, repr(lines[0][:80])) from error
        found = _identity(lines[:-1])
        if found is None:
            expected = "a depth, book ticker or trade message in the first lines"
            raise UnreadableFileError(path, "line 1", expected, f"{len(lines) - 1} other messages")
        return FileInfo(path, self.name, "capture", instrument_id(path, *found), (date_of(stamp_ns),))

    def parse(self, files: Mapping[str, Path], spec: InstrumentSpec, date: str) -> ParsedTicks:
        """See `chunks`."""
        return joined(self.chunks(files, spec, date))

    def chunks(self, files: Mapping[str, Path], spec: InstrumentSpec, date: str) -> Iterator[ParsedTicks]:
        """Messages in file order, except diffs received before the snapshot they follow (binance_join.py).

        A diff is one ``L`` row a level, a snapshot an ``R`` row and its levels with FLAG_SNAPSHOT, a book ticker two
        ``Q`` rows (bid first), a trade one ``T`` row. Where a capture has trades, aggregate trades are ignored. Why
        messages are rejected: `REASONS` in binance_join.py. ``sequence_gap`` in ``problems``: update or trade ids are
        missing; the row behind has FLAG_GAP.

        Raises:
            UnreadableFileError: A line is no message at all, or the file is damaged.
            StudyError: A price or size is no whole number of the instrument's units.
        """
        capture = _Capture(files["capture"], spec, date)
        sequence = 0
        for pieces, ignored, problems in capture.joined_batches():
            frames = [rows_of(piece, capture.trade_kind, capture.multiples) for piece in pieces]
            part = split_rejected(pl.concat(frames), sequence, ignored, problems)
            sequence += part.frame.height + part.rejected.height
            yield part

    def default_spec(self, instrument: str) -> InstrumentSpec:
        """See `binance_spec`."""
        return binance_spec(instrument)


def _identity(lines: list[bytes]) -> tuple[str, str] | None:
    """Symbol and venue of the first message that tells both."""
    for line in lines:
        try:
            _, body = split_line(line.rstrip(b"\r"))
        except NoMessageError:
            return None
        data = body.get("data", body) if isinstance(body, dict) else None
        if isinstance(data, dict) and (found := _told_by(data)) is not None:
            return found
    return None


def _told_by(data: Mapping[str, Any]) -> tuple[str, str] | None:
    symbol, event = data.get("s", data.get("symbol")), data.get("e")
    if not isinstance(symbol, str):
        return None
    if "ps" in data or "pair" in data:
        return symbol, "BINANCE_CM"
    if event == "depthUpdate":
        return symbol, "BINANCE_USDM" if "pu" in data else "BINANCE"
    if event in ("trade", "aggTrade"):
        return symbol, "BINANCE" if "M" in data else futures_venue(symbol)
    if event == "bookTicker" or {"b", "B", "a", "A"} <= data.keys():
        return symbol, futures_venue(symbol) if event else "BINANCE"
    return None


class _Capture:
    """One file being read."""

    def __init__(self, path: Path, spec: InstrumentSpec, date: str) -> None:
        from feeds.kernels import binance_json as kernel

        self.path, self.spec = path, spec
        self.places, self.multiples = reading_units(spec)
        self.futures = not spec.id.endswith(".BINANCE")
        self.symbol = spec.symbol
        self.day = day_bounds_ns(date)
        self.trade_kind: int = kernel.TRADE
        self._decided = False

    def joined_batches(self) -> Iterator[tuple[list[Piece], dict[str, int], list[Any]]]:
        """Pieces, ignored messages and problems of each block; at least one."""
        from feeds.kernels import binance_json as kernel

        join, first_line = BookJoin(self.futures), 1
        for block in line_blocks(self.path):
            batch = self.read(block, first_line)
            self._decide(batch, first_line + len(batch.records))
            first_line += len(batch.records)
            pieces = list(join.pieces(batch, self.trade_kind))
            ignored = dict(batch.ignored)
            kinds = batch.records[:, kernel.KIND]
            if self.trade_kind == kernel.TRADE and (aggregates := int((kinds == kernel.AGG_TRADE).sum())):
                ignored["aggTrade"] = aggregates
            empty = (kinds == kernel.DEPTH) & (batch.records[:, kernel.LEVELS] == 0)
            if empty.any():
                ignored["empty_update"] = int(empty.sum())
            problems, join.problems = join.problems, []
            yield pieces, ignored, problems
        if first_line == 1:
            raise UnreadableFileError(self.path, "line 1", _EXPECTED, "an empty file")
        if rest := list(join.finish()):
            yield rest, {}, []

    def read(self, block: bytes, first_line: int) -> Batch:
        """Messages of a block."""
        from feeds.kernels import binance_json as kernel

        text = np.frombuffer(block, np.uint8)
        most = text.size // 8 + 2
        records = np.empty((block.count(b"\n"), kernel.COLUMNS), np.int64)
        sides, prices, sizes = np.empty(most, np.uint8), np.empty(most, np.int64), np.empty(most, np.int64)
        symbol = np.frombuffer(self.symbol.encode(), np.uint8)
        places = np.array([self.places.price, self.places.size])
        _, levels, odd = kernel.scan_lines(text, symbol, self.futures, places, records, sides, prices, sizes)
        # Copies: a block's arrays are kept while its diffs wait, and the room is for the worst case.
        kept = (sides[:levels].copy(), prices[:levels].copy(), sizes[:levels].copy())
        batch = Batch(records, np.zeros(len(records), np.uint8), kept[0], kept[1], kept[2], first_line)
        batch = self._slowly(batch, block) if odd else batch
        outside = (records[:, kernel.RECV_NS] < self.day[0]) | (records[:, kernel.RECV_NS] >= self.day[1])
        batch.reasons[outside & (batch.reasons == 0)] = REASON_CODE["received_on_another_date"]
        return batch

    def _slowly(self, batch: Batch, block: bytes) -> Batch:
        """Read the lines the kernel left; their levels go behind those of the others."""
        from feeds.kernels import binance_json as kernel

        more: list[tuple[int, int, int]] = []
        for line in np.flatnonzero(batch.records[:, kernel.KIND] == kernel.ODD).tolist():
            start = int(batch.records[line, kernel.PLACE])
            text = block[start : block.index(b"\n", start)]
            message = self._message(text, batch.first_line + line)
            level = batch.sides.size + len(more)
            stamps = message.recv_ns, message.time_ns
            ids = message.first_id, message.last_id, message.previous_id
            batch.records[line] = (_KIND_CODES[message.kind], start, *stamps, *ids, level, len(message.levels))
            if message.kind == "ignored":
                batch.ignored[message.note] = batch.ignored.get(message.note, 0) + 1
            elif message.kind == "unplaced":
                batch.reasons[line] = REASON_CODE[message.note]
            more += message.levels
        if not more:
            return batch
        sides, prices, sizes = (np.array(part) for part in zip(*more, strict=True))
        return replace(
            batch,
            sides=np.concatenate([batch.sides, sides.astype(np.uint8)]),
            prices=np.concatenate([batch.prices, prices.astype(np.int64)]),
            sizes=np.concatenate([batch.sizes, sizes.astype(np.int64)]),
        )

    def _message(self, text: bytes, number: int) -> Message:
        try:
            return read_message(text, self.symbol, self.futures, self.places)
        except NoMessageError as error:
            raise UnreadableFileError(self.path, f"line {number}", _EXPECTED, f"{text[:80]!r}: {error}") from error
        except UnitError as error:
            self._refuse_unit(error, number)

    def _refuse_unit(self, error: UnitError, number: int) -> NoReturn:
        raise StudyError(
            f"instrument {self.spec.id}: {error.column}",
            received=getattr(self.spec, error.column),
            expected=f"a unit of which {error.text} ({self.path.name}, line {number}) is a whole number below 2^63",
            remedy="Set another one in the study.",
        ) from error

    def _decide(self, batch: Batch, next_line: int) -> None:
        """Whether trades or aggregate trades are the executions: asked once, when the first aggregate is seen."""
        from feeds.kernels import binance_json as kernel

        kinds = batch.records[:, kernel.KIND]
        if self._decided or not (kinds == kernel.AGG_TRADE).any():
            self._decided = self._decided or bool((kinds == kernel.TRADE).any())
            return
        self._decided = True
        if (kinds == kernel.TRADE).any() or self._has_trades():
            return
        self.trade_kind = kernel.AGG_TRADE

    def _has_trades(self) -> bool:
        from feeds.kernels import binance_json as kernel

        line = 1
        for block in line_blocks(self.path):
            batch = self.read(block, line)
            line += len(batch.records)
            if (batch.records[:, kernel.KIND] == kernel.TRADE).any():
                return True
        return False


_KIND_CODES = {
    "depth": 1,
    "ticker": 2,
    "trade": 3,
    "agg_trade": 4,
    "snapshot": 5,
    "ignored": 6,
    "unplaced": 7,
}
