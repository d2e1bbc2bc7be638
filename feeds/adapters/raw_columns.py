"""From columns of numbers to `ParsedTicks`, without a copy of a column where every row could be placed.

Here: columns of one instrument-day or chunk that a kernel wrote. Not here: kernels, formats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from feeds.adapters.base import BOOK_COLUMNS, ParsedTicks, SourceProblem
from feeds.schema import ACTION_ENUM, RAW_TICKS, SIDE_ENUM, conform, empty

#: Action code of a rejected row that has none.
NO_ACTION = 255


@dataclass(frozen=True)
class RawColumns:
    """Events in their final order.

    Attributes:
        ts_event: (n,) int64, ns UTC; of rejected rows too, where they have a stamp.
        action: (n,) uint8, `ACTION_CODE`; `NO_ACTION` in rejected rows only.
        side: (n,) uint8, `SIDE_CODE`.
        price: (n,) int64, ticks.
        size: (n,) int64, lots.
        order_id: (n,) int64; None: no row has one.
        exchange: (n,) String; None: "" in all rows.
        condition: (n,) int64; None: 0 in all rows.
        flags: (n,) uint8; None: 0 in all rows.
        ts_recv: (n,) int64, ns UTC; None: the same as ``ts_event``.
        book: (n,) int64 each, in the order of `BOOK_COLUMNS`; None: the source states none.
        reason: (n,) uint8: 0 placed, k rejected for ``reasons[k - 1]``; None: all rows are placed.
        reasons: See ``reason``.
        without_stamp: Reasons whose rows have no stamp.
    """

    ts_event: np.ndarray
    action: np.ndarray
    side: np.ndarray
    price: np.ndarray
    size: np.ndarray
    order_id: np.ndarray | None = None
    exchange: pl.Series | None = None
    condition: np.ndarray | None = None
    flags: np.ndarray | None = None
    ts_recv: np.ndarray | None = None
    book: Sequence[np.ndarray] | None = None
    reason: np.ndarray | None = None
    reasons: tuple[str, ...] = ()
    without_stamp: frozenset[str] = frozenset()


def parsed_ticks(
    columns: RawColumns,
    first_sequence: int = 0,
    ignored: Mapping[str, int] | None = None,
    problems: Sequence[SourceProblem] = (),
) -> ParsedTicks:
    """Build the frames; see `split_rejected`, which does the same for frames."""
    rows = columns.ts_event.size
    frame, refused = _frame(columns, first_sequence), empty("rejected_ticks")
    if columns.reason is not None and columns.reason.any():
        refused = _refused(columns, frame, np.flatnonzero(columns.reason))
        frame = frame.filter(columns.reason == 0)
    return ParsedTicks(frame, rows + sum((ignored or {}).values()), refused, dict(ignored or {}), tuple(problems))


def _frame(columns: RawColumns, first_sequence: int) -> pl.DataFrame:
    rows = columns.ts_event.size
    stamps = pl.Series(columns.ts_event)
    parts = {
        "ts_event": stamps,
        "ts_recv": stamps if columns.ts_recv is None else pl.Series(columns.ts_recv),
        "sequence": pl.Series(np.arange(first_sequence, first_sequence + rows, dtype=np.int64)),
        "action": _enum(columns.action, ACTION_ENUM),
        "side": _enum(columns.side, SIDE_ENUM),
        "order_id": columns.order_id,
        "price": columns.price,
        "size": columns.size,
        "exchange": columns.exchange,
        "condition": columns.condition,
        "flags": columns.flags,
        **dict(zip(BOOK_COLUMNS, columns.book or [], strict=columns.book is not None)),
    }
    given = pl.DataFrame({name: values for name, values in parts.items() if values is not None})
    absent = [name for name in RAW_TICKS if name not in given.columns]
    fillers = {"exchange": "", **dict.fromkeys(("order_id", "condition", "flags"), 0)}
    return given.select(
        pl.lit(fillers.get(name), RAW_TICKS[name]).alias(name) if name in absent else pl.col(name) for name in RAW_TICKS
    )


def _enum(codes: np.ndarray, kind: pl.Enum) -> pl.Series:
    numbers = pl.Series(codes)
    known = numbers.set(numbers == NO_ACTION, None) if (codes == NO_ACTION).any() else numbers
    return known.cat.to(kind)


def _refused(columns: RawColumns, frame: pl.DataFrame, rejected: np.ndarray) -> pl.DataFrame:
    """REJECTED_TICKS of the given rows of ``frame``, which holds all rows."""
    assert columns.reason is not None
    names = pl.Series(columns.reasons, dtype=pl.String)
    rows = frame[rejected].with_columns(reason=names.gather(columns.reason[rejected].astype(np.int64) - 1))
    stamped = pl.when(~pl.col("reason").is_in(sorted(columns.without_stamp))).then("ts_event")
    return conform(rows.with_columns(ts_event=stamped), "rejected_ticks")
