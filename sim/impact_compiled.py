"""The market of linear impact in compiled form, for environments that run many at once.

Here: the kernels of sim/market_kernels.py for it, and its arrays. Not here: the market in Python
(sim/impact_market.py), the impact of own trades (sim/impact_state.py).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from sim.compile_options import CALLED, INNER
from sim.impact_state import push, relaxed
from sim.market import (
    ASK_DEPTH_5,
    ASK_PX,
    ASK_SZ,
    BID_DEPTH_5,
    BID_PX,
    BID_SZ,
    BUY,
    FILL_LOTS,
    FILL_MAKER,
    FILL_PRICE,
    FILL_TS,
    REALISED_VAR_60S,
    VIEW_LEVELS,
    VIEW_SAMPLE_NS,
    VIEW_WINDOW_NS,
)
from sim.market_kernels import register

#: Places of `LinearShared.whole`, int64.
START_NS, STEP_NS, INCREMENT, LEVEL_LOTS = range(4)
#: Places of `LinearShared.real`, float64: ticks; ticks per lot.
HALF_SPREAD, WALKED = range(2)
#: Places of `LinearOwn.counts`, int64: the present moment, own fills not told yet.
NOW_NS, FILLS = range(2)
#: Lots displayed at a price where a walk costs nothing.
UNLIMITED = 1_000_000_000
#: Fills kept until they are told; a take makes two at most.
MOST_FILLS = 4_096
_SECOND = 1e-9


class LinearShared(NamedTuple):
    """What markets of one model share.

    Attributes:
        whole: (4,) int64, see the constants.
        real: (2,) float64, see the constants.
        weights: (parts,) ticks per lot of the parts of the kernel.
        rates: (parts,) 1/s.
    """

    whole: np.ndarray
    real: np.ndarray
    weights: np.ndarray
    rates: np.ndarray


class LinearOwn(NamedTuple):
    """One market.

    Attributes:
        path: (steps + 1,) price without us, ticks.
        levels: (parts,) shift of each part right after the last take, ticks.
        last_ns: (1,) int64, moment of the last take.
        counts: (2,) int64, see the constants.
        fills: (m, 4) int64.
    """

    path: np.ndarray
    levels: np.ndarray
    last_ns: np.ndarray
    counts: np.ndarray
    fills: np.ndarray


@njit(**INNER)
def _start(shared: LinearShared, own: LinearOwn, opening: np.ndarray) -> None:
    path = opening.view(np.float64)
    for step in range(path.size):
        own.path[step] = path[step]
    own.levels[:] = 0.0
    own.counts[:] = 0
    own.last_ns[0] = 0
    own.counts[NOW_NS] = shared.whole[START_NS]


@njit(**INNER)
def _advance(shared: LinearShared, own: LinearOwn, until_ns: int) -> bool:
    own.counts[NOW_NS] = max(own.counts[NOW_NS], until_ns)
    return True


@njit(**INNER)
def _mid(shared: LinearShared, own: LinearOwn) -> float:
    now_ns = own.counts[NOW_NS]
    without_us = own.path[(now_ns - shared.whole[START_NS]) // shared.whole[STEP_NS]]
    return without_us + relaxed(own.levels, shared.rates, (now_ns - own.last_ns[0]) * _SECOND)


@njit(**CALLED)
def _take(shared: LinearShared, own: LinearOwn, side: int, lots: int) -> int:
    mid, walked = _mid(shared, own), shared.real[WALKED]
    sign = 1 if side == BUY else -1
    if side != BUY:
        room = mid - shared.real[HALF_SPREAD] - 1.0
        most = UNLIMITED
        if room < 0:
            most = 0
        elif walked > 0:
            most = math.floor(room / walked)
        lots = min(lots, most)
    if lots <= 0 or own.counts[FILLS] + 2 > own.fills.shape[0]:
        return 0
    price = mid + (0.5 * walked * (sign * lots) + sign * shared.real[HALF_SPREAD])
    paid = round(price * lots)
    base = paid // lots
    dearer = paid - base * lots
    for turn in range(2):
        upper = turn if sign > 0 else 1 - turn
        size = dearer if upper == 1 else lots - dearer
        if size > 0:
            fill = own.fills[own.counts[FILLS]]
            fill[FILL_TS], fill[FILL_PRICE], fill[FILL_LOTS] = own.counts[NOW_NS], base + upper, size
            fill[FILL_MAKER] = 0
            own.counts[FILLS] += 1
    seconds = (own.counts[NOW_NS] - own.last_ns[0]) * _SECOND
    push(own.levels, shared.weights, shared.rates, seconds, float(sign * lots))
    own.last_ns[0] = own.counts[NOW_NS]
    return lots


@njit(**INNER)
def _place(shared: LinearShared, own: LinearOwn, side: int, price: int, lots: int) -> int:
    return -1


@njit(**INNER)
def _cancel(shared: LinearShared, own: LinearOwn, number: int, lots: int) -> int:
    return 0


@njit(**INNER)
def _own_into(shared: LinearShared, own: LinearOwn, out: np.ndarray) -> int:
    return 0


@njit(**INNER)
def _fills_into(shared: LinearShared, own: LinearOwn, out: np.ndarray) -> int:
    held = own.counts[FILLS]
    told = min(held, out.shape[0])
    for i in range(held):
        for column in range(out.shape[1]):
            if i < told:
                out[i, column] = own.fills[i, column]
            else:
                own.fills[i - told, column] = own.fills[i, column]
    own.counts[FILLS] = held - told
    return told


@njit(**CALLED)
def _quotes(shared: LinearShared, own: LinearOwn) -> tuple[int, int]:
    mid, half, step = _mid(shared, own), shared.real[HALF_SPREAD], shared.whole[INCREMENT]
    return math.ceil((mid - half) / step) * step, math.floor((mid + half) / step) * step


@njit(**INNER)
def _quotes_into(shared: LinearShared, own: LinearOwn, view: np.ndarray) -> None:
    bid, ask = _quotes(shared, own)
    view[BID_PX], view[ASK_PX] = max(bid, 0), max(ask, 0)


@njit(**CALLED)
def _view_into(shared: LinearShared, own: LinearOwn, view: np.ndarray) -> None:
    view[:] = 0.0
    bid, ask = _quotes(shared, own)
    step, lots = shared.whole[INCREMENT], shared.whole[LEVEL_LOTS]
    if bid > 0:
        view[BID_PX], view[BID_SZ] = bid, lots
        view[BID_DEPTH_5] = min(VIEW_LEVELS, (bid - 1) // step + 1) * lots
    if ask > 0:
        view[ASK_PX], view[ASK_SZ], view[ASK_DEPTH_5] = ask, lots, VIEW_LEVELS * lots
    start_ns, step_ns, now_ns = shared.whole[START_NS], shared.whole[STEP_NS], own.counts[NOW_NS]
    first = max(-((VIEW_WINDOW_NS - now_ns) // VIEW_SAMPLE_NS), start_ns // VIEW_SAMPLE_NS)
    for second in range(first + 1, now_ns // VIEW_SAMPLE_NS + 1):
        before = own.path[((second - 1) * VIEW_SAMPLE_NS - start_ns) // step_ns]
        after = own.path[(second * VIEW_SAMPLE_NS - start_ns) // step_ns]
        move = math.log(max(after, 1.0)) - math.log(max(before, 1.0))
        view[REALISED_VAR_60S] += move * move


@njit(**INNER)
def _depths_into(shared: LinearShared, own: LinearOwn, out: np.ndarray) -> None:
    bid, ask = _quotes(shared, own)
    for level in range(out.shape[1]):
        bids = min(level + 1, (bid - 1) // shared.whole[INCREMENT] + 1) if bid > 0 else 0
        out[0, level] = bids * shared.whole[LEVEL_LOTS]
        out[1, level] = (level + 1) * shared.whole[LEVEL_LOTS] if ask > 0 else 0


@njit(**INNER)
def _now_ns(shared: LinearShared, own: LinearOwn) -> int:
    return own.counts[NOW_NS]


register(
    LinearOwn,
    start=_start,
    advance=_advance,
    take=_take,
    place=_place,
    cancel=_cancel,
    own_into=_own_into,
    fills_into=_fills_into,
    quotes_into=_quotes_into,
    view_into=_view_into,
    depths_into=_depths_into,
    now_ns=_now_ns,
)
