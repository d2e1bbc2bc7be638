"""Synthetic raw files in the formats of the adapters: whole sessions, trades on the touch, known defects on request.

Every writer is deterministic: the same arguments give the same bytes. Here: files as a vendor would deliver them. Not
here: canonical frames (clean_ticks.py, raw_events.py).
"""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

OPEN_MS, CLOSE_MS, NOON_MS = 34_200_000, 57_600_000, 43_200_000
EXCHANGES = "QNPK"
CENT = 100  # in units of 1e-4 dollars
_NS_PER_MS = 1_000_000


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
        quotes: Quote lines; two lines state both sides of the national best bid and offer, a cent apart.
        trades: Trade lines, all inside the session and on the touch.
        crossed: Every bid stands above every offer from noon on.
        bad_prices: A third of the trades has a price of zero or a hundredfold.
    """
    rng = np.random.default_rng(seed)
    stem = date.replace("-", "")
    pairs = quotes // 2
    # The book exists before the open, as in real files, and a little after the close.
    stamps = np.sort(rng.integers(OPEN_MS - 600_000, CLOSE_MS + 60_000, size=pairs))
    bids = CENT * (10_000 + np.cumsum(rng.choice([-1, 0, 0, 0, 1], size=pairs)))
    quote_lines = []
    for k, (stamp, bid) in enumerate(zip(stamps.tolist(), bids.tolist(), strict=True)):
        offer = bid + (-5 * CENT if crossed and stamp > NOON_MS else CENT)
        bid_size, offer_size = (100 * int(n) for n in rng.integers(1, 20, size=2))
        sides = [f"{bid},{bid_size},0,0", f"0,0,{offer},{offer_size}"]
        # The side that gives way moves first, so that a moving price does not lock the market.
        rising = k > 0 and bid > bids[k - 1]
        exchange = EXCHANGES[k % len(EXCHANGES)]
        quote_lines += [f"{stamp},{side},{exchange},1,0" for side in (reversed(sides) if rising else sides)]
    trade_lines = []
    for k, stamp in enumerate(np.sort(rng.integers(OPEN_MS, CLOSE_MS, size=trades)).tolist()):
        bid = int(bids[max(int(np.searchsorted(stamps, stamp)) - 1, 0)])
        price = bid + CENT * int(rng.integers(0, 2))
        if bad_prices and k % 3 == 0:
            price = 0 if k % 2 else price * 100
        size = 100 * int(rng.integers(1, 10))
        trade_lines.append(f"{stamp},{price},{size},{EXCHANGES[k % len(EXCHANGES)]},{'1' if k % 5 else '20'},0")
    members = {"trade": ("Trade", trade_lines), "quote": ("Quote", quote_lines)}
    return [
        write_zip(folder / f"{stem}_{role}.zip", {f"{stem}_{ticker.lower()}_{name}_Tick.csv": lines})
        for role, (name, lines) in members.items()
    ]


def write_lobster_day(
    folder: Path, ticker: str, date: str, seed: int, messages: int = 3000, levels: int = 2, plain: bool = False
) -> list[Path]:
    """Write a LOBSTER zip, or with ``plain`` the pair of csv files.

    The messages come from a price-time book, and row k of the book file is that book after message k: executions and
    cancellations take from the best levels by what the message says, and a level that runs dry moves the price.
    """
    book = _LadderBook(np.random.default_rng(seed), levels)
    stamps_ns = np.sort(book.rng.integers(OPEN_MS * _NS_PER_MS, CLOSE_MS * _NS_PER_MS, size=messages)).tolist()
    message_lines, book_lines = [], []
    for stamp in stamps_ns:
        event = ",".join(map(str, book.step()))
        message_lines.append(f"{stamp // 10**9}.{stamp % 10**9:09d},{event}")
        book_lines.append(",".join(map(str, book.row())))
    stem = f"{ticker}_{date}_34200000_57600000"
    files = {f"{stem}_message_{levels}.csv": message_lines, f"{stem}_orderbook_{levels}.csv": book_lines}
    if not plain:
        return [write_zip(folder / f"LOBSTER_{ticker}_{date}_{levels}.zip", files)]
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in files.items():
        (folder / name).write_text(_text(lines))
    return [folder / name for name in files]


class _LadderBook:
    """A few orders a price level, moved by random messages; both sides are kept deeper than what is shown."""

    def __init__(self, rng: np.random.Generator, levels: int) -> None:
        self.rng, self.levels, self.next_id = rng, levels, 1
        self.orders: dict[int, dict[int, list[list[int]]]] = {1: {}, -1: {}}
        for depth in range(levels + 10):
            for direction, best in ((1, 1_000_000), (-1, 1_000_000 + CENT)):
                self._rest(direction, best - direction * depth * CENT, 300)

    def _rest(self, direction: int, price: int, size: int) -> int:
        self.orders[direction].setdefault(price, []).append([self.next_id, size])
        self.next_id += 1
        return self.next_id - 1

    def prices(self, direction: int) -> list[int]:
        return sorted(self.orders[direction], reverse=direction == 1)

    def step(self) -> tuple[int, int, int, int, int]:
        """One message: type, order id, size, price, direction."""
        direction = 1 if self.rng.random() < 0.5 else -1
        ladder = self.prices(direction)
        draw = self.rng.random()
        if draw < 0.45 or len(ladder) < self.levels + 5:
            price = ladder[int(self.rng.integers(self.levels))]
            inside = ladder[0] + direction * CENT
            if draw < 0.1 and inside != self.prices(-direction)[0]:
                price = inside
            if len(ladder) < self.levels + 5:
                self._rest(direction, ladder[-1] - direction * CENT, 300)  # out of sight: no message
            size = 100 * int(self.rng.integers(1, 4))
            return 1, self._rest(direction, price, size), size, price, direction
        if draw < 0.5:
            return 5, 0, 50, ladder[0], direction
        if draw < 0.75:
            return self._take(4, direction, ladder[0], 0)
        price = ladder[int(self.rng.integers(self.levels))]
        return self._take(2 if draw < 0.85 else 3, direction, price, -1)

    def _take(self, kind: int, direction: int, price: int, place: int) -> tuple[int, int, int, int, int]:
        queue = self.orders[direction][price]
        order, resting = queue[place]
        # A partial cancellation leaves something; an execution may take all.
        size = {2: max(resting - 50, 0), 3: resting, 4: min(resting, 100)}[kind]
        kind, size = (3, resting) if size == 0 else (kind, size)
        queue[place][1] -= size
        if queue[place][1] == 0:
            del queue[place]
        if not queue:
            del self.orders[direction][price]
        return kind, order, size, price, direction

    def row(self) -> list[int]:
        """Ask price, ask size, bid price, bid size per level."""
        shown = []
        for ask, bid in zip(self.prices(-1)[: self.levels], self.prices(1)[: self.levels], strict=True):
            shown += [ask, sum(s for _, s in self.orders[-1][ask]), bid, sum(s for _, s in self.orders[1][bid])]
        return shown


def write_bitstamp_capture(
    folder: Path, seed: int, events: int = 2000, start_ms: int = 1_777_689_380_000, seconds: int = 600
) -> list[Path]:
    """Write ``orders.csv.gz``, ``trades.csv`` and ``meta.json`` of a small capture.

    An opening snapshot (delivered after the first live messages, as in real captures), live orders around a price that
    moves, matches that remove a resting order and print a little later, and the deletes that close the capture.
    """
    rng = np.random.default_rng(seed)
    orders: list[tuple[object, ...]] = []
    trades: list[tuple[object, ...]] = []
    alive: dict[int, tuple[int, float, str]] = {}

    def log(order: int, stamp: int, action: str, delay_ms: int = 80, volume: float | None = None) -> None:
        price, size, side = alive[order]
        left = size if volume is None else volume
        orders.append((order, stamp + delay_ms, stamp, float(price), left, action, side))
        if action == "deleted":
            del alive[order]

    for order in range(1000, 1020):
        depth, parity = divmod(order - 1000, 2)
        alive[order] = (78_000 - depth, 0.5, "bid") if parity == 0 else (78_001 + depth, 0.5, "ask")
        log(order, start_ms, "created", delay_ms=2_700)
    opening, best_bid, next_id = len(orders), 78_000, 10_000
    for k, stamp in enumerate(np.sort(rng.integers(start_ms + 1, start_ms + 1000 * seconds, size=events)).tolist()):
        draw = rng.random()
        if draw < 0.05:
            best_bid += 1 if rng.random() < 0.5 else -1
        for order, (price, _, side) in list(alive.items()):
            if price > best_bid if side == "bid" else price <= best_bid:
                log(order, stamp, "deleted")
        touch = [order for order, (price, _, side) in alive.items() if price == best_bid + (side == "ask")]
        if k % 40 == 39 and touch:
            price, size, side = alive[touch[0]]
            taker, buyer_takes = 50_000 + k, side == "ask"
            log(touch[0], stamp, "deleted", volume=0.0)
            pair = (taker, touch[0]) if buyer_takes else (touch[0], taker)
            trades.append((k, stamp + 120, stamp, float(price), size, *pair, "buy" if buyer_takes else "sell"))
        elif draw > 0.55 and len(alive) > 20:
            log(sorted(alive)[int(rng.integers(len(alive)))], stamp, "deleted")
        for side in ("bid", "ask"):
            best = best_bid if side == "bid" else best_bid + 1
            held = any(price == best and s == side for price, _, s in alive.values())
            if not held or draw < 0.5 * (1 if side == "bid" else 0.5):
                depth = int(rng.integers(0, 5)) if held else 0
                alive[next_id] = (best - depth if side == "bid" else best + depth, 0.1, side)
                log(next_id, stamp, "created")
                next_id += 1
    closing = len(alive)
    for order in list(alive):
        log(order, start_ms + 1000 * seconds + 200, "deleted", delay_ms=0)
    folder.mkdir(parents=True, exist_ok=True)
    order_lines = ["id,timestamp,exchange_timestamp,price,volume,action,direction", *map(_csv_line, orders)]
    header = "trade_id,timestamp,exchange_timestamp,price,amount,buy_order_id,sell_order_id,side"
    meta = {
        "started_at": f"{np.datetime64(start_ms, 'ms')}+00:00",
        "pair": "btcusd",
        "ws_url": "wss://ws.bitstamp.net",
        "synthetic_created": opening,
        "synthetic_deleted": closing,
        "total_order_rows": len(orders),
        "trades": len(trades),
    }
    (folder / "orders.csv.gz").write_bytes(gzip.compress(_text(order_lines).encode(), mtime=0))
    (folder / "trades.csv").write_text(_text([header, *map(_csv_line, trades)]))
    (folder / "meta.json").write_text(json.dumps(meta, indent=1))
    return [folder / name for name in ("orders.csv.gz", "trades.csv", "meta.json")]


def write_news_csv(path: Path, rows: Sequence[tuple[str, str, str, str]]) -> Path:
    """Write headlines: (published_at ISO, tickers separated by |, headline, source)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join((stamp, tickers, f'"{text}"', source)) for stamp, tickers, text, source in rows]
    path.write_text(_text(["published_at,symbols,headline,source", *lines]))
    return path


def write_zip(path: Path, members: dict[str, list[str]]) -> Path:
    """Write a zip of text members; equal lines give equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, lines in members.items():
            info = zipfile.ZipInfo(name, (2013, 10, 7, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, _text(lines))
    return path


def _text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _csv_line(row: tuple[object, ...]) -> str:
    return ",".join(map(str, row))
