"""Csv of fixed columns without quotes, read whole: no cell is missing, none is of another type.

Polars reads fast and fills short lines with nulls; so whatever is not complete and clean is gone through line by line,
to name the line.

Here: bytes -> frame. Not here: what a value means, which rows are wrong in themselves (one module per format).
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from feeds.errors import UnreadableFileError

CsvSchema = Mapping[str, type[pl.DataType]]

_INT64 = range(-(2**63), 2**63)
_INTEGER = re.compile(r"[+-]?\d+")


def read_strict(path: Path, content: bytes, schema: CsvSchema, header: str | None = None) -> pl.DataFrame:
    """Parse ``content``.

    Args:
        path: The file it comes from, for errors.
        content: Lines of ``len(schema)`` comma-separated cells.
        schema: Column -> ``pl.Int64``, ``pl.Float64`` or ``pl.String`` (not empty).
        header: The first line, None where there is none.

    Returns:
        One row a line, without nulls.

    Raises:
        UnreadableFileError: The file is empty, a line has too few or too many cells, or a cell is not of its column's
            type; names the first such line.
    """
    skipped = 0
    if header is not None:
        first, _, content = content.partition(b"\n")
        skipped = 1
        if first.decode("utf-8-sig", errors="replace").strip() != header:
            raise UnreadableFileError(path, "line 1", header, repr(first[:80]))
    body = content.rstrip(b"\r\n")
    if not body and header is None:
        raise UnreadableFileError(path, "line 1", f"{len(schema)} columns", "an empty file")
    if not body:
        return pl.DataFrame(schema=dict(schema))
    problem = "empty cells"
    try:
        frame = pl.read_csv(io.BytesIO(body), has_header=False, schema=dict(schema), quote_char=None)
        if not any(frame.null_count().row(0)):
            return frame
    except pl.exceptions.PolarsError as error:
        problem = str(error).splitlines()[0][:200]
    raise UnreadableFileError(path, *_first_bad_line(body, schema, skipped, problem))


def _first_bad_line(body: bytes, schema: CsvSchema, skipped: int, problem: str) -> tuple[str, str, str]:
    for number, line in enumerate(body.split(b"\n"), start=skipped + 1):
        wrong = _what_is_wrong(line.rstrip(b"\r"), schema)
        if wrong:
            return f"line {number}", *wrong
    return "some line", f"{len(schema)} columns of the right types", problem


def _what_is_wrong(line: bytes, schema: CsvSchema) -> tuple[str, str] | None:
    try:
        cells = line.decode().split(",")
    except UnicodeDecodeError as error:
        return "UTF-8 text", repr(line[error.start : error.start + 8])
    if len(cells) != len(schema):
        return f"{len(schema)} columns", f"{len(cells)} in {line[:80]!r}"
    for cell, (name, kind) in zip(cells, schema.items(), strict=True):
        if not _fits(cell, kind):
            return f"{_KIND_NAMES[kind]} as {name}", repr(cell)
    return None


def _fits(cell: str, kind: type[pl.DataType]) -> bool:
    if kind is pl.String:
        return cell != ""
    if kind is pl.Int64:
        return _INTEGER.fullmatch(cell.strip()) is not None and int(cell) in _INT64
    try:
        float(cell)
    except ValueError:
        return False
    return True


_KIND_NAMES: dict[type[pl.DataType], str] = {
    pl.Int64: "a 64-bit whole number",
    pl.Float64: "a number",
    pl.String: "a text",
}
