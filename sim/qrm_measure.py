"""What a tape says about queues around a reference price: counts over exposure by level and size.

Prices are looked at in steps: bids count at the step at or below their price, asks at the step at or above. The
reference price is the mid where the spread is an odd number of steps; else, of the two prices half a step beside it,
the one nearer to where it was (Huang, Lehalle and Rosenbaum 2015, section 2.2.1).

Here: measuring one tape. Not here: from measures to parameters (sim/qrm_fit.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numba import njit

from feeds.errors import InsufficientDataError
from feeds.schema import ACTION_CODE, FLAG_SNAPSHOT
from sim.book_state import BID
from sim.flow_measure import TapeArrays, arrays_of
from sim.order_index import EMPTY, find, insert, remove
from sim.qrm_params import CANCEL, LIMIT, MARKET, Floats

_NS = 1_000_000_000
_ADD, _MODIFY, _CANCEL, _FILL = (ACTION_CODE[name] for name in "AMCF")
_MAX_CELLS = 5_000_000
#: Places of an order: price, lots, side.
_PRICE, _LOTS, _SIDE = 0, 1, 2


@dataclass(frozen=True)
class TapeQueues:
    """Counts of a tape, both sides together.

    Attributes:
        counts: (K, Q + 1, 3) arrivals by level, size of the queue before, kind.
        exposure: (K, Q + 1) seconds a queue of the level had the size.
        event_size: (K,) mean lots of an arrival at the level.
        seconds: (n,) since the first live row.
        mid: (n,) mid in half steps.
    """

    counts: Floats
    exposure: Floats
    event_size: Floats
    seconds: Floats
    mid: np.ndarray


def queue_arrays(tape: pl.DataFrame, until_ns: int | None = None) -> TapeArrays:
    """Columns of a tape (`sim.flow_measure.arrays_of`) that keep what was placed while a side was empty.

    A snapshot states one side before the other: its orders are needed. Such rows take the nearest quotes and count as
    part of the opening, so neither their arrivals nor their time is measured.

    Raises:
        InsufficientDataError: Fewer than 100 live rows, or the book columns are missing.
    """
    one_sided = (pl.col("bid_px").fill_null(0) <= 0) | (pl.col("ask_px").fill_null(0) <= 0)
    quotes = [
        pl.when(one_sided).then(None).otherwise(pl.col(name)).forward_fill().backward_fill().fill_null(0).alias(name)
        for name in ("bid_px", "ask_px")
    ]
    flags = pl.when(one_sided).then(pl.col("flags") | FLAG_SNAPSHOT).otherwise(pl.col("flags")).alias("flags")
    return arrays_of(tape.with_columns(*quotes, flags), until_ns)


def measure_queues(tape: TapeArrays, step: int, levels: int, max_queue: int) -> TapeQueues:
    """Measure a tape twice: mean sizes by level first, counts in units of them then.

    Args:
        tape: The tape.
        step: Between prices, ticks.
        levels: K.
        max_queue: Q; larger queues count as Q.

    Raises:
        InsufficientDataError: Prices range too far, or a level saw no arrival.
    """
    low = int(tape.bid_px.min()) // step - 4 * levels
    cells = int(tape.ask_px.max()) // step + 4 * levels - low
    if cells > _MAX_CELLS:
        raise InsufficientDataError("queues of a tape", received=f"prices over {cells} steps", expected=f"{_MAX_CELLS}")
    sizes, seen = np.zeros((levels, 2)), np.ones(levels)
    bids, asks = tape.bid_px // step, -(-tape.ask_px // step)
    for unit in (0, 1):
        counts, exposure = np.zeros((levels, max_queue + 1, 3)), np.zeros((levels, max_queue + 1))
        _walk(tape, bids, asks, np.array([step, low]), seen, counts, exposure, sizes)
        if unit == 0:
            if (sizes[:, 1] == 0).any():
                raise InsufficientDataError(
                    "queues of a tape",
                    received=f"{sizes[:, 1].astype(int).tolist()} arrivals by level",
                    expected="some on every level",
                    remedy="Take fewer levels or a source that reports more.",
                )
            seen = sizes[:, 0] / sizes[:, 1]
    live = tape.live > 0
    clock = tape.clock[live]
    return TapeQueues(counts, exposure / _NS, seen, (clock - clock[0]) / _NS, (bids + asks)[live])


def _walk(
    tape: TapeArrays,
    bids: np.ndarray,
    asks: np.ndarray,
    grid: np.ndarray,
    unit: Floats,
    counts: Floats,
    exposure: Floats,
    sizes: Floats,
) -> None:
    adds = int((tape.action == _ADD).sum())
    hash_size = 1 << (2 * max(adds, 1)).bit_length()
    cells = int(asks.max()) - int(grid[1]) + 4 * len(unit) + 1
    _count_queues(
        tape.clock, tape.action, tape.side, tape.order_id, tape.price, tape.size, tape.live, tape.by_trade,
        bids, asks, grid, unit,
        np.zeros(hash_size, np.int64), np.full(hash_size, EMPTY, np.int64), np.zeros((adds + 1, 3), np.int64),
        np.zeros((2, cells), np.int64), counts, exposure, sizes,
    )  # fmt: skip


@njit(cache=True)
def _cell(side: int, price: int, grid: np.ndarray) -> int:
    return price // grid[0] if side == BID else -(-price // grid[0])


@njit(cache=True)
def _units(lots: int, unit: float, most: int) -> int:
    return min(most, int(np.ceil(max(0, lots) / unit)))


@njit(cache=True)
def _reference(bid: int, ask: int, before: int) -> int:
    """Twice the reference price in steps; odd."""
    mid = bid + ask
    if mid % 2 != 0:
        return mid
    return mid - 1 if abs(mid - 1 - before) <= abs(mid + 1 - before) else mid + 1


@njit(cache=True)
def _count_queues(
    clock: np.ndarray,
    action: np.ndarray,
    side: np.ndarray,
    order_id: np.ndarray,
    price: np.ndarray,
    size: np.ndarray,
    live: np.ndarray,
    by_trade: np.ndarray,
    bids: np.ndarray,
    asks: np.ndarray,
    grid: np.ndarray,
    unit: np.ndarray,
    keys: np.ndarray,
    slots: np.ndarray,
    orders: np.ndarray,
    depth: np.ndarray,
    counts: np.ndarray,
    exposure: np.ndarray,
    sizes: np.ndarray,
) -> None:
    """One pass. ``depth``: lots by side and step; ``orders``: price, lots, side; ``sizes``: lots, number by level."""
    used, reference = 0, _reference(bids[0], asks[0], bids[0] + asks[0])
    for i in range(clock.size):
        if i > 0 and live[i]:
            _spend(clock[i] - clock[i - 1], bids[i - 1], asks[i - 1], reference, grid, unit, depth, exposure)
        slot = find(keys, slots, order_id[i])
        if action[i] == _ADD and slot == EMPTY:
            orders[used, _PRICE], orders[used, _LOTS], orders[used, _SIDE] = price[i], size[i], side[i]
            insert(keys, slots, order_id[i], used)
            used += 1
            _tell(side[i], price[i], size[i], LIMIT, live[i], reference, grid, unit, depth, counts, sizes)
        elif action[i] in (_CANCEL, _FILL):
            kind = MARKET if action[i] == _FILL or by_trade[i] else CANCEL
            at, lots = price[i], size[i]
            if slot != EMPTY:
                at = orders[slot, _PRICE]
                lots = min(orders[slot, _LOTS], size[i]) if size[i] > 0 else orders[slot, _LOTS]
                orders[slot, _LOTS] -= lots
                if orders[slot, _LOTS] <= 0:
                    remove(keys, slots, order_id[i])
            if side[i] < 2 and lots > 0:
                _tell(side[i], at, -lots, kind, live[i], reference, grid, unit, depth, counts, sizes)
        elif action[i] == _MODIFY and slot != EMPTY:
            was, own = orders[slot, _LOTS], orders[slot, _SIDE]
            if price[i] != orders[slot, _PRICE]:
                _tell(own, orders[slot, _PRICE], -was, CANCEL, live[i], reference, grid, unit, depth, counts, sizes)
                _tell(own, price[i], size[i], LIMIT, live[i], reference, grid, unit, depth, counts, sizes)
            elif size[i] != was:
                kind = LIMIT if size[i] > was else CANCEL
                _tell(own, price[i], size[i] - was, kind, live[i], reference, grid, unit, depth, counts, sizes)
            orders[slot, _PRICE], orders[slot, _LOTS] = price[i], size[i]
        reference = _reference(bids[i], asks[i], reference)


@njit(cache=True)
def _tell(
    side: int,
    price: int,
    lots: int,
    kind: int,
    live: int,
    reference: int,
    grid: np.ndarray,
    unit: np.ndarray,
    depth: np.ndarray,
    counts: np.ndarray,
    sizes: np.ndarray,
) -> None:
    """Change the depth, and count the arrival where it lies on a level."""
    step = _cell(side, price, grid)
    cell = step - grid[1]
    if not 0 <= cell < depth.shape[1]:
        return
    away = reference - 2 * step if side == BID else 2 * step - reference
    level = (away - 1) // 2
    if live and 0 <= level < unit.size:
        counts[level, _units(depth[side, cell], unit[level], counts.shape[1] - 1), kind] += 1.0
        sizes[level, 0] += abs(lots)
        sizes[level, 1] += 1.0
    depth[side, cell] = max(0, depth[side, cell] + lots)


@njit(cache=True)
def _spend(
    elapsed: int,
    bid: int,
    ask: int,
    reference: int,
    grid: np.ndarray,
    unit: np.ndarray,
    depth: np.ndarray,
    exposure: np.ndarray,
) -> None:
    """Add the time every queue had its size; steps better than the stated touch are empty."""
    for level in range(unit.size):
        for side in range(2):
            step = (reference - 1) // 2 - level if side == BID else (reference + 1) // 2 + level
            cell = step - grid[1]
            shown = step <= bid if side == BID else step >= ask
            if 0 <= cell < depth.shape[1]:
                lots = depth[side, cell] if shown else 0
                exposure[level, _units(lots, unit[level], exposure.shape[1] - 1)] += elapsed
