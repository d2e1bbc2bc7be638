"""A market of linear impact alone: environments in it must reduce to the closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.errors import InsufficientDataError, StudyError
from sim.closed_forms import obizhaeva_wang_costs, obizhaeva_wang_trades
from sim.execution_env import ExecutionEnv
from sim.execution_task import ExecutionTask
from sim.impact_market import LinearImpactMarket
from sim.impact_models import Decay, Propagator
from sim.market import (
    ASK_DEPTH_5,
    ASK_PX,
    ASK_SZ,
    BID_DEPTH_5,
    BID_PX,
    BID_SZ,
    BUY,
    FILL_LOTS,
    FILL_PRICE,
    REALISED_VAR_60S,
    SELL,
    VIEW,
    Market,
)

S = 1_000_000_000
MIXED = Propagator(5.0, 0.02, 0.05, (Decay(0.1, 0.2), Decay(0.03, 0.01)))
#: One second stands for a day, one tick for 1e-4 dollars: the example of Almgren and Chriss.
TICK = 1e-4
DAYS = Propagator.almgren_chriss(625.0, 2.5e-7 / TICK, 2.5e-6 / TICK, 1.0)
MILLION = ExecutionTask(horizon_ns=5 * S, decisions=5, parent_lots=1_000_000)
#: Of its table: shares sold at each decision at lambda 1e-6.
URGENT = (458_044, 252_102, 141_956, 85_756, 62_142)


def market(model=MIXED, **changes):
    chosen = {"start_mid_ticks": 100_000, "volatility_ticks": 10.0, "horizon_s": 120.0} | changes
    return LinearImpactMarket(model, **chosen)


def shortfalls(env, schedule, side, seeds):
    """Costs of a schedule in ticks times lots, an episode a seed; what is left after it goes at the horizon."""
    costs = []
    for seed in seeds:
        _, info = env.reset(seed=seed, options={"side": side})
        unit, ended, k = info["arrival_mid_ticks"] * env.task.parent_lots / 1e4, False, 0
        while not ended:
            _, _, ended, _, info = env.execute((schedule[k], 0, 0))
            k += 1
        assert info["completion"] == 1.0
        costs.append(info["is_bps"] * unit)
    return np.array(costs)


@pytest.mark.parametrize("side", [BUY, SELL])
@pytest.mark.parametrize(
    ("schedule", "mean", "deviation"), [((200_000,) * 5, 662_500, 1_040_673), (URGENT, 911_227, 603_431)]
)
def test_the_environment_reduces_to_almgren_and_chriss(side, schedule, mean, deviation):
    prices = LinearImpactMarket(DAYS, start_mid_ticks=50 / TICK, volatility_ticks=0.95 / TICK, horizon_s=5.0)
    costs = shortfalls(ExecutionEnv(prices, MILLION), schedule, side, range(1_000)) * TICK
    assert costs.mean() == pytest.approx(mean, abs=4 * deviation / len(costs) ** 0.5)
    assert costs.std() == pytest.approx(deviation, rel=4 / (2 * len(costs)) ** 0.5)


def test_without_chance_the_cost_is_that_of_the_paper_to_the_dollar():
    prices = LinearImpactMarket(DAYS, start_mid_ticks=50 / TICK, volatility_ticks=0.0, horizon_s=5.0)
    env = ExecutionEnv(prices, MILLION)
    assert shortfalls(env, URGENT, SELL, [1])[0] * TICK == pytest.approx(911_227, abs=1)
    assert shortfalls(env, (200_000,) * 5, SELL, [1])[0] * TICK == pytest.approx(662_500, abs=1)
    assert shortfalls(env, (1_000_000,), SELL, [1])[0] * TICK == pytest.approx(2_562_500, abs=1)


def test_the_environment_reduces_to_obizhaeva_and_wang():
    lots, depth = 100_000, 50.0
    model = Propagator.obizhaeva_wang(depth, resilience_per_s=0.2, half_spread=1.0)
    prices = market(model, volatility_ticks=0.0, horizon_s=10.0)
    env = ExecutionEnv(prices, ExecutionTask(10 * S, 10, lots))  # ten decisions, and the horizon
    best = np.round(obizhaeva_wang_trades(11, 2.0) * lots).astype(int).tolist()
    unit = lots**2 / depth
    cost = shortfalls(env, best, BUY, [0])[0] - lots
    flat = shortfalls(env, [lots // 11] * 10, BUY, [0])[0] - lots
    assert cost / unit == pytest.approx(0.250416, abs=2e-6)
    assert flat / cost == pytest.approx(1.09, abs=5e-5)
    assert cost / unit >= obizhaeva_wang_costs(2.0)[0]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(-5_000, 5_000)), min_size=1, max_size=12),
    st.sampled_from([MIXED, Propagator(1.0), Propagator(1.0, permanent_ticks_per_lot=0.5)]),
)
def test_no_round_trip_earns(trades, model):
    prices = market(model, volatility_ticks=0.0, start_mid_ticks=1_000_000)
    done, paid, told = 0, 0, 0
    for wait, lots in [*trades, (0, -sum(lots for _, lots in trades))]:
        prices.advance(prices.now_ns + wait * S)
        got = prices.take(BUY if lots > 0 else SELL, abs(lots))
        assert got == abs(lots)
        sign = 1 if lots > 0 else -1
        for fill in prices.fills():
            done += sign * fill[FILL_LOTS]
            paid += sign * fill[FILL_LOTS] * fill[FILL_PRICE]
            told += 1
    assert done == 0
    # Each take is told to half a tick in all.
    assert paid >= -0.5 * max(told, 1)


def test_it_is_a_market_of_the_protocol_where_nothing_rests():
    prices = market()
    assert isinstance(prices, Market)
    view = prices.view()
    assert prices.place(BUY, int(view[BID_PX]), 5) == -1
    assert prices.cancel(0) == 0
    assert prices.own_orders().shape == (0, 5)
    assert prices.fills().shape == (0, 4)
    assert view.shape == (VIEW,)
    assert view[BID_PX] == 99_995
    assert view[ASK_PX] == 100_005
    assert view[BID_SZ] == view[ASK_SZ] == round(1 / (2 * 0.02 + 0.18))
    assert view[ASK_DEPTH_5] == view[BID_DEPTH_5] == 5 * view[ASK_SZ]


def test_running_in_small_steps_equals_running_at_once_and_looking_changes_nothing():
    seen = []
    for pieces in (1, 7):
        prices = market()
        prices.reset(3)
        prices.take(BUY, 100)
        start = prices.now_ns
        for piece in range(1, pieces + 1):
            prices.advance(start + 50 * S * piece // pieces)
            prices.view()
        prices.take(SELL, 30)
        seen.append((prices.view(), prices.fills()))
    for one, other in zip(*seen, strict=True):
        np.testing.assert_array_equal(one, other)


def test_takes_move_the_price_by_the_kernel_and_never_the_path_without_us():
    quiet, acted = market(), market()
    for each in (quiet, acted):
        each.reset(11)
    start = acted.now_ns
    acted.take(BUY, 1_000)
    for after in (0, 1, 7, 60, 120):
        for each in (quiet, acted):
            each.advance(start + after * S)
        assert acted.price_without_us() == quiet.mid_ticks()
        assert acted.mid_ticks() - quiet.mid_ticks() == pytest.approx(1_000 * MIXED.kernel(np.float64(after)))
    quiet.reset(12)
    quiet.advance(quiet.end_ns())
    assert quiet.mid_ticks() != acted.price_without_us()
    acted.reset(12)
    assert acted.fills().shape == (0, 4)
    acted.advance(acted.end_ns())
    assert acted.mid_ticks() == quiet.mid_ticks()


@pytest.mark.parametrize("side", [BUY, SELL])
def test_fills_are_at_displayed_prices_or_worse_and_add_up_to_the_average(side):
    prices = market()
    prices.reset(5)
    prices.advance(prices.now_ns + 9 * S)
    before, mid, sign = prices.view(), prices.mid_ticks(), 1 if side == BUY else -1
    assert prices.take(side, 777) == 777
    fills = prices.fills()
    assert (sign * fills[:, FILL_PRICE] >= sign * before[ASK_PX if side == BUY else BID_PX]).all()
    assert (sign * np.diff(fills[:, FILL_PRICE]) > 0).all()
    paid = mid * 777 + sign * (5.0 * 777 + 0.5 * MIXED.walked_ticks_per_lot * 777**2)
    assert fills[:, FILL_PRICE] @ fills[:, FILL_LOTS] == pytest.approx(paid, abs=0.5001)


def test_the_bids_end_above_nothing():
    prices = market(start_mid_ticks=1_000, volatility_ticks=0.0)
    sold = prices.take(SELL, 10**9)
    assert sold == int((1_000 - 5 - 1) / MIXED.walked_ticks_per_lot)
    assert (prices.fills()[:, FILL_PRICE] > 0).all()
    # The instant part is back at once, so that there is a little more each time, until there is nothing.
    more = [prices.take(SELL, 10**9) for _ in range(40)]
    assert more[0] < sold / 4
    assert more[-1] == 0
    assert prices.take(SELL, 1) == 0
    assert prices.view()[ASK_PX] > 0


def test_the_variance_of_the_view_is_that_of_the_price_without_us():
    prices = market(start_mid_ticks=1_000_000, horizon_s=40_000.0, volatility_ticks=50.0)
    seen = []
    for minute in range(1, 600):
        prices.advance(prices.end_ns() - 40_000 * S + minute * 60 * S)
        prices.take(BUY, 1_000)
        prices.take(SELL, 1_000)
        seen.append(prices.view()[REALISED_VAR_60S] * prices.price_without_us() ** 2)
    assert np.mean(seen) == pytest.approx(60 * 50.0**2, rel=0.05)


def test_the_time_after_the_end_is_refused():
    prices = market()
    prices.advance(prices.now_ns - 5)
    prices.advance(prices.end_ns())
    assert prices.now_ns == prices.end_ns()
    with pytest.raises(InsufficientDataError, match="at most"):
        prices.advance(prices.end_ns() + 1)


@pytest.mark.parametrize(
    "changes",
    [{"start_mid_ticks": 0}, {"volatility_ticks": -1.0}, {"step_s": 0.0}, {"step_s": 500.0}, {"increment_ticks": 6}],
)
def test_settings_without_sense_are_refused(changes):
    with pytest.raises(StudyError, match="linear impact market"):
        market(**changes)
