"""The same venue as sim/order_kernel.py in plain Python, to be read in one sitting and compared against.

Orders lie in one dictionary, which keeps insertion order: time priority. An order that loses its place is taken out
and put back. Whether a fill-or-kill order can be filled is found by trying on a copy.

Here: one class without any regard to speed or room. Not here: the venue that is used (sim/order_gateway.py), numbers
and rules (sim/order_types.py).
"""

from __future__ import annotations

import copy
from collections import defaultdict
from dataclasses import dataclass

from sim.order_types import (
    BY_USER,
    CANCELLED,
    DUPLICATE_ORDER,
    FILLED,
    FOK,
    HIDE,
    INVALID,
    LIMIT,
    MARKET,
    MAX_LOTS,
    NOT_WHOLE,
    POST_ONLY,
    PUBLIC,
    REDUCED,
    REFRESHED,
    REJECTED,
    REPLACED,
    RESTED,
    SELF_TRADE,
    UNFILLED,
    UNKNOWN_ORDER,
    WOULD_TAKE,
    PostOnly,
    SelfTrade,
    VenueRules,
)

BID, ASK = 0, 1


@dataclass
class Resting:
    """A live order: ``shown`` lots trade now, ``reserve`` lots are an iceberg's later parts."""

    account: int
    kind: int
    side: int
    price: int
    display: int
    shown: int
    reserve: int

    @property
    def hidden(self) -> bool:
        """Whether nobody sees it."""
        return self.display == HIDE

    @property
    def total(self) -> int:
        """Open lots."""
        return self.shown + self.reserve

    def shrink(self, lots: int) -> None:
        """Lose ``lots``, those not shown first."""
        unseen = min(lots, self.reserve)
        self.reserve -= unseen
        self.shown -= lots - unseen


class ReferenceVenue:
    """Every method appends what happened to ``reports``: tuples in the columns of a report without its time."""

    def __init__(self, rules: VenueRules) -> None:
        self.rules = rules
        self.orders: dict[int, Resting] = {}
        self.reports: list[tuple[int, ...]] = []
        self.position: defaultdict[int, int] = defaultdict(int)
        self.cash: defaultdict[int, int] = defaultdict(int)

    def enter(self, kind: int, key: int, account: int, side: int, price: int, size: int, display: int) -> None:
        """A new order; ``display`` 0 shows it whole, n > 0 shows n lots at a time, `HIDE` nothing."""
        limit = 0 if kind == MARKET else self._behind_opposite(side, price) if kind == POST_ONLY else price
        valid = LIMIT <= kind <= POST_ONLY and side in (BID, ASK) and 0 < size <= MAX_LOTS and display >= HIDE
        if not valid or (price <= 0 and kind != MARKET):
            self._tell(REJECTED, key, 0, side, price, size, INVALID)
        elif key in self.orders:
            self._tell(REJECTED, key, 0, side, price, size, DUPLICATE_ORDER)
        elif kind == POST_ONLY and limit <= 0:
            self._tell(REJECTED, key, 0, side, price, size, WOULD_TAKE)
        elif kind == FOK and not self._fills_whole(account, side, price, size):
            self._tell(CANCELLED, key, 0, side, price, size, NOT_WHOLE)
        else:
            self._run(key, kind, account, side, limit, size, display)

    def cancel(self, key: int, account: int, lots: int) -> None:
        """Take ``lots`` off an order, all of them at 0 or less."""
        order = self.orders.get(key)
        if order is None or order.account != account:
            self._tell(REJECTED, key, 0, 0, 0, lots, UNKNOWN_ORDER)
        elif 0 < lots < order.total:
            order.shrink(lots)
            self._tell(REDUCED, key, 0, order.side, order.price, lots, BY_USER)
        else:
            del self.orders[key]
            self._tell(CANCELLED, key, 0, order.side, order.price, order.total, BY_USER)

    def replace(self, key: int, account: int, price: int, size: int) -> None:
        """Give an order a new price and open size."""
        order = self.orders.get(key)
        if order is None or order.account != account:
            self._tell(REJECTED, key, 0, 0, price, size, UNKNOWN_ORDER)
        elif not 0 < size <= MAX_LOTS or price <= 0:
            self._tell(REJECTED, key, 0, order.side, price, size, INVALID)
        elif price == order.price and size <= order.total and self.rules.smaller_keeps_place:
            self._tell(REDUCED, key, 0, order.side, price, order.total - size, REPLACED)
            order.shrink(order.total - size)
        else:
            allowed = self._behind_opposite(order.side, price) if order.kind == POST_ONLY else price
            if allowed <= 0:
                self._tell(REJECTED, key, 0, order.side, price, size, WOULD_TAKE)
                return
            del self.orders[key]
            self._tell(CANCELLED, key, 0, order.side, order.price, order.total, REPLACED)
            self._run(key, order.kind, account, order.side, allowed, size, order.display)

    def levels(self, side: int, hidden: bool = False) -> list[tuple[int, int]]:
        """``(price, lots)``, best first, of what everybody sees or of the hidden orders."""
        sizes: defaultdict[int, int] = defaultdict(int)
        for order in self.orders.values():
            if order.side == side and order.hidden == hidden:
                sizes[order.price] += order.shown
        return sorted(sizes.items(), reverse=side == BID)

    def queue(self, side: int, price: int, hidden: bool = False) -> list[int]:
        """Ids at a price, first to trade first."""
        return [k for k, o in self.orders.items() if (o.side, o.price, o.hidden) == (side, price, hidden)]

    def _run(self, key: int, kind: int, account: int, side: int, limit: int, size: int, display: int) -> None:
        left = self._take(key, account, side, limit, size)
        if left == 0:
            return
        if kind not in (LIMIT, POST_ONLY):
            self._tell(CANCELLED, key, 0, side, limit, left, UNFILLED)
            return
        shown = min(left, display) if display > 0 else left
        self.orders[key] = Resting(account, kind, side, limit, display, shown, left - shown)
        self._tell(RESTED, key, 0, side, limit, left, 0 if display == HIDE else shown)

    def _take(self, key: int, account: int, side: int, limit: int, left: int) -> int:
        while left > 0 and (maker := self._first_in_line(side, limit)) is not None:
            order = self.orders[maker]
            if order.account == account != PUBLIC and self.rules.self_trade != SelfTrade.ALLOW:
                left = self._prevent(key, side, limit, left, maker)
                continue
            lots = min(left, order.shown)
            self._tell(FILLED, maker, key, side, order.price, lots, int(order.hidden))
            for who, bought in ((account, lots), (order.account, -lots)):
                self.position[who] += bought if side == BID else -bought
                self.cash[who] -= (bought if side == BID else -bought) * order.price
            left -= lots
            order.shown -= lots
            if order.total == 0:
                del self.orders[maker]
            elif order.shown == 0:
                self._refresh(maker)
        return left

    def _refresh(self, key: int) -> None:
        order = self.orders[key]
        order.shown = min(order.display, order.reserve)
        order.reserve -= order.shown
        if self.rules.refresh_loses_place:
            self.orders[key] = self.orders.pop(key)
        self._tell(REFRESHED, key, 0, order.side, order.price, order.shown, 0)

    def _prevent(self, key: int, side: int, limit: int, left: int, maker: int) -> int:
        order = self.orders[maker]
        if self.rules.self_trade == SelfTrade.CANCEL_NEWEST:
            self._tell(CANCELLED, key, 0, side, limit, left, SELF_TRADE)
            return 0
        oldest = self.rules.self_trade == SelfTrade.CANCEL_OLDEST
        lots = order.total if oldest else min(left, order.total)
        what = CANCELLED if lots == order.total else REDUCED
        self._tell(what, maker, key, order.side, order.price, lots, SELF_TRADE)
        if what == CANCELLED:
            del self.orders[maker]
        else:
            order.shrink(lots)
        if oldest:
            return left
        self._tell(CANCELLED if lots == left else REDUCED, key, maker, side, limit, lots, SELF_TRADE)
        return left - lots

    def _first_in_line(self, side: int, limit: int) -> int | None:
        reached = [k for k, o in self.orders.items() if o.side != side and _reaches(side, limit, o.price)]
        sign = 1 if side == BID else -1
        return min(reached, key=lambda k: (sign * self.orders[k].price, self.orders[k].hidden), default=None)

    def _behind_opposite(self, side: int, price: int) -> int:
        """The price a post-only order may have; 0 or less where none."""
        first = self._first_in_line(side, price) if price > 0 else None
        if first is None:
            return price
        if self.rules.post_only == PostOnly.REJECT:
            return 0
        step = self.rules.increment_ticks
        return self.orders[first].price + (-step if side == BID else step)

    def _fills_whole(self, account: int, side: int, limit: int, size: int) -> bool:
        trial = copy.deepcopy(self)
        trial.reports.clear()
        trial._take(-1, account, side, limit, size)
        return size == sum(report[5] for report in trial.reports if report[0] == FILLED)

    def _tell(self, *report: int) -> None:
        self.reports.append(report)


def _reaches(side: int, limit: int, price: int) -> bool:
    return limit <= 0 or (price <= limit if side == BID else price >= limit)
