"""The lake: zstd Parquet below ``lake/<table>/date=/symbol=/part.parquet``, replaced whole and atomically.

A partition's file carries its own manifest in the Parquet metadata, so that a killed step leaves the old partition
with the old lineage or the new one with the new lineage, never a mixture.

Here: reading and writing partitions. Not here: what the tables mean (feeds/schema.py), the DuckDB views
(feeds/warehouse.py).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from feeds.errors import LakeError
from feeds.manifest import Manifest, ManifestStore, code_version

_KEY = b"t2t"
_ROW_GROUP = 262_144


class Lake:
    """Tables of one study.

    Args:
        root: The study's root; the lake is ``root/lake``, manifests ``root/manifests``.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self.manifests = ManifestStore(self.root / "manifests")

    def path(self, table: str, date: str, symbol: str | None = None) -> Path:
        """File of one partition."""
        folder = self.root / "lake" / table / f"date={date}"
        if symbol is not None:
            folder = folder / f"symbol={symbol}"
        return folder / "part.parquet"

    def write(
        self,
        table: str,
        frame: pl.DataFrame,
        date: str,
        symbol: str | None = None,
        *,
        parents: Sequence[str] = (),
        params: Mapping[str, Any] | None = None,
        seed: int | None = None,
    ) -> Manifest:
        """Replace one partition and return its manifest.

        The same frame, parents and parameters give the same bytes and the same id.
        """
        target = self.path(table, date, symbol)
        arrow = frame.to_arrow().combine_chunks()
        partition = {"date": date} | ({"symbol": symbol} if symbol else {})
        manifest = Manifest(
            kind="table",
            name=table,
            partition=partition,
            path=str(target.relative_to(self.root)),
            sha256=_content_hash(arrow),
            rows=frame.height,
            parents=tuple(parents),
            code_version=code_version(),
            seed=seed,
            params=dict(params or {}),
        )
        arrow = arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), _KEY: manifest.to_json().encode()})
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".part.{os.getpid()}.tmp")
        try:
            pq.write_table(arrow, temporary, compression="zstd", row_group_size=_ROW_GROUP)
            with temporary.open("rb") as handle:
                os.fsync(handle.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        self.manifests.put(manifest)
        return manifest

    def exists(self, table: str, date: str, symbol: str | None = None) -> bool:
        """Whether the partition is there."""
        return self.path(table, date, symbol).is_file()

    def read(
        self, table: str, date: str, symbol: str | None = None, columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Read one partition.

        Raises:
            LakeError: It is not there or not readable.
        """
        path = self._present(table, date, symbol)
        try:
            # memory_map and hive_partitioning off: a replaced file must not change under a reader,
            # and key columns are part of the tables that need them.
            return pl.read_parquet(path, columns=list(columns) if columns else None, hive_partitioning=False)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise LakeError(str(path), received=str(error), remedy="Materialise the partition again.") from error

    def manifest(self, table: str, date: str, symbol: str | None = None) -> Manifest:
        """The manifest inside a partition's file."""
        metadata = pq.read_schema(self._present(table, date, symbol)).metadata or {}
        if _KEY not in metadata:
            raise LakeError(str(self.path(table, date, symbol)), received="no manifest", expected="one in its metadata")
        return Manifest.from_json(metadata[_KEY].decode())

    def dates(self, table: str) -> list[str]:
        """Dates with at least one partition, ascending."""
        found = (self.root / "lake" / table).glob("date=*")
        return sorted(p.name.removeprefix("date=") for p in found if next(p.rglob("part.parquet"), None))

    def symbols(self, table: str, date: str) -> list[str]:
        """Instruments with a partition on ``date``, ascending."""
        found = (self.root / "lake" / table / f"date={date}").glob("symbol=*/part.parquet")
        return sorted(p.parent.name.removeprefix("symbol=") for p in found)

    def read_dates(self, table: str, dates: Iterable[str]) -> pl.DataFrame:
        """Read and stack the by-date partitions of ``table`` that exist among ``dates``."""
        frames = [self.read(table, date) for date in dates if self.exists(table, date)]
        return pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame()

    def delete(self, table: str, date: str, symbol: str | None = None) -> bool:
        """Remove one partition; True where there was one."""
        path = self.path(table, date, symbol)
        existed = path.is_file()
        path.unlink(missing_ok=True)
        return existed

    def _present(self, table: str, date: str, symbol: str | None) -> Path:
        path = self.path(table, date, symbol)
        if not path.is_file():
            where = f"date={date}" + (f" symbol={symbol}" if symbol else "")
            raise LakeError(
                f"table {table}",
                received=f"no partition {where}",
                remedy=f"Materialise {table} for it first.",
            )
        return path


def _content_hash(table: pa.Table) -> str:
    digest = hashlib.sha256(json.dumps([(f.name, str(f.type)) for f in table.schema]).encode())
    sink = _HashSink(digest)
    with pa.ipc.new_stream(pa.PythonFile(sink, mode="w"), table.schema.remove_metadata()) as writer:
        writer.write_table(table.replace_schema_metadata(None))
    return digest.hexdigest()


class _HashSink:
    """A write-only file that keeps only the hash of what it is given."""

    def __init__(self, digest: Any) -> None:
        self._digest = digest
        self.closed = False

    def write(self, data: Any) -> int:
        self._digest.update(data)
        return len(data)

    def flush(self) -> None:
        return

    def close(self) -> None:
        self.closed = True
