"""Sensors: new files in the landing zone, automation, failures.

Here: what is watched. Not here: what the landing zone holds (triage.py), the conditions (assets/common.py).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from assets.partitions import StudyPartitions, instrument_day_key
from assets.store import StudyStore
from feeds.lake import Lake
from feeds.study import Study
from pipelines.jobs import DECODE, INGEST, NEWS, PUBLISHED
from pipelines.triage import Triage, run_key, triage

#: Runs requested a tick: a landing zone filled with a year of files must not flood the queue.
MAX_REQUESTS = 50


def build_sensors(
    parts: StudyPartitions, jobs: Mapping[str, dg.UnresolvedAssetJobDefinition]
) -> list[dg.SensorDefinition]:
    """The sensors of one study, all running from the start."""
    return [_landing_sensor(parts, jobs), _automation_sensor(), _failure_sensor()]


def _landing_sensor(parts: StudyPartitions, jobs: Mapping[str, dg.UnresolvedAssetJobDefinition]) -> dg.SensorDefinition:
    @dg.sensor(
        jobs=[jobs[name] for name in (DECODE, INGEST, NEWS, PUBLISHED)],
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Ingests new files of the landing zone. What is in the lake already is told by the files' hashes, "
        "not by a cursor: a restart neither misses nor repeats a file.",
    )
    def landing_sensor(context: dg.SensorEvaluationContext, store: StudyStore) -> dg.SensorResult | dg.SkipReason:
        found = triage(store.path, store.config)
        requests = [
            *tape_requests(found, store.path),
            *market_requests(found),
            *daily_requests(found, store.lake, store.config),
            *published_requests(found, store.lake, store.config),
        ]
        events = quarantine_events(found)
        if not requests and not events:
            return dg.SkipReason(explain_idle(found))
        new = sorted({unit.instrument for unit in found.ready} | {str(info.instrument) for info in found.bars})
        known = set(context.instance.get_dynamic_partitions(str(parts.instruments.name)))
        missing = [name for name in new if name not in known]
        return dg.SensorResult(
            run_requests=requests[:MAX_REQUESTS],
            dynamic_partitions_requests=[parts.instruments.build_add_request(missing)] if missing else [],
            asset_events=events,
        )

    return landing_sensor


def tape_requests(found: Triage, root: Path) -> list[dg.RunRequest]:
    """One request for all tapes nobody decoded yet."""
    from feeds.landing import file_id

    ids = sorted(file_id(info, root) for info in found.undecoded)
    return [dg.RunRequest(job_name=DECODE, run_key=run_key("tapes", ids))] if ids else []


def published_requests(found: Triage, lake: Lake, study: Study) -> list[dg.RunRequest]:
    """One request per instrument-day with new or changed published bars."""
    from feeds.landing import file_id

    requests = []
    for (date, instrument), info in found.published(study).items():
        ids = (file_id(info, lake.root),)
        if _made_from(lake, "vendor_bars", date, instrument) != ids:
            key, partition = run_key(f"bars:{date}|{instrument}", ids), instrument_day_key(date, instrument)
            requests.append(dg.RunRequest(job_name=PUBLISHED, partition_key=partition, run_key=key))
    return requests


def market_requests(found: Triage) -> list[dg.RunRequest]:
    """One request per instrument-day with new or changed files."""
    return [
        dg.RunRequest(
            job_name=INGEST,
            partition_key=instrument_day_key(unit.date, unit.instrument),
            run_key=run_key(f"{unit.date}|{unit.instrument}", unit.file_ids),
            tags={"t2t/trigger": "landing_zone"},
        )
        for unit in found.ready
    ]


def daily_requests(found: Triage, lake: Lake, study: Study) -> list[dg.RunRequest]:
    """One request per date with market data whose headlines or signals were made from other files."""
    from feeds.landing import file_id

    ids = {info.path: file_id(info, lake.root) for info in found.daily}
    news = tuple(sorted(ids[info.path] for info in found.daily if info.format == "news_csv"))
    signals = tuple(sorted(ids[info.path] for info in found.daily if info.format != "news_csv"))
    requests = []
    for date in found.dates:
        stale = _made_from(lake, "headlines", date) != news or _made_from(lake, "external_signals", date) != signals
        if stale:
            key = run_key(f"daily:{date}", [*news, *signals])
            requests.append(dg.RunRequest(job_name=NEWS, partition_key=date, run_key=key))
    return requests


def _made_from(lake: Lake, table: str, date: str, symbol: str | None = None) -> tuple[str, ...] | None:
    return tuple(sorted(lake.manifest(table, date, symbol).parents)) if lake.exists(table, date, symbol) else None


def quarantine_events(found: Triage) -> list[dg.AssetObservation]:
    """One observation of the landing zone per file moved to quarantine, so that the UI shows it."""
    return [
        dg.AssetObservation(
            "landing_zone", description=f"quarantined {name}", metadata={"file": name, "reason": reason}
        )
        for name, reason in found.quarantined
    ]


def explain_idle(found: Triage) -> str:
    """Why there is nothing to do."""
    parts = [f"{len(found.current)} instrument-days are in the lake already", *found.left_alone[:5]]
    return "no new files: " + "; ".join(parts)


def _automation_sensor() -> dg.SensorDefinition:
    return dg.AutomationConditionSensorDefinition(
        "automation",
        target=dg.AssetSelection.all(),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=30,
        description="Carries new and late data from raw ticks through to the training set.",
    )


def _failure_sensor() -> dg.SensorDefinition:
    @dg.run_failure_sensor(
        name="failure_alerts",
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Appends every failed run to alerts.jsonl in the study's folder; $T2T_ALERT_COMMAND, where set, "
        "gets the line on its standard input.",
    )
    def failure_alerts(context: dg.RunFailureSensorContext, store: StudyStore) -> None:
        write_alert(store, context)

    return failure_alerts


def write_alert(store: StudyStore, context: dg.RunFailureSensorContext) -> None:
    """Record a failed run and hand it to the alert command."""
    import os
    import shlex
    import subprocess

    run = context.dagster_run
    steps = [
        f"{event.step_key}: {event.message}"
        for event in context.get_step_failure_events()
        if event.step_key is not None
    ]
    record = {
        "at": dt.datetime.now(dt.UTC).isoformat(),
        "study": store.config.name,
        "job": run.job_name,
        "run_id": run.run_id,
        "partition": run.tags.get("dagster/partition"),
        "message": context.failure_event.message,
        "steps": steps,
    }
    line = json.dumps(record)
    path = store.path / "alerts.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        handle.write(line + "\n")
    if command := os.environ.get("T2T_ALERT_COMMAND"):
        subprocess.run(shlex.split(command), input=line, text=True, check=False, timeout=30)
