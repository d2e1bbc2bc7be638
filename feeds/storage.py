"""Where bytes lie: a local folder or any fsspec URL, behind one small protocol.

Keys are relative paths with ``/``. A put is whole or not at all: locally a flushed temporary file is renamed, an object
store makes an object visible only when its upload is complete. A missing key is a `FileNotFoundError`, every other
failure a `LakeError` that says what to do.

Here: reading, putting, listing and deleting by key. Not here: what the keys mean (feeds/partitions.py).
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from feeds.atomic import explained, flush, temporary_beside, write_atomically
from feeds.errors import LakeError


@dataclass(frozen=True)
class Entry:
    """One stored file.

    Attributes:
        key: Where it lies.
        size: Bytes.
        modified_s: Unix time it was last written, seconds; infinite where the store does not tell.
    """

    key: str
    size: int
    modified_s: float


class Storage(Protocol):
    """Whole files by key."""

    def location(self, key: str) -> str:
        """Path or URL of a key, as DuckDB, polars and a reader understand it."""
        ...

    def open(self, key: str, whole: bool = True) -> BinaryIO:
        """A seekable handle on the bytes as they are now; ``whole``: all of them will be read."""
        ...

    def read_bytes(self, key: str) -> bytes:
        """All bytes."""
        ...

    def put_bytes(self, key: str, content: bytes) -> None:
        """Store small content, replacing what is there."""
        ...

    def put_file(self, key: str, staged: Path) -> None:
        """Store the file at ``staged`` (from `staging`), replacing what is there; the file is used up."""
        ...

    def staging(self, key: str) -> Path:
        """A new local name under which the file of ``key`` may be written before `put_file`."""
        ...

    def entries(self, prefix: str) -> list[Entry]:
        """Every file below the folder ``prefix``, by key; nothing where there is no such folder."""
        ...

    def folders(self, prefix: str) -> list[str]:
        """Names of the folders directly in ``prefix``, ascending."""
        ...

    def exists(self, key: str) -> bool:
        """Whether there is a file of this key."""
        ...

    def delete(self, key: str) -> bool:
        """Remove a file; True where there was one."""
        ...


class LocalStorage:
    """Files below a folder.

    Args:
        root: The folder; made when something is put.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def location(self, key: str) -> str:
        """See `Storage`."""
        return str(self.root / key)

    def open(self, key: str, whole: bool = True) -> BinaryIO:
        """See `Storage`; a file that is replaced meanwhile does not change under the handle."""
        with _reading(self.location(key)):
            return (self.root / key).open("rb")

    def read_bytes(self, key: str) -> bytes:
        """See `Storage`."""
        with _reading(self.location(key)):
            return (self.root / key).read_bytes()

    def put_bytes(self, key: str, content: bytes) -> None:
        """See `Storage`."""
        write_atomically(self.root / key, content)

    def put_file(self, key: str, staged: Path) -> None:
        """See `Storage`."""
        target = self.root / key
        with explained(f"putting {target.name} in place", target):
            target.parent.mkdir(parents=True, exist_ok=True)
            flush(staged)
            staged.replace(target)

    def staging(self, key: str) -> Path:
        """See `Storage`: beside the target, so that the rename stays on one file system."""
        return temporary_beside(self.root / key)

    def entries(self, prefix: str) -> list[Entry]:
        """See `Storage`."""
        found = []
        for folder, _, names in os.walk(self.root / prefix):
            for name in names:
                path = Path(folder) / name
                with suppress(FileNotFoundError):
                    state = path.stat()
                    found.append(Entry(path.relative_to(self.root).as_posix(), state.st_size, state.st_mtime))
        return sorted(found, key=lambda entry: entry.key)

    def folders(self, prefix: str) -> list[str]:
        """See `Storage`."""
        try:
            with os.scandir(self.root / prefix) as entries:
                return sorted(entry.name for entry in entries if entry.is_dir())
        except (FileNotFoundError, NotADirectoryError):
            return []

    def exists(self, key: str) -> bool:
        """See `Storage`."""
        return (self.root / key).is_file()

    def delete(self, key: str) -> bool:
        """See `Storage`."""
        path = self.root / key
        with explained(f"removing {path.name}", path):
            try:
                path.unlink()
            except FileNotFoundError:
                return False
        return True


class FsspecStorage:
    """Objects below an fsspec URL, e.g. ``s3://bucket/prefix``.

    Credentials and endpoint come from the environment or fsspec's own configuration, never from here.

    Args:
        url: The URL.
        staging_folder: Local folder for files on their way up.

    Raises:
        LakeError: The protocol is unknown or its package is not installed.
    """

    def __init__(self, url: str, staging_folder: Path) -> None:
        self.protocol, _, rest = url.partition("://")
        self._base = rest.strip("/")
        self._staging = staging_folder
        self.filesystem()

    def filesystem(self) -> Any:
        """The fsspec file system; one an own process and thread, for its connections do not survive a fork."""
        import fsspec

        try:
            # A cached listing would hide what other processes put.
            return fsspec.filesystem(self.protocol, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise LakeError(
                f"lake at {self.protocol}://{self._base}",
                received=str(error),
                expected="a protocol fsspec knows, with its package installed",
                remedy="For s3:// install the extra: pip install 'tick2trade[s3]'.",
            ) from error

    def location(self, key: str) -> str:
        """See `Storage`."""
        return f"{self.protocol}://{self._path(key)}"

    def open(self, key: str, whole: bool = True) -> BinaryIO:
        """See `Storage`; ranges are fetched as they are read unless ``whole``."""
        if whole:
            return io.BytesIO(self.read_bytes(key))
        with self._explained(key):
            return cast(BinaryIO, self.filesystem().open(self._path(key), "rb", cache_type="none"))

    def read_bytes(self, key: str) -> bytes:
        """See `Storage`."""
        with self._explained(key):
            return bytes(self.filesystem().cat_file(self._path(key)))

    def read_many(self, keys: list[str]) -> list[bytes | None]:
        """All bytes of several keys at once, None where one is missing."""
        if not keys:
            return []
        paths = [self._path(key) for key in keys]
        with self._explained(keys[0]):
            found = self.filesystem().cat(paths, on_error="return")
        contents = [found[path] if path in found else found[f"/{path}"] for path in paths]
        for content in contents:
            if isinstance(content, Exception) and not isinstance(content, FileNotFoundError):
                raise LakeError(self.location(keys[0]), received=content, remedy="Check the network.") from content
        return [content if isinstance(content, bytes) else None for content in contents]

    def put_bytes(self, key: str, content: bytes) -> None:
        """See `Storage`."""
        with self._explained(key):
            self.filesystem().pipe_file(self._path(key), content)

    def put_file(self, key: str, staged: Path) -> None:
        """See `Storage`."""
        with self._explained(key):
            self.filesystem().put_file(str(staged), self._path(key))
        staged.unlink(missing_ok=True)

    def staging(self, key: str) -> Path:
        """See `Storage`."""
        return temporary_beside(self._staging / key.rsplit("/", 1)[-1])

    def entries(self, prefix: str) -> list[Entry]:
        """See `Storage`."""
        with self._explained(prefix):
            try:
                found = self.filesystem().find(self._path(prefix), detail=True)
            except FileNotFoundError:
                return []
        entries = [Entry(self._key(path), int(info.get("size") or 0), _modified(info)) for path, info in found.items()]
        return sorted(entries, key=lambda entry: entry.key)

    def folders(self, prefix: str) -> list[str]:
        """See `Storage`."""
        with self._explained(prefix):
            try:
                found = self.filesystem().ls(self._path(prefix), detail=True)
            except FileNotFoundError:
                return []
        return sorted(info["name"].rstrip("/").rsplit("/", 1)[-1] for info in found if info["type"] == "directory")

    def exists(self, key: str) -> bool:
        """See `Storage`."""
        with self._explained(key):
            return bool(self.filesystem().isfile(self._path(key)))

    def delete(self, key: str) -> bool:
        """See `Storage`."""
        if not self.exists(key):
            return False
        with self._explained(key), suppress(FileNotFoundError):
            self.filesystem().rm_file(self._path(key))
        return True

    def _path(self, key: str) -> str:
        return f"{self._base}/{key}" if self._base else key

    def _key(self, path: str) -> str:
        plain = path.lstrip("/")
        return plain.removeprefix(f"{self._base}/") if self._base else plain

    @contextmanager
    def _explained(self, key: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, LakeError):
            raise
        except Exception as error:
            # Each backend has errors of its own; all of them mean that the store did not do what was asked.
            raise LakeError(
                self.location(key),
                received=f"{type(error).__name__}: {error}",
                expected="an object store that answers",
                remedy="Check T2T_LAKE, the network and the credentials in the environment.",
            ) from error


def storage_of(root: Path, url: str | None) -> LocalStorage | FsspecStorage:
    """Storage of a lake: ``root`` itself without a URL, the folder of a ``file://`` URL, else the object store."""
    if not url:
        return LocalStorage(root)
    protocol, found, rest = url.partition("://")
    if not found or protocol in ("file", "local"):
        return LocalStorage(Path(rest if found else url))
    return FsspecStorage(url, root / ".staging")


@contextmanager
def _reading(location: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise LakeError(
            location, received=error.strerror or str(error), expected="a readable file", remedy="Check its permissions."
        ) from error


def _modified(info: dict[str, Any]) -> float:
    for name in ("LastModified", "mtime", "last_modified", "updated", "created"):
        value = info.get(name)
        if value is not None:
            return float(value.timestamp() if hasattr(value, "timestamp") else value)
    return float("inf")
