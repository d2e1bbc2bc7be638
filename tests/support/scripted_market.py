"""A market of written quotes: what displays when is stated, own orders fill when the opposite quote reaches them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from feeds.errors import InsufficientDataError
from sim.market import (
    ASK_DEPTH_5,
    ASK_PX,
    ASK_SZ,
    BID_DEPTH_5,
    BID_PX,
    BID_SZ,
    BUY,
    FILL_COLUMNS,
    OWN_COLUMNS,
    VIEW,
    VOLUME_60S,
)

#: Time, bid price and size, ask price and size.
Quote = tuple[int, int, int, int, int]


class ScriptedMarket:
    """One level a side; a take consumes it until the next quote; an own order fills whole where it is reached."""

    def __init__(self, quotes: Sequence[Quote], end_ns: int, increment_ticks: int = 1) -> None:
        self.increment_ticks, self._end = increment_ticks, end_ns
        self._quotes = [list(quote) for quote in quotes]
        self.calls: list[tuple] = []
        self.reset(0)

    @property
    def now_ns(self) -> int:
        return self._now

    def reset(self, seed: int) -> None:
        self.seed, self._at, self._now = seed, 0, self._quotes[0][0]
        self._shown = list(self._quotes[0])
        self._orders: dict[int, list[int]] = {}
        self._fills: list[tuple[int, int, int, int]] = []
        self._number = 0

    def advance(self, until_ns: int) -> None:
        if until_ns > self._end:
            raise InsufficientDataError("scripted market", received=until_ns, expected=f"at most {self._end}")
        self.calls.append(("advance", until_ns))
        while self._at + 1 < len(self._quotes) and self._quotes[self._at + 1][0] <= until_ns:
            self._at += 1
            self._shown = list(self._quotes[self._at])
            _, bid, _, ask, _ = self._shown
            for number, (side, price, lots) in list(self._orders.items()):
                if price >= ask if side == BUY else price <= bid:
                    self._fills.append((self._shown[0], price, lots, 1))
                    del self._orders[number]
        self._now = max(self._now, until_ns)

    def take(self, side: int, lots: int) -> int:
        self.calls.append(("take", side, lots))
        price, size = (3, 4) if side == BUY else (1, 2)
        filled = min(lots, self._shown[size])
        if filled:
            self._fills.append((self._now, self._shown[price], filled, 0))
            self._shown[size] -= filled
        return filled

    def place(self, side: int, price_ticks: int, lots: int) -> int:
        self.calls.append(("place", side, price_ticks, lots))
        bid, ask = self._shown[1], self._shown[3]
        if lots <= 0 or price_ticks <= 0 or (price_ticks >= ask if side == BUY else price_ticks <= bid):
            return -1
        self._orders[self._number] = [side, price_ticks, lots]
        self._number += 1
        return self._number - 1

    def cancel(self, number: int, lots: int = 0) -> int:
        self.calls.append(("cancel", number, lots))
        if number not in self._orders:
            return 0
        left = self._orders[number][2]
        gone = left if lots <= 0 else min(lots, left)
        self._orders[number][2] -= gone
        if gone == left:
            del self._orders[number]
        return gone

    def own_orders(self) -> np.ndarray:
        rows = [(number, *order, 0) for number, order in self._orders.items()]
        return np.array(rows, np.int64).reshape(-1, OWN_COLUMNS)

    def fills(self) -> np.ndarray:
        told, self._fills = self._fills, []
        return np.array(told, np.int64).reshape(-1, FILL_COLUMNS)

    def view(self) -> np.ndarray:
        view = np.zeros(VIEW)
        _, bid, bid_sz, ask, ask_sz = self._shown
        view[[BID_PX, BID_SZ, BID_DEPTH_5]] = bid if bid_sz else 0, bid_sz, bid_sz
        view[[ASK_PX, ASK_SZ, ASK_DEPTH_5]] = ask if ask_sz else 0, ask_sz, ask_sz
        view[VOLUME_60S] = 100
        return view

    def end_ns(self) -> int:
        return self._end
