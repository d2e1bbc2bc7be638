"""Lines of delimited cells into columns of integers, every byte checked.

The kernels hold no Python lock: several threads may each take a run of whole lines of one text.

Here: lines of fixed columns. Not here: single cells (csv_cells.py), cutting a text into runs (feeds/adapters/
csv_blocks.py), what a column means (one module per format).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from feeds.kernels.csv_cells import (
    EMPTY,
    FINER,
    INNER,
    NEWLINE,
    RETURN,
    decimal_number,
    hex_number,
    seconds_as_ns,
    short_code,
    text_span,
    whole_number,
)
from feeds.kernels.csv_times import clock_as_ns, date_as_day, iso_as_ns

#: Kinds of columns. SKIP: any bytes, not kept.
WHOLE, DECIMAL, HEX, CODE, SECONDS, SKIP, DATE, CLOCK, ISO_LOCAL, ISO_ZONED, AMOUNT, TEXT = range(12)


@njit(cache=True, nogil=True)
def count_lines(text: np.ndarray) -> int:
    """Line ends in ``text``, (n,) uint8."""
    lines = 0
    for place in range(text.size):
        lines += text[place] == NEWLINE
    return lines


@njit(cache=True, nogil=True)
def parse_lines(
    text: np.ndarray, delimiter: int, kinds: np.ndarray, places: np.ndarray, out: np.ndarray, first: int, base: int
) -> int:
    """Parse whole lines.

    Args:
        text: (n,) uint8, ends in a line end; a carriage return before it is taken where the last column is a number.
        delimiter: Byte between cells; not a character of a number.
        kinds: (columns,) int64: the kinds above.
        places: (columns,) int64: decimals kept of a DECIMAL or an AMOUNT.
        out: (columns, rows) int64; row ``first + k`` is written for line k.
        first: See ``out``.
        base: Where ``text`` begins in the text that a TEXT is a place of.

    Returns:
        Lines parsed, or ``-1 - k`` where line k is the first that is not plainly as ``kinds`` say.
    """
    at, row, columns = 0, 0, kinds.size
    while at < text.size:
        for column in range(columns):
            kind = kinds[column]
            if kind == WHOLE:
                value, at = whole_number(text, at)
            elif kind == DECIMAL:
                value, at = decimal_number(text, at, places[column])
                if value == FINER:
                    return -1 - row
            elif kind == AMOUNT:
                if text[at] == delimiter or text[at] == NEWLINE or text[at] == RETURN:
                    value = EMPTY
                else:
                    value, at = decimal_number(text, at, places[column])
            elif kind == TEXT:
                value, at = text_span(text, at, delimiter, base)
            elif kind == HEX:
                value, at = hex_number(text, at)
            elif kind == CODE:
                value, at = short_code(text, at, delimiter)
            elif kind == SECONDS:
                value, at = seconds_as_ns(text, at)
            elif kind == DATE:
                value, at = date_as_day(text, at)
            elif kind == CLOCK:
                value, at = clock_as_ns(text, at)
            elif kind in (ISO_LOCAL, ISO_ZONED):
                value, at = iso_as_ns(text, at, kind == ISO_ZONED)
            else:
                value = 0
                while text[at] != delimiter and text[at] != NEWLINE:
                    at += 1
            if at < 0:
                return -1 - row
            if column == columns - 1:
                if text[at] == RETURN and kind != CODE:
                    at += 1
                if text[at] != NEWLINE:
                    return -1 - row
            elif text[at] != delimiter:
                return -1 - row
            at += 1
            out[column, first + row] = value
        row += 1
    return row


@njit(cache=True, nogil=True)
def code_views(words: np.ndarray, views: np.ndarray) -> None:
    """Short texts (of CODE columns) in Arrow's layout of string views.

    Source: "Arrow Columnar Format", section "Variable-size Binary View Layout": 4 bytes of length, 12 bytes of text.

    Args:
        words: (n,) int64: up to 8 ASCII bytes, the first in the lowest byte, zeros behind the text.
        views: (n, 2) uint64, overwritten.
    """
    for row in range(words.size):
        word = np.uint64(words[row])
        length, rest = np.uint64(0), word
        while rest != 0:
            length += np.uint64(1)
            rest >>= np.uint64(8)
        views[row, 0] = length | (word << np.uint64(32))
        views[row, 1] = word >> np.uint64(32)


@njit(cache=True, nogil=True)
def wrong_width(text: np.ndarray, delimiter: int, columns: int, quote: int) -> int:
    """The first line that has not ``columns`` cells, or ends inside a quoted one; -1 where there is none.

    Args:
        text: (n,) uint8, ends in a line end.
        delimiter: Byte between cells.
        columns: See above.
        quote: Byte around cells in which ``delimiter`` is an ordinary character.
    """
    line, cells, quoted = 0, 1, False
    for place in range(text.size):
        letter = text[place]
        if letter == NEWLINE:
            if cells != columns or quoted:
                return line
            line, cells = line + 1, 1
        elif letter == quote:
            quoted = not quoted
        elif letter == delimiter and not quoted:
            cells += 1
    return -1


@njit(cache=True, nogil=True)
def number_texts(
    text: np.ndarray, spans: np.ndarray, slots: np.ndarray, different: np.ndarray, places: np.ndarray
) -> int:
    """Number different texts in the order in which they appear.

    Args:
        text: (n,) uint8.
        spans: (rows,) int64, of a TEXT column.
        slots: (2^k,) int64, all -1; more than ``different`` holds.
        different: (m,) int64, written: the first span of each number.
        places: (rows,) int64, written: the number of each row.

    Returns:
        How many there are; -1 where they are more than ``different`` holds.
    """
    mask, count = slots.size - 1, 0
    for row in range(spans.size):
        start, length = spans[row] >> 8, spans[row] & 255
        # FNV-1a.
        key = np.uint64(0xCBF29CE484222325)
        for k in range(length):
            key = (key ^ np.uint64(text[start + k])) * np.uint64(0x100000001B3)
        slot = np.int64(key >> np.uint64(33)) & mask
        while slots[slot] >= 0 and not _same(text, different[slots[slot]], start, length):
            slot = (slot + 1) & mask
        if slots[slot] < 0:
            if count == different.size:
                return -1
            slots[slot] = count
            different[count] = spans[row]
            count += 1
        places[row] = slots[slot]
    return count


@njit(**INNER)
def _same(text: np.ndarray, span: int, start: int, length: int) -> bool:
    if span & 255 != length:
        return False
    other, equal = span >> 8, 0
    while equal < length and text[other + equal] == text[start + equal]:
        equal += 1
    return equal == length
