"""training_set -> alpha_model -> alpha_forecast.

Here: thin assets by as-of date. Not here: estimators and statistics (models/alpha, models/metrics).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.common import artefact_metadata, failures, plot_value, table_metadata, table_value
from assets.partitions import StudyPartitions
from assets.split import load_dataset
from assets.store import StudyStore

if TYPE_CHECKING:
    import polars as pl

    from models.alpha import AlphaConfig

GROUP = "alpha"
OWNERS = ["team:alpha"]
#: Blocks over which the IC series is computed.
IC_BLOCK_MS = 15 * 60_000


def build_alpha(parts: StudyPartitions) -> list[dg.AssetsDefinition]:
    """The assets of this module for one study."""
    return [_alpha_model(parts), _alpha_forecast(parts)]


def alpha_config(store: StudyStore, seed: int | None = None) -> AlphaConfig:
    """The study's alpha settings as the models' frozen configuration."""
    from models.alpha import AlphaConfig

    settings = store.config.models.alpha.model_dump()
    return AlphaConfig(**settings, seed=store.config.seed if seed is None else seed)


class AlphaModelConfig(dg.Config):
    """Launchpad settings of alpha_model.

    Attributes:
        seed: Overrides the study's seed where given.
    """

    seed: int | None = None


def _alpha_model(parts: StudyPartitions) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=parts.dates,
        deps=[dg.AssetDep("training_set", partition_mapping=parts.training_window)],
        group_name=GROUP,
        kinds={"scikitlearn"},
        owners=OWNERS,
        description="Gradient boosting beside its controls: naive (training mean), linear (ridge) and the same "
        "boosting on shuffled labels. Judged out of sample only.",
    )
    @failures
    def alpha_model(
        context: dg.AssetExecutionContext, config: AlphaModelConfig, store: StudyStore
    ) -> dg.MaterializeResult:
        from models.alpha import evaluate_alpha, fit_alpha, permutation_importance
        from models.feature_table import feature_columns
        from models.features.groups import feature_groups
        from models.metrics.bootstrap import Bootstrap
        from models.plots import UI_DPI, grouped_importance, ic_series

        date, study = context.partition_key, store.config
        data = load_dataset(store, date)
        settings = alpha_config(store, config.seed)
        label = f"label_{study.label.horizon_ms}ms_bps"
        model = fit_alpha(data.train, feature_columns(data.train), label, settings)
        evaluation = evaluate_alpha(model, data.test, block_ms=_block_ms(data.test))
        horizons = horizon_table(model, data.test, [study.label.horizon_ms, *study.label.more_horizons_ms])
        importance = permutation_importance(
            model,
            data.test,
            feature_groups(model.features),
            seed=settings.seed,
            bootstrap=Bootstrap(evaluation.bootstrap_block_ms),
        )
        content = evaluation_json(evaluation, data.description, horizons, importance)
        headline = headline_metrics(evaluation.table)
        manifest = store.artefacts.write(
            "model",
            "alpha_model",
            date,
            {"model.joblib": model.to_bytes(), "evaluation.json": content},
            parents=data.parents,
            params={
                "study": study.name,
                "label": label,
                "features": list(model.features),
                "split": data.description,
            }
            | study.models.alpha.model_dump(mode="json"),
            metrics=headline,
            seed=settings.seed,
        )
        record_trials(store, date, manifest.id, evaluation.table, label)
        return dg.MaterializeResult(
            metadata={
                **artefact_metadata(manifest),
                "dagster/row_count": data.train.height,
                "test_rows": data.test.height,
                "split": data.description,
                "rows": table_value(evaluation.table),
                "plot": plot_value(ic_series(evaluation.ic_series, dpi=UI_DPI), store),
                "importance": plot_value(grouped_importance(importance, dpi=UI_DPI), store),
            }
        )

    return alpha_model


def _block_ms(test: pl.DataFrame) -> int:
    span_ms = (int(test["ts"].max()) - int(test["ts"].min())) // 1_000_000  # type: ignore[arg-type]
    return min(IC_BLOCK_MS, max(1_000, span_ms // 8))


def headline_metrics(table: pl.DataFrame) -> dict[str, float]:
    """The judged figures of gradient boosting, by name."""
    row = next((row for row in table.to_dicts() if row["row"] == "gradient_boosting"), None)
    wanted = ("ic", "ic_low", "ic_high", "rank_ic", "r2", "hit_rate")
    return {key: float(row[key]) for key in wanted if row and row.get(key) is not None}


def evaluation_json(evaluation: Any, description: str, horizons: pl.DataFrame, importance: pl.DataFrame) -> bytes:
    """The evaluation's frames as JSON records."""
    frames = ("table", "ic_series", "calibration", "quantile_returns")
    tree = {name: getattr(evaluation, name).to_dicts() for name in frames}
    tree |= {"horizons": horizons.to_dicts(), "importance": importance.to_dicts()}
    tree |= {"verdict": evaluation.verdict, "split": description}
    return json.dumps(tree, indent=1).encode()


def horizon_table(model: Any, test: pl.DataFrame, horizons_ms: list[int]) -> pl.DataFrame:
    """IC of the gradient-boosting forecast against every labelled horizon."""
    import polars as pl

    from models.metrics.forecast import information_coefficient, rank_ic

    row = "gradient_boosting" if "gradient_boosting" in model.rows else next(iter(model.rows))
    forecast = model.predict(test, row)
    records = []
    for horizon in horizons_ms:
        realised = test[f"label_{horizon}ms_bps"].to_numpy()
        records.append(
            {
                "horizon_s": horizon / 1000,
                "ic": information_coefficient(forecast, realised),
                "rank_ic": rank_ic(forecast, realised),
            }
        )
    return pl.DataFrame(records)


def record_trials(store: StudyStore, date: str, model_id: str, table: pl.DataFrame, label: str) -> None:
    """Append the rows tried tonight to the registry from which a deflated Sharpe ratio counts its trials."""
    import polars as pl

    trials = table.select(
        pl.lit(store.config.name).alias("study"),
        pl.lit(date).alias("date"),
        pl.lit(model_id).alias("model_id"),
        pl.lit(label).alias("label"),
        pl.col("row"),
        pl.col("ic"),
    )
    store.lake.write("trials", trials, date, model_id, parents=[model_id])


def _alpha_forecast(parts: StudyPartitions) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=parts.dates,
        deps=["alpha_model", "feature_table"],
        group_name=GROUP,
        kinds={"scikitlearn", "parquet"},
        owners=OWNERS,
        description="Out-of-sample forecasts of the date in bps over the study's horizon, each with the id of the "
        "model that made it.",
    )
    @failures
    def alpha_forecast(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        import polars as pl

        from assets.split import test_start
        from models.alpha import AlphaModel, forecast

        date = context.partition_key
        trained = store.artefacts.current("alpha_model", date)
        origin = store.lake.manifest("feature_table", date)
        model = AlphaModel.from_bytes(store.artefacts.read(trained, "model.joblib"))
        rows = store.lake.read("feature_table", date).filter(pl.col("ts") >= test_start(store, date))
        frame = forecast(model, rows, trained.id)
        manifest = store.lake.write("alpha_forecast", frame, date, parents=[trained.id, origin.id])
        return dg.MaterializeResult(
            metadata={**table_metadata(frame, manifest), "model": trained.id},
        )

    return alpha_forecast
