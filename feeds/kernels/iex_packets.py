"""Compiled framing of packet captures, down to the payload of UDP datagrams.

Sources: "PCAP Capture File Format" and "PCAP Next Generation (pcapng) Capture File Format" of the IETF's opsawg; IEEE
802.1Q for VLAN tags; RFC 791 and RFC 768.

Here: the kernels. Not here: the head of a capture (feeds/adapters/iex_capture.py), what a payload means
(iex_messages.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from feeds.kernels.options import ENTRY, INNER

#: State of a capture, int64: pcapng or not, numbers in the other byte order, ns of a stamp's unit and units of a second
#: (of pcap), type of the link layer, interfaces of a pcapng section.
NEXT_GENERATION, SWAPPED, UNITS_PER_S, LINK, INTERFACES = range(5)
STATE_FIELDS = 5
MOST_INTERFACES = 256
#: Fields of a payload, int64: where it stands, its length, when its packet was captured (ns), where its packet begins.
START, LENGTH, CAPTURED, PACKET = range(4)
PAYLOAD_FIELDS = 4
#: How framing ended: out of bytes, or at a packet that cannot be.
ENDED, BAD_PACKET = 0, 1
#: More than any network carries.
MOST_BYTES = 1 << 20
ETHERNET, RAW_IP, COOKED = 1, 101, 113

_PCAP_HEADER, _BLOCK_HEADER, _ENHANCED_HEADER = 16, 12, 28
_SECTION, _INTERFACE, _ENHANCED = 0x0A0D0D0A, 1, 6
_RESOLUTION = 9
_NS_PER_S = 1_000_000_000
_VLAN = (0x8100, 0x88A8, 0x9100)
_IPV4, _UDP = 0x0800, 17


@njit(**INNER)
def _u16(content: np.ndarray, at: int, swapped: int) -> int:
    low, high = int(np.int64(content[at])), int(np.int64(content[at + 1]))
    return low << 8 | high if swapped else high << 8 | low


@njit(**INNER)
def _u32(content: np.ndarray, at: int, swapped: int) -> int:
    first, second = _u16(content, at, swapped), _u16(content, at + 2, swapped)
    return first << 16 | second if swapped else second << 16 | first


@njit(**INNER)
def _ns(ticks: int, per_s: int) -> int:
    """A stamp in ns; no product exceeds 63 bits for up to 2**33 units a second."""
    return ticks // per_s * _NS_PER_S + ticks % per_s * _NS_PER_S // per_s


@njit(**ENTRY)
def payloads(
    content: np.ndarray, state: np.ndarray, interfaces: np.ndarray, out: np.ndarray
) -> tuple[int, int, int, int]:
    """Find the UDP payloads of a block.

    Args:
        content: uint8, shape ``(n,)``, beginning with a packet or block.
        state: See above; changed by pcapng sections. Numbers of a pcap are little endian unless ``SWAPPED``.
        interfaces: Of a pcapng section: link type and units a second; int64, shape ``(MOST_INTERFACES, 2)``; changed.
        out: Receives the payloads, int64, shape ``(PAYLOAD_FIELDS, m)``; ``m`` is at least ``n / 16``.

    Returns:
        ``(end, payloads, other packets, how)``: ``end`` is the first byte of what is not whole, or of what cannot be.
    """
    at, count, others = 0, 0, 0
    while True:
        if state[NEXT_GENERATION]:
            length, body, captured, stamp, link = _block(content, at, state, interfaces)
        else:
            length, body, captured, stamp, link = _record(content, at, state)
        if length < 0:
            return at, count, others, BAD_PACKET
        if length == 0:
            return at, count, others, ENDED
        if captured >= 0:
            start, size = _datagram(content, body, captured, link)
            if size >= 0:
                out[START, count], out[LENGTH, count] = start, size
                out[CAPTURED, count], out[PACKET, count] = stamp, at
                count += 1
            else:
                others += 1
        at += length


@njit(**INNER)
def _record(content: np.ndarray, at: int, state: np.ndarray) -> tuple[int, int, int, int, int]:
    """``(length, start of the packet, its bytes, stamp in ns, link type)`` of a pcap record; length 0: not whole."""
    if at + _PCAP_HEADER > content.size:
        return 0, 0, 0, 0, 0
    swapped = state[SWAPPED]
    seconds, units = _u32(content, at, swapped), _u32(content, at + 4, swapped)
    captured = _u32(content, at + 8, swapped)
    if captured > MOST_BYTES or units >= state[UNITS_PER_S]:
        return -1, 0, 0, 0, 0
    if at + _PCAP_HEADER + captured > content.size:
        return 0, 0, 0, 0, 0
    stamp = seconds * _NS_PER_S + units * (_NS_PER_S // state[UNITS_PER_S])
    return _PCAP_HEADER + captured, at + _PCAP_HEADER, captured, stamp, state[LINK]


@njit(**INNER)
def _block(content: np.ndarray, at: int, state: np.ndarray, interfaces: np.ndarray) -> tuple[int, int, int, int, int]:
    """The same of a pcapng block; bytes of the packet -1: the block holds none."""
    if at + _BLOCK_HEADER > content.size:
        return 0, 0, 0, 0, 0
    if _u32(content, at, 0) == _SECTION:
        magic = _u32(content, at + 8, 0)
        if magic != 0x1A2B3C4D and magic != 0x4D3C2B1A:
            return -1, 0, 0, 0, 0
        state[SWAPPED] = magic == 0x4D3C2B1A
        state[INTERFACES] = 0
    swapped = state[SWAPPED]
    kind, length = _u32(content, at, swapped), _u32(content, at + 4, swapped)
    if length < _BLOCK_HEADER or length % 4 or length > MOST_BYTES:
        return -1, 0, 0, 0, 0
    if at + length > content.size:
        return 0, 0, 0, 0, 0
    if _u32(content, at + length - 4, swapped) != length:
        return -1, 0, 0, 0, 0
    if kind == _INTERFACE:
        if length < 20 or state[INTERFACES] == MOST_INTERFACES:
            return -1, 0, 0, 0, 0
        per_s = _units_per_s(content, at + 16, at + length - 4, swapped)
        if per_s == 0:
            return -1, 0, 0, 0, 0
        interfaces[state[INTERFACES], 0] = _u16(content, at + 8, swapped)
        interfaces[state[INTERFACES], 1] = per_s
        state[INTERFACES] += 1
    if kind != _ENHANCED:
        return length, 0, -1, 0, 0
    if length < _ENHANCED_HEADER + 4:
        return -1, 0, 0, 0, 0
    interface, captured = _u32(content, at + 8, swapped), _u32(content, at + 20, swapped)
    if interface >= state[INTERFACES] or captured > length - _ENHANCED_HEADER - 4:
        return -1, 0, 0, 0, 0
    ticks = _u32(content, at + 12, swapped) << 32 | _u32(content, at + 16, swapped)
    if ticks < 0:
        return -1, 0, 0, 0, 0
    stamp = _ns(ticks, interfaces[interface, 1])
    return length, at + _ENHANCED_HEADER, captured, stamp, interfaces[interface, 0]


@njit(**INNER)
def _units_per_s(content: np.ndarray, at: int, end: int, swapped: int) -> int:
    """Units a second of an interface, told by its options; 0 where they are too many to count with."""
    while at + 4 <= end:
        option, length = _u16(content, at, swapped), _u16(content, at + 2, swapped)
        if option == 0:
            break
        if option == _RESOLUTION and length >= 1 and at + 5 <= end:
            power = int(np.int64(content[at + 4]))
            if power & 128:
                return 1 << (power & 127) if power & 127 <= 33 else 0
            return 10**power if power <= 9 else 0
        at += 4 + (length + 3) // 4 * 4
    return 1_000_000


@njit(**INNER)
def _datagram(content: np.ndarray, at: int, size: int, link: int) -> tuple[int, int]:
    """``(start, length)`` of the UDP payload of a packet; length -1: it is another packet or not whole."""
    end = at + size
    if link in (ETHERNET, COOKED):
        head = 14 if link == ETHERNET else 16
        if size < head:
            return 0, -1
        kind = _u16(content, at + head - 2, 1)
        at += head
        while (kind == _VLAN[0] or kind == _VLAN[1] or kind == _VLAN[2]) and at + 4 <= end:
            kind = _u16(content, at + 2, 1)
            at += 4
        if kind != _IPV4:
            return 0, -1
    elif link != RAW_IP:
        return 0, -1
    if at + 20 > end or content[at] >> 4 != 4 or content[at + 9] != _UDP:
        return 0, -1
    head = int(np.int64(content[at] & 15)) * 4
    fragment = _u16(content, at + 6, 1) & 0x3FFF
    if head < 20 or fragment or at + head + 8 > end:
        return 0, -1
    at += head
    length = _u16(content, at + 4, 1)
    if length < 8 or at + length > end:
        return 0, -1
    return at + 8, length - 8
