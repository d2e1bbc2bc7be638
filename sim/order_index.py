"""A hash table from order id to slot, on two preallocated arrays, for numba.

Here: open addressing with linear probing; deletion shifts entries back, so that there are no tombstones and a long run
stays as fast as a short one. Not here: orders (sim/book.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from sim.compile_options import ENTRY

EMPTY = -1
# Knuth's multiplicative hashing (2^64 / golden ratio): exchange ids are consecutive or share low bits.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@njit(**ENTRY)
def home_of(key: int, size: int) -> int:
    """The position ``key`` is looked for first; ``size`` is a power of two."""
    mixed = (np.uint64(key) * _GOLDEN) >> np.uint64(20)
    # np.int64, not int: numba's int() keeps uint64, and uint64 + int64 is a float64 that indexes nothing.
    return np.int64(mixed & np.uint64(size - 1))  # type: ignore[return-value]


@njit(**ENTRY)
def find(keys: np.ndarray, slots: np.ndarray, key: int) -> int:
    """The slot of ``key``, `EMPTY` where there is none."""
    mask = keys.size - 1
    at = home_of(key, keys.size)
    while slots[at] != EMPTY:
        if keys[at] == key:
            return slots[at]
        at = (at + 1) & mask
    return EMPTY


@njit(**ENTRY)
def insert(keys: np.ndarray, slots: np.ndarray, key: int, slot: int) -> None:
    """Store ``key``, which must not be there yet; the table must never be full."""
    mask = keys.size - 1
    at = home_of(key, keys.size)
    while slots[at] != EMPTY:
        at = (at + 1) & mask
    keys[at] = key
    slots[at] = slot


@njit(**ENTRY)
def remove(keys: np.ndarray, slots: np.ndarray, key: int) -> None:
    """Forget ``key`` and move later entries of its probe chain back; nothing happens where it is not there."""
    mask = keys.size - 1
    hole = home_of(key, keys.size)
    while slots[hole] != EMPTY and keys[hole] != key:
        hole = (hole + 1) & mask
    if slots[hole] == EMPTY:
        return
    at = hole
    while True:
        at = (at + 1) & mask
        if slots[at] == EMPTY:
            break
        home = home_of(keys[at], keys.size)
        if ((at - home) & mask) >= ((at - hole) & mask):
            keys[hole] = keys[at]
            slots[hole] = slots[at]
            hole = at
    slots[hole] = EMPTY
