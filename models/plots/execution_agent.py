"""Plots of one trained execution agent: how it learned, and what it does.

Here: drawing. Not here: policies beside one another (execution.py), the figures (models/execution).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from models.plots.style import (
    AMBER,
    BLUE,
    GREEN,
    GREY,
    HEIGHT_IN,
    INK,
    PURPLE,
    REPORT_DPI,
    SERIES,
    SKY,
    SMALL_PT,
    TITLE_PT,
    VERMILION,
    WIDTH_IN,
    canvas,
    dress,
    label_axes,
    legend,
    no_data,
    to_png,
    usable,
    zero_line,
)

_WAIT = "#eef1f4"
#: Agents with so many times more episodes than others are drawn over the share of their training.
_FAR_APART = 5
#: With fewer training seeds a band of their middle half would only repeat their lines.
_BAND_SEEDS = 3
_ACTIONS = (SKY, BLUE, "#b7e0a5", GREEN, AMBER, VERMILION, PURPLE, INK)


def learning_curve(learning: pl.DataFrame, *, dpi: int = REPORT_DPI) -> bytes:
    """Shortfall of the training episodes: a line a seed, and of several their mean and the band of their middle half.

    Args:
        learning: Columns episode, is_bps; symbol and seed optional.
        dpi: Dots per inch.
    """
    title = "Learning curve"
    frame = usable(learning, "learning_curve", ("episode", "is_bps"))
    if frame.is_empty():
        return no_data(title, "no agent was trained", dpi)
    for name in ("symbol", "seed"):
        frame = frame if name in frame.columns else frame.with_columns(pl.lit("").alias(name))
    figure, (axis,) = canvas(title, subtitle="moving mean of training episodes, exploration included")
    symbols = frame["symbol"].unique(maintain_order=True).to_list()
    if (longest := _most_episodes(frame)) > _FAR_APART * _most_episodes(frame, least=True):
        # kinds of agents that end orders of very different number would share no scale
        frame = frame.with_columns(episode=100.0 * pl.col("episode") / pl.col("episode").max().over("symbol"))
        longest = 0
    for number, symbol in enumerate(symbols):
        _learning_of(axis, frame.filter(pl.col("symbol") == symbol), symbol, SERIES[number % len(SERIES)])
    low, high = np.quantile(frame["is_bps"].to_numpy(), [0.0, 1.0])
    if low < 0.0 < high:
        zero_line(axis)
    axis.margins(x=0.02)
    if symbols != [""] or frame["seed"].n_unique() > 1:
        legend(axis, loc="upper right")
    label_axes(axis, "training episode" if longest else "share of the training episodes (%)", "shortfall (bps)")
    return to_png(figure, dpi)


def _most_episodes(frame: pl.DataFrame, *, least: bool = False) -> int:
    """Of the agent with the most, or of that with the fewest."""
    counts = frame.group_by("symbol").agg(pl.col("episode").max())["episode"]
    return int((counts.min() if least else counts.max()) or 0)  # type: ignore[arg-type]


def _learning_of(axis: Axes, frame: pl.DataFrame, symbol: str, colour: str) -> None:
    seeds = frame.partition_by("seed", maintain_order=True)
    alone = len(seeds) == 1
    for part in seeds:
        part = part.sort("episode")
        label = (symbol or "agent") if alone else None
        width, alpha = (1.6, 1.0) if alone else (0.9, 0.4)
        axis.plot(part["episode"], part["is_bps"], color=colour, linewidth=width, alpha=alpha, label=label)
    if alone:
        return
    # seeds end episodes at slightly different steps: hold them against one another where all have values
    first = max(float(part["episode"].min()) for part in seeds)  # type: ignore[arg-type]
    last = min(float(part["episode"].max()) for part in seeds)  # type: ignore[arg-type]
    if last <= first:
        return
    grid = np.linspace(first, last, 100)
    curves = np.stack([np.interp(grid, p["episode"].to_numpy(), p["is_bps"].to_numpy()) for p in seeds])
    if len(seeds) >= _BAND_SEEDS:
        low, high = np.quantile(curves, [0.25, 0.75], axis=0)
        axis.fill_between(grid, low, high, color=colour, alpha=0.18, linewidth=0)
    label = f"{symbol}, mean of {len(seeds)} seeds".removeprefix(", ")
    axis.plot(grid, curves.mean(axis=0), color=colour, linewidth=2.2, label=label)


def policy_heatmaps(heat: pl.DataFrame, *, dpi: int = REPORT_DPI) -> bytes:
    """The agent's greedy action over two observations at a time; blank where it was never near.

    Args:
        heat: Columns panel, x, y, action, action_name; x_label, y_label optional. One picture a panel.
        dpi: Dots per inch.
    """
    title = "What the agent does"
    frame = usable(heat, "policy_heatmaps", ("panel", "x", "y", "action", "action_name"))
    if frame.is_empty():
        return no_data(title, "no agent was trained", dpi)
    panels = frame["panel"].unique(maintain_order=True).to_list()
    actions = dict(frame.select("action", "action_name").unique().sort("action").iter_rows())
    colours = {action: _WAIT if action == 0 else _ACTIONS[(action - 1) % len(_ACTIONS)] for action in actions}
    figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    blank = [
        _panel(axis, frame.filter(pl.col("panel") == name), colours) for axis, name in zip(axes, panels, strict=True)
    ]
    axes[0].set_title(title, loc="left", fontsize=TITLE_PT, fontweight="bold", color=INK, pad=8)
    keys = [
        Patch(facecolor=colours[action], edgecolor=GREY, linewidth=0.4, label=actions[action]) for action in actions
    ]
    if any(blank):
        keys.append(Patch(facecolor="white", edgecolor=GREY, linewidth=0.4, label="never visited"))
    figure.legend(
        handles=keys,
        loc="outside lower center",
        ncols=min(4, len(keys)),
        frameon=False,
        fontsize=SMALL_PT,
        labelcolor=INK,
        handlelength=1.2,
    )
    return to_png(figure, dpi)


def _panel(axis: Axes, frame: pl.DataFrame, colours: Mapping[int, str]) -> bool:
    """Draw one map; returns whether some of its cells are blank."""
    dress(axis)
    axis.grid(visible=False)
    x, y = (np.unique(frame[name].to_numpy()) for name in ("x", "y"))
    rank = {action: number for number, action in enumerate(colours)}
    cells = np.full((y.size, x.size), np.nan)
    places = np.searchsorted(y, frame["y"].to_numpy()), np.searchsorted(x, frame["x"].to_numpy())
    cells[places] = [rank[action] for action in frame["action"].to_list()]
    palette = ListedColormap(list(colours.values())).with_extremes(bad="white")
    shown, last = np.ma.masked_invalid(cells), len(colours) - 0.5
    axis.pcolormesh(_edges(x), _edges(y), shown, cmap=palette, vmin=-0.5, vmax=last)
    label_axes(axis, *(str(frame[name][0]) if name in frame.columns else name[0] for name in ("x_label", "y_label")))
    return bool(np.isnan(cells).any())


def _edges(centres: np.ndarray) -> np.ndarray:
    if centres.size == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middles = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - middles[0]], middles, [2 * centres[-1] - middles[-1]]])
