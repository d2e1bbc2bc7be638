"""Tapes: what a file of many instruments or many days decodes to, so that one instrument-day can be read by itself.

A tape is a folder: one Parquet file a batch, rows brought together by day and instrument and otherwise in source order
(feeds/tape_part.py), ``ranges.npy`` with the place of every instrument-day in every batch, and ``index.json``. It is
written under a temporary name, the index last, and renamed when it is whole: a tape that is there is complete.

Here: the writer, and the names others use of tapes. Not here: the reader (feeds/tape_reader.py), the index
(feeds/tape_index.py), decoding (feeds/adapters), the lake (feeds/lake.py).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from feeds.errors import LakeError, SchemaError
from feeds.instruments import InstrumentSpec
from feeds.schema import RAW_TICKS
from feeds.tape_index import (
    INDEX_NAME,
    RANGE_COLUMNS,
    RANGES_NAME,
    TapeContent,
    TapeIndex,
    date_of_day,
    day_number,
    part_name,
    to_tree,
)
from feeds.tape_part import KIND, packed_kind, write_part
from feeds.tape_reader import load_index, read_tape

if TYPE_CHECKING:
    # Adapters import this module: an import of theirs here would go round in a circle.
    from feeds.adapters.base import SourceProblem

__all__ = ["REQUIRED_COLUMNS", "TAPE_COLUMNS", "TapeContent", "TapeIndex", "TapeWriter", "load_index", "read_tape"]

REQUIRED_COLUMNS = ("instrument", "ts_event", "action", "side", "order_id", "price", "size")
BOOK_COLUMNS = tuple(name for name in RAW_TICKS if name.startswith(("bid_", "ask_")))
#: What a batch may hold; see `TapeWriter.append`.
TAPE_COLUMNS = (*REQUIRED_COLUMNS, "ts_recv", "condition", "flags", "reason", *BOOK_COLUMNS)

_NS_PER_DAY = 86_400_000_000_000
#: Groups a counting sort may have beyond the rows of its batch.
_SPARE_GROUPS = 65_536
_CODES = 1 << 32


class TapeWriter:
    """Writes a tape in bounded memory: a batch is sorted at once and packed by a second thread.

    Use as a context manager: leaving it without `close` removes what was written.

    Args:
        folder: Folder to make.
        format: Name of the adapter.
        day: ISO date of all rows; None: rows belong to the UTC day of their ``ts_recv`` (``ts_event`` where absent).
        reasons: Why rows are rejected; ``reason`` k of a row stands for ``reasons[k - 1]``.

    Raises:
        LakeError: The folder exists.
    """

    def __init__(self, folder: Path, *, format: str, day: str | None, reasons: Sequence[str] = ()) -> None:
        if folder.exists():
            raise LakeError(f"tape {folder}", received="a folder that exists", expected="a new one")
        self.folder = folder
        self.rows = 0
        self._format = format
        self._day = None if day is None else day_number(day)
        self._reasons = tuple(reasons)
        self._columns: tuple[str, ...] = ()
        self._parts = 0
        self._ranges: list[np.ndarray] = []
        self._facts: dict[tuple[int, int], list[int]] = {}
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="tape")
        self._packing: Future[None] | None = None
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder)
        self._temporary = folder.with_name(f".{folder.name}.tape-{os.getpid()}")
        shutil.rmtree(self._temporary, ignore_errors=True)
        self._temporary.mkdir()

    def __enter__(self) -> TapeWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()

    def append(self, columns: Mapping[str, np.ndarray]) -> None:
        """Add a batch in source order; 1 to 8 million rows are a good size.

        Args:
            columns: Integer arrays of one length: those of `REQUIRED_COLUMNS` and any others of `TAPE_COLUMNS` (of the
                book columns all or none), the same in every batch. ``instrument`` is an index into the instruments
                given to `close`; ``action`` and ``side`` are codes of feeds/schema.py; an absent ``ts_recv`` equals
                ``ts_event``; ``reason`` 0 is a row that could be placed. Prices and sizes are in the units of the
                instrument's spec. The arrays may be used again afterwards.

        Raises:
            SchemaError: The columns are others than that.
            OSError: An earlier batch could not be written.
        """
        from feeds.kernels.tape_order import group_facts, places

        count = self._checked(columns)
        if count == 0:
            return
        keys, groups = self._grouped(columns)
        starts, target = places(groups, len(keys))
        merged = {name: values for name, values in columns.items() if name not in ("instrument", *KIND)}
        merged["kind"] = packed_kind(columns)
        ordered = {name: _ordered(values, target) for name, values in merged.items()}
        reasons = ordered.get("reason", np.zeros(0, np.uint8))
        self._note(keys, starts, *group_facts(starts, ordered["ts_event"], reasons))
        self._wait()
        self._packing = self._pool.submit(write_part, self._temporary / part_name(self._parts), ordered)
        self._parts += 1
        self.rows += count

    def close(
        self,
        specs: Sequence[InstrumentSpec | None],
        *,
        ignored: Mapping[str, int],
        problems: Sequence[SourceProblem],
        params: Mapping[str, Any] | None = None,
    ) -> TapeIndex:
        """Write the index and give the tape its name.

        Args:
            specs: Instruments by code. Rows of a code beyond, or one that has None, get an instrument
                ``UNKNOWN<code>`` with the units and the venue of the first spec.
            ignored: See `TapeIndex`.
            problems: See `TapeIndex`.
            params: See `TapeIndex`.

        Raises:
            SchemaError: Two codes with rows have the same id.
            LakeError: The folder has come into being meanwhile.
            OSError: The disk is full, or the folder cannot be written.
        """
        self._wait()
        named = self._named(specs)
        index = TapeIndex(
            format=self._format,
            rows=self.rows,
            contents=tuple(sorted(self._contents(named), key=lambda content: (content.date, content.instrument))),
            specs={spec.id: spec for _, spec in sorted(named.items())},
            ignored=dict(ignored),
            problems=tuple(problems),
            reasons=self._reasons,
            params=dict(params or {}),
        )
        ranges = np.concatenate(self._ranges) if self._ranges else np.zeros((0, RANGE_COLUMNS), np.int64)
        np.save(packed := io.BytesIO(), ranges, allow_pickle=False)
        tree = to_tree(
            index,
            {spec.id: code for code, spec in named.items()},
            hashlib.sha256(packed.getvalue()).hexdigest(),
        )
        _write_synced(self._temporary / RANGES_NAME, packed.getvalue())
        _write_synced(self._temporary / INDEX_NAME, json.dumps(tree).encode())
        try:
            self._temporary.rename(self.folder)
        except OSError as error:
            if self.folder.exists():
                raise LakeError(f"tape {self.folder}", received="a folder that exists", expected="a new one") from error
            raise
        self._pool.shutdown()
        return index

    def abort(self) -> None:
        """Remove what was written, unless the tape was closed."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        shutil.rmtree(self._temporary, ignore_errors=True)

    def _checked(self, columns: Mapping[str, np.ndarray]) -> int:
        names = tuple(sorted(columns))
        book = [name for name in BOOK_COLUMNS if name in columns]
        wrong = set(REQUIRED_COLUMNS) - set(names) | set(names) - set(TAPE_COLUMNS)
        if wrong or len(book) not in (0, len(BOOK_COLUMNS)) or (self._columns and names != self._columns):
            expected = self._columns or f"{REQUIRED_COLUMNS}, others of {TAPE_COLUMNS}, all of {BOOK_COLUMNS} or none"
            raise SchemaError("a batch of a tape", received=f"columns {names}", expected=expected)
        lengths = {values.shape for values in columns.values()}
        if len(lengths) > 1 or not all(np.issubdtype(values.dtype, np.integer) for values in columns.values()):
            kinds = {name: f"{values.dtype}{values.shape}" for name, values in columns.items()}
            raise SchemaError("a batch of a tape", received=kinds, expected="integer columns of one length")
        self._columns = names
        return len(columns["instrument"])

    def _grouped(self, columns: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """``(keys, groups)``: (day, code) of each group, int64 of shape (groups, 2), and each row's group."""
        codes = columns["instrument"]
        codes = codes.astype(np.uint32) if codes.dtype.kind == "i" else codes
        stamps = columns.get("ts_recv", columns["ts_event"])
        days = np.full(1, self._day, np.int64) if self._day is not None else stamps.astype(np.int64) // _NS_PER_DAY
        first, last, n_codes = int(days.min()), int(days.max()), int(codes.max()) + 1
        n_groups = (last - first + 1) * n_codes
        if n_groups <= len(codes) + _SPARE_GROUPS:
            every = np.arange(n_groups)
            keys = np.column_stack((first + every // n_codes, every % n_codes))
            return keys, codes if first == last else ((days - first) * n_codes + codes).astype(np.uint32)
        packed, groups = np.unique(days * _CODES + codes, return_inverse=True)
        return np.column_stack((packed // _CODES, packed % _CODES)), groups.astype(np.uint32)

    def _note(
        self, keys: np.ndarray, starts: np.ndarray, rejected: np.ndarray, first: np.ndarray, last: np.ndarray
    ) -> None:
        rows = np.diff(starts)
        present = np.flatnonzero(rows)
        part = np.full(len(present), self._parts, np.int64)
        self._ranges.append(np.column_stack((keys[present], part, starts[present], rows[present])))
        for group in present.tolist():
            fact = self._facts.setdefault((int(keys[group, 0]), int(keys[group, 1])), [0, 0, 2**63 - 1, -(2**63)])
            fact[0] += int(rows[group])
            fact[1] += int(rejected[group])
            fact[2] = min(fact[2], int(first[group]))
            fact[3] = max(fact[3], int(last[group]))

    def _named(self, specs: Sequence[InstrumentSpec | None]) -> dict[int, InstrumentSpec]:
        """Specs of the codes that are known or have rows."""
        named = {code: spec for code, spec in enumerate(specs) if spec is not None}
        model = next(iter(named.values()), InstrumentSpec(id=f"X.{self._format.upper()}", tick_size=1, lot_size=1))
        with_rows = {code for _, code in self._facts}
        for code in sorted(with_rows - set(named)):
            venue = model.id.partition(".")[2]
            named[code] = model.model_copy(update={"id": f"UNKNOWN{code}.{venue}"})
        ids = [named[code].id for code in with_rows]
        if len(set(ids)) < len(ids):
            twice = sorted({name for name in ids if ids.count(name) > 1})
            raise SchemaError("the instruments of a tape", received=f"{twice[:5]} twice", expected="one code an id")
        # An id whose rows have another code must find those.
        return {code: spec for code, spec in named.items() if code in with_rows or spec.id not in ids}

    def _contents(self, named: Mapping[int, InstrumentSpec]) -> Iterator[TapeContent]:
        for (day, code), (rows, rejected, first, last) in self._facts.items():
            bounds = (first, last) if rows > rejected else (0, 0)
            yield TapeContent(date_of_day(day), named[code].id, rows, rejected, *bounds)

    def _wait(self) -> None:
        if self._packing is not None:
            packing, self._packing = self._packing, None
            packing.result()


def _ordered(values: np.ndarray, target: np.ndarray) -> np.ndarray:
    """A copy of ``values`` with row ``k`` at ``target[k]``; a constant column is in every order."""
    from feeds.kernels.tape_order import moved

    return values.copy() if values.min() == values.max() else moved(values, target)


def _remove_leftovers(folder: Path) -> None:
    """Remove what a writer of the same tape left that was killed."""
    for path in folder.parent.glob(f".{folder.name}.tape-*"):
        owner = path.name.rpartition("-")[2]
        if owner.isdigit() and not _alive(int(owner)):
            shutil.rmtree(path, ignore_errors=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
