"""The realism report: a market passes against itself, and each wrong one fails where it is wrong."""

import dataclasses

import numpy as np
import polars as pl
import pytest

from feeds.instruments import InstrumentSpec
from sim.flow import simulate_flow
from sim.flow_measure import arrays_of
from sim.flow_params import FlowParams
from sim.realism import REPORT_SCHEMA, realism_report, total_variation, wasserstein
from sim.realism_stats import decay, statistics_of

START = 1_772_463_600_000_000_000
HOUR = 3_600_000_000_000
SPEC = InstrumentSpec(id="TEST.SIM", tick_size=1e-4, lot_size=1, quote_increment_ticks=100)
TRUTH = dataclasses.replace(FlowParams.example(), sigma=1.5e-4, split_share=0.6)


def made(seed, **changes):
    params = dataclasses.replace(TRUTH, **changes)
    return simulate_flow(params, START, START + 4 * HOUR, seed, start_mid_ticks=1_000_000)


@pytest.fixture(scope="module")
def real():
    return made(1), made(2)


@pytest.fixture(scope="module")
def own_verdicts(real):
    return [verdicts(real, made(seed)) for seed in (3, 4, 5)]


def verdicts(real, simulated):
    report = realism_report(*real, simulated, SPEC)
    return dict(report.select("metric", "passed").iter_rows())


def test_the_report_has_its_columns_and_its_bands_hold_the_real_values(real):
    report = realism_report(*real, made(3), SPEC)
    assert dict(report.schema) == REPORT_SCHEMA
    assert report["symbol"].unique().to_list() == ["TEST.SIM"]
    judged = report.filter(pl.col("passed").is_not_null())
    assert judged.height >= 20
    assert judged.filter(~pl.col("real").is_between(pl.col("band_low"), pl.col("band_high"))).is_empty()
    assert (judged["passed"] == judged["simulated"].is_between(judged["band_low"], judged["band_high"])).all()
    information = report.filter(pl.col("passed").is_null())
    assert information["metric"].str.contains("distance, ").all()
    assert information.height == 6


def test_a_market_passes_against_itself(own_verdicts):
    passed = [value for each in own_verdicts for value in each.values() if value is not None]
    assert np.mean(passed) > 0.8


@pytest.mark.parametrize(
    ("changes", "failing"),
    [
        ({"sigma": 5e-5, "impact_per_lot": 0.0}, "volatility over 60 s"),
        ({"split_share": 0.0}, "mean sign autocorrelation, lags 1 to 30"),
        ({"market_rate": 1.0}, "market orders"),
        ({"limit_rate": tuple(0.5 * rate for rate in TRUTH.limit_rate)}, "spread"),
        ({"market_lots": (1, 2, 3)}, "size of market orders"),
    ],
)
def test_a_market_that_is_wrong_fails_where_it_is_wrong(real, own_verdicts, changes, failing):
    assert verdicts(real, made(6, **changes))[failing] is False
    assert sum(each[failing] for each in own_verdicts) >= 2


def test_the_report_is_the_same_every_time(real):
    assert realism_report(*real, real[0], SPEC).equals(realism_report(*real, real[0], SPEC))


def test_statistics_do_not_depend_on_how_many_blocks_they_are_cut_into(real):
    tape = arrays_of(real[0])
    coarse, fine = ([s.of() for s in statistics_of(tape, 100, blocks)] for blocks in (1, 20))
    np.testing.assert_allclose(coarse, fine, rtol=1e-3)


def test_distances_are_zero_between_equal_samples_and_known_between_shifted_ones():
    x = np.random.default_rng(0).normal(size=20_000)
    assert total_variation(x, x) == wasserstein(x, x) == 0.0
    assert wasserstein(x, x + 1.0) == pytest.approx(1.0 / np.concatenate([x, x + 1]).std(), rel=0.02)
    assert total_variation(x, x + 1.0) == pytest.approx(0.383, abs=0.03)


def test_the_decay_of_a_power_law_is_its_exponent():
    assert decay(np.arange(1, 31) ** -0.5) == pytest.approx(0.5)
    assert np.isnan(decay(-np.ones(30)))
