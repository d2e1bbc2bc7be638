"""Judging a night's execution agents: every policy on the same parent orders, and what the figures say.

Here: assembling agents, rules, markets and statistics. Not here: the asset (assets/execution.py), statistics and words
(models/execution), environments (assets/execution_setup.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

from assets.execution_ablations import ABLATIONS
from assets.execution_forecasts import judged_forecasts, usual
from assets.execution_markets import prepared
from assets.execution_notes import notes_of
from assets.execution_setup import (
    CHAMPION,
    Parent,
    Replay,
    flow_env,
    grid_of,
    impact_of,
    judged_replay,
    observation_of,
    parents_of,
    rules,
    settings,
)
from assets.execution_training import agent_of, grid_known, load_agents, terms_of
from assets.parallel import Executor, Job, Tell, run_all
from assets.split import describe
from assets.store import StudyStore
from assets.tape import fit_date, fit_tape
from feeds.errors import LakeError
from feeds.manifest import Manifest
from feeds.registry import Registry
from feeds.study import Execution

if TYPE_CHECKING:
    import polars as pl

    from models.execution.protocol import ExecutionEnvLike, MakeEnv, Policy
    from sim.execution_env import ExecutionEnv
    from sim.forecast_series import Forecasts

#: Episodes whose states stand behind the policy heat map.
HEAT_EPISODES = 20
#: Where nights are judged that a cluster trains.
LOCAL: dict[Executor, Executor] = {"ray": "processes"}
#: Rules that stand beside the agents where a part of the market is switched off.
ABLATED_RULES = ("twap_taker", "twap_passive", "submit_and_leave")


@dataclass
class Played:
    """What was played.

    Attributes:
        rows: As from `models.execution.evaluation.evaluate`, markets ``replay`` and, where there is one, ``flow``.
        switched: The same with a part of the market switched off, market: name of the ablation; None without any.
        sources: Ids of what was read besides tonight's agents.
    """

    rows: pl.DataFrame
    switched: pl.DataFrame | None = None
    sources: list[str] = field(default_factory=list)


def contenders(
    store: StudyStore, date: str, policy: Manifest, without: Sequence[str] = ()
) -> tuple[list[Policy], list[str]]:
    """Tonight's agents, the champion's where an earlier night has one that knows these actions, and its id.

    Args:
        store: Of the study.
        date: As-of date.
        policy: Tonight's ``execution_policy``.
        without: Terms none of them sees.
    """
    shown = observation_of(settings(store)).terms
    agents = agents_among(store, policy, shown, without)
    incumbent = Registry(store.path).champion_before("execution", date)
    if incumbent is None or incumbent.model_id == policy.id:
        return agents, []
    try:
        champion = store.artefacts.manifests.get(incumbent.model_id)
        earlier = agents_among(store, champion, shown, without, CHAMPION)
    except LakeError:
        return agents, []
    return [*agents, *(earlier if grid_known(champion) == grid_known(policy) else [])], [champion.id]


def agents_among(
    store: StudyStore, manifest: Manifest, shown: Sequence[str], without: Sequence[str] = (), name: str = ""
) -> list[Policy]:
    """The agents of an ``execution_policy`` artefact, among environments that show certain terms.

    Args:
        store: Where the artefact lies.
        manifest: The artefact.
        shown: Terms that environments show; of others agents see the mean of their training.
        without: Terms none of them sees.
        name: Of the kind that stands for the artefact, the only one that is taken; empty: all, by their kind.

    Raises:
        LakeError: A file is missing or damaged.
    """
    from models.execution.dqn_policy import Agent
    from models.execution.narrowed import narrowed

    terms = terms_of(manifest)
    hidden = [*without, *(term for term in terms if term not in shown)]
    return [
        Agent(narrowed(one, terms, shown, hidden), seed, name or kind)
        for (kind, seed), one in load_agents(store, manifest).items()
        if not name or kind == agent_of(manifest)
    ]


def always(env: ExecutionEnvLike) -> MakeEnv:
    """A factory of one environment."""
    return lambda _: env


def play_all(store: StudyStore, date: str, policy: Manifest, tell: Tell = lambda line: None) -> Played:
    """Every policy on every parent order of all markets and cases: instrument by instrument, where the study says."""
    import polars as pl

    config = settings(store)
    sources = contenders(store, date, policy)[1]
    if config.sees_forecasts:
        sources += judged_forecasts(store, date)[1]
    jobs = [
        Job(f"judging {symbol}", play_instrument, (store.study, store.root, date, policy, list(parents)))
        for symbol, parents in groupby(parents_of(store, date), key=lambda parent: parent.symbol)
    ]
    # the study's folder lies on this machine, not on those of a cluster
    played: list[Played] = run_all(jobs, LOCAL.get(config.executor, config.executor), config.workers, tell)
    switched = [one.switched for one in played if one.switched is not None]
    sources += [source for one in played for source in one.sources]
    rows = pl.concat(one.rows for one in played)
    return Played(rows, pl.concat(switched) if switched else None, list(dict.fromkeys(sources)))


def play_instrument(
    study: str, root: str, date: str, policy: Manifest, parents: Sequence[Parent], *, tell: Tell
) -> Played:
    """The same of one instrument.

    Args:
        study: As `StudyStore.study`.
        root: As `StudyStore.root`.
        date: As-of date.
        policy: The night's ``execution_policy``.
        parents: The instrument's, one a case.
        tell: Takes progress.
    """
    import polars as pl

    from models.execution.evaluation import both_sides, evaluate

    store = StudyStore(study=study, root=root)
    config, symbol = settings(store), parents[0].symbol
    agents, _ = contenders(store, date, policy)
    known = judged_forecasts(store, date)[0] if config.sees_forecasts else {}
    replay = judged_replay(store, date, symbol, known.get(symbol))
    sources = [replay.tape.parent, store.lake.manifest("bars", fit_date(store, date), symbol).id]
    frames, switched = [], []
    for parent in parents:
        markets: dict[str, ExecutionEnv] = {"replay": replay.env(config, parent)}
        if config.simulates:
            markets["flow"] = flow_env(config, parent, shown_instead(known, parent))
        policies = [*rules(store, date, parent, grid_of(config).n), *agents]
        if config.fitted_rules:
            policies += fitted(store, date, parent, config)
        for market, env in markets.items():
            orders = both_sides(config.eval_episodes, store.config.seed, own_blocks=market == "flow")
            how: dict[str, Any] = {"case": parent.case, "block_ns": config.block_ns}
            frames.append(evaluate(always(env), policies, orders, market, counterfactual=True, **how))
            tell(f"{parent.case.label} in the {market}: {len(orders)} orders with {len(policies)} policies")
        switched += ablated(store, date, policy, parent, replay, policies)
    return Played(pl.concat(frames), pl.concat(switched) if switched else None, sources)


def shown_instead(known: dict[str, Forecasts], parent: Parent) -> Forecasts | None:
    """What a simulated market shows in place of forecasts."""
    return usual(known[parent.symbol]) if parent.symbol in known else None


def fitted(store: StudyStore, date: str, parent: Parent, config: Execution) -> list[Policy]:
    """Rules fitted in the market agents are trained in: the flow, or without it the tape before the test."""
    from models.execution.fitted_rules import fit_rules

    env = training_env(store, date, parent, config)
    return fit_rules(always(env), observation_of(config).terms).policies()


def training_env(store: StudyStore, date: str, parent: Parent, config: Execution) -> ExecutionEnv:
    """One order at a time in the market of before the test: the flow, or without it the replayed tape."""
    if config.simulates:
        return flow_env(config, parent)
    tape = fit_tape(store, date, parent.symbol, orders_only=False)
    flat = prepared(tape, until_ns=tape.bounds[1])
    return Replay(tape, flat, impact_of(store, date, parent.symbol)).env(config, parent)


def ablated(
    store: StudyStore, date: str, policy: Manifest, parent: Parent, replay: Replay, policies: Iterable[Policy]
) -> list[pl.DataFrame]:
    """The orders of the tape once more for each ablation of the study: the night's challenger, and some rules."""
    from models.execution.evaluation import both_sides, evaluate

    config, frames = settings(store), []
    kept = [one for one in policies if one.name in ABLATED_RULES]
    for name in config.ablations:
        one = ABLATIONS[name]
        env = replay.env(config.model_copy(update=dict(one.settings)), parent, **one.market())
        agents = agents_among(store, policy, observation_of(config).terms, one.without, agent_of(policy))
        orders = both_sides(config.eval_episodes, store.config.seed)
        frames.append(evaluate(always(env), [*kept, *agents], orders, name, case=parent.case, block_ns=config.block_ns))
    return frames


def ablation_table(played: Played) -> list[dict[str, Any]]:
    """Mean shortfall of each policy with a part of the market switched off, less that on the whole market."""
    import polars as pl

    from models.execution.comparison import changes

    if played.switched is None:
        return []
    table = changes(played.switched, played.rows.filter(pl.col("market") == "replay"))
    titles = {name: one.title for name, one in ABLATIONS.items()}
    what = pl.col("market").replace_strict(titles).alias("what")
    return table.with_columns(what).rename({"market": "ablation"}).to_dicts()


def judgement(store: StudyStore, date: str, policy: Manifest, played: Played) -> dict[str, Any]:
    """The evaluation as JSON: table, cases, headline, tests, fan, costs, learning, heat map, ablations, verdict."""
    from models.execution.cases import headline_of, policy_cases
    from models.execution.comparison import by_case, by_training_seed, summarise
    from models.execution.evaluation import cost_parts, inventory_fan
    from models.execution.seeds import over_seeds
    from models.execution.significance import significance
    from models.execution.verdict import headline_verdict, verdict

    rows, seed = played.rows, store.config.seed
    table, cases = summarise(rows, seed=seed), by_case(rows)
    tests = significance(rows, seed=seed)
    training = store.artefacts.read_json(policy, "training.json")
    named = list(policy.params.get("headline", []))
    headline, missing = headline_of(rows, named)
    every = len(headline) == rows["symbol"].n_unique()
    chosen = table if every else summarise(rows.filter(rows["symbol"].is_in(headline)), seed=seed)
    told = table.clear() if every else chosen
    said = headline_verdict(told, agent_of(policy), headline, missing) if named else ""
    return {
        "table": table.to_dicts(),
        "cases": cases.to_dicts(),
        "policy_cases": policy_cases(rows, seed=seed).to_dicts(),
        "headline": {"named": named, "instruments": headline, "table": chosen.to_dicts()},
        "by_seed": by_training_seed(rows).to_dicts(),
        "over_seeds": over_seeds(rows, seed=seed).to_dicts(),
        "tests": tests.to_dicts(),
        "fan": inventory_fan(rows).to_dicts(),
        "costs": cost_parts(rows).to_dicts(),
        "learning": training["learning"],
        "heat": heat_map(store, date, policy).to_dicts(),
        "ablations": ablation_table(played),
        "challenger": agent_of(policy),
        "verdict": verdict(
            table,
            cases.filter(cases["policy"] == agent_of(policy)),
            agents=tuple(policy.params["agents"]),
            tests=tests,
            headline=said,
        ),
        "split": describe(store, date, sorted({fit_date(store, date), date})),
        "notes": notes_of(settings(store), policy, training),
    }


def heat_map(store: StudyStore, date: str, policy: Manifest) -> pl.DataFrame:
    """Greedy actions of the challenger's first seed over the states it visits in the market it was trained in."""
    from models.execution.dqn_policy import Agent
    from models.execution.evaluation import both_sides, visited_states
    from models.execution.narrowed import narrowed
    from models.execution.policy_map import policy_map

    config = settings(store)
    parent = parents_of(store, date)[0]
    known = judged_forecasts(store, date)[0] if config.sees_forecasts else {}
    if config.simulates:
        env = flow_env(config, parent, shown_instead(known, parent))
    else:
        env = judged_replay(store, date, parent.symbol, known.get(parent.symbol)).env(config, parent)
    kind, shown = agent_of(policy), observation_of(config).terms
    seed, trained = next((seed, one) for (name, seed), one in load_agents(store, policy).items() if name == kind)
    terms = terms_of(policy)
    agent = narrowed(trained, terms, shown, [term for term in terms if term not in shown])
    states = visited_states(always(env), Agent(agent, seed), both_sides(HEAT_EPISODES, store.config.seed))
    names = [env.grid.describe(action) for action in range(env.grid.n)]
    return policy_map(agent, states, shown, names)
