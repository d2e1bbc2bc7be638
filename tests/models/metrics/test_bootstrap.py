import numpy as np
import pytest

from models.metrics.bootstrap import (
    CELLS_PER_BLOCK,
    Bootstrap,
    circular_block_weights,
    correlation_draws,
    mean_draws,
    percentile_interval,
    time_cells,
)

S = 1_000_000_000


def test_cells_are_a_quarter_of_a_block_and_empty_ones_take_no_number():
    ts = np.array([0, 1, 2, 3, 100, 101]) * S + 77
    assert time_cells(ts, block_ms=4_000).tolist() == [0, 1, 2, 3, 4, 5]
    assert time_cells(ts, block_ms=8_000).tolist() == [0, 0, 1, 1, 2, 2]
    assert time_cells(ts[:0], 1_000).size == 0


def test_every_draw_holds_as_many_cells_as_there_are_in_runs_of_a_block():
    weights = circular_block_weights(40, Bootstrap(1_000, draws=50))
    assert (weights.sum(axis=1) == 40).all()
    # a cell drawn brings its neighbours: the mean of |w[i] - w[i-1]| is far below that of independent draws
    jumps = np.abs(np.diff(weights, axis=1)).mean()
    independent = np.random.default_rng(0).multinomial(40, np.full(40, 1 / 40), size=50)
    assert jumps < 0.6 * np.abs(np.diff(independent, axis=1)).mean()


def test_too_few_blocks_give_no_interval():
    assert circular_block_weights(5 * CELLS_PER_BLOCK - 1, Bootstrap(1_000)) is None
    assert circular_block_weights(5 * CELLS_PER_BLOCK, Bootstrap(1_000)) is not None


def test_the_same_seed_draws_the_same_and_another_seed_does_not():
    first, again = (circular_block_weights(30, Bootstrap(1_000, seed=3)) for _ in range(2))
    assert (first == again).all()
    assert (first != circular_block_weights(30, Bootstrap(1_000, seed=4))).any()


def test_a_draw_of_sums_equals_the_statistic_of_the_rows_it_stands_for():
    random = np.random.default_rng(1)
    x, y = random.normal(size=300), random.normal(size=300)
    cell = np.arange(300) // 10
    weights = circular_block_weights(30, Bootstrap(1_000, draws=20))
    drawn = correlation_draws(cell, x, y, weights)
    means = mean_draws(cell, y, weights)
    for k in range(20):
        rows = np.repeat(np.arange(300), weights[k, cell].astype(int))
        assert drawn[k] == pytest.approx(np.corrcoef(x[rows], y[rows])[0, 1], abs=1e-12)
        assert means[k] == pytest.approx(y[rows].mean(), abs=1e-12)


def test_a_draw_without_a_row_or_without_variation_is_not_a_number():
    weights = np.array([[2.0, 0.0], [0.0, 2.0]])
    assert np.isnan(mean_draws(np.array([0]), np.array([1.0]), weights)).tolist() == [False, True]
    x, y = np.array([1.0, 1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0, 5.0])
    assert np.isnan(correlation_draws(np.array([0, 0, 1, 1]), x, y, weights)).tolist() == [True, False]


def test_the_interval_is_the_central_share_of_the_draws():
    assert percentile_interval(np.arange(1001.0), 0.9) == pytest.approx((50.0, 950.0))
    assert percentile_interval(np.array([1.0, np.nan, np.nan]), 0.9) is None


def test_dependence_within_blocks_widens_the_interval():
    random = np.random.default_rng(2)
    common = np.repeat(random.normal(size=60), 20)
    dependent = common + 0.1 * random.normal(size=1200)
    cell = time_cells(np.arange(1200) * S, block_ms=80_000)
    weights = circular_block_weights(int(cell.max()) + 1, Bootstrap(80_000))
    widths = []
    for series in (dependent, random.permutation(dependent)):
        low, high = percentile_interval(mean_draws(cell, series, weights), 0.95)
        widths.append(high - low)
    assert widths[0] > 2.5 * widths[1]
