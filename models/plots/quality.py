"""Plots of data quality: which instrument-days passed, and why rows were rejected.

Here: the calendar and the rejection bars. Not here: the checks (feeds/quality).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

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
#: States of a calendar (feeds/quality/history.py) as statuses.
_OF_STATE = {"ok": "pass", "warning": "warn", "missing": "missing", "failed": "fail"}

#: Beyond these the calendar is aggregated: dates to weeks or months, the least troubled symbols to one row.
_MOST_DATES = 60
_MOST_SYMBOLS = 30
#: Cells carry signs up to so many columns.
_MOST_SIGNS = 32


def worst_status(quality: pl.DataFrame) -> pl.DataFrame:
    """The worst status of every (date, symbol) of ``quality``.

    Args:
        quality: Columns date, symbol (strings) and status (one of `STATUSES`), or what `with_status` makes it from.

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
    """``quality`` with a status column, made from state, or from passed and blocking, where it has none."""
    if quality is None or "status" in quality.columns:
        return quality
    if "state" in quality.columns:
        return quality.with_columns(status=pl.col("state").replace_strict(_OF_STATE, return_dtype=pl.String))
    if "passed" not in quality.columns:
        return quality
    blocking = pl.col("blocking") if "blocking" in quality.columns else pl.lit(True)
    status = (
        pl.when(pl.col("passed")).then(pl.lit("pass")).when(blocking).then(pl.lit("fail")).otherwise(pl.lit("warn"))
    )
    return quality.with_columns(status.alias("status"))


@dataclass(frozen=True)
class _Grid:
    """What the calendar draws: columns, rows, and per (column, row) the worst status and how many days have it."""

    columns: list[str]
    rows: list[str]
    cells: dict[tuple[int, int], tuple[str, int]]
    period: str
    hidden_rows: int


def data_quality_calendar(quality: pl.DataFrame, *, dpi: int = REPORT_DPI) -> bytes:
    """Dates by symbols, coloured by the worst check; a pair without a row is "no data".

    Up to 60 dates and 30 symbols have a cell a pair. Beyond, dates are drawn together by weeks or months, and the
    symbols with the fewest bad days in one row; such a cell shows its worst status and how many days have it.

    Args:
        quality: See `worst_status`, or a calendar of feeds/quality/history.py.
        dpi: Dots per inch.
    """
    title = "Data quality"
    worst = worst_status(quality)
    if worst.is_empty():
        return no_data(title, "no checks have run", dpi)
    grid = _grid(worst)
    said = [] if grid.period == "date" else [f"by {grid.period}"]
    if grid.hidden_rows:
        said.append(f"{grid.hidden_rows} symbols in one row")
    if said:
        said.append("number: days in that state")
    height = min(HEIGHT_IN * 2.1, max(1.9, 1.35 + 0.3 * len(grid.rows)))
    figure, (axis,) = canvas(title, height_in=height, subtitle="; ".join(said))
    _cells(figure, axis, grid)
    return to_png(figure, dpi)


def _grid(worst: pl.DataFrame) -> _Grid:
    dates = sorted(worst["date"].unique().to_list())
    period = _period(dates)
    bad = pl.col("status").is_in(["fail", "warn", "missing"])
    by_badness = worst.group_by("symbol", maintain_order=True).agg(bad.sum().alias("bad"))
    ranked = by_badness.sort(["bad", "symbol"], descending=[True, False])["symbol"].to_list()
    own = ranked if len(ranked) <= _MOST_SYMBOLS else ranked[: _MOST_SYMBOLS - 1]
    rows = sorted(own)
    hidden = len(ranked) - len(own)
    place = {symbol: k for k, symbol in enumerate(rows)}
    if hidden:
        rows.append(f"{hidden} others")
    columns = sorted({_bucket(date, period) for date in dates})
    column = {name: k for k, name in enumerate(columns)}
    found = {(row["date"], row["symbol"]): row["status"] for row in worst.to_dicts()}
    counts: dict[tuple[int, int], dict[str, int]] = {}
    for date in dates:
        for symbol in ranked:
            status = found.get((date, symbol), "missing")
            cell = counts.setdefault((column[_bucket(date, period)], place.get(symbol, len(place))), {})
            cell[status] = cell.get(status, 0) + 1
    cells = {}
    for key, by_status in counts.items():
        status = next(name for name in STATUSES if name in by_status)
        cells[key] = (status, by_status[status])
    return _Grid(columns, rows, cells, period, hidden)


def _period(dates: list[str]) -> str:
    if len(dates) <= _MOST_DATES:
        return "date"
    weeks = {_bucket(date, "week") for date in dates}
    return "week" if len(weeks) <= _MOST_DATES else "month"


def _bucket(date: str, period: str) -> str:
    """The date, the Monday of its week, or its month."""
    if period == "week":
        day = dt.date.fromisoformat(date)
        return (day - dt.timedelta(days=day.weekday())).isoformat()
    return date[:7] if period == "month" else date


def _cells(figure: Figure, axis: Axes, grid: _Grid) -> None:
    columns, rows = grid.columns, grid.rows
    summed = len(rows) - 1 if grid.hidden_rows else -1
    for (x, y), (status, days) in grid.cells.items():
        axis.add_patch(Rectangle((x - 0.46, y - 0.44), 0.92, 0.88, facecolor=_COLOUR[status], edgecolor="none"))
        together = grid.period != "date" or y == summed
        text = _SIGN[status] if not together else "" if status == "pass" else str(days)
        if len(columns) <= _MOST_SIGNS:
            axis.text(x, y, text, ha="center", va="center", fontsize=SMALL_PT if together else TEXT_PT, color=INK)
    # few dates: keep the cells from stretching into banners
    axis.set_xlim(-0.5, max(len(columns), 6) - 0.5)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    step = max(1, -(-len(columns) // 9))
    shown = columns[::step]
    names = shown if grid.period == "month" else [name[5:] for name in shown]
    axis.set_xticks(range(0, len(columns), step), names, fontsize=SMALL_PT)
    years = " to ".join(sorted({columns[0][:4], columns[-1][:4]}))
    words = {"date": f"date (month-day, {years})", "week": f"week from (month-day, {years})", "month": "month"}
    label_axes(axis, words[grid.period])
    axis.xaxis.label.set(ha="left", x=0.0)
    axis.set_yticks(range(len(rows)), ["all" if name == "*" else name for name in rows], fontsize=SMALL_PT)
    axis.grid(visible=False)
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)
    statuses = {status for status, _ in grid.cells.values()}
    handles = [
        Patch(facecolor=_COLOUR[name], label=f"{_SIGN[name]}  {_MEANING[name]}")
        for name in reversed(STATUSES)
        if name in statuses
    ]
    figure.legend(
        handles=handles,
        fontsize=SMALL_PT,
        labelcolor=INK,
        frameon=False,
        ncols=len(handles),
        columnspacing=1.4,
        handlelength=1.6,
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
