"""Replays a file of events with hftbacktest, for benchmarks/book_replay.py: run by a Python that has it installed.

Imports nothing of the project: the other Python has only the package. Prints nanoseconds an event and steps a second.

Here: driving the peer. Not here: what its figures are held against.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

REPEATS = 5
_STEP_NS, _QUOTING_LATENCY_NS, _QUOTING_LOTS = 10_000_000, 5_000_000, 0.001


def main(path: str, kind: str, tick: float, lowest: float, highest: float) -> dict[str, float]:
    """Figures of one file; process time, the best of some runs after one that compiles.

    Args:
        path: ``.npy`` of the package's event layout.
        kind: ``l3`` (orders, FIFO) or ``l2`` (levels).
        tick: Price of a tick.
        lowest: Lower bound of prices of the package's array book.
        highest: Upper bound.

    Returns:
        ``hashmap_ns`` and ``array_ns`` an event; of level files also ``steps_per_s`` driven from Python by 10 ms, and
        ``quoting_ns`` an event and ``quoting_fills`` of a maker who moves one order a side every 10 ms.
    """
    from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest, ROIVectorMarketDepthBacktest

    events = np.load(path)

    def book(array: bool, latency_ns: int = 100_000) -> Any:
        asset = BacktestAsset().data([events]).linear_asset(1.0).constant_order_latency(latency_ns, latency_ns)
        asset = asset.l3_fifo_queue_model() if kind == "l3" else asset.power_prob_queue_model3(3.0)
        asset = asset.no_partial_fill_exchange().tick_size(tick).lot_size(0.001)
        asset = asset.trading_value_fee_model(0, 0).last_trades_capacity(0)
        if array:
            return ROIVectorMarketDepthBacktest([asset.roi_lb(lowest).roi_ub(highest)])
        return HashMapMarketDepthBacktest([asset])

    figures = {}
    replay = _compiled()
    for name, array in (("hashmap_ns", False), ("array_ns", True)):
        seconds, _ = _best(partial(book, array), lambda made: replay(made, 1_000_000_000))
        figures[name] = seconds / events.size * 1e9
    if kind == "l2":
        seconds, steps = _best(lambda: book(True), _steps)
        figures["steps_per_s"] = steps / seconds
        # Quotes are answered after an interval: as many own orders are on their way as rest.
        ways = [_best(partial(book, array, _QUOTING_LATENCY_NS), _quoting()) for array in (False, True)]
        figures["quoting_ns"] = min(seconds for seconds, _ in ways) / events.size * 1e9
        figures["quoting_fills"] = float(ways[0][1])
    return figures


def _quoting() -> Callable[[Any], int]:
    from hftbacktest import GTC, LIMIT
    from numba import njit

    @njit
    def quote(book: Any, step_ns: int, lots: float) -> int:
        number = 1
        while book.elapse(step_ns) == 0:
            book.clear_inactive_orders(0)
            depth = book.depth(0)
            orders = book.orders(0).values()
            while orders.has_next():
                order = orders.get()
                if order.cancellable:
                    book.cancel(0, order.order_id, False)
            book.submit_buy_order(0, number, depth.best_bid, lots, GTC, LIMIT, False)
            book.submit_sell_order(0, number + 1, depth.best_ask, lots, GTC, LIMIT, False)
            number += 2
        return int(book.state_values(0).num_trades)

    return lambda book: quote(book, _STEP_NS, _QUOTING_LOTS)


def _compiled() -> Any:
    from numba import njit

    @njit
    def replay(book: Any, step_ns: int) -> int:
        steps = 0
        while book.elapse(step_ns) == 0:
            steps += 1
        return steps

    return replay


def _steps(book: Any) -> int:
    steps = 0
    while book.elapse(_STEP_NS) == 0:
        depth = book.depth(0)
        _ = depth.best_bid, depth.best_ask, book.position(0)
        steps += 1
    return steps


def _best(make: Callable[[], Any], work: Callable[[Any], int]) -> tuple[float, int]:
    taken, steps = [], 0
    for _ in range(REPEATS + 1):
        book = make()
        started = time.process_time()
        steps = work(book)
        taken.append(time.process_time() - started)
        book.close()
    return min(taken[1:]), steps


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], *(float(number) for number in sys.argv[3:6]))))
