"""What every adapter is: recognise a file by its content, parse it into canonical events, lose no row.

Here: the protocol, its results, small helpers. Not here: any format (one module each).
"""

from __future__ import annotations

import datetime as dt
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

import polars as pl

from feeds.errors import RowAccountingError, UnreadableFileError
from feeds.instruments import InstrumentSpec
from feeds.schema import REJECTED_TICKS

NEW_YORK = ZoneInfo("America/New_York")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


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
        rejected: REJECTED_TICKS: records the parser could not place.

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
        """What ``path`` is, None where it is not of this format.

        Raises:
            UnreadableFileError: It is of this format but damaged.
        """

    def parse(self, files: Mapping[str, Path], spec: InstrumentSpec, date: str) -> ParsedTicks:
        """Parse the files (role -> path) of one instrument-day.

        Raises:
            UnreadableFileError: A file cannot be read whole.
        """

    def default_spec(self, instrument: str) -> InstrumentSpec:
        """Units of an instrument no study describes."""


class DailyAdapter(Protocol):
    """A format whose files hold no market data: headlines, signals."""

    name: str

    def sniff(self, path: Path) -> FileInfo | None:
        """See `Adapter.sniff`."""

    def read(self, path: Path) -> pl.DataFrame:
        """All rows of a file, in the schema of its table."""


@lru_cache(maxsize=1024)
def midnight_ns(date: str, zone: ZoneInfo = NEW_YORK) -> int:
    """Local midnight of an ISO date as ns UTC."""
    moment = dt.datetime.fromisoformat(date).replace(tzinfo=zone)
    return int((moment.astimezone(dt.UTC) - _EPOCH).total_seconds()) * 1_000_000_000


def only_member(path: Path, ending: str) -> str | None:
    """Name of the only member of a zip that ends with ``ending`` (lower case), None where there is not exactly one.

    Raises:
        UnreadableFileError: The zip cannot be opened.
    """
    found = [name for name in zip_names(path) if name.lower().endswith(ending)]
    return found[0] if len(found) == 1 else None


def zip_names(path: Path) -> list[str]:
    """Names of a zip's members.

    Raises:
        UnreadableFileError: The zip cannot be opened.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        size = path.stat().st_size
        raise UnreadableFileError(path, f"byte {size}", "a whole zip archive", str(error)) from error


def read_member(path: Path, name: str) -> bytes:
    """Bytes of a zip member, checksum verified.

    Raises:
        UnreadableFileError: It is cut short or its checksum is wrong.
    """
    import zlib

    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(name)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise UnreadableFileError(path, f"member {name}", "a whole zip member", str(error)) from error


def rejected_frame(frame: pl.DataFrame, reason: str) -> pl.DataFrame:
    """Rows of a frame with event columns as REJECTED_TICKS with one reason."""
    return frame.with_columns(pl.lit(reason).alias("reason")).select(
        pl.col(name).cast(kind) for name, kind in REJECTED_TICKS.items()
    )
