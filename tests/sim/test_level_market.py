"""Own orders on a tape of levels, beside a market in plain Python."""

import numpy as np
import pytest

from sim.market import ASK_PX, ASK_SZ, BID_PX, BID_SZ, BUY
from sim.queue_models import QUEUE_KINDS, QueueModel
from sim.replay_market import ReplayMarket
from sim.tape_levels import prepare_levels
from tests.support.level_twin import PlainLevelMarket, calm_feed
from tests.support.raw_events import MS
from tests.support.tapes import SPEC, span

FIRST = 12
HALF_LIFE_S = 0.3


def markets(rows, kind, power):
    start, end = span(rows, FIRST)
    tape = prepare_levels(rows)
    market = ReplayMarket(tape, SPEC, (start, end), refill_half_life_s=HALF_LIFE_S, queue=QueueModel(kind, power))
    market.reset_at(start)
    twin = PlainLevelMarket(rows, kind, power, HALF_LIFE_S * 1e9)
    twin.advance(start)
    return market, twin


def compare(market, twin):
    """Both show the same; lots of own fills."""
    view, fills = market.view(), [tuple(fill) for fill in market.fills().tolist()]
    shown = [twin.best(side) or (0, 0) for side in range(2)]
    assert view[[BID_PX, BID_SZ, ASK_PX, ASK_SZ]].tolist() == [*shown[0], *shown[1]]
    assert [tuple(order) for order in market.own_orders().tolist()] == twin.orders()
    assert fills == twin.fills()
    return [fill[2] for fill in fills if fill[3]]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("kind", "power"), [*((kind, 1.0) for kind in QUEUE_KINDS[1:]), ("power", 3.0)])
def test_random_instructions_have_the_results_of_the_plain_market(kind, power, seed):
    rows = calm_feed(seed)
    market, twin = markets(rows, kind, power)
    rng, made = np.random.default_rng(seed + 50), []
    while market.now_ns < market.end_ns():
        draw, side = rng.random(), int(rng.integers(2))
        best = twin.best(side)
        if draw < 0.35 and best:
            price = best[0] + int(rng.integers(-2, 2)) * (1 if side == BUY else -1)
            lots = int(rng.integers(1, 8))
            assert market.place(side, price, lots) == twin.place(side, price, lots)
        elif draw < 0.4:
            lots = int(rng.integers(1, 20))
            assert market.take(side, lots) == twin.take(side, lots)
        elif draw < 0.6 and twin.own:
            number, lots = twin.own[0]["number"], int(rng.integers(0, 3))
            assert market.cancel(number, lots) == twin.cancel(number, lots)
        else:
            until = min(market.end_ns(), market.now_ns + int(rng.integers(0, 400)) * MS)
            market.advance(until)
            twin.advance(until)
        made += compare(market, twin)
    assert len(made) > 20


def test_more_careful_models_fill_fewer_lots_of_the_same_orders():
    rows, filled = calm_feed(7), {}
    for kind in QUEUE_KINDS[1:]:
        market, _ = markets(rows, kind, 1.0)
        filled[kind] = 0
        while market.now_ns < market.end_ns():
            for order in market.own_orders().tolist():
                market.cancel(order[0])
            for side, place in ((0, BID_PX), (1, ASK_PX)):
                market.place(side, int(market.view()[place]), 3)
            market.advance(min(market.end_ns(), market.now_ns + 500 * MS))
            filled[kind] += int(market.fills()[:, 2].sum())
    assert 0 < filled["conservative"] <= filled["risk_averse"] <= filled["power"] <= filled["optimistic"]
    assert filled["conservative"] < filled["optimistic"]
