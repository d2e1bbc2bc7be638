"""Speed, memory and accuracy of the sentiment scorer.

Here: one importable measurement. Not here: the table of results (RESULTS.md).
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil

from models.sentiment.corpora import held_out_split, read_tweets
from models.sentiment.encoder import default_encoder
from models.sentiment.evaluation import classification_metrics
from models.sentiment.head import CLASSES, default_head
from models.sentiment.score import score_texts
from models.sentiment.train import HELD_OUT_SHARE, TWEETS_FILE

_PROJECT = Path(__file__).resolve().parent.parent


def run(texts: int = 400, data: Path | None = None) -> dict[str, float | None]:
    """Score held-out finance tweets, or made-up headlines where the tweets are not here.

    Args:
        texts: How many texts to score, at most.
        data: Folder of the labelled corpora; by default ``$T2T_SHARED/headlines``, else that of ../shared/data.

    Returns:
        texts_per_s (one thread, after loading), load_s (transformer and head), macro_f1 and accuracy of the scored
        held-out tweets (None without the tweets), peak_rss_mb of this process.
    """
    started = time.perf_counter()
    default_encoder(), default_head()
    load_s = time.perf_counter() - started
    sample, labels = _sample(texts, data)
    started = time.perf_counter()
    scores = score_texts(sample)
    elapsed = time.perf_counter() - started
    figures = (
        {} if labels is None else classification_metrics(labels, scores.select(_PROBABILITIES).to_numpy())
    )
    return {
        "texts_per_s": len(set(sample)) / elapsed,
        "load_s": load_s,
        "macro_f1": figures.get("macro_f1"),
        "accuracy": figures.get("accuracy"),
        "peak_rss_mb": _peak_rss_mb(),
    }


_PROBABILITIES = [f"p_{name}" for name in CLASSES]


def _sample(texts, data):  # type: ignore[no-untyped-def]
    raise NotImplementedError
