"""What a parent order has cost so far, split by cause.

With s = 1 for buying and -1 for selling, A the mid at arrival, q lots of Q at price p, M the mid the fill is held
against: s (p - A) = s (p - M) + s (M - A), so that shortfall = spread + timing, exactly, fill by fill; fees come on
top. All in bps of A x Q; positive is a cost. Source: Perold, "The implementation shortfall: paper versus reality",
Journal of Portfolio Management 14 (1988).

Here: the sums of one episode. Not here: which mid a fill is held against (sim/execution_env.py).
"""

from __future__ import annotations

import numpy as np

from sim.execution_task import ExecutionTask
from sim.market import BUY, FILL_COLUMNS, FILL_LOTS, FILL_MAKER, FILL_PRICE

_BPS = 1e4


class Account:
    """The sums of one parent order.

    Attributes:
        remaining_lots: Lots left.
        spread_bps: Paid against the mid of the moment.
        timing_bps: What the mid had moved since arrival.
        fees_bps: Fees.
        walk_bps: Part of ``spread_bps``: what takes paid beyond the best price displayed when they met the market.
    """

    def __init__(self, task: ExecutionTask, side: int, arrival_mid_ticks: float) -> None:
        self.remaining_lots = task.parent_lots
        self.spread_bps = self.timing_bps = self.fees_bps = self.walk_bps = 0.0
        self._task, self._sign, self._arrival = task, 1.0 if side == BUY else -1.0, arrival_mid_ticks
        self._unit = _BPS / (arrival_mid_ticks * task.parent_lots)
        self._maker_lots, self._traded_value = 0, 0.0
        self._fills: list[np.ndarray] = []

    @property
    def is_bps(self) -> float:
        """Implementation shortfall so far, fees included."""
        return self.spread_bps + self.timing_bps + self.fees_bps

    @property
    def filled_lots(self) -> int:
        """Lots done."""
        return self._task.parent_lots - self.remaining_lots

    @property
    def maker_share(self) -> float:
        """Share of the lots done that were filled at rest."""
        return self._maker_lots / self.filled_lots if self.filled_lots else 0.0

    def fills(self) -> np.ndarray:
        """(m, 4) int64, the columns of `Market.fills`."""
        return np.concatenate(self._fills) if self._fills else np.zeros((0, FILL_COLUMNS), np.int64)

    def book(self, fills: np.ndarray, mid_ticks: float, touch_ticks: float = 0.0) -> None:
        """Book fills (m, 4) of the market, held against ``mid_ticks``; takes also against ``touch_ticks`` (0: none)."""
        if not len(fills):
            return
        self._fills.append(fills)
        for fill in fills.tolist():
            lots, price, maker = fill[FILL_LOTS], fill[FILL_PRICE], fill[FILL_MAKER]
            self._add(lots, price, mid_ticks)
            self.fees_bps += self._fee_bps(fill)
            if touch_ticks and not maker:
                self.walk_bps += self._sign * self._unit * lots * (price - touch_ticks)
            self.remaining_lots -= lots
            self._maker_lots += lots * maker
        assert self.remaining_lots >= 0, "a market filled more than was asked of it"

    def _fee_bps(self, fill: list[int]) -> float:
        lots, price, maker = fill[FILL_LOTS], fill[FILL_PRICE], fill[FILL_MAKER]
        if self._task.fees is None:
            return self._unit * lots * price * (self._task.maker_fee_bps if maker else self._task.taker_fee_bps) / _BPS
        fee = float(self._task.fees.of(np.array([fill]), self._traded_value)[0])
        self._traded_value += float(price) * float(lots)
        return self._unit * fee

    def give_up(self, mid_ticks: float) -> None:
        """Price what is left at the mid and the task's penalty; it stays unfilled."""
        price = mid_ticks * (1.0 + self._sign * self._task.unfilled_penalty_bps / _BPS)
        self._add(self.remaining_lots, price, mid_ticks)

    def _add(self, lots: int, price: float, mid_ticks: float) -> None:
        self.spread_bps += self._sign * self._unit * lots * (price - mid_ticks)
        self.timing_bps += self._sign * self._unit * lots * (mid_ticks - self._arrival)
