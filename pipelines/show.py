"""Progress and summary tables on a terminal.

Here: printing. Not here: the work.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from pipelines.runner import Listener, Outcome, RunSummary, Step

console = Console()


@contextmanager
def progress() -> Iterator[Listener]:
    """A progress bar over the runs; on no terminal, one line per run."""
    if not console.is_terminal:
        yield lambda index, total, step: print(f"[{index + 1}/{total}] {step.label}", flush=True)
        return
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("starting", total=None)

        def listen(index: int, total: int, step: Step) -> None:
            bar.update(task, completed=index, total=total, description=step.label)

        yield listen
        bar.update(task, completed=bar.tasks[0].total or 0, description="done")


def print_outcomes(summary: RunSummary) -> None:
    """The table of runs and the list of problems."""
    table = Table(title=f"{summary.study.name}: {len(summary.outcomes)} runs in {summary.seconds:.0f} s")
    for column in ("job", "partition", "state"):
        table.add_column(column)
    table.add_column("seconds", justify="right")
    for outcome in summary.outcomes:
        table.add_row(outcome.step.job, outcome.step.partition, _coloured(outcome), f"{outcome.seconds:.1f}")
    console.print(table)
    for outcome in summary.failed:
        for problem in outcome.problems:
            console.print(f"[red]{escape(outcome.step.label)}[/red]: {escape(problem)}", highlight=False)
    for name, reason in summary.quarantined:
        console.print(f"[yellow]quarantined {escape(name)}[/yellow]: {escape(reason)}", highlight=False)
    for text in summary.left_alone:
        console.print(f"[cyan]left alone[/cyan]: {escape(text)}", highlight=False)


def _coloured(outcome: Outcome) -> str:
    colour = {"done": "green", "failed": "red"}.get(outcome.state, "cyan")
    return f"[{colour}]{outcome.state}[/{colour}]"


def print_summary(summary: RunSummary) -> None:
    """Runs, headline figures of the newest night, and where the report is."""
    print_outcomes(summary)
    print_headline(summary.root)
    console.print(f"{summary.seconds:.0f} s, peak memory {summary.peak_rss_mb:.0f} MB")
    report = summary.report_path()
    if report is None:
        console.print("[red]no night could be trained, so there is no report[/red]; the reasons stand above")
    else:
        console.print(f"report: [bold]{report}[/bold]", soft_wrap=True)


#: What the summary shows of each artefact; everything else is in the report.
HEADLINE = {
    "alpha_model": ("ic", "ic_low", "ic_high", "rank_ic", "hit_rate"),
    "volatility_model": ("qlike_har", "qlike_ewma", "qlike_naive"),
    "regime_model": ("states", "log_likelihood_gain"),
    "anomaly_score": ("flagged",),
    "execution_evaluation": ("is_bps_dqn", "is_bps_ppo", "is_bps_twap_taker", "is_bps_twap_passive"),
    "backtest": ("gross_total_bps", "net_total_bps", "trades"),
}


def print_headline(root: Path) -> None:
    """Key metrics of the newest models."""
    from feeds.artefacts import ArtefactStore

    store = ArtefactStore(root)
    table = Table(title="newest night (`t2t explain ID` walks back to the raw files)")
    table.add_column("artefact", no_wrap=True)
    table.add_column("metrics")
    for name, wanted in HEADLINE.items():
        if dates := store.dates(name):
            manifest = store.current(name, dates[-1])
            figures = [f"{key} {manifest.metrics[key]:.4g}" for key in wanted if manifest.metrics.get(key) is not None]
            table.add_row(manifest.id, ", ".join(figures))
    if table.row_count:
        console.print(table)
