"""Running a tape with own orders beside it.

History is not changed: own orders lie in no level of the tape's book, and what we trade takes no lots from others'
trades. What we took from the displayed depth is missing from it for us: the missing lots of a price decay with a half
life, and never exceed what the tape displays there. This is the transient, mechanical part of impact; a lasting shift
of the price is not modelled here.

A resting own order fills at its price, best price first, then oldest first,

- when the tape executes against an order behind it in the queue, or at a worse price: at most the lots of that
  execution, which the aggressor would have brought to us first. An execution nobody displayed is credited with (hidden,
  or of an order the tape does not tell) counts at our price once nobody is ahead of us;
- when lots of the opposite side are displayed at its price or better: an order that would have traded with ours.

Source of the two rules: Moallemi and Yuan, "A model for queue position valuation in a limit order book" (2016), for
what an execution tells about a place in the queue.

Here: kernels that move time, and the displayed depth. Not here: instructions and reading (sim/replay_own.py), the
tape's book (sim/replay_rows.py).
"""

from __future__ import annotations

from numba import njit

from sim.book_levels import key_of, position_of, reaches_opposite
from sim.book_state import LEVELS
from sim.compile_options import ENTRY, INNER
from sim.market import FILL_LOTS, FILL_MAKER, FILL_PRICE, FILL_TS, OWN_LOTS, OWN_PRICE, OWN_SIDE
from sim.order_index import EMPTY
from sim.replay_rows import (
    FILL,
    ROW_ACTION,
    ROW_HIT,
    ROW_PRICE,
    ROW_SIDE,
    ROW_SIZE,
    ROW_TS,
    TRADE,
    UNKNOWN,
    apply_row,
)
from sim.replay_state import (
    FILLS,
    MAX_FILLS,
    MAX_OWN,
    MAX_TAKEN,
    NEXT_ROW,
    NOW_NS,
    OWN_LIVE,
    OWN_PLACED,
    TAKEN,
    TAKEN_NS,
    TAKEN_PRICE,
    TAKEN_SIDE,
    Replay,
)

#: Fewer missing lots than this are none.
_NONE_MISSING = 0.5


@njit(**ENTRY)
def run(replay: Replay, until_ns: int) -> bool:
    """Apply rows up to and including ``until_ns``; False where own fills have to be read before it can go on."""
    state, rows = replay.state, replay.rows
    while state[NEXT_ROW] < rows.shape[0] and rows[state[NEXT_ROW], ROW_TS] <= until_ns:
        if state[FILLS] + 2 * MAX_OWN >= MAX_FILLS:
            return False
        i = state[NEXT_ROW]
        state[NOW_NS] = max(state[NOW_NS], rows[i, ROW_TS])
        if state[OWN_LIVE]:
            _fill_by_execution(replay, i)
        apply_row(replay.book, replay.entered, replay.counts, rows, i, replay.waiting)
        state[NEXT_ROW] = i + 1
        if state[TAKEN]:
            _cap_missing(replay, rows[i, ROW_PRICE])
        if state[OWN_LIVE]:
            _fill_by_quote(replay)
    state[NOW_NS] = max(state[NOW_NS], until_ns)
    return True


@njit(**INNER)
def note_fill(replay: Replay, price: int, lots: int, maker: int) -> None:
    """Write down an own fill of this moment; there must be room."""
    fills, n = replay.fills, replay.state[FILLS]
    fills[n, FILL_TS], fills[n, FILL_PRICE] = replay.state[NOW_NS], price
    fills[n, FILL_LOTS], fills[n, FILL_MAKER] = lots, maker
    replay.state[FILLS] = n + 1


@njit(**ENTRY)
def lots_ahead(replay: Replay, k: int) -> int:
    """Lots of others ahead of own order ``k`` at its price: those that entered before it was placed."""
    book, side, price = replay.book, replay.own[k, OWN_SIDE], replay.own[k, OWN_PRICE]
    at = position_of(book, side, key_of(side, price))
    if at == book.counters[LEVELS + side] or book.level_key[side, at] != key_of(side, price):
        return 0
    total, slot = 0, book.level_head[side, at]
    while slot != EMPTY:
        order = book.order_id[slot]
        if order < 0 or replay.entered[order] < replay.own[k, OWN_PLACED]:
            total += book.order_size[slot]
        slot = book.order_next[slot]
    return total


@njit(**INNER)
def missing(replay: Replay, side: int, price: int) -> int:
    """Lots we took at a price that are not back yet."""
    for k in range(replay.state[TAKEN]):
        if replay.taken[k, TAKEN_SIDE] == side and replay.taken[k, TAKEN_PRICE] == price:
            return int(_missing_at(replay, k) + _NONE_MISSING)
    return 0


@njit(**INNER)
def displayed(replay: Replay, side: int, at: int) -> int:
    """Lots displayed to us at level ``at``: the tape's, without those we took."""
    size = replay.book.level_size[side, at]
    if replay.state[TAKEN] == 0:
        return size
    return max(0, size - missing(replay, side, key_of(side, replay.book.level_key[side, at])))


@njit(**INNER)
def best_level(replay: Replay, side: int) -> int:
    """Level of the best price displayed to us, -1 where the side is empty."""
    at = replay.book.counters[LEVELS + side] - 1
    while at >= 0 and displayed(replay, side, at) == 0:
        at -= 1
    return at


@njit(**ENTRY)
def consume(replay: Replay, side: int, price: int, lots: int) -> None:
    """Let ``lots`` of the tape's displayed depth be missing from now on."""
    n = replay.state[TAKEN]
    at, smallest = n, 0
    for k in range(n):
        if replay.taken[k, TAKEN_SIDE] == side and replay.taken[k, TAKEN_PRICE] == price:
            at = k
            break
        if _missing_at(replay, k) < _missing_at(replay, smallest):
            smallest = k
    before = _missing_at(replay, at) if at < n else 0.0
    if at == MAX_TAKEN:
        at = smallest
    elif at == n:
        replay.state[TAKEN] = n + 1
    replay.taken[at, TAKEN_SIDE], replay.taken[at, TAKEN_PRICE] = side, price
    replay.taken[at, TAKEN_NS] = replay.state[NOW_NS]
    replay.taken_lots[at] = before + lots


@njit(**ENTRY)
def drop_filled(replay: Replay) -> None:
    """Forget own orders without lots."""
    kept = 0
    for k in range(replay.state[OWN_LIVE]):
        if replay.own[k, OWN_LOTS] > 0:
            for column in range(replay.own.shape[1]):
                replay.own[kept, column] = replay.own[k, column]
            kept += 1
    replay.state[OWN_LIVE] = kept


@njit(**INNER)
def _missing_at(replay: Replay, k: int) -> float:
    age = replay.state[NOW_NS] - replay.taken[k, TAKEN_NS]
    return replay.taken_lots[k] * 0.5 ** (age / replay.half_life_ns[0])


@njit(**ENTRY)
def _cap_missing(replay: Replay, price: int) -> None:
    """No more is missing at ``price`` than the tape displays there; prices where nothing is missing are forgotten."""
    kept = 0
    for k in range(replay.state[TAKEN]):
        lots, side = _missing_at(replay, k), replay.taken[k, TAKEN_SIDE]
        if replay.taken[k, TAKEN_PRICE] == price:
            key, at = key_of(side, price), position_of(replay.book, side, key_of(side, price))
            there = at < replay.book.counters[LEVELS + side] and replay.book.level_key[side, at] == key
            size = replay.book.level_size[side, at] if there else 0
            if lots > size:
                replay.taken_lots[k], replay.taken[k, TAKEN_NS] = size, replay.state[NOW_NS]
                lots = float(size)
        if lots >= _NONE_MISSING:
            for column in range(replay.taken.shape[1]):
                replay.taken[kept, column] = replay.taken[k, column]
            replay.taken_lots[kept] = replay.taken_lots[k]
            kept += 1
    replay.state[TAKEN] = kept


@njit(**INNER)
def _fill_by_execution(replay: Replay, i: int) -> None:
    action, side = replay.rows[i, ROW_ACTION], replay.rows[i, ROW_SIDE]
    if side > 1 or (action != FILL and action != TRADE):
        return
    resting = side if action == FILL else 1 - side
    left = replay.rows[i, ROW_SIZE]
    while left > 0:
        k = _first_hit(replay, i, resting)
        if k < 0:
            break
        lots = min(left, replay.own[k, OWN_LOTS])
        _fill_own(replay, k, lots)
        left -= lots
    drop_filled(replay)


@njit(**INNER)
def _first_hit(replay: Replay, i: int, side: int) -> int:
    """The own order an execution would have met first, -1 where none."""
    best = -1
    for k in range(replay.state[OWN_LIVE]):
        if replay.own[k, OWN_SIDE] != side or replay.own[k, OWN_LOTS] == 0 or not _is_hit(replay, i, k):
            continue
        if best < 0 or key_of(side, replay.own[k, OWN_PRICE]) > key_of(side, replay.own[best, OWN_PRICE]):
            best = k
    return best


@njit(**INNER)
def _is_hit(replay: Replay, i: int, k: int) -> bool:
    price, side = replay.own[k, OWN_PRICE], replay.own[k, OWN_SIDE]
    if price != replay.rows[i, ROW_PRICE]:
        return key_of(side, price) > key_of(side, replay.rows[i, ROW_PRICE])
    hit = replay.rows[i, ROW_HIT]
    if hit == UNKNOWN:
        return replay.rows[i, ROW_ACTION] == TRADE and lots_ahead(replay, k) == 0
    return hit >= replay.own[k, OWN_PLACED]


@njit(**INNER)
def _fill_by_quote(replay: Replay) -> None:
    for side in range(2):
        while True:
            k = _best_own(replay, side)
            if k < 0 or not reaches_opposite(replay.book, side, replay.own[k, OWN_PRICE]):
                break
            at = best_level(replay, 1 - side)
            if at < 0 or replay.book.level_key[1 - side, at] + key_of(side, replay.own[k, OWN_PRICE]) < 0:
                break
            key = replay.book.level_key[1 - side, at]
            lots = min(replay.own[k, OWN_LOTS], displayed(replay, 1 - side, at))
            _fill_own(replay, k, lots)
            consume(replay, 1 - side, key_of(1 - side, key), lots)
            drop_filled(replay)
            if replay.state[FILLS] == MAX_FILLS:
                return


@njit(**INNER)
def _best_own(replay: Replay, side: int) -> int:
    best = -1
    for k in range(replay.state[OWN_LIVE]):
        if replay.own[k, OWN_SIDE] == side and (
            best < 0 or key_of(side, replay.own[k, OWN_PRICE]) > key_of(side, replay.own[best, OWN_PRICE])
        ):
            best = k
    return best


@njit(**INNER)
def _fill_own(replay: Replay, k: int, lots: int) -> None:
    note_fill(replay, replay.own[k, OWN_PRICE], lots, 1)
    replay.own[k, OWN_LOTS] -= lots
