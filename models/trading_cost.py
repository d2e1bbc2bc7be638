"""What a side of a trade costs: assumed from the quote, or measured by executing orders.

Here: cost per side. Not here: trading (models/backtest.py), measuring (models/execution).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from feeds.errors import StudyError
from models.metrics.forecast import Floats


@dataclass(frozen=True)
class CostModel:
    """What trading costs.

    Attributes:
        fee_bps: Commission and exchange fee per side, bps of notional.
        half_spread: Whether each side also pays half the spread quoted at execution.
        latency_ms: From decision to execution.
        measured_bps: Instrument -> mean implementation shortfall per side, bps, fees included, as execution measured
            it; charged in place of fee and half spread. None, or without an instrument: the assumed cost is charged.
        expected_bps: Instrument -> cost per side known when deciding, e.g. what was measured the night before; a
            forecast must exceed it. None, or without an instrument: fee and half the spread quoted at the decision.

    Raises:
        StudyError: An assumed cost is negative, or one by instrument is not finite.
    """

    fee_bps: float
    half_spread: bool = True
    latency_ms: int = 0
    measured_bps: Mapping[str, float] | None = None
    expected_bps: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        if not (self.fee_bps >= 0 and self.latency_ms >= 0):
            raise StudyError(
                "costs",
                received=f"fee_bps {self.fee_bps}, latency_ms {self.latency_ms}",
                expected="not negative",
            )
        for name, by_symbol in (("measured_bps", self.measured_bps), ("expected_bps", self.expected_bps)):
            wrong = {symbol: value for symbol, value in (by_symbol or {}).items() if not math.isfinite(value)}
            if wrong:
                raise StudyError(f"costs.{name}", received=wrong, expected="finite bps per side")

    def per_side_bps(self, spread_bps: Floats) -> Floats:
        """Assumed cost of trading one notional once at each quoted spread, bps."""
        return self.fee_bps + (0.5 * spread_bps if self.half_spread else np.zeros_like(spread_bps))

    def charged_bps(self, spread_bps: Floats, symbol: str) -> Floats:
        """Cost of a side that enters the result: measured where it was measured, else assumed."""
        return self._by_symbol(self.measured_bps, spread_bps, symbol)

    def decision_bps(self, spread_bps: Floats, symbol: str) -> Floats:
        """Cost of a side as it is known when deciding; not negative: a rebate makes no forecast worth trading."""
        return np.maximum(self._by_symbol(self.expected_bps, spread_bps, symbol), 0.0)

    def _by_symbol(self, known: Mapping[str, float] | None, spread_bps: Floats, symbol: str) -> Floats:
        if known is None or symbol not in known:
            return self.per_side_bps(spread_bps)
        return np.full(spread_bps.shape, float(known[symbol]))
