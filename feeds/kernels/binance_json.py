"""Lines of websocket captures into numbers: ``<receive ns> <compact JSON>``, every byte checked.

The kernel takes the spelling the exchange uses: no blanks between tokens, no escapes, prices and sizes as decimal
strings, each key once, in any order. A line that is spelled otherwise is left as `ODD`, for a slower reader
(feeds/adapters/binance_message.py) that also tells what is wrong with it. Sources: "Binance Spot API, WebSocket
Streams", sections "Trade Streams", "Aggregate Trade Streams", "Individual Symbol Book Ticker Streams" and "Diff. Depth
Stream"; the sections of the same names of the USD-M and COIN-M futures documentation.

Here: bytes to messages. Not here: which messages count (feeds/adapters/binance_join.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from feeds.kernels.binance_tokens import (
    CLOSE,
    COLON,
    COMMA,
    KEY_DATA,
    KEY_STREAM,
    LIST,
    QUOTE,
    ZERO,
    enter_message,
    is_text,
    level_list,
    literal,
    packed,
    quoted_decimal,
    receive_stamp,
    short_text,
    time_ns,
)
from feeds.kernels.csv_cells import NEWLINE, whole_number
from feeds.kernels.options import INNER

#: Kinds of messages. The kernel knows ODD to SNAPSHOT; the others are set by the slower reader.
ODD, DEPTH, TICKER, TRADE, AGG_TRADE, SNAPSHOT, IGNORED, UNPLACED = range(8)
#: Columns of a line's record. PLACE: of the line's first byte; TIME_NS: transaction time, else event time, else the
#: receive stamp; FIRST_ID: of a depth message U, of a trade its id, of a ticker its update id; LAST_ID: of a depth
#: message u, of a snapshot lastUpdateId; PREVIOUS_ID: pu, -1 where there is none; LEVEL, LEVELS: first row and number
#: of rows among the levels.
KIND, PLACE, RECV_NS, TIME_NS, FIRST_ID, LAST_ID, PREVIOUS_ID, LEVEL, LEVELS = range(9)
COLUMNS = 9
BID, ASK = 0, 1

_MAX_KEY = 12

# What a message has said so far, one bit each; times and ids also stand at the bit's place in `fields`.
(
    _EVENT_TIME, _TRANSACTION_TIME, _FIRST, _LAST, _PREVIOUS, _TRADE_ID, _AGG_ID, _SNAPSHOT_ID, _MAKER,
    _BIDS, _ASKS, _BID_PX, _BID_SZ, _ASK_PX, _ASK_SZ, _PRICE, _SIZE, _SYMBOL, _EVENT,
) = range(19)  # fmt: skip
_SLOTS = 19
_DEPTH_EVENT, _TICKER_EVENT, _TRADE_EVENT, _AGG_EVENT = 1, 2, 3, 4
_KEY_RESULT = packed("result")
_KEY_E, _KEY_EVENT_TIME, _KEY_T, _KEY_S = packed("e"), packed("E"), packed("T"), packed("s")
_KEY_FIRST, _KEY_LAST, _KEY_PREVIOUS = packed("U"), packed("u"), packed("pu")
_KEY_B, _KEY_A, _KEY_BID_SZ, _KEY_ASK_SZ = packed("b"), packed("a"), packed("B"), packed("A")
_KEY_TRADE, _KEY_PRICE, _KEY_SIZE, _KEY_MAKER = packed("t"), packed("p"), packed("q"), packed("m")
_KEY_SNAPSHOT, _KEY_BIDS, _KEY_ASKS = packed("lastUpdateId"), packed("bids"), packed("asks")
_KEY_SYMBOL = packed("symbol")
_EVENT_DEPTH, _EVENT_TICKER = packed("depthUpdate"), packed("bookTicker")
_EVENT_TRADE, _EVENT_AGG = packed("trade"), packed("aggTrade")


@njit(**INNER)
def _number_slot(key: int) -> int:
    """What a whole number under a key is; -1: nothing that matters."""
    if key == _KEY_EVENT_TIME:
        return _EVENT_TIME
    if key == _KEY_T:
        return _TRANSACTION_TIME
    if key == _KEY_FIRST:
        return _FIRST
    if key == _KEY_LAST:
        return _LAST
    if key == _KEY_PREVIOUS:
        return _PREVIOUS
    if key == _KEY_TRADE:
        return _TRADE_ID
    if key == _KEY_A:
        return _AGG_ID
    if key == _KEY_SNAPSHOT:
        return _SNAPSHOT_ID
    return -1


@njit(**INNER)
def _decimal_slot(key: int) -> int:
    """What a decimal string under a key is; -1: nothing that matters."""
    if key == _KEY_B:
        return _BID_PX
    if key == _KEY_BID_SZ:
        return _BID_SZ
    if key == _KEY_A:
        return _ASK_PX
    if key == _KEY_ASK_SZ:
        return _ASK_SZ
    if key == _KEY_PRICE:
        return _PRICE
    if key == _KEY_SIZE:
        return _SIZE
    return -1


@njit(**INNER)
def _event_code(word: int, length: int) -> int:
    """Of the text under ``e``; -1: an event the kernel does not know."""
    if word == _EVENT_DEPTH and length == 11:
        return _DEPTH_EVENT
    if word == _EVENT_TICKER and length == 10:
        return _TICKER_EVENT
    if word == _EVENT_TRADE and length == 5:
        return _TRADE_EVENT
    if word == _EVENT_AGG and length == 8:
        return _AGG_EVENT
    return -1


@njit(cache=True, nogil=True)
def _read_fields(
    text: np.ndarray,
    at: int,
    symbol: np.ndarray,
    places: np.ndarray,
    fields: np.ndarray,
    sides: np.ndarray,
    prices: np.ndarray,
    sizes: np.ndarray,
    count: int,
) -> tuple[int, int, int]:
    """The members of an object behind its opening brace.

    Returns:
        The place behind its closing brace (-1: not plain), the bits of what it says, the new count of levels.
    """
    seen = 0
    while True:
        if text[at] != QUOTE:
            return -1, seen, count
        key, length, at = short_text(text, at + 1)
        if at < 0 or length > _MAX_KEY or text[at] != COLON:
            return -1, seen, count
        at += 1
        # A key of 9 characters or more is known by its first 8 and its length.
        if length > 8 and not (key == _KEY_SNAPSHOT and length == 12):
            key = 0
        if key in (KEY_STREAM, KEY_DATA, _KEY_RESULT):
            return -1, seen, count
        letter, slot = text[at], -1
        if letter == QUOTE:
            slot = _decimal_slot(key)
            if slot >= 0:
                fields[slot], at = quoted_decimal(text, at, places[(slot - _BID_PX) % 2])
            else:
                first = at + 1
                word, length, at = short_text(text, first)
                if at >= 0 and key == _KEY_E:
                    slot = _EVENT
                    fields[slot] = _event_code(word, length)
                elif at >= 0 and key in (_KEY_S, _KEY_SYMBOL):
                    slot = _SYMBOL
                    fields[slot] = is_text(text, first, symbol, length)
                elif _number_slot(key) >= 0:
                    return -1, seen, count
        elif letter == LIST:
            if key in (_KEY_B, _KEY_BIDS):
                slot = _BIDS
            elif key in (_KEY_A, _KEY_ASKS):
                slot = _ASKS
            else:
                return -1, seen, count
            at, count = level_list(text, at + 1, places, BID if slot == _BIDS else ASK, sides, prices, sizes, count)
        elif 0 <= letter - ZERO <= 9:
            if letter == ZERO and 0 <= np.int64(text[at + 1]) - ZERO <= 9:
                return -1, seen, count
            value, at = whole_number(text, at)
            slot = _number_slot(key)
            if key in (_KEY_E, _KEY_S, _KEY_SYMBOL):
                return -1, seen, count
            if slot >= 0:
                fields[slot] = time_ns(value) if slot <= _TRANSACTION_TIME else value
                if fields[slot] < 0:
                    return -1, seen, count
        else:
            value, at = literal(text, at)
            if key == _KEY_MAKER:
                slot = _MAKER
                fields[slot] = value
            elif _number_slot(key) >= 0 or _decimal_slot(key) >= 0 or key in (_KEY_E, _KEY_S, _KEY_SYMBOL):
                return -1, seen, count
        if at < 0 or (slot >= 0 and seen >> slot & 1):
            return -1, seen, count
        if slot >= 0:
            seen |= 1 << slot
        if text[at] == CLOSE:
            return at + 1, seen, count
        if text[at] != COMMA:
            return -1, seen, count
        at += 1


def _bits(*slots: int) -> int:
    return sum(1 << slot for slot in slots)


_NEED_DEPTH = _bits(_EVENT, _SYMBOL, _EVENT_TIME, _FIRST, _LAST, _BIDS, _ASKS)
_NEED_TICKER = _bits(_SYMBOL, _LAST, _BID_PX, _BID_SZ, _ASK_PX, _ASK_SZ)
_NEED_PRINT = _bits(_EVENT, _SYMBOL, _PRICE, _SIZE, _MAKER, _TRANSACTION_TIME)
_NEED_SNAPSHOT = _bits(_SNAPSHOT_ID, _BIDS, _ASKS)
_HAS_EVENT, _HAS_SYMBOL, _HAS_PREVIOUS = _bits(_EVENT), _bits(_SYMBOL), _bits(_PREVIOUS)
_HAS_TRADE, _HAS_AGG, _HAS_SNAPSHOT = _bits(_TRADE_ID), _bits(_AGG_ID), _bits(_SNAPSHOT_ID)


@njit(**INNER)
def _kind_of(seen: int, fields: np.ndarray, futures: bool, wrapped: bool) -> int:
    """Kind of a message by what it says; ODD: the slower reader must look."""
    if seen & _HAS_SYMBOL and fields[_SYMBOL] == 0:
        return ODD
    if not seen & _HAS_EVENT:
        # A snapshot in a stream is a whole book of few levels; spot's book ticker has no event name.
        if seen & _NEED_SNAPSHOT == _NEED_SNAPSHOT:
            return ODD if wrapped else SNAPSHOT
        return TICKER if seen & _NEED_TICKER == _NEED_TICKER and not seen & _HAS_SNAPSHOT else ODD
    event = fields[_EVENT]
    if event == _DEPTH_EVENT and seen & _NEED_DEPTH == _NEED_DEPTH and (not futures or seen & _HAS_PREVIOUS):
        return DEPTH
    if event == _TICKER_EVENT and seen & _NEED_TICKER == _NEED_TICKER:
        return TICKER
    if seen & _NEED_PRINT == _NEED_PRINT:
        if event == _TRADE_EVENT and seen & _HAS_TRADE:
            return TRADE
        if event == _AGG_EVENT and seen & _HAS_AGG:
            return AGG_TRADE
    return ODD


@njit(**INNER)
def _finish(
    kind: int,
    seen: int,
    fields: np.ndarray,
    record: np.ndarray,
    sides: np.ndarray,
    prices: np.ndarray,
    sizes: np.ndarray,
    count: int,
) -> int:
    """Fill a record, and the levels of a message that has its prices outside lists; the new count of levels."""
    record[TIME_NS] = record[RECV_NS]
    if seen >> _TRANSACTION_TIME & 1:
        record[TIME_NS] = fields[_TRANSACTION_TIME]
    elif seen >> _EVENT_TIME & 1:
        record[TIME_NS] = fields[_EVENT_TIME]
    if kind == DEPTH:
        record[FIRST_ID], record[LAST_ID] = fields[_FIRST], fields[_LAST]
        record[PREVIOUS_ID] = fields[_PREVIOUS] if seen & _HAS_PREVIOUS else -1
    elif kind == SNAPSHOT:
        record[LAST_ID] = fields[_SNAPSHOT_ID]
    elif kind == TICKER:
        record[FIRST_ID] = fields[_LAST]
        sides[count], prices[count], sizes[count] = BID, fields[_BID_PX], fields[_BID_SZ]
        sides[count + 1], prices[count + 1], sizes[count + 1] = ASK, fields[_ASK_PX], fields[_ASK_SZ]
        count += 2
    else:
        record[FIRST_ID] = fields[_TRADE_ID] if kind == TRADE else fields[_AGG_ID]
        # The buyer's order rested: the seller is the aggressor.
        sides[count] = ASK if fields[_MAKER] else BID
        prices[count], sizes[count] = fields[_PRICE], fields[_SIZE]
        count += 1
    return count


@njit(cache=True, nogil=True)
def scan_lines(
    text: np.ndarray,
    symbol: np.ndarray,
    futures: bool,
    places: np.ndarray,
    records: np.ndarray,
    sides: np.ndarray,
    prices: np.ndarray,
    sizes: np.ndarray,
) -> tuple[int, int, int]:
    """Read whole lines.

    Args:
        text: (n,) uint8, ends in a line end.
        symbol: (k,) uint8, the instrument's symbol as the exchange spells it.
        futures: Whether depth messages must name their predecessor.
        places: (2,) int64: decimals kept of prices and of sizes.
        records: (lines, COLUMNS) int64, overwritten: one a line.
        sides: (n // 8 + 2,) uint8, overwritten: BID or ASK of each level; of a trade the aggressor's side.
        prices: (n // 8 + 2,) int64, overwritten, times ``10**places[0]``.
        sizes: (n // 8 + 2,) int64, overwritten, times ``10**places[1]``.

    Returns:
        Lines, levels, lines left ODD.
    """
    fields = np.zeros(_SLOTS, np.int64)
    at, line, count, odd = 0, 0, 0, 0
    while at < text.size:
        record = records[line]
        record[:] = 0
        start, before, kind, seen = at, count, ODD, 0
        record[RECV_NS], at = receive_stamp(text, at)
        if at >= 0:
            at, wrapped = enter_message(text, at)
            if at >= 0:
                at, seen, count = _read_fields(text, at, symbol, places, fields, sides, prices, sizes, count)
                if at >= 0 and wrapped:
                    at = at + 1 if text[at] == CLOSE else -1
                if at >= 0 and text[at] == NEWLINE:
                    kind = _kind_of(seen, fields, futures, wrapped)
        if kind == ODD:
            odd += 1
            count, at = before, start
            while text[at] != NEWLINE:
                at += 1
        else:
            if kind in (TICKER, TRADE, AGG_TRADE):
                count = before
            count = _finish(kind, seen, fields, record, sides, prices, sizes, count)
        record[KIND], record[PLACE] = kind, start
        record[LEVEL], record[LEVELS] = before, count - before
        at += 1
        line += 1
    return line, count, odd
