"""Events of a tape by what they do to the book, and the book each of them met.

Sixteen kinds, eight for either side. Those that move a price are kinds of their own, because what follows a market
order that empties the best quote differs from what follows one that does not (Eisler, Bouchaud and Kockelkoren, "The
price impact of order book events", Quantitative Finance 12, 2012): market orders, cancellations at the touch, both with
and without emptying it; limit orders better than the touch, at it, behind it; cancellations behind it.

Here: `KINDS`, `book_events`. Not here: fitting (sim/hawkes_book_fit.py), simulation (sim/hawkes_book_kernel.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from feeds.errors import InsufficientDataError
from feeds.schema import ACTION_CODE
from sim.book_state import ASK, BID
from sim.flow_measure import TapeArrays
from sim.flow_moments import MarketOrders
from sim.order_index import EMPTY, find, insert, remove

#: What the actor of an event does; kind = 2 * verb + side of the actor.
TAKE, SWEEP, IMPROVE, JOIN, BEHIND, PULL, EMPTY_TOUCH, PULL_BEHIND = range(8)
VERBS = ("take", "sweep", "improve", "join", "behind", "pull", "empty", "pull_behind")
KINDS = tuple(f"{verb}_{side}" for verb in VERBS for side in ("bid", "ask"))
#: Which kind is which when buyers and sellers change places.
MIRROR = tuple(kind ^ 1 for kind in range(len(KINDS)))
_ADD, _MODIFY, _CANCEL, _FILL = (ACTION_CODE[name] for name in "AMCF")
#: Prices a tape may range over, in quoting increments.
_MAX_CELLS = 5_000_000


@dataclass(frozen=True, eq=False)
class BookEvents:
    """Events of a tape, n of them, in the order of the venue's clock.

    Attributes:
        ts_ns: (n,) int64 venue time.
        kinds: (n,) int64, see `KINDS`.
        before: (n,) int64 row of the tape after which the book is the one that the event met.
        lots: (n,) int64 lots of the order.
        away: (n,) int64 quoting increments from the own side's best before: positive better, negative worse; of market
            orders lots beyond those displayed at the best opposite.
        orders: (rows, 2) int64 orders at the best bid and ask after each row of the tape, of those unknown at least
            one.
    """

    ts_ns: np.ndarray
    kinds: np.ndarray
    before: np.ndarray
    lots: np.ndarray
    away: np.ndarray
    orders: np.ndarray


def book_events(tape: TapeArrays, orders: MarketOrders, quote: int, near_ticks: int) -> BookEvents:
    """Events of a tape.

    Args:
        tape: Rows with a two-sided book.
        orders: Its market orders.
        quote: Quoting increment, ticks.
        near_ticks: Limit orders and cancellations farther than this from the opposite best do not count.

    Raises:
        InsufficientDataError: No event is left, or prices range too far.
    """
    row, kinds, away = _resting(tape, quote, near_ticks)
    of_orders = _taking(tape, orders)
    before = np.concatenate([row - 1, orders.before])
    ts_ns = np.concatenate([tape.venue[row], orders.ts_ns])
    order = np.lexsort((before, ts_ns))
    if not order.size:
        raise InsufficientDataError("events of a book", received="none near the touch", expected="some")
    return BookEvents(
        ts_ns=ts_ns[order],
        kinds=np.concatenate([kinds, of_orders[0]])[order],
        before=before[order],
        lots=np.concatenate([tape.size[row], orders.lots])[order],
        away=np.concatenate([away, of_orders[1]])[order],
        orders=_orders_at_touch(tape, quote),
    )


def _resting(tape: TapeArrays, quote: int, near_ticks: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, kinds and places of limit orders and cancellations."""
    at = np.arange(1, tape.clock.size)
    side = tape.side[at]
    bid = side == BID
    own = np.where(bid, tape.bid_px[at - 1], tape.ask_px[at - 1])
    opposite = np.where(bid, tape.ask_px[at - 1], tape.bid_px[at - 1])
    sign = np.where(bid, 1, -1)
    better = (tape.price[at] - own) * sign
    gap = (opposite - tape.price[at]) * sign
    after = np.where(bid, tape.bid_px[at], tape.ask_px[at])
    added, gone = tape.action[at] == _ADD, (tape.action[at] == _CANCEL) & (tape.by_trade[at] == 0)
    fine = (tape.live[at] > 0) & (side < 2) & (gap > 0) & (gap <= near_ticks) & (added | (gone & (better <= 0)))
    placed = np.where(better > 0, IMPROVE, np.where(better == 0, JOIN, BEHIND))
    emptied = (better == 0) & ((after - own) * sign < 0)
    pulled = np.where(emptied, EMPTY_TOUCH, np.where(better == 0, PULL, PULL_BEHIND))
    verb = np.where(added, placed, pulled)
    return at[fine], (2 * verb + side)[fine], (better // quote)[fine]


def _taking(tape: TapeArrays, orders: MarketOrders) -> tuple[np.ndarray, np.ndarray]:
    """Kinds of market orders, and lots beyond the best quote."""
    buys = orders.signs > 0
    shown = np.where(buys, tape.ask_sz[orders.before], tape.bid_sz[orders.before])
    verb = np.where(orders.lots >= shown, SWEEP, TAKE)
    return 2 * verb + np.where(buys, BID, ASK), np.maximum(0, orders.lots - shown)


def _orders_at_touch(tape: TapeArrays, quote: int) -> np.ndarray:
    low = int(min(tape.bid_px.min(), tape.ask_px.min())) - quote
    cells = (int(max(tape.ask_px.max(), tape.bid_px.max())) - low) // quote + 2
    if cells > _MAX_CELLS:
        raise InsufficientDataError("events of a book", received=f"prices over {cells} increments", expected="fewer")
    adds = int((tape.action == _ADD).sum())
    hash_size = 1 << (2 * max(adds, 1)).bit_length()
    found = np.ones((tape.clock.size, 2), np.int64)
    touch = np.stack([tape.bid_px, tape.bid_sz, tape.ask_px, tape.ask_sz], axis=1)
    _count_at_touch(
        tape.action, tape.side, tape.order_id, tape.price, tape.size, touch, np.array([quote, low]),
        np.zeros(hash_size, np.int64), np.full(hash_size, EMPTY, np.int64), np.zeros((adds + 1, 3), np.int64),
        np.zeros((2, cells, 2), np.int64), found,
    )  # fmt: skip
    return found


@njit(cache=True)
def _count_at_touch(
    action: np.ndarray,
    side: np.ndarray,
    order_id: np.ndarray,
    price: np.ndarray,
    size: np.ndarray,
    touch: np.ndarray,
    units: np.ndarray,
    keys: np.ndarray,
    slots: np.ndarray,
    orders: np.ndarray,
    cells: np.ndarray,
    found: np.ndarray,
) -> None:
    """``orders``: cell, lots, side; ``cells``: orders and lots known there."""
    used = 0
    for i in range(action.size):
        slot = find(keys, slots, order_id[i])
        at = (price[i] - units[1]) // units[0]
        if action[i] == _ADD and slot == EMPTY and 0 <= at < cells.shape[1] and side[i] < 2:
            orders[used, 0], orders[used, 1], orders[used, 2] = at, size[i], side[i]
            insert(keys, slots, order_id[i], used)
            cells[side[i], at, 0] += 1
            cells[side[i], at, 1] += size[i]
            used += 1
        elif slot != EMPTY and action[i] in (_MODIFY, _CANCEL, _FILL):
            where, s = orders[slot, 0], orders[slot, 2]
            left = size[i] if action[i] == _MODIFY else orders[slot, 1] - size[i]
            if (size[i] <= 0 and action[i] == _CANCEL) or (action[i] == _MODIFY and at != where):
                left = 0
            cells[s, where, 1] += max(0, left) - orders[slot, 1]
            orders[slot, 1] = left
            if left <= 0:
                cells[s, where, 0] -= 1
                remove(keys, slots, order_id[i])
        for s in range(2):
            cell = (touch[i, 2 * s] - units[1]) // units[0]
            known, lots, shown = cells[s, cell, 0], cells[s, cell, 1], touch[i, 2 * s + 1]
            if lots < shown:
                known += 1
            elif lots > shown:
                known = known * shown // lots
            found[i, s] = max(1, known)
