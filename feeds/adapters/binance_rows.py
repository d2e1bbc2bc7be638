"""Canonical rows of joined messages.

Here: pieces -> RAW_TICKS columns. Not here: their order (binance_join.py), bytes (feeds/kernels/binance_json.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from feeds.adapters.binance_join import REASONS, Piece
from feeds.adapters.binance_units import Multiples
from feeds.schema import (
    ACTION_CODE,
    ACTION_ENUM,
    FLAG_PARTIAL,
    FLAG_SNAPSHOT,
    SIDE_CODE,
    SIDE_ENUM,
)

#: Code of no action, see `frame_of`.
NO_ACTION = 255


def rows_of(piece: Piece, trade_kind: int, multiples: Multiples) -> pl.DataFrame:
    """The rows of a piece, in RAW_TICKS columns without ``sequence``, with ``reason``.

    A message of several rows has FLAG_PARTIAL on all but its last. A snapshot is an ``R`` row and its levels; a message
    that cannot be placed is one row without action.
    """
    from feeds.kernels import binance_json as kernel

    if piece.lines.size == 0:
        wide, small = np.zeros(0, np.int64), np.zeros(0, np.uint8)
        return frame_of(wide, wide, small, small, wide, wide, small, small)
    records = piece.batch.records[piece.lines]
    kinds = records[:, kernel.KIND]
    unplaced = kinds == kernel.UNPLACED
    leads = (kinds == kernel.SNAPSHOT) | unplaced
    counts = records[:, kernel.LEVELS] + leads
    shown = counts > 0
    if trade_kind != kernel.AGG_TRADE:
        shown &= kinds != kernel.AGG_TRADE
    shown &= kinds != kernel.IGNORED
    if not shown.all():
        piece_lines = np.flatnonzero(shown)
        records, kinds, counts, leads = (part[piece_lines] for part in (records, kinds, counts, leads))
    else:
        piece_lines = np.arange(counts.size)
    ends = np.cumsum(counts)
    total = int(ends[-1]) if ends.size else 0
    starts = ends - counts
    within = np.arange(total) - np.repeat(starts, counts)
    level = np.repeat(records[:, kernel.LEVEL] - leads, counts) + within
    is_lead = np.zeros(total, bool)
    is_lead[starts[leads]] = True
    level[is_lead] = 0
    sides, prices, sizes = (part if part.size else np.zeros(1, part.dtype) for part in _levels(piece))
    side, price, size = sides[level], prices[level] * multiples.ticks, sizes[level] * multiples.lots
    action = np.repeat(_actions()[kinds], counts)
    side[is_lead], price[is_lead], size[is_lead] = SIDE_CODE["N"], 0, 0
    action[is_lead & (action != NO_ACTION)] = ACTION_CODE["R"]
    flags = np.full(total, FLAG_PARTIAL, np.uint8)
    flags[ends - 1] = 0
    flags[starts] |= piece.flags[piece_lines]
    recv, time = (np.repeat(records[:, name], counts) for name in (kernel.RECV_NS, kernel.TIME_NS))
    if piece.snapshot is not None:
        recv[:], time[:] = piece.snapshot
        flags |= FLAG_SNAPSHOT | FLAG_PARTIAL
        if total and not piece.more:
            flags[-1] &= ~FLAG_PARTIAL & 0xFF
    reasons = np.repeat(piece.reasons[piece_lines], counts)
    return frame_of(time, recv, action, side, price, size, flags, reasons)


def _levels(piece: Piece) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return piece.batch.sides, piece.batch.prices, piece.batch.sizes


def _actions() -> np.ndarray:
    from feeds.kernels import binance_json as kernel

    codes = np.full(8, NO_ACTION, np.uint8)
    for kind, action in (
        (kernel.DEPTH, "L"),
        (kernel.SNAPSHOT, "L"),
        (kernel.TICKER, "Q"),
        (kernel.TRADE, "T"),
        (kernel.AGG_TRADE, "T"),
    ):
        codes[kind] = ACTION_CODE[action]
    return codes


def frame_of(
    time: np.ndarray,
    recv: np.ndarray,
    action: np.ndarray,
    side: np.ndarray,
    price: np.ndarray,
    size: np.ndarray,
    flags: np.ndarray,
    reasons: np.ndarray,
    names: Sequence[str] = REASONS,
) -> pl.DataFrame:
    """RAW_TICKS columns without ``sequence``, with ``reason``.

    Args:
        time: (n,) int64 ns, as ``recv``.
        recv: See ``time``.
        action: (n,) uint8 ACTION_CODE; 255 where there is none: a rejected row without anything else.
        side: (n,) uint8 SIDE_CODE.
        price: (n,) int64 ticks.
        size: (n,) int64 lots.
        flags: (n,) uint8.
        reasons: (n,) uint8: 0, or 1 + the place in ``names``.
        names: Why rows are rejected.
    """
    known = np.where(action == NO_ACTION, 0, action).astype(np.uint8)
    texts = pl.Series([None, *names], dtype=pl.String)
    reason = texts.gather(pl.Series(reasons.astype(np.uint32))) if reasons.any() else pl.lit(None, pl.String)
    frame = pl.DataFrame(
        {
            "ts_event": time,
            "ts_recv": recv,
            "action": pl.Series(known).cat.to(ACTION_ENUM),
            "side": pl.Series(side.astype(np.uint8)).cat.to(SIDE_ENUM),
            "price": price,
            "size": size,
            "flags": flags.astype(np.uint8),
        }
    ).with_columns(order_id=pl.lit(0, pl.Int64), exchange=pl.lit(""), condition=pl.lit(0, pl.Int64), reason=reason)
    if not (action == NO_ACTION).any():
        return frame
    there = pl.Series(action != NO_ACTION)
    return frame.with_columns(pl.when(there).then(pl.col(n)).alias(n) for n in ("action", "side", "price", "size"))
