"""Files of many instruments and published bars through sensor and runner; corrections make what is downstream stale."""

from __future__ import annotations

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus

from assets.checks import evaluate_table
from assets.partitions import instrument_day_key
from assets.universe import why_excluded
from feeds.adapters import TAPE_ADAPTERS
from feeds.lake import Lake
from feeds.landing import stage
from feeds.quarantine import listing
from pipelines.definitions import build_defs
from pipelines.jobs import DECODE, INGEST, PUBLISHED
from pipelines.runner import GraphRunner
from tests.pipelines.conftest import make_flow
from tests.pipelines.test_automation import Automation, ingest, store_of, tick
from tests.support import itch_files, mapped_files
from tests.support.fx_files import write_minute_day
from tests.support.market_files import write_us_equity_day
from tests.support.studies import DATES

DAY = mapped_files.MAPPED_DATES[0]
NAMES = mapped_files.MAPPED_INSTRUMENTS
TRADES = {
    "dates": {"start": "2024-01-02", "end": "2024-01-05"},
    "calendar": "24/7",
    "session": "all",
    "instruments": [{"id": NAMES[0], "tick_size": 0.01, "lot_size": 0.001}],
    "split": {"kind": "walk_forward", "train_days": 1},
}


@pytest.fixture
def tapes(tmp_path):
    """A tape of trades of two instruments on two days, in the landing zone of a study."""
    (tmp_path / "files" / "aaa").mkdir(parents=True)
    flow = make_flow(tmp_path, **TRADES)
    stage(mapped_files.write_mapped_day(tmp_path / "drop", 1, rows=2_000), flow.root)
    return flow


def run(flow, requests):
    defs = build_defs(flow.yaml, flow.root)
    for request in requests:
        job = defs.resolve_job_def(request.job_name)
        result = job.execute_in_process(
            instance=flow.instance, partition_key=request.partition_key, raise_on_error=False
        )
        assert result.success, request.job_name


def names(requests):
    return [request.job_name for request in requests]


def test_a_tape_is_decoded_first_and_its_instrument_days_follow(tapes):
    first = tick(tapes)
    assert names(first.run_requests) == [DECODE]
    run(tapes, first.run_requests)
    second = [request for request in tick(tapes).run_requests if request.job_name == INGEST]
    assert {str(r.partition_key) for r in second} == {
        f"{date}|{name}" for date in mapped_files.MAPPED_DATES for name in NAMES
    }
    run(tapes, second)
    assert not {DECODE, INGEST} & set(names(tick(tapes).run_requests))


def test_after_a_restart_without_its_index_no_file_is_missed_or_repeated(tapes):
    run(tapes, tick(tapes).run_requests)
    half = [request for request in tick(tapes).run_requests if request.job_name == INGEST][:2]
    run(tapes, half)
    (tapes.root / "landing_index.json").unlink()
    rest = [request for request in tick(tapes).run_requests if request.job_name == INGEST]
    done = {str(r.partition_key) for r in half}
    assert len(rest) == 2 and not done & {str(r.partition_key) for r in rest}


def test_a_damaged_tape_goes_to_quarantine_and_the_others_are_decoded(tapes):
    (broken,) = itch_files.write_itch_day(tapes.folder / "broken", 1)
    broken.write_bytes(broken.read_bytes()[:-40])
    stage([broken], tapes.root)
    (request,) = tick(tapes).run_requests
    result = (
        build_defs(tapes.yaml, tapes.root)
        .resolve_job_def(request.job_name)
        .execute_in_process(instance=tapes.instance, raise_on_error=False)
    )
    assert not result.success
    assert [entry["file"].rsplit("/", 1)[-1] for entry in listing(tapes.root)] == [itch_files.NAME]
    assert INGEST in names(tick(tapes).run_requests)


def test_a_days_figures_and_defects_are_in_the_manifest_of_its_raw_ticks(tapes):
    summary = GraphRunner(tapes.yaml, tapes.root, instance=tapes.instance).run(nights=0, ticks_only=True)
    assert [row["format"] for row in summary.decoded] == ["mapped"]
    lake = Lake(tapes.root)
    days = [(date, name) for date in mapped_files.MAPPED_DATES for name in NAMES]
    params = [lake.manifest("raw_ticks", *day).params for day in days]
    assert sum(entry["rows_in"] for entry in params) == 2_000
    assert sum(entry["rows_rejected"] for entry in params) == 1
    assert all(entry["problems"] == [] for entry in params)


def test_trades_alone_become_bars_and_the_universe_says_why_there_are_no_features(tapes):
    summary = GraphRunner(tapes.yaml, tapes.root, instance=tapes.instance).run(nights=0)
    built = [outcome for outcome in summary.outcomes if outcome.step.job == "build_instrument_day"]
    assert {outcome.state for outcome in built} == {"done"}
    lake = Lake(tapes.root)
    assert lake.read("bars", DAY, NAMES[0])["trades"].sum() > 100
    assert lake.read("microstructure_features", DAY, NAMES[0]).is_empty()
    assert "trades only" in str(why_excluded(lake, DAY, NAMES[0]))


def test_a_decoder_that_breaks_halfway_leaves_the_tape_to_be_decoded_again(tapes, monkeypatch):
    def fail(path, folder, progress=None):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(TAPE_ADAPTERS["mapped"], "decode", fail, raising=False)
    job = build_defs(tapes.yaml, tapes.root).resolve_job_def(DECODE)
    result = job.execute_in_process(instance=tapes.instance, raise_on_error=False)
    assert not result.success
    failed = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
    assert "No space left" in failed[0].step_failure_data.user_failure_data.description
    monkeypatch.undo()
    assert names(tick(tapes).run_requests) == [DECODE]


def test_published_bars_are_ingested_and_held_against_ours(flow):
    stage(write_minute_day(flow.folder / "minutes", 1, ticker="AAA", date=DATES[0]), flow.root)
    requests = tick(flow).run_requests
    published = [request for request in requests if request.job_name == PUBLISHED]
    assert [str(request.partition_key) for request in published] == [f"{DATES[0]}|AAA.US"]
    ingest(flow, (DATES[0], "AAA.US"))
    run(flow, published)
    shares = Lake(flow.root).read("bar_match", DATES[0], "AAA.US")
    assert set(shares["field"]) == {"open", "high", "low", "close", "volume_lots"}
    assert PUBLISHED not in names(tick(flow).run_requests)


def test_trades_without_their_awaited_quotes_pass_with_a_warning(tmp_path):
    paths = write_us_equity_day(tmp_path / "files" / "aaa", "AAA", DATES[0], seed=1, trades=400)
    next(path for path in paths if "quote" in path.name).unlink()
    flow = make_flow(tmp_path)
    stage([path for path in paths if path.is_file()], flow.root)
    GraphRunner(flow.yaml, flow.root, instance=flow.instance).run(nights=0, ticks_only=True)
    verdict = evaluate_table(store_of(flow), "raw_ticks", DATES[0], "AAA.US")
    assert not verdict.passed and verdict.severity == dg.AssetCheckSeverity.WARN
    assert "quote" in str(verdict.description)


def test_a_corrected_file_makes_what_is_downstream_stale_and_the_automation_builds_it_again(flow):
    automation = Automation(flow)
    automation.requested()
    ingest(flow, (DATES[0], "AAA.US"), (DATES[0], "BBB.US"))
    automation.settle()
    stage(write_us_equity_day(flow.folder / "fix" / "aaa", "AAA", DATES[0], seed=77), flow.root)
    ingest(flow, (DATES[0], "AAA.US"))
    graph = build_defs(flow.yaml, flow.root).resolve_asset_graph()
    resolver = CachingStaleStatusResolver(flow.instance, graph, _context(flow))
    key = dg.AssetKey("clean_ticks")
    corrected = resolver.get_status(key, str(instrument_day_key(DATES[0], "AAA.US")))
    other = resolver.get_status(key, str(instrument_day_key(DATES[0], "BBB.US")))
    assert (corrected, other) == (StaleStatus.STALE, StaleStatus.FRESH)
    assert "older than what it is made from" in str(why_excluded(Lake(flow.root), DATES[0], "AAA.US"))
    seen = automation.settle()
    assert ("clean_ticks", f"{DATES[0]}|AAA.US") in seen and ("feature_table", DATES[0]) in seen
    assert ("clean_ticks", f"{DATES[0]}|BBB.US") not in seen


def _context(flow):
    from dagster._core.loader import LoadingContextForTest

    return LoadingContextForTest(flow.instance)


def test_an_itch_day_goes_from_bytes_to_features(tmp_path):
    (tmp_path / "files" / "aaa").mkdir(parents=True)
    flow = make_flow(
        tmp_path,
        dates={"start": itch_files.DATE, "end": itch_files.DATE},
        instruments=[{"id": itch_files.INSTRUMENT, "tick_size": 0.0001, "lot_size": 1, "quote_increment_ticks": 100}],
        admit_new_instruments=False,
    )
    stage(itch_files.write_itch_day(tmp_path / "drop", 5, events=6_000), flow.root)
    summary = GraphRunner(flow.yaml, flow.root, instance=flow.instance).run(nights=0)
    outcomes = {outcome.step.partition: (outcome.state, outcome.problems) for outcome in summary.outcomes}
    assert outcomes[f"{itch_files.DATE}|{itch_files.INSTRUMENT}"] == ("done", ())
    lake = Lake(flow.root)
    clean = lake.manifest("clean_ticks", itch_files.DATE, itch_files.INSTRUMENT)
    assert clean.params["figures"]["book"] == "orders" and clean.rows > 500
    assert lake.read("microstructure_features", itch_files.DATE, itch_files.INSTRUMENT).height > 20
    assert lake.symbols("raw_ticks", itch_files.DATE) == [itch_files.INSTRUMENT], "others were not asked for"
