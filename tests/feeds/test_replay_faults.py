"""Bad input is counted by kind, and sound input is not."""

import dataclasses

import pytest

from feeds.cleaning import CleaningRules, clean
from feeds.cleaning.faults import ReplayFaults, replay_faults
from feeds.instruments import InstrumentSpec
from feeds.schema import FLAG_CLOSING, FLAG_SNAPSHOT
from sim.replay import with_book
from tests.support.raw_events import MS, START_NS, order, quote, random_orders, raw_frame, trade

SPEC = InstrumentSpec(id="IBM.US", tick_size=0.0001, lot_size=1)
BOUNDS = (START_NS, START_NS + 3_600_000 * MS)
SOUND = (order("A", 1, "B", 99, 5), order("A", 2, "A", 101, 5), order("M", 1, "B", 98, 4), trade(101, 1, "B"))


def level(side, price, size, **more):
    return {"action": "L", "side": side, "price": price, "size": size, **more}


def faults(*events):
    figures = clean(raw_frame(*events), SPEC, BOUNDS, CleaningRules(), with_book).figures
    return ReplayFaults(**figures["faults"])


def at(ms, event):
    return {**event, "ts_event": START_NS + ms * MS}


def test_sound_input_has_no_faults():
    assert faults(*SOUND) == ReplayFaults()
    assert faults(quote("B", 99, 5), quote("A", 101, 5), level("B", 98, 1)).total == 0


SNAPSHOT = {"flags": FLAG_SNAPSHOT}
BAD = {
    "out_of_order": [*SOUND, at(2, trade(101, 1, "B", ts_recv=START_NS + 10 * MS))],
    "received_out_of_order": [*SOUND, trade(101, 1, "B", ts_recv=START_NS + MS)],
    "negative_sizes": [*SOUND, order("C", 1, "B", 98, -3)],
    "unknown_orders": [*SOUND, order("C", 77, "B", 98, 1)],
    "repeated_orders": [*SOUND, order("A", 1, "B", 97, 2)],
    "crossed_snapshot": [order("A", 8, "B", 102, 5, **SNAPSHOT), order("A", 9, "A", 101, 5, **SNAPSHOT), *SOUND],
    "crossed_rows": [quote("B", 103, 5), quote("A", 101, 5, exchange="P"), trade(102, 1)],
}


@pytest.mark.parametrize("kind", BAD)
def test_each_kind_of_bad_input_is_counted_under_its_name(kind):
    found = vars(faults(*BAD[kind]))
    assert found[kind] >= 1
    assert {name for name, count in found.items() if count} == {kind}


def test_every_kind_is_tested():
    kinds = {field.name for field in dataclasses.fields(ReplayFaults)}
    assert kinds == {*BAD, "evicted_orders"}


def test_orders_that_later_events_prove_gone_are_counted():
    found = faults(
        order("A", 1, "A", 101, 5), order("A", 2, "B", 99, 5), order("A", 3, "A", 103, 5), trade(103, 1, "B")
    )
    assert (found.evicted_orders, found.total) == (1, 1)


def test_where_a_source_states_its_book_unknown_orders_are_those_never_added():
    stated = {"bid_px": 99, "bid_sz": 5, "ask_px": 101, "ask_sz": 5, "bid_depth": 5, "ask_depth": 5}
    events = [order("C", 5, "B", 99, 1), order("F", 5, "B", 99, 1), *SOUND, order("F", 2, "A", 101, 5)]
    assert faults(*({**event, **stated} for event in events)).unknown_orders == 2


def test_a_snapshot_may_be_stamped_later_than_what_follows_it_and_a_closing_one_earlier():
    late, early = at(90, order("A", 8, "B", 90, 1, **SNAPSHOT)), at(0, order("C", 8, "B", 90, 1, flags=FLAG_CLOSING))
    assert faults(late, *(at(3 + k, event) for k, event in enumerate(SOUND)), early).total == 0


def test_levels_of_a_crossed_snapshot_are_counted_by_snapshot():
    def opening(bid, ask):
        return [{"action": "R"}, level("B", bid, 5, **SNAPSHOT), level("A", ask, 5, **SNAPSHOT)]

    apart = raw_frame(*opening(99, 101), *opening(105, 107))
    crossed = raw_frame(*opening(99, 101), *opening(105, 103))
    assert replay_faults(apart, apart, {}).crossed_snapshot == 0
    assert replay_faults(crossed, crossed, {}).crossed_snapshot == 1


def test_a_wild_tape_has_the_faults_the_replay_met():
    raw = random_orders(4)
    figures = clean(raw, SPEC, (0, 2**62), CleaningRules(duplicate_orders=False), with_book).figures
    assert figures["faults"]["unknown_orders"] == figures["orders_unknown_ids"] > 0
    assert figures["faults"]["repeated_orders"] == figures["orders_duplicate_ids"] > 0
    assert figures["faults"]["evicted_orders"] == figures["orders_evicted_orders"] > 0
