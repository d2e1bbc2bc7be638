"""The labelled corpora the head is trained and judged on.

Here: reading the two CSVs, mapping their labels, the held-out split. Not here: the corpora themselves.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from feeds.errors import InsufficientDataError, SchemaError, UnreadableFileError
from models.sentiment.head import CLASSES
from models.sentiment.text import text_key

_TWEET_CLASS = {0: "negative", 1: "positive", 2: "neutral"}
# The entity names hold unescaped quotes, so the mapping is no valid Python literal; its values are all that is needed.
_DECISION = re.compile(r":\s*['\"](negative|neutral|positive)['\"]")


@dataclass(frozen=True, eq=False)
class Corpus:
    """Labelled texts.

    Attributes:
        name: For reports.
        texts: The texts as published.
        labels: (n,) int64 indices into `CLASSES`.
        sha256: Of the file.
    """

    name: str
    texts: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    sha256: str

    def take(self, rows: npt.NDArray[np.int64]) -> Corpus:
        """The corpus of the given rows only."""
        return Corpus(self.name, tuple(self.texts[row] for row in rows), self.labels[rows], self.sha256)


def read_tweets(path: Path) -> Corpus:
    """Read the finance tweets: columns text and label (0 bearish, 1 bullish, 2 neutral).

    Raises:
        UnreadableFileError: The file is no CSV or holds another label.
        SchemaError: A column is missing.
    """
    frame = _read_csv(path, ("text", "label"))
    labels = frame["label"].cast(pl.Int64, strict=False).to_list()
    for line, label in enumerate(labels):
        if label not in _TWEET_CLASS:
            raise UnreadableFileError(path, f"row {line}", f"a label of {sorted(_TWEET_CLASS)}", frame["label"][line])
    classes = [CLASSES.index(_TWEET_CLASS[label]) for label in labels]
    return _corpus("finance tweets", path, frame["text"].to_list(), classes)


def read_sentfin(path: Path) -> Corpus:
    """Read SEntFiN (Sinha et al. 2022, arXiv 2305.12257): headlines with one sentiment per named company.

    A headline is kept where all its companies share one sentiment: the head gives one sentiment per text.

    Raises:
        UnreadableFileError: The file is no CSV.
        SchemaError: A column is missing.
    """
    frame = _read_csv(path, ("Title", "Decisions"))
    texts, classes = [], []
    for title, decisions in zip(frame["Title"].to_list(), frame["Decisions"].to_list(), strict=True):
        found = set(_DECISION.findall(decisions or ""))
        if len(found) == 1:
            texts.append(title)
            classes.append(CLASSES.index(found.pop()))
    return _corpus("SEntFiN headlines", path, texts, classes)


def held_out_split(corpus: Corpus, share: float, seed: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Split a corpus into training and held-out rows, stratified by class.

    All copies of a story (equal `text_key`) fall on the same side, so that a repost of a training text is never
    judged. The split depends on the keys' hashes and the seed only, not on the order of the file.

    Args:
        corpus: What to split.
        share: Share of the stories held out, in (0, 1).
        seed: Salt of the hashes.

    Returns:
        Row numbers of the training part and of the held-out part, each ascending.

    Raises:
        InsufficientDataError: A class has fewer than five stories.
    """
    keys = [text_key(text) for text in corpus.texts]
    first_class = {key: int(label) for key, label in zip(reversed(keys), corpus.labels[::-1], strict=True)}
    held: set[str] = set()
    for label, name in enumerate(CLASSES):
        stories = [key for key, of in first_class.items() if of == label]
        if len(stories) < 5:
            raise InsufficientDataError(
                f"{corpus.name}: class {name}", received=f"{len(stories)} stories", expected="at least 5"
            )
        stories.sort(key=lambda key: hashlib.sha256(f"{seed}/{key}".encode()).digest())
        held.update(stories[: max(1, round(share * len(stories)))])
    judged = np.fromiter((key in held for key in keys), dtype=bool, count=len(keys))
    return np.flatnonzero(~judged), np.flatnonzero(judged)


def _read_csv(path: Path, columns: tuple[str, ...]) -> pl.DataFrame:
    try:
        frame = pl.read_csv(path, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UnreadableFileError(path, "the start", "a readable CSV", str(error).splitlines()[0]) from error
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise SchemaError(str(path), received=f"columns {frame.columns}", expected=f"also {missing}")
    return frame


def _corpus(name: str, path: Path, texts: list[str | None], classes: list[int]) -> Corpus:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Corpus(name, tuple(text or "" for text in texts), np.asarray(classes, dtype=np.int64), digest)
