"""Point-in-time windows: nothing of a later date, everything that was known."""

import polars as pl
import pytest

from feeds.adapters import sniff
from feeds.schema import EXTERNAL_SIGNALS, HEADLINES
from feeds.signals import day_bounds_ns, headlines_for, signals_for
from tests.support.market_files import write_news_csv

DATE = "2013-10-07"
TICKERS = {"IBM": ["IBM.US", "IBM.NASDAQ"], "BAC": ["BAC.US"]}


@pytest.fixture
def news(tmp_path):
    def make(*rows, name="news.csv"):
        return sniff(write_news_csv(tmp_path / name, [(stamp, symbols, text, "x") for stamp, symbols, text in rows]))

    return make


@pytest.fixture
def signals(tmp_path):
    def make(*rows, name="signals.csv"):
        path = tmp_path / name
        lines = [f"{known},{effective},{symbol},{what},{value},x\n" for known, effective, symbol, what, value in rows]
        path.write_text("available_at,effective_at,symbol,name,value,source\n" + "".join(lines))
        return sniff(path)

    return make


def test_a_ticker_becomes_its_instruments_and_the_market_stays_a_star(news):
    frame = headlines_for([news(("2013-10-07T10:00:00Z", "IBM|*", "a"))], DATE, TICKERS)
    assert frame.schema == HEADLINES and frame["symbol"].to_list() == ["*", "IBM.NASDAQ", "IBM.US"]


def test_tickers_outside_the_study_are_left_out(news):
    assert headlines_for([news(("2013-10-07T10:00:00Z", "XOM", "a"))], DATE, TICKERS).is_empty()


@pytest.mark.parametrize(
    ("stamp", "inside"),
    [
        ("2013-09-29T23:59:59Z", False),
        ("2013-09-30T00:00:00Z", True),
        ("2013-10-07T23:59:59.999999Z", True),
        ("2013-10-08T00:00:00Z", False),
    ],
)
def test_the_window_is_a_week_before_the_date_and_all_of_it(news, stamp, inside):
    assert headlines_for([news((stamp, "BAC", "a"))], DATE, TICKERS).height == inside


def test_a_shorter_lookback_is_respected(news):
    info = news(("2013-10-05T10:00:00Z", "BAC", "a"), ("2013-10-06T10:00:00Z", "BAC", "b"))
    assert headlines_for([info], DATE, TICKERS, lookback_days=1)["headline"].to_list() == ["b"]


def test_a_headline_of_two_files_counts_once_and_a_repeat_at_another_time_twice(news):
    first = news(("2013-10-07T10:00:00Z", "BAC", "a"))
    second = news(("2013-10-07T10:00:00Z", "BAC", "a"), ("2013-10-07T11:00:00Z", "BAC", "a"), name="more.csv")
    assert headlines_for([first, second], DATE, TICKERS).height == 2


def test_rows_do_not_depend_on_the_order_of_the_files(news):
    files = [news((f"2013-10-07T1{n}:00:00Z", "IBM|BAC", f"text {n}"), name=f"{n}.csv") for n in range(3)]
    forward, backward = (headlines_for(order, DATE, TICKERS) for order in (files, files[::-1]))
    assert forward.equals(backward)
    assert forward.equals(forward.sort("available_at", "symbol", "text_id"))


def test_without_files_the_tables_are_empty_but_typed():
    assert headlines_for([], DATE, TICKERS).schema == HEADLINES
    assert signals_for([], DATE).schema == EXTERNAL_SIGNALS


def test_signals_are_those_of_the_date_and_the_last_before_it(signals):
    day = "2013-10-0{}T0{}:00:00Z"
    rows = [
        (day.format(d, h), "2013-10-01T00:00:00Z", "*", "rate", 10 * d + h) for d, h in ((5, 1), (6, 2), (7, 3), (8, 4))
    ]
    rows.append(("2012-01-01T00:00:00Z", "2012-01-01T00:00:00Z", "IBM.US", "rate", -1.0))
    frame = signals_for([signals(*rows)], DATE)
    assert frame["value"].to_list() == [-1.0, 62.0, 73.0]
    assert frame["available_at"].is_sorted()


def test_the_last_value_before_is_the_last_that_became_known_not_the_last_in_the_file(signals):
    rows = [
        ("2013-10-06T02:00:00Z", "2013-10-01T00:00:00Z", "*", "rate", 2.0),
        ("2013-10-06T01:00:00Z", "2013-10-02T00:00:00Z", "*", "rate", 1.0),
    ]
    assert signals_for([signals(*rows)], DATE)["value"].to_list() == [2.0]


def test_a_later_file_corrects_an_earlier_one(signals):
    row = ("2013-10-07T02:00:00Z", "2013-10-01T00:00:00Z", "*", "rate")
    files = [signals((*row, 1.0)), signals((*row, 2.0), name="corrected.csv")]
    assert signals_for(files, DATE)["value"].to_list() == [2.0]


def test_cutting_the_future_off_changes_nothing(signals):
    rows = [(f"2013-10-{d:02}T01:00:00Z", "2013-10-01T00:00:00Z", "*", "rate", d) for d in range(1, 15)]
    whole, cut = signals(*rows), signals(*rows[:7], name="cut.csv")
    assert signals_for([whole], DATE).equals(signals_for([cut], DATE))


def test_a_date_is_24_hours_of_utc():
    start, end = day_bounds_ns("1970-01-02")
    assert (start, end) == (86_400 * 10**9, 2 * 86_400 * 10**9)
    assert pl.Series([start]).cast(pl.Datetime("ns")).dt.date()[0].isoformat() == "1970-01-02"
