"""US trades and quotes: meaning of the columns, order of the merged tape, rows that cannot be placed."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from feeds.adapters import TICK_ADAPTERS, sniff
from feeds.errors import UnknownFormatError, UnreadableFileError
from feeds.schema import FLAG_SUSPICIOUS
from tests.support.market_files import write_zip

ADAPTER = TICK_ADAPTERS["us_equity_tick"]
SPEC = ADAPTER.default_spec("XYZ.US")
DATE = "2013-10-07"
QUOTES = ["34200000,0,0,1010000,300,Q,1,0", "34200005,1000000,200,0,0,P,1,0"]
TRADES = ["34200005,1005000,100,N,20002020,0"]


def files(folder, trades=TRADES, quotes=QUOTES):
    return {
        "trade": write_zip(folder / "20131007_trade.zip", {"20131007_xyz_Trade_Tick.csv": trades}),
        "quote": write_zip(folder / "20131007_quote.zip", {"20131007_xyz_Quote_Tick.csv": quotes}),
    }


def parse(folder, **lines):
    return ADAPTER.parse(files(folder, **lines), SPEC, DATE)


def test_a_line_becomes_an_event_with_the_new_york_clock_in_utc(tmp_path):
    trade = parse(tmp_path).frame.filter(action="T").row(0, named=True)
    moment = dt.datetime(2013, 10, 7, 9, 30, 0, 5000, tzinfo=ZoneInfo("America/New_York"))
    assert trade["ts_event"] == trade["ts_recv"] == int(moment.timestamp() * 1000) * 1_000_000
    assert (trade["side"], trade["price"], trade["size"], trade["exchange"]) == ("N", 1_005_000, 100, "N")
    assert trade["condition"] == 0x20002020 and trade["flags"] == 0


def test_winter_and_summer_days_have_their_own_midnight(tmp_path):
    made = files(tmp_path)
    summer, winter = (ADAPTER.parse(made, SPEC, day).frame["ts_event"][0] for day in ("2013-10-07", "2013-12-09"))
    assert winter - summer == (63 * 24 + 1) * 3600 * 10**9


def test_quotes_come_first_within_a_millisecond_and_each_file_keeps_its_order(tmp_path):
    quotes = [*QUOTES, "34200004,1000100,100,0,0,Z,1,0", "34200006,1000200,100,0,0,Z,1,0"]
    frame = parse(tmp_path, quotes=quotes).frame
    assert frame["action"].to_list() == ["Q", "Q", "Q", "T", "Q"]
    assert frame["price"].to_list() == [1_010_000, 1_000_000, 1_000_100, 1_005_000, 1_000_200]


def test_a_line_with_both_sides_is_two_records(tmp_path):
    parsed = parse(tmp_path, quotes=["34200000,1000000,200,1010000,300,Q,1,0"])
    assert parsed.rows_in == 3
    sides = parsed.frame.filter(action="Q").select("side", "price", "size").rows()
    assert sides == [("B", 1_000_000, 200), ("A", 1_010_000, 300)]


def test_a_line_with_no_side_is_rejected_as_an_empty_quote(tmp_path):
    parsed = parse(tmp_path, quotes=["34200000,0,0,0,0,Q,1,0", *QUOTES])
    assert (parsed.rows_in, parsed.frame.height) == (4, 3)
    assert parsed.rejected.select("sequence", "action", "side", "reason").row(0) == (0, "Q", "N", "empty_quote")


def test_a_withdrawn_side_has_a_price_or_a_size_and_is_kept(tmp_path):
    frame = parse(tmp_path, quotes=["34200000,1000000,0,0,0,Q,1,0"]).frame
    assert frame.filter(action="Q").select("side", "price", "size").rows() == [("B", 1_000_000, 0)]


def test_the_vendors_doubt_becomes_a_flag(tmp_path):
    frame = parse(tmp_path, trades=["34200005,1005000,100,N,1,1"]).frame
    assert frame.filter(action="T")["flags"].to_list() == [FLAG_SUSPICIOUS]


def test_a_time_past_midnight_is_rejected(tmp_path):
    parsed = parse(tmp_path, trades=[*TRADES, "86400000,1005000,100,N,1,0"])
    assert parsed.rejected.select("reason", "price", "ts_event").rows() == [("time_outside_day", 1_005_000, None)]


def test_a_condition_that_is_not_hexadecimal_is_refused_with_its_line(tmp_path):
    with pytest.raises(UnreadableFileError, match=r"line 2.*hexadecimal"):
        parse(tmp_path, trades=[*TRADES, "34200006,1005000,100,N,xyz,0"])


def test_a_missing_cell_is_refused_with_its_line(tmp_path):
    with pytest.raises(UnreadableFileError, match=r"line 3.*8 columns"):
        parse(tmp_path, quotes=[*QUOTES, "34200006,1000000,200,0,0,P,1"])


@pytest.mark.parametrize(
    ("member", "line"),
    [
        ("20131007_xyz_Trade_Tick.csv", "34200000,0,0,1010000,300,Q,1,0"),
        ("20131007_xyz_Quote_Tick.csv", "time,price,size"),
        ("20131007_xyz_Quote_Tick.csv", ""),
        ("20131399_xyz_Quote_Tick.csv", QUOTES[0]),
    ],
)
def test_content_that_contradicts_its_name_is_refused(tmp_path, member, line):
    with pytest.raises(UnreadableFileError) as caught:
        sniff(write_zip(tmp_path / "20131007_trade.zip", {member: [line] if line else []}))
    assert not isinstance(caught.value, UnknownFormatError)


def test_another_zip_is_unknown(tmp_path):
    with pytest.raises(UnknownFormatError):
        sniff(write_zip(tmp_path / "20131007_trade.zip", {"notes.csv": TRADES}))


def test_a_ticker_with_a_dot_gets_a_dash(tmp_path):
    path = write_zip(tmp_path / "20131007_trade.zip", {"20131007_brk.b_Trade_Tick.csv": TRADES})
    assert sniff(path).instrument == "BRK-B.US"
