"""What execution agents and rules of a night are trained and judged in: parent orders, markets, environments.

Here: assembling simulator and models, which do not know each other. Not here: the assets (assets/execution.py), the
environment (sim/execution_env.py), agents and rules (models/execution).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assets.simulator_setup import flow_generator, inside, load_flow, opening_mid
from assets.store import StudyStore
from assets.tape import fit_tape, judged_tape
from feeds.errors import StudyError
from feeds.study import Execution

if TYPE_CHECKING:
    from models.execution.baselines import Profile
    from models.execution.protocol import ExecutionEnvLike, Policy
    from sim.execution_env import ExecutionEnv
    from sim.execution_task import ExecutionTask

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
AGENT, CHAMPION = "dqn", "champion"


@dataclass(frozen=True)
class Parent:
    """The parent orders of one instrument.

    Attributes:
        symbol: Instrument.
        lots: Size of each.
        flow: Parameters of the calibrated market.
        start_mid_ticks: Where the simulated market starts.
        start_ns: When it starts: the middle of the period that was fitted, ns UTC, for rules that know the time of day.
        generator: The generator that ``flow`` belongs to, a name of sim/generators.py.
    """

    symbol: str
    lots: int
    flow: Any
    start_mid_ticks: int
    start_ns: int
    generator: str = "flow"


def settings(store: StudyStore) -> Execution:
    """The study's execution settings, with its own fee where they state none.

    Raises:
        StudyError: It has none.
    """
    config = store.config.execution
    if config is None:
        raise StudyError(f"study {store.config.name}", received="no key 'execution'", expected="one")
    stated = {"taker_fee_bps": config.taker_fee_bps, "maker_fee_bps": config.maker_fee_bps}
    return config.model_copy(
        update={name: store.config.costs.fee_bps if fee is None else fee for name, fee in stated.items()}
    )


def parents_of(store: StudyStore, date: str) -> list[Parent]:
    """Parent orders of every calibrated instrument, sized by the volume that traded before the test begins."""
    import polars as pl

    config = settings(store)
    found, generator = [], flow_generator(store, date).name
    for symbol, flow in load_flow(store, date).items():
        tape = fit_tape(store, date, symbol)
        rows = inside(tape.frame, tape.bounds)
        lots = int(rows.filter(pl.col("action").is_in(["F", "T"]))["size"].sum())
        stamps = rows["ts_recv"]
        seconds = max(1.0, (int(stamps.max()) - int(stamps.min())) / NS_PER_S)  # type: ignore[arg-type]
        usual = lots * config.horizon_s / seconds
        size = max(config.decisions, round(config.parent_share * usual))
        middle = sum(tape.bounds) // 2 // NS_PER_S * NS_PER_S
        found.append(Parent(symbol, size, flow, int(opening_mid(tape.frame, middle)), middle, generator))
    return found


def task_of(config: Execution, lots: int) -> ExecutionTask:
    """The simulator's task of a parent order."""
    from sim.execution_task import ExecutionTask

    return ExecutionTask(
        horizon_ns=config.horizon_s * NS_PER_S,
        decisions=config.decisions,
        parent_lots=lots,
        latency_ns=config.latency_ms * NS_PER_MS,
        taker_fee_bps=config.taker_fee_bps or 0.0,
        maker_fee_bps=config.maker_fee_bps or 0.0,
    )


def flow_env(config: Execution, parent: Parent) -> ExecutionEnv:
    """An environment over the calibrated order flow."""
    from sim.execution_env import ExecutionEnv
    from sim.generators import GENERATORS

    task = task_of(config, parent.lots)
    # Whole seconds, and one to spare for the latency of the last instruction.
    horizon_s = task.episode_ns // NS_PER_S + 1
    make = GENERATORS[parent.generator].market
    assert make is not None, "agents train in a market to act in"
    market = make(parent.flow, parent.start_mid_ticks, horizon_s, start_ns=parent.start_ns)
    return ExecutionEnv(market, task, symbol=parent.symbol)


def replay_env(
    store: StudyStore, date: str, parent: Parent, config: Execution | None = None, **options: Any
) -> tuple[ExecutionEnv, str]:
    """An environment over the night's unseen tape, and the id of its ticks.

    Args:
        store: Of the study.
        date: As-of date.
        parent: The order.
        config: Other settings than the study's: without fees, without latency.
        options: Of `sim.replay_market.ReplayMarket`.
    """
    from sim.execution_env import ExecutionEnv
    from sim.replay_market import ReplayMarket

    tape = judged_tape(store, date, parent.symbol)
    task = task_of(config or settings(store), parent.lots)
    market = ReplayMarket(tape.frame, tape.spec, tape.bounds, task.episode_ns, **options)
    return ExecutionEnv(market, task, symbol=parent.symbol), tape.parent


def training_factory(config: Execution, parents: Sequence[Parent]) -> Callable[[int], ExecutionEnvLike]:
    """Environment ``n`` of a training run: the instruments in turn."""
    return lambda number: flow_env(config, parents[number % len(parents)])


def rules(store: StudyStore, date: str, parent: Parent, actions: int) -> list[Policy]:
    """Every rule an agent is held against, calibrated on what was known before the test."""
    from models.execution.baselines import baselines

    config = settings(store)
    return baselines(
        actions,
        volume_profile(store, date, parent),
        config.urgency,
        participation=config.parent_share,
        interval_s=config.horizon_s / config.decisions,
    )


def volume_profile(store: StudyStore, date: str, parent: Parent) -> Profile:
    """Expected volume of each decision interval, from the minutes of the session that was fitted on."""
    from models.execution.volume_profile import intraday_profile

    config = settings(store)
    tape = fit_tape(store, date, parent.symbol)
    return intraday_profile(store.lake.read("bars", tape.date, parent.symbol), config.horizon_s)
