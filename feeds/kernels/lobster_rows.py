"""LOBSTER's messages and book rows as columns of canonical events.

Here: the arithmetic of a row. Not here: cells (csv_cells.py), units and names (feeds/adapters/lobster.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from feeds.kernels.csv_cells import NEWLINE, RETURN, whole_number

#: Rows of the array of messages.
TIME, TYPE, ORDER, SIZE, PRICE, DIRECTION = range(6)
#: Rows of the array of numbers, then of the array of codes, that events are written to.
TS, EVENT_PRICE, EVENT_SIZE, CONDITION = range(4)
ACTION, SIDE, REASON = range(3)
#: Columns of a level, and rows of the array of books.
ASK_PX, ASK_SZ, BID_PX, BID_SZ = range(4)
BEST_BID_PX, BEST_BID_SZ, BEST_ASK_PX, BEST_ASK_SZ, BID_DEPTH, ASK_DEPTH = range(6)
_COMMA = 44
_HIDDEN, _CROSS, _HALT = 5, 6, 7
_MAX_LEVELS = 10
#: LOBSTER's price of an empty level; negative for bids.
_NO_PRICE = 9_999_999_999


@njit(cache=True, nogil=True)
def message_events(
    messages: np.ndarray,
    first: int,
    last: int,
    actions: np.ndarray,
    sides: np.ndarray,
    units: np.ndarray,
    numbers: np.ndarray,
    codes: np.ndarray,
) -> int:
    """Turn messages ``first`` to ``last`` (not included) into events.

    Args:
        messages: (6, n) int64: ns since midnight, then the columns of a message.
        first: See above.
        last: See above.
        actions: (8,) uint8: action of a message type; entry 0: of a type nobody knows, which is rejected.
        sides: (3,) uint8: buyer, seller, nobody.
        units: (3,) int64: ns UTC of the day's midnight, ticks and lots of one unit of the source.
        numbers: (4, n) int64, written: ``TS`` to ``CONDITION``.
        codes: (3, n) uint8, written: ``ACTION``, ``SIDE`` and ``REASON`` (1: unknown message type).

    Returns:
        The first message whose direction is neither 1 nor -1, else -1.
    """
    midnight, ticks, lots = units
    for row in range(first, last):
        kind, direction = messages[TYPE, row], messages[DIRECTION, row]
        if direction != 1 and direction != -1:
            return row
        known = 1 <= kind <= _HALT
        halt = kind == _HALT
        numbers[TS, row] = midnight + messages[TIME, row]
        numbers[EVENT_PRICE, row] = 0 if halt else messages[PRICE, row] * ticks
        numbers[EVENT_SIZE, row] = messages[SIZE, row] * lots
        numbers[CONDITION, row] = messages[PRICE, row] if halt else 0
        codes[ACTION, row] = actions[kind if known else 0]
        # Of the resting order; of a hidden execution the aggressor's, which is the other one.
        buyer = (direction == 1) != (kind == _HIDDEN)
        codes[SIDE, row] = sides[2] if kind == _CROSS or halt else (sides[0] if buyer else sides[1])
        codes[REASON, row] = 0 if known else 1
    return -1


@njit(cache=True, nogil=True)
def parse_books(text: np.ndarray, levels: int, ticks: int, lots: int, books: np.ndarray, first: int) -> int:
    """Parse book rows.

    Args:
        text: (n,) uint8: whole lines of ``levels`` times ask price, ask size, bid price, bid size.
        levels: See ``text``.
        ticks: Ticks of one unit of the source.
        lots: Lots of one unit of the source.
        books: (6, rows) int64; row ``first + k`` is written for line k: ``BEST_BID_PX`` to ``ASK_DEPTH``. An empty
            side is 0 x 0, depth sums the shown sizes of at most 10 levels.
        first: See ``books``.

    Returns:
        Lines parsed, or ``-1 - k`` where line k is the first that is not plainly of whole numbers.
    """
    at, row = 0, first
    while at < text.size:
        for level in range(levels):
            ask_px, at = whole_number(text, at)
            if at < 0 or text[at] != _COMMA:
                return first - row - 1
            ask_sz, at = whole_number(text, at + 1)
            if at < 0 or text[at] != _COMMA:
                return first - row - 1
            bid_px, at = whole_number(text, at + 1)
            if at < 0 or text[at] != _COMMA:
                return first - row - 1
            bid_sz, at = whole_number(text, at + 1)
            if at < 0:
                return first - row - 1
            if level == levels - 1 and text[at] == RETURN:
                at += 1
            if text[at] != (NEWLINE if level == levels - 1 else _COMMA):
                return first - row - 1
            at += 1
            if level == 0:
                no_bid, no_ask = abs(bid_px) >= _NO_PRICE or bid_sz == 0, abs(ask_px) >= _NO_PRICE or ask_sz == 0
                books[BEST_BID_PX, row] = 0 if no_bid else bid_px * ticks
                books[BEST_BID_SZ, row] = 0 if no_bid else bid_sz * lots
                books[BEST_ASK_PX, row] = 0 if no_ask else ask_px * ticks
                books[BEST_ASK_SZ, row] = 0 if no_ask else ask_sz * lots
                bid_depth, ask_depth = bid_sz, ask_sz
            elif level < _MAX_LEVELS:
                bid_depth += bid_sz
                ask_depth += ask_sz
        books[BID_DEPTH, row] = bid_depth * lots
        books[ASK_DEPTH, row] = ask_depth * lots
        row += 1
    return row - first
