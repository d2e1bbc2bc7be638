from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.kernels import order_table as ot

SLOTS = 16
# Numbers whose search begins in the last slots, so that clusters run around the end, and any others.
NUMBERS = [n for n in range(3000) if ot.home(ot.table_of(ot.new_table(SLOTS)), n) // ot.WIDTH in (14, 15, 0)][:12]


@given(st.lists(st.tuples(st.sampled_from([*NUMBERS, 0, 2**63 - 1, -1, -(2**63)]), st.booleans()), max_size=80))
@settings(max_examples=200, deadline=None)
def test_a_table_behaves_as_a_dictionary_also_where_searches_collide(operations):
    words, twin = ot.new_table(SLOTS), {}
    table = ot.table_of(words)
    for step, (number, adds) in enumerate(operations):
        entry = ot.find(table, number)
        assert bool(entry) == (number in twin)
        if number in twin and not adds:
            ot.remove(table, entry)
            del twin[number]
        elif number in twin:
            price, size, owner = twin[number]
            ot.reduce(entry, min(size, 3))
            twin[number] = (price, size - min(size, 3), owner)
        elif adds and len(twin) < SLOTS - 1:
            twin[number] = (2**32 - 1 - step, step * 7, step << 1 | 1)
            ot.insert(table, number, *twin[number])
        for known in (*NUMBERS, 0, 2**63 - 1, -1, -(2**63)):
            entry = ot.find(table, known)
            found = (ot.price_of(entry), ot.size_of(entry), ot.owner_of(entry)) if entry else None
            assert found == twin.get(known)


def test_a_grown_table_holds_the_same_orders():
    words = ot.new_table(64)
    for number in range(0, 3200, 100):
        ot.insert(ot.table_of(words), number, number + 1, number + 2, number + 3)
    larger = ot.grown(words)
    table = ot.table_of(larger)
    assert larger.size == 2 * words.size
    for number in range(3200):
        entry = ot.find(table, number)
        assert bool(entry) == (number % 100 == 0)
        if entry:
            assert (ot.price_of(entry), ot.size_of(entry), ot.owner_of(entry)) == (number + 1, number + 2, number + 3)


def test_an_emptied_table_is_as_new():
    words = ot.new_table(64)
    table = ot.table_of(words)
    for number in range(32):
        ot.insert(table, number, 1, 1, 1)
    for number in range(32):
        ot.remove(table, ot.find(table, number))
    assert not words.reshape(-1, 4)[:, ot.OWNER // 8].any() and not np.any([ot.find(table, n) for n in range(32)])
