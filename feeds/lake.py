"""The lake: zstd Parquet by table, date and symbol; a partition is replaced whole and atomically.

A partition's file carries its own manifest in the Parquet metadata, so that a killed step leaves the old partition
with the old lineage or the new one with the new lineage, never a mixture.

Here: reading and writing partitions. Not here: what the tables mean (feeds/schema.py), where files lie
(feeds/partitions.py), checking and tidying (feeds/lake_care.py), the DuckDB views (feeds/warehouse.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from feeds.atomic import discard
from feeds.errors import LakeError
from feeds.manifest import Manifest, ManifestStore, code_version
from feeds.partitions import Partition, Partitions, RenamedPartitions
from feeds.pointed_partitions import PointedPartitions
from feeds.storage import LocalStorage, storage_of
from feeds.table_file import TableFile, TableFileWriter

#: Known before the rows, or asked for once all of them are written (rows rejected, say).
Params = Mapping[str, Any] | Callable[[], Mapping[str, Any]]
#: A pointer read just before its partition was replaced may name an object that is gone: ask again.
_TRIES = 3


class Lake:
    """Tables of one study.

    Args:
        root: The study's root; the lake is ``root/lake``, manifests ``root/manifests``.
        url: Any fsspec URL, e.g. ``s3://bucket/prefix/study``: tables and their manifests lie there instead.

    Raises:
        LakeError: Nothing can open the URL's protocol.
    """

    def __init__(self, root: Path | str, url: str | None = None) -> None:
        self.root = Path(root)
        self.url = url
        storage = storage_of(self.root, url)
        self.partitions: Partitions
        if isinstance(storage, LocalStorage):
            self.partitions = RenamedPartitions(storage)
        else:
            self.partitions = PointedPartitions(storage)
        self.manifests = ManifestStore(self.root / "manifests", mirror=storage if url else None)

    def path(self, table: str, date: str, symbol: str | None = None) -> Path:
        """File of one partition of a lake in a folder.

        Raises:
            LakeError: The lake is no folder.
        """
        storage = self.partitions.storage
        if not isinstance(storage, LocalStorage):
            raise LakeError(f"lake at {self.url}", received="a question for a path", expected="a lake in a folder")
        return storage.root / self.partitions.address(Partition(table, date, symbol))

    def write(
        self,
        table: str,
        frame: pl.DataFrame,
        date: str,
        symbol: str | None = None,
        *,
        parents: Sequence[str] = (),
        params: Params | None = None,
        seed: int | None = None,
    ) -> Manifest:
        """Replace one partition and return its manifest; `write_stream` of one frame."""
        return self.write_stream(table, [frame], date, symbol, parents=parents, params=params, seed=seed)

    def write_stream(
        self,
        table: str,
        frames: Iterable[pl.DataFrame],
        date: str,
        symbol: str | None = None,
        *,
        parents: Sequence[str] = (),
        params: Params | None = None,
        seed: int | None = None,
    ) -> Manifest:
        """Replace one partition by stacked ``frames`` and return its manifest.

        The same rows, parents and parameters give the same bytes and the same id, however the rows are cut into
        frames; memory is that of one frame and one row group. Until the last row is on disk the old partition stays.

        Args:
            table: Name of the table.
            frames: At least one, which may be empty; all of the same columns and types.
            date: Key ``date``.
            symbol: Key ``symbol``.
            parents: Manifest ids of what it is made from.
            params: Settings that went in; where they are known only at the end, a function called then.
            seed: Seed of the run.

        Raises:
            LakeError: The disk is full, the folder not writable, the store does not answer, or there is no frame.
            SchemaError: Frames differ in columns or types.
        """
        partition = Partition(table, date, symbol)
        what = f"writing table {partition}"
        staged = self.partitions.staging(partition)
        writer = TableFileWriter(staged, what)
        try:
            sha256 = writer.write(frames)
            manifest = Manifest(
                kind="table",
                name=table,
                partition=partition.keys,
                path=self.partitions.address(partition),
                sha256=sha256,
                rows=writer.rows,
                parents=tuple(parents),
                code_version=code_version(),
                seed=seed,
                params=dict((params() if callable(params) else params) or {}),
            )
            writer.close(manifest)
            # Before the partition: one whose manifest cannot be found would be a gap in the chain.
            self.manifests.put(manifest)
            self.partitions.commit(partition, staged, manifest, writer.columns)
        finally:
            writer.abort()
            discard(staged)
        return manifest

    def exists(self, table: str, date: str, symbol: str | None = None) -> bool:
        """Whether the partition is there."""
        return self.partitions.exists(Partition(table, date, symbol))

    def read(
        self, table: str, date: str, symbol: str | None = None, columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Read one partition.

        Raises:
            LakeError: It is not there, not readable, or of a newer version than this code can read.
        """
        with self.opened(Partition(table, date, symbol), whole=columns is None) as file:
            return file.read(columns)

    def manifest(self, table: str, date: str, symbol: str | None = None) -> Manifest:
        """The manifest of a partition, as its file or its pointer carries it.

        Raises:
            LakeError: The partition is not there, or carries none.
        """
        partition = Partition(table, date, symbol)
        stored = self.partitions.find(partition)
        if stored is not None and stored.manifest is not None:
            return stored.manifest
        with self.opened(partition, whole=False) as file:
            return file.manifest

    @contextmanager
    def opened(self, partition: Partition, whole: bool = True) -> Iterator[TableFile]:
        """The file of a partition as it is now; a replacement meanwhile does not change it.

        Args:
            partition: Its address.
            whole: Whether all of it will be read.

        Raises:
            LakeError: It is not there or not readable.
        """
        storage = self.partitions.storage
        for _ in range(_TRIES):
            stored = self.partitions.find(partition)
            if stored is None:
                raise _missing(partition)
            location = storage.location(stored.key)
            try:
                handle = storage.open(stored.key, whole)
            except FileNotFoundError:
                continue
            with handle:
                yield TableFile(handle, location)
            return
        raise LakeError(
            location, received="nothing", expected=f"the file of {partition}", remedy="Materialise the partition again."
        )

    def tables(self) -> list[str]:
        """Tables with at least one partition, ascending."""
        return self.partitions.tables()

    def dates(self, table: str) -> list[str]:
        """Dates with at least one partition, ascending."""
        return self.partitions.dates(table)

    def symbols(self, table: str, date: str) -> list[str]:
        """Instruments with a partition on ``date``, ascending."""
        return self.partitions.symbols(table, date)

    def read_dates(self, table: str, dates: Iterable[str]) -> pl.DataFrame:
        """Read and stack the by-date partitions of ``table`` that exist among ``dates``."""
        frames = [self.read(table, date) for date in dates if self.exists(table, date)]
        return pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame()

    def delete(self, table: str, date: str, symbol: str | None = None) -> bool:
        """Remove one partition; True where there was one."""
        return self.partitions.delete(Partition(table, date, symbol))


def _missing(partition: Partition) -> LakeError:
    where = " ".join(f"{name}={value}" for name, value in partition.keys.items())
    return LakeError(
        f"table {partition.table}",
        received=f"no partition {where}",
        remedy=f"Materialise {partition.table} for it first.",
    )
