"""The nearest set bit in a long row of bits, for numba: which price next to the best one is occupied.

A row of bits is words of 64, with a summary of one bit a word (set where the word is not 0): a search looks at one
word, then at the summary, then at one word again, and passes 4,096 empty places at a step.

Here: setting, clearing, searching. Not here: what a bit stands for (sim/ladder_book.py, sim/level_ladder.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from sim.compile_options import ENTRY

#: Places in a word, and the binary logarithm of that.
WORD, SHIFT = 64, 6
#: There is no set bit below, or above; the latter greater than any place.
NONE_BELOW, NONE_ABOVE = -1, 1 << 40
_LAST = WORD - 1
_ONE, _ZERO, _SIX_BITS = np.uint64(1), np.uint64(0), np.int64(_LAST)

#: As a name without a type: the decorated functions are called with one argument less than they are written with.
_intrinsic: Any = intrinsic


@_intrinsic
def _zeros_above(typing_context: Any, word: Any) -> Any:
    """Zeros in front of the highest set bit of a uint64."""
    never = ir.Constant(ir.IntType(1), 0)
    return types.int64(types.uint64), lambda context, builder, _, args: builder.ctlz(args[0], never)


@_intrinsic
def _zeros_below(typing_context: Any, word: Any) -> Any:
    """Zeros behind the lowest set bit of a uint64."""
    never = ir.Constant(ir.IntType(1), 0)
    return types.int64(types.uint64), lambda context, builder, _, args: builder.cttz(args[0], never)


def words_for(places: int) -> tuple[np.ndarray, np.ndarray]:
    """Words and summary, uint64, for ``places`` bits, none of them set."""
    words = max(1, -(-places // WORD))
    return np.zeros(words, np.uint64), np.zeros(-(-words // WORD), np.uint64)


@njit(**ENTRY)
def set_bit(words: np.ndarray, summary: np.ndarray, at: int) -> None:
    """Set the bit at ``at``."""
    word = at >> SHIFT
    words[word] |= _ONE << np.uint64(at & _SIX_BITS)
    summary[word >> SHIFT] |= _ONE << np.uint64(word & _SIX_BITS)


@njit(**ENTRY)
def clear_bit(words: np.ndarray, summary: np.ndarray, at: int) -> None:
    """Clear the bit at ``at``."""
    word = at >> SHIFT
    left = words[word] & ~(_ONE << np.uint64(at & _SIX_BITS))
    words[word] = left
    if left == _ZERO:
        summary[word >> SHIFT] &= ~(_ONE << np.uint64(word & _SIX_BITS))


@njit(**ENTRY)
def next_below(words: np.ndarray, summary: np.ndarray, at: int) -> int:
    """The highest set bit below ``at`` (0 to the number of bits, less one), `NONE_BELOW` where there is none."""
    word = at >> SHIFT
    found = words[word] & ((_ONE << np.uint64(at & _SIX_BITS)) - _ONE)
    if found == _ZERO:
        group = word >> SHIFT
        found = summary[group] & ((_ONE << np.uint64(word & _SIX_BITS)) - _ONE)
        while found == _ZERO:
            group -= 1
            if group < 0:
                return NONE_BELOW
            found = summary[group]
        word = (group << SHIFT) + _LAST - _zeros_above(found)
        found = words[word]
    return (word << SHIFT) + _LAST - _zeros_above(found)


@njit(**ENTRY)
def next_above(words: np.ndarray, summary: np.ndarray, at: int) -> int:
    """The lowest set bit above ``at`` (0 to the number of bits, less one), `NONE_ABOVE` where there is none."""
    word = at >> SHIFT
    # Shifted twice: at the last place of a word one shift by 64 would be undefined.
    found = words[word] & ~(((_ONE << np.uint64(at & _SIX_BITS)) << _ONE) - _ONE)
    if found == _ZERO:
        group = word >> SHIFT
        found = summary[group] & ~(((_ONE << np.uint64(word & _SIX_BITS)) << _ONE) - _ONE)
        while found == _ZERO:
            group += 1
            if group == summary.size:
                return NONE_ABOVE
            found = summary[group]
        word = (group << SHIFT) + _zeros_below(found)
        found = words[word]
    return (word << SHIFT) + _zeros_below(found)
