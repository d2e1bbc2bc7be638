"""Files that appear whole or not at all, and what to say when a disk refuses.

Here: temporary names, the flushed rename, sweeping what killed writers left. Not here: partitions
(feeds/partitions.py).
"""

from __future__ import annotations

import errno
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from feeds.errors import LakeError

#: A temporary file nobody wrote to for so long belongs to a writer that was killed.
STALE_AFTER_S = 3600.0
_SUFFIX = ".tmp"
_MIB = 1024 * 1024
_REMEDIES = {
    errno.ENOSPC: "Free space or move the data to a larger disk; what was there before is unchanged.",
    errno.EDQUOT: "Free space within the quota; what was there before is unchanged.",
    errno.EFBIG: "Raise the limit of file sizes (`ulimit -f`); what was there before is unchanged.",
    errno.EACCES: "Give this user write access to the folder.",
    errno.EPERM: "Give this user write access to the folder.",
    errno.EROFS: "The file system is mounted read-only; mount it writable or set T2T_DATA to another folder.",
}


def temporary_beside(target: Path) -> Path:
    """A hidden name beside ``target`` that no other process, thread or call uses."""
    return target.with_name(f".{target.name}.{os.getpid()}-{uuid.uuid4().hex[:12]}{_SUFFIX}")


def is_temporary(name: str) -> bool:
    """Whether a file name is one of `temporary_beside`."""
    return name.startswith(".") and name.endswith(_SUFFIX)


def sweep(folder: Path, older_than_s: float = STALE_AFTER_S) -> int:
    """Remove temporary files directly in ``folder`` nobody has written to for ``older_than_s``; return how many."""
    removed, limit = 0, time.time() - older_than_s
    for path in folder.glob(f".*{_SUFFIX}"):
        with suppress(OSError):
            if path.stat().st_mtime < limit:
                path.unlink()
                removed += 1
    return removed


def write_atomically(target: Path, content: bytes) -> None:
    """Write ``content`` to a temporary name beside ``target``, flush it to disk and rename it over ``target``.

    Raises:
        LakeError: The disk is full or the folder not writable; ``target`` is as it was.
    """
    temporary = temporary_beside(target)
    with explained(f"writing {target.name}", target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as handle:
                handle.write(content)
                handle.flush()
                os.fsync(handle.fileno())
            temporary.replace(target)
        finally:
            discard(temporary)


def flush(path: Path) -> None:
    """Force a file's bytes to disk."""
    with path.open("rb") as handle:
        os.fsync(handle.fileno())


def discard(path: Path) -> None:
    """Remove a temporary file if it is there; never an error of its own."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


@contextmanager
def explained(what: str, path: Path) -> Iterator[None]:
    """Turn an `OSError` into a `LakeError`: path, what was being done, free space, remedy.

    Args:
        what: E.g. ``"writing table bars, date=2024-01-02"``.
        path: The file concerned.
    """
    try:
        yield
    except OSError as error:
        raise LakeError(
            f"{what} at {path}",
            received=f"{error.strerror or error} ({_free_space(path)})",
            expected="a writable disk with enough space",
            remedy=_REMEDIES.get(error.errno or 0, "Check the disk; what was there before is unchanged."),
        ) from error


def _free_space(path: Path) -> str:
    for folder in path.absolute().parents:
        with suppress(OSError):
            return f"{shutil.disk_usage(folder).free / _MIB:,.1f} MiB free"
    return "free space unknown"
