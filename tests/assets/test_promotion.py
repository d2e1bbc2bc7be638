"""Champion against challenger on data where it is known which of them is better."""

import numpy as np
import polars as pl
import pytest

from assets.partitions import StudyPartitions
from assets.promotion import COMPARE, block_ms, check_name, decide_family, families
from assets.promotion import _check as check_of
from assets.store import StudyStore
from feeds.calendar import session_bounds
from feeds.errors import LakeError
from feeds.registry import Registry
from feeds.study import load_study
from models.alpha import AlphaConfig, fit_alpha
from tests.support.studies import write_study

SECOND = 1_000_000_000
DATES = ("2013-10-07", "2013-10-08", "2013-10-09")
LABEL = "label_60000ms_bps"
SPLIT = {"kind": "walk_forward", "train_days": 2}


def day(date, seed):
    """A session whose label is half known from the feature ``signal``; ``noise`` tells nothing."""
    opened, closed = session_bounds("XNYS", date)
    ts = np.arange(opened + 30 * SECOND, closed - 90 * SECOND, 30 * SECOND)
    random = np.random.default_rng(seed)
    signal = random.normal(size=ts.size)
    return pl.DataFrame(
        {
            "ts": ts,
            "available_at": ts,
            "date": date,
            "symbol": "AAA.US",
            "signal": signal,
            "noise": random.normal(size=ts.size),
            LABEL: signal + random.normal(size=ts.size),
            "label_available_at": ts + 60 * SECOND,
        }
    )


@pytest.fixture
def store(tmp_path):
    made = StudyStore(study=str(write_study(tmp_path, split=SPLIT)), root=str(tmp_path / "data"))
    for seed, date in enumerate(DATES):
        made.lake.write("training_set", day(date, seed), date)
    return made


def trained(store, date, feature):
    """A model that reads one feature, stored as the night's alpha_model."""
    train = store.lake.read_dates("training_set", [d for d in DATES if d < date] or [DATES[0]])
    model = fit_alpha(train, [feature], LABEL, AlphaConfig(rows=("naive", "linear")))
    return store.artefacts.write("model", "alpha_model", date, {"model.joblib": model.to_bytes()})


def night(store, date, feature):
    challenger = trained(store, date, feature)
    return challenger, decide_family(store, date, "alpha")


def test_the_first_model_is_champion_without_a_test(store):
    challenger, row = night(store, DATES[1], "signal")
    assert (row["decision"], row["champion"], row["n"]) == ("first", challenger.id, None)
    assert check_of("alpha", row).passed


def test_a_challenger_that_knows_less_leaves_the_champion_in_place_and_its_check_fails(store):
    champion, _ = night(store, DATES[1], "signal")
    challenger, row = night(store, DATES[2], "noise")
    assert (row["decision"], row["champion"], row["incumbent"]) == ("kept", champion.id, champion.id)
    assert row["challenger"] == challenger.id and 0 < row["low"] < row["difference"] < row["high"]
    check = check_of("alpha", row)
    assert not check.passed and check.check_name == check_name("alpha") and "kept" in check.description


def test_a_challenger_that_knows_more_is_promoted(store):
    night(store, DATES[1], "noise")
    challenger, row = night(store, DATES[2], "signal")
    assert (row["decision"], row["champion"]) == ("promoted", challenger.id)
    assert row["high"] < 0 and check_of("alpha", row).passed


def test_the_same_knowledge_is_no_reason_to_promote(store):
    champion, _ = night(store, DATES[1], "signal")
    _, row = night(store, DATES[2], "signal")
    assert row["champion"] == champion.id and not check_of("alpha", row).passed


def test_a_champion_that_cannot_be_judged_stays_and_the_reason_is_recorded(store, monkeypatch):
    champion, _ = night(store, DATES[1], "signal")

    def fail(*_):
        raise LakeError("model.joblib", received="no file")

    monkeypatch.setitem(COMPARE, "alpha", fail)
    _, row = night(store, DATES[2], "signal")
    assert (row["decision"], row["champion"]) == ("not tested", champion.id) and "no file" in row["reason"]


def test_a_rerun_of_a_night_gives_the_same_decision_and_an_earlier_one_does_not_see_later_ones(store):
    night(store, DATES[1], "noise")
    _, first = night(store, DATES[2], "signal")
    _, again = night(store, DATES[2], "signal")
    assert first == again
    _, earlier = night(store, DATES[1], "noise")
    assert earlier["decision"] == "first"
    assert Registry(store.path).dates("alpha") == [DATES[1], DATES[2]]


def test_execution_is_a_family_only_where_the_study_executes(tmp_path):
    without, executing = (
        StudyPartitions(load_study(write_study(tmp_path, **changes))) for changes in ({}, {"execution": {}})
    )
    assert "execution" not in families(without) and "execution" in families(executing)


def test_blocks_of_a_short_test_are_shorter():
    hour = pl.Series([0, 3_600 * SECOND])
    assert block_ms(hour) == 300_000 and block_ms(pl.Series([0, 6 * 3_600 * SECOND])) == 900_000


def judged_agents(store, date, champion, less_bps):
    """A night on whose orders the agent ``ppo`` costs so much less than the champion; ``dqn`` costs next to nothing."""
    agents = store.artefacts.write(
        "model",
        "execution_policy",
        date,
        {"training.json": date.encode()},
        params={"agents": ["dqn", "ppo"], "agent": "ppo", "terms": ["elapsed_share"], "seeds": [1, 2]},
    )
    random = np.random.default_rng(len(date))
    records = []
    for episode in range(60):
        common = random.normal(5.0, 3.0)
        costs = {"ppo": common - less_bps, "dqn": 0.0} | ({"champion": common} if champion else {})
        records += [
            {"market": market, "policy": name, "training_seed": seed, "symbol": "AAA.US", "episode": episode}
            | {
                "block": str(episode // 5),
                "is_bps": cost + random.normal(0.0, 0.5) + (99.0 if market == "flow" else 0.0),
            }
            for market, offset in (("replay", 0.0), ("flow", 99.0))
            for name, cost in costs.items()
            for seed in (1, 2)
        ]
    store.lake.write("execution_evaluation", pl.DataFrame(records), date, parents=[agents.id])
    return agents, decide_family(store, date, "execution")


@pytest.mark.parametrize(("less_bps", "decided"), [(1.0, "promoted"), (0.0, "kept"), (-1.0, "kept")])
def test_an_execution_agent_replaces_the_champion_only_where_the_paired_interval_lies_below_zero(
    store, less_bps, decided
):
    champion, first = judged_agents(store, DATES[1], False, 0.0)
    challenger, row = judged_agents(store, DATES[2], True, less_bps)
    assert first["decision"] == "first" and row["decision"] == decided
    assert row["champion"] == (challenger.id if decided == "promoted" else champion.id)
    assert row["n"] == 60 and row["low"] < -less_bps < row["high"]
    assert check_of("execution", row).passed == (decided == "promoted") and row["reason"]


def test_an_execution_champion_that_was_not_judged_stays_and_it_is_said(store):
    champion, _ = judged_agents(store, DATES[1], False, 0.0)
    _, row = judged_agents(store, DATES[2], False, 1.0)
    assert (row["decision"], row["champion"]) == ("not tested", champion.id)
    assert "no orders worked by" in row["reason"]
