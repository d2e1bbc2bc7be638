"""Bars and features on real tapes: the vendor's minute bars, and the known link of order flow and price."""

import zipfile

import numpy as np
import polars as pl
import pytest

from feeds.instruments import InstrumentSpec
from models.bars import time_bars
from models.features import microstructure_features
from tests.support.clean_ticks import clean_ticks

MS = 1_000_000
SESSION_NS = (34_200_000 * MS, 57_600_000 * MS)


def read_zip(path, part=""):
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if part in name)
        frame = pl.read_csv(archive.read(name), has_header=False, infer_schema=False)
    return frame.rename(dict(zip(frame.columns, map(str, range(frame.width)), strict=True)))


@pytest.mark.shared_data
@pytest.mark.parametrize("ticker", ["ibm", "bac"])
def test_minute_bars_of_real_trades_agree_with_the_vendors(shared_data, ticker):
    trades = read_zip(shared_data / "us_equity_ticks" / ticker / "20131008_trade.zip")
    truth = read_zip(shared_data / "us_equity_minute" / ticker / "20131008_trade.zip").cast(pl.Int64)
    clean = clean_ticks(
        available_at=trades["0"].cast(pl.Int64) * MS,
        action=["T"] * trades.height,
        price=trades["1"].cast(pl.Int64),
        size=trades["2"].cast(pl.Int64),
        bid_px=[1] * trades.height,
        ask_px=[2] * trades.height,
    )
    bars = time_bars(clean, SESSION_NS, 60_000, 10_000).with_columns((pl.col("ts_open") // MS).alias("0"))
    both = bars.join(truth, on="0")
    assert both.height == 390
    # The bars with the opening and closing auction differ: the vendor books their prints elsewhere.
    assert (both["volume_lots"] != both["5"]).sum() <= 3
    # The vendor leaves prints of some sale conditions out of the prices, so its range lies inside ours.
    assert (both["high"] >= both["2"]).all()
    assert (both["low"] <= both["3"]).all()


def lobster_top_of_book(path):
    messages, book = read_zip(path, "message").cast(pl.Float64), read_zip(path, "orderbook").cast(pl.Int64)
    executed = messages["1"].is_in([4.0, 5.0])
    return clean_ticks(
        available_at=(messages["0"] * 1e9).cast(pl.Int64),
        action=["F" if value else "A" for value in executed],
        size=messages["3"].cast(pl.Int64),
        trade_sign=-messages["5"].cast(pl.Int64),
        ask_px=book["0"],
        ask_sz=book["1"],
        bid_px=book["2"],
        bid_sz=book["3"],
    )


@pytest.mark.shared_data
def test_order_flow_imbalance_moves_the_mid_of_a_real_stock(shared_data):
    clean = lobster_top_of_book(shared_data / "lobster" / "LOBSTER_SampleFile_AMZN_2012-06-21_1.zip")
    spec = InstrumentSpec(id="AMZN.NASDAQ", tick_size=1e-4, lot_size=1, quote_increment_ticks=100)
    frame = microstructure_features(clean, SESSION_NS, 10_000, spec)
    assert frame.height > 2_300
    flow, change = frame["ofi_10s"].to_numpy(), frame["return_10s_bps"].to_numpy()
    # Cont, Kukanov and Stoikov find an R2 of about 0.65 for 50 US stocks; signed trades alone explain less.
    r2 = np.corrcoef(flow, change)[0, 1] ** 2
    r2_trades = np.corrcoef(frame["signed_volume_10s"].to_numpy(), change)[0, 1] ** 2
    assert r2 > 0.3
    assert r2 > r2_trades
