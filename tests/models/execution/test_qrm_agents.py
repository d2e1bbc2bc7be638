"""Agents judged on the queue-reactive task: the judge, its errors, and that a short training learns to use the book."""

import dataclasses

import numpy as np
import pytest

from benchmarks.qrm_agents import JUDGED_SEED, LADDER, PPO, Rung, estimate, paired, play, table, train
from models.execution.config import DqnConfig
from sim.qrm_params import QrmParams
from sim.qrm_policies import popv, run_schedule, twap
from sim.qrm_task import QrmTask

EXAMPLE = QrmParams.example()
TASK, LONGER = QrmTask(parent=12, horizon_s=60.0, decisions=7), QrmTask(horizon_s=240.0, decisions=13)


class Half:
    """Always half of the best ask."""

    def act_batch(self, observations):
        return np.ones(len(observations), np.int64)


def test_a_rule_played_as_an_agent_earns_what_its_compiled_schedule_earns():
    played = play(EXAMPLE, Half(), "book", 300, seed=5, task=TASK)
    ran = run_schedule(EXAMPLE, TASK, popv(TASK, 1, 0.5), 300, 5)
    np.testing.assert_allclose(played.reward, -ran.shortfall, atol=1e-9)
    assert np.array_equal(played.left, ran.left) and np.array_equal(played.decisions, ran.decisions)
    assert played.actions.tolist() == [0.0, 1.0, 0.0]


def test_the_error_holds_episodes_and_training_seeds():
    random = np.random.default_rng(0)
    luck, skill = random.normal(size=4000), random.normal(scale=0.1, size=200)
    found = estimate(skill[:5, None] + luck[None, :])
    assert found.error == pytest.approx(
        np.hypot(luck.std(ddof=1) / np.sqrt(4000), skill[:5].std(ddof=1) / np.sqrt(5)), rel=1e-3
    )
    assert 4 < found.freedom < 10  # five seeds decide
    means = [estimate(skill[k : k + 5, None] + random.normal(size=400)) for k in range(0, 200, 5)]
    inside = [low <= 0.0 <= high for low, high in (one.interval() for one in means)]
    assert np.mean(inside) > 0.85
    assert estimate(luck[None, :]).error == pytest.approx(luck.std(ddof=1) / np.sqrt(4000))


def test_an_interval_beside_another_mean_holds_its_error_too():
    found = estimate(np.random.default_rng(1).normal(size=(3, 1000)))
    low, high = found.interval((0.5, 1.0))
    assert low < found.mean - 0.5 < high and high - low > 2 * 1.9


def test_agents_of_different_many_seeds_are_paired_over_those_both_have():
    random = np.random.default_rng(3)
    many, few = random.normal(size=(5, 40)), random.normal(size=(3, 40))
    np.testing.assert_array_equal(paired(few, many), few - many[:3])
    np.testing.assert_array_equal(paired(many, few), many[:3] - few)


class Chance:
    """Any action."""

    def __init__(self):
        self.random = np.random.default_rng(0)

    def act_batch(self, observations):
        return self.random.integers(0, 3, len(observations))


def test_a_short_training_beats_the_even_schedule_on_other_episodes():
    rung = Rung("book", dataclasses.replace(PPO, steps=50_000))
    agent = play(EXAMPLE, train(EXAMPLE, rung, 1, LONGER), "book", 4000, task=LONGER)
    even = -run_schedule(EXAMPLE, LONGER, twap(LONGER), 4000, JUDGED_SEED).shortfall
    chance = play(EXAMPLE, Chance(), "book", 4000, task=LONGER).reward
    gain = estimate((agent.reward - even)[None, :])
    assert gain.mean > 2.0 * gain.error
    assert agent.reward.mean() > even.mean() > chance.mean()


def test_double_dqn_trains_on_it_and_repeats_itself():
    rung = Rung("published", DqnConfig(steps=2_500, batch=64, train_every=128, target_every=4, quiet=False))
    first, again = (train(EXAMPLE, rung, 3, TASK) for _ in range(2))
    assert first.to_bytes() == again.to_bytes()
    assert first.shape == (5, 3)


def test_the_ladder_changes_one_thing_at_a_time_and_prints_its_gains():
    for name, rung in LADDER.items():
        if rung.beside:
            other = LADDER[rung.beside]
            assert (rung.state != other.state) + (rung.config != other.config) == 1, name
    distance = {"difference": 0.1, "interval": [0.05, 0.15], "worse": False, "better": True}
    row = {"mean": -0.2, "se": 0.004, "sd": 0.6, "by_seed": [-0.2], "vs_twap": 0.1, "vs_twap_interval": [0.0, 0.2]}
    text = table({"agents": {"dqn": row | {"beside": "x"} | distance}, "schedules": {"twap": -0.36}})
    assert "-0.2000" in text and "twap" in text and "x +0.1000 [0.05, 0.15]" in text
