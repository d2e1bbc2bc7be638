"""Cleaning: which raw rows become clean ticks, what book stands after each, and why the other rows do not.

`clean` is the whole pipeline; docs/cleaning.md lists every rule with its reason code, source and default.

1. `filter_rows` drops what must touch neither the book nor the tape.
2. `with_standing_book` builds the book from what is left, rows included that are not kept themselves (the opening
   snapshot, quotes before the open), and shows it at whole events only.
3. `finish` drops what lies outside the session, has no usable book or breaks a rule that needs the book.

Order of events: the source's own order (``sequence``) is the truth; stamps that run backwards stay as they are in
``ts_event``. Every rule of `CleaningRules()` looks at the row and its past only, so that cleaning a growing day gives
the same; rules of the literature that look ahead are there for research and off.

Here: the rules, one group a file. Not here: parsing (feeds/adapters), whether a whole day is acceptable
(feeds/quality), books of single orders (sim/, handed in).
"""

from feeds.cleaning.book import BookKind, book_kind
from feeds.cleaning.pipeline import CleanResult, clean, filter_rows, finish, with_standing_book
from feeds.cleaning.reasons import FILTER_REASONS, FINISH_REASONS
from feeds.cleaning.rules import CleaningRules
from feeds.cleaning.trade_sign import trade_signs

__all__ = [
    "FILTER_REASONS",
    "FINISH_REASONS",
    "BookKind",
    "CleanResult",
    "CleaningRules",
    "book_kind",
    "clean",
    "filter_rows",
    "finish",
    "trade_signs",
    "with_standing_book",
]
