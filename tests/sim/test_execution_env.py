"""The execution environment: what instructions do, what is paid, what is seen."""

import subprocess
import sys

import numpy as np
import pytest

from feeds.errors import InsufficientDataError, StudyError
from sim.execution_env import ExecutionEnv
from sim.execution_task import ExecutionTask
from sim.market import BUY, SELL
from sim.observation import HIGH, LOW, OBSERVATION
from tests.support.scripted_market import ScriptedMarket

S = 1_000_000_000
MS = 1_000_000
#: Four decisions, ten seconds apart, 40 lots.
TASK = ExecutionTask(horizon_ns=40 * S, decisions=4, parent_lots=40)
STILL = [(0, 100, 30, 102, 30)]
END = 100 * S


def scripted(quotes=STILL, task=TASK, side=BUY, **more):
    market = ScriptedMarket(quotes, END)
    env = ExecutionEnv(market, task, **more)
    env.reset(seed=0, options={"side": side})
    market.calls.clear()
    return env, market


def asked(market, *names):
    return [call for call in market.calls if call[0] in names]


def test_a_take_pays_half_the_spread():
    env, market = scripted()
    _, reward, ended, _, info = env.execute((10, 0, 0))
    assert asked(market, "take") == [("take", BUY, 10)]
    assert info["remaining_lots"] == 30
    assert not ended
    # One tick on 101, on a quarter of the order.
    assert reward == pytest.approx(-1e4 / 101 / 4)
    assert info["reward_shortfall_bps"] == reward


def test_orders_rest_at_the_best_price_inside_it_and_behind_it():
    placed = []
    for offset in (0, 1, 5, -2):
        env, market = scripted()
        env.execute((0, 8, offset))
        placed += asked(market, "place")
    # Five increments inside a spread of two would trade: one increment short of the opposite best is the limit.
    assert [call[2] for call in placed] == [100, 101, 101, 98]
    env, market = scripted(side=SELL)
    env.execute((0, 8, 1))
    assert asked(market, "place") == [("place", SELL, 101, 8)]
    env, market = scripted(quotes=[(0, 100, 30, 101, 30)])
    env.execute((0, 8, 1))
    assert asked(market, "place") == [("place", BUY, 100, 8)]


def test_what_rests_at_the_wanted_price_keeps_its_place():
    env, market = scripted()
    env.execute((0, 10, 0))
    env.execute((0, 15, 0))
    assert asked(market, "place", "cancel") == [("place", BUY, 100, 10), ("place", BUY, 100, 5)]
    env.execute((0, 7, 0))
    assert asked(market, "place", "cancel")[2:] == [("cancel", 0, 3), ("cancel", 1, 0)]


def test_orders_at_another_price_are_cancelled_and_waiting_cancels_all():
    env, market = scripted()
    env.execute((0, 10, 0))
    env.execute((0, 10, 1))
    assert asked(market, "place", "cancel")[1:] == [("cancel", 0, 0), ("place", BUY, 101, 10)]
    env.step(0)
    assert asked(market, "place", "cancel")[3:] == [("cancel", 1, 0)]


def test_an_instruction_is_cut_to_what_is_left():
    env, market = scripted()
    env.execute((25, 25, 0))
    assert asked(market, "take", "place") == [("take", BUY, 25), ("place", BUY, 100, 15)]


def test_instructions_arrive_after_the_latency_at_the_price_of_their_decision():
    task = ExecutionTask(40 * S, 4, 40, latency_ns=S)
    env, market = scripted(quotes=[*STILL, (S // 2, 101, 30, 103, 30)], task=task)
    _, _, _, _, info = env.execute((5, 5, 0))
    assert market.calls[0] == ("advance", S)
    assert asked(market, "place") == [("place", BUY, 100, 5)]
    assert info["bid_px"] == 101
    late = [*STILL, (S // 2, 98, 30, 100, 30)]
    env, market = scripted(quotes=late, task=task)
    env.execute((0, 5, 0))
    assert env.market.own_orders().shape == (0, 5)


def test_what_is_left_is_taken_after_the_last_interval():
    env, market = scripted(quotes=[(0, 100, 30, 102, 60)])
    for _ in range(3):
        env.execute((0, 5, -1))
    _, _, ended, _, info = env.execute((0, 5, -1))
    assert ended
    assert market.calls[-2:] == [("cancel", 0, 0), ("take", BUY, 40)]
    assert info["completion"] == 1
    assert info["inventory_path"].tolist() == [1, 1, 1, 1, 0]
    assert info["is_bps"] == pytest.approx(1e4 / 101)
    assert (info["remaining_lots"], info["decisions_left"], info["elapsed_share"]) == (0, 0, 1)


def test_depth_that_does_not_suffice_leaves_lots_at_the_mid_and_a_penalty():
    task = ExecutionTask(40 * S, 4, 40, unfilled_penalty_bps=200.0)
    env, _ = scripted(quotes=[(0, 100, 30, 102, 30), (35 * S, 100, 30, 102, 10)], task=task)
    for _ in range(4):
        _, _, ended, _, info = env.step(0)
    assert ended
    assert info["completion"] == 0.25
    assert info["remaining_lots"] == 30
    assert info["is_bps"] == pytest.approx(0.25 * 1e4 / 101 + 0.75 * 200)


def test_the_episode_ends_when_everything_is_done():
    env, _ = scripted(quotes=[(0, 100, 30, 102, 60)])
    _, _, ended, _, info = env.execute((40, 0, 0))
    assert ended
    assert info["inventory_path"].tolist() == [1, 0, 0, 0, 0]
    assert info["maker_share"] == 0
    with pytest.raises(StudyError, match="after its end"):
        env.execute((1, 0, 0))


def test_fees_of_makers_and_takers_are_told_apart():
    task = ExecutionTask(40 * S, 4, 40, taker_fee_bps=3.0, maker_fee_bps=-1.0)
    env, _ = scripted(quotes=[(0, 100, 30, 102, 30), (5 * S, 98, 30, 100, 30)], task=task)
    info = env.execute((10, 30, 0))[4]
    assert info["maker_share"] == 0.75
    assert info["fees_bps"] == pytest.approx((10 * 102 * 3 - 30 * 100 * 1) / (40 * 101))


def test_spread_is_paid_against_the_mid_of_the_moment_and_timing_is_what_the_mid_had_moved():
    env, _ = scripted(quotes=[(0, 100, 30, 102, 30), (5 * S, 102, 30, 106, 50)])
    env.execute((20, 0, 0))
    info = env.execute((20, 0, 0))[4]
    unit = 1e4 / 101 / 40
    assert info["spread_bps"] == pytest.approx(unit * (20 * 1 + 20 * 2))
    assert info["timing_bps"] == pytest.approx(unit * 20 * 3)
    assert info["fees_bps"] == 0


def test_the_risk_term_weighs_the_move_by_the_share_held_squared():
    task = ExecutionTask(40 * S, 4, 40, risk_aversion=0.01)
    env, _ = scripted(quotes=[(0, 1000, 30, 1002, 30), (5 * S, 1002, 30, 1004, 30)], task=task)
    _, reward, _, _, info = env.execute((20, 0, 0))
    move_bps = (1003 / 1001 - 1) * 1e4
    assert info["reward_risk"] == pytest.approx(-0.01 * 0.25 * move_bps**2)
    assert reward == pytest.approx(info["reward_risk"] + info["reward_shortfall_bps"])


def test_the_mid_of_an_emptied_side_is_the_last_one():
    env, _ = scripted(quotes=[(0, 100, 30, 102, 20)])
    observation, _, _, _, info = env.execute((20, 0, 0))
    assert (info["ask_px"], info["mid_ticks"], info["spread_ticks"]) == (0, 101, 0)
    assert named(observation)["spread_increments"] == HIGH[OBSERVATION.index("spread_increments")]
    env.execute((0, 5, 1))


def named(observation):
    return dict(zip(OBSERVATION, observation.tolist(), strict=True))


def test_the_observation_in_numbers():
    env, _ = scripted(quotes=[(0, 100, 30, 102, 10), (5 * S, 101, 50, 103, 40)])
    seen = named(env.execute((10, 6, -1))[0])
    assert seen == pytest.approx(
        {
            "elapsed_share": 0.25,
            "inventory_share": 0.75,
            "schedule_gap": 0.0,
            "spread_increments": 2.0,
            "imbalance": 1 / 9,
            "depth_imbalance_5": 1 / 9,
            "queue_ahead": 3.0,  # rests at 99, two increments behind
            "resting_share": 0.2,
            "opposite_slices": np.log1p(4),
            "drift_bps": 1e4 / 101,  # under the bound of 100
            "signed_flow": 0.0,
            "volatility_bps": 0.0,
            "volume_ratio": np.log1p(100 / 60),
        },
        rel=1e-5,
        abs=1e-6,
    )


def test_the_names_of_the_table_are_those_of_the_observation():
    rows = [line.split("|") for line in ExecutionEnv.__doc__.splitlines() if line.strip().startswith("| ")]
    table = [(cells[1].strip(), *map(float, cells[-2].split(","))) for cells in rows[1:]]
    assert table == list(zip(OBSERVATION, LOW.tolist(), HIGH.tolist(), strict=True))


def test_a_market_that_is_too_short_or_one_sided_is_refused():
    with pytest.raises(InsufficientDataError, match="Shorten the horizon"):
        ExecutionEnv(ScriptedMarket(STILL, 40 * S - 1), TASK).reset(seed=0)
    with pytest.raises(InsufficientDataError, match="one-sided"):
        ExecutionEnv(ScriptedMarket([(0, 100, 5, 0, 0)], END), TASK).reset(seed=0)


def test_negative_lots_are_refused():
    env, _ = scripted()
    with pytest.raises(StudyError, match="0 or more"):
        env.execute((-1, 0, 0))


def test_importing_the_environment_loads_no_torch():
    program = "import sys, sim.execution_env; print('torch' in sys.modules, 'dagster' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"
