"""What a suite is made of: one expectation of Great Expectations, as data, and words for the common ones.

Here: `Expectation` and how to write one in a line. Not here: the suites (feeds/quality/suites.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from feeds.schema import TABLES

#: 1990-01-01 and 2100-01-01 in ns UTC: milliseconds or microseconds taken for nanoseconds fall outside.
EARLIEST_NS, LATEST_NS = 631_152_000_000_000_000, 4_102_444_800_000_000_000


#: Types that judge one figure of a column -> the Polars method that computes it.
AGGREGATES = {"expect_column_mean_to_be_between": "mean", "expect_column_median_to_be_between": "median"}


@dataclass(frozen=True)
class Expectation:
    """One Great Expectations expectation.

    Attributes:
        type: GX expectation type, e.g. ``"expect_column_values_to_be_between"``.
        kwargs: Its arguments.
        blocking: Whether a failure stops the partition; else it is a warning.
        needs: Traits (feeds/quality/traits.py) a partition must have for the expectation to mean anything.
    """

    type: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    blocking: bool = True
    needs: frozenset[str] = frozenset()

    @property
    def column(self) -> str | None:
        """The column it speaks of, None for one about the table."""
        return self.kwargs.get("column")

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns it needs."""
        single = (self.column,) if self.column else ()
        return (*single, *self.kwargs.get("column_list", ()))

    @property
    def text(self) -> str:
        """The expectation in one line, e.g. ``trade_price between 1 and ... (mostly 0.99)``."""
        return _in_words(self)


def between(
    column: str,
    least: float | None = None,
    most: float | None = None,
    *,
    mostly: float = 1.0,
    blocking: bool = True,
) -> Expectation:
    """Values lie in ``[least, most]``."""
    bounds = {"column": column, "min_value": least, "max_value": most, "mostly": mostly}
    return Expectation("expect_column_values_to_be_between", bounds, blocking)


def not_null(column: str) -> Expectation:
    """No value is missing."""
    return Expectation("expect_column_values_to_not_be_null", {"column": column})


def mean_between(
    column: str, least: float | None = None, most: float | None = None, *, blocking: bool = True
) -> Expectation:
    """The mean (of a 0/1 column: the share) lies in ``[least, most]``."""
    return Expectation(
        "expect_column_mean_to_be_between", {"column": column, "min_value": least, "max_value": most}, blocking
    )


def median_between(column: str, least: float | None, most: float | None, *, blocking: bool = True) -> Expectation:
    """The median lies in ``[least, most]``."""
    return Expectation(
        "expect_column_median_to_be_between", {"column": column, "min_value": least, "max_value": most}, blocking
    )


def when(trait: str, *expectations: Expectation) -> tuple[Expectation, ...]:
    """The expectations, for partitions with ``trait`` only."""
    return tuple(replace(item, needs=item.needs | {trait}) for item in expectations)


def rows_at_least(count: int) -> Expectation:
    """The partition has that many rows."""
    return Expectation("expect_table_row_count_to_be_between", {"min_value": count})


def has_columns(table: str) -> Expectation:
    """All columns of the schema are there; more may be."""
    return Expectation("expect_table_columns_to_match_set", {"column_set": list(TABLES[table]), "exact_match": False})


def unique_together(*columns: str) -> Expectation:
    """No two rows share these columns."""
    return Expectation("expect_compound_columns_to_be_unique", {"column_list": list(columns)})


def in_set(column: str, *values: Any) -> Expectation:
    """Values are among ``values``."""
    return Expectation("expect_column_values_to_be_in_set", {"column": column, "value_set": list(values)})


def stamp(column: str) -> Expectation:
    """A time in ns UTC."""
    return between(column, EARLIEST_NS, LATEST_NS)


def _in_words(expectation: Expectation) -> str:
    kwargs = expectation.kwargs
    subject = expectation.column or ", ".join(kwargs.get("column_list", ()))
    verb = expectation.type.removeprefix("expect_").removeprefix("compound_").replace("column_values_to_", "")
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    bounds = f" [{'' if low is None else f'{low:g}'}, {'' if high is None else f'{high:g}'}]"
    mostly = f" for {kwargs['mostly']:.1%} of rows" if kwargs.get("mostly", 1.0) < 1 else ""
    return (
        f"{subject} {verb.replace('_', ' ')}".strip() + (bounds if low is not None or high is not None else "") + mostly
    )
