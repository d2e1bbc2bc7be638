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
