import json
import math

import numpy as np
import polars as pl
import pytest

from feeds.errors import InsufficientDataError, LakeError, SchemaError, StudyError
from models.metrics.comparison import diebold_mariano
from models.metrics.forecast import qlike_losses
from models.volatility import (
    VolatilityConfig,
    VolatilityModel,
    block_variance,
    daily_variance,
    evaluate_volatility,
    fit_daily_har,
    fit_volatility,
    forecast_daily,
    forecast_volatility,
    walk_forward_daily,
)
from models.volatility.blocks import complete_dates, prepare
from models.volatility.diurnal import diurnal_profile, factor
from models.volatility.ewma import ewma
from models.volatility.har import fit_har, har_design

S = 1_000_000_000
DAY = 86_400 * S
BLOCK = 300 * S
OPEN = 1_381_152_600 * S  # 2013-10-07 13:30 UTC, a whole multiple of five minutes
CONFIG = VolatilityConfig()


def bars(first: int, count: int, variance: float = 1e-8, step: int = 60) -> pl.DataFrame:
    opens = first + np.arange(count) * step * S
    return pl.DataFrame(
        {
            "ts_open": opens,
            "ts": opens + step * S,
            "realised_variance": np.full(count, variance),
            "mid_open_ticks": 100.0 + np.arange(count),
            "mid_close_ticks": 101.0 + np.arange(count),
        }
    )


def simulated(days: int, seed: int = 0, slots: int = 78, symbols: int = 2, persistence: float = 0.9) -> pl.DataFrame:
    """Log-variance AR(1) around a U-shaped day, per instrument its own level."""
    random = np.random.default_rng(seed)
    shape = 1.5 * (np.linspace(-1, 1, slots) ** 2) + 0.5
    frames = []
    for s in range(symbols):
        state = np.zeros(days * slots)
        for t in range(1, state.size):
            state[t] = persistence * state[t - 1] + 0.3 * random.normal()
        noise = 0.2 * random.normal(size=state.size)
        rv = (s + 1) * 1e-7 * np.tile(shape, days) * np.exp(state + noise)
        start = (np.repeat(np.arange(days), slots) * DAY) + np.tile(np.arange(slots), days) * BLOCK + OPEN
        frames.append(pl.DataFrame({"ts_start": start, "ts": start + BLOCK, "symbol": f"S{s}.X", "rv": rv}))
    return pl.concat(frames)


# blocks


def test_a_block_sums_its_bars_and_spans_their_mid():
    blocks = block_variance(bars(OPEN, 10), 300)
    assert blocks["ts_start"].to_list() == [OPEN, OPEN + BLOCK]
    assert blocks["ts"].to_list() == [OPEN + BLOCK, OPEN + 2 * BLOCK]
    assert blocks["rv"].to_list() == pytest.approx([5e-8, 5e-8])
    assert blocks["return_log"].to_list() == pytest.approx([math.log(105 / 100), math.log(110 / 105)])
    assert blocks["bars"].to_list() == [5, 5]


def test_blocks_whose_edges_the_capture_does_not_reach_are_left_out():
    blocks = block_variance(bars(OPEN + 120 * S, 16), 300)
    assert blocks["ts_start"].to_list() == [OPEN + BLOCK, OPEN + 2 * BLOCK]


def test_a_bar_that_is_not_there_inside_a_block_adds_nothing():
    whole = bars(OPEN, 10)
    holed = whole.filter(~pl.col("ts_open").is_in([OPEN + 120 * S, OPEN + 300 * S]))
    blocks = block_variance(holed, 300)
    assert blocks["rv"].to_list() == pytest.approx([4e-8, 4e-8])
    assert blocks["bars"].to_list() == [4, 4]


def test_bars_without_a_mid_do_not_count():
    blind = bars(OPEN, 10).with_columns(
        pl.when(pl.col("ts_open") >= OPEN + 60 * S).then(pl.col("realised_variance")).alias("realised_variance")
    )
    assert block_variance(blind, 300)["ts_start"].to_list() == [OPEN + BLOCK]


def test_bars_that_straddle_blocks_are_refused():
    with pytest.raises(StudyError, match=r"block_s; received 90 s"):
        block_variance(bars(OPEN, 10), 90)


def test_the_next_variance_is_that_of_the_adjacent_block_of_the_same_date_and_instrument():
    blocks = simulated(2, slots=4).filter(pl.col("ts_start") != OPEN + 2 * BLOCK)
    prepared = prepare(blocks, 300)
    one = prepared.filter(pl.col("symbol") == "S0.X")
    assert one["slot"].to_list() == [0, 1, 3, 0, 1, 2, 3]
    rv = one["rv"].to_list()
    assert one["next_rv"].to_list() == [rv[1], None, None, rv[4], rv[5], rv[6], None]


def test_duplicate_blocks_and_missing_columns_are_refused():
    blocks = simulated(1, slots=4)
    with pytest.raises(SchemaError, match="two blocks"):
        prepare(pl.concat([blocks, blocks.head(1)]), 300)
    with pytest.raises(SchemaError, match="'rv'"):
        prepare(blocks.drop("rv"), 300)


def test_a_half_day_is_no_whole_date():
    blocks = simulated(3, slots=20)
    cut = blocks.filter(pl.col("ts_start") < OPEN + 2 * DAY + 10 * BLOCK)
    assert complete_dates(prepare(cut, 300)) == ["2013-10-07", "2013-10-08"]


# parts


def test_ewma_is_the_weighted_mean_of_its_past():
    values = [4.0, 1.0, 2.0]
    expected = [4.0, (1 + 0.5 * 4) / 1.5, (2 + 0.5 * 1 + 0.25 * 4) / 1.75]
    assert ewma(values, 0.5).tolist() == pytest.approx(expected)
    assert ewma(np.full(50, 3.0), 0.94) == pytest.approx(np.full(50, 3.0))


def test_the_profile_recovers_the_shape_of_the_day_and_has_mean_one():
    blocks = simulated(60, persistence=0.0)
    profile = diurnal_profile(prepare(blocks, 300))
    truth = 1.5 * (np.linspace(-1, 1, 78) ** 2) + 0.5
    assert profile.mean() == pytest.approx(1.0)
    np.testing.assert_allclose(profile[2:-2], (truth / truth.mean())[2:-2], rtol=0.12)


def test_one_day_makes_no_profile_and_no_profile_is_flat():
    assert diurnal_profile(prepare(simulated(1), 300)) is None
    assert factor(None, np.array([0, 5])).tolist() == [1.0, 1.0]
    assert factor(np.array([1.0, 2.0]), np.array([0, 1, 9])).tolist() == [1.0, 2.0, 2.0]


def test_har_regressors_are_logs_of_trailing_means():
    design = har_design([1.0, 2.0, 3.0], (1, 2), partial=False)
    np.testing.assert_allclose(design[1:], [[1, math.log(2), math.log(1.5)], [1, math.log(3), math.log(2.5)]])
    assert np.isnan(design[0, 2])
    assert har_design([1.0, 2.0], (1, 2), partial=True)[0].tolist() == [1.0, 0.0, 0.0]


def test_har_recovers_the_coefficients_of_an_exact_law():
    random = np.random.default_rng(0)
    series = np.exp(random.normal(size=200))
    truth = har_design(series, (1, 5), partial=True) @ np.array([0.1, 0.4, 0.3])
    fitted = fit_har([(series, np.exp(truth))], (1, 5), True, 50)
    assert fitted.coefficients == pytest.approx((0.1, 0.4, 0.3))
    assert fitted.smearing == pytest.approx(1.0)
    np.testing.assert_allclose(fitted.predict(series), np.exp(truth))


def test_smearing_makes_the_level_unbiased_where_logs_alone_are_too_low():
    random = np.random.default_rng(1)
    target = np.exp(random.normal(size=20_000))
    fitted = fit_har([(np.exp(random.normal(size=20_000)), target)], (1,), True, 50)
    assert fitted.predict(np.ones(5)).mean() == pytest.approx(math.exp(0.5), rel=0.03)
    assert math.exp(fitted.coefficients[0]) == pytest.approx(1.0, rel=0.03)


def test_a_forecast_never_leaves_the_range_of_the_training_targets():
    series = np.exp(np.random.default_rng(2).normal(size=100))
    fitted = fit_har([(series[:-1], series[1:])], (1,), True, 50)
    extreme = fitted.predict([1e30, 1e-30])
    assert extreme.min() >= fitted.low
    assert extreme.max() <= fitted.high


# the model


@pytest.fixture(scope="module")
def judged():
    blocks = simulated(12)
    split = OPEN + 8 * DAY
    model = fit_volatility(blocks.filter(pl.col("ts") <= split), CONFIG)
    table = forecast_volatility(model, blocks)
    return model, blocks, table, table.filter(pl.col("ts") >= split)


def test_har_beats_ewma_on_a_market_with_memory_and_a_shape_of_the_day(judged):
    model, _, _, test = judged
    evaluation = evaluate_volatility(test)
    lines = {line["model"]: line for line in evaluation.table.to_dicts()}
    assert lines["har"]["qlike"] < lines["ewma_diurnal"]["qlike"] < lines["ewma"]["qlike"] < lines["naive"]["qlike"]
    assert lines["har"]["dm_stat"] < -2
    assert lines["naive"]["dm_stat"] > 2
    assert len({line["n"] for line in lines.values()}) == 1
    assert evaluation.verdict.startswith("HAR beats EWMA")
    assert model.notes == ("daily HAR not offered: 8 days < 60",)
    assert json.loads(json.dumps(evaluation.table.to_dicts(), allow_nan=False))


def test_without_memory_har_does_not_beat_the_shape_of_the_day():
    """The planted structure is what HAR lives on."""
    blocks = simulated(16)
    noise = 1e-7 * np.random.default_rng(3).gamma(20, 1 / 20, blocks.height)
    flat = blocks.with_columns(pl.Series("rv", noise))
    split = OPEN + 12 * DAY
    model = fit_volatility(flat.filter(pl.col("ts") <= split), CONFIG)
    table = evaluate_volatility(forecast_volatility(model, flat).filter(pl.col("ts") >= split)).table
    qlike = dict(zip(table["model"], table["qlike"], strict=True))
    assert qlike["har"] == pytest.approx(qlike["naive"], rel=0.1)


def test_forecasts_say_when_they_were_made_and_for_which_block(judged):
    _, blocks, table, _ = judged
    assert table.columns == ["ts", "target_ts", "symbol", "naive", "ewma", "ewma_diurnal", "har", "rv"]
    assert ((table["target_ts"] - table["ts"]) == BLOCK).all()
    assert table.height == blocks.height
    known = blocks.select(pl.col("ts").alias("target_ts"), "symbol", pl.col("rv").alias("came"))
    joined = table.join(known, on=["target_ts", "symbol"], how="left")
    assert joined.filter(pl.col("rv") != pl.col("came")).is_empty()
    assert joined["rv"].null_count() == joined["came"].null_count() == 24


def test_cutting_the_future_changes_no_forecast(judged):
    model, blocks, table, _ = judged
    cut = OPEN + 9 * DAY + 30 * BLOCK
    past = forecast_volatility(model, blocks.filter(pl.col("ts") <= cut))
    columns = ["ts", "symbol", "naive", "ewma", "ewma_diurnal", "har"]
    assert past.select(columns).equals(table.filter(pl.col("ts") <= cut).select(columns))


def test_a_planted_look_ahead_would_be_seen(judged):
    """The test above can fail: a forecast from a whole-sample mean differs once history is cut."""
    _, blocks, _, _ = judged
    cut = OPEN + 9 * DAY
    past = blocks.filter(pl.col("ts") <= cut)
    models = [fit_volatility(b, CONFIG) for b in (past, blocks)]
    columns = ["naive", "har"]
    first, second = (forecast_volatility(m, past).select(columns) for m in models)
    assert not first.equals(second)


def test_too_few_blocks_leave_ewma_only_and_say_so():
    blocks = simulated(1, slots=6, symbols=1)
    model = fit_volatility(blocks.head(3), CONFIG)
    assert model.har is None
    assert model.notes == (
        "shape of the day: fewer than 2 whole training days, taken as flat",
        "HAR not offered: 2 observations, at least 40 needed; EWMA only",
        "daily HAR not offered: 1 days < 60",
    )
    test = forecast_volatility(model, blocks)
    assert test["har"].null_count() == test["ewma_diurnal"].null_count() == 6
    assert test["ewma"].null_count() == 0
    evaluation = evaluate_volatility(test)
    lines = {line["model"]: line for line in evaluation.table.to_dicts()}
    assert (lines["har"]["n"], lines["har"]["qlike"]) == (0, None)
    assert lines["ewma"]["n"] == 5
    assert evaluation.verdict == "5 judged blocks: too few for a conclusion."


def test_a_model_of_no_blocks_still_offers_ewma():
    blocks = simulated(1, slots=6, symbols=1)
    model = fit_volatility(blocks.clear(), CONFIG)
    table = forecast_volatility(model, blocks)
    assert table["naive"].null_count() == 6
    np.testing.assert_allclose(table["ewma"].to_numpy(), ewma(blocks["rv"].to_numpy(), 0.94))
    assert forecast_volatility(model, blocks.clear()).columns == table.columns
    assert "No block to judge" in evaluate_volatility(table.clear()).verdict


def test_an_instrument_that_was_not_trained_has_ewma_but_no_har(judged):
    model, blocks, _, _ = judged
    stranger = blocks.filter(pl.col("symbol") == "S0.X").with_columns(pl.lit("NEW.X").alias("symbol"))
    table = forecast_volatility(model, stranger)
    assert table["har"].null_count() == table.height
    assert table["ewma"].null_count() == 0


def test_a_still_mid_has_finite_forecasts_and_losses():
    blocks = simulated(12, symbols=1).with_columns(
        pl.when(pl.int_range(pl.len()) % 3 == 0).then(0.0).otherwise(pl.col("rv")).alias("rv")
    )
    model = fit_volatility(blocks, CONFIG)
    table = forecast_volatility(model, blocks)
    assert (table["har"].drop_nulls() > 0).all()
    assert table["ewma"].null_count() == 1  # after one block without a move nothing is known
    assert evaluate_volatility(table).table["qlike"].is_finite().all()


def test_equal_input_gives_equal_bytes_and_they_load_again(judged):
    model, blocks, table, _ = judged
    train = blocks.filter(pl.col("ts") <= OPEN + 8 * DAY)
    assert fit_volatility(train, CONFIG).to_bytes() == fit_volatility(train, CONFIG).to_bytes()
    assert forecast_volatility(VolatilityModel.from_bytes(model.to_bytes()), blocks).equals(table)
    with pytest.raises(LakeError):
        VolatilityModel.from_bytes(b"junk")


# daily


def test_too_few_days_are_refused_with_both_numbers():
    with pytest.raises(InsufficientDataError, match="12 days < 60"):
        fit_daily_har(np.ones(12), 60)
    with pytest.raises(InsufficientDataError, match="60 days <= 60"):
        walk_forward_daily(np.ones(60), 60)


def test_enough_days_bring_a_daily_har_for_every_instrument():
    blocks = simulated(70, slots=6)
    model = fit_volatility(blocks, CONFIG)
    assert sorted(model.daily) == ["S0.X", "S1.X"]
    assert not any("daily" in note for note in model.notes)
    table = forecast_daily(model, blocks)
    days = daily_variance(prepare(blocks, 300)).filter(pl.col("symbol") == "S0.X")
    assert days.height == 70
    assert days["rv"][0] == pytest.approx(blocks["rv"].head(6).sum())
    last = model.daily["S0.X"].predict(days["rv"].to_numpy())[-1]
    assert table.filter(pl.col("symbol") == "S0.X")["har_daily"][0] == last
    assert forecast_daily(fit_volatility(blocks.head(12), CONFIG), blocks).is_empty()


def test_the_walk_forward_uses_earlier_days_only():
    series = np.exp(np.random.default_rng(4).normal(size=140))
    whole, past = walk_forward_daily(series, 100), walk_forward_daily(series[:125], 100)
    assert whole.head(25).equals(past)
    assert whole["naive"][0] == pytest.approx(series[:100].mean())
    assert whole["ewma"][0] == ewma(series[:100], 0.94)[-1]
    assert whole["rv"].to_list() == series[100:].tolist()
    assert whole["har"][0] == fit_daily_har(series[:100], 100).predict(series[:100])[-1]
    # the fit of day 100 serves until day 121, on each day's own past
    assert whole["har"][21] == fit_daily_har(series[:100], 100).predict(series[:121])[-1]


@pytest.mark.shared_data
def test_daily_har_beats_ewma_on_twenty_years_of_the_sp500(shared_data):
    rv = pl.read_csv(shared_data / "volatility" / "rv5.csv")["rv5"].to_numpy()
    table = walk_forward_daily(rv, min_days=500)
    losses = {name: qlike_losses(table["rv"], table[name]) for name in ("naive", "ewma", "har")}
    assert losses["har"].mean() == pytest.approx(0.201, abs=0.005)
    assert losses["ewma"].mean() == pytest.approx(0.287, abs=0.005)
    assert losses["naive"].mean() > losses["ewma"].mean()
    assert diebold_mariano(losses["har"], losses["ewma"]).statistic < -4
