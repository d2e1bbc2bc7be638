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
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import polars as pl

from feeds.errors import RowAccountingError, StudyError, UnreadableFileError
from feeds.instruments import InstrumentSpec
from feeds.schema import RAW_TICKS, conform, empty

#: Columns in which a source may state the book after an event.
BOOK_COLUMNS = ("bid_px", "bid_sz", "ask_px", "ask_sz", "bid_depth", "ask_depth")


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

    Raises:
        RowAccountingError: ``rows_in`` differs from the rows of both frames.
    """

    frame: pl.DataFrame
    rows_in: int
    rejected: pl.DataFrame

    def __post_init__(self) -> None:
        if self.rows_in != self.frame.height + self.rejected.height:
            raise RowAccountingError(
                "parsing",
                received=f"{self.rows_in} rows in",
                expected=f"{self.frame.height} events + {self.rejected.height} rejected",
                remedy="The adapter loses rows: this is a bug, please report it.",
            )


class Adapter(Protocol):
    """A market-data format."""

    name: str
    #: Roles an instrument-day needs, unless a file plays one of `whole_roles`, which is enough by itself.
    required_roles: frozenset[str]
    whole_roles: frozenset[str]

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


def split_rejected(events: pl.DataFrame) -> ParsedTicks:
    """Turn events in their final order into `ParsedTicks`.

    Args:
        events: Columns of RAW_TICKS except ``sequence`` (and book columns, null where missing), and ``reason``: null
            for rows that could be placed. A rejected row may have nulls anywhere.
    """
    nulls = [name for name in BOOK_COLUMNS if name not in events.columns]
    numbered = events.with_columns(
        pl.int_range(pl.len(), dtype=pl.Int64).alias("sequence"), *[pl.lit(None, pl.Int64).alias(n) for n in nulls]
    )
    placed = pl.col("reason").is_null()
    rejected = numbered.filter(~placed)
    return ParsedTicks(
        frame=conform(numbered.filter(placed).select(*RAW_TICKS), "raw_ticks"),
        rows_in=events.height,
        rejected=conform(rejected, "rejected_ticks") if rejected.height else empty("rejected_ticks"),
    )


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
