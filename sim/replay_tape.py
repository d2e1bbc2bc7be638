"""A tape made ready for replay: its rows as one array, the book at regular rows, running sums for the view.

Everything at a row follows from the rows up to it: a tape cut at any row is ready with the same numbers.

Here: building a `ReplayTape`, once a tape. Not here: running it (sim/replay_market.py), kernels (sim/replay_rows.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from feeds.cleaning import trade_signs
from feeds.errors import InsufficientDataError
from feeds.schema import RAW_TICKS
from sim.book_state import FREE_SLOTS, new_book
from sim.market import VIEW_SAMPLE_NS
from sim.replay_rows import (
    ANONYMOUS,
    CORRECTED,
    MOST_ORDERS,
    N_COUNTS,
    NOT_STATED,
    ROW_ASK_PX,
    ROW_BID_PX,
    ROW_COLUMNS,
    ROW_HIT,
    ROW_TS,
    SAVED_COLUMNS,
    UNKNOWN,
    record,
    save,
)

#: Rows between two saved books: a start is at most so many rows, about a millisecond, from one.
SAVE_EVERY = 4_096
#: Columns of `ReplayTape.sums`: lots traded, lots bought minus sold by the aggressor, executions.
SUM_VOLUME, SUM_SIGNED, SUM_TRADES = 0, 1, 2
_STATED = ("bid_px", "bid_sz", "ask_px", "ask_sz")


@dataclass(frozen=True)
class ReplayTape:
    """A tape ready for replay; several markets may share it.

    Attributes:
        rows: (n, `ROW_COLUMNS`) int64, see sim/replay_rows.py.
        saved: The book before row 0, `SAVE_EVERY`, 2 `SAVE_EVERY`, ...
        anonymous: (saves,) anonymous orders by then.
        sums: (n + 1, 3) int64, before each row and at the end.
        variance: (seconds + 1,) running sum of squared log mid returns; the mid is sampled at whole seconds of UTC.
        first_second: The second of its first element, after the epoch.
        quoted: (n,) for each row itself or the first row behind it with a two-sided book; n where there is none.
        orders: Different order ids.
        most_orders: Most orders in the book at once.
        corrected_rows: Rows at which the book had to be brought in line with what they state.
    """

    rows: np.ndarray
    saved: tuple[np.ndarray, ...]
    anonymous: np.ndarray
    sums: np.ndarray
    variance: np.ndarray
    first_second: int
    quoted: np.ndarray
    orders: int
    most_orders: int
    corrected_rows: int


def prepare_tape(tape: pl.DataFrame) -> ReplayTape:
    """Make a tape ready.

    Args:
        tape: RAW_TICKS rows in source order, opening snapshot included, with the best bid and ask after each row
            (`sim.replay.with_book`, or as the source states them; null where it does not).

    Raises:
        InsufficientDataError: The tape is empty, or no row of it states a two-sided book.
    """
    quoted = _quoted(tape)
    if not quoted.any():
        raise InsufficientDataError(
            "replay",
            received=f"{tape.height} rows without a two-sided book",
            expected="order events with the best bid and ask after each",
            remedy="Build the book first (sim.replay.with_book).",
        )
    rows, orders = _rows(tape)
    # One slot an addition and one a stated price: more cannot be in the book at once.
    prices = sum(tape[name].n_unique() for name in ("bid_px", "ask_px"))
    book = new_book(int((tape["action"] == "A").sum()) + prices)
    entered, counts = np.full(orders, UNKNOWN, np.int64), np.zeros(N_COUNTS, np.int64)
    waiting = np.zeros(book.free.size, np.int64)
    saved, anonymous = [], []
    for first in range(0, rows.shape[0], SAVE_EVERY):
        saved.append(np.zeros((book.free.size - book.counters[FREE_SLOTS], SAVED_COLUMNS), np.int64))
        save(book, entered, saved[-1])
        anonymous.append(counts[ANONYMOUS])
        record(book, entered, counts, rows, first, min(first + SAVE_EVERY, rows.shape[0]), waiting)
    first_second, variance = _variance(rows, quoted)
    return ReplayTape(
        rows=rows,
        saved=tuple(saved),
        anonymous=np.array(anonymous, np.int64),
        sums=_sums(tape),
        variance=variance,
        first_second=first_second,
        quoted=_next_true(quoted),
        orders=orders,
        most_orders=int(counts[MOST_ORDERS]),
        corrected_rows=int(counts[CORRECTED]),
    )


def _rows(tape: pl.DataFrame) -> tuple[np.ndarray, int]:
    """The array of rows, `ROW_HIT` still unknown, and the number of different order ids."""
    missing = sorted(set(RAW_TICKS) - set(tape.columns))
    assert not missing, f"a tape has the columns of RAW_TICKS; missing {missing}"
    ids, numbers = np.unique(tape["order_id"].to_numpy(), return_inverse=True)
    columns = [
        tape["ts_recv"].cum_max().to_numpy(),
        tape["ts_event"].to_numpy(),
        *(tape[name].to_physical().cast(pl.Int64).to_numpy() for name in ("action", "side")),
        numbers,
        tape["price"].to_numpy(),
        tape["size"].to_numpy(),
        *(tape[name].fill_null(NOT_STATED).to_numpy() for name in _STATED),
        np.full(tape.height, UNKNOWN),
    ]
    assert len(columns) == ROW_COLUMNS == ROW_HIT + 1, "one column each"
    return np.ascontiguousarray(np.stack(columns, axis=1).astype(np.int64)), ids.size


def _quoted(tape: pl.DataFrame) -> np.ndarray:
    bid, ask = (tape[name].fill_null(0).to_numpy() for name in ("bid_px", "ask_px"))
    return (bid > 0) & (ask > bid)


def _next_true(flags: np.ndarray) -> np.ndarray:
    """The first place from each one on where ``flags`` holds, its length where there is none."""
    places = np.where(flags, np.arange(flags.size), flags.size)
    return np.minimum.accumulate(places[::-1])[::-1].astype(np.int64)


def _sums(tape: pl.DataFrame) -> np.ndarray:
    executed = tape["action"].is_in(["F", "T"]).to_numpy()
    lots = np.where(executed, tape["size"].to_numpy(), 0)
    steps = np.stack([lots, lots * trade_signs(tape), executed], axis=1).astype(np.int64)
    return np.concatenate([np.zeros((1, 3), np.int64), np.cumsum(steps, axis=0)])


def _variance(rows: np.ndarray, quoted: np.ndarray) -> tuple[int, np.ndarray]:
    """First second and running sum; before the first two-sided book there are no returns."""
    stamps = rows[:, ROW_TS]
    first = int(stamps[0]) // VIEW_SAMPLE_NS
    # One sample behind the last row: at that second the last row is known.
    seconds = np.arange(first, int(stamps[-1]) // VIEW_SAMPLE_NS + 2)
    last_row = np.searchsorted(stamps, seconds * VIEW_SAMPLE_NS, side="right") - 1
    last_quoted = np.maximum.accumulate(np.where(quoted, np.arange(quoted.size), -1))
    at = np.where(last_row >= 0, last_quoted[np.maximum(last_row, 0)], -1)
    log_mid = np.log(np.maximum(rows[:, ROW_BID_PX] + rows[:, ROW_ASK_PX], 1) / 2.0)
    known = at >= 0
    returns = np.where(known[1:] & known[:-1], np.diff(log_mid[np.maximum(at, 0)]), 0.0)
    return first, np.concatenate([[0.0], np.cumsum(returns**2)])
