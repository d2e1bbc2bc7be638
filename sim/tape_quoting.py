"""A maker who quotes both sides of a tape and moves the quotes at a fixed interval: the plainest use of own orders.

At every step it reads the best prices as they are then, and asks for its old orders to be cancelled and for one new
order at either best price. The three reach the venue after the entry delay; an order that would trade by then trades.

Here: the maker as one kernel, and its summary. Not here: agents that decide (models/execution), the market itself
(sim/tape_own.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from feeds.errors import StudyError
from sim.compile_options import ENTRY
from sim.latency import Delay, arrival_ns
from sim.market import FILL_COLUMNS, FILL_LOTS, FILL_MAKER
from sim.tape_own import advance, best_shown, cancel, fills_into, place, take
from sim.tape_state import FILLS, MAX_FILLS, NOW_NS, TapeRun

#: Places of the sums: steps, orders that came to rest, fills at rest, lots of these, lots taken.
STEPS, RESTED, MAKER_FILLS, MAKER_LOTS, TAKER_LOTS = range(5)
N_SUMS = 5


@dataclass(frozen=True)
class QuotingSummary:
    """What a maker did.

    Attributes:
        steps: Decisions.
        rested: Orders that came to rest.
        maker_fills: Fills at rest.
        maker_lots: Their lots.
        taker_lots: Lots of orders that traded on arrival.
    """

    steps: int
    rested: int
    maker_fills: int
    maker_lots: int
    taker_lots: int


def quote(run: TapeRun, end_ns: int, every_ns: int, lots: int, entry: Delay) -> QuotingSummary:
    """Quote both sides from the present moment of ``run`` on.

    Args:
        run: Tape and trader, started (`sim.tape_own.start`).
        end_ns: Last moment.
        every_ns: From one decision to the next.
        lots: Of every order.
        entry: From us to the venue; shorter than the interval.

    Raises:
        StudyError: The delay reaches the interval, or is negative.
    """
    longest = int(entry.delay_ns.max())
    if not 0 <= int(entry.delay_ns.min()) <= longest < every_ns:
        raise StudyError(
            "quoting: entry delay",
            received=f"{int(entry.delay_ns.min())} to {longest} ns",
            expected=f"0 to less than the interval of {every_ns} ns",
        )
    sums = np.zeros(N_SUMS, np.int64)
    fills = np.zeros((MAX_FILLS, FILL_COLUMNS), np.int64)
    quote_both_sides(run, end_ns, every_ns, lots, entry.sent_ns, entry.delay_ns, fills, sums)
    return QuotingSummary(*(int(sums[place]) for place in (STEPS, RESTED, MAKER_FILLS, MAKER_LOTS, TAKER_LOTS)))


@njit(**ENTRY)
def quote_both_sides(
    run: TapeRun,
    end_ns: int,
    every_ns: int,
    lots: int,
    sent_ns: np.ndarray,
    delay_ns: np.ndarray,
    fills: np.ndarray,
    sums: np.ndarray,
) -> None:
    """See `quote`; ``fills`` (`MAX_FILLS`, `FILL_COLUMNS`) is scratch, ``sums`` (`N_SUMS`,) int64 is added to."""
    # Kernels are inlined: each is called at one place, in loops over both sides and over arrival and next decision.
    orders, prices, now = (-1, -1), (0, 0), run.state.counts[NOW_NS]
    arrived, until, deciding = now, now, True
    while True:
        while not advance(run, until):
            _book(run, fills, sums)
        if deciding:
            if now + every_ns > end_ns:
                break
            prices = (best_shown(run, 0), best_shown(run, 1))
            arrived = arrival_ns(sent_ns, delay_ns, now, arrived)
            now += every_ns
            until, deciding = arrived, False
            continue
        bid = ask = -1
        for side in range(2):
            cancel(run, orders[side], 0)
            number, price = -1, prices[side]
            if price > 0:
                number = place(run, side, price, lots)
                sums[RESTED] += number >= 0
                if number < 0:
                    take(run, side, lots)
            bid, ask = (number, ask) if side == 0 else (bid, number)
        orders, until, deciding = (bid, ask), now, True
        sums[STEPS] += 1
        if run.state.counts[FILLS]:
            _book(run, fills, sums)
    _book(run, fills, sums)


@njit(**ENTRY)
def _book(run: TapeRun, fills: np.ndarray, sums: np.ndarray) -> None:
    for k in range(fills_into(run, fills)):
        if fills[k, FILL_MAKER]:
            sums[MAKER_FILLS] += 1
            sums[MAKER_LOTS] += fills[k, FILL_LOTS]
        else:
            sums[TAKER_LOTS] += fills[k, FILL_LOTS]
