"""Maps of an agent: its greedy action in each cell, dependent observations kept consistent, unvisited cells blank."""

import numpy as np
import pytest

from feeds.errors import SchemaError
from models.execution.dqn_policy import DqnPolicy
from models.execution.policy_map import PANELS, action_importance, policy_map
from tests.support.execution_inputs import heat

NAMES = ("elapsed_share", "inventory_share", "schedule_gap", "imbalance", "spread_increments", "noise")
ACTIONS = ("wait", "cross")


def linear_policy(coefficients, bias=0.0):
    """Crosses where the weighted sum of observations plus ``bias`` is positive."""
    weight = np.zeros((len(NAMES), 2), dtype=np.float32)
    for name, value in coefficients.items():
        weight[NAMES.index(name), 1] = value
    zeros, ones = np.zeros(len(NAMES), np.float32), np.ones(len(NAMES), np.float32)
    return DqnPolicy(zeros, ones, (weight,), (np.array([0.0, bias], np.float32),))


@pytest.fixture
def visited():
    random = np.random.default_rng(0)
    elapsed = random.integers(0, 10, 4000) / 10
    left = np.clip(1 - elapsed + random.normal(0, 0.1, 4000), 0.02, 1)
    columns = (elapsed, left, left - (1 - elapsed), random.uniform(-1, 1, 4000), random.integers(1, 6, 4000))
    return np.column_stack([*columns, random.normal(size=4000)]).astype(np.float32)


def test_an_observation_made_of_the_axes_follows_them(visited):
    found = policy_map(linear_policy({"schedule_gap": 1.0}), visited, NAMES, ACTIONS)
    cells = found.filter(panel="inventory x time")
    behind = cells["y"] - (1 - cells["x"])
    sure = behind.abs() > 0.02
    assert cells.filter(sure)["action"].to_list() == (behind > 0).cast(int).filter(sure).to_list()
    assert cells["action"].n_unique() == 2
    assert dict(cells.select("action", "action_name").unique().rows()) == dict(enumerate(ACTIONS))


def test_the_other_observations_stand_at_their_medians(visited):
    median = float(np.median(visited[:, NAMES.index("noise")]))
    for bias, action in ((-median - 0.01, 0), (-median + 0.01, 1)):
        found = policy_map(linear_policy({"noise": 1.0}, bias), visited, NAMES, ACTIONS)
        assert found["action"].unique().to_list() == [action]


def test_cells_where_the_agent_never_was_are_left_out(visited):
    cells = policy_map(linear_policy({"noise": 1.0}), visited, NAMES, ACTIONS).filter(panel="inventory x time")
    assert cells["x"].unique().sort().to_list() == pytest.approx([k / 10 for k in range(10)])
    # half an hour in, nothing is left of an order that began with all of it: not in these states
    assert cells.filter((cells["x"] < 0.05) & (cells["y"] < 0.4)).is_empty()
    assert not cells.filter((cells["x"] > 0.85) & (cells["y"] < 0.2)).is_empty()


def test_both_panels_have_the_columns_of_the_report(visited):
    found = policy_map(linear_policy({"imbalance": 1.0}), visited, NAMES, ACTIONS)
    assert found.columns == ["panel", "x", "y", "x_label", "y_label", "action", "action_name"]
    assert found["panel"].unique(maintain_order=True).to_list() == list(PANELS)
    cells = found.filter(panel="spread x imbalance")
    assert cells["action"].to_list() == (cells["x"] > 0).cast(int).to_list()


def test_a_panel_whose_observation_is_unknown_is_left_out():
    assert heat()["panel"].unique().to_list() == ["inventory x time"]


def test_states_and_names_must_agree(visited):
    with pytest.raises(SchemaError, match="map of the policy"):
        policy_map(linear_policy({}), visited, NAMES[:-1], ACTIONS)
    with pytest.raises(SchemaError, match="map of the policy"):
        policy_map(linear_policy({}), visited[:0], NAMES, ACTIONS)


def test_only_observations_that_are_used_matter(visited):
    found = action_importance(linear_policy({"imbalance": 1.0}), visited, NAMES)
    assert found["group"][0] == "imbalance"
    assert found["changed_share"][0] == pytest.approx(0.5, abs=0.05)
    assert found["changed_share"][1:].to_list() == [0.0] * 5
    grouped = action_importance(linear_policy({"imbalance": 1.0}), visited, NAMES, {"book": ["imbalance", "absent"]})
    assert grouped["group"].to_list() == ["book"]
