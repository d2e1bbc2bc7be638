"""Fitting the head: AdamW on weighted cross-entropy, in numpy, the same weights for the same seed.

Here: the optimiser of one small network. Not here: corpora (corpora.py), figures and files (train.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.sentiment.head import CLASSES, SentimentHead

Matrix = npt.NDArray[np.float32]
_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class HeadConfig:
    """Settings of the fit; the defaults were chosen by cross-validation inside the training part.

    Attributes:
        hidden: Units of the hidden layer.
        epochs: Passes over the training rows.
        batch_rows: Rows a step.
        learning_rate: At the start; falls to zero along half a cosine.
        weight_decay: Decoupled, per step times the learning rate (Loshchilov and Hutter 2019).
        dropout_input: Share of embedding components hidden at a step.
        dropout_hidden: Share of hidden units hidden at a step.
        label_smoothing: Weight of the uniform distribution in the target.
        balance: Exponent on (largest class / class) in a row's weight; 0 ignores imbalance, 1 removes it.
    """

    hidden: int = 64
    epochs: int = 30
    batch_rows: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    dropout_input: float = 0.25
    dropout_hidden: float = 0.5
    label_smoothing: float = 0.05
    balance: float = 0.3


def row_weights(labels: npt.NDArray[np.int64], balance: float) -> Matrix:
    """Weight of each row: (rows of the largest class / rows of its class) ** ``balance``."""
    counts = np.bincount(labels, minlength=len(CLASSES)).clip(min=1)
    return ((counts.max() / counts) ** balance)[labels].astype(np.float32)


def fit_head(
    vectors: Matrix,
    labels: npt.NDArray[np.int64],
    weights: Matrix,
    config: HeadConfig,
    seed: int,
    on_epoch: Callable[[int, int], None] | None = None,
) -> SentimentHead:
    """Fit a head.

    Args:
        vectors: (n, width) float32 embeddings.
        labels: (n,) indices into `CLASSES`.
        weights: (n,) weight of each row in the loss.
        config: Settings.
        seed: Of initial weights, order of the rows and dropout.
        on_epoch: Called with (done, total) after each epoch.

    Returns:
        A head whose hidden weights are rounded to float16, as they are stored.
    """
    mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    scale = np.maximum(vectors.std(axis=0, dtype=np.float64), 1e-6).astype(np.float32)
    inputs = (vectors - mean) / scale
    targets = _targets(labels, config.label_smoothing)
    initial, order, noise = (np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(3))
    parameters = _initial_parameters(inputs.shape[1], config.hidden, initial)
    optimiser = _AdamW(parameters, config)
    total = config.epochs * -(-len(inputs) // config.batch_rows)
    step = 0
    for epoch in range(config.epochs):
        permutation = order.permutation(len(inputs))
        for start in range(0, len(inputs), config.batch_rows):
            rows = permutation[start : start + config.batch_rows]
            gradients = _gradients(parameters, inputs[rows], targets[rows], weights[rows], config, noise)
            optimiser.step(gradients, 0.5 * (1.0 + np.cos(np.pi * step / total)))
            step += 1
        if on_epoch is not None:
            on_epoch(epoch + 1, config.epochs)
    w1, b1, w2, b2 = parameters
    return SentimentHead(mean=mean, scale=scale, w1=w1.astype(np.float16), b1=b1, w2=w2, b2=b2)


def _targets(labels: npt.NDArray[np.int64], smoothing: float) -> Matrix:
    one_hot = np.eye(len(CLASSES), dtype=np.float32)[labels]
    return one_hot * np.float32(1.0 - smoothing) + np.float32(smoothing / len(CLASSES))


def _initial_parameters(width: int, hidden: int, rng: np.random.Generator) -> list[Matrix]:
    def uniform(fan_in: int, shape: tuple[int, ...]) -> Matrix:
        bound = 1.0 / np.sqrt(fan_in)
        return rng.uniform(-bound, bound, shape).astype(np.float32)

    return [
        uniform(width, (width, hidden)),
        uniform(width, (hidden,)),
        uniform(hidden, (hidden, len(CLASSES))),
        uniform(hidden, (len(CLASSES),)),
    ]


def _gradients(
    parameters: list[Matrix],
    inputs: Matrix,
    targets: Matrix,
    weights: Matrix,
    config: HeadConfig,
    noise: np.random.Generator,
) -> list[Matrix]:
    w1, b1, w2, b2 = parameters
    inputs = inputs * _dropout(inputs.shape, config.dropout_input, noise)
    active = inputs @ w1 + b1
    kept = _dropout(active.shape, config.dropout_hidden, noise) * (active > 0)
    hidden = active * kept
    logits = hidden @ w2 + b2
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    softmax = exponentials / exponentials.sum(axis=1, keepdims=True)
    at_logits = (softmax - targets) * (weights / np.float32(len(inputs)))[:, None]
    at_active = (at_logits @ w2.T) * kept
    return [inputs.T @ at_active, at_active.sum(axis=0), hidden.T @ at_logits, at_logits.sum(axis=0)]


def _dropout(shape: tuple[int, ...], share: float, noise: np.random.Generator) -> Matrix:
    if share <= 0:
        return np.ones(shape, dtype=np.float32)
    kept = noise.random(shape, dtype=np.float32) >= share
    return kept.astype(np.float32) / np.float32(1.0 - share)


class _AdamW:
    """Adam (Kingma and Ba 2015) with decoupled weight decay; updates the parameters in place."""

    def __init__(self, parameters: list[Matrix], config: HeadConfig) -> None:
        self._parameters = parameters
        self._config = config
        self._first = [np.zeros_like(parameter) for parameter in parameters]
        self._second = [np.zeros_like(parameter) for parameter in parameters]
        self._steps = 0

    def step(self, gradients: list[Matrix], schedule: float) -> None:
        self._steps += 1
        rate = self._config.learning_rate * schedule
        bias1, bias2 = 1.0 - _BETA1**self._steps, 1.0 - _BETA2**self._steps
        for parameter, gradient, first, second in zip(
            self._parameters, gradients, self._first, self._second, strict=True
        ):
            first += (gradient - first) * np.float32(1.0 - _BETA1)
            second += (np.square(gradient) - second) * np.float32(1.0 - _BETA2)
            parameter *= np.float32(1.0 - rate * self._config.weight_decay)
            parameter -= np.float32(rate / bias1) * first / (np.sqrt(second / np.float32(bias2)) + np.float32(_EPSILON))
