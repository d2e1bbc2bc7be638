"""Plots of an alpha model's out-of-sample judgement.

Here: drawing. Not here: the statistics (models/metrics, models/alpha).
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
    note,
    time_axis,
    to_png,
    usable,
    zero_line,
)

#: Rows of the comparison table that must find nothing or little; drawn in grey.
CONTROLS = ("naive", "linear", "shuffled")


def ic_by_row(table: pl.DataFrame, *, dpi: int = REPORT_DPI) -> bytes:
    """Information coefficient of every model row with its interval.

    Args:
        table: Columns row, ic; ic_low and ic_high optional.
        dpi: Dots per inch.
    """
    title = "Information coefficient, out of sample"
    frame = usable(table, "ic_by_row", ("row", "ic"))
    if frame.is_empty():
        return no_data(title, "no model row has an information coefficient", dpi)
    frame = frame.reverse()
    figure, (axis,) = canvas(title, height_in=max(1.9, 1.2 + 0.42 * frame.height))
    for place, row in enumerate(frame.to_dicts()):
        colour = SOFT_INK if row["row"] in CONTROLS else BLUE
        low, high = row.get("ic_low"), row.get("ic_high")
        if low is not None and high is not None:
            axis.plot([low, high], [place, place], color=colour, linewidth=2.2, solid_capstyle="butt")
        axis.plot(row["ic"], place, "o", color=colour, markersize=6)
        axis.annotate(
            f"{row['ic']:+.4f}".replace("-", "−"),
            (row["ic"], place),
            xytext=(0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=SMALL_PT,
            color=colour,
        )
    axis.axvline(0, color=SOFT_INK, linewidth=0.9)
    names = [name.replace("_", " ") + (" (control)" if name in CONTROLS else "") for name in frame["row"].to_list()]
    axis.set_yticks(range(frame.height), names)
    axis.set_ylim(-0.6, frame.height - 0.3)
    axis.margins(x=0.12)
    axis.grid(axis="y", visible=False)
    axis.grid(axis="x", color=PALE, linewidth=0.6)
    label_axes(axis, "correlation of forecast and realised return (dimensionless)")
    return to_png(figure, dpi)


def ic_series(series: pl.DataFrame, *, row: str = "", timezone: str = "UTC", dpi: int = REPORT_DPI) -> bytes:
    """Information coefficient by block of time, with its running mean.

    Args:
        series: Columns ts (start of the block, ns UTC), ic; row and symbol optional (symbols are averaged).
        row: Which model row; empty: gradient_boosting where present, else the first row that is no control.
        timezone: Of the time axis.
        dpi: Dots per inch.
    """
    title = "Information coefficient through the test window"
    frame = usable(series, "ic_series", ("ts", "ic"))
    if frame.is_empty():
        return no_data(title, "no block is long enough for an information coefficient", dpi)
    chosen = ""
    if "row" in frame.columns:
        chosen = row or judged_row(frame["row"].unique(maintain_order=True).to_list())
        frame = frame.filter(pl.col("row") == chosen)
    frame = frame.group_by("ts", maintain_order=True).agg(pl.col("ic").mean()).sort("ts")
    times, values = clock(frame["ts"], timezone), frame["ic"].to_numpy()
    figure, (axis,) = canvas(title, subtitle=chosen.replace("_", " "))
    width = _bar_width(times)
    axis.bar(
        times,
        values,
        width=width,
        align="edge",
        linewidth=0.8,
        edgecolor="white",
        color=np.where(values >= 0, BLUE, VERMILION),
        alpha=0.45,
    )
    running = np.cumsum(values) / np.arange(1, len(values) + 1)
    axis.plot(times + width // 2, running, color=SOFT_INK, linewidth=1.6, label="mean so far")
    zero_line(axis)
    positive = float(np.mean(values > 0))
    note(axis, f"{len(values)} blocks, mean {values.mean():+.4f}, {positive:.0%} positive".replace("-", "−"))
    low, high = axis.get_ylim()
    axis.set_ylim(low, high + 0.16 * (high - low))
    legend(axis, loc="upper left")
    label_axes(axis, y="IC of the block (dimensionless)")
    time_axis(axis, timezone)
    return to_png(figure, dpi)


def judged_row(rows: list[str]) -> str:
    """The row a table of models is about: gradient_boosting, else the first that is no control."""
    if "gradient_boosting" in rows:
        return "gradient_boosting"
    return next((name for name in rows if name not in CONTROLS), rows[0] if rows else "")


def _bar_width(times: np.ndarray) -> np.timedelta64:
    if len(times) < 2:
        return np.timedelta64(60, "s")
    step = int(np.min(np.diff(times)).astype("timedelta64[us]").astype(np.int64))
    return np.timedelta64(step, "us")


def calibration(table: pl.DataFrame, *, dpi: int = REPORT_DPI) -> bytes:
    """Mean realised return against mean forecast, by forecast quantile; the diagonal is perfect calibration.

    Args:
        table: Columns forecast_bps, realised_bps (means of the quantile); realised_low and realised_high, or
            realised_se (bps) optional.
        dpi: Dots per inch.
    """
    title = "Calibration of the forecast"
    frame = usable(table, "calibration", ("forecast_bps", "realised_bps")).sort("forecast_bps")
    if frame.is_empty():
        return no_data(title, "no forecasts to calibrate", dpi)
    figure, (axis,) = canvas(title)
    forecast, realised = frame["forecast_bps"].to_numpy(), frame["realised_bps"].to_numpy()
    span = float(np.max(np.abs(forecast))) * 1.15 or 1.0
    axis.plot([-span, span], [-span, span], color=GREY, linewidth=1.1, linestyle="--", label="forecast = realised")
    _whiskers(axis, frame, forecast, realised)
    axis.plot(forecast, realised, "o-", color=BLUE, linewidth=1, markersize=5, label="quantiles of the forecast")
    zero_line(axis)
    axis.axvline(0, color=SOFT_INK, linewidth=0.9)
    axis.grid(axis="x", color="#e8ebef", linewidth=0.8)
    axis.set_xlim(-span, span)
    legend(axis, loc="upper left")
    label_axes(axis, "mean forecast (bps)", "mean realised return (bps)")
    return to_png(figure, dpi)


def _whiskers(axis: Axes, frame: pl.DataFrame, x: np.ndarray, y: np.ndarray) -> None:
    if {"realised_low", "realised_high"} <= set(frame.columns):
        low, high = (frame[name].cast(pl.Float64).to_numpy() for name in ("realised_low", "realised_high"))
    elif "realised_se" in frame.columns:
        error = 1.96 * frame["realised_se"].cast(pl.Float64).to_numpy()
        low, high = y - error, y + error
    else:
        return
    axis.vlines(x, low, high, color=SOFT_INK, linewidth=1.3, label="95 % interval")


def quantile_returns(table: pl.DataFrame, *, dpi: int = REPORT_DPI) -> bytes:
    """Mean realised return of every forecast quantile, lowest forecast first.

    Args:
        table: Columns quantile (1..n), realised_bps; realised_low, realised_high or realised_se (bps)
            optional.
        dpi: Dots per inch.
    """
    title = "Realised return by forecast quantile"
    frame = usable(table, "quantile_returns", ("quantile", "realised_bps")).sort("quantile")
    if frame.is_empty():
        return no_data(title, "no forecasts to sort", dpi)
    figure, (axis,) = canvas(title)
    places = np.arange(1, frame.height + 1)
    realised = frame["realised_bps"].to_numpy()
    axis.bar(places, realised, width=0.72, color=np.where(realised >= 0, BLUE, VERMILION), alpha=0.75)
    _whiskers(axis, frame, places, realised)
    zero_line(axis)
    axis.set_xticks(places, [str(name) for name in frame["quantile"].to_list()])
    note(
        axis,
        f"highest − lowest: {realised[-1] - realised[0]:+.3f} bps".replace("-", "−"),
        x=0.01,
        align="left",
    )
    low, high = axis.get_ylim()
    axis.set_ylim(low, high + 0.1 * (high - low))
    label_axes(axis, "quantile of the forecast (1: lowest)", "mean realised return (bps)")
    return to_png(figure, dpi)
