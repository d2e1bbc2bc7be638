"""What a task of execution sees of any market: one protocol, one layout of the view.

Side is ours throughout: `BUY` (0) rests among the bids and takes asks, `SELL` (1) the mirror image; the numbers are
those of `sim.book_state.BID` and `ASK`. Prices are ticks, sizes lots, times ns UTC. The environment
(sim/execution_env.py) holds a market by this protocol alone: a replayed tape, a simulated flow, or an engine for many
markets at once can stand behind it without a change to task, observation, or policies.

Rules of every market (tests/conformance/test_markets.py):

- Nothing in `view`, `own_orders`, or `fills` depends on what happens after `now_ns`.
- `take` fills at displayed prices or worse, never more than is displayed, and what it took is not displayed next.
- `place` never trades. An own order at the best price counts in no size of the view: the view is everybody else.
- Own orders fill in the order of price, then number; every filled lot is told once by `fills`.
- `reset` forgets own orders and fills; the same seed gives the same market.

Here: the protocol and the constants. Not here: markets (sim/replay_market.py, sim/flow_market.py), the task
(sim/execution_task.py).
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

BUY, SELL = 0, 1

#: Places of `Market.view`, float64. Best bid and ask in ticks, their displayed lots; price and size 0: empty side.
BID_PX, BID_SZ, ASK_PX, ASK_SZ = 0, 1, 2, 3
#: Displayed lots on the `VIEW_LEVELS` best occupied levels.
BID_DEPTH_5, ASK_DEPTH_5 = 4, 5
#: Of the last `VIEW_WINDOW_NS`: lots that buyers took minus lots that sellers took; lots traded, sign unknown included.
SIGNED_VOLUME_60S, VOLUME_60S = 6, 7
#: Of the last `VIEW_WINDOW_NS`: sum of squared log mid returns, the mid sampled at whole seconds of UTC; executions.
REALISED_VAR_60S, TRADES_60S = 8, 9
VIEW = 10

VIEW_LEVELS = 5
#: Levels a side that `DeepMarket.depths` tells.
DEPTHS = 10
VIEW_WINDOW_NS = 60_000_000_000
#: Spacing of the mids behind `REALISED_VAR_60S`.
VIEW_SAMPLE_NS = 1_000_000_000

#: Columns of `Market.own_orders`, int64.
OWN_NUMBER, OWN_SIDE, OWN_PRICE, OWN_LOTS, OWN_AHEAD = 0, 1, 2, 3, 4
OWN_COLUMNS = 5
#: Columns of `Market.fills`, int64.
FILL_TS, FILL_PRICE, FILL_LOTS, FILL_MAKER = 0, 1, 2, 3
FILL_COLUMNS = 4


@runtime_checkable
class Market(Protocol):
    """A market one trader acts in.

    Attributes:
        increment_ticks: Smallest step between quotes, in ticks.
    """

    increment_ticks: int

    @property
    def now_ns(self) -> int:
        """The present moment, ns UTC."""

    def reset(self, seed: int) -> None:
        """Go to a start chosen by ``seed``, without own orders and fills; the same seed, the same market."""

    def advance(self, until_ns: int) -> None:
        """Run up to and including ``until_ns``; resting own orders may fill. A past moment changes nothing.

        Raises:
            InsufficientDataError: ``until_ns`` lies after `end_ns`.
        """

    def take(self, side: int, lots: int) -> int:
        """Trade at once against the displayed depth opposite ``side``; what finds none is dropped.

        Returns:
            Lots filled.
        """

    def place(self, side: int, price_ticks: int, lots: int) -> int:
        """Rest an order behind what is displayed at its price.

        Returns:
            Its number, counted from 0 since `reset`; -1 where it would trade, or ``lots`` or price is not positive.
        """

    def cancel(self, number: int, lots: int = 0) -> int:
        """Take ``lots`` off an own order, which keeps its place; all of it at 0.

        Returns:
            Lots cancelled; 0 where the order is gone.
        """

    def own_orders(self) -> np.ndarray:
        """Resting own orders, oldest first.

        Returns:
            (n, 5) int64: number, side, price in ticks, lots left, lots of others ahead of it at its price.
        """

    def fills(self) -> np.ndarray:
        """Own fills since the last call, in time order; then forgotten.

        Returns:
            (m, 4) int64: time in ns, price in ticks, lots, 1 where our order rested (maker) or 0 (taker).
        """

    def view(self) -> np.ndarray:
        """What is displayed now and what traded lately.

        Returns:
            (`VIEW`,) float64 in the layout of this module.
        """

    def end_ns(self) -> int:
        """The last moment that `advance` accepts after the present `reset`."""


@runtime_checkable
class DeepMarket(Protocol):
    """A market that also tells its depth level by level."""

    def depths(self) -> np.ndarray:
        """Displayed lots on the 1, 2, .. `DEPTHS` best occupied levels of bids and asks, own orders not counted.

        Returns:
            (2, `DEPTHS`) float64, not decreasing along a side.
        """
