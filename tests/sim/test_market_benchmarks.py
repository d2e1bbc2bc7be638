"""The figures of tapes as markets and of takes, where the answer is known."""

import pytest

from benchmarks import replay_market
from benchmarks.generators import take_cost
from sim.impact_market import LinearImpactMarket
from sim.impact_models import Propagator
from tests.support.tapes import SPEC, fifo_tape


def test_a_take_in_a_market_of_known_impact_costs_spread_and_walk_and_leaves_what_is_permanent():
    model = Propagator(half_spread_ticks=20.0, permanent_ticks_per_lot=0.5)
    market = LinearImpactMarket(model, start_mid_ticks=100_000, volatility_ticks=10.0, horizon_s=60.0)
    found = take_cost(market, 40, 4)
    # Half the spread, and half of the own shift on average; all of the shift stays, whatever prices do meanwhile.
    assert found["cost_bps"] == pytest.approx((20.0 + 0.5 * 0.5 * 40) / 10.0, abs=0.06)
    assert found["settled_bps"] == pytest.approx(0.5 * 40 / 10.0, abs=0.11)
    assert found["settled_error_bps"] < 0.11


def test_a_tape_has_its_size_its_speed_and_no_impact_where_too_few_traded(monkeypatch):
    monkeypatch.setattr(replay_market, "_REPEATS", 1)
    monkeypatch.setattr(replay_market, "_RESETS", 5)
    tape = fifo_tape(3)
    found = replay_market.figures(tape.head(600), SPEC)
    assert found["rows"] == 600 and found["orders_told"]
    assert 50 < found["rows_per_step"] < 200
    assert found["bytes_per_row"] > 100
    assert found["impact"] is None
