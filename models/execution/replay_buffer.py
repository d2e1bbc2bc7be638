"""Memory of an off-policy agent: past transitions in preallocated arrays, the oldest overwritten first.

Here: keeping transitions and drawing batches. Not here: what is learned from them (dqn.py).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.execution.protocol import Observation

Singles = npt.NDArray[np.float32]


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
    actions: npt.NDArray[np.int64]
    rewards: Singles
    next_states: Observation
    discounts: Singles
    shares: Singles
    moves: Singles


class ReplayBuffer:
    """A ring of transitions.

    Args:
        capacity: Transitions kept.
        width: Observations of a state.
    """

    def __init__(self, capacity: int, width: int) -> None:
        self.ring = Transitions(
            np.zeros((capacity, width), dtype=np.float32),
            np.zeros(capacity, dtype=np.int64),
            np.zeros(capacity, dtype=np.float32),
            np.zeros((capacity, width), dtype=np.float32),
            *(np.zeros(capacity, dtype=np.float32) for _ in range(3)),
        )
        self.added = 0

    def __len__(self) -> int:
        return min(self.added, self.ring.actions.shape[0])

    def add(
        self,
        state: Observation,
        action: int,
        reward: float,
        next_state: Observation,
        discount: float,
        share: float = 0.0,
        move: float = 0.0,
    ) -> None:
        """Keep one transition, in place of the oldest where the ring is full."""
        row = self.added % self.ring.actions.shape[0]
        ring = self.ring
        ring.states[row], ring.actions[row], ring.rewards[row] = state, action, reward
        ring.next_states[row], ring.discounts[row] = next_state, discount
        ring.shares[row], ring.moves[row] = share, move
        self.added += 1

    def kept(self) -> Transitions:
        """Views of all transitions kept, in no order that matters."""
        return self._rows(slice(0, len(self)))

    def sample(self, batch: int, random: np.random.Generator) -> Transitions:
        """Draw ``batch`` transitions with replacement."""
        return self._rows(random.integers(0, len(self), size=batch))

    def _rows(self, rows: slice | npt.NDArray[np.int64]) -> Transitions:
        ring = self.ring
        return Transitions(
            ring.states[rows],
            ring.actions[rows],
            ring.rewards[rows],
            ring.next_states[rows],
            ring.discounts[rows],
            ring.shares[rows],
            ring.moves[rows],
        )
