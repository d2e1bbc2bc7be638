"""The leakage audit: cut the inputs at T, recompute, and require every output up to T to be the same bits.

Whatever looks ahead (centred windows, full-day normalisation, labels among the features, a join on dates)
changes when the future is taken away. Whatever depends on the order of float additions shows, too.

Here: the audit. Not here: when it runs (assets/checks.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from feeds.errors import SchemaError

MISSING_ROWS = "(rows)"


@dataclass(frozen=True)
class Difference:
    """One column that changed when the future was taken away.

    Attributes:
        cut_ns: Time of the cut, ns UTC.
        column: The column, or ``"(rows)"`` where rows appeared or vanished.
        rows: Number of rows that differ.
        first: Key of the first of them.
    """

    cut_ns: int
    column: str
    rows: int
    first: str


@dataclass(frozen=True)
class LeakageReport:
    """Result of `audit_cut`.

    Attributes:
        passed: At least one row was compared and none differs.
        rows_compared: Rows up to the cuts, summed over the cuts.
        differing: What differs.
    """

    passed: bool
    rows_compared: int
    differing: tuple[Difference, ...]


def audit_cut(
    compute: Callable[[pl.DataFrame], pl.DataFrame],
    inputs: pl.DataFrame,
    cut_ns: Sequence[int],
    time_column: str = "available_at",
    key: Sequence[str] = ("ts", "symbol"),
) -> LeakageReport:
    """Recompute on ``inputs`` cut at each time and compare with the whole, bit for bit.

    Args:
        compute: Inputs to outputs; the outputs' first key column is the time they speak of, ns UTC.
        inputs: Everything; the rows with ``time_column <= cut`` are what is known at a cut.
        cut_ns: Times to cut at.
        time_column: Column of ``inputs``.
        key: Columns that identify an output row.

    Raises:
        SchemaError: A key column is missing in the outputs, or keys repeat.
    """
    whole = compute(inputs)
    differing: list[Difference] = []
    compared = 0
    for cut in cut_ns:
        expected = _until(whole, cut, key)
        found = _until(compute(inputs.filter(pl.col(time_column) <= cut)), cut, key)
        compared += max(expected.height, found.height)
        differing += _differences(expected, found, cut, list(key))
    return LeakageReport(not differing and compared > 0, compared, tuple(differing))


def _until(frame: pl.DataFrame, cut: int, key: Sequence[str]) -> pl.DataFrame:
    missing = [name for name in key if name not in frame.columns]
    if missing or frame.select(key).n_unique() != frame.height:
        raise SchemaError(
            "leakage audit",
            received=f"columns {frame.columns}, {frame.height} rows",
            expected=f"rows identified by {list(key)}",
        )
    return frame.filter(pl.col(key[0]) <= cut).sort(key)


def _differences(expected: pl.DataFrame, found: pl.DataFrame, cut: int, key: list[str]) -> list[Difference]:
    if expected.columns != found.columns or expected.dtypes != found.dtypes:
        only = sorted(set(expected.schema.items()) ^ set(found.schema.items()), key=str)
        return [Difference(cut, str([name for name, _ in only]), expected.height, "columns or their types")]
    unmatched = pl.concat([expected.join(found, on=key, how="anti"), found.join(expected, on=key, how="anti")])
    if unmatched.height:
        return [Difference(cut, MISSING_ROWS, unmatched.height, str(unmatched.sort(key).row(0)[: len(key)]))]
    result = []
    for name in expected.columns:
        changed = _changed(expected[name], found[name])
        if changed.any():
            row = int(np.argmax(changed))
            first = str(expected.select(key).row(row))
            result.append(Difference(cut, name, int(changed.sum()), first))
    return result


def _changed(left: pl.Series, right: pl.Series) -> npt.NDArray[np.bool_]:
    if left.dtype != pl.Float64:
        return left.ne_missing(right).to_numpy()
    nulls = left.is_null().to_numpy(), right.is_null().to_numpy()
    # Comparing the bits tells -0.0 from 0.0 and one NaN from another, which == does not.
    bits = left.fill_null(0.0).to_numpy().view(np.int64), right.fill_null(0.0).to_numpy().view(np.int64)
    return (nulls[0] != nulls[1]) | (bits[0] != bits[1])
