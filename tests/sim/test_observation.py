"""Terms of the observation: chosen by name, in numbers, and of the past alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.errors import StudyError
from sim.execution_actions import SliceActions, grid_instructions, grid_table, slice_instructions
from sim.execution_env import ExecutionEnv
from sim.execution_task import ActionGrid, ExecutionTask
from sim.forecast_series import Forecasts, Series
from sim.market import BUY, SELL, VIEW
from sim.observation import FULL, OBSERVATION, TERMS, ObservationSet, Situation, observe
from sim.vector_env import ExecutionVectorEnv
from tests.support.env_pairs import GRID, TASK, S, flow, pair
from tests.support.scripted_market import ScriptedMarket

NOW = 1_772_463_600 * S
#: Best bid 100 x 40, ask 104 x 10; 90 and 60 lots on five levels; three executions.
SEEN = [100.0, 40.0, 104.0, 10.0, 90.0, 60.0, 5.0, 20.0, 1e-8, 3.0]
DEPTHS = np.cumsum(np.ones((2, 10)) * [[20.0], [10.0]], axis=1)


def situation(side):
    return Situation(side, 0.5, 30, 2, 102.0, 100.0, 2, 12, 100 if side == BUY else 104, 8, 101.0, NOW)


@pytest.mark.parametrize("side", [BUY, SELL])
def test_further_terms_in_numbers(side):
    assert len(SEEN) == VIEW
    known = Forecasts(Series([NOW - 1, NOW, NOW + 1], [9.0, -3.0, 50.0]), Series([NOW + 5], [7.0]))
    task = ExecutionTask(40 * S, 4, 40)
    seen = dict(zip(TERMS, observe(SEEN, situation(side), task, FULL, DEPTHS, known).tolist(), strict=True))
    sign, own, opposite = (1, 0, 1) if side == BUY else (-1, 1, 0)
    wanted = {
        "depth_imbalance_3": sign / 3,
        "depth_imbalance_10": sign / 3,
        "own_depth_1": np.log1p((40, 10)[own] / 10),
        "own_depth_3": np.log1p((60, 30)[own] / 10),
        "own_depth_5": np.log1p((90, 60)[own] / 10),
        "own_depth_10": np.log1p((200, 100)[own] / 10),
        "opposite_depth_3": np.log1p((60, 30)[opposite] / 10),
        "opposite_depth_5": np.log1p((90, 60)[opposite] / 10),
        "opposite_depth_10": np.log1p((200, 100)[opposite] / 10),
        "lots_ahead": np.log1p(0.8),
        "trade_count": np.log(4),
        "last_move_bps": sign * (102 / 101 - 1) * 1e4,
        "alpha_bps": sign * -3.0,
        "forecast_volatility_bps": 0.0,
        "interval_s": np.log(11),
    }
    assert {name: seen[name] for name in wanted} == pytest.approx(wanted, rel=1e-5)


def test_the_default_set_is_unchanged_by_the_further_terms():
    task = ExecutionTask(40 * S, 4, 40)
    every = observe(SEEN, situation(BUY), task, FULL, DEPTHS)
    np.testing.assert_array_equal(observe(SEEN, situation(BUY), task), every[: len(OBSERVATION)])
    assert ObservationSet().terms == OBSERVATION
    assert not ObservationSet().needs_depths
    assert FULL.needs_depths


def test_unknown_and_repeated_terms_and_terms_a_market_cannot_serve_are_refused():
    for terms in ((), ("imbalance", "imbalance"), ("colour",)):
        with pytest.raises(StudyError, match="observation"):
            ObservationSet(terms)
    market = ScriptedMarket([(0, 100, 5, 102, 5)], 100 * S)
    with pytest.raises(StudyError, match="no depths"):
        ExecutionEnv(market, TASK, observation=ObservationSet(("own_depth_10",)))


def test_series_are_checked():
    for stamps, values in (([2, 1], [0.0, 0.0]), ([1], [np.nan]), ([1, 2], [0.0])):
        with pytest.raises(StudyError, match="forecast series"):
            Series(stamps, values)


@settings(deadline=None)
@given(st.lists(st.integers(0, 50), max_size=20), st.integers(-5, 60))
def test_a_series_is_read_as_of_the_moment(stamps, now):
    known = sorted(stamps)
    series = Series(known, np.arange(1.0, len(known) + 1))
    assert series.at(now) == sum(stamp <= now for stamp in known)


@pytest.mark.parametrize("cut", [0, 12, 25])
def test_nothing_seen_depends_on_forecasts_published_later(cut):
    start = NOW
    stamps = start + np.arange(0, 40) * S
    rng = np.random.default_rng(cut)
    one, other = rng.normal(size=(2, 40))
    other[: cut + 1] = one[: cut + 1]
    runs = []
    for values in (one, other):
        forecasts = Forecasts(Series(stamps, values), Series(stamps, np.abs(values)))
        env = ExecutionVectorEnv(flow(), 2, TASK, GRID, observation=FULL, forecasts=forecasts)
        seen = [env.reset(seed=1)[0]]
        seen += [env.step(np.zeros(2, np.int64))[0] for _ in range(TASK.decisions - 1)]
        runs.append(np.stack(seen))
    decided_s = np.arange(TASK.decisions) * (TASK.horizon_ns // S // TASK.decisions)
    same = (runs[0] == runs[1]).all(axis=(1, 2))
    assert same[decided_s <= cut].all()
    assert not same[decided_s > cut].any()


def test_forecasts_are_read_alike_in_compiled_form_and_in_plain_python():
    forecasts = Forecasts(Series(NOW + np.arange(6) * 7 * S, np.arange(6) - 2.5), Series([NOW + 20 * S], [40.0]))
    compiled, plain = pair(flow, observation=FULL, forecasts=forecasts)
    for env in (compiled, plain):
        env.reset(seed=3)
    for _ in range(4):
        one, other = compiled.step(1)[0], plain.step(1)[0]
        np.testing.assert_allclose(one, other, rtol=1e-6)
        assert one[-3:-1].any()


@settings(deadline=None)
@given(st.integers(1, 10**9), st.integers(1, 500), st.integers(0, 10**6))
def test_actions_are_translated_for_many_as_for_one(remaining, left, seed):
    rng = np.random.default_rng(seed)
    grid = ActionGrid((0.3, 1.0, 2.5), ("behind", -7, "join", 2, "cross"))
    actions = np.arange(grid.n)
    out = np.zeros((grid.n, 3), np.int64)
    lots, decisions = np.full(grid.n, remaining), np.full(grid.n, left)
    grid_instructions(grid_table(grid), actions, lots, decisions, out)
    assert out.tolist() == [list(grid.instruction(action, remaining, left)) for action in actions.tolist()]
    smooth = SliceActions(rng.uniform(0.1, 5.0), (int(rng.integers(-5, 1)), int(rng.integers(1, 4))))
    moves = rng.uniform(-1.2, 1.2, (grid.n, 3)).astype(np.float32)
    bounds = np.array([smooth.max_slices, *smooth.offsets], np.float64)
    slice_instructions(bounds, moves, lots, decisions, out)
    assert out.tolist() == [list(smooth.instruction(move, remaining, left)) for move in moves]
    assert (out[:, 0] + out[:, 1] <= remaining).all()
    assert ((out[:, 2] >= smooth.offsets[0]) & (out[:, 2] <= smooth.offsets[1])).all()


def test_continuous_actions_are_checked_and_their_corners_mean_what_they_say():
    smooth = SliceActions(max_slices=2.0, offsets=(-1, 1))
    assert smooth.instruction([-1, -1, -1], 100, 10) == (0, 0, -1)
    assert smooth.instruction([1, 1, 1], 100, 10) == (20, 20, 1)
    assert smooth.instruction([1, 1, 0], 15, 1) == (15, 0, 0)
    for wrong in ((0.0, (0, 1)), (1.0, (1, 0))):
        with pytest.raises(StudyError, match="continuous"):
            SliceActions(*wrong)
