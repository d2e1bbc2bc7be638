"""Csv text into columns of integers by all threads: runs of whole lines, parsed by a compiled kernel.

The kernel takes plain lines only. Where one is not, there are no columns, and the caller takes the slower way of
strict_csv.py, which takes more spellings and names the line that is wrong.

Here: cutting a text, threads, numpy to polars. Not here: bytes of a line (feeds/kernels/csv_numbers.py), what a column
means (one module per format).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import polars as pl

from feeds.errors import UnreadableFileError

_A = TypeVar("_A")
_R = TypeVar("_R")
#: A run of lines is about that long: several a thread, so that none waits long for another.
_RUN_BYTES = 1 << 19
CellKind = Literal[
    "whole", "decimal", "hex", "code", "seconds", "skip", "date", "clock", "iso_local", "iso_zoned", "amount", "text"
]


@dataclass(frozen=True)
class Cell:
    """What a column holds.

    Attributes:
        kind: ``whole``: an integer; ``decimal``: a number with at most ``places`` decimals, kept times ``10**places``;
            ``hex``: hexadecimal digits; ``code``: 1 to 8 visible ASCII characters, kept packed, see `code_texts`;
            ``seconds``: seconds of a day, kept as ns; ``skip``: anything, kept as 0; ``date``, ``clock``,
            ``iso_local`` and ``iso_zoned``: see feeds/kernels/csv_times.py; ``amount``: a decimal, an empty cell
            (kept as -2^63) or one with more decimals (-2^63 + 1); ``text``: up to 255 bytes, kept as its place.
        places: See ``decimal``.
    """

    kind: CellKind
    places: int = 0


def on_threads(function: Callable[[_A], _R], jobs: Iterable[_A]) -> list[_R]:
    """Results of ``function`` on each job, in order, on as many threads as polars has."""
    listed = list(jobs)
    workers = min(pl.thread_pool_size(), len(listed))
    if workers < 2:
        return [function(job) for job in listed]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, listed))


def line_runs(content: bytes) -> list[np.ndarray]:
    """Cut a text without its last line ends into runs of whole lines, (n,) uint8 each, that end in a line end."""
    end = len(content)
    while end and content[end - 1] in b"\r\n":
        end -= 1
    text = np.frombuffer(content, np.uint8)
    last = content.rfind(b"\n", 0, end) + 1
    cuts = [0]
    while last - cuts[-1] > 2 * _RUN_BYTES:
        cuts.append(content.find(b"\n", cuts[-1] + _RUN_BYTES, last) + 1)
    cuts.append(last)
    runs = [text[a:b] for a, b in pairwise(cuts) if a < b]
    # The last line has no end of its own in many files; copied, it has one.
    return [*runs, np.frombuffer(content[last:end] + b"\n", np.uint8)] if end else []


def count_lines(run: np.ndarray) -> int:
    """Lines of a run."""
    from feeds.kernels import csv_numbers as kernel

    return int(kernel.count_lines(run))


def columns_of(content: bytes, cells: Sequence[Cell], delimiter: str = ",") -> np.ndarray | None:
    """Parse a text of fixed columns.

    Args:
        content: Lines without a header.
        cells: Its columns.
        delimiter: One ASCII character between cells, no character of a number.

    Returns:
        (columns, lines) int64, None where a line is not plainly as ``cells`` say, or there is none.
    """
    columns, wrong = _parsed(content, cells, delimiter)
    return columns if wrong is None and columns.shape[1] else None


def exact_columns(
    path: Path, content: bytes, cells: Sequence[Cell], expected: str, delimiter: str = ",", skipped: int = 0
) -> np.ndarray:
    """The same where nothing but plain lines is taken.

    Args:
        path: The file it comes from, for errors.
        content: See `columns_of`.
        cells: See `columns_of`.
        expected: What a line should be, for errors.
        delimiter: See `columns_of`.
        skipped: Lines of the file before ``content``.

    Raises:
        UnreadableFileError: There is no line, or one is not as ``cells`` say; names the first one.
    """
    columns, wrong = _parsed(content, cells, delimiter)
    if not columns.shape[1]:
        raise UnreadableFileError(path, f"line {skipped + 1}", expected, "an empty file")
    if wrong is not None:
        line = content.split(b"\n", wrong + 1)[wrong].rstrip(b"\r")
        raise UnreadableFileError(path, f"line {skipped + wrong + 1}", expected, repr(line[:80])[1:])
    return columns


def _parsed(content: bytes, cells: Sequence[Cell], delimiter: str) -> tuple[np.ndarray, int | None]:
    """The columns and the first line that is not as ``cells`` say."""
    from feeds.kernels import csv_numbers as kernel

    kinds = np.array([getattr(kernel, cell.kind.upper()) for cell in cells], np.int64)
    places = np.array([cell.places for cell in cells], np.int64)
    runs = line_runs(content)
    starts = starts_of(on_threads(count_lines, runs))
    out = np.empty((len(cells), starts[-1]), np.int64)

    bases = starts_of([run.size for run in runs])

    def parse(job: tuple[np.ndarray, int, int]) -> int:
        return int(kernel.parse_lines(job[0], ord(delimiter), kinds, places, out, *job[1:]))

    done = on_threads(parse, zip(runs, starts, bases, strict=False))
    wrong = next((start - lines - 1 for start, lines in zip(starts, done, strict=False) if lines < 0), None)
    return out, wrong


def starts_of(counts: Sequence[int]) -> list[int]:
    """Where each of several parts begins once they stand in a row, and where the last one ends."""
    return [0, *np.cumsum(counts, dtype=np.int64).tolist()]


def code_texts(words: np.ndarray) -> pl.Series:
    """Texts of a ``code`` column.

    Args:
        words: (n,) int64.

    Returns:
        (n,) String, not copied again: polars reads the views as they are written here.
    """
    import pyarrow as pa

    from feeds.kernels.csv_numbers import code_views

    views = np.empty((words.size, 2), np.uint64)
    edges = np.linspace(0, words.size, pl.thread_pool_size() + 1).astype(np.int64)
    on_threads(
        lambda k: code_views(words[edges[k] : edges[k + 1]], views[edges[k] : edges[k + 1]]), range(edges.size - 1)
    )
    return pl.Series(pa.Array.from_buffers(pa.string_view(), words.size, [None, pa.py_buffer(views)]), dtype=pl.String)
