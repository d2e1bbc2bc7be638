"""Fitting the Hawkes process: known parameters come back, errors are honest, nonsense is refused."""

import numpy as np
import pytest

from feeds.errors import InsufficientDataError
from sim.hawkes import log_likelihood, residual_report, simulate_hawkes
from sim.hawkes_fit import HawkesFit, fit_hawkes, standard_errors
from sim.hawkes_params import HawkesEvents, HawkesParams, power_law_terms

TRUTH = HawkesParams(
    baseline=np.array([0.3, 0.2]),
    branching=np.array([[[0.3, 0.2], [0.1, 0.05]], [[0.15, 0.1], [0.25, 0.2]]]),
    decays=np.array([0.3, 10.0]),
    kinds=("buy", "sell"),
)


@pytest.fixture(scope="module")
def events():
    return simulate_hawkes(TRUTH, 20_000.0, seed=5)


@pytest.fixture(scope="module")
def fitted(events):
    return fit_hawkes(events, HawkesFit(decays_per_s=(1.0, 3.0)))


def test_known_parameters_come_back_within_their_errors(events, fitted):
    errors = standard_errors(fitted.params, events)
    assert fitted.converged and fitted.largest_slope < 1e-4
    for name in ("baseline", "branching", "decays"):
        found, wanted, error = (getattr(source, name) for source in (fitted.params, TRUTH, errors))
        seen = error > 0
        assert seen.mean() > 0.7
        assert (np.abs(found - wanted)[seen] < 4 * error[seen]).all(), name
        assert (error[seen] < 0.5 * np.maximum(wanted[seen], 0.1)).all(), name
    assert fitted.params.spectral_radius == pytest.approx(TRUTH.spectral_radius, abs=0.06)
    np.testing.assert_allclose(fitted.params.mean_rate, events.counts / events.end_s, rtol=0.03)


def test_the_fit_is_likelier_than_the_truth_and_than_constant_rates(events, fitted):
    assert fitted.log_likelihood == pytest.approx(log_likelihood(fitted.params, events).value)
    assert fitted.log_likelihood >= log_likelihood(TRUTH, events).value
    assert fitted.log_likelihood - log_likelihood(TRUTH, events).value < 30
    poisson = HawkesParams(events.counts / events.end_s, np.zeros((2, 2, 1)), np.ones(1), events.kinds)
    assert fitted.poisson_log_likelihood == pytest.approx(log_likelihood(poisson, events).value)
    assert fitted.gain_per_event > 0.2
    assert fitted.parameters == 12


def test_residuals_of_the_fit_are_standard_exponentials(events, fitted):
    assert all(residuals.p_value > 1e-3 for residuals in residual_report(fitted.params, events))


def test_fixed_decays_stay_and_the_second_beginning_finds_the_same_maximum(events, fitted):
    held = fit_hawkes(events, HawkesFit(decays_per_s=(0.3, 10.0), free_decays=False))
    assert held.params.decays.tolist() == [0.3, 10.0]
    assert held.parameters == 10 and held.log_likelihood <= fitted.log_likelihood + 1e-3
    other = fit_hawkes(events, HawkesFit(decays_per_s=(20.0, 0.1)))
    assert other.log_likelihood == pytest.approx(fitted.log_likelihood, abs=0.5)
    assert (np.diff(other.params.decays) > 0).all()


def test_where_nothing_sets_anything_off_next_to_no_branching_is_found():
    rng = np.random.default_rng(2)
    times = np.sort(rng.random(8_000) * 4_000.0)
    events = HawkesEvents(times, rng.integers(0, 2, times.size), 4_000.0, ("a", "b"))
    flat = fit_hawkes(events, HawkesFit(decays_per_s=(1.0,), free_decays=False))
    assert flat.params.spectral_radius < 0.06
    assert flat.gain_per_event < 0.002


def test_a_mirror_ties_buyers_to_sellers(events):
    tied = fit_hawkes(events, HawkesFit(decays_per_s=(0.3, 10.0), mirror=(1, 0))).params
    assert tied.baseline[0] == pytest.approx(tied.baseline[1], rel=1e-9)
    np.testing.assert_allclose(tied.branching, tied.branching[::-1, ::-1], atol=1e-12)
    free = fit_hawkes(events, HawkesFit(decays_per_s=(0.3, 10.0)))
    assert log_likelihood(tied, events).value < free.log_likelihood


def test_a_power_law_kernel_is_recognised_among_steeper_and_flatter_ones():
    def kernel(exponent):
        return power_law_terms(exponent, 0.05, 50.0, 8)

    decays, weights = kernel(0.6)
    truth = HawkesParams(np.array([0.5]), 0.6 * weights[None, None, :], decays)
    events = simulate_hawkes(truth, 20_000.0, seed=8)
    likelihoods = {}
    for exponent in (0.3, 0.6, 1.2):
        decays, weights = kernel(exponent)
        shaped = HawkesParams(0.4 * events.counts / events.end_s, 0.6 * weights[None, None, :], decays)
        likelihoods[exponent] = log_likelihood(shaped, events).value
    assert max(likelihoods, key=likelihoods.get) == 0.6


def test_errors_are_refused_away_from_a_maximum(events):
    twice = HawkesParams(TRUTH.baseline, np.full((2, 2, 2), 0.1), np.array([1.0, 1.0]), TRUTH.kinds)
    with pytest.raises(InsufficientDataError, match="fewer terms"):
        standard_errors(twice, events)


@pytest.mark.parametrize(
    ("how", "text"),
    [
        (HawkesFit(decays_per_s=()), "decays_per_s"),
        (HawkesFit(decays_per_s=(-1.0,)), "decays_per_s"),
        (HawkesFit(decays_per_s=(1e5,)), "decays_per_s"),
        (HawkesFit(mirror=(1, 1)), "mirror"),
        (HawkesFit(least_events=10**6), "at least 1000000 of each"),
    ],
)
def test_settings_that_make_no_sense_are_refused(events, how, text):
    with pytest.raises(InsufficientDataError, match=text):
        fit_hawkes(events, how)
