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
ROW_NAMES: tuple[str, ...] = (
    "instrument",
    "ts_event",
    "ts_recv",
    "action",
    "side",
    "order_id",
    "price",
    "size",
    "flags",
    "reason",
)
#: Records of ten levels folded at a time: each may become 41 rows.
_LEVEL_RECORDS = 8192
#: As in feeds/kernels/dbn_rows.py, which is not loaded before it is needed.
RECORD_FIELDS, _CODE = 9, 8


class Fold(Protocol):
    """What turns records into rows."""

    #: Columns of the rows.
    names: tuple[str, ...]

    @property
    def ignored(self) -> dict[str, int]:
        """Kind -> records left out so far."""

    def __call__(self, fields: np.ndarray, levels: np.ndarray | None, unit: int) -> Iterator[np.ndarray]:
        """Rows of records that end where no event is under way: int64 of shape ``(columns, n)``, used again later.

        Args:
            fields: Of the records, int64, ``(RECORD_FIELDS, n)``, see feeds/kernels/dbn_rows.py; there may be more
                instruments than before.
            levels: Their levels where they have some, see `feeds.kernels.dbn_quotes.state_book`.
            unit: Units of 1e-9 in one unit of the prices.
        """


def fold_of(rtype: int) -> Fold:
    """The fold of a type of records."""
    if rtype == RTYPE_MBO:
        return OrderFold()
    return LevelFold() if rtype == RTYPE_MBP_10 else QuoteFold(stated=rtype == RTYPE_MBP_1)


class OrderFold:
    """Market by order; see feeds/kernels/dbn_mbo.py."""

    names: tuple[str, ...] = ROW_NAMES

    def __init__(self) -> None:
        from feeds.kernels.dbn_mbo import COUNTERS, IGNORED, new_state
        from feeds.kernels.dbn_orders import new_table

        self._table = new_table()
        self._state = new_state(0)
        self._counters = np.zeros(COUNTERS, np.int64)
        self._kinds = IGNORED
        self._rows = Room(len(self.names))

    @property
    def ignored(self) -> dict[str, int]:
        """See `Fold`."""
        return {kind: int(self._counters[at]) for at, kind in self._kinds.items() if self._counters[at]}

    def __call__(self, fields: np.ndarray, levels: np.ndarray | None, unit: int) -> Iterator[np.ndarray]:
        """See `Fold`."""
        from feeds.kernels.dbn_mbo import CLEARS, LIVE, fold, new_state
        from feeds.kernels.dbn_orders import rehashed

        missing = max(int(fields[_CODE].max()) + 1 - self._state.shape[1], 0)
        self._state = np.concatenate((self._state, new_state(missing)), axis=1)
        rows = self._rows(2 * fields.shape[1])
        done = count = 0
        while True:
            done, count = fold(fields, done, count, unit, self._table, self._state, self._counters, rows)
            if done == fields.shape[1]:
                break
            self._table, self._counters[LIVE] = rehashed(self._table, self._state[CLEARS])
        yield rows[:, :count]


class QuoteFold:
    """Trades, with the best bid and offer where ``stated``; see feeds/kernels/dbn_quotes.py."""

    def __init__(self, stated: bool) -> None:
        self.names = (*ROW_NAMES, *BOOK_COLUMNS) if stated else ROW_NAMES
        self.ignored: dict[str, int] = {}
        self._bad = np.zeros(0, np.int64)
        self._rows = Room(len(self.names))

    def __call__(self, fields: np.ndarray, levels: np.ndarray | None, unit: int) -> Iterator[np.ndarray]:
        """See `Fold`."""
        from feeds.kernels.dbn_quotes import fold_quotes, fold_trades

        self._bad = _longer(self._bad, fields[_CODE])
        last_row = np.empty(len(self._bad), np.int64)
        if levels is not None:
            rows = self._rows(3 * fields.shape[1])
            count, silent = fold_quotes(fields, levels, unit, last_row, self._bad, rows)
        else:
            rows = self._rows(fields.shape[1])
            count, silent = fold_trades(fields, unit, last_row, self._bad, rows)
        _count(self.ignored, "no_action", silent)
        yield rows[:, :count]


class LevelFold:
    """Ten levels; see feeds/kernels/dbn_levels.py."""

    names: tuple[str, ...] = (*ROW_NAMES, *BOOK_COLUMNS)

    def __init__(self) -> None:
        from feeds.kernels.dbn_levels import new_view

        self.ignored: dict[str, int] = {}
        self._bad = np.zeros(0, np.int64)
        self._view, self._seen = new_view(0)
        self._rows = Room(len(self.names))

    def __call__(self, fields: np.ndarray, levels: np.ndarray | None, unit: int) -> Iterator[np.ndarray]:
        """See `Fold`."""
        from feeds.kernels.dbn_levels import MOST_ROWS, fold_levels, new_view

        self._bad = _longer(self._bad, fields[_CODE])
        view, seen = new_view(len(self._bad) - len(self._seen))
        self._view, self._seen = np.concatenate((self._view, view)), np.concatenate((self._seen, seen))
        last_row = np.empty(len(self._bad), np.int64)
        assert levels is not None
        for start, end in _slices(fields, len(self._bad)):
            rows, part = self._rows(MOST_ROWS * (end - start)), np.ascontiguousarray(fields[:, start:end])
            count, silent = fold_levels(
                part, levels[start:end], unit, self._view, self._seen, last_row, self._bad, rows
            )
            _count(self.ignored, "no_level_changed", silent)
            yield rows[:, :count]


class Room:
    """Memory for rows that is used again: asking for new pages every time would cost more than writing them."""

    def __init__(self, columns: int) -> None:
        self._rows = np.empty((columns, 0), np.int64)

    def __call__(self, rows: int) -> np.ndarray:
        """Room for at least ``rows``: int64, shape ``(columns, at least rows)``."""
        if self._rows.shape[1] < rows:
            self._rows = np.empty((len(self._rows), rows), np.int64)
        return self._rows


def _slices(fields: np.ndarray, instruments: int) -> Iterator[tuple[int, int]]:
    """Parts of the records that end where no event is under way; an event too long is taken apart."""
    from feeds.kernels.dbn_rows import IN_CODE, IN_FLAGS
    from feeds.kernels.dbn_walk import closed_until

    done, count = 0, fields.shape[1]
    while done < count:
        end = min(done + _LEVEL_RECORDS, count)
        opened = np.zeros(instruments, np.uint8)
        closed = closed_until(fields[IN_FLAGS, done:end], fields[IN_CODE, done:end], opened) or end - done
        yield done, done + closed
        done += closed


def _longer(kept: np.ndarray, codes: np.ndarray) -> np.ndarray:
    missing = (int(codes.max()) + 1 if len(codes) else 0) - len(kept)
    return np.concatenate((kept, np.zeros(max(missing, 0), np.int64)))


def _count(ignored: dict[str, int], kind: str, count: int) -> None:
    if count:
        ignored[kind] = ignored.get(kind, 0) + count
