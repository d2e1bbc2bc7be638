"""The landing zone: copying in, recognising, corrections, broken and waiting files."""

import os
from pathlib import Path

import pytest

from feeds import landing
from feeds.adapters import FileInfo
from feeds.errors import LakeError, UnknownFormatError
from feeds.landing import file_id, register, scan, stage
from feeds.manifest import ManifestStore, sha256_of_file
from feeds.quarantine import listing, quarantine
from tests.support.market_files import (
    write_bitstamp_capture,
    write_lobster_day,
    write_news_csv,
    write_us_equity_day,
)

DATE = "2013-10-07"
HEADLINE = ("2013-10-07T12:00:00Z", "IBM", "Profit beats expectations", "simulated")


@pytest.fixture
def root(tmp_path):
    return tmp_path / "study"


def equity(folder, ticker="IBM", seed=1, date=DATE):
    return write_us_equity_day(folder / ticker.lower(), ticker, date, seed, quotes=40, trades=10)


def only(units):
    (unit,) = units
    return unit


def age(path: Path, seconds: float) -> None:
    stamp = path.stat().st_mtime - seconds
    os.utime(path, (stamp, stamp))


def test_staged_files_lie_by_format_and_keep_their_folders_name(tmp_path, root):
    news = write_news_csv(tmp_path / "wire" / "news.csv", [HEADLINE])
    staged = stage([tmp_path / "ibm", news, *equity(tmp_path)], root)
    assert sorted(str(path.relative_to(root / "landing")) for path in staged) == [
        "news_csv/wire/news.csv",
        "us_equity_tick/ibm/20131007_quote.zip",
        "us_equity_tick/ibm/20131007_trade.zip",
    ]
    assert not list(root.rglob("*.tmp"))


def test_equal_names_of_two_folders_do_not_collide(tmp_path, root):
    stage([*equity(tmp_path, "IBM"), *equity(tmp_path, "BAC")], root)
    assert [unit.instrument for unit in scan(root).units] == ["BAC.US", "IBM.US"]


def test_staging_again_copies_nothing_and_leaves_the_files_untouched(tmp_path, root):
    files = equity(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in stage(files, root)}
    assert stage(files, root) == []
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_foreign_or_broken_file_does_not_stop_the_good_ones(tmp_path, root):
    files = equity(tmp_path)
    files[0].write_bytes(files[0].read_bytes()[:100])
    foreign = tmp_path / "notes.txt"
    foreign.write_text("remember the milk")
    staged = stage([foreign, *files], root)
    assert [path.relative_to(root / "landing").parts[0] for path in staged] == [
        "incoming",
        "incoming",
        "us_equity_tick",
    ]
    index = scan(root)
    assert {Path(error.path).name: type(error) is UnknownFormatError for error in index.bad} == {
        "notes.txt": True,
        "20131007_trade.zip": False,
    }
    unit = only(index.units)
    assert unit.missing_roles == () and unit.awaited_roles == ("trade",)


def test_dotfiles_and_unfinished_copies_are_not_looked_at(root):
    (root / "landing").mkdir(parents=True)
    for name in (".DS_Store", "half.zip.tmp", ".20131007_trade.zip.12.tmp"):
        (root / "landing" / name).write_text("x")
    assert scan(root) == landing.LandingIndex((), (), (), (), (), {})


def test_a_study_without_a_landing_zone_has_an_empty_index(root):
    assert scan(root) == landing.LandingIndex((), (), (), (), (), {})


def test_a_unit_holds_its_files_by_role_and_their_ids(tmp_path, root):
    stage(equity(tmp_path), root)
    unit = only(scan(root).units)
    assert (unit.date, unit.instrument, unit.format) == (DATE, "IBM.US", "us_equity_tick")
    assert {role: path.name for role, path in unit.files.items()} == {
        "quote": "20131007_quote.zip",
        "trade": "20131007_trade.zip",
    }
    assert unit.missing_roles == () and list(unit.file_ids) == sorted(unit.file_ids)


def test_a_second_scan_opens_no_file(tmp_path, root, monkeypatch):
    stage([*equity(tmp_path), write_news_csv(tmp_path / "n" / "news.csv", [HEADLINE])], root)
    (root / "landing" / "notes.txt").write_text("remember the milk")
    first = scan(root)

    def refuse(path):
        raise AssertionError(f"{path} was opened")

    monkeypatch.setattr(landing, "sniff", refuse)
    monkeypatch.setattr(landing, "sha256_of_file", refuse)
    second = scan(root)
    assert (second.units, second.daily) == (first.units, first.daily)
    assert [str(error) for error in second.bad] == [str(error) for error in first.bad]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"version": 0, "files": {}}'])
def test_an_index_that_cannot_be_used_is_built_anew(tmp_path, root, content):
    stage(equity(tmp_path), root)
    first = scan(root)
    (root / "landing_index.json").write_text(content)
    assert scan(root) == first


def test_a_corrected_file_under_the_same_name_changes_the_unit(tmp_path, root):
    stage(equity(tmp_path / "first"), root)
    before = only(scan(root).units)
    stage(equity(tmp_path / "second", seed=2), root)
    after = only(scan(root).units)
    assert after.files == before.files and not set(after.file_ids) & set(before.file_ids)


def test_of_two_files_of_one_role_the_younger_counts(tmp_path, root):
    old, new = equity(tmp_path / "a"), equity(tmp_path / "b", seed=2)
    for number, files in enumerate((new, old)):
        for path in files:
            target = root / "landing" / f"drop{number}" / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
            age(target, 100 * number)
    assert {path.parent.name for path in only(scan(root).units).files.values()} == {"drop0"}


def test_a_pair_of_files_stands_for_its_instrument_day_only_where_it_is_newer_than_the_zip(tmp_path, root):
    folder = root / "landing" / "lobster"
    pair = write_lobster_day(folder, "XYZ", "2012-06-21", 1, messages=20, plain=True)
    (whole,) = write_lobster_day(folder, "XYZ", "2012-06-21", 2, messages=20)
    for path in pair:
        age(path, 100)
    assert set(only(scan(root).units).files) == {"zip"}
    age(whole, 200)
    assert set(only(scan(root).units).files) == {"message", "orderbook"}
    pair[0].unlink()
    unit = only(scan(root).units)
    assert set(unit.files) == {"zip"} and unit.missing_roles == ()


def test_half_a_pair_says_what_is_missing(root):
    write_lobster_day(root / "landing", "XYZ", "2012-06-21", 1, messages=20, plain=True)[1].unlink()
    assert only(scan(root).units).missing_roles == ("orderbook",)


def test_a_capture_waits_for_its_meta_file_and_is_bad_without_it_in_the_end(root, monkeypatch):
    orders, trades, meta = write_bitstamp_capture(root / "landing" / "cap", 1, events=50)
    content = meta.read_text()
    meta.unlink()
    assert scan(root) == landing.LandingIndex((), (), (), (), (), {})
    age(trades, 2 * landing.PATIENCE_S)
    assert [Path(error.path).name for error in scan(root).bad] == ["trades.csv"]
    meta.write_text(content)
    index = scan(root)
    assert index.bad == () and only(index.units).missing_roles == ()
    meta.write_text(content.replace("btcusd", "ethusd"))
    assert only(scan(root).units).instrument == "ETHUSD.BITSTAMP"
    assert orders.is_file()


def test_a_damaged_meta_file_does_not_condemn_the_capture_beside_it(root):
    _, _, meta = write_bitstamp_capture(root / "landing" / "cap", 1, events=50)
    content = meta.read_text()
    meta.write_text(content[:-10])
    assert [Path(error.path).name for error in scan(root).bad] == ["meta.json"]
    meta.write_text(content)
    assert only(scan(root).units).missing_roles == ()


def test_registered_files_lead_back_to_their_bytes(tmp_path, root):
    stage(equity(tmp_path), root)
    unit = only(scan(root).units)
    manifests = ManifestStore(root / "manifests")
    assert register(unit, manifests) == unit.file_ids
    for manifest_id in unit.file_ids:
        manifest = manifests.get(manifest_id)
        assert manifest.kind == "raw_file" and manifest.sha256 == sha256_of_file(root / manifest.path)


def test_the_id_of_a_daily_file_is_the_one_it_is_registered_under(tmp_path, root):
    stage([write_news_csv(tmp_path / "n" / "news.csv", [HEADLINE])], root)
    info = only(scan(root).daily)
    assert isinstance(info, FileInfo) and register(info, ManifestStore(root / "manifests")) == (file_id(info, root),)


def test_a_file_replaced_between_scan_and_registration_is_noticed(tmp_path, root):
    stage(equity(tmp_path / "first"), root)
    unit = only(scan(root).units)
    stage(equity(tmp_path / "second", seed=2), root)
    with pytest.raises(LakeError, match="replaced while it was read"):
        register(unit, ManifestStore(root / "manifests"))
    assert list(ManifestStore(root / "manifests")) == []


def test_a_quarantined_file_lies_in_the_same_place_beside_its_reason(tmp_path, root):
    files = equity(tmp_path)
    files[1].write_bytes(files[1].read_bytes()[:100])
    stage(files, root)
    (error,) = scan(root).bad
    digest = sha256_of_file(Path(error.path))
    moved = quarantine(root, Path(error.path), error)
    assert moved == root / "quarantine" / "incoming" / "ibm" / "20131007_quote.zip"
    assert moved.read_bytes() == files[1].read_bytes() and not Path(error.path).exists()
    reason = only(listing(root))
    assert reason["file"] == "incoming/ibm/20131007_quote.zip" and reason["sha256"] == digest
    assert reason["position"] == "byte 100" and "zip" in reason["expected"] and reason["found"]
    assert str(root.parent) not in str(reason)
    assert scan(root).bad == ()


def test_a_second_quarantined_file_of_the_same_name_gets_a_number(root):
    for text in ("first", "second"):
        path = root / "landing" / "notes.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        (error,) = scan(root).bad
        quarantine(root, path, error)
    kept = {path.name: path.read_text() for path in (root / "quarantine").iterdir() if path.suffix == ".txt"}
    assert kept == {"notes.txt": "first", "notes.2.txt": "second"}
    assert len(listing(root)) == 2


def test_a_file_from_elsewhere_goes_to_quarantine_by_its_name(tmp_path, root):
    path = tmp_path / "elsewhere" / "notes.txt"
    path.parent.mkdir()
    path.write_text("remember the milk")
    error = UnknownFormatError(path, "byte 0", "a known format", "text")
    assert quarantine(root, path, error) == root / "quarantine" / "notes.txt"
