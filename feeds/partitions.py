"""Where the file of a partition lies and how it is replaced: one scheme for folders, one for object stores.

In a folder it is ``lake/<table>/date=/symbol=/part.parquet``, replaced by a rename; in an object store
(feeds/pointed_partitions.py) an immutable object and a pointer. Either way a reader finds the old partition or the new
one, whole.

Here: `Partition`, the protocol `Partitions`, `RenamedPartitions`. Not here: bytes (feeds/storage.py), the inside of a
file (feeds/table_file.py).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from feeds.atomic import is_temporary, sweep
from feeds.errors import LakeError
from feeds.manifest import Manifest
from feeds.storage import Entry, LocalStorage, Storage

FOLDER = "lake"
FILE_NAME = "part.parquet"
_TABLE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_KEY = re.compile(r"[A-Za-z0-9_*][A-Za-z0-9_.*-]*")


@dataclass(frozen=True, order=True)
class Partition:
    """Address of one partition.

    Attributes:
        table: Name of the table.
        date: Key ``date``.
        symbol: Key ``symbol``, an instrument id; None for a table by date.

    Raises:
        LakeError: A part is no plain name, so that its path would be another folder or no valid key.
    """

    table: str
    date: str
    symbol: str | None = None

    def __post_init__(self) -> None:
        for what, text, pattern in (
            ("table", self.table, _TABLE),
            ("date", self.date, _KEY),
            ("symbol", self.symbol, _KEY),
        ):
            if text is not None and not pattern.fullmatch(text):
                raise LakeError(
                    f"{what} of a partition",
                    received=repr(text),
                    expected="letters, digits, '_', '.', '-'; nothing that means a folder",
                )

    @property
    def keys(self) -> dict[str, str]:
        """``{"date": ..., "symbol": ...}``, the latter where there is one."""
        return {"date": self.date} | ({"symbol": self.symbol} if self.symbol is not None else {})

    @property
    def folder(self) -> str:
        """Key of its folder."""
        return "/".join([FOLDER, self.table, *(f"{name}={value}" for name, value in self.keys.items())])

    def __str__(self) -> str:
        return " ".join([self.table, *(f"{name}={value}" for name, value in self.keys.items())])

    @staticmethod
    def of_key(key: str) -> Partition | None:
        """The partition a file belongs to by its key, None where it is none's."""
        parts = key.split("/")[:-1]
        if len(parts) not in (3, 4) or parts[0] != FOLDER:
            return None
        names = dict(part.split("=", 1) for part in parts[2:] if "=" in part)
        if list(names) not in (["date"], ["date", "symbol"]) or len(names) != len(parts) - 2:
            return None
        try:
            return Partition(parts[1], names["date"], names.get("symbol"))
        except LakeError:
            return None


@dataclass(frozen=True)
class Stored:
    """The file of a partition as it is now.

    Attributes:
        partition: Its address.
        key: Key of the Parquet file.
        size: Bytes.
        version: Another text once the partition was replaced.
        manifest: From the pointer where there is one; None: only the file has it.
        columns: Equal for partitions of equal columns and types; empty where only the file knows.
    """

    partition: Partition
    key: str
    size: int
    version: str
    manifest: Manifest | None = None
    columns: str = ""


class Partitions(Protocol):
    """How partitions lie in a storage."""

    @property
    def storage(self) -> Storage:
        """Where their bytes lie."""
        ...

    def address(self, partition: Partition) -> str:
        """The key that stands for the partition for good, whatever file it has now."""
        ...

    def find(self, partition: Partition) -> Stored | None:
        """Its file now, None where there is none."""
        ...

    def exists(self, partition: Partition) -> bool:
        """Whether it is there."""
        ...

    def staging(self, partition: Partition) -> Path:
        """A new local name to write its next file under."""
        ...

    def commit(self, partition: Partition, staged: Path, manifest: Manifest, columns: str) -> None:
        """Make the file at ``staged`` the partition's."""
        ...

    def delete(self, partition: Partition) -> bool:
        """Remove it; True where it was there."""
        ...

    def dates(self, table: str) -> list[str]:
        """Dates with a partition, ascending."""
        ...

    def symbols(self, table: str, date: str) -> list[str]:
        """Symbols with a partition on a date, ascending."""
        ...

    def tables(self) -> list[str]:
        """Tables with a partition, ascending."""
        ...

    def all(self, table: str | None = None) -> Iterator[Partition]:
        """Every partition, of one table or of all."""
        ...

    def sources(self, table: str) -> tuple[list[str], bool]:
        """Paths DuckDB reads a table from, and whether all are known to have the same columns."""
        ...

    def litter(self, older_than_s: float) -> list[Entry]:
        """Files no reader will ask for any more: of killed writers and of partitions since replaced."""
        ...


class RenamedPartitions:
    """One file a partition, replaced by a rename.

    Args:
        storage: A folder.
    """

    def __init__(self, storage: LocalStorage) -> None:
        self.storage: LocalStorage = storage

    def address(self, partition: Partition) -> str:
        """See `Partitions`."""
        return f"{partition.folder}/{FILE_NAME}"

    def find(self, partition: Partition) -> Stored | None:
        """See `Partitions`."""
        key = self.address(partition)
        try:
            state = (self.storage.root / key).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Stored(partition, key, state.st_size, f"{state.st_ino} {state.st_mtime_ns} {state.st_size}")

    def exists(self, partition: Partition) -> bool:
        """See `Partitions`."""
        return self.storage.exists(self.address(partition))

    def staging(self, partition: Partition) -> Path:
        """See `Partitions`; what killed writers of this partition left long ago goes."""
        path = self.storage.staging(self.address(partition))
        sweep(path.parent)
        return path

    def commit(self, partition: Partition, staged: Path, manifest: Manifest, columns: str) -> None:
        """See `Partitions`."""
        self.storage.put_file(self.address(partition), staged)

    def delete(self, partition: Partition) -> bool:
        """See `Partitions`."""
        return self.storage.delete(self.address(partition))

    def dates(self, table: str) -> list[str]:
        """See `Partitions`."""
        found = _values(self.storage, f"{FOLDER}/{table}", "date")
        return [date for date in found if self._is_date_there(table, date)]

    def symbols(self, table: str, date: str) -> list[str]:
        """See `Partitions`."""
        found = _values(self.storage, f"{FOLDER}/{table}/date={date}", "symbol")
        return [symbol for symbol in found if self.exists(Partition(table, date, symbol))]

    def tables(self) -> list[str]:
        """See `Partitions`."""
        return [
            table for table in self.storage.folders(FOLDER) if _TABLE.fullmatch(table) and self._is_table_there(table)
        ]

    def all(self, table: str | None = None) -> Iterator[Partition]:
        """See `Partitions`."""
        for name in [table] if table else self.tables():
            for date in _values(self.storage, f"{FOLDER}/{name}", "date"):
                if self.exists(Partition(name, date)):
                    yield Partition(name, date)
                yield from (Partition(name, date, symbol) for symbol in self.symbols(name, date))

    def sources(self, table: str) -> tuple[list[str], bool]:
        """See `Partitions`: a pattern, so that later partitions are found without publishing again."""
        return [self.storage.location(f"{FOLDER}/{table}/**/{FILE_NAME}")], False

    def litter(self, older_than_s: float) -> list[Entry]:
        """See `Partitions`."""
        limit = time.time() - older_than_s
        return [e for e in self.storage.entries(FOLDER) if is_temporary(name_of(e.key)) and e.modified_s < limit]

    def _is_date_there(self, table: str, date: str) -> bool:
        if self.exists(Partition(table, date)):
            return True
        folder = f"{FOLDER}/{table}/date={date}"
        return any(self.exists(Partition(table, date, symbol)) for symbol in _values(self.storage, folder, "symbol"))

    def _is_table_there(self, table: str) -> bool:
        return any(self._is_date_there(table, date) for date in _values(self.storage, f"{FOLDER}/{table}", "date"))


def _values(storage: Storage, prefix: str, key: str) -> list[str]:
    """Values of the partition key ``key`` among the folders in ``prefix``, ascending."""
    names = (name.partition("=") for name in storage.folders(prefix))
    return [value for name, _, value in names if name == key and _KEY.fullmatch(value)]


def name_of(key: str) -> str:
    """File name of a key."""
    return key.rsplit("/", 1)[-1]
