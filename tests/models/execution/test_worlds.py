"""Worlds of known answers: their schedules cost what the closed forms say, on average and without luck."""

from itertools import pairwise

import numpy as np
import pytest

from feeds.errors import StudyError
from models.execution.almgren_chriss import ImpactModel
from models.execution.worlds import (
    MOST,
    MULTIPLES,
    AlmgrenChriss,
    AlmgrenChrissWorld,
    ObizhaevaWang,
    ObizhaevaWangWorld,
)
from sim.closed_forms import obizhaeva_wang_trades, schedule_cost

PAPER = ImpactModel(1e6, 5.0, 5, 0.95, 0.0625, 2.5e-7, 2.5e-6)


def follow(world, holdings, seed=1):
    """Play a schedule of shares left, (trades + 1,); returns the last info and the sum of rewards of each order."""
    world.reset(seed=seed)
    rewards = 0.0
    for k, (before, after) in enumerate(pairwise(holdings)):
        multiple = (1.0 - after / before) * (len(holdings) - 1 - k)
        _, reward, ended, _, info = world.step(np.full((world.num_envs, 1), multiple, np.float32))
        rewards = rewards + reward
    assert ended.all()
    return info, rewards


@pytest.mark.parametrize("risk_aversion", [0.0, 1e-6])
def test_the_schedules_of_almgren_and_chriss_have_their_mean_deviation_and_utility(risk_aversion):
    numbers = AlmgrenChriss(risk_aversion=risk_aversion)
    unit = numbers.currency_per_bps
    holdings = PAPER.holdings(risk_aversion)
    world = AlmgrenChrissWorld(numbers, 40_000, discrete=False)
    info, rewards = follow(world, holdings / PAPER.shares)
    mean, deviation = PAPER.mean_cost(holdings) / unit, PAPER.cost_variance(holdings) ** 0.5 / unit
    error = deviation / 200.0
    assert info["is_bps"].mean() == pytest.approx(mean, abs=4.0 * error)
    assert info["is_bps"].std() == pytest.approx(deviation, rel=0.02)
    utility = mean + risk_aversion * unit * deviation**2
    np.testing.assert_allclose(info["utility_bps"], utility, rtol=1e-5)
    assert -rewards.mean() == pytest.approx(utility, abs=6.0 * rewards.std() / 200.0)
    np.testing.assert_allclose(info["path"][0], holdings / PAPER.shares, atol=1e-6)


def test_the_numbers_of_the_paper_come_back():
    numbers = AlmgrenChriss(risk_aversion=1e-6)
    info, _ = follow(AlmgrenChrissWorld(numbers, 1, discrete=False), PAPER.holdings(0.0) / PAPER.shares)
    assert info["utility_bps"][0] * numbers.currency_per_bps == pytest.approx(662_500 + 1_083_000, rel=1e-5)


@pytest.mark.parametrize("even", [False, True], ids=["optimal", "even"])
def test_the_schedules_of_obizhaeva_and_wang_cost_what_their_quadratic_form_says(even):
    numbers = ObizhaevaWang()
    n = numbers.trades
    trades = np.full(n, 1.0 / n) if even else obizhaeva_wang_trades(n, numbers.resilience)
    apart = np.abs(np.arange(n)[:, None] - np.arange(n)[None, :])
    matrix = numbers.gap_bps * np.exp(-numbers.resilience / (n - 1) * apart)
    info, _ = follow(
        ObizhaevaWangWorld(numbers, 20_000, discrete=False), np.append(1.0, 1.0 - np.cumsum(trades)).clip(0)
    )
    cost = schedule_cost(matrix, trades)
    np.testing.assert_allclose(info["utility_bps"], cost, rtol=1e-5)
    assert info["is_bps"].mean() == pytest.approx(cost, abs=4.0 * info["is_bps"].std() / 20_000**0.5)
    # in shares of the whole gap: the optimum, and 9.00 % more
    assert cost == pytest.approx(numbers.gap_bps * 0.250416 * (1.09 if even else 1.0), rel=1e-4)


@pytest.mark.parametrize("make", [AlmgrenChrissWorld, ObizhaevaWangWorld])
def test_orders_begin_again_once_they_are_done_and_luck_does_not_depend_on_what_is_done(make):
    numbers = AlmgrenChriss() if make is AlmgrenChrissWorld else ObizhaevaWang()
    paths = []
    for action in (0, 4):
        world = make(numbers, 6)
        first, _ = world.reset(seed=3)
        np.testing.assert_array_equal(first[:, :2], [[0.0, 1.0]] * 6)
        for _ in range(2 * numbers.trades):
            seen, _, ended, truncated, info = world.step(np.full(6, action))
            assert not truncated.any()
            if ended[0]:
                np.testing.assert_array_equal(seen, first)
                assert (info["remaining_share"] == 0.0).all() and (info["final_obs"][:, 0] == 1.0).all()
        paths.append(info["drift_bps"])
    # the same prices, up to what trading moves for good: the whole order, either way
    np.testing.assert_allclose(paths[0], paths[1], atol=1e-9)


def test_actions_mean_multiples_of_an_even_split_and_are_cut():
    numbered, continuous = (AlmgrenChrissWorld(AlmgrenChriss(), 2, discrete=kind) for kind in (True, False))
    for world in (numbered, continuous):
        world.reset(seed=1)
    _, _, _, _, info = numbered.step(np.array([MULTIPLES.index(1.5), 0]))
    np.testing.assert_allclose(info["remaining_share"], [0.7, 1.0])
    _, _, _, _, info = continuous.step(np.array([[-1.0], [99.0]]))
    np.testing.assert_allclose(info["remaining_share"], [1.0, 1.0 - MOST / 5.0])


def test_a_world_without_orders_is_refused():
    with pytest.raises(StudyError, match="world of known answers"):
        AlmgrenChrissWorld(AlmgrenChriss(), 0)
