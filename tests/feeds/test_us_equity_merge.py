"""US trades and quotes: the compiled merge against a sort in plain Python, one file alone, unusual spellings."""

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.adapters import us_equity_tick
from feeds.adapters.us_equity_tick import UsEquityTick
from feeds.calendar import split_ns
from feeds.errors import UnreadableFileError
from tests.support.market_files import write_us_equity_day

ADAPTER = UsEquityTick()
SPEC = ADAPTER.default_spec("XYZ.US")
DATE = "2013-10-07"
MIDNIGHT = split_ns("XNYS", DATE, dt.time())
MS = st.integers(34_200_000, 34_200_006) | st.sampled_from([-1, 0, 86_399_999, 86_400_000])
SMALL = st.integers(-2, 3) | st.just(0)
EXCHANGE = st.sampled_from(["Q", "N", "BATS"])
QUOTES = st.lists(
    st.tuples(MS, SMALL, SMALL, SMALL, SMALL, EXCHANGE, st.integers(0, 300), st.integers(0, 1)), max_size=12
)
TRADES = st.lists(st.tuples(MS, SMALL, SMALL, EXCHANGE, st.integers(0, 300), st.integers(0, 1)), max_size=12)


def content(rows, condition):
    lines = [",".join(f"{cell:X}" if k == condition else str(cell) for k, cell in enumerate(row)) for row in rows]
    return (Path("f.zip"), "\n".join(lines).encode() or b"")


def decode(quotes, trades, **units):
    contents = {}
    if quotes:
        contents["quote"] = content(quotes, 6)
    if trades:
        contents["trade"] = content(trades, 4)
    return ADAPTER.decode(contents, SPEC.model_copy(update=units), DATE)


def plainly(quotes, trades):
    """(placed, row) of both files, merged by the running maximum of their stamps, quotes first."""
    events, highest = [], -(2**63)
    for ms, bid, bid_size, ask, ask_size, exchange, condition, doubt in quotes:
        highest = max(highest, ms)
        sides = [("B", bid, bid_size)] if bid or bid_size else []
        sides += [("A", ask, ask_size)] if ask or ask_size else []
        reason = None if sides else "empty_quote"
        for side, price, size in sides or [("N", 0, 0)]:
            events.append((highest, 0, ms, "Q", side, price, size, exchange, condition, 4 * doubt, reason))
    highest = -(2**63)
    for ms, price, size, exchange, condition, doubt in trades:
        highest = max(highest, ms)
        events.append((highest, 1, ms, "T", "N", price, size, exchange, condition, 4 * doubt, None))
    events.sort(key=lambda event: event[:2])
    return [event[2:] for event in events]


@given(quotes=QUOTES, trades=TRADES, run=st.integers(1, 4))
@settings(max_examples=80, deadline=None)
def test_the_merge_is_that_of_a_stable_sort_however_it_is_cut(quotes, trades, run):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(us_equity_tick, "_RUN_LINES", run)
        parsed = decode(quotes, trades, tick_size=1e-5, lot_size=0.5)
    expected_placed, expected_rejected = [], []
    for number, (ms, action, side, price, size, exchange, condition, flags, reason) in enumerate(
        plainly(quotes, trades)
    ):
        inside = 0 <= ms < 86_400_000
        stamp = MIDNIGHT + ms * 1_000_000 if inside else None
        row = (number, stamp, action, side, 10 * price, 2 * size)
        if inside and reason is None:
            expected_placed.append((*row, exchange, condition, flags))
        else:
            expected_rejected.append((*row, reason if inside else "time_outside_day"))
    columns = ["sequence", "ts_event", "action", "side", "price", "size"]
    assert parsed.frame.select(*columns, "exchange", "condition", "flags").rows() == expected_placed
    assert parsed.rejected.select(*columns, "reason").rows() == expected_rejected
    assert parsed.rows_in == len(expected_placed) + len(expected_rejected)
    assert parsed.frame["ts_recv"].equals(parsed.frame["ts_event"])


@pytest.mark.parametrize("role", ["trade", "quote"])
def test_one_of_the_two_files_is_enough(tmp_path, role):
    paths = {path.stem.split("_")[1]: path for path in write_us_equity_day(tmp_path, "XYZ", DATE, 1, 300, 90)}
    both, one = ADAPTER.parse(paths, SPEC, DATE), ADAPTER.parse({role: paths[role]}, SPEC, DATE)
    mine = both.frame.filter(action="T" if role == "trade" else "Q")
    assert one.rows_in == mine.height and one.frame.drop("sequence").equals(mine.drop("sequence"))
    assert one.frame["sequence"].to_list() == list(range(mine.height))


QUOTE = "34200000,1000000,200,1010000,300,Q,1F,0"
TRADE = "34200005,1005000,100,N,20002020,0"


@pytest.mark.parametrize(
    ("quote", "trade"),
    [
        (QUOTE.replace("Q", "SOMEWHERE"), TRADE),
        (QUOTE.replace("Q", "é"), TRADE),
        (QUOTE, TRADE.replace("100,", "00000000000000000000100,")),
        (QUOTE.replace(",200,", ", 200,"), TRADE.replace("N", "SOMEWHERE-ELSE")),
    ],
)
def test_unusual_spellings_are_read_the_slow_way_with_the_same_result(quote, trade):
    contents = {"quote": (Path("q"), f"{quote}\n".encode()), "trade": (Path("t"), f"{trade}\n".encode())}
    frame = ADAPTER.decode(contents, SPEC, DATE).frame
    plain = {"quote": (Path("q"), f"{QUOTE}\n".encode()), "trade": (Path("t"), f"{TRADE}\n".encode())}
    usual = ADAPTER.decode(plain, SPEC, DATE).frame
    assert frame.drop("exchange").equals(usual.drop("exchange"))
    assert frame["exchange"].to_list() == [*[quote.split(",")[5]] * 2, trade.split(",")[3]]


def test_the_slow_way_names_the_line_that_is_wrong():
    lines = [QUOTE] * 5 + [QUOTE.replace("300", "9223372036854775808")]
    with pytest.raises(UnreadableFileError, match=r"line 6;.*'9223372036854775808'.*64-bit whole number as ask_size"):
        ADAPTER.decode({"quote": (Path("q"), "\n".join(lines).encode())}, SPEC, DATE)


@pytest.mark.parametrize("text", [b"", b"\n"])
def test_a_file_without_lines_is_refused(text):
    with pytest.raises(UnreadableFileError, match="an empty file"):
        ADAPTER.decode({"trade": (Path("t"), text)}, SPEC, DATE)
