"""Partitions of the graph and how they depend on each other.

Ticks, bars and microstructure features: date x instrument. Everything from the feature table on: date. Dates are
bounded by the study; instruments are dynamic, so that a new one becomes a partition when its first file lands.

Here: definitions and mappings. Not here: which partitions exist on disk (feeds/lake.py).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property

import dagster as dg

from feeds.study import Study

DATE, INSTRUMENT = "date", "instrument"


@dataclass(frozen=True)
class StudyPartitions:
    """Partition definitions of one study."""

    study: Study

    @cached_property
    def dates(self) -> dg.DailyPartitionsDefinition:
        """One key a calendar day between the study's bounds (both inclusive)."""
        end = self.study.dates.end
        last = (end + dt.timedelta(days=1)).isoformat() if end else None
        # end_offset: a day is a partition from its first moment on. Without it, tonight's session could only be
        # ingested and trained on after midnight UTC.
        return dg.DailyPartitionsDefinition(
            start_date=self.study.dates.start.isoformat(), end_date=last, timezone="UTC", end_offset=1
        )

    @cached_property
    def instruments(self) -> dg.DynamicPartitionsDefinition:
        """Instrument ids ``SYMBOL.VENUE``."""
        return dg.DynamicPartitionsDefinition(name=f"{self.study.name}_instruments")

    @cached_property
    def instrument_days(self) -> dg.MultiPartitionsDefinition:
        """Date x instrument."""
        return dg.MultiPartitionsDefinition({DATE: self.dates, INSTRUMENT: self.instruments})

    @property
    def same_date(self) -> dg.PartitionMapping:
        """All instruments of a date -> the date."""
        return dg.MultiToSingleDimensionPartitionMapping(partition_dimension_name=DATE)

    @property
    def training_window(self) -> dg.TimeWindowPartitionMapping:
        """Dates a model of an as-of date is trained on.

        A walk-forward window ends the day before, so that a backfill of a model asset is a walk-forward test; an
        intraday split also reads the date itself, up to the split.
        """
        split = self.study.split
        end = -1 if split.kind == "walk_forward" else 0
        return dg.TimeWindowPartitionMapping(
            start_offset=-split.train_days, end_offset=end, allow_nonexistent_upstream_partitions=True
        )

    def training_dates(self, date: str) -> list[str]:
        """The same window as ISO dates, ascending."""
        split = self.study.split
        last = 1 if split.kind == "walk_forward" else 0
        day = dt.date.fromisoformat(date)
        return [(day - dt.timedelta(days=k)).isoformat() for k in range(split.train_days, last - 1, -1)]


def instrument_day_key(date: str, instrument: str) -> dg.MultiPartitionKey:
    """Key of one instrument-day."""
    return dg.MultiPartitionKey({DATE: date, INSTRUMENT: instrument})


def split_key(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> tuple[str, str]:
    """``(date, instrument)`` of the running instrument-day partition."""
    date, instrument = str(context.partition_key).split("|", 1)
    return date, instrument
