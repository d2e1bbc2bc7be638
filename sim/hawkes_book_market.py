"""A simulated market to trade in: the Hawkes book of sim/hawkes_book_params.py behind the protocol of sim/market.py.

Components of impact: own takes consume depth that others restore (mechanical), limit orders and cancellations answer
them as they answer any other's, and the efficient price moves by `HawkesBookParams.impact_per_lot` for each lot,
because nobody expected them (permanent). Takers do not answer: on the tape they do because a hidden order goes on. Own
resting orders are seen by the flow as any other's.

Here: `HawkesBookMarket`. Not here: the flow (sim/hawkes_book_kernel.py), own orders in it (sim/flow_own.py).
"""

from __future__ import annotations

import numpy as np

from feeds.errors import InsufficientDataError
from sim.flow_compiled import new_scratch
from sim.flow_market import START_NS
from sim.flow_own import cancel_own, own_into, place_own, write_depths, write_view
from sim.flow_starts import STARTS
from sim.flow_state import MAX_OWN, MAX_OWN_FILLS, NOW_NS, OWN_FILLS
from sim.hawkes_book import WARM_UP_S
from sim.hawkes_book_compiled import (
    HawkesBookOwn,
    HawkesBookShared,
    begin,
    compiled_book,
    opening_of,
    starts_of,
    take,
)
from sim.hawkes_book_kernel import NS, run
from sim.hawkes_book_params import HawkesBookParams
from sim.hawkes_book_state import DIRTY, new_state, tables_of, tables_of_takes
from sim.market import DEPTHS, FILL_COLUMNS, OWN_COLUMNS, VIEW
from sim.market_kernels import CompiledMarket


class HawkesBookMarket:
    """A market that starts anew at every `reset`, from one of a few books that have warmed up (sim/flow_starts.py).

    Args:
        params: The market.
        start_mid_ticks: Mid when the warm-up begins, ticks.
        horizon_s: Seconds it can be advanced after a reset.
        warm_up_s: Seconds a start ran before.
        start_ns: The moment of a reset, ns UTC; a whole second.
        starts: How many of them there are.

    Raises:
        InsufficientDataError: A number makes no sense.
    """

    def __init__(
        self,
        params: HawkesBookParams,
        start_mid_ticks: float,
        horizon_s: float,
        warm_up_s: int = WARM_UP_S,
        *,
        start_ns: int = START_NS,
        starts: int = STARTS,
    ) -> None:
        if start_mid_ticks <= 0 or horizon_s <= 0 or warm_up_s < 0 or starts < 1:
            raise InsufficientDataError(
                "simulated market",
                received=f"mid {start_mid_ticks} ticks, horizon {horizon_s} s, warm-up {warm_up_s} s, {starts} starts",
                expected="a positive price, horizon and number of starts, no negative warm-up",
            )
        self.params = params
        self.increment_ticks = params.increment_ticks
        self._start_ns = start_ns
        self._horizon_ns = int(horizon_s * NS)
        self._tables = tables_of(params)
        self._starts = starts_of(params, float(start_mid_ticks), start_ns, warm_up_s, starts)
        self._shared = HawkesBookShared(self._tables, tables_of_takes(params), self._starts.kept)
        self._market = HawkesBookOwn(new_state(params, 0), new_scratch())
        self._state = self._market.state
        self._flow = self._state.flow
        self._own = np.zeros((MAX_OWN, OWN_COLUMNS), np.int64)
        self.reset(0)

    @property
    def now_ns(self) -> int:
        """The present moment, ns UTC."""
        return int(self._flow.counts[NOW_NS])

    def reset(self, seed: int) -> None:
        """A market that goes on from the start that ``seed`` gives, with its random numbers, without own orders."""
        begin(self._shared, self._market, opening_of(self._starts, seed))

    def advance(self, until_ns: int) -> None:
        """Run up to and including ``until_ns``.

        Raises:
            InsufficientDataError: ``until_ns`` lies after `end_ns`.
        """
        if until_ns > self.end_ns():
            raise InsufficientDataError(
                "simulated market",
                received=f"advance to {until_ns} ns",
                expected=f"at most {self.end_ns()} ns, the end of its horizon",
                remedy="Make the market with a longer horizon_s.",
            )
        if until_ns > self.now_ns:
            run(self._state, self._tables, until_ns)

    def take(self, side: int, lots: int) -> int:
        """Trade at once against what others display; own orders opposite are cancelled first. Lots filled."""
        return int(take(self._shared, self._market, side, lots))

    def place(self, side: int, price_ticks: int, lots: int) -> int:
        """Rest an order behind what is displayed at its price; its number, -1 where it would trade."""
        self._state.marks[DIRTY] = 1
        return int(place_own(self._flow, side, price_ticks, lots))

    def cancel(self, number: int, lots: int = 0) -> int:
        """Take ``lots`` off an own order, all of it at 0; lots cancelled."""
        self._state.marks[DIRTY] = 1
        return int(cancel_own(self._flow, number, lots))

    def own_orders(self) -> np.ndarray:
        """(n, 5) int64 in the layout of sim/market.py, oldest first."""
        return self._own[: own_into(self._flow, self._own)].copy()

    def fills(self) -> np.ndarray:
        """(m, 4) int64 in the layout of sim/market.py: own fills since the last call."""
        n = int(self._flow.counts[OWN_FILLS])
        if n > MAX_OWN_FILLS:
            raise InsufficientDataError(
                "simulated market",
                received=f"{n} own fills since the last look",
                expected=f"at most {MAX_OWN_FILLS}",
                remedy="Call fills() more often.",
            )
        self._flow.counts[OWN_FILLS] = 0
        return self._flow.own_fills[:n].copy() if n else np.zeros((0, FILL_COLUMNS), np.int64)

    def view(self) -> np.ndarray:
        """(`VIEW`,) float64 in the layout of sim/market.py; volumes and trades are the flow's."""
        view = np.zeros(VIEW)
        write_view(self._flow, view)
        return view

    def end_ns(self) -> int:
        """The end of the horizon after the present reset."""
        return self._start_ns + self._horizon_ns

    def compiled(self) -> CompiledMarket:
        """This market for kernels, see sim/market_kernels.py."""
        return compiled_book(self.params, self._shared, self._market, self._starts, self.end_ns())

    def depths(self) -> np.ndarray:
        """(2, `DEPTHS`) float64, see `DeepMarket`; everybody else's lots."""
        out = np.zeros((2, DEPTHS))
        write_depths(self._flow, out)
        return out
