"""Synthetic files of foreign exchange quotes and of published minute bars, as their vendors deliver them.

Every writer is deterministic: the same arguments give the same bytes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.support.market_files import write_zip

FX_INSTRUMENT, FX_DATE = "EURUSD.FX", "2014-05-02"
MINUTE_INSTRUMENT, MINUTE_DATE = "IBM.US", "2013-10-08"
_HOUR_MS, _MINUTE_MS = 3_600_000, 60_000


def write_fx_day(
    folder: Path, seed: int, pair: str = "EURUSD", date: str = FX_DATE, lines: int = 200, places: int = 5
) -> list[Path]:
    """Write ``YYYYMMDD_quote.zip``: quotes of the first 18 hours of a day of UTC-5, which lie on its UTC date too."""
    rng = np.random.default_rng(seed)
    stamps = np.sort(rng.integers(0, 18 * _HOUR_MS, size=lines))
    bids = 138_000 + np.cumsum(rng.integers(-3, 4, size=lines))
    asks = bids + rng.integers(0, 4, size=lines)
    scale = 10**places
    rows = [
        f"{stamp},{bid // scale}.{bid % scale:0{places}d},{ask // scale}.{ask % scale:0{places}d}"
        for stamp, bid, ask in zip(stamps.tolist(), bids.tolist(), asks.tolist(), strict=True)
    ]
    stem = date.replace("-", "")
    return [write_zip(folder / f"{stem}_quote.zip", {f"{stem}_{pair.lower()}_tick_quote.csv": rows})]


def write_minute_day(
    folder: Path, seed: int, ticker: str = "IBM", date: str = MINUTE_DATE, bars: int = 390
) -> list[Path]:
    """Write ``YYYYMMDD_trade.zip`` of minute bars from 09:30 New York on; a tenth of the minutes is missing."""
    rng = np.random.default_rng(seed)
    rows, close = [], 1_800_000
    for minute in range(bars):
        opened, close = close, close + 100 * int(rng.integers(-5, 6))
        if minute and rng.random() < 0.1:
            continue
        high, low = max(opened, close) + 100, min(opened, close) - 100
        stamp = 34_200_000 + minute * _MINUTE_MS
        rows.append(f"{stamp},{opened},{high},{low},{close},{100 * int(rng.integers(1, 50))}")
    stem = date.replace("-", "")
    return [write_zip(folder / f"{stem}_trade.zip", {f"{stem}_{ticker.lower()}_minute_trade.csv": rows})]
