"""Adam on parameters that lie in one vector.

That of torch handles lists of tensors, and brings in its compiler with the first step: seconds that a training in a
process of its own would spend before it begins.

Source: Kingma & Ba (2015), "Adam: a method for stochastic optimization", ICLR, algorithm 1.

Here: `FlatAdam`. Not here: networks (side_by_side.py), step sizes over a training (ppo_learner.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.execution.networks import array_of

Array = npt.NDArray[Any]
#: Decay of the running means of the gradient and of its square, and what is added to the root of the latter.
MEAN_DECAY, SQUARE_DECAY, EPSILON = 0.9, 0.999, 1e-5


class FlatAdam:
    """Changes ``parameters`` in place.

    Args:
        parameters: (p,) float32.

    Attributes:
        count: Steps done.
    """

    def __init__(self, parameters: Tensor) -> None:
        self.parameters, self.count = parameters, 0
        self._mean, self._square = torch.zeros_like(parameters), torch.zeros_like(parameters)

    def step(self, gradient: Tensor, lr: float) -> None:
        """One step against ``gradient``, (p,), of step size ``lr``."""
        self.count += 1
        self._mean.lerp_(gradient, 1.0 - MEAN_DECAY)
        self._square.mul_(SQUARE_DECAY).addcmul_(gradient, gradient, value=1.0 - SQUARE_DECAY)
        size = lr / (1.0 - MEAN_DECAY**self.count)
        spread = self._square.sqrt().mul_(1.0 / math.sqrt(1.0 - SQUARE_DECAY**self.count)).add_(EPSILON)
        self.parameters.addcdiv_(self._mean, spread, value=-size)

    def saved(self) -> dict[str, Array]:
        """All but the parameters, for a checkpoint."""
        parts = {"mean": array_of(self._mean), "square": array_of(self._square), "count": np.array(self.count)}
        return {f"adam/{name}": values for name, values in parts.items()}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Put back what `saved` told."""
        self._mean.copy_(torch.from_numpy(arrays["adam/mean"]))
        self._square.copy_(torch.from_numpy(arrays["adam/square"]))
        self.count = int(arrays["adam/count"])
