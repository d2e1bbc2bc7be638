"""Synthetic raw files in the formats of the adapters, for tests: whole sessions, trades on the touch, known defects."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import numpy as np

OPEN_MS, CLOSE_MS = 34_200_000, 57_600_000
EXCHANGES = "QNPK"


def _mid_path(rng: np.random.Generator, steps: int, start_cents: int) -> np.ndarray:
    """Random walk of the best bid in cents."""
    return start_cents + np.cumsum(rng.choice([-1, 0, 0, 0, 1], size=steps))


def _zip(path: Path, member: str, lines: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        info = zipfile.ZipInfo(member, (2013, 10, 7, 0, 0, 0))
        info.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(info, "".join(f"{line}\n" for line in lines))
    return path


def write_us_equity_day(
    folder: Path,
    ticker: str,
    date: str,
    seed: int,
    quotes: int = 4000,
    trades: int = 800,
    crossed: bool = False,
    bad_prices: bool = False,
) -> list[Path]:
    """Write ``YYYYMMDD_trade.zip`` and ``_quote.zip`` of one instrument-day.

    Args:
        folder: Where to.
        ticker: Symbol.
        date: ISO date.
        seed: Seed of the market.
        quotes: Quote lines, each one side of one exchange.
        trades: Trade lines.
        crossed: Every exchange bids above every offer from noon on.
        bad_prices: A third of the trades has a price of zero or a hundredfold.
    """
    rng = np.random.default_rng(seed)
    stem = date.replace("-", "")
    times = np.sort(rng.integers(OPEN_MS - 600_000, CLOSE_MS + 60_000, size=quotes))
    times[: 2 * len(EXCHANGES)] = OPEN_MS - 700_000
    times.sort()
    bids = _mid_path(rng, quotes, 10_000)
    quote_lines = []
    for k in range(quotes):
        exchange = EXCHANGES[(k // 2) % len(EXCHANGES)]
        bid = int(bids[k - k % (2 * len(EXCHANGES))]) * 100
        gap = -500 if crossed and times[k] > 43_200_000 else 100
        size = int(rng.integers(1, 20)) * 100
        side = f"{bid},{size},0,0" if k % 2 == 0 else f"0,0,{bid + gap},{size}"
        quote_lines.append(f"{times[k]},{side},{exchange},1,0")
    stamps = np.sort(rng.integers(OPEN_MS, CLOSE_MS, size=trades))
    trade_lines = []
    for k, stamp in enumerate(stamps):
        at = max(int(np.searchsorted(times, stamp, side="right")) - 1, 0)
        bid = int(bids[at - at % (2 * len(EXCHANGES))]) * 100
        price = bid + 100 * int(rng.integers(0, 2))
        if bad_prices and k % 3 == 0:
            price = 0 if k % 2 else price * 100
        condition = "1" if k % 5 else "20"
        size = int(rng.integers(1, 10)) * 100
        trade_lines.append(f"{stamp},{price},{size},{EXCHANGES[k % 4]},{condition},0")
    return [
        _zip(folder / f"{stem}_trade.zip", f"{stem}_{ticker.lower()}_Trade_Tick.csv", trade_lines),
        _zip(folder / f"{stem}_quote.zip", f"{stem}_{ticker.lower()}_Quote_Tick.csv", quote_lines),
    ]


def write_lobster_day(
    folder: Path, ticker: str, date: str, seed: int, messages: int = 3000, levels: int = 2, plain: bool = False
) -> list[Path]:
    """Write a LOBSTER zip (or a pair of csv files): a resting ladder whose best sizes change and whose price steps.

    Row k of the book file is the book after message k; visible executions take from the best level.
    """
    rng = np.random.default_rng(seed)
    stamps = np.sort(rng.integers(OPEN_MS * 1_000_000, CLOSE_MS * 1_000_000, size=messages))
    bid, spread = 1_000_000, 100
    sizes = {"B": [500] * levels, "A": [500] * levels}
    resting = {"B": 1, "A": 2}
    next_id, message_lines, book_lines = 3, [], []
    for stamp in stamps:
        side = "B" if rng.random() < 0.5 else "A"
        best = bid if side == "B" else bid + spread
        direction = 1 if side == "B" else -1
        draw = rng.random()
        if draw < 0.5 or sizes[side][0] <= 200:
            kind, size, order = 1, int(rng.integers(1, 4)) * 100, next_id
            sizes[side][0] += size
            resting[side] = order
            next_id += 1
        elif draw < 0.8:
            kind, size, order = 2, 100, resting[side]
            sizes[side][0] -= size
        elif draw < 0.95:
            kind, size, order = 4, 100, resting[side]
            sizes[side][0] -= size
        else:
            kind, size, order = 5, 50, 0
        message_lines.append(f"{stamp // 10**9}.{stamp % 10**9:09d},{kind},{order},{size},{best},{direction}")
        row = []
        for level in range(levels):
            row += [bid + spread + 100 * level, sizes["A"][level], bid - 100 * level, sizes["B"][level]]
        book_lines.append(",".join(map(str, row)))
        bid += 100 * int(rng.choice([-1, 0, 0, 0, 0, 0, 0, 0, 1]))
    stem = f"{ticker}_{date}_34200000_57600000"
    texts = {
        f"{stem}_message_{levels}.csv": "".join(f"{line}\n" for line in message_lines),
        f"{stem}_orderbook_{levels}.csv": "".join(f"{line}\n" for line in book_lines),
    }
    folder.mkdir(parents=True, exist_ok=True)
    if plain:
        for name, text in texts.items():
            (folder / name).write_text(text)
        return [folder / name for name in texts]
    path = folder / f"LOBSTER_{ticker}_{date}_{levels}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in texts.items():
            archive.writestr(zipfile.ZipInfo(name, (2013, 1, 1, 0, 0, 0)), text)
    return [path]


def write_bitstamp_capture(
    folder: Path, seed: int, events: int = 2000, start_ms: int = 1_777_689_380_000, seconds: int = 600
) -> list[Path]:
    """Write ``orders.csv.gz``, ``trades.csv`` and ``meta.json`` of a small capture: snapshot, live flow, closing deletes."""
    rng = np.random.default_rng(seed)
    orders, alive, trades = [], {}, []
    for level in range(10):
        for side, price in (("bid", 78_000 - level), ("ask", 78_001 + level)):
            order = 1000 + 2 * level + (side == "ask")
            alive[order] = (price, 0.5, side)
            orders.append((order, start_ms, start_ms, float(price), 0.5, "created", side))
    opening = len(orders)
    stamps = np.sort(rng.integers(start_ms + 1, start_ms + 1000 * seconds, size=events))
    for k, stamp in enumerate(map(int, stamps)):
        movable = [order for order in alive if order >= 10_000]
        if k % 40 == 39 and movable:
            order = movable[0]
            price, size, side = alive.pop(order)
            taker = 50_000 + k
            orders.append((order, stamp + 80, stamp, float(price), 0.0, "deleted", side))
            buy, sell = (taker, order) if side == "ask" else (order, taker)
            trades.append((k, stamp + 79, stamp, float(price), size, buy, sell, "buy" if side == "ask" else "sell"))
        elif movable and rng.random() < 0.45:
            order = movable[int(rng.integers(len(movable)))]
            price, size, side = alive.pop(order)
            orders.append((order, stamp + 80, stamp, float(price), size, "deleted", side))
        else:
            side = "bid" if rng.random() < 0.5 else "ask"
            price = 78_000 - int(rng.integers(0, 5)) if side == "bid" else 78_001 + int(rng.integers(0, 5))
            alive[10_000 + k] = (price, 0.1, side)
            orders.append((10_000 + k, stamp + 80, stamp, float(price), 0.1, "created", side))
    end = start_ms + 1000 * seconds + 200
    orders += [(order, end, end, float(price), size, "deleted", side) for order, (price, size, side) in alive.items()]
    folder.mkdir(parents=True, exist_ok=True)
    header = "id,timestamp,exchange_timestamp,price,volume,action,direction\n"
    text = header + "".join(",".join(map(str, row)) + "\n" for row in orders)
    (folder / "orders.csv.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    header = "trade_id,timestamp,exchange_timestamp,price,amount,buy_order_id,sell_order_id,side\n"
    (folder / "trades.csv").write_text(header + "".join(",".join(map(str, row)) + "\n" for row in trades))
    meta = {
        "started_at": "2026-05-02T02:36:20+00:00",
        "pair": "btcusd",
        "ws_url": "wss://ws.bitstamp.net",
        "synthetic_created": opening,
        "synthetic_deleted": len(alive),
    }
    (folder / "meta.json").write_text(json.dumps(meta))
    return [folder / name for name in ("orders.csv.gz", "trades.csv", "meta.json")]


def write_news_csv(path: Path, rows: list[tuple[str, str, str, str]]) -> Path:
    """Write headlines: (published_at ISO, tickers separated by |, headline, source)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join((stamp, tickers, f'"{text}"', source)) for stamp, tickers, text, source in rows]
    path.write_text("published_at,symbols,headline,source\n" + "".join(f"{line}\n" for line in lines))
    return path
