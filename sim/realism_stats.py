"""Statistics of a tape that can be bootstrapped by blocks of time: each is a function of sums over its blocks.

Here: the statistics and their sums. Not here: bands and verdicts (sim/realism.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from feeds.schema import ACTION_CODE
from sim.book_state import BID
from sim.flow_measure import NS, TapeArrays
from sim.flow_moments import MarketOrders, market_orders, mid_change, mids_on_grid

#: Lags of the autocorrelations whose decay is measured.
_DECAY_LAGS = np.arange(1, 31)
#: Orders farther from the opposite best than this many increments are not looked at.
_NEAR = 10
_ADD, _CANCEL = ACTION_CODE["A"], ACTION_CODE["C"]


@dataclass(frozen=True)
class Statistic:
    """One number of a tape.

    Attributes:
        metric: Name.
        unit: Unit.
        sums: (blocks, s) float64: what has to be summed over the blocks.
        value: From (s,) sums to the number; nan where they do not say.
    """

    metric: str
    unit: str
    sums: np.ndarray
    value: Callable[[np.ndarray], float]

    def of(self, blocks: np.ndarray | None = None) -> float:
        """The number of the whole tape, or of the given blocks."""
        chosen = self.sums if blocks is None else self.sums[blocks]
        with np.errstate(all="ignore"):
            return float(self.value(chosen.sum(axis=0)))


@dataclass(frozen=True)
class Samples:
    """Whole distributions of a tape, for distances: (n,) each.

    Attributes:
        spread: Ticks, at live rows.
        log_interval: Log10 seconds between events near the touch.
        log_touch: Log10 lots at the best bid, at live rows.
    """

    spread: np.ndarray
    log_interval: np.ndarray
    log_touch: np.ndarray


def samples_of(tape: TapeArrays, increment: int) -> Samples:
    """The distributions of a tape."""
    live = tape.live > 0
    return Samples(
        spread=(tape.ask_px - tape.bid_px)[live].astype(float),
        log_interval=np.log10(_intervals(tape, increment)[1]),
        log_touch=np.log10(np.maximum(1, tape.bid_sz[live])),
    )


def statistics_of(tape: TapeArrays, increment: int, blocks: int) -> list[Statistic]:
    """All statistics of a tape, cut into ``blocks`` of equal time."""
    cut = _Blocks(tape, blocks)
    orders = market_orders(tape)
    return [*_book(tape, cut), *_flow(tape, orders, increment, cut), *_returns(tape, cut), *_signs(tape, orders, cut)]


class _Blocks:
    """Where the blocks of a tape lie."""

    def __init__(self, tape: TapeArrays, blocks: int) -> None:
        self.first_ns = int(tape.clock[int(np.argmax(tape.live))])
        self.width = max(1, -(-(int(tape.clock[-1]) - self.first_ns + 1) // blocks))
        self.n = blocks

    def sums(self, ts_ns: np.ndarray, *columns: np.ndarray) -> np.ndarray:
        """(blocks, columns): sums of values that belong to times."""
        block = np.clip((ts_ns - self.first_ns) // self.width, 0, self.n - 1)
        return np.column_stack([np.bincount(block, np.asarray(c, float), minlength=self.n) for c in columns])


def _ratio(sums: np.ndarray) -> float:
    return sums[0] / sums[1]


def _mean(metric: str, unit: str, cut: _Blocks, ts_ns: np.ndarray, values: np.ndarray) -> Statistic:
    fine = np.isfinite(values)
    return Statistic(metric, unit, cut.sums(ts_ns[fine], values[fine], np.ones(int(fine.sum()))), _ratio)


def _book(tape: TapeArrays, cut: _Blocks) -> list[Statistic]:
    first = int(np.argmax(tape.live))
    when, stood = tape.clock[first:-1], np.diff(tape.clock[first:]) / NS

    def over_time(metric: str, unit: str, values: np.ndarray) -> Statistic:
        return Statistic(metric, unit, cut.sums(when, values[first:-1] * stood, stood), _ratio)

    imbalance = (tape.bid_sz - tape.ask_sz) / np.maximum(1, tape.bid_sz + tape.ask_sz)
    return [
        over_time("spread", "ticks", (tape.ask_px - tape.bid_px).astype(float)),
        over_time("absolute imbalance at the touch", "1", np.abs(imbalance)),
        over_time("touch volume", "log10 lots", 0.5 * np.log10(np.maximum(1.0, 1.0 * tape.bid_sz * tape.ask_sz))),
    ]


def _distances(tape: TapeArrays, increment: int) -> np.ndarray:
    """(n,) increments from the opposite best before each row; nan for rows without an order."""
    before = np.maximum(np.arange(tape.clock.size) - 1, 0)
    away = np.where(tape.side == BID, tape.ask_px[before] - tape.price, tape.price - tape.bid_px[before])
    near = (away > 0) & (away <= _NEAR * increment) & (tape.live > 0)
    return np.where(near, away / increment, np.nan)


def _intervals(tape: TapeArrays, increment: int) -> tuple[np.ndarray, np.ndarray]:
    """Times of arrivals and cancellations near the touch and seconds since the one before, a microsecond at least."""
    kept = np.isin(tape.action, (_ADD, _CANCEL)) & np.isfinite(_distances(tape, increment))
    when = tape.clock[kept]
    return when[1:], np.maximum(np.diff(when), 1_000) / NS


def _flow(tape: TapeArrays, orders: MarketOrders, increment: int, cut: _Blocks) -> list[Statistic]:
    when, seconds = _intervals(tape, increment)
    distance = _distances(tape, increment)
    added, gone = tape.action == _ADD, tape.action == _CANCEL
    minutes = np.full(cut.n, cut.width / NS / 60.0)
    traded = cut.sums(orders.ts_ns, orders.lots, np.ones(orders.lots.size))
    return [
        _mean("interval between events", "log10 s", cut, when, np.log10(seconds)),
        _mean("distance of limit orders", "increments", cut, tape.clock[added], distance[added]),
        _mean("distance of cancellations", "increments", cut, tape.clock[gone], distance[gone]),
        Statistic("volume", "lots/min", np.column_stack([traded[:, 0], minutes]), _ratio),
        Statistic("market orders", "1/min", np.column_stack([traded[:, 1], minutes]), _ratio),
        _mean("size of market orders", "log10 lots", cut, orders.ts_ns, np.log10(np.maximum(1, orders.lots))),
    ]


def _steps(tape: TapeArrays, cut: _Blocks, seconds: int) -> tuple[np.ndarray, np.ndarray]:
    steps = np.diff(np.log(mids_on_grid(tape, seconds))) * 1e4
    return cut.first_ns + np.arange(steps.size) * seconds * NS, steps


def _returns(tape: TapeArrays, cut: _Blocks) -> list[Statistic]:
    found = []
    power = {}
    for seconds in (1, 10, 60):
        when, r = _steps(tape, cut, seconds)
        power[seconds] = cut.sums(when, r**2, np.ones(r.size))
        sums = np.column_stack([power[seconds], cut.sums(when, r**4)])
        found.append(Statistic(f"kurtosis over {seconds} s", "1", sums, lambda s: s[2] * s[1] / s[0] ** 2))
    found.append(Statistic("volatility over 60 s", "bps", power[60], lambda s: np.sqrt(s[0] / s[1])))
    both = np.column_stack([power[1], power[60]])
    found.append(Statistic("signature ratio 1 s to 60 s", "1", both, lambda s: 60.0 * (s[0] / s[1]) / (s[2] / s[3])))
    when, r = _steps(tape, cut, 1)
    found.append(_autocorrelated("return autocorrelation at 1 s", cut, when, r, np.array([1]), _first))
    found.append(_autocorrelated("mean autocorrelation of |r|, 1 to 30 s", cut, when, np.abs(r), _DECAY_LAGS, np.mean))
    return found


def _autocorrelated(
    metric: str, cut: _Blocks, when: np.ndarray, values: np.ndarray, lags: np.ndarray, value: Callable
) -> Statistic:
    """A function of the autocorrelations at some lags; values are centred by the tape's mean."""
    centred = values - values.mean() if values.size else values
    products = [np.concatenate([centred[k:] * centred[:-k], np.zeros(min(k, centred.size))]) for k in lags]
    sums = cut.sums(when, centred**2, *products)
    return Statistic(metric, "1", sums, lambda s: float(value(s[1:] / s[0])))


def _first(values: np.ndarray) -> float:
    return values[0]


def decay(values: np.ndarray) -> float:
    """Minus the slope of log autocorrelation on log lag, positive ones only; nan where fewer than 8 are."""
    fine = values > 0
    if fine.sum() < 8:
        return float("nan")
    return -float(np.polyfit(np.log(_DECAY_LAGS[fine]), np.log(values[fine]), 1)[0])


def _signs(tape: TapeArrays, orders: MarketOrders, cut: _Blocks) -> list[Statistic]:
    signs = orders.signs.astype(float)
    found = [
        _autocorrelated("sign autocorrelation at lag 1", cut, orders.ts_ns, signs, np.array([1]), _first),
        _autocorrelated("mean sign autocorrelation, lags 1 to 30", cut, orders.ts_ns, signs, _DECAY_LAGS, np.mean),
        _autocorrelated("decay of the sign autocorrelation", cut, orders.ts_ns, signs, _DECAY_LAGS, decay),
    ]
    for seconds in (1, 10, 30):
        response = mid_change(tape, orders.before, seconds * NS) * signs * 1e4
        found.append(_mean(f"response after {seconds} s", "bps", cut, orders.ts_ns, response))
    return found
