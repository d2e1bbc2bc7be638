"""The numba kernel of the fold: every function the compiler sees, and every constant it freezes.

Here: compiled code, the slots of its arrays, the windows. Not here: state, grid and events as objects (fold.py), names
of the columns (spec.py).
"""

from __future__ import annotations

import math

import numba
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# The numba cache of a function is only renewed when its own file changes, so every constant the kernel reads,
# and the order of the columns it writes, stands in this file; a test ties the order to spec.FEATURES.
FLOW_WINDOW_S = 60
VARIANCE_SHORT_S = 60
VARIANCE_LONG_S = 300
N_COLUMNS = 25
BPS = 1e4

# Slots of the state's scalars; the first N_COUNTERS of them, and the mid, are what a ring snapshot holds.
OFI, SIGNED, VOLUME, TRADES, CHANGES, TOP, ROWS = range(7)
N_COUNTERS = 7
RING_MID = 7
BID_PX, BID_SZ, ASK_PX, ASK_SZ, BID_DEPTH, ASK_DEPTH = range(7, 13)
EDGE, LAST_NS, CHANGE_NS, FIRST_MID, VARIANCE_MID, SQUARES, SIGN = range(13, 20)
N_SCALARS = 20

# Slots of the integer parameters.
P_OPEN, P_BUCKET, P_PER_GRID, P_PER_SECOND, P_EDGES, P_SILENCE, P_CLOSE = range(7)


@numba.njit(cache=True)
def fold_events(
    scalars: Ints, ring: Ints, squares: Floats, parameters: Ints, lot_size: float, increment: float,
    available_at: Ints, bid_px: Ints, bid_sz: Ints, ask_px: Ints, ask_sz: Ints,
    bid_depth: Ints, ask_depth: Ints, traded: Ints, sign: Ints, until_ns: int, ts: Ints, values: Floats,
) -> int:  # fmt: skip
    """Feed events, then close the edges up to ``until_ns``; `models.features.fold.fold` is the way in.

    Args:
        scalars: State, changed; slots above. ``ring`` and ``squares`` likewise.
        ring: See `models.features.fold.FoldState`.
        squares: See there.
        parameters: Grid; slots above.
        lot_size: Units per lot.
        increment: Quoting increment in ticks.
        available_at: Columns of `models.features.fold.Events`, as are the eight that follow.
        bid_px: See there.
        bid_sz: See there.
        ask_px: See there.
        ask_sz: See there.
        bid_depth: See there.
        ask_depth: See there.
        traded: See there.
        sign: See there.
        until_ns: Last edge to close, ns UTC.
        ts: Output, decision times.
        values: Output, one row of `N_COLUMNS` a decision.

    Returns:
        Number of decisions written.
    """
    count = 0
    for i in range(available_at.size):
        # An event at t belongs to the edge at t, so only earlier edges close before it.
        count = _close_edges(
            scalars, ring, squares, parameters, lot_size, increment, available_at[i] - 1, ts, values, count
        )
        scalars[LAST_NS] = available_at[i]
        if traded[i] > 0:
            scalars[SIGN] = sign[i]
            scalars[SIGNED] += sign[i] * traded[i]
            scalars[VOLUME] += traded[i]
            scalars[TRADES] += 1
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
        scalars[BID_PX],
        scalars[BID_SZ],
        scalars[ASK_PX],
        scalars[ASK_SZ],
    )
    if old_bid == 0:
        scalars[FIRST_MID] = bid_px + ask_px
        scalars[VARIANCE_MID] = bid_px + ask_px
        scalars[CHANGE_NS] = now_ns
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
        scalars[OFI] += change
        if bid_px != old_bid or bid_sz != old_bid_sz or ask_px != old_ask or ask_sz != old_ask_sz:
            scalars[CHANGES] += 1
            scalars[CHANGE_NS] = now_ns
    scalars[BID_PX], scalars[BID_SZ] = bid_px, bid_sz
    scalars[ASK_PX], scalars[ASK_SZ] = ask_px, ask_sz
    scalars[BID_DEPTH], scalars[ASK_DEPTH] = bid_depth, ask_depth
    scalars[TOP] += bid_sz + ask_sz
    scalars[ROWS] += 1


@numba.njit(cache=True)
def _close_edges(
    scalars: Ints, ring: Ints, squares: Floats, parameters: Ints, lot_size: float, increment: float,
    until_ns: int, ts: Ints, values: Floats, count: int,
) -> int:  # fmt: skip
    while scalars[EDGE] <= parameters[P_EDGES]:
        edge = scalars[EDGE]
        edge_ns = parameters[P_OPEN] + edge * parameters[P_BUCKET]
        if edge_ns > until_ns:
            break
        known = scalars[BID_PX] > 0
        mid = scalars[BID_PX] + scalars[ASK_PX]
        slot = edge % ring.shape[0]
        for j in range(N_COUNTERS):
            ring[slot, j] = scalars[j]
        ring[slot, RING_MID] = mid
        if known and edge == 0:
            scalars[VARIANCE_MID] = mid
        elif known and edge % parameters[P_PER_SECOND] == 0:
            step = math.log(mid / scalars[VARIANCE_MID])
            squares[scalars[SQUARES] % squares.size] = step * step
            scalars[SQUARES] += 1
            scalars[VARIANCE_MID] = mid
        heard = edge_ns - scalars[LAST_NS] <= parameters[P_SILENCE]
        if known and heard and edge > 0 and edge % parameters[P_PER_GRID] == 0:
            ts[count] = edge_ns
            _write_row(scalars, ring, squares, parameters, lot_size, increment, edge, edge_ns, values[count])
            count += 1
        scalars[EDGE] += 1
    return count


@numba.njit(cache=True)
def _since(ring: Ints, edge: int, edges_back: int, column: int) -> int:
    then = max(0, edge - edges_back)
    return ring[edge % ring.shape[0], column] - ring[then % ring.shape[0], column]


@numba.njit(cache=True)
def _return_bps(scalars: Ints, ring: Ints, edge: int, edges_back: int) -> float:
    then = ring[max(0, edge - edges_back) % ring.shape[0], RING_MID]
    if then == 0:
        then = scalars[FIRST_MID]
    return math.log(ring[edge % ring.shape[0], RING_MID] / then) * BPS


@numba.njit(cache=True)
def _volatility_bps(squares: Floats, total: int, window: int) -> float:
    held = min(total, window)
    if held == 0:
        return math.nan
    variance = 0.0
    for j in range(total - held, total):
        variance += squares[j % squares.size]
    return math.sqrt(variance * (window / held)) * BPS


@numba.njit(cache=True)
def _write_row(
    scalars: Ints, ring: Ints, squares: Floats, parameters: Ints, lot_size: float, increment: float,
    edge: int, edge_ns: int, row: Floats,
) -> None:  # fmt: skip
    second = parameters[P_PER_SECOND]
    bid, ask, bid_sz, ask_sz = scalars[BID_PX], scalars[ASK_PX], scalars[BID_SZ], scalars[ASK_SZ]
    depth = scalars[BID_DEPTH] + scalars[ASK_DEPTH]
    mid = (bid + ask) / 2.0
    queue = (bid_sz - ask_sz) / (bid_sz + ask_sz)
    rows = _since(ring, edge, 60 * second, ROWS)
    average = _since(ring, edge, 60 * second, TOP) / (2.0 * rows) if rows > 0 else (bid_sz + ask_sz) / 2.0
    volume = _since(ring, edge, 60 * second, VOLUME)
    row[0] = (ask - bid) / mid * BPS
    row[1] = (ask - bid) / increment
    row[2] = 0.5 * (ask - bid) * queue / mid * BPS
    row[3] = queue
    row[4] = (scalars[BID_DEPTH] - scalars[ASK_DEPTH]) / depth if depth > 0 else 0.0
    row[5] = math.log1p(depth * lot_size)
    row[6] = _since(ring, edge, second, OFI) / average
    row[7] = _since(ring, edge, 10 * second, OFI) / average
    row[8] = _since(ring, edge, 60 * second, OFI) / average
    row[9] = _since(ring, edge, second, SIGNED) / average
    row[10] = _since(ring, edge, 10 * second, SIGNED) / average
    row[11] = _since(ring, edge, 60 * second, SIGNED) / average
    row[12] = _since(ring, edge, 60 * second, SIGNED) / volume if volume > 0 else 0.0
    row[13] = scalars[SIGN]
    row[14] = _since(ring, edge, 60 * second, TRADES)
    row[15] = math.log1p(volume * lot_size)
    row[16] = _return_bps(scalars, ring, edge, second)
    row[17] = _return_bps(scalars, ring, edge, 10 * second)
    row[18] = _return_bps(scalars, ring, edge, 60 * second)
    row[19] = _volatility_bps(squares, scalars[SQUARES], VARIANCE_SHORT_S)
    row[20] = _volatility_bps(squares, scalars[SQUARES], VARIANCE_LONG_S)
    row[21] = (edge_ns - scalars[CHANGE_NS]) / 1e6
    row[22] = _since(ring, edge, 10 * second, CHANGES) / 10.0
    row[23] = (edge_ns - parameters[P_OPEN]) / (parameters[P_CLOSE] - parameters[P_OPEN])
    row[24] = mid
