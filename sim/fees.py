"""What a venue charges for fills: shares of the value, amounts per lot, a minimum, tiers by the value traded.

All amounts are in ticks x lots, the unit of price x size: times tick size and lot size of the instrument they are
currency (`Fees.amount_of`). Positive is a cost, a rebate is negative.

Here: schedules of fees and the fee of fills. Not here: what a parent order cost in all (sim/execution_account.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numba import njit

from feeds.errors import StudyError
from feeds.instruments import InstrumentSpec
from sim.compile_options import ENTRY, INNER
from sim.market import FILL_LOTS, FILL_MAKER, FILL_PRICE

_BPS = 1e-4
#: Columns of `Fees.encoded`: value traded from which the row holds; taker and maker share of the value; taker and maker
#: amount per lot, ticks; least fee of a fill.
FROM_VALUE, TAKER_SHARE, MAKER_SHARE, TAKER_PER_LOT, MAKER_PER_LOT, MINIMUM = 0, 1, 2, 3, 4, 5
FEE_COLUMNS = 6


@dataclass(frozen=True)
class FeeTier:
    """Rates from a traded value on.

    Attributes:
        from_value: Value traded so far (ticks x lots) from which the tier holds.
        taker_bps: Of the value of an aggressive fill.
        maker_bps: Of the value of a passive fill; negative: a rebate.

    Raises:
        StudyError: A number is not finite, or ``from_value`` is negative.
    """

    from_value: float
    taker_bps: float
    maker_bps: float

    def __post_init__(self) -> None:
        _require("tier", self, all(map(math.isfinite, (self.from_value, self.taker_bps, self.maker_bps))), "finite")
        _require("tier", self, self.from_value >= 0.0, "a traded value of 0 or more")


@dataclass(frozen=True)
class Fees:
    """A schedule of fees.

    Attributes:
        taker_bps: Of the value of an aggressive fill, before any tier.
        maker_bps: Of the value of a passive fill; negative: a rebate.
        taker_ticks_per_lot: On top, per lot (per share or contract: US stocks, futures).
        maker_ticks_per_lot: The same of passive fills.
        minimum: Least fee of a fill that is charged (ticks x lots); a rebate is paid whatever its size.
        tiers: Rates that replace the two shares from a traded value on, ascending.

    Raises:
        StudyError: A number is not finite, the minimum is negative, or the tiers do not ascend from above 0.
    """

    taker_bps: float = 0.0
    maker_bps: float = 0.0
    taker_ticks_per_lot: float = 0.0
    maker_ticks_per_lot: float = 0.0
    minimum: float = 0.0
    tiers: tuple[FeeTier, ...] = ()

    def __post_init__(self) -> None:
        numbers = (self.taker_bps, self.maker_bps, self.taker_ticks_per_lot, self.maker_ticks_per_lot, self.minimum)
        _require("fees", numbers, all(map(math.isfinite, numbers)), "finite numbers")
        _require("minimum", self.minimum, self.minimum >= 0.0, "0 or more")
        starts = [0.0, *(tier.from_value for tier in self.tiers)]
        _require("tiers", starts, all(a < b for a, b in pairwise(starts)), "ascending from above 0")

    def encoded(self) -> np.ndarray:
        """(1 + tiers, `FEE_COLUMNS`) float64, ascending by value, for the kernels."""
        rates = [(0.0, self.taker_bps, self.maker_bps)]
        rates += [(tier.from_value, tier.taker_bps, tier.maker_bps) for tier in self.tiers]
        per_fill = (self.taker_ticks_per_lot, self.maker_ticks_per_lot, self.minimum)
        return np.array([(start, taker * _BPS, maker * _BPS, *per_fill) for start, taker, maker in rates])

    def of(self, fills: np.ndarray, value_before: float = 0.0) -> np.ndarray:
        """Fee of each fill.

        Args:
            fills: (m, 4) int64, columns of `Market.fills`, in time order; their value counts towards the tiers.
            value_before: Value traded before them.

        Returns:
            (m,) float64, ticks x lots.
        """
        out = np.empty(len(fills))
        charge(self.encoded(), np.ascontiguousarray(fills, np.int64), value_before, out)
        return out

    def amount_of(self, fees: Sequence[float] | np.ndarray, spec: InstrumentSpec) -> float:
        """Sum of fees in the currency of an instrument."""
        return float(np.sum(fees)) * spec.tick_size * spec.lot_size


@njit(**ENTRY)
def charge(table: np.ndarray, fills: np.ndarray, value_before: float, out: np.ndarray) -> None:
    """Write the fees of fills; arguments as of `Fees.of`."""
    value = value_before
    for i in range(fills.shape[0]):
        price, lots = fills[i, FILL_PRICE], fills[i, FILL_LOTS]
        out[i] = fee_of(table, value, price, lots, fills[i, FILL_MAKER])
        value += float(price) * float(lots)


@njit(**INNER)
def fee_of(table: np.ndarray, traded_value: float, price: int, lots: int, maker: int) -> float:
    """Fee of one fill after ``traded_value``, ticks x lots."""
    at = table.shape[0] - 1
    while at > 0 and traded_value < table[at, FROM_VALUE]:
        at -= 1
    share, per_lot = (MAKER_SHARE, MAKER_PER_LOT) if maker else (TAKER_SHARE, TAKER_PER_LOT)
    fee = lots * (price * table[at, share] + table[at, per_lot])
    return max(fee, table[at, MINIMUM]) if fee > 0.0 else fee


def _require(name: str, value: object, holds: bool, expected: str) -> None:
    if not holds:
        raise StudyError(f"fees: {name}", received=value, expected=expected, remedy="Correct the schedule.")
