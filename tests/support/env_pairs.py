"""Environments in pairs: one of the compiled form, one of plain Python, over markets of every kind."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from sim.execution_env import ExecutionEnv
from sim.execution_task import ActionGrid, ExecutionTask
from sim.flow_market import FlowMarket
from sim.flow_params import FlowParams
from sim.hawkes_book_market import HawkesBookMarket
from sim.hawkes_book_params import HawkesBookParams
from sim.impact_market import LinearImpactMarket
from sim.impact_models import Decay, Propagator
from sim.replay_market import ReplayMarket
from sim.tape_levels import prepare_levels, prepare_quotes
from sim.tape_orders import prepare_tape
from tests.support.level_twin import calm_feed
from tests.support.raw_events import START_NS, quote, raw_frame, trade
from tests.support.tapes import SPEC, fifo_tape

S = 1_000_000_000
MS = 1_000_000
#: Every cost, penalty and term of the reward at work.
TASK = ExecutionTask(
    30 * S,
    6,
    300,
    latency_ns=10 * MS,
    taker_fee_bps=0.4,
    maker_fee_bps=-0.2,
    risk_aversion=0.01,
    impact_aversion=0.5,
)
GRID = ActionGrid(styles=("behind", "join", "improve", "cross", 2))


def flow() -> FlowMarket:
    return FlowMarket(FlowParams.example(), start_mid_ticks=1_000_000, horizon_s=TASK.episode_ns / S)


def hawkes() -> HawkesBookMarket:
    """Ten events a second."""
    return HawkesBookMarket(_book(), start_mid_ticks=1_000_000, horizon_s=TASK.episode_ns / S, warm_up_s=60)


@functools.cache
def _book() -> HawkesBookParams:
    return HawkesBookParams.example()


def linear() -> LinearImpactMarket:
    model = Propagator(5.0, 0.02, 0.05, (Decay(0.1, 0.2), Decay(0.03, 0.01)))
    return LinearImpactMarket(model, start_mid_ticks=100_000, volatility_ticks=10.0, horizon_s=TASK.episode_ns / S)


def replay() -> ReplayMarket:
    """A venue's day of single orders."""
    tape = _tape()
    return ReplayMarket(tape, SPEC, _bounds(), TASK.episode_ns, refill_half_life_s=2.0)


def levels() -> ReplayMarket:
    """A venue's day of levels, where the tape does not tell who stands ahead."""
    tape = _level_tape()
    stamps = tape.events.ts_ns
    return ReplayMarket(tape, SPEC, (int(stamps[12]), int(stamps[-1])), TASK.episode_ns, refill_half_life_s=2.0)


def quotes() -> ReplayMarket:
    """A venue's day of best prices."""
    tape = _quote_tape()
    stamps = tape.events.ts_ns
    return ReplayMarket(tape, SPEC, (int(stamps[12]), int(stamps[-1])), TASK.episode_ns, refill_half_life_s=2.0)


@functools.cache
def _level_tape() -> Any:
    return prepare_levels(calm_feed(3, rows=6_000))


@functools.cache
def _quote_tape() -> Any:
    return prepare_quotes(_stated_bests())


def _stated_bests(rows: int = 3_000) -> pl.DataFrame:
    """Rows that state a best a few ticks wide, and trades at it."""
    rng = np.random.default_rng(3)
    mids = 1_000 + np.cumsum(rng.integers(-1, 2, rows))
    told, now = [], START_NS
    for mid in mids.tolist():
        now += int(rng.integers(1, 60)) * MS
        bid, ask = mid - int(rng.integers(1, 4)), mid + int(rng.integers(1, 4))
        sizes = rng.integers(1, 90, 2).tolist()
        if rng.random() < 0.3:
            told.append(trade(bid if rng.random() < 0.5 else ask, int(rng.integers(1, 40)), ts_event=now))
        else:
            best = {"bid_px": bid, "bid_sz": sizes[0], "ask_px": ask, "ask_sz": sizes[1]}
            told.append({**quote("B", bid, sizes[0], ts_event=now), **best})
    return raw_frame(*told)


@functools.cache
def _tape() -> Any:
    return prepare_tape(fifo_tape(12, events=4_000))


def _bounds() -> tuple[int, int]:
    stamps = _tape().events.ts_ns
    return int(stamps[12]), int(stamps[-1])


def pair(make: Callable[[], Any], task: ExecutionTask = TASK, **more: Any) -> tuple[ExecutionEnv, ExecutionEnv]:
    """Compiled and plain, each over a market of its own."""
    return ExecutionEnv(make, task, GRID, **more), ExecutionEnv(make, task, GRID, compiled=False, **more)
