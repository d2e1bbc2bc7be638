"""Compiled parts of the tape store: rows of many instruments brought together by instrument, in their own order.

A counting sort: one pass counts, one gives every row its place, one moves each column. Nothing is compared.

Here: the kernels. Not here: files (feeds/tape_part.py), what a tape is (feeds/tape.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def places(groups: np.ndarray, n_groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each row goes when rows are ordered by group, rows of a group staying in order.

    Args:
        groups: Unsigned, below ``n_groups``; one a row, shape ``(n,)``.
        n_groups: Number of groups.

    Returns:
        ``(starts, target)``: first row of each group, int64 of shape ``(n_groups + 1,)``, and the new place of each
        row, uint32 of shape ``(n,)``.
    """
    starts = np.zeros(n_groups + 1, np.int64)
    for row in range(groups.size):
        starts[np.int64(groups[row]) + 1] += 1
    for group in range(n_groups):
        starts[group + 1] += starts[group]
    cursor = starts[:-1].copy()
    target = np.empty(groups.size, np.uint32)
    for row in range(groups.size):
        own = np.int64(groups[row])
        target[row] = cursor[own]
        cursor[own] += 1
    return starts, target


@njit(cache=True, nogil=True)
def moved(values: np.ndarray, target: np.ndarray) -> np.ndarray:
    """``values`` with row ``k`` at ``target[k]``; shape and dtype of ``values``."""
    out = np.empty_like(values)
    for row in range(values.size):
        out[np.int64(target[row])] = values[row]
    return out


@njit(cache=True, nogil=True)
def group_facts(
    starts: np.ndarray, stamps: np.ndarray, reasons: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What each group holds, of rows ordered by group.

    Args:
        starts: See `places`.
        stamps: ns UTC, shape ``(n,)``.
        reasons: 0 for a row that was placed; shape ``(n,)``, or empty where every row was.

    Returns:
        ``(rejected, first, last)``, int64 of shape ``(n_groups,)``: rows with a reason, earliest and latest stamp of
        the others (the largest and smallest int64 where there are none).
    """
    n_groups = starts.size - 1
    rejected = np.zeros(n_groups, np.int64)
    first = np.full(n_groups, np.iinfo(np.int64).max, np.int64)
    last = np.full(n_groups, np.iinfo(np.int64).min, np.int64)
    for group in range(n_groups):
        for row in range(starts[group], starts[group + 1]):
            if reasons.size and reasons[row]:
                rejected[group] += 1
            else:
                first[group] = min(first[group], stamps[row])
                last[group] = max(last[group], stamps[row])
    return rejected, first, last
