"""The code location: one study's graph. ``$T2T_STUDY`` chooses the study, ``$T2T_DATA`` the data root.

Here: assembling assets, checks, jobs, schedules, sensors and the resource. `build_defs` is the seam for tests.
"""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from assets.alpha import build_alpha
from assets.checks import build_checks
from assets.dataset import build_dataset
from assets.evaluation import build_evaluation
from assets.execution import build_execution
from assets.partitions import StudyPartitions
from assets.planted import build_planted
from assets.promotion import build_promotion
from assets.published import build_published, build_published_checks
from assets.quality import build_quality, build_quality_checks
from assets.regimes import build_regimes
from assets.risk import build_risk
from assets.simulator import build_simulator
from assets.sources import build_sources
from assets.store import StudyStore
from assets.tapes import build_tapes
from assets.ticks import build_ticks
from assets.volatility import build_volatility
from feeds.root import study_root
from feeds.study import chosen_study, load_study
from pipelines.jobs import build_jobs
from pipelines.schedules import build_schedules
from pipelines.sensors import build_sensors


def build_defs(study: str | Path | None = None, root: Path | None = None) -> dg.Definitions:
    """Definitions of one study.

    Args:
        study: Name or YAML path; default ``$T2T_STUDY`` or the default study.
        root: Folder of the study's files; default ``$T2T_DATA/<study>``.

    Raises:
        StudyError: The study is not valid.
    """
    named = chosen_study(study)
    config = load_study(named)
    root = root or study_root(config)
    parts = StudyPartitions(config)
    jobs = build_jobs(parts)
    store = StudyStore(study=named, root=str(root))
    builders = (
        build_sources,
        build_tapes,
        build_published,
        build_ticks,
        build_quality,
        build_dataset,
        build_alpha,
        build_volatility,
        build_regimes,
        build_risk,
        build_simulator,
        build_execution,
        build_planted,
        build_promotion,
        build_evaluation,
    )
    return dg.Definitions(
        assets=[asset for build in builders for asset in build(parts)],
        asset_checks=[*build_checks(parts), *build_published_checks(parts), *build_quality_checks(parts)],
        jobs=list(jobs.values()),
        schedules=build_schedules(parts, jobs),
        sensors=build_sensors(parts, jobs),
        resources={"store": store},
        # Steps are short and share heavy imports: one process a run, also for runs started by hand or by automation.
        executor=dg.in_process_executor,
    )


defs = build_defs()
