"""Judging policies: the same orders for all, paired differences, intervals that cover, a verdict that names losses."""

import numpy as np
import polars as pl
import pytest

from feeds.errors import SchemaError
from models.execution.baselines import RandomActions, baselines, twap_taker
from models.execution.comparison import (
    best_rule,
    block_interval,
    block_weights,
    by_case,
    by_training_seed,
    cvar,
    summarise,
)
from models.execution.evaluation import (
    BLOCK_NS,
    Episode,
    both_sides,
    cost_parts,
    evaluate,
    inventory_fan,
    learning_curve,
)
from models.execution.verdict import verdict
from tests.support.execution_inputs import rows as made_rows
from tests.support.execution_inputs import several_cases
from tests.support.linear_impact_env import DECISIONS, IMPACT_BPS, MULTIPLES, LinearImpactEnv


@pytest.fixture(scope="module")
def rows():
    return made_rows()


@pytest.fixture(scope="module")
def table(rows):
    return summarise(rows)


def line(table, market, policy):
    return table.row(by_predicate=(pl.col("market") == market) & (pl.col("policy") == policy), named=True)


def hand_made(costs, seeds=None, blocks=None):
    """Rows of one market from policy -> costs by episode."""
    frames = []
    for policy, values in costs.items():
        count = len(values)
        frames.append(
            pl.DataFrame(
                {
                    "market": ["replay"] * count,
                    "policy": [policy.split("/")[0]] * count,
                    "training_seed": [(seeds or {}).get(policy)] * count,
                    "episode": range(count),
                    "symbol": ["X.SIM"] * count,
                    "side": ["buy", "sell"] * (count // 2),
                    "block": [str(k // 2) for k in range(count)] if blocks is None else blocks,
                    "is_bps": [float(value) for value in values],
                    "completion": [1.0] * count,
                    "maker_share": [0.5] * count,
                    "horizon_s": [60] * count,
                    "parent_share": [0.05] * count,
                },
                schema_overrides={"training_seed": pl.Int64},
            )
        )
    return pl.concat(frames)


def test_every_policy_meets_every_order(rows):
    counts = rows.group_by("market", "policy", "training_seed").len()
    assert counts["len"].unique().to_list() == [40]
    assert counts.height == 2 * (11 + 2)
    starts = rows.group_by("market", "episode").agg(pl.col("seed", "side", "block", "arrival_ns").n_unique())
    assert (starts.drop("market", "episode").to_numpy() == 1).all()
    assert rows.filter(market="replay", policy="twap_taker")["side"].to_list() == ["buy", "sell"] * 20


def test_orders_of_all_cases_are_numbered_through_and_start_alike():
    rows = several_cases()
    counts = rows.filter(policy="twap_taker").group_by("market", "symbol", "episode").len()
    assert counts["len"].to_list() == [1] * counts.height == [1] * 160
    cases = rows.group_by("horizon_s", "parent_share", maintain_order=True).agg(pl.col("episode").min())
    assert cases.rows() == [(60, 0.05, 0), (60, 0.1, 20), (300, 0.05, 40), (300, 0.1, 60)]
    starts = (
        rows.with_columns(pl.col("episode") % 20).group_by("market", "episode").agg(pl.col("seed", "block").n_unique())
    )
    assert starts["seed"].to_list() == starts["block"].to_list() == [1] * 40
    assert summarise(rows).filter(policy="dqn")["n"].to_list() == [160, 160]


def test_the_parts_of_a_shortfall_add_up(rows):
    parts = rows["spread_bps"] + rows["timing_bps"] + rows["fees_bps"]
    np.testing.assert_allclose(parts, rows["is_bps"], atol=1e-9)
    means = cost_parts(rows)
    np.testing.assert_allclose(means["spread_bps"] + means["timing_bps"] + means["fees_bps"], means["is_bps"])


def test_an_evaluation_repeats_itself(rows):
    assert made_rows().equals(rows)


def test_an_environment_that_forgets_its_seed_is_found():
    class Forgetful(LinearImpactEnv):
        count = 0

        def reset(self, *, seed=None, options=None):
            self.count += 1
            return super().reset(seed=self.count, options=options)

    with pytest.raises(SchemaError, match="episode 0"):
        evaluate(lambda number: Forgetful(), baselines(len(MULTIPLES)), [Episode(1, 0)])


def test_two_policies_of_one_name_are_refused():
    with pytest.raises(SchemaError, match="distinct"):
        evaluate(lambda number: LinearImpactEnv(), [twap_taker(), twap_taker()], [Episode(1, 0)])


def test_orders_come_in_pairs_of_both_sides_and_blocks_follow_the_clock():
    orders = both_sides(5, seed=2)
    assert [order.side for order in orders] == [0, 1, 0, 1, 0]
    assert orders[0].seed == orders[1].seed != orders[2].seed
    found = evaluate(lambda number: LinearImpactEnv(), [twap_taker()], orders)
    assert found["block"].to_list() == (found["arrival_ns"] // BLOCK_NS).cast(pl.String).to_list()
    assert [order.block for order in both_sides(4, 2, own_blocks=True)] == ["start 0", "start 0", "start 1", "start 1"]


def test_no_rule_beats_the_optimum_of_the_closed_form(table):
    for market in ("replay", "flow"):
        for policy in table.filter(market=market)["policy"].to_list():
            found = line(table, market, policy)
            assert found["is_high"] >= IMPACT_BPS / DECISIONS - 1e-9
            if policy != "twap_taker":
                assert found["vs_twap_high"] >= 0.0
        assert line(table, market, "twap_taker")["is_bps"] == pytest.approx(IMPACT_BPS / DECISIONS)
        assert line(table, market, "immediate")["is_bps"] == pytest.approx(IMPACT_BPS)


def test_the_table_lists_markets_as_they_came_and_policies_by_cost(table):
    assert table["market"].unique(maintain_order=True).to_list() == ["replay", "flow"]
    for _, part in table.group_by("market", maintain_order=True):
        assert part["is_bps"].is_sorted()
    assert table.filter(policy="dqn")["n"].to_list() == [80, 80]


def test_differences_are_paired_by_order_over_all_training_seeds():
    costs = {"twap_taker": [10, 20] * 6, "passive": [9, 19] * 6, "dqn/1": [8, 19] * 6, "dqn/2": [8, 15] * 6}
    table = summarise(hand_made(costs, seeds={"dqn/1": 1, "dqn/2": 2}))
    agent = line(table, "replay", "dqn")
    assert agent["n"] == 24
    assert agent["is_bps"] == pytest.approx(12.5)
    assert agent["vs_twap_taker_bps"] == pytest.approx(-2.5)
    assert agent["vs_best_bps"] == pytest.approx(-1.5)
    assert best_rule(table, "replay") == "passive"
    assert line(table, "replay", "passive")["vs_best_bps"] is None
    assert line(table, "replay", "twap_taker")["vs_twap_taker_bps"] is None
    assert line(table, "replay", "twap_taker")["vs_best_bps"] == pytest.approx(1.0)


def test_an_agent_is_never_the_best_rule():
    table = summarise(hand_made({"twap_taker": [5, 5] * 5, "dqn/1": [1, 1] * 5}, seeds={"dqn/1": 1}))
    assert best_rule(table, "replay") == "twap_taker"


def test_pairing_takes_out_what_all_orders_share():
    random = np.random.default_rng(0)
    market = random.normal(0, 50, 80)
    costs = {"twap_taker": market + 5, "other": market + 4 + random.normal(0, 0.5, 80)}
    table = summarise(hand_made(costs))
    found = line(table, "replay", "other")
    assert found["is_high"] - found["is_low"] > 10
    assert found["vs_twap_low"] < -1 < found["vs_twap_high"] < -0.5


def test_two_runs_of_one_rule_cannot_be_paired():
    doubled = hand_made({"twap_taker": [1, 2] * 5, "other": [1, 2] * 5})
    with pytest.raises(SchemaError, match="twap_taker for one order"):
        summarise(pl.concat([doubled, doubled.filter(policy="twap_taker")]))


def test_few_blocks_give_no_interval_and_no_verdict_of_winning():
    few = hand_made({"twap_taker": [5, 5] * 4, "dqn/1": [1, 1] * 4}, {"dqn/1": 1}, blocks=["a", "a", "b", "b"] * 2)
    table = summarise(few)
    assert line(table, "replay", "dqn")["is_low"] is None
    text = verdict(table)
    assert "too few blocks" in text
    assert "wins" not in text and "%" not in text.replace("95 %", "")


@pytest.mark.parametrize("blocks", [6, 30])
def test_the_interval_covers_the_mean_about_as_often_as_it_says(blocks):
    random = np.random.default_rng(7)
    weights, block = block_weights(blocks, 1), np.repeat(np.arange(blocks), 4)
    covered = 0
    for _ in range(400):
        values = np.repeat(random.normal(0, 1, blocks), 4) + random.normal(0, 1, 4 * blocks)
        low, high = block_interval(values, block, weights)
        covered += low <= 0 <= high
    assert 0.92 <= covered / 400 <= 0.985


def test_the_tail_is_the_mean_of_the_worst_twentieth():
    assert cvar(np.arange(1, 101.0)) == pytest.approx(np.mean([96, 97, 98, 99, 100]))
    assert cvar(np.array([1.0, 7.0])) == 7.0


def test_cases_show_where_an_agent_loses_and_the_verdict_names_them():
    costs = {"twap_taker": [10, 10] * 10, "passive": [8, 8] * 10, "dqn/1": [6, 12] * 10}
    made = hand_made(costs, seeds={"dqn/1": 1})
    cases = by_case(made)
    assert cases.select("side", "vs_twap_taker_bps", "vs_best_bps").rows() == [("buy", -4.0, -2.0), ("sell", 2.0, 4.0)]
    assert cases["is_bps"].to_list() == [6.0, 12.0]
    text = verdict(summarise(made), cases)
    assert "X.SIM sell (replay, +2.00)" in text
    assert "X.SIM buy" not in text
    assert "passive, the cheapest rule: it loses" in text
    assert "by chance" in text


def test_a_share_of_twap_is_told_only_where_its_cost_is_shown_to_be_positive():
    def text(level):
        noise = np.random.default_rng(2).normal(0, 3, 40)
        return verdict(summarise(hand_made({"twap_taker": level + noise, "dqn/1": level - 1 + noise}, {"dqn/1": 1})))

    assert "10% less than TWAP taker" in text(10.0)
    assert "less than" not in text(0.1)
    assert "it wins" in text(0.1)
    unsure = 10.0 + np.random.default_rng(3).normal(0, 3, (2, 40))
    said = verdict(summarise(hand_made({"twap_taker": unsure[0], "dqn/1": unsure[1] - 0.1}, {"dqn/1": 1})))
    assert "no difference shown" in said and "less than" not in said and "more than" not in said


def test_a_table_without_an_agent_says_so():
    assert verdict(summarise(hand_made({"twap_taker": [1, 2] * 5}))) == "No agent was judged."


def test_every_training_seed_is_told(rows):
    seeds = by_training_seed(rows)
    assert seeds.select("market", "training_seed").rows() == [(m, s) for m in ("replay", "flow") for s in (1, 2)]
    pooled = rows.filter(market="flow", policy="dqn")["is_bps"].mean()
    assert seeds.filter(market="flow")["is_bps"].mean() == pytest.approx(pooled)


def test_the_fan_is_the_mean_path_with_its_band(rows):
    fan = inventory_fan(rows)
    twap = fan.filter(market="replay", policy="twap_taker")
    np.testing.assert_allclose(twap["elapsed_share"], np.linspace(0, 1, DECISIONS + 1))
    np.testing.assert_allclose(twap["inventory_share"], np.linspace(1, 0, DECISIONS + 1))
    chance = fan.filter(market="replay", policy="random")
    assert (chance["inventory_low"] <= chance["inventory_share"] + 1e-12).all()
    assert chance["inventory_high"][2] > chance["inventory_low"][2]
    paths = np.stack(rows.filter(market="replay", policy="random")["inventory_path"].to_list())
    np.testing.assert_allclose(chance["inventory_share"], paths.mean(axis=0))


def test_a_learning_curve_is_a_thinned_moving_mean():
    costs = np.random.default_rng(1).normal(size=5000)
    curve = learning_curve(pl.DataFrame({"episode": range(1, 5001), "is_bps": costs}), "X.SIM", 3, window=50)
    assert curve.columns == ["symbol", "seed", "episode", "is_bps"]
    assert 150 <= curve.height <= 200
    first = curve.row(0, named=True)
    assert first["episode"] == 50
    assert first["is_bps"] == pytest.approx(costs[:50].mean())
    assert learning_curve(pl.DataFrame({"episode": [1, 2], "is_bps": [1.0, 2.0]}), "X.SIM", 1).height == 2


def test_progress_counts_the_orders():
    told = []
    policies = [twap_taker(), RandomActions(len(MULTIPLES))]
    evaluate(lambda number: LinearImpactEnv(), policies, both_sides(3, 1), progress=lambda *done: told.append(done))
    assert told == [(1, 3), (2, 3), (3, 3)]
