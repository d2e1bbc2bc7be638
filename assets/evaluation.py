"""alpha_forecast -> backtest -> nightly_report, and the warehouse they are published to.

Here: thin assets by date. Not here: the backtest (models/backtest.py), the page (models/report).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import dagster as dg

from assets.common import artefact_metadata, failures, plot_value, table_metadata
from assets.partitions import StudyPartitions
from assets.planted import has_planted_truth
from assets.report import Gathered, gather
from assets.store import StudyStore

if TYPE_CHECKING:
    import polars as pl

    from feeds.study import Study
    from models.backtest import PositionRule

GROUP = "evaluation"
OWNERS = ["team:research"]


def build_evaluation(parts: StudyPartitions) -> list[dg.AssetsDefinition]:
    """The assets of this module for one study."""
    return [_backtest(parts), _nightly_report(parts)]


def _backtest(parts: StudyPartitions) -> dg.AssetsDefinition:
    execution = ["execution_evaluation"] if parts.study.execution else []

    @dg.asset(
        partitions_def=parts.dates,
        deps=["alpha_forecast", "feature_table", "volatility_forecast", *execution],
        group_name=GROUP,
        kinds={"numpy", "parquet"},
        owners=OWNERS,
        description="The forecast traded with positions scaled to the forecast volatility, charged the execution cost "
        "measured in the simulator where there is one, else quoted spread and fees.",
    )
    @failures
    def backtest(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        from assets.trials import count_trials
        from models.backtest import CostModel, run_backtest
        from models.plots import UI_DPI, cumulative_return
        from models.position_size import variance_of

        date, study = context.partition_key, store.config
        lake = store.lake
        measured, expected, evaluation = measured_costs(store, date)
        costs = CostModel(study.costs.fee_bps, study.costs.half_spread, study.costs.latency_ms, measured, expected)
        volatility = lake.read("volatility_forecast", date)
        rule = position_rule(study, volatility)
        result = run_backtest(
            lake.read("alpha_forecast", date),
            lake.read("feature_table", date, columns=["ts", "symbol", "mid_ticks", "spread_bps"]),
            costs,
            rule,
            n_trials=count_trials(lake, study.name),
            volatility=variance_of(volatility),
        )
        parents = [
            lake.manifest(table, date).id for table in ("alpha_forecast", "feature_table", "volatility_forecast")
        ]
        params = {
            "costs": study.costs.model_dump(),
            "measured_bps": measured,
            "expected_bps": expected,
            "target_volatility_bps": rule.target_volatility_bps,
            "horizon_ms": study.label.horizon_ms,
        }
        manifest = lake.write("backtest", result.curve, date, parents=[*parents, *evaluation], params=params)
        content = {"summary": result.summary, "by_symbol": result.by_symbol.to_dicts()}
        files = {"backtest.json": json.dumps(content, indent=1).encode()}
        scalars = {key: value for key, value in result.summary.items() if isinstance(value, int | float)}
        store.artefacts.write("result", "backtest", date, files, parents=[manifest.id], metrics=scalars)
        return dg.MaterializeResult(
            metadata={
                **table_metadata(result.curve, manifest),
                **{key: float(value) for key, value in scalars.items()},
                "plot": plot_value(cumulative_return(result.curve, dpi=UI_DPI), store),
            }
        )

    return backtest


#: What every report is made of; the simulator's and the planted part where the study has them.
REPORTED = (
    "backtest",
    "alpha_model",
    "volatility_forecast",
    "regime_state",
    "correlation_model",
    "anomaly_score",
    "risk_limits",
    "promotion",
    "feature_table",
)


def measured_costs(
    store: StudyStore, date: str
) -> tuple[dict[str, float] | None, dict[str, float] | None, tuple[str, ...]]:
    """Cost per side that execution measured: tonight's, which is charged, and the night before's, which decisions know.

    Returns:
        Instrument -> mean shortfall in bps of trading at once on the unseen tape, for each of the two nights (None
        where there is none), and the id of tonight's evaluation.
    """
    from models.execution.measured import measured_bps

    lake, table = store.lake, "execution_evaluation"
    if not lake.exists(table, date):
        return None, None, ()
    earlier = [day for day in lake.dates(table) if day < date]
    nights = [lake.read(table, day) for day in (date, *earlier[-1:])]
    found = [measured_bps(rows) for rows in nights]
    return found[0], found[1] if earlier else None, (lake.manifest(table, date).id,)


def position_rule(study: Study, volatility: pl.DataFrame) -> PositionRule:
    """The study's rule; without a stated target a position is full at the volatility usual in the training window."""
    from models.backtest import PositionRule
    from models.position_size import usual_volatility_bps

    target = study.risk.target_volatility_bps or usual_volatility_bps(volatility, study.label.horizon_ms)
    return PositionRule(study.label.horizon_ms, target_volatility_bps=target, max_leverage=study.risk.max_leverage)


def _nightly_report(parts: StudyPartitions) -> dg.AssetsDefinition:
    config = parts.study.execution
    executed = ["execution_evaluation"] if config else []
    executed += ["realism_report"] if config and config.simulates else []
    planted = ["planted_truth"] if has_planted_truth(parts.study) else []

    @dg.asset(
        partitions_def=parts.dates,
        deps=[*REPORTED, *executed, *planted],
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
        publish(store.path, store.lake.url)
        return dg.MaterializeResult(
            metadata={
                **artefact_metadata(manifest),
                "report": dg.MetadataValue.path(str(folder / "report.html")),
                "plot": plot_value(summary_plot(gathered), store),
            }
        )

    return nightly_report


def summary_plot(gathered: Gathered) -> bytes:
    """The data-quality calendar, the report's first picture."""
    import polars as pl

    from models.plots import UI_DPI, data_quality_calendar

    quality = gathered.inputs.quality
    return data_quality_calendar(pl.DataFrame() if quality is None else quality, dpi=UI_DPI)
