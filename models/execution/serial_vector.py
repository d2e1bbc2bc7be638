"""Single environments stepped one after another, behind the interface of many.

Here: `SerialVector`, `as_vector`. Not here: the interface (protocol.py), environments that step together in one
compiled call.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from feeds.errors import SchemaError, StudyError
from models.execution.protocol import Array, ExecutionEnvLike, Info, MakeEnv, Observation, VectorEnvLike
from models.execution.shaping import drift_bps, remaining_share

#: Streams of a seed below this number belong to the learner, so that both may be given the same seed.
FIRST_STREAM = 3


class SerialVector:
    """Implements `models.execution.protocol.VectorEnvLike` over environments that know only themselves.

    Args:
        make_env: Called with 0 .. ``num_envs`` - 1; every environment must end its episodes.
        num_envs: How many.

    Attributes:
        num_envs: How many.
        single_observation_space: Of the first.
        single_action_space: Of the first.

    Raises:
        StudyError: There is none.
    """

    def __init__(self, make_env: MakeEnv, num_envs: int) -> None:
        if num_envs < 1:
            raise StudyError("number of environments", received=num_envs, expected="at least 1")
        self.envs: list[ExecutionEnvLike] = [make_env(number) for number in range(num_envs)]
        self.num_envs = num_envs
        self.single_observation_space = self.envs[0].observation_space
        self.single_action_space = self.envs[0].action_space
        self._seeds: list[np.random.Generator] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode in each, environment k from a stream of its own; without a seed the streams go on."""
        if seed is not None or not self._seeds:
            places = range(FIRST_STREAM, FIRST_STREAM + self.num_envs)
            self._seeds = [np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(k,))) for k in places]
        started = [self._start(number, options) for number in range(self.num_envs)]
        return np.stack([state for state, _ in started]), self._info([info for _, info in started])

    def step(self, actions: Any) -> tuple[Observation, Array, Array, Array, dict[str, Any]]:
        """Act in each, and begin the next episode where one ended; see `VectorEnvLike.step`.

        Raises:
            StudyError: There are not as many actions as environments.
        """
        if len(actions) != self.num_envs:
            raise StudyError("actions", received=f"{len(actions)}", expected=f"{self.num_envs}, one an environment")
        states, infos = np.zeros((self.num_envs, *self.single_observation_space.shape), np.float32), []
        last, rewards = np.zeros_like(states), np.zeros(self.num_envs)
        terminated, truncated = np.zeros((2, self.num_envs), dtype=np.bool_)
        for number, (env, action) in enumerate(zip(self.envs, actions, strict=True)):
            wanted = action if np.ndim(action) else int(action)
            states[number], rewards[number], terminated[number], truncated[number], info = env.step(wanted)
            infos.append(info)
            if terminated[number] or truncated[number]:
                last[number] = states[number]
                states[number] = self._start(number, None)[0]
        ended = terminated | truncated
        told = self._info(infos)
        if ended.any():
            told |= {"final_obs": last, "_final_obs": ended}
        return states, rewards, terminated, truncated, told

    def _start(self, number: int, options: dict[str, Any] | None) -> tuple[Observation, Info]:
        return self.envs[number].reset(seed=int(self._seeds[number].integers(2**31)), options=options)

    def _info(self, infos: list[Any]) -> dict[str, Any]:
        told: dict[str, Any] = {}
        for name, value_of, known_by in (
            ("remaining_share", remaining_share, "parent_lots"),
            ("drift_bps", drift_bps, "arrival_mid_ticks"),
            ("is_bps", lambda info: float(info["is_bps"]), "is_bps"),
        ):
            known = np.array([known_by in info for info in infos])
            if known.any():
                told[name] = np.array([value_of(info) if has else 0.0 for info, has in zip(infos, known, strict=True)])
                told[f"_{name}"] = known
        return told


def as_vector(source: MakeEnv | VectorEnvLike, num_envs: int, *, discrete: bool | None = None) -> VectorEnvLike:
    """Environments stepped together: those given, or ``num_envs`` made one by one.

    Args:
        source: What makes one, or many.
        num_envs: How many to make.
        discrete: Require that an action is a number; None takes either kind.

    Raises:
        SchemaError: The actions are of another kind.
    """
    env = SerialVector(source, num_envs) if callable(source) else source
    if discrete and not hasattr(env.single_action_space, "n"):
        raise SchemaError("actions", received=f"{env.single_action_space}", expected="a number of discrete actions")
    return env
