"""What a policy network's outputs mean: chances of numbered actions, or the centre of a continuous one.

Here: drawing actions, their log chances, entropy. Not here: the algorithm (ppo.py), acting without torch
(ppo_policy.py).
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from models.execution.ppo_policy import in_range

Array = npt.NDArray[Any]
Singles = npt.NDArray[np.float32]


class Head(Protocol):
    """The meaning of (n, ``outputs``) outputs.

    Attributes:
        outputs: How many a state has.
        features: How many regressors describe an action, see `models.execution.move_noise.MoveNoise`.
    """

    outputs: int
    features: int

    def noise(self, steps: int, n: int, random: np.random.Generator) -> Singles:
        """Chance for ``steps`` draws of n actions, (steps, n, ...)."""

    def draw(self, outputs: torch.Tensor, noise: Singles) -> Array:
        """Actions as they are remembered, one a row."""

    def to_env(self, drawn: Array) -> Array:
        """Actions as an environment takes them."""

    def log_chances(self, outputs: torch.Tensor, drawn: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Log chances (n,) of what was drawn, and the mean entropy."""


class Numbered(nn.Module):
    """Actions 0 .. n - 1; outputs are their log chances up to a constant.

    Args:
        actions: How many.
    """

    def __init__(self, actions: int) -> None:
        super().__init__()
        self.outputs = self.features = actions

    def noise(self, steps: int, n: int, random: np.random.Generator) -> Singles:
        """Gumbel distributed: the largest sum of log chance and noise is a draw by the chances."""
        drawn = random.standard_exponential((steps, n, self.outputs), dtype=np.float32)
        return np.asarray(-np.log(np.maximum(drawn, np.float32(1e-30))))

    def draw(self, outputs: torch.Tensor, noise: Singles) -> Array:
        """(n,) int64."""
        return np.asarray((outputs.cpu().numpy() + noise).argmax(axis=1), dtype=np.int64)

    def to_env(self, drawn: Array) -> Array:
        """As drawn."""
        return drawn

    def log_chances(self, outputs: torch.Tensor, drawn: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See `Head`."""
        logs = torch.log_softmax(outputs, dim=1)
        entropy = -(logs.exp() * logs).sum(dim=1).mean()
        return logs.gather(1, drawn.unsqueeze(1)).squeeze(1), entropy


class Gaussian(nn.Module):
    """Continuous actions around the outputs, in half ranges of the action space, with a spread that is learned.

    Args:
        low: (m,) lowest values an environment takes.
        high: (m,) highest.
        spread: Standard deviation at the start, half ranges.
    """

    def __init__(self, low: Singles, high: Singles, spread: float) -> None:
        super().__init__()
        self.low, self.high = np.asarray(low, np.float32), np.asarray(high, np.float32)
        self.outputs = len(self.low)
        self.features = 1 + 2 * self.outputs
        self.log_spread = nn.Parameter(torch.full((self.outputs,), math.log(spread)))

    def noise(self, steps: int, n: int, random: np.random.Generator) -> Singles:
        """Standard normal."""
        return random.standard_normal((steps, n, self.outputs), dtype=np.float32)

    def draw(self, outputs: torch.Tensor, noise: Singles) -> Array:
        """(n, m) float32, not clipped."""
        return np.asarray(outputs.cpu().numpy() + self.log_spread.detach().exp().cpu().numpy() * noise)

    def to_env(self, drawn: Array) -> Array:
        """Clipped to the action space."""
        return in_range(drawn, self.low, self.high)

    def log_chances(self, outputs: torch.Tensor, drawn: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See `Head`."""
        away = (drawn - outputs) * (-self.log_spread).exp()
        constant = self.log_spread.sum() + 0.5 * self.outputs * math.log(2.0 * math.pi)
        return -0.5 * away.square().sum(dim=1) - constant, constant + 0.5 * self.outputs
