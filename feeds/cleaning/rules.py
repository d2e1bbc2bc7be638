"""Switches and thresholds of cleaning.

Here: `CleaningRules`. Not here: what the rules do (the modules named at each).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: ``"causal"`` looks at the past only; ``"paper"`` is the definition of Barndorff-Nielsen, Hansen, Lunde and Shephard
#: (2009), which looks at the whole day: for research, never for what a model is trained or judged on.
Variant = Literal["off", "causal", "paper"]


@dataclass(frozen=True)
class CleaningRules:
    """What is dropped. Rows without a meaning (no price, a closing snapshot) always are.

    Attributes:
        session_only: Drop rows outside the session (P1 of the paper named at `Variant`).
        suspicious: Drop rows the source marks as suspicious or corrected (T1).
        unpriced_orders: Drop market orders and all that happens to them (feeds/cleaning/orders.py).
        duplicate_orders: Drop an addition of an order that is there already (feeds/cleaning/orders.py).
        repeated_events: Drop packets sent again: ``"orders"`` only events of orders with an id, ``"all"`` rows of every
            kind (feeds/cleaning/repeats.py).
        equal_neighbours: Drop a row that equals the one before it. Two equal trades may be two trades: only for feeds
            known to repeat rows.
        only_exchange: Keep rows of this exchange only (P3); rows of no exchange stay.
        sale_conditions: Drop prints whose price is not the market's (T2, feeds/cleaning/sale_conditions.py).
        auction_prints: Keep auctions apart from continuous trading by dropping their prints.
        late_print_ns: Drop trades stamped further than this behind the newest stamp; None for never.
        halts: Drop what happens while the venue does not trade (feeds/cleaning/halts.py).
        inside_events: ``"carry"``: rows inside an event show the book before it; ``"drop"``: such rows of quote and
            level feeds are dropped, trades and orders carry.
        two_sided: Drop rows without a bid or an ask.
        uncrossed: Drop rows with the bid above the ask (Q2).
        max_trade_deviation: Drop trades further than this share from the mid.
        clock_window_ns: Window of the running estimate of the receiver's clock error (feeds/cleaning/clock.py).
        max_clock_error_ns: A row received longer than this before its venue stamp has a wrong stamp and is dropped.
        book_levels: Levels a side that the depths sum over.
        trade_outside_spread: T4 (feeds/cleaning/bnhls.py).
        wide_spread: Q3.
        wide_spread_factor: Multiple of the median spread.
        spread_window: Quotes the causal median of the spread looks back on.
        outlying_mid: Q4.
        outlying_mid_deviations: Multiple of the mean absolute deviation.
        mid_window: Quotes the median of the mid is taken over, even.
        one_entry_a_stamp: Merge trades, and quotes, of one stamp into one entry at their median price (T3, Q1); not
            causal inside the stamp.
    """

    session_only: bool = True
    suspicious: bool = True
    unpriced_orders: bool = True
    duplicate_orders: bool = True
    repeated_events: Literal["off", "orders", "all"] = "orders"
    equal_neighbours: bool = False
    only_exchange: str | None = None
    sale_conditions: bool = True
    auction_prints: bool = True
    late_print_ns: int | None = None
    halts: bool = True
    inside_events: Literal["carry", "drop"] = "carry"
    two_sided: bool = True
    uncrossed: bool = True
    max_trade_deviation: float = 0.5
    clock_window_ns: int = 300_000_000_000
    max_clock_error_ns: int = 60_000_000_000
    book_levels: int = 10
    trade_outside_spread: Variant = "off"
    wide_spread: Variant = "off"
    wide_spread_factor: float = 50.0
    spread_window: int = 1_000
    outlying_mid: Variant = "off"
    outlying_mid_deviations: float = 10.0
    mid_window: int = 50
    one_entry_a_stamp: bool = False
