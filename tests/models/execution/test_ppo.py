"""PPO: advantages against their sum, the same agent twice, bytes without code, known optima, what ends an update."""

import dataclasses

import numpy as np
import pytest
import torch

from feeds.errors import LakeError, SchemaError, StudyError
from models.execution.config import PpoConfig
from models.execution.dqn_policy import Agent
from models.execution.evaluation import both_sides, evaluate
from models.execution.ppo import _Trainer, advantages, train_ppo
from models.execution.ppo_heads import Gaussian, Numbered
from models.execution.ppo_learner import ACTOR
from models.execution.ppo_policy import PpoPolicy, in_range
from models.execution.worlds import AlmgrenChriss, AlmgrenChrissWorld
from tests.support.linear_impact_env import MULTIPLES, LinearImpactEnv

NO_SPREAD = torch.zeros(0)
SHORT = PpoConfig(steps=1500, rollout=16, batch=128, layers=(16,), envs=8)


def world(discrete=True, risk_aversion=0.0, envs=16):
    return AlmgrenChrissWorld(AlmgrenChriss(risk_aversion=risk_aversion), envs, discrete=discrete)


def same(left, right):
    return left.to_bytes() == right.to_bytes()


def summed(rewards, values, ended, gamma, lam):
    """The twin: sums of discounted errors, written as they are defined."""
    found = np.zeros_like(rewards)
    for t, n in np.ndindex(*rewards.shape):
        weight = 1.0
        for later in range(t, len(rewards)):
            next_value = 0.0 if ended[later, n] else gamma * values[later + 1, n]
            found[t, n] += weight * (rewards[later, n] + next_value - values[later, n])
            weight *= gamma * lam
            if ended[later, n]:
                break
    return found


@pytest.mark.parametrize(("gamma", "lam"), [(1.0, 0.95), (0.9, 0.0), (0.97, 1.0)])
def test_advantages_are_the_discounted_sums_of_the_errors_of_the_value(gamma, lam):
    random = np.random.default_rng(4)
    rewards, values, ended = random.normal(size=(9, 4)), random.normal(size=(10, 4)), random.random((9, 4)) < 0.3
    found = advantages(rewards, values, ended, gamma, lam)
    np.testing.assert_allclose(found, summed(rewards, values, ended, gamma, lam), atol=1e-12)
    if lam == 1.0:
        # the whole return, whatever the value says in between
        np.testing.assert_allclose(found[ended], (rewards - values[:-1])[ended])


@pytest.mark.parametrize("discrete", [True, False], ids=["numbered", "continuous"])
def test_two_trainings_give_the_same_agent_and_another_seed_another(discrete):
    first, second = (train_ppo(world(discrete), SHORT) for _ in range(2))
    assert same(first.policy, second.policy)
    assert first.learning.equals(second.learning)
    assert not same(first.policy, train_ppo(world(discrete), dataclasses.replace(SHORT, seed=2)).policy)
    assert first.policy.discrete == discrete


def test_training_leaves_threads_and_generators_of_the_caller_as_they_were():
    threads = torch.get_num_threads()
    torch.manual_seed(5)
    before, np_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    train_ppo(world(), SHORT)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == np_before).all()  # noqa: NPY002


def test_single_environments_train_it_and_the_agent_plays_them():
    told = []
    trained = train_ppo(lambda number: LinearImpactEnv(), SHORT, lambda done, total: told.append((done, total)))
    assert told == sorted(told) and told[-1] == (SHORT.steps, SHORT.steps)
    assert trained.policy.shape == (3, len(MULTIPLES))
    rows = evaluate(lambda number: LinearImpactEnv(), [Agent(trained.policy, 1, "ppo")], both_sides(4, 1))
    assert rows["policy"].unique().to_list() == ["ppo"] and (rows["completion"] == 1.0).all()
    assert trained.learning["step"].is_sorted() and trained.learning.height > SHORT.steps // 5 - SHORT.envs


def test_a_policy_goes_on_from_where_it_stood():
    first = train_ppo(world(), SHORT).policy
    went_on = train_ppo(world(), dataclasses.replace(SHORT, lr=1e-12), start=first).policy
    np.testing.assert_array_equal(first.mean, went_on.mean)
    np.testing.assert_allclose(first.weights[0], went_on.weights[0], atol=1e-6)
    with pytest.raises(SchemaError, match="start of the training"):
        train_ppo(world(), dataclasses.replace(SHORT, layers=(17,)), start=first)
    with pytest.raises(SchemaError, match="start of the training"):
        train_ppo(world(discrete=False), SHORT, start=first)


@pytest.mark.parametrize("discrete", [True, False], ids=["numbered", "continuous"])
def test_bytes_bring_back_the_same_actions(discrete):
    policy = train_ppo(world(discrete), SHORT).policy
    states = np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32) * [0.3, 0.3, 100.0]
    again = PpoPolicy.from_bytes(policy.to_bytes())
    np.testing.assert_array_equal(again.act_batch(states), policy.act_batch(states))
    assert again.to_bytes() == policy.to_bytes()
    np.testing.assert_allclose(policy.act(states[0]), policy.act_batch(states)[0])
    with pytest.raises(SchemaError, match="3, as trained"):
        policy.act(np.zeros(4, dtype=np.float32))
    with pytest.raises(LakeError, match="execution agent"):
        PpoPolicy.from_bytes(policy.to_bytes()[:100])


def test_the_numpy_policy_says_what_the_network_that_was_trained_says():
    trainer = _Trainer(world(discrete=False), SHORT, None, None)
    for _ in range(3):
        trainer.advance()
    learner, states = trainer.learner, trainer.player.states
    wanted = learner.nets.of(ACTOR, learner.inputs(states)).numpy()
    np.testing.assert_allclose(learner.policy().outputs(states), wanted, atol=1e-5)


def test_draws_follow_the_chances_that_are_told():
    random = np.random.default_rng(0)
    numbered, outputs = Numbered(3), torch.log(torch.tensor([[0.5, 0.3, 0.2]])).repeat(20_000, 1)
    drawn = numbered.draw(outputs.numpy(), numbered.noise(1, 20_000, random)[0], NO_SPREAD)
    np.testing.assert_allclose(np.bincount(drawn) / 20_000, [0.5, 0.3, 0.2], atol=0.015)
    logs = numbered.chances(outputs, torch.from_numpy(drawn), NO_SPREAD).logs
    np.testing.assert_allclose(logs.exp().numpy(), np.array([0.5, 0.3, 0.2])[drawn], rtol=1e-5)


def test_a_continuous_action_has_the_chances_of_a_normal_one_and_the_range_of_the_space():
    head, spread = Gaussian(np.zeros(2, np.float32), np.array([4.0, 2.0], np.float32)), torch.tensor([0.3, 0.1]).log()
    outputs = torch.tensor([[0.1, -0.2]]).repeat(20_000, 1)
    drawn = head.draw(outputs.numpy(), head.noise(1, 20_000, np.random.default_rng(1))[0], spread)
    np.testing.assert_allclose(drawn.std(axis=0), [0.3, 0.1], rtol=0.02)
    logs = head.chances(outputs, torch.from_numpy(drawn), spread).logs
    wanted = torch.distributions.Normal(outputs, spread.exp()).log_prob(torch.from_numpy(drawn)).sum(dim=1)
    torch.testing.assert_close(logs, wanted, rtol=1e-4, atol=1e-4)
    edges = np.array([[-1.0, 1.0], [-9.0, 9.0], [0.0, 0.0]], np.float32)
    np.testing.assert_allclose(in_range(edges, head.low, head.high), [[0.0, 2.0], [0.0, 2.0], [2.0, 1.0]])
    np.testing.assert_allclose(head.to_env(edges), in_range(edges, head.low, head.high))


def test_an_update_ends_once_the_policy_has_moved_too_far():
    changed = []
    for kl_stop in (1e-9, 0.0):
        trainer = _Trainer(world(), dataclasses.replace(SHORT, kl_stop=kl_stop, lr=1e-2), None, None)
        trainer.advance()
        trainer.advance()
        changed.append(trainer.learner.optimiser.count)
    # the first batch cannot have moved yet, the second has
    assert changed == [1, SHORT.epochs * 2]


class CutShort:
    """One state for ever, reward 1 a step, cut after ``length`` steps: worth is what comes after the cut too."""

    num_envs = 4

    def __init__(self, length, truncates):
        self.length, self.truncates, self.steps = length, truncates, 0
        self.single_observation_space, self.single_action_space = (
            world().single_observation_space,
            world().single_action_space,
        )

    def reset(self, *, seed=None, options=None):
        return np.ones((4, 3), np.float32), {}

    def step(self, actions):
        self.steps += 1
        over = np.full(4, self.steps % self.length == 0)
        ended = (np.zeros(4, bool), over) if self.truncates else (over, np.zeros(4, bool))
        seen = np.ones((4, 3), np.float32)
        return seen, np.ones(4), *ended, {"final_obs": seen}


def test_a_cut_episode_is_worth_what_would_have_followed():
    config = dataclasses.replace(SHORT, steps=2000, gamma=0.5, lr=1e-2, lr_last=1.0)
    worths = []
    for truncates in (True, False):
        trainer = _Trainer(CutShort(2, truncates), config, None, None)
        while not trainer.finished:
            trainer.advance()
        learner = trainer.learner
        worths.append(float(learner.values(learner.inputs(np.ones((1, 3), np.float32)))) * trainer.reward_scale)
    # 1 + 1/2 + 1/4 + ... where the cut is not an end; 1.5 and 1 in turn where it is
    assert worths == pytest.approx([2.0, 1.25], abs=0.12)


def test_clipping_the_value_holds_it_near_where_it_was():
    moved = []
    for value_clip in (0.0, 1e-3):
        trainer = _Trainer(world(), dataclasses.replace(SHORT, value_clip=value_clip, lr=1e-2), None, None)
        trainer.advance()
        states = trainer.learner.inputs(trainer.player.states)
        before = trainer.learner.values(states)
        trainer.advance()
        moved.append(float((trainer.learner.values(states) - before).abs().mean()))
    assert moved[1] < 0.5 * moved[0]


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"layers": ()}, {"lr": 0.0}, {"gamma": 1.5}, {"clip": 0.0}, {"entropy": -1}]
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(StudyError, match="execution agent"):
        PpoConfig(**wrong)
