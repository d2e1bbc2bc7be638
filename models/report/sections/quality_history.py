"""Data quality over time: the calendar, what did not pass on the last dates, rejections by reason, drift alarms.

Here: choosing tables, plots and their words. Not here: the night's own rows (models/report/sections/quality.py), the
statistics (feeds/quality/drift.py).
"""

from __future__ import annotations

import polars as pl

from feeds.quality.drift import DriftReport
from feeds.quality.history import STATES
from models.plots.quality import data_quality_calendar, with_status
from models.plots.quality_drift import drift_panel
from models.report.content import Figure, Section, Table
from models.report.quality_inputs import QualityInputs

_MOST_ROWS = 25
_MOST_REASONS = 8


def add_quality_history(section: Section, found: QualityInputs) -> None:
    """Add the calendar (first picture), the tables of the last dates and the drift alarms to ``section``."""
    if not found.calendar.is_empty():
        caption = (
            "Worst result of all checks and invariants by date and instrument. A warning stops nothing; a blocking "
            "failure excludes the instrument from that date. No data: expected, and not delivered."
        )
        picture = data_quality_calendar(found.calendar)
        section.figures.insert(0, Figure("Data quality calendar", caption, picture))
        section.tables.append(_states(found))
    dates = _last_dates(found)
    for table in (_not_passed(found, dates), _rejections(found, dates)):
        if table is not None:
            section.tables.append(table)
    if found.drift is not None:
        _add_drift(section, found.drift)


def _last_dates(found: QualityInputs) -> list[str]:
    return sorted(found.calendar["date"].unique().to_list())[-found.last_dates :]


def _states(found: QualityInputs) -> Table:
    def count(state: str) -> pl.Expr:
        return (pl.col("state") == state).sum().alias(f"days_{state}")

    rows_in = pl.col("rows_in").sum()
    faulty = (pl.col("rejected_share") * pl.col("rows_in")).sum()
    frame = (
        found.calendar.filter(pl.col("date").is_in(_last_dates(found)))
        .group_by("date", maintain_order=True)
        .agg(*(count(state) for state in reversed(STATES)), rows_in, faulty.alias("faulty"), pl.col("gaps").sum())
        .sort("date", descending=True)
    )
    share = pl.col("faulty") / pl.when(pl.col("rows_in") > 0).then(pl.col("rows_in"))
    frame = frame.with_columns(rejected_share=share).drop("faulty")
    labels = {f"days_{state}": state for state in STATES} | {"gaps": "lost messages", "rejected_share": "faulty (%)"}
    note = (
        "Instruments by state. Faulty: rows rejected for another reason than by design (outside the session, "
        "snapshots, auctions)."
    )
    return Table("State of the last dates", note, frame, labels=labels)


def _not_passed(found: QualityInputs, dates: list[str]) -> Table | None:
    if found.results is None or found.results.is_empty():
        return None
    wanted = ("date", "symbol", "status", "table", "expectation", "rows_failed", "rows_checked", "examples")
    bad = with_status(found.results).filter(pl.col("date").is_in(dates) & pl.col("status").is_in(["fail", "warn"]))
    title = "Failures and warnings of the last dates"
    if bad.is_empty():
        return Table(title, "Every check and every invariant passed.", bad.select("date", "symbol", "expectation"))
    ordered = bad.sort("date", "status", "symbol", "table", "expectation", descending=[True, *[False] * 4])
    frame = ordered.select(name for name in wanted if name in bad.columns).head(_MOST_ROWS)
    more = f" The first {_MOST_ROWS} of {bad.height}." if bad.height > _MOST_ROWS else ""
    return Table(title, f"Latest date first, failures before warnings.{more}", frame)


def _rejections(found: QualityInputs, dates: list[str]) -> Table | None:
    if found.rejected is None or found.rejected.is_empty():
        return None
    last = found.rejected.filter(pl.col("date").is_in(dates) & (pl.col("rows") > 0))
    if last.is_empty():
        return None
    total = last.group_by("reason", maintain_order=True).agg(pl.col("rows").sum()).sort("rows", descending=True)
    wide = last.pivot("date", index="reason", values="rows", aggregate_function="sum", sort_columns=True)
    frame = total.head(_MOST_REASONS).join(wide, on="reason", how="left", maintain_order="left")
    frame = frame.with_columns(pl.col("reason").str.replace_all("_", " "))
    hidden = total.height - min(total.height, _MOST_REASONS)
    more = f" {hidden} rarer reasons are not shown." if hidden else ""
    note = f"All instruments; every rejected row is stored with its reason.{more}"
    return Table("Rejected rows by reason and date", note, frame, labels={"rows": "all"})


def _add_drift(section: Section, drift: DriftReport) -> None:
    labels = {"value": "today", "low": "band low", "high": "band high", "limit": "alarm above", "p_day": "p (day)"}
    wanted = ("symbol", "metric", "value", "usual", "low", "high", "score", "limit", "p_day")
    frame = drift.alerts.select(wanted).with_columns(pl.col("metric").str.replace_all("_", " "))
    note = drift.sentence
    if drift.judged.height:
        note += (
            f" Stated rate of false alarms: {drift.rate:.1%} of the days, over all instruments and metrics together, "
            "for days exchangeable with their history. Sums are per hour of session. Score: distance from usual, in "
            "units of the third most unusual other day."
        )
    if drift.not_judged.height and drift.judged.height:
        note += f" Not judged: {_reasons(drift.not_judged)}."
    section.tables.append(Table("Drift alarms", note, frame, labels=labels))
    caption = (
        "The series farthest from usual, alarms in red. The grey band is where today raises no alarm; it is as wide "
        "as the stated rate over all series together demands."
    )
    reason = "" if drift.judged.height else drift.sentence.removeprefix("Drift was not judged: ").rstrip(".")
    picture = drift_panel(drift.history, drift.judged, reason=reason)
    section.figures.append(Figure("Drift against the history", caption, picture))


def _reasons(not_judged: pl.DataFrame) -> str:
    grouped = not_judged.group_by("reason", maintain_order=True).agg(pl.len())
    return "; ".join(f"{count} series ({reason})" for reason, count in grouped.iter_rows())
