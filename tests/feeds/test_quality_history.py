"""Figures of a day, and the calendar made of stored results, figures and expectations."""

import polars as pl
import pytest

from feeds.cleaning import FILTER_REASONS, FINISH_REASONS
from feeds.errors import SchemaError
from feeds.quality.history import (
    BY_DESIGN,
    CALENDAR,
    QUALITY_FIGURES,
    day_figures,
    figures_frame,
    quality_calendar,
    raw_counts,
)
from feeds.schema import CLEAN_TICKS, FLAG_GAP, REJECTED_TICKS
from tests.support.raw_events import MS, START_NS, quote, raw_frame, trade

BOUNDS = (START_NS, START_NS + 100_000 * MS)


def clean(*rows):
    """Rows of (seconds, action, price, size, bid, bid size, ask, ask size)."""
    names = ("ts_event", "action", "price", "size", "bid_px", "bid_sz", "ask_px", "ask_sz")
    frame = pl.DataFrame(
        [dict(zip(names, (START_NS + int(row[0] * 1_000) * MS, *row[1:]), strict=True)) for row in rows],
        schema={name: pl.String if name == "action" else pl.Int64 for name in names},
    )
    given = {name: pl.col(name) if name in names else pl.lit(None) for name in CLEAN_TICKS}
    return frame.select(given[name].cast(kind).alias(name) for name, kind in CLEAN_TICKS.items())


def rejected(**reasons):
    rows = [{"reason": reason} for reason, count in reasons.items() for _ in range(count)]
    return pl.DataFrame(rows, schema={"reason": pl.String}).select(
        pl.col("reason") if name == "reason" else pl.lit(None).cast(kind).alias(name)
        for name, kind in REJECTED_TICKS.items()
    )


def test_the_figures_of_a_day_are_those_counted_by_hand():
    frame = clean(
        (0, "Q", 100, 1, 100, 1, 102, 1),
        (10, "T", 102, 7, 100, 1, 102, 1),
        (50, "F", 102, 3, 100, 1, 104, 9),
        (60, "Q", 100, 1, 100, 1, 104, 9),
    )
    raw = raw_frame(trade(1), trade(1, flags=FLAG_GAP), *(quote("B", 1, 1) for _ in range(8)))
    found = day_figures(frame, raw_counts(raw, rejected(outside_session=3, snapshot=1, crossed_book=2)), BOUNDS)
    assert found == {
        "rows_in": 10,
        "rows_clean": 4,
        "rows_rejected": 6,
        "rejected_share": 0.2,
        "volume_lots": 10,
        "trades": 2,
        "spread_median_bps": pytest.approx((2e4 * 2 / 202 + 2e4 * 4 / 204) / 2),
        "quote_updates": 1,
        "longest_gap_s": 40.0,
        "covered_share": 0.6,
        "gaps": 1,
        "session_s": 100.0,
    }
    assert set(found) | {"date", "symbol"} == set(QUALITY_FIGURES)


def test_gaps_are_what_the_rows_or_the_source_report():
    raw = raw_frame(trade(1, flags=FLAG_GAP))
    assert raw_counts(raw, rejected())["gaps"] == 1
    assert raw_counts(raw, rejected(), lost=3)["gaps"] == 3


def test_a_day_without_rows_or_book_has_figures_too():
    nothing = day_figures(clean(), raw_counts(raw_frame(), rejected()), BOUNDS)
    assert (nothing["trades"], nothing["volume_lots"], nothing["covered_share"]) == (0, 0, 0.0)
    assert nothing["spread_median_bps"] is None and nothing["rejected_share"] == 0.0
    tape = day_figures(clean((0, "T", 5, 2, 0, 0, 0, 0)), raw_counts(raw_frame(trade(5)), rejected()), BOUNDS)
    assert tape["spread_median_bps"] is None and tape["volume_lots"] == 2
    assert figures_frame(nothing, "2024-01-02", "A.US").schema == pl.Schema(QUALITY_FIGURES)


def result(date, symbol, expectation, passed, blocking=True, table="raw_ticks"):
    return {
        "date": date, "symbol": symbol, "table": table, "expectation": expectation, "blocking": blocking,
        "passed": passed,
    }  # fmt: skip


def states(calendar):
    return {(row["date"], row["symbol"]): row["state"] for row in calendar.to_dicts()}


RESULTS = pl.DataFrame(
    [
        result("2024-01-02", "A.US", "fine", True),
        result("2024-01-02", "B.US", "odd", False, blocking=False),
        result("2024-01-02", "B.US", "broken", False),
        result("2024-01-02", "C.US", "odd", False, blocking=False, table="bars"),
        result("2024-01-03", "A.US", "fine", True),
        result("2024-01-02", "*", "fine", True, table="headlines"),
    ]
)


def test_each_instrument_day_has_the_state_of_its_worst_check():
    expected = pl.DataFrame({"date": ["2024-01-03"] * 2, "symbol": ["A.US", "B.US"]})
    calendar = quality_calendar(RESULTS, expected=expected)
    assert states(calendar) == {
        ("2024-01-02", "*"): "ok",
        ("2024-01-02", "A.US"): "ok",
        ("2024-01-02", "B.US"): "failed",
        ("2024-01-02", "C.US"): "warning",
        ("2024-01-03", "A.US"): "ok",
        ("2024-01-03", "B.US"): "missing",
    }
    rows = {(row["date"], row["symbol"]): row for row in calendar.to_dicts()}
    assert (rows["2024-01-02", "B.US"]["worst"], rows["2024-01-02", "B.US"]["failures"]) == ("broken", 1)
    assert rows["2024-01-02", "C.US"]["worst_table"] == "bars"
    assert calendar.schema == pl.Schema(CALENDAR)


def test_rows_rejections_and_gaps_stand_beside_the_state():
    figures = figures_frame(
        day_figures(clean(), {"rows_in": 100, "rejected": {"crossed_book": 4}, "gaps": 2}, BOUNDS), "2024-01-02", "A.US"
    )
    reasons = pl.DataFrame(
        {"date": ["2024-01-02"] * 3, "symbol": ["A.US"] * 3, "reason": ["x", "y", "x"], "rows": [1, 9, 2]}
    )
    row = quality_calendar(RESULTS, figures, reasons).filter(date="2024-01-02", symbol="A.US").to_dicts()[0]
    assert (row["rows_in"], row["rows_rejected"], row["rejected_share"], row["gaps"]) == (100, 4, 0.04, 2)
    assert row["rejected_by_reason"] == "y 9, x 3"


def test_an_instrument_day_with_figures_alone_is_there():
    figures = figures_frame(day_figures(clean(), raw_counts(raw_frame(), rejected()), BOUNDS), "2024-01-05", "A.US")
    assert states(quality_calendar(figures=figures)) == {("2024-01-05", "A.US"): "ok"}


def test_nothing_gives_an_empty_calendar_and_a_wrong_frame_an_error():
    assert quality_calendar().is_empty() and quality_calendar().schema == pl.Schema(CALENDAR)
    with pytest.raises(SchemaError, match="expectation"):
        quality_calendar(RESULTS.drop("expectation"))


def test_rejections_by_design_are_known_reasons():
    assert set(FILTER_REASONS) | set(FINISH_REASONS) >= BY_DESIGN
