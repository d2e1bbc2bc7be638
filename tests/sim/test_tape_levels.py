"""Level feeds and quotes as flat tapes, beside a dictionary of levels and the fold of cleaning."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.adapters.binance_raw import BinanceRaw
from feeds.cleaning.level_books import with_levels
from feeds.errors import InsufficientDataError
from feeds.schema import FLAG_PARTIAL
from sim.tape_build import Changes, FlatTape, build_tape
from sim.tape_levels import prepare_levels, prepare_quotes
from sim.tape_state import NEAR_EVERY, NEAR_LEVELS, EventTape
from tests.support.raw_events import MS, START_NS, quote, raw_frame, trade

TOP = ("bid_px", "bid_sz", "ask_px", "ask_sz")


def level(side, price, size, **more):
    return {"action": "L", "side": side, "price": price, "size": size, **more}


def random_feed(seed, events=1_500, width=8, quotes=0.1, step_ms=120, trades=0.1):
    """Levels, stated bests, clears and trades over few prices; crosses, some of which last."""
    rng = np.random.default_rng(seed)
    rows, clock = [level("B", 995, 3), level("A", 1_005, 3)], 0
    for _ in range(events):
        clock += int(rng.integers(0, step_ms))
        side = "BA"[rng.integers(2)]
        away = rng.integers(-1, width) * (1 if rng.random() < 0.8 else 70)
        price = int(1_000 + (-1 if side == "B" else 1) * away)
        size = int(rng.integers(-1, 9)) if rng.random() < 0.6 else 0
        stamps = {"ts_event": START_NS + clock * MS, "ts_recv": START_NS + (clock + int(rng.integers(0, 9))) * MS}
        more = {**stamps, "flags": FLAG_PARTIAL * int(rng.random() < 0.3)}
        draw = rng.random()
        if draw < 0.002:
            rows.append({"action": "R", **more})
        elif draw < quotes:
            rows.append(quote(side, 0 if rng.random() < 0.1 else price, max(size, 0), **more))
        elif draw < quotes + trades:
            rows.append(trade(price, int(rng.integers(1, 9)), "BAN"[rng.integers(3)], **more))
        else:
            rows.append(level(side, price, size, **more))
    return raw_frame(*rows)


def changes_of(tape):
    events = tape.events
    return Changes(
        events.change_first, events.change_side, events.change_price, events.change_lots, events.change_entered
    )


def check(rows):
    """The fold of cleaning has the same best prices and depth, and the tape is what its changes add up to."""
    tape, (booked, stats) = prepare_levels(rows), with_levels(rows, 5)
    events = tape.events
    np.testing.assert_array_equal(events.top[1:], booked.select(TOP).to_numpy())
    np.testing.assert_array_equal(events.depth[1:], booked.select("bid_depth", "ask_depth").to_numpy())
    assert tape.most_levels <= stats.most_levels
    again = build_tape(booked, changes_of(tape), tuple(getattr(events, f"exec_{name}") for name in EXECUTIONS))
    for name in EventTape._fields:
        np.testing.assert_array_equal(getattr(events, name), getattr(again.events, name), err_msg=name)
    for name, array in events._asdict().items():
        assert array.flags.c_contiguous, name
        assert array.dtype == getattr(again.events, name).dtype, name
    return tape


EXECUTIONS = ("first", "side", "price", "lots", "hit", "kind")


@pytest.mark.parametrize("seed", range(3))
def test_a_wild_feed_gives_the_display_of_cleaning_and_changes_that_add_up_to_it(seed):
    tape = check(random_feed(seed))
    assert tape.events.change_side.size > 500
    assert tape.events.exec_side.size > 50


def test_a_lasting_cross_is_resolved_alike():
    check(random_feed(3, quotes=0.0, step_ms=700))


def test_a_feed_of_very_many_levels_keeps_the_best_of_them_near_and_all_of_them_deep():
    rows = [level("B", 5_000 - i, i % 7 + 1) for i in range(400)] + [
        level("A", 5_001 + 64 * i, 2) for i in range(9_000)
    ]
    frame = raw_frame(*rows)
    tape = check(pl.concat([frame, frame.with_columns(size=pl.lit(3, pl.Int64)), frame.head(1)]))
    assert tape.most_levels == 9_000
    last = tape.events.near_first[-3:]
    assert np.diff(last).tolist() == [NEAR_LEVELS, NEAR_LEVELS]
    assert np.diff(tape.events.deep_first).tolist() == [0, 0, 400, 8_192 - 400, 400, 9_000]


@given(st.integers(0, 2**32), st.integers(2, 60), st.sampled_from([0.0, 0.1, 0.5]), st.sampled_from([3, 200, 2_000]))
@settings(max_examples=20, deadline=None)
def test_any_feed_gives_the_display_of_cleaning(seed, width, quotes, step_ms):
    check(random_feed(seed, 260, width, quotes, step_ms))


def test_a_trade_executes_the_side_its_aggressor_met_and_one_that_names_no_side_fills_nobody():
    rows = raw_frame(
        level("B", 98, 5), level("A", 102, 5), trade(101, 3, "B"), trade(99, 4, "A"), trade(102, 1), trade(98, 2),
        {"action": "F", "side": "B", "price": 98, "size": 7}, trade(100, 9),
    )  # fmt: skip
    events = prepare_levels(rows).events
    told = [getattr(events, f"exec_{name}").tolist() for name in ("side", "price", "lots")]
    # The last one is at the mid: the tick test calls it a purchase.
    assert list(zip(*told, strict=True)) == [(1, 101, 3), (0, 99, 4), (1, 102, 1), (0, 98, 2), (0, 98, 7), (1, 100, 9)]
    assert events.exec_first.tolist() == [0, 0, 0, 1, 2, 3, 4, 5, 6]
    opening = prepare_levels(raw_frame(trade(100, 9), level("B", 98, 5), level("A", 102, 5))).events
    assert opening.exec_first.tolist() == [0, 0, 0, 0]
    assert opening.sums[-1].tolist() == [9, 0, 1]


def random_quotes(seed, rows=400):
    """Rows that state a best, sometimes none, sometimes one side only; and trades."""
    rng = np.random.default_rng(seed)
    told = []
    for i in range(rows):
        bid, ask = int(rng.integers(90, 101)), int(rng.integers(100, 110))
        sizes = [0 if rng.random() < 0.1 else int(rng.integers(1, 9)) for _ in range(2)]
        stated = {
            "bid_px": bid * (sizes[0] > 0),
            "bid_sz": sizes[0],
            "ask_px": ask * (sizes[1] > 0),
            "ask_sz": sizes[1],
        }
        kind = quote("B", bid, sizes[0]) if rng.random() < 0.7 else trade(int(rng.integers(95, 105)), 5)
        told.append({**kind, **(stated if i == 0 or rng.random() < 0.8 else {})})
    return raw_frame(*told)


@pytest.mark.parametrize("seed", range(3))
def test_stated_bests_are_a_tape_of_one_level_a_side(seed):
    rows = random_quotes(seed)
    tape = prepare_quotes(rows)
    stated = rows.select(pl.col(TOP).forward_fill()).to_numpy()
    np.testing.assert_array_equal(tape.events.top[1:], stated)
    np.testing.assert_array_equal(tape.events.depth[1:], stated[:, [1, 3]])
    assert tape.most_levels == 1
    display = [dict[int, int](), dict[int, int]()]
    events = tape.events
    for row in range(rows.height):
        for c in range(events.change_first[row], events.change_first[row + 1]):
            side, price = display[events.change_side[c]], int(events.change_price[c])
            side[price] = side.get(price, 0) + int(events.change_lots[c])
            assert side[price] >= 0
            if side[price] == 0:
                del side[price]
        shown = [list(side.items()) for side in display]
        assert shown == [[(p, q)] if q else [] for p, q in stated[row].reshape(2, 2).tolist()]


def test_a_tape_cut_at_any_row_begins_with_the_same_numbers():
    rows = random_feed(5, 700)
    whole, part = prepare_levels(rows).events, prepare_levels(rows.head(391)).events
    for name in ("top", "depth", "sums", "change_first", "exec_first"):
        np.testing.assert_array_equal(getattr(whole, name)[:392], getattr(part, name))
    shots = 2 * -(-391 // NEAR_EVERY) + 1
    np.testing.assert_array_equal(whole.near_first[:shots], part.near_first)


def test_tapes_without_rows_or_without_a_book_are_refused():
    for prepare in (prepare_levels, prepare_quotes):
        with pytest.raises(InsufficientDataError, match="no rows"):
            prepare(raw_frame())
        with pytest.raises(InsufficientDataError, match="two-sided"):
            prepare(raw_frame(level("B", 99, 5)))


@pytest.mark.shared_data
def test_a_real_capture_gives_the_display_of_cleaning(shared_data):
    adapter = BinanceRaw()
    path = shared_data / "binance_raw" / "usdm" / "btcusdt_20240808.gz"
    info = adapter.sniff(path)
    rows = adapter.parse({"capture": path}, adapter.default_spec(info.instrument), info.dates[0]).frame
    tape, (booked, _) = prepare_levels(rows), with_levels(rows, 5)
    np.testing.assert_array_equal(tape.events.top[1:], booked.select(TOP).to_numpy())
    np.testing.assert_array_equal(tape.events.depth[1:], booked.select("bid_depth", "ask_depth").to_numpy())
    assert isinstance(tape, FlatTape)
