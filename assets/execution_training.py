"""Training of execution agents: every agent and seed over all markets and instruments of a night at once.

Here: the vector environments of a training, one training, which agent is the night's challenger, agents read back. Not
here: agents (models/execution), single environments (assets/execution_setup.py), the asset (assets/execution.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from assets.execution_forecasts import over, training_forecasts, usual
from assets.execution_markets import Impact, measured_impact, prepared
from assets.execution_setup import Parent, Replay, flow_market, grid_of, longest_ns, observation_of, seen_by, task_of
from assets.parallel import Job, Tell, run_all
from assets.store import StudyStore
from assets.tape import fit_tape
from feeds.errors import InsufficientDataError, LakeError
from feeds.manifest import Manifest
from feeds.registry import Registry
from feeds.study import Execution

if TYPE_CHECKING:
    import polars as pl

    from models.execution.dqn import TrainedDqn
    from models.execution.narrowed import Trained
    from models.execution.ppo import TrainedPpo
    from models.execution.protocol import VectorEnvLike
    from sim.execution_task import ActionGrid
    from sim.forecast_series import Forecasts

    Result = TrainedDqn | TrainedPpo

Key = tuple[str, int]
#: Environment steps of PPO for each of DQN, where the study does not say: it learns less from a step, and cheaper.
PPO_STEPS_FACTOR = 10
#: Environment steps PPO plays between updates, about, and the fewest of each environment.
ROLLOUT_STEPS, LEAST_ROLLOUT = 2048, 8
#: Fewer orders' time of tape than this after the forecasts begin, and orders start before them.
LEAST_ORDERS_OF_TAPE = 4
#: Orders of each environment behind the choice of the challenger, and what its seed differs by from training seeds.
CHOICE_ROUNDS, CHOICE_SEED = 4, 1_000_003


@dataclass(frozen=True)
class TrainingMarkets:
    """What agents of a night are trained in.

    Attributes:
        config: The study's settings.
        parents: One an instrument and case.
        replays: Instrument -> the tape its market is fitted to; none where the study trains on the flow alone.
        forecasts: Instrument -> what its simulated market shows instead of forecasts.
        impact: Instrument -> what takes do to its tape.
        notes: What had to be left out, and why.
        sources: Ids of what was read.
    """

    config: Execution
    parents: tuple[Parent, ...]
    replays: Mapping[str, Replay] = field(default_factory=dict)
    forecasts: Mapping[str, Forecasts] = field(default_factory=dict)
    impact: Mapping[str, Impact] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of what agents are shown, in order."""
        return observation_of(self.config).terms

    def vector(self) -> VectorEnvLike:
        """All instruments in all markets and cases, about ``config.envs`` orders at once, alike many of each."""
        from models.execution.joined import Joined

        makers: list[Callable[[int], VectorEnvLike]] = []
        for parent in self.parents:
            if self.config.simulates:
                makers.append(_flow_maker(self.config, parent, self.forecasts.get(parent.symbol)))
            if parent.symbol in self.replays:
                makers.append(_replay_maker(self.config, parent, self.replays[parent.symbol]))
        each = max(1, self.config.envs // len(makers))
        return Joined([make(each) for make in makers])


def _flow_maker(config: Execution, parent: Parent, forecasts: Forecasts | None) -> Callable[[int], VectorEnvLike]:
    from assets.execution_setup import flow_env
    from models.execution.serial_vector import SerialVector
    from sim.market_kernels import KernelMarket
    from sim.vector_env import ExecutionVectorEnv

    market, task, grid = flow_market(config, parent), task_of(config, parent), grid_of(config)
    seen = seen_by(config, over(forecasts, parent.horizon_s))
    if isinstance(market, KernelMarket):
        return lambda n: ExecutionVectorEnv(market, n, task, grid, **seen)
    return lambda n: SerialVector(lambda _: flow_env(config, parent, forecasts), n)


def _replay_maker(config: Execution, parent: Parent, replay: Replay) -> Callable[[int], VectorEnvLike]:
    from sim.vector_env import ExecutionVectorEnv

    market, task, grid = replay.market(config), task_of(config, parent), grid_of(config)
    seen = seen_by(config, over(replay.forecasts, parent.horizon_s))
    return lambda n: ExecutionVectorEnv(market, n, task, grid, **seen)


def training_markets(store: StudyStore, date: str, config: Execution, parents: Sequence[Parent]) -> TrainingMarkets:
    """Simulated markets, and the tapes they are fitted to with their impact and forecasts, as the study asks for."""
    notes: list[str] = []
    found, since = None, 0
    if config.sees_forecasts:
        try:
            found = training_forecasts(store, date)
            since = found.since_ns
        except InsufficientDataError as error:
            config = config.model_copy(update={"forecasts": False})
            notes.append(f"Agents see no forecasts: {error}")
    replays, shown = {}, {}
    symbols = dict.fromkeys(parent.symbol for parent in parents)
    for symbol in symbols if "replay" in config.train_on else ():
        tape = fit_tape(store, date, symbol, orders_only=False)
        flat = prepared(tape, until_ns=tape.bounds[1])
        impact = measured_impact(flat, tape, config)
        if tape.bounds[1] - since > LEAST_ORDERS_OF_TAPE * longest_ns(config):
            tape = replace(tape, bounds=(max(since, tape.bounds[0]), tape.bounds[1]))
        told = found.by_symbol.get(symbol) if found else None
        replays[symbol] = Replay(tape, flat, impact, told)
        if told is not None:
            shown[symbol] = usual(told)
    return TrainingMarkets(
        config,
        tuple(parents),
        replays,
        shown,
        {symbol: replay.impact for symbol, replay in replays.items()},
        tuple(notes),
        (*(replay.tape.parent for replay in replays.values()), *(found.parents if found else ())),
    )


def train_all(markets: TrainingMarkets, starts: Mapping[Key, Trained], log: Tell) -> dict[Key, Result]:
    """One agent a kind and training seed, where the study's executor says, with progress in the run's log."""
    config = markets.config
    keys = [(kind, seed) for kind in config.agents for seed in config.seeds]
    jobs = (
        Job(f"training {kind}, seed {seed}", train, (markets, kind, seed, starts.get((kind, seed))))
        for kind, seed in keys
    )
    return dict(zip(keys, run_all(jobs, config.executor, config.workers, log), strict=True))


def train(markets: TrainingMarkets, kind: str, seed: int, start: Trained | None, *, tell: Tell) -> Any:
    """One agent, a `TrainedDqn` or `TrainedPpo`; a tenth of the training a line of progress.

    Args:
        markets: Made anew from their parameters, so that trainings share nothing.
        kind: ``dqn`` or ``ppo``.
        seed: Of the training.
        start: Weights to go on from.
        tell: Takes progress.
    """
    config, told = markets.config, [0]

    def progress(done: int, total: int) -> None:
        if done * 10 // total > told[0]:
            told[0] = done * 10 // total
            tell(f"{done:,} of {total:,} environment steps")

    env = markets.vector()
    if kind == "ppo":
        from models.execution.config import PpoConfig
        from models.execution.ppo import train_ppo

        steps = config.ppo_steps or PPO_STEPS_FACTOR * config.train_steps
        rollout = min(PpoConfig().rollout, max(LEAST_ROLLOUT, ROLLOUT_STEPS // env.num_envs))
        how = PpoConfig(steps=steps, seed=seed, layers=config.layers, rollout=rollout)
        return train_ppo(env, how, progress, start)  # type: ignore[arg-type]
    from models.execution.config import DqnConfig
    from models.execution.dqn import train_dqn

    settings = DqnConfig(steps=config.train_steps, seed=seed, layers=config.layers)
    return train_dqn(env, settings, progress, start)  # type: ignore[arg-type]


def learning_frame(trained: Mapping[Key, Result]) -> pl.DataFrame:
    """Learning curves of all agents and seeds; an agent is the column ``symbol``: it learns in all instruments."""
    import polars as pl

    from models.execution.evaluation import learning_curve

    # Agents do not end equally many orders; single ones scatter far more than anything that is learned.
    return pl.concat(
        learning_curve(one.learning, kind, seed, window=max(100, one.learning.height // 10))
        for (kind, seed), one in trained.items()
    )


def last_mean(one: Result) -> float:
    """Mean shortfall of the last tenth of the training episodes, exploration included."""
    tail = one.learning.tail(max(1, one.learning.height // 10))
    return float(tail["is_bps"].mean() or 0.0)  # type: ignore[arg-type]


def chosen_agent(markets: TrainingMarkets, trained: Mapping[Key, Result]) -> tuple[str, dict[str, float]]:
    """The night's challenger: cheapest over its seeds on fresh orders of the training markets; and all their means."""
    import numpy as np

    from models.execution.greedy import greedy_costs

    env, costs = markets.vector(), dict[str, list[float]]()
    for (kind, _), one in trained.items():
        seed = markets.config.seeds[0] + CHOICE_SEED
        costs.setdefault(kind, []).append(float(greedy_costs(env, one.policy, CHOICE_ROUNDS, seed).mean()))
    means = {kind: float(np.mean(values)) for kind, values in costs.items()}
    return min(means, key=lambda kind: means[kind]), means


def agent_file(kind: str, seed: int) -> str:
    """Name of an agent's file in the artefact."""
    return f"{kind}_{seed}.npz"


def terms_of(manifest: Manifest) -> tuple[str, ...]:
    """What the agents of an ``execution_policy`` artefact see; the default set where it does not say."""
    from sim.observation import OBSERVATION

    return tuple(manifest.params.get("terms", OBSERVATION))


def grid_known(manifest: Manifest) -> ActionGrid:
    """The actions that the agents of an ``execution_policy`` artefact know; the default grid where it does not say."""
    from sim.execution_task import ActionGrid

    said = {name: tuple(manifest.params[name]) for name in ("sizes", "styles") if name in manifest.params}
    return ActionGrid(**said)


def agent_of(manifest: Manifest) -> str:
    """The kind of agent of an ``execution_policy`` artefact that stands for it where one has to."""
    return str(manifest.params.get("agent", "dqn"))


def load_agents(store: StudyStore, manifest: Manifest) -> dict[Key, Trained]:
    """The agents of an ``execution_policy`` artefact by kind and training seed.

    Raises:
        LakeError: A file is missing or damaged.
    """
    from models.execution.dqn_policy import DqnPolicy
    from models.execution.ppo_policy import PpoPolicy

    readers: dict[str, Any] = {"dqn": DqnPolicy, "ppo": PpoPolicy}
    named = "terms" in manifest.params  # artefacts from before there were kinds hold one, under another name
    return {
        (kind, seed): readers[kind].from_bytes(
            store.artefacts.read(manifest, agent_file(kind, seed) if named else f"policy_{seed}.npz")
        )
        for kind in (manifest.params["agents"] if named else ["dqn"])
        for seed in manifest.params["seeds"]
    }


def starts_from(
    store: StudyStore, date: str, config: Execution, terms: Sequence[str]
) -> tuple[str, dict[Key, Trained]]:
    """The champion whose weights agents of ``date`` may go on from, and those that fit; seeds without an own one share.

    Only champions of earlier nights; actions and layers must be the same, and observations in name and order.
    """
    incumbent = Registry(store.path).champion_before("execution", date) if config.warm_start else None
    if incumbent is None:
        return "", {}
    try:
        champion = store.artefacts.manifests.get(incumbent.model_id)
        agents = load_agents(store, champion)
    except LakeError:
        return "", {}
    if terms_of(champion) != tuple(terms) or grid_known(champion) != grid_of(config):
        return "", {}
    fitting = {key: one for key, one in agents.items() if _fits(one, config)}
    found: dict[Key, Trained] = {}
    for kind in config.agents:
        seeds = [seed for name, seed in fitting if name == kind]
        for number, seed in enumerate(config.seeds if seeds else ()):
            found[kind, seed] = fitting[kind, seed if seed in seeds else seeds[number % len(seeds)]]
    return (champion.id if found else ""), found


def _fits(policy: Trained, config: Execution) -> bool:
    hidden = tuple(int(weight.shape[1]) for weight in policy.weights[:-1])
    return hidden == config.layers and policy.shape[1] == grid_of(config).n
