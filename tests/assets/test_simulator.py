"""Generators of a night: which a study names, what fits, which agents train in, what the two assets leave behind."""

import dataclasses

import dagster as dg
import polars as pl
import pytest

import sim.generators
from assets import simulator_setup
from assets.partitions import StudyPartitions
from assets.simulator import build_simulator
from assets.simulator_setup import calibrate, compare, flow_generator, generators_of, load_flow, load_params
from assets.store import StudyStore
from assets.tape import Tape
from feeds.errors import InsufficientDataError, LakeError, StudyError
from feeds.instruments import InstrumentSpec
from feeds.study import Execution, load_study
from sim.flow import simulate_flow
from sim.flow_params import FlowParams
from sim.generators import GENERATORS
from tests.support.studies import DATES, write_study

DATE, SYMBOL, S = DATES[0], "AAA.US", 1_000_000_000
OPEN_NS = 1_381_152_600 * S  # 2013-10-07 09:30 New York
SPLIT_NS, END_NS = OPEN_NS + 1_800 * S, OPEN_NS + 3_600 * S
SPEC = InstrumentSpec(id=SYMBOL, tick_size=1e-4, lot_size=1, quote_increment_ticks=100)
TRUTH = FlowParams.example()
WIDE = dataclasses.replace(TRUTH, limit_rate=tuple(0.3 * rate for rate in TRUTH.limit_rate))


def fitting(params):
    """A generator that finds these parameters on every tape."""
    flow = GENERATORS["flow"]
    return dataclasses.replace(flow, name=params_name(params), fit=lambda tape, spec, *, until_ns=None: params)


def params_name(params):
    return "true" if params is TRUTH else "wide"


def refusing(tape, spec, *, until_ns=None):
    raise InsufficientDataError("a generator", received="this tape", expected="another")


@pytest.fixture(scope="module")
def tape():
    return simulate_flow(TRUTH, OPEN_NS, END_NS, seed=2, start_mid_ticks=1_000_000)


@pytest.fixture
def known(monkeypatch):
    flow = GENERATORS["flow"]
    made = {
        "wide": fitting(WIDE),
        "true": fitting(TRUTH),
        "never": dataclasses.replace(flow, name="never", fit=refusing),
        "watched": dataclasses.replace(fitting(TRUTH), name="watched", market=None),
    }
    monkeypatch.setattr(sim.generators, "GENERATORS", made)
    return made


@pytest.fixture
def store(tmp_path, monkeypatch, tape):
    """A function from execution settings to a store whose tapes are given."""

    def given(bounds):
        return lambda store, date, symbol: Tape(symbol, date, tape, SPEC, bounds, f"clean_ticks-{symbol}")

    monkeypatch.setattr(simulator_setup, "tape_symbols", lambda store, date: (SYMBOL,))
    monkeypatch.setattr(simulator_setup, "fit_tape", given((OPEN_NS, SPLIT_NS)))
    monkeypatch.setattr(simulator_setup, "judged_tape", given((SPLIT_NS, END_NS)))

    def make(**execution):
        split = {"kind": "intraday", "train_until": "10:00:00", "embargo_s": 60}
        yaml = write_study(tmp_path, execution={"flow_minutes": 10, **execution}, split=split)
        return StudyStore(study=str(yaml), root=str(tmp_path / "data"))

    return make


def test_a_study_that_names_no_generator_has_all_of_them(known):
    assert list(generators_of(Execution(flow_generator="true"))) == list(known)
    assert list(generators_of(Execution(generators=("true",), flow_generator="true"))) == ["true"]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"generators": ("tru",), "flow_generator": "true"}, "execution.generators.*'tru'"),
        ({"generators": ("wide",), "flow_generator": "true"}, "execution.flow_generator.*'true'"),
        ({"flow_generator": "watched"}, "a market to act in"),
        ({"generators": ("watched",), "flow_generator": "best"}, "a market to act in"),
    ],
)
def test_generators_that_are_unknown_or_cannot_be_acted_in_are_refused(known, settings, told):
    with pytest.raises(StudyError, match=told):
        generators_of(Execution(**settings))


def test_what_does_not_fit_is_noted_and_the_rest_goes_on(known, store):
    made = calibrate(store(flow_generator="wide"), DATE)
    assert list(made.fitted) == ["wide", "true", "watched"] and made.chosen == "wide" and made.hold_out == {}
    assert made.parents == [f"clean_ticks-{SYMBOL}"]
    assert len(made.notes) == 1 and f"{SYMBOL}, generator never" in made.notes[0]


def test_agents_without_a_market_that_fits_stop_the_calibration(known, store):
    with pytest.raises(InsufficientDataError, match="'never'"):
        calibrate(store(flow_generator="never"), DATE)


def test_the_best_generator_is_the_one_that_passes_most_on_the_hold_out_among_those_to_act_in(known, store):
    made = calibrate(store(flow_generator="best"), DATE)
    assert made.chosen == "true" and set(made.hold_out) == {"wide", "true"}
    assert made.hold_out["true"] > made.hold_out["wide"]


def test_the_assets_keep_every_generator_and_hold_each_against_the_judged_period(known, store):
    one = store(flow_generator="true")
    assets = {a.key.to_user_string(): a for a in build_simulator(StudyPartitions(load_study(one.study)))}

    def invoke(name):
        context = dg.build_asset_context(partition_key=DATE, resources={"store": one})
        return assets[name](context).metadata

    fitted = invoke("simulator_calibration")
    assert flow_generator(one, DATE).name == "true"
    assert load_flow(one, DATE) == {SYMBOL: TRUTH}
    assert load_params(one, DATE, known["wide"]) == {SYMBOL: WIDE}
    tree = one.artefacts.read_json(one.artefacts.current("simulator_calibration", DATE), "calibration.json")
    counts = {row["generator"]: (row["tuned"], row["counted"], row["agents_train_in"]) for row in tree["generators"]}
    tuned = len(TRUTH.tuned), TRUTH.counted
    assert counts == {"wide": (*tuned, ""), "true": (*tuned, "yes"), "watched": (*tuned, "")}
    assert {row["generator"] for row in tree["parameters"]} == {"wide", "true", "watched"}
    assert {"generators", "rows", "plot"} <= set(fitted)

    told = invoke("realism_report")
    realism = one.lake.read("realism", DATE)
    passes = {name: int(part["passed"].sum()) for (name,), part in realism.group_by("generator", maintain_order=True)}
    assert passes["true"] > passes["wide"] + 10 and passes["true"] == passes["watched"]
    assert told["metrics_passed"] == passes["true"]
    assert told["metrics_judged"] == realism.filter(pl.col("generator") == "true")["passed"].count()
    parents = one.lake.manifest("realism", DATE).parents
    assert f"clean_ticks-{SYMBOL}" in parents


def test_a_market_that_cannot_be_simulated_is_noted_beside_the_others(known, store, monkeypatch):
    one = store(flow_generator="true", generators=["true", "wide"])
    assets = {a.key.to_user_string(): a for a in build_simulator(StudyPartitions(load_study(one.study)))}
    assets["simulator_calibration"](dg.build_asset_context(partition_key=DATE, resources={"store": one}))
    silent = dataclasses.replace(known["wide"], simulate=refusing_to_run)
    monkeypatch.setattr(sim.generators, "GENERATORS", known | {"wide": silent})
    frame, _, notes = compare(one, DATE)
    assert frame["generator"].unique().to_list() == ["true"]
    assert len(notes) == 1 and "generator wide" in notes[0]


def refusing_to_run(params, start_ns, until_ns, seed, mid):
    raise InsufficientDataError("a market", received="these parameters", expected="others")


def test_a_calibration_of_an_earlier_version_says_to_make_it_anew(store):
    one = store()
    one.artefacts.write("model", "simulator_calibration", DATE, {"x.json": b"{}"}, parents=[], params={"symbols": []})
    with pytest.raises(LakeError, match="Materialise simulator_calibration again"):
        load_flow(one, DATE)
