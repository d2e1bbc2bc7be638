"""Order types, rules of a venue, and the arrays a venue consists of.

A venue is two books: one everybody sees, one of hidden orders. A better price trades first wherever it lies; at one
price the displayed orders trade before the hidden ones, the older before the younger. What an iceberg holds back is no
hidden order: it trades only after it has been shown.

Kinds of orders:

- `LIMIT` takes what its price reaches, the rest of it rests.
- `MARKET` takes at any price, `IOC` within its price; what is left is cancelled.
- `FOK` takes all of its size at once within its price, or nothing.
- `POST_ONLY` never takes: see `PostOnly`.

Display, of orders that rest: 0 shows the whole size, n > 0 makes an iceberg that shows at most n lots at a time,
`HIDE` shows nothing.

Here: numbers, layouts, the rules, an empty venue. Not here: what messages do (sim/order_kernel.py), the interface
for Python (sim/order_gateway.py), the plain twin (sim/reference_orders.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from feeds.errors import StudyError
from sim.book_state import Book, new_book

#: Kinds of messages: orders, then requests about resting orders.
LIMIT, MARKET, IOC, FOK, POST_ONLY, CANCEL, REPLACE = range(7)
#: Display of an order nobody sees.
HIDE = -1
#: Largest size of an order, in lots.
MAX_LOTS = 1 << 40
#: The account of everybody whose owner does not matter; its orders may trade with each other.
PUBLIC = 0

#: Columns of a message, int64. Cancel: `M_SIZE` lots are taken off, all at 0 or less. Replace: `M_PRICE` and `M_SIZE`
#: are the order's new price and new open size; its kind and display stay.
M_KIND, M_ID, M_ACCOUNT, M_SIDE, M_PRICE, M_SIZE, M_DISPLAY, M_TS = range(8)
MESSAGE_COLUMNS = 8

#: Columns of a report, int64: what happened to order `R_ORDER`.
R_WHAT, R_ORDER, R_OTHER, R_SIDE, R_PRICE, R_LOTS, R_CAUSE, R_TS = range(8)
REPORT_COLUMNS = 8

#: Values of `R_WHAT`. Side and price are the resting order's, in `FILLED` the side is the taker's.
#: FILLED: resting order `R_ORDER` traded `R_LOTS` with `R_OTHER`; cause 1 where it was hidden, else 0.
#: RESTED: `R_LOTS` now rest; cause: how many of them are displayed. REFRESHED: an iceberg now shows `R_LOTS` more.
#: REDUCED: lost `R_LOTS` and lives on. CANCELLED: lost its last `R_LOTS`. REJECTED: the message changed nothing.
FILLED, RESTED, REFRESHED, REDUCED, CANCELLED, REJECTED = range(6)

#: Causes of `REDUCED` and `CANCELLED`.
BY_USER, UNFILLED, NOT_WHOLE, SELF_TRADE, REPLACED = range(5)
#: Causes of `REJECTED`.
INVALID, UNKNOWN_ORDER, DUPLICATE_ORDER, WOULD_TAKE = range(4)

#: Codes of a message that could not be processed for want of room and changed nothing.
NO_SLOT, NO_REPORT_ROOM, NO_ACCOUNT = -1, -2, -3

#: Which of the two books; `NOWHERE`: in neither.
DISPLAYED, HIDDEN, NOWHERE = 0, 1, -1

#: Places of `Venue.rules`.
RULE_SELF_TRADE, RULE_POST_ONLY, RULE_INCREMENT, RULE_REFRESH, RULE_SMALLER = range(5)


class SelfTrade(IntEnum):
    """What happens where an order would trade with one of the same account other than `PUBLIC`.

    `DECREMENT` takes the smaller of the two open sizes off both without a trade.
    """

    ALLOW = 0
    CANCEL_NEWEST = 1
    CANCEL_OLDEST = 2
    DECREMENT = 3


class PostOnly(IntEnum):
    """What happens to a post-only order whose price reaches the other side, hidden orders included.

    `SLIDE` puts it one increment behind the best opposite price.
    """

    REJECT = 0
    SLIDE = 1


@dataclass(frozen=True)
class VenueRules:
    """Where venues differ. Of orders at one price, displayed trade before hidden and old before young at all of them.

    Attributes:
        self_trade: See `SelfTrade`.
        post_only: See `PostOnly`.
        increment_ticks: Smallest step between quotes, in ticks; `PostOnly.SLIDE` moves by it.
        refresh_loses_place: An iceberg's next part goes behind the displayed orders at its price; else it stays first.
        smaller_keeps_place: A replace to the same price and no larger size keeps the place in the queue; else every
            replace loses it. A new price or a larger size always does.
    """

    self_trade: SelfTrade = SelfTrade.CANCEL_NEWEST
    post_only: PostOnly = PostOnly.REJECT
    increment_ticks: int = 1
    refresh_loses_place: bool = True
    smaller_keeps_place: bool = True

    def __post_init__(self) -> None:
        if self.increment_ticks < 1:
            raise StudyError("venue rules: increment_ticks", received=self.increment_ticks, expected="1 or more")

    def encoded(self) -> np.ndarray:
        """The rules as kernels read them: (5,) int64."""
        return np.array(
            [
                self.self_trade,
                self.post_only,
                self.increment_ticks,
                self.refresh_loses_place,
                self.smaller_keeps_place,
            ],
            np.int64,
        )


class Venue(NamedTuple):
    """The whole state; rows of two-row arrays are `DISPLAYED` and `HIDDEN`, columns the slots of that book.

    Attributes:
        displayed: The orders everybody sees, at the sizes everybody sees; an ordinary book to read.
        hidden: The orders nobody sees.
        account: (2, n) int64 owner of the order.
        kind: (2, n) int64 `LIMIT` or `POST_ONLY`.
        peak: (2, n) int64 lots an iceberg shows at a time, 0 for other orders.
        reserve: (2, n) int64 lots of an iceberg not shown yet.
        position: (accounts,) int64 lots bought minus lots sold.
        cash: (accounts,) int64 received minus paid, in ticks times lots.
        icebergs: (1,) int64 live orders with a peak.
        rules: (5,) int64, see `VenueRules.encoded`.
    """

    displayed: Book
    hidden: Book
    account: np.ndarray
    kind: np.ndarray
    peak: np.ndarray
    reserve: np.ndarray
    position: np.ndarray
    cash: np.ndarray
    icebergs: np.ndarray
    rules: np.ndarray


def new_venue(rules: VenueRules, max_orders: int, max_accounts: int) -> Venue:
    """A venue without orders.

    Args:
        rules: See `VenueRules`.
        max_orders: Displayed orders that can be live at once, and as many hidden ones.
        max_accounts: Accounts 0 to ``max_accounts - 1``.
    """
    books = new_book(max_orders), new_book(max_orders)
    per_order = [np.zeros((2, max(1, max_orders)), np.int64) for _ in range(4)]
    per_account = [np.zeros(max_accounts, np.int64) for _ in range(2)]
    arrays = [*per_order, *per_account, np.zeros(1, np.int64), rules.encoded()]
    return Venue(*books, *arrays)
