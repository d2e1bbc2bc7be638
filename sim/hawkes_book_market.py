"""A simulated market to trade in: the Hawkes book of sim/hawkes_book_params.py behind the protocol of sim/market.py.

Components of impact: own takes consume depth that others restore (mechanical), limit orders and cancellations answer
them as they answer any other's, and the efficient price moves by `HawkesBookParams.impact_per_lot` for each lot,
because nobody expected them (permanent). Takers do not answer: on the tape they do because a hidden order goes on. Own
resting orders are seen by the flow as any other's.

Here: `HawkesBookMarket`. Not here: the flow (sim/hawkes_book_kernel.py), own orders in it (sim/flow_own.py), what
is read of it (sim/simulated_market.py).
"""

from __future__ import annotations

from sim.flow_compiled import new_scratch
from sim.flow_own import cancel_own, place_own
from sim.flow_starts import STARTS
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
from sim.hawkes_book_kernel import run
from sim.hawkes_book_params import HawkesBookParams
from sim.hawkes_book_state import DIRTY, new_state, tables_of, tables_of_takes
from sim.market_kernels import CompiledMarket
from sim.simulated_market import START_NS, SimulatedMarket, check_simulated


class HawkesBookMarket(SimulatedMarket):
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
        check_simulated(start_mid_ticks, horizon_s, warm_up_s, start_ns, starts)
        self.params = params
        self._tables = tables_of(params)
        self._starts = starts_of(params, float(start_mid_ticks), start_ns, warm_up_s, starts)
        self._shared = HawkesBookShared(self._tables, tables_of_takes(params), self._starts.kept)
        self._market = HawkesBookOwn(new_state(params, 0), new_scratch())
        self._state = self._market.state
        super().__init__(self._state.flow, params.increment_ticks, start_ns, horizon_s)
        self.reset(0)

    def _run(self, until_ns: int) -> None:
        run(self._state, self._tables, until_ns)

    def reset(self, seed: int) -> None:
        """A market that goes on from the start that ``seed`` gives, with its random numbers, without own orders."""
        begin(self._shared, self._market, opening_of(self._starts, seed))

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

    def compiled(self) -> CompiledMarket:
        """This market for kernels, see sim/market_kernels.py."""
        return compiled_book(self.params, self._shared, self._market, self._starts, self.end_ns())
