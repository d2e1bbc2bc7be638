"""A market over a level feed in plain Python: dictionaries of levels, one row at a time; and feeds for it."""

from __future__ import annotations

import math

import numpy as np
import polars as pl

from feeds.schema import ACTION_CODE, SIDE_CODE
from tests.support.raw_events import MS, START_NS, raw_frame, trade


def level(side: str, price: int, size: int, **more) -> dict:
    return {"action": "L", "side": side, "price": price, "size": size, **more}


def calm_feed(seed: int, rows: int = 2_000) -> pl.DataFrame:
    """A venue that is never crossed: levels come and go around a price that moves, trades take the best one.

    Most trades are followed by the smaller level they left, some come after it, some are never explained.
    """
    rng = np.random.default_rng(seed)
    book: list[dict[int, int]] = [{}, {}]
    told: list[dict] = []
    clock, mid = 0, 1_000

    def say(event: dict) -> None:
        told.append({**event, "ts_event": START_NS + clock * MS})

    def state(side: int, price: int, size: int) -> None:
        book[side][price] = size
        if size == 0:
            del book[side][price]
        say(level("BA"[side], price, size))

    for away in range(6):
        for side in range(2):
            state(side, mid + (away + 1) * (1 if side else -1), int(rng.integers(3, 30)))
    while len(told) < rows:
        clock += int(rng.integers(0, 60)) if rng.random() < 0.6 else 0
        side, draw = int(rng.integers(2)), rng.random()
        best = (max if side == 0 else min)(book[side])
        if draw < 0.2:
            lots, left = int(rng.integers(1, 14)), book[side][best]
            print_of = trade(best + (0 if rng.random() < 0.9 else (-1 if side == 0 else 1)), lots, "BA"[1 - side])
            late = rng.random()
            if late < 0.75:
                say(print_of)
            if late < 0.95 and (lots < left or len(book[side]) > 2):
                state(side, best, max(0, left - lots))
            if late >= 0.75:
                say(print_of)
        elif draw < 0.26:
            mid += int(rng.integers(-1, 2))
            for s in range(2):
                for price in [p for p in book[s] if (p >= mid if s == 0 else p <= mid)]:
                    if len(book[s]) > 1:
                        state(s, price, 0)
            mid = min(max(mid, max(book[0]) + 1), min(book[1]) - 1)
        else:
            price = mid + (int(rng.geometric(0.35)) if side else -int(rng.geometric(0.35)))
            there = book[side].get(price, 0)
            size = max(0, there + int(rng.integers(-12, 14)))
            if size != there and (size > 0 or len(book[side]) > 2):
                state(side, price, size)
    return raw_frame(*told[:rows])


class PlainLevelMarket:
    """What sim/market.py and sim/queue_models.py say, of a level feed that is never crossed.

    Args:
        rows: ``L`` and ``T`` rows.
        kind: Queue model.
        power: Its exponent.
        half_life_ns: Of depth taken.
    """

    def __init__(self, rows: pl.DataFrame, kind: str, power: float, half_life_ns: float) -> None:
        columns = [rows[name].to_physical().to_list() for name in ("action", "side", "price", "size")]
        self.rows = list(zip(rows["ts_recv"].cum_max().to_list(), *columns, strict=True))
        self.kind, self.power, self.half_life_ns = kind, power, half_life_ns
        self.levels: list[dict[int, int]] = [{}, {}]
        self.own: list[dict] = []
        self.lacking: dict[tuple[int, int], tuple[float, int]] = {}
        self.told: list[tuple[int, int, int, int]] = []
        self.row = self.now_ns = self.numbers = 0

    def advance(self, until_ns: int) -> None:
        while self.row < len(self.rows) and self.rows[self.row][0] <= until_ns:
            clock, action, side, price, size = self.rows[self.row]
            self.now_ns = max(self.now_ns, clock)
            if action == ACTION_CODE["T"] and side != SIDE_CODE["N"]:
                self._execute(1 - side, price, size)
            elif action == ACTION_CODE["L"]:
                self._change(side, price, size)
            self.row += 1
            self._fill_by_quote()
        self.now_ns = max(self.now_ns, until_ns)

    def place(self, side: int, price: int, lots: int) -> int:
        best = self.best(1 - side)
        if lots <= 0 or price <= 0 or (best and (price >= best[0] if side == 0 else price <= best[0])):
            return -1
        shown = self.levels[side].get(price, 0)
        ahead = 0.0 if self.kind == "optimistic" else float(shown)
        self.own.append(
            {"number": self.numbers, "side": side, "price": price, "lots": lots, "ahead": ahead, "traded": 0}
        )
        self.numbers += 1
        return self.numbers - 1

    def cancel(self, number: int, lots: int = 0) -> int:
        for order in self.own:
            if order["number"] == number:
                off = min(lots, order["lots"]) if lots else order["lots"]
                order["lots"] -= off
                self._forget()
                return int(off)
        return 0

    def take(self, side: int, lots: int) -> int:
        left = lots
        while left > 0 and (best := self.best(1 - side)):
            off = min(left, best[1])
            self.told.append((self.now_ns, best[0], off, 0))
            self._consume(1 - side, best[0], off)
            left -= off
        return lots - left

    def best(self, side: int) -> tuple[int, int] | None:
        """Best price displayed to us and its lots."""
        for price in sorted(self.levels[side], reverse=side == 0):
            shown = self.levels[side][price] - int(self._missing(side, price) + 0.5)
            if shown > 0:
                return price, shown
        return None

    def orders(self) -> list[tuple[int, int, int, int, int]]:
        return [(o["number"], o["side"], o["price"], o["lots"], int(o["ahead"] + 0.5)) for o in self.own]

    def fills(self) -> list[tuple[int, int, int, int]]:
        told, self.told = self.told, []
        return told

    def _missing(self, side: int, price: int) -> float:
        lots, since = self.lacking.get((side, price), (0.0, 0))
        left = lots * 0.5 ** ((self.now_ns - since) / self.half_life_ns)
        return left if left >= 0.5 else 0.0

    def _consume(self, side: int, price: int, lots: int) -> None:
        missing = min(self._missing(side, price) + lots, float(self.levels[side][price]))
        self.lacking[side, price] = (missing, self.now_ns)

    def _sorted(self, side: int) -> list[dict]:
        sign = -1 if side == 0 else 1
        return sorted((o for o in self.own if o["side"] == side), key=lambda o: (sign * o["price"], o["number"]))

    def _execute(self, side: int, price: int, lots: int) -> None:
        used = 0
        for order in self._sorted(side):
            better = order["price"] > price if side == 0 else order["price"] < price
            if order["price"] == price:
                reaching = lots if self.kind == "optimistic" else max(0, lots - math.ceil(order["ahead"]))
            else:
                reaching = lots if better else 0
            off = max(0, min(order["lots"], reaching - used))
            if off:
                self._fill(order, off)
            used += off
        for order in self.own:
            if order["side"] == side and order["price"] == price:
                order["ahead"] = max(0.0, order["ahead"] - lots)
                order["traded"] += lots
        self._forget()

    def _change(self, side: int, price: int, size: int) -> None:
        before = self.levels[side].pop(price, 0)
        if size > 0:
            self.levels[side][price] = size
        change = max(size, 0) - before
        for order in self.own:
            if order["side"] == side and order["price"] == price and change:
                order["ahead"] = self._after_change(order["ahead"], before, change, order["traded"])
                order["traded"] = max(0, order["traded"] + change) if change < 0 else 0
        if (side, price) in self.lacking and change:
            left = self._missing(side, price)
            if left > max(size, 0):
                self.lacking[side, price] = (float(max(size, 0)), self.now_ns)

    def _after_change(self, ahead: float, before: int, change: int, traded: int) -> float:
        if self.kind in ("conservative", "optimistic"):
            return ahead
        cancelled = -change - traded
        if self.kind in ("power", "log") and cancelled > 0 and ahead > 0:
            behind = max(0.0, before - traded - ahead)
            f = math.log1p if self.kind == "log" else lambda lots: lots**self.power
            lost = max(cancelled * f(ahead) / (f(ahead) + f(behind)), cancelled - behind)
            ahead -= min(lost, ahead)
        return max(0.0, min(ahead, before + change))

    def _fill_by_quote(self) -> None:
        if self.kind == "conservative":
            return
        for side in range(2):
            while (mine := self._sorted(side)) and (best := self.best(1 - side)):
                if not (mine[0]["price"] >= best[0] if side == 0 else mine[0]["price"] <= best[0]):
                    break
                off = min(mine[0]["lots"], best[1])
                self._fill(mine[0], off)
                self._consume(1 - side, best[0], off)
                self._forget()

    def _fill(self, order: dict, lots: int) -> None:
        self.told.append((self.now_ns, order["price"], lots, 1))
        order["lots"] -= lots

    def _forget(self) -> None:
        self.own = [order for order in self.own if order["lots"] > 0]
