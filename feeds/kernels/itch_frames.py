"""Compiled framing of TotalView-ITCH files: where the messages of a block begin.

Source: Nasdaq BinaryFILE (a length of two bytes before every message, 0 ends the session) and Nasdaq TotalView-ITCH
5.0, sections 1 and 4 (message types and their lengths).

Here: the scan. Not here: what the messages say (feeds/kernels/itch_decode.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from feeds.kernels.memory import u16

#: Why a scan stopped: the block ends (perhaps within a message), ``places`` is full, a length of 0, a message of no
#: known type or of a length its type does not have.
BLOCK_ENDS, FULL, SESSION_ENDS, UNKNOWN_TYPE, WRONG_LENGTH = range(5)


@njit(cache=True, nogil=True)
def scan(block: np.ndarray, begin: int, end: int, lengths: np.ndarray, places: np.ndarray) -> tuple[int, int, int]:
    """Find the messages of a block.

    Args:
        block: uint8.
        begin: Where the first length stands.
        end: Where the data of the block end.
        lengths: Length of a message by its type, int64 of shape ``(256,)``; 0: there is no such type.
        places: Where messages begin, uint32; filled from the front.

    Returns:
        ``(found, position, why)``: messages found, where the next length stands and one of the constants above.
    """
    base = block.ctypes.data
    position, found = begin, 0
    while position + 2 <= end:
        length = u16(base + position)
        if length == 0:
            return found, position, SESSION_ENDS
        if position + 2 >= end:
            break
        known = lengths[block[position + 2]]
        if known != length:
            return found, position, WRONG_LENGTH if known else UNKNOWN_TYPE
        if position + 2 + length > end:
            break
        if found == places.size:
            return found, position, FULL
        places[found] = position + 2
        found += 1
        position += 2 + length
    return found, position, BLOCK_ENDS
