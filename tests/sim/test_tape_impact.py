"""Impact laid over a replay: what a take pays, what later ones pay, and what is measured on a tape."""

import numpy as np
import pytest

from feeds.errors import InsufficientDataError, StudyError
from sim.impact_models import Decay, Propagator
from sim.market import ASK_PX, ASK_SZ, BID_PX, BUY, FILL_LOTS, FILL_PRICE, OWN_AHEAD, SELL
from sim.replay_market import ReplayMarket
from sim.tape_impact import fit_impact, market_orders
from sim.tape_orders import prepare_tape
from tests.support.raw_events import MS, START_NS, order
from tests.support.tapes import SPEC, book_tape, fifo_tape, span

S = 1_000_000_000


@pytest.fixture(scope="module")
def ready():
    tape = fifo_tape(3, events=3_000)
    return prepare_tape(tape), span(tape)


def market_with(ready, impact, seed=0):
    tape, bounds = ready
    market = ReplayMarket(tape, SPEC, bounds, episode_ns=10 * S, refill_half_life_s=1e-6, impact=impact)
    market.reset(seed)
    return market


def test_a_take_alone_pays_its_walk_and_nothing_more(ready):
    strong = Propagator(permanent_ticks_per_lot=0.7, decays=(Decay(0.5, 0.1),))
    for seed in range(5):
        fills = []
        for impact in (None, strong):
            market = market_with(ready, impact, seed)
            market.take(BUY, 30)
            fills.append(market.fills())
        np.testing.assert_array_equal(*fills)


def test_a_later_take_pays_the_shift_exactly_in_the_mean(ready):
    model = Propagator(permanent_ticks_per_lot=0.03, decays=(Decay(0.08, 0.5),))
    for side, sign, px in ((BUY, 1, ASK_PX), (SELL, -1, BID_PX)):
        moves = []
        for seed in range(250):
            prices = []
            for impact in (None, model):
                market = market_with(ready, impact)
                market.reset_at(ready[1][0] + 5 * S, seed)
                assert market.take(side, 7) == 7
                market.advance(market.now_ns // S * S + 3 * S)
                prices.append(market.view()[px])
            moves.append(prices[1] - prices[0])
        age_s = (market.now_ns - (ready[1][0] + 5 * S)) / S
        expected = sign * 7 * float(model.kernel(np.array([age_s]))[0])
        error = np.std(moves) / np.sqrt(len(moves))
        assert 0 < error < 0.05
        assert np.mean(moves) == pytest.approx(expected, abs=4 * error)
        assert set(np.abs(moves)) == {0.0, 1.0}


def test_no_round_trip_earns_in_the_mean_under_the_strongest_impact_that_is_allowed(ready):
    slope = fit_impact(ready[0], SPEC).slope_ticks_per_lot
    for lots in (5, 20):
        cash = []
        for seed in range(150):
            market = market_with(ready, Propagator(permanent_ticks_per_lot=slope), seed)
            bought = market.take(BUY, lots)
            market.advance(market.now_ns + S // 5)
            assert market.take(SELL, bought) == bought
            fills = market.fills()
            signs = np.where(np.arange(len(fills)) < len(fills) - _last_take(fills, bought), -1, 1)
            cash.append(float((signs * fills[:, FILL_PRICE] * fills[:, FILL_LOTS]).sum()))
        assert np.mean(cash) < -2 * np.std(cash) / np.sqrt(len(cash))


def _last_take(fills, lots):
    """How many fills at the end make up ``lots``."""
    return int(np.searchsorted(np.cumsum(fills[::-1, FILL_LOTS]), lots)) + 1


def test_a_resting_order_goes_behind_what_is_displayed_at_its_new_price_on_the_tape():
    tape = book_tape(
        order("A", 1, "B", 98, 5), order("A", 2, "B", 99, 7), order("A", 3, "A", 101, 4), order("A", 4, "A", 102, 6)
    )
    opened = START_NS + 3 * MS
    impact = Propagator(permanent_ticks_per_lot=0.25)
    market = ReplayMarket(tape, SPEC, (opened, opened + 60 * S), impact=impact)
    market.reset_at(opened)
    market.place(BUY, 99, 3)
    assert market.own_orders()[0, OWN_AHEAD] == 7
    assert market.take(BUY, 4) == 4
    assert market.view()[[BID_PX, ASK_PX, ASK_SZ]].tolist() == [100, 103, 6]
    assert market.own_orders()[0].tolist() == [0, BUY, 99, 3, 5]
    market.place(SELL, 101, 2)
    assert market.take(BUY, 4) == 4
    # The bid now stands at the price of our ask.
    assert market.view()[BID_PX] == 101
    assert market.fills()[:, 1:].tolist() == [[101, 4, 0], [103, 4, 0], [101, 2, 1]]


def test_with_impact_small_steps_equal_large_ones(ready):
    model = Propagator(permanent_ticks_per_lot=0.05, decays=(Decay(0.6, 0.8), Decay(0.3, 0.05)))
    seen = []
    for pieces in (1, 37):
        market = market_with(ready, model, 4)
        start = market.now_ns
        for part, (side, lots) in enumerate(((BUY, 6), (SELL, 3), (BUY, 4))):
            market.place(SELL, int(market.view()[ASK_PX]) + 1, 9)
            market.place(BUY, int(market.view()[BID_PX]) - 1, 9)
            market.take(side, lots)
            for piece in range(1, pieces + 1):
                market.advance(start + part * 3 * S + 3 * S * piece // pieces)
        seen.append((market.view(), market.own_orders(), market.fills()))
    for one, other in zip(*seen, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_impact_that_charges_the_walk_again_is_refused(ready):
    for model in (Propagator(half_spread_ticks=1.0), Propagator(instant_ticks_per_lot=1.0)):
        with pytest.raises(StudyError, match="charges them"):
            market_with(ready, model)


def known_tape(rng, orders=600):
    """Market orders of one lot, five a second, with independent signs: each moves all quotes a tick for good."""
    rows, key, mid, clock = [], 0, 10_000, 0.0
    live: dict[int, list[int]] = {0: [], 1: []}

    def log(action, number, side, price, size, at):
        rows.append(order(action, number, "BA"[side], price, size, ts_event=START_NS + int(at * S)))

    for _ in range(orders):
        for side in (0, 1):
            for number in live[side]:
                log("C", number, side, 1, 0, clock)
            live[side] = []
        for side, step in ((0, -1), (1, 1)):
            for level in range(6):
                key += 1
                live[side].append(key)
                log("A", key, side, mid + step * (1 + level), 5, clock)
        sign = 1 if rng.random() < 0.5 else -1
        side = 1 if sign > 0 else 0
        log("F", live[side][0], side, mid + sign, 1, clock + 0.1)
        mid += sign
        clock += 0.2
    return book_tape(*rows)


def test_the_kernel_of_independent_market_orders_that_move_the_price_for_good_is_found():
    tape = prepare_tape(known_tape(np.random.default_rng(0)))
    orders = market_orders(tape.events)
    assert orders.row.size == 600
    assert (orders.lots == 1).all()
    found = fit_impact(tape, SPEC)
    assert found.measured.kernel(np.array([0.2, 1.0, 4.0])) == pytest.approx(1.0, abs=0.15)
    # Four ticks of distance over the lots of five levels.
    assert found.slope_ticks_per_lot == pytest.approx(4 / 25, rel=0.1)
    assert found.propagator.at_once_ticks_per_lot <= found.slope_ticks_per_lot * (1 + 1e-9)
    assert found.kept_share < 1.0


def test_the_refill_of_taken_depth_is_timed():
    rows = [order("A", 1 + k, "BBAA"[k], (99, 97, 101, 103)[k], 8, ts_event=START_NS) for k in range(4)]
    best = {0: 1, 1: 3}
    for i, side in enumerate(np.random.default_rng(1).integers(2, size=250).tolist()):
        at, what = START_NS + (1 + 100 * i) * S, ("BA"[side], 99 + 2 * side, 8)
        rows.append(order("F", best[side], *what, ts_event=at))
        rows.append(order("A", 10 + i, *what, ts_event=at + 3 * S))
        best[side] = 10 + i
    found = fit_impact(prepare_tape(book_tape(*rows)), SPEC)
    # Looked up at 2 s and at 5 s: the crossing lies between.
    assert 2.0 < found.refill_half_life_s < 5.0


def test_a_tape_with_few_market_orders_is_refused():
    with pytest.raises(InsufficientDataError, match="market orders"):
        fit_impact(prepare_tape(fifo_tape(1, events=300)), SPEC)


def test_no_sale_pushes_the_price_to_nothing(ready):
    absurd = Propagator(permanent_ticks_per_lot=1e6, decays=(Decay(1e6, 0.01),))
    market = market_with(ready, absurd)
    for _ in range(4):
        market.take(SELL, 2)
        assert market.view()[BID_PX] > 0
    assert (market.fills()[:, FILL_PRICE] > 0).all()
