"""The fold: events in, features at grid times out, with a state that can be saved and resumed bit for bit.

Time is cut into edges ``open + k * bucket``, the bucket being the largest that divides both the grid and one
second. An edge at ``t`` is closed once every event with ``available_at <= t`` is in. What windows sum is
integer (lots, counts), kept as cumulative counters of which a ring holds one snapshot an edge, so a window is
an exact difference wherever counting began. The one float sum, realised variance, is summed afresh from a
ring, oldest first.

Here: events, grid, state and the two ways to move it on. Not here: the compiled arithmetic (kernel.py), names
(spec.py), the plain twin (fold_python.py), frames (table.py).
"""

from __future__ import annotations

import io
import math
from dataclasses import astuple, dataclass
from typing import NamedTuple

import numpy as np
import polars as pl

from feeds.errors import SchemaError, StudyError
from feeds.instruments import InstrumentSpec
from models.features import kernel
from models.features.kernel import Floats, Ints

NS_PER_MS = 1_000_000
MS_PER_S = 1_000
#: No decision is made on a feed from which nothing came for longer than this (the usual heartbeat interval).
MAX_SILENCE_MS = 30_000


class Events(NamedTuple):
    """Columns of clean ticks the fold reads, int64 arrays of equal length.

    Attributes:
        available_at: ns UTC, never decreasing.
        bid_px: Best bid in ticks after the event, 0 where empty; likewise the five that follow, sizes in
            lots.
        bid_sz: See above.
        ask_px: See above.
        ask_sz: See above.
        bid_depth: See above.
        ask_depth: See above.
        traded: Size of an execution (F, T) in lots, 0 for other rows.
        sign: Trade sign of an execution.
    """

    available_at: Ints
    bid_px: Ints
    bid_sz: Ints
    ask_px: Ints
    ask_sz: Ints
    bid_depth: Ints
    ask_depth: Ints
    traded: Ints
    sign: Ints

    @staticmethod
    def from_clean(clean: pl.DataFrame) -> Events:
        """Take the fold's columns out of a CLEAN_TICKS frame."""
        executed = pl.col("action").is_in(["F", "T"])
        columns = clean.select(
            "available_at",
            "bid_px",
            "bid_sz",
            "ask_px",
            "ask_sz",
            "bid_depth",
            "ask_depth",
            pl.when(executed).then("size").otherwise(0).alias("traded"),
            pl.when(executed).then(pl.col("trade_sign").cast(pl.Int64)).otherwise(0).alias("sign"),
        ).fill_null(0)
        return Events(*(np.ascontiguousarray(column.to_numpy(), dtype=np.int64) for column in columns))

    def between(self, start: int, stop: int) -> Events:
        """Rows ``start:stop``."""
        return Events(*(column[start:stop] for column in self))


@dataclass(frozen=True)
class Grid:
    """Decision times of one instrument-day and the units of the instrument.

    Attributes:
        open_ns: Session open, ns UTC; the first decision is one grid step later.
        close_ns: Session close, ns UTC; a decision at the close itself is included.
        grid_ms: Spacing of the decisions.
        lot_size: Shares or coins per lot.
        quote_increment_ticks: Minimum quoting increment in ticks.
        max_silence_ms: A decision time is left out where no event came for longer than this.

    Raises:
        StudyError: The spacing or the session is not positive.
    """

    open_ns: int
    close_ns: int
    grid_ms: int
    lot_size: float = 1.0
    quote_increment_ticks: int = 1
    max_silence_ms: int = MAX_SILENCE_MS

    def __post_init__(self) -> None:
        if self.grid_ms <= 0 or self.close_ns <= self.open_ns:
            raise StudyError(
                "feature grid",
                received=f"grid_ms {self.grid_ms}, session {self.open_ns}..{self.close_ns}",
                expected="a positive spacing and a close after the open",
            )

    @staticmethod
    def of(bounds: tuple[int, int], grid_ms: int, spec: InstrumentSpec, max_silence_ms: int = MAX_SILENCE_MS) -> Grid:
        """Grid of a session ``bounds`` (open, close; ns UTC) for one instrument."""
        return Grid(bounds[0], bounds[1], grid_ms, spec.lot_size, spec.quote_increment_ticks, max_silence_ms)

    @property
    def bucket_ms(self) -> int:
        """Distance of two edges: the largest that divides the grid and one second."""
        return math.gcd(self.grid_ms, MS_PER_S)

    def _parameters(self) -> Ints:
        bucket_ns = self.bucket_ms * NS_PER_MS
        return np.array(
            [
                self.open_ns,
                bucket_ns,
                self.grid_ms // self.bucket_ms,
                MS_PER_S // self.bucket_ms,
                (self.close_ns - self.open_ns) // bucket_ns,
                self.max_silence_ms * NS_PER_MS,
                self.close_ns,
            ],
            dtype=np.int64,
        )


@dataclass(frozen=True)
class FoldState:
    """State between two events; `fold` and `advance` change its arrays in place.

    Attributes:
        grid: What the state was made for.
        scalars: int64; counters, book, clocks.
        ring: int64, (edges of the flow window + 1) x 8; counters and twice the mid at the latest edges.
        squares: float64, the latest 300 squared one-second log returns of the mid.
    """

    grid: Grid
    scalars: Ints
    ring: Ints
    squares: Floats

    def copy(self) -> FoldState:
        """An independent copy."""
        return FoldState(self.grid, self.scalars.copy(), self.ring.copy(), self.squares.copy())

    def to_bytes(self) -> bytes:
        """The state's arrays; see `from_bytes`."""
        buffer = io.BytesIO()
        grid = np.array(repr(astuple(self.grid)))
        np.savez(buffer, grid=grid, scalars=self.scalars, ring=self.ring, squares=self.squares)
        return buffer.getvalue()

    @staticmethod
    def from_bytes(content: bytes, grid: Grid) -> FoldState:
        """Restore a state saved by `to_bytes` for the same ``grid``.

        Raises:
            SchemaError: It was saved for another grid.
        """
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            saved, wanted = str(arrays["grid"]), repr(astuple(grid))
            if saved != wanted:
                raise SchemaError("feature checkpoint", received=saved, expected=wanted, remedy="Fold from the open.")
            return FoldState(grid, arrays["scalars"], arrays["ring"], arrays["squares"])


class FeatureRows(NamedTuple):
    """Decisions that became known.

    Attributes:
        ts: int64, decision times, ns UTC.
        values: float64, len(ts) x 25: `spec.FEATURES` in order, then ``mid_ticks``.
    """

    ts: Ints
    values: Floats


def init_state(grid: Grid) -> FoldState:
    """State before the first event of a session."""
    edges = kernel.FLOW_WINDOW_S * MS_PER_S // grid.bucket_ms
    return FoldState(
        grid,
        np.zeros(kernel.N_SCALARS, np.int64),
        np.zeros((edges + 1, kernel.N_COUNTERS + 1), np.int64),
        np.zeros(kernel.VARIANCE_LONG_S, np.float64),
    )


def fold(state: FoldState, events: Events) -> FeatureRows:
    """Feed ``events`` and return the decisions that lie strictly before the last of them.

    Args:
        state: Changed in place.
        events: In order; none earlier than what the state has seen.

    Raises:
        SchemaError: ``available_at`` decreases, inside the batch or against the state.
    """
    stamps = events.available_at
    if stamps.size == 0:
        return FeatureRows(np.empty(0, np.int64), np.empty((0, kernel.N_COLUMNS)))
    earliest = _earliest_possible(state)
    late = np.flatnonzero(stamps < np.concatenate([[earliest], stamps[:-1]]))
    if late.size:
        row = int(late[0])
        raise SchemaError(
            f"clean ticks, row {row} of the batch",
            received=f"available_at {stamps[row]}",
            expected=f"at least {stamps[row - 1] if row else earliest}: available_at never decreases",
            remedy="Take the running maximum in cleaning, and feed each event once.",
        )
    return _run(state, events, int(stamps[-1]) - 1)


def advance(state: FoldState, until_ns: int) -> FeatureRows:
    """Close the edges up to and including ``until_ns`` and return their decisions.

    Args:
        state: Changed in place. Later events must carry ``available_at > until_ns``.
        until_ns: Time up to which every event is in, ns UTC.
    """
    nothing = np.empty(0, np.int64)
    return _run(state, Events(*([nothing] * 9)), until_ns)


def _earliest_possible(state: FoldState) -> int:
    edge, bucket_ns = int(state.scalars[kernel.EDGE]), state.grid.bucket_ms * NS_PER_MS
    after_closed = state.grid.open_ns + (edge - 1) * bucket_ns + 1 if edge > 0 else 0
    return max(int(state.scalars[kernel.LAST_NS]), after_closed)


def _run(state: FoldState, events: Events, until_ns: int) -> FeatureRows:
    grid, parameters = state.grid, state.grid._parameters()
    last_edge = min(int(parameters[kernel.P_EDGES]), (until_ns - grid.open_ns) // int(parameters[kernel.P_BUCKET]))
    capacity = max(0, last_edge - int(state.scalars[kernel.EDGE]) + 1) // int(parameters[kernel.P_PER_GRID]) + 1
    ts, values = np.empty(capacity, np.int64), np.empty((capacity, kernel.N_COLUMNS))
    increment = float(grid.quote_increment_ticks)
    count = kernel.fold_events(
        state.scalars,
        state.ring,
        state.squares,
        parameters,
        grid.lot_size,
        increment,
        *events,
        until_ns,
        ts,
        values,
    )
    return FeatureRows(ts[:count], values[:count])
