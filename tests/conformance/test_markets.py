"""The battery every market passes: what sim/market.py promises to a task of execution."""

import numpy as np
import pytest

from feeds.errors import InsufficientDataError
from feeds.instruments import InstrumentSpec
from sim.flow import simulate_flow
from sim.flow_market import FlowMarket
from sim.flow_params import FlowParams
from sim.market import (
    ASK_DEPTH_5,
    ASK_PX,
    ASK_SZ,
    BID_DEPTH_5,
    BID_PX,
    BID_SZ,
    BUY,
    FILL_LOTS,
    FILL_MAKER,
    FILL_PRICE,
    FILL_TS,
    OWN_AHEAD,
    OWN_LOTS,
    OWN_NUMBER,
    OWN_PRICE,
    REALISED_VAR_60S,
    SELL,
    SIGNED_VOLUME_60S,
    TRADES_60S,
    VIEW,
    VOLUME_60S,
    Market,
)
from sim.replay_market import ReplayMarket
from tests.support.tapes import SPEC, fifo_tape, lobster_tape, span

S = 1_000_000_000
#: Time an episode of this battery needs.
EPISODE_NS = 30 * S
FLOW = FlowParams.example()


def replay_of_a_venue(_):
    tape = fifo_tape(3)
    return ReplayMarket(tape, SPEC, span(tape), EPISODE_NS)


def replay_of_a_file_of_best_levels(folder):
    tape, spec = lobster_tape(folder, messages=6_000)
    return ReplayMarket(tape, spec, span(tape), 600 * S)


def replay_of_a_simulated_flow(_):
    start = 1_772_463_600 * S
    tape = simulate_flow(FLOW, start, start + 300 * S, seed=4, start_mid_ticks=1_000_000)
    spec = InstrumentSpec(id="FLOW.SIM", tick_size=1e-4, lot_size=1, quote_increment_ticks=FLOW.increment_ticks)
    return ReplayMarket(tape, spec, span(tape, 200), EPISODE_NS)


def simulated_flow(_):
    return FlowMarket(FLOW, start_mid_ticks=1_000_000, horizon_s=EPISODE_NS / S)


MAKERS = (replay_of_a_venue, replay_of_a_file_of_best_levels, replay_of_a_simulated_flow, simulated_flow)
SEEDS = range(6)


@pytest.fixture(scope="module", params=MAKERS, ids=lambda make: make.__name__)
def market(request, tmp_path_factory):
    return request.param(tmp_path_factory.mktemp("market"))


def step_ns(market):
    return (market.end_ns() - market.now_ns) // 20


def act(market, rng, steps=25):
    """Random instructions; yields what is seen after each."""
    for _ in range(steps):
        side, draw, view = int(rng.integers(2)), rng.random(), market.view()
        best = view[BID_PX] if side == BUY else view[ASK_PX]
        if draw < 0.4 and best > 0:
            market.place(side, int(best) + int(rng.integers(-1, 2)) * market.increment_ticks, int(rng.integers(1, 50)))
        elif draw < 0.5:
            market.take(side, int(rng.integers(1, 100)))
        elif draw < 0.6 and len(market.own_orders()):
            market.cancel(int(market.own_orders()[0, OWN_NUMBER]))
        elif market.now_ns + EPISODE_NS // 30 < market.end_ns():
            market.advance(market.now_ns + int(rng.integers(1, EPISODE_NS // 30)))
        yield market.now_ns, market.view(), market.own_orders(), market.fills()


def same(one, other):
    for mine, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_it_is_a_market(market):
    assert isinstance(market, Market)
    assert market.increment_ticks >= 1


@pytest.mark.parametrize("seed", SEEDS)
def test_a_reset_leaves_a_two_sided_book_no_orders_and_no_fills(market, seed):
    market.reset(seed)
    market.place(BUY, int(market.view()[BID_PX]), 5)
    market.take(SELL, 5)
    market.reset(seed)
    assert market.fills().shape == (0, 4)
    assert market.own_orders().shape == (0, 5)
    view = market.view()
    assert 0 < view[BID_PX] < view[ASK_PX]
    assert market.end_ns() > market.now_ns


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_seed_gives_the_same_market_whatever_happened_before(market, seed):
    runs = []
    for before in (1, 2):
        market.reset(99 + before)
        list(act(market, np.random.default_rng(before)))
        market.reset(seed)
        runs.append(list(act(market, np.random.default_rng(seed))))
    for one, other in zip(*runs, strict=True):
        same(one, other)


def test_other_seeds_give_other_markets(market):
    seen = set()
    for seed in range(12):
        market.reset(seed)
        market.advance(market.now_ns + step_ns(market))
        seen.add((market.now_ns, *market.view().tolist()))
    assert len(seen) > 6


@pytest.mark.parametrize("seed", SEEDS)
def test_the_view_makes_sense_at_any_time(market, seed):
    market.reset(seed)
    for _, view, _, _ in act(market, np.random.default_rng(seed), steps=60):
        assert view.shape == (VIEW,)
        assert view.dtype == np.float64
        assert np.isfinite(view).all()
        for px, sz, depth in ((BID_PX, BID_SZ, BID_DEPTH_5), (ASK_PX, ASK_SZ, ASK_DEPTH_5)):
            assert (view[px] > 0) == (view[sz] > 0)
            assert view[depth] >= view[sz] >= 0
        assert view[ASK_PX] == 0 or view[BID_PX] < view[ASK_PX]
        assert abs(view[SIGNED_VOLUME_60S]) <= view[VOLUME_60S]
        assert view[TRADES_60S] <= view[VOLUME_60S]
        assert view[REALISED_VAR_60S] >= 0


@pytest.mark.parametrize("seed", SEEDS)
def test_looking_changes_nothing(market, seed):
    runs = []
    for looks in (1, 3):
        market.reset(seed)
        seen = []
        for step in act(market, np.random.default_rng(seed)):
            for _ in range(looks - 1):
                market.view(), market.own_orders()
            seen.append(step)
        runs.append(seen)
    for one, other in zip(*runs, strict=True):
        same(one, other)


@pytest.mark.parametrize("seed", SEEDS)
def test_running_in_small_steps_equals_running_at_once(market, seed):
    seen = []
    for pieces in (1, 7):
        market.reset(seed)
        market.place(BUY, int(market.view()[BID_PX]), 20)
        start, span_ns = market.now_ns, step_ns(market) * 10
        for piece in range(1, pieces + 1):
            market.advance(start + span_ns * piece // pieces)
        seen.append((market.view(), market.own_orders(), market.fills()))
    same(*seen)


def test_a_past_moment_changes_nothing_and_the_time_after_the_end_is_refused(market):
    market.reset(0)
    market.advance(market.now_ns + step_ns(market))
    before = market.now_ns, market.view()
    market.advance(market.now_ns - S)
    same(before, (market.now_ns, market.view()))
    market.advance(market.end_ns())
    assert market.now_ns == market.end_ns()
    with pytest.raises(InsufficientDataError, match="at most"):
        market.advance(market.end_ns() + 1)


@pytest.mark.parametrize("side", [BUY, SELL])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_take_fills_displayed_lots_at_displayed_prices_or_worse(market, seed, side):
    market.reset(seed)
    before = market.view()
    px, sz, sign = (ASK_PX, ASK_SZ, 1) if side == BUY else (BID_PX, BID_SZ, -1)
    wanted = int(before[sz]) + 3
    filled = market.take(side, wanted)
    fills = market.fills()
    assert fills[:, FILL_LOTS].sum() == filled <= wanted
    assert filled >= before[sz]
    assert fills[0, FILL_PRICE] == before[px]
    assert fills[fills[:, FILL_PRICE] == before[px], FILL_LOTS].sum() == before[sz]
    assert (sign * np.diff(fills[:, FILL_PRICE]) >= 0).all()
    assert (fills[:, FILL_MAKER] == 0).all()
    assert (fills[:, FILL_TS] == market.now_ns).all()
    after = market.view()
    assert after[px] == 0 or sign * (after[px] - before[px]) > 0


@pytest.mark.parametrize("side", [BUY, SELL])
def test_a_take_of_more_than_everything_leaves_nothing_to_take(market, side):
    market.reset(1)
    first = market.take(side, 10**12)
    assert 0 < first < 10**12
    assert market.take(side, 1) == 0
    assert market.fills()[:, FILL_LOTS].sum() == first
    px = ASK_PX if side == BUY else BID_PX
    assert market.view()[px] == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_rests_that_would_trade_and_joining_the_best_stands_behind_all_of_it(market, seed):
    market.reset(seed)
    view = market.view()
    assert market.place(BUY, int(view[ASK_PX]), 1) == -1
    assert market.place(SELL, int(view[BID_PX]), 1) == -1
    assert market.place(BUY, 0, 1) == market.place(BUY, int(view[BID_PX]), 0) == -1
    for number, (side, px, sz) in enumerate(((BUY, BID_PX, BID_SZ), (SELL, ASK_PX, ASK_SZ))):
        assert market.place(side, int(view[px]), 7) == number
        assert market.own_orders()[-1].tolist() == [number, side, int(view[px]), 7, int(view[sz])]
    assert market.fills().shape == (0, 4)
    np.testing.assert_array_equal(market.view(), view)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_order_inside_the_spread_has_nobody_ahead_and_is_not_in_the_view(market, seed):
    market.reset(seed)
    for _ in range(20):
        view = market.view()
        inside = int(view[BID_PX]) + market.increment_ticks
        if inside < view[ASK_PX]:
            market.place(BUY, inside, 9)
            assert market.own_orders()[0, OWN_AHEAD] == 0
            np.testing.assert_array_equal(market.view(), view)
            return
        market.advance(market.now_ns + step_ns(market) // 2)


def test_lots_are_cancelled_once(market):
    market.reset(2)
    number = market.place(SELL, int(market.view()[ASK_PX]), 10)
    assert market.cancel(number, 4) == 4
    assert market.own_orders()[0, OWN_LOTS] == 6
    assert market.cancel(number, 50) == 6
    assert market.cancel(number) == market.cancel(12_345) == 0
    assert market.own_orders().shape == (0, 5)


@pytest.mark.parametrize("seed", range(20))
def test_placed_lots_are_resting_filled_or_cancelled(market, seed):
    """Conservation, and every passive fill at the price of an order that rested."""
    market.reset(seed)
    rng = np.random.default_rng(seed)
    placed, taken, cancelled, prices, told = 0, 0, 0, {}, []
    while market.now_ns + step_ns(market) < market.end_ns() and len(prices) < 30:
        side, view = int(rng.integers(2)), market.view()
        best = int(view[BID_PX] if side == BUY else view[ASK_PX])
        lots = int(rng.integers(1, 40))
        price = best - int(rng.integers(0, 2)) * market.increment_ticks * (1 if side == BUY else -1)
        number = market.place(side, price, lots) if best else -1
        if number >= 0:
            placed += lots
            prices[number] = price
        if rng.random() < 0.2:
            mine = market.own_orders()
            # Own orders opposite would be in the way of a take; markets may differ in what becomes of them.
            cancelled += sum(market.cancel(int(order[OWN_NUMBER])) for order in mine)
            taken += market.take(side, lots)
        market.advance(market.now_ns + max(1, (market.end_ns() - market.now_ns) // 30))
        told.append(market.fills())
    fills = np.concatenate(told)
    made = fills[fills[:, FILL_MAKER] == 1]
    assert made[:, FILL_LOTS].sum() + cancelled + market.own_orders()[:, OWN_LOTS].sum() == placed
    assert fills[fills[:, FILL_MAKER] == 0, FILL_LOTS].sum() == taken
    assert set(made[:, FILL_PRICE].tolist()) <= set(prices.values())
    assert (np.diff(fills[:, FILL_TS]) >= 0).all()
    assert (fills[:, FILL_LOTS] > 0).all()


def test_orders_at_the_best_price_do_fill(market):
    filled = 0
    for seed in range(10):
        market.reset(seed)
        for side, px in ((BUY, BID_PX), (SELL, ASK_PX)):
            market.place(side, int(market.view()[px]), 5)
        market.advance(market.end_ns())
        filled += market.fills()[:, FILL_LOTS].sum()
    assert filled > 20


@pytest.mark.parametrize("seed", SEEDS)
def test_the_queue_ahead_of_a_resting_order_never_grows(market, seed):
    market.reset(seed)
    market.place(BUY, int(market.view()[BID_PX]), 5)
    ahead = market.own_orders()[0, OWN_AHEAD]
    for _ in range(18):
        market.advance(market.now_ns + step_ns(market) // 2)
        mine = market.own_orders()
        if not len(mine):
            return
        assert mine[0, OWN_AHEAD] <= ahead
        ahead = mine[0, OWN_AHEAD]


@pytest.mark.parametrize("seed", SEEDS)
def test_own_orders_fill_by_price_then_age(market, seed):
    market.reset(seed)
    best, step = int(market.view()[BID_PX]), market.increment_ticks
    numbers = [market.place(BUY, price, 3) for price in (best - step, best, best)]
    rank = {numbers[1]: 0, numbers[2]: 1, numbers[0]: 2}
    gone = []
    for _ in range(40):
        if market.now_ns + step_ns(market) > market.end_ns():
            break
        market.advance(market.now_ns + max(1, step_ns(market) // 4))
        lots = {int(order[OWN_NUMBER]): int(order[OWN_LOTS]) for order in market.own_orders()}
        left = [lots.get(number, 0) for number in sorted(rank, key=rank.get)]
        gone.append([3 - lots_left for lots_left in left])
        # Whoever is further back has lots only where everyone before is done.
        for front, back in zip(gone[-1], gone[-1][1:], strict=False):
            assert back == 0 or front == 3
    assert all(order[OWN_PRICE] <= best for order in market.own_orders())
