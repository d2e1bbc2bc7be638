"""Partitions and splits: what a model of an as-of date may see, and when that is too little."""

import datetime as dt

import dagster as dg
import polars as pl
import pytest

from assets.partitions import StudyPartitions, instrument_day_key, split_key
from assets.split import describe, load_dataset
from assets.split import test_start as start_of_test  # under its own name pytest would collect it
from assets.store import StudyStore
from feeds.calendar import session_bounds
from feeds.errors import InsufficientDataError
from feeds.study import load_study
from tests.support.studies import write_study

SECOND = 1_000_000_000
LABEL = "label_60000ms_bps"
#: Monday to Friday of one week of regular sessions, 09:30-16:00 New York.
WEEK = ("2013-10-07", "2013-10-08", "2013-10-09", "2013-10-10", "2013-10-11")
WALK_FORWARD = {"kind": "walk_forward", "train_days": 3}
INTRADAY = {"kind": "intraday", "train_until": "13:00:00", "embargo_s": 60, "train_days": 2}
ONE_PM_NS = int(dt.datetime(2013, 10, 9, 17, tzinfo=dt.UTC).timestamp()) * SECOND  # 13:00 in New York


def study_of(folder, split, **changes):
    return load_study(write_study(folder, split=split, **changes))


def store_of(folder, split):
    return StudyStore(study=str(write_study(folder, split=split)), root=str(folder / "data"))


def labelled_day(date, known_after_s=60):
    """A training set: a decision each 30 s, labels known ``known_after_s`` later, none in the last minute."""
    opened, closed = session_bounds("XNYS", date)
    return pl.DataFrame({"ts": list(range(opened + 30 * SECOND, closed + 1, 30 * SECOND))}).with_columns(
        available_at=pl.col("ts"),
        date=pl.lit(date),
        symbol=pl.lit("AAA.US"),
        spread_bps=1.0,
        **{LABEL: pl.when(pl.col("ts") <= closed - 60 * SECOND).then(0.5)},
        label_available_at=pl.when(pl.col("ts") <= closed - 60 * SECOND).then(pl.col("ts") + known_after_s * SECOND),
    )


def fill(store, dates, **options):
    return [store.lake.write("training_set", labelled_day(date, **options), date).id for date in dates]


# --- partitions ------------------------------------------------------------------------------------------------------


def test_both_bounds_of_the_study_are_partitions_and_nothing_outside(tmp_path):
    keys = StudyPartitions(study_of(tmp_path, INTRADAY)).dates.get_partition_keys()
    assert (keys[0], keys[-1], len(keys)) == ("2013-10-07", "2013-10-31", 25)


def test_a_study_without_an_end_has_partitions_up_to_the_day_in_progress(tmp_path):
    dates = StudyPartitions(study_of(tmp_path, INTRADAY, dates={"start": "2013-10-07"})).dates
    keys = dates.get_partition_keys(current_time=dt.datetime(2013, 10, 10, 1, tzinfo=dt.UTC))
    assert keys == ["2013-10-07", "2013-10-08", "2013-10-09", "2013-10-10"]


def test_instruments_are_dynamic_partitions_of_their_study(tmp_path):
    parts = StudyPartitions(study_of(tmp_path, INTRADAY))
    assert parts.instruments.name == "tiny_instruments"
    assert set(parts.instrument_days.partition_dimension_names) == {"date", "instrument"}


def test_the_key_of_an_instrument_day_gives_back_its_parts():
    context = dg.build_asset_context(partition_key=instrument_day_key("2013-10-07", "AAA.US"))
    assert split_key(context) == ("2013-10-07", "AAA.US")


def test_a_walk_forward_window_ends_the_day_before(tmp_path):
    window = StudyPartitions(study_of(tmp_path, WALK_FORWARD)).training_dates("2013-10-11")
    assert window == ["2013-10-08", "2013-10-09", "2013-10-10"]


def test_an_intraday_window_holds_the_earlier_days_and_the_date_itself(tmp_path):
    parts = StudyPartitions(study_of(tmp_path, INTRADAY))
    assert parts.training_dates("2013-10-11") == ["2013-10-09", "2013-10-10", "2013-10-11"]


def test_an_intraday_window_without_earlier_days_is_the_date_alone(tmp_path):
    parts = StudyPartitions(study_of(tmp_path, INTRADAY | {"train_days": 0}))
    assert parts.training_dates("2013-10-11") == ["2013-10-11"]


@pytest.mark.parametrize("train_days", [1, 3, 20])
@pytest.mark.parametrize("split", [WALK_FORWARD, INTRADAY], ids=["walk_forward", "intraday"])
def test_the_dates_that_are_read_are_the_partitions_the_graph_depends_on(tmp_path, split, train_days):
    parts = StudyPartitions(study_of(tmp_path, split | {"train_days": train_days}))
    dates = parts.dates.get_partition_keys()
    for date in dates:
        mapped = parts.training_window.get_upstream_mapped_partitions_result_for_partitions(
            parts.dates.subset_with_partition_keys([date]), parts.dates, parts.dates
        )
        upstream = list(mapped.partitions_subset.get_partition_keys())
        assert upstream == [day for day in parts.training_dates(date) if day >= dates[0]], date


# --- where the test begins -------------------------------------------------------------------------------------------


def test_a_walk_forward_test_begins_with_the_session(tmp_path):
    assert start_of_test(store_of(tmp_path, WALK_FORWARD), "2013-10-09") == ONE_PM_NS - int(3.5 * 3600) * SECOND


def test_an_intraday_test_begins_at_the_split_in_exchange_time(tmp_path):
    assert start_of_test(store_of(tmp_path, INTRADAY), "2013-10-09") == ONE_PM_NS


def test_a_walk_forward_test_on_a_weekend_says_that_there_is_no_session(tmp_path):
    with pytest.raises(InsufficientDataError, match="2013-10-12; received no session in calendar XNYS"):
        start_of_test(store_of(tmp_path, WALK_FORWARD), "2013-10-12")


# --- train and test rows ---------------------------------------------------------------------------------------------


def test_walk_forward_trains_on_the_days_before_and_is_judged_on_the_whole_date(tmp_path):
    store = store_of(tmp_path, WALK_FORWARD)
    fill(store, WEEK)
    data = load_dataset(store, WEEK[-1])
    assert data.train["date"].unique(maintain_order=True).to_list() == list(WEEK[1:4])
    assert data.test.equals(labelled_day(WEEK[-1]))
    assert data.train["label_available_at"].max() <= data.test_start_ns < data.test["ts"].min()


def test_days_missing_from_the_window_are_passed_over(tmp_path):
    store = store_of(tmp_path, WALK_FORWARD)
    ids = fill(store, ("2013-10-11", "2013-10-14"))
    data = load_dataset(store, "2013-10-14")
    assert data.train["date"].unique().to_list() == ["2013-10-11"]
    assert data.parents == tuple(ids)


def test_intraday_trains_on_earlier_days_and_the_morning_and_is_judged_on_the_afternoon(tmp_path):
    store = store_of(tmp_path, INTRADAY)
    fill(store, WEEK)
    data = load_dataset(store, "2013-10-09")
    assert data.train["date"].unique(maintain_order=True).to_list() == list(WEEK[:3])
    assert data.test["date"].unique().to_list() == ["2013-10-09"]
    assert data.test["ts"].min() == data.test_start_ns == ONE_PM_NS
    assert data.test.height == 3 * 120 + 1


def test_lineage_names_exactly_the_partitions_that_were_read(tmp_path):
    store = store_of(tmp_path, INTRADAY)
    ids = fill(store, WEEK)
    assert load_dataset(store, "2013-10-09").parents == tuple(ids[:3])


def test_labels_that_reach_into_the_embargo_are_purged_to_the_row(tmp_path):
    store = store_of(tmp_path, INTRADAY)
    fill(store, WEEK)
    morning = load_dataset(store, "2013-10-09").train.filter(pl.col("date") == "2013-10-09")
    # Known 60 s after the decision and an embargo of 60 s: the last decision trained on is 12:58:00.
    assert morning["ts"].max() == ONE_PM_NS - 120 * SECOND
    assert morning["label_available_at"].max() + 60 * SECOND == ONE_PM_NS
    whole_morning = labelled_day("2013-10-09").filter(pl.col("ts") <= ONE_PM_NS - 120 * SECOND)
    assert morning.equals(whole_morning)


@pytest.mark.parametrize(("embargo_s", "last_before_split_s"), [(0, 60), (30, 90), (31, 120), (600, 660)])
def test_the_embargo_comes_on_top_of_the_horizon(tmp_path, embargo_s, last_before_split_s):
    store = store_of(tmp_path, INTRADAY | {"embargo_s": embargo_s})
    fill(store, WEEK[:3])
    assert load_dataset(store, "2013-10-09").train["ts"].max() == ONE_PM_NS - last_before_split_s * SECOND


def test_a_label_of_the_day_before_that_is_known_only_during_the_test_is_purged(tmp_path):
    store = store_of(tmp_path, WALK_FORWARD)
    fill(store, WEEK[:1])
    store.lake.write("training_set", labelled_day(WEEK[1], known_after_s=24 * 3600), WEEK[1])
    fill(store, WEEK[2:3])
    data = load_dataset(store, WEEK[2])
    # Known a day after the decision, thus after the open of the test for every decision of the day before.
    assert data.train["date"].unique().to_list() == [WEEK[0]]


def test_rows_without_a_label_are_judged_but_not_trained_on(tmp_path):
    store = store_of(tmp_path, WALK_FORWARD)
    fill(store, WEEK[:2])
    data = load_dataset(store, WEEK[1])
    assert data.train[LABEL].null_count() == 0
    assert data.train.height == labelled_day(WEEK[0]).drop_nulls(LABEL).height
    assert data.test[LABEL].null_count() == 2


@pytest.mark.parametrize("split", [WALK_FORWARD, INTRADAY], ids=["walk_forward", "intraday"])
def test_later_dates_in_the_lake_change_nothing(tmp_path, split):
    store = store_of(tmp_path, split)
    fill(store, WEEK[:3])
    before = load_dataset(store, WEEK[2])
    fill(store, WEEK[3:])
    after = load_dataset(store, WEEK[2])
    assert before.train.equals(after.train) and before.test.equals(after.test)
    assert (before.parents, before.description) == (after.parents, after.description)


# --- too little ------------------------------------------------------------------------------------------------------


def refusal(store, date):
    with pytest.raises(InsufficientDataError) as caught:
        load_dataset(store, date)
    return caught.value


def test_an_empty_lake_is_refused_with_what_to_do(tmp_path):
    error = refusal(store_of(tmp_path, WALK_FORWARD), WEEK[2])
    assert error.what == "training window of 2013-10-09"
    assert error.received == "0 training and 0 test rows from []"
    assert error.expected == "at least one of each"
    assert "Materialise training_set for earlier dates" in error.remedy


def test_a_first_day_of_a_walk_forward_study_has_nothing_to_train_on(tmp_path):
    store = store_of(tmp_path, WALK_FORWARD)
    fill(store, WEEK[:1])
    assert refusal(store, WEEK[0]).received == "0 training and 780 test rows from ['2013-10-07']"


def test_a_date_without_rows_of_its_own_cannot_be_judged(tmp_path):
    store = store_of(tmp_path, WALK_FORWARD)
    fill(store, WEEK[:2])
    assert refusal(store, WEEK[2]).received == "1556 training and 0 test rows from ['2013-10-07', '2013-10-08']"


def test_an_embargo_longer_than_the_morning_leaves_nothing_to_train_on(tmp_path):
    store = store_of(tmp_path, INTRADAY | {"embargo_s": 4 * 3600, "train_days": 0})
    fill(store, WEEK[:1])
    assert refusal(store, WEEK[0]).received.startswith("0 training and 361 test rows")


def test_days_without_any_label_cannot_be_trained_on(tmp_path):
    store = store_of(tmp_path, WALK_FORWARD)
    unlabelled = labelled_day(WEEK[0]).with_columns(
        pl.lit(None, pl.Float64).alias(LABEL), pl.lit(None, pl.Int64).alias("label_available_at")
    )
    store.lake.write("training_set", unlabelled, WEEK[0])
    fill(store, WEEK[1:2])
    assert refusal(store, WEEK[1]).received.startswith("0 training and 780 test rows")


def test_training_sets_labelled_for_another_horizon_are_refused_with_what_to_do(tmp_path):
    store = store_of(tmp_path, WALK_FORWARD)
    for date in WEEK[:2]:
        other = labelled_day(date).rename({LABEL: "label_10000ms_bps"})
        store.lake.write("training_set", other, date)
    assert "training_set" in str(refusal(store, WEEK[1]))


# --- in words --------------------------------------------------------------------------------------------------------


def test_an_intraday_split_is_described_with_its_clock_and_calendar(tmp_path):
    store = store_of(tmp_path, INTRADAY)
    fill(store, WEEK[:3])
    text = load_dataset(store, WEEK[2]).description
    assert text.startswith("trained on 2 earlier dates and 2013-10-09 until 13:00:00 (XNYS), judged after it")
    assert describe(store, WEEK[2], [WEEK[2]]).startswith("trained on 2013-10-09 until 13:00:00 (XNYS)")


def test_a_walk_forward_split_is_described_by_the_dates_it_was_trained_on(tmp_path):
    store = store_of(tmp_path, WALK_FORWARD)
    fill(store, WEEK[:3])
    assert load_dataset(store, WEEK[2]).description == "trained on 2 dates before 2013-10-09, judged on 2013-10-09"
