"""Bytes of a plain, gzip- or zstd-compressed file in blocks, the next one unpacked by a second thread meanwhile.

Here: `Blocks`, `unpacked_head`. Not here: what the bytes mean (one module a format), whole small files (containers.py).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, Protocol

from feeds.errors import UnreadableFileError

BLOCK_BYTES = 4 << 20
_ZSTD, _GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b"
_READ_BYTES = 1 << 18
_DAMAGE = (OSError, zlib.error, EOFError)


class _Stream(Protocol):
    def read(self, size: int, /) -> Any: ...


def unpacked_head(path: Path, length: int) -> bytes | None:
    """First ``length`` bytes of the content or all there are, None where a compressed file is broken before them."""
    with path.open("rb") as handle:
        try:
            return bytes(_unpacked(handle)[0].read(length))
        except _DAMAGE:
            return None


class Blocks:
    """Iterates over the content of a file in blocks of ``size`` bytes; the last one is shorter.

    Args:
        path: The file; several compressed frames or members follow each other as one content.
        size: Bytes of a block.
        may_end: Whether a compressed file may end anywhere: then `cut` says so in the end, nothing is raised.

    Raises:
        UnreadableFileError: A compressed file is damaged or, unless it ``may_end`` so, cut short; all before was given.
    """

    def __init__(self, path: Path, size: int = BLOCK_BYTES, *, may_end: bool = False) -> None:
        self._path, self._size, self._may_end = path, size, may_end
        #: Bytes of the file read so far.
        self.bytes_done = 0
        #: Whether the file ended inside compressed data.
        self.cut = False

    def __iter__(self) -> Iterator[bytes]:
        done = 0
        with self._path.open("rb") as handle, ThreadPoolExecutor(1, thread_name_prefix="unpack") as pool:
            stream, raw = _unpacked(handle, self._may_end)

            def read() -> tuple[bytes, int]:
                return bytes(stream.read(self._size)), raw.tell()

            coming = pool.submit(read)
            while True:
                try:
                    block, self.bytes_done = coming.result()
                except _DAMAGE as error:
                    position = f"byte {done} of the unpacked content"
                    raise UnreadableFileError(self._path, position, "a whole file", error) from error
                if not block:
                    self.cut = getattr(stream, "cut", False)
                    return
                coming = pool.submit(read)
                done += len(block)
                yield block


def _unpacked(handle: IO[bytes], may_end: bool = False) -> tuple[_Stream, Any]:
    """``(stream of the content, file whose place tells how much was read)``."""
    start = handle.read(len(_ZSTD))
    handle.seek(0)
    if start == _ZSTD:
        import pyarrow as pa

        # Not the Python file: every 64 KiB would need the interpreter.
        raw = pa.OSFile(handle.name)
        return pa.CompressedInputStream(raw, "zstd"), raw
    return (_Gunzip(handle, may_end) if start.startswith(_GZIP) else handle), handle


class _Gunzip:
    """Unpacks gzip members; unlike gzip.open it gives what it has before it says that the file is cut short."""

    def __init__(self, handle: IO[bytes], may_end: bool) -> None:
        self._handle, self._may_end = handle, may_end
        self._member = zlib.decompressobj(wbits=31)
        self._packed = b""
        self.cut = False

    def read(self, size: int, /) -> bytes:
        parts, left = [], size
        while left > 0 and not self.cut:
            self._packed = self._packed or self._member.unconsumed_tail or self._handle.read(_READ_BYTES)
            if self._member.eof:
                if not self._packed.strip(b"\0"):  # padding may follow the last member
                    break
                self._member = zlib.decompressobj(wbits=31)
            elif not self._packed:
                self._end()
                break
            parts.append(self._member.decompress(self._packed, left))
            self._packed = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            left -= len(parts[-1])
        return b"".join(parts)

    def _end(self) -> None:
        if not self._may_end:
            raise EOFError("the compressed data are cut short")
        self.cut = True
