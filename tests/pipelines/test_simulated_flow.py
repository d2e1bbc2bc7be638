"""The whole graph on a small simulated market: from its files to execution, promotion and the report."""

import json

import dagster as dg
import polars as pl
import pytest

from feeds.artefacts import ArtefactStore
from feeds.errors import ApprovalError
from feeds.lake import Lake
from feeds.registry import Registry
from feeds.study import load_study
from sim.demo_config import DEMO_INSTRUMENTS
from sim.demo_market import generate
from sim.flow_params import FlowParams
from tests.pipelines.conftest import Flow
from tests.support.demo_markets import small_market
from tests.support.studies import write_study

DATES = ("2026-03-02", "2026-03-03", "2026-03-04")
SYMBOLS = tuple(one.symbol for one in DEMO_INSTRUMENTS[:2])
FORECAST_TERMS = ["alpha_bps", "forecast_volatility_bps"]
FAMILIES = ["alpha", "volatility", "regime", "correlation", "execution"]


@pytest.fixture(scope="module")
def flow(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated")
    pair = ((1.0, 0.6), (0.6, 1.0))
    market = small_market(dates=DATES, instruments=DEMO_INSTRUMENTS[:2], correlation=pair, crash=None)
    generate(market, folder / "market", fitted=FlowParams.example())
    files = folder / "market" / "files"
    yaml = write_study(
        folder,
        title="SIMULATED market",
        sources=[
            {"format": "lobster", "path": f"{files}/lobster/*.zip", "simulated": True},
            {"format": "news_csv", "path": f"{files}/news.csv", "simulated": True},
            {"format": "signals_csv", "path": f"{files}/signals.csv", "simulated": True},
        ],
        dates={"start": DATES[0], "end": DATES[-1]},
        instruments=[
            {"id": one.symbol, "tick_size": 0.0001, "lot_size": 1, "quote_increment_ticks": 100}
            for one in market.instruments
        ],
        grid_ms=10_000,
        rv_sample_ms=10_000,
        split={"kind": "walk_forward", "train_days": 2},
        models={
            "alpha": {"max_iter": 10, "min_samples_leaf": 20},
            "volatility": {"block_s": 60},
            "regime": {"max_states": 2, "restarts": 1},
            "correlation": {"return_s": 60},
            "anomaly": {"trees": 20},
        },
        execution={
            **{"horizons_s": [60], "decisions": 5, "parent_shares": [0.2, 0.1], "train_steps": 400, "eval_episodes": 6},
            **{"ppo_steps": 1000, "envs": 8, "ablations": ["no_fees", "no_forecasts"]},
            "flow_minutes": 5,
            "generators": ["flow"],
            "headline": [SYMBOLS[1]],
        },
        nights=2,
    )
    home = folder / "dagster"
    home.mkdir()
    made = Flow(folder, yaml, folder / "data" / "tiny", load_study(yaml), dg.DagsterInstance.local_temp(str(home)))
    made.stage()
    made.summary = made.runner().run()
    return made


def evaluation(flow, name, date=DATES[-1]):
    artefacts = ArtefactStore(flow.root)
    return artefacts.read_json(artefacts.current(name, date), "evaluation.json")


def test_every_run_of_every_night_is_done(flow):
    assert {o.state for o in flow.summary.outcomes} == {"done"}, [o.problems for o in flow.summary.failed]


def test_the_simulator_of_a_night_is_fitted_on_an_earlier_date(flow):
    manifest = ArtefactStore(flow.root).current("simulator_calibration", DATES[-1])
    assert manifest.params["fit_date"] == DATES[-2]
    fitted = {Lake(flow.root).manifest("clean_ticks", DATES[-2], s).id for s in manifest.params["symbols"]}
    assert set(manifest.parents) == fitted


def test_realism_is_a_table_by_generator_and_the_report_states_passes_and_tuned_parameters(flow):
    rows = Lake(flow.root).read("realism", DATES[-1])
    assert set(rows["generator"]) == {"flow"} and rows["symbol"].n_unique() == 2
    tree = json.loads((flow.root / "reports" / DATES[-1] / "report.json").read_text())
    (section,) = (one for one in tree["sections"] if one["title"] == "Market simulator")
    assert "for flow, in which agents train" in section["text"]
    assert "Where simulated markets can be told from the tape" in [figure["title"] for figure in section["figures"]]
    (table,) = (one for one in section["tables"] if one["title"] == "Realism by simulated market")
    assert {"tuned", "counted", "passed", "judged"} <= set(table["columns"])


def test_every_policy_works_the_same_orders_of_both_markets_on_both_sides(flow):
    rows = Lake(flow.root).read("execution_evaluation", DATES[-1])
    counts = rows.group_by("market", "policy", "training_seed", "symbol").len()
    assert set(counts["len"]) == {12} and set(rows["market"]) == {"replay", "flow"}
    expected = {"dqn", "ppo", "champion", "twap_taker", "twap_passive", "vwap", "almgren_chriss", "immediate", "random"}
    assert expected <= set(rows["policy"])
    assert rows.group_by("side").len()["len"].n_unique() == 1
    replayed = rows.filter(pl.col("market") == "replay")
    assert set(replayed.group_by("symbol", "parent_share").agg(pl.col("episode").n_unique())["episode"]) == {6}
    starts = replayed.group_by("symbol", pl.col("episode") % 6).agg(pl.col("arrival_ns", "parent_share").n_unique())
    assert set(starts["arrival_ns"]) == {1} and set(starts["parent_share"]) == {2}


def test_the_instrument_that_stands_for_the_study_is_recorded_before_it_is_judged(flow):
    policy = ArtefactStore(flow.root).current("execution_policy", DATES[-1])
    tree = evaluation(flow, "execution_evaluation")
    assert policy.params["headline"] == tree["headline"]["instruments"] == [SYMBOLS[1]]
    assert tree["verdict"].startswith(f"Headline, named beforehand: {SYMBOLS[1]}.")
    assert {case["case"] for case in tree["policy_cases"]} == {
        f"{s} 60s {share}%" for s in SYMBOLS for share in (10, 20)
    }


def test_the_evaluation_names_the_champion_it_was_held_against_among_its_parents(flow):
    lake = Lake(flow.root)
    incumbent = lake.read("promotion", DATES[-1]).filter(pl.col("family") == "execution")["incumbent"][0]
    assert incumbent in lake.manifest("execution_evaluation", DATES[-1]).parents


def test_agents_train_on_flow_and_replay_see_forecasts_and_go_on_from_the_champion(flow):
    artefacts, lake = ArtefactStore(flow.root), Lake(flow.root)
    first, second = (artefacts.current("execution_policy", date) for date in DATES[-2:])
    assert second.params["train_on"] == ["flow", "replay"] and second.params["terms"][-2:] == FORECAST_TERMS
    assert first.params["started_from"] == "" and second.params["started_from"] == first.id in second.parents
    assert {lake.manifest("clean_ticks", DATES[-2], symbol).id for symbol in SYMBOLS} <= set(second.parents)
    tree = evaluation(flow, "execution_evaluation")
    assert tree["challenger"] == second.params["agent"] in ("dqn", "ppo")
    assert set(artefacts.read_json(second, "training.json")["impact"]) == set(SYMBOLS)


def test_parts_switched_off_change_a_rule_by_what_they_cost_it_and_no_more(flow):
    tree = evaluation(flow, "execution_evaluation")
    table = pl.DataFrame(tree["ablations"])
    assert set(table["ablation"]) == {"no_fees", "no_forecasts"} and {tree["challenger"], "twap_taker"} <= set(
        table["policy"]
    )
    taker = table.filter(pl.col("policy") == "twap_taker").sort("ablation")["change_bps"].to_list()
    assert taker[0] == pytest.approx(-0.3, abs=0.02) and taker[1] == 0.0


def test_what_agents_saw_of_the_future_passed_its_audit(flow):
    from dagster import AssetCheckKey, AssetKey

    key = AssetCheckKey(AssetKey("execution_evaluation"), "forecasts_were_known")
    (record,) = flow.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    outcome = record.event.dagster_event.asset_check_evaluation_data
    assert outcome.passed and outcome.metadata["moments_compared"].value > 0


def test_shortfall_is_the_sum_of_its_parts(flow):
    rows = Lake(flow.root).read("execution_evaluation", DATES[-1])
    parts = rows["spread_bps"] + rows["timing_bps"] + rows["fees_bps"]
    assert (parts - rows["is_bps"]).abs().max() < 1e-9


def test_the_backtest_is_charged_what_trading_at_once_cost_on_the_tape(flow):
    rows = Lake(flow.root).read("execution_evaluation", DATES[-1])
    own = rows.filter((pl.col("market") == "replay") & (pl.col("policy") == "immediate"))
    params = Lake(flow.root).manifest("backtest", DATES[-1]).params
    for symbol, charged in params["measured_bps"].items():
        assert charged == pytest.approx(own.filter(pl.col("symbol") == symbol)["is_bps"].mean())
    assert set(params["expected_bps"]) == set(params["measured_bps"])


def test_the_second_night_holds_each_family_against_the_first(flow):
    first, second = (Lake(flow.root).read("promotion", date) for date in DATES[-2:])
    assert first["decision"].to_list() == ["first"] * 5 and second["family"].to_list() == FAMILIES
    assert second["incumbent"].to_list() == first["champion"].to_list()
    assert set(second["decision"]) <= {"kept", "promoted", "not tested"} and second["difference"].null_count() == 0


def test_the_checks_of_the_promotion_are_recorded_with_the_decisions(flow):
    from dagster import AssetCheckKey, AssetKey

    second = Lake(flow.root).read("promotion", DATES[-1])
    for family, decision in second.select("family", "decision").iter_rows():
        key = AssetCheckKey(AssetKey("promotion"), f"{family}_challenger_wins")
        (record,) = flow.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
        assert record.event.dagster_event.asset_check_evaluation_data.passed == (decision == "promoted")


def test_a_champion_goes_live_only_after_a_person_approved_it(flow):
    from live.approved import approved_model

    champion = Registry(flow.root).champion("execution")
    with pytest.raises(ApprovalError):
        approved_model(flow.root, "execution")
    entry = Registry(flow.root).approve(champion.model_id, "Ada")
    assert (entry.by, approved_model(flow.root, "execution").id) == ("Ada", champion.model_id)
    Registry(flow.root).withdraw(champion.model_id, "Ada")


def test_the_report_compares_the_nights_and_is_marked_simulated(flow):
    folder = flow.root / "reports" / DATES[-1]
    tree, page = json.loads((folder / "report.json").read_text()), (folder / "report.html").read_text()
    titles = [section["title"] for section in tree["sections"]]
    assert "Against earlier nights" in titles and "SIMULATED MARKET" in page
    figures = [figure["title"].lower() for section in tree["sections"] for figure in section["figures"]]
    for wanted in (
        "regime",
        "correlation",
        "anomal",
        "distribution of the shortfall",
        "inventory",
        "learning",
        "agent does",
    ):
        assert any(wanted in title for title in figures), (wanted, figures)
    assert {"alpha_model", "execution_policy", "simulator_calibration"} <= set(tree["provenance"])


def test_the_chain_of_the_report_reaches_from_the_agent_to_the_raw_files(flow):
    from pipelines.explain import explain_json

    chain = explain_json(flow.root, "execution_policy")["artefacts"]
    names = {item["id"].rsplit("-", 1)[0] for item in chain}
    assert {"execution_policy", "simulator_calibration", "clean_ticks", "raw_ticks", "file"} <= names


def test_the_same_seed_trains_the_same_agent_and_judges_it_alike(flow):
    before = evaluation(flow, "execution_evaluation")["table"]
    agent = ArtefactStore(flow.root).current("execution_policy", DATES[-1])
    job = flow.runner().defs.resolve_job_def("nightly_retraining")
    again = job.execute_in_process(
        instance=flow.instance,
        partition_key=DATES[-1],
        asset_selection=[dg.AssetKey(n) for n in ("simulator_calibration", "execution_policy", "execution_evaluation")],
    )
    assert again.success
    assert ArtefactStore(flow.root).current("execution_policy", DATES[-1]).sha256 == agent.sha256
    assert evaluation(flow, "execution_evaluation")["table"] == before
