"""Fitting the order flow: counts on small cases, recovery of known parameters, the embedded real capture."""

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from feeds.adapters.bitstamp import Bitstamp
from feeds.cleaning import filter_rows
from feeds.errors import InsufficientDataError
from feeds.instruments import InstrumentSpec
from sim.flow import simulate_flow
from sim.flow_fit import activity_of, cancel_rates, fit_flow, increment_of, sizes_of, splitting_of
from sim.flow_measure import FlowCounts, arrays_of, count_flow
from sim.flow_moments import market_orders, moments_of
from sim.flow_params import FlowParams
from sim.replay import with_book
from tests.support.raw_events import order, raw_frame, trade

START = 1_772_463_600_000_000_000
S = 1_000_000_000
MS = 1_000_000
SPEC = InstrumentSpec(id="TEST.SIM", tick_size=1e-4, lot_size=1, quote_increment_ticks=100)
TRUTH = dataclasses.replace(FlowParams.example(), activity_sd=0.3, activity_persistence=0.9, sigma=1.5e-4)


@pytest.fixture(scope="module")
def tape():
    return simulate_flow(TRUTH, START, START + 4 * 3600 * S, seed=11, start_mid_ticks=1_000_000)


def padded(*events):
    """The events behind an opening book at 990 and 1010 (unknown orders), then enough far away to be a tape."""
    opening = [order("A", 1, "B", 990, 5), order("A", 2, "A", 1010, 5, ts_event=START)]
    far = [order("A", 1000 + i, "B", 10, 1, ts_event=START + 100 * S + i) for i in range(120)]
    rows = [{**event, "ts_event": START} for event in opening] + list(events) + far
    return arrays_of(with_book(raw_frame(*rows))[0])


def at(seconds, event):
    return {**event, "ts_event": START + int(seconds * S)}


def test_arrivals_cancellations_and_exposure_are_counted_by_distance_from_the_opposite_best():
    counts = count_flow(
        padded(
            at(10, order("A", 3, "B", 985, 7)),  # 25 below the ask: distance 3 of width 10
            at(30, order("C", 3, "B", 985, 0)),
            at(40, order("A", 4, "A", 1009, 2)),  # 19 above the bid: distance 2
        ),
        levels=5,
        increment=10,
        quote=1,
    )
    assert counts.limits.tolist() == [0, 1, 1, 0, 0]
    assert counts.cancels.tolist() == [0, 0, 1, 0, 0]
    assert counts.exposure[2] == pytest.approx(20.0)
    assert counts.exposure[1] == pytest.approx(60.0)
    assert counts.limit_lots.tolist() == [7, 2]


def test_ends_of_orders_nobody_saw_arrive_are_no_cancellations():
    counts = count_flow(padded(at(10, order("C", 77, "B", 985, 1)), at(11, order("F", 78, "B", 985, 1))), 5, 10, 1)
    assert counts.cancels.sum() == 0


def test_fills_partial_cancellations_and_aggressive_orders_are_neither_arrivals_nor_cancellations():
    counts = count_flow(
        padded(
            at(5, order("A", 3, "B", 985, 7)),
            at(6, order("C", 3, "B", 985, 2)),
            at(7, order("F", 3, "B", 985, 5)),
            at(8, order("A", 4, "B", 1010, 2)),
            at(9, order("C", 4, "B", 1010, 0)),
        ),
        5,
        10,
        1,
    )
    assert counts.limits.sum() == 1
    assert counts.cancels.sum() == 0


def test_an_order_that_left_the_measured_distances_is_forgotten():
    counts = count_flow(
        padded(
            at(5, order("A", 3, "B", 965, 7)),  # distance 5
            at(10, order("C", 2, "A", 1010, 0)),
            at(10, order("A", 5, "A", 1050, 1)),  # the ask moves away: out of sight
            at(20, order("A", 6, "A", 1010, 1)),  # and back
            at(30, order("C", 3, "B", 965, 0)),
        ),
        5,
        10,
        1,
    )
    assert counts.cancels.sum() == 0
    assert counts.exposure[4] < 6.0


def test_executions_of_one_stamp_and_side_are_one_market_order():
    rows = [
        at(1, trade(1010, 2, "B")),
        at(1, trade(1010, 3, "B")),
        at(1, trade(990, 4, "A")),
        at(2, trade(990, 5, "A")),
    ]
    orders = market_orders(padded(*rows))
    assert orders.lots.tolist() == [5, 4, 5]
    assert orders.signs.tolist() == [1, -1, -1]


def test_a_wide_spread_coarsens_the_increment_and_a_narrow_one_does_not():
    tape = padded(at(1, trade(1010, 1, "B")))
    assert increment_of(tape, quote=1, levels=10) == 8
    assert increment_of(tape, quote=20, levels=10) == 20


def test_behind_the_distances_that_are_seen_well_the_last_good_rate_holds():
    counts = FlowCounts(
        limits=np.array([50.0, 45.0, 5.0]),
        cancels=np.array([10.0, 20.0, 0.0]),
        exposure=np.array([100.0, 100.0, 900.0]),
        limit_lots=np.ones(3, np.int64),
        arrival_ns=np.zeros(3, np.int64),
    )
    assert cancel_rates(counts).tolist() == [0.1, 0.2, 0.2]


def test_sizes_keep_the_distribution():
    lots = np.random.default_rng(1).lognormal(4, 1, 5_000).astype(np.int64) + 1
    sizes = sizes_of(lots)
    assert np.mean(sizes) == pytest.approx(lots.mean(), rel=0.1)
    assert np.median(sizes) == pytest.approx(np.median(lots), rel=0.05)


def test_activity_is_recovered_from_counts_and_absent_without_clustering():
    rng = np.random.default_rng(2)
    x = np.zeros(20_000)
    for i in range(1, x.size):
        x[i] = 0.97 * x[i - 1] + np.sqrt(1 - 0.97**2) * 0.5 * rng.normal()
    seconds = np.repeat(np.arange(x.size), rng.poisson(8 * np.exp(x - 0.125)))
    sd, persistence = activity_of(START + seconds * S)
    assert sd == pytest.approx(0.5, abs=0.08)
    assert persistence == pytest.approx(0.97, abs=0.012)
    flat = np.repeat(np.arange(5_000), rng.poisson(8, 5_000))
    assert activity_of(START + flat * S)[0] < 0.1


def test_splitting_is_recovered_from_signs_and_absent_without_memory():
    params = dataclasses.replace(TRUTH, split_share=0.6, split_exponent=1.5, lean=0.0, imbalance_slope=0.0, sigma=0.0)
    frame = simulate_flow(params, START, START + 40_000 * S, seed=2, start_mid_ticks=1_000_000)
    share, exponent = splitting_of(market_orders(arrays_of(frame)).signs)
    assert share == pytest.approx(0.6, abs=0.12)
    assert exponent == pytest.approx(1.5, abs=0.25)
    alternating = np.tile([1, -1], 500)
    assert splitting_of(alternating)[0] == 0.0


def test_the_parameters_of_a_simulated_tape_are_recovered(tape):
    fitted = fit_flow(tape, SPEC)
    assert fitted.increment_ticks == TRUTH.increment_ticks
    assert set(fitted.source) == {f.name for f in dataclasses.fields(FlowParams)} - {"source"}
    np.testing.assert_allclose(fitted.limit_rate[1:6], TRUTH.limit_rate[1:6], rtol=0.15)
    np.testing.assert_allclose(fitted.cancel_rate[:6], TRUTH.cancel_rate[:6], rtol=0.3)
    assert fitted.market_rate == pytest.approx(TRUTH.market_rate, rel=0.05)
    assert fitted.sigma == pytest.approx(TRUTH.sigma, rel=0.35)
    assert np.mean(fitted.market_lots) == pytest.approx(TRUTH.mean_market_lots, rel=0.1)
    assert fitted.split_share == pytest.approx(TRUTH.split_share, abs=0.2)
    close_to_its_tape(fitted, tape, 1.25)


def test_nothing_after_the_moment_of_the_fit_is_looked_at(tape):
    middle = START + 7200 * S
    known = tape.filter(pl.col("ts_recv") < middle)
    assert fit_flow(known, SPEC) == fit_flow(tape, SPEC, until_ns=middle)


def test_a_tape_without_trades_or_book_is_refused(tape):
    quiet = tape.filter(pl.col("action") != "F")
    with pytest.raises(InsufficientDataError, match="0 market orders"):
        fit_flow(quiet, SPEC)
    with pytest.raises(InsufficientDataError, match="two-sided book"):
        fit_flow(tape.with_columns(bid_px=pl.lit(0, pl.Int64)), SPEC)


BITSTAMP = importlib.util.find_spec("ob_analytics")


@pytest.mark.skipif(BITSTAMP is None, reason="the package with the Bitstamp capture is not installed")
def test_the_flow_fitted_to_a_real_capture_resembles_it():
    folder = Path(BITSTAMP.submodule_search_locations[0]) / "_sample_data"
    files = {"orders": folder / "orders.csv.gz", "trades": folder / "trades.csv", "meta": folder / "meta.json"}
    adapter = Bitstamp()
    spec = adapter.default_spec("BTCUSD.BITSTAMP")
    raw = adapter.parse(files, spec, adapter.sniff(files["orders"]).dates[0]).frame
    real, _ = with_book(filter_rows(raw, spec, (0, 2**62))[0])
    close_to_its_tape(fit_flow(real, spec), real, 1.5)


def close_to_its_tape(fitted, tape, factor):
    real = arrays_of(tape)
    frame = simulate_flow(fitted, START, START + 3 * 3600 * S, seed=1, start_mid_ticks=float(np.median(real.mid)))
    made = arrays_of(frame)
    wanted, found = (moments_of(t, market_orders(t)) for t in (real, made))
    for name, power in (("spread_ticks", 1.0), ("touch_lots", 1.0), ("trade_rate", 1.0), ("variance_60s", 0.5)):
        ratio = (getattr(found, name) / getattr(wanted, name)) ** power
        assert 1 / factor < ratio < factor, name
