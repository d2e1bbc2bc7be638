"""The realism report: a market passes against itself, and each wrong one fails where it is wrong."""

import dataclasses

import numpy as np
import polars as pl
import pytest

from feeds.instruments import InstrumentSpec
from sim.flow import simulate_flow
from sim.flow_measure import arrays_of
from sim.flow_params import FlowParams
from sim.realism import REPORT_SCHEMA, RealPair, realism_report
from sim.realism_stats import statistics_of

START = 1_772_463_600_000_000_000
HOUR = 3_600_000_000_000
SPEC = InstrumentSpec(id="TEST.SIM", tick_size=1e-4, lot_size=1, quote_increment_ticks=100)
TRUTH = dataclasses.replace(FlowParams.example(), sigma=1.5e-4, split_share=0.6)


def made(seed, **changes):
    params = dataclasses.replace(TRUTH, **changes)
    return simulate_flow(params, START, START + 5 * HOUR // 2, seed, start_mid_ticks=1_000_000)


@pytest.fixture(scope="module")
def real():
    return made(1), made(2)


@pytest.fixture(scope="module")
def pair(real):
    return RealPair(*real, SPEC)


@pytest.fixture(scope="module")
def own(pair):
    return [pair.judge(made(seed)) for seed in (3, 4, 5)]


def verdicts(report):
    return dict(report.select("metric", "passed").iter_rows())


def test_the_report_has_its_columns_and_its_bands_hold_the_real_values(own):
    report = own[0]
    assert dict(report.schema) == REPORT_SCHEMA
    assert report["symbol"].unique().to_list() == ["TEST.SIM"]
    assert report["metric"].is_duplicated().sum() == 0
    families = {"book", "flow", "returns", "volatility", "signs", "impact", "distribution"}
    judged = report.filter(pl.col("passed").is_not_null())
    assert set(judged["family"]) == families
    assert judged.height >= 80
    assert judged.filter(~pl.col("real").is_between(pl.col("band_low"), pl.col("band_high"))).is_empty()
    assert (judged["passed"] == judged["simulated"].is_between(judged["band_low"], judged["band_high"])).all()


def test_what_a_period_is_too_short_for_and_the_classifier_are_not_judged(own):
    information = own[0].filter(pl.col("passed").is_null())
    session = "volume at the edges of the session to its middle"
    assert set(information["metric"]) == {session, "area under a classifier's curve"}


def test_a_market_passes_against_itself(own):
    passed = [value for each in own for value in each["passed"].to_list() if value is not None]
    assert np.mean(passed) > 0.8
    area = [each.filter(pl.col("metric").str.starts_with("area"))["simulated"][0] for each in own]
    assert np.mean(area) < 0.65


@pytest.mark.parametrize(
    ("changes", "failing"),
    [
        (
            {"sigma": 5e-5, "impact_per_lot": 0.0},
            ("volatility over 60 s", "response after 30 s", "response to MO1 after 100 events"),
        ),
        ({"split_share": 0.0}, ("mean sign autocorrelation, lags 1 to 30",)),
        ({"market_rate": 1.0}, ("market orders", "share of market orders that move it")),
        (
            {"limit_rate": tuple(0.5 * rate for rate in TRUTH.limit_rate)},
            ("spread", "displayed depth", "total variation distance, spread", "Wasserstein distance, displayed depth"),
        ),
        ({"market_lots": (1, 2, 3)}, ("size of market orders", "Wasserstein distance, volume a minute")),
        (
            {"cancel_rate": tuple(2.0 * rate for rate in TRUTH.cancel_rate)},
            ("time to cancellation", "total variation distance, time to cancellation"),
        ),
    ],
)
def test_a_market_that_is_wrong_fails_where_it_is_wrong(pair, own, changes, failing):
    found = verdicts(pair.judge(made(6, **changes)))
    assert [found[name] for name in failing] == [False] * len(failing)
    for name in failing:
        assert sum(verdicts(each)[name] for each in own) >= 2, name


def test_the_report_is_the_same_every_time_and_equals_that_of_a_pair_kept(real, pair):
    assert realism_report(*real, real[0], SPEC).equals(pair.judge(real[0]))


def test_statistics_do_not_depend_on_how_many_blocks_they_are_cut_into(real):
    tape = arrays_of(real[0])
    coarse, fine = ([s.of() for s in statistics_of(tape, 100, blocks)] for blocks in (1, 20))
    np.testing.assert_allclose(coarse, fine, rtol=1e-3)


def test_a_bootstrap_sample_that_holds_every_block_once_is_the_tape(real):
    for one in statistics_of(arrays_of(real[0]), 100, 20):
        np.testing.assert_allclose(one.resampled(np.ones((1, 20)))[0], one.of(), rtol=1e-9, err_msg=one.metric)
