"""Figures of the benchmark: every policy with its keys, the oracle apart, ablations as changes on the same orders."""

import polars as pl
import pytest

from benchmarks import execution_quality as quality
from feeds.errors import LakeError
from models.execution.baselines import baselines
from models.execution.evaluation import both_sides, evaluate
from models.execution.foresight import Foresight
from tests.support.linear_impact_env import IMPACT_BPS, MULTIPLES, LinearImpactEnv

KEYS = (
    *("is_bps", "is_ci", "impact_bps", "sd_bps", "cvar95_bps", "completion", "maker_share"),
    *("vs_twap_taker", "vs_vwap", "vs_best_baseline", "p_romano_wolf"),
)


@pytest.fixture(scope="module")
def rows():
    env, rules = LinearImpactEnv(8.0), baselines(len(MULTIPLES))
    oracle = Foresight(LinearImpactEnv(8.0), rules[:2], concession_bps=IMPACT_BPS)
    orders = both_sides(24, 3, own_blocks=True)
    return evaluate(lambda _: env, [*rules, oracle], orders, "replay", counterfactual=True)


def test_every_policy_has_every_key_and_the_oracle_is_no_baseline(rows):
    found = quality.figures(rows)
    table = found["markets"]["replay"]
    assert set(table) == set(rows["policy"]) and all(tuple(line) == KEYS for line in table.values())
    assert next(iter(table)) == quality.ORACLE and table[quality.ORACLE]["vs_best_baseline"] is None
    best = found["best_baseline"]["replay"]
    assert best == "twap_taker" and table["vwap"]["vs_vwap"] is None and table[best]["vs_best_baseline"] is None
    assert table[quality.ORACLE]["vs_twap_taker"][0] < 0 < table["immediate"]["vs_vwap"][1]
    assert table["twap_taker"]["impact_bps"] == pytest.approx(IMPACT_BPS / 5, abs=0.01)
    assert found["oracle_test"]["replay"][0] is True


def test_an_ablation_is_the_change_of_the_mean_on_the_tape(rows):
    cheaper = rows.with_columns(pl.col("is_bps") - 1.5)
    changes = quality._changes(pl.concat([rows, rows.with_columns(market=pl.lit("flow"))]), {"no_fees": cheaper})
    assert set(changes["no_fees"].values()) == {-1.5}


def test_a_study_that_was_not_run_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("T2T_DATA", str(tmp_path))
    with pytest.raises(LakeError, match="execution policies of bitstamp_demo"):
        quality.run()
