"""Suites for every kind of source: what cannot apply is left out and said to be, what is promised must be there."""

import polars as pl
import pytest

from feeds.quality.expectations import Expectation, between, when
from feeds.quality.run import run_suite
from feeds.quality.suites import SUITES, suite_for
from feeds.quality.traits import ABSENT, traits_of
from feeds.schema import FLAG_SNAPSHOT
from tests.support.raw_events import MS, START_NS, order, quote, quote_day, raw_frame, trade


def levels():
    rows = [
        {"action": "L", "side": "BA"[k % 2], "price": 1_000 + (k % 2), "size": k % 7, "order_id": 0} for k in range(300)
    ]
    return raw_frame(*rows, *(trade(1_000) for _ in range(30)))


def orders():
    return raw_frame(*(order("A", k + 1, "BA"[k % 2], 1_000 + (k % 2), 5) for k in range(300)))


def stated_without_ids():
    book = {"bid_px": 999, "bid_sz": 5, "ask_px": 1_001, "ask_sz": 5, "bid_depth": 5, "ask_depth": 5}
    return raw_frame(*(order("A", 0, "BA"[k % 2], 999 + 2 * (k % 2), 5, **book) for k in range(300)))


def two_clocks():
    return quote_day().with_columns(ts_recv=pl.col("ts_recv") + MS)


KINDS = {
    "trades only": (lambda: raw_frame(*(trade(1_000 + k % 2) for k in range(200))), {"has_trades"}),
    "quotes only": (lambda: quote_day().filter(pl.col("action") == "Q"), {"has_quotes", "has_book"}),
    "trades and quotes": (quote_day, {"has_trades", "has_quotes", "has_book"}),
    "two clocks": (two_clocks, {"has_trades", "has_quotes", "has_book", "two_clocks"}),
    "price levels": (levels, {"has_levels", "has_trades", "has_book"}),
    "orders": (orders, {"has_orders", "has_order_ids", "has_book"}),
    "a stated book without order ids": (stated_without_ids, {"has_orders", "has_stated_book", "has_book"}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_good_partition_of_any_kind_passes_with_the_traits_it_has(kind):
    make, traits = KINDS[kind]
    assert traits_of("raw_ticks", make()) == traits
    result = run_suite("raw_ticks", make())
    assert result.passed, [item for item in result.results if not item.passed]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_left_out_is_reported_with_its_reason_and_nothing_else_is(kind):
    make, traits = KINDS[kind]
    result = run_suite("raw_ticks", make())
    said = {item.expectation: item.left_out for item in result.results if item.left_out}
    wanting = {item.text: sorted(item.needs - traits) for item in SUITES["raw_ticks"] if item.needs - traits}
    assert set(wanting) <= set(said)
    assert all(ABSENT[missing[0]] in said[text] for text, missing in wanting.items())
    assert all(item.rows_checked == 0 and item.examples[0].startswith("left out: ") for item in result.results
               if item.left_out)  # fmt: skip
    assert all(item.rows_checked > 0 or item.column is None for item in result.results if not item.left_out)


def test_a_promised_trait_that_is_missing_fails():
    tape = quote_day().filter(pl.col("action") == "T")
    assert run_suite("raw_ticks", tape).passed
    result = run_suite("raw_ticks", tape, expected=frozenset({"has_quotes"}))
    assert not result.passed
    assert "has_quotes" in {item.column for item in result.results if not item.passed and item.blocking}
    assert run_suite("raw_ticks", quote_day(), expected=frozenset({"has_quotes", "has_trades"})).passed


@pytest.mark.parametrize(
    ("make", "column"),
    [
        (lambda: levels().with_columns(price=pl.lit(0, pl.Int64)), "level_price"),
        (lambda: levels().with_columns(size=pl.lit(-1, pl.Int64)), "level_size"),
        (lambda: orders().with_columns(order_id=pl.lit(0, pl.Int64)), "order_id_of_order"),
        (lambda: two_clocks().with_columns(ts_recv=pl.col("ts_recv") + 10**13), "recv_delay_ms"),
    ],
)
def test_what_a_kind_of_source_adds_can_fail(make, column):
    assert column in {item.column for item in run_suite("raw_ticks", make()).results if not item.passed}


def test_clean_rows_without_a_book_are_judged_on_their_trades():
    flat = quote_day().filter(pl.col("action") == "T").with_columns(
        available_at=pl.col("ts_recv"), trade_sign=pl.lit(1, pl.Int8),
        **dict.fromkeys(("bid_px", "bid_sz", "ask_px", "ask_sz", "bid_depth", "ask_depth"), pl.lit(0, pl.Int64)),
    )  # fmt: skip
    result = run_suite("clean_ticks", flat)
    assert result.passed
    by_column = {item.column: item for item in result.results}
    assert by_column["bid_px"].left_out == ABSENT["has_book"] and not by_column["trade_price"].left_out


def test_the_old_stamps_of_an_opening_snapshot_are_no_second_day():
    old = two_clocks().with_columns(
        ts_event=pl.when(pl.col("sequence") < 50).then(pl.col("ts_event") - 40 * 3_600_000 * MS).otherwise("ts_event")
    )
    assert {"hours_since_first", "recv_delay_ms"} <= {
        item.column for item in run_suite("raw_ticks", old).results if not item.passed
    }
    flagged = old.with_columns(flags=(pl.col("sequence") < 50).cast(pl.UInt8) * FLAG_SNAPSHOT)
    assert run_suite("raw_ticks", flagged).passed


def test_a_suite_is_parted_by_traits_and_keeps_its_order():
    applicable, left_out = suite_for("raw_ticks", frozenset({"has_trades"}))
    assert [item for item in SUITES["raw_ticks"] if item in applicable] == list(applicable)
    assert len(applicable) + len(left_out) == len(SUITES["raw_ticks"])
    assert all("has_trades" not in item.needs for item, _ in left_out)


def test_needs_add_up():
    (inner,) = when("has_book", *when("has_trades", between("x", 0)))
    assert inner == Expectation(inner.type, inner.kwargs, needs=frozenset({"has_book", "has_trades"}))


def test_a_table_without_traits_and_a_broken_frame_have_none():
    assert traits_of("bars", quote_day()) == frozenset()
    assert traits_of("raw_ticks", pl.DataFrame({"x": [1]})) == frozenset()
    assert "has_trades" in traits_of(
        "raw_ticks", raw_frame(trade(1, ts_event=START_NS), quote("B", 1, 1)).drop("bid_px")
    )
