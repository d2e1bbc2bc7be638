"""Rows that compiled code writes into one int64 block, gathered to batches of a tape with narrow columns.

Here: `TapeBatch`. Not here: the tape (feeds/tape.py), who writes the rows (feeds/kernels).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: Rows of a batch, at least: one that is much smaller scatters the rows of an instrument.
BATCH_ROWS = 1_000_000
_NARROW = {"instrument": np.uint32, "action": np.uint8, "side": np.uint8, "flags": np.uint8, "reason": np.uint8}


class TapeBatch:
    """Gathers rows; its memory is used again for every batch.

    Args:
        names: Columns of the tape, in the order of the blocks' rows.
        rows: Rows from which a batch is `full`.
    """

    def __init__(self, names: Sequence[str], rows: int = BATCH_ROWS) -> None:
        self._names, self._rows = tuple(names), rows
        self._columns: dict[str, np.ndarray] = {}
        self.count = 0

    @property
    def full(self) -> bool:
        """Whether the batch is large enough to be written."""
        return self.count >= self._rows

    def add(self, block: np.ndarray) -> None:
        """Add rows.

        Args:
            block: int64, shape ``(columns, n)``.
        """
        end = self.count + block.shape[1]
        if not self._columns or end > len(self._columns[self._names[0]]):
            self._grow(end)
        for name, values in zip(self._names, block, strict=True):
            self._columns[name][self.count : end] = values
        self.count = end

    def take(self) -> dict[str, np.ndarray]:
        """The batch, valid until the next `add`; the next one begins empty."""
        columns = {name: values[: self.count] for name, values in self._columns.items()}
        self.count = 0
        return columns

    def _grow(self, rows: int) -> None:
        room = max(rows, self._rows + self._rows // 4)
        for name in self._names:
            new = np.empty(room, _NARROW.get(name, np.int64))
            if name in self._columns:
                new[: self.count] = self._columns[name][: self.count]
            self._columns[name] = new
