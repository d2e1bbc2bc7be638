"""Bytes of a plain or zstd-compressed file, in blocks, the next block unpacked by a second thread meanwhile.

Here: `blocks`, `unpacked_head`. Not here: what the bytes mean (dbn_header.py, dbn_fold.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from feeds.errors import UnreadableFileError

BLOCK_BYTES = 4 << 20
_ZSTD = b"\x28\xb5\x2f\xfd"


def unpacked_head(path: Path, length: int) -> bytes | None:
    """First ``length`` bytes of the content or all there are, None where a compressed file is broken before them."""
    with path.open("rb") as handle:
        if handle.read(len(_ZSTD)) != _ZSTD:
            handle.seek(0)
            return handle.read(length)
    try:
        stream, _ = _open(path)
        with stream:
            return bytes(stream.read(length))
    except OSError:
        return None


def blocks(path: Path, size: int = BLOCK_BYTES) -> Iterator[tuple[bytes, int]]:
    """Content in blocks of ``size`` bytes (the last one is shorter), each with the bytes of the file read so far.

    Raises:
        UnreadableFileError: A compressed file is cut short or damaged; all before that was given.
    """
    stream, raw = _open(path)
    done = 0

    def read() -> tuple[bytes, int]:
        return bytes(stream.read(size)), int(raw.tell())

    with stream, ThreadPoolExecutor(1, thread_name_prefix="unpack") as pool:
        coming = pool.submit(read)
        while True:
            try:
                block, read_bytes = coming.result()
            except OSError as error:
                raise UnreadableFileError(
                    path, f"byte {done} of the unpacked content", "a whole file", error
                ) from error
            if not block:
                return
            coming = pool.submit(read)
            done += len(block)
            yield block, read_bytes


def _open(path: Path) -> tuple[IO[bytes] | Any, IO[bytes]]:
    """``(stream of the content, stream of the file)``; several compressed frames follow each other as one content."""
    handle = path.open("rb")
    if handle.read(len(_ZSTD)) != _ZSTD:
        handle.seek(0)
        return handle, handle
    import pyarrow as pa

    handle.seek(0)
    return pa.CompressedInputStream(pa.PythonFile(handle, mode="r"), "zstd"), handle
