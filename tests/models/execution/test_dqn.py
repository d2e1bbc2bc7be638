"""Double DQN: the same agent twice, bytes without code, and the known optimum of a market of closed form."""

import numpy as np
import polars as pl
import pytest
import torch

from feeds.errors import LakeError, SchemaError, StudyError
from models.execution import move_noise
from models.execution.baselines import twap_taker
from models.execution.comparison import summarise
from models.execution.config import DqnConfig
from models.execution.dqn import train_dqn
from models.execution.dqn_policy import Agent, DqnPolicy
from models.execution.evaluation import both_sides, evaluate
from models.execution.move_noise import MoveNoise, Steps
from models.execution.replay_buffer import ReplayBuffer, Transitions
from models.execution.shaping import drift_bps, potential
from tests.support.execution_inputs import a_policy
from tests.support.linear_impact_env import DECISIONS, IMPACT_BPS, LinearImpactEnv

SHORT = DqnConfig(steps=1200, layers=(16,), batch=64)


def same(left, right):
    return left.to_bytes() == right.to_bytes()


@pytest.fixture(scope="module")
def trained():
    return train_dqn(lambda number: LinearImpactEnv(mid_sd_bps=3.0), DqnConfig(steps=6000, seed=3))


def test_a_risk_neutral_agent_finds_the_cost_of_twap_and_does_not_beat_it(trained):
    rules = [twap_taker(), Agent(trained.policy, 3)]
    table = summarise(evaluate(lambda number: LinearImpactEnv(3.0), rules, both_sides(200, 11, own_blocks=True)))
    line = table.row(by_predicate=pl.col("policy") == "dqn", named=True)
    optimum = IMPACT_BPS / DECISIONS
    assert line["is_bps"] < 1.05 * optimum
    # the agent sees no future: its mean over buys and sells of the same starts is its schedule's, never below TWAP's
    assert line["vs_twap_high"] > -1e-6


def test_training_beats_chance_by_the_end(trained):
    learning = trained.learning
    assert learning.columns == ["episode", "step", "is_bps"]
    assert learning["episode"].to_list() == list(range(1, learning.height + 1))
    assert learning["step"].is_sorted()
    tenth = learning.height // 10
    assert learning.tail(tenth)["is_bps"].mean() < 0.75 * learning.head(tenth)["is_bps"].mean()


def test_two_trainings_give_the_same_agent_and_another_seed_another():
    first, second = (train_dqn(lambda number: LinearImpactEnv(), SHORT) for _ in range(2))
    assert same(first.policy, second.policy)
    assert first.learning.equals(second.learning)
    other = train_dqn(lambda number: LinearImpactEnv(), DqnConfig(steps=1200, layers=(16,), batch=64, seed=2))
    assert not same(first.policy, other.policy)


def test_training_leaves_threads_and_generators_of_the_caller_as_they_were():
    threads = torch.get_num_threads()
    torch.manual_seed(5)
    before = torch.get_rng_state()
    np_before = np.random.get_state()[1].copy()  # noqa: NPY002
    train_dqn(lambda number: LinearImpactEnv(), SHORT)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == np_before).all()  # noqa: NPY002


def test_progress_ends_at_the_last_step():
    told = []
    train_dqn(lambda number: LinearImpactEnv(), SHORT, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (1200, 1200)
    assert told == sorted(told)


def test_every_environment_of_a_training_is_made_once():
    made = []
    train_dqn(lambda number: made.append(number) or LinearImpactEnv(), DqnConfig(steps=600, envs=3, layers=(8,)))
    assert made == [0, 1, 2]


def test_a_policy_goes_on_from_where_it_stood():
    first = train_dqn(lambda number: LinearImpactEnv(), SHORT).policy
    # with no update at all the start comes back
    untouched = train_dqn(lambda number: LinearImpactEnv(), DqnConfig(steps=8, layers=(16,)), start=first).policy
    assert same(first, untouched)
    went_on = train_dqn(lambda number: LinearImpactEnv(), SHORT, start=first).policy
    assert not same(first, went_on)
    np.testing.assert_array_equal(first.mean, went_on.mean)


def test_a_start_of_other_layers_is_refused():
    first = train_dqn(lambda number: LinearImpactEnv(), SHORT).policy
    with pytest.raises(SchemaError, match="start of the training"):
        train_dqn(lambda number: LinearImpactEnv(), DqnConfig(steps=8, layers=(17,)), start=first)


def test_the_potential_is_minus_what_the_mid_has_cost_the_lots_left():
    info = {"side": 0, "parent_lots": 10, "remaining_lots": 4, "arrival_mid_ticks": 1e4, "mid_ticks": 10_005.0}
    assert drift_bps(info) == pytest.approx(5.0)
    assert potential(info) == pytest.approx(-5.0 * 0.4)
    assert potential(info | {"side": 1}) == pytest.approx(5.0 * 0.4)
    assert potential(info | {"remaining_lots": 0}) == 0.0


def test_shaping_moves_reward_between_steps_and_leaves_the_sum_of_an_episode():
    env = LinearImpactEnv(mid_sd_bps=5.0)
    _, info = env.reset(seed=4)
    rewards, shaped, before, ended = 0.0, 0.0, potential(info), False
    while not ended:
        _, reward, ended, _, info = env.step(2)
        after = 0.0 if ended else potential(info)
        rewards, shaped, before = rewards + reward, shaped + reward + after - before, after
    assert shaped == pytest.approx(rewards)
    assert rewards == pytest.approx(-info["is_bps"])


def test_bytes_bring_back_the_same_values():
    policy = a_policy()
    states = np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32)
    again = DqnPolicy.from_bytes(policy.to_bytes())
    np.testing.assert_array_equal(again.q_values(states), policy.q_values(states))
    assert again.to_bytes() == policy.to_bytes()
    np.testing.assert_array_equal(policy.act_batch(states), [policy.act(state) for state in states])


@pytest.mark.parametrize("content", [b"", b"no archive", a_policy().to_bytes()[:200]], ids=["empty", "text", "cut"])
def test_bytes_of_something_else_are_refused(content):
    with pytest.raises(LakeError, match="execution agent"):
        DqnPolicy.from_bytes(content)


def test_a_state_of_another_width_is_refused():
    with pytest.raises(SchemaError, match="3, as trained"):
        a_policy().q_values(np.zeros(4, dtype=np.float32))


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"layers": ()}, {"lr": 0.0}, {"gamma": 1.5}, {"envs": 0}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(StudyError, match="execution agent"):
        DqnConfig(**wrong)


def test_a_full_ring_forgets_the_oldest():
    buffer = ReplayBuffer(3, 1)
    for k in range(5):
        buffer.add(Transitions(*(np.array([value]) for value in ([k], k, float(k), [k + 1], 1.0, k / 10, k / 100))))
    assert len(buffer) == len(buffer.kept().actions) == 3
    assert sorted(buffer.kept().actions.tolist()) == [2, 3, 4]
    drawn = buffer.kept().rows(buffer.draw(200, np.random.default_rng(0)))
    assert set(drawn.actions.tolist()) == {2, 3, 4}
    np.testing.assert_array_equal(drawn.states[:, 0] + 1, drawn.next_states[:, 0])
    np.testing.assert_array_equal(drawn.states[:, 0], drawn.rewards)
    np.testing.assert_allclose(drawn.shares, drawn.actions / 10, rtol=1e-6)
    np.testing.assert_allclose(drawn.moves, drawn.actions / 100, rtol=1e-6)


def made_steps(random, n=20_000):
    """Steps in which the state foretells part of the move, action 2 pushes the mid, and the rest is news."""
    states = random.normal(size=(n, 3)).astype(np.float32)
    actions, shares = random.integers(0, 3, n), random.uniform(0, 1, n).astype(np.float32)
    news = random.normal(0, 5, n)
    foretold = 0.7 * states[:, 0] + 2.0 * shares * (actions == 2)
    moves = (foretold + news).astype(np.float32)
    # action 2 takes half of what is open before the move
    exposed = shares * np.where(actions == 2, 0.5, 1.0)
    rewards = (-exposed * moves - 0.3 * (actions == 1)).astype(np.float32)
    return Steps(states, actions, shares, moves), rewards, -exposed * foretold - 0.3 * (actions == 1)


def test_news_leaves_the_rewards_and_what_was_foretold_stays():
    steps, rewards, wanted = made_steps(np.random.default_rng(1))
    noise = MoveNoise(3)
    noise.fit(steps, rewards)
    quiet = rewards - noise.of(steps)
    assert np.var(quiet - wanted) < 0.01 * np.var(rewards - wanted)
    for action in range(3):
        mine = steps.actions == action
        assert quiet[mine].mean() == pytest.approx(wanted[mine].mean(), abs=0.1)
    slope = np.polyfit(steps.states[:, 0], quiet, 1)[0]
    assert slope == pytest.approx(np.polyfit(steps.states[:, 0], wanted, 1)[0], abs=0.08)


def test_nothing_is_subtracted_before_a_fit_nor_for_an_action_never_taken():
    steps, rewards, _ = made_steps(np.random.default_rng(2), n=50)
    noise = MoveNoise(5)
    assert not noise.of(steps).any()
    noise.fit(steps, rewards)
    unseen = steps._replace(actions=np.full(50, 4))
    assert not noise.of(unseen).any()
    assert noise.of(steps).any()


@pytest.mark.parametrize("continuous", [False, True])
def test_news_leaves_the_rewards_of_actions_whose_exposure_depends_on_the_state(continuous):
    random = np.random.default_rng(6)
    n = 20_000
    steps, _, _ = made_steps(random, n)
    fraction = random.uniform(0.0, 1.0, n)
    actions = np.stack([fraction], axis=1).astype(np.float32) if continuous else steps.actions
    kept = 1.0 - fraction if continuous else np.where(steps.actions == 2, 0.5, 1.0)
    exposed = steps.shares * (kept + 0.3 * steps.states[:, 1] * steps.shares)
    news = random.normal(0, 5, n)
    steps = steps._replace(actions=actions, moves=(0.7 * steps.states[:, 0] + news).astype(np.float32))
    rewards = (-exposed * steps.moves).astype(np.float32)
    noise = MoveNoise(3, by_state=True)
    noise.fit(steps, rewards)
    quiet, wanted = rewards - noise.of(steps), -exposed * 0.7 * steps.states[:, 0]
    assert np.var(quiet - wanted) < 0.05 * np.var(rewards - wanted)


@pytest.mark.parametrize("by_state", [False, True])
def test_a_long_memory_is_fitted_in_blocks_to_the_same_end(by_state, monkeypatch):
    steps, rewards, _ = made_steps(np.random.default_rng(8), n=5_000)
    whole, parts = MoveNoise(3, by_state=by_state), MoveNoise(3, by_state=by_state)
    whole.fit(steps, rewards)
    monkeypatch.setattr(move_noise, "_BLOCK", 777)
    parts.fit(steps, rewards)
    np.testing.assert_allclose(parts.coefficients, whole.coefficients, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(parts.weights, whole.weights, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("by_state", [True, False])
def test_where_the_mid_never_moves_nothing_is_taken_out_of_the_rewards(by_state):
    random, noise = np.random.default_rng(3), MoveNoise(2, by_state=by_state)
    states, still = random.normal(size=(40, 3)).astype(np.float32), np.zeros(40, dtype=np.float32)
    steps = Steps(states, random.integers(2, size=40), np.ones(40, dtype=np.float32), still)
    noise.fit(steps, random.normal(size=40).astype(np.float32))
    assert not noise.of(steps).any()
