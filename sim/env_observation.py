"""What an execution agent sees, in compiled form: sim/observation.py for one row of many.

Here: kernels. Not here: names, bounds and meaning of the terms (sim/observation.py).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from sim.compile_options import ENTRY, INNER, MERGED
from sim.env_state import (
    ARRIVAL_MID,
    ARRIVAL_NS,
    CLOCK_NS,
    DECISIONS,
    FURTHER,
    HORIZON_NS,
    INCREMENT,
    LEFT,
    MID,
    PARENT,
    PREVIOUS_MID,
    RESTING_AHEAD,
    RESTING_LOTS,
    RESTING_TICKS,
    SIDE,
    Episodes,
    Settings,
)
from sim.market import (
    ASK_DEPTH_5,
    ASK_PX,
    ASK_SZ,
    BID_DEPTH_5,
    BID_PX,
    BID_SZ,
    BUY,
    REALISED_VAR_60S,
    SIGNED_VOLUME_60S,
    TRADES_60S,
    VIEW_WINDOW_NS,
    VOLUME_60S,
)

_BPS = 1e4
_NS_PER_S = 1e9
_SPREAD_TERM = 3


@njit(**ENTRY)
def observe_row(settings: Settings, episodes: Episodes, i: int) -> None:
    """Write the observation of row ``i`` from its counts, sums, view, depths and resting orders."""
    every, places = episodes.every, settings.terms
    _default_terms(settings, episodes, i, every)
    if settings.whole[FURTHER] > 0:
        _further_terms(settings, episodes, i, every)
    for k in range(places.size):
        place = places[k]
        episodes.observed[i, k] = min(max(every[place], settings.low[place]), settings.high[place])


@njit(**MERGED)
def _default_terms(settings: Settings, episodes: Episodes, i: int, out: np.ndarray) -> None:
    view, counts, sums = episodes.seen[i], episodes.counts[i], episodes.sums[i]
    parent, horizon_ns = settings.whole[PARENT], settings.whole[HORIZON_NS]
    buying = counts[SIDE] == BUY
    sign = 1.0 if buying else -1.0
    own_px, own_sz = (view[BID_PX], view[BID_SZ]) if buying else (view[ASK_PX], view[ASK_SZ])
    elapsed = min(1.0, (counts[CLOCK_NS] - counts[ARRIVAL_NS]) / horizon_ns)
    left = counts[LEFT] / parent
    quoted = view[BID_PX] > 0 and view[ASK_PX] > 0
    traded = view[VOLUME_60S]
    out[0] = elapsed
    out[1] = left
    out[2] = left - (1.0 - elapsed)
    spread = view[ASK_PX] - view[BID_PX]
    out[_SPREAD_TERM] = spread / settings.whole[INCREMENT] if quoted else settings.high[_SPREAD_TERM]
    out[4] = sign * _balance(view[BID_SZ], view[ASK_SZ])
    out[5] = sign * _balance(view[BID_DEPTH_5], view[ASK_DEPTH_5])
    out[6] = _queue_ahead(settings, episodes, i, own_px, own_sz, sign)
    out[7] = episodes.resting[i, RESTING_LOTS] / counts[LEFT] if counts[LEFT] > 0 else 0.0
    out[8] = _slices(settings, view[ASK_SZ] if buying else view[BID_SZ])
    out[9] = sign * (sums[MID] / sums[ARRIVAL_MID] - 1.0) * _BPS
    out[10] = sign * view[SIGNED_VOLUME_60S] / traded if traded > 0 else 0.0
    out[11] = math.sqrt(view[REALISED_VAR_60S]) * _BPS
    # not multiplied in whole numbers: lots of a hundred-millionth, times nanoseconds, run over
    out[12] = math.log1p(traded / parent * (horizon_ns / VIEW_WINDOW_NS))


@njit(**MERGED)
def _further_terms(settings: Settings, episodes: Episodes, i: int, out: np.ndarray) -> None:
    view, depths, sums = episodes.seen[i], episodes.depths[i], episodes.sums[i]
    own = episodes.counts[i, SIDE]
    opposite = 1 - own
    sign = 1.0 if own == BUY else -1.0
    own_sz, own_5 = (view[BID_SZ], view[BID_DEPTH_5]) if own == BUY else (view[ASK_SZ], view[ASK_DEPTH_5])
    opposite_5 = view[ASK_DEPTH_5] if own == BUY else view[BID_DEPTH_5]
    out[13] = sign * _balance(depths[0, 2], depths[1, 2])
    out[14] = sign * _balance(depths[0, 9], depths[1, 9])
    out[15] = _slices(settings, own_sz)
    out[16] = _slices(settings, depths[own, 2])
    out[17] = _slices(settings, own_5)
    out[18] = _slices(settings, depths[own, 9])
    out[19] = _slices(settings, depths[opposite, 2])
    out[20] = _slices(settings, opposite_5)
    out[21] = _slices(settings, depths[opposite, 9])
    resting = episodes.resting[i]
    out[22] = _slices(settings, float(resting[RESTING_AHEAD])) if resting[RESTING_LOTS] > 0 else 0.0
    out[23] = math.log1p(view[TRADES_60S])
    out[24] = sign * (sums[MID] / sums[PREVIOUS_MID] - 1.0) * _BPS
    now_ns = episodes.counts[i, CLOCK_NS]
    out[25] = sign * _known(settings.alpha_ns, settings.alpha_bps, now_ns)
    out[26] = _known(settings.volatility_ns, settings.volatility_bps, now_ns)
    out[27] = math.log1p(settings.whole[HORIZON_NS] / settings.whole[DECISIONS] / _NS_PER_S)


@njit(**INNER)
def _balance(bids: float, asks: float) -> float:
    return (bids - asks) / (bids + asks) if bids + asks > 0 else 0.0


@njit(**INNER)
def _slices(settings: Settings, lots: float) -> float:
    return math.log1p(lots * settings.whole[DECISIONS] / settings.whole[PARENT])


@njit(**MERGED)
def _queue_ahead(settings: Settings, episodes: Episodes, i: int, own_px: float, own_sz: float, sign: float) -> float:
    resting = episodes.resting[i]
    if resting[RESTING_LOTS] == 0 or own_px == 0:
        return 1.0
    behind = sign * (own_px - resting[RESTING_TICKS]) / settings.whole[INCREMENT]
    if behind < 0:
        return 0.0
    if behind > 0:
        return 1.0 + behind
    return min(1.0, resting[RESTING_AHEAD] / own_sz) if own_sz > 0 else 0.0


@njit(**INNER)
def _known(stamps: np.ndarray, values: np.ndarray, now_ns: int) -> float:
    """The last value known, 0 where there is none yet."""
    low, high = 0, stamps.size
    while low < high:
        middle = (low + high) // 2
        if stamps[middle] <= now_ns:
            low = middle + 1
        else:
            high = middle
    return values[low - 1] if low > 0 else 0.0
