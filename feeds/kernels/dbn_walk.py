"""Compiled walk over Databento records of any length, and which instrument each belongs to.

Here: the kernels. Not here: layouts (feeds/adapters/dbn_records.py), what records mean (dbn_mbo.py and the others).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from feeds.kernels.dbn_rows import (
    ACTION_OF_BYTE,
    IN_ACTION,
    IN_CODE,
    IN_EVENT,
    IN_FLAGS,
    IN_ORDER,
    IN_PRICE,
    IN_RECV,
    IN_SIDE,
    IN_SIZE,
    LAST,
    SIDE_OF_BYTE,
)

_UNIT = 4  #: bytes a record's length counts
_HEADER = 16
#: How a walk ended: at the end of the bytes or within a record, or at a record that cannot be.
WALKED, BAD_LENGTH, OTHER_MARKET = 0, 1, 2


@njit(cache=True, nogil=True)
def walk(
    content: np.ndarray, wanted: int, size: int, markets: np.ndarray, found: np.ndarray, others: np.ndarray
) -> tuple[int, int, int, int]:
    """Find the records of a block.

    Args:
        content: uint8, shape ``(n,)``, beginning with a record.
        wanted: Type of the records looked for.
        size: Their length in bytes.
        markets: For each type whether it is market data: bool, shape ``(256,)``.
        found: Receives their places, int64; large enough for ``n / size``.
        others: Receives the places of other records, int64; large enough for ``n / 16``.

    Returns:
        ``(end, records found, other records, how)``: ``end`` is the first byte that is in no whole record, or that of
        the record at which the walk ended.
    """
    at, n_found, n_others = 0, 0, 0
    while at < content.size:
        length = int(np.int64(content[at])) * _UNIT
        if length < _HEADER:
            return at, n_found, n_others, BAD_LENGTH
        if at + length > content.size:
            # A record of the wrong length must not pass as one that merely continues in the next block.
            if at + 1 < content.size and content[at + 1] == wanted and length != size:
                return at, n_found, n_others, BAD_LENGTH
            break
        kind = content[at + 1]
        if kind == wanted:
            if length != size:
                return at, n_found, n_others, BAD_LENGTH
            found[n_found] = at
            n_found += 1
        elif markets[kind]:
            return at, n_found, n_others, OTHER_MARKET
        else:
            others[n_others] = at
            n_others += 1
        at += length
    return at, n_found, n_others, WALKED


@njit(cache=True, nogil=True)
def gathered(content: np.ndarray, places: np.ndarray, size: int) -> np.ndarray:
    """The records at ``places`` one behind the other: uint8, shape ``(n * size,)``."""
    out = np.empty(places.size * size, np.uint8)
    for i in range(places.size):
        out[i * size : (i + 1) * size] = content[places[i] : places[i] + size]
    return out


@njit(cache=True, nogil=True)
def unpack(words: np.ndarray, places: np.ndarray, by_order: bool, fields: np.ndarray) -> None:
    """Read the fields of records, in one pass.

    Args:
        words: The block as uint32, little endian.
        places: Bytes at which the records begin, int64, shape ``(n,)``.
        by_order: Whether they are market by order; else they begin as a trade does.
        fields: Receives them, int64, shape ``(RECORD_FIELDS, n)``; as code the venue's instrument number.
    """
    for i in range(places.size):
        w = places[i] >> 2
        fields[IN_CODE, i] = words[w + 1]
        fields[IN_EVENT, i] = _long(words, w + 2)
        if by_order:
            fields[IN_ORDER, i] = _long(words, w + 4)
            w += 2
            kinds = np.int64(words[w + 7])
            flags, action, side = kinds & 255, kinds >> 16 & 255, kinds >> 24
        else:
            fields[IN_ORDER, i] = 0
            kinds = np.int64(words[w + 7])
            action, side, flags = kinds & 255, kinds >> 8 & 255, kinds >> 16 & 255
        fields[IN_PRICE, i] = _long(words, w + 4)
        fields[IN_SIZE, i] = words[w + 6]
        fields[IN_ACTION, i] = ACTION_OF_BYTE[action]
        fields[IN_SIDE, i] = SIDE_OF_BYTE[side]
        fields[IN_FLAGS, i] = flags
        fields[IN_RECV, i] = _long(words, w + 8)


@njit(cache=True, nogil=True)
def _long(words: np.ndarray, at: int) -> int:
    return int(np.int64(words[at]) | np.int64(words[at + 1]) << 32)


@njit(cache=True, nogil=True)
def resolve(
    ids: np.ndarray, stamps: np.ndarray, known: np.ndarray, starts: np.ndarray, codes: np.ndarray
) -> tuple[np.ndarray, int]:
    """Instrument code of each record: that of the last interval of its number that has begun.

    Args:
        ids: Venue's instrument numbers, int64, shape ``(n,)``.
        stamps: Receive stamps, int64, shape ``(n,)``; negative where there is none.
        known: Numbers that are known, ascending, a number as often as it has intervals; int64, shape ``(k,)``.
        starts: First moment of each interval, int64, ascending within a number, the first one 0; shape ``(k,)``.
        codes: Code of each interval, int64.

    Returns:
        ``(codes, unknown)``: int64 of shape ``(n,)``, and the index of the first record whose number is not known; n
        where there is none.
    """
    out = np.zeros(ids.size, np.int64)
    at = 0
    for i in range(ids.size):
        if at >= known.size or known[at] != ids[i] or (starts[at] > stamps[i] and starts[at] > 0):
            at = np.searchsorted(known, ids[i])
            if at == known.size or known[at] != ids[i]:
                return out, i
        while at + 1 < known.size and known[at + 1] == ids[i] and starts[at + 1] <= stamps[i]:
            at += 1
        out[i] = codes[at]
    return out, ids.size


@njit(cache=True, nogil=True)
def common_power(prices: np.ndarray, power: int, undefined: int) -> int:
    """The largest number of trailing zeros, at most ``power``, that all ``prices`` (int64) have; 0 has any number."""
    unit = np.int64(10) ** power
    for price in prices:
        if price != undefined:
            while price % unit != 0:
                unit //= 10
                power -= 1
    return power


@njit(cache=True, nogil=True)
def closed_until(flags: np.ndarray, codes: np.ndarray, opened: np.ndarray) -> int:
    """How many records lead up to the last moment at which no instrument's event was under way.

    Args:
        flags: Databento's flags of each record, int64, shape ``(n,)``.
        codes: Instrument of each.
        opened: Zeros, one an instrument, uint8; used up.
    """
    count, until = 0, 0
    for i in range(flags.size):
        last = flags[i] & LAST != 0
        if opened[codes[i]] and last:
            count -= 1
        elif not opened[codes[i]] and not last:
            count += 1
        opened[codes[i]] = not last
        if count == 0:
            until = i + 1
    return until
