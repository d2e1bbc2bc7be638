"""The episodes of a training, in the order they ended.

Here: the learning curve's rows. Not here: smoothing them (evaluation.py), training (dqn.py, ppo.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from models.execution.protocol import Array

Floats = npt.NDArray[np.float64]


class EpisodeLog:
    """Shortfall of every episode that ended.

    Args:
        n: Environments.
    """

    def __init__(self, n: int) -> None:
        self._returns = np.zeros(n)
        self._parts: list[Floats] = []

    def start(self) -> None:
        """All environments start afresh; what was running does not count."""
        self._returns[:] = 0.0

    def step(self, rewards: Array, ended: npt.NDArray[np.bool_], info: Mapping[str, Any], done: int) -> None:
        """Note the episodes that ended with a step.

        Args:
            rewards: (n,).
            ended: (n,).
            info: Of the step; without ``is_bps`` an episode's shortfall is the sum of its rewards, negative.
            done: Environment steps before this one; the n of this one count one after another.
        """
        self._returns += rewards
        places = np.flatnonzero(ended)
        if places.size:
            costs = np.asarray(info.get("is_bps", -self._returns), dtype=np.float64)
            self._parts.append(np.stack([done + 1.0 + places, costs[places]], axis=1))
            self._returns[places] = 0.0

    def steps(self, ended: npt.NDArray[np.bool_], costs: Floats, done: int) -> None:
        """Note the episodes that ended in T steps of environments that tell ``is_bps``, as `step` does one by one.

        Args:
            ended: (T, n).
            costs: (T, n) ``is_bps`` where one ended.
            done: Environment steps before them.
        """
        self._parts.append(np.stack([done + 1.0 + np.flatnonzero(ended), costs[ended]], axis=1))

    def ended(self) -> Floats:
        """(m, 2): environment steps done, shortfall in bps."""
        return np.concatenate(self._parts) if self._parts else np.zeros((0, 2))

    def restore(self, ended: Floats) -> None:
        """Put back what `ended` told."""
        self._parts = [ended]

    def learning(self) -> pl.DataFrame:
        """One row an episode: ``episode`` (from 1), ``step`` (environment steps done), ``is_bps``."""
        ended = self.ended()
        return pl.DataFrame(
            {
                "episode": np.arange(1, len(ended) + 1, dtype=np.int64),
                "step": ended[:, 0].astype(np.int64),
                "is_bps": ended[:, 1],
            }
        )
