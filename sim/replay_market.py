"""A recorded day as a market to execute in: the tape's own book, exactly, with own orders laid over it.

Rules: how own orders fill is told in sim/tape_kernel.py, what becomes of depth we took in sim/tape_depth.py, how our
takes move the price beyond that in sim/tape_shift.py (not at all without an impact model), who stands ahead of us where
the tape does not tell in sim/queue_models.py.

Known limits: of a file that reports a few best levels (LOBSTER) the best prices and sizes are the stated ones at every
row, the deeper levels those its messages tell of; and where a feed prints trades late (Bitstamp), we fill when told.

Here: `ReplayMarket`. Not here: making a tape ready (sim/tape_orders.py, sim/tape_levels.py), kernels (sim/tape_own.py).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from feeds.errors import InsufficientDataError, StudyError
from feeds.instruments import InstrumentSpec
from sim.impact_models import Propagator
from sim.impact_state import parts
from sim.market import DEPTHS, FILL_COLUMNS, OWN_COLUMNS, VIEW
from sim.market_kernels import CompiledMarket
from sim.queue_models import QueueModel
from sim.random_stream import stream_key, uniform
from sim.tape_build import FlatTape
from sim.tape_compiled import compiled_tape
from sim.tape_kinds import prepare_any, queue_for
from sim.tape_own import advance, cancel, depths_into, fills_into, own_into, place, start, take, view_into
from sim.tape_state import FILLS, MAX_FILLS, MAX_OWN, MAX_TAKEN, NOW_NS, TapeRun, TapeState, new_states

REFILL_HALF_LIFE_S = 10.0
_ROUNDING_STREAM, _START_STREAM = 0, 1


class ReplayMarket:
    """One instrument-day; implements `sim.market.Market`.

    Attributes:
        tape: The tape; markets of one tape can share it.
        run: The tape and this market's state, for the kernels of sim/tape_own.py.
        increment_ticks: Quote increment.

    Args:
        tape: RAW_TICKS rows (see `prepare_any`), or a tape made ready.
        spec: Units of the instrument.
        bounds: First start and last moment, ns UTC; rows before build the book.
        episode_ns: Time an episode needs: starts are drawn from ``bounds[0]`` to ``bounds[1] - episode_ns``.
        refill_half_life_s: Seconds until half of the depth we took is displayed again.
        impact: What takes do to the price beyond the depth they consume (`Propagator.beyond_consumed_depth`): no
            spread, no instant part. None: consumed depth is all the impact there is.
        queue: Who stands ahead of us; by default what the tape tells, and where it does not tell orders one by one
            cancellations come from all lots of a queue alike.

    Raises:
        InsufficientDataError: No two-sided book to start from within the bounds.
        StudyError: The impact charges what the book's own depth charges already, or the queue model needs orders that
            the tape does not tell.
    """

    def __init__(
        self,
        tape: pl.DataFrame | FlatTape,
        spec: InstrumentSpec,
        bounds: tuple[int, int],
        episode_ns: int = 0,
        refill_half_life_s: float = REFILL_HALF_LIFE_S,
        impact: Propagator | None = None,
        queue: QueueModel | None = None,
    ) -> None:
        self.tape = tape if isinstance(tape, FlatTape) else prepare_any(tape)
        self.increment_ticks = spec.quote_increment_ticks
        self._bounds, self._last_start = bounds, bounds[1] - episode_ns
        self._half_life_ns, self._impact = max(1.0, refill_half_life_s * 1e9), _parts(impact)
        self._queue = queue_for(self.tape, queue).encoded()
        self.run = TapeRun(self.tape.events, self._new_state())
        self._counts, self._told = self.run.state.counts, list[np.ndarray]()
        self._view, self._own = np.zeros(VIEW), np.zeros((MAX_OWN, OWN_COLUMNS), np.int64)
        self._fills = np.zeros((MAX_FILLS, FILL_COLUMNS), np.int64)
        if self._start_from(bounds[0]) > self._last_start:
            raise InsufficientDataError(
                f"replay of {spec.id}",
                received=f"no two-sided book between {bounds[0]} and {self._last_start}",
                expected=f"one that leaves {episode_ns} ns of market",
                remedy="Shorten the horizon, or give a longer period.",
            )
        self.reset(0)

    @property
    def now_ns(self) -> int:
        """See `Market`."""
        return int(self._counts[NOW_NS])

    def end_ns(self) -> int:
        """See `Market`; the end of the bounds, also where the tape ends before."""
        return self._bounds[1]

    def reset(self, seed: int) -> None:
        """See `Market`; starts are uniform in time, moved to the next moment with a two-sided book."""
        self.reset_at(self._start_of(seed), seed)

    def reset_at(self, start_ns: int, seed: int = 0) -> None:
        """Start at a given moment, all rows up to and including it applied."""
        self._told.clear()
        start(self.run, start_ns, _key_of(seed))

    def advance(self, until_ns: int) -> None:
        """See `Market`."""
        if until_ns > self._bounds[1]:
            raise InsufficientDataError(
                "replay",
                received=f"advance to {until_ns}",
                expected=f"at most {self._bounds[1]}",
                remedy="Start earlier, or give a longer period.",
            )
        while not advance(self.run, until_ns):
            self._keep_fills()

    def take(self, side: int, lots: int) -> int:
        """See `Market`; at most through 1,024 prices that still lack lots."""
        if self._counts[FILLS] > MAX_FILLS - MAX_TAKEN:
            self._keep_fills()
        return int(take(self.run, side, lots))

    def place(self, side: int, price_ticks: int, lots: int) -> int:
        """See `Market`; also -1 where 64 own orders rest already."""
        return int(place(self.run, side, price_ticks, lots))

    def cancel(self, number: int, lots: int = 0) -> int:
        """See `Market`."""
        return int(cancel(self.run, number, lots))

    def own_orders(self) -> np.ndarray:
        """See `Market`."""
        return self._own[: own_into(self.run, self._own)].copy()

    def fills(self) -> np.ndarray:
        """See `Market`."""
        if not self._told:
            return self._fills[: fills_into(self.run, self._fills)].copy()
        self._keep_fills()
        told = np.concatenate(self._told)
        self._told.clear()
        return told

    def view(self) -> np.ndarray:
        """See `Market`; volumes and mids are those of the tape, our own trades and our shift are not in them."""
        view_into(self.run, self._view)
        return self._view.copy()

    def _keep_fills(self) -> None:
        self._told.append(self._fills[: fills_into(self.run, self._fills)].copy())

    def depths(self) -> np.ndarray:
        """(2, `DEPTHS`) float64, see `DeepMarket`."""
        out = np.zeros((2, DEPTHS))
        depths_into(self.run, out)
        return out

    def compiled(self) -> CompiledMarket:
        """This market for kernels, see sim/market_kernels.py."""
        return compiled_tape(
            self.run, self._new_state, lambda seed: (self._start_of(seed), int(_key_of(seed))), self.end_ns()
        )

    def _new_state(self) -> TapeState:
        states = new_states(
            1, self.tape.most_levels, self.increment_ticks, self._half_life_ns, self._impact, self._queue
        )
        return TapeState(*(array[0] for array in states))

    def _start_of(self, seed: int) -> int:
        # Hashed, not drawn from a generator: making one takes longer than all the rest of a reset.
        share = uniform(_key_of(seed, _START_STREAM), 0, 0)
        begin = self._start_from(self._bounds[0] + int(share * (self._last_start - self._bounds[0] + 1)))
        return begin if begin <= self._last_start else self._start_from(self._bounds[0])

    def _start_from(self, moment_ns: int) -> int:
        """The first moment from ``moment_ns`` on with a two-sided book; after the end where there is none."""
        stamps, quoted = self.tape.events.ts_ns, self.tape.events.quoted
        while True:
            row = int(stamps.searchsorted(moment_ns, "right")) - 1
            at = int(quoted[max(row, 0)])
            if at == row:
                return moment_ns
            if at == stamps.size:
                return self._bounds[1] + 1
            moment_ns = int(stamps[at])


def _key_of(seed: int, stream: int = _ROUNDING_STREAM) -> np.uint64:
    return np.uint64(stream_key(seed & 0x7FFFFFFFFFFFFFFF, stream))


def _parts(impact: Propagator | None) -> np.ndarray | None:
    """(parts, 2): ticks per lot and rate per second of an impact that only shifts prices."""
    if impact is None:
        return None
    if impact.half_spread_ticks or impact.instant_ticks_per_lot:
        raise StudyError(
            "impact laid over a replay",
            received=f"a half spread of {impact.half_spread_ticks} and {impact.instant_ticks_per_lot} instant ticks",
            expected="0 of both: the book we walk through charges them",
            remedy="Use Propagator.beyond_consumed_depth.",
        )
    weights, rates = parts(impact)
    moves = weights > 0
    return np.stack([weights[moves], rates[moves]], axis=1) if moves.any() else None
