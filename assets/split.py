"""Which rows a model of an as-of date is trained on and which it is judged on.

Here: turning the study's split into train and test frames. Not here: purging and embargo (models/splits.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assets.partitions import StudyPartitions
from assets.store import StudyStore
from feeds.errors import InsufficientDataError

if TYPE_CHECKING:
    import polars as pl

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


@dataclass(frozen=True)
class Dataset:
    """Train and test rows of one night, with their lineage.

    Attributes:
        train: Rows whose labels are known, embargo included, before the test begins.
        test: Rows the night is judged on.
        test_start_ns: First decision time a forecast may be made for, ns UTC.
        parents: Manifest ids of the partitions read.
        description: The split in words, for the report.
    """

    train: pl.DataFrame
    test: pl.DataFrame
    test_start_ns: int
    parents: tuple[str, ...]
    description: str


def test_start(store: StudyStore, date: str) -> int:
    """First nanosecond a model of ``date`` may be judged on."""
    from assets.ticks import session_of
    from feeds.calendar import split_ns

    split = store.config.split
    if split.kind == "intraday":
        return split_ns(store.config.calendar, date, split.train_until)
    return session_of(store, date)[0]


def describe(store: StudyStore, date: str, dates: list[str]) -> str:
    """The split in words."""
    split = store.config.split
    if split.kind == "walk_forward":
        before = sum(day < date for day in dates)
        return f"trained on {before} {'date' if before == 1 else 'dates'} before {date}, judged on {date}"
    count = len(dates) - 1
    earlier = f"{count} earlier {'date' if count == 1 else 'dates'} and " if count > 0 else ""
    clock = split.train_until.isoformat()
    return f"trained on {earlier}{date} until {clock} ({store.config.calendar}), judged after it: fewer than five days"


def load_dataset(store: StudyStore, date: str) -> Dataset:
    """Read the training window of ``date`` and split it.

    Raises:
        InsufficientDataError: No labelled row is left for training or for the test.
    """
    import polars as pl

    from models.splits import purged_split

    study, lake = store.config, store.lake
    window = StudyPartitions(study).training_dates(date)
    wanted = [day for day in window if lake.exists("training_set", day)]
    everything = sorted({*wanted, date} & set(lake.dates("training_set")))
    frame = lake.read_dates("training_set", everything)
    start = test_start(store, date)
    embargo_ns = int(study.split.embargo_s * NS_PER_S) if study.split.kind == "intraday" else 0
    if frame.is_empty():
        train, test = frame, frame
    else:
        label = f"label_{study.label.horizon_ms}ms_bps"
        if label not in frame.columns:
            raise InsufficientDataError(
                f"training_set of {everything}",
                received=f"labels {[name for name in frame.columns if name.startswith('label_')]}",
                expected=label,
                remedy="The study's horizon has changed: materialise training_set again for these dates.",
            )
        train, test = purged_split(frame, start, embargo_ns)
        train, test = train.filter(pl.col(label).is_not_null()), test.filter(pl.col("date") == date)
    if train.is_empty() or test.is_empty():
        raise InsufficientDataError(
            f"training window of {date}",
            received=f"{train.height} training and {test.height} test rows from {everything}",
            expected="at least one of each",
            remedy="Materialise training_set for earlier dates, or shorten the study's split.",
        )
    parents = tuple(lake.manifest("training_set", day).id for day in everything)
    return Dataset(train, test, start, parents, describe(store, date, everything))
