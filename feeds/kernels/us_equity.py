"""Trades and quotes of two files as one tape of events, in order of running-maximum time, quotes first at a tie.

A quote line becomes one event for each side it states, one with neither an event with a reason. The running maximum
keeps each file's own order where its stamps run backwards.

Here: the linear merge, in parts that threads may share. Not here: bytes (csv_numbers.py), units and names
(feeds/adapters/us_equity_tick.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit

#: Rows of the arrays of lines.
TRADE_MS, TRADE_PRICE, TRADE_SIZE, TRADE_EXCHANGE, TRADE_CONDITION, TRADE_DOUBT = range(6)
QUOTE_MS, BID, BID_SIZE, ASK, ASK_SIZE, QUOTE_EXCHANGE, QUOTE_CONDITION, QUOTE_DOUBT = range(8)
#: Rows of the array of numbers, then of the array of codes, that events are written to.
TS, PRICE, SIZE, EXCHANGE, CONDITION = range(5)
ACTION, SIDE, FLAGS, REASON = range(4)
PLACED, EMPTY_QUOTE, OUTSIDE_DAY = range(3)
_NS_PER_MS, _MS_PER_DAY = 1_000_000, 86_400_000


@njit(cache=True, nogil=True)
def survey_quotes(quotes: np.ndarray, first: int, last: int) -> tuple[int, np.int64]:
    """Events that lines ``first`` to ``last`` (not included) become, and their latest ms."""
    events, latest = 0, np.int64(-(2**63))
    for line in range(first, last):
        has_bid = (quotes[BID, line] | quotes[BID_SIZE, line]) != 0
        has_ask = (quotes[ASK, line] | quotes[ASK_SIZE, line]) != 0
        events += 2 if has_bid and has_ask else 1
        latest = max(latest, quotes[QUOTE_MS, line])
    return events, latest


@njit(cache=True, nogil=True)
def merge(
    quotes: np.ndarray,
    trades: np.ndarray,
    span: np.ndarray,
    codes: np.ndarray,
    units: np.ndarray,
    numbers: np.ndarray,
    kinds: np.ndarray,
) -> int:
    """Merge a run of quote lines with the run of trade lines that belongs there.

    Args:
        quotes: (8, lines) int64.
        trades: (6, lines) int64.
        span: (7,) int64: first and last quote line, first and last trade line (the last not included), the running
            maxima of both before them, the first event to write.
        codes: (6,) int64: action Q and T, side B, A and N, the flag of a doubtful line.
        units: (3,) int64: ns UTC of the day's midnight, ticks and lots of one unit of the source.
        numbers: (5, events) int64, written: ``TS`` to ``CONDITION``. TS is 0 outside the day.
        kinds: (4, events) uint8, written: ``ACTION`` to ``REASON``.

    Returns:
        Events that could not be placed.
    """
    quote, last_quote, trade, last_trade, quote_time, trade_time, row = span
    quote_action, trade_action, bid_side, ask_side, no_side, doubtful = codes
    midnight, ticks, lots = units
    rejected = 0
    if trade < last_trade:
        trade_time = max(trade_time, trades[TRADE_MS, trade])
    while quote < last_quote or trade < last_trade:
        if quote < last_quote:
            quote_time = max(quote_time, quotes[QUOTE_MS, quote])
        if quote < last_quote and (trade >= last_trade or quote_time <= trade_time):
            has_bid = (quotes[BID, quote] | quotes[BID_SIZE, quote]) != 0
            has_ask = (quotes[ASK, quote] | quotes[ASK_SIZE, quote]) != 0
            ms = quotes[QUOTE_MS, quote]
            outside = ms < 0 or ms >= _MS_PER_DAY
            neither = not (has_bid or has_ask)
            for turn in range(2):
                # An empty line is one event that looks like a bid of nothing on no side.
                if (turn == 0 and not (has_bid or neither)) or (turn == 1 and not has_ask):
                    continue
                numbers[TS, row] = 0 if outside else midnight + ms * _NS_PER_MS
                numbers[PRICE, row] = quotes[BID if turn == 0 else ASK, quote] * ticks
                numbers[SIZE, row] = quotes[BID_SIZE if turn == 0 else ASK_SIZE, quote] * lots
                numbers[EXCHANGE, row] = quotes[QUOTE_EXCHANGE, quote]
                numbers[CONDITION, row] = quotes[QUOTE_CONDITION, quote]
                kinds[ACTION, row] = quote_action
                kinds[SIDE, row] = no_side if neither else (bid_side if turn == 0 else ask_side)
                kinds[FLAGS, row] = doubtful if quotes[QUOTE_DOUBT, quote] != 0 else 0
                kinds[REASON, row] = OUTSIDE_DAY if outside else (EMPTY_QUOTE if neither else PLACED)
                rejected += outside or neither
                row += 1
            quote += 1
        else:
            ms = trades[TRADE_MS, trade]
            outside = ms < 0 or ms >= _MS_PER_DAY
            numbers[TS, row] = 0 if outside else midnight + ms * _NS_PER_MS
            numbers[PRICE, row] = trades[TRADE_PRICE, trade] * ticks
            numbers[SIZE, row] = trades[TRADE_SIZE, trade] * lots
            numbers[EXCHANGE, row] = trades[TRADE_EXCHANGE, trade]
            numbers[CONDITION, row] = trades[TRADE_CONDITION, trade]
            kinds[ACTION, row] = trade_action
            kinds[SIDE, row] = no_side
            kinds[FLAGS, row] = doubtful if trades[TRADE_DOUBT, trade] != 0 else 0
            kinds[REASON, row] = OUTSIDE_DAY if outside else PLACED
            rejected += outside
            row += 1
            trade += 1
            if trade < last_trade:
                trade_time = max(trade_time, trades[TRADE_MS, trade])
    return rejected
