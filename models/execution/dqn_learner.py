"""What a double DQN agent learns from transitions: networks, scales, the step of Adam.

The error is that of double Q-learning with a target network (van Hasselt, Guez & Silver 2016). With ``dueling`` the
last hidden layer has twice its units, one half for the value of the state, one for the advantages of the actions (Wang
et al. 2016, "Dueling network architectures for deep reinforcement learning", ICML); value and advantages are linear in
them, so that the trained agent is a plain dense network again.

Here: the learner. Not here: the training loop (dqn.py), memory (replay_buffer.py), acting (dqn_policy.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from feeds.errors import SchemaError
from models.execution.config import DqnConfig
from models.execution.dqn_policy import DqnPolicy
from models.execution.flat_adam import FlatAdam
from models.execution.move_noise import MoveNoise, Steps
from models.execution.networks import (
    array_of,
    dense,
    flattened,
    initialise,
    layers_of,
    linears,
    scales_of,
    set_layers,
    set_weights,
    shorten,
    weights_of,
)
from models.execution.protocol import Observation
from models.execution.replay_buffer import Transitions

Array = npt.NDArray[Any]
Singles = npt.NDArray[np.float32]

#: Share of the updates, the last ones, whose weights are averaged.
AVERAGED = 0.25
#: Squared error inside, absolute outside, in standard deviations of the reward: near the mean, yet safe from outliers.
HUBER = 5.0
GRADIENT_NORM = 10.0
_NETWORKS = ("online", "target", "mean_net")


class Batch(NamedTuple):
    """What an update learns from.

    Attributes:
        steps: Transitions followed step by step; entry 0 is where the actions judged were taken.
        alive: A mask (n,) for each: whether that step belongs to the row's episode.
        weights: (n,) float32 of the rows' errors; None: all 1.
    """

    steps: list[Transitions]
    alive: list[npt.NDArray[np.bool_]]
    weights: Singles | None = None


class Learner:
    """Online and target network, their optimiser, and the running mean of the weights.

    Args:
        width: Observations of a state.
        actions: How many there are.
        config: How to learn.
        seed: Of the initial weights.
        start: A policy to go on from.

    Raises:
        SchemaError: ``start`` has other layers, observations or actions.
    """

    def __init__(self, width: int, actions: int, config: DqnConfig, seed: int, start: DqnPolicy | None) -> None:
        self.config, self.actions = config, actions
        self.device = torch.device(config.device)
        hidden = (*config.layers[:-1], config.layers[-1] * (2 if config.dueling else 1))
        sizes = (width, *hidden, actions)
        self.online, self.target, self.mean_net = (_network(sizes, config.dueling, self.device) for _ in range(3))
        initialise(linears(self.online), torch.Generator().manual_seed(seed), last_gain=0.1)
        self.mean, self.scale = torch.zeros(width), torch.ones(width)
        self.reward_scale = 1.0
        self.news = MoveNoise(actions, by_state=True)
        self.fixed = start is not None
        if start is not None:
            self._load(start, sizes)
        self.weights, self.target_weights, self.mean_weights = (flattened(getattr(self, name)) for name in _NETWORKS)
        for other in (self.target_weights, self.mean_weights):
            other.parameters.copy_(self.weights.parameters)
        self.optimiser = FlatAdam(self.weights.parameters)
        self.updates = self.averaged = 0

    def _load(self, start: DqnPolicy, sizes: tuple[int, ...]) -> None:
        found = (*(weight.shape[0] for weight in start.weights), start.actions)
        if found != sizes:
            raise SchemaError("start of the training", received=f"layers {found}", expected=f"{sizes}")
        if self.config.dueling:
            set_layers(linears(self.online)[:-2], start.weights[:-1], start.biases[:-1])
            _head(self.online).unfold(start.weights[-1], start.biases[-1])
        else:
            set_layers(linears(self.online), start.weights, start.biases)
        self.mean, self.scale = torch.from_numpy(start.mean.copy()), torch.from_numpy(start.scale.copy())
        self.reward_scale = start.reward_scale

    def fix_scales(self, seen: Transitions) -> None:
        """Measure the scales on the warm-up; those of a policy that was started from stay."""
        if self.fixed:
            return
        mean, scale = scales_of(seen.states)
        self.mean, self.scale = torch.from_numpy(mean), torch.from_numpy(scale)
        self.fit_news(seen)
        self.reward_scale = max(float(self._quiet(seen).std()), 1e-6)
        self.fixed = True

    def fit_news(self, seen: Transitions) -> None:
        """Learn anew what of the mid's moves is news; nothing where it is to stay in the rewards."""
        if not self.config.quiet:
            return
        self.news.fit(self._steps(seen), seen.rewards)

    def _steps(self, seen: Transitions) -> Steps:
        return Steps(self._inputs(seen.states).cpu().numpy(), seen.actions, seen.shares, seen.moves)

    def _quiet(self, seen: Transitions) -> Singles:
        """Rewards without the news."""
        return seen.rewards - self.news.of(self._steps(seen))

    def _inputs(self, states: Observation) -> torch.Tensor:
        return ((torch.from_numpy(states) - self.mean) / self.scale).to(self.device)

    def values(self, states: Observation) -> Singles:
        """Online values of all actions, (n, actions), in the scale of the rewards."""
        with torch.no_grad():
            return array_of(self.online(self._inputs(states)))

    def update(self, batch: Batch, done: float) -> Singles:
        """One step of Adam on the double-Q error.

        Args:
            batch: What to learn from.
            done: Share of the training behind it.

        Returns:
            (n,) the errors, in the scale of the rewards.
        """
        first = batch.steps[0]
        summed, discounts, last_states = self._followed(batch)
        rewards = torch.from_numpy(summed / np.float32(self.reward_scale)).to(self.device)
        actions = torch.from_numpy(first.actions).to(self.device).unsqueeze(1)
        with torch.no_grad():
            following = self._inputs(last_states)
            # the online network chooses, the target network judges: one network would favour its own errors
            chosen = self.online(following).argmax(dim=1, keepdim=True)
            values = self.target(following).gather(1, chosen).squeeze(1)
            wanted = rewards + torch.from_numpy(discounts).to(self.device) * values
        found = self.online(self._inputs(first.states)).gather(1, actions).squeeze(1)
        if batch.weights is None:
            loss = nn.functional.huber_loss(found, wanted, delta=HUBER)
        else:
            weights = torch.from_numpy(batch.weights).to(self.device)
            loss = (weights * nn.functional.huber_loss(found, wanted, delta=HUBER, reduction="none")).mean()
        self._descend(loss, done)
        return array_of(found - wanted) if batch.weights is not None else np.zeros(0, dtype=np.float32)

    def _followed(self, batch: Batch) -> tuple[Singles, Singles, Observation]:
        """Discounted rewards over the steps, the discount on the value of where they led, and where that is."""
        summed, discounts, states = self._quiet(batch.steps[0]), batch.steps[0].discounts, batch.steps[0].next_states
        for step, alive in zip(batch.steps[1:], batch.alive[1:], strict=True):
            summed = summed + np.where(alive, discounts * self._quiet(step), np.float32(0.0))
            states = np.where(alive[:, None], step.next_states, states)
            discounts = np.where(alive, discounts * step.discounts, discounts)
        return summed, discounts, states

    def _descend(self, loss: torch.Tensor, done: float) -> None:
        self.weights.gradient.zero_()
        loss.backward()
        shorten(self.weights.gradient, GRADIENT_NORM)
        self.optimiser.step(self.weights.gradient, self.config.lr * (1.0 - done * (1.0 - self.config.lr_last)))
        self.updates += 1
        if self.updates % self.config.target_every == 0:
            self.target_weights.parameters.copy_(self.weights.parameters)
        if done >= 1.0 - AVERAGED:
            self.averaged += 1
            self.mean_weights.parameters.lerp_(self.weights.parameters, 1.0 / self.averaged)

    def policy(self) -> DqnPolicy:
        """The averaged network, or the online one where nothing was averaged."""
        network = self.mean_net if self.averaged else self.online
        weights, biases = layers_of(network)
        if self.config.dueling:
            weight, bias = _head(network).folded()
            weights, biases = (*weights[:-2], weight), (*biases[:-2], bias)
        return DqnPolicy(self.mean.numpy().copy(), self.scale.numpy().copy(), weights, biases, self.reward_scale)

    def saved(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """All of the learner, for a checkpoint: arrays, and the rest as JSON holds it."""
        arrays = {"mean": self.mean.numpy(), "scale": self.scale.numpy(), **self.optimiser.saved()}
        for name in _NETWORKS:
            arrays |= weights_of(getattr(self, name), name)
        arrays |= {"news": self.news.coefficients, "news_weights": self.news.weights}
        counts = {"updates": self.updates, "averaged": self.averaged}
        return arrays, {"reward_scale": self.reward_scale, "fixed": self.fixed, **counts}

    def restore(self, arrays: Mapping[str, Array], state: Mapping[str, Any]) -> None:
        """Put back what `saved` told."""
        for name in _NETWORKS:
            set_weights(getattr(self, name), name, arrays)
        self.optimiser.restore(arrays)
        self.mean, self.scale = torch.from_numpy(arrays["mean"]), torch.from_numpy(arrays["scale"])
        self.news.coefficients, self.news.weights = arrays["news"], arrays["news_weights"]
        self.reward_scale, self.fixed = float(state["reward_scale"]), bool(state["fixed"])
        self.updates, self.averaged = int(state["updates"]), int(state["averaged"])


class _DuelingHead(nn.Module):
    """Value from the first half of the units, advantages, less their mean, from the second."""

    def __init__(self, units: int, actions: int, device: torch.device) -> None:
        super().__init__()
        self.value, self.advantages = (linears(dense((units, outputs), device))[0] for outputs in (1, actions))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Values of the actions, (n, actions)."""
        ours, theirs = hidden.chunk(2, dim=1)
        advantages = self.advantages(theirs)
        values: torch.Tensor = self.value(ours) + advantages - advantages.mean(dim=1, keepdim=True)
        return values

    def folded(self) -> tuple[Singles, Singles]:
        """The same as one layer: weights (2 units, actions) and biases (actions,)."""
        value, advantages = array_of(self.value.weight).T, array_of(self.advantages.weight).T
        level, tilt = array_of(self.value.bias), array_of(self.advantages.bias)
        weights = np.concatenate([np.repeat(value, advantages.shape[1], axis=1), _centred(advantages)])
        return weights.astype(np.float32), (level + _centred(tilt)).astype(np.float32)

    def unfold(self, weight: Singles, bias: Singles) -> None:
        """Take over what `folded` gave."""
        units = weight.shape[0] // 2
        with torch.no_grad():
            self.value.weight.copy_(torch.from_numpy(weight[:units].mean(axis=1, keepdims=True).T.copy()))
            self.advantages.weight.copy_(torch.from_numpy(weight[units:].T.copy()))
            self.value.bias.fill_(float(bias.mean()))
            self.advantages.bias.copy_(torch.from_numpy(_centred(bias).copy()))


def _centred(values: Singles) -> Singles:
    return np.asarray(values - values.mean(axis=-1, keepdims=True), dtype=np.float32)


def _head(network: nn.Sequential) -> _DuelingHead:
    head = network[-1]
    assert isinstance(head, _DuelingHead)
    return head


def _network(sizes: tuple[int, ...], dueling: bool, device: torch.device) -> nn.Sequential:
    if not dueling:
        return dense(sizes, device)
    return nn.Sequential(*dense(sizes[:-1], device), nn.ReLU(), _DuelingHead(sizes[-2] // 2, sizes[-1], device))
