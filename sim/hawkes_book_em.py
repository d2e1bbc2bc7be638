"""Maximum likelihood for Hawkes intensities times known functions of time, by expectation-maximisation.

Every event is shared out among its possible causes, baseline and earlier events; each cause then gets what it was given
over what it had time to cause (Veen and Schoenberg, "Estimation of space-time branching process models in seismology
using an EM-type algorithm", JASA 103, 2008). A factor multiplies all causes of a kind alike, so it leaves the shares
alone and weights the time. Every step makes the likelihood larger and the expected number of events the observed one.

Here: one pass over the events. Not here: what the factors are (sim/hawkes_book_fit.py).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from sim.compile_options import ENTRY

#: Excitation per second below which an event counts as forgotten.
SPENT = 1e-7


@njit(**ENTRY)
def em_pass(
    times: np.ndarray,
    kinds: np.ndarray,
    factors: np.ndarray,
    baseline: np.ndarray,
    branching: np.ndarray,
    decays: np.ndarray,
    recent: np.ndarray,
    spent: np.ndarray,
    caused: np.ndarray,
    caused_base: np.ndarray,
    exposure: np.ndarray,
    exposure_base: np.ndarray,
    bare: np.ndarray,
) -> float:
    """Share every event out and measure exposure.

    Args:
        times: (n,) seconds, not decreasing.
        kinds: (n,) int64 below D.
        factors: (n, D) what multiplies the intensities from the event before (or 0 s) to each event.
        baseline: (D,) per second.
        branching: (D, J, D) [cause, term, affected].
        decays: (J,) per second.
        recent: (D, J) scratch, zeros.
        spent: (D, J) scratch.
        caused: (D, J, D) output, zeros: events given to each cause and term.
        caused_base: (D,) output, zeros: events given to the baseline.
        exposure: (D, J, D) output, zeros.
        exposure_base: (D,) output, zeros: factor-seconds.
        bare: (n, D) output: integral of the intensity without its factor from the event before to each event.

    Returns:
        Log-likelihood.
    """
    last, value = 0.0, 0.0
    d, terms = recent.shape
    for e in range(times.size):
        passed = times[e] - last
        last = times[e]
        for i in range(d):
            bare[e, i] = baseline[i] * passed
            exposure_base[i] += factors[e, i] * passed
        for j in range(terms):
            kept = math.exp(-decays[j] * passed)
            for k in range(d):
                if recent[k, j] < SPENT:
                    recent[k, j] = 0.0
                    continue
                spent[k, j] = recent[k, j] * (1.0 - kept) / decays[j]
                recent[k, j] *= kept
                for i in range(d):
                    exposure[k, j, i] += factors[e, i] * spent[k, j]
                    bare[e, i] += branching[k, j, i] * spent[k, j]
        own = kinds[e]
        rate = baseline[own]
        for k in range(d):
            for j in range(terms):
                rate += branching[k, j, own] * recent[k, j]
        caused_base[own] += baseline[own] / rate
        for k in range(d):
            for j in range(terms):
                if recent[k, j] > 0.0:
                    caused[k, j, own] += branching[k, j, own] * recent[k, j] / rate
        value += math.log(max(rate * factors[e, own], 1e-300))
        for i in range(d):
            value -= factors[e, i] * bare[e, i]
        for j in range(terms):
            recent[own, j] += decays[j]
    return value
