"""``t2t ingest``: recognise, copy, decode, build, and say what was done.

Here: the command's body. Not here: arguments (cli.py), the work (feeds/landing.py, runner.py), progress (show.py).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from feeds.errors import T2TError, UnknownFormatError
from feeds.lake import Lake
from pipelines.jobs import INSTRUMENT_DAY, TICKS
from pipelines.progress import BytesBar
from pipelines.runner import GraphRunner, RunSummary, Step
from pipelines.show import console, print_outcomes

if TYPE_CHECKING:
    from feeds.adapters.base import Progress
    from feeds.units import Unit

#: Files listed one by one; of more only the counts are shown.
MOST_LISTED = 40


def ingest_paths(named: str, root: Path, paths: list[Path], ticks_only: bool = False) -> RunSummary:
    """Copy files into the landing zone, decode and build what they hold, print what was done.

    Raises:
        T2TError: A path does not exist, or the landing zone cannot be written.
    """
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise T2TError("ingest", received=f"paths that do not exist: {missing}", expected="files or folders")
    started = time.perf_counter()
    staged = _stage(paths, root)
    print_recognised(staged)
    runner = GraphRunner(named, root)
    with BytesBar(console) as bar:
        watch = _Watch(bar, runner, root)
        summary = runner.run(nights=0, listen=watch.step, decoding=watch.tape, ticks_only=ticks_only)
        watch.finish()
    print_outcomes(summary)
    _print_studies_that_admit(runner)
    print_done(summary, runner.lake, watch.days, time.perf_counter() - started)
    return summary


def _stage(paths: list[Path], root: Path) -> list[Path]:
    from feeds.landing import stage

    try:
        staged = stage(paths, root)
    except OSError as error:
        raise T2TError(
            f"landing zone of {root.name}", received=str(error), remedy="Check free space and permissions."
        ) from error
    megabytes = sum(path.stat().st_size for path in staged) / 1e6
    console.print(f"{len(staged)} new files in the landing zone, {megabytes:,.1f} MB")
    return staged


def print_recognised(staged: Iterable[Path]) -> None:
    """What the new files are, by content, not by name: a line for each format, role and instrument."""
    from feeds.adapters import sniff
    from feeds.errors import UnreadableFileError

    found: dict[tuple[str, str, str], list[tuple[str, ...]]] = {}
    for path in staged:
        try:
            info = sniff(path)
        except UnreadableFileError as error:
            known = "of no known format" if isinstance(error, UnknownFormatError) else str(error)
            console.print(f"[yellow]{escape(path.name)}[/yellow]: {escape(known)}", highlight=False, soft_wrap=True)
            continue
        instrument = info.instrument or ("several" if info.role in ("tape", "definition") else "")
        found.setdefault((info.format, info.role, instrument), []).append(info.dates)
    table = Table(title="recognised by content")
    for column in ("format", "role", "instrument", "files", "dates"):
        table.add_column(column, overflow="fold")
    for (format_name, role, instrument), dates in sorted(found.items())[:MOST_LISTED]:
        days = sorted({date for some in dates for date in some})
        span = " to ".join(dict.fromkeys((days[0], days[-1]))) if days else "told when decoded"
        table.add_row(format_name, role, instrument, str(len(dates)), span)
    if table.row_count:
        console.print(table)


def _print_studies_that_admit(runner: GraphRunner) -> None:
    """Shipped studies that take what lies outside this one."""
    import datetime as dt

    from feeds.study import available_studies, load_study

    outside = {(unit.date, unit.instrument) for unit in (runner.found.outside if runner.found else ())}
    if not outside:
        return
    days = [(dt.date.fromisoformat(date), instrument) for date, instrument in outside]
    studies = {name: load_study(name) for name in available_studies()}
    fitting = [name for name, study in studies.items() if any(study.admits(*day) for day in days)]
    others = (
        f"these shipped studies admit some of it: {', '.join(fitting)}" if fitting else "no shipped study admits it"
    )
    console.print(f"[cyan]outside the study[/cyan]: {len(outside)} instrument-days; {others}", highlight=False)


class _Watch:
    """Follows a run of the graph and tells the bar how many bytes of the sources are done."""

    def __init__(self, bar: BytesBar, runner: GraphRunner, root: Path) -> None:
        self.bar, self.runner, self.root = bar, runner, root
        self.days: list[tuple[str, str]] = []
        self._weights: dict[str, int] | None = None
        self._running: Step | None = None

    def tape(self, path: Path) -> Progress:
        """A progress function for the decoding of one tape."""
        self.bar.begin(f"decoding {path.name}", path.stat().st_size)
        return lambda rows, done, total: self.bar.update(rows, done, total)

    def step(self, index: int, total: int, step: Step) -> None:
        """Told before each step."""
        if self._weights is None:
            self._weights = self._bytes_of_days()
            self.bar.begin("building", sum(self._weights.values()))
        self._finish_step()
        self._running = step
        self.bar.label(f"[{index + 1}/{total}] {step.label}")

    def finish(self) -> None:
        """Told after the last step."""
        self._finish_step()
        self.bar.label("done")

    def _finish_step(self) -> None:
        step, self._running = self._running, None
        if step is None or step.job not in (INSTRUMENT_DAY, TICKS) or self._weights is None:
            return
        date, instrument = step.partition.split("|", 1)
        self.days.append((date, instrument))
        self.bar.advance(_rows_in(self.runner.lake, date, instrument), self._weights.get(step.partition, 0))

    def _bytes_of_days(self) -> dict[str, int]:
        found = self.runner.found
        if found is None:
            return {}
        return {f"{unit.date}|{unit.instrument}": _source_bytes(unit) for unit in (*found.ready, *found.current)}


def _source_bytes(unit: Unit) -> int:
    if not unit.decoded:
        return sum(path.stat().st_size for path in unit.files.values())
    from feeds.tape import load_index

    contents = [content for folder in unit.decoded.values() for content in load_index(folder).contents]
    # A row of a decoded tape weighs about as much as a short csv line.
    return sum(
        30 * content.rows for content in contents if (content.date, content.instrument) == (unit.date, unit.instrument)
    )


def _rows_in(lake: Lake, date: str, instrument: str) -> int:
    if not lake.exists("raw_ticks", date, instrument):
        return 0
    return int(lake.manifest("raw_ticks", date, instrument).params.get("rows_in", 0))


def print_done(summary: RunSummary, lake: Lake, days: list[tuple[str, str]], seconds: float) -> None:
    """What was decoded and built: rows in, kept, rejected by reason, defects of the sources."""
    _print_tapes(summary.decoded)
    table = Table(title="instrument-days")
    table.add_column("instrument-day", no_wrap=True)
    for column in ("rows in", "raw", "clean", "rejected", "defects"):
        table.add_column(column, justify="right")
    total, reasons, problems = 0, Counter[str](), Counter[str]()
    for date, instrument in days:
        figures = day_figures(lake, date, instrument)
        if figures is None:
            continue
        total += figures["rows_in"]
        reasons.update(figures["reasons"])
        problems.update(figures["problems"])
        numbers = [f"{figures[name]:,}" for name in ("rows_in", "raw", "clean", "rejected")]
        if len(days) <= MOST_LISTED:
            table.add_row(f"{date} {instrument}", *numbers, str(sum(figures["problems"].values())))
    if table.row_count:
        console.print(table)
    for what, counts in (("rejected", reasons), ("defects of the sources", problems)):
        if counts:
            listed = ", ".join(f"{name} {count:,}" for name, count in counts.most_common())
            console.print(f"{what}: {escape(listed)}", highlight=False)
    console.print(f"{total:,} rows in {seconds:.1f} s: {total / max(seconds, 1e-9):,.0f} rows/s, everything included")


def _print_tapes(decoded: list[Mapping[str, Any]] | list[dict[str, Any]]) -> None:
    if not decoded:
        return
    table = Table(title="decoded tapes")
    for name in decoded[0]:
        table.add_column(name.replace("_", " "))
    for row in decoded:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else escape(str(value)) for value in row.values()))
    console.print(table)


def day_figures(lake: Lake, date: str, instrument: str) -> dict[str, Any] | None:
    """Rows of an instrument-day from source to clean ticks, None where it has no raw ticks."""
    if not lake.exists("raw_ticks", date, instrument):
        return None
    raw = lake.manifest("raw_ticks", date, instrument)
    reasons: Counter[str] = Counter()
    for name in ("rejected_raw_ticks", "rejected_ticks"):
        if lake.exists(name, date, instrument):
            counts = lake.read(name, date, instrument, columns=["reason"])["reason"].value_counts(sort=True)
            reasons.update(dict(counts.iter_rows()))
    return {
        "rows_in": int(raw.params.get("rows_in", raw.rows)),
        "raw": raw.rows,
        "clean": lake.manifest("clean_ticks", date, instrument).rows
        if lake.exists("clean_ticks", date, instrument)
        else 0,
        "rejected": sum(reasons.values()),
        "reasons": dict(reasons),
        "problems": Counter(problem["kind"] for problem in raw.params.get("problems", ())),
    }
