"""Prices as small numbers in the order of the prices, so that a book can be a plain array without gaps to pay for.

Only the pages of 64 neighbouring prices that occur have places: place = 64 * rank of the page + price within it. A
bitmap word covers a page (sim/bit_words.py). Any int64 is a price: a book around 100 with a few orders at 1 and at 10^9
takes a few pages. A page that comes later moves the places behind it, which whoever stores places has to follow.

Prices often are multiples of something larger than the unit they are told in: dollars to four decimals that trade in
cents. A page of 64 such prices would hold one. The places of a `PricePlaces(unit=0)` are therefore a *unit* apart, the
greatest common divisor of the prices it was told of; a price that is no multiple makes the unit finer, and everything
is placed anew.

Here: the pages and their lookup. Not here: what lies at a place.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from sim.bit_words import SHIFT, WORD
from sim.compile_options import ENTRY
from sim.order_index import EMPTY, find, insert

_WITHIN = WORD - 1
_FIRST_TABLE = 1 << 10
#: Prices looked at before the rest is held against what they have in common.
_HEAD = 4_096


class PricePlaces:
    """The pages known so far.

    Args:
        unit: Ticks between neighbouring places; 0: found by `refine`.

    Attributes:
        unit: The same; 0 while no price but 0 is known.
        pages: (p,) int64, ``price // unit >> 6`` of each page, ascending.
        keys: (power of two,) int64, hash table: pages.
        ranks: (power of two,) int64, hash table: place of the page in ``pages``.
    """

    def __init__(self, unit: int = 1) -> None:
        self.unit = unit
        self.pages = np.zeros(0, np.int64)
        self.keys = np.zeros(_FIRST_TABLE, np.int64)
        self.ranks = np.full(_FIRST_TABLE, EMPTY, np.int64)

    @property
    def places(self) -> int:
        """Number of places."""
        return int(self.pages.size) * WORD

    def learn(self, price: np.ndarray, used: np.ndarray) -> np.ndarray | None:
        """Learn the pages of some prices.

        Args:
            price: (n,) int64, ticks.
            used: (n,) bool, the rows that count.

        Returns:
            (pages before,) int64: the new rank of each page known before; None where all pages were known.
        """
        price = price if self.unit <= 1 else price // self.unit
        found, first = [], 0
        while first < price.size:
            room = np.empty(self.keys.size // 4, np.int64)
            first, count = collect_pages(self.keys, self.ranks, price, used, first, room)
            found.append(room[:count])
            if count:
                self._rebuild(np.concatenate([self.pages, *found]))
        new = np.concatenate(found) if found else self.pages[:0]
        if new.size == 0:
            return None
        before = self.pages
        self.pages = np.sort(np.concatenate([before, new]))
        self._rebuild(self.pages)
        return np.searchsorted(self.pages, before)

    def in_units(self, price: np.ndarray, used: np.ndarray | None = None) -> np.ndarray | None:
        """Prices as `place_of` looks them up.

        Args:
            price: (n,) int64, ticks.
            used: (n,) bool, the rows that count; all where None.

        Returns:
            (n,) int64, prices in units; of rows that do not count anything. None where one that counts is no multiple
            of the unit: `refine` comes first.
        """
        if self.unit == 1:
            return price
        units = price // self.unit if self.unit else np.zeros_like(price)
        off = units * self.unit != price
        if used is not None:
            off &= used
        return None if off.any() else units

    def refine(self, price: np.ndarray, held: np.ndarray) -> bool:
        """Make the unit one that some prices are multiples of.

        Args:
            price: (n,) int64, ticks; they are not learnt.
            held: (m,) int64, the prices that stay known where places change.

        Returns:
            Whether the unit changed: then every place is another, and no page is known but those of ``held``.
        """
        unit = int(np.gcd.reduce(price[:_HEAD], initial=self.unit))
        rest = price[price % unit != 0] if unit else price
        unit = int(np.gcd.reduce(rest, initial=unit))
        if unit == self.unit:
            return False
        self.unit, self.pages = unit, self.pages[:0]
        self._rebuild(self.pages)
        self.learn(held, np.ones(held.size, bool))
        return True

    def places_of(self, price: np.ndarray) -> np.ndarray:
        """Places of known prices, (n,) int64; see `place` for one price."""
        units = price // max(1, self.unit)
        return (np.searchsorted(self.pages, units >> SHIFT) << SHIFT) + (units & _WITHIN)

    def place(self, price: int) -> int:
        """Place of a price, -1 where it has none."""
        units, off = divmod(price, max(1, self.unit))
        rank = int(np.searchsorted(self.pages, units >> SHIFT))
        known = not off and rank < self.pages.size and self.pages[rank] == units >> SHIFT
        return (rank << SHIFT) + (units & _WITHIN) if known else -1

    def prices(self, place: np.ndarray) -> np.ndarray:
        """Prices of places, ticks; the inverse of the lookup."""
        return ((self.pages[place >> SHIFT] << SHIFT) + (place & _WITHIN)) * self.unit

    def state_prices(self, tops: np.ndarray) -> None:
        """Replace places by prices in columns 0 and 2 of (n, 4), in place; a negative place becomes 0."""
        for column in (0, 2):
            held = tops[:, column] >= 0
            tops[held, column] = self.prices(tops[held, column])
            tops[~held, column] = 0

    def _rebuild(self, pages: np.ndarray) -> None:
        size = max(_FIRST_TABLE, 1 << int(4 * pages.size).bit_length())
        self.keys, self.ranks = np.zeros(size, np.int64), np.full(size, EMPTY, np.int64)
        fill_table(self.keys, self.ranks, pages)


@njit(**ENTRY)
def fill_table(keys: np.ndarray, ranks: np.ndarray, pages: np.ndarray) -> None:
    """Store the rank of every page."""
    for rank in range(pages.size):
        insert(keys, ranks, pages[rank], rank)


@njit(**ENTRY)
def collect_pages(
    keys: np.ndarray, ranks: np.ndarray, price: np.ndarray, used: np.ndarray, first: int, room: np.ndarray
) -> tuple[int, int]:
    """Note the unknown pages of rows from ``first`` on in ``room``, entering them without a rank of their own.

    Prices here and in `place_of` are in units of the places.

    Returns:
        The row reached (all rows, or ``room`` is full), and how many pages were noted.
    """
    count, last = 0, np.int64(0)
    known = False
    for i in range(first, price.size):
        page = price[i] >> SHIFT
        if not used[i] or (known and page == last):
            continue
        last, known = page, True
        if find(keys, ranks, page) == EMPTY:
            if count == room.size:
                return i, count
            insert(keys, ranks, page, 0)
            room[count] = page
            count += 1
    return price.size, count


@njit(**ENTRY)
def place_of(keys: np.ndarray, ranks: np.ndarray, price: int) -> int:
    """Place of a price; negative where its page is not known."""
    rank = find(keys, ranks, price >> SHIFT)
    return (rank << SHIFT) + (price & _WITHIN) if rank != EMPTY else -1
