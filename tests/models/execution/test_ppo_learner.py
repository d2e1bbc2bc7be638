"""PPO's update against automatic differentiation; rollouts played ahead: which policy played, whatever the timing."""

import dataclasses
import threading
import time

import numpy as np
import pytest
import torch
from torch import nn

from models.execution.config import PpoConfig
from models.execution.flat_adam import EPSILON, FlatAdam
from models.execution.networks import dense, linears
from models.execution.ppo import _Trainer, train_ppo
from models.execution.ppo_heads import Gaussian, Numbered
from models.execution.ppo_learner import ACTOR, CRITIC, MOST_WEIGHT, Learner, Lesson
from models.execution.shaping import Shaper
from models.execution.side_by_side import SideBySide
from models.execution.training_log import EpisodeLog
from models.execution.worlds import AlmgrenChriss, AlmgrenChrissWorld

CPU = torch.device("cpu")
CONFIG = PpoConfig(steps=1500, rollout=16, batch=128, layers=(16, 9), envs=8, kl_stop=0.0)
AHEAD = dataclasses.replace(CONFIG, overlap=True)


def world():
    return AlmgrenChrissWorld(AlmgrenChriss(), 8)


def heads():
    return [Numbered(5), Gaussian(np.zeros(2, np.float32), np.ones(2, np.float32))]


def modules(nets):
    """The same networks for automatic differentiation."""
    found = []
    for layers in nets.layers:
        sizes = (layers[0].weight.shape[1], *(layer.weight.shape[0] for layer in layers))
        network = dense(sizes, CPU, nn.Tanh)
        with torch.no_grad():
            for module, layer in zip(linears(network), layers, strict=True):
                module.weight.copy_(layer.weight)
                module.bias.copy_(layer.bias)
        found.append(network)
    return found


def flat(network):
    return torch.cat([p.grad.ravel() for p in network.parameters()])


def close(found, wanted):
    """To the rounding of sums whose parts cancel."""
    torch.testing.assert_close(found, wanted, rtol=0, atol=2e-5 * float(wanted.abs().max()))


def learner_and_batch(head, config, seed=0):
    random = torch.Generator().manual_seed(seed)
    learner = Learner(4, head, config, 3, None)
    learner.nets.parameters.add_(0.3 * torch.randn(learner.nets.parameters.shape, generator=random))
    inputs, pushed, values, wanted = (torch.randn(shape, generator=random) for shape in ((60, 4), 60, 60, 60))
    if isinstance(head, Numbered):
        drawn = torch.randint(0, head.outputs, (60,), generator=random)
    else:
        drawn = learner.nets.of(ACTOR, inputs) + learner.spread.exp() * torch.randn((60, 2), generator=random)
    logs = head.chances(learner.nets.of(ACTOR, inputs), drawn, learner.spread).logs
    # ratios on both sides of both edges
    logs = logs + 0.4 * torch.randn(60, generator=random)
    return learner, Lesson(inputs, drawn, logs, pushed, values, wanted)


@pytest.mark.parametrize("layers", [(6,), (16, 9), (5, 4, 3)])
def test_the_gradient_of_networks_side_by_side_is_that_of_automatic_differentiation(layers):
    nets, random = SideBySide(4, layers, (3, 1), CPU, more=2), torch.Generator().manual_seed(1)
    nets.initialise(random, (0.5, 1.0))
    inputs, pulls = torch.randn((20, 4), generator=random), [torch.randn((20, o), generator=random) for o in (3, 1)]
    outputs = nets.forward(inputs)
    nets.backward(inputs, pulls)
    for place, network in enumerate(modules(nets)):
        torch.testing.assert_close(network(inputs), outputs[place])
        torch.testing.assert_close(nets.of(place, inputs), outputs[place])
        network(inputs).backward(pulls[place])
        torch.testing.assert_close(nets.gradient[nets.edges[place] : nets.edges[place + 1]], flat(network))
    assert not nets.gradient[:2].any()
    told = [nets.told(place) for place in (0, 1)]
    again = SideBySide(4, layers, (3, 1), CPU, more=2)
    for place in (0, 1):
        again.set_told(place, *told[place])
    torch.testing.assert_close(again.parameters[2:], nets.parameters[2:], rtol=0, atol=0)


@pytest.mark.parametrize("head", heads(), ids=["numbered", "continuous"])
@pytest.mark.parametrize("value_clip", [0.0, 0.3])
def test_an_update_follows_the_gradient_of_the_clipped_objective(head, value_clip):
    config = dataclasses.replace(CONFIG, value_clip=value_clip, gradient_norm=1e9)
    learner, batch = learner_and_batch(head, config)
    actor, critic = modules(learner.nets)
    spread = learner.spread.clone().requires_grad_()
    assert not learner.update(batch, 1e-3, 0.07)

    if isinstance(head, Numbered):
        law = torch.distributions.Categorical(logits=actor(batch.inputs))
        logs, entropy = law.log_prob(batch.drawn), law.entropy().mean()
    else:
        law = torch.distributions.Normal(actor(batch.inputs), spread.exp())
        logs, entropy = law.log_prob(batch.drawn).sum(dim=1), law.entropy().sum(dim=1).mean()
    ratio = (logs - batch.logs).exp()
    assert min((ratio > 1.2).sum(), (ratio < 0.8).sum()) > 5
    surrogate = torch.minimum(ratio * batch.pushed, ratio.clamp(0.8, 1.2) * batch.pushed).mean()
    values = critic(batch.inputs).squeeze(1)
    errors = (values - batch.wanted).square()
    if value_clip:
        near = batch.values + (values - batch.values).clamp(-value_clip, value_clip)
        errors = torch.maximum(errors, (near - batch.wanted).square())
    (config.value_weight * errors.mean() - surrogate - 0.07 * entropy).backward()

    nets = learner.nets
    found = nets.gradient[nets.edges[ACTOR] : nets.edges[CRITIC]]
    close(found, flat(actor))
    close(nets.gradient[nets.edges[CRITIC] :], flat(critic))
    if head.more:
        close(nets.gradient[: head.more], spread.grad)


def test_adam_on_one_vector_does_what_that_of_torch_does():
    random = torch.Generator().manual_seed(2)
    ours, theirs = torch.ones(50), torch.ones(50, requires_grad=True)
    flat_adam, twin = FlatAdam(ours), torch.optim.Adam([theirs], eps=EPSILON)
    for lr in (0.1, 0.1, 0.03, 0.01):
        theirs.grad = torch.randn(50, generator=random)
        flat_adam.step(theirs.grad, lr)
        twin.param_groups[0]["lr"] = lr
        twin.step()
        torch.testing.assert_close(ours, theirs.detach())


def test_gradients_of_policy_and_value_are_shortened_apart():
    config = dataclasses.replace(CONFIG, gradient_norm=1e-3)
    learner, batch = learner_and_batch(Numbered(5), config)
    learner.update(batch._replace(wanted=1e6 * batch.wanted), 1e-3, 0.0)
    cut = learner.nets.edges[CRITIC]
    for part in (learner.nets.gradient[:cut], learner.nets.gradient[cut:]):
        assert float(part.norm()) == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("head", heads(), ids=["numbered", "continuous"])
def test_steps_another_policy_played_are_weighted_by_the_ratio_of_the_chances(head):
    changed = []
    for played in ("none", "same", "other"):
        learner, lesson = learner_and_batch(head, dataclasses.replace(CONFIG, epochs=1, batch=60))
        logs = head.chances(learner.nets.of(ACTOR, lesson.inputs), lesson.drawn, learner.spread).logs
        seen = []
        learner.update = lambda batch, lr, weight, seen=seen: seen.append(batch)
        # half as likely, or a fifth: then the weight is 2, and 5 but for its limit
        factor = torch.where(torch.arange(60) % 2 == 0, 2.0, 5.0)
        given = {"none": None, "same": logs, "other": logs - factor.log()}[played]
        learner.learn(lesson, given, 0.0, np.random.default_rng(0))
        changed.append(seen[0].pushed)
    torch.testing.assert_close(changed[0], changed[1], rtol=0, atol=0)
    torch.testing.assert_close(changed[2], MOST_WEIGHT * changed[0])


class Halting(AlmgrenChrissWorld):
    """The world on a machine that stops now and then; notes which threads step it."""

    def __init__(self, seed):
        super().__init__(AlmgrenChriss(), 8)
        self.chance, self.threads = np.random.default_rng(seed), []

    def step(self, actions):
        self.threads.append(threading.get_ident())
        if self.chance.random() < 0.1:
            time.sleep(0.002)
        return super().step(actions)


def test_an_agent_whose_rollouts_are_played_ahead_does_not_depend_on_who_is_faster():
    worlds = [world(), Halting(1), Halting(2)]
    agents = [train_ppo(one, AHEAD).policy.to_bytes() for one in worlds]
    assert agents[0] == agents[1] == agents[2]
    assert agents[0] != train_ppo(world(), CONFIG).policy.to_bytes()
    here = [thread == threading.get_ident() for thread in worlds[1].threads]
    # the rollout that measures the scales and the first that is learned from are played here, the others ahead
    assert here == [True] * 2 * AHEAD.rollout + [False] * (len(here) - 2 * AHEAD.rollout)
    assert len(here) == -(-AHEAD.steps // (8 * AHEAD.rollout)) * AHEAD.rollout


def test_a_rollout_played_ahead_is_played_by_the_policy_before_the_last_update():
    trainer = _Trainer(world(), AHEAD, None, None)
    trainer.advance()
    assert trainer.ahead is None
    for _ in range(4):
        before = trainer.learner.nets.parameters.clone()
        trainer.advance()
        assert torch.equal(trainer.ahead.player, before)
        assert not torch.equal(trainer.learner.nets.parameters, before)
    while not trainer.finished:
        trainer.advance()
    assert trainer.learned == trainer.player.step >= AHEAD.steps


class Failing(AlmgrenChrissWorld):
    def step(self, actions):
        self.left -= 1
        if self.left < 0:
            raise RuntimeError("the market is closed")
        return super().step(actions)


def test_what_goes_wrong_in_a_rollout_played_ahead_is_raised():
    failing = Failing(AlmgrenChriss(), 8)
    failing.left = 3 * AHEAD.rollout
    with pytest.raises(RuntimeError, match="the market is closed"):
        train_ppo(failing, AHEAD)


def test_a_rollout_is_shaped_and_logged_as_its_steps_are_one_by_one():
    random, n, steps = np.random.default_rng(3), 4, 12
    rewards, shares, drifts, costs = random.normal(size=(4, steps, n))
    ended = random.random((steps, n)) < 0.3
    one_by_one, at_once = (Shaper(n), EpisodeLog(n)), (Shaper(n), EpisodeLog(n))
    start = {"remaining_share": np.ones(n), "drift_bps": np.zeros(n)}
    for shaper, _ in (one_by_one, at_once):
        shaper.start(start)
    for part in (slice(0, 5), slice(5, steps)):
        found = at_once[0].steps(rewards[part], ended[part], shares[part], drifts[part])
        at_once[1].steps(ended[part], costs[part], part.start * n)
        for k, t in enumerate(range(part.start, part.stop)):
            info = {"remaining_share": shares[t], "drift_bps": drifts[t], "is_bps": costs[t]}
            wanted = one_by_one[0].step(rewards[t], ended[t], info)
            one_by_one[1].step(rewards[t], ended[t], info, t * n)
            for column, values in zip(found, wanted, strict=True):
                np.testing.assert_array_equal(column[k], values)
    assert at_once[1].learning().equals(one_by_one[1].learning())
    assert at_once[1].ended().shape == (ended.sum(), 2)
