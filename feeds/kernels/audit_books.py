"""The books an audit keeps, and what one event does to them and to the counters.

Here: the pieces of the pass and the names of what it counts. Not here: the pass (feeds/kernels/book_audit.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from feeds.kernels.options import INNER, MERGED
from feeds.schema import ACTION_CODE

#: How far back a quote may lie that confirms a level book.
QUOTE_WINDOW_NS = 1_000_000_000
RECENT = 512
#: How long a built book may stand crossed before its older side is given up.
STALE_CROSS_NS = 1_000_000_000

#: Counters: how often something was looked at, how often it was wrong, the first row where it was.
COUNTERS = (
    "stated_crossed",
    "stated_locked",
    "built_crossed",
    "built_locked",
    "quotes_crossed",
    "quotes_locked",
    "phantom_level",
    "negative_depth",
    "cancel_unknown",
    "fill_unknown",
    "modify_unknown",
    "duplicate_id",
    "other_side",
    "stated_mismatch",
    "level_quote_mismatch",
    "gap",
    "ts_event_back",
    "ts_recv_back",
)
#: Extremes: the largest value met and the row where it was.
EXTREMES = ("ts_event_back_ns", "ts_recv_back_ns", "burst_rows", "silence_ns", "stale_ns")
(
    STATED_CROSSED,
    STATED_LOCKED,
    BUILT_CROSSED,
    BUILT_LOCKED,
    QUOTES_CROSSED,
    QUOTES_LOCKED,
    PHANTOM,
    NEGATIVE,
    CANCEL,
    FILL,
    MODIFY,
    DUPLICATE,
    SIDE,
    MISMATCH,
    LEVEL_QUOTE,
    GAP,
    EVENT_BACK,
    RECV_BACK,
) = range(len(COUNTERS))
EVENT_BACK_NS, RECV_BACK_NS, BURST, SILENCE, STALE = range(len(EXTREMES))
A, M, C, F, T = (ACTION_CODE[name] for name in "AMCFT")
R, Q, L = (ACTION_CODE[name] for name in "RQL")


@njit(**INNER)
def wrong(counts: np.ndarray, what: int, i: int) -> None:
    """Count row ``i`` as wrong in counter ``what``."""
    counts[what, 1] += 1
    if counts[what, 2] < 0:
        counts[what, 2] = i


@njit(**INNER)
def largest(extremes: np.ndarray, what: int, value: int, i: int) -> None:
    """Keep ``value`` and its row where it is the largest so far."""
    if value > extremes[what, 0]:
        extremes[what, 0], extremes[what, 1] = value, i


@njit(**INNER)
def step_back(counts: np.ndarray, extremes: np.ndarray, what: int, extent: int, by: int, i: int) -> None:
    """Count a step of a clock; ``by`` > 0: it went back that far."""
    counts[what, 0] += 1
    if by > 0:
        wrong(counts, what, i)
        largest(extremes, extent, by, i)


@njit(**MERGED)
def quote(quoted: np.ndarray, recent: np.ndarray, newest: np.ndarray, s: int, price: int, size: int, now: int) -> None:
    """One side's quote is now ``price`` x ``size``; the one before stood until ``now``."""
    gone = price <= 0 or size <= 0
    quoted[s, 0], quoted[s, 1] = (0, 0) if gone else (price, size)
    recent[s, newest[s] % RECENT, 1] = now
    newest[s] += 1
    recent[s, newest[s] % RECENT, 0] = quoted[s, 0]
    recent[s, newest[s] % RECENT, 1] = 0


@njit(**INNER)
def set_depth(
    depth: np.ndarray, depth_epoch: np.ndarray, built: np.ndarray, epoch: int, s: int, at: int, size: int
) -> None:
    """The size at a level is now ``size``; keeps the best level."""
    had = depth[s, at] if depth_epoch[s, at] == epoch else 0
    depth[s, at], depth_epoch[s, at] = size, epoch
    built[s, 1] += (size > 0) - (had > 0)
    best = built[s, 0]
    if size > 0:
        if best < 0 or (at > best if s == 0 else at < best):
            built[s, 0] = at
    elif at == best:
        if built[s, 1] == 0:
            built[s, 0] = -1
            return
        step = -1 if s == 0 else 1
        at += step
        while depth_epoch[s, at] != epoch or depth[s, at] <= 0:
            at += step
        built[s, 0] = at


@njit(**INNER)
def _change_depth(
    depth: np.ndarray, depth_epoch: np.ndarray, built: np.ndarray, epoch: int, s: int, at: int, by: int
) -> None:
    had = depth[s, at] if depth_epoch[s, at] == epoch else 0
    # A phantom level was emptied with its orders still known: what they give up later cannot be taken twice.
    set_depth(depth, depth_epoch, built, epoch, s, at, max(had + by, 0))


@njit(**MERGED)
def order_event(
    counts: np.ndarray,
    orders: np.ndarray,
    depth: np.ndarray,
    depth_epoch: np.ndarray,
    built: np.ndarray,
    epoch: int,
    i: int,
    act: int,
    s: int,
    who: int,
    at: int,
    size: int,
) -> None:
    """An order is added, modified, cancelled or executed."""
    live = orders[0, who] == epoch
    if act == A:
        counts[DUPLICATE, 0] += 1
        if live:
            wrong(counts, DUPLICATE, i)
        elif size > 0:
            orders[0, who], orders[1, who], orders[2, who], orders[3, who] = epoch, s, at, size
            _change_depth(depth, depth_epoch, built, epoch, s, at, size)
        return
    what = MODIFY if act == M else (CANCEL if act == C else FILL)
    counts[what, 0] += 1
    if not live:
        wrong(counts, what, i)
        return
    rested, was_at, left = orders[1, who], orders[2, who], orders[3, who]
    counts[SIDE, 0] += 1
    if s != rested:
        wrong(counts, SIDE, i)
    if act == M:
        _change_depth(depth, depth_epoch, built, epoch, rested, was_at, -left)
        orders[2, who], orders[3, who] = at, max(size, 0)
        if size > 0:
            _change_depth(depth, depth_epoch, built, epoch, rested, at, size)
        else:
            orders[0, who] = 0
        return
    counts[NEGATIVE, 0] += 1
    if size > left:
        wrong(counts, NEGATIVE, i)
    taken = min(max(size, 0), left)
    _change_depth(depth, depth_epoch, built, epoch, rested, was_at, -taken)
    orders[3, who] = left - taken
    if left == taken:
        orders[0, who] = 0


@njit(**MERGED)
def reconcile(counts: np.ndarray, stated: np.ndarray, i: int, act: int, s: int, price: int, size: int) -> None:
    """Does the stated best level after row ``i`` follow from the one before it and the row?"""
    if act == T:
        counts[MISMATCH, 0] += 1
        for k in range(4):
            if stated[i, k] != stated[i - 1, k]:
                wrong(counts, MISMATCH, i)
                return
        return
    if s > 1 or act not in (A, C, F):
        return
    was_price, was_size = stated[i - 1, 2 * s], stated[i - 1, 2 * s + 1]
    now_price, now_size = stated[i, 2 * s], stated[i, 2 * s + 1]
    if was_price <= 0:
        return
    counts[MISMATCH, 0] += 1
    beyond = price - was_price if s == 0 else was_price - price  # > 0: better than the best
    if act == A:
        follows = (
            (now_price == price and now_size == size)
            if beyond > 0
            else now_price == was_price and now_size == was_size + (size if beyond == 0 else 0)
        )
    elif beyond < 0:
        follows = act == C and now_price == was_price and now_size == was_size
    elif beyond > 0 or size > was_size:
        follows = False
    elif size < was_size:
        follows = now_price == was_price and now_size == was_size - size
    else:
        follows = now_price <= 0 or (now_price < was_price if s == 0 else now_price > was_price)
    other = 1 - s
    same = stated[i, 2 * other] == stated[i - 1, 2 * other] and stated[i, 2 * other + 1] == stated[i - 1, 2 * other + 1]
    if not (follows and same):
        wrong(counts, MISMATCH, i)


@njit(**MERGED)
def confirm(
    counts: np.ndarray,
    built: np.ndarray,
    price_of: np.ndarray,
    quoted: np.ndarray,
    recent: np.ndarray,
    newest: np.ndarray,
    now: int,
    i: int,
) -> None:
    """Is each best price of the level book among the quotes that stood in the last `QUOTE_WINDOW_NS`?"""
    for s in range(2):
        if newest[s] == 0 or built[s, 0] < 0:
            continue
        counts[LEVEL_QUOTE, 0] += 1
        best = price_of[built[s, 0]]
        found = quoted[s, 0] == best
        back = 1
        while not found and back < RECENT and back < newest[s]:
            entry = (newest[s] - back) % RECENT
            if recent[s, entry, 1] < now - QUOTE_WINDOW_NS:
                break
            found = recent[s, entry, 0] == best
            back += 1
        if not found:
            wrong(counts, LEVEL_QUOTE, i)


@njit(**MERGED)
def top_of(
    top: np.ndarray,
    stated: np.ndarray,
    built: np.ndarray,
    depth: np.ndarray,
    price_of: np.ndarray,
    quoted: np.ndarray,
    i: int,
) -> None:
    """Best bid, its size, best ask, its size of the stated, the built and the quotes' book; 0 where empty."""
    if stated.shape[0]:
        for place in range(4):
            top[place] = stated[i, place]
    for s in range(2):
        at = built[s, 0]
        top[4 + 2 * s] = price_of[at] if at >= 0 else 0
        top[5 + 2 * s] = depth[s, at] if at >= 0 else 0
        top[8 + 2 * s], top[9 + 2 * s] = quoted[s, 0], quoted[s, 1]
