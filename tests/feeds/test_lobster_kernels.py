"""LOBSTER: the compiled way against the slow one, which polars goes."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.adapters import csv_blocks, lobster
from feeds.adapters.lobster import Lobster

ADAPTER = Lobster()
SPEC = ADAPTER.default_spec("XYZ.NASDAQ")
DATE = "2012-06-21"
TIME = st.builds(lambda a, b: f"{a}.{b}", st.integers(0, 99_999), st.text("0123456789", min_size=1, max_size=18))
NUMBER = st.integers(-(10**6), 10**10)
MESSAGE = st.tuples(TIME | st.just("34200"), st.integers(-1, 9), NUMBER, NUMBER, NUMBER, st.sampled_from([1, -1]))
PRICE = st.integers(-5, 10**7) | st.sampled_from([9_999_999_999, -9_999_999_999])
SIZE = st.integers(0, 500) | st.just(0)


@st.composite
def days(draw):
    messages = draw(st.lists(MESSAGE, min_size=1, max_size=6))
    levels = draw(st.sampled_from([1, 2, 12]))
    level = st.tuples(PRICE, SIZE, PRICE, SIZE)
    books = [draw(st.lists(level, min_size=levels, max_size=levels)) for _ in messages]
    return messages, [sum(book, ()) for book in books]


def text(rows, end):
    return (Path("f"), "".join(",".join(map(str, row)) + end for row in rows).encode())


def decode(messages, books, end="\n"):
    contents = {"message": text(messages, end), "orderbook": text(books, end)}
    return ADAPTER.decode(contents, SPEC.model_copy(update={"tick_size": 1e-5, "lot_size": 0.5}), DATE)


@given(day=days(), end=st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=120, deadline=None)
def test_both_ways_give_the_same_events(day, end):
    fast = decode(*day, end)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lobster, "columns_of", lambda *_: None)
        patch.setattr(lobster, "line_runs", lambda _: [])
        slow = decode(*day)
    assert fast.frame.equals(slow.frame) and fast.rejected.equals(slow.rejected)
    assert fast.rows_in == slow.rows_in == len(day[0])


@given(day=days())
@settings(max_examples=30, deadline=None)
def test_runs_of_lines_change_nothing(day):
    messages, books = (rows * 20 for rows in day)
    whole = decode(messages, books)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_blocks, "_RUN_BYTES", 50)
        cut = decode(messages, books)
    assert cut.frame.equals(whole.frame) and cut.rejected.equals(whole.rejected)
