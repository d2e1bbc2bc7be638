"""A mapped csv in batches of columns, in bounded memory: plain, gzip, or a zip of one csv.

Each block of lines is parsed by the compiled kernel where all its cells are plain; else its cells are split by polars,
and each column is read by itself. Both give the same. A quoted cell may hold delimiters, but no line end.

Here: bytes -> columns. Not here: values of a column (mapped_columns.py), what rows become (mapped_events.py).
"""

from __future__ import annotations

import csv
import gzip
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np
import polars as pl

from feeds.adapters.containers import DAMAGE, first_line, only_csv
from feeds.adapters.csv_blocks import Cell, columns_of
from feeds.adapters.mapped_columns import Codes, Role, Values, amounts, span_codes, text_codes, text_values
from feeds.adapters.mapping import Mapping
from feeds.errors import UnreadableFileError

_BLOCK_BYTES = 1 << 25
_QUOTE = b'"'
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_TEXTS = ("symbol", "side", "action")


@dataclass(frozen=True)
class Batch:
    """Some rows of a file.

    Attributes:
        rows: How many.
        values: Numbers by role.
        codes: Texts by role.
        place: Name of the first row's place, e.g. ``line``.
        first: Its number.
        bytes_done: Bytes of the file read so far.
    """

    rows: int
    values: dict[str, Values]
    codes: dict[str, Codes]
    place: str
    first: int
    bytes_done: int


def column_names(path: Path, mapping: Mapping, line: str) -> tuple[str, ...]:
    """Names of the columns of a csv.

    Args:
        path: The file, for errors.
        mapping: Its mapping.
        line: Its first line.

    Raises:
        UnreadableFileError: The line is no header with the columns of the mapping, or has another number of cells.
    """
    try:
        cells = next(csv.reader([line], delimiter=mapping.delimiter), [])
    except csv.Error as error:
        raise UnreadableFileError(path, "line 1", "csv text, as its mapping says", repr(line[:80])) from error
    if not mapping.header:
        if len(cells) != len(mapping.columns):
            raise UnreadableFileError(
                path, "line 1", f"{len(mapping.columns)} columns", f"{len(cells)} in {line[:80]!r}"
            )
        return mapping.columns
    names = tuple(cell.strip() for cell in cells)
    missing = [name for name in mapping.wanted if names.count(name) != 1]
    if missing:
        raise UnreadableFileError(path, "line 1", f"a header with the columns {missing}, each once", repr(line[:200]))
    return names


def csv_batches(path: Path, mapping: Mapping, roles: list[Role]) -> Iterator[Batch]:
    """Read a file.

    Raises:
        UnreadableFileError: It is cut short, a line has too few or too many cells, or a cell is not of its kind.
    """
    names: tuple[str, ...] = ()
    number = 1
    for block, done in _blocks(path):
        if not names:
            # The first block is the first line.
            names = column_names(path, mapping, first_line(block))
            if mapping.header:
                number += 1
                continue
            block = block.removeprefix(_BYTE_ORDER_MARK)
        batch = _plain_batch(block, names, mapping, roles, number, done)
        batch = batch or _split_batch(path, block, names, mapping, roles, number, done)
        number += batch.rows
        yield batch
    if not names:
        raise UnreadableFileError(path, "line 1", "a header" if mapping.header else "a line", "an empty file")


def _plain_batch(
    block: bytes, names: tuple[str, ...], mapping: Mapping, roles: list[Role], first: int, done: int
) -> Batch | None:
    """A block by the compiled kernel, None where a cell is not plain."""
    if _QUOTE in block or len({role.column for role in roles}) < len(roles):
        return None
    cells = {role.column: role.cell for role in roles}
    columns = columns_of(block, [cells.get(name, Cell("skip")) for name in names], mapping.delimiter)
    if columns is None:
        return None
    values, codes = {}, {}
    for role in roles:
        column = columns[names.index(role.column)]
        if role.name not in _TEXTS:
            values[role.name] = amounts(column, role.unit) if role.unit else Values(column)
        elif (read := span_codes(block, column)) is not None:
            codes[role.name] = read
        else:
            return None
    return Batch(columns.shape[1], values, codes, "line", first, done)


def _split_batch(
    path: Path, block: bytes, names: tuple[str, ...], mapping: Mapping, roles: list[Role], first: int, done: int
) -> Batch:
    """A block by polars: cells as texts, then column by column."""
    from feeds.kernels.csv_numbers import wrong_width

    text = np.frombuffer(block, np.uint8)
    line = int(wrong_width(text, ord(mapping.delimiter), len(names), ord(_QUOTE)))
    if line >= 0:
        found = block.split(b"\n", line + 1)[line]
        raise UnreadableFileError(path, f"line {first + line}", f"{len(names)} columns", repr(found[:80])[1:])
    try:
        frame = pl.read_csv(
            block.replace(b"\r\n", b"\n"),
            has_header=False,
            schema={f"{place}": pl.String for place in range(len(names))},
            separator=mapping.delimiter,
            quote_char=_QUOTE.decode(),
            columns=sorted({names.index(role.column) for role in roles}),
        )
    except pl.exceptions.PolarsError as error:
        raise UnreadableFileError(path, f"line {first}", "csv text", str(error).splitlines()[0][:200]) from error
    lines = block.count(b"\n")
    if frame.height != lines:
        raise UnreadableFileError(path, f"line {first}", f"{lines} lines of {len(names)} cells", f"{frame.height}")
    values, codes = {}, {}
    for role in roles:
        texts = frame[str(names.index(role.column))]

        def broken(row: int, expected: str, found: object, role: Role = role) -> UnreadableFileError:
            return UnreadableFileError(path, f"line {first + row}", f"{expected} as {role.column}", found)

        if role.name in _TEXTS:
            codes[role.name] = text_codes(texts)
        else:
            values[role.name] = text_values(texts, role, broken)
    return Batch(frame.height, values, codes, "line", first, done)


def _blocks(path: Path) -> Iterator[tuple[bytes, int]]:
    """The first line, then runs of whole lines, each with the bytes of the file read so far."""
    with path.open("rb") as raw, _unpacked(path, raw) as text:
        size = 0
        while block := _next_lines(path, raw, text, size):
            if not block.endswith(b"\n"):
                if text is raw:
                    # A plain file carries no length: a missing last line end is the sign of a copy that stopped.
                    found = f"the file stops after {block[-40:]!r}"
                    raise UnreadableFileError(path, f"byte {raw.tell()}", "a line end", found)
                block += b"\n"
            yield block, raw.tell()
            size = _BLOCK_BYTES


def _next_lines(path: Path, raw: IO[bytes], text: IO[bytes], size: int) -> bytes:
    try:
        block = text.read(size)
        return block if block.endswith(b"\n") else block + text.readline()
    except DAMAGE as error:
        raise UnreadableFileError(path, f"byte {raw.tell()}", "a whole compressed file", error) from error


@contextmanager
def _unpacked(path: Path, raw: IO[bytes]) -> Iterator[IO[bytes]]:
    kind = raw.read(2)
    raw.seek(0)
    if kind == b"\x1f\x8b":
        with gzip.GzipFile(fileobj=raw) as unpacked:
            yield cast(IO[bytes], unpacked)
    elif kind == b"PK":
        member = only_csv(path)
        if member is None:
            raise UnreadableFileError(path, "the archive's directory", "one csv", "none or several")
        with zipfile.ZipFile(raw) as archive, archive.open(member) as unpacked:
            yield unpacked
    else:
        yield raw
