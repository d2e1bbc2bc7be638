"""Ids numbered in order of first occurrence, and running sums of the few rows that trade, against plain Python."""

import numpy as np
import pytest

from feeds.cleaning import trade_signs
from sim.order_numbers import number_ids
from sim.tape_sums import traded_sums, variance_sums
from tests.support.raw_events import MS, START_NS, order, random_orders, raw_frame


@pytest.mark.parametrize("ids", [1, 3, 500])
def test_each_id_has_the_number_of_its_first_occurrence(ids):
    rng = np.random.default_rng(ids)
    told = rng.choice(rng.integers(-(2**62), 2**62, ids), 700)
    out, known = np.empty(700, np.int64), {}
    count = number_ids(told, out)
    assert out.tolist() == [known.setdefault(key, len(known)) for key in told.tolist()]
    assert count == len(known)


def test_no_ids_have_no_numbers():
    assert number_ids(np.zeros(0, np.int64), np.zeros(0, np.int64)) == 0


def test_traded_sums_are_those_of_a_loop_over_all_rows():
    rows = random_orders(2, events=400)
    sums, signs = [[0, 0, 0]], trade_signs(rows)
    for action, size, sign in zip(rows["action"], rows["size"], signs.tolist(), strict=True):
        by = (size, size * sign, 1) if action in "FT" else (0, 0, 0)
        sums.append([a + b for a, b in zip(sums[-1], by, strict=True)])
    np.testing.assert_array_equal(traded_sums(rows), sums)
    np.testing.assert_array_equal(traded_sums(rows, signs), sums)
    assert sums[-1][2] > 20


def test_variance_sums_sample_the_last_two_sided_book_of_each_second():
    mids = {0: 0, 300: 100, 900: 110, 1_400: 0, 2_600: 121, 4_200: 121}
    events = [
        order(
            "A",
            k,
            "B",
            1,
            1,
            bid_px=mid - 1 if mid else 0,
            bid_sz=1,
            ask_px=mid + 1,
            ask_sz=1,
            ts_event=START_NS + ms * MS,
        )
        for k, (ms, mid) in enumerate(mids.items())
    ]
    tape = raw_frame(*events)
    quoted = np.array([mid > 0 for mid in mids.values()])
    first, sums = variance_sums(tape, tape["ts_recv"].to_numpy(), quoted)
    assert first == START_NS // 1_000_000_000
    # Known at whole seconds 1 (110), 2 (still 110), 3 (121), 4, 5.
    step = np.log(1.1) ** 2
    np.testing.assert_allclose(sums, [0, 0, 0, step, step, step], rtol=1e-12)
