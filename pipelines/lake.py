"""``t2t lake``: what the lake holds, whether it is still what was written, tidying it.

Here: arguments, progress and tables on a terminal. Not here: the work (feeds/lake_care.py). Heavy imports stay inside
the commands.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from feeds.lake import Lake
    from feeds.lake_care import Listener, PartitionSummary

lake_app = typer.Typer(help="Look after the lake: list, verify, compact.", no_args_is_help=True)
StudyOption = Annotated[
    str | None,
    typer.Option("--study", "-s", help="Name of a shipped study or path of a study YAML (environment: T2T_STUDY)."),
]
TableArgument = Annotated[str | None, typer.Argument(metavar="[TABLE]", help="Only this table.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_MB = 1e6


@lake_app.command("ls")
def ls(table: TableArgument = None, study: StudyOption = None, as_json: JsonOption = False) -> None:
    """List tables, or the partitions of one table."""
    from feeds.lake_care import summarise

    lake = _lake(study)
    found = list(summarise(lake, table))
    records = _by_table(found) if table is None else _by_partition(found)
    if as_json:
        typer.echo(json.dumps(records, indent=1))
    elif records:
        _print(f"lake at {_where(lake)}", records)
    else:
        typer.echo(f"nothing {f'of {table} ' if table else ''}in {_where(lake)}; `t2t run` fills it")


@lake_app.command("verify")
def verify(table: TableArgument = None, study: StudyOption = None, as_json: JsonOption = False) -> None:
    """Read every partition and compare it with its manifest; exit code 1 where something is wrong."""
    from feeds.lake_care import verify as examine

    lake = _lake(study)
    with _progress("verifying", quiet=as_json) as listen:
        counted = _Counted(listen)
        findings = examine(lake, table, counted)
    records = [{"partition": str(finding.partition), "problem": finding.problem} for finding in findings]
    if as_json:
        typer.echo(json.dumps({"partitions": counted.total, "findings": records}, indent=1))
    elif records:
        _print(f"{len(records)} findings in {counted.total} partitions of {_where(lake)}", records)
    else:
        typer.echo(f"{counted.total} partitions of {_where(lake)} are what was written")
    if findings:
        raise typer.Exit(1)


@lake_app.command("compact")
def compact(
    table: TableArgument = None,
    study: StudyOption = None,
    grace_hours: Annotated[
        float, typer.Option(help="Objects replaced less than this ago stay: somebody may still read them.", min=0)
    ] = 24.0,
    as_json: JsonOption = False,
) -> None:
    """Rewrite badly grouped files with the same rows, remove what killed writers and replaced partitions left."""
    from feeds.lake_care import compact as tidy

    lake = _lake(study)
    with _progress("compacting", quiet=as_json) as listen:
        done = tidy(lake, table, grace_hours * 3600, listen)
    _publish_again(lake)
    freed = 0 if table else _prune_decoded(lake)
    record: dict[str, Any] = {
        "bytes_before": done.bytes_before,
        "bytes_after": done.bytes_after,
        "rewritten": [str(partition) for partition in done.rewritten],
        "removed_files": done.removed_files,
        "decoded_bytes_freed": freed,
        "left_alone": [{"partition": str(f.partition), "problem": f.problem} for f in done.left_alone],
    }
    if as_json:
        typer.echo(json.dumps(record, indent=1))
    else:
        typer.echo(
            f"{done.bytes_before / _MB:,.1f} MB before, {done.bytes_after / _MB:,.1f} MB after; "
            f"{len(done.rewritten)} files rewritten, {done.removed_files} left-over files removed, "
            f"{freed / _MB:,.1f} MB of decoded files no longer in the landing zone"
        )
        if record["left_alone"]:
            _print("left alone", record["left_alone"])
    if done.left_alone:
        raise typer.Exit(1)


def _prune_decoded(lake: Lake) -> int:
    from feeds.landing import prune_decoded

    return prune_decoded(lake.root)


class _Counted:
    """A listener that remembers the total it was told."""

    def __init__(self, inner: Callable[[int, int, str], None]) -> None:
        self._inner, self.total = inner, 0

    def __call__(self, done: int, total: int, what: str) -> None:
        self.total = total
        self._inner(done, total, what)


def _lake(study: str | None) -> Lake:
    """The lake of the study meant."""
    from feeds.lake import Lake
    from feeds.root import lake_url, study_root
    from feeds.study import chosen_study, load_study

    named = chosen_study(study)
    config = load_study(named)
    os.environ["T2T_STUDY"] = named
    return Lake(study_root(config), lake_url(config))


def _publish_again(lake: Lake) -> None:
    """Views over an object store name objects; those of rewritten partitions are others now."""
    from feeds.warehouse import FILE_NAME, publish

    if lake.url and (lake.root / FILE_NAME).is_file():
        publish(lake.root, lake.url)


def _where(lake: Lake) -> str:
    return lake.url or str(lake.root / "lake")


def _by_table(found: Sequence[PartitionSummary]) -> list[dict[str, Any]]:
    records: dict[str, dict[str, Any]] = {}
    for item in found:
        name = item.partition.table
        record = records.setdefault(name, {"table": name, "partitions": 0, "rows": 0, "mb": 0.0, "newest": ""})
        record["partitions"] += 1
        record["rows"] += item.rows
        record["mb"] += item.size / _MB
        record["newest"] = max(record["newest"], item.partition.date)
    return list(records.values())


def _by_partition(found: Sequence[PartitionSummary]) -> list[dict[str, Any]]:
    counted = any(item.faults is not None for item in found)
    return [
        {
            "date": item.partition.date,
            "symbol": item.partition.symbol or "",
            "rows": item.rows,
            "mb": item.size / _MB,
            **({"faults": item.faults if item.faults is not None else "not counted"} if counted else {}),
            "manifest": item.manifest_id,
        }
        for item in found
    ]


def _print(title: str, records: Sequence[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title)
    for name, value in records[0].items():
        number = isinstance(value, (int, float))
        table.add_column(name, justify="right" if number else "left", overflow="fold")
    for record in records:
        table.add_row(*(escape(_text(value)) for value in record.values()))
    Console().print(table)


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


@contextmanager
def _progress(what: str, quiet: bool) -> Iterator[Listener]:
    """A progress bar on a terminal, nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda done, total, name: None
        return
    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total, name: bar.update(task, completed=done, total=total, description=name)
