"""headlines -> sentiment; features + sentiment + signals -> feature_table -> training_set.

Here: thin assets by date. Not here: the joins (models/feature_table.py), the transformer (models/sentiment).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from assets.common import CARRY_THROUGH, CARRY_THROUGH_GATHERED, failures, plot_value, table_metadata
from assets.partitions import StudyPartitions
from assets.store import StudyStore
from assets.universe import universe_of
from feeds.schema import empty

if TYPE_CHECKING:
    import polars as pl

GROUP = "dataset"
OWNERS = ["team:alpha"]


def build_dataset(parts: StudyPartitions) -> list[dg.AssetsDefinition]:
    """The assets of this module for one study."""
    return [_sentiment(parts), _feature_table(parts), _training_set(parts)]


def _sentiment(parts: StudyPartitions) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=parts.dates,
        deps=["headlines"],
        group_name=GROUP,
        kinds={"torch", "huggingface"},
        owners=OWNERS,
        automation_condition=CARRY_THROUGH,
        description="Headlines scored by the all-MiniLM-L6-v2 transformer and the shipped sentiment head; each text is "
        "scored once and alone, so that a score never depends on its neighbours.",
    )
    @failures
    def sentiment(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        from models.plots import UI_DPI, sentiment_timeline
        from models.sentiment import head_id, score_headlines

        date = context.partition_key
        origin = store.lake.manifest("headlines", date)
        params = {"head": head_id()}
        frame = score_headlines(store.lake.read("headlines", date), known=scored_before(store, date, params))
        manifest = store.lake.write("sentiment", frame, date, parents=[origin.id], params=params)
        mean = frame["score"].mean() if frame.height else None
        return dg.MaterializeResult(
            metadata={
                **table_metadata(frame, manifest),
                "mean_score": float(mean) if isinstance(mean, float) else 0.0,
                "plot": plot_value(sentiment_timeline(frame, dpi=UI_DPI), store),
            }
        )

    return sentiment


def scored_before(store: StudyStore, date: str, params: dict[str, str]) -> pl.DataFrame | None:
    """Scores of the newest other date made by the same head: a text keeps its score, so most of a week is known."""
    earlier = [day for day in store.lake.dates("sentiment") if day < date]
    if not earlier or store.lake.manifest("sentiment", earlier[-1]).params != params:
        return None
    return store.lake.read("sentiment", earlier[-1])


def _feature_table(parts: StudyPartitions) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=parts.dates,
        deps=[
            dg.AssetDep("microstructure_features", partition_mapping=parts.same_date),
            "sentiment",
            "external_signals",
        ],
        group_name=GROUP,
        kinds={"duckdb", "parquet"},
        owners=OWNERS,
        automation_condition=CARRY_THROUGH_GATHERED,
        description="Market, text and alternative data fused point in time (ASOF on available_at) for the instruments "
        "of the date that passed their checks; the others are listed with the reason.",
    )
    @failures
    def feature_table(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        import polars as pl

        from models.feature_table import build_feature_table, feature_columns

        date, lake = context.partition_key, store.lake
        universe = universe_of(lake, store.config, date)
        universe.require(store.config.coverage, date)
        micro = pl.concat([lake.read("microstructure_features", date, name) for name in universe.included])
        parents = [lake.manifest("microstructure_features", date, name).id for name in universe.included]
        texts, signals = (_read_or_empty(store, table, date, parents) for table in ("sentiment", "external_signals"))
        frame = build_feature_table(micro, texts, signals, date)
        params = {"included": list(universe.included), "excluded": dict(universe.excluded)}
        manifest = lake.write("feature_table", frame, date, parents=parents, params=params)
        return dg.MaterializeResult(
            metadata={
                **table_metadata(frame, manifest),
                "features": len(feature_columns(frame)),
                "coverage": universe.coverage,
                "included": dg.MetadataValue.json(list(universe.included)),
                "excluded": dg.MetadataValue.json(dict(universe.excluded)),
            }
        )

    return feature_table


def _read_or_empty(store: StudyStore, table: str, date: str, parents: list[str]) -> pl.DataFrame:
    if not store.lake.exists(table, date):
        return empty(table)
    parents.append(store.lake.manifest(table, date).id)
    return store.lake.read(table, date)


def _training_set(parts: StudyPartitions) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=parts.dates,
        deps=["feature_table"],
        group_name=GROUP,
        kinds={"polars", "parquet"},
        owners=OWNERS,
        automation_condition=CARRY_THROUGH,
        description="The feature table with labels: mid-price returns in bps over the study's horizons, each with the "
        "time at which it is known.",
    )
    @failures
    def training_set(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        from models.feature_table import build_training_set

        date, study = context.partition_key, store.config
        origin = store.lake.manifest("feature_table", date)
        horizons = [study.label.horizon_ms, *study.label.more_horizons_ms]
        frame = build_training_set(store.lake.read("feature_table", date), horizons, study.costs.latency_ms)
        params = {"horizons_ms": horizons, "latency_ms": study.costs.latency_ms, **origin.params}
        manifest = store.lake.write("training_set", frame, date, parents=[origin.id], params=params)
        labelled = frame[f"label_{study.label.horizon_ms}ms_bps"].is_not_null().sum()
        return dg.MaterializeResult(metadata={**table_metadata(frame, manifest), "labelled_rows": int(labelled)})

    return training_set
