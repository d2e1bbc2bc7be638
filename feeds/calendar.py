"""Trading calendars: session bounds and clock times of a date as ns UTC.

Here: the calendars a study may name (``XNYS``, ``24/7``). Not here: partitions (assets/partitions.py), schedules
(pipelines/schedules.py).
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from feeds.errors import StudyError

if TYPE_CHECKING:
    from exchange_calendars import ExchangeCalendar

ALWAYS_OPEN = "24/7"
_ZONES = {ALWAYS_OPEN: "UTC", "XNYS": "America/New_York"}
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_US = dt.timedelta(microseconds=1)


def timezone(calendar: str) -> ZoneInfo:
    """The time zone clock times of ``calendar`` are stated in.

    Raises:
        StudyError: The calendar is unknown.
    """
    if calendar not in _ZONES:
        raise StudyError("calendar", received=repr(calendar), expected=f"one of {sorted(_ZONES)}")
    return ZoneInfo(_ZONES[calendar])


def is_trading_day(calendar: str, date: str) -> bool:
    """Whether ``calendar`` has a session on the ISO date ``date``."""
    timezone(calendar)
    return calendar == ALWAYS_OPEN or _exchange(calendar, date[:4]).is_session(date)


def session_bounds(calendar: str, date: str, session: str = "regular") -> tuple[int, int] | None:
    """Open and close of a date's session.

    Args:
        calendar: ``"XNYS"`` or ``"24/7"``.
        date: ISO date, in the calendar's time zone.
        session: ``"regular"``: the exchange's opening hours (early closes included); ``"all"``: the whole local
            calendar day of a trading day, extended hours included.

    Returns:
        ``(open, close)`` in ns UTC, or None on a day without a session. ``24/7`` has the whole UTC day.

    Raises:
        StudyError: The calendar or the session is unknown.
    """
    if session not in ("regular", "all"):
        raise StudyError("session", received=repr(session), expected="'regular' or 'all'")
    if not is_trading_day(calendar, date):
        return None
    if calendar == ALWAYS_OPEN or session == "all":
        next_day = (dt.date.fromisoformat(date) + dt.timedelta(days=1)).isoformat()
        return split_ns(calendar, date, dt.time()), split_ns(calendar, next_day, dt.time())
    exchange = _exchange(calendar, date[:4])
    return int(exchange.session_open(date).value), int(exchange.session_close(date).value)


def split_ns(calendar: str, date: str, clock: dt.time) -> int:
    """The moment ``clock`` shows in the calendar's time zone on ``date``, ns UTC."""
    local = dt.datetime.combine(dt.date.fromisoformat(date), clock, tzinfo=timezone(calendar))
    return (local - _EPOCH) // _US * 1000


@lru_cache(maxsize=16)
def _exchange(calendar: str, year: str) -> ExchangeCalendar:
    # One year at a time: the package's default window is the last 20 years, and older data must work too.
    import exchange_calendars

    return exchange_calendars.get_calendar(calendar, start=f"{year}-01-01", end=f"{year}-12-31")
