"""Reason codes of rows that cleaning drops.

Here: codes and what they mean. Not here: the rules (the other modules), prose about them (docs/cleaning.md; a test
holds it against these tables).
"""

from __future__ import annotations

#: Of `filter_rows`, before the book is built.
FILTER_REASONS = {
    "suspicious": "the source marks the row as suspicious",
    "closing_snapshot": "written at the end of the capture, carries no information",
    "unpriced_order": "a market order (price 0 or the venue's largest price), and all that happens to it later",
    "non_positive_price": "a trade, fill, quote, level or modification without a price",
    "non_positive_size": "a trade, fill or new order without a size",
    "no_side": "a new order, quote or level on neither side",
    "duplicate_event": "adds an order id a second time with the same side, price and size",
    "repeated_event": "the same event with the same stamp came before, and later stamps since: a packet sent again",
    "equal_neighbour": "equals the row before it in everything but its number",
    "other_exchange": "not of the one exchange that is kept",
    "ineligible_sale_condition": "printed outside the normal market, see NOT_LAST_SALE",
    "auction_print": "the print of an opening, closing or halt auction: not continuous trading",
    "late_print": "a trade whose stamp lies further behind the newest one than allowed",
}
#: Of `finish`, when the book after each row is known.
FINISH_REASONS = {
    "snapshot": "opening snapshot: built the book, is no live flow",
    "outside_session": "before the open or from the close on; earlier rows did build the book",
    "stamp_ahead": "received so long before its venue stamp that one of the stamps is wrong",
    "trading_halt": "the venue has halted trading",
    "quoting_only": "the venue takes quotes but does not trade",
    "inside_event": "a row of a quote or level feed inside an event: more rows of it follow",
    "one_sided_book": "no bid or no ask stands",
    "crossed_book": "best bid above best ask (locked markets are kept)",
    "absurd_price": "a trade more than 50 % away from the mid; without a book, from the median of the last trades",
    "trade_outside_spread": "a trade above the ask or below the bid by more than the spread",
    "wide_spread": "a spread of many times the usual one",
    "outlying_mid": "a mid far from the median of those around it",
    "merged_stamp": "merged into the one entry kept of its stamp",
}
