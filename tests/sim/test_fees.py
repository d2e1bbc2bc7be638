"""Fees of fills beside plain arithmetic."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.errors import StudyError
from feeds.instruments import InstrumentSpec
from sim.fees import Fees, FeeTier

TIERED = Fees(
    taker_bps=5.0,
    maker_bps=-1.0,
    taker_ticks_per_lot=0.3,
    maker_ticks_per_lot=0.1,
    minimum=40.0,
    tiers=(FeeTier(50_000.0, 4.0, -1.5), FeeTier(200_000.0, 2.0, -2.0)),
)


def plain(fees, fills, value=0.0):
    """What the schedule says, written as it is read."""
    told = []
    for _, price, lots, maker in fills:
        taker_bps, maker_bps = fees.taker_bps, fees.maker_bps
        for tier in fees.tiers:
            if value >= tier.from_value:
                taker_bps, maker_bps = tier.taker_bps, tier.maker_bps
        bps, per_lot = (maker_bps, fees.maker_ticks_per_lot) if maker else (taker_bps, fees.taker_ticks_per_lot)
        fee = price * lots * bps / 1e4 + lots * per_lot
        told.append(max(fee, fees.minimum) if fee > 0 else fee)
        value += price * lots
    return told


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 5_000), st.integers(1, 60), st.integers(0, 1)), max_size=12),
    st.floats(0, 300_000),
)
def test_fees_are_those_of_the_tier_the_value_traded_so_far_reaches(fills, before):
    table = np.array([(0, *fill) for fill in fills], np.int64).reshape(-1, 4)
    np.testing.assert_allclose(TIERED.of(table, before), plain(TIERED, table.tolist(), before), rtol=1e-12)


def test_a_fill_pays_the_minimum_and_a_rebate_is_paid_whatever_its_size():
    fills = np.array([[0, 100, 1, 0], [0, 100, 1, 1]])
    assert Fees(taker_bps=1.0, maker_bps=-1.0, minimum=7.0).of(fills).tolist() == [7.0, -0.01]


def test_the_value_that_reaches_a_tier_counts_from_the_next_fill_on():
    fees = Fees(taker_bps=10.0, tiers=(FeeTier(1_000.0, 0.0, 0.0),))
    fills = np.array([[0, 100, 10, 0], [0, 100, 10, 0]])
    assert fees.of(fills).tolist() == [1.0, 0.0]


def test_a_per_lot_fee_in_currency_is_that_of_the_instruments_units():
    spec = InstrumentSpec(id="X.Y", tick_size=0.01, lot_size=100)
    fees = Fees(taker_ticks_per_lot=0.5)
    assert fees.amount_of(fees.of(np.array([[0, 1_234, 3, 0]])), spec) == pytest.approx(0.5 * 3 * 0.01 * 100)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Fees(taker_bps=math.nan),
        lambda: Fees(minimum=-1.0),
        lambda: FeeTier(-1.0, 0.0, 0.0),
        lambda: FeeTier(1.0, math.inf, 0.0),
        lambda: Fees(tiers=(FeeTier(5.0, 0, 0), FeeTier(5.0, 0, 0))),
        lambda: Fees(tiers=(FeeTier(0.0, 0, 0),)),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(make):
    with pytest.raises(StudyError, match="fees"):
        make()
