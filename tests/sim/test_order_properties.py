"""The venue against its plain twin on random streams, and what must hold whatever is sent to it."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.book_state import ASK, BID, EVER_PENDING, FREE_SLOTS
from sim.order_gateway import OrderGateway
from sim.order_types import (
    CANCEL,
    CANCELLED,
    FILLED,
    FOK,
    HIDE,
    IOC,
    LIMIT,
    M_ACCOUNT,
    M_ID,
    M_KIND,
    M_PRICE,
    M_SIDE,
    M_SIZE,
    MARKET,
    POST_ONLY,
    R_LOTS,
    R_ORDER,
    R_OTHER,
    R_PRICE,
    R_SIDE,
    R_TS,
    R_WHAT,
    REDUCED,
    REJECTED,
    REPLACE,
    RESTED,
    PostOnly,
    SelfTrade,
    VenueRules,
)
from sim.reference_orders import ReferenceVenue
from tests.sim.test_book import levels_of, queue_of

ACCOUNTS = 4
RULES = st.builds(
    VenueRules,
    self_trade=st.sampled_from(SelfTrade),
    post_only=st.sampled_from(PostOnly),
    increment_ticks=st.integers(1, 2),
    refresh_loses_place=st.booleans(),
    smaller_keeps_place=st.booleans(),
)
MESSAGES = st.lists(
    st.tuples(
        st.sampled_from([*[LIMIT] * 5, MARKET, IOC, FOK, POST_ONLY, CANCEL, REPLACE, REPLACE]),
        st.integers(0, 25),
        st.integers(0, ACCOUNTS - 1),
        st.sampled_from([BID, ASK]),
        st.integers(98, 102),
        st.integers(1, 15),
        st.sampled_from([0, 0, HIDE, 1, 2, 4]),
    ),
    min_size=5,
    max_size=60,
)


def random_messages(n, seed):
    """A stream in which most orders rest for a while and most requests find their order."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice(np.arange(REPLACE + 1), n, p=[0.42, 0.04, 0.06, 0.04, 0.08, 0.24, 0.12])
    ids = np.arange(n)
    asks_of = np.isin(kinds, (CANCEL, REPLACE))
    ids[asks_of] -= np.minimum(ids[asks_of], rng.geometric(0.05, asks_of.sum()))
    accounts = (ids * 7919 + (rng.random(n) < 0.03)) % ACCOUNTS
    side = rng.integers(0, 2, n)
    prices = 1000 + np.where(side == BID, -1, 1) * rng.integers(-2, 8, n)
    sizes = np.where(kinds == CANCEL, rng.integers(-5, 6, n), rng.integers(1, 20, n))
    display = rng.choice([0, 0, 0, 0, HIDE, 1, 3], n)
    return np.column_stack([kinds, ids, accounts, side, prices, sizes, display, np.arange(n)]).astype(np.int64)


def tell_twin(twin, message):
    kind, order_id, account, side, price, size, display = message[:7]
    if kind == CANCEL:
        twin.cancel(order_id, account, size)
    elif kind == REPLACE:
        twin.replace(order_id, account, price, size)
    else:
        twin.enter(kind, order_id, account, side, price, size, display)


def assert_same_state(gateway, twin):
    for hidden, book in ((False, gateway.displayed), (True, gateway.hidden)):
        for side in (BID, ASK):
            levels = twin.levels(side, hidden)
            assert levels_of(book, side) == levels
            for price, _ in levels:
                assert queue_of(book, side, price) == twin.queue(side, price, hidden)
        assert book.counters[EVER_PENDING] == 0
    live = sum(book.free.size - book.counters[FREE_SLOTS] for book in (gateway.displayed, gateway.hidden))
    assert live == len(twin.orders)
    assert gateway.venue.icebergs[0] == sum(order.display > 0 for order in twin.orders.values())
    accounts = range(gateway.venue.position.size)
    assert gateway.venue.position.tolist() == [twin.position[i] for i in accounts]
    assert gateway.venue.cash.tolist() == [twin.cash[i] for i in accounts]


def assert_not_crossed(gateway):
    bids, asks = (
        [price for book in (gateway.displayed, gateway.hidden) for price, _ in levels_of(book, side)]
        for side in (BID, ASK)
    )
    assert not bids or not asks or max(bids) < min(asks)


@settings(max_examples=200, deadline=None)
@given(RULES, MESSAGES)
def test_the_venue_equals_its_plain_twin_message_for_message(rules, messages):
    gateway = OrderGateway(rules, max_orders=64, max_accounts=ACCOUNTS, max_reports=512)
    twin = ReferenceVenue(rules)
    for at, message in enumerate(messages):
        twin.reports.clear()
        tell_twin(twin, message)
        reports = gateway.process(np.array([[*message, at]], np.int64))
        assert [tuple(row) for row in reports[:, :R_TS].tolist()] == twin.reports
        assert (reports[:, R_TS] == at).all()
        assert_same_state(gateway, twin)
        assert_not_crossed(gateway)


@pytest.mark.parametrize("number", range(8))
def test_a_long_stream_equals_its_plain_twin_and_meets_every_case(number):
    rule = SelfTrade(number % 4)
    rules = VenueRules(rule, PostOnly(number // 2 % 2), 1 + number % 2, number < 4, number in (0, 1, 6, 7))
    messages = random_messages(1000, seed=number)
    gateway = OrderGateway(rules, max_orders=2048, max_accounts=ACCOUNTS, max_reports=2000)
    twin = ReferenceVenue(rules)
    for message in messages.tolist():
        tell_twin(twin, message)
    reports = gateway.process(messages)
    assert [tuple(row) for row in reports[:, :R_TS].tolist()] == twin.reports
    assert_same_state(gateway, twin)
    met = Counter(zip(reports[:, R_WHAT].tolist(), reports[:, 6].tolist(), strict=True))
    assert {what for what, _ in met} == {0, 1, 2, 3, 4, 5}
    assert met[FILLED, 1] > 0  # hidden executions
    prevented = met[CANCELLED, 3] + met[REDUCED, 3]
    assert (prevented > 0) == (rule != SelfTrade.ALLOW)


@settings(max_examples=60, deadline=None)
@given(RULES, MESSAGES)
def test_every_lot_that_enters_is_filled_cancelled_or_rests(rules, messages):
    """Counted from messages and reports alone, without the twin."""
    gateway = OrderGateway(rules, max_orders=64, max_accounts=ACCOUNTS, max_reports=512)
    open_lots: Counter = Counter()
    for at, message in enumerate(messages):
        reports = gateway.process(np.array([[*message, at]], np.int64))
        rejected = (reports[:, R_WHAT] == REJECTED).any()
        replaced_in_place = message[M_KIND] == REPLACE and reports[0, R_WHAT] == REDUCED
        if message[M_KIND] != CANCEL and not rejected and not replaced_in_place:
            open_lots[message[M_ID]] += message[M_SIZE]
        for row in reports:
            if row[R_WHAT] in (FILLED, REDUCED, CANCELLED):
                open_lots[row[R_ORDER]] -= row[R_LOTS]
            if row[R_WHAT] == FILLED:
                open_lots[row[R_OTHER]] -= row[R_LOTS]
            if row[R_WHAT] == RESTED:
                assert open_lots[row[R_ORDER]] == row[R_LOTS]
        assert min(open_lots.values(), default=0) >= 0
    resting = sum(
        lots for book in (gateway.displayed, gateway.hidden) for s in (0, 1) for _, lots in levels_of(book, s)
    )
    assert sum(open_lots.values()) == resting + gateway.venue.reserve.sum()


@settings(max_examples=60, deadline=None)
@given(RULES, MESSAGES)
def test_positions_and_cash_are_the_sums_of_the_fills(rules, messages):
    gateway = OrderGateway(rules, max_orders=64, max_accounts=ACCOUNTS, max_reports=512)
    position, cash = np.zeros(ACCOUNTS, np.int64), np.zeros(ACCOUNTS, np.int64)
    owner = {}
    for at, message in enumerate(messages):
        reports = gateway.process(np.array([[*message, at]], np.int64))
        if message[M_KIND] < CANCEL and not (reports[:, R_WHAT] == REJECTED).any():
            owner[message[M_ID]] = message[M_ACCOUNT]
        for row in reports[reports[:, R_WHAT] == FILLED]:
            taker, maker = owner[row[R_OTHER]], owner[row[R_ORDER]]
            lots = row[R_LOTS] if row[R_SIDE] == BID else -row[R_LOTS]
            position[taker] += lots
            position[maker] -= lots
            cash[taker] -= lots * row[R_PRICE]
            cash[maker] += lots * row[R_PRICE]
            assert taker != maker or taker == 0 or rules.self_trade == SelfTrade.ALLOW
    assert gateway.venue.position.tolist() == position.tolist()
    assert gateway.venue.cash.tolist() == cash.tolist()
    assert position.sum() == cash.sum() == 0


@settings(max_examples=60, deadline=None)
@given(RULES, MESSAGES)
def test_no_order_trades_beyond_its_price_and_kinds_keep_their_word(rules, messages):
    gateway = OrderGateway(rules, max_orders=64, max_accounts=ACCOUNTS, max_reports=512)
    for at, message in enumerate(messages):
        reports = gateway.process(np.array([[*message, at]], np.int64))
        fills = reports[reports[:, R_WHAT] == FILLED]
        prices, kind = fills[:, R_PRICE].tolist(), message[M_KIND]
        if fills.size and kind < CANCEL:
            assert prices == sorted(prices, reverse=message[M_SIDE] == ASK)
            worst = prices[-1]
            reached = worst <= message[M_PRICE] if message[M_SIDE] == BID else worst >= message[M_PRICE]
            assert kind == MARKET or reached
        assert kind not in (CANCEL, POST_ONLY) or not fills.size
        assert kind != FOK or fills[:, R_LOTS].sum() in (0, message[M_SIZE])
        rests = (reports[:, R_WHAT] == RESTED).any()
        assert not rests or kind in (LIMIT, POST_ONLY, REPLACE)
