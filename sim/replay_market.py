"""A recorded day as a market to execute in: the tape's own book, exactly, with own orders laid over it.

The rules by which own orders fill and take are those of sim/replay_kernel.py. Others do not react to us: what a large
order would have done to the price beyond the depth it consumes is not in the tape.

Known limits: of a file that reports a few best levels (LOBSTER) the best prices and sizes are the stated ones at every
row, the deeper levels those its messages tell of; and where a feed prints trades late (Bitstamp), we fill when told.

Here: `ReplayMarket`. Not here: making a tape ready (sim/replay_tape.py), kernels.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from feeds.errors import InsufficientDataError
from feeds.instruments import InstrumentSpec
from sim.market import (
    OWN_COLUMNS,
    REALISED_VAR_60S,
    SIGNED_VOLUME_60S,
    TRADES_60S,
    VIEW,
    VIEW_SAMPLE_NS,
    VIEW_WINDOW_NS,
    VOLUME_60S,
)
from sim.replay_kernel import run
from sim.replay_own import cancel_lots, count_ahead, place_order, rewind, take_lots, write_book
from sim.replay_rows import ROW_TS
from sim.replay_state import FILLS, NEXT_ROW, NOW_NS, OWN_LIVE, new_replay
from sim.replay_tape import SAVE_EVERY, SUM_SIGNED, SUM_TRADES, SUM_VOLUME, ReplayTape, prepare_tape

REFILL_HALF_LIFE_S = 10.0


class ReplayMarket:
    """One instrument-day; implements `sim.market.Market`.

    Args:
        tape: A tape (see `prepare_tape`), or one made ready: several markets can share it.
        spec: Units of the instrument.
        bounds: First start and last moment, ns UTC; rows before build the book.
        episode_ns: Time an episode needs: starts are drawn from ``bounds[0]`` to ``bounds[1] - episode_ns``.
        refill_half_life_s: Seconds until half of the depth we took is displayed again. Consumed depth is all the impact
            this market has; the half life is how long it lasts.

    Raises:
        InsufficientDataError: No two-sided book to start from within the bounds.
    """

    def __init__(
        self,
        tape: pl.DataFrame | ReplayTape,
        spec: InstrumentSpec,
        bounds: tuple[int, int],
        episode_ns: int = 0,
        refill_half_life_s: float = REFILL_HALF_LIFE_S,
    ) -> None:
        self.tape = tape if isinstance(tape, ReplayTape) else prepare_tape(tape)
        self.increment_ticks = spec.quote_increment_ticks
        self._stamps = np.ascontiguousarray(self.tape.rows[:, ROW_TS])
        self._bounds, self._last_start = bounds, bounds[1] - episode_ns
        self._replay = new_replay(self.tape, max(1.0, refill_half_life_s * 1e9))
        self._state, self._told, self._view = self._replay.state, list[np.ndarray](), np.zeros(VIEW)
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
        return int(self._state[NOW_NS])

    def end_ns(self) -> int:
        """See `Market`; the end of the bounds, also where the tape ends before."""
        return self._bounds[1]

    def reset(self, seed: int) -> None:
        """See `Market`; starts are uniform in time, moved to the next moment with a two-sided book."""
        random = np.random.default_rng(seed)
        start = self._start_from(int(random.integers(self._bounds[0], self._last_start, endpoint=True)))
        self.reset_at(start if start <= self._last_start else self._start_from(self._bounds[0]))

    def reset_at(self, start_ns: int) -> None:
        """Start at a given moment, all rows up to and including it applied."""
        save = max(0, int(np.searchsorted(self._stamps, start_ns, side="right")) - 1) // SAVE_EVERY
        rewind(self._replay, self.tape.saved[save], int(self.tape.anonymous[save]), save * SAVE_EVERY)
        self._told.clear()
        # The clock is that of the start also where the tape begins later.
        self._state[NOW_NS] = min(self.now_ns, start_ns)
        run(self._replay, start_ns)

    def advance(self, until_ns: int) -> None:
        """See `Market`."""
        if until_ns > self._bounds[1]:
            raise InsufficientDataError(
                "replay",
                received=f"advance to {until_ns}",
                expected=f"at most {self._bounds[1]}",
                remedy="Start earlier, or give a longer period.",
            )
        while until_ns > self._state[NOW_NS] and not run(self._replay, until_ns):
            self._keep_fills()

    def take(self, side: int, lots: int) -> int:
        """See `Market`; at most through 1,024 prices that still lack lots."""
        filled = 0
        while filled < lots:
            got = take_lots(self._replay, side, lots - filled)
            filled += got
            if filled < lots:
                if got == 0 and not self._state[FILLS]:
                    break
                self._keep_fills()
        return filled

    def place(self, side: int, price_ticks: int, lots: int) -> int:
        """See `Market`; also -1 where 64 own orders rest already."""
        return int(place_order(self._replay, side, price_ticks, lots))

    def cancel(self, number: int, lots: int = 0) -> int:
        """See `Market`."""
        return int(cancel_lots(self._replay, number, lots))

    def own_orders(self) -> np.ndarray:
        """See `Market`."""
        count_ahead(self._replay)
        return self._replay.own[: self._state[OWN_LIVE], :OWN_COLUMNS].copy()

    def fills(self) -> np.ndarray:
        """See `Market`."""
        if not self._told:
            told = self._replay.fills[: self._state[FILLS]].copy()
            self._state[FILLS] = 0
            return told
        self._keep_fills()
        told = np.concatenate(self._told)
        self._told.clear()
        return told

    def view(self) -> np.ndarray:
        """See `Market`; volumes and mids are those of the tape, our own trades are not in them."""
        view, tape = self._view, self.tape
        write_book(self._replay, view)
        now = self.now_ns
        before = int(np.searchsorted(self._stamps, now - VIEW_WINDOW_NS, side="right"))
        traded = (tape.sums[self._state[NEXT_ROW]] - tape.sums[before]).tolist()
        view[SIGNED_VOLUME_60S], view[VOLUME_60S], view[TRADES_60S] = (
            traded[SUM_SIGNED],
            traded[SUM_VOLUME],
            traded[SUM_TRADES],
        )
        last = now // VIEW_SAMPLE_NS - tape.first_second
        first = -((VIEW_WINDOW_NS - now) // VIEW_SAMPLE_NS) - tape.first_second
        top = tape.variance.size - 1
        view[REALISED_VAR_60S] = tape.variance[min(max(last, 0), top)] - tape.variance[min(max(first, 0), top)]
        return view.copy()

    def _keep_fills(self) -> None:
        self._told.append(self._replay.fills[: self._state[FILLS]].copy())
        self._state[FILLS] = 0

    def _start_from(self, moment_ns: int) -> int:
        """The first moment from ``moment_ns`` on with a two-sided book; after the end where there is none."""
        while True:
            row = int(np.searchsorted(self._stamps, moment_ns, side="right")) - 1
            quoted = int(self.tape.quoted[max(row, 0)])
            if quoted == row:
                return moment_ns
            if quoted == self._stamps.size:
                return self._bounds[1] + 1
            moment_ns = int(self._stamps[quoted])
