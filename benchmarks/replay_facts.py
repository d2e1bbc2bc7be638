"""What replay promises, counted on the real tapes that are here.

- LOBSTER (`lobster_facts`): the exchange states the book after every message. Best prices and sizes after each row;
  visible executions that take from our best level what they say; and of the deeper levels those that messages
  determine: a file of N levels is silent about what lies behind them, so that a price is known from the moment it was
  the best, or came up empty in sight, until it leaves the N levels; what stood there when it left is in doubt until it
  is the best again.
- ES, order by order (`es_facts`): ids that are unknown or added twice, and the spread in the end.
- Bitstamp (`bitstamp_facts`): each match names both orders. Where in our book the order that rested stood when its
  fill was announced.
- Binance (`binance_facts`): the best prices of the depth stream beside those of the bookTicker stream, in the order in
  which the messages came.

Here: counting. Not here: the replays (sim/), tapes of other measurements (benchmarks/replay_tapes.py).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from typing import Any

import numpy as np
import polars as pl

from benchmarks.replay_sources import Source, binance, bitstamp, es, lobster
from feeds.schema import FLAG_PARTIAL, FLAG_SNAPSHOT
from sim.book_levels import key_of
from sim.book_state import ASK, BID
from sim.fast_replay_l2 import LevelReplay
from sim.fast_replay_l3 import OrderReplay
from sim.replay import with_book
from sim.tape_book import show_row
from sim.tape_orders import prepare_tape
from sim.tape_state import ROW, WINDOW_LEVELS, TapeState, new_states

#: A ticker state further away than this from a depth message explains nothing.
WINDOW_NS = 1_000_000_000
_STATED = ("bid_px", "bid_sz", "ask_px", "ask_sz")
_FILES = ("AMZN_2012-06-21_5", "AMZN_2012-06-21_1", "AAPL_2012-06-21_1")


def run() -> dict[str, Any]:
    """Every fact of every tape that is here: tape -> name -> count or share."""
    found: dict[str, Any] = {}
    for name in _FILES:
        source = lobster(name)
        if source is not None:
            found[f"lobster {name}"] = lobster_facts(source)
    for name, source in (("es", es()), ("bitstamp", bitstamp())):
        if source is not None:
            found[name] = es_facts(source) if name == "es" else bitstamp_facts(source)
    for name in ("usdm/btcusdt", "spot/btcusdt", "cm/btcusd_perp"):
        source = binance(name)
        if source is not None:
            found[f"binance {name}"] = binance_facts(source)
    return found


def lobster_facts(source: Source, most_rows: int | None = None) -> dict[str, float]:
    """Facts of a LOBSTER file.

    Args:
        source: Kept rows with the stated best, and ``levels`` (n, levels, 4) of the book file.
        most_rows: Rows looked at, all where None.

    Returns:
        ``rows``, ``best_equal`` (rows), ``corrected`` (rows at which our book had to be brought in line with the stated
        best), ``executions``, ``executions_matched``, ``deep_levels`` (levels behind the best, of all rows),
        ``deep_shown`` (those our book shows among as many), ``deep_determined``, and ``deep_equal`` of the latter.
    """
    tape, stated = source.rows.head(most_rows or source.rows.height), source.levels
    assert stated is not None, "the book file is beside the messages"
    ready = prepare_tape(tape)
    tops, deep = ready.events.top[1:], Counter[str]()
    state = TapeState(*(array[0] for array in new_states(1, ready.most_levels, 1, 1.0)))
    known = _Known()
    for i in range(tape.height):
        state.counts[ROW] = i + 1
        show_row(ready.events, state)
        ours = [_levels(state, side, 8 * stated.shape[1]) for side in (BID, ASK)]
        for side in (BID, ASK):
            known.look(side, [(int(px), int(sz)) for px, sz in stated[i, :, 2 * side : 2 * side + 2] if px > 0])
            for price, size in known.shown[side][1:]:
                deep["levels"] += 1
                deep["shown"] += (price, size) in ours[side][: stated.shape[1]]
                if price in known.prices[side]:
                    deep["determined"] += 1
                    deep["equal"] += (price, size) in ours[side]
    theirs = tape.select(_STATED).to_numpy()
    executions, matched = _executions(tape, tops)
    return {
        "rows": tape.height,
        "best_equal": int((tops == theirs).all(axis=1).sum()),
        "corrected": ready.corrected_rows,
        "executions": executions,
        "executions_matched": matched,
        "deep_levels": deep["levels"],
        "deep_shown": deep["shown"],
        "deep_determined": deep["determined"],
        "deep_equal": deep["equal"],
    }


class _Known:
    """Prices whose size messages determine, by side; see the module docstring.

    Attributes:
        prices: The prices, by side.
        shown: Levels stated after the last row, best first, by side.
    """

    def __init__(self) -> None:
        self.prices: tuple[set[int], set[int]] = (set(), set())
        self._left: tuple[set[int], set[int]] = (set(), set())
        self.shown: list[list[tuple[int, int]]] = [[], []]

    def look(self, side: int, levels: list[tuple[int, int]]) -> None:
        """Take note of what is stated after a row."""
        if levels == self.shown[side]:
            return
        before, now = ([price for price, _ in what] for what in (self.shown[side], levels))
        sign = 1 if side == BID else -1
        gone, came = set(before) - set(now), set(now) - set(before)
        # Worse than all that is in sight: what becomes of its orders is not told.
        self._left[side].update(price for price in gone if now and sign * (price - now[-1]) < 0)
        self._left[side].difference_update(now[:1])
        # Inside what was in sight: it was empty, and an order came.
        fresh = {price for price in came if before and sign * (price - before[-1]) > 0} - self._left[side]
        kept = self.prices[side] & set(now)
        self.prices[side].clear()
        self.prices[side].update(kept, fresh, now[:1])
        self.shown[side] = levels


def _levels(state: TapeState, side: int, most: int) -> list[tuple[int, int]]:
    count = int(state.counts[WINDOW_LEVELS + side])
    places = range(count - 1, max(-1, count - 1 - most), -1)
    return [(key_of(side, int(state.window_key[side, at])), int(state.window_lots[side, at])) for at in places]


def _executions(tape: pl.DataFrame, tops: np.ndarray) -> tuple[int, int]:
    """Visible executions, and those that found their price and lots at our best level and left the rest of it."""
    at = np.flatnonzero((tape["action"] == "F").to_numpy())
    at = at[at > 0]
    side = tape["side"].to_physical().to_numpy()[at].astype(np.int64)
    price, lots = (tape[name].to_numpy()[at] for name in ("price", "size"))
    before, after = ((tops[rows, 2 * side], tops[rows, 2 * side + 1]) for rows in (at - 1, at))
    left = np.where(after[0] == price, after[1], 0)
    return at.size, int(((before[0] == price) & (before[1] - lots == left)).sum())


def es_facts(source: Source) -> dict[str, float]:
    """Facts of a futures session.

    Returns:
        ``rows``; ``never_added``: events of ids that no row added; ``duplicate_ids``; ``crossed_rows``;
        ``final_spread_increments``; ``evicted_orders``: orders our book gave up; ``missing_in_the_end``: orders that
        rest by their events alone and not in our book.
    """
    rows = source.rows
    booked, stats = with_book(rows)
    added = rows.filter(pl.col("action") == "A")["order_id"]
    changes = rows.filter(pl.col("action").is_in(["M", "C", "F"]))
    last = booked.filter((pl.col("bid_px") > 0) & (pl.col("ask_px") > 0)).tail(1)
    increment = int(np.gcd.reduce(_added_prices(rows)))
    return {
        "rows": stats.rows,
        "never_added": changes.filter(~pl.col("order_id").is_in(added.implode())).height,
        "duplicate_ids": stats.duplicate_ids,
        "crossed_rows": stats.crossed_rows,
        "final_spread_increments": (last["ask_px"] - last["bid_px"]).item() / increment,
        "evicted_orders": stats.evicted_orders,
        "missing_in_the_end": _live(rows) - _replayed(rows).live_orders,
    }


def _added_prices(rows: pl.DataFrame) -> np.ndarray:
    """(n,) int64: prices of additions, ticks."""
    return rows.filter(pl.col("action") == "A")["price"].to_numpy()


def _replayed(rows: pl.DataFrame) -> OrderReplay:
    replay = OrderReplay()
    replay.apply(rows)
    return replay


def _live(rows: pl.DataFrame) -> int:
    """Orders that rest after the last row by the events of their ids alone."""
    left: dict[int, int] = {}
    for action, order_id, size in rows.select("action", "order_id", "size").iter_rows():
        if action == "A" or (action == "M" and order_id in left):
            left[order_id] = size
        elif action in "CF" and order_id in left:
            left[order_id] = left[order_id] - size if size > 0 else 0
        if action in "MCF" and left.get(order_id, 1) <= 0:
            del left[order_id]
    return len(left)


def bitstamp_facts(source: Source) -> dict[str, float]:
    """Facts of a capture with matches.

    Returns:
        ``matches``; ``filled``: the order that rested loses the lots of the match at its stamp; of these ``front``: it
        was then the first in the queue at our best price, ``given_up``: not in our book any more, since a print that
        came earlier over another channel proved it gone, ``behind``: in our book and not the first.
    """
    matches, replay, done = resting_fills(source), OrderReplay(), 0
    found = Counter[str]()
    for row, order_id, side, price in sorted(match for match in matches if match is not None):
        replay.apply(source.rows[done:row])
        done = row
        best, queue = replay.levels(side)[:1], replay.queue(side, price)
        if order_id in queue:
            found["front" if best[0][0] == price and queue[0] == order_id else "behind"] += 1
        else:
            found["given_up"] += 1
    return {
        "matches": len(matches),
        "filled": sum(match is not None for match in matches),
        **{kind: found[kind] for kind in ("front", "given_up", "behind")},
    }


def resting_fills(source: Source) -> list[tuple[int, int, int, int] | None]:
    """Of each match: row, id, side and price of the event that tells the fill of the order that rested."""
    assert source.matches is not None, "the matches are beside the orders"
    events = source.rows.with_row_index("row").filter(pl.col("action").is_in(["A", "M", "C"]))
    lost = pl.col("size").shift(1).over("order_id") - pl.col("size")
    events = events.with_columns(lost=pl.when(pl.col("action") != "A").then(lost)).filter(pl.col("lost") > 0)
    rows: dict[tuple[int, int, int], list[int]] = {}
    for row, *key in events.select("row", "order_id", "lost", "ts_event").iter_rows():
        rows.setdefault(tuple(key), []).append(row)
    found: list[tuple[int, int, int, int] | None] = []
    for order_id, lots, ts_event, side, price in source.matches.iter_rows():
        told = rows.get((order_id, lots, ts_event))
        found.append((told.pop(0), order_id, side, price) if told else None)
    return found


def binance_facts(source: Source) -> dict[str, float]:
    """Facts of a capture of depth and ticker.

    Returns:
        ``messages``: depth messages after which both streams show a book; ``equal``: best prices and sizes of the depth
        are those of the last ticker before; of the others ``ticker_ahead``: those of an earlier ticker, at most
        `WINDOW_NS` before; ``ticker_behind``: of a later one; ``sides_apart``: each side those of another ticker;
        ``unexplained``.
    """
    frame = source.rows.with_row_index("row")
    depth = frame.filter(pl.col("action").is_in(["L", "R"]))
    tops = LevelReplay().apply(depth, tops=True)
    whole = (depth["flags"] & (FLAG_PARTIAL | FLAG_SNAPSHOT) == 0).to_numpy()
    ends, tops = depth["row"].to_numpy()[whole], tops[whole]
    tickers = _Tickers(frame)
    received = frame["ts_recv"].to_numpy()
    found = Counter(
        tickers.explain(int(row), int(received[row]), top) for row, top in zip(ends, tops.tolist(), strict=True)
    )
    shown = {kind: found[kind] for kind in ("equal", "ticker_ahead", "ticker_behind", "sides_apart", "unexplained")}
    return {"messages": sum(shown.values()), **shown}


class _Tickers:
    """The states of a ticker, and when each stood."""

    def __init__(self, frame: pl.DataFrame) -> None:
        quotes = frame.filter(pl.col("action") == "Q")
        state, self.rows, self.states, self.at = [0, 0, 0, 0], list[int](), list[tuple[int, ...]](), list[int]()
        self.stood: dict[tuple[int, ...], list[int]] = {}
        columns = quotes.select("row", "ts_recv", pl.col("side").to_physical(), "price", "size", "flags")
        for row, ts_recv, side, price, size, flags in columns.iter_rows():
            state[2 * side : 2 * side + 2] = price, size
            if flags & FLAG_PARTIAL:
                continue
            self.rows.append(row)
            self.states.append(tuple(state))
            self.at.append(ts_recv)
            for key in ((*state,), (BID, *state[:2]), (ASK, *state[2:])):
                self.stood.setdefault(key, []).append(len(self.rows) - 1)

    def explain(self, row: int, ts_recv: int, top: list[int]) -> str:
        """What the ticker says of a book shown at ``row``; "" before both streams show one."""
        last = bisect_right(self.rows, row) - 1
        if last < 0 or 0 in self.states[last] or 0 in top:
            return ""
        if self.states[last] == tuple(top):
            return "equal"
        whole = self._distance(tuple(top), last, ts_recv)
        if whole:
            return "ticker_ahead" if whole < 0 else "ticker_behind"
        sides = [
            self._distance((side, *top[2 * side : 2 * side + 2]), last, ts_recv, itself=True) for side in (BID, ASK)
        ]
        return "sides_apart" if all(sides) else "unexplained"

    def _distance(self, key: tuple[int, ...], last: int, ts_recv: int, itself: bool = False) -> int:
        """-1 where the state stood before the last one, 1 after it; 0 where it did not, or too far away."""
        stood = self.stood.get(key, [])
        at = bisect_left(stood, last + itself)
        # A state stands until the next one comes.
        if at > 0 and ts_recv - self.at[min(stood[at - 1] + 1, len(self.at) - 1)] <= WINDOW_NS:
            return -1
        at = bisect_right(stood, last)
        return int(at < len(stood) and self.at[stood[at]] - ts_recv <= WINDOW_NS)


def _table(found: dict[str, Any]) -> str:
    lines = []
    for tape, facts in found.items():
        lines += [tape, *(f"  {name:24} {value:>12,.0f}" for name, value in facts.items())]
    return "\n".join(lines)


if __name__ == "__main__":
    print(_table(run()))
