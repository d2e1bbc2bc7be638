"""Order types of a venue: what each of them does in small cases, and what happens where there is no room."""

import numpy as np
import pytest

from feeds.errors import StudyError, T2TError
from sim.book import best_price
from sim.book_state import ASK, BID
from sim.matching import lots_ahead
from sim.order_gateway import OrderGateway
from sim.order_types import (
    BY_USER,
    CANCEL,
    CANCELLED,
    DUPLICATE_ORDER,
    FILLED,
    FOK,
    HIDE,
    INVALID,
    IOC,
    LIMIT,
    MARKET,
    NOT_WHOLE,
    POST_ONLY,
    R_CAUSE,
    R_LOTS,
    R_ORDER,
    R_PRICE,
    R_WHAT,
    REDUCED,
    REFRESHED,
    REJECTED,
    REPLACED,
    RESTED,
    SELF_TRADE,
    UNFILLED,
    UNKNOWN_ORDER,
    WOULD_TAKE,
    PostOnly,
    SelfTrade,
    VenueRules,
)
from tests.sim.test_book import levels_of, queue_of


def venue(**rules):
    return OrderGateway(VenueRules(**rules), max_orders=64, max_accounts=4, max_reports=256)


def told(reports):
    """What, order, price, lots, cause of each report."""
    return [tuple(row) for row in reports[:, [R_WHAT, R_ORDER, R_PRICE, R_LOTS, R_CAUSE]].tolist()]


@pytest.fixture
def offered():
    """Asks 4 + 5 at 101 and 6 at 102, bid 7 at 99."""
    gateway = venue()
    for order_id, side, price, size in ((1, ASK, 101, 4), (2, ASK, 102, 6), (3, ASK, 101, 5), (4, BID, 99, 7)):
        gateway.enter(order_id, side, price, size)
    return gateway


def test_a_limit_order_takes_what_it_reaches_and_the_rest_of_it_rests(offered):
    assert told(offered.enter(9, BID, 101, 12)) == [
        (FILLED, 1, 101, 4, 0),
        (FILLED, 3, 101, 5, 0),
        (RESTED, 9, 101, 3, 3),
    ]
    assert levels_of(offered.displayed, BID) == [(101, 3), (99, 7)]
    assert levels_of(offered.displayed, ASK) == [(102, 6)]


def test_a_market_order_takes_at_any_price_and_never_rests(offered):
    assert told(offered.enter(9, BID, 0, 20, kind=MARKET))[-2:] == [
        (FILLED, 2, 102, 6, 0),
        (CANCELLED, 9, 0, 5, UNFILLED),
    ]
    assert levels_of(offered.displayed, ASK) == []
    assert best_price(offered.displayed, BID) == 99


def test_an_immediate_or_cancel_order_stops_at_its_price(offered):
    assert told(offered.enter(9, BID, 101, 12, kind=IOC))[-1] == (CANCELLED, 9, 101, 3, UNFILLED)
    assert levels_of(offered.displayed, ASK) == [(102, 6)]


def test_a_fill_or_kill_order_fills_whole_or_not_at_all(offered):
    assert told(offered.enter(9, BID, 101, 10, kind=FOK)) == [(CANCELLED, 9, 101, 10, NOT_WHOLE)]
    assert levels_of(offered.displayed, ASK) == [(101, 9), (102, 6)]
    assert told(offered.enter(9, BID, 102, 15, kind=FOK)) == [
        (FILLED, 1, 101, 4, 0),
        (FILLED, 3, 101, 5, 0),
        (FILLED, 2, 102, 6, 0),
    ]


def test_a_fill_or_kill_order_counts_what_is_not_displayed():
    gateway = venue()
    gateway.enter(1, ASK, 101, 10, display=3)
    gateway.enter(2, ASK, 101, 5, display=HIDE)
    assert told(gateway.enter(8, BID, 101, 16, kind=FOK)) == [(CANCELLED, 8, 101, 16, NOT_WHOLE)]
    assert sum(lots for what, _, _, lots, _ in told(gateway.enter(9, BID, 101, 15, kind=FOK)) if what == FILLED) == 15


def test_a_fill_or_kill_order_that_its_own_order_would_stop_is_killed():
    for rule, filled in ((SelfTrade.CANCEL_NEWEST, 0), (SelfTrade.DECREMENT, 0), (SelfTrade.CANCEL_OLDEST, 6)):
        gateway = venue(self_trade=rule)
        gateway.enter(1, ASK, 101, 6, display=2)
        gateway.enter(2, ASK, 101, 4, account=1)
        reports = told(gateway.enter(9, BID, 101, 6, kind=FOK, account=1))
        assert sum(lots for what, _, _, lots, _ in reports if what == FILLED) == filled


def test_a_post_only_order_never_takes(offered):
    assert told(offered.enter(9, BID, 101, 2, kind=POST_ONLY)) == [(REJECTED, 9, 101, 2, WOULD_TAKE)]
    assert told(offered.enter(9, BID, 100, 2, kind=POST_ONLY)) == [(RESTED, 9, 100, 2, 2)]


def test_a_sliding_post_only_order_goes_one_increment_behind_the_other_side_hidden_orders_included():
    gateway = venue(post_only=PostOnly.SLIDE, increment_ticks=5)
    gateway.enter(1, ASK, 110, 1)
    gateway.enter(2, ASK, 105, 1, display=HIDE)
    assert told(gateway.enter(9, BID, 120, 2, kind=POST_ONLY)) == [(RESTED, 9, 100, 2, 2)]
    assert told(gateway.enter(10, ASK, 90, 2, kind=POST_ONLY)) == [(RESTED, 10, 105, 2, 2)]


def test_a_slide_below_the_lowest_price_is_rejected():
    gateway = venue(post_only=PostOnly.SLIDE, increment_ticks=5)
    gateway.enter(1, ASK, 5, 1)
    assert told(gateway.enter(9, BID, 5, 2, kind=POST_ONLY)) == [(REJECTED, 9, 5, 2, WOULD_TAKE)]


def test_an_iceberg_shows_its_peak_and_each_next_part_goes_behind_the_others():
    gateway = venue()
    gateway.enter(1, ASK, 101, 10, display=4)
    gateway.enter(2, ASK, 101, 3)
    assert levels_of(gateway.displayed, ASK) == [(101, 7)]
    assert told(gateway.enter(8, BID, 101, 4, kind=IOC)) == [(FILLED, 1, 101, 4, 0), (REFRESHED, 1, 101, 4, 0)]
    assert queue_of(gateway.displayed, ASK, 101) == [2, 1]
    assert told(gateway.enter(9, BID, 101, 9)) == [
        (FILLED, 2, 101, 3, 0),
        (FILLED, 1, 101, 4, 0),
        (REFRESHED, 1, 101, 2, 0),
        (FILLED, 1, 101, 2, 0),
    ]
    assert levels_of(gateway.displayed, ASK) == []


def test_where_the_venue_says_so_an_icebergs_next_part_keeps_the_place():
    gateway = venue(refresh_loses_place=False)
    gateway.enter(1, ASK, 101, 10, display=4)
    gateway.enter(2, ASK, 101, 3)
    gateway.enter(8, BID, 101, 4, kind=IOC)
    assert queue_of(gateway.displayed, ASK, 101) == [1, 2]


def test_an_arriving_iceberg_takes_with_its_whole_size():
    gateway = venue()
    gateway.enter(1, ASK, 101, 8)
    assert told(gateway.enter(2, BID, 101, 13, display=2)) == [(FILLED, 1, 101, 8, 0), (RESTED, 2, 101, 5, 2)]
    assert levels_of(gateway.displayed, BID) == [(101, 2)]


def test_hidden_orders_trade_behind_displayed_ones_at_their_price_and_before_worse_prices():
    gateway = venue()
    gateway.enter(1, ASK, 101, 2, display=HIDE)
    gateway.enter(2, ASK, 101, 3, display=1)
    gateway.enter(3, ASK, 102, 4)
    assert levels_of(gateway.displayed, ASK) == [(101, 1), (102, 4)]
    fills = [report for report in told(gateway.enter(9, BID, 102, 9)) if report[0] == FILLED]
    assert fills == [*[(FILLED, 2, 101, 1, 0)] * 3, (FILLED, 1, 101, 2, 1), (FILLED, 3, 102, 4, 0)]


def test_a_hidden_order_inside_the_spread_trades_first_and_keeps_the_book_from_crossing(offered):
    offered.enter(9, ASK, 100, 2, display=HIDE)
    assert best_price(offered.displayed, ASK) == 101
    assert told(offered.enter(10, BID, 100, 5)) == [(FILLED, 9, 100, 2, 1), (RESTED, 10, 100, 3, 3)]


def test_a_cancel_of_some_lots_keeps_the_place_and_takes_what_is_not_shown_first():
    gateway = venue()
    gateway.enter(1, BID, 99, 10, display=4)
    gateway.enter(2, BID, 99, 1)
    assert told(gateway.cancel(1, 7)) == [(REDUCED, 1, 99, 7, BY_USER)]
    assert levels_of(gateway.displayed, BID) == [(99, 4)]
    assert queue_of(gateway.displayed, BID, 99) == [1, 2]
    assert told(gateway.cancel(1)) == [(CANCELLED, 1, 99, 3, BY_USER)]
    assert lots_ahead(gateway.displayed, 2) == 0


def test_a_replace_to_a_smaller_size_keeps_the_place_and_a_larger_size_or_a_price_loses_it(offered):
    offered.enter(5, BID, 99, 2)
    assert told(offered.replace(4, 99, 6)) == [(REDUCED, 4, 99, 1, REPLACED)]
    assert told(offered.replace(4, 99, 6)) == [(REDUCED, 4, 99, 0, REPLACED)]
    assert queue_of(offered.displayed, BID, 99) == [4, 5]
    assert told(offered.replace(4, 99, 7)) == [(CANCELLED, 4, 99, 6, REPLACED), (RESTED, 4, 99, 7, 7)]
    assert queue_of(offered.displayed, BID, 99) == [5, 4]
    offered.replace(5, 98, 2)
    offered.replace(5, 99, 2)
    assert queue_of(offered.displayed, BID, 99) == [4, 5]


def test_where_the_venue_says_so_every_replace_loses_the_place():
    gateway = venue(smaller_keeps_place=False)
    gateway.enter(4, BID, 99, 7)
    gateway.enter(5, BID, 99, 2)
    gateway.replace(4, 99, 6)
    assert queue_of(gateway.displayed, BID, 99) == [5, 4]


def test_a_replace_may_trade_and_keeps_kind_and_display(offered):
    assert told(offered.replace(4, 101, 5)) == [
        (CANCELLED, 4, 99, 7, REPLACED),
        (FILLED, 1, 101, 4, 0),
        (FILLED, 3, 101, 1, 0),
    ]
    offered.enter(10, BID, 95, 4, kind=POST_ONLY)
    assert told(offered.replace(10, 101, 4)) == [(REJECTED, 10, 101, 4, WOULD_TAKE)]
    assert levels_of(offered.displayed, BID) == [(95, 4)]
    offered.enter(11, BID, 94, 9, display=3)
    offered.replace(11, 93, 20)
    offered.enter(12, BID, 92, 9, display=HIDE)
    offered.replace(12, 91, 8)
    assert levels_of(offered.displayed, BID) == [(95, 4), (93, 3)]
    assert levels_of(offered.hidden, BID) == [(91, 8)]


@pytest.mark.parametrize(
    ("rule", "reports", "left"),
    [
        (SelfTrade.ALLOW, [(FILLED, 1, 101, 4, 0), (FILLED, 2, 101, 2, 0)], [(101, 1)]),
        (SelfTrade.CANCEL_NEWEST, [(CANCELLED, 9, 101, 6, SELF_TRADE)], [(101, 7)]),
        (
            SelfTrade.CANCEL_OLDEST,
            [(CANCELLED, 1, 101, 4, SELF_TRADE), (FILLED, 2, 101, 3, 0), (RESTED, 9, 101, 3, 3)],
            [],
        ),
        (
            SelfTrade.DECREMENT,
            [(CANCELLED, 1, 101, 4, SELF_TRADE), (REDUCED, 9, 101, 4, SELF_TRADE), (FILLED, 2, 101, 2, 0)],
            [(101, 1)],
        ),
    ],
)
def test_an_account_does_not_trade_with_itself(rule, reports, left):
    gateway = venue(self_trade=rule)
    gateway.enter(1, ASK, 101, 4, account=2)
    gateway.enter(2, ASK, 101, 3, account=1)
    assert told(gateway.enter(9, BID, 101, 6, account=2)) == reports
    assert levels_of(gateway.displayed, ASK) == left


def test_a_decrement_by_a_smaller_order_leaves_the_rest_of_the_larger_one_in_its_place():
    gateway = venue(self_trade=SelfTrade.DECREMENT)
    gateway.enter(1, ASK, 101, 9, account=2, display=4)
    assert told(gateway.enter(9, BID, 101, 3, account=2)) == [
        (REDUCED, 1, 101, 3, SELF_TRADE),
        (CANCELLED, 9, 101, 3, SELF_TRADE),
    ]
    assert levels_of(gateway.displayed, ASK) == [(101, 4)]
    assert told(gateway.cancel(1, account=2)) == [(CANCELLED, 1, 101, 6, BY_USER)]


def test_the_public_may_trade_with_itself(offered):
    assert told(offered.enter(9, BID, 101, 1)) == [(FILLED, 1, 101, 1, 0)]


def test_position_and_cash_follow_the_fills():
    gateway = venue()
    gateway.enter(1, ASK, 101, 4, account=2)
    gateway.enter(9, BID, 105, 3, account=1)
    assert gateway.venue.position.tolist() == [0, 3, -3, 0]
    assert gateway.venue.cash.tolist() == [0, -303, 303, 0]


@pytest.mark.parametrize(
    "changes",
    [{"size": 0}, {"size": 1 << 41}, {"price": 0}, {"side": 2}, {"display": -2}, {"kind": 7}, {"kind": -1}],
)
def test_an_order_that_makes_no_sense_is_rejected(offered, changes):
    order = {"side": BID, "price": 100, "size": 1} | changes
    (report,) = told(offered.enter(9, **order))
    assert (report[0], report[-1]) == (REJECTED, INVALID)
    assert levels_of(offered.displayed, BID) == [(99, 7)]


def test_ids_that_live_already_or_belong_to_nobody_or_to_others_are_rejected(offered):
    offered.enter(7, BID, 98, 1, display=HIDE)
    assert told(offered.enter(1, BID, 90, 1)) == [(REJECTED, 1, 90, 1, DUPLICATE_ORDER)]
    assert told(offered.enter(7, BID, 90, 1)) == [(REJECTED, 7, 90, 1, DUPLICATE_ORDER)]
    assert told(offered.cancel(77)) == [(REJECTED, 77, 0, 0, UNKNOWN_ORDER)]
    assert told(offered.cancel(1, account=1)) == [(REJECTED, 1, 0, 0, UNKNOWN_ORDER)]
    assert told(offered.replace(1, 103, 2, account=1)) == [(REJECTED, 1, 103, 2, UNKNOWN_ORDER)]
    assert told(offered.replace(1, 103, 0)) == [(REJECTED, 1, 103, 0, INVALID)]
    assert levels_of(offered.displayed, ASK) == [(101, 9), (102, 6)]


def state_of(gateway):
    arrays = [a.copy() for part in gateway.venue for a in (part if isinstance(part, tuple) else [part])]
    return [a.tolist() for a in arrays]


def test_an_order_without_a_free_slot_is_an_error_that_changes_nothing():
    gateway = OrderGateway(VenueRules(), max_orders=2)
    gateway.enter(1, ASK, 101, 4)
    gateway.enter(2, BID, 99, 4)
    before = state_of(gateway)
    with pytest.raises(T2TError, match="max_orders=2"):
        gateway.enter(3, BID, 101, 9)
    assert state_of(gateway) == before
    assert told(gateway.enter(3, BID, 101, 9, kind=IOC))[0] == (FILLED, 1, 101, 4, 0)
    assert told(gateway.enter(4, BID, 98, 9, display=HIDE)) == [(RESTED, 4, 98, 9, 0)]


def test_more_reports_than_there_is_room_for_are_an_error_that_changes_nothing():
    gateway = OrderGateway(VenueRules(), max_reports=12)
    for order_id in range(6):
        gateway.enter(order_id, ASK, 101, 50)
    before = state_of(gateway)
    with pytest.raises(T2TError, match="max_reports=12"):
        gateway.enter(9, BID, 102, 300)
    assert state_of(gateway) == before
    gateway.cancel(0)
    assert len(gateway.enter(9, BID, 102, 300)) == 6
    gateway.enter(1, ASK, 110, 100, display=1)
    before = state_of(gateway)
    with pytest.raises(T2TError, match="max_reports"):
        gateway.enter(10, BID, 110, 120, kind=IOC)
    with pytest.raises(T2TError, match="max_reports"):
        gateway.replace(9, 110, 120)
    assert state_of(gateway) == before


def test_cancelled_own_orders_count_as_reports_however_small_the_order_that_meets_them_is():
    gateway = OrderGateway(VenueRules(self_trade=SelfTrade.CANCEL_OLDEST), max_reports=8)
    for order_id in range(9):
        gateway.enter(order_id, ASK, 101, 5, account=1)
    before = state_of(gateway)
    with pytest.raises(T2TError, match="max_reports=8"):
        gateway.enter(99, BID, 101, 1, account=1)
    assert state_of(gateway) == before


def test_an_account_that_is_not_there_is_an_error():
    with pytest.raises(T2TError, match="max_accounts=4"):
        venue().enter(1, BID, 99, 1, account=4)


def test_a_stream_longer_than_the_report_table_is_reported_whole_and_an_interrupted_one_up_to_where_it_stopped():
    orders = np.array([[LIMIT, i, 0, i % 2, 100, 1, 0, i] for i in range(50)])
    gateway = OrderGateway(VenueRules(), max_reports=4)
    reports = gateway.process(orders)
    assert (reports[:, R_WHAT] == FILLED).sum() == (reports[:, R_WHAT] == RESTED).sum() == 25
    orders[30, 2] = 99
    gateway = OrderGateway(VenueRules(), max_reports=4)
    with pytest.raises(T2TError, match="message 30 of 50"):
        gateway.process(orders)
    assert np.array_equal(gateway.interrupted, reports[:30])
    assert told(gateway.process(np.array([[CANCEL, 0, 0, 0, 0, 0, 0, 0]]))) == [(REJECTED, 0, 0, 0, UNKNOWN_ORDER)]


@pytest.mark.parametrize("messages", [np.zeros((2, 7), np.int64), np.zeros((2, 8)), np.zeros(8, np.int64)])
def test_messages_of_another_layout_are_refused(messages):
    with pytest.raises(StudyError, match="messages"):
        venue().process(messages)


def test_rules_and_sizes_out_of_range_are_refused():
    with pytest.raises(StudyError, match="increment_ticks"):
        VenueRules(increment_ticks=0)
    for name in ("max_orders", "max_accounts", "max_reports"):
        with pytest.raises(StudyError, match=name):
            OrderGateway(VenueRules(), **{name: 0})
