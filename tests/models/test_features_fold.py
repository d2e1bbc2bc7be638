"""The numba fold against its plain twin, against closed forms, and against itself cut and resumed."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.errors import SchemaError, StudyError
from models.features import feature_names, microstructure_features
from models.features.fold import Events, FoldState, Grid, advance, fold, init_state
from models.features.fold_python import reference_features
from models.features.table import features_frame
from tests.support.clean_ticks import OPEN_NS, SECOND_NS, SPEC, clean_ticks, random_clean_ticks

CLOSE_NS = OPEN_NS + 120 * SECOND_NS
BOUNDS = (OPEN_NS, CLOSE_NS)


def bits(frame):
    return [
        frame[name].to_numpy().view(np.int64) if kind == pl.Float64 else frame[name].to_list()
        for name, kind in frame.schema.items()
    ]


def assert_bit_equal(left, right):
    assert left.schema == right.schema
    assert left.height == right.height
    for name, a, b in zip(left.columns, bits(left), bits(right), strict=True):
        assert np.array_equal(a, b), name


@pytest.mark.parametrize("grid_ms", [250, 1000, 1500, 5000])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_fold_equals_the_plain_twin_bit_for_bit(seed, grid_ms):
    clean = random_clean_ticks(seed, 400)
    grid = Grid.of(BOUNDS, grid_ms, SPEC)
    twin = reference_features(Events.from_clean(clean), grid)
    frame = microstructure_features(clean, BOUNDS, grid_ms, SPEC)
    assert frame["ts"].to_list() == [row["ts"] for row in twin]
    for name in (*feature_names(), "mid_ticks"):
        expected = np.array([row[name] for row in twin])
        assert np.array_equal(frame[name].fill_null(np.nan).to_numpy(), expected, equal_nan=True), name


def test_the_twin_agrees_over_a_session_longer_than_every_ring():
    clean = random_clean_ticks(5, 900, session_s=700)
    bounds = (OPEN_NS, OPEN_NS + 700 * SECOND_NS)
    twin = reference_features(Events.from_clean(clean), Grid.of(bounds, 7000, SPEC))
    frame = microstructure_features(clean, bounds, 7000, SPEC)
    for name in feature_names():
        assert frame[name].to_list() == [row[name] for row in twin], name


def test_the_twin_agrees_where_quotes_stood_before_the_open():
    clean = random_clean_ticks(6, 300, open_ns=OPEN_NS - 20 * SECOND_NS)
    twin = reference_features(Events.from_clean(clean), Grid.of(BOUNDS, 1000, SPEC))
    frame = microstructure_features(clean, BOUNDS, 1000, SPEC)
    assert frame["ts"][0] == OPEN_NS + SECOND_NS
    for name in feature_names():
        assert frame[name].to_list() == [row[name] for row in twin], name


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(0, 500), restore=st.booleans())
def test_a_fold_resumed_from_a_checkpoint_equals_the_whole_bit_for_bit(cut, restore):
    clean = random_clean_ticks(3, 500)
    grid = Grid.of(BOUNDS, 1000, SPEC)
    events = Events.from_clean(clean)
    state = init_state(grid)
    first = fold(state, events.between(0, cut))
    resumed = FoldState.from_bytes(state.to_bytes(), grid) if restore else state.copy()
    parts = [first, fold(resumed, events.between(cut, 500)), advance(resumed, CLOSE_NS)]
    assert_bit_equal(features_frame(parts, SPEC.id), microstructure_features(clean, BOUNDS, 1000, SPEC))


def test_event_by_event_with_the_clock_advanced_between_equals_the_batch():
    clean = random_clean_ticks(4, 300)
    events = Events.from_clean(clean)
    state = init_state(Grid.of(BOUNDS, 1000, SPEC))
    parts = []
    for i, stamp in enumerate(events.available_at):
        parts += [advance(state, int(stamp) - 1), fold(state, events.between(i, i + 1))]
    parts.append(advance(state, CLOSE_NS))
    assert_bit_equal(features_frame(parts, SPEC.id), microstructure_features(clean, BOUNDS, 1000, SPEC))


@settings(max_examples=30, deadline=None)
@given(cut_ms=st.integers(1, 120_000))
def test_cutting_the_future_changes_nothing_before_the_cut(cut_ms):
    clean = random_clean_ticks(7, 400)
    cut_ns = OPEN_NS + cut_ms * 1_000_000
    past = clean.filter(pl.col("available_at") <= cut_ns)
    whole = microstructure_features(clean, BOUNDS, 1000, SPEC).filter(pl.col("ts") <= cut_ns)
    again = microstructure_features(past, BOUNDS, 1000, SPEC).filter(pl.col("ts") <= cut_ns)
    assert_bit_equal(whole, again)


def test_an_event_known_exactly_at_the_decision_time_counts_and_one_a_nanosecond_later_does_not():
    quotes = {"bid_px": [100, 200], "ask_px": [102, 202]}
    at = clean_ticks(available_at=[OPEN_NS + 1, OPEN_NS + SECOND_NS], **quotes)
    after = clean_ticks(available_at=[OPEN_NS + 1, OPEN_NS + SECOND_NS + 1], **quotes)
    assert microstructure_features(at, BOUNDS, 1000, SPEC)["mid_ticks"][0] == 201.0
    assert microstructure_features(after, BOUNDS, 1000, SPEC)["mid_ticks"][0] == 101.0


def test_order_flow_imbalance_follows_the_three_cases_of_each_side():
    frame = clean_ticks(
        available_at=[OPEN_NS + i for i in range(1, 6)],
        bid_px=[100, 100, 101, 100, 100],
        bid_sz=[5, 8, 4, 6, 6],
        ask_px=[103, 103, 103, 103, 102],
        ask_sz=[7, 7, 7, 7, 9],
    )
    row = microstructure_features(frame, BOUNDS, 1000, SPEC).row(0, named=True)
    # bid grows by 3, a new bid of 4, the bid of 4 leaves, a new ask of 9
    average = (5 + 7 + 8 + 7 + 4 + 7 + 6 + 7 + 6 + 9) / 2 / 5
    assert row["ofi_1s"] == (3 + 4 - 4 - 9) / average


def test_book_features_have_their_closed_forms():
    frame = clean_ticks(
        available_at=[OPEN_NS + 1], bid_px=[9_990], bid_sz=[30], ask_px=[10_010], ask_sz=[10],
        bid_depth=[60], ask_depth=[40],
    )  # fmt: skip
    row = microstructure_features(frame, BOUNDS, 1000, SPEC).row(0, named=True)
    assert row["mid_ticks"] == 10_000.0
    assert row["spread_bps"] == pytest.approx(20.0)
    assert row["spread_ticks"] == 20.0
    assert row["queue_imbalance"] == 0.5
    assert row["depth_imbalance"] == pytest.approx(0.2)
    assert row["depth_log"] == pytest.approx(np.log(101.0))
    microprice = (9_990 * 10 + 10_010 * 30) / 40
    assert row["microprice_offset_bps"] == pytest.approx((microprice / 10_000 - 1) * 1e4)
    assert row["quote_age_ms"] == pytest.approx(1000.0 - 1e-6)
    assert row["time_of_session"] == pytest.approx(1 / 120)


def test_a_trade_leaves_the_one_second_window_after_one_second():
    frame = clean_ticks(
        available_at=[OPEN_NS + 1, OPEN_NS + 1_500_000_000],
        action=["A", "T"],
        size=[0, 6],
        trade_sign=[0, -1],
        bid_px=[100, 100],
        ask_px=[102, 102],
    )
    rows = microstructure_features(frame, BOUNDS, 1000, SPEC)
    assert rows["signed_volume_1s"].to_list()[:3] == [0.0, -6.0, 0.0]
    assert rows["signed_volume_10s"].to_list()[:3] == [0.0, -6.0, -6.0]
    assert rows["trade_sign_last"].to_list()[:2] == [0.0, -1.0]
    assert rows["trade_count_60s"].to_list()[:2] == [0.0, 1.0]


def test_realised_volatility_of_a_mid_that_alternates_each_second_is_the_step():
    seconds = np.arange(1, 121)
    mid = np.where(seconds % 2 == 0, 10_000, 10_010)
    frame = clean_ticks(available_at=OPEN_NS + seconds * SECOND_NS, bid_px=mid - 1, ask_px=mid + 1)
    rows = microstructure_features(frame, BOUNDS, 1000, SPEC)
    step_bps = np.log(10_010 / 10_000) * 1e4
    assert rows["realised_vol_60s_bps"][-1] == pytest.approx(step_bps * np.sqrt(60))
    assert rows["return_1s_bps"][-1] == pytest.approx(-step_bps)
    assert rows["return_10s_bps"][-1] == 0.0


def test_no_decision_is_made_before_the_first_book_or_on_a_silent_feed():
    frame = clean_ticks(available_at=[OPEN_NS + 10 * SECOND_NS + 1], bid_px=[100], ask_px=[102])
    rows = microstructure_features(frame, BOUNDS, 1000, SPEC, max_silence_ms=5_000)
    seconds = ((rows["ts"] - OPEN_NS) // SECOND_NS).to_list()
    assert seconds == [11, 12, 13, 14, 15]


def test_a_row_with_an_empty_side_leaves_the_last_two_sided_book():
    frame = clean_ticks(
        available_at=[OPEN_NS + 1, OPEN_NS + 2],
        bid_px=[100, 0],
        ask_px=[102, 110],
        bid_sz=[1, 0],
        ask_sz=[1, 1],
    )
    assert microstructure_features(frame, BOUNDS, 1000, SPEC)["mid_ticks"][0] == 101.0


def test_an_empty_day_gives_an_empty_table_with_all_columns():
    frame = microstructure_features(random_clean_ticks(1, 0), BOUNDS, 1000, SPEC)
    assert frame.height == 0
    assert frame.columns == ["ts", "available_at", "symbol", "mid_ticks", *feature_names()]


def test_decreasing_available_at_is_rejected_with_its_row():
    frame = clean_ticks(available_at=[OPEN_NS + 5, OPEN_NS + 9, OPEN_NS + 7], bid_px=[1] * 3, ask_px=[2] * 3)
    with pytest.raises(SchemaError, match="row 2 of the batch"):
        microstructure_features(frame, BOUNDS, 1000, SPEC)


def test_an_event_for_a_decision_already_made_is_rejected():
    state = init_state(Grid.of(BOUNDS, 1000, SPEC))
    advance(state, OPEN_NS + SECOND_NS)
    late = clean_ticks(available_at=[OPEN_NS + SECOND_NS], bid_px=[100], ask_px=[102])
    with pytest.raises(SchemaError, match="never decreases"):
        fold(state, Events.from_clean(late))


@pytest.mark.parametrize("other", [(BOUNDS, 250), ((OPEN_NS, CLOSE_NS + SECOND_NS), 1000)])
def test_a_checkpoint_of_another_grid_is_rejected(other):
    saved = init_state(Grid.of(*other, SPEC)).to_bytes()
    with pytest.raises(SchemaError, match="feature checkpoint"):
        FoldState.from_bytes(saved, Grid.of(BOUNDS, 1000, SPEC))


@pytest.mark.parametrize("bounds,grid_ms", [((OPEN_NS, OPEN_NS), 1000), (BOUNDS, 0)])
def test_a_grid_without_extent_is_rejected(bounds, grid_ms):
    with pytest.raises(StudyError, match="feature grid"):
        Grid.of(bounds, grid_ms, SPEC)


def test_every_feature_states_its_unit_and_source_and_no_name_repeats():
    from models.features import FEATURES

    assert len(set(feature_names())) == len(FEATURES)
    assert all(feature.unit and feature.description and feature.source for feature in FEATURES)
