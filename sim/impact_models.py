"""What own trades do to the price, linear in their size: the propagator.

A trade of q lots (bought positive) at time s moves the price at a later time t by G(t - s) q. The kernel G is a
constant, the permanent part, plus decays, the transient part: any mixture of exponentials with positive weights, to
which power laws and most measured kernels belong (sim/impact_kernels.py). Bid and ask are moved alike. No round trip
can earn under such a kernel. Linearity is not a detail either: permanent impact that is not linear can be manipulated
(Huberman & Stanzl 2004, "Price manipulation and quasi-arbitrage", Econometrica 72).

**Nothing is counted twice.** The trade itself walks through a block of depth, from the best price to (2 instant + G(0))
q beyond it, and pays half of that on average. Walk and shift are the same ticks seen twice: the walk is what the trade
pays for the shift it makes, and what of the shift is left is paid by later trades. Therefore:

- `LinearImpactMarket` has no book of its own: there the propagator charges walk and shift.
- A market whose own book is consumed (a replay, a simulated flow) charges the walk itself, fill by fill, and keeps the
  gap until it is refilled. What is laid over it may only shift later prices (`ImpactState.shift_ticks`; never
  ``premium_ticks``), and only by what the gap does not show already: `Propagator.beyond_consumed_depth`.

Sources: Bouchaud, Gefen, Potters & Wyart (2004), "Fluctuations and response in financial markets", Quantitative
Finance 4; Almgren & Chriss (2000); Obizhaeva & Wang (2013).

Here: the model and its named cases. Not here: its state (sim/impact_state.py), kernels as mixtures
(sim/impact_kernels.py), optimal schedules (sim/closed_forms.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from feeds.errors import StudyError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Decay:
    """One exponential part of transient impact: liquidity that comes back.

    Attributes:
        ticks_per_lot: Shift right after a trade; not negative.
        rate_per_s: How fast it is taken back; positive. The half life is ln 2 / rate.

    Raises:
        StudyError: A value is out of range.
    """

    ticks_per_lot: float
    rate_per_s: float

    def __post_init__(self) -> None:
        if not (0.0 <= self.ticks_per_lot < math.inf and 0.0 < self.rate_per_s < math.inf):
            raise StudyError(
                "decay of impact", received=f"{self}", expected="no negative weight, a positive rate, both finite"
            )


@dataclass(frozen=True)
class Propagator:
    """Cost and trace of own trades; each number is another component of impact and none contains another.

    Attributes:
        half_spread_ticks: *Spread*: paid on every lot against the mid; moves nothing.
        instant_ticks_per_lot: *Depth walked that is back before the next trade*, as average price concession per lot:
            the temporary impact of Almgren and Chriss. Paid by the trade, leaves no trace.
        permanent_ticks_per_lot: *Information*: the part of the shift that stays. Half of it is paid by the trade itself
            on its way, all of it by every later one.
        decays: *Depth walked that comes back over time* (resilience of Obizhaeva and Wang) and whatever else the market
            takes back: the part of the shift that goes. Half paid by the trade itself, what is left by later ones.

    Raises:
        StudyError: A number is negative or not finite.
    """

    half_spread_ticks: float = 0.0
    instant_ticks_per_lot: float = 0.0
    permanent_ticks_per_lot: float = 0.0
    decays: tuple[Decay, ...] = ()

    def __post_init__(self) -> None:
        numbers = (self.half_spread_ticks, self.instant_ticks_per_lot, self.permanent_ticks_per_lot)
        if not all(0.0 <= number < math.inf for number in numbers):
            raise StudyError("impact", received=f"{self}", expected="finite numbers, none negative")

    @classmethod
    def almgren_chriss(cls, half_spread: float, permanent: float, temporary: float, period_s: float) -> Propagator:
        """The world of Almgren & Chriss for trades ``period_s`` apart.

        Their trade pays nothing for its own permanent impact and eta x (lots / period) for its speed; here it pays half
        of the permanent impact, and that half comes off the instant one.

        Args:
            half_spread: epsilon, ticks.
            permanent: gamma, ticks per lot.
            temporary: eta, ticks per (lot per second).
            period_s: tau, seconds.

        Raises:
            StudyError: eta is below gamma tau / 2, where the optimum would not exist.
        """
        return cls(half_spread, temporary / period_s - 0.5 * permanent, permanent)

    @classmethod
    def obizhaeva_wang(
        cls, depth: float, resilience_per_s: float, permanent: float = 0.0, half_spread: float = 0.0
    ) -> Propagator:
        """The world of Obizhaeva & Wang: a block of depth that a trade walks through and that grows back.

        Args:
            depth: Lots per tick displayed on either side.
            resilience_per_s: Rate at which the gap closes.
            permanent: The part of the gap that stays, ticks per lot; at most 1 / depth.
            half_spread: Ticks.

        Raises:
            StudyError: The depth is not positive, or more is permanent than the walk leaves.
        """
        if depth <= 0:
            raise StudyError("Obizhaeva-Wang impact", received=f"depth {depth}", expected="lots per tick above 0")
        return cls(half_spread, 0.0, permanent, (Decay(1.0 / depth - permanent, resilience_per_s),))

    @property
    def at_once_ticks_per_lot(self) -> float:
        """G(0): the shift right after a trade."""
        return self.permanent_ticks_per_lot + math.fsum(decay.ticks_per_lot for decay in self.decays)

    @property
    def walked_ticks_per_lot(self) -> float:
        """2 instant + G(0): how far beyond the best price the last lot of a trade is found; 1 / depth of the book."""
        return 2.0 * self.instant_ticks_per_lot + self.at_once_ticks_per_lot

    def kernel(self, ages_s: Floats) -> Floats:
        """G at ages of any shape, ticks per lot; ages not negative, seconds."""
        shift = np.full(np.shape(ages_s), self.permanent_ticks_per_lot)
        for decay in self.decays:
            shift += decay.ticks_per_lot * np.exp(-decay.rate_per_s * np.asarray(ages_s))
        return shift

    def matrix(self, times_s: Floats) -> Floats:
        """Impact of trades on one another and themselves, for `sim.closed_forms`.

        Args:
            times_s: (n,) of the trades.

        Returns:
            (n, n) ticks per lot. The spread is not in it: it costs the same for every schedule of one sign.
        """
        ages = np.abs(times_s[:, None] - times_s[None, :])
        return self.kernel(ages) + 2.0 * self.instant_ticks_per_lot * np.eye(len(times_s))

    def expected_cost(self, times_s: Floats, lots: Floats) -> float:
        """Mean shortfall of a schedule fixed beforehand, ticks times lots, spread included; lots bought positive."""
        return self.half_spread_ticks * float(np.abs(lots).sum()) + 0.5 * float(lots @ self.matrix(times_s) @ lots)

    def beyond_consumed_depth(self, ticks_per_lot: float) -> Propagator:
        """What may be laid over a market that lacks the depth we took until it is refilled.

        The walk is charged by that market's book, so spread and instant impact are 0. The gap it leaves is transient
        impact already: it comes off the decays, the fastest first, because depth is refilled before the market forgets.
        Exact where the book refills at the rate of the fastest decay; otherwise the two differ in shape, not in size.

        Args:
            ticks_per_lot: How far a lot taken moves the price that the next lot of the same side pays: 1 / (lots per
                tick) of the displayed book.

        Raises:
            StudyError: The gap alone is more than all transient impact; nothing may be laid over such a market but
                permanent impact.
        """
        transient, left = math.fsum(decay.ticks_per_lot for decay in self.decays), ticks_per_lot
        if not 0.0 <= ticks_per_lot <= transient:
            raise StudyError(
                "impact beyond consumed depth",
                received=f"a gap of {ticks_per_lot} ticks per lot",
                expected=f"0 to {transient}, the transient impact",
                remedy="Lay only the permanent part over this market, or measure both on the same tape.",
            )
        kept = []
        for decay in sorted(self.decays, key=lambda decay: -decay.rate_per_s):
            off = min(left, decay.ticks_per_lot)
            left -= off
            if off < decay.ticks_per_lot:
                kept.append(replace(decay, ticks_per_lot=decay.ticks_per_lot - off))
        return Propagator(0.0, 0.0, self.permanent_ticks_per_lot, tuple(kept))
