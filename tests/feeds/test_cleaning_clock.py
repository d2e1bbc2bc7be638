"""Two clocks: what is corrected, what is not, and what a day's figures say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.cleaning.clock import PARTS, clock_figures, is_stamp_ahead, known_at

S = 1_000_000_000
HOUR = 3_600 * S
LIMIT = 60 * S
START = 1_700_000_000 * S


def stamps(delays_ns, step_ns=S):
    event = START + step_ns * np.arange(len(delays_ns))
    return event, event + np.array(delays_ns, np.int64)


def test_one_clock_or_a_receiver_ahead_of_the_venue_is_left_alone():
    for delays in ([0] * 5, [5, 9, 7, 100, 3]):
        event, recv = stamps(delays)
        assert known_at(event, recv, HOUR, LIMIT).tolist() == np.maximum.accumulate(recv).tolist()
    assert known_at(*stamps([]), HOUR, LIMIT).size == 0


def test_a_receiver_behind_the_venue_is_corrected_by_the_smallest_delay_so_far():
    event, recv = stamps([-100, -90, -120, -95, -110])
    assert (known_at(event, recv, HOUR, LIMIT) - event).tolist() == [0, 10, 0, 25, 10]


def test_what_was_known_stays_known_in_order():
    event, recv = np.array([START, START]), np.array([START + 50, START - 10])
    assert (known_at(event, recv, HOUR, LIMIT) - START).tolist() == [50, 50]


def test_a_drifting_clock_is_followed_as_old_delays_leave_the_window():
    event, recv = stamps([-3 * S] * 20 + [-S] * 80)
    late = known_at(event, recv, 16 * S, LIMIT) - event
    assert late[:20].tolist() == [0] * 20
    assert late[20] == 2 * S
    assert late[45:].tolist() == [0] * 55


def test_a_wrong_stamp_does_not_move_the_clock():
    event, recv = stamps([-100, -LIMIT - 1, -100])
    assert is_stamp_ahead(event, recv, LIMIT).tolist() == [False, True, False]
    known = known_at(event, recv, HOUR, LIMIT)
    assert (known - event)[[0, 2]].tolist() == [0, 0]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-5, 5), st.integers(-300, 300)), min_size=1, max_size=60),
    st.integers(1, 200),
)
def test_the_running_estimate_is_causal_monotone_and_never_before_the_event(rows, window):
    event = np.cumsum([step for step, _ in rows]) + 10**6
    recv = event + np.array([delay for _, delay in rows])
    known = known_at(event, recv, window, LIMIT)
    assert (np.diff(known) >= 0).all()
    assert (known >= event).all() and (known >= np.maximum.accumulate(recv)).all()
    for cut in range(1, len(rows)):
        assert known_at(event[:cut], recv[:cut], window, LIMIT).tolist() == known[:cut].tolist()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(-300, -1)), min_size=1, max_size=50))
def test_the_correction_is_the_least_delay_of_the_window_in_plain_python(rows):
    window = 64
    recv = np.cumsum([step for step, _ in rows]) + 10**6
    event = recv - np.array([delay for _, delay in rows])
    part = (recv // (window // PARTS)).tolist()
    expected, newest = [], 0
    for i in range(len(rows)):
        error = min(int(recv[j] - event[j]) for j in range(i + 1) if part[j] >= part[i] - PARTS)
        newest = max(newest, int(recv[i]) - error)
        expected.append(newest)
    assert known_at(event, recv, window, LIMIT).tolist() == expected


@pytest.mark.parametrize("ppm", [-40.0, 0.0, 25.0])
def test_the_drift_is_found_under_delays_that_only_add(ppm):
    rng = np.random.default_rng(1)
    event = START + np.sort(rng.integers(0, 4 * HOUR, 40_000))
    queueing = rng.exponential(0.02 * S, event.size)
    recv = event + ((event - START) * ppm * 1e-6 - 1.2 * S + queueing).astype(np.int64)
    figures = clock_figures(event, recv)
    assert figures.drift_ppm == pytest.approx(ppm, abs=0.3)
    assert figures.least_delay_ms == pytest.approx(-1_200 + min(0.0, ppm * 14.4), abs=5)
    assert figures.median_delay_ms > figures.least_delay_ms


def test_a_moment_has_no_drift():
    assert np.isnan(clock_figures(*stamps([5])).drift_ppm)
