"""Any csv or Parquet file, through a small YAML that says what its columns mean; see docs/mapping.md.

Such a file holds many instruments and days, so it is decoded to a tape. Rows belong to the UTC day of their stamp, or,
where the mapping states one date for all, to that date.

Here: the adapter. Not here: the mapping (mapping.py, mapping_files.py), columns and events (mapped_*.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from feeds.adapters.base import FileInfo, Progress
from feeds.adapters.containers import file_head, first_line, is_zip, member_head, only_csv
from feeds.adapters.mapped_columns import roles_of
from feeds.adapters.mapped_csv import Batch, column_names, csv_batches
from feeds.adapters.mapped_parquet import MAGIC, check_columns, parquet_batches, parquet_columns
from feeds.adapters.mapping import Mapping
from feeds.adapters.mapping_files import check_has_files, is_mapping, mapping_of
from feeds.errors import IncompleteDropError, UnreadableFileError
from feeds.instruments import InstrumentSpec
from feeds.tape import TapeWriter
from feeds.tape_index import TapeIndex


class Mapped:
    """Adapter of mapped files; see the module docstring."""

    name = "mapped"

    def sniff(self, path: Path) -> FileInfo | None:
        """A file that a mapping speaks of (role ``tape``), or a mapping (role ``mapping``).

        Raises:
            UnreadableFileError: The mapping is wrong, or the file's columns are not those it names.
            IncompleteDropError: A mapping speaks of no file that is there.
        """
        if is_mapping(path):
            check_has_files(path)
            return FileInfo(path, self.name, "mapping", None, ())
        mapping = mapping_of(path)
        if mapping is None:
            return None
        _check_columns(path, mapping)
        return FileInfo(path, self.name, "tape", None, ())

    def decode(self, path: Path, folder: Path, progress: Progress | None = None) -> TapeIndex:
        """Decode ``path`` into the tape ``folder``.

        Raises:
            IncompleteDropError: No mapping speaks of it.
            UnreadableFileError: It cannot be read whole, or a cell is not of its kind.
        """
        from feeds.adapters.mapped_events import REASONS, Instruments, tape_columns

        mapping = mapping_of(path)
        if mapping is None:
            raise IncompleteDropError(path, "the folder", f"a mapping, {path.name}.t2t.yaml or t2t.yaml", "none")
        instruments = Instruments(path, mapping)
        day = mapping.time.date.isoformat() if mapping.time.date is not None else None
        total = path.stat().st_size
        with TapeWriter(folder, format=self.name, day=day, reasons=REASONS) as writer:
            rows = 0
            for batch in _batches(path, mapping):
                writer.append(tape_columns(path, mapping, batch, instruments))
                rows += batch.rows
                if progress is not None:
                    progress(rows, min(batch.bytes_done, total), total)
            specs = [_spec(identity, mapping) for identity in instruments.ids]
            return writer.close(specs, ignored={}, problems=(), params=mapping.model_dump(mode="json"))

    def default_spec(self, instrument: str) -> InstrumentSpec:
        """Units of an instrument no mapping speaks of."""
        return InstrumentSpec(id=instrument, tick_size=1e-8, lot_size=1e-8)


def _spec(identity: str, mapping: Mapping) -> InstrumentSpec:
    return InstrumentSpec(
        id=identity,
        tick_size=mapping.tick_size,
        lot_size=mapping.lot_size,
        quote_increment_ticks=mapping.quote_increment_ticks,
        currency=mapping.currency,
    )


def _batches(path: Path, mapping: Mapping) -> Iterator[Batch]:
    reader = csv_batches if mapping.format == "csv" else parquet_batches
    return reader(path, mapping, roles_of(mapping))


def _check_columns(path: Path, mapping: Mapping) -> None:
    if mapping.format == "parquet":
        with path.open("rb") as handle:
            start = handle.read(len(MAGIC))
        if start != MAGIC:
            raise UnreadableFileError(path, "byte 0", "a Parquet file, as its mapping says", repr(start))
        check_columns(path, mapping, parquet_columns(path))
        return
    if is_zip(path):
        member = only_csv(path)
        if member is None:
            raise UnreadableFileError(path, "the archive's directory", "one csv", "none or several")
        head = member_head(path, member)
    else:
        head = file_head(path)
    line = first_line(head)
    if not line:
        raise UnreadableFileError(path, "line 1", "a header" if mapping.header else "a line", "an empty file")
    column_names(path, mapping, line)
