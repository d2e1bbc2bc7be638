"""UDP payloads of a packet capture: pcap with stamps in us or ns, either byte order, or pcapng; plain or gzip.

A capture may end anywhere: what is left of a last packet is told, not refused.

Here: `Capture`. Not here: compiled framing (feeds/kernels/iex_packets.py), what payloads mean (iex.py).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from feeds.adapters.byte_blocks import BLOCK_BYTES, Blocks
from feeds.errors import UnreadableFileError

#: Magic number as it stands in the file -> (byte order other than little endian, units of a stamp in a second).
_PCAP = {
    b"\xd4\xc3\xb2\xa1": (False, 1_000_000),
    b"\xa1\xb2\xc3\xd4": (True, 1_000_000),
    b"\x4d\x3c\xb2\xa1": (False, 1_000_000_000),
    b"\xa1\xb2\x3c\x4d": (True, 1_000_000_000),
}
_PCAPNG = b"\x0a\x0d\x0d\x0a"
_PCAP_HEAD = 24
_MAGIC = 4


class Payloads(NamedTuple):
    """Payloads of a block; see feeds/kernels/iex_packets.py.

    Attributes:
        content: uint8, the block.
        places: int64, shape ``(PAYLOAD_FIELDS, m)``.
        found: Payloads of these.
        others: Packets without one.
        start: Byte of the unpacked capture at which the block begins.
    """

    content: np.ndarray
    places: np.ndarray
    found: int
    others: int
    start: int


def is_capture(head: bytes) -> bool:
    """Whether a file begins as a capture does."""
    magic = head[:_MAGIC]
    return magic == _PCAPNG or (magic in _PCAP and len(head) >= _PCAP_HEAD)


class Framing:
    """State of the framing, told by the head of a capture."""

    def __init__(self, head: bytes) -> None:
        from feeds.kernels import iex_packets as packets

        self.state = np.zeros(packets.STATE_FIELDS, np.int64)
        self.interfaces = np.zeros((packets.MOST_INTERFACES, 2), np.int64)
        self.head_bytes = 0
        self.state[packets.NEXT_GENERATION] = head.startswith(_PCAPNG)
        if not head.startswith(_PCAPNG):
            swapped, per_s = _PCAP[head[:_MAGIC]]
            self.state[packets.SWAPPED], self.state[packets.UNITS_PER_S] = swapped, per_s
            self.state[packets.LINK] = struct.unpack_from(">I" if swapped else "<I", head, 20)[0] & 0xFFFF
            self.head_bytes = _PCAP_HEAD

    def payloads(self, content: bytes, start: int = 0) -> tuple[Payloads, int, bool]:
        """``(payloads, bytes used, whether a packet that cannot be stands behind these)``."""
        from feeds.kernels.iex_packets import BAD_PACKET, PAYLOAD_FIELDS, payloads

        raw = np.frombuffer(content, np.uint8)
        places = np.empty((PAYLOAD_FIELDS, len(raw) // 12 + 1), np.int64)
        end, count, others, how = payloads(raw, self.state, self.interfaces, places)
        return Payloads(raw, places, count, others, start), end, how == BAD_PACKET


class Capture:
    """Iterates over the payloads of a capture, block by block.

    Args:
        path: The file.
        block_bytes: Bytes of a block.

    Raises:
        UnreadableFileError: The compressed data are damaged, or a packet cannot be.
    """

    def __init__(self, path: Path, block_bytes: int = BLOCK_BYTES) -> None:
        self._path = path
        self._blocks = Blocks(path, block_bytes, may_end=True)
        #: Where the capture ends inside a packet and how many bytes of it there are, None where it ends behind one.
        self.tail: tuple[int, int] | None = None

    @property
    def bytes_done(self) -> int:
        """Bytes of the file read so far."""
        return self._blocks.bytes_done

    def __iter__(self) -> Iterator[Payloads]:
        framing: Framing | None = None
        start, left = 0, b""
        for block in self._blocks:
            left = left + block if left else block
            if framing is None:
                if len(left) < _PCAP_HEAD:
                    continue
                if not is_capture(left):
                    raise UnreadableFileError(self._path, "byte 0", "a packet capture", repr(left[:_MAGIC]))
                framing = Framing(left)
                start, left = framing.head_bytes, left[framing.head_bytes :]
            found, used, bad = framing.payloads(left, start)
            yield found
            start, left = start + used, left[used:]
            if bad:
                raise UnreadableFileError(
                    self._path, f"byte {start} of the unpacked content", "a packet", repr(left[:16])
                )
        if framing is None:
            raise UnreadableFileError(self._path, "byte 0", "a packet capture", "the end of the file")
        if left or self._blocks.cut:
            self.tail = (start, len(left))
