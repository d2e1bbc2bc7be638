"""clean_ticks -> invariants of the book, figures of the day -> data_quality_calendar with drift alerts.

Here: the checks and the asset that keep data quality over time. Not here: the statistics (feeds/quality), the suites'
checks (assets/checks.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.checks import DATE_TABLES, INSTRUMENT_DAY_TABLES, results_frame, verdict
from assets.common import CARRY_THROUGH_GATHERED, failures, plot_value, resolved, table_metadata, table_value
from assets.partitions import StudyPartitions, split_key
from assets.store import StudyStore

if TYPE_CHECKING:
    import polars as pl

    from models.report.quality_inputs import QualityInputs

GROUP = "ticks"
OWNERS = ["team:data"]
#: Dates that the calendar shows and that drift is judged against.
CALENDAR_DATES = 120


def build_quality(parts: StudyPartitions) -> list[dg.AssetsDefinition]:
    """The assets of this module for one study."""
    return [_data_quality_calendar(parts)]


def build_quality_checks(parts: StudyPartitions) -> list[dg.AssetChecksDefinition]:
    """The checks of this module for one study."""
    return [_book_invariants(parts), _no_drift(parts)]


def _book_invariants(parts: StudyPartitions) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset="clean_ticks",
        name="book_invariants",
        blocking=True,
        additional_deps=["raw_ticks"],
        partitions_def=parts.instrument_days,
        description="Crossed and locked books, negative depth, executions without a resting order, messages against "
        "the stated book, lost messages, stale quotes, clocks that run backwards: docs/quality.md has the thresholds.",
    )
    @resolved
    def book_invariants(context: dg.AssetCheckExecutionContext, store: StudyStore) -> dg.AssetCheckResult:
        return audit_day(store, *split_key(context))

    return book_invariants


def audit_day(store: StudyStore, date: str, symbol: str) -> dg.AssetCheckResult:
    """Check the invariants of one instrument-day, store their results and the day's figures, give the verdict."""
    from assets.sources import source_problems
    from assets.ticks import session_of
    from feeds.quality.audit import GAP_PROBLEMS
    from feeds.quality.history import day_figures, figures_frame, raw_counts
    from feeds.quality.invariants import check_invariants

    lake, bounds = store.lake, session_of(store, date)
    origins = [lake.manifest(table, date, symbol) for table in ("raw_ticks", "clean_ticks")]
    parents = [origin.id for origin in origins]
    raw, clean = lake.read("raw_ticks", date, symbol), lake.read("clean_ticks", date, symbol)
    problems = source_problems(origins[0])
    frame = results_frame(check_invariants(raw, bounds, problems, clean), date, symbol)
    lake.write("quality_invariants", frame, date, symbol, parents=parents)
    lost = sum(problem.kind in GAP_PROBLEMS for problem in problems)
    counts = raw_counts(raw, lake.read("rejected_ticks", date, symbol), lost)
    figures = figures_frame(day_figures(clean, counts, bounds), date, symbol)
    lake.write("quality_figures", figures, date, symbol, parents=parents)
    return verdict(frame)


def _data_quality_calendar(parts: StudyPartitions) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=parts.dates,
        deps=[dg.AssetDep("clean_ticks", partition_mapping=parts.same_date)],
        group_name=GROUP,
        kinds={"polars", "parquet"},
        owners=OWNERS,
        automation_condition=CARRY_THROUGH_GATHERED,
        description="Date x instrument: ok, warning, failed, missing, with the worst check; drift of volume, spread, "
        "silences and rejections against each instrument's own history, with a stated false-alarm rate.",
    )
    @failures
    def data_quality_calendar(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        from models.plots import UI_DPI, drift_panel
        from models.plots import data_quality_calendar as picture

        date = context.partition_key
        inputs = quality_inputs(store, date)
        drift = inputs.drift
        assert drift is not None
        parents = [
            store.lake.manifest("quality_figures", date, symbol).id
            for symbol in store.lake.symbols("quality_figures", date)
        ]
        params = {"false_alarm_rate": drift.rate, "days": drift.days, "sentence": drift.sentence}
        manifest = store.lake.write("data_quality_calendar", inputs.calendar, date, parents=parents, params=params)
        store.lake.write("drift_alerts", drift.judged, date, parents=[manifest.id], params=params)
        judged: dict[str, Any] = {}
        if drift.judged.height:
            panel = drift_panel(drift.history, drift.judged, reason=drift.sentence, dpi=UI_DPI)
            judged["drift_plot"] = plot_value(panel, store)
        states = inputs.calendar["state"].value_counts()
        return dg.MaterializeResult(
            metadata={
                **table_metadata(inputs.calendar, manifest),
                **{str(state): int(count) for state, count in states.iter_rows()},
                "drift": drift.sentence,
                "alerts": drift.alerts.height,
                "plot": plot_value(picture(inputs.calendar, dpi=UI_DPI), store),
                **judged,
            }
        )

    return data_quality_calendar


def _no_drift(parts: StudyPartitions) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset="data_quality_calendar",
        name="no_drift",
        partitions_def=parts.dates,
        description="No metric of any instrument is further from its own history than on any day of it; the chance "
        "of a false alarm on a day is stated. Too little history is said, not judged.",
    )
    @resolved
    def no_drift(context: dg.AssetCheckExecutionContext, store: StudyStore) -> dg.AssetCheckResult:
        return judge_drift(store, context.partition_key)

    return no_drift


def judge_drift(store: StudyStore, date: str) -> dg.AssetCheckResult:
    """Pass where nothing drifts, or nothing can be judged."""
    from feeds.quality.drift import drift_alerts

    drift = drift_alerts(_figures(store, _dates(store, date)), date)
    return dg.AssetCheckResult(
        passed=drift.alerts.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "alerts": table_value(drift.alerts),
            "false_alarm_rate": drift.rate,
            "attained_rate": drift.attained,
            "days_of_history": drift.days,
        },
        description=drift.sentence,
    )


def quality_inputs(store: StudyStore, date: str) -> QualityInputs:
    """Calendar, check results, rejections and drift up to ``date``."""
    import polars as pl

    from feeds.quality.drift import drift_alerts
    from feeds.quality.history import quality_calendar
    from models.report.quality_inputs import QualityInputs

    dates = _dates(store, date)
    results, figures, rejected = _results(store, dates), _figures(store, dates), _rejected(store, dates)
    wanted = [(day, spec.id) for day in dates for spec in store.config.instruments]
    expected = pl.DataFrame(wanted, schema={"date": pl.String, "symbol": pl.String}, orient="row")
    by_instrument = results.filter(pl.col("symbol") != "*")
    calendar = quality_calendar(by_instrument, figures, rejected, expected)
    return QualityInputs(calendar, results, rejected, drift_alerts(figures, date))


def _dates(store: StudyStore, date: str) -> list[str]:
    return [day for day in store.lake.dates("raw_ticks") if day <= date][-CALENDAR_DATES:]


def _results(store: StudyStore, dates: list[str]) -> pl.DataFrame:
    import polars as pl

    lake = store.lake
    frames = [results_frame(None), _unclean(store, dates)]
    for table in (*INSTRUMENT_DAY_TABLES, "invariants"):
        for date in dates:
            frames += [lake.read(f"quality_{table}", date, name) for name in lake.symbols(f"quality_{table}", date)]
    for table in DATE_TABLES:
        frames += [lake.read(f"quality_{table}", date) for date in dates if lake.exists(f"quality_{table}", date)]
    return pl.concat(frames)


def _unclean(store: StudyStore, dates: list[str]) -> pl.DataFrame:
    """A failure for each instrument-day whose raw ticks never became clean ones."""
    import polars as pl

    from feeds.quality.run import ExpectationResult, SuiteResult

    failed = ExpectationResult("some rows are left after cleaning", None, True, False, 0, 0, ())
    result = SuiteResult("clean_ticks", False, (failed,))
    days = [(date, symbol) for date in dates for symbol in store.lake.symbols("raw_ticks", date)]
    missing = [day for day in days if not store.lake.exists("clean_ticks", *day)]
    frames = [results_frame(result, date, symbol) for date, symbol in missing]
    return pl.concat([results_frame(None), *frames])


def _figures(store: StudyStore, dates: list[str]) -> pl.DataFrame:
    import polars as pl

    from feeds.quality.history import QUALITY_FIGURES

    lake = store.lake
    found = [lake.read("quality_figures", day, name) for day in dates for name in lake.symbols("quality_figures", day)]
    return pl.concat([pl.DataFrame(schema=dict(QUALITY_FIGURES)), *found])


def _rejected(store: StudyStore, dates: list[str]) -> pl.DataFrame:
    """Rejected rows by reason, from the manifests: the rows themselves need not be read."""
    import polars as pl

    records: list[dict[str, Any]] = []
    for date in dates:
        for symbol in store.lake.symbols("clean_ticks", date):
            reasons = store.lake.manifest("clean_ticks", date, symbol).params.get("figures", {}).get("rejected", {})
            records += [
                {"date": date, "symbol": symbol, "reason": reason, "rows": rows} for reason, rows in reasons.items()
            ]
    schema = {"date": pl.String, "symbol": pl.String, "reason": pl.String, "rows": pl.Int64}
    return pl.DataFrame(records, schema=schema)
