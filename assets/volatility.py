"""bars -> volatility_model -> volatility_forecast.

Here: thin assets by as-of date. Not here: HAR, EWMA, QLIKE (models/volatility, models/metrics).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import dagster as dg

from assets.bars_window import bars_window
from assets.common import artefact_metadata, failures, plot_value, table_metadata, table_value
from assets.partitions import StudyPartitions
from assets.split import describe, test_start
from assets.store import StudyStore

if TYPE_CHECKING:
    import polars as pl

    from models.volatility import VolatilityConfig

GROUP = "risk"
OWNERS = ["team:risk"]


def build_volatility(parts: StudyPartitions) -> list[dg.AssetsDefinition]:
    """The assets of this module for one study."""
    return [_volatility_model(parts), _volatility_forecast(parts)]


def volatility_config(store: StudyStore) -> VolatilityConfig:
    """The study's volatility settings as the models' frozen configuration."""
    from models.volatility import VolatilityConfig

    return VolatilityConfig(**store.config.models.volatility.model_dump())


def load_blocks(store: StudyStore, date: str) -> tuple[pl.DataFrame, tuple[str, ...], list[str]]:
    """Variance blocks of the training window and of ``date``, the bars' ids, and the dates found."""
    import polars as pl

    from models.volatility import block_variance

    window = bars_window(store, date)
    block_s = store.config.models.volatility.block_s
    blocks = [
        block_variance(bars, block_s).with_columns(*(pl.lit(bars[name][0]).alias(name) for name in ("symbol", "date")))
        for bars in window.days
    ]
    return pl.concat(blocks), window.parents, window.dates


def _volatility_model(parts: StudyPartitions) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=parts.dates,
        deps=[dg.AssetDep("bars", partition_mapping=parts.same_date)],
        group_name=GROUP,
        kinds={"numpy"},
        owners=OWNERS,
        description="Intraday HAR on 5-minute realised variance against EWMA, judged by QLIKE out of sample; a daily "
        "HAR only where there are enough days.",
    )
    @failures
    def volatility_model(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        import polars as pl

        from models.volatility import evaluate_volatility, fit_volatility, forecast_volatility

        date = context.partition_key
        blocks, parents, dates = load_blocks(store, date)
        start = test_start(store, date)
        model = fit_volatility(blocks.filter(pl.col("ts") <= start), volatility_config(store))
        judged = forecast_volatility(model, blocks).filter(pl.col("ts") >= start)
        evaluation = evaluate_volatility(judged)
        split = describe(store, date, dates)
        rows = evaluation.table.to_dicts()
        tree = {
            "table": rows,
            "verdict": evaluation.verdict,
            "split": split,
            "notes": model.notes,
        }
        metrics = {f"qlike_{row['model']}": row["qlike"] for row in rows if row["qlike"] is not None}
        manifest = store.artefacts.write(
            "model",
            "volatility_model",
            date,
            {"model.joblib": model.to_bytes(), "evaluation.json": json.dumps(tree, indent=1).encode()},
            parents=parents,
            params={
                "study": store.config.name,
                "split": split,
                **store.config.models.volatility.model_dump(),
            },
            metrics=metrics,
            seed=store.config.seed,
        )
        return dg.MaterializeResult(
            metadata={
                **artefact_metadata(manifest),
                "dagster/row_count": blocks.height,
                "split": split,
                "notes": dg.MetadataValue.json(list(model.notes)),
                "rows": table_value(evaluation.table),
            }
        )

    return volatility_model


def _volatility_forecast(parts: StudyPartitions) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=parts.dates,
        deps=["volatility_model", dg.AssetDep("bars", partition_mapping=parts.same_date)],
        group_name=GROUP,
        kinds={"numpy", "parquet"},
        owners=OWNERS,
        description="Variance forecasts for the next block, per instrument, with what was realised where it is known.",
    )
    @failures
    def volatility_forecast(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        import polars as pl

        from models.plots import UI_DPI
        from models.plots import volatility_forecast as plot
        from models.volatility import VolatilityModel, forecast_volatility

        date = context.partition_key
        trained = store.artefacts.current("volatility_model", date)
        blocks, _, _ = load_blocks(store, date)
        model = VolatilityModel.from_bytes(store.artefacts.read(trained, "model.joblib"))
        frame = forecast_volatility(model, blocks).filter(pl.col("ts") >= test_start(store, date))
        frame = frame.with_columns(pl.lit(trained.id).alias("model_id"))
        manifest = store.lake.write("volatility_forecast", frame, date, parents=[trained.id])
        return dg.MaterializeResult(
            metadata={
                **table_metadata(frame, manifest),
                "model": trained.id,
                "plot": plot_value(plot(frame, dpi=UI_DPI), store),
            },
        )

    return volatility_forecast
