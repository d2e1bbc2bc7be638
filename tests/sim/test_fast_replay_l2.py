"""The fast replay of level feeds against the fold it has to equal, row for row."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.adapters.binance_raw import BinanceRaw
from feeds.cleaning.level_books import with_levels
from feeds.schema import FLAG_PARTIAL
from sim.book_state import ASK, BID
from sim.fast_replay_l2 import LevelReplay, LevelTape
from tests.support.raw_events import MS, START_NS, quote, raw_frame

TOPS = ("bid_px", "bid_sz", "ask_px", "ask_sz")


def level(side, price, size, **more):
    return {"action": "L", "side": side, "price": price, "size": size, **more}


def random_levels(seed, events=1_500, width=8, quotes=0.15, step_ms=120):
    """Levels, stated bests and clears over few prices; many crosses, some of which last."""
    rng = np.random.default_rng(seed)
    rows, clock = [], 0
    for _ in range(events):
        clock += int(rng.integers(0, step_ms))
        side = "BA"[rng.integers(2)]
        price = int(1_000 + (-1 if side == "B" else 1) * rng.integers(-2, width) * (1 if rng.random() < 0.8 else 70))
        size = int(rng.integers(-1, 6)) if rng.random() < 0.6 else 0
        stamps = {"ts_event": START_NS + clock * MS, "ts_recv": START_NS + (clock + int(rng.integers(0, 9))) * MS}
        more = {**stamps, "flags": FLAG_PARTIAL * int(rng.random() < 0.3)}
        draw = rng.random()
        if draw < 0.002:
            rows.append({"action": "R", **more})
        elif draw < quotes:
            rows.append(quote(side, 0 if rng.random() < 0.1 else price, max(size, 0), **more))
        else:
            rows.append(level(side, price, size, **more))
    return raw_frame(*rows)


def check_against_the_fold(rows, block=None):
    booked, stats = with_levels(rows, 1)
    replay = LevelReplay()
    parts = [replay.apply(part, tops=True) for part in rows.iter_slices(block or rows.height)]
    np.testing.assert_array_equal(np.concatenate(parts), booked.select(TOPS).to_numpy())
    counts = replay.counts()
    assert counts.crossed_rows == stats.crossed_rows
    assert counts.ignored_levels == stats.ignored_levels
    assert counts.overruled_levels == stats.overruled_levels
    assert counts.withdrawn_levels == stats.withdrawn_levels
    return replay, stats


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("block", [None, 41])
def test_a_wild_feed_gives_the_same_best_prices_after_every_row(seed, block):
    _, stats = check_against_the_fold(random_levels(seed), block)
    assert min(stats.crossed_rows, stats.ignored_levels, stats.overruled_levels) > 0


def test_a_lasting_cross_is_resolved_alike():
    _, stats = check_against_the_fold(random_levels(3, quotes=0.0, step_ms=700))
    assert stats.withdrawn_levels > 20


@given(st.integers(0, 2**32), st.integers(3, 60), st.sampled_from([0.0, 0.1, 0.5]), st.sampled_from([3, 200, 2_000]))
@settings(max_examples=40, deadline=None)
def test_any_feed_gives_the_same_best_prices(seed, width, quotes, step_ms):
    check_against_the_fold(random_levels(seed, 200, width, quotes, step_ms), block=67)


@pytest.mark.parametrize("block", [None, 53])
def test_a_price_off_the_unit_so_far_changes_nothing_but_the_places(block):
    rows = random_levels(11).with_columns(price=pl.col("price") * 100)
    off = pl.when((pl.col("sequence") > 700) & (pl.col("price") > 0)).then(20).otherwise(0)
    replay, _ = check_against_the_fold(rows.with_columns(price=pl.col("price") + off), block)
    assert replay.places.unit == 20


def test_every_level_stands_with_the_size_last_stated():
    rows = raw_frame(
        level("B", 99, 5), level("B", 98, 4), level("A", 101, 3), level("A", 10**12, 7), level("B", 99, 2),
        level("B", 98, 0), level("B", 3, 1), level("B", 77, 0),
    )  # fmt: skip
    replay = LevelReplay()
    replay.apply(rows)
    assert replay.levels(BID) == [(99, 2), (3, 1)]
    assert replay.levels(ASK) == [(101, 3), (10**12, 7)]


@pytest.mark.parametrize("unit", [1, 250])
def test_a_tape_run_by_the_clock_shows_what_was_received_by_then(unit):
    rows = random_levels(7, quotes=0.0).with_columns(price=pl.col("price") * unit)
    expected = LevelReplay().apply(rows, tops=True)
    received = rows["ts_recv"].to_numpy()
    tape = LevelTape(rows.iter_slices(100))
    for _ in range(2):
        end, seen = 0, 0
        for moment in range(int(received[0]), int(received.max()) + 1, 700 * MS):
            more = tape.advance(moment)
            while end < received.size and received[end] <= moment:
                end += 1
            assert more == (end < received.size)
            if end:
                assert (*tape.best(BID), *tape.best(ASK)) == tuple(expected[end - 1])
                seen += 1
        assert seen > 20
        tape.rewind()
        assert tape.best(BID) == tape.best(ASK) == (0, 0)


def test_no_rows_give_an_empty_book():
    tape = LevelTape([])
    assert not tape.advance(START_NS)
    assert tape.best(ASK) == (0, 0)


@pytest.mark.shared_data
def test_a_real_capture_gives_the_same_best_prices_after_every_row(shared_data):
    adapter = BinanceRaw()
    path = shared_data / "binance_raw" / "usdm" / "btcusdt_20240808.gz"
    info = adapter.sniff(path)
    rows = adapter.parse({"capture": path}, adapter.default_spec(info.instrument), info.dates[0]).frame
    check_against_the_fold(rows, block=200_000)
