"""The plant of the demo market: what is planned is what is stated, and nothing else."""

import itertools
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.errors import StudyError
from sim.demo_config import DEMO_DATES, DemoConfig, NewsPlant, RegimePlant, SignalPlant
from sim.demo_headlines import MOODS, draw_headlines
from sim.demo_paths import CRASH, NEWS, SIGNAL, drift_bps, plan_market, regimes
from sim.demo_truth import GRID_S, TRUTH, truth_of
from tests.support.demo_markets import DATES, quiet_market, small_market

CONFIG = DemoConfig()
NO_SIGNAL = SignalPlant(weak_bps_per_min=0.0)
NO_NEWS = NewsPlant(least=0, most=0)


def steps_bps(plan):
    return np.diff(plan.efficient, axis=1) * 1e4


def test_the_shipped_dates_are_trading_days():
    assert all(start < end for start, end in map(CONFIG.bounds_ns, DEMO_DATES))


def test_the_same_seed_plans_the_same_market_and_another_seed_another():
    first, again, other = (plan_market(replace(small_market(), seed=seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(a.efficient, b.efficient) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0].efficient, other[0].efficient)
    assert first[0].headlines == again[0].headlines != other[0].headlines


@pytest.mark.parametrize("change", [{"seed": 5}, {"horizon_s": 60}, {"news": NewsPlant(drift_bps=1.0)}])
def test_every_setting_changes_the_digest(change):
    assert replace(CONFIG, **change).digest() != CONFIG.digest() == DemoConfig().digest()


def test_a_day_without_a_session_is_refused():
    with pytest.raises(StudyError, match="2026-03-08; expected a trading day"):
        small_market(dates=("2026-03-08",))


def test_a_correlation_matrix_of_another_size_is_refused():
    with pytest.raises(StudyError, match="square correlation matrix"):
        small_market(correlation=((1.0, 0.5), (0.5, 1.0)))


def test_sessions_follow_the_change_of_the_american_clocks():
    opens = [plan.open_ns // 10**9 % 86_400 for plan in plan_market(small_market())]
    assert opens == [14.5 * 3600, 13.5 * 3600]


def test_a_day_opens_where_the_day_before_closed_but_for_the_night():
    first, second = plan_market(quiet_market(dates=DATES))
    close = first.open_price_usd * np.exp(first.efficient[:, -1])
    assert np.allclose(second.open_price_usd, close)
    loud = plan_market(quiet_market(dates=DATES, overnight_bps=40.0))
    assert not np.allclose(loud[1].open_price_usd, close)


def test_the_random_part_has_the_stated_correlation():
    plans = plan_market(replace(CONFIG, news=NO_NEWS, signals=NO_SIGNAL, crash=None))
    found = np.corrcoef(np.concatenate([steps_bps(plan) for plan in plans], axis=1))
    assert np.abs(found - np.asarray(CONFIG.correlation)).max() < 0.01


def test_turbulence_multiplies_volatility_and_activity_as_stated():
    plans = plan_market(replace(CONFIG, news=NO_NEWS, signals=NO_SIGNAL, crash=None))
    turbulent = np.concatenate([plan.turbulent for plan in plans])
    for place, instrument in enumerate(CONFIG.instruments):
        moves = np.concatenate([steps_bps(plan)[place] for plan in plans])
        assert moves[~turbulent].std() * 60**0.5 == pytest.approx(instrument.volatility_bps, rel=0.02)
        assert moves[turbulent].std() / moves[~turbulent].std() == pytest.approx(2.5, rel=0.02)
    plan = next(plan for plan in plans if plan.turbulent.any() and not plan.turbulent.all())
    turn = int(np.flatnonzero(np.diff(plan.turbulent.astype(int)))[0])
    before, after = plan.activity[0, turn], plan.activity[0, turn + 1]
    assert max(before, after) / min(before, after) == pytest.approx(2.0, rel=1e-3)


def test_stays_have_the_stated_mean_and_remember_how_long_they_have_lasted():
    turbulent = regimes(CONFIG, 20_000_000, np.random.default_rng(3))
    turns = np.flatnonzero(np.diff(turbulent.astype(int))) + 1
    stays, state = np.diff(turns) / 60, turbulent[turns[:-1]]
    for kind, mean in ((False, CONFIG.regimes.calm_min), (True, CONFIG.regimes.turbulent_min)):
        assert stays[state == kind].mean() == pytest.approx(mean, rel=0.05)
        # A Markov chain's stays have a coefficient of variation of 1.
        assert stays[state == kind].std() / stays[state == kind].mean() == pytest.approx(0.5, abs=0.05)


def test_a_headline_drifts_the_stated_amount_and_a_neutral_one_nothing():
    config = quiet_market(signals=NO_SIGNAL, crash=None)
    totals = {-1: [], 0: [], 1: []}
    for plan in plan_market(config):
        for line in plan.headlines:
            after = min(line.second + config.news.drift_s, plan.seconds)
            path = plan.efficient[line.instrument] * 1e4
            totals[line.mood].append(path[after] - path[line.second])
            assert path[line.second] == pytest.approx(path[max(line.second - 200, 0)]), "nothing moves before it"
    for mood, found in totals.items():
        assert len(found) > 5
        assert found == pytest.approx([mood * config.news.drift_bps] * len(found), abs=1e-6)


def test_only_the_weak_signal_moves_prices_not_the_placebo():
    config = quiet_market(news=NO_NEWS, crash=None, dates=DATES)
    for plan in plan_market(config):
        pace = np.repeat(plan.signals[:, :, 0], config.signals.slot_s, axis=0)[: plan.seconds].T
        assert steps_bps(plan) == pytest.approx(pace * config.signals.weak_bps_per_min / 60)


def test_the_crash_falls_and_recovers_once_on_its_day_only():
    config = quiet_market(news=NO_NEWS, signals=NO_SIGNAL)
    crash = config.crash
    for plan in plan_market(config):
        lowest = plan.efficient.min(axis=1) * 1e4
        struck = [i.ticker == crash.ticker and plan.date == crash.date for i in config.instruments]
        assert lowest == pytest.approx(np.where(struck, -crash.fall_bps, 0.0), abs=1e-6)
        left = -crash.fall_bps * (1 - crash.recovery_share)
        assert plan.efficient[:, -1] * 1e4 == pytest.approx(np.where(struck, left, 0.0), abs=1e-6)


@given(seed=st.integers(0, 10**6), seconds=st.integers(600, 23_400), least=st.integers(0, 3), more=st.integers(0, 3))
@settings(max_examples=80, deadline=None)
def test_headlines_keep_their_distance_and_stay_inside_the_session(seed, seconds, least, more):
    config = replace(CONFIG, news=NewsPlant(least=least, most=least + more))
    margin = min(config.news.margin_s, seconds // 4)
    lines = draw_headlines(config, seconds, np.random.default_rng(seed))
    for place, instrument in enumerate(config.instruments):
        own = [line for line in lines if line.instrument == place]
        moments = [line.second for line in own]
        assert len(own) <= least + more and (seconds < 23_400 or len(own) >= least)
        assert all(margin <= second < seconds - margin for second in moments)
        assert all(b - a >= config.news.gap_s for a, b in itertools.pairwise(moments))
        assert all(instrument.company in line.text and line.mood in MOODS for line in own)


def test_the_truth_is_what_the_paths_hold():
    config = quiet_market(dates=DATES, crash=None)
    plan = plan_market(config)[0]
    truth = truth_of(config, plan)
    assert dict(truth.schema) == TRUTH
    assert truth.height == plan.seconds // GRID_S * 3
    starts = {
        (piece.instrument, second) for piece in plan.drifts for second in range(piece.start_s - 310, piece.start_s)
    }
    for place, instrument in enumerate(config.instruments):
        rows = truth.filter(pl.col("symbol") == instrument.symbol)
        seconds = (rows["ts"].to_numpy() - plan.open_ns) // 10**9
        # Where no new piece begins within the horizon, everything that will move the price is public.
        known = np.array([(place, int(s)) not in starts and s < plan.seconds - 310 for s in seconds])
        entry = seconds[known] + GRID_S
        path = plan.efficient[place] * 1e4
        assert known.sum() > 500
        assert rows["expected_bps"].to_numpy()[known] == pytest.approx(path[entry + 300] - path[entry], abs=1e-6)
        assert rows["correlation"][0].to_list() == list(config.correlation[place])
        news = drift_bps(plan, NEWS, 3)[place] * 60
        assert rows["news_bps_per_min"].to_numpy() == pytest.approx(news[np.minimum(seconds, plan.seconds - 1)])


def test_the_truth_expects_nothing_of_headlines_that_are_not_out():
    config = quiet_market(dates=DATES[:1], crash=None)
    plan = plan_market(config)[0]
    cut = plan.seconds // 2
    public = replace(plan, drifts=tuple(piece for piece in plan.drifts if piece.start_s <= cut))
    assert len(public.drifts) < len(plan.drifts)
    known = pl.col("ts") <= plan.open_ns + cut * 10**9
    columns = ["ts", "symbol", "expected_bps"]
    whole, blind = (truth_of(config, which).filter(known).select(columns) for which in (plan, public))
    assert whole.equals(blind)
    assert whole["expected_bps"].abs().max() > 0


def test_the_truth_marks_the_crash_and_announces_none_of_it():
    config = small_market()
    crash, plan = config.crash, plan_market(config)[1]
    truth = truth_of(config, plan)
    marked = truth.filter(pl.col("anomaly"))["ts"].to_numpy() - plan.open_ns
    assert (marked.min(), marked.max()) == (crash.start_s * 10**9, crash.end_s * 10**9)
    assert not truth_of(config, plan_market(config)[0])["anomaly"].any()
    quiet = quiet_market(news=NO_NEWS, signals=NO_SIGNAL, dates=(CONFIG.crash.date,), crash=CONFIG.crash)
    struck = plan_market(quiet)[0]
    assert {piece.cause for piece in struck.drifts if piece.bps_per_s} == {CRASH}
    assert {piece.cause for piece in struck.drifts} == {CRASH, SIGNAL}
    assert truth_of(quiet, struck)["expected_bps"].abs().max() == 0


def test_a_market_of_one_regime_stays_in_it():
    calm = replace(CONFIG, regimes=RegimePlant(calm_min=1e9))
    assert not regimes(calm, 23_400, np.random.default_rng(0)).any()
