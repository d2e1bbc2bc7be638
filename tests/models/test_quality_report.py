"""The calendar, the drift panel and the section made of them: readable at any size, honest about what is not known."""

import datetime as dt
import io

import numpy as np
import polars as pl
import pytest
from PIL import Image

from feeds.errors import SchemaError
from feeds.quality.drift import drift_alerts
from feeds.quality.history import QUALITY_FIGURES, quality_calendar
from models.plots.quality import STATUSES, _grid, data_quality_calendar, with_status, worst_status
from models.plots.quality_drift import drift_panel
from models.report.build import build_report
from models.report.html import render_html
from models.report.inputs import ReportInputs
from models.report.quality_inputs import QualityInputs
from models.report.sections.quality import quality_section


def dates(n):
    return [(dt.date(2024, 1, 1) + dt.timedelta(days=k)).isoformat() for k in range(n)]


def states(symbols, days, seed=0):
    rng = np.random.default_rng(seed)
    names = ["ok", "warning", "missing", "failed"]
    rows = [
        {"date": day, "symbol": f"S{j:03d}.US", "state": str(rng.choice(names, p=[0.82, 0.08, 0.05, 0.05]))}
        for day in dates(days)
        for j in range(symbols)
    ]
    return pl.DataFrame(rows)


def figures(days=25, factor=1.0, symbols=2):
    rng = np.random.default_rng(2)
    rows = []
    for k, day in enumerate(dates(days)):
        for j in range(symbols):
            big = factor if (k, j) == (days - 1, 1) else 1.0
            rows.append(
                {
                    "date": day, "symbol": f"S{j:03d}.US", "rows_in": 1_000, "rows_clean": 990, "rows_rejected": 10,
                    "rejected_share": 0.004 * np.exp(0.3 * rng.standard_normal()),
                    "volume_lots": int(1e6 * np.exp(0.3 * rng.standard_normal()) * big),
                    "trades": int(1e4 * np.exp(0.2 * rng.standard_normal())),
                    "spread_median_bps": float(np.exp(0.1 * rng.standard_normal())),
                    "quote_updates": int(1e5 * np.exp(0.1 * rng.standard_normal())),
                    "longest_gap_s": float(20 * np.exp(0.3 * rng.standard_normal())),
                    "gaps": 0, "covered_share": 1.0, "session_s": 23_400.0,
                }
            )  # fmt: skip
    return pl.DataFrame(rows, schema=dict(QUALITY_FIGURES))


def size_of(png):
    return Image.open(io.BytesIO(png)).size


@pytest.mark.parametrize(
    ("symbols", "days", "period", "rows", "columns"),
    [
        (3, 5, "date", 3, 5),
        (30, 60, "date", 30, 60),
        (31, 10, "date", 30, 10),
        (2, 61, "week", 2, 9),
        (2, 500, "month", 2, 17),
    ],
)
def test_the_calendar_has_a_cell_a_pair_and_is_drawn_together_beyond(symbols, days, period, rows, columns):
    grid = _grid(worst_status(states(symbols, days)))
    assert (grid.period, len(grid.rows), len(grid.columns)) == (period, rows, columns)
    assert len(grid.cells) == rows * columns
    width, height = size_of(data_quality_calendar(states(symbols, days), dpi=60))
    assert width == 360 and height <= 60 * 7.1


def test_a_cell_drawn_together_shows_its_worst_state_and_how_many_days_have_it():
    days = dates(70)
    rows = [{"date": day, "symbol": "A.US", "state": "ok"} for day in days]
    for k, state in ((1, "warning"), (2, "warning"), (8, "failed")):
        rows[k]["state"] = state
    grid = _grid(worst_status(pl.DataFrame(rows)))
    assert [grid.cells[k, 0] for k in range(3)] == [("warn", 2), ("fail", 1), ("pass", 7)]


def test_the_most_troubled_symbols_keep_their_own_rows():
    rows = [{"date": "2024-01-01", "symbol": f"S{j:03d}", "state": "ok" if j != 77 else "failed"} for j in range(90)]
    grid = _grid(worst_status(pl.DataFrame(rows)))
    assert "S077" in grid.rows and grid.hidden_rows == 61 and grid.rows[-1] == "61 others"
    assert grid.cells[0, 29] == ("pass", 61)


def test_states_and_checks_give_the_same_statuses():
    frame = pl.DataFrame({"state": ["ok", "warning", "missing", "failed"]})
    assert set(with_status(frame)["status"]) == set(STATUSES)


def test_each_state_looks_different():
    pictures = {data_quality_calendar(states(1, 1).with_columns(state=pl.lit(name)), dpi=60) for name in
                ("ok", "warning", "missing", "failed")}  # fmt: skip
    assert len(pictures) == 4


def test_the_panel_shows_an_alarm_and_says_where_nothing_was_judged():
    day = dates(25)[-1]
    calm, alarmed = (drift_alerts(figures(factor=factor), day) for factor in (1.0, 400.0))
    assert calm.alerts.is_empty() and alarmed.alerts.height == 1
    assert drift_panel(alarmed.history, alarmed.judged) != drift_panel(calm.history, calm.judged)
    assert drift_panel(calm.history, calm.judged) == drift_panel(calm.history, calm.judged)
    nothing = drift_panel(pl.DataFrame(), pl.DataFrame(), reason="3 days of history")
    assert nothing != drift_panel(pl.DataFrame(), pl.DataFrame(), reason="4 days of history")
    assert size_of(drift_panel(alarmed.history, alarmed.judged, most=2, dpi=60))[1] < size_of(
        drift_panel(alarmed.history, alarmed.judged, most=6, dpi=60)
    )[1]  # fmt: skip
    with pytest.raises(SchemaError, match="is_today"):
        drift_panel(alarmed.history.drop("is_today"), alarmed.judged)


def results():
    base = {"date": dates(25)[-1], "symbol": "S001.US", "table": "raw_ticks", "rows_failed": 7, "rows_checked": 9}
    rows = [
        {**base, "expectation": "a warning", "blocking": False, "passed": False, "examples": "x"},
        {**base, "expectation": "a failure", "blocking": True, "passed": False, "examples": "y"},
        {**base, "expectation": "passes", "blocking": True, "passed": True, "examples": ""},
        {**base, "date": dates(3)[0], "expectation": "long ago", "blocking": True, "passed": False, "examples": ""},
    ]
    return pl.DataFrame(rows)


def made(factor=400.0, days=25):
    frame = figures(days, factor)
    rejected = pl.DataFrame(
        {
            "date": dates(days)[-2:],
            "symbol": ["S001.US"] * 2,
            "reason": ["crossed_book", "crossed_book"],
            "rows": [4, 6],
        }
    )
    calendar = quality_calendar(results().filter(pl.col("date") <= dates(days)[-1]), frame, rejected)
    return QualityInputs(calendar, results(), rejected, drift_alerts(frame, dates(days)[-1]))


def section(history, **more):
    return quality_section(ReportInputs("study", "Study", dates(25)[-1], **more), history)


def test_the_section_holds_calendar_failures_rejections_and_alarms_with_the_rate():
    found = section(made())
    tables = {table.title: table for table in found.tables}
    assert [figure.title for figure in found.figures] == ["Data quality calendar", "Drift against the history"]
    listed = tables["Failures and warnings of the last dates"].frame
    assert listed["expectation"].to_list() == ["a failure", "a warning"]
    reasons = tables["Rejected rows by reason and date"].frame.to_dicts()[0]
    assert (reasons["reason"], reasons["rows"]) == ("crossed book", 10)
    alarms = tables["Drift alarms"]
    assert alarms.frame["metric"].to_list() == ["volume lots"] and "5.0% of the days" in alarms.note
    last = tables["State of the last dates"].frame
    assert last["date"].to_list() == sorted(dates(25)[-5:], reverse=True) and last["days_failed"].to_list()[0] == 1


def test_short_history_is_said_instead_of_alarms():
    found = section(made(days=10))
    alarms = next(table for table in found.tables if table.title == "Drift alarms")
    assert alarms.frame.is_empty() and "9 days of history" in alarms.note and "needs 19" in alarms.note


def test_without_a_history_the_section_is_as_before_and_no_calendar_is_shown_twice():
    before = section(None, quality=results())
    assert [figure.title for figure in before.figures] == ["Data quality calendar"]
    both = section(made(), quality=results())
    assert [figure.title for figure in both.figures].count("Data quality calendar") == 1


def test_an_empty_history_adds_nothing_that_claims_anything():
    nothing = QualityInputs(quality_calendar())
    assert section(nothing).tables == [] and section(nothing).figures == []


def test_the_page_can_be_set():
    inputs = ReportInputs("study", "Study", dates(25)[-1])
    content = build_report(inputs)
    page = render_html(type(content)(**{**content.__dict__, "sections": [section(made())]}))
    assert "Drift alarms" in page and "data:image/png;base64" in page
