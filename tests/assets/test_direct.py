"""Each asset by direct invocation, in the order of the graph, on one study kept for the module."""

import dagster as dg
import pytest

from assets.alpha import AlphaModelConfig, build_alpha
from assets.dataset import build_dataset
from assets.evaluation import build_evaluation
from assets.partitions import StudyPartitions, instrument_day_key
from assets.promotion import build_promotion
from assets.quality import build_quality
from assets.regimes import build_regimes
from assets.risk import build_risk
from assets.sources import build_sources
from assets.store import StudyStore
from assets.ticks import build_ticks
from assets.volatility import build_volatility
from feeds.landing import stage
from feeds.study import load_study
from tests.pipelines.conftest import write_files
from tests.support.studies import DATES, write_study

DATE, SYMBOLS = DATES[-1], ("AAA.US", "BBB.US")
NIGHT = (
    *("alpha_forecast", "volatility_model", "volatility_forecast", "regime_model", "regime_state"),
    *("correlation_model", "anomaly_model", "anomaly_score", "risk_limits", "backtest", "promotion", "nightly_report"),
)
UPSTREAM = ("raw_ticks", "clean_ticks", "bars", "microstructure_features")


class Bench:
    """Assets of a study by name, invoked without a run."""

    def __init__(self, folder):
        write_files(folder, dates=DATES[-2:])
        self.yaml = write_study(folder)
        self.store = StudyStore(study=str(self.yaml), root=str(folder / "data"))
        parts = StudyPartitions(load_study(self.yaml))
        builders = (
            build_sources,
            build_ticks,
            build_quality,
            build_dataset,
            build_alpha,
            build_volatility,
            build_regimes,
            build_risk,
            build_promotion,
            build_evaluation,
        )
        made = [asset for build in builders for asset in build(parts)]
        self.assets = {a.key.to_user_string(): a for a in made if isinstance(a, dg.AssetsDefinition)}
        self.files = stage([folder / "files"], self.store.path)

    def invoke(self, name, key, **config):
        context = dg.build_asset_context(partition_key=key, resources={"store": self.store})
        return self.assets[name](context, **config).metadata

    def instrument_day(self, name, symbol, date=DATE):
        return self.invoke(name, instrument_day_key(date, symbol))

    def pass_checks(self, table, symbol, date=DATE):
        from assets.checks import evaluate_table
        from assets.quality import audit_day

        assert evaluate_table(self.store, table, date, symbol).passed
        if table == "clean_ticks":
            assert audit_day(self.store, date, symbol).severity != dg.AssetCheckSeverity.ERROR


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Bench(tmp_path_factory.mktemp("direct"))


@pytest.fixture(scope="module")
def instrument_days(bench):
    """Metadata of the instrument-day assets of all instruments and dates."""
    found = {}
    for date in DATES[-2:]:
        for symbol in SYMBOLS:
            for name in UPSTREAM:
                found[name, date, symbol] = bench.instrument_day(name, symbol, date)
                bench.pass_checks(name, symbol, date)
    return found


@pytest.fixture(scope="module")
def dataset(bench, instrument_days):
    """Metadata of the by-date assets up to the training set."""
    names = ("headlines", "external_signals", "sentiment", "data_quality_calendar", "feature_table", "training_set")
    return {(name, date): bench.invoke(name, date) for date in DATES[-2:] for name in names}


@pytest.fixture(scope="module")
def night(bench, dataset):
    """Metadata of one night's assets."""
    found = {"alpha_model": bench.invoke("alpha_model", DATE, config=AlphaModelConfig())}
    for name in NIGHT:
        found[name] = bench.invoke(name, DATE)
    return found


@pytest.mark.parametrize("name", UPSTREAM)
def test_an_instrument_day_asset_states_rows_schema_and_lineage(bench, instrument_days, name):
    metadata = instrument_days[name, DATE, "AAA.US"]
    lake = bench.store.lake
    assert metadata["dagster/row_count"] == lake.read(name, DATE, "AAA.US").height > 0
    assert [c.name for c in metadata["dagster/column_schema"].columns] == lake.read(name, DATE, "AAA.US").columns
    assert metadata["manifest_id"] == lake.manifest(name, DATE, "AAA.US").id


def test_clean_ticks_counts_every_rejected_row_by_reason(instrument_days):
    metadata = instrument_days["clean_ticks", DATE, "AAA.US"]
    assert metadata["rows_in"] == metadata["dagster/row_count"] + metadata["rows_rejected"]
    assert sum(metadata["rejected_by_reason"].value.values()) == metadata["rows_rejected"] > 0
    assert sum(metadata["faults_by_kind"].value.values()) == metadata["faults"]


@pytest.mark.parametrize("name", ["clean_ticks", "bars", "microstructure_features"])
def test_a_plot_stays_small_enough_for_the_event_log(instrument_days, name):
    plot = instrument_days[name, DATE, "AAA.US"]["plot"].value
    assert plot.startswith("![") and 1_000 < len(plot) < 100_000


def test_headlines_are_scored_with_the_sign_of_their_words(bench, dataset):
    frame = bench.store.lake.read("sentiment", DATE)
    assert frame.filter(frame["headline"].str.contains("slump"))["score"].max() < 0
    assert dataset["headlines", DATE]["simulated_rows"] == frame.height


def test_the_feature_table_holds_both_instruments_and_no_later_news(bench, dataset):
    metadata = dataset["feature_table", DATE]
    assert metadata["coverage"] == 1.0 and metadata["included"].value == list(SYMBOLS)
    frame = bench.store.lake.read("feature_table", DATE)
    assert (frame["available_at"] <= frame["ts"]).all()


def test_the_alpha_model_stands_beside_its_controls(bench, night):
    manifest = bench.store.artefacts.current("alpha_model", DATE)
    table = bench.store.artefacts.read_json(manifest, "evaluation.json")["table"]
    assert [row["row"] for row in table] == ["naive", "linear", "gradient_boosting", "shuffled"]
    assert night["alpha_model"]["manifest_id"] == manifest.id
    assert set(manifest.parents) == {bench.store.lake.manifest("training_set", date).id for date in DATES[-2:]}


def test_forecasts_carry_the_id_of_their_model_and_start_after_the_split(bench, night):
    from assets.split import test_start as split_at

    frame = bench.store.lake.read("alpha_forecast", DATE)
    assert frame["model_id"].unique().to_list() == [night["alpha_model"]["manifest_id"]]
    assert frame["ts"].min() >= split_at(bench.store, DATE)


def test_volatility_is_forecast_for_every_instrument(bench, night):
    frame = bench.store.lake.read("volatility_forecast", DATE)
    assert sorted(frame["symbol"].unique()) == list(SYMBOLS)
    assert (frame["ewma"].drop_nulls() > 0).all()


def test_regimes_are_filtered_probabilities_of_the_test_window(bench, night):
    from assets.split import test_start as split_at

    frame = bench.store.lake.read("regime_state", DATE)
    chances = frame.select("^p_.*$").drop_nulls().sum_horizontal()
    assert frame["ts"].min() >= split_at(bench.store, DATE) and (chances - 1.0).abs().max() < 1e-9
    assert frame["model_id"].unique().to_list() == [night["regime_model"]["manifest_id"]]


def test_the_correlation_model_has_a_unit_diagonal_and_its_loss_beside_independence(bench, night):
    manifest = bench.store.artefacts.current("correlation_model", DATE)
    tree = bench.store.artefacts.read_json(manifest, "evaluation.json")
    diagonal = [row["ledoit_wolf"] for row in tree["matrix"] if row["symbol_a"] == row["symbol_b"]]
    assert diagonal == [1.0, 1.0] and {"loss_identity", "loss_ledoit_wolf"} <= set(manifest.metrics)


def test_anomalies_are_flagged_where_the_score_exceeds_the_threshold(bench, night):
    frame = bench.store.lake.read("anomaly_score", DATE)
    scored = frame.drop_nulls("score")
    assert scored.height and scored["is_anomaly"].equals(scored["score"] > scored["threshold"])
    assert night["anomaly_score"]["flagged"] == scored["is_anomaly"].sum()


def test_limits_hold_from_the_close_and_never_exceed_their_base(bench, night):
    import json

    frame = bench.store.lake.read("risk_limits", DATE)
    assert (frame["value"] <= frame["base"]).all() and set(frame["scope"]) == {"AAA.US", "BBB.US", "*"}
    tree = json.loads(bench.store.artefacts.read(bench.store.artefacts.current("risk_limits", DATE), "limits.json"))
    assert tree["models"]["volatility"] == night["volatility_model"]["manifest_id"]


def test_the_first_model_of_each_family_becomes_champion(bench, night):
    frame = bench.store.lake.read("promotion", DATE)
    assert frame["family"].to_list() == ["alpha", "volatility", "regime", "correlation"]
    assert frame["decision"].unique().to_list() == ["first"]
    assert frame["champion"].to_list()[0] == night["alpha_model"]["manifest_id"]


def test_the_backtest_scales_by_forecast_volatility_and_charges_the_quote_where_nothing_was_measured(bench, night):
    manifest = bench.store.lake.manifest("backtest", DATE)
    assert manifest.params["target_volatility_bps"] > 0 and manifest.params["measured_bps"] is None
    assert bench.store.lake.manifest("volatility_forecast", DATE).id in manifest.parents


def test_every_night_asset_with_a_plot_keeps_it_small(night):
    plots = {
        name: value
        for name, metadata in night.items()
        for key, value in metadata.items()
        if key in ("plot", "importance") and hasattr(value, "value")
    }
    assert {"regime_state", "correlation_model", "anomaly_score", "alpha_model"} <= set(plots)
    assert all(plot.value.startswith("![") and len(plot.value) < 100_000 for plot in plots.values())


def test_the_backtest_counts_its_trials_from_the_registry(bench, night):
    from assets.trials import count_trials

    assert count_trials(bench.store.lake, "tiny") == 2  # linear and boosting of one night
    assert night["backtest"]["dagster/row_count"] > 0


def test_the_report_is_written_beside_its_json(bench, night):
    folder = bench.store.path / "reports" / DATE
    assert (folder / "report.html").stat().st_size > 50_000 and (folder / "report.json").is_file()
    assert night["nightly_report"]["report"].value.endswith("report.html")


def test_a_missing_instrument_day_fails_with_what_to_do(bench):
    with pytest.raises(dg.Failure, match="t2t ingest"):
        bench.instrument_day("raw_ticks", "ZZZ.US")


def test_a_weekend_has_no_session_and_says_so(bench, instrument_days):
    lake = bench.store.lake
    origin = lake.manifest("raw_ticks", DATE, "AAA.US")
    lake.write("raw_ticks", lake.read("raw_ticks", DATE, "AAA.US"), "2013-10-12", "AAA.US", params=origin.params)
    with pytest.raises(dg.Failure, match="no session in calendar XNYS"):
        bench.instrument_day("clean_ticks", "AAA.US", "2013-10-12")


def test_a_date_without_features_fails_with_the_reasons(bench):
    with pytest.raises(dg.Failure, match="no raw_ticks"):
        bench.invoke("feature_table", "2013-10-15")


def test_every_asset_has_kinds_owners_group_and_description(bench):
    for name, asset in bench.assets.items():
        spec = next(iter(asset.specs))
        assert spec.kinds and spec.owners and spec.group_name != "default" and spec.description, name
