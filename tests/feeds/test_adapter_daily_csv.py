"""Headlines, signals, realised variance: rows, times, and which line is wrong."""

import datetime as dt
import hashlib
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feeds.adapters import DAILY_ADAPTERS, sniff
from feeds.errors import UnknownFormatError, UnreadableFileError

NEWS = "published_at,symbols,headline,source"
SIGNALS = "available_at,effective_at,symbol,name,value,source"
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def write(tmp_path, *lines, name="x.csv"):
    path = tmp_path / name
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def ns(text):
    return (dt.datetime.fromisoformat(text) - EPOCH) // dt.timedelta(microseconds=1) * 1000


def test_a_headline_becomes_one_row_per_ticker(tmp_path):
    path = write(tmp_path, NEWS, '2013-10-07T14:01:00Z,IBM|BAC|IBM,"Profit up, shares ""jump""",reuters')
    frame = DAILY_ADAPTERS["news_csv"].read(path)
    text = 'Profit up, shares "jump"'
    stamp = ns("2013-10-07T14:01:00+00:00")
    identity = hashlib.sha256(text.encode()).hexdigest()[:16]
    assert frame.rows() == [(stamp, stamp, ticker, text, "reuters", identity) for ticker in ("IBM", "BAC")]


@given(
    moment=st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2100, 1, 1)),
    offset_minutes=st.integers(-14 * 60, 14 * 60),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_stamps_of_any_offset_are_exact_utc(tmp_path, moment, offset_minutes):
    stated = moment.replace(tzinfo=dt.timezone(dt.timedelta(minutes=offset_minutes)))
    path = write(tmp_path, NEWS, f"{stated.isoformat()},IBM,text,x")
    assert DAILY_ADAPTERS["news_csv"].read(path)["published_at"][0] == ns(stated.isoformat())


def test_the_dates_of_a_file_are_those_on_which_it_tells_something(tmp_path):
    path = write(tmp_path, NEWS, "2013-10-08T01:00:00+02:00,IBM,a,x", "2013-10-09T01:00:00Z,IBM,b,x")
    info = sniff(path)
    assert (info.format, info.instrument, info.dates) == ("news_csv", None, ("2013-10-07", "2013-10-09"))


def test_a_byte_order_mark_windows_line_ends_and_a_missing_last_line_end_do_not_matter(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b"\xef\xbb\xbf" + f"{NEWS}\r\n2013-10-08T01:00:00Z,*,a,x".encode())
    assert sniff(path).format == "news_csv"
    assert DAILY_ADAPTERS["news_csv"].read(path)["symbol"].to_list() == ["*"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("2013-10-08T01:00:00,IBM,a,x", "an ISO time with Z or an offset as published_at"),
        ("yesterday,IBM,a,x", "an ISO time"),
        ("2013-13-08T01:00:00Z,IBM,a,x", "an ISO time"),
        ("2013-10-08T01:00:00Z,,a,x", "as symbols"),
        ("2013-10-08T01:00:00Z,IBM||BAC,a,x", "tickers separated by |"),
        ("2013-10-08T01:00:00Z,IBM, ,x", "as headline"),
        ("2013-10-08T01:00:00Z,IBM,a,", "as source"),
        ("2013-10-08T01:00:00Z,IBM,a", "4 columns"),
        ("2013-10-08T01:00:00Z,IBM,a, b,x", "4 columns"),
    ],
)
def test_a_wrong_headline_is_refused_with_its_line(tmp_path, line, expected):
    path = write(tmp_path, NEWS, "2013-10-08T01:00:00Z,IBM,a,x", line, "2013-10-08T01:00:00Z,IBM,a,x")
    with pytest.raises(UnreadableFileError, match="line 3") as caught:
        sniff(path)
    assert expected in caught.value.expected


def test_a_quote_that_is_never_closed_is_refused(tmp_path):
    with pytest.raises(UnreadableFileError, match="closed quotes"):
        sniff(write(tmp_path, NEWS, '2013-10-08T01:00:00Z,IBM,"a,x', "2013-10-08T01:00:00Z,IBM,b,x"))


def test_bytes_that_are_no_text_are_refused_with_their_place(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(f"{NEWS}\n".encode() + b"2013-10-08T01:00:00Z,IBM,\xff,x\n")
    with pytest.raises(UnreadableFileError, match="byte 62"):
        sniff(path)


def test_a_signal_keeps_both_of_its_times(tmp_path):
    path = write(tmp_path, SIGNALS, "2024-04-20T00:09:27Z,2024-04-20T00:00:00Z,BTCUSD.BITSTAMP,subsidy,3.125,protocol")
    info = sniff(path)
    row = DAILY_ADAPTERS[info.format].read(path).row(0)
    times = ns("2024-04-20T00:09:27+00:00"), ns("2024-04-20T00:00:00+00:00")
    assert row == (*times, "BTCUSD.BITSTAMP", "subsidy", 3.125, "protocol")


@pytest.mark.parametrize("value", ["", "high", "nan", "inf"])
def test_a_signal_without_a_finite_value_is_refused(tmp_path, value):
    path = write(tmp_path, SIGNALS, f"2024-04-20T00:09:27Z,2024-04-20T00:00:00Z,*,subsidy,{value},protocol")
    with pytest.raises(UnreadableFileError, match=r"line 2.*finite number"):
        sniff(path)


def test_a_days_variance_becomes_known_after_the_us_close(tmp_path):
    path = write(tmp_path, "date,rv5", "2013-10-07,0.0001")
    row = DAILY_ADAPTERS["rv_daily_csv"].read(path).row(0, named=True)
    assert row["available_at"] == ns("2013-10-08T01:00:00+00:00")
    assert row["effective_at"] == ns("2013-10-07T00:00:00+00:00")
    assert (row["symbol"], row["name"]) == ("*", "sp500_rv5_annvol")
    assert row["value"] == math.sqrt(252 * 0.0001)


@pytest.mark.parametrize("line", ["2013-10-07,-0.1", "2013-10-07,x", "07.10.2013,0.1", "2013-10-07"])
def test_a_wrong_variance_is_refused_with_its_line(tmp_path, line):
    with pytest.raises(UnreadableFileError, match="line 2"):
        sniff(write(tmp_path, "date,rv5", line))


def test_another_header_is_unknown(tmp_path):
    with pytest.raises(UnknownFormatError):
        sniff(write(tmp_path, "date,headline", "2013-10-07,hello"))
