"""The nearest set bit, against a search through a set of numbers."""

from hypothesis import given, settings
from hypothesis import strategies as st

from sim.bit_words import NONE_ABOVE, NONE_BELOW, clear_bit, next_above, next_below, set_bit, words_for

PLACES = 3 * 64 * 64 + 7
PLACE = st.one_of(st.integers(0, PLACES - 1), st.sampled_from([0, 63, 64, 4_095, 4_096, PLACES - 1]))


@settings(deadline=None)
@given(st.sets(PLACE, max_size=12), st.sets(PLACE, max_size=6), PLACE)
def test_the_nearest_bits_are_those_of_a_set(chosen, gone, at):
    words, summary = words_for(PLACES)
    for place in sorted(chosen | gone):
        set_bit(words, summary, place)
    for place in sorted(gone):
        clear_bit(words, summary, place)
    left = chosen - gone
    assert next_below(words, summary, at) == max((k for k in left if k < at), default=NONE_BELOW)
    assert next_above(words, summary, at) == min((k for k in left if k > at), default=NONE_ABOVE)


def test_a_bit_can_be_cleared_twice_and_set_twice():
    words, summary = words_for(130)
    for _ in range(2):
        set_bit(words, summary, 129)
    assert next_above(words, summary, 0) == 129
    for _ in range(2):
        clear_bit(words, summary, 129)
    assert next_above(words, summary, 0) == NONE_ABOVE and not summary.any()
