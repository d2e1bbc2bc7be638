"""What every market-data adapter must do, run on synthetic files of each format."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feeds.adapters import TAPE_ADAPTERS, TICK_ADAPTERS, all_adapters, sniff
from feeds.adapters.base import ParsedTicks, chunks_of, joined
from feeds.errors import RowAccountingError, StudyError, UnreadableFileError
from feeds.schema import RAW_TICKS, REJECTED_TICKS, empty
from feeds.tape import load_index, read_tape
from tests.support import binance_files, dbn_files, fx_files, iex_files, itch_files, mapped_files
from tests.support.market_files import write_bitstamp_capture, write_lobster_day, write_us_equity_day


@dataclass(frozen=True)
class Case:
    """One kind of files. ``actions`` are among those its rows have; a tape holds more instruments than this one."""

    format: str
    instrument: str
    date: str
    write: Callable[[Path], list[Path]]
    actions: frozenset[str] = frozenset({"T"})
    rows: int = 300

    @property
    def is_tape(self) -> bool:
        return self.format in TAPE_ADAPTERS

    @property
    def adapter(self):
        return TAPE_ADAPTERS[self.format] if self.is_tape else TICK_ADAPTERS[self.format]

    def files(self, folder: Path) -> dict[str, Path]:
        return {sniff(path).role: path for path in self.write(folder)}

    def parse(self, files: dict[str, Path], **units: float) -> ParsedTicks:
        return joined(self.chunks(files, **units))

    def chunks(self, files: dict[str, Path], **units: float) -> list[ParsedTicks]:
        spec = self.spec(files).model_copy(update=units)
        if not self.is_tape:
            return list(chunks_of(self.adapter, files, spec, self.date))
        return list(read_tape(self.decoded(files["tape"]), self.date, self.instrument, spec))

    def spec(self, files: dict[str, Path]):
        if self.is_tape:
            return load_index(self.decoded(files["tape"])).specs[self.instrument]
        return self.adapter.default_spec(self.instrument)

    def decoded(self, path: Path) -> Path:
        folder = path.parent / ".decoded" / path.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(exist_ok=True)
        self.adapter.decode(path, folder)
        return folder


DAY = "2013-10-08"
CASES = {
    "us_equity_tick": Case(
        "us_equity_tick", "IBM.US", DAY, lambda f: write_us_equity_day(f, "IBM", DAY, 1, quotes=300, trades=90)
    ),
    "lobster_zip": Case("lobster", "AMZN.NASDAQ", DAY, lambda f: write_lobster_day(f, "AMZN", DAY, 2, messages=300)),
    "lobster_pair": Case(
        "lobster", "AMZN.NASDAQ", DAY, lambda f: write_lobster_day(f, "AMZN", DAY, 2, messages=300, plain=True)
    ),
    "bitstamp": Case("bitstamp", "BTCUSD.BITSTAMP", "2026-05-02", lambda f: write_bitstamp_capture(f, 3, events=400)),
    "fx_tick": Case(
        "fx_tick",
        fx_files.FX_INSTRUMENT,
        fx_files.FX_DATE,
        lambda f: fx_files.write_fx_day(f, 4),
        actions=frozenset({"Q"}),
    ),
    **{
        f"binance_raw_{market}": Case(
            "binance_raw",
            binance_files.RAW_INSTRUMENT[market],
            binance_files.DATE,
            lambda f, market=market: binance_files.write_binance_raw_day(f, 5, market),
            actions=frozenset({"T", "L", "Q", "R"}),
        )
        for market in binance_files.RAW_INSTRUMENT
    },
    **{
        f"binance_archive_{market}": Case(
            "binance_archive",
            binance_files.ARCHIVE_INSTRUMENT[market],
            binance_files.DATE,
            lambda f, market=market: binance_files.write_binance_archive_day(
                f, 6, market, ("trades",) if market == "spot" else ("trades", "bookTicker")
            ),
        )
        for market in binance_files.ARCHIVE_INSTRUMENT
    },
    "itch": Case("itch", itch_files.INSTRUMENT, itch_files.DATE, lambda f: itch_files.write_itch_day(f, 7), rows=100),
    "dbn": Case("dbn", dbn_files.DBN_INSTRUMENT, dbn_files.DBN_DATE, lambda f: dbn_files.write_dbn_day(f, 8), rows=50),
    "iex": Case("iex", iex_files.IEX_INSTRUMENT, iex_files.IEX_DATE, lambda f: iex_files.write_iex_day(f, 8), rows=50),
    "mapped": Case(
        "mapped",
        mapped_files.MAPPED_INSTRUMENTS[0],
        mapped_files.MAPPED_DATES[0],
        lambda f: mapped_files.write_mapped_day(f, 9, kind="csv.gz"),
        rows=50,
    ),
}
#: Captures that by nature end anywhere: what is missing is reported, not refused.
ENDS_ANYWHERE: frozenset[str] = frozenset({"iex"})


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def test_every_format_is_covered_here():
    assert {case.format for case in CASES.values()} == {*TICK_ADAPTERS, *TAPE_ADAPTERS}


def test_files_are_recognised_with_instrument_and_date(case, tmp_path):
    infos = [sniff(path) for path in case.write(tmp_path)]
    if case.is_tape:
        tape = next(info for info in infos if info.role == "tape")
        assert (tape.format, tape.instrument, tape.dates) == (case.format, None, ())
        contents = load_index(case.decoded(tape.path)).contents
        assert (case.date, case.instrument) in {(content.date, content.instrument) for content in contents}
        return
    assert {(i.format, i.instrument, i.dates) for i in infos} == {(case.format, case.instrument, (case.date,))}
    roles = {info.role for info in infos}
    adapter = case.adapter
    assert not adapter.required_roles or roles == adapter.required_roles or roles <= adapter.whole_roles


def test_a_file_is_claimed_by_one_adapter_only(case, tmp_path):
    for path in case.write(tmp_path):
        claims = [name for name, a in all_adapters().items() if a.sniff(path) is not None]
        assert claims == [case.format]


def test_a_zip_is_recognised_under_any_name(case, tmp_path):
    for path in case.write(tmp_path):
        if path.suffix == ".zip":
            renamed = path.rename(tmp_path / f"{path.stem}_copy (1).dat")
            assert sniff(renamed).instrument == case.instrument


def test_frames_have_the_schema_and_sequence_numbers_run_over_all_rows(case, tmp_path):
    parsed = case.parse(case.files(tmp_path))
    assert dict(parsed.frame.schema) == RAW_TICKS and dict(parsed.rejected.schema) == REJECTED_TICKS
    numbers = [*parsed.frame["sequence"].to_list(), *parsed.rejected["sequence"].to_list()]
    assert sorted(numbers) == list(range(len(numbers))) and len(numbers) >= case.rows
    assert parsed.rows_in == len(numbers) + sum(parsed.ignored.values())
    required = [name for name in RAW_TICKS if not name.startswith(("bid_", "ask_"))]
    assert sum(parsed.frame.select(required).null_count().row(0)) == 0


def test_stamps_lie_on_the_day_and_prices_and_sizes_fit_each_other(case, tmp_path):
    frame = case.parse(case.files(tmp_path)).frame
    days = frame["ts_event"].cast(pl.Datetime("ns")).dt.date().cast(pl.String).unique().to_list()
    assert days == [case.date]
    priced = frame.filter(~pl.col("action").cast(pl.String).is_in(["R", "H"]))
    assert priced["price"].min() > 0 and frame["size"].min() >= 0
    assert case.actions <= set(frame["action"].to_list()) and len(frame["side"].unique()) >= 2


def test_parsing_twice_gives_the_same(case, tmp_path):
    first, second = (case.parse(case.files(tmp_path / name)) for name in ("a", "b"))
    assert first.frame.equals(second.frame) and first.rejected.equals(second.rejected)


def test_a_finer_tick_scales_prices_and_nothing_else(case, tmp_path):
    files = case.files(tmp_path)
    plain, fine = case.parse(files), case.parse(files, tick_size=case.spec(files).tick_size / 10)
    assert (fine.frame["price"] == plain.frame["price"] * 10).all()
    prices = [name for name in ("price", "bid_px", "ask_px") if plain.frame[name].null_count() == 0]
    assert fine.frame.drop(prices).equals(plain.frame.drop(prices))


def test_chunks_hold_the_rows_of_the_whole_in_order(case, tmp_path):
    files = case.files(tmp_path)
    if not case.is_tape:
        spec = case.spec(files)
        whole = case.adapter.parse(files, spec, case.date)
        assert joined(case.chunks(files)).frame.equals(whole.frame)
    first = [chunk.frame["sequence"].to_list() for chunk in case.chunks(files)]
    assert all(numbers == sorted(numbers) for numbers in first)


@pytest.mark.parametrize("units", [{"tick_size": 0.0003}, {"tick_size": 0.01}, {"lot_size": 100}])
@pytest.mark.parametrize("name", ["us_equity_tick", "lobster_zip", "itch", "fx_tick"])
def test_units_that_would_round_are_refused(name, units, tmp_path):
    case = CASES[name]
    with pytest.raises(StudyError, match=next(iter(units))):
        case.parse(case.files(tmp_path), **units)


def read(case: Case, folder: Path, source: Path) -> None:
    """Recognise and parse a folder's files, where ``source`` was damaged, as the landing zone does."""
    files = {}
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        if path == source or path.suffix != ".json":
            files[sniff(path).role] = path
        else:
            files["meta"] = path
    case.parse(files)


@pytest.mark.parametrize("name", sorted(CASES.keys() - ENDS_ANYWHERE))
@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_cut_short_anywhere_is_refused_by_name(name, data, tmp_path):
    case, folder = CASES[name], tmp_path / "cut"
    shutil.rmtree(folder, ignore_errors=True)
    files = case.write(folder)
    read(case, folder, files[0])
    files = [path for path in files if sniff(path).role != "mapping"]
    victim = data.draw(st.sampled_from(files))
    content = victim.read_bytes()
    victim.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(UnreadableFileError) as caught:
        read(case, folder, victim)
    assert caught.value.path.startswith(str(folder)) and caught.value.position


@pytest.mark.parametrize(
    "name", ["us_equity_tick", "lobster_zip", "bitstamp", "fx_tick", "binance_raw_spot", "binance_archive_um", "mapped"]
)
def test_a_flipped_byte_inside_compressed_data_is_refused(name, tmp_path):
    case = CASES[name]
    files = case.files(tmp_path)
    victim = next(path for path in files.values() if path.suffix in (".zip", ".gz"))
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 0xFF
    victim.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=victim.name):
        case.parse(files)


def test_a_truncated_zip_is_rejected_with_its_byte_position(tmp_path):
    victim = CASES["us_equity_tick"].write(tmp_path)[0]
    victim.write_bytes(victim.read_bytes()[:700])
    with pytest.raises(UnreadableFileError, match="at byte 700"):
        sniff(victim)


def test_lost_rows_are_noticed():
    with pytest.raises(RowAccountingError, match="3 rows in"):
        ParsedTicks(empty("raw_ticks"), 3, empty("rejected_ticks"))


@given(content=st.binary(max_size=300))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_adapter_stumbles_over_foreign_bytes(content, tmp_path):
    path = tmp_path / "foreign"
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError):
        sniff(path)
