"""Plots of a backtest: cumulative return and drawdown, before and after cost.

Here: drawing. Not here: the backtest (models/backtest.py) or its statistics (models/metrics/performance.py).
"""

from __future__ import annotations

import numpy as np
import polars as pl
from matplotlib.axes import Axes

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
    time_axis,
    to_png,
    usable,
    zero_line,
)

_REQUIRED = ("ts", "gross_bps", "net_bps")


def cumulative_return(
    curve: pl.DataFrame, *, cost_blind: bool = False, timezone: str = "UTC", dpi: int = REPORT_DPI
) -> bytes:
    """Cumulative return of the portfolio before and after cost; the area between them is the cost.

    Args:
        curve: Columns ts (ns UTC), gross_bps, net_bps: cumulative returns in bps of the capital; for the
            cost-blind rule blind_gross_bps, blind_net_bps.
        cost_blind: Draw the rule that trades on every forecast, whatever it costs.
        timezone: Of the time axis.
        dpi: Dots per inch.
    """
    title = "Cost-blind rule: cumulative return" if cost_blind else "Cumulative return, gross and net of cost"
    names = ("blind_gross_bps", "blind_net_bps") if cost_blind else _REQUIRED[1:]
    frame = usable(curve, "cumulative_return", ("ts", *names)).sort("ts")
    if frame.is_empty():
        return no_data(title, "the backtest made no step", dpi)
    gross, net = (frame[name].to_numpy() for name in names)
    never = not gross.any() and not net.any()
    figure, (axis,) = canvas(title, subtitle="the rule never traded" if never else "")
    times = clock(frame["ts"], timezone)
    axis.fill_between(times, net, gross, color=PALE, alpha=0.6, linewidth=0, label="cost")
    axis.plot(times, gross, color=GREY, linewidth=1.4, label="gross")
    axis.plot(times, net, color=BLUE, linewidth=1.6, label="net")
    for values, colour in ((gross, SOFT_INK), (net, BLUE)):
        _last_value(axis, times, values, colour)
    zero_line(axis)
    axis.margins(x=0.02)
    if never:
        axis.set_ylim(-1, 1)
    legend(axis)
    label_axes(axis, y="cumulative return (bps)")
    time_axis(axis, timezone)
    return to_png(figure, dpi)


def _last_value(axis: Axes, times: np.ndarray, values: np.ndarray, colour: str) -> None:
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
    net = underwater(frame["net_bps"].to_numpy())
    figure, (axis,) = canvas(title, subtitle=f"deepest, net: {net.min():,.1f} bps".replace("-", "−"))
    times = clock(frame["ts"], timezone)
    axis.fill_between(times, net, 0.0, color=VERMILION, alpha=0.25, linewidth=0)
    axis.plot(times, net, color=VERMILION, linewidth=1.2, label="net")
    axis.plot(times, underwater(frame["gross_bps"].to_numpy()), color=GREY, linewidth=1.0, label="gross")
    zero_line(axis)
    axis.margins(x=0.02)
    legend(axis, loc="lower left")
    label_axes(axis, y="below the peak (bps)")
    time_axis(axis, timezone)
    return to_png(figure, dpi)


def underwater(cumulative: np.ndarray) -> np.ndarray:
    """``cumulative`` minus its running maximum, which starts at 0; never positive."""
    return cumulative - np.maximum.accumulate(np.maximum(cumulative, 0.0))
