"""Scoring with the packaged transformer and the shipped head."""

import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from feeds.errors import LakeError, SchemaError
from feeds.schema import HEADLINES, SENTIMENT
from models.sentiment import score_headlines, score_texts
from models.sentiment.encoder import HIDDEN, LAYERS, MAX_TOKENS, WIDTH, default_encoder
from models.sentiment.head import default_head, with_metadata

UP = [
    "Company beats quarterly profit estimates and raises its outlook",
    "Shares surge after strong sales growth",
    "Broker upgrades the stock to buy, lifts price target",
]
DOWN = [
    "Company misses profit estimates and cuts its outlook",
    "Shares plunge after weak sales, losses widen",
    "Broker downgrades the stock to sell, cuts price target",
]
FLAT = ["Company to hold its annual meeting on Thursday"]


def _headlines(texts, symbols=None):
    rows = {
        "published_at": list(range(len(texts))),
        "available_at": list(range(len(texts))),
        "symbol": symbols or ["X.Y"] * len(texts),
        "headline": texts,
        "source": ["simulated"] * len(texts),
        "text_id": [f"id{text}" for text in texts],
    }
    return pl.DataFrame(rows, schema=HEADLINES)


def test_plain_good_and_bad_news_score_in_the_right_direction():
    scores = score_texts(UP + DOWN)["score"].to_list()
    assert min(scores[: len(UP)]) > 0.3
    assert max(scores[len(UP) :]) < -0.3


def test_plain_facts_are_neutral():
    row = score_texts(FLAT).row(0, named=True)
    assert row["p_neutral"] > max(row["p_negative"], row["p_positive"])


def test_probabilities_sum_to_one_and_the_score_is_their_difference():
    frame = score_texts(UP + DOWN + FLAT)
    total = frame.select(pl.sum_horizontal("p_negative", "p_neutral", "p_positive")).to_series()
    assert np.allclose(total, 1.0, atol=1e-12)
    assert (frame["score"] == frame["p_positive"] - frame["p_negative"]).all()


def test_a_score_has_the_same_bits_whatever_stands_beside_the_text():
    texts = [*UP, "a " * 200, *DOWN, "", *FLAT]
    together = score_texts(texts)
    backwards = score_texts(texts[::-1]).reverse()
    alone = pl.concat([score_texts([text]) for text in texts])
    assert together.equals(backwards)
    assert together.equals(alone)


def test_a_score_does_not_depend_on_the_thread_count_of_the_process():
    import torch

    before = torch.get_num_threads()
    expected = score_texts(UP)
    try:
        torch.set_num_threads(2)
        assert score_texts(UP).equals(expected)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_equal_texts_are_embedded_once():
    seen = []
    frame = score_texts([UP[0], DOWN[0], UP[0]], on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]
    assert frame.row(0) == frame.row(2) != frame.row(1)


def test_links_and_cash_tag_signs_do_not_move_a_score():
    assert score_texts(["$ABC falls https://t.co/x"]).equals(score_texts(["ABC falls"]))


def test_every_layer_of_an_embedding_has_unit_length():
    vectors = default_encoder().embed([*UP, ""])
    assert vectors.shape == (4, WIDTH)
    assert vectors.dtype == np.float32
    lengths = np.linalg.norm(vectors.reshape(4, len(LAYERS), HIDDEN), axis=2)
    assert np.allclose(lengths, 1.0, atol=1e-5)


def test_a_text_is_cut_at_the_token_limit_and_no_sooner():
    words = ["profit"] * 400
    at_limit = MAX_TOKENS - 2  # the tokenizer adds one token at either end
    longest, longer = default_encoder().embed([" ".join(words[:at_limit]), " ".join(words)])
    shorter = default_encoder().embed([" ".join(words[: at_limit - 1])])[0]
    assert np.array_equal(longest, longer)
    assert not np.array_equal(longest, shorter)


def test_no_texts_give_an_empty_frame_of_the_right_columns():
    assert score_texts([]).schema == dict.fromkeys(("p_negative", "p_neutral", "p_positive", "score"), pl.Float64)


def test_a_headline_of_two_instruments_has_one_score_in_two_rows():
    frame = score_headlines(_headlines([UP[0], UP[0], DOWN[0]], ["A.US", "B.US", "A.US"]))
    assert frame.schema == SENTIMENT
    assert frame["symbol"].to_list() == ["A.US", "B.US", "A.US"]
    assert frame["score"][0] == frame["score"][1] > 0 > frame["score"][2]


def test_no_headlines_give_an_empty_sentiment_table():
    assert score_headlines(_headlines([])).schema == SENTIMENT


def test_a_frame_without_headlines_is_rejected():
    with pytest.raises(SchemaError, match="headline"):
        score_headlines(_headlines(UP).drop("headline"))


def test_a_head_of_another_transformer_is_rejected():
    other = with_metadata(default_head(), {"encoder_sha256": "0" * 64})
    with pytest.raises(LakeError, match="000000000000"):
        score_texts(UP, head=other)


def test_importing_the_package_imports_neither_torch_nor_transformers():
    code = "import sys, models.sentiment; print(sorted({'torch', 'transformers', 'sklearn'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_text_that_is_known_is_not_scored_again_and_new_ones_get_the_same_bits_as_alone(monkeypatch):
    import models.sentiment.score as module

    texts = ["Profit beats expectations", "Shares slump after warning", "Board meets on Tuesday"]
    everything = score_headlines(_headlines(texts))
    asked = []
    real = module.score_texts

    def counting(wanted, **options):
        asked.extend(wanted)
        return real(wanted, **options)

    monkeypatch.setattr(module, "score_texts", counting)
    again = score_headlines(_headlines(texts[::-1]), known=everything.head(2))
    assert asked == texts[2:]
    columns = ["headline", "p_negative", "p_neutral", "p_positive", "score"]
    assert again.select(columns).sort("headline").equals(everything.select(columns).sort("headline"))
