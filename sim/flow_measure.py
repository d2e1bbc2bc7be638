"""What a tape says about its order flow: counts over exposure, by distance from the opposite best.

Only orders whose arrival was seen are counted, in counts and exposure alike, and only while they stay within the
distances that are measured: an order that leaves them is forgotten, because a file of few levels no longer reports its
end. So neither unknown opening orders nor unreported deletions bias a rate.

Here: measuring one tape. Not here: from measures to parameters (sim/flow_fit.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numba import njit

from feeds.errors import InsufficientDataError
from feeds.schema import ACTION_CODE, FLAG_CLOSING, FLAG_SNAPSHOT
from sim.book_state import ASK, BID
from sim.order_index import EMPTY, find, insert, remove

NS = 1_000_000_000
_ADD, _MODIFY, _CANCEL, _FILL = (ACTION_CODE[name] for name in "AMCF")
#: Prices the touch may range over, in quoting increments: more is not one instrument's day.
_MAX_CELLS = 5_000_000


@dataclass(frozen=True)
class TapeArrays:
    """A tape's columns, rows with a two-sided uncrossed book; all (n,) int64 except ``mid``.

    Attributes:
        clock: Running maximum of ts_recv, ns.
        venue: Running maximum of ts_event, ns.
        ts_event: Venue time of the row.
        action: Code of the schema.
        side: Code of the schema.
        order_id: Id.
        price: Ticks.
        size: Lots.
        bid_px: Best bid after the row, ticks; likewise the others.
        bid_depth: Lots over the displayed levels after the row, 0 where it is not stated; likewise of asks.
        live: 1 where the row is no part of an opening snapshot.
        by_trade: 1 where a print names the order of a cancellation: it was filled.
        mid: (n,) float64, ticks.
    """

    clock: np.ndarray
    venue: np.ndarray
    ts_event: np.ndarray
    action: np.ndarray
    side: np.ndarray
    order_id: np.ndarray
    price: np.ndarray
    size: np.ndarray
    bid_px: np.ndarray
    bid_sz: np.ndarray
    ask_px: np.ndarray
    ask_sz: np.ndarray
    bid_depth: np.ndarray
    ask_depth: np.ndarray
    live: np.ndarray
    by_trade: np.ndarray
    mid: np.ndarray

    @property
    def seconds(self) -> float:
        """From the first live row to the last."""
        return float(self.clock[-1] - self.clock[int(np.argmax(self.live))]) / NS


def arrays_of(tape: pl.DataFrame, until_ns: int | None = None) -> TapeArrays:
    """Columns of a tape up to ``until_ns`` (exclusive), see `TapeArrays`.

    Rows of the very first stamp count as an opening snapshot, too.

    Raises:
        InsufficientDataError: Fewer than 100 live rows, or the book columns are missing.
    """
    frame = tape.with_columns(pl.col("ts_recv").cum_max().alias("clock"), pl.col("ts_event").cum_max().alias("venue"))
    if until_ns is not None:
        frame = frame.filter(pl.col("clock") < until_ns)
    frame = frame.filter(pl.col("flags") & FLAG_CLOSING == 0)
    first = frame["clock"].min()
    printed = frame.filter((pl.col("action") == "T") & (pl.col("order_id") != 0))["order_id"].unique()
    snapshot = (pl.col("flags") & FLAG_SNAPSHOT > 0) | (pl.col("clock") == first)
    frame = frame.with_columns(
        live=(~snapshot).cast(pl.Int64),
        by_trade=((pl.col("action") == "C") & pl.col("order_id").is_in(printed.implode())).cast(pl.Int64),
    ).filter((pl.col("bid_px") > 0) & (pl.col("ask_px") > pl.col("bid_px")))
    if int(frame["live"].sum()) < 100:
        raise InsufficientDataError(
            "order flow of a tape",
            received=f"{frame['live'].sum()} live rows with a two-sided book",
            expected="at least 100, with book columns",
            remedy="Replay the orders with sim.replay.with_book first, or use a longer tape.",
        )
    book = ("bid_px", "bid_sz", "ask_px", "ask_sz", "bid_depth", "ask_depth")
    plain = ("clock", "venue", "ts_event", "order_id", "price", "size", *book, "live", "by_trade")
    columns = {name: frame[name].fill_null(0).cast(pl.Int64).to_numpy() for name in plain}
    codes = {name: frame[name].to_physical().cast(pl.Int64).to_numpy() for name in ("action", "side")}
    return TapeArrays(**columns, **codes, mid=0.5 * (columns["bid_px"] + columns["ask_px"]))


@dataclass(frozen=True)
class FlowCounts:
    """Counts by distance 1..K, both sides together.

    Attributes:
        limits: (K,) arrivals.
        cancels: (K,) whole orders cancelled.
        exposure: (K,) order-seconds.
        limit_lots: Sizes of the arrivals, lots.
        arrival_ns: Their times, ns.
    """

    limits: np.ndarray
    cancels: np.ndarray
    exposure: np.ndarray
    limit_lots: np.ndarray
    arrival_ns: np.ndarray


def count_flow(tape: TapeArrays, levels: int, increment: int, quote: int) -> FlowCounts:
    """Count arrivals, cancellations and exposure by distance from the opposite best.

    Args:
        tape: The tape.
        levels: K.
        increment: Width of a distance, ticks; a multiple of ``quote``.
        quote: The venue's quoting increment, ticks.

    Raises:
        InsufficientDataError: The prices range too far for one instrument.
    """
    width = levels * increment
    low = int(tape.bid_px.min()) - width - quote
    cells = (int(tape.ask_px.max()) + width - low) // quote + 2
    if cells > _MAX_CELLS:
        raise InsufficientDataError(
            "order flow of a tape", received=f"prices over {cells} increments", expected=f"at most {_MAX_CELLS}"
        )
    adds = int((tape.action == _ADD).sum())
    hash_size = 1 << (2 * max(adds, 1)).bit_length()
    totals = np.zeros((3, levels))
    arrived = np.zeros((adds + 1, 2), np.int64)
    n = _count(
        tape.clock,
        tape.action,
        tape.side,
        tape.order_id,
        tape.price,
        tape.size,
        tape.bid_px,
        tape.ask_px,
        tape.live,
        tape.by_trade,
        np.array([levels, increment, quote, low]),
        np.zeros(hash_size, np.int64),
        np.full(hash_size, EMPTY, np.int64),
        np.zeros((adds + 1, 4), np.int64),
        np.zeros((2, cells, 2), np.int64),
        totals,
        arrived,
    )
    return FlowCounts(
        limits=totals[0],
        cancels=totals[1],
        exposure=totals[2] / NS,
        limit_lots=arrived[:n, 1],
        arrival_ns=tape.clock[arrived[:n, 0]],
    )


@njit(cache=True)
def _distance(side: int, price: int, bid: int, ask: int, increment: int) -> int:
    away = ask - price if side == BID else price - bid
    return (away + increment - 1) // increment


@njit(cache=True)
def _count(
    clock: np.ndarray,
    action: np.ndarray,
    side: np.ndarray,
    order_id: np.ndarray,
    price: np.ndarray,
    size: np.ndarray,
    bid_px: np.ndarray,
    ask_px: np.ndarray,
    live: np.ndarray,
    by_trade: np.ndarray,
    units: np.ndarray,
    keys: np.ndarray,
    slots: np.ndarray,
    orders: np.ndarray,
    cells: np.ndarray,
    totals: np.ndarray,
    arrived: np.ndarray,
) -> int:
    """``orders``: price, lots, side, epoch of its cell; ``cells``: orders there, epoch; ``arrived``: row, lots."""
    levels, increment = units[0], units[1]
    n, used = 0, 0
    for i in range(1, clock.size):
        bid, ask = bid_px[i - 1], ask_px[i - 1]
        if live[i]:
            _expose(clock[i] - clock[i - 1], bid, ask, units, cells, totals)
        slot = find(keys, slots, order_id[i])
        if action[i] == _ADD and slot == EMPTY:
            distance = _distance(side[i], price[i], bid, ask, increment)
            if 1 <= distance <= levels:
                _enter(order_id[i], side[i], price[i], size[i], used, units, keys, slots, orders, cells)
                used += 1
                if live[i]:
                    totals[0, distance - 1] += 1
                    arrived[n, 0], arrived[n, 1] = i, size[i]
                    n += 1
        elif slot != EMPTY and action[i] in (_MODIFY, _CANCEL, _FILL):
            at = (orders[slot, 0] - units[3]) // units[2]
            known = cells[orders[slot, 2], at, 1] == orders[slot, 3]
            left = size[i] if action[i] == _MODIFY else orders[slot, 1] - size[i]
            moved = action[i] == _MODIFY and price[i] != orders[slot, 0]
            if size[i] <= 0 and action[i] == _CANCEL:
                left = 0
            orders[slot, 1] = left
            if left > 0 and not moved:
                continue
            distance = _distance(orders[slot, 2], orders[slot, 0], bid, ask, increment)
            if known:
                cells[orders[slot, 2], at, 0] -= 1
            if known and live[i] and action[i] != _FILL and not by_trade[i] and 1 <= distance <= levels:
                totals[1, distance - 1] += 1
            remove(keys, slots, order_id[i])
        if ask_px[i] > ask:
            _forget(BID, ask - levels * increment, ask_px[i] - levels * increment, units, cells)
        if bid_px[i] < bid:
            _forget(ASK, bid_px[i] + levels * increment + 1, bid + levels * increment + 1, units, cells)
    return n


@njit(cache=True)
def _enter(
    order_id: int,
    side: int,
    price: int,
    size: int,
    slot: int,
    units: np.ndarray,
    keys: np.ndarray,
    slots: np.ndarray,
    orders: np.ndarray,
    cells: np.ndarray,
) -> None:
    at = (price - units[3]) // units[2]
    insert(keys, slots, order_id, slot)
    orders[slot, 0], orders[slot, 1], orders[slot, 2], orders[slot, 3] = price, size, side, cells[side, at, 1]
    cells[side, at, 0] += 1


@njit(cache=True)
def _expose(elapsed: int, bid: int, ask: int, units: np.ndarray, cells: np.ndarray, totals: np.ndarray) -> None:
    """Add the elapsed time of every order that is counted; none can be better than the stated touch."""
    if elapsed <= 0:
        return
    levels, increment, quote, low = units
    for side in range(2):
        away = (ask - bid) // quote * quote
        while away <= levels * increment:
            price = ask - away if side == BID else bid + away
            orders = cells[side, (price - low) // quote, 0]
            if orders > 0:
                totals[2, (away + increment - 1) // increment - 1] += orders * elapsed
            away += quote


@njit(cache=True)
def _forget(side: int, first: int, behind: int, units: np.ndarray, cells: np.ndarray) -> None:
    """Forget the orders at prices from ``first`` to before ``behind``: they left the distances that are measured."""
    low, quote = units[3], units[2]
    for at in range(max(0, (first - low) // quote), min(cells.shape[1], (behind - low) // quote)):
        cells[side, at, 0] = 0
        cells[side, at, 1] += 1
