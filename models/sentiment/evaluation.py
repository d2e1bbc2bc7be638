"""Figures of a classifier: accuracy, F1, log loss, confusion.

Here: pure functions of labels and probabilities. Not here: which texts are judged (train.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from feeds.errors import InsufficientDataError
from models.sentiment.head import CLASSES


def confusion_matrix(truth: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Counts of shape (3, 3): rows are the truth, columns the prediction, in the order of `CLASSES`."""
    counts = np.zeros((len(CLASSES), len(CLASSES)), dtype=np.int64)
    np.add.at(counts, (truth, predicted), 1)
    return counts


def class_f1(confusion: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """F1 of each class: 2 hits / (2 hits + misses + false alarms); 0 where a class never occurs."""
    hits = np.diag(confusion).astype(np.float64)
    denominator = confusion.sum(axis=0) + confusion.sum(axis=1)
    return np.divide(2.0 * hits, denominator, out=np.zeros_like(hits), where=denominator > 0)


def classification_metrics(truth: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64]) -> dict[str, Any]:
    """Figures of predicted probabilities.

    Args:
        truth: (n,) indices into `CLASSES`.
        probabilities: (n, 3), rows sum to one; the most probable class is the prediction.

    Returns:
        n, accuracy, macro_f1 (unweighted mean over the classes), f1 by class name, log_loss (nats), confusion.

    Raises:
        InsufficientDataError: There is no row.
    """
    if not len(truth):
        raise InsufficientDataError("sentiment evaluation", received="no labelled text", expected="at least one")
    confusion = confusion_matrix(truth, probabilities.argmax(axis=1))
    f1 = class_f1(confusion)
    likelihood = probabilities[np.arange(len(truth)), truth]
    return {
        "n": len(truth),
        "accuracy": float(np.trace(confusion) / len(truth)),
        "macro_f1": float(f1.mean()),
        "f1": dict(zip(CLASSES, f1.tolist(), strict=True)),
        "log_loss": float(-np.log(np.clip(likelihood, 1e-15, 1.0)).mean()),
        "confusion": confusion.tolist(),
    }
