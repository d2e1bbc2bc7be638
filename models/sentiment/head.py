"""The sentiment head: one hidden layer on frozen embeddings, in numpy.

Here: the weights, the forward pass, loading and saving. Not here: training (fit.py, train.py), texts (score.py).
"""

from __future__ import annotations

import functools
import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from feeds.errors import LakeError, SchemaError

#: Order of the probability columns everywhere.
CLASSES = ("negative", "neutral", "positive")
WEIGHTS = Path(__file__).resolve().parent / "weights" / "head.npz"

_ARRAYS = ("mean", "scale", "w1", "b1", "w2", "b2")


@dataclass(frozen=True, eq=False)
class SentimentHead:
    """Standardisation, one ReLU layer, softmax over `CLASSES`.

    Attributes:
        mean: (width,) mean of the training embeddings.
        scale: (width,) their standard deviation.
        w1: (width, hidden) weights, kept as float16 values.
        b1: (hidden,) biases.
        w2: (hidden, 3) weights.
        b2: (3,) biases.
        metadata: How and on what it was trained, and its measured figures.
    """

    mean: npt.NDArray[np.float32]
    scale: npt.NDArray[np.float32]
    w1: npt.NDArray[np.float16]
    b1: npt.NDArray[np.float32]
    w2: npt.NDArray[np.float32]
    b2: npt.NDArray[np.float32]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """Width of the embeddings it takes."""
        return int(self.w1.shape[0])

    def predict_proba(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Class probabilities.

        Args:
            vectors: (n, width) embeddings.

        Returns:
            (n, 3) float64, rows sum to one, columns in the order of `CLASSES`. A row depends on its own vector only,
            bit for bit.

        Raises:
            SchemaError: The width is not the one the head was trained on.
        """
        if vectors.ndim != 2 or vectors.shape[1] != self.width:
            raise SchemaError("sentiment embeddings", received=f"shape {vectors.shape}", expected=f"(n, {self.width})")
        w1 = self.w1.astype(np.float64)
        out = np.empty((len(vectors), len(CLASSES)))
        # Row by row: a matrix product's rounding depends on how many rows there are.
        for row, vector in enumerate(vectors):
            scaled = (vector.astype(np.float64) - self.mean) / self.scale
            hidden = np.maximum(scaled @ w1 + self.b1, 0.0)
            out[row] = _softmax(hidden @ self.w2.astype(np.float64) + self.b2)
        return out

    def save(self, path: Path) -> None:
        """Write ``path`` (npz) and its metadata beside it (json)."""
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, **{name: getattr(self, name) for name in _ARRAYS})
        path.with_suffix(".json").write_text(json.dumps(dict(self.metadata), indent=2, sort_keys=True) + "\n")


def load_head(path: Path = WEIGHTS) -> SentimentHead:
    """Read a head.

    Raises:
        LakeError: A file is missing, damaged, or the metadata speaks of other weights.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            parts = {name: arrays[name] for name in _ARRAYS}
        metadata = json.loads(path.with_suffix(".json").read_text())
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise LakeError(
            str(path),
            received=str(error),
            expected="the npz of a sentiment head and its json",
            remedy="Restore them from version control or run python -m models.sentiment.train.",
        ) from error
    found = weights_sha256(parts)
    if metadata.get("weights_sha256", found) != found:
        raise LakeError(
            str(path),
            received=f"weights {found[:12]}",
            expected=f"weights {metadata['weights_sha256'][:12]} of the metadata",
            remedy="Restore both files from the same version.",
        )
    return SentimentHead(**parts, metadata=metadata)


def weights_sha256(parts: Mapping[str, npt.NDArray[Any]]) -> str:
    """Hash of a head's arrays: names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name in _ARRAYS:
        array = np.ascontiguousarray(parts[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def with_metadata(head: SentimentHead, metadata: Mapping[str, Any]) -> SentimentHead:
    """Return the head with ``metadata`` and the hash of its weights in it."""
    parts = {name: getattr(head, name) for name in _ARRAYS}
    return SentimentHead(**parts, metadata={**metadata, "weights_sha256": weights_sha256(parts)})


@functools.cache
def default_head() -> SentimentHead:
    """The shipped head."""
    return load_head()


def head_id() -> str:
    """Id of the shipped head, for lineage: ``sentiment_head-<12 hex digits of its weights>``."""
    return f"sentiment_head-{default_head().metadata['weights_sha256'][:12]}"


def _softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    exponentials = np.exp(logits - logits.max())
    return exponentials / exponentials.sum()
