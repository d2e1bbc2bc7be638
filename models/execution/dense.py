"""A trained dense network applied in numpy: acting needs no torch.

Here: one pass. Not here: what outputs mean (dqn_policy.py, ppo_policy.py), training (networks.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from feeds.errors import SchemaError
from models.execution.protocol import Observation

Array = npt.NDArray[np.float32]


class Dense(Protocol):
    """Scales of the observations and one matrix and vector a layer, float32."""

    @property
    def mean(self) -> Array:
        """(k,), taken off."""

    @property
    def scale(self) -> Array:
        """(k,), divided by."""

    @property
    def weights(self) -> tuple[Array, ...]:
        """(inputs, outputs) a layer."""

    @property
    def biases(self) -> tuple[Array, ...]:
        """(outputs,) a layer."""


def outputs_of(network: Dense, observation: Observation, activation: Callable[[Array], Array]) -> Array:
    """The last layer's outputs.

    Args:
        network: Trained.
        observation: (k,) or (n, k), float32.
        activation: Between the layers.

    Returns:
        (outputs,) or (n, outputs), float32.

    Raises:
        SchemaError: There are not as many observations as in training.
    """
    x = np.asarray(observation, dtype=np.float32)
    known = network.mean.shape[0]
    if x.shape[-1] != known:
        raise SchemaError("execution agent", received=f"{x.shape[-1]} observations", expected=f"{known}, as trained")
    x = (x - network.mean) / network.scale
    for weight, bias in zip(network.weights[:-1], network.biases[:-1], strict=True):
        x = activation(x @ weight + bias)
    return np.asarray(x @ network.weights[-1] + network.biases[-1], dtype=np.float32)


def relu(x: Array) -> Array:
    """What is above 0."""
    return np.maximum(x, np.float32(0.0))
