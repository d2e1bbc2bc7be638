"""Several vector environments of the same spaces as one: instruments and markets trained in together.

Here: `Joined`. Not here: the interface (protocol.py), single environments (serial_vector.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from feeds.errors import SchemaError, StudyError
from models.execution.protocol import Array, Observation, VectorEnvLike
from models.execution.serial_vector import FIRST_STREAM


class Joined:
    """Implements `models.execution.protocol.VectorEnvLike`: environments of the first part come first.

    Args:
        parts: At least one; observations and actions are the same in all.

    Attributes:
        parts: As given.
        num_envs: Of all parts.
        single_observation_space: Of the first.
        single_action_space: Of the first.

    Raises:
        StudyError: There is no part.
        SchemaError: Observations or actions of two parts differ.
    """

    def __init__(self, parts: Sequence[VectorEnvLike]) -> None:
        if not parts:
            raise StudyError("joined environments", received="none", expected="at least one")
        for part in parts[1:]:
            for name in ("single_observation_space", "single_action_space"):
                found, expected = getattr(part, name), getattr(parts[0], name)
                if found != expected:
                    raise SchemaError(f"joined environments: {name}", received=f"{found}", expected=f"{expected}")
        self.parts = list(parts)
        self.num_envs = sum(part.num_envs for part in parts)
        self.single_observation_space = parts[0].single_observation_space
        self.single_action_space = parts[0].single_action_space
        edges = np.cumsum([0, *(part.num_envs for part in parts)]).tolist()
        self._slices = [slice(begin, end) for begin, end in pairwise(edges)]

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode in each, every part from a stream of its own; without a seed the streams go on."""
        started = [
            part.reset(seed=None if seed is None else _seed(seed, number), options=options)
            for number, part in enumerate(self.parts)
        ]
        return np.concatenate([states for states, _ in started]), self._info([info for _, info in started])

    def step(self, actions: Any) -> tuple[Observation, Array, Array, Array, dict[str, Any]]:
        """Act in each; see `VectorEnvLike.step`.

        Raises:
            StudyError: There are not as many actions as environments.
        """
        if len(actions) != self.num_envs:
            raise StudyError("actions", received=f"{len(actions)}", expected=f"{self.num_envs}, one an environment")
        wanted = np.asarray(actions)
        stepped = [part.step(wanted[rows]) for part, rows in zip(self.parts, self._slices, strict=True)]
        states, rewards, terminated, truncated = (np.concatenate([one[k] for one in stepped]) for k in range(4))
        return states, rewards, terminated, truncated, self._info([one[4] for one in stepped])

    def _info(self, told: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Arrays over all environments; 0, and not in the mask, where a part does not tell."""
        joined: dict[str, Any] = {}
        for info, rows in zip(told, self._slices, strict=True):
            for name, values in info.items():
                if name.startswith("_") or f"_{name}" not in info:
                    continue
                values = np.asarray(values)
                if name not in joined:
                    joined[name] = np.zeros((self.num_envs, *values.shape[1:]), values.dtype)
                    joined[f"_{name}"] = np.zeros(self.num_envs, dtype=np.bool_)
                joined[name][rows], joined[f"_{name}"][rows] = values, info[f"_{name}"]
        return joined


def _seed(seed: int, number: int) -> int:
    """Of part ``number``: apart from the learner's streams of the same seed."""
    drawn = np.random.SeedSequence(seed, spawn_key=(FIRST_STREAM, number))
    return int(drawn.generate_state(1)[0]) & 0x7FFFFFFF
