"""Compiled decoding of IEX-TP segments with DEEP and TOPS messages to rows.

Sources: "IEX Transport Protocol (IEX-TP) Specification" 1.25, "IEX DEEP Specification" 1.06, "IEX TOPS Specification"
1.66 and 1.56. All numbers are little endian, prices in 1e-4 dollars, stamps in ns UTC. A segment begins with 40 bytes:
version, reserved, message protocol u16, channel u32, session u32, payload length u16, message count u16, stream offset
i64, number of the first message i64, send time i64; then come the messages, each behind its length u16.

A stream is what one protocol, channel and session send; its messages are numbered from 1 without a gap. Messages may
become longer; what is behind the known fields is skipped.

Here: the kernels. Not here: packets (iex_packets.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from feeds.kernels.iex_packets import CAPTURED, LENGTH, PACKET, START
from feeds.kernels.options import ENTRY, INNER
from feeds.schema import ACTION_CODE, FLAG_AUCTION, FLAG_GAP, FLAG_PARTIAL, SIDE_CODE

DEEP, TOPS, TOPS_15 = 0x8004, 0x8003, 0x8002
SEGMENT_HEADER = 40
#: Columns of the rows, int64, shape ``(ROW_FIELDS, n)``.
ROW_NAMES = (
    "instrument",
    "ts_event",
    "ts_recv",
    "action",
    "side",
    "order_id",
    "price",
    "size",
    "condition",
    "flags",
    "reason",
)
ROW_FIELDS = 11
REASONS = ("unknown_status",)
#: Counters, int64: instruments, streams, problems, messages of a gap's epoch; then records left out, by message type.
N_SYMBOLS, N_STREAMS, N_PROBLEMS, EPOCH, HEARTBEATS, DROPPED, FOREIGN = range(7)
BY_TYPE = 8
COUNTERS = BY_TYPE + 256
#: Columns of streams, int64, shape ``(MOST_STREAMS, 4)``: who, who, number of the next message, last send time.
WHO, SESSION, NEXT, SENT = range(4)
MOST_STREAMS = 64
#: Columns of problems, int64, shape ``(m, 5)``: kind, payload, number expected, number found, missing or repeated.
GAP, RESTART, REPEATED = range(3)
PROBLEM_FIELDS = 5
MOST_SYMBOLS = 65_536
SLOTS = 4 * MOST_SYMBOLS
#: How decoding ended: all done, rows or problems full, or at a segment that cannot be.
DONE, FULL, BAD_SEGMENT, TOO_MANY = 0, 1, 2, 3

_QUOTE, _TRADE, _STATUS, _LEVEL = (ACTION_CODE[name] for name in "QTHL")
_BID, _ASK, _NO_SIDE = (SIDE_CODE[name] for name in "BAN")
_PARTIAL, _AUCTION, _LOST = FLAG_PARTIAL, FLAG_AUCTION, FLAG_GAP
_BUY_LEVEL, _SELL_LEVEL, _TRADE_REPORT, _QUOTE_UPDATE, _TRADING_STATUS = (ord(letter) for letter in "85TQH")
_LEVEL_BYTES, _TRADE_BYTES, _QUOTE_BYTES, _STATUS_BYTES, _STAMPED_BYTES = 30, 38, 42, 18, 10
_EVENT_COMPLETE, _SINGLE_PRICE_CROSS = 1, 8
_HALTED, _ACCEPTING, _PAUSED, _TRADING = (ord(letter) for letter in "HOPT")


@njit(**INNER)
def _number(content: np.ndarray, at: int, length: int) -> int:
    value = 0
    for k in range(length):
        value |= int(np.int64(content[at + k])) << (8 * k)
    return value


@njit(**INNER)
def is_segment(content: np.ndarray, start: int, length: int) -> bool:
    """Whether a payload is a segment of a protocol that is decoded here."""
    if length < SEGMENT_HEADER or content[start] != 1:
        return False
    protocol = _number(content, start + 2, 2)
    return protocol in (DEEP, TOPS, TOPS_15)


@njit(**ENTRY)
def first_segment(content: np.ndarray, payloads: np.ndarray, count: int) -> int:
    """First payload that is a segment, -1 where none is; see `decode`."""
    for p in range(count):
        if is_segment(content, payloads[START, p], payloads[LENGTH, p]):
            return p
    return -1


@njit(**ENTRY)
def first_stamp(content: np.ndarray, payloads: np.ndarray, count: int) -> int:
    """Stamp of the first message, 0 where there is none; see `decode`."""
    for p in range(count):
        start = payloads[START, p]
        length = payloads[LENGTH, p]
        stamped = length >= SEGMENT_HEADER + 2 + _STAMPED_BYTES
        if stamped and is_segment(content, start, length) and _number(content, start + 14, 2) > 0:
            return _number(content, start + SEGMENT_HEADER + 4, 8)
    return 0


@njit(**ENTRY)
def decode(
    content: np.ndarray,
    payloads: np.ndarray,
    first: int,
    count: int,
    counters: np.ndarray,
    streams: np.ndarray,
    slots: np.ndarray,
    symbols: np.ndarray,
    epochs: np.ndarray,
    problems: np.ndarray,
    rows: np.ndarray,
) -> tuple[int, int, int]:
    """Decode payloads.

    Args:
        content: uint8, shape ``(n,)``.
        payloads: See feeds/kernels/iex_packets.py.
        first: First payload.
        count: Behind the last payload.
        counters: See above; added to.
        streams: See above; kept.
        slots: Codes + 1 by hash of the symbol, int64, shape ``(SLOTS,)``; kept.
        symbols: Symbol by code, its 8 bytes as int64, shape ``(MOST_SYMBOLS,)``; kept.
        epochs: Gaps there had been at the last row of each code, int64, shape ``(MOST_SYMBOLS,)``; kept.
        problems: Receives problems from ``counters[N_PROBLEMS]`` on; see above.
        rows: Receives the rows; a payload may become as many as half its bytes.

    Returns:
        ``(next payload, rows, how)``.
    """
    at = 0
    for p in range(first, count):
        start, length = payloads[START, p], payloads[LENGTH, p]
        if not is_segment(content, start, length):
            counters[FOREIGN] += 1
            continue
        if at + length > rows.shape[1] or counters[N_PROBLEMS] == problems.shape[0]:
            return p, at, FULL
        messages, size = _number(content, start + 14, 2), _number(content, start + 12, 2)
        if size != length - SEGMENT_HEADER and not (size < length - SEGMENT_HEADER and messages == 0):
            return p, at, BAD_SEGMENT
        if not _whole(content, start + SEGMENT_HEADER, size, messages):
            return p, at, BAD_SEGMENT
        if counters[N_STREAMS] == MOST_STREAMS:
            return p, at, TOO_MANY
        skip = _follow(content, start, messages, p, counters, streams, problems)
        place = start + SEGMENT_HEADER
        for k in range(messages):
            bytes_ = _number(content, place, 2)
            if k >= skip:
                if counters[N_SYMBOLS] == MOST_SYMBOLS:
                    return p, at, TOO_MANY
                at = _message(
                    content, place + 2, bytes_, payloads[CAPTURED, p], counters, slots, symbols, epochs, rows, at
                )
            place += 2 + bytes_
    return count, at, DONE


@njit(**INNER)
def _whole(content: np.ndarray, place: int, size: int, messages: int) -> bool:
    """Whether the messages fill a segment and each has the fields of its type."""
    end = place + size
    for _ in range(messages):
        if place + 2 > end:
            return False
        length = _number(content, place, 2)
        if length < 1 or place + 2 + length > end or length < _least(content[place + 2]):
            return False
        place += 2 + length
    return place == end


@njit(**INNER)
def _least(kind: int) -> int:
    if kind in (_BUY_LEVEL, _SELL_LEVEL):
        return _LEVEL_BYTES
    if kind == _TRADE_REPORT:
        return _TRADE_BYTES
    if kind == _QUOTE_UPDATE:
        return _QUOTE_BYTES
    return _STATUS_BYTES if kind == _TRADING_STATUS else 1


@njit(**INNER)
def _follow(
    content: np.ndarray,
    start: int,
    messages: int,
    p: int,
    counters: np.ndarray,
    streams: np.ndarray,
    problems: np.ndarray,
) -> int:
    """Follow the numbering of a stream; returns how many messages of a segment were there before."""
    who = _number(content, start + 2, 2) << 32 | _number(content, start + 4, 4)
    session = _number(content, start + 8, 4)
    found, sent = _number(content, start + 24, 8), _number(content, start + 32, 8)
    s = 0
    while s < counters[N_STREAMS] and (streams[s, WHO] != who or streams[s, SESSION] != session):
        s += 1
    if s == counters[N_STREAMS]:
        counters[N_STREAMS] += 1
        streams[s, WHO], streams[s, SESSION], streams[s, NEXT] = who, session, found
    expected = streams[s, NEXT]
    if messages == 0:
        counters[HEARTBEATS] += 1
    skip = 0
    if found > expected:
        _note(problems, counters, GAP, p, expected, found, found - expected)
        counters[EPOCH] += 1
    elif found < expected and found == 1 and sent > streams[s, SENT]:
        # Sent later and numbered from the start: the venue began anew, this is no packet that came again.
        _note(problems, counters, RESTART, p, expected, found, 0)
        counters[EPOCH] += 1
        expected = found
    elif found < expected and messages > 0:
        skip = min(expected - found, messages)
        _note(problems, counters, REPEATED, p, expected, found, skip)
        counters[DROPPED] += skip
    if found < expected and messages == 0:
        return 0
    streams[s, NEXT] = max(expected, found + messages)
    streams[s, SENT] = max(streams[s, SENT], sent)
    return skip


@njit(**INNER)
def _note(
    problems: np.ndarray, counters: np.ndarray, kind: int, p: int, expected: int, found: int, messages: int
) -> None:
    n = counters[N_PROBLEMS]
    problems[n, 0], problems[n, 1], problems[n, 2], problems[n, 3], problems[n, 4] = kind, p, expected, found, messages
    counters[N_PROBLEMS] += 1


@njit(**INNER)
def _message(
    content: np.ndarray,
    place: int,
    length: int,
    captured: int,
    counters: np.ndarray,
    slots: np.ndarray,
    symbols: np.ndarray,
    epochs: np.ndarray,
    rows: np.ndarray,
    at: int,
) -> int:
    """Rows of one message."""
    kind = np.int64(content[place])
    marked = kind in (_BUY_LEVEL, _SELL_LEVEL, _TRADE_REPORT)
    if not (marked or kind in (_QUOTE_UPDATE, _TRADING_STATUS)):
        counters[BY_TYPE + kind] += 1
        return at
    bits, stamp = np.int64(content[place + 1]), _number(content, place + 2, 8)
    code = _code(_number(content, place + 10, 8), counters, slots, symbols)
    flags = 0
    if epochs[code] != counters[EPOCH]:
        epochs[code] = counters[EPOCH]
        flags = _LOST
    if kind == _QUOTE_UPDATE:
        bid_size, bid = _number(content, place + 18, 4), _number(content, place + 22, 8)
        ask, ask_size = _number(content, place + 30, 8), _number(content, place + 38, 4)
        at = _put(rows, at, code, stamp, captured, _QUOTE, _BID, bid, bid_size, bits, flags | _PARTIAL)
        return _put(rows, at, code, stamp, captured, _QUOTE, _ASK, ask, ask_size, bits, 0)
    if kind == _TRADING_STATUS:
        status = -1 if bits == _HALTED else 1 if bits == _TRADING else 0
        at = _put(rows, at, code, stamp, captured, _STATUS, _NO_SIDE, 0, 0, status, flags)
        if bits != _HALTED and bits != _ACCEPTING and bits != _PAUSED and bits != _TRADING:
            rows[10, at - 1] = 1
        return at
    size, price = _number(content, place + 18, 4), _number(content, place + 22, 8)
    if kind == _TRADE_REPORT:
        flags |= _AUCTION if bits & _SINGLE_PRICE_CROSS else 0
        return _put(rows, at, code, stamp, captured, _TRADE, _NO_SIDE, price, size, bits, flags)
    flags |= 0 if bits & _EVENT_COMPLETE else _PARTIAL
    side = _BID if kind == _BUY_LEVEL else _ASK
    return _put(rows, at, code, stamp, captured, _LEVEL, side, price, size, 0, flags)


@njit(**INNER)
def _put(
    rows: np.ndarray,
    at: int,
    code: int,
    ts_event: int,
    ts_recv: int,
    action: int,
    side: int,
    price: int,
    size: int,
    condition: int,
    flags: int,
) -> int:
    rows[0, at], rows[1, at], rows[2, at] = code, ts_event, ts_recv
    rows[3, at], rows[4, at], rows[5, at] = action, side, 0
    rows[6, at], rows[7, at], rows[8, at] = price, size, condition
    rows[9, at], rows[10, at] = flags, 0
    return at + 1


@njit(**INNER)
def _code(symbol: int, counters: np.ndarray, slots: np.ndarray, symbols: np.ndarray) -> int:
    """Code of a symbol, a new one where it was not seen before."""
    mask = slots.size - 1
    slot = np.int64((np.uint64(symbol) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(40)) & mask
    while slots[slot]:
        code = slots[slot] - 1
        if symbols[code] == symbol:
            return code
        slot = (slot + 1) & mask
    code = counters[N_SYMBOLS]
    counters[N_SYMBOLS] += 1
    symbols[code] = symbol
    slots[slot] = code + 1
    return code


assert PACKET == 3, "problems name the packet by its payload"
