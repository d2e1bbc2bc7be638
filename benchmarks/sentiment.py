"""Speed, memory and accuracy of the sentiment scorer.

Here: one importable measurement. Not here: the table of results (RESULTS.md).
"""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.sentiment.corpora import held_out_split, read_tweets
from models.sentiment.encoder import default_encoder
from models.sentiment.evaluation import classification_metrics
from models.sentiment.head import CLASSES, default_head
from models.sentiment.score import score_texts
from models.sentiment.train import HELD_OUT_SHARE, TWEETS_FILE

_PROJECT = Path(__file__).resolve().parent.parent
_PROBABILITIES = [f"p_{name}" for name in CLASSES]
_INVENTED = "Company {} reports quarterly sales above estimates and raises its outlook for the year"


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
    figures = {} if labels is None else classification_metrics(labels, scores.select(_PROBABILITIES).to_numpy())
    return {
        "texts_per_s": len(set(sample)) / elapsed,
        "load_s": load_s,
        "macro_f1": figures.get("macro_f1"),
        "accuracy": figures.get("accuracy"),
        "peak_rss_mb": _peak_rss_mb(),
    }


def _sample(texts: int, data: Path | None) -> tuple[list[str], npt.NDArray[np.int64] | None]:
    shared = Path(os.environ.get("T2T_SHARED", _PROJECT.parent / "shared" / "data"))
    tweets_csv = (data or shared / "headlines") / TWEETS_FILE
    if not tweets_csv.is_file():
        return [_INVENTED.format(number) for number in range(texts)], None
    tweets = read_tweets(tweets_csv)
    _, held = held_out_split(tweets, HELD_OUT_SHARE, default_head().metadata["seed"])
    part = tweets.take(held[:texts])
    return list(part.texts), part.labels


def _peak_rss_mb() -> float:
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # macOS counts bytes where Linux counts KiB.
    return kib / 2**20 if sys.platform == "darwin" else kib / 2**10
