"""The sections on correlation, anomalies and risk limits.

Here: choosing tables, plots and their words. Not here: the estimators (models/correlation, models/anomaly), the
formulas (models/limits.py).
"""

from __future__ import annotations

import polars as pl

from models.plots.anomaly import anomaly_timeline
from models.plots.correlation import correlation_heatmap
from models.report.content import Figure, Section, Table
from models.report.inputs import ReportInputs
from models.report.sections.absence import absent, is_empty

_MOST_EPISODES = 20
_MOST_PAIRS = 30


def correlation_section(inputs: ReportInputs) -> Section:
    """Correlation of the instruments and how well it held out of sample."""
    title = "Correlation"
    if inputs.correlation is None:
        return Section(title, absent(inputs, "correlation", "no correlation was estimated for this night."))
    found = inputs.correlation
    section = Section(title, _text(found.verdict, found.split))
    length = f" over {found.return_s} s" if found.return_s else ""
    note = (
        f"Gaussian loss, ln det R + z'R⁻¹z, of returns{length} after the training window; lower is better. z are "
        "returns over their own deviation, the same for every row: correlation alone is judged. Diebold-Mariano "
        "against independence, negative favours the row."
    )
    table = Table("Correlation models", note, found.table, frozenset({"identity"}), {"loss": "loss per return"})
    section.tables.append(table)
    pairs = (
        found.matrix.filter(pl.col("symbol_a") < pl.col("symbol_b")) if not found.matrix.is_empty() else found.matrix
    )
    if pairs.is_empty():
        return section
    kept = pairs.sort(pl.col("ledoit_wolf").abs(), descending=True, maintain_order=True).head(_MOST_PAIRS)
    more = f" The {_MOST_PAIRS} strongest of {pairs.height} pairs." if pairs.height > _MOST_PAIRS else ""
    labels = {"sample": "sample", "ewma": "EWMA", "ledoit_wolf": "Ledoit-Wolf"}
    section.tables.append(Table("Pairs", f"Estimates at the end of the training window.{more}", kept, labels=labels))
    caption = f"Ledoit-Wolf estimate from log returns of the mid{length} in the training window."
    section.figures.append(Figure("Correlation of returns", caption, correlation_heatmap(found.matrix)))
    return section


def anomaly_section(inputs: ReportInputs) -> Section:
    """Unusual decision times and what was unusual in them."""
    title = "Anomalies"
    if inputs.anomaly is None:
        return Section(title, absent(inputs, "anomaly", "no anomaly model was trained for this night."))
    found = inputs.anomaly
    meaning = "Unusual means unlike the training window, not wrong and not dangerous in itself."
    section = Section(title, _text(found.verdict, found.split, meaning))
    note = (
        "Scores of an isolation forest. The expected share is that of the training window; flags cluster, so that "
        "the flagged share scatters more than independent draws would."
    )
    section.tables.append(Table("Alarms by instrument", note, found.table, labels={"highest_at": "at"}))
    if found.episodes is not None and not found.episodes.is_empty():
        section.tables.append(_episodes(found.episodes))
    caption = (
        "Score of every decision time; the dashed line is the quantile of the training scores above which a decision "
        "time is flagged."
    )
    picture = anomaly_timeline(found.scores, timezone=inputs.timezone)
    section.figures.append(Figure("Anomaly score through the night", caption, picture))
    return section


def _episodes(episodes: pl.DataFrame) -> Table:
    frame = episodes.sort("highest_score", descending=True, maintain_order=True).head(_MOST_EPISODES)
    duration = ((pl.col("end_ts") - pl.col("start_ts")) / 1e9).alias("duration_s")
    frame = frame.select(
        pl.col("start_ts").alias("start_at"),
        "symbol",
        duration,
        "highest_score",
        pl.col("driver").str.replace_all("_", " "),
        "deviation",
    )
    more = f" The {_MOST_EPISODES} highest of {episodes.height}." if episodes.height > _MOST_EPISODES else ""
    note = (
        "Flagged decision times close together. Driver: the feature farthest from its training median at the highest "
        f"score; deviation in robust standard deviations.{more}"
    )
    return Table("Episodes", note, frame, labels={"start_at": "start", "deviation": "deviation (σ)"})


def limits_section(inputs: ReportInputs) -> Section:
    """The limits for the next session, what they rest on and what tightened them."""
    title = "Risk limits"
    if inputs.limits is None or is_empty(inputs.limits.limits):
        return Section(title, absent(inputs, "limits", "no limits were set for this night."))
    frame = inputs.limits.limits
    tightened = frame.filter(pl.col("tightened_by") < 1.0).height
    counts = f"{frame.height} limits, {tightened} of them tighter than their base."
    text = f"{counts} Forecasts tighten limits, never loosen them."
    section = Section(title, "\n\n".join((text, *inputs.limits.notes)))
    shown = frame.select(
        pl.col("scope").replace({"*": "all"}),
        pl.col("limit").str.replace_all("_", " "),
        "value",
        "unit",
        "base",
        "tightened_by",
        "reason",
    )
    labels = {"tightened_by": "tightened by (×)"}
    note = "Value = base × factor; lots are rounded down. Currency is that of the instrument."
    section.tables.append(Table("Limits of the next session", note, shown, labels=labels))
    return section


def _text(verdict: str, split: str, *more: str) -> str:
    parts = (verdict, f"Split: {split}" if split else "", *more)
    return "\n\n".join(part for part in parts if part)
