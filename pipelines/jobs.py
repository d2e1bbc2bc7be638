"""Jobs: which assets run together, in which partitions.

Here: job definitions. Not here: when they run (schedules.py, sensors.py), progress (runner.py).
"""

from __future__ import annotations

import dagster as dg

from assets.partitions import StudyPartitions
from assets.planted import has_planted_truth

DECODE = "decode_tapes"
INGEST = "ingest_instrument_day"
PUBLISHED = "ingest_published_bars"
TICKS = "build_ticks"
INSTRUMENT_DAY = "build_instrument_day"
NEWS = "ingest_daily_files"
DATASET = "build_dataset"
NIGHTLY = "nightly_retraining"

#: What each job materialises; checks of the selected assets run with them.
SELECTIONS: dict[str, tuple[str, ...]] = {
    DECODE: ("tapes",),
    INGEST: ("raw_ticks",),
    PUBLISHED: ("vendor_bars",),
    TICKS: ("raw_ticks", "clean_ticks"),
    INSTRUMENT_DAY: ("raw_ticks", "clean_ticks", "bars", "microstructure_features"),
    NEWS: ("headlines", "external_signals"),
    DATASET: (
        "headlines",
        "external_signals",
        "sentiment",
        "data_quality_calendar",
        "feature_table",
        "training_set",
    ),
    NIGHTLY: (
        "alpha_model",
        "alpha_forecast",
        "volatility_model",
        "volatility_forecast",
        "regime_model",
        "regime_state",
        "correlation_model",
        "anomaly_model",
        "anomaly_score",
        "risk_limits",
        "backtest",
        "promotion",
        "nightly_report",
    ),
}
#: What a night also materialises where the study simulates markets, has execution settings, and is planted.
SIMULATOR = ("simulator_calibration", "realism_report")
EXECUTION = ("execution_policy", "execution_evaluation")
PLANTED = ("planted_truth",)
DESCRIPTIONS = {
    DECODE: "Decodes files of many instruments or days that lie in the landing zone.",
    PUBLISHED: "Published bars of one instrument-day from the landing zone, held against our own.",
    INGEST: "Raw ticks of one instrument-day from the landing zone; automation carries them on.",
    TICKS: "One instrument-day from raw bytes to clean ticks, checks included.",
    INSTRUMENT_DAY: "One instrument-day from raw bytes to features, checks included.",
    NEWS: "Headlines and external signals of one date from the landing zone.",
    DATASET: "One date from headlines and features to a labelled training set.",
    NIGHTLY: "Retrain, forecast, execute in the simulator, backtest, promote and report for one as-of date.",
}


def build_jobs(parts: StudyPartitions) -> dict[str, dg.UnresolvedAssetJobDefinition]:
    """All jobs of one study, by name. They run in one process: the steps share imports and are short."""
    partitions: dict[str, dg.PartitionsDefinition | None] = dict.fromkeys(
        (INGEST, TICKS, INSTRUMENT_DAY, PUBLISHED), parts.instrument_days
    )
    partitions[DECODE] = None
    return {
        name: dg.define_asset_job(
            name,
            selection=list(selection_of(name, parts)),
            partitions_def=partitions.get(name, parts.dates),
            description=DESCRIPTIONS[name],
            executor_def=dg.in_process_executor,
            tags={"t2t/study": parts.study.name},
        )
        for name in SELECTIONS
    }


def selection_of(job: str, parts: StudyPartitions) -> tuple[str, ...]:
    """Assets of a job in one study."""
    if job != NIGHTLY:
        return SELECTIONS[job]
    config = parts.study.execution
    executed = (*(SIMULATOR if config.simulates else ()), *EXECUTION) if config else ()
    return (*SELECTIONS[job], *executed, *(PLANTED if has_planted_truth(parts.study) else ()))
