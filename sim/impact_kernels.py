"""Kernels of impact as mixtures of decays, and the kernel that a recorded market shows.

Whatever falls like a mixture of exponentials (power laws do) can be written as a permanent part and a few decays, as
closely as one likes over the ages that matter. What cannot be is refused: among such kernels are those under which
round trips earn.

Here: power law, any kernel, the kernel behind a measured response. Not here: the model (sim/impact_models.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from feeds.errors import StudyError
from sim.impact_models import Decay, Floats, Propagator

#: Spacing of the decays of a power law, in logarithms of the rate, and what a decay may lose to count as permanent:
#: together they keep relative errors below 1e-5.
_SPACING, _LOST = 0.5, 1e-6
#: Rates tried for a given kernel, and ages it is compared at.
_RATES, _AGES = 80, 400


def power_law(ticks_per_lot: float, scale_s: float, exponent: float, horizon_s: float) -> Propagator:
    """G(t) = w (1 + t / scale)^-exponent over ages up to the horizon.

    The power is the mixture of e^(-r t / scale) with weights r^(exponent - 1) e^-r / Gamma(exponent); the integral over
    ln r is summed at even steps, where the trapezoidal rule errs by less than any power of the step. What falls slower
    than the horizon lets see becomes the permanent part.

    Args:
        ticks_per_lot: w, the shift right after a trade.
        scale_s: Age from which it falls, seconds.
        exponent: How fast; about .5 is measured, positive.
        horizon_s: Largest age, seconds.

    Raises:
        StudyError: A number is out of range.
    """
    if min(ticks_per_lot, scale_s, exponent, horizon_s) <= 0:
        raise StudyError(
            "power law of impact",
            received=f"weight {ticks_per_lot}, scale {scale_s} s, exponent {exponent}, horizon {horizon_s} s",
            expected="positive numbers",
        )
    # Beyond e^4 there is no weight.
    slowest = math.log(_LOST * scale_s / (horizon_s + scale_s))
    logs = np.arange(slowest, 4.0 + _SPACING, _SPACING)
    weights = _SPACING * np.exp(exponent * logs - np.exp(logs) - math.lgamma(exponent))
    # The slower ones form a geometric series without an end.
    permanent = weights[0] / math.expm1(exponent * _SPACING)
    scale = ticks_per_lot / (weights.sum() + permanent)
    decays = tuple(Decay(float(w * scale), math.exp(r) / scale_s) for w, r in zip(weights, logs, strict=True))
    return Propagator(permanent_ticks_per_lot=permanent * scale, decays=decays)


def mixture(
    kernel: Callable[[Floats], Floats], shortest_s: float, horizon_s: float, tolerance: float = 1e-3
) -> Propagator:
    """Any kernel as a permanent part and decays, by non-negative least squares.

    Args:
        kernel: Ticks per lot at ages in seconds, (n,) to (n,); must take 0.
        shortest_s: Shortest age that matters but 0, e.g. the time between two trades.
        horizon_s: Largest age.
        tolerance: Largest error allowed, as a share of the kernel at 0.

    Raises:
        StudyError: Ages are out of order, or no mixture comes as close: the kernel rises somewhere, or falls too
            abruptly.
    """
    if not 0 < shortest_s < horizon_s:
        raise StudyError(
            "kernel of impact", received=f"ages {shortest_s} to {horizon_s} s", expected="0 < first < last"
        )
    from scipy.optimize import nnls

    ages = np.concatenate([[0.0], np.geomspace(shortest_s, horizon_s, _AGES)])
    rates = np.concatenate([[0.0], np.geomspace(0.01 / horizon_s, 10.0 / shortest_s, _RATES)])
    wanted = np.asarray(kernel(ages), dtype=np.float64)
    weights, _ = nnls(np.exp(-rates * ages[:, None]), wanted)
    decays = tuple(Decay(float(w), float(r)) for w, r in zip(weights[1:], rates[1:], strict=True) if w > 0)
    model = Propagator(permanent_ticks_per_lot=float(weights[0]), decays=decays)
    error = float(np.abs(model.kernel(ages) - wanted).max() / np.abs(wanted[0]))
    if not error <= tolerance:
        raise StudyError(
            "kernel of impact",
            received=f"a kernel that decays approach to {error:.2g} of its start",
            expected=f"{tolerance:.2g}",
            remedy="Give a kernel that falls ever more slowly, a longer first age, or a wider tolerance.",
        )
    return model


def measure_response(signs: Floats, mids: Floats, lags: int) -> tuple[Floats, Floats]:
    """Response and sign correlation of recorded trades, for `kernel_from_response`.

    Args:
        signs: (n,) of the trades in order: 1 bought, -1 sold by the aggressor.
        mids: (n,) before each.
        lags: Largest lag, in trades, below n.

    Returns:
        (lags,) R(1) .. in the unit of ``mids``; (lags,) C(1) .. of the signs, whose mean is not taken off.

    Raises:
        StudyError: Lengths differ, or there are too few trades.
    """
    if len(signs) != len(mids) or not 1 <= lags < len(signs):
        raise StudyError(
            "response",
            received=f"{len(signs)} signs, {len(mids)} mids, {lags} lags",
            expected="as many, more than lags",
        )
    response = [np.mean(signs[:-lag] * (mids[lag:] - mids[:-lag])) for lag in range(1, lags + 1)]
    correlation = [np.mean(signs[:-lag] * signs[lag:]) for lag in range(1, lags + 1)]
    return np.array(response), np.array(correlation)


def kernel_from_response(response: Floats, sign_correlation: Floats) -> Floats:
    """The kernel behind a measured response, in trade time.

    Orders come in runs of one sign, so that the price goes on moving after a trade because of the next ones: the
    response is not the kernel. R(l) = G(l) + sum over 0 < n < l of G(l - n) C(n) + sum over n > 0 of (G(l + n) - G(n))
    C(n) (Bouchaud, Gefen, Potters & Wyart 2004) is solved for G, which is taken as constant from the last lag on.

    Args:
        response: (n,) R(1) .. R(n): mean of sign x (mid before the trade l later - mid before the trade).
        sign_correlation: (n,) C(1) .. C(n) of the trades' signs.

    Returns:
        (n,) G(1) .. G(n) in the unit of ``response``.

    Raises:
        StudyError: Lengths differ, or the system has no single solution.
    """
    n = len(response)
    if n < 1 or len(sign_correlation) != n:
        raise StudyError(
            "response", received=f"{n} lags and {len(sign_correlation)} correlations", expected="as many, at least 1"
        )
    system = np.eye(n)
    for lag in range(1, n + 1):
        for after in range(1, n + 1):
            correlation = sign_correlation[after - 1]
            if after < lag:
                system[lag - 1, lag - after - 1] += correlation
            system[lag - 1, min(lag + after, n) - 1] += correlation
            system[lag - 1, after - 1] -= correlation
    try:
        return np.asarray(np.linalg.solve(system, response), dtype=np.float64)
    except np.linalg.LinAlgError:
        raise StudyError("response", received="signs that determine no kernel", expected="a regular system") from None
