"""Drawing transitions in proportion to what was last wrong about them: a sum tree.

Source: Schaul, Quan, Antonoglou & Silver (2016), "Prioritized experience replay", ICLR, the proportional variant.

Here: priorities, draws and their weights. Not here: the transitions (replay_buffer.py).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
#: Added to every error, so that nothing is forgotten for good.
SMALLEST = 1e-3


class Priorities:
    """Priorities of the rows of a ring.

    Args:
        capacity: Rows.
        exponent: alpha: 0 draws evenly, 1 in proportion to the errors.

    Attributes:
        largest: Priority of a row that was never drawn.
    """

    def __init__(self, capacity: int, exponent: float) -> None:
        self.exponent, self.largest = exponent, 1.0
        self._leaves = 1 << max(1, (capacity - 1).bit_length())
        # node i has the children 2 i and 2 i + 1; row r is the leaf _leaves + r
        self._sums = np.zeros(2 * self._leaves)

    def leaves(self, count: int) -> Floats:
        """Priorities of the first ``count`` rows."""
        return self._sums[self._leaves : self._leaves + count].copy()

    def set_leaves(self, rows: Rows, values: Floats) -> None:
        """Set priorities, which are not negative; of equal rows the last counts."""
        self._sums[self._leaves + rows] = values
        nodes = np.unique((self._leaves + rows) // 2)
        while nodes.size and nodes[0] > 0:
            self._sums[nodes] = self._sums[2 * nodes] + self._sums[2 * nodes + 1]
            nodes = np.unique(nodes // 2)

    def add(self, rows: Rows) -> None:
        """Rows were written anew: they are drawn as often as the worst so far."""
        self.set_leaves(rows, np.full(len(rows), self.largest))

    def learn(self, rows: Rows, errors: npt.NDArray[np.float32]) -> None:
        """Rows were drawn and were wrong by ``errors`` in absolute value."""
        values = (np.abs(errors).astype(np.float64) + SMALLEST) ** self.exponent
        self.largest = max(self.largest, float(values.max()))
        self.set_leaves(rows, values)

    def draw(
        self, batch: int, kept: int, random: np.random.Generator, correction: float
    ) -> tuple[Rows, npt.NDArray[np.float32]]:
        """Rows of ``batch`` transitions, one from each slice of equal priority, and the weights of their errors.

        Args:
            batch: How many.
            kept: Rows in use.
            random: Source of the draws.
            correction: beta: 1 undoes the bias of drawing unevenly, 0 leaves it.

        Returns:
            (batch,) rows and (batch,) weights, the largest 1.
        """
        left = (np.arange(batch) + random.random(batch)) * (self._sums[1] / batch)
        nodes = np.ones(batch, dtype=np.int64)
        while nodes[0] < self._leaves:
            nodes *= 2
            beyond = left >= self._sums[nodes]
            left -= np.where(beyond, self._sums[nodes], 0.0)
            nodes += beyond
        # rounding may lead past the last row in use
        rows = np.minimum(nodes - self._leaves, kept - 1)
        chances = np.maximum(self._sums[self._leaves + rows], SMALLEST**2) / self._sums[1]
        weights = (kept * chances) ** -correction
        return rows, (weights / weights.max()).astype(np.float32)
