"""Environments of several markets as one, agents that see part of what is shown, and agents played greedily."""

import numpy as np
import pytest

from feeds.errors import SchemaError, StudyError
from models.execution.dqn_policy import DqnPolicy
from models.execution.greedy import greedy_costs
from models.execution.joined import Joined
from models.execution.narrowed import narrowed
from models.execution.serial_vector import SerialVector
from tests.support.linear_impact_env import DECISIONS, MULTIPLES, OBSERVATIONS, LinearImpactEnv


def part(count, sd=4.0):
    return SerialVector(lambda _: LinearImpactEnv(sd), count)


def joined():
    return Joined([part(2), part(3, 8.0)])


class Constant:
    """Always the same action."""

    def __init__(self, action):
        self.action = action

    def act_batch(self, observations):
        return np.full(len(observations), self.action)


def test_a_joined_environment_does_in_each_part_what_the_part_does_alone():
    whole, parts = joined(), [part(2), part(3, 8.0)]
    states, info = whole.reset(seed=7)
    first = whole.parts[0].reset(seed=1)[0]
    assert whole.num_envs == 5 and states.shape[0] == 5 and info["_remaining_share"].all()
    alone = [one.reset(seed=seed) for one, seed in zip(parts, (1, 2), strict=True)]
    assert np.array_equal(alone[0][0], first)
    whole.parts[1].reset(seed=2)
    random = np.random.default_rng(0)
    for _ in range(2 * DECISIONS + 1):
        actions = random.integers(0, len(MULTIPLES), 5)
        found = whole.step(actions)
        expected = [one.step(actions[rows]) for one, rows in zip(parts, (slice(0, 2), slice(2, 5)), strict=True)]
        for k in range(4):
            assert np.array_equal(found[k], np.concatenate([one[k] for one in expected]))
        if "is_bps" in found[4]:
            assert np.array_equal(found[4]["_is_bps"], found[2])
            assert np.array_equal(found[4]["is_bps"], np.concatenate([one[4]["is_bps"] for one in expected]))


def test_parts_of_one_seed_meet_different_markets_and_a_seed_gives_the_same_again():
    env = Joined([part(2), part(2)])
    costs = [greedy_costs(env, Constant(1), 2, seed) for seed in (3, 3, 4)]
    assert np.array_equal(costs[0], costs[1]) and not np.array_equal(costs[0], costs[2])
    assert not np.array_equal(costs[0][:4], costs[0][4:])


def test_what_only_one_part_tells_is_masked_in_the_other():
    class Mute(SerialVector):
        def step(self, actions):
            *stepped, _ = super().step(actions)
            return (*stepped, {})

    env = Joined([part(1), Mute(lambda _: LinearImpactEnv(), 1)])
    env.reset(seed=1)
    info = env.step([0, 0])[4]
    assert info["_drift_bps"].tolist() == [True, False]


def test_parts_must_offer_the_same_and_there_must_be_one():
    class Narrow(LinearImpactEnv):
        def __init__(self):
            super().__init__()
            self.observation_space = type(self.observation_space)(0.0, 1.0, (2,), np.float32)

    with pytest.raises(StudyError, match="at least one"):
        Joined([])
    with pytest.raises(SchemaError, match="single_observation_space"):
        Joined([part(1), SerialVector(lambda _: Narrow(), 1)])
    with pytest.raises(StudyError, match="5, one an environment"):
        joined().step([0, 1])


def test_every_environment_counts_alike_in_greedy_costs():
    costs = greedy_costs(joined(), Constant(len(MULTIPLES) - 1), 3, 5)
    assert costs.shape == (15,) and np.isfinite(costs).all()


def test_greedy_play_says_where_no_episode_ends():
    class Endless(SerialVector):
        def step(self, actions):
            states, rewards, ended, cut, info = super().step(actions)
            return states, rewards, np.zeros_like(ended), np.zeros_like(cut), info

    with pytest.raises(SchemaError, match="50 steps"):
        greedy_costs(Endless(lambda _: LinearImpactEnv(), 1), Constant(0), 1, 1, most_steps=50)


def a_policy(width):
    """The action of the largest observation, all of which have mean 0.5."""
    eye, mean = np.eye(width, dtype=np.float32), np.full(width, 0.5, np.float32)
    return DqnPolicy(mean, np.ones(width, np.float32), (eye,), (np.zeros(width, np.float32),))


def test_an_agent_sees_its_own_terms_whatever_their_places():
    agent = narrowed(a_policy(2), ("b", "a"), ("a", "x", "b"))
    assert agent.act(np.array([0.9, 5.0, 0.1], np.float32)) == 1
    assert agent.act_batch(np.array([[0.1, 5.0, 0.9], [0.9, 5.0, 0.1]], np.float32)).tolist() == [0, 1]


def test_an_agent_kept_from_a_term_acts_on_its_mean_and_leaves_the_observation_alone():
    agent = narrowed(a_policy(2), ("a", "b"), ("a", "b"), without=["b", "unknown"])
    shown = np.array([0.6, 9.0], np.float32)
    assert agent.act(shown) == 0 and shown[1] == 9.0
    assert narrowed(a_policy(2), ("a", "b"), ("a",), without=["b"]).act(np.array([0.4], np.float32)) == 1


def test_a_term_that_is_not_shown_is_an_error_unless_the_agent_is_kept_from_it():
    with pytest.raises(SchemaError, match="'b'"):
        narrowed(a_policy(2), ("a", "b"), ("a",))
    with pytest.raises(SchemaError, match="2 of them"):
        narrowed(a_policy(2), ("a",), ("a",))


def test_the_support_environment_offers_what_is_joined_here():
    assert joined().single_observation_space.shape == (len(OBSERVATIONS),)
