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


def main(path: str, kind: str, tick: float, lowest: float, highest: float) -> dict[str, float]:
    """Figures of one file; process time, the best of some runs after one that compiles.

    Args:
        path: ``.npy`` of the package's event layout.
        kind: ``l3`` (orders, FIFO) or ``l2`` (levels).
        tick: Price of a tick.
        lowest: Lower bound of prices of the package's array book.
        highest: Upper bound.

    Returns:
        ``hashmap_ns`` and ``array_ns`` an event; of level files also ``steps_per_s`` driven from Python by 10 ms.
    """
    from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest, ROIVectorMarketDepthBacktest

    events = np.load(path)

    def book(array: bool) -> Any:
        asset = BacktestAsset().data([events]).linear_asset(1.0).constant_order_latency(100_000, 100_000)
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
    return figures


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
    while book.elapse(10_000_000) == 0:
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
