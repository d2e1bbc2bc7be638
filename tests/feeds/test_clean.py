"""Cleaning rules: every reason has a row that meets it, and no row is lost."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.cleaning import FILTER_REASONS, FINISH_REASONS, book_kind, filter_rows, finish, trade_signs
from feeds.instruments import InstrumentSpec
from feeds.nbbo import with_nbbo
from feeds.schema import (
    CLEAN_TICKS,
    FLAG_CLOSING,
    FLAG_SNAPSHOT,
    FLAG_SUSPICIOUS,
    RAW_TICKS,
    REJECTED_TICKS,
)
from sim.replay import with_book
from tests.support.raw_events import MS, START_NS, order, quote, quote_day, random_orders, raw_frame, trade

SPEC = InstrumentSpec(id="IBM.US", tick_size=0.0001, lot_size=1)
COIN = InstrumentSpec(id="BTCUSD.BITSTAMP", tick_size=1.0, lot_size=1e-8)
BOUNDS = (START_NS, START_NS + 3_600_000 * MS)
BOOK = {"bid_px": 100, "bid_sz": 5, "ask_px": 102, "ask_sz": 5, "bid_depth": 9, "ask_depth": 9}


def reasons_of(frame, spec=SPEC, bounds=BOUNDS):
    """Reason per sequence number after the first step, None where kept."""
    kept, rejected = filter_rows(frame, spec, bounds)
    found = dict.fromkeys(kept["sequence"].to_list())
    found.update(rejected.select("sequence", "reason").rows())
    return [found[i] for i in range(frame.height)]


def finish_reason(**row):
    _, rejected = finish(raw_frame({**trade(101, side="B"), **BOOK, **row}), BOUNDS)
    return rejected["reason"].to_list()


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (trade(100, flags=FLAG_SUSPICIOUS), "suspicious"),
        (order("C", 1, "B", 100, 5, flags=FLAG_CLOSING), "closing_snapshot"),
        (trade(0), "non_positive_price"),
        (quote("B", -5, 100), "non_positive_price"),
        (order("M", 9, "B", 0, 5), "non_positive_price"),
        (trade(100, size=0), "non_positive_size"),
        (order("A", 9, "B", 100, -1), "non_positive_size"),
        (order("A", 7, "B", 100, 5), "duplicate_event"),
        (trade(100, condition=0x20100200), "ineligible_sale_condition"),
        (trade(100, ts_event=BOUNDS[1]), "outside_session"),
        (order("A", 8, "A", 0, 5), "unpriced_order"),
    ],
)
def test_a_bad_row_is_rejected_with_its_reason_and_its_neighbours_stay(bad, reason):
    frame = raw_frame(order("A", 7, "B", 100, 5), bad, trade(100))
    assert reasons_of(frame) == [None, reason, None]
    assert reason in FILTER_REASONS | FINISH_REASONS


@pytest.mark.parametrize("condition", [0x1, 0x20, 0x20000020, 0x20000001, 0x2000])
def test_regular_sweep_and_extended_hours_prints_are_eligible(condition):
    assert reasons_of(raw_frame(trade(100, condition=condition))) == [None]


@pytest.mark.parametrize(
    "bit", [0x2, 0x4, 0x8, 0x200, 0x800, 0x4000, 0x40000, 0x100000, 0x2000000, 0x1000000, 0x4000000]
)
def test_each_ineligible_sale_condition_is_rejected_alone(bit):
    assert reasons_of(raw_frame(trade(100, condition=bit))) == ["ineligible_sale_condition"]


def test_a_withdrawn_quote_without_price_is_no_error():
    assert reasons_of(raw_frame(quote("B", 0, 0))) == [None]


def test_a_cancel_needs_neither_price_nor_size():
    assert reasons_of(raw_frame(order("A", 1, "B", 100, 5), order("C", 1, "B", 0, 0))) == [None, None]


def test_a_market_order_goes_with_all_that_happens_to_it_but_not_with_what_happened_before():
    frame = raw_frame(
        order("M", 4, "B", 100, 5),
        order("A", 4, "B", 999_999_999, 5),
        order("M", 4, "B", 100, 2),
        order("C", 4, "B", 100, 0),
        order("A", 5, "B", 999_999_998, 5),
        trade(100),
    )
    expected = [None, "unpriced_order", "unpriced_order", "unpriced_order", None, None]
    assert reasons_of(frame, COIN) == expected


def test_equal_trades_are_two_trades():
    twice = trade(100, ts_event=START_NS)
    assert reasons_of(raw_frame(twice, twice)) == [None, None]


def test_rows_before_the_open_build_the_book_and_are_rejected_only_then():
    early = raw_frame(
        quote("B", 100, 5, ts_event=START_NS - 2 * MS),
        quote("A", 102, 5, ts_event=START_NS - MS),
        trade(101, ts_event=START_NS),
    )
    kept, _ = filter_rows(early, SPEC, BOUNDS)
    assert kept.height == 3
    clean, rejected = finish(with_nbbo(kept), BOUNDS)
    assert rejected["reason"].to_list() == ["outside_session"] * 2
    assert clean.select("bid_px", "ask_px").rows() == [(100, 102)]


@pytest.mark.parametrize(
    ("row", "reasons"),
    [
        ({}, []),
        ({"flags": FLAG_SNAPSHOT}, ["snapshot"]),
        ({"ts_event": START_NS - 1}, ["outside_session"]),
        ({"ts_event": START_NS}, []),
        ({"ts_event": BOUNDS[1]}, ["outside_session"]),
        ({"bid_px": 0, "bid_sz": 0}, ["one_sided_book"]),
        ({"ask_px": None, "ask_sz": None}, ["one_sided_book"]),
        ({"bid_px": 103}, ["crossed_book"]),
        ({"bid_px": 102}, []),
        ({"price": 152}, ["absurd_price"]),
        ({"price": 151}, []),
        ({"price": 50}, ["absurd_price"]),
    ],
)
def test_the_last_step_gives_each_unusable_row_its_reason(row, reasons):
    assert finish_reason(**row) == reasons
    assert set(reasons) <= set(FINISH_REASONS)


def test_only_trades_can_have_an_absurd_price():
    far = order("A", 1, "A", 10_000_000, 5)
    assert finish_reason(**far) == []


def test_what_is_known_when_never_goes_back_and_the_source_order_stays():
    stamps = [5, 3, 9, 8]
    frame = raw_frame(*(trade(101, side="B", ts_event=START_NS, ts_recv=START_NS + s, **BOOK) for s in stamps))
    clean, _ = finish(frame, BOUNDS)
    assert (clean["available_at"] - START_NS).to_list() == [5, 5, 9, 9]
    assert clean["sequence"].to_list() == [0, 1, 2, 3]


def test_a_shuffled_table_is_put_back_into_source_order():
    frame = quote_day(quotes=50)
    kept, _ = filter_rows(frame.sample(fraction=1, shuffle=True, seed=1), SPEC, BOUNDS)
    assert kept.equals(frame)


def test_the_sign_of_a_fill_is_opposite_to_the_resting_side_and_a_print_carries_the_aggressor():
    frame = raw_frame(
        order("F", 1, "A", 102, 1),
        order("F", 1, "B", 100, 1),
        trade(102, side="B"),
        trade(100, side="A"),
        quote("B", 1, 1),
    )
    assert trade_signs(frame).tolist() == [1, -1, 1, -1, 0]


def lee_ready(*events):
    return trade_signs(with_nbbo(raw_frame(*events)))[-1]


TWO_SIDED = (quote("B", 100, 5), quote("A", 104, 5))


@pytest.mark.parametrize(("price", "sign"), [(104, 1), (103, 1), (101, -1), (100, -1)])
def test_a_trade_off_the_mid_is_signed_by_the_quote_rule(price, sign):
    assert lee_ready(*TWO_SIDED, trade(price)) == sign


@pytest.mark.parametrize(("before", "sign"), [([101], 1), ([103], -1), ([101, 102, 102], 1), ([], 0), ([102], 0)])
def test_a_trade_at_the_mid_is_signed_by_the_last_price_change(before, sign):
    assert lee_ready(*TWO_SIDED, *(trade(p) for p in before), trade(102)) == sign


def test_a_trade_before_any_quote_is_signed_by_the_tick_test():
    assert lee_ready(trade(100), trade(101)) == 1


def test_a_quote_with_the_stamp_of_the_trade_does_not_sign_it():
    now = START_NS + 50 * MS
    events = [*TWO_SIDED, quote("B", 108, 5, ts_event=now), quote("A", 110, 5, ts_event=now), trade(104, ts_event=now)]
    assert lee_ready(*events) == 1


def test_a_crossed_book_does_not_sign_a_trade():
    now = START_NS + 50 * MS
    assert lee_ready(*TWO_SIDED, quote("B", 120, 5, ts_event=now), trade(103, ts_event=now + MS)) == 1


def test_the_kind_of_book_is_read_off_the_rows():
    assert book_kind(raw_frame(order("A", 1, "B", 100, 5))) == "orders"
    assert book_kind(raw_frame(trade(100), quote("B", 100, 5))) == "quotes"
    assert book_kind(raw_frame({**trade(100), **BOOK})) == "stated"
    levels = {"action": "L", "side": "B", "price": 100, "size": 5}
    assert book_kind(raw_frame(trade(100), quote("B", 100, 5), levels)) == "levels"
    assert book_kind(raw_frame(trade(100), {"action": "H", "condition": 1}, {"action": "R"})) == "none"
    assert book_kind(raw_frame(trade(100)).clear()) == "none"


def test_both_steps_keep_their_tables_schemas():
    kept, rejected = filter_rows(quote_day(quotes=30), SPEC, BOUNDS)
    clean, late = finish(with_nbbo(kept), BOUNDS)
    assert dict(kept.schema) == dict(pl.DataFrame(schema=RAW_TICKS).schema)
    assert dict(clean.schema) == dict(pl.DataFrame(schema=CLEAN_TICKS).schema)
    assert dict(rejected.schema) == dict(late.schema) == dict(pl.DataFrame(schema=REJECTED_TICKS).schema)


@pytest.mark.parametrize("seed", range(3))
def test_every_row_of_a_random_order_flow_is_clean_or_rejected_once(seed):
    raw = random_orders(seed)
    kept, early = filter_rows(raw, SPEC, BOUNDS)
    clean, late = finish(with_book(kept)[0], BOUNDS)
    everywhere = np.concatenate([part["sequence"].to_numpy() for part in (clean, early, late)])
    assert sorted(everywhere.tolist()) == raw["sequence"].to_list()
    assert (clean["bid_px"] <= clean["ask_px"]).all()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("AMCFTRQHL"),
            st.sampled_from("BAN"),
            st.integers(-(2**62), 2**62),
            st.integers(-(2**40), 2**40),
            st.integers(0, 255),
            st.integers(0, 2**32 - 1),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_no_row_however_odd_is_lost_in_the_first_step(rows):
    frame = raw_frame(
        *(
            {"action": a, "side": s, "price": p, "size": z, "flags": f, "condition": c, "order_id": i % 3}
            for i, (a, s, p, z, f, c) in enumerate(rows)
        )
    )
    kept, rejected = filter_rows(frame, SPEC, BOUNDS)
    assert kept.height + rejected.height == frame.height
    assert set(rejected["reason"]) <= set(FILTER_REASONS | FINISH_REASONS)


def test_cleaning_the_morning_gives_the_morning_of_the_cleaned_day():
    raw = random_orders(9)
    morning = raw.head(800)
    whole, part = (finish(with_book(filter_rows(r, SPEC, BOUNDS)[0])[0], BOUNDS)[0] for r in (raw, morning))
    assert part.equals(whole.filter(pl.col("sequence") < 800))


def test_an_iceberg_that_shows_its_next_part_under_its_id_is_no_repetition():
    part, fill = order("A", 7, "B", 100, 5), order("F", 7, "B", 100, 5)
    assert reasons_of(raw_frame(part, fill, part, part)) == [None, None, None, "duplicate_event"]
