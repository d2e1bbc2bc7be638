"""``t2t download``: public archives to files, with progress.

Here: printing. Not here: the work (feeds/download).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TransferSpeedColumn

from feeds.errors import T2TError
from pipelines.show import console

if TYPE_CHECKING:
    from collections.abc import Callable

    from feeds.download.binance_public import Fetched, FileProgress, Market, Period

_STATES = {"downloaded": "green", "present": "cyan", "not_published": "yellow", "failed": "red"}


def download_binance(
    symbols: Sequence[str],
    kinds: Sequence[str],
    start: str,
    end: str,
    market: Market,
    target: Path,
    *,
    period: Period = "daily",
    base_url: str | None = None,
    parallel: int = 4,
    recheck: bool = False,
) -> list[Fetched]:
    """Download files of the exchange's public archive and print what became of them.

    Args:
        symbols: E.g. ``BTCUSDT``.
        kinds: ``trades``, ``aggTrades``, ``bookTicker``, ``bookDepth``, ``klines_1m``...
        start: ISO date, included.
        end: ISO date, included.
        market: ``spot``, ``um`` or ``cm``.
        target: Folder of the files.
        period: ``daily`` or ``monthly`` files.
        base_url: Another address than the public one.
        parallel: Files at a time.
        recheck: Ask for the checksums of files that are here, too.

    Raises:
        StudyError: An argument is wrong.
        T2TError: Files failed; the others are there. A file that is not published is no failure.
    """
    from feeds.download.binance_public import BinancePublic, plan

    files = plan(symbols, kinds, start, end, market, period)
    source = BinancePublic(base_url, parallel=parallel)
    with _progress(len(files)) as report:
        results = source.fetch(files, target, report, recheck)
    _print_results(results, target)
    failed = [result for result in results if result.state == "failed"]
    if failed:
        raise T2TError(
            "download",
            received=f"{len(failed)} of {len(results)} files that failed, the first: {failed[0].text}",
            remedy="Run the command again: it goes on where it stopped.",
        )
    return results


@contextmanager
def _progress(count: int) -> Iterator[Callable[[FileProgress], None]]:
    """A bar over the files and one over the bytes under way; on no terminal, a line a file."""
    lock, done, sizes = Lock(), 0, {}
    if not console.is_terminal:

        def tell(step: FileProgress) -> None:
            nonlocal done
            if step.state is not None:
                with lock:
                    done += 1
                    print(f"[{done}/{count}] {step.file.name}: {step.state}", flush=True)

        yield tell
        return
    files = Progress(BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), console=console)
    size = Progress(BarColumn(), DownloadColumn(), TransferSpeedColumn(), console=console)
    from rich.console import Group
    from rich.live import Live

    with Live(Group(files, size), console=console, refresh_per_second=4):
        of_files, of_bytes = files.add_task("", total=count), size.add_task("", total=None)

        def show(step: FileProgress) -> None:
            with lock:
                sizes[step.file.path] = (step.bytes_done, max(step.bytes_total, step.bytes_done))
                totals = [sum(column) for column in zip(*sizes.values(), strict=True)]
                size.update(of_bytes, completed=totals[0], total=totals[1])
                if step.state is not None:
                    files.update(of_files, advance=1, description=step.file.name)

        yield show


def _print_results(results: Sequence[Fetched], target: Path) -> None:
    counts = {state: sum(result.state == state for result in results) for state in _STATES}
    shown = [f"[{colour}]{counts[state]} {state.replace('_', ' ')}[/{colour}]" for state, colour in _STATES.items()]
    console.print(f"{', '.join(shown)}; files in [bold]{escape(str(target))}[/bold]", soft_wrap=True)
    for result in results:
        if result.state == "failed":
            console.print(f"[red]{escape(result.file.name)}[/red]: {escape(result.text)}", highlight=False)
        elif result.state == "not_published":
            console.print(f"[yellow]not published[/yellow]: {escape(result.file.path)}", highlight=False)
        elif not result.verified:
            console.print(f"[yellow]no checksum published[/yellow]: {escape(result.file.path)}", highlight=False)
