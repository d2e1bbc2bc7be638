"""Maximum likelihood for the Hawkes process.

With the decays given the log-likelihood is concave in baselines and branching, so whatever the search finds is the
maximum; with free decays it is a local one, and the decays to begin with matter. The search is L-BFGS-B (Byrd, Lu,
Nocedal and Zhu, SIAM Journal on Scientific Computing 16, 1995) with the exact gradient of sim/hawkes_kernel.py.

Here: `fit_hawkes`, `standard_errors`. Not here: events of a tape (sim/hawkes_tape.py), whether the fit is any good
(`sim.hawkes.residual_report`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feeds.errors import InsufficientDataError
from sim.hawkes import likelihood_at
from sim.hawkes_params import HawkesEvents, HawkesParams

#: Bounds of the search: baselines as shares of the rates, branching of one pair and term.
_SHARES, _MOST_BRANCHING = (1e-6, 2.0), 20.0
_BEGIN_SHARE, _BEGIN_BRANCHING = 0.5, 0.5
#: Relative step of the differences in `standard_errors`.
_STEP = 1e-4


@dataclass(frozen=True)
class HawkesFit:
    """How to fit.

    Attributes:
        decays_per_s: Decays of the terms, per second, or where their search begins.
        free_decays: Search them as well.
        slowest_per_s: Lower bound of free decays.
        fastest_per_s: Upper bound of free decays. Should not exceed one over the resolution of the clock: what happens
            inside one stamp is unknown, and a decay that is faster describes how ties were spread.
        mirror: For each kind the one that takes its place when buyers and sellers change places, e.g. (1, 0); baselines
            and branching are then the same under that exchange. Empty: no such symmetry.
        least_events: Of every kind.
        max_iterations: Of the search.
    """

    decays_per_s: tuple[float, ...] = (0.1, 1.0, 10.0)
    free_decays: bool = True
    slowest_per_s: float = 1e-3
    fastest_per_s: float = 1e3
    mirror: tuple[int, ...] = ()
    least_events: int = 20
    max_iterations: int = 500


@dataclass(frozen=True, eq=False)
class FittedHawkes:
    """Outcome.

    Attributes:
        params: The maximum.
        log_likelihood: There.
        poisson_log_likelihood: Of constant rates with the same counts.
        parameters: How many were searched.
        events: How many were fitted.
        converged: Whether the search stopped by itself.
        iterations: Of the search.
        largest_slope: Largest partial derivative of the log-likelihood per event in the units of the search, bounds
            considered: 0 at a maximum.
    """

    params: HawkesParams
    log_likelihood: float
    poisson_log_likelihood: float
    parameters: int
    events: int
    converged: bool
    iterations: int
    largest_slope: float

    @property
    def aic(self) -> float:
        """Akaike's criterion; smaller is better."""
        return 2.0 * self.parameters - 2.0 * self.log_likelihood

    @property
    def gain_per_event(self) -> float:
        """Log-likelihood above constant rates, per event."""
        return (self.log_likelihood - self.poisson_log_likelihood) / self.events


def fit_hawkes(events: HawkesEvents, how: HawkesFit | None = None) -> FittedHawkes:
    """Fit a Hawkes process to events.

    Args:
        events: What was seen; nothing is assumed to have happened before.
        how: Terms and bounds.

    Raises:
        InsufficientDataError: Too few events of a kind; decays or mirror make no sense.
    """
    from scipy.optimize import minimize

    how = how or HawkesFit()
    _check(events, how)
    layout = _Layout(events, how)
    found = minimize(
        layout.objective,
        layout.begin(),
        jac=True,
        method="L-BFGS-B",
        bounds=layout.bounds(),
        options={"maxiter": how.max_iterations, "maxfun": 4 * how.max_iterations, "ftol": 1e-12, "gtol": 1e-7},
    )
    baseline, branching, decays = layout.unpacked(found.x)
    order = np.argsort(decays, kind="stable")
    params = HawkesParams(baseline, branching[:, :, order], decays[order], events.kinds)
    slope = layout.objective(found.x)[1]
    low, high = layout.bounds().T
    slope = np.where((found.x <= low) & (slope > 0) | (found.x >= high) & (slope < 0), 0.0, slope)
    rates = events.counts / events.end_s
    return FittedHawkes(
        params=params,
        log_likelihood=-float(found.fun) * events.times_s.size,
        poisson_log_likelihood=float((events.counts * (np.log(rates) - 1.0)).sum()),
        parameters=layout.free_parameters(),
        events=events.times_s.size,
        converged=bool(found.success),
        iterations=int(found.nit),
        largest_slope=float(np.abs(slope).max()),
    )


def _check(events: HawkesEvents, how: HawkesFit) -> None:
    counts = events.counts
    if counts.min() < how.least_events:
        raise InsufficientDataError(
            "Hawkes fit",
            received=", ".join(f"{kind}: {n} events" for kind, n in zip(events.kinds, counts, strict=True)),
            expected=f"at least {how.least_events} of each kind",
            remedy="Use a longer window, or pool kinds.",
        )
    decays, kinds = np.asarray(how.decays_per_s), len(events.kinds)
    bounded = not how.free_decays or bool(
        ((decays >= how.slowest_per_s) & (decays <= how.fastest_per_s)).all() and how.slowest_per_s > 0
    )
    if decays.size == 0 or decays.min() <= 0 or not bounded:
        raise InsufficientDataError(
            "Hawkes fit: decays_per_s",
            received=f"{how.decays_per_s}",
            expected=f"positive numbers, free ones within {how.slowest_per_s} to {how.fastest_per_s} per second",
        )
    mirror = how.mirror
    if mirror and (sorted(mirror) != list(range(kinds)) or any(mirror[mirror[i]] != i for i in range(kinds))):
        raise InsufficientDataError(
            "Hawkes fit: mirror", received=f"{mirror}", expected=f"pairs of the {kinds} kinds, e.g. (1, 0)"
        )


class _Layout:
    """Between the vector that is searched and the parameters: shares of the rates, branching, logarithms of decays.

    Baselines and branching are searched in units in which the log-likelihood per event is about equally curved: a share
    s of the n_i events of a kind has curvature n_i, and branching n[i, k, j] explains the share n[i, k, j] n_k / n_i.
    """

    def __init__(self, events: HawkesEvents, how: HawkesFit) -> None:
        self.events, self.how = events, how
        self.kinds, self.terms = len(events.kinds), len(how.decays_per_s)
        self.mirror = np.array(how.mirror, np.int64)
        counts = self._mirrored(events.counts.astype(float))
        self.rates = counts / events.end_s
        root = np.sqrt(counts / counts.sum())
        self.units = counts[:, None, None] / counts[None, :, None] * np.ones(self.terms)
        pairs = root[:, None, None] / self.units
        tail = np.ones(self.terms if how.free_decays else 0)
        self.scale = np.concatenate([root, pairs.ravel(), tail])

    def begin(self) -> np.ndarray:
        """Half of every rate is baseline, the rest spread evenly over causes and terms."""
        parts = [np.full(self.kinds, _BEGIN_SHARE), (_BEGIN_BRANCHING / (self.kinds * self.terms) * self.units).ravel()]
        if self.how.free_decays:
            parts.append(np.log(self.how.decays_per_s))
        return np.concatenate(parts) * self.scale

    def bounds(self) -> np.ndarray:
        """(parameters, 2) lower and upper."""
        pairs = self.kinds * self.kinds * self.terms
        bounds = [_SHARES] * self.kinds + [(0.0, _MOST_BRANCHING)] * pairs
        if self.how.free_decays:
            bounds += [(float(np.log(self.how.slowest_per_s)), float(np.log(self.how.fastest_per_s)))] * self.terms
        return np.array(bounds) * self.scale[:, None]

    def free_parameters(self) -> int:
        tied = 2 if self.mirror.size and (self.mirror != np.arange(self.kinds)).all() else 1
        own = (self.kinds + self.kinds * self.kinds * self.terms) // tied
        return own + (self.terms if self.how.free_decays else 0)

    def unpacked(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(D,) baselines, (D, D, J) branching, (J,) decays."""
        d, pairs = self.kinds, self.kinds * self.kinds * self.terms
        x = x / self.scale
        baseline = self._mirrored(x[:d]) * self.rates
        branching = self._mirrored(x[d : d + pairs].reshape(d, d, self.terms))
        decays = np.exp(x[d + pairs :]) if self.how.free_decays else np.array(self.how.decays_per_s, np.float64)
        return baseline, branching, decays

    def _mirrored(self, values: np.ndarray) -> np.ndarray:
        """Mean of values and their mirror image, the identity without a mirror. Its own transpose: maps slopes too."""
        if not self.mirror.size:
            return values
        image = values[self.mirror]
        return 0.5 * (values + (image if values.ndim == 1 else image[:, self.mirror]))

    def objective(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Minus the log-likelihood per event, and its slope."""
        baseline, branching, decays = self.unpacked(x)
        found = likelihood_at(baseline, branching, decays, self.events)
        slopes = [self._mirrored(found.by_baseline * self.rates), self._mirrored(found.by_branching).ravel()]
        if self.how.free_decays:
            slopes.append(found.by_decay * decays)
        n = self.events.times_s.size
        return -found.value / n, -np.concatenate(slopes) / n / self.scale


def standard_errors(params: HawkesParams, events: HawkesEvents) -> HawkesErrors:
    """Standard errors from the curvature of the log-likelihood at its maximum.

    The inverse observed information, its entries central differences of the exact gradient. Branching at 0 is on the
    edge of what is allowed and counts as known. Valid for a fit without mirror; with fixed decays the errors of the
    others are too large.

    Args:
        params: The maximum.
        events: What was fitted.

    Raises:
        InsufficientDataError: The curvature is not negative definite: no maximum, or terms that cannot be told apart.
    """
    at = np.concatenate([params.baseline, params.branching.ravel(), params.decays])
    free = np.flatnonzero(
        at > 1e-6 * np.concatenate([params.baseline + 1e-300, np.ones(at.size - params.baseline.size)])
    )
    d, terms = params.baseline.size, params.decays.size

    def slope(x: np.ndarray) -> np.ndarray:
        found = likelihood_at(x[:d], x[d:-terms].reshape(d, d, terms), x[-terms:], events)
        return np.concatenate([found.by_baseline, found.by_branching.ravel(), found.by_decay])[free]

    information = np.empty((free.size, free.size))
    for row, index in enumerate(free):
        step = np.zeros(at.size)
        step[index] = _STEP * at[index]
        information[row] = (slope(at - step) - slope(at + step)) / (2.0 * step[index])
    information = 0.5 * (information + information.T)
    scale = np.sqrt(np.abs(np.diag(information)))
    scaled = information / np.outer(scale, scale)
    if not np.linalg.eigvalsh(scaled).min() > 1e-10:
        raise InsufficientDataError(
            "standard errors of a Hawkes fit",
            received="a log-likelihood that does not fall off in every direction",
            expected="a maximum",
            remedy="Fit with fewer terms or more events.",
        )
    errors = np.zeros(at.size)
    errors[free] = np.sqrt(np.diag(np.linalg.inv(scaled))) / scale
    return HawkesErrors(errors[:d], errors[d:-terms].reshape(d, d, terms), errors[-terms:])


@dataclass(frozen=True, eq=False)
class HawkesErrors:
    """Standard errors, shaped and in units as in `HawkesParams`; 0 where a value counts as known."""

    baseline: np.ndarray
    branching: np.ndarray
    decays: np.ndarray
