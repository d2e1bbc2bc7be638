"""The whole graph on 2 instruments x 3 days of synthetic files."""

import json

from assets.universe import universe_of
from feeds.lake import Lake
from tests.pipelines.conftest import make_flow, write_files
from tests.support.studies import DATES


def test_every_partition_is_built_and_the_last_nights_are_trained(finished):
    states = {(o.step.job, o.step.partition): o.state for o in finished.summary.outcomes}
    assert set(states.values()) == {"done"}, [o.problems for o in finished.summary.failed]
    jobs = [job for job, _ in states]
    assert (
        jobs.count("build_instrument_day"),
        jobs.count("build_dataset"),
        jobs.count("nightly_retraining"),
    ) == (6, 3, 2)


def test_rows_in_are_clean_plus_rejected(finished):
    lake = Lake(finished.root)
    for date in DATES:
        for symbol in lake.symbols("raw_ticks", date):
            clean, rejected = (lake.read(table, date, symbol) for table in ("clean_ticks", "rejected_ticks"))
            assert lake.read("raw_ticks", date, symbol).height == clean.height + rejected.height
            assert rejected["reason"].null_count() == 0


def test_the_report_holds_the_same_numbers_as_its_json(finished):
    folder = finished.root / "reports" / DATES[-1]
    page, tree = (folder / "report.html").read_text(), json.loads((folder / "report.json").read_text())
    assert (tree["study"], tree["night"]) == ("tiny", DATES[-1])
    assert "simulated" in page.lower()
    accounts = next(t for s in tree["sections"] for t in s["tables"] if t["title"].startswith("Rows read"))
    for row in accounts["rows"]:
        assert f"{row['rows_in']:,}" in page and row["rows_in"] == row["clean"] + row["rejected"]
    assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page


def test_the_manifest_chain_of_a_report_ends_at_the_raw_files(finished):
    from feeds.artefacts import ArtefactStore
    from pipelines.explain import explain_json

    report = ArtefactStore(finished.root).current("nightly_report", DATES[-1])
    chain = explain_json(finished.root, report.id)["artefacts"]
    raw = [item for item in chain if item["kind"] == "raw_file"]
    assert {item["raw_state"] for item in raw} == {"unchanged"}
    assert len([item for item in raw if item["path"].endswith(".zip")]) == 12
    assert {"alpha_model", "training_set", "feature_table", "clean_ticks"} <= {
        item["id"].rsplit("-", 1)[0] for item in chain
    }


def test_the_warehouse_answers_sql_over_the_feature_table(finished):
    import duckdb

    with duckdb.connect(str(finished.root / "warehouse.duckdb"), read_only=True) as connection:
        rows = connection.sql(
            "SELECT symbol, count(*) FROM features.feature_table GROUP BY symbol ORDER BY symbol"
        ).fetchall()
    assert [symbol for symbol, _ in rows] == ["AAA", "BBB"]
    assert all(count > 1000 for _, count in rows)


def test_the_same_seed_gives_the_same_report_numbers_also_where_later_days_never_came(finished, tmp_path):
    write_files(tmp_path, dates=DATES[:2], last_news=DATES[-1])
    again = make_flow(tmp_path)
    again.stage()
    again.runner().run(nights=1)
    first, second = (
        json.loads((f.root / "reports" / DATES[1] / "report.json").read_text())["sections"] for f in (finished, again)
    )
    # The texts count the days at hand.
    assert [section["tables"] for section in first] == [section["tables"] for section in second]


def test_a_second_run_finds_everything_ingested(finished):
    from pipelines.triage import triage

    found = triage(finished.root, finished.study)
    assert (len(found.ready), len(found.current)) == (0, 6)


def test_failing_data_stops_its_own_partition_and_nothing_else(tmp_path):
    write_files(tmp_path, dates=DATES[:2])
    from tests.support.market_files import write_us_equity_day

    write_us_equity_day(tmp_path / "files" / "bbb", "BBB", DATES[1], seed=99, bad_prices=True)
    flow = make_flow(tmp_path)
    flow.stage()
    summary = flow.runner().run(nights=0)
    failed = [(o.step.partition, o.problems) for o in summary.failed]
    assert [partition for partition, _ in failed] == [f"{DATES[1]}|BBB.US"]
    assert "raw_ticks_quality" in failed[0][1][0] and "rows" in failed[0][1][0]
    lake = Lake(flow.root)
    assert not lake.exists("clean_ticks", DATES[1], "BBB.US")
    universe = universe_of(lake, flow.study, DATES[1])
    assert universe.included == ("AAA.US",) and "BBB.US" in universe.excluded
    params = lake.manifest("feature_table", DATES[1]).params
    assert params["included"] == ["AAA.US"] and list(params["excluded"]) == ["BBB.US"]
    assert lake.manifest("feature_table", DATES[0]).params["included"] == ["AAA.US", "BBB.US"]


def test_a_date_below_the_coverage_fails_and_says_so(tmp_path):
    write_files(tmp_path, dates=DATES[:1])
    (tmp_path / "files" / "bbb" / "20131007_quote.zip").write_bytes(b"PK\x03\x04 cut off")
    flow = make_flow(tmp_path, coverage=0.9)
    flow.stage()
    summary = flow.runner().run()
    dataset = next(o for o in summary.outcomes if o.step.job == "build_dataset")
    assert dataset.state == "failed" and "coverage 50%" in dataset.problems[0]


def test_truncated_empty_and_foreign_files_are_quarantined_and_the_rest_goes_on(tmp_path):
    write_files(tmp_path)
    flow = make_flow(tmp_path)
    flow.stage()
    landing = flow.root / "landing"
    cut = next(landing.rglob("bbb/20131009_quote.zip"))
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    (landing / "incoming").mkdir(exist_ok=True)
    (landing / "incoming" / "empty.csv").write_bytes(b"")
    (landing / "incoming" / "holiday.jpg").write_bytes(bytes(range(256)))
    summary = flow.runner().run(nights=1)
    moved = {name for name, _ in summary.quarantined}
    assert moved == {"20131009_quote.zip", "empty.csv", "holiday.jpg"}
    for name in moved:
        reason = json.loads(next((flow.root / "quarantine").rglob(f"{name}.reason.json")).read_text())
        assert reason["expected"] and reason["position"]
    assert [o.step.partition for o in summary.failed] == ["2013-10-09|BBB.US"]
    assert summary.report_path() is not None
