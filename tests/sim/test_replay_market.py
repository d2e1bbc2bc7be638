"""The replay market: hand-made queues, takes, views."""

import numpy as np
import polars as pl
import pytest

from feeds.errors import InsufficientDataError
from sim.market import (
    ASK_PX,
    ASK_SZ,
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
from sim.replay_market import ReplayMarket
from sim.tape_orders import prepare_tape
from tests.support.raw_events import MS, START_NS, order, random_orders, raw_frame, trade
from tests.support.tapes import SPEC, book_tape

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


def test_orders_the_file_never_introduced_are_ahead_and_leave_by_its_messages():
    stated = {"ask_px": 101, "ask_sz": 10, "bid_depth": 0, "ask_depth": 0}
    tape = raw_frame(
        order("A", 1, "B", 99, 5, bid_px=99, bid_sz=20, **stated),
        order("A", 2, "B", 100, 3, bid_px=100, bid_sz=3, **stated),
        order("C", 77, "B", 99, 4, bid_px=100, bid_sz=3, **stated),
        order("F", 2, "B", 100, 3, bid_px=99, bid_sz=16, **stated),
        order("F", 78, "B", 99, 9, bid_px=99, bid_sz=7, **stated),
    )
    market = ReplayMarket(tape, SPEC, (START_NS, FAR))
    market.reset_at(START_NS)
    market.place(BUY, 99, 3)
    seen = []
    for row in range(5):
        market.advance(START_NS + row * MS)
        seen.append(ahead(market)[0])
    assert seen == [20, 20, 16, 16, 7]
    assert market.fills().shape == (0, 4)
    assert market.view()[[ASK_PX, ASK_SZ]].tolist() == [101, 10]


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


def test_a_tape_without_a_book_and_a_period_that_is_too_short_are_refused():
    raw = random_orders(0, events=50).with_columns(pl.lit(None, pl.Int64).alias("bid_px"))
    with pytest.raises(InsufficientDataError, match="two-sided"):
        prepare_tape(raw)
    with pytest.raises(InsufficientDataError, match="Shorten the horizon"):
        ReplayMarket(book_tape(*OPENING), SPEC, (OPEN_NS, OPEN_NS + S), episode_ns=2 * S)
    with pytest.raises(InsufficientDataError, match="at most"):
        market_of().advance(FAR + 1)
