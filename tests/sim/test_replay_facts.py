"""What replay promises, on real tapes; and that the counting finds what is wrong."""

import dataclasses

import numpy as np
import polars as pl
import pytest

from benchmarks import replay_sources
from benchmarks.replay_facts import binance_facts, bitstamp_facts, es_facts, lobster_facts, resting_fills
from tests.support.raw_events import MS, order, quote, raw_frame

ROWS = 12_000


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["AMZN_2012-06-21_5", "AAPL_2012-06-21_1"])
def test_every_row_of_an_exchanges_file_leaves_the_stated_best_and_every_execution_takes_from_it(name):
    facts = lobster_facts(replay_sources.lobster(name), ROWS)
    assert facts["best_equal"] == facts["rows"] == ROWS
    assert facts["executions_matched"] == facts["executions"] > 400
    assert facts["corrected"] < 0.2 * ROWS
    if facts["deep_levels"]:
        assert facts["deep_determined"] > 0.3 * facts["deep_levels"]
        # The rest: events of orders the file never introduced, at a price where others of ours stand.
        assert facts["deep_equal"] > 0.99 * facts["deep_determined"]


@pytest.mark.shared_data
def test_the_book_file_of_another_moment_is_told_from_the_right_one():
    source = replay_sources.lobster("AMZN_2012-06-21_5")
    late = dataclasses.replace(source, levels=np.roll(source.levels, 40, axis=0))
    facts = lobster_facts(late, 3_000)
    assert facts["deep_equal"] < 0.9 * facts["deep_determined"]


@pytest.mark.shared_data
def test_a_futures_session_has_no_unknown_order_and_ends_one_tick_wide():
    facts = es_facts(replay_sources.es())
    assert facts["never_added"] == facts["duplicate_ids"] == facts["crossed_rows"] == 0
    assert facts["final_spread_increments"] == 1
    # Although orders cross for twenty minutes before the opening auction.
    assert facts["evicted_orders"] == facts["missing_in_the_end"] == 0


def test_every_match_of_a_capture_is_that_of_the_order_at_the_front_or_of_one_proved_gone():
    source = replay_sources.bitstamp()
    if source is None:
        pytest.skip("the package with the Bitstamp capture is not installed")
    facts = bitstamp_facts(source)
    assert facts["filled"] == facts["matches"] == 284
    assert facts["front"] >= 252 and facts["behind"] <= 1
    assert facts["front"] + facts["given_up"] + facts["behind"] == 284
    wrong = source.matches.with_columns(order_id=pl.col("order_id").reverse())
    told = resting_fills(dataclasses.replace(source, matches=wrong))
    assert sum(fill is not None for fill in told) < 30


@pytest.mark.shared_data
@pytest.mark.parametrize(("name", "equal"), [("usdm/btcusdt", 0.92), ("spot/btcusdt", 0.99)])
def test_depth_and_ticker_show_the_same_touch_or_one_is_ahead_of_the_other(name, equal):
    facts = binance_facts(replay_sources.binance(name))
    assert facts["messages"] > 3_000
    assert facts["equal"] > equal * facts["messages"]
    assert facts["unexplained"] == 0


def level(side, price, size, **more):
    return {"action": "L", "side": side, "price": price, "size": size, **more}


def test_a_difference_between_depth_and_ticker_is_told_by_its_cause():
    def touch(bid, ask, at):
        return [quote("B", bid, 5, ts_event=at * MS, flags=8), quote("A", ask, 5, ts_event=at * MS)]

    rows = raw_frame(
        level("B", 99, 5, flags=8, ts_event=0), level("A", 101, 5, ts_event=0),
        *touch(99, 101, 1), level("B", 90, 1, ts_event=2 * MS),
        *touch(98, 101, 3), level("B", 91, 1, ts_event=4 * MS),
        level("B", 99, 0, flags=8, ts_event=5 * MS), level("B", 97, 5, ts_event=5 * MS),
        *touch(97, 101, 6), level("A", 101, 7, ts_event=7 * MS),
        *touch(97, 101, 2_000), level("A", 101, 5, ts_event=2_001 * MS), level("B", 97, 4, ts_event=4_000 * MS),
    )  # fmt: skip
    facts = binance_facts(replay_sources.Source(rows, None))
    assert facts == {
        "messages": 6, "equal": 2, "ticker_ahead": 1, "ticker_behind": 1, "sides_apart": 0, "unexplained": 2
    }  # fmt: skip


def test_an_order_given_up_that_no_event_ends_is_counted_as_missing():
    crossing = [order("A", 1, "B", 105, 3), *(order("A", k, "A", 100 + k, 2) for k in (2, 3, 4))]
    at = 10**19 // 2
    later = [order("F", 4, "A", 104, 1, ts_event=at), order("A", 5, "B", 90, 1, ts_event=at + 500 * MS)]
    facts = es_facts(replay_sources.Source(raw_frame(*crossing, *later), None))
    assert (facts["evicted_orders"], facts["missing_in_the_end"]) == (1, 1)
