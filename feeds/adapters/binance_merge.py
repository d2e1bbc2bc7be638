"""Two streams of rows merged by time in bounded memory.

Here: merging. Not here: where rows come from (binance_archive.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class Rows:
    """Rows of one or both streams, (n,) each: ``time`` and ``placed`` (never decreasing) in ns, codes, units."""

    time: np.ndarray
    placed: np.ndarray
    action: np.ndarray
    side: np.ndarray
    price: np.ndarray
    size: np.ndarray
    flags: np.ndarray
    reason: np.ndarray

    @staticmethod
    def none() -> Rows:
        """No rows."""
        wide, small = np.zeros(0, np.int64), np.zeros(0, np.uint8)
        return Rows(wide, wide, small, small, wide, wide, small, small)

    def part(self, chosen: slice | np.ndarray) -> Rows:
        """Some of the rows."""
        return Rows(*(getattr(self, column.name)[chosen] for column in fields(self)))

    def then(self, other: Rows) -> Rows:
        """These rows and others behind them."""
        pairs = ((getattr(self, column.name), getattr(other, column.name)) for column in fields(self))
        return Rows(*(np.concatenate(pair) for pair in pairs))


class _Stream:
    """What was read of a stream and not given out yet."""

    def __init__(self, parts: Iterator[Rows]) -> None:
        self._parts, self.waiting, self.done = parts, Rows.none(), False

    def fill(self) -> None:
        """Read on where nothing waits."""
        while not self.done and not self.waiting.placed.size:
            more = next(self._parts, None)
            if more is None:
                self.done = True
            else:
                self.waiting = more

    def take(self, count: int) -> Rows:
        """Give out the first rows."""
        taken, self.waiting = self.waiting.part(slice(count)), self.waiting.part(slice(count, None))
        return taken


def merged(first: Iterator[Rows], second: Iterator[Rows]) -> Iterator[Rows]:
    """Rows of both by ``placed``; at equal times those of ``first`` stand first, each stream keeps its order.

    Args:
        first: Parts of one stream, not empty, ``placed`` never decreasing over all of them.
        second: Parts of the other stream.
    """
    one, other = _Stream(first), _Stream(second)
    while True:
        one.fill()
        other.fill()
        if one.done and other.done:
            return
        # What comes later in a stream is not before what waits there.
        ready, ready_other = one.waiting.placed.size, other.waiting.placed.size
        if not other.done:
            ready = int(np.searchsorted(one.waiting.placed, other.waiting.placed[-1], side="right"))
        if not one.done:
            ready_other = int(np.searchsorted(other.waiting.placed, one.waiting.placed[-1], side="left"))
        taken, taken_other = one.take(ready), other.take(ready_other)
        if not ready or not ready_other:
            yield taken if ready else taken_other
            continue
        both = taken.then(taken_other)
        yield both.part(np.argsort(both.placed, kind="stable"))
