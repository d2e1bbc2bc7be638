"""The fast replay of order events against the book it has to equal, event for event."""

import importlib.util
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.adapters.bitstamp import Bitstamp
from feeds.cleaning import filter_rows
from feeds.errors import InsufficientDataError
from sim.fast_replay_l3 import (
    OrderReplay,
    counts_of,
    displayed_levels,
    order_columns,
    prepare_orders,
)
from sim.ladder_rows import CHUNK, NEVER_USED
from sim.reference_book import ASK, BID, ReferenceBook
from sim.replay import BOOK_COLUMNS, with_book
from tests.sim.test_book import twin_apply
from tests.support.raw_events import MS, START_NS, order, random_orders, raw_frame, trade
from tests.support.replay_columns import book_columns
from tests.support.tapes import fifo_tape


def check_against_the_book(rows, block=None):
    """Every row's book columns, and the counts; streamed in blocks, prepared and streamed at once."""
    columns, stats = book_columns(rows)
    booked, told = with_book(rows)
    np.testing.assert_array_equal(booked.select(BOOK_COLUMNS).to_numpy(), columns.T)
    assert told == stats
    expected = columns[:4].T
    streamed = OrderReplay()
    parts = [streamed.apply(part, tops=True) for part in rows.iter_slices(block or rows.height)]
    np.testing.assert_array_equal(np.concatenate(parts), expected)
    prepared = prepare_orders(rows)
    ladder = prepared.new_book()
    np.testing.assert_array_equal(prepared.replay(ladder, tops=True), expected)
    for counts in (streamed.counts(), counts_of(ladder)):
        assert counts.unknown_ids == stats.unknown_ids
        assert counts.duplicate_ids == stats.duplicate_ids
        assert counts.pending_orders == stats.pending_orders
        assert counts.evicted_orders == stats.evicted_orders
    for side in (BID, ASK):
        assert displayed_levels(ladder, prepared.places, side) == streamed.levels(side)
        for price, _ in streamed.levels(side)[:20]:
            assert prepared.queue(ladder, side, price, rows.height) == streamed.queue(side, price)
    return streamed, stats


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("block", [None, 37])
def test_a_wild_tape_gives_the_same_book_after_every_row(seed, block):
    rows = random_orders(seed, events=3_000)
    _, stats = check_against_the_book(rows, block)
    assert min(stats.unknown_ids, stats.duplicate_ids, stats.pending_orders, stats.evicted_orders) > 0


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 30), st.integers(1, 80))
@settings(max_examples=25, deadline=None)
def test_any_tape_gives_the_same_levels_and_queues_as_the_plain_twin(seed, ids, width, block):
    rows = random_orders(seed, events=250, ids=ids + 1, width=width)
    streamed, _ = check_against_the_book(rows, block)
    twin = ReferenceBook()
    for row in rows.to_dicts():
        twin_apply(twin, row)
    for side in (BID, ASK):
        assert streamed.levels(side) == twin.levels(side)
        for price, _ in twin.levels(side):
            assert streamed.queue(side, price) == twin.queue(side, price)
    assert streamed.live_orders == len(twin.orders)


def test_a_venues_day_longer_than_many_chunks_gives_the_same_book():
    rows = fifo_tape(3, events=3 * CHUNK)
    streamed, _ = check_against_the_book(rows, block=CHUNK + 1)
    assert len(streamed.levels(BID)) > 1


def test_prices_far_apart_and_far_below_zero_cost_no_memory():
    far = [-(2**55), -1, 0, 7, 2**40, 2**61]
    events = [order("A", k + 1, "B" if k < 3 else "A", price, 5) for k, price in enumerate(far)]
    replay = OrderReplay()
    replay.apply(raw_frame(*events))
    assert replay.levels(BID) == [(0, 5), (-1, 5), (-(2**55), 5)]
    assert replay.levels(ASK) == [(7, 5), (2**40, 5), (2**61, 5)]
    assert replay.ladder.levels.size <= 6 * 64


def test_prices_of_a_fine_unit_take_the_places_of_a_coarse_one():
    rows = random_orders(2, events=1_200)
    fine = rows.with_columns(price=pl.col("price") * 1_000_000)
    coarse, scaled = OrderReplay(), OrderReplay()
    tops = coarse.apply(rows, tops=True)
    tops[:, [0, 2]] *= 1_000_000
    np.testing.assert_array_equal(scaled.apply(fine, tops=True), tops)
    assert scaled.ladder.levels.size == coarse.ladder.levels.size


@pytest.mark.parametrize("block", [None, 83])
def test_a_price_off_the_unit_so_far_changes_nothing_but_the_places(block):
    rows = random_orders(5, events=1_500).with_columns(price=pl.col("price") * 100)
    half = pl.col("price") + pl.when(pl.col("sequence") > 700).then(50).otherwise(0)
    streamed, _ = check_against_the_book(rows.with_columns(price=half), block)
    assert streamed.places.unit == 50


def test_prices_that_come_later_between_others_leave_what_rests_in_place():
    replay = OrderReplay()
    for k, price in enumerate((1_000, 10_000, 5_000, 2_000)):
        replay.apply(raw_frame(order("A", k, "B", price, k + 1)))
        replay.apply(raw_frame(order("A", 10 + k, "A", 100_000 - price, k + 1)))
    assert replay.levels(BID) == [(10_000, 2), (5_000, 3), (2_000, 4), (1_000, 1)]
    assert replay.levels(ASK) == [(90_000, 2), (95_000, 3), (98_000, 4), (99_000, 1)]
    replay.apply(raw_frame(order("C", 1, "B", 10_000, 0), order("C", 11, "A", 90_000, 0)))
    assert (replay.levels(BID)[0], replay.levels(ASK)[0]) == ((5_000, 3), (95_000, 3))


def test_a_long_stream_needs_slots_for_the_live_orders_alone():
    replay = OrderReplay()
    size, live = 8 * CHUNK, 50
    for block in range(12):
        ids = np.arange(size // 2) + block * (size // 2)
        events = np.stack([ids, ids - live], axis=1).ravel()
        code = np.where(np.arange(size) % 2 == 0, 0, 2).astype(np.uint8)
        ones = np.ones(size, np.int64)
        columns = order_columns(raw_frame(trade(1)).clear())._replace(
            code=code, order_id=events, price=100 + events % 7, lots=ones, ts_ns=ones
        )
        replay.apply(columns)
    assert replay.live_orders == live
    assert replay.numbers.state[NEVER_USED] <= CHUNK + live
    assert sum(lots for _, lots in replay.levels(BID)) == live


def test_more_live_orders_than_the_first_arrays_hold_are_all_kept():
    n = 40_000
    events = raw_frame(*(order("A", k, "BA"[k % 2], 1_000 + (k % 2) * 10 - k % 5, 1) for k in range(n)))
    replay = OrderReplay()
    replay.apply(events)
    assert replay.live_orders == n
    assert sum(lots for side in (BID, ASK) for _, lots in replay.levels(side)) == n
    check_against_the_book(events)


def test_orders_evicted_or_cleared_give_their_slots_back():
    replay = OrderReplay()
    for day in range(4):
        start = START_NS + day * 10_000 * MS
        events = [order("A", k, "B", 100 - k % 9, 3, ts_event=start + k) for k in range(3_000)]
        replay.apply(raw_frame(*events, order("R", 0, "N", 0, 0, ts_event=start + 9_000)))
        assert (replay.live_orders, replay.levels(BID)) == (0, [])
    assert replay.numbers.state[NEVER_USED] <= 3_000 + CHUNK


def test_an_addition_without_a_side_is_refused():
    with pytest.raises(InsufficientDataError, match="1 additions without a side"):
        OrderReplay().apply(raw_frame(order("A", 1, "N", 100, 1)))


def test_an_empty_tape_gives_an_empty_book():
    rows = random_orders(0).clear()
    prepared = prepare_orders(rows)
    assert prepared.replay(prepared.new_book(), tops=True).shape == (0, 4)
    assert OrderReplay().apply(rows, tops=True).shape == (0, 4)


def test_a_replay_can_go_on_from_where_another_call_ended():
    rows = random_orders(9, events=1_500)
    prepared = prepare_orders(rows)
    whole, parts = prepared.new_book(), prepared.new_book()
    expected = prepared.replay(whole, tops=True)
    got = [prepared.replay(parts, first, after, tops=True) for first, after in ((0, 400), (400, 401), (401, 1_500))]
    np.testing.assert_array_equal(np.concatenate(got), expected)


BITSTAMP = importlib.util.find_spec("ob_analytics")


@pytest.mark.skipif(BITSTAMP is None, reason="the package with the Bitstamp capture is not installed")
def test_a_real_capture_gives_the_same_book_after_every_row():
    folder = Path(BITSTAMP.submodule_search_locations[0]) / "_sample_data"
    files = {"orders": folder / "orders.csv.gz", "trades": folder / "trades.csv", "meta": folder / "meta.json"}
    adapter = Bitstamp()
    info = adapter.sniff(files["orders"])
    spec = adapter.default_spec(info.instrument)
    raw = adapter.parse(files, spec, info.dates[0]).frame
    bounds = int(raw["ts_event"].min()), int(raw["ts_event"].max()) + 1
    _, stats = check_against_the_book(filter_rows(raw, spec, bounds)[0], block=50_000)
    assert stats.pending_orders > 0
