"""Instrument-days out of tapes: what is a part, what a correction, what waits to be decoded."""

from __future__ import annotations

import os

import pytest

from feeds.adapters import sniff
from feeds.errors import UnreadableFileError
from feeds.ingest import UnitReader, decode_tape, spec_of
from feeds.landing import prune_decoded, register, scan, stage, tape_folder
from feeds.manifest import ManifestStore
from tests.support import itch_files
from tests.support.mapped_files import MAPPED_DATES, MAPPED_INSTRUMENTS, TRADES_MAPPING, write_mapped_day, write_mapping


@pytest.fixture
def root(tmp_path):
    return tmp_path / "study"


def decode_all(root):
    return [decode_tape(info, root) for info in scan(root).undecoded]


def age(path, seconds):
    stamp = path.stat().st_mtime + seconds
    os.utime(path, (stamp, stamp))


def read(unit, root):
    spec = spec_of(unit.format, unit.instrument, None, scan(root).specs.get(unit.instrument))
    reader = UnitReader(unit, spec)
    frames = list(reader.frames())
    return reader, frames


def test_a_tape_is_undecoded_first_and_holds_its_instrument_days_afterwards(tmp_path, root):
    stage(itch_files.write_itch_day(tmp_path, 1), root)
    index = scan(root)
    assert index.units == () and [info.format for info in index.undecoded] == ["itch"]
    decode_all(root)
    index = scan(root)
    assert index.undecoded == () and itch_files.INSTRUMENT in {unit.instrument for unit in index.units}
    assert {unit.date for unit in index.units} == {itch_files.DATE}


def test_a_tape_is_decoded_once(tmp_path, root, monkeypatch):
    stage(itch_files.write_itch_day(tmp_path, 1), root)
    info = scan(root).undecoded[0]
    first = decode_tape(info, root)

    def refuse(*arguments):
        raise AssertionError("decoded again")

    monkeypatch.setattr("feeds.adapters.itch.Itch.decode", refuse)
    assert decode_tape(info, root) == first


def test_a_mapping_travels_with_its_file_and_a_new_mapping_means_decoding_anew(tmp_path, root):
    data, mapping = write_mapped_day(tmp_path / "drop", 1)
    staged = stage([data], root)
    assert {path.name for path in staged} == {data.name, mapping.name}
    decode_all(root)
    units = scan(root).units
    assert {(unit.date, unit.instrument) for unit in units} == {
        (date, name) for date in MAPPED_DATES for name in MAPPED_INSTRUMENTS
    }
    write_mapping(mapping, TRADES_MAPPING, venue="OTHER")
    stage([data], root)
    assert [info.path.name for info in scan(root).undecoded] == [data.name]
    decode_all(root)
    changed = scan(root).units
    assert {unit.instrument for unit in changed} == {"AAA.OTHER", "BBB.OTHER"}
    assert not {unit.file_ids for unit in changed} & {unit.file_ids for unit in units}
    assert register(changed[0], ManifestStore(root / "manifests")) == changed[0].file_ids


def test_of_two_tapes_of_the_same_hours_the_younger_counts(tmp_path, root):
    old = itch_files.write_itch_day(tmp_path / "a", 1)
    new = itch_files.write_itch_day(tmp_path / "b", 2)
    staged = stage([*old, *new], root)
    age(next(path for path in staged if path.parent.name == "b"), 10)
    decode_all(root)
    unit = next(unit for unit in scan(root).units if unit.instrument == itch_files.INSTRUMENT)
    assert [path.parent.name for path in unit.files.values()] == ["b"]


def test_tapes_that_follow_each_other_are_parts_of_one_day_with_running_numbers(tmp_path, root):
    rows = []
    for name, hour in (("late", "12"), ("early", "11")):
        folder = tmp_path / name
        folder.mkdir()
        lines = [f"AAA,2024-01-02T{hour}:00:{k:02d}Z,10.0{k},1.000,buy" for k in range(5)]
        (folder / f"{name}.csv").write_text("\n".join(["symbol,ns,price,size,side", *lines]) + "\n")
        write_mapping(folder / "t2t.yaml", TRADES_MAPPING, files=["*.csv"], time={"column": "ns", "unit": "iso"})
        rows.append(folder)
    stage(rows, root)
    decode_all(root)
    (unit,) = scan(root).units
    tapes = [path.name for role, path in unit.files.items() if role.startswith("tape")]
    assert tapes == ["early.csv", "late.csv"]
    reader, frames = read(unit, root)
    numbers = [number for frame in frames for number in frame["sequence"].to_list()]
    stamps = [stamp for frame in frames for stamp in frame["ts_event"].to_list()]
    assert numbers == list(range(10)) and stamps == sorted(stamps) and reader.rows_in == 10


def test_every_row_is_accounted_for_while_it_is_read(tmp_path, root):
    stage(write_mapped_day(tmp_path, 3), root)
    decode_all(root)
    rejected = 0
    for unit in scan(root).units:
        reader, frames = read(unit, root)
        rows = sum(frame.height for frame in frames)
        assert reader.rows_in == rows + reader.rejected.height and reader.actions == {"T": rows}
        rejected += reader.rejected.height
    assert rejected == 1, "the writer puts one trade between two ticks"


def test_a_damaged_tape_is_refused_and_leaves_no_decoded_folder(tmp_path, root):
    (path,) = itch_files.write_itch_day(tmp_path, 1)
    path.write_bytes(path.read_bytes()[:-50])
    stage([path], root)
    info = scan(root).undecoded[0]
    with pytest.raises(UnreadableFileError, match="NASDAQ_ITCH50"):
        decode_tape(info, root)
    assert not tape_folder(info, root).exists() and len(scan(root).undecoded) == 1


def test_the_manifests_of_a_tapes_day_are_those_of_the_file(tmp_path, root):
    stage(itch_files.write_itch_day(tmp_path, 1), root)
    decode_all(root)
    unit = scan(root).units[0]
    assert register(unit, ManifestStore(root / "manifests")) == unit.file_ids


def test_a_mapping_is_no_tape(tmp_path, root):
    data, mapping = write_mapped_day(tmp_path, 1)
    stage([data, mapping], root)
    assert sniff(mapping).role == "mapping"
    assert [info.path.name for info in scan(root).undecoded] == [data.name]


def test_decoded_forms_go_with_their_files_and_no_earlier(tmp_path, root):
    (path,) = stage(itch_files.write_itch_day(tmp_path, 1), root)
    (index,) = decode_all(root)
    scan(root)
    assert prune_decoded(root) == 0 and scan(root).units
    path.unlink()
    scan(root)
    assert index.rows and prune_decoded(root) > 0 and list((root / "decoded").iterdir()) == []


@pytest.mark.shared_data
def test_a_real_capture_with_lost_messages_is_ingested_with_exactly_its_defects(root):
    from feeds.root import shared_root

    stage((shared_root() / "iex").glob("*DEEP*"), root)
    (index,) = decode_all(root)
    kinds = [problem.kind for problem in index.problems]
    assert kinds.count("sequence_gap") == 11 and kinds.count("truncated_tail") == 1 and len(kinds) == 12
    unit = max(scan(root).units, key=lambda unit: unit.instrument == "ZIEXT.IEX")
    reader, frames = read(unit, root)
    assert [problem.kind for problem in reader.problems] == kinds
    assert reader.rows_in == sum(frame.height for frame in frames) + reader.rejected.height
