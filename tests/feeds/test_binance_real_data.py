"""Real captures: every message accounted for, no ids missing, the rebuilt book against the exchange's own tickers."""

import gzip
import json
from bisect import bisect_right
from collections import Counter

import polars as pl
import pytest

from feeds.adapters.binance_raw import BinanceRaw
from feeds.schema import FLAG_GAP, FLAG_PARTIAL, FLAG_SNAPSHOT
from tests.conftest import SHARED

ADAPTER = BinanceRaw()
CAPTURES = {
    "spot/btcusdt": "BTCUSDT.BINANCE",
    "spot/ethusdt": "ETHUSDT.BINANCE",
    "usdm/btcusdt": "BTCUSDT.BINANCE_USDM",
    "usdm/ethusdt": "ETHUSDT.BINANCE_USDM",
    "cm/btcusd_perp": "BTCUSD_PERP.BINANCE_CM",
    "cm/ethusd_perp": "ETHUSD_PERP.BINANCE_CM",
}


def path_of(shared_data, name):
    return shared_data / "binance_raw" / f"{name}_20240808.gz"


def parse(path):
    info = ADAPTER.sniff(path)
    return ADAPTER.parse({"capture": path}, ADAPTER.default_spec(info.instrument), info.dates[0])


@pytest.fixture(scope="module", params=CAPTURES)
def capture(request):
    """Name, rows and messages of one capture at a time: (receive stamp, what the message says)."""
    path = path_of(SHARED, request.param)
    with gzip.open(path) as handle:
        lines = [line.split(b" ", 1) for line in handle]
    bodies = [(int(stamp), json.loads(text)) for stamp, text in lines]
    return request.param, parse(path), [(stamp, body.get("data", body)) for stamp, body in bodies]


@pytest.mark.shared_data
@pytest.mark.parametrize("name", CAPTURES)
def test_market_symbol_and_date_are_told(shared_data, name):
    info = ADAPTER.sniff(path_of(shared_data, name))
    assert (info.instrument, info.dates) == (CAPTURES[name], ("2024-08-08",))


@pytest.mark.shared_data
def test_rows_are_what_the_messages_hold_and_no_id_is_missing(capture):
    _, parsed, messages = capture
    expected, trades = Counter(), []
    for stamp, data in messages:
        if "lastUpdateId" in data:
            expected += Counter(R=1, L=len(data["bids"]) + len(data["asks"]))
        elif data.get("e") == "depthUpdate":
            expected["L"] += len(data["b"]) + len(data["a"])
        elif data.get("e") == "trade":
            trades.append((stamp, data["T"] * 10**6, "A" if data["m"] else "B", data["p"], data["q"]))
        else:
            expected["Q"] += 2
    rejected = Counter(parsed.rejected["action"].to_list())
    found = Counter(parsed.frame["action"].to_list()) + rejected
    assert found == expected + Counter(T=len(trades)) and parsed.ignored == {}
    assert set(parsed.rejected["reason"]) == {"before_snapshot"} and parsed.problems == ()
    assert parsed.frame.filter(pl.col("flags") & FLAG_GAP > 0).is_empty()
    prints = parsed.frame.filter(action="T").select("ts_recv", "ts_event", "side", "price", "size")
    # A trade before the snapshot is a trade: none is rejected, all keep their order.
    units = [(*row[:3], _units(row[3]), _units(row[4])) for row in trades]
    assert list(prints.iter_rows()) == units


def _units(text):
    whole, _, decimals = text.partition(".")
    return int(whole) * 10**8 + int(decimals.ljust(8, "0") or "0")


@pytest.mark.shared_data
def test_the_exchange_clock_is_ahead_and_left_so(capture):
    name, parsed, _ = capture
    ahead = parsed.frame.filter(pl.col("ts_event") != pl.col("ts_recv"))
    lead_ms = (ahead["ts_event"] - ahead["ts_recv"]) / 1e6
    assert 1_150 < lead_ms.median() < 1_300 and lead_ms.min() > 1_000
    assert ahead.height > (0.2 if name.startswith("spot") else 0.99) * parsed.frame.height


@pytest.mark.shared_data
def test_after_each_diff_the_book_has_the_touch_of_the_last_ticker_up_to_it(capture):
    """Tickers and diffs count the same update ids: an independent truth for the join and for every level applied."""
    name, parsed, messages = capture
    diffs, tickers, start = [], [], 0
    for _, data in messages:
        if "lastUpdateId" in data:
            start = data["lastUpdateId"]
        elif data.get("e") == "depthUpdate":
            diffs.append(data["u"])
        elif "B" in data:
            tickers.append((data["u"], *(_units(data[key]) for key in "bBaA")))
    applied = [last for last in diffs if last > start or (last == start and not name.startswith("spot"))]
    tops = tops_after_diffs(parsed.frame.select("action", "side", "price", "size", "flags"))
    assert len(tops) == len(applied) and parsed.frame.filter(pl.col("flags") & FLAG_SNAPSHOT > 0).height == 2001
    ids = [ticker[0] for ticker in tickers]
    compared = [
        (top, tickers[at - 1][1:]) for top, last in zip(tops, applied, strict=True) if (at := bisect_right(ids, last))
    ]
    assert len(compared) > 3_400
    assert sum(top != stated for top, stated in compared) == 0


def tops_after_diffs(frame):
    """(bid, size, ask, size) after the last row of each diff."""
    book, tops = {"B": {}, "A": {}}, []
    best = {"B": max, "A": min}
    for action, side, price, size, flags in frame.iter_rows():
        if action == "R":
            book = {"B": {}, "A": {}}
        elif action == "L":
            book[side][price] = size
            if size == 0:
                del book[side][price]
            if not flags & (FLAG_SNAPSHOT | FLAG_PARTIAL):
                bid, ask = (best[letter](book[letter]) for letter in "BA")
                tops.append((bid, book["B"][bid], ask, book["A"][ask]))
    return tops
