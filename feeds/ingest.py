"""Reading instrument-days and decoding tapes: what stands between the landing zone and raw_ticks.

Here: `decode_tape`, `UnitReader`. Not here: formats (feeds/adapters), the decoded form (feeds/tape.py), writing tables
(feeds/lake.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from feeds.adapters import TAPE_ADAPTERS, TICK_ADAPTERS
from feeds.adapters.base import FileInfo, ParsedTicks, Progress, SourceProblem, chunks_of
from feeds.errors import LakeError
from feeds.instruments import InstrumentSpec
from feeds.landing import tape_folder
from feeds.schema import empty
from feeds.units import Unit

if TYPE_CHECKING:
    from feeds.tape import TapeIndex


def decode_tape(info: FileInfo, root: Path, progress: Progress | None = None) -> TapeIndex:
    """Decode a tape of the landing zone, once; its instrument-days are there from then on.

    Raises:
        UnreadableFileError: It is damaged.
        LakeError: The disk is full, or the folder cannot be written.
    """
    from feeds.tape import load_index

    folder = tape_folder(info, root)
    if not (folder / "index.json").is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            TAPE_ADAPTERS[info.format].decode(info.path, folder, progress)
        except OSError as error:
            raise LakeError(
                f"decoding {info.path.name}", received=str(error), remedy="Check free space and permissions."
            ) from error
    return load_index(folder)


@dataclass
class UnitReader:
    """One instrument-day, read in chunks while the books are kept: rows in = rows out + rejected + ignored.

    Attributes:
        unit: The instrument-day.
        spec: Units of the instrument.
        rows_in: Rows read so far.
        ignored: Kind -> records that say nothing about the market.
        problems: Defects of the source.
        rejected_parts: Rows that could not be placed.
        actions: Action -> rows so far.
    """

    unit: Unit
    spec: InstrumentSpec
    rows_in: int = 0
    ignored: dict[str, int] = field(default_factory=dict)
    problems: list[SourceProblem] = field(default_factory=list)
    rejected_parts: list[pl.DataFrame] = field(default_factory=list)
    actions: dict[str, int] = field(default_factory=dict)

    def frames(self) -> Iterator[pl.DataFrame]:
        """RAW_TICKS in chunks; at least one, which may be empty.

        Raises:
            UnreadableFileError: A file cannot be read whole.
            StudyError: The instrument's units cannot hold the source's.
        """
        seen = False
        for part in self._parts():
            seen = True
            self.rows_in += part.rows_in
            self.problems += part.problems
            if part.rejected.height:
                self.rejected_parts.append(part.rejected)
            for kind, number in part.ignored.items():
                self.ignored[kind] = self.ignored.get(kind, 0) + number
            for action, number in part.frame["action"].value_counts().iter_rows():
                self.actions[action] = self.actions.get(action, 0) + number
            yield part.frame
        if not seen:
            yield empty("raw_ticks")

    @property
    def rejected(self) -> pl.DataFrame:
        """REJECTED_TICKS of what was read so far."""
        return pl.concat([empty("rejected_ticks"), *self.rejected_parts])

    def _parts(self) -> Iterator[ParsedTicks]:
        unit = self.unit
        if not unit.decoded:
            yield from chunks_of(TICK_ADAPTERS[unit.format], unit.files, self.spec, unit.date)
            return
        from feeds.tape import load_index, read_tape

        first_sequence = 0
        for folder in unit.decoded.values():
            self.problems += load_index(folder).problems
            rows = 0
            for part in read_tape(folder, unit.date, unit.instrument, self.spec):
                rows += part.frame.height + part.rejected.height
                yield _renumbered(part, first_sequence) if first_sequence else part
            first_sequence += rows


def _renumbered(part: ParsedTicks, first_sequence: int) -> ParsedTicks:
    shift = pl.col("sequence") + first_sequence
    return ParsedTicks(
        part.frame.with_columns(shift),
        part.rows_in,
        part.rejected.with_columns(shift),
        part.ignored,
        part.problems,
    )


def spec_of(
    unit_format: str, instrument: str, study_spec: InstrumentSpec | None, stated: InstrumentSpec | None
) -> InstrumentSpec:
    """Units of an instrument: the study's, else those a tape states, else the format's."""
    adapter = TAPE_ADAPTERS.get(unit_format) or TICK_ADAPTERS[unit_format]
    return study_spec or stated or adapter.default_spec(instrument)
