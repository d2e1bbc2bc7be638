"""National best bid and offer from ``Q`` rows.

Tapes come in two kinds, and taking one for the other gives a book that is locked or crossed most of the day:

* ``"national"``: each row states the best quote of the *whole market* on its side and names the exchange that makes it
  (usually in pairs, the unchanged side repeated). The last row of a side is the NBBO. The US tapes this project reads
  are of this kind: read so they are crossed for under 0.01 % of the time and 96 to 99 % of the trades lie within them;
  read as quotes of single exchanges they are locked or crossed half of the time.
* ``"exchange"``: each row states one exchange's own best quote, which stands until that exchange replaces it.

Rules for both: size 0 or price 0 withdraws a quote. Best price over all standing quotes; its size is the *sum* over
the exchanges at that price (what orders sent to all of them can take; the official NBBO states the largest one).
Depth is the sum of all standing quotes: with a national tape it is the size at the best price, as no more is known.
A quote that crosses another is kept at first: crosses of some milliseconds are how prices move between exchanges, and
cleaning drops the crossed rows. No market stays crossed, so where it does for `STALE_CROSS_NS` the older of the two
quotes is stale: it is withdrawn until it is restated.

Here: `with_nbbo` and its kernel. Not here: which rows are dropped (feeds/cleaning), books of single orders
(sim/replay.py).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl
from numba import njit

from feeds.schema import ACTION_CODE, SIDE_CODE, conform

BOOK_COLUMNS = ("bid_px", "bid_sz", "ask_px", "ask_sz", "bid_depth", "ask_depth")
STALE_CROSS_NS = 1_000_000_000
_QUOTE, _CLEAR = ACTION_CODE["Q"], ACTION_CODE["R"]
assert (SIDE_CODE["B"], SIDE_CODE["A"]) == (0, 1), "the kernel indexes sides by their code"


def with_nbbo(kept: pl.DataFrame, stated: Literal["national", "exchange"] = "national") -> pl.DataFrame:
    """Fill the book columns of RAW_TICKS rows with the NBBO as it stands *after* each row.

    Args:
        kept: RAW_TICKS rows in source order.
        stated: What a ``Q`` row speaks of, see the module docstring.

    Returns:
        The same rows; prices in ticks, sizes and depths in lots, 0 where a side is empty.
    """
    exchange = np.zeros(kept.height, np.int64)
    if stated == "exchange":
        exchange = kept["exchange"].rank("dense").cast(pl.Int64).to_numpy() - 1
    action, side = (kept[name].to_physical().cast(pl.Int64).to_numpy() for name in ("action", "side"))
    price, size, ts_ns = (kept[name].to_numpy() for name in ("price", "size", "ts_event"))
    n_exchanges = int(exchange.max()) + 1 if kept.height else 1
    out = np.zeros((len(BOOK_COLUMNS), kept.height), np.int64)
    fold_quotes(action, side, exchange, price, size, ts_ns, n_exchanges, out)
    filled = kept.with_columns(pl.Series(name, out[i]) for i, name in enumerate(BOOK_COLUMNS))
    return conform(filled, "raw_ticks")


@njit(cache=True)
def fold_quotes(
    action: np.ndarray,
    side: np.ndarray,
    exchange: np.ndarray,
    price: np.ndarray,
    size: np.ndarray,
    ts_ns: np.ndarray,
    n_exchanges: int,
    out: np.ndarray,
) -> None:
    """Fold events (n,), exchanges numbered from 0, into the book columns ``out`` (6, n), see `BOOK_COLUMNS`."""
    prices = np.zeros((2, n_exchanges), np.int64)
    sizes = np.zeros((2, n_exchanges), np.int64)
    stamps = np.zeros((2, n_exchanges), np.int64)
    top = np.zeros(6, np.int64)
    crossed_since = -1
    for i in range(action.size):
        if crossed_since >= 0 and ts_ns[i] - crossed_since >= STALE_CROSS_NS:
            _withdraw_stale(prices, sizes, stamps)
            _consolidate(prices, sizes, top)
            crossed_since = -1
        if action[i] == _QUOTE and side[i] < 2:
            withdrawn = price[i] <= 0 or size[i] <= 0
            prices[side[i], exchange[i]] = 0 if withdrawn else price[i]
            sizes[side[i], exchange[i]] = 0 if withdrawn else size[i]
            stamps[side[i], exchange[i]] = ts_ns[i]
            _consolidate(prices, sizes, top)
        elif action[i] == _CLEAR:
            prices[:] = 0
            sizes[:] = 0
            top[:] = 0
        if not top[0] > top[2] > 0:
            crossed_since = -1
        elif crossed_since < 0:
            crossed_since = ts_ns[i]
        out[:, i] = top


@njit(cache=True)
def _consolidate(prices: np.ndarray, sizes: np.ndarray, top: np.ndarray) -> None:
    for s in range(2):
        best, at_best, total = 0, 0, 0
        for e in range(prices.shape[1]):
            quoted = prices[s, e]
            if quoted == 0:
                continue
            total += sizes[s, e]
            if best == 0 or (quoted > best if s == 0 else quoted < best):
                best, at_best = quoted, sizes[s, e]
            elif quoted == best:
                at_best += sizes[s, e]
        top[2 * s], top[2 * s + 1], top[4 + s] = best, at_best, total


@njit(cache=True)
def _withdraw_stale(prices: np.ndarray, sizes: np.ndarray, stamps: np.ndarray) -> None:
    """Of each crossed pair of best quotes withdraw the older one (both where equally old) until nothing crosses."""
    while True:
        bid, ask = _best_exchange(prices, 0), _best_exchange(prices, 1)
        if bid < 0 or ask < 0 or prices[0, bid] <= prices[1, ask]:
            return
        bid_time, ask_time = stamps[0, bid], stamps[1, ask]
        if bid_time <= ask_time:
            prices[0, bid], sizes[0, bid] = 0, 0
        if ask_time <= bid_time:
            prices[1, ask], sizes[1, ask] = 0, 0


@njit(cache=True)
def _best_exchange(prices: np.ndarray, s: int) -> int:
    best = -1
    for e in range(prices.shape[1]):
        quoted = prices[s, e]
        if quoted > 0 and (best < 0 or (quoted > prices[s, best] if s == 0 else quoted < prices[s, best])):
            best = e
    return best
