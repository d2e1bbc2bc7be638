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
    BEST,
    CROSSED_ROWS,
    IGNORED,
    LEVEL,
    LEVEL_ROW,
    OVERRULED,
    PARTIAL,
    QUOTE,
    SIDE_UNIT,
    STATED,
    TRADE,
    WITHDRAWN,
    new_level_ladder,
    replay_levels,
    replay_levels_until,
)
from sim.price_places import PricePlaces, place_of

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


def level_columns(frame: pl.DataFrame) -> LevelColumns:
    """The columns of RAW_TICKS rows a replay needs."""
    rows = np.empty(frame.height, LEVEL_ROW)
    action, side = (frame[name].to_physical().cast(pl.Int32).to_numpy() for name in ("action", "side"))
    inside = (frame["flags"] & FLAG_PARTIAL > 0).to_numpy()
    rows["code"] = action + SIDE_UNIT * side + PARTIAL * inside
    rows["ts_ns"], rows["recv_ns"], rows["lots"] = (frame[name].to_numpy() for name in ("ts_event", "ts_recv", "size"))
    return LevelColumns(rows, np.ascontiguousarray(frame["price"].to_numpy()))


class LevelReplay:
    """A book that rows of a level feed are applied to, block by block.

    Attributes:
        ladder: The book; its arrays are replaced as they grow.
        places: The prices that occur.
    """

    def __init__(self) -> None:
        self.places = PricePlaces()
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
        columns = level_columns(rows) if isinstance(rows, pl.DataFrame) else rows
        out = np.empty((columns.rows.size, 4), np.int64) if tops else _NO_TOPS
        self.number(columns)
        replay_levels(self.ladder, columns.rows, 0, columns.rows.size, out)
        self.places.state_prices(out)
        return out

    def number(self, columns: LevelColumns) -> None:
        """Write the place of each price into the rows; prices that are new get places."""
        if number_levels(self.places.keys, self.places.ranks, columns.rows, columns.price) < columns.rows.size:
            moved = self.places.learn(columns.price, np.isin(columns.rows["code"] & (SIDE_UNIT - 1), _PRICED))
            if moved is not None:
                self._move(moved)
            number_levels(self.places.keys, self.places.ranks, columns.rows, columns.price)

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

    def _move(self, moved: np.ndarray) -> None:
        old, new = self.ladder, new_level_ladder(self.places.places)
        new.lots.reshape(2, -1, WORD)[:, moved] = old.lots[:, : moved.size * WORD].reshape(2, -1, WORD)
        new.words[:, moved] = old.words[:, : moved.size]
        for side in range(2):
            for word in np.flatnonzero(new.words[side]).tolist():
                new.summary[side, word >> SHIFT] |= np.uint64(1) << np.uint64(word & (WORD - 1))
        new.state[:] = old.state
        for place in (BEST, BEST + 1, STATED, STATED + 1):
            at = int(old.state[place])
            if moved.size and 0 <= at < NONE_ABOVE:
                new.state[place] = (int(moved[at >> SHIFT]) << SHIFT) + (at & (WORD - 1))
        self.ladder = new


class LevelTape:
    """A tape of a level feed, its prices numbered, that is run by the clock.

    Args:
        blocks: RAW_TICKS rows in source order, in as many parts as they come.

    Attributes:
        rows: (n,) `LEVEL_ROW`.
        places: The prices.
        ladder: The book at the clock.
        view: (5,) int64: bid price and lots, ask price and lots (zeros: empty), next row.
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
        return self.view.item(2 * side), self.view.item(2 * side + 1)


@njit(**ENTRY)
def number_levels(keys: np.ndarray, ranks: np.ndarray, rows: np.ndarray, price: np.ndarray) -> int:
    """Write places of prices into the rows; the first row whose price has none, the number of rows where all have.

    A quote without a positive price gets place -1: it withdraws.
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
