"""The section on the night's headlines.

Here: choosing tables, plots and their words. Not here: scoring (models/sentiment).
"""

from __future__ import annotations

import polars as pl

from models import plots
from models.plots.sentiment import NEUTRAL_BAND, is_simulated
from models.report.content import Figure, Section, Table
from models.report.inputs import ReportInputs
from models.report.sections.absence import absent

_MOST_HEADLINES = 15


def sentiment_section(inputs: ReportInputs) -> Section:
    """What the headlines of the night said, simulated ones marked."""
    title = "Headlines and sentiment"
    frame = inputs.sentiment
    if frame is None:
        return Section(title, absent(inputs, "sentiment", "no headlines were scored for this night."))
    if frame.is_empty():
        return Section(title, "No headline was known in the night's window; sentiment features are null, not zero.")
    simulated = int(is_simulated(frame).sum())
    text = f"Scores are P(positive) − P(negative) of a small model; within ±{NEUTRAL_BAND:g} counts as neutral."
    if simulated:
        text = f"SIMULATED: {simulated} of {frame.height} headlines were invented; nobody published them.\n\n{text}"
    section = Section(title, text, [_scores_by_symbol(frame), _headline_table(frame)])
    caption = "Score of each headline at the time it could first be known. "
    caption += "Hollow marks are simulated headlines." if simulated else "All headlines are real."
    picture = plots.sentiment_timeline(frame, timezone=inputs.timezone)
    section.figures.append(Figure("Headline sentiment", caption, picture))
    return section


def _scores_by_symbol(frame: pl.DataFrame) -> Table:
    score = pl.col("score")
    by_symbol = frame.group_by("symbol", maintain_order=True).agg(
        pl.len().alias("headlines"),
        score.mean().alias("mean_score"),
        (score > NEUTRAL_BAND).sum().alias("positive"),
        (score.abs() <= NEUTRAL_BAND).sum().alias("neutral"),
        (score < -NEUTRAL_BAND).sum().alias("negative"),
    )
    note = "One count per headline and instrument it names."
    return Table("Sentiment by instrument", note, by_symbol.sort("symbol"))


def _headline_table(frame: pl.DataFrame) -> Table:
    wanted = [name for name in ("available_at", "symbol", "score", "headline", "source") if name in frame.columns]
    latest = frame.sort("available_at", descending=True, maintain_order=True).select(wanted).head(_MOST_HEADLINES)
    more = f"The latest {_MOST_HEADLINES} of {frame.height}." if frame.height > _MOST_HEADLINES else "All of them."
    return Table("Headlines", f"Newest first. {more}", latest)
