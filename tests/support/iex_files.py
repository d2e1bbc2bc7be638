"""IEX captures for tests, written with struct from the formats' descriptions; shares nothing with the decoder."""

from __future__ import annotations

import gzip
import random
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

IEX_INSTRUMENT = "ZIEXT.IEX"
IEX_DATE = "2024-01-03"
#: 10:00 in New York on that day.
OPEN_NS = 1_704_294_000_000_000_000
DEEP, TOPS = 0x8004, 0x8003


def _symbol(symbol: str) -> bytes:
    return symbol.encode().ljust(8)


def level(side: str, symbol: str, price: int, size: int, at: int = 0, complete: bool = True) -> bytes:
    """Price level update of DEEP."""
    kind = b"8" if side == "B" else b"5"
    return struct.pack("<cBq8sIq", kind, complete, OPEN_NS + at, _symbol(symbol), size, price)


def trade(symbol: str, price: int, size: int, at: int = 0, conditions: int = 0, kind: bytes = b"T") -> bytes:
    """Trade report, or a trade break."""
    return struct.pack("<cBq8sIqq", kind, conditions, OPEN_NS + at, _symbol(symbol), size, price, 77)


def quote(symbol: str, bid: int, bid_size: int, ask: int, ask_size: int, at: int = 0, flags: int = 0) -> bytes:
    """Quote update of TOPS."""
    return struct.pack("<cBq8sIqqI", b"Q", flags, OPEN_NS + at, _symbol(symbol), bid_size, bid, ask, ask_size)


def status(symbol: str, letter: str, at: int = 0) -> bytes:
    """Trading status."""
    return struct.pack("<ccq8s4s", b"H", letter.encode(), OPEN_NS + at, _symbol(symbol), b"    ")


def system(letter: str = "O", at: int = 0) -> bytes:
    """System event."""
    return struct.pack("<ccq", b"S", letter.encode(), OPEN_NS + at)


def segment(first: int, messages: Sequence[bytes], sent: int = 0, protocol: int = DEEP, session: int = 9) -> bytes:
    """IEX-TP segment whose first message has the number ``first``."""
    body = b"".join(struct.pack("<H", len(message)) + message for message in messages)
    head = struct.pack("<BxHIIHHqqq", 1, protocol, 1, session, len(body), len(messages), 0, first, OPEN_NS + sent)
    return head + body


def datagram(payload: bytes, vlan: bool = False, protocol: int = 17) -> bytes:
    """Ethernet frame with the payload in UDP over IPv4."""
    udp = struct.pack(">HHHH", 10_000, 10_378, 8 + len(payload), 0) + payload
    ip = struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0x4000, 64, protocol, 0, b"\x0a\0\0\1", b"\xe9\xd7\x15\4"
    )
    tag = struct.pack(">HH", 0x8100, 5) if vlan else b""
    return b"\1\0\x5e\x57\x15\4" + b"\0\x1e\x67\x9f\xc8\xef" + tag + b"\x08\0" + ip + udp


def pcap(frames: Iterable[tuple[int, bytes]], order: str = "<", ns: bool = False) -> bytes:
    """Capture of frames with their stamps in ns."""
    magic = 0xA1B23C4D if ns else 0xA1B2C3D4
    out = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65_535, 1)
    for stamp, frame in frames:
        part = stamp % 10**9 if ns else stamp % 10**9 // 1000
        out += struct.pack(order + "IIII", stamp // 10**9, part, len(frame), len(frame)) + frame
    return out


def pcapng(frames: Iterable[tuple[int, bytes]], order: str = "<", resolution: int | None = 9) -> bytes:
    """The same as pcapng: a section, an unknown block, an interface, enhanced packets."""

    def block(kind: int, body: bytes) -> bytes:
        body += b"\0" * (-len(body) % 4)
        length = struct.pack(order + "I", 12 + len(body))
        return struct.pack(order + "I", kind) + length + body + length

    options = (
        b"" if resolution is None else struct.pack(order + "HHB3x", 9, 1, resolution) + struct.pack(order + "HH", 0, 0)
    )
    out = block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
    out += block(4, b"names") + block(1, struct.pack(order + "HHI", 1, 0, 65_535) + options)
    for stamp, frame in frames:
        ticks = stamp // 1000 if resolution is None else stamp
        head = struct.pack(order + "IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame))
        out += block(6, head + frame)
    return out


def frames(segments: Iterable[bytes]) -> list[tuple[int, bytes]]:
    """A capture's frames, one a segment, a millisecond apart."""
    return [(OPEN_NS + 1_000_000 * k, datagram(payload)) for k, payload in enumerate(segments)]


def write_iex_day(folder: Path, seed: int, messages: int = 400) -> list[Path]:
    """A capture of DEEP: levels and trades of one symbol, a few messages a segment."""
    rng = random.Random(seed)
    symbol = IEX_INSTRUMENT.partition(".")[0]
    made = []
    for k in range(messages):
        side = rng.choice("BA")
        price = 100_0000 + (-1 if side == "B" else 1) * 100 * rng.randrange(1, 9)
        at = 1000 * k
        if rng.random() < 0.2:
            made.append(trade(symbol, price, rng.randrange(1, 500), at))
        else:
            made.append(level(side, symbol, price, rng.choice((0, 100, 300)), at, rng.random() < 0.8))
    segments, first = [], 1
    while made:
        count = rng.randrange(1, 6)
        segments.append(segment(first, made[:count], 1000 * first))
        made, first = made[count:], first + min(count, len(made))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "data_feeds_20240103_DEEP1.0.pcap.gz"
    path.write_bytes(gzip.compress(pcap(frames(segments)), mtime=0))
    return [path]
