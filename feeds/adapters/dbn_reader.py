"""Reads a Databento file once: blocks of bytes, of these the records of complete events, of these rows of a tape.

Here: `Records`. Not here: the tape (dbn.py), records to rows (dbn_fold.py), instruments (dbn_symbols.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np

from feeds.adapters.base import SourceProblem
from feeds.adapters.byte_blocks import BLOCK_BYTES, Blocks, unpacked_head
from feeds.adapters.dbn_fold import RECORD_FIELDS, ROW_NAMES, Fold, Room, fold_of
from feeds.adapters.dbn_header import PREFIX, Header, header_length, parse_header
from feeds.adapters.dbn_records import (
    MARKET_SCHEMAS,
    OTHER_RTYPES,
    RTYPE_DEFINITION,
    RTYPE_MAPPING,
    RTYPE_MBO,
    UNDEFINED_PRICE,
    layout,
)
from feeds.adapters.dbn_symbols import Symbols
from feeds.errors import UnreadableFileError

#: Trailing zeros a unit of price may have at most: 10^9 times 1e-9.
MAX_POWER = 9
#: Blocks an event may span; one that spans more is taken apart.
_MOST_CARRIED = 4
#: No type: what is looked for in a file of definitions, and before the first market record of a live recording.
_NO_RTYPE = 256
_SHORTEST = 16


class FinerUnitError(Exception):
    """A price is no multiple of the unit that fitted all before it; ``power`` is that of the unit that does.

    Not a defect of the file: it is read again.
    """

    def __init__(self, power: int) -> None:
        super().__init__(f"prices are multiples of 1e{power - 9}")
        self.power = power


def read_header(path: Path) -> Header:
    """Metadata of a file; see `parse_header`."""
    head = unpacked_head(path, PREFIX)
    if head is None:
        raise UnreadableFileError(
            path, "byte 0", "the head of a Databento file", "compressed data cut short or damaged"
        )
    return parse_header(path, unpacked_head(path, header_length(path, head)) or b"")


class Records:
    """See the module docstring.

    Args:
        path: The file.
        power: A unit of price is ``10**power`` times 1e-9, or less where the first records already ask for it.

    Raises:
        UnreadableFileError: The metadata are damaged.
    """

    def __init__(self, path: Path, power: int = MAX_POWER) -> None:
        self.header = read_header(path)
        self.symbols = Symbols(self.header)
        self.bytes_done = 0
        self._path = path
        self._power, self._power_used = power, False
        schema = self.header.schema
        self._rtype = None if schema is None else MARKET_SCHEMAS.get(schema, _NO_RTYPE)
        self._others: dict[str, int] = {}
        self._fold: Fold | None = None
        self._room, self._found, self._rest = Room(RECORD_FIELDS), Room(1), Room(1)
        self._count = 0
        self._doubtful, self._first_doubtful = 0, 0
        self._markets = np.zeros(256, np.bool_)
        self._markets[list(MARKET_SCHEMAS.values())] = True

    @property
    def unit(self) -> int:
        """Units of 1e-9 in a tick."""
        return 10**self._power

    def ignored(self) -> dict[str, int]:
        """Kind -> records that make no rows, of what was read so far."""
        left_out = self._fold.ignored if self._fold else {}
        return dict(sorted((self._others | left_out).items()))

    def problems(self) -> list[SourceProblem]:
        """Defects of what was read so far."""
        if not self._doubtful:
            return []
        text = f"{self._doubtful} records of instruments whose book the source doubts after an unrecoverable gap"
        return [SourceProblem("lost_messages", f"record {self._first_doubtful}", text)]

    @property
    def names(self) -> tuple[str, ...]:
        """Columns of the rows; those of orders before the first rows of a live recording."""
        return self._fold.names if self._fold else ROW_NAMES

    def rows(self, block_bytes: int = BLOCK_BYTES) -> Iterator[np.ndarray]:
        """Rows of all records, in order: int64 of shape ``(names, n)``, valid until the next ones.

        Raises:
            UnreadableFileError: The records are cut short or damaged.
            FinerUnitError: A price is no multiple of the unit.
        """
        start, left = 0, b""
        blocks = Blocks(self._path, block_bytes)
        for block in blocks:
            self.bytes_done = blocks.bytes_done
            left = left + block if left else block
            if start == 0:
                if len(left) < self.header.length:
                    continue
                start, left = self.header.length, left[self.header.length :]
            used, found = self._take(left, start, final=len(left) > _MOST_CARRIED * block_bytes)
            yield from found
            start, left = start + used, left[used:]
        used, found = self._take(left, start, final=True)
        yield from found
        if used < len(left):
            self._refuse(start + used, f"a record of {left[used] * 4} bytes", f"the end after {len(left) - used}")
        if self.header.records not in (None, self._count):
            self._refuse(start + used, f"{self.header.records} records, as the metadata say", f"{self._count} records")

    def _take(self, content: bytes, start: int, final: bool) -> tuple[int, Iterator[np.ndarray]]:
        """``(bytes used, rows)`` of the events that are complete; of all whole records where this is ``final``."""
        from feeds.kernels.dbn_rows import IN_CODE, IN_EVENT, IN_FLAGS, IN_RECV
        from feeds.kernels.dbn_walk import OTHER_MARKET, WALKED, closed_until, unpack, walk

        raw = np.frombuffer(content, np.uint8)
        if self._rtype is None:
            others = self._rest(len(raw) // _SHORTEST + 1)[0]
            at, _, _, how = walk(raw, _NO_RTYPE, 0, self._markets, others[:0], others)
            if how == OTHER_MARKET:
                self._rtype = int(raw[at + 1])
        wanted = _NO_RTYPE if self._rtype is None else self._rtype
        kind = layout(wanted, self.header.ts_out) if wanted != _NO_RTYPE else np.dtype(np.uint8)
        size = kind.itemsize
        places = self._found(len(raw) // max(size, _SHORTEST) + 1)[0]
        others = self._rest(len(raw) // _SHORTEST + 1)[0]
        end, n_found, n_others, how = walk(raw, wanted, size, self._markets, places, others)
        if how != WALKED:
            name = {OTHER_MARKET: "market records of one schema only"}.get(
                how, f"a whole record, of type {wanted} {size}"
            )
            found = f"a record of type {raw[end + 1] if end + 1 < len(raw) else '?'} and {int(raw[end]) * 4} bytes"
            self._refuse(start + end, name, found)
        places, others = places[:n_found], others[:n_others]
        for at in others.tolist():
            self._name(content[at : at + int(raw[at]) * 4])
        if not n_found:
            self._note(raw, others, end)
            return end, iter(())
        fields = self._room(n_found)[:, :n_found]
        unpack(np.frombuffer(content, "<u4", len(raw) // 4), places, wanted == RTYPE_MBO, fields)
        stamps = np.where(fields[IN_RECV] < 0, fields[IN_EVENT], fields[IN_RECV])
        fields[IN_CODE] = self.symbols.codes(fields[IN_CODE], stamps)
        opened = np.zeros(len(self.symbols), np.uint8)
        closed = n_found if final else closed_until(fields[IN_FLAGS], fields[IN_CODE], opened)
        used = end if closed == n_found else int(places[closed])
        self._note(raw, others, used)
        levels = self._levels(content, raw, places[:closed], kind) if "levels" in (kind.names or ()) else None
        return used, self._folded(fields[:, :closed], levels)

    def _levels(self, content: bytes, raw: np.ndarray, places: np.ndarray, kind: np.dtype) -> np.ndarray:
        """Levels of the records, see `feeds.kernels.dbn_quotes.state_book`."""
        from feeds.kernels.dbn_walk import gathered

        if not len(places) or places[-1] == (len(places) - 1) * kind.itemsize:
            records = np.frombuffer(content, kind, len(places))
        else:
            records = gathered(raw, places, kind.itemsize).view(kind)
        return records["levels"].view("<i8")

    def _folded(self, fields: np.ndarray, levels: np.ndarray | None) -> Iterator[np.ndarray]:
        from feeds.kernels.dbn_rows import IN_FLAGS, IN_PRICE, MAYBE_BAD_BOOK

        count = fields.shape[1]
        if not count:
            return
        shown = [] if levels is None else [levels.reshape(count, -1, 4)[:, :, :2].ravel()]
        self._check_unit(np.concatenate((fields[IN_PRICE], *shown)) if shown else fields[IN_PRICE])
        doubtful = np.flatnonzero(fields[IN_FLAGS] & MAYBE_BAD_BOOK)
        if len(doubtful) and not self._doubtful:
            self._first_doubtful = self._count + int(doubtful[0])
        self._doubtful += len(doubtful)
        self._count += count
        if self._fold is None:
            assert self._rtype is not None
            self._fold = fold_of(self._rtype)
        yield from self._fold(fields, levels, self.unit)

    def _check_unit(self, prices: np.ndarray) -> None:
        from feeds.kernels.dbn_walk import common_power

        power = common_power(prices, self._power, UNDEFINED_PRICE)
        power = common_power(self.symbols.increments(), power, UNDEFINED_PRICE)
        if power < self._power and self._power_used:
            raise FinerUnitError(power)
        self._power, self._power_used = power, True

    def _name(self, record: bytes) -> None:
        if record[1] == RTYPE_MAPPING:
            self.symbols.read_mapping(record)
        elif record[1] == RTYPE_DEFINITION:
            self.symbols.read_definition(record)

    def _note(self, raw: np.ndarray, others: np.ndarray, used: int) -> None:
        """Count the other records in the bytes used."""
        kinds = raw[others[others < used] + 1]
        self._count += len(kinds)
        counted = np.unique(kinds, return_counts=True)
        for rtype, count in zip(*(values.tolist() for values in counted), strict=True):
            name = OTHER_RTYPES.get(rtype, f"rtype_{rtype}")
            self._others[name] = self._others.get(name, 0) + count

    def _refuse(self, at: int, expected: str, found: str) -> NoReturn:
        raise UnreadableFileError(self._path, f"byte {at} of the unpacked content", expected, found)
