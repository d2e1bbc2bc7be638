"""Delays between two clocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.errors import StudyError
from sim.latency import Delay, Latency, feed_delay_of, on_the_venues_clock
from tests.support.raw_events import MS, START_NS, order, raw_frame


def test_a_constant_delay_is_the_same_at_any_time():
    assert [Delay.constant(7).at(moment) for moment in (-5, 0, START_NS)] == [7, 7, 7]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 10**9), st.integers(-(10**6), 10**7)),
        min_size=1,
        max_size=20,
        unique_by=lambda x: x[0],
    ),
    st.integers(-(10**6), 2 * 10**9),
)
def test_between_two_stamps_of_a_log_the_delay_is_interpolated(log, moment):
    log.sort()
    sent, delays = (np.array(column) for column in zip(*log, strict=True))
    delay = Delay.of_log(START_NS + sent, START_NS + sent + delays)
    assert delay.at(START_NS + moment) == pytest.approx(np.interp(moment, sent, delays), abs=1.01)


def test_messages_do_not_overtake_each_other():
    log = Delay(np.array([0, 100]), np.array([500, 0]))
    assert log.arrivals(np.array([0, 50, 90, 100, 700])).tolist() == [500, 500, 500, 500, 700]


def test_of_messages_with_one_stamp_the_slowest_counts_and_the_order_of_the_log_does_not():
    log = Delay.of_log(np.array([20, 10, 10]), np.array([26, 12, 19]))
    assert (log.sent_ns.tolist(), log.delay_ns.tolist()) == ([10, 20], [9, 6])


def test_the_feeds_delay_is_read_off_a_tape_with_two_clocks():
    late = [order("A", i + 1, "B", 99, 1, ts_event=START_NS + i * MS, ts_recv=START_NS + i * MS + i) for i in range(4)]
    tape = raw_frame(*late)
    delay = feed_delay_of(tape, every_ns=2 * MS)
    assert delay.delay_ns.tolist() == [1, 3]
    assert (on_the_venues_clock(tape)["ts_recv"] == tape["ts_event"]).all()


def test_clocks_that_disagree_cancel_there_and_back_but_no_answer_comes_before_its_question():
    apart = Latency.constant(feed_ns=-3_000, entry_ns=4_000, response_ns=-4_000)
    assert apart.entry.at(0) + apart.feed.at(0) == 1_000
    with pytest.raises(StudyError, match="there and back"):
        Latency.constant(feed_ns=-5_000, entry_ns=4_000)
    with pytest.raises(StudyError, match="response"):
        Latency.constant(entry_ns=4_000, response_ns=-4_001)


@pytest.mark.parametrize("arrays", [([], []), ([1, 2], [3]), ([2, 1], [0, 0]), ([1, 1], [0, 0])])
def test_a_log_that_is_no_log_is_refused(arrays):
    with pytest.raises(StudyError, match="delay"):
        Delay(*(np.array(column, np.int64) for column in arrays))
    with pytest.raises(StudyError, match="log of delays"):
        Delay.of_log(np.array([1]), np.array([], np.int64))
