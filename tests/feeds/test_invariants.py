"""Invariants: good days pass, each one fails on a day made to break it, and results read like those of suites."""

import dataclasses

import polars as pl
import pytest

from feeds.adapters.base import SourceProblem
from feeds.quality.invariants import INVARIANTS, INVARIANTS_TABLE, check_invariants, utc_text
from feeds.quality.run import ExpectationResult
from feeds.schema import FLAG_GAP
from tests.support.raw_events import MS, START_NS, order, quote, quote_day, raw_frame, trade

BOUNDS = (START_NS - 60_000 * MS, START_NS + 6 * 3_600_000 * MS)
STATED = {"bid_px": 100, "bid_sz": 50, "ask_px": 102, "ask_sz": 50, "bid_depth": 50, "ask_depth": 50}


def clean_of(raw):
    return raw.with_columns(
        pl.lit(price, pl.Int64).alias(name) for name, price in STATED.items()
    ).with_columns(price=pl.lit(101, pl.Int64))  # fmt: skip


def quiet_orders(*more):
    """A hundred orders come and go, two stay; then ``more``."""
    rows = [order("A", 1, "B", 100, 5), order("A", 2, "A", 102, 5)]
    for k in range(100):
        rows += [order("A", 10 + k, "B", 99, 1), order("C", 10 + k, "B", 99, 1)]
    return raw_frame(*rows, *more)


def stated_days(*more):
    return raw_frame(*(trade(101, **STATED) for _ in range(50)), *more)


def levels(*more):
    rows = []
    for k in range(50):
        rows += [quote("B", 100, 1 + k), quote("A", 102, 1)]
        rows += [
            {"action": "L", "side": "B", "price": 100, "size": 1 + k},
            {"action": "L", "side": "A", "price": 102, "size": 1},
        ]
    return raw_frame(*rows, *more)


def repeat(make, count):
    return [make(k) for k in range(count)]


SOUND = {"quotes": quote_day, "orders": quiet_orders, "stated": stated_days, "levels": levels}
BREAKS = {
    "stated_crossed": lambda: stated_days(trade(101, **{**STATED, "bid_px": 105})),
    "stated_locked": lambda: stated_days(*repeat(lambda k: trade(101, **{**STATED, "bid_px": 102}), 9)),
    "stated_mismatch": lambda: stated_days(*repeat(lambda k: order("F", 7, "A", 102, 2, **STATED), 2)),
    "built_crossed": lambda: quiet_orders(order("A", 3, "B", 103, 1), *repeat(lambda k: trade(101), 90)),
    "phantom_level": lambda: quiet_orders(
        *repeat(lambda k: order("A", 500 + k, "A", 103 + k, 1), 5),
        order("A", 600, "B", 120, 1),
        trade(101, ts_event=START_NS + 5_000 * MS),
    ),
    "quotes_crossed": lambda: raw_frame(*repeat(lambda k: quote("BA"[k % 2], 105 - k % 2, 1), 20)),
    "quotes_locked": lambda: raw_frame(*repeat(lambda k: quote("BA"[k % 2], 105, 1), 20)),
    "negative_depth": lambda: quiet_orders(order("C", 1, "B", 100, 6)),
    "other_side": lambda: quiet_orders(order("C", 1, "A", 100, 5)),
    "duplicate_id": lambda: quiet_orders(*repeat(lambda k: order("A", 1, "B", 98, 5), 5)),
    "cancel_unknown": lambda: quiet_orders(*repeat(lambda k: order("C", 900 + k, "B", 98, 5), 120)),
    "fill_unknown": lambda: quiet_orders(*repeat(lambda k: order("F", 900 + k, "B", 98, 5), 3)),
    "modify_unknown": lambda: quiet_orders(*repeat(lambda k: order("M", 900 + k, "B", 98, 5), 3)),
    "level_quote_mismatch": lambda: levels(
        *repeat(
            lambda k: {"action": "L", "side": "B", "price": 101, "size": 2 + k, "ts_event": START_NS + 5_000 * MS}, 90
        )
    ),
    "gap": lambda: quiet_orders(trade(101, flags=FLAG_GAP)),
    "ts_event_back": lambda: quiet_orders(*repeat(lambda k: trade(101, ts_event=START_NS - k * MS), 30)),
    "ts_event_back_by": lambda: quiet_orders(trade(101, ts_event=START_NS - 61_000 * MS)),
    "ts_recv_back": lambda: quiet_orders(*repeat(lambda k: trade(101, ts_recv=START_NS - k * MS), 9)),
    "burst_rows": lambda: raw_frame(*repeat(lambda k: trade(101, ts_event=START_NS), 10_001)),
    "silence": lambda: quiet_orders(trade(101, ts_event=START_NS + 700_000 * MS)),
    "stale": lambda: quiet_orders(
        *repeat(lambda k: trade(101, ts_event=START_NS + k * 60_000 * MS), 12),
    ),
    "problems": quiet_orders,
}
CLEAN_BREAKS = {
    "clean_crossed": {"bid_px": 103},
    "clean_locked": {"bid_px": 102},
    "trade_outside_book": {"price": 110},
    "sequence_back": {"sequence": 7},
}


def failed(result):
    return {item.column: item for item in result.results if not item.passed}


@pytest.mark.parametrize("kind", SOUND)
def test_a_sound_day_breaks_nothing(kind):
    raw = SOUND[kind]()
    result = check_invariants(raw, BOUNDS, (), clean_of(raw))
    assert result.passed and failed(result) == {}
    assert result.table == INVARIANTS_TABLE and len(result.results) == len(INVARIANTS)


@pytest.mark.parametrize("name", [item.name for item in INVARIANTS if item.table == "raw_ticks"])
def test_each_invariant_fails_on_a_day_made_to_break_it(name):
    problems = (SourceProblem("unknown_version", "byte 0", "version 9"),) if name == "problems" else ()
    result = check_invariants(BREAKS[name](), BOUNDS, problems)
    broken = failed(result)[name]
    declared = next(item for item in INVARIANTS if item.name == name)
    assert broken.blocking == (declared.severity == "blocking")
    assert result.passed == (not any(item.blocking for item in failed(result).values()))
    assert broken.examples


@pytest.mark.parametrize("name", CLEAN_BREAKS)
def test_each_invariant_of_clean_rows_fails_on_rows_made_to_break_it(name):
    raw = quote_day()
    damage = [pl.lit(value, pl.Int64).alias(column) for column, value in CLEAN_BREAKS[name].items()]
    assert name in failed(check_invariants(raw, BOUNDS, (), clean_of(raw).with_columns(damage)))


def test_every_invariant_has_a_day_that_breaks_it():
    assert {item.name for item in INVARIANTS} == set(BREAKS) | set(CLEAN_BREAKS)


def test_what_lies_at_the_limit_still_passes():
    limit = next(item.most for item in INVARIANTS if item.name == "silence")
    for extra_ms, passes in ((0, True), (1, False)):
        last = trade(101, ts_event=START_NS + int(limit * 1_000) * MS + extra_ms * MS)
        result = check_invariants(raw_frame(trade(101), last), BOUNDS)
        assert ("silence" not in failed(result)) == passes


def test_the_first_example_is_the_place():
    result = check_invariants(BREAKS["negative_depth"](), BOUNDS)
    found = failed(result)["negative_depth"]
    assert found.examples[0] == f"sequence 202 at {utc_text(START_NS + 202 * MS)}"
    assert found.rows_failed == 1


def test_results_have_the_fields_of_those_of_suites():
    result = check_invariants(quote_day(), BOUNDS)
    assert all(type(item) is ExpectationResult for item in result.results)
    assert {field.name for field in dataclasses.fields(ExpectationResult)} >= {"left_out", "examples", "rows_failed"}


def test_invariants_a_source_cannot_break_are_left_out_with_the_reason():
    tape = quote_day().filter(pl.col("action") == "T")
    said = {item.column: item.left_out for item in check_invariants(tape, BOUNDS).results}
    assert said["quotes_crossed"] == "the partition has no quotes"
    assert said["stale"] == "nothing in the partition makes a book"
    assert said["clean_crossed"] == "no clean rows were given"
    assert said["silence"] == "" and said["burst_rows"] == ""
    stated = {item.column: item.left_out for item in check_invariants(stated_days(), BOUNDS).results}
    assert "stated book" in stated["built_crossed"]


def test_an_empty_partition_is_no_error():
    assert check_invariants(raw_frame(), BOUNDS).passed


def test_stamps_are_written_to_the_nanosecond():
    assert utc_text(1_381_154_400_000_000_001) == "2013-10-07T14:00:00.000000001Z"
