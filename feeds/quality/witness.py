"""Witnesses: the few values of a column on which an expectation holds exactly if it holds on the whole column.

All values lie in an interval exactly if the smallest and the largest do; all are in a set exactly if the distinct ones
are; none is missing exactly if no null can be found. Where the witnesses pass, the column passes without a failing row
and needs not be copied; where they do not, the whole column has to be judged, so that the failing rows are counted.
The mean and the median are judged on the one value they are.

Here: choosing witnesses with Polars. Not here: judging them (feeds/quality/engine.py).
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from feeds.quality.expectations import AGGREGATES, Expectation

_BETWEEN, _IN_SET, _NOT_NULL = (
    f"expect_column_values_to_{what}" for what in ("be_between", "be_in_set", "not_be_null")
)
#: Types that have witnesses.
WITNESSED = frozenset({_BETWEEN, _IN_SET, _NOT_NULL})
#: More distinct values than this are no shorter than the column for any use of it here.
_MOST_DISTINCT = 1_000


def witness_frame(columns: pl.DataFrame, expectations: Iterable[Expectation]) -> pl.DataFrame:
    """Witnesses of every column that expectations of a type in `WITNESSED` speak of.

    Args:
        columns: At least one row; NaN stands for a missing value, as null does.
        expectations: Their ``column`` decides what is witnessed; those of other types are ignored.

    Returns:
        The columns spoken of, with as many rows as the one with most witnesses; shorter ones repeat a witness.
    """
    kinds: dict[str, set[str]] = {}
    for item in expectations:
        if item.type in WITNESSED and item.column is not None:
            kinds.setdefault(item.column, set()).add(item.type)
    chosen = {name: _witnesses(columns[name], wanted) for name, wanted in kinds.items()}
    height = max((series.len() for series in chosen.values()), default=0)
    return pl.DataFrame(
        [series.gather([min(i, series.len() - 1) for i in range(height)]) for series in chosen.values()]
    )


def aggregate_frame(columns: pl.DataFrame, expectations: Iterable[Expectation]) -> pl.DataFrame:
    """The means (or medians) that expectations of a type in `AGGREGATES` speak of, one row; all of one type."""
    wanted = {item.column: AGGREGATES[item.type] for item in expectations if item.column is not None}
    return columns.select(getattr(_numbers(columns[name]), how)() for name, how in wanted.items())


def known_rows(columns: pl.DataFrame, name: str) -> int:
    """Rows of a column with a value."""
    return columns.height - _numbers_series(columns[name]).null_count()


def _numbers(series: pl.Series) -> pl.Expr:
    column = pl.col(series.name)
    return column.fill_nan(None) if series.dtype.is_float() else column


def _numbers_series(series: pl.Series) -> pl.Series:
    return series.fill_nan(None) if series.dtype.is_float() else series


def _witnesses(series: pl.Series, kinds: set[str]) -> pl.Series:
    values = _numbers_series(series)
    missing = values.clear(1) if values.null_count() else values.clear()
    if values.null_count() == values.len():
        return missing
    if _IN_SET in kinds:
        distinct = values.drop_nulls().unique(maintain_order=True)
        shown = distinct if distinct.len() <= _MOST_DISTINCT else values.drop_nulls()
    elif _BETWEEN in kinds:
        shown = pl.Series(values.name, [values.min(), values.max()], dtype=values.dtype)
    else:
        shown = values.drop_nulls().head(1)
    return pl.concat([shown, missing]) if _NOT_NULL in kinds else shown
