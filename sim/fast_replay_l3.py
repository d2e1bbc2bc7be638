"""Replaying order events at the speed of reading them, with the book of `sim.replay.with_book`.

Two ways. `OrderReplay` takes blocks as they come and needs memory for the live orders, the prices that occur and one
block, never for the tape. `prepare_orders` numbers orders and prices of a tape once; `PreparedOrders.replay` then runs
it as often as wanted without a search. Which way costs what is measured in benchmarks/book_replay.py.

Here: tables of events, growth, reading the book. Not here: the book (sim/ladder_book.py), numbering
(sim/ladder_rows.py), own orders beside a tape (sim/replay_market.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl

from feeds.errors import InsufficientDataError
from feeds.schema import ACTION_CODE, SIDE_CODE
from sim.bit_words import NONE_ABOVE, SHIFT, WORD, next_above, next_below
from sim.book_state import BID, PENDING, RESTING
from sim.ladder_book import replay_rows
from sim.ladder_rows import CHUNK, DONE, NEVER_USED, NO_PLACE, new_numbers, renumber, stream
from sim.ladder_state import (
    BEST,
    DUPLICATE_IDS,
    EVER_PENDING,
    EVICTED_ORDERS,
    ORDER,
    SIDE_UNIT,
    UNKNOWN_IDS,
    Ladder,
    new_ladder,
)
from sim.order_index import EMPTY
from sim.price_places import PricePlaces

_PRICED = tuple(ACTION_CODE[action] for action in "AMT")
_NO_TOPS = np.zeros((0, 4), np.int64)
_FIRST_SLOTS = 2 * CHUNK


class OrderColumns(NamedTuple):
    """Order events as arrays of one length n.

    Attributes:
        code: uint8, action plus 16 times side, codes of the schema.
        order_id: int64.
        price: int64, ticks.
        lots: int64, as ``size`` of the schema.
        ts_ns: int64, venue clock.
    """

    code: np.ndarray
    order_id: np.ndarray
    price: np.ndarray
    lots: np.ndarray
    ts_ns: np.ndarray


@dataclass(frozen=True)
class ReplayCounts:
    """Odd events so far, as in `sim.replay.BookStats`."""

    unknown_ids: int
    duplicate_ids: int
    pending_orders: int
    evicted_orders: int


def order_columns(rows: pl.DataFrame) -> OrderColumns:
    """The columns of RAW_TICKS rows a replay needs.

    Raises:
        InsufficientDataError: An addition is on neither side.
    """
    action, side = (rows[name].to_physical().cast(pl.UInt8).to_numpy() for name in ("action", "side"))
    adrift = int(((action == ACTION_CODE["A"]) & (side == SIDE_CODE["N"])).sum())
    if adrift:
        raise InsufficientDataError(
            "replay of orders",
            received=f"{adrift} additions without a side",
            expected="B or A",
            remedy="Clean the rows first (feeds.cleaning.filter_rows).",
        )
    numbers = (rows[name].to_numpy() for name in ("order_id", "price", "size", "ts_event"))
    return OrderColumns(action + SIDE_UNIT * side, *(np.ascontiguousarray(column) for column in numbers))


class OrderReplay:
    """A book that order events are applied to, block by block.

    Attributes:
        ladder: The book; its arrays are replaced as they grow.
        places: The prices that occur.
        numbers: Ids in use.
    """

    def __init__(self) -> None:
        self.places = PricePlaces()
        self.ladder = new_ladder(_FIRST_SLOTS, 0)
        self.numbers = new_numbers(_FIRST_SLOTS)

    def apply(self, rows: OrderColumns | pl.DataFrame, tops: bool = False) -> np.ndarray:
        """Apply rows in their order.

        Args:
            rows: Order events (RAW_TICKS rows, or their columns).
            tops: Whether the best prices after each row are wanted.

        Returns:
            (n, 4) int64: bid price and lots, ask price and lots after each row, 0 where a side is empty; (0, 4) where
            not wanted.
        """
        columns = order_columns(rows) if isinstance(rows, pl.DataFrame) else rows
        slot, place = np.empty((2, columns.code.size), np.int32)
        return self.apply_numbered(columns, slot, place, tops)

    def apply_numbered(
        self, columns: OrderColumns, slot: np.ndarray, place: np.ndarray, tops: bool = False
    ) -> np.ndarray:
        """The same, with the numbers of orders and prices written to ``slot`` and ``place``, int32 (n,)."""
        code, order_id, price, lots, ts_ns = columns
        out = np.empty((code.size, 4), np.int64) if tops else _NO_TOPS
        reached, why = 0, NO_PLACE
        while reached < code.size:
            before = reached
            reached, why = stream(
                self.ladder, self.numbers, self.places.keys, self.places.ranks,
                code, order_id, price, lots, ts_ns, reached, slot, place, out,
            )  # fmt: skip
            if tops:
                self.places.state_prices(out[before:reached])
            if why == NO_PLACE:
                self.learn_prices(columns, reached)
            elif why != DONE:
                self._grow_orders()
        return out

    def learn_prices(self, columns: OrderColumns, first: int = 0) -> None:
        """Give places to the prices of rows from ``first`` on; what rests moves to its new places."""
        used = np.isin(columns.code[first:] & (SIDE_UNIT - 1), _PRICED)
        moved = self.places.learn(columns.price[first:], used)
        if moved is None:
            return
        old, orders, state = self.ladder, self.ladder.orders, self.ladder.state.copy()
        new = new_ladder(0, self.places.places)
        new.levels.reshape(-1, WORD)[moved] = old.levels[: moved.size * WORD].reshape(-1, WORD)
        new.words[moved] = old.words[: moved.size]
        for word in np.flatnonzero(new.words).tolist():
            new.summary[word >> SHIFT] |= np.uint64(1) << np.uint64(word & (WORD - 1))
        if moved.size:
            orders["place"] = _moved(moved, orders["place"])
            for side in range(2):
                if 0 <= state[BEST + side] < NONE_ABOVE:
                    state[BEST + side] = _moved(moved, state[BEST + side])
        self.ladder = Ladder(orders, new.levels, new.words, new.summary, old.pending, state)

    def levels(self, side: int) -> list[tuple[int, int]]:
        """Displayed ``(price, lots)``, best first."""
        return displayed_levels(self.ladder, self.places, side)

    def queue(self, side: int, price: int) -> list[int]:
        """Ids displayed at a price, first to trade first."""
        return [int(self.numbers.ids[slot]) for slot in queue_slots(self.ladder, self.places, side, price)]

    def counts(self) -> ReplayCounts:
        """Odd events so far."""
        return counts_of(self.ladder)

    @property
    def live_orders(self) -> int:
        """Orders in the book, displayed and pending."""
        return int(np.isin(self.ladder.orders["state"], (RESTING, PENDING)).sum())

    def _grow_orders(self) -> None:
        """Twice the slots; whoever has one keeps it."""
        old, used = self.numbers, int(self.numbers.state[NEVER_USED])
        grown = new_numbers(2 * old.ids.size)
        grown.ids[:used], grown.vacant[:used] = old.ids[:used], old.vacant[:used]
        grown.state[:] = old.state
        renumber(self.ladder, grown)
        orders = np.zeros(grown.ids.size, ORDER)
        orders[:used] = self.ladder.orders[:used]
        pending = np.zeros(grown.ids.size, np.int32)
        pending[: self.ladder.pending.size] = self.ladder.pending
        self.numbers = grown
        self.ladder = self.ladder._replace(orders=orders, pending=pending)


@dataclass(frozen=True)
class PreparedOrders:
    """A tape whose orders and prices are numbered: 25 bytes a row, and the ids to name orders by.

    Attributes:
        columns: The events.
        slot: (n,) int32, slot of each row's order, -1 where no live order has its id.
        place: (n,) int32, place of each row's price.
        places: The prices.
        slots: Slots a replay needs.
    """

    columns: OrderColumns
    slot: np.ndarray
    place: np.ndarray
    places: PricePlaces
    slots: int

    def replay(self, ladder: Ladder, first: int = 0, after: int | None = None, tops: bool = False) -> np.ndarray:
        """Apply rows to a book (of `new_book`, and in their order from row 0); see `OrderReplay.apply`."""
        after = self.slot.size if after is None else after
        code, _, _, lots, ts_ns = self.columns
        out = np.empty((self.slot.size, 4), np.int64) if tops else _NO_TOPS
        replay_rows(ladder, code, self.slot, self.place, lots, ts_ns, first, after, out)
        if not tops:
            return out
        self.places.state_prices(out[first:after])
        return out[first:after]

    def new_book(self) -> Ladder:
        """An empty book of the size this tape needs."""
        return new_ladder(self.slots, self.places.places)

    def queue(self, ladder: Ladder, side: int, price: int, after: int) -> list[int]:
        """Ids displayed at a price by row ``after``, first to trade first."""
        added = (self.columns.code[:after] & (SIDE_UNIT - 1) == ACTION_CODE["A"]).nonzero()[0]
        last = dict(zip(self.slot[added].tolist(), self.columns.order_id[added].tolist(), strict=True))
        return [last[slot] for slot in queue_slots(ladder, self.places, side, price)]


def prepare_orders(rows: OrderColumns | pl.DataFrame) -> PreparedOrders:
    """Number the orders and prices of a tape: one replay.

    Args:
        rows: Order events in source order, opening snapshot included (RAW_TICKS rows, or their columns).

    Raises:
        InsufficientDataError: An addition is on neither side.
    """
    columns = order_columns(rows) if isinstance(rows, pl.DataFrame) else rows
    slot, place = np.empty((2, columns.code.size), np.int32)
    once = OrderReplay()
    once.learn_prices(columns)
    once.apply_numbered(columns, slot, place)
    return PreparedOrders(columns, slot, place, once.places, int(once.numbers.state[NEVER_USED]))


def displayed_levels(ladder: Ladder, places: PricePlaces, side: int) -> list[tuple[int, int]]:
    """Displayed ``(price, lots)`` of a side, best first."""
    found, at = [], int(ladder.state[BEST + side])
    step = next_below if side == BID else next_above
    while 0 <= at < NONE_ABOVE:
        found.append((int(places.prices(np.array(at))), int(ladder.levels[at]["lots"])))
        at = step(ladder.words, ladder.summary, at)
    return found


def queue_slots(ladder: Ladder, places: PricePlaces, side: int, price: int) -> list[int]:
    """Slots of the orders displayed at a price, first to trade first."""
    rank = int(np.searchsorted(places.pages, price >> SHIFT))
    if rank == places.pages.size or places.pages[rank] != price >> SHIFT:
        return []
    queue, slot = [], int(ladder.levels[(rank << SHIFT) + (price & (WORD - 1))]["head"])
    while slot != EMPTY:
        if ladder.orders[slot]["side"] == side:
            queue.append(slot)
        slot = int(ladder.orders[slot]["behind"])
    return queue


def counts_of(ladder: Ladder) -> ReplayCounts:
    """Odd events a book met."""
    places = (UNKNOWN_IDS, DUPLICATE_IDS, EVER_PENDING, EVICTED_ORDERS)
    return ReplayCounts(*(int(ladder.state[place]) for place in places))


def _moved(ranks: np.ndarray, place: np.ndarray) -> np.ndarray:
    return (ranks[place >> SHIFT] << SHIFT) + (place & (WORD - 1))
