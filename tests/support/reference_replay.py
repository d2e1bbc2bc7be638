"""The replay market in plain Python: the book's plain twin, sets and dictionaries, one row at a time.

What puts an order at its place is found by comparing the displayed ids before and after each row, which is slow and
independent of how the kernel follows it.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from sim.market import BUY, OWN_COLUMNS
from sim.reference_book import ReferenceBook
from tests.sim.test_book import twin_apply


class ReferenceReplay:
    """Own orders and missing lots over a tape without corrections; the rules of sim/tape_kernel.py."""

    def __init__(self, tape: pl.DataFrame, half_life_s: float, start_ns: int) -> None:
        self.rows = tape.with_columns(clock=pl.col("ts_recv").cum_max()).to_dicts()
        self.half_life_ns = half_life_s * 1e9
        self.book, self.at, self.now = ReferenceBook(), 0, start_ns
        self.entered: dict[int, int] = {}
        self.own: dict[int, dict] = {}
        self.told: list[tuple[int, int, int, int]] = []
        self.lacking: dict[tuple[int, int], tuple[float, int]] = {}
        self.numbers = 0
        self.advance(start_ns)

    def advance(self, until_ns: int) -> None:
        while self.at < len(self.rows) and self.rows[self.at]["clock"] <= until_ns:
            row = self.rows[self.at]
            self.now = max(self.now, row["clock"])
            self._fill_by_execution(row)
            self._follow(row)
            self.at += 1
            self._cap()
            self._fill_by_quote()
        self.now = max(self.now, until_ns)

    def take(self, side: int, lots: int) -> int:
        filled = 0
        for price, size in self.shown(1 - side):
            got = min(size, lots - filled)
            if got:
                self.told.append((self.now, price, got, 0))
                self._consume(1 - side, price, got)
            filled += got
        return filled

    def place(self, side: int, price: int, lots: int) -> int:
        opposite = self.shown(1 - side)
        if lots <= 0 or price <= 0 or (opposite and self._reaches(side, price, opposite[0][0])):
            return -1
        self.own[self.numbers] = {"side": side, "price": price, "lots": lots, "placed": self.at}
        self.numbers += 1
        return self.numbers - 1

    def cancel(self, number: int, lots: int = 0) -> int:
        if number not in self.own:
            return 0
        left = self.own[number]["lots"]
        off = left if lots == 0 else min(lots, left)
        self.own[number]["lots"] -= off
        self._drop()
        return off

    def own_orders(self) -> list[list[int]]:
        return [[n, o["side"], o["price"], o["lots"], self._ahead(o)] for n, o in self.own.items()]

    def fills(self) -> list[tuple[int, int, int, int]]:
        told, self.told = self.told, []
        return told

    def shown(self, side: int) -> list[tuple[int, int]]:
        """``(price, lots)`` displayed to us, best first."""
        levels = [(price, size - self._missing(side, price)) for price, size in self.book.levels(side)]
        return [(price, size) for price, size in levels if size > 0]

    def _follow(self, row: dict) -> None:
        before = {k: (o.side, o.price, o.size) for k, o in self.book.orders.items() if not o.pending}
        twin_apply(self.book, row)
        for key, order in self.book.orders.items():
            if order.pending:
                continue
            was = before.get(key)
            grew = row["action"] == "M" and row["order_id"] == key and was is not None and order.size > was[2]
            if was is None or was[:2] != (order.side, order.price) or grew:
                self.entered[key] = self.at

    def _fill_by_execution(self, row: dict) -> None:
        side = "BAN".index(row["side"])
        if row["action"] not in "FT" or side > 1:
            return
        resting = side if row["action"] == "F" else 1 - side
        left = row["size"]
        for order in self._by_priority(resting):
            if left and self._hit(row, order):
                lots = min(left, order["lots"])
                self._fill(order, lots)
                left -= lots
        self._drop()

    def _hit(self, row: dict, order: dict) -> bool:
        if order["price"] != row["price"]:
            return (order["price"] > row["price"]) == (order["side"] == BUY)
        entered = self.entered.get(row["order_id"])
        if entered is None:
            return row["action"] == "T" and self._ahead(order) == 0
        return entered >= order["placed"]

    def _fill_by_quote(self) -> None:
        for side in range(2):
            for order in self._by_priority(side):
                for price, size in self.shown(1 - side):
                    if order["lots"] and self._reaches(side, order["price"], price):
                        lots = min(order["lots"], size)
                        self._fill(order, lots)
                        self._consume(1 - side, price, lots)
            self._drop()

    def _by_priority(self, side: int) -> list[dict]:
        mine = [order for order in self.own.values() if order["side"] == side]
        return sorted(mine, key=lambda order: -order["price"] if side == BUY else order["price"])

    @staticmethod
    def _reaches(side: int, price: int, opposite: int) -> bool:
        return price >= opposite if side == BUY else price <= opposite

    def _ahead(self, order: dict) -> int:
        queue = self.book.queue(order["side"], order["price"])
        return sum(self.book.orders[key].size for key in queue if self.entered[key] < order["placed"])

    def _fill(self, order: dict, lots: int) -> None:
        self.told.append((self.now, order["price"], lots, 1))
        order["lots"] -= lots

    def _drop(self) -> None:
        self.own = {number: order for number, order in self.own.items() if order["lots"]}

    def _left(self, key: tuple[int, int]) -> float:
        lots, since = self.lacking.get(key, (0.0, self.now))
        left = lots * 0.5 ** ((self.now - since) / self.half_life_ns)
        return left if left >= 0.5 else 0.0

    def _missing(self, side: int, price: int) -> int:
        return int(self._left((side, price)) + 0.5)

    def _consume(self, side: int, price: int, lots: int) -> None:
        self.lacking[side, price] = self._left((side, price)) + lots, self.now
        self._cap()

    def _cap(self) -> None:
        for key in list(self.lacking):
            size = dict(self.book.levels(key[0])).get(key[1], 0)
            if self._left(key) > size:
                self.lacking[key] = float(size), self.now


def table(rows: list) -> np.ndarray:
    """Own orders of the twin as the market gives them."""
    return np.array(rows, np.int64).reshape(-1, OWN_COLUMNS)
