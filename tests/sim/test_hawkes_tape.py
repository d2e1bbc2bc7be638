"""Events of a tape, ties of its clock, the zero-intelligence estimators, real captures."""

import importlib.util
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from feeds.adapters.bitstamp import Bitstamp
from feeds.errors import InsufficientDataError
from feeds.instruments import InstrumentSpec
from feeds.schema import FLAG_CLOSING, FLAG_SNAPSHOT
from sim.hawkes import residual_report
from sim.hawkes_fit import HawkesFit, fit_hawkes
from sim.hawkes_params import HawkesParams
from sim.hawkes_tape import KINDS, MIRROR, TapeEvents, spread_ties, tape_events
from sim.zero_intelligence import fit_zero_intelligence, power_law_through
from tests.support.raw_events import START_NS, order, raw_frame, trade

MS, S = 1_000_000, 1_000_000_000


def at(ms, event, **more):
    return {**event, "ts_event": START_NS + ms * MS, **more}


def named(events):
    return [events.kinds[mark] for mark in events.marks]


def test_orders_cancellations_and_fills_become_events_by_side():
    tape = raw_frame(
        at(0, order("A", 1, "B", 990, 5), flags=FLAG_SNAPSHOT),
        at(10, order("A", 2, "A", 1010, 5)),
        at(20, order("A", 3, "B", 980, 5)),
        at(30, order("F", 2, "A", 1010, 2)),
        at(40, order("M", 3, "B", 980, 4)),
        at(50, order("C", 3, "B", 980, 0)),
        at(60, order("F", 1, "B", 990, 5)),
        at(70, order("C", 2, "A", 1010, 3)),
        at(80, order("C", 9, "A", 1010, 3), flags=FLAG_CLOSING),
    )
    events = tape_events(tape, TapeEvents(resolution_ns=MS, from_ns=START_NS))
    assert named(events) == ["limit_ask", "limit_bid", "market_buy", "cancel_bid", "market_sell", "cancel_ask"]
    np.testing.assert_allclose(events.times_s, [0.0105, 0.0205, 0.0305, 0.0505, 0.0605, 0.0705])
    assert events.end_s == pytest.approx(0.071)


def test_prints_stand_in_for_fills_and_the_deletion_of_a_printed_order_is_no_cancellation():
    tape = raw_frame(
        at(0, order("A", 1, "B", 990, 5)),
        at(5, trade(990, 5, "A"), order_id=1),
        at(5, order("C", 1, "B", 990, 0)),
        at(6, trade(990, 5, "N")),
        at(7, trade(1010, 5, "B")),
    )
    assert named(tape_events(tape)) == ["limit_bid", "market_sell", "market_buy"]


def test_executions_of_one_stamp_and_side_are_one_event():
    rows = [(1, "B"), (1, "B"), (1, "A"), (1, "B"), (2, "B")]
    tape = raw_frame(*[at(ms, trade(1000, 1, side)) for ms, side in rows])
    assert named(tape_events(tape)) == ["market_buy", "market_sell", "market_buy"]


def test_orders_far_from_the_opposite_best_need_not_count():
    def book(bid, ask):
        return {"bid_px": bid, "ask_px": ask, "bid_sz": 1, "ask_sz": 1}

    tape = raw_frame(
        at(0, order("A", 1, "B", 990, 5), **book(990, 0)),
        at(1, order("A", 2, "A", 1010, 5), **book(990, 1010)),
        at(2, order("A", 3, "B", 960, 5), **book(990, 1010)),
        at(3, order("A", 4, "A", 1020, 5), **book(990, 1010)),
        at(4, order("C", 3, "B", 960, 0), **book(990, 1010)),
        at(5, order("C", 4, "A", 1020, 0), **book(990, 1010)),
    )
    near = tape_events(tape, TapeEvents(near_ticks=30))
    assert named(near) == ["limit_ask", "limit_ask", "cancel_ask"]  # of the first order no opposite best is known
    assert len(named(tape_events(tape))) == 6
    bare = tape.with_columns(bid_px=pl.lit(None, pl.Int64))
    with pytest.raises(InsufficientDataError, match="no book columns"):
        tape_events(bare, TapeEvents(near_ticks=30))


def test_a_window_is_half_open_and_its_length_is_what_was_watched():
    tape = raw_frame(*[at(ms, order("A", ms + 1, "B", 990, 1)) for ms in range(10)])
    window = TapeEvents(resolution_ns=1_000, from_ns=START_NS + 3 * MS, until_ns=START_NS + 6 * MS)
    events = tape_events(tape, window)
    assert events.times_s.size == 3 and events.end_s == pytest.approx(0.003, abs=2e-6)
    with pytest.raises(InsufficientDataError, match="no live row"):
        tape_events(tape, TapeEvents(from_ns=START_NS + S))


def test_ties_are_spread_over_the_step_of_the_clock_in_their_order():
    seconds = spread_ties(np.array([0, 0, 0, 5 * MS, 6 * MS, 6 * MS]), MS)
    np.testing.assert_allclose(seconds * 1e3, [0.25, 0.5, 0.75, 5.5, 6 + 1 / 3, 6 + 2 / 3])
    assert (np.diff(spread_ties(np.sort(np.random.default_rng(1).integers(0, 50, 900)), 1)) > 0).all()
    assert spread_ties(np.zeros(0, np.int64), MS).size == 0


def test_the_mirror_swaps_buyers_and_sellers():
    swap = {"buy": "sell", "sell": "buy", "bid": "ask", "ask": "bid"}
    for kind, place in zip(KINDS, MIRROR, strict=True):
        what, side = kind.split("_")
        assert KINDS[place] == f"{what}_{swap[side]}"


# Zero intelligence


def test_rates_of_an_order_flow_made_by_hand_are_counted():
    rng = np.random.default_rng(3)
    touch = {"bid_px": 990, "ask_px": 1010, "bid_sz": 9, "ask_sz": 9}
    rows = [at(0, order("A", 1, "B", 990, 9), **touch), at(0, order("A", 2, "A", 1010, 9), **touch)]
    moment, seconds = 2, 4_000
    rates = {("B", 980): 0.5, ("B", 970): 0.25, ("A", 1020): 0.5, ("A", 1030): 0.25}
    queue = []
    for (side, price), rate in rates.items():
        arrivals = np.cumsum(rng.exponential(1 / rate, int(2 * rate * seconds)))
        for arrival in arrivals[arrivals < seconds]:
            moment += 1
            queue.append((arrival, order("A", moment, side, price, 4)))
            queue.append((arrival + rng.exponential(2.0), order("C", moment, side, price, 0)))
    taken = np.cumsum(rng.exponential(10.0, 800))
    queue += [(t, trade(1010, 2, "B")) for t in taken[taken < seconds]]
    rows += [at(int(1000 * t) + 1, event, **touch) for t, event in sorted(queue, key=lambda entry: entry[0])]
    spec = InstrumentSpec(id="TEST.SIM", tick_size=0.01, lot_size=1, quote_increment_ticks=1)
    found = fit_zero_intelligence(raw_frame(*rows), spec, levels=5, increment_ticks=10)
    np.testing.assert_allclose(found.limit_rate, [0, 0, 0.5, 0.25, 0], rtol=0.1, atol=1e-9)
    np.testing.assert_allclose(found.cancel_rate[2:4], 0.5, rtol=0.1)
    np.testing.assert_allclose(found.depth[2:4], [1.0, 0.5], rtol=0.12)
    assert found.limit_lots == 4.0 and found.market_lots == 2.0
    assert found.market_rate == pytest.approx(0.1 / 2 * 2 / 4, rel=0.15)
    far = found.continued_rate(np.array([3, 6, 12]))
    assert far[0] == found.limit_rate[2]
    assert far[1] / far[2] == pytest.approx(2.0**found.power_exponent)


def test_a_power_law_is_found_again():
    scale, exponent = power_law_through(1.92 * np.arange(1, 11) ** -0.52)
    assert (scale, exponent) == (pytest.approx(1.92, abs=1e-4), pytest.approx(0.52, abs=1e-4))


def test_a_zero_intelligence_fit_needs_orders_trades_and_whole_increments():
    touch = {"bid_px": 990, "ask_px": 1010, "bid_sz": 1, "ask_sz": 1}
    rows = [at(i, order("A", i + 1, "BA"[i % 2], 990 + 20 * (i % 2), 1), **touch) for i in range(200)]
    tape = raw_frame(*rows)
    spec = InstrumentSpec(id="TEST.SIM", tick_size=0.01, lot_size=1, quote_increment_ticks=2)
    with pytest.raises(InsufficientDataError, match="0 market orders"):
        fit_zero_intelligence(tape, spec, levels=10)
    with pytest.raises(InsufficientDataError, match="multiple of 2"):
        fit_zero_intelligence(tape, spec, increment_ticks=3)


BITSTAMP = importlib.util.find_spec("ob_analytics")


@pytest.mark.skipif(BITSTAMP is None, reason="the package with the Bitstamp capture is not installed")
def test_a_real_capture_excites_itself_and_the_fit_explains_some_of_it():
    folder = Path(BITSTAMP.submodule_search_locations[0]) / "_sample_data"
    files = {"orders": folder / "orders.csv.gz", "trades": folder / "trades.csv", "meta": folder / "meta.json"}
    adapter = Bitstamp()
    spec = adapter.default_spec("BTCUSD.BITSTAMP")
    tape = adapter.parse(files, spec, adapter.sniff(files["orders"]).dates[0]).frame
    start = int(tape.filter(pl.col("flags") == 0)["ts_event"].min())
    events = tape_events(tape, TapeEvents(resolution_ns=MS, from_ns=start + 300 * S, until_ns=start + 600 * S))
    how = HawkesFit(
        decays_per_s=(0.5, 10.0, 500.0), free_decays=False, mirror=MIRROR, least_events=3, max_iterations=80
    )
    fitted = fit_hawkes(events, how)
    assert 0.5 < fitted.params.spectral_radius < 1.05
    assert fitted.gain_per_event > 0.5
    poisson = HawkesParams(events.counts / events.end_s, np.zeros((6, 6, 1)), np.ones(1), KINDS)
    pairs = list(zip(residual_report(fitted.params, events), residual_report(poisson, events), strict=True))
    for explained, constant in pairs:
        if explained.events > 1_000:
            assert explained.mean == pytest.approx(1.0, abs=0.2)
            assert abs(explained.neighbours) < abs(constant.neighbours)
