"""Plot of volatility forecasts against what was realised.

Here: drawing. Not here: the models (models/volatility).
"""

from __future__ import annotations

import numpy as np
import polars as pl
from matplotlib.axes import Axes

from models.plots.style import (
    BLUE,
    HEIGHT_IN,
    PURPLE,
    REPORT_DPI,
    SOFT_INK,
    TEXT_PT,
    VERMILION,
    canvas,
    clock,
    label_axes,
    legend,
    no_data,
    of_symbol,
    symbols_of,
    time_axis,
    to_png,
    usable,
    with_gaps,
)

#: Column, colour, line style, name in the legend.
_MODELS = (
    ("ewma", VERMILION, "--", "EWMA"),
    ("ewma_diurnal", PURPLE, ":", "EWMA x time of day"),
    ("har", BLUE, "-", "HAR"),
)
_MOST_SYMBOLS = 4


def volatility_forecast(
    forecasts: pl.DataFrame, *, symbol: str = "", timezone: str = "UTC", dpi: int = REPORT_DPI
) -> bytes:
    """Realised volatility of every block and what EWMA and HAR had forecast for it; one panel per instrument.

    Args:
        forecasts: Columns target_ts (end of the block the forecast is for, ns UTC), ewma, har, rv (variances
            of log returns; null where a model or the realised value is not known); symbol optional, har
            optional.
        symbol: One instrument only; empty: all (at most four panels).
        timezone: Of the time axis.
        dpi: Dots per inch.
    """
    title = "Volatility: forecast and realised"
    frame = usable(forecasts, "volatility_forecast", ("target_ts", "ewma")).sort("target_ts")
    if symbol:
        frame = of_symbol(frame, symbol)
    if frame.is_empty():
        return no_data(title, "no forecasts", dpi)
    every = symbols_of(frame)
    symbols = every[:_MOST_SYMBOLS]
    hidden = f"first {len(symbols)} of {len(every)} instruments" if len(every) > len(symbols) else ""
    height = HEIGHT_IN * (1.0 if len(symbols) == 1 else 0.45 + 0.4 * len(symbols))
    figure, axes = canvas(title, rows=len(symbols), height_in=height, subtitle=hidden)
    for axis, name in zip(axes, symbols, strict=True):
        _panel(axis, of_symbol(frame, name), name, timezone)
    figure.supylabel("volatility of the block (bps, not annualised)", fontsize=TEXT_PT, color=SOFT_INK)
    legend(axes[0], columns=4, loc="upper right")
    time_axis(axes[-1], timezone)
    return to_png(figure, dpi)


def _panel(axis: Axes, frame: pl.DataFrame, name: str, timezone: str) -> None:
    times = clock(frame["target_ts"], timezone)
    if "rv" in frame.columns:
        axis.plot(times, _bps(frame["rv"]), "o", color=SOFT_INK, markersize=3.2, alpha=0.8, label="realised")
    for column, colour, style, label in _MODELS:
        if column not in frame.columns or frame[column].null_count() == frame.height:
            continue
        axis.plot(*with_gaps(times, _bps(frame[column])), style, color=colour, linewidth=1.5, label=label)
    low, high = 0.0, axis.get_ylim()[1]
    axis.set_ylim(low, high * 1.12)
    axis.margins(x=0.02)
    if name:
        axis.text(0.01, 0.95, name, transform=axis.transAxes, va="top", fontsize=TEXT_PT, color=SOFT_INK)
    label_axes(axis)


def _bps(variance: pl.Series) -> np.ndarray:
    return 1e4 * np.sqrt(variance.cast(pl.Float64).to_numpy())
