"""Statistics of the realism report against plain twins and small cases with known answers."""

import dataclasses

import numpy as np
import polars as pl
import pytest
from scipy.stats import wasserstein_distance

from sim.flow import simulate_flow
from sim.flow_measure import arrays_of
from sim.flow_moments import market_orders
from sim.flow_params import FlowParams
from sim.realism_blocks import DECAY_LAGS, Blocks, autocorrelations, decay
from sim.realism_classifier import area_under_curve, separability, windows_of
from sim.realism_display import MOST_LEVELS, as_displayed, displayed_levels
from sim.realism_returns import return_statistics
from sim.realism_samples import Grid, Sample, total_variation, wasserstein
from sim.realism_signs import KINDS, _exponent, response, touch_events
from sim.realism_stats import flow_imbalance, lifetimes, on_grid
from sim.replay import with_book
from tests.support.raw_events import order, raw_frame

S = 1_000_000_000
START = 1_772_463_600_000_000_000


@pytest.fixture(scope="module")
def tape():
    return simulate_flow(FlowParams.example(), START, START + 1_200 * S, seed=5, start_mid_ticks=1_000_000)


def small(*events):
    """The events behind an opening book at 990, 985 and 1010, 1015, then enough far away to be a tape."""
    bids, asks = ((1, 990, 5), (3, 985, 7)), ((2, 1010, 5), (4, 1015, 8))
    opening = [order("A", k, side, px, n) for side, each in (("B", bids), ("A", asks)) for k, px, n in each]
    far = [order("A", 1000 + i, "B", 10, 1, ts_event=START + 100 * S + i) for i in range(120)]
    timed = [{**event, "ts_event": START + (i + 1) * S} for i, event in enumerate(events)]
    rows = [{**event, "ts_event": START} for event in opening] + timed + far
    return arrays_of(with_book(raw_frame(*rows))[0])


EVENTS = (
    order("A", 11, "B", 990, 2),  # joins the bid
    order("A", 12, "A", 1005, 3),  # inside the spread
    order("C", 11, "B", 990, 2),  # leaves the bid as it was
    order("F", 12, "A", 1005, 1),  # bought, the offer stays
    order("F", 12, "A", 1005, 2),  # bought, the offer is gone
    order("C", 1, "B", 990, 5),  # the bid falls
    order("A", 13, "B", 980, 4),  # behind the touch
)


def test_events_at_the_touch_are_told_apart_by_kind_sign_and_whether_the_mid_moves():
    arrays = small(*EVENTS)
    events = touch_events(arrays, market_orders(arrays))
    assert [KINDS[k] for k in events.kind] == ["LO0", "LO1", "CA0", "MO0", "MO1", "CA1"]
    assert events.sign.tolist() == [1, -1, -1, 1, 1, -1]
    np.testing.assert_allclose(np.exp(events.log_mid), [1000, 1000, 997.5, 997.5, 997.5, 1000])
    moved = response(events, 1)
    assert moved[0] == 0.0 and np.isnan(moved[-1])
    assert moved[1] == pytest.approx(1e4 * np.log(1000 / 997.5))
    assert moved[4] == pytest.approx(1e4 * np.log(1000 / 997.5))


def test_lifetimes_are_those_of_orders_whose_arrival_was_seen():
    arrays = small(*EVENTS)
    when, seconds = lifetimes(arrays, np.ones(arrays.clock.size, bool))
    assert when.tolist() == [START + 3 * S] and seconds.tolist() == [2.0]


def test_order_flow_imbalance_is_what_enters_and_leaves_the_touch():
    arrays = small(*EVENTS)
    flow = flow_imbalance(arrays)[arrays.clock > START][:7]
    # joins: +2; inside the spread: -3; cancels: -2; bought: +1; the offer of 2 goes, then the bid of 5; behind: nothing
    assert flow.tolist() == [2, -3, -2, 1, 2, -5, 0]


def test_sums_on_a_grid_leave_out_the_unfinished_step():
    arrays = small(*EVENTS)
    when, sums = on_grid(arrays, np.ones(arrays.clock.size), 2)
    assert when[0] == START + S and np.diff(when).tolist() == [2 * S] * (when.size - 1)
    assert sums[:4].tolist() == [2, 2, 2, 1] and sums.sum() < arrays.clock.size


def test_a_tape_cut_to_its_best_levels_tells_how_many_it_shows(tape):
    for levels in (1, 3):
        shown = as_displayed(tape, levels)
        assert displayed_levels(shown) == levels
        assert shown.height < tape.height
        assert (shown["bid_depth"] >= shown["bid_sz"]).all()
    assert displayed_levels(tape) == MOST_LEVELS
    assert as_displayed(tape, MOST_LEVELS) is tape


def test_a_cut_tape_keeps_the_rows_that_a_plain_twin_keeps(tape):
    some = tape.head(1_500)
    live, kept = {}, []
    for row in some.iter_rows(named=True):
        better = {
            p
            for s, p, _ in live.values()
            if s == row["side"] and (p > row["price"]) == (s == "B") and p != row["price"]
        }
        kept.append(len(better) < 2)
        if row["action"] == "A":
            live[row["order_id"]] = [row["side"], row["price"], row["size"]]
        else:
            live[row["order_id"]][2] -= row["size"]
            if live[row["order_id"]][2] <= 0:
                del live[row["order_id"]]
    assert as_displayed(some, 2)["sequence"].to_list() == some.filter(pl.Series(kept))["sequence"].to_list()


def test_distances_are_zero_between_equal_samples_and_known_between_shifted_ones():
    x = np.random.default_rng(0).normal(size=20_000)
    assert total_variation(x, x) == wasserstein(x, x) == 0.0
    assert wasserstein(x, x + 1.0) == pytest.approx(1.0 / np.concatenate([x, x + 1]).std(), rel=0.02)
    assert total_variation(x, x + 1.0) == pytest.approx(0.383, abs=0.03)


def test_the_wasserstein_distance_from_histograms_is_that_of_the_sorted_samples():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=3_000), rng.gamma(2.0, size=5_000)
    exact = wasserstein_distance(x, y) / np.concatenate([x, y]).std()
    assert wasserstein(x, y) == pytest.approx(exact, rel=0.01)


def test_weighing_the_blocks_of_a_histogram_is_repeating_their_values():
    rng = np.random.default_rng(3)
    values, block = rng.normal(size=400), rng.integers(0, 4, 400)
    grid, weights = Grid.of(values, values), np.array([2.0, 0.0, 1.0, 1.0])
    repeated = np.repeat(values, weights[block].astype(int))
    weighed = grid.counts(Sample(values, block, 4)).weighed(weights)
    plain = grid.counts(Sample(repeated, np.zeros(repeated.size, np.int64), 1)).whole()
    np.testing.assert_array_equal(weighed.bins, plain.bins)
    np.testing.assert_array_equal(weighed.cells, plain.cells)


def test_the_decay_of_a_power_law_is_its_exponent_over_any_leading_axes():
    law = np.arange(1, 31) ** -0.5
    assert decay(law) == pytest.approx(0.5)
    np.testing.assert_allclose(decay(np.stack([law, 3.0 * law**2])), [0.5, 1.0])
    assert np.isnan(decay(-np.ones(30)))
    holed = np.where(np.arange(30) % 3 > 0, law, -1.0)
    fine = holed > 0
    assert decay(holed) == pytest.approx(-np.polyfit(np.log(DECAY_LAGS[fine]), np.log(holed[fine]), 1)[0])


def test_the_exponent_of_a_root_law_is_a_half():
    n, size = np.full(8, 50.0), np.linspace(1.0, 4.0, 8)
    sums = np.concatenate([n, n * size, n * np.exp(0.5 * size)])
    assert _exponent(sums) == pytest.approx(0.5)
    with np.errstate(all="ignore"):
        assert np.isnan(_exponent(np.concatenate([n, n * size, -n])))


def test_autocorrelations_are_nan_of_few_values_and_those_of_a_plain_twin_of_many(tape):
    cut = Blocks(arrays_of(tape), 5)
    values = np.random.default_rng(4).normal(size=500).cumsum()
    when = cut.first_ns + np.arange(500) * S
    (one,) = autocorrelations("signs", {"lag 3": lambda v: v[..., 0]}, cut, when, values, np.array([3]))
    centred = values - values.mean()
    assert one.of() == pytest.approx((centred[3:] * centred[:-3]).sum() / (centred**2).sum())
    (few,) = autocorrelations("signs", {"lag 3": lambda v: v[..., 0]}, cut, when[:10], values[:10], np.array([3]))
    assert np.isnan(few.of())


def test_heavy_tails_leverage_and_kurtosis_are_those_of_the_returns(tape):
    arrays = arrays_of(tape)
    rng = np.random.default_rng(6)
    seconds = np.arange(4_000)
    shocks = rng.standard_t(4, size=4_000) * 1e-5
    mid = 1e6 * np.exp(np.cumsum(shocks))
    clock = START + seconds * S
    walk = dataclasses.replace(arrays, clock=clock, mid=mid, live=np.ones(4_000, np.int64))
    found = {one.metric: one.of() for one in return_statistics(walk, Blocks(walk, 10))}
    r = np.diff(np.log(mid)) * 1e4
    assert found["kurtosis over 1 s"] == pytest.approx((r**4).mean() / (r**2).mean() ** 2)
    assert abs(found["leverage, 10 to 100 s"]) < 0.05
    assert found["signature ratio 1 s to 60 s"] == pytest.approx(1.0, abs=0.3)
    assert found["tail index over 10 s"] > 2.0


def test_the_area_under_the_curve_counts_pairs_in_order():
    rng = np.random.default_rng(8)
    scores, labels = rng.integers(0, 6, 60).astype(float), rng.integers(0, 2, 60)
    ones, zeros = scores[labels == 1], scores[labels == 0]
    pairs = [(a > b) + 0.5 * (a == b) for a in ones for b in zeros]
    assert area_under_curve(scores, labels) == pytest.approx(np.mean(pairs))


def test_a_classifier_tells_different_markets_apart_and_says_nothing_of_short_ones(tape):
    wide = dataclasses.replace(
        FlowParams.example(), cancel_rate=tuple(2.0 * r for r in FlowParams.example().cancel_rate)
    )
    other = simulate_flow(wide, START, START + 1_200 * S, seed=6, start_mid_ticks=1_000_000)
    x, y = (windows_of(arrays_of(frame)) for frame in (tape, other))
    assert x.shape == (119, 10) and separability(x, y) > 0.85
    assert np.isnan(separability(x, y[:10]))
