"""Websocket captures: the book joined by update ids, executions once, the kernel against its plain twin."""

import gzip
import json
import shutil
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from feeds.adapters.base import joined
from feeds.adapters.binance_join import REASONS
from feeds.adapters.binance_message import NoMessageError, UnitError, read_message
from feeds.adapters.binance_raw import _KIND_CODES, BinanceRaw
from feeds.adapters.binance_units import Places
from feeds.errors import StudyError, UnreadableFileError
from feeds.kernels import binance_json as kernel
from feeds.schema import FLAG_GAP, FLAG_PARTIAL, FLAG_SNAPSHOT, RAW_TICKS, REJECTED_TICKS
from tests.support import binance_files as files
from tests.support.binance_files import DATE, NOON_MS, RAW_INSTRUMENT, agg_trade, depth, snapshot, ticker, trade

ADAPTER = BinanceRaw()
MARKETS = ("spot", "usdm", "cm")
SPEC_UNIT = 10**-8


def parse(path, instrument=None, **units):
    info = ADAPTER.sniff(path)
    spec = ADAPTER.default_spec(instrument or info.instrument).model_copy(update=units)
    return ADAPTER.parse({"capture": path}, spec, info.dates[0])


def parsed(tmp_path, messages, **more):
    return parse(files.write_capture(tmp_path / "capture.gz", messages, **more))


def rows(frame, *names):
    return list(frame.select(names).iter_rows())


def levels(frame):
    """(side, price in 1e-4, size in 0.1, flags) of the L rows."""
    units = pl.col("price") // 10**4, pl.col("size") // 10**7
    return list(frame.filter(action="L").select("side", *units, "flags").iter_rows())


@pytest.mark.parametrize("market", MARKETS)
def test_the_market_symbol_and_date_are_told_by_the_messages(tmp_path, market):
    (path,) = files.write_binance_raw_day(tmp_path, 1, market)
    info = ADAPTER.sniff(path)
    assert (info.format, info.role, info.instrument, info.dates) == (
        "binance_raw", "capture", RAW_INSTRUMENT[market], (DATE,)
    )  # fmt: skip


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("kind", ["ticker", "trade", "agg_trade"])
def test_one_kind_of_message_is_enough_to_tell_the_market(tmp_path, market, kind):
    message = {
        "ticker": ticker(market, 5, (6000, 1), (6001, 2)),
        "trade": trade(market, 5, 6000, 1, True),
        "agg_trade": agg_trade(market, 5, 6000, 1, True),
    }[kind]
    path = files.write_capture(tmp_path / "x.gz", [{"result": None, "id": 1}, message])
    assert ADAPTER.sniff(path).instrument == RAW_INSTRUMENT[market]


@pytest.mark.parametrize("market", MARKETS)
def test_rows_have_the_schema_and_numbers_run_over_all_of_them(tmp_path, market):
    result = parse(*files.write_binance_raw_day(tmp_path, 2, market))
    assert dict(result.frame.schema) == RAW_TICKS and dict(result.rejected.schema) == REJECTED_TICKS
    numbers = [*result.frame["sequence"].to_list(), *result.rejected["sequence"].to_list()]
    assert sorted(numbers) == list(range(result.rows_in)) and result.rows_in > 400
    required = [name for name in RAW_TICKS if not name.startswith(("bid_", "ask_"))]
    assert sum(result.frame.select(required).null_count().row(0)) == 0 and result.problems == ()
    assert set(result.frame["action"]) == {"R", "L", "Q", "T"}


@pytest.mark.parametrize("market", MARKETS)
def test_the_book_of_the_rows_has_the_touch_the_tickers_state(tmp_path, market):
    """The writer's tickers state its own ladder, which the rows must rebuild."""
    frame = parse(*files.write_binance_raw_day(tmp_path, 3, market, messages=1500)).frame
    book, compared = {"B": {}, "A": {}}, 0
    for action, side, price, size in rows(frame, "action", "side", "price", "size"):
        if action == "R":
            book = {"B": {}, "A": {}}
        elif action == "L":
            book[side][price] = size
            if size == 0:
                del book[side][price]
        elif action == "Q":
            best = max(book["B"]) if side == "B" else min(book["A"])
            assert (price, size) == (best, book[side][best])
            compared += 1
    assert compared > 400


@pytest.mark.parametrize("market", ["usdm", "cm"])
def test_futures_diffs_are_joined_by_their_predecessors(tmp_path, market):
    messages = [
        depth(market, 80, 89, 79, [(1, 1)], []),
        depth(market, 92, 99, 89, [(2, 2)], []),
        snapshot(market, 100, [(10, 5)], [(11, 6)]),
        # u == lastUpdateId is not older than the snapshot: it contains it.
        depth(market, 99, 100, 99, [(3, 3)], []),
        depth(market, 104, 110, 100, [(4, 4)], [(12, 1), (13, 2)]),
        depth(market, 111, 112, 110, [], [(12, 0)]),
    ]
    result = parsed(tmp_path, messages)
    both = FLAG_SNAPSHOT | FLAG_PARTIAL
    assert levels(result.frame) == [
        ("B", 10, 5, both), ("A", 11, 6, FLAG_SNAPSHOT), ("B", 3, 3, 0),
        ("B", 4, 4, FLAG_PARTIAL), ("A", 12, 1, FLAG_PARTIAL), ("A", 13, 2, 0), ("A", 12, 0, 0),
    ]  # fmt: skip
    assert result.rejected["reason"].to_list() == ["before_snapshot"] * 2 and result.problems == ()
    first = result.frame.row(0, named=True)
    assert (first["action"], first["side"], first["flags"]) == ("R", "N", both)


def test_spot_diffs_are_joined_by_their_own_ids(tmp_path):
    messages = [
        depth("spot", 90, 100, 0, [(1, 1)], []),
        snapshot("spot", 100, [(10, 5)], []),
        depth("spot", 101, 101, 0, [(2, 2)], []),
        depth("spot", 102, 104, 0, [(3, 3)], []),
    ]
    result = parsed(tmp_path, messages)
    assert [level[1:3] for level in levels(result.frame)] == [(10, 5), (2, 2), (3, 3)]
    assert result.rejected["reason"].to_list() == ["before_snapshot"] and result.problems == ()


@pytest.mark.parametrize("market", MARKETS)
def test_a_diff_received_before_the_snapshot_but_newer_stands_behind_it(tmp_path, market):
    messages = [
        depth(market, 95, 99, 94, [(1, 1)], [], NOON_MS),
        depth(market, 100, 105, 99, [(2, 2)], [(7, 7)], NOON_MS + 1),
        ticker(market, 105, (10, 1), (11, 1), NOON_MS + 2),
        snapshot(market, 102, [(10, 5)], [], NOON_MS + 3),
        depth(market, 106, 108, 105, [(3, 3)], [], NOON_MS + 4),
    ]
    result = parsed(tmp_path, messages)
    assert "".join(result.frame["action"].to_list()) == "QQRLLLL" and result.problems == ()
    assert [level[1:3] for level in levels(result.frame)] == [(10, 5), (2, 2), (7, 7), (3, 3)]
    received = (result.frame["ts_recv"] - NOON_MS * 10**6) // 10**6
    assert received.to_list() == [2, 2, 3, 3, 1, 1, 4]


@pytest.mark.parametrize("market", MARKETS)
def test_lost_diffs_are_a_problem_and_flag_the_row_behind(tmp_path, market):
    messages = [
        snapshot(market, 100, [(10, 5)], []),
        depth(market, 100, 101, 99, [(2, 2)], []),
        depth(market, 103, 111, 102, [(3, 3), (4, 4)], []),
        depth(market, 112, 113, 111, [(5, 5)], []),
    ]
    result = parsed(tmp_path, messages)
    flags = [level[3] for level in levels(result.frame)][1:]
    assert flags == [0, FLAG_GAP | FLAG_PARTIAL, 0, 0]
    (problem,) = result.problems
    assert (problem.kind, problem.position) == ("sequence_gap", "line 3") and "101" in problem.text


@pytest.mark.parametrize(("market", "first", "previous", "lost"), [
    ("spot", 101, 0, False), ("spot", 102, 0, True), ("spot", 90, 0, False),
    ("usdm", 100, 99, False), ("usdm", 103, 100, False), ("usdm", 103, 98, True), ("usdm", 103, 102, True),
    ("usdm", 101, 98, True),
])  # fmt: skip
def test_the_first_diff_behind_a_snapshot_must_contain_it(tmp_path, market, first, previous, lost):
    messages = [snapshot(market, 100, [(10, 5)], []), depth(market, first, 120, previous, [(2, 2)], [])]
    messages.append(ticker(market, 1, (10, 1), (11, 1)))
    result = parsed(tmp_path, messages)
    assert bool(result.problems) == lost and (levels(result.frame)[-1][3] == FLAG_GAP) == lost


@pytest.mark.parametrize("market", MARKETS)
def test_a_diff_received_twice_counts_once(tmp_path, market):
    again = [depth(market, 101, 102, 100, [(2, 2)], []), depth(market, 103, 104, 102, [(3, 3)], [])]
    messages = [snapshot(market, 100, [(10, 5)], []), depth(market, 100, 100 + (market == "spot"), 99, [(9, 9)], [])]
    result = parsed(tmp_path, [*messages, *again, *again])
    assert [level[1] for level in levels(result.frame)] == [10, 9, 2, 3] and result.problems == ()
    assert result.rejected["reason"].to_list() == ["stale_update"] * 2


@pytest.mark.parametrize("market", MARKETS)
def test_an_overlapping_diff_loses_nothing(tmp_path, market):
    messages = [
        snapshot(market, 100, [(10, 5)], []),
        depth(market, 99, 105, 98, [(2, 2)], []),
        depth(market, 103, 108, 102, [(3, 3)], []),
    ]
    result = parsed(tmp_path, messages)
    assert [level[1] for level in levels(result.frame)] == [10, 2, 3] and result.problems == ()


@pytest.mark.parametrize("market", MARKETS)
def test_a_later_snapshot_restates_the_diffs_it_does_not_know(tmp_path, market):
    messages = [
        snapshot(market, 100, [(10, 5)], []),
        depth(market, 99, 105, 98, [(2, 2)], []),
        depth(market, 120, 125, 119, [(3, 3)], []),
        depth(market, 126, 130, 125, [(4, 4)], [(5, 5)]),
        snapshot(market, 125, [(10, 6)], []),
        depth(market, 131, 135, 130, [(6, 6)], []),
    ]
    result = parsed(tmp_path, messages)
    both = FLAG_SNAPSHOT | FLAG_PARTIAL
    assert "".join(result.frame["action"].to_list()) == "RLLLLLRLLLL"
    assert levels(result.frame)[-4:] == [
        ("B", 10, 6, both),
        ("B", 4, 4, both),
        ("A", 5, 5, FLAG_SNAPSHOT),
        ("B", 6, 6, 0),
    ]
    assert len(result.problems) == 1


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize(("stated", "left"), [(105, FLAG_GAP), (106, 0)])
def test_a_later_snapshot_closes_a_gap_or_leaves_it_open(tmp_path, market, stated, left):
    messages = [
        snapshot(market, 100, [(10, 5)], []),
        depth(market, 99, 105, 98, [(2, 2)], []),
        depth(market, 107, 125, 106, [(3, 3)], []),
        snapshot(market, stated, [(10, 6)], []),
    ]
    assert levels(parsed(tmp_path, messages).frame)[-1] == ("B", 3, 3, FLAG_SNAPSHOT | left)


def test_a_later_snapshot_that_nothing_continues_is_rejected(tmp_path):
    messages = [
        snapshot("spot", 100, [(10, 5)], []),
        depth("spot", 200, 205, 0, [(2, 2)], []),
        snapshot("spot", 150, [(10, 6)], []),
    ]
    result = parsed(tmp_path, messages)
    assert result.rejected["reason"].to_list() == ["stale_snapshot"] * 2
    assert result.frame["action"].to_list().count("R") == 1


def test_without_a_snapshot_diffs_are_rejected_and_the_rest_is_kept(tmp_path):
    messages = [depth("usdm", k, k, k - 1, [(1, 1)], []) for k in range(1, 11)] + [trade("usdm", 1, 6000, 5, True)]
    result = parsed(tmp_path, messages)
    assert result.frame["action"].to_list() == ["T"]
    assert result.rejected["reason"].to_list() == ["before_snapshot"] * 10


@pytest.mark.parametrize("market", MARKETS)
def test_a_trade_has_the_aggressors_side_and_the_venues_time(tmp_path, market):
    frame = parsed(tmp_path, [trade(market, 1, 6000, 5, True), trade(market, 2, 6001, 7, False, NOON_MS + 9)]).frame
    assert rows(frame, "action", "side", "price", "size") == [
        ("T", "A", 6000 * 10**4, 5 * 10**7), ("T", "B", 6001 * 10**4, 7 * 10**7)
    ]  # fmt: skip
    assert frame["ts_event"].to_list() == [NOON_MS * 10**6, (NOON_MS + 9) * 10**6]


@pytest.mark.parametrize("market", MARKETS)
def test_a_ticker_is_two_quotes_of_one_event(tmp_path, market):
    frame = parsed(tmp_path, [ticker(market, 1, (6000, 3), (6001, 4), NOON_MS + 5)]).frame
    assert rows(frame, "action", "side", "price", "size", "flags") == [
        ("Q", "B", 6000 * 10**4, 3 * 10**7, FLAG_PARTIAL), ("Q", "A", 6001 * 10**4, 4 * 10**7, 0)
    ]  # fmt: skip
    stamp = NOON_MS if market == "spot" else NOON_MS + 5
    assert frame["ts_event"].unique().to_list() == [stamp * 10**6]


def test_spot_diffs_have_the_event_time_and_stamps_in_microseconds_are_told(tmp_path):
    in_ms = depth("spot", 100, 101, 0, [(2, 2)], [], NOON_MS)
    in_us = depth("spot", 102, 103, 0, [(2, 2)], [], NOON_MS)
    in_us["data"]["E"] = NOON_MS * 1000 + 17
    frame = parsed(tmp_path, [snapshot("spot", 100, [(1, 1)], []), in_ms, in_us]).frame
    assert frame["ts_event"].to_list()[-2:] == [(NOON_MS + 2) * 10**6, NOON_MS * 10**6 + 17_000]


@pytest.mark.parametrize("market", MARKETS)
def test_where_a_capture_has_trades_aggregates_are_ignored_wherever_they_stand(tmp_path, market):
    messages = [
        agg_trade(market, 1, 6000, 5, True),
        ticker(market, 1, (1, 1), (2, 2)),
        trade(market, 7, 6001, 7, False),
    ]
    result = parsed(tmp_path, messages)
    assert rows(result.frame.filter(action="T"), "price") == [(6001 * 10**4,)] and result.ignored == {"aggTrade": 1}


@pytest.mark.parametrize("market", MARKETS)
def test_a_trade_in_a_later_block_still_makes_aggregates_ignored(tmp_path, market, monkeypatch):
    from feeds.adapters import binance_raw

    blocks = binance_raw.line_blocks
    monkeypatch.setattr(binance_raw, "line_blocks", lambda path: blocks(path, block_bytes=300))
    messages = [agg_trade(market, k, 6000, 5, True) for k in range(1, 20)] + [trade(market, 7, 6001, 7, False)]
    result = parsed(tmp_path, messages)
    assert result.frame.height == 1 and result.ignored == {"aggTrade": 19}


@pytest.mark.parametrize("market", MARKETS)
def test_without_trades_aggregates_are_the_executions(tmp_path, market):
    result = parsed(tmp_path, [agg_trade(market, k, 6000 + k, 5, True) for k in range(3)])
    assert result.frame["action"].to_list() == ["T"] * 3 and result.ignored == {}


@pytest.mark.parametrize(("market", "kind", "gaps"), [("spot", trade, 1), ("usdm", trade, 0), ("usdm", agg_trade, 1)])
def test_missing_executions_are_told_where_ids_count_up_by_one(tmp_path, market, kind, gaps):
    result = parsed(tmp_path, [kind(market, number, 6000, 5, True) for number in (1, 2, 5, 6)])
    assert [problem.kind for problem in result.problems] == ["sequence_gap"] * gaps
    assert result.frame["flags"].to_list() == [0, 0, FLAG_GAP * gaps, 0]


@pytest.mark.parametrize("market", MARKETS)
def test_an_execution_received_twice_counts_once(tmp_path, market):
    result = parsed(tmp_path, [trade(market, number, 6000, 5, True) for number in (1, 2, 2, 1, 3)])
    assert result.frame.height == 3 and result.rejected["reason"].to_list() == ["duplicate_trade"] * 2


@pytest.mark.parametrize(("message", "reason"), [
    ({"stream": "!x@nothing", "data": {"e": "nothing", "s": "XRPUSDT", "E": NOON_MS}}, "unknown_stream"),
    ({"hello": 1}, "unknown_message"),
    ([1, 2], "unknown_message"),
    ("17", "unknown_message"),
    (agg_trade("spot", 1, 1, 1, True)["data"] | {"s": "BTCUSDT"}, "other_symbol"),
    ({"stream": "xrpusdt@depth20", "data": snapshot("spot", 5, [(1, 1)], [])}, "partial_book"),
    ({"stream": "xrpusdt@depth5@100ms", "data": depth("usdm", 1, 2, 0, [], [])["data"]}, "partial_book"),
    ({"e": "trade", "s": "XRPUSDT", "t": 1, "p": "1", "q": "1", "T": NOON_MS}, "incomplete_message"),
    ({"e": "trade", "s": "XRPUSDT", "t": 1, "p": 1.5, "q": "1", "T": NOON_MS, "m": True}, "incomplete_message"),
    ({"e": "trade", "s": "XRPUSDT", "t": 1, "p": "1", "q": "1", "T": 17, "m": True}, "time_of_unknown_unit"),
    ({"e": "depthUpdate", "s": "XRPUSDT", "E": NOON_MS, "U": 1, "u": 2, "b": [["1"]], "a": []}, "incomplete_message"),
])  # fmt: skip
def test_a_message_that_cannot_be_placed_is_rejected_with_its_reason(tmp_path, message, reason):
    text = message if isinstance(message, str) else json.dumps(message)
    result = parsed(tmp_path, [trade("spot", 1, 6000, 5, True), text, trade("spot", 2, 6000, 5, True)])
    assert result.rejected["reason"].to_list() == [reason] and reason in REASONS and result.frame.height == 2
    assert result.rejected["sequence"].to_list() == [1] and result.rejected["action"].to_list() == [None]


@pytest.mark.parametrize(("message", "kind"), [
    ({"result": None, "id": 3}, "subscription_reply"),
    ({"stream": "xrpusdt@kline_1m", "data": {"e": "kline", "E": NOON_MS, "s": "XRPUSDT", "k": {"t": 1}}}, "kline"),
    ({"e": "markPriceUpdate", "E": NOON_MS, "s": "XRPUSDT", "p": "11.1"}, "markPriceUpdate"),
    (depth("spot", 101, 102, 0, [], []), "empty_update"),
])  # fmt: skip
def test_messages_without_market_data_are_counted_by_kind(tmp_path, message, kind):
    messages = [snapshot("spot", 100, [(1, 1)], []), message, trade("spot", 1, 6000, 5, True)]
    result = parsed(tmp_path, messages)
    assert result.ignored == {kind: 1} and result.rows_in == 4 and result.rejected.is_empty()


@pytest.mark.parametrize("line", [
    "", "garbage", "1723118400000000000", "1723118400000000000 {", "1723118400000000000 {}x", "17 {}", '{"a":1}',
    "9999999999999999999 {}", '1723118400000000000 {"u":1,"s":"XRPUSDT","b":"1","B":"1","a":"1","A":"1"}}',
    '1723118400000000000 {"stream":"x@trade","data":{"u":1,"s":"XRPUSDT","b":"1","B":"1","a":"1","A":"1"}',
])  # fmt: skip
def test_a_line_that_is_no_message_is_refused_with_its_number(tmp_path, line):
    good = [files.capture_line(NOON_MS * 10**6 + k, trade("spot", k, 6000, 5, True)) for k in range(3)]
    path = tmp_path / "x.log"
    path.write_text("\n".join([*good, line, good[0]]) + "\n")
    with pytest.raises(UnreadableFileError, match="line 4"):
        parse(path)


def test_lines_received_on_another_date_are_rejected(tmp_path):
    midnight = files.MIDNIGHT_MS * 10**6 + 86_400 * 10**9
    messages = [trade("spot", number, 6000, 5, True) for number in range(1, 5)]
    result = parsed(tmp_path, messages, first_ns=midnight - 2, step_ns=1)
    assert result.frame.height == 2 and result.rejected["reason"].to_list() == ["received_on_another_date"] * 2


def test_a_venue_stamp_ahead_of_the_receive_stamp_is_kept(tmp_path):
    result = parsed(tmp_path, [trade("usdm", 1, 6000, 5, True, NOON_MS + 1270)])
    assert (result.frame["ts_event"] - result.frame["ts_recv"]).to_list() == [1270 * 10**6]


def test_a_finer_unit_scales_prices_and_a_coarser_one_may_hold_them(tmp_path):
    (path,) = files.write_binance_raw_day(tmp_path, 4)
    plain = parse(path).frame
    assert (parse(path, tick_size=1e-9).frame["price"] == plain["price"] * 10).all()
    coarse = parse(path, tick_size=1e-4, lot_size=0.1).frame
    assert (coarse["price"] * 10**4 == plain["price"]).all() and (coarse["size"] * 10**7 == plain["size"]).all()


@pytest.mark.parametrize("units", [{"tick_size": 0.0003}, {"tick_size": 0.01}, {"lot_size": 100}, {"lot_size": 1}])
def test_units_that_would_round_are_refused(tmp_path, units):
    (path,) = files.write_binance_raw_day(tmp_path, 4)
    with pytest.raises(StudyError, match=next(iter(units))):
        parse(path, **units)


def test_a_size_too_large_for_the_unit_is_refused_and_fits_a_coarser_one(tmp_path):
    message = trade("spot", 1, 6000, 5, True)
    message["data"]["q"] = "900000000000.00"
    path = files.write_capture(tmp_path / "x.gz", [message])
    with pytest.raises(StudyError, match="lot_size"):
        parse(path)
    assert parse(path, lot_size=1.0).frame["size"].to_list() == [900_000_000_000]


@pytest.mark.parametrize("suffix", [".gz", ".log"])
@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_cut_short_anywhere_is_refused(tmp_path, suffix, data):
    folder = tmp_path / "cut"
    shutil.rmtree(folder, ignore_errors=True)
    path = files.write_capture(folder / f"x{suffix}", files.market_messages("usdm", 5, 60))
    content = path.read_bytes()
    size = data.draw(st.integers(0, len(content) - 1))
    path.write_bytes(content[:size])
    if suffix == ".log" and content[:size].endswith(b"\n"):
        return  # a plain file says nothing about lines that are not there
    with pytest.raises(UnreadableFileError, match="cut") as caught:
        info = ADAPTER.sniff(path)
        if info is None:
            raise UnreadableFileError(path, "byte 0", "any format", "none")
        parse(path)
    assert caught.value.path == str(path) and caught.value.position


def test_a_flipped_byte_inside_compressed_data_is_refused(tmp_path):
    (path,) = files.write_binance_raw_day(tmp_path, 6)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=path.name):
        parse(path, RAW_INSTRUMENT["spot"])


@given(
    content=st.one_of(
        st.binary(max_size=200), st.binary(max_size=80).map(lambda tail: b'1723118400000000000 {"' + tail)
    )
)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_foreign_bytes_neither_crash_nor_hang(tmp_path, content):
    path = tmp_path / "foreign"
    path.write_bytes(content)
    try:
        assert ADAPTER.sniff(path) is None or b"{" in content
    except UnreadableFileError as error:
        assert error.path == str(path)
    spec = ADAPTER.default_spec(RAW_INSTRUMENT["spot"])
    try:
        assert ADAPTER.parse({"capture": path}, spec, DATE).frame.is_empty()
    except UnreadableFileError as error:
        assert error.path == str(path)


@pytest.mark.parametrize("market", MARKETS)
def test_small_blocks_give_the_same_as_large_ones(tmp_path, market, monkeypatch):
    from feeds.adapters import binance_raw

    (path,) = files.write_binance_raw_day(tmp_path, 7, market)
    whole = parse(path)
    blocks = binance_raw.line_blocks
    monkeypatch.setattr(binance_raw, "line_blocks", lambda path: blocks(path, block_bytes=2_000))
    spec = ADAPTER.default_spec(RAW_INSTRUMENT[market])
    parts = list(ADAPTER.chunks({"capture": path}, spec, DATE))
    again = joined(parts)
    assert len(parts) > 10 and again.frame.equals(whole.frame) and again.rejected.equals(whole.rejected)
    assert again.rows_in == whole.rows_in


def test_members_of_a_gzip_file_written_one_after_the_other_are_one_capture(tmp_path):
    path = files.write_capture(tmp_path / "x.gz", [trade("spot", 1, 6000, 5, True)])
    more = files.capture_line(NOON_MS * 10**6 + 5, trade("spot", 2, 6000, 5, True)) + "\n"
    path.write_bytes(path.read_bytes() + gzip.compress(more.encode()))
    assert parse(path).frame.height == 2


def test_codes_of_kinds_are_the_kernels():
    assert {
        name: getattr(kernel, name.upper())
        for name in ("depth", "ticker", "trade", "agg_trade", "snapshot", "ignored", "unplaced")
    } == _KIND_CODES


# --- the kernel against its twin ---------------------------------------------------------------------------------

PLACES = Places(8, 8)
DECIMALS = st.one_of(
    st.decimals(0, 10**9, allow_nan=False, places=8).map(lambda value: f"{value:f}"),
    st.sampled_from(
        ["0", "0.00000000", "1e3", "1E-8", "-1.5", "0.123456789", "00.5", ".5", "5.", "", "9" * 19, "NaN", "١"]
    ),
)
IDS = st.one_of(st.integers(0, 10**13), st.sampled_from([-1, 10**18, 10**19, 1.5, True, None, "7"]))
TIMES = st.one_of(st.integers(NOON_MS, NOON_MS + 10**6), st.sampled_from([NOON_MS * 1000, 5, NOON_MS * 10**6]))
PAIRS = st.lists(st.tuples(DECIMALS, DECIMALS).map(list), max_size=3)


KEYS = ["zzz", "lastUpdateId", "symbol", "M", "X", "stream", "data", "result", "id", "bids", "lastUpda"]
KEYS += list("eEsTuUpqbBaAtmf")


@st.composite
def random_messages(draw):
    market, kind = (
        draw(st.sampled_from(MARKETS)),
        draw(st.sampled_from(["depth", "ticker", "trade", "agg", "snapshot"])),
    )
    message = {
        "depth": lambda: depth(market, draw(IDS), draw(IDS), draw(IDS), [], []),
        "ticker": lambda: ticker(market, draw(IDS), (1, 2), (3, 4)),
        "trade": lambda: trade(market, draw(IDS), 1, 2, draw(st.sampled_from([True, False, None, 1]))),
        "agg": lambda: agg_trade(market, 1, 1, 2, draw(st.booleans())),
        "snapshot": lambda: snapshot(market, draw(IDS), [], []),
    }[kind]()
    data = message.get("data", message)
    for key in ("p", "q", "b", "B", "a", "A"):
        if isinstance(data.get(key), str):
            data[key] = draw(DECIMALS)
    for key in ("b", "a", "bids", "asks"):
        if isinstance(data.get(key), list):
            data[key] = draw(PAIRS)
    for key in ("E", "T"):
        if key in data and draw(st.integers(0, 3)) == 0:
            data[key] = draw(TIMES)
    if draw(st.integers(0, 5)) == 0:
        del data[draw(st.sampled_from(sorted(data)))]
    if draw(st.integers(0, 2)) == 0:
        data[draw(st.sampled_from(KEYS))] = draw(
            st.one_of(DECIMALS, IDS, st.text(max_size=4), st.just("XRPUSDT"), st.booleans())
        )
    if "stream" in message and draw(st.integers(0, 9)) == 0:
        message["stream"] = draw(st.sampled_from(["x@depth20", "x@y@depth5", "@depth", "x@dxxxh1", None, 5]))
    keys = draw(st.permutations(sorted(data)))
    shuffled = {key: data[key] for key in keys}
    message = {**message, "data": shuffled} if "data" in message else shuffled
    ascii_only, spaced = draw(st.booleans()), draw(st.integers(0, 9)) == 0
    text = json.dumps(message, ensure_ascii=ascii_only, separators=None if spaced else (",", ":"))
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.sampled_from(['"', "}", ",", "\\", " ", "\t", "0"])) + text[at:]
    return market, text


def scanned(text: bytes, symbol: str, futures: bool):
    buffer = np.frombuffer(text + b"\n", np.uint8)
    records = np.empty((1, kernel.COLUMNS), np.int64)
    room = buffer.size // 8 + 2
    sides, prices, sizes = np.empty(room, np.uint8), np.empty(room, np.int64), np.empty(room, np.int64)
    places = np.array([PLACES.price, PLACES.size])
    name = np.frombuffer(symbol.encode(), np.uint8)
    lines, count, _ = kernel.scan_lines(buffer, name, futures, places, records, sides, prices, sizes)
    assert lines == 1
    return records[0], list(zip(sides[:count].tolist(), prices[:count].tolist(), sizes[:count].tolist(), strict=True))


@given(drawn=random_messages())
@example(
    drawn=("spot", json.dumps(trade("spot", 1, 1, 1, True)["data"] | {"p": "1", "e": "trade"}, separators=(",", ":")))
)
@settings(max_examples=600, deadline=None)
def test_what_the_kernel_reads_is_what_its_twin_reads(drawn):
    market, text = drawn
    symbol, futures = files.symbol_of(market), market != "spot"
    line = f"{NOON_MS * 10**6 + 5} {text}".encode()
    record, found = scanned(line, symbol, futures)
    if record[kernel.KIND] == kernel.ODD:
        return
    told = read_message(line, symbol, futures, PLACES)
    assert _KIND_CODES[told.kind] == record[kernel.KIND]
    ids = told.first_id, told.last_id, told.previous_id
    assert (told.recv_ns, told.time_ns, *ids) == tuple(record[kernel.RECV_NS : kernel.LEVEL].tolist())
    assert list(told.levels) == found


@pytest.mark.parametrize("market", MARKETS)
def test_the_kernel_leaves_nothing_of_a_plain_capture_to_its_twin(market):
    symbol = files.symbol_of(market)
    messages = [*files.market_messages(market, 9, 200), agg_trade(market, 1, 1, 1, True)]
    lines = [files.capture_line(NOON_MS * 10**6, message).encode() for message in messages]
    kinds = {int(scanned(line, symbol, market != "spot")[0][kernel.KIND]) for line in lines}
    assert kinds == {kernel.DEPTH, kernel.TICKER, kernel.TRADE, kernel.AGG_TRADE, kernel.SNAPSHOT}


@given(value=st.decimals(-(10**12), 10**12, allow_nan=False, allow_infinity=False), places=st.integers(0, 8))
def test_the_twin_reads_decimals_exactly_or_not_at_all(value, places):
    message = json.dumps(trade("spot", 1, 1, 1, True)["data"] | {"p": f"{value:f}", "q": "1"})
    line = f"{NOON_MS * 10**6} {message}".encode()
    scaled = Fraction(value) * 10**places
    try:
        ((_, price, _),) = read_message(line, "XRPUSDT", False, Places(places, 0)).levels
    except UnitError as error:
        assert error.column == "tick_size" and (scaled % 1 != 0 or abs(scaled) >= 2**63)
    else:
        assert price == scaled


@pytest.mark.parametrize("number", ["1e999999999", "-1e-999999999", "Infinity"])
def test_absurd_exponents_are_refused_at_once(number):
    line = f"{NOON_MS * 10**6} {json.dumps(trade('spot', 1, 1, 1, True)['data'] | {'p': number})}".encode()
    with pytest.raises(UnitError) if "e" in number else pytest.MonkeyPatch.context():
        assert read_message(line, "XRPUSDT", False, PLACES).kind == "unplaced"


def test_deep_nesting_is_no_message():
    with pytest.raises(NoMessageError):
        read_message(f"{NOON_MS * 10**6} {'[' * 100_000}".encode(), "XRPUSDT", False, PLACES)
