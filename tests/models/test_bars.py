"""Time bars against closed forms and a plain loop; what is known of a bar never depends on later events."""

import math
from itertools import pairwise

import numpy as np
import pytest

from feeds.errors import StudyError
from feeds.schema import BARS
from models.bars import time_bars
from models.leakage import audit_cut
from tests.support.clean_ticks import OPEN_NS, SECOND_NS, clean_ticks, random_clean_ticks

MINUTE_NS = 60 * SECOND_NS
BOUNDS = (OPEN_NS, OPEN_NS + 2 * MINUTE_NS)


def test_a_bar_has_the_prices_volume_and_vwap_of_its_trades():
    frame = clean_ticks(
        available_at=[OPEN_NS, OPEN_NS + 1, OPEN_NS + 2, OPEN_NS + 3],
        action=["T", "F", "A", "T"],
        price=[100, 104, 999, 98],
        size=[10, 20, 5, 10],
        trade_sign=[1, 1, 0, -1],
        bid_px=[99] * 4,
        ask_px=[101] * 4,
    )
    bar = time_bars(frame, BOUNDS, 60_000, 10_000).row(0, named=True)
    assert (bar["open"], bar["high"], bar["low"], bar["close"]) == (100, 104, 98, 98)
    assert (bar["volume_lots"], bar["trades"], bar["signed_volume_lots"]) == (40, 3, 20)
    assert bar["vwap_ticks"] == (1000 + 2080 + 980) / 40
    assert (bar["ts_open"], bar["ts"], bar["available_at"]) == (
        OPEN_NS,
        OPEN_NS + MINUTE_NS,
        OPEN_NS + MINUTE_NS,
    )


def test_an_event_on_the_edge_of_two_bars_belongs_to_the_later_and_one_at_the_close_to_the_last():
    frame = clean_ticks(
        available_at=[OPEN_NS, OPEN_NS + MINUTE_NS, OPEN_NS + 2 * MINUTE_NS, OPEN_NS + 2 * MINUTE_NS + 1],
        action=["T"] * 4,
        price=[1, 2, 3, 4],
        size=[1] * 4,
        bid_px=[99] * 4,
        ask_px=[101] * 4,
    )
    bars = time_bars(frame, BOUNDS, 60_000, 10_000)
    assert bars["close"].to_list() == [1, 3]
    assert bars["volume_lots"].to_list() == [1, 2]


def test_a_bar_without_trades_has_null_prices_and_one_without_events_is_left_out():
    frame = clean_ticks(available_at=[OPEN_NS + MINUTE_NS + 1], bid_px=[99], ask_px=[101])
    bars = time_bars(frame, BOUNDS, 60_000, 10_000)
    assert bars["ts"].to_list() == [OPEN_NS + 2 * MINUTE_NS]
    assert bars.select("open", "vwap_ticks").row(0) == (None, None)
    assert bars.select("volume_lots", "trades", "signed_volume_lots").row(0) == (0, 0, 0)


def test_realised_variance_of_a_mid_that_moves_at_every_sample_has_its_closed_form():
    seconds = np.arange(0, 120, 10)
    mid = np.where((seconds // 10) % 2 == 0, 10_000, 10_010)
    frame = clean_ticks(available_at=OPEN_NS + seconds * SECOND_NS, bid_px=mid - 1, ask_px=mid + 1)
    bars = time_bars(frame, BOUNDS, 60_000, 10_000)
    step = math.log(10_010 / 10_000) ** 2
    # A sample sees the book just before it; the first minute has no book at its left edge, hence one return
    # less.
    assert bars["realised_variance"].to_list() == pytest.approx([5 * step, 6 * step])
    assert bars["mid_open_ticks"].to_list() == [10_000.0, 10_010.0]
    assert bars["mid_close_ticks"].to_list() == [10_010.0, 10_010.0]
    assert bars["spread_mean_ticks"].to_list() == [2.0, 2.0]


def plain_mid(clean, moment, inclusive):
    rows = [r for r in clean if r["available_at"] < moment or (inclusive and r["available_at"] == moment)]
    return (rows[-1]["bid_px"] + rows[-1]["ask_px"]) / 2 if rows else None


@pytest.mark.parametrize("session_s", [120, 100])
@pytest.mark.parametrize("seed", [1, 2])
def test_bars_equal_a_plain_loop_over_the_events(seed, session_s):
    clean = random_clean_ticks(seed, 250, session_s=session_s + 1)
    bounds = (OPEN_NS, OPEN_NS + session_s * SECOND_NS)
    rows = clean.to_dicts()
    for bar in time_bars(clean, bounds, 30_000, 5_000).to_dicts():
        last = bar["ts"] == bounds[1]
        moments = [min(bar["ts_open"] + j * 5 * SECOND_NS, bar["ts"]) for j in range(7)]
        mids = [m for t in moments if (m := plain_mid(rows, t, last and t == bounds[1])) is not None]
        variance = sum(math.log(b / a) ** 2 for a, b in pairwise(mids))
        assert bar["realised_variance"] == pytest.approx(variance, rel=1e-12, abs=1e-18)
        assert (bar["mid_open_ticks"], bar["mid_close_ticks"]) == (mids[0], mids[-1])
        inside = [r for r in rows if bar["ts_open"] <= r["available_at"] < bar["ts"] + last]
        trades = [r for r in inside if r["action"] in "FT"]
        assert bar["trades"] == len(trades)
        assert bar["volume_lots"] == sum(r["size"] for r in trades)


def test_cutting_the_future_changes_no_bar_before_the_cut():
    clean = random_clean_ticks(3, 500)
    cuts = [OPEN_NS + s * SECOND_NS for s in (15, 60, 61, 95)]
    report = audit_cut(lambda ticks: time_bars(ticks, BOUNDS, 15_000, 5_000), clean, cuts, key=("ts",))
    assert report.passed, report.differing


def test_an_empty_day_gives_an_empty_table_of_the_schema():
    bars = time_bars(random_clean_ticks(1, 0), BOUNDS, 60_000, 10_000)
    assert bars.height == 0
    assert dict(bars.schema) == BARS


def test_quotes_before_the_open_give_the_first_bar_its_opening_mid():
    frame = clean_ticks(available_at=[OPEN_NS - 5, OPEN_NS + 5], bid_px=[99, 109], ask_px=[101, 111])
    bars = time_bars(frame, BOUNDS, 60_000, 10_000)
    assert (bars["mid_open_ticks"][0], bars["mid_close_ticks"][0]) == (100.0, 110.0)
    assert bars["realised_variance"][0] == pytest.approx(math.log(1.1) ** 2)


@pytest.mark.parametrize("lengths", [(60_000, 7_000), (0, 1), (60_000, 0)])
def test_a_sampling_interval_that_does_not_divide_the_bar_is_rejected(lengths):
    with pytest.raises(StudyError, match="divisor"):
        time_bars(random_clean_ticks(1, 10), BOUNDS, *lengths)


def test_vwap_of_bitcoin_sized_lots_does_not_overflow():
    frame = clean_ticks(
        available_at=[OPEN_NS] * 2,
        action=["T"] * 2,
        price=[100_000] * 2,
        size=[60_000 * 10**8] * 2,
        bid_px=[1] * 2,
        ask_px=[2] * 2,
    )
    assert time_bars(frame, BOUNDS, 60_000, 10_000)["vwap_ticks"].to_list() == [100_000.0]
