"""Published minute bars: left edges, units, lines that are none; real ones against the prints they sum."""

import datetime as dt
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from feeds.adapters.us_equity_minute import UsEquityMinute
from feeds.adapters.us_equity_tick import UsEquityTick
from feeds.errors import StudyError, UnreadableFileError
from feeds.schema import VENDOR_BARS
from tests.support.fx_files import MINUTE_DATE, MINUTE_INSTRUMENT, write_minute_day
from tests.support.market_files import write_us_equity_day, write_zip

ADAPTER = UsEquityMinute()
SPEC = ADAPTER.default_spec(MINUTE_INSTRUMENT)
NS_PER_MINUTE = 60 * 10**9
LINE = "34200000,1815200,1818000,1815100,1817000,1283"


def read(folder, lines, **units):
    path = write_zip(folder / "20131008_trade.zip", {"20131008_ibm_minute_trade.csv": lines})
    return ADAPTER.read(path, SPEC.model_copy(update=units), MINUTE_DATE)


def test_a_line_becomes_a_bar_with_its_stamp_on_the_left(tmp_path):
    bars = read(tmp_path, [LINE])
    opened = int(dt.datetime(2013, 10, 8, 9, 30, tzinfo=ZoneInfo("America/New_York")).timestamp()) * 10**9
    prices = (1_815_200, 1_818_000, 1_815_100, 1_817_000)
    assert bars.rows() == [(opened, opened + NS_PER_MINUTE, *prices, 1283, "us_equity_minute")]
    assert dict(bars.schema) == VENDOR_BARS


def test_units_scale_or_are_refused(tmp_path):
    bars = read(tmp_path, [LINE], tick_size=1e-5, lot_size=0.5)
    assert bars.select("close", "volume_lots").row(0) == (18_170_000, 2566)
    with pytest.raises(StudyError, match="tick_size"):
        read(tmp_path, [LINE], tick_size=0.01)


@pytest.mark.parametrize(
    "line", ["34200000,1,1,1,1,1", "34230000,1,1,1,1,1", "86400000,1,1,1,1,1", "34260000,1,1,1,1", "34260000,1,1,1,1,x"]
)
def test_a_line_that_is_no_later_minute_of_six_numbers_is_refused(tmp_path, line):
    with pytest.raises(UnreadableFileError, match=r"trade\.zip at line 2"):
        read(tmp_path, [LINE, line])


def test_files_are_recognised_and_ticks_are_not(tmp_path):
    (path,) = write_minute_day(tmp_path, seed=1)
    info = ADAPTER.sniff(path)
    assert (info.format, info.role, info.instrument) == ("us_equity_minute", "bars", MINUTE_INSTRUMENT)
    assert info.dates == (MINUTE_DATE,) and UsEquityTick().sniff(path) is None
    assert all(ADAPTER.sniff(tick) is None for tick in write_us_equity_day(tmp_path / "us", "IBM", MINUTE_DATE, 1))
    with pytest.raises(UnreadableFileError, match="whole numbers"):
        ADAPTER.sniff(write_zip(tmp_path / "y.zip", {"20131008_ibm_minute_trade.csv": ["a"]}))


def test_a_written_day_is_read_whole(tmp_path):
    (path,) = write_minute_day(tmp_path, seed=2)
    bars = ADAPTER.read(path, SPEC, MINUTE_DATE)
    assert 300 < bars.height < 390 and (bars["ts"] - bars["ts_open"] == NS_PER_MINUTE).all()
    assert bars["ts_open"].is_sorted() and (bars["high"] >= bars["low"]).all()


def test_a_file_cut_short_is_refused(tmp_path):
    (path,) = write_minute_day(tmp_path, seed=3)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UnreadableFileError, match=path.name):
        ADAPTER.sniff(path)


@pytest.mark.shared_data
@pytest.mark.parametrize("ticker", ["ibm", "bac", "spy"])
def test_a_real_stamp_is_the_left_edge_of_the_prints_it_sums(shared_data, ticker):
    path = shared_data / "us_equity_minute" / ticker / "20131008_trade.zip"
    bars = ADAPTER.read(path, SPEC, MINUTE_DATE)
    ticks = shared_data / "us_equity_ticks" / ticker / "20131008_trade.zip"
    prints = UsEquityTick().parse({"trade": ticks}, SPEC, MINUTE_DATE).frame.filter(flags=0)

    def agreeing(minute):
        sums = prints.group_by(minute.alias("ts_open")).agg(pl.col("size").sum())
        return bars.join(sums, on="ts_open").filter(pl.col("size") == pl.col("volume_lots")).height / bars.height

    minute = pl.col("ts_event") // NS_PER_MINUTE * NS_PER_MINUTE
    assert agreeing(minute) > 0.98
    assert agreeing(minute + NS_PER_MINUTE) < 0.1
