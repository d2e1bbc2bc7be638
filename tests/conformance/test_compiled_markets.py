"""The battery every compiled market passes: an episode in it is the one that plain Python plays, number by number."""

from dataclasses import replace

import numpy as np
import pytest

from feeds.errors import InsufficientDataError, StudyError
from sim.execution_env import ExecutionEnv
from sim.execution_task import ExecutionTask
from sim.fees import Fees, FeeTier
from sim.market import BUY, SELL, DeepMarket
from sim.market_kernels import KernelMarket
from sim.observation import FULL
from tests.support.env_pairs import GRID, TASK, S, flow, hawkes, levels, linear, pair, quotes, replay

MAKERS = (flow, hawkes, linear, replay, levels, quotes)


@pytest.fixture(scope="module", params=MAKERS, ids=lambda make: make.__name__)
def envs(request):
    return pair(request.param, observation=FULL)


def instructions(rng, parent):
    """Any instruction: nothing, takes, orders at all distances, more lots than there are."""
    lots = rng.integers(0, parent // 2, 2) * (rng.random(2) < 0.7)
    return int(lots[0]), int(lots[1]), int(rng.integers(-4, 4))


def play(env, seed, side=None):
    rng = np.random.default_rng(seed)
    observation, info = env.reset(seed=seed, options=None if side is None else {"side": side})
    steps, ended = [(observation, 0.0, info)], False
    while not ended:
        observation, reward, ended, _, info = env.execute(instructions(rng, info["parent_lots"]))
        steps.append((observation, reward, info))
    return steps


def same(one, other):
    assert len(one) == len(other)
    for (seen, reward, info), (seen_too, reward_too, info_too) in zip(one, other, strict=True):
        np.testing.assert_allclose(seen, seen_too, rtol=1e-6, atol=1e-7)
        assert reward == pytest.approx(reward_too, rel=1e-12, abs=1e-12)
        assert info.keys() == info_too.keys()
        for name, value in info.items():
            if isinstance(value, float):
                assert value == pytest.approx(info_too[name], rel=1e-12, abs=1e-12), name
            else:
                np.testing.assert_array_equal(value, info_too[name], err_msg=name)


def test_it_is_a_market_with_depths_and_a_compiled_form(envs):
    market = envs[0].market
    assert isinstance(market, KernelMarket)
    assert isinstance(market, DeepMarket)
    market.reset(0)
    depths = market.depths()
    assert depths.shape == (2, 10)
    assert (np.diff(depths, axis=1) >= 0).all()
    view = market.view()
    assert depths[:, 0].tolist() == [view[1], view[3]]
    assert depths[:, 4].tolist() == [view[4], view[5]]


@pytest.mark.parametrize("seed", range(25))
def test_the_compiled_form_plays_the_episode_of_plain_python(envs, seed):
    compiled, plain = envs
    same(play(compiled, seed), play(plain, seed))


@pytest.mark.parametrize("side", [BUY, SELL])
def test_the_market_stays_in_step_with_its_compiled_form(envs, side):
    compiled, plain = envs
    for env in (compiled, plain):
        env.reset(seed=5, options={"side": side})
        env.execute((7, 20, 0))
    one, other = compiled.market, plain.market
    assert one.now_ns == other.now_ns
    np.testing.assert_array_equal(one.view(), other.view())
    np.testing.assert_array_equal(one.own_orders(), other.own_orders())
    np.testing.assert_array_equal(one.depths(), other.depths())
    for market in (one, other):
        market.advance(market.now_ns + S)
        market.take(side, 3)
    np.testing.assert_array_equal(one.fills(), other.fills())


def test_streams_of_episodes_go_on_alike_and_every_style_comes_up(envs):
    compiled, plain = envs
    compiled.reset(seed=1), plain.reset(seed=1)
    rng = np.random.default_rng(0)
    for _ in range(8):
        (seen, info), (seen_too, info_too) = compiled.reset(), plain.reset()
        ended = False
        assert info == info_too
        while not ended:
            np.testing.assert_allclose(seen, seen_too, rtol=1e-6, atol=1e-7)
            action = int(rng.integers(GRID.n))
            seen, reward, ended, _, info = compiled.step(action)
            seen_too, reward_too, ended_too, _, info_too = plain.step(action)
            assert ended == ended_too
            assert reward == pytest.approx(reward_too, rel=1e-12)
            assert info["remaining_lots"] == info_too["remaining_lots"]


def test_mistakes_are_told_as_in_plain_python(envs):
    for env in envs:
        env.reset(seed=0)
        with pytest.raises(StudyError, match="0 or more"):
            env.execute((-1, 0, 0))
        ended = False
        while not ended:
            ended = env.execute((300, 0, 0))[2]
        with pytest.raises(StudyError, match="after its end"):
            env.execute((1, 0, 0))


def test_a_market_that_ends_too_early_is_refused(envs):
    task = ExecutionTask(TASK.horizon_ns + 3_600 * S, 6, 300)
    with pytest.raises(InsufficientDataError, match="Shorten the horizon"):
        ExecutionEnv(envs[0].market, task).reset(seed=0)


@pytest.mark.parametrize("seed", range(4))
def test_a_schedule_of_fees_is_charged_as_in_plain_python_and_as_it_says(seed):
    tier = FeeTier(from_value=120_000.0, taker_bps=1.0, maker_bps=-2.0)
    fees = Fees(taker_bps=5.0, maker_bps=-1.0, taker_ticks_per_lot=0.4, minimum=9.0, tiers=(tier,))
    task = replace(TASK, taker_fee_bps=0.0, maker_fee_bps=0.0, fees=fees)
    compiled, plain = pair(replay, task)
    steps = play(compiled, seed)
    same(steps, play(plain, seed))
    result = steps[-1][2]
    told = float(fees.of(result["fills"]).sum()) * 1e4 / (result["arrival_mid_ticks"] * task.parent_lots)
    assert result["fees_bps"] == pytest.approx(told, rel=1e-9)
    assert result["fees_bps"] != 0.0


def test_a_schedule_beside_the_two_fees_is_refused():
    with pytest.raises(StudyError, match="not both"):
        replace(TASK, fees=Fees(taker_bps=1.0))
