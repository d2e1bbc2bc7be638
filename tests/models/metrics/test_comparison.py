import math

import numpy as np
import pytest
from scipy.stats import t as student

from models.metrics.comparison import automatic_lags, diebold_mariano, newey_west_variance


def test_without_lags_the_long_run_variance_is_the_plain_one():
    values = np.array([1.0, 2.0, 4.0, 7.0])
    assert newey_west_variance(values, 0) == pytest.approx(values.var())


def test_one_lag_adds_half_weight_of_the_first_autocovariance_twice():
    values = np.array([1.0, -1.0, 1.0, -1.0])
    # gamma0 = 1, gamma1 = -3/4, weight 1 - 1/2
    assert newey_west_variance(values, 1) == pytest.approx(1 + 2 * 0.5 * -0.75)


def test_automatic_lags_follow_the_rule():
    assert automatic_lags(100) == 4
    assert automatic_lags(1000) == 6


def test_the_statistic_of_independent_differences_is_the_t_of_their_mean():
    difference = np.random.default_rng(0).normal(0.3, 1.0, 200)
    test = diebold_mariano(difference, np.zeros(200), lags=0)
    # sd with n, times the Harvey factor sqrt((n-1)/n), is exactly the t statistic with sd of n - 1 times (n-1)/n
    expected = difference.mean() / (difference.std() / math.sqrt(200)) * math.sqrt(199 / 200)
    assert test.statistic == pytest.approx(expected)
    assert test.p_value == pytest.approx(2 * student.sf(abs(expected), 199))
    assert test.n == 200


def test_the_better_forecast_has_a_negative_statistic():
    random = np.random.default_rng(1)
    losses = random.exponential(size=500)
    assert diebold_mariano(losses * 0.5, losses).statistic < -5
    assert diebold_mariano(losses, losses * 0.5).statistic > 5


def test_equal_or_few_losses_make_no_test():
    assert diebold_mariano(np.ones(50), np.ones(50)) is None
    assert diebold_mariano(np.arange(9.0), np.zeros(9)) is None


def test_the_test_rejects_equality_about_as_often_as_it_says():
    random = np.random.default_rng(2)
    p = [diebold_mariano(random.normal(size=120), random.normal(size=120)).p_value for _ in range(400)]
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.11
