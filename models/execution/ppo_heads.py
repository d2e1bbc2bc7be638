"""What a policy network's outputs mean: chances of numbered actions, or the centre of a continuous one.

Here: drawing actions, their log chances, the gradient of those and of the entropy. Not here: the algorithm
(ppo_learner.py), acting without torch (ppo_policy.py).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.execution.ppo_policy import in_range

Array = npt.NDArray[Any]
Singles = npt.NDArray[np.float32]


class Chances(NamedTuple):
    """Chances of actions that were drawn.

    Attributes:
        logs: (n,) their logarithms.
        kept: What `Head.gradient` needs of the outputs, (n, ``outputs``).
    """

    logs: Tensor
    kept: Tensor


class Head(Protocol):
    """The meaning of (n, ``outputs``) outputs.

    Attributes:
        outputs: How many a state has.
        features: How many regressors describe an action, see `models.execution.move_noise.MoveNoise`.
        more: Parameters beside the network's; below ``spread`` is their vector, (``more``,).
    """

    outputs: int
    features: int
    more: int

    def noise(self, steps: int, n: int, random: np.random.Generator) -> Singles:
        """Chance for ``steps`` draws of n actions, (steps, n, ...)."""

    def draw(self, outputs: Singles, noise: Singles, spread: Tensor) -> Array:
        """Actions as they are remembered, one a row."""

    def to_env(self, drawn: Array) -> Array:
        """Actions as an environment takes them."""

    def chances(self, outputs: Tensor, drawn: Tensor, spread: Tensor) -> Chances:
        """Of what was drawn."""

    def gradient(self, found: Chances, drawn: Tensor, spread: Tensor, by_log: Tensor, weight: float) -> list[Tensor]:
        """Of a loss less ``weight`` times the mean entropy.

        Args:
            found: By `chances`.
            drawn: The actions.
            spread: The parameters beside the network's.
            by_log: (n,) derivative of the loss by each log chance.
            weight: Of the entropy.

        Returns:
            By the outputs, (n, ``outputs``), and by ``spread``.
        """


class Numbered:
    """Actions 0 .. n - 1; outputs are their log chances up to a constant.

    Args:
        actions: How many.
    """

    more = 0

    def __init__(self, actions: int) -> None:
        self.outputs = self.features = actions

    def noise(self, steps: int, n: int, random: np.random.Generator) -> Singles:
        """Gumbel distributed: the largest sum of log chance and noise is a draw by the chances."""
        drawn = random.standard_exponential((steps, n, self.outputs), dtype=np.float32)
        return np.asarray(-np.log(np.maximum(drawn, np.float32(1e-30))))

    def draw(self, outputs: Singles, noise: Singles, spread: Tensor) -> Array:
        """(n,) int64."""
        return np.asarray((outputs + noise).argmax(axis=1), dtype=np.int64)

    def to_env(self, drawn: Array) -> Array:
        """As drawn."""
        return drawn

    def chances(self, outputs: Tensor, drawn: Tensor, spread: Tensor) -> Chances:
        """See `Head`."""
        logs = torch.log_softmax(outputs, dim=1)
        return Chances(logs.gather(1, drawn.unsqueeze(1)).squeeze(1), logs)

    def gradient(self, found: Chances, drawn: Tensor, spread: Tensor, by_log: Tensor, weight: float) -> list[Tensor]:
        """See `Head`."""
        chances = found.kept.exp()
        entropy = (chances * found.kept).sum(dim=1, keepdim=True).neg_()
        pull = (found.kept + entropy).mul_(weight / len(drawn)).sub_(by_log.unsqueeze(1))
        return [pull.mul_(chances).scatter_add_(1, drawn.unsqueeze(1), by_log.unsqueeze(1)), spread]


class Gaussian:
    """Continuous actions around the outputs, in half ranges of the action space, with a spread that is learned.

    Args:
        low: (m,) lowest values an environment takes.
        high: (m,) highest.
    """

    def __init__(self, low: Singles, high: Singles) -> None:
        self.low, self.high = np.asarray(low, np.float32), np.asarray(high, np.float32)
        self.outputs = self.more = len(self.low)
        self.features = 1 + 2 * self.outputs

    def noise(self, steps: int, n: int, random: np.random.Generator) -> Singles:
        """Standard normal."""
        return random.standard_normal((steps, n, self.outputs), dtype=np.float32)

    def draw(self, outputs: Singles, noise: Singles, spread: Tensor) -> Array:
        """(n, m) float32, not clipped; ``spread`` holds logarithms of standard deviations."""
        return np.asarray(outputs + spread.exp().cpu().numpy() * noise)

    def to_env(self, drawn: Array) -> Array:
        """Clipped to the action space."""
        return in_range(drawn, self.low, self.high)

    def chances(self, outputs: Tensor, drawn: Tensor, spread: Tensor) -> Chances:
        """See `Head`."""
        away = (drawn - outputs) * (-spread).exp()
        constant = spread.sum() + 0.5 * self.outputs * math.log(2.0 * math.pi)
        return Chances(-0.5 * away.square().sum(dim=1) - constant, away)

    def gradient(self, found: Chances, drawn: Tensor, spread: Tensor, by_log: Tensor, weight: float) -> list[Tensor]:
        """See `Head`."""
        away = found.kept
        by_spread = torch.mv((away.square() - 1.0).t(), by_log) - weight
        return [away * (-spread).exp() * by_log.unsqueeze(1), by_spread]
