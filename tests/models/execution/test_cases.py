"""Policies case by case, instruments that stand for a study, and what an agent is worth on a tape."""

import json

import numpy as np
import polars as pl
import pytest

from benchmarks import execution_headline as bench
from feeds.errors import LakeError
from models.execution.cases import case_label, headline_of, policy_cases
from models.execution.comparison import by_case, summarise
from models.execution.headline import adjust_over_tapes, by_label, tape_headline
from models.execution.verdict import MOST_NAMED, headline_verdict, verdict
from models.metrics.multiple import holm
from tests.support.execution_inputs import several_cases


def tape(costs, orders=60, noise=0.2, symbol="A.X", case=(60, 0.05), first=0, seed=1, **columns):
    """Rows of policies with given mean costs on the same orders; an agent, ``dqn``, has two training seeds."""
    random = np.random.default_rng(seed)
    common = random.normal(0, 1, orders)
    frames = []
    for policy, mean in costs.items():
        for training_seed in (1, 2) if policy == "dqn" else (None,):
            values = mean + common + random.normal(0, noise, orders)
            told = {"market": "replay", "policy": policy, "training_seed": training_seed, "symbol": symbol}
            frames.append(
                pl.DataFrame(
                    {
                        "episode": first + np.arange(orders),
                        "side": ["buy", "sell"] * (orders // 2),
                        "block": [str(k // 2) for k in range(orders)],
                        "is_bps": values,
                        "impact_bps": columns.get("impact", {}).get(policy, 0.5) + 0.1 * common,
                        "completion": 1.0,
                        "maker_share": 0.5,
                        "horizon_s": case[0],
                        "parent_share": case[1],
                    }
                ).with_columns(
                    pl.lit(value, pl.Int64 if name == "training_seed" else pl.String).alias(name)
                    for name, value in told.items()
                )
            )
    return pl.concat(frames)


COSTS = {"twap_taker": 4.0, "vwap": 4.4, "twap_passive": 3.0, "submit_and_leave": 3.5, "dqn": 2.0}


def test_every_policy_has_a_line_in_every_case_as_if_it_stood_alone():
    rows = several_cases()
    found = policy_cases(rows)
    policies = rows["policy"].n_unique()
    assert found.group_by("market", "case", maintain_order=True).len()["len"].to_list() == [policies] * 8
    assert found["case"][0] == f"{rows['symbol'][0]} 60s 5%"
    own = rows.filter(market="flow", horizon_s=300, parent_share=0.1)
    lines = found.filter(market="flow", horizon_s=300, parent_share=0.1)
    assert lines.select("policy", "is_bps", "vs_twap_low").equals(
        summarise(own).select("policy", "is_bps", "vs_twap_low")
    )


def test_orders_without_a_case_are_one():
    rows = several_cases().filter(horizon_s=60, parent_share=0.05)
    alone = rows.with_columns(horizon_s=pl.lit(None, pl.Int64), parent_share=pl.lit(None, pl.Float64))
    assert policy_cases(alone)["case"].unique().to_list() == [rows["symbol"][0]]
    assert by_case(alone).drop("horizon_s", "parent_share").equals(by_case(rows).drop("horizon_s", "parent_share"))


def test_agents_are_told_case_by_case_and_the_verdict_names_the_worst_few():
    parts = [
        tape(COSTS | {"dqn": 2.0 + 4 * number}, case=(60 * (1 + number), 0.05), first=60 * number, noise=0.01)
        for number in range(6)
    ]
    rows = pl.concat(parts)
    cases = by_case(rows)
    assert cases.select("side", "horizon_s").n_unique() == cases.height == 12
    said = verdict(summarise(rows), cases)
    assert "Dearer than TWAP taker on average in 10 of 12 cases: A.X 360s 5% " in said
    assert f"and {10 - MOST_NAMED} more" in said and "A.X 60s" not in said


def test_named_instruments_stand_for_the_study_and_missing_ones_are_told():
    rows = pl.concat([tape(COSTS), tape(COSTS, symbol="B.X")])
    assert headline_of(rows, []) == (["A.X", "B.X"], [])
    assert headline_of(rows, ["C.X", "B.X"]) == (["B.X"], ["C.X"])
    own = summarise(rows.filter(symbol="B.X"))
    said = verdict(summarise(rows), headline=headline_verdict(own, "dqn", ["B.X"], ["C.X"]))
    assert said.startswith("Headline, named beforehand: B.X. C.X: named, not judged. On the replay market, DQN costs")
    assert (
        "over 120 orders" in said.split("All instruments:")[0]
        and "over 240 orders" in said.split("All instruments:")[1]
    )
    assert headline_verdict(own.clear(), "dqn", ["A.X", "B.X"]) == "Headline, named beforehand: A.X, B.X."
    assert headline_verdict(own, "dqn", [], ["C.X"]) == "Headline instruments C.X were named and not judged."


def test_a_tape_is_told_in_paired_differences_ratios_and_targets():
    rows = tape(COSTS, impact={"twap_taker": 1.0, "dqn": 0.3})
    found = tape_headline(rows, "dqn")
    assert (found["orders"], found["blocks"], found["seeds"], found["best_passive"]) == (60, 30, 2, "twap_passive")
    assert found["difference"]["twap"][0] == pytest.approx(-2.0, abs=0.1)
    assert found["difference"]["passive"][2] < 0 and found["p_value"]["passive"] < 0.01
    assert found["ratio"]["twap"] == pytest.approx(found["is_bps"]["agent"][0] / found["is_bps"]["twap"][0])
    assert found["impact_ratio"] == pytest.approx(0.3, abs=0.02)
    targets = {"vs_twap": True, "vs_vwap": True, "impact": True, "passive": True}
    assert {name: found["targets"][name] for name in targets} == targets
    dear = tape_headline(tape(COSTS | {"dqn": 3.2}, impact={"twap_taker": 1.0, "dqn": 0.9}), "dqn")["targets"]
    assert not any(dear[name] for name in targets)


def test_a_ratio_to_what_may_be_no_cost_is_none_and_so_is_its_target():
    found = tape_headline(tape({name: cost - 4.0 for name, cost in COSTS.items()}), "dqn")
    assert found["ratio"] == {"twap": None, "vwap": found["ratio"]["vwap"]} and found["targets"]["vs_twap"] is None
    assert found["difference"]["twap"][2] < 0


def test_scatter_must_be_below_both_takers():
    calm = tape(COSTS)
    assert tape_headline(calm, "dqn")["targets"]["sd"] in (True, False)
    wild = calm.with_columns(
        pl.when(pl.col("policy") == "dqn").then(3 * pl.col("is_bps")).otherwise("is_bps").alias("is_bps")
    )
    assert tape_headline(wild, "dqn")["targets"]["sd"] is False
    still = calm.with_columns(pl.when(pl.col("policy") == "dqn").then(2.0).otherwise("is_bps").alias("is_bps"))
    assert tape_headline(still, "dqn")["targets"]["sd"] is True


def test_without_takers_passive_rules_or_blocks_nothing_is_claimed():
    found = tape_headline(tape({"dqn": 2.0}).drop("impact_bps"), "dqn")
    assert set(found["targets"].values()) == {None} and found["best_passive"] is None
    few = tape_headline(tape(COSTS).with_columns(block=pl.lit("one")), "dqn")
    assert few["targets"]["passive"] is few["targets"]["vs_twap"] is few["p_value"]["twap"] is None


def test_p_values_are_adjusted_over_tapes_each_comparison_for_itself():
    made = [{"p_value": {"twap": a, "vwap": b, "passive": None}} for a, b in ((0.01, 0.5), (0.04, None), (0.03, 0.2))]
    adjusted = adjust_over_tapes(made)
    assert [one["twap"] for one in adjusted] == holm([0.01, 0.04, 0.03]).tolist()
    assert [one["vwap"] for one in adjusted] == [0.5, None, 0.4] and {one["passive"] for one in adjusted} == {None}


class Judged:
    """A study's results of one night."""

    def __init__(self, rows, tree):
        self.rows, self.tree = rows, tree
        self.lake = self.artefacts = self

    def dates(self, name):
        return ["2025-12-31", "2026-01-01"] if self.rows is not None else []

    def current(self, name, date):
        return None

    def read_json(self, manifest, name):
        return self.tree

    def read(self, name, date):
        return self.rows


def test_the_benchmark_reads_every_tape_of_the_studies_and_tells_which_targets_hold(monkeypatch, capsys):
    two = pl.concat([tape(COSTS), tape(COSTS, case=(300, 0.05), first=60), tape(COSTS, symbol="B.X", seed=2)])
    older = tape(COSTS, seed=3).drop("horizon_s", "parent_share")
    stores = {
        "new": Judged(two, {"challenger": "dqn", "headline": {"instruments": ["A.X"]}}),
        "old": Judged(older, {"challenger": "dqn"}),
        "never": Judged(None, {}),
    }
    monkeypatch.setattr(bench, "store_of", stores.get)
    found = bench.run("new,old")
    assert list(found["tapes"]) == ["new A.X", "new B.X", "old A.X"]
    assert [one["headline"] for one in found["tapes"].values()] == [True, False, True]
    assert set(found["tapes"]["new A.X"]["cases"]) == {"A.X 60s 5%", "A.X 300s 5%"}
    assert set(found["tapes"]["old A.X"]["cases"]) == {"A.X"}
    assert found["held"]["passive"] == {"yes": 3, "no": 0, "unknown": 0}
    assert found["held_headline"]["passive"] == {"yes": 2, "no": 0, "unknown": 0}
    assert all(one["p_holm"]["twap"] >= one["p_value"]["twap"] for one in found["tapes"].values())
    assert json.loads(json.dumps(found)) == found
    text = "\n".join(bench.lines_of("new A.X", found["tapes"]["new A.X"]))
    assert text.startswith("new A.X*: dqn, 2 seeds, 120 orders") and "passive holds" in text
    assert list(bench.run("old", nights=5)["tapes"]) == ["old A.X 2025-12-31", "old A.X 2026-01-01"]
    with pytest.raises(LakeError, match="execution of never"):
        bench.run("never")


def test_labels_tell_instrument_horizon_and_size():
    assert [case_label("A.X", 60, 0.005), case_label("A.X", 60, 0.1), case_label("A.X", None, None)] == [
        "A.X 60s 0.5%",
        "A.X 60s 10%",
        "A.X",
    ]
    rows = pl.concat([tape(COSTS), tape(COSTS, case=(300, 0.1), first=60)])
    assert list(by_label(rows, "dqn")) == ["A.X 60s 5%", "A.X 300s 10%"]
