"""The book of a level feed: total sizes at prices, kept in sorted arrays.

Each side is a pair of arrays, keys and sizes, with the best level last; the key is the price for bids and minus the
price for asks, so that better is always greater. Changes happen near the best: finding a level gallops from there and
inserting moves the few levels that are better. Nothing is allocated inside the fold.

A feed may also state the best of the same venue (``Q`` rows, sent at once, where levels come in batches). The two are
fused: what is stated rules the top of the book, levels say what lies behind it.

* A stated best removes the better levels of its side, sets its own, and removes the other side's levels it reaches:
  one venue is never locked or crossed with itself. Stated size 0: the side is empty.
* While a stated best is younger than `STALE_QUOTE_NS` (receiver's clock: some feeds of quotes have no venue clock) a
  level at or beyond it, or that reaches the other side's, is older knowledge that came later: it is ignored.

Without stated quotes a venue's levels cross only where messages are missing. As with quotes (feeds/nbbo.py) a cross
stands for `STALE_CROSS_NS` of the venue's clock, then the side whose best is older loses the levels in the way (both
sides where equally old) until they are restated. Inside an event (FLAG_PARTIAL) the book may be anything: crosses are
judged after its last row.

Here: the fold. Not here: frames (feeds/cleaning/level_books.py), books of orders (sim/), quotes of many exchanges.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from feeds.schema import ACTION_CODE, FLAG_PARTIAL, SIDE_CODE

STALE_CROSS_NS = 1_000_000_000
STALE_QUOTE_NS = 1_000_000_000
#: Counters of the fold: rows of whole events after which the best bid lies above the best ask; levels ignored because
#: a stated best contradicts them; levels a stated best removed; levels withdrawn from a lasting cross; most levels.
CROSSED, IGNORED, OVERRULED, WITHDRAWN, MOST_LEVELS = range(5)
N_COUNTS = 5
_QUOTE, _LEVEL, _CLEAR = ACTION_CODE["Q"], ACTION_CODE["L"], ACTION_CODE["R"]
assert (SIDE_CODE["B"], SIDE_CODE["A"]) == (0, 1), "the kernel indexes sides by their code"


@njit(cache=True, nogil=True)
def fold_levels(
    action: np.ndarray,
    side: np.ndarray,
    price: np.ndarray,
    size: np.ndarray,
    flags: np.ndarray,
    ts_ns: np.ndarray,
    recv_ns: np.ndarray,
    depth: int,
    keys: np.ndarray,
    sizes: np.ndarray,
    counts: np.ndarray,
    out: np.ndarray,
) -> None:
    """Fold events (n,) into the book columns ``out`` (6, n): bid price, size, ask price, size, depth of both sides.

    Args:
        action: Codes of feeds/schema.py; all but ``L``, ``Q`` and ``R`` leave the book alone.
        side: Codes; rows of no side leave the book alone.
        price: Ticks.
        size: Lots; 0 or less removes.
        flags: FLAG_* bits.
        ts_ns: Venue clock.
        recv_ns: Receiver's clock.
        depth: Levels a side that the depth sums over.
        keys: (2, capacity) int64 scratch; capacity greater than the rows that set a size.
        sizes: The same.
        counts: (`N_COUNTS`,) int64, added to.
        out: (6, n) int64, written.
    """
    n_levels = np.zeros(2, np.int64)
    improved_at = np.zeros(2, np.int64)
    stated = np.zeros(2, np.int64)
    stated_at = np.zeros(2, np.int64)
    standing = np.zeros(2, np.bool_)
    top = np.zeros(6, np.int64)
    crossed_since = -1
    for i in range(action.size):
        if crossed_since >= 0 and ts_ns[i] - crossed_since >= STALE_CROSS_NS:
            counts[WITHDRAWN] += _withdraw_stale(keys, n_levels, improved_at)
            _read_top(keys, sizes, n_levels, 0, depth, top)
            _read_top(keys, sizes, n_levels, 1, depth, top)
            crossed_since = -1
        kind, s = action[i], side[i]
        if kind == _CLEAR:
            n_levels[:] = 0
            standing[:] = False
            top[:] = 0
        elif s < 2 and kind == _LEVEL:
            key = price[i] if s == 0 else -price[i]
            if _overruled(s, key, size[i], recv_ns[i], stated, stated_at, standing):
                counts[IGNORED] += 1
            else:
                if size[i] > 0 and (n_levels[s] == 0 or key > keys[s, n_levels[s] - 1]):
                    improved_at[s] = ts_ns[i]
                deep = _set_level(keys[s], sizes[s], n_levels, s, key, size[i])
                if deep < depth:
                    _read_top(keys, sizes, n_levels, s, depth, top)
        elif s < 2 and kind == _QUOTE:
            standing[s] = price[i] > 0 and size[i] > 0
            if standing[s]:
                key = price[i] if s == 0 else -price[i]
                stated[s], stated_at[s], improved_at[s] = key, recv_ns[i], ts_ns[i]
                reached = _cut(keys, n_levels, 1 - s, -key)
                counts[OVERRULED] += reached + _cut(keys, n_levels, s, key + 1)
                _set_level(keys[s], sizes[s], n_levels, s, key, size[i])
                if reached > 0:
                    _read_top(keys, sizes, n_levels, 1 - s, depth, top)
            else:
                n_levels[s] = 0
            _read_top(keys, sizes, n_levels, s, depth, top)
        if flags[i] & FLAG_PARTIAL == 0:
            crossed = top[0] > top[2] and n_levels[0] > 0 and n_levels[1] > 0
            counts[CROSSED] += crossed
            if not crossed:
                crossed_since = -1
            elif crossed_since < 0:
                crossed_since = ts_ns[i]
        counts[MOST_LEVELS] = max(counts[MOST_LEVELS], n_levels[0], n_levels[1])
        for c in range(6):
            out[c, i] = top[c]


@njit(cache=True, nogil=True)
def _overruled(
    s: int, key: int, size: int, now: int, stated: np.ndarray, stated_at: np.ndarray, standing: np.ndarray
) -> bool:
    if standing[s] and now - stated_at[s] < STALE_QUOTE_NS and key >= stated[s]:
        return True
    other = 1 - s
    return size > 0 and standing[other] and now - stated_at[other] < STALE_QUOTE_NS and key >= -stated[other]


@njit(cache=True, nogil=True)
def _place(keys: np.ndarray, n: int, key: int) -> int:
    """The first place, from the worst level, whose key is not less than ``key``; n where there is none."""
    step, high = 1, n
    while high > 0 and keys[max(high - step, 0)] >= key:
        high = max(high - step, 0)
        step *= 2
    low = max(high - step, 0)
    while low < high:
        middle = (low + high) >> 1
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True)
def _set_level(keys: np.ndarray, sizes: np.ndarray, n_levels: np.ndarray, s: int, key: int, size: int) -> int:
    """Set or remove a level; how many better ones there are."""
    n = n_levels[s]
    at = _place(keys, n, key)
    found = at < n and keys[at] == key
    # Unsigned places: without a check for negative ones the compiler turns the loops into block moves.
    one, first = np.uint64(1), np.uint64(at)
    if size > 0 and found:
        sizes[at] = size
    elif size > 0:
        j = np.uint64(n)
        while j > first:
            keys[j] = keys[j - one]
            j -= one
        j = np.uint64(n)
        while j > first:
            sizes[j] = sizes[j - one]
            j -= one
        keys[at], sizes[at] = key, size
        n_levels[s] = n + 1
        return n - at
    elif found:
        last = np.uint64(n - 1)
        j = first
        while j < last:
            keys[j] = keys[j + one]
            j += one
        j = first
        while j < last:
            sizes[j] = sizes[j + one]
            j += one
        n_levels[s] = n - 1
    return n - 1 - at


@njit(cache=True, nogil=True)
def _cut(keys: np.ndarray, n_levels: np.ndarray, s: int, key: int) -> int:
    """Remove the levels of ``s`` whose key is at least ``key``; how many."""
    n = n_levels[s]
    while n_levels[s] > 0 and keys[s, n_levels[s] - 1] >= key:
        n_levels[s] -= 1
    return n - n_levels[s]


@njit(cache=True, nogil=True)
def _withdraw_stale(keys: np.ndarray, n_levels: np.ndarray, improved_at: np.ndarray) -> int:
    """Uncross: the side whose best is older loses what lies beyond the other's best; how many levels."""
    if n_levels[0] == 0 or n_levels[1] == 0:
        return 0
    bid, ask = keys[0, n_levels[0] - 1], -keys[1, n_levels[1] - 1]
    if bid <= ask:
        return 0
    withdrawn = 0
    if improved_at[0] <= improved_at[1]:
        withdrawn += _cut(keys, n_levels, 0, ask + 1)
    if improved_at[1] <= improved_at[0]:
        withdrawn += _cut(keys, n_levels, 1, 1 - bid)
    return withdrawn


@njit(cache=True, nogil=True)
def _read_top(keys: np.ndarray, sizes: np.ndarray, n_levels: np.ndarray, s: int, depth: int, top: np.ndarray) -> None:
    n = n_levels[s]
    total = 0
    for j in range(max(n - depth, 0), n):
        total += sizes[s, j]
    best = keys[s, n - 1] if n > 0 else 0
    top[2 * s] = best if s == 0 else -best
    top[2 * s + 1] = sizes[s, n - 1] if n > 0 else 0
    top[4 + s] = total
