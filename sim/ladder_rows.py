"""Rows of a tape with orders and prices numbered, a chunk at a time.

An order's number is its slot in the book. A chunk's ids are numbered, the chunk is replayed, and the slots of orders
that are gone are given to later ones: the slots in use are those of the live orders and of one chunk, however long the
tape, and the book's arrays stay in the cache. Numbering is the only search of a replay, and a replay of a tape that was
numbered before does without.

Here: the kernels. Not here: growing arrays and tables of events (sim/fast_replay_l3.py), the book (sim/ladder_book.py).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from feeds.schema import ACTION_CODE
from sim.book_state import FREE
from sim.compile_options import ENTRY, INNER
from sim.ladder_book import replay_rows
from sim.ladder_state import SWEEPS, Ladder
from sim.order_index import EMPTY, find, insert, remove
from sim.price_places import place_of

#: Rows numbered and replayed at once.
CHUNK = 512
#: State of a slot that nobody has.
VACANT = -1
#: Why `stream` stopped: all rows applied, a price without a place, no slots for another chunk.
DONE, NO_PLACE, NO_SLOTS = 0, 1, 2
#: Places of `Numbers.state`.
VACANT_SLOTS, NEVER_USED = 0, 1

_ADD, _MODIFY, _CANCEL = ACTION_CODE["A"], ACTION_CODE["M"], ACTION_CODE["C"]
_FILL, _TRADE = ACTION_CODE["F"], ACTION_CODE["T"]
_ACTION_BITS = 15


class Numbers(NamedTuple):
    """Ids and slots.

    Attributes:
        keys: (power of two,) int64, hash table: ids in use, see sim/order_index.py.
        slots: (power of two,) int64, hash table: slots.
        ids: (slots,) int64, id by slot.
        vacant: (slots,) int32, stack of slots given back.
        state: (2,) int64: how many are on the stack; from which slot on none was ever used.
    """

    keys: np.ndarray
    slots: np.ndarray
    ids: np.ndarray
    vacant: np.ndarray
    state: np.ndarray


def new_numbers(slots: int) -> Numbers:
    """Room for ``slots`` orders."""
    size = 1 << (2 * slots).bit_length()
    table = np.zeros(size, np.int64), np.full(size, EMPTY, np.int64)
    return Numbers(*table, np.zeros(slots, np.int64), np.zeros(slots, np.int32), np.zeros(2, np.int64))


@njit(**ENTRY)
def stream(
    ladder: Ladder,
    numbers: Numbers,
    pages: np.ndarray,
    ranks: np.ndarray,
    code: np.ndarray,
    order_id: np.ndarray,
    price: np.ndarray,
    lots: np.ndarray,
    ts_ns: np.ndarray,
    first: int,
    slot: np.ndarray,
    place: np.ndarray,
    tops: np.ndarray,
    depths: np.ndarray,
    levels: int,
) -> tuple[int, int]:
    """Number and apply rows from ``first`` on.

    Args:
        ladder: The book.
        numbers: Ids in use.
        pages: Hash table of the pages of prices: keys.
        ranks: The same: values.
        code: (n,) uint8, see `replay_rows`.
        order_id: (n,) int64.
        price: (n,) int64, in units of the places.
        lots: (n,) int64.
        ts_ns: (n,) int64.
        first: Row.
        slot: (n,) int32, written.
        place: (n,) int32, written.
        tops: See `replay_rows`, as the next two.
        depths: See there.
        levels: See there.

    Returns:
        The row reached, and `DONE` or why not all were applied.
    """
    while first < code.size:
        after = min(first + CHUNK, code.size)
        if numbers.ids.size - numbers.state[NEVER_USED] + numbers.state[VACANT_SLOTS] < after - first:
            return first, NO_SLOTS
        if not _number_prices(pages, ranks, code, price, first, after, place):
            return first, NO_PLACE
        _number_orders(ladder, numbers, code, order_id, first, after, slot)
        sweeps = ladder.state[SWEEPS]
        replay_rows(ladder, code, slot, place, lots, ts_ns, first, after, tops, depths, levels)
        if ladder.state[SWEEPS] != sweeps:
            for s in range(numbers.state[NEVER_USED]):
                _give_back(ladder, numbers, s)
        else:
            for i in range(first, after):
                if slot[i] >= 0:
                    _give_back(ladder, numbers, slot[i])
        first = after
    return first, DONE


@njit(**ENTRY)
def renumber(ladder: Ladder, numbers: Numbers) -> None:
    """Enter the ids of all slots that somebody has into an empty table."""
    for slot in range(numbers.state[NEVER_USED]):
        if ladder.orders[slot]["state"] != VACANT:
            insert(numbers.keys, numbers.slots, numbers.ids[slot], slot)


@njit(**INNER)
def _number_prices(
    pages: np.ndarray, ranks: np.ndarray, code: np.ndarray, price: np.ndarray, first: int, after: int, place: np.ndarray
) -> bool:
    for i in range(first, after):
        action = code[i] & _ACTION_BITS
        at = 0
        if action in (_ADD, _MODIFY, _TRADE):
            at = place_of(pages, ranks, price[i])
            if at < 0:
                return False
        place[i] = at
    return True


@njit(**INNER)
def _number_orders(
    ladder: Ladder, numbers: Numbers, code: np.ndarray, order_id: np.ndarray, first: int, after: int, slot: np.ndarray
) -> None:
    for i in range(first, after):
        action = code[i] & _ACTION_BITS
        at = EMPTY
        if action in (_ADD, _CANCEL, _MODIFY, _FILL):
            at = find(numbers.keys, numbers.slots, order_id[i])
            if at == EMPTY and action == _ADD:
                at = _take_slot(numbers)
                insert(numbers.keys, numbers.slots, order_id[i], at)
                numbers.ids[at] = order_id[i]
                ladder.orders[at]["state"] = FREE
        slot[i] = at


@njit(**INNER)
def _take_slot(numbers: Numbers) -> int:
    top = numbers.state[VACANT_SLOTS] - 1
    if top >= 0:
        numbers.state[VACANT_SLOTS] = top
        return np.int64(numbers.vacant[top])  # type: ignore[return-value]
    numbers.state[NEVER_USED] += 1
    return numbers.state[NEVER_USED] - 1


@njit(**INNER)
def _give_back(ladder: Ladder, numbers: Numbers, slot: int) -> None:
    if ladder.orders[slot]["state"] == FREE:
        ladder.orders[slot]["state"] = VACANT
        remove(numbers.keys, numbers.slots, numbers.ids[slot])
        numbers.vacant[numbers.state[VACANT_SLOTS]] = slot
        numbers.state[VACANT_SLOTS] += 1
