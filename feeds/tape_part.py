"""One batch of a tape as a Parquet file: columns as narrow as their values, constant ones not at all.

Byte-stream-split pages under zstd's fastest level: the upper bytes of integers that lie close together are the same,
and split off they cost nothing, whatever the order of the rows.

Here: writing and reading one file. Not here: which rows are in it (feeds/tape.py).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from feeds.errors import LakeError
from feeds.schema import ACTION_ENUM, ACTIONS, SIDE_ENUM, SIDES

if TYPE_CHECKING:
    import pyarrow as pa

#: A reader of one instrument unpacks whole row groups: of a market of thousands most has few rows in a batch.
ROWS_PER_GROUP = 32_768
#: Columns that a file holds as one, ``kind``: each costs a stream of its own. side + 3 * action + 32 * flags.
KIND = ("action", "side", "flags")
_SIDES, _FLAG = len(SIDES), 32
_CONSTANTS = b"constants"
_NARROW = (np.int8, np.int16, np.int32)


def write_part(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    """Write a batch, and have it on the disk.

    Args:
        path: File to make.
        columns: Integer arrays of one length, at least 1.

    Raises:
        OSError: The disk is full, or the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    constants: dict[str, int] = {}
    kept: dict[str, np.ndarray] = {}
    for name, values in columns.items():
        low, high = int(values.min()), int(values.max())
        if low == high:
            constants[name] = low
        else:
            kept[name] = _narrowed(values, low, high)
    if not kept:  # a Parquet file without columns has no rows either
        name, values = next(iter(columns.items()))
        kept[name] = values
        del constants[name]
    arrays = {name: pa.array(values) for name, values in kept.items()}
    # Nullable columns would carry a level a value.
    fields = [pa.field(name, array.type, nullable=False) for name, array in arrays.items()]
    schema = pa.schema(fields, metadata={_CONSTANTS: json.dumps(constants)})
    table = pa.table(list(arrays.values()), schema=schema)
    with path.open("wb") as handle:
        pq.write_table(
            table,
            handle,
            row_group_size=ROWS_PER_GROUP,
            compression="zstd",
            compression_level=1,
            use_dictionary=False,
            column_encoding=dict.fromkeys(kept, "BYTE_STREAM_SPLIT"),
            write_statistics=False,
            write_page_checksum=True,
        )
        handle.flush()
        os.fsync(handle.fileno())


def read_part(path: Path, first: int, rows: int) -> pl.DataFrame:
    """Rows ``first`` to ``first + rows`` of a batch; int64 columns.

    Raises:
        LakeError: The file is missing or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            groups = range(first // ROWS_PER_GROUP, (first + rows - 1) // ROWS_PER_GROUP + 1)
            table = file.read_row_groups(list(groups), use_threads=False)
            constants = _constants(file.schema_arrow)
    except (OSError, pa.ArrowException, ValueError, KeyError) as error:
        raise LakeError(
            f"tape part {path}", received=str(error), expected="a whole Parquet file", remedy="Decode the file again."
        ) from error
    frame = pl.from_arrow(table.slice(first - groups[0] * ROWS_PER_GROUP, rows))
    assert isinstance(frame, pl.DataFrame)
    return frame.with_columns(
        pl.all().cast(pl.Int64), *[pl.lit(value, pl.Int64).alias(name) for name, value in constants.items()]
    )


def packed_kind(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """One column of the columns `KIND`, uint16; ``flags`` may be missing."""
    kind = columns["action"].astype(np.uint16) * np.uint16(_SIDES) + columns["side"].astype(np.uint16)
    return kind + columns["flags"].astype(np.uint16) * np.uint16(_FLAG) if "flags" in columns else kind


def unpacked_kind(kind: pl.Series) -> tuple[pl.Series, pl.Series, pl.Series]:
    """The columns `KIND` of `packed_kind`, named."""
    actions, sides = pl.Series(ACTIONS, dtype=ACTION_ENUM), pl.Series(SIDES, dtype=SIDE_ENUM)
    code = kind % _FLAG
    return (
        actions.gather(code // _SIDES).alias("action"),
        sides.gather(code % _SIDES).alias("side"),
        (kind // _FLAG).alias("flags"),
    )


def _constants(schema: pa.Schema) -> dict[str, int]:
    return dict(json.loads((schema.metadata or {})[_CONSTANTS]))


def _narrowed(values: np.ndarray, low: int, high: int) -> np.ndarray:
    for kind in _NARROW:
        if values.itemsize <= np.dtype(kind).itemsize:
            break
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return values.astype(kind)
    return values
