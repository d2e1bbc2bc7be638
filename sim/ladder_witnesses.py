"""What contradicts an order on the ladder of prices: pending orders that lived on although the venue traded.

The rule is that of sim/book.py (`evict_contradicted`, `note_trade`).

Here: counting witnesses, remembering trades. Not here: removing orders (sim/ladder_book.py).
"""

from __future__ import annotations

from numba import njit

from sim.book import PATIENCE_NS
from sim.book_state import BID
from sim.compile_options import ENTRY, INNER
from sim.ladder_state import PENDING_ORDERS, TRADED_BEFORE_NS, TRADED_NS, Ladder


@njit(**INNER)
def note_trade(ladder: Ladder, ts_ns: int) -> None:
    """See `sim.book.note_trade`."""
    last = ladder.state[TRADED_NS]
    if last == 0 or ts_ns - last >= PATIENCE_NS:
        ladder.state[TRADED_BEFORE_NS] = last
        ladder.state[TRADED_NS] = ts_ns


@njit(**INNER)
def traded_since(ladder: Ladder, ts_ns: int) -> int:
    """The last trade remembered that is `PATIENCE_NS` old at ``ts_ns``; orders that came before it are witnesses."""
    last = ladder.state[TRADED_NS]
    return last if last <= ts_ns - PATIENCE_NS else ladder.state[TRADED_BEFORE_NS]


@njit(**ENTRY)
def witnesses(ladder: Ladder, slot: int, traded_ns: int) -> int:
    """Pending orders that came after the order of ``slot`` and before ``traded_ns``, and reach its price."""
    order = ladder.orders[slot]
    count = 0
    for k in range(ladder.state[PENDING_ORDERS]):
        other = ladder.orders[ladder.pending[k]]
        if other["side"] == order["side"] or not order["time_ns"] < other["time_ns"] < traded_ns:
            continue
        count += order["place"] >= other["place"] if order["side"] == BID else order["place"] <= other["place"]
    return count
