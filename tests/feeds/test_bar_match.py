"""Bars by a vendor's rules, and what the comparison says about differences."""

import polars as pl
import pytest

from feeds.bar_match import FIELDS, MINUTE_NS, match_bars, plain_bars, vendor_rule_bars
from feeds.errors import SchemaError
from feeds.schema import VENDOR_BARS
from tests.support.raw_events import START_NS, quote, raw_frame, trade

OPEN = START_NS // MINUTE_NS * MINUTE_NS
BOUNDS = (OPEN, OPEN + 3 * MINUTE_NS)
REGULAR, SWEEP, EXTENDED_SWEEP, DERIVED, EXEMPT_AVERAGE = 0x1, 0x20000020, 0x20002020, 0x200, 0x20100000
OFFICIAL_OPEN, OPENING, CLOSING, AWAY = 0x4000000, 0x40, 0x80, 0x20200040


def at(second, price, size=100, condition=REGULAR):
    return trade(price, size, condition=condition, ts_event=OPEN + round(second * 1_000) * 1_000_000)


def bars(*events):
    return vendor_rule_bars(raw_frame(*events), BOUNDS).select("ts_open", *FIELDS).rows()


def minute(number, *figures):
    return (OPEN + number * MINUTE_NS, *figures)


def test_a_bar_holds_the_trades_from_its_left_edge_to_before_its_right_one():
    rows = bars(at(0, 10), at(30, 12), at(59.999, 9), at(60, 11, 5), quote("B", 1, 1, ts_event=OPEN))
    assert rows == [minute(0, 10, 12, 9, 9, 300), minute(1, 11, 11, 11, 11, 5)]


@pytest.mark.parametrize("condition", [SWEEP, DERIVED, EXEMPT_AVERAGE])
def test_the_volume_of_a_sweep_counts_and_its_price_does_not(condition):
    assert bars(at(0, 10), at(1, 50, 7, condition), at(2, 11)) == [minute(0, 10, 11, 10, 11, 207)]


@pytest.mark.parametrize("condition", [EXTENDED_SWEEP, 0x102000, 0x2000, 0x100000, 0x4800])
def test_in_extended_hours_and_of_late_prints_the_price_counts(condition):
    assert bars(at(0, 10), at(1, 50, 7, condition)) == [minute(0, 10, 50, 10, 50, 107)]


def test_official_prices_and_auctions_elsewhere_count_nowhere():
    assert bars(at(0, 10), at(1, 50, 7, OFFICIAL_OPEN), at(2, 50, 7, AWAY)) == [minute(0, 10, 10, 10, 10, 100)]


def test_the_opening_print_makes_the_open_though_it_comes_later():
    rows = bars(at(0, 10), at(3, 8, 500, OPENING), at(4, 99, 500, OPENING), at(5, 11))
    assert rows == [minute(0, 8, 11, 8, 11, 700)]


def test_an_opening_print_after_the_first_bar_counts_nowhere():
    assert bars(at(0, 10), at(61, 11), at(62, 50, 500, OPENING)) == [
        minute(0, 10, 10, 10, 10, 100),
        minute(1, 11, 11, 11, 11, 100),
    ]


def test_the_closing_print_gives_volume_and_close_to_the_last_bar_and_a_price_to_its_own():
    rows = bars(at(125, 10), at(130, 12), at(190, 11, 900, CLOSING), at(191, 13, 50, CLOSING), at(192, 14, 5, 0x2000))
    assert rows == [minute(2, 10, 12, 10, 11, 1_100), minute(3, 11, 14, 11, 14, 5)]


def test_trades_of_a_minute_without_a_price_add_to_the_bar_before():
    assert bars(at(0, 10), at(60, 50, 7, SWEEP), at(121, 11)) == [
        minute(0, 10, 10, 10, 10, 107),
        minute(2, 11, 11, 11, 11, 100),
    ]


def test_bars_of_an_empty_tape_are_none():
    raw = raw_frame(quote("B", 1, 1))
    for made in (vendor_rule_bars(raw, BOUNDS), plain_bars(raw)):
        assert made.is_empty() and dict(made.schema) == dict(pl.DataFrame(schema=VENDOR_BARS).schema)


def outcomes(ours, vendor, raw=None):
    table = match_bars(ours, vendor, BOUNDS, raw)
    return {name: dict(table.filter(pl.col("field") == name).select("outcome", "bars").rows()) for name in FIELDS}


def test_equal_bars_are_equal_in_every_field():
    made = plain_bars(raw_frame(at(0, 10), at(60, 11)))
    table = match_bars(made, made, BOUNDS)
    assert table.rows() == [(name, "equal", 2, 1.0) for name in FIELDS]


def test_a_difference_is_blamed_on_the_condition_that_makes_it():
    raw = raw_frame(
        at(0, 10), at(1, 50, 7, SWEEP), at(2, 11), at(3, 5, 9, OFFICIAL_OPEN), at(60, 10), at(61, 9, 3, SWEEP)
    )
    found = outcomes(plain_bars(raw), vendor_rule_bars(raw, BOUNDS), raw)
    assert found["open"] == {"equal": 2}
    assert found["high"] == {"equal": 1, "condition 0x20000020": 1}
    assert found["low"] == {"equal": 0, "condition 0x20000020": 1, "condition 0x4000000": 1}
    assert found["close"] == {"equal": 0, "condition 0x20000020": 1, "condition 0x4000000": 1}
    assert found["volume_lots"] == {"equal": 1, "condition 0x4000000": 1}


def test_what_no_condition_explains_is_told_by_where_it_is():
    raw = raw_frame(*(at(second, 10) for second in (-60, 0, 60, 120, 180, 240)))
    made = plain_bars(raw)
    shifted = made.with_columns(pl.col("high") + pl.Series([5, 5, 5, 5, 5, 5]), pl.col("low") - 1)
    found = outcomes(made, shifted)
    assert found["high"] == {"equal": 0, "session edge": 3, "off session": 2, "other": 1}
    assert found["low"] == {"equal": 0, "session edge": 3, "off session": 2, "rounding": 1}


def test_bars_of_one_side_only_count_as_such():
    one, two = plain_bars(raw_frame(at(0, 10), at(60, 10))), plain_bars(raw_frame(at(60, 10), at(120, 10)))
    assert outcomes(one, two)["open"] == {"equal": 1, "only ours": 1, "only vendor": 1}
    assert match_bars(one, two, BOUNDS)["share"].to_list()[:3] == [pytest.approx(1 / 3)] * 3


def test_two_bars_of_one_minute_are_refused():
    made = plain_bars(raw_frame(at(0, 10)))
    with pytest.raises(SchemaError, match="two bars of one ts_open"):
        match_bars(pl.concat([made, made]), made, BOUNDS)
