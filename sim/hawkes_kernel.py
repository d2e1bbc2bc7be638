"""Compiled inner loops of the Hawkes process.

All of them carry one state per kind and term from event to event, since exponentials need no older history: work per
event does not grow with the number of events.

Branching comes in the order [cause or affected, term, other], contiguous in its last index, which the loops run over.

Here: exact simulation, log-likelihood with its gradient, compensators. Not here: checks, and how arrays are laid out
(sim/hawkes.py).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from sim.compile_options import ENTRY, INNER
from sim.random_stream import exponential, uniform

#: Draws of an event's number: the baseline's waiting time, which term, which kind; then one a term.
_BASE, _KIND, _TERMS = 0, 1, 2


@njit(**INNER)
def next_event(
    key: np.uint64, number: int, base_rate: float, decays: np.ndarray, totals: np.ndarray
) -> tuple[float, int]:
    """Waiting time to the next event and the term that sets it off, -1 the baseline.

    Exact and without rejection: given the past, every term is a Poisson process of its own with intensity
    A exp(-b t), whose first point follows by inversion and may never come; the earliest of all is the next event.
    Dassios and Zhao, "Exact simulation of Hawkes process with exponentially decaying intensity", Electronic
    Communications in Probability 18, 2013, algorithm 3.1, here with one process for each term.

    Args:
        key: Of the stream, see sim/random_stream.py.
        number: Of the event.
        base_rate: Sum of all baselines, per second.
        decays: (J,) per second.
        totals: (J,) excitation of each term over all kinds, per second, now.
    """
    wait, term = math.inf, -1
    if base_rate > 0.0:
        wait = exponential(key, number, _BASE) / base_rate
    for j in range(decays.size):
        if totals[j] <= 0.0:
            continue
        spent = decays[j] * exponential(key, number, _TERMS + j) / totals[j]
        if spent < 1.0:
            candidate = -math.log1p(-spent) / decays[j]
            if candidate < wait:
                wait, term = candidate, j
    return wait, term


@njit(**INNER)
def pick(point: float, weights: np.ndarray) -> int:
    """Index of the weight in which ``point``, between 0 and their sum, falls."""
    for i in range(weights.size - 1):
        point -= weights[i]
        if point < 0.0:
            return i
    return int(weights.size - 1)


@njit(**ENTRY)
def simulate(
    key: np.uint64,
    first: int,
    end: float,
    baseline: np.ndarray,
    jumps: np.ndarray,
    decays: np.ndarray,
    excess: np.ndarray,
    totals: np.ndarray,
    clock: np.ndarray,
    times: np.ndarray,
    marks: np.ndarray,
) -> int:
    """Simulate until ``times`` is full or ``end`` is passed; returns the number of events.

    Args:
        key: Of the stream.
        first: Number of the first event.
        end: Seconds.
        baseline: (D,) per second.
        jumps: (D, J, D) [cause, term, affected]: what an event adds to the intensities, per second.
        decays: (J,) per second.
        excess: (J, D) present excitation of every term and kind, per second; updated.
        totals: (J,) scratch.
        clock: (1,) present time, seconds; updated to the last event.
        times: (m,) written.
        marks: (m,) written.
    """
    base_rate = baseline.sum()
    kinds = baseline.size
    for j in range(decays.size):
        totals[j] = excess[j].sum()
    for n in range(times.size):
        number = first + n
        wait, term = next_event(key, number, base_rate, decays, totals)
        if not clock[0] + wait <= end:
            return n
        clock[0] += wait
        for j in range(decays.size):
            kept = math.exp(-decays[j] * wait)
            for i in range(kinds):
                excess[j, i] *= kept
        point = uniform(key, number, _KIND)
        mark = pick(point * base_rate, baseline) if term < 0 else pick(point * excess[term].sum(), excess[term])
        for j in range(decays.size):
            total = 0.0
            for i in range(kinds):
                excess[j, i] += jumps[mark, j, i]
                total += excess[j, i]
            totals[j] = total
        times[n], marks[n] = clock[0], mark
    return int(times.size)


@njit(**ENTRY)
def log_likelihood(
    times: np.ndarray,
    marks: np.ndarray,
    end: float,
    baseline: np.ndarray,
    branching: np.ndarray,
    decays: np.ndarray,
    state: np.ndarray,
    aged: np.ndarray,
    by_baseline: np.ndarray,
    by_branching: np.ndarray,
    by_decay: np.ndarray,
) -> float:
    """Log-likelihood of all events in (0, end] and its exact gradient.

    Two recursions, over R = sum exp(-b age) and S = sum age exp(-b age) of the events of one kind, give the intensity,
    its derivative by the decay, and the compensator as well: what is left of R at ``end`` is what has not come yet.
    Ozaki, "Maximum likelihood estimation of Hawkes' self-exciting point processes", Annals of the Institute of
    Statistical Mathematics 31, 1979.

    Args:
        times: (n,) seconds. Events of one stamp count as one after the other, in their order.
        marks: (n,) kinds.
        end: Seconds.
        baseline: (D,) per second.
        branching: (D, J, D) [affected, term, cause].
        decays: (J,) per second.
        state: (J, D) zeros; scratch for R.
        aged: (J, D) zeros; scratch for S.
        by_baseline: (D,) zeros; the gradient is added.
        by_branching: (D, J, D) zeros; likewise.
        by_decay: (J,) zeros; likewise.
    """
    kinds, terms = baseline.size, decays.size
    total, last = 0.0, 0.0
    for n in range(times.size):
        elapsed, mark = times[n] - last, marks[n]
        last = times[n]
        rate = baseline[mark]
        for j in range(terms):
            kept = math.exp(-decays[j] * elapsed)
            part = 0.0
            for k in range(kinds):
                aged[j, k] = kept * (aged[j, k] + elapsed * state[j, k])
                state[j, k] *= kept
                part += branching[mark, j, k] * state[j, k]
            rate += decays[j] * part
        if rate <= 0.0:
            return -math.inf
        total += math.log(rate)
        inverse = 1.0 / rate
        by_baseline[mark] += inverse
        for j in range(terms):
            part, scale = 0.0, decays[j] * inverse
            for k in range(kinds):
                by_branching[mark, j, k] += scale * state[j, k]
                part += branching[mark, j, k] * (state[j, k] - decays[j] * aged[j, k])
            by_decay[j] += inverse * part
            state[j, mark] += 1.0
    return total - _compensated(
        times, marks, end, last, baseline, branching, decays, state, aged, by_baseline, by_branching, by_decay
    )


@njit(**INNER)
def _compensated(
    times: np.ndarray,
    marks: np.ndarray,
    end: float,
    last: float,
    baseline: np.ndarray,
    branching: np.ndarray,
    decays: np.ndarray,
    state: np.ndarray,
    aged: np.ndarray,
    by_baseline: np.ndarray,
    by_branching: np.ndarray,
    by_decay: np.ndarray,
) -> float:
    """The integral of all intensities; its gradient is taken off. ``by_*`` as in `log_likelihood`."""
    kinds, elapsed, total = baseline.size, end - last, 0.0
    for i in range(kinds):
        total += baseline[i] * end
        by_baseline[i] -= end
    for j in range(decays.size):
        kept = math.exp(-decays[j] * elapsed)
        for k in range(kinds):
            aged[j, k] = kept * (aged[j, k] + elapsed * state[j, k])
            state[j, k] *= kept
    for n in range(times.size):
        for j in range(decays.size):
            state[j, marks[n]] -= 1.0
    for i in range(kinds):
        for j in range(decays.size):
            for k in range(kinds):
                total -= branching[i, j, k] * state[j, k]
                by_branching[i, j, k] += state[j, k]
                by_decay[j] -= branching[i, j, k] * aged[j, k]
    return total


@njit(**ENTRY)
def compensators(
    times: np.ndarray,
    marks: np.ndarray,
    baseline: np.ndarray,
    jumps: np.ndarray,
    decays: np.ndarray,
    excess: np.ndarray,
    passed: np.ndarray,
    rescaled: np.ndarray,
) -> None:
    """Integral of an event's own intensity since the last event of its kind, or since 0.

    Args:
        times: (n,) seconds.
        marks: (n,) kinds.
        baseline: (D,) per second.
        jumps: (D, J, D) [cause, term, affected], per second.
        decays: (J,) per second.
        excess: (J, D) excitation at 0; scratch.
        passed: (D,) zeros; scratch.
        rescaled: (n,) written.
    """
    last = 0.0
    for n in range(times.size):
        elapsed, mark = times[n] - last, marks[n]
        last = times[n]
        for i in range(baseline.size):
            passed[i] += baseline[i] * elapsed
        for j in range(decays.size):
            kept = math.exp(-decays[j] * elapsed)
            gone = -math.expm1(-decays[j] * elapsed) / decays[j]
            for i in range(baseline.size):
                passed[i] += gone * excess[j, i]
                excess[j, i] = kept * excess[j, i] + jumps[mark, j, i]
        rescaled[n], passed[mark] = passed[mark], 0.0


@njit(**ENTRY)
def intensities(
    times: np.ndarray,
    marks: np.ndarray,
    at: np.ndarray,
    baseline: np.ndarray,
    jumps: np.ndarray,
    decays: np.ndarray,
    excess: np.ndarray,
    rates: np.ndarray,
) -> None:
    """Intensities just before each of ``at`` (m,), ascending; ``rates`` (m, D) is written, the rest as above."""
    last, n = 0.0, 0
    for row in range(at.size):
        while n < times.size and times[n] < at[row]:
            for j in range(decays.size):
                kept = math.exp(-decays[j] * (times[n] - last))
                for i in range(baseline.size):
                    excess[j, i] = kept * excess[j, i] + jumps[marks[n], j, i]
            last = times[n]
            n += 1
        for i in range(baseline.size):
            rate = baseline[i]
            for j in range(decays.size):
                rate += excess[j, i] * math.exp(-decays[j] * (at[row] - last))
            rates[row, i] = rate
