"""Plots of a backtest: cumulative return and drawdown, before and after cost.

Here: drawing. Not here: the backtest (models/backtest.py) or its statistics (models/metrics/performance.py).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from models.plots.style import (
    BLUE,
    GREY,
    PALE,
    REPORT_DPI,
    SMALL_PT,
    SOFT_INK,
    VERMILION,
    canvas,
    clock,
    label_axes,
    legend,
    no_data,
    note,
    time_axis,
    to_png,
    usable,
    zero_line,
)

_REQUIRED = ("ts", "gross_bps", "net_bps")


def cumulative_return(curve: pl.DataFrame, *, timezone: str = "UTC", dpi: int = REPORT_DPI) -> bytes:
    """Cumulative return of the portfolio before and after cost; the area between them is the cost.

    Args:
        curve: Columns ts (ns UTC), gross_bps, net_bps: cumulative returns in bps of the capital.
        timezone: Of the time axis.
        dpi: Dots per inch.
    """
    title = "Cumulative return, gross and net of cost"
    frame = usable(curve, "cumulative_return", _REQUIRED).sort("ts")
    if frame.is_empty():
        return no_data(title, "the backtest made no step", dpi)
    figure, (axis,) = canvas(title)
    times = clock(frame["ts"], timezone)
    gross, net = frame["gross_bps"].to_numpy(), frame["net_bps"].to_numpy()
    axis.fill_between(times, net, gross, color=PALE, alpha=0.6, linewidth=0, label="cost")
    axis.plot(times, gross, color=GREY, linewidth=1.4, label="gross")
    axis.plot(times, net, color=BLUE, linewidth=1.6, label="net")
    for values, colour in ((gross, SOFT_INK), (net, BLUE)):
        axis.annotate(
            f"{values[-1]:+,.1f}".replace("-", "−"),
            (times[-1], values[-1]),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL_PT,
            color=colour,
            annotation_clip=False,
        )
    zero_line(axis)
    axis.margins(x=0.02)
    legend(axis)
    label_axes(axis, y="cumulative return (bps)")
    time_axis(axis, timezone)
    return to_png(figure, dpi)


def drawdown(curve: pl.DataFrame, *, timezone: str = "UTC", dpi: int = REPORT_DPI) -> bytes:
    """Distance of the net and gross cumulative return below their highest point so far (which starts at 0).

    Args:
        curve: As for `cumulative_return`.
        timezone: Of the time axis.
        dpi: Dots per inch.
    """
    title = "Drawdown"
    frame = usable(curve, "drawdown", _REQUIRED).sort("ts")
    if frame.is_empty():
        return no_data(title, "the backtest made no step", dpi)
    figure, (axis,) = canvas(title)
    times = clock(frame["ts"], timezone)
    net = underwater(frame["net_bps"].to_numpy())
    axis.fill_between(times, net, 0.0, color=VERMILION, alpha=0.25, linewidth=0)
    axis.plot(times, net, color=VERMILION, linewidth=1.2, label="net")
    axis.plot(times, underwater(frame["gross_bps"].to_numpy()), color=GREY, linewidth=1.0, label="gross")
    zero_line(axis)
    note(axis, f"deepest, net: {net.min():,.1f} bps".replace("-", "−"), y=0.1)
    axis.margins(x=0.02)
    legend(axis, loc="lower left")
    label_axes(axis, y="below the peak (bps)")
    time_axis(axis, timezone)
    return to_png(figure, dpi)


def underwater(cumulative: np.ndarray) -> np.ndarray:
    """``cumulative`` minus its running maximum, which starts at 0; never positive."""
    return cumulative - np.maximum.accumulate(np.maximum(cumulative, 0.0))
