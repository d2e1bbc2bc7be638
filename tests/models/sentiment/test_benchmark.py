"""The sentiment benchmark runs with and without the labelled tweets."""

from benchmarks.sentiment import run


def test_without_the_tweets_speed_is_measured_and_accuracy_is_not(tmp_path):
    figures = run(texts=3, data=tmp_path)
    assert figures["texts_per_s"] > 0
    assert figures["peak_rss_mb"] > 100
    assert figures["macro_f1"] is None
    assert figures["accuracy"] is None


def test_with_tweets_the_held_out_ones_are_judged(tmp_path):
    words = {0: "shares plunge on loss", 1: "shares surge on profit", 2: "holds annual meeting"}
    rows = [f"Firm{n} {words[n % 3]},{n % 3}" for n in range(60)]
    (tmp_path / "twitter_financial_train.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    figures = run(texts=12, data=tmp_path)
    assert figures["accuracy"] > 0.8
    assert 0 < figures["macro_f1"] <= 1
