"""Databento files for tests, written with struct from the format's description; shares nothing with the decoder."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

DBN_INSTRUMENT = "ESH4.GLBX"
DBN_DATE = "2024-01-03"
DAY_NS = 1_704_240_000_000_000_000
LAST, SNAPSHOT, MAYBE_BAD = 128, 32, 4
NO_PRICE = 2**63 - 1
NO_STAMP = 2**64 - 1
SCHEMA_CODES = {"mbo": 0, "mbp-1": 1, "mbp-10": 2, "tbbo": 3, "trades": 4, "ohlcv-1s": 5, "definition": 9, "bbo-1s": 18}


def metadata(
    version: int = 3,
    schema: str | None = "mbo",
    dataset: str = "GLBX.MDP3",
    mappings: Sequence[tuple[str, Sequence[tuple[int, int, str]]]] = (("ESH4", ((20240103, 20240104, "17"),)),),
    stype_in: int = 1,
    ts_out: bool = False,
    records: int = 2**64 - 1,
) -> bytes:
    """The head of a file; ``mappings``: symbol, its intervals as first and end date and what it led to."""
    width = 22 if version == 1 else 71

    def text(value: str) -> bytes:
        return value.encode().ljust(width, b"\0")

    code = 0xFFFF if schema is None else SCHEMA_CODES[schema]
    body = struct.pack("<16sHQQQ", dataset.encode(), code, DAY_NS, DAY_NS + 86_400 * 10**9, 0)
    body += struct.pack("<Q", records) if version == 1 else b""
    body += struct.pack("<BBB", stype_in, 0, ts_out) + (b"" if version == 1 else struct.pack("<H", width))
    body = body.ljust(100, b"\0") + struct.pack("<I", 0)
    body += struct.pack("<I", len(mappings)) + b"".join(text(symbol) for symbol, _ in mappings)
    body += struct.pack("<II", 0, 0) + struct.pack("<I", len(mappings))
    for symbol, intervals in mappings:
        body += text(symbol) + struct.pack("<I", len(intervals))
        for start, end, resolved in intervals:
            body += struct.pack("<II", start, end) + text(resolved)
    if version == 3:
        body += b"\0" * (-len(body) % 8)
    return b"DBN" + bytes([version]) + struct.pack("<I", len(body)) + body


def record(rtype: int, instrument: int, ts_event: int, body: bytes, ts_out: int | None = None) -> bytes:
    """A record of any type."""
    body += b"" if ts_out is None else struct.pack("<Q", ts_out)
    return struct.pack("<BBHIQ", (16 + len(body)) // 4, rtype, 1, instrument, ts_event) + body


def mbo(
    action: str,
    side: str = "N",
    order: int = 0,
    price: int = NO_PRICE,
    size: int = 0,
    flags: int = LAST,
    at: int = 0,
    instrument: int = 17,
    ts_out: int | None = None,
) -> bytes:
    """A market-by-order record, ``at`` ns after midnight at the venue and 1 us later here."""
    stamp = DAY_NS + at
    body = struct.pack("<QqIBBcc", order, price, size, flags, 0, action.encode(), side.encode())
    return record(0xA0, instrument, stamp, body + struct.pack("<QiI", stamp + 1000, 900, 5), ts_out)


def trade(
    action: str = "T",
    side: str = "B",
    price: int = 10**11,
    size: int = 1,
    flags: int = LAST,
    at: int = 0,
    instrument: int = 17,
    levels: Sequence[tuple[int, int, int, int]] = (),
) -> bytes:
    """A record of a trade or, with ``levels`` (bid, ask, their sizes; 1 or 10), of the book."""
    stamp = DAY_NS + at
    body = struct.pack("<qIccBB", price, size, action.encode(), side.encode(), flags, 0)
    body += struct.pack("<QiI", stamp + 1000, 900, 5)
    body += b"".join(struct.pack("<qqIIII", *level, 1, 1) for level in levels)
    return record({0: 0, 1: 1, 10: 10}[len(levels)], instrument, stamp, body)


def definition(
    version: int, symbol: str, increment: int, multiplier: int, currency: str, instrument: int = 17
) -> bytes:
    """An instrument definition: the fields of interest, zeros elsewhere."""
    length, places = {1: (360, (186, 160, 200)), 2: (400, (186, 164, 200)), 3: (520, (224, 176, 238))}[version]
    raw = bytearray(length - 16)
    struct.pack_into("<Qq", raw, 0, DAY_NS, increment)
    struct.pack_into("<i", raw, places[1] - 16, multiplier)
    raw[places[0] - 16 : places[0] - 16 + len(currency)] = currency.encode()
    raw[places[2] - 16 : places[2] - 16 + len(symbol)] = symbol.encode()
    return record(0x13, instrument, DAY_NS, bytes(raw))


def symbol_mapping(version: int, symbol: str, instrument: int) -> bytes:
    """What the live feed says before the first record of an instrument."""
    if version == 1:
        body = struct.pack("<22s22s4xQQ", symbol.encode(), str(instrument).encode(), DAY_NS, DAY_NS)
    else:
        body = struct.pack("<B71sB71sQQ", 1, symbol.encode(), 0, str(instrument).encode(), DAY_NS, DAY_NS)
    return record(0x16, instrument, DAY_NS, body)


def zstd(*frames: bytes, checksum: bool = False) -> bytes:
    """Compressed frames one behind the other."""
    if checksum:
        import zstandard

        return b"".join(zstandard.ZstdCompressor(write_checksum=True).compress(frame) for frame in frames)
    import pyarrow as pa

    return b"".join(pa.compress(frame, codec="zstd", asbytes=True) for frame in frames)


def write(path: Path, head: bytes, records: Iterable[bytes], packed: bool = True) -> Path:
    """A file of one head and records."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = head + b"".join(records)
    path.write_bytes(zstd(content) if packed else content)
    return path


def order_flow(seed: int, events: int, instrument: int = 17) -> list[bytes]:
    """Records of a market whose book they describe without a gap: a snapshot, then orders, changes and executions."""
    rng = random.Random(seed)
    live: dict[int, list] = {}
    records = [mbo("R", flags=SNAPSHOT, instrument=instrument)]
    at = 0

    def place(flags: int) -> None:
        order = 1000 + len(records) + instrument * 100_000
        side = rng.choice("BA")
        away = rng.randrange(1, 20) * 250_000_000
        price = 4_800_000_000_000 + (-away if side == "B" else away)
        live[order] = [side, price, rng.randrange(1, 30)]
        records.append(mbo("A", side, order, price, live[order][2], flags, at, instrument))

    for k in range(20):
        place(SNAPSHOT | (LAST if k == 19 else 0))
    for _ in range(events):
        at += rng.randrange(1, 10**9)
        what = rng.random()
        if what < 0.4 or len(live) < 10:
            place(LAST)
        elif what < 0.6:
            order = rng.choice(sorted(live))
            side, price, size = live.pop(order)
            records.append(mbo("C", side, order, price, size, LAST, at, instrument))
        elif what < 0.75:
            order = rng.choice(sorted(live))
            live[order][2] = rng.randrange(1, 30)
            side, price, size = live[order]
            records.append(mbo("M", side, order, price, size, LAST, at, instrument))
        else:
            _execute(rng, live, records, at, instrument)
    return records


def _execute(rng: random.Random, live: dict[int, list], records: list[bytes], at: int, instrument: int) -> None:
    """A marketable order takes the best orders of a side; the last of them may be filled in part or be an iceberg."""
    side = rng.choice("BA")
    resting = sorted(
        (o for o in live if live[o][0] == side), key=lambda o: (live[o][1] * (-1 if side == "B" else 1), o)
    )
    if not resting:
        return
    taken = resting[: rng.randrange(1, 3)]
    price = live[taken[0]][1]
    fills, effects = [], []
    for k, order in enumerate(taken):
        size = live[order][2]
        part = rng.randrange(1, size + 1) if k == len(taken) - 1 else size
        hidden = rng.choice((0, 0, 5)) if part == size else 0
        fills.append((order, part + hidden))
        if hidden:
            live[order][2] = 7
            effects.append(("M", order, 7))
        elif part == size:
            del live[order]
            effects.append(("C", order, size))
        else:
            live[order][2] = size - part
            effects.append(("M", order, size - part))
    taker = "A" if side == "B" else "B"
    records.append(mbo("T", taker, 1, price, sum(size for _, size in fills), 0, at, instrument))
    records += [mbo("F", side, order, price, size, 0, at, instrument) for order, size in fills]
    for k, (action, order, size) in enumerate(effects):
        at_price = live[order][1] if order in live else price
        records.append(mbo(action, side, order, at_price, size, LAST * (k == len(effects) - 1), at, instrument))


def write_dbn_day(folder: Path, seed: int, events: int = 400) -> list[Path]:
    """A day of one future, market by order."""
    return [write(folder / "glbx-mdp3-20240103.mbo.dbn.zst", metadata(), order_flow(seed, events))]
