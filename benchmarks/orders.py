"""What a message costs at the venue with full matching, beside its twin in plain Python.

Three synthetic streams around a slowly moving centre: plain limit, market, and cancel messages; the same with every
order type, replaces, icebergs, hidden orders, and self-trade prevention; orders that always trade.

Here: the streams and the timing. Not here: whether the results are right (tests/sim/test_order_properties.py).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from feeds.errors import T2TError

if TYPE_CHECKING:
    from sim.order_types import VenueRules

#: Messages of a timed stream, and of the part that the plain twin is timed on.
MESSAGES, TWIN_MESSAGES = 500_000, 3_000
REPEATS = 5
#: Rows of the table of reports, emptied whenever it is full.
REPORTS = 1 << 14


def run() -> dict[str, float]:
    """Time the streams on one core, in processor time: other programs on the machine do not count.

    Returns:
        ``<stream>_ns_per_message`` (the best of `REPEATS`), ``<stream>_reports_per_message``, ``<stream>_live_orders``
        at the end, ``mixed_twin_ratio``: how many times longer the plain twin takes on the head of the mixed stream.
    """
    from sim.book_state import FREE_SLOTS
    from sim.order_gateway import OrderGateway
    from sim.order_kernel import process
    from sim.order_types import NO_REPORT_ROOM, REPORT_COLUMNS, SelfTrade, VenueRules

    rules = VenueRules(self_trade=SelfTrade.DECREMENT)
    result: dict[str, float] = {}
    reports = np.zeros((REPORTS, REPORT_COLUMNS), np.int64)
    for name in ("plain", "mixed", "trading"):
        messages = stream(name, MESSAGES)
        seconds = []
        for _ in range(REPEATS + 1):  # the first one compiles
            gateway = OrderGateway(rules, max_orders=1 << 15)
            started, done, told = time.process_time(), 0, 0
            while done < MESSAGES:
                done, used, code = process(gateway.venue, messages, done, reports)
                told += used
                if code not in (0, NO_REPORT_ROOM):
                    raise T2TError(f"benchmark of {name} orders", received=f"code {code}", expected="0")
            seconds.append(time.process_time() - started)
        books = (gateway.displayed, gateway.hidden)
        result[f"{name}_ns_per_message"] = round(min(seconds[1:]) / MESSAGES * 1e9, 1)
        result[f"{name}_reports_per_message"] = round(told / MESSAGES, 3)
        result[f"{name}_live_orders"] = sum(b.free.size - int(b.counters[FREE_SLOTS]) for b in books)
    result["mixed_twin_ratio"] = round(_twin_ns(rules) / result["mixed_ns_per_message"])
    return result


def stream(name: str, n: int, seed: int = 1) -> np.ndarray:
    """A stream of messages.

    Args:
        name: ``plain``, ``mixed``, or ``trading``.
        n: Messages.
        seed: The same seed, the same stream.

    Returns:
        (n, 8) int64 in the columns of sim/order_types.py.
    """
    from sim.order_types import CANCEL, HIDE, LIMIT, REPLACE

    rng = np.random.default_rng(seed)
    mixed, trading = name == "mixed", name == "trading"
    kinds = {"plain": (0.9, 0.1, 0.0, 0.0, 0.0), "mixed": (0.72, 0.08, 0.06, 0.02, 0.12)}.get(name, (1.0, 0, 0, 0, 0))
    kind = rng.choice(len(kinds), n, p=kinds) + LIMIT
    order_id, at = np.arange(n), np.arange(n, dtype=np.float64)
    side = (order_id * 2654435761 >> 7) % 2
    centre = 10_000 + np.cumsum(rng.integers(-1, 2, n) * (rng.random(n) < 0.02))
    distance = np.zeros(n, np.int64) if trading else rng.geometric(0.15, n)
    price = centre + np.where(side == 0, -distance, distance)
    size = rng.integers(1, 20, n)
    account = order_id * 40503 % 8 if mixed else np.zeros(n, np.int64)
    display = rng.choice([0, HIDE, 3], n, p=[0.85, 0.05, 0.10]) if mixed else np.zeros(n, np.int64)
    orders = np.column_stack([kind, order_id, account, side, price, size, display, order_id])
    parts, times = [orders], [at]
    if not trading:
        cancels = orders.copy()
        cancels[:, 0], cancels[:, 5] = CANCEL, 0
        parts, times = [*parts, cancels], [*times, at + 1 + rng.exponential(1000.0, n)]
    if mixed:
        replaces = orders[rng.random(n) < 0.3]
        replaces[:, 0] = REPLACE
        replaces[:, 4] += rng.integers(-1, 2, len(replaces))
        replaces[:, 5] = rng.integers(1, 20, len(replaces))
        parts, times = [*parts, replaces], [*times, replaces[:, 7] + 1 + rng.exponential(300.0, len(replaces))]
    order = np.argsort(np.concatenate(times), kind="stable")[:n]
    messages = np.concatenate(parts)[order]
    messages[:, 7] = np.arange(n)
    return messages.astype(np.int64)


def _twin_ns(rules: VenueRules) -> float:
    from sim.order_types import CANCEL, REPLACE
    from sim.reference_orders import ReferenceVenue

    twin = ReferenceVenue(rules)
    started = time.process_time()
    for kind, order_id, account, side, price, size, display, _ in stream("mixed", TWIN_MESSAGES).tolist():
        if kind == CANCEL:
            twin.cancel(order_id, account, size)
        elif kind == REPLACE:
            twin.replace(order_id, account, price, size)
        else:
            twin.enter(kind, order_id, account, side, price, size, display)
    return (time.process_time() - started) / TWIN_MESSAGES * 1e9
