"""alpha_forecast -> backtest -> nightly_report, and the warehouse they are published to.

Here: thin assets by date. Not here: the backtest (models/backtest.py), the page (models/report).
"""

from __future__ import annotations

import json

import dagster as dg

from assets.common import artefact_metadata, failures, plot_value, table_metadata
from assets.partitions import StudyPartitions
from assets.report import Gathered, gather
from assets.store import StudyStore

GROUP = "evaluation"
OWNERS = ["team:research"]


def build_evaluation(parts: StudyPartitions) -> list[dg.AssetsDefinition]:
    """The assets of this module for one study."""
    return [_backtest(parts), _nightly_report(parts)]


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
        from models.plots import UI_DPI, cumulative_return

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
                "plot": plot_value(cumulative_return(result.curve, dpi=UI_DPI)),
            }
        )

    return backtest


def _nightly_report(parts: StudyPartitions) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=parts.dates,
        deps=["backtest", "alpha_model", "volatility_forecast", "feature_table"],
        group_name=GROUP,
        kinds={"html", "json"},
        owners=OWNERS,
        description="One self-contained HTML page a night and a JSON file with the same numbers: provenance, tables, "
        "plots. Also publishes the DuckDB warehouse.",
    )
    @failures
    def nightly_report(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        from feeds.manifest import write_atomically
        from feeds.warehouse import publish
        from models.report import build_report, render_html, render_json

        date = context.partition_key
        gathered = gather(store, date)
        content = build_report(gathered.inputs)
        files = {"report.html": render_html(content).encode(), "report.json": render_json(content).encode()}
        manifest = store.artefacts.write(
            "report",
            "nightly_report",
            date,
            files,
            parents=gathered.parents,
            params={"study": store.config.name},
            metrics={"html_kb": len(files["report.html"]) / 1024},
        )
        folder = store.path / "reports" / date
        for name, text in files.items():
            write_atomically(folder / name, text)
        publish(store.path)
        return dg.MaterializeResult(
            metadata={
                **artefact_metadata(manifest),
                "report": dg.MetadataValue.path(str(folder / "report.html")),
                "plot": plot_value(summary_plot(gathered)),
            }
        )

    return nightly_report


def summary_plot(gathered: Gathered) -> bytes:
    """The data-quality calendar, the report's first picture."""
    import polars as pl

    from models.plots import UI_DPI, data_quality_calendar

    quality = gathered.inputs.quality
    return data_quality_calendar(pl.DataFrame() if quality is None else quality, dpi=UI_DPI)
