import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.errors import SchemaError
from models.metrics.paired import paired_comparison, paired_episodes

S = 1_000_000_000
TS = np.arange(600) * S


def losses(shift: float, seed: int = 0, n: int = 600) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    champion = random.exponential(size=n)
    return champion + shift + 0.3 * random.normal(size=n), champion


def test_a_challenger_that_loses_less_everywhere_is_better():
    found = paired_comparison(*losses(-0.2), TS, block_ms=10_000)
    assert found.better and found.low < found.difference < found.high < 0
    assert found.difference == pytest.approx(-0.2, abs=0.05)
    assert found.n == 600 and "lies below 0" in found.reason


@pytest.mark.parametrize(("shift", "says"), [(0.2, "loses more"), (0.0, "holds 0")])
def test_a_challenger_that_is_worse_or_the_same_is_not_better(shift, says):
    found = paired_comparison(*losses(shift), TS, block_ms=10_000)
    assert not found.better and says in found.reason


def test_too_short_a_test_is_not_better_however_large_the_difference_and_says_why():
    challenger, champion = losses(-50.0)
    found = paired_comparison(challenger, champion, TS, block_ms=200_000)
    assert not found.better and found.low is found.high is None
    assert found.difference == pytest.approx(-50, abs=0.1)
    assert "too short" in found.reason and "< 5" in found.reason
    labels = np.repeat([1, 2, 3, 4], 150)
    found = paired_episodes(challenger, champion, labels)
    assert not found.better and "4 blocks of episodes < 5" in found.reason


def test_without_any_pair_nothing_is_tested():
    nothing = paired_comparison([np.nan, 1.0], [1.0, np.inf], [0, 1], 1_000)
    assert (nothing.n, nothing.difference, nothing.better) == (0, None, False)
    assert paired_episodes([], [], []).n == 0


def test_only_pairs_count_in_which_both_losses_are_known():
    challenger, champion = losses(-0.2)
    holed = challenger.copy()
    holed[::3] = np.nan
    keep = np.isfinite(holed)
    whole = paired_comparison(challenger[keep], champion[keep], TS[keep], 10_000)
    assert paired_comparison(holed, champion, TS, 10_000) == whole


def test_losses_that_depend_on_each_other_need_longer_blocks_and_get_wider_intervals():
    random = np.random.default_rng(3)
    slow, ts = np.repeat(random.normal(size=60), 40), np.arange(2_400) * S
    short, long = (paired_comparison(slow, np.zeros(2_400), ts, block_ms) for block_ms in (1_000, 120_000))
    assert long.high - long.low > 2 * (short.high - short.low)


def test_a_comparison_is_the_same_every_time_and_its_mirror_image_is_never_better_too():
    challenger, champion = losses(-0.2, seed=4)
    found = paired_comparison(challenger, champion, TS, 10_000)
    assert found == paired_comparison(challenger, champion, TS, 10_000)
    mirror = paired_comparison(champion, challenger, TS, 10_000)
    assert mirror.difference == -found.difference and not mirror.better


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(-1, 1), st.floats(0.01, 100))
def test_the_outcome_does_not_depend_on_the_unit_of_the_loss(seed, shift, unit):
    challenger, champion = losses(shift, seed, 200)
    labels = np.arange(200) // 10
    one, other = (paired_episodes(u * challenger, u * champion, labels, draws=200) for u in (1.0, unit))
    assert one.better == other.better
    assert other.difference == pytest.approx(unit * one.difference)


def test_the_interval_of_few_blocks_promotes_a_coin_no_more_often_than_stated():
    random = np.random.default_rng(5)
    lucky = 0
    for trial in range(600):
        by_block = np.repeat(random.normal(size=6), 5)
        lucky += paired_episodes(by_block, np.zeros(30), np.repeat(np.arange(6), 5), seed=trial, draws=400).better
    # stated: 2.5 % on one side; plain percentiles of six blocks give 6 % and more
    assert lucky / 600 < 0.04


def test_episodes_of_one_block_count_as_one_observation():
    random = np.random.default_rng(6)
    by_block = random.normal(-0.1, 1.0, size=20)
    repeated = np.repeat(by_block, 50)
    together = paired_episodes(repeated, np.zeros(1_000), np.repeat(np.arange(20), 50))
    apart = paired_episodes(repeated, np.zeros(1_000), np.arange(1_000))
    assert together.high - together.low > 4 * (apart.high - apart.low)


def test_a_record_names_the_loss():
    record = paired_comparison(*losses(-0.2), TS, 10_000).record("squared error (bps²)")
    assert list(record) == ["metric", "n", "difference", "low", "high", "better", "reason"]


def test_unequal_lengths_are_refused():
    with pytest.raises(SchemaError, match="2 and 3 losses with 3"):
        paired_comparison([1, 2], [1, 2, 3], [1, 2, 3], 1_000)
