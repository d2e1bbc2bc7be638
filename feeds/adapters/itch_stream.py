"""The bytes of a TotalView-ITCH file, plain or gzipped, block by block through one buffer.

Here: blocks and the messages in them. Not here: what the messages say (itch.py).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from feeds.errors import UnreadableFileError

#: Bytes of a block, about four million messages: the fewer batches a tape has, the fewer places a reader of one
#: instrument visits. A decoder holds some seven times as much.
BLOCK_BYTES = 128 << 20
#: No message is longer, its length included.
LONGEST = 52
_PACKED_BYTES = 1 << 20
_GZIP = b"\x1f\x8b"


class _Source(Protocol):
    def fill(self, view: memoryview) -> int: ...

    @property
    def done(self) -> int: ...


@dataclass
class Block:
    """Data of a file, the messages that the block before cut included.

    Attributes:
        data: uint8; valid up to ``end``.
        end: Bytes of data.
        offset: Where ``data[0]`` lies in the unpacked file.
        bytes_done: Bytes of the file read so far.
        last: Nothing follows.
        used: Bytes the reader has dealt with; it sets this, and the rest comes again with the next block.
    """

    data: np.ndarray
    end: int
    offset: int
    bytes_done: int
    last: bool
    used: int = 0


def blocks(path: Path, block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """Read ``path`` through one buffer: a block is valid until the next one is asked for.

    Raises:
        UnreadableFileError: A gzip file is cut short or its checksum is wrong.
    """
    data = np.empty(block_bytes + LONGEST, np.uint8)
    view = data.data.cast("B")
    with path.open("rb") as handle:
        packed = handle.read(2) == _GZIP
        handle.seek(0)
        source: _Source = _Unpacked(path, handle) if packed else _Plain(handle)
        kept = offset = 0
        while True:
            got = source.fill(view[kept : kept + block_bytes])
            block = Block(data, kept + got, offset, source.done, last=got < block_bytes)
            yield block
            if block.last:
                return
            kept = block.end - block.used
            view[:kept] = view[block.used : block.end].tobytes()
            offset += block.used


@dataclass
class _Plain:
    handle: BinaryIO

    def fill(self, view: memoryview) -> int:
        """Fill ``view`` unless the file ends; returns the bytes filled."""
        filled = 0
        while filled < len(view) and (got := self.handle.readinto(view[filled:])):  # type: ignore[attr-defined]
            filled += got
        return filled

    @property
    def done(self) -> int:
        """Bytes of the file that were read."""
        return self.handle.tell()


@dataclass
class _Unpacked:
    """Members of a gzip file one after another; zlib verifies length and checksum of each."""

    path: Path
    handle: BinaryIO
    _member: zlib._Decompress = field(default_factory=lambda: zlib.decompressobj(wbits=31))
    _input: bytes = b""

    def fill(self, view: memoryview) -> int:
        """See `_Plain.fill`."""
        filled = 0
        while filled < len(view):
            if not self._input:
                self._input = self.handle.read(_PACKED_BYTES)
            if self._member.eof:
                self._input = self._input.lstrip(b"\0")  # gzip files may be padded
                if not self._input:
                    if self.done == self._size():
                        break
                    continue
                self._member = zlib.decompressobj(wbits=31)
            elif not self._input:
                raise self._damaged("the file ends")
            try:
                out = self._member.decompress(self._input, len(view) - filled)
            except zlib.error as error:
                raise self._damaged(error) from error
            self._input = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            view[filled : filled + len(out)] = out
            filled += len(out)
        return filled

    @property
    def done(self) -> int:
        """Bytes of the file that were read."""
        return self.handle.tell()

    def _size(self) -> int:
        return self.path.stat().st_size

    def _damaged(self, found: object) -> UnreadableFileError:
        return UnreadableFileError(self.path, f"byte {self.done - len(self._input)}", "a whole gzip file", found)
