"""The exchange's public archive: which file is what, trades and quotes merged, bars, depths."""

import shutil
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feeds.adapters.base import joined
from feeds.adapters.binance_archive import BinanceArchive
from feeds.adapters.binance_book_depth import BinanceBookDepth
from feeds.adapters.binance_klines import BinanceKlines
from feeds.adapters.binance_merge import Rows, merged
from feeds.errors import StudyError, UnreadableFileError
from feeds.schema import EXTERNAL_SIGNALS, FLAG_GAP, FLAG_PARTIAL, RAW_TICKS, REJECTED_TICKS, VENDOR_BARS
from tests.support.binance_files import (
    ARCHIVE_INSTRUMENT,
    DATE,
    HEADERS,
    MIDNIGHT_MS,
    NOON_MS,
    archive_lines,
    bar_lines,
    write_archive,
    write_binance_archive_day,
)

ADAPTER, BARS, DEPTHS = BinanceArchive(), BinanceKlines(), BinanceBookDepth()
MARKETS = ("spot", "um", "cm")
NS = 10**6


def parse(*paths, date=DATE, **units):
    infos = [ADAPTER.sniff(path) for path in paths]
    spec = ADAPTER.default_spec(infos[0].instrument).model_copy(update=units)
    return ADAPTER.parse({info.role: info.path for info in infos}, spec, date)


def written(folder, kind, lines, market="um", name=None, header=True):
    header_line = HEADERS.get((kind, market)) or HEADERS.get((kind, "um"))
    return write_archive(
        folder, name or f"XRPUSDT-{kind}-{DATE}.zip", lines, header_line if header and market != "spot" else None
    )


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("kind", ["trades", "aggTrades"])
def test_columns_and_symbol_tell_the_market(tmp_path, market, kind):
    (path,) = write_binance_archive_day(tmp_path, 1, market, [kind])
    info = ADAPTER.sniff(path)
    assert (info.format, info.role, info.instrument, info.dates) == (
        "binance_archive", kind, ARCHIVE_INSTRUMENT[market], (DATE,)
    )  # fmt: skip


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("suffix", ["zip", "csv", "csv.gz"])
@pytest.mark.parametrize("kind", ["trades", "aggTrades", "bookTicker"])
def test_containers_and_headers_make_no_difference(tmp_path, kind, suffix, header):
    lines = archive_lines(kind, "um", 2, 50)
    path = written(tmp_path, kind, lines, name=f"XRPUSDT-{kind}-{DATE}.{suffix}", header=header)
    plain = written(tmp_path / "plain", kind, lines, header=False)
    assert ADAPTER.sniff(path).instrument == ARCHIVE_INSTRUMENT["um"]
    assert parse(path).frame.equals(parse(plain).frame)


def test_a_zip_is_recognised_under_any_name(tmp_path):
    (path,) = write_binance_archive_day(tmp_path, 1, "um", ["trades"])
    renamed = path.rename(tmp_path / "copy (1).dat")
    assert ADAPTER.sniff(renamed).instrument == ARCHIVE_INSTRUMENT["um"]


def test_a_market_in_the_name_that_the_columns_contradict_is_refused(tmp_path):
    path = written(tmp_path, "trades", archive_lines("trades", "um", 1, 9), name=f"XRPUSDT@BINANCE-trades-{DATE}.zip")
    with pytest.raises(UnreadableFileError, match="BINANCE_USDM"):
        ADAPTER.sniff(path)


def test_a_header_with_the_base_quantity_is_coin_margined(tmp_path):
    lines = archive_lines("trades", "um", 1, 9)
    path = write_archive(tmp_path, f"XRPUSDT-trades-{DATE}.csv", lines, HEADERS["trades", "cm"])
    assert ADAPTER.sniff(path).instrument == "XRPUSDT.BINANCE_CM"


@pytest.mark.parametrize("market", MARKETS)
def test_rows_have_the_schema_and_numbers_run_over_all_of_them(tmp_path, market):
    kinds = ["trades"] if market == "spot" else ["trades", "bookTicker"]
    result = parse(*write_binance_archive_day(tmp_path, 3, market, kinds))
    assert dict(result.frame.schema) == RAW_TICKS and dict(result.rejected.schema) == REJECTED_TICKS
    assert result.frame["sequence"].to_list() == list(range(result.rows_in))
    assert result.rows_in == 300 * (1 if market == "spot" else 3) and result.problems == ()
    required = [name for name in RAW_TICKS if not name.startswith(("bid_", "ask_"))]
    assert sum(result.frame.select(required).null_count().row(0)) == 0
    assert (result.frame["ts_event"] == result.frame["ts_recv"]).all() and result.frame["ts_event"].is_sorted()


@pytest.mark.parametrize("kind", ["trades", "aggTrades"])
@pytest.mark.parametrize("market", MARKETS)
def test_each_line_of_trades_is_one_execution_with_its_exact_values(tmp_path, market, kind):
    lines = archive_lines(kind, market, 4, 200)
    frame = parse(
        written(tmp_path, kind, lines, market, f"{ARCHIVE_INSTRUMENT[market].split('.')[0]}-{kind}-{DATE}.zip")
    ).frame
    at = 4 if kind == "trades" else 5
    expected = []
    for line in lines:
        cells = line.split(",")
        side = "A" if cells[at + 1].lower() == "true" else "B"
        expected.append(
            (int(cells[at]) * NS, "T", side, int(Decimal(cells[1]) * 10**8), int(Decimal(cells[2]) * 10**8))
        )
    assert list(frame.select("ts_event", "action", "side", "price", "size").iter_rows()) == expected


def test_each_ticker_is_two_quotes_of_one_event(tmp_path):
    lines = archive_lines("bookTicker", "um", 5, 100)
    frame = parse(written(tmp_path, "bookTicker", lines)).frame
    expected = []
    for line in lines:
        _, bid, bid_size, ask, ask_size, time, _ = line.split(",")
        for side, price, size, flags in (("B", bid, bid_size, FLAG_PARTIAL), ("A", ask, ask_size, 0)):
            values = (int(Decimal(value) * 10**8) for value in (price, size))
            expected.append((int(time) * NS, "Q", side, *values, flags))
    assert list(frame.select("ts_event", "action", "side", "price", "size", "flags").iter_rows()) == expected


def test_quotes_stand_before_trades_of_the_same_time(tmp_path):
    quotes = [f"{k},1.0,1,1.1,1,{NOON_MS + k},{NOON_MS + k}" for k in (0, 2, 2, 5)]
    trades = [f"{k},1.0,1,1,{NOON_MS + k},true" for k in (1, 2, 5, 9)]
    frame = parse(written(tmp_path, "bookTicker", quotes), written(tmp_path, "trades", trades)).frame
    assert "".join(frame["action"].to_list()) == "QQTQQQQTQQTT"


def test_where_trades_are_there_aggregates_are_left_unread(tmp_path):
    trades, aggregates = write_binance_archive_day(tmp_path, 6, "um", ["trades", "aggTrades"])
    assert parse(trades, aggregates).frame.equals(parse(trades).frame)
    assert parse(aggregates).frame.height == 300


def test_stamps_in_microseconds_are_told(tmp_path):
    path = written(tmp_path, "trades", archive_lines("trades", "spot", 7, 20, us=True), "spot")
    frame = parse(path).frame
    assert (frame["ts_event"] % 10**6 == 7_000).all() and frame["ts_event"][0] // 10**15 == NOON_MS // 10**9


@pytest.mark.parametrize("value", ["17", "1723118400", "172311840000", "1723118400000000000"])
def test_a_stamp_of_another_unit_is_refused_with_its_line(tmp_path, value):
    lines = archive_lines("trades", "um", 8, 3)
    lines[1] = lines[1].replace(lines[1].split(",")[4], value)
    with pytest.raises(UnreadableFileError, match="line 3"):
        parse(written(tmp_path, "trades", lines))


def test_of_a_months_file_the_rows_of_the_date_are_taken(tmp_path):
    lines = []
    for day in range(4):
        part = archive_lines("trades", "spot", day, 30, start_ms=MIDNIGHT_MS + 86_400_000 * (day - 1))
        lines += [line.replace(line.split(",", 1)[0], str(1000 * day + k), 1) for k, line in enumerate(part)]
    path = written(tmp_path, "trades", lines, "spot", "XRPUSDT-trades-2024-08.zip")
    info = ADAPTER.sniff(path)
    assert len(info.dates) == 31 and info.dates[0] == "2024-08-01"
    taken = [parse(path, date=f"2024-08-{day:02d}").rows_in for day in range(6, 13)]
    assert taken == [0, 30, 30, 30, 30, 0, 0]
    only = parse(path).frame["ts_event"]
    assert only.min() >= MIDNIGHT_MS * NS and only.max() < (MIDNIGHT_MS + 86_400_000) * NS


def test_rows_of_another_date_in_a_days_file_are_rejected(tmp_path):
    path = written(tmp_path, "trades", archive_lines("trades", "um", 9, 40, start_ms=MIDNIGHT_MS - 2_000))
    result = parse(path)
    assert set(result.rejected["reason"]) == {"time_outside_day"} and 0 < result.rejected.height < 40
    assert result.rows_in == 40 and result.frame["ts_event"].min() >= MIDNIGHT_MS * NS


@pytest.mark.parametrize(
    ("kind", "market", "gaps"), [("trades", "spot", 1), ("trades", "um", 0), ("aggTrades", "um", 1)]
)
def test_missing_executions_are_told_where_ids_count_up_by_one(tmp_path, kind, market, gaps):
    lines = archive_lines(kind, market, 10, 40)
    del lines[20]
    result = parse(written(tmp_path, kind, lines, market))
    assert [problem.kind for problem in result.problems] == ["sequence_gap"] * gaps
    assert result.frame["flags"].to_list() == [0] * 20 + [FLAG_GAP * gaps] + [0] * 18


@pytest.mark.parametrize("kind", ["trades", "aggTrades"])
def test_an_execution_that_stands_there_twice_counts_once(tmp_path, kind):
    lines = archive_lines(kind, "um", 11, 40)
    result = parse(written(tmp_path, kind, [*lines[:20], lines[19], *lines[20:]]))
    assert result.frame.height == 40 and result.rejected["reason"].to_list() == ["duplicate_trade"]


def test_updates_of_one_time_that_stand_backwards_are_put_in_order(tmp_path):
    lines = [f"{number},1.{number},1,2.0,1,{NOON_MS + (number > 5)},{NOON_MS + 3}" for number in (5, 4, 3, 9, 8)]
    result = parse(written(tmp_path, "bookTicker", lines))
    bids = result.frame.filter(side="B")["price"].to_list()
    assert bids == [(10 + number) * 10**7 for number in (3, 4, 5, 8, 9)]
    assert [problem.kind for problem in result.problems] == ["out_of_order"]


@pytest.mark.parametrize("where", ["beside", "hidden"])
def test_a_checksum_beside_a_file_is_verified(tmp_path, where):
    path = write_archive(tmp_path, f"XRPUSDT-trades-{DATE}.zip", archive_lines("trades", "um", 12, 9), checksum=True)
    checksum = tmp_path / f"{path.name}.CHECKSUM"
    if where == "hidden":
        checksum = checksum.rename(tmp_path / f".{path.name}.CHECKSUM")
    assert parse(path).frame.height == 9
    checksum.write_text(f"{'0' * 64}  {path.name}\n")
    with pytest.raises(UnreadableFileError, match="SHA-256"):
        parse(path)
    checksum.write_text("<html>not found</html>")
    with pytest.raises(UnreadableFileError, match="CHECKSUM"):
        parse(path)


@pytest.mark.parametrize(("line", "place"), [
    ("1,1.0,1,1", "line 4"), ("1,1.0,1,1,1723118400000,true,x", "line 4"), ("1,x,1,1,1723118400000,true", "line 4"),
    ("1,1.0,1,1,1723118400000,maybe", "line 4"), ("1,1.0,1,1,1723118400000,", "line 4"), ("", "line 4"),
    ("1.5,1.0,1,1,1723118400000,true", "line 4"), ("1,nan,1,1,1723118400000,true", "line 4"),
    ("1,1e999999999,1,1,1723118400000,true", "line 4"), ("\xff,1,1,1,1,true", "line 4"),
])  # fmt: skip
def test_a_line_that_is_not_as_the_format_says_is_refused_with_its_number(tmp_path, line, place):
    lines = archive_lines("trades", "um", 13, 5)
    with pytest.raises(UnreadableFileError, match=place):
        parse(written(tmp_path, "trades", [*lines[:2], line, *lines[2:]]))


def test_unusual_spellings_are_read_exactly(tmp_path):
    plain = [f"{k},1.5,0.00002,1,{NOON_MS},true" for k in range(1, 4)]
    odd = [
        f"1,+1.5,0.00002,1,{NOON_MS},true",
        f"2,1.50000000000,2E-5,1,{NOON_MS},True",
        f"3, 1.5,2e-05,1,{NOON_MS},TRUE\r",
    ]
    assert parse(written(tmp_path / "a", "trades", odd)).frame.equals(
        parse(written(tmp_path / "b", "trades", plain)).frame
    )


@pytest.mark.parametrize("units", [{"tick_size": 0.0003}, {"tick_size": 0.01}, {"lot_size": 100}])
def test_units_that_would_round_are_refused(tmp_path, units):
    with pytest.raises(StudyError, match=next(iter(units))):
        parse(*write_binance_archive_day(tmp_path, 14), **units)


def test_a_finer_unit_scales_prices_and_nothing_else(tmp_path):
    paths = write_binance_archive_day(tmp_path, 15)
    plain, fine = parse(*paths).frame, parse(*paths, tick_size=1e-9).frame
    assert (fine["price"] == plain["price"] * 10).all() and fine.drop("price").equals(plain.drop("price"))


def test_a_day_without_lines_below_the_header_has_no_rows(tmp_path):
    assert parse(written(tmp_path, "trades", [])).rows_in == 0


def test_an_empty_file_is_refused(tmp_path):
    with pytest.raises(UnreadableFileError, match="line 1"):
        ADAPTER.sniff(written(tmp_path, "trades", [], header=False))


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_cut_short_anywhere_is_refused(tmp_path, data):
    folder = tmp_path / "cut"
    shutil.rmtree(folder, ignore_errors=True)
    paths = write_binance_archive_day(folder, 16, count=60)
    victim = data.draw(st.sampled_from(paths))
    content = victim.read_bytes()
    victim.write_bytes(content[: data.draw(st.integers(2, len(content) - 1))])
    with pytest.raises(UnreadableFileError) as caught:
        parse(*paths)
    assert caught.value.path == str(victim) and caught.value.position


@pytest.mark.parametrize("suffix", ["zip", "csv.gz"])
def test_a_flipped_byte_inside_compressed_data_is_refused(tmp_path, suffix):
    path = written(tmp_path, "trades", archive_lines("trades", "um", 17, 500), name=f"XRPUSDT-trades-{DATE}.{suffix}")
    spec = ADAPTER.default_spec(ARCHIVE_INSTRUMENT["um"])
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=path.name):
        ADAPTER.parse({"trades": path}, spec, DATE)


@given(
    content=st.binary(max_size=200),
    name=st.sampled_from(
        ["foreign", f"XRPUSDT-trades-{DATE}.csv", f"XRPUSDT-1m-{DATE}.csv", f"XRPUSDT-bookDepth-{DATE}.csv"]
    ),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_foreign_bytes_neither_crash_nor_hang(tmp_path, content, name):
    path = tmp_path / name
    path.write_bytes(content)
    for adapter in (ADAPTER, BARS, DEPTHS):
        try:
            assert name != "foreign" or adapter.sniff(path) is None
        except UnreadableFileError as error:
            assert error.path == str(path)
    spec = ADAPTER.default_spec(ARCHIVE_INSTRUMENT["um"])
    for read in (
        lambda: ADAPTER.parse({"trades": path}, spec, DATE),
        lambda: BARS.read(path, spec, DATE),
        lambda: DEPTHS.read(path),
    ):
        try:
            read()
        except UnreadableFileError as error:
            assert error.path == str(path)


def test_small_blocks_give_the_same_as_large_ones(tmp_path, monkeypatch):
    from feeds.adapters import binance_csv

    paths = write_binance_archive_day(tmp_path, 18)
    whole = parse(*paths)
    blocks = binance_csv.line_blocks
    monkeypatch.setattr(binance_csv, "line_blocks", lambda path, member: blocks(path, member, block_bytes=700))
    spec = ADAPTER.default_spec(ARCHIVE_INSTRUMENT["um"])
    roles = {ADAPTER.sniff(path).role: path for path in paths}
    parts = list(ADAPTER.chunks(roles, spec, DATE))
    assert len(parts) > 20 and joined(parts).frame.equals(whole.frame)


def test_a_mapping_without_a_known_role_is_refused():
    with pytest.raises(UnreadableFileError, match="role"):
        ADAPTER.parse({}, ADAPTER.default_spec("X.BINANCE"), DATE)


stamps = st.lists(st.lists(st.integers(0, 12), max_size=5), max_size=5)


@given(first=stamps, second=stamps)
def test_merging_is_a_stable_sort_by_time(first, second):
    def parts(lists, action):
        flat, done = sorted(t for part in lists for t in part), 0
        for part in lists:
            if part:
                times = np.array(flat[done : done + len(part)])
                number = np.arange(done, done + len(part))
                done += len(part)
                code = np.full(times.size, action, np.uint8)
                yield Rows(times, times, code, code, number, number, code, code)

    sizes = [sum(map(len, lists)) for lists in (first, second)]
    rows = Rows.none()
    for part in merged(parts(first, 0), parts(second, 1)):
        rows = rows.then(part)
    expected = sorted(
        (t, action, k)
        for action, lists in enumerate((first, second))
        for k, t in enumerate(sorted(t for part in lists for t in part))
    )
    assert list(zip(rows.time.tolist(), rows.action.tolist(), rows.price.tolist(), strict=True)) == expected
    assert rows.time.size == sum(sizes)


# --- bars ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "us", "header", "instrument"), [
    ("spot/XRPUSDT-1m-{}.zip", False, False, "XRPUSDT.BINANCE"),
    ("um/XRPUSDT-1m-{}.zip", False, False, "XRPUSDT.BINANCE_USDM"),
    ("x/XRPUSDT-1m-{}.zip", False, True, "XRPUSDT.BINANCE_USDM"),
    ("x/XRPUSDT-1m-{}.zip", True, False, "XRPUSDT.BINANCE"),
    ("um/XRPUSDT@BINANCE-1m-{}.csv", False, False, "XRPUSDT.BINANCE"),
    ("x/XRPUSD_PERP-1m-{}.csv.gz", False, False, "XRPUSD_PERP.BINANCE_CM"),
    ("x/XRPUSD_240927-1mo-{}.csv", False, False, "XRPUSD_240927.BINANCE_CM"),
])  # fmt: skip
def test_the_market_of_bars_is_told_by_name_folder_header_or_unit(tmp_path, name, us, header, instrument):
    folder, file = name.format(DATE).split("/")
    path = write_archive(tmp_path / folder, file, bar_lines(3, us=us), HEADERS["bars", "um"] if header else None)
    info = BARS.sniff(path)
    assert (info.format, info.role, info.instrument, info.dates) == ("binance_klines", "bars", instrument, (DATE,))
    assert ADAPTER.sniff(path) is None and DEPTHS.sniff(path) is None


def test_bars_whose_market_nothing_tells_are_refused_with_what_would(tmp_path):
    path = write_archive(tmp_path / "x", f"XRPUSDT-1m-{DATE}.csv", bar_lines(3))
    with pytest.raises(UnreadableFileError, match="spot, um or cm"):
        BARS.sniff(path)


def test_bars_of_other_prices_are_not_taken_for_those_of_trades(tmp_path):
    path = write_archive(tmp_path / "markPriceKlines" / "um", f"XRPUSDT-1m-{DATE}.csv", bar_lines(3))
    assert BARS.sniff(path) is None


@pytest.mark.parametrize("us", [False, True])
def test_bars_are_read_exactly(tmp_path, us):
    path = write_archive(tmp_path / "spot", f"XRPUSDT-1m-{DATE}.zip", bar_lines(1440, us=us))
    frame = BARS.read(path, BARS.default_spec("XRPUSDT.BINANCE"), DATE)
    assert dict(frame.schema) == VENDOR_BARS and frame.height == 1440
    assert (frame["ts"] - frame["ts_open"]).unique().to_list() == [60 * 10**9]
    assert frame["ts_open"][0] == MIDNIGHT_MS * NS and frame["ts"][-1] == (MIDNIGHT_MS + 86_400_000) * NS
    assert frame.row(7)[2:] == (*((6007 + k) * 10**4 for k in (0, 10, -10, 1)), 1241 * 10**7, "binance_klines_1m")


def test_of_a_months_bars_those_that_open_on_the_date_are_taken(tmp_path):
    lines = bar_lines(4 * 24, start_ms=MIDNIGHT_MS - 86_400_000, minutes=60)
    path = write_archive(tmp_path / "spot", "XRPUSDT-1h-2024-08.zip", lines)
    spec = BARS.default_spec("XRPUSDT.BINANCE")
    heights = [BARS.read(path, spec, f"2024-08-{day:02d}").height for day in range(6, 12)]
    assert heights == [0, 24, 24, 24, 24, 0] and len(BARS.sniff(path).dates) == 31


def test_a_bar_that_closes_before_it_opens_is_refused(tmp_path):
    lines = bar_lines(3)
    cells = lines[1].split(",")
    cells[6] = str(int(cells[0]) - 2)
    path = write_archive(tmp_path / "spot", f"XRPUSDT-1m-{DATE}.csv", [lines[0], ",".join(cells), lines[2]])
    with pytest.raises(UnreadableFileError, match="line 2"):
        BARS.read(path, BARS.default_spec("XRPUSDT.BINANCE"), DATE)


@pytest.mark.parametrize("units", [{"tick_size": 0.0003}, {"lot_size": 100}])
def test_units_that_would_round_bars_are_refused(tmp_path, units):
    path = write_archive(tmp_path / "spot", f"XRPUSDT-1m-{DATE}.csv", bar_lines(3))
    with pytest.raises(StudyError, match=next(iter(units))):
        BARS.read(path, BARS.default_spec("XRPUSDT.BINANCE").model_copy(update=units), DATE)


# --- depths --------------------------------------------------------------------------------------------------------

DEPTH_LINES = [
    "2024-08-08 00:00:07,-5,529798.00000000,11864400.15700000",
    "2024-08-08 00:00:07,-0.20,1.5,2.5",
    "2024-08-08 00:00:37,5.00,7,8",
]


def write_depths(folder, lines, header=HEADERS["bookDepth", "um"], suffix="zip"):
    return write_archive(folder, f"XRPUSDT-bookDepth-{DATE}.{suffix}", lines, header)


def test_depths_become_signals_that_are_known_once_published(tmp_path):
    path = write_depths(tmp_path, DEPTH_LINES)
    info = DEPTHS.sniff(path)
    assert (info.format, info.instrument, info.dates) == ("binance_book_depth", None, ("2024-08-10",))
    frame = DEPTHS.read(path)
    assert dict(frame.schema) == EXTERNAL_SIGNALS
    assert list(frame.select("name", "value").iter_rows()) == [
        ("book_depth_-5pct", 529798.0), ("book_notional_-5pct", 11864400.157), ("book_depth_-0.2pct", 1.5),
        ("book_notional_-0.2pct", 2.5), ("book_depth_5pct", 7.0), ("book_notional_5pct", 8.0),
    ]  # fmt: skip
    assert frame["symbol"].unique().to_list() == ["XRPUSDT.BINANCE_USDM"]
    assert (frame["effective_at"][0] - MIDNIGHT_MS * NS, frame["available_at"][0] - MIDNIGHT_MS * NS) == (
        7 * 10**9, 2 * 86_400 * 10**9
    )  # fmt: skip
    assert (frame["available_at"] > frame["effective_at"]).all()


@pytest.mark.parametrize("line", [
    "2024-08-08 00:00:07,-5,1", "2024-08-08 00:00:07,-5,1,2,3", "2024-08-08,-5,1,2", "2024-08-08 00:00:07,-5,x,2",
    "2024-08-08 00:00:07,-5,inf,2", "2024-08-08 25:00:07,-5,1,2", "",
])  # fmt: skip
def test_a_depth_line_that_is_not_as_the_format_says_is_refused(tmp_path, line):
    with pytest.raises(UnreadableFileError, match="line"):
        DEPTHS.read(write_depths(tmp_path, [DEPTH_LINES[0], line, DEPTH_LINES[1]]))


def test_depths_without_their_header_are_refused(tmp_path):
    with pytest.raises(UnreadableFileError, match="line 1"):
        DEPTHS.sniff(write_depths(tmp_path, DEPTH_LINES, header=None))


def test_a_damaged_file_of_depths_is_refused(tmp_path):
    path = write_depths(tmp_path, DEPTH_LINES * 50, suffix="csv.gz")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UnreadableFileError, match="checksum"):
        DEPTHS.read(path)


@pytest.mark.parametrize("depth", [DEPTH_LINES])
def test_signals_of_depths_have_no_nulls(tmp_path, depth):
    assert DEPTHS.read(write_depths(tmp_path, depth)).select(pl.all().is_null().any()).row(0) == (False,) * 6
