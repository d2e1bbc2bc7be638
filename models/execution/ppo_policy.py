"""A policy trained by PPO: numpy only, so that acting needs no torch and its bytes hold no code.

Here: acting, chances, bytes. Not here: training (ppo.py), playing episodes (evaluation.py).
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from feeds.errors import LakeError
from models.execution.dense import outputs_of
from models.execution.protocol import Observation

Array = npt.NDArray[np.float32]
_FORMAT = "ppo, dense tanh layers, 1"
_NONE: Array = np.zeros(0, dtype=np.float32)


@dataclass(frozen=True)
class PpoPolicy:
    """Acts by a dense network with tanh between its layers.

    Attributes:
        mean: Of each observation when scales were measured, shape (k,), float32.
        scale: Their standard deviation; 1 where an observation never moved.
        weights: One (inputs, outputs) float32 matrix a layer.
        biases: One (outputs,) float32 vector a layer.
        low: (m,) lowest values of a continuous action; empty where actions are numbers.
        high: (m,) highest values.
        log_spread: (m,) logarithm of the standard deviation it was trained with last, in half ranges.
    """

    mean: Array
    scale: Array
    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    low: Array = field(default_factory=lambda: _NONE)
    high: Array = field(default_factory=lambda: _NONE)
    log_spread: Array = field(default_factory=lambda: _NONE)

    @property
    def discrete(self) -> bool:
        """Whether an action is a number."""
        return self.low.size == 0

    @property
    def actions(self) -> int:
        """How many actions there are; of continuous ones, how many values make one."""
        return int(self.biases[-1].shape[0])

    @property
    def shape(self) -> tuple[int, int]:
        """Observations read and actions known: what an environment must offer."""
        return int(self.mean.shape[0]), self.actions

    def outputs(self, observation: Observation) -> Array:
        """Logarithms of the actions' chances up to a constant, or the place of a continuous action in its range.

        Args:
            observation: (k,) or (n, k), float32.

        Returns:
            (actions,) or (n, actions), float32; places are -1 at ``low``, 1 at ``high``, and may lie beyond.

        Raises:
            SchemaError: There are not as many observations as in training.
        """
        return outputs_of(self, observation, np.tanh)

    def act(self, observation: Observation) -> int | Array:
        """The likeliest action: its number, the first of equals; or its (m,) float32 values."""
        found = self.act_batch(np.asarray(observation)[None, :])[0]
        return int(found) if self.discrete else np.asarray(found)

    def act_batch(self, observations: Observation) -> npt.NDArray[np.int64] | Array:
        """`act` for every row of (n, k) observations: (n,) int64 or (n, m) float32."""
        outputs = self.outputs(observations)
        if self.discrete:
            return np.argmax(outputs, axis=1).astype(np.int64)
        return in_range(outputs, self.low, self.high)

    def to_bytes(self) -> bytes:
        """The policy as npz; equal policies give equal bytes."""
        arrays: dict[str, npt.NDArray[np.generic]] = {
            "format": np.array(_FORMAT),
            **{name: getattr(self, name) for name in ("mean", "scale", "low", "high", "log_spread")},
        }
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            arrays[f"weight_{number}"], arrays[f"bias_{number}"] = weight, bias
        sink = io.BytesIO()
        np.savez_compressed(sink, allow_pickle=False, **arrays)
        return sink.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> PpoPolicy:
        """Load what `to_bytes` wrote; nothing in the bytes is run.

        Raises:
            LakeError: The bytes hold something else.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                if str(arrays["format"]) != _FORMAT:
                    raise ValueError(f"format {arrays['format']}")
                layers = range(sum(name.startswith("weight_") for name in arrays.files))
                return cls(
                    arrays["mean"],
                    arrays["scale"],
                    tuple(arrays[f"weight_{n}"] for n in layers),
                    tuple(arrays[f"bias_{n}"] for n in layers),
                    arrays["low"],
                    arrays["high"],
                    arrays["log_spread"],
                )
        except (OSError, KeyError, ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
            raise LakeError("execution agent", received=repr(error), expected="bytes of PpoPolicy.to_bytes") from error


def in_range(places: Array, low: Array, high: Array) -> Array:
    """Continuous actions (n, m) from their places: -1 is ``low``, 1 is ``high``, what lies beyond is clipped."""
    shares = 0.5 * (np.clip(places, -1.0, 1.0) + 1.0)
    return np.asarray(low + shares * (high - low), dtype=np.float32)
