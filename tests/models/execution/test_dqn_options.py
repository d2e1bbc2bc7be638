"""Dueling, sums over several steps and drawing by priority, each against what it is defined to be."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from models.execution.config import DqnConfig
from models.execution.dqn import _Trainer, train_dqn
from models.execution.dqn_learner import Batch, Learner
from models.execution.priorities import Priorities
from models.execution.replay_buffer import ReplayBuffer, Transitions
from models.execution.worlds import AlmgrenChriss, AlmgrenChrissWorld

DUELING = DqnConfig(steps=800, layers=(12, 8), batch=32, dueling=True)


def transitions(random, n, ends=0.3, width=2):
    return Transitions(
        random.normal(size=(n, width)).astype(np.float32),
        random.integers(0, 3, n),
        random.normal(size=n).astype(np.float32),
        random.normal(size=(n, width)).astype(np.float32),
        np.where(random.random(n) < ends, 0.0, 0.9).astype(np.float32),
        np.zeros(n, np.float32),
        np.zeros(n, np.float32),
    )


def test_a_dueling_agent_is_a_dense_network_of_the_same_values_and_goes_on_from_it():
    learner = Learner(3, 4, DUELING, 1, None)
    torch.nn.init.normal_(learner.online[-1].advantages.bias, generator=torch.Generator().manual_seed(3))
    policy = learner.policy()
    states = np.random.default_rng(2).normal(size=(30, 3)).astype(np.float32)
    with torch.no_grad():
        wanted = learner.online(torch.from_numpy(states)).numpy()
    np.testing.assert_allclose(policy.q_values(states), wanted, atol=1e-5)
    assert policy.biases[-2].shape == (16,)
    again = Learner(3, 4, DUELING, 2, policy).policy()
    np.testing.assert_allclose(again.q_values(states), wanted, atol=1e-5)


def test_the_advantages_of_a_dueling_agent_do_not_move_the_mean_of_its_values():
    learner = Learner(3, 4, DUELING, 1, None)
    states = torch.randn((9, 3), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        before = learner.online(states).mean(dim=1)
        learner.online[-1].advantages.weight.mul_(-3.0)
        torch.testing.assert_close(learner.online(states).mean(dim=1), before)


@pytest.mark.parametrize("added", [11, 40])
def test_a_row_is_followed_through_its_own_episode_only(added):
    random, stride, steps = np.random.default_rng(7), 3, 4
    buffer, history = ReplayBuffer(20, 2, stride), []
    for step in range(added):
        more = transitions(random, stride)
        history.append(more)
        buffer.add(more)
        if step == added - 5:
            buffer.cut()
    flat = Transitions(*(np.concatenate(columns) for columns in zip(*history, strict=True)))
    total = added * stride
    for row in range(len(buffer)):
        place = row if total <= 20 else (total - 20) + (row - total) % 20
        followed = buffer.followed(np.array([row]), steps)
        for later in range(steps):
            before = [place + k * stride for k in range(later)]
            alive = place + later * stride < total and all(
                flat.discounts[one] > 0 and one // stride != added - 5 for one in before
            )
            rows, mask = followed[later]
            assert mask[0] == alive
            if alive:
                np.testing.assert_array_equal(buffer.ring.states[rows[0]], flat.states[place + later * stride])


def test_several_steps_sum_their_discounted_rewards_up_to_the_end():
    random = np.random.default_rng(3)
    steps = [transitions(random, 50) for _ in range(3)]
    alive = [np.ones(50, bool)]
    for k in (1, 2):
        alive.append(alive[-1] & (steps[k - 1].discounts > 0) & (random.random(50) < 0.8))
    learner = Learner(2, 3, DqnConfig(layers=(8,)), 1, None)
    summed, discounts, states = learner._followed(Batch(steps, alive))
    for row in range(50):
        reward, discount, last = 0.0, 1.0, 0
        for k in range(3):
            if alive[k][row]:
                reward, last = reward + discount * steps[k].rewards[row], k
                discount *= steps[k].discounts[row]
        assert summed[row] == pytest.approx(reward, abs=1e-5)
        assert discounts[row] == pytest.approx(discount, abs=1e-6)
        np.testing.assert_array_equal(states[row], steps[last].next_states[row])


def test_rows_are_drawn_in_proportion_to_their_priority_and_weights_undo_it():
    random, priorities = np.random.default_rng(5), Priorities(10, 0.5)
    priorities.add(np.arange(7))
    errors = np.array([0.0, 1.0, 4.0, 9.0, 16.0, 25.0, 36.0], np.float32)
    priorities.learn(np.arange(7), errors)
    chances = np.sqrt(errors + 1e-3) / np.sqrt(errors + 1e-3).sum()
    counts, sums = np.zeros(7), np.zeros(7)
    for _ in range(400):
        rows, weights = priorities.draw(64, 7, random, 1.0)
        counts += np.bincount(rows, minlength=7)
        np.testing.assert_allclose(weights * chances[rows], (weights * chances[rows])[0], rtol=1e-4)
        sums += np.bincount(rows, weights=weights, minlength=7)
    np.testing.assert_allclose(counts / counts.sum(), chances, atol=0.01)
    _, even = priorities.draw(64, 7, random, 0.0)
    assert (even == 1.0).all()


def test_a_new_row_is_drawn_as_often_as_the_worst_and_the_tree_keeps_its_sum():
    priorities = Priorities(5, 1.0)
    priorities.learn(np.array([0, 1]), np.array([3.0, 1.0], np.float32))
    priorities.add(np.array([2]))
    np.testing.assert_allclose(priorities.leaves(4), [3.001, 1.001, 3.001, 0.0])
    assert priorities._sums[1] == pytest.approx(priorities.leaves(5).sum())


OPTIONS = [{"dueling": True}, {"n_step": 3}, {"prioritised": 0.6}, {"temperature": 0.1}, {"lr_last": 0.5}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_option_trains_repeatably_and_changes_the_agent(options):
    config = DqnConfig(steps=400, layers=(8,), batch=32, train_every=4)

    def bytes_of(config):
        return train_dqn(AlmgrenChrissWorld(AlmgrenChriss(), 4), config).policy.to_bytes()

    changed = DqnConfig(**{**vars(config), **options})
    assert bytes_of(changed) == bytes_of(changed) != bytes_of(config)


@pytest.mark.parametrize("epsilon", [1.0, 0.3])
def test_random_actions_are_drawn_by_the_softmax_of_the_values_and_the_others_are_the_best(epsilon):
    n, values = 20_000, np.array([0.0, 0.3, -0.2, 0.1])
    config = DqnConfig(layers=(8,), temperature=0.2, explore_until=0.0, epsilon_last=epsilon)
    trainer = _Trainer(AlmgrenChrissWorld(AlmgrenChriss(), n), config, None, None)
    trainer.learner = SimpleNamespace(actions=4, values=lambda states: np.tile(values, (n, 1)))
    drawn = np.bincount(trainer._actions(warm=False), minlength=4) / n
    chances = np.exp(values / 0.2) / np.exp(values / 0.2).sum()
    np.testing.assert_allclose(drawn, epsilon * chances + (1.0 - epsilon) * np.eye(4)[1], atol=0.015)
    even = np.bincount(trainer._actions(warm=True), minlength=4) / n
    np.testing.assert_allclose(even, 0.25, atol=0.015)


def test_what_is_news_is_fitted_anew_as_the_memory_grows(monkeypatch):
    sizes, fit = [], Learner.fit_news
    monkeypatch.setattr(Learner, "fit_news", lambda self, seen: (sizes.append(len(seen.actions)), fit(self, seen)))
    train_dqn(AlmgrenChrissWorld(AlmgrenChriss(), 4), DqnConfig(steps=2_000, layers=(8,), batch=40, train_every=20))
    assert sizes[0] == 100 and sizes[-1] > 2_000 / 1.6
    growth = np.array(sizes[1:]) / np.array(sizes[:-1])
    assert (growth >= 1.5).all() and (growth < 1.7).all()
