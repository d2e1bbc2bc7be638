"""Order splitting: the exact autocorrelation against sums by hand and simulation, estimation, the synthetic market."""

import dataclasses

import numpy as np
import pytest
from scipy.special import zeta
from scipy.stats import binom

from feeds.errors import InsufficientDataError
from sim.hawkes_fit import HawkesFit
from sim.hawkes_market import OrderMarket, forecast_weights, signs_less_forecast, simulate_market_orders
from sim.hawkes_market_fit import fit_order_market
from sim.hawkes_params import HawkesParams, power_law_terms
from sim.random_stream import stream_key, uniform
from sim.sign_memory import STREAM, SignMemory, _simulate, sign_autocorrelation, simulate_signs
from sim.sign_memory_fit import fit_sign_memory, log_lags, power_law_of

LAGS = np.array([1, 2, 5, 10, 30, 100])


def test_one_hidden_order_at_a_time_has_the_autocorrelation_of_its_lengths():
    tails = np.arange(1, 2_000_000, dtype=float) ** -1.8  # P(L >= l)
    by_hand = [tails[k:].sum() / tails.sum() for k in (1, 2, 5)]
    np.testing.assert_allclose(SignMemory(1.8).autocorrelation(np.array([1, 2, 5])), by_hand, atol=2e-5)


def test_several_hidden_orders_thin_each_other_out():
    memory = SignMemory(1.6, share=0.7, places=3)
    chance = 0.7 / 3
    for lag in (1, 2, 40):
        b = np.arange(lag)
        wanted = 0.7 * chance * (binom.pmf(b, lag - 1, chance) * zeta(1.6, b + 2.0)).sum() / zeta(1.6)
        assert memory.autocorrelation(np.array([lag]))[0] == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize(
    "memory",
    [
        SignMemory(1.5),
        SignMemory(1.7, 0.6, 4),
        SignMemory(2.5, 0.9, 2),
        SignMemory(1.5, 0.0),
        SignMemory(1.3, 0.9, 2, 30),
    ],
)
def test_simulated_signs_have_the_exact_autocorrelation(memory):
    runs = np.array([sign_autocorrelation(simulate_signs(memory, 20_000, seed), LAGS) for seed in range(100)])
    error = runs.std(axis=0) / 10.0
    assert (np.abs(runs.mean(axis=0) - memory.autocorrelation(LAGS)) < 4 * error).all()
    assert (error < 0.025).all()


def test_the_autocorrelation_falls_as_a_power_whose_exponent_is_one_less():
    memory = SignMemory(1.5, 0.8, 5)
    far = memory.autocorrelation(np.array([20_000, 80_000]))
    assert np.log(far[0] / far[1]) / np.log(4) == pytest.approx(memory.decay, abs=0.01)


def test_the_compiled_loop_is_the_plain_one():
    key, exponent, share = np.uint64(stream_key(6, STREAM)), 1.4, 0.7
    left, sides = np.array([3, 1]), np.array([1, -1], np.int8)
    plain, plain_left, plain_sides = [], left.tolist(), sides.tolist()
    for t in range(500):
        own = 1 if uniform(key, t, 2) < 0.5 else -1
        if uniform(key, t, 0) >= share:
            plain.append(own)
            continue
        place = int(uniform(key, t, 1) * 2)
        plain.append(plain_sides[place])
        plain_left[place] -= 1
        if plain_left[place] == 0:
            plain_sides[place], plain_left[place] = own, min(int(uniform(key, t, 3) ** (-1 / exponent)), 40)
    signs = np.empty(500, np.int8)
    _simulate(key, exponent, share, 40, left, sides, signs)
    assert signs.tolist() == plain and left.tolist() == plain_left and sides.tolist() == plain_sides


def test_a_longer_series_begins_with_the_shorter_one():
    memory = SignMemory(1.5, 0.8, 3)
    assert simulate_signs(memory, 300, 4).tolist() == simulate_signs(memory, 900, 4)[:300].tolist()
    assert simulate_signs(memory, 300, 4).tolist() != simulate_signs(memory, 300, 5).tolist()


def test_known_memory_comes_back():
    memory = SignMemory(1.5, share=0.8, places=1)
    fits = [fit_sign_memory(simulate_signs(memory, 200_000, seed), places=(1,)) for seed in range(5)]
    assert np.mean([fit.memory.exponent for fit in fits]) == pytest.approx(1.5, abs=0.06)
    assert np.mean([fit.memory.share for fit in fits]) == pytest.approx(0.8, abs=0.03)
    assert all(fit.rms_error < 0.03 for fit in fits)
    exponents = [power_law_of(simulate_signs(memory, 200_000, seed), 10, 300)[0] for seed in range(5)]
    assert np.mean(exponents) == pytest.approx(0.5, abs=0.08)


def test_several_places_are_found_by_the_shape_of_the_first_lags():
    memory = SignMemory(1.4, share=1.0, places=5)
    fit = fit_sign_memory(simulate_signs(memory, 400_000, 1))
    assert fit.memory.share / fit.memory.places == pytest.approx(0.2, abs=0.06)
    np.testing.assert_allclose(fit.modelled, memory.autocorrelation(fit.lags), atol=0.02)


def test_signs_without_memory_have_none():
    rng = np.random.default_rng(1)
    fit = fit_sign_memory(np.where(rng.random(50_000) < 0.5, 1, -1))
    assert np.abs(fit.modelled).max() < 0.01


def test_taking_the_mean_off_bends_long_memory_down():
    signs = simulate_signs(SignMemory(1.2), 5_000, 3)
    at = np.array([200])
    assert sign_autocorrelation(signs, at, centred=True)[0] < sign_autocorrelation(signs, at)[0]


def test_lags_are_distinct_and_end_where_asked():
    lags = log_lags(300)
    assert lags[0] == 1 and lags[-1] == 300 and (np.diff(lags) > 0).all()


@pytest.mark.parametrize("values", [(1.0, 0.5, 1), (1.5, 1.1, 1), (1.5, 0.5, 0), (1.5, 0.5, 1, 0)])
def test_memory_without_meaning_is_refused(values):
    with pytest.raises(InsufficientDataError, match="sign memory"):
        SignMemory(*values)


@pytest.mark.parametrize("signs", [np.ones(500), np.array([1, -1] * 20)])
def test_too_few_signs_or_one_kind_only_are_refused(signs):
    with pytest.raises(InsufficientDataError, match="memory of signs"):
        fit_sign_memory(signs)


def test_a_power_law_needs_positive_autocorrelations():
    with pytest.raises(InsufficientDataError, match="positive values"):
        power_law_of(np.tile([1, 1, -1, -1, -1, 1], 50), 3, 8)


# The synthetic market


def clustered(radius):
    decays, weights = power_law_terms(0.3, 0.5, 2_000.0, 10)
    branching = radius * np.full((2, 2, 1), 0.5) * weights
    return HawkesParams(np.full(2, 0.5 * (1 - radius)), branching, decays, ("market_buy", "market_sell"))


MARKET = OrderMarket(clustered(0.9), SignMemory(1.5, 0.9, 3, 5_000), impact_bps=0.3, news_bps=0.1)
END = 100_000.0


@pytest.fixture(scope="module")
def path():
    return simulate_market_orders(MARKET, END, seed=2)


def test_signs_remember_and_returns_do_not(path):
    lags = np.arange(1, 21)
    signs = sign_autocorrelation(path.signs, lags)
    assert signs[0] > 0.1 and signs.min() > 0.05
    moves = np.diff(path.log_mid)
    assert np.abs(sign_autocorrelation(moves, lags)).max() < 5 / np.sqrt(moves.size)
    assert path.log_returns(60.0, END).var() == pytest.approx(6 * path.log_returns(10.0, END).var(), rel=0.15)


def test_volatility_clusters_with_activity_and_not_without(path):
    def memory_of_size(made):
        size = np.abs(made.log_returns(10.0, END))
        return float(sign_autocorrelation(size, np.arange(1, 31), centred=True).mean())

    error = 1 / np.sqrt(30 * 10_000)
    assert memory_of_size(path) > 5 * error
    even = dataclasses.replace(MARKET, arrivals=clustered(1e-9))
    assert abs(memory_of_size(simulate_market_orders(even, END, seed=2))) < 4 * error


def test_the_forecast_leaves_what_cannot_be_foretold():
    signs = simulate_signs(MARKET.memory, 100_000, 7)
    surprise = signs_less_forecast(signs, MARKET.memory, 256)
    weights = forecast_weights(MARKET.memory, 256)
    foretold = float(weights @ MARKET.memory.autocorrelation(np.arange(1, 257)))
    assert foretold > 0.05
    assert (surprise**2).mean() == pytest.approx(1.0 - foretold, abs=0.02)
    again = [float(np.dot(weights, signs[t - 256 : t][::-1])) for t in (5_000, 5_001)]
    np.testing.assert_allclose(signs[5_000:5_002] - surprise[5_000:5_002], again, atol=1e-10)


def test_the_same_seed_gives_the_same_path(path):
    again = simulate_market_orders(MARKET, END, seed=2)
    assert again.log_mid.tolist() == path.log_mid.tolist() and again.times_ns.tolist() == path.times_ns.tolist()
    assert path.times_ns.size == path.signs.size == path.log_mid.size


def test_a_market_of_unknown_kinds_is_refused():
    with pytest.raises(InsufficientDataError, match="market of market orders"):
        dataclasses.replace(MARKET, market_kinds=("trade",))


def test_a_fitted_market_has_the_moves_the_memory_and_the_rate_of_the_one_it_was_fitted_to(path):
    times = path.times_ns / 1e9
    mid_times, log_mid = np.append(0.0, times), np.append(0.0, path.log_mid)
    how = HawkesFit(decays_per_s=(0.01, 0.3, 3.0), free_decays=False)
    fitted = fit_order_market(times, path.signs, END, mid_times, log_mid, how, horizon_s=20.0, longest=5_000)
    assert fitted.impact_bps == pytest.approx(MARKET.impact_bps, rel=0.15)
    assert fitted.news_bps == pytest.approx(MARKET.news_bps, abs=0.06)
    lags = np.array([1, 5, 20, 100])
    np.testing.assert_allclose(fitted.memory.autocorrelation(lags), MARKET.memory.autocorrelation(lags), atol=0.04)
    assert fitted.arrivals.mean_rate[0] == pytest.approx(times.size / END, rel=0.02)
    again = simulate_market_orders(fitted, END, seed=3)
    assert again.log_returns(60.0, END).std() == pytest.approx(path.log_returns(60.0, END).std(), rel=0.1)


def test_a_mid_that_does_not_follow_the_signs_has_no_impact(path):
    times, rng = path.times_ns / 1e9, np.random.default_rng(5)
    log_mid = np.append(0.0, np.cumsum(1e-5 * rng.normal(size=times.size)))
    how = HawkesFit(decays_per_s=(0.1,), free_decays=False)
    fitted = fit_order_market(times, path.signs, END, np.append(0.0, times), log_mid, how, horizon_s=20.0)
    assert fitted.impact_bps < 0.02
    assert fitted.news_bps == pytest.approx(0.1, rel=0.05)


def test_a_market_is_not_fitted_to_a_handful_of_orders(path):
    with pytest.raises(InsufficientDataError, match="50 market orders"):
        fit_order_market(path.times_ns[:50] / 1e9, path.signs[:50], END, np.zeros(1), np.zeros(1))
