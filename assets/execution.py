"""simulator_calibration -> execution_policy -> execution_evaluation: agents trained in the simulator, beside rules.

Here: thin assets by as-of date. Not here: markets and environments (assets/execution_setup.py, sim/), agents, rules and
statistics (models/execution).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.common import artefact_metadata, failures, frame_of, plot_value, table_metadata, table_value
from assets.execution_setup import (
    AGENT,
    CHAMPION,
    Parent,
    flow_env,
    parents_of,
    replay_env,
    rules,
    settings,
    training_factory,
)
from assets.parallel import Job, Tell, run_all
from assets.partitions import StudyPartitions
from assets.split import describe
from assets.store import StudyStore
from assets.tape import fit_date
from feeds.errors import LakeError
from feeds.manifest import Manifest
from feeds.study import Execution

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from models.execution.dqn import TrainedDqn
    from models.execution.dqn_policy import DqnPolicy
    from models.execution.protocol import ExecutionEnvLike, MakeEnv, Policy

GROUP = "execution"
OWNERS = ["team:execution"]
#: Episodes whose states stand behind the policy heat map.
HEAT_EPISODES = 20
#: Settings that change where something is computed and nothing in what comes out, so no part of an artefact's id.
ELSEWHERE = ("executor", "workers")


def build_execution(parts: StudyPartitions) -> list[dg.AssetsDefinition]:
    """The assets of this module for one study; none where it has no order-by-order data to execute in."""
    return [_execution_policy(parts), _execution_evaluation(parts)] if parts.study.execution else []


def _execution_policy(parts: StudyPartitions) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=parts.dates,
        deps=["simulator_calibration"],
        group_name=GROUP,
        kinds={"torch"},
        owners=OWNERS,
        description="Double DQN agents, one a seed, trained on the calibrated order flow to minimise implementation "
        "shortfall. Short budget.",
    )
    @failures
    def execution_policy(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        from models.plots import UI_DPI, learning_curve

        date, config = context.partition_key, settings(store)
        calibration = store.artefacts.current("simulator_calibration", date)
        parents = parents_of(store, date)
        trained = train_all(config, parents, context.log.info)
        learning = learning_frame(trained)
        files = {f"policy_{seed}.npz": one.policy.to_bytes() for seed, one in trained.items()}
        metrics = {f"is_bps_end_seed_{seed}": last_mean(one) for seed, one in trained.items()}
        tree = {"learning": learning.to_dicts(), "parents": {parent.symbol: parent.lots for parent in parents}}
        manifest = store.artefacts.write(
            "model",
            "execution_policy",
            date,
            files | {"training.json": json.dumps(tree, indent=1).encode()},
            parents=[calibration.id],
            params={"study": store.config.name, **config.model_dump(mode="json", exclude=set(ELSEWHERE))},
            metrics=metrics,
            seed=config.seeds[0],
        )
        return dg.MaterializeResult(
            metadata={
                **artefact_metadata(manifest),
                "plot": plot_value(learning_curve(learning, dpi=UI_DPI), store),
            }
        )

    return execution_policy


def train_all(config: Execution, parents: Sequence[Parent], log: Tell) -> dict[int, TrainedDqn]:
    """One agent a training seed, where the study's executor says, with progress in the run's log."""
    jobs = (Job(f"training seed {seed}", train, (config, parents, seed)) for seed in config.seeds)
    return dict(zip(config.seeds, run_all(jobs, config.executor, config.workers, log), strict=True))


def train(config: Execution, parents: Sequence[Parent], seed: int, *, tell: Tell) -> TrainedDqn:
    """One agent; a tenth of the training a line of progress."""
    from models.execution.config import DqnConfig
    from models.execution.dqn import train_dqn

    factory = training_factory(config, parents)
    told = [0]

    def progress(done: int, total: int) -> None:
        if done * 10 // total > told[0]:
            told[0] = done * 10 // total
            tell(f"{done:,} of {total:,} environment steps")

    return train_dqn(factory, DqnConfig(steps=config.train_steps, seed=seed), progress)


def learning_frame(trained: dict[int, TrainedDqn]) -> pl.DataFrame:
    """Learning curves of all seeds."""
    import polars as pl

    from models.execution.evaluation import learning_curve

    return pl.concat([learning_curve(one.learning, "all", seed) for seed, one in trained.items()])


def last_mean(one: TrainedDqn) -> float:
    """Mean shortfall of the last tenth of the training episodes, exploration included."""
    tail = one.learning.tail(max(1, one.learning.height // 10))
    return float(tail["is_bps"].mean() or 0.0)  # type: ignore[arg-type]


def load_agents(store: StudyStore, manifest: Manifest) -> dict[int, DqnPolicy]:
    """The agents of an ``execution_policy`` artefact, by training seed."""
    from models.execution.dqn_policy import DqnPolicy

    return {
        seed: DqnPolicy.from_bytes(store.artefacts.read(manifest, f"policy_{seed}.npz"))
        for seed in manifest.params["seeds"]
    }


def _execution_evaluation(parts: StudyPartitions) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=parts.dates,
        deps=[
            "execution_policy",
            dg.AssetDep("clean_ticks", partition_mapping=parts.same_date),
            dg.AssetDep("bars", partition_mapping=parts.same_date),
        ],
        group_name=GROUP,
        kinds={"numba", "parquet"},
        owners=OWNERS,
        description="Implementation shortfall of agents and rules on the same parent orders, both sides: on the "
        "night's unseen tape and on the calibrated flow, with paired block-bootstrap intervals.",
    )
    @failures
    def execution_evaluation(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        from models.plots import UI_DPI, policy_heatmaps, schedule_fan, slippage_distribution

        date = context.partition_key
        policy = store.artefacts.current("execution_policy", date)
        rows, parents = play_all(store, date, policy)
        tree = judgement(store, date, policy, rows)
        manifest = store.lake.write(
            "execution_evaluation", rows.drop("inventory_path"), date, parents=[policy.id, *parents]
        )
        metrics = {f"is_bps_{line['policy']}": line["is_bps"] for line in tree["table"] if line["market"] == "replay"}
        files = {"evaluation.json": json.dumps(tree, indent=1).encode()}
        store.artefacts.write("result", "execution_evaluation", date, files, parents=[manifest.id], metrics=metrics)
        table, fan, heat = (frame_of(tree[name]) for name in ("table", "fan", "heat"))
        return dg.MaterializeResult(
            metadata={
                **table_metadata(rows, manifest),
                **metrics,
                "verdict": tree["verdict"],
                "rows": table_value(table),
                "plot": plot_value(slippage_distribution(rows, dpi=UI_DPI), store),
                "schedule_fan": plot_value(schedule_fan(fan, dpi=UI_DPI), store),
                "policy_heat_map": plot_value(policy_heatmaps(heat, dpi=UI_DPI), store),
            }
        )

    return execution_evaluation


def contenders(store: StudyStore, date: str, policy: Manifest) -> tuple[list[Policy], list[str]]:
    """Tonight's agents, the champion's where an earlier night has one that fits the environment, and its id."""
    from feeds.registry import Registry
    from models.execution.dqn_policy import Agent

    trained = load_agents(store, policy)
    agents: list[Policy] = [Agent(one, seed, AGENT) for seed, one in trained.items()]
    shapes = {one.shape for one in trained.values()}
    incumbent = Registry(store.path).champion_before("execution", date)
    if incumbent is not None and incumbent.model_id != policy.id:
        try:
            champion = store.artefacts.manifests.get(incumbent.model_id)
            earlier = load_agents(store, champion)
        except LakeError:
            return agents, []
        agents += [Agent(one, seed, CHAMPION) for seed, one in earlier.items() if one.shape in shapes]
        return agents, [champion.id]
    return agents, []


def always(env: ExecutionEnvLike) -> MakeEnv:
    """A factory of one environment."""
    return lambda _: env


def play_all(store: StudyStore, date: str, policy: Manifest) -> tuple[pl.DataFrame, list[str]]:
    """Every policy on every parent order of both markets, and the ids of champion, tapes and volume profiles."""
    import polars as pl

    from models.execution.evaluation import both_sides, evaluate

    config = settings(store)
    agents, ids = contenders(store, date, policy)
    frames = []
    for parent in parents_of(store, date):
        replay, tape_id = replay_env(store, date, parent)
        ids += [tape_id, store.lake.manifest("bars", fit_date(store, date), parent.symbol).id]
        policies = [*rules(store, date, parent, replay.grid.n), *agents]
        seed = store.config.seed
        for market, env in (("replay", replay), ("flow", flow_env(config, parent))):
            orders = both_sides(config.eval_episodes, seed, own_blocks=market == "flow")
            frames.append(evaluate(always(env), policies, orders, market, counterfactual=True))
    return pl.concat(frames), ids


def judgement(store: StudyStore, date: str, policy: Manifest, rows: pl.DataFrame) -> dict[str, Any]:
    """The evaluation as JSON: table, tests, fan, costs, learning, heat map, verdict."""
    from models.execution.comparison import by_case, by_training_seed, summarise
    from models.execution.evaluation import cost_parts, inventory_fan
    from models.execution.seeds import over_seeds
    from models.execution.significance import significance
    from models.execution.verdict import verdict

    config = settings(store)
    table, cases = summarise(rows, seed=store.config.seed), by_case(rows)
    tests = significance(rows, seed=store.config.seed)
    training = store.artefacts.read_json(policy, "training.json")
    sizes = ", ".join(f"{symbol} {lots:,} lots" for symbol, lots in training["parents"].items())
    return {
        "table": table.to_dicts(),
        "cases": cases.to_dicts(),
        "by_seed": by_training_seed(rows).to_dicts(),
        "over_seeds": over_seeds(rows, seed=store.config.seed).to_dicts(),
        "tests": tests.to_dicts(),
        "fan": inventory_fan(rows).to_dicts(),
        "costs": cost_parts(rows).to_dicts(),
        "learning": training["learning"],
        "heat": heat_map(store, date, policy).to_dicts(),
        "verdict": verdict(table, cases, agents=(AGENT,), tests=tests),
        "split": describe(store, date, sorted({fit_date(store, date), date})),
        "notes": [
            f"Parent orders of {config.horizon_s} s in {config.decisions} decisions, {config.parent_share:.0%} of the "
            f"volume usually traded in that time: {sizes}.",
            f"{config.eval_episodes} orders per instrument and market, half of them on either side; agents: "
            f"seeds {list(config.seeds)}, {config.train_steps:,} environment steps each, on the calibrated flow only.",
            "Replay: the unseen tape with our orders laid over it; depth we take comes back with a stated half-life "
            "and the tape's prices do not react. Flow: a simulated market in which everything reacts.",
        ],
    }


def heat_map(store: StudyStore, date: str, policy: Manifest) -> pl.DataFrame:
    """Greedy actions of the first agent over the states it visits on the calibrated flow."""
    from models.execution.dqn_policy import Agent
    from models.execution.evaluation import both_sides, visited_states
    from models.execution.policy_map import policy_map
    from sim.observation import OBSERVATION

    config = settings(store)
    parent = parents_of(store, date)[0]
    env = flow_env(config, parent)
    seed, agent = next(iter(load_agents(store, policy).items()))
    states = visited_states(always(env), Agent(agent, seed), both_sides(HEAT_EPISODES, store.config.seed))
    names = [env.grid.describe(action) for action in range(env.grid.n)]
    return policy_map(agent, states, OBSERVATION, names)


def paired_losses(store: StudyStore, date: str, champion: Manifest) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shortfall of tonight's agents and the champion's on the same orders of the unseen tape, with their blocks.

    Raises:
        LakeError: The champion was not judged on this night.
    """
    import polars as pl

    rows = store.lake.read("execution_evaluation", date).filter(pl.col("market") == "replay")
    order = ["symbol", "episode"]
    by_order = rows.group_by("policy", *order, "block", maintain_order=True).agg(pl.col("is_bps").mean())
    ours, theirs = (by_order.filter(pl.col("policy") == name) for name in (AGENT, CHAMPION))
    both = ours.join(theirs, on=order, how="inner", suffix="_champion").sort(order)
    if both.is_empty():
        raise LakeError(
            f"execution_evaluation of {date}",
            received=f"no orders worked by {champion.id}",
            remedy="Materialise execution_evaluation again: a champion has been recorded since.",
        )
    return both["is_bps"].to_numpy(), both["is_bps_champion"].to_numpy(), both["block"].to_numpy()
