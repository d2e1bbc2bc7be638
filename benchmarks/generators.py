"""Simulated markets beside the tapes they are fitted to: realism metrics passed, and what taking costs in them.

Each generator is fitted to the first half of a tape and judged by the realism report on the second half, over several
seeds; the bands are those of the two real halves (sim/realism.py). Where a generator is a market to act in, takes of
one lot and of a mean market order are set beside the half spread of the tape: their cost against the mid before, and
how far the mid stands from that of the same market without the take half a minute later.

Here: `run`, the table. Not here: the generators (sim/generators.py), the metrics (sim/realism_stats.py).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from benchmarks.replay_sources import Source, bitstamp, lobster
from feeds.errors import InsufficientDataError
from sim.flow_measure import arrays_of
from sim.flow_moments import market_orders, mid_change, time_mean
from sim.generators import GENERATORS, Generator
from sim.market import ASK_PX, BID_PX, BUY, FILL_LOTS, FILL_PRICE, Market
from sim.realism import RealPair
from sim.replay import with_book

SEEDS = (7, 8, 9)
TAKES = 150
SETTLED_S = 30
NS = 1_000_000_000
_BPS = 1e4
_TAPES: dict[str, Callable[[], Source | None]] = {
    "amzn": lambda: lobster("AMZN_2012-06-21_5"),
    "aapl": lambda: lobster("AAPL_2012-06-21_1"),
    "bitstamp": bitstamp,
}
#: Of the metrics: memory of signs, and clustering of volatility.
_MEMORY = ("sign autocorrelation", "autocorrelation of |r|")


def run(
    tapes: tuple[str, ...] = tuple(_TAPES),
    names: tuple[str, ...] = tuple(GENERATORS),
    seeds: tuple[int, ...] = SEEDS,
    takes: int = TAKES,
) -> dict[str, Any]:
    """Figures of every tape that is here.

    Args:
        tapes: Those that are measured.
        names: Generators, of `GENERATORS`.
        seeds: Of the simulated halves.
        takes: Starts at which takes are tried.

    Returns:
        Tape -> ``tape`` (as `tape_costs`) and, by generator, the figures of `judged`, or ``no_fit``: why not.
    """
    found: dict[str, Any] = {}
    for tape in tapes:
        source = _TAPES[tape]()
        if source is not None:
            found[tape] = figures(source, [GENERATORS[name] for name in names], seeds, takes)
    return found


def figures(source: Source, generators: list[Generator], seeds: tuple[int, ...], takes: int) -> dict[str, Any]:
    """Figures of one tape; see `run`."""
    rows = source.rows if source.rows["bid_px"].null_count() < source.rows.height else with_book(source.rows)[0]
    clock = rows["ts_recv"].cum_max()
    middle = (int(clock[0]) + int(clock[-1])) // 2
    one, other = rows.filter(clock < middle), rows.filter(clock >= middle)
    pair, costs = RealPair(one, other, source.spec), tape_costs(one)
    found: dict[str, Any] = {"tape": costs}
    for generator in generators:
        started = time.process_time()
        try:
            params = generator.fit(rows, source.spec, until_ns=middle)
        except InsufficientDataError as error:
            found[generator.name] = {"no_fit": str(error)}
            continue
        fit_s = round(time.process_time() - started, 1)
        told = judged(generator, params, pair, other, seeds)
        if generator.market is not None:
            market = generator.market(params, _mid(other), 2.0 * SETTLED_S)
            sizes = (1, max(1, round(costs["mean_lots"])))
            told["takes"] = [take_cost(market, lots, takes) for lots in sizes]
        found[generator.name] = {"fit_s": fit_s, **told}
    return found


def judged(
    generator: Generator, params: Any, pair: RealPair, other: pl.DataFrame, seeds: tuple[int, ...]
) -> dict[str, Any]:
    """Metrics passed by a fitted generator on the second half of the tape.

    Returns:
        ``tuned`` and ``counted`` numbers of parameters, ``judged`` metrics, ``passed`` of them a seed, and of the
        metrics of memory ``memory_judged`` and ``memory_passed``.
    """
    start_ns, until_ns = int(other["ts_recv"][0]), int(other["ts_recv"][-1])
    passed, memory = list[int](), list[int]()
    for seed in seeds:
        report = pair.judge(generator.simulate(params, start_ns, until_ns, seed, _mid(other)))
        told = report.filter(pl.col("passed").is_not_null())
        of_memory = told.filter(
            pl.any_horizontal(pl.col("metric").str.contains(name, literal=True) for name in _MEMORY)
        )
        passed.append(int(told["passed"].sum()))
        memory.append(int(of_memory["passed"].sum()))
    return {
        "tuned": len(params.tuned),
        "counted": params.counted,
        "judged": told.height,
        "passed": passed,
        "memory_judged": of_memory.height,
        "memory_passed": memory,
    }


def tape_costs(tape: pl.DataFrame) -> dict[str, float]:
    """What taking costs on a tape.

    Returns:
        ``half_spread_bps``: mean over time; ``met_bps``: at the moments when market orders came; ``settled_bps``: mean
        move of the mid after them, signed, `SETTLED_S` later; ``mean_lots`` of a market order.
    """
    arrays = arrays_of(tape)
    orders = market_orders(arrays)
    half = _BPS * (arrays.ask_px - arrays.bid_px) / 2.0 / arrays.mid
    moved = mid_change(arrays, orders.before, SETTLED_S * NS) * orders.signs
    return {
        "half_spread_bps": round(time_mean(arrays, half), 3),
        "met_bps": round(float(half[orders.before].mean()), 3),
        "settled_bps": round(_BPS * float(np.nanmean(moved)), 3),
        "mean_lots": round(float(orders.lots.mean()), 1),
    }


def take_cost(market: Market, lots: int, takes: int) -> dict[str, float]:
    """What buying ``lots`` costs over the mid, and what it leaves in the mid, over starts of a simulated market.

    Returns:
        ``lots``; ``cost_bps`` and ``cost_error_bps``: mean and its standard error; ``settled_bps`` and
        ``settled_error_bps``: of the mid `SETTLED_S` later less that of the same seed without the take.
    """
    costs, left = list[float](), list[float]()
    for seed in range(takes):
        market.reset(seed)
        before, begun = _mid_of(market), market.now_ns
        market.take(BUY, lots)
        fills = market.fills()
        if not fills.size:
            continue
        paid = float(np.average(fills[:, FILL_PRICE], weights=fills[:, FILL_LOTS]))
        costs.append(_BPS * (paid / before - 1.0))
        market.advance(begun + SETTLED_S * NS)
        after = _mid_of(market)
        market.reset(seed)
        market.advance(begun + SETTLED_S * NS)
        left.append(_BPS * (after - _mid_of(market)) / before)
    return {
        "lots": lots,
        **{name: round(value, 3) for name, value in zip(("cost_bps", "cost_error_bps"), _mean(costs), strict=True)},
        **{
            name: round(value, 3) for name, value in zip(("settled_bps", "settled_error_bps"), _mean(left), strict=True)
        },
    }


def _mean(values: list[float]) -> tuple[float, float]:
    """Mean of the finite ones and its standard error."""
    finite = np.array(values)[np.isfinite(values)]
    return float(finite.mean()), float(finite.std(ddof=1) / np.sqrt(finite.size))


def _mid_of(market: Market) -> float:
    """Nan where a side is empty."""
    view = market.view()
    return float(view[BID_PX] + view[ASK_PX]) / 2.0 if min(view[BID_PX], view[ASK_PX]) > 0 else float("nan")


def _mid(tape: pl.DataFrame) -> float:
    """The first mid of a tape, ticks."""
    quoted = tape.filter((pl.col("bid_px") > 0) & (pl.col("ask_px") > 0)).head(1)
    return float(quoted["bid_px"][0] + quoted["ask_px"][0]) / 2.0


if __name__ == "__main__":
    for tape_name, told in run().items():
        print(tape_name)
        for name, line in told.items():
            print(" ", name, json.dumps(line))
