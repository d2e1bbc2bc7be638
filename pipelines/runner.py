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
from typing import TYPE_CHECKING, Any

from assets.partitions import StudyPartitions, instrument_day_key
from assets.universe import DESCENT, why_excluded
from feeds.errors import T2TError, UnreadableFileError
from feeds.lake import Lake
from feeds.manifest import code_version, write_atomically
from feeds.root import lake_url
from feeds.study import Study, load_study
from pipelines.jobs import DATASET, INSTRUMENT_DAY, NIGHTLY, PUBLISHED, TICKS
from pipelines.side_by_side import execute_all
from pipelines.triage import Triage, triage

if TYPE_CHECKING:
    import dagster as dg
    from dagster._utils.error import SerializableErrorInfo

    from feeds.adapters.base import Progress


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
    decoded: list[dict[str, Any]] = field(default_factory=list)
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
#: Called with a tape about to be decoded; what it returns is told how far that is.
DecodeListener = Callable[[Path], "Progress | None"]


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

        self.named = str(study)
        self.study = load_study(study)
        self.root = root
        self.force = force
        self.lake = Lake(root, lake_url(self.study))
        self.parts = StudyPartitions(self.study)
        self.instance = instance or open_instance(root)
        #: Other processes can open the study's own instance, not one that was handed over.
        self._shares = instance is None
        self.defs = build_defs(study, root)
        #: What the landing zone held when `run` began to build.
        self.found: Triage | None = None

    def run(
        self,
        nights: int | None = None,
        listen: Listener | None = None,
        decoding: DecodeListener | None = None,
        ticks_only: bool = False,
        workers: int = 1,
    ) -> RunSummary:
        """Ingest what the landing zone holds, build every date, train the last nights.

        Args:
            nights: Nights to train; default the study's.
            listen: Called with ``(index, total, step)`` before each step.
            decoding: Told of each tape that is decoded.
            ticks_only: Stop at clean ticks.
            workers: Instrument-days at a time, each in a process of its own where more than one.
        """
        started = time.perf_counter()
        first = self.triage()
        decoded, broken = self.decode_tapes(first, decoding)
        found = self.triage() if first.undecoded else first
        self.found = found
        summary = RunSummary(self.study, self.root, decoded=decoded, left_alone=found.left_alone)
        summary.quarantined = tuple(dict.fromkeys((*first.quarantined, *broken, *found.quarantined)))
        self.instance.add_dynamic_partitions(str(self.parts.instruments.name), self._instruments(found))
        trained = self.study.nights if nights is None else nights
        dates, judged = len(found.dates), min(len(found.dates), trained)
        job = TICKS if ticks_only else INSTRUMENT_DAY
        if ticks_only:
            dates = judged = trained = 0
        stages: list[tuple[Callable[[], Iterable[Step]], int, int]] = [
            (lambda: self.instrument_days(found, job), dates + judged, workers if self._shares else 1),
            (lambda: self.published(found), dates + judged, 1),
            (lambda: () if ticks_only else self.datasets(found), judged, 1),
            (lambda: self.nights(trained), 0, 1),
        ]
        for stage, ahead, at_once in stages:
            self._run_stage(list(stage()), ahead, at_once, summary, listen)
        self._publish()
        summary.seconds = time.perf_counter() - started
        return summary

    def triage(self) -> Triage:
        """What the landing zone holds; whoever runs this by hand does not wait for files a day can do without."""
        return triage(self.root, self.study, awaited_s=0.0)

    def decode_tapes(
        self, found: Triage, decoding: DecodeListener | None = None
    ) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
        """Decode the tapes nobody decoded yet.

        Returns:
            What was decoded, one row a tape, and ``(file name, reason)`` of those moved to quarantine.
        """
        import dagster as dg

        from assets.store import StudyStore
        from assets.tapes import decode, metadata_of

        store = StudyStore(study=self.named, root=str(self.root))
        rows, broken = [], []
        for info in found.undecoded:
            try:
                rows.append(decode(store, info, decoding(info.path) if decoding else None))
            except UnreadableFileError as error:
                broken.append((info.path.name, str(error)))
        if rows:
            event = dg.AssetMaterialization("tapes", metadata=metadata_of(rows), tags={"t2t/trigger": "t2t_run"})
            self.instance.report_runless_asset_event(event)
        return rows, broken

    def published(self, found: Triage) -> Iterator[Step]:
        """A step for each instrument-day with published bars."""
        for date, instrument in sorted(found.published(self.study)):
            yield Step(PUBLISHED, str(instrument_day_key(date, instrument)))

    def _run_stage(
        self, steps: list[Step], ahead: int, workers: int, summary: RunSummary, listen: Listener | None
    ) -> None:
        before = len(summary.outcomes)
        total = before + len(steps) + ahead

        def begins(number: int) -> None:
            if listen:
                listen(before + number, total, steps[number])

        summary.outcomes += execute_all(self, steps, workers, begins)

    def _instruments(self, found: Triage) -> list[str]:
        published = {instrument for _, instrument in found.published(self.study)}
        return sorted({*found.instruments, *published, *(spec.id for spec in self.study.instruments)})

    def instrument_days(self, found: Triage, job: str = INSTRUMENT_DAY) -> Iterator[Step]:
        """A step for each instrument-day in the landing zone."""
        for unit in sorted((*found.ready, *found.current), key=lambda unit: (unit.date, unit.instrument)):
            yield Step(job, str(instrument_day_key(unit.date, unit.instrument)))

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
        date, _, instrument = step.partition.partition("|")
        if step.job == PUBLISHED:
            return self._is_compared(date, instrument)
        if step.job == TICKS:
            clean = why_excluded(self.lake, date, instrument, DESCENT[:2]) is None
            return clean and self._is_current(date, instrument) and self._is_same_code("clean_ticks", date, instrument)
        if step.job != INSTRUMENT_DAY:
            return False
        built = why_excluded(self.lake, date, instrument) is None and self.lake.exists("bars", date, instrument)
        if not built or not self._is_current(date, instrument):
            return False
        return self._is_same_code("microstructure_features", date, instrument)

    def _is_current(self, date: str, instrument: str) -> bool:
        """Whether the raw ticks there were made from the files of the landing zone."""
        current = self.found.current if self.found else ()
        return any((unit.date, unit.instrument) == (date, instrument) for unit in current)

    def _is_same_code(self, table: str, date: str, instrument: str) -> bool:
        version = self.lake.manifest(table, date, instrument).code_version
        return version == code_version() and not version.endswith("+")

    def _is_compared(self, date: str, instrument: str) -> bool:
        """Whether the published bars there now were compared with the raw ticks there now."""
        from feeds.landing import file_id

        info = self.found.published(self.study).get((date, instrument)) if self.found else None
        if info is None or not all(self.lake.exists(name, date, instrument) for name in ("vendor_bars", "bar_match")):
            return False
        bars = self.lake.manifest("vendor_bars", date, instrument)
        current = {self.lake.manifest(table, date, instrument).id for table in ("vendor_bars", "raw_ticks")}
        compared = current == set(self.lake.manifest("bar_match", date, instrument).parents)
        return compared and bars.parents == (file_id(info, self.root),)

    def _publish(self) -> None:
        from feeds.warehouse import publish

        publish(self.root, self.lake.url)


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
