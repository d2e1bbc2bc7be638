"""Anomalies: a planted crash is found, calm data stay near the stated rate, alarms are told as episodes."""

import json
import math

import numpy as np
import polars as pl
import pytest

from feeds.errors import InsufficientDataError, LakeError, SchemaError
from models.anomaly import (
    AnomalyConfig,
    AnomalyModel,
    anomaly_episodes,
    anomaly_scores,
    anomaly_table,
    anomaly_verdict,
    fit_anomaly,
    recent_alarms,
)
from models.anomaly.marks import MARKS, mark_matrix
from tests.support.feature_rows import START, STEP, S, feature_rows, with_crash

CONFIG = AnomalyConfig(alarm_share=0.005)


@pytest.fixture(scope="module")
def model():
    return fit_anomaly(feature_rows(6000, seed=1), CONFIG)


@pytest.fixture(scope="module")
def calm():
    return feature_rows(6000, seed=2)


def test_a_planted_crash_is_found_and_little_else(model):
    rows = with_crash(feature_rows(2000, seed=3), 1000, 1011)
    scores = anomaly_scores(model, rows, "m-1")
    inside = (pl.col("symbol") == "A.X") & pl.col("ts").is_between(START + 1000 * STEP, START + 1011 * STEP)
    assert scores.filter(inside)["is_anomaly"].all()
    assert scores.filter(~inside)["is_anomaly"].mean() < 3 * CONFIG.alarm_share
    assert scores["score"].arg_max() in scores.with_row_index().filter(inside)["index"].to_list()


def test_the_crash_is_one_episode_with_a_driver_that_moved(model):
    rows = with_crash(feature_rows(2000, seed=3), 1000, 1011)
    scores = anomaly_scores(model, rows)
    episodes = anomaly_episodes(model, rows, scores)
    worst = episodes.sort("highest_score", descending=True).row(0, named=True)
    assert worst["symbol"] == "A.X"
    assert worst["start_ts"] <= START + 1000 * STEP and worst["end_ts"] >= START + 1011 * STEP
    assert worst["driver"] in model.features
    assert MARKS[worst["driver"]] in {"return_1s_bps", "return_10s_bps", "return_60s_bps", "spread_bps", "depth_log"}
    assert abs(worst["deviation"]) > 4


def test_calm_data_of_another_day_stay_near_the_stated_rate(model, calm):
    share = anomaly_scores(model, calm)["is_anomaly"].mean()
    spread = math.sqrt(CONFIG.alarm_share / calm.height)
    assert abs(share - CONFIG.alarm_share) < 6 * spread


def test_each_instrument_keeps_the_rate_on_its_own(model):
    train = feature_rows(6000, seed=1)
    for _, part in anomaly_scores(model, train).group_by("symbol"):
        assert part["is_anomaly"].mean() == pytest.approx(CONFIG.alarm_share, abs=2e-4)


def test_a_louder_instrument_is_not_an_anomaly_for_being_loud(model, calm):
    """B.X has twice the volatility and spread of A.X."""
    shares = anomaly_scores(model, calm).group_by("symbol", maintain_order=True).agg(pl.col("is_anomaly").mean())
    assert shares["is_anomaly"].max() < 3 * CONFIG.alarm_share


def test_the_table_counts_and_can_be_written_as_json(model):
    rows = with_crash(feature_rows(2000, seed=3), 1000, 1011)
    scores = anomaly_scores(model, rows)
    table = anomaly_table(model, scores)
    assert table["rows"].to_list() == [2000, 2000]
    assert table["flagged"].sum() == scores["is_anomaly"].sum()
    assert table["expected_share"].to_list() == [0.005, 0.005]
    assert table["episodes"].sum() == anomaly_episodes(model, rows, scores).height
    top = table.filter(pl.col("symbol") == "A.X").row(0, named=True)
    assert START + 1000 * STEP <= top["highest_at"] <= START + 1011 * STEP
    json.dumps(table.to_dicts(), allow_nan=False)


def frame_of(flags, gap_s=5):
    n = len(flags)
    return pl.DataFrame(
        {
            "ts": START + gap_s * S * np.arange(n),
            "available_at": START + gap_s * S * np.arange(n),
            "symbol": ["A.X"] * n,
            "score": np.where(flags, 0.9, 0.4) + 1e-3 * np.arange(n),
            "threshold": [0.6] * n,
            "is_anomaly": np.asarray(flags, dtype=bool),
        }
    )


def test_alarms_close_together_are_one_episode_and_far_ones_two(model):
    flags = np.zeros(100, dtype=bool)
    flags[[10, 11, 15, 60]] = True
    rows = feature_rows(100, ("A.X",))
    episodes = anomaly_episodes(model, rows, frame_of(flags))
    assert [(s - START) // STEP for s in episodes["start_ts"]] == [10, 60]
    assert [(e - START) // STEP for e in episodes["end_ts"]] == [15, 60]
    assert anomaly_table(model, frame_of(flags))["episodes"].to_list() == [2]


def test_no_alarm_gives_no_episode_and_the_verdict_stays_calm(model):
    quiet = frame_of([False] * 50)
    assert anomaly_episodes(model, feature_rows(50, ("A.X",)), quiet).is_empty()
    verdict = anomaly_verdict(anomaly_table(model, quiet))
    assert verdict.startswith("0 of 50 decision times flagged (0.00%) in 0 episodes")
    assert "No more alarms than ordinary times raise" in verdict


def test_many_alarms_are_said_to_cluster(model):
    flags = np.zeros(1000, dtype=bool)
    flags[100:130] = True
    verdict = anomaly_verdict(anomaly_table(model, frame_of(flags)))
    assert "30 of 1,000" in verdict and "in 1 episode;" in verdict and "5.0 ± 2.2" in verdict
    assert "cluster" in verdict
    assert anomaly_verdict(anomaly_table(model, frame_of(flags).clear())) == "No decision time was scored."


def test_recent_alarms_count_the_window_only(model):
    flags = np.zeros(100, dtype=bool)
    flags[[10, 90, 95]] = True
    frame = frame_of(flags)
    now = START + 94 * STEP
    assert recent_alarms(frame, now, 60.0).to_dicts() == [{"symbol": "A.X", "alarms": 1}]
    assert recent_alarms(frame, now, 3600.0)["alarms"].to_list() == [2]


def test_changes_are_those_of_one_step_and_none_bridges_a_gap():
    rows = feature_rows(6, ("A.X",))
    late = pl.when(pl.int_range(6) >= 3).then(pl.col("ts") + 100 * STEP).otherwise(pl.col("ts")).alias("ts")
    found = mark_matrix(rows.with_columns(late), ("spread_change", "spread_bps"), STEP)
    logs = np.log(rows["spread_bps"].to_numpy())
    np.testing.assert_allclose(found[[1, 2, 4, 5], 0], np.abs(np.diff(logs))[[0, 1, 3, 4]])
    assert np.isnan(found[[0, 3], 0]).all()
    np.testing.assert_allclose(found[:, 1], logs)


def test_marks_have_no_direction():
    rows = feature_rows(50, ("A.X",))
    mirrored = rows.with_columns(
        -pl.col(f"{name}_{w}s{unit}") for w in (1, 10, 60) for name, unit in (("ofi", ""), ("return", "_bps"))
    )
    names = tuple(name for name in MARKS if MARKS[name] in rows.columns)
    np.testing.assert_array_equal(mark_matrix(rows, names, STEP), mark_matrix(mirrored, names, STEP))


def test_rows_with_too_few_marks_and_strangers_have_no_score(model, calm):
    blind = calm.head(10).with_columns(pl.lit(None, pl.Float64).alias(MARKS[name]) for name in model.features[:-4])
    scores = anomaly_scores(model, blind)
    assert scores["score"].null_count() == scores["is_anomaly"].null_count() == 10
    stranger = calm.filter(pl.col("symbol") == "A.X").head(10).with_columns(pl.lit("NEW.X").alias("symbol"))
    scores = anomaly_scores(model, stranger)
    assert scores["score"].null_count() == scores["threshold"].null_count() == 10


def test_too_few_rows_name_both_numbers():
    with pytest.raises(InsufficientDataError, match=r"at most 150 rows an instrument.*at least 200"):
        fit_anomaly(feature_rows(150), CONFIG)
    with pytest.raises(InsufficientDataError, match="at most 0 rows"):
        fit_anomaly(feature_rows(10).clear(), CONFIG)


def test_frames_without_the_needed_columns_are_refused(model, calm):
    with pytest.raises(SchemaError, match="anomaly features"):
        fit_anomaly(calm.select("ts", "symbol", "mid_ticks"), CONFIG)
    with pytest.raises(SchemaError, match="ofi_10s"):
        anomaly_scores(model, calm.drop("ofi_10s"))


def test_other_bytes_are_refused():
    with pytest.raises(LakeError, match="anomaly model"):
        AnomalyModel.from_bytes(b"junk")
