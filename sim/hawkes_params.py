"""The multivariate Hawkes process: parameters, what they imply, and kernels of power-law shape.

Events of D kinds arrive with intensities

    lambda_i(t) = mu_i + sum over earlier events l of sum_j n[i, k_l, j] b_j exp(-b_j (t - t_l)),

k_l being the kind of event l. So n[i, k, j] is the mean number of events of kind i that one event of kind k sets off
directly through term j, and 1 / b_j is how long that takes on average. Hawkes, "Spectra of some self-exciting and
mutually exciting point processes", Biometrika 58, 1971.

Here: parameters, branching matrix, mean rates, covariance of counts, sums of exponentials for power laws. Not here:
simulation and likelihood (sim/hawkes.py), estimation (sim/hawkes_fit.py).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from feeds.errors import InsufficientDataError

#: Terms a kernel may have: one draw each and three more must fit in the draws of one number (sim/random_stream.py).
MOST_TERMS = 60


@dataclass(frozen=True, eq=False)
class HawkesParams:
    """Parameters of a process of D kinds with J exponential terms.

    Attributes:
        baseline: (D,) float64, mu: events per second that nothing sets off; not negative, not all 0.
        branching: (D, D, J) float64, n[affected, cause, term]; not negative. Inhibition cannot be expressed.
        decays: (J,) float64, b per second; positive, shared by all pairs of kinds.
        kinds: D names.
    """

    baseline: np.ndarray
    branching: np.ndarray
    decays: np.ndarray
    kinds: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("baseline", "branching", "decays"):
            value = np.array(getattr(self, name), dtype=np.float64)
            value.setflags(write=False)
            object.__setattr__(self, name, value)
        if not self.kinds:
            object.__setattr__(self, "kinds", tuple(str(i) for i in range(self.baseline.size)))
        for name, fine, expected in self._conditions():
            if not fine:
                raise InsufficientDataError(
                    f"Hawkes parameter {name}",
                    received=f"{np.asarray(getattr(self, name)).tolist()}",
                    expected=expected,
                    remedy="Correct the value or estimate it with sim.hawkes_fit.fit_hawkes.",
                )

    def _conditions(self) -> list[tuple[str, bool, str]]:
        mu, n, b = self.baseline, self.branching, self.decays
        return [
            ("baseline", mu.ndim == 1 and bool((mu >= 0).all()) and 0 < mu.sum() < np.inf, "(D,) rates, not all 0"),
            (
                "decays",
                b.ndim == 1 and 1 <= b.size <= MOST_TERMS and bool((b > 0).all() and np.isfinite(b).all()),
                "(J,) positive",
            ),
            (
                "branching",
                n.shape == (mu.size, mu.size, b.size) and bool((n >= 0).all() and np.isfinite(n).all()),
                f"({mu.size}, {mu.size}, {b.size}) numbers that are not negative",
            ),
            ("kinds", len(self.kinds) == mu.size, f"{mu.size} names"),
        ]

    @property
    def branching_matrix(self) -> np.ndarray:
        """(D, D) N: mean direct offspring of kind i of one event of kind k."""
        return np.asarray(self.branching.sum(axis=2))

    @property
    def spectral_radius(self) -> float:
        """Of N. Below 1 the process is stationary; in one dimension it is the share of events set off by others."""
        return float(np.abs(np.linalg.eigvals(self.branching_matrix)).max())

    @property
    def mean_rate(self) -> np.ndarray:
        """(D,) events per second in the stationary state: (I - N)^-1 mu.

        Raises:
            InsufficientDataError: The spectral radius is not below 1.
        """
        self.require_stationary()
        return np.asarray(np.linalg.solve(np.eye(self.baseline.size) - self.branching_matrix, self.baseline))

    @property
    def count_covariance(self) -> np.ndarray:
        """(D, D) limit of the covariance of counts over a long time, per second.

        (I - N)^-1 diag(mean rate) (I - N)^-T; Bacry, Delattre, Hoffmann and Muzy, "Some limit theorems for Hawkes
        processes", Stochastic Processes and their Applications 123, 2013, theorem 2.
        """
        inverse = np.linalg.inv(np.eye(self.baseline.size) - self.branching_matrix)
        return np.asarray(inverse @ np.diag(self.mean_rate) @ inverse.T)

    def require_stationary(self) -> None:
        """Raise InsufficientDataError unless the spectral radius is below 1."""
        if self.spectral_radius >= 1.0:
            raise InsufficientDataError(
                "Hawkes process",
                received=f"spectral radius {self.spectral_radius:.4f}",
                expected="below 1",
                remedy="Estimate on a shorter window, or scale `branching` down.",
            )

    def with_radius(self, radius: float) -> HawkesParams:
        """The same mean rates with all branching scaled to the given spectral radius (below 1)."""
        rate = self.mean_rate
        branching = self.branching * (radius / self.spectral_radius)
        return HawkesParams(np.maximum(rate - branching.sum(axis=2) @ rate, 0.0), branching, self.decays, self.kinds)

    def to_json(self) -> str:
        """One JSON object."""
        arrays = {name: getattr(self, name).tolist() for name in ("baseline", "branching", "decays")}
        return json.dumps({**arrays, "kinds": list(self.kinds)})

    @classmethod
    def from_json(cls, text: str) -> HawkesParams:
        """The inverse of `to_json`."""
        values: dict[str, Any] = json.loads(text)
        baseline, branching, decays = (np.array(values[name]) for name in ("baseline", "branching", "decays"))
        return cls(baseline, branching, decays, tuple(values["kinds"]))


@dataclass(frozen=True, eq=False)
class HawkesEvents:
    """Events seen in (0, ``end_s``].

    Attributes:
        times_s: (n,) float64, seconds, not decreasing.
        marks: (n,) int64, kind 0..D-1.
        end_s: Until when was watched, seconds.
        kinds: D names.
    """

    times_s: np.ndarray
    marks: np.ndarray
    end_s: float
    kinds: tuple[str, ...]

    def __post_init__(self) -> None:
        times, marks = self.times_s, self.marks
        fine = times.shape == marks.shape and times.ndim == 1 and 0 < self.end_s < math.inf
        if fine and times.size:
            inside = times[0] >= 0 and times[-1] <= self.end_s and bool((np.diff(times) >= 0).all())
            fine = inside and marks.min() >= 0 and marks.max() < len(self.kinds)
        if not fine:
            raise InsufficientDataError(
                "events of a point process",
                received=f"{times.shape} times and {marks.shape} marks up to {self.end_s} s",
                expected="as many of each, times in order within (0, end], marks below the number of kinds",
            )

    @property
    def counts(self) -> np.ndarray:
        """(D,) events of each kind."""
        return np.bincount(self.marks, minlength=len(self.kinds))


def power_law_terms(exponent: float, onset_s: float, longest_s: float, terms: int) -> tuple[np.ndarray, np.ndarray]:
    """Decays and weights of a sum of exponentials close to a power law.

    The density p / c (1 + t / c)^-(1 + p) is a gamma mixture of exponentials: its rate is b = u / c with u of shape p.
    The mixture is cut into ``terms`` equal steps of log b, from half of 1 / ``longest_s`` up to where the gamma density
    ends. Up to ``longest_s`` the sum follows the power law; behind it falls off exponentially. Beylkin and Monzón,
    "Approximation by exponential sums revisited", Applied and Computational Harmonic Analysis 28, 2010.

    Args:
        exponent: p > 0: the kernel falls as t^-(1 + p).
        onset_s: c, seconds: the kernel is flat before.
        longest_s: Seconds up to which it shall be a power law.
        terms: J.

    Returns:
        (J,) decays per second, ascending, and (J,) weights that sum to 1: `HawkesParams.branching` of a pair of kinds
        is its branching ratio times the weights.

    Raises:
        InsufficientDataError: A number is out of range.
    """
    if not (exponent > 0 and 0 < onset_s < longest_s and 2 <= terms <= MOST_TERMS):
        raise InsufficientDataError(
            "power-law kernel",
            received=f"exponent {exponent}, {onset_s} s to {longest_s} s, {terms} terms",
            expected=f"a positive exponent, 0 < onset < longest, 2 to {MOST_TERMS} terms",
        )
    lowest = math.log(0.5 * onset_s / longest_s)
    highest = math.log(exponent + 1.0 + 6.0 * math.sqrt(exponent + 1.0))
    log_u = np.linspace(lowest, highest, terms)
    # Density of log b: u^p exp(-u); each term carries it over one step.
    weights = np.exp(exponent * log_u - np.exp(log_u))
    return np.exp(log_u) / onset_s, weights / weights.sum()
