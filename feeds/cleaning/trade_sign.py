"""Who initiated each trade.

Here: `trade_signs`. Not here: which trades are kept (feeds/cleaning/pipeline.py).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from feeds.schema import ACTION_CODE, SIDE_CODE


def trade_signs(booked: pl.DataFrame) -> np.ndarray:
    """Who initiated each trade.

    Exact where the source says so: the side of the resting order (F), or the aggressor's side (T). Else after Lee and
    Ready, "Inferring trade direction from intraday data", Journal of Finance 46 (1991): above the mid +1, below it -1,
    at the mid the tick test (sign of the last price change). The mid is the last one with an *earlier* stamp than the
    trade: quotes of the trade's own stamp may be its consequence.

    Args:
        booked: RAW_TICKS with book columns.

    Returns:
        (n,) int8: +1 buyer-initiated, -1 seller-initiated, 0 unknown or no trade.
    """
    action, side = (booked[name].to_physical().to_numpy() for name in ("action", "side"))
    signs = np.zeros(booked.height, np.int8)
    fill, trade = action == ACTION_CODE["F"], action == ACTION_CODE["T"]
    bid, ask, none = (SIDE_CODE[name] for name in ("B", "A", "N"))
    signs[(fill & (side == ask)) | (trade & (side == bid))] = 1
    signs[(fill & (side == bid)) | (trade & (side == ask))] = -1
    open_trades = np.flatnonzero(trade & (side == none))
    if open_trades.size:
        twice_mid = _twice_mid_before(booked)[open_trades]
        price = booked["price"].to_numpy()[open_trades]
        quote_rule = np.where(twice_mid > 0, np.sign(2 * price - twice_mid), 0)
        tick_test = _last_nonzero(np.sign(np.diff(price, prepend=price[0])))
        signs[open_trades] = np.where(quote_rule != 0, quote_rule, tick_test)
    return signs


def _twice_mid_before(booked: pl.DataFrame) -> np.ndarray:
    """(n,) bid + ask of the last uncrossed two-sided book with an earlier stamp than the row; 0 before the first."""
    bid, ask = (booked[name].fill_null(0).to_numpy() for name in ("bid_px", "ask_px"))
    usable = (bid > 0) & (ask > 0) & (bid <= ask)
    twice_mid = _last_nonzero(np.where(usable, bid + ask, 0))
    stamps = booked["ts_event"].to_numpy()
    starts = np.concatenate([[True], stamps[1:] != stamps[:-1]])
    start_of_run = np.maximum.accumulate(np.where(starts, np.arange(stamps.size), 0))
    return np.where(start_of_run > 0, twice_mid[start_of_run - 1], 0)


def _last_nonzero(values: np.ndarray) -> np.ndarray:
    """Each element, or the last non-zero one before it; 0 where there is none."""
    at = np.maximum.accumulate(np.where(values != 0, np.arange(values.size), 0))
    return values[at]
