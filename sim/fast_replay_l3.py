"""Replaying order events at the speed of reading them, with the book of `sim.replay.with_book`.

Two ways. `OrderReplay` takes blocks as they come and needs memory for the live orders, the prices that occur and one
block, never for the tape. `prepare_orders` numbers orders and prices of a tape once; `PreparedOrders.replay` then runs
it as often as wanted without a search. Which way costs what is measured in benchmarks/book_replay.py.

Here: growth, reading the book. Not here: tables of events (sim/order_columns.py), the book (sim/ladder_book.py),
numbering (sim/ladder_rows.py), own orders beside a tape (sim/replay_market.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from feeds.schema import ACTION_CODE
from sim.bit_words import NONE_ABOVE, NONE_BELOW, SHIFT, WORD, next_above, next_below
from sim.book_state import ASK, BID, PENDING, RESTING
from sim.ladder_book import replay_rows
from sim.ladder_rows import CHUNK, DONE, NEVER_USED, NO_PLACE, new_numbers, renumber, stream
from sim.ladder_state import (
    BEST,
    DEEPEST,
    DUPLICATE_IDS,
    EVER_PENDING,
    EVICTED_ORDERS,
    LIVE_ORDERS,
    ORDER,
    SIDE_UNIT,
    UNKNOWN_IDS,
    Ladder,
    new_ladder,
)
from sim.order_columns import OrderColumns, check_columns, order_columns
from sim.order_index import EMPTY
from sim.price_places import PricePlaces
from sim.tape_checks import TAPE

_PRICED = tuple(ACTION_CODE[action] for action in "AMT")
_NO_TOPS, _NO_DEPTHS = np.zeros((0, 4), np.int64), np.zeros((0, 2), np.int64)
_FIRST_SLOTS = 2 * CHUNK


@dataclass(frozen=True)
class ReplayCounts:
    """Odd events so far, as in `sim.replay.BookStats`."""

    unknown_ids: int
    duplicate_ids: int
    pending_orders: int
    evicted_orders: int


class OrderReplay:
    """A book that order events are applied to, block by block.

    Args:
        source: What errors call the tape, its file as a rule; rows are counted from the beginning of a block.

    Attributes:
        source: The same.
        ladder: The book; its arrays are replaced as they grow.
        places: The prices that occur.
        numbers: Ids in use.
    """

    def __init__(self, source: object = TAPE) -> None:
        self.source = source
        self.places = PricePlaces(unit=0)
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
        columns = order_columns(rows, self.source) if isinstance(rows, pl.DataFrame) else rows
        slot, place = np.empty((2, columns.code.size), np.int32)
        return self.apply_numbered(columns, slot, place, tops)

    def book_columns(self, rows: OrderColumns | pl.DataFrame, levels: int) -> tuple[np.ndarray, np.ndarray]:
        """Apply rows in their order, and tell the displayed book after each.

        Args:
            rows: As in `apply`.
            levels: Occupied prices a side that depths sum over; the same at every call.

        Returns:
            What `apply` tells, and (n, 2) int64: depth of the bids, of the asks, lots.
        """
        columns = order_columns(rows, self.source) if isinstance(rows, pl.DataFrame) else rows
        slot, place = np.empty((2, columns.code.size), np.int32)
        depths = np.empty((columns.code.size, 2), np.int64)
        return self.apply_numbered(columns, slot, place, True, depths, levels), depths

    def apply_numbered(
        self,
        columns: OrderColumns,
        slot: np.ndarray,
        place: np.ndarray,
        tops: bool = False,
        depths: np.ndarray = _NO_DEPTHS,
        levels: int = 0,
    ) -> np.ndarray:
        """The same as `apply`, with the numbers of orders and prices written to ``slot`` and ``place``, int32 (n,).

        Depths are written to ``depths`` (n, 2) where it has rows, see `book_columns`.
        """
        check_columns(columns, self.source)
        code, order_id, _, lots, ts_ns = columns
        price = self._in_units(columns)
        out = np.empty((code.size, 4), np.int64) if tops else _NO_TOPS
        reached, why = 0, NO_PLACE
        while reached < code.size:
            before = reached
            reached, why = stream(
                self.ladder, self.numbers, self.places.keys, self.places.ranks,
                code, order_id, price, lots, ts_ns, reached, slot, place, out, depths, levels,
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
        price, used = columns.price[first:], _is_priced(columns.code[first:])
        live = self.ladder.orders["place"][self._is_live()]
        held = np.unique(live).astype(np.int64)
        prices = self.places.prices(held)
        finer = self.places.refine(price[used], prices)
        if self.places.learn(price, used) is not None or finer:
            self._move(held, self.places.places_of(prices))

    def _in_units(self, columns: OrderColumns) -> np.ndarray:
        units = self.places.in_units(columns.price)
        if units is None:
            used = _is_priced(columns.code)
            units = self.places.in_units(columns.price, used)
            if units is None:
                self.learn_prices(columns)
                units = self.places.in_units(columns.price, used)
        assert units is not None, "the unit divides the prices it was made for"
        return units

    def _move(self, held: np.ndarray, moved: np.ndarray) -> None:
        """Move what lies at the places ``held`` (ascending, all that are occupied) to ``moved``."""
        old, orders, state = self.ladder, self.ladder.orders, self.ladder.state.copy()
        new = new_ladder(0, self.places.places)
        new.levels[moved] = old.levels[held]
        occupied = moved[new.levels["head"][moved] != EMPTY]
        for places, bits in ((occupied, new.words), (np.unique(occupied >> SHIFT), new.summary)):
            np.bitwise_or.at(bits, places >> SHIFT, np.uint64(1) << (places & (WORD - 1)).astype(np.uint64))
        live = self._is_live()
        orders["place"][live] = moved[np.searchsorted(held, orders["place"][live])]
        for side in range(2):
            if 0 <= state[BEST + side] < NONE_ABOVE:
                state[BEST + side] = moved[np.searchsorted(held, state[BEST + side])]
        state[DEEPEST + BID], state[DEEPEST + ASK] = NONE_BELOW, NONE_ABOVE
        self.ladder = Ladder(orders, new.levels, new.words, new.summary, old.pending, state)

    def _is_live(self) -> np.ndarray:
        return np.isin(self.ladder.orders["state"], (RESTING, PENDING))

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
        return int(self.ladder.state[LIVE_ORDERS])

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
        replay_rows(ladder, code, self.slot, self.place, lots, ts_ns, first, after, out, _NO_DEPTHS, 0)
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


def prepare_orders(rows: OrderColumns | pl.DataFrame, source: object = TAPE) -> PreparedOrders:
    """Number the orders and prices of a tape: one replay.

    Args:
        rows: Order events in source order, opening snapshot included (RAW_TICKS rows, or their columns).
        source: See `OrderReplay`.

    Raises:
        InsufficientDataError: An addition is on neither side.
        CorruptTapeError: The rows are what no source can have told.
    """
    columns = order_columns(rows, source) if isinstance(rows, pl.DataFrame) else rows
    check_columns(columns, source)
    slot, place = np.empty((2, columns.code.size), np.int32)
    once = OrderReplay(source)
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
    place = places.place(price)
    if place < 0:
        return []
    queue, slot = [], int(ladder.levels[place]["head"])
    while slot != EMPTY:
        if ladder.orders[slot]["side"] == side:
            queue.append(slot)
        slot = int(ladder.orders[slot]["behind"])
    return queue


def counts_of(ladder: Ladder) -> ReplayCounts:
    """Odd events a book met."""
    places = (UNKNOWN_IDS, DUPLICATE_IDS, EVER_PENDING, EVICTED_ORDERS)
    return ReplayCounts(*(int(ladder.state[place]) for place in places))


def _is_priced(code: np.ndarray) -> np.ndarray:
    return np.isin(code & (SIDE_UNIT - 1), _PRICED)
