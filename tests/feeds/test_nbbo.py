"""Best bid and offer from quotes."""

import numpy as np
import pytest

from feeds.nbbo import BOOK_COLUMNS, STALE_CROSS_NS, fold_quotes, with_nbbo
from tests.support.raw_events import MS, START_NS, quote, raw_frame, trade


def books(*events, stated="exchange"):
    return with_nbbo(raw_frame(*events), stated).select(BOOK_COLUMNS).rows()


def test_the_best_price_over_the_exchanges_wins_and_equal_prices_add_up():
    rows = books(quote("B", 99, 1, "N"), quote("B", 100, 2, "Q"), quote("B", 100, 4, "P"), quote("A", 101, 3, "N"))
    assert rows == [(99, 1, 0, 0, 1, 0), (100, 2, 0, 0, 3, 0), (100, 6, 0, 0, 7, 0), (100, 6, 101, 3, 7, 3)]


@pytest.mark.parametrize("withdrawal", [quote("B", 100, 0, "Q"), quote("B", 0, 5, "Q")])
def test_a_quote_without_size_or_price_withdraws(withdrawal):
    rows = books(quote("B", 99, 1, "N"), quote("B", 100, 2, "Q"), withdrawal)
    assert rows[-1] == (99, 1, 0, 0, 1, 0)


def test_a_national_tape_replaces_the_best_whoever_makes_it():
    events = [quote("B", 100, 2, "Q"), quote("A", 101, 1, "Q"), quote("B", 99, 5, "N")]
    assert books(*events, stated="national")[-1] == (99, 5, 101, 1, 5, 1)
    assert books(*events, stated="exchange")[-1] == (100, 2, 101, 1, 7, 1)


def test_trades_carry_the_standing_book():
    rows = books(quote("B", 100, 2), quote("A", 101, 2), trade(101))
    assert rows[2] == rows[1]


def test_a_short_cross_stands_and_a_persistent_one_withdraws_the_older_quote():
    late = START_NS + 1 * MS + STALE_CROSS_NS
    rows = books(
        quote("A", 100, 1, "N"),
        quote("B", 101, 2, "Q"),
        quote("A", 103, 7, "P"),
        trade(101, ts_event=late - 1),
        trade(101, ts_event=late),
    )
    assert rows[3][:4] == (101, 2, 100, 1)
    assert rows[4][:4] == (101, 2, 103, 7)


def test_a_locked_market_is_left_alone():
    later = START_NS + 10 * STALE_CROSS_NS
    rows = books(quote("A", 100, 1, "N"), quote("B", 100, 2, "Q"), trade(100, ts_event=later))
    assert rows[-1][:4] == (100, 2, 100, 1)


def test_an_empty_table_stays_empty():
    assert with_nbbo(raw_frame(trade(1)).clear()).is_empty()


@pytest.mark.parametrize("seed", range(3))
def test_the_kernel_equals_its_plain_twin(seed):
    rng = np.random.default_rng(seed)
    n, exchanges = 3_000, 4
    action = rng.choice([6, 4, 5], n, p=[0.94, 0.058, 0.002])
    side, exchange = rng.integers(0, 3, n), rng.integers(0, exchanges, n)
    price = 1_000 + np.where(side == 0, -3, 3) + rng.integers(-4, 5, n)
    size, ts_ns = rng.integers(0, 6, n), np.cumsum(rng.integers(0, 200 * MS, n))
    out = np.zeros((6, n), np.int64)
    fold_quotes(action, side, exchange, price, size, ts_ns, exchanges, out)
    columns = (action, side, exchange, price, size, ts_ns)
    expected = plain_fold(zip(*(column.tolist() for column in columns), strict=True))
    assert [tuple(row) for row in out.T.tolist()] == expected


def plain_fold(events):
    """Dictionaries ``side -> exchange -> (price, size, stamp)``."""
    quotes, since, rows = ({}, {}), None, []
    for action, side, exchange, price, size, now in events:
        if since is not None and now - since >= STALE_CROSS_NS:
            withdraw_stale(quotes)
            since = None
        if action == 6 and side < 2:
            quotes[side].pop(exchange, None)
            if price > 0 and size > 0:
                quotes[side][exchange] = (price, size, now)
        elif action == 5:
            quotes[0].clear()
            quotes[1].clear()
        bid = max((q[0] for q in quotes[0].values()), default=0)
        ask = min((q[0] for q in quotes[1].values()), default=0)
        since = (now if since is None else since) if bid > ask > 0 else None
        sizes = [sum(q[1] for q in quotes[s].values() if q[0] == best) for s, best in ((0, bid), (1, ask))]
        depths = [sum(q[1] for q in quotes[s].values()) for s in (0, 1)]
        rows.append((bid, sizes[0], ask, sizes[1], *depths))
    return rows


def withdraw_stale(quotes):
    while quotes[0] and quotes[1]:
        bid = min(quotes[0], key=lambda e: (-quotes[0][e][0], e))
        ask = min(quotes[1], key=lambda e: (quotes[1][e][0], e))
        (bid_price, _, bid_time), (ask_price, _, ask_time) = quotes[0][bid], quotes[1][ask]
        if bid_price <= ask_price:
            return
        if bid_time <= ask_time:
            del quotes[0][bid]
        if ask_time <= bid_time:
            del quotes[1][ask]
