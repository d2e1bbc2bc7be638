"""Prices as places: order, inverse, growth."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.price_places import PricePlaces, place_of

PRICES = st.lists(st.one_of(st.integers(-300, 300), st.integers(-(2**62), 2**62)), min_size=1, max_size=40)


def learn(places, prices):
    return places.learn(np.array(prices, np.int64), np.ones(len(prices), bool))


def look_up(places, prices):
    return [place_of(places.keys, places.ranks, price) for price in prices]


@settings(deadline=None)
@given(PRICES, PRICES)
def test_places_are_in_the_order_of_the_prices_and_lead_back_to_them(first, second):
    places = PricePlaces()
    learn(places, first)
    before = np.array(look_up(places, first))
    moved = learn(places, second)
    found = np.array(look_up(places, first + second))
    assert (found >= 0).all() and (found < places.places).all()
    assert places.prices(found).tolist() == first + second
    assert np.argsort(found, kind="stable").tolist() == np.argsort(first + second, kind="stable").tolist()
    if moved is None:
        np.testing.assert_array_equal(found[: len(first)], before)
    else:
        np.testing.assert_array_equal(found[: len(first)] >> 6, moved[before >> 6])


def test_a_price_of_an_unknown_page_has_no_place_and_unused_rows_teach_nothing():
    places = PricePlaces()
    places.learn(np.array([100, 5_000]), np.array([True, False]))
    assert look_up(places, [127, 5_000]) == [63, -1]


def test_more_pages_than_the_first_table_holds_are_all_learnt():
    places = PricePlaces()
    prices = (np.random.default_rng(0).permutation(5_000) * 64).tolist()
    assert learn(places, prices) is not None
    assert look_up(places, prices) == prices
    assert learn(places, prices) is None


GRID = st.lists(st.integers(-50, 50), min_size=1, max_size=20)


@settings(deadline=None)
@given(GRID, GRID, st.integers(1, 200), st.integers(1, 200))
def test_places_are_a_unit_apart_that_divides_every_price(first, second, coarse, fine):
    places = PricePlaces(unit=0)
    before, after = ([unit * n for n in numbers] for unit, numbers in ((coarse, first), (fine, second)))
    places.refine(np.array(before), np.zeros(0, np.int64))
    learn(places, before)
    places.refine(np.array(after), np.array(before))
    learn(places, after)
    prices = np.array(before + after)
    assert places.unit == np.gcd.reduce(prices)
    found = look_up(places, places.in_units(prices).tolist())
    assert places.places_of(prices).tolist() == found == [places.place(price) for price in prices.tolist()]
    assert places.prices(np.array(found)).tolist() == prices.tolist()


def test_a_price_off_the_unit_has_no_place_and_is_told():
    places = PricePlaces(unit=0)
    places.refine(np.array([1_000, 1_500]), np.zeros(0, np.int64))
    learn(places, [1_000, 1_500])
    assert (places.unit, places.place(1_000), places.place(1_001)) == (500, 2, -1)
    off = np.array([1_000, 1_001])
    assert places.in_units(off) is None
    assert places.in_units(off, np.array([True, False]))[0] == 2
