"""Queue-reactive episodes stepped together: the same as alone, in bps, with the state that was asked for."""

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from feeds.errors import StudyError
from sim.qrm_env import QrmEnv
from sim.qrm_params import QrmParams
from sim.qrm_policies import popv, run_schedule
from sim.qrm_task import QrmTask
from sim.qrm_vector import STATES, QrmVectorEnv

EXAMPLE = QrmParams.example()
TASK = QrmTask(parent=12, horizon_s=60.0, decisions=7)
N = 5
BPS = 1e4 / (EXAMPLE.arrival_price * TASK.parent)


def make(state="published", **options):
    return QrmVectorEnv(EXAMPLE, N, TASK, state=state, **options)


@pytest.mark.parametrize("state", ["no_depth", "published"])
def test_each_row_is_the_single_environment_episode_after_episode(state):
    env, width = make(state), 3 if state == "no_depth" else 5
    actions = np.random.default_rng(1).integers(0, 3, (30, N))
    seen, info = env.reset(seed=4)
    assert (info["remaining_share"] == 1.0).all() and (info["drift_bps"] == 0.0).all()
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert seen.shape == env.observation_space.shape == (N, width) and seen.dtype == np.float32
    told = [(seen.copy(), None, None, None)]
    for row in actions:
        seen, rewards, ended, cut, info = env.step(row)
        assert not cut.any()
        told.append((seen, rewards, ended, info))
    for place in range(N):
        alone, episode = QrmEnv(EXAMPLE, TASK), place
        wanted, _ = alone.reset(seed=4, options={"episode": episode})
        for (before, *_), (_, rewards, ended, info), row in zip(told[:-1], told[1:], actions, strict=True):
            assert np.array_equal(before[place], wanted[:width])
            wanted, reward, over, _, at_end = alone.step(int(row[place]))
            assert (rewards[place], ended[place]) == (pytest.approx(reward * BPS), over)
            assert info["remaining_share"][place] == at_end["inventory"] / TASK.parent
            if over:
                assert info["is_bps"][place] == pytest.approx(at_end["shortfall"] * BPS)
                assert info["_is_bps"][place] and info["left"][place] == at_end["left"]
                assert info["final_obs"][place][0] == pytest.approx(2.0 * at_end["left"] / TASK.parent - 1.0)
                assert np.array_equal(info["final_obs"][place][1:], before[place][1:])
                episode += N
                wanted, _ = alone.reset(seed=4, options={"episode": episode})
            elif "_is_bps" in info:
                assert not info["_is_bps"][place]


def test_the_book_state_tells_queues_spread_imbalance_and_the_last_move():
    env = make("book")
    seen, _ = env.reset(seed=9)
    mids, moved = None, np.zeros(N)
    for row in np.random.default_rng(2).integers(0, 3, (20, N)):
        for place in range(N):
            queues = env.batch.state.queues[place].tolist()
            bids, asks = queues[:3], queues[3:]
            bid, ask = (next(level for level, size in enumerate(side) if size) for side in (bids, asks))
            best = (bids[bid] - asks[ask]) / (bids[bid] + asks[ask])
            whole = (sum(bids) - sum(asks)) / sum(queues)
            np.testing.assert_allclose(seen[place, 5:11], (np.array(queues) - 8.356) / 6.446, rtol=1e-5)
            np.testing.assert_allclose(seen[place, 11:], [bid + ask, best, whole, moved[place] / 2.0], atol=1e-6)
        mids = mid_ticks(env)
        seen, _, ended, _, _ = env.step(row)
        moved = np.where(ended, 0.0, mid_ticks(env) - mids)


def mid_ticks(env):
    """From the observed ask price and the spread."""
    seen = env._seen
    ask = seen[:, 2] * TASK.price_scale + TASK.price_offset
    return np.asarray(ask / EXAMPLE.tick - 0.5 * (seen[:, 11] + 1.0), dtype=np.float64).round(2)


def test_drift_is_the_move_of_the_mid_since_arrival_and_stays_where_the_order_ends():
    env = make("book")
    env.reset(seed=3)
    arrival, last = mid_ticks(env), np.zeros(N)
    for row in np.random.default_rng(3).integers(0, 3, (25, N)):
        _, _, ended, _, info = env.step(row)
        since = (mid_ticks(env) - arrival) * EXAMPLE.tick / EXAMPLE.arrival_price * 1e4
        np.testing.assert_allclose(info["drift_bps"], np.where(ended, last, since), atol=1e-6)
        arrival, last = np.where(ended, mid_ticks(env), arrival), np.where(ended, 0.0, since)


def test_a_rule_costs_what_its_compiled_schedule_costs():
    env = QrmVectorEnv(EXAMPLE, 200, TASK, tell_drift=False)
    env.reset(seed=6)
    costs = np.full(200, np.nan)
    for decision in range(TASK.decisions):
        _, _, ended, _, info = env.step(np.full(200, 1 if decision % 2 == 0 else 0))
        assert "drift_bps" not in info
        first = ended & np.isnan(costs)
        if first.any():
            costs[first] = info["is_bps"][first]
    ran = run_schedule(EXAMPLE, TASK, popv(TASK, 2, 0.5), 200, 6)
    np.testing.assert_allclose(costs, ran.shortfall * BPS, atol=1e-9)


def test_a_seed_repeats_itself_and_no_seed_goes_on_to_other_episodes():
    env = make("book")
    first = env.reset(seed=2)[0]
    assert not np.array_equal(env.reset()[0], first)
    assert np.array_equal(env.reset(seed=2)[0], first)


def test_what_cannot_be_is_refused():
    assert "book" in STATES
    with pytest.raises(StudyError, match="state"):
        make("everything")
    with pytest.raises(StudyError, match="books"):
        QrmVectorEnv(EXAMPLE, 0, TASK)
    env = make()
    env.reset(seed=1)
    with pytest.raises(StudyError, match="actions"):
        env.step(np.full(N, 3))
