"""Environments in pairs: one of the compiled form, one of plain Python, over markets of every kind."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from sim.execution_env import ExecutionEnv
from sim.execution_task import ActionGrid, ExecutionTask
from sim.flow_market import FlowMarket
from sim.flow_params import FlowParams
from sim.impact_market import LinearImpactMarket
from sim.impact_models import Decay, Propagator
from sim.replay_market import ReplayMarket
from sim.tape_orders import prepare_tape
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


def linear() -> LinearImpactMarket:
    model = Propagator(5.0, 0.02, 0.05, (Decay(0.1, 0.2), Decay(0.03, 0.01)))
    return LinearImpactMarket(model, start_mid_ticks=100_000, volatility_ticks=10.0, horizon_s=TASK.episode_ns / S)


def replay() -> ReplayMarket:
    """A venue's day of single orders."""
    tape = _tape()
    return ReplayMarket(tape, SPEC, _bounds(), TASK.episode_ns, refill_half_life_s=2.0)


@functools.cache
def _tape() -> Any:
    return prepare_tape(fifo_tape(12, events=4_000))


def _bounds() -> tuple[int, int]:
    stamps = _tape().events.ts_ns
    return int(stamps[12]), int(stamps[-1])


def pair(make: Callable[[], Any], task: ExecutionTask = TASK, **more: Any) -> tuple[ExecutionEnv, ExecutionEnv]:
    """Compiled and plain, each over a market of its own."""
    return ExecutionEnv(make, task, GRID, **more), ExecutionEnv(make, task, GRID, compiled=False, **more)
