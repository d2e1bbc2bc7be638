"""One pass over a day's raw events that keeps the books they make and counts what cannot be true of them.

Three books are kept side by side, as a source may make several: the one it *states* in its book columns, the one
*built* from orders (A, M, C, F with an id) or from price levels (L), and the one of its *quotes* (Q, last one of a
side). Books are looked at where they last: after the last row of a stamp, unless that row is only part of an event.
Nothing is corrected on the way: an event that contradicts the book is counted and changes it as far as it can.

A stated book is also held against the message it stands beside: the best level before a row and the row itself tell the
best level after it, except where the best level is used up (then the next best price must be worse). Where a feed has
levels and quotes, each best price of the level book is looked for among the quotes that stood in the last
`QUOTE_WINDOW_NS`: the two streams arrive at their own pace.

No market stays crossed. Where the built book does for `STALE_CROSS_NS`, the best level that changed last longest ago is
taken for a phantom (orders whose deletion never came) and emptied, else one lost message would count for the whole day.

Here: the pass. Not here: what an event does to a book (feeds/kernels/audit_books.py), thresholds and words
(feeds/quality/invariants.py), books that are used (sim/book.py, feeds/nbbo.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from feeds.kernels.audit_books import (
    BURST,
    COUNTERS,
    EVENT_BACK,
    EVENT_BACK_NS,
    EXTREMES,
    GAP,
    NEGATIVE,
    PHANTOM,
    RECENT,
    RECV_BACK,
    RECV_BACK_NS,
    SILENCE,
    STALE,
    STALE_CROSS_NS,
    A,
    C,
    F,
    L,
    M,
    Q,
    R,
    confirm,
    largest,
    order_event,
    quote,
    reconcile,
    set_depth,
    step_back,
    top_of,
    wrong,
)
from feeds.schema import FLAG_CLOSING, FLAG_GAP, FLAG_PARTIAL, FLAG_SNAPSHOT, SIDE_CODE

assert (SIDE_CODE["B"], SIDE_CODE["A"]) == (0, 1), "the kernel indexes sides by their code"


@njit(cache=True, nogil=True)
def audit_events(
    action: np.ndarray,
    side: np.ndarray,
    order: np.ndarray,
    level: np.ndarray,
    price: np.ndarray,
    size: np.ndarray,
    flags: np.ndarray,
    ts_event: np.ndarray,
    ts_recv: np.ndarray,
    stated: np.ndarray,
    n_orders: int,
    n_levels: int,
    opened: int,
    closed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Audit the rows of one instrument-day.

    Args:
        action: (n,) codes of `feeds.schema.ACTION_CODE`.
        side: (n,) codes of `feeds.schema.SIDE_CODE`.
        order: (n,) order ids as 0..n_orders-1, -1 none.
        level: (n,) prices as 0..n_levels-1 in ascending order of price.
        price: (n,) ticks.
        size: (n,) lots.
        flags: (n,) FLAG_* bits.
        ts_event: (n,) ns.
        ts_recv: (n,) ns.
        stated: (n, 4) bid price, bid size, ask price, ask size after each row, 0 where empty; (0, 4) if none is stated.
        n_orders: Distinct order ids.
        n_levels: Distinct prices.
        opened: First ns of the session.
        closed: First ns after it.

    Returns:
        ``(counts, extremes)``: int64 (len(COUNTERS), 3) times looked at, times wrong, first wrong row or -1; int64
        (len(EXTREMES), 2) largest value and its row or -1.
    """
    n = action.size
    counts = np.zeros((len(COUNTERS), 3), np.int64)
    counts[:, 2] = -1
    extremes = np.zeros((len(EXTREMES), 2), np.int64)
    extremes[:, 1] = -1
    orders = np.zeros((4, n_orders), np.int64)  # epoch in which it lives (0: never), side, level, size
    depth = np.zeros((2, n_levels), np.int64)
    depth_epoch = np.zeros((2, n_levels), np.int64)
    changed = np.zeros((2, n_levels), np.int64)  # ns of the last change of a level
    built = np.zeros((2, 2), np.int64)  # per side: best level, number of levels
    built[:, 0] = -1
    quoted = np.zeros((2, 2), np.int64)  # per side: price, size
    recent = np.zeros((2, RECENT, 2), np.int64)  # per side: price, ns until which it stood (0: stands)
    newest = np.zeros(2, np.int64)
    top, last_top = np.zeros(12, np.int64), np.zeros(12, np.int64)
    # Beside a stated book the one built from what is seen of it says nothing.
    best_known = np.arange(0, 4) if stated.shape[0] else np.arange(4, 12)
    price_of = np.zeros(n_levels, np.int64)
    for i in range(n):
        price_of[level[i]] = price[i]
    epoch = 1
    run, run_start = 0, 0
    last_seen, last_change, before, crossed_since = -1, -1, -1, -1
    for i in range(n):
        if flags[i] & FLAG_CLOSING:
            continue
        snapshot = flags[i] & FLAG_SNAPSHOT != 0
        counts[GAP, 0] += 1
        if flags[i] & FLAG_GAP:
            wrong(counts, GAP, i)
        if not snapshot:
            if before >= 0:
                step_back(counts, extremes, EVENT_BACK, EVENT_BACK_NS, ts_event[before] - ts_event[i], i)
                step_back(counts, extremes, RECV_BACK, RECV_BACK_NS, ts_recv[before] - ts_recv[i], i)
            if before >= 0 and ts_event[before] == ts_event[i]:
                run += 1
            else:
                run, run_start = 1, i
            largest(extremes, BURST, run, run_start)
            before = i
        if crossed_since >= 0 and ts_event[i] - crossed_since >= STALE_CROSS_NS:
            while built[0, 0] >= 0 and built[1, 0] >= 0 and built[0, 0] > built[1, 0]:
                wrong(counts, PHANTOM, i)
                older = 0 if changed[0, built[0, 0]] <= changed[1, built[1, 0]] else 1
                set_depth(depth, depth_epoch, built, epoch, older, built[older, 0], 0)
        s, act = side[i], action[i]
        if s < 2 and (act == L or (order[i] >= 0 and act in (A, M))):
            counts[PHANTOM, 0] += 1
            changed[s, level[i]] = ts_event[i]
        if act == R:
            epoch += 1
            built[:, 0] = -1
            built[:, 1] = 0
            quoted[:] = 0
            newest[:] = 0
            recent[:] = 0
        elif act == Q and s < 2:
            quote(quoted, recent, newest, s, price[i], size[i], ts_recv[i])
        elif act == L and s < 2:
            counts[NEGATIVE, 0] += 1
            if size[i] < 0:
                wrong(counts, NEGATIVE, i)
            set_depth(depth, depth_epoch, built, epoch, s, level[i], max(size[i], 0))
        elif order[i] >= 0 and s < 2 and act in (A, M, C, F):
            order_event(counts, orders, depth, depth_epoch, built, epoch, i, act, s, order[i], level[i], size[i])
        if built[0, 0] < 0 or built[1, 0] < 0 or built[0, 0] <= built[1, 0]:
            crossed_since = -1
        elif crossed_since < 0:
            crossed_since = ts_event[i]
        if stated.shape[0] and i > 0 and not flags[i] & FLAG_PARTIAL and not flags[i - 1] & FLAG_PARTIAL:
            reconcile(counts, stated, i, act, s, price[i], size[i])
        lasts = not flags[i] & FLAG_PARTIAL
        if lasts and act == L and s < 2:
            confirm(counts, built, price_of, quoted, recent, newest, ts_recv[i], i)
        in_session = opened <= ts_event[i] < closed and not snapshot
        if not in_session:
            continue
        now = max(last_seen, ts_event[i])
        if last_seen >= 0:
            largest(extremes, SILENCE, now - last_seen, i)
        last_seen = now
        if not lasts:
            continue
        top_of(top, stated, built, depth, price_of, quoted, i)
        if last_change < 0 or not np.array_equal(top[best_known], last_top[best_known]):
            last_change = now
            last_top[:] = top
        else:
            largest(extremes, STALE, now - last_change, i)
        if i + 1 == n or ts_event[i + 1] != ts_event[i]:
            for book in range(3):
                bid, ask = top[4 * book], top[4 * book + 2]
                if bid > 0 and ask > 0:
                    counts[2 * book, 0] += 1
                    counts[2 * book + 1, 0] += 1
                    if bid > ask:
                        wrong(counts, 2 * book, i)
                    elif bid == ask:
                        wrong(counts, 2 * book + 1, i)
    return counts, extremes
