"""alpha_forecast -> backtest -> nightly_report, and the warehouse they are published to.

Here: thin assets by date. Not here: the backtest (models/backtest.py), the page (models/report).
"""

from __future__ import annotations

import json

import dagster as dg

from assets.common import artefact_metadata, failures, plot_value, table_metadata
from assets.partitions import StudyPartitions
from assets.report import gather
from assets.store import StudyStore

GROUP = "evaluation"
OWNERS = ["team:research"]


def build_evaluation(parts: StudyPartitions) -> list[dg.AssetsDefinition]:
    """The assets of this module for one study."""
    return [_backtest(parts), _nightly_report()]


def _backtest(parts: StudyPartitions) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=parts.dates,
        deps=["alpha_forecast", "feature_table"],
        group_name=GROUP,
        kinds={"numpy", "parquet"},
        owners=OWNERS,
        description="The forecast traded at the quoted spread, fees and latency of the study, with and without cost.",
    )
    @failures
    def backtest(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        from assets.trials import count_trials
        from models.backtest import CostModel, PositionRule, run_backtest
        from models.plots import cumulative_return

        date, study = context.partition_key, store.config
        origins = [store.lake.manifest(table, date) for table in ("alpha_forecast", "feature_table")]
        market = store.lake.read("feature_table", date, columns=["ts", "symbol", "mid_ticks", "spread_bps"])
        costs = CostModel(study.costs.fee_bps, study.costs.half_spread, study.costs.latency_ms)
        result = run_backtest(
            store.lake.read("alpha_forecast", date),
            market,
            costs,
            PositionRule(horizon_ms=study.label.horizon_ms),
            n_trials=count_trials(store.lake, study.name),
        )
        parents = [origin.id for origin in origins]
        params = {"costs": study.costs.model_dump(), "horizon_ms": study.label.horizon_ms}
        manifest = store.lake.write("backtest", result.curve, date, parents=parents, params=params)
        content = {"summary": result.summary, "by_symbol": result.by_symbol.to_dicts()}
        files = {"backtest.json": json.dumps(content, indent=1).encode()}
        scalars = {key: value for key, value in result.summary.items() if isinstance(value, int | float)}
        store.artefacts.write("result", "backtest", date, files, parents=[manifest.id], metrics=scalars)
        return dg.MaterializeResult(
            metadata={
                **table_metadata(result.curve, manifest),
                **{key: float(value) for key, value in scalars.items()},
                "plot": plot_value(cumulative_return(result.curve, dpi=60)),
            }
        )

    return backtest


def _nightly_report() -> dg.AssetsDefinition:
    raise NotImplementedError
