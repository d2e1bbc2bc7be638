"""Averages over the recent past: causal to the last bit, and they bring out a slow regime under fast noise."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import models.regimes.evaluate as evaluate
from models.regimes import RegimeConfig, evaluate_regimes, fit_regimes, log_likelihood, regime_states, regime_table
from models.regimes.smoothing import fitting_stride, independent_rows, smoothed, span_rows
from tests.support.feature_rows import START, STEP, S

N = 6000


def slow_rows(seed=0, n=N, symbols=("A.X", "B.X")):
    """A slow regime (half an hour) moves volatility and activity a little; a fast one (15 s) moves the spread a lot."""
    frames = []
    for place, symbol in enumerate(symbols):
        random = np.random.default_rng([seed, place])
        slow = (np.arange(n) // 360 + place) % 2
        fast = np.cumsum(random.random(n) > 2 / 3) % 2
        noise = random.normal(size=(n, 3))
        frames.append(
            pl.DataFrame(
                {
                    "ts": START + STEP * np.arange(n),
                    "symbol": [symbol] * n,
                    "realised_vol_60s_bps": np.exp(1 + 0.5 * slow + noise[:, 0]),
                    "spread_bps": np.exp(1 + 1.5 * fast + 0.1 * noise[:, 1]),
                    "quote_event_intensity": np.exp(2 + 0.5 * slow + noise[:, 2]),
                    "truth": slow,
                }
            )
        )
    return pl.concat(frames).sort("ts", "symbol")


def agreement(rows, smooth_s):
    split = START + STEP * N * 2 // 3
    train, test = rows.filter(pl.col("ts") < split), rows.filter(pl.col("ts") >= split)
    model = fit_regimes(train, RegimeConfig(max_states=2, smooth_s=smooth_s))
    return model, test, (regime_states(model, test)["regime"] == test["truth"]).mean()


def test_a_slow_regime_under_fast_noise_is_found_by_averages_and_not_by_single_rows():
    rows = slow_rows()
    model, test, found = agreement(rows, 600)
    single, _, missed = agreement(rows, 0)
    assert found > 0.8 and missed < 0.6
    assert regime_table(model, test)["mean_duration_s"].min() > 600
    assert regime_table(single, test)["mean_duration_s"].max() < 60


def test_overlapping_averages_do_not_make_every_row_certain():
    model, test, _ = agreement(slow_rows(), 600)
    p = regime_states(model, test)["p_1"]
    assert p.is_between(0.05, 0.95).mean() > 0.2


def test_states_still_run_from_calm_to_turbulent():
    model, _, _ = agreement(slow_rows(), 600)
    volatility = model.means[:, model.features.index("realised_vol_60s_bps")]
    assert volatility[0] < 0 < volatility[1]


def test_the_test_of_a_gain_knows_how_long_the_averages_are(monkeypatch):
    lags = []
    monkeypatch.setattr(evaluate, "diebold_mariano", lambda first, second, used: lags.append(used))
    model, test, _ = agreement(slow_rows(), 600)
    evaluate_regimes(model, test)
    # windows of five minutes inside features, averaged over ten: rows every five seconds
    assert lags == [60 + 120]


def test_likelihoods_stand_in_the_order_of_the_rows():
    model, test, _ = agreement(slow_rows(), 600)
    forward = log_likelihood(model, test)
    np.testing.assert_array_equal(log_likelihood(model, test.reverse())[::-1], forward)
    assert np.isfinite(forward).all()


def plain(values, follows, span):
    """The average written out: exponential weights of the known values since the last gap."""
    result = np.full(values.shape, np.nan)
    for t in range(len(values)):
        first = max(k for k in range(t + 1) if not follows[k])
        for place in range(values.shape[1]):
            part = values[first : t + 1, place]
            weights = np.exp(-4 / span * np.arange(len(part))[::-1])
            known = np.isfinite(part)
            if known[-1]:
                result[t, place] = (weights[known] * part[known]).sum() / weights[known].sum()
    return result


def made(seed, n=40):
    random = np.random.default_rng(seed)
    values = np.where(random.random((n, 2)) < 0.2, np.nan, random.normal(size=(n, 2)))
    follows = random.random(n) < 0.9
    follows[0] = False
    return values, follows


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(1.5, 200.0))
def test_the_recursion_is_the_weighted_mean_of_what_is_known_since_the_gap(seed, span):
    values, follows = made(seed)
    np.testing.assert_allclose(smoothed(values, follows, span), plain(values, follows, span), rtol=1e-9, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 39))
def test_later_rows_change_no_bit_of_an_average(seed, cut):
    values, follows = made(seed)
    whole = smoothed(values, follows, 30.0)[:cut]
    np.testing.assert_array_equal(smoothed(values[:cut], follows[:cut], 30.0), whole)


def test_nothing_is_averaged_where_the_span_is_a_row_or_none():
    values, follows = made(1)
    for span in (0.0, 0.4, 1.0):
        np.testing.assert_array_equal(smoothed(values, follows, span), values)
        assert fitting_stride(span) == 1 and independent_rows(500, span) == 500


def test_averages_of_noise_hold_as_many_independent_rows_as_stated():
    noise = np.random.default_rng(0).normal(size=(400, 3000))
    follows = np.arange(3000) > 0
    averages = np.array([smoothed(row[:, None], follows, 40.0)[200:, 0] for row in noise])
    variance_of_mean = averages.mean(axis=1).var()
    assert averages.var() / variance_of_mean == pytest.approx(independent_rows(2800, 40.0), rel=0.2)


def test_no_rows_have_no_averages():
    assert smoothed(np.zeros((0, 3)), np.zeros(0, dtype=bool), 30.0).shape == (0, 3)


@pytest.mark.parametrize(("rows", "expected"), [(46_800, 120.0), (2400, 120.0), (1200, 60.0), (0, 0.0)])
def test_a_short_capture_has_a_shorter_span(rows, expected):
    assert span_rows(600, 5 * S, rows) == expected


def test_twenty_minutes_of_seconds_are_enough_for_a_fit():
    rows = slow_rows(n=1200).with_columns((pl.col("ts") - START) // 5 + START)
    model = fit_regimes(rows, RegimeConfig(max_states=3))
    assert model.span == 60.0
    assert regime_states(model, rows)["p_0"].is_finite().all()
