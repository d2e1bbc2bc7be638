"""Memory of an off-policy agent: past transitions in preallocated arrays, the oldest overwritten first.

Here: keeping transitions, drawing them, following one over several steps. Not here: what is learned from them
(dqn_learner.py), drawing by priority (priorities.py).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.execution.protocol import Observation

Singles = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


class Transitions(NamedTuple):
    """Transitions, one a row.

    Attributes:
        states: (n, k) float32, where the action was taken.
        actions: (n,) int64.
        rewards: (n,) float32.
        next_states: (n, k) float32.
        discounts: (n,) float32 on the value of ``next_states``; 0 where the episode ended.
        shares: (n,) float32, share of the parent order open in ``states``.
        moves: (n,) float32, move of the mid in the step, bps of the arrival mid, positive away from us.
    """

    states: Observation
    actions: Rows
    rewards: Singles
    next_states: Observation
    discounts: Singles
    shares: Singles
    moves: Singles

    def rows(self, rows: slice | Rows) -> Transitions:
        """Those of ``rows``."""
        return Transitions(**{name: column[rows] for name, column in self._asdict().items()})


class ReplayBuffer:
    """A ring of transitions.

    Args:
        capacity: Transitions kept.
        width: Observations of a state.
        stride: Environments that add in turn: the next step of a row's episode comes that many rows later.
    """

    def __init__(self, capacity: int, width: int, stride: int = 1) -> None:
        self.ring = Transitions(
            np.zeros((capacity, width), dtype=np.float32),
            np.zeros(capacity, dtype=np.int64),
            np.zeros(capacity, dtype=np.float32),
            np.zeros((capacity, width), dtype=np.float32),
            *(np.zeros(capacity, dtype=np.float32) for _ in range(3)),
        )
        self.stride, self.added = stride, 0
        # whether the environment went on after the row, in the same episode or the next
        self.follows = np.ones(capacity, dtype=np.bool_)

    def __len__(self) -> int:
        return min(self.added, self.capacity)

    @property
    def capacity(self) -> int:
        """Transitions kept at most."""
        return int(self.ring.actions.shape[0])

    def add(self, more: Transitions) -> Rows:
        """Keep transitions in place of the oldest where the ring is full; returns the rows they went to."""
        rows = np.asarray((self.added + np.arange(len(more.actions))) % self.capacity, dtype=np.int64)
        for name, values in more._asdict().items():
            getattr(self.ring, name)[rows] = values
        self.follows[rows] = True
        self.added += len(rows)
        return rows

    def cut(self) -> None:
        """Say that all environments start afresh: nothing follows on what was added last."""
        self.follows[(self.added - 1 - np.arange(min(self.stride, len(self)))) % self.capacity] = False

    def kept(self) -> Transitions:
        """Views of all transitions kept, in no order that matters."""
        return self.ring.rows(slice(0, len(self)))

    def draw(self, batch: int, random: np.random.Generator) -> Rows:
        """Rows of ``batch`` transitions, evenly, with replacement."""
        return random.integers(0, len(self), size=batch)

    def followed(self, rows: Rows, steps: int) -> list[tuple[Rows, npt.NDArray[np.bool_]]]:
        """The next steps of the episodes of ``rows``.

        Args:
            rows: (n,).
            steps: How many to look at, the first included.

        Returns:
            For each step its rows (n,) and a mask of those that belong to the same episode and are kept; elsewhere the
            row is the last one that did.
        """
        found = [(rows, np.ones(len(rows), dtype=np.bool_))]
        age = (self.added - 1 - rows) % self.capacity
        for _ in range(steps - 1):
            last, alive = found[-1]
            goes_on = alive & (self.ring.discounts[last] > 0.0) & self.follows[last] & (age >= self.stride)
            age = age - self.stride
            found.append((np.where(goes_on, (last + self.stride) % self.capacity, last), goes_on))
        return found
