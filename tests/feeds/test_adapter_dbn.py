"""Databento files: recognised, decoded whole, refused where damaged; real ones against the format's own decoder."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feeds.adapters.dbn import Dbn
from feeds.adapters.dbn_header import parse_header
from feeds.adapters.dbn_reader import Records
from feeds.errors import StudyError, UnreadableFileError
from feeds.schema import RAW_TICKS
from feeds.tape import load_index, read_tape
from sim.replay import with_book
from tests.support.dbn_files import (
    DBN_DATE,
    DBN_INSTRUMENT,
    LAST,
    MAYBE_BAD,
    definition,
    mbo,
    metadata,
    order_flow,
    symbol_mapping,
    trade,
    write,
    write_dbn_day,
    zstd,
)

P = 4_800_250_000_000
QUIET = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
KINDS = ("mbo", "mbp-1", "mbp-10", "tbbo", "trades", "definition")


def decoded(path, folder):
    shutil.rmtree(folder, ignore_errors=True)
    return Dbn().decode(path, folder)


def frame(folder, date=DBN_DATE, instrument=DBN_INSTRUMENT, **units):
    spec = load_index(folder).specs[instrument].model_copy(update=units)
    parts = list(read_tape(folder, date, instrument, spec))
    return pl.concat([part.frame for part in parts])


def matrix(path, block_bytes):
    return np.concatenate([rows.copy() for rows in Records(path, 7).rows(block_bytes)], axis=1)


def test_a_day_becomes_a_tape_of_canonical_rows(tmp_path):
    (path,) = write_dbn_day(tmp_path, 1)
    info = Dbn().sniff(path)
    assert (info.format, info.role, info.instrument, info.dates) == ("dbn", "tape", None, ())
    calls = []
    index = Dbn().decode(path, tmp_path / "tape", lambda *at: calls.append(at))
    assert [(c.date, c.instrument) for c in index.contents] == [(DBN_DATE, DBN_INSTRUMENT)] and index.rows >= 300
    assert calls[-1][0] == index.rows and calls[-1][1:] == (path.stat().st_size,) * 2
    rows = frame(tmp_path / "tape")
    assert dict(rows.schema) == RAW_TICKS and rows["sequence"].to_list() == list(range(index.rows))
    assert (rows["ts_recv"] - rows["ts_event"] == 1000).all()
    assert index.specs[DBN_INSTRUMENT].tick_size == 0.01 and rows["price"].max() < 10**6
    assert load_index(tmp_path / "tape") == index


def test_decoding_twice_gives_the_same_and_blocks_equal_the_whole(tmp_path):
    (path,) = write_dbn_day(tmp_path, 2)
    whole = matrix(path, 1 << 22)
    assert (whole == matrix(path, 1 << 22)).all()
    for block_bytes in (401, 1000, 4096):
        assert (whole == matrix(path, block_bytes)).all()


def test_levels_in_blocks_equal_the_whole(tmp_path):
    level = [((100 + k) * 10**9, (120 + k) * 10**9, k % 3, 2) for k in range(10)]
    records = [trade("A", flags=LAST * (k % 3 == 2), at=k, levels=level[k % 10 :] + level[: k % 10]) for k in range(90)]
    path = write(tmp_path / "levels.dbn", metadata(schema="mbp-10"), records, packed=False)
    assert (matrix(path, 1 << 22) == matrix(path, 400)).all()


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("ts_out", [False, True])
def test_versions_and_sending_stamps_change_nothing(version, ts_out, tmp_path):
    records = [
        mbo("A", "B", 1, P, 5, ts_out=7 if ts_out else None),
        mbo("A", "A", 2, P + 10**9, 5, ts_out=8 if ts_out else None),
    ]
    path = write(tmp_path / "a.dbn", metadata(version, ts_out=ts_out), records, packed=False)
    index = decoded(path, tmp_path / "tape")
    assert index.rows == 2 and frame(tmp_path / "tape")["price"].to_list() == [480_025, 480_125]


def test_frames_behind_each_other_are_one_content(tmp_path):
    head, records = metadata(), order_flow(3, 50)
    path = tmp_path / "frames.dbn.zst"
    path.write_bytes(zstd(head + records[0][:20], records[0][20:], b"".join(records[1:])))
    whole = write(tmp_path / "whole.dbn", head, records, packed=False)
    assert (matrix(path, 1 << 22) == matrix(whole, 1 << 22)).all()


def test_mappings_name_instruments_by_the_day(tmp_path):
    mappings = [
        ("ESH4", [(20240103, 20240104, "17")]),
        ("ESM4", [(20240104, 20240105, "17")]),
        ("BRK.B", [(20240103, 20240105, "18")]),
    ]
    day = 86_400 * 10**9
    records = [
        mbo("A", "B", 1, P, 1),
        mbo("A", "B", 2, P, 2, at=day),
        mbo("A", "B", 3, P, 3, instrument=18),
        mbo("A", "B", 4, P, 4, instrument=99),
    ]
    index = decoded(write(tmp_path / "a.dbn", metadata(mappings=mappings), records), tmp_path / "tape")
    found = {(c.date, c.instrument) for c in index.contents}
    assert found == {
        (DBN_DATE, "ESH4.GLBX"),
        ("2024-01-04", "ESM4.GLBX"),
        (DBN_DATE, "BRK-B.GLBX"),
        (DBN_DATE, "ID99.GLBX"),
    }


def test_a_live_recording_of_one_schema_is_named_by_its_mappings(tmp_path):
    head = metadata(schema=None, mappings=[])
    records = [symbol_mapping(3, "NQH4", 5), mbo("A", "B", 1, P, 1, instrument=5)]
    index = decoded(write(tmp_path / "a.dbn", head, records), tmp_path / "tape")
    assert [c.instrument for c in index.contents] == ["NQH4.GLBX"] and index.ignored == {"symbol_mapping": 1}
    mixed = write(tmp_path / "b.dbn", head, [*records, trade()])
    with pytest.raises(UnreadableFileError, match="market records of one schema"):
        decoded(mixed, tmp_path / "mixed")
    assert not list(tmp_path.glob("*mixed*"))


@pytest.mark.parametrize("version", [1, 2, 3])
def test_definitions_give_specs_and_no_rows(version, tmp_path):
    records = [
        definition(version, "ESH4", 250_000_000, 50, "USD"),
        definition(version, "FGBL", 10_000_000, 1000, "EUR", 18),
    ]
    path = write(tmp_path / "d.dbn", metadata(version, "definition", mappings=[]), records)
    assert Dbn().sniff(path).role == "definition"
    index = decoded(path, tmp_path / "tape")
    assert index.rows == 0 and index.params["contract_multipliers"] == {"ESH4.GLBX": 50, "FGBL.GLBX": 1000}
    assert {s.id: (s.tick_size, s.currency) for s in index.specs.values()} == {
        "ESH4.GLBX": (0.25, "USD"),
        "FGBL.GLBX": (0.01, "EUR"),
    }


def test_a_definition_among_the_records_states_the_increment(tmp_path):
    records = [definition(3, "ESH4", 250_000_000, 50, "USD"), mbo("A", "B", 1, 4800 * 10**9, 1)]
    index = decoded(write(tmp_path / "a.dbn", metadata(), records), tmp_path / "tape")
    spec = index.specs[DBN_INSTRUMENT]
    assert (spec.tick_size, spec.quote_increment_ticks) == (0.01, 25) and index.ignored == {"definition": 1}


def test_a_finer_price_late_in_the_file_makes_the_unit_finer_not_the_price_wrong(tmp_path):
    records = [mbo("A", "B", k, 4800 * 10**9, 1) for k in range(2000)] + [mbo("A", "A", 9999, 4800_123_400_000, 1)]
    path = write(tmp_path / "a.dbn", metadata(), records)
    assert Records(path).unit == 10**9
    index = decoded(path, tmp_path / "tape")
    assert index.specs[DBN_INSTRUMENT].tick_size == 0.0001
    assert frame(tmp_path / "tape")["price"].to_list()[-2:] == [48_000_000, 48_001_234]


def test_a_finer_tick_scales_prices_only_and_one_that_rounds_is_refused(tmp_path):
    decoded(write_dbn_day(tmp_path, 4)[0], tmp_path / "tape")
    plain, fine = frame(tmp_path / "tape"), frame(tmp_path / "tape", tick_size=0.001)
    assert (fine["price"] == plain["price"] * 10).all() and fine.drop("price").equals(plain.drop("price"))
    for units in ({"tick_size": 0.25}, {"lot_size": 100}):
        with pytest.raises(StudyError, match=next(iter(units))):
            frame(tmp_path / "tape", **units)


def test_a_doubtful_book_is_a_problem_and_a_gap(tmp_path):
    records = [mbo("A", "B", 1, P, 1), *[mbo("A", "B", k, P, 1, LAST | MAYBE_BAD) for k in (2, 3)]]
    index = decoded(write(tmp_path / "a.dbn", metadata(), records), tmp_path / "tape")
    assert [(p.kind, p.position) for p in index.problems] == [("lost_messages", "record 1")]
    assert frame(tmp_path / "tape")["flags"].to_list() == [0, 32, 0]


@pytest.mark.parametrize("schema", ["ohlcv-1s", "bbo-1s"])
def test_schemas_that_are_not_supported_are_refused_by_name(schema, tmp_path):
    with pytest.raises(UnreadableFileError, match=rf"schema {schema}; expected one of the schemas mbo, .*definition"):
        Dbn().sniff(write(tmp_path / "a.dbn", metadata(schema=schema), []))


def test_later_versions_are_refused(tmp_path):
    raw = bytearray(metadata())
    raw[3] = 4
    with pytest.raises(UnreadableFileError, match="version 4"):
        Dbn().sniff(write(tmp_path / "a.dbn", bytes(raw), []))


def test_a_count_of_records_that_is_not_met_is_refused(tmp_path):
    for records, good in ((1, True), (2, False)):
        path = write(tmp_path / "a.dbn", metadata(1, records=records), [mbo("A", "B", 1, P, 1)])
        if good:
            decoded(path, tmp_path / "tape")
        else:
            with pytest.raises(UnreadableFileError, match="2 records"):
                decoded(path, tmp_path / "tape")


@given(data=st.data())
@QUIET
def test_a_compressed_file_cut_short_anywhere_is_refused(data, tmp_path):
    (path,) = write_dbn_day(tmp_path / "day", 5, events=60)
    content = path.read_bytes()
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    if _sniffed(path):
        with pytest.raises(UnreadableFileError, match=path.name):
            decoded(path, tmp_path / "tape")
    assert not list(tmp_path.glob("*tape*"))


def _sniffed(path):
    try:
        return Dbn().sniff(path) is not None
    except UnreadableFileError:
        return False


@given(cut=st.integers(1, 55))
@QUIET
def test_a_plain_file_cut_inside_a_record_is_refused_with_its_byte(cut, tmp_path):
    head = metadata()
    path = write(tmp_path / "a.dbn", head, [mbo("A", "B", 1, P, 1), mbo("A", "B", 2, P, 1)[:cut]], packed=False)
    with pytest.raises(UnreadableFileError, match=f"byte {len(head) + 56} "):
        decoded(path, tmp_path / "tape")


def test_a_flipped_byte_in_compressed_data_with_a_checksum_is_refused(tmp_path):
    pytest.importorskip("zstandard")
    path = tmp_path / "a.dbn.zst"
    content = bytearray(zstd(metadata() + b"".join(order_flow(1, 200)), checksum=True))
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=path.name):
        Dbn().sniff(path)
        decoded(path, tmp_path / "tape")


@given(data=st.data())
@QUIET
def test_damage_anywhere_in_a_plain_file_never_crashes(data, tmp_path):
    content = bytearray(metadata() + b"".join(order_flow(6, 20)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "a.dbn"
    path.write_bytes(content)
    try:
        if Dbn().sniff(path) is not None:
            decoded(path, tmp_path / "tape")
    except UnreadableFileError as error:
        assert error.path == str(path) and error.position


@given(content=st.binary(max_size=300), start=st.sampled_from([b"", b"DBN", b"DBN\x03\xc6\0\0\0", b"\x28\xb5\x2f\xfd"]))
@QUIET
def test_foreign_bytes_are_refused_or_not_claimed(content, start, tmp_path):
    path = tmp_path / "foreign"
    path.write_bytes(start + content)
    try:
        assert Dbn().sniff(path) is None or start.startswith(b"DBN")
    except UnreadableFileError as error:
        assert error.path == str(path)


def test_metadata_are_read_as_written(tmp_path):
    head = parse_header(Path("x"), metadata(1, "tbbo", "XNAS.ITCH", stype_in=1, records=12))
    assert (head.version, head.dataset, head.schema, head.records, head.venue) == (1, "XNAS.ITCH", "tbbo", 12, "XNAS")
    assert [(m.symbol, m.resolved) for m in head.mappings] == [("ESH4", "17")]


@pytest.mark.shared_data
def test_a_real_session_builds_its_book_without_an_odd_order(shared_data, tmp_path):
    path = shared_data / "databento" / "esh4-glbx-mdp3-20231225.mbo.dbn.zst"
    index = decoded(path, tmp_path / "tape")
    rows = frame(tmp_path / "tape", "2023-12-25", "ESH4.GLBX")
    live, odd = {}, 0
    for action, order, price, size, side in rows.select("action", "order_id", "price", "size", "side").iter_rows():
        if action == "A":
            odd += order in live
            live[order] = [price, size, side]
        elif action in "MCF":
            odd += order not in live or (action != "M" and live[order][1] < size)
            live[order][:2] = [price, size] if action == "M" else [live[order][0], live[order][1] - size]
            if not live[order][1]:
                del live[order]
    best = [pick(p for p, _, s in live.values() if s == side) for side, pick in (("B", max), ("A", min))]
    assert odd == 0 and best[1] - best[0] == 25 and index.specs["ESH4.GLBX"].tick_size == 0.01
    booked, stats = with_book(rows)
    assert stats.duplicate_ids == 0 and stats.crossed_rows == 0
    # What the book gives up of the crossed minutes before the open, it cannot find later.
    assert stats.unknown_ids <= stats.evicted_orders
    assert booked.select("bid_px", "ask_px").row(-1) == tuple(best)
    assert index.rows + sum(index.ignored.values()) >= 68_792 and not index.problems


@pytest.mark.shared_data
def test_every_sample_is_decoded_or_refused_for_its_schema(shared_data, tmp_path):
    seen = set()
    for path in sorted((shared_data / "databento" / "samples").glob("*/*.dbn.zst")):
        schema = path.name.split(".")[1]
        if schema in KINDS:
            index = decoded(path, tmp_path / "tape")
            assert (index.rows > 0) == (schema != "definition") and not any(c.rejected for c in index.contents)
            seen.add(schema)
        else:
            with pytest.raises(UnreadableFileError, match="schema"):
                Dbn().sniff(path)
                decoded(path, tmp_path / "tape")
    assert seen == set(KINDS)


@pytest.mark.shared_data
def test_real_numbers_equal_the_own_decoder_of_the_format(shared_data, tmp_path):
    store = pytest.importorskip("databento").DBNStore
    for path in [
        *sorted((shared_data / "databento").glob("*.mbo.dbn.zst")),
        *sorted((shared_data / "databento" / "samples").glob("*/*.trades.dbn.zst")),
        *sorted((shared_data / "databento" / "samples").glob("*/*.tbbo.dbn.zst")),
    ]:
        theirs = store.from_file(path).to_ndarray()
        index = decoded(path, tmp_path / "tape")
        (content,) = index.contents
        tick = round(index.specs[content.instrument].tick_size * 1e9)
        ours = frame(tmp_path / "tape", content.date, content.instrument)
        if "order_id" in theirs.dtype.names:
            kept = np.isin(theirs["action"], [b"A", b"M"])
            theirs = theirs[kept & ~np.isin(theirs["order_id"], theirs["order_id"][theirs["action"] == b"F"])]
            ours = ours.filter(
                pl.col("action").is_in(["A", "M"]) & pl.col("order_id").is_in(theirs["order_id"].tolist())
            )
            assert (ours["order_id"].to_numpy() == theirs["order_id"]).all()
        elif "bid_px_00" in theirs.dtype.names:
            for side in ("bid", "ask"):
                stated = np.where(theirs[f"{side}_sz_00"] == 0, 0, theirs[f"{side}_px_00"])
                assert (ours[f"{side}_px"].to_numpy() * tick == stated).all()
                assert (ours[f"{side}_sz"].to_numpy() == theirs[f"{side}_sz_00"]).all()
        assert ours.height == len(theirs) > 0
        for name in ("ts_event", "ts_recv", "size"):
            assert (ours[name].to_numpy() == theirs[name].astype(np.int64)).all(), name
        assert (ours["price"].to_numpy() * tick == theirs["price"]).all()
        for name in ("action", "side"):
            assert ours[name].cast(pl.String).to_list() == [value.decode() for value in theirs[name].tolist()]
