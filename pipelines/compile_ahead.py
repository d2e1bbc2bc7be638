"""Kernels that the nights of a run need, compiled by a second process while the first still brings in data.

Most of a first run is compiling, on one core. The second process plays a few steps in small markets of the same types,
so that the kernels lie in the cache (feeds/kernel_cache.py) when a night asks for them; what both happen to compile is
compiled twice and the same. Nothing depends on it: it says nothing, and where it fails the run compiles as ever.

Here: starting that process, what it plays. Not here: any kernel, the cache's folder.
"""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from feeds.kernel_cache import VARIABLE, sources_digest

#: Added to the numbers of the files this process writes: with numbers of their own, two processes that store different
#: signatures of a kernel at one moment cannot take each other's file for theirs.
_APART = 1_000
_START_NS = 1_772_463_600_000_000_000
_NS_PER_S = 1_000_000_000
_OPENING_ROWS = 500
_SESSION_S = 900


@contextmanager
def compiling_ahead(studies: Iterable[str]) -> Iterator[None]:
    """Compile in a second process as long as the block runs, where one of the studies executes in markets.

    Not on a single core, and not again once all was compiled.
    """
    from assets.parallel import cores
    from feeds.study import load_study

    mark = _mark()
    needed = any(load_study(study).execution is not None for study in studies)
    if not needed or mark is None or mark.exists() or cores() < 2:
        yield
        return
    # a fork would copy the locks of other libraries' threads as they happen to be held
    process = get_context("spawn").Process(target=_work, args=(mark,), daemon=True)
    try:
        process.start()
    except OSError:
        yield
        return
    try:
        yield
    finally:
        process.terminate()
        process.join()


def _mark() -> Path | None:
    """The file that says that everything was compiled; None where numba keeps its cache beside the sources."""
    folder = os.environ.get(VARIABLE)
    name = f"compiled_ahead-{sources_digest()}-{version('numba')}-{platform.python_version()}"
    return Path(folder) / name if folder else None


def _work(mark: Path) -> None:
    with Path(os.devnull).open("w") as nowhere, contextlib.suppress(Exception):
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
        os.dup2(nowhere.fileno(), sys.stderr.fileno())
        compile_all()
        mark.touch()


def compile_all() -> None:
    """Compile everything, what a run needs late first: the process that runs compiles from the other end."""
    _keep_files_apart()
    for play in PLAYS:
        play()


def _keep_files_apart() -> None:
    from numba.core.caching import IndexDataCacheFile

    named = IndexDataCacheFile._data_name

    def apart(self: Any, number: int) -> Any:
        return named(self, _APART + number)

    IndexDataCacheFile._data_name = apart  # type: ignore[method-assign]


def _replay() -> None:
    """Two orders in the replay of a simulated tape."""
    import polars as pl

    from feeds.instruments import InstrumentSpec
    from sim.flow import simulate_flow
    from sim.flow_params import FlowParams
    from sim.replay_market import ReplayMarket
    from sim.tape_kinds import prepare_any

    params = FlowParams.example()
    rows = simulate_flow(params, _START_NS, _START_NS + 120 * _NS_PER_S, seed=0, start_mid_ticks=1_000_000.0)
    tape = prepare_any(rows.filter(pl.col("ts_recv").cum_max() >= 0))
    spec = InstrumentSpec(id="FLOW.SIM", tick_size=1e-4, lot_size=1, quote_increment_ticks=params.increment_ticks)
    stamps = tape.events.ts_ns
    bounds = int(stamps[min(_OPENING_ROWS, stamps.size // 2)]), int(stamps[-1])
    _step(lambda episode_ns: ReplayMarket(tape, spec, bounds, episode_ns))


def _flow() -> None:
    """Two orders in the simulated flow."""
    from sim.flow_market import FlowMarket
    from sim.flow_params import FlowParams

    _step(lambda episode_ns: FlowMarket(FlowParams.example(), 1_000_000, episode_ns // _NS_PER_S + 1))


def _lobster() -> None:
    """Minutes of the simulated stocks, written and read back."""
    from dataclasses import replace
    from tempfile import TemporaryDirectory

    from feeds.adapters.lobster import Lobster
    from sim.demo_config import DemoConfig
    from sim.demo_market import FILES, generate
    from sim.flow_params import FlowParams

    whole = DemoConfig()
    short = replace(
        whole,
        name="short",
        dates=whole.dates[:1],
        instruments=whole.instruments[:1],
        correlation=((1.0,),),
        crash=None,
        session_s=_SESSION_S,
    )
    with TemporaryDirectory() as folder:
        generate(short, Path(folder), fitted=FlowParams.example())
        (day,) = (Path(folder) / FILES).rglob("*.zip")
        adapter = Lobster()
        adapter.parse({"zip": day}, adapter.default_spec("OAK.SIM"), short.dates[0])


def _step(make: Callable[[int], Any]) -> None:
    from sim.execution_task import ActionGrid, ExecutionTask
    from sim.vector_env import ExecutionVectorEnv

    task = ExecutionTask(horizon_ns=10 * _NS_PER_S, decisions=5, parent_lots=50)
    env = ExecutionVectorEnv(make(task.episode_ns), 2, task)
    env.reset(seed=0)
    env.step([0, ActionGrid().n - 1])


#: In this order.
PLAYS: tuple[Callable[[], None], ...] = (_replay, _flow, _lobster)
