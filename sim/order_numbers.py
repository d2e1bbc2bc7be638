"""Order ids replaced by numbers from 0, so that what is kept of each order fits an array.

Here: `number_ids`. Not here: numbers that are given back when an order ends (sim/ladder_rows.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from sim.compile_options import ENTRY
from sim.order_index import EMPTY, home_of


def number_ids(ids: np.ndarray, out: np.ndarray) -> int:
    """Number ids in the order in which they occur first.

    Args:
        ids: (n,) int64.
        out: (n,) int64, written: the number of each.

    Returns:
        How many different ids there are.
    """
    size = 1 << max(1, 2 * ids.size - 1).bit_length()
    return int(_number(ids, np.empty(size, np.int64), np.full(size, EMPTY, np.int32), out))


@njit(**ENTRY)
def _number(ids: np.ndarray, keys: np.ndarray, numbers: np.ndarray, out: np.ndarray) -> int:
    mask, count = keys.size - 1, 0
    for i in range(ids.size):
        at = home_of(ids[i], keys.size)
        while numbers[at] != EMPTY and keys[at] != ids[i]:
            at = (at + 1) & mask
        if numbers[at] == EMPTY:
            keys[at], numbers[at] = ids[i], count
            count += 1
        out[i] = numbers[at]
    return count
