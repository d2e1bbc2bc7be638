"""Running a suite on one partition with Great Expectations, in memory, without network or progress bars.

Here: `run_suite` and its result types. Not here: the suites (feeds/quality/suites.py), storing results (assets/).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from feeds.errors import SchemaError
from feeds.quality.suites import DERIVE, SUITES, Expectation

_EXAMPLES = 5


@dataclass(frozen=True)
class ExpectationResult:
    """Outcome of one expectation.

    Attributes:
        expectation: What was expected, in one line.
        column: The column it speaks of, None for one about the table.
        blocking: Whether a failure stops the partition.
        passed: Whether it held.
        rows_checked: Rows it looked at (null rows are skipped).
        rows_failed: Rows that violate it; 0 for expectations about an aggregate.
        examples: Up to five violating values, or the observed aggregate.
    """

    expectation: str
    column: str | None
    blocking: bool
    passed: bool
    rows_checked: int
    rows_failed: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class SuiteResult:
    """Outcome of a suite.

    Attributes:
        table: The table.
        passed: Whether every blocking expectation held.
        results: One per expectation, in the order of the suite.
    """

    table: str
    passed: bool
    results: tuple[ExpectationResult, ...]


def run_suite(table: str, frame: pl.DataFrame) -> SuiteResult:
    """Check one partition.

    Args:
        table: A key of `SUITES`.
        frame: The partition.

    Raises:
        SchemaError: There is no suite for ``table``.
    """
    if table not in SUITES:
        raise SchemaError(f"suite {table}", received="unknown table", expected=f"one of {sorted(SUITES)}")
    suite = SUITES[table]
    try:
        derived = DERIVE[table](frame)
    except pl.exceptions.ColumnNotFoundError as error:
        derived, note = frame, f"cannot derive: {error}"
    else:
        note = "column missing"
    results: dict[int, ExpectationResult] = {}
    present: dict[int, Expectation] = {}
    for position, expectation in enumerate(suite):
        missing = [name for name in expectation.columns if name not in derived.columns]
        if missing:
            results[position] = _result(expectation, False, 0, 0, (f"{note}: {missing}",))
        else:
            present[position] = expectation
    results |= _validate(present, _needed(derived, frame, present))
    ordered = tuple(results[position] for position in range(len(suite)))
    return SuiteResult(table, all(item.passed for item in ordered if item.blocking), ordered)


def _needed(derived: pl.DataFrame, frame: pl.DataFrame, present: Mapping[int, Expectation]) -> pl.DataFrame:
    about_columns = any("column_set" in item.kwargs for item in present.values())
    wanted = {name for item in present.values() for name in item.columns}
    if about_columns:
        wanted |= set(frame.columns)
    return derived.select(name for name in derived.columns if name in wanted)


def _validate(present: Mapping[int, Expectation], frame: pl.DataFrame) -> dict[int, ExpectationResult]:
    # Great Expectations takes seconds to import; it reads this variable while it does.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.expectations.registry import get_expectation_impl

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("memory").add_dataframe_asset("partition")
    definition = asset.add_batch_definition_whole_dataframe("whole")
    batch = definition.get_batch(batch_parameters={"dataframe": frame.to_pandas()})
    expectations = [
        get_expectation_impl(item.type)(**_arguments(item), meta={"position": position})
        for position, item in present.items()
    ]
    suite = gx.ExpectationSuite(name="suite", expectations=expectations)
    outcome = batch.validate(suite, result_format={"result_format": "SUMMARY", "partial_unexpected_count": _EXAMPLES})
    found = {_position(item): item for item in outcome.results}
    return {position: _read(item, found[position], frame.height) for position, item in present.items()}


def _position(outcome: Any) -> int:
    # Great Expectations returns results in an order of its own.
    return int(outcome.expectation_config.meta["position"])


def _arguments(expectation: Expectation) -> dict[str, Any]:
    return {name: value for name, value in expectation.kwargs.items() if value is not None}


def _read(expectation: Expectation, outcome: Any, height: int) -> ExpectationResult:
    details = outcome.result
    if outcome.exception_info and outcome.exception_info.get("raised_exception"):
        message = outcome.exception_info.get("exception_message") or "the expectation could not be evaluated"
        return _result(expectation, False, height, 0, (str(message)[:200],))
    passed = bool(outcome.success)
    if "unexpected_count" in details:
        checked = int(details["element_count"]) - int(details.get("missing_count") or 0)
        values = details.get("partial_unexpected_list") or []
        return _result(expectation, passed, checked, int(details["unexpected_count"]), tuple(map(_show, values)))
    observed = details.get("observed_value")
    if observed is None or observed != observed:
        # The mean of no rows: nothing to object to (a table without trades has no unsigned trades).
        return _result(expectation, True, 0, 0, ())
    return _result(expectation, passed, height, 0, () if passed else (f"observed {_show(observed)}",))


def _show(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={_show(item)}" for name, item in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


def _result(
    expectation: Expectation, passed: bool, checked: int, failed: int, examples: tuple[str, ...]
) -> ExpectationResult:
    return ExpectationResult(
        expectation.text, expectation.column, expectation.blocking, passed, checked, failed, examples[:_EXAMPLES]
    )
