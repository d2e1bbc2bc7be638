"""Compiled csv parsing against plain Python on random lines, and its cutting into runs."""

import datetime as dt
import re
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from feeds.adapters import csv_blocks
from feeds.adapters.csv_blocks import Cell, code_texts, columns_of, exact_columns, line_runs
from feeds.errors import UnreadableFileError
from feeds.kernels.csv_numbers import number_texts, wrong_width

EPOCH = dt.datetime(1970, 1, 1)
CLOCK = r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:\.(\d{1,9}))?)?"
DATE = r"(\d{4})([-/.]?)(\d\d)\2(\d\d)"


def whole(cell):
    value = int(cell) if re.fullmatch(r"-?\d{1,19}", cell, re.ASCII) else None
    return value if value is not None and abs(value) < 2**63 else None


def decimal(cell, places):
    match = re.fullmatch(r"-?(\d+)(?:\.(\d+))?", cell, re.ASCII)
    if match is None or len(match[1]) + places > 19 or (match[2] or "")[places:].strip("0"):
        return None
    value = int(Decimal(cell).scaleb(places))
    return value if abs(value) < 2**63 else None


def amount(cell, places):
    """A decimal; -2^63 where there is none, one more where it has decimals that are not kept."""
    if cell == "":
        return -(2**63)
    match = re.fullmatch(r"(-?\d+)\.(\d+)", cell, re.ASCII)
    if match and match[2][places:].strip("0"):
        kept = decimal(f"{match[1]}.{match[2][:places]}" if places else match[1], places)
        return kept if kept is None else -(2**63) + 1
    return decimal(cell, places)


def hexadecimal(cell):
    return int(cell, 16) if re.fullmatch(r"[0-9a-fA-F]{1,15}", cell) else None


def code(cell):
    return int.from_bytes(cell.encode(), "little") if re.fullmatch(r"[!-~]{1,8}", cell) else None


def seconds(cell):
    match = re.fullmatch(r"(\d{1,5})(?:\.(\d{1,18}))?", cell, re.ASCII)
    return match and (int(match[1]) * 10**10 + int((match[2] or "").ljust(10, "0")[:10]) + 5) // 10


def date(cell):
    match = re.fullmatch(DATE, cell, re.ASCII)
    try:
        made = match and dt.datetime(int(match[1]), int(match[3]), int(match[4]))
    except ValueError:
        return None
    return (made - EPOCH).days if made and 1678 <= made.year <= 2261 else None


def clock(cell):
    match = re.fullmatch(CLOCK, cell, re.ASCII)
    if match is None:
        return None
    hour, minute, second = (int(match[k] or 0) for k in (1, 2, 3))
    return ((hour * 60 + minute) * 60 + second) * 10**9 + int((match[4] or "").ljust(9, "0"))


def iso(cell, zoned):
    match = re.fullmatch(r"(.{8,10}?)[T ](\d\d:.*?)(Z|[+-]\d\d(?::?\d\d)?)?", cell, re.ASCII)
    if match is None or (match[3] is not None) != zoned:
        return None
    day, time = date(match[1]), clock(match[2])
    if day is None or time is None:
        return None
    digits = re.sub(r"\D", "", match[3] or "").ljust(4, "0")
    if int(digits[:2]) > 23 or int(digits[2:]) > 59:
        return None
    offset = (int(digits[:2]) * 60 + int(digits[2:])) * 60 * 10**9
    return day * 86_400 * 10**9 + time - (-offset if (match[3] or "+")[0] == "-" else offset)


TWINS = {
    "whole": lambda cell, places: whole(cell),
    "decimal": decimal,
    "amount": amount,
    "hex": lambda cell, places: hexadecimal(cell),
    "code": lambda cell, places: code(cell),
    "seconds": lambda cell, places: seconds(cell),
    "skip": lambda cell, places: 0,
    "date": lambda cell, places: date(cell),
    "clock": lambda cell, places: clock(cell),
    "iso_local": lambda cell, places: iso(cell, zoned=False),
    "iso_zoned": lambda cell, places: iso(cell, zoned=True),
}


def twin(content, cells):
    """Rows of numbers, and the first line that is wrong."""
    rows = []
    for number, line in enumerate(content.rstrip("\r\n").split("\n")):
        if line.endswith("\r") and cells[-1].kind != "code":
            line = line[:-1]
        texts = line.split(",")
        row = [TWINS[c.kind](text, c.places) for c, text in zip(cells, texts, strict=False)]
        if len(texts) != len(cells) or None in row:
            return rows, number
        rows.append(row)
    return rows, None


EDGES = [2**63 - 1, 2**63, -(2**63) + 1, -(2**63), 10**18, 10**19 - 1]
INTEGER = st.integers(-(10**20), 10**20) | st.integers(-999, 999) | st.sampled_from(EDGES)
WHOLE = st.builds(
    lambda n, zeros: f"{'-' if n < 0 else ''}{'0' * zeros}{abs(n)}", INTEGER, st.sampled_from([0, 0, 0, 2, 19])
)
DECIMAL = st.builds(lambda a, b: f"{a}.{b}", WHOLE, st.text("0123456789", max_size=7)) | WHOLE
MOMENT = st.datetimes(dt.datetime(1600, 1, 1), dt.datetime(2300, 1, 1))
ZONE = st.sampled_from(["", "Z", "+00:00", "-05:30", "+0900", "-03", "+24:00", "z"])
DATES = MOMENT.flatmap(lambda m: st.sampled_from(["%Y-%m-%d", "%Y%m%d", "%Y/%m/%d", "%Y-%m/%d"]).map(m.strftime))
CLOCKS = MOMENT.flatmap(lambda m: st.sampled_from(["%H:%M:%S.%f", "%H:%M:%S", "%H:%M", "%H%M"]).map(m.strftime))
ISO = st.builds(lambda d, between, t, z: d + between + t + z, DATES, st.sampled_from("T T_"), CLOCKS, ZONE)
GOOD = {
    "whole": WHOLE,
    "decimal": DECIMAL,
    "amount": DECIMAL | st.just(""),
    "hex": st.integers(0, 2**62).map(lambda n: f"{n:x}") | st.integers(0, 255).map(lambda n: f"{n:X}"),
    "code": st.text("ABCxyz019.-_", min_size=1, max_size=9),
    "seconds": st.builds(lambda a, b: f"{a}.{b}", st.integers(0, 100_001), st.text("0123456789", max_size=19)),
    "skip": st.text("ab 1.é", max_size=4),
    "date": DATES,
    "clock": CLOCKS,
    "iso_local": ISO,
    "iso_zoned": ISO,
}
ODD = st.sampled_from(
    ["", " 1", "1 ", "+1", "-", "--1", "1.", ".5", "1e3", "x", "é", "\t", "\r", "0x1f", "2024-02-30", "-0"]
)


@st.composite
def texts_of(draw):
    kinds = draw(st.lists(st.sampled_from(sorted(TWINS)), min_size=1, max_size=5))
    cells = [Cell(kind, draw(st.integers(0, 9)) if kind in ("decimal", "amount") else 0) for kind in kinds]
    lines = []
    for _ in range(draw(st.integers(1, 5))):
        texts = [draw(GOOD[cell.kind]) for cell in cells]
        if draw(st.integers(0, 9)) == 0:
            texts[draw(st.integers(0, len(texts) - 1))] = draw(ODD)
        if draw(st.integers(0, 19)) == 0:
            texts = [*texts, "1"] if draw(st.booleans()) else texts[:-1]
        lines.append(",".join(texts) + draw(st.sampled_from(["\n", "\n", "\r\n"])))
    return "".join(lines), cells


@given(case=texts_of())
@example(case=("9223372036854775807\n-9223372036854775807", [Cell("whole")]))
@example(case=("92233720368.54775807\n92233720368.54775808", [Cell("decimal", 8)]))
@example(case=("-0.00\r\n0001.50000", [Cell("decimal", 1)]))
@settings(max_examples=150, deadline=None)
def test_the_kernel_reads_what_plain_python_reads_and_stops_where_it_stops(case):
    content, cells = case
    expected, wrong = twin(content, cells)
    if not content.rstrip("\r\n"):
        return
    columns = columns_of(content.encode(), cells)
    if wrong is None:
        assert columns is not None and columns.T.tolist() == expected
    else:
        assert columns is None
        with pytest.raises(UnreadableFileError, match=rf"line {wrong + 4};"):
            exact_columns("f", content.encode(), cells, "it", skipped=3)


@pytest.mark.parametrize("kind", sorted(set(TWINS) - {"skip"}))
@given(cell=st.data())
@settings(max_examples=60, deadline=None)
def test_every_kind_of_cell_is_taken_exactly_where_plain_python_takes_it(kind, cell):
    places = 4 if kind in ("decimal", "amount") else 0
    text = cell.draw(GOOD[kind] | ODD)
    expected = TWINS[kind](text, places)
    columns = columns_of(f"{text},1".encode(), [Cell(kind, places), Cell("whole")])
    assert (None if columns is None else int(columns[0, 0])) == expected


@given(rows=st.lists(st.tuples(st.integers(-(10**6), 10**6), st.text("ab", min_size=1, max_size=3)), min_size=1))
@settings(max_examples=50, deadline=None)
def test_runs_of_lines_and_threads_change_nothing(rows):
    content = "".join(f"{n};{text}\n" for n, text in rows).encode()
    cells = [Cell("whole"), Cell("code")]
    whole_text = columns_of(content, cells, ";")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_blocks, "_RUN_BYTES", 8)
        runs = line_runs(content)
        assert b"".join(run.tobytes() for run in runs) == content
        cut = columns_of(content, cells, ";")
    assert np.array_equal(cut, whole_text)
    assert code_texts(cut[1]).to_list() == [text for _, text in rows]


def test_a_wrong_line_far_into_a_text_of_many_runs_is_named(monkeypatch):
    monkeypatch.setattr(csv_blocks, "_RUN_BYTES", 64)
    lines = [f"{k},{k}" for k in range(1000)]
    lines[700], lines[900] = "700", "x,y"
    with pytest.raises(UnreadableFileError, match=r"line 701;.*'700'"):
        exact_columns("f", "\n".join(lines).encode(), [Cell("whole")] * 2, "two numbers")


@pytest.mark.parametrize("text", [b"", b"\n", b"\r\n\r\n"])
def test_a_text_without_lines_is_none_or_refused(text):
    assert columns_of(text, [Cell("whole")]) is None
    with pytest.raises(UnreadableFileError, match="an empty file"):
        exact_columns("f", text, [Cell("whole")], "a number")


@given(texts=st.lists(st.text("!~AZaz09", min_size=1, max_size=8)))
@settings(max_examples=50, deadline=None)
def test_packed_texts_come_back(texts):
    words = np.array([int.from_bytes(text.encode(), "little") for text in texts], np.int64)
    series = code_texts(words)
    assert series.dtype == pl.String and series.to_list() == texts


def test_a_line_of_another_width_is_found_outside_quotes_only():
    def first_wrong(text):
        return wrong_width(np.frombuffer(text, np.uint8), ord(","), 2, ord('"'))

    assert first_wrong(b'a,b\n"a,b",c\n"x""y",c\n') == -1
    assert first_wrong(b"a,b\na\n") == 1 and first_wrong(b"a,b,c\n") == 0
    assert first_wrong(b'a,b\n"a,b\nc",d\n') == 1


@given(texts=st.lists(st.text("abé-X", max_size=4) | st.text("x", max_size=300), min_size=1))
@settings(max_examples=80, deadline=None)
def test_texts_are_numbered_as_they_appear(texts):
    content = "".join(f"{text},1\n" for text in texts).encode()
    columns = columns_of(content, [Cell("text"), Cell("whole")])
    if any(len(text.encode()) > 255 or text[:1] == "é" or text[-1:] == "é" for text in texts):
        assert columns is None
        return
    expected = list(dict.fromkeys(texts))
    different, places = np.empty(len(expected), np.int64), np.empty(len(texts), np.int64)
    source = np.frombuffer(content, np.uint8)
    assert number_texts(source, columns[0], np.full(128, -1, np.int64), different, places) == len(expected)
    found = [content[span >> 8 : (span >> 8) + (span & 255)].decode() for span in different.tolist()]
    assert found == expected and [found[place] for place in places.tolist()] == texts
    assert number_texts(source, columns[0], np.full(128, -1, np.int64), different[:-1], places) == -1
