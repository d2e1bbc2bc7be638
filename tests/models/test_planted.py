"""Planted against found, on hand-made truths where the answer is known."""

import numpy as np
import polars as pl
import pytest

from models.planted import Found, auc, planted_table

SYMBOLS = ("OAK.SIM", "ELM.SIM")
CORRELATION = {"OAK.SIM": [1.0, 0.6], "ELM.SIM": [0.6, 1.0]}
LABEL = "label_300000ms_bps"


def truth(rows=400, seed=1, crash=True):
    random = np.random.default_rng(seed)
    n = rows * len(SYMBOLS)
    news = random.normal(size=n)
    return pl.DataFrame(
        {
            "ts": np.repeat(np.arange(rows) * 5_000_000_000, len(SYMBOLS)),
            "symbol": list(SYMBOLS) * rows,
            "news_bps_per_min": news / 5,
            "signal_bps_per_min": np.zeros(n),
            "news_expected_bps": news,
            "signal_expected_bps": random.normal(size=n) / 100,
            "expected_bps": news,
            "turbulent": np.repeat(np.arange(rows) % 100 < 30, len(SYMBOLS)),
            "anomaly": [crash and 600 <= row < 620 for row in range(n)],
            "correlation": [CORRELATION[name] for name in SYMBOLS] * rows,
        }
    )


def labels_of(frame, seed=2):
    noise = np.random.default_rng(seed).normal(size=frame.height) * 3
    return frame.select("ts", "symbol", (pl.col("expected_bps") + pl.Series(noise)).alias(LABEL))


def row(table, effect):
    return next(line for line in table.to_dicts() if line["effect"] == effect)


def test_a_forecast_that_is_the_truth_reaches_the_ceiling_and_noise_does_not():
    frame = truth()
    labels = labels_of(frame)
    knowing = frame.select("ts", "symbol", pl.col("expected_bps").alias("forecast_bps"))
    noise = knowing.with_columns(pl.Series("forecast_bps", np.random.default_rng(9).normal(size=frame.height)))
    best, worst = (
        row(planted_table(frame, Found(labels=labels, label=LABEL, forecasts=f)), "all drift that is public")
        for f in (knowing, noise)
    )
    assert best["found"] == pytest.approx(best["planted"]) and 0.2 < best["planted"] < 0.5
    assert abs(worst["found"]) < 0.1


def test_importance_of_news_signal_and_placebo_stand_in_their_rows():
    frame = truth()
    importance = pl.DataFrame(
        {"group": ["sentiment", "signal weak_signal", "signal placebo"], "ic_loss": [0.11, 0.02, -0.001]}
    )
    forecasts = frame.select("ts", "symbol", pl.col("expected_bps").alias("forecast_bps"))
    table = planted_table(
        frame, Found(labels=labels_of(frame), label=LABEL, forecasts=forecasts, importance=importance)
    )
    found = [row(table, name)["found"] for name in ("drift after news", "weak external signal", "placebo signal")]
    assert found == [0.11, 0.02, -0.001] and row(table, "placebo signal")["planted"] == 0.0


@pytest.mark.parametrize(("right", "expected"), [(True, 1.0), (False, 0.0)])
def test_regimes_are_judged_by_the_most_turbulent_state_whatever_their_number(right, expected):
    frame = truth()
    last = frame["turbulent"] if right else ~frame["turbulent"]
    states = frame.select("ts", "symbol", pl.lit(0.5).alias("p_0"), last.cast(pl.Float64).alias("p_10"))
    table = planted_table(frame, Found(regimes=states))
    assert row(table, "turbulent stretches")["found"] == expected


def test_alarms_are_counted_inside_and_outside_the_crash():
    frame = truth()
    alarms = frame.select("ts", "symbol", (pl.col("anomaly") & (pl.int_range(pl.len()) % 2 == 0)).alias("is_anomaly"))
    table = planted_table(frame, Found(anomalies=alarms))
    assert (row(table, "flash crash")["found"], row(table, "no crash")["found"]) == (0.5, 0.0)


def test_a_night_without_a_crash_has_no_row_for_one():
    frame = truth(crash=False)
    alarms = frame.select("ts", "symbol", pl.lit(False).alias("is_anomaly"))
    assert "flash crash" not in planted_table(frame, Found(anomalies=alarms))["effect"].to_list()


def test_correlations_are_compared_with_the_planted_ones_in_the_order_of_the_market():
    matrix = pl.DataFrame(
        [
            {"symbol_a": a, "symbol_b": b, "ledoit_wolf": 1.0 if a == b else 0.45}
            for a in sorted(SYMBOLS)
            for b in sorted(SYMBOLS)
        ]
    )
    line = row(planted_table(truth(), Found(correlation=matrix)), "common factor")
    assert line["found"] == pytest.approx(0.15) and "ELM-OAK 0.6" in line["size"]


def test_no_results_give_an_empty_table_with_the_columns():
    table = planted_table(truth(), Found())
    assert table.is_empty() and table.columns[:2] == ["effect", "size"]


def test_the_area_under_the_curve_counts_ties_half_and_has_no_value_without_both_kinds():
    assert auc(np.array([1.0, 1.0, 2.0]), np.array([True, False, False])) == 0.25
    assert auc(np.array([1.0, 2.0]), np.array([True, True])) is None
