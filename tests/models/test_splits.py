"""Purging and embargo: no training label reaches into the test."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.errors import InsufficientDataError, SchemaError
from models.splits import intraday_split, purged_split, walk_forward_split


def rows(n=20, horizon=3, start=0):
    ts = [start + i for i in range(n)]
    known = [t + horizon if t + horizon < start + n else None for t in ts]
    return pl.DataFrame({"ts": ts, "label_available_at": known})


@given(start=st.integers(0, 25), embargo=st.integers(0, 5), horizon=st.integers(1, 6))
def test_training_labels_end_an_embargo_before_the_test(start, embargo, horizon):
    frame = rows(horizon=horizon)
    train, test = purged_split(frame, start, embargo)
    assert train["ts"].to_list() == [t for t in range(20) if t + horizon < 20 and t + horizon + embargo <= start]
    assert test["ts"].to_list() == [t for t in range(20) if t >= start]


def test_a_label_known_exactly_at_the_start_of_the_test_is_trained_on_and_one_later_is_not():
    train, _ = purged_split(rows(), 10)
    assert train["label_available_at"].max() == 10


def test_an_intraday_split_purges_by_the_horizon_where_no_label_column_is_there():
    train, test = intraday_split(rows().drop("label_available_at"), 10, horizon_ns=3, embargo_ns=2)
    assert train["ts"].to_list() == list(range(6))
    assert test["ts"].to_list() == list(range(10, 20))


def test_an_intraday_split_also_honours_labels_that_end_later_than_the_horizon():
    train, _ = intraday_split(rows(horizon=7), 10, horizon_ns=3, embargo_ns=0)
    assert train["ts"].to_list() == [0, 1, 2, 3]


def test_walk_forward_trains_on_the_latest_earlier_dates_only():
    frames = {f"2024-01-0{d}": rows(start=100 * d) for d in (5, 2, 3, 4)}
    train, test = walk_forward_split(frames, "2024-01-04", train_days=2)
    assert sorted({ts // 100 for ts in train["ts"]}) == [2, 3]
    assert test.equals(frames["2024-01-04"])
    only, _ = walk_forward_split(frames, "2024-01-04", train_days=1)
    assert {ts // 100 for ts in only["ts"]} == {3}


def test_walk_forward_purges_labels_that_reach_into_the_test_date():
    frames = {"2024-01-02": rows(horizon=3), "2024-01-03": rows(start=18)}
    train, _ = walk_forward_split(frames, "2024-01-03", train_days=1, embargo_ns=1)
    assert train["label_available_at"].max() == 17


@pytest.mark.parametrize("test_date", ["2024-01-02", "2024-01-09"])
def test_walk_forward_without_earlier_dates_or_without_the_date_says_so(test_date):
    with pytest.raises(InsufficientDataError, match=test_date):
        walk_forward_split({"2024-01-02": rows()}, test_date, train_days=5)


def test_a_frame_without_label_times_or_a_negative_embargo_is_rejected():
    with pytest.raises(SchemaError, match="label_available_at"):
        purged_split(rows().drop("label_available_at"), 10)
    with pytest.raises(SchemaError, match="distance -1"):
        purged_split(rows(), 10, -1)
