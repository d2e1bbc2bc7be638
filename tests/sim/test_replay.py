"""Replaying event tables, on small cases and against real books."""

import csv
import gzip
import importlib.util
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from feeds.errors import InsufficientDataError
from sim.fast_replay_l3 import OrderReplay
from sim.reference_book import ASK, BID, ReferenceBook
from sim.replay import BOOK_COLUMNS, with_book
from tests.sim.test_book import twin_apply
from tests.support.raw_events import MS, START_NS, order, random_orders, raw_frame, trade
from tests.support.replay_columns import book_columns


def test_each_row_carries_the_book_after_it():
    frame, stats = with_book(
        raw_frame(
            order("A", 1, "B", 99, 5),
            order("A", 2, "A", 101, 7),
            order("A", 3, "B", 98, 2),
            order("C", 1, "B", 99, 0),
        )
    )
    assert frame.select(BOOK_COLUMNS).rows() == [
        (99, 5, 0, 0, 5, 0),
        (99, 5, 101, 7, 5, 7),
        (99, 5, 101, 7, 7, 7),
        (98, 2, 101, 7, 2, 7),
    ]
    assert (stats.rows, stats.one_sided_rows, stats.most_orders) == (4, 1, 3)


def test_unknown_ids_are_counted_and_their_rows_kept():
    frame, stats = with_book(raw_frame(order("A", 1, "B", 99, 5), order("C", 9, "B", 99, 1)))
    assert frame.height == 2
    assert stats.unknown_ids == 1


def test_an_aggressive_order_never_crosses_the_displayed_book():
    frame, stats = with_book(
        raw_frame(
            order("A", 1, "A", 101, 5),
            order("A", 2, "B", 99, 5),
            order("A", 3, "B", 105, 8),
            order("M", 3, "B", 101, 3),
            order("C", 1, "A", 101, 5),
        )
    )
    assert frame["bid_px"].to_list() == [0, 99, 99, 99, 105]
    assert (stats.pending_orders, stats.pending_at_end, stats.crossed_rows) == (1, 0, 0)
    assert stats.longest_pending_ns == MS


def test_the_rows_and_all_other_columns_stay_as_they_are():
    raw = random_orders(5)
    frame, _ = with_book(raw)
    assert frame.drop(BOOK_COLUMNS).equals(raw.drop(BOOK_COLUMNS))
    assert frame.schema == raw.schema


def test_an_empty_table_gives_an_empty_table():
    frame, stats = with_book(random_orders(0).clear())
    assert (frame.height, stats.rows) == (0, 0)


def test_depth_over_no_levels_is_refused():
    with pytest.raises(InsufficientDataError, match="0 levels"):
        with_book(random_orders(0), levels=0)


@pytest.mark.parametrize(("seed", "levels"), [(11, 1), (12, 3), (13, 10)])
def test_the_columns_equal_those_of_the_plain_twin(seed, levels):
    raw = random_orders(seed, events=1_200)
    frame, stats = with_book(raw, levels)
    twin, expected = ReferenceBook(), []
    for row in raw.to_dicts():
        twin_apply(twin, row)
        sides = [twin.levels(side) for side in (BID, ASK)]
        best = [pair for side in sides for pair in (side[0] if side else (0, 0),)]
        depths = [sum(size for _, size in side[:levels]) for side in sides]
        expected.append((*best[0], *best[1], *depths))
    assert frame.select(BOOK_COLUMNS).rows() == expected
    assert (stats.unknown_ids, stats.duplicate_ids) == (twin.unknown_ids, twin.duplicate_ids)
    assert (stats.pending_orders, stats.evicted_orders) == (twin.ever_pending, twin.evicted)
    assert stats.crossed_rows == 0


@pytest.mark.parametrize(("seed", "levels"), [(3, 1), (4, 2), (5, 5)])
def test_columns_and_statistics_equal_those_of_the_general_book(seed, levels):
    raw = random_orders(seed, events=4_000, ids=400, width=20)
    frame, stats = with_book(raw, levels)
    columns, expected = book_columns(raw, levels)
    np.testing.assert_array_equal(frame.select(BOOK_COLUMNS).to_numpy(), columns.T)
    assert stats == expected
    assert min(stats.pending_orders, stats.longest_pending_ns, stats.evicted_orders, stats.one_sided_rows) > 0


def test_blocks_of_any_length_give_the_depths_of_the_whole_table():
    raw = random_orders(6, events=2_000, width=300)
    columns, _ = book_columns(raw, levels=4)
    replay = OrderReplay()
    parts = [replay.book_columns(part, levels=4) for part in raw.iter_slices(171)]
    np.testing.assert_array_equal(np.concatenate([depths for _, depths in parts]), columns[4:].T)


def test_cutting_the_future_changes_nothing():
    raw = random_orders(21)
    whole, _ = with_book(raw)
    half, _ = with_book(raw.head(900))
    assert half.equals(whole.head(900))


@pytest.mark.shared_data
def test_messages_rebuild_the_book_their_exchange_states(shared_data):
    """50 levels of a real book beside their messages: the best ten levels must follow exactly."""
    folder = shared_data / "lobster" / "MSFT_50"
    messages = _integers(next(folder.glob("*message*")), first_column=1)
    books = _integers(next(folder.glob("*orderbook*")))
    raw = raw_frame(*_seed_orders(books[0]), *_known_orders(messages, books[0]))
    frame, stats = with_book(raw, levels=10)
    replayed = frame.tail(len(messages) - 1)
    book = books[1:]
    expected = {
        "ask_px": book[:, 0],
        "ask_sz": book[:, 1],
        "bid_px": book[:, 2],
        "bid_sz": book[:, 3],
        "ask_depth": book[:, 1:40:4].sum(axis=1),
        "bid_depth": book[:, 3:40:4].sum(axis=1),
    }
    for name, values in expected.items():
        np.testing.assert_array_equal(replayed[name].to_numpy(), values, err_msg=name)
    assert (stats.unknown_ids, stats.evicted_orders, stats.pending_orders) == (0, 0, 0)


def _integers(path, first_column=0):
    with path.open() as handle:
        return np.array([[int(x) for x in row[first_column:]] for row in csv.reader(handle)])


def _seed_orders(book):
    """One order per level of the first book row, its id the negative price."""
    for level in range(50):
        ask, ask_size, bid, bid_size = book[4 * level : 4 * level + 4]
        yield order("A", -int(ask), "A", int(ask), int(ask_size), ts_event=START_NS)
        yield order("A", -int(bid), "B", int(bid), int(bid_size), ts_event=START_NS)


def _known_orders(messages, first_book):
    """Messages after the first; an order that stood before belongs to its level's seed."""
    added = set()
    kinds = {1: "A", 2: "C", 3: "C", 4: "F"}
    for i, (kind, order_id, size, price, direction) in enumerate(messages[1:].tolist()):
        if kind == 1:
            added.add(order_id)
        known = order_id if order_id in added else -price
        side = "B" if direction == 1 else "A"
        stamp = START_NS + (i + 1) * MS
        if kind in kinds:
            yield order(kinds[kind], known, side, price, size, ts_event=stamp)
        else:
            yield trade(price, size, "A" if side == "B" else "B", ts_event=stamp)


BITSTAMP = importlib.util.find_spec("ob_analytics")


@pytest.mark.skipif(BITSTAMP is None, reason="the package with the Bitstamp capture is not installed")
def test_a_real_capture_gives_a_tight_book_that_agrees_with_its_trades():
    folder = Path(BITSTAMP.submodule_search_locations[0]) / "_sample_data"
    frame, stats = with_book(_bitstamp(folder))
    live = frame.filter(pl.col("flags") == 0)
    spread = live["ask_px"] - live["bid_px"]
    assert spread.min() > 0
    assert (spread <= 5).mean() > 0.98
    trades = live.filter(pl.col("action") == "T")
    assert trades.height == 284
    inside = (trades["price"] >= trades["bid_px"]) & (trades["price"] <= trades["ask_px"])
    assert inside.mean() > 0.95
    assert stats.crossed_rows == stats.pending_at_end == 0
    assert stats.unknown_ids < 200


def _bitstamp(folder):
    with gzip.open(folder / "orders.csv.gz") as handle:
        orders = pl.read_csv(handle.read())
    names = {"created": "A", "changed": "M", "deleted": "C"}
    sides = {"bid": "B", "ask": "A", "buy": "B", "sell": "A"}
    # 6512 rows of opening snapshot and 6518 of closing; prices of 0 and 999999999 mark market orders.
    orders = orders.with_row_index("row").filter(pl.col("row") < orders.height - 6518)
    unpriced = orders.filter(~pl.col("price").is_between(1, 999_999_998))["id"].implode()
    orders = orders.filter(~pl.col("id").is_in(unpriced)).select(
        "timestamp",
        "exchange_timestamp",
        pl.col("action").replace_strict(names),
        pl.col("direction").replace_strict(sides).alias("side"),
        pl.col("id").alias("order_id"),
        pl.col("price").round().cast(pl.Int64),
        (pl.col("volume") * 1e8).round().cast(pl.Int64).alias("size"),
        (pl.col("row") < 6512).cast(pl.UInt8).alias("flags"),
    )
    trades = pl.read_csv(folder / "trades.csv").select(
        "timestamp",
        "exchange_timestamp",
        pl.lit("T").alias("action"),
        pl.col("side").replace_strict(sides),
        pl.lit(0, pl.Int64).alias("order_id"),
        pl.col("price").round().cast(pl.Int64),
        (pl.col("amount") * 1e8).round().cast(pl.Int64).alias("size"),
        pl.lit(0, pl.UInt8).alias("flags"),
    )
    both = pl.concat([frame.with_columns(due=pl.col("timestamp").cum_max()) for frame in (orders, trades)])
    ordered = both.sort("due", maintain_order=True).with_columns(
        ts_event=pl.col("exchange_timestamp") * MS, ts_recv=pl.col("timestamp") * MS
    )
    return _complete(ordered)


def _complete(frame):
    from feeds.schema import conform

    template = raw_frame(trade(1))
    constant = [name for name in template.columns if name not in frame.columns]
    values = template.row(0, named=True)
    return conform(frame.with_columns(pl.lit(values[name]).alias(name) for name in constant), "raw_ticks")
