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


def test_many_at_once_are_the_same_behind_its_interface_of_many():
    from benchmarks.stable_baselines_peer import adapted, ppo
    from models.execution.config import PpoConfig
    from sim.vector_env import ExecutionVectorEnv

    env, twin = (ExecutionVectorEnv(flow(), 5, TASK, GRID) for _ in range(2))
    behind, random = adapted(env), np.random.default_rng(0)
    behind.seed(3)
    np.testing.assert_array_equal(behind.reset(), twin.reset(seed=3)[0])
    ends = 0
    for _ in range(20):
        actions = random.integers(GRID.n, size=5)
        seen, rewards, ended, told = behind.step(actions)
        wanted = twin.step(actions)
        np.testing.assert_array_equal(seen, wanted[0])
        np.testing.assert_array_equal(rewards, wanted[1].astype(np.float32))
        np.testing.assert_array_equal(ended, wanted[2])
        for row in np.flatnonzero(ended):
            ends += 1
            np.testing.assert_array_equal(told[row]["terminal_observation"], wanted[4]["final_obs"][row])
        assert all(not told[row] for row in np.flatnonzero(~ended))
    assert ends > 5
    train = ppo(env, PpoConfig(rollout=8, batch=20, epochs=1, layers=(4,)))
    assert train(40) > 0.0
