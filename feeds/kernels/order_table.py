"""Resting orders by number, for numba: an open-addressing hash table that forgets as readily as it learns.

Linear probing; a removal moves the entries behind it up, so that no tombstones pile up over a day in which nearly
every order is deleted. An entry is 32 bytes, half a cache line: number, price and remaining size, owner. Where most
entries lie outside the caches, a caller that knows the next numbers calls `touch` for all of them first: their misses
then run at the same time.

Removal after Knuth, The Art of Computer Programming 3, section 6.4, algorithm R; hash: ibid., multiplicative with the
golden ratio.

Here: the table. Not here: what happens to orders (feeds/kernels/itch_decode.py).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from feeds.kernels.memory import put64, word

#: Bytes of an entry, and where its words stand in it.
WIDTH = 32
NUMBER, PRICE_SIZE, OWNER = 0, 8, 16
#: Set in the owner word of an entry that is there.
PRESENT = 1 << 40
_WORDS = WIDTH // 8
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_LOW = 0xFFFFFFFF


class Table(NamedTuple):
    """Where a table lies: address of the first entry, its bytes less 1, and 64 less the binary logarithm of its slots.

    Kernels get this instead of the array, whose owner keeps it alive.
    """

    base: int
    mask: int
    shift: int


def new_table(slots: int = 1 << 16) -> np.ndarray:
    """An empty table: int64 of shape ``(slots * 4,)``; ``slots`` is a power of two."""
    return np.zeros(slots * _WORDS, np.int64)


def table_of(words: np.ndarray) -> Table:
    """What kernels need of a table."""
    slots = words.size // _WORDS
    return Table(words.ctypes.data, slots * WIDTH - 1, 65 - slots.bit_length())


def grown(words: np.ndarray) -> np.ndarray:
    """A table of twice the slots with the same orders."""
    larger = np.zeros(words.size * 2, np.int64)
    _refill(table_of(words), table_of(larger))
    return larger


@njit(cache=True, nogil=True)
def home(table: Table, number: int) -> int:
    """Where the search for an order begins, in bytes from the first entry."""
    return int((np.uint64(number) * _GOLDEN) >> np.uint64(table.shift)) * WIDTH


@njit(cache=True, nogil=True)
def find(table: Table, number: int) -> int:
    """Address of an order's entry, 0 where there is no such order."""
    at = home(table, number)
    while word(table.base + at + OWNER):
        if word(table.base + at + NUMBER) == number:
            return table.base + at
        at = (at + WIDTH) & table.mask
    return 0


@njit(cache=True, nogil=True)
def insert(table: Table, number: int, price: int, size: int, owner: int) -> None:
    """Add an order that is not there; ``price`` and ``size`` below 2**32, ``owner`` below `PRESENT`."""
    at = home(table, number)
    while word(table.base + at + OWNER):
        at = (at + WIDTH) & table.mask
    put64(table.base + at + NUMBER, number)
    put64(table.base + at + PRICE_SIZE, (price << 32) | size)
    put64(table.base + at + OWNER, PRESENT | owner)


@njit(cache=True, nogil=True)
def remove(table: Table, entry: int) -> None:
    """Remove the order whose entry is at the address ``entry``."""
    hole = entry - table.base
    probe = (hole + WIDTH) & table.mask
    while word(table.base + probe + OWNER):
        wanted = home(table, word(table.base + probe + NUMBER))
        # The entry may fill the hole unless its search begins behind it.
        if ((probe - wanted) & table.mask) >= ((probe - hole) & table.mask):
            for offset in (NUMBER, PRICE_SIZE, OWNER):
                put64(table.base + hole + offset, word(table.base + probe + offset))
            hole = probe
        probe = (probe + WIDTH) & table.mask
    put64(table.base + hole + OWNER, 0)


@njit(cache=True, nogil=True)
def price_of(entry: int) -> int:
    """Price of the order at the address ``entry``."""
    return (word(entry + PRICE_SIZE) >> 32) & _LOW


@njit(cache=True, nogil=True)
def size_of(entry: int) -> int:
    """What is left of the order at the address ``entry``."""
    return word(entry + PRICE_SIZE) & _LOW


@njit(cache=True, nogil=True)
def owner_of(entry: int) -> int:
    """Owner of the order at the address ``entry``."""
    return word(entry + OWNER) & (PRESENT - 1)


@njit(cache=True, nogil=True)
def reduce(entry: int, size: int) -> None:
    """Take ``size``, at most what is left, off the order at the address ``entry``."""
    put64(entry + PRICE_SIZE, word(entry + PRICE_SIZE) - size)


@njit(cache=True, nogil=True)
def _refill(table: Table, larger: Table) -> None:
    for entry in range(table.base, table.base + table.mask, WIDTH):
        if word(entry + OWNER):
            insert(larger, word(entry + NUMBER), price_of(entry), size_of(entry), owner_of(entry))
