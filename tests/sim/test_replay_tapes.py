"""The replay market over whole tapes: its plain twin, the stated best prices, cuts, real days."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from feeds.adapters.bitstamp import Bitstamp
from feeds.adapters.lobster import Lobster
from feeds.cleaning import filter_rows
from sim.market import (
    ASK_PX,
    ASK_SZ,
    BID_DEPTH_5,
    BID_PX,
    BID_SZ,
    BUY,
    SELL,
)
from sim.replay import with_book
from sim.replay_market import ReplayMarket
from sim.tape_orders import prepare_tape
from tests.support.raw_events import MS, START_NS, order, random_orders
from tests.support.reference_replay import ReferenceReplay, table
from tests.support.tapes import SPEC, book_tape, fifo_tape, lobster_tape, span

S = 1_000_000_000


@pytest.mark.parametrize("seed", range(3))
def test_the_market_equals_its_plain_twin_on_a_wild_tape(seed):
    _compare(book_tape_of(random_orders(seed, events=900)), seed)


@pytest.mark.parametrize("seed", range(3))
def test_the_market_equals_its_plain_twin_on_a_venues_tape(seed):
    _compare(fifo_tape(seed, events=900), seed, least_fills=15)


def book_tape_of(raw):
    return with_book(raw)[0]


def _compare(tape, seed, least_fills=5):
    """Random instructions on both; everything that can be seen is compared after each."""
    start, end = span(tape)
    market = ReplayMarket(tape, SPEC, (start, end), refill_half_life_s=2.0)
    market.reset_at(start)
    twin = ReferenceReplay(tape, 2.0, start)
    rng, fills = np.random.default_rng(seed), 0
    while market.now_ns < end:
        side, draw = int(rng.integers(2)), rng.random()
        best = twin.shown(side)
        if draw < 0.45 and best:
            price = best[0][0] + int(rng.integers(-2, 3))
            lots = int(rng.integers(1, 12))
            assert market.place(side, price, lots) == twin.place(side, price, lots)
        elif draw < 0.55:
            lots = int(rng.integers(1, 30))
            assert market.take(side, lots) == twin.take(side, lots)
        elif draw < 0.7 and twin.own:
            number, lots = int(rng.choice(list(twin.own))), int(rng.integers(0, 4))
            assert market.cancel(number, lots) == twin.cancel(number, lots)
        else:
            until = min(end, market.now_ns + int(rng.integers(0, 400)) * MS)
            market.advance(until)
            twin.advance(until)
        np.testing.assert_array_equal(market.own_orders(), table(twin.own_orders()))
        told = [tuple(fill) for fill in market.fills().tolist()]
        assert told == twin.fills()
        fills += sum(fill[3] for fill in told)
        view = market.view()
        for s, (px, sz) in enumerate(((BID_PX, BID_SZ), (ASK_PX, ASK_SZ))):
            assert (view[px], view[sz]) == (twin.shown(s)[:1] or [(0, 0)])[0]
            assert view[BID_DEPTH_5 + s] == sum(size for _, size in twin.shown(s)[:5])
    assert fills >= least_fills


def best_of_rows(market, tape, step_rows=1):
    """Best prices and sizes of the view after every ``step_rows`` rows that end their stamp, beside the stated ones."""
    clock = tape["ts_recv"].cum_max().to_numpy()
    ends = np.flatnonzero(np.append(clock[1:] != clock[:-1], True))[::step_rows]
    stated = tape.select("bid_px", "bid_sz", "ask_px", "ask_sz").fill_null(0).to_numpy()[ends]
    seen = np.zeros((ends.size, 4))
    for i, end in enumerate(ends):
        if clock[end] > market.now_ns:
            market.advance(int(clock[end]))
        elif i == 0:
            market.reset_at(int(clock[end]))
        seen[i] = market.view()[[BID_PX, BID_SZ, ASK_PX, ASK_SZ]]
    return seen, stated


def test_a_replay_shows_the_best_prices_of_the_tape_at_every_row():
    tape = fifo_tape(4, events=2_000)
    seen, stated = best_of_rows(ReplayMarket(tape, SPEC, span(tape, 0)), tape)
    np.testing.assert_array_equal(seen, stated)


def test_a_file_of_the_best_levels_alone_is_replayed_with_its_stated_best_prices(tmp_path):
    tape, spec = lobster_tape(tmp_path)
    market = ReplayMarket(tape, spec, span(tape, 0))
    seen, stated = best_of_rows(market, tape)
    np.testing.assert_array_equal(seen, stated)
    assert 0 < market.tape.corrected_rows < tape.height / 2


def test_a_start_late_in_the_tape_equals_a_replay_from_the_first_row():
    tape = fifo_tape(8, events=4_000)
    ready, bounds = prepare_tape(tape), span(tape)
    late = bounds[1] - 20 * S
    direct, gradual = (ReplayMarket(ready, SPEC, bounds) for _ in range(2))
    direct.reset_at(late)
    gradual.reset_at(bounds[0])
    gradual.advance(late)
    for market in (direct, gradual):
        market.place(BUY, int(market.view()[BID_PX]), 30)
    for moment in range(late, bounds[1], S):
        for market in (direct, gradual):
            market.advance(moment)
        np.testing.assert_array_equal(direct.view(), gradual.view())
        np.testing.assert_array_equal(direct.own_orders(), gradual.own_orders())
    np.testing.assert_array_equal(direct.fills(), gradual.fills())


def test_a_tape_cut_at_a_moment_gives_the_same_market_until_then():
    tape = fifo_tape(9, events=3_000)
    bounds = span(tape)
    cut = 2_000
    moment = int(tape["ts_recv"].cum_max()[cut - 1])
    whole, short = (ReplayMarket(frame, SPEC, bounds) for frame in (tape, tape.head(cut)))
    for market in (whole, short):
        market.reset_at(bounds[0] + 5 * S)
        market.place(SELL, int(market.view()[ASK_PX]), 10)
        market.take(BUY, 9)
    for until in range(whole.now_ns, moment, 500 * MS):
        for market in (whole, short):
            market.advance(until)
        np.testing.assert_array_equal(whole.view(), short.view())
        np.testing.assert_array_equal(whole.own_orders(), short.own_orders())
        np.testing.assert_array_equal(whole.fills(), short.fills())


def test_what_is_ready_before_a_cut_does_not_depend_on_what_follows():
    tape = fifo_tape(9, events=3_000)
    whole, short = prepare_tape(tape), prepare_tape(tape.head(2_000))
    for name in (
        "ts_ns",
        "top",
        "depth",
        "sums",
        "change_first",
        "change_lots",
        "change_entered",
        "exec_hit",
        "near_price",
    ):
        cut = getattr(short.events, name)
        np.testing.assert_array_equal(getattr(whole.events, name)[: len(cut)], cut)
    # The last sample of the short tape lies after its last row.
    np.testing.assert_array_equal(whole.events.variance[: short.events.variance.size - 1], short.events.variance[:-1])


def test_starts_lie_within_the_bounds_and_differ_by_seed():
    tape = fifo_tape(1)
    bounds = span(tape)
    market = ReplayMarket(tape, SPEC, bounds, episode_ns=20 * S)
    starts = []
    for seed in range(40):
        market.reset(seed)
        starts.append(market.now_ns)
    assert bounds[0] <= min(starts) and max(starts) <= bounds[1] - 20 * S
    assert len(set(starts)) == 40


def test_a_start_waits_for_a_two_sided_book():
    tape = book_tape(
        order("A", 1, "B", 99, 5),
        order("A", 2, "A", 101, 5, ts_event=START_NS + 10 * S),
        order("C", 2, "A", 101, 5, ts_event=START_NS + 20 * S),
        order("A", 3, "A", 101, 5, ts_event=START_NS + 30 * S),
    )
    market = ReplayMarket(tape, SPEC, (START_NS, START_NS + 40 * S))
    for seed in range(50):
        market.reset(seed)
        assert market.view()[[BID_PX, ASK_PX]].tolist() == [99, 101]


BITSTAMP = importlib.util.find_spec("ob_analytics")


@pytest.mark.skipif(BITSTAMP is None, reason="the package with the Bitstamp capture is not installed")
def test_a_real_capture_is_replayed_with_the_best_prices_of_its_own_book():
    folder = Path(BITSTAMP.submodule_search_locations[0]) / "_sample_data"
    files = {"orders": folder / "orders.csv.gz", "trades": folder / "trades.csv", "meta": folder / "meta.json"}
    adapter = Bitstamp()
    info = adapter.sniff(files["orders"])
    spec = adapter.default_spec(info.instrument)
    raw = adapter.parse(files, spec, info.dates[0]).frame
    bounds = int(raw["ts_event"].min()), int(raw["ts_event"].max()) + 1
    tape = with_book(filter_rows(raw, spec, bounds)[0])[0].head(60_000)
    market = ReplayMarket(tape, spec, span(tape, 0))
    assert market.tape.corrected_rows == 0
    seen, stated = best_of_rows(market, tape, step_rows=3)
    np.testing.assert_array_equal(seen, stated)


@pytest.mark.shared_data
def test_a_real_exchange_file_is_replayed_with_its_stated_best_prices(shared_data):
    path = shared_data / "lobster" / "LOBSTER_SampleFile_AMZN_2012-06-21_5.zip"
    adapter = Lobster()
    spec = adapter.default_spec("AMZN.NASDAQ")
    raw = adapter.parse({"zip": path}, spec, "2012-06-21").frame
    tape = filter_rows(raw, spec, (int(raw["ts_event"].min()), int(raw["ts_event"].max()) + 1))[0]
    market = ReplayMarket(tape, spec, span(tape, 0))
    assert market.tape.corrected_rows < 0.03 * tape.height
    seen, stated = best_of_rows(market, tape, step_rows=3)
    np.testing.assert_array_equal(seen, stated)
