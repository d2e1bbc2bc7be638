"""Asset checks: good partitions pass; damaged ones fail and say which expectation, on how many rows."""

import json

import dagster as dg
import polars as pl
import pytest

from assets.checks import (
    DATE_TABLES,
    INSTRUMENT_DAY_TABLES,
    audit_features,
    build_checks,
    evaluate_table,
    judge_controls,
)
from assets.partitions import StudyPartitions, instrument_day_key
from assets.store import StudyStore
from assets.universe import why_excluded
from feeds.calendar import session_bounds
from feeds.errors import LakeError
from feeds.instruments import InstrumentSpec
from feeds.schema import EXTERNAL_SIGNALS, HEADLINES, SENTIMENT, VENDOR_BARS, empty
from feeds.study import load_study
from models.bars import time_bars
from models.feature_table import build_feature_table, build_training_set
from models.features import microstructure_features
from tests.support.clean_ticks import random_clean_ticks
from tests.support.raw_events import quote_day
from tests.support.studies import write_study

DATE, SYMBOL = "2013-10-07", "AAA.US"
SPEC = InstrumentSpec(id=SYMBOL, tick_size=0.01, lot_size=1)
OPEN_NS, CLOSE_NS = session_bounds("XNYS", DATE)
GRID_MS, LABELS_MS = 30_000, [60_000, 30_000]
TABLES = (*INSTRUMENT_DAY_TABLES, *DATE_TABLES)
ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
IS_TRADE = pl.col("action") == "T"


def texts():
    rows = {
        "published_at": [OPEN_NS, OPEN_NS + 1],
        "available_at": [OPEN_NS, OPEN_NS + 1],
        "symbol": [SYMBOL, "*"],
        "headline": ["A company wins a large order", "A bank is fined"],
        "source": ["simulated", "simulated"],
        "text_id": ["0123456789abcdef", "fedcba9876543210"],
        "p_negative": [0.1, 0.7],
        "p_neutral": [0.3, 0.2],
        "p_positive": [0.6, 0.1],
        "score": [0.5, -0.6],
    }
    return pl.DataFrame(rows, schema=SENTIMENT)


def signals():
    row = {
        "available_at": OPEN_NS,
        "effective_at": OPEN_NS,
        "symbol": "*",
        "name": "vix",
        "value": 16.0,
        "source": "simulated",
    }
    return pl.DataFrame([row], schema=EXTERNAL_SIGNALS)


def published(bars=390):
    minute = 60_000_000_000
    opens = [OPEN_NS + number * minute for number in range(bars)]
    prices = {"open": 1000, "high": 1002, "low": 999, "close": 1001, "volume_lots": 500}
    stamps = {"ts_open": opens, "ts": [stamp + minute for stamp in opens]}
    columns = {name: [value] * bars for name, value in prices.items()}
    return pl.DataFrame({**stamps, **columns, "source": ["us_equity_minute"] * bars}, schema=VENDOR_BARS)


@pytest.fixture(scope="module")
def good():
    """A good partition of every table; what is derived comes from the code that derives it in the graph."""
    clean = random_clean_ticks(seed=1, events=5_000, session_s=(CLOSE_NS - OPEN_NS) / 1e9, open_ns=OPEN_NS)
    micro = microstructure_features(clean, (OPEN_NS, CLOSE_NS), GRID_MS, SPEC)
    features = build_feature_table(micro, texts(), signals(), DATE)
    return {
        "raw_ticks": quote_day(quotes=500),
        "clean_ticks": clean,
        "bars": time_bars(clean, (OPEN_NS, CLOSE_NS), 60_000, 10_000),
        "microstructure_features": micro,
        "headlines": texts().select(list(HEADLINES)),
        "external_signals": signals(),
        "sentiment": texts(),
        "feature_table": features,
        "training_set": build_training_set(features, LABELS_MS, latency_ms=100),
        "vendor_bars": published(),
    }


@pytest.fixture
def store(tmp_path):
    return StudyStore(study=str(write_study(tmp_path)), root=str(tmp_path / "data"))


def symbol_of(table):
    return SYMBOL if table in INSTRUMENT_DAY_TABLES else None


def put(store, table, frame):
    params = {"instrument": SPEC.model_dump()}
    return store.lake.write(table, frame, DATE, symbol_of(table), params=params)


def check(store, table, frame):
    """Write the partition and run its suite."""
    put(store, table, frame)
    return evaluate_table(store, table, DATE, symbol_of(table))


def results(result):
    """The records of the table that the UI shows."""
    return [record.data for record in result.metadata["results"].records]


def on_rows(column, value, *rows):
    return pl.when(pl.int_range(pl.len()).is_in(rows)).then(value).otherwise(pl.col(column)).alias(column)


#: Table -> damage, the column of the expectation it violates, and the rows that violate it.
DAMAGE = {
    "raw_ticks": (
        lambda f: f.with_columns(price=pl.when(IS_TRADE).then(0).otherwise(pl.col("price"))),
        "trade_price",
        100,
    ),
    "clean_ticks": (lambda f: f.with_columns(on_rows("ask_px", 1, 30)), "spread_ticks", 1),
    "bars": (lambda f: f.with_columns(on_rows("realised_variance", -1e-9, 3, 5)), "realised_variance", 2),
    "microstructure_features": (
        lambda f: f.with_columns(on_rows("queue_imbalance", -3.0, 7, 8, 9)),
        "queue_imbalance",
        3,
    ),
    "headlines": (lambda f: f.with_columns(pl.col("published_at") + 1), "publication_delay_ns", 2),
    "sentiment": (lambda f: f.with_columns(on_rows("score", 1.5, 1)), "score", 1),
    "external_signals": (lambda f: f.with_columns(value=pl.lit(float("nan"))), "value_is_finite", 1),
    "feature_table": (lambda f: pl.concat([f, f.head(3)]), "", 6),
    "vendor_bars": (lambda f: f.with_columns(on_rows("volume_lots", -1, 4, 5)), "volume_lots", 2),
    "training_set": (
        lambda f: f.with_columns(on_rows("label_60000ms_bps", 5e4, *range(10))),
        "label_abs_bps",
        10,
    ),
}


@pytest.mark.parametrize("table", TABLES)
def test_a_good_partition_passes_and_every_expectation_is_listed(store, good, table):
    result = check(store, table, good[table])
    assert result.passed, result.description
    listed = results(result)
    assert len(listed) == result.metadata["expectations"].value > 3
    assert all(row["passed"] and row["rows_failed"] == 0 for row in listed)
    assert result.metadata["failed"].value == result.metadata["rows_failed"].value == 0
    assert result.metadata["rows_checked"].value == good[table].height
    assert result.description == "all passed"


@pytest.mark.parametrize("table", TABLES)
def test_a_damaged_partition_fails_and_shows_the_expectation_and_its_rows(store, good, table):
    damage, column, rows = DAMAGE[table]
    result = check(store, table, damage(good[table]))
    assert not result.passed and result.severity == ERROR
    failed = {row["column"]: row for row in results(result) if not row["passed"]}
    assert failed[column]["rows_failed"] == rows and failed[column]["blocking"]
    assert f"{failed[column]['expectation']} on {rows} rows" in result.description
    assert result.metadata["failed"].value == len(failed)
    assert result.metadata["rows_failed"].value == sum(row["rows_failed"] for row in failed.values())


def test_a_failed_expectation_shows_examples_of_what_was_found(store, good):
    damage, column, _ = DAMAGE["microstructure_features"]
    listed = results(check(store, "microstructure_features", damage(good["microstructure_features"])))
    assert next(row["examples"] for row in listed if row["column"] == column) == "-3; -3; -3"


@pytest.mark.parametrize("damaged", [False, True])
@pytest.mark.parametrize("table", TABLES)
def test_results_are_stored_with_the_partition_they_speak_of_as_parent(store, good, table, damaged):
    frame = DAMAGE[table][0](good[table]) if damaged else good[table]
    origin, symbol = put(store, table, frame), symbol_of(table)
    result = evaluate_table(store, table, DATE, symbol)
    assert store.lake.manifest(f"quality_{table}", DATE, symbol).parents == (origin.id,)
    kept = store.lake.read(f"quality_{table}", DATE, symbol)
    assert kept.select(pl.col("date", "symbol", "table").unique()).rows() == [(DATE, symbol or "*", table)]
    assert kept["passed"].all() is not damaged
    shown = ["expectation", "column", "blocking", "passed", "rows_checked", "rows_failed", "examples"]
    assert kept.select(shown).to_dicts() == [{name: row[name] for name in shown} for row in results(result)]


def test_a_failing_expectation_that_does_not_block_is_a_warning(store, good):
    unsigned = good["clean_ticks"].with_columns(trade_sign=pl.lit(0, pl.Int8))
    result = check(store, "clean_ticks", unsigned)
    assert not result.passed and result.severity == WARN
    assert [(row["column"], row["blocking"]) for row in results(result) if not row["passed"]] == [
        ("trade_is_signed", False)
    ]


def test_a_blocking_failure_beside_a_warning_is_an_error(store, good):
    unsigned = good["clean_ticks"].with_columns(trade_sign=pl.lit(0, pl.Int8))
    result = check(store, "clean_ticks", DAMAGE["clean_ticks"][0](unsigned))
    assert not result.passed and result.severity == ERROR
    assert {"trade_is_signed", "spread_ticks"} <= {row["column"] for row in results(result) if not row["passed"]}


def test_a_missing_column_fails_instead_of_being_passed_over(store, good):
    result = check(store, "bars", good["bars"].drop("realised_variance"))
    assert not result.passed and result.severity == ERROR
    assert "realised_variance" in {row["column"] for row in results(result) if not row["passed"]}


@pytest.mark.parametrize("table", ["headlines", "sentiment", "external_signals"])
def test_a_date_without_news_or_signals_passes(store, table):
    assert check(store, table, empty(table)).passed


@pytest.mark.parametrize("table", ["raw_ticks", "clean_ticks", "bars", "feature_table", "training_set"])
def test_a_market_table_without_rows_fails(store, good, table):
    result = check(store, table, good[table].clear())
    assert not result.passed and result.severity == ERROR


def test_a_corrected_partition_is_judged_anew(store, good):
    assert not check(store, "raw_ticks", DAMAGE["raw_ticks"][0](good["raw_ticks"])).passed
    assert "raw_ticks failed" in why_excluded(store.lake, DATE, SYMBOL)
    corrected = put(store, "raw_ticks", good["raw_ticks"])
    assert why_excluded(store.lake, DATE, SYMBOL) == "the check of raw_ticks is older than the table"
    assert evaluate_table(store, "raw_ticks", DATE, SYMBOL).passed
    assert store.lake.manifest("quality_raw_ticks", DATE, SYMBOL).parents == (corrected.id,)
    assert why_excluded(store.lake, DATE, SYMBOL) == "no clean_ticks"


def test_a_partition_that_is_not_there_cannot_pass(store):
    with pytest.raises(LakeError, match=f"table bars; received no partition date={DATE} symbol={SYMBOL}"):
        evaluate_table(store, "bars", DATE, SYMBOL)
    assert not store.lake.exists("quality_bars", DATE, SYMBOL)


# --- leakage audit ---------------------------------------------------------------------------------------------------


def audit(store, good, stored):
    put(store, "clean_ticks", good["clean_ticks"])
    put(store, "microstructure_features", stored)
    return audit_features(store, DATE, SYMBOL)


def test_features_made_from_the_past_pass_the_audit(store, good):
    result = audit(store, good, good["microstructure_features"])
    assert result.passed
    assert result.metadata["stored_rows_equal"].value is True and result.metadata["differing"].value == "()"
    first, second = result.metadata["cuts_ns"].value
    assert OPEN_NS < first < second < CLOSE_NS


@pytest.mark.parametrize(
    "tamper",
    [
        lambda f: f.with_columns(on_rows("spread_bps", pl.col("spread_bps") + 1e-9, 5)),
        lambda f: f.with_columns(on_rows("mid_ticks", pl.col("mid_ticks").shift(-1), 5)),
        lambda f: f.filter(pl.int_range(pl.len()) != 5),
        lambda f: f.drop("queue_imbalance"),
    ],
    ids=["a value changed in its last digits", "a value of the next row", "a row removed", "a column removed"],
)
def test_stored_features_that_were_tampered_with_fail_the_audit(store, good, tamper):
    stored = tamper(good["microstructure_features"])
    assert not stored.equals(good["microstructure_features"])
    result = audit(store, good, stored)
    assert not result.passed
    assert result.metadata["stored_rows_equal"].value is False


def test_stored_features_tampered_with_late_in_the_session_fail_the_audit(store, good):
    frame = good["microstructure_features"]
    late = frame.with_columns(on_rows("spread_bps", pl.col("spread_bps") + 1.0, frame.height - 2))
    assert not audit(store, good, late).passed


def test_a_planted_leak_fails_the_audit_though_the_stored_rows_have_it_too(store, good, monkeypatch):
    def leaky(ticks, *settings):
        frame = microstructure_features(ticks, *settings)
        return frame.with_columns(spread_bps=pl.col("spread_bps") - pl.col("spread_bps").mean())

    monkeypatch.setattr("models.features.microstructure_features", leaky)
    result = audit(store, good, leaky(good["clean_ticks"], (OPEN_NS, CLOSE_NS), GRID_MS, SPEC))
    assert not result.passed
    assert "spread_bps" in result.metadata["differing"].value
    assert "queue_imbalance" not in result.metadata["differing"].value


# --- control rows ----------------------------------------------------------------------------------------------------


def judge(store, *rows):
    tree = {"table": [{"row": name, "ic": 0.1, "ic_low": low, "ic_high": high} for name, low, high in rows]}
    store.artefacts.write("model", "alpha_model", DATE, {"evaluation.json": json.dumps(tree).encode()})
    return judge_controls(store, DATE)


FOUND = ("gradient_boosting", 0.05, 0.2)


@pytest.mark.parametrize("interval", [(-0.04, 0.06), (0.0, 0.1), (-0.1, 0.0), (None, None)])
def test_shuffled_labels_whose_interval_holds_zero_or_is_unknown_pass(store, interval):
    result = judge(store, FOUND, ("shuffled", *interval))
    assert result.passed
    assert [record.data["row"] for record in result.metadata["table"].records] == ["gradient_boosting", "shuffled"]


@pytest.mark.parametrize("interval", [(0.01, 0.06), (-0.06, -0.01)])
def test_shuffled_labels_that_find_something_fail_with_their_interval(store, interval):
    result = judge(store, FOUND, ("shuffled", *interval))
    assert not result.passed and result.severity == WARN
    assert result.description == f"shuffled labels: IC interval [{interval[0]}, {interval[1]}]"


def test_a_study_without_the_shuffled_row_has_nothing_to_judge(store):
    assert judge(store, FOUND).passed


# --- the checks inside Dagster ---------------------------------------------------------------------------------------


def checks_of(store):
    """Check definitions of the study by name, with its partitions."""
    parts = StudyPartitions(load_study(store.study))
    return {spec.name: made for made in build_checks(parts) for spec in made.check_specs}, parts


def run_in_dagster(store, name):
    """Materialise a stand-in of the checked asset, the check and something downstream; (evaluation, downstream ran)."""
    definitions, parts = checks_of(store)
    made = definitions[name]
    asset = next(iter(made.check_specs)).asset_key.to_user_string()
    by_instrument = asset in INSTRUMENT_DAY_TABLES
    partitions = parts.instrument_days if by_instrument else parts.dates

    @dg.asset(name=asset, partitions_def=partitions)
    def stand_in():
        return None

    @dg.asset(partitions_def=partitions, deps=[asset])
    def downstream():
        return None

    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(str(parts.instruments.name), [SYMBOL])
        outcome = dg.materialize(
            [stand_in, downstream, made],
            instance=instance,
            resources={"store": store},
            partition_key=instrument_day_key(DATE, SYMBOL) if by_instrument else DATE,
            raise_on_error=False,
        )
    (evaluation,) = outcome.get_asset_check_evaluations()
    return evaluation, bool(outcome.asset_materializations_for_node("downstream"))


def test_every_table_has_a_blocking_suite_check_and_only_the_control_rows_do_not_block(store):
    definitions, _ = checks_of(store)
    specs = {spec.name: spec for made in definitions.values() for spec in made.check_specs}
    suites = {f"{table}_quality" for table in TABLES}
    assert set(specs) == suites | {"leakage_audit", "controls_find_nothing"}
    assert {name for name, spec in specs.items() if not spec.blocking} == {"controls_find_nothing"}
    assert all(spec.description for spec in specs.values())
    assert all(specs[f"{table}_quality"].asset_key.to_user_string() == table for table in TABLES)


@pytest.mark.parametrize("table", ["raw_ticks", "feature_table"])
@pytest.mark.parametrize("damaged", [False, True])
def test_a_failed_suite_stops_what_lies_downstream_of_its_partition(store, good, table, damaged):
    put(store, table, DAMAGE[table][0](good[table]) if damaged else good[table])
    evaluation, downstream_ran = run_in_dagster(store, f"{table}_quality")
    assert evaluation.passed is downstream_ran is not damaged
    assert store.lake.exists(f"quality_{table}", DATE, symbol_of(table))


def test_a_warning_lets_the_graph_go_on(store, good):
    put(store, "clean_ticks", good["clean_ticks"].with_columns(trade_sign=pl.lit(0, pl.Int8)))
    evaluation, downstream_ran = run_in_dagster(store, "clean_ticks_quality")
    assert not evaluation.passed and downstream_ran


@pytest.mark.parametrize("tampered", [False, True])
def test_a_failed_audit_stops_what_lies_downstream(store, good, tampered):
    put(store, "clean_ticks", good["clean_ticks"])
    frame = good["microstructure_features"]
    put(store, "microstructure_features", frame.with_columns(on_rows("mid_ticks", 1.0, 5)) if tampered else frame)
    evaluation, downstream_ran = run_in_dagster(store, "leakage_audit")
    assert evaluation.passed is downstream_ran is not tampered


def test_controls_that_find_something_are_shown_and_stop_nothing(store):
    judge(store, FOUND, ("shuffled", 0.01, 0.06))
    evaluation, downstream_ran = run_in_dagster(store, "controls_find_nothing")
    assert not evaluation.passed and downstream_ran


def test_a_format_that_promises_orders_is_held_to_it(store, good):
    for format_name, passed in (("us_equity_tick", True), ("lobster", False)):
        params = {"instrument": SPEC.model_dump(), "format": format_name}
        store.lake.write("raw_ticks", good["raw_ticks"], DATE, SYMBOL, params=params)
        result = evaluate_table(store, "raw_ticks", DATE, SYMBOL)
        assert result.passed is passed, result.description
    failed = {row["column"] for row in results(result) if not row["passed"]}
    assert failed == {"has_orders", "has_stated_book"}
