"""Long memory of market-order signs by order splitting.

N hidden orders are worked at the same time. At each market order one of them, chosen at random, sends its next child;
when it is finished a new one of random sign and length takes its place. Lengths have P(L >= l) = l^-a, so the sign
autocorrelation falls as lag^-(a - 1): Lillo, Mike and Farmer, "Theory for long memory in supply and demand", Physical
Review E 71, 2005, the variant with a fixed number of hidden orders. Added here: a share of market orders belongs to no
hidden order and has a sign of its own.

The autocorrelation is known exactly at every lag. With C(k) = zeta(a, k + 1) / zeta(a) without a cut, the chance that
an order has k more children behind a given one, and B the number of children of that order's place among the k - 1
market orders between, which is binomial with chance q / N each,

    rho(k) = q (q / N) E C(1 + B).

Here: parameters, exact autocorrelation, simulation. Not here: estimation (sim/sign_memory_fit.py), times of the orders
(sim/hawkes.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from feeds.errors import InsufficientDataError
from sim.compile_options import ENTRY
from sim.random_stream import stream_key, uniform

#: Number of the stream of this process, see sim/random_stream.py.
STREAM = 102
#: Draws of one market order.
_SPLIT, _PLACE, _SIGN, _LENGTH = range(4)
#: Lengths must be whole numbers as floats.
_UNBOUNDED = 1 << 52
#: The binomial is summed up to this many standard deviations around its mean.
_WIDTH = 12.0


@dataclass(frozen=True)
class SignMemory:
    """Parameters of the process.

    Attributes:
        exponent: a > 1 of the lengths of hidden orders; below 2 the memory is long: the autocorrelation has no sum.
        share: q in [0, 1], market orders that belong to a hidden order.
        places: N >= 1, hidden orders worked at the same time. With one or two of them a single huge order may rule all
            of a path, whose statistics then say little about those of the next.
        longest: M >= 1, where lengths are cut: P(L >= l) is 0 behind it. The memory ends at about M N / q lags.
    """

    exponent: float
    share: float = 1.0
    places: int = 1
    longest: int = _UNBOUNDED

    def __post_init__(self) -> None:
        fine = 1.0 < self.exponent < 100.0 and 0.0 <= self.share <= 1.0
        if not (fine and self.places >= 1 and 1 <= self.longest <= _UNBOUNDED):
            raise InsufficientDataError(
                "sign memory",
                received=f"{self}",
                expected="an exponent above 1 (shorter lengths have no mean), a share in [0, 1], at least one place",
            )

    @property
    def decay(self) -> float:
        """Exponent of the autocorrelation's fall at long lags."""
        return self.exponent - 1.0

    @property
    def mean_length(self) -> float:
        """Children of a hidden order on average."""
        return float(self._tail(np.array([1.0]))[0])

    def _tail(self, first: np.ndarray) -> np.ndarray:
        """Sum of P(L >= l) over l from ``first`` on."""
        from scipy.special import zeta

        left = zeta(self.exponent, first) - zeta(self.exponent, self.longest + 1.0)
        return np.where(first <= self.longest, left, 0.0)

    def autocorrelation(self, lags: np.ndarray) -> np.ndarray:
        """(m,) exact autocorrelation of the signs at ``lags`` (m,), whole numbers of at least 1."""
        from scipy.stats import binom

        chance = self.share / self.places
        if chance == 0.0:
            return np.zeros(lags.size)
        found = np.empty(lags.size)
        for at, lag in enumerate(lags):
            between = int(lag) - 1
            mean, sd = between * chance, np.sqrt(between * chance * (1.0 - chance))
            low, high = max(0, int(mean - _WIDTH * sd - 1)), min(between, int(mean + _WIDTH * sd + 2))
            b = np.arange(low, high + 1)
            found[at] = (binom.pmf(b, between, chance) * self._tail(b + 2.0)).sum()
        return np.asarray(self.share * chance * found / self.mean_length)


def simulate_signs(memory: SignMemory, n: int, seed: int) -> np.ndarray:
    """(n,) int8 signs, +1 and -1, of a process that is stationary from the first one on.

    The hidden orders at the beginning are those one meets at a random moment: r more children have the chance
    r^-a / zeta(a). The same seed gives the same signs whatever ``n``.
    """
    rng = np.random.default_rng([seed, STREAM])
    left = _children_to_come(memory, rng)
    sides = np.where(rng.random(memory.places) < 0.5, 1, -1).astype(np.int8)
    signs = np.empty(n, np.int8)
    _simulate(np.uint64(stream_key(seed, STREAM)), memory.exponent, memory.share, memory.longest, left, sides, signs)
    return signs


def _children_to_come(memory: SignMemory, rng: np.random.Generator) -> np.ndarray:
    """(N,) at a random moment; drawn again where a hidden order would be longer than any."""
    left = rng.zipf(memory.exponent, memory.places)
    while (left > memory.longest).any():
        left = np.where(left > memory.longest, rng.zipf(memory.exponent, memory.places), left)
    return np.asarray(left, np.int64)


@njit(**ENTRY)
def _simulate(
    key: np.uint64, exponent: float, share: float, longest: int, left: np.ndarray, sides: np.ndarray, signs: np.ndarray
) -> None:
    """Fill ``signs`` (n,); ``left`` and ``sides`` (N,): children to come and sign of each hidden order, updated."""
    for t in range(signs.size):
        own = 1 if uniform(key, t, _SIGN) < 0.5 else -1
        if uniform(key, t, _SPLIT) >= share:
            signs[t] = own
            continue
        place = min(int(uniform(key, t, _PLACE) * left.size), left.size - 1)
        signs[t] = sides[place]
        left[place] -= 1
        if left[place] == 0:
            sides[place] = own
            left[place] = int(min(uniform(key, t, _LENGTH) ** (-1.0 / exponent), longest))


def sign_autocorrelation(signs: np.ndarray, lags: np.ndarray, *, centred: bool = False) -> np.ndarray:
    """(m,) autocorrelation of signs (n,) at ``lags`` (m,); nan at lags the series is too short for.

    Args:
        signs: +1 and -1.
        lags: Whole numbers of at least 1.
        centred: Take the mean off first. By default it is known to be 0: the mean of a series with long memory differs
            from 0 so much that taking it off bends the autocorrelation at long lags down.
    """
    values = signs.astype(np.float64)
    if centred and values.size:
        values = values - values.mean()
    power = float((values**2).mean()) if values.size else 0.0
    if power == 0.0:
        return np.full(lags.size, np.nan)
    return np.array([_mean_product(values, int(k)) / power for k in lags])


def _mean_product(values: np.ndarray, lag: int) -> float:
    return float((values[lag:] * values[:-lag]).mean()) if lag < values.size else float("nan")
