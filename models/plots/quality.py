"""Plots of data quality: which instrument-days passed, and why rows were rejected.

Here: the calendar and the rejection bars. Not here: the checks (feeds/quality).
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from feeds.errors import SchemaError
from models.plots.style import (
    AMBER,
    BLUE,
    HEIGHT_IN,
    INK,
    PALE,
    REPORT_DPI,
    SMALL_PT,
    SOFT_INK,
    TEXT_PT,
    VERMILION,
    canvas,
    label_axes,
    no_data,
    to_png,
    usable,
)

#: Worst first. A sign stands beside each colour, so that the calendar also reads in grey.
STATUSES = ("fail", "warn", "missing", "pass")
_COLOUR = {"pass": "#b7dccb", "warn": AMBER, "fail": VERMILION, "missing": PALE}
_SIGN = {"pass": "✓", "warn": "!", "fail": "✗", "missing": "–"}
_MEANING = {
    "pass": "passed",
    "warn": "passed with warnings",
    "fail": "failed (blocking)",
    "missing": "no data",
}

_MOST_DATES = 45
_MOST_SYMBOLS = 24


def worst_status(quality: pl.DataFrame) -> pl.DataFrame:
    """The worst status of every (date, symbol) of ``quality``.

    Args:
        quality: Columns date, symbol (strings) and either status (one of `STATUSES`) or passed and blocking
            (bool).

    Returns:
        Columns date, symbol, status; one row each, sorted.

    Raises:
        SchemaError: A status is none of `STATUSES`, or the columns are missing.
    """
    frame = usable(with_status(quality), "data_quality_calendar", ("date", "symbol", "status"))
    if frame.is_empty():
        return pl.DataFrame(schema={"date": pl.String, "symbol": pl.String, "status": pl.String})
    unknown = sorted(set(frame["status"].unique().to_list()) - set(STATUSES))
    if unknown:
        raise SchemaError("column status", received=str(unknown), expected=f"one of {STATUSES}")
    rank = pl.col("status").replace_strict({name: place for place, name in enumerate(STATUSES)}, return_dtype=pl.Int8)
    worst = frame.select(pl.col("date").cast(pl.String), "symbol", rank.alias("rank")).group_by("date", "symbol").min()
    names = dict(enumerate(STATUSES))
    return worst.select(
        "date", "symbol", pl.col("rank").replace_strict(names, return_dtype=pl.String).alias("status")
    ).sort("date", "symbol")


def with_status(quality: pl.DataFrame) -> pl.DataFrame:
    """``quality`` with a status column, made from passed and blocking where it has none."""
    if quality is None or "status" in quality.columns or "passed" not in quality.columns:
        return quality
    blocking = pl.col("blocking") if "blocking" in quality.columns else pl.lit(True)
    status = (
        pl.when(pl.col("passed")).then(pl.lit("pass")).when(blocking).then(pl.lit("fail")).otherwise(pl.lit("warn"))
    )
    return quality.with_columns(status.alias("status"))


def data_quality_calendar(quality: pl.DataFrame, *, dpi: int = REPORT_DPI) -> bytes:
    """Calendar of date x symbol, coloured by the worst check; a pair without a row is "no data".

    Args:
        quality: See `worst_status`.
        dpi: Dots per inch.
    """
    title = "Data quality"
    worst = worst_status(quality)
    if worst.is_empty():
        return no_data(title, "no checks have run", dpi)
    dates = sorted(worst["date"].unique().to_list())
    badness = worst.group_by("symbol", maintain_order=True).agg((pl.col("status") != "pass").sum().alias("bad"))
    by_badness = badness.sort(["bad", "symbol"], descending=[True, False])["symbol"].to_list()
    shown_dates, symbols = dates[-_MOST_DATES:], sorted(by_badness[:_MOST_SYMBOLS])
    left_out = [
        f"{hidden} {what}"
        for hidden, what in (
            (len(dates) - len(shown_dates), "earlier dates not shown"),
            (len(by_badness) - len(symbols), "clean symbols not shown"),
        )
        if hidden
    ]
    height = min(HEIGHT_IN * 1.9, max(1.9, 1.35 + 0.3 * len(symbols)))
    figure, (axis,) = canvas(title, height_in=height, subtitle="; ".join(left_out))
    _cells(figure, axis, worst, shown_dates, symbols)
    return to_png(figure, dpi)


def _cells(figure: Figure, axis: Axes, worst: pl.DataFrame, dates: list[str], symbols: list[str]) -> None:
    found = {(row["date"], row["symbol"]): row["status"] for row in worst.to_dicts()}
    statuses = {(x, y): found.get((d, s), "missing") for x, d in enumerate(dates) for y, s in enumerate(symbols)}
    for (x, y), status in statuses.items():
        axis.add_patch(Rectangle((x - 0.46, y - 0.44), 0.92, 0.88, facecolor=_COLOUR[status], edgecolor="none"))
        if len(dates) <= 32:
            axis.text(x, y, _SIGN[status], ha="center", va="center", fontsize=TEXT_PT, color=INK)
    # few dates: keep the cells from stretching into banners
    axis.set_xlim(-0.5, max(len(dates), 6) - 0.5)
    axis.set_ylim(len(symbols) - 0.5, -0.5)
    step = max(1, -(-len(dates) // 9))
    axis.set_xticks(range(0, len(dates), step), [date[5:] for date in dates[::step]], fontsize=SMALL_PT)
    years = sorted({dates[0][:4], dates[-1][:4]})
    label_axes(axis, f"date (month-day, {' to '.join(years)})")
    axis.xaxis.label.set(ha="left", x=0.0)
    axis.set_yticks(range(len(symbols)), ["all" if name == "*" else name for name in symbols], fontsize=SMALL_PT)
    axis.grid(visible=False)
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)
    present = [status for status in reversed(STATUSES) if status in set(statuses.values())]
    handles = [Patch(facecolor=_COLOUR[name], label=f"{_SIGN[name]}  {_MEANING[name]}") for name in present]
    figure.legend(
        handles=handles,
        fontsize=SMALL_PT,
        labelcolor=INK,
        frameon=False,
        ncols=len(handles),
        loc="outside lower left",
        borderaxespad=0.2,
    )


def rejected_by_reason(
    rejected: pl.DataFrame | Mapping[str, int], *, rows_in: int | None = None, dpi: int = REPORT_DPI
) -> bytes:
    """Rows not kept, by reason, as horizontal bars with counts.

    Args:
        rejected: Reason -> rows, or a frame with columns reason, rows (several rows of one reason are added
            up).
        rows_in: Rows before cleaning; adds each reason's share of them.
        dpi: Dots per inch.
    """
    title = "Rejected rows by reason"
    counts = _counts(rejected)
    if not counts:
        return no_data(title, "no row was rejected", dpi)
    ordered = sorted(counts.items(), key=lambda item: (item[1], item[0]))
    figure, (axis,) = canvas(title, height_in=max(1.9, 1.2 + 0.27 * len(ordered)))
    axis.barh([reason.replace("_", " ") for reason, _ in ordered], [n for _, n in ordered], color=BLUE, height=0.66)
    largest = max(counts.values())
    for place, (_, rows) in enumerate(ordered):
        share = f"  ({rows / rows_in:.2%})" if rows_in else ""
        axis.text(rows + 0.012 * largest, place, f"{rows:,}{share}", va="center", fontsize=SMALL_PT, color=INK)
    axis.set_xlim(0, largest * (1.32 if rows_in else 1.18))
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axis.xaxis.get_major_locator().set_params(nbins=6, integer=True)  # type: ignore[call-arg]
    axis.grid(axis="y", visible=False)
    axis.grid(axis="x", color="#e8ebef", linewidth=0.8)
    axis.tick_params(axis="y", length=0, labelcolor=SOFT_INK)
    label_axes(axis, "rows rejected (percent: share of the rows read)" if rows_in else "rows rejected")
    return to_png(figure, dpi)


def _counts(rejected: pl.DataFrame | Mapping[str, int]) -> dict[str, int]:
    if isinstance(rejected, Mapping):
        return {str(reason): int(rows) for reason, rows in rejected.items() if rows}
    frame = usable(rejected, "rejected_by_reason", ("reason", "rows"))
    if frame.is_empty():
        return {}
    total = frame.group_by("reason", maintain_order=True).agg(pl.col("rows").sum().cast(pl.Int64))
    return {str(reason): int(rows) for reason, rows in total.select("reason", "rows").iter_rows() if rows}
