"""Generators behind one interface: every one fits, writes a tape others can read, and comes back from its JSON."""

import dataclasses

import polars as pl
import pytest

from feeds.instruments import InstrumentSpec
from feeds.schema import FLAG_SNAPSHOT
from sim.flow import simulate_flow
from sim.flow_params import FlowParams
from sim.generators import GENERATORS
from sim.qrm_book import QrmBook
from sim.qrm_params import QrmParams

START = 1_772_463_600_000_000_000
HOUR = 3_600_000_000_000
SPEC = InstrumentSpec(id="TEST.SIM", tick_size=1e-4, lot_size=1, quote_increment_ticks=100)
TRUTH = dataclasses.replace(FlowParams.example(), sigma=1.5e-4, split_share=0.6)


@pytest.fixture(scope="module")
def tape():
    return simulate_flow(TRUTH, START, START + HOUR // 2, seed=11, start_mid_ticks=1_000_000)


@pytest.fixture(scope="module")
def fitted(tape):
    """Every generator's parameters; the grid search of the queue-reactive fit is tested in test_qrm_fit.py."""
    quick = {name: entry for name, entry in GENERATORS.items() if name != "queue_reactive"}
    found = {name: entry.fit(tape, SPEC, until_ns=START + HOUR // 3) for name, entry in quick.items()}
    return found | {"queue_reactive": QrmBook(QrmParams.example(), 100)}


@pytest.mark.parametrize("name", GENERATORS)
def test_a_generator_writes_a_tape_with_its_book(fitted, name):
    rows = GENERATORS[name].simulate(fitted[name], START, START + HOUR // 60, 5, 1_000_000.0)
    live = rows.filter(pl.col("flags") & FLAG_SNAPSHOT == 0)
    assert rows["ts_recv"].is_sorted()
    assert rows["ts_recv"].is_between(START, START + HOUR // 60).all()
    assert (live["bid_px"] < live["ask_px"]).all()
    assert {"A", "C", "F"} <= set(live["action"].unique())
    again = GENERATORS[name].simulate(fitted[name], START, START + HOUR // 60, 5, 1_000_000.0)
    assert rows.equals(again)
    other = GENERATORS[name].simulate(fitted[name], START, START + HOUR // 60, 6, 1_000_000.0)
    assert not rows.equals(other)


@pytest.mark.parametrize("name", GENERATORS)
def test_parameters_come_back_from_their_json_and_say_what_was_tuned(fitted, name):
    params, entry = fitted[name], GENERATORS[name]
    back = entry.read(params.to_json())
    assert back.to_json() == params.to_json()
    assert back.tuned == params.tuned
    assert back.counted == params.counted > len(params.tuned)
    assert entry.summary(params).columns == ["parameter", "value", "unit", "source"]


@pytest.mark.parametrize("name", [name for name, entry in GENERATORS.items() if entry.market])
def test_a_generator_to_act_in_is_a_market_of_the_same_instrument(fitted, name):
    market = GENERATORS[name].market(fitted[name], 1_000_000.0, 60.0)
    market.reset(1)
    assert market.take(0, 1) == 1
    assert market.fills().shape[0] == 1
