"""Flat tapes: levels at any row against plain sums of the changes, what a tape must not hold."""

from collections import Counter

import numpy as np
import pytest

from feeds.errors import SchemaError
from sim.tape_book import deepen, lots_at, show_row
from sim.tape_build import Changes, build_tape, executions_of
from sim.tape_orders import prepare_tape
from sim.tape_state import (
    DEEP_EVERY,
    NEAR_LEVELS,
    ROW,
    UNKNOWN,
    WINDOW_LEVELS,
    WINDOW_WHOLE,
    WINDOW_WORST,
    TapeState,
    new_states,
)
from tests.support.raw_events import order, random_orders, raw_frame
from tests.support.tapes import book_tape

PRICES = 150


def plain_frame(rows):
    """A frame of rows that say nothing but a two-sided book."""
    stated = {"bid_px": 1, "bid_sz": 1, "ask_px": 2, "ask_sz": 1, "bid_depth": 0, "ask_depth": 0}
    return raw_frame(*[order("A", i + 1, "B", 1, 1, **stated) for i in range(rows)])


def random_changes(rows, seed):
    """Levels that come, change and go, more than a near snapshot holds; none below 0."""
    rng = np.random.default_rng(seed)
    levels = {(side, PRICES + 1 + (2 * side - 1) * k): 1 for side in (0, 1) for k in range(1, PRICES + 1)}
    lines = [(0, side, price, lots) for (side, price), lots in levels.items()]
    for row in range(1, rows):
        for _ in range(int(rng.integers(3))):
            side = int(rng.integers(2))
            price = PRICES + 1 + (2 * side - 1) * (1 + int(rng.integers(PRICES)))
            held = levels.get((side, price), 0)
            by = -held if held and rng.random() < 0.5 else int(rng.integers(1, 9))
            levels[side, price] = held + by
            lines.append((row, side, price, by))
    row, side, price, lots = np.array(lines).T
    first = np.searchsorted(row, np.arange(rows + 1)).astype(np.int64)
    unknown = np.full(row.size, UNKNOWN, np.int32)
    return Changes(first, side.astype(np.uint8), price.astype(np.int64), lots.astype(np.int64), unknown)


def plain_levels(changes, row, side):
    """``(price, lots)`` after ``row`` rows, best first."""
    lots: Counter = Counter()
    for c in range(changes.first[row]):
        if changes.side[c] == side:
            lots[int(changes.price[c])] += int(changes.lots[c])
    sign = 1 if side else -1
    return sorted(((price, left) for price, left in lots.items() if left), key=lambda level: sign * level[0])


def shown(state, side):
    """The window, best first."""
    n = state.counts[WINDOW_LEVELS + side]
    keys, lots = state.window_key[side, :n][::-1], state.window_lots[side, :n][::-1]
    return [((1 - 2 * side) * int(key), int(left)) for key, left in zip(keys, lots, strict=True)]


@pytest.fixture(scope="module")
def wide():
    changes, frame = random_changes(DEEP_EVERY + 700, 0), plain_frame(DEEP_EVERY + 700)
    return changes, build_tape(frame, changes, executions_of(frame, np.zeros(frame.height)))


def test_best_prices_depth_and_windows_are_the_sums_of_the_changes_at_any_row_in_any_order(wide):
    changes, tape = wide
    state = TapeState(*(array[0] for array in new_states(1, tape.most_levels, 1, 1.0)))
    rng = np.random.default_rng(1)
    rows = np.concatenate([rng.integers(tape.rows + 1, size=12), [0, DEEP_EVERY, DEEP_EVERY + 3, tape.rows]])
    for row in rows.tolist():
        state.counts[ROW] = row
        show_row(tape.events, state)
        for side in (0, 1):
            levels = plain_levels(changes, row, side)
            best = levels[0] if levels else (0, 0)
            assert tuple(tape.events.top[row, 2 * side : 2 * side + 2]) == best
            assert tape.events.depth[row, side] == sum(lots for _, lots in levels[:5])
            if state.counts[WINDOW_WHOLE + side]:
                assert shown(state, side) == levels
            else:
                worst = (1 - 2 * side) * int(state.counts[WINDOW_WORST + side])
                inside = [level for level in levels if (level[0] <= worst if side else level[0] >= worst)]
                assert shown(state, side) == inside
            for price in rng.integers(1, 2 * PRICES, size=6).tolist():
                assert lots_at(tape.events, row, side, price) == dict(levels).get(price, 0)
        deepen(tape.events, state)
        for side in (0, 1):
            assert shown(state, side) == plain_levels(changes, row, side)


def test_snapshots_hold_the_best_levels_only_and_the_deep_ones_all(wide):
    _, tape = wide
    assert np.diff(tape.events.near_first).max() == NEAR_LEVELS
    assert np.diff(tape.events.deep_first).max() > NEAR_LEVELS
    assert tape.most_levels >= np.diff(tape.events.deep_first).max()


def test_changes_that_take_more_than_is_displayed_are_refused_with_their_row():
    changes = Changes(
        np.array([0, 1, 2], np.int64), np.zeros(2, np.uint8), np.array([9, 9]), np.array([3, -4]), np.zeros(2, np.int32)
    )
    frame = plain_frame(2)
    with pytest.raises(SchemaError, match="row 1 takes more off a level"):
        build_tape(frame, changes, executions_of(frame, np.zeros(2)))


@pytest.mark.parametrize("seed", range(2))
def test_every_change_of_a_queue_is_told_with_the_row_that_put_its_order_there(seed):
    tape = book_tape_of(random_orders(seed, events=500))
    events = prepare_tape(tape).events
    stated = tape.select("bid_px", "bid_sz", "ask_px", "ask_sz").fill_null(0).to_numpy()
    np.testing.assert_array_equal(events.top[1:], stated)
    row = np.repeat(np.arange(tape.height), np.diff(events.change_first))
    came = events.change_lots > 0
    # Who comes, comes now; who goes was there before, or has come in the same row.
    np.testing.assert_array_equal(events.change_entered[came], row[came])
    assert (events.change_entered[~came] <= row[~came]).all()
    entered: Counter = Counter()
    for c in range(row.size):
        at = int(events.change_side[c]), int(events.change_price[c]), int(events.change_entered[c])
        entered[at] += int(events.change_lots[c])
        assert entered[at] >= 0


def book_tape_of(raw):
    from sim.replay import with_book

    return with_book(raw)[0]


def test_a_clear_takes_everything_off_the_display():
    tape = book_tape(
        order("A", 1, "B", 99, 5),
        order("A", 2, "B", 98, 4),
        order("A", 3, "A", 101, 6),
        order("R", 0, "N", 0, 0),
        order("A", 4, "A", 102, 1),
    )
    events = prepare_tape(tape).events
    assert events.top.tolist()[3:] == [[99, 5, 101, 6], [0, 0, 0, 0], [0, 0, 102, 1]]
    gone = slice(events.change_first[3], events.change_first[4])
    assert sorted(events.change_lots[gone].tolist()) == [-6, -5, -4]
