"""Execution environments: steps a second of many at once and of a single one, time of a reset, by kind of market.

Decisions lie as far apart as about 100 rows (or events) of the market take, as in published figures of vector
environments. ``tape`` is a day of single orders, ``levels`` one of level updates, ``quotes`` one of best prices. Agents
act at random by the discrete grid: they rest, improve, cross and cancel. Times are CPU seconds of the one thread that
steps, so that other processes hardly matter.

Here: `run`. Not here: markets and environments (sim/).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from feeds.root import shared_root
from sim.execution_env import ExecutionEnv
from sim.execution_task import ExecutionTask
from sim.market_kernels import KernelMarket
from sim.vector_env import ExecutionVectorEnv

if TYPE_CHECKING:
    import polars as pl

    from feeds.instruments import InstrumentSpec

ENVS, ROWS_A_STEP, DECISIONS = 64, 100, 20
NS = 1_000_000_000
_REPEATS = 3


@dataclass(frozen=True)
class Setting:
    """A market and the task in it.

    Attributes:
        make: Makes a market.
        task: The parent order.
    """

    make: Callable[[], KernelMarket]
    task: ExecutionTask


def run() -> dict[str, Any]:
    """Figures of every market; those without a prefix are the replayed tape's of single orders."""
    settings = {"flow": flow_setting(), "hawkes": hawkes_setting(), "linear": linear_setting()} | tape_settings()
    figures: dict[str, Any] = {"envs": ENVS, "rows_a_step": ROWS_A_STEP}
    for name, setting in settings.items():
        prefix = "" if name == "tape" else f"{name}_"
        figures |= {f"{prefix}{key}": value for key, value in measure(setting).items()}
    return figures


def measure(setting: Setting) -> dict[str, float]:
    """The best of a few repetitions of every figure."""
    market = setting.make()
    many = ExecutionVectorEnv(market, ENVS, setting.task)
    single = ExecutionEnv(setting.make, setting.task)
    plain = ExecutionEnv(setting.make, setting.task, compiled=False)
    return {
        "vector_steps_per_s_100msg": round(ENVS / min(_vector_step_s(many) for _ in range(_REPEATS))),
        "single_steps_per_s_100msg": round(1 / min(_single_step_s(single) for _ in range(_REPEATS))),
        "plain_steps_per_s_100msg": round(1 / min(_single_step_s(plain, 200) for _ in range(_REPEATS))),
        "reset_us": round(1e6 * min(_reset_s(single) for _ in range(_REPEATS)), 1),
    }


def _vector_step_s(env: ExecutionVectorEnv, steps: int = 200) -> float:
    env.reset(seed=0)
    actions = np.random.default_rng(0).integers(env.grid.n, size=(steps, env.num_envs))
    started = time.thread_time()
    for row in actions:
        env.step(row)
    return (time.thread_time() - started) / steps


def _single_step_s(env: ExecutionEnv, steps: int = 2_000) -> float:
    """Seconds a step, resets not counted."""
    actions = np.random.default_rng(0).integers(env.grid.n, size=steps).tolist()
    env.reset(seed=0)
    spent = 0.0
    for action in actions:
        started = time.thread_time()
        ended = env.step(action)[2]
        spent += time.thread_time() - started
        if ended:
            env.reset()
    return spent / steps


def _reset_s(env: ExecutionEnv, resets: int = 200) -> float:
    env.reset(seed=0)
    started = time.thread_time()
    for _ in range(resets):
        env.reset()
    return (time.thread_time() - started) / resets


def _task(interval_ns: int, lots: int) -> ExecutionTask:
    return ExecutionTask(interval_ns * DECISIONS, DECISIONS, lots, latency_ns=interval_ns // 10, taker_fee_bps=0.3)


def flow_setting() -> Setting:
    """The example flow; its events a second are counted."""
    from sim.flow import simulate_flow
    from sim.flow_market import FlowMarket
    from sim.flow_params import FlowParams

    params, start_ns = FlowParams.example(), 1_772_463_600 * NS
    rows = simulate_flow(params, start_ns, start_ns + 600 * NS, seed=0, start_mid_ticks=1_000_000.0).height
    task = _task(int(600 * NS / rows * ROWS_A_STEP), 400)
    return Setting(lambda: FlowMarket(params, 1_000_000.0, task.episode_ns / NS + 1), task)


def hawkes_setting() -> Setting:
    """The example Hawkes book; its events a second are counted."""
    from sim.hawkes_book import simulate_hawkes_book
    from sim.hawkes_book_market import HawkesBookMarket
    from sim.hawkes_book_params import HawkesBookParams

    params, start_ns = HawkesBookParams.example(), 1_772_463_600 * NS
    rows = simulate_hawkes_book(params, start_ns, start_ns + 600 * NS, 0, 1_000_000.0).height
    task = _task(int(600 * NS / rows * ROWS_A_STEP), 400)
    return Setting(lambda: HawkesBookMarket(params, 1_000_000.0, task.episode_ns / NS + 1), task)


def linear_setting() -> Setting:
    """Linear impact; a decision a minute, the price without us moves every second."""
    from sim.impact_market import LinearImpactMarket
    from sim.impact_models import Decay, Propagator

    model, task = Propagator(5.0, 0.02, 0.05, (Decay(0.1, 0.2),)), _task(60 * NS, 4_000)
    horizon_s = task.episode_ns / NS + 1
    return Setting(
        lambda: LinearImpactMarket(model, start_mid_ticks=100_000.0, volatility_ticks=10.0, horizon_s=horizon_s), task
    )


def orders_setting() -> Setting:
    """A tape of single orders: AMZN where the file is here, else a simulated day."""
    return _replay(*(_lobster() or _simulated()), lots=2_000, opening=1_000)


def tape_settings() -> dict[str, Setting]:
    """``tape``: the one of single orders; Binance's by levels and by quotes where it is here."""
    settings = {"tape": orders_setting()}
    for name, actions in (("levels", ("L", "T", "R")), ("quotes", ("Q", "T"))):
        source = _binance(actions)
        if source is not None:
            settings[name] = _replay(*source, lots=2_000, opening=5_000)
    return settings


def _replay(frame: pl.DataFrame, spec: InstrumentSpec, lots: int, opening: int) -> Setting:
    """A tape whose first ``opening`` rows build the book."""
    from sim.replay_market import ReplayMarket

    clock = frame["ts_recv"].cum_max()
    bounds = int(clock[opening]), int(clock[-1])
    task = _task(int((bounds[1] - bounds[0]) / (frame.height - opening) * ROWS_A_STEP), lots)
    tape = ReplayMarket(frame, spec, bounds, task.episode_ns).tape
    return Setting(lambda: ReplayMarket(tape, spec, bounds, task.episode_ns), task)


def _binance(actions: tuple[str, ...]) -> tuple[pl.DataFrame, InstrumentSpec] | None:
    """The rows of some kinds of a capture of BTCUSDT."""
    import polars as pl

    from benchmarks.replay_sources import binance

    source = binance("usdm/btcusdt")
    return None if source is None else (source.rows.filter(pl.col("action").is_in(actions)), source.spec)


def _lobster() -> tuple[pl.DataFrame, InstrumentSpec] | None:
    from feeds.adapters.lobster import Lobster

    path = shared_root() / "lobster" / "LOBSTER_SampleFile_AMZN_2012-06-21_5.zip"
    if not path.is_file():
        return None
    adapter = Lobster()
    spec = adapter.default_spec("AMZN.NASDAQ")
    return adapter.parse({"zip": path}, spec, "2012-06-21").frame, spec


def _simulated() -> tuple[pl.DataFrame, InstrumentSpec]:
    from feeds.instruments import InstrumentSpec
    from sim.flow import simulate_flow
    from sim.flow_params import FlowParams

    params, start_ns = FlowParams.example(), 1_772_463_600 * NS
    frame = simulate_flow(params, start_ns, start_ns + 4 * 3_600 * NS, seed=0, start_mid_ticks=1_000_000.0)
    spec = InstrumentSpec(id="FLOW.SIM", tick_size=1e-4, lot_size=1, quote_increment_ticks=params.increment_ticks)
    return frame, spec
