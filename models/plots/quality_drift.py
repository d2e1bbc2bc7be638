"""Plots of drift: each metric's history, the band today may lie in without an alarm, and today.

Here: the panel. Not here: the statistics (feeds/quality/drift.py).
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.ticker import NullLocator

from models.plots.style import (
    BLUE,
    GREY,
    INK,
    PALE,
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

_MOST_PANELS = 6
_WORDS = {
    "volume_lots": "volume (lots an hour)",
    "trades": "trades an hour",
    "quote_updates": "book changes an hour",
    "spread_median_bps": "median spread (bps)",
    "longest_gap_s": "longest gap (s)",
    "rejected_share": "rejected (share)",
    "gaps": "lost messages (places)",
    "covered_share": "session covered (share)",
}


def drift_panel(
    history: pl.DataFrame, judged: pl.DataFrame, *, most: int = _MOST_PANELS, reason: str = "", dpi: int = REPORT_DPI
) -> bytes:
    """Small multiples of the series farthest from usual, alarms first.

    Args:
        history: date, symbol, metric, value, is_today of the judged series.
        judged: symbol, metric, usual, low, high, score, limit; a series alarms where score > limit.
        most: Series shown.
        reason: Why nothing was judged, where nothing was.
        dpi: Dots per inch.
    """
    title = "Today against the history"
    ranked = usable(judged, "drift_panel", ("symbol", "metric", "usual", "low", "high", "score"))
    values = usable(history, "drift_panel", ("date", "symbol", "metric", "value", "is_today"))
    if ranked.is_empty() or values.is_empty():
        return no_data(title, reason or "too little history", dpi)
    shown = ranked.sort("score", "symbol", "metric", descending=[True, False, False]).head(most).to_dicts()
    subtitle = f"the {len(shown)} of {ranked.height} series farthest from usual; band: no alarm"
    figure, axes = canvas(title, rows=len(shown), height_in=0.75 + 0.82 * len(shown), subtitle=subtitle)
    for axis, row in zip(axes, shown, strict=True):
        part = values.filter((pl.col("symbol") == row["symbol"]) & (pl.col("metric") == row["metric"])).sort("date")
        _series(axis, part, row)
    locator = AutoDateLocator(minticks=4, maxticks=8)
    axes[-1].xaxis.set_major_locator(locator)
    axes[-1].xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes[-1].xaxis.get_offset_text().set(fontsize=SMALL_PT, color=SOFT_INK)
    axes[-1].set_xlabel("date", fontsize=TEXT_PT, color=SOFT_INK)
    return to_png(figure, dpi)


def _series(axis: Axes, part: pl.DataFrame, row: dict[str, object]) -> None:
    days = np.array([dt.date.fromisoformat(day) for day in part["date"].to_list()])
    value, today = part["value"].to_numpy(), part["is_today"].to_numpy()
    low, high, usual = (float(row[name]) for name in ("low", "high", "usual"))  # type: ignore[arg-type]
    alarms = float(row["score"]) > float(row["limit"])  # type: ignore[arg-type]
    axis.axhspan(low, high, color=PALE, alpha=0.55, linewidth=0)
    axis.axhline(usual, color=GREY, linewidth=0.8)
    axis.plot(days[~today], value[~today], color=BLUE, linewidth=1.0, marker="o", markersize=2)
    axis.plot(
        days[today],
        value[today],
        linestyle="none",
        marker="D" if alarms else "o",
        markersize=6,
        color=VERMILION if alarms else INK,
    )
    _scale(axis, value, high)
    name = f"{row['symbol']}  {_WORDS.get(str(row['metric']), str(row['metric']))}"
    said = f"{'ALARM' if alarms else 'no alarm'}: today {_short(float(value[today][-1]))}, usual {_short(usual)}"
    words: dict[str, Any] = {"transform": axis.transAxes, "fontsize": SMALL_PT, "va": "top"}
    axis.text(0.008, 0.97, name, color=INK, **words)
    axis.text(0.995, 0.97, said, color=VERMILION if alarms else SOFT_INK, ha="right", **words)
    axis.tick_params(labelsize=SMALL_PT)


def _scale(axis: Axes, value: np.ndarray, high: float) -> None:
    """Logarithmic where today is many times the rest, so that both can be read; room for the words above."""
    largest = max(float(value.max()), high)
    positive = value[value > 0]
    if positive.size == value.size and largest > 30 * float(np.median(value)):
        axis.set_yscale("log")
        axis.set_ylim(float(positive.min()) / 3, largest * 12)
        axis.yaxis.set_minor_locator(NullLocator())
        return
    least = min(float(value.min()), 0.0) if float(value.min()) < 0.5 * largest else float(value.min())
    room = max(largest - least, 1e-9)
    axis.set_ylim(least - 0.08 * room, largest + 0.55 * room)
    axis.yaxis.get_major_locator().set_params(nbins=3)  # type: ignore[call-arg]
    axis.yaxis.set_major_formatter(lambda value, _: _short(value))


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
