"""Real captures through adapter, cleaning and suites: all pass, and the books are sane."""

import importlib

import numpy as np
import polars as pl
import pytest

from feeds.bar_match import FIELDS, match_bars, plain_bars, vendor_rule_bars
from feeds.calendar import session_bounds
from feeds.cleaning import CleaningRules, book_kind, clean, filter_rows, finish
from feeds.nbbo import with_nbbo
from feeds.quality.run import run_suite

pytestmark = pytest.mark.shared_data

DAYS = ("2013-10-07", "2013-10-08", "2013-10-09")
LOBSTER = ("LOBSTER_SampleFile_AMZN_2012-06-21_5", "LOBSTER_SampleFile_AAPL_2012-06-21_1")


def equity_day(folder, ticker, date):
    """``(raw, spec)`` of a consolidated tape."""
    adapter = importlib.import_module("feeds.adapters.us_equity_tick").UsEquityTick()
    spec = adapter.default_spec(f"{ticker}.US")
    stem = folder / "us_equity_ticks" / ticker.lower() / date.replace("-", "")
    files = {role: stem.with_name(f"{stem.name}_{role}.zip") for role in ("trade", "quote")}
    return adapter.parse({role: path for role, path in files.items() if path.is_file()}, spec, date).frame, spec


def vendor_bars(folder, ticker, date):
    adapter = importlib.import_module("feeds.adapters.us_equity_minute").UsEquityMinute()
    path = folder / "us_equity_minute" / ticker.lower() / f"{date.replace('-', '')}_trade.zip"
    return adapter.read(path, adapter.default_spec(f"{ticker}.US"), date)


def capture_day(folder, name):
    """``(raw, spec)`` of a capture of a venue's levels, quotes and trades."""
    adapter = importlib.import_module("feeds.adapters.binance_raw").BinanceRaw()
    path = folder / "binance_raw" / f"{name}_20240808.gz"
    info = adapter.sniff(path)
    spec = adapter.default_spec(info.instrument)
    return adapter.parse({info.role: path}, spec, info.dates[0]).frame, spec


def lobster_day(folder, name):
    """``(raw, spec)`` of one order-by-order day."""
    adapter = importlib.import_module("feeds.adapters.lobster").Lobster()
    path = folder / "lobster" / f"{name}.zip"
    info = adapter.sniff(path)
    spec = adapter.default_spec(info.instrument)
    return adapter.parse({info.role: path}, spec, info.dates[0]).frame, spec


def cleaned(raw, spec, date):
    bounds = session_bounds("XNYS", date)
    kept, early = filter_rows(raw, spec, bounds)
    booked = with_nbbo(kept) if book_kind(raw) == "quotes" else kept
    clean, late = finish(booked, bounds)
    assert raw.height == clean.height + early.height + late.height
    return clean, pl.concat([early, late])


def time_share(clean, condition):
    """Share of the session's time during which ``condition`` holds."""
    stamps = clean["available_at"].to_numpy()
    held = np.diff(stamps, append=stamps[-1])
    return held[condition.to_numpy()].sum() / held.sum()


@pytest.mark.parametrize("ticker", ["IBM", "BAC", "AIG"])
@pytest.mark.parametrize("date", DAYS)
def test_a_consolidated_tape_passes_its_suites_and_its_trades_lie_within_its_quotes(shared_data, ticker, date):
    raw, spec = equity_day(shared_data, ticker, date)
    assert failures("raw_ticks", raw) == []
    clean, rejected = cleaned(raw, spec, date)
    assert failures("clean_ticks", clean) == []
    assert rejected.height < 0.02 * raw.height
    assert time_share(clean, clean["ask_px"] > clean["bid_px"]) > 0.99
    trades = clean.filter(pl.col("action") == "T")
    inside = (trades["price"] >= trades["bid_px"]) & (trades["price"] <= trades["ask_px"])
    assert inside.mean() > 0.95
    outside_bps = 1e4 * (trades["price"] / ((trades["bid_px"] + trades["ask_px"]) / 2) - 1).abs()
    assert outside_bps.quantile(0.99) < 15
    assert 0.4 < (trades["trade_sign"] == 1).mean() < 0.6


def test_read_as_quotes_of_single_exchanges_the_same_tape_is_locked_or_crossed_half_of_the_time(shared_data):
    raw, spec = equity_day(shared_data, "IBM", DAYS[0])
    bounds = session_bounds("XNYS", DAYS[0])
    kept, _ = filter_rows(raw, spec, bounds)
    clean, _ = finish(with_nbbo(kept, "exchange"), bounds)
    assert time_share(clean, clean["ask_px"] > clean["bid_px"]) < 0.6


@pytest.mark.parametrize("name", LOBSTER)
def test_an_order_by_order_day_passes_its_suites_and_loses_no_row(shared_data, name):
    raw, spec = lobster_day(shared_data, name)
    assert failures("raw_ticks", raw) == []
    clean, rejected = cleaned(raw, spec, "2012-06-21")
    assert failures("clean_ticks", clean) == []
    assert rejected.height == 0
    executions = clean.filter(pl.col("action").is_in(["F", "T"]))
    assert (executions["trade_sign"] != 0).all()


def failures(table, frame):
    return [item for item in run_suite(table, frame).results if not item.passed]


@pytest.mark.parametrize("ticker", ["IBM", "BAC", "AIG", "SPY"])
@pytest.mark.parametrize("date", DAYS)
def test_bars_by_the_vendors_rules_are_the_vendors_bars(shared_data, ticker, date):
    raw, _ = equity_day(shared_data, ticker, date)
    bounds, vendor = session_bounds("XNYS", date), vendor_bars(shared_data, ticker, date)
    table = match_bars(vendor_rule_bars(raw, bounds), vendor, bounds, raw)
    assert table.select("field", "outcome", "bars").rows() == [(name, "equal", vendor.height) for name in FIELDS]
    plain = match_bars(plain_bars(raw), vendor, bounds, raw).filter(pl.col("outcome") == "equal")
    assert plain["share"].max() < 1


def test_a_tape_of_trades_only_is_cleaned_without_a_book(shared_data):
    raw, spec = equity_day(shared_data, "SPY", DAYS[0])
    result = clean(raw, spec, session_bounds("XNYS", DAYS[0]), CleaningRules(), lambda kept: kept)
    assert result.figures["book"] == "none"
    assert set(result.figures["rejected"]) == {"auction_print", "ineligible_sale_condition", "outside_session"}
    assert result.clean.height > 0.95 * raw.height


@pytest.mark.parametrize("name", ["spot/btcusdt", "spot/ethusdt", "usdm/btcusdt", "usdm/ethusdt", "cm/btcusd_perp"])
def test_a_capture_has_a_sane_fused_book_and_a_corrected_clock(shared_data, name):
    raw, spec = capture_day(shared_data, name)
    bounds = session_bounds("24/7", "2024-08-08")
    result = clean(raw, spec, bounds, CleaningRules(), lambda kept: kept)
    figures, cleaned_rows = result.figures, result.clean
    assert figures["book"] == "levels"
    assert figures["levels_crossed_rows"] == 0
    assert -1_400 < figures["clock_least_delay_ms"] < -1_000
    assert abs(figures["clock_drift_ppm"]) < 50
    assert (cleaned_rows["available_at"] >= cleaned_rows["ts_event"]).all()
    assert (cleaned_rows["bid_px"] < cleaned_rows["ask_px"]).all()
    # After its second row a quote of both sides is the book.
    quotes = cleaned_rows.filter((pl.col("action") == "Q") & (pl.col("side") == "A"))
    assert quotes.height > 1_000
    assert (quotes["price"] == quotes["ask_px"]).all() and (quotes["size"] == quotes["ask_sz"]).all()
