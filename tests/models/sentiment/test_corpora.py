"""Reading of the labelled corpora and the held-out split."""

import numpy as np
import pytest

from feeds.errors import InsufficientDataError, SchemaError, UnreadableFileError
from models.sentiment.corpora import Corpus, held_out_split, read_sentfin, read_tweets
from models.sentiment.head import CLASSES
from models.sentiment.text import text_key


def _corpus(stories=60, copies=1):
    texts = tuple(f"Story {n} https://t.co/{c}" for c in range(copies) for n in range(stories))
    labels = np.array([n % 3 for _ in range(copies) for n in range(stories)], dtype=np.int64)
    return Corpus("made up", texts, labels, "")


def test_tweet_labels_become_the_classes_of_the_head(tmp_path):
    path = tmp_path / "tweets.csv"
    path.write_text('text,label\n"falls, hard",0\nrises,1\nmeets,2\n')
    corpus = read_tweets(path)
    assert [CLASSES[label] for label in corpus.labels] == ["negative", "positive", "neutral"]
    assert corpus.texts == ("falls, hard", "rises", "meets")


def test_a_tweet_with_an_unknown_label_is_rejected_with_its_row(tmp_path):
    path = tmp_path / "tweets.csv"
    path.write_text("text,label\nfalls,0\nrises,up\n")
    with pytest.raises(UnreadableFileError, match=r"row 1.*up"):
        read_tweets(path)


def test_a_corpus_without_its_label_column_is_rejected(tmp_path):
    path = tmp_path / "tweets.csv"
    path.write_text("text,mark\nfalls,0\n")
    with pytest.raises(SchemaError, match="label"):
        read_tweets(path)


def test_a_missing_corpus_is_an_unreadable_file(tmp_path):
    with pytest.raises(UnreadableFileError, match="readable CSV"):
        read_tweets(tmp_path / "absent.csv")


def test_headlines_keep_one_shared_sentiment_and_drop_contradictions(tmp_path):
    path = tmp_path / "sentfin.csv"
    rows = [
        "One falls,{'One': 'negative'}",
        "Both rise,\"{'A': 'positive', 'B': 'positive'}\"",
        "A up B down,\"{'A': 'positive', 'B': 'negative'}\"",
        "Quoted,{'O's Fund': 'neutral'}",
    ]
    path.write_text("Title,Decisions\n" + "\n".join(rows) + "\n")
    corpus = read_sentfin(path)
    assert corpus.texts == ("One falls", "Both rise", "Quoted")
    assert [CLASSES[label] for label in corpus.labels] == ["negative", "positive", "neutral"]


def test_the_split_covers_every_row_once_and_holds_out_the_share_of_each_class():
    corpus = _corpus(stories=300)
    train, held = held_out_split(corpus, 0.2, seed=7)
    assert sorted([*train, *held]) == list(range(300))
    assert np.bincount(corpus.labels[held]).tolist() == [20, 20, 20]


def test_copies_of_a_story_never_stand_on_both_sides_of_the_split():
    corpus = _corpus(stories=60, copies=3)
    train, held = held_out_split(corpus, 0.2, seed=7)
    keys = [text_key(text) for text in corpus.texts]
    # The texts differ in their links, so equal keys come from different strings.
    assert len(set(corpus.texts)) == 180
    assert len(held) == 36
    assert not {keys[row] for row in train} & {keys[row] for row in held}


def test_the_split_follows_the_seed_and_not_the_order_of_the_file():
    corpus = _corpus(stories=90)
    backwards = corpus.take(np.arange(90)[::-1])
    held = {corpus.texts[row] for row in held_out_split(corpus, 0.2, seed=1)[1]}
    assert held == {backwards.texts[row] for row in held_out_split(backwards, 0.2, seed=1)[1]}
    assert held != {corpus.texts[row] for row in held_out_split(corpus, 0.2, seed=2)[1]}


def test_a_class_with_too_few_stories_cannot_be_split():
    corpus = _corpus(stories=12)
    with pytest.raises(InsufficientDataError, match="4 stories"):
        held_out_split(corpus, 0.2, seed=1)
