"""Suites: good tables pass, and each kind of damage fails with the expectation that names it."""

import subprocess
import sys

import polars as pl
import pytest

from feeds.cleaning import filter_rows, finish
from feeds.errors import SchemaError
from feeds.instruments import InstrumentSpec
from feeds.nbbo import with_nbbo
from feeds.quality.run import run_suite
from feeds.quality.suites import DERIVE, SUITES, Expectation, between
from feeds.schema import BARS, EXTERNAL_SIGNALS, SENTIMENT, empty
from tests.support.raw_events import MS, START_NS, quote_day, random_orders

SECOND = 1_000 * MS
SPEC = InstrumentSpec(id="IBM.US", tick_size=0.0001, lot_size=1)


def good_raw():
    return quote_day()


def good_clean():
    bounds = (START_NS, START_NS + 3_600 * SECOND)
    return finish(with_nbbo(filter_rows(good_raw(), SPEC, bounds)[0]), bounds)[0]


def good_bars():
    n = 20
    frame = pl.DataFrame({"ts_open": [START_NS + i * 60 * SECOND for i in range(n)]}).with_columns(
        ts=pl.col("ts_open") + 60 * SECOND,
        available_at=pl.col("ts_open") + 60 * SECOND,
        open=100,
        high=104,
        low=98,
        close=101,
        volume_lots=500,
        trades=7,
        vwap_ticks=100.5,
        mid_open_ticks=100.0,
        mid_close_ticks=101.0,
        spread_mean_ticks=1.5,
        realised_variance=1e-6,
        signed_volume_lots=-120,
    )
    return frame.select(pl.col(name).cast(kind) for name, kind in BARS.items())


def good_vendor_bars():
    frame = good_bars().select("ts_open", "ts", "open", "high", "low", "close", "volume_lots")
    return frame.with_columns(source=pl.lit("vendor"))


def good_features():
    n = 50
    return pl.DataFrame({"ts": [START_NS + i * SECOND for i in range(1, n + 1)]}).with_columns(
        available_at=pl.col("ts"),
        symbol=pl.lit("IBM.US"),
        mid_ticks=pl.lit(1e6) + pl.int_range(pl.len()),
        spread_bps=1.5,
        queue_imbalance=0.2,
        depth_imbalance=-0.3,
        time_of_session=pl.int_range(pl.len()) / n,
        quote_age_ms=15.0,
        realised_vol_60s_bps=pl.when(pl.int_range(pl.len()) > 2).then(3.0),
    )


def good_training():
    return good_features().with_columns(
        label_10000ms_bps=pl.when(pl.int_range(pl.len()) < 40).then(0.7),
        label_available_at=pl.col("ts") + 10 * SECOND,
    )


def good_headlines():
    return good_sentiment().select(name for name in empty("headlines").columns)


def good_sentiment():
    rows = {
        "published_at": [START_NS, START_NS],
        "available_at": [START_NS, START_NS],
        "symbol": ["IBM.US", "BAC.US"],
        "headline": ["A company wins a large order", "A bank is fined"],
        "source": ["wire", "wire"],
        "text_id": ["0123456789abcdef", "fedcba9876543210"],
        "p_negative": [0.1, 0.7],
        "p_neutral": [0.3, 0.2],
        "p_positive": [0.6, 0.1],
        "score": [0.5, -0.6],
    }
    return pl.DataFrame(rows, schema=SENTIMENT)


def good_signals():
    row = {"available_at": START_NS, "effective_at": START_NS, "symbol": "*", "name": "x", "value": 1.0, "source": "s"}
    return pl.DataFrame([row], schema=EXTERNAL_SIGNALS)


GOOD = {
    "raw_ticks": good_raw,
    "clean_ticks": good_clean,
    "bars": good_bars,
    "vendor_bars": good_vendor_bars,
    "microstructure_features": good_features,
    "headlines": good_headlines,
    "external_signals": good_signals,
    "sentiment": good_sentiment,
    "feature_table": good_features,
    "training_set": good_training,
}


def failed(table, frame):
    return {item.column: item for item in run_suite(table, frame).results if not item.passed}


def every(n, good, bad):
    """``bad`` on every n-th row, else ``good``."""
    return pl.when(pl.int_range(pl.len()) % n == n - 1).then(bad).otherwise(good)


def once(column, bad, row=30):
    return pl.when(pl.int_range(pl.len()) == row).then(bad).otherwise(pl.col(column)).alias(column)


TRADE = pl.col("action") == "T"


def test_each_table_with_a_suite_has_its_derived_columns_and_a_good_example():
    assert set(SUITES) == set(DERIVE) == set(GOOD)


@pytest.mark.parametrize("table", SUITES)
def test_a_good_table_passes_and_every_expectation_could_be_evaluated(table):
    result = run_suite(table, GOOD[table]())
    assert result.passed, [item for item in result.results if not item.passed]
    assert [item.expectation for item in result.results] == [item.text for item in SUITES[table]]
    assert not any("missing" in " ".join(item.examples) for item in result.results)


def test_order_events_pass_the_raw_suite_too():
    frame = random_orders(1).filter(pl.col("action") != "R").with_columns(pl.lit(500).alias("order_id"))
    assert run_suite("raw_ticks", frame).passed


RAW_DAMAGE = {
    "no rows": (lambda f: f.clear(), None),
    "milliseconds taken for nanoseconds": (lambda f: f.with_columns(pl.col("ts_event", "ts_recv") // MS), "ts_event"),
    "two days in one partition": (
        lambda f: f.with_columns(pl.col("ts_event", "ts_recv") + pl.int_range(pl.len()) * 60 * SECOND),
        "hours_since_first",
    ),
    "rows delivered minutes earlier": (
        lambda f: f.with_columns(once("ts_recv", pl.col("ts_recv") - 600 * SECOND)),
        "clock_step_ms",
    ),
    "clocks hours apart": (lambda f: f.with_columns(ts_recv=pl.col("ts_recv") + 4 * 3600 * SECOND), "recv_delay_ms"),
    "a repeated sequence": (lambda f: f.with_columns(once("sequence", 0)), "sequence_step"),
    "trades at price zero": (
        lambda f: f.with_columns(price=pl.when(TRADE).then(0).otherwise(pl.col("price"))),
        "trade_price",
    ),
    "trades without size": (
        lambda f: f.with_columns(size=pl.when(TRADE).then(0).otherwise(pl.col("size"))),
        "trade_size",
    ),
    "quotes below zero": (
        lambda f: f.with_columns(price=pl.when(TRADE).then(pl.col("price")).otherwise(-pl.col("price"))),
        "quote_price",
    ),
    "prices scaled up in the middle": (
        lambda f: f.with_columns(
            price=pl.when(TRADE).then(pl.col("price") * every(3, 1, 100)).otherwise(pl.col("price"))
        ),
        "trade_jump_ratio",
    ),
    "quotes of two instruments mixed": (
        lambda f: f.with_columns(
            price=pl.when(TRADE).then(pl.col("price")).otherwise(pl.col("price") * every(3, 1, 7))
        ),
        "quote_jump_ratio",
    ),
    "hardly any quotes": (lambda f: pl.concat([f.filter(TRADE), f.filter(~TRADE).head(9)]), "is_book_event"),
    "bids only": (lambda f: f.filter(pl.col("side") != "A"), "is_bid_side_of_book"),
    "orders without ids": (
        lambda f: f.with_columns(action=pl.lit("A").cast(f.schema["action"]), order_id=0),
        "order_id_of_order",
    ),
    "a stated book that is crossed": (
        lambda f: f.with_columns(bid_px=pl.lit(105), ask_px=pl.lit(100)),
        "stated_book_is_crossed",
    ),
    "many suspicious rows": (lambda f: f.with_columns(flags=every(4, 0, 4).cast(pl.UInt8)), "is_suspicious"),
    "a missing column": (lambda f: f.drop("condition"), None),
}


@pytest.mark.parametrize("damage", RAW_DAMAGE)
def test_a_damaged_capture_fails_the_expectation_that_names_the_damage(damage):
    spoil, column = RAW_DAMAGE[damage]
    result = run_suite("raw_ticks", spoil(good_raw()))
    assert not result.passed
    assert column in {item.column for item in result.results if not item.passed and item.blocking}


CLEAN_DAMAGE = {
    "available_at_step_ns": once("available_at", START_NS),
    "is_known_after_event": (pl.col("ts_event") + 5).alias("ts_event"),
    "bid_px": once("bid_px", 0),
    "spread_ticks": once("ask_px", 1),
    "bid_sz": once("bid_sz", -1),
    "ask_sz": once("ask_sz", 0),
    "depth_beyond_bid": once("bid_depth", 0),
    "depth_beyond_ask": once("ask_depth", 0),
    "trade_price": pl.when(TRADE).then(0).otherwise(pl.col("price")).alias("price"),
    "trade_sign": once("trade_sign", pl.lit(2, pl.Int8)),
    "sign_of_non_trade": pl.lit(1, pl.Int8).alias("trade_sign"),
    "spread_bps": (pl.col("ask_px") * 2).alias("ask_px"),
    "trade_to_mid_bps": (pl.col("price") * 2).alias("price"),
}


@pytest.mark.parametrize("column", CLEAN_DAMAGE)
def test_clean_ticks_that_break_an_invariant_fail(column):
    spoilt = failed("clean_ticks", good_clean().with_columns(CLEAN_DAMAGE[column]))
    assert spoilt[column].blocking


def test_unsigned_trades_are_a_warning_only():
    result = run_suite("clean_ticks", good_clean().with_columns(trade_sign=pl.lit(0, pl.Int8)))
    assert result.passed
    assert [item.column for item in result.results if not item.passed] == ["trade_is_signed"]


VENDOR_DAMAGE = {
    "ts_open": once("ts_open", 7, 3),
    "ts": once("ts", 7, 3),
    "source": once("source", None, 3),
    "bar_s": once("ts_open", pl.col("ts"), 3),
    "open_after_close_ns": once("ts", pl.col("ts") + 1, 3),
    "close": once("close", None, 3),
    "low": once("low", 0, 3),
    "high_over_body": once("high", 99, 3),
    "body_over_low": once("low", 103, 3),
    "volume_lots": once("volume_lots", -1, 3),
    "range_ratio": once("high", 104_000, 3),
    "open_jump_ratio": pl.when(pl.int_range(pl.len()) > 9)
    .then(pl.col("open", "high", "low", "close") * 100)
    .otherwise(pl.col("open", "high", "low", "close")),
}


@pytest.mark.parametrize("column", VENDOR_DAMAGE)
def test_published_bars_that_cannot_be_fail(column):
    assert failed("vendor_bars", good_vendor_bars().with_columns(VENDOR_DAMAGE[column]))[column].blocking


def test_published_bars_of_two_sources_may_overlap_but_not_repeat():
    other = good_vendor_bars().with_columns(source=pl.lit("venue"))
    assert run_suite("vendor_bars", pl.concat([good_vendor_bars(), other])).passed
    twice = run_suite("vendor_bars", pl.concat([good_vendor_bars(), good_vendor_bars().head(1)]))
    assert "unique" in next(item.expectation for item in twice.results if not item.passed and item.rows_failed == 2)


BARS_DAMAGE = {
    "bar_ns": once("ts_open", pl.col("ts"), 3),
    "ts_step_ns": once("ts", START_NS, 3),
    "known_after_end_ns": once("available_at", START_NS, 3),
    "low": once("low", 0, 3),
    "high_over_body": once("high", 99, 3),
    "body_over_low": once("low", 103, 3),
    "volume_lots": once("volume_lots", -1, 3),
    "trades": once("trades", -1, 3),
    "trades_without_volume": once("volume_lots", 0, 3),
    "unsigned_excess_lots": once("signed_volume_lots", 900, 3),
    "realised_variance": once("realised_variance", -1e-9, 3),
    "spread_mean_ticks": once("spread_mean_ticks", -0.5, 3),
}


@pytest.mark.parametrize("column", BARS_DAMAGE)
def test_bars_that_contradict_themselves_fail(column):
    assert column in failed("bars", good_bars().with_columns(BARS_DAMAGE[column]))


def test_bars_without_trades_are_fine():
    nothing = {name: pl.lit(None) for name in ("open", "high", "low", "close", "vwap_ticks")}
    quiet = good_bars().with_columns(**nothing, trades=0, volume_lots=0, signed_volume_lots=0)
    assert run_suite("bars", quiet.select(pl.col(n).cast(k) for n, k in BARS.items())).passed


FEATURE_DAMAGE = {
    "lookahead_ns": once("available_at", pl.col("ts") + 1),
    "mid_ticks": once("mid_ticks", 0.0),
    "infinite_values": once("spread_bps", float("inf")),
    "missing_share": pl.lit(None, pl.Float64).alias("spread_bps"),
    "ts": once("ts", 5),
    "symbol": once("symbol", None),
}


@pytest.mark.parametrize("table", ["microstructure_features", "feature_table", "training_set"])
@pytest.mark.parametrize("column", FEATURE_DAMAGE)
def test_features_that_look_ahead_repeat_or_are_not_numbers_fail(table, column):
    frame = GOOD[table]().with_columns(FEATURE_DAMAGE[column])
    if column == "missing_share":
        frame = frame.with_columns(
            pl.lit(float("nan")).alias(name)
            for name in ("queue_imbalance", "quote_age_ms", "depth_imbalance", "time_of_session")
        )
    assert column in failed(table, frame)


def test_two_rows_for_one_instrument_and_time_fail():
    frame = good_features()
    result = run_suite("feature_table", pl.concat([frame, frame.head(1)]))
    repeated = [item for item in result.results if not item.passed]
    assert [item.rows_failed for item in repeated] == [2]
    assert "unique" in repeated[0].expectation


@pytest.mark.parametrize("column", ["queue_imbalance", "depth_imbalance", "time_of_session", "quote_age_ms"])
def test_bounded_features_outside_their_bounds_fail(column):
    assert column in failed("microstructure_features", good_features().with_columns(once(column, -3.0)))


def test_a_training_set_without_labels_or_with_absurd_ones_fails():
    label = "label_10000ms_bps"
    assert "is_labelled" in failed("training_set", good_training().with_columns(pl.lit(None, pl.Float64).alias(label)))
    assert "label_abs_bps" in failed("training_set", good_training().with_columns(pl.lit(5e4).alias(label)))
    assert "is_labelled" in failed("training_set", good_features())


TEXT_DAMAGE = {
    "published_at": pl.lit(0, pl.Int64).alias("published_at"),
    "publication_delay_ns": (pl.col("published_at") - 1).alias("available_at"),
    "headline_characters": pl.lit("  ").alias("headline"),
    "symbol": pl.lit(None, pl.String).alias("symbol"),
    "source": pl.lit(None, pl.String).alias("source"),
}


@pytest.mark.parametrize("column", TEXT_DAMAGE)
def test_headlines_from_the_future_or_without_text_fail(column):
    assert column in failed("headlines", good_headlines().with_columns(TEXT_DAMAGE[column]))


@pytest.mark.parametrize(
    ("column", "damage"),
    [
        ("p_negative", pl.lit(1.2).alias("p_negative")),
        ("p_positive", pl.lit(None, pl.Float64).alias("p_positive")),
        ("probability_excess", pl.lit(0.9).alias("p_neutral")),
        ("score_error", pl.lit(0.0).alias("score")),
        ("score", pl.lit(1.5).alias("score")),
    ],
)
def test_scores_that_are_no_probabilities_fail(column, damage):
    assert column in failed("sentiment", good_sentiment().with_columns(damage))


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_a_signal_without_a_finite_value_fails(value):
    damaged = good_signals().with_columns(pl.lit(value, pl.Float64).alias("value"))
    assert "value_is_finite" in failed("external_signals", damaged)


@pytest.mark.parametrize("table", ["headlines", "external_signals", "sentiment"])
def test_a_day_without_news_or_signals_is_fine(table):
    assert run_suite(table, empty(table)).passed


def test_a_failure_names_how_many_rows_and_shows_some():
    frame = good_raw().with_columns(price=pl.when(TRADE).then(-7).otherwise(pl.col("price")))
    item = failed("raw_ticks", frame)["trade_price"]
    assert item.rows_failed == item.rows_checked == 400
    assert item.examples == ("-7",) * 5
    assert item.expectation == "trade_price be between [1, ] for 99.0% of rows"


def test_the_same_partition_gives_the_same_result_twice():
    assert run_suite("raw_ticks", good_raw()) == run_suite("raw_ticks", good_raw())


def test_an_unknown_table_is_named():
    with pytest.raises(SchemaError, match="suite nothing"):
        run_suite("nothing", good_raw())


def test_expectations_are_declared_with_the_columns_they_need():
    assert between("x", 0).columns == ("x",)
    assert Expectation("expect_compound_columns_to_be_unique", {"column_list": ["a", "b"]}).columns == ("a", "b")


def test_importing_the_suites_does_not_import_great_expectations():
    code = "import sys, feeds.quality.run; sys.exit('great_expectations' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
