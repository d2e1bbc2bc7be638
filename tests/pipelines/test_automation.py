"""Sensor, schedule and automation ticks: new, repeated, late and corrected files, new instruments."""

import datetime as dt
import json
from dataclasses import dataclass

import dagster as dg

from assets.partitions import instrument_day_key
from assets.store import StudyStore
from feeds.lake import Lake
from pipelines.definitions import build_defs
from pipelines.jobs import INGEST, INSTRUMENT_DAY, NEWS, NIGHTLY
from pipelines.schedules import decide
from tests.support.market_files import write_us_equity_day
from tests.support.studies import DATES


@dataclass
class Tick:
    run_requests: list
    asset_events: list
    skip_message: str


def tick(flow):
    """Evaluate the landing sensor once and apply its partition requests, as the daemon would."""
    defs = build_defs(flow.yaml, flow.root)
    sensor = defs.get_repository_def().get_sensor_def("landing_sensor")
    context = dg.build_sensor_context(
        instance=flow.instance,
        repository_def=defs.get_repository_def(),
        resources={"store": StudyStore(study=str(flow.yaml), root=str(flow.root))},
    )
    result = sensor(context)
    if isinstance(result, dg.SkipReason):
        return Tick([], [], result.skip_message)
    for request in result.dynamic_partitions_requests or []:
        flow.instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
    return Tick(list(result.run_requests), list(result.asset_events), "")


def run_requests(flow, requests):
    defs = build_defs(flow.yaml, flow.root)
    for request in requests:
        result = defs.resolve_job_def(request.job_name).execute_in_process(
            instance=flow.instance, partition_key=request.partition_key, raise_on_error=False
        )
        assert result.success


def ingest_requests(result):
    return {str(r.partition_key): r for r in result.run_requests if r.job_name == INGEST}


def test_new_files_become_partitions_and_the_same_files_twice_do_nothing(flow):
    first = tick(flow)
    assert set(ingest_requests(first)) == {f"{date}|{name}.US" for date in DATES for name in ("AAA", "BBB")}
    assert sorted(flow.instance.get_dynamic_partitions("tiny_instruments")) == ["AAA.US", "BBB.US"]
    assert {r.partition_key for r in first.run_requests if r.job_name == NEWS} == set(DATES)
    run_requests(flow, first.run_requests)
    second = tick(flow)
    assert second.run_requests == [] and "6 instrument-days are in the lake already" in second.skip_message


def test_a_tick_before_the_run_has_finished_repeats_the_run_key(flow):
    keys = [sorted(r.run_key for r in tick(flow).run_requests) for _ in range(2)]
    assert keys[0] == keys[1] and len(set(keys[0])) == 9


def test_a_new_instrument_and_a_late_date_are_picked_up_alone(flow):
    run_requests(flow, tick(flow).run_requests)
    from feeds.landing import stage

    stage(write_us_equity_day(flow.folder / "late" / "ccc", "CCC", DATES[0], seed=5), flow.root)
    stage(write_us_equity_day(flow.folder / "late" / "aaa", "AAA", "2013-10-10", seed=6), flow.root)
    result = tick(flow)
    assert set(ingest_requests(result)) == {"2013-10-07|CCC.US", "2013-10-10|AAA.US"}
    assert "CCC.US" in flow.instance.get_dynamic_partitions("tiny_instruments")


def test_a_corrected_file_is_ingested_again_under_another_run_key(flow):
    before = tick(flow)
    run_requests(flow, before.run_requests)
    from feeds.landing import stage

    stage(write_us_equity_day(flow.folder / "fix" / "aaa", "AAA", DATES[0], seed=77), flow.root)
    after = ingest_requests(tick(flow))
    assert set(after) == {f"{DATES[0]}|AAA.US"}
    key = f"{DATES[0]}|AAA.US"
    assert after[key].run_key != ingest_requests(before)[key].run_key


def test_an_instrument_day_outside_the_study_is_left_alone(flow):
    run_requests(flow, tick(flow).run_requests)
    from feeds.landing import stage

    stage(write_us_equity_day(flow.folder / "old" / "aaa", "AAA", "2012-10-08", seed=5), flow.root)
    result = tick(flow)
    assert result.run_requests == [] and "AAA.US 2012-10-08 lies outside the study" in result.skip_message


def test_half_an_instrument_day_waits_for_its_other_file(flow):
    next((flow.root / "landing").rglob("aaa/20131007_quote.zip")).unlink()
    result = tick(flow)
    assert f"{DATES[0]}|AAA.US" not in ingest_requests(result)
    assert len(ingest_requests(result)) == 5


def test_a_foreign_file_is_quarantined_and_shown_on_the_landing_zone(flow):
    (flow.root / "landing" / "notes.txt").write_text("remember the milk")
    result = tick(flow)
    assert [event.metadata["file"].value for event in result.asset_events] == ["notes.txt"]
    assert len(ingest_requests(result)) == 6


def store_of(flow):
    return StudyStore(study=str(flow.yaml), root=str(flow.root))


def night(text):
    return dt.datetime.fromisoformat(text)


def test_the_schedule_skips_with_a_reason_when_the_lake_is_empty(flow):
    answer = decide(store_of(flow), night("2013-10-09T18:30:00-04:00"))
    assert isinstance(answer, dg.SkipReason) and "no complete date" in answer.skip_message


def test_the_schedule_skips_a_day_that_is_no_trading_day(finished):
    answer = decide(store_of(finished), night("2013-10-12T18:30:00-04:00"))
    assert "2013-10-12 is no trading day of XNYS" in answer.skip_message


def test_the_schedule_skips_what_is_trained_already(finished):
    answer = decide(store_of(finished), night("2013-10-09T18:30:00-04:00"))
    assert isinstance(answer, dg.SkipReason) and "is trained on it already" in answer.skip_message


def test_the_schedule_asks_for_the_newest_complete_date_up_to_the_night(finished):
    answer = decide(store_of(finished), night("2013-10-07T18:30:00-04:00"))
    assert isinstance(answer, dg.RunRequest) and answer.partition_key == DATES[0]


def test_schedule_and_sensors_are_declared_running(flow):
    repository = build_defs(flow.yaml, flow.root).get_repository_def()
    assert {s.name: s.default_status.value for s in repository.sensor_defs} == {
        "landing_sensor": "RUNNING",
        "automation": "RUNNING",
        "failure_alerts": "RUNNING",
    }
    assert [(s.name, s.default_status.value, s.job_name) for s in repository.schedule_defs] == [
        ("nightly", "RUNNING", NIGHTLY)
    ]


class Automation:
    """The automation sensor, tick by tick, running what it asks for as the daemon would."""

    def __init__(self, flow):
        self.flow, self.cursor = flow, None
        self.defs = build_defs(flow.yaml, flow.root)

    def requested(self):
        result = dg.evaluate_automation_conditions(self.defs, self.flow.instance, cursor=self.cursor)
        self.cursor = result.cursor
        return {
            (key.to_user_string(), partition)
            for key in self.defs.resolve_asset_graph().materializable_asset_keys
            for partition in result.get_requested_partitions(key) or ()
        }

    def materialise(self, wanted):
        for partition in sorted({p for _, p in wanted}):
            names = [name for name, p in wanted if p == partition]
            job = self.defs.resolve_implicit_job_def_def_for_assets([dg.AssetKey(n) for n in names])
            job.execute_in_process(
                instance=self.flow.instance,
                partition_key=partition,
                asset_selection=[dg.AssetKey(name) for name in names],
                raise_on_error=False,
            )

    def settle(self, ticks=6):
        seen = set()
        for _ in range(ticks):
            wanted = self.requested()
            if not wanted:
                break
            seen |= wanted
            self.materialise(wanted)
        return seen


def ingest(flow, *keys):
    """Run the ingest job of instrument-days that the landing zone holds."""
    defs = build_defs(flow.yaml, flow.root)
    for date, instrument in keys:
        flow.instance.add_dynamic_partitions("tiny_instruments", [instrument])
        defs.resolve_job_def(INGEST).execute_in_process(
            instance=flow.instance, partition_key=instrument_day_key(date, instrument), raise_on_error=False
        )


def test_automation_carries_a_new_instrument_day_through_to_the_training_set(flow):
    automation = Automation(flow)
    automation.requested()
    ingest(flow, (DATES[0], "AAA.US"), (DATES[0], "BBB.US"))
    seen = automation.settle()
    day = {
        (name, f"{DATES[0]}|{s}.US")
        for name in ("clean_ticks", "bars", "microstructure_features")
        for s in ("AAA", "BBB")
    }
    assert day <= seen
    assert {("feature_table", DATES[0]), ("training_set", DATES[0])} <= seen
    assert {partition.split("|")[0] for _, partition in seen} == {DATES[0]}
    assert Lake(flow.root).manifest("feature_table", DATES[0]).params["included"] == ["AAA.US", "BBB.US"]


def test_automation_takes_a_late_instrument_into_a_date_that_was_built_without_it(flow):
    automation = Automation(flow)
    automation.requested()
    ingest(flow, (DATES[0], "AAA.US"))
    automation.settle()
    lake = Lake(flow.root)
    assert lake.manifest("training_set", DATES[0]).params["included"] == ["AAA.US"]
    ingest(flow, (DATES[0], "BBB.US"))
    seen = automation.settle()
    assert ("feature_table", DATES[0]) in seen
    assert lake.manifest("training_set", DATES[0]).params["included"] == ["AAA.US", "BBB.US"]


def test_automation_does_not_carry_an_instrument_day_that_failed_its_checks(flow):
    from feeds.landing import stage

    stage(write_us_equity_day(flow.folder / "bad" / "bbb", "BBB", DATES[0], seed=3, bad_prices=True), flow.root)
    automation = Automation(flow)
    automation.requested()
    ingest(flow, (DATES[0], "AAA.US"), (DATES[0], "BBB.US"))
    seen = automation.settle()
    assert not any(partition == f"{DATES[0]}|BBB.US" for _, partition in seen)
    assert Lake(flow.root).manifest("training_set", DATES[0]).params["included"] == ["AAA.US"]


def failure_tick(flow, cursor):
    repository = build_defs(flow.yaml, flow.root).get_repository_def()
    context = dg.build_sensor_context(
        instance=flow.instance, repository_def=repository, cursor=cursor, resources={"store": store_of(flow)}
    )
    return repository.get_sensor_def("failure_alerts").evaluate_tick(context).cursor


def test_a_failed_run_leaves_a_line_in_the_alerts_and_calls_the_alert_command(flow, monkeypatch):
    seen = flow.folder / "alert.txt"
    monkeypatch.setenv("T2T_ALERT_COMMAND", f"tee {seen}")
    cursor = failure_tick(flow, None)
    flow.instance.add_dynamic_partitions("tiny_instruments", ["ZZZ.US"])
    build_defs(flow.yaml, flow.root).resolve_job_def(INSTRUMENT_DAY).execute_in_process(
        instance=flow.instance, partition_key=instrument_day_key(DATES[0], "ZZZ.US"), raise_on_error=False
    )
    cursor = failure_tick(flow, cursor)
    failure_tick(flow, cursor)
    (line,) = (flow.root / "alerts.jsonl").read_text().splitlines()
    record = json.loads(line)
    assert record["job"] == INSTRUMENT_DAY and record["partition"] == f"{DATES[0]}|ZZZ.US"
    assert "raw_ticks" in record["steps"][0]
    assert json.loads(seen.read_text()) == record


def test_the_schedule_itself_asks_for_the_night(finished):
    repository = build_defs(finished.yaml, finished.root).get_repository_def()
    schedule = repository.get_schedule_def("nightly")
    context = dg.build_schedule_context(
        instance=finished.instance,
        repository_def=repository,
        scheduled_execution_time=night("2013-10-07T18:30:00-04:00"),
        resources={"store": store_of(finished)},
    )
    (request,) = schedule.evaluate_tick(context).run_requests
    assert request.partition_key == DATES[0] and request.tags["t2t/trigger"] == "schedule"


def test_jobs_cover_every_asset(flow):
    from pipelines.jobs import SELECTIONS

    graph = build_defs(flow.yaml, flow.root).resolve_asset_graph()
    covered = {name for assets in SELECTIONS.values() for name in assets}
    assert {key.to_user_string() for key in graph.materializable_asset_keys} == covered
