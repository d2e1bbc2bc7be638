"""The content hash of a table: equal for equal rows, however they were cut into chunks, encoded or compressed.

Rows are hashed in blocks of a fixed size, one SHA-256 a column over the values themselves (little-endian, nulls as a
bitmap and zeros, strings as lengths and bytes); the table's hash is that of its schema, its height and the columns'
digests.

Here: the hash and the cutting into blocks. Not here: files (feeds/table_file.py).
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from feeds.errors import SchemaError

#: Rows a block, and a row group of the file. Part of the hash: another number gives other hashes.
BLOCK_ROWS = 131_072
#: Name of this way of hashing, kept beside the hash.
HASH_NAME = "column-blocks-1"


class ContentHash:
    """Hash of a table handed over block by block.

    Args:
        schema: Columns and types of every block.
    """

    def __init__(self, schema: pl.Schema) -> None:
        self._schema = schema
        self._columns = [hashlib.sha256() for _ in schema]
        self._rows = 0

    def update(self, block: pa.Table) -> None:
        """Add one block: `BLOCK_ROWS` rows, fewer in the last one.

        Args:
            block: ``frame.rechunk().to_arrow()`` of a frame with the schema.
        """
        self._rows += block.num_rows
        for digest, column, kind in zip(self._columns, block.columns, self._schema.dtypes(), strict=True):
            array = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
            # Codes of an Enum mean the same everywhere, those of a Categorical only within one table.
            if pa.types.is_dictionary(array.type):
                array = array.indices if isinstance(kind, pl.Enum) else array.dictionary_decode()
            _feed(digest, array)

    def hexdigest(self) -> str:
        """The hash of everything handed over, 64 hex digits."""
        total = hashlib.sha256(json.dumps([HASH_NAME, schema_text(self._schema), self._rows]).encode())
        for digest in self._columns:
            total.update(digest.digest())
        return total.hexdigest()


def hash_of(frames: Iterable[pl.DataFrame]) -> str:
    """Content hash of stacked frames.

    Raises:
        SchemaError: There is no frame, or they differ in columns or types.
    """
    found: ContentHash | None = None
    for block in blocks(frames):
        found = found or ContentHash(block.schema)
        found.update(block.to_arrow())
    if found is None:
        raise SchemaError("content hash", received="no frame", expected="at least one, though it be empty")
    return found.hexdigest()


def blocks(frames: Iterable[pl.DataFrame], rows: int = BLOCK_ROWS) -> Iterator[pl.DataFrame]:
    """Stacked ``frames`` cut into contiguous blocks of ``rows`` rows; only the last may hold fewer.

    Yields:
        At least one block where there is a frame, empty where all are.

    Raises:
        SchemaError: Frames differ in columns or types.
    """
    waiting: list[pl.DataFrame] = []
    height, schema, yielded = 0, None, False
    for frame in frames:
        if schema is None:
            schema = frame.schema
        elif frame.schema != schema:
            raise SchemaError(
                "chunks of one table", received=dict(frame.schema), expected=dict(schema), remedy="Fix the producer."
            )
        while height + frame.height >= rows:
            head, frame = frame.slice(0, rows - height), frame.slice(rows - height)
            yield _joined([*waiting, head])
            waiting, height, yielded = [], 0, True
        if frame.height:
            waiting.append(frame)
            height += frame.height
    if waiting:
        yield _joined(waiting)
    elif schema is not None and not yielded:
        yield pl.DataFrame(schema=schema)


def schema_text(schema: pl.Schema) -> list[list[Any]]:
    """Columns and types as JSON can hold them; the categories of an Enum included."""
    return [[name, _type_text(kind)] for name, kind in schema.items()]


def _type_text(kind: pl.DataType) -> str:
    if isinstance(kind, pl.Enum):
        return f"Enum{json.dumps(kind.categories.to_list())}"
    return "Categorical" if isinstance(kind, pl.Categorical) else str(kind)


def _joined(frames: list[pl.DataFrame]) -> pl.DataFrame:
    return frames[0].rechunk() if len(frames) == 1 else pl.concat(frames, rechunk=True)


def _feed(digest: Any, array: pa.Array) -> None:
    """Hash one column's values of one block; what lies under nulls does not count.

    Buffers are read as they lie: the conversions of pyarrow import pandas, which takes half a second.
    """
    digest.update(struct.pack("<qq", len(array), array.null_count))
    if array.null_count == len(array):
        return
    valid = _bits(array, 0) if array.null_count else None
    if valid is not None:
        digest.update(np.packbits(valid))
    kind = array.type
    if pa.types.is_large_list(kind):
        digest.update(_little(_lengths(array, valid).astype(np.int64)))
        _feed(digest, array.flatten())
    elif pa.types.is_fixed_size_list(kind):
        _feed(digest, array.flatten())
    elif pa.types.is_struct(kind):
        for field in array.flatten():
            _feed(digest, field)
    elif pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        digest.update(_little(_lengths(array, valid).astype(np.uint32)))
        digest.update(_text_of(array if valid is None else array.drop_null()))
    elif pa.types.is_boolean(kind):
        bits = _bits(array, 1)
        digest.update(np.packbits(bits if valid is None else bits & valid))
    else:
        digest.update(_little(_numbers(array, valid)))


def _bits(array: pa.Array, position: int) -> np.ndarray:
    """A buffer of bits as booleans, shape ``(n,)``."""
    packed = np.frombuffer(array.buffers()[position], np.uint8)
    bits = np.unpackbits(packed, bitorder="little", count=min(len(packed) * 8, array.offset + len(array)))
    return bits[array.offset :].astype(bool)


def _lengths(array: pa.Array, valid: np.ndarray | None) -> np.ndarray:
    """Lengths of strings or lists, int64, zero under nulls; shape ``(n,)``."""
    offsets = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array) + 1]
    lengths = np.diff(offsets)
    return lengths if valid is None else np.where(valid, lengths, 0)


def _text_of(array: pa.Array) -> memoryview | bytes:
    """All bytes of strings without nulls, one after the other."""
    _, offset_buffer, data = array.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64)[array.offset : array.offset + len(array) + 1]
    return memoryview(data)[offsets[0] : offsets[-1]] if data is not None else b""


def _numbers(array: pa.Array, valid: np.ndarray | None) -> np.ndarray:
    """Physical values of a column of fixed width, zero under nulls; shape ``(n,)``, or ``(n, width)`` bytes."""
    width, data = array.type.bit_width // 8, array.buffers()[1]
    if width in (1, 2, 4, 8):
        values = np.frombuffer(data, np.dtype(f"u{width}"))[array.offset : array.offset + len(array)]
    else:
        values = np.frombuffer(data, np.uint8).reshape(-1, width)[array.offset : array.offset + len(array)]
    if valid is None:
        return values
    values = values.copy()
    values[~valid] = 0
    return values


def _little(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"), copy=False))
