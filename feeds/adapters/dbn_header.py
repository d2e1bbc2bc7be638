"""The metadata at the head of a Databento file: dataset, schema, symbols.

Source: "Databento Binary Encoding", section "Metadata", versions 1 to 3. ``DBN``, version u8, length u32 of what
follows; dataset 16 bytes, schema u16, start u64, end u64, limit u64, in version 1 a record count u64, symbol types in
and out u8, ts_out u8, from version 2 the length of a symbol u16, reserved bytes up to 100; schema definition (length
u32); then, each behind a u32 count, the symbols, the partly found, the not found, and the mappings: a symbol, and
behind a count its intervals: first and end date as YYYYMMDD u32, symbol. Strings have a fixed length and end with
zeros.

Here: `parse_header`. Not here: where the bytes come from (dbn_reader.py).
"""

from __future__ import annotations

import datetime as dt
import struct
from dataclasses import dataclass
from pathlib import Path

from feeds.adapters.dbn_records import MIXED, SCHEMAS
from feeds.errors import UnreadableFileError

MAGIC = b"DBN"
VERSIONS = (1, 2, 3)
#: Bytes before the metadata: magic, version, length.
PREFIX = 8
_FIXED = struct.Struct("<16sHQQQ")
_FIXED_LENGTH = 100
_OLD_SYMBOL_LENGTH = 22
_NO_COUNT = 2**64 - 1
#: More than any list of symbols needs.
_MAX_LENGTH = 1 << 28


@dataclass(frozen=True)
class Mapping:
    """What a symbol stood for during some days.

    Attributes:
        symbol: As asked for.
        resolved: What it led to.
        start_ns: First moment, ns UTC.
        end_ns: First moment after it.
    """

    symbol: str
    resolved: str
    start_ns: int
    end_ns: int


@dataclass(frozen=True)
class Header:
    """Metadata of a file.

    Attributes:
        version: 1 to 3.
        dataset: E.g. ``"GLBX.MDP3"``; the venue is what stands before the dot.
        schema: Name, None for a file of several schemas.
        records: Records in the file, None where it does not say.
        stype_in: Code of the type of symbols asked for.
        stype_out: Code of the type of symbols they lead to.
        ts_out: Whether every record is followed by the gateway's sending stamp.
        mappings: What the symbols lead to.
        length: Bytes before the first record.
    """

    version: int
    dataset: str
    schema: str | None
    records: int | None
    stype_in: int
    stype_out: int
    ts_out: bool
    mappings: tuple[Mapping, ...]
    length: int

    @property
    def venue(self) -> str:
        """Venue part of instrument ids."""
        return self.dataset.partition(".")[0].upper()


def header_length(path: Path, head: bytes) -> int:
    """Bytes before the first record, told by the first 8 bytes.

    Raises:
        UnreadableFileError: They are not those of a version that can be read.
    """
    if len(head) < PREFIX or not head.startswith(MAGIC):
        raise UnreadableFileError(path, "byte 0", "the head of a Databento file", repr(head[:PREFIX]))
    if head[3] not in VERSIONS:
        raise UnreadableFileError(path, "byte 3", f"one of the versions {VERSIONS}", f"version {head[3]}")
    length = int.from_bytes(head[4:8], "little")
    if not _FIXED_LENGTH <= length <= _MAX_LENGTH:
        raise UnreadableFileError(path, "byte 4", f"a length from {_FIXED_LENGTH} to {_MAX_LENGTH}", length)
    return PREFIX + length


def parse_header(path: Path, head: bytes) -> Header:
    """Metadata from the first `header_length` bytes of a file.

    Raises:
        UnreadableFileError: They do not follow the layout.
    """
    length = header_length(path, head)
    if len(head) < length:
        raise UnreadableFileError(path, f"byte {len(head)}", f"metadata up to byte {length}", "the end of the file")
    version = head[3]
    dataset, schema, *_ = _FIXED.unpack_from(head, PREFIX)
    at = PREFIX + _FIXED.size
    records = None
    if version == 1:
        (count,) = struct.unpack_from("<Q", head, at)
        records = None if count == _NO_COUNT else count
        at += 8
    stype_in, stype_out, ts_out = head[at : at + 3]
    symbol_length = _OLD_SYMBOL_LENGTH if version == 1 else int.from_bytes(head[at + 3 : at + 5], "little")
    if schema != MIXED and schema >= len(SCHEMAS):
        raise UnreadableFileError(path, f"byte {PREFIX + 16}", "the code of a schema", schema)
    if not symbol_length:
        raise UnreadableFileError(path, f"byte {at + 3}", "the length of a symbol", 0)
    name = _text(dataset)
    if not name.partition(".")[0].isalnum() or not name.isascii():
        raise UnreadableFileError(path, f"byte {PREFIX}", "a dataset, e.g. GLBX.MDP3", repr(name))
    reader = _Reader(path, head[:length], PREFIX + _FIXED_LENGTH, symbol_length)
    reader.skip(reader.count(1))
    for _ in range(3):
        reader.skip(reader.count(symbol_length) * symbol_length)
    return Header(
        version=version,
        dataset=name,
        schema=None if schema == MIXED else SCHEMAS[schema],
        records=records,
        stype_in=stype_in,
        stype_out=stype_out,
        ts_out=bool(ts_out),
        mappings=tuple(reader.mappings()),
        length=length,
    )


class _Reader:
    """Reads the lists behind the fixed part; a count or length that leads out of the metadata is refused."""

    def __init__(self, path: Path, head: bytes, at: int, symbol_length: int) -> None:
        self._path, self._head, self._at, self._symbol_length = path, head, at, symbol_length

    def count(self, item: int) -> int:
        """A u32 count of items of at least ``item`` bytes."""
        found = self._number()
        if found * item > len(self._head) - self._at:
            left = len(self._head) - self._at
            expected = f"a count of items of {item} bytes that fit into {left}"
            raise UnreadableFileError(self._path, f"byte {self._at - 4}", expected, found)
        return found

    def skip(self, length: int) -> None:
        """Go on by ``length`` bytes, which `count` found to be there."""
        self._at += length

    def mappings(self) -> list[Mapping]:
        found = []
        for _ in range(self.count(self._symbol_length + 4)):
            symbol = self._symbol()
            for _ in range(self.count(self._symbol_length + 8)):
                start, end = self._midnight(), self._midnight()
                found.append(Mapping(symbol, self._symbol(), start, end))
        return found

    def _number(self) -> int:
        self._need(4)
        self._at += 4
        return int.from_bytes(self._head[self._at - 4 : self._at], "little")

    def _symbol(self) -> str:
        self._need(self._symbol_length)
        self._at += self._symbol_length
        return _text(self._head[self._at - self._symbol_length : self._at])

    def _midnight(self) -> int:
        stated = self._number()
        try:
            date = dt.datetime(stated // 10_000, stated // 100 % 100, stated % 100, tzinfo=dt.UTC)
        except ValueError as error:
            raise UnreadableFileError(self._path, f"byte {self._at - 4}", "a date YYYYMMDD", stated) from error
        return int(date.timestamp()) * 1_000_000_000

    def _need(self, length: int) -> None:
        if self._at + length > len(self._head):
            raise UnreadableFileError(self._path, f"byte {self._at}", f"{length} bytes", "the end of the metadata")


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("utf-8", errors="replace")
