"""Episodes of execution in compiled form: sim/execution_env.py, step by step, for many markets in one call.

What happens in a row depends on its own market and instructions alone, so neither their number nor their order matters.
The rules are told in the class `sim.execution_env.ExecutionEnv`; sim/plain_episode.py is the twin in plain Python.

Here: kernels. Not here: structures (sim/env_state.py), what is seen (sim/env_observation.py), Gymnasium's forms.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from sim.compile_options import CALLED, ENTRY, INNER, MERGED
from sim.env_observation import observe_row
from sim.env_state import (
    ARRIVAL_MID,
    ARRIVAL_NS,
    CLOCK_NS,
    DECISION,
    DECISIONS,
    END_NS,
    ENDED,
    FEES_BPS,
    FILLS,
    FILLS_LOST,
    HORIZON_NS,
    IMPACT_AVERSION,
    IMPACT_TERM,
    INCREMENT,
    LATENCY_NS,
    LEFT,
    MAKER_FEE,
    MAKER_LOTS,
    MET_MID,
    MET_SPREAD,
    MID,
    NEEDS_DEPTHS,
    NEGATIVE,
    NO_ROOM,
    ONE_SIDED,
    OVER,
    PARENT,
    PLACED,
    PREVIOUS_MID,
    RESTING_AHEAD,
    RESTING_LOTS,
    RESTING_TICKS,
    REWARD,
    RISK_AVERSION,
    RISK_TERM,
    SHORTFALL_TERM,
    SIDE,
    SPREAD_BPS,
    STATUS,
    TAKER_FEE,
    TIMING_BPS,
    TOO_SHORT,
    TRADED_VALUE,
    UNFILLED_PENALTY,
    UNIT,
    WALK_BPS,
    WELL,
    Episodes,
    Settings,
)
from sim.fees import fee_of
from sim.market import (
    ASK_PX,
    BID_PX,
    BUY,
    FILL_LOTS,
    FILL_MAKER,
    FILL_PRICE,
    OWN_AHEAD,
    OWN_LOTS,
    OWN_NUMBER,
    OWN_PRICE,
)
from sim.market_kernels import (
    advance,
    cancel,
    depths_into,
    fills_into,
    now_ns,
    own_into,
    place,
    quotes_into,
    start,
    take,
    view_into,
)
from sim.stacked import row_of

_BPS = 1e4
#: What `play` does with every row: begin an episode; step; step, and begin the next episode where one ended.
BEGIN, STEP, STEP_AND_BEGIN = 0, 1, 2


@njit(**ENTRY)
def play(
    shared: Any,
    markets: Any,
    settings: Settings,
    episodes: Episodes,
    openings: np.ndarray,
    sides: np.ndarray,
    instructions: np.ndarray,
    what: int,
) -> int:
    """Begin or step every row.

    Args:
        shared: Of the markets.
        markets: Stack of their states (sim/stacked.py).
        settings: Of the task.
        episodes: Changed in place; after a step its ``last`` tells how the step ended.
        openings: (n, k) int64 of the next episodes.
        sides: (n,) int64 of the next episodes.
        instructions: (n, 3) int64: lots to take, lots to rest, offset.
        what: `BEGIN`, `STEP` or `STEP_AND_BEGIN`.

    Returns:
        Rows with a status other than `WELL`.
    """
    bad = 0
    for i in range(sides.size):
        own = row_of(markets, i)
        if what == BEGIN:
            _begin(shared, own, settings, episodes, i, openings[i], sides[i])
        else:
            _step(shared, own, settings, episodes, i, instructions[i])
            _keep_last(episodes, i)
            if what == STEP_AND_BEGIN and episodes.counts[i, ENDED] > 0 and episodes.counts[i, STATUS] == WELL:
                _begin(shared, own, settings, episodes, i, openings[i], sides[i])
        bad += episodes.counts[i, STATUS] != WELL
    return bad


@njit(**ENTRY)
def _keep_last(episodes: Episodes, i: int) -> None:
    _copy(episodes.counts[i], episodes.last.counts[i])
    _copy(episodes.sums[i], episodes.last.sums[i])
    _copy(episodes.path[i], episodes.last.path[i])
    _copy(episodes.observed[i], episodes.last.observed[i])


@njit(**INNER)
def _copy(source: np.ndarray, target: np.ndarray) -> None:
    for k in range(source.size):
        target[k] = source[k]


@njit(**CALLED)
def _begin(
    shared: Any, own: Any, settings: Settings, episodes: Episodes, i: int, opening: np.ndarray, side: int
) -> None:
    counts, sums = episodes.counts[i], episodes.sums[i]
    start(shared, own, opening)
    counts[:], sums[:], episodes.path[i] = 0, 0.0, 0.0
    began_ns = now_ns(shared, own)
    counts[SIDE], counts[LEFT] = side, settings.whole[PARENT]
    counts[ARRIVAL_NS] = counts[CLOCK_NS] = began_ns
    if settings.whole[END_NS] < began_ns + settings.whole[HORIZON_NS] + settings.whole[LATENCY_NS]:
        counts[STATUS], counts[ENDED] = TOO_SHORT, 1
        return
    _look(shared, own, settings, episodes, i, False)
    if sums[MID] == 0.0:
        counts[STATUS], counts[ENDED] = ONE_SIDED, 1
        return
    sums[ARRIVAL_MID] = sums[PREVIOUS_MID] = sums[MID]
    _note_met(episodes, i)
    sums[UNIT], episodes.path[i, 0] = _BPS / (sums[MID] * settings.whole[PARENT]), 1.0
    episodes.resting[i] = 0
    observe_row(settings, episodes, i)


@njit(**MERGED)
def _step(shared: Any, own: Any, settings: Settings, episodes: Episodes, i: int, wanted: np.ndarray) -> None:
    counts, sums = episodes.counts[i], episodes.sums[i]
    if counts[ENDED] > 0 or wanted[0] < 0 or wanted[1] < 0:
        counts[STATUS] = OVER if counts[ENDED] > 0 else NEGATIVE
        return
    before_bps, before_walk = _is_bps(sums), sums[WALK_BPS]
    sums[PREVIOUS_MID] = sums[MID]
    price = _resting_price(settings, episodes, i, wanted[2])
    began_ns = counts[ARRIVAL_NS] + settings.whole[HORIZON_NS] * counts[DECISION] // settings.whole[DECISIONS]
    # Where the take leaves something, all but the best prices is read at the next decision only.
    _run_to(shared, own, settings, episodes, i, began_ns + settings.whole[LATENCY_NS], wanted[0])
    _note_met(episodes, i)
    _apply(shared, own, settings, episodes, i, wanted, price)
    exposed = counts[LEFT] / settings.whole[PARENT]
    counts[DECISION] += 1
    is_last = counts[DECISION] == settings.whole[DECISIONS]
    if counts[LEFT] > 0:
        until = counts[ARRIVAL_NS] + settings.whole[HORIZON_NS] * counts[DECISION] // settings.whole[DECISIONS]
        _run_to(shared, own, settings, episodes, i, until, settings.whole[PARENT])
        if is_last:
            at_end = until + settings.whole[LATENCY_NS]
            _run_to(shared, own, settings, episodes, i, at_end, settings.whole[PARENT])
            _keep(shared, own, episodes, i, 0, 0)
            if counts[LEFT] > 0:
                take(shared, own, counts[SIDE], counts[LEFT])
                _collect(shared, own, settings, episodes, i)
    episodes.path[i, counts[DECISION]] = counts[LEFT] / settings.whole[PARENT]
    if counts[LEFT] == 0 or is_last:
        counts[ENDED] = 1
        _give_up(settings, episodes, i)
    move = exposed * (sums[MID] / sums[PREVIOUS_MID] - 1.0) * _BPS
    sums[SHORTFALL_TERM] = before_bps - _is_bps(sums)
    sums[RISK_TERM] = -settings.real[RISK_AVERSION] * (move * move)
    sums[IMPACT_TERM] = -settings.real[IMPACT_AVERSION] * (sums[WALK_BPS] - before_walk)
    sums[REWARD] = sums[SHORTFALL_TERM] + sums[RISK_TERM] + sums[IMPACT_TERM]
    _where(shared, own, episodes, i)
    observe_row(settings, episodes, i)


@njit(**INNER)
def _note_met(episodes: Episodes, i: int) -> None:
    bid, ask = episodes.seen[i, BID_PX], episodes.seen[i, ASK_PX]
    episodes.sums[i, MET_MID] = episodes.sums[i, MID]
    episodes.sums[i, MET_SPREAD] = ask - bid if bid > 0 and ask > 0 else 0.0


@njit(**INNER)
def _is_bps(sums: np.ndarray) -> float:
    return sums[SPREAD_BPS] + sums[TIMING_BPS] + sums[FEES_BPS]


@njit(**CALLED)
def _look(shared: Any, own: Any, settings: Settings, episodes: Episodes, i: int, briefly: bool) -> None:
    view = episodes.seen[i]
    if briefly:
        quotes_into(shared, own, view)
    else:
        view_into(shared, own, view)
        if settings.whole[NEEDS_DEPTHS] > 0:
            depths_into(shared, own, episodes.depths[i])
    if view[BID_PX] > 0 and view[ASK_PX] > 0:
        episodes.sums[i, MID] = (view[BID_PX] + view[ASK_PX]) / 2


@njit(**CALLED)
def _run_to(shared: Any, own: Any, settings: Settings, episodes: Episodes, i: int, until_ns: int, enough: int) -> None:
    """Run, book what filled on the way against the mid before, and look: briefly where more than ``enough`` is left."""
    if until_ns > now_ns(shared, own):
        while not advance(shared, own, until_ns):
            _collect(shared, own, settings, episodes, i)
        _collect(shared, own, settings, episodes, i)
        _look(shared, own, settings, episodes, i, episodes.counts[i, LEFT] > enough)


@njit(**CALLED)
def _collect(shared: Any, own: Any, settings: Settings, episodes: Episodes, i: int) -> None:
    """Book own fills against the mid before."""
    while True:
        n = fills_into(shared, own, episodes.told)
        if n < 0:
            episodes.counts[i, STATUS] = FILLS_LOST
            return
        for k in range(n):
            _book(settings, episodes, i, episodes.told[k])
        if n < episodes.told.shape[0]:
            return


@njit(**ENTRY)
def _book(settings: Settings, episodes: Episodes, i: int, fill: np.ndarray) -> None:
    counts, sums, view = episodes.counts[i], episodes.sums[i], episodes.seen[i]
    lots, price, maker = fill[FILL_LOTS], fill[FILL_PRICE], fill[FILL_MAKER]
    _add(counts, sums, lots, float(price))
    if settings.fees.shape[0] > 0:
        sums[FEES_BPS] += sums[UNIT] * fee_of(settings.fees, sums[TRADED_VALUE], price, lots, maker)
        sums[TRADED_VALUE] += float(price) * float(lots)
    else:
        fee_bps = settings.real[MAKER_FEE] if maker > 0 else settings.real[TAKER_FEE]
        sums[FEES_BPS] += sums[UNIT] * lots * price * fee_bps / _BPS
    if maker == 0:
        touch = view[ASK_PX] if counts[SIDE] == BUY else view[BID_PX]
        sums[WALK_BPS] += (
            (1.0 if counts[SIDE] == BUY else -1.0) * sums[UNIT] * lots * (price - touch) if touch > 0 else 0.0
        )
    counts[LEFT] -= lots
    counts[MAKER_LOTS] += lots * maker
    n = counts[FILLS]
    if n == episodes.fills.shape[1]:
        counts[STATUS] = NO_ROOM
        return
    for column in range(fill.size):
        episodes.fills[i, n, column] = fill[column]
    counts[FILLS] = n + 1


@njit(**INNER)
def _add(counts: np.ndarray, sums: np.ndarray, lots: int, price: float) -> None:
    sign = 1.0 if counts[SIDE] == BUY else -1.0
    sums[SPREAD_BPS] += sign * sums[UNIT] * lots * (price - sums[MID])
    sums[TIMING_BPS] += sign * sums[UNIT] * lots * (sums[MID] - sums[ARRIVAL_MID])


@njit(**MERGED)
def _give_up(settings: Settings, episodes: Episodes, i: int) -> None:
    counts, sums = episodes.counts[i], episodes.sums[i]
    if counts[LEFT] > 0:
        sign = 1.0 if counts[SIDE] == BUY else -1.0
        _add(counts, sums, counts[LEFT], sums[MID] * (1.0 + sign * settings.real[UNFILLED_PENALTY] / _BPS))


@njit(**MERGED)
def _apply(
    shared: Any, own: Any, settings: Settings, episodes: Episodes, i: int, wanted: np.ndarray, price: int
) -> None:
    counts = episodes.counts[i]
    takes = min(wanted[0], counts[LEFT])
    rests = min(wanted[1], counts[LEFT] - takes) if price > 0 else 0
    kept = _keep(shared, own, episodes, i, price, rests)
    if takes > 0:
        take(shared, own, counts[SIDE], takes)
        _collect(shared, own, settings, episodes, i)
    if rests > kept and place(shared, own, counts[SIDE], price, rests - kept) >= 0:
        counts[PLACED] = 1


@njit(**CALLED)
def _keep(shared: Any, own: Any, episodes: Episodes, i: int, price: int, lots: int) -> int:
    """Cancel own orders but ``lots`` at ``price``, the newest first; lots that stay."""
    counts, orders, kept = episodes.counts[i], episodes.own, 0
    if counts[PLACED] == 0:
        return 0
    for k in range(own_into(shared, own, orders)):
        there = orders[k, OWN_LOTS]
        stays = min(there, lots - kept) if orders[k, OWN_PRICE] == price else 0
        if stays < there:
            cancel(shared, own, orders[k, OWN_NUMBER], 0 if stays == 0 else there - stays)
        kept += stays
    counts[PLACED] = 1 if kept > 0 else 0
    return kept


@njit(**ENTRY)
def _resting_price(settings: Settings, episodes: Episodes, i: int, offset: int) -> int:
    step = settings.whole[INCREMENT]
    buying = episodes.counts[i, SIDE] == BUY
    bid, ask = int(episodes.seen[i, BID_PX]), int(episodes.seen[i, ASK_PX])
    best, opposite = (bid, ask) if buying else (ask, bid)
    inside = step if buying else -step
    if best == 0:
        best = opposite - inside if opposite != 0 else 0
    room = (opposite - best) // inside - 1 if opposite != 0 else offset
    return best + inside * min(offset, max(0, room)) if best != 0 else 0


@njit(**MERGED)
def _where(shared: Any, own: Any, episodes: Episodes, i: int) -> None:
    counts, resting, orders = episodes.counts[i], episodes.resting[i], episodes.own
    counts[CLOCK_NS] = now_ns(shared, own)
    resting[:] = 0
    if counts[PLACED] > 0 and counts[LEFT] > 0:
        n = own_into(shared, own, orders)
        for k in range(n):
            resting[RESTING_LOTS] += orders[k, OWN_LOTS]
        if n > 0:
            resting[RESTING_TICKS], resting[RESTING_AHEAD] = orders[0, OWN_PRICE], orders[0, OWN_AHEAD]
        counts[PLACED] = 1 if n > 0 else 0
