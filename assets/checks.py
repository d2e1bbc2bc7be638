"""Blocking quality checks: one Great Expectations suite per table, run per partition, results kept over time.

Here: asset checks that read a partition, run a suite and store the verdict. Not here: the suites (feeds/quality),
the rule for what a failed check does to a date (assets/universe.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.common import resolved, table_value
from assets.execution_checks import build_execution_checks
from assets.partitions import StudyPartitions, split_key
from assets.store import StudyStore

if TYPE_CHECKING:
    import polars as pl

    from feeds.quality.run import SuiteResult

#: Tables with one partition per instrument-day, and per date.
INSTRUMENT_DAY_TABLES = ("raw_ticks", "clean_ticks", "bars", "microstructure_features", "vendor_bars")
DATE_TABLES = ("headlines", "sentiment", "external_signals", "feature_table", "training_set")


def build_checks(parts: StudyPartitions) -> list[dg.AssetChecksDefinition]:
    """All checks of one study."""
    by_instrument = [_suite_check(table, parts, by_instrument=True) for table in INSTRUMENT_DAY_TABLES]
    by_date = [_suite_check(table, parts, by_instrument=False) for table in DATE_TABLES]
    return [*by_instrument, *by_date, _leakage_audit(parts), _control_rows(parts), *build_execution_checks(parts)]


def _suite_check(table: str, parts: StudyPartitions, by_instrument: bool) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=table,
        name=f"{table}_quality",
        blocking=True,
        partitions_def=parts.instrument_days if by_instrument else parts.dates,
        description=f"Great Expectations suite of {table}; a failure stops its own partition's downstream only.",
    )
    @resolved
    def check(context: dg.AssetCheckExecutionContext, store: StudyStore) -> dg.AssetCheckResult:
        date, symbol = split_key(context) if by_instrument else (context.partition_key, None)
        return evaluate_table(store, table, date, symbol)

    return check


def evaluate_table(store: StudyStore, table: str, date: str, symbol: str | None) -> dg.AssetCheckResult:
    """Run the suite of ``table`` on one partition, store the results in ``quality_<table>`` and give the verdict."""
    from feeds.quality.run import SuiteResult, run_suite
    from feeds.quality.traits import PROMISES

    origin = store.lake.manifest(table, date, symbol)
    if table == "microstructure_features" and origin.params.get("book") == "none":
        # Not a failure of the data: the universe leaves the instrument out and says why.
        result = SuiteResult(table, True, ())
    else:
        promised = PROMISES.get(str(origin.params.get("format")), frozenset()) if table == "raw_ticks" else frozenset()
        result = run_suite(table, store.lake.read(table, date, symbol), promised)
    if roles := origin.params.get("awaited_roles"):
        result = _with_awaited(result, roles)
    frame = results_frame(result, date, symbol or "*")
    store.lake.write(f"quality_{table}", frame, date, symbol, parents=[origin.id])
    return verdict(frame)


def _with_awaited(result: SuiteResult, roles: list[str]) -> SuiteResult:
    """A warning where a day was read without a file that a complete one has: quotes that came late, or never."""
    from feeds.quality.run import ExpectationResult, SuiteResult

    text = f"files of the roles {roles} are there"
    missing = ExpectationResult(text, None, False, False, 0, 0, ("read without them",))
    return SuiteResult(result.table, result.passed, (*result.results, missing))


def results_frame(result: SuiteResult | None, date: str = "", symbol: str = "") -> pl.DataFrame:
    """One row per expectation: what was expected of which column, on how many rows it failed, examples.

    Without a result, a frame without rows.
    """
    import polars as pl

    return pl.DataFrame(
        [
            {
                "date": date,
                "symbol": symbol,
                "table": result.table if result else "",
                "expectation": item.expectation,
                "column": item.column or "",
                "blocking": item.blocking,
                "passed": item.passed,
                "rows_checked": item.rows_checked,
                "rows_failed": item.rows_failed,
                "examples": "; ".join(item.examples),
            }
            for item in (result.results if result else ())
        ],
        schema={
            **dict.fromkeys(("date", "symbol", "table", "expectation", "column"), pl.String),
            "blocking": pl.Boolean,
            "passed": pl.Boolean,
            "rows_checked": pl.Int64,
            "rows_failed": pl.Int64,
            "examples": pl.String,
        },
    )


def verdict(frame: pl.DataFrame) -> dg.AssetCheckResult:
    """What stored results mean: an error where a blocking expectation failed, a warning where another did."""
    failed = frame.filter(~frame["passed"])
    blocking = failed.filter(failed["blocking"])
    metadata: dict[str, Any] = {
        "expectations": frame.height,
        "failed": failed.height,
        "rows_checked": int(frame["rows_checked"].max() or 0),  # type: ignore[arg-type]
        "rows_failed": int(failed["rows_failed"].sum()),
        "results": table_value(frame.drop("date", "symbol", "table")),
    }
    what = [f"{row['expectation']} on {row['rows_failed']} rows" for row in failed.to_dicts()]
    if blocking.is_empty():
        severity = dg.AssetCheckSeverity.WARN
        return dg.AssetCheckResult(
            passed=failed.is_empty(),
            severity=severity,
            metadata=metadata,
            description="; ".join(what) or "all passed",
        )
    return dg.AssetCheckResult(
        passed=False, severity=dg.AssetCheckSeverity.ERROR, metadata=metadata, description="; ".join(what)
    )


def _leakage_audit(parts: StudyPartitions) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset="microstructure_features",
        name="leakage_audit",
        blocking=True,
        partitions_def=parts.instrument_days,
        description="Cuts the ticks at two times, recomputes, and requires every feature up to the cut bit-equal.",
    )
    @resolved
    def leakage_audit(context: dg.AssetCheckExecutionContext, store: StudyStore) -> dg.AssetCheckResult:
        return audit_features(store, *split_key(context))

    return leakage_audit


def audit_features(store: StudyStore, date: str, symbol: str) -> dg.AssetCheckResult:
    """Recompute the stored features from ticks cut at two times; every row up to a cut must come out bit-equal."""
    from assets.ticks import session_of, spec_from
    from models.features import microstructure_features
    from models.leakage import audit_cut

    if store.lake.manifest("microstructure_features", date, symbol).params.get("book") == "none":
        return dg.AssetCheckResult(passed=True, description="trades only: there are no features")
    spec = spec_from(store.lake.manifest("clean_ticks", date, symbol))
    cleaned = store.lake.read("clean_ticks", date, symbol)
    bounds, grid_ms = session_of(store, date), store.config.grid_ms
    stamps = cleaned["available_at"]
    cuts = [int(stamps[int(stamps.len() * share)]) for share in (0.3, 0.7)]
    report = audit_cut(lambda ticks: microstructure_features(ticks, bounds, grid_ms, spec), cleaned, cuts)
    stored = store.lake.read("microstructure_features", date, symbol)
    same = stored.equals(microstructure_features(cleaned, bounds, grid_ms, spec), null_equal=True)
    return dg.AssetCheckResult(
        passed=report.passed and same,
        metadata={
            "cuts_ns": dg.MetadataValue.json(cuts),
            "differing": str(report.differing),
            "stored_rows_equal": same,
        },
    )


def _control_rows(parts: StudyPartitions) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset="alpha_model",
        name="controls_find_nothing",
        partitions_def=parts.dates,
        description="A model trained on shuffled labels must show no information coefficient out of sample.",
    )
    @resolved
    def controls_find_nothing(context: dg.AssetCheckExecutionContext, store: StudyStore) -> dg.AssetCheckResult:
        return judge_controls(store, context.partition_key)

    return controls_find_nothing


def judge_controls(store: StudyStore, date: str) -> dg.AssetCheckResult:
    """Pass where the shuffled-label row's IC interval holds zero, or cannot be computed."""
    import polars as pl

    manifest = store.artefacts.current("alpha_model", date)
    table = pl.DataFrame(store.artefacts.read_json(manifest, "evaluation.json")["table"], infer_schema_length=None)
    row = next((row for row in table.to_dicts() if row["row"] == "shuffled"), {"ic_low": None, "ic_high": None})
    low, high = row["ic_low"], row["ic_high"]
    return dg.AssetCheckResult(
        passed=low is None or high is None or low <= 0 <= high,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"table": table_value(table)},
        description=f"shuffled labels: IC interval [{low}, {high}]",
    )
