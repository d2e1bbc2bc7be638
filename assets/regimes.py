"""training_set -> regime_model -> regime_state: unsupervised market regimes by as-of date.

Here: thin assets. Not here: the mixture and its filter (models/regimes).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import dagster as dg

from assets.common import artefact_metadata, failures, plot_value, table_metadata, table_value
from assets.partitions import StudyPartitions
from assets.split import load_dataset, test_start
from assets.store import StudyStore

if TYPE_CHECKING:
    from models.regimes import RegimeConfig

GROUP = "risk"
OWNERS = ["team:risk"]


def build_regimes(parts: StudyPartitions) -> list[dg.AssetsDefinition]:
    """The assets of this module for one study."""
    return [_regime_model(parts), _regime_state(parts)]


def regime_config(store: StudyStore) -> RegimeConfig:
    """The study's regime settings as the models' frozen configuration."""
    from models.regimes import RegimeConfig

    return RegimeConfig(**store.config.models.regime.model_dump(), seed=store.config.seed)


def _regime_model(parts: StudyPartitions) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=parts.dates,
        deps=[dg.AssetDep("training_set", partition_mapping=parts.training_window)],
        group_name=GROUP,
        kinds={"scikitlearn"},
        owners=OWNERS,
        description="Gaussian mixture over volatility, spread, depth and activity; the number of regimes by BIC, calm "
        "to turbulent. Judged by its likelihood on rows it was not fitted on.",
    )
    @failures
    def regime_model(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        from models.regimes import evaluate_regimes, fit_regimes, regime_table

        date = context.partition_key
        data = load_dataset(store, date)
        model = fit_regimes(data.train, regime_config(store))
        evaluation = evaluate_regimes(model, data.test)
        table = regime_table(model, data.train)
        tree = {"table": table.to_dicts(), "verdict": evaluation.verdict, "split": data.description}
        manifest = store.artefacts.write(
            "model",
            "regime_model",
            date,
            {"model.joblib": model.to_bytes(), "evaluation.json": json.dumps(tree, indent=1).encode()},
            parents=data.parents,
            params={"study": store.config.name, "split": data.description, **store.config.models.regime.model_dump()},
            metrics=dict(evaluation.metrics),
            seed=store.config.seed,
        )
        return dg.MaterializeResult(
            metadata={
                **artefact_metadata(manifest),
                "dagster/row_count": data.train.height,
                "verdict": evaluation.verdict,
                "rows": table_value(table),
            }
        )

    return regime_model


def _regime_state(parts: StudyPartitions) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=parts.dates,
        deps=["regime_model", "feature_table"],
        group_name=GROUP,
        kinds={"numpy", "parquet"},
        owners=OWNERS,
        description="Filtered regime probabilities at each decision time of the date: a row's state depends on it and "
        "on earlier rows only.",
    )
    @failures
    def regime_state(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        import polars as pl

        from models.plots import UI_DPI, regime_ribbon
        from models.regimes import RegimeModel, regime_states

        date = context.partition_key
        trained = store.artefacts.current("regime_model", date)
        origin = store.lake.manifest("feature_table", date)
        model = RegimeModel.from_bytes(store.artefacts.read(trained, "model.joblib"))
        rows = store.lake.read("feature_table", date)
        frame = regime_states(model, rows, trained.id).filter(pl.col("ts") >= test_start(store, date))
        manifest = store.lake.write("regime_state", frame, date, parents=[trained.id, origin.id])
        prices = rows.select("ts", "symbol", "mid_ticks")
        return dg.MaterializeResult(
            metadata={
                **table_metadata(frame, manifest),
                "model": trained.id,
                "plot": plot_value(regime_ribbon(frame, prices, dpi=UI_DPI), store),
            }
        )

    return regime_state
