"""The same book as sim/book.py in plain Python, to be read in one sitting and compared against.

Here: one class without any regard to speed. Not here: the book that is used (sim/book.py).
"""

from __future__ import annotations

from dataclasses import dataclass

BID, ASK = 0, 1
PATIENCE_NS = 500_000_000
WITNESSES = 3


@dataclass
class Order:
    """A live order; ``price`` in ticks, ``size`` in lots."""

    side: int
    price: int
    size: int
    ts_ns: int
    pending: bool = False


class ReferenceBook:
    """Orders in a dictionary; dictionaries keep insertion order, which is time priority within a price."""

    def __init__(self) -> None:
        self.orders: dict[int, Order] = {}
        self.unknown_ids = 0
        self.duplicate_ids = 0
        self.ever_pending = 0
        self.evicted = 0
        self.trades_ns = [0, 0]

    def add(self, order_id: int, side: int, price: int, size: int, ts_ns: int) -> None:
        """A new order, pending where it reaches the opposite best."""
        if order_id in self.orders:
            self.duplicate_ids += 1
            return
        self._place(order_id, Order(side, price, size, ts_ns))

    def cancel(self, order_id: int, size: int) -> None:
        """Take lots off an order, all of them where ``size`` is not positive."""
        order = self._known(order_id)
        if order is None:
            return
        if size <= 0 or size >= order.size:
            del self.orders[order_id]
            self._display_pending()
        else:
            order.size -= size

    fill = cancel

    def modify(self, order_id: int, price: int, size: int, ts_ns: int) -> None:
        """Set price and size; keeps the place in the queue where the price stays and the size does not grow."""
        order = self._known(order_id)
        if order is None:
            return
        if size <= 0:
            del self.orders[order_id]
        elif order.pending or (price == order.price and size <= order.size):
            order.size = size
        else:
            del self.orders[order_id]
            self._place(order_id, Order(order.side, price, size, ts_ns))
        self._display_pending()

    def trade_through(self, aggressor: int, price: int, ts_ns: int) -> None:
        """Remove older displayed orders at better prices than a trade: it would have met them first."""
        gone = [
            order_id
            for order_id, o in self.orders.items()
            if o.side != aggressor and not o.pending and o.ts_ns < ts_ns and _better(o.side, o.price, price)
        ]
        self._evict(gone)

    def note_trade(self, ts_ns: int) -> None:
        """Remember that the venue traded, once in every `PATIENCE_NS`."""
        if self.trades_ns[-1] == 0 or ts_ns - self.trades_ns[-1] >= PATIENCE_NS:
            self.trades_ns.append(ts_ns)

    def evict_contradicted(self, ts_ns: int) -> None:
        """Remove orders at the touch that several later orders would have traded with, as long as there are any."""
        before, last = self.trades_ns[-2:]
        traded_ns = last if last <= ts_ns - PATIENCE_NS else before
        for side in (BID, ASK):
            while touch := self.levels(side)[:1]:
                gone = [
                    order_id
                    for order_id in self.queue(side, touch[0][0])
                    if self._witnesses(self.orders[order_id], traded_ns) >= WITNESSES
                ]
                if not gone:
                    break
                self._evict(gone)

    def execute(self, side: int, size: int, limit_price: int) -> list[tuple[int, int, int]]:
        """Trade against the opposite side, best price and oldest order first; ``limit_price`` 0: at any price.

        Returns:
            ``(order_id, price, lots)`` of each fill.
        """
        fills = []
        while size > 0 and (opposite := self.levels(1 - side)):
            best = opposite[0][0]
            if limit_price > 0 and _better(1 - side, limit_price, best):
                break
            order_id = self.queue(1 - side, best)[0]
            lots = min(size, self.orders[order_id].size)
            self.fill(order_id, lots)
            fills.append((order_id, best, lots))
            size -= lots
        return fills

    def clear(self) -> None:
        """Forget every order."""
        self.orders.clear()
        self.trades_ns = [0, 0]

    def levels(self, side: int) -> list[tuple[int, int]]:
        """Displayed ``(price, lots)``, best first."""
        sizes: dict[int, int] = {}
        for order in self.orders.values():
            if order.side == side and not order.pending:
                sizes[order.price] = sizes.get(order.price, 0) + order.size
        return sorted(sizes.items(), reverse=side == BID)

    def queue(self, side: int, price: int) -> list[int]:
        """Ids displayed at a price, first to trade first."""
        return [key for key, o in self.orders.items() if (o.side, o.price) == (side, price) and not o.pending]

    def _witnesses(self, order: Order, traded_ns: int) -> int:
        return sum(
            o.pending
            and o.side != order.side
            and not _better(o.side, order.price, o.price)
            and order.ts_ns < o.ts_ns < traded_ns
            for o in self.orders.values()
        )

    def _evict(self, order_ids: list[int]) -> None:
        for order_id in order_ids:
            del self.orders[order_id]
        self.evicted += len(order_ids)
        if order_ids:
            self._display_pending()

    def _known(self, order_id: int) -> Order | None:
        self.unknown_ids += order_id not in self.orders
        return self.orders.get(order_id)

    def _place(self, order_id: int, order: Order) -> None:
        order.pending = self._reaches_opposite(order)
        self.ever_pending += order.pending
        self.orders[order_id] = order

    def _reaches_opposite(self, order: Order) -> bool:
        opposite = self.levels(1 - order.side)
        if not opposite:
            return False
        best = opposite[0][0]
        return order.price >= best if order.side == BID else order.price <= best

    def _display_pending(self) -> None:
        for order_id, order in list(self.orders.items()):
            if order.pending and not self._reaches_opposite(order):
                order.pending = False
                self.orders[order_id] = self.orders.pop(order_id)


def _better(side: int, price: int, than: int) -> bool:
    return price > than if side == BID else price < than
