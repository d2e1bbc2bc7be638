"""Looking after a lake: what it holds, whether it is still what was written, and tidying it.

Here: `summarise`, `verify`, `compact`. Not here: printing (pipelines/lake.py), reading and writing (feeds/lake.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import polars as pl

from feeds.atomic import STALE_AFTER_S, discard, sweep
from feeds.content_hash import BLOCK_ROWS, HASH_NAME, hash_of
from feeds.errors import LakeError
from feeds.lake import Lake
from feeds.manifest import Manifest
from feeds.partitions import Partition
from feeds.schema import TABLES
from feeds.storage import LocalStorage
from feeds.table_file import TableFile, TableFileWriter

#: Objects replaced less than this ago may still be read by somebody.
GRACE_S = 86_400.0
#: Called with ``(done, total, what)`` before each partition.
Listener = Callable[[int, int, str], None]


@dataclass(frozen=True)
class PartitionSummary:
    """One partition.

    Attributes:
        partition: Its address.
        rows: Rows by its manifest.
        size: Bytes of its file.
        manifest_id: Id of its manifest.
        faults: What was wrong with the rows its book was built from, where it was counted
            (`feeds.cleaning.faults.ReplayFaults`).
    """

    partition: Partition
    rows: int
    size: int
    manifest_id: str
    faults: int | None = None


@dataclass(frozen=True)
class Finding:
    """Something wrong with a partition.

    Attributes:
        partition: Its address.
        problem: In words, with what to do.
    """

    partition: Partition
    problem: str


@dataclass(frozen=True)
class Compaction:
    """What `compact` did.

    Attributes:
        bytes_before: Bytes of the lake's folder, litter included.
        bytes_after: The same afterwards.
        rewritten: Partitions with a new file of the same rows.
        removed_files: Files nobody asks for any more.
        left_alone: Partitions that could not be rewritten, with the reason.
    """

    bytes_before: int
    bytes_after: int
    rewritten: tuple[Partition, ...]
    removed_files: int
    left_alone: tuple[Finding, ...]


def summarise(lake: Lake, table: str | None = None) -> Iterator[PartitionSummary]:
    """Every partition of a table, or of all, in order."""
    for partition in list(lake.partitions.all(table)):
        stored = lake.partitions.find(partition)
        if stored is not None:
            manifest = stored.manifest or lake.manifest(partition.table, partition.date, partition.symbol)
            faults = manifest.params.get("figures", {}).get("faults")
            found = None if faults is None else sum(faults.values())
            yield PartitionSummary(partition, manifest.rows, stored.size, manifest.id, found)


def verify(lake: Lake, table: str | None = None, listen: Listener | None = None) -> list[Finding]:
    """Read everything and compare it with its manifest.

    A partition is in order when its file can be read whole, its columns are those of its table, its rows have the
    content hash of its manifest, the manifest speaks of this partition and is in the store, and so are its parents.

    Args:
        lake: The lake.
        table: Only this table.
        listen: Told of progress.

    Returns:
        What is wrong; empty where nothing is.
    """
    partitions = list(lake.partitions.all(table))
    findings = []
    for done, partition in enumerate(partitions):
        if listen:
            listen(done, len(partitions), str(partition))
        try:
            findings += [Finding(partition, problem) for problem in _problems(lake, partition)]
        except LakeError as error:
            findings.append(Finding(partition, str(error)))
    return findings


def compact(
    lake: Lake, table: str | None = None, grace_s: float = GRACE_S, listen: Listener | None = None
) -> Compaction:
    """Rewrite files with other row groups than are written today, then remove what nobody asks for any more.

    Rows, content hash, manifest and id stay. A partition replaced meanwhile is left alone.

    Args:
        lake: The lake.
        table: Only this table's files are rewritten; litter is removed everywhere.
        grace_s: Age of objects that may be removed, seconds.
        listen: Told of progress.
    """
    before = _bytes_of(lake)
    partitions = list(lake.partitions.all(table))
    rewritten, left_alone = [], []
    for done, partition in enumerate(partitions):
        if listen:
            listen(done, len(partitions), str(partition))
        try:
            if _rewrite(lake, partition):
                rewritten.append(partition)
        except LakeError as error:
            left_alone.append(Finding(partition, str(error)))
    is_folder = isinstance(lake.partitions.storage, LocalStorage)
    litter = lake.partitions.litter(STALE_AFTER_S if is_folder else grace_s)
    removed = sum(lake.partitions.storage.delete(entry.key) for entry in litter)
    for folder in (lake.root, lake.root / "manifests", lake.root / ".staging"):
        removed += sweep(folder)
    return Compaction(before, _bytes_of(lake), tuple(rewritten), removed, tuple(left_alone))


def _problems(lake: Lake, partition: Partition) -> Iterator[str]:
    stored = lake.partitions.find(partition)
    with lake.opened(partition) as file:
        manifest = file.manifest
        if stored is not None and stored.manifest is not None and stored.manifest.id != manifest.id:
            yield f"its pointer says {stored.manifest.id}, its file {manifest.id}: materialise it again"
        if dict(manifest.partition) != partition.keys or manifest.name != partition.table:
            where = " ".join([manifest.name, *manifest.partition.values()])
            yield f"its file belongs to {where}: materialise both again"
        yield from _content_problems(file, manifest, partition)
    if not lake.manifests.exists(manifest.id):
        yield f"its manifest {manifest.id} is not in the store: materialise it again"
    elif _id_in_store(lake, manifest.id) != manifest.id:
        yield f"its manifest {manifest.id} was changed in the store: materialise it again"
    for parent in manifest.parents:
        if not lake.manifests.exists(parent):
            yield f"the manifest of its parent {parent} is gone: materialise the parent again"


def _id_in_store(lake: Lake, manifest_id: str) -> str | None:
    """The id of what the store holds under ``manifest_id``; None where it is no manifest."""
    try:
        return lake.manifests.get(manifest_id).id
    except (ValueError, KeyError, TypeError):
        return None


def _content_problems(file: TableFile, manifest: Manifest, partition: Partition) -> Iterator[str]:
    schema = file.schema
    wanted = TABLES.get(partition.table)
    if wanted is not None and dict(schema) != {name: _instance(kind) for name, kind in wanted.items()}:
        differing = sorted(set(schema.items()) ^ set(pl.Schema(wanted).items()), key=str)
        yield f"its columns are not those of {partition.table} (differing: {differing}): materialise it again"
    if file.hash_name != HASH_NAME:
        yield "its content hash is of an older kind and cannot be recomputed: materialise it again"
        for _ in file.frames():
            pass
        return
    if (rows := sum(file.row_groups)) != manifest.rows:
        yield f"it holds {rows} rows, its manifest says {manifest.rows}: materialise it again"
    if (found := hash_of(file.frames())) != manifest.sha256:
        yield f"content hash {found[:12]}, its manifest says {manifest.sha256[:12]}: materialise it again"


def _rewrite(lake: Lake, partition: Partition) -> bool:
    """Write the same rows into a file of the usual row groups; False where it has them."""
    before = lake.partitions.find(partition)
    with lake.opened(partition) as file:
        manifest = file.manifest
        groups = file.row_groups
        if all(rows == BLOCK_ROWS for rows in groups[:-1]) and all(0 < rows <= BLOCK_ROWS for rows in groups[-1:]):
            return False
        staged = lake.partitions.staging(partition)
        writer = TableFileWriter(staged, f"compacting table {partition}")
        try:
            found = writer.write(file.frames())
            if file.hash_name != HASH_NAME or found != manifest.sha256:
                raise LakeError(
                    str(partition),
                    received="rows whose content hash is not that of the manifest",
                    remedy="`t2t lake verify` says more; materialise it again.",
                )
            writer.close(manifest)
            now = lake.partitions.find(partition)
            if before is None or now is None or now.version != before.version:
                return False
            lake.partitions.commit(partition, staged, manifest, writer.columns)
        finally:
            writer.abort()
            discard(staged)
    return True


def _bytes_of(lake: Lake) -> int:
    return sum(entry.size for entry in lake.partitions.storage.entries("lake"))


def _instance(kind: pl.DataType | type[pl.DataType]) -> pl.DataType:
    return kind() if isinstance(kind, type) else kind
