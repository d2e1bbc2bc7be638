"""Plot of how unusual each decision time was.

Here: drawing. Not here: the forest (models/anomaly).
"""

from __future__ import annotations

import polars as pl
from matplotlib.axes import Axes

from models.plots.style import (
    BLUE,
    HEIGHT_IN,
    REPORT_DPI,
    SOFT_INK,
    TEXT_PT,
    VERMILION,
    canvas,
    clock,
    label_axes,
    legend,
    no_data,
    note,
    of_symbol,
    symbols_of,
    time_axis,
    to_png,
    usable,
    with_gaps,
)

_MOST_SYMBOLS = 4


def anomaly_timeline(scores: pl.DataFrame, *, timezone: str = "UTC", dpi: int = REPORT_DPI) -> bytes:
    """Anomaly score of every decision time with its threshold; flagged ones are marked.

    Args:
        scores: Columns ts (ns UTC), symbol, score, threshold, is_anomaly.
        timezone: Of the time axis.
        dpi: Dots per inch.
    """
    title = "Anomaly score"
    frame = usable(scores, "anomaly_timeline", ("ts", "symbol", "score", "threshold", "is_anomaly"))
    if frame.is_empty():
        return no_data(title, "no decision time was scored", dpi)
    every = symbols_of(frame)
    symbols = every[:_MOST_SYMBOLS]
    hidden = f"first {len(symbols)} of {len(every)} instruments" if len(every) > len(symbols) else ""
    height = HEIGHT_IN * (1.0 if len(symbols) == 1 else 0.45 + 0.38 * len(symbols))
    figure, axes = canvas(title, rows=len(symbols), height_in=height, subtitle=hidden)
    top = float(max(frame["score"].max(), frame["threshold"].max()))  # type: ignore[type-var, arg-type]
    bottom = float(frame["score"].min())  # type: ignore[arg-type]
    for axis, symbol in zip(axes, symbols, strict=True):
        _panel(axis, of_symbol(frame, symbol).sort("ts"), symbol, timezone)
        # room for names and legend above the highest score
        axis.set_ylim(bottom - 0.04 * (top - bottom), top + 0.45 * (top - bottom))
    figure.supylabel("score (the higher the more unusual)", fontsize=TEXT_PT, color=SOFT_INK)
    legend(axes[0], columns=3, loc="upper right")
    time_axis(axes[-1], timezone)
    return to_png(figure, dpi)


def _panel(axis: Axes, frame: pl.DataFrame, symbol: str, timezone: str) -> None:
    times = clock(frame["ts"], timezone)
    axis.plot(*with_gaps(times, frame["score"].to_numpy()), color=BLUE, linewidth=0.7, label="score")
    axis.plot(
        *with_gaps(times, frame["threshold"].to_numpy()),
        color=SOFT_INK,
        linewidth=1.1,
        linestyle="--",
        label="threshold",
    )
    flagged = frame.filter(pl.col("is_anomaly"))
    when, what = clock(flagged["ts"], timezone), flagged["score"].to_numpy()
    # a full-height line keeps a single flag of a long session in sight
    axis.vlines(when, 0, 1, transform=axis.get_xaxis_transform(), color=VERMILION, linewidth=1.6, alpha=0.2, zorder=1)
    axis.plot(when, what, "v", color=VERMILION, markersize=6, linestyle="none", zorder=3, label="flagged")
    axis.margins(x=0.01)
    note(axis, f"{symbol}: {flagged.height} of {frame.height:,} flagged", x=0.01, align="left")
    label_axes(axis)
