"""What a tape says about book and order flow, in numbers that can be bootstrapped by blocks of time.

Order-flow imbalance is that of Cont, Kukanov and Stoikov, "The price impact of order book events", Journal of Financial
Econometrics 12 (2014), equations 3 to 5: what enters and leaves the touch, signed by where it pushes the price.

Here: statistics of book and flow, and `statistics_of`, which collects all families. Not here: returns
(sim/realism_returns.py), signs and impact (sim/realism_signs.py), whole distributions (sim/realism_samples.py),
verdicts (sim/realism.py).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from feeds.schema import ACTION_CODE
from sim.book_state import BID
from sim.flow_measure import NS, TapeArrays
from sim.flow_moments import MarketOrders, market_orders
from sim.order_index import EMPTY
from sim.realism_blocks import LEAST, Blocks, Floats, Statistic, mean_of, ratio

#: Orders farther from the opposite best than this many increments are not looked at.
NEAR = 10
ADD, CANCEL = ACTION_CODE["A"], ACTION_CODE["C"]
#: Seconds over which order-flow imbalance is summed.
OFI_S = 10
_LEAST_INTERVAL_NS = 1_000
#: A tape shorter than this shows no session; its edges are this share of it.
_SESSION_S, _EDGE = 5 * 3_600.0, 1.0 / 6.0


def statistics_of(tape: TapeArrays, increment: int, blocks: int) -> list[Statistic]:
    """All statistics of a tape, cut into ``blocks`` of equal time.

    Args:
        tape: The tape.
        increment: Step in which distances are counted, ticks.
        blocks: How many blocks.
    """
    from sim.realism_returns import return_statistics
    from sim.realism_signs import impact_statistics, sign_statistics

    cut, orders = Blocks(tape, blocks), market_orders(tape)
    return [
        *_book(tape, cut),
        *_flow(tape, orders, increment, cut),
        *return_statistics(tape, cut),
        *sign_statistics(orders, cut),
        *impact_statistics(tape, orders, cut),
    ]


def _book(tape: TapeArrays, cut: Blocks) -> list[Statistic]:
    first = int(np.argmax(tape.live))
    when, stood = tape.clock[first:-1], np.diff(tape.clock[first:]) / NS

    def over_time(metric: str, unit: str, values: npt.NDArray) -> Statistic:
        return Statistic("book", metric, unit, cut.sums(when, values[first:-1] * stood, stood), ratio)

    return [
        over_time("spread", "ticks", (tape.ask_px - tape.bid_px).astype(float)),
        over_time("absolute imbalance at the touch", "1", np.abs(imbalance(tape))),
        over_time("touch volume", "log10 lots", 0.5 * np.log10(np.maximum(1.0, 1.0 * tape.bid_sz * tape.ask_sz))),
        over_time("displayed depth", "log10 lots", log_depth(tape)),
    ]


def imbalance(tape: TapeArrays) -> Floats:
    """(n,) (bid - ask) / (bid + ask) lots at the touch."""
    return np.asarray((tape.bid_sz - tape.ask_sz) / np.maximum(1, tape.bid_sz + tape.ask_sz))


def log_depth(tape: TapeArrays) -> Floats:
    """(n,) log10 of the lots over the displayed levels, mean of both sides."""
    return np.asarray(np.log10(np.maximum(1.0, 0.5 * (tape.bid_depth + tape.ask_depth))))


def distances(tape: TapeArrays, increment: int) -> Floats:
    """(n,) increments from the opposite best before each row; nan for rows without an order or far from the touch."""
    before = np.maximum(np.arange(tape.clock.size) - 1, 0)
    away = np.where(tape.side == BID, tape.ask_px[before] - tape.price, tape.price - tape.bid_px[before])
    near = (away > 0) & (away <= NEAR * increment) & (tape.live > 0)
    return np.where(near, away / increment, np.nan)


def intervals(tape: TapeArrays, near: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int64], Floats]:
    """Times of arrivals and cancellations near the touch and seconds since the one before, a microsecond at least."""
    when = tape.clock[np.isin(tape.action, (ADD, CANCEL)) & near]
    return when[1:], np.maximum(np.diff(when), _LEAST_INTERVAL_NS) / NS


def cancelled(tape: TapeArrays, near: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """(n,) rows that cancel an order near the touch, all or part of it, other than by a trade."""
    return np.asarray((tape.action == CANCEL) & (tape.by_trade == 0) & near)


def lifetimes(tape: TapeArrays, near: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int64], Floats]:
    """Times of the cancellations near the touch and seconds since the order arrived, where that was seen."""
    added = np.flatnonzero((tape.action == ADD) & (tape.live > 0))
    gone = np.flatnonzero(cancelled(tape, near))
    ids, place = np.unique(tape.order_id[added], return_index=True)
    if not ids.size or not gone.size:
        return np.zeros(0, np.int64), np.zeros(0)
    at = np.minimum(np.searchsorted(ids, tape.order_id[gone]), ids.size - 1)
    arrival = np.where(ids[at] == tape.order_id[gone], added[place[at]], EMPTY)
    known = (arrival >= 0) & (arrival < gone)
    when = tape.clock[gone[known]]
    return when, np.maximum(when - tape.clock[arrival[known]], _LEAST_INTERVAL_NS) / NS


def flow_imbalance(tape: TapeArrays) -> Floats:
    """(n,) contribution of each row to order-flow imbalance, lots; 0 for the first and for rows of a snapshot."""
    bid, ask, lots_bid, lots_ask = (x.astype(float) for x in (tape.bid_px, tape.ask_px, tape.bid_sz, tape.ask_sz))
    came = np.where(bid[1:] >= bid[:-1], lots_bid[1:], 0.0) - np.where(bid[1:] <= bid[:-1], lots_bid[:-1], 0.0)
    left = np.where(ask[1:] <= ask[:-1], lots_ask[1:], 0.0) - np.where(ask[1:] >= ask[:-1], lots_ask[:-1], 0.0)
    return np.concatenate([[0.0], (came - left) * (tape.live[1:] > 0)])


def on_grid(tape: TapeArrays, values: npt.NDArray, seconds: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """Beginnings of the whole steps of ``seconds`` from the first live row on, and the sum of (n,) values in each."""
    first = int(tape.clock[int(np.argmax(tape.live))])
    steps = max(0, (int(tape.clock[-1]) - first) // (seconds * NS))
    step = (tape.clock - first) // (seconds * NS)
    inside = (step >= 0) & (step < steps)
    sums = np.bincount(step[inside], np.asarray(values, float)[inside], minlength=steps).astype(float)
    return first + np.arange(steps, dtype=np.int64) * (seconds * NS), sums


def _flow(tape: TapeArrays, orders: MarketOrders, increment: int, cut: Blocks) -> list[Statistic]:
    distance = distances(tape, increment)
    near = np.isfinite(distance)
    when, seconds = intervals(tape, near)
    died, lived = lifetimes(tape, near)
    added, gone = (tape.action == ADD) & near, cancelled(tape, near)
    minutes = np.full(cut.n, cut.width / NS / 60.0)
    traded = cut.sums(orders.ts_ns, orders.lots, np.ones(orders.lots.size))
    both = np.column_stack(
        [cut.sums(tape.clock[gone], np.ones(int(gone.sum()))), cut.sums(tape.clock[added], np.ones(int(added.sum())))]
    )
    return [
        mean_of("flow", "interval between events", "log10 s", cut, when, np.log10(seconds)),
        mean_of("flow", "time to cancellation", "log10 s", cut, died, np.log10(lived)),
        mean_of("flow", "distance of limit orders", "increments", cut, tape.clock[added], distance[added]),
        mean_of("flow", "distance of cancellations", "increments", cut, tape.clock[gone], distance[gone]),
        Statistic("flow", "cancellations per limit order", "1", both, ratio),
        Statistic("flow", "volume", "lots/min", np.column_stack([traded[:, 0], minutes]), ratio),
        Statistic("flow", "market orders", "1/min", np.column_stack([traded[:, 1], minutes]), ratio),
        mean_of("flow", "size of market orders", "log10 lots", cut, orders.ts_ns, np.log10(np.maximum(1, orders.lots))),
        _imbalance_and_price(tape, cut),
        _intraday(orders, cut),
    ]


def _imbalance_and_price(tape: TapeArrays, cut: Blocks) -> Statistic:
    """Correlation of order-flow imbalance and mid change over the same ten seconds, about 0."""
    when, flow = on_grid(tape, flow_imbalance(tape), OFI_S)
    _, moved = on_grid(tape, np.concatenate([[0.0], np.diff(np.log(tape.mid))]), OFI_S)
    flow, moved = flow / max(1e-300, float(np.abs(flow).max(initial=0.0))), moved * 1e4
    sums = cut.sums(when, flow * moved, flow**2, moved**2, np.ones(when.size))

    def value(s: Floats) -> Floats:
        return np.where(s[..., 3] >= LEAST, s[..., 0] / np.sqrt(s[..., 1] * s[..., 2]), np.nan)

    return Statistic("flow", f"correlation of order-flow imbalance and return over {OFI_S} s", "1", sums, value)


def _intraday(orders: MarketOrders, cut: Blocks) -> Statistic:
    """Volume per time in the first and last sixth of the tape to that between; nan under five hours."""
    place = (cut.of(orders.ts_ns) + 0.5) / cut.n
    edge = np.abs(place - 0.5) > 0.5 - _EDGE
    of_block = np.abs((np.arange(cut.n) + 0.5) / cut.n - 0.5) > 0.5 - _EDGE
    volume = cut.sums(orders.ts_ns, orders.lots * edge, orders.lots * ~edge)
    sums = np.column_stack([volume[:, 0], of_block, volume[:, 1], ~of_block]).astype(float)

    def value(s: Floats) -> Floats:
        found = (s[..., 0] / s[..., 1]) / (s[..., 2] / s[..., 3])
        return found if cut.span_s >= _SESSION_S else np.full_like(found, np.nan)

    return Statistic("flow", "volume at the edges of the session to its middle", "1", sums, value)
