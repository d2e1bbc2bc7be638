"""Tapes of levels, and of quotes and trades, made flat: no order is known, only what is displayed at each price.

A level feed (``L``, ``R``, and ``Q`` of the same venue) is folded as cleaning folds it (feeds/kernels/level_book.py):
stated bests overrule levels, a cross lasts a second. Where rows carry the best bid and ask after each (quotes of one or
many exchanges, a consolidated tape) the display is that one level a side, and what stands behind it is not known.

Nobody knows who entered when: every change and execution is of unknown age, and a queue model says what of a decrease
stood ahead of an own order (sim/queue_models.py). A trade without a side is taken to have hit the side that the rule of
Lee and Ready names; one that it names no side for fills nobody.

Here: `prepare_levels`, `prepare_quotes`. Not here: kernels (sim/level_fold.py), tapes of orders (sim/tape_orders.py).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from feeds.cleaning import trade_signs
from feeds.errors import InsufficientDataError
from feeds.schema import ACTION_CODE, RAW_TICKS
from sim.bit_words import NONE_ABOVE, NONE_BELOW
from sim.fast_replay_l2 import LevelReplay, level_columns
from sim.level_fold import CHANGES, DEEP, MOST, N_CURSOR, NEAR, WORST, LevelFold, Prices, fold_rows
from sim.tape_build import Changes, Executions, FlatTape, build_tape
from sim.tape_state import DEEP_EVERY, NEAR_EVERY, NEAR_LEVELS, UNKNOWN, EventTape
from sim.tape_sums import clock_of, next_true, quoted_rows, traded_sums, variance_sums

_TOP = ("bid_px", "bid_sz", "ask_px", "ask_sz")


def prepare_levels(tape: pl.DataFrame) -> FlatTape:
    """Make a level feed ready for replay.

    Args:
        tape: RAW_TICKS rows of one venue in source order, opening snapshot included; book columns are not read.

    Raises:
        InsufficientDataError: There are no rows, or the book is never two-sided.
    """
    _require_rows(tape)
    columns, ladder = level_columns(tape), LevelReplay()
    # Prices are often in a finer unit than the venue quotes in: without gaps the book stays in the cache.
    unit = max(1, int(np.gcd.reduce(columns.price)))
    ladder.number(replace(columns, price=columns.price // unit))
    prices = Prices(ladder.places.pages, np.array([unit], np.int64))
    fold = _new_fold(columns.rows, ladder.places.places)
    row = fold_rows(ladder.ladder, prices, columns.rows, fold, 0)
    while row < columns.rows.size:
        room = 2 * fold.deep_price.size
        fold = fold._replace(deep_price=_grown(fold.deep_price, room), deep_lots=_grown(fold.deep_lots, room))
        row = fold_rows(ladder.ladder, prices, columns.rows, fold, row)
    booked = tape.with_columns(pl.Series(name, fold.top[1:, i]) for i, name in enumerate(_TOP))
    return _assemble(booked, fold)


def prepare_quotes(tape: pl.DataFrame) -> FlatTape:
    """Make a tape ready whose rows state the best bid and ask after each, and nothing behind them.

    Args:
        tape: RAW_TICKS rows in source order with ``bid_px``, ``bid_sz``, ``ask_px``, ``ask_sz`` (0: empty side; null:
            as before).

    Raises:
        InsufficientDataError: There are no rows, or no row states a two-sided book.
    """
    _require_rows(tape)
    told = tape.with_columns(pl.col(_TOP).forward_fill().fill_null(0))
    return build_tape(told, _quote_changes(told), _executions(told, trade_signs(told)))


def _require_rows(tape: pl.DataFrame) -> None:
    missing = sorted(set(RAW_TICKS) - set(tape.columns))
    assert not missing, f"a tape has the columns of RAW_TICKS; missing {missing}"
    if tape.height == 0:
        raise InsufficientDataError("replay of levels", received="no rows", expected="a feed with a two-sided book")


def _new_fold(rows: np.ndarray, places: int) -> LevelFold:
    """Arrays to fold ``rows`` into; pages nobody touches cost nothing, so that bounds may be generous."""
    n, noted = rows.size, 2 * max(1, places)
    # What a row removes some row has set: twice the rows, and once more for the best a quote sets.
    room = 3 * n + 1
    near, deep = -(-n // NEAR_EVERY), -(-n // DEEP_EVERY)
    fold = LevelFold(
        top=np.empty((n + 1, 4), np.int64),
        depth=np.empty((n + 1, 2), np.int64),
        change_first=np.zeros(n + 1, np.int64),
        change_side=np.empty(room, np.uint8),
        change_price=np.empty(room, np.int64),
        change_lots=np.empty(room, np.int64),
        near_first=np.zeros(2 * near + 1, np.int64),
        near_price=np.empty(2 * near * NEAR_LEVELS, np.int64),
        near_lots=np.empty(2 * near * NEAR_LEVELS, np.int64),
        deep_first=np.zeros(2 * deep + 1, np.int64),
        deep_price=np.empty(noted, np.int64),
        deep_lots=np.empty(noted, np.int64),
        noted=np.zeros((noted, 3), np.int64),
        cursor=np.zeros(N_CURSOR, np.int64),
    )
    fold.top[0], fold.depth[0] = 0, 0
    fold.cursor[WORST], fold.cursor[WORST + 1] = NONE_BELOW, NONE_ABOVE
    return fold


def _grown(array: np.ndarray, room: int) -> np.ndarray:
    larger = np.empty(room, array.dtype)
    larger[: array.size] = array
    return larger


def _assemble(booked: pl.DataFrame, fold: LevelFold) -> FlatTape:
    """The tape of a finished fold."""
    clock, quoted, signs = clock_of(booked), quoted_rows(booked), trade_signs(booked)
    first_second, variance = variance_sums(booked, clock, quoted)
    changes, near, deep = (int(fold.cursor[place]) for place in (CHANGES, NEAR, DEEP))
    told = Changes(
        fold.change_first,
        fold.change_side[:changes].copy(),
        fold.change_price[:changes].copy(),
        fold.change_lots[:changes].copy(),
        np.full(changes, UNKNOWN, np.int32),
    )
    events = EventTape(
        clock, fold.top, fold.depth, traded_sums(booked, signs), variance, np.array([first_second], np.int64),
        next_true(quoted), *told, *_executions(booked, signs),
        fold.near_first, fold.near_price[:near].copy(), fold.near_lots[:near].copy(),
        fold.deep_first, fold.deep_price[:deep].copy(), fold.deep_lots[:deep].copy(),
    )  # fmt: skip
    return FlatTape(events, int(fold.cursor[MOST]))


def _executions(booked: pl.DataFrame, signs: np.ndarray) -> Executions:
    """Executions of rows F and T whose aggressor is stated or inferred (``signs``)."""
    told = (signs != 0) & (booked["size"].to_numpy() > 0)
    rows = np.flatnonzero(told)
    return Executions(
        first=np.concatenate([[0], np.cumsum(told)]).astype(np.int64),
        # A buyer met an ask.
        side=(signs[rows] > 0).astype(np.uint8),
        price=np.ascontiguousarray(booked["price"].to_numpy()[rows], np.int64),
        lots=np.ascontiguousarray(booked["size"].to_numpy()[rows], np.int64),
        hit=np.full(rows.size, UNKNOWN, np.int32),
        # Whose order an F filled is not on display here: it counts as a print.
        kind=np.full(rows.size, ACTION_CODE["T"], np.uint8),
    )


def _quote_changes(told: pl.DataFrame) -> Changes:
    """Differences of one level a side: a new price is the old level gone and another come."""
    n, parts = told.height, []
    for side in range(2):
        price, lots = (told[name].to_numpy() for name in _TOP[2 * side : 2 * side + 2])
        lots = np.where(price > 0, lots, 0)
        was_price, was_lots = (np.concatenate([[0], values[:-1]]) for values in (price, lots))
        moved = price != was_price
        gone, came = moved & (was_lots > 0), lots != np.where(moved, 0, was_lots)
        by = lots - np.where(moved, 0, was_lots)
        parts += [
            (np.flatnonzero(gone), side, 0, was_price[gone], -was_lots[gone]),
            (np.flatnonzero(came), side, 1, price[came], by[came]),
        ]
    row = np.concatenate([part[0] for part in parts])
    sides, later = (np.concatenate([np.full(part[0].size, part[k]) for part in parts]) for k in (1, 2))
    price, lots = (np.concatenate([part[k] for part in parts]) for k in (3, 4))
    # Within a row what is gone goes first: no side shows two levels.
    order = np.lexsort((sides, later, row))
    first = np.searchsorted(row[order], np.arange(n + 1)).astype(np.int64)
    unknown = np.full(row.size, UNKNOWN, np.int32)
    return Changes(
        first, sides[order].astype(np.uint8), price[order].astype(np.int64), lots[order].astype(np.int64), unknown
    )
