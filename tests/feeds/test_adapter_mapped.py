"""Mapped files: exact units, both ways of reading, blocks, damage."""

import datetime as dt
import itertools
import tracemalloc
from decimal import Decimal
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feeds.adapters import mapped_csv, mapped_parquet
from feeds.adapters.mapped import Mapped
from feeds.errors import UnreadableFileError
from feeds.schema import FLAG_PARTIAL, RAW_TICKS
from feeds.tape import read_tape
from tests.support.mapped_files import (
    MAPPED_DATES,
    MAPPED_INSTRUMENTS,
    TRADES_MAPPING,
    mapped_rows,
    write_mapped_day,
    write_mapping,
)

ADAPTER = Mapped()
QUIET = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


NUMBERS = itertools.count()


def decoded(path):
    """Index, events and rejected rows of a file, by instrument and date."""
    folder = path.parent / f"tape{next(NUMBERS)}"
    index = ADAPTER.decode(path, folder)
    parts = [
        part
        for content in index.contents
        for part in read_tape(folder, content.date, content.instrument, index.specs[content.instrument])
    ]
    if not parts:
        return index, pl.DataFrame(), pl.DataFrame()
    return index, pl.concat([part.frame for part in parts]), pl.concat([part.rejected for part in parts])


def trades(tmp_path, lines, header="ns,price,size,side", **changes):
    path = tmp_path / "x.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    write_mapping(tmp_path / "x.csv.t2t.yaml", TRADES_MAPPING, **({"symbol": {"constant": "AAA"}} | changes))
    return path


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet"])
def test_every_row_is_an_event_or_rejected_whatever_holds_it(tmp_path, kind):
    path, _ = write_mapped_day(tmp_path, seed=1, kind=kind)
    source = mapped_rows(1, 400)
    index, frame, rejected = decoded(path)
    assert index.rows == frame.height + rejected.height == 400
    assert {content.instrument for content in index.contents} == set(MAPPED_INSTRUMENTS)
    assert {content.date for content in index.contents} == set(MAPPED_DATES)
    assert dict(frame.schema) == RAW_TICKS and rejected["reason"].to_list() == ["off_tick_price"]
    assert rejected["ts_event"].to_list() == [source["ns"][200]]
    expected = source.filter(pl.int_range(pl.len()) != 200).with_columns(
        price=pl.Series([int(Decimal(text) * 100) for text in source["price"].to_list() if len(text) < 7]),
        size=pl.Series([int(Decimal(text) * 1000) for k, text in enumerate(source["size"]) if k != 200]),
        side=pl.col("side").replace({"buy": "B", "sell": "A"}),
        day=pl.from_epoch("ns", time_unit="ns").dt.date(),
    )
    order = expected.sort("day", "symbol", maintain_order=True)
    for name, column in (("ts_event", "ns"), ("price", "price"), ("size", "size"), ("side", "side")):
        assert frame[name].cast(order[column].dtype).to_list() == order[column].to_list()


NUMBER = st.decimals(min_value=-10, max_value=10**6, places=4, allow_nan=False)
SPELLING = st.sampled_from(["{}", "{:f}", "+{}", " {} ", "{:.3e}", '"{}"'])


@given(
    prices=st.lists(st.tuples(NUMBER, SPELLING), min_size=1, max_size=6),
    tick=st.sampled_from([0.01, 0.25, 0.05, 5.0, 1e-4, 3e-5]),
)
@settings(max_examples=100, **QUIET)
def test_a_price_is_an_exact_multiple_of_the_tick_or_rejected(tmp_path, prices, tick):
    texts = [form.format(abs(price) if form.startswith("+") else price) for price, form in prices]
    path = trades(tmp_path, [f"{k},{text},1,buy" for k, text in enumerate(texts)], tick_size=tick)
    _, frame, rejected = decoded(path)
    found = dict(frame.select("ts_event", "price").rows()) | dict.fromkeys(rejected["ts_event"].to_list())
    exact = [Decimal(text.strip(' "')) / Decimal(repr(tick)) for text in texts]
    assert found == {k: int(ratio) if ratio == int(ratio) else None for k, ratio in enumerate(exact)}
    assert set(rejected["reason"]) <= {"off_tick_price"}


@pytest.mark.parametrize("digits", [10, 27, 28, 40, 300])
def test_no_number_of_digits_rounds_a_price_onto_a_tick(tmp_path, digits):
    lines = [f"1,1.{'0' * digits}1,1,buy", f"2,1.{'0' * digits},1,buy", f"3,+1.{'9' * digits},1,buy"]
    _, frame, rejected = decoded(trades(tmp_path, lines, tick_size=0.25))
    assert frame.select("ts_event", "price").rows() == [(2, 4)]
    assert rejected["reason"].to_list() == ["off_tick_price"] * 2


@pytest.mark.parametrize("text", ["1e999999999", "1e-999999999", "Infinity", "1_0", "0x10"])
def test_a_text_of_absurdly_many_digits_is_no_number(tmp_path, text):
    with pytest.raises(UnreadableFileError, match="a number as price"):
        ADAPTER.decode(trades(tmp_path, [f"1,{text},1,buy"]), tmp_path / "t")


CELL = st.sampled_from(["1.5", "2", "", "0.015", "-3", "007.50", "1e2"])
LINE = st.tuples(st.integers(0, 2 * 86_400 * 10**9), CELL, CELL, st.sampled_from(["buy", "sell", "", "who", "a,b"]))


@given(lines=st.lists(LINE, min_size=1, max_size=8), block=st.integers(1, 60))
@settings(max_examples=40, **QUIET)
def test_both_ways_of_reading_and_any_cut_into_blocks_give_the_same(tmp_path, lines, block):
    texts = [",".join(map(str, (*line[:3], f'"{line[3]}"' if "," in line[3] else line[3]))) for line in lines]
    path = trades(tmp_path, texts)
    _, frame, rejected = decoded(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mapped_csv, "_BLOCK_BYTES", block)
        _, cut, cut_rejected = decoded(path)
        patch.setattr(mapped_csv, "_plain_batch", lambda *_: None)
        _, slow, slow_rejected = decoded(path)
    assert cut.equals(frame) and cut_rejected.equals(rejected)
    assert slow.equals(frame) and slow_rejected.equals(rejected)
    assert frame.height + rejected.height == len(lines)


BROKEN = {
    "5,abc,1,buy": "a number as price; |'abc'",
    "5,1,1": "4 columns",
    "5,1,1,buy,": "4 columns",
    "x,1,1,buy": "as ns",
    ",1,1,buy": "an empty cell",
    "5,1,1e30,buy": "a number as size",
    "5,nan,1,buy": "a number as price",
    '5,1,1,"buy': "4 columns",
    "": "4 columns",
}


@pytest.mark.parametrize("bad", BROKEN)
@pytest.mark.parametrize("block", [16, 1 << 20])
def test_a_broken_line_is_refused_with_its_place(tmp_path, monkeypatch, bad, block):
    monkeypatch.setattr(mapped_csv, "_BLOCK_BYTES", block)
    path = trades(tmp_path, ["1,1,1,buy", "2,1.5,2,sell", "3,7,7,buy", bad, "6,1,1,buy"])
    with pytest.raises(UnreadableFileError, match=BROKEN[bad]) as caught:
        ADAPTER.decode(path, tmp_path / "tape")
    assert caught.value.position == "line 5" and caught.value.path == str(path)
    assert not (tmp_path / "tape").exists() and not list(tmp_path.glob(".*"))


def test_what_is_missing_or_unknown_is_rejected_with_its_reason(tmp_path):
    lines = ["1,,1,buy", "2,1,,buy", "3,1,0.0005,buy", "4,1,1,who", "5,1.001,0.0001,who", "6,1,1,buy"]
    _, frame, rejected = decoded(trades(tmp_path, lines))
    reasons = ["missing_value", "missing_value", "off_lot_size", "unknown_side", "off_tick_price"]
    assert rejected["reason"].to_list() == reasons and frame["ts_event"].to_list() == [6]


def test_a_row_without_a_symbol_is_rejected_and_one_that_makes_no_id_stops_the_file(tmp_path):
    header = "symbol,ns,price,size,side"
    symbol = {"column": "symbol", "names": {"a/b": "AB"}}
    _, frame, rejected = decoded(trades(tmp_path, ["a/b,1,1,1,buy", ",2,1,1,buy"], header, symbol=symbol))
    assert frame.height == 1 and rejected["reason"].to_list() == ["unknown_symbol"]
    with pytest.raises(UnreadableFileError, match="a ticker"):
        ADAPTER.decode(trades(tmp_path, ["c/d,1,1,1,buy"], header, symbol=symbol), tmp_path / "t")


MOMENT = st.datetimes(dt.datetime(2023, 1, 1), dt.datetime(2025, 1, 1))


@given(moment=MOMENT, zone=st.sampled_from(["America/New_York", "Europe/Berlin", "Asia/Tokyo", "UTC"]))
@settings(max_examples=60, **QUIET)
def test_clock_times_of_a_zone_are_the_moments_python_says(tmp_path, moment, zone):
    time = {"column": "ns", "unit": "iso", "timezone": zone}
    path = trades(tmp_path, [f"{moment.isoformat()},1,1,buy"], time=time)
    local = moment.replace(tzinfo=ZoneInfo(zone))
    exact = local.astimezone(dt.UTC)
    if exact.astimezone(ZoneInfo(zone)).replace(tzinfo=None) != moment:
        with pytest.raises(UnreadableFileError, match="a time that clocks"):
            ADAPTER.decode(path, tmp_path / "never")
        return
    _, frame, _ = decoded(path)
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    assert frame["ts_event"].to_list() == [(exact - epoch) // dt.timedelta(microseconds=1) * 1000]


def test_a_count_since_midnight_that_leaves_its_day_is_rejected(tmp_path):
    time = {"column": "ns", "unit": "s", "date": dt.date(2024, 3, 1), "timezone": "America/New_York"}
    index, frame, rejected = decoded(trades(tmp_path, ["0.25,1,1,buy", "86400,1,1,buy", "-1,1,1,buy"], time=time))
    midnight = int(dt.datetime(2024, 3, 1, tzinfo=ZoneInfo("America/New_York")).timestamp()) * 10**9
    assert frame["ts_event"].to_list() == [midnight + 250_000_000]
    assert rejected["reason"].to_list() == ["time_outside_day"] * 2
    assert [content.date for content in index.contents] == ["2024-03-01"]


def test_a_quote_with_one_side_off_its_tick_keeps_the_other(tmp_path):
    quotes = {"rows": "quotes", "price": None, "size": None, "side": None, "bid_price": "bid", "ask_price": "ask"}
    lines = ["1,1.00,1.01", "2,1.00,1.015", "3,,1.01", "4,1.00,", "5,,"]
    _, frame, rejected = decoded(trades(tmp_path, lines, "ns,bid,ask", lot_size=1, **quotes))
    assert frame.select("ts_event", "side", "price", "size", "flags").rows() == [
        (1, "B", 100, 1, FLAG_PARTIAL),
        (1, "A", 101, 1, 0),
        (2, "B", 100, 1, 0),
        (3, "A", 101, 1, 0),
        (4, "B", 100, 1, 0),
    ]
    rows = rejected.select("ts_event", "side", "reason").rows()
    assert rows == [(2, "A", "off_tick_price"), (5, "N", "empty_quote")]


def parquet(tmp_path, columns, **changes):
    path = tmp_path / "x.parquet"
    pl.DataFrame(columns).write_parquet(path)
    changes = {"format": "parquet", "symbol": {"constant": "AAA"}, "side": None, **changes}
    write_mapping(tmp_path / "x.parquet.t2t.yaml", TRADES_MAPPING, **changes)
    return path


@given(ticks=st.lists(st.integers(0, 10**9), min_size=1, max_size=20), tick=st.sampled_from([0.01, 0.25, 1e-8, 0.05]))
@settings(max_examples=60, **QUIET)
def test_a_float_near_a_multiple_is_that_multiple_and_one_between_is_rejected(tmp_path, ticks, tick):
    near = [k * tick * (1 + 1e-13) for k in ticks]
    between = [(k + 0.5) * tick for k in ticks if k < 10**8]
    prices = [*near, *between]
    path = parquet(tmp_path, {"ns": range(len(prices)), "price": prices, "size": [1.0] * len(prices)}, tick_size=tick)
    _, frame, rejected = decoded(path)
    assert frame["price"].to_list() == ticks and rejected["reason"].to_list() == ["off_tick_price"] * len(between)


def test_types_of_a_parquet_file_are_exact_or_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(mapped_parquet, "_BATCH_ROWS", 2)
    stamps = pl.Series([dt.datetime(2024, 1, 2, 10, 0, k) for k in range(3)])
    columns = {
        "ns": stamps.cast(pl.Datetime("us", "UTC")),
        "price": pl.Series(["1.01", None, "3.005"]).cast(pl.Decimal(20, 4)),
        "size": pl.Series([1, 2, None], dtype=pl.UInt32),
    }
    _, frame, rejected = decoded(parquet(tmp_path, columns, time={"column": "ns", "unit": "timestamp"}))
    start = int(dt.datetime(2024, 1, 2, 10, tzinfo=dt.UTC).timestamp()) * 10**9
    assert frame.select("ts_event", "price", "size").rows() == [(start, 101, 1000)]
    assert rejected["reason"].to_list() == ["missing_value", "missing_value"]
    refused = {
        "a timestamp with a zone": (columns | {"ns": stamps}, {"column": "ns", "unit": "timestamp"}),
        "whole numbers, decimals or texts": (columns | {"ns": [1.5, 2.0, 3.0]}, {"column": "ns", "unit": "ms"}),
        "numbers or texts": (columns | {"price": [True, False, True]}, {"column": "ns", "unit": "timestamp"}),
        "fits 64 bits": (columns | {"ns": [2**62, 1, 1]}, {"column": "ns", "unit": "s"}),
    }
    for words, (changed, time) in refused.items():
        with pytest.raises(UnreadableFileError, match=words):
            ADAPTER.decode(parquet(tmp_path, changed, time=time), tmp_path / "never")


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet"])
@given(data=st.data())
@settings(max_examples=30, **QUIET)
def test_a_file_cut_short_anywhere_is_refused_by_name(kind, data, tmp_path):
    path, _ = write_mapped_day(tmp_path, seed=2, rows=60, kind=kind)
    content = path.read_bytes()
    ends = {k for k, byte in enumerate(content, 1) if byte == 10} if kind == "csv" else set()
    cut = data.draw(st.integers(0, len(content) - 1).filter(lambda k: k not in ends))
    path.write_bytes(content[:cut])
    with pytest.raises(UnreadableFileError) as caught:
        ADAPTER.sniff(path)
        ADAPTER.decode(path, tmp_path / "never")
    assert caught.value.path == str(path)


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet"])
@given(content=st.binary(max_size=200))
@settings(max_examples=40, **QUIET)
def test_foreign_bytes_under_a_mapped_name_are_refused(kind, content, tmp_path):
    path, _ = write_mapped_day(tmp_path, seed=2, rows=5, kind=kind)
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError):
        ADAPTER.sniff(path)
        ADAPTER.decode(path, tmp_path / "never")


def test_progress_reaches_the_end_and_never_runs_back(tmp_path, monkeypatch):
    monkeypatch.setattr(mapped_csv, "_BLOCK_BYTES", 500)
    path, _ = write_mapped_day(tmp_path, seed=3)
    calls = []
    ADAPTER.decode(path, tmp_path / "tape", lambda *numbers: calls.append(numbers))
    assert len(calls) > 5 and calls == sorted(calls)
    assert calls[-1] == (400, path.stat().st_size, path.stat().st_size)


def test_memory_does_not_grow_with_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(mapped_csv, "_BLOCK_BYTES", 1 << 16)
    peaks = []
    for rows in (20_000, 80_000):
        folder = tmp_path / str(rows)
        path, _ = write_mapped_day(folder, seed=4, rows=rows)
        tracemalloc.start()
        ADAPTER.decode(path, folder / "tape")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]
