"""Partitions in an object store, where a rename is a copy and half a copy can be seen.

Immutable objects ``part-<hash of the bytes>.parquet`` and beside them ``current.json``, which names the one that counts
and holds its manifest: one put of it replaces the partition. Objects no pointer names any more are litter.

Here: `PointedPartitions`. Not here: folders (feeds/partitions.py), bytes (feeds/storage.py).
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from feeds.atomic import sweep
from feeds.errors import LakeError
from feeds.manifest import Manifest, sha256_of_file
from feeds.partitions import FILE_NAME, FOLDER, Partition, Stored, name_of
from feeds.storage import Entry, FsspecStorage

POINTER = "current.json"
_OBJECT = re.compile(r"part-[0-9a-f]{24}\.parquet")


class PointedPartitions:
    """Immutable objects and one pointer a partition.

    Args:
        storage: An object store.
    """

    def __init__(self, storage: FsspecStorage) -> None:
        self.storage: FsspecStorage = storage

    def address(self, partition: Partition) -> str:
        """See `Partitions`."""
        return f"{partition.folder}/{POINTER}"

    def find(self, partition: Partition) -> Stored | None:
        """See `Partitions`.

        Raises:
            LakeError: The pointer is damaged.
        """
        address = self.address(partition)
        try:
            content = self.storage.read_bytes(address)
        except FileNotFoundError:
            return None
        return self._stored(partition, content)

    def exists(self, partition: Partition) -> bool:
        """See `Partitions`."""
        return self.storage.exists(self.address(partition))

    def staging(self, partition: Partition) -> Path:
        """See `Partitions`."""
        path = self.storage.staging(f"{partition.folder}/{FILE_NAME}")
        sweep(path.parent)
        return path

    def commit(self, partition: Partition, staged: Path, manifest: Manifest, columns: str) -> None:
        """See `Partitions`: first the object, then the pointer.

        The object is put again even where one of its name is there: its age then protects it from `litter`.
        """
        name, size = f"part-{sha256_of_file(staged)[:24]}.parquet", staged.stat().st_size
        self.storage.put_file(f"{partition.folder}/{name}", staged)
        pointer = {"object": name, "bytes": size, "columns": columns, "manifest": json.loads(manifest.to_json())}
        self.storage.put_bytes(self.address(partition), json.dumps(pointer, indent=1, sort_keys=True).encode())

    def delete(self, partition: Partition) -> bool:
        """See `Partitions`: the pointer goes at once, the object with the next `litter`."""
        return self.storage.delete(self.address(partition))

    def dates(self, table: str) -> list[str]:
        """See `Partitions`."""
        return sorted({partition.date for partition in self.all(table)})

    def symbols(self, table: str, date: str) -> list[str]:
        """See `Partitions`."""
        found = self._pointed(f"{FOLDER}/{table}/date={date}")
        return sorted(partition.symbol for partition in found if partition.symbol is not None)

    def tables(self) -> list[str]:
        """See `Partitions`."""
        return sorted({partition.table for partition in self.all()})

    def all(self, table: str | None = None) -> Iterator[Partition]:
        """See `Partitions`."""
        yield from self._pointed(f"{FOLDER}/{table}" if table else FOLDER)

    def sources(self, table: str) -> tuple[list[str], bool]:
        """See `Partitions`: the objects that count now, by name."""
        partitions = list(self.all(table))
        contents = self.storage.read_many([self.address(partition) for partition in partitions])
        found = [
            self._stored(p, content) for p, content in zip(partitions, contents, strict=True) if content is not None
        ]
        return [self.storage.location(item.key) for item in found], len({item.columns for item in found}) <= 1

    def litter(self, older_than_s: float) -> list[Entry]:
        """See `Partitions`: old objects no pointer names, where the pointer itself is old too."""
        limit = time.time() - older_than_s
        pointers: dict[str, Entry] = {}
        objects: list[Entry] = []
        for entry in self.storage.entries(FOLDER):
            if name_of(entry.key) == POINTER:
                pointers[_parent(entry.key)] = entry
            elif _OBJECT.fullmatch(name_of(entry.key)) and entry.modified_s < limit:
                objects.append(entry)
        # Whoever read a pointer just before it was replaced still wants the object it named.
        settled = [e for e in objects if (p := pointers.get(_parent(e.key))) is None or p.modified_s < limit]
        named = {folder: self._object_named(folder) for folder in {_parent(e.key) for e in settled} & set(pointers)}
        return [e for e in settled if named.get(_parent(e.key)) != name_of(e.key)]

    def _pointed(self, prefix: str) -> list[Partition]:
        keys = [entry.key for entry in self.storage.entries(prefix) if name_of(entry.key) == POINTER]
        return sorted(
            (p for p in map(Partition.of_key, keys) if p is not None), key=lambda p: (p.table, p.date, p.symbol or "")
        )

    def _object_named(self, folder: str) -> str | None:
        partition = Partition.of_key(f"{folder}/{POINTER}")
        found = self.find(partition) if partition else None
        return name_of(found.key) if found else None

    def _stored(self, partition: Partition, content: bytes) -> Stored:
        try:
            tree: Mapping[str, Any] = json.loads(content)
            manifest = Manifest.from_json(json.dumps(tree["manifest"]))
            key = f"{partition.folder}/{tree['object']}"
            return Stored(partition, key, int(tree["bytes"]), key, manifest, str(tree["columns"]))
        except (ValueError, KeyError, TypeError) as error:
            raise LakeError(
                self.storage.location(self.address(partition)),
                received=f"{type(error).__name__}: {error}",
                expected="a pointer as JSON",
                remedy="Materialise the partition again.",
            ) from error


def _parent(key: str) -> str:
    return key.rsplit("/", 1)[0]
