"""Cells of csv text as integers, without a float in between.

Every reader takes the text and a place and returns ``(value, place behind the cell)``, the place -1 where the cell is
not plainly of its kind. None looks past a line end, so a text that ends in one is never overrun. Plain means the common
spelling; whoever calls has a slower way for the others (a plus sign, blanks, 20 digits).

Here: single cells. Not here: lines (csv_numbers.py, lobster_rows.py).
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numba import njit

#: A Python integer outside compiled code, one of 64 bits inside.
Int: TypeAlias = int | np.int64

#: Called from kernels alone: inlined, without a Python wrapper and without counting references.
INNER: dict[str, Any] = {
    "cache": True,
    "nogil": True,
    "_nrt": False,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "forceinline": True,
}
NEWLINE, RETURN, MINUS, DOT, ZERO = 10, 13, 45, 46, 48
#: Digits that fit 64 bits without a sign whatever they are.
MAX_DIGITS = 19
_MAX_INT64 = np.uint64(2**63 - 1)
_TEN = np.uint64(10)
_SECOND_DECIMALS = 18
_MAX_HEX_DIGITS = 15
_MAX_CODE_BYTES = 8
_MAX_TEXT_BYTES = 255
#: Values of an amount that is not there, and of one with more decimals than are kept.
EMPTY, FINER = np.int64(-(2**63)), np.int64(-(2**63) + 1)
_SECOND_DIGITS = 5
_TENTHS_DIGITS = 10
_TENTHS_PER_SECOND = 10**_TENTHS_DIGITS


@njit(**INNER)
def whole_number(text: np.ndarray, at: int) -> tuple[Int, int]:
    """An optional minus and 1 to 19 digits, leading zeros allowed, of magnitude below 2^63."""
    negative = text[at] == MINUS
    if negative:
        at += 1
    first, value = at, np.uint64(0)
    while True:
        digit = np.uint8(text[at] - ZERO)
        if digit > 9:
            break
        value = value * _TEN + np.uint64(digit)
        at += 1
    if at == first or at - first > MAX_DIGITS or value > _MAX_INT64:
        return 0, -1
    return (-np.int64(value) if negative else np.int64(value)), at


@njit(**INNER)
def decimal_number(text: np.ndarray, at: int, places: int) -> tuple[Int, int]:
    """A whole number, or one with a point and decimals, times ``10**places``; `FINER` if a further one is no zero."""
    negative = text[at] == MINUS
    if negative:
        at += 1
    first, value = at, np.uint64(0)
    while True:
        digit = np.uint8(text[at] - ZERO)
        if digit > 9:
            break
        value = value * _TEN + np.uint64(digit)
        at += 1
    if at == first or at - first + places > MAX_DIGITS:
        return 0, -1
    left, finer = places, False
    if text[at] == DOT:
        at += 1
        first = at
        while True:
            digit = np.uint8(text[at] - ZERO)
            if digit > 9:
                break
            if left > 0:
                value = value * _TEN + np.uint64(digit)
                left -= 1
            elif digit != 0:
                finer = True
            at += 1
        if at == first:
            return 0, -1
    while left > 0:
        value *= _TEN
        left -= 1
    if value > _MAX_INT64:
        return 0, -1
    if finer:
        return FINER, at
    return (-np.int64(value) if negative else np.int64(value)), at


@njit(**INNER)
def text_span(text: np.ndarray, at: int, delimiter: int, base: int) -> tuple[Int, int]:
    """Any text of at most 255 bytes, as ``(base + its place) * 256 + its length``.

    One that begins or ends with a blank or a byte beyond ASCII is not plain: it may have to be trimmed.
    """
    first = at
    while text[at] != delimiter and text[at] != NEWLINE and text[at] != RETURN:
        at += 1
    length = at - first
    if length > _MAX_TEXT_BYTES:
        return 0, -1
    if length > 0 and (text[first] <= 32 or text[first] > 126 or text[at - 1] <= 32 or text[at - 1] > 126):
        return 0, -1
    return np.int64((base + first) * 256 + length), at


@njit(**INNER)
def hex_number(text: np.ndarray, at: int) -> tuple[Int, int]:
    """1 to 15 hexadecimal digits of either case."""
    first = at
    value: Int = 0
    while True:
        letter = text[at]
        digit = np.uint8(letter - ZERO)
        if digit > 9:
            # Bit 5 makes an upper-case letter a lower-case one.
            digit = np.uint8((letter | 32) - 97)
            if digit > 5:
                break
            digit = np.uint8(digit + 10)
        value = value * 16 + np.int64(digit)
        at += 1
    if at == first or at - first > _MAX_HEX_DIGITS:
        return 0, -1
    return value, at


@njit(**INNER)
def short_code(text: np.ndarray, at: int, delimiter: int) -> tuple[Int, int]:
    """1 to 8 visible ASCII characters, the first in the lowest byte; see `code_texts`."""
    first = at
    word: Int = 0
    while True:
        letter = text[at]
        if letter == delimiter or letter <= 32:
            break
        if letter > 126 or at - first == _MAX_CODE_BYTES:
            return 0, -1
        word |= np.int64(letter) << (8 * (at - first))
        at += 1
    if at == first:
        return 0, -1
    return word, at


@njit(**INNER)
def seconds_as_ns(text: np.ndarray, at: int) -> tuple[Int, int]:
    """Seconds of a day, up to 5 digits and 18 decimals, in ns, rounded half up by the 10th decimal; the rest is cut."""
    first = at
    whole: Int = 0
    while True:
        digit = np.uint8(text[at] - ZERO)
        if digit > 9:
            break
        whole = whole * 10 + np.int64(digit)
        at += 1
    if at == first or at - first > _SECOND_DIGITS:
        return 0, -1
    tenths: Int = 0
    left = _TENTHS_DIGITS
    if text[at] == DOT:
        at += 1
        first = at
        while True:
            digit = np.uint8(text[at] - ZERO)
            if digit > 9:
                break
            if left > 0:
                tenths = tenths * 10 + np.int64(digit)
                left -= 1
            at += 1
        if at == first or at - first > _SECOND_DECIMALS:
            return 0, -1
    while left > 0:
        tenths *= 10
        left -= 1
    return (whole * _TENTHS_PER_SECOND + tenths + 5) // 10, at
