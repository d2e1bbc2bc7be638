import numpy as np
import polars as pl
import pytest
from threadpoolctl import threadpool_limits

from feeds.errors import InsufficientDataError, LakeError, SchemaError, StudyError
from models.alpha import AlphaConfig, AlphaModel, evaluate_alpha, fit_alpha, forecast, permutation_importance
from models.metrics.bootstrap import Bootstrap

S = 1_000_000_000
LABEL = "label_10000ms_bps"
FEATURES = ("signal", "noise_a", "noise_b", "noise_c")
CONFIG = AlphaConfig(max_iter=40, min_samples_leaf=40, max_leaf_nodes=7)


def frame(rows: int, alpha: float, seed: int, start: int = 0, nonlinear: bool = False) -> pl.DataFrame:
    """Two instruments on a one-second grid; the label is ``alpha`` times a signal plus unit noise."""
    random = np.random.default_rng(seed)
    columns = {name: random.normal(size=2 * rows) for name in FEATURES}
    columns["noise_c"][::7] = np.nan
    known = columns["signal"]
    shape = np.where(np.abs(known) > 1, 1.0, -0.5) if nonlinear else known
    ts = np.repeat((start + np.arange(rows)) * S, 2)
    label = alpha * shape + random.normal(size=2 * rows)
    return pl.DataFrame(
        {"ts": ts, "available_at": ts, "symbol": ["A.X", "B.X"] * rows, **columns, LABEL: label}
    ).with_columns(pl.col("noise_c").fill_nan(None))


def judged(alpha: float, seed: int = 1, nonlinear: bool = False):
    train, test = frame(1500, alpha, seed, nonlinear=nonlinear), frame(1500, alpha, seed + 100, 2000, nonlinear)
    model = fit_alpha(train, FEATURES, LABEL, CONFIG)
    evaluation = evaluate_alpha(model, test, block_ms=150_000)
    return model, test, evaluation, {line["row"]: line for line in evaluation.table.to_dicts()}


@pytest.fixture(scope="module")
def planted():
    return judged(0.3)


def test_planted_alpha_is_found_by_every_row_that_can_find_it(planted):
    _, _, evaluation, rows = planted
    # the IC of the signal itself is 0.3 / sqrt(1 + 0.09)
    for name in ("linear", "gradient_boosting"):
        assert rows[name]["ic_low"] > 0.1
        assert rows[name]["ic"] == pytest.approx(0.287, abs=0.06)
        assert rows[name]["r2"] > 0.03
        assert rows[name]["hit_rate"] > 0.55
    assert "information found" in evaluation.verdict


def test_the_controls_find_nothing_in_planted_alpha(planted):
    rows = planted[3]
    assert rows["naive"]["ic"] is None
    assert rows["naive"]["r2"] == 0.0
    assert rows["shuffled"]["ic_low"] < 0 < rows["shuffled"]["ic_high"]
    assert rows["shuffled"]["r2"] < 0.01


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_pure_noise_shows_no_information(seed):
    _, _, evaluation, rows = judged(0.0, seed)
    assert rows["gradient_boosting"]["ic_low"] < 0 < rows["gradient_boosting"]["ic_high"]
    assert "no information shown" in evaluation.verdict


def test_boosting_finds_what_the_linear_row_cannot():
    rows = judged(0.4, 5, nonlinear=True)[3]
    assert rows["gradient_boosting"]["ic_low"] > 0.1
    assert abs(rows["linear"]["ic"]) < 0.1


def test_one_shuffle_can_mislead_where_several_do_not():
    """The spread over permutations is part of the shuffled row's interval."""
    _, test, _, rows = judged(0.8, 21)
    judge_one = AlphaConfig(rows=("shuffled",), max_iter=40, min_samples_leaf=40, max_leaf_nodes=7, shuffles=1)
    single = fit_alpha(frame(1500, 0.8, 21), FEATURES, LABEL, judge_one)
    line = evaluate_alpha(single, test, 150_000).table.to_dicts()[0]
    several = rows["shuffled"]
    assert several["ic_high"] - several["ic_low"] > line["ic_high"] - line["ic_low"]
    assert several["ic_low"] < 0 < several["ic_high"]


def test_the_evaluation_has_its_frames_with_stated_columns(planted):
    _, test, evaluation, _ = planted
    assert evaluation.table["row"].to_list() == ["naive", "linear", "gradient_boosting", "shuffled"]
    assert evaluation.table["n"].to_list() == [test.height] * 4
    assert evaluation.ic_series.height == 10
    assert evaluation.calibration.columns == ["decile", "n", "forecast_bps", "realised_bps", "realised_se"]
    quantiles = evaluation.quantile_returns
    assert quantiles.columns == ["quantile", "n", "realised_bps", "realised_low", "realised_high"]
    assert quantiles["n"].sum() == test.height
    assert quantiles["realised_low"][-1] > quantiles["realised_high"][0]
    assert (quantiles["realised_low"] < quantiles["realised_bps"]).all()


def test_the_bootstrap_block_is_a_third_of_the_ic_block_but_at_least_three_horizons(planted):
    model, test, evaluation, _ = planted
    assert (evaluation.block_ms, evaluation.bootstrap_block_ms) == (150_000, 50_000)
    assert evaluate_alpha(model, test, block_ms=30_000).bootstrap_block_ms == 30_000
    assert evaluate_alpha(model, test, 30_000, Bootstrap(77_000)).bootstrap_block_ms == 77_000


def test_no_figure_of_the_evaluation_is_nan(planted):
    for table in (planted[2].table, planted[2].ic_series, planted[2].calibration, planted[2].quantile_returns):
        for column in table.select(pl.col(pl.Float64)).iter_columns():
            assert not column.is_nan().any()


def test_rows_without_a_label_are_neither_learned_nor_judged(planted):
    train = frame(300, 0.3, 3)
    holes = train.with_columns(pl.when(pl.col("ts") < 100 * S).then(pl.col(LABEL)))
    model = fit_alpha(holes, FEATURES, LABEL, CONFIG)
    assert model.train_stats.rows == 200
    assert model.train_stats.last_ts == 99 * S
    assert evaluate_alpha(model, holes, 10_000).table["n"][0] == 200


def test_a_short_test_gives_no_interval_and_no_conclusion(planted):
    model, test, _, _ = planted
    evaluation = evaluate_alpha(model, test.head(60), block_ms=150_000)
    assert evaluation.table["ic_low"].null_count() == 4
    assert "no conclusion" in evaluation.verdict


def test_the_order_of_the_test_rows_does_not_matter(planted):
    model, test, evaluation, _ = planted
    shuffled = evaluate_alpha(model, test.sample(fraction=1.0, shuffle=True, seed=5), block_ms=150_000)
    for old, new in zip(evaluation.table.rows(), shuffled.table.rows(), strict=True):
        assert new == pytest.approx(old, abs=1e-9)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_shuffle():
    train = frame(200, 0.3, 4)
    first, again = (fit_alpha(train, FEATURES, LABEL, CONFIG) for _ in range(2))
    assert first.to_bytes() == again.to_bytes()
    other = fit_alpha(train, FEATURES, LABEL, AlphaConfig(max_iter=40, min_samples_leaf=40, max_leaf_nodes=7, seed=8))
    assert (other.predict(train, "shuffled") != first.predict(train, "shuffled")).any()


def test_the_number_of_threads_does_not_change_a_bit():
    train = frame(400, 0.3, 4)
    predictions = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            model = fit_alpha(train, FEATURES, LABEL, AlphaConfig(rows=("gradient_boosting",), max_iter=20))
            predictions.append(model.predict(train))
    np.testing.assert_array_equal(*predictions)


def test_a_model_survives_its_bytes_and_other_bytes_are_refused(planted):
    model, test, _, _ = planted
    loaded = AlphaModel.from_bytes(model.to_bytes())
    assert (loaded.features, loaded.label, loaded.config) == (model.features, model.label, model.config)
    for row in model.rows:
        np.testing.assert_array_equal(loaded.predict(test, row), model.predict(test, row))
    for content in (b"not a model", model.to_bytes()[:-40]):
        with pytest.raises(LakeError, match="alpha model"):
            AlphaModel.from_bytes(content)


def test_a_forecast_carries_the_model_id_and_does_not_read_the_label(planted):
    model, test, _, _ = planted
    table = forecast(model, test.drop(LABEL), "model-7")
    assert table.columns == ["ts", "available_at", "symbol", "forecast_bps", "linear_bps", "model_id"]
    assert table["model_id"].unique().to_list() == ["model-7"]
    np.testing.assert_array_equal(table["forecast_bps"].to_numpy(), model.predict(test, "gradient_boosting"))
    np.testing.assert_array_equal(table["linear_bps"].to_numpy(), model.predict(test, "linear"))


def test_the_lead_row_is_the_best_that_was_fitted_and_linear_may_be_missing():
    train = frame(100, 0.3, 6)
    model = fit_alpha(train, FEATURES, LABEL, AlphaConfig(rows=("naive",)))
    assert model.lead == "naive"
    table = forecast(model, train, "m")
    assert table["linear_bps"].null_count() == train.height
    assert table["linear_bps"].dtype == pl.Float64
    assert forecast(model, train.clear(), "m").is_empty()
    assert "no information coefficient" in evaluate_alpha(model, train, 10_000).verdict


def test_infinite_features_count_as_missing(planted):
    model, test, _, _ = planted
    few = test.head(5)
    infinite = few.with_columns(pl.lit(float("inf")).alias("noise_a"))
    missing = few.with_columns(pl.lit(None, dtype=pl.Float64).alias("noise_a"))
    np.testing.assert_array_equal(model.predict(infinite), model.predict(missing))


def test_too_few_labels_missing_columns_and_unknown_rows_are_named(planted):
    model, test, _, _ = planted
    with pytest.raises(InsufficientDataError, match="40 labelled rows"):
        fit_alpha(frame(20, 0.3, 1), FEATURES, LABEL, CONFIG)
    with pytest.raises(SchemaError, match="signal"):
        model.predict(test.drop("signal"))
    with pytest.raises(SchemaError, match="label_5ms_bps"):
        fit_alpha(test, FEATURES, "label_5ms_bps", CONFIG)
    with pytest.raises(SchemaError, match="'forest'"):
        model.predict(test, "forest")
    with pytest.raises(InsufficientDataError, match="no labelled row"):
        evaluate_alpha(model, test.with_columns(pl.lit(None, dtype=pl.Float64).alias(LABEL)), 1000)
    with pytest.raises(StudyError, match="alpha rows"):
        AlphaConfig(rows=("naive", "naive"))


def test_permuting_the_signal_costs_its_ic_and_permuting_noise_costs_nothing(planted):
    model, test, _, rows = planted
    groups = {"signal": ["signal"], "noise": ["noise_a", "noise_b", "noise_c"], "absent": ["not_there"]}
    table = permutation_importance(model, test, groups)
    loss = dict(zip(table["group"], table["ic_loss"], strict=True))
    assert table["group"][0] == "signal"
    assert loss["signal"] == pytest.approx(rows["gradient_boosting"]["ic"], abs=0.06)
    assert abs(loss["noise"]) < 0.05
    assert loss["absent"] == 0.0


def test_importance_has_an_interval_that_holds_the_loss_and_excludes_zero_for_the_signal_only(planted):
    model, test, _, _ = planted
    groups = {"signal": ["signal"], "noise": ["noise_a", "noise_b", "noise_c"], "absent": ["not_there"]}
    span_ms = (int(test["ts"].max()) - int(test["ts"].min())) // 1_000_000
    table = permutation_importance(model, test, groups, bootstrap=Bootstrap(span_ms // 20, draws=300))
    rows = {row["group"]: row for row in table.to_dicts()}
    assert rows["signal"]["ic_loss_low"] > 0
    assert not rows["noise"]["ic_loss_low"] > 0.02
    for row in rows.values():
        assert row["ic_loss_low"] <= row["ic_loss"] + 1e-12 and row["ic_loss"] <= row["ic_loss_high"] + 1e-12
    assert {rows["absent"][f"ic_loss{end}"] for end in ("", "_sd", "_low", "_high")} == {0.0}
    short = permutation_importance(model, test, groups, bootstrap=Bootstrap(span_ms))
    assert short["ic_loss_low"].null_count() == 3 and short["ic_loss"].equals(table["ic_loss"])


def test_importance_leaves_rows_without_a_label_out(planted):
    model, test, _, _ = planted
    holed = test.with_columns(pl.when(pl.int_range(pl.len()) % 3 > 0).then(pl.col(LABEL)).alias(LABEL))
    whole = permutation_importance(model, holed.drop_nulls(LABEL), {"signal": ["signal"]}, repeats=1)
    assert permutation_importance(model, holed, {"signal": ["signal"]}, repeats=1).equals(whole)
    assert whole["ic_loss_sd"].to_list() == [None]
