"""Own instructions in a replay, and what is seen of it.

Here: kernels on own orders and the view of the book. Not here: time and fills (sim/replay_kernel.py), the protocol they
serve (sim/replay_market.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from sim.book_levels import key_of
from sim.compile_options import ENTRY
from sim.market import (
    ASK_DEPTH_5,
    ASK_PX,
    ASK_SZ,
    BID_DEPTH_5,
    BID_PX,
    BID_SZ,
    OWN_AHEAD,
    OWN_LOTS,
    OWN_NUMBER,
    OWN_PRICE,
    OWN_SIDE,
    VIEW_LEVELS,
)
from sim.replay_kernel import best_level, consume, displayed, drop_filled, lots_ahead, note_fill
from sim.replay_rows import ANONYMOUS, restore
from sim.replay_state import (
    FILLS,
    MAX_FILLS,
    MAX_OWN,
    MAX_TAKEN,
    NEXT_ROW,
    NOW_NS,
    OWN_LIVE,
    OWN_NUMBERS,
    OWN_PLACED,
    TAKEN,
    Replay,
)


@njit(**ENTRY)
def rewind(replay: Replay, saved: np.ndarray, anonymous: int, row: int) -> None:
    """Go to the book saved before ``row``, without own orders, fills and missing lots."""
    restore(replay.book, replay.entered, saved)
    replay.counts[ANONYMOUS] = anonymous
    for place in (OWN_LIVE, OWN_NUMBERS, FILLS, TAKEN):
        replay.state[place] = 0
    replay.state[NEXT_ROW] = row
    replay.state[NOW_NS] = replay.rows[row, 0]


@njit(**ENTRY)
def take_lots(replay: Replay, side: int, lots: int) -> int:
    """Trade against what is displayed opposite ``side``, best price first; lots filled.

    It stops early where own fills have to be read first: call again. Lots can be missing at `MAX_TAKEN` prices; a take
    through more would meet lots again that it took.
    """
    opposite, filled = 1 - side, 0
    while filled < lots and replay.state[FILLS] < MAX_FILLS and replay.state[TAKEN] < MAX_TAKEN:
        at = best_level(replay, opposite)
        if at < 0:
            break
        price = key_of(opposite, replay.book.level_key[opposite, at])
        got = min(lots - filled, displayed(replay, opposite, at))
        note_fill(replay, price, got, 0)
        consume(replay, opposite, price, got)
        filled += got
    return filled


@njit(**ENTRY)
def place_order(replay: Replay, side: int, price: int, lots: int) -> int:
    """Rest an own order; its number, -1 where it would trade, is not positive, or there is no room."""
    state = replay.state
    if lots <= 0 or price <= 0 or state[OWN_LIVE] == MAX_OWN:
        return -1
    at = best_level(replay, 1 - side)
    if at >= 0 and replay.book.level_key[1 - side, at] + key_of(side, price) >= 0:
        return -1
    own, k, number = replay.own, state[OWN_LIVE], state[OWN_NUMBERS]
    own[k, OWN_NUMBER], own[k, OWN_SIDE], own[k, OWN_PRICE], own[k, OWN_LOTS] = number, side, price, lots
    own[k, OWN_PLACED] = state[NEXT_ROW]
    state[OWN_LIVE] = k + 1
    state[OWN_NUMBERS] = number + 1
    return number


@njit(**ENTRY)
def cancel_lots(replay: Replay, number: int, lots: int) -> int:
    """Take ``lots`` (0: all) off an own order; lots cancelled."""
    for k in range(replay.state[OWN_LIVE]):
        if replay.own[k, OWN_NUMBER] == number and lots >= 0:
            off = replay.own[k, OWN_LOTS] if lots == 0 else min(lots, replay.own[k, OWN_LOTS])
            replay.own[k, OWN_LOTS] -= off
            drop_filled(replay)
            return off
    return 0


@njit(**ENTRY)
def count_ahead(replay: Replay) -> None:
    """Bring `OWN_AHEAD` of every own order up to date."""
    for k in range(replay.state[OWN_LIVE]):
        replay.own[k, OWN_AHEAD] = lots_ahead(replay, k)


@njit(**ENTRY)
def write_book(replay: Replay, view: np.ndarray) -> None:
    """Fill the book's places of ``view``."""
    for side in range(2):
        price, size, depth = (BID_PX, BID_SZ, BID_DEPTH_5) if side == 0 else (ASK_PX, ASK_SZ, ASK_DEPTH_5)
        view[price] = view[size] = view[depth] = 0.0
        at, levels = best_level(replay, side), 0
        if at >= 0:
            view[price] = key_of(side, replay.book.level_key[side, at])
            view[size] = displayed(replay, side, at)
        while at >= 0 and levels < VIEW_LEVELS:
            lots = displayed(replay, side, at)
            view[depth] += lots
            levels += lots > 0
            at -= 1
