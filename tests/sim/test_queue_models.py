"""Queue models: what each of them says of hand-made queues, and what all of them have to keep."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from feeds.errors import StudyError
from sim.compile_options import ENTRY
from sim.queue_models import (
    QUEUE_KINDS,
    QueueModel,
    fills_by_quote,
    lots_reaching,
    queue_after_change,
    queue_after_trade,
    queue_at_placement,
)

LEVEL_KINDS = QUEUE_KINDS[1:]
PLACE, CHANGE, TRADE = 0.0, 1.0, 2.0


@njit(**ENTRY)
def follow(params, events, out):
    """Follow one order through events (kind, lots before or of the trade, change, traded); ahead and lots for us."""
    ahead = 0.0
    for i in range(events.shape[0]):
        out[i, 1] = 0.0
        if events[i, 0] == PLACE:
            ahead = queue_at_placement(params, events[i, 1])
        elif events[i, 0] == CHANGE:
            ahead = queue_after_change(params, ahead, events[i, 1], events[i, 2], events[i, 3])
        else:
            out[i, 1] = lots_reaching(params, ahead, int(events[i, 1]))
            ahead = queue_after_trade(params, ahead, events[i, 1])
        out[i, 0] = ahead
    out[events.shape[0], 0] = fills_by_quote(params)


def run(model, *events):
    table = np.array([(*event, *(0.0,) * (4 - len(event))) for event in events], float)
    out = np.zeros((len(events) + 1, 2))
    follow(model.encoded(), table, out)
    return out[:-1, 0].tolist(), out[:-1, 1].tolist(), bool(out[-1, 0])


def plain_change(kind, power, ahead, before, change, traded):
    """The table of sim/queue_models.py in words of arithmetic."""
    if kind in ("conservative", "optimistic"):
        return ahead
    cancelled = -change - traded
    if kind in ("power", "log") and cancelled > 0 and ahead > 0:
        behind = max(0.0, before - traded - ahead)
        f = math.log1p if kind == "log" else lambda x: x**power
        lost = cancelled * f(ahead) / (f(ahead) + f(behind))
        lost = max(lost, cancelled - behind)
        ahead -= min(lost, ahead)
    return max(0.0, min(ahead, before + change))


@pytest.mark.parametrize("kind", LEVEL_KINDS)
@pytest.mark.parametrize("power", [1.0, 3.0])
def test_a_change_does_what_the_table_of_models_says(kind, power):
    rng, model = np.random.default_rng(3), QueueModel(kind, power)
    for _ in range(300):
        before = float(rng.integers(1, 50))
        ahead = 0.0 if kind == "optimistic" else float(rng.integers(0, before + 1))
        change, traded = float(rng.integers(-before, 20)), float(rng.integers(0, 9))
        told, _, _ = run(model, (PLACE, ahead), (CHANGE, before, change, traded))
        assert told[1] == pytest.approx(plain_change(kind, power, ahead, before, change, traded), abs=1e-9)


def test_cancellations_come_from_ahead_in_proportion_at_power_one_and_from_the_longer_part_at_a_high_power():
    events = ((PLACE, 10.0), (CHANGE, 40.0, -8.0, 0.0))
    assert run(QueueModel("power"), *events)[0][1] == pytest.approx(8.0)
    assert run(QueueModel("power", 40.0), *events)[0][1] == pytest.approx(10.0)
    share = math.log(11) / (math.log(11) + math.log(31))
    assert run(QueueModel("log"), *events)[0][1] == pytest.approx(10 - 8 * share)


def test_a_decrease_that_trades_explain_moves_nobody_twice():
    for kind in ("risk_averse", "power", "log"):
        ahead, _, _ = run(QueueModel(kind), (PLACE, 10.0), (TRADE, 4.0), (CHANGE, 30.0, -4.0, 4.0))
        assert ahead == [10.0, 6.0, 6.0]


def test_only_the_part_of_a_trade_that_nobody_ahead_took_reaches_us():
    ahead, reached, _ = run(QueueModel("risk_averse"), (PLACE, 5.0), (TRADE, 3.0), (TRADE, 6.0), (TRADE, 2.0))
    assert ahead == [5.0, 2.0, 0.0, 0.0]
    assert reached == [0, 0, 4, 2]


def test_part_of_a_lot_ahead_is_a_lot_ahead():
    _, reached, _ = run(QueueModel("power"), (PLACE, 2.0), (CHANGE, 4.0, -1.0), (TRADE, 3.0))
    assert reached[-1] == 1


def test_the_first_trade_at_our_price_fills_the_optimist():
    ahead, reached, by_quote = run(QueueModel("optimistic"), (PLACE, 50.0), (TRADE, 3.0))
    assert (ahead, reached[-1], by_quote) == ([0.0, 0.0], 3, True)


def test_the_bound_from_below_waits_for_every_lot_to_trade_and_for_a_trade_not_a_quote():
    conservative = run(QueueModel("conservative"), (PLACE, 9.0), (CHANGE, 9.0, -9.0), (TRADE, 9.0), (TRADE, 1.0))
    assert conservative == ([9.0, 9.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0], False)
    averse = run(QueueModel("risk_averse"), (PLACE, 9.0), (CHANGE, 9.0, -9.0), (TRADE, 9.0), (TRADE, 1.0))
    assert averse == ([9.0, 0.0, 0.0, 0.0], [0.0, 0.0, 9.0, 1.0], True)


def test_of_known_orders_a_change_ahead_is_what_it_is_and_trades_are_told_by_it():
    told = run(QueueModel("exact"), (PLACE, 9.0), (TRADE, 4.0), (CHANGE, 9.0, -4.0), (CHANGE, 5.0, -7.0))
    assert told[0] == [9.0, 9.0, 5.0, 0.0]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([CHANGE, TRADE]), st.integers(1, 30)), max_size=30),
    st.integers(0, 40),
    st.data(),
)
def test_no_model_is_outside_the_two_bounds_and_none_has_more_ahead_than_is_displayed(steps, displayed, data):
    level, events = float(displayed), [(PLACE, float(displayed))]
    for kind, lots in steps:
        if kind == TRADE:
            lots = min(lots, int(level))
            events += [(TRADE, float(lots)), (CHANGE, level, -float(lots), float(lots))] if lots else []
            level -= lots
        else:
            change = float(data.draw(st.integers(-int(level), 20)))
            events.append((CHANGE, level, change))
            level += change
    told = {kind: run(QueueModel(kind), *events) for kind in LEVEL_KINDS}
    lots = {kind: np.cumsum(reached) for kind, (_, reached, _) in told.items()}
    for kind in LEVEL_KINDS:
        assert (lots["conservative"] <= lots[kind]).all()
        assert (lots[kind] <= lots["optimistic"]).all()
    for kind in ("risk_averse", "power", "log"):
        ahead = told[kind][0]
        assert min(ahead) >= 0
        shown = [event[1] + event[2] for event in events if event[0] == CHANGE]
        held = [now for now, event in zip(ahead, events, strict=True) if event[0] == CHANGE]
        assert all(now <= most for now, most in zip(held, shown, strict=True))
    assert np.all(np.array(told["power"][0]) <= np.array(told["risk_averse"][0]) + 1e-9)


def test_a_model_that_makes_no_sense_is_refused():
    with pytest.raises(StudyError, match="queue model"):
        QueueModel("hopeful")
    with pytest.raises(StudyError, match="power"):
        QueueModel("power", 0.0)
    with pytest.raises(StudyError, match="power"):
        QueueModel("power", math.inf)
    with pytest.raises(StudyError, match="every order"):
        QueueModel("exact").require_levels()
    QueueModel("log").require_levels()
