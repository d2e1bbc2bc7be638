"""IEX captures: messages to rows, numbering, captures of every kind, damage; real captures."""

import gzip
import random
import shutil
import struct

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feeds.adapters.iex import Iex, Messages
from feeds.errors import StudyError, UnreadableFileError
from feeds.schema import FLAG_AUCTION, FLAG_GAP, FLAG_PARTIAL, RAW_TICKS
from feeds.tape import load_index, read_tape
from tests.support.iex_files import (
    IEX_DATE,
    IEX_INSTRUMENT,
    OPEN_NS,
    TOPS,
    datagram,
    frames,
    level,
    pcap,
    pcapng,
    quote,
    segment,
    status,
    system,
    trade,
    write_iex_day,
)

QUIET = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
ROW = ("action", "side", "price", "size", "condition", "flags")


def decoded(content, tmp_path):
    path, folder = tmp_path / "a.pcap", tmp_path / "tape"
    path.write_bytes(content)
    shutil.rmtree(folder, ignore_errors=True)
    return Iex().decode(path, folder)


def frame(folder, instrument=IEX_INSTRUMENT, date=IEX_DATE, **units):
    spec = load_index(folder).specs[instrument].model_copy(update=units)
    return pl.concat([part.frame for part in read_tape(folder, date, instrument, spec)])


def rows(segments, tmp_path, instrument=IEX_INSTRUMENT):
    decoded(pcap(frames(segments)), tmp_path)
    return frame(tmp_path / "tape", instrument).select(ROW).rows()


def test_a_day_becomes_a_tape_of_canonical_rows(tmp_path):
    (path,) = write_iex_day(tmp_path, 1)
    info = Iex().sniff(path)
    assert (info.format, info.role, info.instrument, info.dates) == ("iex", "tape", None, ())
    calls = []
    index = Iex().decode(path, tmp_path / "tape", lambda *at: calls.append(at))
    assert [(c.date, c.instrument, c.rows) for c in index.contents] == [(IEX_DATE, IEX_INSTRUMENT, 400)]
    assert calls[-1] == (400, path.stat().st_size, path.stat().st_size) and not index.problems
    found = frame(tmp_path / "tape")
    assert dict(found.schema) == RAW_TICKS and found["sequence"].to_list() == list(range(400))
    assert set(found["action"]) == {"L", "T"} and found["ts_event"].min() == OPEN_NS
    again = Iex().decode(path, tmp_path / "again")
    assert again == index and frame(tmp_path / "again").equals(found)


def test_levels_trades_and_status_of_deep(tmp_path):
    messages = [
        level("B", "ZIEXT", 99_0000, 300, complete=False),
        level("A", "ZIEXT", 99_0100, 0),
        trade("ZIEXT", 99_0050, 7, conditions=0x80),
        trade("ZIEXT", 99_0060, 8, conditions=0x08),
        *(status("ZIEXT", letter) for letter in "HOPT"),
    ]
    assert rows([segment(1, messages)], tmp_path) == [
        ("L", "B", 99_0000, 300, 0, FLAG_PARTIAL),
        ("L", "A", 99_0100, 0, 0, 0),
        ("T", "N", 99_0050, 7, 0x80, 0),
        ("T", "N", 99_0060, 8, 0x08, FLAG_AUCTION),
        *(("H", "N", 0, 0, code, 0) for code in (-1, 0, 0, 1)),
    ]


def test_a_quote_of_tops_is_two_rows(tmp_path):
    found = rows([segment(1, [quote("ZIEXT", 99_0000, 5, 99_0100, 6, flags=0x40)], protocol=TOPS)], tmp_path)
    assert found == [("Q", "B", 99_0000, 5, 0x40, FLAG_PARTIAL), ("Q", "A", 99_0100, 6, 0x40, 0)]


def test_stamps_are_those_of_the_message_and_of_the_capture(tmp_path):
    decoded(pcap(frames([segment(1, [level("B", "ZIEXT", 1, 1, at=12_345)])]), ns=True), tmp_path)
    assert frame(tmp_path / "tape").select("ts_event", "ts_recv").row(0) == (OPEN_NS + 12_345, OPEN_NS)


def test_what_says_nothing_about_prices_is_counted(tmp_path):
    messages = [system(), trade("ZIEXT", 1, 1, kind=b"B"), b"X" + b"\0" * 25, b"\x01?", level("B", "ZIEXT", 1, 1)]
    index = decoded(pcap([*frames([segment(1, messages), segment(6, [])]), (OPEN_NS, b"\0" * 40)]), tmp_path)
    expected = {"system_event": 1, "trade_break": 1, "official_price": 1, "unknown_message": 1, "heartbeat": 1}
    assert index.ignored == dict(sorted((expected | {"foreign_packet": 1}).items())) and index.rows == 1


def test_an_unknown_status_is_rejected(tmp_path):
    index = decoded(pcap(frames([segment(1, [status("ZIEXT", "?"), status("ZIEXT", "T")])])), tmp_path)
    assert [(c.rows, c.rejected) for c in index.contents] == [(2, 1)] and index.reasons == ("unknown_status",)


def test_symbols_become_ids_that_never_meet(tmp_path):
    symbols = ["BRK.B", "BAC-A", "AGM+", "ABC"]
    index = decoded(pcap(frames([segment(1, [level("B", symbol, 1, 1) for symbol in symbols])])), tmp_path)
    assert list(index.specs) == ["BRK-B.IEX", "BAC--A.IEX", "AGM_2B.IEX", "ABC.IEX"]


def test_missing_messages_are_a_problem_and_mark_the_next_row_of_every_instrument(tmp_path):
    one, two = (level("B", symbol, 1, 1) for symbol in ("ZIEXT", "ZXIET"))
    index = decoded(pcap(frames([segment(1, [one, two]), segment(6, [one, one]), segment(8, [two, two])])), tmp_path)
    assert [(p.kind, p.position.split(" at")[0]) for p in index.problems] == [("sequence_gap", "packet 2")]
    assert "3 messages are missing" in index.problems[0].text
    for instrument in (IEX_INSTRUMENT, "ZXIET.IEX"):
        assert frame(tmp_path / "tape", instrument)["flags"].to_list() == [0, FLAG_GAP, 0]


def test_a_gap_that_a_heartbeat_reveals_is_told_once(tmp_path):
    one = level("B", "ZIEXT", 1, 1)
    index = decoded(pcap(frames([segment(1, [one]), segment(4, []), segment(4, []), segment(4, [one])])), tmp_path)
    assert [p.kind for p in index.problems] == ["sequence_gap"] and "2 messages" in index.problems[0].text


def test_a_stream_that_begins_anew_later_is_a_gap_and_an_old_packet_a_repetition(tmp_path):
    made = [segment(k, [level("B", "ZIEXT", k, 1)], sent=k) for k in (1, 2, 3)]
    anew = segment(1, [level("B", "ZIEXT", 9, 1)], sent=99)
    index = decoded(pcap(frames([*made, made[0], anew, made[1]])), tmp_path)
    assert [p.kind for p in index.problems] == ["duplicate_packet", "sequence_gap"]
    assert frame(tmp_path / "tape")["price"].to_list() == [1, 2, 3, 9, 2]


def test_repeated_and_overlapping_packets_give_each_message_once(tmp_path):
    made = [level("B", "ZIEXT", k, 1) for k in range(1, 7)]
    cut = [segment(1, made[:3]), segment(1, made[:3]), segment(2, made[1:5]), segment(6, made[5:])]
    index = decoded(pcap(frames(cut)), tmp_path)
    assert frame(tmp_path / "tape")["price"].to_list() == [1, 2, 3, 4, 5, 6]
    assert [p.kind for p in index.problems] == ["duplicate_packet"] * 2 and index.ignored == {"repeated_message": 5}


@given(seed=st.integers(0, 10**6))
@QUIET
def test_numbering_is_followed_as_plain_python_does(seed, tmp_path):
    rng = random.Random(seed)
    sent = [(first, rng.randrange(4)) for first in (rng.randrange(1, 12) for _ in range(15))]
    expected, kept, problems = None, [], []
    for first, count in sent:
        expected = first if expected is None else expected
        if first > expected:
            problems.append("sequence_gap")
        elif first < expected and count:
            problems.append("duplicate_packet")
        kept += [number for number in range(first, first + count) if number >= expected]
        if count or first > expected:
            expected = max(expected, first + count)
    segments = [segment(first, [level("B", "ZIEXT", first + k, 1) for k in range(count)]) for first, count in sent]
    index = decoded(pcap(frames(segments)), tmp_path)
    assert [p.kind for p in index.problems] == problems
    assert (frame(tmp_path / "tape")["price"].to_list() if kept else []) == kept


def capture(kind, made):
    return {
        "big endian": lambda: pcap(made, ">"),
        "ns": lambda: pcap(made, ns=True),
        "big endian ns": lambda: pcap(made, ">", ns=True),
        "pcapng": lambda: pcapng(made),
        "pcapng big endian us": lambda: pcapng(made, ">", None),
        "sections": lambda: pcapng(made[:2], ">") + pcapng(made[2:]),
        "vlan": lambda: pcap([(stamp, datagram(frame[42:], vlan=True)) for stamp, frame in made]),
        "gzip members": lambda: gzip.compress(pcap(made)[:50]) + gzip.compress(pcap(made)[50:]),
    }[kind]()


@pytest.mark.parametrize(
    "kind",
    ["big endian", "ns", "big endian ns", "pcapng", "pcapng big endian us", "sections", "vlan", "gzip members"],
)
def test_every_kind_of_capture_gives_the_same_rows(kind, tmp_path):
    made = frames([segment(k, [level("B", "ZIEXT", k, 1, at=k)]) for k in range(1, 6)])
    decoded(pcap(made), tmp_path)
    plain = frame(tmp_path / "tape")
    path = tmp_path / "a.pcap"
    decoded(capture(kind, made), tmp_path)
    assert Iex().sniff(path).format == "iex" and frame(tmp_path / "tape").equals(plain)


def test_blocks_of_any_size_equal_the_whole(tmp_path):
    (path,) = write_iex_day(tmp_path, 2)
    whole = np.concatenate([block.copy() for block in Messages(path).rows()], axis=1)
    for block_bytes in (100, 777, 4096):
        assert (np.concatenate([b.copy() for b in Messages(path, block_bytes).rows()], axis=1) == whole).all()


@pytest.mark.parametrize("packed", [False, True])
@given(data=st.data())
@QUIET
def test_a_capture_cut_short_anywhere_is_read_up_to_there_and_says_so(packed, data, tmp_path):
    (path,) = write_iex_day(tmp_path, 3, messages=40)
    content = path.read_bytes() if packed else gzip.decompress(path.read_bytes())
    path.write_bytes(content)
    whole = np.concatenate([block.copy() for block in Messages(path).rows()], axis=1)
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    if Iex().sniff(path) is None:
        return
    messages = Messages(path)
    found = [block.copy() for block in messages.rows()]
    count = sum(block.shape[1] for block in found)
    assert not count or (np.concatenate(found, axis=1) == whole[:, :count]).all()
    at_packet = not packed and messages.problems() == []
    assert at_packet or [p.kind for p in messages.problems()] == ["truncated_tail"]


def test_a_segment_that_lies_about_its_messages_is_refused_with_its_place(tmp_path):
    good = segment(1, [level("B", "ZIEXT", 1, 1)])
    for at, value in ((12, 7), (14, 2), (40, 31), (40, 3)):
        bad = bytearray(segment(2, [level("B", "ZIEXT", 1, 1)]))
        struct.pack_into("<H", bad, at, value)
        with pytest.raises(UnreadableFileError, match="packet 2 at byte 154"):
            decoded(pcap(frames([good, bytes(bad)])), tmp_path)
    assert not list(tmp_path.glob("*tape*"))


def test_a_packet_of_impossible_length_is_refused(tmp_path):
    content = bytearray(pcap(frames([segment(1, [level("B", "ZIEXT", 1, 1)])] * 2)))
    struct.pack_into("<I", content, 154 + 8, 1 << 30)
    with pytest.raises(UnreadableFileError, match="byte 154"):
        decoded(bytes(content), tmp_path)


def test_a_flipped_byte_in_compressed_data_is_refused(tmp_path):
    (path,) = write_iex_day(tmp_path, 4)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=path.name):
        Iex().decode(path, tmp_path / "tape")


@given(data=st.data())
@QUIET
def test_damage_anywhere_never_crashes(data, tmp_path):
    made = frames([segment(k, [level("B", "ZIEXT", k, 1), trade("ZIEXT", 1, 1)]) for k in (1, 3, 5)])
    content = bytearray(data.draw(st.sampled_from([pcap(made), pcapng(made)])))
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "a.pcap"
    path.write_bytes(content)
    shutil.rmtree(tmp_path / "tape", ignore_errors=True)
    try:
        if Iex().sniff(path) is not None:
            Iex().decode(path, tmp_path / "tape")
    except UnreadableFileError as error:
        assert error.path == str(path) and error.position


@given(
    content=st.binary(max_size=300), start=st.sampled_from([b"", b"\xd4\xc3\xb2\xa1", b"\x0a\x0d\x0d\x0a", b"\x1f\x8b"])
)
@QUIET
def test_foreign_bytes_and_captures_of_something_else_are_not_claimed(content, start, tmp_path):
    path = tmp_path / "foreign"
    path.write_bytes(start + content)
    assert Iex().sniff(path) is None
    path.write_bytes(pcap([(OPEN_NS, datagram(content))]))
    assert Iex().sniff(path) is None


def test_a_finer_tick_scales_prices_only_and_one_that_rounds_is_refused(tmp_path):
    Iex().decode(write_iex_day(tmp_path, 5)[0], tmp_path / "tape")
    plain, fine = frame(tmp_path / "tape"), frame(tmp_path / "tape", tick_size=1e-5)
    assert (fine["price"] == plain["price"] * 10).all() and fine.drop("price").equals(plain.drop("price"))
    for units in ({"tick_size": 0.01}, {"lot_size": 100}):
        with pytest.raises(StudyError, match=next(iter(units))):
            frame(tmp_path / "tape", **units)


@pytest.mark.shared_data
def test_the_real_deep_capture_has_its_gaps_and_its_tail(shared_data, tmp_path):
    path = shared_data / "iex" / "DEEP10.pcap.gz"
    assert Iex().sniff(path).role == "tape"
    index = Iex().decode(path, tmp_path / "tape")
    kinds = [problem.kind for problem in index.problems]
    assert kinds == ["sequence_gap"] * 11 + ["truncated_tail"]
    assert index.problems[-1].position == "byte 22195748"
    assert index.rows == 93_638 + 83_343 + 14_627 + 12_941 and index.ignored["short_sale_status"] == 93_636
    assert {content.date for content in index.contents} == {"2017-04-25"}


@pytest.mark.shared_data
def test_the_real_tops_capture_equals_a_plain_reading_of_its_bytes(shared_data, tmp_path):
    path = shared_data / "iex" / "TOPS16.pcapng.gz"
    index = Iex().decode(path, tmp_path / "tape")
    raw, at, quotes, prints = gzip.decompress(path.read_bytes()), 24, {}, {}
    while at < len(raw):
        captured = struct.unpack_from("<I", raw, at + 8)[0]
        payload = at + 16 + 42
        place = payload + 40
        for _ in range(struct.unpack_from("<H", raw, payload + 14)[0]):
            length = struct.unpack_from("<H", raw, place)[0]
            message = raw[place + 2 : place + 2 + length]
            symbol = message[10:18].decode("latin-1").strip()
            if message[:1] == b"Q":
                quotes.setdefault(symbol, []).append(struct.unpack("<2xq8xIqqI", message))
            elif message[:1] == b"T":
                prints.setdefault(symbol, []).append(struct.unpack_from("<Iq", message, 18))
            place += 2 + length
        at += 16 + captured
    assert index.rows == 2 * sum(map(len, quotes.values())) + sum(map(len, prints.values())) + 7803
    busiest = sorted(prints, key=lambda symbol: -len(prints[symbol]))[:3]
    for symbol in busiest:
        found = frame(tmp_path / "tape", f"{symbol}.IEX", "2017-07-10")
        assert found.filter(action="T").select("size", "price").rows() == prints[symbol]
        bids, asks = (found.filter(action="Q", side=side) for side in "BA")
        assert bids.select("ts_event", "size", "price").rows() == [quote[:3] for quote in quotes[symbol]]
        assert asks.select("price", "size").rows() == [quote[3:] for quote in quotes[symbol]]
