"""Dense networks of the agents: made, initialised, flattened and brought back, without torch's global state.

Here: what the learners share. Not here: what they learn (dqn_learner.py, ppo.py), acting without torch (dqn_policy.py,
ppo_policy.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn.utils import skip_init

from feeds.errors import SchemaError

Array = npt.NDArray[Any]
Single = npt.NDArray[np.float32]


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread: networks this small only lose to more, and their sums would depend on how many there are."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def dense(sizes: Sequence[int], device: torch.device, between: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Linear layers of ``sizes`` with ``between`` between them, not initialised."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        # torch's own initialisation would draw from the global generator, which belongs to the caller
        layers += [skip_init(nn.Linear, inputs, outputs), between()]
    return nn.Sequential(*layers[:-1]).to(device)


def linears(network: nn.Module) -> list[nn.Linear]:
    """The linear layers, in order."""
    return [layer for layer in network.modules() if isinstance(layer, nn.Linear)]


def initialise(layers: Sequence[nn.Linear], generator: torch.Generator, last_gain: float) -> None:
    """Weights as He et al. (2015) for ReLU, the last layer's times ``last_gain``; biases 0."""
    with torch.no_grad():
        for layer in layers:
            drawn = torch.empty(layer.weight.shape)
            nn.init.kaiming_uniform_(drawn, nonlinearity="relu", generator=generator)
            layer.weight.copy_(drawn * (last_gain if layer is layers[-1] else 1.0))
            layer.bias.zero_()


def scales_of(seen: Single) -> tuple[Single, Single]:
    """Mean (k,) and standard deviation (k,) of observations (n, k); 1 where one never moved.

    In double precision: sums of singles leave a constant some deviation, by which it would be blown up.

    Raises:
        SchemaError: An observation is not finite: nothing could be learned from it, silently.
    """
    if not np.isfinite(seen).all():
        bad = np.flatnonzero(~np.isfinite(seen).all(axis=0)).tolist()
        raise SchemaError("observations of the training", f"values that are not finite, terms {bad}", "finite numbers")
    mean, deviation = seen.mean(axis=0, dtype=np.float64), seen.std(axis=0, dtype=np.float64)
    return mean.astype(np.float32), np.where(deviation > 1e-6, deviation, 1.0).astype(np.float32)


def array_of(tensor: torch.Tensor) -> Single:
    """A copy in numpy."""
    return np.asarray(tensor.detach().cpu().numpy().copy())


def layers_of(network: nn.Module) -> tuple[tuple[Single, ...], tuple[Single, ...]]:
    """Weights, (inputs, outputs) each, and biases of the linear layers: as policies without torch hold them."""
    layers = linears(network)
    return tuple(array_of(one.weight).T.copy() for one in layers), tuple(array_of(one.bias) for one in layers)


def set_layers(layers: Sequence[nn.Linear], weights: Sequence[Single], biases: Sequence[Single]) -> None:
    """Put back what `layers_of` told."""
    with torch.no_grad():
        for layer, weight, bias in zip(layers, weights, biases, strict=True):
            layer.weight.copy_(torch.from_numpy(weight.T.copy()))
            layer.bias.copy_(torch.from_numpy(bias.copy()))


def weights_of(network: nn.Module, name: str) -> dict[str, Array]:
    """All parameters by ``name/number``."""
    return {f"{name}/{number}": array_of(tensor) for number, tensor in enumerate(network.parameters())}


def set_weights(network: nn.Module, name: str, arrays: Mapping[str, Array]) -> None:
    """Put back what `weights_of` told."""
    with torch.no_grad():
        for number, tensor in enumerate(network.parameters()):
            tensor.copy_(torch.from_numpy(arrays[f"{name}/{number}"]))


class Flat(NamedTuple):
    """A network's parameters and their gradient, (p,) each, of which its tensors are views."""

    parameters: torch.Tensor
    gradient: torch.Tensor


def flattened(network: nn.Module) -> Flat:
    """Move the parameters into one vector and their gradients into another, so that one call changes all of them."""
    parts = list(network.parameters())
    flat = torch.cat([part.detach().ravel() for part in parts])
    found, at = Flat(flat, torch.zeros_like(flat)), 0
    for part in parts:
        rows = slice(at, at + part.numel())
        part.data, part.grad = (vector[rows].view_as(part) for vector in found)
        at = rows.stop
    return found


def shorten(gradient: torch.Tensor, longest: float) -> None:
    """Scale a vector to at most this length."""
    gradient *= (longest / (gradient.norm() + 1e-6)).clamp_(max=1.0)
