"""Running a suite on one partition with Great Expectations.

Each expectation is judged in the cheapest way that cannot change its verdict or its counts: on witnesses (see
feeds/quality/witness.py), and on the whole column only where the witnesses fail.

Here: `run_suite` and its result types. Not here: the suites (feeds/quality/suites.py), calling the library
(feeds/quality/engine.py), storing results (assets/).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from feeds.errors import SchemaError
from feeds.quality.expectations import AGGREGATES, Expectation, between
from feeds.quality.suites import DERIVE, SUITES, suite_for
from feeds.quality.traits import Traits, traits_of
from feeds.quality.witness import WITNESSED, aggregate_frame, known_rows, witness_frame

if TYPE_CHECKING:
    from feeds.quality.engine import Engine

_EXAMPLES = 5
_NOT_NULL = "expect_column_values_to_not_be_null"
_NO_ROW = "no row it speaks of"


@dataclass(frozen=True)
class ExpectationResult:
    """Outcome of one expectation.

    Attributes:
        expectation: What was expected, in one line.
        column: The column it speaks of, None for one about the table.
        blocking: Whether a failure stops the partition.
        passed: Whether it held; True where it was left out.
        rows_checked: Rows it looked at (null rows are skipped).
        rows_failed: Rows that violate it; 0 for expectations about an aggregate.
        examples: Up to five violating values, or the observed aggregate.
        left_out: Why it was not judged, empty where it was.
    """

    expectation: str
    column: str | None
    blocking: bool
    passed: bool
    rows_checked: int
    rows_failed: int
    examples: tuple[str, ...]
    left_out: str = ""


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


def run_suite(table: str, frame: pl.DataFrame, expected: Traits = frozenset()) -> SuiteResult:
    """Check one partition.

    Args:
        table: A key of `SUITES`.
        frame: The partition.
        expected: Traits the source promises, see feeds/quality/traits.py; each adds a blocking expectation that the
            partition has it, and what needs it is judged whether it has it or not.

    Raises:
        SchemaError: There is no suite for ``table``.
    """
    if table not in SUITES:
        raise SchemaError(f"suite {table}", received="unknown table", expected=f"one of {sorted(SUITES)}")
    traits = traits_of(table, frame)
    promises = tuple(between(trait, 1, 1) for trait in sorted(expected))
    _, left_out = suite_for(table, traits | expected)
    reasons = {item.text: reason for item, reason in left_out}
    try:
        derived = DERIVE[table](frame)
    except pl.exceptions.ColumnNotFoundError as error:
        derived, note = frame, f"cannot derive: {error}"
    else:
        note = "column missing"
    derived = derived.with_columns(pl.lit(int(name in traits)).alias(name) for name in sorted(expected))
    suite = (*SUITES[table], *promises)
    results: dict[int, ExpectationResult] = {}
    present: dict[int, Expectation] = {}
    for position, item in enumerate(suite):
        missing = [name for name in item.columns if name not in derived.columns]
        if item.text in reasons:
            results[position] = _left_out(item, reasons[item.text])
        elif missing:
            results[position] = _result(item, False, 0, 0, (f"{note}: {missing}",))
        else:
            present[position] = item
    results |= _judged(present, frame, derived)
    ordered = tuple(results[position] for position in range(len(suite)))
    return SuiteResult(table, all(item.passed for item in ordered if item.blocking), ordered)


def _judged(
    present: Mapping[int, Expectation], frame: pl.DataFrame, derived: pl.DataFrame
) -> dict[int, ExpectationResult]:
    from feeds.quality.engine import Engine

    engine = Engine(_EXAMPLES)
    of_columns = {position: item for position, item in present.items() if item.column is not None}
    of_frame = {position: item for position, item in present.items() if item.column is None}
    known = {name: known_rows(derived, name) for name in {item.column for item in of_columns.values() if item.column}}
    results: dict[int, ExpectationResult] = {}
    for position, item in list(of_columns.items()):
        if not known[str(item.column)] and item.type != _NOT_NULL:
            results[position] = _left_out(of_columns.pop(position), _NO_ROW)
    results |= _judge_witnessed(engine, of_columns, derived, known)
    results |= _judge_aggregates(engine, of_columns, derived, known)
    return results | _judge_frame(engine, of_frame, frame, derived)


def _judge_witnessed(
    engine: Engine, items: Mapping[int, Expectation], derived: pl.DataFrame, known: Mapping[str, int]
) -> dict[int, ExpectationResult]:
    witnessed = {position: item for position, item in items.items() if item.type in WITNESSED}
    if not witnessed:
        return {}
    results: dict[int, ExpectationResult] = {}
    doubtful: dict[str, dict[int, Expectation]] = {}
    judged = engine.validate(witnessed, witness_frame(derived, witnessed.values())) if derived.height else {}
    for position, item in witnessed.items():
        column = str(item.column)
        if derived.height and not _raised(judged[position]) and int(judged[position].result["unexpected_count"]) == 0:
            checks_nulls = item.type == _NOT_NULL
            results[position] = _result(item, True, derived.height if checks_nulls else known[column], 0, ())
        else:
            doubtful.setdefault(column, {})[position] = item
    for column, doubted in doubtful.items():
        results |= _judge_whole(engine, doubted, derived.select(column))
    return results


def _judge_whole(
    engine: Engine, items: Mapping[int, Expectation], column: pl.DataFrame
) -> dict[int, ExpectationResult]:
    """Nulls are looked for among all rows; everything else is judged on the rows with a value, exact integers then."""
    results: dict[int, ExpectationResult] = {}
    about_nulls = {position: item for position, item in items.items() if item.type == _NOT_NULL}
    about_values = {position: item for position, item in items.items() if item.type != _NOT_NULL}
    for chosen, frame in ((about_nulls, column), (about_values, column.fill_nan(None).drop_nulls())):
        judged = engine.validate(chosen, frame)
        results |= {position: _read(item, judged[position], frame.height) for position, item in chosen.items()}
    return results


def _judge_aggregates(
    engine: Engine, items: Mapping[int, Expectation], derived: pl.DataFrame, known: Mapping[str, int]
) -> dict[int, ExpectationResult]:
    results: dict[int, ExpectationResult] = {}
    chosen = {position: item for position, item in items.items() if item.type in AGGREGATES}
    while chosen:
        # A frame has one figure a column: of two expectations about one column, the second waits.
        batch = {str(item.column): position for position, item in reversed(chosen.items())}
        now = {position: chosen.pop(position) for position in sorted(batch.values())}
        judged = engine.validate(now, aggregate_frame(derived, now.values()))
        results |= {position: _read(item, judged[position], known[str(item.column)]) for position, item in now.items()}
    return results


def _judge_frame(
    engine: Engine, items: Mapping[int, Expectation], frame: pl.DataFrame, derived: pl.DataFrame
) -> dict[int, ExpectationResult]:
    """Expectations about the table: its columns and number of rows, or several columns together."""
    joint = {position: item for position, item in items.items() if item.columns}
    shape = {position: item for position, item in items.items() if not item.columns}
    # A table has so many rows exactly if its first so many rows are there.
    needed = max((int(item.kwargs.get("min_value", 0)) for item in shape.values()), default=0)
    judged = engine.validate(shape, frame.head(needed))
    for position, item in joint.items():
        judged |= engine.validate({position: item}, derived.select(item.columns))
    return {position: _read(item, judged[position], frame.height) for position, item in items.items()}


def _raised(outcome: Any) -> bool:
    return bool(outcome.exception_info and outcome.exception_info.get("raised_exception"))


def _read(expectation: Expectation, outcome: Any, height: int) -> ExpectationResult:
    details = outcome.result
    if _raised(outcome):
        message = outcome.exception_info.get("exception_message") or "the expectation could not be evaluated"
        return _result(expectation, False, height, 0, (str(message)[:200],))
    passed = bool(outcome.success)
    if "unexpected_count" in details:
        checked = int(details["element_count"]) - int(details.get("missing_count") or 0)
        values = details.get("partial_unexpected_list") or []
        return _result(expectation, passed, checked, int(details["unexpected_count"]), tuple(map(_show, values)))
    shown = f"observed {_show(details.get('observed_value'))}"
    return _result(expectation, passed, height, 0, () if passed else (shown,))


def _show(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={_show(item)}" for name, item in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


def _left_out(expectation: Expectation, reason: str) -> ExpectationResult:
    said = (f"left out: {reason}",)
    return ExpectationResult(expectation.text, expectation.column, expectation.blocking, True, 0, 0, said, reason)


def _result(
    expectation: Expectation, passed: bool, checked: int, failed: int, examples: tuple[str, ...]
) -> ExpectationResult:
    return ExpectationResult(
        expectation.text, expectation.column, expectation.blocking, passed, checked, failed, examples[:_EXAMPLES]
    )
