"""Orders that cross before an auction are no proof against each other; orders that outlive trading still are."""

import numpy as np
import pytest

from sim.fast_replay_l3 import OrderReplay
from sim.ladder_rows import VACANT
from sim.reference_book import ASK, BID, ReferenceBook
from sim.replay import with_book
from tests.sim.test_book import twin_apply
from tests.support.raw_events import MS, START_NS, order, raw_frame
from tests.support.replay_columns import book_columns

SECOND = 1_000 * MS


class Venue:
    """Calls for an auction and continuous trading in turn, and the orders that rest by the venue's own account."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.rows: list[dict] = [{"action": "R", "ts_event": START_NS}]
        self.live: dict[int, list] = {}
        self.now, self.numbers = START_NS, 0

    def tell(self, action: str, key: int, lots: int) -> None:
        side, price, _ = self.live[key]
        self.rows.append(order(action, key, side, price, lots, ts_event=self.now))

    def add(self, side: str, price: int, lots: int) -> int:
        self.numbers += 1
        self.live[self.numbers] = [side, price, lots]
        self.tell("A", self.numbers, lots)
        return self.numbers

    def call(self, orders: int = 60) -> None:
        """Orders around 100 on both sides, one a second; nothing trades."""
        for _ in range(orders):
            self.now += SECOND
            side = "BA"[self.rng.integers(2)]
            lean = 2 if side == "B" else -2
            self.add(side, int(100 + lean + self.rng.integers(-8, 9)), int(self.rng.integers(1, 9)))
            if self.rng.random() < 0.2:
                key = int(self.rng.choice(list(self.live)))
                self.tell("C", key, 0)
                del self.live[key]

    def auction(self) -> None:
        """Match what crosses, best first, all at once."""
        self.now += SECOND
        while True:
            bids, asks = (
                sorted(
                    (-1 if side == "B" else 1) * p * 1_000 + key for key, (s, p, _) in self.live.items() if s == side
                )
                for side in "BA"
            )
            if not bids or not asks:
                return
            pair = bids[0] % 1_000, asks[0] % 1_000
            if self.live[pair[0]][1] < self.live[pair[1]][1]:
                return
            lots = min(self.live[key][2] for key in pair)
            for key in pair:
                self.tell("F", key, lots)
                self.live[key][2] -= lots
                if self.live[key][2] == 0:
                    del self.live[key]

    def trade(self, times: int = 5) -> None:
        """Buyers take one lot each from an order of their own making at the best ask."""
        for _ in range(times):
            self.now += SECOND
            key = self.add("A", min([p for s, p, _ in self.live.values() if s == "A"], default=101), 1)
            self.now += MS
            self.tell("F", key, 1)
            del self.live[key]


def resting(replay: OrderReplay) -> set[int]:
    orders, ids = replay.ladder.orders, replay.numbers.ids
    held = np.flatnonzero((orders["lots"] > 0) & (orders["state"] > 0) & (orders["state"] != VACANT))
    return set(ids[held].tolist())


@pytest.mark.parametrize("seed", range(3))
def test_orders_that_cross_before_an_opening_or_a_later_auction_all_live_until_it_matches_them(seed):
    venue = Venue(seed)
    for _ in range(2):
        venue.call()
        crossing = len(venue.live)
        venue.auction()
        assert len(venue.live) < crossing - 10
        venue.trade()
    rows = raw_frame(*venue.rows)
    replay, twin = OrderReplay(), ReferenceBook()
    replay.apply(rows)
    for row in rows.to_dicts():
        twin_apply(twin, row)
    assert resting(replay) == set(twin.orders) == set(venue.live)
    for side, name in ((BID, "B"), (ASK, "A")):
        prices = {price for s, price, _ in venue.live.values() if s == name}
        assert {price for price, _ in replay.levels(side)} == prices
    stats = with_book(rows)[1]
    assert stats == book_columns(rows)[1]
    assert (stats.evicted_orders, stats.unknown_ids, stats.pending_at_end) == (0, 0, 0)
    assert stats.pending_orders > 20


def test_an_order_whose_end_was_lost_in_the_call_goes_once_the_venue_trades_past_it():
    venue = Venue(7)
    lost = venue.add("A", 90, 3)
    del venue.live[lost]
    venue.call()
    venue.auction()
    replay, told = OrderReplay(), len(venue.rows)
    replay.apply(raw_frame(*venue.rows))
    assert replay.levels(ASK)[0] == (90, 3)
    venue.trade()
    replay.apply(raw_frame(*venue.rows[told:]))
    assert resting(replay) == set(venue.live)
    assert replay.counts().evicted_orders == 1


def test_a_cleared_book_forgets_that_anything_traded():
    venue = Venue(3)
    venue.call()
    venue.auction()
    venue.trade()
    venue.rows.append({"action": "R", "ts_event": venue.now})
    # A snapshot states when its orders entered: before the trades that the venue had before.
    venue.live, venue.now = {}, START_NS
    venue.call()
    last = venue.rows[-1]["ts_event"] + 600 * SECOND
    rows = raw_frame(*venue.rows, order("A", 999, "B", 1, 1, ts_event=last))
    replay = OrderReplay()
    replay.apply(rows)
    assert resting(replay) == {*venue.live, 999}
    stats = with_book(rows)[1]
    assert stats == book_columns(rows)[1]
    assert stats.evicted_orders == 0
