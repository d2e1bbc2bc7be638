"""The replay market: hand-made queues, the plain twin, real tapes."""

import importlib.util
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from feeds.adapters.bitstamp import Bitstamp
from feeds.adapters.lobster import Lobster
from feeds.clean import filter_rows
from feeds.errors import InsufficientDataError
from sim.market import (
    ASK_PX,
    ASK_SZ,
    BID_DEPTH_5,
    BID_PX,
    BID_SZ,
    BUY,
    OWN_AHEAD,
    OWN_LOTS,
    REALISED_VAR_60S,
    SELL,
    SIGNED_VOLUME_60S,
    TRADES_60S,
    VOLUME_60S,
)
from sim.replay import with_book
from sim.replay_market import ReplayMarket, prepare_tape
from sim.replay_rows import ROW_HIT
from sim.replay_tape import SAVE_EVERY
from tests.support.raw_events import MS, START_NS, order, random_orders, trade
from tests.support.reference_replay import ReferenceReplay, table
from tests.support.tapes import SPEC, book_tape, fifo_tape, lobster_tape, span

S = 1_000_000_000
FAR = START_NS + 3_600 * S
#: Bids 99: 5 (id 1), 7 (id 2); asks 101: 4 (id 3), 102: 6 (id 4).
OPENING = (
    order("A", 1, "B", 99, 5),
    order("A", 2, "B", 99, 7),
    order("A", 3, "A", 101, 4),
    order("A", 4, "A", 102, 6),
)
OPEN_NS = START_NS + 3 * MS


def market_of(*events, half_life_s=10.0):
    """A market at the moment of the opening, later events a millisecond apart behind it."""
    market = ReplayMarket(book_tape(*OPENING, *events), SPEC, (OPEN_NS, FAR), refill_half_life_s=half_life_s)
    market.reset_at(OPEN_NS)
    return market


def ahead(market):
    return market.own_orders()[:, OWN_AHEAD].tolist()


def after(rows):
    return OPEN_NS + rows * MS


def test_an_order_ahead_that_leaves_moves_us_forward():
    market = market_of(order("C", 1, "B", 99, 2), order("F", 1, "B", 99, 3))
    market.place(BUY, 99, 3)
    assert ahead(market) == [12]
    market.advance(after(1))
    assert ahead(market) == [10]
    market.advance(after(2))
    assert ahead(market) == [7]
    assert market.fills().shape == (0, 4)


def test_an_order_behind_changes_nothing_for_us():
    market = market_of(order("A", 9, "B", 99, 50), order("C", 9, "B", 99, 20))
    market.place(BUY, 99, 3)
    market.advance(after(2))
    assert ahead(market) == [12]


def test_an_order_that_grows_goes_behind_us():
    market = market_of(order("M", 1, "B", 99, 8))
    market.place(BUY, 99, 3)
    market.advance(after(1))
    assert ahead(market) == [7]


def test_an_execution_of_an_order_behind_us_fills_us_first_and_no_more_than_its_lots():
    market = market_of(
        order("A", 9, "B", 99, 50),
        order("F", 1, "B", 99, 5),
        order("F", 2, "B", 99, 7),
        order("F", 9, "B", 99, 4),
        order("F", 9, "B", 99, 4),
    )
    market.place(BUY, 99, 6)
    market.advance(after(3))
    assert market.fills().shape == (0, 4)
    assert ahead(market) == [0]
    market.advance(after(4))
    assert market.fills().tolist() == [[after(4), 99, 4, 1]]
    assert market.own_orders()[:, OWN_LOTS].tolist() == [2]
    market.advance(after(5))
    assert market.fills().tolist() == [[after(5), 99, 2, 1]]
    assert market.own_orders().shape == (0, 5)


def test_a_trade_through_our_price_fills_us():
    market = market_of(order("A", 5, "B", 98, 9), order("F", 1, "B", 99, 5), order("F", 5, "B", 98, 2))
    market.place(BUY, 100, 4)
    market.advance(after(2))
    assert market.fills().tolist() == [[after(2), 100, 4, 1]]


def test_own_orders_share_the_lots_of_one_execution_by_price_then_age():
    market = market_of(order("A", 5, "B", 98, 9), order("F", 5, "B", 98, 7))
    for price, lots in ((99, 3), (99, 3), (100, 2)):
        market.place(BUY, price, lots)
    market.advance(after(2))
    assert market.fills()[:, 1:3].tolist() == [[100, 2], [99, 3], [99, 2]]


def test_an_opposite_order_at_our_price_trades_with_us_and_is_then_gone_for_us():
    market = market_of(order("A", 5, "A", 100, 3), order("A", 6, "A", 100, 8))
    market.place(BUY, 100, 7)
    market.advance(after(1))
    assert market.fills().tolist() == [[after(1), 100, 3, 1]]
    assert (market.view()[ASK_PX], market.view()[ASK_SZ]) == (101, 4)
    market.advance(after(2))
    assert market.fills().tolist() == [[after(2), 100, 4, 1]]
    assert (market.view()[ASK_PX], market.view()[ASK_SZ]) == (100, 4)


def test_a_hidden_trade_at_our_price_counts_once_nobody_is_ahead():
    hidden = trade(99, 2, "A")
    market = market_of(hidden, order("C", 1, "B", 99, 5), order("C", 2, "B", 99, 7), hidden)
    market.place(BUY, 99, 5)
    market.advance(after(3))
    assert market.fills().shape == (0, 4)
    market.advance(after(4))
    assert market.fills().tolist() == [[after(4), 99, 2, 1]]


def test_a_print_that_comes_after_its_order_has_left_still_tells_where_that_order_stood():
    late = [
        order("A", 9, "B", 99, 4),
        order("C", 1, "B", 99, 5),
        order("C", 2, "B", 99, 7),
        order("C", 9, "B", 99, 4),
        trade(99, 7, "A", order_id=2),
        trade(99, 4, "A", order_id=9),
    ]
    market = market_of(*late)
    market.place(BUY, 99, 5)
    market.advance(after(5))
    assert market.fills().shape == (0, 4)
    market.advance(after(6))
    assert market.fills().tolist() == [[after(6), 99, 4, 1]]


def test_a_take_walks_the_displayed_book_and_what_it_took_is_gone():
    market = market_of(half_life_s=10.0)
    assert market.take(BUY, 7) == 7
    assert market.fills().tolist() == [[OPEN_NS, 101, 4, 0], [OPEN_NS, 102, 3, 0]]
    assert (market.view()[ASK_PX], market.view()[ASK_SZ]) == (102, 3)
    assert market.take(BUY, 99) == 3
    assert market.take(BUY, 1) == 0
    assert (market.view()[ASK_PX], market.view()[ASK_SZ]) == (0, 0)
    assert market.view()[BID_SZ] == 12


def test_half_of_what_was_taken_is_back_after_the_half_life():
    market = market_of(half_life_s=10.0)
    market.take(BUY, 10)
    sizes = []
    for seconds in (5, 10, 20, 60):
        market.advance(OPEN_NS + seconds * S)
        sizes.append((market.view()[ASK_PX], market.view()[ASK_SZ]))
    assert sizes == [(101, 1), (101, 2), (101, 3), (101, 4)]
    assert market.take(BUY, 99) == 10


def test_lots_that_others_took_meanwhile_do_not_come_back():
    market = market_of(order("F", 3, "A", 101, 4), order("A", 7, "A", 101, 5), half_life_s=1e6)
    market.take(BUY, 4)
    market.advance(after(2))
    assert (market.view()[ASK_PX], market.view()[ASK_SZ]) == (101, 5)


def test_a_post_only_order_that_would_trade_is_refused():
    market = market_of()
    assert market.place(BUY, 101, 1) == market.place(SELL, 99, 1) == -1
    assert market.place(BUY, 0, 1) == market.place(BUY, 99, 0) == -1
    assert market.place(BUY, 100, 1) == 0


def test_a_partial_cancellation_keeps_the_place():
    market = market_of(order("A", 9, "B", 99, 5))
    number = market.place(BUY, 99, 5)
    market.advance(after(1))
    assert market.cancel(number, 2) == 2
    assert market.own_orders().tolist() == [[number, BUY, 99, 3, 12]]
    assert market.cancel(number) == 3
    assert market.cancel(number) == 0


def test_the_view_sums_trades_and_mids_of_the_last_minute():
    market = market_of(
        order("F", 3, "A", 101, 3, ts_event=OPEN_NS + 2 * S),
        order("F", 1, "B", 99, 1, ts_event=OPEN_NS + 3 * S),
        order("C", 3, "A", 101, 1, ts_event=OPEN_NS + 10 * S),
    )
    market.advance(OPEN_NS + 11 * S)
    view = market.view()
    assert [view[SIGNED_VOLUME_60S], view[VOLUME_60S], view[TRADES_60S]] == [2, 4, 2]
    assert view[REALISED_VAR_60S] == pytest.approx(np.log(100.5 / 100.0) ** 2)
    market.advance(OPEN_NS + 63 * S)
    assert market.view()[[SIGNED_VOLUME_60S, VOLUME_60S, TRADES_60S]].tolist() == [0, 0, 0]
    assert market.view()[REALISED_VAR_60S] > 0
    market.advance(OPEN_NS + 72 * S)
    assert market.view()[REALISED_VAR_60S] == 0


def test_more_fills_than_the_kernel_holds_are_all_told():
    rows = [order("A", 100 + i, "B", 98, 2) for i in range(3_000)]
    hits = [order("F", 100 + i, "B", 98, 1) for i in range(3_000)]
    market = market_of(*rows, *hits)
    market.place(BUY, 99, 2_999)
    market.advance(FAR)
    fills = market.fills()
    assert fills.shape == (2_999, 4)
    assert fills[:, 2].sum() == 2_999
    assert (np.diff(fills[:, 0]) > 0).all()


def test_a_take_through_very_many_levels_meets_none_of_them_twice():
    market = market_of(*[order("A", 100 + i, "A", 200 + i, 1) for i in range(2_500)], half_life_s=1e6)
    market.advance(after(2_500))
    assert market.take(BUY, 10**6) == 10 + 1_022
    assert market.take(BUY, 1) == 0
    fills = market.fills()
    assert fills[:, 2].sum() == 1_032
    assert (np.diff(fills[:, 1]) > 0).all()


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


def test_a_start_from_a_saved_book_equals_a_replay_from_the_first_row():
    tape = fifo_tape(8, events=2 * SAVE_EVERY + 700)
    ready, bounds = prepare_tape(tape), span(tape)
    assert len(ready.saved) == 3
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
    np.testing.assert_array_equal(whole.sums[:2_001], short.sums)
    np.testing.assert_array_equal(whole.rows[:2_000, ROW_HIT], short.rows[:, ROW_HIT])
    # The last sample of the short tape lies after its last row.
    np.testing.assert_array_equal(whole.variance[: short.variance.size - 1], short.variance[:-1])


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


def test_a_tape_without_a_book_and_a_period_that_is_too_short_are_refused():
    raw = random_orders(0, events=50).with_columns(pl.lit(None, pl.Int64).alias("bid_px"))
    with pytest.raises(InsufficientDataError, match="two-sided"):
        prepare_tape(raw)
    with pytest.raises(InsufficientDataError, match="Shorten the horizon"):
        ReplayMarket(book_tape(*OPENING), SPEC, (OPEN_NS, OPEN_NS + S), episode_ns=2 * S)
    with pytest.raises(InsufficientDataError, match="at most"):
        market_of().advance(FAR + 1)


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
