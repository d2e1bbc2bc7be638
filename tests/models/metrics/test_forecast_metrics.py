import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.errors import SchemaError
from models.metrics.forecast import (
    calibration_table,
    hit_rate,
    ic_series,
    icir,
    information_coefficient,
    mse,
    qlike,
    qlike_losses,
    r2_oos,
    rank_ic,
)

RAMP = np.arange(20.0)


def test_a_linear_forecast_has_an_ic_of_one_and_its_negative_of_minus_one():
    assert information_coefficient(3 * RAMP + 2, RAMP) == pytest.approx(1.0, abs=1e-15)
    assert information_coefficient(-RAMP, RAMP) == pytest.approx(-1.0, abs=1e-15)


def test_the_ic_of_a_hand_computed_table_is_right():
    # x = 0..9 twice, y = x with the two tens swapped half: closed form from the sums of squares
    x = np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    y = np.array([2.0, 1, 4, 3, 6, 5, 8, 7, 10, 9])
    # Spearman's formula without ties: 1 - 6 sum d^2 / (n (n^2 - 1)), here both sides are ranks already
    expected = 1 - 6 * 10 / (10 * 99)
    assert information_coefficient(x, y) == pytest.approx(expected, abs=1e-14)
    assert rank_ic(np.exp(x), y**3) == pytest.approx(expected, abs=1e-14)


def test_ranks_of_ties_are_averaged():
    x = np.array([1.0, 1, 2, 2, 3, 3, 4, 4, 5, 5])
    ranks = np.array([1.5, 1.5, 3.5, 3.5, 5.5, 5.5, 7.5, 7.5, 9.5, 9.5])
    y = np.arange(10.0)
    assert rank_ic(x, y) == pytest.approx(np.corrcoef(ranks, y)[0, 1], abs=1e-14)


def test_pairs_with_a_missing_side_do_not_count():
    dirty = np.concatenate([RAMP, [np.nan, 5.0, np.inf]])
    other = np.concatenate([RAMP, [1.0, np.nan, 2.0]])
    assert information_coefficient(dirty, other) == information_coefficient(RAMP, RAMP)
    assert mse(dirty, other) == 0.0


def test_constant_or_short_input_has_no_ic():
    assert information_coefficient(np.ones(20), RAMP) is None
    assert rank_ic(RAMP, np.ones(20)) is None
    assert information_coefficient(RAMP[:9], RAMP[:9]) is None
    assert information_coefficient([], []) is None


def test_unequal_lengths_are_refused():
    with pytest.raises(SchemaError, match="20 and 19 values"):
        information_coefficient(RAMP, RAMP[1:])


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=10, max_size=40))
def test_an_ic_never_leaves_minus_one_to_one(pairs):
    x, y = np.array(pairs).T
    for value in (information_coefficient(x, y), rank_ic(x, y)):
        assert value is None or -1.0 <= value <= 1.0


def test_the_ic_series_cuts_time_into_blocks_from_the_first_row_on():
    ts = 5_000 + np.arange(40) * 1_000_000_000
    signs = np.repeat([1.0, -1.0], 20)
    noise = np.random.default_rng(0).normal(size=40)
    frame = pl.DataFrame({"ts": ts, "forecast": noise, "realised": noise * signs})
    series = ic_series(frame, block_ms=20_000)
    assert series["ts"].to_list() == [5_000, 20_000_005_000]
    assert series["n"].to_list() == [20, 20]
    assert series["ic"].to_list() == pytest.approx([1.0, -1.0])
    assert ic_series(frame, block_ms=5_000)["ic"].null_count() == 8


def test_the_ic_series_of_nothing_is_an_empty_table_of_the_same_columns():
    empty = pl.DataFrame(schema={"ts": pl.Int64, "forecast": pl.Float64, "realised": pl.Float64})
    assert ic_series(empty, 1000).columns == ["ts", "n", "ic", "rank_ic"]


def test_icir_is_mean_over_deviation_with_n_minus_one():
    assert icir([0.1, 0.2, 0.3]) == pytest.approx(0.2 / 0.1)
    assert icir([0.1, np.nan, 0.3]) == pytest.approx(0.2 / math.sqrt(0.02))
    assert icir([0.1, 0.1]) is None
    assert icir([0.1]) is None


def test_r2_is_one_for_the_truth_zero_for_the_training_mean_and_negative_for_worse():
    realised = np.array([1.0, 2.0, 3.0])
    assert r2_oos(realised, realised, naive=0.0) == 1.0
    assert r2_oos(np.full(3, 1.5), realised, naive=1.5) == 0.0
    # errors 2, 2, 2 against benchmark errors 1, 2, 3
    assert r2_oos(realised + 2, realised, naive=0.0) == pytest.approx(1 - 12 / 14)
    assert r2_oos(realised + 10, realised, naive=0.0) < 0
    assert r2_oos(realised, np.zeros(3), naive=0.0) is None


def test_the_hit_rate_leaves_zeros_out():
    assert hit_rate([1, -1, 1, 0, 2], [2, -3, -1, 5, 0]) == pytest.approx(2 / 3)
    assert hit_rate([0.0], [1.0]) is None


def test_calibration_deciles_hold_equal_shares_and_their_means():
    forecast = np.arange(100.0)
    table = calibration_table(forecast, 2 * forecast)
    assert table["n"].to_list() == [10] * 10
    assert table["decile"].to_list() == list(range(1, 11))
    assert table["forecast_bps"].to_list() == pytest.approx([4.5 + 10 * k for k in range(10)])
    assert table["realised_bps"].to_list() == pytest.approx([9.0 + 20 * k for k in range(10)])
    # ten numbers two apart: variance 4 * (100 - 1) / 12 * 10 / 9
    assert table["realised_se"][0] == pytest.approx(math.sqrt(4 * 99 / 12 * 10 / 9 / 10))


def test_ties_share_a_decile():
    table = calibration_table(np.repeat([0.0, 1.0], 50), np.arange(100.0))
    assert table["n"].to_list() == [50, 50]
    assert calibration_table(np.ones(100), np.arange(100.0)).is_empty()


def test_qlike_is_zero_at_the_truth_and_follows_its_closed_form():
    assert qlike([1e-6, 2e-6], [1e-6, 2e-6]) == 0.0
    assert qlike([1.0], [2.0]) == pytest.approx(0.5 - math.log(0.5) - 1)
    assert qlike([2.0], [1.0]) == pytest.approx(2.0 - math.log(2.0) - 1)
    assert qlike([], []) is None


def test_qlike_does_not_depend_on_the_unit_and_punishes_too_low_more_than_too_high():
    assert qlike([3e-7], [2e-7]) == pytest.approx(qlike([3.0], [2.0]))
    assert qlike([1.0], [0.5]) > qlike([1.0], [2.0])


def test_a_zero_variance_needs_a_floor_and_a_forecast_must_be_positive():
    with pytest.raises(SchemaError, match="positive variances"):
        qlike_losses([0.0, 1.0], [1.0, 1.0])
    with pytest.raises(SchemaError, match="positive variances"):
        qlike_losses([1.0], [0.0], floor=0.1)
    assert qlike([0.0], [0.1], floor=0.1) == 0.0


def test_mse_of_a_known_error():
    assert mse([1.0, 2.0], [2.0, 4.0]) == pytest.approx(2.5)
