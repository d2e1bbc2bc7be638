"""Training on made-up corpora with a bag-of-words encoder; the shipped figures on the real ones."""

import json
import zlib

import numpy as np
import pytest

from feeds.errors import InsufficientDataError
from models.sentiment import train
from models.sentiment.corpora import held_out_split, read_tweets
from models.sentiment.encoder import default_encoder
from models.sentiment.evaluation import classification_metrics
from models.sentiment.fit import HeadConfig
from models.sentiment.head import default_head, load_head

CONFIG = HeadConfig(hidden=8, epochs=30, batch_rows=16, learning_rate=0.02)
WORDS = {0: "falls", 1: "rises", 2: "meets"}


def _encode(texts):
    vectors = np.zeros((len(texts), 32), dtype=np.float32)
    for row, text in enumerate(texts):
        for word in text.split():
            vectors[row, zlib.crc32(word.encode()) % 32] += 1.0
    return vectors


@pytest.fixture
def corpora(tmp_path):
    tweets = [f"Firm{n} {WORDS[n % 3]},{n % 3}" for n in range(120)]
    (tmp_path / train.TWEETS_FILE).write_text("text,label\n" + "\n".join(tweets) + "\n")
    names = {0: "negative", 1: "positive", 2: "neutral"}
    headlines = [f"Co{n} {WORDS[n % 3]},{{'Co{n}': '{names[n % 3]}'}}" for n in range(60)]
    (tmp_path / train.SENTFIN_FILE).write_text("Title,Decisions\n" + "\n".join(headlines) + "\n")
    return tmp_path / train.TWEETS_FILE, tmp_path / train.SENTFIN_FILE


def test_retraining_under_a_seed_gives_the_same_weights_and_figures(corpora):
    first, figures = train.train_head(*corpora, seed=3, config=CONFIG, encode=_encode)
    again, same_figures = train.train_head(*corpora, seed=3, config=CONFIG, encode=_encode)
    other, _ = train.train_head(*corpora, seed=4, config=CONFIG, encode=_encode)
    assert first.metadata == again.metadata
    assert figures == same_figures
    assert first.metadata["weights_sha256"] != other.metadata["weights_sha256"]


def test_figures_are_of_the_held_out_part_and_of_the_returned_weights(corpora):
    head, metrics = train.train_head(*corpora, seed=3, config=CONFIG, encode=_encode)
    tweets = read_tweets(corpora[0])
    _, held = held_out_split(tweets, train.HELD_OUT_SHARE, 3)
    vectors = _encode([tweets.texts[row] for row in held])
    assert metrics["finance tweets"] == classification_metrics(tweets.labels[held], head.predict_proba(vectors))
    assert metrics["finance tweets"]["n"] == 24
    assert metrics["finance tweets"]["accuracy"] > 0.8


def test_held_out_texts_have_no_influence_on_the_weights(corpora):
    tweets_csv, _ = corpora
    head, _ = train.train_head(tweets_csv, None, seed=3, config=CONFIG, encode=_encode)
    tweets = read_tweets(tweets_csv)
    train_rows, held = held_out_split(tweets, train.HELD_OUT_SHARE, 3)

    def exchanged(rows):
        # Embeddings change places, the texts stay: the split is what it was, only the pairing with labels differs.
        changed = _encode(tweets.texts)
        changed[rows] = changed[rows][::-1]
        return lambda texts: changed

    poisoned, _ = train.train_head(tweets_csv, None, seed=3, config=CONFIG, encode=exchanged(held))
    retrained, _ = train.train_head(tweets_csv, None, seed=3, config=CONFIG, encode=exchanged(train_rows))
    assert np.array_equal(head.w1, poisoned.w1)
    assert not np.array_equal(head.w1, retrained.w1)


def test_the_metadata_records_data_seed_and_settings(corpora):
    head, _ = train.train_head(*corpora, seed=3, config=CONFIG, encode=_encode)
    assert head.metadata["seed"] == 3
    assert head.metadata["config"]["hidden"] == 8
    assert set(head.metadata["data_sha256"]) == {"finance tweets", "SEntFiN headlines"}
    json.dumps(head.metadata)


def test_too_few_texts_are_refused(tmp_path):
    path = tmp_path / "few.csv"
    path.write_text("text,label\na falls,0\nb rises,1\nc meets,2\n")
    with pytest.raises(InsufficientDataError):
        train.train_head(path, None, seed=3, config=CONFIG, encode=_encode)


def test_the_command_writes_a_head_that_loads(corpora, tmp_path, monkeypatch, capsys):
    class Encoder:
        weights_sha256 = "abc"

        def embed(self, texts, on_progress=None):
            on_progress(len(texts), len(texts))
            return _encode(texts)

    monkeypatch.setattr(train, "default_encoder", Encoder)
    out = tmp_path / "weights" / "head.npz"
    assert train.main(["--data", str(corpora[0].parent), "--out", str(out), "--seed", "3"]) == 0
    assert load_head(out).metadata["encoder_sha256"] == "abc"
    assert "finance tweets: n 24, accuracy" in capsys.readouterr().out


@pytest.mark.shared_data
def test_the_shipped_figures_are_reproduced_on_held_out_tweets(shared_data):
    head = default_head()
    tweets = read_tweets(shared_data / "headlines" / train.TWEETS_FILE)
    assert tweets.sha256 == head.metadata["data_sha256"]["finance tweets"]
    _, held = held_out_split(tweets, train.HELD_OUT_SHARE, head.metadata["seed"])
    sample = tweets.take(held[: train.SAMPLE_ROWS])
    recorded = head.metadata["metrics"]["sample"]
    probabilities = head.predict_proba(default_encoder().embed(sample.texts))
    figures = classification_metrics(sample.labels, probabilities)
    # Another CPU rounds the embeddings differently: a text on the border may change its class.
    assert figures["macro_f1"] == pytest.approx(recorded["macro_f1"], abs=0.01)
    assert figures["log_loss"] == pytest.approx(recorded["log_loss"], abs=1e-3)
    assert figures["n"] == recorded["n"] == train.SAMPLE_ROWS
