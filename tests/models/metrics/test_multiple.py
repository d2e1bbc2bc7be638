"""Adjusted p-values: hand-made cases, the family-wise error under the null, more power where tests hang together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.errors import SchemaError
from models.metrics.multiple import bootstrap_p_values, holm, romano_wolf


def test_holm_multiplies_the_smallest_by_the_number_and_never_falls():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.5, 0.9]), [1.0, 1.0])
    assert holm([]).size == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_lies_between_the_p_value_and_bonferroni(p):
    adjusted = holm(p)
    assert (adjusted >= np.array(p) - 1e-12).all()
    assert (adjusted <= np.minimum(1.0, len(p) * np.array(p)) + 1e-12).all()


def normal_family(seed, k, shared, mean=0.0, n=60, draws=400):
    random = np.random.default_rng(seed)
    common = random.normal(size=(n, 1))
    values = mean + np.sqrt(shared) * common + np.sqrt(1 - shared) * random.normal(size=(n, k))
    weights = random.multinomial(n, np.full(n, 1 / n), size=draws)
    return values.mean(axis=0), weights @ values / n


def test_without_a_difference_the_chance_of_any_finding_is_about_the_level():
    found = [(romano_wolf(*normal_family(seed, 10, 0.5)) <= 0.1).any() for seed in range(120)]
    assert 0.04 <= np.mean(found) <= 0.17
    alone = [(bootstrap_p_values(*normal_family(seed, 10, 0.5)) <= 0.1).any() for seed in range(60)]
    assert np.mean(alone) > 0.25


def test_where_the_tests_hang_together_it_finds_more_than_holm():
    means, draws = normal_family(1, 12, 0.95, mean=0.3)
    ours, theirs = romano_wolf(means, draws), holm(bootstrap_p_values(means, draws))
    assert (ours <= theirs + 1e-12).all()
    assert ours.mean() < theirs.mean()


def test_a_large_difference_is_found_among_many_that_are_none():
    means, draws = normal_family(2, 10, 0.0)
    random = np.random.default_rng(3)
    adjusted = romano_wolf(np.append(means, 1.0), np.column_stack([draws, 1.0 + 0.1 * random.normal(size=len(draws))]))
    assert adjusted[-1] <= 0.01
    assert (adjusted[:-1] > 0.05).all()


def test_a_difference_that_never_varies_is_certain_unless_it_is_none():
    draws = np.column_stack([np.full(99, 0.5), np.zeros(99)])
    np.testing.assert_allclose(romano_wolf([0.5, 0.0], draws), [0.01, 1.0])


@pytest.mark.parametrize("draws", [np.zeros((5, 3)), np.zeros(2), np.zeros((1, 2))])
def test_draws_that_do_not_fit_are_refused(draws):
    with pytest.raises(SchemaError, match="multiple comparisons"):
        romano_wolf([0.0, 0.0], draws)
