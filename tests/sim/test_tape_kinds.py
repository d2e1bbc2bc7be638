"""Which rows become which tape."""

import pickle

import pytest
from numba import typeof

from feeds.errors import StudyError
from sim.queue_models import QueueModel
from sim.tape_kinds import LEVEL_QUEUE, prepare_any, queue_for, tells_orders
from tests.support.level_twin import level
from tests.support.raw_events import order, quote, raw_frame, trade
from tests.support.tapes import book_tape

ORDERS = (order("A", 1, "B", 99, 5), order("A", 2, "A", 101, 4), order("A", 3, "B", 98, 4))
LEVELS = (level("B", 99, 5), level("A", 101, 4), level("B", 98, 4), trade(101, 1, "B"))
QUOTES = (quote("B", 99, 5), quote("A", 101, 4), quote("B", 98, 4), trade(101, 1, "B"))
STATED = {"bid_px": 97, "bid_sz": 2, "ask_px": 102, "ask_sz": 3}


def test_orders_tell_who_stands_ahead():
    tape = prepare_any(book_tape(*ORDERS))
    assert tells_orders(tape)
    assert queue_for(tape) == QueueModel("exact")
    assert queue_for(tape, QueueModel("log")) == QueueModel("log")


@pytest.mark.parametrize(
    ("rows", "bid", "levels"),
    [
        (LEVELS, 99, 2),
        (QUOTES, 98, 1),
        ([{**row, **STATED} for row in QUOTES], 97, 1),
        ([{**row, **STATED} for row in LEVELS], 99, 2),
    ],
)
def test_levels_and_quotes_do_not_and_stated_bests_rule_where_there_are_no_levels(rows, bid, levels):
    tape = prepare_any(raw_frame(*rows))
    assert tape.events.top[-1, 0] == bid
    assert tape.most_levels == levels
    assert tape.events.exec_side.tolist() == [1]
    assert not tells_orders(tape)
    assert queue_for(tape) == LEVEL_QUEUE
    assert queue_for(tape, QueueModel("conservative")) == QueueModel("conservative")
    with pytest.raises(StudyError, match="every order"):
        queue_for(tape, QueueModel("exact"))


@pytest.mark.parametrize("rows", [book_tape(*ORDERS), raw_frame(*LEVELS), raw_frame(*QUOTES)])
def test_a_tape_sent_to_another_process_needs_no_other_kernels(rows):
    events = prepare_any(rows).events
    assert typeof(pickle.loads(pickle.dumps(events))) == typeof(events)
