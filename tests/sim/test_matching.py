"""Aggressive orders: small cases, and the book against its plain twin under random orders."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.book import add, best_price, cancel, depth
from sim.book_state import ASK, BID, LEVELS, new_book
from sim.matching import ANY_PRICE, execute, is_crossed, lots_ahead, reachable
from sim.reference_book import ReferenceBook
from tests.sim.test_book import levels_of, queue_of

SIDES = st.sampled_from([BID, ASK])
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), SIDES, st.integers(95, 105), st.integers(1, 9)),
        st.tuples(st.just("cancel"), st.integers(0, 60), st.integers(0, 9)),
        st.tuples(st.just("take"), SIDES, st.one_of(st.just(ANY_PRICE), st.integers(95, 105)), st.integers(1, 25)),
    ),
    max_size=60,
)


def taken(book, side, size, limit_price=ANY_PRICE, most=100):
    fills = np.zeros((most, 3), np.int64)
    return [tuple(row) for row in fills[: execute(book, side, size, limit_price, fills)].tolist()]


@pytest.fixture
def book():
    book = new_book(16)
    for order_id, price, size in ((1, 101, 4), (2, 102, 6), (3, 101, 5), (4, 104, 1)):
        add(book, order_id, ASK, price, size, order_id)
    add(book, 5, BID, 99, 7, 5)
    return book


def test_an_aggressive_order_takes_the_best_price_first_and_the_oldest_order_at_it(book):
    assert taken(book, BID, 11) == [(1, 101, 4), (3, 101, 5), (2, 102, 2)]
    assert levels_of(book, ASK) == [(102, 4), (104, 1)]
    assert levels_of(book, BID) == [(99, 7)]


def test_it_stops_at_its_limit_price(book):
    assert taken(book, BID, 99, limit_price=102)[-1] == (2, 102, 6)
    assert best_price(book, ASK) == 104
    assert taken(book, BID, 99, limit_price=103) == []


def test_it_stops_where_the_side_is_empty_and_leaves_nothing_behind(book):
    assert sum(lots for _, _, lots in taken(book, BID, 99)) == 16
    assert book.counters[LEVELS + ASK] == 0
    assert taken(book, BID, 1) == []


def test_it_stops_where_the_table_of_fills_is_full(book):
    assert taken(book, BID, 99, most=2) == [(1, 101, 4), (3, 101, 5)]


def test_an_order_that_is_taken_in_part_keeps_its_place(book):
    taken(book, BID, 2)
    assert queue_of(book, ASK, 101) == [1, 3]
    assert lots_ahead(book, 3) == 2
    assert lots_ahead(book, 77) == 0


@settings(max_examples=150, deadline=None)
@given(OPERATIONS)
def test_the_book_equals_its_plain_twin_and_keeps_its_promises(operations):
    book, twin = new_book(64), ReferenceBook()
    for i, (kind, *values) in enumerate(operations):
        if kind == "add":
            side, price, size = values
            add(book, i, side, price, size, i)
            twin.add(i, side, price, size, i)
        elif kind == "cancel":
            cancel(book, *values)
            twin.cancel(*values)
        else:
            side, limit_price, size = values
            before, possible = depth(book, 1 - side, 64), reachable(book, side, limit_price)
            pending = any(order.pending for order in twin.orders.values())
            fills = taken(book, side, size, limit_price)
            assert fills == twin.execute(side, size, limit_price)
            lots = sum(fill[2] for fill in fills)
            prices = [fill[1] for fill in fills]
            assert prices == sorted(prices, reverse=side == ASK)
            assert lots == min(size, possible)
            assert pending or depth(book, 1 - side, 64) == before - lots
        assert not is_crossed(book)
        for s in (BID, ASK):
            assert levels_of(book, s) == twin.levels(s)
            for price, _ in twin.levels(s):
                assert queue_of(book, s, price) == twin.queue(s, price)
