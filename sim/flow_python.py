"""The same order flow as sim/flow_kernel.py in plain Python, to be read in one sitting and compared against.

Here: one class without any regard to speed. Not here: the flow that is used (sim/flow_kernel.py).
"""

from __future__ import annotations

import heapq
import math

from sim.flow_params import FlowParams
from sim.reference_book import ASK, BID, ReferenceBook

NS = 1_000_000_000
DOUBT = 0.05
_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_EVENTS, _LIFETIMES, _SECONDS, _SPLITS, _OPENING = range(5)
_ASKS = 1 << 12

#: ``(ts_ns, action, side, order_id, price, lots)``
Row = tuple[int, str, int, int, int, int]


def _mix(value: int) -> int:
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


class RandomStreams:
    """Random numbers by address, see sim/random_stream.py."""

    def __init__(self, seed: int) -> None:
        self.keys = [_mix((_mix((seed + _GOLDEN) & _MASK) + s * _GOLDEN) & _MASK) for s in range(5)]

    def uniform(self, stream: int, number: int, draw: int) -> float:
        """A number in (0, 1)."""
        place = (self.keys[stream] + (number * 64 + draw + 1) * _GOLDEN) & _MASK
        return ((_mix(place) >> 11) + 0.5) * 2.0**-53

    def exponential(self, stream: int, number: int, draw: int) -> float:
        """A standard exponential."""
        return -math.log(self.uniform(stream, number, draw))

    def normal(self, stream: int, number: int, draw: int) -> float:
        """A standard normal."""
        radius = math.sqrt(-2.0 * math.log(self.uniform(stream, number, draw)))
        return radius * math.cos(2.0 * math.pi * self.uniform(stream, number, draw + 1))


class PythonFlow:
    """An order flow with its book; ``rows`` are its events, ``own_fills`` those of orders with negative ids.

    Args:
        params: The flow.
        seed: Same seed, same events.
        start_ns: When the opening book stands, ns UTC.
        mid: Efficient price then, ticks.
        spread: Opening spread in increments.
        profile: Orders of the opening book by distance.
    """

    def __init__(
        self, params: FlowParams, seed: int, start_ns: int, mid: float, spread: int, profile: list[int]
    ) -> None:
        self.params, self.random, self.book = params, RandomStreams(seed), ReferenceBook()
        self.rows: list[Row] = []
        self.own_fills: list[tuple[int, int, int]] = []
        self.heap: list[tuple[float, int, int, float]] = []
        self.event, self.second, self.second_ns, self.second_start = 0, 0, start_ns, 0.0
        self.now_ns, self.efficient, self.last = start_ns, mid, [0, 0]
        self.split_number, self.split_sign, self.split_left = 0, 0, 0
        self.hazards = [*params.cancel_rate, params.cancel_rate[-1]]
        near = [max(self.hazards[max(0, i - 3) : i + 4]) for i in range(len(self.hazards))]
        self.bounds = [2.0 * max(bound, 0.25 * max(self.hazards)) for bound in near]
        self.total = 2.0 * sum(params.limit_rate) + params.market_rate
        self.log_activity = params.activity_sd * self.random.normal(_SECONDS, 0, 0)
        self.activity = self._activity()
        step = params.increment_ticks
        bid = int(mid / step - 0.5 * spread) * step
        for i, orders in enumerate(profile):
            for _ in range(orders):
                self._rest(BID, bid + (spread - i - 1) * step, 0.0, _OPENING)
                self._rest(ASK, bid + (i + 1) * step, 0.0, _OPENING)
        self.next_arrival = self._waiting()

    def run(self, until_ns: int) -> None:
        """Run up to and including ``until_ns``."""
        while True:
            second_end = self.second_start + self.activity
            while True:
                cancels = bool(self.heap) and self.heap[0][0] < self.next_arrival
                when = self.heap[0][0] if cancels else self.next_arrival
                inside = min(max((when - self.second_start) / self.activity, 0.0), 1.0)
                ts_ns = self.second_ns + int(inside * NS)
                if when >= second_end or ts_ns > until_ns:
                    break
                self.now_ns = ts_ns
                if cancels:
                    self._ask_order()
                else:
                    self._arrive()
            if until_ns < self.second_ns + NS:
                break
            self._next_second()
        self.now_ns = until_ns

    def touch(self, side: int) -> int:
        """Best price; the last one seen where the side is empty."""
        levels = self.book.levels(side)
        if levels:
            self.last[side] = levels[0][0]
        return self.last[side]

    def _waiting(self) -> float:
        return self.random.exponential(_EVENTS, self.event, 0) / self.total

    def _activity(self) -> float:
        sd = self.params.activity_sd
        return max(math.exp(self.log_activity - 0.5 * sd * sd), 1e-6)

    def _upward(self, more: float) -> float:
        mid = 0.5 * (self.touch(BID) + self.touch(ASK))
        odds = self.params.lean * (self.efficient - mid) / self.params.spread_ticks + more
        return DOUBT + (1.0 - 2.0 * DOUBT) / (1.0 + math.exp(min(-odds, 700.0)))

    def _distance(self, side: int, price: int) -> int:
        away = self.touch(ASK) - price if side == BID else price - self.touch(BID)
        return min(max(math.ceil(away / self.params.increment_ticks), 1), len(self.hazards))

    def _arrive(self) -> None:
        when, kind, cumulative = self.next_arrival, self.random.uniform(_EVENTS, self.event, 1), 0.0
        for i, rate in enumerate(self.params.limit_rate):
            cumulative += 2.0 * rate / self.total
            if kind < cumulative:
                side = BID if self.random.uniform(_EVENTS, self.event, 2) < self._upward(0.0) else ASK
                away = (i + 1) * self.params.increment_ticks
                self._rest(side, self.touch(ASK) - away if side == BID else self.touch(BID) + away, when, _EVENTS)
                break
        else:
            self._market_order()
            self.event += 1
        self.next_arrival = when + self._waiting()

    def _rest(self, side: int, price: int, when: float, stream: int) -> None:
        sizes = self.params.limit_lots
        lots = sizes[int(self.random.uniform(stream, self.event, 3) * len(sizes))]
        self.event += 1
        self._enter(side, price, lots, when, self.event)

    def _enter(self, side: int, price: int, lots: int, when: float, order_id: int) -> None:
        if price <= 0:
            return
        self.book.add(order_id, side, price, lots, self.now_ns)
        bound = self.bounds[self._distance(side, price) - 1]
        wait = self.random.exponential(_LIFETIMES, order_id * _ASKS, 0) / bound
        heapq.heappush(self.heap, (when + wait, order_id, 0, bound))
        self.rows.append((self.now_ns, "A", side, order_id, price, lots))

    def _ask_order(self) -> None:
        when, order_id, asked, bound = heapq.heappop(self.heap)
        order = self.book.orders.get(order_id)
        if order is None:
            return
        upward, distance = self._upward(0.0), self._distance(order.side, order.price)
        hazard = self.hazards[distance - 1] * 2.0 * (1.0 - upward if order.side == BID else upward)
        draw = order_id * _ASKS + asked
        if self.random.uniform(_LIFETIMES, draw, 1) * bound < hazard:
            self._step_back(order_id, when)
            self.book.cancel(order_id, 0)
            self.rows.append((self.now_ns, "C", order.side, order_id, order.price, order.size))
        else:
            bound = self.bounds[distance - 1]
            wait = self.random.exponential(_LIFETIMES, draw + 1, 0) / bound
            heapq.heappush(self.heap, (when + wait, order_id, asked + 1, bound))

    def _step_back(self, order_id: int, when: float) -> bool:
        """Whether the order is the last of its side; if so, it comes back an increment behind under another id."""
        order, step = self.book.orders[order_id], self.params.increment_ticks
        if sum(other.side == order.side for other in self.book.orders.values()) > 1:
            return False
        price = order.price + (-step if order.side == BID else step)
        self._enter(order.side, price, order.size, when, order_id + (1 << 40))
        return True

    def _market_order(self) -> None:
        p, number = self.params, self.event
        bid, ask = (self.book.levels(side)[0][1] if self.book.levels(side) else 0 for side in (BID, ASK))
        buys = self._upward(p.imbalance_slope * ((bid - ask) / max(1.0, float(bid + ask))))
        known = self.split_sign if self.split_left > 0 else 0
        expected = p.split_share * known + (1.0 - p.split_share) * (2.0 * buys - 1.0)
        if self.random.uniform(_EVENTS, number, 4) < p.split_share:
            side = self._next_child()
        else:
            side = BID if self.random.uniform(_EVENTS, number, 2) < buys else ASK
        lots = p.market_lots[int(self.random.uniform(_EVENTS, number, 3) * len(p.market_lots))]
        traded = self._take(side, lots)
        surprise = (traded if side == BID else -traded) - expected * p.mean_market_lots
        self.efficient *= math.exp(p.impact_per_lot * surprise)

    def _next_child(self) -> int:
        if self.split_left == 0:
            length = self.random.uniform(_SPLITS, self.split_number, 0) ** (-1.0 / self.params.split_exponent)
            self.split_left = int(min(length, 1000.0))
            self.split_sign = 1 if self.random.uniform(_SPLITS, self.split_number, 1) < 0.5 else -1
            self.split_number += 1
        self.split_left -= 1
        return BID if self.split_sign > 0 else ASK

    def _take(self, side: int, lots: int) -> int:
        traded, opposite = 0, 1 - side
        while traded < lots and (levels := self.book.levels(opposite)):
            price = levels[0][0]
            order_id = self.book.queue(opposite, price)[0]
            order = self.book.orders[order_id]
            filled = min(lots - traded, order.size)
            last = filled == order.size and self._step_back(order_id, self.next_arrival)
            self.book.fill(order_id, filled)
            traded += filled
            if order_id < 0:
                self.own_fills.append((self.now_ns, price, filled))
            self.rows.append((self.now_ns, "F", opposite, order_id, price, filled))
            if last:
                break
        return traded

    def _next_second(self) -> None:
        p, at = self.params, self.second + 1 + 1_000_000
        step = math.sqrt(self.activity) * self.random.normal(_SECONDS, at, 2)
        self.efficient *= math.exp(p.sigma * step)
        self.second_start += self.activity
        shock = p.activity_sd * math.sqrt(1.0 - p.activity_persistence * p.activity_persistence)
        self.log_activity *= p.activity_persistence
        self.log_activity += shock * self.random.normal(_SECONDS, at, 0)
        self.second += 1
        self.second_ns += NS
        self.activity = self._activity()
