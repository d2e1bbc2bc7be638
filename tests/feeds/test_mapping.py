"""Mappings: what they may say, how a wrong one is explained, which one speaks of a file."""

import pytest

from feeds.adapters.mapped import Mapped
from feeds.adapters.mapping import Mapping, parse_mapping
from feeds.adapters.mapping_files import mapping_files, mapping_of
from feeds.errors import IncompleteDropError, UnreadableFileError
from tests.support.mapped_files import TRADES_MAPPING, write_mapped_day, write_mapping

QUOTES = {key: value for key, value in TRADES_MAPPING.items() if key not in ("price", "size", "side")} | {
    "rows": "quotes",
    "bid_price": "bid",
    "ask_price": "ask",
}


def refusal(tmp_path, mapping, **changes):
    path = write_mapping(tmp_path / "x.csv.t2t.yaml", mapping, **changes)
    with pytest.raises(UnreadableFileError) as caught:
        parse_mapping(path, path.read_text())
    assert caught.value.path == str(path)
    return caught.value.position, f"{caught.value}"


WRONG = {
    "an unknown key": ({"sise": "x"}, "key sise", "did you mean size"),
    "an unknown key inside": ({"time": {"column": "ns", "units": "ns"}}, "key time.unit", "this key"),
    "no venue": ({"venue": None}, "key venue", "this key"),
    "a venue in small letters": ({"venue": "demo"}, "key venue", "demo"),
    "no price": ({"price": None}, "the whole file", "rows trades together with ['price']"),
    "a column of quotes": ({"bid_price": "b"}, "the whole file", "rows trades without ['bid_price']"),
    "a unit nobody knows": ({"time": {"column": "ns", "unit": "weeks"}}, "key time.unit", "'weeks'"),
    "a zone nobody knows": (
        {"time": {"column": "ns", "unit": "iso", "timezone": "Mars/X"}},
        "key time.timezone",
        "Mars/X",
    ),
    "a clock without a date": ({"time": {"column": "ns", "unit": "clock"}}, "key time", "date_column"),
    "a date without a zone": ({"time": {"column": "ns", "unit": "ms", "date": "2024-01-02"}}, "key time", "timezone"),
    "both date and date column": (
        {"time": {"column": "a", "unit": "ms", "date": "2024-01-02", "date_column": "d", "timezone": "UTC"}},
        "key time",
        "not both",
    ),
    "a dated iso time": (
        {"time": {"column": "a", "unit": "iso", "date": "2024-01-02", "timezone": "UTC"}},
        "key time",
        "without date",
    ),
    "a timestamp in a csv": ({"time": {"column": "a", "unit": "timestamp"}}, "the whole file", "only in Parquet"),
    "two symbols": ({"symbol": {"column": "a", "constant": "B"}}, "key symbol", "either column or constant"),
    "a side that is none": ({"side": {"column": "s", "values": {"buy": "X"}}}, "the whole file", "not ['X']"),
    "no tick": ({"tick_size": 0}, "key tick_size", "greater than 0"),
    "an endless tick": ({"tick_size": float("inf")}, "key tick_size", "finite"),
    "a long delimiter": ({"delimiter": "::"}, "key delimiter", "'::'"),
    "no header and no columns": ({"header": False}, "the whole file", "names of all columns"),
    "columns beside a header": ({"columns": ["a"]}, "the whole file", "only for a csv without header"),
    "a column not listed": ({"header": False, "columns": ["ns", "symbol"]}, "the whole file", "'price'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_mapping_is_explained_with_its_key(tmp_path, case):
    changes, place, words = WRONG[case]
    position, text = refusal(tmp_path, TRADES_MAPPING, **changes)
    assert position == place and words in text


@pytest.mark.parametrize(
    ("text", "words"), [("a: [1", "valid YAML"), ("- a", "a mapping of keys"), ("", "a mapping of keys")]
)
def test_a_text_that_is_no_mapping_is_refused(tmp_path, text, words):
    with pytest.raises(UnreadableFileError, match=words):
        parse_mapping(tmp_path / "x", text)


def test_quotes_have_both_sizes_or_none():
    assert Mapping.model_validate(QUOTES).wanted == ("symbol", "bid", "ask", "ns")
    with pytest.raises(ValueError, match="or neither"):
        Mapping.model_validate(QUOTES | {"bid_size": "b"})


def test_ticks_are_the_decimals_that_were_written():
    mapping = Mapping.model_validate(TRADES_MAPPING | {"tick_size": 1e-8, "lot_size": 0.1})
    assert (str(mapping.tick), str(mapping.lot)) == ("1E-8", "0.1")


def test_the_files_own_mapping_comes_first_then_the_folders_then_the_shared_ones(tmp_path):
    folder = tmp_path / "a"
    data = folder / "trades.csv"
    places = {
        "own": folder / "trades.csv.t2t.yaml",
        "folder": folder / "t2t.yaml",
        "inside": folder / "mappings" / "z.yaml",
        "beside": tmp_path / "mappings" / "a.yaml",
    }
    for name, place in places.items():
        write_mapping(place, TRADES_MAPPING, files="*.csv", currency=name)
    data.write_text("symbol,ns,price,size,side\n")
    assert mapping_files(data) == list(places.values())
    for name, place in places.items():
        assert mapping_of(data).currency == name
        place.unlink()
    assert mapping_of(data) is None and Mapped().sniff(data) is None


def test_a_mapping_speaks_of_the_names_it_lists_only(tmp_path):
    write_mapping(tmp_path / "t2t.yaml", TRADES_MAPPING, files=["trades_?.csv"])
    names = ("trades_1.csv", "trades_12.csv", "quotes.csv")
    for name in names:
        (tmp_path / name).write_text("symbol,ns,price,size,side\n")
    assert [Mapped().sniff(tmp_path / name) is not None for name in names] == [True, False, False]


def test_a_mapping_without_its_file_is_incomplete(tmp_path):
    data, own = write_mapped_day(tmp_path, seed=1)
    assert Mapped().sniff(own).role == "mapping"
    data.unlink()
    with pytest.raises(IncompleteDropError, match=r"trades\.csv beside its mapping"):
        Mapped().sniff(own)
    shared = write_mapping(tmp_path / "b" / "t2t.yaml", TRADES_MAPPING, files="*.csv")
    with pytest.raises(IncompleteDropError, match="named like"):
        Mapped().sniff(shared)
    waiting = write_mapping(tmp_path / "b" / "mappings" / "any.yaml", TRADES_MAPPING, files="*.csv")
    assert Mapped().sniff(waiting).role == "mapping"


def test_a_shared_mapping_must_name_files_and_a_broken_one_is_blamed_itself(tmp_path):
    (tmp_path / "x.csv").write_text("symbol,ns,price,size,side\n")
    path = write_mapping(tmp_path / "t2t.yaml", TRADES_MAPPING)
    for sniffed in (path, tmp_path / "x.csv"):
        with pytest.raises(UnreadableFileError, match="key files") as caught:
            Mapped().sniff(sniffed)
        assert caught.value.path == str(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UnreadableFileError, match="UTF-8"):
        Mapped().sniff(path)


def test_a_file_without_the_columns_of_its_mapping_is_refused(tmp_path):
    for kind in ("csv", "parquet"):
        data, own = write_mapped_day(tmp_path, seed=1, kind=kind)
        form = {"format": "parquet"} if kind == "parquet" else {}
        write_mapping(own, TRADES_MAPPING, price="cost", **form)
        with pytest.raises(UnreadableFileError, match="cost"):
            Mapped().sniff(data)
        write_mapping(own, TRADES_MAPPING, format="csv" if kind == "parquet" else "parquet")
        with pytest.raises(UnreadableFileError):
            Mapped().sniff(data)
