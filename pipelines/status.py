"""``t2t status``: what the lake holds, what is missing and why.

Here: a read-only view. Not here: repairing anything.
"""

from __future__ import annotations

import json
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from assets.universe import universe_of
from feeds.artefacts import ArtefactStore
from feeds.lake import Lake
from feeds.root import lake_url
from feeds.study import Study
from pipelines.show import console

ALERTS_SHOWN = 5


def print_status(study: Study, root: Path) -> None:
    """Dates x instruments, models, quarantine and the last failures of a study."""
    lake = Lake(root, lake_url(study))
    console.print(f"[bold]{study.name}[/bold] in {root}", soft_wrap=True)
    dates = lake.dates("raw_ticks")
    if not dates:
        console.print("the lake is empty; `t2t run` fills it")
    else:
        console.print(_dates_table(study, lake, dates))
        _print_artefacts(ArtefactStore(root), dates)
    _print_quarantine(root)
    _print_alerts(root)


def _dates_table(study: Study, lake: Lake, dates: list[str]) -> Table:
    table = Table()
    for column in ("date", "included", "excluded", "training rows"):
        table.add_column(column, overflow="fold")
    for date in dates:
        universe = universe_of(lake, study, date)
        excluded = "; ".join(f"{name}: {reason}" for name, reason in universe.excluded.items())
        rows = str(lake.manifest("training_set", date).rows) if lake.exists("training_set", date) else "-"
        table.add_row(date, " ".join(universe.included), excluded, rows)
    return table


def _print_artefacts(artefacts: ArtefactStore, dates: list[str]) -> None:
    """Ids below the table, each in one piece, to be handed to `t2t explain`."""
    for date in dates:
        for name in ("alpha_model", "volatility_model", "execution_policy", "nightly_report"):
            if artefacts.exists(name, date):
                console.print(f"{date}  {artefacts.current(name, date).id}", highlight=False)


def _print_quarantine(root: Path) -> None:
    from feeds.quarantine import listing

    for entry in listing(root):
        console.print(f"[yellow]quarantine[/yellow] {escape(entry['file'])}: {escape(entry['error'])}", highlight=False)


def _print_alerts(root: Path) -> None:
    path = root / "alerts.jsonl"
    lines = path.read_text().splitlines() if path.is_file() else []
    for line in lines[-ALERTS_SHOWN:]:
        alert = json.loads(line)
        console.print(
            f"[red]{alert['at']}[/red] {alert['job']} {alert['partition']}: {alert['message']}",
            highlight=False,
        )
