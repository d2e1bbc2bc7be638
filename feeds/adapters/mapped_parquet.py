"""A mapped Parquet file in batches of columns, in bounded memory.

Whole numbers, decimals and texts are exact; a float must be a multiple of its unit within a relative 1e-9.

Here: Parquet -> columns. Not here: values of a column (mapped_columns.py), what rows become (mapped_events.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from feeds.adapters.mapped_columns import Broken, Role, Values, float_values, in_units, text_codes, text_values
from feeds.adapters.mapped_csv import Batch
from feeds.adapters.mapped_times import local_as_utc
from feeds.adapters.mapping import Mapping, Time
from feeds.errors import UnreadableFileError

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

MAGIC = b"PAR1"
_BATCH_ROWS = 1 << 19
_TEXTS = ("symbol", "side", "action")
_MAX_INT64 = 2**63 - 1


def parquet_columns(path: Path) -> tuple[str, ...]:
    """Names of the columns of a file.

    Raises:
        UnreadableFileError: It is cut short or damaged.
    """
    with _opened(path) as file:
        return tuple(file.schema_arrow.names)


def check_columns(path: Path, mapping: Mapping, names: tuple[str, ...]) -> None:
    """That a file has the columns of its mapping.

    Raises:
        UnreadableFileError: It lacks some.
    """
    missing = [name for name in mapping.wanted if names.count(name) != 1]
    if missing:
        raise UnreadableFileError(path, "the schema", f"the columns {missing}, each once", list(names))


def parquet_batches(path: Path, mapping: Mapping, roles: list[Role]) -> Iterator[Batch]:
    """Read a file.

    Raises:
        UnreadableFileError: It is damaged, or a column is of a type that its role cannot have.
    """
    import pyarrow as pa

    times = {"time": mapping.time, "receive_time": mapping.receive_time}
    size, done = path.stat().st_size, 0
    with _opened(path) as file:
        check_columns(path, mapping, tuple(file.schema_arrow.names))
        rows = max(file.metadata.num_rows, 1)
        batches = file.iter_batches(batch_size=_BATCH_ROWS, columns=list(mapping.wanted))
        while True:
            try:
                part = next(batches, None)
            except (pa.ArrowException, OSError) as error:
                raise UnreadableFileError(path, f"row {done + 1}", "a whole Parquet file", error) from error
            if part is None:
                return
            frame = pl.DataFrame(pa.Table.from_batches([part]))
            values, codes = {}, {}
            for role in roles:
                column = frame[role.column]

                def broken(
                    row: int, expected: str, found: object, role: Role = role, done: int = done
                ) -> UnreadableFileError:
                    return UnreadableFileError(path, f"row {done + row + 1}", f"{expected} as {role.column}", found)

                if role.name in _TEXTS:
                    codes[role.name] = text_codes(column)
                else:
                    values[role.name] = _values(column, role, times.get(role.name), broken)
            yield Batch(frame.height, values, codes, "row", done + 1, size * (done + frame.height) // rows)
            done += frame.height


def _opened(path: Path) -> ParquetFile:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        return ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise UnreadableFileError(path, f"byte {path.stat().st_size}", "a whole Parquet file", error) from error


def _values(column: pl.Series, role: Role, time: Time | None, broken: Broken) -> Values:
    empty = column.is_null().to_numpy()
    if empty.any() and role.unit is None and role.name != "order_id":
        raise broken(int(empty.argmax()), "a time", "an empty cell")
    kind = column.dtype
    if kind == pl.String:
        return text_values(column, role, broken)
    if kind.is_decimal():
        return text_values(column.cast(pl.String), role, broken)
    if time is not None and time.unit in ("timestamp", "clock", "iso"):
        return Values(_times(column, time, broken))
    if role.cell.kind == "date":
        return Values(_typed(column, pl.Date, "a Date or text column", broken).to_physical().cast(pl.Int64).to_numpy())
    if kind.is_integer():
        return _integers(column, empty, role, broken)
    if kind.is_float() and role.unit is not None:
        return float_values(column.fill_null(float("nan")).cast(pl.Float64).to_numpy(), role.unit)
    allowed = "numbers or texts" if role.unit is not None else "whole numbers, decimals or texts"
    raise broken(0, f"a column of {allowed}", f"{kind}")


def _typed(column: pl.Series, kind: type[pl.DataType], expected: str, broken: Broken) -> pl.Series:
    if column.dtype.base_type() is not kind:
        raise broken(0, expected, f"{column.dtype}")
    return column


def _times(column: pl.Series, time: Time, broken: Broken) -> np.ndarray:
    if time.unit == "clock":
        return _typed(column, pl.Time, "a Time or text column", broken).to_physical().to_numpy()
    stamps = _typed(column, pl.Datetime, "a timestamp column", broken)
    assert isinstance(stamps.dtype, pl.Datetime)
    zoned = stamps.dtype.time_zone is not None
    if zoned == (time.timezone is not None):
        expected = "a timestamp without a zone, as the mapping states one" if zoned else "a timestamp with a zone"
        raise broken(0, expected, f"{stamps.dtype}")
    factor = {"ns": 1, "us": 1_000, "ms": 1_000_000}[stamps.dtype.time_unit]
    values = _scaled(stamps.to_physical().to_numpy(), factor, broken)
    return values if zoned or time.timezone is None else local_as_utc(values, time.timezone, broken)


def _integers(column: pl.Series, empty: np.ndarray, role: Role, broken: Broken) -> Values:
    filled = column.fill_null(0)
    if filled.len() and int(filled.max()) > _MAX_INT64:  # type: ignore[arg-type]
        raise broken(int(filled.arg_max() or 0), "a whole number of 64 bits", filled.max())
    scaled = _scaled(filled.cast(pl.Int64).to_numpy(), 10**role.cell.places, broken)
    values = in_units(scaled, role.unit) if role.unit is not None else Values(scaled)
    if not empty.any():
        return values
    from feeds.adapters.mapped_columns import GOOD, MISSING

    state = np.zeros(empty.size, np.uint8) if values.state is None else values.state
    return Values(values.numbers, np.where(empty, MISSING, np.where(state, state, GOOD)).astype(np.uint8))


def _scaled(numbers: np.ndarray, factor: int, broken: Broken) -> np.ndarray:
    """``numbers * factor``, exact."""
    limit = _MAX_INT64 // factor
    large = (numbers > limit) | (numbers < -limit)
    if large.any():
        raise broken(int(large.argmax()), f"a number that fits 64 bits times {factor}", int(numbers[large.argmax()]))
    return numbers.astype(np.int64) * factor
