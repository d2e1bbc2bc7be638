"""Many environments at once are as many single ones, and what Gymnasium promises of a vector environment holds."""

import threading

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from feeds.errors import InsufficientDataError, StudyError
from sim.execution_actions import SliceActions
from sim.execution_env import ExecutionEnv
from sim.execution_task import ActionGrid, ExecutionTask
from sim.flow_market import FlowMarket
from sim.flow_params import FlowParams
from sim.market import BUY, SELL
from sim.observation import FULL, ObservationSet
from sim.vector_env import ExecutionVectorEnv
from tests.support.env_pairs import GRID, TASK, S, flow, hawkes, levels, quotes

N = 5


def vector(n=N, **more):
    return ExecutionVectorEnv(flow(), n, TASK, GRID, **more)


@pytest.fixture(scope="module")
def many():
    return vector()


def random_steps(env, steps, seed=0):
    """Random actions; yields the actions and what came back."""
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        actions = rng.integers(GRID.n, size=env.num_envs)
        yield actions, env.step(actions)


def test_every_row_is_the_single_environment_of_its_seed(many):
    singles = [ExecutionEnv(flow, TASK, GRID) for _ in range(N)]
    seen, info = many.reset(seed=11)
    started = [env.reset(seed=11 + row) for row, env in enumerate(singles)]
    np.testing.assert_array_equal(seen, [one for one, _ in started])
    assert info["side"].tolist() == [told["side"] for _, told in started]
    ends = 0
    for actions, (seen, rewards, terminated, truncated, info) in random_steps(many, 40):
        assert not truncated.any()
        for row, env in enumerate(singles):
            last, reward, ended, _, told = env.step(actions[row])
            assert rewards[row] == reward
            assert terminated[row] == ended
            assert info["remaining_share"][row] == told["remaining_lots"] / told["parent_lots"]
            assert info["reward_impact"][row] == told["reward_impact"]
            if ended:
                ends += 1
                for name in ("is_bps", "spread_bps", "timing_bps", "fees_bps", "walk_bps", "completion", "arrival_ns"):
                    assert info[name][row] == told[name]
                    assert info[f"_{name}"][row]
                assert info["maker_share"][row] == told["maker_share"]
                np.testing.assert_array_equal(info["inventory_path"][row], told["inventory_path"])
                np.testing.assert_array_equal(info["final_obs"][row], last)
                last = env.reset()[0]
            elif "_is_bps" in info:
                assert not info["_is_bps"][row]
            np.testing.assert_array_equal(seen[row], last)
    assert ends > 3 * N


@pytest.mark.parametrize("make", [hawkes, levels, quotes], ids=lambda make: make.__name__)
def test_it_is_so_in_every_market(make):
    rows = ExecutionVectorEnv(make(), 3, TASK, GRID)
    singles = [ExecutionEnv(make, TASK, GRID) for _ in range(3)]
    seen, _ = rows.reset(seed=5)
    np.testing.assert_array_equal(seen, [env.reset(seed=5 + row)[0] for row, env in enumerate(singles)])
    for actions, (seen, rewards, terminated, _, _) in random_steps(rows, 20):
        for row, env in enumerate(singles):
            last, reward, ended, _, _ = env.step(actions[row])
            assert (rewards[row], terminated[row]) == (reward, ended)
            np.testing.assert_array_equal(seen[row], env.reset()[0] if ended else last)


def test_the_streams_of_single_environments_go_on_over_any_number_of_episodes():
    many, single = vector(1), ExecutionEnv(flow, TASK, GRID)
    seen, _ = many.reset(seed=3)
    np.testing.assert_array_equal(seen[0], single.reset(seed=3)[0])
    sell_all = GRID.n - 1
    for _ in range(70):
        ended = False
        while not ended:
            seen, _, done, _, _ = many.step([sell_all])
            ended = single.step(sell_all)[2]
            assert done[0] == ended
        np.testing.assert_array_equal(seen[0], single.reset()[0])


def test_a_row_depends_on_neither_the_number_of_rows_nor_what_was_played_before(many):
    alone = vector(1)
    runs = []
    for env in (many, many, alone):
        env.reset(seed=99)
        list(random_steps(env, 7))
        seen, _ = env.reset(seed=4)
        rows = [seen[0]]
        rng = np.random.default_rng(3)
        for _ in range(15):
            actions = rng.integers(GRID.n, size=N)
            rows.append(env.step(actions[: env.num_envs])[0][0])
        runs.append(np.stack(rows))
    np.testing.assert_array_equal(runs[0], runs[1])
    np.testing.assert_array_equal(runs[0], runs[2])


def test_without_a_seed_the_streams_go_on_and_the_side_can_be_fixed_for_one_episode(many):
    first, _ = many.reset(seed=0)
    second, _ = many.reset()
    assert not np.array_equal(first, second)
    _, info = many.reset(seed=0, options={"side": SELL})
    assert (info["side"] == SELL).all()
    free, _ = many.reset(seed=[3, 4, 5, 6, 7])
    np.testing.assert_array_equal(free, many.reset(seed=3)[0])
    with pytest.raises(StudyError, match="one an environment"):
        many.reset(seed=[1, 2])
    with pytest.raises(StudyError, match="side"):
        many.reset(options={"side": 2})


def test_what_a_step_returns_is_not_overwritten_by_the_next(many):
    many.reset(seed=0)
    actions = np.full(N, GRID.n - 2)
    seen, rewards, terminated, _, info = many.step(actions)
    kept = seen.copy(), rewards.copy(), terminated.copy(), {name: value.copy() for name, value in info.items()}
    for _ in random_steps(many, 6):
        pass
    for mine, theirs in zip((seen, rewards, terminated), kept[:3], strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for name, value in info.items():
        np.testing.assert_array_equal(value, kept[3][name])


def test_the_sum_of_rewards_is_minus_the_shortfall_of_the_episode():
    plain = ExecutionTask(30 * S, 6, 300, taker_fee_bps=0.4)
    env = ExecutionVectorEnv(flow(), N, plain, GRID)
    env.reset(seed=2)
    sums, ends = np.zeros(N), 0
    for _, (_, rewards, ended, _, info) in random_steps(env, 30, seed=5):
        sums += rewards
        if ended.any():
            np.testing.assert_allclose(sums[ended], -info["is_bps"][ended], rtol=1e-9)
            sums[ended], ends = 0.0, ends + ended.sum()
    assert ends > N


def test_gymnasium_takes_it_for_a_vector_environment(many):
    assert isinstance(many, gymnasium.vector.VectorEnv)
    assert many.metadata["autoreset_mode"] is gymnasium.vector.AutoresetMode.SAME_STEP
    seen, _ = many.reset(seed=0)
    assert seen in many.observation_space
    many.action_space.seed(0)
    told = gymnasium.wrappers.vector.RecordEpisodeStatistics(vector(3))
    told.reset(seed=0)
    lengths = []
    for _ in range(8):
        _, _, ended, _, info = told.step(told.action_space.sample())
        lengths += info["episode"]["l"][ended].tolist() if ended.any() else []
    assert lengths
    assert max(lengths) <= TASK.decisions


def test_gymnasium_finds_nothing_wrong_with_a_single_one_of_either_action_space():
    for more in ({}, {"actions": SliceActions()}):
        env = ExecutionEnv(flow, TASK, **more, observation=FULL)
        check_env(env, skip_render_check=True)


@pytest.mark.parametrize("seed", range(4))
def test_continuous_actions_mean_the_same_in_one_and_in_many(seed):
    actions = SliceActions(max_slices=2.0, offsets=(-3, 2))
    many = ExecutionVectorEnv(flow(), 2, TASK, actions=actions)
    one = ExecutionEnv(flow, TASK, actions=actions)
    many.reset(seed=seed)
    one.reset(seed=seed)
    rng = np.random.default_rng(seed)
    for _ in range(4):
        moves = rng.uniform(-1.4, 1.4, (2, 3)).astype(np.float32)
        seen, reward, ended, _, _ = one.step(moves[0])
        seen_too, rewards, ended_too, _, _ = many.step(moves)
        assert reward == rewards[0]
        assert ended == ended_too[0]
        if ended:
            break
        np.testing.assert_array_equal(seen, seen_too[0])


def test_instructions_can_be_given_instead_of_actions(many):
    many.reset(seed=0, options={"side": BUY})
    _, _, _, _, info = many.execute(np.tile([30, 0, 0], (N, 1)))
    np.testing.assert_allclose(info["remaining_share"], 0.9)
    with pytest.raises(StudyError, match="0 or more"):
        many.execute(np.tile([-1, 0, 0], (N, 1)))
    with pytest.raises(StudyError, match="instructions"):
        many.execute([1, 0, 0])


def test_actions_that_do_not_exist_are_refused(many):
    many.reset(seed=0)
    for wrong in ([0] * (N - 1), [GRID.n] * N, [-1] * N):
        with pytest.raises(StudyError, match="whole numbers below"):
            many.step(np.array(wrong))
    smooth = vector(actions=SliceActions())
    smooth.reset(seed=0)
    with pytest.raises(StudyError, match="finite"):
        smooth.step(np.full((N, 3), np.nan))
    with pytest.raises(StudyError, match="at least 1"):
        vector(0)


def test_a_step_before_a_reset_and_a_market_that_is_too_short_are_refused():
    fresh = vector()
    with pytest.raises(StudyError, match="a reset first"):
        fresh.step(np.zeros(N, np.int64))
    short = FlowMarket(FlowParams.example(), start_mid_ticks=1_000_000, horizon_s=10.0)
    with pytest.raises(InsufficientDataError, match="Shorten the horizon"):
        ExecutionVectorEnv(short, 2, TASK).reset(seed=0)


def test_threads_that_step_side_by_side_do_not_touch_each_other():
    envs, results = [vector(3) for _ in range(2)], {}

    def work(number):
        envs[number].reset(seed=7)
        results[number] = np.stack([step[0] for _, step in random_steps(envs[number], 25, seed=1)])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(results[0], results[1])


def test_the_observation_has_the_terms_that_are_asked_for():
    wanted = ObservationSet(("lots_ahead", "elapsed_share", "depth_imbalance_10"))
    few, full = vector(observation=wanted), vector(observation=FULL)
    assert few.single_observation_space.shape == (3,)
    for env in (few, full):
        env.reset(seed=8)
    for (_, (some, *_)), (_, (every, *_)) in zip(random_steps(few, 10), random_steps(full, 10), strict=True):
        np.testing.assert_array_equal(some, every[:, wanted.places])


def test_a_grid_may_have_any_offsets():
    grid = ActionGrid(sizes=(1.0,), styles=(3, -4, "cross"))
    assert [grid.describe(action) for action in range(1, grid.n)] == ["3 inside 1 x", "4 behind 1 x", "cross 1 x"]
    assert grid.instruction(2, 100, 10) == (0, 10, -4)


@pytest.mark.parametrize("threads", [2, 3, 2 * N])
def test_threads_that_share_the_rows_change_nothing(many, threads):
    shared = vector(threads=threads)
    np.testing.assert_array_equal(shared.reset(seed=4)[0], many.reset(seed=4)[0])
    for (_, ours), (_, theirs) in zip(random_steps(shared, 30), random_steps(many, 30), strict=True):
        for found, wanted in zip(ours[:4], theirs[:4], strict=True):
            np.testing.assert_array_equal(found, wanted)
        assert ours[4].keys() == theirs[4].keys()
        for name in ours[4]:
            np.testing.assert_array_equal(ours[4][name], theirs[4][name])
    shared.close()


def test_what_goes_wrong_in_a_row_of_another_thread_is_raised():
    env = vector(threads=2)
    env.reset(seed=0)
    wanted = np.zeros((N, 3), np.int64)
    wanted[-1, 0] = -1
    with pytest.raises(StudyError):
        env.execute(wanted)
    with pytest.raises(StudyError, match="number of threads"):
        vector(threads=0)


def test_lots_of_a_hundred_millionth_leave_every_number_finite():
    task = ExecutionTask(20 * S, 4, 10**12)
    seen, _ = ExecutionVectorEnv(flow(), 2, task, GRID).reset(seed=0)
    assert np.isfinite(seen).all()
    assert seen[0] == pytest.approx(ExecutionEnv(flow, task, GRID).reset(seed=0)[0])
