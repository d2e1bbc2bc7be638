"""Witnesses: whatever a column holds, judging its witnesses first changes no verdict and no count."""

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.quality.engine import Engine
from feeds.quality.expectations import between, in_set, mean_between, median_between, not_null
from feeds.quality.run import _EXAMPLES, _judge_aggregates, _judge_witnessed, _read
from feeds.quality.witness import aggregate_frame, known_rows, witness_frame

ITEMS = {
    0: between("x", 0, 10),
    1: between("x", None, 5, mostly=0.7),
    2: between("y", -1.5, 1.5, mostly=0.5),
    3: not_null("x"),
    4: not_null("y"),
    5: in_set("z", 0, 1, 2),
    6: between("z", 0, 2),
}
AGGREGATES = {0: mean_between("y", -1, 1), 1: median_between("x", 0, 10), 2: mean_between("x", None, 5)}

frames = st.integers(1, 12).flatmap(
    lambda n: st.fixed_dictionaries(
        {
            "x": st.lists(st.none() | st.integers(-3, 13), min_size=n, max_size=n),
            "y": st.lists(st.none() | st.sampled_from([math.nan, -2.0, 0.25, 1.5, 9.0]), min_size=n, max_size=n),
            "z": st.lists(st.integers(0, 3), min_size=n, max_size=n),
        }
    )
)


@pytest.fixture(scope="module")
def engine():
    return Engine(_EXAMPLES)


@settings(max_examples=12, deadline=None)
@given(frames)
def test_witnesses_first_gives_what_the_whole_columns_give(columns):
    made = Engine(_EXAMPLES)
    frame = pl.DataFrame(columns, schema={"x": pl.Int64, "y": pl.Float64, "z": pl.Int8})
    known = {name: known_rows(frame, name) for name in frame.columns}
    # A column without a value is left out before either way is taken.
    items = {k: item for k, item in ITEMS.items() if known[str(item.column)] or k in (3, 4)}
    whole = made.validate(items, frame)
    expected = {k: _read(item, whole[k], frame.height) for k, item in items.items()}
    assert _judge_witnessed(made, items, frame, known) == expected


@settings(max_examples=8, deadline=None)
@given(frames)
def test_means_and_medians_are_those_of_the_whole_column(columns):
    made = Engine(_EXAMPLES)
    frame = pl.DataFrame(columns, schema={"x": pl.Int64, "y": pl.Float64, "z": pl.Int8})
    known = {name: known_rows(frame, name) for name in frame.columns}
    items = {k: item for k, item in AGGREGATES.items() if known[str(item.column)]}
    found = _judge_aggregates(made, items, frame, known)
    for k, item in items.items():
        (whole,) = made.validate({k: item}, frame).values()
        assert found[k].passed == bool(whole.success)
        assert found[k].rows_checked == known[str(item.column)]


def test_a_good_column_is_judged_on_two_values_and_a_null_where_nulls_matter():
    frame = pl.DataFrame({"x": [3, None, 1, 9, 4], "y": [1.0, math.nan, 0.5, 2.0, 1.0], "z": [0, 1, 1, 0, 1]})
    shown = witness_frame(frame, [between("x", 0, 9), not_null("x"), between("y", 0, 2), in_set("z", 0, 1)])
    assert shown["x"].to_list() == [1, 9, None]
    assert set(shown["y"].to_list()) == {0.5, 2.0}
    assert set(shown["z"].to_list()) == {0, 1}


def test_many_distinct_values_are_all_shown_and_strings_by_one():
    frame = pl.DataFrame({"z": list(range(2_000)), "s": ["a"] * 2_000})
    assert witness_frame(frame, [in_set("z", 1)]).height == 2_000
    assert witness_frame(frame, [not_null("s")])["s"].to_list() == ["a"]


def test_an_example_keeps_digits_a_float_would_lose_beside_a_null(engine):
    edge = 2**60
    frame = pl.DataFrame({"x": [edge, edge + 1_025, None]})
    item = {0: between("x", None, edge)}
    found = _judge_witnessed(engine, item, frame, {"x": 2})[0]
    assert not found.passed and found.rows_failed == 1 and found.examples == (str(edge + 1_025),)


def test_aggregates_skip_missing_values():
    frame = pl.DataFrame({"y": [1.0, math.nan, None, 3.0]})
    assert aggregate_frame(frame, [mean_between("y", 0, 9)])["y"].to_list() == [2.0]
