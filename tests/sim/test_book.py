"""The numba book against small cases and against its plain twin."""

import pytest

from sim.book import add, best_price, best_size, cancel, clear, depth, fill, modify, trade_through
from sim.book_state import (
    ASK,
    BID,
    BOOK_FULL,
    DUPLICATE_ID,
    EVICTED_ORDERS,
    FREE_SLOTS,
    LEVELS,
    OK,
    PENDING_ORDERS,
    UNKNOWN_ID,
    UNKNOWN_IDS,
    new_book,
)
from sim.order_index import EMPTY
from sim.reference_book import ReferenceBook
from sim.replay import apply
from tests.support.raw_events import random_orders


def levels_of(book, side):
    """Displayed ``(price, lots)``, best first."""
    sign = 1 if side == BID else -1
    count = book.counters[LEVELS + side]
    return [(int(sign * book.level_key[side, i]), int(book.level_size[side, i])) for i in reversed(range(count))]


def queue_of(book, side, price):
    key = price if side == BID else -price
    for i in range(book.counters[LEVELS + side]):
        if book.level_key[side, i] == key:
            ids, slot = [], book.level_head[side, i]
            while slot != EMPTY:
                ids.append(int(book.order_id[slot]))
                slot = book.order_next[slot]
            return ids
    return []


@pytest.fixture
def book():
    book = new_book(max_orders=8)
    add(book, 1, BID, 99, 5, 10)
    add(book, 2, BID, 99, 7, 11)
    add(book, 3, ASK, 101, 4, 12)
    return book


def test_orders_at_one_price_queue_by_time(book):
    assert queue_of(book, BID, 99) == [1, 2]
    assert (best_price(book, BID), best_size(book, BID)) == (99, 12)
    assert (best_price(book, ASK), best_size(book, ASK)) == (101, 4)


def test_an_empty_side_has_price_and_size_zero():
    book = new_book(2)
    assert (best_price(book, ASK), best_size(book, ASK), depth(book, ASK, 5)) == (0, 0, 0)


def test_depth_sums_occupied_levels_only(book):
    add(book, 4, BID, 90, 3, 13)
    add(book, 5, BID, 80, 100, 14)
    assert [depth(book, BID, n) for n in (1, 2, 3, 9)] == [12, 15, 115, 115]


def test_a_smaller_size_keeps_the_place_in_the_queue_and_a_larger_one_loses_it(book):
    modify(book, 1, 99, 2, 20)
    assert queue_of(book, BID, 99) == [1, 2]
    modify(book, 1, 99, 3, 21)
    assert queue_of(book, BID, 99) == [2, 1]
    assert best_size(book, BID) == 10


def test_a_new_price_moves_the_order(book):
    modify(book, 1, 100, 5, 20)
    assert levels_of(book, BID) == [(100, 5), (99, 7)]


def test_partial_and_whole_removal(book):
    assert fill(book, 1, 2) == OK
    assert best_size(book, BID) == 10
    assert cancel(book, 1, 3) == OK
    assert queue_of(book, BID, 99) == [2]
    assert cancel(book, 2, 0) == OK
    assert best_price(book, BID) == 0


def test_changes_to_unknown_ids_are_counted_and_change_nothing(book):
    before = levels_of(book, BID), levels_of(book, ASK)
    assert [cancel(book, 77, 1), modify(book, 77, 1, 1, 1), fill(book, 77, 1)] == [UNKNOWN_ID] * 3
    assert book.counters[UNKNOWN_IDS] == 3
    assert (levels_of(book, BID), levels_of(book, ASK)) == before


def test_an_id_that_is_live_cannot_be_added_again(book):
    assert add(book, 1, ASK, 150, 1, 20) == DUPLICATE_ID
    assert levels_of(book, ASK) == [(101, 4)]


def test_a_full_book_refuses_orders_and_takes_them_again_after_a_removal():
    book = new_book(1)
    assert add(book, 1, BID, 5, 1, 0) == OK
    assert add(book, 2, BID, 5, 1, 0) == BOOK_FULL
    cancel(book, 1, 0)
    assert add(book, 2, BID, 6, 1, 0) == OK
    assert levels_of(book, BID) == [(6, 1)]


def test_an_aggressive_order_is_not_displayed_and_its_fills_change_its_size_only(book):
    add(book, 4, BID, 103, 9, 20)
    modify(book, 4, 101, 5, 20)  # the price of a fill, not a new limit
    assert (best_price(book, BID), best_price(book, ASK)) == (99, 101)
    cancel(book, 3, 0)
    assert levels_of(book, BID) == [(103, 5), (99, 12)]
    assert book.counters[PENDING_ORDERS] == 0


def test_an_aggressive_order_that_is_deleted_never_shows(book):
    add(book, 4, BID, 101, 9, 20)
    cancel(book, 4, 0)
    cancel(book, 3, 0)
    assert levels_of(book, BID) == [(99, 12)]


def test_a_trade_removes_older_orders_it_would_have_met_first(book):
    add(book, 4, ASK, 105, 6, 30)
    add(book, 5, ASK, 102, 6, 50)
    assert trade_through(book, BID, 103, 40) == 1
    assert levels_of(book, ASK) == [(102, 6), (105, 6)]
    assert trade_through(book, BID, 102, 99) == 0
    assert book.counters[EVICTED_ORDERS] == 1


def test_three_orders_that_outlive_a_cross_remove_the_phantom_they_contradict():
    book = new_book(16)
    add(book, 1, ASK, 100, 5, 0)  # its deletion is lost
    add(book, 2, ASK, 110, 5, 0)
    for order_id in (3, 4, 5):
        add(book, order_id, BID, 101, 1, 10)
    added, traded, patience = "AMCFT".index("A"), "AMCFT".index("T"), 500_000_000
    apply(book, traded, 2, 0, 100, 1, 10)  # with the orders themselves: they may be what is traded
    apply(book, added, BID, 6, 90, 1, 10 + 2 * patience)
    assert best_price(book, ASK) == 100
    apply(book, traded, 2, 0, 100, 1, 20 + 2 * patience)
    apply(book, added, BID, 7, 90, 1, 19 + 3 * patience)
    assert best_price(book, ASK) == 100
    apply(book, added, BID, 8, 90, 1, 20 + 3 * patience)
    assert best_price(book, ASK) == 110
    assert levels_of(book, BID) == [(101, 3), (90, 3)]


def test_two_witnesses_are_not_enough():
    book = new_book(16)
    add(book, 1, ASK, 100, 5, 0)
    for order_id in (3, 4):
        add(book, order_id, BID, 101, 1, 10)
    apply(book, "AMCFT".index("T"), 2, 0, 100, 1, 20)
    apply(book, 0, BID, 7, 90, 1, 10**12)
    assert best_price(book, ASK) == 100


def test_clear_forgets_every_order(book):
    clear(book)
    assert levels_of(book, BID) == levels_of(book, ASK) == []
    assert book.counters[FREE_SLOTS] == 8
    assert add(book, 1, BID, 5, 1, 0) == OK


@pytest.mark.parametrize("seed", range(4))
def test_the_book_equals_its_plain_twin_after_every_random_event(seed):
    frame = random_orders(seed)
    book, twin = new_book(200), ReferenceBook()
    for row in frame.to_dicts():
        twin_apply(twin, row)
        action = "AMCFTRQH".index(row["action"])
        side = "BAN".index(row["side"])
        apply(book, action, side, row["order_id"], row["price"], row["size"], row["ts_event"])
        for s in (BID, ASK):
            assert levels_of(book, s) == twin.levels(s)
            for price, _ in twin.levels(s)[:2]:
                assert queue_of(book, s, price) == twin.queue(s, price)
    assert book.counters[UNKNOWN_IDS] == twin.unknown_ids > 0
    assert book.counters[EVICTED_ORDERS] == twin.evicted > 0
    assert book.free.size - book.counters[FREE_SLOTS] == len(twin.orders)


def twin_apply(twin, row):
    side, ts_ns = "BAN".index(row["side"]), row["ts_event"]
    match row["action"]:
        case "A":
            twin.add(row["order_id"], side, row["price"], row["size"], ts_ns)
        case "M":
            twin.modify(row["order_id"], row["price"], row["size"], ts_ns)
        case "C":
            twin.cancel(row["order_id"], row["size"])
        case "F":
            twin.fill(row["order_id"], row["size"])
        case "T":
            twin.trade_through(side, row["price"], ts_ns)
        case "R":
            twin.clear()
    if row["action"] in "FT":
        twin.note_trade(ts_ns)
    twin.evict_contradicted(ts_ns)
