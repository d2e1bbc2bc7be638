"""The Hawkes book: events of a tape, likelihood steps, what an event does to the book, recovery, the market."""

import dataclasses

import numpy as np
import polars as pl
import pytest

from feeds.errors import InsufficientDataError
from feeds.instruments import InstrumentSpec
from sim.book_events import (
    BEHIND,
    EMPTY_TOUCH,
    IMPROVE,
    JOIN,
    PULL,
    PULL_BEHIND,
    SWEEP,
    TAKE,
    book_events,
)
from sim.flow import simulate_flow
from sim.flow_measure import arrays_of
from sim.flow_moments import market_orders
from sim.flow_params import FlowParams
from sim.hawkes_book import at_touch, simulate_hawkes_book
from sim.hawkes_book_em import em_pass
from sim.hawkes_book_market import HawkesBookMarket
from sim.hawkes_book_params import HawkesBookParams
from sim.market import ASK_PX, ASK_SZ, BID_PX
from sim.replay import BOOK_COLUMNS, with_book
from tests.support.raw_events import order, raw_frame

START = 1_772_463_600_000_000_000
S = 1_000_000_000
MID = 1_000_000.0
SPEC = InstrumentSpec(id="TEST.SIM", tick_size=1e-4, lot_size=1, quote_increment_ticks=100)


def made_up(**changes):
    return dataclasses.replace(HawkesBookParams.example(), **changes)


@pytest.fixture(scope="module")
def params():
    return made_up()


@pytest.fixture(scope="module")
def tape(params):
    return simulate_hawkes_book(params, START, START + 3600 * S, 3, MID)


def padded(*events):
    opening = [order("A", 1, "B", 99_000, 5), order("A", 2, "A", 101_000, 5), order("A", 3, "A", 102_000, 7)]
    far = [order("A", 1000 + i, "B", 100, 1, ts_event=START + 100 * S + i) for i in range(120)]
    rows = [{**event, "ts_event": START} for event in opening] + list(events) + far
    return arrays_of(with_book(raw_frame(*rows))[0])


def at(seconds, event):
    return {**event, "ts_event": START + int(seconds * S)}


def kinds_of(*events):
    tape = padded(*events)
    found = book_events(tape, market_orders(tape), 100, 4_000)
    return [(int(k) // 2, int(k) % 2, int(a)) for k, a in zip(found.kinds, found.away, strict=True)]


def test_events_are_told_apart_by_what_they_do_to_the_touch():
    assert kinds_of(
        at(1, order("A", 10, "B", 99_300, 4)),
        at(2, order("A", 11, "B", 99_300, 4)),
        at(3, order("A", 12, "A", 101_500, 4)),
        at(4, order("C", 12, "A", 101_500, 4)),
        at(5, order("C", 10, "B", 99_300, 4)),
        at(6, order("C", 11, "B", 99_300, 4)),
    ) == [
        (IMPROVE, 0, 3),
        (JOIN, 0, 0),
        (BEHIND, 1, -5),
        (PULL_BEHIND, 1, -5),
        (PULL, 0, 0),
        (EMPTY_TOUCH, 0, 0),
    ]


def test_market_orders_either_leave_some_of_the_best_quote_or_sweep_it():
    assert kinds_of(
        at(1, order("F", 2, "A", 101_000, 2)),
        at(2, order("F", 2, "A", 101_000, 3)),
        at(2, order("F", 3, "A", 102_000, 1)),
    ) == [(TAKE, 0, 0), (SWEEP, 0, 1)]


def test_orders_far_from_the_touch_do_not_count():
    assert kinds_of(at(1, order("A", 10, "B", 90_000, 4)), at(2, order("A", 11, "B", 99_000, 4))) == [(JOIN, 0, 0)]


def test_orders_at_the_touch_are_counted_with_the_unknown_as_one():
    tape = padded(at(1, order("A", 10, "B", 99_000, 4)), at(2, order("A", 11, "B", 99_000, 4)))
    found = book_events(tape, market_orders(tape), 100, 4_000)
    assert found.orders[int(found.before[1])].tolist() == [2, 1]


def em_inputs(n, seed, kinds=2, terms=2):
    rng = np.random.default_rng(seed)
    times = np.sort(rng.uniform(0, 50.0, n))
    return {
        "times": times,
        "kinds": rng.integers(0, kinds, n),
        "factors": rng.uniform(0.5, 1.5, (n, kinds)),
        "baseline": np.full(kinds, 0.3),
        "branching": rng.uniform(0.05, 0.3, (kinds, terms, kinds)),
        "decays": np.array([0.7, 9.0])[:terms],
    }


def run_pass(given):
    d, terms = given["baseline"].size, given["decays"].size
    out = {
        "caused": np.zeros((d, terms, d)),
        "caused_base": np.zeros(d),
        "exposure": np.zeros((d, terms, d)),
        "exposure_base": np.zeros(d),
        "bare": np.zeros((given["times"].size, d)),
    }
    value = em_pass(*given.values(), np.zeros((d, terms)), np.zeros((d, terms)), *out.values())
    return value, out


def plain_log_likelihood(given):
    t, k, f = given["times"], given["kinds"], given["factors"]
    b, n = given["decays"], given["branching"]
    value = 0.0
    for e in range(t.size):
        before = np.arange(e)
        rates = given["baseline"] + np.einsum("lji,lj->i", n[k[before]], b * np.exp(-np.outer(t[e] - t[before], b)))
        value += np.log(rates[k[e]] * f[e, k[e]])
        last = t[e - 1] if e else 0.0
        spent = np.exp(-np.outer(last - t[before], b)) - np.exp(-np.outer(t[e] - t[before], b))
        passed = given["baseline"] * (t[e] - last) + np.einsum("lji,lj->i", n[k[before]], spent)
        value -= float((f[e] * passed).sum())
    return value


def test_a_pass_returns_the_likelihood_of_its_plain_twin_and_shares_every_event_out():
    given = em_inputs(120, 1)
    value, out = run_pass(given)
    assert value == pytest.approx(plain_log_likelihood(given), rel=1e-6)
    counts = np.bincount(given["kinds"], minlength=2)
    np.testing.assert_allclose(out["caused_base"] + out["caused"].sum(axis=(0, 1)), counts, rtol=1e-6)


def test_every_step_of_the_search_makes_the_likelihood_larger():
    given, values = em_inputs(400, 2), []
    for _ in range(6):
        value, out = run_pass(given)
        values.append(value)
        given["baseline"] = out["caused_base"] / out["exposure_base"]
        given["branching"] = out["caused"] / out["exposure"]
    assert (np.diff(values) > 0).all()


def test_the_written_book_is_the_book_of_the_written_orders(tape):
    again, stats = with_book(tape)
    assert stats.unknown_ids == stats.duplicate_ids == stats.pending_orders == 0
    for name in BOOK_COLUMNS[:4]:
        opening = int((tape["flags"] > 0).sum())
        assert again[name][opening:].equals(tape[name][opening:])


def test_the_rates_of_a_book_without_factors_are_those_of_its_hawkes_process(params):
    calm = made_up(lean=0.0, sigma=0.0, impact_per_lot=0.0)
    frame = simulate_hawkes_book(calm, START, START + 4 * 3600 * S, 5, MID)
    arrays = arrays_of(frame)
    orders = market_orders(arrays)
    wanted = params.arrivals.mean_rate[:4].sum()
    assert orders.signs.size / arrays.seconds == pytest.approx(wanted, rel=0.1)


def test_stamps_are_multiples_of_the_venues_clock():
    frame = simulate_hawkes_book(made_up(resolution_ns=1_000_000), START, START + 600 * S, 3, MID)
    assert (frame["ts_event"] % 1_000_000 == 0).all()
    assert frame["ts_event"].is_sorted()


def test_signs_repeat_as_often_as_they_are_told_to():
    often = made_up(repeat=np.full(6, 0.9), lean=0.0)
    frame = simulate_hawkes_book(often, START, START + 4 * 3600 * S, 4, MID)
    signs = market_orders(arrays_of(frame)).signs
    assert np.mean(signs[1:] == signs[:-1]) > 0.9


def test_a_source_of_the_touch_alone_has_no_rows_elsewhere(tape):
    seen = at_touch(tape).filter(pl.col("flags") == 0)
    assert 0 < seen.height < tape.height
    placed = seen.filter(pl.col("action") == "A")
    touch = pl.when(pl.col("side") == "B").then(pl.col("bid_px")).otherwise(pl.col("ask_px"))
    assert placed.filter(pl.col("price") != touch).is_empty()


def test_a_market_is_the_same_however_it_is_advanced_and_another_with_another_seed(params):
    whole, steps = HawkesBookMarket(params, MID, 120.0), HawkesBookMarket(params, MID, 120.0)
    for market in (whole, steps):
        market.reset(3)
    for i in range(1, 121):
        steps.advance(steps.end_ns() - (120 - i) * S)
    whole.advance(whole.end_ns())
    np.testing.assert_array_equal(whole.view(), steps.view())
    other = HawkesBookMarket(params, MID, 120.0)
    other.reset(4)
    other.advance(other.end_ns())
    assert not np.array_equal(whole.view(), other.view())


def test_own_orders_rest_are_traded_with_and_stay_until_cancelled(params):
    market = HawkesBookMarket(params, MID, 600.0)
    market.reset(1)
    bid = int(market.view()[BID_PX])
    number = market.place(0, bid, 50)
    assert number == 0
    assert market.place(0, int(market.view()[ASK_PX]), 1) == -1
    far = market.place(0, bid - 2_000, 5)
    market.advance(market.end_ns())
    filled = market.fills()
    assert set(filled[:, 3].tolist()) <= {1}
    left = {int(row[0]): int(row[3]) for row in market.own_orders()}
    assert filled[:, 2].sum() + sum(left.values()) == 55
    assert market.cancel(far) == left.get(far, 0)


def test_a_take_fills_what_is_displayed_and_moves_the_efficient_price_by_its_lots(params):
    market = HawkesBookMarket(params, MID, 60.0)
    market.reset(2)
    before = market._flow.clock[4]
    shown = int(market.view()[ASK_SZ])
    assert market.take(0, shown) == shown
    assert np.log(market._flow.clock[4] / before) == pytest.approx(params.impact_per_lot * shown)


def test_limit_orders_answer_an_own_take_and_takers_do_not(params):
    market = HawkesBookMarket(params, MID, 60.0)
    market.reset(2)
    before = market._state.excess.copy()
    market.take(0, int(market.view()[ASK_SZ]))
    added = market._state.excess - before
    assert (added[:, :4] <= 0).all()
    assert added[1, 2 * IMPROVE] > 0


def test_parameters_that_make_no_sense_are_refused():
    for changes in ({"window": 1}, {"reach": 0}, {"repeat": np.full(6, 1.5)}, {"split_exponent": 1.0}):
        with pytest.raises(InsufficientDataError, match=next(iter(changes))):
            made_up(**changes)


def test_a_tape_without_trades_is_refused():
    from sim.hawkes_book_fit import fit_hawkes_book

    frame = simulate_flow(dataclasses.replace(FlowParams.example()), START, START + 600 * S, 1, MID)
    with pytest.raises(InsufficientDataError, match="0 market orders"):
        fit_hawkes_book(frame.filter(pl.col("action") != "F"), SPEC)
