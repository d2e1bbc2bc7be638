"""What simulated markets have in common: a clock with a horizon, own fills, what is displayed.

Their state is, or holds, a `sim.flow_state.FlowState`; own orders lie in its book as any other's (sim/flow_own.py).

Here: the common part. Not here: what moves the market and how own instructions are answered (sim/flow_market.py,
sim/hawkes_book_market.py).
"""

from __future__ import annotations

import numpy as np

from feeds.errors import InsufficientDataError
from sim.flow_own import own_into, write_depths, write_view
from sim.flow_state import MAX_OWN, MAX_OWN_FILLS, NOW_NS, OWN_FILLS, FlowState
from sim.market import DEPTHS, FILL_COLUMNS, OWN_COLUMNS, VIEW

_NS = 1_000_000_000
#: A whole second of UTC, so that the seconds of the flow are those of the view: 2026-03-02 15:00.
START_NS = 1_772_463_600 * _NS


class SimulatedMarket:
    """The readings of `sim.market.Market` on a flow.

    Args:
        flow: The state that is read; whoever moves it is the class that inherits.
        increment_ticks: Step between quotes.
        start_ns: The moment of a reset, ns UTC.
        horizon_s: Seconds it can be advanced after a reset.
    """

    def __init__(self, flow: FlowState, increment_ticks: int, start_ns: int, horizon_s: float) -> None:
        self.increment_ticks = increment_ticks
        self._flow, self._start_ns, self._horizon_ns = flow, start_ns, int(horizon_s * _NS)

    def _run(self, until_ns: int) -> None:
        """Move the market on."""
        raise NotImplementedError

    @property
    def now_ns(self) -> int:
        """The present moment, ns UTC."""
        return int(self._flow.counts[NOW_NS])

    def end_ns(self) -> int:
        """The end of the horizon after the present reset."""
        return self._start_ns + self._horizon_ns

    def advance(self, until_ns: int) -> None:
        """Run the market up to and including ``until_ns``.

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
            self._run(until_ns)

    def own_orders(self) -> np.ndarray:
        """(n, 5) int64 in the layout of sim/market.py, oldest first."""
        table = np.zeros((MAX_OWN, OWN_COLUMNS), np.int64)
        return table[: own_into(self._flow, table)]

    def fills(self) -> np.ndarray:
        """(m, 4) int64 in the layout of sim/market.py: own fills since the last call."""
        n = int(self._flow.counts[OWN_FILLS])
        if not n:
            return np.zeros((0, FILL_COLUMNS), np.int64)
        if n > MAX_OWN_FILLS:
            raise InsufficientDataError(
                "simulated market",
                received=f"{n} own fills since the last look",
                expected=f"at most {MAX_OWN_FILLS}",
                remedy="Call fills() more often.",
            )
        self._flow.counts[OWN_FILLS] = 0
        return self._flow.own_fills[:n].copy()

    def view(self) -> np.ndarray:
        """(`VIEW`,) float64 in the layout of sim/market.py; volumes and trades are the flow's."""
        view = np.zeros(VIEW)
        write_view(self._flow, view)
        return view

    def depths(self) -> np.ndarray:
        """(2, `DEPTHS`) float64, see `DeepMarket`; everybody else's lots."""
        out = np.zeros((2, DEPTHS))
        write_depths(self._flow, out)
        return out


def check_simulated(mid: float, horizon_s: float, warm_up_s: int, start_ns: int, starts: int) -> None:
    """Refuse numbers that make no market.

    Raises:
        InsufficientDataError: They do not.
    """
    if mid <= 0 or horizon_s <= 0 or warm_up_s < 0 or start_ns % _NS or starts < 1:
        raise InsufficientDataError(
            "simulated market",
            received=f"mid {mid} ticks, horizon {horizon_s} s, warm-up {warm_up_s} s, {starts} starts at {start_ns}",
            expected="a positive price and horizon, no negative warm-up, a start at a whole second, starts",
        )
