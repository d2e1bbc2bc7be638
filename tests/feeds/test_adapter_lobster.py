"""LOBSTER: message types, exact stamps, book rows."""

import gzip
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feeds.adapters import TICK_ADAPTERS, sniff
from feeds.calendar import session_bounds
from feeds.errors import UnknownFormatError, UnreadableFileError
from tests.support.market_files import write_lobster_day, write_zip

ADAPTER = TICK_ADAPTERS["lobster"]
SPEC = ADAPTER.default_spec("XYZ.NASDAQ")
DATE = "2012-06-21"
STEM = f"XYZ_{DATE}_34200000_57600000"
OPEN_NS = session_bounds("XNYS", DATE)[0]
BOOK_ROW = "1000200,10,1000000,20,1000300,30,999900,40"


def parse(folder, messages, books=None):
    books = books or [BOOK_ROW] * len(messages)
    path = write_zip(folder / "x.zip", {f"{STEM}_message_2.csv": messages, f"{STEM}_orderbook_2.csv": books})
    return ADAPTER.parse({"zip": path}, SPEC, DATE)


TYPES = {
    (1, 1): ("A", "B"),
    (1, -1): ("A", "A"),
    (2, 1): ("C", "B"),
    (3, -1): ("C", "A"),
    (4, 1): ("F", "B"),
    (4, -1): ("F", "A"),
    (5, 1): ("T", "A"),  # a hidden buy order was hit: the seller was the aggressor
    (5, -1): ("T", "B"),
    (6, -1): ("T", "N"),
}


@pytest.mark.parametrize("message", TYPES)
def test_a_message_type_becomes_an_action_and_a_side(tmp_path, message):
    kind, direction = message
    row = parse(tmp_path, [f"34200.5,{kind},77,100,1000200,{direction}"]).frame.row(0, named=True)
    assert (row["action"], row["side"]) == TYPES[message]
    assert (row["order_id"], row["size"], row["price"], row["condition"]) == (77, 100, 1_000_200, 0)
    assert row["ts_event"] == row["ts_recv"] == OPEN_NS + 500_000_000


@pytest.mark.parametrize("code", [-1, 0, 1])
def test_a_halt_keeps_its_code_and_has_no_price(tmp_path, code):
    row = parse(tmp_path, [f"34200.5,7,0,0,{code},-1"]).frame.row(0, named=True)
    assert (row["action"], row["side"], row["price"], row["condition"]) == ("H", "N", 0, code)


def test_an_unknown_type_is_rejected_with_its_place(tmp_path):
    parsed = parse(tmp_path, ["34200.5,1,1,100,1000000,1", "34201,9,1,100,1000000,1", "34202,3,1,100,1000000,1"])
    assert parsed.frame["sequence"].to_list() == [0, 2]
    assert parsed.rejected.select("sequence", "action", "reason").rows() == [(1, None, "unknown_message_type")]


@given(
    seconds=st.integers(34_200, 57_599),
    decimals=st.text("0123456789", min_size=1, max_size=15),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_stamps_are_exact_to_the_nanosecond(tmp_path, seconds, decimals):
    frame = parse(tmp_path, [f"{seconds}.{decimals},1,1,100,1000000,1"]).frame
    exact = Decimal(f"{seconds}.{decimals}") * 10**9
    since_open = frame["ts_event"][0] - OPEN_NS + 34_200 * 10**9
    assert abs(since_open - exact) <= Decimal("0.5")


def test_a_stamp_that_went_through_a_float_is_rounded_to_its_nanosecond(tmp_path):
    frame = parse(tmp_path, ["43002.632812671996,1,1,100,1000000,1", "43002.632812672004,1,1,100,1000000,1"]).frame
    assert (frame["ts_event"] - OPEN_NS + 34_200 * 10**9).to_list() == [43_002_632_812_672] * 2


def test_the_book_row_is_the_book_after_the_message(tmp_path):
    row = parse(tmp_path, ["34200.5,1,1,100,1000000,1"]).frame.row(0, named=True)
    assert (row["ask_px"], row["ask_sz"], row["bid_px"], row["bid_sz"]) == (1_000_200, 10, 1_000_000, 20)
    assert (row["ask_depth"], row["bid_depth"]) == (40, 60)


def test_an_empty_level_has_no_price(tmp_path):
    books = ["9999999999,0,1000000,20,9999999999,0,-9999999999,0", "1000200,10,-9999999999,0,1000300,5,-9999999999,0"]
    frame = parse(tmp_path, ["34200.5,1,1,100,1000000,1"] * 2, books).frame
    assert frame["ask_px"].to_list() == [0, 1_000_200] and frame["bid_px"].to_list() == [1_000_000, 0]
    assert frame["ask_depth"].to_list() == [0, 15] and frame["bid_depth"].to_list() == [20, 0]


def test_depth_counts_ten_levels_at_most(tmp_path):
    book = ",".join(f"{1000200 + k},1,{1000000 - k},2" for k in range(12))
    frame = parse(tmp_path, ["34200.5,1,1,100,1000000,1"], [book]).frame
    assert (frame["ask_depth"][0], frame["bid_depth"][0]) == (10, 20)


def test_a_missing_book_row_is_refused(tmp_path):
    with pytest.raises(UnreadableFileError, match=r"line 2.*2 book rows"):
        parse(tmp_path, ["34200.5,1,1,100,1000000,1"] * 2, [BOOK_ROW])


@pytest.mark.parametrize("line", ["noon,1,1,100,1000000,1", "34200.5,1,1,100,1000000,0", "34200.5,1,1,100,1000000"])
def test_a_broken_message_is_refused_with_its_line(tmp_path, line):
    with pytest.raises(UnreadableFileError, match="line 2"):
        parse(tmp_path, ["34200.5,1,1,100,1000000,1", line])


def test_a_book_that_is_not_four_columns_a_level_is_refused(tmp_path):
    with pytest.raises(UnreadableFileError, match="4 columns a level"):
        parse(tmp_path, ["34200.5,1,1,100,1000000,1"], ["1000200,10,1000000"])


def test_a_zip_without_its_book_is_refused(tmp_path):
    path = write_zip(tmp_path / "x.zip", {f"{STEM}_message_2.csv": ["34200.5,1,1,100,1000000,1"]})
    with pytest.raises(UnreadableFileError, match="orderbook"):
        sniff(path)


def test_a_message_file_of_other_content_is_refused(tmp_path):
    path = tmp_path / f"{STEM}_message_2.csv"
    path.write_text("hello\n")
    with pytest.raises(UnreadableFileError, match="6 message columns") as caught:
        sniff(path)
    assert not isinstance(caught.value, UnknownFormatError)


def test_zip_pair_and_gzipped_pair_give_the_same_events(tmp_path):
    (whole,) = write_lobster_day(tmp_path / "z", "XYZ", DATE, seed=4, messages=200)
    message, book = write_lobster_day(tmp_path / "p", "XYZ", DATE, seed=4, messages=200, plain=True)
    packed = [path.with_name(f"{path.name}.gz") for path in (message, book)]
    for path, target in zip((message, book), packed, strict=True):
        target.write_bytes(gzip.compress(path.read_bytes()))
    assert [sniff(path).role for path in packed] == ["message", "orderbook"]
    frames = [
        ADAPTER.parse(files, SPEC, DATE).frame
        for files in (
            {"zip": whole},
            {"message": message, "orderbook": book},
            {"message": packed[0], "orderbook": packed[1]},
        )
    ]
    assert frames[0].equals(frames[1]) and frames[0].equals(frames[2])


def zip_named(folder, symbol):
    stem = f"{symbol}_{DATE}_34200000_57600000"
    files = {f"{stem}_message_2.csv": ["34200.5,1,1,100,1000000,1"], f"{stem}_orderbook_2.csv": [BOOK_ROW]}
    return write_zip(folder / "day.zip", files)


@pytest.mark.parametrize(
    ("symbol", "instrument"),
    [("XYZ", "XYZ.NASDAQ"), ("OAK@SIM", "OAK.SIM"), ("BRK.B@X2", "BRK-B.X2"), ("BRK.B", "BRK-B.NASDAQ")],
)
def test_the_venue_stands_behind_an_at_sign_and_is_nasdaq_without_one(tmp_path, symbol, instrument):
    info = sniff(zip_named(tmp_path, symbol))
    assert (info.instrument, info.role, info.dates) == (instrument, "zip", (DATE,))


def test_a_plain_csv_may_name_its_venue_too(tmp_path):
    path = tmp_path / f"OAK@SIM_{DATE}_34200000_57600000_message_2.csv"
    path.write_text("34200.5,1,1,100,1000000,1\n")
    info = sniff(path)
    assert (info.instrument, info.role) == ("OAK.SIM", "message")


@pytest.mark.parametrize("symbol", ["OAK@", "OAK@sim", "@SIM", "OAK@A@B"])
def test_a_venue_that_is_none_is_not_taken_for_a_ticker(tmp_path, symbol):
    with pytest.raises(UnreadableFileError):
        sniff(zip_named(tmp_path, symbol))
