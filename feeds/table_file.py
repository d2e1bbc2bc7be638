"""The Parquet file of one partition: written block by block in bounded memory, the same bytes for the same rows.

The footer carries the partition's manifest, the version of the schema and the name of the content hash. Encodings are
chosen from the first rows, which are the same however the rows arrive in chunks.

Here: writing and reading one file. Not here: where it lies (feeds/partitions.py), the hash (feeds/content_hash.py).
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feeds.atomic import explained
from feeds.content_hash import BLOCK_ROWS, HASH_NAME, ContentHash, blocks, schema_text
from feeds.errors import LakeError
from feeds.manifest import Manifest
from feeds.schema import SCHEMA_VERSION

_MANIFEST = b"t2t"
_VERSION = b"t2t_schema_version"
_HASH = b"t2t_content_hash"
_ZSTD_LEVEL = 1
#: Rows looked at, and distinct values among them up to which a dictionary is used.
_SAMPLE_ROWS, _DICTIONARY_VALUES = 16_384, 1_024
#: A smaller block is hashed and written one after the other: a thread would cost more than it saves.
_THREAD_ROWS = 20_000


class TableFileWriter:
    """Writes one Parquet file from frames that arrive in any chunks.

    Args:
        path: The file; nobody else writes it.
        what: The subject of errors, e.g. ``"writing table bars, date=2024-01-02"``.
    """

    def __init__(self, path: Path, what: str) -> None:
        self._path, self._what = path, what
        self._sink: Any = None
        self._writer: pq.ParquetWriter | None = None
        self._hash: ContentHash | None = None
        self.rows = 0
        self.columns = ""  # equal for equal names and types

    def write(self, frames: Iterable[pl.DataFrame]) -> str:
        """Write stacked ``frames`` and return their content hash; `close` must follow.

        Raises:
            LakeError: There is no frame, or the disk refuses.
            SchemaError: Frames differ in columns or types.
        """
        with ThreadPoolExecutor(1) as pool:
            for block in blocks(frames):
                arrow = block.to_arrow()
                if self._writer is None:
                    self._open(block, arrow.schema)
                assert self._hash is not None and self._writer is not None
                if block.height < _THREAD_ROWS:
                    self._hash.update(arrow)
                    self._write(arrow)
                else:
                    hashed = pool.submit(self._hash.update, arrow)
                    self._write(arrow)
                    hashed.result()
                self.rows += block.height
        if self._hash is None:
            raise LakeError(self._what, received="no frame", expected="at least one, though it be empty")
        return self._hash.hexdigest()

    def close(self, manifest: Manifest) -> None:
        """Write the footer with ``manifest`` in it.

        Raises:
            LakeError: The disk refuses.
        """
        assert self._writer is not None
        footer = {_MANIFEST: manifest.to_json().encode(), _VERSION: SCHEMA_VERSION.encode(), _HASH: HASH_NAME.encode()}
        with explained(self._what, self._path):
            self._writer.add_key_value_metadata(footer)
            self._writer.close()
            self._sink.close()
        self._writer = self._sink = None

    def abort(self) -> None:
        """Close what is open; the file is worth nothing then."""
        for handle in (self._writer, self._sink):
            if handle is not None:
                with suppress(Exception):
                    handle.close()
        self._writer = self._sink = None

    def _open(self, first: pl.DataFrame, schema: pa.Schema) -> None:
        dictionary, encodings = encodings_for(first)
        with explained(self._what, self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._sink = pa.OSFile(str(self._path), "wb")
            self._writer = pq.ParquetWriter(
                self._sink,
                schema,
                compression="zstd",
                compression_level=_ZSTD_LEVEL,
                use_dictionary=dictionary,
                column_encoding=encodings,
            )
        self._hash = ContentHash(first.schema)
        self.columns = hashlib.sha256(json.dumps(schema_text(first.schema)).encode()).hexdigest()[:12]

    def _write(self, arrow: pa.Table) -> None:
        assert self._writer is not None
        with explained(self._what, self._path):
            if arrow.num_rows:
                self._writer.write_table(arrow, row_group_size=BLOCK_ROWS)


def encodings_for(first: pl.DataFrame) -> tuple[list[str], dict[str, str]]:
    """Columns to encode with a dictionary, and the encoding of the others.

    Few distinct values: dictionary. Other integers: differences. Other floats: as they are.
    """
    sample = first.head(_SAMPLE_ROWS)
    dictionary, encodings = [], {}
    for name, kind in sample.schema.items():
        number = kind.is_integer() or kind.is_float() or kind.is_temporal()
        if not number:
            if not kind.is_nested() and kind != pl.Boolean:
                dictionary.append(name)
        elif sample[name].n_unique() <= _DICTIONARY_VALUES:
            dictionary.append(name)
        elif not kind.is_float():
            encodings[name] = "DELTA_BINARY_PACKED"
    return dictionary, encodings


class TableFile:
    """An open partition file.

    Args:
        handle: Its bytes.
        location: For errors.

    Raises:
        LakeError: It is no Parquet file, or of a newer version than this code can read.
    """

    def __init__(self, handle: BinaryIO, location: str) -> None:
        self._handle, self._location = handle, location
        try:
            self.file = pq.ParquetFile(handle, pre_buffer=True)
        except (pa.ArrowException, OSError) as error:
            raise self.damaged(error) from error
        self._metadata: dict[bytes, bytes] = self.file.metadata.metadata or {}
        self._must_be_readable()

    @property
    def manifest(self) -> Manifest:
        """The manifest in the footer.

        Raises:
            LakeError: There is none, or it is damaged.
        """
        if _MANIFEST not in self._metadata:
            raise LakeError(self._location, received="no manifest", expected="one in its metadata")
        try:
            return Manifest.from_json(self._metadata[_MANIFEST].decode())
        except (ValueError, KeyError, TypeError) as error:
            raise self.damaged(error) from error

    @property
    def hash_name(self) -> str:
        """Name of the way its content hash was computed; empty where none is stated."""
        return self._metadata.get(_HASH, b"").decode()

    @property
    def row_groups(self) -> list[int]:
        """Rows of each row group."""
        return [self.file.metadata.row_group(index).num_rows for index in range(self.file.metadata.num_row_groups)]

    @property
    def schema(self) -> pl.Schema:
        """Columns and types of the table."""
        return _frame(self.file.schema_arrow.empty_table()).schema

    def read(self, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """All rows.

        Raises:
            LakeError: The bytes are damaged, or a column is not there.
        """
        try:
            if isinstance(self._handle, (io.BufferedReader, io.BytesIO)):
                self._handle.seek(0)
                # Keys of the path are columns of the tables that need them.
                wanted = list(columns) if columns else None
                return pl.read_parquet(self._handle, columns=wanted, hive_partitioning=False)
            self._must_have(columns)
            return _frame(self.file.read(columns=list(columns) if columns else None))
        except (pl.exceptions.PolarsError, pa.ArrowException, OSError) as error:
            raise self.damaged(error) from error

    def frames(self) -> Iterator[pl.DataFrame]:
        """The rows, one row group a frame; at least one.

        Raises:
            LakeError: The bytes are damaged.
        """
        try:
            if not self.file.metadata.num_row_groups:
                yield _frame(self.file.schema_arrow.empty_table())
            for index in range(self.file.metadata.num_row_groups):
                table = self.file.read_row_group(index)
                self._must_fit_statistics(index, table)
                yield _frame(table)
        except (pl.exceptions.PolarsError, pa.ArrowException, OSError) as error:
            raise self.damaged(error) from error

    def damaged(self, error: object) -> LakeError:
        """The error of bytes that cannot be read."""
        return LakeError(self._location, received=str(error), remedy="Materialise the partition again.")

    def _must_be_readable(self) -> None:
        version = self._metadata.get(_VERSION, b"0").decode()
        if _major(version) > _major(SCHEMA_VERSION):
            raise LakeError(
                self._location,
                received=f"schema version {version}",
                expected=f"{_major(SCHEMA_VERSION)}.x or older",
                remedy="It was written by a newer version of this project: update the project.",
            )

    def _must_have(self, columns: Sequence[str] | None) -> None:
        missing = set(columns or ()) - set(self.file.schema_arrow.names)
        if missing:
            raise self.damaged(f"no column {sorted(missing)}")

    def _must_fit_statistics(self, index: int, table: pa.Table) -> None:
        """A reader skips row groups by their statistics: wrong ones would hide rows."""
        group = self.file.metadata.row_group(index)
        for position in range(group.num_columns):
            stored = group.column(position)
            name, found = stored.path_in_schema, stored.statistics
            if found is None or name not in table.column_names:
                continue
            column = table[name]
            if found.has_null_count and found.null_count != column.null_count:
                raise self.damaged(f"column {name}: {found.null_count} nulls stated, {column.null_count} there")
            if found.has_min_max and pa.types.is_integer(column.type):
                least, most = (value.as_py() for value in pc.min_max(column).values())
                if (found.min, found.max) != (least, most):
                    raise self.damaged(f"column {name}: range {found.min}..{found.max} stated, {least}..{most} there")


def _frame(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _major(version: str) -> int:
    head = version.split(".", 1)[0]
    return int(head) if head.isdigit() else 0
