"""A simulated market to trade in: the order flow of sim/flow_params.py behind the protocol of sim/market.py.

Components of impact: own takes consume depth that the flow's own arrivals restore (mechanical), and move the efficient
price by `FlowParams.impact_per_lot` for each lot, because nobody expected them (permanent). Own resting orders are seen
by the flow as any other's: they narrow the spread, count in the queues takers look at, and are traded with.

Here: `FlowMarket`. Not here: the flow (sim/flow_kernel.py), own orders in it (sim/flow_own.py), what is read
of it (sim/simulated_market.py).
"""

from __future__ import annotations

from sim.flow_compiled import FlowOwn, FlowShared, begin, compiled_flow, new_scratch, opening_of, starts_of
from sim.flow_kernel import run
from sim.flow_own import cancel_own, place_own, take_into
from sim.flow_params import FlowParams
from sim.flow_starts import STARTS
from sim.flow_state import new_state, tables_of
from sim.market_kernels import CompiledMarket
from sim.simulated_market import START_NS, SimulatedMarket, check_simulated


class FlowMarket(SimulatedMarket):
    """A market that starts anew at every `reset`, from one of a few books that have warmed up (sim/flow_starts.py).

    Args:
        params: The flow.
        start_mid_ticks: Efficient price when the warm-up begins, ticks.
        horizon_s: Seconds it can be advanced after a reset.
        warm_up_s: Seconds a start ran before; 60 fill the windows of the view.
        start_ns: The moment of a reset, ns UTC; a whole second.
        starts: How many of them there are.

    Raises:
        InsufficientDataError: A number makes no sense.
    """

    def __init__(
        self,
        params: FlowParams,
        start_mid_ticks: float,
        horizon_s: float,
        warm_up_s: int = 60,
        start_ns: int = START_NS,
        *,
        starts: int = STARTS,
    ) -> None:
        check_simulated(start_mid_ticks, horizon_s, warm_up_s, start_ns, starts)
        self.params = params
        self._tables = tables_of(params)
        self._starts = starts_of(params, float(start_mid_ticks), start_ns, warm_up_s, starts)
        self._shared = FlowShared(self._tables, self._starts.kept)
        self._own = FlowOwn(new_state(params, 0), new_scratch())
        self._state = self._own.state
        super().__init__(self._state, params.increment_ticks, start_ns, horizon_s)
        self.reset(0)

    def _run(self, until_ns: int) -> None:
        run(self._state, self._tables, until_ns)

    def reset(self, seed: int) -> None:
        """A market that goes on from the start that ``seed`` gives, with its random numbers, without own orders."""
        begin(self._shared, self._own, opening_of(self._starts, seed))

    def take(self, side: int, lots: int) -> int:
        """Trade at once against what others display; own orders opposite are cancelled first. Lots filled."""
        return int(take_into(self._state, self._tables, self._own.scratch, side, lots))

    def place(self, side: int, price_ticks: int, lots: int) -> int:
        """Rest an order behind what is displayed at its price; its number, -1 where it would trade."""
        return int(place_own(self._state, side, price_ticks, lots))

    def cancel(self, number: int, lots: int = 0) -> int:
        """Take ``lots`` off an own order, all of it at 0; lots cancelled."""
        return int(cancel_own(self._state, number, lots))

    def compiled(self) -> CompiledMarket:
        """This market for kernels, see sim/market_kernels.py."""
        return compiled_flow(self.params, self._shared, self._own, self._starts, self.end_ns())
