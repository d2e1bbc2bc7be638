"""What every adapter is: recognise a file by its content, parse it into canonical events, lose no row.

Two kinds of wrong input are told apart. A *file* that cannot be read whole (cut short, a line without all its cells, a
cell of another type) is refused with its place, `UnreadableFileError`. A *row* that is well formed but cannot be placed
(an unknown action, a quote of neither side) goes to `ParsedTicks.rejected` with a reason. Values that are merely
implausible pass: cleaning decides about them.

Here: the protocols, their results, helpers for all of them. Not here: any format (one module each), reading bytes
(containers.py, strict_csv.py).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import polars as pl

from feeds.errors import RowAccountingError, StudyError, UnreadableFileError
from feeds.instruments import InstrumentSpec
from feeds.schema import RAW_TICKS, conform, empty

#: Columns in which a source may state the book after an event.
BOOK_COLUMNS = ("bid_px", "bid_sz", "ask_px", "ask_sz", "bid_depth", "ask_depth")


#: Called now and then with (rows so far, bytes of the source done, bytes of the source in all).
Progress = Callable[[int, int, int], None]


@dataclass(frozen=True)
class SourceProblem:
    """A defect of a source that can be read nevertheless, e.g. lost messages.

    Attributes:
        kind: E.g. ``"sequence_gap"``, ``"truncated_tail"``.
        position: Where, e.g. ``"packet 17"`` or ``"byte 4096"``.
        text: What was found and what was expected.
    """

    kind: str
    position: str
    text: str


@dataclass(frozen=True)
class FileInfo:
    """What a file is.

    Attributes:
        path: Where it lies.
        format: Name of the adapter.
        role: Which of the adapter's roles it plays.
        instrument: Id, None for files that hold no market data (news, signals).
        dates: ISO dates it holds; one for market data.
    """

    path: Path
    format: str
    role: str
    instrument: str | None
    dates: tuple[str, ...]


@dataclass(frozen=True)
class ParsedTicks:
    """Canonical events of one instrument-day.

    Attributes:
        frame: RAW_TICKS.
        rows_in: Records found in the files.
        rejected: REJECTED_TICKS: records the parser could not place. Sequence numbers run over both frames.
        ignored: Kind -> count of records that say nothing about the market of this instrument (heartbeats, reference
            data); they have no sequence number.
        problems: Defects of the source, see `SourceProblem`.

    Raises:
        RowAccountingError: ``rows_in`` differs from the rows of both frames and the ignored records.
    """

    frame: pl.DataFrame
    rows_in: int
    rejected: pl.DataFrame
    ignored: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[SourceProblem, ...] = ()

    def __post_init__(self) -> None:
        ignored = sum(self.ignored.values())
        if self.rows_in != self.frame.height + self.rejected.height + ignored:
            raise RowAccountingError(
                "parsing",
                received=f"{self.rows_in} rows in",
                expected=f"{self.frame.height} events + {self.rejected.height} rejected + {ignored} ignored",
                remedy="The adapter loses rows: this is a bug, please report it.",
            )


class Adapter(Protocol):
    """A market-data format whose files hold one instrument-day each.

    An adapter of files too large to be held may also have ``chunks(files, spec, date)``, an iterator of `ParsedTicks`
    whose sequence numbers run on; ``parse`` is then ``joined(chunks(...))``.
    """

    name: str
    #: Roles an instrument-day needs, unless a file plays one of `whole_roles`, which is enough by itself.
    required_roles: frozenset[str]
    whole_roles: frozenset[str]
    #: Roles a complete instrument-day also has: waited for a while, then done without.
    awaited_roles: frozenset[str]

    def sniff(self, path: Path) -> FileInfo | None:
        """What ``path`` is, None where it is not of this format. Reads the first bytes only.

        Raises:
            UnreadableFileError: It is of this format but damaged.
        """

    def parse(self, files: Mapping[str, Path], spec: InstrumentSpec, date: str) -> ParsedTicks:
        """Parse the files (role -> path) of one instrument-day.

        Raises:
            UnreadableFileError: A file cannot be read whole.
            StudyError: The instrument's units cannot hold the source's.
        """

    def default_spec(self, instrument: str) -> InstrumentSpec:
        """Units of an instrument no study describes."""


class TapeAdapter(Protocol):
    """A market-data format whose files hold many instruments or many days.

    Such a file is decoded once, whole, into a folder that feeds/tape.py reads instrument-days from.
    """

    name: str

    def sniff(self, path: Path) -> FileInfo | None:
        """What ``path`` is: role ``tape``, no instrument, no dates. See `Adapter.sniff`."""

    def decode(self, path: Path, folder: Path, progress: Progress | None = None) -> object:
        """Decode ``path`` into ``folder`` (which does not exist) with a `feeds.tape.TapeWriter`; returns its index.

        Memory does not grow with the file.

        Raises:
            UnreadableFileError: The file is damaged where nothing sensible can be read on.
        """

    def default_spec(self, instrument: str) -> InstrumentSpec:
        """Units of an instrument neither a study nor the file describes."""


class BarAdapter(Protocol):
    """A format of bars that a vendor or venue publishes."""

    name: str

    def sniff(self, path: Path) -> FileInfo | None:
        """What ``path`` is: role ``bars``, its instrument and dates. See `Adapter.sniff`."""

    def read(self, path: Path, spec: InstrumentSpec, date: str) -> pl.DataFrame:
        """Bars of one date, in VENDOR_BARS.

        Raises:
            UnreadableFileError: A row is not as the format says.
            StudyError: The instrument's units cannot hold the source's.
        """

    def default_spec(self, instrument: str) -> InstrumentSpec:
        """Units of an instrument no study describes."""


class DailyAdapter(Protocol):
    """A format whose files hold no market data: headlines, signals."""

    name: str

    def sniff(self, path: Path) -> FileInfo | None:
        """See `Adapter.sniff`; these files are small and read whole, for their dates."""

    def read(self, path: Path) -> pl.DataFrame:
        """All rows of a file, in the schema of its table.

        Raises:
            UnreadableFileError: A row is not as the format says.
        """


def split_rejected(
    events: pl.DataFrame,
    first_sequence: int = 0,
    ignored: Mapping[str, int] | None = None,
    problems: Iterable[SourceProblem] = (),
) -> ParsedTicks:
    """Turn events in their final order into `ParsedTicks`.

    Args:
        events: Columns of RAW_TICKS except ``sequence`` (and book columns, null where missing), and ``reason``: null
            for rows that could be placed. A rejected row may have nulls anywhere.
        first_sequence: Sequence number of the first row: the rows of the chunks before.
        ignored: See `ParsedTicks.ignored`.
        problems: See `ParsedTicks.problems`.
    """
    nulls = [name for name in BOOK_COLUMNS if name not in events.columns]
    number = pl.int_range(first_sequence, first_sequence + pl.len(), dtype=pl.Int64).alias("sequence")
    numbered = events.with_columns(number, *[pl.lit(None, pl.Int64).alias(n) for n in nulls])
    placed = pl.col("reason").is_null()
    rejected = numbered.filter(~placed)
    return ParsedTicks(
        frame=conform(numbered.filter(placed).select(*RAW_TICKS), "raw_ticks"),
        rows_in=events.height + sum((ignored or {}).values()),
        rejected=conform(rejected, "rejected_ticks") if rejected.height else empty("rejected_ticks"),
        ignored=dict(ignored or {}),
        problems=tuple(problems),
    )


def joined(chunks: Iterable[ParsedTicks]) -> ParsedTicks:
    """The chunks of one instrument-day as one."""
    parts = list(chunks)
    ignored: dict[str, int] = {}
    for part in parts:
        for kind, count in part.ignored.items():
            ignored[kind] = ignored.get(kind, 0) + count
    return ParsedTicks(
        frame=pl.concat([empty("raw_ticks"), *(part.frame for part in parts)]),
        rows_in=sum(part.rows_in for part in parts),
        rejected=pl.concat([empty("rejected_ticks"), *(part.rejected for part in parts)]),
        ignored=ignored,
        problems=tuple(problem for part in parts for problem in part.problems),
    )


def chunks_of(adapter: Adapter, files: Mapping[str, Path], spec: InstrumentSpec, date: str) -> Iterator[ParsedTicks]:
    """An instrument-day in chunks, or in one where the adapter knows no chunks; see `Adapter`."""
    chunks = getattr(adapter, "chunks", None)
    if chunks is None:
        yield adapter.parse(files, spec, date)
    else:
        yield from chunks(files, spec, date)


def instrument_id(path: Path, ticker: str, venue: str) -> str:
    """``TICKER.VENUE``; a dot of the ticker (BRK.B) becomes a dash.

    Raises:
        UnreadableFileError: That is no instrument id.
    """
    made = f"{ticker.upper().replace('.', '-')}.{venue}"
    try:
        return InstrumentSpec(id=made, tick_size=1, lot_size=1).id
    except ValueError as error:
        raise UnreadableFileError(path, "name", "a ticker of letters, digits, dots and dashes", ticker) from error


def iso_date(path: Path, text: str) -> str:
    """``YYYY-MM-DD`` of a date with or without dashes.

    Raises:
        UnreadableFileError: There is no such date.
    """
    try:
        return dt.date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise UnreadableFileError(path, "date", "a date YYYY-MM-DD", repr(text)) from error


def units_per(source_unit: float, unit: float, what: str, spec: InstrumentSpec) -> int:
    """How many of the instrument's units one unit of the source is.

    Raises:
        StudyError: It is no whole number: prices or sizes would be rounded.
    """
    ratio = source_unit / unit
    whole = round(ratio)
    if whole < 1 or abs(ratio - whole) > 1e-9 * ratio:
        raise StudyError(
            f"instrument {spec.id}: {what}",
            received=unit,
            expected=f"{source_unit}, the unit of its files, or that divided by a whole number",
            remedy="Correct it in the study.",
        )
    return whole
