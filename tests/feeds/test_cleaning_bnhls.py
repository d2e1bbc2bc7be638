"""Each rule of the paper against its definition, spelt out in plain Python on random days."""

import statistics

import numpy as np
import polars as pl
import pytest

from feeds.cleaning import CleaningRules, bnhls, clean
from feeds.instruments import InstrumentSpec
from feeds.nbbo import with_nbbo
from feeds.schema import FLAG_SUSPICIOUS
from tests.support.raw_events import MS, START_NS, quote, raw_frame, trade

SPEC = InstrumentSpec(id="IBM.US", tick_size=0.0001, lot_size=1)
BOUNDS = (START_NS, START_NS + 3_600_000 * MS)


def mask(frame, rows):
    return frame.select(rows.alias("rows")).to_series().to_list()


def booked_day(seed, rows=600):
    """Quotes with jumps and wide spreads, trades in and out of them, several rows a stamp."""
    rng = np.random.default_rng(seed)
    mid, events, now = 1_000, [], START_NS
    for i in range(rows):
        now += int(rng.integers(0, 2)) * MS
        mid += int(rng.integers(-1, 2)) + (int(rng.integers(-60, 60)) if rng.random() < 0.03 else 0)
        spread = 200 if rng.random() < 0.03 else int(rng.integers(1, 4))
        if i > 2 and rng.random() < 0.3:
            events.append(trade(mid + int(rng.integers(-12, 12)), int(rng.integers(1, 9)), ts_event=now))
        else:
            side = "BA"[i % 2]
            events.append(quote(side, mid - spread if side == "B" else mid + spread, 5, ts_event=now))
    return with_nbbo(raw_frame(*events))


def test_p1_keeps_the_hours_of_the_exchange():
    frame = raw_frame(*(trade(1, ts_event=stamp) for stamp in (BOUNDS[0] - 1, *BOUNDS, BOUNDS[1] - 1)))
    assert mask(frame, bnhls.p1_outside_hours(BOUNDS)) == [True, False, True, False]


def test_p2_finds_zero_prices_of_trades_and_quotes_but_not_withdrawals():
    rows = [trade(0), trade(1), quote("B", 0, 5), quote("B", 0, 0), {"action": "L", "side": "B", "size": 1}]
    assert mask(raw_frame(*rows), bnhls.p2_without_price()) == [True, False, True, False, True]


def test_p3_keeps_one_exchange_and_rows_of_none():
    frame = raw_frame(trade(1, exchange="N"), trade(1, exchange="Q"), trade(1))
    assert mask(frame, bnhls.p3_other_exchange("N")) == [False, True, False]


def test_t1_and_t2_read_the_marks_of_the_source():
    frame = raw_frame(trade(1, flags=FLAG_SUSPICIOUS), trade(1, condition=0x200), trade(1), quote("B", 1, 1))
    assert mask(frame, bnhls.t1_corrected()) == [True, False, False, False]
    assert mask(frame, bnhls.t2_abnormal_condition(SPEC)) == [False, True, False, False]


@pytest.mark.parametrize("paper", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_t4_finds_trades_outside_the_quote_by_more_than_the_spread(paper, seed):
    booked = booked_day(seed)
    rows = booked.select("action", "price", "ts_event", "bid_px", "ask_px").rows()
    expected = []
    for i, (action, price, stamp, _, _) in enumerate(rows):
        seen = [row for row in rows if row[2] == stamp or row[2] < stamp] if paper else rows[:i]
        good = [row for row in seen if row[3] > 0 and row[4] >= row[3]]
        if action != "T" or not good:
            expected.append(False)
            continue
        bid, ask = good[-1][3:]
        expected.append(price > ask + (ask - bid) or price < bid - (ask - bid))
    found = bnhls.t4_outside_spread(booked, paper=paper).to_list()
    assert found == expected
    assert 0 < sum(found) < 100


def test_q2_finds_negative_spreads_of_two_standing_quotes():
    rows = [{"bid_px": 5, "ask_px": 4}, {"bid_px": 4, "ask_px": 4}, {"bid_px": 4, "ask_px": 0}]
    frame = raw_frame(*(quote("B", 1, 1) | row for row in rows))
    assert mask(frame, bnhls.q2_negative_spread()) == [True, False, False]


def quotes_of(booked):
    rows = booked.with_row_index("row").select("row", "action", "bid_px", "ask_px").rows()
    return [(row, bid, ask) for row, action, bid, ask in rows if action == "Q" and bid > 0 and ask > 0]


@pytest.mark.parametrize("window", [None, 20])
@pytest.mark.parametrize("seed", range(3))
def test_q3_compares_a_spread_with_the_median_of_the_day_or_of_the_quotes_before(window, seed):
    booked = booked_day(seed)
    quotes, factor = quotes_of(booked), 3.0
    expected = [False] * booked.height
    for i, (row, bid, ask) in enumerate(quotes):
        others = quotes if window is None else quotes[max(0, i - window) : i]
        usual = statistics.median(a - b for _, b, a in others) if others else 0
        expected[row] = usual > 0 and ask - bid > factor * usual
    found = bnhls.q3_wide_spread(booked, factor, window).to_list()
    assert found == expected
    assert 0 < sum(found) < 100


@pytest.mark.parametrize("paper", [False, True])
@pytest.mark.parametrize("least_ticks", [0.0, 5.0])
@pytest.mark.parametrize("seed", range(3))
def test_q4_compares_a_mid_with_the_median_around_or_before_it(paper, least_ticks, seed):
    booked = booked_day(seed)
    quotes, window, deviations = quotes_of(booked), 10, 3.0
    expected = [False] * booked.height
    for i, (row, bid, ask) in enumerate(quotes):
        half = window // 2
        around = quotes[i - half : i] + quotes[i + 1 : i + 1 + half] if paper else quotes[i - window : i]
        if i < (half if paper else window) or len(around) < window:
            continue
        mids = [(b + a) / 2 for _, b, a in around]
        median = statistics.median(mids)
        deviation = statistics.fmean(abs(mid - median) for mid in mids)
        distance = abs((bid + ask) / 2 - median)
        expected[row] = distance > deviations * deviation and distance > least_ticks
    found = bnhls.q4_outlying_mid(booked, deviations, window, paper=paper, least_ticks=least_ticks).to_list()
    assert found == expected
    assert 0 < sum(found) < 300


def clean_day(seed):
    raw = booked_day(seed).with_columns(pl.lit(None, pl.Int64).alias(n) for n in ("bid_px", "bid_sz"))
    loose = CleaningRules(two_sided=False, uncrossed=False, max_trade_deviation=9.0)
    return clean(raw, SPEC, BOUNDS, loose, lambda kept: kept).clean


@pytest.mark.parametrize("seed", range(3))
def test_t3_leaves_one_trade_a_stamp_at_the_median_price_with_all_lots(seed):
    day = clean_day(seed)
    kept, merged = bnhls.t3_one_trade_a_stamp(day)
    assert kept.height + merged.height == day.height and merged.height > 0
    trades = day.filter(pl.col("action") == "T")
    for stamp in trades["ts_event"].unique():
        group = trades.filter(pl.col("ts_event") == stamp)
        one = kept.filter((pl.col("ts_event") == stamp) & (pl.col("action") == "T"))
        signed = sum(s * z for s, z in group.select("trade_sign", "size").rows())
        assert one.select("sequence", "price", "size", "trade_sign").rows() == [
            (group["sequence"][-1], statistics.median_low(group["price"]), group["size"].sum(), int(np.sign(signed)))
        ]
    quotes = pl.col("action") == "Q"
    assert kept.filter(quotes).equals(day.filter(quotes))


@pytest.mark.parametrize("seed", range(3))
def test_q1_leaves_one_quote_a_stamp_with_the_median_bid_and_ask(seed):
    day = clean_day(seed)
    kept, merged = bnhls.q1_one_quote_a_stamp(day)
    assert kept.height + merged.height == day.height and merged.height > 0
    quotes = day.filter(pl.col("action") == "Q")
    for stamp in quotes["ts_event"].unique():
        group = quotes.filter(pl.col("ts_event") == stamp)
        one = kept.filter((pl.col("ts_event") == stamp) & (pl.col("action") == "Q"))
        medians = tuple(statistics.median_low(group[name]) for name in ("bid_px", "ask_px", "bid_sz", "ask_sz"))
        assert one.select("sequence", "bid_px", "ask_px", "bid_sz", "ask_sz").rows() == [
            (group["sequence"][-1], *medians)
        ]
    trades = pl.col("action") == "T"
    assert kept.filter(trades).equals(day.filter(trades))
