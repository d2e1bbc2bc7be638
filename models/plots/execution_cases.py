"""Policies by case: which horizons, sizes and instruments a mean hides.

Here: drawing. Not here: the figures (models/execution/cases.py), pooled policies (execution.py).
"""

from __future__ import annotations

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from models.plots.execution import AGENTS, of_market, policy_name
from models.plots.style import (
    BLUE,
    INK,
    PALE,
    REPORT_DPI,
    SMALL_PT,
    VERMILION,
    WIDTH_IN,
    canvas,
    no_data,
    to_png,
    usable,
)

#: Cheaper than the reference is blue, dearer is red.
_SHADES = LinearSegmentedColormap.from_list("cheaper_dearer", [BLUE, "#ffffff", VERMILION])
#: Shades reach their end at this quantile of the differences: a policy that is far out does not bleach the others.
_FAR = 0.85
_COLUMN_IN, _NAMES_IN = 0.46, 2.0
#: More cases than this are named upright.
_MOST_LEVEL = 4


def case_heatmap(cases: pl.DataFrame, *, market: str = "", dpi: int = REPORT_DPI) -> bytes:
    """Difference of every policy to the TWAP taker in every case; bold where its interval excludes zero.

    Args:
        cases: Columns policy, case (its name), vs_twap_taker_bps, vs_twap_low, vs_twap_high; market optional.
        market: Whose rows; empty: the first.
        dpi: Dots per inch.
    """
    title = "Against the TWAP taker, by case (bps)"
    columns = ("policy", "case", "vs_twap_taker_bps", "vs_twap_low", "vs_twap_high")
    frame, subtitle = of_market(usable(cases, "case_heatmap", columns), market)
    frame = frame.filter(pl.col("vs_twap_taker_bps").is_not_null()) if frame.height else frame
    if frame.is_empty():
        return no_data(title, "no policy was compared", dpi)
    across = frame["case"].unique(maintain_order=True).to_list()
    means = frame.group_by("policy", maintain_order=True).agg(pl.col("vs_twap_taker_bps").mean())
    down = means.sort("vs_twap_taker_bps", "policy")["policy"].to_list()
    figure, (axis,) = canvas(title, subtitle=subtitle, height_in=1.8 + 0.24 * len(down))
    figure.set_size_inches(max(WIDTH_IN, _NAMES_IN + _COLUMN_IN * len(across)), figure.get_figheight())
    values = np.full((len(down), len(across)), np.nan)
    for row in frame.to_dicts():
        values[down.index(row["policy"]), across.index(row["case"])] = row["vs_twap_taker_bps"]
    reach = float(np.nanquantile(np.abs(values), _FAR)) or 1.0
    axis.imshow(values, cmap=_SHADES, vmin=-reach, vmax=reach, aspect="auto", interpolation="nearest")
    for row in frame.to_dicts():
        _write(axis, row, across.index(row["case"]), down.index(row["policy"]), reach)
    _name(axis, across, down)
    return to_png(figure, dpi)


def _write(axis: Axes, row: dict[str, float | str | None], x: int, y: int, reach: float) -> None:
    value, low, high = (row[name] for name in ("vs_twap_taker_bps", "vs_twap_low", "vs_twap_high"))
    assert isinstance(value, float), "cells without a value are left out"
    sure = isinstance(low, float) and isinstance(high, float) and (high < 0.0 or low > 0.0)
    axis.text(
        x,
        y,
        f"{value:+.2f}".replace("-", "−") if abs(value) < 100 else f"{value:+.0f}".replace("-", "−"),
        ha="center",
        va="center",
        fontsize=SMALL_PT - 1.0,
        fontweight="bold" if sure else "normal",
        color="white" if abs(value) > 0.75 * reach else INK,
    )


def _name(axis: Axes, across: list[str], down: list[str]) -> None:
    upright = len(across) > _MOST_LEVEL
    labels = across if upright else [name.replace(" ", "\n", 1) for name in across]
    axis.set_xticks(range(len(across)), labels, fontsize=SMALL_PT, rotation=90 if upright else 0)
    axis.set_yticks(range(len(down)), [policy_name(policy) for policy in down], fontsize=SMALL_PT)
    for label, policy in zip(axis.get_yticklabels(), down, strict=True):
        label.set_fontweight("bold" if policy in AGENTS else "normal")
    axis.tick_params(length=0)
    axis.grid(visible=False)
    axis.set_xticks(np.arange(len(across) + 1) - 0.5, minor=True)
    axis.set_yticks(np.arange(len(down) + 1) - 0.5, minor=True)
    axis.grid(which="minor", color=PALE, linewidth=0.6)
    axis.tick_params(which="minor", length=0)
