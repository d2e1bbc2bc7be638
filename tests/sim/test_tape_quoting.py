"""A maker that moves its quotes at an interval, beside the same maker on a market in plain Python."""

import numpy as np
import pytest

from feeds.errors import StudyError
from sim.latency import Delay
from sim.market import FILL_LOTS, FILL_MAKER
from sim.queue_models import QueueModel
from sim.replay_market import ReplayMarket
from sim.tape_levels import prepare_levels
from sim.tape_quoting import QuotingSummary, quote
from tests.support.level_twin import PlainLevelMarket, calm_feed, level
from tests.support.raw_events import MS, START_NS, raw_frame
from tests.support.tapes import SPEC, span

EVERY_NS, LOTS = 70 * MS, 3


def market_of(rows, kind="power"):
    start, end = span(rows, 12)
    market = ReplayMarket(prepare_levels(rows), SPEC, (start, end), refill_half_life_s=1.0, queue=QueueModel(kind))
    market.reset_at(start)
    return market, start, end


def plain_quoting(rows, kind, start, end, delay):
    """The docstring of sim/tape_quoting.py in plain Python."""
    market = PlainLevelMarket(rows, kind, 1.0, 1e9)
    market.advance(start)
    now, arrived, numbers, steps, rested, fills = start, 0, [], 0, 0, []
    while now + EVERY_NS <= end:
        market.advance(now)
        best = [market.best(side) for side in range(2)]
        arrived = max(arrived, now + delay.at(now))
        market.advance(arrived)
        for number in numbers:
            market.cancel(number)
        numbers = []
        for side in range(2):
            if best[side]:
                numbers.append(market.place(side, best[side][0], LOTS))
                rested += numbers[-1] >= 0
                if numbers[-1] < 0:
                    market.take(side, LOTS)
        steps, now = steps + 1, now + EVERY_NS
    market.advance(now)
    fills = np.array(market.fills(), np.int64).reshape(-1, 4)
    made = fills[fills[:, FILL_MAKER] == 1, FILL_LOTS]
    return QuotingSummary(steps, rested, len(made), int(made.sum()), int(fills[:, FILL_LOTS].sum() - made.sum()))


@pytest.mark.parametrize("kind", ["power", "optimistic"])
@pytest.mark.parametrize("delay", [Delay.constant(0), Delay.constant(35 * MS), Delay.constant(69 * MS)])
def test_the_maker_fills_as_on_the_plain_market(kind, delay):
    rows = calm_feed(11)
    market, start, end = market_of(rows, kind)
    told = quote(market.run, end, EVERY_NS, LOTS, delay)
    assert told == plain_quoting(rows, kind, start, end, delay)
    assert min(told.maker_fills, told.rested) > 20


def test_delays_of_a_log_are_followed():
    rows = calm_feed(12)
    market, start, end = market_of(rows)
    rng = np.random.default_rng(0)
    sent = start + np.cumsum(rng.integers(1, 900, 60)) * MS
    log = Delay(sent, rng.integers(0, 70, 60) * MS)
    told = quote(market.run, end, EVERY_NS, LOTS, log)
    assert told == plain_quoting(rows, "power", start, end, log)
    assert told.maker_fills > 20


def test_an_order_that_comes_too_late_to_rest_trades():
    opening = [level("B", 99, 5), level("A", 101, 5), level("B", 98, 5)]
    later = [level("B", 99, 0, ts_event=START_NS + 30 * MS), level("A", 99, 4, ts_event=START_NS + 30 * MS)]
    rows = raw_frame(*opening, *later)
    market = ReplayMarket(
        prepare_levels(rows), SPEC, (START_NS + 2 * MS, START_NS + 99 * MS), queue=QueueModel("power")
    )
    market.reset_at(START_NS + 2 * MS)
    told = quote(market.run, START_NS + 99 * MS, EVERY_NS, LOTS, Delay.constant(40 * MS))
    assert told == QuotingSummary(steps=1, rested=1, maker_fills=0, maker_lots=0, taker_lots=3)


def test_a_delay_as_long_as_the_interval_is_refused():
    market, _, end = market_of(calm_feed(13, 300))
    for delay in (Delay.constant(EVERY_NS), Delay.constant(-1)):
        with pytest.raises(StudyError, match="entry delay"):
            quote(market.run, end, EVERY_NS, LOTS, delay)
