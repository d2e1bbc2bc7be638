"""What agents are trained in and with, who is the challenger, and what another night goes on from."""

import dataclasses
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from assets import execution_setup as setup
from assets import execution_training as training
from assets.execution_ablations import ABLATIONS
from assets.execution_forecasts import FORECAST_TERMS, TrainingForecasts
from assets.execution_markets import Impact, measured_impact, prepared
from assets.execution_setup import Parent, observation_of
from assets.store import StudyStore
from assets.tape import Tape
from feeds.errors import InsufficientDataError, LakeError
from feeds.registry import Registry
from feeds.study import Execution
from feeds.study_execution import Case
from models.execution.dqn_policy import DqnPolicy
from sim.flow import simulate_flow
from sim.flow_params import FlowParams
from sim.forecast_series import Forecasts, Series
from tests.support.level_twin import calm_feed
from tests.support.studies import DATES, write_study
from tests.support.tapes import SPEC, span

DATE, SYMBOL, S = DATES[0], "AAA.US", 1_000_000_000
BEGIN, END = 1_000_000 * S, 1_003_000 * S
SMALL = {"horizons_s": [20], "decisions": 4, "latency_ms": 10, "train_steps": 200, "ppo_steps": 700, "envs": 4}


@pytest.fixture(scope="module")
def rows():
    return simulate_flow(FlowParams.example(), BEGIN, END, seed=2, start_mid_ticks=1_000_000)


@pytest.fixture(scope="module")
def tape(rows):
    return Tape(SYMBOL, DATE, rows, SPEC, (BEGIN + S, END), f"clean_ticks-{SYMBOL}")


@pytest.fixture
def given(tmp_path, monkeypatch, tape):
    """A function from execution settings to a store whose fitted tape is given, with forecasts from its middle on."""
    monkeypatch.setattr(training, "fit_tape", lambda store, date, symbol, *, orders_only: tape)
    middle = (BEGIN + END) // 2
    told = Forecasts(Series([middle], [3.0]), Series([middle], [8.0]))
    made = TrainingForecasts({SYMBOL: told}, middle, ("training_set-1",))
    monkeypatch.setattr(training, "training_forecasts", lambda store, date: made)

    def make(**execution):
        yaml = write_study(tmp_path, execution=SMALL | execution)
        return StudyStore(study=str(yaml), root=str(tmp_path / "data"))

    return make


def parent(lots=60, horizon_s=20, number=0):
    case = Case(horizon_s, 0.05, number)
    return Parent(SYMBOL, lots, FlowParams.example(), 1_000_000, 1_000_000_000, case=case)


def markets(store, *parents):
    return training.training_markets(store, DATE, setup.settings(store), parents or (parent(),))


def test_agents_train_on_the_flow_and_on_the_tape_after_its_forecasts_begin(given):
    made = markets(given())
    assert made.terms[-2:] == FORECAST_TERMS and made.notes == ()
    assert made.sources == (f"clean_ticks-{SYMBOL}", "training_set-1")
    replay = made.replays[SYMBOL]
    assert replay.tape.bounds[0] == (BEGIN + END) // 2
    flow, tape = made.vector().parts
    seen = [env.reset(seed=1)[0][:, -2:] for env in (flow, tape)]
    over_20_s = float(np.float32(8.0 * 20**0.5))
    assert seen[0].tolist() == [[0.0, over_20_s]] * 2
    assert sorted({abs(value) for value in seen[1][:, 0].tolist()}) == [3.0]
    assert set(seen[1][:, 1].tolist()) == {over_20_s}


def test_without_the_tape_there_are_no_forecasts_and_without_the_flow_no_simulated_market(given):
    alone = markets(given(train_on=["flow"]))
    assert not set(FORECAST_TERMS) & set(alone.terms) and alone.replays == {} and len(alone.vector().parts) == 1
    replayed = markets(given(train_on=["replay"]), dataclasses.replace(parent(), flow=None))
    assert len(replayed.vector().parts) == 1 and replayed.terms[-2:] == FORECAST_TERMS


def test_too_little_data_for_forecasts_is_noted_and_training_goes_on_without(given, monkeypatch):
    def refuse(store, date):
        raise InsufficientDataError("training set", "3 rows", "more")

    monkeypatch.setattr(training, "training_forecasts", refuse)
    made = markets(given())
    assert not set(FORECAST_TERMS) & set(made.terms) and "3 rows" in made.notes[0]
    assert made.replays[SYMBOL].tape.bounds[0] == BEGIN + S


def test_several_instruments_are_trained_in_together_with_their_own_orders(given, monkeypatch, tape):
    other = dataclasses.replace(parent(120), symbol="BBB.US")
    made = markets(given(envs=8), parent(), other)
    env = made.vector()
    assert [part.num_envs for part in env.parts] == [2] * 4
    assert [part.task.parent_lots for part in env.parts] == [60, 60, 120, 120]


def test_cases_are_trained_in_together_from_the_same_starts_and_told_apart(given):
    made = markets(given(horizons_s=[20, 60], envs=4), parent(), parent(180, 60, 1))
    assert made.terms[-3:] == ("interval_s", *FORECAST_TERMS)
    parts = made.vector().parts
    assert [part.num_envs for part in parts] == [1] * 4
    assert [part.task.horizon_ns // S for part in parts] == [20, 20, 60, 60]
    seen = [part.reset(seed=4) for part in parts]
    arrivals = [info["arrival_ns"].tolist() for _, info in seen]
    assert arrivals[0] == arrivals[2] and arrivals[1] == arrivals[3]
    interval, volatility = ([float(state[0, place]) for state, _ in seen] for place in (-3, -1))
    assert interval == pytest.approx([np.log(6), np.log(6), np.log(16), np.log(16)])
    assert volatility == pytest.approx([8 * 20**0.5] * 2 + [8 * 60**0.5] * 2)


def test_with_more_cases_than_environments_each_has_one(given):
    made = markets(given(train_on=["flow"], envs=1), parent(), parent(180, 60, 1), parent(90, 20, 2))
    assert [part.num_envs for part in made.vector().parts] == [1, 1, 1]


def test_both_agents_are_trained_alike_twice_and_the_cheapest_on_fresh_orders_is_the_challenger(given):
    made = markets(given())
    trained = {(kind, 1): training.train(made, kind, 1, None, tell=lambda line: None) for kind in ("dqn", "ppo")}
    again = training.train(made, "ppo", 1, None, tell=lambda line: None)
    assert again.policy.to_bytes() == trained["ppo", 1].policy.to_bytes()
    chosen, means = training.chosen_agent(made, trained)
    assert means[chosen] == min(means.values()) and set(means) == {"dqn", "ppo"}
    assert training.learning_frame(trained)["symbol"].unique().sort().to_list() == ["dqn", "ppo"]


def champion(store, terms, width, layers=(64, 64), **params):
    """An earlier night's champion, an untrained network."""
    sizes = (width, *layers, 7)
    weights = tuple(np.ones(shape, np.float32) for shape in pairwise(sizes))
    biases = tuple(np.zeros(size, np.float32) for size in sizes[1:])
    policy = DqnPolicy(np.zeros(width, np.float32), np.ones(width, np.float32), weights, biases)
    named = params or {"agents": ["dqn"], "agent": "dqn", "terms": list(terms)}
    file = "policy_5.npz" if params else "dqn_5.npz"
    made = store.artefacts.write(
        "model", "execution_policy", DATE, {file: policy.to_bytes()}, params={"seeds": [5], **named}
    )
    Registry(store.path).decide("execution", DATE, made.id)
    return made


def test_trainings_go_on_from_the_champion_where_terms_and_layers_agree(given):
    store = given(seeds=[5, 6])
    terms = observation_of(setup.settings(store)).terms
    made = champion(store, terms, len(terms))
    config = setup.settings(store)
    identity, starts = training.starts_from(store, DATES[1], config, terms)
    assert identity == made.id and set(starts) == {("dqn", 5), ("dqn", 6)}
    assert training.starts_from(store, DATES[1], config, terms[::-1]) == ("", {})
    assert training.starts_from(store, DATE, config, terms) == ("", {})
    cold = config.model_copy(update={"warm_start": False})
    assert training.starts_from(store, DATES[1], cold, terms) == ("", {})


def test_other_actions_are_no_start(given):
    store = given()
    config = setup.settings(store)
    terms = observation_of(config).terms
    champion(store, terms, len(terms))
    assert training.starts_from(store, DATES[1], config, terms)[1]
    wider = config.model_copy(update={"styles": ("behind", "join", "cross")})
    assert setup.grid_of(wider).n == setup.grid_of(config).n
    assert training.starts_from(store, DATES[1], wider, terms) == ("", {})


@pytest.mark.parametrize(
    ("styles", "names"), [(["join", "improve", "cross"], ["dqn", "champion"]), (["join"], ["dqn"])]
)
def test_only_a_champion_of_the_same_actions_is_held_against_the_night(given, styles, names):
    from assets.execution_judge import contenders

    store = given(seeds=[5], styles=styles)
    terms = observation_of(setup.settings(store)).terms
    earlier = champion(store, terms, len(terms))
    tonight = store.artefacts.write(
        "model",
        "execution_policy",
        DATES[1],
        {"dqn_5.npz": store.artefacts.read(earlier, "dqn_5.npz")},
        params={"seeds": [5], "agents": ["dqn"], "agent": "dqn", "terms": list(terms), "styles": styles},
    )
    agents, sources = contenders(store, DATES[1], tonight)
    assert [agent.name for agent in agents] == names and sources == [earlier.id]


def test_other_layers_are_no_start_and_an_unnamed_champion_is_the_default_agent(given):
    store = given()
    terms = observation_of(setup.settings(store).model_copy(update={"forecasts": False})).terms
    champion(store, terms, len(terms), layers=(8,))
    assert training.starts_from(store, DATES[1], setup.settings(store), terms) == ("", {})
    unnamed = champion(store, terms, len(terms), study="tiny")
    assert training.terms_of(unnamed) == terms and training.agent_of(unnamed) == "dqn"
    assert list(training.load_agents(store, unnamed)) == [("dqn", 5)]


def test_impact_is_measured_on_rows_before_the_end_only_and_survives_json(tape):
    cut = (BEGIN + END) // 2
    flat = prepared(tape, until_ns=cut)
    assert flat.events.ts_ns.max() < cut
    impact = measured_impact(prepared(tape), tape, Execution())
    assert "market orders" in impact.told and impact.refill_half_life_s > 0.0
    assert Impact.from_dict(impact.to_dict()) == impact
    assert measured_impact(flat, tape, Execution(replay_impact=False)).options() == {"impact": None}


def test_where_nobody_was_trained_impact_is_measured_on_the_tape_before_the_test(given, tape, monkeypatch):
    store, cut = given(), (BEGIN + END) // 2
    before = dataclasses.replace(tape, bounds=(BEGIN, cut))
    monkeypatch.setattr(setup, "fit_tape", lambda store, date, symbol, *, orders_only: before)
    found = setup.impact_of(store, DATE, SYMBOL)
    assert found == measured_impact(prepared(tape, until_ns=cut), tape, setup.settings(store))
    champion(store, ("a",), 1)
    with pytest.raises(LakeError, match=r"training\.json"):
        setup.impact_of(store, DATE, SYMBOL)


def test_a_tape_that_tells_too_little_keeps_the_default_and_says_why(tape, rows):
    short = prepared(dataclasses.replace(tape, frame=rows.head(400)))
    impact = measured_impact(short, tape, Execution())
    assert "not measured" in impact.told and impact.options() == {"impact": None}


def test_a_tape_of_levels_is_replayed_with_the_bound_that_flatters_nobody():
    feed = calm_feed(1)
    tape = Tape(SYMBOL, DATE, feed, SPEC, span(feed, 12), "clean_ticks-1")
    flat = prepared(tape)
    config = Execution(horizons_s=(1,), decisions=2, train_on=("replay",), forecasts=False)
    from assets.execution_markets import replay_market
    from sim.queue_models import QUEUE_KINDS

    def kind_of(**queue):
        market = replay_market(flat, tape, config.model_copy(update=queue), 0, Impact())
        return QUEUE_KINDS[int(market._queue[0])]

    assert kind_of() == "conservative" and kind_of(queue="log") == "log"


@pytest.mark.parametrize("name", ABLATIONS)
def test_every_ablation_can_be_asked_for_and_changes_one_thing(name, tape):
    Execution(ablations=(name,))
    one = ABLATIONS[name]
    changed = [bool(one.settings), bool(one.queue), not one.impact, bool(one.without)]
    assert sum(changed) == 1 and one.title
    assert set(one.market()) == ({"impact"} if not one.impact else {"queue"} if one.queue else set())
    replay = setup.Replay(tape, prepared(tape), Impact(0.5, 0.01))
    env = replay.env(Execution(**SMALL).model_copy(update=dict(one.settings)), parent(), **one.market())
    assert (env.market._impact is None) == (not one.impact) and env.reset(seed=1)[0].size == len(env.observation.terms)


def test_orders_start_alike_without_latency_and_in_every_case(tape):
    config = Execution(horizons_s=(20, 60), decisions=4, latency_ms=4_000, forecasts=False)
    replay = setup.Replay(tape, prepared(tape), Impact(), episode_ns=setup.longest_ns(config))
    at_once = config.model_copy(update=dict(ABLATIONS["zero_latency"].settings))
    envs = [
        replay.env(settings, parent(60, horizon_s)) for settings in (config, at_once) for horizon_s in config.horizons_s
    ]
    for seed in range(5):
        assert len({env.reset(seed=seed)[1]["now_ns"] for env in envs}) == 1


def test_the_change_of_an_ablation_is_paired_order_by_order():
    from assets.execution_judge import Played, ablation_table

    base = pl.DataFrame(
        {"market": "replay", "policy": ["a", "a"], "training_seed": [None, None], "symbol": "X", "episode": [0, 1]}
        | {"is_bps": [1.0, 3.0]},
        schema_overrides={"training_seed": pl.Int64},
    )
    less = base.with_columns(market=pl.lit("no_fees"), is_bps=pl.col("is_bps") - 0.5)
    (line,) = ablation_table(Played(base, less))
    assert (line["ablation"], line["policy"], line["n"], line["change_bps"]) == ("no_fees", "a", 2, -0.5)
    assert ablation_table(Played(base)) == []
