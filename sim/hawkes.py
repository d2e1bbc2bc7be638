"""The Hawkes process at work: simulation, likelihood, residuals.

Here: `simulate_hawkes`, `stream_hawkes`, `log_likelihood`, `rescaled_times`, `residual_report`, `intensities_at`. Not
here: parameters (sim/hawkes_params.py), estimation (sim/hawkes_fit.py), events of a tape (sim/hawkes_tape.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from feeds.errors import InsufficientDataError
from sim import hawkes_kernel as kernel
from sim.hawkes_params import HawkesEvents, HawkesParams
from sim.random_stream import stream_key

#: Number of the stream of this process, see sim/random_stream.py.
STREAM = 101
_CHUNK = 1 << 16


def stream_hawkes(
    params: HawkesParams, seed: int, *, from_mean: bool = True, chunk: int = _CHUNK, end_s: float = np.inf
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Simulate exactly, chunk by chunk, without end unless ``end_s`` is given.

    The same seed gives the same events whatever ``chunk`` and ``end_s``.

    Args:
        params: Of the process. From the mean it must be stationary.
        seed: Of the random numbers.
        from_mean: Begin with every excitation at its stationary mean, so that the expected rates are the stationary
            ones from the first moment on (their spread takes a few of the longest decay times to build up). Otherwise
            begin without any history, which is what `log_likelihood` and `rescaled_times` assume.
        chunk: Events at a time.
        end_s: Seconds.

    Yields:
        (m,) times in seconds and (m,) int64 marks.

    Raises:
        InsufficientDataError: Not stationary, though ``from_mean``.
    """
    jumps, excess = _jumps(params), np.zeros((params.decays.size, params.baseline.size))
    if from_mean:
        excess[:] = np.einsum("ikj,k->ji", params.branching, params.mean_rate)
    clock, totals, first = np.zeros(1), np.zeros(params.decays.size), 0
    key = np.uint64(stream_key(seed, STREAM))
    while True:
        times, marks = np.empty(chunk), np.empty(chunk, np.int64)
        n = kernel.simulate(
            key, first, end_s, params.baseline, jumps, params.decays, excess, totals, clock, times, marks
        )
        first += n
        if n:
            yield times[:n], marks[:n]
        if n < chunk:
            return


def simulate_hawkes(
    params: HawkesParams, end_s: float, seed: int, *, from_mean: bool = True, most_events: int = 50_000_000
) -> HawkesEvents:
    """All events in (0, ``end_s``], see `stream_hawkes`.

    Raises:
        InsufficientDataError: Not stationary, though ``from_mean``; or more than ``most_events`` came.
    """
    times, marks, n = [np.zeros(0)], [np.zeros(0, np.int64)], 0
    for some_times, some_marks in stream_hawkes(params, seed, from_mean=from_mean, end_s=end_s):
        times.append(some_times)
        marks.append(some_marks)
        n += some_times.size
        if n > most_events:
            raise InsufficientDataError(
                "Hawkes simulation",
                received=f"{n} events by {some_times[-1]:.1f} s of {end_s} s",
                expected=f"at most {most_events}",
                remedy="Lower the branching, shorten the time, or read `stream_hawkes`.",
            )
    return HawkesEvents(np.concatenate(times), np.concatenate(marks), end_s, params.kinds)


@dataclass(frozen=True, eq=False)
class Likelihood:
    """Log-likelihood of a path and its gradient, all in the units of `HawkesParams`.

    Attributes:
        value: Natural logarithm; minus infinity where an event came that could not come.
        by_baseline: (D,).
        by_branching: (D, D, J).
        by_decay: (J,).
    """

    value: float
    by_baseline: np.ndarray
    by_branching: np.ndarray
    by_decay: np.ndarray


def log_likelihood(params: HawkesParams, events: HawkesEvents) -> Likelihood:
    """Exact log-likelihood of events before which nothing happened, and its exact gradient."""
    return likelihood_at(params.baseline, params.branching, params.decays, events)


def likelihood_at(baseline: np.ndarray, branching: np.ndarray, decays: np.ndarray, events: HawkesEvents) -> Likelihood:
    """As `log_likelihood`, from bare arrays (D,), (D, D, J) and (J,)."""
    shape = (decays.size, baseline.size)
    by_baseline, by_decay = np.zeros(baseline.size), np.zeros(decays.size)
    by_branching = np.zeros((baseline.size, *shape))
    value = kernel.log_likelihood(
        events.times_s,
        events.marks,
        float(events.end_s),
        np.array(baseline),
        np.array(branching.transpose(0, 2, 1), order="C"),
        np.array(decays),
        np.zeros(shape),
        np.zeros(shape),
        by_baseline,
        by_branching,
        by_decay,
    )
    return Likelihood(float(value), by_baseline, by_branching.transpose(0, 2, 1), by_decay)


def rescaled_times(params: HawkesParams, events: HawkesEvents) -> np.ndarray:
    """(n,) integral of each event's own intensity since the last event of its kind (or since 0, without history).

    Where the process is the one of ``params`` these are independent standard exponentials, kind by kind. Time-change
    theorem: Meyer 1971; Ogata, "Statistical models for earthquake occurrences", JASA 83, 1988.
    """
    rescaled = np.empty(events.times_s.size)
    kernel.compensators(
        events.times_s,
        events.marks,
        params.baseline,
        _jumps(params),
        params.decays,
        np.zeros((params.decays.size, params.baseline.size)),
        np.zeros(params.baseline.size),
        rescaled,
    )
    return rescaled


def intensities_at(params: HawkesParams, events: HawkesEvents, at_s: np.ndarray) -> np.ndarray:
    """(m, D) intensities per second just before each of ``at_s`` (m,), ascending seconds; nothing happened before 0."""
    rates = np.empty((at_s.size, params.baseline.size))
    kernel.intensities(
        events.times_s,
        events.marks,
        np.asarray(at_s, np.float64),
        params.baseline,
        _jumps(params),
        params.decays,
        np.zeros((params.decays.size, params.baseline.size)),
        rates,
    )
    return rates


@dataclass(frozen=True, eq=False)
class Residuals:
    """How far rescaled times of one kind are from independent standard exponentials.

    Attributes:
        kind: Name.
        events: Number.
        mean: 1 where the model holds.
        variance: 1 where the model holds.
        neighbours: Correlation of one with the next; 0 where the model holds.
        distance: Kolmogorov-Smirnov distance to the standard exponential.
        p_value: Of that distance, were the parameters known beforehand; of estimated ones it is too large.
        quantiles: (q, 2) of the standard exponential and of the rescaled times, at `QUANTILES`.
    """

    kind: str
    events: int
    mean: float
    variance: float
    neighbours: float
    distance: float
    p_value: float
    quantiles: np.ndarray


#: Probabilities of the quantiles that are compared.
QUANTILES = np.array([0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999])
_LEAST = 10


def residual_report(params: HawkesParams, events: HawkesEvents) -> list[Residuals]:
    """One entry a kind that has at least ten events."""
    from scipy.stats import kstest

    rescaled = rescaled_times(params, events)
    found = []
    for mark, kind in enumerate(params.kinds):
        own = rescaled[events.marks == mark]
        if own.size < _LEAST:
            continue
        test = kstest(own, "expon")
        own_quantiles = np.quantile(own, QUANTILES)
        found.append(
            Residuals(
                kind=kind,
                events=own.size,
                mean=float(own.mean()),
                variance=float(own.var()),
                neighbours=float(np.corrcoef(own[1:], own[:-1])[0, 1]),
                distance=float(test.statistic),
                p_value=float(test.pvalue),
                quantiles=np.column_stack([-np.log1p(-QUANTILES), own_quantiles]),
            )
        )
    return found


def _jumps(params: HawkesParams) -> np.ndarray:
    """(D, J, D) [cause, term, affected]: what one event adds to the intensities, per second."""
    return np.ascontiguousarray((params.branching * params.decays).transpose(1, 2, 0))
