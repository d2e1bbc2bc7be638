"""From records of one schema to rows of a tape.

Here: one class a schema, with what it carries from block to block. Not here: compiled code (feeds/kernels/dbn_*.py),
bytes (dbn_stream.py), files (dbn_reader.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from feeds.adapters.base import BOOK_COLUMNS
from feeds.adapters.dbn_records import RTYPE_MBO, RTYPE_MBP_1, RTYPE_MBP_10

#: Columns of rows, in the order of feeds/kernels/dbn_rows.py.
ROW_NAMES = ("instrument", "ts_event", "ts_recv", "action", "side", "order_id", "price", "size", "flags", "reason")
#: Records of ten levels folded at a time: each may become 41 rows.
_LEVEL_RECORDS = 8192
_RECORD_FIELDS = 9


class Fold(Protocol):
    """What turns records into rows."""

    #: Columns of the rows.
    names: tuple[str, ...]

    #: Kind -> records left out so far.
    ignored: dict[str, int]

    def __call__(self, records: np.ndarray, codes: np.ndarray, unit: int) -> Iterator[np.ndarray]:
        """Rows of records that end where no event is under way: int64 of shape ``(columns, n)``, used again later.

        Args:
            records: Structured, see `feeds.adapters.dbn_records.layout`; shape ``(n,)``.
            codes: Instrument of each, uint32; may know more instruments than before.
            unit: Units of 1e-9 in one unit of the prices.
        """


def fold_of(rtype: int) -> Fold:
    """The fold of a type of records."""
    if rtype == RTYPE_MBO:
        return OrderFold()
    return LevelFold() if rtype == RTYPE_MBP_10 else QuoteFold(stated=rtype == RTYPE_MBP_1)


def prices_of(records: np.ndarray) -> np.ndarray:
    """Every price of records that has a meaning, int64; undefined ones included."""
    parts = [records["price"]]
    if "levels" in (records.dtype.names or ()):
        parts += [records["levels"][side].ravel() for side in ("bid_px", "ask_px")]
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


class OrderFold:
    """Market by order; see feeds/kernels/dbn_mbo.py."""

    names = ROW_NAMES

    def __init__(self) -> None:
        from feeds.kernels.dbn_mbo import COUNTERS, IGNORED, new_state
        from feeds.kernels.dbn_orders import new_table

        self._table = new_table()
        self._state = new_state(0)
        self._counters = np.zeros(COUNTERS, np.int64)
        self._kinds = IGNORED
        self._rows, self._fields = _Room(len(self.names)), _Room(_RECORD_FIELDS)

    @property
    def ignored(self) -> dict[str, int]:
        """See `Fold`."""
        return {kind: int(self._counters[at]) for at, kind in self._kinds.items() if self._counters[at]}

    def __call__(self, records: np.ndarray, codes: np.ndarray, unit: int) -> Iterator[np.ndarray]:
        """See `Fold`."""
        from feeds.kernels.dbn_mbo import CLEARS, LIVE, fold, new_state
        from feeds.kernels.dbn_orders import rehashed

        missing = max(int(codes.max()) + 1 - self._state.shape[1], 0)
        self._state = np.concatenate((self._state, new_state(missing)), axis=1)
        rows, fields = self._rows(2 * len(records)), _fields(records, codes, self._fields)
        done = count = 0
        while True:
            done, count = fold(fields, done, count, unit, self._table, self._state, self._counters, rows)
            if done == len(records):
                break
            self._table, self._counters[LIVE] = rehashed(self._table, self._state[CLEARS])
        yield rows[:, :count]


class QuoteFold:
    """Trades, with the best bid and offer where ``stated``; see feeds/kernels/dbn_quotes.py."""

    def __init__(self, stated: bool) -> None:
        self.names = (*ROW_NAMES, *BOOK_COLUMNS) if stated else ROW_NAMES
        self.ignored: dict[str, int] = {}
        self._stated = stated
        self._bad = np.zeros(0, np.int64)
        self._rows, self._fields = _Room(len(self.names)), _Room(_RECORD_FIELDS)

    def __call__(self, records: np.ndarray, codes: np.ndarray, unit: int) -> Iterator[np.ndarray]:
        """See `Fold`."""
        from feeds.kernels.dbn_quotes import fold_quotes, fold_trades

        self._bad = _longer(self._bad, codes)
        last_row = np.empty(len(self._bad), np.int64)
        fields = _fields(records, codes, self._fields)
        if self._stated:
            rows = self._rows(3 * len(records))
            count, silent = fold_quotes(fields, _levels(records), unit, last_row, self._bad, rows)
        else:
            rows = self._rows(len(records))
            count, silent = fold_trades(fields, unit, last_row, self._bad, rows)
        _count(self.ignored, "no_action", silent)
        yield rows[:, :count]


class LevelFold:
    """Ten levels; see feeds/kernels/dbn_levels.py."""

    names = (*ROW_NAMES, *BOOK_COLUMNS)

    def __init__(self) -> None:
        from feeds.kernels.dbn_levels import new_view

        self.ignored: dict[str, int] = {}
        self._bad = np.zeros(0, np.int64)
        self._view, self._seen = new_view(0)
        self._rows, self._fields = _Room(len(self.names)), _Room(_RECORD_FIELDS)

    def __call__(self, records: np.ndarray, codes: np.ndarray, unit: int) -> Iterator[np.ndarray]:
        """See `Fold`."""
        from feeds.kernels.dbn_levels import MOST_ROWS, fold_levels, new_view

        self._bad = _longer(self._bad, codes)
        view, seen = new_view(len(self._bad) - len(self._seen))
        self._view, self._seen = np.concatenate((self._view, view)), np.concatenate((self._seen, seen))
        last_row = np.empty(len(self._bad), np.int64)
        for part, some in _slices(records, codes, len(self._bad)):
            rows, fields = self._rows(MOST_ROWS * len(part)), _fields(part, some, self._fields)
            count, silent = fold_levels(fields, _levels(part), unit, self._view, self._seen, last_row, self._bad, rows)
            _count(self.ignored, "no_level_changed", silent)
            yield rows[:, :count]


class _Room:
    """Memory for rows that is used again: asking for new pages every time would cost more than writing them."""

    def __init__(self, columns: int) -> None:
        self._rows = np.empty((columns, 0), np.int64)

    def __call__(self, rows: int) -> np.ndarray:
        if self._rows.shape[1] < rows:
            self._rows = np.empty((len(self._rows), rows), np.int64)
        return self._rows


def _fields(records: np.ndarray, codes: np.ndarray, room: _Room) -> np.ndarray:
    """Fields of the records as compiled code wants them: int64 of shape ``(RECORD_FIELDS, n)``."""
    from feeds.kernels.dbn_rows import ACTION_OF_BYTE, SIDE_OF_BYTE

    fields = room(len(records))[:, : len(records)]
    for row, name in zip(fields, ("ts_event", "ts_recv", "order_id", "price", "size"), strict=False):
        row[:] = records[name] if name in (records.dtype.names or ()) else 0
    fields[5], fields[6] = ACTION_OF_BYTE[records["action"]], SIDE_OF_BYTE[records["side"]]
    fields[7], fields[8] = records["flags"], codes
    return fields


def _levels(records: np.ndarray) -> np.ndarray:
    """Levels of the records, a view: see `feeds.kernels.dbn_quotes.state_book`."""
    return records["levels"].view("<i8")


def _slices(records: np.ndarray, codes: np.ndarray, instruments: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Records and codes in parts that end where no event is under way; an event too long is taken apart."""
    from feeds.kernels.dbn_walk import closed_until

    done = 0
    while done < len(records):
        part, some = records[done : done + _LEVEL_RECORDS], codes[done : done + _LEVEL_RECORDS]
        closed = closed_until(part["flags"], some, np.zeros(instruments, np.uint8)) or len(part)
        yield part[:closed], some[:closed]
        done += closed


def _longer(kept: np.ndarray, codes: np.ndarray) -> np.ndarray:
    missing = (int(codes.max()) + 1 if len(codes) else 0) - len(kept)
    return np.concatenate((kept, np.zeros(max(missing, 0), np.int64)))


def _count(ignored: dict[str, int], kind: str, count: int) -> None:
    if count:
        ignored[kind] = ignored.get(kind, 0) + count
