"""Real files through the adapters: row counts, clocks and books against what the files themselves say."""

import csv
import importlib.util
import io
import zipfile
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from feeds.adapters import DAILY_ADAPTERS, TICK_ADAPTERS, sniff
from feeds.calendar import session_bounds
from feeds.schema import FLAG_CLOSING, FLAG_SNAPSHOT


def parse(*paths: Path):
    infos = [sniff(path) for path in paths]
    adapter = TICK_ADAPTERS[infos[0].format]
    spec = adapter.default_spec(infos[0].instrument)
    return adapter.parse({info.role: info.path for info in infos}, spec, infos[0].dates[0])


def member_lines(path: Path, part: str) -> list[list[str]]:
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if part in name)
        return list(csv.reader(io.StringIO(archive.read(name).decode())))


@pytest.mark.shared_data
@pytest.mark.parametrize("ticker", ["ibm", "bac", "aig"])
@pytest.mark.parametrize("day", ["20131007", "20131008", "20131009"])
def test_every_line_of_a_consolidated_tape_is_an_event(shared_data, ticker, day):
    stem = shared_data / "us_equity_ticks" / ticker
    parsed = parse(stem / f"{day}_trade.zip", stem / f"{day}_quote.zip")
    trades = member_lines(stem / f"{day}_trade.zip", "Trade")
    frame = parsed.frame
    assert parsed.rejected.is_empty() and frame["ts_event"].is_sorted()
    prints = frame.filter(action="T")
    assert prints.height == len(trades) and prints["size"].sum() == sum(int(line[2]) for line in trades)
    assert prints["condition"].to_list()[:1000] == [int(line[4], 16) for line in trades[:1000]]
    opened, closed = session_bounds("XNYS", f"{day[:4]}-{day[4:6]}-{day[6:]}")
    in_session = prints.filter(pl.col("ts_event").is_between(opened, closed))
    assert in_session.height > 0.95 * prints.height


@pytest.mark.shared_data
@pytest.mark.parametrize(("name", "rows"), [("AAPL_2012-06-21_1", 118_497), ("AMZN_2012-06-21_5", 155_935)])
def test_lobster_stamps_are_those_of_the_file_to_the_nanosecond(shared_data, name, rows):
    path = shared_data / "lobster" / f"LOBSTER_SampleFile_{name}.zip"
    parsed = parse(path)
    assert parsed.rows_in == parsed.frame.height == rows
    opened, _ = session_bounds("XNYS", "2012-06-21")
    since_midnight = (parsed.frame["ts_event"] - opened + 34_200 * 10**9).to_list()
    stated = [round(Decimal(line[0]) * 10**9) for line in member_lines(path, "message")]
    assert since_midnight == stated


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["AAPL_2012-06-21_1", "AMZN_2012-06-21_1", "AMZN_2012-06-21_5"])
def test_every_visible_execution_takes_its_size_from_the_best_level(shared_data, name):
    frame = parse(shared_data / "lobster" / f"LOBSTER_SampleFile_{name}.zip").frame
    before = frame.select(pl.col("^(bid|ask)_(px|sz)$").shift(1).name.suffix("_before"))
    fills = pl.concat([frame, before], how="horizontal").slice(1).filter(action="F")
    assert fills.height > 8_000
    for side, letter in (("bid", "B"), ("ask", "A")):
        part = fills.filter(side=letter)
        price, best = part["price"].to_numpy(), part[f"{side}_px_before"].to_numpy()
        left = (part[f"{side}_sz_before"] - part["size"]).to_numpy()
        after_px, after_sz = part[f"{side}_px"].to_numpy(), part[f"{side}_sz"].to_numpy()
        assert (price == best).all()
        rest = np.where(left > 0, (after_px == best) & (after_sz == left), after_px != best)
        assert rest.all()


@pytest.mark.shared_data
def test_a_plain_pair_with_fifty_levels_is_read(shared_data):
    parsed = parse(*sorted((shared_data / "lobster" / "MSFT_50").iterdir()))
    assert parsed.frame.height == 1_000 and (parsed.frame["bid_depth"] > parsed.frame["bid_sz"]).all()


@pytest.mark.shared_data
def test_headlines_and_variances_are_read_whole(shared_data):
    counts = {}
    for name in ("headlines/news_2012-06.csv", "headlines/news_2013-10.csv", "volatility/rv5.csv"):
        info = sniff(shared_data / name)
        counts[info.format, name[-11:]] = DAILY_ADAPTERS[info.format].read(info.path).height
    assert counts["rv_daily_csv", "ity/rv5.csv"] == 5_079
    assert counts["news_csv", "2013-10.csv"] == 14 and counts["news_csv", "2012-06.csv"] >= 16


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["headlines/SEntFiN.csv", "volatility/vix.csv", "README.md"])
def test_other_files_are_claimed_by_no_adapter(shared_data, name):
    path = shared_data / name
    assert all(a.sniff(path) is None for a in (*TICK_ADAPTERS.values(), *DAILY_ADAPTERS.values()))


def test_the_shipped_bitstamp_capture_has_the_rows_its_meta_file_counts():
    spec = importlib.util.find_spec("ob_analytics")
    folder = Path(spec.origin).parent / "_sample_data"
    frame = parse(*(folder / name for name in ("orders.csv.gz", "trades.csv", "meta.json"))).frame
    counts = dict(frame["flags"].value_counts().iter_rows())
    assert (counts[FLAG_SNAPSHOT], counts[FLAG_CLOSING]) == (6_512, 6_518)
    trades = frame.filter(action="T")
    assert (frame.height - trades.height, trades.height) == (314_057, 284)
    assert set(trades["order_id"]) <= set(frame.filter(action="A")["order_id"])
    delay_ms = (frame["ts_recv"] - frame["ts_event"]) / 1e6
    assert 0 <= delay_ms.median() < 200
