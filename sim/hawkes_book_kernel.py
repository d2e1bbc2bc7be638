"""Running the Hawkes book of sim/hawkes_book_params.py.

Candidates by thinning: Ogata, "On Lewis' simulation method for point processes", IEEE Transactions on Information
Theory 27, 1981.

Between events the book stands still and excitation only decays, so the intensity now bounds the intensity until the
next event. A candidate drawn before own orders changed the book is drawn anew: the waiting time has no memory.

Here: start, run, reaction to own trades. Not here: own orders (sim/flow_own.py), what happens to the book
(sim/hawkes_book_orders.py).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from sim.book import best_size, clear
from sim.book_events import BEHIND, EMPTY_TOUCH, IMPROVE, PULL, PULL_BEHIND, SWEEP, TAKE
from sim.book_state import ASK, BID, LEVELS
from sim.compile_options import CALLED, ENTRY, INNER
from sim.flow_own import best_of_others
from sim.flow_state import EFFICIENT, MAX_ROWS_A_STEP, MID_RING, MIDS, NOW_NS, ROWS
from sim.hawkes_book_orders import (
    behind_orders,
    limit_order,
    opening_order,
    pull,
    pull_behind,
    split_side,
    split_sign,
    take,
    touch,
)
from sim.hawkes_book_params import BY_IMBALANCE, BY_QUEUE, BY_SPREAD, GAP_EDGES_S, IMBALANCES
from sim.hawkes_book_state import (
    BEHIND_ORDERS,
    BOUND,
    CANDIDATE,
    CANDIDATE_S,
    DECAYED_S,
    DIRTY,
    IMPACT,
    INCREMENT,
    LAST_NS,
    LAST_SIDE,
    LEAN,
    ORIGIN_NS,
    REACH,
    RESOLUTION,
    SECOND,
    SIGMA,
    SPLIT_SHARE,
    SPREAD,
    HawkesBookState,
    HawkesBookTables,
)
from sim.random_stream import exponential, normal, uniform

NS = 1_000_000_000
#: Draws of a candidate: waiting time, whether it is an event, its kind, news (two), whether a
#: market order takes the whole quote, whether it repeats the last one's side; see also sim/hawkes_book_orders.py.
_WAIT, _KEEP, _KIND, _NEWS, _WHOLE, _REPEAT = 0, 1, 2, 7, 9, 10
#: Both ways of moving the mid stay possible, however far it is from the efficient price.
MOST_ODDS = 3.0
#: Slow excitation stays below so many times its mean: what the book holds back on a tape it need not always.
SLOW_PER_S, MOST_EXCESS = 1.0, 20.0
#: Orders a side and increments between them in the opening book.
_OPENING_ORDERS = 40


@njit(**ENTRY)
def start(m: HawkesBookState, tables: HawkesBookTables, start_ns: int, warm_up_s: int, mid: float, spread: int) -> None:
    """The opening book around ``mid`` ticks, ``spread`` increments wide, ``warm_up_s`` seconds before ``start_ns``."""
    clear(m.flow.book)
    m.flow.counts[:] = 0
    m.marks[:] = 0
    m.clock[:] = 0.0
    m.marks[ORIGIN_NS] = m.flow.counts[NOW_NS] = start_ns - warm_up_s * NS
    m.flow.clock[EFFICIENT] = mid
    step = int(tables.scalars[INCREMENT])
    bid = int(mid / step - 0.5 * spread) * step
    apart = max(1, int(tables.scalars[REACH] / max(1.0, tables.scalars[BEHIND_ORDERS])))
    for i in range(_OPENING_ORDERS):
        opening_order(m, tables, BID, bid - i * apart * step)
        opening_order(m, tables, ASK, bid + (spread + i * apart) * step)
    for j in range(tables.decays.size):
        for i in range(tables.baseline.size):
            m.excess[j, i] = tables.excess[j, i]
    _draw(m, tables)


@njit(**ENTRY)
def run(m: HawkesBookState, tables: HawkesBookTables, until_ns: int) -> bool:
    """Run up to and including ``until_ns``; False where the record of events is full before."""
    flow = m.flow
    if m.marks[DIRTY] > 0:
        _decay(m, tables, max(m.clock[DECAYED_S], (flow.counts[NOW_NS] - m.marks[ORIGIN_NS]) / NS))
        _draw(m, tables)
    until_s = (until_ns - m.marks[ORIGIN_NS]) / NS
    while m.clock[CANDIDATE_S] <= until_s:
        if 0 < flow.rows.shape[0] < flow.counts[ROWS] + MAX_ROWS_A_STEP:
            return False
        _sample_mids(m, m.clock[CANDIDATE_S])
        _consider(m, tables)
    _sample_mids(m, until_s)
    flow.counts[NOW_NS] = max(flow.counts[NOW_NS], until_ns)
    return True


@njit(**CALLED)
def _sample_mids(m: HawkesBookState, now_s: float) -> None:
    """The others' mid at whole seconds."""
    while m.marks[SECOND] < now_s:
        m.marks[SECOND] += 1
        bid, ask = best_of_others(m.flow, BID), best_of_others(m.flow, ASK)
        if bid > 0 and ask > 0:
            m.flow.mids[m.flow.counts[MIDS] % MID_RING] = 0.5 * (bid + ask)
            m.flow.counts[MIDS] += 1


@njit(**INNER)
def _decay(m: HawkesBookState, tables: HawkesBookTables, to_s: float) -> None:
    passed = to_s - m.clock[DECAYED_S]
    m.clock[DECAYED_S] = to_s
    for j in range(tables.decays.size):
        kept = math.exp(-tables.decays[j] * passed)
        for i in range(tables.baseline.size):
            m.excess[j, i] *= kept


@njit(**INNER)
def _total(m: HawkesBookState, tables: HawkesBookTables) -> float:
    """Intensity of all kinds in the present book; each is left in ``rates``."""
    total = 0.0
    for i in range(tables.baseline.size):
        rate = tables.baseline[i]
        for j in range(tables.decays.size):
            rate += m.excess[j, i]
        m.rates[i] = rate * m.factors[i]
        total += m.rates[i]
    return total


@njit(**CALLED)
def _draw(m: HawkesBookState, tables: HawkesBookTables) -> None:
    """The next candidate, from the book as it is."""
    _weigh(m, tables)
    m.marks[DIRTY] = 0
    m.clock[BOUND] = _total(m, tables)
    m.clock[CANDIDATE_S] = m.clock[DECAYED_S] + exponential(m.key[0], m.marks[CANDIDATE], _WAIT) / m.clock[BOUND]


@njit(**CALLED)
def _consider(m: HawkesBookState, tables: HawkesBookTables) -> None:
    """Let the candidate happen with the share that the intensity now has of its bound; draw the next one."""
    number = m.marks[CANDIDATE]
    _decay(m, tables, m.clock[CANDIDATE_S])
    total = _total(m, tables)
    happens = uniform(m.key[0], number, _KEEP) * m.clock[BOUND] < total
    if happens:
        point, kind = uniform(m.key[0], number, _KIND) * total, 0
        while kind < m.rates.size - 1 and point >= m.rates[kind]:
            point -= m.rates[kind]
            kind += 1
        resolution = int(tables.scalars[RESOLUTION])
        stamp = (m.marks[ORIGIN_NS] + int(m.clock[CANDIDATE_S] * NS)) // resolution * resolution
        m.flow.counts[NOW_NS] = max(m.flow.counts[NOW_NS], stamp)
        m.flow.clock[EFFICIENT] *= math.exp(tables.scalars[SIGMA] * normal(m.key[0], number, _NEWS))
        kind = _happen(m, tables, kind)
        excite(m, tables, kind, True)
    m.marks[CANDIDATE] = number + 1
    if happens:
        _weigh(m, tables)
        total = _total(m, tables)
    m.clock[BOUND] = total
    m.clock[CANDIDATE_S] = m.clock[DECAYED_S] + exponential(m.key[0], number + 1, _WAIT) / total


@njit(**INNER)
def excite(m: HawkesBookState, tables: HawkesBookTables, kind: int, takers: bool) -> None:
    """Add what an event sets off; without ``takers`` no market orders."""
    first = 0 if takers else 2 * (SWEEP + 1)
    for j in range(tables.decays.size):
        slow = tables.decays[j] < SLOW_PER_S
        for i in range(first, tables.baseline.size):
            value = m.excess[j, i] + tables.jumps[kind, j, i]
            m.excess[j, i] = min(value, MOST_EXCESS * tables.excess[j, i]) if slow else value


@njit(**ENTRY)
def answer(m: HawkesBookState, tables: HawkesBookTables, kind: int) -> None:
    """Limit orders and cancellations answer an own trade as they answer any other of its kind."""
    _decay(m, tables, max(m.clock[DECAYED_S], (m.flow.counts[NOW_NS] - m.marks[ORIGIN_NS]) / NS))
    excite(m, tables, kind, False)
    m.marks[DIRTY] = 1


@njit(**CALLED)
def _happen(m: HawkesBookState, tables: HawkesBookTables, kind: int) -> int:
    """Do to the book what the event says; the kind it became."""
    verb, side = kind // 2, kind % 2
    if verb <= SWEEP:
        kind = _market_order(m, tables, kind)
        verb, side = kind // 2, kind % 2
    elif verb <= BEHIND:
        limit_order(m, tables, side, verb)
    elif verb == PULL_BEHIND:
        pull_behind(m, tables, side)
    else:
        pull(m, side, verb == EMPTY_TOUCH)
    return 2 * verb + side


@njit(**CALLED)
def _market_order(m: HawkesBookState, tables: HawkesBookTables, kind: int) -> int:
    """A market order of the side that order splitting gives it, the efficient price after it; the kind it became."""
    buys, sells = m.rates[0] + m.rates[2], m.rates[1] + m.rates[3]
    share, repeat = tables.scalars[SPLIT_SHARE], tables.repeat[gap_bucket(m)]
    expected = share * split_sign(m) + (1.0 - share) * (buys - sells) / max(buys + sells, 1e-12)
    expected = repeat * (1 - 2 * m.marks[LAST_SIDE]) + (1.0 - repeat) * expected
    if uniform(m.key[0], m.marks[CANDIDATE], _REPEAT) < repeat:
        side = m.marks[LAST_SIDE]
    else:
        side = split_side(m, tables, kind % 2)
    if side != kind % 2:
        sweeps, takes = m.rates[2 * SWEEP + side], m.rates[2 * TAKE + side]
        sweep = uniform(m.key[0], m.marks[CANDIDATE], _WHOLE) * (sweeps + takes) < sweeps
        kind = 2 * (SWEEP if sweep else TAKE) + side
    m.marks[LAST_SIDE], m.marks[LAST_NS] = side, m.flow.counts[NOW_NS]
    traded = take(m, tables, side, kind // 2 == SWEEP)
    surprise = (traded if side == BID else -traded) - expected * traded
    m.flow.clock[EFFICIENT] *= math.exp(tables.scalars[IMPACT] * surprise)
    return kind


@njit(**INNER)
def gap_bucket(m: HawkesBookState) -> int:
    """Place in `GAP_EDGES_S` of the time since the last market order."""
    gap, at = (m.flow.counts[NOW_NS] - m.marks[LAST_NS]) / NS, 0
    while at < len(GAP_EDGES_S) and gap > GAP_EDGES_S[at]:
        at += 1
    return at


@njit(**INNER)
def bucket(value: int, edges: np.ndarray) -> int:
    """First place whose upper edge is not less."""
    at = 0
    while at < edges.size and value > edges[at]:
        at += 1
    return at


@njit(**CALLED)
def _weigh(m: HawkesBookState, tables: HawkesBookTables) -> None:
    """The factors in the present book."""
    book = m.flow.book
    bid, ask = touch(m, BID), touch(m, ASK)
    spread = (ask - bid) // int(tables.scalars[INCREMENT])
    odds = tables.scalars[LEAN] * (m.flow.clock[EFFICIENT] - 0.5 * (bid + ask)) / tables.scalars[SPREAD]
    upward = 2.0 / (1.0 + math.exp(min(max(-odds, -MOST_ODDS), MOST_ODDS)))
    of_spread = bucket(spread, tables.spread_edges)
    for side in range(2):
        own, other = best_size(book, side), best_size(book, 1 - side)
        imbalance = (own - other) / max(1.0, float(own + other))
        of_imbalance = min(int(0.5 * (imbalance + 1.0) * IMBALANCES), IMBALANCES - 1)
        orders = book.level_orders[side, book.counters[LEVELS + side] - 1]
        of_orders, of_lots = bucket(orders, tables.order_edges), bucket(other, tables.lots_edges)
        for verb in range(tables.factors.shape[1]):
            of_queue = of_lots if verb <= SWEEP else of_orders
            factor = tables.factors[BY_SPREAD, verb, of_spread] * tables.factors[BY_IMBALANCE, verb, of_imbalance]
            factor *= tables.factors[BY_QUEUE, verb, of_queue]
            if verb <= IMPROVE:
                factor *= upward if side == BID else 2.0 - upward
            elif PULL <= verb <= EMPTY_TOUCH:
                factor *= 2.0 - upward if side == BID else upward
            m.factors[2 * verb + side] = factor
        m.factors[2 * PULL_BEHIND + side] *= behind_orders(m, tables, side) / tables.scalars[BEHIND_ORDERS]
        if orders > 1:
            m.factors[2 * EMPTY_TOUCH + side] = 0.0
        if spread <= 1:
            m.factors[2 * IMPROVE + side] = 0.0


assert (TAKE, SWEEP, PULL) == (0, 1, 5)
