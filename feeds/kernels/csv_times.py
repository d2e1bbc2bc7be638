r"""Dates and clock times in csv text as whole numbers; the readers work as those of csv_cells.py.

A date is ``YYYY-MM-DD`` (``/`` or ``.`` for ``-``) or ``YYYYMMDD``, a clock time ``HH:MM``, ``HH:MM:SS`` or that with
1 to 9 decimals. An ISO time is both with ``T`` or a blank between; a zone is ``Z``, ``+HH:MM``, ``+HHMM`` or ``+HH``.

Here: times of one cell. Not here: time zones by name (feeds/adapters/mapped_times.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from feeds.kernels.csv_cells import DOT, INNER, MINUS, ZERO, Int

_COLON, _SLASH, _PLUS, _BLANK, _BIG_T, _BIG_Z = 58, 47, 43, 32, 84, 90
_NS_PER_S = 1_000_000_000
_NS_PER_MINUTE = 60 * _NS_PER_S
_NS_PER_DAY = 86_400 * _NS_PER_S
_DECIMALS = 9
#: Years whose nanoseconds fit 64 bits.
_FIRST_YEAR, _LAST_YEAR = 1678, 2261


@njit(**INNER)
def _digits(text: np.ndarray, at: int, count: int) -> tuple[Int, int]:
    """Exactly ``count`` digits."""
    value: Int = 0
    for _ in range(count):
        digit = np.uint8(text[at] - ZERO)
        if digit > 9:
            return 0, -1
        value = value * 10 + np.int64(digit)
        at += 1
    return value, at


@njit(**INNER)
def _days(year: Int, month: Int, day: Int) -> Int:
    """Days since 1970-01-01 of a date of the Gregorian calendar, by counting years from March on."""
    shifted = year - 1 if month <= 2 else year
    months = month + 9 if month <= 2 else month - 3
    return 365 * shifted + shifted // 4 - shifted // 100 + shifted // 400 + (153 * months + 2) // 5 + day - 719_469


@njit(**INNER)
def date_as_day(text: np.ndarray, at: int) -> tuple[Int, int]:
    """A date as days since 1970-01-01."""
    year, at = _digits(text, at, 4)
    if at < 0:
        return 0, -1
    between = text[at]
    split = between in (MINUS, _SLASH, DOT)
    month, at = _digits(text, at + 1 if split else at, 2)
    if at < 0 or (split and text[at] != between):
        return 0, -1
    day, at = _digits(text, at + 1 if split else at, 2)
    if at < 0 or year < _FIRST_YEAR or year > _LAST_YEAR or month < 1 or month > 12 or day < 1:
        return 0, -1
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    longest = 30 if month == 4 or month == 6 or month == 9 or month == 11 else 31
    if day > ((29 if leap else 28) if month == 2 else longest):
        return 0, -1
    return _days(year, month, day), at


@njit(**INNER)
def clock_as_ns(text: np.ndarray, at: int) -> tuple[Int, int]:
    """A clock time as ns since midnight."""
    hour, at = _digits(text, at, 2)
    if at < 0 or text[at] != _COLON:
        return 0, -1
    minute, at = _digits(text, at + 1, 2)
    if at < 0 or hour > 23 or minute > 59:
        return 0, -1
    second: Int = 0
    nanos: Int = 0
    if text[at] == _COLON:
        second, at = _digits(text, at + 1, 2)
        if at < 0 or second > 59:
            return 0, -1
        if text[at] == DOT:
            at += 1
            first = at
            while at - first < _DECIMALS:
                digit = np.uint8(text[at] - ZERO)
                if digit > 9:
                    break
                nanos = nanos * 10 + np.int64(digit)
                at += 1
            if at == first:
                return 0, -1
            for _ in range(_DECIMALS - (at - first)):
                nanos *= 10
    return (hour * 60 + minute) * _NS_PER_MINUTE + second * _NS_PER_S + nanos, at


@njit(**INNER)
def iso_as_ns(text: np.ndarray, at: int, zoned: bool) -> tuple[Int, int]:
    """An ISO time as ns since 1970-01-01: UTC where it is ``zoned``, else of the clock it was read from.

    A zone must stand there if and only if ``zoned``.
    """
    day, at = date_as_day(text, at)
    if at < 0 or (text[at] != _BIG_T and text[at] != _BLANK):
        return 0, -1
    clock, at = clock_as_ns(text, at + 1)
    if at < 0:
        return 0, -1
    stamp = day * _NS_PER_DAY + clock
    if not zoned:
        return stamp, at
    sign = text[at]
    if sign == _BIG_Z:
        return stamp, at + 1
    if sign != _PLUS and sign != MINUS:
        return 0, -1
    hours, at = _digits(text, at + 1, 2)
    minutes: Int = 0
    if at >= 0 and (text[at] == _COLON or np.uint8(text[at] - ZERO) <= 9):
        minutes, at = _digits(text, at + 1 if text[at] == _COLON else at, 2)
    if at < 0 or hours > 23 or minutes > 59:
        return 0, -1
    offset = (hours * 60 + minutes) * _NS_PER_MINUTE
    return (stamp - offset if sign == _PLUS else stamp + offset), at
