"""The files of the demo market: equal bytes, read by the real adapters, the plant measurable in them."""

import hashlib
import json
import zipfile
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import sim.demo_market as demo
from feeds.adapters import DAILY_ADAPTERS, TICK_ADAPTERS, sniff
from feeds.calendar import session_bounds
from feeds.cleaning import book_kind, filter_rows, finish
from feeds.errors import StudyError
from feeds.quality.run import run_suite
from feeds.study import load_study
from sim.demo_config import DEMO_MARKETS, NewsPlant
from sim.demo_flow import DemoTape
from sim.demo_lobster import books, message_types
from sim.demo_paths import plan_market
from sim.flow_params import FlowParams
from sim.replay import BOOK_COLUMNS, with_book
from tests.support.demo_markets import DATES, quiet_market, small_market

FITTED = FlowParams.example()
ADAPTER = TICK_ADAPTERS["lobster"]


def generate(folder, config):
    demo.generate(config, folder, fitted=FITTED)
    return folder


def bytes_of(folder):
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def parse(path):
    info = sniff(path)
    return info, ADAPTER.parse({"zip": path}, ADAPTER.default_spec(info.instrument), info.dates[0])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return generate(tmp_path_factory.mktemp("market"), small_market())


@pytest.fixture(scope="module")
def days(folder):
    return [parse(path) for path in sorted((folder / "files" / "lobster").glob("*.zip"))]


def test_equal_settings_give_equal_bytes_and_another_seed_other_ones(folder, tmp_path):
    again = bytes_of(generate(tmp_path / "again", small_market()))
    assert again == bytes_of(folder)
    other = bytes_of(generate(tmp_path / "other", small_market(seed=1)))
    assert other.keys() == again.keys()
    assert all(other[name] != again[name] for name in again)


def test_every_file_says_that_it_is_simulated(folder):
    files = sorted(path.name for path in (folder / "files").rglob("*") if path.is_file())
    assert files == [
        *(f"ELM@SIM_{date}_34200000_37800000_5.zip" for date in DATES),
        "news.csv",
        "signals.csv",
    ]
    for name, fmt in (("news.csv", "news_csv"), ("signals.csv", "signals_csv")):
        assert sniff(folder / "files" / name).format == fmt
        assert set(DAILY_ADAPTERS[fmt].read(folder / "files" / name)["source"]) == {"simulated"}
    assert json.loads((folder / "plant.json").read_text())["what"].startswith("SIMULATED")


def test_the_adapter_reads_every_row_and_rejects_none(days):
    assert [(info.instrument, info.dates[0]) for info, _ in days] == [("ELM.SIM", date) for date in DATES]
    for info, parsed in days:
        assert parsed.rejected.is_empty() and parsed.rows_in == parsed.frame.height > 3000
        start, end = session_bounds("XNYS", info.dates[0])
        assert parsed.frame["ts_event"].min() == start
        assert parsed.frame["ts_event"].max() < start + 3600 * 10**9 < end
        assert set(parsed.frame["action"].unique().cast(pl.String)) == {"A", "C", "F"}


def test_the_book_rows_are_what_the_messages_build(days):
    for _, parsed in days:
        rebuilt, stats = with_book(parsed.frame, levels=5)
        assert rebuilt.select(BOOK_COLUMNS).equals(parsed.frame.select(BOOK_COLUMNS))
        assert (stats.unknown_ids, stats.duplicate_ids, stats.crossed_rows, stats.pending_orders) == (0, 0, 0, 0)


def test_a_deletion_takes_the_rest_of_its_order(days):
    events = days[0][1].frame
    left = pl.when(pl.col("action") == "A").then("size").otherwise(-pl.col("size")).cum_sum().over("order_id")
    assert (events.select(left.alias("left"))["left"] >= 0).all()
    assert (events.filter(pl.col("action") == "C").height) > 0


def test_a_cancelled_part_is_no_deletion():
    add, cancel, fill = 0, 2, 3
    rows = np.zeros((5, 12), np.int64)
    rows[:, 1] = [add, cancel, fill, cancel, add]
    rows[:, 3] = [7, 7, 7, 7, 8]
    rows[:, 5] = [10, 3, 2, 5, 1]
    assert message_types(rows).tolist() == [1, 2, 4, 3, 1]


def test_an_empty_level_has_lobsters_price():
    levels = np.array([[1_000_100, 5, 0, 0, 0, 0, 0, 0]])
    assert books(DemoTape(np.zeros((1, 12), np.int64), levels)).row(0) == (
        *(1_000_100, 5, -9_999_999_999, 0),
        *(9_999_999_999, 0, -9_999_999_999, 0),
    )
    assert levels[0, 2] == 0, "the tape is left as it was"


def test_raw_and_clean_ticks_pass_their_suites(days):
    info, parsed = days[1]
    spec, bounds = ADAPTER.default_spec(info.instrument), session_bounds("XNYS", info.dates[0])
    assert book_kind(parsed.frame) == "stated"
    kept, refused = filter_rows(parsed.frame, spec, bounds)
    clean, late = finish(kept, bounds)
    # Only the first order of the opening book meets an empty side.
    assert refused.is_empty() and late["reason"].to_list() == ["one_sided_book"]
    for table, frame in (("raw_ticks", parsed.frame), ("clean_ticks", clean)):
        result = run_suite(table, frame)
        assert [one.expectation for one in result.results if not one.passed] == []


def test_headlines_move_the_mid_as_stated_and_neutral_ones_nothing(tmp_path):
    config = quiet_market(
        dates=(*DATES, "2026-03-10"),
        crash=None,
        news=NewsPlant(neutral_share=0.34, drift_bps=35.0),
        signals=replace(quiet_market().signals, weak_bps_per_min=0.0),
    )
    generate(tmp_path, config)
    plans = {plan.date: plan for plan in plan_market(config)}
    moves = {-1: [], 0: [], 1: []}
    for path in sorted((tmp_path / "files" / "lobster").glob("*.zip")):
        info, parsed = parse(path)
        plan = plans[info.dates[0]]
        stamps = parsed.frame["ts_event"].to_numpy()
        mid = np.log((parsed.frame["bid_px"] + parsed.frame["ask_px"]).to_numpy())
        for line in plan.headlines:
            if config.instruments[line.instrument].symbol == info.instrument:
                ends = plan.open_ns + np.array([line.second, line.second + config.news.drift_s + 60]) * 10**9
                before, after = mid[np.searchsorted(stamps, ends, side="right") - 1]
                moves[line.mood].append(1e4 * (after - before))
    for mood, found in moves.items():
        error = np.std(found) / len(found) ** 0.5
        assert len(found) >= 5 and error < 4
        assert np.mean(found) == pytest.approx(mood * config.news.drift_bps, abs=4 * error)


def test_headlines_are_scored_as_they_are_meant():
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    from models.sentiment import score_texts
    from sim.demo_headlines import MOODS

    company = DEMO_MARKETS["demo_market"].instruments[2].company
    for mood, templates in MOODS.items():
        scores = score_texts([text.format(company=company, number=7) for text in templates])["score"]
        assert (scores * mood > 0.8).all() if mood else (scores.abs() < 0.1).all()


def test_placebo_and_weak_signal_are_told_when_their_slot_begins(folder):
    signals = DAILY_ADAPTERS["signals_csv"].read(folder / "files" / "signals.csv")
    config = small_market()
    plan = plan_market(config)[0]
    first = signals.filter(pl.col("available_at") == plan.open_ns).sort("name")
    assert first["name"].to_list() == ["placebo", "weak_signal"]
    assert first["value"].to_list() == pytest.approx(plan.signals[0, 0, ::-1].tolist(), abs=1e-6)
    assert signals.height == 2 * 2 * 2 and (signals["available_at"] == signals["effective_at"]).all()


def test_the_truth_lies_beside_the_files_and_not_among_them(folder):
    assert sorted(path.stem for path in (folder / "truth").iterdir()) == list(DATES)
    assert not any("truth" in str(path) for path in (folder / "files").rglob("*"))
    assert pl.read_parquet(folder / "truth" / f"{DATES[1]}.parquet")["anomaly"].any()


def test_a_zip_holds_no_time_of_writing(folder):
    with zipfile.ZipFile(next((folder / "files" / "lobster").glob("*.zip"))) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.fixture
def registered(monkeypatch):
    config = small_market(dates=DATES[:1], session_s=600, crash=None)
    monkeypatch.setattr(demo, "DEMO_MARKETS", {"small": config})
    monkeypatch.setattr(demo, "fitted_flow", lambda: FITTED)
    return config


def test_a_market_is_generated_once_and_found_again(registered, tmp_path, monkeypatch):
    told = []
    first = demo.market_folder("small", tmp_path, told.append)
    assert told == [f"simulating small: {DATES[0]} (1 of 1)"]
    monkeypatch.setattr(demo, "fitted_flow", lambda: pytest.fail("generated a second time"))
    assert demo.market_folder("small", tmp_path) == first
    assert [path.name for path in (tmp_path / "_simulated").iterdir()] == [f"small-{demo.market_digest(registered)}"]


def test_a_generation_that_fails_leaves_nothing(registered, tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "signals_csv", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        demo.market_folder("small", tmp_path)
    assert list((tmp_path / "_simulated").iterdir()) == []


def test_other_settings_or_code_make_another_folder(registered, tmp_path, monkeypatch):
    old = demo.market_digest(registered)
    assert demo.market_digest(replace(registered, seed=9)) != old
    capture = demo._capture_files()
    copy = tmp_path / capture[0].name
    copy.write_bytes(capture[0].read_bytes() + b" ")
    monkeypatch.setattr(demo, "_capture_files", lambda: [copy, *capture[1:]])
    assert demo.market_digest(registered) != old


def test_an_unknown_market_is_named(tmp_path):
    with pytest.raises(StudyError, match=r"simulated market; received 'nothing'; expected one of \['demo_market'\]"):
        demo.market_folder("nothing", tmp_path)


def test_the_study_speaks_of_the_same_market():
    config, study = DEMO_MARKETS["demo_market"], load_study("demo_market")
    assert [spec.id for spec in study.instruments] == [instrument.symbol for instrument in config.instruments]
    assert (str(study.dates.start), str(study.dates.end)) == (config.dates[0], config.dates[-1])
    assert study.label.horizon_ms == 1000 * config.horizon_s and study.costs.latency_ms == config.latency_ms
    assert study.simulated_market and all(source.simulated for source in study.sources)
    assert "SIMULATED" in study.title and "SIMULATED" in study.description
    for spec in study.instruments:
        assert spec == ADAPTER.default_spec(spec.id)
