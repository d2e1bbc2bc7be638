"""Books of level feeds: the fold against a plain twin, and what each kind of row does."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.cleaning.level_books import with_levels
from feeds.errors import InsufficientDataError
from feeds.kernels.level_book import STALE_CROSS_NS, STALE_QUOTE_NS
from feeds.schema import FLAG_PARTIAL, conform, empty
from tests.support.raw_events import MS, START_NS, quote, raw_frame, trade

BOOK_COLUMNS = ("bid_px", "bid_sz", "ask_px", "ask_sz", "bid_depth", "ask_depth")
CLEAR = {"action": "R"}
TWO_SIDED = (
    {"action": "L", "side": "B", "price": 100, "size": 5},
    {"action": "L", "side": "A", "price": 102, "size": 6},
)


def level(side, price, size, **more):
    return {"action": "L", "side": side, "price": price, "size": size, **more}


def books(*events, depth=10):
    return with_levels(raw_frame(*events), depth)[0].select(BOOK_COLUMNS).rows()


def stats(*events):
    return with_levels(raw_frame(*events))[1]


def test_a_level_states_the_total_at_its_price_and_zero_removes_it():
    rows = books(level("B", 100, 5), level("B", 100, 3), level("A", 102, 1), level("B", 100, 0), level("B", 100, 0))
    assert rows == [(100, 5, 0, 0, 5, 0), (100, 3, 0, 0, 3, 0), (100, 3, 102, 1, 3, 1), *[(0, 0, 102, 1, 0, 1)] * 2]


def test_the_next_level_moves_up_when_the_best_goes():
    rows = books(*TWO_SIDED, level("B", 98, 7), level("B", 99, 2), level("B", 100, 0), level("B", 99, 0))
    assert [row[:2] for row in rows[3:]] == [(100, 5), (99, 2), (98, 7)]


def test_depth_sums_over_the_best_levels_only():
    rows = books(*(level("A", 100 + i, 1 << i) for i in range(5)), depth=3)
    assert [row[5] for row in rows] == [1, 3, 7, 7, 7]
    assert books(*(level("A", 100 - i, 1 << i) for i in range(5)), depth=3)[-1][5] == 16 + 8 + 4


def test_a_clear_empties_the_book_and_trades_leave_it_alone():
    rows = books(*TWO_SIDED, trade(101), CLEAR, level("B", 90, 1))
    assert rows[2] == rows[1]
    assert rows[3:] == [(0,) * 6, (90, 1, 0, 0, 1, 0)]


def test_a_row_of_no_side_changes_nothing():
    rows = books(*TWO_SIDED, level("N", 101, 5), quote("N", 101, 5))
    assert rows[1] == rows[2] == rows[3]


def test_a_stated_best_removes_better_levels_and_what_it_reaches_on_the_other_side():
    up = books(*TWO_SIDED, level("A", 103, 7), quote("B", 102, 9))
    assert up[-1][:4] == (102, 9, 103, 7)
    down = books(*TWO_SIDED, level("B", 98, 4), quote("B", 99, 1))
    assert down[-1] == (99, 1, 102, 6, 5, 6)
    assert stats(*TWO_SIDED, quote("B", 102, 9)).overruled_levels == 1


def test_a_stated_best_of_no_size_empties_its_side():
    assert books(*TWO_SIDED, level("B", 98, 4), quote("B", 0, 0))[-1][:2] == (0, 0)


@pytest.mark.parametrize("late", [level("B", 101, 3), level("B", 100, 3), level("B", 100, 0), level("B", 102, 3)])
def test_a_level_at_or_beyond_a_fresh_stated_best_is_ignored(late):
    events = (*TWO_SIDED, quote("B", 100, 5, flags=FLAG_PARTIAL), quote("A", 102, 6))
    rows = books(*events, late)
    assert rows[-1] == rows[-2]
    assert stats(*events, late).ignored_levels == 1


def test_a_level_behind_a_stated_best_counts():
    assert books(*TWO_SIDED, quote("B", 100, 5), level("B", 99, 2))[-1][4] == 7


@pytest.mark.parametrize(("age_ns", "best"), [(STALE_QUOTE_NS - 1, 100), (STALE_QUOTE_NS, 101)])
def test_an_old_stated_best_no_longer_rules(age_ns, best):
    stated = quote("B", 100, 5, ts_event=START_NS, ts_recv=START_NS + MS)
    later = level("B", 101, 3, ts_event=START_NS, ts_recv=START_NS + MS + age_ns)
    assert books(stated, later)[-1][0] == best


def test_a_short_cross_stands_and_a_lasting_one_costs_the_older_side_its_levels():
    first = [level("A", 100, 1), level("A", 101, 2), level("A", 103, 3), level("B", 102, 4)]
    since = START_NS + 3 * MS
    wait = [trade(1, ts_event=since + STALE_CROSS_NS - 1), trade(1, ts_event=since + STALE_CROSS_NS)]
    rows = books(*first, *wait)
    assert rows[3][:4] == rows[4][:4] == (102, 4, 100, 1)
    assert rows[5][:4] == (102, 4, 103, 3)
    found = stats(*first, *wait)
    assert (found.crossed_rows, found.withdrawn_levels) == (2, 2)


def test_a_cross_inside_an_event_is_none():
    inside = level("B", 103, 1, flags=FLAG_PARTIAL)
    assert stats(*TWO_SIDED, inside, level("A", 102, 0)).crossed_rows == 0
    assert stats(*TWO_SIDED, {**inside, "flags": 0}, level("A", 102, 0)).crossed_rows == 1


def test_an_empty_table_stays_empty_and_no_levels_are_no_depth():
    assert with_levels(empty("raw_ticks"))[0].is_empty()
    with pytest.raises(InsufficientDataError, match="at least 1"):
        with_levels(empty("raw_ticks"), 0)


class PlainBook:
    """The same book with dictionaries ``price -> size``, and every rule spelt out."""

    def __init__(self):
        self.levels = ({}, {})
        self.improved_at = [0, 0]
        self.stated = [None, None]
        self.crossed_since = None

    def best(self, s):
        return (max if s == 0 else min)(self.levels[s], default=0)

    def drop(self, s, worse_than):
        for price in list(self.levels[s]):
            if not worse_than(price):
                del self.levels[s][price]

    def row(self, action, side, price, size, flags, now, recv, depth):
        if self.crossed_since is not None and now - self.crossed_since >= STALE_CROSS_NS:
            self.uncross()
            self.crossed_since = None
        if action == "R":
            self.levels, self.stated = ({}, {}), [None, None]
        elif action == "L" and side < 2:
            self.level(side, price, size, now, recv)
        elif action == "Q" and side < 2:
            self.quote(side, price, size, now, recv)
        bid, ask = self.best(0), self.best(1)
        if not flags & FLAG_PARTIAL:
            crossed = bool(self.levels[0] and self.levels[1] and bid > ask)
            self.crossed_since = (now if self.crossed_since is None else self.crossed_since) if crossed else None
        depths = []
        for s in (0, 1):
            ordered = sorted(self.levels[s], reverse=s == 0)[:depth]
            depths.append(sum(self.levels[s][price] for price in ordered))
        return (bid, self.levels[0].get(bid, 0), ask, self.levels[1].get(ask, 0), *depths)

    def level(self, s, price, size, now, recv):
        better_or_same = (lambda a, b: a >= b) if s == 0 else (lambda a, b: a <= b)
        for stated in (self.stated[s], self.stated[1 - s] if size > 0 else None):
            if stated and recv - stated[1] < STALE_QUOTE_NS and better_or_same(price, stated[0]):
                return
        if size <= 0:
            self.levels[s].pop(price, None)
            return
        if not self.levels[s] or (better_or_same(price, self.best(s)) and price != self.best(s)):
            self.improved_at[s] = now
        self.levels[s][price] = size

    def quote(self, s, price, size, now, recv):
        if price <= 0 or size <= 0:
            self.levels[s].clear()
            self.stated[s] = None
            return
        self.stated[s], self.improved_at[s] = (price, recv), now
        self.drop(s, (lambda p: p <= price) if s == 0 else (lambda p: p >= price))
        self.drop(1 - s, (lambda p: p > price) if s == 0 else (lambda p: p < price))
        self.levels[s][price] = size

    def uncross(self):
        bid, ask = self.best(0), self.best(1)
        if not self.levels[0] or not self.levels[1] or bid <= ask:
            return
        if self.improved_at[0] <= self.improved_at[1]:
            self.drop(0, lambda p: p <= ask)
        if self.improved_at[1] <= self.improved_at[0]:
            self.drop(1, lambda p: p >= bid)


def twin(frame, depth):
    book = PlainBook()
    sides = {"B": 0, "A": 1, "N": 2}
    columns = frame.select("action", "side", "price", "size", "flags", "ts_event", "ts_recv").rows()
    return [book.row(a, sides[s], p, z, f, t, r, depth) for a, s, p, z, f, t, r in columns]


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["L"] * 8 + ["Q", "Q", "R", "T"]),
        st.sampled_from("BBBAAAN"),
        st.integers(95, 105),
        st.integers(-1, 4),
        st.sampled_from([0, FLAG_PARTIAL]),
        st.sampled_from([0, 1, 300, 1_100]),
        st.integers(-5, 5),
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(EVENTS, st.integers(1, 4))
def test_the_fold_equals_its_plain_twin_on_any_events(events, depth):
    now, rows = START_NS, []
    for action, side, price, size, flags, pause_ms, delay_ms in events:
        now += pause_ms * MS
        stamps = {"ts_event": now, "ts_recv": now + delay_ms * MS}
        rows.append({"action": action, "side": side, "price": price, "size": size, "flags": flags, **stamps})
    frame = raw_frame(*rows)
    assert with_levels(frame, depth)[0].select(BOOK_COLUMNS).rows() == twin(frame, depth)


@pytest.mark.parametrize("quotes", [0.0, 0.1])
def test_the_fold_equals_its_plain_twin_on_a_wide_book(quotes):
    rng = np.random.default_rng(7)
    n = 8_000
    side = rng.integers(0, 2, n)
    away = rng.integers(1, 400, n)
    frame = (
        raw_frame(trade(1))
        .sample(n, with_replacement=True)
        .with_columns(
            ts_event=pl.Series(START_NS + np.cumsum(rng.integers(0, 2 * MS, n))),
            action=pl.Series(np.where(rng.random(n) < quotes, "Q", "L")),
            side=pl.Series(np.array(["B", "A"])[side]),
            price=pl.Series(10_000 + np.where(side == 0, -away, away)),
            size=pl.Series(np.where(rng.random(n) < 0.4, 0, rng.integers(1, 99, n))),
        )
    )
    frame = conform(frame.with_columns(ts_recv=pl.col("ts_event")), "raw_ticks")
    booked, _ = with_levels(frame)
    assert booked.select(BOOK_COLUMNS).rows() == twin(frame, 10)


def test_a_prefix_of_the_rows_gives_a_prefix_of_the_books():
    frame = raw_frame(*TWO_SIDED, level("B", 103, 1), quote("A", 104, 2), level("A", 104, 9), level("B", 99, 4))
    whole, part = with_levels(frame)[0], with_levels(frame.head(4))[0]
    assert part.equals(whole.head(4))
