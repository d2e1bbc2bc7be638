"""The section on market regimes.

Here: choosing tables, plots and their words. Not here: the mixture (models/regimes).
"""

from __future__ import annotations

import polars as pl

from models.plots.regimes import regime_ribbon
from models.report.content import Figure, Section, Table
from models.report.inputs import RegimeInputs, ReportInputs
from models.report.sections.absence import absent, is_empty

TITLE = "Market regimes"
_LABELS = {"share": "share of time (%)", "mean_duration_s": "mean duration (s)"}


def regime_section(inputs: ReportInputs) -> Section:
    """Which state the market was in, and what the states are like."""
    if inputs.regimes is None:
        return Section(TITLE, absent(inputs, "regimes", "no regime model was trained for this night."))
    regimes = inputs.regimes
    split = f"Split: {regimes.split}" if regimes.split else ""
    meaning = (
        "Regimes are found without labels and named by their volatility alone. That several of them describe the "
        "market better than one does not say that they can be traded."
    )
    section = Section(TITLE, "\n\n".join(part for part in (regimes.verdict, split, meaning) if part))
    note = (
        "Training window: share of decision times, mean length of an unbroken stretch, and mean of each feature, "
        "in its own unit, over all instruments."
    )
    section.tables.append(Table("Regimes of the training window", note, regimes.table, labels=_LABELS))
    if not regimes.states.is_empty():
        section.tables.append(_night(regimes))
    _add_ribbon(section, inputs, regimes)
    return section


def _night(regimes: RegimeInputs) -> Table:
    counts = regimes.states.group_by("symbol", "regime", maintain_order=True).agg(pl.len().alias("decision_times"))
    share = pl.col("decision_times") / pl.col("decision_times").sum().over("symbol")
    names = dict(zip(regimes.table["regime"].to_list(), _labels(regimes), strict=True))
    label = pl.col("regime").replace_strict(names, default="not classified", return_dtype=pl.String).alias("label")
    frame = counts.sort("symbol", "regime", nulls_last=True)
    frame = frame.select("symbol", "regime", label, "decision_times", share.alias("share"))
    note = "Decision times of the night in each regime, as known at that time."
    return Table("Regimes of the night", note, frame, labels=_LABELS)


def _labels(regimes: RegimeInputs) -> list[str]:
    table = regimes.table
    return table["label"].to_list() if "label" in table.columns else [f"regime {k}" for k in table["regime"]]


def _add_ribbon(section: Section, inputs: ReportInputs, regimes: RegimeInputs) -> None:
    if is_empty(inputs.features) or inputs.features is None:
        return
    prices = inputs.features.select("ts", "symbol", "mid_ticks")
    picture = regime_ribbon(regimes.states, prices, labels=_labels(regimes), timezone=inputs.timezone)
    caption = (
        "Mid price over the regime of each decision time, light calm, dark turbulent; white: not classified. A regime "
        "depends on its own and earlier decision times only."
    )
    section.figures.append(Figure("Regimes through the night", caption, picture))
