"""Training the sentiment head and measuring it on held-out texts.

Here: ``train_head`` and the command ``python -m models.sentiment.train --data DIR``, which writes weights/head.npz and
weights/head.json. Not here: the optimiser (fit.py), the corpora's formats (corpora.py).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.sentiment.corpora import Corpus, held_out_split, read_sentfin, read_tweets
from models.sentiment.encoder import LAYERS, MAX_TOKENS, OnText, default_encoder
from models.sentiment.evaluation import classification_metrics
from models.sentiment.fit import HeadConfig, fit_head, row_weights
from models.sentiment.head import CLASSES, WEIGHTS, SentimentHead, load_head, with_metadata

HELD_OUT_SHARE = 0.2
#: Weight of a SEntFiN headline against a tweet's 1: its labels follow another rule and its classes are balanced.
SENTFIN_WEIGHT = 0.3
#: Held-out tweets whose figures are recorded apart, so that a quick check can reproduce them.
SAMPLE_ROWS = 400
TWEETS_FILE = "twitter_financial_train.csv"
SENTFIN_FILE = "SEntFiN.csv"

Encode = Callable[[Sequence[str]], npt.NDArray[np.float32]]


def train_head(
    tweets_csv: Path,
    sentfin_csv: Path | None,
    seed: int,
    *,
    config: HeadConfig | None = None,
    encode: Encode | None = None,
    on_progress: OnText | None = None,
) -> tuple[SentimentHead, dict[str, Any]]:
    """Train a head on the training part of both corpora and judge it on the held-out parts.

    The returned weights never saw a held-out story, so the figures are those of the weights themselves.

    Args:
        tweets_csv: The finance tweets.
        sentfin_csv: SEntFiN headlines as additional data; None leaves them out.
        seed: Of the split, the initial weights, the order of rows and dropout.
        config: Settings of the fit.
        encode: Texts to embeddings; the packaged transformer by default.
        on_progress: Called with (done, total) texts embedded; not used with ``encode``.

    Returns:
        The head, with metadata, and its metrics: per corpus n, accuracy, macro_f1, f1 by class, log_loss and the
        confusion matrix (rows: truth, columns: prediction, order of `CLASSES`), plus the linear control.

    Raises:
        UnreadableFileError: A corpus cannot be read.
        SchemaError: A corpus lacks a column.
        InsufficientDataError: A class has too few stories to split.
    """
    config = config or HeadConfig()
    corpora = [read_tweets(tweets_csv)] + ([read_sentfin(sentfin_csv)] if sentfin_csv is not None else [])
    encoder_sha256 = None
    if encode is None:
        encoder = default_encoder()
        encoder_sha256 = encoder.weights_sha256

        def encode(texts: Sequence[str]) -> npt.NDArray[np.float32]:
            return encoder.embed(texts, on_progress)

    vectors = _embed_all(corpora, encode)
    splits = [held_out_split(corpus, HELD_OUT_SHARE, seed) for corpus in corpora]
    inputs, labels, weights = _training_rows(corpora, vectors, splits, config)
    head = fit_head(inputs, labels, weights, config, seed)
    metrics: dict[str, Any] = {}
    for corpus, part, (_, held) in zip(corpora, vectors, splits, strict=True):
        metrics[corpus.name] = _judge(head, corpus, part, held)
    metrics["sample"] = _judge(head, corpora[0], vectors[0], splits[0][1][:SAMPLE_ROWS])
    metrics["linear_control"] = _linear_control(corpora[0], vectors[0], splits[0])
    return with_metadata(head, _metadata(corpora, config, seed, encoder_sha256, metrics)), metrics


def _embed_all(corpora: Sequence[Corpus], encode: Encode) -> list[npt.NDArray[np.float32]]:
    vectors = encode([text for corpus in corpora for text in corpus.texts])
    ends = np.cumsum([len(corpus.texts) for corpus in corpora])
    return np.split(vectors, ends[:-1])


def _training_rows(
    corpora: Sequence[Corpus],
    vectors: Sequence[npt.NDArray[np.float32]],
    splits: Sequence[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]],
    config: HeadConfig,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    inputs, labels, weights = [], [], []
    for number, (corpus, part, (train, _)) in enumerate(zip(corpora, vectors, splits, strict=True)):
        inputs.append(part[train])
        labels.append(corpus.labels[train])
        additional = np.full(len(train), SENTFIN_WEIGHT, dtype=np.float32)
        weights.append(additional if number else row_weights(corpus.labels[train], config.balance))
    return np.concatenate(inputs), np.concatenate(labels), np.concatenate(weights)


def _judge(
    head: SentimentHead, corpus: Corpus, vectors: npt.NDArray[np.float32], rows: npt.NDArray[np.int64]
) -> dict[str, Any]:
    return classification_metrics(corpus.labels[rows], head.predict_proba(vectors[rows]))


def _linear_control(
    corpus: Corpus,
    vectors: npt.NDArray[np.float32],
    split: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
) -> dict[str, Any]:
    """The floor to beat: logistic regression on the last layer's mean, on the same split."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train, held = split
    last = slice(-(vectors.shape[1] // len(LAYERS)), None)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    model.fit(vectors[train, last], corpus.labels[train])
    return classification_metrics(corpus.labels[held], model.predict_proba(vectors[held, last]))


def _metadata(
    corpora: Sequence[Corpus], config: HeadConfig, seed: int, encoder_sha256: str | None, metrics: dict[str, Any]
) -> dict[str, Any]:
    return {
        "classes": list(CLASSES),
        "encoder": "sentence-transformers/all-MiniLM-L6-v2",
        "encoder_sha256": encoder_sha256,
        "layers": list(LAYERS),
        "max_tokens": MAX_TOKENS,
        "data_sha256": {corpus.name: corpus.sha256 for corpus in corpora},
        "texts": {corpus.name: len(corpus.texts) for corpus in corpora},
        "held_out_share": HELD_OUT_SHARE,
        "sentfin_weight": SENTFIN_WEIGHT,
        "config": asdict(config),
        "seed": seed,
        "metrics": metrics,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Train on the corpora of a folder, print the figures, write the head."""
    parser = argparse.ArgumentParser(prog="python -m models.sentiment.train", description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True, help=f"folder of {TWEETS_FILE} and {SENTFIN_FILE}")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="npz to write; its json goes beside it")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args(arguments)
    head, metrics = _train_with_progress(options.data / TWEETS_FILE, options.data / SENTFIN_FILE, options.seed)
    head.save(options.out)
    load_head(options.out)
    for name, figures in metrics.items():
        print(f"{name}: n {figures['n']}, accuracy {figures['accuracy']:.4f}, macro-F1 {figures['macro_f1']:.4f}")
    return 0


def _train_with_progress(tweets: Path, sentfin: Path, seed: int) -> tuple[SentimentHead, dict[str, Any]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns) as bar:
        task = bar.add_task("embedding texts", total=None)
        return train_head(
            tweets, sentfin, seed, on_progress=lambda done, total: bar.update(task, completed=done, total=total)
        )


if __name__ == "__main__":
    raise SystemExit(main())
