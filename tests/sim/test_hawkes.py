"""The Hawkes process: simulation against a plain twin and theory, likelihood against sums over all pairs, residuals."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.errors import InsufficientDataError
from sim.hawkes import (
    STREAM,
    intensities_at,
    log_likelihood,
    rescaled_times,
    residual_report,
    simulate_hawkes,
    stream_hawkes,
)
from sim.hawkes_params import HawkesEvents, HawkesParams, power_law_terms
from sim.random_stream import exponential, stream_key, uniform

TRUTH = HawkesParams(
    baseline=np.array([0.3, 0.1]),
    branching=np.array([[[0.2, 0.15], [0.1, 0.0]], [[0.0, 0.3], [0.25, 0.1]]]),
    decays=np.array([0.5, 8.0]),
    kinds=("buy", "sell"),
)


def kernel_value(params, affected, cause, age):
    return float((params.branching[affected, cause] * params.decays * np.exp(-params.decays * age)).sum())


def intensity(params, times, marks, kind, now, count):
    """Of the first ``count`` events, all pairs."""
    return params.baseline[kind] + sum(kernel_value(params, kind, marks[n], now - times[n]) for n in range(count))


def integral(params, times, marks, kind, until):
    total = params.baseline[kind] * until
    for time, mark in zip(times, marks, strict=True):
        if time < until:
            total += float((params.branching[kind, mark] * -np.expm1(-params.decays * (until - time))).sum())
    return total


def twin(params, end, seed):
    """Plain simulation: every term of every pair keeps a list; no recursion over events."""
    key, mean = np.uint64(stream_key(seed, STREAM)), params.mean_rate
    now, events = 0.0, []
    terms, kinds = range(params.decays.size), range(params.baseline.size)

    def excess(kind, j, at):
        b = params.decays[j]
        begun = sum(params.branching[kind, k, j] * mean[k] for k in kinds) * math.exp(-b * at)
        return begun + sum(params.branching[kind, k, j] * b * math.exp(-b * (at - t)) for t, k in events)

    number = -1
    while True:
        number += 1
        choices = [(exponential(key, number, 0) / params.baseline.sum(), -1)]
        for j in terms:
            total, b = sum(excess(i, j, now) for i in kinds), params.decays[j]
            if total == 0.0:
                continue
            left = 1.0 - b * exponential(key, number, 2 + j) / total
            if left > 0:
                choices.append((-math.log(left) / b, j))
        wait, term = min(choices)
        now += wait
        if now > end:
            return events
        weights = [params.baseline[i] if term < 0 else excess(i, term, now) for i in kinds]
        point, chosen = uniform(key, number, 1) * sum(weights), 0
        while point >= weights[chosen]:
            point -= weights[chosen]
            chosen += 1
        events.append((now, chosen))


def thinned(params, end, rng):
    """Ogata's thinning, from nothing."""
    now, times, marks = 0.0, [], []
    while True:
        bound = sum(intensity(params, times, marks, i, now, len(times)) for i in range(params.baseline.size))
        now += rng.exponential(1.0 / bound)
        if now > end:
            return HawkesEvents(np.array(times), np.array(marks, np.int64), end, params.kinds)
        rates = [intensity(params, times, marks, i, now, len(times)) for i in range(params.baseline.size)]
        point = rng.random() * bound
        if point < sum(rates):
            marks.append(int(np.searchsorted(np.cumsum(rates), point, "right")))
            times.append(now)


@st.composite
def processes(draw):
    kinds, terms = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    branching = rng.random((kinds, kinds, terms)) * (rng.random((kinds, kinds, terms)) < 0.7)
    branching *= 0.8 / max(0.8, float(branching.sum(axis=(0, 2)).max()))
    return HawkesParams(rng.random(kinds) + 0.05, branching, np.exp(rng.normal(0, 1.5, terms)))


@settings(max_examples=15, deadline=None)
@given(processes(), st.integers(0, 2**40))
def test_the_compiled_simulation_is_the_plain_one_event_for_event(params, seed):
    made, plain = simulate_hawkes(params, 10.0, seed), twin(params, 10.0, seed)
    assert made.marks.tolist() == [mark for _, mark in plain]
    np.testing.assert_allclose(made.times_s, [time for time, _ in plain], rtol=1e-9)


@settings(max_examples=15, deadline=None)
@given(processes(), st.integers(0, 2**40))
def test_likelihood_compensators_and_intensities_are_the_sums_over_all_pairs(params, seed):
    events = simulate_hawkes(params, 12.0, seed)
    times, marks = events.times_s, events.marks
    by_hand = sum(math.log(intensity(params, times, marks, marks[n], times[n], n)) for n in range(times.size))
    by_hand -= sum(integral(params, times, marks, i, 12.0) for i in range(params.baseline.size))
    assert log_likelihood(params, events).value == pytest.approx(by_hand, rel=1e-9, abs=1e-9)
    last = {}
    for n, found in enumerate(rescaled_times(params, events)):
        total = integral(params, times, marks, marks[n], times[n])
        assert found == pytest.approx(total - last.get(marks[n], 0.0), rel=1e-7, abs=1e-9)
        last[marks[n]] = total
    at = np.linspace(0.5, 12.0, 7)
    for rates, now in zip(intensities_at(params, events, at), at, strict=True):
        before = int(np.searchsorted(times, now))
        wanted = [intensity(params, times, marks, i, now, before) for i in range(params.baseline.size)]
        np.testing.assert_allclose(rates, wanted, rtol=1e-9)


@settings(max_examples=15, deadline=None)
@given(processes(), st.integers(0, 2**40))
def test_the_gradient_is_that_of_differences(params, seed):
    events = simulate_hawkes(params, 30.0, seed)
    found = log_likelihood(params, events)
    scale = max(1.0, abs(found.value))
    for name, slopes in (
        ("baseline", found.by_baseline),
        ("branching", found.by_branching),
        ("decays", found.by_decay),
    ):
        value = getattr(params, name)
        for index in np.ndindex(value.shape):
            step = 1e-6 * max(1e-2, value[index])
            both = []
            for sign in (1, -1) if value[index] > step else (1, 0):
                moved = value.copy()
                moved[index] += sign * step
                parts = {part: getattr(params, part) for part in ("baseline", "branching", "decays")} | {name: moved}
                both.append(log_likelihood(HawkesParams(**parts), events).value)
            width = 2 * step if value[index] > step else step
            tolerance = 1e-8 * scale / step + 1e-3 * abs(slopes[index]) + 1e-3
            assert (both[0] - both[1]) / width == pytest.approx(slopes[index], abs=tolerance)


def test_mean_rates_and_the_covariance_of_counts_are_those_of_theory():
    step, steps = 100.0, 4_000
    events = simulate_hawkes(TRUTH, step * steps, seed=3)
    window = np.minimum((events.times_s / step).astype(np.int64), steps - 1)
    counts = np.array([np.bincount(window[events.marks == i], minlength=steps) for i in range(2)])
    covariance = TRUTH.count_covariance
    error = np.sqrt(np.diag(covariance) / (step * steps))
    rates = np.linalg.inv(np.eye(2) - TRUTH.branching_matrix) @ TRUTH.baseline
    np.testing.assert_allclose(TRUTH.mean_rate, rates)
    assert (np.abs(counts.mean(axis=1) / step - rates) < 4 * error).all()
    np.testing.assert_allclose(np.cov(counts) / step, covariance, rtol=0.12)
    assert covariance[0, 0] > 2 * rates[0]  # a Poisson process would have one of them


def test_from_the_mean_the_first_moments_have_stationary_rates_and_from_nothing_they_have_not():
    slow = HawkesParams(np.array([1.0]), np.array([[[0.8]]]), np.array([0.05]))
    counts = {
        begin: np.array([simulate_hawkes(slow, 5.0, seed, from_mean=begin).times_s.size for seed in range(800)])
        for begin in (True, False)
    }
    error = counts[True].std() / math.sqrt(800)
    assert counts[True].mean() == pytest.approx(25.0, abs=4 * error)
    assert counts[False].mean() < 25.0 - 20 * error


@pytest.mark.parametrize("maker", ["exact", "thinning"])
def test_rescaled_times_of_the_true_process_are_standard_exponentials(maker):
    if maker == "exact":
        events = simulate_hawkes(TRUTH, 40_000.0, seed=9, from_mean=False)
    else:
        events = thinned(TRUTH, 250.0, np.random.default_rng(4))
    for residuals in residual_report(TRUTH, events):
        assert residuals.p_value > 1e-3
        assert residuals.mean == pytest.approx(1.0, abs=4 / math.sqrt(residuals.events))
        assert abs(residuals.neighbours) < 4 / math.sqrt(residuals.events)


def test_rescaled_times_of_a_wrong_process_are_not():
    events = simulate_hawkes(TRUTH, 40_000.0, seed=9, from_mean=False)
    poisson = HawkesParams(TRUTH.mean_rate, np.zeros((2, 2, 1)), np.ones(1), TRUTH.kinds)
    for residuals in residual_report(poisson, events):
        assert residuals.mean == pytest.approx(1.0, abs=0.05)
        assert residuals.p_value < 1e-6
        assert residuals.neighbours > 0.05
        assert residuals.variance > 1.2


def test_chunks_and_ends_change_no_event():
    whole = simulate_hawkes(TRUTH, 500.0, seed=1)
    pieces = list(stream_hawkes(TRUTH, 1, chunk=7, end_s=500.0))
    assert max(times.size for times, _ in pieces) == 7
    assert np.concatenate([times for times, _ in pieces]).tolist() == whole.times_s.tolist()
    longer = simulate_hawkes(TRUTH, 900.0, seed=1)
    n = whole.times_s.size
    assert longer.times_s[:n].tolist() == whole.times_s.tolist() and longer.times_s[n] > 500.0
    assert simulate_hawkes(TRUTH, 500.0, seed=2).times_s.size != n


def test_a_process_that_explodes_is_refused_or_stopped():
    wild = HawkesParams(np.array([1.0]), np.array([[[1.2]]]), np.array([1.0]))
    assert wild.spectral_radius == pytest.approx(1.2)
    with pytest.raises(InsufficientDataError, match="spectral radius"):
        simulate_hawkes(wild, 10.0, 1)
    with pytest.raises(InsufficientDataError, match="at most 100000"):
        simulate_hawkes(wild, 1e6, 1, from_mean=False, most_events=100_000)


def test_scaling_the_branching_keeps_the_mean_rates():
    calm = TRUTH.with_radius(0.3)
    assert calm.spectral_radius == pytest.approx(0.3)
    np.testing.assert_allclose(calm.mean_rate, TRUTH.mean_rate)


@pytest.mark.parametrize("exponent", [0.3, 0.7, 1.5])
def test_a_sum_of_exponentials_follows_the_power_law(exponent):
    decays, weights = power_law_terms(exponent, 0.01, 100.0, 20)
    ages = np.geomspace(1e-4, 30.0, 60)
    made = (weights * decays * np.exp(-ages[:, None] * decays)).sum(axis=1)
    law = exponent / 0.01 * (1.0 + ages / 0.01) ** -(1.0 + exponent)
    ratio = made / law
    assert weights.sum() == pytest.approx(1.0) and (np.diff(decays) > 0).all()
    assert ratio.max() / ratio.min() < 1.1
    beyond = (weights * decays * np.exp(-20_000.0 * decays)).sum() * (1 + 2e6) ** (1 + exponent) * 0.01 / exponent
    assert beyond < 0.1


def test_parameters_survive_json():
    again = HawkesParams.from_json(TRUTH.to_json())
    assert again.kinds == TRUTH.kinds
    for name in ("baseline", "branching", "decays"):
        assert getattr(again, name).tolist() == getattr(TRUTH, name).tolist()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("baseline", {"baseline": np.array([-0.1, 0.2])}),
        ("baseline", {"baseline": np.zeros(2)}),
        ("branching", {"branching": np.full((2, 2, 2), -0.1)}),
        ("branching", {"branching": np.zeros((2, 2, 3))}),
        ("decays", {"decays": np.array([1.0, 0.0])}),
        ("decays", {"decays": np.array([1.0, np.nan])}),
        ("kinds", {"kinds": ("one",)}),
    ],
)
def test_parameters_that_make_no_sense_are_refused(name, change):
    values = {part: getattr(TRUTH, part) for part in ("baseline", "branching", "decays", "kinds")}
    with pytest.raises(InsufficientDataError, match=f"Hawkes parameter {name}"):
        HawkesParams(**(values | change))


@pytest.mark.parametrize(
    ("times", "marks"), [([2.0, 1.0], [0, 0]), ([1.0], [2]), ([1.0, 11.0], [0, 0]), ([1.0], [0, 1]), ([-1.0], [0])]
)
def test_events_out_of_order_or_of_unknown_kind_are_refused(times, marks):
    with pytest.raises(InsufficientDataError, match="point process"):
        HawkesEvents(np.array(times), np.array(marks), 10.0, ("a", "b"))


def test_the_power_law_refuses_what_has_no_meaning():
    with pytest.raises(InsufficientDataError, match="power-law"):
        power_law_terms(0.5, 1.0, 0.5, 10)
