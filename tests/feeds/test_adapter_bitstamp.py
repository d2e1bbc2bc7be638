"""Bitstamp captures: meaning of the columns, where trades stand, what the meta file says about the rows."""

import json

import pytest

from feeds.adapters import TICK_ADAPTERS, sniff
from feeds.errors import IncompleteDropError, UnreadableFileError
from feeds.schema import FLAG_CLOSING, FLAG_SNAPSHOT
from tests.support.market_files import write_bitstamp_capture

ADAPTER = TICK_ADAPTERS["bitstamp"]
SPEC = ADAPTER.default_spec("BTCUSD.BITSTAMP")
T0 = 1_777_689_380_000
ORDERS = [
    f"1,{T0 + 900},{T0},78000.0,0.5,created,bid",
    f"2,{T0 + 900},{T0},78001.0,0.25,created,ask",
    f"3,{T0 + 400},{T0 + 300},78001.0,5e-05,created,ask",
    f"3,{T0 + 950},{T0 + 800},78001.0,0.00004999,changed,ask",
    f"2,{T0 + 960},{T0 + 900},78001.0,0.25,deleted,ask",
    f"1,{T0 + 990},{T0 + 990},78000.0,0.5,deleted,bid",
]
TRADES = [f"7,{T0 + 950},{T0 + 800},78001.0,1e-08,99,3,buy", f"8,{T0 + 970},{T0 + 960},78000.0,0.1,1,98,sell"]
META = {
    "started_at": "2026-05-02T02:36:20+00:00",
    "pair": "btcusd",
    "ws_url": "wss://ws.bitstamp.net",
    "synthetic_created": 2,
    "synthetic_deleted": 1,
    "total_order_rows": 6,
    "trades": 2,
}


def files(folder, orders=ORDERS, trades=TRADES, meta=META):
    folder.mkdir(exist_ok=True)
    orders_header = "id,timestamp,exchange_timestamp,price,volume,action,direction"
    trades_header = "trade_id,timestamp,exchange_timestamp,price,amount,buy_order_id,sell_order_id,side"
    (folder / "orders.csv").write_text("".join(f"{line}\n" for line in [orders_header, *orders]))
    (folder / "trades.csv").write_text("".join(f"{line}\n" for line in [trades_header, *trades]))
    (folder / "meta.json").write_text(json.dumps(meta))
    return {"orders": folder / "orders.csv", "trades": folder / "trades.csv", "meta": folder / "meta.json"}


def parse(folder, spec=SPEC, **content):
    return ADAPTER.parse(files(folder, **content), spec, "2026-05-02")


def test_order_events_keep_their_order_and_trades_follow_those_received_by_then(tmp_path):
    frame = parse(tmp_path).frame
    assert frame["action"].to_list() == ["A", "A", "A", "M", "T", "C", "T", "C"]
    assert frame["order_id"].to_list() == [1, 2, 3, 3, 3, 2, 1, 1]
    assert frame["ts_recv"][2] < frame["ts_recv"][1]


def test_two_clocks_and_integers(tmp_path):
    row = parse(tmp_path).frame.row(2, named=True)
    assert (row["ts_event"], row["ts_recv"]) == ((T0 + 300) * 10**6, (T0 + 400) * 10**6)
    assert (row["side"], row["price"], row["size"]) == ("A", 78_001, 5_000)


def test_the_side_of_a_trade_is_the_aggressor_and_its_order_the_resting_one(tmp_path):
    trades = parse(tmp_path).frame.filter(action="T")
    assert trades.select("side", "order_id", "size").rows() == [("B", 3, 1), ("A", 1, 10_000_000)]


def test_opening_and_closing_rows_are_flagged(tmp_path):
    flags = parse(tmp_path).frame["flags"].to_list()
    assert flags == [FLAG_SNAPSHOT, FLAG_SNAPSHOT, 0, 0, 0, 0, 0, FLAG_CLOSING]


@pytest.mark.parametrize("price", ["0.0", "999999999.0"])
def test_market_and_parked_orders_are_kept_for_cleaning_to_decide(tmp_path, price):
    orders = [f"9,{T0},{T0},{price},1.0,created,bid", *ORDERS]
    assert parse(tmp_path, orders=orders, meta=META | {"total_order_rows": 7}).frame["price"][0] == float(price)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f"9,{T0 + 950},{T0 + 800},78000.0,1.0,vanished,bid", "unknown_action"),
        (f"9,{T0 + 950},{T0 + 800},78000.0,1.0,created,both", "unknown_action"),
        (f"9,{T0 + 950},{T0 + 800},78000.5,1.0,created,bid", "off_tick_price"),
        (f"9,{T0 + 950},{T0 + 800},1e300,1.0,created,bid", "off_tick_price"),
        (f"9,{T0 + 950},{T0 + 800},nan,1.0,created,bid", "off_tick_price"),
        (f"9,{T0 + 950},{T0 + 800},78000.0,inf,created,bid", "not_a_size"),
    ],
)
def test_a_row_the_integers_cannot_hold_is_rejected_with_a_reason(tmp_path, row, reason):
    parsed = parse(tmp_path, orders=[*ORDERS[:3], row, *ORDERS[3:]], meta=META | {"total_order_rows": 7})
    assert parsed.rejected.select("sequence", "reason").rows() == [(3, reason)]
    assert parsed.frame.height == 8 and parsed.rows_in == 9


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"orders": ORDERS[:-1]}, "6 rows, as meta.json says"),
        ({"trades": TRADES[:1]}, "2 rows, as meta.json says"),
        ({"orders": ORDERS[:2], "meta": META | {"total_order_rows": None}}, "at least 3 rows"),
        ({"orders": [*ORDERS[:2], "oops", *ORDERS[3:]]}, "line 4"),
        ({"meta": META | {"pair": None}}, "key pair"),
        ({"meta": META | {"synthetic_created": "2"}}, "key synthetic_created"),
    ],
)
def test_files_that_contradict_each_other_are_refused(tmp_path, content, message):
    with pytest.raises(UnreadableFileError, match=message):
        parse(tmp_path, **content)


def test_without_its_meta_file_a_capture_is_incomplete(tmp_path):
    made = files(tmp_path)
    made["meta"].unlink()
    with pytest.raises(IncompleteDropError, match=r"meta.json"):
        sniff(made["orders"])


def test_a_pair_with_a_separator_gives_the_same_instrument(tmp_path):
    made = files(tmp_path, meta=META | {"pair": "BTC/USD"})
    assert sniff(made["trades"]).instrument == "BTCUSD.BITSTAMP"


def test_another_json_file_is_not_a_meta_file(tmp_path):
    path = tmp_path / "meta.json"
    path.write_text('{"started_at": "2026-05-02", "pair": "btcusd", "venue": "elsewhere"}')
    assert ADAPTER.sniff(path) is None


def test_the_generated_capture_moves_its_price_and_prints_its_matches(tmp_path):
    made = {sniff(path).role: path for path in write_bitstamp_capture(tmp_path, seed=5)}
    frame = ADAPTER.parse(made, SPEC, "2026-05-02").frame
    trades = frame.filter(action="T")
    assert trades.height > 10 and trades["price"].n_unique() > 3
    assert set(trades["order_id"]) <= set(frame.filter(action="A")["order_id"])
