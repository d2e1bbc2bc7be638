"""Tasks, instructions, the grid of actions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.errors import StudyError
from sim.execution_task import CROSS, OFFSETS, STYLES, WAIT, ActionGrid, ExecutionTask, Instruction


def test_the_default_grid_in_words():
    grid = ActionGrid()
    assert grid.n == 7
    assert [grid.describe(action) for action in range(7)] == [
        "wait",
        "join 1 x",
        "improve 1 x",
        "cross 1 x",
        "join 3 x",
        "improve 3 x",
        "cross 3 x",
    ]


def test_actions_are_multiples_of_the_even_slice_rounded_up():
    grid = ActionGrid()
    asked = [grid.instruction(action, remaining_lots=70, decisions_left=8) for action in range(7)]
    assert asked == [WAIT, (0, 9, 0), (0, 9, 1), (9, 0, 0), (0, 27, 0), (0, 27, 1), (27, 0, 0)]
    assert isinstance(asked[1], Instruction)


def test_the_last_decision_asks_for_everything():
    grid = ActionGrid(sizes=(0.5, 1.0, 3.0), styles=STYLES)
    for action in range(1, grid.n):
        size = (action - 1) // len(STYLES)
        lots = max(grid.instruction(action, 11, 1)[:2])
        assert lots == (6 if size == 0 else 11)


@given(
    st.lists(st.floats(0.01, 9), min_size=1, max_size=4),
    st.lists(st.sampled_from(STYLES), min_size=1, max_size=4),
    st.integers(1, 10**9),
    st.integers(1, 500),
)
def test_no_action_asks_for_more_than_is_left_and_all_but_waiting_ask_for_something(sizes, styles, left, decisions):
    grid = ActionGrid(tuple(sizes), tuple(styles))
    for action in range(1, grid.n):
        take, rest, offset = grid.instruction(action, left, decisions)
        style = styles[(action - 1) % len(styles)]
        assert 1 <= take + rest <= left
        assert (take > 0) == (style == CROSS)
        assert offset == OFFSETS.get(style, 0)
        assert grid.describe(action).startswith(style)


@pytest.mark.parametrize("changes", [{"sizes": ()}, {"sizes": (0.0,)}, {"styles": ("sweep",)}, {"styles": ()}])
def test_a_grid_that_means_nothing_is_refused(changes):
    with pytest.raises(StudyError, match=next(iter(changes))):
        ActionGrid(**changes)


@pytest.mark.parametrize("action", [-1, 7])
def test_an_action_that_is_not_there_is_refused(action):
    with pytest.raises(StudyError, match="0 to 6"):
        ActionGrid().instruction(action, 5, 5)


@pytest.mark.parametrize(
    "changes",
    [
        {"decisions": 0},
        {"horizon_ns": 0},
        {"parent_lots": 0},
        {"latency_ns": -1},
        {"latency_ns": 100},
        {"risk_aversion": -0.1},
        {"unfilled_penalty_bps": -1.0},
    ],
)
def test_a_task_that_cannot_be_worked_is_refused(changes):
    with pytest.raises(StudyError, match=next(iter(changes))):
        ExecutionTask(**({"horizon_ns": 1_000, "decisions": 10, "parent_lots": 5} | changes))


def test_decisions_are_evenly_spaced_from_arrival_to_the_horizon():
    task = ExecutionTask(horizon_ns=1_000, decisions=3, parent_lots=1, latency_ns=7)
    assert [task.decision_ns(k) for k in range(4)] == [0, 333, 666, 1_000]
    assert task.episode_ns == 1_007
