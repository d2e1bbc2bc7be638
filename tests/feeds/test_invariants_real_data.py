"""Invariants on real captures: they hold, and a shift of one row or a wrong sign is found."""

from pathlib import Path

import polars as pl
import pytest

from feeds.adapters import TICK_ADAPTERS, sniff
from feeds.calendar import session_bounds
from feeds.quality.invariants import check_invariants
from feeds.quality.run import run_suite


def parse(*paths: Path):
    infos = [sniff(path) for path in paths]
    adapter = TICK_ADAPTERS[infos[0].format]
    spec = adapter.default_spec(infos[0].instrument)
    return adapter.parse({info.role: info.path for info in infos}, spec, infos[0].dates[0])


def failed(result):
    return {item.column for item in result.results if not item.passed}


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["AAPL_2012-06-21_1", "AMZN_2012-06-21_5"])
def test_every_message_explains_the_book_row_beside_it_and_not_the_next_one(shared_data, name):
    frame = parse(shared_data / "lobster" / f"LOBSTER_SampleFile_{name}.zip").frame
    bounds = session_bounds("XNYS", "2012-06-21")
    result = check_invariants(frame, bounds)
    assert failed(result) == set()
    exact = next(item for item in result.results if item.column == "stated_mismatch")
    assert exact.rows_failed == 0 and exact.rows_checked > 0.9 * frame.height
    shifted = frame.with_columns(pl.col("^(bid|ask)_(px|sz|depth)$").shift(1).backward_fill())
    assert "stated_mismatch" in failed(check_invariants(shifted, bounds))


@pytest.mark.shared_data
def test_a_consolidated_tape_holds_and_its_sides_swapped_does_not(shared_data):
    stem = shared_data / "us_equity_ticks" / "ibm"
    frame = parse(stem / "20131007_trade.zip", stem / "20131007_quote.zip").frame
    bounds = session_bounds("XNYS", "2013-10-07")
    assert failed(check_invariants(frame, bounds)) == set()
    assert run_suite("raw_ticks", frame).passed
    side = pl.col("side").cast(pl.String).replace({"B": "A", "A": "B"}).cast(frame.schema["side"])
    swapped = frame.with_columns(side=pl.when(pl.col("action") == "Q").then(side).otherwise(pl.col("side")))
    assert "quotes_crossed" in failed(check_invariants(swapped, bounds))


@pytest.mark.shared_data
def test_a_tape_of_trades_passes_and_says_what_was_left_out(shared_data):
    parsed = parse(shared_data / "us_equity_ticks" / "spy" / "20131007_trade.zip")
    result = run_suite("raw_ticks", parsed.frame)
    assert result.passed
    assert {item.column for item in result.results if item.left_out} >= {"quote_price", "is_book_event", "level_price"}
    assert failed(check_invariants(parsed.frame, session_bounds("XNYS", "2013-10-07"))) == set()
