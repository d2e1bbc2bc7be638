"""Synthetic files of the crypto exchange: websocket captures and the files of its public archive.

Every writer is deterministic: the same arguments give the same bytes. Messages are spelled with ``json``, and nothing
is shared with the code that reads them.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zipfile
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

SYMBOL, DATE = "XRPUSDT", "2024-08-08"
RAW_INSTRUMENT = {"spot": "XRPUSDT.BINANCE", "usdm": "XRPUSDT.BINANCE_USDM", "cm": "XRPUSD_PERP.BINANCE_CM"}
ARCHIVE_INSTRUMENT = {"spot": "XRPUSDT.BINANCE", "um": "XRPUSDT.BINANCE_USDM", "cm": "XRPUSD_PERP.BINANCE_CM"}
MIDNIGHT_MS = 1_723_075_200_000
NOON_MS = MIDNIGHT_MS + 43_200_000
HEADERS = {
    ("trades", "um"): "id,price,qty,quote_qty,time,is_buyer_maker",
    ("trades", "cm"): "id,price,qty,base_qty,time,is_buyer_maker",
    ("aggTrades", "um"): "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker",
    ("bookTicker", "um"): (
        "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time"
    ),
    ("bookDepth", "um"): "timestamp,percentage,depth,notional",
    ("bars", "um"): (
        "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
        "taker_buy_quote_volume,ignore"
    ),
}


def symbol_of(market: str) -> str:
    """Symbol of the market's instrument."""
    return "XRPUSD_PERP" if market == "cm" else SYMBOL


def ticks(value: int, places: int = 4) -> str:
    """A price or size of ``value`` units of ``10**-places``, with all its decimals."""
    return f"{Decimal(value).scaleb(-places):.{places}f}"


def wrapped(market: str, stream: str, data: dict[str, Any]) -> dict[str, Any]:
    """A message as a combined stream delivers it."""
    return {"stream": f"{symbol_of(market).lower()}@{stream}", "data": data}


def depth(market: str, first: int, last: int, previous: int, bids: Any, asks: Any, time_ms: int = NOON_MS) -> Any:
    """A diff of the book; levels as (price units, size units)."""
    data: dict[str, Any] = {"e": "depthUpdate", "E": time_ms + 2}
    if market != "spot":
        data["T"] = time_ms
    data["s"] = symbol_of(market)
    if market == "cm":
        data["ps"] = "XRPUSD"
    data |= {"U": first, "u": last}
    if market != "spot":
        data["pu"] = previous
    data |= {"b": _levels(bids), "a": _levels(asks)}
    return wrapped(market, "depth@100ms" if market == "spot" else "depth@0ms", data)


def snapshot(market: str, last: int, bids: Any, asks: Any, time_ms: int = NOON_MS) -> Any:
    """The answer to a request for the book."""
    stamps = {} if market == "spot" else {"E": time_ms + 2, "T": time_ms}
    named = {"symbol": symbol_of(market), "pair": "XRPUSD"} if market == "cm" else {}
    return {"lastUpdateId": last, **stamps, **named, "bids": _levels(bids), "asks": _levels(asks)}


def ticker(market: str, update: int, bid: tuple[int, int], ask: tuple[int, int], time_ms: int = NOON_MS) -> Any:
    """Best bid and offer."""
    sides = {"b": ticks(bid[0]), "B": ticks(bid[1], 1), "a": ticks(ask[0]), "A": ticks(ask[1], 1)}
    if market == "spot":
        return wrapped(market, "bookTicker", {"u": update, "s": SYMBOL, **sides})
    pair = {"ps": "XRPUSD"} if market == "cm" else {}
    data = {"e": "bookTicker", "u": update, "s": symbol_of(market), **pair, **sides, "T": time_ms, "E": time_ms + 2}
    return wrapped(market, "bookTicker", data)


def trade(market: str, number: int, price: int, size: int, maker: bool, time_ms: int = NOON_MS) -> Any:
    """One execution; ``maker``: the buyer's order rested."""
    data = {"e": "trade", "E": time_ms + 2, "T": time_ms, "s": symbol_of(market), "t": number}
    data |= {"p": ticks(price), "q": ticks(size, 1)}
    data |= {"m": maker, "M": True} if market == "spot" else {"X": "MARKET", "m": maker}
    return wrapped(market, "trade", data)


def agg_trade(market: str, number: int, price: int, size: int, maker: bool, time_ms: int = NOON_MS) -> Any:
    """Executions of one order at one price."""
    data = {"e": "aggTrade", "E": time_ms + 2, "s": symbol_of(market), "a": number, "p": ticks(price)}
    data |= {"q": ticks(size, 1), "f": 10 * number, "l": 10 * number + 9, "T": time_ms, "m": maker}
    return wrapped(market, "aggTrade", data | ({"M": True} if market == "spot" else {}))


def _levels(pairs: Any) -> list[list[str]]:
    return [[ticks(price), ticks(size, 1)] for price, size in pairs]


def capture_line(recv_ns: int, message: Any) -> str:
    """One line of a capture."""
    return f"{recv_ns} {message if isinstance(message, str) else json.dumps(message, separators=(',', ':'))}"


def write_capture(path: Path, messages: Sequence[Any], first_ns: int = NOON_MS * 10**6, step_ns: int = 10**6) -> Path:
    """Write messages one after the other; gzipped where the name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [capture_line(first_ns + step_ns * k, message) for k, message in enumerate(messages)]
    content = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return path


def market_messages(market: str, seed: int, count: int) -> list[Any]:
    """Snapshot, diffs that move a ladder, tickers of its touch and trades on it; ids without gaps."""
    rng = np.random.default_rng(seed)
    ladder = {"b": {6000 - k: 500 + k for k in range(8)}, "a": {6001 + k: 500 + k for k in range(8)}}
    update, number, clock = 1000, 50, NOON_MS
    messages = [depth(market, 990, 999, 989, [(5990, 10)], [], clock)]
    messages.append(snapshot(market, update, list(ladder["b"].items()), list(ladder["a"].items()), clock))
    # The first diff behind a snapshot contains it.
    first, previous = update, 999
    for _ in range(count):
        clock += int(rng.integers(1, 60))
        draw = rng.random()
        bid, ask = max(ladder["b"]), min(ladder["a"])
        if draw < 0.5:
            changes: dict[str, list[tuple[int, int]]] = {"b": [], "a": []}
            for side, best, away in (("b", bid, -1), ("a", ask, 1)):
                price = best + away * int(rng.integers(0, 6))
                size = int(rng.integers(0, 900)) if price != best else int(rng.integers(1, 900))
                ladder[side][price] = size
                if size == 0:
                    del ladder[side][price]
                changes[side].append((price, size))
            last = first + int(rng.integers(0, 5)) + 1
            messages.append(depth(market, first, last, previous, changes["b"], changes["a"], clock))
            first, previous = last + 1, last
        elif draw < 0.75:
            touch = (bid, ladder["b"][bid]), (ask, ladder["a"][ask])
            messages.append(ticker(market, previous, *touch, clock))
        else:
            maker = bool(rng.integers(0, 2))
            messages.append(trade(market, number, bid if maker else ask, int(rng.integers(1, 50)), maker, clock))
            number += 1
    return messages


def write_binance_raw_day(folder: Path, seed: int, market: str = "spot", messages: int = 400) -> list[Path]:
    """Write a gzipped capture of one instrument-day; see `RAW_INSTRUMENT` and `DATE`."""
    name = f"{symbol_of(market).lower()}_{DATE.replace('-', '')}.gz"
    return [write_capture(folder / name, market_messages(market, seed, messages))]


def archive_lines(
    kind: str, market: str, seed: int, count: int, start_ms: int = NOON_MS, us: bool = False
) -> list[str]:
    """Lines of an archive file without a header."""
    rng = np.random.default_rng([seed, len(kind)])
    stamps = start_ms + np.cumsum(rng.integers(0, 300, size=count))
    prices = 6000 + np.cumsum(rng.choice([-1, 0, 0, 1], size=count))
    sizes = rng.integers(1, 5000, size=count)
    lines = []
    for k, (stamp, price, size) in enumerate(zip(stamps.tolist(), prices.tolist(), sizes.tolist(), strict=True)):
        time = stamp * 1000 + 7 if us else stamp
        maker = bool(rng.integers(0, 2))
        truth = [str(flag) if market == "spot" else str(flag).lower() for flag in (maker, True)]
        last = truth if market == "spot" else truth[:1]
        shown = ticks(price), ticks(size, 1)
        quote = ticks(price * size, 5)
        if kind == "trades":
            lines.append(",".join([str(900 + k), *shown, quote, str(time), *last]))
        elif kind == "aggTrades":
            lines.append(",".join([str(70 + k), *shown, str(900 + 2 * k), str(901 + 2 * k), str(time), *last]))
        elif kind == "bookTicker":
            ask = ticks(price + 1), ticks(5001 - size, 1)
            lines.append(",".join([str(5000 + 3 * k), *shown, *ask, str(time), str(time + 4)]))
        else:
            raise ValueError(kind)
    return lines


def bar_lines(count: int, start_ms: int = MIDNIGHT_MS, minutes: int = 1, us: bool = False) -> list[str]:
    """Lines of bars of some minutes each."""
    lines, scale = [], 1000 if us else 1
    for k in range(count):
        opened = (start_ms + 60_000 * minutes * k) * scale
        closed = (start_ms + 60_000 * minutes * (k + 1)) * scale - 1
        prices = [ticks(6000 + k), ticks(6010 + k), ticks(5990 + k), ticks(6001 + k)]
        lines.append(
            ",".join([str(opened), *prices, ticks(1234 + k, 1), str(closed), "741.5", "17", "8.0", "4.8", "0"])
        )
    return lines


def write_archive(
    folder: Path, name: str, lines: Sequence[str], header: str | None = None, checksum: bool = False
) -> Path:
    """Write ``name`` (.zip with a csv of that name, .csv or .csv.gz), and its checksum file on request."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    content = "".join(f"{line}\n" for line in ([header] if header else []) + list(lines)).encode()
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            info = zipfile.ZipInfo(f"{path.stem}.csv", (2024, 8, 9, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    else:
        path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    if checksum:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        path.with_name(f"{name}.CHECKSUM").write_text(f"{digest}  {name}\n")
    return path


def write_binance_archive_day(
    folder: Path, seed: int, market: str = "um", kinds: Sequence[str] = ("trades", "bookTicker"), count: int = 300
) -> list[Path]:
    """Write the zips of one instrument-day; see `ARCHIVE_INSTRUMENT` and `DATE`."""
    paths = []
    for kind in kinds:
        header = HEADERS.get((kind, market)) or (HEADERS.get((kind, "um")) if market != "spot" else None)
        name = f"{symbol_of(market)}-{kind}-{DATE}.zip"
        paths.append(write_archive(folder, name, archive_lines(kind, market, seed, count), header))
    return paths
