"""Plot of the correlation of instruments.

Here: drawing. Not here: the estimates (models/correlation).
"""

from __future__ import annotations

import numpy as np
import polars as pl
from matplotlib.colors import LinearSegmentedColormap

from models.plots.style import (
    BLUE,
    HEIGHT_IN,
    INK,
    REPORT_DPI,
    SMALL_PT,
    SOFT_INK,
    TEXT_PT,
    VERMILION,
    canvas,
    no_data,
    to_png,
    usable,
)

_RAMP = LinearSegmentedColormap.from_list("correlation", (VERMILION, "#f7ded0", "#ffffff", "#d3e6f2", BLUE))
_MOST_SYMBOLS = 16
_NAMES = {"sample": "sample", "ewma": "EWMA", "ledoit_wolf": "Ledoit-Wolf"}


def correlation_heatmap(matrix: pl.DataFrame, *, estimator: str = "ledoit_wolf", dpi: int = REPORT_DPI) -> bytes:
    """Correlation of every pair of instruments, as a number on a colour.

    Args:
        matrix: Columns symbol_a, symbol_b and ``estimator``; one row an ordered pair.
        estimator: Column that is shown.
        dpi: Dots per inch.
    """
    title = f"Correlation of returns ({_NAMES.get(estimator, estimator)})"
    frame = usable(matrix, "correlation_heatmap", ("symbol_a", "symbol_b", estimator))
    if frame.is_empty():
        return no_data(title, "no correlation was estimated", dpi)
    every = sorted({*frame["symbol_a"], *frame["symbol_b"]})
    symbols = every[:_MOST_SYMBOLS]
    place = {symbol: k for k, symbol in enumerate(symbols)}
    square = np.full((len(symbols), len(symbols)), np.nan)
    for a, b, value in frame.select("symbol_a", "symbol_b", estimator).iter_rows():
        if a in place and b in place:
            square[place[a], place[b]] = value
    hidden = f"first {len(symbols)} of {len(every)} instruments" if len(every) > len(symbols) else ""
    figure, (axis,) = canvas(title, subtitle=hidden, height_in=min(1.9 * HEIGHT_IN, max(2.1, 1.3 + 0.5 * len(symbols))))
    shades = axis.imshow(square, cmap=_RAMP, vmin=-1, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(square):
        if np.isfinite(value):
            text = f"{value:.2f}".replace("-", "−")
            colour = "white" if abs(value) > 0.75 else INK
            axis.text(column, row, text, ha="center", va="center", fontsize=TEXT_PT, color=colour)
    axis.set_xticks(range(len(symbols)), symbols, fontsize=SMALL_PT, rotation=0 if len(symbols) <= 6 else 45)
    axis.set_yticks(range(len(symbols)), symbols, fontsize=SMALL_PT)
    axis.tick_params(length=0)
    axis.grid(visible=False)
    for spine in axis.spines.values():
        spine.set_visible(False)
    bar = figure.colorbar(shades, ax=axis, fraction=0.04, pad=0.02, ticks=[-1, -0.5, 0, 0.5, 1])
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=SMALL_PT, colors=SOFT_INK, length=0)
    bar.ax.set_yticklabels(["−1", "−0.5", "0", "0.5", "1"])
    return to_png(figure, dpi)
