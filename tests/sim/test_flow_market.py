"""The simulated market: own orders in it, and coupling of markets that differ by one of them."""

import dataclasses

import numpy as np
import pytest

from feeds.errors import InsufficientDataError
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
    REALISED_VAR_60S,
    SELL,
    TRADES_60S,
    VOLUME_60S,
    Market,
)

S = 1_000_000_000
EXAMPLE = FlowParams.example()


@pytest.fixture
def market():
    market = FlowMarket(EXAMPLE, 1_000_000, horizon_s=1800)
    market.reset(3)
    return market


def mids(market, seconds=600, every=1):
    """(n,) mid path of others, forward from now."""
    path, start = [], market.now_ns
    for i in range(1, seconds // every + 1):
        market.advance(start + i * every * S)
        view = market.view()
        path.append((view[BID_PX] + view[ASK_PX]) / 2)
    return np.array(path)


def test_it_is_a_market_and_the_same_seed_gives_the_same_one(market):
    assert isinstance(market, Market)
    first = mids(market)
    market.reset(4)
    other = mids(market)
    market.reset(3)
    np.testing.assert_array_equal(mids(market), first)
    assert (other != first).any()


def test_the_view_shows_a_two_sided_book_and_what_traded(market):
    market.advance(market.now_ns + 300 * S)
    view = market.view()
    assert 0 < view[BID_PX] < view[ASK_PX]
    assert view[BID_DEPTH_5] >= view[BID_SZ] > 0
    assert view[ASK_DEPTH_5] >= view[ASK_SZ] > 0
    assert view[VOLUME_60S] >= view[TRADES_60S] > 0
    assert view[REALISED_VAR_60S] > 0


def test_a_take_fills_at_displayed_prices_and_what_it_took_is_gone(market):
    before = market.view()
    wanted = int(before[ASK_SZ]) + 1
    assert market.take(BUY, wanted) == wanted
    fills = market.fills()
    assert fills[:, FILL_LOTS].sum() == wanted
    assert fills[0, FILL_PRICE] == before[ASK_PX]
    assert (np.diff(fills[:, FILL_PRICE]) >= 0).all()
    assert not fills[:, FILL_MAKER].any()
    assert market.view()[ASK_PX] > before[ASK_PX]
    assert market.fills().shape == (0, 4)


def test_more_than_is_displayed_is_not_filled_and_the_market_lives_on(market):
    filled = market.take(SELL, 10_000_000)
    assert 0 < filled < 10_000_000
    assert market.view()[BID_PX] == 0
    market.advance(market.now_ns + 60 * S)
    assert 0 < market.view()[BID_PX] < market.view()[ASK_PX]


def test_own_orders_wait_behind_what_is_displayed_and_do_not_show_in_the_view(market):
    before = market.view()
    price = int(before[BID_PX])
    assert market.place(BUY, price, 70) == 0
    assert market.place(BUY, price, 30) == 1
    assert market.own_orders()[:, OWN_LOTS].tolist() == [70, 30]
    assert market.own_orders()[:, OWN_AHEAD].tolist() == [before[BID_SZ]] * 2
    np.testing.assert_array_equal(market.view(), before)
    assert market.cancel(0, 20) == 20
    assert market.cancel(1) == 30
    assert market.cancel(1) == 0
    assert market.own_orders().tolist() == [[0, BUY, price, 50, int(before[BID_SZ])]]


def test_orders_that_would_trade_and_orders_of_nothing_are_refused(market):
    ask = int(market.view()[ASK_PX])
    assert market.place(BUY, ask, 10) == -1
    assert market.place(BUY, ask - 100, 0) == -1
    assert market.place(SELL, 0, 10) == -1
    assert market.own_orders().size == 0


def test_an_order_that_improves_the_touch_is_filled_first_and_every_lot_is_told_once(market):
    wide = FlowMarket(dataclasses.replace(EXAMPLE, increment_ticks=10, spread_ticks=60.0), 1_000_000, 1800)
    view, seed = wide.view(), 0
    while view[ASK_PX] - view[BID_PX] < 20:
        seed += 1
        wide.reset(seed)
        view = wide.view()
    price = int(view[ASK_PX]) - 10
    assert price > view[BID_PX]
    assert wide.place(BUY, price, 250) == 0
    assert wide.view()[BID_PX] == view[BID_PX]
    told = []
    for _ in range(60):
        wide.advance(wide.now_ns + 10 * S)
        told += wide.fills().tolist()
    left = sum(wide.own_orders()[:, OWN_LOTS])
    assert sum(fill[FILL_LOTS] for fill in told) == 250 - left > 0
    assert {(fill[FILL_PRICE], fill[FILL_MAKER]) for fill in told} == {(price, 1)}
    stamps = [fill[FILL_TS] for fill in told]
    assert stamps == sorted(stamps)


def test_a_take_against_own_orders_cancels_them_first(market):
    ask = int(market.view()[ASK_PX])
    market.place(SELL, ask, 40)
    displayed = int(market.view()[ASK_SZ])
    assert market.take(BUY, displayed) == displayed
    assert market.own_orders().size == 0
    assert not market.fills()[:, FILL_MAKER].any()


def test_it_cannot_be_advanced_beyond_its_horizon_and_a_past_moment_changes_nothing(market):
    market.advance(market.now_ns + 10 * S)
    now, view = market.now_ns, market.view()
    market.advance(now - S)
    assert market.now_ns == now
    np.testing.assert_array_equal(market.view(), view)
    with pytest.raises(InsufficientDataError, match="horizon"):
        market.advance(market.end_ns() + 1)


def test_an_order_placed_and_cancelled_at_once_leaves_no_trace(market):
    undisturbed = mids(market)
    market.reset(3)
    market.cancel(market.place(BUY, int(market.view()[BID_PX]), 500))
    np.testing.assert_array_equal(mids(market), undisturbed)


def test_a_small_take_moves_the_later_path_far_less_than_another_seed_does():
    market = FlowMarket(EXAMPLE, 1_000_000, horizon_s=1800)
    own, other = [], []
    for seed in range(12):
        market.reset(seed)
        base = mids(market, 900, every=5)
        market.reset(seed)
        market.take(BUY, 50)
        own.append(np.abs(mids(market, 900, every=5) - base).mean())
        market.reset(seed + 1_000)
        other.append(np.abs(mids(market, 900, every=5) - base).mean())
    assert np.mean(own) < 0.2 * np.mean(other)


def test_buying_leaves_the_price_higher_by_about_its_permanent_impact():
    market = FlowMarket(dataclasses.replace(EXAMPLE, impact_per_lot=1e-6), 1_000_000, horizon_s=1800)
    moved = []
    for seed in range(30):
        market.reset(seed)
        base = mids(market, 600, every=10)[30:].mean()
        market.reset(seed)
        lots = market.take(BUY, 500)
        moved.append((mids(market, 600, every=10)[30:].mean() / base - 1.0) / lots)
    assert 0.6e-6 < np.mean(moved) < 1.4e-6
