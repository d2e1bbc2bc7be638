"""Nightly retraining: after the close, on the newest complete date in the lake.

Here: the schedule and its choice of a date. Not here: the job (jobs.py).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import dagster as dg

from assets.partitions import StudyPartitions
from assets.store import StudyStore
from feeds.lake import Lake
from feeds.study import Study
from pipelines.jobs import NIGHTLY

#: After the close and the vendors' end-of-day files.
CRON = {"XNYS": ("30 18 * * *", "America/New_York"), "24/7": ("15 0 * * *", "UTC")}


def build_schedules(
    parts: StudyPartitions, jobs: Mapping[str, dg.UnresolvedAssetJobDefinition]
) -> list[dg.ScheduleDefinition]:
    """The schedules of one study."""
    cron, timezone = CRON[parts.study.calendar]

    @dg.schedule(
        job=jobs[NIGHTLY],
        cron_schedule=cron,
        execution_timezone=timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every night after the close; skips, with the reason, when it is no trading day or nothing is new.",
    )
    def nightly(context: dg.ScheduleEvaluationContext, store: StudyStore) -> dg.RunRequest | dg.SkipReason:
        return decide(store, context.scheduled_execution_time)

    return [nightly]


def decide(store: StudyStore, now: dt.datetime) -> dg.RunRequest | dg.SkipReason:
    """The run request of the night ``now``, or why there is none."""
    from feeds.calendar import is_trading_day

    study = store.config
    # A market that never closes is judged on the day that has just ended.
    day = now.date() if study.calendar != "24/7" else now.date() - dt.timedelta(days=1)
    if not is_trading_day(study.calendar, day.isoformat()):
        return dg.SkipReason(f"{day} is no trading day of {study.calendar}")
    date = newest_complete_date(store.lake, study, day)
    if date is None:
        return dg.SkipReason(f"no complete date up to {day} in the lake: training_set has none")
    made_of = store.lake.manifest("training_set", date).id
    if store.artefacts.exists("alpha_model", date):
        trained = store.artefacts.current("alpha_model", date)
        if made_of in trained.parents:
            return dg.SkipReason(f"the newest complete date is {date} and {trained.id} is trained on it already")
    return dg.RunRequest(run_key=f"{NIGHTLY}:{date}:{made_of}", partition_key=date, tags={"t2t/trigger": "schedule"})


def newest_complete_date(lake: Lake, study: Study, day: dt.date) -> str | None:
    """Newest date up to ``day`` whose training set is there and belongs to the feature table of now."""
    for date in reversed(lake.dates("training_set")):
        if date > day.isoformat() or not lake.exists("feature_table", date):
            continue
        if lake.manifest("feature_table", date).id in lake.manifest("training_set", date).parents:
            return date
    return None
