"""The features in plain Python, straight from their definitions: the reference of the numba fold.

Each decision is computed from the whole history up to it, with no state to carry and none to get wrong. Slow.

Here: the reference. Not here: what production runs (fold.py).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, NamedTuple

from models.features.fold import NS_PER_MS, Events, Grid

_NS_PER_S = 1_000_000_000


class _Book(NamedTuple):
    at: int
    bid: int
    bid_sz: int
    ask: int
    ask_sz: int
    bid_depth: int
    ask_depth: int

    @property
    def twice_mid(self) -> int:
        return self.bid + self.ask


def reference_features(events: Events, grid: Grid) -> list[dict[str, Any]]:
    """One dict of ``ts``, the features and ``mid_ticks`` per decision time of ``grid``."""
    books = [_Book(*values) for row in zip(*events, strict=True) if _two_sided(values := _ints(row)[:7])]
    trades = [(row[0], row[7], row[8]) for row in map(_ints, zip(*events, strict=True)) if row[7] > 0]
    stamps = [int(stamp) for stamp in events.available_at]
    step = grid.grid_ms * NS_PER_MS
    times = range(grid.open_ns + step, grid.close_ns + 1, step)
    rows = (_features_at(t, books, trades, stamps, grid) for t in times)
    return [row for row in rows if row is not None]


def _ints(row: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(int(value) for value in row)


def _two_sided(values: tuple[int, ...]) -> bool:
    _, bid, bid_sz, ask, ask_sz, _, _ = values
    return bid > 0 and ask > 0 and bid_sz + ask_sz > 0


def _features_at(
    t: int, all_books: list[_Book], all_trades: list[tuple[int, int, int]], stamps: list[int], grid: Grid
) -> dict[str, Any] | None:
    books = [book for book in all_books if book.at <= t]
    trades = [trade for trade in all_trades if trade[0] <= t]
    heard = [stamp for stamp in stamps if stamp <= t]
    if not books or t - heard[-1] > grid.max_silence_ms * NS_PER_MS:
        return None
    last = books[-1]
    mid = (last.bid + last.ask) / 2.0
    queue = (last.bid_sz - last.ask_sz) / (last.bid_sz + last.ask_sz)
    depth = last.bid_depth + last.ask_depth
    recent = [book for book in books if _inside(book.at, t, 60, grid)]
    tops = sum(book.bid_sz + book.ask_sz for book in recent)
    average = tops / (2.0 * len(recent)) if recent else (last.bid_sz + last.ask_sz) / 2.0
    minute = [trade for trade in trades if _inside(trade[0], t, 60, grid)]
    volume, signed = sum(size for _, size, _ in minute), sum(size * sign for _, size, sign in minute)
    changes = [new.at for old, new in pairwise(books) if old[1:5] != new[1:5]]
    row: dict[str, Any] = {
        "ts": t,
        "spread_bps": (last.ask - last.bid) / mid * 1e4,
        "spread_ticks": (last.ask - last.bid) / grid.quote_increment_ticks,
        "microprice_offset_bps": 0.5 * (last.ask - last.bid) * queue / mid * 1e4,
        "queue_imbalance": queue,
        "depth_imbalance": (last.bid_depth - last.ask_depth) / depth if depth > 0 else 0.0,
        "depth_log": math.log1p(depth * grid.lot_size),
        "trade_imbalance_60s": signed / volume if volume > 0 else 0.0,
        "trade_sign_last": float(trades[-1][2]) if trades else 0.0,
        "trade_count_60s": float(len(minute)),
        "volume_60s_log": math.log1p(volume * grid.lot_size),
        "realised_vol_60s_bps": _volatility(t, books, grid, 60),
        "realised_vol_300s_bps": _volatility(t, books, grid, 300),
        "quote_age_ms": (t - (changes[-1] if changes else books[0].at)) / 1e6,
        "quote_event_intensity": sum(_inside(at, t, 10, grid) for at in changes) / 10.0,
        "time_of_session": (t - grid.open_ns) / (grid.close_ns - grid.open_ns),
        "mid_ticks": mid,
    }
    for window in (1, 10, 60):
        flow = sum(order_flow(old, new) for old, new in pairwise(books) if _inside(new.at, t, window, grid))
        in_window = sum(size * sign for at, size, sign in trades if _inside(at, t, window, grid))
        row[f"ofi_{window}s"] = flow / average
        row[f"signed_volume_{window}s"] = in_window / average
        start = max(grid.open_ns, t - window * _NS_PER_S)
        row[f"return_{window}s_bps"] = math.log(last.twice_mid / _twice_mid(start, books)) * 1e4
    return row


def order_flow(old: _Book, new: _Book) -> int:
    """Contribution e_n of one event to order-flow imbalance, in lots (Cont, Kukanov, Stoikov 2014)."""
    bid = (new.bid_sz if new.bid >= old.bid else 0) - (old.bid_sz if new.bid <= old.bid else 0)
    ask = (new.ask_sz if new.ask <= old.ask else 0) - (old.ask_sz if new.ask >= old.ask else 0)
    return bid - ask


def _inside(at: int, t: int, window_s: int, grid: Grid) -> bool:
    return max(grid.open_ns, t - window_s * _NS_PER_S) < at <= t


def _twice_mid(t: int, books: list[_Book]) -> int:
    return next((book.twice_mid for book in reversed(books) if book.at <= t), books[0].twice_mid)


def _volatility(t: int, books: list[_Book], grid: Grid, window_s: int) -> float:
    mids = [_twice_mid(grid.open_ns, books)]
    for edge in range(grid.open_ns + _NS_PER_S, t + 1, _NS_PER_S):
        if books[0].at <= edge:
            mids.append(_twice_mid(edge, books))
    squares = [math.log(new / old) * math.log(new / old) for old, new in pairwise(mids)][-window_s:]
    if not squares:
        return math.nan
    variance = 0.0
    for square in squares:
        variance += square
    return math.sqrt(variance * (window_s / len(squares))) * 1e4
