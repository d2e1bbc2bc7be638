"""What the view of a replay sums over the last minute, and at which rows a book is quoted.

Everything at a row follows from the rows up to it: a tape cut at any row has the same numbers.

Here: columns of a table of rows to running sums. Not here: the displayed levels (sim/tape_build.py).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from feeds.cleaning import trade_signs
from feeds.errors import InsufficientDataError
from sim.market import VIEW_SAMPLE_NS


def clock_of(tape: pl.DataFrame) -> np.ndarray:
    """(n,) int64: the running maximum of ts_recv, ns."""
    # a copy can be written to, as one sent to another process can: kernels are compiled apart for arrays that cannot
    return np.array(tape["ts_recv"].cum_max().to_numpy(), np.int64)


def quoted_rows(tape: pl.DataFrame) -> np.ndarray:
    """(n,) bool: rows that state a two-sided book.

    Raises:
        InsufficientDataError: None does.
    """
    bid, ask = (tape[name].fill_null(0).to_numpy() for name in ("bid_px", "ask_px"))
    quoted = (bid > 0) & (ask > bid)
    if not quoted.any():
        raise InsufficientDataError(
            "replay",
            received=f"{tape.height} rows without a two-sided book",
            expected="events with the best bid and ask after each",
            remedy="Build the book first (sim.replay.with_book).",
        )
    return quoted


def next_true(flags: np.ndarray) -> np.ndarray:
    """(n,) int64: the first place from each one on where ``flags`` holds, n where there is none."""
    places = np.where(flags, np.arange(flags.size), flags.size)
    return np.ascontiguousarray(np.minimum.accumulate(places[::-1])[::-1], np.int64)


def traded_sums(tape: pl.DataFrame, signs: np.ndarray | None = None) -> np.ndarray:
    """(n + 1, 3) int64: lots, signed lots, executions before each row and at the end; see `EventTape.sums`.

    Args:
        tape: RAW_TICKS rows with the best bid and ask.
        signs: (n,) of `trade_signs`, where they are known already.
    """
    rows = np.flatnonzero(tape["action"].is_in(["F", "T"]).to_numpy())
    lots, by = tape["size"].to_numpy()[rows], (trade_signs(tape) if signs is None else signs)[rows]
    after = np.zeros((rows.size + 1, 3), np.int64)
    np.cumsum(np.stack([lots, lots * by, np.ones_like(lots)], axis=1), axis=0, out=after[1:])
    # Few rows trade: every other one repeats what stood before it.
    return np.repeat(after, np.diff(rows + 1, prepend=0, append=tape.height + 1), axis=0)


def variance_sums(tape: pl.DataFrame, clock: np.ndarray, quoted: np.ndarray) -> tuple[int, np.ndarray]:
    """First second and running sum of squared log mid returns; before the first two-sided book there are none.

    Args:
        tape: RAW_TICKS rows with the best bid and ask.
        clock: (n,) of `clock_of`.
        quoted: (n,) of `quoted_rows`.

    Returns:
        The second after the epoch of the first element, and (seconds + 1,) float64.
    """
    first = int(clock[0]) // VIEW_SAMPLE_NS
    # One sample behind the last row: at that second the last row is known.
    seconds = np.arange(first, int(clock[-1]) // VIEW_SAMPLE_NS + 2)
    last_row = np.searchsorted(clock, seconds * VIEW_SAMPLE_NS, side="right") - 1
    quoted_at = np.flatnonzero(quoted)
    at = np.concatenate([[-1], quoted_at])[np.searchsorted(quoted_at, last_row, side="right")]
    bid, ask = (tape[name].gather(np.maximum(at, 0)).fill_null(0).to_numpy() for name in ("bid_px", "ask_px"))
    log_mid, known = np.log(np.maximum(bid + ask, 1) / 2.0), at >= 0
    returns = np.where(known[1:] & known[:-1], np.diff(log_mid), 0.0)
    return first, np.concatenate([[0.0], np.cumsum(returns**2)])
