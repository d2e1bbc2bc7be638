"""Which groups of features a model leans on.

Here: drawing. Not here: the measurement (models/alpha/importance.py).
"""

from __future__ import annotations

from typing import Any

import polars as pl

from models.plots.style import (
    BLUE,
    GREY,
    PALE,
    REPORT_DPI,
    SMALL_PT,
    SOFT_INK,
    canvas,
    label_axes,
    no_data,
    to_png,
    usable,
)

#: Without an interval, a loss below this is drawn as nothing.
NEAR_ZERO = 0.001


def grouped_importance(table: pl.DataFrame, *, dpi: int = REPORT_DPI) -> bytes:
    """Loss of IC when a group's columns are permuted together, largest first.

    Blue: the model needs the group. Grey: the loss is negative, its interval reaches 0 or, without an interval, it is
    below `NEAR_ZERO`.

    Args:
        table: Columns group, ic_loss; features, ic_loss_low and ic_loss_high optional.
        dpi: Dots per inch.
    """
    title = "Information lost without a group of features"
    frame = usable(table, "grouped_importance", ("group", "ic_loss"))
    if frame.is_empty():
        return no_data(title, "no feature group was judged", dpi)
    frame = frame.sort("ic_loss", "group", descending=[False, True])
    figure, (axis,) = canvas(title, height_in=max(1.9, 1.2 + 0.26 * frame.height))
    for place, row in enumerate(frame.to_dicts()):
        colour = BLUE if is_notable(row) else GREY
        axis.barh(place, row["ic_loss"], height=0.66, color=colour, alpha=0.85)
        ends = [row["ic_loss"], 0.0]
        if (interval := _interval(row)) is not None:
            axis.plot(interval, [place, place], color=SOFT_INK, linewidth=1.3, solid_capstyle="butt")
            ends += interval
        axis.annotate(
            f"{row['ic_loss']:+.4f}".replace("-", "−"),
            (max(ends), place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL_PT,
            color=SOFT_INK,
        )
    axis.axvline(0, color=SOFT_INK, linewidth=0.9)
    axis.set_yticks(range(frame.height), [_name(row) for row in frame.to_dicts()])
    axis.set_ylim(-0.6, frame.height - 0.4)
    axis.margins(x=0.14)
    axis.grid(axis="y", visible=False)
    axis.grid(axis="x", color=PALE, linewidth=0.6)
    label_axes(axis, "IC lost when the group is permuted (dimensionless)")
    return to_png(figure, dpi)


def is_notable(row: dict[str, Any]) -> bool:
    """Whether the loss of a group is more than nothing; see `grouped_importance`."""
    interval = _interval(row)
    return bool(row["ic_loss"] >= NEAR_ZERO if interval is None else interval[0] > 0.0 and row["ic_loss"] > 0.0)


def _interval(row: dict[str, Any]) -> list[float] | None:
    low, high = row.get("ic_loss_low"), row.get("ic_loss_high")
    return None if low is None or high is None else [float(low), float(high)]


def _name(row: dict[str, Any]) -> str:
    count = row.get("features")
    return row["group"] if count is None else f"{row['group']} ({count})"
