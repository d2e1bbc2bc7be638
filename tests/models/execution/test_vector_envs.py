"""Many environments stepped together: the same episodes as alone, shaped rewards, the log of what ended."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from feeds.errors import SchemaError, StudyError
from models.execution.config import DqnConfig, PpoConfig
from models.execution.dqn import train_dqn
from models.execution.ppo import train_ppo
from models.execution.protocol import VectorEnvLike
from models.execution.serial_vector import FIRST_STREAM, SerialVector, as_vector
from models.execution.shaping import Shaper, drift_bps, potential, remaining_share
from models.execution.training_log import EpisodeLog
from models.execution.worlds import AlmgrenChriss, AlmgrenChrissWorld
from tests.support.linear_impact_env import DECISIONS, MULTIPLES, LinearImpactEnv

ENVS = 3


def actions_of(steps, seed=0):
    return np.random.default_rng(seed).integers(len(MULTIPLES), size=(steps, ENVS))


def played_alone(number, seed, actions):
    """The twin: one environment, its own stream of seeds, reset by hand."""
    seeds = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(FIRST_STREAM + number,)))
    env = LinearImpactEnv(3.0)
    state, info = env.reset(seed=int(seeds.integers(2**31)))
    rows, before = [], potential(info)
    for action in actions:
        drift, share = drift_bps(info), remaining_share(info)
        state, reward, ended, _, info = env.step(int(action))
        after = 0.0 if ended else potential(info)
        shaped, before, last = reward + after - before, after, state
        rows.append((reward, ended, shaped, share, drift_bps(info) - drift, last, info.get("is_bps")))
        if ended:
            state, info = env.reset(seed=int(seeds.integers(2**31)))
            before = potential(info)
        rows[-1] = (*rows[-1], state)
    return rows


def test_environments_step_together_as_they_do_alone_and_rewards_are_shaped_as_alone():
    env, shaper = SerialVector(lambda number: LinearImpactEnv(3.0), ENVS), Shaper(ENVS)
    actions = actions_of(4 * DECISIONS + 2)
    shaper.start(env.reset(seed=5)[1])
    twins = [played_alone(number, 5, actions[:, number]) for number in range(ENVS)]
    for step, row in enumerate(actions):
        states, rewards, terminated, truncated, info = env.step(row)
        shaped = shaper.step(rewards, terminated, info)
        assert not truncated.any()
        for number, twin in enumerate(twins):
            reward, ended, wanted, share, move, last, is_bps, state = twin[step]
            np.testing.assert_array_equal(states[number], state)
            assert (rewards[number], terminated[number], shaped.shares[number]) == (reward, ended, share)
            assert shaped.rewards[number] == pytest.approx(wanted, abs=1e-9)
            assert shaped.moves[number] == pytest.approx(move, abs=1e-9)
            if ended:
                np.testing.assert_array_equal(info["final_obs"][number], last)
                assert info["is_bps"][number] == is_bps and info["_is_bps"][number]


def test_a_seed_repeats_the_episodes_and_without_one_the_streams_go_on():
    env = SerialVector(lambda number: LinearImpactEnv(3.0), ENVS)
    first = [env.reset(seed=1)[0], env.step([0] * ENVS)[0]]
    env.reset()
    other = env.step([0] * ENVS)[0]
    again = [env.reset(seed=1)[0], env.step([0] * ENVS)[0]]
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[1], other)


def test_a_side_may_be_asked_of_all():
    env = SerialVector(lambda number: LinearImpactEnv(3.0), ENVS)
    env.reset(seed=1, options={"side": 1})
    assert [one.side for one in env.envs] == [1] * ENVS


def test_what_cannot_be_stepped_together_is_refused():
    with pytest.raises(StudyError, match="number of environments"):
        SerialVector(lambda number: LinearImpactEnv(), 0)
    with pytest.raises(StudyError, match="one an environment"):
        SerialVector(lambda number: LinearImpactEnv(), 2).step([0])
    with pytest.raises(SchemaError, match="discrete"):
        as_vector(AlmgrenChrissWorld(AlmgrenChriss(), 2, discrete=False), 2, discrete=True)


def test_environments_that_already_step_together_are_taken_as_they_are():
    world: VectorEnvLike = AlmgrenChrissWorld(AlmgrenChriss(), 2)
    assert as_vector(world, 7) is world
    assert as_vector(lambda number: LinearImpactEnv(), 7).num_envs == 7


def test_rewards_stay_where_neither_drift_nor_share_is_told():
    shaper, rewards = Shaper(2), np.array([1.0, -2.0])
    shaper.start({})
    shaped = shaper.step(rewards, np.array([True, False]), {})
    np.testing.assert_array_equal(shaped.rewards, rewards)
    assert not shaped.shares.any() and not shaped.moves.any()


def test_the_log_counts_steps_one_environment_after_another_and_falls_back_on_rewards():
    log = EpisodeLog(2)
    log.step(np.array([-1.0, -2.0]), np.array([False, False]), {}, 0)
    log.step(np.array([-1.0, -2.0]), np.array([False, True]), {}, 2)
    log.step(np.array([-1.0, -2.0]), np.array([True, True]), {"is_bps": np.array([7.0, 8.0])}, 4)
    assert log.learning().rows() == [(1, 4, 4.0), (2, 5, 7.0), (3, 6, 8.0)]
    log.step(np.array([-5.0, 0.0]), np.array([False, False]), {}, 6)
    log.start()
    log.step(np.array([-1.0, 0.0]), np.array([True, False]), {}, 8)
    assert log.learning()["is_bps"][-1] == 1.0


@pytest.mark.parametrize("agent", ["ppo", "dqn"])
def test_agents_train_in_the_vector_environments_of_gymnasium(agent):
    def make():
        return gymnasium.make("CartPole-v1", max_episode_steps=15)

    env = SyncVectorEnv([make] * 4, autoreset_mode=AutoresetMode.SAME_STEP)
    if agent == "ppo":
        trained = train_ppo(env, PpoConfig(steps=600, rollout=20, batch=40, layers=(8,)))
    else:
        trained = train_dqn(env, DqnConfig(steps=600, batch=32, layers=(8,), train_every=8))
    assert trained.policy.shape == (4, 2)
    # without a shortfall an episode costs minus its rewards: as many as it had steps, cut at 15
    lengths = -trained.learning["is_bps"].to_numpy()
    assert (lengths == lengths.astype(int)).all() and lengths.min() > 4 and lengths.max() == 15
