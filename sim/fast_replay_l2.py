"""Replaying level feeds at the speed of reading them, with the best prices of `feeds.cleaning.level_books`.

Here: tables of rows, growth, reading the book. Not here: the book (sim/level_ladder.py), own orders.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numba import njit

from feeds.schema import FLAG_PARTIAL
from sim.bit_words import NONE_ABOVE, SHIFT, WORD, next_above, next_below
from sim.book_state import BID
from sim.compile_options import ENTRY
from sim.level_ladder import (
    ACTION_BITS,
    BEST,
    CROSSED_ROWS,
    IGNORED,
    LEVEL,
    LEVEL_ROW,
    NOT_STATED,
    OVERRULED,
    PARTIAL,
    QUOTE,
    SIDE_BITS,
    SIDE_UNIT,
    STATED,
    STATED_NS,
    TRADE,
    WITHDRAWN,
    new_level_ladder,
    replay_levels,
    replay_levels_until,
)
from sim.price_places import PricePlaces, place_of
from sim.tape_checks import MOST_LOTS, TAPE, check_codes, check_lengths, check_present, check_range

_NO_TOPS = np.zeros((0, 4), np.int64)
_PRICED = (LEVEL, QUOTE, TRADE)


@dataclass(frozen=True)
class LevelCounts:
    """What the replay met so far, as in `feeds.cleaning.level_books.LevelStats`."""

    crossed_rows: int
    ignored_levels: int
    overruled_levels: int
    withdrawn_levels: int


@dataclass(frozen=True)
class LevelColumns:
    """Rows of a level feed, prices not numbered yet.

    Attributes:
        rows: (n,) `LEVEL_ROW`, ``place`` unset.
        price: (n,) int64, ticks.
    """

    rows: np.ndarray
    price: np.ndarray


def level_columns(frame: pl.DataFrame, source: object = TAPE) -> LevelColumns:
    """The columns of RAW_TICKS rows a replay needs.

    Args:
        frame: RAW_TICKS.
        source: The file they are from, for errors.

    Raises:
        CorruptTapeError: A row lacks a value.
    """
    check_present(frame, ("action", "side", "price", "size", "flags", "ts_event", "ts_recv"), source)
    rows = np.empty(frame.height, LEVEL_ROW)
    action, side = (frame[name].to_physical().cast(pl.Int32).to_numpy() for name in ("action", "side"))
    inside = (frame["flags"] & FLAG_PARTIAL > 0).to_numpy()
    rows["code"] = action + SIDE_UNIT * side + PARTIAL * inside
    rows["ts_ns"], rows["recv_ns"], rows["lots"] = (frame[name].to_numpy() for name in ("ts_event", "ts_recv", "size"))
    return LevelColumns(rows, np.ascontiguousarray(frame["price"].to_numpy()))


def check_levels(columns: LevelColumns, source: object = TAPE) -> None:
    """Refuse columns that no source can have told.

    Raises:
        CorruptTapeError: Lengths differ, a code is impossible, or a size is beyond `MOST_LOTS`.
    """
    check_lengths({"rows": columns.rows, "price": columns.price}, source)
    check_codes(columns.rows["code"], SIDE_UNIT, ACTION_BITS | SIDE_BITS, source)
    check_range("size", columns.rows["lots"], -MOST_LOTS, MOST_LOTS, source)


class LevelReplay:
    """A book that rows of a level feed are applied to, block by block.

    Args:
        source: What errors call the tape, its file as a rule; rows are counted from the beginning of a block.

    Attributes:
        ladder: The book; its arrays are replaced as they grow.
        places: The prices that occur.
    """

    def __init__(self, source: object = TAPE) -> None:
        self.source = source
        self.places = PricePlaces(unit=0)
        self.ladder = new_level_ladder(0)

    def apply(self, rows: LevelColumns | pl.DataFrame, tops: bool = False) -> np.ndarray:
        """Apply rows in their order.

        Args:
            rows: ``L``, ``Q`` and ``R`` rows (others change nothing), of one venue: RAW_TICKS, or their columns.
            tops: Whether the best prices after each row are wanted.

        Returns:
            (n, 4) int64: bid price and lots, ask price and lots after each row, 0 where a side is empty; (0, 4) where
            not wanted.
        """
        columns = level_columns(rows, self.source) if isinstance(rows, pl.DataFrame) else rows
        out = np.empty((columns.rows.size, 4), np.int64) if tops else _NO_TOPS
        self.number(columns)
        replay_levels(self.ladder, columns.rows, 0, columns.rows.size, out)
        self.places.state_prices(out)
        return out

    def number(self, columns: LevelColumns) -> None:
        """Write the place of each price into the rows; prices that are new get places."""
        check_levels(columns, self.source)
        if self._number(columns):
            return
        used = np.isin(columns.rows["code"] & (SIDE_UNIT - 1), _PRICED)
        held = self._held()
        prices = self.places.prices(held)
        finer = self.places.refine(columns.price[used], prices)
        if self.places.learn(columns.price, used) is not None or finer:
            self._move(held, self.places.places_of(prices))
        numbered = self._number(columns, used)
        assert numbered, "every price was learnt"

    def _number(self, columns: LevelColumns, used: np.ndarray | None = None) -> bool:
        units = self.places.in_units(columns.price, used)
        if units is None:
            return False
        return bool(number_levels(self.places.keys, self.places.ranks, columns.rows, units) == columns.rows.size)

    def _held(self) -> np.ndarray:
        """Places that mean something, ascending: occupied, or the price of a stated best."""
        ladder = self.ladder
        kept = ladder.state[[STATED, STATED + 1]]
        stands = ladder.state[[STATED_NS, STATED_NS + 1]] != NOT_STATED
        return np.union1d(np.flatnonzero(ladder.lots.any(axis=0)), kept[stands])

    def levels(self, side: int) -> list[tuple[int, int]]:
        """``(price, lots)`` of a side, best first."""
        ladder, found, at = self.ladder, [], int(self.ladder.state[BEST + side])
        step = next_below if side == BID else next_above
        while 0 <= at < NONE_ABOVE:
            found.append((int(self.places.prices(np.array(at))), int(ladder.lots[side, at])))
            at = step(ladder.words[side], ladder.summary[side], at)
        return found

    def counts(self) -> LevelCounts:
        """What the replay met so far."""
        places = (CROSSED_ROWS, IGNORED, OVERRULED, WITHDRAWN)
        return LevelCounts(*(int(self.ladder.state[place]) for place in places))

    def _move(self, held: np.ndarray, moved: np.ndarray) -> None:
        """Move what lies at the places ``held`` to ``moved``."""
        old, new = self.ladder, new_level_ladder(self.places.places)
        new.lots[:, moved] = old.lots[:, held]
        for side in range(2):
            occupied = moved[new.lots[side, moved] > 0]
            for places, bits in ((occupied, new.words), (np.unique(occupied >> SHIFT), new.summary)):
                np.bitwise_or.at(bits[side], places >> SHIFT, np.uint64(1) << (places & (WORD - 1)).astype(np.uint64))
        new.state[:] = old.state
        stated = [STATED + side for side in range(2) if old.state[STATED_NS + side] != NOT_STATED]
        for place in (BEST, BEST + 1, *stated):
            if 0 <= old.state[place] < NONE_ABOVE:
                new.state[place] = moved[np.searchsorted(held, old.state[place])]
        self.ladder = new


class LevelTape:
    """A tape of a level feed, its prices numbered, that is run by the clock.

    Args:
        blocks: RAW_TICKS rows in source order, in as many parts as they come.

    Attributes:
        rows: (n,) `LEVEL_ROW`.
        places: The prices.
        ladder: The book at the clock.
        view: (5,) int64: bid price and lots, ask price and lots (zeros: empty), prices in units of the places;
            next row.
    """

    def __init__(self, blocks: Iterable[pl.DataFrame] | pl.DataFrame) -> None:
        parts = [level_columns(part) for part in ([blocks] if isinstance(blocks, pl.DataFrame) else blocks)]
        columns = LevelColumns(
            np.concatenate([part.rows for part in parts] or [np.zeros(0, LEVEL_ROW)]),
            np.concatenate([part.price for part in parts] or [np.zeros(0, np.int64)]),
        )
        numbered = LevelReplay()
        numbered.number(columns)
        self.rows, self.places = columns.rows, numbered.places
        self.rewind()

    def rewind(self) -> None:
        """Start again with an empty book, before the first row."""
        self.ladder = new_level_ladder(self.places.places)
        self.view = np.zeros(5, np.int64)
        self._arguments = (*self.ladder, self.rows, self.places.pages, self.view)

    def advance(self, until_ns: int) -> bool:
        """Apply the rows received by ``until_ns``; False once there are no more."""
        return bool(replay_levels_until(*self._arguments, until_ns))

    def best(self, side: int) -> tuple[int, int]:
        """Best price of a side in ticks and its lots; zeros where the side is empty."""
        return self.view.item(2 * side) * self.places.unit, self.view.item(2 * side + 1)


@njit(**ENTRY)
def number_levels(keys: np.ndarray, ranks: np.ndarray, rows: np.ndarray, price: np.ndarray) -> int:
    """Write places of prices into the rows; the first row whose price has none, the number of rows where all have.

    Prices are in units of the places. A quote without a positive price gets place -1: it withdraws.
    """
    for i in range(rows.size):
        action = rows[i]["code"] & (SIDE_UNIT - 1)
        at = 0
        if action == QUOTE and price[i] <= 0:
            at = -1
        elif action in (LEVEL, QUOTE, TRADE):
            at = place_of(keys, ranks, price[i])
            if at < 0:
                return i
        rows[i]["place"] = at
    return rows.size
