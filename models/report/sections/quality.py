"""The section on what came in: rows, rejections, checks, exclusions.

Here: choosing tables, plots and their words. Not here: the checks (feeds/quality).
"""

from __future__ import annotations

import polars as pl

from models import plots
from models.plots.quality import STATUSES, with_status
from models.report.content import Figure, Section, Table
from models.report.inputs import ReportInputs
from models.report.quality_inputs import QualityInputs
from models.report.sections.absence import absent, is_empty
from models.report.sections.quality_history import add_quality_history

_MOST_FAILURES = 25
#: Up to this many instruments, rejection reasons are spread over one column each.
_MOST_COLUMNS = 6


def quality_section(inputs: ReportInputs, history: QualityInputs | None = None) -> Section:
    """Rows in and out, rejections, checks, who was excluded, and with ``history`` quality over time and drift."""
    section = Section("Data and quality", _quality_text(inputs))
    rows_in = _add_ingest(section, inputs)
    _add_rejected(section, inputs, rows_in)
    _add_checks(section, inputs, with_calendar=history is None)
    if history is not None:
        add_quality_history(section, history)
    if inputs.excluded:
        frame = pl.DataFrame({"symbol": list(inputs.excluded), "reason": list(inputs.excluded.values())})
        note = "Not in the night's universe: no feature, forecast or trade of this report uses them."
        section.tables.append(Table("Excluded instruments", note, frame))
    return section


def _quality_text(inputs: ReportInputs) -> str:
    if is_empty(inputs.ingest) and is_empty(inputs.quality):
        return absent(inputs, "quality", "neither row counts nor check results were given for this night.")
    return (
        "Every row that was read is either kept or rejected with a reason. A failed blocking check takes its "
        "instrument out of the night; the others go on."
    )


def _add_ingest(section: Section, inputs: ReportInputs) -> int | None:
    if inputs.ingest is None or inputs.ingest.is_empty():
        return None
    counts = pl.col("rows_in", "clean", "rejected").cast(pl.Int64)
    frame = _of_night(inputs.ingest, inputs.night).select("symbol", counts).sort("symbol")
    if frame.is_empty():
        return None
    total = frame.select(pl.lit("all").alias("symbol"), pl.col("rows_in", "clean", "rejected").sum())
    shown = pl.concat([frame, total], how="vertical_relaxed") if frame.height > 1 else frame
    share = pl.col("rejected") / pl.when(pl.col("rows_in") > 0).then(pl.col("rows_in"))
    shown = shown.with_columns(share.alias("rejected_share"))
    unbalanced = unbalanced_symbols(frame)
    note = "Rows read = rows kept + rows rejected, for every instrument that was cleaned."
    if unbalanced:
        note = f"Rows do NOT add up for {', '.join(unbalanced)}: read differs from kept + rejected."
    section.tables.append(Table("Rows read, kept and rejected", note, shown))
    return int(total["rows_in"][0])


def unbalanced_symbols(ingest: pl.DataFrame) -> list[str]:
    """Symbols for which rows_in differs from clean + rejected."""
    wrong = ingest.filter(pl.col("rows_in") != pl.col("clean") + pl.col("rejected"))
    return sorted(wrong["symbol"].unique().to_list())


def _add_rejected(section: Section, inputs: ReportInputs, rows_in: int | None) -> None:
    if inputs.rejected is None or inputs.rejected.is_empty():
        return
    rejected = _of_night(inputs.rejected, inputs.night)
    total = rejected.group_by("reason", maintain_order=True).agg(pl.col("rows").sum()).filter(pl.col("rows") > 0)
    total = total.sort(["rows", "reason"], descending=[True, False])
    if rows_in:
        total = total.with_columns((pl.col("rows") / rows_in).alias("share"))
    frame = _spread_over_symbols(rejected, total).with_columns(pl.col("reason").str.replace_all("_", " "))
    note = "Rejected rows are stored with their reason and their place in the source."
    section.tables.append(Table("Rejected rows by reason", note, frame, labels={"rows": "rows"}))
    caption = (
        "Rows that were read and not kept, by reason, all instruments of the night. Rows outside the "
        "session are "
        "rejected by design: they may still have built the order book."
    )
    picture = plots.rejected_by_reason(rejected, rows_in=rows_in)
    section.figures.append(Figure("Rejected rows by reason", caption, picture))


def _spread_over_symbols(rejected: pl.DataFrame, total: pl.DataFrame) -> pl.DataFrame:
    if "symbol" not in rejected.columns or not 1 < rejected["symbol"].n_unique() <= _MOST_COLUMNS:
        return total
    wide = rejected.pivot("symbol", index="reason", values="rows", aggregate_function="sum", sort_columns=True)
    return (
        total.select("reason")
        .join(wide, on="reason", how="left", maintain_order="left")
        .join(total, on="reason", maintain_order="left")
    )


def _add_checks(section: Section, inputs: ReportInputs, with_calendar: bool) -> None:
    if inputs.quality is None or inputs.quality.is_empty():
        return
    quality = with_status(inputs.quality)
    night = _of_night(quality, inputs.night)
    if not night.is_empty():
        section.tables.append(_check_counts(night))
        failed = night.filter(~pl.col("status").is_in(["pass", "missing"]))
        if not failed.is_empty():
            section.tables.append(_failed_checks(failed))
    if not with_calendar:
        return
    caption = (
        "Worst result of all quality checks by date and instrument (“all”: tables that hold every "
        "instrument). "
        "A warning stops nothing; a blocking failure excludes the instrument from that date. No data: the "
        "source "
        "delivered nothing, or nothing has been checked."
    )
    section.figures.insert(0, Figure("Data quality calendar", caption, plots.data_quality_calendar(quality)))


def _check_counts(night: pl.DataFrame) -> Table:
    def count(status: str) -> pl.Expr:
        return (pl.col("status") == status).sum().alias(status)

    frame = night.group_by("table", maintain_order=True).agg(
        pl.len().alias("checks"), count("pass"), count("warn"), count("fail"), pl.col("rows_failed").sum()
    )
    labels = {"pass": "passed", "warn": "warnings", "fail": "failed"}
    note = "Great Expectations suites of the night, one check per expectation and partition."
    return Table("Quality checks by table", note, frame, labels=labels)


def _failed_checks(failed: pl.DataFrame) -> Table:
    wanted = ["symbol", "table", "status", "expectation", "column", "rows_failed", "rows_checked", "examples"]
    rank = pl.col("status").replace_strict({name: n for n, name in enumerate(STATUSES)}, return_dtype=pl.Int8)
    ordered = failed.sort(rank, "symbol", "table", "expectation")
    frame = ordered.select(name for name in wanted if name in failed.columns).head(_MOST_FAILURES)
    more = f" The first {_MOST_FAILURES} of {failed.height}." if failed.height > _MOST_FAILURES else ""
    return Table("Checks that did not pass", f"Failures before warnings.{more}", frame)


def _of_night(frame: pl.DataFrame, night: str) -> pl.DataFrame:
    return frame.filter(pl.col("date").cast(pl.String) == night) if "date" in frame.columns else frame
