"""Made-up execution results for the tests of plots and report: two markets, all rules, two agents."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import polars as pl

from feeds.study_execution import Case
from models.execution import (
    Agent,
    baselines,
    both_sides,
    by_case,
    cost_parts,
    evaluate,
    inventory_fan,
    learning_curve,
    policy_map,
    summarise,
    verdict,
    visited_states,
)
from models.execution.cases import policy_cases
from models.execution.dqn_policy import DqnPolicy
from models.execution.seeds import over_seeds
from models.execution.significance import significance
from models.report.inputs import ExecutionInputs
from tests.support.linear_impact_env import DECISIONS, MULTIPLES, OBSERVATIONS, LinearImpactEnv

ACTIONS = tuple(f"{multiple:g} x" if multiple else "wait" for multiple in MULTIPLES)


def a_policy(seed=0):
    """An untrained network whose greedy action depends on its observations."""
    random = np.random.default_rng(seed)
    sizes = (len(OBSERVATIONS), 8, len(MULTIPLES))
    weights = tuple(random.normal(size=shape).astype(np.float32) for shape in pairwise(sizes))
    biases = tuple(random.normal(size=size).astype(np.float32) for size in sizes[1:])
    return DqnPolicy(np.full(sizes[0], 0.4, np.float32), np.full(sizes[0], 0.3, np.float32), weights, biases, 2.0)


def rows(episodes=40, seeds=(1, 2), cases=(None,)):
    policies = [*baselines(len(MULTIPLES)), *(Agent(a_policy(seed), seed) for seed in seeds)]
    return pl.concat(
        evaluate(
            lambda number, sd=sd: LinearImpactEnv(sd),
            policies,
            both_sides(episodes, 5, own_blocks=True),
            market,
            counterfactual=True,
            case=case,
        )
        for market, sd in (("replay", 4.0), ("flow", 8.0))
        for case in cases
    )


def learning(seeds=(1, 2, 3)):
    random = np.random.default_rng(3)
    parts = []
    for seed in seeds:
        count = 400 + 10 * seed
        costs = 6.0 + 12.0 * np.exp(-np.arange(count) / 120) + random.normal(0, 6, count)
        frame = pl.DataFrame({"episode": np.arange(1, count + 1), "is_bps": costs})
        parts.append(learning_curve(frame, "OAK.SIM", seed))
    return pl.concat(parts)


def heat():
    policy = a_policy()
    states = visited_states(lambda number: LinearImpactEnv(), Agent(policy), both_sides(60, 1))
    return policy_map(policy, states, OBSERVATIONS, ACTIONS)


@cache
def several_cases():
    """Orders of two horizons and two sizes."""
    pairs = [(horizon_s, share) for horizon_s in (60, 300) for share in (0.05, 0.1)]
    return rows(episodes=20, cases=[Case(*pair, number) for number, pair in enumerate(pairs)])


def by_policy_and_case():
    return policy_cases(several_cases())


def spread_of_seeds():
    return over_seeds(rows(episodes=10, seeds=(1, 2, 3)))


def leave_levels():
    levels = np.array([-8, -3, -1, 0, 1])
    costs = 1.0 + 0.1 * (levels + 2.0) ** 2
    parts = [
        pl.DataFrame({"symbol": symbol, "level": levels, "is_bps": costs + shift, "se_bps": np.full(5, 0.4)})
        for symbol, shift in (("OAK.SIM", 0.0), ("ELM.SIM", 1.0))
    ]
    return pl.concat(parts)


def inputs():
    made = rows()
    table = summarise(made)
    return ExecutionInputs(
        table=table,
        slippage=made.drop("inventory_path"),
        fan=inventory_fan(made),
        learning=learning(),
        heat=heat(),
        costs=cost_parts(made),
        tests=significance(made),
        verdict=verdict(table, by_case(made)),
        split="Trained on simulated flow; judged on other seeds.",
        notes=(f"{DECISIONS} decisions.",),
    )
