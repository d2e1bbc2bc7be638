"""The simulated order flow: against its plain twin, determinism, coupling under common random numbers."""

import dataclasses

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.errors import InsufficientDataError
from feeds.schema import ACTIONS, FLAG_SNAPSHOT, RAW_TICKS
from sim.flow import simulate_flow
from sim.flow_kernel import run, start
from sim.flow_own import place_own
from sim.flow_params import FlowParams
from sim.flow_python import PythonFlow, RandomStreams
from sim.flow_state import OWN_FILLS, ROWS, new_state, opening_spread, tables_of
from sim.random_stream import stream_key, uniform
from sim.replay import with_book

START = 1_772_463_600_000_000_000
S = 1_000_000_000
EXAMPLE = FlowParams.example()

rates = st.floats(0.05, 1.5)


@st.composite
def flows(draw):
    k = draw(st.integers(1, 5))
    sizes = st.lists(st.integers(1, 300), min_size=1, max_size=5).map(tuple)
    return FlowParams(
        increment_ticks=draw(st.sampled_from([1, 7, 100])),
        limit_rate=tuple(draw(rates) for _ in range(k)),
        cancel_rate=tuple(draw(rates) for _ in range(k)),
        market_rate=draw(rates),
        limit_lots=draw(sizes),
        market_lots=draw(sizes),
        profile_orders=tuple(draw(st.floats(0.0, 3.0)) for _ in range(k)),
        spread_ticks=draw(st.floats(1.0, 300.0)),
        split_share=draw(st.floats(0.0, 1.0)),
        split_exponent=draw(st.floats(1.1, 2.5)),
        imbalance_slope=draw(st.floats(-2.0, 2.0)),
        lean=draw(st.floats(0.0, 3.0)),
        sigma=draw(st.floats(0.0, 5e-4)),
        activity_sd=draw(st.floats(0.0, 0.8)),
        activity_persistence=draw(st.floats(0.0, 0.99)),
        impact_per_lot=draw(st.floats(0.0, 1e-6)),
    )


def twin_rows(flow):
    return [(ts, ACTIONS.index(action), *rest) for ts, action, *rest in flow.rows]


@settings(max_examples=15, deadline=None)
@given(flows(), st.integers(0, 2**62), st.integers(1, 15))
def test_the_kernel_equals_its_plain_twin_event_for_event(params, seed, seconds):
    state, tables = new_state(params, seed, max_rows=20_000), tables_of(params)
    spread = opening_spread(params)
    start(state, tables, START, 0, 10_000.0 * params.increment_ticks, spread)
    twin = PythonFlow(params, seed, START, 10_000.0 * params.increment_ticks, spread, tables.profile.tolist())
    run(state, tables, START + S // 3)
    twin.run(START + S // 3)
    side, price = seed % 2, twin.touch(seed % 2)
    if place_own(state, side, price, 40) == 0:
        twin.book.add(-1, side, price, 40, START)
    assert run(state, tables, START + seconds * S)
    twin.run(START + seconds * S)
    recorded = [tuple(row) for row in state.rows[: state.counts[ROWS], :6].tolist()]
    assert recorded == twin_rows(twin)
    assert state.own_fills[: state.counts[OWN_FILLS], :3].tolist() == [list(fill) for fill in twin.own_fills]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**62), st.integers(0, 4), st.integers(0, 2**50), st.integers(0, 63))
def test_random_numbers_are_those_of_the_plain_hash(seed, stream, number, draw):
    value = uniform(np.uint64(stream_key(seed, stream)), number, draw)
    assert value == RandomStreams(seed).uniform(stream, number, draw)
    assert 0.0 < value < 1.0


def test_random_numbers_of_neighbouring_addresses_look_independent():
    key = np.uint64(stream_key(5, 0))
    values = np.array([[uniform(key, number, draw) for draw in range(4)] for number in range(5_000)])
    assert abs(values.mean() - 0.5) < 0.01
    assert np.abs(np.corrcoef(values.T) - np.eye(4)).max() < 0.05
    assert abs(np.corrcoef(values[1:, 0], values[:-1, 0])[0, 1]) < 0.05
    assert abs(np.histogram(values, 10, (0, 1))[0] / 20_000 - 0.1).max() < 0.01


@pytest.fixture(scope="module")
def tape():
    return simulate_flow(EXAMPLE, START, START + 1800 * S, seed=3, start_mid_ticks=1_000_000, with_levels=True)


def test_the_table_is_a_tape_whose_book_follows_from_its_events(tape):
    raw = tape.select(list(RAW_TICKS))
    assert dict(raw.schema) == RAW_TICKS
    replayed, stats = with_book(raw)
    assert replayed.equals(raw)
    assert (stats.unknown_ids, stats.duplicate_ids, stats.pending_orders) == (0, 0, 0)
    live = tape.filter(pl.col("flags") == 0)
    assert live.height > 5_000
    assert (live["ask_px"] - live["bid_px"]).min() >= EXAMPLE.increment_ticks
    assert live["bid_px"].min() > 0
    assert live["ts_recv"].is_sorted()
    opening = tape.filter(pl.col("flags") == FLAG_SNAPSHOT)
    assert opening["ts_recv"].unique().to_list() == [START]
    assert opening["action"].unique().to_list() == ["A"]


def test_the_first_of_the_extra_levels_is_the_touch_and_the_others_lie_behind_it(tape):
    for name in ("bid_px", "bid_sz", "ask_px", "ask_sz"):
        assert tape[f"{name}_1"].equals(tape[name].alias(f"{name}_1"))
    two = tape.filter(pl.col("bid_px_2") > 0)
    assert (two["bid_px_2"] < two["bid_px_1"]).all()
    assert (tape.filter(pl.col("ask_px_5") > 0)["ask_px_5"] > tape.filter(pl.col("ask_px_5") > 0)["ask_px_4"]).all()


def test_the_same_seed_gives_the_same_table_and_another_one_does_not():
    first, again, other = (simulate_flow(EXAMPLE, START, START + 60 * S, seed, 1_000_000) for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)


def test_running_in_pieces_changes_nothing():
    rows = []
    for stops in ([60], [0.3, 0.31, 7, 59.99, 60]):
        state, tables = new_state(EXAMPLE, 8, max_rows=5_000), tables_of(EXAMPLE)
        start(state, tables, START, 0, 1e6, 2)
        for stop in stops:
            assert run(state, tables, START + int(stop * S))
        rows.append(state.rows[: state.counts[ROWS]].copy())
    np.testing.assert_array_equal(*rows)


def test_a_record_that_is_full_is_continued_where_it_stopped():
    tables, pieces = tables_of(EXAMPLE), []
    state = new_state(EXAMPLE, 8, max_rows=300)
    start(state, tables, START, 0, 1e6, 2)
    done = False
    while not done:
        done = run(state, tables, START + 60 * S)
        pieces.append(state.rows[: state.counts[ROWS]].copy())
        state.counts[ROWS] = 0
    whole = new_state(EXAMPLE, 8, max_rows=5_000)
    start(whole, tables, START, 0, 1e6, 2)
    run(whole, tables, START + 60 * S)
    assert len(pieces) > 1
    np.testing.assert_array_equal(np.concatenate(pieces), whole.rows[: whole.counts[ROWS]])


def test_a_given_efficient_price_pulls_the_mid_and_a_given_activity_speeds_up_the_flow():
    efficient = np.concatenate([np.zeros(300), np.full(300, 0.002)])
    activity = np.concatenate([np.full(300, 0.5), np.full(300, 2.0)])
    params = dataclasses.replace(EXAMPLE, impact_per_lot=0.0)
    frame = simulate_flow(params, START, START + 600 * S, 4, 1_000_000, efficient=efficient, activity=activity)
    live = frame.filter(pl.col("flags") == 0).with_columns(mid=(pl.col("bid_px") + pl.col("ask_px")) / 2)
    early, late = live.filter(pl.col("ts_recv") < START + 300 * S), live.filter(pl.col("ts_recv") > START + 400 * S)
    assert abs(early["mid"].mean() - 1_000_000) < 300
    assert abs(late["mid"].mean() - 1_002_000) < 300
    assert 3.0 < (late.height / 200) / (early.height / 300) < 5.0


def test_market_orders_remember_their_sign_only_where_orders_are_split():
    memory = []
    for share in (0.0, 0.6):
        params = dataclasses.replace(EXAMPLE, split_share=share, lean=0.0, imbalance_slope=0.0)
        frame = simulate_flow(params, START, START + 20_000 * S, 5, 1_000_000)
        fills = frame.filter(pl.col("action") == "F").unique("ts_recv", maintain_order=True)
        signs = np.where(fills["side"].to_numpy() == "A", 1.0, -1.0)
        memory.append(np.corrcoef(signs[1:], signs[:-1])[0, 1])
    assert abs(memory[0]) < 0.03
    assert memory[1] > 0.15


def test_parameters_survive_json_and_impossible_ones_are_refused():
    assert FlowParams.from_json(EXAMPLE.to_json()) == EXAMPLE
    with pytest.raises(InsufficientDataError, match="split_exponent"):
        dataclasses.replace(EXAMPLE, split_exponent=1.0)
    with pytest.raises(InsufficientDataError, match="cancel_rate"):
        dataclasses.replace(EXAMPLE, cancel_rate=EXAMPLE.cancel_rate[:-1])


def test_an_empty_period_is_refused():
    with pytest.raises(InsufficientDataError, match="an end after the start"):
        simulate_flow(EXAMPLE, START, START, 0, 1_000_000)
