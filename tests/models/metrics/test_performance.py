import math

import numpy as np
import pytest
from scipy.stats import norm

from models.metrics.performance import (
    annualised_return,
    annualised_volatility,
    deflated_sharpe,
    expected_max_sharpe,
    max_drawdown,
    moments,
    probabilistic_sharpe,
    sharpe,
    turnover,
)


def test_a_sharpe_ratio_states_its_annualisation():
    result = sharpe([0.01, 0.02, 0.03], periods_per_year=252)
    assert result.per_period == pytest.approx(2.0)
    assert result.value == pytest.approx(2.0 * math.sqrt(252))
    assert (result.periods_per_year, result.observations) == (252, 3)


def test_returns_scale_with_time_and_volatility_with_its_root():
    returns = [0.01, -0.01, 0.03]
    assert annualised_return(returns, 252).value == pytest.approx(0.01 * 252)
    assert annualised_volatility(returns, 252).value == pytest.approx(0.02 * math.sqrt(252))
    assert annualised_volatility(returns, 365).per_period == pytest.approx(0.02)


def test_what_is_undefined_has_no_value():
    assert sharpe([0.01, 0.01], 252).value is None
    assert sharpe([0.01], 252).value is None
    assert annualised_return([], 252).value is None
    assert annualised_volatility([0.01], 252).value is None


def test_missing_returns_are_left_out_and_not_counted():
    assert sharpe([0.01, math.nan, 0.02, 0.03], 252) == sharpe([0.01, 0.02, 0.03], 252)


def test_the_drawdown_is_measured_from_the_peak_and_from_the_start():
    assert max_drawdown([1.0, 2.0, -4.0, 1.0, -2.0, 9.0]) == 5.0
    assert max_drawdown([-3.0, 1.0]) == 3.0
    assert max_drawdown([1.0, 1.0]) == 0.0
    assert max_drawdown([]) == 0.0


def test_a_round_trip_turns_over_twice_and_a_reversal_too():
    assert turnover([1.0, 1.0, 0.0]) == 2.0
    assert turnover([1.0, -1.0]) == 3.0
    assert turnover([]) == 0.0


def test_moments_of_a_coin_and_of_a_constant():
    assert moments([1.0, -1.0, 1.0, -1.0]) == pytest.approx((0.0, 1.0))
    assert moments([2.0, 2.0]) == (0.0, 3.0)


def test_the_probabilistic_ratio_of_normal_returns_is_the_normal_tail():
    expected = norm.cdf(0.1 * math.sqrt(100) / math.sqrt(1 + 0.5 * 0.01))
    assert probabilistic_sharpe(0.1, 0.0, 101) == pytest.approx(expected)
    assert probabilistic_sharpe(0.1, 0.1, 101) == 0.5
    assert probabilistic_sharpe(0.1, 0.0, 1) is None


def test_fat_left_tails_lower_the_probability():
    plain = probabilistic_sharpe(0.1, 0.0, 101)
    assert probabilistic_sharpe(0.1, 0.0, 101, skewness=-2.0, kurtosis=10.0) < plain


def test_the_worked_example_of_the_paper_is_reproduced():
    # Bailey & Lopez de Prado 2014, section "A numerical example": annual ratio 2.5 over 5 years of 250 days,
    # 100 trials with an annual variance of 1/2, skewness -3, kurtosis 10
    daily, variance = 2.5 / math.sqrt(250), 0.5 / 250
    assert expected_max_sharpe(100, variance) == pytest.approx(0.1132, abs=5e-5)
    probability = deflated_sharpe(daily, 100, 1250, -3.0, 10.0, variance)
    assert probability == pytest.approx(0.9004, abs=5e-4)


def test_one_trial_deflates_nothing_and_more_trials_deflate_more():
    assert expected_max_sharpe(1, 0.5) == 0.0
    assert deflated_sharpe(0.1, 1, 500) == probabilistic_sharpe(0.1, 0.0, 500)
    values = [deflated_sharpe(0.1, trials, 500) for trials in (1, 2, 10, 100)]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == 4


def test_the_expected_maximum_matches_simulation():
    best = np.random.default_rng(0).normal(size=(4000, 50)).max(axis=1).mean()
    assert expected_max_sharpe(50, 1.0) == pytest.approx(best, abs=0.03)
