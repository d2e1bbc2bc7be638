"""Properties of whole episodes: costs add up, mirror images, no look at the future, any market."""

import warnings

import numpy as np
import polars as pl
import pytest
from gymnasium.utils.env_checker import check_env

from feeds.errors import StudyError
from sim.execution_env import ExecutionEnv
from sim.execution_task import ActionGrid, ExecutionTask
from sim.flow_market import FlowMarket
from sim.flow_params import FlowParams
from sim.market import BUY, FILL_LOTS, FILL_MAKER, FILL_PRICE, SELL
from sim.replay_market import ReplayMarket
from sim.tape_orders import prepare_tape
from tests.support.tapes import SPEC, fifo_tape, mirrored, span

S = 1_000_000_000
MS = 1_000_000
PRICES = ("price", "bid_px", "ask_px")
REPLAY = ExecutionTask(20 * S, 5, 60, latency_ns=20 * MS, taker_fee_bps=0.4, maker_fee_bps=-0.2)


def play(env, seed, side=None, policy=None):
    """An episode of random actions, or of ``policy``; observations, rewards, infos."""
    rng = np.random.default_rng(seed)
    observation, info = env.reset(seed=seed, options=None if side is None else {"side": side})
    observations, rewards, infos = [observation], [], [info]
    ended = False
    while not ended:
        action = int(rng.integers(env.action_space.n)) if policy is None else policy(info)
        observation, reward, ended, truncated, info = env.step(action)
        assert not truncated
        observations.append(observation)
        rewards.append(reward)
        infos.append(info)
    return observations, rewards, infos


@pytest.fixture(scope="module")
def tape():
    return fifo_tape(12, events=4_000)


@pytest.fixture(scope="module")
def replayed(tape):
    market = ReplayMarket(tape, SPEC, span(tape), REPLAY.episode_ns, refill_half_life_s=2.0)
    return ExecutionEnv(market, REPLAY, symbol=SPEC.id)


def test_gymnasium_finds_nothing_wrong(replayed):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*spec.*")
        check_env(replayed, skip_render_check=True)


@pytest.mark.parametrize("seed", range(15))
def test_costs_add_up_from_the_fills(replayed, seed):
    """Conservation, the decomposition, and the sum of rewards."""
    _, rewards, infos = play(replayed, seed)
    last = infos[-1]
    fills, side, parent = last["fills"], last["side"], last["parent_lots"]
    lots, prices, sign = fills[:, FILL_LOTS], fills[:, FILL_PRICE], 1 if side == BUY else -1
    assert lots.sum() == parent - last["remaining_lots"] == round(last["completion"] * parent)
    assert last["completion"] == 1
    arrival = last["arrival_mid_ticks"]
    cash = (prices * lots).sum()
    rate = np.where(fills[:, FILL_MAKER] == 1, REPLAY.maker_fee_bps, REPLAY.taker_fee_bps)
    fees = (prices * lots * rate).sum() / (arrival * parent)
    paid = sign * (cash - arrival * parent) / (arrival * parent) * 1e4
    assert last["fees_bps"] == pytest.approx(fees)
    assert last["is_bps"] == pytest.approx(paid + fees)
    assert last["spread_bps"] + last["timing_bps"] + last["fees_bps"] == pytest.approx(last["is_bps"])
    assert sum(rewards) == pytest.approx(-last["is_bps"])
    assert last["maker_share"] == pytest.approx(lots[fills[:, FILL_MAKER] == 1].sum() / lots.sum())
    path = last["inventory_path"]
    assert path.shape == (REPLAY.decisions + 1,)
    assert (np.diff(path) <= 0).all()
    assert [info["remaining_lots"] / parent for info in infos] == path[: len(infos)].tolist()
    assert (fills[:, 0] >= last["arrival_ns"]).all()


@pytest.mark.parametrize("seed", range(10))
def test_the_same_seed_gives_the_same_episode_whatever_was_played_before(replayed, seed):
    runs = []
    for before in (50, 51):
        play(replayed, before)
        runs.append(play(replayed, seed))
    for one, other in zip(runs[0][0], runs[1][0], strict=True):
        np.testing.assert_array_equal(one, other)
    assert runs[0][1] == runs[1][1]


def test_fixing_the_side_leaves_the_market_and_both_sides_come_up(replayed):
    sides = set()
    for seed in range(12):
        _, free = replayed.reset(seed=seed)
        fixed = [replayed.reset(seed=seed, options={"side": side})[1] for side in (BUY, SELL)]
        assert {info["arrival_mid_ticks"] for info in (free, *fixed)} == {free["arrival_mid_ticks"]}
        assert {info["now_ns"] for info in (free, *fixed)} == {free["now_ns"]}
        sides.add(free["side"])
    assert sides == {BUY, SELL}
    with pytest.raises(StudyError, match="side"):
        replayed.reset(options={"side": 2})


@pytest.mark.parametrize("seed", range(8))
def test_selling_in_the_mirror_image_is_buying(tape, seed):
    """Prices are far larger than they move, so that bps of both images agree closely."""
    high = [pl.when(pl.col(name) > 0).then(pl.col(name) + 10_000_000).otherwise(0).alias(name) for name in PRICES]
    lifted = tape.with_columns(*high)
    image = mirrored(lifted, around=10_001_001)
    task = ExecutionTask(20 * S, 5, 60, latency_ns=20 * MS)
    runs = []
    for frame, side in ((lifted, BUY), (image, SELL)):
        env = ExecutionEnv(ReplayMarket(frame, SPEC, span(frame), task.episode_ns), task)
        runs.append(play(env, seed, side))
    (seen, rewards, infos), (seen_image, rewards_image, infos_image) = runs
    np.testing.assert_allclose(seen, seen_image, atol=2e-4)
    np.testing.assert_allclose(rewards, rewards_image, rtol=1e-3, atol=1e-6)
    np.testing.assert_array_equal(infos[-1]["fills"][:, [0, 2, 3]], infos_image[-1]["fills"][:, [0, 2, 3]])
    np.testing.assert_array_equal(infos[-1]["inventory_path"], infos_image[-1]["inventory_path"])


def test_nothing_seen_depends_on_what_comes_after_it(tape):
    """The episode on a tape cut at its third decision is the same up to there."""
    bounds, task = span(tape), REPLAY
    env = ExecutionEnv(ReplayMarket(tape, SPEC, bounds, task.episode_ns), task)
    for seed in range(5):
        observations, rewards, infos = play(env, seed, policy=lambda info: 1 + info["decisions_left"] % 2)
        if len(infos) < 4:
            continue
        known = tape.filter(tape["ts_recv"].cum_max() <= infos[3]["now_ns"])
        cut = ExecutionEnv(ReplayMarket(prepare_tape(known), SPEC, bounds, task.episode_ns), task)
        # The start must be the same: it depends on the rows up to it and the bounds alone.
        seen, paid, told = play(cut, seed, policy=lambda info: 1 + info["decisions_left"] % 2)
        np.testing.assert_array_equal(observations[:4], seen[:4])
        assert rewards[:3] == paid[:3]
        assert [info["mid_ticks"] for info in infos[:4]] == [info["mid_ticks"] for info in told[:4]]


@pytest.mark.parametrize("side", [BUY, SELL])
def test_any_policy_ends_flat_in_a_simulated_flow(side):
    params = FlowParams.example()
    task = ExecutionTask(30 * S, 6, 300, latency_ns=10 * MS)
    market = FlowMarket(params, start_mid_ticks=1_000_000, horizon_s=task.episode_ns / S)
    env = ExecutionEnv(lambda: market, task, ActionGrid(styles=("behind", "join", "improve", "cross")))
    for seed in range(10):
        observations, rewards, infos = play(env, seed, side)
        assert infos[-1]["completion"] == 1
        assert sum(rewards) == pytest.approx(-infos[-1]["is_bps"])
        assert all(env.observation_space.contains(observation) for observation in observations)


def test_patience_is_paid_for_in_time_and_haste_in_spread(replayed):
    """Takers pay the spread; those who join the queue are filled at rest for a good part."""
    cross, join = 3, 1
    spread, share = {}, {}
    for action in (cross, join):
        ends = [play(replayed, seed, policy=lambda _, action=action: action)[2][-1] for seed in range(12)]
        spread[action] = np.mean([end["spread_bps"] for end in ends])
        share[action] = np.mean([end["maker_share"] for end in ends])
    assert share[cross] == 0 < 0.3 < share[join]
    assert spread[cross] > spread[join]
