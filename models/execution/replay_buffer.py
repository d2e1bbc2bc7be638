"""Memory of an off-policy agent: past transitions in preallocated arrays, the oldest overwritten first.

Here: storing n-step transitions and drawing batches. Not here: what is learned from them (dqn.py).
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.execution.protocol import Observation


class Batch(NamedTuple):
    """``batch`` transitions drawn uniformly.

    Attributes:
        states: (batch, k) float32, where the action was taken.
        actions: (batch,) int64.
        rewards: (batch,) float32, discounted sum up to ``next_states``.
        next_states: (batch, k) float32, where values are bootstrapped.
        discounts: (batch,) float32 on the bootstrapped value; 0 where the episode had ended.
    """

    states: Observation
    actions: npt.NDArray[np.int64]
    rewards: npt.NDArray[np.float32]
    next_states: Observation
    discounts: npt.NDArray[np.float32]


class ReplayBuffer:
    """A ring of transitions.

    Args:
        capacity: Transitions kept.
        width: Observations of a state.
    """

    def __init__(self, capacity: int, width: int) -> None:
        self.states = np.zeros((capacity, width), dtype=np.float32)
        self.next_states = np.zeros((capacity, width), dtype=np.float32)
        self.actions = np.zeros(capacity, dtype=np.int64)
        self.rewards = np.zeros(capacity, dtype=np.float32)
        self.discounts = np.zeros(capacity, dtype=np.float32)
        self.added = 0

    def __len__(self) -> int:
        return min(self.added, self.actions.shape[0])

    def add(self, state: Observation, action: int, reward: float, next_state: Observation, discount: float) -> None:
        """Keep one transition, in place of the oldest where the ring is full."""
        row = self.added % self.actions.shape[0]
        self.states[row], self.actions[row], self.rewards[row] = state, action, reward
        self.next_states[row], self.discounts[row] = next_state, discount
        self.added += 1

    def sample(self, batch: int, random: np.random.Generator) -> Batch:
        """Draw ``batch`` transitions with replacement."""
        rows = random.integers(0, len(self), size=batch)
        return Batch(
            self.states[rows], self.actions[rows], self.rewards[rows], self.next_states[rows], self.discounts[rows]
        )


class NStep:
    """Turns the steps of one environment into n-step transitions (Sutton & Barto 2018, ch. 7).

    Args:
        buffer: Where they go.
        n: Rewards summed.
        gamma: Discount a step.
    """

    def __init__(self, buffer: ReplayBuffer, n: int, gamma: float) -> None:
        self.buffer, self.n, self.gamma = buffer, n, gamma
        self.pending: deque[tuple[Observation, int, float]] = deque()

    def add(self, state: Observation, action: int, reward: float, next_state: Observation, ended: bool) -> None:
        """Take in one step; at the end of an episode the shorter rests are kept too."""
        self.pending.append((state, action, reward))
        while self.pending and (ended or len(self.pending) == self.n):
            total = sum(self.gamma**k * step[2] for k, step in enumerate(self.pending))
            discount = 0.0 if ended else self.gamma ** len(self.pending)
            first = self.pending.popleft()
            self.buffer.add(first[0], first[1], total, next_state, discount)
