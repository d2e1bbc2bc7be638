"""The fold: events in, features at grid times out, with a state that can be saved and resumed bit for bit.

Time is cut into edges ``open + k * bucket``, the bucket being the largest that divides both the grid and one
second. An edge at ``t`` is closed once every event with ``available_at <= t`` is in. What windows sum is
integer (lots, counts), kept as cumulative counters of which a ring holds one snapshot an edge, so a window is
an exact difference wherever counting began. The one float sum, realised variance, is summed afresh from a
ring, oldest first.

Here: the numba kernel, its state and grid. Not here: names (spec.py), the plain twin (fold_python.py), frames
(table.py).
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import polars as pl

from feeds.errors import SchemaError, StudyError
from feeds.instruments import InstrumentSpec

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

NS_PER_MS = 1_000_000
MS_PER_S = 1_000
#: No decision is made on a feed from which nothing came for longer than this.
MAX_SILENCE_MS = 60_000

# The numba cache of a function is only renewed when its own file changes, so every constant the kernel reads,
# and the order of the columns it writes, stands in this file; a test ties the order to spec.FEATURES.
_FLOW_WINDOW_S = 60
_VARIANCE_SHORT_S = 60
_VARIANCE_LONG_S = 300
_N_COLUMNS = 25
_BPS = 1e4

# Slots of the state's scalars; the first _N_COUNTERS of them, and the mid, are what a ring snapshot holds.
_OFI, _SIGNED, _VOLUME, _TRADES, _CHANGES, _TOP, _ROWS = range(7)
_N_COUNTERS = 7
_RING_MID = 7
_BID_PX, _BID_SZ, _ASK_PX, _ASK_SZ, _BID_DEPTH, _ASK_DEPTH = range(7, 13)
_EDGE, _LAST_NS, _CHANGE_NS, _FIRST_MID, _VARIANCE_MID, _SQUARES, _SIGN = range(13, 20)
_N_SCALARS = 20

# Slots of the integer parameters.
_P_OPEN, _P_BUCKET, _P_PER_GRID, _P_PER_SECOND, _P_EDGES, _P_SILENCE, _P_CLOSE = range(7)


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
    def of(
        bounds: tuple[int, int], grid_ms: int, spec: InstrumentSpec, max_silence_ms: int = MAX_SILENCE_MS
    ) -> Grid:
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
        np.savez(buffer, scalars=self.scalars, ring=self.ring, squares=self.squares)
        return buffer.getvalue()

    @staticmethod
    def from_bytes(content: bytes, grid: Grid) -> FoldState:
        """Restore a state saved by `to_bytes` for the same ``grid``.

        Raises:
            SchemaError: The arrays do not fit the grid.
        """
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            state = FoldState(grid, arrays["scalars"], arrays["ring"], arrays["squares"])
        wanted = init_state(grid)
        received = [state.scalars.shape, state.ring.shape, state.squares.shape]
        expected = [wanted.scalars.shape, wanted.ring.shape, wanted.squares.shape]
        if received != expected:
            raise SchemaError(
                "feature checkpoint", received=received, expected=expected, remedy="Fold from the open."
            )
        return state


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
    edges = _FLOW_WINDOW_S * MS_PER_S // grid.bucket_ms
    return FoldState(
        grid,
        np.zeros(_N_SCALARS, np.int64),
        np.zeros((edges + 1, _N_COUNTERS + 1), np.int64),
        np.zeros(_VARIANCE_LONG_S, np.float64),
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
        return FeatureRows(np.empty(0, np.int64), np.empty((0, _N_COLUMNS)))
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
    edge, bucket_ns = int(state.scalars[_EDGE]), state.grid.bucket_ms * NS_PER_MS
    after_closed = state.grid.open_ns + (edge - 1) * bucket_ns + 1 if edge > 0 else 0
    return max(int(state.scalars[_LAST_NS]), after_closed)


def _run(state: FoldState, events: Events, until_ns: int) -> FeatureRows:
    grid, parameters = state.grid, state.grid._parameters()
    last_edge = min(int(parameters[_P_EDGES]), (until_ns - grid.open_ns) // int(parameters[_P_BUCKET]))
    capacity = max(0, last_edge - int(state.scalars[_EDGE]) + 1) // int(parameters[_P_PER_GRID]) + 1
    ts, values = np.empty(capacity, np.int64), np.empty((capacity, _N_COLUMNS))
    increment = float(grid.quote_increment_ticks)
    count = _fold_events(
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


@numba.njit(cache=True)
def _fold_events(
    scalars: Ints, ring: Ints, squares: Floats, parameters: Ints, lot_size: float, increment: float,
    available_at: Ints, bid_px: Ints, bid_sz: Ints, ask_px: Ints, ask_sz: Ints, bid_depth: Ints, ask_depth: Ints,
    traded: Ints, sign: Ints, until_ns: int, ts: Ints, values: Floats,
) -> int:  # fmt: skip
    count = 0
    for i in range(available_at.size):
        # An event at t belongs to the edge at t, so only earlier edges close before it.
        count = _close_edges(
            scalars, ring, squares, parameters, lot_size, increment, available_at[i] - 1, ts, values, count
        )
        scalars[_LAST_NS] = available_at[i]
        if traded[i] > 0:
            scalars[_SIGN] = sign[i]
            scalars[_SIGNED] += sign[i] * traded[i]
            scalars[_VOLUME] += traded[i]
            scalars[_TRADES] += 1
        if bid_px[i] > 0 and ask_px[i] > 0 and bid_sz[i] + ask_sz[i] > 0:
            _take_book(
                scalars,
                available_at[i],
                bid_px[i],
                bid_sz[i],
                ask_px[i],
                ask_sz[i],
                bid_depth[i],
                ask_depth[i],
            )
    return _close_edges(scalars, ring, squares, parameters, lot_size, increment, until_ns, ts, values, count)


@numba.njit(cache=True)
def _take_book(
    scalars: Ints,
    now_ns: int,
    bid_px: int,
    bid_sz: int,
    ask_px: int,
    ask_sz: int,
    bid_depth: int,
    ask_depth: int,
) -> None:
    old_bid, old_bid_sz, old_ask, old_ask_sz = (
        scalars[_BID_PX],
        scalars[_BID_SZ],
        scalars[_ASK_PX],
        scalars[_ASK_SZ],
    )
    if old_bid == 0:
        scalars[_FIRST_MID] = bid_px + ask_px
        scalars[_VARIANCE_MID] = bid_px + ask_px
        scalars[_CHANGE_NS] = now_ns
    else:
        # Cont, Kukanov, Stoikov 2014, the contribution e_n of one event.
        change = 0
        if bid_px >= old_bid:
            change += bid_sz
        if bid_px <= old_bid:
            change -= old_bid_sz
        if ask_px <= old_ask:
            change -= ask_sz
        if ask_px >= old_ask:
            change += old_ask_sz
        scalars[_OFI] += change
        if bid_px != old_bid or bid_sz != old_bid_sz or ask_px != old_ask or ask_sz != old_ask_sz:
            scalars[_CHANGES] += 1
            scalars[_CHANGE_NS] = now_ns
    scalars[_BID_PX], scalars[_BID_SZ] = bid_px, bid_sz
    scalars[_ASK_PX], scalars[_ASK_SZ] = ask_px, ask_sz
    scalars[_BID_DEPTH], scalars[_ASK_DEPTH] = bid_depth, ask_depth
    scalars[_TOP] += bid_sz + ask_sz
    scalars[_ROWS] += 1


@numba.njit(cache=True)
def _close_edges(
    scalars: Ints, ring: Ints, squares: Floats, parameters: Ints, lot_size: float, increment: float,
    until_ns: int, ts: Ints, values: Floats, count: int,
) -> int:  # fmt: skip
    while scalars[_EDGE] <= parameters[_P_EDGES]:
        edge = scalars[_EDGE]
        edge_ns = parameters[_P_OPEN] + edge * parameters[_P_BUCKET]
        if edge_ns > until_ns:
            break
        known = scalars[_BID_PX] > 0
        mid = scalars[_BID_PX] + scalars[_ASK_PX]
        slot = edge % ring.shape[0]
        for j in range(_N_COUNTERS):
            ring[slot, j] = scalars[j]
        ring[slot, _RING_MID] = mid
        if known and edge == 0:
            scalars[_VARIANCE_MID] = mid
        elif known and edge % parameters[_P_PER_SECOND] == 0:
            step = math.log(mid / scalars[_VARIANCE_MID])
            squares[scalars[_SQUARES] % squares.size] = step * step
            scalars[_SQUARES] += 1
            scalars[_VARIANCE_MID] = mid
        heard = edge_ns - scalars[_LAST_NS] <= parameters[_P_SILENCE]
        if known and heard and edge > 0 and edge % parameters[_P_PER_GRID] == 0:
            ts[count] = edge_ns
            _write_row(scalars, ring, squares, parameters, lot_size, increment, edge, edge_ns, values[count])
            count += 1
        scalars[_EDGE] += 1
    return count


@numba.njit(cache=True)
def _since(ring: Ints, edge: int, edges_back: int, column: int) -> int:
    then = max(0, edge - edges_back)
    return ring[edge % ring.shape[0], column] - ring[then % ring.shape[0], column]


@numba.njit(cache=True)
def _return_bps(scalars: Ints, ring: Ints, edge: int, edges_back: int) -> float:
    then = ring[max(0, edge - edges_back) % ring.shape[0], _RING_MID]
    if then == 0:
        then = scalars[_FIRST_MID]
    return math.log(ring[edge % ring.shape[0], _RING_MID] / then) * _BPS


@numba.njit(cache=True)
def _volatility_bps(squares: Floats, total: int, window: int) -> float:
    held = min(total, window)
    if held == 0:
        return math.nan
    variance = 0.0
    for j in range(total - held, total):
        variance += squares[j % squares.size]
    return math.sqrt(variance * (window / held)) * _BPS


@numba.njit(cache=True)
def _write_row(
    scalars: Ints, ring: Ints, squares: Floats, parameters: Ints, lot_size: float, increment: float,
    edge: int, edge_ns: int, row: Floats,
) -> None:  # fmt: skip
    second = parameters[_P_PER_SECOND]
    bid, ask, bid_sz, ask_sz = scalars[_BID_PX], scalars[_ASK_PX], scalars[_BID_SZ], scalars[_ASK_SZ]
    depth = scalars[_BID_DEPTH] + scalars[_ASK_DEPTH]
    mid = (bid + ask) / 2.0
    queue = (bid_sz - ask_sz) / (bid_sz + ask_sz)
    rows = _since(ring, edge, 60 * second, _ROWS)
    average = _since(ring, edge, 60 * second, _TOP) / (2.0 * rows) if rows > 0 else (bid_sz + ask_sz) / 2.0
    volume = _since(ring, edge, 60 * second, _VOLUME)
    row[0] = (ask - bid) / mid * _BPS
    row[1] = (ask - bid) / increment
    row[2] = 0.5 * (ask - bid) * queue / mid * _BPS
    row[3] = queue
    row[4] = (scalars[_BID_DEPTH] - scalars[_ASK_DEPTH]) / depth if depth > 0 else 0.0
    row[5] = math.log1p(depth * lot_size)
    row[6] = _since(ring, edge, second, _OFI) / average
    row[7] = _since(ring, edge, 10 * second, _OFI) / average
    row[8] = _since(ring, edge, 60 * second, _OFI) / average
    row[9] = _since(ring, edge, second, _SIGNED) / average
    row[10] = _since(ring, edge, 10 * second, _SIGNED) / average
    row[11] = _since(ring, edge, 60 * second, _SIGNED) / average
    row[12] = _since(ring, edge, 60 * second, _SIGNED) / volume if volume > 0 else 0.0
    row[13] = scalars[_SIGN]
    row[14] = _since(ring, edge, 60 * second, _TRADES)
    row[15] = math.log1p(volume * lot_size)
    row[16] = _return_bps(scalars, ring, edge, second)
    row[17] = _return_bps(scalars, ring, edge, 10 * second)
    row[18] = _return_bps(scalars, ring, edge, 60 * second)
    row[19] = _volatility_bps(squares, scalars[_SQUARES], _VARIANCE_SHORT_S)
    row[20] = _volatility_bps(squares, scalars[_SQUARES], _VARIANCE_LONG_S)
    row[21] = (edge_ns - scalars[_CHANGE_NS]) / 1e6
    row[22] = _since(ring, edge, 10 * second, _CHANGES) / 10.0
    row[23] = (edge_ns - parameters[_P_OPEN]) / (parameters[_P_CLOSE] - parameters[_P_OPEN])
    row[24] = mid
