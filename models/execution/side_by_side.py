"""Dense networks of equal hidden layers on the same inputs, with the gradient written out: fewer, larger calls.

For networks this small most of the time of an update goes into the calls, not into the sums. Hidden layers of all
networks share their buffers, so that what lies between the products is one call for all of them; parameters and their
gradient lie in one vector each, so that the optimiser, too, has one. The gradient is that of the chain rule (Rumelhart,
Hinton & Williams 1986), as automatic differentiation would find it.

Here: `SideBySide`. Not here: losses (ppo_heads.py, ppo_learner.py), networks of modules (networks.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from models.execution.networks import initialise

Single = npt.NDArray[np.float32]


class _Layer(NamedTuple):
    """Views of one network's layer in the vectors: (outputs, inputs), turned, and (outputs,); and of the gradient."""

    weight: Tensor
    turned: Tensor
    bias: Tensor
    weight_gradient: Tensor
    bias_gradient: Tensor


class SideBySide:
    """Networks with tanh between their layers.

    Args:
        width: Inputs.
        layers: Units of the hidden layers of each.
        outputs: Of each network.
        device: Of torch.
        more: Parameters beside the networks.

    Attributes:
        parameters: (p,) float32: what is beside the networks, then network after network, layer after layer, weights
            before biases.
        gradient: (p,) float32, set by `backward`, but for what is beside the networks.
        edges: Where each network begins in both, and where the last ends.
        layers: Of each network the layers.
    """

    def __init__(
        self, width: int, layers: Sequence[int], outputs: Sequence[int], device: torch.device, more: int = 0
    ) -> None:
        self.width, self.hidden, self.device, self.more = width, tuple(layers), device, more
        sizes = [sum((i + 1) * o for i, o in pairwise((width, *layers, last))) for last in outputs]
        self.edges = list(accumulate(sizes, initial=more))
        self.parameters = torch.zeros(self.edges[-1], device=device)
        self.gradient = torch.zeros(self.edges[-1], device=device)
        self.layers = [self._views(begin, last) for begin, last in zip(self.edges, outputs, strict=False)]
        self._kept: dict[int, list[Tensor]] = {}
        self._spare: dict[int, list[Tensor]] = {}

    def _views(self, at: int, last: int) -> list[_Layer]:
        found = []
        for inputs, outputs in pairwise((self.width, *self.hidden, last)):
            cut, end = at + inputs * outputs, at + (inputs + 1) * outputs
            weight, bias = self.parameters[at:cut].view(outputs, inputs), self.parameters[cut:end]
            found.append(
                _Layer(weight, weight.t(), bias, self.gradient[at:cut].view(outputs, inputs), self.gradient[cut:end])
            )
            at = end
        return found

    def initialise(self, generator: torch.Generator, last_gains: Sequence[float]) -> None:
        """See `models.execution.networks.initialise`; of each network the gain of its last layer."""
        for layers, gain in zip(self.layers, last_gains, strict=True):
            made = [skip_init(nn.Linear, layer.weight.shape[1], layer.weight.shape[0]) for layer in layers]
            initialise(made, generator, gain)
            for layer, module in zip(layers, made, strict=True):
                layer.weight.copy_(module.weight.detach())
                layer.bias.copy_(module.bias.detach())

    def told(self, place: int) -> tuple[tuple[Single, ...], tuple[Single, ...]]:
        """Weights, (inputs, outputs) each, and biases of one network: as policies without torch hold them."""
        layers = self.layers[place]
        weights = tuple(np.ascontiguousarray(layer.weight.cpu().numpy().T) for layer in layers)
        return weights, tuple(layer.bias.cpu().numpy().copy() for layer in layers)

    def set_told(self, place: int, weights: Sequence[Single], biases: Sequence[Single]) -> None:
        """Put back what `told` told."""
        for layer, weight, bias in zip(self.layers[place], weights, biases, strict=True):
            layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight.T)))
            layer.bias.copy_(torch.from_numpy(np.asarray(bias)))

    def of(self, place: int, inputs: Tensor) -> Tensor:
        """Outputs (n, o) of one network, nothing kept."""
        x = inputs
        for layer in self.layers[place][:-1]:
            x = torch.addmm(layer.bias, x, layer.turned).tanh_()
        last = self.layers[place][-1]
        return torch.addmm(last.bias, x, last.turned)

    def forward(self, inputs: Tensor) -> list[Tensor]:
        """Outputs of every network for (n, ``width``) inputs, (n, o) each; what `backward` needs is kept."""
        kept = self._buffers(self._kept, len(inputs))
        before = [inputs] * len(self.layers)
        for depth, buffer in enumerate(kept):
            for place, layers in enumerate(self.layers):
                torch.addmm(layers[depth].bias, before[place], layers[depth].turned, out=buffer[place])
            buffer.tanh_()
            before = list(buffer)
        return [
            torch.addmm(layers[-1].bias, last, layers[-1].turned)
            for layers, last in zip(self.layers, before, strict=True)
        ]

    def backward(self, inputs: Tensor, wanted: Sequence[Tensor]) -> None:
        """Set ``gradient`` from the loss's with respect to the outputs of the last `forward`, (n, o) each."""
        kept, spare = self._buffers(self._kept, len(inputs)), self._buffers(self._spare, len(inputs))
        for place, layers in enumerate(self.layers):
            torch.mm(wanted[place].t(), kept[-1][place], out=layers[-1].weight_gradient)
            torch.sum(wanted[place], 0, out=layers[-1].bias_gradient)
            torch.mm(wanted[place], layers[-1].weight, out=spare[-1][place])
        for depth in range(len(kept) - 1, -1, -1):
            torch.ops.aten.tanh_backward.grad_input(spare[depth], kept[depth], grad_input=spare[depth])
            for place, layers in enumerate(self.layers):
                back = spare[depth][place]
                torch.mm(back.t(), kept[depth - 1][place] if depth else inputs, out=layers[depth].weight_gradient)
                torch.sum(back, 0, out=layers[depth].bias_gradient)
                if depth:
                    torch.mm(back, layers[depth].weight, out=spare[depth - 1][place])

    def _buffers(self, made: dict[int, list[Tensor]], count: int) -> list[Tensor]:
        if count not in made:
            shape = len(self.layers), count
            made[count] = [torch.empty((*shape, units), device=self.device) for units in self.hidden]
        return made[count]
