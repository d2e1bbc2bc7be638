"""PPO and DQN of stable-baselines3 on the project's vector environments: what a user would train with instead.

Here: the adapter and the trainings. Not here: own agents and figures (rl_training.py).
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from models.execution.protocol import VectorEnvLike

if TYPE_CHECKING:
    from models.execution.config import DqnConfig, PpoConfig

_NOTHING: dict[str, Any] = {}


def is_here() -> bool:
    """Whether stable-baselines3 is installed."""
    return find_spec("stable_baselines3") is not None


def adapted(env: VectorEnvLike) -> Any:
    """A vector environment as a ``VecEnv``; what is told of episodes that go on is one empty dictionary: cheap."""
    from stable_baselines3.common.vec_env import VecEnv

    class Adapted(VecEnv):
        def __init__(self) -> None:
            super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)
            self._actions: Any = None

        def reset(self) -> Any:
            return np.array(env.reset(seed=self._seeds[0])[0])

        def step_async(self, actions: Any) -> None:
            self._actions = actions

        def step_wait(self) -> Any:
            seen, rewards, terminated, truncated, info = env.step(self._actions)
            ended = np.logical_or(terminated, truncated)
            told = [_NOTHING] * self.num_envs
            for row in np.flatnonzero(ended).tolist():
                told[row] = {"terminal_observation": info["final_obs"][row]}
            return np.array(seen), np.array(rewards, dtype=np.float32), ended, told

        def close(self) -> None:
            pass

        def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
            return [None] * self.num_envs

        def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
            raise AttributeError(attr_name)

        def env_method(self, method_name: str, *args: Any, indices: Any = None, **options: Any) -> list[Any]:
            raise AttributeError(method_name)

        def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
            return [False] * self.num_envs

    return Adapted()


def ppo(env: VectorEnvLike, config: PpoConfig) -> Callable[[int], float]:
    """A PPO of the same layers, epochs, batch and rollout; the rest are its defaults: no stop by divergence.

    Returns:
        What trains it for a number of steps and says how many seconds that took.
    """
    from stable_baselines3 import PPO
    from torch import nn

    model = PPO(
        "MlpPolicy",
        adapted(env),
        n_steps=config.rollout,
        batch_size=config.batch,
        n_epochs=config.epochs,
        policy_kwargs={"net_arch": list(config.layers), "activation_fn": nn.Tanh},
        seed=1,
        device="cpu",
    )
    return _timed(model)


def dqn(env: VectorEnvLike, config: DqnConfig) -> Callable[[int], float]:
    """A DQN of the same layers, batch and updates a step; the rest are its defaults: not double, no averages."""
    from stable_baselines3 import DQN

    model = DQN(
        "MlpPolicy",
        adapted(env),
        learning_starts=config.batch,
        batch_size=config.batch,
        buffer_size=config.replay,
        train_freq=1,
        gradient_steps=max(1, env.num_envs // config.train_every),
        target_update_interval=config.target_every * config.train_every,
        policy_kwargs={"net_arch": list(config.layers)},
        seed=1,
        device="cpu",
    )
    return _timed(model)


def _timed(model: Any) -> Callable[[int], float]:
    from models.execution.networks import one_thread

    def train(steps: int) -> float:
        # on several threads networks this small are slower, and far slower beside other processes
        with one_thread(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            started = time.perf_counter()
            model.learn(steps, reset_num_timesteps=False)
            return time.perf_counter() - started

    return train


def steps_per_s(train: Callable[[int], float], steps: int, repeats: int) -> float:
    """Environment steps a second, the best of some runs after a short one that is not counted."""
    train(1)
    runs: Sequence[float] = [train(steps) for _ in range(repeats)]
    return steps / min(runs)
