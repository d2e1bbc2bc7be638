"""Drift alerts: the stated rate holds on days that are alike, planted shifts are found, too little history says so."""

import datetime as dt
import math

import numpy as np
import polars as pl
import pytest

from feeds.errors import SchemaError, StudyError
from feeds.quality.drift import METRICS, WEEKS_TO_LEVEL, days_needed, drift_alerts, limit_of, scores
from feeds.quality.history import QUALITY_FIGURES

FLOORS = np.array([metric.floor for metric in METRICS])


def dates(n, start="2024-01-02"):
    found, day = [], dt.date.fromisoformat(start)
    while len(found) < n:
        if day.weekday() < 5:
            found.append(day.isoformat())
        day += dt.timedelta(days=1)
    return found


def figures(rng, days, symbols, change=None):
    """Figures of days that are alike; ``change(row, day number, symbol number)`` alters rows."""
    rows = []
    for k, day in enumerate(days):
        market = 0.2 * rng.standard_normal()
        for j in range(symbols):
            volume = math.exp(14 + j + market + 0.3 * rng.standard_normal())
            row = {
                "date": day,
                "symbol": f"S{j}.US",
                "rows_in": 100_000,
                "rows_clean": 99_000,
                "rows_rejected": 1_000,
                "rejected_share": 0.004 * math.exp(0.5 * rng.standard_normal()),
                "volume_lots": int(volume),
                "trades": int(volume / 200),
                "spread_median_bps": math.exp(0.15 * rng.standard_t(4)),
                "quote_updates": int(1e5 * math.exp(market + 0.1 * rng.standard_normal())),
                "longest_gap_s": 20 * math.exp(0.4 * rng.standard_normal()),
                "gaps": int(rng.random() < 0.05),
                "covered_share": 0.999,
                "session_s": 23_400.0,
            }
            if change is not None:
                change(row, k, j)
            rows.append(row)
    return pl.DataFrame(rows, schema=dict(QUALITY_FIGURES))


def alike(rng, days, symbols):
    """(days, series) logarithms like those of `figures`, many at a time; each 8th series is the rare count of gaps."""
    market = 0.2 * rng.standard_normal((days, 1))
    values = market + 0.3 * rng.standard_t(4, (days, symbols * len(METRICS)))
    rare = np.where(rng.random((days, symbols)) < 0.05, rng.exponential(1.0, (days, symbols)), 0.0)
    values[:, 6 :: len(METRICS)] = rare
    return values


@pytest.mark.parametrize(("history", "symbols", "rate"), [(19, 1, 0.05), (40, 8, 0.05), (40, 8, 0.1), (99, 4, 0.01)])
def test_days_that_are_alike_alarm_as_seldom_as_stated(history, symbols, rate):
    rng = np.random.default_rng(11)
    repetitions, floors = 3_000, np.tile(FLOORS, symbols)
    alarms = 0
    for _ in range(repetitions):
        largest = scores(alike(rng, history + 1, symbols), floors).max(axis=1)
        alarms += largest[-1] > limit_of(largest[:-1], rate)
    stated = math.floor(rate * (history + 1) + 1e-9) / (history + 1)
    error = math.sqrt(stated * (1 - stated) / repetitions)
    assert alarms / repetitions <= stated + 3 * error
    # The rate is used up, not merely kept: a test that never alarms would keep it too.
    assert alarms / repetitions >= stated - 4 * error


def test_the_rate_holds_with_weekdays_levelled_and_weekdays_that_differ():
    rng = np.random.default_rng(12)
    days, repetitions = 5 * WEEKS_TO_LEVEL, 2_000
    weekday = np.arange(days) % 5
    alarms = 0
    for _ in range(repetitions):
        values = alike(rng, days, 2) + np.array([0.0, 0.3, 1.0, 0.0, -0.6])[weekday][:, None]
        largest = scores(values, np.tile(FLOORS, 2), weekday).max(axis=1)
        alarms += largest[-1] > limit_of(largest[:-1], 0.1)
    stated = math.floor(0.1 * days + 1e-9) / days
    assert alarms / repetitions <= stated + 3 * math.sqrt(stated * (1 - stated) / repetitions)


def test_the_whole_way_from_figures_alarms_as_seldom_as_stated():
    rng = np.random.default_rng(13)
    days, repetitions = dates(20), 150
    alarms = sum(drift_alerts(figures(rng, days, 2), days[-1], rate=0.1).alerts.height > 0 for _ in range(repetitions))
    assert alarms / repetitions <= 0.1 + 3 * math.sqrt(0.09 / repetitions)


def shift(name, factor):
    def change(row, k, j):
        if k == 39 and j == 1:
            row[name] = type(row[name])(row[name] * factor + (factor if name == "gaps" else 0))

    return change


@pytest.mark.parametrize(
    ("metric", "factor"),
    [
        ("volume_lots", 0.05),
        ("trades", 20),
        ("quote_updates", 10),
        ("spread_median_bps", 12),
        ("longest_gap_s", 200),
        ("rejected_share", 100),
        ("gaps", 2_000),
        ("covered_share", 0.2),
    ],
)
def test_a_planted_shift_of_any_metric_is_found_and_no_other_blamed(metric, factor):
    found, blamed = 0, 0
    for seed in range(5):
        days = dates(40)
        report = drift_alerts(figures(np.random.default_rng(seed), days, 3, shift(metric, factor)), days[-1])
        named = set(report.alerts.select("symbol", "metric").iter_rows())
        found += ("S1.US", metric) in named
        blamed += len(named - {("S1.US", metric)})
    assert found >= 4 and blamed <= 1


def test_a_band_is_where_today_would_raise_no_alarm():
    days = dates(40)
    base = figures(np.random.default_rng(3), days, 2)
    report = drift_alerts(base, days[-1])
    row = report.judged.filter(symbol="S1.US", metric="spread_median_bps").to_dicts()[0]
    today = (pl.col("date") == days[-1]) & (pl.col("symbol") == "S1.US")
    for value, alarms in ((row["high"] * 0.99, False), (row["high"] * 1.2, True), (row["low"] / 1.2, True)):
        moved = base.with_columns(spread_median_bps=pl.when(today).then(value).otherwise("spread_median_bps"))
        named = set(drift_alerts(moved, days[-1]).alerts.select("symbol", "metric").iter_rows())
        assert (("S1.US", "spread_median_bps") in named) == alarms


def test_two_odd_days_in_the_history_do_not_hide_a_third():
    def change(row, k, j):
        if k in (5, 11, 39) and j == 1:
            row["volume_lots"] *= 40

    days = dates(40)
    report = drift_alerts(figures(np.random.default_rng(1), days, 2, change), days[-1])
    assert ("S1.US", "volume_lots") in set(report.alerts.select("symbol", "metric").iter_rows())


@pytest.mark.parametrize(("rate", "needed"), [(0.05, 19), (0.1, 9), (0.01, 99), (0.5, 1), (0.3, 3)])
def test_too_little_history_says_so_and_raises_no_alarm(rate, needed):
    assert days_needed(rate) == needed
    days = dates(needed + 1)
    grow = shift("volume_lots", 1.0)
    frame = figures(np.random.default_rng(0), days, 2, grow)
    huge = frame.with_columns(
        volume_lots=pl.when(pl.col("date") == days[-1]).then(10**12).otherwise("volume_lots").cast(pl.Int64)
    )
    enough = drift_alerts(huge, days[-1], rate)
    assert enough.days == needed and 0 < enough.attained <= rate and enough.alerts.height > 0
    short = drift_alerts(huge.filter(pl.col("date") > days[0]), days[-1], rate)
    assert short.alerts.is_empty() and short.judged.is_empty() and short.attained == 0
    assert "not judged" in short.sentence and str(needed) in short.sentence
    assert short.not_judged.height == 2 * len(METRICS)


def test_the_future_is_not_looked_at():
    days = dates(45)
    frame = figures(np.random.default_rng(7), days, 2)
    later = frame.with_columns(
        volume_lots=pl.when(pl.col("date") > days[39]).then(10**9).otherwise("volume_lots").cast(pl.Int64)
    )
    assert drift_alerts(later, days[39]).judged.equals(drift_alerts(frame.head(80), days[39]).judged)


def test_sums_are_compared_per_hour_and_half_days_with_their_like():
    half = {3, 39}

    def change(row, k, j):
        if k in half:
            row["session_s"] = 11_700.0
            row["volume_lots"] //= 2

    days = dates(60)
    frame = figures(np.random.default_rng(2), days, 2, change)
    short = drift_alerts(frame, days[39])
    assert short.alerts.is_empty() and "1 half days of history" in short.sentence
    whole = drift_alerts(frame, days[59])
    assert not set(whole.history["date"].unique()) & {days[3], days[39]}
    hourly = whole.judged.filter(symbol="S0.US", metric="volume_lots")["usual"][0]
    daily = frame.filter(pl.col("symbol") == "S0.US")["volume_lots"].median()
    assert hourly == pytest.approx(daily / 6.5, rel=0.2)


def test_an_unusual_weekday_is_no_drift_once_weekdays_are_levelled():
    def change(row, k, j):
        if dt.date.fromisoformat(row["date"]).weekday() == 4:
            row["volume_lots"] *= 6

    days = [day for day in dates(80) if day <= "2024-03-29"]
    assert dt.date.fromisoformat(days[-1]).weekday() == 4
    report = drift_alerts(figures(np.random.default_rng(5), days, 2, change), days[-1])
    assert report.levelled and report.alerts.is_empty()
    judged = report.judged.filter(symbol="S0.US", metric="volume_lots").to_dicts()[0]
    assert judged["value"] / judged["usual"] < 2.5


def test_an_instrument_that_is_new_or_full_of_holes_is_named_and_the_others_judged():
    days = dates(40)
    frame = figures(np.random.default_rng(6), days, 3)
    new = frame.filter((pl.col("symbol") != "S2.US") | (pl.col("date") >= days[-3]))
    report = drift_alerts(new, days[-1])
    assert set(report.judged["symbol"]) == {"S0.US", "S1.US"}
    assert set(report.not_judged["symbol"]) == {"S2.US"} and "37 of 39" in report.not_judged["reason"][0]
    one_hole = frame.filter((pl.col("symbol") != "S2.US") | (pl.col("date") != days[4]))
    patched = drift_alerts(one_hole, days[-1])
    assert patched.not_judged.is_empty() and days[4] not in patched.history["date"] and patched.days >= 34
    gone = frame.filter((pl.col("symbol") != "S2.US") | (pl.col("date") != days[-1]))
    assert set(drift_alerts(gone, days[-1]).judged["symbol"]) == {"S0.US", "S1.US"}


def test_a_figure_no_day_has_is_not_judged_and_a_date_without_figures_neither():
    days = dates(40)
    frame = figures(np.random.default_rng(6), days, 2).with_columns(spread_median_bps=pl.lit(None, pl.Float64))
    report = drift_alerts(frame, days[-1])
    assert "spread_median_bps" not in set(report.judged["metric"])
    assert set(report.not_judged["metric"]) == {"spread_median_bps"}
    assert "not judged" in drift_alerts(frame, "2031-01-01").sentence
    assert "not judged" in drift_alerts(frame.clear(), days[-1]).sentence


def test_wrong_input_is_named():
    frame = figures(np.random.default_rng(0), dates(3), 1)
    with pytest.raises(StudyError, match="drift rate"):
        drift_alerts(frame, "2024-01-04", rate=1.5)
    with pytest.raises(SchemaError, match="trades"):
        drift_alerts(frame.drop("trades"), "2024-01-04")
