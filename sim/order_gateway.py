"""A venue to send orders to, one at a time or a whole stream.

Want of room is an error that names the setting to raise; the message that met it changed nothing, so that nothing is
ever lost. What a venue answers in the ordinary course of business (a rejected order, a cancelled rest) is a report.

Here: the interface for Python. Not here: the kernels (sim/order_kernel.py), numbers, layouts, rules
(sim/order_types.py).
"""

from __future__ import annotations

import numpy as np

from feeds.errors import StudyError, T2TError
from sim.book_state import Book
from sim.order_kernel import process
from sim.order_types import (
    CANCEL,
    LIMIT,
    MESSAGE_COLUMNS,
    NO_ACCOUNT,
    NO_REPORT_ROOM,
    NO_SLOT,
    PUBLIC,
    REPLACE,
    REPORT_COLUMNS,
    VenueRules,
    new_venue,
)

_SETTING = {NO_SLOT: "max_orders", NO_REPORT_ROOM: "max_reports", NO_ACCOUNT: "max_accounts"}


class OrderGateway:
    """A venue with full matching; prices in ticks, sizes in lots, times in ns.

    Args:
        rules: See `sim.order_types.VenueRules`.
        max_orders: Displayed orders that can be live at once, and as many hidden ones.
        max_accounts: Accounts 0 to ``max_accounts - 1``; 0 is everybody (`PUBLIC`).
        max_reports: Reports one message can be given room for.

    Attributes:
        venue: The state; see `sim.order_types.Venue`.
        interrupted: (m, 8) int64 reports of the messages of a stream before the one that found no room.
    """

    def __init__(
        self, rules: VenueRules, *, max_orders: int = 4096, max_accounts: int = 16, max_reports: int = 16384
    ) -> None:
        sizes = {"max_orders": max_orders, "max_accounts": max_accounts, "max_reports": max_reports}
        for name, value in sizes.items():
            if value < 1:
                raise StudyError(f"order gateway: {name}", received=value, expected="1 or more")
        self.rules = rules
        self.venue = new_venue(rules, max_orders, max_accounts)
        self.interrupted = np.zeros((0, REPORT_COLUMNS), np.int64)
        self._sizes = sizes
        self._reports = np.zeros((max_reports, REPORT_COLUMNS), np.int64)
        self._message = np.zeros((1, MESSAGE_COLUMNS), np.int64)

    @property
    def displayed(self) -> Book:
        """The book everybody sees, for sim.book's and sim.matching's reading functions."""
        return self.venue.displayed

    @property
    def hidden(self) -> Book:
        """The book of hidden orders."""
        return self.venue.hidden

    def enter(
        self,
        order_id: int,
        side: int,
        price: int,
        size: int,
        *,
        kind: int = LIMIT,
        account: int = PUBLIC,
        display: int = 0,
        ts_ns: int = 0,
    ) -> np.ndarray:
        """A new order; see sim/order_types.py for kinds and display.

        Returns:
            (m, 8) int64 reports, columns `R_WHAT` to `R_TS`.

        Raises:
            T2TError: No room, or no such account; nothing changed.
        """
        return self._one(kind, order_id, account, side, price, size, display, ts_ns)

    def cancel(self, order_id: int, lots: int = 0, *, account: int = PUBLIC, ts_ns: int = 0) -> np.ndarray:
        """Take ``lots`` off an order, which keeps its place, or all of it at 0; returns and raises as `enter`."""
        return self._one(CANCEL, order_id, account, 0, 0, lots, 0, ts_ns)

    def replace(self, order_id: int, price: int, size: int, *, account: int = PUBLIC, ts_ns: int = 0) -> np.ndarray:
        """Give an order a new price and open size; returns and raises as `enter`."""
        return self._one(REPLACE, order_id, account, 0, price, size, 0, ts_ns)

    def process(self, messages: np.ndarray) -> np.ndarray:
        """Process a stream of messages.

        Args:
            messages: (n, 8) int64, columns `M_KIND` to `M_TS` of sim/order_types.py.

        Returns:
            (m, 8) int64 reports of all of them in order.

        Raises:
            StudyError: ``messages`` has another shape or type.
            T2TError: A message found no room and changed nothing; those before it were processed, their reports are
                in `interrupted`.
        """
        if messages.dtype != np.int64 or messages.ndim != 2 or messages.shape[1] != MESSAGE_COLUMNS:
            raise StudyError(
                "messages", received=f"{messages.dtype} {messages.shape}", expected=f"int64 (n, {MESSAGE_COLUMNS})"
            )
        messages, done, parts = np.ascontiguousarray(messages), 0, []
        while True:
            done, used, code = process(self.venue, messages, done, self._reports)
            parts.append(self._reports[:used].copy())
            if code == 0:
                return np.concatenate(parts)
            # A table filled by earlier messages has been emptied now; one too small for a single message has not.
            if code != NO_REPORT_ROOM or used == 0:
                self.interrupted = np.concatenate(parts)
                raise self._no_room(code, done, len(messages))

    def _one(self, *message: int) -> np.ndarray:
        self._message[0] = message
        return self.process(self._message)

    def _no_room(self, code: int, at: int, total: int) -> T2TError:
        name = _SETTING[code]
        return T2TError(
            f"order gateway: message {at} of {total}",
            received=f"more than {name}={self._sizes[name]} allows",
            expected="room for all it can cause",
            remedy=f"Nothing of it was done; raise {name}.",
        )
