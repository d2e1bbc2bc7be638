"""US consolidated trades and quotes: ``YYYYMMDD_trade.zip`` and ``YYYYMMDD_quote.zip``, one csv a zip, no header.

Trade: ``ms since midnight New York, price x 10^4, size, exchange, sale condition (hex), suspicious``. Quote: ``ms, bid
price, bid size, ask price, ask size, exchange, condition (hex), suspicious``; a side that is 0 x 0 is absent.

Here: this format. Not here: what the quotes make up (feeds/nbbo.py), which sales count (feeds/cleaning).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

from feeds.adapters.base import FileInfo, ParsedTicks, instrument_id, iso_date, units_per
from feeds.adapters.containers import first_line, is_zip, member_head, only_csv, read_member
from feeds.adapters.csv_blocks import Cell, CellKind, code_texts, columns_of, on_threads, starts_of
from feeds.adapters.raw_columns import RawColumns, parsed_ticks
from feeds.adapters.strict_csv import CsvSchema, read_strict
from feeds.calendar import split_ns
from feeds.errors import UnreadableFileError
from feeds.instruments import InstrumentSpec
from feeds.schema import ACTION_CODE, FLAG_SUSPICIOUS, SIDE_CODE

_MEMBER = re.compile(r"(\d{8})_([a-z0-9.-]+)_(trade|quote)_tick\.csv", re.IGNORECASE)
_LINES = {
    "trade": re.compile(r"\d+,-?\d+,-?\d+,[A-Za-z]*,[0-9a-fA-F]+,[01]"),
    "quote": re.compile(r"\d+(,-?\d+){4},[A-Za-z]*,[0-9a-fA-F]+,[01]"),
}
_PRICE_UNIT = 1e-4
#: Quote lines merged by one thread at a time.
_RUN_LINES = 1 << 17
_NEVER = -(2**63)
_TRADE: CsvSchema = {
    "ms": pl.Int64,
    "price": pl.Int64,
    "size": pl.Int64,
    "exchange": pl.String,
    "condition": pl.String,
    "suspicious": pl.Int64,
}
_QUOTE: CsvSchema = {
    "ms": pl.Int64,
    "bid": pl.Int64,
    "bid_size": pl.Int64,
    "ask": pl.Int64,
    "ask_size": pl.Int64,
    "exchange": pl.String,
    "condition": pl.String,
    "suspicious": pl.Int64,
}


class UsEquityTick:
    """Adapter of the format; see the module docstring."""

    name = "us_equity_tick"
    required_roles: frozenset[str] = frozenset()
    whole_roles: frozenset[str] = frozenset()
    awaited_roles = frozenset({"trade", "quote"})

    def sniff(self, path: Path) -> FileInfo | None:
        """The first line tells the role; symbol and date stand in the csv's name only."""
        if not is_zip(path) or (member := only_csv(path)) is None:
            return None
        line = first_line(member_head(path, member))
        role = next((role for role, pattern in _LINES.items() if pattern.fullmatch(line)), None)
        match = _MEMBER.fullmatch(member)
        if match is None:
            return None
        if role is None or role != match.group(3).lower():
            expected = f"a line of a {match.group(3).lower()} file"
            raise UnreadableFileError(path, "line 1", expected, repr(line[:80]) if line else "an empty file")
        instrument = instrument_id(path, match.group(2), "US")
        return FileInfo(path, self.name, role, instrument, (iso_date(path, match.group(1)),))

    def parse(self, files: Mapping[str, Path], spec: InstrumentSpec, date: str) -> ParsedTicks:
        """Merge trades and quotes by time, each file in its own order; either file may be absent.

        At equal milliseconds quotes stand first, so that a tape read up to a time has the book of that time. Nobody
        knows which came first there: signing trades must use earlier quotes (feeds/cleaning does). Both files have one
        clock: ``ts_recv`` is ``ts_event``. ``rows_in`` counts sides: a quote line with both sides is two records, one
        with neither is one, rejected as ``empty_quote``.
        """
        contents = on_threads(lambda path: (path, _content(path)), files.values())
        return self.decode(dict(zip(files, contents, strict=True)), spec, date)

    def decode(self, contents: Mapping[str, tuple[Path, bytes]], spec: InstrumentSpec, date: str) -> ParsedTicks:
        """The same from the csv text of the roles, each with its file for errors."""
        ticks = units_per(_PRICE_UNIT, spec.tick_size, "tick_size", spec)
        lots = units_per(1.0, spec.lot_size, "lot_size", spec)
        quotes, trades = (_lines(contents.get(role), schema) for role, schema in (("quote", _QUOTE), ("trade", _TRADE)))
        names = _common_names(quotes, trades)
        midnight = split_ns("XNYS", date, dt.time())
        numbers, codes = _merged(quotes.columns, trades.columns, np.array([midnight, ticks, lots], np.int64))
        stamps, prices, sizes, exchanges, conditions = numbers
        actions, sides, flags, reasons = codes
        return parsed_ticks(
            RawColumns(
                ts_event=stamps,
                action=actions,
                side=sides,
                price=prices,
                size=sizes,
                exchange=code_texts(exchanges) if names is None else names.gather(exchanges),
                condition=conditions,
                flags=flags,
                reason=reasons,
                reasons=("empty_quote", "time_outside_day"),
                without_stamp=frozenset({"time_outside_day"}),
            )
        )

    def default_spec(self, instrument: str) -> InstrumentSpec:
        """Prices kept at 1e-4 dollars, quotes on the cent."""
        return InstrumentSpec(id=instrument, tick_size=_PRICE_UNIT, lot_size=1, quote_increment_ticks=100)


def _content(path: Path) -> bytes:
    member = only_csv(path)
    if member is None:
        raise UnreadableFileError(path, "the archive's directory", "one csv", "none or several")
    return read_member(path, member)


@dataclass(frozen=True)
class _Lines:
    """Lines of a file.

    Attributes:
        columns: (columns, lines) int64; the exchange is packed, see `code_texts`.
        exchanges: The exchanges of lines whose exchange cannot be packed, else None.
    """

    columns: np.ndarray
    exchanges: pl.Series | None = None


def _lines(source: tuple[Path, bytes] | None, schema: CsvSchema) -> _Lines:
    if source is None:
        return _Lines(np.empty((len(schema), 0), np.int64))
    kinds: dict[str, CellKind] = {"exchange": "code", "condition": "hex"}
    columns = columns_of(source[1], [Cell(kinds.get(name, "whole")) for name in schema])
    return _Lines(columns) if columns is not None else _lines_strictly(*source, schema)


def _lines_strictly(path: Path, content: bytes, schema: CsvSchema) -> _Lines:
    """The same of lines in unusual spelling, or the error that names the line that is wrong."""
    frame = read_strict(path, content, schema)
    bits = frame["condition"].str.to_integer(base=16, strict=False).cast(pl.Int64)
    if bits.null_count():
        row = int(bits.is_null().arg_max() or 0)
        raise UnreadableFileError(path, f"line {row + 1}", "a hexadecimal condition", repr(frame["condition"][row]))
    numbers = frame.with_columns(bits.alias("condition"), pl.lit(0, pl.Int64).alias("exchange"))
    return _Lines(np.ascontiguousarray(numbers.to_numpy().T), frame["exchange"])


def _common_names(quotes: _Lines, trades: _Lines) -> pl.Series | None:
    """None where all exchanges are packed; else their names, and the columns of exchanges become places among them."""
    if quotes.exchanges is None and trades.exchanges is None:
        return None
    rows = (quotes.columns[list(_QUOTE).index("exchange")], trades.columns[list(_TRADE).index("exchange")])
    texts = [
        code_texts(row) if lines.exchanges is None else lines.exchanges
        for lines, row in zip((quotes, trades), rows, strict=True)
    ]
    names = pl.concat(texts).unique().sort()
    for row, text in zip(rows, texts, strict=True):
        row[:] = text.replace_strict(names, pl.int_range(names.len(), eager=True)).to_numpy()
    return names


def _merged(quotes: np.ndarray, trades: np.ndarray, units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers and codes of the tape, see `feeds.kernels.us_equity.merge`, by all threads: runs of quote lines."""
    from feeds.kernels import us_equity as kernel

    lines = quotes.shape[1]
    edges = [*range(0, max(lines, 1), _RUN_LINES), lines]
    surveys = on_threads(lambda run: kernel.survey_quotes(quotes, *run), pairwise(edges))
    starts = starts_of([events for events, _ in surveys])
    latest = np.maximum.accumulate(np.array([_NEVER, *(ms for _, ms in surveys)], np.int64))
    trade_times = np.maximum.accumulate(trades[kernel.TRADE_MS])
    # A trade goes before the first quote of a run where it is earlier than that quote's running maximum.
    firsts = [max(int(latest[k]), int(quotes[kernel.QUOTE_MS, edges[k]])) for k in range(1, len(surveys))]
    cuts = [0, *np.searchsorted(trade_times, firsts).tolist(), trade_times.size]
    events = starts[-1] + trade_times.size
    numbers, kinds = np.empty((5, events), np.int64), np.empty((4, events), np.uint8)
    codes = [ACTION_CODE["Q"], ACTION_CODE["T"], *(SIDE_CODE[side] for side in "BAN"), FLAG_SUSPICIOUS]

    def merge(k: int) -> None:
        before = trade_times[cuts[k] - 1] if cuts[k] else _NEVER
        span = [edges[k], edges[k + 1], cuts[k], cuts[k + 1], latest[k], before, starts[k] + cuts[k]]
        kernel.merge(quotes, trades, np.array(span, np.int64), np.array(codes, np.int64), units, numbers, kinds)

    on_threads(merge, range(len(surveys)))
    return numbers, kinds
