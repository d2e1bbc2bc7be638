"""A made-up trading day in the format of TotalView-ITCH 5.0, as large as wanted, fast to write.

Orders come at uniform times, in symbols of Zipf's popularity, near a price that walks; most die within a few thousand
messages, some rest for millions. About 45 % of the messages add an order, 43 % delete one, the rest executes, reduces
or replaces. Deterministic by seed. Written from the specification with NumPy's big-endian records, in segments: the
orders that rest are carried from one to the next.

Here: the writer for benchmarks. Not here: decoding (feeds/adapters/itch.py), small files for tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

_OPEN_NS, _CLOSE_NS = 34_200_000_000_000, 57_600_000_000_000
_HEAD = [("length", ">u2"), ("type", "S1"), ("locate", ">u2"), ("tracking", ">u2"), ("stamp", "V6"), ("ref", ">u8")]
_ADD = [("side", "S1"), ("shares", ">u4"), ("stock", "S8"), ("price", ">u4")]
#: Fields behind the head of each type.
_TAIL: dict[str, list[tuple[str, str]]] = {
    "A": _ADD,
    "F": [*_ADD, ("mpid", "S4")],
    "E": [("shares", ">u4"), ("match", ">u8")],
    "C": [("shares", ">u4"), ("match", ">u8"), ("printable", "S1"), ("price", ">u4")],
    "X": [("shares", ">u4")],
    "D": [],
    "U": [("new", ">u8"), ("shares", ">u4"), ("price", ">u4")],
    "P": [*_ADD, ("match", ">u8")],
}
_TYPES = {name: np.dtype(_HEAD + tail) for name, tail in _TAIL.items()}
_CODES = np.array([ord(name) for name in "AFECXDUP"])
#: The price swings by so many cents within so many orders.
_SWING, _PERIOD = 20, 2_000_000
_ORDER = np.dtype(
    [
        ("id", "i8"),
        ("symbol", "i4"),
        ("buys", "?"),
        ("price", "i8"),
        ("left", "i8"),
        ("born", "f8"),
        ("middle", "f8"),
        ("middle_type", "u1"),
        ("middle_size", "i8"),
        ("end", "f8"),
        ("end_type", "u1"),
        ("child", "i8"),
    ]
)
_EVENT = np.dtype(
    [
        ("time", "f8"),
        ("type", "u1"),
        ("symbol", "i4"),
        ("ref", "i8"),
        ("new", "i8"),
        ("buys", "?"),
        ("shares", "i8"),
        ("price", "i8"),
    ]
)


@dataclass(frozen=True)
class TapeTruth:
    """What was written.

    Attributes:
        messages: All messages.
        added: Orders added, replacements not counted.
        traded_shares: Shares of all executions of displayed orders (E and C).
        resting: Structured array of the orders that rest at the end: ``id``, ``symbol`` (0 to symbols - 1, the locate
            code less 1), ``buys``, ``price`` (1e-4 dollars), ``left`` (shares).
    """

    messages: int
    added: int
    traded_shares: int
    resting: np.ndarray


def symbol_name(symbol: int) -> str:
    """Ticker of a symbol: four letters."""
    return "".join(chr(65 + symbol // 26**place % 26) for place in (3, 2, 1, 0))


def write_tape(path: Path, orders: int, seed: int = 0, symbols: int = 300, segment: int = 1_000_000) -> TapeTruth:
    """Write a plain ITCH file of ``orders`` orders, about 2.2 messages of 32 bytes each.

    Args:
        path: File to make.
        orders: Orders to add.
        seed: Of everything that is drawn.
        symbols: How many stocks.
        segment: Orders held in memory at once.
    """
    rng = np.random.default_rng(seed)
    segments = max(1, -(-orders // segment))
    weights = 1 / np.arange(1, symbols + 1)
    market = _Market(np.cumsum(weights / weights.sum()), 10_000 * rng.integers(10, 400, symbols), orders / segments)
    live, next_id, counts = np.zeros(0, _ORDER), 1_000, [0, 0, 0]
    with path.open("wb") as handle:
        counts[0] += _opening(handle, symbols)
        for index in range(segments):
            live, next_id, events = _segment(rng, market, index, live, next_id)
            counts[0] += len(events)
            counts[1] += int(np.isin(events["type"], [ord("A"), ord("F")]).sum())
            counts[2] += int(events["shares"][np.isin(events["type"], [ord("E"), ord("C")])].sum())
            span = (_CLOSE_NS - _OPEN_NS) / segments
            _encode(handle, events, (_OPEN_NS + events["time"] * span).astype(np.int64))
        counts[0] += _system(handle, _CLOSE_NS, "MEC")
    return TapeTruth(counts[0], counts[1], counts[2], live)


@dataclass(frozen=True)
class _Market:
    popularity: np.ndarray  # cumulated, by symbol
    prices: np.ndarray  # where each symbol's price swings around, 1e-4 dollars
    orders: float  # of a segment


def _segment(
    rng: np.random.Generator, market: _Market, index: int, live: np.ndarray, next_id: int
) -> tuple[np.ndarray, int, np.ndarray]:
    """``(live, next id, events in order)`` of segment ``index``; times count segments."""
    begin, count = float(index), int(market.orders * (index + 1)) - int(market.orders * index)
    fresh = np.zeros(count, _ORDER)
    fresh["symbol"] = np.searchsorted(market.popularity, rng.random(count) * 0.999_999)
    fresh["buys"] = rng.random(count) < 0.5
    fresh["born"] = begin + np.sort(rng.random(count))
    _draw_orders(rng, market, fresh)
    fresh["end_type"] = rng.choice([ord(x) for x in "DEUC"], count, p=[0.93, 0.03, 0.035, 0.005])
    pool = np.concatenate((live, fresh))
    replaced = np.flatnonzero((pool["end_type"] == ord("U")) & (pool["end"] < begin + 1))
    children = np.zeros(len(replaced), _ORDER)
    for name in ("symbol", "buys"):
        children[name] = pool[name][replaced]
    children["born"] = pool["end"][replaced]
    _draw_orders(rng, market, children)
    children["end_type"] = ord("D")
    births = np.concatenate((fresh["born"], children["born"]))
    ids = np.empty(len(births), np.int64)
    ids[np.argsort(births, kind="stable")] = next_id + np.cumsum(rng.integers(1, 4, len(births)))
    pool["id"][len(live) :] = ids[:count]
    children["id"] = ids[count:]
    pool["child"][replaced] = np.arange(len(replaced))
    events = _events(rng, market, pool, children, len(live), begin)
    everyone = np.concatenate((pool, children))
    done = (everyone["middle"] < begin + 1) & (everyone["middle"] >= np.maximum(begin, everyone["born"]))
    everyone["left"] -= np.where(done, everyone["middle_size"], 0)
    return everyone[everyone["end"] >= begin + 1], next_id + 3 * len(births) + 1, events


def _draw_orders(rng: np.random.Generator, market: _Market, orders: np.ndarray) -> None:
    """Price, size, life and what happens in its middle, of orders whose symbol, side and birth stand."""
    n = len(orders)
    life = rng.choice([1e3, 150e3, 5e6], n, p=[0.6, 0.35, 0.05])
    swing = 100 * np.round(_SWING * np.sin(2 * np.pi * orders["born"] * market.orders / _PERIOD)).astype(np.int64)
    # What rests long rests where the price does not come, so that no book crosses.
    away = 100 * (rng.geometric(0.2, n) + np.where(life > 1e3, 2 * _SWING, 0))
    mid = market.prices[orders["symbol"]] + swing
    orders["price"] = np.where(orders["buys"], mid - away, mid + away)
    orders["left"] = 100 * rng.geometric(0.4, n) + np.where(rng.random(n) < 0.2, rng.integers(1, 100, n), 0)
    orders["end"] = orders["born"] + rng.exponential(life / market.orders) + 1e-9
    has_middle = (rng.random(n) < 0.15) & (orders["left"] > 1)
    inside = orders["born"] + (orders["end"] - orders["born"]) * rng.random(n)
    orders["middle"] = np.where(has_middle, inside, np.inf)
    orders["middle_type"] = rng.choice([ord(x) for x in "EXC"], n, p=[0.7, 0.27, 0.03])
    orders["middle_size"] = np.maximum(1, orders["left"] // 3)


def _events(
    rng: np.random.Generator, market: _Market, pool: np.ndarray, children: np.ndarray, known: int, begin: float
) -> np.ndarray:
    def made(orders: np.ndarray, time: str, kind: np.ndarray, shares: np.ndarray) -> np.ndarray:
        out = np.zeros(len(orders), _EVENT)
        out["time"], out["type"], out["shares"], out["ref"] = orders[time], kind, shares, orders["id"]
        for name in ("symbol", "buys", "price"):
            out[name] = orders[name]
        return out

    born = pool[known:]
    attributed = np.where(rng.random(len(born)) < 0.03, ord("F"), ord("A"))
    parts = [made(born, "born", attributed, born["left"])]
    everyone = np.concatenate((pool, children))
    middle = everyone[(everyone["middle"] >= np.maximum(begin, everyone["born"])) & (everyone["middle"] < begin + 1)]
    parts.append(made(middle, "middle", middle["middle_type"], middle["middle_size"]))
    ended = everyone[everyone["end"] < begin + 1]
    # A middle of this segment comes first and has taken its part; one of an earlier segment is already taken off.
    left = ended["left"] - np.where(
        ended["middle"] >= begin, np.where(ended["middle"] < np.inf, ended["middle_size"], 0), 0
    )
    ends = made(ended, "end", ended["end_type"], left)
    replaces = ended["end_type"] == ord("U")
    heirs = children[ended["child"][replaces]]
    ends["new"][replaces], ends["shares"][replaces], ends["price"][replaces] = (
        heirs["id"],
        heirs["left"],
        heirs["price"],
    )
    parts.append(ends)
    hidden = born[rng.random(len(born)) < 0.02]
    parts.append(made(hidden, "born", np.full(len(hidden), ord("P")), hidden["left"]))
    events = np.concatenate(parts)
    return events[np.argsort(events["time"], kind="stable")]


def _encode(handle: BinaryIO, events: np.ndarray, stamps: np.ndarray) -> None:
    """Each type as one array of records, moved to its places of the stream."""
    sizes = np.zeros(256, np.int64)
    for name, kind in _TYPES.items():
        sizes[ord(name)] = kind.itemsize
    width = sizes[events["type"]]
    ends = np.cumsum(width)
    stream = np.empty(int(ends[-1]) if len(ends) else 0, np.uint8)
    stocks = np.array([symbol_name(k).ljust(8) for k in range(int(events["symbol"].max(initial=0)) + 1)], "S8")
    for name, kind in _TYPES.items():
        rows = np.flatnonzero(events["type"] == ord(name))
        chosen, records = events[rows], np.zeros(len(rows), kind)
        records["length"], records["type"], records["locate"] = kind.itemsize - 2, name.encode(), chosen["symbol"] + 1
        records["stamp"] = (
            stamps[rows].astype(">u8").view("V8").view(np.uint8).reshape(-1, 8)[:, 2:].copy().view("V6")[:, 0]
        )
        records["ref"] = 0 if name == "P" else chosen["ref"]
        fields = kind.names or ()
        for field in ("shares", "price", "new"):
            if field in fields:
                records[field] = chosen[field]
        if "side" in fields:
            records["side"] = np.where(chosen["buys"] | (name == "P"), b"B", b"S")
        if "stock" in fields:
            records["stock"] = stocks[chosen["symbol"]]
        if "match" in fields:
            records["match"] = rows + 1
        if "printable" in fields:
            records["printable"] = np.where(rows % 4 == 0, b"N", b"Y")
            records["price"] = chosen["price"] + 100 * (rows % 2)
        if "mpid" in fields:
            records["mpid"] = b"MAKR"
        places = (ends - width)[rows]
        stream[(places[:, None] + np.arange(kind.itemsize)).ravel()] = records.view(np.uint8)
    handle.write(stream.tobytes())


def _opening(handle: BinaryIO, symbols: int) -> int:
    """The day's start and the stock directory; returns how many messages."""
    _system(handle, 10_000_000_000_000, "O")
    for symbol in range(symbols):
        locate, stamp, stock = (symbol + 1).to_bytes(2, "big"), (11 * 10**12).to_bytes(6, "big"), symbol_name(symbol)
        name = stock.ljust(8).encode()
        directory = b"R" + locate + b"\0\0" + stamp + name + b"QN" + (100).to_bytes(4, "big") + b"NCZ PNN1N\0\0\0\0N"
        trading = b"H" + locate + b"\0\0" + stamp + name + b"T     "
        for message in (directory, trading):
            handle.write(len(message).to_bytes(2, "big") + message)
    return 1 + 2 * symbols + _system(handle, 34_000_000_000_000, "SQ")


def _system(handle: BinaryIO, stamp: int, events: str) -> int:
    for letter in events:
        handle.write(b"\0\x0cS" + bytes(4) + stamp.to_bytes(6, "big") + letter.encode())
    return len(events)
