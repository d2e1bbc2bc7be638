"""Evaluation: the split by a run without the order, many comparisons, seeds, and tests that must and must not pass."""

import numpy as np
import polars as pl
import pytest

from models.execution.baselines import Immediate, RandomActions, Schedule, constant, twap_taker
from models.execution.comparison import summarise
from models.execution.evaluation import PARTS, Episode, both_sides, cost_parts, evaluate, play_through
from models.execution.foresight import Foresight
from models.execution.no_order import SPLIT, no_order_run, split_shortfall
from models.execution.sanity import limit_test, null_test, oracle_test
from models.execution.seeds import interquartile_mean, over_seeds
from models.execution.significance import DAY_NS, HOUR_NS, blocks_of, detectable_bps, significance
from models.execution.verdict import verdict
from sim.execution_env import ExecutionEnv
from sim.execution_task import ExecutionTask
from sim.impact_market import LinearImpactMarket
from sim.impact_models import Decay, Propagator
from tests.support.linear_impact_env import DECISIONS, IMPACT_BPS, MULTIPLES, LinearImpactEnv

PERMANENT, LOTS, MID, NS = 0.02, 400, 100_000.0, 10**9


def linear_market(latency_ns=0, decays=()):
    model = Propagator(
        half_spread_ticks=2.0, instant_ticks_per_lot=0.01, permanent_ticks_per_lot=PERMANENT, decays=decays
    )
    market = LinearImpactMarket(model, start_mid_ticks=MID, volatility_ticks=5.0, horizon_s=30, step_s=1.0)
    return ExecutionEnv(market, ExecutionTask(20 * NS, 4, LOTS, latency_ns=latency_ns, taker_fee_bps=0.3))


@pytest.mark.parametrize("latency_ns", [0, NS])
@pytest.mark.parametrize("side", [0, 1])
def test_the_split_finds_the_shift_that_linear_impact_has(side, latency_ns):
    env = linear_market(latency_ns)
    for policy, shares in ((twap_taker(), [0.25] * 4), (Schedule("front", constant([0.5, 0.5, 0, 0])), [0.5, 0.5])):
        episode = Episode(7, side)
        without = no_order_run(env, episode.seed, side)
        infos, _ = play_through(env, policy, episode)
        split = split_shortfall(without, infos)
        traded = LOTS * np.array(shares)
        earlier = np.concatenate([[0.0], np.cumsum(traded)[:-1]])
        unit = 1e4 / (MID * LOTS)
        # quotes are displayed rounded to ticks, fills are told in whole ticks: a tick is 0.1 bps
        shift = unit * (traded * PERMANENT * earlier).sum()
        walk = unit * (traded * (0.01 + 0.5 * PERMANENT) * traded).sum()
        assert split["shift_bps"] == pytest.approx(shift, abs=0.11)
        assert split["walk_bps"] == pytest.approx(walk, abs=0.11)
        assert split["quoted_bps"] == pytest.approx(unit * LOTS * 2.0, abs=0.11)
        last = infos[-1]
        total = split["quoted_bps"] + split["impact_bps"] + split["drift_bps"] + last["fees_bps"]
        assert total == pytest.approx(last["is_bps"], abs=1e-9)


def test_what_the_end_takes_is_held_against_the_market_without_us_at_the_end():
    env = linear_market(latency_ns=NS)
    late = Schedule("late", constant([1, 0, 0, 0]))
    without = no_order_run(env, 3, 0)
    waiting = evaluate(lambda _: env, [Waits()], [Episode(3, 0)], counterfactual=True)
    drift = (without.met_mid[-1] / without.arrival_mid - 1.0) * 1e4
    assert waiting["drift_bps"][0] == pytest.approx(drift, abs=0.01)
    assert waiting["shift_bps"][0] == pytest.approx(0.0, abs=0.01)
    first = evaluate(lambda _: env, [late], [Episode(3, 0)], counterfactual=True)
    assert first["shift_bps"][0] == pytest.approx(0.0, abs=1e-9)


class Waits:
    name, training_seed = "waits", None

    def begin(self, info, seed):
        """Nothing."""

    def instruction(self, observation, info):
        return 0, 0, 0


def test_a_transient_shift_is_dearer_for_trades_that_come_soon():
    decays = (Decay(0.05, 0.2),)
    rows = evaluate(
        lambda _: linear_market(decays=decays),
        [twap_taker(), Schedule("soon", constant([0.5, 0.5, 0, 0])), Schedule("apart", constant([0.5, 0, 0, 0.5]))],
        both_sides(4, 2),
        counterfactual=True,
    )
    means = dict(cost_parts(rows).select("policy", "shift_bps").iter_rows())
    assert means["soon"] > means["apart"] > 0


def test_columns_of_the_split_come_only_when_asked_for_and_add_up():
    policies = [twap_taker(), Immediate()]
    plain = evaluate(lambda _: LinearImpactEnv(), policies, both_sides(4, 1))
    split = evaluate(lambda _: LinearImpactEnv(), policies, both_sides(4, 1), counterfactual=True)
    assert split.drop(SPLIT).equals(plain)
    total = split["quoted_bps"] + split["impact_bps"] + split["drift_bps"] + split["fees_bps"]
    np.testing.assert_allclose(total, split["is_bps"], atol=1e-9)
    assert set(SPLIT) <= set(cost_parts(split).columns) and not set(SPLIT) & set(cost_parts(plain).columns)
    assert set(PARTS) <= set(cost_parts(split).columns)


def made(gains, orders=80, blocks=20, sd=1.0, seed=0, common=0.0, market=""):
    """Rows of policies that are cheaper than the reference by ``gains`` in the mean."""
    random = np.random.default_rng(seed)
    base, frames = random.normal(10, 5, orders), []
    shared = random.normal(0, sd, orders)
    for policy, gain in {"twap_taker": 0.0, **gains}.items():
        own = np.sqrt(common) * shared + np.sqrt(1 - common) * random.normal(0, sd, orders)
        costs = base - gain + (0 if policy == "twap_taker" else own)
        told = {"market": market, "policy": policy, "symbol": "X", "completion": 1.0, "maker_share": 0.0}
        frames.append(
            pl.DataFrame({"episode": range(orders), "is_bps": costs, "arrival_ns": np.arange(orders) * HOUR_NS // 4})
            .with_columns(**{name: pl.lit(value) for name, value in told.items()})
            .with_columns(
                block=(pl.col("episode") * blocks // orders).cast(pl.String), training_seed=pl.lit(None, pl.Int64)
            )
        )
    return pl.concat(frames)


def test_only_a_real_difference_survives_among_many():
    rows = made({"good": 1.5, **{f"null {n}": 0.0 for n in range(12)}}, seed=3)
    tests = significance(rows)
    assert tests["policy"][0] == "good" and tests["orders"].unique().to_list() == [80]
    assert tests["p_romano_wolf"][0] < 0.01 and tests["p_holm"][0] < 0.05
    assert (tests["p_romano_wolf"][1:] > 0.05).all()
    assert (tests["p_value"] <= tests["p_romano_wolf"]).all() and (tests["p_value"] <= tests["p_holm"]).all()


def test_the_family_keeps_its_level_where_single_tests_do_not():
    tables = [significance(made({f"null {n}": 0.0 for n in range(10)}, seed=seed)) for seed in range(40)]
    assert np.mean([(table["p_value"] <= 0.05).any() for table in tables]) > 0.15
    assert np.mean([(table["p_romano_wolf"] <= 0.05).any() for table in tables]) <= 0.15


def test_the_verdict_says_whether_a_difference_survives_the_number_of_policies():
    rows = made({"dqn": 2.0, "weak": 0.0}, market="replay")
    table, tests = summarise(rows), significance(rows)
    assert "DQN on the replay market: the difference to TWAP taker stands after" in verdict(table, tests=tests)
    assert "weak on the replay market: the difference to TWAP taker does not stand" in verdict(
        table, agents=("weak",), tests=tests
    )
    few = made({"dqn": 2.0}, blocks=3)
    assert "adjustment" not in verdict(summarise(few), tests=significance(few))


def test_too_few_blocks_give_differences_without_tests():
    table = significance(made({"good": 3.0}, blocks=4))
    assert table["p_value"].to_list() == table["p_holm"].to_list() == table["detectable_bps"].to_list() == [None]
    assert table["difference_bps"][0] < -2


def test_agents_of_one_name_are_one_comparison_and_the_cheapest_rule_may_be_the_other():
    rows = made({"dqn": 0.5, "rule": 1.0})
    seeds = [
        rows.filter(policy="dqn").with_columns(
            pl.lit(seed, pl.Int64).alias("training_seed"), pl.col("is_bps") + seed - 2
        )
        for seed in (1, 2, 3)
    ]
    both = pl.concat([rows.filter(pl.col("policy") != "dqn"), *seeds])
    assert significance(both).height == 2
    np.testing.assert_allclose(
        significance(both).filter(policy="dqn")["difference_bps"],
        significance(rows).filter(policy="dqn")["difference_bps"],
    )
    best = significance(both, against=None)
    assert best["against"].unique().to_list() == ["rule"] and set(best["policy"]) == {"dqn", "twap_taker"}


def test_the_detectable_difference_is_found_four_times_in_five():
    first = made({"good": 0.0}, orders=40, blocks=40)
    values = (first.filter(policy="good")["is_bps"] - first.filter(policy="twap_taker")["is_bps"]).to_numpy()
    size = detectable_bps(values, np.arange(40))
    assert size == pytest.approx(2.87 / np.sqrt(40), rel=0.2)
    tests = [significance(made({"good": size}, orders=40, blocks=40, seed=seed))["p_value"][0] for seed in range(1, 61)]
    assert 0.68 <= np.mean(np.array(tests) <= 0.05) <= 0.92


def test_blocks_follow_the_hour_or_the_day():
    rows = made({})
    assert blocks_of(rows)["block"].n_unique() == 20 and blocks_of(rows, DAY_NS)["block"].n_unique() == 1


def test_the_interquartile_mean_drops_a_quarter_at_either_end():
    assert interquartile_mean([100, 2, 3, -50]) == 2.5
    assert interquartile_mean([5]) == 5 and interquartile_mean([1, 3]) == 2
    values = np.random.default_rng(1).normal(size=11)
    from scipy.stats import trim_mean

    assert interquartile_mean(np.repeat(values, 4)) == pytest.approx(trim_mean(np.repeat(values, 4), 0.25))


def test_agents_are_told_over_their_seeds():
    rows = made({"dqn": 1.0})
    agents = [
        rows.filter(policy="dqn").with_columns(pl.lit(seed, pl.Int64).alias("training_seed"), pl.col("is_bps") + shift)
        for seed, shift in enumerate((0.0, 0.1, -0.1, 40.0))
    ]
    table = over_seeds(pl.concat([rows.filter(policy="twap_taker"), *agents]))
    line = table.row(0, named=True)
    mean = rows.filter(policy="dqn")["is_bps"].mean()
    assert line["seeds"] == 4 and line["iqm_bps"] == pytest.approx(mean + 0.05)
    assert line["dearest_bps"] == pytest.approx(mean + 40) and line["cheapest_bps"] == pytest.approx(mean - 0.1)
    assert line["iqm_low"] <= line["iqm_bps"] <= line["iqm_high"]
    assert line["vs_twap_iqm_bps"] == pytest.approx(line["iqm_bps"] - rows.filter(policy="twap_taker")["is_bps"].mean())
    assert over_seeds(pl.concat([rows.filter(policy="twap_taker"), agents[0]]))["iqm_low"][0] is None


@pytest.fixture(scope="module")
def judged():
    env = LinearImpactEnv(8.0)
    rules = [twap_taker(), Schedule("front", constant([0.4, 0.3, 0.2, 0.1, 0.0])), RandomActions(len(MULTIPLES))]
    oracle = Foresight(LinearImpactEnv(8.0), rules, concession_bps=IMPACT_BPS)
    return evaluate(lambda _: env, [*rules, oracle], both_sides(120, 6, own_blocks=True))


def test_perfect_foresight_wins_and_a_clumsy_oracle_is_found_out(judged):
    assert oracle_test(judged).passed
    found = oracle_test(judged, oracle="twap_taker")
    assert found.passed is False and "foresight" in found.reason


def test_without_information_nothing_gains_and_a_gain_is_found_out(judged):
    found = null_test(judged, ["front", "random"], worthwhile_bps=5.0)
    assert found.passed and "80 %" in found.reason
    assert null_test(judged, ["foresight"], worthwhile_bps=5.0).passed is False
    weak = null_test(judged, ["random"], worthwhile_bps=0.01)
    assert weak.passed is None and "too weak" in weak.reason


def test_nothing_beats_the_optimum_but_looking_ahead(judged):
    optimum = IMPACT_BPS / DECISIONS
    assert limit_test(summarise(judged.filter(pl.col("policy") != "foresight")), optimum).passed
    # both sides of one path cancel its drift: what looking ahead gains is left
    assert limit_test(summarise(judged), optimum).passed is False


def test_verdicts_say_when_they_could_not_be_made():
    few = made({"good": 1.0}, blocks=3)
    assert oracle_test(few, "good").passed is None
    assert null_test(few, ["good"]).passed is None
    assert limit_test(summarise(few), 0.0).passed is None
