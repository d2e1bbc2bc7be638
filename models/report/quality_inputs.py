"""What the report's part on data quality over time is built from.

Here: the inputs and their columns. Not here: making them (feeds/quality/history.py, drift.py), reading them (assets/),
laying them out (models/report/sections/quality_history.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from feeds.quality.drift import DriftReport


@dataclass(frozen=True)
class QualityInputs:
    """Data quality of a study over its dates.

    Attributes:
        calendar: CALENDAR of feeds/quality/history.py, all dates.
        results: Stored check results of suites and invariants: date, symbol, table, expectation, blocking, passed,
            rows_failed; rows_checked, examples optional. At least those of the last dates.
        rejected: date, symbol, reason, rows.
        drift: The night against the history; None where it was not asked for.
        last_dates: Of how many dates failures are listed.
    """

    calendar: pl.DataFrame
    results: pl.DataFrame | None = None
    rejected: pl.DataFrame | None = None
    drift: DriftReport | None = None
    last_dates: int = 5
