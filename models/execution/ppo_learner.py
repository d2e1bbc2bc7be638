"""What PPO learns from a rollout: policy and value side by side, their loss with its gradient written out, Adam.

The objective is the clipped one of Schulman, Wolski, Dhariwal, Radford & Klimov (2017). Where a rollout was played by
an older policy than the one that learns from it, two policies stand for its "old" one (Hilton, Cobbe & Schulman 2022,
"Batch size-invariance for policy optimization", NeurIPS): ratios that are clipped, and the divergence that ends the
going through, are those to the policy at the start of the learning; what was played by another is weighted by the ratio
of these two chances, at most `MOST_WEIGHT`. Where both are the same the weight is 1.

Here: networks, loss, update. Not here: rollouts (ppo_rollout.py), advantages and the training loop (ppo.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from feeds.errors import SchemaError
from models.execution.config import PpoConfig
from models.execution.flat_adam import FlatAdam
from models.execution.networks import array_of, scales_of, shorten
from models.execution.ppo_heads import Gaussian, Head, Numbered
from models.execution.ppo_policy import PpoPolicy
from models.execution.protocol import Observation
from models.execution.side_by_side import SideBySide

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
#: Where the policy and the value lie in `Learner.nets`.
ACTOR, CRITIC = 0, 1
#: Largest weight of a step that another policy played: single steps must not carry an update.
MOST_WEIGHT = 2.0


class Lesson(NamedTuple):
    """What is learned from, a row a step, of all or of a batch.

    Attributes:
        inputs: (n, k) scaled observations.
        drawn: (n,) int64 or (n, m) float32, actions.
        logs: (n,) their log chances when the learning starts.
        pushed: (n,) advantages, weighted.
        values: (n,) of the states when the learning starts.
        wanted: (n,) what the value should have been.
    """

    inputs: Tensor
    drawn: Tensor
    logs: Tensor
    pushed: Tensor
    values: Tensor
    wanted: Tensor


class Learner:
    """Policy, value, scales and optimiser.

    Args:
        width: Observations of a state.
        head: What actions are.
        config: How to learn.
        seed: Of the initial weights.
        start: A policy to go on from.

    Raises:
        SchemaError: ``start`` has other layers, observations or actions.
    """

    def __init__(self, width: int, head: Head, config: PpoConfig, seed: int, start: PpoPolicy | None) -> None:
        self.config, self.head, self.device = config, head, torch.device(config.device)
        self.nets = new_nets(width, head, config)
        self.nets.initialise(torch.Generator().manual_seed(seed), (0.01, 0.1))
        self.spread = self.nets.parameters[: head.more]
        self.spread.fill_(float(np.log(config.spread)))
        self.mean, self.scale = torch.zeros(width), torch.ones(width)
        if start is not None:
            self._load(start)
        self.optimiser = FlatAdam(self.nets.parameters)

    def _load(self, start: PpoPolicy) -> None:
        found = (*(weight.shape[0] for weight in start.weights), start.actions)
        wanted = (self.nets.width, *self.nets.hidden, self.head.outputs)
        if found != wanted or start.discrete != isinstance(self.head, Numbered):
            kind = "numbered" if start.discrete else "continuous"
            raise SchemaError("start of the training", f"layers {found}, {kind} actions", f"{wanted} and this kind")
        self.nets.set_told(ACTOR, start.weights, start.biases)
        if not start.discrete:
            self.spread.copy_(torch.from_numpy(start.log_spread))
        self.mean, self.scale = torch.from_numpy(start.mean.copy()), torch.from_numpy(start.scale.copy())

    def measure(self, seen: Observation) -> None:
        """Fix the scales by (n, k) observations."""
        mean, scale = scales_of(seen)
        self.mean, self.scale = torch.from_numpy(mean), torch.from_numpy(scale)

    def inputs(self, states: Observation) -> Tensor:
        """Scaled observations."""
        return ((torch.from_numpy(states) - self.mean) / self.scale).to(self.device)

    def tensor(self, values: Floats) -> Tensor:
        """One number a step, flat, as the learning takes it."""
        return torch.from_numpy(values.ravel().astype(np.float32)).to(self.device)

    def values(self, inputs: Tensor) -> Tensor:
        """(n,) of the states, in the scale of the rewards."""
        return self.nets.of(CRITIC, inputs).squeeze(1)

    def logs(self, parameters: Tensor, inputs: Tensor, drawn: Tensor) -> Tensor:
        """(n,) log chances of actions under a policy of other ``parameters``."""
        nets = new_nets(self.nets.width, self.head, self.config)
        nets.parameters.copy_(parameters)
        return self.head.chances(nets.of(ACTOR, inputs), drawn, nets.parameters[: self.head.more]).logs

    def learn(self, lesson: Lesson, played: Tensor | None, done: float, random: np.random.Generator) -> None:
        """Go through a rollout a few times.

        Args:
            lesson: All of it; ``logs`` and the weights are found here.
            played: (n,) log chances under the policy that played it; None: it is the present one.
            done: Share of the training behind it.
            random: Draws the batches.
        """
        config, count = self.config, len(lesson.inputs)
        logs = self.head.chances(self.nets.of(ACTOR, lesson.inputs), lesson.drawn, self.spread).logs
        pushed = lesson.pushed if played is None else lesson.pushed * (logs - played).exp_().clamp_(max=MOST_WEIGHT)
        lesson = lesson._replace(logs=logs, pushed=pushed)
        lr, entropy_weight = config.lr * (1.0 - done * (1.0 - config.lr_last)), config.entropy * (1.0 - done) ** 2
        parts = max(1, round(count / config.batch))
        for _ in range(config.epochs):
            order = torch.from_numpy(random.permutation(count)).to(self.device)
            for batch in zip(*(column[order].chunk(parts) for column in lesson), strict=True):
                if self.update(Lesson(*batch), lr, entropy_weight):
                    return

    def update(self, batch: Lesson, lr: float, entropy_weight: float) -> bool:
        """One step of Adam; whether the policy has moved too far instead."""
        outputs, told = self.nets.forward(batch.inputs)
        found = self.head.chances(outputs, batch.drawn, self.spread)
        moved = found.logs - batch.logs
        ratio = moved.exp()
        # an estimate of the divergence that is never negative: mean of ratio - 1 - log ratio
        if self.config.kl_stop and float((ratio - 1.0).sub_(moved).mean()) > 1.5 * self.config.kl_stop:
            return True
        by_log = self._by_log(ratio, batch.pushed)
        by_outputs, by_spread = self.head.gradient(found, batch.drawn, self.spread, by_log, entropy_weight)
        by_value = self._by_value(told.squeeze(1), batch).unsqueeze(1)
        self.nets.backward(batch.inputs, (by_outputs, by_value))
        self.nets.gradient[: self.head.more] = by_spread
        # apart: large errors of the value must not shorten the policy's step
        cut = self.nets.edges[CRITIC]
        for part in (self.nets.gradient[:cut], self.nets.gradient[cut:]):
            shorten(part, self.config.gradient_norm)
        self.optimiser.step(self.nets.gradient, lr)
        return False

    def _by_log(self, ratio: Tensor, pushed: Tensor) -> Tensor:
        """Derivative of the clipped loss by the log chances, (n,)."""
        clip = self.config.clip
        # the smaller of the two sides is the clipped one, which does not move, beyond the edge the advantage pushes to
        free = torch.where(pushed > 0.0, ratio <= 1.0 + clip, ratio >= 1.0 - clip)
        return (ratio * pushed).mul_(free).mul_(-1.0 / len(ratio))

    def _by_value(self, values: Tensor, batch: Lesson) -> Tensor:
        """Derivative of the value's squared error, or of the larger of it and the clipped one's, (n,)."""
        errors = values - batch.wanted
        by_value = errors * (2.0 * self.config.value_weight / len(errors))
        if self.config.value_clip:
            away = values - batch.values
            near = batch.values + away.clamp(-self.config.value_clip, self.config.value_clip) - batch.wanted
            by_value *= (away.abs() <= self.config.value_clip) | (errors.abs() >= near.abs())
        return by_value

    def policy(self) -> PpoPolicy:
        """What was learned so far."""
        head, (weights, biases) = self.head, self.nets.told(ACTOR)
        continuous = (head.low, head.high, array_of(self.spread)) if isinstance(head, Gaussian) else ()
        return PpoPolicy(self.mean.numpy().copy(), self.scale.numpy().copy(), weights, biases, *continuous)

    def saved(self) -> dict[str, Array]:
        """All of the learner, for a checkpoint."""
        scales = {"mean": self.mean.numpy(), "scale": self.scale.numpy()}
        return {"parameters": array_of(self.nets.parameters), **scales, **self.optimiser.saved()}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Put back what `saved` told."""
        self.nets.parameters.copy_(torch.from_numpy(arrays["parameters"]))
        self.mean, self.scale = torch.from_numpy(arrays["mean"]), torch.from_numpy(arrays["scale"])
        self.optimiser.restore(arrays)


def head_of(space: Any) -> Head:
    """By an action space: numbered where it has ``n``, else continuous by its ``low`` and ``high``."""
    return Numbered(int(space.n)) if hasattr(space, "n") else Gaussian(space.low, space.high)


def new_nets(width: int, head: Head, config: PpoConfig) -> SideBySide:
    """Policy and value side by side, all 0."""
    return SideBySide(width, config.layers, (head.outputs, 1), torch.device(config.device), head.more)
