"""The audit finds planted leaks and passes what looks only back."""

import numpy as np
import polars as pl
import pytest

from feeds.errors import SchemaError
from models.leakage import audit_cut

TICKS = pl.DataFrame(
    {
        "available_at": np.arange(200),
        "price": np.random.default_rng(1).normal(100, 1, 200),
        "symbol": ["A.X"] * 200,
    }
)
CUTS = [60, 140]


def with_feature(ticks, expression):
    return ticks.select(pl.col("available_at").alias("ts"), "symbol", "price", expression.alias("feature"))


def audit(expression):
    return audit_cut(lambda ticks: with_feature(ticks, expression), TICKS, CUTS)


def test_a_trailing_mean_passes():
    report = audit(pl.col("price").rolling_mean(10))
    assert report.passed
    assert report.differing == ()
    assert report.rows_compared == 61 + 141


@pytest.mark.parametrize(
    "leak",
    [
        pl.col("price").rolling_mean(10, center=True),
        (pl.col("price") - pl.col("price").mean()) / pl.col("price").std(),
        pl.col("price").shift(-1),
        pl.col("price").rank(),
        pl.col("price").reverse(),
    ],
    ids=["centred mean", "full-day normalisation", "next price", "full-day rank", "reversed"],
)
def test_a_planted_leak_is_caught_in_its_column_at_every_cut(leak):
    report = audit(leak)
    assert not report.passed
    assert {item.column for item in report.differing} == {"feature"}
    assert {item.cut_ns for item in report.differing} == set(CUTS)
    assert all(item.rows > 0 for item in report.differing)


def test_a_leak_of_one_bit_is_caught():
    def compute(ticks):
        nudge = np.nextafter(1.0, 2.0) if ticks.height < TICKS.height else 1.0
        return with_feature(ticks, pl.lit(nudge))

    assert not audit_cut(compute, TICKS, CUTS).passed


def test_a_zero_whose_sign_changes_is_caught():
    def compute(ticks):
        return with_feature(ticks, pl.lit(-0.0 if ticks.height < TICKS.height else 0.0))

    assert not audit_cut(compute, TICKS, CUTS).passed


def test_a_null_that_becomes_a_value_is_caught_and_a_null_that_stays_passes():
    assert audit(pl.lit(None, pl.Float64)).passed

    def compute(ticks):
        return with_feature(ticks, pl.lit(None if ticks.height < TICKS.height else 0.0, pl.Float64))

    assert not audit_cut(compute, TICKS, CUTS).passed


def test_rows_that_vanish_because_of_the_future_are_caught():
    def compute(ticks):
        frame = with_feature(ticks, pl.lit(0.0))
        return frame.filter(pl.col("price") < frame["price"].quantile(0.5))

    report = audit_cut(compute, TICKS, CUTS)
    assert {item.column for item in report.differing} == {"(rows)"}


def test_a_column_that_exists_only_with_the_future_is_caught():
    def compute(ticks):
        frame = with_feature(ticks, pl.lit(0.0))
        return frame if ticks.height == TICKS.height else frame.drop("feature")

    assert audit_cut(compute, TICKS, CUTS).differing[0].column == "['feature']"


def test_an_integer_leak_is_caught():
    assert not audit(pl.len()).passed


def test_an_audit_that_compared_nothing_does_not_pass():
    report = audit_cut(lambda ticks: with_feature(ticks, pl.lit(0.0)), TICKS, [-1])
    assert (report.passed, report.rows_compared) == (False, 0)


def test_outputs_with_repeated_keys_are_rejected():
    with pytest.raises(SchemaError, match="identified by"):
        audit_cut(lambda ticks: with_feature(ticks, pl.lit(0.0)).with_columns(pl.lit(1).alias("ts")), TICKS, CUTS)
