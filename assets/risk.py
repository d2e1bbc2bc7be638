"""bars -> correlation_model; training_set -> anomaly_model -> anomaly_score; all risk forecasts -> risk_limits.

Here: thin assets by as-of date. Not here: the estimators (models/correlation, models/anomaly) and formulas
(models/limits.py), the gate that reads the limits (live/).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import dagster as dg

from assets.bars_window import bars_window
from assets.common import artefact_metadata, failures, plot_value, table_metadata, table_value
from assets.partitions import StudyPartitions
from assets.split import describe, load_dataset, test_start
from assets.store import StudyStore

if TYPE_CHECKING:
    import polars as pl

    from models.anomaly import AnomalyConfig
    from models.correlation import CorrelationConfig

GROUP = "risk"
OWNERS = ["team:risk"]


def build_risk(parts: StudyPartitions) -> list[dg.AssetsDefinition]:
    """The assets of this module for one study."""
    return [_correlation_model(parts), _anomaly_model(parts), _anomaly_score(parts), _risk_limits(parts)]


def correlation_config(store: StudyStore) -> CorrelationConfig:
    """The study's correlation settings as the models' frozen configuration."""
    from models.correlation import CorrelationConfig

    return CorrelationConfig(**store.config.models.correlation.model_dump())


def anomaly_config(store: StudyStore) -> AnomalyConfig:
    """The study's anomaly settings as the models' frozen configuration."""
    from models.anomaly import AnomalyConfig

    return AnomalyConfig(**store.config.models.anomaly.model_dump(), seed=store.config.seed)


def load_returns(store: StudyStore, date: str) -> tuple[pl.DataFrame, pl.DataFrame, tuple[str, ...], list[str]]:
    """Aligned log returns of the training window and of the test, the bars' ids, and the dates found.

    Raises:
        InsufficientDataError: There are no bars.
    """
    import polars as pl

    from models.correlation import log_returns

    window = bars_window(store, date)
    returns = log_returns(pl.concat(window.days), store.config.models.correlation.return_s)
    start = test_start(store, date)
    return returns.filter(pl.col("ts") <= start), returns.filter(pl.col("ts") > start), window.parents, window.dates


def _correlation_model(parts: StudyPartitions) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=parts.dates,
        deps=[dg.AssetDep("bars", partition_mapping=parts.same_date)],
        group_name=GROUP,
        kinds={"scikitlearn", "numpy"},
        owners=OWNERS,
        description="Correlation of the instruments' returns: sample, EWMA and Ledoit-Wolf, judged by Gaussian loss "
        "out of sample against independence.",
    )
    @failures
    def correlation_model(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        from models.correlation import correlation_frame, evaluate_correlation, fit_correlation
        from models.plots import UI_DPI, correlation_heatmap

        date = context.partition_key
        train, test, parents, dates = load_returns(store, date)
        model = fit_correlation(train, correlation_config(store))
        evaluation = evaluate_correlation(model, test)
        split = describe(store, date, dates)
        matrix, judged = correlation_frame(model), evaluation.table.select("model", "loss").drop_nulls()
        tree = {
            "matrix": matrix.to_dicts(),
            "table": evaluation.table.to_dicts(),
            "verdict": evaluation.verdict,
            "split": split,
        }
        manifest = store.artefacts.write(
            "model",
            "correlation_model",
            date,
            {"model.joblib": model.to_bytes(), "evaluation.json": json.dumps(tree, indent=1).encode()},
            parents=parents,
            params={"study": store.config.name, "split": split, **store.config.models.correlation.model_dump()},
            metrics={f"loss_{name}": loss for name, loss in judged.iter_rows()},
        )
        return dg.MaterializeResult(
            metadata={
                **artefact_metadata(manifest),
                "dagster/row_count": train.height,
                "verdict": evaluation.verdict,
                "rows": table_value(evaluation.table),
                "plot": plot_value(correlation_heatmap(matrix, dpi=UI_DPI), store),
            }
        )

    return correlation_model


def _anomaly_model(parts: StudyPartitions) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=parts.dates,
        deps=[dg.AssetDep("training_set", partition_mapping=parts.training_window)],
        group_name=GROUP,
        kinds={"scikitlearn"},
        owners=OWNERS,
        description="Isolation forest over the decision times of the training window; its threshold lets a stated "
        "share of them pass for unusual.",
    )
    @failures
    def anomaly_model(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        from models.anomaly import fit_anomaly

        date = context.partition_key
        data = load_dataset(store, date)
        model = fit_anomaly(data.train, anomaly_config(store))
        manifest = store.artefacts.write(
            "model",
            "anomaly_model",
            date,
            {"model.joblib": model.to_bytes()},
            parents=data.parents,
            params={"study": store.config.name, "split": data.description, **store.config.models.anomaly.model_dump()},
            metrics={"threshold": model.threshold},
            seed=store.config.seed,
        )
        return dg.MaterializeResult(
            metadata={
                **artefact_metadata(manifest),
                "dagster/row_count": data.train.height,
                "features": dg.MetadataValue.json(list(model.features)),
            }
        )

    return anomaly_model


def _anomaly_score(parts: StudyPartitions) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=parts.dates,
        deps=["anomaly_model", "feature_table"],
        group_name=GROUP,
        kinds={"scikitlearn", "parquet"},
        owners=OWNERS,
        description="How unusual each decision time of the date is, with the alarms and the feature behind each.",
    )
    @failures
    def anomaly_score(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        import polars as pl

        from models.anomaly import AnomalyModel, anomaly_episodes, anomaly_scores, anomaly_table, anomaly_verdict
        from models.plots import UI_DPI, anomaly_timeline

        date = context.partition_key
        trained = store.artefacts.current("anomaly_model", date)
        origin = store.lake.manifest("feature_table", date)
        model = AnomalyModel.from_bytes(store.artefacts.read(trained, "model.joblib"))
        rows = store.lake.read("feature_table", date)
        # Scored whole: the first row of the test needs the one before it.
        frame = anomaly_scores(model, rows, trained.id).filter(pl.col("ts") >= test_start(store, date))
        manifest = store.lake.write("anomaly_score", frame, date, parents=[trained.id, origin.id])
        table, episodes = anomaly_table(model, frame), anomaly_episodes(model, rows, frame)
        tree = {
            "table": table.to_dicts(),
            "episodes": episodes.to_dicts(),
            "verdict": anomaly_verdict(table),
            "split": trained.params["split"],
        }
        flagged = int(frame["is_anomaly"].sum())
        files = {"evaluation.json": json.dumps(tree, indent=1).encode()}
        store.artefacts.write(
            "result", "anomaly_score", date, files, parents=[manifest.id], metrics={"flagged": flagged}
        )
        return dg.MaterializeResult(
            metadata={
                **table_metadata(frame, manifest),
                "flagged": flagged,
                "episodes": table_value(episodes),
                "plot": plot_value(anomaly_timeline(frame, dpi=UI_DPI), store),
            }
        )

    return anomaly_score


def _risk_limits(parts: StudyPartitions) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=parts.dates,
        deps=[
            "volatility_forecast",
            "correlation_model",
            "anomaly_score",
            dg.AssetDep("bars", partition_mapping=parts.same_date),
        ],
        group_name=GROUP,
        kinds={"json"},
        owners=OWNERS,
        description="Position, order-size, price-collar and value-at-risk limits for the next session; forecasts only "
        "ever tighten them. The file a risk gate reads.",
    )
    @failures
    def risk_limits(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        from assets.limits import limits_of

        date = context.partition_key
        limits, parents = limits_of(store, date)
        manifest = store.lake.write("risk_limits", limits.frame, date, parents=parents)
        store.artefacts.write(
            "result", "risk_limits", date, {"limits.json": limits.to_json().encode()}, parents=[manifest.id]
        )
        return dg.MaterializeResult(
            metadata={**table_metadata(limits.frame, manifest), "limits": table_value(limits.frame)}
        )

    return risk_limits
