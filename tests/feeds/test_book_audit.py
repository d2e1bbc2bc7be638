"""The audit kernel against its twin, and each counter on rows made to raise it."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.adapters.base import SourceProblem
from feeds.kernels.audit_books import COUNTERS, EXTREMES
from feeds.kernels.book_audit import audit_events
from feeds.quality.audit import Place, _kernel_input, audit_clean, audit_raw
from feeds.schema import FLAG_CLOSING, FLAG_GAP, FLAG_PARTIAL, FLAG_SNAPSHOT
from tests.support.book_audit_twin import Audit
from tests.support.raw_events import MS, START_NS, order, quote, random_orders, raw_frame, trade

ALL_DAY = (START_NS - 3_600_000 * MS, START_NS + 24 * 3_600_000 * MS)


def level(side, price, size, **more):
    return {"action": "L", "side": side, "price": price, "size": size, **more}


def by_kernel(raw, bounds=ALL_DAY):
    arrays, sizes = _kernel_input(raw)
    counts, extremes = audit_events(**arrays, **sizes, opened=bounds[0], closed=bounds[1])
    named = {name: counts[k].tolist() for k, name in enumerate(COUNTERS) if counts[k, :2].any()}
    return named, {name: extremes[k].tolist() for k, name in enumerate(EXTREMES) if extremes[k, 0]}


def by_twin(raw, bounds=ALL_DAY):
    twin = Audit(raw, bounds)
    return twin.counts, {name: found for name, found in twin.extremes.items() if found[0]}


def mixed_rows(seed: int, n: int = 300) -> pl.DataFrame:
    """Orders, levels, quotes, trades and clears over few prices and ids, with stamps that jump and flags."""
    rng = np.random.default_rng(seed)
    states = rng.random() < 0.5
    now, rows = START_NS, []
    for _ in range(n):
        now += int(rng.choice([0, 0, 1, 400, 1_500, -3], p=[0.3, 0.1, 0.3, 0.2, 0.08, 0.02])) * MS
        action = str(rng.choice(list("AMCFLQTR"), p=[0.25, 0.08, 0.12, 0.05, 0.25, 0.2, 0.04, 0.01]))
        flag = int(
            rng.choice([0, FLAG_SNAPSHOT, FLAG_CLOSING, FLAG_PARTIAL, FLAG_GAP], p=[0.84, 0.05, 0.02, 0.07, 0.02])
        )
        row = order(action, int(rng.integers(0, 25)), str(rng.choice(list("BAN"), p=[0.49, 0.49, 0.02])),
                    int(rng.integers(98, 104)), int(rng.integers(-1, 6)), ts_event=now, flags=flag)  # fmt: skip
        row["ts_recv"] = now + int(rng.integers(-2, 3)) * MS
        if states and rng.random() < 0.9:
            row |= {name: int(rng.integers(0, 3) + at) for name, at in
                    (("bid_px", 99), ("bid_sz", 0), ("ask_px", 101), ("ask_sz", 0))}  # fmt: skip
        rows.append(row)
    return raw_frame(*rows)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_kernel_counts_what_the_twin_counts(seed):
    raw = mixed_rows(seed)
    bounds = (START_NS + 5_000 * MS, START_NS + 60_000 * MS)
    assert by_kernel(raw, bounds) == by_twin(raw, bounds)


@pytest.mark.parametrize("seed", range(4))
def test_long_order_flows_agree_too(seed):
    raw = random_orders(seed, events=3_000)
    assert by_kernel(raw) == by_twin(raw)


def test_no_rows_give_no_findings():
    assert by_kernel(raw_frame()) == ({}, {})


CLEAN_BOOK = [order("A", 1, "B", 100, 5), order("A", 2, "A", 102, 5)]
STATED = {"bid_px": 100, "bid_sz": 5, "ask_px": 102, "ask_sz": 5}
PLANTS = {
    "stated_crossed": [trade(101, **{**STATED, "bid_px": 103})],
    "stated_locked": [trade(101, **{**STATED, "bid_px": 102})],
    "built_crossed": [*CLEAN_BOOK, order("A", 3, "B", 103, 1)],
    "built_locked": [*CLEAN_BOOK, order("A", 3, "B", 102, 1)],
    "quotes_crossed": [quote("B", 103, 1), quote("A", 102, 1)],
    "quotes_locked": [quote("B", 102, 1), quote("A", 102, 1)],
    "phantom_level": [*CLEAN_BOOK, order("A", 3, "B", 103, 1), trade(103, ts_event=START_NS + 1_100 * MS)],
    "negative_depth": [*CLEAN_BOOK, order("C", 1, "B", 100, 6)],
    "cancel_unknown": [*CLEAN_BOOK, order("C", 9, "B", 100, 1)],
    "fill_unknown": [*CLEAN_BOOK, order("F", 9, "B", 100, 1)],
    "modify_unknown": [*CLEAN_BOOK, order("M", 9, "B", 100, 1)],
    "duplicate_id": [*CLEAN_BOOK, order("A", 1, "B", 99, 1)],
    "other_side": [*CLEAN_BOOK, order("C", 1, "A", 100, 5)],
    "stated_mismatch": [trade(101, **STATED), order("F", 7, "A", 102, 2, **STATED)],
    "level_quote_mismatch": [level("B", 100, 1), quote("B", 101, 1), level("B", 100, 2)],
    "gap": [trade(101), trade(101, flags=FLAG_GAP)],
    "ts_event_back": [trade(101), trade(101, ts_event=START_NS - MS, ts_recv=START_NS + MS)],
    "ts_recv_back": [trade(101), trade(101, ts_event=START_NS + MS, ts_recv=START_NS - MS)],
}


@pytest.mark.parametrize("name", COUNTERS)
def test_each_counter_is_raised_by_the_fault_it_is_for_and_names_the_row(name):
    raw = raw_frame(*PLANTS[name])
    counts, _ = by_kernel(raw)
    assert counts[name][1:] == [1, raw.height - 1]


@pytest.mark.parametrize("name", COUNTERS)
def test_each_counter_stays_silent_without_its_fault(name):
    harmless = {
        "stated_mismatch": [trade(101, **STATED), order("F", 7, "A", 102, 2, **{**STATED, "ask_sz": 3})],
        "level_quote_mismatch": [quote("B", 100, 1), level("B", 100, 1), quote("B", 101, 1), level("B", 100, 2)],
        "negative_depth": [*CLEAN_BOOK, order("C", 1, "B", 100, 5)],
        "phantom_level": [*CLEAN_BOOK, order("A", 3, "B", 103, 1), trade(103, ts_event=START_NS + 900 * MS)],
    }.get(name, [*CLEAN_BOOK, order("C", 1, "B", 100, 5), quote("B", 99, 1), quote("A", 101, 1), trade(100)])
    counts, _ = by_kernel(raw_frame(*harmless))
    assert counts.get(name, [0, 0, -1])[1] == 0


@pytest.mark.parametrize(
    ("event", "after", "holds"),
    [
        (order("A", 7, "B", 101, 4), {"bid_px": 101, "bid_sz": 4}, True),
        (order("A", 7, "B", 101, 4), {"bid_px": 101, "bid_sz": 9}, False),
        (order("A", 7, "B", 100, 4), {"bid_sz": 9}, True),
        (order("A", 7, "B", 99, 4), {}, True),
        (order("A", 7, "B", 99, 4), {"bid_sz": 9}, False),
        (order("C", 7, "B", 99, 4), {}, True),
        (order("C", 7, "B", 100, 5), {"bid_px": 98, "bid_sz": 1}, True),
        (order("C", 7, "B", 100, 5), {"bid_px": 101, "bid_sz": 1}, False),
        (order("C", 7, "B", 100, 5), {"bid_px": 0, "bid_sz": 0}, True),
        (order("F", 7, "A", 103, 5), {}, False),
        (order("F", 7, "A", 102, 5), {"ask_px": 104, "ask_sz": 1}, True),
        (order("F", 7, "A", 102, 2), {"ask_sz": 3, "bid_sz": 4}, False),
        (trade(101), {}, True),
        (trade(101), {"bid_sz": 1}, False),
    ],
)
def test_the_stated_best_level_must_follow_from_the_message(event, after, holds):
    raw = raw_frame(trade(101, **STATED), {**event, **STATED, **after})
    counts, _ = by_kernel(raw)
    assert counts["stated_mismatch"][1] == (0 if holds else 1)


def test_a_quote_older_than_the_window_confirms_nothing():
    rows = [quote("B", 100, 1), quote("B", 101, 1, ts_event=START_NS + MS)]
    late = level("B", 100, 1, ts_event=START_NS + 1_100 * MS)
    assert by_kernel(raw_frame(*rows, late))[0]["level_quote_mismatch"][1] == 1
    soon = level("B", 100, 1, ts_event=START_NS + 900 * MS)
    assert by_kernel(raw_frame(*rows, soon))[0]["level_quote_mismatch"][1] == 0


def test_silence_and_a_standing_book_are_measured_inside_the_session_only():
    rows = [
        quote("B", 100, 1, ts_event=START_NS - 900_000 * MS),
        quote("B", 100, 1, ts_event=START_NS),
        trade(100, ts_event=START_NS + 5_000 * MS),
        trade(100, ts_event=START_NS + 7_000 * MS),
    ]
    found = audit_raw(raw_frame(*rows), (START_NS, START_NS + 3_600_000 * MS))
    assert found["silence"].largest == 5.0 and found["silence"].first == Place(2, START_NS + 5_000 * MS)
    assert found["stale"].largest == 7.0 and found["stale"].first == Place(3, START_NS + 7_000 * MS)


def test_a_burst_is_named_by_its_first_row():
    rows = [
        trade(100),
        *(trade(100, ts_event=START_NS + 9 * MS) for _ in range(4)),
        trade(100, ts_event=START_NS + 20 * MS),
    ]
    found = audit_raw(raw_frame(*rows), ALL_DAY)["burst_rows"]
    assert (found.largest, found.first) == (4.0, Place(1, START_NS + 9 * MS))


def test_problems_of_the_source_are_counted_and_quoted():
    lost = SourceProblem("sequence_gap", "packet 17", "3 messages missing")
    odd = SourceProblem("truncated_tail", "byte 9", "half a record")
    other = SourceProblem("unknown_version", "byte 0", "version 9")
    found = audit_raw(raw_frame(trade(100)), ALL_DAY, (lost, odd, other))
    assert found["gap"].wrong == 2 and "packet 17" in found["gap"].text
    assert found["problems"].wrong == 1 and "version 9" in found["problems"].text


def test_clean_rows_are_audited_for_crosses_locks_trades_outside_and_order():
    rows = [quote("B", 100, 1), trade(105), trade(100), quote("A", 1, 1)]
    book = {"bid_px": [100, 100, 103, 102], "ask_px": [102, 102, 102, 102]}
    frame = raw_frame(*rows).with_columns(pl.Series(name, values) for name, values in book.items())
    frame = frame.with_columns(sequence=pl.Series([0, 2, 1, 3]))
    found = audit_clean(frame)
    assert {name: (item.looked_at, item.wrong) for name, item in found.items()} == {
        "clean_crossed": (4, 1),
        "clean_locked": (4, 1),
        "trade_outside_book": (2, 1),
        "sequence_back": (3, 1),
    }
    assert found["trade_outside_book"].first.sequence == 2
