"""What execution agents and rules of a night are trained and judged in: parent orders, markets, environments.

Here: assembling simulator and models, which do not know each other. Not here: the assets (assets/execution.py), the
environment (sim/execution_env.py), agents and rules (models/execution).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assets.execution_forecasts import FORECAST_TERMS, over
from assets.execution_markets import Impact, measured_impact, prepared, replay_market
from assets.simulator_setup import flow_generator, inside, load_flow, opening_mid
from assets.store import StudyStore
from assets.tape import Tape, fit_date, fit_tape, judged_tape, tape_symbols
from feeds.errors import InsufficientDataError, StudyError, T2TError
from feeds.study import Execution
from feeds.study_execution import Case

if TYPE_CHECKING:
    from models.execution.baselines import Profile
    from models.execution.protocol import Policy
    from sim.execution_env import ExecutionEnv
    from sim.execution_task import ActionGrid, ExecutionTask
    from sim.fees import Fees
    from sim.forecast_series import Forecasts
    from sim.market import Market
    from sim.observation import ObservationSet
    from sim.replay_market import ReplayMarket
    from sim.tape_build import FlatTape

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
CHAMPION = "champion"
#: The term that tells orders of several horizons apart.
INTERVAL_TERM = "interval_s"


@dataclass(frozen=True)
class Parent:
    """The parent orders of one instrument and case.

    Attributes:
        symbol: Instrument.
        lots: Size of each.
        flow: Parameters of the calibrated market; None where no market is simulated.
        start_mid_ticks: Where the simulated market starts.
        start_ns: When it starts: the middle of the period that was fitted, ns UTC, for rules that know the time of day.
        generator: The generator that ``flow`` belongs to, a name of sim/generators.py.
        tick_size: Price of a tick.
        case: Their horizon and share of the usual volume.
    """

    symbol: str
    lots: int
    flow: Any
    start_mid_ticks: int
    start_ns: int
    generator: str = "flow"
    tick_size: float = 1.0
    case: Case = field(kw_only=True)

    @property
    def horizon_s(self) -> int:
        """Time each has."""
        return self.case.horizon_s

    @property
    def share(self) -> float:
        """Size as a share of the volume usually traded in that time."""
        return self.case.share


@dataclass(frozen=True)
class Replay:
    """A tape made ready to execute in.

    Attributes:
        tape: Rows, units, bounds.
        flat: The rows made ready.
        impact: What takes do.
        forecasts: What is known of the future, point in time, as from `assets.execution_forecasts.forecasts_of`.
        episode_ns: Time that is left wherever an order starts; 0: what the longest order of the settings needs. Where
            it is given orders start alike under other settings, without latency too.
    """

    tape: Tape
    flat: FlatTape
    impact: Impact
    forecasts: Forecasts | None = None
    episode_ns: int = 0

    def market(self, config: Execution, **options: Any) -> ReplayMarket:
        """A market for orders of every case; the longest fits wherever one starts, so that a seed starts all alike."""
        episode_ns = self.episode_ns or longest_ns(config)
        return replay_market(self.flat, self.tape, config, episode_ns, self.impact, **options)

    def env(self, config: Execution, parent: Parent, **options: Any) -> ExecutionEnv:
        """An environment of one order at a time; ``options`` are the market's."""
        from sim.execution_env import ExecutionEnv

        market, told = self.market(config, **options), over(self.forecasts, parent.horizon_s)
        return ExecutionEnv(market, task_of(config, parent), grid_of(config), parent.symbol, **seen_by(config, told))


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
    """What agents are shown: forecasts last, and the time between decisions where it is not the same in all cases."""
    from sim.observation import OBSERVATION, TERMS, ObservationSet

    terms = TERMS if config.observation == "full" else OBSERVATION
    more = (INTERVAL_TERM,) if len(config.horizons_s) > 1 and INTERVAL_TERM not in terms else ()
    known = tuple(name for name in terms if name not in FORECAST_TERMS)
    return ObservationSet((*known, *more, *(FORECAST_TERMS if config.sees_forecasts else ())))


def grid_of(config: Execution) -> ActionGrid:
    """What agents can ask for."""
    from sim.execution_task import ActionGrid

    return ActionGrid(config.sizes, config.styles)


def seen_by(config: Execution, forecasts: Forecasts | None) -> dict[str, Any]:
    """Terms and forecasts as environments take them."""
    return {"observation": observation_of(config), "forecasts": forecasts}


def parents_of(store: StudyStore, date: str) -> list[Parent]:
    """Parent orders of every calibrated instrument in all cases, sized by the volume traded before the test begins.

    Without simulated markets: of every instrument whose tape can be replayed. Cases of one instrument stand together.

    Raises:
        InsufficientDataError: There is none.
    """
    config, found = settings(store), list[Parent]()
    if config.simulates:
        generator = flow_generator(store, date).name
        for symbol, flow in load_flow(store, date).items():
            found += parents_on(config, fit_tape(store, date, symbol), flow, generator)
        return found
    reasons = []
    for symbol in tape_symbols(store, date):
        try:
            found += parents_on(config, fit_tape(store, date, symbol, orders_only=False))
        except T2TError as error:
            reasons.append(f"{symbol}: {error}")
    if not found:
        raise InsufficientDataError(f"parent orders of {date}", "; ".join(reasons) or "no instrument", "one tape")
    return found


def parents_on(config: Execution, tape: Tape, flow: Any = None, generator: str = "") -> list[Parent]:
    """Parent orders of one instrument, one a case, in the order of `feeds.study.Execution.cases`.

    Args:
        config: The study's settings.
        tape: What their sizes are measured on: it ends before the test begins.
        flow: Parameters of the simulated market, if there is one.
        generator: Its name.

    Raises:
        InsufficientDataError: Nothing traded.
    """
    import polars as pl

    rows = inside(tape.frame, tape.bounds)
    lots = int(rows.filter(pl.col("action").is_in(["F", "T"]))["size"].sum())
    if lots == 0:
        raise InsufficientDataError(f"parent orders of {tape.symbol}", "no trade", "trades before the test begins")
    stamps = rows["ts_recv"]
    seconds = max(1.0, (int(stamps.max()) - int(stamps.min())) / NS_PER_S)  # type: ignore[arg-type]
    middle = sum(tape.bounds) // 2 // NS_PER_S * NS_PER_S
    mid = 0 if flow is None else int(opening_mid(tape.frame, middle))
    sizes = [max(config.decisions, round(case.share * (lots * case.horizon_s / seconds))) for case in config.cases]
    return [
        Parent(tape.symbol, size, flow, mid, middle, generator, tape.spec.tick_size, case=case)
        for case, size in zip(config.cases, sizes, strict=True)
    ]


def longest_ns(config: Execution) -> int:
    """Time the longest order needs, its last instruction's latency included, ns."""
    return max(config.horizons_s) * NS_PER_S + config.latency_ms * NS_PER_MS


def task_of(config: Execution, parent: Parent) -> ExecutionTask:
    """The simulator's task of a parent order."""
    from sim.execution_task import ExecutionTask

    fees = _fees_of(config, parent)
    return ExecutionTask(
        horizon_ns=parent.horizon_s * NS_PER_S,
        decisions=config.decisions,
        parent_lots=parent.lots,
        latency_ns=config.latency_ms * NS_PER_MS,
        taker_fee_bps=(config.taker_fee_bps or 0.0) if fees is None else 0.0,
        maker_fee_bps=(config.maker_fee_bps or 0.0) if fees is None else 0.0,
        risk_aversion=config.risk_aversion,
        fees=fees,
    )


def _fees_of(config: Execution, parent: Parent) -> Fees | None:
    """The schedule of the instrument's venue; None where the study states none."""
    from sim.fees import Fees

    stated = config.fees.get(parent.symbol.rpartition(".")[2])
    if stated is None:
        return None
    # an amount per unit of size is a price: so many ticks, whatever a lot is
    ticks = (stated.taker_per_unit / parent.tick_size, stated.maker_per_unit / parent.tick_size)
    return Fees(stated.taker_bps, stated.maker_bps, *ticks)


def flow_market(config: Execution, parent: Parent) -> Market:
    """The calibrated market that parent orders of an instrument are worked in."""
    from sim.generators import GENERATORS

    # Whole seconds, and one to spare for the latency of the last instruction.
    horizon_s = longest_ns(config) // NS_PER_S + 1
    make = GENERATORS[parent.generator].market
    assert make is not None, "agents train in a market to act in"
    return make(parent.flow, parent.start_mid_ticks, horizon_s, start_ns=parent.start_ns)


def flow_env(config: Execution, parent: Parent, forecasts: Forecasts | None = None) -> ExecutionEnv:
    """An environment over the calibrated order flow; ``forecasts`` as for `Replay`."""
    from sim.execution_env import ExecutionEnv

    told = over(forecasts, parent.horizon_s)
    return ExecutionEnv(
        flow_market(config, parent), task_of(config, parent), grid_of(config), parent.symbol, **seen_by(config, told)
    )


def judged_replay(store: StudyStore, date: str, symbol: str, forecasts: Forecasts | None = None) -> Replay:
    """The night's unseen tape; what takes do to it was measured before it, in the training."""
    tape = judged_tape(store, date, symbol, orders_only=False)
    return Replay(tape, prepared(tape), impact_of(store, date, symbol), forecasts, longest_ns(settings(store)))


def impact_of(store: StudyStore, date: str, symbol: str) -> Impact:
    """What the training of ``date`` measured takes to do; nothing but consumed depth where it measured nothing.

    Without a training, where agents of another study are judged, it is measured as a training would.
    """
    if not store.artefacts.exists("execution_policy", date):
        tape = fit_tape(store, date, symbol, orders_only=False)
        return measured_impact(prepared(tape, until_ns=tape.bounds[1]), tape, settings(store))
    policy = store.artefacts.current("execution_policy", date)
    tree = store.artefacts.read_json(policy, "training.json").get("impact", {})
    return Impact.from_dict(tree[symbol]) if symbol in tree else Impact(told="the training did not measure it")


def rules(store: StudyStore, date: str, parent: Parent, actions: int) -> list[Policy]:
    """Every rule an agent is held against, calibrated on what was known before the test."""
    from models.execution.baselines import baselines

    config = settings(store)
    return baselines(
        actions,
        volume_profile(store, date, parent),
        config.urgency,
        participation=parent.share,
        interval_s=parent.horizon_s / config.decisions,
    )


def volume_profile(store: StudyStore, date: str, parent: Parent) -> Profile:
    """Expected volume of each decision interval, from the minutes of the session that was fitted on."""
    from models.execution.volume_profile import intraday_profile

    return intraday_profile(store.lake.read("bars", fit_date(store, date), parent.symbol), parent.horizon_s)
