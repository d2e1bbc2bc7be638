"""A compiled table of live orders that grows with the orders alive, not with the file.

Open addressing with linear probing; a removed order's successors move back, so that nothing of it stays.

Here: the table. Not here: what happens to orders (dbn_mbo.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from feeds.kernels.options import INNER

#: Columns of the table, int64, shape ``(a power of two, COLUMNS)``. ``OWNER`` is the instrument's code + 1, 0 in an
#: empty slot; ``KIND`` holds the side and, above its lowest two bits, how often the book had been cleared before.
ORDER, OWNER, KIND, PRICE, SHOWN, STATED = range(6)
COLUMNS = 6
MISSING = -1
_ORDER_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_INSTRUMENT_FACTOR = np.uint64(0xC2B2AE3D27D4EB4F)
_SHIFT = np.uint64(32)


def new_table(slots: int = 4096) -> np.ndarray:
    """An empty table; ``slots`` is a power of two."""
    return np.zeros((slots, COLUMNS), np.int64)


@njit(**INNER)
def _home(order: int, instrument: int, mask: int) -> int:
    mixed = np.uint64(order) * _ORDER_FACTOR ^ np.uint64(instrument) * _INSTRUMENT_FACTOR
    return int(np.int64(mixed >> _SHIFT)) & mask


@njit(**INNER)
def find(table: np.ndarray, order: int, instrument: int) -> int:
    """Slot of an order, `MISSING` where it is not there."""
    mask = table.shape[0] - 1
    slot = _home(order, instrument, mask)
    while table[slot, OWNER]:
        if table[slot, ORDER] == order and table[slot, OWNER] == instrument + 1:
            return slot
        slot = (slot + 1) & mask
    return MISSING


@njit(**INNER)
def insert(table: np.ndarray, order: int, instrument: int) -> int:
    """Slot for an order that is not there; the caller keeps the table at most half full (`rehashed`)."""
    mask = table.shape[0] - 1
    slot = _home(order, instrument, mask)
    while table[slot, OWNER]:
        slot = (slot + 1) & mask
    table[slot, ORDER] = order
    table[slot, OWNER] = instrument + 1
    return slot


@njit(**INNER)
def remove(table: np.ndarray, slot: int) -> None:
    """Empty a slot."""
    mask = table.shape[0] - 1
    hole = slot
    at = (hole + 1) & mask
    while table[at, OWNER]:
        home = _home(table[at, ORDER], table[at, OWNER] - 1, mask)
        # It may move back only if its home does not lie behind the hole.
        if (at - home) & mask >= (at - hole) & mask:
            for column in range(COLUMNS):
                table[hole, column] = table[at, column]
            hole = at
        at = (at + 1) & mask
    table[hole, OWNER] = 0


@njit(cache=True, nogil=True)
def rehashed(table: np.ndarray, clears: np.ndarray) -> tuple[np.ndarray, int]:
    """The orders of ``table`` in one of which they fill a quarter at most.

    Args:
        table: To move from.
        clears: How often each instrument's book was cleared: orders from before are left behind.

    Returns:
        ``(table, orders)``.
    """
    alive = 0
    for slot in range(table.shape[0]):
        owner = table[slot, OWNER]
        if owner and table[slot, KIND] >> 2 == clears[owner - 1]:
            alive += 1
    size = table.shape[0]
    while size < 4 * alive:
        size *= 2
    new = np.zeros((size, COLUMNS), np.int64)
    for slot in range(table.shape[0]):
        owner = table[slot, OWNER]
        if owner and table[slot, KIND] >> 2 == clears[owner - 1]:
            to = insert(new, table[slot, ORDER], owner - 1)
            for column in range(COLUMNS):
                new[to, column] = table[slot, column]
    return new, alive
