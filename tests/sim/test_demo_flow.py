"""Order flow of the demo market: units, following the efficient price, the crash."""

from dataclasses import replace

import numpy as np
import pytest

from sim.demo_config import DEMO_DATES, DemoConfig, DemoInstrument
from sim.demo_flow import CENT_TICKS, FlowScale, _autoregression, scale_flow, simulate_day
from sim.demo_paths import plan_market
from sim.flow_params import FlowParams
from sim.flow_state import ROW_ACTION, ROW_BOOK, ROW_ID, ROW_TS
from tests.support.demo_markets import CRASH, quiet_market, small_market

FITTED = FlowParams.example()
BID_PX, BID_SZ, ASK_PX, ASK_SZ, BID_DEPTH, ASK_DEPTH = range(ROW_BOOK, ROW_BOOK + 6)


def simulate(config, day, place=0):
    plan = plan_market(config)[day]
    return plan, simulate_day(config, plan, place, scale_flow(FITTED, config.instruments[place], FlowScale()))


def at_seconds(plan, tape, seconds, values):
    """Of each row's values, the last one at each second after the open."""
    rows = np.searchsorted(tape.rows[:, ROW_TS], plan.open_ns + np.asarray(seconds) * 10**9, side="right") - 1
    return values[rows]


def log_mid(plan, tape, seconds):
    return np.log(at_seconds(plan, tape, seconds, (tape.rows[:, BID_PX] + tape.rows[:, ASK_PX]) / 2))


@pytest.fixture(scope="module")
def crash_day():
    return simulate(small_market(), 1)


def test_shapes_stay_and_units_change():
    instrument = DemoInstrument("XYZ", "Xyz", 50.0, 3.0, 60_000, 120)
    scaled = scale_flow(FITTED, instrument, FlowScale(market_share=0.1, depth_share=0.5))
    for name in ("limit_rate", "cancel_rate", "profile_orders"):
        ratios = np.array(getattr(scaled, name)) / np.array(getattr(FITTED, name))
        assert ratios == pytest.approx(ratios[0] * np.ones(ratios.size))
    depth = [sum(flow.limit_rate) / sum(flow.cancel_rate) for flow in (scaled, FITTED)]
    assert depth[0] == pytest.approx(0.5 * depth[1])
    assert scaled.profile_orders[0] == pytest.approx(0.5 * FITTED.profile_orders[0])
    assert scaled.market_rate == pytest.approx(0.1 * 2 * sum(scaled.limit_rate))
    assert np.mean(scaled.limit_lots) == pytest.approx(instrument.mean_lots, rel=0.15)
    assert scaled.impact_per_lot * np.mean(scaled.market_lots) == pytest.approx(FlowScale().impact_bps * 1e-4)
    assert all(size >= 1 and (size < 100 or size % 100 == 0) for size in (*scaled.limit_lots, *scaled.market_lots))
    assert (scaled.increment_ticks, scaled.spread_ticks) == (CENT_TICKS, FITTED.spread_ticks)
    same = ("split_share", "split_exponent", "imbalance_slope", "lean", "activity_sd", "activity_persistence")
    assert [getattr(scaled, name) for name in same] == [getattr(FITTED, name) for name in same]


def test_sizes_far_out_in_the_tail_are_cut():
    tailed = replace(FITTED, limit_lots=(1, 10, 10, 10, 10_000), market_lots=(1, 10_000))
    scaled = scale_flow(tailed, small_market().instruments[0], FlowScale(largest=4.0))
    assert max(*scaled.limit_lots, *scaled.market_lots) == 4 * small_market().instruments[0].mean_lots


def test_the_compiled_autoregression_is_the_plain_one_and_stationary():
    shocks = np.random.default_rng(0).standard_normal(20_000)
    plain = [shocks[0]]
    for shock in shocks[1:]:
        plain.append(0.9 * plain[-1] + (1 - 0.9**2) ** 0.5 * shock)
    found = _autoregression(shocks, 0.9)
    assert found == pytest.approx(plain)
    assert found.std() == pytest.approx(1.0, abs=0.05)


def test_a_day_opens_with_a_two_sided_book_of_additions_at_the_open(crash_day):
    plan, tape = crash_day
    opening = tape.rows[tape.rows[:, ROW_TS] == plan.open_ns]
    assert opening.shape[0] > 20 and (opening[:, ROW_ACTION] == 0).all()
    assert (opening[1:, BID_PX] > 0).all() and (opening[1:, ASK_PX] > opening[1:, BID_PX]).all()
    mid = (opening[-1, BID_PX] + opening[-1, ASK_PX]) / 2
    assert mid / 1e4 == pytest.approx(plan.open_price_usd[0], rel=1e-3)


def test_events_lie_inside_the_session_in_time_order_on_the_cent(crash_day):
    plan, tape = crash_day
    stamps = tape.rows[:, ROW_TS]
    assert (np.diff(stamps) >= 0).all() and stamps[0] == plan.open_ns and stamps[-1] < plan.end_ns
    assert stamps[-1] > plan.end_ns - 60 * 10**9
    assert (tape.rows[:, [BID_PX, ASK_PX]] % CENT_TICKS == 0).all()
    assert (tape.rows[:, ROW_ID] > 0).all()


def test_the_pace_is_about_the_one_aimed_at():
    # A whole session of an average day: an hour may be turbulent throughout.
    config = small_market(session_s=None, crash=None)
    counts = [simulate(config, day)[1].rows.shape[0] for day in range(2)]
    assert np.mean(counts) == pytest.approx(config.instruments[0].events_per_day, rel=0.25)


def test_the_same_seed_gives_the_same_events_and_instruments_differ(crash_day):
    assert np.array_equal(crash_day[1].rows, simulate(small_market(), 1)[1].rows)
    assert not np.array_equal(
        crash_day[1].rows, simulate(small_market(seed=8), 1)[1].rows[: crash_day[1].rows.shape[0]]
    )


def test_more_room_changes_nothing(crash_day):
    tiny = replace(small_market().instruments[0], events_per_day=1000)
    config = small_market(instruments=(tiny,))
    plan = plan_market(config)[1]
    params = scale_flow(FITTED, small_market().instruments[0], FlowScale())
    # The first attempts have too little room for so many events.
    assert np.array_equal(simulate_day(config, plan, 0, params).rows, crash_day[1].rows)


def test_the_mid_follows_the_efficient_price():
    plan, tape = simulate(small_market(session_s=None, crash=None), 0)
    seconds = np.arange(60, plan.seconds, 300)
    moves = np.diff(log_mid(plan, tape, seconds)), np.diff(plan.efficient[0, seconds])
    assert np.corrcoef(moves)[0, 1] > 0.8
    assert moves[0].std() == pytest.approx(moves[1].std(), rel=0.3)


def test_the_crash_is_seen_once_and_most_of_it_is_recovered(crash_day):
    plan, tape = crash_day
    seconds = np.arange(60, plan.seconds, 10)
    path = log_mid(plan, tape, seconds) * 1e4
    before = np.array([path[max(0, i - 30) : i + 1].max() for i in range(path.size)])
    fallen = seconds[before - path > 0.5 * CRASH.fall_bps]
    assert fallen.size and CRASH.start_s < fallen.min() and fallen.max() < CRASH.end_s + 120
    level = {
        name: path[seconds == second][0]
        for name, second in {
            "before": 2390,
            "low": CRASH.start_s + CRASH.fall_s + CRASH.hold_s,
            "after": CRASH.end_s + 60,
        }.items()
    }
    assert level["low"] - level["before"] < -0.5 * CRASH.fall_bps
    assert level["after"] - level["low"] > 0.4 * CRASH.fall_bps


def test_liquidity_is_withdrawn_in_the_crash_and_comes_back(crash_day):
    plan, tape = crash_day
    depth = tape.rows[:, BID_DEPTH] + tape.rows[:, ASK_DEPTH]

    def between(start, end):
        return at_seconds(plan, tape, np.arange(start, end), depth).mean()

    struck = between(CRASH.start_s + 30, CRASH.end_s)
    assert struck < 0.7 * between(600, CRASH.start_s)
    assert struck < 0.7 * between(CRASH.end_s + 300, plan.seconds)


def test_other_instruments_do_not_notice_the_crash():
    config = quiet_market(dates=("2026-03-12",), session_s=5400)
    config = replace(config, crash=replace(config.crash, start_s=2400))
    without = replace(config, crash=None)
    assert np.array_equal(simulate(config, 0, 0)[1].rows, simulate(without, 0, 0)[1].rows)
    assert not np.array_equal(simulate(config, 0, 1)[1].levels[-1], simulate(without, 0, 1)[1].levels[-1])


def test_mids_are_correlated_about_as_stated():
    config = replace(DemoConfig(), dates=DEMO_DATES[:4], crash=None)
    moves = []
    for day in range(4):
        tapes = [simulate(config, day, place) for place in range(3)]
        seconds = np.arange(60, tapes[0][0].seconds, 300)
        moves.append([np.diff(log_mid(plan, tape, seconds)) for plan, tape in tapes])
    found = np.corrcoef(np.concatenate(moves, axis=1))
    # The lag of the mids behind the efficient prices takes a little off.
    assert 0.4 < found[0, 1] < 0.7
    assert min(found[0, 2], found[1, 2]) > 0.0 and max(found[0, 2], found[1, 2]) < 0.4
