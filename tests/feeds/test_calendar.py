"""Session bounds of the two calendars."""

import datetime as dt

import pytest

from feeds.calendar import is_trading_day, session_bounds, split_ns, timezone
from feeds.errors import StudyError

HOUR = 3_600_000_000_000


def utc_ns(text):
    return int(dt.datetime.fromisoformat(text + "+00:00").timestamp()) * 1_000_000_000


def test_the_regular_new_york_session_follows_daylight_saving():
    assert session_bounds("XNYS", "2013-10-07") == (utc_ns("2013-10-07T13:30"), utc_ns("2013-10-07T20:00"))
    assert session_bounds("XNYS", "2013-11-04") == (utc_ns("2013-11-04T14:30"), utc_ns("2013-11-04T21:00"))


def test_an_early_close_is_known():
    assert session_bounds("XNYS", "2013-11-29")[1] == utc_ns("2013-11-29T18:00")


@pytest.mark.parametrize("date", ["2013-10-05", "2012-10-29", "2013-12-25"])
def test_weekends_holidays_and_closures_have_no_session(date):
    assert session_bounds("XNYS", date) is None
    assert not is_trading_day("XNYS", date)


def test_a_market_that_never_closes_has_the_whole_utc_day_and_weekends():
    start = utc_ns("2026-05-02T00:00")
    assert session_bounds("24/7", "2026-05-02", "all") == (start, start + 24 * HOUR)
    assert session_bounds("24/7", "2026-05-02", "regular") == (start, start + 24 * HOUR)
    assert is_trading_day("24/7", "2026-05-03")


def test_all_hours_are_the_local_day_also_where_it_has_25_hours():
    assert session_bounds("XNYS", "2013-10-07", "all") == (utc_ns("2013-10-07T04:00"), utc_ns("2013-10-08T04:00"))
    start, end = session_bounds("24/7", "2013-11-03", "all")
    assert end - start == 24 * HOUR


def test_clock_times_are_local_to_the_calendar():
    assert split_ns("XNYS", "2012-06-21", dt.time(13)) == utc_ns("2012-06-21T17:00")
    assert split_ns("24/7", "2026-05-02", dt.time(2, 56)) == utc_ns("2026-05-02T02:56")
    assert split_ns("24/7", "2026-05-02", dt.time(2, 56, 0, 1)) == utc_ns("2026-05-02T02:56") + 1000


@pytest.mark.parametrize("call", [timezone, lambda name: session_bounds(name, "2013-10-07")])
def test_an_unknown_calendar_is_named(call):
    with pytest.raises(StudyError, match="'XLON'"):
        call("XLON")


def test_an_unknown_session_is_named():
    with pytest.raises(StudyError, match="'night'"):
        session_bounds("XNYS", "2013-10-07", "night")
