"""Starts of simulated markets: what is kept, what is left behind, and what is drawn anew."""

import dataclasses

import numpy as np
import pytest

from feeds.errors import InsufficientDataError
from sim.book_state import FREE, FREE_SLOTS, LEVELS
from sim.flow_market import FlowMarket
from sim.flow_params import FlowParams
from sim.hawkes_book_market import HawkesBookMarket
from sim.hawkes_book_params import HawkesBookParams
from sim.market import BID_PX, BUY
from sim.order_index import EMPTY, find

S = 1_000_000_000
MARKETS = {"flow": (FlowMarket, FlowParams.example()), "hawkes": (HawkesBookMarket, HawkesBookParams.example())}


@pytest.fixture(params=MARKETS)
def make(request):
    kind, params = MARKETS[request.param]
    return lambda **more: kind(params, 1_000_000.0, 120.0, 60, **more)


def book_of(market):
    return (market._state if isinstance(market, FlowMarket) else market._flow).book


def orders(book):
    """Side, price, lots, id of every displayed order in the order in which they trade; levels and index agree."""
    told = []
    for side in range(2):
        for at in range(int(book.counters[LEVELS + side])):
            slot, before, lots, n = int(book.level_head[side, at]), EMPTY, 0, 0
            while slot != EMPTY:
                order_id = int(book.order_id[slot])
                told.append((side, int(book.order_price[slot]), int(book.order_size[slot]), order_id))
                assert find(book.index_keys, book.index_slots, order_id) == slot
                assert book.order_previous[slot] == before
                lots, n = lots + told[-1][2], n + 1
                before, slot = slot, int(book.order_next[slot])
            assert (book.level_tail[side, at], book.level_size[side, at], book.level_orders[side, at]) == (
                before,
                lots,
                n,
            )
    free = book.free[: book.counters[FREE_SLOTS]]
    assert len(told) + free.size == book.free.size
    assert np.unique(free).size == free.size
    assert (book.order_state[free] == FREE).all()
    assert (book.index_slots != EMPTY).sum() == len(told)
    return told


def disturb(market, seed):
    rng = np.random.default_rng(seed)
    for _ in range(20):
        best = int(market.view()[BID_PX])
        market.place(BUY, best - 100 * int(rng.integers(3)), 40)
        market.take(int(rng.integers(2)), int(rng.integers(1, 400)))
        market.advance(min(market.end_ns(), market.now_ns + int(rng.integers(1, 8)) * S))


def path(market):
    views = []
    while market.now_ns + 10 * S <= market.end_ns():
        market.advance(market.now_ns + 10 * S)
        views.append(np.concatenate([market.view(), market.depths().ravel()]))
    return np.stack(views)


def test_nothing_of_the_episode_before_is_left(make):
    used, fresh = make(), make()
    fresh.reset(3)
    for seed in range(4):
        disturb(used, seed)
        used.reset(3)
        assert orders(book_of(used)) == orders(book_of(fresh))
        assert used.own_orders().size == used.fills().size == 0
        np.testing.assert_array_equal(used.view(), fresh.view())
    np.testing.assert_array_equal(path(used), path(fresh))
    assert orders(book_of(used)) == orders(book_of(fresh))


def test_episodes_from_one_start_share_its_book_and_nothing_after(make):
    market = make(starts=1)
    books, paths = [], []
    for seed in range(6):
        market.reset(seed)
        books.append(orders(book_of(market)))
        paths.append(path(market))
    assert all(book == books[0] for book in books)
    assert len({one.tobytes() for one in paths}) == 6
    assert len({one[0].tobytes() for one in paths}) == 6


def test_there_are_as_many_books_to_begin_with_as_asked_for(make):
    market = make(starts=4)
    seen = set()
    for seed in range(40):
        market.reset(seed)
        seen.add(tuple(orders(book_of(market))))
    assert len(seen) == 4


def test_an_hour_from_kept_starts_has_the_rates_of_an_hour_that_nobody_interrupts():
    params = dataclasses.replace(FlowParams.example(), activity_sd=0.0)
    whole, pieces = FlowMarket(params, 1_000_000.0, 3_600.0), FlowMarket(params, 1_000_000.0, 60.0)
    arrivals = {"whole": 0, "pieces": 0}
    depth = {"whole": [], "pieces": []}

    def watch(market, name):
        before = int(market._state.counts[3])
        while market.now_ns < market.end_ns():
            market.advance(market.now_ns + 20 * S)
            depth[name].append(market.depths()[:, 4].sum())
        arrivals[name] += int(market._state.counts[3]) - before

    watch(whole, "whole")
    for seed in range(60):
        pieces.reset(seed)
        watch(pieces, "pieces")
    expected = 3_600 * (2 * sum(params.limit_rate) + params.market_rate)
    for count in arrivals.values():
        assert abs(count - expected) < 4 * expected**0.5
    assert np.mean(depth["pieces"]) == pytest.approx(np.mean(depth["whole"]), rel=0.1)


def test_a_market_needs_a_start(make):
    with pytest.raises(InsufficientDataError, match="starts"):
        make(starts=0)
