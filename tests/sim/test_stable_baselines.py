"""The environment as an outside learner meets it: stable-baselines3, where it is installed."""

import numpy as np
import pytest

from sim.execution_actions import SliceActions
from sim.execution_env import ExecutionEnv
from sim.observation import FULL
from tests.support.env_pairs import GRID, TASK, flow

stable_baselines3 = pytest.importorskip("stable_baselines3", reason="stable-baselines3 is not installed")


def discrete():
    return ExecutionEnv(flow, TASK, GRID)


def continuous():
    return ExecutionEnv(flow, TASK, observation=FULL, actions=SliceActions())


@pytest.mark.parametrize("make", [discrete, continuous])
def test_its_checker_finds_nothing_wrong(make):
    from stable_baselines3.common.env_checker import check_env

    check_env(make(), warn=False, skip_render_check=True)


@pytest.mark.parametrize("make", [discrete, continuous])
def test_ppo_trains_on_it_unchanged(make):
    model = stable_baselines3.PPO("MlpPolicy", make(), n_steps=64, batch_size=32, n_epochs=2, seed=0, device="cpu")
    model.learn(256)
    _plays(model, make())


def test_dqn_trains_on_it_unchanged():
    model = stable_baselines3.DQN(
        "MlpPolicy", discrete(), learning_starts=50, train_freq=4, buffer_size=1_000, seed=0, device="cpu"
    )
    model.learn(300)
    _plays(model, discrete())


def _plays(model, env):
    observation, _ = env.reset(seed=1)
    ended = False
    while not ended:
        action, _ = model.predict(observation, deterministic=True)
        observation, _, ended, _, info = env.step(action)
    assert np.isfinite(info["is_bps"])
    assert info["completion"] == 1
