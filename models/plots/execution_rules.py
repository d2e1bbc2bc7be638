"""Plots of execution beside the market without the order: impact split off, and what fitted rules were fitted to.

Here: drawing. Not here: policies beside one another (execution.py), one agent (execution_agent.py), the figures
(models/execution).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from models.plots.execution import of_market, policy_name, policy_rows, widened
from models.plots.style import (
    AMBER,
    BLUE,
    GREY,
    INK,
    PURPLE,
    REPORT_DPI,
    SERIES,
    SMALL_PT,
    SOFT_INK,
    VERMILION,
    canvas,
    label_axes,
    legend,
    no_data,
    to_png,
    usable,
    zero_line,
)

_PARTS = (
    ("quoted_bps", "quoted spread", BLUE),
    ("walk_bps", "impact: depth walked", VERMILION),
    ("shift_bps", "impact: own shift", PURPLE),
    ("drift_bps", "drift without us", AMBER),
    ("fees_bps", "fees", GREY),
)


def decomposition_bars(costs: pl.DataFrame, *, market: str = "", dpi: int = REPORT_DPI) -> bytes:
    """Mean shortfall of every policy against the market without the order; gains stand left of zero.

    Args:
        costs: Columns policy, is_bps, fees_bps, quoted_bps, walk_bps, shift_bps, drift_bps; market optional.
        market: Whose rows; empty: the first.
        dpi: Dots per inch.
    """
    title = "Shortfall against the market without the order"
    frame = usable(costs, "decomposition_bars", ("policy", *(part[0] for part in _PARTS), "is_bps"))
    frame, subtitle = of_market(frame, market)
    if frame.is_empty():
        return no_data(title, "no parent order was worked", dpi)
    frame = frame.sort("is_bps", descending=True)
    height = 1.4 + 0.29 * frame.height
    figure, (axis,) = canvas(title, subtitle=subtitle, height_in=height)
    places = np.arange(frame.height)
    left, right = np.zeros(frame.height), np.zeros(frame.height)
    for name, label, colour in _PARTS:
        values = frame[name].to_numpy()
        start = np.where(values >= 0, right, left)
        axis.barh(places, values, left=start, height=0.62, color=colour, alpha=0.8, label=label)
        right, left = right + np.maximum(values, 0), left + np.minimum(values, 0)
    totals = frame["is_bps"].to_numpy()
    axis.plot(totals, places, "D", color=INK, markersize=4.5, label="shortfall", zorder=4)
    policy_rows(axis, frame["policy"].to_list())
    axis.set_xlim(widened(float(min(left.min(), totals.min())), float(max(right.max(), totals.max()))))
    legend(axis, columns=3, loc="upper center", bbox_to_anchor=(0.5, -0.5 / height))
    axis.set_xlabel("bps of the arrival mid", fontsize=SMALL_PT, color=SOFT_INK)
    return to_png(figure, dpi)


def leave_curve(curve: pl.DataFrame, *, dpi: int = REPORT_DPI) -> bytes:
    """Mean cost of one limit order left to the end, by its level, with two standard errors either way.

    Args:
        curve: Columns level, is_bps, se_bps; symbol optional, a line each.
        dpi: Dots per inch.
    """
    title = "Submit and leave: cost by limit level"
    frame = usable(curve, "leave_curve", ("level", "is_bps", "se_bps"))
    if frame.is_empty():
        return no_data(title, "no level was tried", dpi)
    if "symbol" not in frame.columns:
        frame = frame.with_columns(pl.lit("").alias("symbol"))
    figure, (axis,) = canvas(title, subtitle="training orders")
    symbols = frame["symbol"].unique(maintain_order=True).to_list()
    for number, symbol in enumerate(symbols):
        part, colour = frame.filter(pl.col("symbol") == symbol).sort("level"), SERIES[number % len(SERIES)]
        level, mean, error = (part[name].to_numpy() for name in ("level", "is_bps", "se_bps"))
        axis.fill_between(level, mean - 2 * error, mean + 2 * error, color=colour, alpha=0.15, linewidth=0)
        axis.plot(level, mean, "o-", color=colour, linewidth=1.8, markersize=3.5, label=symbol or None)
        axis.plot(level[mean.argmin()], mean.min(), "D", color=colour, markersize=6.5)
    axis.axvline(0, color=SOFT_INK, linewidth=0.9)
    zero_line(axis)
    if symbols != [""]:
        legend(axis, loc="upper right")
    label_axes(
        axis, "increments from the own best price at arrival (positive: nearer the other side)", "shortfall (bps)"
    )
    return to_png(figure, dpi)


def seed_spread(over_seeds: pl.DataFrame, *, market: str = "", dpi: int = REPORT_DPI) -> bytes:
    """Trained policies over their seeds: interquartile mean with its interval, best and worst seed.

    Args:
        over_seeds: As from `models.execution.seeds.over_seeds`.
        market: Whose rows; empty: the first.
        dpi: Dots per inch.
    """
    title = "Agents over their training seeds"
    columns = ("policy", "seeds", "iqm_bps", "iqm_low", "iqm_high", "cheapest_bps", "dearest_bps")
    frame, subtitle = of_market(usable(over_seeds, "seed_spread", columns), market)
    if frame.is_empty():
        return no_data(title, "no agent was trained", dpi)
    figure, (axis,) = canvas(title, subtitle=subtitle, height_in=1.3 + 0.4 * frame.height)
    for place, row in enumerate(frame.to_dicts()):
        axis.plot([row["cheapest_bps"], row["dearest_bps"]], [place] * 2, "|-", color=GREY, linewidth=1.2, markersize=9)
        if row["iqm_low"] is not None:
            axis.plot([row["iqm_low"], row["iqm_high"]], [place] * 2, color=BLUE, linewidth=3.5, solid_capstyle="butt")
        axis.plot(row["iqm_bps"], place, "o", color=INK, markersize=5)
    names = [f"{policy_name(row['policy'])}, {row['seeds']} seeds" for row in frame.to_dicts()]
    axis.set_yticks(range(frame.height), names)
    axis.set_ylim(-0.6, frame.height - 0.4)
    axis.margins(x=0.1)
    label_axes(axis, "shortfall (bps): interquartile mean, 95 % over seeds, best to worst seed")
    return to_png(figure, dpi)
