"""One file over HTTP: resumed where it stopped, verified, put in its place when whole.

A download grows in ``.<name>.part``; a ``.<name>.part.json`` beside it says of which version of the file it is (entity
tag or modification time, RFC 9110 section 8.8). It goes on with ``Range`` and ``If-Range`` (sections 14.2 and 13.1.5),
so that a file that changed in between starts anew. Whatever a server answers, a file is in its place only when its
length and checksum are right.

Here: one file. Not here: requests and retries (http_requests.py), which files there are (binance_public.py).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal

from feeds.download.http_requests import (
    AttemptError,
    Pace,
    RangeError,
    is_page,
    no_room,
    opened,
    tried,
)
from feeds.errors import T2TError

State = Literal["downloaded", "present", "not_published", "failed"]
#: Called with the bytes of the file that are here, and its length (0: unknown).
BytesDone = Callable[[int, int], None]
Expected = Callable[[bool], str | None]
_CHUNK_BYTES = 1 << 18
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


def fetch_file(url: str, target: Path, expected: Expected, pace: Pace, bytes_done: BytesDone | None = None) -> None:
    """Download ``url`` to ``target``, which exists only when it is whole and right.

    Args:
        url: Of the file.
        target: Where to; its folder is made.
        expected: Gives the SHA-256 the file must have, None where nobody states one; called with True where it may
            have changed since.
        pace: Shared by all downloads of the server.
        bytes_done: Called now and then.

    Raises:
        NotPublishedError: There is no such file.
        T2TError: It could not be had whole and right.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = _Part(target)
    with part.locked():
        tried(url, lambda: _attempt(url, part, expected, pace, bytes_done), pace, part.size)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file so that it is there whole or not at all."""
    temporary = path.with_name(f".{path.name.lstrip('.')}.{os.getpid()}.tmp")
    with temporary.open("wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(path)
    _sync_folder(path.parent)


class _Part:
    """The growing file and what version it is of."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f".{target.name}.part")
        self._about = target.with_name(f".{target.name}.part.json")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time."""
        lock = self.target.with_name(f".{self.target.name}.lock")
        with lock.open("wb") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise self._under_way() from error
            # Locked may be one that its owner has just removed.
            if not lock.exists() or lock.stat().st_ino != os.fstat(handle.fileno()).st_ino:
                raise self._under_way()
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)

    def _under_way(self) -> T2TError:
        return T2TError(f"download to {self.target.name}", received="another download of the same file under way")

    def size(self) -> int:
        """Bytes here."""
        return self.path.stat().st_size if self.path.exists() else 0

    def version(self) -> str | None:
        """What the bytes here are of; None where nothing can be continued."""
        if not self.size():
            return None
        try:
            about = json.loads(self._about.read_text())
        except (OSError, ValueError):
            return None
        return about.get("version") if isinstance(about, dict) else None

    def begin(self, version: str | None) -> None:
        """Start anew with that version."""
        self.discard()
        write_whole(self._about, json.dumps({"version": version}).encode())

    def discard(self) -> None:
        """Forget what is here."""
        self.path.unlink(missing_ok=True)
        self._about.unlink(missing_ok=True)

    def put_in_place(self) -> None:
        """The file is whole: give it its name."""
        with self.path.open("rb") as handle:
            os.fsync(handle.fileno())
        self.path.replace(self.target)
        _sync_folder(self.target.parent)
        self._about.unlink(missing_ok=True)


def _attempt(url: str, part: _Part, expected: Expected, pace: Pace, bytes_done: BytesDone | None) -> None:
    version = part.version()
    if version is None:
        part.discard()
    start = part.size()
    headers = {"Range": f"bytes={start}-", "If-Range": version} if version and start else {}
    try:
        with opened(url, headers, pace) as response:
            if is_page(response):
                raise AttemptError("a page of text/html instead of the file")
            total = _begin(response, part, start if headers else 0, version)
            with part.path.open("ab") as handle:
                _copy(response, handle, total, pace, bytes_done)
    except RangeError:
        # Either all of it is here, which its checksum tells, or it is of another version.
        if expected(False) is None:
            part.discard()
            raise
        total = start
    if total and part.size() != total:
        raise AttemptError(f"{part.size()} of {total} bytes")
    _verify(part, expected)
    part.put_in_place()


def _verify(part: _Part, expected: Expected) -> None:
    wanted = expected(False)
    if wanted is None or (found := sha256_of(part.path)) == wanted or found == expected(True):
        return
    part.discard()
    raise AttemptError(f"a file with SHA-256 {found[:16]}... instead of {wanted[:16]}...")


def _begin(response: Any, part: _Part, start: int, version: str | None) -> int:
    """Make the part ready for the body; the length of the whole file, 0 where the server states none."""
    length = response.headers.get("Content-Length")
    stated = _version_of(response)
    if response.status == 206:
        match = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if match is None or int(match[1]) != start or (stated is not None and stated != version):
            part.discard()
            raise AttemptError(f"the range {response.headers.get('Content-Range')!r} instead of one from {start}")
        return int(match[3])
    if response.status != 200:
        raise AttemptError(f"status {response.status}")
    part.begin(stated)
    return int(length) if length else 0


def _version_of(response: Any) -> str | None:
    """What If-Range may name: a strong entity tag, else the modification time."""
    tag = response.headers.get("ETag")
    if tag and not tag.startswith("W/"):
        return str(tag)
    modified = response.headers.get("Last-Modified")
    return str(modified) if modified else None


def _copy(response: Any, handle: IO[bytes], total: int, pace: Pace, bytes_done: BytesDone | None) -> None:
    done = handle.tell()
    while chunk := response.read(_CHUNK_BYTES):
        pace.check()
        done += len(chunk)
        if done > (total or pace.options.most_bytes):
            raise AttemptError(f"more than {total or pace.options.most_bytes} bytes")
        try:
            handle.write(chunk)
        except OSError as error:
            raise no_room(handle.name, error) from error
        if bytes_done is not None:
            bytes_done(done, total)
    handle.flush()
    os.fsync(handle.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
