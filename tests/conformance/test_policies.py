"""The battery every execution policy passes: it finishes, its lots add up, and it repeats itself."""

from functools import cache

import numpy as np
import pytest

from models.execution.baselines import REFERENCE, baselines
from models.execution.dqn_policy import Agent
from models.execution.evaluation import Episode, both_sides, evaluate, play
from models.execution.fitted_rules import FitConfig, fit_rules
from models.execution.foresight import Foresight
from models.execution.ppo_policy import PpoPolicy
from models.execution.protocol import Policy
from tests.support.execution_inputs import a_policy
from tests.support.linear_impact_env import (
    DECISIONS,
    MULTIPLES,
    OBSERVATIONS,
    PARENT_LOTS,
    POSTED_LOTS,
    LinearImpactEnv,
)


@cache
def fitted():
    return fit_rules(lambda number: LinearImpactEnv(), OBSERVATIONS, FitConfig(orders=4, learned_orders=40)).policies()


def policies():
    network = a_policy()
    likeliest = PpoPolicy(network.mean, network.scale, network.weights, network.biases)
    agents = [Agent(network, 1), Agent(likeliest, 1, "ppo")]
    rules = [*baselines(len(MULTIPLES)), *fitted()]
    return [*rules, Foresight(LinearImpactEnv(), rules[:2]), *agents]


class Recorder(LinearImpactEnv):
    """Keeps what was asked and what was traded."""

    def reset(self, *, seed=None, options=None):
        self.asked, self.traded = [], []
        return super().reset(seed=seed, options=options)

    def execute(self, instruction):
        self.asked.append(tuple(instruction))
        return super().execute(instruction)

    def _trade(self, lots):
        self.traded.append(lots)
        return super()._trade(lots)


@pytest.fixture(params=[policy.name for policy in policies()])
def policy(request):
    return next(policy for policy in policies() if policy.name == request.param)


def test_the_reference_comes_first_and_names_are_distinct():
    names = [policy.name for policy in policies()]
    assert names[0] == REFERENCE
    assert len(set(names)) == len(names)


def test_it_has_what_the_protocol_asks_for(policy: Policy):
    assert policy.name
    assert (policy.training_seed is None) == (not isinstance(policy, Agent))


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("seed", range(5))
def test_it_finishes_and_its_lots_add_up_to_the_parent(policy, seed, side):
    env = Recorder()
    info, seen = play(env, policy, Episode(seed, side))
    assert info["remaining_lots"] == 0
    assert sum(env.traded) == PARENT_LOTS
    assert len(seen) == DECISIONS
    path = info["inventory_path"]
    assert path[0] == 1.0 and path[-1] == 0.0 and (np.diff(path) <= 0).all()


def test_it_never_asks_for_more_than_is_left_nor_for_less_than_nothing(policy):
    env = Recorder()
    for order in both_sides(10, seed=3):
        play(env, policy, order)
        left = PARENT_LOTS
        for (take, rest, offset), traded in zip(env.asked, env.traded, strict=True):
            assert take >= 0 and rest >= 0 and take + rest <= left
            assert isinstance(offset, int)
            left -= traded


def test_it_repeats_itself_and_carries_nothing_over(policy):
    orders = both_sides(6, seed=9)
    first = evaluate(lambda number: LinearImpactEnv(), [policy], orders)
    again = evaluate(lambda number: LinearImpactEnv(), [policy], orders)
    assert first.equals(again)
    backwards = evaluate(lambda number: LinearImpactEnv(), [policy], orders[::-1])
    assert first["is_bps"].to_list() == backwards["is_bps"].to_list()[::-1]


def test_it_may_be_asked_about_another_size_next(policy):
    for lots in (1, 7, PARENT_LOTS):
        info = LinearImpactEnv().reset(seed=1)[1]
        info |= {"parent_lots": lots, "remaining_lots": lots, "decisions_left": 3, "ask_lots": POSTED_LOTS}
        policy.begin(info, seed=1)
        wanted = policy.instruction(np.zeros(3, dtype=np.float32), info)
        if isinstance(wanted, tuple):
            assert sum(wanted[:2]) <= lots
            assert all(isinstance(part, int) for part in wanted)
        else:
            assert 0 <= wanted < len(MULTIPLES)
