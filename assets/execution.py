"""simulator_calibration -> execution_policy -> execution_evaluation: agents trained in the simulator, beside rules.

Here: thin assets by as-of date. Not here: training (assets/execution_training.py), judging (assets/execution_judge.py),
markets and environments (assets/execution_setup.py, sim/), agents, rules and statistics (models/execution).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.common import artefact_metadata, failures, frame_of, plot_value, table_metadata, table_value
from assets.execution_judge import judgement, play_all
from assets.execution_setup import CHAMPION, parents_of, settings
from assets.execution_training import (
    TrainingMarkets,
    agent_file,
    agent_of,
    chosen_agent,
    last_mean,
    learning_frame,
    starts_from,
    train_all,
    training_markets,
)
from assets.partitions import StudyPartitions
from assets.store import StudyStore
from feeds.errors import LakeError
from feeds.manifest import Manifest

if TYPE_CHECKING:
    import numpy as np

GROUP = "execution"
OWNERS = ["team:execution"]
#: Settings that change where something is computed and nothing in what comes out, so no part of an artefact's id.
ELSEWHERE = ("executor", "workers")


def build_execution(parts: StudyPartitions) -> list[dg.AssetsDefinition]:
    """The assets of this module for one study; none where it does not execute."""
    return [_execution_policy(parts), _execution_evaluation(parts)] if parts.study.execution else []


def training_deps(parts: StudyPartitions) -> list[Any]:
    """What a training reads, by the study's settings."""
    config = parts.study.execution
    assert config is not None, "only studies that execute train agents"
    deps: list[Any] = ["simulator_calibration"] if config.simulates else []
    if "replay" in config.train_on:
        deps.append(dg.AssetDep("clean_ticks", partition_mapping=parts.same_date))
    if config.sees_forecasts:
        deps.append(dg.AssetDep("training_set", partition_mapping=parts.training_window))
        deps.append(dg.AssetDep("bars", partition_mapping=parts.same_date))
    return deps


def _execution_policy(parts: StudyPartitions) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=parts.dates,
        deps=training_deps(parts),
        group_name=GROUP,
        kinds={"torch"},
        owners=OWNERS,
        description="Double DQN and PPO agents, one a seed, trained to minimise implementation shortfall in all "
        "instruments at once: on the calibrated order flow, and on the tape it is fitted to with measured impact.",
    )
    @failures
    def execution_policy(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        from models.plots import UI_DPI, learning_curve

        date, config = context.partition_key, settings(store)
        markets = training_markets(store, date, config, parents_of(store, date))
        champion, starts = starts_from(store, date, config, markets.terms)
        trained = train_all(markets, starts, context.log.info)
        agent, means = chosen_agent(markets, trained)
        learning = learning_frame(trained)
        files = {agent_file(*key): one.policy.to_bytes() for key, one in trained.items()}
        metrics = {f"is_bps_end_{kind}_seed_{seed}": last_mean(one) for (kind, seed), one in trained.items()}
        calibration = [store.artefacts.current("simulator_calibration", date).id] if config.simulates else []
        manifest = store.artefacts.write(
            "model",
            "execution_policy",
            date,
            files | {"training.json": json.dumps(training_tree(markets, learning, means), indent=1).encode()},
            parents=[*calibration, *dict.fromkeys(markets.sources), *([champion] if champion else [])],
            params={
                "study": store.config.name,
                **config.model_dump(mode="json", exclude=set(ELSEWHERE)),
                "terms": list(markets.terms),
                "agent": agent,
                "started_from": champion,
            },
            metrics=metrics | {f"is_bps_fresh_{kind}": mean for kind, mean in means.items()},
            seed=config.seeds[0],
        )
        return dg.MaterializeResult(
            metadata={
                **artefact_metadata(manifest),
                "challenger": agent,
                "notes": dg.MetadataValue.json(list(markets.notes)),
                "impact": dg.MetadataValue.json({name: one.told for name, one in markets.impact.items()}),
                "plot": plot_value(learning_curve(learning, dpi=UI_DPI), store),
            }
        )

    return execution_policy


def training_tree(markets: TrainingMarkets, learning: Any, means: dict[str, float]) -> dict[str, Any]:
    """What a training was, as JSON: curves, orders, impact, the choice of the challenger."""
    return {
        "learning": learning.to_dicts(),
        "parents": {f"{parent.symbol} {parent.case.label}": parent.lots for parent in markets.parents},
        "impact": {symbol: one.to_dict() for symbol, one in markets.impact.items()},
        "fresh_orders_bps": means,
        "notes": list(markets.notes),
    }


def _execution_evaluation(parts: StudyPartitions) -> dg.AssetsDefinition:
    assert parts.study.execution is not None, "only studies that execute judge agents"
    forecasts = ["alpha_forecast", "volatility_forecast"] if parts.study.execution.sees_forecasts else []

    @dg.asset(
        partitions_def=parts.dates,
        deps=[
            "execution_policy",
            *forecasts,
            dg.AssetDep("clean_ticks", partition_mapping=parts.same_date),
            dg.AssetDep("bars", partition_mapping=parts.same_date),
        ],
        group_name=GROUP,
        kinds={"numba", "parquet"},
        owners=OWNERS,
        description="Implementation shortfall of agents and rules on the same parent orders, both sides: on the "
        "night's unseen tape with measured impact and on the calibrated flow, with paired block-bootstrap intervals.",
    )
    @failures
    def execution_evaluation(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        from models.plots import UI_DPI, case_heatmap, policy_heatmaps, schedule_fan, slippage_distribution

        date = context.partition_key
        policy = store.artefacts.current("execution_policy", date)
        played = play_all(store, date, policy, context.log.info)
        rows, tree = played.rows, judgement(store, date, policy, played)
        manifest = store.lake.write(
            "execution_evaluation", rows.drop("inventory_path"), date, parents=[policy.id, *played.sources]
        )
        metrics = {f"is_bps_{line['policy']}": line["is_bps"] for line in tree["table"] if line["market"] == "replay"}
        files = {"evaluation.json": json.dumps(tree, indent=1).encode()}
        store.artefacts.write("result", "execution_evaluation", date, files, parents=[manifest.id], metrics=metrics)
        names = ("table", "policy_cases", "fan", "heat", "ablations")
        table, cases, fan, heat, switched = (frame_of(tree[name]) for name in names)
        return dg.MaterializeResult(
            metadata={
                **table_metadata(rows, manifest),
                **metrics,
                "verdict": tree["verdict"],
                "rows": table_value(table),
                "ablations": table_value(switched),
                "plot": plot_value(slippage_distribution(rows, dpi=UI_DPI), store),
                "schedule_fan": plot_value(schedule_fan(fan, dpi=UI_DPI), store),
                "by_case": plot_value(case_heatmap(cases, dpi=UI_DPI), store),
                "headline": dg.MetadataValue.json(tree["headline"]["instruments"]),
                "policy_heat_map": plot_value(policy_heatmaps(heat, dpi=UI_DPI), store),
            }
        )

    return execution_evaluation


def paired_losses(
    store: StudyStore, date: str, challenger: Manifest, champion: Manifest
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shortfall of tonight's challenger and the champion on the same orders of the unseen tape, with their blocks.

    Raises:
        LakeError: The champion was not judged on this night.
    """
    import polars as pl

    rows = store.lake.read("execution_evaluation", date).filter(pl.col("market") == "replay")
    order = ["symbol", "episode"]
    by_order = rows.group_by("policy", *order, "block", maintain_order=True).agg(pl.col("is_bps").mean())
    ours, theirs = (by_order.filter(pl.col("policy") == name) for name in (agent_of(challenger), CHAMPION))
    both = ours.join(theirs, on=order, how="inner", suffix="_champion").sort(order)
    if both.is_empty():
        raise LakeError(
            f"execution_evaluation of {date}",
            received=f"no orders worked by {champion.id}",
            remedy="Materialise execution_evaluation again: a champion has been recorded since.",
        )
    return both["is_bps"].to_numpy(), both["is_bps_champion"].to_numpy(), both["block"].to_numpy()
