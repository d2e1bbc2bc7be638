"""TotalView-ITCH 5.0 files, written from the specification with struct; shares nothing with the decoder.

Here: single messages, framing, and a small day whose books the writer knows. Not here: large tapes
(benchmarks/itch_encoder.py), what rows the messages become (itch_twin.py).
"""

from __future__ import annotations

import gzip
import random
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

NAME = "01302019.NASDAQ_ITCH50"
DATE = "2019-01-30"
MIDNIGHT_NS = 1_548_824_400_000_000_000  # 2019-01-30 00:00 in New York, five hours behind UTC
INSTRUMENT = "ALFA.NASDAQ"
STOCKS = ("ALFA", "BRK.B", "CHRL+", "DLTA")
OPEN_NS, CLOSE_NS = 34_200 * 10**9, 57_600 * 10**9


def message(kind: str, locate: int, stamp: int, layout: str, *fields: object) -> bytes:
    """One message: what all of them begin with, then ``fields`` in ``layout`` (struct, big-endian)."""
    head = struct.pack(">cHH", kind.encode(), locate, 0) + stamp.to_bytes(6, "big")
    return head + struct.pack(">" + layout, *fields)


def system(event: str, stamp: int = 0) -> bytes:
    return message("S", 0, stamp, "c", event.encode())


def directory(locate: int, stock: str, stamp: int = 0) -> bytes:
    fields = (stock8(stock), b"Q", b"N", 100, b"N", b"C", b"Z ", b"P", b"N", b"N", b"1", b"N", 0, b"N")
    return message("R", locate, stamp, "8sccIcc2scccccIc", *fields)


def trading_state(locate: int, stamp: int, stock: str, state: str) -> bytes:
    return message("H", locate, stamp, "8scc4s", stock8(stock), state.encode(), b" ", b"T1  ")


def operational_halt(locate: int, stamp: int, stock: str, market: str, action: str) -> bytes:
    return message("h", locate, stamp, "8scc", stock8(stock), market.encode(), action.encode())


def add(locate: int, stamp: int, ref: int, side: str, shares: int, stock: str, price: int, mpid: str = "") -> bytes:
    fields = (ref, side.encode(), shares, stock8(stock), price)
    if mpid:
        return message("F", locate, stamp, "QcI8sI4s", *fields, mpid.encode())
    return message("A", locate, stamp, "QcI8sI", *fields)


def executed(locate: int, stamp: int, ref: int, shares: int) -> bytes:
    return message("E", locate, stamp, "QIQ", ref, shares, 77)


def executed_at(locate: int, stamp: int, ref: int, shares: int, price: int, printable: str) -> bytes:
    return message("C", locate, stamp, "QIQcI", ref, shares, 78, printable.encode(), price)


def reduced(locate: int, stamp: int, ref: int, shares: int) -> bytes:
    return message("X", locate, stamp, "QI", ref, shares)


def deleted(locate: int, stamp: int, ref: int) -> bytes:
    return message("D", locate, stamp, "Q", ref)


def replaced(locate: int, stamp: int, ref: int, new: int, shares: int, price: int) -> bytes:
    return message("U", locate, stamp, "QQII", ref, new, shares, price)


def hidden(locate: int, stamp: int, side: str, shares: int, stock: str, price: int) -> bytes:
    return message("P", locate, stamp, "QcI8sIQ", 0, side.encode(), shares, stock8(stock), price, 79)


def cross(locate: int, stamp: int, shares: int, stock: str, price: int) -> bytes:
    return message("Q", locate, stamp, "Q8sIQc", shares, stock8(stock), price, 80, b"O")


def others(locate: int, stamp: int, stock: str) -> dict[str, bytes]:
    """One message of every type that says nothing about one instrument's market."""
    name = stock8(stock)
    return {
        "Y": message("Y", locate, stamp, "8sc", name, b"0"),
        "L": message("L", locate, stamp, "4s8sccc", b"MAKR", name, b"Y", b"N", b"A"),
        "V": message("V", locate, stamp, "QQQ", 1, 2, 3),
        "W": message("W", locate, stamp, "c", b"1"),
        "K": message("K", locate, stamp, "8sIcI", name, 36_000, b"A", 100_000),
        "J": message("J", locate, stamp, "8sIIII", name, 10, 11, 9, 1),
        "B": message("B", locate, stamp, "Q", 77),
        "I": message("I", locate, stamp, "QQc8sIIIcc", 10, 20, b"B", name, 1, 2, 3, b"O", b"L"),
        "N": message("N", locate, stamp, "8sc", name, b"A"),
        "O": message("O", locate, stamp, "8scIIIQII", name, b"Y", 1, 9, 5, 36_000, 4, 6),
    }


def stock8(stock: str) -> bytes:
    return stock.encode().ljust(8)


def framed(messages: Iterable[bytes]) -> bytes:
    return b"".join(struct.pack(">H", len(one)) + one for one in messages)


def write(path: Path, messages: Iterable[bytes]) -> Path:
    """Write messages, gzipped where the name says so."""
    content = framed(messages)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return path


def opening(stocks: tuple[str, ...] = STOCKS) -> list[bytes]:
    """What a day begins with; locate codes count from 1."""
    return [system("O"), *(directory(k, name) for k, name in enumerate(stocks, 1)), system("S", 10**9)]


def closing(stamp: int = CLOSE_NS) -> list[bytes]:
    return [system("M", stamp), system("E", stamp), system("C", stamp)]


@dataclass
class Day:
    """Messages of a day and what rests after them.

    Attributes:
        messages: In order.
        books: Locate code -> order's number -> [side, price, what is left].
        traded: Locate code -> shares printed, crosses included.
    """

    messages: list[bytes]
    books: dict[int, dict[int, list]] = field(default_factory=dict)
    traded: dict[int, int] = field(default_factory=dict)


def make_day(seed: int, events: int = 900, stocks: tuple[str, ...] = STOCKS) -> Day:
    """A day of consistent flow: every message refers to an order that rests and holds enough."""
    rng = random.Random(seed)
    day = Day(opening(stocks), {k: {} for k in range(1, len(stocks) + 1)}, dict.fromkeys(range(1, len(stocks) + 1), 0))
    day.messages += [trading_state(k, OPEN_NS, name, "T") for k, name in enumerate(stocks, 1)]
    stamp, fresh = OPEN_NS, 100
    for _ in range(events):
        stamp += rng.choice([0, 1, 999, rng.randrange(10**9)])
        locate = min(rng.randint(1, len(stocks)), rng.randint(1, len(stocks)))
        book, stock = day.books[locate], stocks[locate - 1]
        mid = 1_000_000 * locate
        kind = rng.choices("ADEXUCPQ", [45, 30, 8, 5, 5, 4, 3, 1])[0]
        if kind in "PQ":
            shares = rng.randint(1, 400)
            day.traded[locate] += shares
            make = (
                hidden(locate, stamp, "B", shares, stock, mid)
                if kind == "P"
                else cross(locate, stamp, shares, stock, mid)
            )
            day.messages.append(make)
            continue
        if kind == "A" or not book:
            side, fresh = rng.choice("BS"), fresh + rng.randint(1, 5)
            price = mid + (-100 if side == "B" else 100) * rng.randint(1, 20)
            book[fresh] = [side, price, rng.randint(1, 500)]
            mpid = rng.choice(["", "", "MAKR"])
            day.messages.append(add(locate, stamp, fresh, side, book[fresh][2], stock, price, mpid))
            continue
        ref = rng.choice(list(book))
        side, price, left = book[ref]
        part = rng.choice([left, rng.randint(1, left)])
        if kind == "U":
            fresh += rng.randint(1, 5)
            book[fresh] = [side, price + rng.choice([-100, 0, 100]), rng.randint(1, 500)]
            day.messages.append(replaced(locate, stamp, ref, fresh, book[fresh][2], book[fresh][1]))
        elif kind == "D":
            day.messages.append(deleted(locate, stamp, ref))
        elif kind == "X":
            day.messages.append(reduced(locate, stamp, ref, part))
        elif kind == "E":
            day.messages.append(executed(locate, stamp, ref, part))
            day.traded[locate] += part
        else:
            printable, other = rng.choice("YN"), price + rng.choice([0, 100])
            day.messages.append(executed_at(locate, stamp, ref, part, other, printable))
            day.traded[locate] += part if printable == "Y" else 0
        book[ref][2] -= part if kind in "XEC" else left
        if book[ref][2] == 0:
            del book[ref]
    day.messages += closing(stamp)
    return day


def write_itch_day(folder: Path, seed: int, events: int = 900, name: str = NAME) -> list[Path]:
    """Write a small day; `INSTRUMENT` trades on `DATE` in it."""
    return [write(folder / name, make_day(seed, events).messages)]
