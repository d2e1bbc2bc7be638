"""A progress bar over bytes that shows rows a second and the time left; on no terminal, a line now and then.

Here: `BytesBar`. Not here: what is counted (ingest.py, download.py).
"""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

#: Seconds between two lines where there is no terminal.
LINE_EVERY_S = 2.0


class BytesBar:
    """One bar after another on one line of a terminal.

    Args:
        console: Where to print.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._label, self._rows, self._done, self._total = "", 0, 0, 1
        self._started = self._spoke = time.perf_counter()

    def __enter__(self) -> BytesBar:
        """Start showing."""
        if self._console.is_terminal:
            self._bar = Progress(
                BarColumn(),
                TaskProgressColumn(),
                TimeElapsedColumn(),
                TextColumn("ETA"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[speed]}"),
                TextColumn("{task.description}"),
                console=self._console,
            )
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing."""
        if self._bar is not None:
            self._bar.stop()

    def begin(self, label: str, total_bytes: int) -> None:
        """Start a new piece of work."""
        self._label, self._rows, self._done, self._total = label, 0, 0, max(1, total_bytes)
        self._started = time.perf_counter()
        if self._bar is not None:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(label, total=self._total, speed="")
        self._show()

    def label(self, text: str) -> None:
        """Say what is being done now."""
        self._label = text
        self._show(always=True)

    def advance(self, rows: int, more_bytes: int) -> None:
        """Add to what is done."""
        self.update(self._rows + rows, self._done + more_bytes, self._total)

    def update(self, rows: int, done: int, total: int) -> None:
        """State what is done.

        Args:
            rows: Rows so far.
            done: Bytes so far.
            total: Bytes in all.
        """
        self._rows, self._done, self._total = rows, done, max(1, total)
        self._show()

    def _show(self, always: bool = False) -> None:
        elapsed = max(time.perf_counter() - self._started, 1e-9)
        speed = f"{self._rows / elapsed:,.0f} rows/s" if self._rows else ""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done, total=self._total, description=self._label, speed=speed)
            return
        if not always and time.perf_counter() - self._spoke < LINE_EVERY_S:
            return
        self._spoke = time.perf_counter()
        share = min(1.0, self._done / self._total)
        left = f"ETA {elapsed * (1 - share) / share:.0f} s" if 0 < share < 1 else ""
        parts = [self._label, f"{share:.0%}", f"{self._rows:,} rows" if self._rows else "", speed, left]
        print(" | ".join(part for part in parts if part), flush=True)
