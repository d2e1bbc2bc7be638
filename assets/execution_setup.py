"""What execution agents and rules of a night are trained and judged in: parent orders, markets, environments.

Here: assembling simulator and models, which do not know each other. Not here: the assets (assets/execution.py), the
environment (sim/execution_env.py), agents and rules (models/execution).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assets.execution_forecasts import FORECAST_TERMS
from assets.execution_markets import Impact, prepared, replay_market
from assets.simulator_setup import flow_generator, inside, load_flow, opening_mid
from assets.store import StudyStore
from assets.tape import Tape, fit_tape, judged_tape, tape_symbols
from feeds.errors import InsufficientDataError, StudyError, T2TError
from feeds.study import Execution

if TYPE_CHECKING:
    from models.execution.baselines import Profile
    from models.execution.protocol import Policy
    from sim.execution_env import ExecutionEnv
    from sim.execution_task import ExecutionTask
    from sim.forecast_series import Forecasts
    from sim.market import Market
    from sim.observation import ObservationSet
    from sim.tape_build import FlatTape

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
CHAMPION = "champion"


@dataclass(frozen=True)
class Parent:
    """The parent orders of one instrument.

    Attributes:
        symbol: Instrument.
        lots: Size of each.
        flow: Parameters of the calibrated market; None where no market is simulated.
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


@dataclass(frozen=True)
class Replay:
    """A tape made ready to execute in.

    Attributes:
        tape: Rows, units, bounds.
        flat: The rows made ready.
        impact: What takes do.
        forecasts: What is known of the future, point in time.
    """

    tape: Tape
    flat: FlatTape
    impact: Impact
    forecasts: Forecasts | None = None

    def env(self, config: Execution, lots: int, **options: Any) -> ExecutionEnv:
        """An environment of one order at a time; ``options`` are the market's."""
        from sim.execution_env import ExecutionEnv

        task = task_of(config, lots)
        market = replay_market(self.flat, self.tape, config, task.episode_ns, self.impact, **options)
        observation = observation_of(config)
        return ExecutionEnv(market, task, symbol=self.tape.symbol, observation=observation, forecasts=self.forecasts)


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


def observation_of(config: Execution) -> ObservationSet:
    """What agents are shown."""
    from sim.observation import OBSERVATION, ObservationSet

    return ObservationSet((*OBSERVATION, *FORECAST_TERMS) if config.sees_forecasts else OBSERVATION)


def parents_of(store: StudyStore, date: str) -> list[Parent]:
    """Parent orders of every calibrated instrument, sized by the volume that traded before the test begins.

    Without simulated markets: of every instrument whose tape can be replayed.

    Raises:
        InsufficientDataError: There is none.
    """
    config = settings(store)
    if config.simulates:
        generator = flow_generator(store, date).name
        return [
            _parent(config, fit_tape(store, date, symbol), flow, generator)
            for symbol, flow in load_flow(store, date).items()
        ]
    found, reasons = [], []
    for symbol in tape_symbols(store, date):
        try:
            found.append(_parent(config, fit_tape(store, date, symbol, orders_only=False)))
        except T2TError as error:
            reasons.append(f"{symbol}: {error}")
    if not found:
        raise InsufficientDataError(f"parent orders of {date}", "; ".join(reasons) or "no instrument", "one tape")
    return found


def _parent(config: Execution, tape: Tape, flow: Any = None, generator: str = "") -> Parent:
    import polars as pl

    rows = inside(tape.frame, tape.bounds)
    lots = int(rows.filter(pl.col("action").is_in(["F", "T"]))["size"].sum())
    if lots == 0:
        raise InsufficientDataError(f"parent orders of {tape.symbol}", "no trade", "trades before the test begins")
    stamps = rows["ts_recv"]
    seconds = max(1.0, (int(stamps.max()) - int(stamps.min())) / NS_PER_S)  # type: ignore[arg-type]
    usual = lots * config.horizon_s / seconds
    size = max(config.decisions, round(config.parent_share * usual))
    middle = sum(tape.bounds) // 2 // NS_PER_S * NS_PER_S
    mid = 0 if flow is None else int(opening_mid(tape.frame, middle))
    return Parent(tape.symbol, size, flow, mid, middle, generator)


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


def flow_market(config: Execution, parent: Parent) -> Market:
    """The calibrated market that parent orders of an instrument are worked in."""
    from sim.generators import GENERATORS

    # Whole seconds, and one to spare for the latency of the last instruction.
    horizon_s = task_of(config, parent.lots).episode_ns // NS_PER_S + 1
    make = GENERATORS[parent.generator].market
    assert make is not None, "agents train in a market to act in"
    return make(parent.flow, parent.start_mid_ticks, horizon_s, start_ns=parent.start_ns)


def flow_env(config: Execution, parent: Parent, forecasts: Forecasts | None = None) -> ExecutionEnv:
    """An environment over the calibrated order flow."""
    from sim.execution_env import ExecutionEnv

    return ExecutionEnv(
        flow_market(config, parent),
        task_of(config, parent.lots),
        symbol=parent.symbol,
        observation=observation_of(config),
        forecasts=forecasts,
    )


def judged_replay(store: StudyStore, date: str, parent: Parent, forecasts: Forecasts | None = None) -> Replay:
    """The night's unseen tape; what takes do to it was measured before it, in the training."""
    tape = judged_tape(store, date, parent.symbol, orders_only=False)
    return Replay(tape, prepared(tape), impact_of(store, date, parent.symbol), forecasts)


def impact_of(store: StudyStore, date: str, symbol: str) -> Impact:
    """What the training of ``date`` measured takes to do; nothing but consumed depth where it measured nothing."""
    if not store.artefacts.exists("execution_policy", date):
        return Impact(told="no training measured it")
    policy = store.artefacts.current("execution_policy", date)
    tree = store.artefacts.read_json(policy, "training.json").get("impact", {})
    return Impact.from_dict(tree[symbol]) if symbol in tree else Impact(told="the training did not measure it")


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
    from assets.execution_forecasts import judged_forecasts

    config = config or settings(store)
    forecasts = judged_forecasts(store, date)[0].get(parent.symbol) if config.sees_forecasts else None
    replay = judged_replay(store, date, parent, forecasts)
    return replay.env(config, parent.lots, **options), replay.tape.parent


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
    tape = fit_tape(store, date, parent.symbol, orders_only=False)
    return intraday_profile(store.lake.read("bars", tape.date, parent.symbol), config.horizon_s)
