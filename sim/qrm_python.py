"""The queue-reactive book and its execution task in plain Python, to read in one sitting and to test the kernels with.

It draws the same numbers from the same addresses (sim/random_stream.py), so an episode agrees with the kernels' event
for event. Slow by design.

Here: `PythonQrm`. Not here: the kernels (sim/qrm_kernel.py, sim/qrm_task.py), which give the reasons of the rules.
"""

from __future__ import annotations

import math

import numpy as np

from sim.qrm_params import CANCEL, LIMIT, MARKET, QrmParams
from sim.qrm_task import QrmTask
from sim.random_stream import stream_key, uniform

#: Streams of an episode.
_ARRIVALS, _MOVES, _OWN, _OPENING = range(4)
_SIDE_TRIES, _MOVE_TRIES = 4, 8


class PythonQrm:
    """One book; a side is a list of K queues, the nearest to the reference price first.

    Attributes:
        sides: Bids, asks.
        reference: Ticks above the arrival price.
        seconds: Since the opening.
        inventory: Units still to buy.
        shortfall_half_ticks: What the units bought cost over the arrival price.
        decision: The next.
    """

    def __init__(self, params: QrmParams, seed: int, episode: int = 0, task: QrmTask | None = None) -> None:
        self.params, self.task = params, task or QrmTask()
        self._law = params.law().cumsum(axis=2)
        self._keys = [np.uint64(stream_key(seed, episode * 4 + stream)) for stream in range(4)]
        self.sides: list[list[int]] = [[], []]
        self.reference, self.seconds, self._arrival = 0, 0.0, 0
        self.inventory, self.shortfall_half_ticks, self.decision = self.task.parent, 0, 0
        self.events = self.rejected = 0
        self._draw_book(_OPENING, 0)

    def _uniform(self, stream: int, number: int, draw: int) -> float:
        return uniform(self._keys[stream], number, draw)

    def _size(self, side: int, level: int, chance: float) -> int:
        reached = [n for n, total in enumerate(self._law[side, level]) if chance < total]
        return reached[0] if reached else self.params.max_queue

    def _draw_book(self, stream: int, number: int) -> None:
        k = self.params.levels
        for side in (0, 1):
            for tried in range(_SIDE_TRIES):
                first = 2 + (2 * tried + side) * k
                self.sides[side] = [
                    self._size(side, level, self._uniform(stream, number, first + level)) for level in range(k)
                ]
                if any(self.sides[side]):
                    break
            else:
                self.sides[side][-1] = 1

    def best(self, side: int) -> int:
        """Level of the best occupied queue of a side."""
        return next(level for level, units in enumerate(self.sides[side]) if units)

    def mid_half_ticks(self) -> int:
        """Mid, half ticks above the arrival price."""
        return 2 * self.reference + self.best(1) - self.best(0)

    def _shifted(self, move: int, chance: float) -> list[list[int]]:
        sizes, q = self.params.event_size, self.params.max_queue
        behind, before = (0, 1) if move > 0 else (1, 0)
        sides: list[list[int]] = [[], []]
        for level, units in enumerate(self.sides[behind][:-1]):
            sides[behind].append(min(q, round(units * (sizes[level] / sizes[level + 1]))))
        sides[behind].insert(0, 0)
        for level, units in enumerate(self.sides[before][1:], start=1):
            sides[before].append(min(q, round(units * (sizes[level] / sizes[level - 1]))))
        sides[before].append(self._size(before, self.params.levels - 1, chance))
        return sides

    def _move_reference(self, stream: int, number: int, move: int) -> None:
        kept = [list(side) for side in self.sides]
        for tried in range(_MOVE_TRIES):
            address = number * _MOVE_TRIES + tried
            if self._uniform(stream, address, 0) >= self.params.theta:
                return
            if self._uniform(stream, address, 1) < self.params.theta_reinit:
                self._draw_book(stream, address)
            else:
                self.sides = self._shifted(move, self._uniform(stream, address, 2))
            if any(self.sides[0]) and any(self.sides[1]):
                self.reference += move
                return
            self.sides = [list(side) for side in kept]

    def next_arrival(self, until_s: float) -> tuple[int, int, int] | None:
        """Apply the next arrival: (side, level, kind); None: none comes before ``until_s``."""
        while True:
            k, number = self.params.levels, self._arrival
            self._arrival += 1
            rates = [
                (float(self.params.rates[level, self.sides[side][level], side, kind]), side, level, kind)
                for side in (0, 1)
                for level in range(k)
                for kind in (LIMIT, CANCEL, MARKET)
            ]
            total = sum(rate for rate, *_ in rates)
            wait = -math.log(self._uniform(_ARRIVALS, number, 0)) / total
            if self.seconds + wait > until_s:
                self.seconds = until_s
                return None
            self.seconds += wait
            place = self._uniform(_ARRIVALS, number, 1) * total
            side, level, kind = rates[-1][1:]
            for rate, *arrival in rates:
                if place < rate:
                    side, level, kind = arrival
                    break
                place -= rate
            if self._apply(side, level, kind, number):
                self.events += 1
                return side, level, kind
            self.rejected += 1

    def _apply(self, side: int, level: int, kind: int, number: int) -> bool:
        queues, before = self.sides[side], self.best(side)
        units = queues[level] + (1 if kind == LIMIT else -1)
        if not 0 <= units <= self.params.max_queue or (units == 0 and sum(queues) == 1):
            return False
        queues[level] = units
        after = self.best(side)
        if after != before and not (kind == LIMIT and self.sides[1 - side][0] > 0):
            up = (after > before) == (side == 1)
            self._move_reference(_MOVES, number, 1 if up else -1)
        return True

    def decide(self, units: int) -> tuple[float, bool]:
        """Buy so many units and run to the next decision: (reward, whether the episode is over)."""
        half_tick, task = 0.5 * self.params.tick, self.task
        bought, emptied, paid = max(0, min(units, sum(self.sides[1]) - 1, self.inventory)), False, 0
        rest = bought
        for level, held in enumerate(self.sides[1]):
            taken = min(rest, held)
            emptied = emptied or 0 < taken == held
            self.sides[1][level] -= taken
            paid += taken * (2 * (self.reference + level) + 1)
            rest -= taken
        if emptied:
            self._move_reference(_OWN, self.decision, 1)
        self.inventory -= bought
        self.shortfall_half_ticks += paid
        self.decision += 1
        if self.inventory == 0 or self.decision == task.decisions:
            return -half_tick * paid - task.penalty * self.inventory, True
        self._arrival = self.decision << 32
        while self.next_arrival(self.decision * task.step_s) is not None:
            pass
        return -half_tick * paid, False
