from __future__ import annotations

import random
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.itch_encoder import symbol_name, write_tape
from feeds.adapters.base import ParsedTicks, joined
from feeds.adapters.itch import IGNORED, LENGTHS, Itch
from feeds.adapters.itch_names import date_of, instrument_of, venue_of
from feeds.errors import StudyError, UnreadableFileError
from feeds.schema import FLAG_AUCTION, FLAG_PARTIAL, RAW_TICKS, REJECTED_TICKS
from feeds.tape import TapeIndex, read_tape
from tests.support import itch_files as itch
from tests.support.itch_files import DATE, INSTRUMENT, MIDNIGHT_NS, NAME, OPEN_NS
from tests.support.itch_twin import Twin

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
_folders = iter(range(10**9))


def decode(tmp_path: Path, messages: list[bytes], name: str = NAME, **options: int) -> tuple[Path, TapeIndex]:
    """A day of ``messages``, decoded: folder and index of the tape."""
    folder = tmp_path / str(next(_folders))
    return folder / "tape", Itch(**options).decode(itch.write(folder / name, messages), folder / "tape")


def parsed(tape: Path, instrument: str, **units: float) -> ParsedTicks:
    return joined(read_tape(tape, DATE, instrument, Itch().default_spec(instrument).model_copy(update=units)))


def rows_of(tape: Path, instrument: str) -> list[tuple]:
    """All rows in order, as the twin states them; a rejected row has no order id, condition and flags."""
    ticks = parsed(tape, instrument)
    placed = ticks.frame.select(
        "sequence", "ts_event", "action", "side", "order_id", "price", "size", "condition", "flags", reason=None
    )
    refused = ticks.rejected.select("sequence", "ts_event", "action", "side", "price", "size", "reason")
    return pl.concat([placed.cast({"reason": pl.String}), refused], how="diagonal").sort("sequence").rows()


def twin_rows(messages: list[bytes], locate: int) -> list[tuple]:
    rows = []
    for number, (stamp, row) in enumerate(Twin().read(messages).rows.get(locate, [])):
        action, side, order, price, size, condition, flags, reason = row
        kept = (order, price, size, condition, flags) if reason is None else (None, price, size, None, None)
        rows.append((number, MIDNIGHT_NS + stamp, action, side, *kept, reason))
    return rows


def day_of(messages: list[bytes], stocks: tuple[str, ...] = ("ALFA",)) -> list[bytes]:
    return [*itch.opening(stocks), *messages, *itch.closing()]


def assert_as_twin(tmp_path: Path, messages: list[bytes], locates: dict[int, str], **options: int) -> TapeIndex:
    tape, index = decode(tmp_path, messages, **options)
    for locate, instrument in locates.items():
        assert rows_of(tape, instrument) == twin_rows(messages, locate)
    ignored = Twin().read(messages).ignored
    names = {IGNORED.get(kind if kind != "Q" else "q"): count for kind, count in ignored.items()}
    assert index.ignored == names
    assert index.rows + sum(index.ignored.values()) >= len(messages)
    return index


NAMES = {1: "ALFA.NASDAQ", 2: "BRK-B.NASDAQ", 3: "CHRL_W.NASDAQ", 4: "DLTA.NASDAQ"}


@pytest.mark.parametrize("seed", range(3))
def test_a_consistent_day_becomes_the_rows_of_the_twin_and_none_is_rejected(seed, tmp_path):
    index = assert_as_twin(tmp_path, itch.make_day(seed).messages, NAMES)
    assert sum(content.rejected for content in index.contents) == 0
    assert {content.instrument for content in index.contents} == set(NAMES.values())


# Order numbers collide on purpose: unknown orders, repeated ones and too large executions are the rule here.
REFS = st.integers(1, 6) | st.sampled_from([0, 2**63 - 1, 2**63, 2**64 - 1])
SHARES = st.integers(0, 3) | st.sampled_from([100, 2**32 - 1])
PRICES = st.sampled_from([0, 1, 10_000, 10_100, 2**31, 2**32 - 1])
LOCATES = st.integers(1, 2)


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    def any_message() -> bytes:
        locate, stamp = draw(LOCATES), draw(st.integers(0, 86_400 * 10**9 - 1))
        ref, shares, price = draw(REFS), draw(SHARES), draw(PRICES)
        kind = draw(st.sampled_from("AAAAFEECCXXDUUPQHho"))
        if kind in "AF":
            return itch.add(
                locate, stamp, ref, draw(st.sampled_from("BBSSx")), shares, "ALFA", price, "MAKR" * (kind == "F")
            )
        if kind == "C":
            return itch.executed_at(locate, stamp, ref, shares, price, draw(st.sampled_from("YN")))
        if kind == "Q":
            return itch.cross(locate, stamp, draw(SHARES | st.sampled_from([2**32, 2**64 - 1])), "ALFA", price)
        if kind == "h":
            return itch.operational_halt(
                locate, stamp, "ALFA", draw(st.sampled_from("QBX")), draw(st.sampled_from("HTx"))
            )
        if kind == "o":
            return draw(st.sampled_from(list(itch.others(locate, stamp, "ALFA").values())))
        return {
            "E": lambda: itch.executed(locate, stamp, ref, shares),
            "X": lambda: itch.reduced(locate, stamp, ref, shares),
            "D": lambda: itch.deleted(locate, stamp, ref),
            "U": lambda: itch.replaced(locate, stamp, ref, draw(REFS), shares, price),
            "P": lambda: itch.hidden(locate, stamp, draw(st.sampled_from("BS")), shares, "ALFA", price),
            "H": lambda: itch.trading_state(locate, stamp, "ALFA", draw(st.sampled_from("HPQTx"))),
        }[kind]()

    return [any_message() for _ in range(draw(st.integers(0, 40)))]


@given(messages=streams())
@settings(FEW, max_examples=80)
def test_any_stream_becomes_the_rows_of_the_twin(messages, tmp_path):
    names = {1: "ALFA.NASDAQ", 2: "BRK-B.NASDAQ"}
    assert_as_twin(tmp_path, day_of(messages, ("ALFA", "BRK.B")), names)


@given(messages=streams(), block=st.integers(1, 200))
@settings(FEW, max_examples=20)
def test_blocks_that_end_anywhere_give_the_rows_of_the_whole(messages, block, tmp_path):
    day = day_of(messages, ("ALFA", "BRK.B"))
    (whole, index), (pieces, index_of_pieces) = decode(tmp_path, day), decode(tmp_path, day, block_bytes=block)
    assert index == index_of_pieces
    for content in index.contents:
        assert rows_of(whole, content.instrument) == rows_of(pieces, content.instrument)


def test_every_type_of_the_specification_is_known_with_its_length(tmp_path):
    day = itch.make_day(5).messages
    every = [*itch.others(1, OPEN_NS, "ALFA").values(), itch.operational_halt(1, OPEN_NS, "ALFA", "X", "H"), *day]
    lengths = {chr(one[0]): len(one) for one in every}
    assert lengths == LENGTHS
    index = assert_as_twin(tmp_path, [*itch.opening(), *every[:11], *itch.closing()], {})
    assert index.ignored == {
        "system_event": 5, "stock_directory": 4, "short_sale_restriction": 1, "market_participant": 1,
        "circuit_breaker_levels": 1, "circuit_breaker_status": 1, "ipo_quoting_period": 1, "auction_collar": 1,
        "halt_of_another_market": 1, "broken_trade": 1, "order_imbalance": 1, "retail_interest": 1, "direct_listing": 1,
    }  # fmt: skip


def only_row(tmp_path: Path, *messages: bytes) -> list[tuple]:
    """(action, side, order_id, price, size, condition, flags) of the rows after the first, an addition."""
    first = itch.add(1, OPEN_NS, 7, "S", 300, "ALFA", 50_000)
    tape, _ = decode(tmp_path, day_of([first, *messages]))
    columns = ["action", "side", "order_id", "price", "size", "condition", "flags"]
    return parsed(tape, INSTRUMENT).frame.select(columns).rows()[1:]


def test_a_deletion_says_what_was_left(tmp_path):
    rows = only_row(
        tmp_path, itch.reduced(1, OPEN_NS, 7, 100), itch.executed(1, OPEN_NS, 7, 50), itch.deleted(1, OPEN_NS, 7)
    )
    assert rows == [
        ("C", "A", 7, 50_000, 100, 0, 0),
        ("F", "A", 7, 50_000, 50, 0, 0),
        ("C", "A", 7, 50_000, 150, 0, 0),
    ]


def test_a_replacement_is_a_cancellation_and_an_addition_of_one_event(tmp_path):
    rows = only_row(tmp_path, itch.replaced(1, OPEN_NS, 7, 9, 40, 50_100), itch.executed(1, OPEN_NS, 9, 40))
    assert rows == [
        ("C", "A", 7, 50_000, 300, 0, FLAG_PARTIAL),
        ("A", "A", 9, 50_100, 40, 0, 0),
        ("F", "A", 9, 50_100, 40, 0, 0),
    ]


def test_an_execution_at_another_price_prints_there_and_reduces_the_order(tmp_path):
    rows = only_row(tmp_path, itch.executed_at(1, OPEN_NS, 7, 100, 49_900, "Y"))
    assert rows == [("T", "B", 0, 49_900, 100, 0, FLAG_PARTIAL), ("C", "A", 7, 50_000, 100, 0, 0)]


def test_an_execution_that_is_not_printed_only_reduces_the_order(tmp_path):
    assert only_row(tmp_path, itch.executed_at(1, OPEN_NS, 7, 100, 49_900, "N")) == [("C", "A", 7, 50_000, 100, 0, 0)]
    assert only_row(tmp_path, itch.executed_at(1, OPEN_NS, 7, 100, 50_000, "Y")) == [("F", "A", 7, 50_000, 100, 0, 0)]


def test_hidden_executions_and_crosses_are_prints_of_nobody_known(tmp_path):
    stamp = OPEN_NS
    prints = [itch.hidden(1, stamp, "B", 5, "ALFA", 49_950), itch.hidden(1, stamp, "S", 5, "ALFA", 49_950)]
    rows = only_row(tmp_path, *prints, itch.cross(1, stamp, 900, "ALFA", 50_000), itch.cross(1, stamp, 0, "ALFA", 0))
    assert rows == [
        ("T", "N", 0, 49_950, 5, 0, 0),
        ("T", "B", 0, 49_950, 5, 0, 0),
        ("T", "N", 0, 50_000, 900, 0, FLAG_AUCTION),
    ]


def test_trading_states_and_halts_of_the_own_market_are_status_rows(tmp_path):
    stamp = OPEN_NS
    states = [itch.trading_state(1, stamp, "ALFA", state) for state in "HPQT"]
    halts = [itch.operational_halt(1, stamp, "ALFA", market, action) for market, action in ("QH", "BH", "QT")]
    assert [row[5] for row in only_row(tmp_path, *states, *halts)] == [-1, -1, 0, 1, -1, 1]


def test_a_rejected_message_changes_nothing(tmp_path):
    first = itch.add(1, OPEN_NS, 7, "B", 300, "ALFA", 50_000)
    refused = [
        itch.executed(1, OPEN_NS, 8, 1),
        itch.executed(1, OPEN_NS, 7, 301),
        itch.reduced(2, OPEN_NS, 7, 1),
        itch.add(1, OPEN_NS, 7, "S", 1, "ALFA", 1),
        itch.add(1, OPEN_NS, 8, "x", 1, "ALFA", 1),
        itch.deleted(1, 86_400 * 10**9, 7),
        itch.add(1, 86_400 * 10**9, 8, "B", 1, "ALFA", 1),
        itch.hidden(1, 2**48 - 1, "B", 1, "ALFA", 1),
        itch.trading_state(1, OPEN_NS, "ALFA", "x"),
        itch.cross(1, OPEN_NS, 2**32, "ALFA", 1),
    ]
    tape, index = decode(tmp_path, day_of([first, *refused, itch.deleted(1, OPEN_NS, 7)], ("ALFA", "BRK.B")))
    own, other = parsed(tape, INSTRUMENT), parsed(tape, "BRK-B.NASDAQ")
    assert own.frame.select("action", "size").rows() == [("A", 300), ("C", 300)]
    assert own.rejected["reason"].to_list() == [
        "unknown_order", "exceeds_order", "duplicate_order", "unknown_side", "time_outside_day", "time_outside_day",
        "time_outside_day", "unknown_state", "size_too_large",
    ]  # fmt: skip
    assert other.rejected["reason"].to_list() == ["other_instrument"]
    assert [content.rejected for content in index.contents] == [9, 1]
    assert [content.last_ns for content in index.contents] == [MIDNIGHT_NS + OPEN_NS, 0]


def test_stamps_that_run_backwards_stay_in_the_order_of_the_file(tmp_path):
    stamps = [OPEN_NS + 5, OPEN_NS, OPEN_NS + 9, 1]
    adds = [itch.add(1, stamp, k, "B", 1, "ALFA", 1) for k, stamp in enumerate(stamps)]
    tape, index = decode(tmp_path, day_of(adds))
    assert parsed(tape, INSTRUMENT).frame["ts_event"].to_list() == [MIDNIGHT_NS + stamp for stamp in stamps]
    assert (index.contents[0].first_ns, index.contents[0].last_ns) == (MIDNIGHT_NS + 1, MIDNIGHT_NS + OPEN_NS + 9)


def test_more_orders_than_the_table_begins_with_are_all_found_again(tmp_path):
    rng = random.Random(3)
    refs = rng.sample(range(1, 10**12), 20_000) + list(range(5 * 10**12, 5 * 10**12 + 20_000))
    adds = [itch.add(1, OPEN_NS, ref, "B", 1 + ref % 1000, "ALFA", 1 + ref % 77) for ref in refs]
    gone = rng.sample(refs, len(refs) - 5)
    day = day_of([*adds, *(itch.deleted(1, OPEN_NS, ref) for ref in gone)])
    index = assert_as_twin(tmp_path, day, {1: INSTRUMENT})
    assert index.contents[0].rejected == 0


def books(ticks: ParsedTicks) -> dict[int, list]:
    """Order's number -> [side, price, what is left], from rows alone."""
    book: dict[int, list] = {}
    for action, side, order, price, size in ticks.frame.select("action", "side", "order_id", "price", "size").rows():
        if action == "A":
            book[order] = [side, price, size]
        elif action in "CF":
            assert book[order][:2] == [side, price]
            book[order][2] -= size
            if book[order][2] == 0:
                del book[order]
    return book


@given(seed=st.integers(0, 10**6))
@settings(FEW, max_examples=15)
def test_books_and_prints_of_the_rows_are_those_the_writer_knows(seed, tmp_path):
    day = itch.make_day(seed, events=400)
    tape, _ = decode(tmp_path, day.messages)
    for locate, instrument in NAMES.items():
        ticks = parsed(tape, instrument)
        truth = {ref: ["B" if side == "B" else "A", *rest] for ref, (side, *rest) in day.books[locate].items()}
        assert books(ticks) == truth
        assert ticks.frame.filter(pl.col("action").is_in(["F", "T"]))["size"].sum() == day.traded[locate]


def test_books_of_a_large_tape_are_those_its_writer_knows(tmp_path):
    truth = write_tape(tmp_path / NAME, orders=30_000, seed=4, symbols=12, segment=8_000)
    index = Itch(block_bytes=200_000).decode(tmp_path / NAME, tmp_path / "tape")
    assert index.problems == () and sum(content.rejected for content in index.contents) == 0
    assert len(truth.resting) > 3000 and len(index.contents) == 12
    added = 0
    for symbol in range(12):
        ticks = parsed(tmp_path / "tape", f"{symbol_name(symbol)}.NASDAQ")
        resting = truth.resting[truth.resting["symbol"] == symbol]
        expected = {int(o["id"]): ["B" if o["buys"] else "A", int(o["price"]), int(o["left"])] for o in resting}
        assert books(ticks) == expected
        added += ticks.frame.filter(pl.col("action") == "A").height
    assert added >= truth.added


def test_frames_have_the_schema_and_units_scale_exactly(tmp_path):
    tape, _ = decode(tmp_path, itch.make_day(1).messages)
    plain, fine = parsed(tape, INSTRUMENT), parsed(tape, INSTRUMENT, tick_size=1e-5)
    assert dict(plain.frame.schema) == RAW_TICKS and dict(plain.rejected.schema) == REJECTED_TICKS
    assert plain.frame.height >= 300 and plain.frame["sequence"].to_list() == list(range(plain.rows_in))
    assert (fine.frame["price"] == plain.frame["price"] * 10).all()
    assert fine.frame.drop("price").equals(plain.frame.drop("price"))
    for units in ({"tick_size": 0.0003}, {"tick_size": 0.01}, {"lot_size": 100}):
        with pytest.raises(StudyError, match=next(iter(units))):
            parsed(tape, INSTRUMENT, **units)


def test_decoding_twice_gives_the_same_bytes(tmp_path):
    (first, _), (second, _) = (decode(tmp_path, itch.make_day(1).messages) for _ in range(2))
    names = sorted(path.name for path in first.iterdir())
    assert names == sorted(path.name for path in second.iterdir())
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)


def test_a_gzipped_file_is_read_as_the_plain_one_also_in_members(tmp_path):
    day = itch.make_day(2).messages
    plain, index = decode(tmp_path, day)
    packed, _ = decode(tmp_path, day, NAME + ".gz")
    assert rows_of(plain, INSTRUMENT) == rows_of(packed, INSTRUMENT)
    halves = [itch.write(tmp_path / f"{k}.gz", part).read_bytes() for k, part in enumerate((day[:400], day[400:]))]
    (tmp_path / (NAME + ".gz")).write_bytes(b"".join(halves) + bytes(20))
    assert Itch(block_bytes=1000).decode(tmp_path / (NAME + ".gz"), tmp_path / "members") == index
    assert rows_of(tmp_path / "members", INSTRUMENT) == rows_of(plain, INSTRUMENT)


@pytest.mark.parametrize("name", [NAME, NAME + ".gz"])
@given(data=st.data())
@settings(FEW, max_examples=60)
def test_a_file_cut_short_is_refused_by_name_unless_only_the_very_end_is_missing(name, data, tmp_path):
    folder = tmp_path / str(next(_folders))
    path = itch.write(folder / name, itch.make_day(6, events=60).messages)
    content = path.read_bytes()
    cut = data.draw(st.integers(0, len(content) - 1) | st.integers(len(content) - 60, len(content) - 1))
    path.write_bytes(content[:cut])
    if name == NAME and cut == len(content) - 14:
        (problem,) = Itch().decode(path, folder / "tape").problems
        assert (problem.kind, problem.position) == ("missing_end", f"byte {cut}")
        return
    with pytest.raises(UnreadableFileError) as caught:
        Itch().decode(path, folder / "tape")
    assert caught.value.path == str(path) and caught.value.position.startswith("byte ")
    assert [entry.name for entry in folder.iterdir()] == [name]


def test_a_cut_message_is_refused_with_the_byte_where_it_begins(tmp_path):
    path = itch.write(tmp_path / NAME, itch.opening(("ALFA",)))
    begins = path.stat().st_size
    path.write_bytes(path.read_bytes() + itch.framed([itch.deleted(1, OPEN_NS, 7)])[:-3])
    with pytest.raises(UnreadableFileError, match=f"at byte {begins}; received 18 bytes"):
        Itch(block_bytes=37).decode(path, tmp_path / "tape")


@pytest.mark.parametrize(
    ("one", "found"),
    [
        (b"Z" + bytes(18), "type 'Z' of 19 bytes; expected a message of one of the types SRH"),
        (itch.deleted(1, 0, 7) + b"x", "type 'D' of 20 bytes; expected 19 bytes of a message D"),
    ],
)
@pytest.mark.parametrize("block", [40, 1 << 20])
def test_a_message_that_cannot_be_one_is_refused_with_its_byte(one, found, block, tmp_path):
    before = [*itch.opening(("ALFA",)), itch.add(1, OPEN_NS, 7, "B", 1, "ALFA", 1)]
    path = itch.write(tmp_path / NAME, [*before, one, *itch.closing()])
    with pytest.raises(UnreadableFileError, match=f"at byte {len(itch.framed(before))}; received {found}"):
        Itch(block_bytes=block).decode(path, tmp_path / "tape")


@pytest.mark.parametrize("block", [14, 15, 1 << 20])
def test_a_length_of_nought_ends_the_session_and_nothing_may_follow(block, tmp_path):
    path = itch.write(tmp_path / NAME, day_of([]))
    content = path.read_bytes()
    path.write_bytes(content + b"\0\0")
    assert Itch(block_bytes=block).decode(path, tmp_path / "tape").problems == ()
    path.write_bytes(content + b"\0\0\0")
    with pytest.raises(UnreadableFileError, match=f"at byte {len(content) + 2}; .*nothing after the length of 0"):
        Itch(block_bytes=block).decode(path, tmp_path / "second")


def test_a_flipped_byte_inside_compressed_data_is_refused(tmp_path):
    path = itch.write(tmp_path / (NAME + ".gz"), itch.make_day(1).messages)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=path.name):
        Itch().decode(path, tmp_path / "tape")
    assert not (tmp_path / "tape").exists()


@given(data=st.data())
@settings(FEW, max_examples=50)
def test_damaged_bytes_give_rows_or_a_refusal_never_a_crash(data, tmp_path):
    content = bytearray(itch.framed(itch.make_day(7, events=40).messages))
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    folder = tmp_path / str(next(_folders))
    folder.mkdir()
    (folder / NAME).write_bytes(content)
    try:
        index = Itch(block_bytes=512).decode(folder / NAME, folder / "tape")
    except UnreadableFileError:
        assert not (folder / "tape").exists()
        return
    for content_of in index.contents:
        assert joined(read_tape(folder / "tape", DATE, content_of.instrument, index.specs[content_of.instrument]))


@given(content=st.binary(max_size=300))
@settings(FEW, max_examples=80)
def test_foreign_bytes_are_no_itch_file(content, tmp_path):
    path = tmp_path / NAME
    path.write_bytes(content)
    assert Itch().sniff(path) is None
    with pytest.raises(UnreadableFileError):
        Itch().decode(path, tmp_path / "tape")


@pytest.mark.parametrize("name", [NAME, NAME + ".gz", "S013019-v50.txt.gz", "copy of 2019-01-30 (1)"])
def test_a_file_is_recognised_by_its_first_message(name, tmp_path):
    path = itch.write(tmp_path / name, itch.make_day(1, events=5).messages)
    info = Itch().sniff(path)
    assert (info.format, info.role, info.instrument, info.dates) == ("itch", "tape", None, ())
    path.write_bytes(itch.framed([itch.system("S")]))
    assert Itch().sniff(path) is None


@pytest.mark.parametrize(
    ("name", "date"),
    [
        ("01302019.NASDAQ_ITCH50.gz", "2019-01-30"),
        ("S071321-v50.txt.gz", "2021-07-13"),
        ("20190730.BX_ITCH_50.gz", "2019-07-30"),
        ("2019-01-30.itch", "2019-01-30"),
        ("itch_20191230", "2019-12-30"),
        ("12202019.NASDAQ_ITCH50", "2019-12-20"),
    ],
)
def test_the_date_is_read_from_the_usual_names(name, date):
    assert date_of(Path(name)) == date


@pytest.mark.parametrize("name", ["itch", "13452019.NASDAQ_ITCH50", "1234567.gz", "AS071321-v50"])
def test_a_name_without_a_date_is_refused(name):
    with pytest.raises(UnreadableFileError, match="date"):
        date_of(Path(name))


def test_venues_are_told_apart(tmp_path):
    assert [venue_of(Path(n)) for n in ("20190730.BX_ITCH_50.gz", "20190730.PSX_ITCH_50", NAME)] == [
        "BX",
        "PSX",
        "NASDAQ",
    ]
    halt = itch.operational_halt(1, OPEN_NS, "ALFA", "B", "H")
    tape, index = decode(tmp_path, day_of([halt]), "20190130.BX_ITCH_50")
    assert [content.instrument for content in index.contents] == ["ALFA.BX"]
    assert rows_of(tape, "ALFA.BX")[0][7] == -1


def test_tickers_with_suffixes_become_ids_of_their_own():
    tickers = ("BRK.B", "AGM.A", "AGM-A", "ABC+", "ABC=", "ABC^", "ABC#", "ABC*", "ABC$")
    made = [instrument_of(Path("f"), itch.stock8(ticker), "NASDAQ").removesuffix(".NASDAQ") for ticker in tickers]
    assert made == ["BRK-B", "AGM-A", "AGM_PA", "ABC_W", "ABC_U", "ABC_R", "ABC_I", "ABC_C", "ABC_X24"]
    with pytest.raises(UnreadableFileError, match="ticker"):
        instrument_of(Path("f"), b" " * 8, "NASDAQ")


def test_an_instrument_the_directory_never_names_is_kept_as_unknown(tmp_path):
    tape, index = decode(tmp_path, day_of([itch.add(9, OPEN_NS, 7, "B", 1, "LOST", 1)]))
    assert [content.instrument for content in index.contents] == ["UNKNOWN9.NASDAQ"]
    assert parsed(tape, "UNKNOWN9.NASDAQ").frame.height == 1


def test_a_directory_that_contradicts_itself_is_a_problem(tmp_path):
    again = [itch.directory(1, "ALFA"), itch.directory(1, "BETA"), itch.directory(2, "ALFA")]
    _, index = decode(tmp_path, day_of([*again, itch.add(2, OPEN_NS, 7, "B", 1, "ALFA", 1)]))
    assert [problem.kind for problem in index.problems] == ["renamed_stock", "repeated_stock"]
    assert [content.instrument for content in index.contents] == ["UNKNOWN2.NASDAQ"]


def test_progress_is_told_up_to_the_end_of_the_file(tmp_path):
    path, told = itch.write(tmp_path / NAME, itch.make_day(1).messages), []
    index = Itch(block_bytes=4096).decode(path, tmp_path / "tape", lambda *so_far: told.append(so_far))
    size = path.stat().st_size
    assert len(told) > 3 and told == sorted(told) and told[-1] == (index.rows, size, size)


def test_prices_are_held_in_the_units_of_the_format():
    spec = Itch().default_spec("ALFA.NASDAQ")
    assert (spec.tick_size, spec.lot_size, spec.quote_increment_ticks) == (1e-4, 1, 100)
