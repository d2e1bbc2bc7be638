"""Run a study's graph in this process: one run per partition, recorded in the study's Dagster instance.

Range runs do not fit checked assets (a check in a range run is recorded without its partition, and one failing
partition stops all), so every partition is a run of its own; the UI shows them all.

Here: order of the runs and their outcome. Not here: printing (cli.py), which assets a job holds (jobs.py).
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from assets.partitions import StudyPartitions, instrument_day_key
from assets.universe import why_excluded
from feeds.errors import T2TError
from feeds.lake import Lake
from feeds.manifest import code_version, write_atomically
from feeds.study import Study, load_study
from pipelines.jobs import DATASET, INSTRUMENT_DAY, NIGHTLY
from pipelines.triage import Triage, triage

if TYPE_CHECKING:
    import dagster as dg
    from dagster._utils.error import SerializableErrorInfo


@dataclass(frozen=True)
class Step:
    """One run to do: a job on a partition."""

    job: str
    partition: str

    @property
    def label(self) -> str:
        """For progress displays."""
        return f"{self.job} {self.partition.replace('|', ' ')}"


@dataclass(frozen=True)
class Outcome:
    """What became of a step.

    Attributes:
        step: The step.
        state: ``done``, ``failed`` or ``up to date``.
        seconds: Wall clock.
        problems: One line per failed step or check.
    """

    step: Step
    state: str
    seconds: float
    problems: tuple[str, ...] = ()


@dataclass
class RunSummary:
    """Everything a run of the graph did."""

    study: Study
    root: Path
    outcomes: list[Outcome] = field(default_factory=list)
    quarantined: tuple[tuple[str, str], ...] = ()
    left_alone: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def failed(self) -> list[Outcome]:
        """Steps that failed."""
        return [outcome for outcome in self.outcomes if outcome.state == "failed"]

    @property
    def peak_rss_mb(self) -> float:
        """Largest resident memory of this process so far."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (2**20 if sys.platform == "darwin" else 2**10)

    def report_path(self) -> Path | None:
        """The newest report, None where no night succeeded."""
        found = sorted((self.root / "reports").glob("*/report.html"))
        return found[-1] if found else None


Listener = Callable[[int, int, Step], None]


class GraphRunner:
    """Runs one study's graph.

    Args:
        study: Name or YAML path.
        root: The study's folder.
        instance: Dagster instance; default the study's own.
        force: Run partitions that are up to date too.
    """

    def __init__(
        self, study: str | Path, root: Path, instance: dg.DagsterInstance | None = None, force: bool = False
    ) -> None:
        from pipelines.definitions import build_defs
        from pipelines.instance import open_instance

        self.study = load_study(study)
        self.root = root
        self.force = force
        self.lake = Lake(root)
        self.parts = StudyPartitions(self.study)
        self.instance = instance or open_instance(root)
        self.defs = build_defs(study, root)
        self._current: set[tuple[str, str]] = set()

    def run(self, nights: int | None = None, listen: Listener | None = None) -> RunSummary:
        """Ingest what the landing zone holds, build every date, train the last nights.

        Args:
            nights: Nights to train; default the study's.
            listen: Called with ``(index, total, step)`` before each step.
        """
        started = time.perf_counter()
        found = triage(self.root, self.study)
        self._current = {(unit.date, unit.instrument) for unit in found.current}
        summary = RunSummary(self.study, self.root, quarantined=found.quarantined, left_alone=found.left_alone)
        self.instance.add_dynamic_partitions(str(self.parts.instruments.name), self._instruments(found))
        trained = self.study.nights if nights is None else nights
        dates, judged = len(found.dates), min(len(found.dates), trained)
        stages: list[tuple[Callable[[], Iterable[Step]], int]] = [
            (lambda: self.instrument_days(found), dates + judged),
            (lambda: self.datasets(found), judged),
            (lambda: self.nights(trained), 0),
        ]
        for stage, ahead in stages:
            self._run_stage(list(stage()), ahead, summary, listen)
        self._publish()
        summary.seconds = time.perf_counter() - started
        return summary

    def _run_stage(self, steps: list[Step], ahead: int, summary: RunSummary, listen: Listener | None) -> None:
        total = len(summary.outcomes) + len(steps) + ahead
        for step in steps:
            if listen:
                listen(len(summary.outcomes), total, step)
            summary.outcomes.append(self.execute(step))

    def _instruments(self, found: Triage) -> list[str]:
        return sorted({*found.instruments, *(spec.id for spec in self.study.instruments)})

    def instrument_days(self, found: Triage) -> Iterator[Step]:
        """A step for each instrument-day in the landing zone."""
        for unit in sorted((*found.ready, *found.current), key=lambda unit: (unit.date, unit.instrument)):
            yield Step(INSTRUMENT_DAY, str(instrument_day_key(unit.date, unit.instrument)))

    def datasets(self, found: Triage) -> Iterator[Step]:
        """A step for each date with raw ticks."""
        for date in sorted({*found.dates} & {*self.lake.dates("raw_ticks")}):
            yield Step(DATASET, date)

    def nights(self, count: int) -> Iterator[Step]:
        """A step for each of the last ``count`` dates that can be trained."""
        dates = self.lake.dates("training_set")
        trainable = [date for date in dates if self._has_training_data(date, dates)]
        for date in trainable[-count:] if count else []:
            yield Step(NIGHTLY, date)

    def _has_training_data(self, date: str, dates: list[str]) -> bool:
        return bool(set(self.parts.training_dates(date)) & set(dates))

    def execute(self, step: Step) -> Outcome:
        """Run one step and tell what became of it; a failure is an outcome, not an exception."""
        started = time.perf_counter()
        if not self.force and self._is_up_to_date(step):
            return Outcome(step, "up to date", time.perf_counter() - started)
        result = self.defs.resolve_job_def(step.job).execute_in_process(
            instance=self.instance,
            partition_key=step.partition,
            raise_on_error=False,
            tags={"t2t/trigger": "t2t run"},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        seconds = time.perf_counter() - started
        return Outcome(step, "done" if result.success else "failed", seconds, tuple(problems_of(result)))

    def _is_up_to_date(self, step: Step) -> bool:
        if step.job != INSTRUMENT_DAY:
            return False
        date, instrument = step.partition.split("|", 1)
        built = why_excluded(self.lake, date, instrument) is None and self.lake.exists("bars", date, instrument)
        if not built or (date, instrument) not in self._current:
            return False
        version = self.lake.manifest("microstructure_features", date, instrument).code_version
        return version == code_version() and not version.endswith("+")

    def _publish(self) -> None:
        from feeds.warehouse import publish

        publish(self.root)


def problems_of(result: dg.ExecuteInProcessResult) -> Iterator[str]:
    """One readable line per failed step or check of a run."""
    for event in result.all_events:
        if event.event_type_value == "ASSET_CHECK_EVALUATION":
            check = event.asset_check_evaluation_data
            if not check.passed and check.severity.value == "ERROR":
                yield f"check {check.check_name}: {check.description or 'failed'}"
        elif event.event_type_value == "STEP_FAILURE":
            failure = event.step_failure_data
            if failure.user_failure_data is not None:
                yield f"{event.step_key}: {failure.user_failure_data.description}"
            elif failure.error is not None and "DagsterAssetCheckFailedError" not in (failure.error.cls_name or ""):
                yield f"{event.step_key}: {_root_cause(failure.error)}"


def _root_cause(error: SerializableErrorInfo) -> str:
    while error.cause is not None:
        error = error.cause
    return error.message.strip()


def stage_sources(study: Study, root: Path, tell: Callable[[str], None] | None = None) -> list[Path]:
    """Copy a study's source files into its landing zone; what is there already is not copied again.

    A simulated market is generated on first use; what was planted in it goes to ``<root>/truth``, which no model reads.

    Args:
        study: The study.
        root: Its folder.
        tell: Called with a line of text while a market is generated.
    """
    from feeds.landing import stage
    from pipelines.sources import source_files, truth_files

    files = source_files(study, tell)
    try:
        for path in truth_files(study):
            write_atomically(root / "truth" / path.name, path.read_bytes())
        return stage(files, root)
    except OSError as error:
        raise T2TError(
            f"landing zone of {study.name}", received=str(error), remedy="Check free space and permissions."
        ) from error
