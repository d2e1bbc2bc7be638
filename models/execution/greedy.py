"""Trained agents without exploration in many environments at once: what their orders cost.

Here: playing in a vector environment. Not here: single orders beside rules (evaluation.py), training.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from feeds.errors import SchemaError
from models.execution.protocol import Array, Observation, VectorEnvLike


class ActsOnMany(Protocol):
    """A trained network: `DqnPolicy`, `PpoPolicy`, `Narrowed`."""

    def act_batch(self, observations: Observation) -> npt.NDArray[np.int64] | Array:
        """Actions for (n, k) observations."""


def greedy_costs(
    env: VectorEnvLike, policy: ActsOnMany, rounds: int, seed: int, most_steps: int = 100_000
) -> npt.NDArray[np.float64]:
    """Shortfall of the first ``rounds`` orders of every environment; two policies meet the same starts.

    Starts are common, not orders: environments begin their next order when the one before ended, so that only the
    first of each is the same order in the same market. Short orders are not favoured: every environment counts alike.

    Args:
        env: Its episodes must end.
        policy: Acts greedily.
        rounds: Orders an environment.
        seed: Of the orders.
        most_steps: Steps after which episodes are taken not to end.

    Returns:
        (rounds x n,) float64 bps, environment by environment.

    Raises:
        SchemaError: The environments do not tell ``is_bps``, or an episode does not end.
    """
    states, _ = env.reset(seed=seed)
    found: list[list[float]] = [[] for _ in range(env.num_envs)]
    for _ in range(most_steps):
        states, _, terminated, truncated, info = env.step(policy.act_batch(np.array(states, dtype=np.float32)))
        for row in np.flatnonzero(np.asarray(terminated) | np.asarray(truncated)).tolist():
            if "is_bps" not in info:
                raise SchemaError("ended episodes", received=f"{sorted(info)}", expected="is_bps")
            if len(found[row]) < rounds:
                found[row].append(float(info["is_bps"][row]))
        if all(len(one) == rounds for one in found):
            return np.array([cost for one in found for cost in one])
    raise SchemaError("environments", received=f"{most_steps} steps", expected=f"{rounds} ended episodes in each")
