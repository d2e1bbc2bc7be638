"""The strict csv reader: what it takes it takes whole, and it names the line that stops it."""

import io

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.adapters.strict_csv import read_strict
from feeds.errors import UnreadableFileError

SCHEMA = {"n": pl.Int64, "name": pl.String, "x": pl.Float64}
INT64 = st.integers(-(2**63), 2**63 - 1)
NAME = st.text("abcXYZ _-.éß", min_size=1, max_size=6)
ROW = st.tuples(INT64, NAME, st.floats(allow_nan=False))


def content_of(rows, end="\n"):
    return "".join(f"{n},{name},{x!r}{end}" for n, name, x in rows).encode()


@given(rows=st.lists(ROW, min_size=1), end=st.sampled_from(["\n", "\r\n"]), last_end=st.booleans())
@settings(max_examples=80, deadline=None)
def test_what_was_written_is_read(rows, end, last_end):
    content = content_of(rows, end)
    frame = read_strict("f", content if last_end else content.rstrip(b"\r\n"), SCHEMA)
    assert frame.rows() == rows


BAD_LINES = {
    "": "3 columns",
    "1": "3 columns",
    "1,a": "3 columns",
    "1,a,2.0,": "3 columns",
    ",a,2.0": "a 64-bit whole number as n",
    "1.0,a,2.0": "a 64-bit whole number as n",
    "9223372036854775808,a,2.0": "a 64-bit whole number as n",
    "1,,2.0": "a text as name",
    "1,a,": "a number as x",
    "1,a,two": "a number as x",
}


@pytest.mark.parametrize("bad", BAD_LINES)
@pytest.mark.parametrize("header", [None, "n,name,x"])
@given(before=st.lists(ROW, min_size=1, max_size=5), after=st.lists(ROW, min_size=1, max_size=3))
@settings(max_examples=10, deadline=None)
def test_the_first_wrong_line_is_named(bad, header, before, after):
    content = content_of(before) + f"{bad}\n".encode() + content_of(after)
    place = len(before) + 1 + (header is not None)
    with pytest.raises(UnreadableFileError) as caught:
        read_strict("f.csv", (f"{header}\n".encode() if header else b"") + content, SCHEMA, header)
    assert caught.value.position == f"line {place}" and BAD_LINES[bad] in caught.value.expected


def test_bytes_that_are_no_text_are_named_with_their_line():
    with pytest.raises(UnreadableFileError, match=r"line 2.*UTF-8"):
        read_strict("f", b"1,a,2\n1,\xff,2\n", SCHEMA)


def test_quotes_are_plain_characters():
    assert read_strict("f", b'1,"a,2\n', SCHEMA).rows() == [(1, '"a', 2.0)]


def test_a_wrong_header_is_refused_and_an_empty_body_is_an_empty_frame():
    with pytest.raises(UnreadableFileError, match="line 1"):
        read_strict("f", b"n,nome,x\n", SCHEMA, "n,name,x")
    assert read_strict("f", b"n,name,x\n", SCHEMA, "n,name,x").schema == SCHEMA


def test_an_empty_file_without_header_is_refused():
    with pytest.raises(UnreadableFileError, match="an empty file"):
        read_strict("f", b"\n\n", SCHEMA)


def test_polars_alone_would_have_filled_the_gap():
    """The reason for the null check: should this change, the check can go."""
    assert pl.read_csv(io.BytesIO(b"1,a,2\n1,a\n"), has_header=False, schema=SCHEMA)["x"].to_list() == [2, None]
