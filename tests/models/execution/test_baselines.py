"""Rules: their lots add up, they keep their schedule, and a passive slice is crossed at its end."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.errors import InsufficientDataError, StudyError
from models.execution.baselines import (
    RandomActions,
    Schedule,
    SubmitAndLeave,
    constant,
    slices,
    twap_passive,
    twap_taker,
)
from models.execution.volume_profile import DAY_NS, NS_PER_S, intraday_profile

NOTHING_SEEN = np.zeros(3, dtype=np.float32)


def info(remaining, decisions_left, parent=100, now_ns=0):
    return {
        "side": 0,
        "parent_lots": parent,
        "remaining_lots": remaining,
        "decisions_left": decisions_left,
        "now_ns": now_ns,
    }


@given(st.integers(0, 10**9), st.lists(st.floats(0, 1e6), min_size=1, max_size=40).filter(lambda x: sum(x) > 0))
def test_slices_add_up_and_stay_within_half_a_lot_of_the_schedule(parent, fractions):
    lots = slices(parent, fractions)
    assert lots.sum() == parent
    assert (lots >= 0).all()
    wanted = parent * np.cumsum(fractions) / sum(fractions)
    assert (np.abs(np.cumsum(lots) - wanted) <= 0.5 + 1e-6 * max(1, parent)).all()


@pytest.mark.parametrize("fractions", [[], [0.0, 0.0], [0.5, -0.1], [float("nan")]])
def test_a_schedule_that_is_none_is_refused(fractions):
    with pytest.raises(StudyError, match="schedule"):
        slices(10, fractions)


def test_equal_slices_differ_by_a_lot_at_most():
    lots = slices(103, np.full(10, 0.1))
    assert lots.sum() == 103
    assert lots.max() - lots.min() == 1


def test_a_taker_takes_its_slice_and_what_an_earlier_one_did_not_get():
    rule = twap_taker()
    rule.begin(info(100, 4), seed=1)
    assert rule.instruction(NOTHING_SEEN, info(100, 4)) == (25, 0, 0)
    assert rule.instruction(NOTHING_SEEN, info(75, 3)) == (25, 0, 0)
    assert rule.instruction(NOTHING_SEEN, info(60, 2)) == (35, 0, 0)


def test_a_passive_slice_rests_and_is_crossed_at_its_end():
    rule = twap_passive()
    rule.begin(info(100, 4), seed=1)
    assert rule.instruction(NOTHING_SEEN, info(100, 4)) == (0, 25, 0)
    assert rule.instruction(NOTHING_SEEN, info(90, 3)) == (15, 25, 0)
    assert rule.instruction(NOTHING_SEEN, info(50, 2)) == (0, 25, 0)


def test_a_rule_that_is_ahead_trades_no_more_than_its_schedule():
    rule = twap_taker()
    rule.begin(info(100, 4), seed=1)
    assert rule.instruction(NOTHING_SEEN, info(60, 3)) == (10, 0, 0)
    assert rule.instruction(NOTHING_SEEN, info(20, 2)) == (0, 0, 0)


def test_submit_and_leave_rests_all_that_is_left():
    assert SubmitAndLeave().instruction(NOTHING_SEEN, info(37, 2)) == (0, 37, 0)


def test_a_fixed_profile_needs_a_fraction_for_every_decision():
    rule = Schedule("vwap", constant([0.5, 0.3, 0.2]))
    rule.begin(info(10, 3, parent=10), seed=1)
    assert rule.lots.tolist() == [5, 3, 2]
    with pytest.raises(StudyError, match="volume profile"):
        rule.begin(info(10, 4), seed=1)


def test_chance_repeats_itself_for_a_seed_and_takes_every_action():
    def drawn(seed):
        rule = RandomActions(7)
        rule.begin(info(100, 4), seed)
        return [rule.instruction(NOTHING_SEEN, info(100, 4)) for _ in range(200)]

    assert drawn(3) == drawn(3) != drawn(4)
    assert set(drawn(3)) == set(range(7))


def bars(volumes, start_s=0):
    opens = (start_s + 60 * np.arange(len(volumes))) * NS_PER_S
    return pl.DataFrame({"ts_open": opens, "ts": opens + 60 * NS_PER_S, "volume_lots": volumes})


def test_the_volume_profile_follows_the_time_of_day_over_bars_of_all_days():
    both = pl.concat([bars([10, 30, 60]), bars([30, 30, 0], start_s=5 * 86_400)])
    profile = intraday_profile(both, horizon_s=120)
    at_open, later = (profile(4, info(1, 4, now_ns=DAY_NS + s * NS_PER_S)) for s in (0, 60))
    np.testing.assert_allclose(at_open, np.array([20, 20, 30, 30]) / 100)
    np.testing.assert_allclose(later, np.array([30, 30, 30, 30]) / 120)


def test_the_volume_profile_crosses_midnight():
    late = bars([10, 10, 40, 20], start_s=86_400 - 120)
    shares = intraday_profile(late, horizon_s=240)(4, info(1, 4, now_ns=DAY_NS - 120 * NS_PER_S))
    np.testing.assert_allclose(shares, np.array([10, 10, 40, 20]) / 80)


def test_a_horizon_without_volume_is_cut_evenly_and_no_bars_are_refused():
    profile = intraday_profile(bars([10]), horizon_s=60)
    np.testing.assert_allclose(profile(5, info(1, 5, now_ns=3600 * NS_PER_S)), np.full(5, 0.2))
    with pytest.raises(InsufficientDataError, match="volume profile"):
        intraday_profile(bars([]), horizon_s=60)
