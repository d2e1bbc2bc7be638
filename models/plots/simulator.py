"""Plots of the market simulator: its order flow by distance, and how real it looks.

Here: drawing. Not here: the simulator and its statistics, which the frames come from.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from models.plots.style import (
    BLUE,
    GREY,
    HEIGHT_IN,
    INK,
    PALE,
    REPORT_DPI,
    SERIES,
    SMALL_PT,
    SOFT_INK,
    TITLE_PT,
    VERMILION,
    canvas,
    dress,
    label_axes,
    legend,
    no_data,
    symbols_of,
    to_png,
    usable,
)

_RATES = (
    ("limit_rate", "limit orders\n(per second and side)"),
    ("cancel_rate", "cancellations\n(per order and second)"),
)
_MARKERS = ("o", "s", "^", "D", "v", "P")
#: Half-widths of the band that the axis reaches to either side; what lies beyond is drawn at its edge.
_REACH = 4.0
#: More metrics than this stand in two columns of a wider picture.
_ONE_PANEL, _WIDE_IN = 30, 9.6
_VERDICTS = (
    (True, BLUE, "o", "inside the band"),
    (False, VERMILION, "X", "outside"),
    (None, GREY, "d", "information, not judged"),
)


def flow_rates(rates: pl.DataFrame, *, dpi: int = REPORT_DPI) -> bytes:
    """Rates of limit orders and cancellations by distance from the opposite best price, on log axes.

    Args:
        rates: Columns symbol, distance (increments), limit_rate (orders per second and side), cancel_rate
            (cancellations per resting order and second).
        dpi: Dots per inch.
    """
    title = "Order flow by distance from the opposite best price"
    frame = usable(rates, "flow_rates", ("symbol", "distance", "limit_rate", "cancel_rate"))
    if frame.is_empty():
        return no_data(title, "no order flow was fitted", dpi)
    every = symbols_of(frame)
    symbols = every[: len(SERIES)]
    hidden = f"first {len(symbols)} of {len(every)} instruments" if len(every) > len(symbols) else ""
    figure, axes = canvas(title, rows=2, height_in=1.25 * HEIGHT_IN, subtitle=hidden)
    for axis, (column, label) in zip(axes, _RATES, strict=True):
        for symbol, colour, marker in zip(symbols, SERIES, _MARKERS, strict=False):
            part = frame.filter((pl.col("symbol") == symbol) & (pl.col(column) > 0)).sort("distance")
            x, y = part["distance"].to_numpy(), part[column].to_numpy()
            axis.plot(x, y, marker=marker, color=colour, linewidth=1.3, markersize=4, label=symbol)
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.yaxis.set_minor_locator(NullLocator())
        label_axes(axis, y=label)
    axes[-1].xaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]
    label_axes(axes[-1], "distance (quoting increments)", _RATES[1][1])
    legend(axes[0], columns=min(3, len(symbols)), loc="upper right")
    return to_png(figure, dpi)


def realism_bands(realism: pl.DataFrame, *, dpi: int = REPORT_DPI) -> bytes:
    """Simulated value of every metric against the band of real against real, each band drawn equally wide.

    Args:
        realism: Columns metric, real, band_low, band_high, simulated, passed (null: information); symbol
            optional: one mark an instrument. Metrics without a band are left out.
        dpi: Dots per inch.
    """
    title = "Realism by metric"
    frame = usable(realism, "realism_bands", ("metric", "real", "band_low", "band_high", "simulated"))
    frame = frame.filter(pl.col("band_high") > pl.col("band_low")) if not frame.is_empty() else frame
    if frame.is_empty():
        return no_data(title, "no metric has a band", dpi)
    symbols = symbols_of(frame)
    panels = _panels(frame["metric"].unique(maintain_order=True).to_list())
    judged = frame.filter(pl.col("passed").is_not_null())
    passed = f"{int(judged['passed'].sum())} of {judged.height} judged metrics inside the band"
    figure, axes = _band_canvas(title, passed, panels, len(symbols))
    placed, with_values = band_positions(frame), len(symbols) == 1 and len(panels) == 1
    step = min(0.24, 0.66 / len(symbols))
    for axis, metrics in zip(axes, panels, strict=True):
        axis.axvspan(-1, 1, color=PALE, alpha=0.55, linewidth=0, zorder=0)
        for row in placed.filter(pl.col("metric").is_in(metrics)).iter_rows(named=True):
            offset = step * (symbols.index(row["symbol"]) - (len(symbols) - 1) / 2)
            _mark(axis, row, metrics.index(row["metric"]) + offset, with_values)
        _dress(axis, metrics, with_values)
        if len(panels) > 1:
            axis.set_ylim(max(map(len, panels)) - 0.4, -0.6)
            axis.set_xticks([-4, -1, 1, 4], ["−4", "−1", "1", "4"])
    for verdict, colour, marker, name in _VERDICTS:
        if any(value is verdict for value in frame["passed"].to_list()):
            axes[0].plot([], [], marker, color=colour, markersize=5, linestyle="none", label=name)
    axes[0].plot([], [], "|", color=SOFT_INK, markersize=9, markeredgewidth=1.4, linestyle="none", label="real")
    order = f"\neach row top to bottom: {', '.join(symbols)}" if len(symbols) > 1 else ""
    label_axes(axes[0], f"position in the band of real periods (edges at ±1, cut at ±{_REACH:g}){order}")
    axes[0].xaxis.label.set(ha="left", x=0.0, fontsize=SMALL_PT)
    shown, names = axes[0].get_legend_handles_labels()
    figure.legend(
        shown,
        names,
        ncols=4,
        fontsize=SMALL_PT,
        labelcolor=INK,
        frameon=False,
        loc="outside lower left",
        borderaxespad=0.2,
    )
    return to_png(figure, dpi)


def _panels(metrics: list[str]) -> list[list[str]]:
    """All metrics, or two columns of them where they are many."""
    half = -(-len(metrics) // 2)
    return [metrics] if len(metrics) <= _ONE_PANEL else [metrics[:half], metrics[half:]]


def _band_canvas(title: str, passed: str, panels: list[list[str]], symbols: int) -> tuple[Figure, list[Axes]]:
    rows = max(map(len, panels))
    height = 1.5 + rows * (0.2 if symbols == 1 else 0.1 + 0.07 * min(symbols, 4))
    if len(panels) == 1:
        return canvas(title, height_in=height, subtitle=passed)
    figure = Figure(
        figsize=(_WIDE_IN, 1.0 + rows * (0.15 + 0.04 * min(symbols, 4))), layout="constrained", facecolor="white"
    )
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(1, len(panels)))
    for axis in axes:
        dress(axis)
    axes[0].set_title(title, loc="left", fontsize=TITLE_PT, fontweight="bold", color=INK, pad=16)
    axes[1].set_title(passed, loc="right", fontsize=SMALL_PT, color=SOFT_INK, pad=16)
    return figure, axes


def band_positions(frame: pl.DataFrame) -> pl.DataFrame:
    """``frame`` with ``at`` and ``real_at``: simulated and real in half-widths of the band from its middle."""
    if "symbol" not in frame.columns:
        frame = frame.with_columns(pl.lit("").alias("symbol"))
    middle, half = (pl.col("band_low") + pl.col("band_high")) / 2, (pl.col("band_high") - pl.col("band_low")) / 2
    return frame.with_columns(
        ((pl.col("simulated") - middle) / half).alias("at"), ((pl.col("real") - middle) / half).alias("real_at")
    )


def _mark(axis: Axes, row: dict[str, float | bool | str | None], y: float, with_values: bool) -> None:
    colour, marker = next((c, m) for verdict, c, m, _ in _VERDICTS if row["passed"] is verdict)
    at, real = float(row["at"] or 0.0), float(row["real_at"] or 0.0)
    shown = float(np.clip(at, -_REACH, _REACH))
    axis.plot(float(np.clip(real, -_REACH, _REACH)), y, "|", color=SOFT_INK, markersize=9, markeredgewidth=1.4)
    axis.plot(shown, y, marker, color=colour, markersize=5.2, markeredgewidth=0.4, zorder=3, clip_on=False)
    if abs(at) > _REACH:
        arrow = "→" if at > 0 else "←"
        side = -8 if at < 0 else 8
        axis.annotate(
            arrow, (shown, y), xytext=(side, 0), textcoords="offset points", ha="center", va="center",
            fontsize=SMALL_PT, color=colour,
        )  # fmt: skip
    if with_values:
        text = f"{_short(row['simulated'])}  ({_short(row['real'])})"
        axis.annotate(
            text, (1.01, y), xycoords=("axes fraction", "data"), va="center", fontsize=SMALL_PT, color=SOFT_INK
        )  # fmt: skip


def _short(value: float | bool | str | None) -> str:
    return f"{float(value or 0.0):.3g}".replace("-", "−")


def _dress(axis: Axes, metrics: list[str], with_values: bool) -> None:
    axis.set_xlim(-_REACH - 0.5, _REACH + 0.5)
    axis.set_ylim(len(metrics) - 0.4, -0.6)
    axis.set_yticks(range(len(metrics)), [name.replace("_", " ") for name in metrics], fontsize=SMALL_PT)
    axis.set_xticks([-4, -3, -2, -1, 0, 1, 2, 3, 4], ["−4", "−3", "−2", "−1", "0", "1", "2", "3", "4"])
    axis.tick_params(axis="y", length=0)
    for edge in range(len(metrics) - 1):
        axis.axhline(edge + 0.5, color=PALE, linewidth=0.5, zorder=0.5)
    axis.grid(visible=False)
    if with_values:
        axis.annotate(
            "simulated (real)", (1.01, -0.6), xycoords=("axes fraction", "data"), va="bottom",
            fontsize=SMALL_PT, color=SOFT_INK,
        )  # fmt: skip
