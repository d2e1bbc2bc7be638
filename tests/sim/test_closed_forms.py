"""Closed forms, against published figures and against calculations that know no formula."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.errors import StudyError
from models.execution.almgren_chriss import ImpactModel
from sim.closed_forms import (
    birth_death_law,
    cartea_jaimungal_inventory,
    cheapest_round_trip,
    hawkes_mean_rate,
    obizhaeva_wang_costs,
    obizhaeva_wang_trades,
    optimal_cost,
    optimal_trades,
    price_covariance,
    price_rises_next,
    schedule_cost,
)
from sim.impact_kernels import power_law
from sim.impact_models import Decay, Propagator

#: The example of Almgren and Chriss: a million shares in five days, in dollars and days.
PAPER = ImpactModel(
    shares=1e6, horizon=5, periods=5, volatility=0.95, half_spread=1 / 16, permanent=2.5e-7, temporary=2.5e-6
)
WORLD = Propagator.almgren_chriss(half_spread=1 / 16, permanent=2.5e-7, temporary=2.5e-6, period_s=1.0)
DAYS = np.arange(5.0)


def even(n):
    return np.full(n, 1.0 / n)


def risky(model, times, volatility, risk_aversion):
    return model.matrix(times) + 2.0 * risk_aversion * price_covariance(times, volatility)


def test_the_quadratic_optimum_gives_holdings_cost_and_risk_of_the_paper_of_almgren_and_chriss():
    trades = optimal_trades(risky(WORLD, DAYS, 0.95, 1e-6), 1e6)
    left = 1e6 - np.cumsum(trades)
    np.testing.assert_allclose(left, [541_956, 289_854, 147_898, 62_142, 0], atol=0.5)
    assert WORLD.expected_cost(DAYS, trades) == pytest.approx(911_227, abs=1)
    assert (trades @ price_covariance(DAYS, 0.95) @ trades) ** 0.5 == pytest.approx(603_431, abs=1)
    twap = even(5) * 1e6
    assert WORLD.expected_cost(DAYS, twap) == pytest.approx(662_500, abs=1)
    assert (twap @ price_covariance(DAYS, 0.95) @ twap) ** 0.5 == pytest.approx(1_040_673, abs=1)


def test_at_the_risk_aversion_of_the_paper_an_even_schedule_is_36_9_percent_worse():
    matrix, spread = risky(WORLD, DAYS, 0.95, 1e-6), 62_500
    best = spread + optimal_cost(matrix, 1e6)
    assert (spread + schedule_cost(matrix, even(5) * 1e6)) / best - 1 == pytest.approx(0.369, abs=5e-4)


@pytest.mark.parametrize("risk_aversion", [0.0, 1e-8, 1e-7, 2e-6, 1e-5])
def test_the_quadratic_optimum_is_the_hyperbolic_sine_of_almgren_and_chriss(risk_aversion):
    trades = optimal_trades(risky(WORLD, DAYS, 0.95, risk_aversion), 1e6)
    holdings = PAPER.holdings(risk_aversion)
    np.testing.assert_allclose(trades, -np.diff(holdings), atol=1e-3)
    assert WORLD.expected_cost(DAYS, trades) == pytest.approx(PAPER.mean_cost(holdings))
    assert trades @ price_covariance(DAYS, 0.95) @ trades == pytest.approx(PAPER.cost_variance(holdings))


def test_obizhaeva_and_wang_trade_two_blocks_and_an_even_middle():
    trades = obizhaeva_wang_trades(11, 2.0)
    assert trades[0] == trades[-1] == pytest.approx(0.275374, abs=5e-7)
    np.testing.assert_allclose(trades[1:-1], 0.049917, atol=5e-7)
    assert trades.sum() == pytest.approx(1.0)
    matrix = Propagator.obizhaeva_wang(depth=1.0, resilience_per_s=2.0).matrix(np.linspace(0, 1, 11))
    assert schedule_cost(matrix, trades) == pytest.approx(0.250416, abs=5e-7)
    assert schedule_cost(matrix, even(11)) / schedule_cost(matrix, trades) - 1 == pytest.approx(0.09, abs=5e-5)


@given(st.integers(2, 40), st.floats(0.01, 50.0), st.floats(0.0, 0.9))
def test_the_blocks_are_the_optimum_of_an_exponential_kernel_whatever_is_permanent(n, resilience, permanent):
    model = Propagator.obizhaeva_wang(1.0, resilience, permanent=permanent)
    found = optimal_trades(model.matrix(np.linspace(0, 1, n)), 1.0)
    np.testing.assert_allclose(found, obizhaeva_wang_trades(n, resilience), atol=1e-7)


def test_scheduling_alone_wins_at_most_13_94_percent_under_exponential_resilience():
    resilience = np.linspace(0.1, 20, 4_000)
    costs = np.array([obizhaeva_wang_costs(r) for r in resilience])
    dearer = costs[:, 1] / costs[:, 0] - 1
    assert dearer.max() == pytest.approx(0.1394, abs=5e-5)
    assert resilience[dearer.argmax()] == pytest.approx(2.688, abs=5e-3)


@pytest.mark.parametrize("resilience", [0.5, 2.0, 8.0])
def test_the_continuous_costs_are_the_limit_of_many_trades(resilience):
    times = np.linspace(0, 1, 1_501)
    matrix = Propagator.obizhaeva_wang(1.0, resilience).matrix(times)
    best, flat = obizhaeva_wang_costs(resilience)
    assert optimal_cost(matrix, 1.0) == pytest.approx(best, rel=1e-4)
    assert schedule_cost(matrix, even(1_501)) == pytest.approx(flat, rel=2e-3)


def test_a_power_law_trades_less_and_less_towards_the_middle_and_alike_at_both_ends():
    times = np.linspace(0, 1, 11)
    trades = optimal_trades(power_law(1.0, 0.02, 0.5, 1.0).matrix(times), 1.0)
    np.testing.assert_allclose(trades, trades[::-1], atol=1e-9)
    assert (np.diff(trades[:6]) < 0).all()
    ages = np.abs(times[:, None] - times)
    np.testing.assert_allclose(trades, optimal_trades((1 + ages / 0.02) ** -0.5, 1.0), atol=1e-5)


@given(st.lists(st.floats(-1, 1), min_size=6, max_size=6), st.floats(0.1, 10), st.floats(0, 2))
def test_no_schedule_costs_less_than_the_optimum(trades, rate, instant):
    model = Propagator(instant_ticks_per_lot=instant, permanent_ticks_per_lot=0.3, decays=(Decay(1.0, rate),))
    matrix = model.matrix(np.linspace(0, 1, 6))
    trades = np.array(trades) + (1.0 - sum(trades)) / 6
    assert schedule_cost(matrix, trades) >= optimal_cost(matrix, 1.0) * (1 - 1e-9)
    assert schedule_cost(matrix, optimal_trades(matrix, 1.0)) == pytest.approx(optimal_cost(matrix, 1.0))


def test_the_cheapest_round_trip_costs_under_a_decay_and_earns_under_a_kernel_that_rises():
    times = np.arange(6.0)
    ages = np.abs(times[:, None] - times)
    cost, trades = cheapest_round_trip(np.exp(-0.3 * ages))
    assert cost > 0
    assert trades.sum() == pytest.approx(0, abs=1e-12)
    rising = np.where(ages == 1, 1.5, np.exp(-ages))
    earned, trades = cheapest_round_trip(rising)
    assert earned < 0
    assert schedule_cost(rising, trades) == pytest.approx(earned)
    assert trades @ trades == pytest.approx(1)
    assert trades.sum() == pytest.approx(0, abs=1e-12)


def test_permanent_impact_alone_makes_every_schedule_cost_the_same_and_no_optimum_is_named():
    matrix = Propagator(permanent_ticks_per_lot=2.0).matrix(np.arange(4.0))
    assert schedule_cost(matrix, np.array([1.0, 0, 0, 0])) == schedule_cost(matrix, even(4)) == pytest.approx(1.0)
    assert cheapest_round_trip(matrix)[0] == pytest.approx(0, abs=1e-12)
    with pytest.raises(StudyError, match="positive definite"):
        optimal_trades(np.array([[1.0, 2.0], [2.0, 1.0]]), 1.0)


CARTEA = {"temporary": 0.01, "running_penalty": 0.1, "terminal_penalty": 10.0, "permanent": 0.001}


def test_cartea_and_jaimungal_leave_the_inventory_of_their_book():
    left = cartea_jaimungal_inventory(np.linspace(0, 1, 6), 1.0, **CARTEA)
    np.testing.assert_allclose(left, [1, 0.528876, 0.276449, 0.138337, 0.057428, 0.000267], atol=5e-7)


@pytest.mark.parametrize("phi", [0.0, 1e-3, 0.1, 10.0])
@pytest.mark.parametrize("alpha", [0.05, 1.0, 10.0])
def test_a_fine_schedule_found_by_least_squares_leaves_the_same_inventory(phi, alpha):
    n, k, b = 400, 0.01, 0.001
    step = 1.0 / n
    sold = np.tril(np.ones((n, n))) * step
    held = sold - 0.5 * step * np.eye(n)  # inventory gone by the middle of each period
    excess = alpha - 0.5 * b
    hessian = k * step * np.eye(n) + phi * step * held.T @ held + excess * np.outer(sold[-1], sold[-1])
    speed = np.linalg.solve(hessian, phi * step * held.sum(axis=0) + excess * sold[-1])
    found = 1.0 - np.concatenate([[0.0], sold @ speed])
    formula = cartea_jaimungal_inventory(
        np.linspace(0, 1, n + 1), 1.0, temporary=k, running_penalty=phi, terminal_penalty=alpha, permanent=b
    )
    np.testing.assert_allclose(formula, found, atol=2e-3)


def test_the_inventory_is_smooth_where_the_textbook_divides_by_nothing():
    times, root = np.linspace(0, 1, 5), (0.01 * 0.1) ** 0.5
    about = [
        cartea_jaimungal_inventory(times, 1.0, temporary=0.01, running_penalty=0.1, terminal_penalty=root * factor)
        for factor in (1 - 1e-9, 1.0, 1 + 1e-9)
    ]
    np.testing.assert_allclose(about[0], about[1], atol=1e-8)
    np.testing.assert_allclose(about[2], about[1], atol=1e-8)
    np.testing.assert_allclose(
        cartea_jaimungal_inventory(times, 1.0, temporary=0.01, running_penalty=1e-15, terminal_penalty=1.0),
        cartea_jaimungal_inventory(times, 1.0, temporary=0.01, running_penalty=1e-11, terminal_penalty=1.0),
        atol=1e-6,
    )


@pytest.mark.parametrize(("bid", "ask", "up"), [(1, 1, 0.5), (2, 1, 0.69765), (5, 2, 0.75602), (3, 10, 0.18599)])
def test_cont_and_de_larrard_foretell_the_next_move(bid, ask, up):
    assert price_rises_next(bid, ask) == pytest.approx(up, abs=5e-6)


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 60))
def test_the_longer_queue_is_where_the_price_does_not_go(bid, ask):
    up = price_rises_next(bid, ask)
    assert up + price_rises_next(ask, bid) == pytest.approx(1.0, abs=1e-9)
    assert (up > 0.5) == (bid > ask) or bid == ask
    assert price_rises_next(bid + 1, ask) > up


def test_the_chances_are_those_of_a_random_walk_followed_step_by_step():
    """One step leads to a neighbour: the formula must be the mean of its four neighbours."""
    for bid, ask in ((2, 2), (3, 5), (7, 2)):
        around = [price_rises_next(bid + 1, ask), price_rises_next(bid - 1, ask)]
        around += [price_rises_next(bid, ask + 1), price_rises_next(bid, ask - 1)]
        assert price_rises_next(bid, ask) == pytest.approx(np.mean(around), abs=1e-10)
    # At the edge an empty queue decides.
    assert price_rises_next(1, 1) == pytest.approx(
        np.mean([price_rises_next(2, 1), price_rises_next(1, 2), 0.0, 1.0]), abs=1e-10
    )


@given(st.lists(st.tuples(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3)), min_size=1, max_size=60))
def test_between_neighbouring_sizes_as_many_go_up_as_down(rates):
    births, deaths = np.array(rates).T
    law = birth_death_law(births, deaths)
    assert law.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(law[:-1] * births, law[1:] * deaths, rtol=1e-9, atol=1e-300)


def test_the_law_of_a_queue_is_the_null_vector_of_its_rates():
    sizes = np.arange(60)
    births, deaths = np.full(60, 2.0), 0.3 * (sizes + 1) + 0.5
    rates = np.diag(births, 1) + np.diag(deaths, -1)
    rates -= np.diag(rates.sum(axis=1))
    left = np.linalg.lstsq(np.vstack([rates.T, np.ones(61)]), np.r_[np.zeros(61), 1.0], rcond=None)[0]
    np.testing.assert_allclose(birth_death_law(births, deaths), left, atol=1e-10)


def test_the_mean_rate_of_a_hawkes_process_feeds_itself():
    base, branching = np.array([0.4, 0.1]), np.array([[0.5, 0.2], [0.1, 0.3]])
    mean = hawkes_mean_rate(base, branching)
    np.testing.assert_allclose(mean, base + branching @ mean)
    assert hawkes_mean_rate(np.array([1.0]), np.array([[0.75]])) == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: hawkes_mean_rate(np.ones(2), np.array([[0.5, 0.6], [0.6, 0.5]])), "spectral radius of 1.1"),
        (lambda: birth_death_law(np.ones(3), np.array([1.0, 0.0, 1.0])), "all positive"),
        (lambda: birth_death_law(np.ones(3), np.ones(2)), "as many births"),
        (lambda: price_rises_next(0, 3), "at least 1 each"),
        (lambda: obizhaeva_wang_trades(1, 1.0), "at least 2"),
        (lambda: obizhaeva_wang_trades(3, 0.0), "positive"),
        (lambda: obizhaeva_wang_costs(-1.0), "positive"),
        (lambda: cartea_jaimungal_inventory(np.ones(1), 1.0, **{**CARTEA, "temporary": 0.0}), "k and T positive"),
        (lambda: cartea_jaimungal_inventory(np.ones(1), 1.0, **{**CARTEA, "permanent": 30.0}), "alpha above"),
    ],
)
def test_an_argument_without_an_answer_is_refused(call, said):
    with pytest.raises(StudyError, match=said):
        call()
