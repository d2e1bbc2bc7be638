"""Plot of scored headlines over time.

Here: drawing. Not here: scoring (models/sentiment).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from models.plots.style import (
    BLUE,
    GREY,
    HEIGHT_IN,
    REPORT_DPI,
    VERMILION,
    canvas,
    clock,
    label_axes,
    legend,
    no_data,
    time_axis,
    to_png,
    usable,
    zero_line,
)

#: Value of the column ``source`` where nobody published the headline.
SIMULATED = "simulated"
#: Scores nearer to zero than this are drawn as neutral.
NEUTRAL_BAND = 0.1


def sentiment_timeline(sentiment: pl.DataFrame, *, timezone: str = "UTC", dpi: int = REPORT_DPI) -> bytes:
    """Score of every headline at the time it could first be known; simulated ones are hollow.

    Args:
        sentiment: SENTIMENT; columns available_at (ns UTC) and score in [-1, 1], source optional.
        timezone: Of the time axis.
        dpi: Dots per inch.
    """
    title = "Headline sentiment"
    frame = usable(sentiment, "sentiment_timeline", ("available_at", "score")).sort("available_at")
    if frame.is_empty():
        return no_data(title, "no headlines", dpi)
    simulated = is_simulated(frame)
    some = bool(simulated.any())
    subtitle = "" if not some else ("SIMULATED headlines" if simulated.all() else "partly simulated (hollow)")
    figure, (axis,) = canvas(title, subtitle=subtitle, height_in=HEIGHT_IN * 0.95)
    times, score = clock(frame["available_at"], timezone), frame["score"].to_numpy()
    colours = np.where(score > NEUTRAL_BAND, BLUE, np.where(score < -NEUTRAL_BAND, VERMILION, GREY))
    axis.vlines(times, 0, score, color=colours, linewidth=0.9, alpha=0.6)
    faces = np.where(simulated, "white", colours)
    axis.scatter(times, score, s=26, c=faces, edgecolors=colours.tolist(), linewidths=1.3, zorder=3)
    for colour, name in ((BLUE, "positive"), (GREY, "neutral"), (VERMILION, "negative")):
        face = "white" if simulated.all() else colour
        axis.plot([], [], "o", color=colour, markerfacecolor=face, markersize=5, linestyle="none", label=name)
    zero_line(axis)
    axis.set_ylim(-1.08, 1.3)
    axis.set_yticks([-1, -0.5, 0, 0.5, 1])
    legend(axis, columns=3, loc="upper left")
    label_axes(axis, y="score, P(positive) − P(negative)")
    time_axis(axis, timezone)
    return to_png(figure, dpi)


def is_simulated(frame: pl.DataFrame) -> np.ndarray:
    """Which rows carry the source "simulated"; none where there is no such column."""
    if "source" not in frame.columns:
        return np.zeros(frame.height, dtype=bool)
    return (frame["source"] == SIMULATED).fill_null(False).to_numpy()
