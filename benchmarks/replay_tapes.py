"""Tapes that replays are measured on, and the same tapes as hftbacktest reads them.

Here: reading, generating, converting. Not here: the measurement (benchmarks/book_replay.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from benchmarks.replay_sources import bitstamp, es
from feeds.root import shared_root
from feeds.schema import ACTION_CODE
from sim.fast_replay_l3 import OrderColumns, order_columns
from sim.ladder_state import SIDE_UNIT

#: Layout of the package's events, and the codes used here.
EVENT = np.dtype(
    [("ev", "<u8"), ("exch_ts", "<i8"), ("local_ts", "<i8"), ("px", "<f8"), ("qty", "<f8"), ("order_id", "<u8"),
     ("ival", "<i8"), ("fval", "<f8")]
)  # fmt: skip
_DEPTH, _TRADE, _ADD, _CANCEL, _MODIFY = 1, 2, 10, 11, 12
_BOTH_CLOCKS, _BUY, _SELL = (1 << 31) | (1 << 30), 1 << 29, 1 << 28


@dataclass(frozen=True)
class Tape:
    """A tape and the unit of its prices; ``rows`` are `OrderColumns` or RAW_TICKS of a level feed."""

    rows: Any
    tick: float


def order_tapes() -> dict[str, Tape]:
    """Order-by-order tapes: those of real days that are here, and a generated one."""
    sources = {"bitstamp": bitstamp(), "es": es()}
    here = {name: source for name, source in sources.items() if source is not None}
    tapes = {name: Tape(order_columns(source.rows), source.spec.tick_size) for name, source in here.items()}
    return tapes | {"generated": generated_orders()}


def generated_orders(events: int = 1_000_000, live: int = 200) -> Tape:
    """Additions and cancellations of random orders around a fixed mid, one in two each once ``live`` orders rest.

    At the end what rests is cancelled: the tape can be repeated with other ids.
    """
    rng = np.random.default_rng(0)
    draws, gaps, cancel_at = rng.random((2, events)), rng.exponential(1e6, events).astype(np.int64), rng.random(events)
    away = rng.geometric(0.2, events)
    code, ids, price = np.zeros(events, np.uint8), np.zeros(events, np.int64), np.zeros(events, np.int64)
    resting: list[tuple[int, int, int]] = []
    for i in range(events):
        if len(resting) < events - i and (len(resting) < live or draws[0, i] < 0.5):
            side = int(draws[1, i] < 0.5)
            order = (i + 1, side, 10_000 + int(away[i]) if side else 9_999 - int(away[i]))
            resting.append(order)
            code[i] = ACTION_CODE["A"] + SIDE_UNIT * side
        else:
            k = int(cancel_at[i] * len(resting))
            order, resting[k] = resting[k], resting[-1]
            resting.pop()
            code[i] = ACTION_CODE["C"] + SIDE_UNIT * order[1]
        ids[i], _, price[i] = order
    lots = np.where(code & (SIDE_UNIT - 1) == ACTION_CODE["A"], 100, 0).astype(np.int64)
    return Tape(OrderColumns(code, ids, price, lots, 1_700_000_000_000_000_000 + np.cumsum(gaps)), 0.01)


def level_tape() -> Tape | None:
    """Levels, clears and trades of a real day of a crypto future, None where it is not here."""
    from feeds.adapters.binance_raw import BinanceRaw

    path = shared_root() / "binance_raw" / "usdm" / "btcusdt_20240808.gz"
    if not path.is_file():
        return None
    adapter = BinanceRaw()
    info = adapter.sniff(path)
    assert info is not None and info.instrument is not None, "the capture tells its instrument"
    spec = adapter.default_spec(info.instrument)
    rows = adapter.parse({"capture": path}, spec, info.dates[0]).frame
    return Tape(rows.filter(pl.col("action").is_in(["L", "R", "T"])), spec.tick_size)


def order_events(tape: Tape) -> np.ndarray:
    """An order tape as the package reads it.

    It takes no partial cancellations and fails at unknown ids: partial ones become modifications, unknown and repeated
    ids go, a clear is a cancellation of every order.
    """
    columns: OrderColumns = tape.rows
    live: dict[int, list[int]] = {}
    rows: list[tuple[int, int, int, int, int]] = []
    lists = [column.tolist() for column in (columns.code, columns.order_id, columns.price, columns.lots)]
    names = "AMCFTRQHL"
    for i, (code, key, price, lots) in enumerate(zip(*lists, strict=True)):
        action, side = names[code % SIDE_UNIT], code // SIDE_UNIT
        order = live.get(key)
        if action == "A" and order is None:
            live[key] = [side, price, lots]
            rows.append((i, _ADD, side, key, lots))
        elif action == "R":
            rows.extend((i, _CANCEL, held[0], gone, held[2]) for gone, held in live.items())
            live.clear()
        elif action == "T" and side < 2:
            rows.append((i, _TRADE, side, 0, lots))
        elif action in "MCF" and order is not None:
            left = lots if action == "M" else (order[2] - lots if lots > 0 else 0)
            rows.append((i, _MODIFY if left > 0 else _CANCEL, order[0], key, max(left, 0)))
            order[2] = left
            if left <= 0:
                del live[key]
    at, kinds, sides, keys, lots_left = np.array(rows, np.int64).reshape(-1, 5).T
    stamps = np.maximum.accumulate(columns.ts_ns)[at]
    events = _events(kinds, sides, stamps, columns.price[at] * tape.tick, lots_left.astype(float))
    events["order_id"] = keys
    return events


def level_events(tape: Tape) -> np.ndarray:
    """A level tape as the package reads it; its opening clear goes: the package starts empty."""
    rows = tape.rows.filter(pl.col("action") != "R")
    kinds = np.where((rows["action"] == "T").to_numpy(), _TRADE, _DEPTH)
    sides = rows["side"].to_physical().cast(pl.Int64).to_numpy()
    stamps = np.maximum.accumulate(rows["ts_recv"].to_numpy())
    return _events(kinds, sides, stamps, rows["price"].to_numpy() * tape.tick, rows["size"].to_numpy() * 1e-8)


def _events(kind: np.ndarray, side: np.ndarray, stamp: np.ndarray, price: np.ndarray, lots: np.ndarray) -> np.ndarray:
    events = np.zeros(kind.size, EVENT)
    events["ev"] = kind + _BOTH_CLOCKS + np.where(side == 0, _BUY, _SELL)
    events["exch_ts"] = stamp
    events["local_ts"] = stamp + 100_000
    events["px"], events["qty"] = price, lots
    return events
