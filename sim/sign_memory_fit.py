"""Estimating the memory of market-order signs.

Here: `fit_sign_memory` (least squares on the exact autocorrelation), `power_law_of` (a straight line in logarithms).
Not here: the process (sim/sign_memory.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feeds.errors import InsufficientDataError
from sim.sign_memory import SignMemory, sign_autocorrelation

_LEAST_SIGNS = 100
_PLACES = (1, 2, 3, 5, 8, 13, 21)
_EXPONENTS = np.concatenate([np.arange(1.05, 2.5, 0.05), np.arange(2.5, 4.01, 0.25)])
_COARSE_SHARES = np.arange(0.0, 1.001, 0.05)
#: Lags up to this share of the series are looked at.
_LONGEST_SHARE = 0.05


@dataclass(frozen=True, eq=False)
class FittedSigns:
    """Outcome.

    Attributes:
        memory: The nearest process.
        lags: (m,) lags that were compared.
        measured: (m,) autocorrelation of the signs.
        modelled: (m,) of the process.
        rms_error: Root of the mean squared difference.
    """

    memory: SignMemory
    lags: np.ndarray
    measured: np.ndarray
    modelled: np.ndarray
    rms_error: float


def log_lags(longest: int, per_decade: int = 10) -> np.ndarray:
    """Whole numbers from 1 to ``longest``, evenly spread in logarithms, each once."""
    points = int(np.ceil(np.log10(max(longest, 2)) * per_decade)) + 1
    return np.unique(np.round(np.geomspace(1, max(longest, 1), points)).astype(np.int64))


def fit_sign_memory(
    signs: np.ndarray, *, places: tuple[int, ...] = _PLACES, longest: int = 300, centred: bool = False
) -> FittedSigns:
    """The order-splitting process whose autocorrelation is nearest to that of ``signs``.

    Squared differences at lags evenly spread in logarithms, each of the same weight, over a grid of exponents, shares
    and places, and over a finer one around the best.

    Args:
        signs: (n,) +1 and -1.
        places: Numbers of places to choose from. Share and places are hard to tell apart: both scale the first lags.
        longest: Longest lag, at most a twentieth of the series.
        centred: See `sim.sign_memory.sign_autocorrelation`.

    Raises:
        InsufficientDataError: Fewer than 100 signs, or all alike.
    """
    if signs.size < _LEAST_SIGNS or abs(int(signs.sum(dtype=np.int64))) == signs.size:
        raise InsufficientDataError(
            "memory of signs",
            received=f"{signs.size} signs with sum {int(signs.sum(dtype=np.int64))}",
            expected=f"at least {_LEAST_SIGNS} of both kinds",
            remedy="Use a longer tape.",
        )
    lags = log_lags(min(longest, int(_LONGEST_SHARE * signs.size)))
    measured = sign_autocorrelation(signs, lags, centred=centred)
    memory = _nearest(places, _COARSE_SHARES, _EXPONENTS, lags, measured)
    exponents = memory.exponent + np.arange(-0.09, 0.0901, 0.01)
    shares = np.unique(np.clip(memory.share + np.arange(-0.05, 0.0501, 0.01), 0.0, 1.0))
    memory = _nearest((memory.places,), shares, exponents[exponents > 1.01], lags, measured)
    modelled = memory.autocorrelation(lags)
    return FittedSigns(memory, lags, measured, modelled, float(np.sqrt(np.mean((modelled - measured) ** 2))))


def _nearest(
    places: tuple[int, ...], shares: np.ndarray, exponents: np.ndarray, lags: np.ndarray, measured: np.ndarray
) -> SignMemory:
    """The nearest process of a grid; see sim/sign_memory.py for the autocorrelation."""
    from scipy.special import zeta
    from scipy.stats import binom

    between = np.arange(int(lags[-1]))
    tails = zeta(exponents, between[:, None] + 2.0) / zeta(exponents)
    best, nearest = float((measured**2).sum()), SignMemory(float(exponents[0]), 0.0, places[0])
    for n in places:
        for share in shares[shares > 0.0]:
            weights = binom.pmf(between, lags[:, None] - 1, share / n)
            modelled = share * share / n * (weights @ tails)
            errors = ((modelled - measured[:, None]) ** 2).sum(axis=0)
            at = int(np.argmin(errors))
            if errors[at] < best:
                best, nearest = float(errors[at]), SignMemory(float(exponents[at]), float(share), n)
    return nearest


def power_law_of(signs: np.ndarray, first: int = 1, last: int = 100, *, centred: bool = False) -> tuple[float, float]:
    """Exponent and value at lag 1 of a power law through the sign autocorrelation.

    Least squares in logarithms over lags evenly spread in them, positive autocorrelations only, which biases the
    exponent towards 0 where the autocorrelation is lost in noise: choose ``last`` before that.

    Raises:
        InsufficientDataError: Fewer than 5 positive values.
    """
    lags = log_lags(last)
    lags = lags[lags >= first]
    measured = sign_autocorrelation(signs, lags, centred=centred)
    fine = np.isfinite(measured) & (measured > 0)
    if fine.sum() < 5:
        raise InsufficientDataError(
            "power law of the sign autocorrelation",
            received=f"{int(fine.sum())} positive values at lags {first} to {last}",
            expected="at least 5",
            remedy="Use a longer tape or shorter lags.",
        )
    slope, level = np.polyfit(np.log(lags[fine]), np.log(measured[fine]), 1)
    return -float(slope), float(np.exp(level))
