"""Regimes: planted states are found, filtered without looking ahead, and judged on rows that were held out."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import multivariate_normal

from feeds.errors import InsufficientDataError, LakeError, SchemaError
from models.regimes import (
    RegimeConfig,
    RegimeModel,
    evaluate_regimes,
    fit_regimes,
    log_likelihood,
    regime_states,
    regime_table,
    state_labels,
)
from models.regimes.gaussians import component_densities
from tests.support.feature_rows import LEVELS, START, STAY, STEP, feature_rows

# the rows made up here are states and noise at each row: there is nothing to average
CONFIG = RegimeConfig(max_states=2, smooth_s=0)
SPLIT = START + 4000 * STEP


@pytest.fixture(scope="module")
def rows():
    return feature_rows(6000)


@pytest.fixture(scope="module")
def model(rows):
    return fit_regimes(rows.filter(pl.col("ts") < SPLIT), CONFIG)


def test_planted_regimes_are_found_on_rows_that_were_held_out(rows, model):
    test = rows.filter(pl.col("ts") >= SPLIT)
    states = regime_states(model, test, "m-1")
    assert (states["regime"] == test["truth"]).mean() > 0.97
    assert states["model_id"].unique().to_list() == ["m-1"]
    assert states.columns == ["ts", "available_at", "symbol", "regime", "p_0", "p_1", "model_id"]


def test_probabilities_add_to_one_and_the_regime_is_the_likeliest(rows, model):
    states = regime_states(model, rows)
    np.testing.assert_allclose(states["p_0"] + states["p_1"], 1.0)
    assert (states["regime"] == (states["p_1"] > states["p_0"]).cast(pl.Int64)).all()


def test_states_run_from_calm_to_turbulent(rows):
    model = fit_regimes(rows, RegimeConfig(max_states=4, smooth_s=0))
    volatility = model.means[:, list(model.features).index("realised_vol_60s_bps")]
    assert (np.diff(volatility) > 0).all()
    assert model.labels[0] == "calm" and model.labels[-1] == "turbulent"
    assert set(model.bic) == {2, 3, 4}
    assert model.states == min(model.bic, key=model.bic.get)


def test_labels_name_the_ends_whatever_the_number_of_states():
    assert state_labels(2) == ("calm", "turbulent")
    assert state_labels(3) == ("calm", "normal", "turbulent")
    assert state_labels(5) == ("calm", "level 2 of 5", "level 3 of 5", "level 4 of 5", "turbulent")


def test_the_transition_matrix_has_the_persistence_that_was_planted(model):
    np.testing.assert_allclose(np.diag(model.transition), STAY, atol=0.015)
    np.testing.assert_allclose(model.transition.sum(axis=1), 1.0)


def test_the_level_of_an_instrument_does_not_matter(rows, model):
    """B.X trades at twice the volatility and spread of A.X; its regimes are its own."""
    by_symbol = regime_states(model, rows).group_by("symbol", maintain_order=True).agg(pl.col("regime").mean())
    truth = rows.group_by("symbol", maintain_order=True).agg(pl.col("truth").mean())
    np.testing.assert_allclose(by_symbol["regime"], truth["truth"], atol=0.03)


def test_the_filter_knows_more_than_the_row_alone():
    noisy = feature_rows(4000, seed=3, spread=1.0)
    model = fit_regimes(noisy, CONFIG)
    truth = noisy["truth"].to_numpy()
    filtered = (regime_states(model, noisy)["regime"].to_numpy() == truth).mean()
    # a row on its own: every row an instrument of its own would be; here the chain is broken by gaps instead
    spaced = noisy.with_columns((pl.col("ts") - START) * 1000 + START)
    alone = (regime_states(model, spaced)["regime"].to_numpy() == truth).mean()
    assert filtered > alone + 0.02


def test_a_gap_starts_the_chain_afresh(rows, model):
    one = rows.filter(pl.col("symbol") == "A.X")
    later = one.slice(700, 50)
    joined = pl.concat([one.head(300), later])
    assert regime_states(model, joined).tail(50).equals(regime_states(model, later))


def test_rows_with_too_few_features_have_no_state_and_do_not_break_the_chain(rows, model):
    one = rows.filter(pl.col("symbol") == "A.X").head(100)
    blind = one.with_columns(
        pl.when(pl.int_range(pl.len()).is_between(40, 44)).then(None).otherwise(pl.col(name)).alias(name)
        for name in model.features
    )
    states = regime_states(model, blind)
    assert np.flatnonzero(states["regime"].is_null()).tolist() == [40, 41, 42, 43, 44]
    assert states["p_0"].null_count() == 5
    assert states["regime"][45:].to_list() == regime_states(model, one)["regime"][45:].to_list()


def test_an_instrument_that_was_not_trained_has_no_state(rows, model):
    stranger = rows.head(20).with_columns(pl.lit("NEW.X").alias("symbol"), pl.col("ts") + pl.int_range(pl.len()))
    assert regime_states(model, stranger)["regime"].null_count() == 20
    assert np.isnan(log_likelihood(model, stranger)).all()


def test_a_missing_feature_is_integrated_out():
    random = np.random.default_rng(0)
    root = random.normal(size=(3, 3))
    covariance, mean = root @ root.T + np.eye(3), random.normal(size=3)
    values = random.normal(size=(6, 3))
    values[2, 1] = values[3, 0] = values[3, 2] = np.nan
    found = component_densities(values, mean[None], covariance[None])[:, 0]
    for row, density in zip(values, found, strict=True):
        used = np.flatnonzero(np.isfinite(row))
        marginal = multivariate_normal(mean[used], covariance[np.ix_(used, used)])
        assert density == pytest.approx(marginal.logpdf(row[used]))


def test_the_likelihood_is_one_of_the_features_before_scaling(rows):
    """A model of twice the volatility, on rows of twice the volatility, is as good: the log moves by a constant."""
    doubled = rows.with_columns(pl.col("realised_vol_60s_bps") * 2 + 0.1, pl.col("spread_bps") * 2 + 0.01)
    one, two = fit_regimes(rows, CONFIG), fit_regimes(doubled, CONFIG)
    np.testing.assert_allclose(log_likelihood(two, doubled), log_likelihood(one, rows), atol=1e-6)


def test_a_model_of_the_right_window_has_the_higher_likelihood(rows, model):
    test = rows.filter(pl.col("ts") >= SPLIT)
    other = fit_regimes(feature_rows(seed=9).with_columns(pl.col("spread_bps") * 3), CONFIG)
    assert np.nanmean(log_likelihood(model, test)) > np.nanmean(log_likelihood(other, test)) + 0.3


def test_the_likelihood_of_fewer_features_is_that_of_their_marginal(rows, model):
    kept = model.features[:3]
    blind = rows.with_columns(pl.lit(None, pl.Float64).alias(name) for name in model.features[3:])
    np.testing.assert_array_equal(log_likelihood(model, blind), log_likelihood(model, rows, kept))


def test_one_wild_row_does_not_decide_a_likelihood(rows, model):
    wild = rows.head(1).with_columns(pl.col("spread_bps") * 1e9)
    assert -80 < log_likelihood(model, wild)[0] < np.nanmin(log_likelihood(model, rows))


def test_planted_regimes_beat_one_gaussian_and_the_verdict_says_so(rows, model):
    found = evaluate_regimes(model, rows.filter(pl.col("ts") >= SPLIT))
    assert found.metrics["log_likelihood_gain"] > 0.3
    assert found.test is not None and found.test.statistic < -2
    assert "describe unseen rows better" in found.verdict and "held-out rows" in found.verdict


def test_a_market_without_regimes_gains_nothing():
    random = np.random.default_rng(2)
    n = 3000
    cloud = pl.DataFrame(
        {
            "ts": START + STEP * np.arange(n),
            "symbol": ["A.X"] * n,
            "realised_vol_60s_bps": np.exp(random.normal(size=n)),
            "spread_bps": np.exp(1 + 0.3 * random.normal(size=n)),
        }
    )
    found = evaluate_regimes(fit_regimes(cloud[:1500], CONFIG), cloud[1500:])
    assert abs(found.metrics["log_likelihood_gain"]) < 0.05
    assert "better" not in found.verdict


def test_few_or_no_held_out_rows_draw_no_conclusion(rows, model):
    assert "too few" in evaluate_regimes(model, rows.tail(20)).verdict
    nothing = evaluate_regimes(model, rows.clear())
    assert "No held-out row" in nothing.verdict
    assert nothing.metrics == {"rows": 0.0, "states": 2.0}


def test_the_table_gives_shares_durations_and_means_in_their_own_unit(rows, model):
    table = regime_table(model, rows)
    assert table["label"].to_list() == ["calm", "turbulent"]
    assert table["share"].sum() == pytest.approx(1.0)
    # a state that stays with probability p lasts 1 / (1 - p) steps
    np.testing.assert_allclose(table["mean_duration_s"], 5 / (1 - STAY), rtol=0.35)
    alone = regime_table(model, rows.filter(pl.col("symbol") == "A.X"))
    ratio = alone["realised_vol_60s_bps"][1] / alone["realised_vol_60s_bps"][0]
    assert ratio == pytest.approx(np.exp(LEVELS[1, 0]), rel=0.05)


def test_a_regime_that_does_not_occur_has_a_share_of_zero(rows, model):
    calm = rows.filter((pl.col("truth") == 0) & (pl.col("ts") < START + 5 * STEP))
    table = regime_table(model, calm)
    assert table["share"].to_list() == [1.0, 0.0]
    assert table["mean_duration_s"][1] is None


def test_a_feature_that_does_not_vary_or_is_mostly_missing_is_left_out(rows):
    rarely = pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.col("depth_log")).alias("depth_log")
    model = fit_regimes(rows.with_columns(pl.lit(3.0).alias("spread_bps"), rarely), CONFIG)
    assert not {"spread_bps", "depth_log"} & set(model.features)
    assert "realised_vol_60s_bps" in model.features


def test_a_feature_that_varies_for_one_instrument_only_is_kept_and_harmless(rows):
    fixed = pl.when(pl.col("symbol") == "A.X").then(3.0).otherwise(pl.col("spread_bps")).alias("spread_bps")
    model = fit_regimes(rows.with_columns(fixed), CONFIG)
    assert "spread_bps" in model.features
    assert regime_states(model, rows.with_columns(fixed))["p_0"].is_finite().all()


def test_too_few_rows_name_both_numbers(rows):
    with pytest.raises(InsufficientDataError, match=r"received 120 complete rows.*at least 200 rows"):
        fit_regimes(rows.head(120), CONFIG)
    with pytest.raises(InsufficientDataError, match="received 0 complete rows"):
        fit_regimes(rows.clear(), CONFIG)


def test_frames_without_the_needed_columns_are_refused(rows, model):
    with pytest.raises(SchemaError, match="regime features"):
        fit_regimes(rows.select("ts", "symbol", "mid_ticks"), CONFIG)
    with pytest.raises(SchemaError, match="spread_bps"):
        regime_states(model, rows.drop("spread_bps"))


def test_other_bytes_are_refused(model):
    assert RegimeModel.from_bytes(model.to_bytes()).features == model.features
    with pytest.raises(LakeError, match="regime model"):
        RegimeModel.from_bytes(b"junk")


def test_fewer_rows_are_used_where_asked_for(rows):
    model = fit_regimes(rows, RegimeConfig(max_states=2, max_rows=500, smooth_s=0))
    assert model.rows == rows.height
    assert (regime_states(model, rows)["regime"] == rows["truth"]).mean() > 0.95
