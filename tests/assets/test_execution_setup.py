"""Parent orders of a study: fees, and who is trained on what."""

import inspect

import pytest

from assets.execution_ablations import ABLATIONS
from assets.execution_setup import Parent, grid_of, observation_of, parents_on, settings, task_of
from assets.store import StudyStore
from assets.tape import Tape
from feeds.errors import StudyError
from feeds.study import Execution, load_study
from feeds.study_execution import Case
from sim.execution_task import ActionGrid
from sim.flow import simulate_flow
from sim.flow_params import FlowParams
from sim.generators import GENERATORS
from sim.observation import OBSERVATION, TERMS
from tests.support.studies import write_study
from tests.support.tapes import SPEC

S = 1_000_000_000


def test_orders_pay_the_fee_of_the_study_unless_the_execution_states_its_own(tmp_path):
    def task(name, **execution):
        folder = tmp_path / name
        folder.mkdir()
        yaml = write_study(folder, execution=execution, costs={"fee_bps": 0.7})
        parent = Parent("A.X", 100, None, 0, 0, case=Case(300, 0.05))
        return task_of(settings(StudyStore(study=str(yaml), root=str(folder))), parent)

    default, own = task("default"), task("own", taker_fee_bps=2.0, maker_fee_bps=-0.2)
    assert (default.taker_fee_bps, default.maker_fee_bps) == (0.7, 0.7)
    assert (own.taker_fee_bps, own.maker_fee_bps) == (2.0, -0.2)


def test_a_venue_with_a_schedule_charges_it_in_place_of_the_two_fees():
    venue = {"taker_per_unit": 0.003, "maker_per_unit": -0.002, "taker_bps": 1.0}
    config = Execution(taker_fee_bps=2.0, maker_fee_bps=2.0, fees={"X": venue}, risk_aversion=0.02)
    ours, other = (
        task_of(config, Parent(symbol, 100, None, 0, 0, tick_size=0.0001, case=Case(300, 0.05)))
        for symbol in ("A.X", "A.Y")
    )
    assert (ours.taker_fee_bps, ours.maker_fee_bps) == (0.0, 0.0)
    assert ours.fees is not None
    assert (ours.fees.taker_bps, ours.fees.maker_bps) == (1.0, 0.0)
    assert (ours.fees.taker_ticks_per_lot, ours.fees.maker_ticks_per_lot) == pytest.approx((30.0, -20.0))
    assert (other.taker_fee_bps, other.fees) == (2.0, None)
    assert ours.risk_aversion == 0.02
    free = config.model_copy(update=dict(ABLATIONS["no_fees"].settings))
    assert task_of(free, Parent("A.X", 100, None, 0, 0, case=Case(300, 0.05))).fees is None


CASES = {"horizons_s": (60, 300), "parent_shares": (0.01, 0.1), "decisions": 5}


def test_every_horizon_with_every_share_is_a_case_of_its_own_size():
    rows = simulate_flow(FlowParams.example(), 1_000 * S, 1_600 * S, seed=2, start_mid_ticks=1_000_000)
    tape = Tape("A.X", "2026-01-01", rows, SPEC, (1_000 * S, 1_600 * S), "clean_ticks-1")
    config = Execution(**CASES)
    found = parents_on(config, tape)
    assert [(one.horizon_s, one.share, one.case.number) for one in found] == [
        (60, 0.01, 0),
        (60, 0.1, 1),
        (300, 0.01, 2),
        (300, 0.1, 3),
    ]
    assert found[3].lots == pytest.approx(5 * found[1].lots, rel=0.01)
    assert found[3].lots == pytest.approx(10 * found[2].lots, rel=0.01)
    assert [task_of(config, one).horizon_ns for one in found] == [60 * S, 60 * S, 300 * S, 300 * S]


def test_agents_are_shown_what_the_study_chooses_and_act_on_its_grid():
    one, two = Execution(forecasts=False), Execution(horizons_s=(60, 300), forecasts=False)
    assert observation_of(one).terms == OBSERVATION and observation_of(two).terms == (*OBSERVATION, "interval_s")
    full = observation_of(Execution(observation="full", forecasts=False)).terms
    assert set(TERMS) - set(full) == {"alpha_bps", "forecast_volatility_bps"} and full[:13] == OBSERVATION
    assert observation_of(Execution(observation="full")).terms[-2:] == ("alpha_bps", "forecast_volatility_bps")
    assert grid_of(Execution()) == ActionGrid()
    assert grid_of(Execution(sizes=(2.0,), styles=("join", -3))) == ActionGrid((2.0,), ("join", -3))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"horizons_s": []}, "horizons_s"),
        ({"parent_shares": [0.1, 0.1]}, "each value once"),
        ({"parent_shares": [0.0]}, "parent_shares"),
        ({"horizons_s": [1, 60], "latency_ms": 100}, "latency_ms below 100"),
        ({"styles": ["cross", "sideways"]}, "styles"),
        ({"headline": ["ZZZ.US"]}, "headline names"),
        ({"horizon_s": 60}, "Did you mean 'horizons_s'"),
    ],
)
def test_cases_that_make_no_sense_are_refused(wrong, said, tmp_path):
    with pytest.raises(StudyError, match=said):
        load_study(write_study(tmp_path, execution=wrong))


def test_a_study_without_execution_settings_says_so(tmp_path):
    store = StudyStore(study=str(write_study(tmp_path)), root=str(tmp_path))
    with pytest.raises(StudyError, match="execution"):
        settings(store)


def test_every_market_agents_may_train_in_can_begin_at_a_stated_moment():
    markets = {name: one.market for name, one in GENERATORS.items() if one.market is not None}
    assert "flow" in markets
    assert [name for name, make in markets.items() if "start_ns" not in inspect.signature(make).parameters] == []
