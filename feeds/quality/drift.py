"""Drift alerts: does today differ from the instrument's own history, with a stated rate of false alarms?

The rate is stated per day and for everything at once: on a day like the days before it, the probability that *any*
metric of *any* instrument raises an alarm is at most ``rate``. It needs no assumption about distributions and holds
whatever depends on whatever within a day; it needs the days to be exchangeable (today might as well have been any of
them), which is what drift breaks.

How: every metric of every instrument gets a score a day: its distance from the median of all days, in units of the
third largest distance of the *other* days (so "twice as far off as the third most unusual day"; two odd days in the
history do not hide a third). A day's score is the largest of them. Today's is compared with those of the history: were
all days alike, its rank among n + 1 would be uniform, so that the limit is the ceil((1 - rate)(n + 1))-th smallest day
score of the history, and alarms are the metrics of today above it. (The rank argument is that of conformal prediction,
Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005, ch. 2; taking the largest of many statistics
over whole resampled units is Westfall and Young, "Resampling-Based Multiple Testing", 1993, ch. 2.) With n days no rate
below 1 / (n + 1) can be stated: with less history than ``rate`` needs, nothing is judged, and the result says so.

Calendar effects: sums are taken per hour of session. Days of a shortened session are compared with their like only.
Weekdays are levelled by their medians where there are `WEEKS_TO_LEVEL` of each, with equally many of each weekday, so
that the ranks stay uniform; before that a weekday that is always unusual uses up the rate of the others, and the rate
holds on average over the week.

Here: the statistics. Not here: the figures (feeds/quality/history.py), pictures (models/plots/quality_drift.py).
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass

import numpy as np
import polars as pl

from feeds.errors import SchemaError, StudyError

#: Default of the stated rate: one false alarm in twenty nights, which needs 19 days of history.
DAILY_RATE = 0.05
#: History is at most so many days long.
WINDOW_DAYS = 120
#: Weekdays are levelled from so many of each on.
WEEKS_TO_LEVEL = 6
#: A session shorter than this share of the usual one is a half day.
_HALF_DAY = 0.9
#: A series with a larger share of days without a value is not judged.
_MOST_HOLES = 0.1
#: The distance of the other days that scores are measured in: the third largest.
_RECORD = 3


@dataclass(frozen=True)
class Metric:
    """How a figure is compared.

    Attributes:
        name: Column of QUALITY_FIGURES.
        offset: Added before the logarithm: values far below it are all alike.
        floor: Added to distances (in logarithms): what is small beside it is noise even where all days were alike.
        per_hour: Whether it is a sum over the session.
    """

    name: str
    offset: float
    floor: float
    per_hour: bool = False


METRICS: tuple[Metric, ...] = (
    Metric("volume_lots", 1.0, 0.1, per_hour=True),
    Metric("trades", 1.0, 0.1, per_hour=True),
    Metric("quote_updates", 1.0, 0.1, per_hour=True),
    Metric("spread_median_bps", 1e-3, 0.1),
    Metric("longest_gap_s", 1.0, 0.5),
    Metric("rejected_share", 1e-3, 1.0),
    Metric("gaps", 1.0, 2.0),
    Metric("covered_share", 1e-2, 0.3),
)

_ALERTS = {
    "date": pl.String,
    "symbol": pl.String,
    "metric": pl.String,
    "value": pl.Float64,
    "usual": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "score": pl.Float64,
    "limit": pl.Float64,
    "p_day": pl.Float64,
}
_HISTORY = {
    "date": pl.String, "symbol": pl.String, "metric": pl.String, "value": pl.Float64, "is_today": pl.Boolean
}  # fmt: skip


@dataclass(frozen=True)
class DriftReport:
    """Outcome of one date.

    Attributes:
        date: The date judged.
        rate: The stated probability of any false alarm on a day like the others.
        attained: The rate the number of days allows, at most ``rate``; 0 where nothing was judged.
        days: Days of history compared with.
        levelled: Whether weekdays were levelled.
        judged: One row a judged series: the columns of ``alerts`` (value, band and score of each).
        alerts: The rows of ``judged`` above the limit, the largest score first. ``p_day`` is the share of days, today
            included, whose largest score reaches this one.
        not_judged: symbol, metric, reason.
        history: date, symbol, metric, value, is_today: what the judged series were.
        sentence: The outcome in words.
    """

    date: str
    rate: float
    attained: float
    days: int
    levelled: bool
    judged: pl.DataFrame
    alerts: pl.DataFrame
    not_judged: pl.DataFrame
    history: pl.DataFrame
    sentence: str


def drift_alerts(figures: pl.DataFrame, date: str, rate: float = DAILY_RATE, window: int = WINDOW_DAYS) -> DriftReport:
    """Compare the figures of ``date`` with those of earlier dates.

    Args:
        figures: QUALITY_FIGURES of any dates; later ones are ignored.
        date: ISO date.
        rate: Stated probability of any false alarm on a day, in (0, 1).
        window: Most days of history.

    Raises:
        SchemaError: A metric's column is missing.
        StudyError: ``rate`` is no probability.
    """
    if not 0 < rate < 1:
        raise StudyError("drift rate", received=rate, expected="a probability between 0 and 1")
    missing = [item.name for item in METRICS if item.name not in figures.columns]
    if missing:
        raise SchemaError("quality figures", received=f"columns {figures.columns}", expected=f"also {missing}")
    needed = days_needed(rate)
    dates, kind = _days_like(figures, date, window)
    values, series, dropped = _matrix(figures, dates, date)
    complete = np.isfinite(values).all(axis=1)
    if values.shape[1] == 0 or not complete[-1]:
        return _nothing(date, rate, 0, dropped, f"no figures of {date}")
    values, dates = values[complete], [day for day, whole in zip(dates, complete, strict=True) if whole]
    if len(dates) - 1 < needed:
        reason = f"{len(dates) - 1} {kind}days of history; a rate of {rate:.1%} needs {needed}"
        short = [(symbol, metric.name, reason) for symbol, metric in series]
        return _nothing(date, rate, len(dates) - 1, [*dropped, *short], reason)
    return _judge(date, rate, values, dates, series, dropped)


def days_needed(rate: float) -> int:
    """The least history with which ``rate`` can be stated: the ranks of n + 1 days go down to 1 / (n + 1)."""
    return math.ceil(1 / rate - 1e-9) - 1


def scores(values: np.ndarray, floors: np.ndarray, groups: np.ndarray | None = None) -> np.ndarray:
    """Distance of every day from the median of all days, in units of the third largest distance of the other days.

    Args:
        values: (days, series) logarithms.
        floors: (series,) added to distances.
        groups: (days,) group of each day (weekdays, equally many of each); medians are then those of the groups.

    Returns:
        (days, series), symmetric in the days.
    """
    distance = np.abs(values - _centre(values, groups)) + floors
    return distance / _record(distance)


def limit_of(history: np.ndarray, rate: float) -> float:
    """The largest day score that is no alarm: the ceil((1 - rate)(n + 1))-th smallest of (n,) history scores."""
    rank = math.ceil((1 - rate) * (history.size + 1) - 1e-9)
    return float(np.sort(history)[rank - 1]) if rank <= history.size else math.inf


def _centre(values: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    if groups is None:
        return np.broadcast_to(np.median(values, axis=0), values.shape)
    centre = np.empty_like(values)
    for group in np.unique(groups):
        centre[groups == group] = np.median(values[groups == group], axis=0)
    return centre


def _record(distance: np.ndarray) -> np.ndarray:
    """(days, series) the `_RECORD`-th largest distance of the days other than each one."""
    ordered = -np.sort(-distance, axis=0)
    last = min(_RECORD, len(ordered) - 1)
    return np.where(distance >= ordered[last - 1], ordered[last], ordered[last - 1])


def _days_like(figures: pl.DataFrame, date: str, window: int) -> tuple[list[str], str]:
    """``date`` and the days before it whose session was as long, oldest first, and how they are called."""
    known = figures.filter(pl.col("date") <= date)
    lengths = dict(known.group_by("date", maintain_order=True).agg(pl.col("session_s").max()).sort("date").iter_rows())
    if date not in lengths:
        return [date], ""
    usual = float(np.median(list(lengths.values())))
    is_short = {day: length < _HALF_DAY * usual for day, length in lengths.items()}
    alike = [day for day in lengths if is_short[day] == is_short[date]]
    return alike[-(window + 1) :], "half " if is_short[date] else ""


def _matrix(
    figures: pl.DataFrame, dates: list[str], date: str
) -> tuple[np.ndarray, list[tuple[str, Metric]], list[tuple[str, str, str]]]:
    """(days, series) logarithms, the series, and (symbol, metric, reason) of those left out; ``date`` is the last."""
    known = figures.filter(pl.col("date").is_in(dates)).unique(["date", "symbol"], keep="last", maintain_order=True)
    place = {day: k for k, day in enumerate(dates)}
    columns, series, dropped = [], [], []
    for (symbol,), part in known.sort("symbol", "date").group_by("symbol", maintain_order=True):
        rows = [place[day] for day in part["date"].to_list()]
        for metric in METRICS:
            column = np.full(len(dates), np.nan)
            column[rows] = _logs(part, metric)
            reason = _unusable(column)
            if reason:
                dropped.append((str(symbol), metric.name, reason))
            else:
                columns.append(column)
                series.append((str(symbol), metric))
    values = np.stack(columns, axis=1) if columns else np.zeros((len(dates), 0))
    return values, series, dropped


def _logs(part: pl.DataFrame, metric: Metric) -> np.ndarray:
    value = pl.col(metric.name).cast(pl.Float64)
    if metric.per_hour:
        value = value * 3600 / pl.col("session_s")
    return part.select((value + metric.offset).log()).to_series().fill_null(np.nan).to_numpy()


def _unusable(column: np.ndarray) -> str:
    if not np.isfinite(column[-1]):
        return "no value today"
    holes = int((~np.isfinite(column)).sum())
    if holes > _MOST_HOLES * column.size:
        return f"{holes} of {column.size - 1} days without a value"
    return ""


def _judge(
    date: str,
    rate: float,
    values: np.ndarray,
    dates: list[str],
    series: list[tuple[str, Metric]],
    dropped: list[tuple[str, str, str]],
) -> DriftReport:
    chosen, groups = _levelled(dates, days_needed(rate))
    values, dates = values[chosen], [dates[k] for k in chosen]
    floors = np.array([metric.floor for _, metric in series])
    found = scores(values, floors, groups)
    centre = _centre(values, groups)[-1]
    record = _record(np.abs(values - _centre(values, groups)) + floors)[-1]
    largest = found.max(axis=1)
    n = len(dates) - 1
    limit = limit_of(largest[:-1], rate)
    rows = []
    for k, (symbol, metric) in enumerate(series):
        middle, reach = centre[k], limit * record[k] - metric.floor
        usual = [_value(level, metric) for level in (middle, middle - reach, middle + reach)]
        p_day = float((1 + (largest[:-1] >= found[-1, k]).sum()) / (n + 1))
        today = _value(values[-1, k], metric)
        rows.append((date, symbol, metric.name, today, *usual, float(found[-1, k]), limit, p_day))
    judged = pl.DataFrame(rows, schema=_ALERTS, orient="row")
    alerts = judged.filter(pl.col("score") > limit).sort("score", descending=True)
    attained = math.floor(rate * (n + 1) + 1e-9) / (n + 1)
    sentence = (
        f"{alerts.height or 'No'} drift alarm{'s' if alerts.height != 1 else ''} among {judged.height} series, against "
        f"{n} days of their own history; on a day like those, any alarm at all has a probability of at most "
        f"{attained:.1%}{', weekdays levelled' if groups is not None else ''}."
    )
    return DriftReport(
        date, rate, attained, n, groups is not None, judged, alerts, _reasons(dropped),
        _long(values, dates, series), sentence,
    )  # fmt: skip


def _levelled(dates: list[str], needed: int) -> tuple[list[int], np.ndarray | None]:
    """Which days to keep, and their weekdays where there are enough of each: equally many, the latest, today's too."""
    weekdays = [dt.date.fromisoformat(day).weekday() for day in dates]
    of_each = {weekday: [k for k, found in enumerate(weekdays) if found == weekday] for weekday in set(weekdays)}
    fewest = min(len(places) for places in of_each.values())
    if len(of_each) < 2 or fewest < WEEKS_TO_LEVEL or fewest * len(of_each) - 1 < needed:
        return list(range(len(dates))), None
    chosen = sorted(k for places in of_each.values() for k in places[-fewest:])
    return chosen, np.array([weekdays[k] for k in chosen])


def _value(level: float, metric: Metric) -> float:
    """A logarithm as a value again; sums are per hour."""
    return max(0.0, math.exp(min(level, 700.0)) - metric.offset)


def _long(values: np.ndarray, dates: list[str], series: list[tuple[str, Metric]]) -> pl.DataFrame:
    rows = [
        (day, symbol, metric.name, _value(values[i, k], metric), i == len(dates) - 1)
        for k, (symbol, metric) in enumerate(series)
        for i, day in enumerate(dates)
    ]
    return pl.DataFrame(rows, schema=_HISTORY, orient="row")


def _reasons(dropped: list[tuple[str, str, str]]) -> pl.DataFrame:
    schema = dict.fromkeys(("symbol", "metric", "reason"), pl.String)
    return pl.DataFrame(dropped, schema=schema, orient="row")


def _nothing(date: str, rate: float, days: int, dropped: list[tuple[str, str, str]], reason: str) -> DriftReport:
    none = pl.DataFrame(schema=_ALERTS)
    return DriftReport(
        date, rate, 0.0, days, False, none, none, _reasons(dropped), pl.DataFrame(schema=_HISTORY),
        f"Drift was not judged: {reason}.",
    )  # fmt: skip
