"""Correlation: returns on one clock, three estimates, and a loss that correlation alone decides."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from feeds.errors import InsufficientDataError, SchemaError, StudyError
from models.correlation import (
    CorrelationConfig,
    correlation_frame,
    evaluate_correlation,
    fit_correlation,
    gaussian_losses,
    log_returns,
    positive_definite,
)
from models.correlation.evaluate import MODELS
from models.correlation.model import ESTIMATORS
from tests.support.feature_rows import START, S, factor_returns

CONFIG = CorrelationConfig()
OPEN = START // (300 * S) * 300 * S
DAY = 86_400 * S


def bars(symbol, mids, first=OPEN, step=60):
    opens = first + step * S * np.arange(len(mids))
    return pl.DataFrame(
        {
            "ts_open": opens,
            "ts": opens + step * S,
            "symbol": [symbol] * len(mids),
            "mid_open_ticks": [mids[0], *mids[:-1]],
            "mid_close_ticks": mids,
        },
        schema_overrides={"mid_open_ticks": pl.Float64, "mid_close_ticks": pl.Float64},
    )


# returns


def test_a_return_spans_the_grid_and_the_first_one_starts_at_the_open():
    found = log_returns(bars("A.X", [100.0 + k for k in range(10)]), 300)
    assert found["ts"].to_list() == [OPEN + 300 * S, OPEN + 600 * S]
    assert found["A.X"].to_list() == pytest.approx([math.log(104 / 100), math.log(109 / 104)])


def test_a_bar_that_is_not_there_is_a_still_mid():
    whole = bars("A.X", [100.0, 101, 102, 103, 104, 104, 104, 104, 104, 109])
    holed = whole.filter(~pl.col("ts_open").is_in([OPEN + 300 * S, OPEN + 360 * S]))
    assert log_returns(holed, 300).equals(log_returns(whole, 300))


def test_no_return_crosses_a_date():
    days = pl.concat([bars("A.X", [100.0] * 10), bars("A.X", [200.0] * 10, OPEN + DAY)])
    found = log_returns(days, 300)
    assert found.height == 4
    assert found["A.X"].to_list() == [0.0] * 4
    assert found["date"].n_unique() == 2


def test_dates_that_are_given_decide_rather_than_the_clock():
    one = bars("A.X", [100.0] * 5 + [110.0] * 5)
    opened = one.with_columns(mid_open_ticks=pl.Series([100.0] * 5 + [110.0] * 5))
    split = opened.with_columns(date=pl.when(pl.int_range(10) < 5).then(pl.lit("d1")).otherwise(pl.lit("d2")))
    assert log_returns(one, 300)["A.X"].to_list() == pytest.approx([0.0, math.log(1.1)])
    assert log_returns(split, 300).filter(pl.col("date") == "d2")["A.X"].to_list() == pytest.approx([0.0])


def test_instruments_are_aligned_and_what_one_lacks_is_null():
    both = pl.concat([bars("B.X", [50.0] * 10), bars("A.X", [100.0] * 5 + [101.0] * 5, OPEN + 300 * S)])
    found = log_returns(both, 300)
    assert found.columns == ["ts", "date", "A.X", "B.X"]
    assert found["A.X"].null_count() == 1 and found["B.X"].null_count() == 1
    assert found["ts"].is_sorted()


def test_bars_that_straddle_a_return_and_missing_columns_are_refused():
    with pytest.raises(StudyError, match="return_s"):
        log_returns(bars("A.X", [100.0] * 4, step=90), 300)
    with pytest.raises(SchemaError, match="mid_close_ticks"):
        log_returns(bars("A.X", [100.0]).drop("mid_close_ticks"), 300)


def test_cutting_the_future_changes_no_return():
    random = np.random.default_rng(0)
    both = pl.concat([bars(s, list(100 + random.normal(size=60))) for s in ("A.X", "B.X")])
    cut = OPEN + 30 * 60 * S
    past = log_returns(both.filter(pl.col("ts") <= cut), 300)
    assert past.equals(log_returns(both, 300).filter(pl.col("ts") <= cut))


def test_no_bars_give_no_returns():
    assert log_returns(bars("A.X", [100.0]).clear(), 300).is_empty()


# estimates


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_planted_correlation_is_found(estimator):
    model = fit_correlation(factor_returns(3000), CorrelationConfig(ewma_lambda=0.998))
    off = model.matrix(estimator)[~np.eye(3, dtype=bool)]
    np.testing.assert_allclose(off, 0.64, atol=0.05)
    np.testing.assert_allclose(np.diag(model.matrix(estimator)), 1.0)


def test_the_sample_estimate_is_numpys_without_the_mean():
    returns = factor_returns(200)
    model = fit_correlation(returns, CONFIG)
    x = returns.select("A.X", "B.X").to_numpy()
    expected = (x[:, 0] @ x[:, 1]) / math.sqrt((x[:, 0] @ x[:, 0]) * (x[:, 1] @ x[:, 1]))
    assert model.sample[0, 1] == pytest.approx(expected)
    np.testing.assert_allclose(model.volatility[:2], np.sqrt((x * x).mean(axis=0)))


def test_ewma_follows_a_change_that_the_sample_averages_away():
    apart, together = factor_returns(300, loading=0.0), factor_returns(100, loading=0.95, seed=2)
    both = pl.concat([apart, together.with_columns(pl.col("ts") + 300 * 300 * S)])
    model = fit_correlation(both, CorrelationConfig(ewma_lambda=0.95))
    assert model.ewma[0, 1] > 0.8 > 0.4 > model.sample[0, 1]


def test_shrinkage_pulls_towards_independence_and_more_so_with_less_data():
    few, many = (fit_correlation(factor_returns(n), CONFIG) for n in (25, 2500))
    assert 0 < many.shrinkage < few.shrinkage < 1
    assert abs(few.ledoit_wolf[0, 1]) < abs(few.sample[0, 1])


def test_one_instrument_gives_a_one_by_one_matrix():
    model = fit_correlation(factor_returns(50, ("A.X",)), CONFIG)
    assert model.ledoit_wolf.tolist() == model.sample.tolist() == model.ewma.tolist() == [[1.0]]
    assert correlation_frame(model).to_dicts() == [
        {"symbol_a": "A.X", "symbol_b": "A.X", "sample": 1.0, "ewma": 1.0, "ledoit_wolf": 1.0}
    ]
    assert "One instrument" in evaluate_correlation(model, factor_returns(50, ("A.X",))).verdict


def test_an_instrument_that_does_not_move_is_uncorrelated_and_named():
    model = fit_correlation(factor_returns(60).with_columns(pl.lit(0.0).alias("C.X")), CONFIG)
    assert model.sample[2].tolist() == [0.0, 0.0, 1.0]
    assert any("C.X did not move" in note for note in model.notes)


def test_equal_series_are_repaired_to_positive_definite_and_it_is_said():
    same = factor_returns(60).with_columns(pl.col("A.X").alias("B.X"))
    model = fit_correlation(same, CONFIG)
    assert any(note.startswith("sample: mixed with") for note in model.notes)
    np.linalg.cholesky(model.sample)


@given(st.integers(1, 8), st.integers(2, 30), st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_every_matrix_is_positive_definite_with_a_unit_diagonal(symbols, rows, seed):
    values = np.random.default_rng(seed).standard_t(2, size=(rows, symbols))
    names = [f"S{k}.X" for k in range(symbols)]
    frame = pl.DataFrame({"ts": np.arange(rows), **{n: values[:, k] for k, n in enumerate(names)}})
    model = fit_correlation(frame, CorrelationConfig(min_returns=1))
    for estimator in ESTIMATORS:
        found = model.matrix(estimator)
        assert np.linalg.eigvalsh(found)[0] > 1e-4
        np.testing.assert_allclose(np.diag(found), 1.0)
        np.testing.assert_array_equal(found, found.T)
        assert np.abs(found).max() <= 1.0 + 1e-12


def test_a_safe_matrix_is_left_alone_and_an_impossible_one_mixed_as_little_as_needed():
    safe = np.array([[1.0, 0.5], [0.5, 1.0]])
    assert positive_definite(safe)[1] == 0.0
    impossible = np.array([[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]])
    found, share = positive_definite(impossible)
    assert np.linalg.eigvalsh(found)[0] == pytest.approx(1e-3)
    assert 0 < share < 1


def test_rows_that_an_instrument_lacks_do_not_count():
    returns = factor_returns(60)
    holed = returns.with_columns(
        pl.when(pl.int_range(60) < 45).then(pl.col("B.X")).alias("B.X"),
        pl.col("A.X").replace(returns["A.X"][0], math.nan),
    )
    assert fit_correlation(holed, CONFIG).observations == 44
    with pytest.raises(InsufficientDataError, match="15 returns of 300 s that all of 3 instruments have"):
        fit_correlation(holed.head(16), CONFIG)


# judging


def test_the_loss_is_minus_twice_the_log_density_without_its_constant():
    returns = factor_returns(300)
    model = fit_correlation(returns, CONFIG)
    test = factor_returns(40, seed=8)
    values = test.select("A.X", "B.X", "C.X").to_numpy()
    z = values / np.sqrt((values**2).mean(axis=0))
    density = multivariate_normal(np.zeros(3), model.sample).logpdf(z)
    expected = -2 * density - 3 * math.log(2 * math.pi)
    np.testing.assert_allclose(gaussian_losses(model, test, "sample"), expected)


def test_volatility_does_not_touch_the_loss():
    model = fit_correlation(factor_returns(300), CONFIG)
    test = factor_returns(50, seed=8)
    louder = test.with_columns(pl.col("A.X") * 7, pl.col("C.X") / 5)
    np.testing.assert_allclose(gaussian_losses(model, louder), gaussian_losses(model, test))


def test_a_planted_correlation_beats_independence_and_the_verdict_says_so():
    found = evaluate_correlation(fit_correlation(factor_returns(400), CONFIG), factor_returns(300, seed=4))
    lines = {line["model"]: line for line in found.table.to_dicts()}
    assert tuple(lines) == MODELS
    assert lines["identity"]["loss"] == pytest.approx(3.0)
    for estimator in ESTIMATORS:
        assert lines[estimator]["loss"] < 2.6 and lines[estimator]["dm_p"] < 0.01
    assert found.verdict.startswith("Ledoit-Wolf beats independence")


def test_independent_returns_are_not_said_to_be_correlated():
    train, test = factor_returns(60, loading=0.0), factor_returns(400, loading=0.0, seed=5)
    verdict = evaluate_correlation(fit_correlation(train, CONFIG), test).verdict
    assert "beats" not in verdict


def test_a_correlation_that_broke_down_loses():
    train, test = factor_returns(400, loading=0.9), factor_returns(400, loading=0.0, seed=5)
    assert "LOSES to independence" in evaluate_correlation(fit_correlation(train, CONFIG), test).verdict


def test_losses_of_models_of_other_instruments_compare_on_the_same_returns():
    wide, narrow = (
        fit_correlation(factor_returns(300, names), CONFIG) for names in (("A.X", "B.X", "C.X"), ("A.X", "B.X"))
    )
    test = factor_returns(200, seed=6)
    losses = [gaussian_losses(model, test).mean() for model in (wide, narrow)]
    assert losses[0] < losses[1] < 3.0


def test_losses_stand_in_the_rows_they_belong_to():
    model = fit_correlation(factor_returns(100), CONFIG)
    test = factor_returns(30).with_columns(pl.when(pl.int_range(30) != 7).then(pl.col("B.X")).alias("B.X"))
    losses = gaussian_losses(model, test)
    assert np.flatnonzero(np.isnan(losses)).tolist() == [7]
    assert evaluate_correlation(model, test).table["n"].to_list() == [29] * 4


def test_an_empty_or_short_test_draws_no_conclusion():
    model = fit_correlation(factor_returns(100), CONFIG)
    assert "No return to judge" in evaluate_correlation(model, factor_returns(10).clear()).verdict
    assert "too few" in evaluate_correlation(model, factor_returns(5)).verdict
