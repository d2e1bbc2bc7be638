"""A trained value network as a policy: numpy only, so that acting needs no torch and its bytes hold no code.

Here: acting, values, bytes. Not here: training (dqn.py), playing episodes (evaluation.py).
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from feeds.errors import LakeError
from models.execution.dense import outputs_of, relu
from models.execution.protocol import Info, Observation

Array = npt.NDArray[np.float32]
_FORMAT = "double dqn, dense relu layers, 1"


@dataclass(frozen=True)
class DqnPolicy:
    """Acts by the highest value of a dense network with ReLU between its layers.

    Attributes:
        mean: Of each observation in the warm-up of the training, shape (k,), float32.
        scale: Their standard deviation; 1 where an observation never moved.
        weights: One (inputs, outputs) float32 matrix a layer.
        biases: One (outputs,) float32 vector a layer.
        reward_scale: Unit of the network's outputs, in rewards.
    """

    mean: Array
    scale: Array
    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    reward_scale: float = 1.0

    @property
    def actions(self) -> int:
        """How many actions there are."""
        return int(self.biases[-1].shape[0])

    @property
    def shape(self) -> tuple[int, int]:
        """Observations read and actions known: what an environment must offer."""
        return int(self.mean.shape[0]), self.actions

    def q_values(self, observation: Observation) -> Array:
        """Values of all actions, in rewards: the negative cost in bps still expected, up to what no action changes.

        Args:
            observation: (k,) or (n, k), float32.

        Returns:
            (actions,) or (n, actions), float32. Rounding may differ between one row and many.

        Raises:
            SchemaError: There are not as many observations as in training.
        """
        return outputs_of(self, observation, relu) * np.float32(self.reward_scale)

    def act(self, observation: Observation) -> int:
        """The action of the highest value; the first of equals."""
        return int(np.argmax(self.q_values(observation)))

    def act_batch(self, observations: Observation) -> npt.NDArray[np.int64]:
        """`act` for every row of (n, k) observations, shape (n,)."""
        return np.argmax(self.q_values(observations), axis=1).astype(np.int64)

    def to_bytes(self) -> bytes:
        """The policy as npz; equal policies give equal bytes."""
        arrays: dict[str, npt.NDArray[np.generic]] = {
            "format": np.array(_FORMAT),
            "mean": self.mean,
            "scale": self.scale,
            "reward_scale": np.array(self.reward_scale),
        }
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            arrays[f"weight_{number}"], arrays[f"bias_{number}"] = weight, bias
        sink = io.BytesIO()
        np.savez_compressed(sink, allow_pickle=False, **arrays)
        return sink.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> DqnPolicy:
        """Load what `to_bytes` wrote; nothing in the bytes is run.

        Raises:
            LakeError: The bytes hold something else.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                if str(arrays["format"]) != _FORMAT:
                    raise ValueError(f"format {arrays['format']}")
                layers = sum(name.startswith("weight_") for name in arrays.files)
                return cls(
                    mean=arrays["mean"],
                    scale=arrays["scale"],
                    weights=tuple(arrays[f"weight_{n}"] for n in range(layers)),
                    biases=tuple(arrays[f"bias_{n}"] for n in range(layers)),
                    reward_scale=float(arrays["reward_scale"]),
                )
        except (OSError, KeyError, ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
            raise LakeError("execution agent", received=repr(error), expected="bytes of DqnPolicy.to_bytes") from error


class Acts(Protocol):
    """A trained network: `DqnPolicy`, `models.execution.ppo_policy.PpoPolicy`."""

    def act(self, observation: Observation) -> int | Array:
        """The number of an action, or the (m,) values of a continuous one."""


@dataclass(frozen=True)
class Agent:
    """A trained network behind the interface of all policies.

    Attributes:
        policy: The network.
        training_seed: It was trained with.
        name: In tables and plots.
    """

    policy: Acts
    training_seed: int | None = None
    name: str = "dqn"

    def begin(self, info: Info, seed: int) -> None:
        """Nothing to prepare: a greedy agent draws nothing."""

    def instruction(self, observation: Observation, info: Info) -> int | Array:
        """The greedy action."""
        return self.policy.act(observation)
