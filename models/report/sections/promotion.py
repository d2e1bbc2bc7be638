"""The section on champions and challengers: what was compared, what was decided, who approved it.

Here: choosing tables and their words. Not here: the comparison (models/metrics/paired.py), the decisions
(feeds/registry.py).
"""

from __future__ import annotations

import polars as pl

from models.report.content import Section, Table
from models.report.inputs import ReportInputs
from models.report.sections.absence import absent, is_empty

_COMPARED = ("family", "metric", "n", "difference", "low", "high", "decision", "reason")
_APPROVED = ("family", "champion_now", "approved_by", "approved_at", "champion", "challenger")
_WORDS = {
    "first": "first of its family, hence champion",
    "promoted": "challenger promoted",
    "kept": "champion kept",
    "not tested": "champion kept, not tested",
}
_PLURALS = {
    "first": "with a first champion",
    "promoted": "with a promoted challenger",
    "kept": "whose champion stays",
    "not tested": "that could not be tested and keep their champion",
}
_LABELS = {
    "metric": "loss",
    "n": "paired observations",
    "difference": "challenger − champion",
    "low": "95 % low",
    "high": "95 % high",
    "champion": "champion before tonight",
    "champion_now": "champion from tonight on",
    "challenger": "tonight's challenger",
    "approved_by": "approved by",
    "approved_at": "approved at (UTC)",
}


def promotion_section(inputs: ReportInputs) -> Section | None:
    """What became of tonight's models; None where no model was held against a champion and no reason is known."""
    title = "Champions and challengers"
    if inputs.promotion is None or is_empty(inputs.promotion.table):
        known = "promotion" in inputs.reasons
        return Section(title, absent(inputs, "promotion", "no decision was made this night.")) if known else None
    frame = inputs.promotion.table
    text = (
        f"{_counts(frame)} A challenger replaces the champion only where the whole interval of the paired loss "
        f"difference on tonight's test window lies below 0. {_approvals(frame)}"
    )
    compared = (
        "Both models on the same observations, which neither was fitted on; a negative difference: the challenger "
        "loses less. Expanded percentile intervals of a block bootstrap over time. Each family is tested every night: "
        "of many tests without any difference, one in forty promotes by luck."
    )
    approved = (
        "Live code takes approved champions only, with bytes that are still those of the approved manifest. "
        "`t2t approve ID` approves one; a newer champion does not replace an approved one by itself."
    )
    now = pl.when(pl.col("decision").is_in(["first", "promoted"])).then("challenger").otherwise("champion")
    frame = frame.with_columns(now.alias("champion_now"))
    decided = frame.with_columns(pl.col("decision").replace(_WORDS))
    return Section(
        title,
        text,
        [
            Table("Tonight's comparison", compared, _columns(decided, _COMPARED), labels=_LABELS),
            Table("Champions and their approval", approved, _columns(frame, _APPROVED), labels=_LABELS),
        ],
    )


def _columns(frame: pl.DataFrame, names: tuple[str, ...]) -> pl.DataFrame:
    return frame.select(name for name in names if name in frame.columns)


def _counts(frame: pl.DataFrame) -> str:
    made = frame["decision"].to_list()
    parts = [f"{made.count(name)} {_PLURALS[name]}" for name in _PLURALS if made.count(name)]
    return f"{len(made)} model {'family' if len(made) == 1 else 'families'}: {', '.join(parts)}."


def _approvals(frame: pl.DataFrame) -> str:
    if "approved_by" not in frame.columns:
        return ""
    approved = frame["approved_by"].is_not_null().sum()
    return f"{approved} of {frame.height} champions are approved by a person for live trading."
