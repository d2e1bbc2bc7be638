"""Foreign exchange quotes: two sides a line, exact prices, the vendor's clock."""

import zipfile

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feeds.adapters.fx_tick import FxTick
from feeds.calendar import split_ns
from feeds.errors import StudyError, UnreadableFileError
from feeds.schema import FLAG_PARTIAL, RAW_TICKS, REJECTED_TICKS
from tests.support.fx_files import FX_DATE, FX_INSTRUMENT, write_fx_day
from tests.support.market_files import write_us_equity_day, write_zip

ADAPTER = FxTick()
HOUR_NS = 3_600 * 10**9


def parse(folder, lines, pair="eurusd", date=FX_DATE, **units):
    stem = date.replace("-", "")
    path = write_zip(folder / f"{stem}_quote.zip", {f"{stem}_{pair}_tick_quote.csv": lines})
    spec = ADAPTER.default_spec(f"{pair.upper()}.FX").model_copy(update=units)
    return ADAPTER.parse({"quote": path}, spec, date)


def test_a_line_is_a_bid_and_an_ask_of_one_lot_each(tmp_path):
    parsed = parse(tmp_path, ["1787,1.38727,1.38729\r"])
    rows = parsed.frame.select("action", "side", "price", "size", "flags", "sequence").rows()
    assert rows == [("Q", "B", 138_727, 1, FLAG_PARTIAL, 0), ("Q", "A", 138_729, 1, 0, 1)]
    assert parsed.rows_in == 2 and dict(parsed.frame.schema) == RAW_TICKS


def test_the_clock_is_five_hours_behind_utc_in_summer_and_winter(tmp_path):
    import datetime as dt

    for date in ("2014-05-02", "2014-01-03"):
        frame = parse(tmp_path, ["1500,1.38727,1.38729"], date=date).frame
        midnight = split_ns("24/7", date, dt.time())
        assert frame["ts_event"].to_list() == [midnight + 5 * HOUR_NS + 1_500_000_000] * 2
        assert frame["ts_recv"].equals(frame["ts_event"].rename("ts_recv"))


def test_yen_have_three_decimals(tmp_path):
    assert ADAPTER.default_spec("USDJPY.FX").tick_size == 1e-3
    assert parse(tmp_path, ["0,101.5,101.503"], pair="usdjpy").frame["price"].to_list() == [101_500, 101_503]
    assert ADAPTER.default_spec("EURUSD.FX").currency == "USD"
    with pytest.raises(UnreadableFileError, match="at most 3 decimals"):
        parse(tmp_path, ["0,101.5001,101.503"], pair="usdjpy")


def test_a_finer_tick_scales_prices_and_a_coarser_one_is_refused(tmp_path):
    lines = ["0,1.38727,1.38729"]
    assert parse(tmp_path, lines, tick_size=1e-6).frame["price"].to_list() == [1_387_270, 1_387_290]
    assert parse(tmp_path, lines, lot_size=0.01).frame["size"].to_list() == [100, 100]
    for units in ({"tick_size": 1e-4}, {"tick_size": 3e-6}, {"lot_size": 10}):
        with pytest.raises(StudyError, match=next(iter(units))):
            parse(tmp_path, lines, **units)


def test_a_time_past_midnight_is_rejected_with_both_sides(tmp_path):
    parsed = parse(tmp_path, ["0,1.38727,1.38729", "86400000,1.38727,1.38729"])
    assert parsed.frame.height == 2 and dict(parsed.rejected.schema) == REJECTED_TICKS
    rows = parsed.rejected.select("sequence", "ts_event", "reason").rows()
    assert rows == [(2, None, "time_outside_day"), (3, None, "time_outside_day")]


@pytest.mark.parametrize("line", ["1,1.2", "1,1.2,1.3,4", "x,1.2,1.3", "1,,1.3", "1,1.2,nan", "1,1.234567,1.3"])
def test_a_broken_line_is_refused_with_its_place(tmp_path, line):
    with pytest.raises(UnreadableFileError, match=r"quote\.zip at line 2"):
        parse(tmp_path, ["0,1.2,1.3", line, "2,1.2,1.3"])


def test_files_are_recognised_and_others_are_not(tmp_path):
    info = ADAPTER.sniff(write_fx_day(tmp_path, seed=1)[0])
    assert (info.format, info.role, info.instrument, info.dates) == ("fx_tick", "quote", FX_INSTRUMENT, (FX_DATE,))
    assert all(ADAPTER.sniff(path) is None for path in write_us_equity_day(tmp_path / "us", "IBM", FX_DATE, 1))
    (tmp_path / "x").write_bytes(b"hello")
    assert ADAPTER.sniff(tmp_path / "x") is None
    with pytest.raises(UnreadableFileError, match="milliseconds, bid and ask"):
        ADAPTER.sniff(write_zip(tmp_path / "y.zip", {"20140502_eurusd_tick_quote.csv": ["a,b,c"]}))


def test_a_written_day_is_read_whole_on_its_utc_date(tmp_path):
    (path,) = write_fx_day(tmp_path, seed=2)
    first, second = (ADAPTER.parse({"quote": path}, ADAPTER.default_spec(FX_INSTRUMENT), FX_DATE) for _ in range(2))
    assert first.rows_in == 400 and first.frame.equals(second.frame)
    days = first.frame["ts_event"].cast(pl.Datetime("ns")).dt.date().cast(pl.String).unique().to_list()
    assert days == [FX_DATE] and first.frame["sequence"].to_list() == list(range(400))


@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_cut_short_or_with_a_flipped_byte_is_refused(data, tmp_path):
    (path,) = write_fx_day(tmp_path, seed=3)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        with zipfile.ZipFile(path) as archive:
            item = archive.infolist()[0]
        content[data.draw(st.integers(60, 60 + item.compress_size - 8))] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError) as caught:
        if ADAPTER.sniff(path) is None:
            raise UnreadableFileError(path, "byte 0", "a zip", "none")
        ADAPTER.parse({"quote": path}, ADAPTER.default_spec(FX_INSTRUMENT), FX_DATE)
    assert caught.value.path == str(path)


@pytest.mark.shared_data
def test_real_quotes_are_read_whole_and_jump_at_the_payroll_report(shared_data):
    """The report came at 12:30 UTC on 2014-05-02: the largest range of any five minutes of that day."""
    path = shared_data / "fx_ticks" / "20140502_quote.zip"
    with zipfile.ZipFile(path) as archive:
        lines = archive.read(archive.namelist()[0]).decode().split()
    parsed = ADAPTER.parse({"quote": path}, ADAPTER.default_spec(FX_INSTRUMENT), FX_DATE)
    assert parsed.rows_in == parsed.frame.height == 2 * len(lines)
    prices = [round(float(text) * 100_000) for line in lines[:5000] for text in line.split(",")[1:]]
    assert parsed.frame["price"].to_list()[:10_000] == prices
    bids = parsed.frame.filter(side="B").with_columns(at=pl.from_epoch("ts_event", time_unit="ns"))
    ranges = bids.group_by_dynamic("at", every="5m").agg(pl.col("price").max() - pl.col("price").min())
    top = ranges.sort("price", descending=True).row(0)
    assert (top[0].hour, top[0].minute) == (12, 30)
