"""Synthetic CLEAN_TICKS: a random walk of best quotes with trades, in order and two-sided.

Here: frames for the tests of features, bars and what lies behind them. Not here: market files
(market_files.py).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from feeds.instruments import InstrumentSpec
from feeds.schema import conform

SPEC = InstrumentSpec(id="TEST.SIM", tick_size=0.01, lot_size=1.0)
OPEN_NS = 1_700_000_000 * 1_000_000_000
SECOND_NS = 1_000_000_000


def random_clean_ticks(
    seed: int, events: int, session_s: float = 120.0, open_ns: int = OPEN_NS, trade_share: float = 0.2
) -> pl.DataFrame:
    """``events`` rows over ``session_s`` seconds; stamps repeat and some fall exactly on whole seconds."""
    rng = np.random.default_rng(seed)
    stamps = np.sort(rng.integers(0, int(session_s * SECOND_NS), events))
    on_the_second = rng.random(events) < 0.1
    stamps = np.sort(np.where(on_the_second, stamps // SECOND_NS * SECOND_NS, stamps))
    mid = 10_000 + np.cumsum(rng.integers(-1, 2, events) * (rng.random(events) < 0.3))
    spread = rng.integers(1, 4, events)
    bid = mid - spread // 2
    ask = bid + spread
    traded = rng.random(events) < trade_share
    buyer = rng.random(events) < 0.5
    bid_sz, ask_sz = rng.integers(1, 20, events), rng.integers(1, 20, events)
    return clean_ticks(
        available_at=open_ns + stamps,
        action=np.where(traded, np.where(rng.random(events) < 0.5, "T", "F"), "A"),
        price=np.where(buyer, ask, bid),
        size=rng.integers(1, 30, events),
        trade_sign=np.where(traded, np.where(buyer, 1, -1), 0),
        bid_px=bid,
        bid_sz=bid_sz,
        ask_px=ask,
        ask_sz=ask_sz,
        bid_depth=bid_sz + rng.integers(0, 90, events),
        ask_depth=ask_sz + rng.integers(0, 90, events),
    )


def clean_ticks(**columns: object) -> pl.DataFrame:
    """A CLEAN_TICKS frame from the columns given; the others get neutral values."""
    frame = pl.DataFrame(columns)
    defaults = {
        "ts_event": pl.col("available_at"),
        "sequence": pl.int_range(pl.len()),
        "action": pl.lit("A"),
        "side": pl.lit("N"),
        "order_id": pl.lit(0),
        "price": pl.lit(0),
        "size": pl.lit(0),
        "exchange": pl.lit(""),
        "trade_sign": pl.lit(0),
        "bid_sz": pl.lit(1),
        "ask_sz": pl.lit(1),
        "bid_depth": pl.col("bid_sz") if "bid_sz" in frame.columns else pl.lit(1),
        "ask_depth": pl.col("ask_sz") if "ask_sz" in frame.columns else pl.lit(1),
    }
    missing = [value.alias(name) for name, value in defaults.items() if name not in frame.columns]
    return conform(frame.with_columns(missing), "clean_ticks")
