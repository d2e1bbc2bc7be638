"""A tape that cannot be is refused, with its file and the first row that is wrong."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.errors import CorruptTapeError, T2TError
from sim.fast_replay_l2 import LevelReplay, level_columns
from sim.fast_replay_l3 import OrderReplay, order_columns, prepare_orders
from sim.replay import with_book
from sim.tape_checks import MOST_LOTS, check_lengths, check_range, check_slices, int32_of
from tests.support.raw_events import order, quote, random_orders, raw_frame

FILE = "ES_2023.parquet"


def level(side, price, size):
    return {"action": "L", "side": side, "price": price, "size": size}


def changed(array, row, value):
    out = array.copy()
    out[row] = value
    return out


COLUMNS = order_columns(random_orders(1, events=60))
CORRUPT = {
    "an impossible action": (COLUMNS._replace(code=changed(COLUMNS.code, 41, 14)), 41),
    "an impossible side": (COLUMNS._replace(code=changed(COLUMNS.code, 7, 3 * 16)), 7),
    "a size that would wrap around": (COLUMNS._replace(lots=changed(COLUMNS.lots, 12, MOST_LOTS + 1)), 12),
    "a short column": (COLUMNS._replace(price=COLUMNS.price[:50]), 50),
}


@pytest.mark.parametrize("what", CORRUPT)
@pytest.mark.parametrize("apply", [lambda rows: OrderReplay(FILE).apply(rows), lambda rows: prepare_orders(rows, FILE)])
def test_orders_that_cannot_be_are_refused_with_file_and_row(what, apply):
    columns, row = CORRUPT[what]
    with pytest.raises(T2TError, match=rf"^{FILE} at row {row}; received .*; expected ") as caught:
        apply(columns)
    assert isinstance(caught.value, CorruptTapeError) and caught.value.row == row


def test_what_was_applied_before_a_refused_block_stands():
    replay = OrderReplay()
    replay.apply(COLUMNS)
    before = replay.levels(0), replay.levels(1)
    with pytest.raises(CorruptTapeError):
        replay.apply(CORRUPT["an impossible action"][0])
    assert (replay.levels(0), replay.levels(1)) == before


def test_levels_that_cannot_be_are_refused_with_file_and_row():
    columns = level_columns(raw_frame(level("B", 99, 5), level("A", 101, 5), quote("B", 100, 1)))
    for field, value in (("code", 13), ("code", 48 + 8), ("lots", -MOST_LOTS - 1)):
        rows = columns.rows.copy()
        rows[field][2] = value
        with pytest.raises(CorruptTapeError, match=rf"^{FILE} at row 2;"):
            LevelReplay(FILE).apply(type(columns)(rows, columns.price))
    with pytest.raises(CorruptTapeError, match=rf"^{FILE} at row 1; received .*'rows': 3, 'price': 1"):
        LevelReplay(FILE).apply(type(columns)(columns.rows, columns.price[:1]))


@pytest.mark.parametrize("name", ["price", "size", "order_id", "ts_event", "side"])
def test_a_missing_value_is_no_number(name):
    rows = raw_frame(order("A", 1, "B", 99, 5), order("A", 2, "B", 98, 5), order("A", 3, "B", 97, 5))
    hole = rows.with_columns(pl.when(pl.col("sequence") == 1).then(None).otherwise(pl.col(name)).alias(name))
    with pytest.raises(CorruptTapeError, match=rf"^tape at row 1; received none; expected a value of {name}"):
        with_book(hole)


@settings(deadline=None)
@given(st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=9), st.integers(-(2**33), 2**33), st.integers(0, 8))
def test_numbers_become_int32_only_where_all_of_them_fit(values, odd, at):
    array = np.array([*values[:at], odd, *values[at:]], np.int64)
    fits = (np.abs(array + 0.5) < 2**31).tolist()
    if all(fits):
        out = int32_of("size", array)
        assert out.dtype == np.int32 and out.tolist() == array.tolist()
    else:
        with pytest.raises(CorruptTapeError) as caught:
            int32_of("size", array)
        assert caught.value.row == fits.index(False)


def test_slices_have_to_cut_up_their_array_in_order():
    check_slices("changes", np.array([0, 2, 2, 5]), 5)
    for first, text in (([0, 2, 4], "0 to 4"), ([1, 2, 5], "1 to 5"), ([], "none")):
        with pytest.raises(CorruptTapeError, match=rf"^tape; received {text}; expected slices of changes"):
            check_slices("changes", np.array(first, np.int64), 5)
    with pytest.raises(CorruptTapeError, match=r"^tape at row 1; received 4 to 3"):
        check_slices("changes", np.array([0, 4, 3, 5]), 5)


def test_sound_arrays_pass():
    check_lengths({"a": np.zeros(3), "b": np.zeros((3, 2))})
    check_range("size", np.zeros(0, np.int64), 1, 2)
    assert OrderReplay().apply(COLUMNS, tops=True).shape == (60, 4)
