"""RAW_TICKS frames from short event lists, and a random order flow."""

from __future__ import annotations

import numpy as np
import polars as pl

from feeds.schema import RAW_TICKS, conform

#: 2013-10-07 10:00 in New York, inside the regular session.
START_NS = 1_381_154_400_000_000_000
MS = 1_000_000

_DEFAULTS = {
    "side": "N",
    "order_id": 0,
    "price": 0,
    "size": 0,
    "exchange": "",
    "condition": 0,
    "flags": 0,
    **dict.fromkeys(("bid_px", "bid_sz", "ask_px", "ask_sz", "bid_depth", "ask_depth")),
}


def raw_frame(*events: dict) -> pl.DataFrame:
    """Rows one millisecond apart unless they state ``ts_event``; ``ts_recv`` equals it unless stated."""
    rows = []
    for i, event in enumerate(events):
        row = {"ts_event": START_NS + i * MS, "sequence": i, **_DEFAULTS, **event}
        rows.append({"ts_recv": row["ts_event"], **row})
    names = list(RAW_TICKS)
    columns = {name: [row[name] for row in rows] for name in names}
    kinds = {name: pl.String if name in ("action", "side") else kind for name, kind in RAW_TICKS.items()}
    return conform(pl.DataFrame(columns, schema=kinds), "raw_ticks")


def order(action: str, order_id: int, side: str, price: int, size: int, **more) -> dict:
    return {"action": action, "order_id": order_id, "side": side, "price": price, "size": size, **more}


def quote(side: str, price: int, size: int, exchange: str = "N", **more) -> dict:
    return {"action": "Q", "side": side, "price": price, "size": size, "exchange": exchange, **more}


def trade(price: int, size: int = 100, side: str = "N", **more) -> dict:
    return {"action": "T", "side": side, "price": price, "size": size, **more}


def random_orders(seed: int, events: int = 2_000, ids: int = 150, width: int = 12) -> pl.DataFrame:
    """Order events over few ids and prices, so that collisions, crosses and unknown ids are frequent."""
    rng = np.random.default_rng(seed)
    action = rng.choice(list("AMCFTR"), events, p=[0.45, 0.15, 0.25, 0.09, 0.0595, 0.0005])
    side = rng.choice(["B", "A"], events)
    centre = np.where(side == "B", 1000 - width // 3, 1000 + width // 3)
    rows = [
        order(
            str(action[i]),
            int(rng.integers(1, ids)),
            str(side[i]),
            int(centre[i] + rng.integers(-width, width + 1)),
            int(rng.integers(0 if action[i] in "MC" else 1, 20)),
            ts_event=START_NS + int(i * 40 * MS),
        )
        for i in range(events)
    ]
    return raw_frame(*rows)


def quote_day(seed: int = 3, quotes: int = 2_000, price: int = 1_000_000) -> pl.DataFrame:
    """A well-behaved national tape in pairs of bid and ask rows with a trade after every fifth pair."""
    rng = np.random.default_rng(seed)
    mid = price + np.cumsum(rng.integers(-1, 2, quotes)) * 100
    events = []
    for i in range(quotes):
        now = START_NS + i * 10 * MS
        events.append(quote("B", int(mid[i] - 100), 200, ts_event=now))
        events.append(quote("A", int(mid[i] + 100), 300, ts_event=now))
        if i % 5 == 0:
            events.append(trade(int(mid[i] + rng.choice([-100, 100])), ts_event=now + 2 * MS))
    return raw_frame(*events)
