"""What a message costs at the venue with full matching, beside its twin in plain Python.

Three synthetic streams around a slowly moving centre: plain limit, market, and cancel messages; the same with every
order type, replaces, icebergs, hidden orders, and self-trade prevention; orders that always trade.

Here: the streams and the timing. Not here: whether the results are right (tests/sim/test_order_properties.py).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sim.order_types import VenueRules

#: Messages of a timed stream, and of the part that the plain twin is timed on.
MESSAGES, TWIN_MESSAGES = 1_000_000, 3_000
REPEATS = 3


def run() -> dict[str, float]:
    """Time the streams on one core.

    Returns:
        ``<stream>_ns_per_message`` (the best of `REPEATS`), ``<stream>_reports_per_message``, ``<stream>_live_orders``
        at the end, ``mixed_twin_ratio``: how many times longer the plain twin takes on the head of the mixed stream.
    """
    from sim.book_state import FREE_SLOTS
    from sim.order_gateway import OrderGateway
    from sim.order_kernel import process
    from sim.order_types import REPORT_COLUMNS, SelfTrade, VenueRules

    rules = VenueRules(self_trade=SelfTrade.DECREMENT)
    result: dict[str, float] = {}
    reports = np.zeros((4 * MESSAGES, REPORT_COLUMNS), np.int64)
    for name in ("plain", "mixed", "trading"):
        messages = stream(name, MESSAGES)
        seconds = []
        for _ in range(REPEATS + 1):  # the first one compiles
            gateway = OrderGateway(rules, max_orders=1 << 16)
            started = time.perf_counter()
            done, used, _ = process(gateway.venue, messages, 0, reports)
            seconds.append(time.perf_counter() - started)
            if done != MESSAGES:
                raise AssertionError(f"{name}: stopped at {done}")
        books = (gateway.displayed, gateway.hidden)
        result[f"{name}_ns_per_message"] = round(min(seconds[1:]) / MESSAGES * 1e9, 1)
        result[f"{name}_reports_per_message"] = round(used / MESSAGES, 3)
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
    from sim.order_types import CANCEL, HIDE, REPLACE

    shares = {
        "plain": (0.50, 0.06, 0.0, 0.0, 0.0, 0.44, 0.0),
        "mixed": (0.36, 0.04, 0.03, 0.01, 0.06, 0.36, 0.14),
        "trading": (1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    }[name]
    rng = np.random.default_rng(seed)
    kind = rng.choice(REPLACE + 1, n, p=shares)
    order_id = np.arange(n)
    request = kind >= CANCEL
    order_id[request] -= np.minimum(order_id[request], rng.geometric(0.005, request.sum()))
    side = (order_id * 2654435761 >> 7) % 2
    centre = 10_000 + np.cumsum(rng.integers(-1, 2, n) * (rng.random(n) < 0.02))
    distance = rng.geometric(0.15, n) if name != "trading" else np.zeros(n, np.int64)
    price = centre + np.where(side == 0, -distance, distance)
    size = np.where(kind == CANCEL, 0, rng.integers(1, 20, n))
    mixed = name == "mixed"
    account = order_id * 40503 % 8 if mixed else np.zeros(n, np.int64)
    display = rng.choice([0, HIDE, 3], n, p=[0.85, 0.05, 0.10]) if mixed else np.zeros(n, np.int64)
    return np.column_stack([kind, order_id, account, side, price, size, display, np.arange(n)]).astype(np.int64)


def _twin_ns(rules: VenueRules) -> float:
    from sim.order_types import CANCEL, REPLACE
    from sim.reference_orders import ReferenceVenue

    twin = ReferenceVenue(rules)
    started = time.perf_counter()
    for kind, order_id, account, side, price, size, display, _ in stream("mixed", TWIN_MESSAGES).tolist():
        if kind == CANCEL:
            twin.cancel(order_id, account, size)
        elif kind == REPLACE:
            twin.replace(order_id, account, price, size)
        else:
            twin.enter(kind, order_id, account, side, price, size, display)
    return (time.perf_counter() - started) / TWIN_MESSAGES * 1e9
