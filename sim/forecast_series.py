"""Forecasts that an execution agent may look at: values, and when each was published.

Here: series read point in time. Not here: making forecasts (models/), terms of an observation (sim/observation.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from feeds.errors import StudyError


@dataclass(frozen=True, eq=False)
class Series:
    """Values by the moment they became known.

    Attributes:
        available_at_ns: (n,) int64 ns UTC, not decreasing: from then on the value may be used.
        value: (n,) float64, finite.

    Raises:
        StudyError: Lengths differ, times decrease, or a value is not finite.
    """

    available_at_ns: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    value: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        stamps = np.array(self.available_at_ns, np.int64)
        values = np.array(self.value, np.float64)
        if stamps.ndim != 1 or stamps.shape != values.shape:
            raise StudyError("forecast series", f"shapes {stamps.shape}, {values.shape}", "one value for each moment")
        if (np.diff(stamps) < 0).any() or not np.isfinite(values).all():
            raise StudyError("forecast series", "times that decrease or values that are not finite", "sorted, finite")
        object.__setattr__(self, "available_at_ns", stamps)
        object.__setattr__(self, "value", values)

    def at(self, now_ns: int) -> float:
        """The last value known at ``now_ns``, 0 where there is none yet."""
        place = int(np.searchsorted(self.available_at_ns, now_ns, side="right")) - 1
        return float(self.value[place]) if place >= 0 else 0.0


@dataclass(frozen=True, eq=False)
class Forecasts:
    """What an agent is told of the future.

    Attributes:
        alpha_bps: Forecast of the mid's return, bps; positive: the price rises.
        volatility_bps: Forecast of its volatility, bps.
    """

    alpha_bps: Series = field(default_factory=Series)
    volatility_bps: Series = field(default_factory=Series)
