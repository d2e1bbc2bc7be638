"""The content hash: equal for equal rows however they are cut or encoded, different for anything else."""

import datetime as dt
import hashlib
import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds import content_hash
from feeds.content_hash import HASH_NAME, blocks, hash_of
from feeds.errors import SchemaError
from feeds.schema import ACTION_ENUM, ACTIONS

PROJECT = Path(__file__).resolve().parent.parent.parent
FRAME = pl.DataFrame(
    {
        "i": pl.Series([5, None, -7, 0, 2**62], dtype=pl.Int64),
        "u": pl.Series([1, 2, 255, None, 0], dtype=pl.UInt8),
        "f": [0.0, -0.0, float("nan"), None, 1.5],
        "s": ["x", None, "", "zw", "é"],
        "b": [True, None, False, True, True],
        "e": pl.Series(["A", None, "T", "C", "A"], dtype=ACTION_ENUM),
        "d": [dt.date(2024, 1, 2), None, dt.date(1969, 1, 1), dt.date(2024, 1, 3), dt.date(2024, 1, 4)],
        "l": [[1, 2], [], None, [None, 3], [4]],
        "x": pl.Series([[1, 2], [3, None], None, [5, 6], [7, 8]], dtype=pl.Array(pl.Int16, 2)),
        "y": pl.Series([b"x", None, b"", b"zw", b"\xff"], dtype=pl.Binary),
        "m": pl.Series(["1.25", None, "0", "-3.5", "7"]).str.to_decimal(scale=2),
        "r": [{"p": 1, "q": "a"}, {"p": None, "q": "b"}, None, {"p": 2, "q": None}, {"p": 3, "q": "c"}],
    }
)


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 3 rows, so that small frames have several."""
    monkeypatch.setattr(content_hash.blocks, "__defaults__", (3,))


def values():
    integers = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))
    texts = st.one_of(st.none(), st.text(max_size=4))
    actions = st.one_of(st.none(), st.sampled_from(ACTIONS))
    return st.lists(st.tuples(integers, texts, actions, st.one_of(st.none(), st.floats())), max_size=30)


def framed(rows):
    schema = {"i": pl.Int64, "s": pl.String, "a": ACTION_ENUM, "f": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def plain_hash(rows, block_rows):
    """The same hash in plain Python: the definition."""
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    digests = []
    for values, kind in zip(columns, "isaf", strict=True):
        digest = hashlib.sha256()
        for start in range(0, max(1, len(values)), block_rows):
            block = values[start : start + block_rows]
            nulls = sum(value is None for value in block)
            digest.update(struct.pack("<qq", len(block), nulls))
            if nulls == len(block):
                continue
            if nulls:
                digest.update(np.packbits([value is not None for value in block]).tobytes())
            if kind == "i":
                digest.update(b"".join(struct.pack("<q", value or 0) for value in block))
            elif kind == "f":
                digest.update(b"".join(struct.pack("<d", 0.0 if value is None else value) for value in block))
            elif kind == "a":
                digest.update(bytes(ACTIONS.index(value) if value else 0 for value in block))
            else:
                texts = [(value or "").encode() for value in block]
                digest.update(b"".join(struct.pack("<I", len(text)) for text in texts) + b"".join(texts))
        digests.append(digest.digest())
    enum = f"Enum{json.dumps(list(ACTIONS))}"
    schema = [["i", "Int64"], ["s", "String"], ["a", enum], ["f", "Float64"]]
    total = hashlib.sha256(json.dumps([HASH_NAME, schema, len(rows)]).encode())
    for part in digests:
        total.update(part)
    return total.hexdigest()


@settings(max_examples=150, deadline=None)
@given(values(), st.integers(1, 9))
def test_the_hash_is_that_of_a_plain_python_twin(rows, chunk):
    frame = framed(rows)
    chunks = [frame.slice(start, chunk) for start in range(0, max(1, len(rows)), chunk)]
    size = 4
    original = content_hash.blocks.__defaults__
    content_hash.blocks.__defaults__ = (size,)
    try:
        assert hash_of(chunks) == plain_hash(rows, size)
    finally:
        content_hash.blocks.__defaults__ = original


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 9), max_size=8), st.integers(1, 7))
def test_blocks_are_full_but_the_last_and_keep_order(heights, size):
    total = sum(heights)
    frame = pl.DataFrame({"a": range(total)}, schema={"a": pl.Int64})
    edges = np.cumsum([0, *heights])
    found = list(blocks((frame.slice(start, height) for start, height in zip(edges, heights, strict=False)), size))
    if not heights:
        assert found == []
        return
    assert pl.concat(found).equals(frame)
    assert all(block.height == size for block in found[:-1]) and len(found) == max(1, -(-total // size))


def test_every_kind_of_column_is_hashed_alike_in_any_chunks(small_blocks):
    whole = hash_of([FRAME])
    for size in (1, 2, 4):
        assert hash_of(FRAME.slice(start, size) for start in range(0, FRAME.height, size)) == whole
    assert hash_of([FRAME.clear(), FRAME, FRAME.clear()]) == whole


@pytest.mark.parametrize("column", FRAME.columns)
@pytest.mark.parametrize("row", range(FRAME.height))
def test_a_changed_value_changes_the_hash(small_blocks, column, row):
    swapped = FRAME[column].to_list()
    other = next(value for value in reversed(swapped) if str(value) != str(swapped[row]))
    swapped[row] = other
    changed = FRAME.with_columns(pl.Series(column, swapped, dtype=FRAME[column].dtype))
    assert hash_of([changed]) != hash_of([FRAME])


@pytest.mark.parametrize(
    "other",
    [
        FRAME.rename({"i": "j"}),
        FRAME.select(reversed(FRAME.columns)),
        FRAME.with_columns(pl.col("u").cast(pl.Int8, strict=False)),
        FRAME.with_columns(pl.col("e").cast(pl.Enum([*reversed(ACTIONS)]))),
        FRAME.with_columns(pl.col("e").cast(pl.String)),
        FRAME.vstack(FRAME.head(1)),
        FRAME.head(4),
        FRAME.clear(),
    ],
    ids=["name", "order", "type", "categories", "no enum", "more rows", "fewer rows", "none"],
)
def test_other_names_types_or_rows_change_the_hash(other):
    assert hash_of([other]) != hash_of([FRAME])


def test_minus_zero_and_zero_and_null_and_empty_are_four_things():
    def of(value):
        return hash_of([pl.DataFrame({"f": [value, 1.0]}, schema={"f": pl.Float64})])

    assert len({of(0.0), of(-0.0), of(None), of(float("nan"))}) == 4
    texts = [hash_of([pl.DataFrame({"s": pair})]) for pair in (["", "a"], [None, "a"], ["a", ""])]
    assert len(set(texts)) == 3


def test_what_lies_under_a_null_does_not_count():
    hidden = pl.select(pl.when(pl.Series([True, False, True])).then(pl.Series([1, 2, 3]))).to_series().alias("a")
    assert hash_of([pl.DataFrame({"a": hidden})]) == hash_of([pl.DataFrame({"a": [1, None, 3]})])


def test_categories_are_hashed_by_what_they_say_not_by_their_codes():
    words = pl.Series("c", ["b", "a", "b"], dtype=pl.Categorical)
    pl.Series(["zz", "a", "b"], dtype=pl.Categorical)
    again = pl.Series("c", ["a", "b", "a", "b"], dtype=pl.Categorical).slice(1)
    assert hash_of([pl.DataFrame([words])]) == hash_of([pl.DataFrame([again])])


def test_chunks_of_different_columns_are_refused():
    with pytest.raises(SchemaError, match="chunks of one table"):
        hash_of([pl.DataFrame({"a": [1]}), pl.DataFrame({"a": [1.0]})])
    with pytest.raises(SchemaError, match="no frame"):
        hash_of([])


def test_hashing_and_writing_import_no_pandas(tmp_path):
    program = (
        "import sys, polars as pl\n"
        "from feeds.lake import Lake\n"
        "lake = Lake(sys.argv[1])\n"
        "lake.write('t', pl.DataFrame({'i': [1, None], 's': ['x', None], 'b': [True, None]}), '2024-01-02')\n"
        "lake.read('t', '2024-01-02'), lake.manifest('t', '2024-01-02')\n"
        "print('pandas' in sys.modules)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, check=True)
    assert done.stdout.strip() == "False"
