"""Tokens of compact JSON as the exchange writes it.

Every reader takes the text and a place and returns what stands there and the place behind it, -1 where there is
something else. None looks past a line end.

Here: single tokens. Not here: messages (binance_json.py), plain numbers (csv_cells.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from feeds.kernels.csv_cells import FINER, Int, decimal_number
from feeds.kernels.options import INNER

QUOTE, COMMA, COLON, OPEN, CLOSE, LIST, END = 34, 44, 58, 123, 125, 91, 93
SPACE, ZERO, AT, BACKSLASH, TILDE = 32, 48, 64, 92, 126
_RECEIVE_DIGITS = 19


def packed(text: str) -> int:
    """At most 8 ASCII characters as one number, the first in the lowest byte; longer texts lose the rest."""
    return int.from_bytes(text.encode()[:8], "little")


KEY_STREAM, KEY_DATA = packed("stream"), packed("data")


@njit(**INNER)
def short_text(text: np.ndarray, at: int) -> tuple[Int, int, int]:
    """A string behind its opening quote: its first 8 bytes packed, its length, the place behind its closing quote."""
    first = at
    word: Int = 0
    while True:
        letter = text[at]
        if letter == QUOTE:
            return word, at - first, at + 1
        if letter < SPACE or letter > TILDE or letter == BACKSLASH:
            return 0, 0, -1
        if at - first < 8:
            word |= np.int64(letter) << (8 * (at - first))
        at += 1


@njit(**INNER)
def quoted_decimal(text: np.ndarray, at: int, places: int) -> tuple[Int, int]:
    """``"12.340"``; the place behind the closing quote, -1 where it is none."""
    if text[at] != QUOTE:
        return 0, -1
    value, at = decimal_number(text, at + 1, places)
    if at < 0 or value == FINER or text[at] != QUOTE:
        return 0, -1
    return value, at + 1


@njit(**INNER)
def time_ns(value: int) -> int:
    """Milliseconds or microseconds as ns, told apart by their size; -1 where it is neither between 2001 and 2286."""
    if 10**12 <= value < 10**13:
        return value * 1_000_000
    if 10**15 <= value < 10**16:
        return value * 1_000
    return -1


@njit(**INNER)
def level_list(
    text: np.ndarray,
    at: int,
    places: np.ndarray,
    side: int,
    sides: np.ndarray,
    prices: np.ndarray,
    sizes: np.ndarray,
    count: int,
) -> tuple[int, int]:
    """``[["1.0","2"],...]`` behind its opening bracket: the place behind it, -1 where it is none, and the new count."""
    if text[at] == END:
        return at + 1, count
    while True:
        if text[at] != LIST:
            return -1, count
        price, at = quoted_decimal(text, at + 1, places[0])
        if at < 0 or text[at] != COMMA:
            return -1, count
        size, at = quoted_decimal(text, at + 1, places[1])
        if at < 0 or text[at] != END:
            return -1, count
        sides[count], prices[count], sizes[count] = side, price, size
        count += 1
        at += 1
        if text[at] == END:
            return at + 1, count
        if text[at] != COMMA:
            return -1, count
        at += 1


@njit(**INNER)
def literal(text: np.ndarray, at: int) -> tuple[int, int]:
    """``true`` (1) or ``false`` (0)."""
    if text[at] == 116 and text[at + 1] == 114 and text[at + 2] == 117 and text[at + 3] == 101:
        return 1, at + 4
    if text[at] == 102 and text[at + 1] == 97 and text[at + 2] == 108 and text[at + 3] == 115 and text[at + 4] == 101:
        return 0, at + 5
    return 0, -1


@njit(**INNER)
def is_text(text: np.ndarray, at: int, wanted: np.ndarray, length: int) -> bool:
    """Whether the ``length`` bytes from ``at`` are ``wanted``."""
    if length != wanted.size:
        return False
    for k in range(length):  # noqa: SIM110 - numba compiles no generators
        if text[at + k] != wanted[k]:
            return False
    return True


@njit(**INNER)
def receive_stamp(text: np.ndarray, at: int) -> tuple[Int, int]:
    """19 digits and a blank: the stamp and the place behind the blank, -1 where there is something else."""
    value: Int = 0
    if text[at] < ZERO + 1 or text[at] > ZERO + 8:
        return 0, -1
    for _ in range(_RECEIVE_DIGITS):
        digit = np.int64(text[at]) - ZERO
        if digit < 0 or digit > 9:
            return 0, -1
        value = value * 10 + digit
        at += 1
    return value, at + 1 if text[at] == SPACE else -1


@njit(**INNER)
def is_partial_book(text: np.ndarray, at: int, length: int) -> bool:
    """Whether a stream is one of whole books of few levels, ``...@depth20``: its messages look like diffs."""
    for k in range(length - 6):
        # An @, a d, an h four further on, a digit.
        if text[at + k] == AT and text[at + k + 1] == 100 and text[at + k + 5] == 104:
            digit = np.int64(text[at + k + 6]) - ZERO
            if 0 <= digit <= 9:
                return True
    return False


@njit(**INNER)
def enter_message(text: np.ndarray, at: int) -> tuple[int, bool]:
    """Behind the brace that opens the message, and whether it is wrapped: ``{"stream":"...","data":{``."""
    if text[at] != OPEN:
        return -1, False
    plain = at + 1
    if text[plain] != QUOTE:
        return -1, False
    key, length, at = short_text(text, plain + 1)
    if at < 0 or key != KEY_STREAM or length != 6:
        return plain, False
    if text[at] != COLON or text[at + 1] != QUOTE:
        return -1, False
    name = at + 2
    _, length, at = short_text(text, name)
    if at < 0 or is_partial_book(text, name, length) or text[at] != COMMA or text[at + 1] != QUOTE:
        return -1, False
    key, length, at = short_text(text, at + 2)
    if at < 0 or key != KEY_DATA or length != 4 or text[at] != COLON or text[at + 1] != OPEN:
        return -1, False
    return at + 2, True
